//! A file store on a disk in memory.

mod appends;
mod crashes;
mod damage;
mod loads;
mod recovery;
mod samples;
