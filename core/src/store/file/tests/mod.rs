//! A file store on a disk in memory.

mod appends;
mod crashes;
mod history;
mod loads;
mod recovery;
mod samples;
