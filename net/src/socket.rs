//! Connected sockets, TCP or unix.

use crate::address::Address;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Connects to a server; of a name that has several addresses, to the first that answers.
    pub(crate) async fn connect(address: &Address) -> io::Result<Socket> {
        match address {
            Address::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                // As Python's client does; otherwise requests wait for acknowledgements.
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
            Address::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
        }
    }

    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<tokio::io::Ready> {
        match self {
            Socket::Tcp(stream) => stream.ready(interest).await,
            Socket::Unix(stream) => stream.ready(interest).await,
        }
    }

    /// Reads what has arrived.
    ///
    /// A read that does not fill the buffer has taken everything, so the socket counts as not readable from then on:
    /// asking it once more would cost every request a system call. What arrives later is an event of its own.
    pub(crate) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut got = None;
        let mut read = |socket: BorrowedFd<'_>| {
            let bytes = rustix::io::read(socket, &mut *into)?;
            got = Some(bytes);
            if 0 < bytes && bytes < into.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(bytes) }
        };
        let result = match self {
            Socket::Tcp(stream) => stream.try_io(Interest::READABLE, || read(stream.as_fd())),
            Socket::Unix(stream) => stream.try_io(Interest::READABLE, || read(stream.as_fd())),
        };
        got.map_or(result, Ok)
    }

    pub(crate) fn try_write_vectored(&self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.try_write_vectored(pieces),
            Socket::Unix(stream) => stream.try_write_vectored(pieces),
        }
    }

    /// Says that nothing more will be sent. Best effort: the peer may be gone.
    pub(crate) fn finish(self) {
        use tokio::io::AsyncWrite;
        let mut context = Context::from_waker(std::task::Waker::noop());
        let finished = match self {
            Socket::Tcp(mut stream) => Pin::new(&mut stream).poll_shutdown(&mut context),
            Socket::Unix(mut stream) => Pin::new(&mut stream).poll_shutdown(&mut context),
        };
        if let Poll::Ready(Err(error)) = finished {
            tracing::debug!("shutting a socket down: {error}");
        }
    }
}
