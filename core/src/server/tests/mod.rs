//! The server as a whole: bytes in, bytes out.

mod calls;
mod commits;
mod conflicts;
mod copies;
mod disconnects;
mod door;
mod locks;
mod read_only;
mod timeouts;
mod tx;
