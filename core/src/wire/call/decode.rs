//! Reading calls.

use super::methods::METHODS;
use super::{BadCall, Call, Incoming, MessageId, Request};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::wire::tree::{Items, Kind, Tree, Value};
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

/// Listed by Python's server, which has no such method any more.
const NEW_OID: &str = "new_oid";

fn request<'a>(name: &str, arguments: Items<'a>) -> Result<Request<'a>, BadCall> {
    let Some(method) = METHODS.iter().find(|method| method.name == name) else {
        if name == NEW_OID {
            return Err(BadCall::Unsupported(NEW_OID));
        }
        let shown = name.chars().take(limits::LABEL).collect();
        return Err(BadCall::UnknownMethod(shown));
    };
    (method.read)(arguments).ok_or(BadCall::Arguments { method: method.name, expected: method.expected })
}
