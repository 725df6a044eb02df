//! Reading pickles, one or several.

use super::machine;
use crate::wire::Malformed;
use crate::wire::tree::{Tree, Value};

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
/// An index file is a whole stream of them. Each shares nothing with the one before: the tree's former values are
/// forgotten.
pub fn read_prefix<'a>(message: &'a [u8], tree: &'a mut Tree) -> Result<(Value<'a>, usize), Malformed> {
    let ([id], len) = machine::run(message, tree)?;
    Ok((Value::new(tree, message, id), len))
}

/// Reads the two pickles that `message` begins with, which one pickler wrote: the second may recall what the first
/// memoized. Returns their values and their length.
pub fn read_pair<'a>(
    message: &'a [u8],
    tree: &'a mut Tree,
) -> Result<(Value<'a>, Value<'a>, usize), Malformed> {
    let ([first, second], len) = machine::run(message, tree)?;
    let tree = &*tree;
    Ok((Value::new(tree, message, first), Value::new(tree, message, second), len))
}
