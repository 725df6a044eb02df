//! Writing calls, as Python's client does.

use super::{Begin, MessageId, Request, TxnId, undo_id, wanted};
use crate::limits;
use crate::wire::Codec;
use crate::wire::frame::put_frame;
use crate::wire::writer::Writer;
use bytes::BytesMut;

/// Appends a call with its length prefix.
///
/// An empty extension is written as an empty dictionary, any other as the bytes it is; `new_oids` names its count only
/// when that is not the usual one.
///
/// # Panics
/// When the message is 4 GiB or longer.
pub fn encode(codec: Codec, id: &MessageId, oneway: bool, request: &Request<'_>, out: &mut BytesMut) {
    put_frame(out, |out| {
        Writer::message(codec, out, |writer| {
            writer.tuple(4, |w| {
                id.write(w);
                w.bool(oneway);
                w.str(request.method());
                arguments(w, request);
            });
        });
        0
    });
}

/// The heartbeat a client sends every minute, with its length prefix: `(-1, 0, '.reply', None)`.
pub const fn heartbeat(codec: Codec) -> &'static [u8] {
    match codec {
        Codec::Pickle => b"\0\0\0\x18\x80\x03(J\xff\xff\xff\xffK\0X\x06\0\0\0.replyNt.",
        Codec::Msgpack => b"\0\0\0\x0b\x94\xff\0\xa6.reply\xc0",
    }
}

impl MessageId {
    /// Writes the id as it came.
    pub fn write(&self, writer: &mut Writer<'_>) {
        match self {
            MessageId::Int(number) => writer.int(*number),
            MessageId::Load(oid, tid) => writer.tuple(2, |w| {
                w.oid(*oid);
                w.tid(*tid);
            }),
            MessageId::Other(value) => writer.value(value),
        }
    }
}

impl Request<'_> {
    /// The method's name in the protocol.
    pub fn method(&self) -> &'static str {
        match self {
            Request::Register { .. } => "register",
            Request::GetInfo => "get_info",
            Request::LastTransaction => "lastTransaction",
            Request::GetInvalidations(_) => "getInvalidations",
            Request::LoadBefore(..) => "loadBefore",
            Request::LoadSerial(..) => "loadSerial",
            Request::GetTid(_) => "getTid",
            Request::NewOids(_) => "new_oids",
            Request::TpcBegin(_) => "tpc_begin",
            Request::Storea { .. } => "storea",
            Request::CheckCurrent { .. } => "checkCurrentSerialInTransaction",
            Request::Vote(_) => "vote",
            Request::TpcFinish(_) => "tpc_finish",
            Request::TpcAbort(_) => "tpc_abort",
            Request::Ping => "ping",
            Request::SetClientLabel(_) => "set_client_label",
            Request::ServerStatus => "server_status",
            Request::DeleteObject { .. } => "deleteObject",
            Request::Restorea { .. } => "restorea",
            Request::Undoa { .. } => "undoa",
            Request::UndoLog { .. } => "undoLog",
            Request::UndoInfo { .. } => "undoInfo",
            Request::History { .. } => "history",
            Request::Pack { .. } => "pack",
            Request::RecordIternext(_) => "record_iternext",
            Request::IteratorStart { .. } => "iterator_start",
            Request::IteratorNext(_) => "iterator_next",
            Request::IteratorRecordStart { .. } => "iterator_record_start",
            Request::IteratorRecordNext(_) => "iterator_record_next",
            Request::IteratorGc(_) => "iterator_gc",
            Request::StoreBlobStart => "storeBlobStart",
            Request::StoreBlobChunk(_) => "storeBlobChunk",
            Request::StoreBlobEnd { .. } => "storeBlobEnd",
            Request::StoreBlobShared { .. } => "storeBlobShared",
            Request::SendBlob(..) => "sendBlob",
        }
    }
}

fn arguments(writer: &mut Writer<'_>, request: &Request<'_>) {
    match request {
        Request::GetInfo
        | Request::LastTransaction
        | Request::Ping
        | Request::ServerStatus
        | Request::StoreBlobStart => writer.tuple(0, |_| ()),
        Request::NewOids(count) if *count == limits::NEW_OIDS as i64 => writer.tuple(0, |_| ()),
        Request::NewOids(count) => writer.tuple(1, |w| w.int(*count)),
        Request::Register { storage, read_only } => writer.tuple(2, |w| {
            w.str(storage);
            w.bool(*read_only);
        }),
        Request::GetInvalidations(tid) => writer.tuple(1, |w| w.tid(*tid)),
        Request::LoadBefore(oid, tid) | Request::LoadSerial(oid, tid) | Request::SendBlob(oid, tid) => writer
            .tuple(2, |w| {
                w.oid(*oid);
                w.tid(*tid);
            }),
        Request::GetTid(oid) => writer.tuple(1, |w| w.oid(*oid)),
        Request::TpcBegin(begin) => tpc_begin(writer, begin),
        Request::Storea { oid, serial, data, txn } | Request::StoreBlobEnd { oid, serial, data, txn } => {
            writer.tuple(4, |w| {
                w.oid(*oid);
                w.tid(*serial);
                w.bytes(data);
                w.int(txn.0);
            })
        }
        Request::CheckCurrent { oid, serial, txn } | Request::DeleteObject { oid, serial, txn } => writer
            .tuple(3, |w| {
                w.oid(*oid);
                w.tid(*serial);
                w.int(txn.0);
            }),
        Request::Vote(TxnId(txn)) | Request::TpcFinish(TxnId(txn)) | Request::TpcAbort(TxnId(txn)) => {
            writer.tuple(1, |w| w.int(*txn));
        }
        Request::SetClientLabel(label) => writer.tuple(1, |w| w.str(label)),
        Request::StoreBlobShared { oid, serial, data, filename, txn } => writer.tuple(5, |w| {
            w.oid(*oid);
            w.tid(*serial);
            w.bytes(data);
            w.str(filename);
            w.int(txn.0);
        }),
        Request::StoreBlobChunk(chunk) => writer.tuple(1, |w| w.bytes(chunk)),
        Request::Restorea { oid, serial, data, prev_txn, txn } => writer.tuple(5, |w| {
            w.oid(*oid);
            w.tid(*serial);
            w.optional(*data, Writer::bytes);
            w.optional(*prev_txn, Writer::tid);
            w.int(txn.0);
        }),
        Request::Undoa { tid, txn } => writer.tuple(2, |w| {
            w.bytes(&undo_id::of(*tid));
            w.int(txn.0);
        }),
        Request::UndoLog { first, last } => writer.tuple(2, |w| {
            w.int(*first);
            w.int(*last);
        }),
        Request::UndoInfo { first, last, specification } => writer.tuple(3, |w| {
            w.int(*first);
            w.int(*last);
            wanted::write(w, specification);
        }),
        Request::History { oid, size } => writer.tuple(2, |w| {
            w.optional(*oid, Writer::oid);
            w.int(*size);
        }),
        Request::Pack { time, wait } => writer.tuple(2, |w| {
            w.float(*time);
            // Python's client has 1 as its default, not True.
            w.int(i64::from(*wait));
        }),
        Request::RecordIternext(next) => writer.tuple(1, |w| w.optional(*next, Writer::oid)),
        Request::IteratorStart { start, stop } => writer.tuple(2, |w| {
            w.optional(*start, Writer::tid);
            w.optional(*stop, Writer::tid);
        }),
        Request::IteratorNext(iterator) | Request::IteratorRecordNext(iterator) => {
            writer.tuple(1, |w| w.int(iterator.0));
        }
        Request::IteratorRecordStart { iterator, tid } => writer.tuple(2, |w| {
            w.int(iterator.0);
            w.tid(*tid);
        }),
        Request::IteratorGc(iterators) => {
            writer.tuple(1, |w| w.list(iterators, |w, iterator| w.int(iterator.0)));
        }
    }
}

fn tpc_begin(writer: &mut Writer<'_>, begin: &Begin<'_>) {
    writer.tuple(6, |w| {
        w.int(begin.txn.0);
        w.bytes(begin.user);
        w.bytes(begin.description);
        match &begin.extension[..] {
            [] => w.value(&crate::wire::tree::Owned::Dict(Vec::new())),
            pickle => w.bytes(pickle),
        }
        w.optional(begin.tid, Writer::tid);
        w.str(char::from(begin.status).encode_utf8(&mut [0; 4]));
    });
}
