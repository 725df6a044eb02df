//! The methods of a client of a relayed storage: what is answered here, and what above.

use super::Relay;
use super::desk::Then;
use crate::client::Operation;
use crate::commit::blobs::Upload;
use crate::commit::txn::Header;
use crate::server::names::ReplyTo;
use crate::server::output::Outputs;
use crate::server::session::Session;
use crate::wire::call::{Begin, Request, TxnId};
use crate::wire::frame::Frame;
use crate::wire::remote::RemoteError;
use crate::wire::reply::Reply;
use bytes::Bytes;

/// What a call works with.
pub(in crate::server) struct Caller<'a, 'f> {
    pub to: &'a ReplyTo,
    pub session: &'a mut Session,
    pub relay: &'a mut Relay,
    /// The client may not write.
    pub read_only: bool,
    /// The message, of which the request's bytes are parts.
    pub frame: &'a Frame<'f>,
    pub out: &'a mut Outputs,
}

/// Carries out a request; `None` when the reply comes later.
pub(in crate::server) fn dispatch(
    request: Request<'_>,
    mut caller: Caller<'_, '_>,
) -> Result<Option<Reply>, RemoteError> {
    let to = caller.to.clone();
    match request {
        Request::Register { .. } => unreachable!("the door takes care of it"),
        Request::GetInfo => Ok(Some(caller.relay.info())),
        Request::LastTransaction => Ok(Some(Reply::Tid(caller.relay.last_tid()))),
        Request::ServerStatus => Ok(Some(Reply::Status(caller.relay.status()))),
        Request::SetClientLabel(label) => {
            caller.session.set_label(label);
            Ok(Some(Reply::None))
        }
        Request::Ping => Ok(caller.relay.ping(to, caller.out)),
        Request::GetInvalidations(since) => Ok(caller.relay.invalidations(to, since, caller.out)),
        Request::LoadBefore(oid, before) => {
            caller.relay.load(to, oid, before, caller.out);
            Ok(None)
        }
        Request::LoadSerial(oid, serial) => {
            caller.relay.load_serial(to, oid, serial, caller.out);
            Ok(None)
        }
        Request::GetTid(oid) => caller.pass(Request::GetTid(oid), Then::Reply),
        Request::History { oid, size } => caller.pass(Request::History { oid, size }, Then::List),
        Request::UndoLog { first, last } => caller.pass(Request::UndoLog { first, last }, Then::List),
        Request::UndoInfo { first, last, specification } => {
            caller.pass(Request::UndoInfo { first, last, specification }, Then::List)
        }
        Request::RecordIternext(from) => caller.pass(Request::RecordIternext(from), Then::Reply),
        Request::IteratorStart { start, stop } => {
            caller.pass(Request::IteratorStart { start, stop }, Then::Begin)
        }
        Request::IteratorNext(id) => {
            caller.relay.iterate(to, id, Request::IteratorNext(id), Then::Next(id), caller.out)?;
            Ok(None)
        }
        Request::IteratorRecordStart { iterator, tid } => {
            let request = Request::IteratorRecordStart { iterator, tid };
            caller.relay.iterate(to, iterator, request, Then::Begin, caller.out)?;
            Ok(None)
        }
        Request::IteratorRecordNext(id) => {
            caller.relay.iterate(to, id, Request::IteratorRecordNext(id), Then::Next(id), caller.out)?;
            Ok(None)
        }
        Request::IteratorGc(ids) => {
            caller.relay.end_iterations(to.conn, &ids, caller.out);
            Ok(Some(Reply::None))
        }
        // A client that may not write may pack.
        Request::Pack { .. } if caller.relay.read_only() => Err(RemoteError::ReadOnly),
        Request::Pack { time, wait } => caller.pass(Request::Pack { time, wait }, Then::Reply),
        Request::NewOids(count) => {
            caller.writable()?;
            caller.pass(Request::NewOids(count), Then::List)
        }
        Request::TpcBegin(begin) => caller.begin(begin),
        Request::Storea { oid, serial, data, txn } => {
            let data = caller.frame.share(data);
            caller.store(txn, Operation::Store { oid, serial, data })
        }
        Request::DeleteObject { oid, serial, txn } => caller.store(txn, Operation::Delete { oid, serial }),
        Request::Restorea { oid, serial, data, prev_txn: same_as, txn } => {
            let data = data.map(|data| caller.frame.share(data));
            caller.store(txn, Operation::Restore { oid, serial, data, same_as })
        }
        Request::CheckCurrent { oid, serial, txn } => {
            caller.change(txn, Operation::ReadCheck { oid, serial })
        }
        Request::Undoa { tid, txn } if caller.relay.info.supports_undo => {
            caller.change(txn, Operation::Undo(tid))
        }
        Request::Vote(txn) => {
            caller.writable()?;
            caller.relay.commit(caller.out, |commits, scene| commits.vote(to, txn, scene))?;
            Ok(None)
        }
        Request::TpcFinish(txn) => {
            caller.writable()?;
            caller.relay.commit(caller.out, |commits, scene| commits.finish(to, txn, scene))?;
            Ok(None)
        }
        Request::TpcAbort(txn) => {
            caller.writable()?;
            caller.relay.commit(caller.out, |commits, scene| commits.abort(to.conn, txn, scene));
            Ok(Some(Reply::None))
        }
        Request::StoreBlobStart if caller.relay.has_blobs() => caller.upload(None, Upload::Start),
        Request::StoreBlobChunk(chunk) if caller.relay.has_blobs() => {
            let chunk = caller.frame.share(chunk);
            caller.upload(None, Upload::Chunk(chunk))
        }
        Request::StoreBlobEnd { oid, serial, data, txn } if caller.relay.has_blobs() => {
            let data = caller.frame.share(data);
            caller.upload(Some(txn), Upload::End(oid, serial, data))
        }
        Request::StoreBlobShared { oid, serial, data, filename, txn } if caller.relay.has_blobs() => {
            let data = caller.frame.share(data);
            caller.upload(Some(txn), Upload::Shared(oid, serial, data, filename))
        }
        Request::SendBlob(oid, tid) if caller.relay.has_blobs() => {
            caller.relay.send_blob(to, oid, tid, caller.out);
            Ok(None)
        }
        request
        @ (Request::Undoa { .. } | Request::StoreBlobEnd { .. } | Request::StoreBlobShared { .. }) => {
            caller.writable()?;
            Err(RemoteError::unsupported(request.method()))
        }
        request @ (Request::StoreBlobStart | Request::StoreBlobChunk(_) | Request::SendBlob(..)) => {
            Err(RemoteError::unsupported(request.method()))
        }
    }
}

impl Caller<'_, '_> {
    fn writable(&self) -> Result<(), RemoteError> {
        if self.read_only { Err(RemoteError::ReadOnly) } else { Ok(()) }
    }

    fn pass(&mut self, request: Request<'static>, then: Then) -> Result<Option<Reply>, RemoteError> {
        self.relay.pass(self.to.clone(), request, then, self.out);
        Ok(None)
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
        self.relay.commit(self.out, |commits, _| commits.begin(conn, header))?;
        Ok(Some(Reply::None))
    }

    /// An operation that counts as a store.
    fn store(&mut self, txn: TxnId, operation: Operation) -> Result<Option<Reply>, RemoteError> {
        self.writable()?;
        self.relay.stats.stores += 1;
        self.change(txn, operation)
    }

    fn change(&mut self, txn: TxnId, operation: Operation) -> Result<Option<Reply>, RemoteError> {
        self.writable()?;
        let conn = self.to.conn;
        self.relay.commit(self.out, |commits, _| commits.change(conn, txn, |txn| txn.add(operation)))?;
        Ok(Some(Reply::None))
    }

    fn upload(&mut self, txn: Option<TxnId>, step: Upload<'_>) -> Result<Option<Reply>, RemoteError> {
        self.writable()?;
        let conn = self.to.conn;
        self.relay.commit(self.out, |commits, scene| commits.upload(conn, txn, step, scene))?;
        Ok(Some(Reply::None))
    }
}
