//! Memory that disk reads go to.

use bytes::{Bytes, BytesMut};
use std::mem;
use std::ops::RangeInclusive;

const CHUNK: usize = 256 << 10;
/// Reads that get a piece of their own, which is used again.
const LARGE: RangeInclusive<usize> = CHUNK / 2..=CHUNK;

/// Hands out parts of larger pieces, so that a read of a small object does not cost an allocation. A piece is freed
/// when its last part is.
///
/// Large reads come one after the other while a log is checked, and whoever asks for the next still holds the last: they
/// take turns in two pieces, which stay in the processor's cache. Fresh memory costs more than the read itself.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    rest: BytesMut,
    /// What the last two large reads filled, the older one first.
    large: [Bytes; 2],
}

impl Arena {
    /// Fills up to `len` bytes with `read`, which says how many it got; the others are given back.
    pub(crate) fn fill<E>(
        &mut self,
        len: usize,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Bytes, E> {
        if LARGE.contains(&len) {
            return self.fill_large(len, read);
        }
        if self.rest.len() < len {
            // Zeroed once a piece, since a read must not see uninitialised memory.
            self.rest = BytesMut::zeroed(CHUNK.max(len));
        }
        let got = read(&mut self.rest[..len])?;
        Ok(self.rest.split_to(got).freeze())
    }

    fn fill_large<E>(
        &mut self,
        len: usize,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Bytes, E> {
        let [older, newer] = mem::take(&mut self.large);
        let mut piece = match older.try_into_mut() {
            Ok(piece) if piece.len() >= len => piece,
            Ok(_) | Err(_) => BytesMut::zeroed(CHUNK),
        };
        let got = read(&mut piece[..len])?;
        let piece = piece.freeze();
        let part = piece.slice(..got);
        self.large = [newer, piece];
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn parts_hold_what_was_read_and_do_not_overlap() {
        let mut arena = Arena::default();
        let mut fill = |byte: u8, len, got| {
            arena.fill(len, |into| {
                into[..got].fill(byte);
                Ok::<_, Infallible>(got)
            })
        };
        let a = fill(1, 10, 4).unwrap();
        let b = fill(2, CHUNK, CHUNK).unwrap();
        let c = fill(3, 5, 5).unwrap();
        assert_eq!(a[..], [1; 4]);
        assert!(b.iter().all(|&byte| byte == 2) && b.len() == CHUNK);
        assert_eq!(c[..], [3; 5]);
    }

    #[test]
    fn large_reads_use_memory_again_that_nobody_holds() {
        let mut arena = Arena::default();
        let mut fill = |byte: u8, len, got| {
            arena.fill(len, |into| {
                into[..got].fill(byte);
                Ok::<_, Infallible>(got)
            })
        };
        let first = fill(1, CHUNK, CHUNK).unwrap();
        let second = fill(2, CHUNK - 1, CHUNK - 9).unwrap();
        let third = fill(3, CHUNK, CHUNK).unwrap();
        assert_ne!(first.as_ptr(), third.as_ptr(), "it is still held");
        let place = second.as_ptr();
        assert_eq!((second.len(), second[0]), (CHUNK - 9, 2));
        drop(second);
        let fourth = fill(4, CHUNK, CHUNK).unwrap();
        assert_eq!((fourth.as_ptr(), fourth.len()), (place, CHUNK));
        assert!(first.iter().all(|&byte| byte == 1) && third.iter().all(|&byte| byte == 3));
    }
}
