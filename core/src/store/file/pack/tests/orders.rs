//! A pack is told to catch up, to finish and to stop.

use super::{End, begin, pack, settle, state, swap, transaction};
use crate::ids::{Oid, Tid};
use crate::store::disk::FileId;
use crate::store::file::pack::{News, Nothing, Order, PackError, Packing};
use crate::store::file::testing::{Disk, Session};
use crate::store::{Record, StoreError};
use bytes::Bytes;

fn text(session: &mut Session<'_>, oid: u64) -> Option<Bytes> {
    session.before(Oid(oid), Tid::MAX).ok().flatten().map(|revision| revision.data)
}

fn with(disk: &mut Disk, test: impl FnOnce(&mut Session<'_>)) {
    let mut session = Session { store: disk.open().store, disk };
    session.append(vec![transaction(10, vec![(0, Some(state("root", &[1])))])]);
    session.append(vec![transaction(20, vec![(1, Some(state("one", &[])))])]);
    session.append(vec![transaction(30, vec![(1, Some(state("two", &[])))])]);
    test(&mut session);
}

#[test]
fn what_is_committed_during_a_pack_is_in_the_new_log() {
    with(&mut Disk::default(), |session| {
        let mut packing = Packing::new(begin(session, 30, true));
        session.append(vec![transaction(40, vec![(2, Some(state("new", &[])))])]);
        assert!(matches!(settle(&mut packing, session.disk), Some(News::CaughtUp { .. })));
        session.append(vec![transaction(50, vec![(2, Some(state("newer", &[]))), (1, None)])]);
        packing.order(Order::CatchUp { upto: session.store.size() });
        assert!(matches!(settle(&mut packing, session.disk), Some(News::CaughtUp { .. })));
        session.append(vec![transaction(60, vec![(3, Some(state("newest", &[])))])]);
        packing.order(Order::Finish { upto: session.store.size() });
        let Some(News::Ready(packed)) = settle(&mut packing, session.disk) else { panic!("not ready") };
        assert_eq!(swap(session, packed, false), End::Done);
        assert!(packing.is_over());
        assert_eq!((text(session, 1), text(session, 3)), (None, Some(state("newest", &[]))));
        assert_eq!(session.before(Oid(2), Tid(50)).unwrap().unwrap().data, state("new", &[]));
        assert_eq!(session.before(Oid(1), Tid(30)), Ok(None), "it was packed");
        session.append(vec![transaction(70, vec![(1, Some(state("again", &[])))])]);
        assert_eq!(session.history(Oid(1), 9).unwrap().len(), 3);
    });
}

#[test]
fn a_pack_that_is_stopped_leaves_nothing_behind() {
    for after in 0..12 {
        with(&mut Disk::default(), |session| {
            let mut packing = Packing::new(begin(session, 30, true));
            for _ in 0..after {
                if let Some(done) = packing.poll().and_then(|op| session.disk.carry_out(op)) {
                    packing.handle(done);
                }
            }
            packing.order(Order::Stop);
            while !matches!(settle(&mut packing, session.disk).expect("a disk that lives"), News::Stopped) {}
            for file in [FileId::Packed, FileId::PackedSums, FileId::PackedIndex, FileId::Old] {
                assert_eq!(session.disk.len(file), None, "{file:?} after {after} operations");
            }
            packing.order(Order::Stop);
            assert!(packing.is_over() && packing.poll().is_none() && packing.news().is_none());
        });
    }
}

#[test]
fn an_undo_during_a_pack_that_points_to_what_goes_gets_its_state() {
    with(&mut Disk::default(), |session| {
        let first = Record { oid: Oid(1), data: None, same_as: place(session, 1, 20) };
        let mut packing = Packing::new(begin(session, 30, false));
        assert!(matches!(settle(&mut packing, session.disk), Some(News::CaughtUp { .. })));
        let mut undo = transaction(40, vec![]);
        undo.records.push(first);
        session.append(vec![undo]);
        session.append(vec![transaction(50, vec![(4, Some(state("behind", &[])))])]);
        packing.order(Order::Finish { upto: session.store.size() });
        let Some(News::Ready(packed)) = settle(&mut packing, session.disk) else { panic!("not ready") };
        assert_eq!(swap(session, packed, false), End::Done);
        assert_eq!(text(session, 1), Some(state("one", &[])));
        assert_eq!(text(session, 4), Some(state("behind", &[])));
    });
}

#[test]
fn an_undo_during_a_pack_that_brings_garbage_back_ends_the_pack() {
    let mut disk = Disk::default();
    let mut session = Session { store: disk.open().store, disk: &mut disk };
    session.append(vec![transaction(10, vec![(0, Some(state("root", &[1]))), (1, Some(state("one", &[])))])]);
    session.append(vec![transaction(20, vec![(0, Some(state("root without", &[])))])]);
    let mut packing = Packing::new(begin(&session, 20, true));
    assert!(matches!(settle(&mut packing, session.disk), Some(News::CaughtUp { .. })));
    let mut undo = transaction(30, vec![]);
    undo.records.push(Record { oid: Oid(0), data: None, same_as: place(&mut session, 0, 10) });
    session.append(vec![undo]);
    packing.order(Order::Finish { upto: session.store.size() });
    match settle(&mut packing, session.disk) {
        Some(News::Failed(error)) => {
            assert_eq!(error, PackError::BroughtBack { oid: Oid(1), by: Oid(0) });
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(text(&mut session, 1), Some(state("one", &[])), "the old log is served");
}

fn place(session: &mut Session<'_>, oid: u64, serial: u64) -> Option<crate::store::Place> {
    use crate::store::{StoreDone, StoreOp};
    let data = session.serial(Oid(oid), Tid(serial)).ok();
    match session.ask(StoreOp::Find { context: 0, oid: Oid(oid), serial: Tid(serial), data }) {
        StoreDone::Found { result, .. } => result.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn times_that_are_nothing_to_a_pack() {
    with(&mut Disk::default(), |session| {
        assert_eq!(pack(session, 5, true, true), End::Nothing(Nothing::Needed), "before everything");
        assert_eq!(pack(session, u64::MAX, true, true), End::Done, "in the future");
        assert_eq!(pack(session, u64::MAX, true, true), End::Nothing(Nothing::Redundant));
        assert_eq!(pack(session, 15, true, true), End::Nothing(Nothing::Redundant), "to an earlier time");
    });
}

#[test]
fn the_newest_transaction_stays_without_its_records() {
    with(&mut Disk::default(), |session| {
        session.append(vec![transaction(40, vec![(1, None)])]);
        assert_eq!(pack(session, 40, false, true), End::Done);
        assert_eq!((session.store.last_tid(), session.store.len()), (Tid(40), 1));
        session.close();
        let opened = session.disk.open();
        assert_eq!(opened.store.last_tid(), Tid(40));
    });
}

#[test]
fn what_cannot_be_packed_says_why_and_leaves_nothing_behind() {
    let cases = [
        (state("root", &[9]), "object 0000000000000000 refers to object 0000000000000009"),
        (Bytes::from_static(b"no pickle"), "the references in object 0000000000000000 cannot be read"),
    ];
    for (root, expected) in cases {
        with(&mut Disk::default(), |session| {
            session.append(vec![transaction(40, vec![(0, Some(root))])]);
            match pack(session, 40, true, true) {
                End::Failed(error) => assert!(error.to_string().contains(expected), "{error}"),
                other => panic!("{other:?}"),
            }
            assert_eq!(session.disk.len(FileId::Packed), None);
            assert_eq!(pack(session, 40, false, true), End::Done, "without gc nobody looks");
        });
    }
    with(&mut Disk::default(), |session| {
        session.disk.room = Some(100);
        let needed = session.store.size();
        assert_eq!(pack(session, 30, true, true), End::Failed(PackError::NoRoom { needed, free: 100 }));
    });
    let mut disk = Disk::default();
    let mut session = Session { store: disk.open().store, disk: &mut disk };
    session.append(vec![transaction(10, vec![(1, Some(state("no root", &[])))])]);
    assert_eq!(pack(&mut session, 10, true, true), End::Failed(PackError::NoRoot));
    session.disk.broken = Some(FileId::Log);
    session.append(vec![transaction(20, vec![(1, Some(state("lost", &[])))])]);
    assert_eq!(session.store.begin_pack(Tid(20), true, false), Err(StoreError::Failed));
}
