//! A client on a bare socket, which may also misbehave.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bytes::BytesMut;
use rustix::net::{Shutdown, shutdown, sockopt};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::wire::Codec;
use zeolith_core::wire::call::{Begin, MessageId, Request, TxnId, encode};
use zeolith_core::wire::delivery::{Delivery, decode_delivery};
use zeolith_core::wire::remote::RemoteError;
use zeolith_core::wire::tree::{Tree, Value};

use crate::rig::PATIENCE;

/// Later than any transaction.
pub const LATEST: Tid = Tid(0x7fff_ffff_ffff_ffff);
/// The only transaction a client here has at a time.
const TXN: TxnId = TxnId(140_000_000_000_000);

/// How a commit's result names conflicts that a client could resolve.
pub const CONFLICT: &str = "conflict";

pub const REGISTER: Request<'static> = Request::Register { storage: "1", read_only: false };
pub const BEGIN: Request<'static> = Request::TpcBegin(Begin {
    txn: TXN,
    user: b"",
    description: b"",
    extension: Vec::new(),
    tid: None,
    status: b' ',
});
pub const VOTE: Request<'static> = Request::Vote(TXN);
pub const FINISH: Request<'static> = Request::TpcFinish(TXN);

pub fn storea(oid: Oid, serial: Tid, data: &[u8]) -> Request<'_> {
    Request::Storea { oid, serial, data, txn: TXN }
}

/// The result of a call that answers a tid.
pub fn tid_of(value: Value<'_>) -> Option<Tid> {
    value.as_tid()
}

/// One call in its frame.
pub fn call(id: i64, oneway: bool, request: &Request<'_>) -> BytesMut {
    let mut out = BytesMut::new();
    encode(Codec::Pickle, &MessageId::Int(id), oneway, request, &mut out);
    out
}

/// A message in a frame.
pub fn framed(message: &[u8]) -> Vec<u8> {
    [&u32::try_from(message.len()).expect("a short message").to_be_bytes(), message].concat()
}

/// A connection in pickle.
#[derive(Debug)]
pub struct Client {
    /// Any kind of socket: it is read and written like a file.
    socket: File,
    next: i64,
    /// Other clients' transactions, as they were told.
    pub invalidations: Vec<(Tid, Vec<Oid>)>,
}

impl Client {
    /// Connects and says nothing.
    pub fn silent(address: &str) -> io::Result<Client> {
        let socket = if address.contains('/') {
            OwnedFd::from(UnixStream::connect(address)?)
        } else {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            OwnedFd::from(stream)
        };
        for timeout in [sockopt::Timeout::Recv, sockopt::Timeout::Send] {
            sockopt::set_socket_timeout(&socket, timeout, Some(PATIENCE))?;
        }
        Ok(Client { socket: socket.into(), next: 0, invalidations: Vec::new() })
    }

    /// Connects and shakes hands.
    pub fn connect(address: &str) -> Client {
        let mut client = Client::silent(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        assert_eq!(client.frame().as_deref(), Some(b"Z5".as_slice()), "the server speaks first");
        client.write(&framed(b"Z5"));
        client
    }

    /// Connects and registers for writing.
    pub fn register(address: &str) -> Client {
        let mut client = Client::connect(address);
        client.ask(&REGISTER, tid_of).expect("a storage that may be written");
        client
    }

    /// Writes bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).expect("the server reads");
    }

    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Another handle of the same socket, for a thread that writes while this one reads.
    pub fn writer(&self) -> File {
        self.socket.try_clone().expect("a socket can be shared")
    }

    /// Sends a call and does not wait.
    pub fn send(&mut self, oneway: bool, request: &Request<'_>) -> i64 {
        let id = self.next;
        self.next += 1;
        self.write(&call(id, oneway, request));
        id
    }

    /// The next frame; `None` when the connection is over.
    pub fn frame(&mut self) -> Option<Vec<u8>> {
        let mut prefix = [0; 4];
        let mut message = Vec::new();
        let read = self.socket.read_exact(&mut prefix).and_then(|()| {
            message.resize(u32::from_be_bytes(prefix) as usize, 0);
            self.socket.read_exact(&mut message)
        });
        match read {
            Ok(()) => Some(message),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("the server does not answer"),
            Err(_) => None,
        }
    }

    /// The next reply, with its id; `None` when the connection is over. `read` makes something of a result.
    ///
    /// # Panics
    ///
    /// When `read` makes nothing of it.
    pub fn reply<R>(
        &mut self,
        read: impl for<'v> FnOnce(Value<'v>) -> Option<R>,
    ) -> Option<(MessageId, Result<R, RemoteError>)> {
        let mut tree = Tree::new();
        loop {
            let frame = self.frame()?;
            match decode_delivery(Codec::Pickle, &frame, &mut tree).expect("the server speaks the protocol") {
                Delivery::Reply { id, result } => {
                    let result = result.map(|value| read(value).expect("a result of the call's kind"));
                    return Some((id, result));
                }
                Delivery::Invalidate { tid, oids } => self.invalidations.push((tid, oids)),
                Delivery::Info(_) => {}
                other @ (Delivery::Blob { .. } | Delivery::Other { .. }) => panic!("unexpected {other:?}"),
            }
        }
    }

    /// Calls; `None` when the connection ends before the answer.
    pub fn try_ask<R>(
        &mut self,
        request: &Request<'_>,
        read: impl for<'v> FnOnce(Value<'v>) -> Option<R>,
    ) -> Option<Result<R, RemoteError>> {
        let id = self.next;
        self.next += 1;
        self.try_write(&call(id, false, request)).ok()?;
        let (answered, result) = self.reply(read)?;
        assert_eq!(answered, MessageId::Int(id), "replies come in order");
        Some(result)
    }

    /// Calls.
    pub fn ask<R>(
        &mut self,
        request: &Request<'_>,
        read: impl for<'v> FnOnce(Value<'v>) -> Option<R>,
    ) -> Result<R, RemoteError> {
        self.try_ask(request, read)
            .unwrap_or_else(|| panic!("the connection ended instead of answering {}", request.method()))
    }

    pub fn ping(&mut self) {
        self.ask(&Request::Ping, |_| Some(())).expect("a ping is answered");
    }

    /// The current state of an object and its serial; `None` when there is no such object.
    pub fn load(&mut self, oid: Oid) -> Option<(Vec<u8>, Tid)> {
        let revision = |value: Value<'_>| {
            Some(value.revision().map(|(data, serial, until)| {
                assert_eq!(until, None, "the current revision");
                (data.to_vec(), serial)
            }))
        };
        match self.ask(&Request::LoadBefore(oid, LATEST), revision) {
            Ok(found) => found,
            Err(RemoteError::PosKey(_)) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Stores an object in a transaction of its own; `None` when the connection ended before it was acknowledged.
    pub fn try_commit(&mut self, oid: Oid, serial: Tid, data: &[u8]) -> Option<Result<Tid, RemoteError>> {
        let id = self.next;
        self.next += 2;
        self.try_write(&call(id, true, &BEGIN)).ok()?;
        self.try_write(&call(id + 1, true, &storea(oid, serial, data))).ok()?;
        match self.try_ask(&VOTE, |value| Some(value.conflicts().is_some_and(|found| !found.is_empty())))? {
            Ok(false) => self.try_ask(&FINISH, tid_of),
            Ok(true) => {
                self.try_ask(&Request::TpcAbort(TXN), |_| Some(()))?.expect("an open transaction");
                Some(Err(RemoteError::Other { class: CONFLICT.into(), args: String::new() }))
            }
            Err(error) => Some(Err(error)),
        }
    }

    pub fn commit(&mut self, oid: Oid, serial: Tid, data: &[u8]) -> Tid {
        let acknowledged = self.try_commit(oid, serial, data).expect("the connection stays");
        acknowledged.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Ends the connection with a reset: what is on its way is lost.
    pub fn reset(self) {
        sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO)).expect("a socket");
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&self) {
        shutdown(&self.socket, Shutdown::Write).expect("a connected socket");
    }

    /// Waits for the end of the connection, whatever is told before it.
    pub fn hear_out(&mut self) {
        while self.frame().is_some() {}
    }
}
