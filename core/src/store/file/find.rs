//! The walk to the record that another one may point back to, as FileStorage's `restore` looks for it.

use crate::ids::{Oid, Tid};
use crate::store::file::asked::{Asked, Query};
use crate::store::file::book::Book;
use crate::store::file::format::{Broken, DATA_HEADER};
use crate::store::file::read::Purpose;
use crate::store::file::view::{Need, View, Walk, damaged};
use crate::store::{Place, StoreDone, StoreError};
use bytes::Bytes;

/// The search for the record in which a transaction gave an object some state.
#[derive(Debug)]
pub struct Find {
    oid: Oid,
    serial: Tid,
    /// The state it must have.
    data: Option<Bytes>,
    /// The record to look at next.
    at: u64,
    /// The log that it goes through.
    log: u32,
}

/// What one record says.
#[derive(Clone, Copy, Debug)]
pub enum Found {
    /// It is a later one; the one before it is there.
    Later(u64),
    /// This is where the search ends.
    Over(Option<Place>),
}

impl Find {
    /// A search in log `log` from the record at `at`.
    pub(super) fn new(oid: Oid, serial: Tid, data: Option<Bytes>, at: u64, log: u32) -> Find {
        Find { oid, serial, data, at, log }
    }
}

impl Walk for Find {
    type Found = Found;
    /// `None`: the log does not have it, or has another state there.
    type Answer = Option<Place>;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        let header = log.data_header(self.at, DATA_HEADER)?;
        if header.oid != self.oid {
            return damaged(self.at, Broken::OtherObject);
        }
        if header.prev >= self.at {
            return damaged(self.at, Broken::Pointer);
        }
        if header.tid > self.serial && header.prev != 0 {
            return Ok(Found::Later(header.prev));
        }
        let here = Some(Place { at: self.at, log: self.log });
        if header.tid != self.serial {
            return Ok(Found::Over(None));
        }
        // A pointer is believed: what it leads to was compared when it was written.
        let same = match &self.data {
            _ if header.data == 0 => true,
            Some(data) if data.len() as u64 == header.data => {
                log.slice(self.at + DATA_HEADER as u64, data.len())? == &data[..]
            }
            _ => false,
        };
        Ok(Found::Over(here.filter(|_| same)))
    }

    fn take(&mut self, found: Found) -> Option<Option<Place>> {
        match found {
            Found::Later(prev) => {
                self.at = prev;
                None
            }
            Found::Over(place) => Some(place),
        }
    }
}

impl Query for Find {
    fn purpose<C>(asked: Asked<C, Find>) -> Purpose<C> {
        Purpose::Find(Box::new(asked))
    }

    fn restart(&mut self, book: &Book) -> Option<Result<Self::Answer, StoreError>> {
        let Some(entry) = book.index.get(self.oid) else { return Some(Ok(None)) };
        (self.at, self.log) = (entry.at, book.log);
        None
    }

    fn done<C>(self, context: C, result: Result<Self::Answer, StoreError>) -> StoreDone<C> {
        StoreDone::Found { context, result }
    }
}
