//! The ZEO protocol, version 5: sized messages, two encodings, typed calls and replies.
//!
//! A message is a 4-tuple `(id, oneway, method, arguments)`; a reply has the method `.reply`, its second member is then
//! a flag: 0 for a result, 2 for an error given as `(dotted class, arguments)`. Messages are bounded and nothing in
//! them is ever executed.

pub mod call;
pub mod delivery;
pub mod frame;
pub(crate) mod input;
pub mod msgpack;
pub mod packet;
pub mod pickle;
pub mod remote;
pub mod reply;
pub mod results;
pub mod tree;
pub mod writer;

#[cfg(test)]
mod testing;

use thiserror::Error;
use tree::{Tree, Value};

/// How messages are encoded; the server announces it as the first letter of its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Pickle, announced as `Z5`. Python's default.
    Pickle,
    /// msgpack, announced as `M5`.
    Msgpack,
}

impl Codec {
    /// The handshake that announces this codec with protocol version 5.
    pub const fn handshake(self) -> &'static [u8; 2] {
        match self {
            Codec::Pickle => b"Z5",
            Codec::Msgpack => b"M5",
        }
    }

    /// The codec a handshake names; `None` for anything but `Z5` and `M5`.
    pub fn from_handshake(bytes: &[u8]) -> Option<Codec> {
        match bytes {
            b"Z5" => Some(Codec::Pickle),
            b"M5" => Some(Codec::Msgpack),
            _ => None,
        }
    }

    /// Reads a message that is one value; the tree's former values are forgotten.
    ///
    /// # Errors
    /// [`Malformed`], also when bytes follow the value or a bound of [`limits`](crate::limits) is passed.
    pub fn read<'a>(self, message: &'a [u8], tree: &'a mut Tree) -> Result<Value<'a>, Malformed> {
        match self {
            Codec::Pickle => pickle::read(message, tree),
            Codec::Msgpack => msgpack::read(message, tree),
        }
    }
}

/// Why bytes from a peer are not a message. Always the peer's fault; the connection cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The message ended inside a value.
    #[error("the message ends inside a value")]
    Truncated,
    /// Bytes follow the message's one value.
    #[error("{0} bytes follow the message's value")]
    Trailing(usize),
    /// An opcode or marker this protocol has no use for.
    #[error("unexpected {encoding} opcode {opcode:#04x} at byte {at}")]
    Opcode {
        /// `pickle` or `msgpack`.
        encoding: &'static str,
        /// The opcode.
        opcode: u8,
        /// Its offset in the message.
        at: usize,
    },
    /// The opcodes do not fit together, for example a pop from an empty stack.
    #[error("the pickle's opcodes do not fit together at byte {0}")]
    Unbalanced(usize),
    /// Text that is not UTF-8, or a number that is none.
    #[error("invalid text at byte {0}")]
    Text(usize),
    /// A bound of [`limits`](crate::limits) was passed.
    #[error("the message exceeds the limit of {0}")]
    Limit(&'static str),
    /// A class outside the few that messages may name.
    #[error("the message names {0}, which is not allowed")]
    Global(String),
    /// Well-formed, but not a call or reply.
    #[error("not a ZEO message: {0}")]
    Shape(&'static str),
}
