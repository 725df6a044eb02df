//! The tokio shell around the machines of `zeolith-core`: sockets, files, syncs, timers. It takes no protocol decision.
//!
//! One event loop on one thread. Whoever read bytes drives the server until it is quiet and writes at once; reads
//! that the page cache can answer happen inline, everything that may block happens on a helper thread.

mod address;
mod blobs;
mod clock;
mod connection;
mod disk;
mod listen;
mod packing;
mod send;
mod shell;
mod socket;
mod stream;

pub mod boot;
pub mod client;
pub mod offline;
pub mod serve;
#[doc(hidden)]
pub mod testing;
pub mod tls;
pub mod upstream;

pub use address::{Address, AddressError};
pub use client::{
    Change, Client, ClientOptions, ConnectError, Error, Invalidations, OptionsError, Revision, Snapshot,
    Transaction, Voted,
};
pub use zeolith_core::ids::{Oid, Tid};
