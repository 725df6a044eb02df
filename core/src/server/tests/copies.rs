//! Transactions that bring their own tid and status, as copies of databases do.

use super::super::config::Config;
use super::super::testing::{CODECS, Medium, Rig, row};
use super::tx::{Tx, commit, current, error};
use crate::ids::{Oid, Tid};
use crate::store::disk::FileId;
use crate::wire::tree::Owned;

#[test]
fn a_transaction_gets_the_tid_it_brings() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let wanted = Tid(0x0300_0000_0000_0001);
        let tx = Tx::copy(&mut rig, a, 7, Some(wanted), "p").store(&mut rig, 1, Tid::ZERO, "x");
        assert_eq!(tx.voted(&mut rig).finish(&mut rig), wanted);
        assert_eq!(current(&mut rig, a, 1), Some(("x".into(), wanted)));
    });
}

#[test]
fn a_tid_that_does_not_exceed_the_last_is_refused_at_the_vote() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let last = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        for tid in [Tid::ZERO, Tid(last.0 - 1), last] {
            let tx = Tx::copy(&mut rig, a, 7, Some(tid), " ").store(&mut rig, 2, Tid::ZERO, "x");
            let refused = error(tx.vote(&mut rig));
            assert!(refused.starts_with("StorageTransactionError: tid "), "{refused}");
        }
        let tx = Tx::copy(&mut rig, a, 7, Some(last.next()), " ").store(&mut rig, 2, Tid::ZERO, "x");
        assert_eq!(tx.voted(&mut rig).finish(&mut rig), last.next());
    });
}

#[test]
fn a_tid_no_client_could_load_is_refused_at_the_vote() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        for tid in [Tid(u64::MAX), Tid(u64::MAX - 1), Tid(1 << 63), Tid::MAX, Tid(Tid::MAX.0 - 1)] {
            let tx = Tx::copy(&mut rig, a, 7, Some(tid), " ").store(&mut rig, 1, Tid::ZERO, "x");
            let refused = error(tx.vote(&mut rig));
            assert!(refused.starts_with("StorageTransactionError: tid "), "{refused}");
        }
        commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
    });
}

#[test]
fn when_the_tids_are_used_up_votes_are_refused() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let tx = Tx::copy(&mut rig, a, 7, Some(Tid::LAST), " ").store(&mut rig, 1, Tid::ZERO, "x");
        assert_eq!(tx.voted(&mut rig).finish(&mut rig), Tid::LAST);
        assert!(current(&mut rig, a, 1).is_some());
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::LAST, "y");
        assert_eq!(error(tx.vote(&mut rig)), "StorageSystemError: no transaction ids are left");
    });
}

#[test]
fn a_status_that_is_not_read_back_is_refused_at_the_vote() {
    for codec in CODECS {
        let mut rig = Rig::new(Medium::File, Config { codec, ..Config::default() });
        let a = rig.client();
        let mut last = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        for status in ["c", "u", "x", "\0"] {
            let tx = Tx::copy(&mut rig, a, 7, None, status).store(&mut rig, 1, last, status);
            let refused = error(tx.vote(&mut rig));
            assert!(refused.starts_with("StorageTransactionError: status "), "{refused}");
        }
        for status in [" ", "p"] {
            let tx = Tx::copy(&mut rig, a, 7, None, status).store(&mut rig, 1, last, status);
            last = tx.voted(&mut rig).finish(&mut rig);
        }
        let mut rig = rig.reopen();
        let a = rig.client();
        assert_eq!(current(&mut rig, a, 1), Some(("p".into(), last)), "what was acknowledged is there");
    }
}

#[test]
fn a_copy_waits_for_everybody_and_everybody_waits_for_it() {
    Rig::everywhere(Config::default(), |mut rig| {
        let conns = [rig.client(), rig.client(), rig.client()];
        for (tid, status) in [(Some(Tid::LAST), " "), (None, "p")] {
            let before = Tx::begin(&mut rig, conns[0], 7).store(&mut rig, 1, Tid::ZERO, "x").voted(&mut rig);
            let copy = Tx::copy(&mut rig, conns[1], 8, tid, status).store(&mut rig, 2, Tid::ZERO, "y");
            let copying = copy.ask_vote(&mut rig);
            let after = Tx::begin(&mut rig, conns[2], 9).store(&mut rig, 3, Tid::ZERO, "z");
            let waiting = after.ask_vote(&mut rig);
            assert_eq!((rig.answer(conns[1], &copying), rig.answer(conns[2], &waiting)), (None, None));
            before.abort(&mut rig);
            assert_eq!(
                (rig.answer(conns[1], &copying), rig.answer(conns[2], &waiting)),
                (Some(Ok(row![])), None)
            );
            copy.abort(&mut rig);
            assert_eq!(rig.answer(conns[2], &waiting), Some(Ok(row![])));
            after.abort(&mut rig);
        }
    });
}

#[test]
fn a_copy_may_resolve_its_conflicts() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        let tx = Tx::copy(&mut rig, a, 7, Some(serial.next()), " ").store(&mut rig, 1, Tid::ZERO, "y");
        assert_ne!(tx.vote(&mut rig), Ok(row![]));
        tx.store(&mut rig, 1, serial, "z").store(&mut rig, 2, Tid::ZERO, "new");
        assert_eq!(tx.voted(&mut rig).finish(&mut rig), serial.next());
    });
}

/// Restores a record of transaction `serial`.
fn restore(rig: &mut Rig, tx: Tx, oid: u64, serial: Tid, data: Option<&str>, same_as: Option<Tid>) {
    let data = data.map_or(Owned::None, |data| data.as_bytes().into());
    let same_as = same_as.map_or(Owned::None, Owned::from);
    rig.one_way(tx.conn, "restorea", row![Oid(oid), serial, data, same_as, tx.id]);
}

#[test]
fn restored_records_are_there_under_their_tid_and_everybody_is_told() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, b) = (rig.client(), rig.client());
        let first = commit(&mut rig, a, &[(1, Tid::ZERO, "x"), (2, Tid::ZERO, "y")]);
        let tid = Tid(first.0 + 5);
        let tx = Tx::copy(&mut rig, a, 7, Some(tid), "p");
        restore(&mut rig, tx, 1, tid, Some("new"), None);
        restore(&mut rig, tx, 2, tid, None, None);
        restore(&mut rig, tx, 9, tid, Some("nine"), Some(Tid(3)));
        let oids = row![Oid(1), Oid(2), Oid(9)];
        assert_eq!(tx.vote(&mut rig), Ok(oids), "the committer has no states of its own");
        assert_eq!(tx.finish(&mut rig), tid);
        assert_eq!(rig.inbox(b).last().unwrap(), "invalidateTransaction(T2, [1, 2, 9])");
        assert_eq!(current(&mut rig, b, 1), Some(("new".into(), tid)));
        assert_eq!(current(&mut rig, b, 2), None);
        assert_eq!(current(&mut rig, b, 9), Some(("nine".into(), tid)));
        let fresh = rig.call(a, "new_oids", row![1]);
        assert_eq!(fresh, Ok(row![Oid(10)]), "a restored oid is never given again");
    });
}

#[test]
fn a_state_that_is_there_already_is_pointed_to() {
    let grown = |same_as: fn(Tid) -> Option<Tid>, data: &str| {
        let mut rig = Rig::file();
        let a = rig.client();
        let first = commit(&mut rig, a, &[(1, Tid::ZERO, &"x".repeat(1000))]);
        let second = commit(&mut rig, a, &[(1, first, "y")]);
        let before = rig.disk.bytes(FileId::Log).len();
        let tx = Tx::copy(&mut rig, a, 7, Some(second.next()), " ");
        restore(&mut rig, tx, 1, second.next(), Some(data), same_as(first));
        assert_eq!(tx.vote(&mut rig), Ok(row![Oid(1)]));
        tx.finish(&mut rig);
        assert_eq!(current(&mut rig, a, 1), Some((data.into(), second.next())));
        rig.disk.bytes(FileId::Log).len() - before
    };
    let same = "x".repeat(1000);
    assert!(grown(Some, &same) < 100);
    assert!(grown(|_| None, &same) > 1000);
    assert!(grown(|first| Some(first.next()), &same) > 1000, "no such transaction");
    assert!(grown(Some, &"z".repeat(1000)) > 1000, "another state stands there");
}

#[test]
fn an_object_restored_twice_in_a_transaction_is_as_the_last_record_says() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, b) = (rig.client(), rig.client());
        let tx = Tx::copy(&mut rig, a, 7, Some(Tid(77)), " ");
        restore(&mut rig, tx, 1, Tid(77), Some("first"), None);
        restore(&mut rig, tx, 1, Tid(77), Some("last"), None);
        assert_eq!(tx.vote(&mut rig), Ok(row![Oid(1)]));
        tx.finish(&mut rig);
        assert_eq!(rig.inbox(b).last().unwrap(), "invalidateTransaction(77, [1])");
        assert_eq!(current(&mut rig, b, 1), Some(("last".into(), Tid(77))));
    });
}

#[test]
fn a_record_is_restored_under_one_tid_that_exceeds_the_last() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let last = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        let tx = Tx::begin(&mut rig, a, 7);
        restore(&mut rig, tx, 1, last, Some("old"), None);
        let refused = error(tx.vote(&mut rig));
        assert!(refused.contains("does not exceed the last one"), "{refused}");
        let tx = Tx::begin(&mut rig, a, 7);
        restore(&mut rig, tx, 1, Tid(last.0 + 2), Some("new"), None);
        restore(&mut rig, tx, 2, Tid(last.0 + 3), Some("new"), None);
        let refused = error(tx.vote(&mut rig));
        assert!(refused.starts_with("StorageTransactionError: a record of transaction "), "{refused}");
        let tx = Tx::begin(&mut rig, a, 7);
        restore(&mut rig, tx, 1, Tid(last.0 + 2), Some("new"), None);
        assert_eq!(tx.vote(&mut rig), Ok(row![Oid(1)]));
        assert_eq!(tx.finish(&mut rig), Tid(last.0 + 2), "without a tid the record's is taken");
    });
}

#[test]
fn a_first_record_restored_after_a_vote_is_refused_since_others_work_beside_it() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "stale");
        assert_ne!(tx.vote(&mut rig), Ok(row![]));
        tx.store(&mut rig, 1, serial, "resolved");
        restore(&mut rig, tx, 2, serial.next(), Some("late"), None);
        let refused = error(tx.vote(&mut rig));
        assert_eq!(refused, "StorageTransactionError: the first record is restored after a vote");
        commit(&mut rig, a, &[(1, serial, "y")]);
    });
}

#[test]
fn a_deleted_object_is_gone_and_everybody_is_told() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, b) = (rig.client(), rig.client());
        let first = commit(&mut rig, a, &[(1, Tid::ZERO, "x"), (2, Tid::ZERO, "y")]);
        let delete = |rig: &mut Rig, oid: u64, serial: Tid| {
            let tx = Tx::begin(rig, a, 7);
            rig.one_way(a, "deleteObject", row![Oid(oid), serial, 7]);
            tx
        };
        let tx = delete(&mut rig, 3, first);
        assert_eq!(error(tx.vote(&mut rig)), "POSKeyError: no object 0000000000000003 there");
        let tx = delete(&mut rig, 1, Tid(1));
        assert!(error(tx.vote(&mut rig)).starts_with("ConflictError: "));
        let tx = delete(&mut rig, 1, first);
        assert_eq!(tx.vote(&mut rig), Ok(row![Oid(1)]));
        let second = tx.finish(&mut rig);
        assert_eq!(rig.inbox(b).last().unwrap(), "invalidateTransaction(T2, [1])");
        assert_eq!(current(&mut rig, b, 1), None);
        let old = rig.call(b, "loadBefore", row![Oid(1), second]);
        assert_eq!(old, Ok(row![b"x".to_vec(), first, second]));
        commit(&mut rig, b, &[(1, second, "back")]);
    });
}

#[test]
fn of_a_store_and_a_deletion_of_one_object_the_later_counts() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x"), (2, Tid::ZERO, "y")]);
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, serial, "new");
        rig.one_way(a, "deleteObject", row![Oid(1), serial, 7]);
        rig.one_way(a, "deleteObject", row![Oid(2), serial, 7]);
        tx.store(&mut rig, 2, serial, "new");
        assert_eq!(tx.vote(&mut rig), Ok(row![Oid(1)]));
        let tid = tx.finish(&mut rig);
        assert_eq!((current(&mut rig, a, 1), current(&mut rig, a, 2)), (None, Some(("new".into(), tid))));
    });
}
