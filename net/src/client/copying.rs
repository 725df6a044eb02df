//! Reading much: all transactions, and the bytes of blobs.

use super::asked::{BROKEN, answer};
use super::shared::{Shared, Waiter};
use super::spool::{Reader, Spooled, spool};
use super::{Client, Error};
use bytes::Bytes;
use std::sync::Arc;
use zeolith_core::client::{Answer, Call, CopiedTransaction, IterationId, Ticket};
use zeolith_core::ids::{Oid, Tid};

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

/// The bytes of a blob, piece by piece, as they arrive. Of those that were not taken yet some wait in memory, and the rest in a
/// file of the system's temporary folder.
#[derive(Debug)]
pub struct BlobPieces {
    shared: Arc<Shared>,
    ticket: Ticket,
    reader: Reader,
    ended: bool,
}

impl BlobPieces {
    pub(super) fn ask(shared: &Arc<Shared>, oid: Oid, serial: Tid) -> BlobPieces {
        let (feeder, reader) = spool();
        let call = Call::LoadBlob { oid, serial };
        let ticket = shared.turn(|state| state.ask(call, Waiter::Blob(feeder)));
        BlobPieces { shared: shared.clone(), ticket, reader, ended: false }
    }

    /// The next bytes; `None`: that was all. A future that is dropped has taken nothing.
    ///
    /// # Errors
    /// As [`Client::load`], [`Error::Lost`]: the blob may be asked for again, and [`Error::Blob`] when what was not taken in time
    /// could not be kept.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.ended {
            return Ok(None);
        }
        match self.reader.next().await {
            Spooled::Piece(bytes) => Ok(Some(bytes)),
            Spooled::End(result) => {
                self.ended = true;
                answer!(result, Answer::Done => None)
            }
            Spooled::Broken => panic!("{BROKEN}"),
        }
    }
}

impl Drop for BlobPieces {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.last_turn(|state| state.forget(self.ticket));
        }
    }
}
