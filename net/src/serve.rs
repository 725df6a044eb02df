//! Serving storages until a signal says stop.

use crate::address::Address;
use crate::blobs;
use crate::boot::{self, BootError, Booted, Manner, StorageKind, StorageSpec, Summary};
use crate::clock::Clock;
pub use crate::clock::Surroundings;
use crate::connection::{self, ReadBuffer};
use crate::disk::files::Files;
use crate::listen::Listener;
use crate::shell::{Shared, Shell};
use crate::stream::Stream;
use crate::tls::{Door, ServerTls, TlsError};
use crate::upstream::{self, Links, Prepared};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::rc::Rc;
use std::time::Duration;
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;
use zeolith_core::limits;
use zeolith_core::rng::Seed;
use zeolith_core::server::config::{Boot, Config};
use zeolith_core::server::{Served, Server};

/// How long peers may take, once the server has ended, to accept what was sent to them before.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long to wait before accepting again when the system had no room for a connection.
const BREATHER: Duration = Duration::from_millis(100);

/// What to serve, and how.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where to listen.
    pub address: Address,
    /// The certificates of the server and its clients; `None`: everything is sent in the clear.
    pub tls: Option<ServerTls>,
    /// How the server behaves.
    pub server: Config,
    /// The storages, with different names.
    pub storages: Vec<StorageSpec>,
    /// Serves storages that differ from their checksums too; reads of what differs are refused.
    pub serve_damaged: bool,
}

/// A server that takes connections.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Where it listens; the system's choice where port 0 was asked for.
    pub address: Address,
    /// What it serves.
    pub storages: Vec<Summary>,
}

/// The signal that ended a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// SIGTERM.
    Terminated,
    /// SIGINT.
    Interrupted,
    /// SIGHUP: whoever watches over the process is expected to start it again.
    HungUp,
}

/// Why a server cannot serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Somebody else listens there.
    #[error("address {0} is already in use")]
    AddressInUse(Address),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: Address,
        /// What the system said.
        error: io::Error,
    },
    /// The files that TLS takes cannot be used.
    #[error("cannot serve over TLS: {0}")]
    Tls(#[from] TlsError),
    /// A storage cannot be opened.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The system has no signals or no event loop for us.
    #[error("cannot start: {0}")]
    System(io::Error),
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    reopen: Signal,
    /// Ignored: a file size limit shows as an error of the write.
    _file_size: Signal,
}

impl Signals {
    fn install() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined2())?,
            _file_size: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// The next signal to end; `reopen` is called for every SIGUSR2 before it.
    async fn end(&mut self, reopen: &impl Fn()) -> Ended {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Ended::Terminated,
                _ = self.interrupt.recv() => return Ended::Interrupted,
                _ = self.hang_up.recv() => return Ended::HungUp,
                _ = self.reopen.recv() => reopen(),
            }
        }
    }
}

/// Serves until SIGTERM, SIGINT or SIGHUP; then finishes what is being written, saves the indexes and returns.
/// A second such signal does not wait for that.
///
/// `ready` is called once connections are taken, `reopen_logs` at every SIGUSR2.
pub fn serve(
    config: ServeConfig,
    ready: impl FnOnce(&Ready),
    reopen_logs: impl Fn(),
) -> Result<Ended, ServeError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::System)?;
    let tasks = LocalSet::new();
    let ended = tasks.block_on(&runtime, run(config, Rc::new(Clock::start()), ready, reopen_logs));
    drop(tasks);
    // Only a server that was asked twice leaves something behind on a helper thread; it does not wait for that.
    runtime.shutdown_background();
    ended
}

/// [`serve`] on a loop of the caller's, in surroundings of the caller's: to be awaited within a [`LocalSet`] on a runtime
/// of one thread, with time and I/O. All that it starts are tasks of that set: dropping the set ends the server as a kill
/// ends a process.
pub async fn run(
    config: ServeConfig,
    surroundings: Rc<dyn Surroundings>,
    ready: impl FnOnce(&Ready),
    reopen_logs: impl Fn(),
) -> Result<Ended, ServeError> {
    let mut signals = Signals::install().map_err(ServeError::System)?;
    raise_file_limit();
    let tls = config.tls.as_ref().map(ServerTls::load).transpose()?;
    let door = tls.map(|tls| Door::new(tls, limits::HANDSHAKES));
    // The address comes first: a second server must not touch the storages.
    let listener = Listener::bind(&config.address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => ServeError::AddressInUse(config.address.clone()),
        _ => ServeError::Listen { address: config.address.clone(), error },
    })?;
    let address = listener.address().map_err(ServeError::System)?;

    let manner = Manner {
        frozen: false,
        queue: config.server.invalidation_queue,
        check_upto: limits::CHECKED_AT_OPEN,
        serve_damaged: config.serve_damaged,
    };
    let opened = tokio::select! {
        biased;
        ended = signals.end(&reopen_logs) => {
            // What was being repaired stands as after a crash, and the next opening goes on from there.
            tracing::info!("asked to end while the storages were being opened");
            return Ok(ended);
        }
        opened = open_all(config.storages, manner, &*surroundings) => opened?,
    };
    let (mut boots, mut parts, mut storages): (Vec<Boot>, Vec<_>, Vec<_>) = Default::default();
    for opened in opened {
        let (boot, files, summary, links) = opened.begin(&*surroundings);
        boots.push(boot);
        parts.push((files, links));
        storages.push(summary);
    }

    let (helpers, mut helped) = mpsc::unbounded_channel();
    let attention = Rc::new(Notify::new());
    let server = Server::new(config.server, boots, surroundings.wall());
    let shell = Shell::new(server, surroundings.clone(), parts, helpers, attention.clone());
    shell.borrow_mut().begin();
    let mut waiting = Some((listener, door, ready));
    let mut acceptor = None;

    let mut ended = None;
    while !shell.borrow().stopped() {
        let started = if waiting.is_some() { shell.borrow_mut().started() } else { None };
        if let Some(started) = started {
            started.map_err(|(name, error)| BootError::Upstream { name, error: error.into() })?;
            let (listener, door, ready) = waiting.take().expect("just seen");
            acceptor = Some(tokio::task::spawn_local(accept(listener, door, shell.clone())));
            sum_up(&mut storages, shell.borrow().storages());
            ready(&Ready { address: address.clone(), storages: std::mem::take(&mut storages) });
        }
        let deadline = shell.borrow().deadline();
        let due = async {
            match deadline {
                Some(deadline) => surroundings.reached(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            signal = signals.end(&reopen_logs) => {
                if let Some(ended) = ended.replace(signal) {
                    tracing::warn!("asked to end again: not waiting any longer");
                    return Ok(ended);
                }
                // First of all nobody listens any more: clients whose connection is closed are back at once, and each would
                // be let in and closed again until all is saved, where the next server of theirs could have them.
                waiting = None;
                if let Some(acceptor) = acceptor.take() {
                    acceptor.abort();
                    let _ = acceptor.await;
                }
                shell.borrow_mut().stop();
            }
            Some(told) = helped.recv() => shell.borrow_mut().helped(told),
            () = attention.notified() => {
                if shell.borrow_mut().go_on() {
                    // There may be more of it; peers come in between.
                    tokio::task::yield_now().await;
                }
            }
            () = due => shell.borrow_mut().tick(),
        }
    }
    let farewell = async {
        while !shell.borrow().all_sent() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
        tracing::info!("some peers did not take what was sent to them");
    }
    shell.borrow_mut().trim();
    Ok(ended.expect("a server stops when it was asked to"))
}

/// A storage that was opened, of one of the two kinds.
enum Opened {
    Own(Box<Booted>),
    Upstream(Box<Prepared>),
}

impl Opened {
    /// What its part of the server, and of the shell, begins with.
    fn begin(self, surroundings: &dyn Surroundings) -> (Boot, Files, Summary, Option<Links>) {
        match self {
            Opened::Own(booted) => (booted.boot.into(), booted.files, booted.summary, None),
            Opened::Upstream(prepared) => {
                let (boot, files, summary, links) =
                    prepared.begin(surroundings.now(), Seed(surroundings.seed()));
                (boot.into(), files, summary, Some(links))
            }
        }
    }
}

async fn open_all(
    specs: Vec<StorageSpec>,
    manner: Manner,
    surroundings: &dyn Surroundings,
) -> Result<Vec<Opened>, BootError> {
    blobs::start::check_apart(&specs)?;
    let mut opened = Vec::new();
    for spec in specs {
        opened.push(match spec {
            StorageSpec { name, kind: StorageKind::Upstream(upstream), blobs } => {
                Opened::Upstream(Box::new(upstream::prepare(name, *upstream, blobs).await?))
            }
            spec => Opened::Own(Box::new(boot::open(spec, manner, Seed(surroundings.seed())).await?)),
        });
    }
    Ok(opened)
}

/// Says of storages of other servers what is known since these were reached.
fn sum_up(summaries: &mut [Summary], storages: &[Served]) {
    for (summary, storage) in summaries.iter_mut().zip(storages) {
        if let Served::Relayed(relay) = storage {
            let known = relay.known();
            (summary.objects, summary.size, summary.last) = (known.objects, known.bytes, relay.last_tid());
        }
    }
}

async fn accept(listener: Listener, door: Option<Rc<Door>>, shell: Shared) {
    let buffer = ReadBuffer::new();
    let mut short = false;
    loop {
        match listener.accept().await {
            Ok((socket, address)) => {
                short = false;
                let (shell, buffer) = (shell.clone(), buffer.clone());
                let serve = |stream, address| connection::serve(shell, stream, address, buffer);
                match &door {
                    None => drop(tokio::task::spawn_local(serve(Stream::plain(socket), address))),
                    Some(door) => door.admit(socket, address, serve),
                }
            }
            // The peer gave up before it was its turn.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Told once, not ten times a second for as long as the shortage lasts.
                if !std::mem::replace(&mut short, true) {
                    tracing::warn!("cannot accept connections: {error}; trying again until it works");
                }
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
}

/// Allows as many open files as the system lets us: a connection takes one, and the usual 1024 are fewer than
/// [`limits::CONNECTIONS`](zeolith_core::limits::CONNECTIONS).
fn raise_file_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!("cannot raise the limit of open files from {current:?} to {maximum:?}: {error}");
    }
}
