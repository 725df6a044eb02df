//! A connection to a server: greeted and registered with blocking calls, then driven by a loop.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rustls::ClientConnection;
use zeolith_core::limits;
use zeolith_core::wire::Codec;
use zeolith_core::wire::call::{self, MessageId, Request};
use zeolith_core::wire::delivery::{Delivery, decode_delivery};
use zeolith_core::wire::frame::{Frames, put_frame};
use zeolith_core::wire::tree::{Tree, Value};
use zeolith_net::tls::ClientSide;

use super::error::Fault;
use crate::options::Address;

/// How long a server may take for one answer. Commits may wait for a pack, so this is long.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long a server may take to introduce itself.
const GREETING: Duration = Duration::from_secs(5);

/// A socket of either kind.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// Unix.
    Unix(UnixStream),
}

impl Socket {
    fn connect(address: &Address) -> io::Result<Socket> {
        match address {
            Address::Tcp { host, port } => {
                let mut last = io::ErrorKind::NotFound.into();
                for address in (host.as_str(), *port).to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, GREETING) {
                        Ok(stream) => {
                            // As Python's client does; otherwise requests wait for acknowledgements.
                            stream.set_nodelay(true)?;
                            return Ok(Socket::Tcp(stream));
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            Address::Unix(path) => UnixStream::connect(path).map(Socket::Unix),
        }
    }

    fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => {
                stream.set_read_timeout(timeout)?;
                stream.set_write_timeout(timeout)
            }
            Socket::Unix(stream) => {
                stream.set_read_timeout(timeout)?;
                stream.set_write_timeout(timeout)
            }
        }
    }

    fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.set_nonblocking(true),
            Socket::Unix(stream) => stream.set_nonblocking(true),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.read(into),
            Socket::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write(bytes),
            Socket::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(stream) => stream.as_fd(),
            Socket::Unix(stream) => stream.as_fd(),
        }
    }
}

/// A registered connection.
#[derive(Debug)]
pub struct Link {
    /// The socket.
    pub socket: Socket,
    tls: Option<Box<ClientConnection>>,
    /// The encoding the server announced.
    pub codec: Codec,
    /// What arrived and was not looked at.
    pub frames: Frames,
    out: BytesMut,
    last_id: i64,
}

impl Link {
    /// Connects, exchanges handshakes and registers for reading and writing.
    ///
    /// # Errors
    /// [`Fault`], also when the peer does not introduce itself as a ZEO server in time.
    pub fn connect(address: &Address, tls: Option<&ClientSide>, storage: &str) -> Result<Link, Fault> {
        let socket = Socket::connect(address).map_err(Fault::Connect)?;
        socket.set_timeout(Some(GREETING)).map_err(Fault::Io)?;
        let mut link = Link {
            socket,
            tls: tls.map(|side| side.connection(address)).transpose()?.map(Box::new),
            codec: Codec::Pickle,
            frames: Frames::new(),
            out: BytesMut::new(),
            last_id: 0,
        };
        link.codec = link.greeting()?;
        link.socket.set_timeout(Some(PATIENCE)).map_err(Fault::Io)?;
        let handshake = link.codec.handshake();
        put_frame(&mut link.out, |out| {
            out.extend_from_slice(handshake);
            0
        });
        link.call(&Request::Register { storage, read_only: false }, |_| Some(()))?;
        Ok(link)
    }

    /// Reads the server's handshake, which comes first.
    fn greeting(&mut self) -> Result<Codec, Fault> {
        let mut chunk = [0; 64];
        let mut seen = Vec::new();
        loop {
            let got = match self.take_in(&mut chunk) {
                Ok(got) => got,
                Err(error) => match Fault::of(error) {
                    Fault::Silent(_) => {
                        let what = format!("it does not introduce itself within {} s", GREETING.as_secs());
                        return Err(Fault::NotZeo(what));
                    }
                    fault => return Err(fault),
                },
            };
            if got == 0 {
                return Err(Fault::NotZeo("it closes the connection".to_owned()));
            }
            seen.extend_from_slice(&chunk[..got]);
            let mut rest = &chunk[..got];
            // A handshake is two letters; anything much longer is another protocol's greeting.
            match self.frames.next(&mut rest, 16) {
                Ok(None) => continue,
                Ok(Some(frame)) => {
                    if let Some(codec) = Codec::from_handshake(frame.bytes()) {
                        self.frames.keep(rest);
                        return Ok(codec);
                    }
                }
                Err(_) => {}
            }
            return Err(Fault::NotZeo(format!("it says {}", seen.escape_ascii())));
        }
    }

    /// Makes a call and waits for what it returns; one-way messages before it are passed over. `read` gives `None` for
    /// a result it cannot understand.
    ///
    /// # Errors
    /// [`Fault`], also when the server refuses.
    pub fn call<T>(
        &mut self,
        request: &Request<'_>,
        read: impl FnOnce(Value<'_>) -> Option<T>,
    ) -> Result<T, Fault> {
        let mut id = MessageId::Int(self.ask(request));
        if let Request::LoadBefore(oid, before) = request {
            id = MessageId::Load(*oid, *before);
        }
        while self.has_unsent() {
            self.hand_out().map_err(Fault::of)?;
        }
        let mut tree = Tree::new();
        let mut chunk = vec![0; 64 << 10];
        loop {
            let mut nothing: &[u8] = &[];
            while let Some(frame) = next(&mut self.frames, &mut nothing)? {
                let delivery = decode_delivery(self.codec, frame.bytes(), &mut tree).map_err(nonsense)?;
                if let Delivery::Reply { id: answered, result } = delivery
                    && answered == id
                {
                    let method = request.method();
                    let value = result.map_err(|error| Fault::Refused { method, error })?;
                    return read(value).ok_or_else(|| nonsense(format!("{method} returns something odd")));
                }
            }
            match self.take_in(&mut chunk).map_err(Fault::of)? {
                0 => return Err(Fault::Vanished),
                got => self.frames.keep(&chunk[..got]),
            }
        }
    }

    /// Reads what arrived.
    fn take_in(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.read(into),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.socket).read(into),
        }
    }

    /// Sends the beginning of what is on its way.
    fn hand_out(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            let written = self.socket.write(&self.out)?;
            self.out.advance(written);
            return Ok(());
        };
        let taken = tls.writer().write(&self.out)?;
        self.out.advance(taken);
        while tls.wants_write() {
            tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }

    fn has_unsent(&self) -> bool {
        !self.out.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Puts a call on its way and gives its id; loads are named by their arguments, as Python's client does.
    pub fn ask(&mut self, request: &Request<'_>) -> i64 {
        self.last_id += 1;
        let id = match request {
            Request::LoadBefore(oid, before) => MessageId::Load(*oid, *before),
            _ => MessageId::Int(self.last_id),
        };
        call::encode(self.codec, &id, false, request, &mut self.out);
        self.last_id
    }

    /// Puts a message without an answer on its way.
    pub fn tell(&mut self, request: &Request<'_>) {
        call::encode(self.codec, &MessageId::Int(0), true, request, &mut self.out);
    }

    /// Puts a whole frame on its way.
    pub fn put(&mut self, frame: &[u8]) {
        self.out.extend_from_slice(frame);
    }

    /// From now on nothing waits.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn set_nonblocking(&self) -> Result<(), Fault> {
        self.socket.set_nonblocking().map_err(Fault::Io)
    }

    /// Sends what the socket takes; true when it did not take all.
    ///
    /// # Errors
    /// [`Fault`] when the connection is over.
    pub fn flush(&mut self) -> Result<bool, Fault> {
        while self.has_unsent() {
            match self.hand_out() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::of(error)),
            }
        }
        self.out.clear();
        Ok(false)
    }

    /// Reads what is there: `None` when nothing is.
    ///
    /// # Errors
    /// [`Fault`] when the connection is over.
    pub fn read(&mut self, into: &mut [u8]) -> Result<Option<usize>, Fault> {
        match self.take_in(into) {
            Ok(0) => Err(Fault::Vanished),
            Ok(got) => Ok(Some(got)),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(None)
            }
            Err(error) => Err(Fault::of(error)),
        }
    }
}

/// The next message.
///
/// # Errors
/// When the bytes are no messages.
pub fn next<'c>(
    frames: &mut Frames,
    chunk: &mut &'c [u8],
) -> Result<Option<zeolith_core::wire::frame::Frame<'c>>, Fault> {
    frames.next(chunk, limits::FRAME).map_err(nonsense)
}

/// What a server of another kind, or a broken one, sends.
pub fn nonsense(what: impl ToString) -> Fault {
    Fault::Nonsense(what.to_string())
}
