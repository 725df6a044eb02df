//! What a server wants done, in order, and how much waits for each peer.

use super::event::Event;
use super::fault::{Fault, PeerFault};
use super::flow::Flow;
use super::names::{ConnId, Context, ReplyTo, StorageId};
use super::packs::PackJob;
use super::relay::UpstreamOp;
use crate::limits::Limits;
use crate::store::disk::DiskOp;
use crate::wire::Codec;
use crate::wire::frame::put_frame;
use crate::wire::packet::Packet;
use crate::wire::remote::RemoteError;
use crate::wire::reply::{Notice, Reply};
use bytes::BytesMut;
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use std::collections::{BTreeMap, VecDeque};

/// Something the shell is to do. The order of outputs is a contract.
#[derive(Debug)]
pub enum Output {
    /// Send a message.
    Send {
        /// To whom.
        conn: ConnId,
        /// The message in its frame.
        packet: Packet,
    },
    /// Read nothing from this connection until `Resume`: too much waits for it already.
    Pause {
        /// The connection.
        conn: ConnId,
    },
    /// Read again.
    Resume {
        /// The connection.
        conn: ConnId,
    },
    /// Send what is queued, then close. The connection is unknown to the server from now on.
    Close {
        /// The connection.
        conn: ConnId,
    },
    /// A disk operation of a storage.
    Disk {
        /// The storage.
        storage: StorageId,
        /// The operation.
        op: DiskOp<Context>,
    },
    /// Something is to be done with a connection to a server above.
    Upstream {
        /// The storage.
        storage: StorageId,
        /// What.
        op: UpstreamOp,
    },
    /// Something for the pack of a storage.
    Pack {
        /// The storage.
        storage: StorageId,
        /// What is to be done.
        job: PackJob,
    },
    /// A line for the log.
    Log(Event),
    /// The server has nothing left to do; the shell may exit.
    Stopped,
}

/// The queue of outputs. It knows every open connection's backlog, and drops what is sent to a closed one.
#[derive(Debug)]
pub struct Outputs {
    limits: Limits,
    queue: VecDeque<Output>,
    pen: BytesMut,
    flows: HashMap<ConnId, Flow, FxBuildHasher>,
    /// Paused connections whose backlog went down: their kept bytes are to be looked at.
    revived: VecDeque<ConnId>,
    /// Connections that took most of what was sent to them, after they [`stalled`](Outputs::stalls).
    roomy: VecDeque<ConnId>,
    /// Connections that are to be closed once what goes on is done.
    closings: VecDeque<(ConnId, Fault)>,
}

impl Outputs {
    /// Nothing to do, for no connection.
    pub fn new(limits: Limits) -> Outputs {
        Outputs {
            limits,
            queue: VecDeque::new(),
            pen: BytesMut::new(),
            flows: HashMap::default(),
            revived: VecDeque::new(),
            roomy: VecDeque::new(),
            closings: VecDeque::new(),
        }
    }

    /// A connection was opened.
    pub fn open(&mut self, conn: ConnId) {
        self.flows.insert(conn, Flow::new(&self.limits));
    }

    /// A connection is gone; nothing is sent to it any more.
    pub fn forget(&mut self, conn: ConnId) {
        self.flows.remove(&conn);
    }

    /// Any output that is not a message.
    pub fn push(&mut self, output: Output) {
        self.queue.push_back(output);
    }

    /// A line for the log.
    pub fn log(&mut self, event: Event) {
        self.queue.push_back(Output::Log(event));
    }

    /// The next output.
    pub fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    /// Answers a call; returns the bytes of the answer.
    pub fn reply(&mut self, to: &ReplyTo, reply: &Reply) -> usize {
        if to.one_way || !self.flows.contains_key(&to.conn) {
            mark!("nobody is there to be answered");
            return 0;
        }
        let packet = reply.encode(to.codec, &to.id, &mut self.pen);
        let bytes = packet.len();
        self.send(to.conn, packet);
        bytes
    }

    /// Answers a call with an error.
    pub fn error(&mut self, to: &ReplyTo, error: &RemoteError) {
        if to.one_way {
            self.close(to.conn, PeerFault::OneWay(error.to_string()).into());
        } else if self.flows.contains_key(&to.conn) {
            let packet = error.encode(to.codec, &to.id, &mut self.pen);
            self.send(to.conn, packet);
        }
    }

    /// A one-way message in an encoding, to be sent to any number of connections.
    pub fn notice(&mut self, codec: Codec, notice: &Notice<'_>) -> Packet {
        notice.encode(codec, &mut self.pen)
    }

    /// Sends a message that is in no encoding: a handshake, or the answer to `ruok`.
    pub fn raw(&mut self, conn: ConnId, message: &[u8]) {
        put_frame(&mut self.pen, |out| {
            out.extend_from_slice(message);
            0
        });
        let packet = Packet { head: self.pen.split().freeze(), ..Packet::default() };
        self.send(conn, packet);
    }

    /// Tells a peer what it did not ask for. It is closed when it stopped reading: nothing else would end its backlog.
    pub fn notify(&mut self, conn: ConnId, packet: Packet) {
        let Some(flow) = self.flows.get(&conn) else { return };
        if flow.unsent() > self.limits.unsent_max {
            mark!("a peer that is told of commits does not read");
            let unsent = flow.unsent();
            self.close(conn, PeerFault::NotReading(unsent).into());
        }
        self.send(conn, packet);
    }

    /// Tells all of these connections, each in its encoding, but one.
    pub fn broadcast(&mut self, members: &BTreeMap<ConnId, Codec>, but: Option<ConnId>, notice: &Notice<'_>) {
        let mut encoded: [Option<Packet>; 2] = [None, None];
        for (&conn, &codec) in members.iter().filter(|&(&conn, _)| Some(conn) != but) {
            let packet = encoded[codec as usize].get_or_insert_with(|| self.notice(codec, notice)).clone();
            self.notify(conn, packet);
        }
    }

    /// Sends a message that is encoded already and was asked for.
    pub fn send(&mut self, conn: ConnId, packet: Packet) {
        let Some(flow) = self.flows.get_mut(&conn) else { return };
        flow.put_out(packet.len());
        self.queue.push_back(Output::Send { conn, packet });
    }

    /// Bytes on their way to a peer.
    pub fn unsent(&self, conn: ConnId) -> usize {
        self.flows.get(&conn).map_or(0, Flow::unsent)
    }

    /// Bytes from a connection that wait to be written.
    pub fn intake(&self, conn: ConnId) -> usize {
        self.flows.get(&conn).map_or(0, Flow::intake)
    }

    /// Store operations of a connection that are not answered.
    pub fn under_way(&self, conn: ConnId) -> usize {
        self.flows.get(&conn).map_or(0, Flow::operations)
    }

    /// The peer took `bytes`.
    pub fn on_sent(&mut self, conn: ConnId, bytes: usize) {
        if let Some(flow) = self.flows.get_mut(&conn)
            && flow.sent(bytes)
        {
            self.roomy.push_back(conn);
        }
        self.revive(conn);
    }

    /// Whether more of a blob should wait until the peer has taken some; then
    /// [`pop_roomy`](Self::pop_roomy) tells when.
    pub fn stalls(&mut self, conn: ConnId) -> bool {
        self.flows.get_mut(&conn).is_some_and(Flow::stalls)
    }

    /// A connection for which a blob may go on.
    pub fn pop_roomy(&mut self) -> Option<ConnId> {
        self.roomy.pop_front()
    }

    /// A store operation for this connection begins.
    pub fn begin_operation(&mut self, conn: ConnId) {
        if let Some(flow) = self.flows.get_mut(&conn) {
            flow.begin();
        }
    }

    /// A store operation for this connection was answered with so many bytes.
    pub fn end_operation(&mut self, conn: ConnId, bytes: usize) {
        if let Some(flow) = self.flows.get_mut(&conn) {
            flow.end(bytes, &self.limits);
        }
        self.revive(conn);
    }

    /// Bytes of a blob came from this connection.
    pub fn begin_intake(&mut self, conn: ConnId, bytes: usize) {
        if let Some(flow) = self.flows.get_mut(&conn) {
            flow.take_in(bytes);
        }
    }

    /// Bytes that came before are off our hands.
    pub fn end_intake(&mut self, conn: ConnId, bytes: usize) {
        if let Some(flow) = self.flows.get_mut(&conn) {
            flow.taken_in(bytes);
        }
        self.revive(conn);
    }

    /// Whether so much waits for this connection that its next message must wait too; if so, it is paused.
    pub fn congested(&mut self, conn: ConnId) -> bool {
        let Some(flow) = self.flows.get_mut(&conn) else { return false };
        let congested = flow.is_congested(&self.limits);
        if congested && flow.pause() {
            mark!("a connection is paused");
            self.queue.push_back(Output::Pause { conn });
        }
        congested
    }

    fn revive(&mut self, conn: ConnId) {
        if let Some(flow) = self.flows.get_mut(&conn)
            && flow.resume(&self.limits)
        {
            self.revived.push_back(conn);
        }
    }

    /// A connection whose kept bytes can be looked at again.
    pub fn pop_revived(&mut self) -> Option<ConnId> {
        self.revived.pop_front()
    }

    /// Asks for a connection to be closed when what goes on is done.
    pub fn close(&mut self, conn: ConnId, fault: Fault) {
        self.closings.push_back((conn, fault));
    }

    /// A connection that is to be closed, and why. It may be closed already.
    pub fn pop_closing(&mut self) -> Option<(ConnId, Fault)> {
        self.closings.pop_front()
    }
}
