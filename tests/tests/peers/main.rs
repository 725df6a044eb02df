//! Python's peers: unmodified ZEO clients against the real server, in both encodings.
//!
//! See the crate's own page for the variables that steer them, `ZEOLITH_PEER_SERVER=python` above all.

mod answers;
mod blobs;
mod crashes;
mod fanout;
mod layers;
mod packed_blobs;
mod packs;
mod races;
mod suite;
mod totals;

use zeolith_core::wire::Codec;

/// How the handshake names the encoding.
fn name(codec: Codec) -> &'static str {
    std::str::from_utf8(codec.handshake()).expect("handshakes are plain letters")
}
