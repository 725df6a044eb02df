//! A TLS connection whose handshake is done: what is read and written on a socket that never waits.

use super::handshake::Failure;
use crate::socket::Socket;
use rustls::Connection;
use std::io::{self, Read, Write};
use std::sync::{Mutex, MutexGuard};

/// Bytes that are encrypted at once, records and all: what one write hands to the system.
const WRITE: usize = 256 << 10;
/// More than a record takes. One of which only a part has arrived waits for the rest, and is read with what follows.
const RECORD: usize = 20 << 10;

/// The keys of a connection, and what is on its way through them.
#[derive(Debug)]
pub(crate) struct Session(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    tls: Connection,
    /// Bytes that are encrypted, and not yet all with the system. Until they are, the writer keeps them: so whoever looks
    /// at what is unsent sees all of it, and there is no second queue.
    taken: usize,
    /// There is more to read, though the socket has nothing: what came together with the handshake, or the end that
    /// came together with the last bytes.
    more: bool,
}

impl Session {
    /// A connection whose handshake is done. Bytes that came with it are the first to be read.
    pub(crate) fn new(mut tls: Connection) -> Session {
        tls.set_buffer_limit(Some(WRITE));
        Session(Mutex::new(Inner { tls, taken: 0, more: true }))
    }

    /// Whether there is something to read without the socket.
    pub(crate) fn holds_more(&self) -> bool {
        self.inner().more
    }

    /// As the socket's: what has arrived, 0 for the end, `WouldBlock` for nothing new. A read that leaves nothing behind.
    pub(crate) fn try_read(&self, socket: &Socket, into: &mut [u8]) -> io::Result<usize> {
        // What arrives is never shorter than what it holds.
        let (plain, cipher) = into.split_at_mut(into.len() / 2);
        let cipher = &mut cipher[..plain.len() - RECORD];
        let mut inner = self.inner();
        if std::mem::take(&mut inner.more) {
            match inner.read(plain) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
        let got = socket.try_read(cipher)?;
        let mut rest = &cipher[..got];
        let mut filled = 0;
        while !rest.is_empty() {
            inner.tls.read_tls(&mut rest)?;
            let taken_in = inner.tls.process_new_packets();
            // Answers of the protocol's own, an alert among them. If the socket does not take them, the next write does.
            let answered = inner.flush(socket);
            taken_in.map_err(|error| io::Error::other(Failure::from(error)))?;
            match answered {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
            match inner.read(&mut plain[filled..]) {
                // Nothing counts behind the end.
                Ok(0) => {
                    inner.more = filled > 0;
                    return Ok(filled);
                }
                Ok(more) => filled += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        // An end that the protocol did not announce is one all the same: messages know their lengths.
        if filled == 0 && got > 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(filled) }
    }

    /// As the socket's.
    pub(crate) fn try_write_vectored(
        &self,
        socket: &Socket,
        pieces: &[io::IoSlice<'_>],
    ) -> io::Result<usize> {
        let mut inner = self.inner();
        if inner.taken == 0 {
            inner.taken = inner.tls.writer().write_vectored(pieces)?;
        }
        inner.flush(socket)?;
        Ok(std::mem::take(&mut inner.taken))
    }

    /// Tells the peer that nothing follows, as far as the socket takes it.
    pub(crate) fn finish(&self, socket: &Socket) {
        let mut inner = self.inner();
        inner.tls.send_close_notify();
        if let Err(error) = inner.flush(socket) {
            tracing::debug!("ending a TLS connection: {error}");
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("nothing panics while it holds a session")
    }
}

impl Inner {
    /// Takes what is decrypted; 0 for an end that was announced.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.tls.reader().read(into)
    }

    /// Hands what is encrypted to the system.
    fn flush(&mut self, socket: &Socket) -> io::Result<()> {
        flush(&mut self.tls, socket)
    }
}

/// Hands what is encrypted to the system, all of it or `WouldBlock`.
pub(super) fn flush(tls: &mut Connection, socket: &Socket) -> io::Result<()> {
    while tls.wants_write() {
        if tls.write_tls(&mut Direct(socket))? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}

/// A socket as it is: it never waits.
pub(super) struct Direct<'a>(pub(super) &'a Socket);

impl Read for Direct<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Direct<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write_vectored(&[io::IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
