use super::*;

fn record(code: Code, oid: u64, size: u32, start: u64, end: u64) -> Traced {
    Traced { code, size, oid: Oid(oid), start: Tid(start), end: Tid(end) }
}

fn stream(records: &[Traced]) -> Stream {
    let mut streamer = Streamer::default();
    records.iter().for_each(|record| streamer.add(record));
    streamer.finish()
}

fn item(revision: u32, data: u64, next: u32) -> Item {
    Item { revision, bytes: data + OVERHEAD, next }
}

#[test]
fn a_miss_names_the_revision_that_is_stored_next() {
    let stream = stream(&[
        record(Code::LoadMiss, 1, 0, 0, 0),
        record(Code::LoadBeforeMiss, 1, 0, 0, 99),
        // What Python's client does twice is one load.
        record(Code::LoadMiss, 1, 0, 0, 0),
        record(Code::LoadBeforeMiss, 1, 0, 0, 99),
        record(Code::Store, 1, 300, 5, 0),
        record(Code::LoadHit, 1, 300, 5, 0),
    ]);
    assert_eq!(stream.steps, [Step::Load(item(0, 300, 1)), Step::Load(item(0, 300, Item::NEVER))]);
    assert_eq!((stream.loads, stream.revisions, stream.footprint), (2, 1, 343));
}

#[test]
fn a_miss_of_something_seen_before_names_what_is_current() {
    let stream = stream(&[record(Code::Store, 1, 300, 5, 0), record(Code::LoadMiss, 1, 0, 0, 0)]);
    assert_eq!(stream.steps, [Step::Store(item(0, 300, 1)), Step::Load(item(0, 300, Item::NEVER))]);
}

#[test]
fn the_revision_that_the_server_sends_counts_and_not_what_was_current() {
    let stream = stream(&[
        record(Code::Store, 1, 300, 5, 0),
        record(Code::LoadMiss, 1, 0, 0, 0),
        record(Code::StoreOld, 1, 200, 3, 5),
    ]);
    let expected = [Step::Store(item(0, 300, Item::NEVER)), Step::Load(item(1, 200, Item::NEVER))];
    assert_eq!(stream.steps, expected);
}

#[test]
fn an_invalidated_revision_is_not_current_and_stays_as_an_older_one() {
    let stream = stream(&[
        record(Code::Store, 1, 300, 5, 0),
        record(Code::InvalidateKeep, 1, 0, 8, 0),
        record(Code::LoadMiss, 1, 0, 0, 0),
        record(Code::Store, 1, 400, 8, 0),
        record(Code::LoadBeforeHit, 1, 0, 0, 5),
    ]);
    let expected = [
        Step::Store(item(0, 300, 2)),
        Step::Load(item(1, 400, Item::NEVER)),
        Step::Load(item(0, 300, Item::NEVER)),
    ];
    assert_eq!(stream.steps, expected);
}

#[test]
fn what_is_forgotten_is_dropped_in_all_revisions() {
    let stream = stream(&[
        record(Code::StoreOld, 1, 300, 5, 8),
        record(Code::Store, 1, 300, 8, 0),
        record(Code::InvalidateDrop, 1, 0, 0, 0),
    ]);
    let forgotten = stream.steps.iter().filter(|step| matches!(step, Step::Forget(_))).count();
    assert_eq!(forgotten, 2);
}

#[test]
fn a_load_without_an_answer_stays_unknown() {
    let stream = stream(&[
        record(Code::LoadMiss, 1, 0, 0, 0),
        Traced::OPENED,
        record(Code::Store, 1, 300, 5, 0),
        record(Code::LoadBeforeHit, 2, 0, 0, 7),
    ]);
    assert_eq!(stream.steps, [Step::Unknown, Step::Store(item(0, 300, Item::NEVER)), Step::Unknown]);
}
