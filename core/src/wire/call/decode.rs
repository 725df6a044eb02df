//! Reading calls.

use super::{BadCall, Begin, Call, Incoming, MessageId, Request, TxnId};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::wire::tree::{Items, Kind, Tree, Value};
use crate::wire::writer::extension_pickle;
use crate::wire::{Codec, Malformed};

/// Reads one message from a client.
///
/// A call that names an unknown method, or a known one with other arguments than it takes, is still a call: it has an
/// id to answer. Message id −1 is a heartbeat, whatever else the message says.
///
/// # Errors
/// [`Malformed`] when the message is no call at all; nothing can be answered then.
pub fn decode<'a>(codec: Codec, message: &'a [u8], tree: &'a mut Tree) -> Result<Incoming<'a>, Malformed> {
    let value = codec.read(message, tree)?;
    let id = value.items().and_then(|mut items| items.next()).ok_or(Malformed::Shape("not a tuple"))?;
    if let Kind::Int(-1) = id.kind() {
        return Ok(Incoming::KeepAlive);
    }
    let [id, oneway, method, arguments] = value.array().ok_or(Malformed::Shape("not four items"))?;
    Ok(Incoming::Call(Call {
        id: MessageId::read(id)?,
        oneway: oneway.as_flag().ok_or(Malformed::Shape("the one-way flag is no flag"))?,
        request: request(
            method.as_str().ok_or(Malformed::Shape("the method is not text"))?,
            arguments.items().ok_or(Malformed::Shape("the arguments are not a tuple"))?,
        ),
    }))
}

impl MessageId {
    pub(in crate::wire) fn read(value: Value<'_>) -> Result<MessageId, Malformed> {
        if let Kind::Int(number) = value.kind() {
            return Ok(MessageId::Int(number));
        }
        if let Kind::Tuple(items) = value.kind()
            && let Some([oid, tid]) = items.array().map(|pair| pair.map(Value::as_bytes))
            && let Some((oid, tid)) = oid.and_then(Oid::from_slice).zip(tid.and_then(Tid::from_slice))
        {
            return Ok(MessageId::Load(oid, tid));
        }
        // It is copied into every reply, so it must be small, whatever a memo makes of it.
        let id = value.to_owned_within(limits::ID_VALUES, limits::ID_BYTES)?;
        Ok(MessageId::Other(Box::new(id)))
    }
}

/// A method of the protocol.
struct Method {
    name: &'static str,
    /// Its parameters, for the error that names them.
    expected: &'static str,
    /// Reads its arguments; `None` when they are not what it takes.
    read: for<'a> fn(Items<'a>) -> Option<Request<'a>>,
}

fn request<'a>(name: &str, arguments: Items<'a>) -> Result<Request<'a>, BadCall> {
    let Some(method) = METHODS.iter().find(|method| method.name == name) else {
        if let Some(method) = UNSUPPORTED.iter().find(|method| **method == name) {
            return Err(BadCall::Unsupported(method));
        }
        let shown = name.chars().take(limits::LABEL).collect();
        return Err(BadCall::UnknownMethod(shown));
    };
    (method.read)(arguments).ok_or(BadCall::Arguments { method: method.name, expected: method.expected })
}

/// Methods of the protocol that are not served yet. They get an error, while a method nobody knows ends the connection.
static UNSUPPORTED: &[&str] = &[
    "deleteObject",
    "history",
    "iterator_gc",
    "iterator_next",
    "iterator_record_next",
    "iterator_record_start",
    "iterator_start",
    "pack",
    "record_iternext",
    "restorea",
    "sendBlob",
    "storeBlobChunk",
    "storeBlobEnd",
    "storeBlobShared",
    "storeBlobStart",
    "undoInfo",
    "undoLog",
    "undoa",
];

/// All methods, the frequent ones first.
static METHODS: &[Method] = &[
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
            // Storages take None for the serial of a new object.
            let serial = if serial.is_none() { Tid::ZERO } else { serial.as_tid()? };
            Some(Request::Storea { oid: oid.as_oid()?, serial, data: data.as_octets()?, txn: txn_id(txn)? })
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
        read: |mut arguments| match arguments.len() {
            0 => Some(Request::NewOids(limits::NEW_OIDS as i64)),
            1 => Some(Request::NewOids(arguments.next()?.as_int()?)),
            _ => None,
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
            Some(tid) if !tid.is_none() => Some(tid.as_tid()?),
            _ => None,
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
