//! Pickles, read as data and written as Python writes them.
//!
//! [`read()`] is an opcode machine for protocols 0 to 5 that never executes anything: classes, calls and persistent
//! references become values that say so. The few reductions by which older protocols write plain data (bytes,
//! bytearrays, sets) are told from others and become that data. [`write`] emits protocol 3 byte for byte as
//! `zodbpickle`'s pickler with `fast` set does, which is how ZEO peers write their messages.

mod data;
mod machine;
mod memo;
mod opcode;
mod read;
mod scalar;
mod text;
pub(super) mod write;

pub use read::{class_name, read, read_prefix};

pub(super) use memo::Memo;

#[cfg(test)]
mod tests;
