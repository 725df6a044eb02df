//! One connection under load: what it asks, and what it makes of the answers.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use zeolith_core::ids::{Oid, Tid};
use zeolith_core::rng::{Rng, Seed};
use zeolith_core::wire::Codec;
use zeolith_core::wire::call::{MessageId, Request, TxnId};
use zeolith_core::wire::delivery::{Delivery, decode_delivery};
use zeolith_core::wire::remote::RemoteError;
use zeolith_core::wire::tree::Tree;

use super::error::Fault;
use super::link::{Link, next, nonsense};
use super::objects::{Objects, begin};
use super::options::Row;
use super::shorthand::{Short, Shorthand};

/// Loads in ten operations of a mix.
const LOADS_IN_TEN: u64 = 9;

/// One connection.
#[derive(Debug)]
pub struct Client {
    /// The connection.
    pub link: Link,
    shorthand: Shorthand,
    tree: Tree,
    row: Row,
    rng: Rng,
    /// Where among the objects those are that it changes.
    own: Range<usize>,
    cursor: usize,
    /// Whether others change them too.
    contended: bool,
    a_transaction: usize,
    loads: VecDeque<(Oid, Instant)>,
    commit: Option<Commit>,
    last_txn: i64,
}

/// A transaction under way.
#[derive(Debug)]
struct Commit {
    begun: Instant,
    /// The objects it changes.
    places: Range<usize>,
    stage: Stage,
    /// The call whose reply it waits for.
    id: i64,
    finish_sent: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Voting,
    Finishing,
    Aborting,
}

/// What a client learns from its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A load came back.
    Loaded {
        /// When it was asked for.
        begun: Instant,
    },
    /// A commit came back.
    Committed {
        /// When the transaction was begun.
        begun: Instant,
        /// When its finish was asked for.
        finish_sent: Instant,
        /// Its tid.
        tid: Tid,
    },
    /// A commit was in conflict, and is aborted.
    Conflicted,
    /// Somebody else's transaction.
    Invalidated(Tid),
}

impl Client {
    /// A client for one row.
    pub fn new(link: Link, row: Row, seed: Seed, own: Range<usize>, contended: bool, k: usize) -> Client {
        Client {
            shorthand: Shorthand::new(link.codec),
            link,
            tree: Tree::new(),
            row,
            rng: Rng::new(seed),
            cursor: own.start,
            own,
            contended,
            a_transaction: k,
            loads: VecDeque::new(),
            commit: None,
            last_txn: 0,
        }
    }

    /// Puts the row's next operation on its way.
    pub fn start(&mut self, objects: &Objects, now: Instant) {
        let commit = match self.row {
            Row::Load | Row::Pipelined => false,
            Row::Commit | Row::FanOut => true,
            Row::Mix => !self.rng.chance(LOADS_IN_TEN, 10),
        };
        if commit {
            self.start_commit(objects, now);
        } else {
            let oid = objects.oid(self.rng.below(objects.len() as u64) as usize);
            self.link.put(self.shorthand.load(oid));
            self.loads.push_back((oid, now));
        }
    }

    fn start_commit(&mut self, objects: &Objects, now: Instant) {
        let places = self.choose();
        self.last_txn += 1;
        let txn = TxnId(self.last_txn);
        self.link.tell(&begin(txn));
        for at in places.clone() {
            let (oid, serial) = (objects.oid(at), objects.serial(at));
            self.link.tell(&Request::Storea { oid, serial, data: &objects.state, txn });
        }
        let id = self.link.ask(&Request::Vote(txn));
        assert!(self.commit.is_none(), "one transaction at a time");
        self.commit = Some(Commit { begun: now, places, stage: Stage::Voting, id, finish_sent: None });
    }

    /// The objects of the next transaction: its own in turn, or any where all are everybody's.
    fn choose(&mut self) -> Range<usize> {
        let last = self.own.end - self.a_transaction;
        if self.contended {
            let choices = (last - self.own.start + 1) as u64;
            self.cursor = self.own.start + self.rng.below(choices) as usize;
        } else if self.cursor > last {
            self.cursor = self.own.start;
        }
        let start = self.cursor;
        self.cursor += self.a_transaction;
        start..self.cursor
    }

    /// Takes what arrived; `news` hears of everything that ends.
    ///
    /// # Errors
    /// [`Fault`] when the server refuses or makes no sense.
    pub fn take(
        &mut self,
        mut chunk: &[u8],
        now: Instant,
        objects: &mut Objects,
        mut news: impl FnMut(News),
    ) -> Result<(), Fault> {
        let mut frames = std::mem::take(&mut self.link.frames);
        while let Some(frame) = next(&mut frames, &mut chunk)? {
            let message = frame.bytes();
            let told = match self.shorthand.recognise(message, objects.state.len()) {
                Some(Short::Loaded(oid)) => Some(self.loaded(oid)?),
                Some(Short::Invalidate(tid)) => Some(News::Invalidated(tid)),
                None => self.decode(message, now, objects)?,
            };
            if let Some(told) = told {
                news(told);
            }
        }
        self.link.frames = frames;
        Ok(())
    }

    /// A load came back. Servers may answer in another order than they were asked in.
    fn loaded(&mut self, oid: Oid) -> Result<News, Fault> {
        let at = self.loads.iter().position(|(asked, _)| *asked == oid);
        let (_, begun) = at
            .and_then(|at| self.loads.remove(at))
            .ok_or_else(|| nonsense(format!("object {oid} is answered, which was not asked for")))?;
        Ok(News::Loaded { begun })
    }

    fn decode(&mut self, message: &[u8], now: Instant, objects: &mut Objects) -> Result<Option<News>, Fault> {
        let codec: Codec = self.link.codec;
        let mut tree = std::mem::take(&mut self.tree);
        let delivery = decode_delivery(codec, message, &mut tree).map_err(nonsense)?;
        let news = match delivery {
            Delivery::Reply { id: MessageId::Load(oid, _), result } => {
                let value = result.map_err(|error| Fault::Refused { method: "loadBefore", error })?;
                if value.revision().is_none_or(|(data, ..)| data.len() != objects.state.len()) {
                    return Err(nonsense(format!("object {oid} is not loaded as it was stored")));
                }
                Some(self.loaded(oid)?)
            }
            Delivery::Reply { id: MessageId::Int(id), result } => {
                let Some(commit) = self.commit.as_mut().filter(|commit| commit.id == id) else {
                    return Err(nonsense("an answer to nothing"));
                };
                match (commit.stage, result) {
                    (Stage::Voting, Ok(vote)) => match vote.conflicts().unwrap_or_default().first() {
                        // A vote without conflicts is nothing, or a list of oids.
                        None => {
                            commit.id = self.link.ask(&Request::TpcFinish(TxnId(self.last_txn)));
                            commit.stage = Stage::Finishing;
                            commit.finish_sent = Some(now);
                            None
                        }
                        Some(conflict) => {
                            let committed = conflict.committed;
                            self.conflict(objects, conflict.oid, committed)?
                        }
                    },
                    (Stage::Voting, Err(RemoteError::Conflict(error))) => {
                        self.conflict(objects, error.oid, error.committed)?
                    }
                    (Stage::Finishing, Ok(value)) => {
                        let tid = value.as_tid().ok_or_else(|| nonsense("a finish without a tid"))?;
                        let Commit { begun, places, finish_sent, .. } =
                            self.commit.take().expect("just seen");
                        objects.committed(places, tid);
                        let finish_sent = finish_sent.expect("a finish that is answered was sent");
                        Some(News::Committed { begun, finish_sent, tid })
                    }
                    (Stage::Aborting, Ok(_)) => {
                        self.commit = None;
                        Some(News::Conflicted)
                    }
                    (stage, Err(error)) => {
                        let method = match stage {
                            Stage::Voting => "vote",
                            Stage::Finishing => "tpc_finish",
                            Stage::Aborting => "tpc_abort",
                        };
                        return Err(Fault::Refused { method, error });
                    }
                }
            }
            Delivery::Invalidate { tid, .. } => Some(News::Invalidated(tid)),
            Delivery::Reply { .. } => return Err(nonsense("an answer to nothing")),
            Delivery::Info(_) | Delivery::Blob { .. } | Delivery::Other { .. } => None,
        };
        self.tree = tree;
        Ok(news)
    }

    /// Gives a transaction up that is in conflict.
    fn conflict(&mut self, objects: &mut Objects, oid: Oid, committed: Tid) -> Result<Option<News>, Fault> {
        if !self.contended {
            return Err(nonsense(format!("object {oid} was changed by somebody else")));
        }
        let commit = self.commit.as_mut().expect("a conflict is a transaction's");
        if let Some(at) = commit.places.clone().find(|&at| objects.oid(at) == oid) {
            objects.committed(at..at + 1, committed);
        }
        commit.id = self.link.ask(&Request::TpcAbort(TxnId(self.last_txn)));
        commit.stage = Stage::Aborting;
        Ok(None)
    }
}
