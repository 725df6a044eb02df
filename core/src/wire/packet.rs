//! Messages ready to be sent.

use crate::limits;
use crate::wire::Codec;
use crate::wire::frame::put_frame;
use crate::wire::writer::Writer;
use bytes::{Bytes, BytesMut};

/// A message with its length prefix, in three pieces to be sent one after the other.
///
/// The body is empty unless the message carries more than [`limits::COPY_BODY`] bytes of an object, which are then sent
/// from where they lie; the tail is empty when the body is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// Everything up to the body.
    pub head: Bytes,
    /// The object's state.
    pub body: Bytes,
    /// What follows it.
    pub tail: Bytes,
}

impl Packet {
    /// How many bytes are to be sent.
    pub fn len(&self) -> usize {
        self.head.len() + self.body.len() + self.tail.len()
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The three pieces.
    pub fn pieces(&self) -> [&Bytes; 3] {
        [&self.head, &self.body, &self.tail]
    }

    /// The message in one piece, a copy.
    pub fn to_vec(&self) -> Vec<u8> {
        self.pieces().map(|piece| &piece[..]).concat()
    }

    /// Encodes a message at the end of `out` and takes all of `out`, whose room serves the next: what stood there
    /// before is sent before.
    pub(super) fn encode(
        codec: Codec,
        out: &mut BytesMut,
        write: impl FnOnce(&mut Writer<'_>) -> LeftOut,
    ) -> Packet {
        let mut left_out = LeftOut::Nothing;
        put_frame(out, |out| {
            Writer::message(codec, out, |writer| left_out = write(writer));
            match &left_out {
                LeftOut::Nothing => 0,
                LeftOut::Body { body, .. } => body.len(),
            }
        });
        match left_out {
            LeftOut::Nothing => Packet { head: out.split().freeze(), ..Packet::default() },
            LeftOut::Body { at, body } => {
                let head = out.split_to(at).freeze();
                Packet { head, body, tail: out.split().freeze() }
            }
        }
    }
}

/// What was not written into the buffer.
pub(super) enum LeftOut {
    Nothing,
    /// A large value's bytes, which belong at position `at`.
    Body {
        at: usize,
        body: Bytes,
    },
}

/// Writes an object's state, large ones but for their bytes.
pub(super) fn object(writer: &mut Writer<'_>, data: &Bytes) -> LeftOut {
    if data.len() <= limits::COPY_BODY {
        writer.bytes(data);
        return LeftOut::Nothing;
    }
    writer.bytes_head(data.len());
    LeftOut::Body { at: writer.position(), body: data.clone() }
}
