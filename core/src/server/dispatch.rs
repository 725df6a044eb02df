//! The methods of a registered client: who carries out which.

use super::iterations::Element;
use super::names::ReplyTo;
use super::output::Outputs;
use super::session::Session;
use super::storage::Storage;
use super::undo_log::UndoSearch;
use crate::commit::blobs::Upload;
use crate::commit::txn::Header;
use crate::ids::Oid;
use crate::wire::call::{Begin, Request, Specification, TxnId};
use crate::wire::frame::Frame;
use crate::wire::remote::RemoteError;
use crate::wire::reply::Reply;
use bytes::Bytes;

/// What a call works with.
pub(super) struct Caller<'a, 'f> {
    pub to: &'a ReplyTo,
    pub session: &'a mut Session,
    pub storage: &'a mut Storage,
    /// The client may not write.
    pub read_only: bool,
    /// The message, of which the request's bytes are parts.
    pub frame: &'a Frame<'f>,
    pub out: &'a mut Outputs,
}

/// Carries out a request; `None` when the reply comes later.
pub(super) fn dispatch(
    request: Request<'_>,
    mut caller: Caller<'_, '_>,
) -> Result<Option<Reply>, RemoteError> {
    match request {
        Request::Register { .. } => unreachable!("the door takes care of it"),
        Request::LoadBefore(oid, before) => {
            caller.storage.load(caller.to.clone(), oid, before, caller.out);
            Ok(None)
        }
        Request::LoadSerial(oid, serial) => {
            caller.storage.load_serial(caller.to.clone(), oid, serial, caller.out);
            Ok(None)
        }
        Request::GetTid(oid) => {
            caller.storage.current_serial(caller.to.clone(), oid, caller.out);
            Ok(None)
        }
        Request::History { oid: None, .. } => Err(RemoteError::NoOid),
        Request::History { oid: Some(oid), size } => {
            // As in Python, a size below one asks for nothing.
            let count = usize::try_from(size).unwrap_or(0);
            caller.storage.history(caller.to.clone(), oid, count, caller.out);
            Ok(None)
        }
        Request::RecordIternext(from) => caller
            .storage
            .next_record(caller.to.clone(), from.unwrap_or(Oid::ZERO), caller.out)
            .map(|()| None),
        Request::IteratorStart { start, stop } => {
            caller.storage.iterate(caller.to.conn, start, stop).map(Some)
        }
        Request::IteratorNext(iterator) => {
            caller.storage.next_element(caller.to.clone(), iterator, Element::Transaction, caller.out);
            Ok(None)
        }
        Request::IteratorRecordStart { iterator, tid } => {
            caller.storage.iterate_records(caller.to.conn, iterator, tid).map(Some)
        }
        Request::IteratorRecordNext(iterator) => {
            caller.storage.next_element(caller.to.clone(), iterator, Element::Record, caller.out);
            Ok(None)
        }
        Request::IteratorGc(iterators) => {
            caller.storage.end_iterations(caller.to.conn, &iterators, caller.out);
            Ok(Some(Reply::None))
        }
        Request::GetInfo => Ok(Some(caller.storage.info())),
        Request::LastTransaction => Ok(Some(Reply::Tid(caller.storage.last_tid()))),
        Request::GetInvalidations(since) => Ok(Some(caller.storage.invalidations(since))),
        Request::ServerStatus => Ok(Some(Reply::Status(caller.storage.status()))),
        Request::Ping => Ok(Some(Reply::None)),
        Request::SetClientLabel(label) => {
            caller.session.set_label(label);
            Ok(Some(Reply::None))
        }
        Request::NewOids(count) => {
            caller.writable()?;
            caller.storage.new_oids(count).map(Some)
        }
        Request::TpcBegin(begin) => caller.begin(begin),
        Request::Storea { oid, serial, data, txn } => {
            caller.writable()?;
            let (conn, data) = (caller.to.conn, caller.frame.share(data));
            caller.storage.commit(caller.out, |commits, scene| {
                scene.audience.stats.stores += 1;
                commits.change(conn, txn, |txn| txn.store(oid, serial, data))
            })?;
            Ok(Some(Reply::None))
        }
        Request::DeleteObject { oid, serial, txn } => {
            caller.writable()?;
            let conn = caller.to.conn;
            caller.storage.commit(caller.out, |commits, scene| {
                scene.audience.stats.stores += 1;
                commits.change(conn, txn, |txn| txn.delete(oid, serial))
            })?;
            Ok(Some(Reply::None))
        }
        Request::Restorea { oid, serial, data, prev_txn, txn } => {
            caller.writable()?;
            let (conn, data) = (caller.to.conn, data.map(|data| caller.frame.share(data)));
            caller.storage.commit(caller.out, |commits, scene| {
                scene.audience.stats.stores += 1;
                commits.change(conn, txn, |txn| txn.restore(oid, serial, data, prev_txn))
            })?;
            Ok(Some(Reply::None))
        }
        Request::CheckCurrent { oid, serial, txn } => {
            caller.writable()?;
            let conn = caller.to.conn;
            caller
                .storage
                .commit(caller.out, |commits, _| commits.change(conn, txn, |txn| txn.check(oid, serial)))?;
            Ok(Some(Reply::None))
        }
        Request::Vote(txn) => caller.vote(txn),
        Request::TpcFinish(txn) => caller.finish(txn),
        Request::TpcAbort(txn) => caller.abort(txn),
        Request::Undoa { tid, txn } if caller.storage.supports_undo() => {
            caller.writable()?;
            let conn = caller.to.conn;
            caller.storage.commit(caller.out, |commits, _| commits.change(conn, txn, |txn| txn.undo(tid)))?;
            Ok(Some(Reply::None))
        }
        Request::UndoLog { first, last } if caller.storage.supports_undo() => {
            let search = UndoSearch::new(caller.to.clone(), first, last, Specification::new());
            caller.storage.undo_log(search, caller.out);
            Ok(None)
        }
        Request::UndoInfo { first, last, specification } if caller.storage.supports_undo() => {
            let search = UndoSearch::new(caller.to.clone(), first, last, specification);
            caller.storage.undo_log(search, caller.out);
            Ok(None)
        }
        Request::StoreBlobStart if caller.storage.has_blobs() => caller.upload(None, Upload::Start),
        Request::StoreBlobChunk(chunk) if caller.storage.has_blobs() => {
            let chunk = caller.frame.share(chunk);
            caller.upload(None, Upload::Chunk(chunk))
        }
        Request::StoreBlobEnd { oid, serial, data, txn } if caller.storage.has_blobs() => {
            let data = caller.frame.share(data);
            caller.upload(Some(txn), Upload::End(oid, serial, data))
        }
        Request::StoreBlobShared { oid, serial, data, filename, txn } if caller.storage.has_blobs() => {
            let data = caller.frame.share(data);
            caller.upload(Some(txn), Upload::Shared(oid, serial, data, filename))
        }
        Request::SendBlob(oid, tid) if caller.storage.has_blobs() => {
            caller.storage.send_blob(caller.to.clone(), oid, tid, caller.out);
            Ok(None)
        }
        request
        @ (Request::Undoa { .. } | Request::StoreBlobEnd { .. } | Request::StoreBlobShared { .. }) => {
            caller.writable()?;
            Err(RemoteError::unsupported(request.method()))
        }
        // A client that may not write may pack.
        Request::Pack { .. } if caller.storage.read_only() => Err(RemoteError::ReadOnly),
        Request::Pack { time, wait } => caller.storage.pack(caller.to.clone(), time, wait, caller.out),
        // Nothing can be undone.
        Request::UndoLog { .. } | Request::UndoInfo { .. } => Ok(Some(Reply::UndoLog(Vec::new()))),
        request @ (Request::StoreBlobStart | Request::StoreBlobChunk(_) | Request::SendBlob(..)) => {
            Err(RemoteError::unsupported(request.method()))
        }
    }
}

impl Caller<'_, '_> {
    fn writable(&self) -> Result<(), RemoteError> {
        if self.read_only { Err(RemoteError::ReadOnly) } else { Ok(()) }
    }

    fn begin(&mut self, begin: Begin<'_>) -> Result<Option<Reply>, RemoteError> {
        self.writable()?;
        let conn = self.to.conn;
        let header = Header {
            id: begin.txn,
            user: Bytes::copy_from_slice(begin.user),
            description: Bytes::copy_from_slice(begin.description),
            extension: Bytes::from(begin.extension),
            tid: begin.tid,
            status: begin.status,
        };
        self.storage.commit(self.out, |commits, _| commits.begin(conn, header))?;
        Ok(Some(Reply::None))
    }

    fn upload(&mut self, txn: Option<TxnId>, step: Upload<'_>) -> Result<Option<Reply>, RemoteError> {
        self.writable()?;
        let conn = self.to.conn;
        self.storage.commit(self.out, |commits, scene| commits.upload(conn, txn, step, scene))?;
        Ok(Some(Reply::None))
    }

    fn vote(&mut self, txn: TxnId) -> Result<Option<Reply>, RemoteError> {
        self.writable()?;
        let to = self.to.clone();
        self.storage.commit(self.out, |commits, scene| commits.vote(to, txn, scene))?;
        Ok(None)
    }

    fn finish(&mut self, txn: TxnId) -> Result<Option<Reply>, RemoteError> {
        self.writable()?;
        let to = self.to.clone();
        self.storage.commit(self.out, |commits, scene| commits.finish(to, txn, scene))?;
        Ok(None)
    }

    fn abort(&mut self, txn: TxnId) -> Result<Option<Reply>, RemoteError> {
        self.writable()?;
        let conn = self.to.conn;
        self.storage.commit(self.out, |commits, scene| commits.abort(conn, txn, scene));
        Ok(Some(Reply::None))
    }
}
