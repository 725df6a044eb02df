//! The answer to `history`, and the extension data in it.
//!
//! What stands in a log as extension data is whatever some client has sent. It comes out as far as it is plain data that
//! the asking client's encoding can carry.

use crate::ids::Tid;
use crate::limits;
use crate::wire::tree::{Copier, Owned, Tree};
use crate::wire::writer::Writer;
use crate::wire::{Codec, Malformed};
use bytes::Bytes;

/// One revision.
#[derive(Clone, Debug, PartialEq)]
pub struct PastRevision {
    /// Its transaction.
    pub tid: Tid,
    /// Bytes of its state; zero where it has none of its own.
    pub size: u64,
    /// The transaction's user name.
    pub user: Bytes,
    /// Its description.
    pub description: Bytes,
    /// The pairs of its extension dictionary, in their order.
    pub extension: Vec<(Owned, Owned)>,
}

/// What a revision is described by; extension data of these names is replaced, in its place.
const OWN: [&str; 5] = ["time", "user_name", "description", "tid", "size"];

impl PastRevision {
    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        let own = |key: &Owned| match key {
            Owned::Str(key) => OWN.into_iter().find(|own| own == key),
            _ => None,
        };
        let replaced: Vec<_> = self.extension.iter().map(|(key, value)| (own(key), key, value)).collect();
        let added = OWN.into_iter().filter(|own| replaced.iter().all(|(other, ..)| *other != Some(own)));
        let none = Owned::None;
        let fields: Vec<_> =
            replaced.iter().copied().chain(added.map(|own| (Some(own), &none, &none))).collect();
        writer.dict(fields, |w, (own, key, value)| match own {
            Some(own) => {
                w.str(own);
                self.write_own(w, own);
            }
            None => {
                w.value(key);
                w.value(value);
            }
        });
    }

    fn write_own(&self, writer: &mut Writer<'_>, name: &str) {
        match name {
            "time" => writer.float(self.tid.time()),
            "user_name" => writer.bytes(&self.user),
            "description" => writer.bytes(&self.description),
            "tid" => writer.tid(self.tid),
            _ => writer.count(self.size),
        }
    }
}

/// What the extension data of one reply's transactions may still take.
#[derive(Clone, Debug, PartialEq)]
pub struct Room(Copier);

impl Default for Room {
    fn default() -> Room {
        Room(Copier::within(limits::VALUES, limits::HISTORY))
    }
}

/// Reads the extension data of one reply's transactions: that of each, and all of it together, is bounded.
pub struct Extensions {
    codec: Codec,
    tree: Tree,
    room: Room,
}

impl Extensions {
    /// For a reply in this encoding.
    pub fn new(codec: Codec) -> Extensions {
        Extensions::within(codec, Room::default())
    }

    /// For the rest of a reply in this encoding.
    pub fn within(codec: Codec, room: Room) -> Extensions {
        Extensions { codec, tree: Tree::new(), room }
    }

    /// What is left for the rest of the reply.
    pub fn into_room(self) -> Room {
        self.room
    }

    /// The pairs of a pickled dictionary, or of nothing, with the first reason why some, or all, are missing.
    pub fn read(&mut self, pickle: &[u8]) -> (Vec<(Owned, Owned)>, Option<Malformed>) {
        if pickle.is_empty() {
            return (Vec::new(), None);
        }
        let pairs = Codec::Pickle
            .read(pickle, &mut self.tree)
            .and_then(|value| value.pairs().ok_or(Malformed::Shape("the extension is not a dictionary")));
        let pairs = match pairs {
            Ok(pairs) => pairs,
            Err(error) => return (Vec::new(), Some(error)),
        };
        let mut plain = Vec::new();
        let mut missing = None;
        let mut part = self.room.0.part(limits::EXTENSION_VALUES, limits::EXTENSION_BYTES);
        for (key, value) in pairs {
            let pair = part.copy(key).and_then(|key| Ok((key, part.copy(value)?)));
            let carried = pair.and_then(|(key, value)| {
                let carried = is_key(self.codec, &key) && is_carried(self.codec, &value);
                carried.then_some((key, value)).ok_or(Malformed::Shape("a value that the client cannot take"))
            });
            match carried {
                Ok(pair) => plain.push(pair),
                Err(error) => missing = missing.or(Some(error)),
            }
        }
        self.room.0.take_back(part);
        (plain, missing)
    }
}

/// Whether Python reads the value back from this encoding. Its nesting is bounded: it was copied.
fn is_carried(codec: Codec, value: &Owned) -> bool {
    let all = |items: &[Owned]| items.iter().all(|item| is_carried(codec, item));
    match value {
        Owned::Tuple(items) | Owned::List(items) => all(items),
        Owned::Dict(pairs) => pairs.iter().all(|(key, value)| is_key(codec, key) && is_carried(codec, value)),
        Owned::Set(items) => codec == Codec::Pickle && items.iter().all(|item| is_key(codec, item)),
        Owned::Surrogates(_) => codec == Codec::Pickle,
        // msgpack has 64 bits.
        Owned::BigInt(bytes) => codec == Codec::Pickle || (bytes.len() == 9 && bytes[8] == 0),
        Owned::None | Owned::Bool(_) | Owned::Int(_) | Owned::Float(_) | Owned::Bytes(_) | Owned::Str(_) => {
            true
        }
    }
}

/// Whether Python takes the value as a key: it must be hashable, and Python's msgpack takes text and bytes only.
fn is_key(codec: Codec, key: &Owned) -> bool {
    match key {
        Owned::Str(_) | Owned::Bytes(_) => true,
        _ if codec == Codec::Msgpack => false,
        Owned::Tuple(items) => items.iter().all(|item| is_key(codec, item)),
        Owned::List(_) | Owned::Dict(_) | Owned::Set(_) => false,
        _ => true,
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
