//! Connections as the rest of the shell sees them: bytes of messages in and out, in the clear or over TLS.

use crate::socket::Socket;
use crate::tls::session::Session;
use std::io;
use tokio::io::{Interest, Ready};

/// A connection that is ready for messages.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: Socket,
    session: Option<Box<Session>>,
}

impl Stream {
    pub(crate) fn plain(socket: Socket) -> Stream {
        Stream { socket, session: None }
    }

    pub(crate) fn over_tls(socket: Socket, session: Session) -> Stream {
        Stream { socket, session: Some(Box::new(session)) }
    }

    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match &self.session {
            Some(session) if interest.is_readable() && session.holds_more() => Ok(Ready::READABLE),
            _ => self.socket.ready(interest).await,
        }
    }

    /// Reads what has arrived; 0 is the end.
    pub(crate) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match &self.session {
            None => self.socket.try_read(into),
            Some(session) => session.try_read(&self.socket, into),
        }
    }

    /// Sends from the beginning of `pieces`, and returns how many bytes of them are with the system now. What it
    /// refused with `WouldBlock` has to come first in the next call.
    pub(crate) fn try_write_vectored(&self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match &self.session {
            None => self.socket.try_write_vectored(pieces),
            Some(session) => session.try_write_vectored(&self.socket, pieces),
        }
    }

    /// What is below the keys.
    #[cfg(test)]
    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Says that nothing more will be sent. Best effort: the peer may be gone.
    pub(crate) fn finish(self) {
        if let Some(session) = &self.session {
            session.finish(&self.socket);
        }
        self.socket.finish();
    }
}
