//! Objects that stay since a later undo points back to them, and what they were before that undo.

use super::{End, pack, state, transaction};
use crate::ids::{Oid, Tid};
use crate::store::Transaction;
use crate::store::file::testing::{Disk, Session};
use bytes::Bytes;

/// A transaction that sets an object back to what `of` made of it.
fn back(session: &Session<'_>, tid: u64, oid: u64, of: u64) -> Transaction {
    let mut back = transaction(tid, vec![(oid, None)]);
    back.records[0].same_as = session.place(oid, of, &text(of));
    assert!(back.records[0].same_as.is_some());
    back
}

fn text(tid: u64) -> Bytes {
    state(&format!("of {tid}"), &[])
}

/// Which transaction an object is said to be of before a tid, and until when, after a pack to 40 that collects.
fn packed(grow: impl Fn(&mut Session<'_>), before: u64) -> Option<(u64, Option<u64>)> {
    let mut disk = Disk::default();
    let mut session = Session { store: disk.open().store, disk: &mut disk };
    session
        .append(vec![transaction(10, vec![(0, Some(state("root", &[]))), (9, Some(state("garbage", &[])))])]);
    grow(&mut session);
    assert_eq!(pack(&mut session, 40, true, false), End::Done);
    let found = session.before(Oid(3), Tid(before)).unwrap();
    found.map(|found| (found.serial.0, found.until.map(|until| until.0)))
}

#[test]
fn an_object_that_was_gone_is_not_there_before_it_is_brought_back() {
    let grow = |session: &mut Session<'_>| {
        session.append(vec![transaction(20, vec![(3, Some(text(20)))])]);
        session.append(vec![transaction(30, vec![(3, None)])]);
        let back = back(session, 50, 3, 20);
        session.append(vec![back]);
    };
    assert_eq!((packed(grow, 50), packed(grow, 51)), (None, Some((50, None))));
}

#[test]
fn an_object_is_not_what_it_was_before_the_revision_that_a_pack_collected() {
    let grow = |session: &mut Session<'_>| {
        session.append(vec![transaction(20, vec![(3, Some(text(20)))])]);
        session.append(vec![transaction(30, vec![(3, Some(text(30)))])]);
        let back = back(session, 50, 3, 20);
        session.append(vec![back]);
        session.append(vec![transaction(60, vec![(3, Some(text(60)))])]);
    };
    assert_eq!((packed(grow, 50), packed(grow, 60)), (None, Some((50, Some(60)))));
    assert_eq!(packed(grow, 61), Some((60, None)));
}

#[test]
fn what_an_object_refers_to_stays_where_an_undo_has_brought_both_back() {
    let mut disk = Disk::default();
    let mut session = Session { store: disk.open().store, disk: &mut disk };
    let parent = |text: &str| state(text, &[4]);
    let root = state("root", &[3]);
    session.append(vec![transaction(10, vec![(0, Some(root.clone())), (9, Some(text(10)))])]);
    session.append(vec![transaction(20, vec![(3, Some(parent("before"))), (4, Some(text(20)))])]);
    // Nothing leads to the parent any more, which changes along; an undo takes both back.
    let removed = vec![(0, Some(state("root", &[]))), (3, Some(parent("removed")))];
    session.append(vec![transaction(30, removed)]);
    let mut back = transaction(50, vec![(0, None), (3, None)]);
    back.records[0].same_as = session.place(0, 10, &root);
    back.records[1].same_as = session.place(3, 20, &parent("before"));
    session.append(vec![back]);
    assert_eq!(pack(&mut session, 40, true, false), End::Done);
    let mut shown = |oid| session.before(Oid(oid), Tid::MAX).ok().flatten().map(|found| found.data);
    assert_eq!((shown(0), shown(3)), (Some(root), Some(parent("before"))));
    assert_eq!((shown(4), shown(9)), (Some(text(20)), None));
}

#[test]
fn an_object_that_nothing_reached_is_what_it_was_where_that_stays() {
    let grow = |session: &mut Session<'_>| {
        session.append(vec![transaction(20, vec![(3, Some(text(20)))])]);
        session.append(vec![transaction(30, vec![(3, Some(text(30)))])]);
        session.append(vec![transaction(50, vec![(3, Some(text(50)))])]);
        for (tid, of) in [(60, 20), (70, 30)] {
            let back = back(session, tid, 3, of);
            session.append(vec![back]);
        }
    };
    assert_eq!((packed(grow, 50), packed(grow, 51)), (Some((30, Some(50))), Some((50, Some(60)))));
    assert_eq!((packed(grow, 61), packed(grow, 71)), (Some((60, Some(70))), Some((70, None))));
}
