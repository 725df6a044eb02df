//! What a server starts from.

use crate::commit::merged::Merged;
use crate::ids::{Oid, Tid};
use crate::limits::{self, Limits};
use crate::server::names::Context;
use crate::server::packs::PackOptions;
use crate::store::Store;
use crate::store::file::open::Opened;
use crate::store::memory::MemoryStore;
use crate::store::reach::Reach;
use crate::wire::Codec;
use std::time::Duration;

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// The encoding it announces; clients follow it.
    pub codec: Codec,
    /// Nobody may write, whatever the storages allow.
    pub read_only: bool,
    /// How long a transaction may hold its locks; `None` for as long as it likes, which is Python's default.
    pub transaction_timeout: Option<Duration>,
    /// Transactions remembered for clients that come back.
    pub invalidation_queue: Reach,
    /// What it takes at most.
    pub limits: Limits,
    /// Whose conflicts the client that undoes something is asked to merge.
    pub merged: Merged,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            codec: Codec::Pickle,
            read_only: false,
            transaction_timeout: None,
            invalidation_queue: limits::INVALIDATION_QUEUE.into(),
            limits: Limits::default(),
            merged: Merged::default(),
        }
    }
}

/// A storage to be served.
#[derive(Debug)]
pub struct StorageBoot {
    /// What clients name in `register`.
    pub name: String,
    /// What people call it: its path.
    pub description: String,
    /// The opened store.
    pub store: Store<Context>,
    /// Nobody may write.
    pub read_only: bool,
    /// Its objects may have blobs: the shell has a folder for them.
    pub has_blobs: bool,
    /// How it is packed.
    pub pack: PackOptions,
    /// The transaction before the first of `recent`; zero when there is none.
    pub base: Tid,
    /// The last transactions with their objects, oldest first.
    pub recent: Vec<(Tid, Vec<Oid>)>,
}

impl StorageBoot {
    /// A storage in memory: empty, and writable.
    pub fn memory(name: String) -> StorageBoot {
        StorageBoot {
            name,
            description: "MappingStorage".into(),
            store: Store::Memory(MemoryStore::new()),
            read_only: false,
            has_blobs: false,
            pack: PackOptions::default(),
            base: Tid::ZERO,
            recent: Vec::new(),
        }
    }

    /// A Data.fs at `path` as its opening left it.
    pub fn file(name: String, path: String, read_only: bool, opened: Opened<Context>) -> StorageBoot {
        StorageBoot {
            name,
            description: path,
            store: Store::File(Box::new(opened.store)),
            read_only,
            has_blobs: false,
            pack: PackOptions::default(),
            base: opened.base,
            recent: opened.recent,
        }
    }
}
