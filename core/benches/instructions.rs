//! Instructions of the server machine for one load and for one commit of three objects, counted by callgrind.
//!
//! `cargo bench -p zeolith-core --bench instructions` runs the work once more often than the other under valgrind and
//! divides the difference, so that start-up does not count. Without valgrind it says so and ends. The figures are for
//! the machine alone: bytes in, bytes out, with a disk that is a piece of memory.

use bytes::{Bytes, BytesMut};
use std::process::{Command, ExitCode};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::rng::Seed;
use zeolith_core::server::config::{Config, StorageBoot};
use zeolith_core::server::output::Output;
use zeolith_core::server::{ConnId, Context, Input, Server, StorageId};
use zeolith_core::store::disk::{DiskDone, DiskOp, FileId};
use zeolith_core::store::file::open::{Found, OpenOptions, Opening};
use zeolith_core::time::{Instant, WallTime};
use zeolith_core::wire::Codec;
use zeolith_core::wire::call::{self, Begin, MessageId, Request, TxnId};
use zeolith_core::wire::frame::put_frame;

const CONN: ConnId = ConnId(1);
const OBJECTS: u64 = 1000;
/// How often the work is done in the shorter run, and how much more often in the longer one.
const ROUNDS: u64 = 500;

/// A disk that is a piece of memory; only the log holds anything.
#[derive(Default)]
struct Memory {
    log: Vec<u8>,
}

impl Memory {
    fn run(&mut self, op: DiskOp<Context>) -> Option<DiskDone<Context>> {
        match op {
            DiskOp::Read { span, pending, .. } => {
                let start = self.log.len().min(span.at as usize);
                let end = self.log.len().min(start + span.len);
                let result = Ok(Bytes::copy_from_slice(&self.log[start..end]));
                Some(DiskDone::Read { pending, result })
            }
            DiskOp::Write { file: FileId::Log, at, chunks } => {
                let mut at = at as usize;
                for chunk in chunks {
                    self.log.resize(self.log.len().max(at + chunk.len()), 0);
                    self.log[at..at + chunk.len()].copy_from_slice(&chunk);
                    at += chunk.len();
                }
                None
            }
            DiskOp::Write { .. } | DiskOp::SetLen { .. } => None,
            DiskOp::Sync { file } | DiskOp::Replace { file, .. } => {
                Some(DiskDone::Synced { file, result: Ok(()) })
            }
            DiskOp::Reserve { upto } => Some(DiskDone::Reserved { upto, result: Ok(()) }),
            DiskOp::KeepTail { .. } => unreachable!("there is nothing to cut"),
            DiskOp::Of { .. } => unreachable!("it is one file"),
            DiskOp::Blob(_) => unreachable!("there are no blobs"),
            DiskOp::Free | DiskOp::Name(_) => unreachable!("nothing is packed"),
        }
    }
}

struct Bench {
    server: Server,
    disk: Memory,
    request: BytesMut,
    number: i64,
    serials: Vec<Tid>,
}

impl Bench {
    /// A registered client of a storage with [`OBJECTS`] objects of 300 bytes.
    fn new() -> Bench {
        let mut disk = Memory::default();
        let found = Found { pid: 1, ..Found::default() };
        let options = OpenOptions {
            path: "Data.fs".into(),
            create: true,
            read_only: false,
            queue: 100.into(),
            check_upto: zeolith_core::limits::CHECKED_AT_OPEN,
            serve_damaged: false,
        };
        let mut opening: Opening<Context> = Opening::new(found, options, Seed(1));
        let opened = loop {
            if let Some(result) = opening.finished() {
                break result.expect("an empty storage opens");
            }
            let op = opening.poll().expect("it wants something until it is finished");
            if let Some(done) = disk.run(op) {
                opening.handle(done);
            }
        };
        let boot = StorageBoot::file("1".into(), "Data.fs".into(), false, opened);
        let server = Server::new(Config::default(), vec![boot], WallTime(0));
        let serials = vec![Tid::ZERO; OBJECTS as usize];
        let mut bench = Bench { server, disk, request: BytesMut::new(), number: 0, serials };
        bench.input(Input::Opened { conn: CONN, address: "bench".into() });
        put_frame(&mut bench.request, |out| {
            out.extend_from_slice(Codec::Pickle.handshake());
            0
        });
        bench.ask(0, false, &Request::Register { storage: "1", read_only: false });
        let all: Vec<u64> = (0..OBJECTS).collect();
        bench.commit(&all);
        bench
    }

    /// Hands the server an input, and its disk what follows; returns how many bytes were sent.
    fn input(&mut self, input: Input<'_>) -> usize {
        self.server.handle(Instant(0), input);
        let mut sent = 0;
        while let Some(output) = self.server.poll() {
            match output {
                Output::Send { packet, .. } => sent += packet.len(),
                Output::Close { .. } => panic!("the server closed the connection"),
                Output::Disk { op, .. } => {
                    if let Some(done) = self.disk.run(op) {
                        self.server.handle(Instant(0), Input::Disk { storage: StorageId(0), done });
                    }
                }
                _ => {}
            }
        }
        if sent > 0 {
            self.server.handle(Instant(0), Input::Sent { conn: CONN, bytes: sent });
        }
        sent
    }

    fn put(&mut self, id: i64, oneway: bool, request: &Request<'_>) {
        call::encode(Codec::Pickle, &MessageId::Int(id), oneway, request, &mut self.request);
    }

    fn ask(&mut self, id: i64, oneway: bool, request: &Request<'_>) {
        self.put(id, oneway, request);
        self.send();
    }

    fn send(&mut self) {
        let bytes = self.request.split();
        let sent =
            self.input(Input::Received { conn: CONN, bytes: &bytes, wall: WallTime(1_795_299_930_000_000) });
        assert!(sent > 0, "there is an answer");
    }

    fn load(&mut self, oid: u64) {
        let (oid, before) = (Oid(oid), Tid::MAX);
        let id = MessageId::Load(oid, before);
        call::encode(Codec::Pickle, &id, false, &Request::LoadBefore(oid, before), &mut self.request);
        self.send();
    }

    fn commit(&mut self, oids: &[u64]) {
        self.number += 1;
        let txn = TxnId(self.number);
        let begin =
            Begin { txn, user: b"", description: b"/bench", extension: Vec::new(), tid: None, status: b' ' };
        self.put(0, true, &Request::TpcBegin(begin));
        for &oid in oids {
            let serial = self.serials[oid as usize];
            self.put(0, true, &Request::Storea { oid: Oid(oid), serial, data: &[7; 300], txn });
        }
        self.ask(1, false, &Request::Vote(txn));
        self.ask(2, false, &Request::TpcFinish(txn));
        let last = self.server.storages()[0].last_tid();
        oids.iter().for_each(|&oid| self.serials[oid as usize] = last);
    }
}

/// Does the work `rounds` times.
fn work(what: &str, rounds: u64) {
    let mut bench = Bench::new();
    for round in 0..rounds {
        let oid = round * 7 % OBJECTS;
        match what {
            "load" => bench.load(oid),
            _ => bench.commit(&[oid, (oid + 300) % OBJECTS, (oid + 600) % OBJECTS]),
        }
    }
}

/// Instructions of this program when it does the work `rounds` times.
fn instructions(what: &str, rounds: u64) -> Option<u64> {
    let program = std::env::current_exe().expect("the path of this program");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["work", what, &rounds.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "the work fails under valgrind:\n{text}");
    let collected = text.lines().find_map(|line| line.split("Collected : ").nth(1));
    Some(collected.expect("callgrind's count").trim().parse().expect("a number"))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, what, rounds] = &arguments[..]
        && mode == "work"
    {
        work(what, rounds.parse().expect("a number of rounds"));
        return ExitCode::SUCCESS;
    }
    for (what, title) in [("load", "one load"), ("commit", "one commit of three objects")] {
        let counted = instructions(what, ROUNDS).zip(instructions(what, 2 * ROUNDS));
        let Some((once, twice)) = counted else {
            println!("valgrind is not installed: nothing was counted");
            return ExitCode::SUCCESS;
        };
        println!("{title}: {} instructions", (twice - once) / ROUNDS);
    }
    ExitCode::SUCCESS
}
