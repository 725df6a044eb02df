//! What a server starts from.

use crate::client::Client;
use crate::commit::merged::Merged;
use crate::ids::{Oid, Tid};
use crate::limits::{self, Limits};
use crate::server::names::Context;
use crate::server::packs::PackOptions;
use crate::store::Store;
use crate::store::file::open::Opened;
use crate::store::memory::MemoryStore;
use crate::store::reach::Reach;
use crate::time::Instant;
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

/// What a served storage begins with.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there are few, and each is moved once")]
pub enum Boot {
    /// Its store is here.
    Own(StorageBoot),
    /// Another server has it.
    Relay(RelayBoot),
}

impl From<StorageBoot> for Boot {
    fn from(boot: StorageBoot) -> Boot {
        Boot::Own(boot)
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

/// What a storage begins with that another server has.
#[derive(Debug)]
pub struct RelayBoot {
    /// What clients name in `register`.
    pub name: String,
    /// What people call it.
    pub description: String,
    /// The client of the servers above, just made. It stores no [marks](crate::client::config::Config::marks): those of the
    /// clients here are theirs.
    pub client: Client,
    /// When it was made.
    pub now: Instant,
    /// Whether the server is to wait for its first connection.
    pub wait: bool,
    /// Nobody may write, whatever the servers above allow.
    pub read_only: bool,
    /// A client's `ping` goes all the way up.
    pub sync: bool,
    /// There is a folder for blobs under way, and for those that came from above.
    pub has_blobs: bool,
}

impl From<RelayBoot> for Boot {
    fn from(boot: RelayBoot) -> Boot {
        Boot::Relay(boot)
    }
}
