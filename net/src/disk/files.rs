//! All that one storage has on the disk.

use super::Ran;
use super::logs::Logs;
use crate::blobs::BlobDir;
use std::io;
use std::sync::Arc;
use zeolith_core::server::Context;
use zeolith_core::store::disk::DiskOp;

/// A storage's files.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// The logs and what belongs to them.
    pub(crate) logs: Logs,
    /// The folder of the blobs, if there are any: one for the whole storage, whatever lies over what.
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
            op => self.logs.run(op),
        }
    }

    /// Gives back the blocks that were reserved beyond the ends of the logs.
    pub(crate) fn trim(&mut self) -> io::Result<()> {
        self.logs.trim()
    }
}
