//! Servers that are none: they end in an error that says so, and cost the good ones nothing.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use zeolith_net::{Client, ClientOptions, ConnectError, Error};

use crate::create;
use crate::rig::{Rig, stories};

stories! {
    a_server_that_is_none_does_not_hide_the_next,
    a_server_that_stands_still_is_given_up_and_found_again,
}

/// Somebody who listens and does this with each connection.
struct Impostor {
    address: String,
    connections: Arc<AtomicUsize>,
}

impl Impostor {
    fn new(behave: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Impostor {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound address").to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::Relaxed);
                let mut stream = stream.expect("a connection");
                behave(&mut stream);
            }
        });
        Impostor { address, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Says something, and reads until the client gives up.
fn says(bytes: &[u8]) -> Impostor {
    let bytes = bytes.to_vec();
    Impostor::new(move |stream| {
        // The client may have gone already.
        let _ = stream.write_all(&bytes);
        let mut chunk = [0; 4096];
        while let Ok(1..) = stream.read(&mut chunk) {}
    })
}

fn impostors() -> Vec<Impostor> {
    let frame = |message: &[u8]| [&(message.len() as u32).to_be_bytes()[..], message].concat();
    let greeting = |rest: &[u8]| [frame(b"M5"), rest.to_vec()].concat();
    vec![
        says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        says(b"SSH-2.0-OpenSSH_9.6\r\n"),
        says(&frame(b"Z3101")),
        says(&frame(b"M9")),
        says(&frame(b"")),
        says(&[0xff; 64]),
        says(&greeting(&[0xff; 64])),
        // A message that is no message, one to nobody, and an answer to what was not asked.
        says(&greeting(&frame(b"\xc1"))),
        says(&greeting(&frame(b"\x94\x01\x00\xa7nothing\x90"))),
        says(&greeting(&frame(b"\x94\xcd\x30\x39\x00\xa6.reply\xc0"))),
        // An answer to `register` that makes no sense.
        says(&greeting(&frame(b"\x94\x00\x00\xa6.reply\xa3yes"))),
        Impostor::new(|_| ()),
    ]
}

fn hasty(address: &str) -> ClientOptions {
    let options = ClientOptions::new(address).expect("an address");
    options
        .wait_timeout(Duration::from_millis(400))
        .reconnect(Duration::from_millis(5), Duration::from_millis(20))
}

#[tokio::test]
async fn a_server_that_is_none_is_an_error_and_tried_again() {
    for impostor in impostors() {
        let none = Client::connect(hasty(&impostor.address)).await;
        let Err(ConnectError::Client(Error::Disconnected(why))) = none else { panic!("{none:?}") };
        assert!(!why.is_empty());
    }
    let gone = Impostor::new(|_| ());
    let none = Client::connect(hasty(&gone.address)).await;
    assert!(none.is_err());
    assert!(gone.connections() > 1, "it is tried again");
}

async fn a_server_that_is_none_does_not_hide_the_next(rig: &mut Rig) {
    for impostor in impostors() {
        // One that says nothing at all would be waited for as long as a greeting may take.
        let options = rig.options();
        let address = rig.address().to_owned();
        let both = ClientOptions::new(&impostor.address).unwrap().server(&address).unwrap();
        let client = Client::connect(both.reconnect(Duration::from_millis(5), Duration::from_millis(20)))
            .await
            .unwrap();
        let (oid, tid) = create(&client, "1").await;
        drop(client);
        assert_eq!(Client::connect(options).await.unwrap().load(oid).await.unwrap().serial, tid);
    }
}

async fn a_server_that_stands_still_is_given_up_and_found_again(rig: &mut Rig) {
    let (oid, tid) = create(&rig.client().await, "1").await;
    let patient = Client::connect(rig.options().silence_timeout(Duration::from_millis(100))).await.unwrap();
    let hasty = hasty(rig.address()).silence_timeout(Duration::from_millis(50));
    let hasty = Client::connect(hasty).await.unwrap();
    rig.freeze(true);
    let waiting = tokio::spawn(async move { patient.load(oid).await });
    assert!(matches!(hasty.load(oid).await, Err(Error::Disconnected(_))));
    rig.freeze(false);
    assert_eq!(waiting.await.unwrap().unwrap().serial, tid);
    while hasty.ready().await.is_err() {}
    assert_eq!(hasty.load(oid).await.unwrap().serial, tid);
}

#[tokio::test]
async fn a_server_that_never_introduces_itself_is_none() {
    let deaf = Impostor::new(|stream| {
        let mut chunk = [0; 4096];
        while let Ok(1..) = stream.read(&mut chunk) {}
    });
    // It speaks, and then owes an answer for ever.
    let silent = says(b"\x00\x00\x00\x02M5");
    for address in [&deaf.address, &silent.address] {
        let none = Client::connect(hasty(address).silence_timeout(Duration::from_millis(50))).await;
        assert!(matches!(none, Err(ConnectError::Client(Error::Disconnected(_)))), "{none:?}");
    }
}

#[tokio::test]
async fn nobody_listens_there() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for address in [&*address, "no-such-host.invalid:8100", "/no/such/socket"] {
        let none = Client::connect(hasty(address)).await;
        let Err(ConnectError::Client(Error::Disconnected(why))) = none else { panic!("{address}: {none:?}") };
        println!("{address}: {why}");
    }
}
