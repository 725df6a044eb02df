//! A mark that a transaction carries in its extension data, by which its outcome can be found in an object's history.

use crate::limits;
use crate::rng::Rng;
use crate::wire::pickle;
use crate::wire::tree::{Tree, Value};
use bytes::Bytes;

/// The mark's name in the extension dictionary, and with it in `history`.
const NAME: &str = "zeolith.mark";
/// A pickle of protocol 3 with an empty dictionary that is put into the memo, without its end.
const EMPTY: &[u8] = b"\x80\x03}q\x00";
const STOP: u8 = b'.';

/// Sixteen random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark([u8; 16]);

impl Mark {
    pub(super) fn new(rng: &mut Rng) -> Mark {
        let halves = [rng.next_u64(), rng.next_u64()].map(u64::to_be_bytes);
        Mark(halves.concat().try_into().expect("twice eight bytes"))
    }

    /// Whether a dictionary carries it.
    pub(super) fn is_on(self, value: Value<'_>) -> bool {
        value.field(NAME).and_then(Value::as_bytes) == Some(&self.0)
    }
}

/// The extension dictionary `pickled` with a mark in it, and the mark; without one where it cannot be put in: what is
/// no dictionary, or would be too large, is passed on as it is.
pub(super) fn marked(pickled: &Bytes, mark: Option<Mark>) -> (Vec<u8>, Option<Mark>) {
    let with = mark.and_then(|mark| Some((put_in(pickled, mark)?, Some(mark))));
    with.unwrap_or_else(|| (pickled.to_vec(), None))
}

fn put_in(pickled: &[u8], mark: Mark) -> Option<Vec<u8>> {
    // Where there is nothing else, the pickle is the one that Python makes of the dictionary: it stays the same when the
    // transaction is copied.
    let alone = pickled.is_empty();
    let dict = if alone { EMPTY } else { pickled.strip_suffix(&[STOP])? };
    let memo = |at| if alone { vec![b'q', at] } else { Vec::new() };
    let len = (NAME.len() as u32).to_le_bytes();
    let name = [b"X", &len[..], NAME.as_bytes(), &memo(1)].concat(); // BINUNICODE
    let bytes = [&[b'C', mark.0.len() as u8], &mark.0[..], &memo(2)].concat(); // SHORT_BINBYTES
    let out = [dict, &name, &bytes, &[b's', STOP]].concat(); // SETITEM
    let mut tree = Tree::default();
    let is_marked = pickle::read(&out, &mut tree).is_ok_and(|value| mark.is_on(value));
    (is_marked && out.len() <= limits::METADATA).then_some(out)
}

#[cfg(test)]
#[path = "mark_tests.rs"]
mod tests;
