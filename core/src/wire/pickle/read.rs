//! Reading pickles, and records made of them.

use super::machine;
use crate::wire::Malformed;
use crate::wire::tree::{Kind, Tree, Value};

/// Reads a message that is one pickle.
///
/// The tree's former values are forgotten.
///
/// # Errors
/// [`Malformed`], also when bytes follow the pickle or a bound of [`limits`](crate::limits) is passed.
pub fn read<'a>(message: &'a [u8], tree: &'a mut Tree) -> Result<Value<'a>, Malformed> {
    let (value, len) = read_prefix(message, tree)?;
    match message.len() - len {
        0 => Ok(value),
        rest => Err(Malformed::Trailing(rest)),
    }
}

/// Reads the pickle that `message` begins with; returns its length too.
///
/// A ZODB record is two pickles in a row, an index file a whole stream. Each shares nothing with the one before: the
/// tree's former values are forgotten.
pub fn read_prefix<'a>(message: &'a [u8], tree: &'a mut Tree) -> Result<(Value<'a>, usize), Malformed> {
    let (id, len) = machine::run(message, tree)?;
    Ok((Value::new(tree, message, id), len))
}

/// The dotted class of a ZODB record, as `ZODB.utils.get_pickle_metadata` tells it.
///
/// The first pickle of a record is the class, or `(class, arguments)`, or `((module, name), arguments)`, or
/// `(module, name)`. `None` for anything else.
pub fn class_name(record: &[u8]) -> Option<String> {
    let mut tree = Tree::new();
    let (class, _) = read_prefix(record, &mut tree).ok()?;
    let pair = |value: Value<'_>| match value.array()?.map(Value::as_str) {
        [Some(module), Some(name)] => Some(format!("{module}.{name}")),
        _ => None,
    };
    match class.kind() {
        Kind::Global { module, name } => Some(format!("{module}.{name}")),
        Kind::Tuple(mut items) => match items.next()?.kind() {
            Kind::Global { module, name } => Some(format!("{module}.{name}")),
            Kind::Tuple(_) => pair(class.items()?.next()?),
            _ => pair(class),
        },
        _ => None,
    }
}
