//! The shell around a client: what it needs of files and sockets.

pub mod trace;
