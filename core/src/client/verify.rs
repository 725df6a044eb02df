//! Bringing the cache up to date with a server, and keeping it so.

use super::config::WhenBehind;
use super::desk::Desk;
use super::event::{Event, Verified};
use super::fault::Fault;
use super::link::Link;
use super::purpose::Purpose;
use super::replies;
use crate::ids::{Oid, Tid};
use crate::wire::call::Request;
use crate::wire::remote::RemoteError;
use crate::wire::tree::Value;

#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;

/// How far the verification with the present server is. An answer to one of its calls is under way until it is done.
#[derive(Debug, Default)]
pub(super) struct Verification {
    /// The server's last transaction when it registered the client: later ones are told.
    server: Tid,
    /// What was kept had to be dropped, so that the answer under way is of no use.
    flooded: bool,
    outcome: Option<Verified>,
    /// What callers know may be of another history.
    anew: bool,
    /// Everything up to here was told by an answer.
    told: Option<Tid>,
}

/// Whether the server may be worked with at all.
///
/// # Errors
/// When it knows less than this client, unless the client is to make do with that.
pub(super) fn check_behind(desk: &Desk, server: Tid) -> Result<(), Fault> {
    match desk.floor() {
        Some(client) if server < client && desk.config.when_behind == WhenBehind::Refuse => {
            Err(Fault::Behind { server, client })
        }
        _ => Ok(()),
    }
}

impl Verification {
    /// What became of the cache; `None` while it is being verified.
    pub(super) fn outcome(&self) -> Option<Verified> {
        self.outcome
    }

    /// Whether callers were told that anything may have changed.
    pub(super) fn is_anew(&self) -> bool {
        self.anew
    }

    /// Whether an answer that verified the cache has told of this transaction already.
    pub(super) fn has_told(&self, tid: Tid) -> bool {
        self.told.is_some_and(|told| tid <= told)
    }

    /// Begins, with what the server said of its last transaction when it registered the client.
    ///
    /// # Errors
    /// When the server is behind.
    pub(super) fn start(&mut self, desk: &mut Desk, link: &mut Link, last: Option<Tid>) -> Result<(), Fault> {
        *self = Verification::default();
        match last {
            Some(last) => self.compare(desk, link, last),
            None => {
                ask_last(desk, link);
                Ok(())
            }
        }
    }

    /// Compares what the server knows with the cache.
    fn compare(&mut self, desk: &mut Desk, link: &mut Link, server: Tid) -> Result<(), Fault> {
        check_behind(desk, server)?;
        self.server = server;
        let behind = desk.floor().is_some_and(|floor| server < floor);
        match desk.cache.last_tid() {
            _ if behind => self.begin(desk, link, Verified::Behind),
            None => self.begin(desk, link, Verified::Empty),
            Some(known) if known == server => self.done(desk, link, Verified::UpToDate),
            Some(known) => {
                #[cfg(feature = "planted-bugs")]
                if desk.bug == Some(Bug::LastTidAhead) {
                    desk.run_ahead(server);
                }
                link.call(desk, Purpose::Invalidations, &Request::GetInvalidations(known));
                Ok(())
            }
        }
    }

    /// The answer to `lastTransaction`.
    ///
    /// # Errors
    /// When it is none, or the server is behind.
    pub(super) fn on_last(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        result: Result<Value<'_>, RemoteError>,
    ) -> Result<(), Fault> {
        let last = replies::tid(result.map_err(Fault::Refused)?, "lastTransaction")?;
        if self.begins_anew(desk, link) { Ok(()) } else { self.compare(desk, link, last) }
    }

    /// What changed since the cache's last transaction.
    ///
    /// # Errors
    /// When it is no such answer, or reaches less far than what is told from the registration on.
    pub(super) fn on_invalidations(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        result: Result<Value<'_>, RemoteError>,
    ) -> Result<(), Fault> {
        let told = replies::invalidations(result.map_err(Fault::Refused)?, self.server)?;
        if self.begins_anew(desk, link) {
            return Ok(());
        }
        let Some((upto, oids)) = told else { return self.begin(desk, link, Verified::TooOld) };
        for oid in &oids {
            #[cfg(feature = "planted-bugs")]
            if desk.bug == Some(Bug::KeptAcrossReconnect) {
                continue;
            }
            desk.cache.forget(*oid);
        }
        #[cfg(feature = "planted-bugs")]
        let oids = if desk.bug == Some(Bug::VerifiedUntold) { Vec::new() } else { oids };
        desk.advance(upto, oids);
        self.done(desk, link, Verified::Quick)
    }

    /// More came than is kept meanwhile: the cache is dropped, and begins anew where the server is after that.
    pub(super) fn on_flood(&mut self, desk: &mut Desk, link: &mut Link) {
        drop(link.take_kept());
        desk.cache.clear();
        self.flooded = true;
        let server = desk.config.servers[link.server.0].clone();
        desk.log(Event::Flooded { server });
    }

    fn begins_anew(&mut self, desk: &Desk, link: &mut Link) -> bool {
        let anew = std::mem::take(&mut self.flooded);
        if anew {
            ask_last(desk, link);
        }
        anew
    }

    /// There is nothing to be kept: the cache is empty, as of what the server said last.
    fn begin(&mut self, desk: &mut Desk, link: &mut Link, outcome: Verified) -> Result<(), Fault> {
        self.anew = desk.begin_at(self.server);
        self.done(desk, link, outcome)
    }

    /// The cache is right as of its last transaction: what was kept and is later follows.
    fn done(&mut self, desk: &mut Desk, link: &mut Link, outcome: Verified) -> Result<(), Fault> {
        self.outcome = Some(outcome);
        self.told = desk.cache.last_tid();
        #[cfg(feature = "planted-bugs")]
        if desk.bug == Some(Bug::KeptInvalidationsDropped) {
            drop(link.take_kept());
        }
        for (tid, oids) in link.take_kept() {
            if desk.cache.last_tid().is_some_and(|last| last < tid) {
                apply(desk, tid, oids)?;
            }
        }
        Ok(())
    }
}

fn ask_last(desk: &Desk, link: &mut Link) {
    link.call(desk, Purpose::LastTransaction, &Request::LastTransaction);
}

/// Applies another client's transaction: the objects first, then the tid.
///
/// # Errors
/// When it is not later than the last one.
pub(super) fn apply(desk: &mut Desk, tid: Tid, oids: Vec<Oid>) -> Result<(), Fault> {
    desk.check_order(tid)?;
    for oid in &oids {
        desk.cache.invalidate(*oid, tid);
    }
    desk.advance(tid, oids);
    Ok(())
}
