//! Both ways of a connection, as the checkers understand them: calls when the server is handed them, replies when they
//! are put out, before the network has them.

use crate::checkers::{ConnName, Seen, Sent, Violation};
use bytes::Bytes;
use std::collections::BTreeMap;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::limits;
use zeolith_core::wire::Codec;
use zeolith_core::wire::call::{self, Incoming, MessageId, Request};
use zeolith_core::wire::delivery::{BlobPart, Delivery, decode_delivery};
use zeolith_core::wire::frame::Frames;
use zeolith_core::wire::remote::RemoteError;
use zeolith_core::wire::tree::{Tree, Value};

/// Bytes of a message's length.
const PREFIX: usize = 4;

/// What a call under way asks for.
#[derive(Clone, Copy, Debug)]
enum Called {
    Register,
    Vote,
    Finish,
    NewOids,
    Invalidations(Tid),
    Blob(Oid, Tid),
    Other(&'static str),
}

/// One way of a connection.
#[derive(Debug, Default)]
struct Way {
    frames: Frames,
    greeted: bool,
}

/// Reads one connection's messages.
#[derive(Debug)]
pub struct Reader {
    conn: ConnName,
    codec: Codec,
    up: Way,
    down: Way,
    calls: BTreeMap<i64, Called>,
    /// What was sent of blobs that are not through.
    blobs: BTreeMap<(Oid, Tid), Vec<u8>>,
}

/// Who is shown what is read.
type See<'a> = &'a mut dyn FnMut(Seen<'_>) -> Result<(), Violation>;

impl Reader {
    /// Reads a connection on which nothing was said yet.
    pub fn new(conn: ConnName, codec: Codec) -> Reader {
        let (up, down) = (Way::default(), Way::default());
        Reader { conn, codec, up, down, calls: BTreeMap::new(), blobs: BTreeMap::new() }
    }

    /// The ids of the calls among these messages to the server that are to be answered. They were not read yet.
    pub fn called(&self, messages: &[Bytes]) -> Vec<Option<MessageId>> {
        let mut tree = Tree::default();
        // The first message of all greets.
        let greets = usize::from(!self.up.greeted);
        let mut id = |message: &Bytes| match call::decode(self.codec, &message[PREFIX..], &mut tree) {
            Ok(Incoming::Call(call)) if !call.oneway => Some(call.id),
            _ => None,
        };
        messages.iter().enumerate().map(|(at, it)| if at < greets { None } else { id(it) }).collect()
    }

    /// Which call a message from the server answers, if it does. It was not read yet.
    pub fn answers(&self, message: &[u8]) -> Option<MessageId> {
        let mut tree = Tree::default();
        let message = message.get(PREFIX..).filter(|_| self.down.greeted)?;
        match decode_delivery(self.codec, message, &mut tree) {
            Ok(Delivery::Reply { id, .. }) => Some(id),
            _ => None,
        }
    }

    /// Reads what the server is handed.
    ///
    /// # Errors
    /// The first that `see` has.
    pub fn on_up(&mut self, mut bytes: &[u8], see: See<'_>) -> Result<(), Violation> {
        let mut tree = Tree::default();
        while let Some(frame) = self.up.frames.next(&mut bytes, limits::FRAME).expect("a client sends frames")
        {
            if !std::mem::replace(&mut self.up.greeted, true) {
                continue;
            }
            let message =
                call::decode(self.codec, frame.bytes(), &mut tree).expect("a client sends messages");
            let Incoming::Call(call) = message else { continue };
            let request = call.request.expect("a client's calls are those of the protocol");
            if let (MessageId::Int(id), false) = (&call.id, call.oneway) {
                let called = match &request {
                    Request::Register { .. } => Called::Register,
                    Request::Vote(_) => Called::Vote,
                    Request::TpcFinish(_) => Called::Finish,
                    Request::NewOids(_) => Called::NewOids,
                    Request::GetInvalidations(since) => Called::Invalidations(*since),
                    Request::SendBlob(oid, serial) => Called::Blob(*oid, *serial),
                    other => Called::Other(other.method()),
                };
                self.calls.insert(*id, called);
            }
            see(Seen::Asked { conn: self.conn, request: &request })?;
        }
        Ok(())
    }

    /// Reads what the server puts out.
    ///
    /// # Errors
    /// The first that `see` has.
    pub fn on_down(&mut self, mut bytes: &[u8], see: See<'_>) -> Result<(), Violation> {
        let mut tree = Tree::default();
        while let Some(frame) =
            self.down.frames.next(&mut bytes, limits::FRAME).expect("a server sends frames")
        {
            if std::mem::replace(&mut self.down.greeted, true) {
                let delivery = decode_delivery(self.codec, frame.bytes(), &mut tree);
                self.hear(delivery.expect("a server sends messages"), see)?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, delivery: Delivery<'_>, see: See<'_>) -> Result<(), Violation> {
        let conn = self.conn;
        match delivery {
            Delivery::Invalidate { tid, oids } => see(Seen::Invalidated(conn, tid, &oids)),
            Delivery::Reply { id: MessageId::Load(oid, before), result } => match result {
                Err(error) => see(Seen::NotLoaded { conn, oid, before, error: Some(error.class()) }),
                Ok(value) => match value.revision() {
                    Some((_, serial, until)) => see(Seen::Loaded { conn, oid, before, serial, until }),
                    None => see(Seen::NotLoaded { conn, oid, before, error: None }),
                },
            },
            Delivery::Blob { oid, serial, part } => match part {
                BlobPart::Start => {
                    self.blobs.insert((oid, serial), Vec::new());
                    Ok(())
                }
                BlobPart::Chunk(chunk) => {
                    self.blobs.get_mut(&(oid, serial)).expect("a blob begins").extend_from_slice(chunk);
                    Ok(())
                }
                BlobPart::Stop => {
                    let bytes = self.blobs.remove(&(oid, serial)).expect("a blob begins");
                    see(Seen::Blob { conn, oid, serial, result: Ok(Sent(&bytes)) })
                }
            },
            Delivery::Reply { id: MessageId::Int(id), result } => match self.calls.remove(&id) {
                Some(called) => answer(conn, called, result, see),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

fn answer(
    conn: ConnName,
    called: Called,
    result: Result<Value<'_>, RemoteError>,
    see: See<'_>,
) -> Result<(), Violation> {
    let value = match result {
        Ok(value) => value,
        Err(error) if let Called::Blob(oid, serial) = called => {
            return see(Seen::Blob { conn, oid, serial, result: Err(error.class()) });
        }
        Err(error) => return see(Seen::Refused { conn, method: called.method(), class: error.class() }),
    };
    match called {
        Called::Register => see(Seen::Registered(conn, value.as_tid().expect("a last transaction"))),
        Called::Finish => see(Seen::Finished(conn, value.as_tid().expect("a finish has a tid"))),
        Called::Vote => {
            let conflicts = value.conflicts().unwrap_or_default();
            let conflicts: Vec<Oid> = conflicts.iter().map(|conflict| conflict.oid).collect();
            see(Seen::Voted { conn, conflicts: &conflicts })
        }
        Called::Invalidations(since) => {
            let answer = value.invalidations();
            let answer = answer.as_ref().map(|(upto, oids)| (*upto, oids.as_slice()));
            see(Seen::Verified { conn, since, answer })
        }
        Called::NewOids => {
            let oids = value.oids().expect("a list of new oids");
            see(Seen::NewOids(conn, &oids))
        }
        Called::Blob(..) | Called::Other(_) => Ok(()),
    }
}

impl Called {
    fn method(self) -> &'static str {
        match self {
            Called::Register => "register",
            Called::Vote => "vote",
            Called::Finish => "tpc_finish",
            Called::NewOids => "new_oids",
            Called::Invalidations(_) => "getInvalidations",
            Called::Blob(..) => "sendBlob",
            Called::Other(method) => method,
        }
    }
}
