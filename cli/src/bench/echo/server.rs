//! The loop of the echo.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::rc::Rc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::limits;
use zeolith_core::wire::frame::Frames;
use zeolith_core::wire::reply::Reply;

use super::EchoArgs;
use super::files::Files;
use super::message::{Kind, Prepared, info, invalidation, look};
use crate::options::Address;

/// Bytes read at once, as in the server.
const READ: usize = 256 << 10;
/// Greeting: a frame of two letters.
const GREETING: &[u8] = b"\0\0\0\x02Z5";

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

struct Conn {
    stream: Rc<Stream>,
    out: BytesMut,
    /// The transaction, as it came, and what it changes.
    transaction: BytesMut,
    oids: Vec<Oid>,
}

/// A transaction on its way to the disk.
struct Finish {
    conn: u64,
    id: Vec<u8>,
    bytes: BytesMut,
    oids: Vec<Oid>,
}

struct Echo {
    files: Files,
    conns: HashMap<u64, Conn>,
    next_conn: u64,
    last_tid: u64,
    next_oid: u64,
    waiting: Vec<Finish>,
    syncing: Vec<Finish>,
    /// Syncs of the batch that have not ended.
    unsynced: usize,
    synced: UnboundedSender<io::Result<()>>,
    loaded: Prepared,
    /// Where in it the state stands.
    state_at: usize,
    tid: Prepared,
    tid_at: usize,
    voted: Prepared,
    none: Prepared,
    info: Vec<u8>,
    encoded: BytesMut,
}

type Shared = Rc<RefCell<Echo>>;

/// A tid that nothing else in a reply looks like.
const SAMPLE: Tid = Tid(0x5a65_6f6c_6974_6821);

pub(super) async fn run(arguments: &EchoArgs) -> io::Result<()> {
    let (synced, mut ended) = unbounded_channel();
    let data = Bytes::from(vec![0xee; arguments.size]);
    let loaded = Prepared::new(&Reply::Revision { data: data.clone(), serial: Tid(1), until: None });
    let tid = Prepared::new(&Reply::Tid(SAMPLE));
    let echo = Rc::new(RefCell::new(Echo {
        files: Files::create(&arguments.file, arguments.size)?,
        conns: HashMap::new(),
        next_conn: 0,
        last_tid: 0,
        next_oid: 0,
        waiting: Vec::new(),
        syncing: Vec::new(),
        unsynced: 0,
        synced,
        state_at: loaded.find(&data),
        loaded,
        tid_at: tid.find(&SAMPLE.bytes()),
        tid,
        voted: Prepared::new(&Reply::Oids(Vec::new())),
        none: Prepared::new(&Reply::None),
        info: info(),
        encoded: BytesMut::new(),
    }));
    let buffer = Rc::new(RefCell::new(vec![0; READ]));
    let accepting = accept(arguments.address.clone(), echo.clone(), buffer);
    let mut accepting = tokio::task::spawn_local(accepting);
    loop {
        tokio::select! {
            Some(result) = ended.recv() => {
                result?;
                echo.borrow_mut().on_synced()?;
            }
            failed = &mut accepting => return failed?,
        }
    }
}

async fn accept(address: Address, echo: Shared, buffer: Rc<RefCell<Vec<u8>>>) -> io::Result<()> {
    let serve = |stream| tokio::task::spawn_local(serve(echo.clone(), stream, buffer.clone()));
    match address {
        Address::Tcp { host, port } => {
            let host = if host.is_empty() { "127.0.0.1" } else { &host };
            let listener = TcpListener::bind((host, port)).await?;
            println!("echo on {}", listener.local_addr()?);
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                serve(Stream::Tcp(stream));
            }
        }
        Address::Unix(path) => {
            let listener = UnixListener::bind(&path)?;
            println!("echo on {}", path.display());
            loop {
                serve(Stream::Unix(listener.accept().await?.0));
            }
        }
    }
}

/// Serves a connection; whatever goes wrong on it ends it.
async fn serve(echo: Shared, stream: Stream, buffer: Rc<RefCell<Vec<u8>>>) {
    let stream = Rc::new(stream);
    let conn = echo.borrow_mut().open(stream.clone());
    let mut frames = Frames::new();
    let mut greeted = false;
    loop {
        // Interest in writing is the exception: as in the server, only when a write was not taken whole.
        let blocked = echo.borrow().conns.get(&conn).is_none_or(|conn| !conn.out.is_empty());
        let wanted = if blocked { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let Ok(ready) = stream.ready(wanted).await else { break };
        if ready.is_writable() && echo.borrow_mut().flush(conn).is_err() {
            break;
        }
        if !ready.is_readable() {
            continue;
        }
        let mut buffer = buffer.borrow_mut();
        match stream.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => {
                let mut echo = echo.borrow_mut();
                let taken = echo.receive(conn, &mut frames, &mut greeted, &buffer[..got]);
                if taken.and_then(|()| echo.flush(conn)).is_err() {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    echo.borrow_mut().conns.remove(&conn);
}

impl Echo {
    fn open(&mut self, stream: Rc<Stream>) -> u64 {
        self.next_conn += 1;
        let (out, transaction) = (BytesMut::from(GREETING), BytesMut::new());
        self.conns.insert(self.next_conn, Conn { stream, out, transaction, oids: Vec::new() });
        self.next_conn
    }

    fn receive(
        &mut self,
        conn: u64,
        frames: &mut Frames,
        greeted: &mut bool,
        mut chunk: &[u8],
    ) -> io::Result<()> {
        while let Some(frame) = frames.next(&mut chunk, limits::FRAME).map_err(io::Error::other)? {
            if *greeted {
                self.answer(conn, frame.bytes())?;
            }
            *greeted = true;
        }
        self.append()
    }

    fn answer(&mut self, at: u64, message: &[u8]) -> io::Result<()> {
        let (kind, id) = look(message).ok_or_else(|| io::Error::other("not a message of zeolith bench"))?;
        let id = &message[id];
        let conn = self.conns.get_mut(&at).expect("a connection that is served is there");
        match kind {
            Kind::Load(oid) => {
                let state = self.files.read(oid)?;
                self.loaded.put_with(id, state, self.state_at, &mut conn.out);
            }
            Kind::Part(oid) => {
                conn.transaction.extend_from_slice(message);
                conn.oids.extend(oid);
            }
            Kind::Vote => self.voted.put(id, &mut conn.out),
            Kind::Finish => self.waiting.push(Finish {
                conn: at,
                id: id.to_vec(),
                bytes: std::mem::take(&mut conn.transaction),
                oids: std::mem::take(&mut conn.oids),
            }),
            Kind::Abort => {
                conn.transaction.clear();
                conn.oids.clear();
                self.none.put(id, &mut conn.out);
            }
            Kind::NewOids => {
                let oids = (0..limits::NEW_OIDS).map(|more| Oid(self.next_oid + more)).collect();
                self.next_oid += limits::NEW_OIDS;
                Prepared::new(&Reply::Oids(oids)).put(id, &mut conn.out);
            }
            Kind::Register => self.none.put(id, &mut conn.out),
        }
        Ok(())
    }

    /// Appends what waits, unless a batch is on its way.
    fn append(&mut self) -> io::Result<()> {
        if self.unsynced > 0 || self.waiting.is_empty() {
            return Ok(());
        }
        self.syncing = std::mem::take(&mut self.waiting);
        let bytes: Vec<BytesMut> =
            self.syncing.iter_mut().map(|finish| std::mem::take(&mut finish.bytes)).collect();
        for sync in self.files.append(&bytes)? {
            self.unsynced += 1;
            let synced = self.synced.clone();
            tokio::task::spawn_blocking(move || {
                // The receiver lives as long as the process.
                let _ = synced.send(sync());
            });
        }
        Ok(())
    }

    /// One of the files is synced; with the last one the batch is durable.
    fn on_synced(&mut self) -> io::Result<()> {
        self.unsynced -= 1;
        if self.unsynced > 0 {
            return Ok(());
        }
        for finish in std::mem::take(&mut self.syncing) {
            self.last_tid += 1;
            let tid = Tid(self.last_tid);
            let notice = invalidation(tid, &finish.oids, &mut self.encoded);
            for (number, conn) in &mut self.conns {
                if *number != finish.conn {
                    conn.out.extend_from_slice(&notice);
                } else {
                    conn.out.extend_from_slice(&self.info);
                    self.tid.put_with(&finish.id, &tid.bytes(), self.tid_at, &mut conn.out);
                }
            }
        }
        self.append()?;
        let all: Vec<u64> = self.conns.keys().copied().collect();
        for conn in all {
            // A connection that fails ends by itself.
            let _ = self.flush(conn);
        }
        Ok(())
    }

    /// Writes what the socket takes.
    fn flush(&mut self, conn: u64) -> io::Result<()> {
        let Some(conn) = self.conns.get_mut(&conn) else { return Ok(()) };
        while !conn.out.is_empty() {
            match conn.stream.try_write(&conn.out) {
                Ok(written) => conn.out.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        conn.out.clear();
        Ok(())
    }
}

impl Stream {
    async fn ready(&self, interest: Interest) -> io::Result<tokio::io::Ready> {
        match self {
            Stream::Tcp(stream) => stream.ready(interest).await,
            Stream::Unix(stream) => stream.ready(interest).await,
        }
    }

    fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.try_read(into),
            Stream::Unix(stream) => stream.try_read(into),
        }
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        // With a vector, as the server does.
        let pieces = [IoSlice::new(bytes)];
        match self {
            Stream::Tcp(stream) => stream.try_write_vectored(&pieces),
            Stream::Unix(stream) => stream.try_write_vectored(&pieces),
        }
    }
}
