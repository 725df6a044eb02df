//! Storages of other servers: their connections, and what they begin with.

mod link;
mod start;

pub(crate) use link::{Flushed, Links};
pub(crate) use start::{Prepared, prepare};

use crate::client::ClientOptions;

/// A storage that other servers have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSpec {
    /// Which, and how they are connected to. [`marks`](ClientOptions::marks) are never stored; with
    /// [`server_sync`](ClientOptions::server_sync) a client's `ping` goes all the way up.
    pub options: ClientOptions,
    /// What the storage is called; `None`: by its servers.
    pub name: Option<String>,
}
