//! Both ends of a connection, over a pair of sockets.

use super::testing::{Files, Person};
use super::{ClientTls, Door, ServerTls, connect};
use crate::address::Address;
use crate::socket::Socket;
use crate::stream::Stream;
use std::io;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// A server's door, whom it trusts, and those who came in.
struct Rig {
    files: Files,
    door: Rc<Door>,
    admitted: mpsc::UnboundedReceiver<Stream>,
    admit: mpsc::UnboundedSender<Stream>,
}

impl Rig {
    fn new(most: usize) -> Rig {
        let files = Files::new();
        let (server, client) = (Person::authority("server"), Person::authority("client"));
        for (name, person) in [("server", &server), ("client", &client)] {
            files.put(&format!("{name}.pem"), &person.certificate);
            files.put(&format!("{name}_key.pem"), &person.secret);
        }
        let tls = ServerTls {
            certificate: files.path("server.pem"),
            key: Some(files.path("server_key.pem")),
            key_password: None,
            authenticate: files.path("client.pem"),
        };
        let (admit, admitted) = mpsc::unbounded_channel();
        Rig { door: Door::new(tls.load().unwrap(), most), files, admitted, admit }
    }

    /// Somebody knocks.
    fn knock(&self) -> UnixStream {
        let (outer, inner) = UnixStream::pair().unwrap();
        let admit = self.admit.clone();
        let serve = move |stream, _| {
            admit.send(stream).unwrap();
            std::future::ready(())
        };
        self.door.admit(Socket::Unix(inner), "somebody".to_owned(), serve);
        outer
    }

    fn tls(&self, name: &str) -> ClientTls {
        ClientTls::new()
            .certificate(self.files.path(&format!("{name}.pem")))
            .key(self.files.path(&format!("{name}_key.pem")))
            .authenticate(self.files.path("server.pem"))
            .server_hostname("server")
    }

    /// A client in the name of `name`.
    async fn client(&self, tls: ClientTls) -> Result<Stream, String> {
        let address = Address::Unix("socket".into());
        let shaken = connect(&tls.load().unwrap(), &address, Socket::Unix(self.knock())).await;
        shaken.map_err(|failure| failure.to_string())
    }

    /// The two ends of a connection.
    async fn pair(&mut self) -> (Stream, Stream) {
        let client = self.client(self.tls("client")).await.unwrap();
        (client, self.admitted.recv().await.unwrap())
    }
}

fn run(test: impl AsyncFnOnce(Rig), most: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test(Rig::new(most)));
}

async fn write(stream: &Stream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let (one, two) = bytes.split_at(bytes.len().min(1000));
        match stream.try_write_vectored(&[io::IoSlice::new(one), io::IoSlice::new(two)]) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.ready(Interest::WRITABLE).await.unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

async fn read(stream: &Stream, into: &mut [u8]) -> io::Result<usize> {
    loop {
        stream.ready(Interest::READABLE).await?;
        match stream.try_read(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
    }
}

async fn read_all(stream: &Stream) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; 256 << 10]);
    loop {
        match read(stream, &mut buffer).await.unwrap() {
            0 => return all,
            got => all.extend_from_slice(&buffer[..got]),
        }
    }
}

#[test]
fn what_is_written_is_read_in_both_directions_at_once_however_much_it_is() {
    run(
        async |mut rig| {
            for size in [1, 1000, 16_384, 16_385, 300_000, 20_000_000] {
                let (client, server) = rig.pair().await;
                let text: Vec<u8> = (0..size).map(|at: u32| (at * 7 / 5) as u8).collect();
                let (client, server, text) = (&client, &server, &text);
                let hear = async |stream: &Stream, buffer: usize| {
                    let (mut at, mut buffer) = (0, vec![0; buffer]);
                    while at < text.len() {
                        let got = read(stream, &mut buffer).await.unwrap();
                        assert!(buffer[..got] == text[at..at + got], "at {at} of {size}");
                        at += got;
                    }
                };
                let (back, forth) = (hear(client, 64 << 10), hear(server, 256 << 10));
                tokio::join!(write(client, text), write(server, text), back, forth);
            }
        },
        10,
    );
}

#[test]
fn an_end_is_seen_though_it_came_with_the_last_bytes() {
    run(
        async |mut rig| {
            let (client, server) = rig.pair().await;
            write(&client, b"the last words").await;
            client.finish();
            assert_eq!(read_all(&server).await, b"the last words");
        },
        10,
    );
}

#[test]
fn a_connection_that_breaks_ends_too() {
    run(
        async |mut rig| {
            let (client, server) = rig.pair().await;
            write(&client, b"the last words").await;
            drop(client);
            assert_eq!(read_all(&server).await, b"the last words");
        },
        10,
    );
}

#[test]
fn what_comes_right_behind_the_handshake_is_read() {
    run(
        async |mut rig| {
            let client = rig.client(rig.tls("client")).await.unwrap();
            // The server has not seen the end of the handshake yet.
            write(&client, &[7; 50_000]).await;
            client.finish();
            let server = rig.admitted.recv().await.unwrap();
            assert!(read_all(&server).await == [7; 50_000]);
        },
        10,
    );
}

#[test]
fn bytes_that_no_key_fits_end_a_connection_and_not_in_a_panic() {
    run(
        async |mut rig| {
            let (client, server) = rig.pair().await;
            // Past the keys, into the socket.
            let raw = client.socket();
            raw.try_write_vectored(&[io::IoSlice::new(&[0x17, 3, 3, 0, 32]), io::IoSlice::new(&[1; 32])])
                .unwrap();
            let error = read(&server, &mut vec![0; 256 << 10]).await.unwrap_err();
            assert_eq!(error.to_string(), "cannot decrypt peer's message");
        },
        10,
    );
}

#[test]
fn a_peer_that_speaks_something_else_is_let_go() {
    run(
        async |mut rig| {
            for text in [&b"\0\0\0\x02Z5"[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 1000], &[0; 70_000]] {
                let mut outer = rig.knock();
                // It may be gone before it has heard all.
                let _ = outer.write_all(text).await;
                let mut rest = Vec::new();
                let _ = outer.read_to_end(&mut rest).await;
                assert!(rest.len() < 10, "an alert, not {} bytes", rest.len());
            }
            assert!(rig.admitted.try_recv().is_err());
        },
        10,
    );
}

#[test]
fn both_ends_refuse_strangers() {
    run(
        async |mut rig| {
            let stranger = Person::authority("client");
            rig.files.put("stranger.pem", &stranger.certificate);
            rig.files.put("stranger_key.pem", &stranger.secret);
            // The server is the last to judge: its client hears of it with the first bytes.
            let refused = rig.client(rig.tls("stranger")).await.unwrap();
            let error = read(&refused, &mut vec![0; 256 << 10]).await.unwrap_err();
            assert_eq!(error.to_string(), "the peer refuses: UnknownCA");
            let nobody =
                ClientTls::new().authenticate(rig.files.path("server.pem")).server_hostname("server");
            let refused = rig.client(nobody).await.unwrap();
            let error = read(&refused, &mut vec![0; 256 << 10]).await.unwrap_err();
            assert_eq!(error.to_string(), "the peer refuses: CertificateRequired");

            let told = rig.client(rig.tls("client").authenticate(rig.files.path("stranger.pem"))).await;
            let expected = "the peer's certificate is neither trusted nor signed by a trusted authority";
            assert_eq!(told.unwrap_err(), expected);
            let told = rig.client(rig.tls("client").server_hostname("elsewhere")).await.unwrap_err();
            assert!(told.contains("not valid for name"), "{told}");
            let unchecked = rig.tls("client").server_hostname("elsewhere").check_hostname(false);
            assert!(rig.client(unchecked).await.is_ok());
            rig.admitted.recv().await.unwrap();
            assert!(rig.admitted.try_recv().is_err());
        },
        10,
    );
}

#[test]
fn at_the_limit_the_handshake_that_takes_longest_makes_room() {
    run(
        async |mut rig| {
            let mut silent: Vec<UnixStream> = (0..4).map(|_| rig.knock()).collect();
            rig.pair().await;
            // The two oldest went; the others hold on.
            for outer in &mut silent[..2] {
                assert_eq!(outer.read_u8().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            }
            for outer in &silent[2..] {
                assert_eq!(outer.try_read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            }
        },
        3,
    );
}
