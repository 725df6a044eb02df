//! The walk to the state that a place leads to.

use crate::store::file::asked::{Asked, Query};
use crate::store::file::book::Book;
use crate::store::file::pack::state;
use crate::store::file::read::Purpose;
use crate::store::file::view::{Need, View, Walk};
use crate::store::{Place, StoreDone, StoreError};
use bytes::Bytes;

/// The search.
#[derive(Debug)]
pub struct Stated {
    place: Place,
}

impl Stated {
    /// From the record at `place`.
    pub(super) fn new(place: Place) -> Stated {
        Stated { place }
    }
}

impl Walk for Stated {
    type Found = Option<Bytes>;
    /// `None`: there is none.
    type Answer = Option<Bytes>;

    fn look(&self, log: &View<'_>) -> Result<Option<Bytes>, Need> {
        let Place(at) = self.place;
        Ok(state(log, at)?.1)
    }

    fn take(&mut self, found: Option<Bytes>) -> Option<Option<Bytes>> {
        Some(found)
    }
}

impl Query for Stated {
    fn purpose<C>(asked: Asked<C, Stated>) -> Purpose<C> {
        Purpose::State(Box::new(asked))
    }

    fn restart(&mut self, _: &Book) -> Option<Result<Self::Answer, StoreError>> {
        Some(Err(StoreError::Repacked))
    }

    fn done<C>(self, context: C, result: Result<Self::Answer, StoreError>) -> StoreDone<C> {
        StoreDone::State { context, result }
    }
}
