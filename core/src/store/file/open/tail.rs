//! Why a log ends before its file does.

use std::fmt;

/// Why a log is thought to end before its file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// The last transaction is cut off.
    Truncated,
    /// It is marked incomplete.
    Incomplete,
    /// It is no transaction, and none follows.
    Nonsense,
    /// From somewhere in it on there is nothing but zeros.
    Zeros,
    /// Its checksum is not there, or differs: it was never acknowledged.
    Unacknowledged,
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tail::Truncated => "a transaction that is cut off",
            Tail::Incomplete => "a transaction marked incomplete",
            Tail::Nonsense => "no transaction, and nothing that looks like one follows",
            Tail::Zeros => "zeros to the end",
            Tail::Unacknowledged => "never acknowledged, for the checksums do not vouch for it",
        })
    }
}
