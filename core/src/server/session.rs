//! One connection: from handshake to close.

use super::names::StorageId;
use crate::limits;
use crate::wire::Codec;
use crate::wire::frame::{Frame, FrameError, Frames};

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has not said which protocol it speaks.
    Handshake,
    /// It may register, also again after a ReadOnlyError: fallback clients do.
    Negotiated(Codec),
    /// It works with a storage.
    Registered {
        /// Its encoding.
        codec: Codec,
        /// Its storage.
        storage: StorageId,
        /// It may not write.
        read_only: bool,
    },
}

/// The state of one connection.
#[derive(Debug)]
pub struct Session {
    /// How far it is.
    pub phase: Phase,
    address: String,
    label: String,
    frames: Frames,
}

impl Session {
    /// A connection that was just opened from `address`.
    pub fn new(address: String) -> Session {
        Session { phase: Phase::Handshake, address, label: String::new(), frames: Frames::default() }
    }

    /// Bytes of a message that is not whole yet.
    pub fn buffered(&self) -> usize {
        self.frames.buffered()
    }

    /// Whether it works with a storage.
    pub fn is_registered(&self) -> bool {
        matches!(self.phase, Phase::Registered { .. })
    }

    /// Label and address, for the log.
    pub fn peer(&self) -> String {
        if self.label.is_empty() { self.address.clone() } else { format!("{} {}", self.label, self.address) }
    }

    /// Takes the name a client gives itself for the log, cut to [`limits::LABEL`] bytes and freed of control characters.
    pub fn set_label(&mut self, label: &str) {
        let printable = label.chars().filter(|c| !c.is_control());
        let fitting = printable.scan(0, |used, c| {
            *used += c.len_utf8();
            (*used <= limits::LABEL).then_some(c)
        });
        self.label = fitting.collect();
    }

    /// The next message of what was received, `chunk` being the newest part of it; `None` when it is not complete.
    pub fn next_frame<'c>(&mut self, chunk: &mut &'c [u8]) -> Result<Option<Frame<'c>>, FrameError> {
        let limit = match self.phase {
            Phase::Registered { .. } => limits::FRAME,
            Phase::Handshake | Phase::Negotiated(_) => limits::FRAME_BEFORE_REGISTER,
        };
        self.frames.next(chunk, limit)
    }

    /// Keeps what cannot be looked at yet.
    pub fn keep(&mut self, rest: &[u8]) {
        self.frames.keep(rest);
    }
}
