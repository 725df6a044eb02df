//! A client of ZEO servers, ours and Python's: it reads at memory speed from a cache that is never wrong, commits, and
//! follows what others change.
//!
//! # Getting started
//!
//! A [`Client`] is made from [`ClientOptions`], within a tokio runtime with I/O and time enabled. It is a handle: clones share the connection and
//! the cache, and may be used from any thread. Programs without a runtime take [`blocking::Client`].
//!
//! ```
//! # zeolith_net::testing::run(async |address| {
//! use zeolith_net::{Client, ClientOptions, Oid};
//!
//! // "localhost:8100", a socket's path, or "zeo://localhost:8100/main"
//! let client = Client::connect(ClientOptions::new(&address)?).await?;
//!
//! // Objects are bytes: ZODB's are pickles, which this crate does not look into.
//! let mut transaction = client.begin();
//! transaction.note("the first transaction").store_new(Oid(0), "some state");
//! let tid = transaction.commit().await?;
//!
//! // From now on the cache has it; loads of it need no server until it changes.
//! let revision = client.load(Oid(0)).await?;
//! assert_eq!((revision.data.as_ref(), revision.serial), (&b"some state"[..], tid));
//! # Ok(()) });
//! ```
//!
//! **Reading** many objects that belong together is done from a [`Snapshot`], so that all are of one moment; its
//! [`prefetch`](Snapshot::prefetch) fetches many in the time of one. **Changing** is a [`Transaction`]: when somebody else
//! was faster it ends with [`Error::Conflict`], and one begins again with what is current now:
//!
//! ```
//! # zeolith_net::testing::run(async |address| {
//! # use zeolith_net::{Client, ClientOptions, Error, Oid, Tid};
//! # let client = Client::connect(ClientOptions::new(&address)?).await?;
//! # let mut first = client.begin();
//! # first.store_new(Oid(0), "1");
//! # first.commit().await?;
//! async fn increment(client: &Client, oid: Oid) -> Result<Tid, Error> {
//!     loop {
//!         let read = client.load(oid).await?;
//!         let count: u64 = String::from_utf8_lossy(&read.data).parse().expect("a number");
//!         let mut transaction = client.begin();
//!         transaction.store(oid, read.serial, (count + 1).to_string());
//!         match transaction.commit().await {
//!             Err(Error::Conflict(_)) => {} // somebody else was faster
//!             other => return other,
//!         }
//!     }
//! }
//! increment(&client, Oid(0)).await?;
//! # assert_eq!(client.load(Oid(0)).await?.data, "2");
//! # Ok(()) });
//! ```
//!
//! **Following** what is committed, by whomever, begins exactly behind a snapshot: see [`Client::follow`].
//!
//! # When a connection is lost
//!
//! The client connects again by itself and verifies its cache; loads wait for that and are asked again, for as long as the
//! wait timeout. A transaction is never repeated by itself. If the connection is lost while one is finished, the client finds
//! out after reconnecting whether it was committed; if it cannot, [`Error::OutcomeUnknown`] says so.
//!
//! All futures may be dropped at any time, and cost nothing from then on.

mod asked;
pub mod blocking;
mod copying;
mod error;
mod followers;
mod invalidations;
mod link;
pub mod medium;
mod open;
mod options;
mod shared;
mod snapshot;
mod spool;
pub mod trace;
mod transaction;

pub use copying::{BlobPieces, Iteration};
pub use error::ConnectError;
pub use invalidations::Invalidations;
pub use options::{ClientOptions, OptionsError};
pub use snapshot::Snapshot;
pub use transaction::{Transaction, Voted};
pub use zeolith_core::client::{
    Change, CopiedRecord, CopiedTransaction, Error, Finished, Merge, NextRecord, PastRevision,
    PastTransaction, StorageInfo,
};
pub use zeolith_core::store::Revision;

pub(crate) use link::connect;
pub(crate) use open::Opened;

use asked::{Asked, answer};
use bytes::Bytes;
use shared::Shared;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use zeolith_core::client::{Answer, Call};
use zeolith_core::ids::{Oid, Tid};

/// A client of one storage, connected to one of its servers at a time.
///
/// It is a handle to be cloned. When the last clone is dropped, with all snapshots, transactions and streams made from it, the
/// client is closed; [`close`](Self::close) does that at once.
#[derive(Clone, Debug)]
pub struct Client {
    owner: Arc<Owner>,
}

/// Closes the client when nobody holds it any more.
#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
    server_sync: bool,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Client {
    /// Opens the cache and connects; returns when the cache is verified, unless the options say not to
    /// [wait](ClientOptions::wait).
    ///
    /// # Errors
    /// [`ConnectError`]: the cache's file cannot be used, or no server was ready within the wait timeout. A client that does not
    /// wait goes on trying.
    pub async fn connect(options: ClientOptions) -> Result<Client, ConnectError> {
        let server_sync = options.server_sync;
        let wait = options.wait;
        let client = Client { owner: Arc::new(Owner { shared: open::open(options).await?, server_sync }) };
        if wait && let Err(error) = client.ready().await {
            // Whoever tries again finds the cache's file free.
            client.close().await;
            return Err(error.into());
        }
        Ok(client)
    }

    /// Returns when the client is connected and its cache verified.
    ///
    /// # Errors
    /// [`Error::Disconnected`] after the wait timeout; [`Error::ServerBehind`] when the server knows less than the
    /// cache and the options do not say to drop it.
    pub async fn ready(&self) -> Result<(), Error> {
        self.done(Call::Ready).await
    }

    /// The last transaction that the cache knows of; `None` before the first connection of a client whose cache is empty.
    ///
    /// It never falls, but when the cache was dropped for a server that knows less. While there is no connection it stands still.
    pub fn last_tid(&self) -> Option<Tid> {
        self.shared().turn(|state| state.machine.last_tid())
    }

    /// The current revision of an object, as far as the server has told: a change that another client has committed shows
    /// as soon as its invalidation arrives. [`sync`](Self::sync) waits for those that are on their way.
    ///
    /// What the cache has is answered on the caller's thread.
    ///
    /// # Errors
    /// [`Error::NoObject`]; [`Error::Disconnected`] when no server could be asked within the wait timeout;
    /// [`Error::ServerBehind`]; [`Error::Refused`] for whatever else the server says.
    pub async fn load(&self, oid: Oid) -> Result<Revision, Error> {
        self.load_before(oid, Tid::MAX).await?.ok_or(Error::NoObject(oid))
    }

    /// The revision of an object that was current just before transaction `before`; `None`: it did not exist then.
    ///
    /// # Errors
    /// As [`load`](Self::load). [`Error::NoObject`] when the object is not known at all, or was deleted then.
    pub async fn load_before(&self, oid: Oid, before: Tid) -> Result<Option<Revision>, Error> {
        if let Some(revision) = self.cached(oid, before) {
            return Ok(Some(revision));
        }
        answer!(self.ask(Call::Load { oid, before }).await, Answer::Loaded(revision) => revision)
    }

    /// The state that transaction `serial` gave an object.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub async fn load_serial(&self, oid: Oid, serial: Tid) -> Result<Bytes, Error> {
        answer!(self.ask(Call::LoadSerial { oid, serial }).await, Answer::State(data) => data)
    }

    /// What the cache knows of the revision that was current just before `before` ([`Tid::MAX`] for what is current now):
    /// answered on the caller's thread, without a wait. `None` says nothing about the object.
    pub fn cached(&self, oid: Oid, before: Tid) -> Option<Revision> {
        self.shared().cached(oid, before)
    }

    /// The storage as of the last transaction that this client knows of, or with
    /// [`server_sync`](ClientOptions::server_sync) as of the last there is.
    ///
    /// # Errors
    /// As [`ready`](Self::ready): without a connection it waits for one.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        self.fresh().await?;
        let tid = self.shared().turn(|state| state.machine.last_tid());
        Ok(Snapshot::new(self.clone(), tid.unwrap_or(Tid::ZERO)))
    }

    /// The storage as it was after transaction `tid`. One that is not known here yet is asked for with a
    /// [`sync`](Self::sync).
    ///
    /// # Errors
    /// [`Error::NotYet`] when the server's last transaction is before `tid`; otherwise as [`sync`](Self::sync).
    pub async fn at(&self, tid: Tid) -> Result<Snapshot, Error> {
        if self.last_tid().is_none_or(|last| last < tid) {
            self.sync().await?;
            let last = self.last_tid().unwrap_or(Tid::ZERO);
            if last < tid {
                return Err(Error::NotYet { tid, last });
            }
        }
        Ok(Snapshot::new(self.clone(), tid))
    }

    /// The storage as it is, and everything that changes from then on, without a gap between the two and without overlap.
    ///
    /// ```
    /// # zeolith_net::testing::run(async |address| {
    /// use zeolith_net::{Change, Client, ClientOptions, Oid};
    ///
    /// let client = Client::connect(ClientOptions::new(&address)?).await?;
    /// let (snapshot, mut changes) = client.follow().await?;
    /// // Read what is of interest from the snapshot, then keep it current:
    /// let mut transaction = client.begin();
    /// transaction.store_new(Oid(0), "new");
    /// let tid = transaction.commit().await?;
    /// assert!(tid > snapshot.tid());
    /// assert_eq!(changes.next().await, Some(Change::Objects { tid, oids: vec![Oid(0)] }));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot).
    pub async fn follow(&self) -> Result<(Snapshot, Invalidations), Error> {
        self.fresh().await?;
        let (tid, id, place) = self
            .shared()
            .turn(|state| (state.machine.last_tid(), state.followers.follower(), state.followers.end()));
        let snapshot = Snapshot::new(self.clone(), tid.unwrap_or(Tid::ZERO));
        Ok((snapshot, Invalidations::new(self.clone(), id, place)))
    }

    /// Everything that changed after a snapshot. When that is longer ago than is remembered here (about a million changed
    /// objects, and nothing from before the client was made) the first is [`Change::Everything`].
    pub fn invalidations(&self, after: &Snapshot) -> Invalidations {
        let (id, place) =
            self.shared().turn(|state| (state.followers.follower(), state.followers.after(after.tid())));
        Invalidations::new(self.clone(), id, place)
    }

    /// Fetches the current revisions of objects into the cache; see [`Snapshot::prefetch`].
    ///
    /// # Errors
    /// As [`load`](Self::load), but not for single objects.
    pub async fn prefetch(&self, oids: impl IntoIterator<Item = Oid>) -> Result<(), Error> {
        self.done(Call::Prefetch { oids: oids.into_iter().collect(), before: Tid::MAX }).await
    }

    /// A round trip to the server: whatever was committed anywhere before the call is known here after it.
    ///
    /// # Errors
    /// As [`load`](Self::load), and [`Error::Lost`].
    pub async fn sync(&self) -> Result<(), Error> {
        self.done(Call::Sync).await
    }

    /// Begins a transaction. It costs nothing until it is committed.
    pub fn begin(&self) -> Transaction {
        Transaction::new(self.clone())
    }

    /// An oid that was never used. It is used up even if nothing is stored under it.
    ///
    /// # Errors
    /// As [`load`](Self::load), and [`Error::ReadOnly`].
    pub async fn new_oid(&self) -> Result<Oid, Error> {
        answer!(self.ask(Call::NewOid).await, Answer::Oid(oid) => oid)
    }

    /// The newest revisions of an object, at most `count`, the newest first.
    ///
    /// # Errors
    /// As [`load`](Self::load), and [`Error::Lost`].
    pub async fn history(&self, oid: Oid, count: u32) -> Result<Vec<PastRevision>, Error> {
        answer!(self.ask(Call::History { oid, count }).await, Answer::History(history) => history)
    }

    /// Transactions that can be undone, the newest first: those in places `first..last`, where the newest is in place 0.
    ///
    /// # Errors
    /// [`Error::Refused`] when the storage cannot undo; otherwise as [`history`](Self::history).
    pub async fn undo_log(&self, first: u32, last: u32) -> Result<Vec<PastTransaction>, Error> {
        answer!(self.ask(Call::UndoLog { first, last }).await, Answer::UndoLog(log) => log)
    }

    /// Removes revisions that were not current any more at a time, and objects that nobody could reach; returns when that is
    /// done, which may take hours. A time before 1970 counts as 1970.
    ///
    /// # Errors
    /// As [`undo_log`](Self::undo_log). Dropping the future does not stop the server.
    pub async fn pack(&self, time: SystemTime) -> Result<(), Error> {
        let time = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        self.done(Call::Pack { time }).await
    }

    /// What the server says of itself: names and values, as it prints them.
    ///
    /// # Errors
    /// As [`history`](Self::history).
    pub async fn status(&self) -> Result<Vec<(String, String)>, Error> {
        answer!(self.ask(Call::Status).await, Answer::Status(status) => status)
    }

    /// The name, size and abilities of the storage, as the server told them last.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub async fn info(&self) -> Result<StorageInfo, Error> {
        answer!(self.ask(Call::Info).await, Answer::Info(info) => info)
    }

    /// All transactions from `start` to `stop`, both included, with their records; `None` for the first and the last there are.
    ///
    /// # Errors
    /// [`Error::Refused`] when the server cannot iterate; otherwise as [`history`](Self::history).
    pub async fn iterate(&self, start: Option<Tid>, stop: Option<Tid>) -> Result<Iteration, Error> {
        let id = answer!(self.ask(Call::Iterate { start, stop }).await, Answer::Iteration(id) => id)?;
        Ok(Iteration::new(self.clone(), id))
    }

    /// One object in the order of oids, with its current revision and the oid to go on with; `None` begins.
    ///
    /// # Errors
    /// [`Error::Refused`] when the storage cannot do it; otherwise as [`history`](Self::history).
    pub async fn next_record(&self, oid: Option<Oid>) -> Result<NextRecord, Error> {
        answer!(self.ask(Call::NextRecord { oid }).await, Answer::Record(record) => record)
    }

    /// The bytes of an object's blob at revision `serial`. Errors come with the first piece.
    pub fn load_blob(&self, oid: Oid, serial: Tid) -> BlobPieces {
        BlobPieces::ask(self.shared(), oid, serial)
    }

    /// Ends the client, for all of its clones: what is under way fails with [`Error::Closed`], and so does whatever is asked
    /// from then on. Returns when the connection is closed, and the cache's file is written and free for others.
    ///
    /// It happens even if the future is dropped, but has to be asked for: it begins with the call, not with the first poll.
    pub fn close(&self) -> impl Future<Output = ()> + use<> {
        let shared = self.shared().clone();
        shared.close();
        async move { shared.closed().await }
    }

    /// Waits until a snapshot of the last known tid may be taken.
    async fn fresh(&self) -> Result<(), Error> {
        if self.owner.server_sync {
            return self.sync().await;
        }
        // Without the round through the machine where that is possible.
        if self.shared().turn(|state| state.machine.is_ready()) { Ok(()) } else { self.ready().await }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.owner.shared
    }

    fn ask(&self, call: Call) -> Asked {
        Asked::ask(self.shared(), call)
    }

    async fn done(&self, call: Call) -> Result<(), Error> {
        answer!(self.ask(call).await, Answer::Done => ())
    }
}
