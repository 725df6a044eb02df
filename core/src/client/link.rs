//! One connection to a server, from the attempt to make it to its end.

use super::desk::Desk;
use super::fault::{Fault, ServerFault};
use super::purpose::Purpose;
use super::replies::Abilities;
use super::{Changes, ConnId, Error, Operation, Output, ServerId, StorageInfo};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::time::Instant;
use crate::wire::Codec;
use crate::wire::call::{self, MessageId, Request};
use crate::wire::frame::{Frame, Frames, put_frame};
use crate::wire::packet::Packet;
use crate::wire::remote::RemoteError;
use bytes::BytesMut;
use std::collections::BTreeMap;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is being made.
    Connecting,
    /// The server's handshake is awaited.
    Greeting,
    /// The answer to `register` is awaited. Invalidations may come from now on, and are kept.
    Registering,
    /// The client works with this server, and brings its cache up to date.
    Verifying,
    /// Questions are answered.
    Ready,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) conn: ConnId,
    pub(super) server: ServerId,
    pub(super) stage: Stage,
    /// Nothing can be written here.
    pub(super) read_only: bool,
    /// What the server said of itself.
    pub(super) abilities: Option<Abilities>,
    codec: Codec,
    frames: Frames,
    last_id: i64,
    calls: BTreeMap<i64, Purpose>,
    /// Loads under way, which go by names of their own.
    loads: usize,
    kept: Vec<(Tid, Vec<Oid>)>,
    kept_oids: usize,
    /// When the server has to have registered the client.
    register_by: Instant,
    /// When the next sign of life is due.
    beat_at: Instant,
    /// When the server was last heard of, or began to owe something.
    heard: Instant,
    out: BytesMut,
}

impl Link {
    /// A connection that is being made.
    pub(super) fn new(conn: ConnId, server: ServerId, desk: &Desk) -> Link {
        Link {
            conn,
            server,
            stage: Stage::Connecting,
            read_only: false,
            abilities: None,
            codec: Codec::Pickle,
            frames: Frames::new(),
            last_id: 0,
            calls: BTreeMap::new(),
            loads: 0,
            kept: Vec::new(),
            kept_oids: 0,
            register_by: desk.now + desk.config.greeting_timeout,
            beat_at: desk.now + desk.config.heartbeat,
            heard: desk.now,
            out: BytesMut::new(),
        }
    }

    /// Whether questions are answered.
    pub(super) fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// Answers that the server owes.
    pub(super) fn owed(&self) -> usize {
        self.calls.len() + self.loads
    }

    /// Invalidations that are kept until the cache is verified.
    pub(super) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Bytes of a message that is not complete.
    pub(super) fn buffered(&self) -> usize {
        self.frames.buffered()
    }

    /// The next message of what was received, `chunk` being the newest part of it; `None` when it is not complete.
    pub(super) fn next_frame<'c>(&mut self, chunk: &mut &'c [u8]) -> Result<Option<Frame<'c>>, Fault> {
        let limit = match self.stage {
            Stage::Connecting | Stage::Greeting => limits::FRAME_BEFORE_REGISTER,
            Stage::Registering | Stage::Verifying | Stage::Ready => limits::FRAME,
        };
        Ok(self.frames.next(chunk, limit)?)
    }

    pub(super) fn codec(&self) -> Codec {
        self.codec
    }

    /// Whether no reply of this server overtakes an invalidation that was due before it. Of Python's server on uvloop they
    /// do, by up to two turns of its loop: what a reply says holds once two more questions, asked one after the other, were
    /// answered. One will do for a finish, whose vote was answered a turn before.
    pub(super) fn in_order(&self) -> bool {
        self.abilities.as_ref().is_some_and(|abilities| abilities.in_order)
    }

    /// Whether the server can do what a transaction wants. It would close the connection over the rest.
    ///
    /// # Errors
    /// [`Error::Refused`], as the server itself refuses what is answered.
    pub(super) fn check_can(&self, changes: &Changes) -> Result<(), Error> {
        let Some(abilities) = &self.abilities else { return Ok(()) };
        let missing = changes.operations.iter().find_map(|operation| match operation {
            Operation::Store { .. } | Operation::ReadCheck { .. } => None,
            Operation::StoreBlob { .. } => (!abilities.supports_blobs).then_some("blobs"),
            Operation::Delete { .. } => (!abilities.supports_deletion).then_some("deleting objects"),
            Operation::Undo(_) => (!abilities.supports_undo).then_some("undo"),
            Operation::Restore { .. } => (!abilities.supports_restoring).then_some("restoring objects"),
        });
        missing.map_or(Ok(()), |what| {
            Err(Error::Refused(RemoteError::Unsupported(format!("the storage does not support {what}"))))
        })
    }

    /// What is known of the storage and its server.
    pub(super) fn info(&self) -> StorageInfo {
        let abilities = self.abilities.clone().expect("a server that questions are answered by is known");
        StorageInfo {
            name: abilities.name,
            objects: abilities.objects,
            bytes: abilities.bytes,
            supports_undo: abilities.supports_undo,
            supports_blobs: abilities.supports_blobs,
            read_only: self.read_only,
            supports_record_iternext: abilities.supports_record_iternext,
            interfaces: abilities.interfaces,
            in_order: abilities.in_order,
            server: Some(self.server),
        }
    }

    /// The server introduces itself: with an encoding, and the newest protocol it speaks.
    pub(super) fn on_greeting(&mut self, greeting: &[u8], desk: &Desk) -> Result<(), Fault> {
        self.codec = match greeting {
            [b'Z', b'5'..=b'9'] => Codec::Pickle,
            [b'M', b'5'..=b'9'] => Codec::Msgpack,
            _ => {
                let shown = String::from_utf8_lossy(&greeting[..greeting.len().min(20)]).into_owned();
                return Err(ServerFault::Handshake(shown).into());
            }
        };
        put_frame(&mut self.out, |out| {
            out.extend_from_slice(self.codec.handshake());
            0
        });
        self.stage = Stage::Registering;
        self.register(desk);
        Ok(())
    }

    /// Registers, as `read_only` says; a second time where a server cannot be written to.
    pub(super) fn register(&mut self, desk: &Desk) {
        let request = Request::Register { storage: &desk.config.storage, read_only: self.read_only };
        self.call(desk, Purpose::Register, &request);
    }

    /// Asks something; `purpose` says what the answer is for.
    pub(super) fn call(&mut self, desk: &Desk, purpose: Purpose, request: &Request<'_>) {
        self.owe(desk);
        self.last_id += 1;
        self.calls.insert(self.last_id, purpose);
        call::encode(self.codec, &MessageId::Int(self.last_id), false, request, &mut self.out);
    }

    /// Says something that has no answer.
    pub(super) fn tell(&mut self, request: &Request<'_>) {
        call::encode(self.codec, &MessageId::Int(0), true, request, &mut self.out);
    }

    /// Asks for the revision current before `before`; the answer is named by both.
    pub(super) fn load(&mut self, desk: &Desk, oid: Oid, before: Tid) {
        self.owe(desk);
        self.loads += 1;
        let request = Request::LoadBefore(oid, before);
        call::encode(self.codec, &MessageId::Load(oid, before), false, &request, &mut self.out);
    }

    fn owe(&mut self, desk: &Desk) {
        if !self.owes() {
            self.heard = desk.now;
        }
    }

    fn owes(&self) -> bool {
        self.loads > 0 || !self.calls.is_empty()
    }

    /// What a reply is for; each is taken once.
    pub(super) fn answered(&mut self, id: i64) -> Option<Purpose> {
        self.calls.remove(&id)
    }

    /// A load came back.
    pub(super) fn loaded(&mut self) {
        self.loads -= 1;
    }

    /// Takes back what is not waited for any more; its answer would be one to nothing.
    pub(super) fn retract(&mut self, purpose: &Purpose) {
        self.calls.retain(|_, other| other != purpose);
    }

    /// All that was asked and not answered but loads, in the order it was asked.
    pub(super) fn take_calls(&mut self) -> impl Iterator<Item = Purpose> + use<> {
        std::mem::take(&mut self.calls).into_values()
    }

    /// Keeps an invalidation until the cache is verified; false when there are too many.
    pub(super) fn keep(&mut self, tid: Tid, oids: Vec<Oid>) -> bool {
        self.kept_oids += oids.len() + 1;
        self.kept.push((tid, oids));
        self.kept_oids <= limits::KEPT_INVALIDATIONS
    }

    /// The invalidations kept, in the order they came.
    pub(super) fn take_kept(&mut self) -> Vec<(Tid, Vec<Oid>)> {
        self.kept_oids = 0;
        std::mem::take(&mut self.kept)
    }

    /// Bytes came from the server.
    pub(super) fn on_heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// When something is due; `None` when nothing ever is.
    pub(super) fn deadline(&self, desk: &Desk) -> Option<Instant> {
        let beat = match self.stage {
            Stage::Connecting | Stage::Greeting | Stage::Registering => Some(self.register_by),
            Stage::Verifying | Stage::Ready => Some(self.beat_at),
        };
        beat.into_iter().chain(self.silent_at(desk)).min()
    }

    fn silent_at(&self, desk: &Desk) -> Option<Instant> {
        let timeout = desk.config.silence_timeout.filter(|_| self.owes())?;
        Some(self.heard + timeout)
    }

    /// Does what is due: a sign of life.
    ///
    /// # Errors
    /// When the server has had its time.
    pub(super) fn on_tick(&mut self, desk: &Desk) -> Result<(), Fault> {
        match self.stage {
            Stage::Connecting | Stage::Greeting | Stage::Registering => {
                if self.register_by <= desk.now {
                    return Err(Fault::Slow(desk.config.greeting_timeout));
                }
            }
            Stage::Verifying | Stage::Ready => {
                if self.beat_at <= desk.now {
                    self.beat_at = desk.now + desk.config.heartbeat;
                    self.out.extend_from_slice(call::heartbeat(self.codec));
                }
            }
        }
        if self.silent_at(desk).is_some_and(|at| at <= desk.now) {
            return Err(Fault::Silent(desk.now.since(self.heard)));
        }
        Ok(())
    }

    /// Puts out what was said since the last time.
    pub(super) fn flush(&mut self, desk: &mut Desk) {
        if !self.out.is_empty() {
            let packet = Packet { head: self.out.split().freeze(), ..Packet::default() };
            desk.push(Output::Send { conn: self.conn, packet });
        }
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.out.is_empty(), "what was said is put out at the end of every input");
        assert!(!self.is_ready() || self.kept.is_empty(), "nothing is kept once the cache is verified");
        assert!(self.kept_oids <= limits::KEPT_INVALIDATIONS, "invalidations kept are bounded");
    }
}
