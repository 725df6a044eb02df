//! Crashes and power losses at every operation: what was acknowledged is there, and what is there is a prefix.

use crate::ids::Tid;
use crate::store::disk::FileId;
use crate::store::file::open::{OpenError, OpenOptions};
use crate::store::file::testing::{Disk, Session, coins, options, store_one, transaction};
use crate::store::file::tests::loads::compare;
use crate::store::memory::MemoryStore;
use crate::store::{Outbox, StoreDone, Transaction};

/// Batches of a short life.
fn life() -> Vec<Vec<Transaction>> {
    vec![
        vec![store_one(10, 0, 100)],
        vec![store_one(20, 300, 1300), transaction(30, &[(600, Some(b"short")), (900, None)])],
        vec![store_one(40, 0, 600), store_one(50, 300, 30), store_one(60, 900, 700)],
        vec![transaction(70, &[(0, None), (300, Some(b"again"))])],
    ]
}

/// Opens the storage and commits what of [`life`] it does not hold yet; gives the last tid it acknowledged.
fn live(disk: &mut Disk) -> Tid {
    let Some(Ok(opened)) = disk.try_open(options()) else { return Tid::ZERO };
    let mut session = Session { store: opened.store, disk };
    let mut acknowledged = session.store.last_tid();
    for batch in life() {
        // What a crash left of a batch is a prefix of it.
        let last = session.store.last_tid();
        let batch: Vec<_> = batch.into_iter().filter(|transaction| transaction.tid > last).collect();
        if batch.is_empty() {
            continue;
        }
        match session.append(batch)[..] {
            [] | [StoreDone::Refused { .. }] => return acknowledged,
            [StoreDone::Durable { upto }] => acknowledged = upto,
            ref other => panic!("{other:?}"),
        }
    }
    session.close();
    acknowledged
}

/// Opens the storage and checks that it holds a prefix of [`life`] with everything up to `acknowledged`.
fn check(disk: &mut Disk, acknowledged: Tid) {
    let opened = disk.open();
    let last = opened.store.last_tid();
    assert!(last >= acknowledged, "{acknowledged} was acknowledged, {last} is the last");
    assert!(opened.report.damaged.is_empty());
    let mut model = MemoryStore::new();
    let kept: Vec<_> = life().into_iter().flatten().filter(|transaction| transaction.tid <= last).collect();
    let recent: Vec<_> = kept.iter().rev().take(3).rev().map(|transaction| transaction.tid).collect();
    assert_eq!(opened.recent.iter().map(|(tid, _)| *tid).collect::<Vec<_>>(), recent);
    model.append(kept, &mut Outbox::<u32>::default());
    compare(&mut Session { store: opened.store, disk }, &mut model);
}

#[test]
fn a_power_loss_at_every_operation_of_a_life_loses_nothing_acknowledged() {
    let mut whole = Disk::default();
    assert_eq!(live(&mut whole), Tid(70));
    for after in 0..=whole.ops {
        for seed in 0..40 {
            let mut disk = Disk::dying(after);
            let acknowledged = live(&mut disk);
            disk.crash(coins(seed));
            check(&mut disk, acknowledged);
            // Life goes on.
            assert_eq!(live(&mut disk), Tid(70));
            check(&mut disk, Tid(70));
        }
    }
}

#[test]
fn a_power_loss_at_every_operation_of_the_opening_after_a_power_loss_loses_nothing_either() {
    let mut whole = Disk::default();
    live(&mut whole);
    for first in 0..=whole.ops {
        for seed in 0..6 {
            let mut crashed = Disk::dying(first);
            let acknowledged = live(&mut crashed);
            crashed.crash(coins(seed));
            crashed.ops = 0;
            let opening = {
                let mut disk = crashed.clone();
                disk.open();
                disk.ops
            };
            for second in 0..=opening {
                let mut disk = crashed.clone();
                disk.dies_after = Some(second);
                disk.try_open(options());
                disk.crash(coins(seed * 1000 + second as u64));
                check(&mut disk, acknowledged);
                check(&mut disk, acknowledged);
            }
        }
    }
}

#[test]
fn a_last_batch_with_any_subset_of_its_sectors_lost_recovers_a_prefix() {
    let batches = life();
    let mut disk = Disk::default();
    let store = disk.open().store;
    let mut session = Session { store, disk: &mut disk };
    session.append(batches[0].clone());
    session.append(batches[1].clone());
    // Three writes and no sync.
    session.disk.dies_after = Some(session.disk.ops + 3);
    assert!(session.append(batches[2].clone()).is_empty());
    let sectors = disk.unsynced();
    assert!((6..=12).contains(&sectors), "{sectors} sectors");
    for subset in 0..1u32 << sectors {
        let mut disk = disk.clone();
        let mut number = 0;
        disk.crash(|| {
            number += 1;
            subset >> (number - 1) & 1 == 1
        });
        check(&mut disk, Tid(30));
    }
}

#[test]
fn a_read_only_opening_of_a_crashed_storage_shows_a_prefix_too() {
    let mut whole = Disk::default();
    live(&mut whole);
    for after in 12..=whole.ops {
        for seed in 0..20 {
            let mut disk = Disk::dying(after);
            let acknowledged = live(&mut disk);
            disk.crash(coins(seed));
            let read_only = OpenOptions { read_only: true, ..options() };
            let Some(Ok(opened)) = disk.try_open(read_only) else {
                assert_eq!(acknowledged, Tid::ZERO, "there was a log");
                continue;
            };
            let last = opened.store.last_tid();
            assert!(last >= acknowledged);
            check(&mut disk, last);
        }
    }
}

/// A life in which the sync fails that is operation `at`, if it is one; and what was acknowledged in it.
fn failing(at: usize) -> (Disk, Tid) {
    let mut disk = Disk::default();
    disk.fails_after = Some(at);
    let acknowledged = live(&mut disk);
    disk.fails_after = None;
    (disk, acknowledged)
}

#[test]
fn what_a_start_after_a_failed_sync_serves_survives_a_power_loss() {
    let mut whole = Disk::default();
    live(&mut whole);
    for at in 0..whole.ops {
        let (failed, acknowledged) = failing(at);
        for forgets in [false, true] {
            let mut failed = failed.clone();
            if forgets {
                failed.forget();
            }
            for seed in 0..4 {
                let mut disk = failed.clone();
                let served = disk.open().store.last_tid();
                assert!(served >= acknowledged);
                disk.crash(coins(seed));
                check(&mut disk, served);
                assert_eq!(live(&mut disk), Tid(70));
            }
        }
    }
}

#[test]
fn a_power_loss_or_another_failed_sync_anywhere_in_a_start_after_a_failed_sync_loses_nothing_acknowledged() {
    let mut whole = Disk::default();
    live(&mut whole);
    for at in 0..whole.ops {
        let (mut failed, acknowledged) = failing(at);
        failed.ops = 0;
        let opening = {
            let mut disk = failed.clone();
            disk.open();
            disk.ops
        };
        for second in 0..=opening {
            let mut dies = failed.clone();
            dies.dies_after = Some(second);
            dies.try_open(options());
            dies.crash(coins(second as u64));
            check(&mut dies, acknowledged);
            let mut fails = failed.clone();
            fails.fails_after = Some(second);
            fails.try_open(options());
            let served = fails.open().store.last_tid();
            fails.crash(coins(second as u64));
            check(&mut fails, served.max(acknowledged));
        }
    }
}

#[test]
fn a_start_during_which_the_system_forgets_what_it_could_not_write_serves_what_is_on_the_disk() {
    let mut whole = Disk::default();
    live(&mut whole);
    let mut refused = 0;
    for at in 0..whole.ops {
        let (mut failed, acknowledged) = failing(at);
        failed.ops = 0;
        let opening = {
            let mut disk = failed.clone();
            disk.open();
            disk.ops
        };
        for second in 0..opening {
            let mut disk = failed.clone();
            disk.forgets_after = Some(second);
            match disk.try_open(options()).expect("it lives") {
                Ok(opened) => {
                    let served = opened.store.last_tid();
                    assert!(served >= acknowledged);
                    disk.crash(coins(second as u64));
                    check(&mut disk, served);
                }
                Err(error) => {
                    refused += usize::from(matches!(error, OpenError::Disk { file: FileId::Log, .. }));
                    check(&mut disk, acknowledged);
                }
            }
        }
    }
    assert!(refused > 0, "nothing was forgotten between two readings");
}

#[test]
fn what_is_written_again_is_one_batch_after_a_crash_and_nothing_after_a_clean_end() {
    let rewritten = |disk: &mut Disk| {
        let before = disk.written;
        disk.open();
        disk.written - before
    };
    let mut disk = Disk::default();
    live(&mut disk);
    assert_eq!(rewritten(&mut disk.clone()), 0);
    let mut disk = Disk::default();
    let store = disk.open().store;
    let mut session = Session { store, disk: &mut disk };
    session.append(vec![store_one(10, 0, 100_000)]);
    session.append(vec![store_one(20, 0, 1_000)]);
    let log = rewritten(&mut disk.clone());
    assert!((1_000..1_200).contains(&log), "{log} bytes");
    // Without checksums nobody knows where the last batch starts.
    disk.remove(FileId::Sidecar);
    assert_eq!(rewritten(&mut disk), disk.bytes(FileId::Log).len() as u64);
}
