//! The server as a whole: bytes in, bytes out.

mod blob_faults;
mod blobs;
mod calls;
mod commits;
mod conflicts;
mod copies;
mod disconnects;
mod disk;
mod door;
mod flow;
mod golden;
mod history;
mod iterations;
mod locks;
mod packed_blobs;
mod packs;
mod pieces;
mod read_only;
mod stop;
mod swaps;
mod timeouts;
mod tx;
mod undo;
