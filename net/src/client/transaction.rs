//! Committing.

use super::asked::{Steps, answer};
use super::{Client, Error};
use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;
use std::fmt;
use tokio::io::{AsyncRead, AsyncReadExt};
use zeolith_core::client::{Answer, Call, Changes, Finished, Input, Merge, Operation, TxnRef};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::limits;

use super::shared::Step;

/// Merges states; `None`: these cannot be merged.
type Resolver = Box<dyn FnMut(&Merge) -> Option<Bytes> + Send>;
/// Where a blob's bytes come from.
type BlobReader = Box<dyn AsyncRead + Send + Unpin>;

/// Changes to be committed together.
///
/// They are collected here and sent at the commit; dropping it before is all it takes to give it up. Each store names the
/// revision that it is based on: when that is not the current one any more, the commit ends with [`Error::Conflict`], unless a
/// [`resolver`](Self::resolver) merges the two.
///
/// ```
/// # zeolith_net::testing::run(async |address| {
/// use zeolith_net::{Client, ClientOptions};
///
/// let client = Client::connect(ClientOptions::new(&address)?).await?;
/// let oid = client.new_oid().await?;
/// let mut transaction = client.begin();
/// transaction.user("ann").note("a first object");
/// transaction.store_new(oid, "its state");
/// let tid = transaction.commit().await?;
/// assert_eq!(client.load(oid).await?.serial, tid);
/// # Ok(()) });
/// ```
#[must_use = "a transaction that is dropped changes nothing"]
pub struct Transaction {
    client: Client,
    changes: Changes,
    /// By the places of the operations that store them.
    blobs: BTreeMap<usize, BlobReader>,
    resolver: Option<Resolver>,
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("changes", &self.changes).finish_non_exhaustive()
    }
}

impl Transaction {
    pub(super) fn new(client: Client) -> Transaction {
        Transaction { client, changes: Changes::default(), blobs: BTreeMap::new(), resolver: None }
    }

    /// Who commits: at most 65,535 bytes.
    pub fn user(&mut self, user: impl Into<String>) -> &mut Transaction {
        self.changes.user = user.into().into();
        self
    }

    /// Why: at most 65,535 bytes.
    pub fn note(&mut self, description: impl Into<String>) -> &mut Transaction {
        self.changes.description = description.into().into();
        self
    }

    /// What else is to be known of the transaction: a pickle of a dictionary, at most 65,535 bytes. Anything else ends the
    /// commit with [`Error::Extension`], unless the transaction is [`copied`](Self::copied).
    pub fn extension(&mut self, pickle: impl Into<Bytes>) -> &mut Transaction {
        self.changes.extension = pickle.into();
        self
    }

    /// The tid and the status that the transaction must get: for copying a storage, with [`restore`](Self::restore). The tid
    /// must be later than the storage's last.
    pub fn copied(&mut self, tid: Tid, status: u8) -> &mut Transaction {
        self.changes.copied = Some((tid, status));
        self
    }

    /// An oid that was never used.
    ///
    /// # Errors
    /// As [`Client::load`], and [`Error::ReadOnly`].
    pub async fn new_oid(&self) -> Result<Oid, Error> {
        self.client.new_oid().await
    }

    /// A new state for an object whose revision `serial` was read. An empty one ends the commit with [`Error::Empty`].
    pub fn store(&mut self, oid: Oid, serial: Tid, data: impl Into<Bytes>) -> &mut Transaction {
        self.operation(Operation::Store { oid, serial, data: data.into() })
    }

    /// The state of an object that does not exist yet.
    pub fn store_new(&mut self, oid: Oid, data: impl Into<Bytes>) -> &mut Transaction {
        self.store(oid, Tid::ZERO, data)
    }

    /// As [`store`](Self::store), with a blob, which is read while the transaction is sent.
    ///
    /// An error of the reader ends the transaction with [`Error::Blob`].
    pub fn store_blob(
        &mut self,
        oid: Oid,
        serial: Tid,
        data: impl Into<Bytes>,
        blob: impl AsyncRead + Send + Unpin + 'static,
    ) -> &mut Transaction {
        self.blobs.insert(self.changes.operations.len(), Box::new(blob));
        self.operation(Operation::StoreBlob { oid, serial, data: data.into() })
    }

    /// Commits only if this revision is still current then: for what was read and decided upon, and not changed.
    pub fn read_check(&mut self, oid: Oid, serial: Tid) -> &mut Transaction {
        self.operation(Operation::ReadCheck { oid, serial })
    }

    /// Deletes an object, as external garbage collection does. `serial` is its current revision.
    pub fn delete(&mut self, oid: Oid, serial: Tid) -> &mut Transaction {
        self.operation(Operation::Delete { oid, serial })
    }

    /// Undoes a transaction of the [undo log](Client::undo_log).
    pub fn undo(&mut self, tid: Tid) -> &mut Transaction {
        self.operation(Operation::Undo(tid))
    }

    /// A record as another storage had it, in a transaction that is [`copied`](Self::copied).
    ///
    /// `data` is `None` where the creation of the object was undone; `same_as` is a transaction that has the same state, if
    /// known.
    pub fn restore(
        &mut self,
        oid: Oid,
        serial: Tid,
        data: Option<Bytes>,
        same_as: Option<Tid>,
    ) -> &mut Transaction {
        self.operation(Operation::Restore { oid, serial, data, same_as })
    }

    /// Merges conflicting changes. It is called while the commit is awaited, by whoever awaits it, with the three states of
    /// one object; `None` ends the transaction with [`Error::Conflict`], as does a conflict that comes back for the ninth time.
    pub fn resolver(
        &mut self,
        resolver: impl FnMut(&Merge) -> Option<Bytes> + Send + 'static,
    ) -> &mut Transaction {
        self.resolver = Some(Box::new(resolver));
        self
    }

    /// Commits, and returns the transaction's id: it is durable, and this client's loads show it.
    ///
    /// Dropping the future before it is ready gives the transaction up, if the server was not told to finish it yet; from
    /// then on it is finished without the caller.
    ///
    /// # Errors
    /// Nothing was committed, with one exception: [`Error::OutcomeUnknown`]. [`Error::Conflict`] and
    /// [`Error::ReadConflict`] ask for another attempt with what is current now. [`Error::Lost`] and
    /// [`Error::Disconnected`] may be tried again as they are.
    pub async fn commit(self) -> Result<Tid, Error> {
        answer!(self.drive(true).await, Answer::Finished(finished) => finished.tid)
    }

    /// Has the transaction checked and locked at the server, so that only its end is missing: for two-phase commits.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); nothing was committed.
    pub async fn vote(self) -> Result<Voted, Error> {
        let client = self.client.clone();
        let txn = answer!(self.drive(false).await, Answer::Voted(txn) => txn)?;
        Ok(Voted { client, txn: Some(txn) })
    }

    fn operation(&mut self, operation: Operation) -> &mut Transaction {
        self.changes.operations.push(operation);
        self
    }

    async fn drive(mut self, finish: bool) -> Result<Answer, Error> {
        self.changes.finish = finish;
        self.changes.resolve = self.resolver.is_some();
        let mut steps = Steps::ask(self.client.shared(), Call::Vote(Box::new(self.changes)));
        let txn = TxnRef(steps.ticket());
        loop {
            match steps.next().await {
                Step::Resolve(merge) => {
                    let resolver =
                        self.resolver.as_mut().expect("conflicts are handed out to resolvers alone");
                    let state = resolver(&merge);
                    steps.tell(Input::Resolved { txn, oid: merge.conflict.oid, state });
                }
                Step::ReadBlob(at) => {
                    let blob = self.blobs.get_mut(&at).expect("a reader for each blob that is stored");
                    let piece = read_piece(blob).await.map_err(|error| error.to_string());
                    steps.tell(Input::BlobRead { txn, piece });
                }
                Step::Answer(result) => return result,
            }
        }
    }
}

/// As many bytes as a piece may have; fewer, or none, at the end.
async fn read_piece(blob: &mut BlobReader) -> std::io::Result<Bytes> {
    let mut piece = BytesMut::with_capacity(limits::BLOB_CHUNK);
    while piece.len() < limits::BLOB_CHUNK {
        let room = (limits::BLOB_CHUNK - piece.len()) as u64;
        if (&mut *blob).take(room).read_buf(&mut piece).await? == 0 {
            break;
        }
    }
    Ok(piece.freeze())
}

/// A transaction that was voted: it can be committed, and nobody else can change its objects meanwhile.
///
/// This client commits nothing else until it is finished or aborted. Dropping it aborts it.
#[derive(Debug)]
#[must_use = "a voted transaction that is dropped is aborted"]
pub struct Voted {
    client: Client,
    /// Taken when its end begins.
    txn: Option<TxnRef>,
}

impl Voted {
    /// Commits it, and tells which objects got another state than the one stored: merged and undone ones.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`] when the answer was lost and nobody could say yet what became of it; after every other
    /// error nothing was committed.
    pub async fn finish(mut self) -> Result<Finished, Error> {
        let txn = self.txn.take().expect("a transaction ends once");
        answer!(self.client.ask(Call::Finish(txn)).await, Answer::Finished(finished) => finished)
    }

    /// Gives it up. With a connection that was lost the server has given it up already.
    ///
    /// # Errors
    /// [`Error::Closed`] when the client is.
    pub async fn abort(mut self) -> Result<(), Error> {
        let txn = self.txn.take().expect("a transaction ends once");
        self.client.done(Call::Abort(txn)).await
    }
}

impl Drop for Voted {
    fn drop(&mut self) {
        if let Some(txn) = self.txn.take() {
            self.client.shared().last_turn(|state| state.forget(txn.0));
        }
    }
}
