//! The methods with the arguments they take.

use super::{Begin, IteratorId, Request, TxnId, undo_id, wanted};
use crate::ids::Tid;
use crate::limits;
use crate::wire::tree::{Items, Value};
use crate::wire::writer::extension_pickle;

/// A method of the protocol.
pub(super) struct Method {
    pub name: &'static str,
    /// Its parameters, for the error that names them.
    pub expected: &'static str,
    /// Reads its arguments; `None` when they are not what it takes.
    pub read: for<'a> fn(Items<'a>) -> Option<Request<'a>>,
}

/// All methods, the frequent ones first.
pub(super) static METHODS: &[Method] = &[
    Method {
        name: "loadBefore",
        expected: "oid, tid",
        read: |arguments| {
            let [oid, tid] = arguments.array()?;
            Some(Request::LoadBefore(oid.as_oid()?, tid.as_tid()?))
        },
    },
    Method {
        name: "storea",
        expected: "oid, serial, data, transaction",
        read: |arguments| {
            let [oid, serial, data, txn] = arguments.array()?;
            Some(Request::Storea {
                oid: oid.as_oid()?,
                serial: based_on(serial)?,
                data: data.as_octets()?,
                txn: txn_id(txn)?,
            })
        },
    },
    Method {
        name: "checkCurrentSerialInTransaction",
        expected: "oid, serial, transaction",
        read: |arguments| {
            let [oid, serial, txn] = arguments.array()?;
            Some(Request::CheckCurrent { oid: oid.as_oid()?, serial: serial.as_tid()?, txn: txn_id(txn)? })
        },
    },
    Method {
        name: "tpc_begin",
        expected: "transaction, user, description, extension of plain data[, tid[, status]]",
        read: |arguments| begin(arguments).map(Request::TpcBegin),
    },
    Method {
        name: "vote",
        expected: "transaction",
        read: |arguments| Some(Request::Vote(only_txn(arguments)?)),
    },
    Method {
        name: "tpc_finish",
        expected: "transaction",
        read: |arguments| Some(Request::TpcFinish(only_txn(arguments)?)),
    },
    Method {
        name: "tpc_abort",
        expected: "transaction",
        read: |arguments| Some(Request::TpcAbort(only_txn(arguments)?)),
    },
    Method {
        name: "new_oids",
        expected: "[count]",
        read: |arguments| {
            let count = optional(arguments, Value::as_int)?;
            Some(Request::NewOids(count.unwrap_or(limits::NEW_OIDS as i64)))
        },
    },
    Method { name: "ping", expected: "nothing", read: |arguments| nothing(arguments, Request::Ping) },
    Method {
        name: "lastTransaction",
        expected: "nothing",
        read: |arguments| nothing(arguments, Request::LastTransaction),
    },
    Method {
        name: "getInvalidations",
        expected: "tid",
        read: |arguments| {
            let [tid] = arguments.array()?;
            Some(Request::GetInvalidations(tid.as_tid()?))
        },
    },
    Method {
        name: "loadSerial",
        expected: "oid, serial",
        read: |arguments| {
            let [oid, serial] = arguments.array()?;
            Some(Request::LoadSerial(oid.as_oid()?, serial.as_tid()?))
        },
    },
    Method {
        name: "getTid",
        expected: "oid",
        read: |arguments| {
            let [oid] = arguments.array()?;
            Some(Request::GetTid(oid.as_oid()?))
        },
    },
    Method {
        name: "register",
        expected: "storage, read_only",
        read: |arguments| {
            let [storage, read_only] = arguments.array()?;
            Some(Request::Register { storage: storage.as_str()?, read_only: read_only.as_flag()? })
        },
    },
    Method { name: "get_info", expected: "nothing", read: |arguments| nothing(arguments, Request::GetInfo) },
    Method {
        name: "set_client_label",
        expected: "label",
        read: |arguments| {
            let [label] = arguments.array()?;
            Some(Request::SetClientLabel(label.as_str()?))
        },
    },
    Method {
        name: "server_status",
        expected: "nothing",
        read: |arguments| nothing(arguments, Request::ServerStatus),
    },
    Method {
        name: "history",
        expected: "oid[, size]",
        read: |mut arguments| {
            let oid = arguments.next()?.or_none(Value::as_oid)?;
            let size = match oid {
                Some(_) => optional(arguments, Value::as_int)?,
                // Python's storages look for the object before they look at the size.
                None => optional(arguments, |size| size.or_none(Value::as_int))?.flatten(),
            };
            Some(Request::History { oid, size: size.unwrap_or(1) })
        },
    },
    Method {
        name: "undoLog",
        expected: "first, last",
        read: |arguments| {
            let [first, last] = arguments.array()?;
            Some(Request::UndoLog { first: first.as_int()?, last: last.as_int()? })
        },
    },
    Method {
        name: "undoInfo",
        expected: "first, last, specification of plain data and prefixes",
        read: |arguments| {
            let [first, last, specification] = arguments.array()?;
            Some(Request::UndoInfo {
                first: first.as_int()?,
                last: last.as_int()?,
                specification: wanted::read(specification)?,
            })
        },
    },
    Method {
        name: "undoa",
        expected: "id, transaction",
        read: |arguments| {
            let [id, txn] = arguments.array()?;
            // What is no name names no transaction: the vote says so, as Python's server does.
            let tid = id.as_octets().and_then(undo_id::read).unwrap_or(Tid::ZERO);
            Some(Request::Undoa { tid, txn: txn_id(txn)? })
        },
    },
    Method {
        name: "deleteObject",
        expected: "oid, serial, transaction",
        read: |arguments| {
            let [oid, serial, txn] = arguments.array()?;
            Some(Request::DeleteObject { oid: oid.as_oid()?, serial: serial.as_tid()?, txn: txn_id(txn)? })
        },
    },
    Method {
        name: "restorea",
        expected: "oid, serial, data, earlier transaction, transaction",
        read: |arguments| {
            let [oid, serial, data, prev_txn, txn] = arguments.array()?;
            Some(Request::Restorea {
                oid: oid.as_oid()?,
                serial: serial.as_tid()?,
                data: data.or_none(Value::as_octets)?,
                prev_txn: prev_txn.or_none(Value::as_tid)?,
                txn: txn_id(txn)?,
            })
        },
    },
    Method {
        name: "pack",
        expected: "time[, wait]",
        read: |mut arguments| {
            let time = arguments.next()?.as_number().filter(|time| time.is_finite())?;
            Some(Request::Pack { time, wait: optional(arguments, Value::as_flag)?.unwrap_or(true) })
        },
    },
    Method {
        name: "record_iternext",
        expected: "[oid]",
        read: |arguments| {
            let next = optional(arguments, |next| next.or_none(Value::as_oid))?;
            Some(Request::RecordIternext(next.flatten()))
        },
    },
    Method {
        name: "iterator_start",
        expected: "start, stop",
        read: |arguments| {
            let [start, stop] = arguments.array()?;
            Some(Request::IteratorStart {
                start: start.or_none(Value::as_tid)?,
                stop: stop.or_none(Value::as_tid)?,
            })
        },
    },
    Method {
        name: "iterator_next",
        expected: "iterator",
        read: |arguments| {
            let [iterator] = arguments.array()?;
            Some(Request::IteratorNext(iterator_id(iterator)?))
        },
    },
    Method {
        name: "iterator_record_start",
        expected: "iterator, tid",
        read: |arguments| {
            let [iterator, tid] = arguments.array()?;
            Some(Request::IteratorRecordStart { iterator: iterator_id(iterator)?, tid: tid.as_tid()? })
        },
    },
    Method {
        name: "iterator_record_next",
        expected: "iterator",
        read: |arguments| {
            let [iterator] = arguments.array()?;
            Some(Request::IteratorRecordNext(iterator_id(iterator)?))
        },
    },
    Method {
        name: "iterator_gc",
        expected: "iterators",
        read: |arguments| {
            let [iterators] = arguments.array()?;
            Some(Request::IteratorGc(iterators.items()?.map(iterator_id).collect::<Option<_>>()?))
        },
    },
    Method {
        name: "storeBlobStart",
        expected: "nothing",
        read: |arguments| nothing(arguments, Request::StoreBlobStart),
    },
    Method {
        name: "storeBlobChunk",
        expected: "chunk",
        read: |arguments| {
            let [chunk] = arguments.array()?;
            Some(Request::StoreBlobChunk(chunk.as_bytes()?))
        },
    },
    Method {
        name: "storeBlobEnd",
        expected: "oid, serial, data, transaction",
        read: |arguments| {
            let [oid, serial, data, txn] = arguments.array()?;
            Some(Request::StoreBlobEnd {
                oid: oid.as_oid()?,
                serial: based_on(serial)?,
                data: data.as_octets()?,
                txn: txn_id(txn)?,
            })
        },
    },
    Method {
        name: "storeBlobShared",
        expected: "oid, serial, data, filename, transaction",
        read: |arguments| {
            let [oid, serial, data, filename, txn] = arguments.array()?;
            Some(Request::StoreBlobShared {
                oid: oid.as_oid()?,
                serial: based_on(serial)?,
                data: data.as_octets()?,
                filename: filename.as_str()?,
                txn: txn_id(txn)?,
            })
        },
    },
    Method {
        name: "sendBlob",
        expected: "oid, serial",
        read: |arguments| {
            let [oid, serial] = arguments.array()?;
            Some(Request::SendBlob(oid.as_oid()?, serial.as_tid()?))
        },
    },
];

fn begin(mut arguments: Items<'_>) -> Option<Begin<'_>> {
    if arguments.len() > 6 {
        return None;
    }
    Some(Begin {
        txn: txn_id(arguments.next()?)?,
        user: arguments.next()?.as_octets()?,
        description: arguments.next()?.as_octets()?,
        extension: extension_pickle(arguments.next()?).ok()?,
        tid: match arguments.next() {
            Some(tid) => tid.or_none(Value::as_tid)?,
            None => None,
        },
        status: match arguments.next() {
            Some(status) => match status.as_octets()? {
                [status] => *status,
                _ => return None,
            },
            None => b' ',
        },
    })
}

fn txn_id(value: Value<'_>) -> Option<TxnId> {
    value.as_int().map(TxnId)
}

fn only_txn(arguments: Items<'_>) -> Option<TxnId> {
    let [txn] = arguments.array()?;
    txn_id(txn)
}

fn nothing<'a>(arguments: Items<'a>, request: Request<'a>) -> Option<Request<'a>> {
    (arguments.len() == 0).then_some(request)
}

/// Storages take `None` for the serial of a new object.
fn based_on(serial: Value<'_>) -> Option<Tid> {
    Some(serial.or_none(Value::as_tid)?.unwrap_or(Tid::ZERO))
}

fn iterator_id(value: Value<'_>) -> Option<IteratorId> {
    value.as_int().map(IteratorId)
}

/// The last argument, which may be left out; the outer `None` is a wrong one, or one too many.
fn optional<'a, T>(mut rest: Items<'a>, read: impl Fn(Value<'a>) -> Option<T>) -> Option<Option<T>> {
    match (rest.next(), rest.len()) {
        (None, _) => Some(None),
        (Some(value), 0) => read(value).map(Some),
        _ => None,
    }
}
