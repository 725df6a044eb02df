//! The bytes of a blob between the connection, which takes what comes, and a reader, who takes the time it needs.
//!
//! A server sends a blob without being asked for each piece, and other answers come behind it on the same connection. So what is
//! not read in time waits in a file without a name, and memory is bounded.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;
use zeolith_core::client::{Answer, Error};
use zeolith_core::limits;

/// Bytes that wait in memory.
const IN_MEMORY: usize = 4 << 20;

/// Both ends of an empty spool.
pub(super) fn spool() -> (Feeder, Reader) {
    let inner = Arc::new(Inner::default());
    (Feeder(inner.clone()), Reader(inner))
}

/// The end that is fed.
#[derive(Debug)]
pub(super) struct Feeder(Arc<Inner>);

/// The end that is read.
#[derive(Debug)]
pub(super) struct Reader(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Bytes>,
    /// Bytes of these.
    held: usize,
    /// What comes behind them.
    overflow: Option<Overflow>,
    /// Why the rest could not be kept.
    failed: Option<Error>,
    /// What comes behind everything.
    end: Option<Result<Answer, Error>>,
    /// Nothing comes any more.
    closed: bool,
}

/// A file without a name.
#[derive(Debug)]
struct Overflow {
    file: File,
    read: u64,
    written: u64,
}

/// What a spool gives.
#[derive(Debug, PartialEq)]
pub(super) enum Spooled {
    Piece(Bytes),
    End(Result<Answer, Error>),
    /// The end never came.
    Broken,
}

impl Feeder {
    /// Takes the next bytes.
    pub(super) fn push(&self, bytes: Bytes) {
        let mut state = self.0.lock();
        if state.failed.is_none()
            && let Err(error) = state.push(bytes)
        {
            state.failed =
                Some(Error::Blob(format!("its bytes cannot be kept until they are read: {error}")));
        }
        drop(state);
        self.0.news.notify_one();
    }

    /// Takes what comes behind all bytes.
    pub(super) fn end(&self, result: Result<Answer, Error>) {
        self.0.lock().end = Some(result);
        self.0.news.notify_one();
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.news.notify_one();
    }
}

impl Reader {
    /// What comes next. A future that is dropped has taken nothing.
    pub(super) async fn next(&mut self) -> Spooled {
        loop {
            if let Some(next) = self.0.lock().next() {
                return next;
            }
            self.0.news.notified().await;
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics with a spool in hand")
    }
}

impl State {
    fn push(&mut self, bytes: Bytes) -> io::Result<()> {
        if self.overflow.is_none() && self.held + bytes.len() <= IN_MEMORY {
            self.held += bytes.len();
            self.pieces.push_back(bytes);
            return Ok(());
        }
        let overflow = match &mut self.overflow {
            Some(overflow) => overflow,
            None => self.overflow.insert(Overflow { file: tempfile::tempfile()?, read: 0, written: 0 }),
        };
        overflow.file.write_all_at(&bytes, overflow.written)?;
        overflow.written += bytes.len() as u64;
        Ok(())
    }

    fn next(&mut self) -> Option<Spooled> {
        if let Some(piece) = self.pieces.pop_front() {
            self.held -= piece.len();
            return Some(Spooled::Piece(piece));
        }
        if let Some(overflow) = &mut self.overflow {
            let left = overflow.written - overflow.read;
            let mut piece = BytesMut::zeroed(left.min(limits::BLOB_CHUNK as u64) as usize);
            if let Err(error) = overflow.file.read_exact_at(&mut piece, overflow.read) {
                return Some(Spooled::End(Err(Error::Blob(format!(
                    "its bytes were kept and are lost: {error}"
                )))));
            }
            overflow.read += piece.len() as u64;
            if overflow.read == overflow.written {
                self.overflow = None;
            }
            return Some(Spooled::Piece(piece.freeze()));
        }
        if let Some(error) = self.failed.take() {
            return Some(Spooled::End(Err(error)));
        }
        self.end.take().map(Spooled::End).or(self.closed.then_some(Spooled::Broken))
    }
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
