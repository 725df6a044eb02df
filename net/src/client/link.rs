//! One connection of a client: what waits to be sent, and the task that makes it and waits for its socket.

use super::shared::Shared;
use crate::address::Address;
use crate::send::SendQueue;
use crate::socket::Socket;
use crate::stream::Stream;
use crate::tls::{self, ClientSide};
use std::io;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use zeolith_core::client::ConnId;

/// Bytes read at once.
const READ: usize = 256 << 10;

/// A connection. Dropping it ends its task and closes its socket.
#[derive(Debug)]
pub(super) struct Link {
    /// `None`: it is still being made.
    pub(super) stream: Option<Arc<Stream>>,
    pub(super) unsent: SendQueue,
    /// It is to be flushed in this turn.
    pub(super) dirty: bool,
    /// The socket took less than it was given; the task waits until it takes more.
    pub(super) blocked: bool,
    /// Wakes the task when what it should wait for has changed.
    wake: Arc<Notify>,
    task: AbortHandle,
}

impl Link {
    pub(super) fn new(wake: Arc<Notify>, task: AbortHandle) -> Link {
        Link { stream: None, unsent: SendQueue::default(), dirty: false, blocked: false, wake, task }
    }

    /// Writes as much as the socket takes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.dirty = false;
        let Some(stream) = &self.stream else { return Ok(()) };
        let was_blocked = std::mem::take(&mut self.blocked);
        while !self.unsent.is_empty() {
            match self.unsent.write_with(|pieces| stream.try_write_vectored(pieces)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked = true;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if self.blocked != was_blocked {
            self.wake.notify_one();
        }
        Ok(())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects, and hands over what arrives until the connection ends.
pub(super) async fn run(
    shared: Arc<Shared>,
    conn: ConnId,
    address: Address,
    tls: Option<ClientSide>,
    wake: Arc<Notify>,
) {
    let why = match connect(&address, tls).await {
        Ok(stream) => pump(&shared, conn, Arc::new(stream), &wake).await,
        Err(why) => why,
    };
    shared.turn(|state| state.lost(conn, why));
}

/// Connects; otherwise says why there is no connection.
pub(crate) async fn connect(address: &Address, tls: Option<ClientSide>) -> Result<Stream, String> {
    let socket = Socket::connect(address).await.map_err(|error| error.to_string())?;
    match tls {
        None => Ok(Stream::plain(socket)),
        Some(side) => {
            let shaken = tls::connect(&side, address, socket).await;
            shaken.map_err(|failure| format!("TLS handshake failed: {failure}"))
        }
    }
}

/// Hands over what arrives; returns why the connection ended.
async fn pump(shared: &Arc<Shared>, conn: ConnId, stream: Arc<Stream>, wake: &Notify) -> String {
    let mut buffer = vec![0; READ];
    if !shared.turn(|state| state.connected(conn, stream.clone())) {
        return String::new();
    }
    while let Some(blocked) = shared.turn(|state| state.is_blocked(conn)) {
        let interest = if blocked { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let ready = tokio::select! {
            ready = stream.ready(interest) => ready,
            () = wake.notified() => continue,
        };
        let ready = match ready {
            Ok(ready) => ready,
            Err(error) => return error.to_string(),
        };
        if blocked && ready.is_writable() {
            shared.turn(|state| state.writable(conn));
        }
        if ready.is_readable() {
            match stream.try_read(&mut buffer) {
                Ok(0) => return "the server closed the connection".to_owned(),
                Ok(got) => shared.turn(|state| state.received(conn, &buffer[..got])),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return error.to_string(),
            }
        }
    }
    String::new()
}
