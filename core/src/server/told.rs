//! What a store says, as clients are told it.

use super::event::Event;
use super::output::Outputs;
use crate::ids::Tid;
use crate::store::{CopiedRecord, Past, Revision, TransactionHead};
use crate::wire::reply::{Extensions, PastRevision, Reply};
use crate::wire::{Codec, Malformed};

/// The reply to a load.
pub(super) fn revision(revision: Option<Revision>) -> Reply {
    match revision {
        Some(Revision { data, serial, until }) => Reply::Revision { data, serial, until },
        None => Reply::None,
    }
}

/// The reply to `history`. Extension data that the client cannot take is left out.
pub(super) fn history(storage: &str, codec: Codec, pasts: Vec<Past>, out: &mut Outputs) -> Reply {
    let mut extensions = Extensions::new(codec);
    let mut left_out: Option<(Tid, Malformed)> = None;
    let revisions = pasts.into_iter().map(|past| {
        let (extension, missing) = extensions.read(&past.extension);
        left_out = left_out.take().or(missing.map(|why| (past.tid, why)));
        let Past { tid, size, user, description, .. } = past;
        PastRevision { tid, size, user, description, extension }
    });
    let reply = Reply::History(revisions.collect());
    note_left_out(storage, left_out, out);
    reply
}

/// The reply to `iterator_next`. Extension data that the client cannot take is left out.
pub(super) fn transaction(storage: &str, codec: Codec, head: TransactionHead, out: &mut Outputs) -> Reply {
    let (extension, missing) = Extensions::new(codec).read(&head.extension);
    note_left_out(storage, missing.map(|why| (head.tid, why)), out);
    let TransactionHead { tid, status, user, description, .. } = head;
    Reply::IteratedTransaction { tid, status, user, description, extension }
}

/// The reply to `iterator_record_next`.
pub(super) fn record(record: CopiedRecord) -> Reply {
    let CopiedRecord { oid, serial: tid, data, same_as: data_txn } = record;
    Reply::IteratedRecord { oid, tid, data, data_txn }
}

fn note_left_out(storage: &str, left_out: Option<(Tid, Malformed)>, out: &mut Outputs) {
    if let Some((tid, why)) = left_out {
        out.log(Event::ExtensionLeftOut { storage: storage.to_owned(), tid, why: why.to_string() });
    }
}
