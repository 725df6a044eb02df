//! Conversations as they are, in both encodings.

use super::super::config::{Access, WhenBehind};
use super::super::testing::{World, changes, client_config, store};
use super::super::{Call, Input};
use crate::ids::{Oid, Tid};
use crate::server::testing::CODECS;
use crate::wire::Codec;
use bytes::Bytes;
use std::time::Duration;

fn conversation(codec: Codec, servers: usize, talk: impl Fn(&mut World)) -> String {
    let mut world = World::new(codec, servers);
    talk(&mut world);
    world.script.take()
}

/// A conversation with as many servers, the same in both encodings.
macro_rules! golden {
    ($servers:expr, $talk:expr, @$expected:literal) => {
        for codec in CODECS {
            let script = conversation(codec, $servers, $talk).replace("M5", "Z5");
            insta::allow_duplicates! { insta::assert_snapshot!(script, @$expected); }
        }
    };
}

#[test]
fn a_first_connect() {
    golden!(1, |world| {
        let mut config = client_config(1);
        config.label = Some("zope-1".to_owned());
        let client = world.client(config);
        world.commit(client, vec![store(1, Tid::ZERO, "one")]);
    }, @r#"
    0.1 connects to server-0
    0.1 < Z5
    0.1 > Z5
    0.1 > 1 register('1', False)
    0.1 < reply 1 = 0
    0.1 > set_client_label('zope-1')
    0.1 > 2 get_info()
    0.1 < reply 2 = a description of the storage
    0 logs server-0: connected at 0: the cache was empty
    0 is asked 1: Vote(Changes { user: b"", description: b"", extension: b"", copied: None, operations: [Store { oid: 1, serial: 0, data: b"one" }], finish: true, resolve: false, relayed: false })
    0.1 > tpc_begin(1, b'', b'', 'marked', None, ' ')
    0.1 > storea(1, 0, b'one', 1)
    0.1 > 3 vote(1)
    0.1 < reply 3 = []
    0.1 > 4 tpc_finish(1)
    0.1 < info(1 objects, 122 bytes)
    0.1 < reply 4 = T1
    0 tells Objects { tid: T1, oids: [1] }
    0 answers 1 with Finished(Finished { tid: T1, changed: [] })
    "#);
}

#[test]
fn a_cache_that_is_up_to_date() {
    golden!(1, |world| {
        let client = world.plain_client();
        world.commit(client, vec![store(1, Tid::ZERO, "one")]);
        world.script.take();
        world.cut(client);
        world.pass(Duration::from_secs(1));
        world.current(client, 1).unwrap();
    }, @r#"
    0.1 is cut
    0 logs server-0: disconnected: connection reset
    0.2 connects to server-0
    0.2 < Z5
    0.2 > Z5
    0.2 > 1 register('1', False)
    0.2 < reply 1 = T1
    0.2 > 2 get_info()
    0.2 < reply 2 = a description of the storage
    0 logs server-0: connected at T1: the cache is up to date
    0 is asked 2: Load { oid: 1, before: max }
    0 answers 2 with Loaded(Some(Revision { data: b"one", serial: T1, until: None }))
    "#);
}

#[test]
fn a_quick_verification_with_a_transaction_that_comes_meanwhile() {
    golden!(1, |world| {
        let [client, other] = std::array::from_fn(|_| world.plain_client());
        let first = world.commit(client, vec![store(1, Tid::ZERO, "one"), store(2, Tid::ZERO, "two")]);
        world.cut(client);
        let second = world.commit(other, vec![store(1, first, "more")]);
        world.script.take();
        world.pass(Duration::from_secs(1));
        world.current(client, 2).unwrap();
        assert_eq!(world.current(client, 1), Ok(("more".to_owned(), second)));
    }, @r#"
    0.2 connects to server-0
    0.2 < Z5
    0.2 > Z5
    0.2 > 1 register('1', False)
    0.2 < reply 1 = T2
    0.2 > 2 get_info()
    0.2 > 3 getInvalidations(T1)
    0.2 < reply 2 = a description of the storage
    0.2 < reply 3 = [T2, [1]]
    0 tells Objects { tid: T2, oids: [1] }
    0 logs server-0: connected at T2: the cache was brought up to date
    0 is asked 3: Load { oid: 2, before: max }
    0 answers 3 with Loaded(Some(Revision { data: b"two", serial: T1, until: None }))
    0 is asked 4: Load { oid: 1, before: max }
    0.2 > [1, max] loadBefore(1, max)
    0.2 < reply (1, max) = [b'more', T2, None]
    0 answers 4 with Loaded(Some(Revision { data: b"more", serial: T2, until: None }))
    "#);
}

#[test]
fn a_cache_that_is_too_old() {
    golden!(1, |world| {
        world.servers[0] = Some(world.server(|config| config.invalidation_queue = 1.into()));
        let [client, other] = std::array::from_fn(|_| world.plain_client());
        let first = world.commit(client, vec![store(1, Tid::ZERO, "one")]);
        world.cut(client);
        let second = world.commit(other, vec![store(1, first, "two")]);
        world.commit(other, vec![store(1, second, "three")]);
        world.script.take();
        world.pass(Duration::from_secs(1));
        world.current(client, 1).unwrap();
    }, @r#"
    0.2 connects to server-0
    0.2 < Z5
    0.2 > Z5
    0.2 > 1 register('1', False)
    0.2 < reply 1 = T3
    0.2 > 2 get_info()
    0.2 > 3 getInvalidations(T1)
    0.2 < reply 2 = a description of the storage
    0.2 < reply 3 = None
    0 tells Everything { tid: T3 }
    0 logs server-0: connected at T3: the cache was too old, and is dropped
    0 is asked 4: Load { oid: 1, before: max }
    0.2 > [1, max] loadBefore(1, max)
    0.2 < reply (1, max) = [b'three', T3, None]
    0 answers 4 with Loaded(Some(Revision { data: b"three", serial: T3, until: None }))
    "#);
}

#[test]
fn a_server_that_is_behind_is_refused() {
    golden!(1, |world| {
        let client = world.plain_client();
        world.commit(client, vec![store(1, Tid::ZERO, "one")]);
        world.kill(0);
        world.servers[0] = Some(world.server(|_| {}));
        world.script.take();
        world.ask(client, Call::Load { oid: Oid(1), before: Tid::MAX });
        world.pass(Duration::from_millis(300));
    }, @r#"
    0 is asked 2: Load { oid: 1, before: max }
    0.2 connects to server-0
    0.2 < Z5
    0.2 > Z5
    0.2 > 1 register('1', False)
    0.2 < reply 1 = 0
    0.2 closes
    0 logs server-0: its last transaction is 0, but this client has seen T1
    0 answers 2 with an error: the server's last transaction is 0, but this client has seen T1. If the server was restored from a backup, drop the cache, or give the server a later transaction
    "#);
}

#[test]
fn a_server_that_is_behind_is_put_up_with_when_told_so() {
    golden!(1, |world| {
        let mut config = client_config(1);
        config.when_behind = WhenBehind::DropCache;
        let client = world.client(config);
        world.commit(client, vec![store(1, Tid::ZERO, "one")]);
        world.kill(0);
        world.servers[0] = Some(world.server(|_| {}));
        world.script.take();
        world.pass(Duration::from_secs(1));
        world.current(client, 1).unwrap_err();
    }, @r#"
    0.2 connects to server-0
    0.2 < Z5
    0.2 > Z5
    0.2 > 1 register('1', False)
    0.2 < reply 1 = 0
    0 tells Everything { tid: 0 }
    0.2 > 2 get_info()
    0.2 < reply 2 = a description of the storage
    0 logs server-0: connected at 0: the server is behind, the cache is dropped
    0 is asked 2: Load { oid: 1, before: max }
    0.2 > [1, max] loadBefore(1, max)
    0.2 < error (1, max) = POSKeyError(1)
    0 answers 2 with an error: no object 1 there
    "#);
}

#[test]
fn a_conflict_that_is_resolved_in_two_rounds() {
    golden!(1, |world| {
        let [client, other] = std::array::from_fn(|_| world.plain_client());
        let first = world.commit(other, vec![store(1, Tid::ZERO, "one"), store(2, Tid::ZERO, "a")]);
        let second = world.commit(other, vec![store(1, first, "two")]);
        world.script.take();
        let mut mine = changes(vec![store(1, first, "mine"), store(2, first, "b")]);
        mine.resolve = true;
        world.ask(client, Call::Vote(Box::new(mine)));
        let (txn, merge) = world.told[client].merges.pop().expect("a merge");
        assert_eq!((merge.conflict.committed, merge.conflict.read), (second, first));
        assert_eq!((merge.old, merge.committed), (Bytes::from("one"), Bytes::from("two")));
        world.input(client, Input::Resolved { txn, oid: Oid(1), state: Some(Bytes::from("both")) });
    }, @r#"
    0 is asked 3: Vote(Changes { user: b"", description: b"", extension: b"", copied: None, operations: [Store { oid: 1, serial: T1, data: b"mine" }, Store { oid: 2, serial: T1, data: b"b" }], finish: true, resolve: true, relayed: false })
    0.1 > tpc_begin(1, b'', b'', 'marked', None, ' ')
    0.1 > storea(1, T1, b'mine', 1)
    0.1 > storea(2, T1, b'b', 1)
    0.1 > 3 vote(1)
    0.1 < reply 3 = [{'oid': 1, 'serials': [T2, T1], 'data': b'mine'}]
    0.1 > 4 loadSerial(1, T1)
    0.1 > 5 loadSerial(1, T2)
    0.1 < reply 4 = b'one'
    0.1 < reply 5 = b'two'
    0 asks to merge object 1
    0.1 > storea(1, T2, b'both', 1)
    0.1 > 6 vote(1)
    0.1 < reply 6 = []
    0.1 > 7 tpc_finish(1)
    1.1 < invalidateTransaction(T3, [1, 2])
    0.1 < info(2 objects, 453 bytes)
    0.1 < reply 7 = T3
    0 tells Objects { tid: T3, oids: [1, 2] }
    0 answers 3 with Finished(Finished { tid: T3, changed: [1] })
    1 tells Objects { tid: T3, oids: [1, 2] }
    "#);
}

#[test]
fn a_fallback_and_the_return_to_a_writable_server() {
    golden!(2, |world| {
        let other = world.plain_client();
        let first = world.commit(other, vec![store(1, Tid::ZERO, "one")]);
        let away = world.kill(0);
        world.servers[1] = Some(world.server(|config| config.read_only = true));
        world.script.take();
        let mut config = client_config(2);
        config.access = Access::WriteOrRead;
        let client = world.client(config);
        world.call(client, Call::Vote(Box::new(changes(vec![store(1, first, "no")])))).unwrap_err();
        world.servers[0] = away;
        world.pass(Duration::from_millis(200));
        world.commit(client, vec![store(1, first, "yes")]);
    }, @r#"
    1.1 connects to server-0
    1.2 connects to server-1
    1 logs server-0: connection refused
    1.2 < Z5
    1.2 > Z5
    1.2 > 1 register('1', False)
    1.2 < error 1 = ZODB.POSException.ReadOnlyError(the storage is read-only)
    1.2 > 2 register('1', True)
    1.2 < reply 2 = 0
    1.2 > 3 get_info()
    1.2 < reply 3 = a description of the storage
    1 logs server-1: connected for reading only at 0: the cache was empty
    1 is asked 2: Vote(Changes { user: b"", description: b"", extension: b"", copied: None, operations: [Store { oid: 1, serial: T1, data: b"no" }], finish: true, resolve: false, relayed: false })
    1 answers 2 with an error: the storage is open for reading only
    1.3 connects to server-0
    1.3 < Z5
    1.3 > Z5
    1.3 > 1 register('1', False)
    1.3 < reply 1 = T1
    1.2 closes
    1 logs server-1: another server can be written to
    1.3 > 2 get_info()
    1.3 > 3 getInvalidations(0)
    1.3 < reply 2 = a description of the storage
    1.3 < reply 3 = None
    1 tells Everything { tid: T1 }
    1 logs server-0: connected at T1: the cache was too old, and is dropped
    0.2 connects to server-0
    0.2 < Z5
    0.2 > Z5
    0.2 > 1 register('1', False)
    0.2 < reply 1 = T1
    0.2 > 2 get_info()
    0.2 < reply 2 = a description of the storage
    0 logs server-0: connected at T1: the cache is up to date
    1 is asked 3: Vote(Changes { user: b"", description: b"", extension: b"", copied: None, operations: [Store { oid: 1, serial: T1, data: b"yes" }], finish: true, resolve: false, relayed: false })
    1.3 > tpc_begin(1, b'', b'', 'marked', None, ' ')
    1.3 > storea(1, T1, b'yes', 1)
    1.3 > 4 vote(1)
    1.3 < reply 4 = []
    1.3 > 5 tpc_finish(1)
    0.2 < invalidateTransaction(T2, [1])
    1.3 < info(1 objects, 244 bytes)
    1.3 < reply 5 = T2
    0 tells Objects { tid: T2, oids: [1] }
    1 tells Objects { tid: T2, oids: [1] }
    1 answers 3 with Finished(Finished { tid: T2, changed: [] })
    "#);
}

#[test]
fn a_lost_finish_reply_of_a_transaction_that_was_committed() {
    golden!(1, |world| {
        let client = world.plain_client();
        let first = world.commit(client, vec![store(1, Tid::ZERO, "one")]);
        world.script.take();
        world.hold(client);
        world.ask(client, Call::Vote(Box::new(changes(vec![store(1, first, "two")]))));
        // The answer to the vote alone comes through.
        world.release_held(client);
        world.cut(client);
        world.pass(Duration::from_secs(1));
    }, @r#"
    0 is asked 2: Vote(Changes { user: b"", description: b"", extension: b"", copied: None, operations: [Store { oid: 1, serial: T1, data: b"two" }], finish: true, resolve: false, relayed: false })
    0.1 > tpc_begin(2, b'', b'', 'marked', None, ' ')
    0.1 > storea(1, T1, b'two', 2)
    0.1 > 5 vote(2)
    0.1 < reply 5 = []
    0.1 > 6 tpc_finish(2)
    0.1 < info(1 objects, 244 bytes)
    0.1 < reply 6 = T2
    0.1 is cut
    0 logs server-0: disconnected: connection reset
    0.2 connects to server-0
    0.2 < Z5
    0.2 > Z5
    0.2 > 1 register('1', False)
    0.2 < reply 1 = T2
    0.2 > 2 get_info()
    0.2 > 3 getInvalidations(T1)
    0.2 < reply 2 = a description of the storage
    0.2 < reply 3 = [T2, [1]]
    0 tells Objects { tid: T2, oids: [1] }
    0 logs server-0: connected at T2: the cache was brought up to date
    0.2 > tpc_begin(3, b'', b'', {}, None, ' ')
    0.2 > checkCurrentSerialInTransaction(1, T1, 3)
    0.2 > 4 vote(3)
    0.2 < error 4 = ZODB.POSException.ReadConflictError(1: T2 is current, T1 was read)
    0.2 > 5 history(1, 2)
    0.2 < reply 5 = [{'zeolith.mark': 'mark', 'time': 1795299930.5, 'user_name': b'', 'description': b'', 'tid': T2, 'size': 3}, {'zeolith.mark': 'mark', 'time': 1795299930.5, 'user_name': b'', 'description': b'', 'tid': T1, 'size': 3}]
    0 logs a transaction whose finish was not answered was committed as T2
    0 answers 2 with Finished(Finished { tid: T2, changed: [] })
    0.2 > 6 tpc_abort(3)
    0.2 < reply 6 = None
    "#);
}
