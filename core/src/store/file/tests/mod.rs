//! A file store on a disk in memory.

mod appends;
mod copies;
mod crashes;
mod damage;
mod history;
mod loads;
mod recovery;
mod samples;
