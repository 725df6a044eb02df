//! Promise 3: apply in order.

use super::{Checker, ConnName, Seen};
use crate::event::ClientId;
use crate::ledger::Books;
use std::collections::BTreeMap;
use zeolith_core::client::{Answer, Call, Change};
use zeolith_core::ids::{Oid, Tid};

/// What a load was asked and answered: object, before, serial, until.
type Reply = (Oid, Tid, Tid, Option<Tid>);

#[derive(Debug)]
struct Stream {
    conn: ConnName,
    /// The last transaction told since the connection was registered.
    told: Tid,
    /// For each reply, what was told when it was first sent.
    replies: BTreeMap<Reply, Tid>,
}

/// A client applies each message's effect on the cache before it looks at the next: when it answers with a reply, it has
/// told its callers of every transaction that was told to it before that reply.
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

    fn see(&mut self, seen: &Seen<'_>, _: &Books) -> Result<(), String> {
        match *seen {
            Seen::Registered(conn, _) => {
                let streams = self.streams.entry(conn.client).or_default();
                streams.push(Stream { conn, told: Tid::ZERO, replies: BTreeMap::new() });
                let old = streams.len().saturating_sub(2);
                streams.drain(..old);
            }
            Seen::Invalidated(conn, tid, _) | Seen::Finished(conn, tid) => {
                if let Some(stream) = self.stream(conn) {
                    stream.told = tid;
                }
            }
            Seen::Loaded { conn, oid, before, serial, until } => {
                if let Some(stream) = self.stream(conn) {
                    stream.replies.entry((oid, before, serial, until)).or_insert(stream.told);
                }
            }
            Seen::Changed { client, change: Change::Objects { tid, .. } | Change::Everything { tid } } => {
                self.changed.insert(client, *tid);
            }
            // The first time that an empty cache comes to a transaction nobody is told.
            Seen::State { clients } => {
                let last = clients.iter().filter_map(|(client, machine)| Some((*client, machine.last_tid()?)));
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

    fn answered(told: bool) -> Result<(), String> {
        let (oid, before) = (Oid(3), Tid::MAX);
        let call = asked(Call::Load { oid, before });
        let result = loaded(Some(revision(oid, 3, None)));
        let change = objects(4, &[0, 4]);
        let mut seen = vec![
            Seen::Registered(CONN, Tid(3)),
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
    fn an_answer_that_passes_an_invalidation_is_caught() {
        assert!(answered(false).is_err());
    }
}
