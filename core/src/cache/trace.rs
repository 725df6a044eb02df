//! What a cache did, record by record, in the format of ZEO's cache traces.
//!
//! A trace is a row of records and nothing else, all numbers big-endian: seconds since 1970 (4 bytes), size and code
//! (4 bytes: the size of the object's data in the upper 24 bits, the highest of them zero, and the code in the lower
//! 8), the length of the oid (2 bytes), first and end tid (8 bytes each), the oid.

use crate::ids::{Oid, Tid};
use thiserror::Error;

/// Bytes of a record before its oid.
const HEAD: usize = 26;

/// The largest size a record can tell; larger objects are recorded with it.
pub const SIZE_MAX: u32 = (1 << 23) - 1;

/// Who is told what a cache does.
pub trait Trace: Send + std::fmt::Debug {
    /// Takes one event. It must not fail: what cannot be kept is the recorder's to tell.
    fn record(&mut self, traced: Traced);
}

/// One event in the life of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traced {
    /// What happened.
    pub code: Code,
    /// Bytes of the object's data; zero where the cache did not touch any.
    pub size: u32,
    /// The object; zero and not written for [`Code::Opened`].
    pub oid: Oid,
    /// The transaction that wrote the revision, or that ended it with an invalidation. Zero where there is none: with a
    /// miss, and with an invalidation that forgets all about an object.
    pub start: Tid,
    /// The transaction that wrote the next revision; zero when the revision is current.
    ///
    /// Python's client keeps two other things here: in a [`Code::LoadBeforeMiss`] the tid before which a revision was
    /// wanted, in a [`Code::LoadBeforeHit`] the start of the one that was found.
    pub end: Tid,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What happened, with the number ZEO gives it: the upper digit tells the operation, the lower the outcome.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Code {
            $($(#[$doc])* $name = $number,)*
        }

        impl Code {
            /// All of them, by number.
            pub const ALL: &[Code] = &[$(Code::$name),*];
        }
    };
}

codes! {
    /// The cache was opened: a client started.
    Opened = 0x00,
    /// An object was invalidated that the cache did not have.
    InvalidateMiss = 0x10,
    /// A revision in a version of the database was invalidated, which ZODB no longer has.
    InvalidateVersion = 0x1a,
    /// A current revision was invalidated and kept as an older one.
    InvalidateKeep = 0x1c,
    /// A revision was invalidated and dropped, as happens while a cache is verified.
    InvalidateDrop = 0x1e,
    /// The current revision was wanted and not there.
    LoadMiss = 0x20,
    /// The current revision was wanted and there.
    LoadHit = 0x22,
    /// A revision before some transaction was wanted and not there.
    LoadBeforeMiss = 0x24,
    /// A revision before some transaction was wanted and there.
    LoadBeforeHit = 0x26,
    /// A revision in a version of the database was stored, which ZODB no longer has.
    StoreVersion = 0x50,
    /// A current revision was stored.
    Store = 0x52,
    /// An older revision was stored.
    StoreOld = 0x54,
}

impl Code {
    /// Its number in a trace.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The code of a number. `None` for one that ZEO does not use.
    pub fn from_number(number: u8) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.number() == number)
    }

    /// Whether something was wanted of the cache.
    pub fn is_load(self) -> bool {
        self.number() & 0x70 == 0x20
    }

    /// Whether a load was answered.
    pub fn is_hit(self) -> bool {
        matches!(self, Code::LoadHit | Code::LoadBeforeHit)
    }

    /// Whether something was stored.
    pub fn is_store(self) -> bool {
        self.number() & 0x70 == 0x50
    }

    /// Whether an object was invalidated.
    pub fn is_invalidation(self) -> bool {
        self.number() & 0x70 == 0x10
    }
}

/// Why bytes are no record of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadTrace {
    /// ZEO has no such code.
    #[error("{0:#04x} is no code of a cache trace")]
    Code(u8),
    /// Sizes have 23 bits.
    #[error("the size is negative")]
    Size,
    /// Oids are 8 bytes long; only the opening of a cache has none.
    #[error("an object id of {0} bytes")]
    Oid(u16),
}

impl Traced {
    /// The record of a cache being opened.
    pub const OPENED: Traced =
        Traced { code: Code::Opened, size: 0, oid: Oid::ZERO, start: Tid::ZERO, end: Tid::ZERO };

    /// Appends the record; `seconds` are counted from 1970.
    ///
    /// A size above [`SIZE_MAX`] is written as that.
    pub fn put(&self, seconds: u32, out: &mut Vec<u8>) {
        let oid = self.oid.bytes();
        let oid = if self.code == Code::Opened { &[][..] } else { &oid[..] };
        out.extend_from_slice(&seconds.to_be_bytes());
        out.extend_from_slice(&(self.size.min(SIZE_MAX) << 8 | u32::from(self.code.number())).to_be_bytes());
        out.extend_from_slice(&(oid.len() as u16).to_be_bytes());
        out.extend_from_slice(&self.start.bytes());
        out.extend_from_slice(&self.end.bytes());
        out.extend_from_slice(oid);
    }

    /// Reads the record that `bytes` begin with: its seconds since 1970, itself, and its length. `None` when they end
    /// inside it.
    ///
    /// # Errors
    /// [`BadTrace`] when this is no record of ZEO's. As the format has no mark of its own, a foreign file is only found
    /// out by its values.
    pub fn read(bytes: &[u8]) -> Result<Option<(u32, Traced, usize)>, BadTrace> {
        let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else { return Ok(None) };
        let [seconds, packed] =
            [0, 4].map(|at| u32::from_be_bytes(head[at..at + 4].try_into().expect("four bytes")));
        let [start, end] = [10, 18].map(|at| Tid::from_slice(&head[at..at + 8]).expect("eight bytes"));
        let number = packed as u8;
        let code = Code::from_number(number).ok_or(BadTrace::Code(number))?;
        let size = packed >> 8;
        if size > SIZE_MAX {
            return Err(BadTrace::Size);
        }
        let len = u16::from_be_bytes([head[8], head[9]]);
        let oid = match (len, code) {
            (0, Code::Opened) => Oid::ZERO,
            (8, _) => match rest.first_chunk::<8>() {
                Some(oid) => Oid(u64::from_be_bytes(*oid)),
                None => return Ok(None),
            },
            _ => return Err(BadTrace::Oid(len)),
        };
        Ok(Some((seconds, Traced { code, size, oid, start, end }, HEAD + usize::from(len))))
    }
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
