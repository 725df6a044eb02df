//! Memory that disk reads go to.

use bytes::{Bytes, BytesMut};

const CHUNK: usize = 256 << 10;

/// Hands out parts of larger pieces, so that a read of a small object does not cost an allocation. A piece is freed
/// when its last part is.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    rest: BytesMut,
}

impl Arena {
    /// Fills up to `len` bytes with `read`, which says how many it got; the others are given back.
    pub(crate) fn fill<E>(
        &mut self,
        len: usize,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Bytes, E> {
        if self.rest.len() < len {
            // Zeroed once a piece, since a read must not see uninitialised memory.
            self.rest = BytesMut::zeroed(CHUNK.max(len));
        }
        let got = read(&mut self.rest[..len])?;
        Ok(self.rest.split_to(got).freeze())
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
}
