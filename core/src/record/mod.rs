//! What is in an object's record, told without executing it.
//!
//! A record of ZODB is two pickles that one pickler wrote, with one memo: what the object's class is, and its state
//! (ZODB's `serialize.py`). Both are read as opcodes; what they would import, call or load becomes a value that says so.
//!
//! [`class`] and [`State`] build a tree, [`references`] does not. A record may be wrapped in a [`Coding`]: `class` and
//! `references` look through it, for a `State` it is to be taken off ([`uncoded`]).

mod class;
mod coding;
mod reference;
mod references;
mod state;

pub use class::{ClassName, class, class_of};
pub use coding::{BadCoding, Coding, uncoded};
pub use reference::Reference;
pub use references::references;
pub use state::State;

use crate::wire::Malformed;
use thiserror::Error;

/// Why bytes are not a record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadRecord {
    /// One of its pickles is none, or passes a bound of [`limits`](crate::limits).
    #[error("no record of an object: {0}")]
    Pickle(#[from] Malformed),
    /// It is wrapped in a coding that cannot be taken off.
    #[error("no record of an object: {0}")]
    Coding(#[from] BadCoding),
    /// What stands in the place of the class is none of the forms that ZODB writes or has written.
    #[error("no class: it is of none of the forms that a record may tell its class in")]
    Class,
    /// A persistent reference of a form that ZODB does not know, or with an oid that is not 8 bytes long.
    #[error("a reference of an unknown form at byte {0}")]
    Reference(usize),
}

#[cfg(test)]
mod tests;
