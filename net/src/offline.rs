//! A Data.fs open in this process and served to nobody: for commands that an operator runs while the server is down.

use crate::boot::{self, BootError, Booted, StorageKind, StorageSpec, Summary};
use crate::disk::{Disk, Ran};
use std::path::Path;
use zeolith_core::ids::Tid;
use zeolith_core::server::Context;
use zeolith_core::store::{Outbox, Store, StoreDone, StoreError, Transaction};

/// A Data.fs that this process holds until [`close`](Offline::close) or drop.
#[derive(Debug)]
pub struct Offline {
    store: Store<Context>,
    disk: Disk,
    outbox: Outbox<Context>,
    summary: Summary,
}

impl Offline {
    /// Opens a Data.fs for writing exactly as a server does: takes the lock, recovers, reports to the log.
    pub fn open(path: &Path, create: bool) -> Result<Offline, BootError> {
        let kind = StorageKind::File { path: path.to_owned(), create, read_only: false };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| BootError::Io { path: path.to_owned(), error })?;
        let opening = boot::open(StorageSpec { name: "1".into(), kind }, 0);
        let Booted { boot, disk, summary } = runtime.block_on(opening)?;
        let disk = disk.expect("a file storage has a disk");
        Ok(Offline { store: boot.store, disk, outbox: Outbox::default(), summary })
    }

    /// What was there when it was opened.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The last transaction; zero when there is none.
    pub fn last_tid(&self) -> Tid {
        self.store.last_tid()
    }

    /// Appends transactions as one batch. They are durable when this returns; after an error they may or may not be
    /// there, and nothing more can be appended.
    ///
    /// # Panics
    /// When the tids do not rise, or an object comes twice.
    pub fn append(&mut self, batch: Vec<Transaction>) -> Result<(), StoreError> {
        self.store.append(batch, &mut self.outbox);
        match self.answer() {
            StoreDone::Durable { .. } => Ok(()),
            StoreDone::Refused { why } => Err(why),
            other => unreachable!("no answer to an append: {other:?}"),
        }
    }

    /// Saves the index and lets go of the file. An error costs the next start a scan, and nothing else.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.store.close(&mut self.outbox);
        match self.answer() {
            StoreDone::Closed { result } => result,
            other => unreachable!("no answer to a close: {other:?}"),
        }
    }

    /// Carries out what the store wants from the disk until it answers; nothing else runs, so it may block.
    fn answer(&mut self) -> StoreDone<Context> {
        loop {
            if let Some(done) = self.outbox.done.pop_front() {
                // After a failed write the rest of its batch is of no use.
                self.outbox.disk.clear();
                return done;
            }
            let op = self.outbox.disk.pop_front().expect("a store answers when the disk has");
            let done = match self.disk.run(op) {
                Ran::Quiet => continue,
                Ran::Done(done) => done,
                Ran::Later(job) => job(),
            };
            self.store.on_disk(done, &mut self.outbox);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use zeolith_core::ids::Oid;
    use zeolith_core::store::Record;
    use zeolith_core::store::file::open::IndexUse;

    fn transaction(tid: u64) -> Transaction {
        Transaction {
            tid: Tid(tid),
            status: b' ',
            user: Bytes::new(),
            description: Bytes::new(),
            extension: Bytes::new(),
            records: vec![Record { oid: Oid(tid), data: Some(Bytes::from_static(&[7; 100])), same_as: None }],
        }
    }

    #[test]
    fn what_was_appended_is_there_when_it_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Data.fs");
        let mut storage = Offline::open(&path, true).unwrap();
        storage.append(vec![transaction(1), transaction(2)]).unwrap();
        storage.append(vec![transaction(3)]).unwrap();
        storage.close().unwrap();
        let storage = Offline::open(&path, false).unwrap();
        assert_eq!((storage.last_tid(), storage.summary().objects), (Tid(3), 3));
        assert_eq!((storage.summary().report.index, storage.summary().report.scanned), (IndexUse::Used, 0));
    }

    #[test]
    fn nobody_else_opens_it_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Data.fs");
        let storage = Offline::open(&path, true).unwrap();
        let error = Offline::open(&path, true).unwrap_err().to_string();
        let holder = format!("is in use by process {}", std::process::id());
        assert!(error.contains(&holder), "{error}");
        drop(storage);
        Offline::open(&path, false).unwrap();
    }

    #[test]
    fn a_file_that_is_not_there_is_not_made_unless_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let error = Offline::open(&folder.path().join("Data.fs"), false).unwrap_err().to_string();
        assert!(error.contains("does not exist or is empty"), "{error}");
    }
}
