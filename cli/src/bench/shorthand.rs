//! The messages that come by the hundred thousand, written and recognised without the codec.
//!
//! The generator shares the machine with the server it measures, so what it does for one load must be less than what
//! the server does. A request is a copy of a prepared one with other ids in it, and a reply that starts like a good
//! one is taken for one. Everything else goes through the codec.

use bytes::{Bytes, BytesMut};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::wire::Codec;
use zeolith_core::wire::call::{self, MessageId, Request};
use zeolith_core::wire::reply::{Notice, Reply};

/// An oid that nothing else in a message looks like.
const SAMPLE: Oid = Oid(0x5a65_6f6c_6974_6821);
/// Bytes of a frame's length.
const PREFIX: usize = 4;
/// The longest a reply's bytes around the state may be for the state to be of the expected size.
const ENVELOPE: usize = 64;

/// Prepared messages of one encoding.
#[derive(Debug)]
pub struct Shorthand {
    /// A load as a frame, and where in it the oid stands.
    load: Vec<u8>,
    load_oids: Vec<usize>,
    /// What the reply to a load begins with, up to the result, and where in it the oid stands.
    loaded: Vec<u8>,
    loaded_oid: usize,
    /// What an invalidation begins with, up to the tid.
    invalidate: Vec<u8>,
}

/// A recognised message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// A successful load.
    Loaded(Oid),
    /// An invalidation.
    Invalidate(Tid),
}

impl Shorthand {
    /// Prepares the messages.
    pub fn new(codec: Codec) -> Shorthand {
        let id = MessageId::Load(SAMPLE, Tid::MAX);
        let mut load = BytesMut::new();
        call::encode(codec, &id, false, &Request::LoadBefore(SAMPLE, Tid::MAX), &mut load);
        let reply = |reply: Reply| reply.encode(codec, &id, &mut BytesMut::new()).to_vec();
        let revision = Reply::Revision { data: Bytes::new(), serial: Tid::ZERO, until: None };
        let loaded = common(&reply(revision), &reply(Reply::None));
        let invalidate =
            |tid: u64| Notice::Invalidate(Tid(tid), &[]).encode(codec, &mut BytesMut::new()).to_vec();
        let loaded_oid = *places(&loaded).first().expect("the id of a load has its oid");
        Shorthand {
            load_oids: places(&load),
            load: load.to_vec(),
            loaded,
            loaded_oid,
            invalidate: common(&invalidate(0), &invalidate(u64::MAX)),
        }
    }

    /// A load of an object's current revision, as a frame.
    pub fn load(&mut self, oid: Oid) -> &[u8] {
        for &at in &self.load_oids {
            self.load[at..at + 8].copy_from_slice(&oid.bytes());
        }
        &self.load
    }

    /// What a message is; `None` when the codec has to tell. The reply to a load is recognised only if what surrounds a
    /// state of `size` bytes is all that it has besides.
    pub fn recognise(&self, message: &[u8], size: usize) -> Option<Short> {
        let at = self.loaded_oid;
        if let Some(head) = message.get(..self.loaded.len())
            && head[..at] == self.loaded[..at]
            && head[at + 8..] == self.loaded[at + 8..]
            && (size..size + ENVELOPE).contains(&(message.len() - head.len()))
        {
            return Oid::from_slice(&head[at..at + 8]).map(Short::Loaded);
        }
        let tid = message.strip_prefix(&self.invalidate[..])?.get(..8)?;
        Tid::from_slice(tid).map(Short::Invalidate)
    }
}

/// What two frames begin with, without their lengths.
fn common(one: &[u8], two: &[u8]) -> Vec<u8> {
    let pairs = one[PREFIX..].iter().zip(&two[PREFIX..]);
    pairs.take_while(|(one, two)| one == two).map(|(one, _)| *one).collect()
}

/// Where the sample stands.
fn places(message: &[u8]) -> Vec<usize> {
    let oid = SAMPLE.bytes();
    (0..message.len()).filter(|&at| message[at..].starts_with(&oid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeolith_core::wire::call::{Incoming, decode};
    use zeolith_core::wire::remote::RemoteError;
    use zeolith_core::wire::tree::Tree;

    const BOTH: [Codec; 2] = [Codec::Pickle, Codec::Msgpack];

    #[test]
    fn a_load_is_what_the_codec_would_write() {
        for codec in BOTH {
            let mut shorthand = Shorthand::new(codec);
            for oid in [Oid(0), Oid(0x1234)] {
                let id = MessageId::Load(oid, Tid::MAX);
                let request = Request::LoadBefore(oid, Tid::MAX);
                let mut expected = BytesMut::new();
                call::encode(codec, &id, false, &request, &mut expected);
                assert_eq!(shorthand.load(oid), &expected[..]);
                let mut tree = Tree::new();
                let Ok(Incoming::Call(call)) = decode(codec, &shorthand.load(oid)[PREFIX..], &mut tree)
                else {
                    panic!("the server cannot read it")
                };
                assert_eq!((call.id, call.request), (id, Ok(request)));
            }
        }
    }

    #[test]
    fn good_replies_and_invalidations_are_recognised() {
        for codec in BOTH {
            let shorthand = Shorthand::new(codec);
            for size in [100, 300, 70_000] {
                for until in [None, Some(Tid(8))] {
                    let data = Bytes::from(vec![7; size]);
                    let reply = Reply::Revision { data, serial: Tid(5), until };
                    let id = MessageId::Load(Oid(9), Tid::MAX);
                    let message = reply.encode(codec, &id, &mut BytesMut::new()).to_vec();
                    assert_eq!(shorthand.recognise(&message[PREFIX..], size), Some(Short::Loaded(Oid(9))));
                    assert_eq!(shorthand.recognise(&message[PREFIX..], size + 100), None);
                }
            }
            let notice = Notice::Invalidate(Tid(77), &[Oid(1)]).encode(codec, &mut BytesMut::new()).to_vec();
            assert_eq!(shorthand.recognise(&notice[PREFIX..], 300), Some(Short::Invalidate(Tid(77))));
        }
    }

    #[test]
    fn errors_and_other_replies_are_the_codecs() {
        for codec in BOTH {
            let shorthand = Shorthand::new(codec);
            let id = MessageId::Load(Oid(9), Tid::MAX);
            let others = [
                RemoteError::Value("x".repeat(300)).encode(codec, &id, &mut BytesMut::new()),
                Reply::None.encode(codec, &id, &mut BytesMut::new()),
                Reply::Tid(Tid(4)).encode(codec, &MessageId::Int(4), &mut BytesMut::new()),
            ];
            for packet in others {
                assert_eq!(shorthand.recognise(&packet.to_vec()[PREFIX..], 300), None);
            }
            assert_eq!(shorthand.recognise(b"", 300), None);
        }
    }
}
