//! Blobs on their ways: up with transactions, and down to clients through the folder, where they stay.

use super::desk::{Desk, Pending};
use super::drafts::{Drafts, News, Owner};
use super::errors::remote;
use crate::client::{Call, Error, Input, TxnRef};
use crate::ids::{Oid, Tid};
use crate::server::blob_streams::{BlobStreams, Missing};
use crate::server::names::{ConnId, ReplyTo};
use crate::server::output::Outputs;
use crate::store::blob::{BlobDone, DraftId};
use crate::wire::remote::RemoteError;
use std::collections::BTreeMap;

/// The blobs of one relayed storage.
#[derive(Debug, Default)]
pub(super) struct Blobs {
    pub(super) drafts: Drafts,
    /// Blobs that are fetched, and for whom.
    fetches: BTreeMap<(Oid, Tid), Vec<ConnId>>,
    streams: BlobStreams,
    /// Whose blob is being read to be handed up.
    reading: Option<TxnRef>,
}

impl Blobs {
    /// A client asks for a blob. What is not `visible` yet is not there.
    pub(super) fn send(&mut self, to: ReplyTo, blob: (Oid, Tid), visible: bool, out: &mut Outputs) {
        self.streams.start(to, blob, visible, &mut |op| self.drafts.push(op), out);
    }

    /// A peer took enough for more of a blob to be read for it.
    pub(super) fn on_room(&mut self, conn: ConnId) {
        self.streams.on_room(conn, &mut |op| self.drafts.push(op));
    }

    /// A client is gone.
    pub(super) fn leave(&mut self, conn: ConnId) {
        self.streams.leave(conn);
    }

    /// Takes an outcome; gives what a transaction should know.
    pub(super) fn on_done(&mut self, done: BlobDone, desk: &mut Desk, out: &mut Outputs) -> Option<News> {
        if let BlobDone::Read { reader, result } = done {
            let disk = &mut |op| self.drafts.push(op);
            if let Some(missing) = self.streams.on_read(reader, result, disk, out) {
                self.fetch(missing, desk);
            }
            return None;
        }
        match self.drafts.on_done(done, out)? {
            News::Part(piece) => {
                if let Some(txn) = self.reading.take() {
                    let piece = piece.map_err(|error| error.to_string());
                    desk.input(Input::BlobRead { txn, piece });
                }
                None
            }
            News::Fetched(oid, tid, result) => {
                self.on_fetched(oid, tid, result, out);
                None
            }
            news => Some(news),
        }
    }

    /// A blob is not here: it is fetched, once for all who wait for it.
    fn fetch(&mut self, Missing { conn, oid, tid }: Missing, desk: &mut Desk) {
        let waiting = self.fetches.entry((oid, tid)).or_default();
        waiting.push(conn);
        if waiting.len() == 1 {
            let draft = self.drafts.start(Owner::Fetch(oid, tid));
            desk.ask(Pending::Fetch(draft, oid, tid), Call::LoadBlob { oid, serial: tid });
        }
    }

    /// All of a blob came, or it will not.
    pub(super) fn on_answer(
        &mut self,
        draft: DraftId,
        (oid, tid): (Oid, Tid),
        result: Result<(), Error>,
        out: &mut Outputs,
    ) {
        match result {
            Ok(()) => self.drafts.complete(draft),
            Err(error) => {
                self.drafts.discard(draft, out);
                self.on_fetched(oid, tid, Err(remote(error)), out);
            }
        }
    }

    /// A blob is here, or will never be.
    fn on_fetched(&mut self, oid: Oid, tid: Tid, result: Result<(), RemoteError>, out: &mut Outputs) {
        for conn in self.fetches.remove(&(oid, tid)).unwrap_or_default() {
            let disk = &mut |op| self.drafts.push(op);
            match &result {
                Ok(()) => self.streams.read(conn, disk),
                Err(error) => self.streams.refuse(conn, error, disk, out),
            }
        }
    }

    /// Reads on in a blob that is handed up.
    pub(super) fn read_back(&mut self, txn: TxnRef, draft: DraftId) {
        self.reading = Some(txn);
        self.drafts.read_back(draft);
    }

    /// What is kept, in words.
    pub(super) fn held(&self) -> Vec<String> {
        let kept = [(self.drafts.len(), "drafts of blobs"), (self.fetches.len(), "blobs that are fetched")];
        let kept = kept.into_iter().filter(|(number, _)| *number > 0);
        let kept = kept.map(|(number, what)| format!("{number} {what}"));
        kept.chain(self.streams.readers().map(|conn| format!("a blob for connection {}", conn.0))).collect()
    }
}
