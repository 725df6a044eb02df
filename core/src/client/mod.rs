//! The client machine: connections to one of several servers of one storage, and the cache that is kept in step with it.
//!
//! The shell hands it what happens with [`Client::handle`] and carries out what [`Client::poll`] gives back, in order,
//! until there is nothing more. Callers' questions are inputs like everything else; only what the cache knows is
//! answered at once, by [`Client::cached`], on whatever thread asks.

pub mod config;
pub mod event;
mod vocabulary;

pub use vocabulary::*;
