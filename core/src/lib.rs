//! The machines of Zeolith: a ZEO server and what it stands on, free of sockets, files, clocks and threads.
//!
//! A machine takes inputs with [`handle`](server::Server::handle) and gives back a row of outputs through
//! [`poll`](server::Server::poll), whose order is a contract. Time is an argument, randomness is a seed, the disk is
//! asked through outputs and answers through inputs. The `net` crate drives the machines with tokio, the `sim` crate
//! with a seed.

// Before all that uses its macro.
#[macro_use]
pub mod mark;

pub mod cache;
pub mod client;
pub mod commit;
pub mod ids;
pub mod limits;
#[cfg(feature = "planted-bugs")]
pub mod planted;
pub mod record;
pub mod rng;
pub mod server;
pub mod store;
pub mod time;
pub mod wire;
