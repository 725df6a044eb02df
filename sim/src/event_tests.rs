use super::*;
use crate::disk::Fate;
use proptest::prelude::*;

fn events() -> impl Strategy<Value = Event> {
    let client = || (0_usize..64).prop_map(ClientId);
    let server = || (0_usize..4).prop_map(ServerNo);
    let wire = move || (client(), server()).prop_map(|(client, server)| Wire { client, server });
    let piece = || prop_oneof![any::<usize>(), Just(ALL)];
    let side = prop_oneof![Just(Side::Both), Just(Side::Client), Just(Side::Server)];
    let way = prop_oneof![Just(Way::Up), Just(Way::Down)];
    let loss = prop_oneof![
        Just(Loss::Process),
        any::<u64>().prop_map(Loss::Power),
        Just(Loss::Cache),
        Just(Loss::Nothing),
        any::<u64>().prop_map(Loss::Closing),
    ];
    let failure = prop_oneof![
        Just(Failure::Full),
        Just(Failure::Write),
        Just(Failure::Blob),
        Just(Failure::Pack),
        any::<usize>().prop_map(Failure::End)
    ];
    let fate = prop_oneof![Just(Fate::Process), any::<u64>().prop_map(Fate::Power)];
    let clients = prop_oneof![
        (client(), any::<u64>()).prop_map(|(id, dice)| Event::Act(id, dice)),
        (client(), any::<u64>()).prop_map(|(id, dice)| Event::Begin(id, dice)),
        (client(), any::<u64>()).prop_map(|(id, dice)| Event::Admin(id, dice)),
        (client(), loss).prop_map(|(id, loss)| Event::Restart(id, loss)),
    ];
    let wires = prop_oneof![
        wire().prop_map(Event::Connect),
        (wire(), piece()).prop_map(|(wire, n)| Event::ToServer(wire, n)),
        (wire(), piece()).prop_map(|(wire, n)| Event::ToClient(wire, n)),
        (wire(), piece()).prop_map(|(wire, n)| Event::Late(wire, n)),
        wire().prop_map(Event::Flow),
        (wire(), side).prop_map(|(wire, side)| Event::Cut(wire, side)),
        (wire(), way).prop_map(|(wire, way)| Event::Hold(wire, way)),
        wire().prop_map(Event::Mend),
    ];
    let servers = prop_oneof![
        server().prop_map(Event::Storm),
        server().prop_map(Event::BeginDisk),
        (server(), any::<usize>()).prop_map(|(server, at)| Event::EndDisk(server, at)),
        server().prop_map(Event::Disk),
        server().prop_map(Event::Pack),
        (server(), failure).prop_map(|(server, failure)| Event::FailDisk(server, failure)),
        (server(), any::<u64>()).prop_map(|(server, dice)| Event::Rot(server, dice)),
        server().prop_map(Event::Forget),
        (server(), any::<u64>()).prop_map(|(server, bytes)| Event::Room(server, bytes)),
        server().prop_map(Event::Stop),
        (server(), any::<u64>()).prop_map(|(server, dice)| Event::Stranger(server, dice)),
        server().prop_map(Event::Restore),
        (server(), fate).prop_map(|(server, fate)| Event::Crash(server, fate)),
        server().prop_map(Event::Start),
        (server(), any::<i64>()).prop_map(|(server, micros)| Event::Clock(server, micros)),
    ];
    let plain = prop_oneof![Just(Event::Backup), any::<u64>().prop_map(Event::Pass), Just(Event::Quiet)];
    prop_oneof![clients, wires, servers, plain]
}

proptest! {
    #[test]
    fn every_event_is_read_as_it_was_written(event in events()) {
        prop_assert_eq!(event.to_string().parse(), Ok(event));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        let _: Result<Event, EventError> = text.parse();
    }
}

#[test]
fn what_is_no_event_is_named() {
    let error = |text: &str| text.parse::<Event>().expect_err(text).to_string();
    assert_eq!(error("conect 1"), "there is no event 'conect'");
    assert_eq!(error(""), "there is no event ''");
    for (text, form) in [
        ("connect", "connect CLIENT [@SERVER]"),
        ("connect -1", "connect CLIENT [@SERVER]"),
        ("connect 1 2", "connect CLIENT [@SERVER]"),
        ("connect 1 @0", "connect CLIENT [@SERVER]"),
        ("connect 1 @", "connect CLIENT [@SERVER]"),
        ("connect 1 @1 @2", "connect CLIENT [@SERVER]"),
        ("act 1", "act CLIENT DICE"),
        ("act 1 @1 2", "act CLIENT DICE"),
        ("act 1 xyz", "act CLIENT DICE"),
        ("act 1 11112222333344445", "act CLIENT DICE"),
        ("to-server 1 half", "to-server CLIENT [@SERVER] BYTES|all"),
        ("cut 1 both", "cut CLIENT [@SERVER] [client|server]"),
        ("hold 1", "hold CLIENT [@SERVER] up|down"),
        ("restart 1", "restart CLIENT process|power DICE|cache|closed|closing DICE"),
        ("restart 1 @1 cache", "restart CLIENT process|power DICE|cache|closed|closing DICE"),
        ("end-disk", "end-disk [@SERVER] PLACE"),
        ("fail-disk end", "fail-disk [@SERVER] full|write|blob|pack|end PLACE"),
        ("quiet 1", "quiet"),
        ("quiet @1", "quiet"),
        ("pass @1 5", "pass MILLISECONDS"),
        ("disk 0", "disk [@SERVER]"),
        ("crash", "crash [@SERVER] process|power DICE"),
        ("crash power", "crash [@SERVER] process|power DICE"),
        ("crash process 1", "crash [@SERVER] process|power DICE"),
        ("clock soon", "clock [@SERVER] MICROSECONDS"),
        ("pass 1.5", "pass MILLISECONDS"),
    ] {
        assert_eq!(error(text), format!("expected '{form}'"), "{text}");
    }
}
