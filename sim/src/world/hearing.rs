//! What servers heard: the calls among what they were handed, and what they put out after which of them.
//!
//! A server looks at several messages before anything that it puts out is carried out. A reply comes after its call and before
//! the calls behind that, and what is put out before it follows from that call or those before. Which of them, nobody can tell:
//! checkers know of the others a little early, which have no answer yet.

use super::{World, servers};
use crate::checkers::{Seen, Violation};
use crate::event::ServerNo;
use crate::ledger::{Attempt, Books};
use bytes::Bytes;
use std::collections::VecDeque;
use zeolith_core::server::ConnId;
use zeolith_core::server::output::Output;
use zeolith_core::wire::call::{Request, TxnId};

/// The messages of one connection that a server has just looked at.
struct Heard {
    conn: ConnId,
    messages: VecDeque<Bytes>,
    /// How many of them come before each output.
    before: Vec<usize>,
    shown: usize,
}

/// A server was handed something: shows what it heard and carries out what it put out, as they follow from each other.
pub(super) fn follow(world: &mut World, server: ServerNo, outputs: Vec<Output>) -> Result<(), Violation> {
    let mut heard = heard(world, server, &outputs);
    for (at, output) in outputs.into_iter().enumerate() {
        for one in &mut heard {
            one.show(world, one.before[at])?;
        }
        servers::carry_out(world, server, output)?;
    }
    heard.iter_mut().try_for_each(|one| one.show(world, usize::MAX))
}

fn heard(world: &mut World, server: ServerNo, outputs: &[Output]) -> Vec<Heard> {
    let machine = world.nodes[server.0].server();
    let unheard = world.network.unheard(server).filter_map(|(conn, connection)| {
        // Of a connection that was closed nothing is kept.
        let left = machine.and_then(|machine| machine.buffered(conn)).unwrap_or(0);
        let messages = connection.said.heard(left);
        let before = match messages.len() {
            0 => return None,
            1 => vec![1; outputs.len()],
            all => {
                let called = connection.reader.called(&messages);
                let mut bound = all;
                let mut before: Vec<usize> = outputs
                    .iter()
                    .rev()
                    .map(|output| match output {
                        Output::Send { conn: to, packet } if *to == conn => {
                            let id = connection.reader.answers(&packet.to_vec());
                            let at = id.and_then(|id| called.iter().position(|it| it.as_ref() == Some(&id)));
                            bound = at.map_or(bound, |at| bound.min(at + 1));
                            bound
                        }
                        _ => bound,
                    })
                    .collect();
                before.reverse();
                before
            }
        };
        Some(Heard { conn, messages: messages.into(), before, shown: 0 })
    });
    unheard.collect()
}

impl Heard {
    /// Shows the messages up to this many.
    fn show(&mut self, world: &mut World, upto: usize) -> Result<(), Violation> {
        while self.shown < upto
            && let Some(message) = self.messages.pop_front()
        {
            self.shown += 1;
            let connection = world.network.far(self.conn).filter(|connection| connection.far);
            let Some(connection) = connection else { return Ok(()) };
            let (checkers, books, txn) = (&mut world.checkers, &mut world.books, &mut connection.txn);
            connection.reader.on_up(&message, &mut |seen| {
                if let Seen::Asked { request, .. } = &seen {
                    note(request, txn, books);
                }
                checkers.see(&seen, books)
            })?;
        }
        Ok(())
    }
}

/// Whose transaction it is, stands in its description.
fn note(request: &Request<'_>, txn: &mut Option<(TxnId, Attempt)>, books: &mut Books) {
    match request {
        Request::TpcBegin(begin) => {
            *txn = Attempt::of(begin.description).map(|attempt| (begin.txn, attempt));
        }
        Request::TpcFinish(id) => {
            books.finish_sent.extend(txn.filter(|(known, _)| known == id).map(|(_, attempt)| attempt));
        }
        _ => {}
    }
}
