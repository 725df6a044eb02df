//! Sized messages: four bytes of length, big-endian, then the body.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

/// Bytes of a message's length.
const PREFIX: usize = 4;
/// A buffer that held more than this is given back when it is empty; a smaller one is used again.
const KEPT: usize = 1 << 16;

/// Why a connection's bytes are not messages. The peer is at fault, and the connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A message longer than the connection's state allows.
    #[error("a message of {len} bytes, where {limit} are allowed")]
    TooLong {
        /// The length the peer announced.
        len: usize,
        /// The limit at that time.
        limit: usize,
    },
}

/// One message, without its length.
#[derive(Clone, Debug)]
pub enum Frame<'c> {
    /// It lies in the chunk that was just received.
    Borrowed(&'c [u8]),
    /// It was assembled from several chunks, or kept.
    Owned(Bytes),
}

impl Frame<'_> {
    /// The message.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Frame::Borrowed(bytes) => bytes,
            Frame::Owned(bytes) => bytes,
        }
    }

    /// A part of the message that outlives it: without a copy if the message is [`Frame::Owned`], which large ones are.
    pub fn share(&self, part: &[u8]) -> Bytes {
        if let Frame::Owned(whole) = self {
            let within = whole.as_ptr_range();
            let wanted = part.as_ptr_range();
            // What a decoder had to rewrite lies elsewhere.
            if within.start <= wanted.start && wanted.end <= within.end {
                return whole.slice_ref(part);
            }
        }
        Bytes::copy_from_slice(part)
    }
}

/// Takes one connection's messages out of the chunks it receives.
///
/// Memory follows the bytes that arrived, never a length that is only announced.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: BytesMut,
}

impl Frames {
    /// A connection that received nothing yet.
    pub fn new() -> Frames {
        Frames::default()
    }

    /// The next message: of what is buffered, then of `chunk`, which moves on to the first byte not taken.
    ///
    /// `None` means that all of the chunk is taken and more must arrive. A caller that stops earlier hands the rest to
    /// [`keep`](Frames::keep); one that has kept something asks on with an empty chunk. `limit` counts the message
    /// without its length and may differ from call to call.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] as soon as the length has arrived, and again at every further call.
    pub fn next<'c>(&mut self, chunk: &mut &'c [u8], limit: usize) -> Result<Option<Frame<'c>>, FrameError> {
        if self.buffer.is_empty()
            && let Some(len) = announced(chunk, limit)?
            && let Some(message) = chunk.get(PREFIX..PREFIX + len)
        {
            *chunk = &chunk[PREFIX + len..];
            return Ok(Some(Frame::Borrowed(message)));
        }
        if !self.fill(chunk, PREFIX) {
            return Ok(None);
        }
        let Some(len) = announced(&self.buffer, limit)? else { return Ok(None) };
        if !self.fill(chunk, PREFIX + len) {
            return Ok(None);
        }
        let mut message = self.buffer.split_to(PREFIX + len).freeze();
        message.advance(PREFIX);
        if self.buffer.is_empty() && len > KEPT {
            // The buffer's room would keep the message's memory alive.
            self.buffer = BytesMut::new();
        }
        Ok(Some(Frame::Owned(message)))
    }

    /// Buffers bytes that were received but not taken.
    pub fn keep(&mut self, rest: &[u8]) {
        self.buffer.extend_from_slice(rest);
    }

    /// How many bytes are buffered.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Moves bytes from the chunk until `wanted` are buffered; false if the chunk has too few.
    fn fill(&mut self, chunk: &mut &[u8], wanted: usize) -> bool {
        let missing = wanted.saturating_sub(self.buffer.len()).min(chunk.len());
        let (taken, rest) = chunk.split_at(missing);
        self.buffer.extend_from_slice(taken);
        *chunk = rest;
        self.buffer.len() >= wanted
    }
}

/// The length of the message that `bytes` begin with; `None` while it has not arrived.
fn announced(bytes: &[u8], limit: usize) -> Result<Option<usize>, FrameError> {
    let Some(prefix) = bytes.first_chunk::<PREFIX>() else { return Ok(None) };
    let len = u32::from_be_bytes(*prefix) as usize;
    if len > limit { Err(FrameError::TooLong { len, limit }) } else { Ok(Some(len)) }
}

/// Appends a message with its length. `write` appends the body and returns how many of its bytes are sent from elsewhere,
/// zero as a rule.
///
/// # Panics
/// When the message is 4 GiB or longer, which its length cannot express.
pub fn put_frame(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut) -> usize) {
    let start = out.len();
    out.put_u32(0);
    let elsewhere = write(out);
    let len = out.len() - start - PREFIX + elsewhere;
    let len = u32::try_from(len).expect("a message shorter than 4 GiB");
    out[start..start + PREFIX].copy_from_slice(&len.to_be_bytes());
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
