//! What the server sends, as the checkers understand it: read when it is put out, before the network has it.

use zeolith_core::ids::{Oid, Tid};
use zeolith_core::limits;
use zeolith_core::wire::Codec;
use zeolith_core::wire::call::MessageId;
use zeolith_core::wire::delivery::{Delivery, decode_delivery};
use zeolith_core::wire::frame::Frames;
use zeolith_core::wire::tree::Tree;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is registered.
    Registered(Tid),
    /// Its transaction is durable.
    Finished(Tid),
    /// An invalidation.
    Invalidated(Tid, Vec<Oid>),
    /// A revision.
    Loaded(Oid, Tid, Option<Tid>),
    /// Nothing the checkers look at.
    Other,
}

/// Reads one connection's messages.
#[derive(Debug, Default)]
pub struct Reader {
    frames: Frames,
    greeted: bool,
    register: Option<i64>,
}

impl Reader {
    /// Reads messages as the server puts them out. `finish` is the id of the finish under way.
    pub fn read(&mut self, codec: Codec, mut bytes: &[u8], finish: Option<i64>) -> Vec<Heard> {
        let mut heard = Vec::new();
        let mut tree = Tree::default();
        while let Some(frame) = self.frames.next(&mut bytes, limits::FRAME).expect("a server sends frames") {
            if !self.greeted {
                self.greeted = true;
                continue;
            }
            let delivery = decode_delivery(codec, frame.bytes(), &mut tree).expect("a server sends messages");
            heard.push(self.hear(delivery, finish));
        }
        heard
    }

    fn hear(&mut self, delivery: Delivery<'_>, finish: Option<i64>) -> Heard {
        match delivery {
            Delivery::Invalidate { tid, oids } => Heard::Invalidated(tid, oids),
            Delivery::Reply { id: MessageId::Load(oid, _), result: Ok(value) } => match value.revision() {
                Some((_, serial, until)) => Heard::Loaded(oid, serial, until),
                None => Heard::Other,
            },
            Delivery::Reply { id: MessageId::Int(id), result: Ok(value) } => match value.as_tid() {
                Some(tid) if self.register.is_none() => {
                    self.register = Some(id);
                    Heard::Registered(tid)
                }
                Some(tid) if finish == Some(id) => Heard::Finished(tid),
                _ => Heard::Other,
            },
            _ => Heard::Other,
        }
    }
}
