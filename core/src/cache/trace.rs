//! What happens in a cache, in the words of ZEO's cache traces.

use crate::ids::{Oid, Tid};
use std::fmt::Debug;

/// Who is told what happens in a cache.
pub trait Trace: Send + Debug {
    /// Takes note of one event.
    fn record(&mut self, traced: Traced);
}

/// One event, with what ZEO's cache writes of it; what it leaves out is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traced {
    /// What happened.
    pub code: Code,
    /// Bytes of the object's data.
    pub size: u32,
    /// The object.
    pub oid: Oid,
    /// The first tid.
    pub start: Tid,
    /// The second tid.
    pub end: Tid,
}

/// What happened, by the code that ZEO's traces have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// The cache was opened.
    Open = 0x00,
    /// An object changed that was not there.
    InvalidateMiss = 0x10,
    /// An object changed; what was current is kept as non-current.
    InvalidateKeep = 0x1C,
    /// An object changed at a time unknown; what was current is dropped.
    InvalidateDrop = 0x1E,
    /// A current revision was asked for in vain.
    LoadMiss = 0x20,
    /// A current revision was found.
    LoadHit = 0x22,
    /// A revision before some tid was asked for in vain.
    LoadBeforeMiss = 0x24,
    /// A non-current revision was found.
    LoadBeforeHit = 0x26,
    /// A current revision was stored.
    StoreCurrent = 0x52,
    /// A non-current revision was stored.
    StoreNonCurrent = 0x54,
}
