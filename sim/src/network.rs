//! The connection of one client: two streams of bytes, which arrive in pieces of any size.

use bytes::{Bytes, BytesMut};

/// Bytes on their way in one direction.
#[derive(Debug, Default)]
pub struct Stream {
    bytes: BytesMut,
}

impl Stream {
    /// Puts bytes on their way.
    pub fn send(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next bytes, at most `limit`.
    pub fn take(&mut self, limit: usize) -> Bytes {
        self.bytes.split_to(limit.min(self.bytes.len())).freeze()
    }

    /// How many are on their way.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Both directions.
#[derive(Debug, Default)]
pub struct Link {
    /// From the client to the server.
    pub up: Stream,
    /// From the server to the client.
    pub down: Stream,
    /// The server closed it: it ends when the client has everything.
    pub closing: bool,
}
