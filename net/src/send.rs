//! What waits to be sent on one connection.

use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::io::IoSlice;
use zeolith_core::limits;
use zeolith_core::wire::packet::Packet;

/// Pieces handed to one vectored write.
const PIECES: usize = 64;
/// A buffer for small pieces that grew beyond this is given back when it is empty; a smaller one is used again.
const KEPT: usize = 1 << 16;

/// Messages in order. Small pieces are copied together, large ones are sent from where they lie.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    pieces: VecDeque<Bytes>,
    /// Small pieces after the last one of `pieces`.
    small: BytesMut,
    /// The most that was in `small` since it was last replaced: what it can hold is not to be seen once it was sent from.
    most: usize,
    len: usize,
}

impl SendQueue {
    pub(crate) fn push(&mut self, packet: Packet) {
        self.push_piece(packet.head);
        self.push_piece(packet.body);
        self.push_piece(packet.tail);
    }

    fn push_piece(&mut self, piece: Bytes) {
        self.len += piece.len();
        if piece.len() <= limits::COPY_BODY {
            self.small.extend_from_slice(&piece);
            self.most = self.most.max(self.small.len());
        } else {
            if !self.small.is_empty() {
                self.pieces.push_back(self.small.split().freeze());
            }
            self.pieces.push_back(piece);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Hands the first pieces to `write`, which says how many bytes it took.
    pub(crate) fn write_with<E>(
        &mut self,
        write: impl FnOnce(&[IoSlice<'_>]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let small = Some(&self.small[..]).filter(|small| !small.is_empty());
        let pieces = self.pieces.iter().map(|piece| &piece[..]).chain(small);
        let slices: SmallVec<[IoSlice<'_>; PIECES]> = pieces.take(PIECES).map(IoSlice::new).collect();
        let written = write(&slices)?;
        drop(slices);
        self.advance(written);
        Ok(written)
    }

    fn advance(&mut self, mut by: usize) {
        self.len -= by;
        while let Some(first) = self.pieces.front_mut() {
            if by < first.len() {
                first.advance(by);
                return;
            }
            by -= first.len();
            self.pieces.pop_front();
        }
        self.small.advance(by);
        if self.small.is_empty() && self.most > KEPT {
            self.small = BytesMut::new();
            self.most = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn packet(head: &'static [u8], body: Vec<u8>, tail: &'static [u8]) -> Packet {
        Packet { head: Bytes::from_static(head), body: Bytes::from(body), tail: Bytes::from_static(tail) }
    }

    #[test]
    fn what_is_sent_is_what_was_pushed_however_little_is_taken_at_a_time() {
        for step in [1, 2, 3, 5000, 100_000] {
            let mut queue = SendQueue::default();
            let mut expected = Vec::new();
            for size in [0, 10, limits::COPY_BODY, limits::COPY_BODY + 1, 20_000, 3] {
                queue.push(packet(b"head", vec![size as u8; size], b"tail"));
                expected.extend_from_slice(b"head");
                expected.extend(vec![size as u8; size]);
                expected.extend_from_slice(b"tail");
            }
            let mut sent = Vec::new();
            while !queue.is_empty() {
                queue
                    .write_with(|pieces| {
                        let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_vec()).collect();
                        let taken = &all[..all.len().min(step)];
                        sent.extend_from_slice(taken);
                        Ok::<_, Infallible>(taken.len())
                    })
                    .unwrap();
            }
            assert!(sent == expected, "taking {step} bytes at a time");
        }
    }

    #[test]
    fn a_backlog_does_not_keep_its_memory_once_it_is_sent() {
        let mut queue = SendQueue::default();
        for _ in 0..1000 {
            queue.push(packet(b"head", vec![0; limits::COPY_BODY], b"tail"));
        }
        while !queue.is_empty() {
            queue.write_with(|pieces| Ok::<_, Infallible>(pieces[0].len().min(5000))).unwrap();
        }
        queue.push(packet(b"head", Vec::new(), b"tail"));
        assert!(queue.small.capacity() < KEPT, "{} bytes", queue.small.capacity());
    }

    #[test]
    fn a_large_body_is_not_copied() {
        let body = Bytes::from(vec![7; limits::COPY_BODY + 1]);
        let mut queue = SendQueue::default();
        queue.push(Packet { head: Bytes::new(), body: body.clone(), tail: Bytes::new() });
        assert_eq!(queue.pieces[0].as_ptr(), body.as_ptr());
    }
}
