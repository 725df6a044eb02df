//! What tests are made of: arguments of calls with little noise, and what a test is run over.

use crate::ids::{Oid, Tid};
use crate::wire::Codec;
use crate::wire::tree::Owned;

/// Both encodings.
pub(crate) const CODECS: [Codec; 2] = [Codec::Pickle, Codec::Msgpack];

/// Where storage "1" lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    Memory,
    File,
}

/// A tuple of plain values.
macro_rules! row {
    ($($item:expr),* $(,)?) => { crate::wire::tree::Owned::Tuple(vec![$($item.into()),*]) };
}
pub(crate) use row;

macro_rules! into_owned {
    ($($from:ty: |$value:ident| $owned:expr),* $(,)?) => {
        $(impl From<$from> for Owned { fn from($value: $from) -> Owned { $owned } })*
    };
}
into_owned! {
    i32: |value| Owned::Int(value.into()),
    i64: |value| Owned::Int(value),
    bool: |value| Owned::Bool(value),
    &str: |value| Owned::Str(value.into()),
    &[u8]: |value| Owned::Bytes(value.into()),
    Vec<u8>: |value| Owned::Bytes(value),
    Oid: |value| Owned::Bytes(value.bytes().into()),
    Tid: |value| Owned::Bytes(value.bytes().into()),
}

/// The value with one kind of row: msgpack knows no other.
pub(crate) fn plain(value: Owned) -> Owned {
    match value {
        Owned::Tuple(items) | Owned::List(items) | Owned::Set(items) => {
            Owned::Tuple(items.into_iter().map(plain).collect())
        }
        Owned::Dict(pairs) => {
            Owned::Dict(pairs.into_iter().map(|(key, value)| (plain(key), plain(value))).collect())
        }
        other => other,
    }
}
