//! The test's end of a connection.

use super::script::Script;
use super::values::{plain, row};
use crate::wire::Codec;
use crate::wire::call::MessageId;
use crate::wire::delivery::{BlobPart, Delivery, decode_delivery};
use crate::wire::frame::Frames;
use crate::wire::remote::RemoteError;
use crate::wire::tree::{Owned, Tree};

/// The answer to a call, with rows as tuples in both encodings.
pub(in crate::server) type Answer = Result<Owned, RemoteError>;

/// What a client knows of its connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) codec: Codec,
    /// Bytes are taken as soon as they are put out.
    pub(super) reads: bool,
    /// Bytes put out and not taken.
    pub(super) unsent: usize,
    pub(super) paused: bool,
    pub(super) closed: bool,
    pub(super) next_id: i64,
    /// What came, as lines.
    pub(super) inbox: Vec<String>,
    /// What came and was neither a reply nor a notice.
    pub(super) raw: Vec<Vec<u8>>,
    pub(super) answers: Vec<(MessageId, Answer)>,
    /// The parts of blobs that came.
    pub(super) chunks: Vec<Vec<u8>>,
    frames: Frames,
    tree: Tree,
}

impl Peer {
    /// A peer that will speak `codec`.
    pub(super) fn new(codec: Codec) -> Peer {
        Peer {
            codec,
            reads: true,
            unsent: 0,
            paused: false,
            closed: false,
            next_id: 0,
            inbox: Vec::new(),
            raw: Vec::new(),
            answers: Vec::new(),
            chunks: Vec::new(),
            frames: Frames::new(),
            tree: Tree::default(),
        }
    }

    /// Takes what the server put out; gives it as lines.
    pub(super) fn deliver(&mut self, mut bytes: &[u8], script: &mut Script) -> Vec<String> {
        assert!(!self.closed, "nothing is sent to a closed connection");
        let mut lines = Vec::new();
        while let Some(frame) = self.frames.next(&mut bytes, usize::MAX).expect("frames") {
            lines.push(match decode_delivery(self.codec, frame.bytes(), &mut self.tree) {
                Ok(Delivery::Reply { id, result }) => {
                    let result = result.map(|value| plain(value.to_owned().expect("plain data")));
                    let line = script.reply(&id, &result);
                    self.answers.push((id, result));
                    line
                }
                Ok(Delivery::Invalidate { tid, oids }) => {
                    let oids = Owned::Tuple(oids.into_iter().map(Owned::from).collect());
                    script.call("invalidateTransaction", &row![tid, oids])
                }
                Ok(Delivery::Info(size)) => format!("info({} objects, {} bytes)", size.length, size.size),
                Ok(Delivery::Blob { oid, serial, part }) => match part {
                    BlobPart::Start => script.call("receiveBlobStart", &row![oid, serial]),
                    BlobPart::Chunk(chunk) => {
                        self.chunks.push(chunk.to_vec());
                        script.call("receiveBlobChunk", &row![oid, serial, chunk])
                    }
                    BlobPart::Stop => script.call("receiveBlobStop", &row![oid, serial]),
                },
                Ok(Delivery::Other { .. }) => panic!("the server has no other messages"),
                Err(_) => {
                    self.raw.push(frame.bytes().to_vec());
                    String::from_utf8_lossy(frame.bytes()).into_owned()
                }
            });
        }
        self.inbox.extend_from_slice(&lines);
        lines
    }
}
