use super::*;

/// Answers given to whom, in order.
fn answers(out: &mut Outbox<u32>) -> Vec<(u32, bool)> {
    let answer = |done| match done {
        StoreDone::Reserved { context, result } => (context, result.is_ok()),
        other => panic!("{other:?}"),
    };
    out.done.drain(..).map(answer).collect()
}

/// The length the disk was asked for.
fn asked(out: &mut Outbox<u32>) -> Option<u64> {
    match out.disk.pop_front() {
        None => None,
        Some(DiskOp::Reserve { upto }) => Some(upto),
        Some(other) => panic!("{other:?}"),
    }
}

#[test]
fn several_votes_wait_for_one_answer_and_the_next_ones_find_room() {
    let mut reservations = Reservations::new(1000);
    let mut out = Outbox::default();
    reservations.ask(1, 100, &mut out);
    reservations.ask(2, 50, &mut out);
    let upto = 1100 + limits::RESERVE_AHEAD;
    assert_eq!((asked(&mut out), asked(&mut out)), (Some(upto), None));
    assert_eq!(answers(&mut out), []);
    reservations.on_reserved(upto, Ok(()), &mut out);
    assert_eq!(answers(&mut out), [(1, true), (2, true)]);
    reservations.ask(3, limits::RESERVE_AHEAD - 50, &mut out);
    assert_eq!((answers(&mut out), asked(&mut out)), (vec![(3, true)], None));
    reservations.ask(4, 1, &mut out);
    assert_eq!(asked(&mut out), Some(upto + 1 + limits::RESERVE_AHEAD), "one past the room");
}

#[test]
fn a_full_disk_is_asked_for_the_exact_amount_before_a_vote_is_refused() {
    let mut reservations = Reservations::new(1000);
    let mut out = Outbox::default();
    let full = || Err(DiskError::Full);
    reservations.ask(1, 500, &mut out);
    reservations.ask(2, 10, &mut out);
    reservations.ask(3, 10, &mut out);
    assert_eq!(asked(&mut out), Some(1500 + limits::RESERVE_AHEAD));
    reservations.on_reserved(1500 + limits::RESERVE_AHEAD, full(), &mut out);
    assert_eq!(asked(&mut out), Some(1500));
    reservations.on_reserved(1500, full(), &mut out);
    assert_eq!((answers(&mut out), asked(&mut out)), (vec![(1, false)], Some(1010)));
    reservations.on_reserved(1010, Ok(()), &mut out);
    assert_eq!(answers(&mut out), [(2, true)]);
    assert_eq!(asked(&mut out), Some(1020 + limits::RESERVE_AHEAD), "the rest tries its luck again");
}

#[test]
fn released_and_appended_bytes_are_not_promised_any_more() {
    let mut reservations = Reservations::new(1000);
    let mut out = Outbox::default();
    reservations.ask(1, 100, &mut out);
    let upto = asked(&mut out).unwrap();
    reservations.on_reserved(upto, Ok(()), &mut out);
    reservations.release(100);
    reservations.ask(2, 100, &mut out);
    reservations.appended(100);
    reservations.ask(3, limits::RESERVE_AHEAD, &mut out);
    assert_eq!((answers(&mut out), asked(&mut out)), (vec![(1, true), (2, true), (3, true)], None));
}

#[test]
fn those_that_wait_when_the_store_fails_are_refused_and_a_late_answer_is_harmless() {
    let mut reservations = Reservations::new(1000);
    let mut out = Outbox::default();
    reservations.ask(1, 100, &mut out);
    let upto = asked(&mut out).unwrap();
    reservations.fail(&mut out);
    assert_eq!(answers(&mut out), [(1, false)]);
    reservations.on_reserved(upto, Ok(()), &mut out);
    assert_eq!(answers(&mut out), []);
}
