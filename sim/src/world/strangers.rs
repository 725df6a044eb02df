//! Peers of another make: they do what no client of ours does, and what the protocol does not forbid or does. Nothing that they
//! send is ever finished, so that they leave nothing in a log; what they hold and how they end is what matters.

use super::{World, servers};
use crate::app::any;
use crate::checkers::Violation;
use crate::event::ServerNo;
use bytes::BytesMut;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::rng::{Rng, Seed};
use zeolith_core::server::output::Output;
use zeolith_core::server::{ConnId, Input};
use zeolith_core::wire::Codec;
use zeolith_core::wire::call::{self, Begin, MessageId, Request, TxnId};
use zeolith_core::wire::delivery::{Delivery, decode_delivery};
use zeolith_core::wire::tree::Tree;

/// The only transaction of a stranger.
const TXN: TxnId = TxnId(1);
/// The serial of what is always stale, where there is anything.
const STALE: Tid = Tid(1);
/// Bytes of a message's length.
const PREFIX: usize = 4;
/// Registrations that are refused, or objects that are asked for, in one go.
const MANY: u64 = 200;

/// What somebody is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// Registers for what is not there, many times over, and does not read.
    Refused,
    /// Registers, and never reads.
    Silent,
    /// Stores over what it has not read, and stores the same again after every conflict.
    Stubborn,
    /// Asks for very much, and reads now and then.
    Greedy,
    /// Sends what is no message.
    Garbled,
}

/// How far a stranger's transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has none.
    Idle,
    /// It waits for the answer to this call, a vote.
    Voting(i64),
    /// It was told of conflicts.
    Conflicts,
    /// It could finish.
    Voted,
}

/// Who is connected to a server beside the clients.
#[derive(Debug)]
pub(super) struct Stranger {
    conn: ConnId,
    habit: Habit,
    /// Bytes that it has not read.
    unread: usize,
    /// How far its transaction is.
    stage: Stage,
    /// The server takes nothing from it at present.
    is_paused: bool,
    calls: i64,
    /// What it stores again and again.
    favourite: Oid,
    /// What it is about to send.
    out: BytesMut,
}

impl Stranger {
    fn new(conn: ConnId, rng: &mut Rng) -> Stranger {
        let habit = match rng.below(8) {
            0 => Habit::Refused,
            1 | 2 => Habit::Silent,
            3 => Habit::Greedy,
            4 => Habit::Garbled,
            _ => Habit::Stubborn,
        };
        Stranger {
            conn,
            habit,
            unread: 0,
            stage: Stage::Idle,
            is_paused: false,
            calls: 0,
            favourite: Oid(1 + rng.below(3)),
            out: BytesMut::new(),
        }
    }

    fn call(&mut self, world: &World, request: &Request<'_>) {
        let is_one_way = matches!(
            request,
            Request::TpcBegin(_)
                | Request::Storea { .. }
                | Request::TpcAbort(_)
                | Request::CheckCurrent { .. }
        );
        self.calls += 1;
        call::encode(world.setup.codec, &MessageId::Int(self.calls), is_one_way, request, &mut self.out);
    }

    fn greet(&mut self, world: &World) {
        let name = world.setup.codec.handshake();
        self.out.extend_from_slice(&(name.len() as u32).to_be_bytes());
        self.out.extend_from_slice(name);
        let storage = if self.habit == Habit::Refused { "nothing" } else { "1" };
        let read_only = self.habit != Habit::Stubborn;
        if self.habit != Habit::Garbled {
            self.call(world, &Request::Register { storage, read_only });
        }
    }

    fn go_on(&mut self, world: &World, rng: &mut Rng) {
        match self.habit {
            Habit::Silent => {}
            Habit::Refused => {
                let register = Request::Register { storage: "nothing", read_only: false };
                (0..MANY).for_each(|_| self.call(world, &register));
            }
            Habit::Greedy => {
                for _ in 0..1 + rng.below(MANY) {
                    let oid = any(rng);
                    let request = match (rng.below(4), world.notes.guess) {
                        (3, Some((oid, tid))) => Request::SendBlob(oid, tid),
                        (0, _) => Request::History { oid: Some(oid), size: 100 },
                        (1, _) => Request::Ping,
                        _ => Request::LoadBefore(oid, Tid::MAX),
                    };
                    self.call(world, &request);
                }
            }
            Habit::Garbled => {
                let len = rng.below(40) as usize;
                // A length that is too long, one of a message that never comes, or what nobody can read.
                let first = [&[0xff; 4][..], &[0, 0, 0x10, 0], &(len as u32).to_be_bytes()];
                self.out.extend_from_slice(first[rng.below(3) as usize]);
                self.out.extend((0..len).map(|_| rng.below(256) as u8));
            }
            Habit::Stubborn => self.insist(world, rng),
        }
    }

    /// The same again, or a little more.
    fn insist(&mut self, world: &World, rng: &mut Rng) {
        // In the end it may give up, and while it waits even, but not often.
        let patience = match self.stage {
            Stage::Idle => None,
            Stage::Voting(_) | Stage::Conflicts => Some(40),
            Stage::Voted => Some(3),
        };
        if patience.is_some_and(|patience| rng.chance(1, patience)) {
            self.call(world, &Request::TpcAbort(TXN));
            self.stage = Stage::Idle;
            return;
        }
        if matches!(self.stage, Stage::Voting(_) | Stage::Voted) {
            return;
        }
        if self.stage == Stage::Idle {
            let (user, description, extension) = (&b""[..], &b"stranger"[..], Vec::new());
            let begin = Begin { txn: TXN, user, description, extension, tid: None, status: b' ' };
            self.call(world, &Request::TpcBegin(begin));
        }
        let another = if rng.chance(1, 4) { Some(any(rng)) } else { None };
        for oid in [Some(self.favourite), another].into_iter().flatten() {
            let store = Request::Storea { oid, serial: STALE, data: b"of a stranger", txn: TXN };
            self.call(world, &store);
        }
        self.call(world, &Request::Vote(TXN));
        self.stage = Stage::Voting(self.calls);
    }

    /// Hears what the server says to it.
    fn hear(&mut self, codec: Codec, bytes: &[u8]) {
        self.unread += bytes.len();
        let mut tree = Tree::default();
        // The first message of all greets, and is none of the others' kind.
        let message = decode_delivery(codec, bytes.get(PREFIX..).unwrap_or_default(), &mut tree);
        let Ok(Delivery::Reply { id: MessageId::Int(id), result }) = message else { return };
        if self.stage == Stage::Voting(id) {
            self.stage = match result {
                Ok(value) if value.conflicts().is_some_and(|conflicts| !conflicts.is_empty()) => {
                    Stage::Conflicts
                }
                Ok(_) => Stage::Voted,
                Err(_) => Stage::Idle,
            };
        }
    }
}

/// Somebody connects, or goes on, or leaves; whether anything happened.
pub(super) fn act(world: &mut World, server: ServerNo, dice: u64) -> Result<bool, Violation> {
    let mut rng = Rng::new(Seed(dice));
    if !world.nodes[server.0].is_up() {
        return Ok(false);
    }
    if world.strangers[server.0].is_none() {
        let conn = world.network.name();
        let mut stranger = Stranger::new(conn, &mut rng);
        stranger.greet(world);
        world.strangers[server.0] = Some(stranger);
        servers::handle(world, server, Input::Opened { conn, address: "a stranger".to_owned() })?;
        return say(world, server).map(|()| true);
    }
    if rng.chance(1, 60) {
        return leave(world, server).map(|()| true);
    }
    let reads = |stranger: &Stranger, rng: &mut Rng| {
        !matches!(stranger.habit, Habit::Silent | Habit::Refused) && rng.chance(1, 2)
    };
    if let Some(stranger) = &mut world.strangers[server.0]
        && reads(stranger, &mut rng)
        && stranger.unread > 0
    {
        let (conn, bytes) = (stranger.conn, std::mem::take(&mut stranger.unread));
        servers::handle(world, server, Input::Sent { conn, bytes })?;
    }
    // It may be gone by now.
    if let Some(mut stranger) = world.strangers[server.0].take() {
        if !stranger.is_paused {
            stranger.go_on(world, &mut rng);
        }
        world.strangers[server.0] = Some(stranger);
    }
    say(world, server).map(|()| true)
}

/// What a stranger has to say arrives, all at once.
fn say(world: &mut World, server: ServerNo) -> Result<(), Violation> {
    let wall = world.wall(server);
    let Some(stranger) = &mut world.strangers[server.0] else { return Ok(()) };
    let (conn, bytes) = (stranger.conn, stranger.out.split().freeze());
    if bytes.is_empty() {
        return Ok(());
    }
    servers::handle(world, server, Input::Received { conn, bytes: &bytes, wall })
}

/// A stranger leaves, if there is one.
pub(super) fn leave(world: &mut World, server: ServerNo) -> Result<(), Violation> {
    match world.strangers[server.0].take() {
        Some(stranger) => servers::handle(world, server, Input::Closed { conn: stranger.conn }),
        None => Ok(()),
    }
}

/// The server is not there any more.
pub(super) fn abandon(world: &mut World, server: ServerNo) {
    world.strangers[server.0] = None;
}

/// Takes what a server puts out for a stranger; false when it is for somebody else.
pub(super) fn take(world: &mut World, server: ServerNo, output: &Output) -> bool {
    let stranger = &mut world.strangers[server.0];
    let is_for = |conn: &ConnId| stranger.as_ref().is_some_and(|stranger| stranger.conn == *conn);
    match output {
        Output::Send { conn, packet } if is_for(conn) => {
            stranger.as_mut().expect("just seen").hear(world.setup.codec, &packet.to_vec());
        }
        Output::Pause { conn } if is_for(conn) => stranger.as_mut().expect("just seen").is_paused = true,
        Output::Resume { conn } if is_for(conn) => stranger.as_mut().expect("just seen").is_paused = false,
        Output::Close { conn } if is_for(conn) => *stranger = None,
        _ => return false,
    }
    true
}
