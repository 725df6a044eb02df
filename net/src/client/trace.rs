//! A cache's trace in a file, as Python's client keeps it: beside the cache, if the environment asks for it.

use crate::clock::wall;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use zeolith_core::cache::trace::{Trace, Traced};

/// The variable of the environment that asks for a trace when it is not empty.
pub const VARIABLE: &str = "ZEO_CACHE_TRACE";

/// A trace that is written to a file, with the time of day.
///
/// A file that cannot be opened or written any more ends the tracing with a warning in the log, and nothing else.
#[derive(Debug)]
pub struct TraceFile {
    path: PathBuf,
    /// `None` after an error.
    file: Option<BufWriter<File>>,
    record: Vec<u8>,
}

impl TraceFile {
    /// The trace of the cache at `path`, if `ZEO_CACHE_TRACE` asks for one. `None` also when it cannot be opened.
    pub fn wanted(cache: &Path) -> Option<TraceFile> {
        let wanted = std::env::var_os(VARIABLE).is_some_and(|value| !value.is_empty());
        if wanted { TraceFile::beside(cache) } else { None }
    }

    /// The trace of the cache at `path`: the file of the same name with `.trace` after it, which is appended to. `None`
    /// when it cannot be opened.
    pub fn beside(cache: &Path) -> Option<TraceFile> {
        let mut path = cache.as_os_str().to_owned();
        path.push(".trace");
        let path = PathBuf::from(path);
        let file = match OpenOptions::new().append(true).create(true).open(&path) {
            Ok(file) => Some(BufWriter::new(file)),
            Err(error) => {
                tracing::warn!("the cache is not traced: {} cannot be written: {error}", path.display());
                return None;
            }
        };
        tracing::info!("the cache is traced to {}", path.display());
        Some(TraceFile { path, file, record: Vec::new() })
    }

    /// Writes what is buffered.
    pub fn flush(&mut self) {
        self.write(BufWriter::flush);
    }

    fn write(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) {
        let Some(file) = &mut self.file else { return };
        if let Err(error) = write(file) {
            tracing::warn!(
                "the cache is no longer traced: {} cannot be written: {error}",
                self.path.display()
            );
            // What is still buffered would fail once more.
            let (_file, _buffered) = self.file.take().expect("it was just there").into_parts();
        }
    }
}

impl Trace for TraceFile {
    fn record(&mut self, traced: Traced) {
        let seconds = u32::try_from(wall().0 / 1_000_000).unwrap_or(u32::MAX);
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        traced.put(seconds, &mut record);
        self.write(|file| file.write_all(&record));
        self.record = record;
    }
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
