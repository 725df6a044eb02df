//! The same without a runtime.

use zeolith_core::wire::Codec;
use zeolith_net::client::blocking::Client;
use zeolith_net::{Change, ClientOptions, Error, Oid, Tid};
use zeolith_tests::server::{Config, Home, Maker, Server};

fn story(maker: Maker, codec: Codec) {
    let home = Home::new();
    let server = Server::start_as(maker, &home, &Config::new(codec));
    let options = ClientOptions::new(server.address()).unwrap();
    let client = Client::connect(options.clone()).unwrap();
    client.ready().unwrap();
    let (before, mut changes) = client.follow().unwrap();
    assert_eq!(before.tid(), Tid::ZERO);

    let mut transaction = client.begin();
    let oid = transaction.new_oid().unwrap();
    transaction.user("ann").store_new(oid, "1");
    let first = transaction.commit().unwrap();
    assert_eq!(changes.next(), Some(Change::Objects { tid: first, oids: vec![oid] }));
    assert_eq!(client.load(oid).unwrap().data, "1");
    assert_eq!(client.snapshot().unwrap().tid(), first);

    // From another thread, by another client.
    let second = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let other = Client::connect(options).unwrap();
            let mut transaction = other.begin();
            transaction.store(oid, first, "2");
            transaction.vote().unwrap().finish().unwrap().tid
        });
        assert_eq!(changes.next().map(|change| matches!(change, Change::Objects { .. })), Some(true));
        other.join().unwrap()
    });
    assert_eq!(client.last_tid(), Some(second));
    assert_eq!(client.load(oid).unwrap().data, "2");
    let snapshot = client.at(first).unwrap();
    assert_eq!(snapshot.load(oid).unwrap().data, "1");
    assert_eq!(snapshot.cached(oid).unwrap().data, "1");
    assert_eq!(client.load_before(oid, first).unwrap(), None);
    assert_eq!(client.load_serial(oid, first).unwrap(), "1");
    assert_eq!(client.history(oid, 9).unwrap().len(), 2);
    snapshot.prefetch([oid]).unwrap();
    client.prefetch([oid]).unwrap();
    client.sync().unwrap();
    assert_eq!(
        client.invalidations(&snapshot).next(),
        Some(Change::Objects { tid: second, oids: vec![oid] })
    );

    let mut transaction = client.begin();
    transaction.store(oid, first, "3");
    assert!(matches!(transaction.commit(), Err(Error::Conflict(_))));
    let mut transaction = client.begin();
    transaction.store(oid, second, "3");
    transaction.vote().unwrap().abort().unwrap();
    assert_eq!(client.load(Oid(1 << 40)), Err(Error::NoObject(Oid(1 << 40))));

    client.close();
    assert_eq!(client.sync(), Err(Error::Closed));
    assert_eq!(changes.next(), None);
    server.end();
}

#[test]
fn a_program_without_a_runtime_does_the_same_with_python() {
    story(Maker::Python, Codec::Pickle);
    story(Maker::Python, Codec::Msgpack);
}

#[test]
fn a_program_without_a_runtime_does_the_same_with_zeolith() {
    story(Maker::Zeolith, Codec::Pickle);
    story(Maker::Zeolith, Codec::Msgpack);
}

#[test]
fn a_client_needs_a_runtime_or_brings_its_own() {
    let options = ClientOptions::new("localhost:1").unwrap();
    let mut connecting = std::pin::pin!(zeolith_net::Client::connect(options));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = connecting.as_mut().poll(&mut context) else {
        panic!("no error")
    };
    assert!(error.to_string().contains("blocking"), "{error}");
}
