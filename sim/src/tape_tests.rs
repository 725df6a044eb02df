use super::*;
use crate::event::{Event, Failure, ServerNo};
use crate::steady;

#[test]
fn what_is_steady_can_be_taped() {
    for seed in 0..200 {
        let schedule = steady::schedule(Seed(seed), 400).expect("no promise is broken");
        let tape = Tape::of(&schedule).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{schedule}"));
        assert!(tape.moves.iter().any(|it| !it.put_out.sent.is_empty()), "seed {seed} is silent");
    }
}

#[test]
fn a_tape_says_the_same_each_time() {
    let schedule = steady::schedule(Seed(1), 400).expect("no promise is broken");
    let (one, two) = (Tape::of(&schedule).expect("a tape"), Tape::of(&schedule).expect("a tape"));
    assert!(one.moves == two.moves);
}

/// Why the schedule of a seed is refused after it was changed.
fn refused(change: impl FnOnce(&mut Vec<Event>)) -> &'static str {
    let mut schedule = steady::schedule(Seed(1), 400).expect("no promise is broken");
    change(&mut schedule.events);
    match Tape::of(&schedule) {
        Err(Untaped::Unreal { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

const END: Event = Event::EndDisk(ServerNo(0), 0);

/// Where two operations end together, perhaps the two syncs of a commit.
fn ends(events: &[Event]) -> Vec<usize> {
    (1..events.len()).filter(|&at| events[at - 1..=at] == [END, END]).map(|at| at - 1).collect()
}

#[test]
fn a_disk_that_does_not_answer_at_once_is_refused() {
    let why = refused(|events| events.retain(|event| *event != Event::BeginDisk(ServerNo(0))));
    assert_eq!(why, "the disk owes an answer that a real one has given");
}

#[test]
fn a_disk_that_fails_is_refused() {
    let why = refused(|events| {
        let at = ends(events)[0];
        events[at] = Event::FailDisk(ServerNo(0), Failure::End(0));
    });
    assert_eq!(why, "the disk fails");
}

#[test]
fn syncs_that_do_not_end_together_are_refused() {
    let schedule = steady::schedule(Seed(1), 400).expect("no promise is broken");
    let mut reasons = ends(&schedule.events).into_iter().map(|at| {
        refused(|events| {
            events.remove(at);
        })
    });
    assert!(reasons.any(|why| why == "of syncs that are under way together only some end"));
}

#[test]
fn the_pieces_of_one_arrival_are_one_move() {
    let schedule: Schedule =
        "start\ndisk\nconnect 0\nto-client 0 all\nto-server 0 all\n".parse().expect("a schedule");
    let moves = Tape::of(&schedule).expect("a tape").moves;
    let [start, open, send, kill] = &moves[..] else { panic!("{moves:?}") };
    assert!(matches!(start.deed, Deed::Start(..)) && matches!(open.deed, Deed::Open(_)), "{moves:?}");
    assert!(kill.event == 6 && matches!(kill.deed, Deed::Kill(_)), "{kill:?}");
    // The client greets and registers.
    let Deed::Send(conn, bytes, _) = &send.deed else { panic!("{send:?}") };
    assert!(bytes.starts_with(b"\0\0\0\x02M5\0\0\0") && bytes.ends_with(b"\x92\xa11\xc2"), "{bytes:?}");
    assert!(send.event == 5 && send.put_out.sent.contains_key(conn));
}
