//! A power loss at every operation of a pack: the storage opens to the old log or to the new one, and goes on.

use super::{End, News, Order, PackError, Packing, begin, pack, state, transaction};
use crate::ids::{Oid, Tid};
use crate::store::disk::{DiskDone, DiskError, DiskOp, FileId};
use crate::store::file::testing::{Disk, Session, coins, options};
use crate::store::{StoreDone, Transaction};

fn life() -> Vec<Transaction> {
    vec![
        transaction(10, vec![(0, Some(state("root", &[1, 2])))]),
        transaction(20, vec![(1, Some(state("one", &[]))), (2, Some(state("two", &[])))]),
        transaction(30, vec![(1, Some(state("another one, and longer than before", &[2])))]),
        transaction(40, vec![(2, None), (3, Some(state("three", &[])))]),
    ]
}

/// Commits what is missing of the life, and packs; whether the disk was there to the end.
fn live(disk: &mut Disk, keep_old: bool) -> bool {
    let Some(opened) = disk.try_open(options()) else { return false };
    let mut session = Session { store: opened.expect("a storage that opens").store, disk };
    for transaction in life() {
        if transaction.tid > session.store.last_tid() && session.append(vec![transaction]).is_empty() {
            return false;
        }
    }
    match pack(&mut session, 30, false, keep_old) {
        End::Died => return false,
        End::Done | End::Nothing(_) => {}
        other => panic!("{other:?}"),
    }
    let last = session.store.last_tid().0;
    let more = transaction(last + 10, vec![(1, Some(state("after the pack", &[])))]);
    matches!(session.append(vec![more])[..], [StoreDone::Durable { .. }])
}

/// What the storage must show, packed or not.
fn check(disk: &mut Disk) {
    let opened = disk.open();
    assert!(opened.report.damaged.is_empty());
    let mut session = Session { store: opened.store, disk };
    let last = session.store.last_tid();
    let shown = |session: &mut Session<'_>, oid, before| {
        session.before(Oid(oid), Tid(before)).ok().flatten().map(|revision| revision.data)
    };
    for (tid, oid, expected) in [
        (10, 0, Some(state("root", &[1, 2]))),
        (30, 1, Some(state("another one, and longer than before", &[2]))),
        (40, 2, None),
        (40, 3, Some(state("three", &[]))),
    ] {
        if last >= Tid(tid) {
            assert_eq!(shown(&mut session, oid, tid.max(30) + 1), expected, "{oid} at {tid}");
        }
    }
    if last > Tid(40) {
        assert_eq!(shown(&mut session, 1, u64::MAX), Some(state("after the pack", &[])));
    }
}

#[test]
fn a_power_loss_at_every_operation_of_a_pack_opens_to_the_old_log_or_the_new() {
    for keep_old in [true, false] {
        let mut whole = Disk::default();
        assert!(live(&mut whole, keep_old));
        assert_eq!(whole.len(FileId::Old).is_some(), keep_old);
        let mut old_or_new = [0, 0];
        for after in 0..whole.ops {
            for seed in 0..20 {
                let mut disk = Disk::dying(after);
                assert!(!live(&mut disk, keep_old));
                disk.crash(coins(seed));
                check(&mut disk);
                let is_packed = disk.bytes(FileId::Log).get(20) == Some(&b'p');
                old_or_new[usize::from(is_packed)] += 1;
                // Life goes on, and can be packed.
                assert!(live(&mut disk, keep_old));
                check(&mut disk);
                let opened = disk.open();
                assert_eq!(opened.report.cut, None);
            }
        }
        assert!(old_or_new.iter().all(|count| *count > 50), "{old_or_new:?}");
    }
}

#[test]
fn a_packed_log_is_vouched_for_by_its_own_checksums() {
    let mut disk = Disk::default();
    assert!(live(&mut disk, true));
    let opened = disk.open();
    assert_eq!((opened.report.structure, opened.report.scanned), (0, 1), "{:?}", opened.report);
}

#[test]
fn a_disk_that_breaks_during_a_pack_leaves_the_storage_as_it_was() {
    let mut disk = Disk::default();
    let mut session = Session { store: disk.open().store, disk: &mut disk };
    for transaction in life() {
        session.append(vec![transaction]);
    }
    let log = session.disk.bytes(FileId::Log).to_vec();
    for broken in [FileId::Packed, FileId::PackedSums, FileId::PackedIndex] {
        session.disk.broken = Some(broken);
        assert!(matches!(pack(&mut session, 30, true, true), End::Failed(_)), "{broken:?}");
        assert_eq!(session.disk.bytes(FileId::Log), log);
        for file in [FileId::Packed, FileId::PackedSums, FileId::PackedIndex, FileId::Old] {
            assert_eq!(session.disk.len(file), None, "{file:?} is left after {broken:?} broke");
        }
    }
    session.disk.broken = None;
    assert!(session.append(vec![transaction(50, vec![(7, Some(state("seven", &[])))])]).len() == 1);
}

/// Packs on a disk that takes so many writes and then no more; the error, unless they were enough.
fn pack_until_full(session: &mut Session<'_>, writes: usize) -> Option<PackError> {
    let upto = session.store.size();
    let mut packing = Packing::<u32>::new(begin(session, 30, false));
    let mut left = writes;
    loop {
        match packing.news() {
            Some(News::Failed(error)) => return Some(error),
            Some(News::CaughtUp { .. }) => packing.order(Order::Finish { upto }),
            Some(News::Ready(_)) => return None,
            Some(_) => {}
            None => match packing.poll().expect("a pack wants something until it is over") {
                DiskOp::Write { file, .. } if left == 0 => {
                    packing.handle(DiskDone::WriteFailed { file, error: DiskError::Full });
                }
                op => {
                    left -= usize::from(matches!(op, DiskOp::Write { .. }));
                    if let Some(done) = session.disk.carry_out(op) {
                        packing.handle(done);
                    }
                }
            },
        }
    }
}

#[test]
fn a_disk_that_gets_full_at_any_write_of_a_pack_leaves_the_storage_as_it_was() {
    let mut refused = 0;
    for writes in 0.. {
        let mut disk = Disk::default();
        let mut session = Session { store: disk.open().store, disk: &mut disk };
        for transaction in life() {
            session.append(vec![transaction]);
        }
        let log = session.disk.bytes(FileId::Log).to_vec();
        let Some(error) = pack_until_full(&mut session, writes) else { break };
        refused += 1;
        assert_eq!(error, PackError::Disk(DiskError::Full));
        assert_eq!(session.disk.bytes(FileId::Log), log);
        for file in [FileId::Packed, FileId::PackedSums, FileId::PackedIndex, FileId::Old] {
            assert_eq!(session.disk.len(file), None, "{file:?} is left after {writes} writes");
        }
        assert_eq!(session.append(vec![transaction(50, vec![(7, Some(state("seven", &[])))])]).len(), 1);
        assert_eq!(pack(&mut session, 30, false, true), End::Done, "there is room again");
    }
    assert!(refused > 2, "{refused} writes");
}
