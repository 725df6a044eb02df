//! Decoded values, whichever encoding they came in.
//!
//! A [`Tree`] is an arena that a connection keeps: reading a message into it allocates nothing once it has grown to
//! the size of the connection's messages. Bytes and text stay where they lie in the message; a [`Value`] is a place in
//! both.

mod arena;
mod owned;
mod value;

pub use arena::Tree;
pub use owned::Owned;
pub use value::{Items, Kind, Pairs, Value};

pub(super) use arena::{Chain, Id, Node, Span};
pub(super) use owned::Copier;

#[cfg(test)]
mod tests;
