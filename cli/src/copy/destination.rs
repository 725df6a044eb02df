//! Where a copy goes.

use zeolith_core::ids::Tid;
use zeolith_core::store::CopiedTransaction;
use zeolith_net::client::blocking::Client;
use zeolith_net::offline::{CopyError, Offline};

use crate::source::{Place, SourceError};

/// A storage that takes transactions of another one.
#[derive(Debug)]
pub(super) struct Destination {
    place: String,
    storage: Storage,
    last: Tid,
}

#[derive(Debug)]
enum Storage {
    File(Box<Offline>),
    Server(Client),
}

impl Destination {
    /// Opens a Data.fs, which nobody may be serving, or connects to a server.
    pub(super) fn open(place: &Place) -> Result<Destination, SourceError> {
        let (storage, last) = match (place.file(), place.server("copy")) {
            (Some(path), _) => {
                let file = Offline::open(path, true)?;
                let last = file.last_tid();
                (Storage::File(Box::new(file)), last)
            }
            (None, Some(options)) => {
                // The copy's transactions have the extension data of the source and nothing else.
                let client = Client::connect(options.marks(false))?;
                let last = client.last_tid().unwrap_or(Tid::ZERO);
                (Storage::Server(client), last)
            }
            (None, None) => unreachable!("a place is a file or a server"),
        };
        Ok(Destination { place: place.to_string(), storage, last })
    }

    /// The last transaction that is there for good; zero when there is none.
    pub(super) fn last_tid(&self) -> Tid {
        self.last
    }

    /// Bytes of it.
    pub(super) fn size(&self) -> Result<u64, SourceError> {
        match &self.storage {
            Storage::File(file) => Ok(file.size()),
            Storage::Server(client) => Ok(client.info().map_err(|error| self.refused(error))?.bytes),
        }
    }

    /// Writes transactions. They are durable when this returns.
    pub(super) fn put(&mut self, batch: Vec<CopiedTransaction>) -> Result<(), SourceError> {
        let Some(last) = batch.last().map(|transaction| transaction.tid) else { return Ok(()) };
        if let Storage::File(file) = &mut self.storage {
            let copied = file.copy(batch);
            self.last = file.last_tid();
            return copied.map_err(|error| SourceError::Copy { place: self.place.clone(), error });
        }
        for transaction in batch {
            let tid = transaction.tid;
            self.send(transaction)?;
            self.last = tid;
        }
        assert_eq!(self.last, last, "all of a batch was sent");
        Ok(())
    }

    /// Lets go of it. A file's index is saved.
    pub(super) fn close(self) -> Result<(), SourceError> {
        match self.storage {
            Storage::File(file) => {
                let place = self.place;
                file.close().map_err(|error| SourceError::Store { place, error })
            }
            Storage::Server(client) => {
                client.close();
                Ok(())
            }
        }
    }

    /// Commits one transaction on the server.
    fn send(&self, transaction: CopiedTransaction) -> Result<(), SourceError> {
        let Storage::Server(client) = &self.storage else { unreachable!("a server is sent to") };
        let CopiedTransaction { tid, status, user, description, extension, records } = transaction;
        if tid <= self.last {
            let error = CopyError::Order { tid, last: self.last };
            return Err(SourceError::Copy { place: self.place.clone(), error });
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| SourceError::Text(tid));
        let mut copy = client.begin();
        copy.user(text(&user)?).note(text(&description)?).extension(extension).copied(tid, status);
        for record in records {
            copy.restore(record.oid, record.serial, record.data, record.same_as);
        }
        copy.commit().map(drop).map_err(|error| self.refused(error))
    }

    fn refused(&self, error: zeolith_net::Error) -> SourceError {
        SourceError::Client { place: self.place.clone(), error }
    }
}
