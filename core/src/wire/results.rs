//! What the results of calls say. A result comes from a peer: it may be anything, and of any size that its message has.

use crate::ids::{Oid, Tid};
use crate::wire::Malformed;
use crate::wire::call::undo_id;
use crate::wire::reply::{Conflict, IN_ORDER, Size};
use crate::wire::tree::{Copier, Owned, Value};
use crate::wire::writer::extension_pickle;
use bytes::Bytes;

/// What `get_info` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfoResult<'a> {
    /// Objects and bytes.
    pub size: Size,
    /// The storage's name for people.
    pub name: &'a str,
    /// Whether `undoa`, `undoLog` and `undoInfo` work.
    pub supports_undo: bool,
    /// Whether `record_iternext` works.
    pub supports_record_iternext: bool,
    /// Whether the server promises that no reply overtakes an invalidation that was due before it.
    pub in_order: bool,
    /// The interfaces of the storage as (module, name).
    pub interfaces: Vec<(&'a str, &'a str)>,
}

impl InfoResult<'_> {
    /// Whether the storage has an interface of ZODB's, such as `IBlobStorage`.
    pub fn provides(&self, interface: &str) -> bool {
        self.of_zodb().any(|provided| provided == interface)
    }

    /// All interfaces of ZODB's, by name.
    pub fn of_zodb(&self) -> impl Iterator<Item = &str> {
        let interfaces = self.interfaces.iter();
        interfaces.filter(|(module, _)| *module == "ZODB.interfaces").map(|(_, name)| *name)
    }
}

/// One revision that `history` tells of.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry<'a> {
    /// Its transaction.
    pub tid: Tid,
    /// When, in seconds since 1970.
    pub time: f64,
    /// Who made it.
    pub user: &'a [u8],
    /// Why.
    pub description: &'a [u8],
    /// Bytes of its state; zero where it has none of its own, as after an undo.
    pub size: u64,
    /// What else is said of the transaction: names and values, printed. Values of classes are left out.
    pub extension: Vec<(String, String)>,
}

/// One transaction that `undoLog` or `undoInfo` tells of.
#[derive(Clone, Debug, PartialEq)]
pub struct UndoEntry<'a> {
    /// Its id.
    pub tid: Tid,
    /// When, in seconds since 1970.
    pub time: f64,
    /// Who made it.
    pub user: &'a [u8],
    /// Why.
    pub description: &'a [u8],
    /// Bytes of the transaction, where the storage tells.
    pub size: Option<u64>,
    /// What else is said of it: names and values, printed. Values of classes are left out.
    pub extension: Vec<(String, String)>,
}

/// One transaction of an iteration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IteratedTransaction<'a> {
    /// Its id.
    pub tid: Tid,
    /// A blank, or `p` after a pack.
    pub status: u8,
    /// Who made it.
    pub user: &'a [u8],
    /// Why.
    pub description: &'a [u8],
    /// The extension dictionary as the pickle that a storage keeps; empty for an empty dictionary.
    pub extension: Vec<u8>,
}

/// One record of such a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IteratedRecord<'a> {
    /// The object.
    pub oid: Oid,
    /// The transaction.
    pub tid: Tid,
    /// The state; `None` where the object's creation was undone, or it was deleted.
    pub data: Option<&'a [u8]>,
    /// A transaction that has the same state, if known.
    pub data_txn: Option<Tid>,
}

/// What `record_iternext` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordResult<'a> {
    /// The object.
    pub oid: Oid,
    /// Its current revision.
    pub tid: Tid,
    /// Its state.
    pub data: &'a [u8],
    /// The object behind it; `None`: it is the last.
    pub next: Option<Oid>,
}

/// `None` where a result has another shape; many calls may also answer `None` itself.
impl<'a> Value<'a> {
    /// A load's result: state, serial, and the next transaction that changed the object if there is one.
    pub fn revision(self) -> Option<(&'a [u8], Tid, Option<Tid>)> {
        let [data, serial, until] = self.array()?;
        Some((data.as_bytes()?, serial.as_tid()?, until.or_none(Value::as_tid)?))
    }

    /// A list of oids: new ones, or a vote's without conflicts.
    pub fn oids(self) -> Option<Vec<Oid>> {
        self.items()?.map(Value::as_oid).collect()
    }

    /// A vote's conflicts. An empty list is a vote without any.
    pub fn conflicts(self) -> Option<Vec<Conflict>> {
        let mut copier = Copier::of(self);
        let conflict = |value: Value<'a>| {
            copier.admit_values(value.pairs()?.len()).ok()?;
            let data = value.field("data")?.as_bytes()?;
            copier.admit_bytes(data.len()).ok()?;
            let [committed, read] = value.field("serials")?.array()?;
            Some(Conflict {
                oid: value.field("oid")?.as_oid()?,
                committed: committed.as_tid()?,
                read: read.as_tid()?,
                data: Bytes::copy_from_slice(data),
            })
        };
        self.items()?.map(conflict).collect()
    }

    /// The last transaction covered, and the objects changed up to it.
    pub fn invalidations(self) -> Option<(Tid, Vec<Oid>)> {
        let [upto, oids] = self.array()?;
        Some((upto.as_tid()?, oids.oids()?))
    }

    /// The figures of `get_info`.
    pub fn size(self) -> Option<Size> {
        Some(Size { length: self.field("length")?.as_count()?, size: self.field("size")?.as_count()? })
    }

    /// `get_info`. What a server of another kind leaves out is not supported.
    pub fn info(self) -> Option<InfoResult<'a>> {
        let flag = |name| self.field(name).and_then(Value::as_flag).unwrap_or(false);
        let interface = |value: Value<'a>| {
            let [module, name] = value.array()?;
            Some((module.as_str()?, name.as_str()?))
        };
        let interfaces = match self.field("interfaces") {
            Some(interfaces) => interfaces.items()?.map(interface).collect::<Option<_>>()?,
            None => Vec::new(),
        };
        Some(InfoResult {
            size: self.size()?,
            name: self.field("name")?.as_str()?,
            supports_undo: flag("supportsUndo"),
            supports_record_iternext: flag("supports_record_iternext"),
            in_order: flag(IN_ORDER),
            interfaces,
        })
    }

    /// `history`, the newest revision first.
    pub fn history(self) -> Option<Vec<HistoryEntry<'a>>> {
        let mut copier = Copier::of(self);
        let entry = |value: Value<'a>| {
            let known = ["tid", "serial", "time", "user_name", "description", "size"];
            let extension = printed(value, &known, &mut copier)?;
            let tid = value.field("tid")?.as_tid()?;
            Some(HistoryEntry {
                tid,
                time: time(value, tid),
                user: value.field("user_name")?.as_octets()?,
                description: value.field("description")?.as_octets()?,
                size: value.field("size")?.as_count()?,
                extension,
            })
        };
        self.items()?.map(entry).collect()
    }

    /// `undoLog` and `undoInfo`, the newest transaction first.
    ///
    /// Extension data of a transaction may have taken the place of anything here. Without an id that is one, the
    /// transaction cannot be undone and is left out; of the rest, what makes no sense counts as not given.
    pub fn undo_log(self) -> Option<Vec<UndoEntry<'a>>> {
        let mut copier = Copier::of(self);
        let mut entries = Vec::new();
        for value in self.items()? {
            let known = ["id", "time", "user_name", "description", "size"];
            let extension = printed(value, &known, &mut copier)?;
            let octets = |name| value.field(name).and_then(Value::as_octets);
            let Some(tid) = octets("id").and_then(undo_id::read) else { continue };
            entries.push(UndoEntry {
                tid,
                time: time(value, tid),
                user: octets("user_name").unwrap_or_default(),
                description: octets("description").unwrap_or_default(),
                size: value.field("size").and_then(Value::as_count),
                extension,
            });
        }
        Some(entries)
    }

    /// `iterator_next`; at the end it answers `None`. Extension data of other than plain values is not taken.
    pub fn iterated_transaction(self) -> Option<IteratedTransaction<'a>> {
        let [tid, status, user, description, extension] = self.array()?;
        let [status] = status.as_octets()? else { return None };
        Some(IteratedTransaction {
            tid: tid.as_tid()?,
            status: *status,
            user: user.as_octets()?,
            description: description.as_octets()?,
            extension: extension_pickle(extension).ok()?,
        })
    }

    /// `iterator_record_next`; at the end it answers `None`.
    pub fn iterated_record(self) -> Option<IteratedRecord<'a>> {
        let [oid, tid, data, data_txn] = self.array()?;
        Some(IteratedRecord {
            oid: oid.as_oid()?,
            tid: tid.as_tid()?,
            data: data.or_none(Value::as_bytes)?,
            data_txn: data_txn.or_none(Value::as_tid)?,
        })
    }

    /// `record_iternext`.
    pub fn record(self) -> Option<RecordResult<'a>> {
        let [oid, tid, data, next] = self.array()?;
        Some(RecordResult {
            oid: oid.as_oid()?,
            tid: tid.as_tid()?,
            data: data.as_bytes()?,
            next: next.or_none(Value::as_oid)?,
        })
    }

    /// `server_status`: names and values, printed.
    pub fn status(self) -> Option<Vec<(String, String)>> {
        printed(self, &[], &mut Copier::of(self))
    }
}

/// When a transaction was: what the dictionary says, or what its tid says.
fn time(value: Value<'_>, tid: Tid) -> f64 {
    value.field("time").and_then(Value::as_number).unwrap_or_else(|| tid.time())
}

/// The pairs of a dictionary, printed, but for `known` keys. What names a class is left out; `None` where it is no
/// dictionary, or all that is copied in the end is more than its message can hold.
fn printed(value: Value<'_>, known: &[&str], copier: &mut Copier) -> Option<Vec<(String, String)>> {
    let pairs = value.pairs()?;
    // The dictionary may be one of many references to the same.
    copier.admit_values(pairs.len()).ok()?;
    let mut printed = Vec::new();
    for (key, value) in pairs {
        if key.as_str().is_some_and(|key| known.contains(&key)) {
            continue;
        }
        let pair = copier.copy(key).and_then(|key| Ok((text(key), text(copier.copy(value)?))));
        match pair {
            Ok(pair) => printed.push(pair),
            Err(Malformed::Limit(_)) => return None,
            Err(_) => {}
        }
    }
    Some(printed)
}

fn text(value: Owned) -> String {
    match value {
        Owned::Str(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
#[path = "results_tests.rs"]
mod tests;
