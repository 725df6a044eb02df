//! The tokio shell around the machines of `zeolith-core`: sockets, files, syncs, timers. It takes no protocol decision.
//!
//! One event loop on one thread. Whoever read bytes drives the server until it is quiet and writes at once; reads
//! that the page cache can answer happen inline, everything that may block happens on a helper thread.

mod clock;
mod connection;
mod disk;
mod listen;
mod send;
mod shell;

pub mod boot;
pub mod client;
pub mod offline;
pub mod serve;

pub use listen::Address;
