//! Finding out what became of a transaction whose finish was not answered.
//!
//! Its objects are locked on the server until it is finished or given up there. So a read check of one of them is
//! voted: when that is answered, be it that the check fails, nothing can happen to the lost transaction any more, and the
//! object's history tells by the transaction's mark. It tells that there was none only where it reaches back to before the
//! transaction: a pack may have taken out all that it wrote. Where the vote fails otherwise (a storage that cannot write may hold the
//! transaction after its next start), where there is no writing, and on another server of the storage, a
//! history can only tell that it was committed.

use super::desk::Desk;
use super::event::Event;
use super::fault::Fault;
use super::link::Link;
use super::mark::Mark;
use super::purpose::Purpose;
use super::{Answer, Error, Finished, ServerId, Ticket, TxnRef};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::time::Instant;
use crate::wire::call::{Begin, Request, TxnId};
use crate::wire::remote::RemoteError;
use crate::wire::tree::Value;
use std::collections::BTreeSet;

/// So many answers of a server behind the one that tells of a transaction say that everything before it was told.
const OVERTAKEN: u8 = 2;

/// Whether a settlement goes on.
pub(super) enum Ending {
    Open,
    /// The caller knows, or never will.
    Done,
}

/// A transaction whose outcome is looked for.
#[derive(Debug)]
pub(super) struct Settlement {
    /// The server that was to finish it.
    server: ServerId,
    ticket: Ticket,
    at: TxnRef,
    /// What it can be told by: its mark, and an object that it wrote with the revision it was based on.
    clue: Option<(Mark, (Oid, Tid))>,
    changed: BTreeSet<Oid>,
    /// The last transaction before it, of those that are known.
    after: Tid,
    until: Instant,
    why: Fault,
    id: TxnId,
    /// Whether the lost transaction is known to be over.
    fenced: bool,
    /// How much of the history is asked for.
    count: i64,
    /// It was committed. What came before it may have been overtaken by the answer that says so, for so many more.
    found: Option<(Tid, u8)>,
}

impl Settlement {
    pub(super) fn new(
        desk: &Desk,
        (server, ticket): (ServerId, Ticket),
        at: TxnRef,
        clue: Option<(Mark, (Oid, Tid))>,
        changed: BTreeSet<Oid>,
        why: &Fault,
    ) -> Settlement {
        Settlement {
            server,
            ticket,
            at,
            clue,
            changed,
            after: desk.seen().expect("a client that finishes transactions was connected"),
            until: desk.now + desk.config.wait_timeout,
            why: why.clone(),
            id: TxnId(0),
            fenced: false,
            count: limits::SETTLE_HISTORY,
            found: None,
        }
    }

    /// How long it is looked for.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Begins, on a connection that is ready; false when there is nothing to go by or to find out, which the caller then
    /// knows.
    pub(super) fn start(&mut self, desk: &mut Desk, link: &mut Link, id: TxnId) -> bool {
        // What was found on a connection that is over was told by the verification of this one.
        let Some((_, (oid, serial))) = self.clue.filter(|_| self.found.is_none()) else {
            self.give_up(desk);
            return false;
        };
        (self.id, self.fenced, self.count) = (id, false, limits::SETTLE_HISTORY);
        if link.read_only {
            self.ask(desk, link);
        } else {
            link.tell(&Request::TpcBegin(Begin {
                txn: id,
                user: b"",
                description: b"",
                extension: Vec::new(),
                tid: None,
                status: b' ',
            }));
            link.tell(&Request::CheckCurrent { oid, serial, txn: id });
            link.call(desk, Purpose::Fence(self.at), &Request::Vote(id));
        }
        true
    }

    pub(super) fn is_of(&self, at: TxnRef) -> bool {
        self.at == at
    }

    /// The lost transaction is over if the read check has, or had, the object to itself. On another server that says
    /// nothing: the transaction may yet come there.
    pub(super) fn on_fence(
        &mut self,
        desk: &Desk,
        link: &mut Link,
        result: Result<Value<'_>, RemoteError>,
    ) -> Ending {
        let had_it = match result {
            Ok(_) => true,
            Err(RemoteError::ReadConflict(_) | RemoteError::Conflict(_) | RemoteError::PosKey(_)) => true,
            Err(_) => {
                mark!("a vote that should tell what became of a transaction is refused");
                false
            }
        };
        self.fenced = had_it && link.server == self.server;
        self.ask(desk, link);
        Ending::Open
    }

    fn ask(&self, desk: &Desk, link: &mut Link) {
        let (_, (oid, _)) = self.clue.expect("a settlement that was started has a clue");
        link.call(desk, Purpose::Settle(self.at), &Request::History { oid: Some(oid), size: self.count });
    }

    /// The object's history, the newest revision first.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn on_history(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        result: Result<Value<'_>, RemoteError>,
    ) -> Result<Ending, Fault> {
        let (mark, _) = self.clue.expect("a settlement that was started has a clue");
        let (mut read, mut reached) = (0, false);
        match result {
            Ok(value) => {
                let wrong = || Fault::result("history", "list of revisions");
                for entry in value.items().ok_or_else(wrong)? {
                    let tid = entry.field("tid").and_then(Value::as_tid).ok_or_else(wrong)?;
                    if mark.is_on(entry) {
                        self.leave(desk, link);
                        desk.log(Event::Settled(Some(tid)));
                        desk.finished(tid);
                        self.found = Some((tid, OVERTAKEN));
                        return Ok(self.reach(desk, link));
                    }
                    read += 1;
                    reached |= tid <= self.after;
                    #[cfg(feature = "planted-bugs")]
                    if desk.bug == Some(crate::planted::Bug::SettledTooSoon) {
                        reached = true;
                    }
                }
            }
            // One that is not there was not made, or a pack took it out.
            Err(_) => {
                self.leave(desk, link);
                self.give_up(desk);
                return Ok(Ending::Done);
            }
        }
        if !reached && read >= self.count && self.count < limits::SETTLE_HISTORY_MAX {
            self.count = (self.count * 16).min(limits::SETTLE_HISTORY_MAX);
            self.ask(desk, link);
            return Ok(Ending::Open);
        }
        self.leave(desk, link);
        if reached && self.fenced {
            desk.log(Event::Settled(None));
            let error = match &self.why {
                Fault::Refused(error) => Error::of(error.clone()),
                fault => Error::Lost(fault.to_string()),
            };
            desk.answer(self.ticket, Err(error));
        } else {
            self.give_up(desk);
        }
        Ok(Ending::Done)
    }

    /// One more answer is there.
    pub(super) fn on_overtaken(&mut self, desk: &mut Desk, link: &mut Link) -> Ending {
        if let Some((_, answers)) = &mut self.found {
            *answers -= 1;
        }
        self.reach(desk, link)
    }

    /// Tells the caller, once everything up to the transaction is there.
    fn reach(&self, desk: &mut Desk, link: &mut Link) -> Ending {
        let (tid, answers) = self.found.expect("it is known to be committed");
        if answers == 0 || link.in_order() || desk.cache.last_tid() >= Some(tid) {
            self.tell(desk, tid);
            return Ending::Done;
        }
        mark!("a settlement may have overtaken what came before");
        link.call(desk, Purpose::Settled(self.at), &Request::Ping);
        Ending::Open
    }

    fn tell(&self, desk: &mut Desk, tid: Tid) {
        let changed = self.changed.iter().copied().collect();
        desk.answer(self.ticket, Ok(Answer::Finished(Finished { tid, changed })));
    }

    /// The place on the server is given up.
    pub(super) fn leave(&self, desk: &Desk, link: &mut Link) {
        if !link.read_only {
            link.call(desk, Purpose::Abort(self.at, None), &Request::TpcAbort(self.id));
        }
    }

    /// Nobody can tell more.
    pub(super) fn give_up(&self, desk: &mut Desk) {
        if let Some((tid, _)) = self.found {
            return self.tell(desk, tid);
        }
        desk.answer(self.ticket, Err(Error::OutcomeUnknown(self.why.to_string())));
    }
}
