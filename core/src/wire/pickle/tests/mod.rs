mod hostile;
mod opcodes;
mod records;

use crate::wire::Malformed;
use crate::wire::tree::{Owned, Tree, Value};

/// Reads a pickle and takes the value out of its message.
fn owned(pickle: &[u8]) -> Result<Owned, Malformed> {
    super::read(pickle, &mut Tree::new()).and_then(Value::to_owned)
}
