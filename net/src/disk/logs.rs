//! The logs of a served storage: of one Data.fs, of none, or of several that lie over one another.

use super::{Disk, Ran};
use std::io;
use zeolith_core::server::Context;
use zeolith_core::store::disk::{DiskDone, DiskOp};
use zeolith_core::store::file::FileStore;
use zeolith_core::store::{Part, Store};

/// The logs of a storage, made like its store.
#[derive(Debug, Default)]
pub(crate) enum Logs {
    /// Nothing: it is in memory.
    #[default]
    None,
    /// A Data.fs.
    One(Disk),
    /// What the base and the changes of a demo storage have.
    Two(Box<[Logs; 2]>),
}

impl Logs {
    /// Starts an operation, and carries it out if it does not block.
    ///
    /// # Panics
    /// When the store that asks is of another make than these logs.
    pub(crate) fn run(&mut self, op: DiskOp<Context>) -> Ran {
        match (self, op) {
            (Logs::One(disk), op) => disk.run(op),
            (Logs::Two(two), DiskOp::Of { part, op }) => {
                let of = move |done| DiskDone::Of { part, done: Box::new(done) };
                match two[part as usize].run(*op) {
                    Ran::Quiet => Ran::Quiet,
                    Ran::Done(done) => Ran::Done(of(done)),
                    Ran::Later(job) => Ran::Later(Box::new(move || of(job()))),
                }
            }
            (logs, op) => unreachable!("{op:?} for a storage with {logs:?}"),
        }
    }

    /// The log that is packed when the storage is.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn packed(&self) -> &Disk {
        match self {
            Logs::One(disk) => disk,
            Logs::Two(two) => two[Part::Changes as usize].packed(),
            Logs::None => unreachable!("what is in memory is packed there"),
        }
    }

    /// Gives back the blocks that were reserved beyond the ends of the logs.
    pub(crate) fn trim(&mut self) -> io::Result<()> {
        match self {
            Logs::None => Ok(()),
            Logs::One(disk) => disk.trim(),
            Logs::Two(two) => two.iter_mut().try_for_each(Logs::trim),
        }
    }

    /// Puts the logs of `changes` over those of `base`.
    pub(crate) fn over(changes: Logs, base: Logs) -> Logs {
        const { assert!(Part::Base as usize == 0 && Part::Changes as usize == 1) };
        Logs::Two(Box::new([base, changes]))
    }

    /// The log that `store`, whose logs these are, appends to; `None`: it writes in memory.
    ///
    /// # Panics
    /// When the store is of another make.
    pub(crate) fn written<'a>(
        &'a mut self,
        store: &'a Store<Context>,
    ) -> Option<(&'a FileStore<Context>, &'a mut Disk)> {
        match (self, store) {
            (Logs::None, Store::Memory(_)) => None,
            (Logs::One(disk), Store::File(store)) => Some((store, disk)),
            (logs, Store::Coded(coded)) => logs.written(coded.store()),
            (Logs::Two(two), Store::Demo(demo)) => two[Part::Changes as usize].written(demo.changes()),
            (logs, store) => unreachable!("{store:?} with {logs:?}"),
        }
    }
}
