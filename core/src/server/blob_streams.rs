//! Blobs on their way to clients.
//!
//! A connection is sent one blob at a time, and more of it is read when the peer has taken most of what was read before.

use super::event::Event;
use super::names::{ConnId, ReplyTo};
use super::output::Outputs;
use crate::commit::txn;
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::store::StoreError;
use crate::store::blob::BlobOp;
use crate::store::disk::DiskError;
use crate::wire::remote::RemoteError;
use crate::wire::reply::{Notice, Reply};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Takes what is to be done in the folder of the blobs.
pub(super) type Disk<'a> = &'a mut dyn FnMut(BlobOp);

/// A blob that a client waits for is not in the folder: it is to be [read again](BlobStreams::read) once it is, or
/// [refused](BlobStreams::refuse).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) conn: ConnId,
    pub(super) oid: Oid,
    pub(super) tid: Tid,
}

/// A blob that was asked for.
#[derive(Debug)]
struct Stream {
    to: ReplyTo,
    oid: Oid,
    tid: Tid,
    /// Under what its reads travel.
    reader: u64,
    /// How far it was read.
    at: u64,
    /// Something was sent of it.
    begun: bool,
    /// The next read waits for the peer.
    stalled: bool,
}

/// All of one storage.
#[derive(Debug, Default)]
pub(super) struct BlobStreams {
    /// The first of each is under way.
    streams: BTreeMap<ConnId, VecDeque<Stream>>,
    readers: BTreeMap<u64, ConnId>,
    given: u64,
}

impl BlobStreams {
    /// A client asks for a blob. What is not `visible` yet is not there.
    pub(super) fn start(
        &mut self,
        to: ReplyTo,
        (oid, tid): (Oid, Tid),
        visible: bool,
        disk: Disk<'_>,
        out: &mut Outputs,
    ) {
        if !visible {
            mark!("a blob is asked for that is not visible yet");
            out.error(&to, &RemoteError::PosKey(oid));
            return out.end_operation(to.conn, 0);
        }
        self.given += 1;
        let (conn, reader) = (to.conn, self.given);
        let streams = self.streams.entry(conn).or_default();
        streams.push_back(Stream { to, oid, tid, reader, at: 0, begun: false, stalled: false });
        if streams.len() == 1 {
            self.read(conn, disk);
        }
    }

    /// A client is gone. What was read for it is dropped when it comes.
    pub(super) fn leave(&mut self, conn: ConnId) {
        for stream in self.streams.remove(&conn).unwrap_or_default() {
            self.readers.remove(&stream.reader);
        }
    }

    /// Who is sent blobs.
    pub(super) fn readers(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.streams.keys().copied()
    }

    /// A peer took most of what was sent to it.
    pub(super) fn on_room(&mut self, conn: ConnId, disk: Disk<'_>) {
        let first = self.streams.get_mut(&conn).and_then(|streams| streams.front_mut());
        if first.is_some_and(|stream| std::mem::take(&mut stream.stalled)) {
            self.read(conn, disk);
        }
    }

    /// Asks for the next bytes of a connection's first blob.
    pub(super) fn read(&mut self, conn: ConnId, disk: Disk<'_>) {
        let Some(stream) = self.streams.get(&conn).and_then(|streams| streams.front()) else { return };
        let Stream { oid, tid, reader, at, .. } = *stream;
        self.readers.insert(reader, conn);
        disk(BlobOp::Read { reader, oid, tid, at, len: limits::BLOB_READ });
    }

    /// Bytes of a blob. `None`: there is no such blob, of which the caller is told.
    pub(super) fn on_read(
        &mut self,
        reader: u64,
        result: Result<Option<Bytes>, DiskError>,
        disk: Disk<'_>,
        out: &mut Outputs,
    ) -> Option<Missing> {
        let Some(conn) = self.readers.remove(&reader) else {
            mark!("a part of a blob comes after its reader has left");
            return None;
        };
        let streams = self.streams.get_mut(&conn).expect("the blobs of a reader");
        let stream = streams.front_mut().expect("the blob that is being read");
        match result {
            Ok(Some(bytes)) if bytes.len() == limits::BLOB_READ => {
                stream.send(bytes, out);
                if out.stalls(conn) {
                    mark!("a blob waits for its reader");
                    stream.stalled = true;
                    return None;
                }
            }
            Ok(Some(bytes)) => {
                stream.send(bytes, out);
                stream.notice(&Notice::BlobStop(stream.oid, stream.tid), out);
                out.reply(&stream.to, &Reply::None);
                self.end_first(conn, out);
            }
            Ok(None) => return Some(Missing { conn, oid: stream.oid, tid: stream.tid }),
            Err(error) => {
                let peer = format!("connection {} (object {})", conn.0, stream.oid);
                out.log(Event::CallFailed { peer, method: "sendBlob", error: error.to_string() });
                out.error(&stream.to, &txn::remote(StoreError::Disk(error)));
                self.end_first(conn, out);
            }
        }
        self.read(conn, disk);
        None
    }

    /// A connection will not get the first of its blobs; the next is read.
    pub(super) fn refuse(&mut self, conn: ConnId, error: &RemoteError, disk: Disk<'_>, out: &mut Outputs) {
        if let Some(stream) = self.streams.get(&conn).and_then(|streams| streams.front()) {
            out.error(&stream.to, error);
            self.end_first(conn, out);
            self.read(conn, disk);
        }
    }

    fn end_first(&mut self, conn: ConnId, out: &mut Outputs) {
        let streams = self.streams.get_mut(&conn).expect("the blobs of a reader");
        streams.pop_front();
        if streams.is_empty() {
            self.streams.remove(&conn);
        }
        out.end_operation(conn, 0);
    }
}

impl Stream {
    fn notice(&self, notice: &Notice<'_>, out: &mut Outputs) {
        let packet = out.notice(self.to.codec, notice);
        out.send(self.to.conn, packet);
    }

    /// Sends what was read, in chunks as Python's server sends them.
    fn send(&mut self, mut bytes: Bytes, out: &mut Outputs) {
        if !std::mem::replace(&mut self.begun, true) {
            self.notice(&Notice::BlobStart(self.oid, self.tid), out);
        }
        self.at += bytes.len() as u64;
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(limits::BLOB_CHUNK));
            self.notice(&Notice::BlobChunk(self.oid, self.tid, &chunk), out);
        }
    }
}
