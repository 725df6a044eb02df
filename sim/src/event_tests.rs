use super::*;
use proptest::prelude::*;

fn events() -> impl Strategy<Value = Event> {
    let client = || (0_usize..64).prop_map(ClientId);
    prop_oneof![
        client().prop_map(Event::Connect),
        (client(), any::<u64>()).prop_map(|(id, dice)| Event::Act(id, dice)),
        (client(), any::<u64>()).prop_map(|(id, dice)| Event::Begin(id, dice)),
        (client(), prop_oneof![any::<usize>(), Just(ALL)]).prop_map(|(id, n)| Event::ToServer(id, n)),
        (client(), prop_oneof![any::<usize>(), Just(ALL)]).prop_map(|(id, n)| Event::ToClient(id, n)),
        client().prop_map(Event::Cut),
        Just(Event::BeginDisk),
        any::<usize>().prop_map(Event::EndDisk),
        Just(Event::Disk),
        Just(Event::Crash(Fate::Process)),
        any::<u64>().prop_map(|dice| Event::Crash(Fate::Power(dice))),
        Just(Event::Start),
        any::<u64>().prop_map(Event::Pass),
        Just(Event::Quiet),
    ]
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
        ("connect", "connect CLIENT"),
        ("connect -1", "connect CLIENT"),
        ("connect 1 2", "connect CLIENT"),
        ("act 1", "act CLIENT DICE"),
        ("act 1 xyz", "act CLIENT DICE"),
        ("act 1 11112222333344445", "act CLIENT DICE"),
        ("to-server 1 half", "to-server CLIENT BYTES|all"),
        ("end-disk", "end-disk PLACE"),
        ("quiet 1", "quiet"),
        ("disk 0", "disk"),
        ("crash", "crash process|power DICE"),
        ("crash power", "crash process|power DICE"),
        ("crash process 1", "crash process|power DICE"),
        ("pass 1.5", "pass MILLISECONDS"),
    ] {
        assert_eq!(error(text), format!("expected '{form}'"), "{text}");
    }
}
