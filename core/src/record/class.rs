//! The class of an object, as its record tells it.

use super::{BadRecord, coding};
use crate::wire::pickle::read_prefix;
use crate::wire::tree::{Kind, Tree, Value};
use std::fmt;

/// A class by name. It is never looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClassName {
    /// The dotted module.
    pub module: String,
    /// The name within the module; dotted when the class stands inside another.
    pub name: String,
}

impl fmt::Display for ClassName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.module, self.name)
    }
}

/// The class that a record tells.
///
/// ZODB has written, in the course of time: the class; `(class, arguments)`; `((module, name), arguments)`;
/// `(module, name)`. A class may also be told as the call that makes it: one that stands inside another is
/// `getattr(outer, name)` below protocol 4, and an object in the place of its class is of the class it is made from.
///
/// # Errors
/// [`BadRecord::Pickle`] and [`BadRecord::Coding`], also for a wrapped record that tells it further from its start than
/// [`limits::CLASS`](crate::limits::CLASS) bytes; [`BadRecord::Class`] for other forms, and for a class that is itself an
/// object of the database and told by a reference: its name is in that object's record.
pub fn class(record: &[u8]) -> Result<ClassName, BadRecord> {
    let record = coding::beginning(record)?;
    let mut tree = Tree::new();
    let (metadata, _) = read_prefix(&record, &mut tree)?;
    class_of(metadata).ok_or(BadRecord::Class)
}

/// The class that the first pickle of a record tells, or the second member of a reference. `None` for other forms than
/// [`class`] knows.
pub fn class_of(metadata: Value<'_>) -> Option<ClassName> {
    let Kind::Tuple(mut items) = metadata.kind() else { return named(metadata, 0) };
    let first = items.next()?;
    match first.kind() {
        Kind::Str(_) => pair(metadata),
        Kind::Tuple(_) => pair(first),
        _ => named(first, 0),
    }
}

fn pair(value: Value<'_>) -> Option<ClassName> {
    match value.array()?.map(Value::as_str) {
        [Some(module), Some(name)] => Some(ClassName { module: module.to_owned(), name: name.to_owned() }),
        _ => None,
    }
}

/// Classes inside classes inside classes.
const NESTED: usize = 16;

fn named(value: Value<'_>, depth: usize) -> Option<ClassName> {
    if depth > NESTED {
        return None;
    }
    match value.kind() {
        Kind::Global { module, name } => Some(ClassName { module: module.to_owned(), name: name.to_owned() }),
        Kind::Build { object, .. } => named(object, depth + 1),
        Kind::Reduce { callable, args } => match callable.kind() {
            Kind::Global { module: "builtins" | "__builtin__", name: "getattr" } => {
                let [outer, inner] = args.array()?;
                let outer = named(outer, depth + 1)?;
                Some(ClassName { name: format!("{}.{}", outer.name, inner.as_str()?), ..outer })
            }
            Kind::Global {
                module: "copyreg" | "copy_reg",
                name: "_reconstructor" | "__newobj__" | "__newobj_ex__",
            } => named(args.items()?.next()?, depth + 1),
            _ => named(callable, depth + 1),
        },
        _ => None,
    }
}
