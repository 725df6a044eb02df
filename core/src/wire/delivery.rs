//! What a client receives.

use crate::ids::{Oid, Tid};
use crate::wire::call::MessageId;
use crate::wire::remote::RemoteError;
use crate::wire::reply::{REPLY, Size};
use crate::wire::tree::{Tree, Value};
use crate::wire::{Codec, Malformed};

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
    /// A part of a blob that was asked for.
    Blob {
        /// The object.
        oid: Oid,
        /// Its revision.
        serial: Tid,
        /// The part.
        part: BlobPart<'a>,
    },
    /// A one-way message of another kind.
    Other {
        /// The method.
        method: &'a str,
        /// Its arguments.
        arguments: Value<'a>,
    },
}

/// A part of a blob: `receiveBlobStart`, any number of `receiveBlobChunk`, `receiveBlobStop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobPart<'a> {
    /// The blob begins.
    Start,
    /// Its next bytes.
    Chunk(&'a [u8]),
    /// It is complete.
    Stop,
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
        "receiveBlobStart" => blob(arguments, |[oid, serial]| Some((oid, serial, BlobPart::Start))),
        "receiveBlobChunk" => {
            blob(arguments, |[oid, serial, chunk]| Some((oid, serial, BlobPart::Chunk(chunk.as_bytes()?))))
        }
        "receiveBlobStop" => blob(arguments, |[oid, serial]| Some((oid, serial, BlobPart::Stop))),
        method => Ok(Delivery::Other { method, arguments }),
    }
}

fn blob<'a, const N: usize>(
    arguments: Value<'a>,
    part: impl FnOnce([Value<'a>; N]) -> Option<(Value<'a>, Value<'a>, BlobPart<'a>)>,
) -> Result<Delivery<'a>, Malformed> {
    let delivery = arguments.array().and_then(part).and_then(|(oid, serial, part)| {
        Some(Delivery::Blob { oid: oid.as_oid()?, serial: serial.as_tid()?, part })
    });
    delivery.ok_or(Malformed::Shape("not a part of a blob"))
}
