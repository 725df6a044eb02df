//! Following what others change.

use super::Client;
use super::followers::{FollowerId, Place};
use futures_core::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};
use zeolith_core::client::Change;

/// The changes of a storage, each transaction once and in order, this client's own included.
///
/// What happened while there was no connection comes in one piece, as does what happened while the reader was far behind: then
/// [`Change::Everything`] says that any object may have changed. It ends when the client is closed, and not before: while
/// there is no connection it waits.
///
/// A change is told after the cache knows of it: a load after it shows it, or what came later.
#[derive(Debug)]
pub struct Invalidations {
    client: Client,
    id: FollowerId,
    place: Place,
}

impl Invalidations {
    pub(super) fn new(client: Client, id: FollowerId, place: Place) -> Invalidations {
        Invalidations { client, id, place }
    }

    /// The next change; `None`: the client was closed. A future that is dropped has taken nothing.
    pub async fn next(&mut self) -> Option<Change> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Change>> {
        let (id, place) = (self.id, &mut self.place);
        self.client.shared().turn(|state| {
            if let Some(change) = state.followers.next(place) {
                return Poll::Ready(Some(change));
            }
            if state.is_closing() {
                return Poll::Ready(None);
            }
            state.followers.wait(id, context.waker());
            Poll::Pending
        })
    }
}

impl Stream for Invalidations {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Change>> {
        self.poll(context)
    }
}

impl Drop for Invalidations {
    fn drop(&mut self) {
        self.client.shared().last_turn(|state| state.followers.leave(self.id));
    }
}
