//! Reading much: all transactions, and the bytes of blobs.

use super::asked::{Steps, answer};
use super::shared::Step;
use super::{Client, Error};
use bytes::Bytes;
use zeolith_core::client::{Answer, Call, CopiedTransaction, IterationId};

/// Transactions of a storage with all their records, oldest first.
///
/// It lives as long as the connection; when that is lost the next one is [`Error::Lost`], and another iteration can begin
/// after the last tid that was seen.
#[derive(Debug)]
pub struct Iteration {
    client: Client,
    id: IterationId,
}

impl Iteration {
    pub(super) fn new(client: Client, id: IterationId) -> Iteration {
        Iteration { client, id }
    }

    /// The next transaction; `None`: that was the last.
    ///
    /// # Errors
    /// As [`Client::iterate`], and [`Error::Lost`].
    pub async fn next(&mut self) -> Result<Option<CopiedTransaction>, Error> {
        let next = self.client.ask(Call::IterateNext(self.id)).await;
        answer!(next, Answer::Transaction(next) => next.map(|transaction| *transaction))
    }
}

impl Drop for Iteration {
    fn drop(&mut self) {
        self.client.shared().last_turn(|state| state.tell(Call::IterateEnd(self.id)));
    }
}

/// The bytes of a blob, piece by piece, as they arrive. Pieces that were not taken yet are held in memory.
#[derive(Debug)]
pub struct BlobPieces {
    steps: Steps,
    ended: bool,
}

impl BlobPieces {
    pub(super) fn new(steps: Steps) -> BlobPieces {
        BlobPieces { steps, ended: false }
    }

    /// The next bytes; `None`: that was all. A future that is dropped has taken nothing.
    ///
    /// # Errors
    /// As [`Client::load`], and [`Error::Lost`]: the blob may be asked for again.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.ended {
            return Ok(None);
        }
        match self.steps.next().await {
            Step::Piece(bytes) => Ok(Some(bytes)),
            Step::Answer(result) => {
                self.ended = true;
                answer!(result, Answer::Done => None)
            }
            other => unreachable!("a step of something else: {other:?}"),
        }
    }
}
