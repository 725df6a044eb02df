//! Handshakes: before one is done a connection is nobody's, and costs as little as can be.

use super::session::{Direct, Session, flush};
use super::{ClientSide, TlsError};
use crate::address::Address;
use crate::socket::Socket;
use crate::stream::Stream;
use rustls::{CertificateError, Connection, InvalidMessage, ServerConfig, ServerConnection};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::Interest;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a refused client waits to hear of it: Python's clients come back at once, a thousand times a second.
const PENALTY: Duration = Duration::from_secs(1);

/// Why a handshake failed.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The connection broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It ended.
    #[error("the peer closed the connection")]
    Closed,
    /// What arrived is no TLS.
    #[error("the peer does not speak TLS")]
    NoTls,
    /// A server's client shows nothing.
    #[error("the peer shows no certificate")]
    Nameless,
    /// The peer's certificate is nobody's that is known.
    #[error("the peer's certificate is neither trusted nor signed by a trusted authority")]
    Stranger,
    /// The peer refuses us.
    #[error("the peer refuses: {0:?}")]
    Alert(rustls::AlertDescription),
    /// Anything else that TLS does not allow.
    #[error("{0}")]
    Tls(rustls::Error),
    /// The peer takes too long.
    #[error("not done within {} s", PATIENCE.as_secs())]
    Slow,
    /// There is no name to hold the server to.
    #[error(transparent)]
    Name(#[from] TlsError),
}

impl From<rustls::Error> for Failure {
    fn from(error: rustls::Error) -> Failure {
        match error {
            rustls::Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Failure::NoTls,
            rustls::Error::NoCertificatesPresented => Failure::Nameless,
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => Failure::Stranger,
            rustls::Error::AlertReceived(alert) => Failure::Alert(alert),
            error => Failure::Tls(error),
        }
    }
}

/// The handshake of a server's client.
pub(crate) async fn connect(side: &ClientSide, address: &Address, socket: Socket) -> Result<Stream, Failure> {
    let connection = side.connection(address)?;
    // Nobody else computes here, so there is no turn to wait for.
    shake(socket, connection.into(), &Semaphore::new(1), Duration::ZERO).await
}

/// Does the handshake. What it computes is computed on helper threads, one after the other, so that a crowd at the door does
/// not hold up the loop. A peer that is refused hears of it after the `penalty`.
async fn shake(
    socket: Socket,
    mut tls: Connection,
    turns: &Semaphore,
    penalty: Duration,
) -> Result<Stream, Failure> {
    let deadline = tokio::time::sleep(PATIENCE);
    tokio::pin!(deadline);
    loop {
        let blocked = match flush(&mut tls, &socket) {
            Ok(()) => false,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            Err(error) => return Err(error.into()),
        };
        if !blocked && !tls.is_handshaking() {
            return Ok(Stream::over_tls(socket, Session::new(tls)));
        }
        let interest = if blocked { Interest::WRITABLE } else { Interest::READABLE };
        tokio::select! {
            ready = socket.ready(interest) => ready?,
            () = &mut deadline => return Err(Failure::Slow),
        };
        if blocked {
            continue;
        }
        match tls.read_tls(&mut Direct(&socket)) {
            Ok(0) => return Err(Failure::Closed),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        }
        let turn = turns.acquire().await.expect("turns are never closed");
        let computed = tokio::task::spawn_blocking(move || {
            let processed = tls.process_new_packets();
            (tls, processed)
        });
        let processed;
        (tls, processed) = computed.await.map_err(io::Error::other)?;
        drop(turn);
        if let Err(error) = processed {
            tokio::time::sleep(penalty).await;
            // The alert that says why, if the peer takes it.
            let _ = flush(&mut tls, &socket);
            socket.finish();
            return Err(error.into());
        }
    }
}

/// Where a server's clients show who they are. Handshakes are bounded in time and number: at the limit the one that takes
/// longest makes room, so that peers who do nothing keep nobody out.
#[derive(Debug)]
pub(crate) struct Door {
    config: Arc<ServerConfig>,
    turns: Semaphore,
    /// Handshakes at the same time.
    most: usize,
    waiting: RefCell<Waiting>,
}

/// The handshakes that are being done, in the order in which they began.
#[derive(Debug, Default)]
struct Waiting {
    begun: u64,
    row: VecDeque<(u64, AbortHandle)>,
}

impl Door {
    /// A door with room for so many handshakes at the same time.
    pub(crate) fn new(config: Arc<ServerConfig>, most: usize) -> Rc<Door> {
        Rc::new(Door { config, turns: Semaphore::new(1), most, waiting: RefCell::default() })
    }

    /// Does the handshake of a connection in a task of its own, which goes on to `serve` it if all is well.
    pub(crate) fn admit<F: Future<Output = ()>>(
        self: &Rc<Door>,
        socket: Socket,
        address: String,
        serve: impl FnOnce(Stream, String) -> F + 'static,
    ) {
        let mut waiting = self.waiting.borrow_mut();
        waiting.begun += 1;
        let (door, number) = (self.clone(), waiting.begun);
        let task = tokio::task::spawn_local(async move {
            let connection = ServerConnection::new(door.config.clone()).expect("a configuration of our own");
            let outcome = shake(socket, connection.into(), &door.turns, PENALTY).await;
            door.waiting.borrow_mut().row.retain(|(other, _)| *other != number);
            match outcome {
                Ok(stream) => serve(stream, address).await,
                // Somebody who looks whether there is a server.
                Err(Failure::Closed) => {
                    tracing::info!("{address}: TLS handshake failed: {}", Failure::Closed)
                }
                Err(failure) => tracing::warn!("{address}: TLS handshake failed: {failure}"),
            }
        });
        waiting.row.push_back((number, task.abort_handle()));
        if waiting.row.len() > self.most
            && let Some((_, longest)) = waiting.row.pop_front()
        {
            longest.abort();
            tracing::warn!("too many TLS handshakes at once: the one that takes longest is given up");
        }
    }
}
