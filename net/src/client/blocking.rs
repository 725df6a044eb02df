//! The client for programs without a runtime: the same, with calls that block.
//!
//! A client has one thread of its own that moves bytes; what the cache knows is answered on the caller's thread. None of this may be called from
//! within a tokio runtime, which it would block: it panics there.
//!
//! ```
//! # zeolith_net::testing::run_blocking(|address| {
//! use zeolith_net::client::blocking::Client;
//! use zeolith_net::{ClientOptions, Oid};
//!
//! let client = Client::connect(ClientOptions::new(&address)?)?;
//! let mut transaction = client.begin();
//! transaction.store_new(Oid(0), "some state");
//! let tid = transaction.commit()?;
//! assert_eq!(client.load(Oid(0))?.serial, tid);
//! # Ok(()) });
//! ```

use super::{
    ClientOptions, ConnectError, CopiedTransaction, Error, Finished, NextRecord, PastRevision,
    PastTransaction, StorageInfo,
};
use bytes::Bytes;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::runtime::{Builder, Runtime};
use zeolith_core::client::Change;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::Revision;

/// A thread for clients' tasks, and a way to wait for them.
#[derive(Debug)]
struct Waiting(Option<Runtime>);

impl Waiting {
    fn start() -> Result<Arc<Waiting>, ConnectError> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("zeolith-client").enable_all().build();
        Ok(Arc::new(Waiting(Some(runtime.map_err(ConnectError::Runtime)?))))
    }

    fn on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.as_ref().expect("a runtime until it is dropped").block_on(future)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // A plain drop would wait for the thread, which must not be done everywhere.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// As [`super::Client`], with calls that block.
#[derive(Clone, Debug)]
pub struct Client {
    inner: super::Client,
    waiting: Arc<Waiting>,
}

impl Client {
    /// As [`super::Client::connect`], with a thread of its own.
    ///
    /// # Errors
    /// As there, and [`ConnectError::Runtime`].
    pub fn connect(options: ClientOptions) -> Result<Client, ConnectError> {
        let waiting = Waiting::start()?;
        Ok(Client { inner: waiting.on(super::Client::connect(options))?, waiting })
    }

    /// As [`super::Client::ready`].
    ///
    /// # Errors
    /// As there.
    pub fn ready(&self) -> Result<(), Error> {
        self.waiting.on(self.inner.ready())
    }

    /// As [`super::Client::last_tid`].
    pub fn last_tid(&self) -> Option<Tid> {
        self.inner.last_tid()
    }

    /// As [`super::Client::load`].
    ///
    /// # Errors
    /// As there.
    pub fn load(&self, oid: Oid) -> Result<Revision, Error> {
        match self.inner.cached(oid, Tid::MAX) {
            Some(revision) => Ok(revision),
            None => self.waiting.on(self.inner.load(oid)),
        }
    }

    /// As [`super::Client::load_before`].
    ///
    /// # Errors
    /// As there.
    pub fn load_before(&self, oid: Oid, before: Tid) -> Result<Option<Revision>, Error> {
        match self.inner.cached(oid, before) {
            Some(revision) => Ok(Some(revision)),
            None => self.waiting.on(self.inner.load_before(oid, before)),
        }
    }

    /// As [`super::Client::load_serial`].
    ///
    /// # Errors
    /// As there.
    pub fn load_serial(&self, oid: Oid, serial: Tid) -> Result<Bytes, Error> {
        self.waiting.on(self.inner.load_serial(oid, serial))
    }

    /// As [`super::Client::cached`].
    pub fn cached(&self, oid: Oid, before: Tid) -> Option<Revision> {
        self.inner.cached(oid, before)
    }

    /// As [`super::Client::snapshot`].
    ///
    /// # Errors
    /// As there.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        Ok(self.snapshot_of(self.waiting.on(self.inner.snapshot())?))
    }

    /// As [`super::Client::at`].
    ///
    /// # Errors
    /// As there.
    pub fn at(&self, tid: Tid) -> Result<Snapshot, Error> {
        Ok(self.snapshot_of(self.waiting.on(self.inner.at(tid))?))
    }

    /// As [`super::Client::follow`].
    ///
    /// # Errors
    /// As there.
    pub fn follow(&self) -> Result<(Snapshot, Invalidations), Error> {
        let (snapshot, inner) = self.waiting.on(self.inner.follow())?;
        Ok((self.snapshot_of(snapshot), Invalidations { inner, waiting: self.waiting.clone() }))
    }

    /// As [`super::Client::invalidations`].
    pub fn invalidations(&self, after: &Snapshot) -> Invalidations {
        Invalidations { inner: self.inner.invalidations(&after.inner), waiting: self.waiting.clone() }
    }

    /// As [`super::Client::prefetch`].
    ///
    /// # Errors
    /// As there.
    pub fn prefetch(&self, oids: impl IntoIterator<Item = Oid>) -> Result<(), Error> {
        self.waiting.on(self.inner.prefetch(oids))
    }

    /// As [`super::Client::sync`].
    ///
    /// # Errors
    /// As there.
    pub fn sync(&self) -> Result<(), Error> {
        self.waiting.on(self.inner.sync())
    }

    /// As [`super::Client::begin`].
    pub fn begin(&self) -> Transaction {
        Transaction { inner: self.inner.begin(), waiting: self.waiting.clone() }
    }

    /// As [`super::Client::new_oid`].
    ///
    /// # Errors
    /// As there.
    pub fn new_oid(&self) -> Result<Oid, Error> {
        self.waiting.on(self.inner.new_oid())
    }

    /// As [`super::Client::history`].
    ///
    /// # Errors
    /// As there.
    pub fn history(&self, oid: Oid, count: u32) -> Result<Vec<PastRevision>, Error> {
        self.waiting.on(self.inner.history(oid, count))
    }

    /// As [`super::Client::undo_log`].
    ///
    /// # Errors
    /// As there.
    pub fn undo_log(&self, first: u32, last: u32) -> Result<Vec<PastTransaction>, Error> {
        self.waiting.on(self.inner.undo_log(first, last))
    }

    /// As [`super::Client::pack`].
    ///
    /// # Errors
    /// As there.
    pub fn pack(&self, time: SystemTime) -> Result<(), Error> {
        self.waiting.on(self.inner.pack(time))
    }

    /// As [`super::Client::status`].
    ///
    /// # Errors
    /// As there.
    pub fn status(&self) -> Result<Vec<(String, String)>, Error> {
        self.waiting.on(self.inner.status())
    }

    /// As [`super::Client::info`].
    ///
    /// # Errors
    /// As there.
    pub fn info(&self) -> Result<StorageInfo, Error> {
        self.waiting.on(self.inner.info())
    }

    /// As [`super::Client::iterate`].
    ///
    /// # Errors
    /// As there.
    pub fn iterate(&self, start: Option<Tid>, stop: Option<Tid>) -> Result<Iteration, Error> {
        let inner = self.waiting.on(self.inner.iterate(start, stop))?;
        Ok(Iteration { inner, waiting: self.waiting.clone() })
    }

    /// As [`super::Client::next_record`].
    ///
    /// # Errors
    /// As there.
    pub fn next_record(&self, oid: Option<Oid>) -> Result<NextRecord, Error> {
        self.waiting.on(self.inner.next_record(oid))
    }

    /// As [`super::Client::load_blob`].
    pub fn load_blob(&self, oid: Oid, serial: Tid) -> BlobPieces {
        BlobPieces { inner: self.inner.load_blob(oid, serial), waiting: self.waiting.clone() }
    }

    /// As [`super::Client::close`].
    pub fn close(&self) {
        self.waiting.on(self.inner.close());
    }

    fn snapshot_of(&self, inner: super::Snapshot) -> Snapshot {
        Snapshot { inner, waiting: self.waiting.clone() }
    }
}

/// As [`super::Snapshot`], with calls that block.
#[derive(Clone, Debug)]
pub struct Snapshot {
    inner: super::Snapshot,
    waiting: Arc<Waiting>,
}

impl Snapshot {
    /// As [`super::Snapshot::tid`].
    pub fn tid(&self) -> Tid {
        self.inner.tid()
    }

    /// As [`super::Snapshot::load`].
    ///
    /// # Errors
    /// As there.
    pub fn load(&self, oid: Oid) -> Result<Revision, Error> {
        match self.inner.cached(oid) {
            Some(revision) => Ok(revision),
            None => self.waiting.on(self.inner.load(oid)),
        }
    }

    /// As [`super::Snapshot::cached`].
    pub fn cached(&self, oid: Oid) -> Option<Revision> {
        self.inner.cached(oid)
    }

    /// As [`super::Snapshot::prefetch`].
    ///
    /// # Errors
    /// As there.
    pub fn prefetch(&self, oids: impl IntoIterator<Item = Oid>) -> Result<(), Error> {
        self.waiting.on(self.inner.prefetch(oids))
    }
}

/// As [`super::Invalidations`]: an iterator whose next element is waited for.
#[derive(Debug)]
pub struct Invalidations {
    inner: super::Invalidations,
    waiting: Arc<Waiting>,
}

impl Iterator for Invalidations {
    type Item = Change;

    fn next(&mut self) -> Option<Change> {
        self.waiting.on(self.inner.next())
    }
}

/// As [`super::Transaction`], which it stands for, with an end that blocks.
#[derive(Debug)]
#[must_use = "a transaction that is dropped changes nothing"]
pub struct Transaction {
    inner: super::Transaction,
    waiting: Arc<Waiting>,
}

impl Deref for Transaction {
    type Target = super::Transaction;

    fn deref(&self) -> &super::Transaction {
        &self.inner
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut super::Transaction {
        &mut self.inner
    }
}

impl Transaction {
    /// As [`super::Transaction::new_oid`].
    ///
    /// # Errors
    /// As there.
    pub fn new_oid(&self) -> Result<Oid, Error> {
        self.waiting.on(self.inner.new_oid())
    }

    /// As [`super::Transaction::commit`].
    ///
    /// # Errors
    /// As there.
    pub fn commit(self) -> Result<Tid, Error> {
        self.waiting.on(self.inner.commit())
    }

    /// As [`super::Transaction::vote`].
    ///
    /// # Errors
    /// As there.
    pub fn vote(self) -> Result<Voted, Error> {
        let inner = self.waiting.on(self.inner.vote())?;
        Ok(Voted { inner, waiting: self.waiting })
    }
}

/// As [`super::Voted`], with an end that blocks.
#[derive(Debug)]
#[must_use = "a voted transaction that is dropped is aborted"]
pub struct Voted {
    inner: super::Voted,
    waiting: Arc<Waiting>,
}

impl Voted {
    /// As [`super::Voted::finish`].
    ///
    /// # Errors
    /// As there.
    pub fn finish(self) -> Result<Finished, Error> {
        self.waiting.on(self.inner.finish())
    }

    /// As [`super::Voted::abort`].
    ///
    /// # Errors
    /// As there.
    pub fn abort(self) -> Result<(), Error> {
        self.waiting.on(self.inner.abort())
    }
}

/// As [`super::Iteration`]: an iterator, to be left at the first error.
#[derive(Debug)]
pub struct Iteration {
    inner: super::Iteration,
    waiting: Arc<Waiting>,
}

impl Iterator for Iteration {
    type Item = Result<CopiedTransaction, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.waiting.on(self.inner.next()).transpose()
    }
}

/// As [`super::BlobPieces`]: an iterator, to be left at the first error.
#[derive(Debug)]
pub struct BlobPieces {
    inner: super::BlobPieces,
    waiting: Arc<Waiting>,
}

impl Iterator for BlobPieces {
    type Item = Result<Bytes, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.waiting.on(self.inner.next()).transpose()
    }
}
