//! Conversations as they are, in both encodings.

use super::super::config::Config;
use super::super::testing::{CODECS, Hold, Medium, Rig, row};
use super::tx::{Tx, commit};
use crate::ids::{Oid, Tid};
use crate::wire::Codec;

/// The script of a conversation with a server over a file, the same in both encodings.
fn conversation(codec: Codec, talk: impl Fn(&mut Rig)) -> String {
    let mut rig = Rig::new(Medium::File, Config { codec, ..Config::default() });
    talk(&mut rig);
    rig.script.take()
}

macro_rules! golden {
    ($talk:expr, @$expected:literal) => {
        for codec in CODECS {
            let script = conversation(codec, $talk).replace("M5", "Z5");
            insta::allow_duplicates! { insta::assert_snapshot!(script, @$expected); }
        }
    };
}

#[test]
fn a_first_connect_and_register() {
    golden!(|rig| {
        let a = rig.negotiate();
        rig.call(a, "register", row!["1", false]).unwrap();
        rig.call(a, "get_info", row![]).unwrap();
        rig.call(a, "lastTransaction", row![]).unwrap();
        rig.call(a, "getInvalidations", row![Tid::ZERO]).unwrap();
        rig.call(a, "loadBefore", row![Oid(0), Tid::MAX]).unwrap_err();
    }, @r#"
    1 < Z5
    1 > Z5
    1 > 1 register('1', False)
    1 < reply 1 = 0
    1 > 2 get_info()
    1 < reply 2 = {'length': 0, 'size': 4, 'name': '1', 'supportsUndo': True, 'supports_record_iternext': True, 'interfaces': [['ZODB.interfaces', 'IStorageRestoreable'], ['ZODB.interfaces', 'IStorageIteration'], ['ZODB.interfaces', 'IStorageUndoable'], ['ZODB.interfaces', 'IStorageCurrentRecordIteration'], ['ZODB.interfaces', 'IExternalGC'], ['ZODB.interfaces', 'IStorage'], ['zope.interface', 'Interface']], 'zeolith.in_order': True}
    1 > 3 lastTransaction()
    1 < reply 3 = 0
    1 > 4 getInvalidations(0)
    1 < reply 4 = None
    1 > 5 loadBefore(0, max)
    1 < error 5 = POSKeyError(0)
    "#);
}

#[test]
fn a_commit_is_seen_by_another_client() {
    golden!(|rig| {
        let (a, b) = (rig.client(), rig.client());
        rig.script.take();
        rig.hold(Hold::Syncs);
        let tx = Tx::begin(rig, a, 7).store(rig, 1, Tid::ZERO, "x").store(rig, 2, Tid::ZERO, "y").voted(rig);
        tx.ask_finish(rig);
        rig.call(b, "ping", row![]).unwrap();
        rig.release(Hold::Syncs);
        rig.call(b, "loadBefore", row![Oid(1), Tid::MAX]).unwrap();
    }, @r#"
    1 > tpc_begin(7, '', '', {}, None, ' ')
    1 > storea(1, 0, b'x', 7)
    1 > storea(2, 0, b'y', 7)
    1 > 2 vote(7)
    disk: reserve
    1 < reply 2 = []
    1 > 3 tpc_finish(7)
    disk: write log
    disk: sync log
    disk: sync sums
    2 > 2 ping()
    2 < reply 2 = None
    disk: sync log done
    disk: sync sums done
    2 < invalidateTransaction(T1, [1, 2])
    1 < info(2 objects, 121 bytes)
    1 < reply 3 = T1
    2 > 3 loadBefore(1, max)
    2 < reply 3 = [b'x', T1, None]
    "#);
}

#[test]
fn a_conflict_is_resolved_in_two_rounds_while_another_vote_waits() {
    golden!(|rig| {
        let [a, b, c] = std::array::from_fn(|_| rig.client());
        let first = commit(rig, a, &[(1, Tid::ZERO, "one")]);
        let second = commit(rig, b, &[(1, first, "two")]);
        rig.script.take();
        let tx = Tx::begin(rig, a, 7).store(rig, 1, first, "mine");
        tx.vote(rig).unwrap();
        let waiter = Tx::begin(rig, c, 8).store(rig, 1, second, "theirs");
        waiter.ask_vote(rig);
        let third = tx.store(rig, 1, second, "merged").voted(rig).finish(rig);
        waiter.store(rig, 1, third, "all").voted(rig).finish(rig);
    }, @r#"
    1 > tpc_begin(7, '', '', {}, None, ' ')
    1 > storea(1, T1, b'mine', 7)
    1 > 4 vote(7)
    1 < reply 4 = [{'oid': 1, 'serials': [T2, T1], 'data': b'mine'}]
    3 > tpc_begin(8, '', '', {}, None, ' ')
    3 > storea(1, T2, b'theirs', 8)
    3 > 2 vote(8)
    1 > storea(1, T2, b'merged', 7)
    1 > 5 vote(7)
    1 < reply 5 = []
    1 > 6 tpc_finish(7)
    disk: write log
    disk: sync log
    disk: sync sums
    2 < invalidateTransaction(T3, [1])
    3 < invalidateTransaction(T3, [1])
    1 < info(1 objects, 235 bytes)
    1 < reply 6 = T3
    3 < reply 2 = [{'oid': 1, 'serials': [T3, T2], 'data': b'theirs'}]
    3 > storea(1, T3, b'all', 8)
    3 > 3 vote(8)
    3 < reply 3 = []
    3 > 4 tpc_finish(8)
    disk: write log
    disk: sync log
    disk: sync sums
    1 < invalidateTransaction(T4, [1])
    2 < invalidateTransaction(T4, [1])
    3 < info(1 objects, 311 bytes)
    3 < reply 4 = T4
    "#);
}

#[test]
fn a_read_conflict() {
    golden!(|rig| {
        let (a, b) = (rig.client(), rig.client());
        let first = commit(rig, a, &[(1, Tid::ZERO, "one")]);
        commit(rig, b, &[(1, first, "two")]);
        rig.script.take();
        let tx = Tx::begin(rig, a, 7).store(rig, 2, Tid::ZERO, "x").check(rig, 1, first);
        tx.vote(rig).unwrap_err();
        tx.abort(rig);
    }, @r#"
    1 > tpc_begin(7, '', '', {}, None, ' ')
    1 > storea(2, 0, b'x', 7)
    1 > checkCurrentSerialInTransaction(1, T1, 7)
    1 > 4 vote(7)
    1 < error 4 = ZODB.POSException.ReadConflictError(1: T2 is current, T1 was read)
    1 > 5 tpc_abort(7)
    1 < reply 5 = None
    "#);
}

#[test]
fn a_fallback_client_registers_twice() {
    golden!(|rig| {
        let a = rig.negotiate();
        rig.call(a, "register", row!["frozen", false]).unwrap_err();
        rig.call(a, "register", row!["frozen", true]).unwrap();
        rig.call(a, "new_oids", row![]).unwrap_err();
    }, @r#"
    1 < Z5
    1 > Z5
    1 > 1 register('frozen', False)
    1 < error 1 = ZODB.POSException.ReadOnlyError(the storage is read-only)
    1 > 2 register('frozen', True)
    1 < reply 2 = 0
    1 > 3 new_oids()
    1 < error 3 = ZODB.POSException.ReadOnlyError(the storage is read-only)
    "#);
}

#[test]
fn finishes_that_arrive_while_a_batch_syncs_are_in_the_next() {
    golden!(|rig| {
        let conns: [_; 4] = std::array::from_fn(|_| rig.client());
        rig.script.take();
        rig.hold(Hold::Syncs);
        let txs = [1, 2, 3].map(|at| {
            Tx::begin(rig, conns[at as usize - 1], at).store(rig, at as u64, Tid::ZERO, "x").voted(rig)
        });
        for tx in txs {
            tx.ask_finish(rig);
        }
        rig.release(Hold::Syncs);
        rig.release(Hold::Syncs);
    }, @r#"
    1 > tpc_begin(1, '', '', {}, None, ' ')
    1 > storea(1, 0, b'x', 1)
    1 > 2 vote(1)
    disk: reserve
    1 < reply 2 = []
    2 > tpc_begin(2, '', '', {}, None, ' ')
    2 > storea(2, 0, b'x', 2)
    2 > 2 vote(2)
    2 < reply 2 = []
    3 > tpc_begin(3, '', '', {}, None, ' ')
    3 > storea(3, 0, b'x', 3)
    3 > 2 vote(3)
    3 < reply 2 = []
    1 > 3 tpc_finish(1)
    disk: write log
    disk: sync log
    disk: sync sums
    2 > 3 tpc_finish(2)
    3 > 3 tpc_finish(3)
    disk: sync log done
    disk: sync sums done
    2 < invalidateTransaction(T1, [1])
    3 < invalidateTransaction(T1, [1])
    4 < invalidateTransaction(T1, [1])
    1 < info(1 objects, 78 bytes)
    1 < reply 3 = T1
    disk: write log
    disk: sync log
    disk: sync sums
    disk: sync log done
    disk: sync sums done
    1 < invalidateTransaction(T2, [2])
    3 < invalidateTransaction(T2, [2])
    4 < invalidateTransaction(T2, [2])
    2 < info(3 objects, 226 bytes)
    2 < reply 3 = T2
    1 < invalidateTransaction(T3, [3])
    2 < invalidateTransaction(T3, [3])
    4 < invalidateTransaction(T3, [3])
    3 < info(3 objects, 226 bytes)
    3 < reply 3 = T3
    "#);
}
