//! The files of a served storage: of one Data.fs, of none, or of several that lie over one another.

use super::{Disk, Ran};
use std::io;
use zeolith_core::server::Context;
use zeolith_core::store::Part;
use zeolith_core::store::disk::{DiskDone, DiskOp};

/// What a storage has on the disk.
#[derive(Debug)]
pub(crate) enum Files {
    /// Nothing: it is in memory.
    None,
    /// A Data.fs.
    One(Disk),
    /// What the base and the changes of a demo storage have.
    Two(Box<[Files; 2]>),
}

impl Files {
    /// Starts an operation, and carries it out if it does not block.
    ///
    /// # Panics
    /// When the store that asks is of another make than these files.
    pub(crate) fn run(&mut self, op: DiskOp<Context>) -> Ran {
        match (self, op) {
            (Files::One(disk), op) => disk.run(op),
            (Files::Two(two), DiskOp::Of { part, op }) => {
                let of = move |done| DiskDone::Of { part, done: Box::new(done) };
                match two[part as usize].run(*op) {
                    Ran::Quiet => Ran::Quiet,
                    Ran::Done(done) => Ran::Done(of(done)),
                    Ran::Later(job) => Ran::Later(Box::new(move || of(job()))),
                }
            }
            (files, op) => unreachable!("{op:?} for a storage with {files:?}"),
        }
    }

    /// Gives back the blocks that were reserved beyond the ends of the logs.
    pub(crate) fn trim(&mut self) -> io::Result<()> {
        match self {
            Files::None => Ok(()),
            Files::One(disk) => disk.trim(),
            Files::Two(two) => two.iter_mut().try_for_each(Files::trim),
        }
    }

    /// Puts the files of `changes` over those of `base`.
    pub(crate) fn over(changes: Files, base: Files) -> Files {
        const { assert!(Part::Base as usize == 0 && Part::Changes as usize == 1) };
        Files::Two(Box::new([base, changes]))
    }
}
