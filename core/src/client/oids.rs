//! Oids that were never used: a pool that is filled again before it is empty.

use super::desk::Desk;
use super::fault::Fault;
use super::link::Link;
use super::purpose::Purpose;
use super::{Answer, Error, Ticket};
use crate::ids::Oid;
use crate::limits;
use crate::wire::call::Request;
use crate::wire::remote::RemoteError;
use crate::wire::tree::Value;
use std::collections::VecDeque;

/// With so few left, more are asked for.
const LOW: usize = limits::NEW_OIDS as usize / 2;

/// The pool, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Oids {
    pool: VecDeque<Oid>,
    asked: bool,
    waiters: VecDeque<Ticket>,
}

impl Oids {
    /// Callers that need one.
    pub(super) fn waiting(&self) -> usize {
        self.waiters.len()
    }

    /// Somebody needs one.
    pub(super) fn ask(&mut self, desk: &mut Desk, link: &mut Link, ticket: Ticket) {
        self.waiters.push_back(ticket);
        self.serve(desk, link);
    }

    /// New ones.
    ///
    /// # Errors
    /// When they are none, or more than are given out at a time.
    pub(super) fn on_reply(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        result: Result<Value<'_>, RemoteError>,
    ) -> Result<(), Fault> {
        match result {
            Ok(value) => {
                let few = |oids: &Vec<Oid>| !oids.is_empty() && oids.len() <= limits::NEW_OIDS_MAX;
                let oids = value.oids().filter(few);
                self.pool.extend(oids.ok_or_else(|| Fault::result("new_oids", "list of new oids"))?);
                self.asked = false;
                self.serve(desk, link);
            }
            Err(error) => {
                self.asked = false;
                let error = Error::of(error);
                for ticket in self.waiters.drain(..) {
                    desk.answer(ticket, Err(error.clone()));
                }
            }
        }
        Ok(())
    }

    /// The connection is over. What is left of the pool is given up: after a restart a server may give those oids to
    /// others.
    pub(super) fn on_lost(&mut self, desk: &mut Desk, fault: &Fault) {
        self.pool.clear();
        self.asked = false;
        for ticket in self.waiters.drain(..) {
            desk.answer(ticket, Err(fault.lost()));
        }
    }

    fn serve(&mut self, desk: &mut Desk, link: &mut Link) {
        while let Some(ticket) = self.waiters.front()
            && (!self.pool.is_empty() || !desk.is_open(*ticket))
        {
            let ticket = self.waiters.pop_front().expect("just seen");
            if desk.is_open(ticket) {
                let oid = self.pool.pop_front().expect("a pool that is not empty");
                desk.answer(ticket, Ok(Answer::Oid(oid)));
            }
        }
        if self.pool.len() < LOW && !self.asked {
            self.asked = true;
            link.call(desk, Purpose::Oids, &Request::NewOids(limits::NEW_OIDS as i64));
        }
    }
}
