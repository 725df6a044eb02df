//! Trace files, read from their beginning.

use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeolith_core::cache::trace::{BadTrace, Traced};

/// Bytes of a record without an oid, the shortest there is.
const SHORTEST: usize = 26;
/// How far ZEO's tools go on where a crash left something that is no record.
const STEP: usize = 8;
/// Bytes read at once.
const CHUNK: usize = 1 << 16;

/// Why a trace cannot be read, or not to its end.
#[derive(Debug, Error)]
pub enum TraceError {
    /// The file cannot be opened or read; also a `.gz` that is not compressed.
    #[error("{} cannot be read: {error}", path.display())]
    Io {
        /// The trace.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is something else.
    #[error("{} is no cache trace: at byte {at}, {why}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Where the record begins that is none.
        at: u64,
        /// What is wrong with it.
        why: BadTrace,
    },
    /// Whoever wrote it was stopped, or is not done.
    #[error("{} ends inside a record at byte {at}; the figures are of the {records} records before", path.display())]
    Truncated {
        /// The trace.
        path: PathBuf,
        /// Where its last record begins.
        at: u64,
        /// How many there are before.
        records: u64,
    },
    /// There is nothing in it.
    #[error("{} holds no records", .0.display())]
    Empty(PathBuf),
}

/// What is next in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A record and its time in seconds since 1970.
    Record(u32, Traced),
    /// Eight bytes were passed over, from this offset: what a crash left there has no time.
    Skipped(u64),
}

/// A trace that is being read.
pub struct TraceReader {
    path: PathBuf,
    source: Box<dyn Read>,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are done with.
    used: usize,
    /// The offset of the first byte after these in the trace, uncompressed.
    offset: u64,
    records: u64,
    ended: bool,
}

impl TraceReader {
    /// Opens a trace. One whose name ends in `.gz` is compressed.
    pub fn open(path: &Path) -> Result<TraceReader, TraceError> {
        let file = File::open(path).map_err(|error| TraceError::Io { path: path.to_owned(), error })?;
        let source: Box<dyn Read> = if path.as_os_str().as_encoded_bytes().ends_with(b".gz") {
            Box::new(MultiGzDecoder::new(file))
        } else {
            Box::new(file)
        };
        Ok(TraceReader {
            path: path.to_owned(),
            source,
            buffer: Vec::new(),
            used: 0,
            offset: 0,
            records: 0,
            ended: false,
        })
    }

    /// The next record. `None` at the end.
    ///
    /// # Errors
    /// [`TraceError::Truncated`] comes after all whole records, [`TraceError::Empty`] if there are none.
    pub fn read(&mut self) -> Result<Option<Event>, TraceError> {
        loop {
            let rest = &self.buffer[self.used..];
            // A record without a time is none, whatever else is in it.
            if rest.len() >= SHORTEST && rest.starts_with(&[0; 4]) {
                let at = self.offset;
                self.take(STEP);
                return Ok(Some(Event::Skipped(at)));
            }
            let read = Traced::read(rest);
            let read =
                read.map_err(|why| TraceError::Foreign { path: self.path.clone(), at: self.offset, why })?;
            if let Some((seconds, traced, len)) = read {
                self.take(len);
                self.records += 1;
                return Ok(Some(Event::Record(seconds, traced)));
            }
            if self.ended {
                return self.end();
            }
            self.fill()?;
        }
    }

    /// Bytes read so far, uncompressed; with a last record that is cut off, at the end.
    pub fn position(&self) -> u64 {
        if self.ended { self.offset + (self.buffer.len() - self.used) as u64 } else { self.offset }
    }

    fn end(&self) -> Result<Option<Event>, TraceError> {
        let path = || self.path.clone();
        if self.used < self.buffer.len() {
            Err(TraceError::Truncated { path: path(), at: self.offset, records: self.records })
        } else if self.records == 0 {
            Err(TraceError::Empty(path()))
        } else {
            Ok(None)
        }
    }

    fn take(&mut self, bytes: usize) {
        self.used += bytes;
        self.offset += bytes as u64;
    }

    fn fill(&mut self) -> Result<(), TraceError> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let chunk = (&mut self.source).take(CHUNK as u64).read_to_end(&mut self.buffer);
        let read = chunk.map_err(|error| TraceError::Io { path: self.path.clone(), error })?;
        self.ended = read == 0;
        Ok(())
    }
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
