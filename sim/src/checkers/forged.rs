//! Forged histories, for the checkers' own tests.

use super::{Checker, ConnName, Seen, ServerNo};
use crate::event::ClientId;
use crate::history::{Asked, Place};
use crate::ledger::{Attempt, Books, Ledger};
use crate::log::Logged;
use bytes::Bytes;
use zeolith_core::client::{Answer, Call, Change, Error};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::Revision;

pub const SERVER: ServerNo = ServerNo(0);
pub const CLIENT: ClientId = ClientId(0);
pub const CONN: ConnName = conn(0, 1);

/// A connection of a client to the only server.
pub const fn conn(client: usize, number: u64) -> ConnName {
    ConnName { server: SERVER, client: ClientId(client), number }
}

/// A ledger with transactions 1 to 5; transaction n changed objects n and 0, and is durable and shown.
pub fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    for n in 1..=5 {
        ledger.enter(logged(n));
        ledger.durable.insert(Tid(n));
        ledger.shown.insert(Tid(n));
    }
    ledger
}

/// The books of one server with that ledger.
pub fn books() -> Books {
    Books::forged(ledger())
}

/// Transaction n of client 0, which is its attempt n.
pub fn logged(n: u64) -> Logged {
    let records = [Oid(0), Oid(n)].map(|oid| (oid, attempt(n).data(oid, 0)));
    let begins = if n == 1 { vec![Oid(0), Oid(1)] } else { vec![Oid(n)] };
    let description = attempt(n).to_string().into();
    Logged { tid: Tid(n), description, records: records.into(), begins, back: Vec::new() }
}

pub fn attempt(number: u64) -> Attempt {
    Attempt { client: CLIENT, number }
}

/// What transaction `serial` of the ledger made of an object.
pub fn revision(oid: Oid, serial: u64, until: Option<u64>) -> Revision {
    let data = Bytes::from(attempt(serial).data(oid, 0));
    Revision { data, serial: Tid(serial), until: until.map(Tid) }
}

/// A question of client 0, asked when its last transaction was 3.
pub fn asked(call: Call) -> Asked {
    Asked { call, at: Place(1), last: Some(Tid(3)), attempt: None, blob: Vec::new() }
}

/// The answer to a load.
pub fn loaded(revision: Option<Revision>) -> Result<Answer, Error> {
    Ok(Answer::Loaded(revision))
}

/// Transactions up to `tid` changed these objects.
pub fn objects(tid: u64, oids: &[u64]) -> Change {
    Change::Objects { tid: Tid(tid), oids: oids.iter().copied().map(Oid).collect() }
}

/// What the checker says of a history.
pub fn history(checker: &mut dyn Checker, books: &Books, seen: &[Seen<'_>]) -> Result<(), String> {
    seen.iter().try_for_each(|seen| checker.see(seen, books))
}
