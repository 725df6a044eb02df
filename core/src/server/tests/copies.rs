//! Transactions that bring their own tid and status, as copies of databases do.

use super::super::config::Config;
use super::super::testing::{CODECS, Medium, Rig, row};
use super::tx::{Tx, commit, current, error};
use crate::ids::Tid;

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
