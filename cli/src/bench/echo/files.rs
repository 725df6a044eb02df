//! The files of the echo: what a load and a batch of commits do to them.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use rustix::io::ReadWriteFlags;
use zeolith_core::ids::Oid;

use crate::bench::objects::state;

/// Bytes of a record's header in a Data.fs.
const RECORD: usize = 42;
/// Bytes of a transaction's entry in the sidecar.
const ENTRY: usize = 48;
/// About how many bytes the log has from the start, for loads.
const FILLED: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Files {
    log: Arc<File>,
    sidecar: Arc<File>,
    log_len: u64,
    sidecar_len: u64,
    read: Vec<u8>,
    /// How many objects the log has from the start, all alike.
    records: u64,
}

impl Files {
    pub(super) fn create(path: &Path, size: usize) -> io::Result<Files> {
        let create = |path: &Path| {
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).map(Arc::new)
        };
        let log = create(path)?;
        let mut sidecar = path.as_os_str().to_owned();
        sidecar.push(".sums");
        let mut record = vec![0; RECORD];
        record.extend_from_slice(&state(size));
        let records = (FILLED / record.len()).max(1);
        let filled = records * record.len();
        log.write_all_at(&record.repeat(records), 0)?;
        log.sync_all()?;
        Ok(Files {
            log,
            sidecar: create(Path::new(&sidecar))?,
            log_len: filled as u64,
            sidecar_len: 0,
            read: vec![0; record.len()],
            records: records as u64,
        })
    }

    /// What a load reads.
    pub(super) fn read(&mut self, oid: Oid) -> io::Result<&[u8]> {
        let wanted = self.read.len();
        let at = oid.0 % self.records * wanted as u64;
        let mut pieces = [IoSliceMut::new(&mut self.read)];
        let got = rustix::io::preadv2(&self.log, &mut pieces, at, ReadWriteFlags::NOWAIT);
        if got != Ok(wanted) {
            // A miss of the page cache, as it happens now and then: it is read on the spot.
            self.log.read_exact_at(&mut self.read, at)?;
        }
        Ok(&self.read[RECORD..])
    }

    /// Appends a batch; what is returned makes it durable, and may block.
    pub(super) fn append(
        &mut self,
        transactions: &[BytesMut],
    ) -> io::Result<[impl FnOnce() -> io::Result<()> + Send + use<>; 2]> {
        let pieces: Vec<IoSlice<'_>> = transactions.iter().map(|bytes| IoSlice::new(bytes)).collect();
        let wanted: usize = transactions.iter().map(BytesMut::len).sum();
        if rustix::io::pwritev(&self.log, &pieces, self.log_len)? < wanted {
            return Err(io::Error::other("a short write"));
        }
        self.log.write_all_at(b" ", self.log_len + 16)?;
        self.sidecar.write_all_at(&vec![0; ENTRY * transactions.len()], self.sidecar_len)?;
        self.log_len += wanted as u64;
        self.sidecar_len += (ENTRY * transactions.len()) as u64;
        Ok([self.log.clone(), self.sidecar.clone()].map(|file| move || file.sync_data()))
    }
}
