//! A client of the simulated world: it speaks the protocol and does what an application under load does, without a
//! cache of its own.

use crate::event::ClientId;
use crate::ledger::Attempt;
use bytes::BytesMut;
use std::collections::BTreeMap;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::limits;
use zeolith_core::rng::{Rng, Seed};
use zeolith_core::wire::Codec;
use zeolith_core::wire::call::{self, Begin, MessageId, Request, TxnId};
use zeolith_core::wire::delivery::{Delivery, decode_delivery};
use zeolith_core::wire::frame::{Frames, put_frame};
use zeolith_core::wire::remote::RemoteError;
use zeolith_core::wire::reply::Conflict;
use zeolith_core::wire::tree::Tree;

/// Objects that everybody changes; oids above are made up by one client.
const SHARED: u64 = 5;

/// How far a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Down,
    Greeting,
    Registering,
    Idle,
    Voting,
    Voted,
    Finishing,
}

/// What the stages are called, in their order.
pub const STAGES: &[&str] = &["down", "greeting", "registering", "idle", "voting", "voted", "finishing"];

/// The client.
#[derive(Debug)]
pub struct Client {
    id: ClientId,
    codec: Codec,
    stage: Stage,
    frames: Frames,
    /// The newest serial seen of each object.
    serials: BTreeMap<Oid, Tid>,
    /// Its transactions so far.
    number: u64,
    /// What the open transaction stores, with the serials it is based on.
    stores: BTreeMap<Oid, Tid>,
    padding: usize,
    next_id: i64,
    vote: Option<i64>,
    finish: Option<i64>,
    loads: usize,
    out: BytesMut,
    /// Transactions committed.
    pub committed: u64,
}

impl Client {
    /// A client that is not connected.
    pub fn new(id: ClientId, codec: Codec) -> Client {
        Client {
            id,
            codec,
            stage: Stage::Down,
            frames: Frames::default(),
            serials: BTreeMap::new(),
            number: 0,
            stores: BTreeMap::new(),
            padding: 0,
            next_id: 0,
            vote: None,
            finish: None,
            loads: 0,
            out: BytesMut::new(),
            committed: 0,
        }
    }

    /// Whether it has no connection.
    pub fn is_down(&self) -> bool {
        self.stage == Stage::Down
    }

    /// Whether it has nothing under way.
    pub fn is_idle(&self) -> bool {
        self.stage == Stage::Idle && self.loads == 0
    }

    /// Whether it can take a step.
    pub fn can_act(&self) -> bool {
        matches!(self.stage, Stage::Idle | Stage::Voted) || (self.stage == Stage::Voting && self.loads < 3)
    }

    /// Whether its vote was answered and its transaction waits to be finished.
    pub fn is_voted(&self) -> bool {
        self.stage == Stage::Voted
    }

    /// The place of its stage in [`STAGES`].
    pub fn stage(&self) -> usize {
        self.stage as usize
    }

    /// What it waits for.
    pub fn waits_for(&self) -> String {
        format!("{} with {} loads", STAGES[self.stage()], self.loads)
    }

    /// The transaction it works on.
    pub fn attempt(&self) -> Attempt {
        Attempt { client: self.id, number: self.number }
    }

    /// Whether its last step sent `tpc_finish`.
    pub fn is_finishing(&self) -> bool {
        self.stage == Stage::Finishing
    }

    /// What it has put on its way since it was last asked.
    pub fn take_out(&mut self) -> BytesMut {
        self.out.split()
    }

    /// It is connected.
    pub fn on_connected(&mut self) {
        self.stage = Stage::Greeting;
        self.frames = Frames::default();
    }

    /// Its connection is over.
    pub fn on_disconnected(&mut self) {
        self.stage = Stage::Down;
        self.loads = 0;
        self.serials.clear();
        self.out.clear();
    }

    /// Takes bytes from the server; every message is understood and acted on.
    pub fn receive(&mut self, mut bytes: &[u8]) {
        let mut frames = std::mem::take(&mut self.frames);
        let mut tree = Tree::default();
        while let Some(frame) = frames.next(&mut bytes, limits::FRAME).expect("a server sends frames") {
            if self.stage == Stage::Greeting {
                assert_eq!(frame.bytes(), self.codec.handshake(), "the server's greeting");
                self.greet();
            } else {
                let delivery = decode_delivery(self.codec, frame.bytes(), &mut tree);
                self.on_delivery(delivery.expect("a server sends messages"));
            }
        }
        self.frames = frames;
    }

    fn greet(&mut self) {
        let handshake = self.codec.handshake();
        put_frame(&mut self.out, |out| {
            out.extend_from_slice(handshake);
            0
        });
        self.stage = Stage::Registering;
        self.call(&Request::Register { storage: "1", read_only: false });
    }

    fn call(&mut self, request: &Request<'_>) -> i64 {
        self.next_id += 1;
        call::encode(self.codec, &MessageId::Int(self.next_id), false, request, &mut self.out);
        self.next_id
    }

    fn tell(&mut self, request: &Request<'_>) {
        call::encode(self.codec, &MessageId::Int(0), true, request, &mut self.out);
    }

    fn on_delivery(&mut self, delivery: Delivery<'_>) {
        let (id, result) = match delivery {
            Delivery::Reply { id, result } => (id, result),
            Delivery::Invalidate { oids, .. } => {
                // As a cache does: what was known is out of date.
                self.serials.retain(|oid, _| !oids.contains(oid));
                return;
            }
            Delivery::Info(_) | Delivery::Blob { .. } | Delivery::Other { .. } => return,
        };
        match id {
            MessageId::Load(oid, _) => {
                self.loads -= 1;
                if let Ok(value) = result
                    && let Some((_, serial, None)) = value.revision()
                {
                    self.serials.insert(oid, serial);
                }
            }
            MessageId::Int(id) if self.vote == Some(id) => {
                self.vote = None;
                match result {
                    Ok(value) => self.on_vote(value.conflicts().unwrap_or_default()),
                    Err(error) => self.give_up(&error),
                }
            }
            MessageId::Int(id) if self.finish == Some(id) => {
                self.finish = None;
                self.stage = Stage::Idle;
                let tid =
                    result.expect("a finish is acknowledged or never answered").as_tid().expect("a tid");
                self.serials.extend(std::mem::take(&mut self.stores).into_keys().map(|oid| (oid, tid)));
                self.committed += 1;
            }
            MessageId::Int(_) if self.stage == Stage::Registering => {
                result.expect("the storage is there and writable");
                self.stage = Stage::Idle;
            }
            _ => drop(result),
        }
    }

    fn on_vote(&mut self, conflicts: Vec<Conflict>) {
        if conflicts.is_empty() {
            self.stage = Stage::Voted;
            return;
        }
        // Some applications cannot resolve: which, is decided by what the client has done so far.
        if Rng::new(Seed(self.number << 32 | self.next_id as u64)).chance(1, 4) {
            return self.abort();
        }
        for conflict in conflicts {
            self.stores.insert(conflict.oid, conflict.committed);
            self.store(conflict.oid, conflict.committed);
        }
        self.vote = Some(self.call(&Request::Vote(self.txn())));
    }

    fn give_up(&mut self, error: &RemoteError) {
        if let RemoteError::Conflict(conflict) | RemoteError::ReadConflict(conflict) = error {
            self.serials.insert(conflict.oid, conflict.committed);
        }
        self.abort();
    }

    fn abort(&mut self) {
        self.stores.clear();
        self.stage = Stage::Idle;
        self.call(&Request::TpcAbort(self.txn()));
    }

    fn txn(&self) -> TxnId {
        TxnId(self.number as i64)
    }

    fn store(&mut self, oid: Oid, serial: Tid) {
        let data = self.attempt().data(oid, self.padding);
        self.tell(&Request::Storea { oid, serial, data: &data, txn: self.txn() });
    }

    /// Takes a step: a load, a new transaction, or the end of the one that was voted on.
    pub fn act(&mut self, rng: &mut Rng) {
        match self.stage {
            Stage::Voted if rng.chance(1, 10) => self.abort(),
            Stage::Voted => {
                self.stage = Stage::Finishing;
                self.finish = Some(self.call(&Request::TpcFinish(self.txn())));
            }
            Stage::Idle if rng.chance(1, 2) => self.begin(rng),
            Stage::Idle | Stage::Voting if self.loads < 3 => {
                let (oid, before) = (Oid(rng.below(SHARED)), Tid::MAX);
                self.loads += 1;
                call::encode(
                    self.codec,
                    &MessageId::Load(oid, before),
                    false,
                    &Request::LoadBefore(oid, before),
                    &mut self.out,
                );
            }
            _ => {}
        }
    }

    /// Begins a transaction and votes on it.
    pub fn begin(&mut self, rng: &mut Rng) {
        self.number += 1;
        self.padding = if rng.chance(1, 3) { rng.below(3000) as usize } else { 0 };
        let txn = self.txn();
        self.tell(&Request::TpcBegin(Begin {
            txn,
            user: b"",
            description: b"simulated",
            extension: Vec::new(),
            tid: None,
            status: b' ',
        }));
        self.stores.clear();
        for _ in 0..=rng.below(3) {
            // One in five is an object nobody else knows.
            let fresh = Oid(1000 * (self.id.0 as u64 + 1) + self.number);
            let oid = if rng.chance(1, 5) { fresh } else { Oid(rng.below(SHARED)) };
            let serial = self.serials.get(&oid).copied().unwrap_or_default();
            if self.stores.insert(oid, serial).is_none() {
                self.store(oid, serial);
            }
        }
        let checked = Oid(rng.below(SHARED));
        if let Some(&serial) = self.serials.get(&checked)
            && !self.stores.contains_key(&checked)
            && rng.chance(1, 3)
        {
            self.tell(&Request::CheckCurrent { oid: checked, serial, txn });
        }
        self.stage = Stage::Voting;
        self.vote = Some(self.call(&Request::Vote(txn)));
    }
}
