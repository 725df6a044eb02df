//! What `undoInfo` asks for: values of a transaction's description.

use crate::wire::Codec;
use crate::wire::tree::{Copier, Kind, Owned, Value};
use crate::wire::writer::Writer;

/// Names with what is wanted of their values: all of it, for a transaction to be told of.
pub type Specification = Vec<(Owned, Wanted)>;

/// What is wanted of one value.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// To be this one.
    Value(Owned),
    /// To be a path that begins with these steps: Python's `ZopeUndo.Prefix.Prefix`.
    Prefix(Vec<String>),
}

/// Reads a specification: a dictionary, or `None`. Nothing in it is executed. `None` when it is something else, or holds
/// what is neither plain data nor a prefix.
pub(super) fn read(specification: Value<'_>) -> Option<Specification> {
    if specification.is_none() {
        return Some(Vec::new());
    }
    let mut copier = Copier::of(specification);
    let pairs = specification.pairs()?;
    pairs.map(|(key, value)| Some((copier.copy(key).ok()?, wanted(value, &mut copier)?))).collect()
}

/// Writes what [`read`] reads. msgpack knows no prefixes: they become text.
pub(super) fn write(writer: &mut Writer<'_>, specification: &Specification) {
    if specification.is_empty() {
        return writer.none();
    }
    writer.dict(specification, |w, (key, wanted)| {
        w.value(key);
        match (wanted, w.codec()) {
            (Wanted::Value(value), _) => w.value(value),
            (Wanted::Prefix(steps), Codec::Pickle) => w.object("ZopeUndo.Prefix", "Prefix", |w| {
                w.dict(["length", "path"], |w, name| {
                    w.str(name);
                    if name == "length" {
                        w.count(steps.len() as u64)
                    } else {
                        w.list(steps, |w, step| w.str(step))
                    }
                });
            }),
            (Wanted::Prefix(steps), Codec::Msgpack) => w.str(&steps.join("/")),
        }
    });
}

fn wanted(value: Value<'_>, copier: &mut Copier) -> Option<Wanted> {
    let Kind::Build { object, state } = value.kind() else {
        return copier.copy(value).ok().map(Wanted::Value);
    };
    let Kind::Reduce { callable, .. } = object.kind() else { return None };
    let Kind::Global { module: "ZopeUndo.Prefix", name: "Prefix" } = callable.kind() else { return None };
    let steps = state.field("path")?;
    let (length, count) = (state.field("length")?.as_count()?, steps.items()?.len());
    let Owned::List(steps) = copier.copy(steps).ok()? else { return None };
    let steps = steps.into_iter().map(|step| if let Owned::Str(step) = step { Some(step) } else { None });
    (length == count as u64).then_some(Wanted::Prefix(steps.collect::<Option<_>>()?))
}

impl Wanted {
    /// Whether this value is what is wanted. Paths are text, as it is or in UTF-8, as user names and descriptions are kept;
    /// behind the last blank of a path's last step stands a user's name, which is no part of it.
    pub fn is(&self, value: &Owned) -> bool {
        match (self, value) {
            (Wanted::Value(wanted), value) => wanted == value,
            (Wanted::Prefix(steps), Owned::Str(path)) => begins(path.as_bytes(), steps),
            (Wanted::Prefix(steps), Owned::Bytes(path)) => begins(path, steps),
            (Wanted::Prefix(_), _) => false,
        }
    }
}

fn begins(path: &[u8], steps: &[String]) -> bool {
    let last = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let end = path[last..].iter().rposition(|&byte| byte == b' ').map_or(path.len(), |blank| last + blank);
    let mut found = path[..end].split(|&byte| byte == b'/');
    steps.iter().all(|step| found.next() == Some(step.as_bytes()))
}

#[cfg(test)]
#[path = "wanted_tests.rs"]
mod tests;
