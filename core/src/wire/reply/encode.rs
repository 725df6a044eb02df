//! Writing replies and notices, as Python's server does.

use super::{Conflict, Info, Notice, Reply, Size};
use crate::ids::{Oid, Tid};
use crate::wire::Codec;
use crate::wire::call::{IteratorId, MessageId};
use crate::wire::packet::{LeftOut, Packet, object};
use crate::wire::remote::RemoteError;
use crate::wire::writer::Writer;
use bytes::{Bytes, BytesMut};

/// The longest object either encoding can express, with room for what surrounds it.
const LONGEST_OBJECT: usize = u32::MAX as usize - (1 << 16);

/// An entry of `get_info` that only our server has: no reply overtakes an invalidation that was due before it. Python's
/// server keeps to that on one of its two event loops. Python's clients pass over it.
pub(in crate::wire) const IN_ORDER: &str = "zeolith.in_order";

/// The method that marks a reply.
pub(in crate::wire) const REPLY: &str = ".reply";

impl Reply {
    /// The reply to call `id`: `(id, 0, '.reply', result)`.
    ///
    /// `out` lends its room, so that one large buffer serves many replies without an allocation each; it is empty
    /// afterwards, and what it held goes out in front. An object too long for the protocol is answered with a
    /// ValueError, as by Python's server.
    pub fn encode(&self, codec: Codec, id: &MessageId, out: &mut BytesMut) -> Packet {
        if self.object().is_some_and(|data| data.len() > LONGEST_OBJECT) {
            return RemoteError::Value("Couldn't pickle response".into()).encode(codec, id, out);
        }
        Packet::encode(codec, out, |writer| {
            let mut left_out = LeftOut::Nothing;
            writer.tuple(4, |w| {
                id.write(w);
                w.int(0);
                w.str(REPLY);
                left_out = self.write(w);
            });
            left_out
        })
    }

    /// The state that the reply carries.
    fn object(&self) -> Option<&Bytes> {
        match self {
            Reply::Revision { data, .. } | Reply::Data(data) | Reply::Record { data, .. } => Some(data),
            Reply::IteratedRecord { data, .. } => data.as_ref(),
            _ => None,
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> LeftOut {
        let mut left_out = LeftOut::Nothing;
        match self {
            Reply::None => writer.none(),
            Reply::Tid(tid) => writer.tid(*tid),
            Reply::Revision { data, serial, until } => writer.tuple(3, |w| {
                left_out = object(w, data);
                w.tid(*serial);
                w.optional(*until, Writer::tid);
            }),
            Reply::Data(data) => left_out = object(writer, data),
            Reply::Oids(oids) => list_of_oids(writer, oids),
            Reply::Invalidations { upto, oids } => writer.tuple(2, |w| {
                w.tid(*upto);
                list_of_oids(w, oids);
            }),
            Reply::Info(info) => info.write(writer),
            Reply::Conflicts(conflicts) => writer.list(conflicts, |w, conflict| conflict.write(w)),
            Reply::Status(status) => status.write(writer),
            Reply::UndoLog(found) => writer.list(found, |w, transaction| transaction.write(w)),
            Reply::Passed(value) => writer.value(value),
            Reply::Iterator(IteratorId(id)) => writer.int(*id),
            Reply::IteratedTransaction { tid, status, user, description, extension } => {
                writer.tuple(5, |w| {
                    w.tid(*tid);
                    w.str(char::from(*status).encode_utf8(&mut [0; 2]));
                    w.bytes(user);
                    w.bytes(description);
                    w.dict(extension, |w, (key, value)| {
                        w.value(key);
                        w.value(value);
                    });
                })
            }
            Reply::IteratedRecord { oid, tid, data, data_txn } => writer.tuple(4, |w| {
                w.oid(*oid);
                w.tid(*tid);
                match data {
                    Some(data) => left_out = object(w, data),
                    None => w.none(),
                }
                w.optional(*data_txn, Writer::tid);
            }),
            Reply::Record { oid, tid, data, next } => writer.tuple(4, |w| {
                w.oid(*oid);
                w.tid(*tid);
                left_out = object(w, data);
                w.optional(*next, Writer::oid);
            }),
            Reply::History(revisions) => writer.list(revisions, |w, revision| revision.write(w)),
        }
        left_out
    }
}

impl Notice<'_> {
    /// The notice: `(0, True, method, arguments)`. `out` lends its room, as for [`Reply::encode`]; the packet may be
    /// sent to any number of clients.
    pub fn encode(&self, codec: Codec, out: &mut BytesMut) -> Packet {
        Packet::encode(codec, out, |writer| {
            let mut left_out = LeftOut::Nothing;
            writer.tuple(4, |w| {
                w.int(0);
                w.bool(true);
                match self {
                    Notice::Invalidate(tid, oids) => {
                        w.str("invalidateTransaction");
                        w.tuple(2, |w| {
                            w.tid(*tid);
                            list_of_oids(w, oids);
                        });
                    }
                    Notice::Info(size) => {
                        w.str("info");
                        w.tuple(1, |w| w.dict(size.fields(), write_count));
                    }
                    Notice::BlobStart(oid, tid) => blob("receiveBlobStart", *oid, *tid, w),
                    Notice::BlobChunk(oid, tid, chunk) => {
                        w.str("receiveBlobChunk");
                        w.tuple(3, |w| {
                            w.oid(*oid);
                            w.tid(*tid);
                            left_out = object(w, chunk);
                        });
                    }
                    Notice::BlobStop(oid, tid) => blob("receiveBlobStop", *oid, *tid, w),
                }
            });
            left_out
        })
    }
}

fn blob(method: &str, oid: Oid, tid: Tid, writer: &mut Writer<'_>) {
    writer.str(method);
    writer.tuple(2, |w| {
        w.oid(oid);
        w.tid(tid);
    });
}

impl Size {
    fn fields(&self) -> [(&'static str, u64); 2] {
        [("length", self.length), ("size", self.size)]
    }
}

impl Info {
    fn write(&self, writer: &mut Writer<'_>) {
        let keys =
            ["length", "size", "name", "supportsUndo", "supports_record_iternext", "interfaces", IN_ORDER];
        let keys = keys.into_iter().take(if self.in_order { 7 } else { 6 });
        writer.dict(keys, |w, key| {
            w.str(key);
            match key {
                "length" => w.count(self.size.length),
                "size" => w.count(self.size.size),
                "name" => w.str(&self.name),
                "supportsUndo" => w.bool(self.supports_undo),
                "supports_record_iternext" => w.bool(self.supports_record_iternext),
                IN_ORDER => w.bool(true),
                _ => w.tuple(self.interfaces.len(), |w| {
                    for (module, name) in &self.interfaces {
                        w.tuple(2, |w| {
                            w.str(module);
                            w.str(name);
                        });
                    }
                }),
            }
        });
    }
}

impl Conflict {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.dict(["oid", "serials", "data"], |w, key| {
            w.str(key);
            match key {
                "oid" => w.oid(self.oid),
                "serials" => w.tuple(2, |w| {
                    w.tid(self.committed);
                    w.tid(self.read);
                }),
                _ => w.bytes(&self.data),
            }
        });
    }
}

fn write_count(writer: &mut Writer<'_>, (name, value): (&str, u64)) {
    writer.str(name);
    writer.count(value);
}

fn list_of_oids(writer: &mut Writer<'_>, oids: &[Oid]) {
    writer.list(oids, |w, oid| w.oid(*oid));
}
