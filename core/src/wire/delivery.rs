//! What a client receives.

use crate::ids::{Oid, Tid};
use crate::wire::call::MessageId;
use crate::wire::remote::RemoteError;
use crate::wire::reply::{Conflict, REPLY, Size};
use crate::wire::tree::{Tree, Value};
use crate::wire::{Codec, Malformed};
use bytes::Bytes;

/// One message from a server.
#[derive(Clone, Debug)]
pub enum Delivery<'a> {
    /// The answer to a call.
    Reply {
        /// The call's id.
        id: MessageId,
        /// What it returned.
        result: Result<Value<'a>, RemoteError>,
    },
    /// Another client's transaction.
    Invalidate {
        /// The transaction.
        tid: Tid,
        /// The objects it changed.
        oids: Vec<Oid>,
    },
    /// The storage's size changed.
    Info(Size),
    /// A one-way message of another kind.
    Other {
        /// The method.
        method: &'a str,
        /// Its arguments.
        arguments: Value<'a>,
    },
}

/// Reads one message from a server.
///
/// # Errors
/// [`Malformed`] when the message is neither a reply nor a one-way message, or one of those named above with other
/// arguments.
pub fn decode_delivery<'a>(
    codec: Codec,
    message: &'a [u8],
    tree: &'a mut Tree,
) -> Result<Delivery<'a>, Malformed> {
    let value = codec.read(message, tree)?;
    let [id, flag, method, arguments] = value.array().ok_or(Malformed::Shape("not a tuple of four"))?;
    let flag = flag.as_flag().ok_or(Malformed::Shape("the flag is no flag"))?;
    match method.as_str().ok_or(Malformed::Shape("the method is not text"))? {
        REPLY => Ok(Delivery::Reply {
            id: MessageId::read(id)?,
            result: match flag {
                false => Ok(arguments),
                true => {
                    Err(RemoteError::read(arguments).ok_or(Malformed::Shape("not a class and arguments"))?)
                }
            },
        }),
        "invalidateTransaction" => {
            let (tid, oids) = arguments.invalidations().ok_or(Malformed::Shape("not a tid and oids"))?;
            Ok(Delivery::Invalidate { tid, oids })
        }
        "info" => {
            let size = arguments.array().and_then(|[info]: [Value<'_>; 1]| info.size());
            Ok(Delivery::Info(size.ok_or(Malformed::Shape("not a length and size"))?))
        }
        method => Ok(Delivery::Other { method, arguments }),
    }
}

/// The results of calls. `None` where a result has another shape; many calls may also answer `None` itself.
impl<'a> Value<'a> {
    /// A load's result: state, serial, and the next transaction that changed the object if there is one.
    pub fn revision(self) -> Option<(&'a [u8], Tid, Option<Tid>)> {
        let [data, serial, until] = self.array()?;
        let until = if until.is_none() { None } else { Some(until.as_tid()?) };
        Some((data.as_bytes()?, serial.as_tid()?, until))
    }

    /// A list of oids: new ones, or a vote's without conflicts.
    pub fn oids(self) -> Option<Vec<Oid>> {
        self.items()?.map(Value::as_oid).collect()
    }

    /// A vote's conflicts. An empty list is a vote without any.
    pub fn conflicts(self) -> Option<Vec<Conflict>> {
        let conflict = |value: Value<'a>| {
            let [committed, read] = value.field("serials")?.array()?;
            Some(Conflict {
                oid: value.field("oid")?.as_oid()?,
                committed: committed.as_tid()?,
                read: read.as_tid()?,
                data: Bytes::copy_from_slice(value.field("data")?.as_bytes()?),
            })
        };
        self.items()?.map(conflict).collect()
    }

    /// The last transaction covered, and the objects changed up to it.
    pub fn invalidations(self) -> Option<(Tid, Vec<Oid>)> {
        let [upto, oids] = self.array()?;
        Some((upto.as_tid()?, oids.oids()?))
    }

    /// The figures of `get_info`.
    pub fn size(self) -> Option<Size> {
        Some(Size { length: self.field("length")?.as_count()?, size: self.field("size")?.as_count()? })
    }
}
