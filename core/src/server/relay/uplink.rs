//! The connections to servers above, as far as they are the shell's business.

use crate::client::{ConnId, Output as Said, ServerId, TxnRef};
use crate::limits;
use crate::wire::packet::Packet;
use std::collections::BTreeMap;

/// Something to be done with a connection to a server above. Connections are named by the storage's client.
#[derive(Debug)]
pub enum UpstreamOp {
    /// Connect, and tell [`UpstreamEvent::Connected`] or [`UpstreamEvent::Lost`].
    Connect {
        /// The connection's name.
        conn: ConnId,
        /// Where to.
        server: ServerId,
    },
    /// Send bytes, and tell [`UpstreamEvent::Sent`].
    Send {
        /// Where.
        conn: ConnId,
        /// What.
        packet: Packet,
    },
    /// Read nothing from it until `Resume`: what came is to be written first.
    Pause {
        /// Which.
        conn: ConnId,
    },
    /// Read again.
    Resume {
        /// Which.
        conn: ConnId,
    },
    /// Close it, or give up making it.
    Close {
        /// Which.
        conn: ConnId,
    },
}

/// What happened on a connection to a server above.
#[derive(Debug)]
pub enum UpstreamEvent<'a> {
    /// It stands.
    Connected {
        /// Which.
        conn: ConnId,
    },
    /// It could not be made, or it ended. Not given for those that were closed from here.
    Lost {
        /// Which.
        conn: ConnId,
        /// What the operating system said.
        why: String,
    },
    /// Bytes arrived.
    Received {
        /// On which.
        conn: ConnId,
        /// The bytes, split anywhere.
        bytes: &'a [u8],
    },
    /// Its server took bytes that were put out.
    Sent {
        /// Which.
        conn: ConnId,
        /// How many.
        bytes: usize,
    },
}

/// What is known of these connections.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    /// Bytes put out and not reported as sent.
    unsent: BTreeMap<ConnId, usize>,
    /// The one that is not read.
    paused: Option<ConnId>,
    /// The blob that is to be read on for a transaction, and the operation whose it is.
    wanted: Option<(TxnRef, usize)>,
}

impl Uplink {
    /// What the shell is to do for an output of the client; `None`: nothing, as yet.
    pub(super) fn take(&mut self, said: Said) -> Option<UpstreamOp> {
        match said {
            Said::Connect { conn, server } => {
                self.unsent.insert(conn, 0);
                Some(UpstreamOp::Connect { conn, server })
            }
            Said::Send { conn, packet } => {
                *self.unsent.entry(conn).or_default() += packet.len();
                Some(UpstreamOp::Send { conn, packet })
            }
            Said::Close { conn } => {
                self.lose(conn);
                Some(UpstreamOp::Close { conn })
            }
            Said::ReadBlob { txn, at } => {
                self.wanted = Some((txn, at));
                None
            }
            other => unreachable!("not about connections: {other:?}"),
        }
    }

    pub(super) fn sent(&mut self, conn: ConnId, bytes: usize) {
        if let Some(unsent) = self.unsent.get_mut(&conn) {
            *unsent -= bytes;
        }
    }

    pub(super) fn lose(&mut self, conn: ConnId) {
        self.unsent.remove(&conn);
        self.paused.take_if(|paused| *paused == conn);
    }

    /// The blob to be read on, once the server has taken most of what was read before.
    pub(super) fn wanted(&mut self, conn: Option<ConnId>) -> Option<(TxnRef, usize)> {
        let unsent = conn.and_then(|conn| self.unsent.get(&conn)).copied().unwrap_or(0);
        if unsent < limits::BLOB_UNSENT { self.wanted.take() } else { None }
    }

    /// Stops or resumes reading, with so many bytes that wait to be written.
    pub(super) fn balance(&mut self, conn: Option<ConnId>, waiting: usize) -> Option<UpstreamOp> {
        match (self.paused, conn) {
            (None, Some(conn)) if waiting >= limits::INTAKE_PAUSE => {
                mark!("a server above is not read from while its blobs are written");
                self.paused = Some(conn);
                Some(UpstreamOp::Pause { conn })
            }
            (Some(conn), _) if waiting <= limits::INTAKE_PAUSE / 2 => {
                self.paused = None;
                Some(UpstreamOp::Resume { conn })
            }
            _ => None,
        }
    }
}
