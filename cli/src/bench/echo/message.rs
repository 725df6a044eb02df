//! Just enough of the messages.

use std::ops::Range;

use bytes::BytesMut;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::wire::Codec;
use zeolith_core::wire::call::MessageId;
use zeolith_core::wire::reply::{Notice, Reply, Size};

/// Bytes before the id: the pickle's protocol and the tuple's mark.
const BEFORE_ID: usize = 3;
/// An eight-byte string as it is written: its opcode, its length, its bytes.
const EIGHT: usize = 10;
const PREFIX: usize = 4;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Load(Oid),
    /// A part of a transaction; of a store the object.
    Part(Option<Oid>),
    Vote,
    Finish,
    Abort,
    NewOids,
    Register,
}

/// A message's kind, and where its id stands. `None` for anything that `zeolith bench` does not send.
pub(super) fn look(message: &[u8]) -> Option<(Kind, Range<usize>)> {
    let id_len = match message.get(BEFORE_ID)? {
        b'K' => 2,
        b'M' => 3,
        b'J' => 5,
        // The tuple of oid and tid: two strings and the tuple's opcode.
        b'C' => 2 * EIGHT + 1,
        _ => return None,
    };
    let id = BEFORE_ID..BEFORE_ID + id_len;
    // The one-way flag; the method's opcode and four bytes of length, of which the first tells all.
    let method = message.get(id.end + 1..)?;
    let (&len, after) = (method.get(1)?, method.get(5..)?);
    let name = after.get(..len.into())?;
    let oid = |at: usize| Oid::from_slice(message.get(at..at + 8)?);
    let kind = match name {
        b"loadBefore" => Kind::Load(oid(BEFORE_ID + 2)?),
        // The arguments' mark, then the oid's opcode and length.
        b"storea" => Kind::Part(Some(oid(id.end + 1 + 5 + name.len() + 3)?)),
        b"tpc_begin" => Kind::Part(None),
        b"vote" => Kind::Vote,
        b"tpc_finish" => Kind::Finish,
        b"tpc_abort" => Kind::Abort,
        b"new_oids" => Kind::NewOids,
        b"register" => Kind::Register,
        _ => return None,
    };
    Some((kind, id))
}

/// A reply that is prepared but for its id.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Prepared {
    pub(super) fn new(reply: &Reply) -> Prepared {
        // An id of two bytes is cut out again.
        let frame = reply.encode(Codec::Pickle, &MessageId::Int(7), &mut BytesMut::new()).to_vec();
        let at = PREFIX + BEFORE_ID;
        Prepared { before: frame[PREFIX..at].to_vec(), after: frame[at + 2..].to_vec() }
    }

    /// Appends the reply as a frame.
    pub(super) fn put(&self, id: &[u8], out: &mut BytesMut) {
        self.put_with(id, &[], 0, out);
    }

    /// Appends the reply as a frame with some bytes at a place after the id overwritten.
    pub(super) fn put_with(&self, id: &[u8], patch: &[u8], at: usize, out: &mut BytesMut) {
        let len = (self.before.len() + id.len() + self.after.len()) as u32;
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&self.before);
        out.extend_from_slice(id);
        let start = out.len();
        out.extend_from_slice(&self.after);
        out[start + at..start + at + patch.len()].copy_from_slice(patch);
    }

    /// Where after the id such bytes stand.
    pub(super) fn find(&self, bytes: &[u8]) -> usize {
        let places = self.after.windows(bytes.len());
        places
            .into_iter()
            .position(|window| window == bytes)
            .expect("a prepared reply holds what it was made of")
    }
}

/// An invalidation as a frame.
pub(super) fn invalidation(tid: Tid, oids: &[Oid], out: &mut BytesMut) -> Vec<u8> {
    Notice::Invalidate(tid, oids).encode(Codec::Pickle, out).to_vec()
}

/// The notice to a committer, as a frame.
pub(super) fn info() -> Vec<u8> {
    let size = Size { length: 1000, size: 1_000_000 };
    Notice::Info(size).encode(Codec::Pickle, &mut BytesMut::new()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use zeolith_core::wire::call::{self, Request, TxnId};

    fn looked(id: MessageId, request: Request<'_>) -> Option<(Kind, Vec<u8>)> {
        let mut out = BytesMut::new();
        call::encode(Codec::Pickle, &id, false, &request, &mut out);
        let message = &out[PREFIX..];
        look(message).map(|(kind, id)| (kind, message[id].to_vec()))
    }

    #[test]
    fn every_message_of_the_generator_is_understood() {
        let txn = TxnId(5);
        let store = Request::Storea { oid: Oid(77), serial: Tid(3), data: &[1; 300], txn };
        for (request, kind) in [
            (Request::Register { storage: "1", read_only: false }, Kind::Register),
            (Request::NewOids(100), Kind::NewOids),
            (crate::bench::objects::begin(txn), Kind::Part(None)),
            (store, Kind::Part(Some(Oid(77)))),
            (Request::Vote(txn), Kind::Vote),
            (Request::TpcFinish(txn), Kind::Finish),
            (Request::TpcAbort(txn), Kind::Abort),
        ] {
            for id in [0, 255, 256, 70_000] {
                let (found, id) = looked(MessageId::Int(id), request.clone()).unwrap();
                assert_eq!(found, kind);
                assert!(matches!(id[0], b'K' | b'M' | b'J'));
            }
        }
        let load = Request::LoadBefore(Oid(9), Tid::MAX);
        let (kind, id) = looked(MessageId::Load(Oid(9), Tid::MAX), load).unwrap();
        assert_eq!((kind, id.len()), (Kind::Load(Oid(9)), 21));
        assert_eq!(looked(MessageId::Int(1), Request::Ping), None);
        assert_eq!(look(b""), None);
    }

    #[test]
    fn a_prepared_reply_is_what_the_server_would_write() {
        let reply = |data| Reply::Revision { data, serial: Tid(1), until: None };
        let prepared = Prepared::new(&reply(Bytes::from(vec![0xee; 300])));
        let id = MessageId::Load(Oid(9), Tid::MAX);
        let expected = reply(Bytes::from(vec![0xdd; 300])).encode(Codec::Pickle, &id, &mut BytesMut::new());
        let mut call = BytesMut::new();
        call::encode(Codec::Pickle, &id, false, &Request::LoadBefore(Oid(9), Tid::MAX), &mut call);
        let (_, at) = look(&call[PREFIX..]).unwrap();
        let mut out = BytesMut::new();
        let place = prepared.find(&[0xee; 300]);
        prepared.put_with(&call[PREFIX..][at], &[0xdd; 300], place, &mut out);
        assert_eq!(&out[..], expected.to_vec());
    }
}
