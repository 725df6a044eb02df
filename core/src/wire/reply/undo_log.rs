//! The answer to `undoLog` and `undoInfo`.

use crate::ids::Tid;
use crate::wire::call::{Wanted, undo_id};
use crate::wire::tree::Owned;
use crate::wire::writer::Writer;
use bytes::Bytes;

/// A transaction that can be undone.
#[derive(Clone, Debug, PartialEq)]
pub struct UndoableTransaction {
    /// Its id.
    pub tid: Tid,
    /// Bytes it takes.
    pub size: u64,
    /// Its user name.
    pub user: Bytes,
    /// Its description.
    pub description: Bytes,
    /// The pairs of its extension dictionary, in their order.
    pub extension: Vec<(Owned, Owned)>,
}

/// What a transaction is described by; extension data of these names comes in its place.
const OWN: [&str; 5] = ["id", "time", "user_name", "size", "description"];

impl UndoableTransaction {
    /// Whether its description has what is wanted under this name. What it does not have is `None`.
    pub fn has(&self, key: &Owned, wanted: &Wanted) -> bool {
        match self.extended(key) {
            Some(value) => wanted.is(value),
            None => match key {
                Owned::Str(name) if OWN.contains(&&**name) => wanted.is(&self.own(name)),
                _ => wanted.is(&Owned::None),
            },
        }
    }

    fn extended(&self, key: &Owned) -> Option<&Owned> {
        self.extension.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    fn own(&self, name: &str) -> Owned {
        match name {
            "id" => Owned::Bytes(undo_id::of(self.tid).into()),
            "time" => Owned::Float(self.tid.time()),
            "user_name" => Owned::Bytes(self.user.to_vec()),
            "size" => Owned::Int(i64::try_from(self.size).unwrap_or(i64::MAX)),
            _ => Owned::Bytes(self.description.to_vec()),
        }
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        let own = OWN.into_iter().map(|name| {
            let key = Owned::Str(name.into());
            let value = self.extended(&key).cloned().unwrap_or_else(|| self.own(name));
            (key, value)
        });
        let is_own = |key: &Owned| matches!(key, Owned::Str(name) if OWN.contains(&&**name));
        let added = self.extension.iter().filter(|(key, _)| !is_own(key)).cloned();
        writer.dict(own.chain(added).collect::<Vec<_>>(), |w, (key, value)| {
            w.value(&key);
            w.value(&value);
        });
    }
}
