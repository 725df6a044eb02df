//! The storage as it was after one transaction.

use super::{Client, Error};
use zeolith_core::client::Call;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::Revision;

/// The storage as it was after one transaction: whatever others commit, it shows the same.
///
/// It holds nothing on the server and costs nothing to keep, but a pack may take away what it shows: loads then end with
/// [`Error::NoObject`].
///
/// ```
/// # zeolith_net::testing::run(async |address| {
/// use zeolith_net::{Client, ClientOptions, Oid};
///
/// let client = Client::connect(ClientOptions::new(&address)?).await?;
/// let mut transaction = client.begin();
/// transaction.store_new(Oid(0), "first");
/// transaction.commit().await?;
///
/// let before = client.snapshot().await?;
/// let root = before.load(Oid(0)).await?;
/// let mut transaction = client.begin();
/// transaction.store(Oid(0), root.serial, "second");
/// transaction.commit().await?;
///
/// assert_eq!(before.load(Oid(0)).await?.data, "first");
/// assert_eq!(client.load(Oid(0)).await?.data, "second");
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot {
    client: Client,
    tid: Tid,
}

impl Snapshot {
    pub(super) fn new(client: Client, tid: Tid) -> Snapshot {
        Snapshot { client, tid }
    }

    /// The last transaction it shows; zero in an empty storage.
    pub fn tid(&self) -> Tid {
        self.tid
    }

    /// The revision of an object; `until` tells when it ended, if that is known.
    ///
    /// # Errors
    /// [`Error::NoObject`] when there was none; otherwise as [`Client::load`].
    pub async fn load(&self, oid: Oid) -> Result<Revision, Error> {
        self.client.load_before(oid, self.tid.next()).await?.ok_or(Error::NoObject(oid))
    }

    /// The revision of an object, if the cache has it: answered on the caller's thread, without a wait.
    pub fn cached(&self, oid: Oid) -> Option<Revision> {
        self.client.cached(oid, self.tid.next())
    }

    /// Fetches objects into the cache that are not there yet, many at a time; returns when they are there.
    ///
    /// Objects that do not exist are passed over, and a cache that is too small for them all keeps what fits.
    ///
    /// # Errors
    /// As [`Client::load`], but not for single objects.
    pub async fn prefetch(&self, oids: impl IntoIterator<Item = Oid>) -> Result<(), Error> {
        let (oids, before) = (oids.into_iter().collect(), self.tid.next());
        self.client.done(Call::Prefetch { oids, before }).await
    }
}
