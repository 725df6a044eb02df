//! The walk to the state that a record points back to, with the transaction that wrote it.

use crate::ids::{Oid, Tid};
use crate::store::file::asked::{Asked, Query};
use crate::store::file::book::Book;
use crate::store::file::format::{Broken, DATA_HEADER};
use crate::store::file::read::Purpose;
use crate::store::file::view::{Need, View, Walk, damaged};
use crate::store::{Place, StoreDone, StoreError};
use bytes::Bytes;

/// Bytes read of a record whose length is not known.
const GUESS: usize = 1 << 12;

/// The search for the state at some place.
#[derive(Debug)]
pub struct Origin {
    oid: Oid,
    at: u64,
}

/// What one record says.
#[derive(Debug)]
pub enum Found {
    /// The state is further back.
    Further(u64),
    /// This is where the search ends.
    Over(Option<(Tid, Bytes)>),
}

impl Origin {
    /// Of the state that `oid` has by its record at `place`.
    pub(super) fn new(oid: Oid, place: Place) -> Origin {
        Origin { oid, at: place.at }
    }
}

impl Walk for Origin {
    type Found = Found;
    /// `None`: the object does not exist there.
    type Answer = Option<(Tid, Bytes)>;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        let header = log.data_header(self.at, GUESS)?;
        if header.oid != self.oid {
            return damaged(self.at, Broken::OtherObject);
        }
        let data = self.at + DATA_HEADER as u64;
        if header.data > 0 {
            let Ok(len) = usize::try_from(header.data) else { return damaged(self.at, Broken::Ends) };
            return Ok(Found::Over(Some((header.tid, log.bytes(data, len)?))));
        }
        match log.number(data)? {
            0 => Ok(Found::Over(None)),
            back if back >= self.at => damaged(self.at, Broken::Pointer),
            back => Ok(Found::Further(back)),
        }
    }

    fn take(&mut self, found: Found) -> Option<Self::Answer> {
        match found {
            Found::Further(back) => {
                self.at = back;
                None
            }
            Found::Over(state) => Some(state),
        }
    }
}

impl Query for Origin {
    fn purpose<C>(asked: Asked<C, Origin>) -> Purpose<C> {
        Purpose::Origin(Box::new(asked))
    }

    fn restart(&mut self, _: &Book) -> Option<Result<Self::Answer, StoreError>> {
        // A place of the log before is none of this one.
        Some(Err(StoreError::Repacked))
    }

    fn done<C>(self, context: C, result: Result<Self::Answer, StoreError>) -> StoreDone<C> {
        StoreDone::Origin { context, oid: self.oid, result }
    }
}
