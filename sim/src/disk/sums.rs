//! Whether the checksums on a disk count.

use zeolith_core::ids::Tid;
use zeolith_core::store::file::lockfile;
use zeolith_core::store::file::sidecar::{ENTRY, Entry, Header};

/// The head of the checksums; `None`: they are another's than the lock file names, as after a crash in a pack.
pub(super) fn header(sums: &[u8], lock: &[u8]) -> Option<Header> {
    let header = Header::parse(sums.first_chunk()?)?;
    (lockfile::nonce(lock) == Some(header.nonce)).then_some(header)
}

/// Whether a transaction has one that counts.
pub(super) fn vouch(sums: &[u8], lock: &[u8], tid: Tid) -> bool {
    let Some(header) = header(sums, lock) else { return false };
    let (entries, _) = sums.as_chunks::<ENTRY>();
    entries.iter().rev().any(|entry| Entry::parse(entry, header.nonce).is_some_and(|entry| entry.tid == tid))
}
