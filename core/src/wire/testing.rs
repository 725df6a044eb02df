//! What the tests of this folder share: recorded bytes, and values to try.

use super::Codec;
use super::tree::Owned;
use proptest::prelude::*;

/// Both encodings.
pub(super) const CODECS: [Codec; 2] = [Codec::Pickle, Codec::Msgpack];

/// Lines of a file that `corpus/frames/capture.py` wrote: name, encoding and bytes.
pub(super) fn lines(file: &'static str) -> impl Iterator<Item = (&'static str, &'static str, Vec<u8>)> {
    file.lines().map(|line| {
        let mut fields = line.split(' ');
        let mut next = || fields.next().expect("three fields");
        (next(), next(), unhex(next()))
    })
}

/// The bytes recorded under a name.
pub(super) fn recorded(file: &'static str, name: &str, codec: Codec) -> Vec<u8> {
    let encoding = match codec {
        Codec::Pickle => "pickle",
        Codec::Msgpack => "msgpack",
    };
    let found = lines(file).find(|(n, e, _)| *n == name && *e == encoding);
    found.unwrap_or_else(|| panic!("nothing recorded as {name}")).2
}

/// The recorded calls, and what a server answers.
pub(super) const CALLS: &str = include_str!("../../../corpus/frames/calls.hex");
pub(super) const REPLIES: &str = include_str!("../../../corpus/frames/replies.hex");
pub(super) const VALUES: &str = include_str!("../../../corpus/frames/values.hex");

pub(super) fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("hexadecimal") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// Any value but lone surrogates, with containers nested a few levels deep.
pub(super) fn values() -> impl Strategy<Value = Owned> {
    let leaf = prop_oneof![
        Just(Owned::None),
        any::<bool>().prop_map(Owned::Bool),
        any::<i64>().prop_map(Owned::Int),
        (-300_i64..70_000).prop_map(Owned::Int),
        any::<u64>().prop_filter_map("fits 63 bits", |n| match i64::try_from(n) {
            Ok(_) => None,
            Err(_) => Some(Owned::BigInt([&n.to_le_bytes()[..], &[0]].concat())),
        }),
        any::<f64>().prop_filter("equal to itself", |f| !f.is_nan()).prop_map(Owned::Float),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Owned::Bytes),
        ".{0,40}".prop_map(Owned::Str),
    ];
    leaf.prop_recursive(5, 100, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Owned::Tuple),
            prop::collection::vec(inner.clone(), 0..8).prop_map(Owned::List),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Owned::Set),
            prop::collection::vec((inner.clone(), inner), 0..8).prop_map(Owned::Dict),
        ]
    })
}

/// What msgpack makes of a value: it knows one kind of row.
pub(super) fn as_msgpack(value: &Owned) -> Owned {
    let all = |items: &[Owned]| items.iter().map(as_msgpack).collect();
    match value {
        Owned::Tuple(items) | Owned::List(items) | Owned::Set(items) => Owned::Tuple(all(items)),
        Owned::Dict(pairs) => {
            Owned::Dict(pairs.iter().map(|(k, v)| (as_msgpack(k), as_msgpack(v))).collect())
        }
        other => other.clone(),
    }
}
