//! Pickles, read as data and written as Python writes them.
//!
//! [`read()`] is an opcode machine for protocols 0 to 5 that never executes anything: classes, calls and persistent
//! references become values that say so. The few reductions by which older protocols write plain data (bytes,
//! bytearrays, sets) are told from others and become that data. [`write`] emits protocol 3 byte for byte as
//! `zodbpickle`'s pickler with `fast` set does, which is how ZEO peers write their messages; `kept` as it does without, which is what storages keep.

mod data;
pub(super) mod kept;
mod machine;
mod memo;
pub(crate) mod opcode;
mod read;
mod scalar;
pub(crate) mod text;
pub(super) mod write;

pub use read::{read, read_pair, read_prefix};

pub(crate) use memo::Memo;

#[cfg(test)]
mod tests;
