//! Promise 3: apply in order.

use super::window::verifies;
use super::{Checker, ConnName, Seen};
use crate::event::ClientId;
use crate::ledger::Books;
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::client::{Answer, Call, Change};
use zeolith_core::ids::{Oid, Tid};

/// What a load was asked and answered: object, before, serial, until.
type Reply = (Oid, Tid, Tid, Option<Tid>);

#[derive(Debug)]
struct Stream {
    conn: ConnName,
    /// It is not ready yet, for all that the server can know: what it is told then is kept for later.
    verifies: bool,
    /// The last transaction told since then.
    told: Tid,
    /// The transactions of others told since then.
    others: BTreeSet<Tid>,
    /// For each reply, what was told when it was first sent.
    replies: BTreeMap<Reply, Tid>,
}

/// A client applies each message's effect on the cache before it looks at the next: when it answers with a reply, it has
/// told its callers of every transaction that was told to it before that reply, and it tells of them in their order.
#[derive(Debug, Default)]
pub struct ApplyInOrder {
    /// Each client's last two connections: bytes of the one before may still be on their way.
    streams: BTreeMap<ClientId, Vec<Stream>>,
    /// The last transaction that each client told its callers of.
    changed: BTreeMap<ClientId, Tid>,
}

impl ApplyInOrder {
    fn stream(&mut self, conn: ConnName) -> Option<&mut Stream> {
        self.streams.get_mut(&conn.client)?.iter_mut().find(|stream| stream.conn == conn)
    }

    /// A client passes over no transaction that was told to it before the one it tells of.
    fn on_change(&mut self, client: ClientId, change: &Change, books: &Books) -> Result<(), String> {
        let (Change::Objects { tid, .. } | Change::Everything { tid }) = *change;
        let last = self.changed.insert(client, tid);
        let newest = self.streams.get_mut(&client).and_then(|streams| streams.last_mut());
        let (Some(last), Some(stream)) = (last, newest) else { return Ok(()) };
        let others = std::mem::take(&mut stream.others);
        stream.others = others.range(tid.next()..).copied().collect();
        let (Change::Objects { oids, .. }, ledger) = (change, books.of(stream.conn.server)) else {
            return Ok(());
        };
        for other in others.range(..tid).filter(|&&other| other > last && ledger.knows(tid)) {
            let changed = ledger.changes.get(other);
            if changed.is_some_and(|changed| changed.iter().any(|oid| !oids.contains(oid))) {
                return Err(format!(
                    "client {} goes from {last} to {tid}, and was told of {other}",
                    client.0
                ));
            }
        }
        Ok(())
    }

    fn on_loaded(&self, client: ClientId, reply: Reply) -> Result<(), String> {
        // What no server replied came from the cache.
        let sent = self.streams.get(&client).into_iter().flatten();
        let Some(told) = sent.filter_map(|stream| stream.replies.get(&reply).copied()).min() else {
            return Ok(());
        };
        let changed = self.changed.get(&client).copied().unwrap_or_default();
        if told <= changed {
            return Ok(());
        }
        let (oid, _, serial, _) = reply;
        Err(format!(
            "client {} answers with {serial} of {oid}, which came behind {told}, and is still at {changed}",
            client.0
        ))
    }
}

impl Checker for ApplyInOrder {
    fn promise(&self) -> u32 {
        3
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        match *seen {
            Seen::Registered(conn, _) => {
                let streams = self.streams.entry(conn.client).or_default();
                streams.push(Stream {
                    conn,
                    verifies: true,
                    told: Tid::ZERO,
                    others: BTreeSet::new(),
                    replies: BTreeMap::new(),
                });
                let old = streams.len().saturating_sub(2);
                streams.drain(..old);
            }
            Seen::Asked { conn, request } => {
                if let Some(stream) = self.stream(conn) {
                    stream.verifies &= verifies(request);
                }
            }
            Seen::Invalidated(conn, tid, _) => {
                if let Some(stream) = self.stream(conn).filter(|stream| !stream.verifies) {
                    stream.told = tid;
                    stream.others.insert(tid);
                }
            }
            Seen::Finished(conn, tid) => {
                if let Some(stream) = self.stream(conn) {
                    stream.told = tid;
                }
            }
            Seen::Loaded { conn, oid, before, serial, until } => {
                if let Some(stream) = self.stream(conn) {
                    stream.replies.entry((oid, before, serial, until)).or_insert(stream.told);
                }
            }
            Seen::Changed { client, change } => self.on_change(client, change, books)?,
            // The first time that an empty cache comes to a transaction nobody is told.
            Seen::State { clients } => {
                let last =
                    clients.iter().filter_map(|(client, machine)| Some((*client, machine.last_tid()?)));
                self.changed.extend(last);
            }
            Seen::Reset { client, kept } => {
                self.streams.remove(&client);
                self.changed.remove(&client);
                self.changed.extend(kept.map(|kept| (client, kept)));
            }
            Seen::Answered { client, call, result: Ok(Answer::Loaded(Some(revision))) } => {
                if let Call::Load { oid, before } = call.call {
                    self.on_loaded(client, (oid, before, revision.serial, revision.until))?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CLIENT, CONN, asked, books, history, loaded, objects, revision};
    use super::*;
    use zeolith_core::wire::call::Request;

    const READ: Request<'static> = Request::LoadBefore(Oid(3), Tid::MAX);

    fn answered(told: bool) -> Result<(), String> {
        let (oid, before) = (Oid(3), Tid::MAX);
        let call = asked(Call::Load { oid, before });
        let result = loaded(Some(revision(oid, 3, None)));
        let change = objects(4, &[0, 4]);
        let mut seen = vec![
            Seen::Registered(CONN, Tid(3)),
            Seen::Asked { conn: CONN, request: &READ },
            Seen::Invalidated(CONN, Tid(4), &[Oid(0), Oid(4)]),
            Seen::Loaded { conn: CONN, oid, before, serial: Tid(3), until: None },
        ];
        seen.extend(told.then_some(Seen::Changed { client: CLIENT, change: &change }));
        seen.push(Seen::Answered { client: CLIENT, call: &call, result: &result });
        history(&mut ApplyInOrder::default(), &books(), &seen)
    }

    #[test]
    fn an_answer_behind_what_came_before_it_is_good() {
        assert_eq!(answered(true), Ok(()));
    }

    #[test]
    fn a_transaction_that_passes_another_is_caught() {
        let (late, begin) = (objects(5, &[0, 5]), objects(3, &[0, 3]));
        let seen = [
            Seen::Registered(CONN, Tid(3)),
            Seen::Changed { client: CLIENT, change: &begin },
            Seen::Asked { conn: CONN, request: &READ },
            Seen::Invalidated(CONN, Tid(4), &[Oid(0), Oid(4)]),
            Seen::Finished(CONN, Tid(5)),
            Seen::Changed { client: CLIENT, change: &late },
        ];
        assert!(history(&mut ApplyInOrder::default(), &books(), &seen).is_err());
    }

    #[test]
    fn an_answer_that_passes_an_invalidation_is_caught() {
        assert!(answered(false).is_err());
    }
}
