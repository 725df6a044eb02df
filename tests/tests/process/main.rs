//! The real server as an operator and a bare socket see it: start, stop, signals, files, and the bytes of the wire.
//!
//! Only `zeolith` itself is held to these; what Python's server and clients demand is in `peers`.

mod client;
mod connections;
mod files;
mod flow;
mod layers;
mod limits;
mod packs;
mod read_only;
mod rig;
mod start;
mod stop;
mod turns;
mod unix;
mod upstream;
mod wire;
