//! A message as its decoder sees it: bytes behind a position that only moves forward.

use crate::wire::Malformed;
use crate::wire::tree::Span;

/// The rest of a message. Every read is checked against what is there, so a length that a peer announces is only
/// believed once its bytes have arrived.
pub(crate) struct Input<'m> {
    bytes: &'m [u8],
    at: usize,
}

impl<'m> Input<'m> {
    /// Starts at the first byte. Offsets are kept in 31 bits, which is twice the largest frame.
    pub(crate) fn new(bytes: &'m [u8]) -> Result<Input<'m>, Malformed> {
        if bytes.len() > Span::LONGEST {
            return Err(Malformed::Limit("message length"));
        }
        Ok(Input { bytes, at: 0 })
    }

    /// The offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `n` bytes.
    pub(crate) fn take(&mut self, n: usize) -> Result<&'m [u8], Malformed> {
        if n > self.left() {
            return Err(Malformed::Truncated);
        }
        let taken = &self.bytes[self.at..self.at + n];
        self.at += n;
        Ok(taken)
    }

    /// The next `n` bytes and their place.
    pub(super) fn spanned(&mut self, n: usize) -> Result<(&'m [u8], Span), Malformed> {
        let start = self.at;
        Ok((self.take(n)?, Span::in_message(start, n)))
    }

    /// The place of the next `n` bytes.
    pub(super) fn span(&mut self, n: usize) -> Result<Span, Malformed> {
        Ok(self.spanned(n)?.1)
    }

    /// The next `N` bytes as an array, for `from_be_bytes` and its like.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// The next byte.
    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = *self.bytes.get(self.at).ok_or(Malformed::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    /// The bytes up to the next newline, which is skipped.
    pub(crate) fn line(&mut self) -> Result<&'m [u8], Malformed> {
        let length = self.bytes[self.at..].iter().position(|&b| b == b'\n').ok_or(Malformed::Truncated)?;
        let line = self.take(length)?;
        self.at += 1;
        Ok(line)
    }

    /// The same, and their place.
    pub(super) fn spanned_line(&mut self) -> Result<(&'m [u8], Span), Malformed> {
        let start = self.at;
        let line = self.line()?;
        Ok((line, Span::in_message(start, line.len())))
    }
}
