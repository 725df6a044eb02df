//! What the parts of a relayed storage work with: the client of the servers above, and what its answers are for.

use super::drafts::Drafts;
use crate::client::{Answer, Call, Client, Finished, Input, Output, Ticket};
use crate::ids::{Oid, Tid};
use crate::server::names::{ConnId, ReplyTo, TxnKey};
use crate::server::output::Outputs;
use crate::server::stats::Stats;
use crate::store::blob::DraftId;
use crate::time::Instant;
use crate::wire::call::IteratorId;
use std::collections::BTreeMap;

/// What an answer from above is for.
#[derive(Debug)]
pub(super) enum Pending {
    /// To know how the first connection went.
    Start,
    /// To be a reply to `loadBefore`.
    Load(ReplyTo),
    /// To be a reply to `loadSerial`.
    Data(ReplyTo),
    /// To be a reply to `ping`.
    Sync(ReplyTo),
    /// To be a reply to this method.
    Pass(ReplyTo, &'static str, Then),
    /// To go on with a transaction.
    Vote(ConnId, TxnKey),
    /// To be a reply to `tpc_finish`; these are the transaction's blobs.
    Finish(ReplyTo, Vec<DraftId>),
    /// To have all of a blob.
    Fetch(DraftId, Oid, Tid),
    /// Nobody waits for it.
    Nothing,
}

/// What else is done with an answer that is handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing.
    Reply,
    /// It is a list, of which msgpack makes a tuple.
    List,
    /// It says what changed, and counts only if it reaches as far as clients know.
    Invalidations,
    /// It names an iteration.
    Begin,
    /// It is the next element of this iteration, or its end.
    Next(IteratorId),
}

/// The client, and what its answers are for. What it puts out is looked at when the input at hand has been dealt with.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) client: Client,
    /// The time of the input at hand.
    pub(super) now: Instant,
    last_ticket: u64,
    pending: BTreeMap<Ticket, Pending>,
}

impl Desk {
    pub(super) fn new(client: Client, now: Instant) -> Desk {
        Desk { client, now, last_ticket: 0, pending: BTreeMap::new() }
    }

    pub(super) fn input(&mut self, input: Input<'_>) {
        self.client.handle(self.now, input);
    }

    /// A name for a question that is about to be asked.
    pub(super) fn ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    pub(super) fn ask(&mut self, pending: Pending, call: Call) {
        let ticket = self.ticket();
        self.ask_as(ticket, pending, call);
    }

    pub(super) fn ask_as(&mut self, ticket: Ticket, pending: Pending, call: Call) {
        self.pending.insert(ticket, pending);
        self.input(Input::Ask { ticket, call });
    }

    /// What an answer is for; `None`: it is not waited for any more.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<Pending> {
        self.pending.remove(&ticket)
    }

    /// What the answer to a question will be for.
    pub(super) fn pending(&self, ticket: Ticket) -> Option<&Pending> {
        self.pending.get(&ticket)
    }

    /// The answer to a question is not waited for, and its transaction given up.
    pub(super) fn forget(&mut self, ticket: Ticket) {
        self.pending.remove(&ticket);
        self.input(Input::Forget { ticket });
    }

    /// Who is told by this that a transaction of his, and which, is durable.
    pub(super) fn finished(&self, said: &Output) -> Option<(ConnId, Tid)> {
        let Output::Answer { ticket, result: Ok(Answer::Finished(Finished { tid, .. })) } = said else {
            return None;
        };
        match self.pending.get(ticket) {
            Some(Pending::Finish(to, _)) => Some((to.conn, *tid)),
            _ => None,
        }
    }

    /// Transactions that are being made durable.
    pub(super) fn finishing(&self) -> usize {
        self.pending.values().filter(|pending| matches!(pending, Pending::Finish(..))).count()
    }

    /// Questions that are not answered.
    pub(super) fn questions(&self) -> usize {
        self.pending.len()
    }
}

/// What a step of the commit path works with.
pub(super) struct Scene<'a> {
    pub(super) desk: &'a mut Desk,
    pub(super) drafts: &'a mut Drafts,
    pub(super) stats: &'a mut Stats,
    pub(super) out: &'a mut Outputs,
}
