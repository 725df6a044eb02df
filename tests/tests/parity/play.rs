//! Doing to a real server what a tape says, and comparing what follows.

use crate::difference::{Difference, What, first_other};
use crate::gate::Gate;
use crate::hands::Hands;
use crate::witness::Witness;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::AddAssign;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, LocalSet};
use zeolith_core::server::ConnId;
use zeolith_core::server::packs::PackOptions;
use zeolith_core::store::disk::FileId;
use zeolith_net::Address;
use zeolith_net::boot::{StorageKind, StorageSpec};
use zeolith_net::serve::{Ended, Ready, ServeConfig, ServeError, run};
use zeolith_sim::options::Setup;
use zeolith_sim::tape::{Deed, Files, Move, PutOut, Tape};

/// After this long without the expected, a server is taken to be stuck. Nothing else depends on it.
const PATIENCE: Duration = Duration::from_secs(60);
/// The files of a storage.
const FILES: [FileId; 4] = [FileId::Log, FileId::Sidecar, FileId::Index, FileId::Lock];

/// How much was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    pub starts: usize,
    pub connections: usize,
    pub moves: usize,
    pub syncs: usize,
    pub ticks: usize,
    pub kills: usize,
    /// Bytes that the server sent.
    pub sent: usize,
    /// Bytes of files.
    pub files: usize,
}

impl AddAssign for Played {
    fn add_assign(&mut self, other: Played) {
        self.starts += other.starts;
        self.connections += other.connections;
        self.moves += other.moves;
        self.syncs += other.syncs;
        self.ticks += other.ticks;
        self.kills += other.kills;
        self.sent += other.sent;
        self.files += other.files;
    }
}

/// Plays a tape on a real server in a folder of its own, up to its end or the first difference.
pub fn play(setup: Setup, tape: &Tape) -> Result<Played, Difference> {
    // Clients are told the path of the log, and the simulated one has a short one: so this is where the process is meanwhile.
    static FOLDER: Mutex<()> = Mutex::new(());
    let _alone = FOLDER.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a place for files");
    std::env::set_current_dir(folder.path()).expect("a folder that was just made");

    let witness = Witness::default();
    let _watched = tracing::subscriber::set_default(witness.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    let runtime = runtime.expect("a runtime");
    let played = runtime.block_on(async {
        let mut stage =
            Stage { setup, hands: Rc::default(), witness, gate: Gate::close(), played: Played::default() };
        let mut moves = &tape.moves[..];
        while !moves.is_empty() {
            moves = stage.live(moves).await?;
        }
        Ok(stage.played)
    });
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).expect("the folder of the tests");
    played
}

/// What outlives a server.
struct Stage {
    setup: Setup,
    hands: Rc<Hands>,
    witness: Witness,
    gate: Gate,
    played: Played,
}

/// The other end of one of its connections.
struct Peer {
    stream: TcpStream,
    /// What the server calls it.
    number: u64,
    /// Bytes sent on it.
    sent: u64,
}

impl Stage {
    /// Starts a server and plays the moves up to its kill; returns those behind it.
    async fn live<'a>(&mut self, moves: &'a [Move]) -> Result<&'a [Move], Difference> {
        let (first, mut rest) = moves.split_first().expect("there are moves left");
        let Deed::Start(seed, wall, files) = &first.deed else { panic!("{:?} of no server", first.deed) };
        put(files);
        self.hands.set_wall(*wall);
        self.hands.set_seed(seed.0);
        self.witness.forget();
        self.played.starts += 1;

        // Whatever is left of a server ends with this.
        let tasks = LocalSet::new();
        let (ready, is_ready) = oneshot::channel();
        let told = move |told: &Ready| {
            let Address::Tcp { host, port } = &told.address else { panic!("it listens on {told:?}") };
            let address = SocketAddr::new(host.parse().expect("a number"), *port);
            ready.send(address).expect("somebody waits for it");
        };
        let config = ServeConfig {
            address: Address::Tcp { host: "127.0.0.1".into(), port: 0 },
            tls: None,
            server: self.setup.server(),
            storages: vec![StorageSpec {
                name: "1".into(),
                kind: StorageKind::File {
                    path: path(FileId::Log),
                    create: true,
                    read_only: false,
                    pack: PackOptions::default(),
                },
                blobs: None,
            }],
            serve_damaged: false,
        };
        let mut server = tasks.spawn_local(run(config, self.hands.clone(), told, || ()));
        tasks
            .run_until(async {
                let differs = |event| move |what| Difference { event, what };
                let started = within(&mut server, "does not start", is_ready).await;
                let address = started.map_err(differs(first.event))?.expect("a server that is ready says so");
                let mut life = Life { stage: self, server, address, peers: BTreeMap::new() };
                while let Some((next, behind)) = rest.split_first() {
                    rest = behind;
                    if life.go_on(next).await.map_err(differs(next.event))? {
                        break;
                    }
                }
                Ok(rest)
            })
            .await
    }
}

/// A server that runs.
struct Life<'a> {
    stage: &'a mut Stage,
    server: JoinHandle<Result<Ended, ServeError>>,
    address: SocketAddr,
    peers: BTreeMap<ConnId, Peer>,
}

impl Life<'_> {
    /// Makes a move, and looks at what follows. Whether the server is killed.
    async fn go_on(&mut self, next: &Move) -> Result<bool, What> {
        self.stage.played.moves += 1;
        let hands = self.stage.hands.clone();
        let before = hands.readings();
        match &next.deed {
            Deed::Start(..) => panic!("a server is started while another runs"),
            Deed::Kill(files) => {
                self.stage.played.kills += 1;
                self.stage.compare_files(files)?;
                return Ok(true);
            }
            Deed::Open(conn) => {
                hands.set(next.now);
                self.open(*conn).await?;
            }
            Deed::Send(conn, bytes, wall) => {
                hands.set_wall(*wall);
                hands.set(next.now);
                self.send(*conn, bytes).await?;
            }
            Deed::Close(conn) => {
                hands.set(next.now);
                self.close(*conn).await?;
            }
            Deed::Tick(times) => {
                self.stage.played.ticks += times;
                hands.set(next.now);
                self.handed(before, *times, "does not tick").await?;
            }
            Deed::Sync(syncs) => {
                self.stage.played.syncs += syncs;
                hands.set(next.now);
                self.stage.gate.pass().await;
                self.handed(before, *syncs, "has fewer syncs under way").await?;
            }
        }
        self.compare(&next.put_out).await?;
        Ok(false)
    }

    /// Waits until the server was handed so many things, and no more, since it had read the clock `before` times.
    async fn handed(&mut self, before: usize, things: usize, otherwise: &'static str) -> Result<(), What> {
        let hands = self.stage.hands.clone();
        self.until(otherwise, |_| hands.readings() >= before + things).await?;
        let more = hands.readings() > before + things;
        if more { Err(What::Stuck("has more to do")) } else { Ok(()) }
    }

    async fn open(&mut self, conn: ConnId) -> Result<(), What> {
        let connecting = TcpStream::connect(self.address);
        let stream = within(&mut self.server, "takes no connection", connecting).await?;
        let stream = stream.expect("a connection to a server that listens");
        stream.set_nodelay(true).expect("a socket that is connected");
        self.stage.played.connections += 1;
        let number = self.stage.witness.noticed().opened + 1;
        self.until("does not open the connection", |stage| stage.witness.noticed().opened == number).await?;
        self.peers.insert(conn, Peer { stream, number: number as u64, sent: 0 });
        Ok(())
    }

    async fn send(&mut self, conn: ConnId, bytes: &[u8]) -> Result<(), What> {
        let peer = self.peers.get_mut(&conn).expect("a connection that is open");
        peer.stream.write_all(bytes).await.map_err(|_| What::Closed(conn, true))?;
        peer.sent += bytes.len() as u64;
        let (number, sent) = (peer.number, peer.sent);
        let read =
            |stage: &Stage| stage.witness.noticed().received.get(&number).copied().unwrap_or(0) == sent;
        self.until("does not read what it is sent", read).await
    }

    /// Half of the connections end in good order, the other half are reset.
    async fn close(&mut self, conn: ConnId) -> Result<(), What> {
        let peer = self.peers.remove(&conn).expect("a connection that is open");
        if conn.0.is_multiple_of(2) {
            peer.stream.set_zero_linger().expect("a connection that is open");
        }
        drop(peer);
        let ended = self.stage.witness.noticed().ended + 1;
        self.until("does not notice that a connection ended", |stage| stage.witness.noticed().ended == ended)
            .await
    }

    /// Whether the peers get this, and nothing else.
    async fn compare(&mut self, expected: &PutOut) -> Result<(), What> {
        for (&conn, simulated) in &expected.sent {
            let real = self.receive(conn, simulated.len()).await?;
            if let Some((message, real, simulated)) = first_other(&real, simulated) {
                return Err(What::Sent { conn, message, real, simulated });
            }
            self.stage.played.sent += simulated.len();
        }
        for &conn in &expected.closed {
            match self.receive(conn, 1).await {
                Ok(more) if more.is_empty() => {}
                Ok(more) => return Err(What::Surplus(conn, more)),
                Err(What::Silent(..)) => return Err(What::Closed(conn, false)),
                Err(what) => return Err(what),
            }
            self.peers.remove(&conn);
        }
        for (&conn, peer) in &self.peers {
            let mut more = vec![0; 1 << 16];
            match recv(&peer.stream, &mut more[..], RecvFlags::DONTWAIT) {
                Err(Errno::AGAIN) => {}
                Ok((0, _)) | Err(_) => return Err(What::Closed(conn, true)),
                Ok((bytes, _)) => return Err(What::Surplus(conn, more[..bytes].to_vec())),
            }
        }
        Ok(())
    }

    /// So many bytes of what the server sent; fewer when it closed the connection.
    async fn receive(&mut self, conn: ConnId, bytes: usize) -> Result<Vec<u8>, What> {
        let peer = self.peers.get_mut(&conn).expect("a connection that is open");
        let mut reading = (&mut peer.stream).take(bytes as u64);
        let mut got = Vec::new();
        let read = within(&mut self.server, "", reading.read_to_end(&mut got)).await;
        match read {
            Ok(Ok(_)) => Ok(got),
            Ok(Err(_)) => Err(What::Closed(conn, true)),
            Err(What::Stuck(_)) => Err(What::Silent(conn, got.len(), bytes)),
            Err(what) => Err(what),
        }
    }

    /// Waits for something that the server does.
    async fn until(&mut self, otherwise: &'static str, done: impl Fn(&Stage) -> bool) -> Result<(), What> {
        let stage = &*self.stage;
        let waiting = async {
            while !done(stage) {
                tokio::task::yield_now().await;
            }
        };
        within(&mut self.server, otherwise, waiting).await
    }
}

/// Waits for something, as long as the server runs.
async fn within<T>(
    server: &mut JoinHandle<Result<Ended, ServeError>>,
    otherwise: &'static str,
    coming: impl Future<Output = T>,
) -> Result<T, What> {
    tokio::select! {
        biased;
        came = coming => Ok(came),
        ended = server => Err(What::Ended(format!("{ended:?}"))),
        () = tokio::time::sleep(PATIENCE) => Err(What::Stuck(otherwise)),
    }
}

impl Stage {
    /// Whether the files that stand there are these.
    fn compare_files(&mut self, simulated: &Files) -> Result<(), What> {
        for (file, real) in found() {
            let simulated = simulated.get(&file).cloned().unwrap_or_default();
            if comparable(file, &real) != comparable(file, &simulated) {
                let same = real.iter().zip(&simulated).take_while(|(one, two)| one == two).count();
                return Err(What::File(file, [real.len(), simulated.len()], same));
            }
            self.played.files += real.len();
        }
        Ok(())
    }
}

/// The files that stand there; those that do not are empty.
fn found() -> impl Iterator<Item = (FileId, Vec<u8>)> {
    FILES.into_iter().map(|file| (file, std::fs::read(path(file)).unwrap_or_default()))
}

/// What is left to compare of a file: the lock file's first line is the id of a process.
fn comparable(file: FileId, contents: &[u8]) -> &[u8] {
    let own = contents.iter().position(|&byte| file == FileId::Lock && byte == b'\n');
    &contents[own.unwrap_or(0)..]
}

/// Makes the files what they are to be; those that are so already stay as the last server left them.
fn put(files: &Files) {
    for (file, real) in found() {
        match files.get(&file) {
            Some(contents) if comparable(file, contents) != comparable(file, &real) => {
                std::fs::write(path(file), contents).expect("files can be written");
            }
            None if path(file).exists() => std::fs::remove_file(path(file)).expect("files can be removed"),
            _ => {}
        }
    }
}

/// Where a file is.
fn path(file: FileId) -> PathBuf {
    format!("Data.fs{}", file.suffix()).into()
}
