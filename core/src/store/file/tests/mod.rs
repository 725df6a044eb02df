//! A file store on a disk in memory.

mod appends;
mod crashes;
mod damage;
mod history;
mod loads;
mod recovery;
mod samples;
