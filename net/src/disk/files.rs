//! All that one storage has on the disk.

use super::{Disk, Ran};
use crate::blobs::BlobDir;
use std::io;
use std::sync::Arc;
use zeolith_core::server::Context;
use zeolith_core::store::disk::DiskOp;

/// A storage's files.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// The log and what belongs to it; `None` in memory.
    pub(crate) disk: Option<Disk>,
    /// The folder of the blobs, if there are any.
    pub(crate) blobs: Option<Arc<BlobDir>>,
}

impl Files {
    /// Starts an operation, and carries it out if it does not block.
    ///
    /// # Panics
    /// When it is about files that the storage does not have.
    pub(crate) fn run(&mut self, op: DiskOp<Context>) -> Ran {
        match op {
            DiskOp::Blob(op) => Ran::Later(self.blobs.as_ref().expect("a folder for blobs").job(op)),
            op => self.disk.as_mut().expect("files for a storage that asks the disk").run(op),
        }
    }

    /// Gives back the blocks that were reserved beyond the end of the log.
    pub(crate) fn trim(&mut self) -> io::Result<()> {
        self.disk.as_mut().map_or(Ok(()), Disk::trim)
    }
}
