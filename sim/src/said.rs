//! What a client said on a connection, as far as its server has not looked at it.
//!
//! A server is handed bytes as they come: several messages at once, or the end of one with the beginning of the next. Whoever
//! watches has to know which of them an answer follows from, and what waits because its sender does not read.

use bytes::{Bytes, BytesMut};

/// Bytes of a message's length.
const PREFIX: usize = 4;

/// Messages that a server was handed and has not looked at.
#[derive(Debug, Default)]
pub struct Said {
    bytes: BytesMut,
}

impl Said {
    /// The server is handed bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The messages that the server has looked at since this was asked last, with their lengths: all but the last `left`
    /// bytes are.
    ///
    /// # Panics
    /// When the server kept what it was not handed.
    pub fn heard(&mut self, left: usize) -> Vec<Bytes> {
        let heard = self.bytes.len().checked_sub(left).expect("a server keeps what it was handed");
        let mut heard = self.bytes.split_to(heard).freeze();
        let mut messages = Vec::new();
        while let Some(prefix) = heard.first_chunk::<PREFIX>() {
            let len = PREFIX + u32::from_be_bytes(*prefix) as usize;
            if len > heard.len() {
                break;
            }
            messages.push(heard.split_to(len));
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[u8] = &[0, 0, 0, 3, b'a', b'b', b'c'];
    const TWO: &[u8] = &[0, 0, 0, 1, b'd'];

    #[test]
    fn messages_are_told_one_by_one_in_pieces_of_any_size() {
        let stream = [ONE, TWO, ONE].concat();
        for size in 1..=stream.len() {
            let (mut said, mut heard, mut at) = (Said::default(), Vec::new(), 0);
            for piece in stream.chunks(size) {
                said.add(piece);
                at += piece.len();
                // A server keeps what is not whole.
                let whole = [0, 7, 12, 19].into_iter().filter(|&end| end <= at).max().expect("the first");
                heard.extend(said.heard(at - whole));
            }
            assert_eq!(heard, [ONE, TWO, ONE]);
            assert!(said.is_empty());
        }
    }

    #[test]
    fn what_a_server_keeps_is_told_when_it_has_looked_at_it() {
        let mut said = Said::default();
        said.add(&[ONE, TWO].concat());
        assert_eq!(said.heard(TWO.len()), [ONE]);
        assert!(said.heard(TWO.len()).is_empty());
        assert_eq!(said.heard(0), [TWO]);
    }

    #[test]
    fn half_a_message_that_nobody_keeps_is_none() {
        let mut said = Said::default();
        said.add(&[ONE, &TWO[..3]].concat());
        assert_eq!(said.heard(0), [ONE]);
    }
}
