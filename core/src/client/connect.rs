//! Which server is worked with: attempts to connect to all of them, the choice, and the search for a better one.

use super::config::Access;
use super::desk::Desk;
use super::event::Event;
use super::fault::Fault;
use super::link::{Link, Stage};
use super::verify::check_behind;
use super::{ConnId, Output, ServerId};
use crate::ids::Tid;
use crate::time::Instant;
use crate::wire::remote::RemoteError;
use std::collections::BTreeMap;
use std::time::Duration;

/// A server, as far as it is not connected.
#[derive(Clone, Debug)]
struct Server {
    /// The pause after the last failure; zero after none.
    pause: Duration,
    /// When it is tried again.
    next: Instant,
    /// A connection to it exists.
    linked: bool,
    /// Why the last attempt failed; `None` after one that did not.
    fault: Option<Fault>,
}

/// What a registration leads to.
pub(super) enum Registered {
    /// The server is worked with from now on; the one before is given up.
    Chosen {
        /// The one before.
        before: Option<ConnId>,
    },
    /// It has been asked again, for reading only.
    Again,
    /// There is no use for it.
    Useless(Fault),
}

/// All connections.
#[derive(Debug)]
pub(super) struct Connector {
    servers: Vec<Server>,
    links: BTreeMap<ConnId, Link>,
    chosen: Option<ConnId>,
    conns: u64,
    /// Why there is no connection.
    trouble: Fault,
}

impl Connector {
    pub(super) fn new(desk: &Desk) -> Connector {
        let server = Server { pause: Duration::ZERO, next: desk.now, linked: false, fault: None };
        let trouble =
            if desk.config.servers.is_empty() { "no server is configured" } else { "not connected yet" };
        Connector {
            servers: vec![server; desk.config.servers.len()],
            links: BTreeMap::new(),
            chosen: None,
            conns: 0,
            trouble: Fault::Network(trouble.into()),
        }
    }

    /// A connection; `None` when it was given up.
    pub(super) fn link(&mut self, conn: ConnId) -> Option<&mut Link> {
        self.links.get_mut(&conn)
    }

    /// The connection that is worked with, verified or not.
    pub(super) fn chosen(&mut self) -> Option<&mut Link> {
        self.links.get_mut(&self.chosen?)
    }

    /// The same, to be looked at.
    pub(super) fn chosen_link(&self) -> Option<&Link> {
        self.links.get(&self.chosen?)
    }

    /// The connection that questions are answered on.
    pub(super) fn ready(&mut self) -> Option<&mut Link> {
        self.chosen().filter(|link| link.is_ready())
    }

    pub(super) fn is_ready(&self) -> bool {
        self.server().is_some()
    }

    /// The server that questions are sent to.
    pub(super) fn server(&self) -> Option<ServerId> {
        let link = &self.links[&self.chosen?];
        link.is_ready().then_some(link.server)
    }

    pub(super) fn is_chosen(&self, conn: ConnId) -> bool {
        self.chosen == Some(conn)
    }

    /// Why there is no connection.
    pub(super) fn trouble(&self) -> &Fault {
        &self.trouble
    }

    /// Whether a connection is being made or registered.
    pub(super) fn is_trying(&self) -> bool {
        !self.links.is_empty()
    }

    /// Tries every server whose time has come, while there is none or a better one may be found.
    pub(super) fn seek(&mut self, desk: &mut Desk) {
        if !self.seeks(desk) {
            return;
        }
        for (at, server) in self.servers.iter_mut().enumerate() {
            if !server.linked && server.next <= desk.now {
                server.linked = true;
                self.conns += 1;
                let (conn, server) = (ConnId(self.conns), ServerId(at));
                let mut link = Link::new(conn, server, desk);
                link.read_only = desk.config.access == Access::Read;
                self.links.insert(conn, link);
                desk.push(Output::Connect { conn, server });
            }
        }
    }

    fn seeks(&self, desk: &Desk) -> bool {
        self.chosen
            .is_none_or(|conn| desk.config.access == Access::WriteOrRead && self.links[&conn].read_only)
    }

    /// The answer to a registration.
    pub(super) fn on_registered(
        &mut self,
        desk: &Desk,
        conn: ConnId,
        result: Result<Option<Tid>, RemoteError>,
    ) -> Registered {
        let has_one = self.chosen.is_some();
        let link = self.links.get_mut(&conn).expect("the connection that is registered");
        let last = match result {
            Ok(last) => last,
            Err(RemoteError::ReadOnly)
                if desk.config.access == Access::WriteOrRead && !link.read_only && !has_one =>
            {
                link.read_only = true;
                link.register(desk);
                return Registered::Again;
            }
            Err(error) => return Registered::Useless(Fault::Refused(error)),
        };
        if has_one && link.read_only {
            return Registered::Useless(Fault::Switched);
        }
        if let Some(last) = last
            && let Err(fault) = check_behind(desk, last)
        {
            return Registered::Useless(fault);
        }
        link.stage = Stage::Verifying;
        Registered::Chosen { before: self.chosen.replace(conn) }
    }

    /// The others are not needed, unless a better one than this is looked for.
    pub(super) fn settle_on_chosen(&mut self, desk: &mut Desk) {
        if !self.seeks(desk) {
            let others: Vec<ConnId> =
                self.links.keys().copied().filter(|conn| !self.is_chosen(*conn)).collect();
            for conn in others {
                let link = self.links.remove(&conn).expect("just seen");
                let server = &mut self.servers[link.server.0];
                (server.linked, server.next) = (false, desk.now);
                desk.push(Output::Close { conn });
            }
        }
    }

    /// Questions are answered now: what was in the way before is past.
    pub(super) fn on_ready(&mut self) {
        if let Some(conn) = self.chosen {
            let server = &mut self.servers[self.links[&conn].server.0];
            (server.pause, server.fault) = (Duration::ZERO, None);
        }
    }

    /// Takes a connection away that ended or is given up; its server is tried again after a pause.
    pub(super) fn remove(&mut self, desk: &mut Desk, conn: ConnId, fault: &Fault) -> Option<Link> {
        let link = self.links.remove(&conn)?;
        let config = &desk.config;
        let server = &mut self.servers[link.server.0];
        server.pause =
            (server.pause * 2).clamp(config.reconnect_min, config.reconnect_max.max(config.reconnect_min));
        let extra = desk.rng.below(server.pause.as_nanos().max(1) as u64);
        server.next = desk.now + server.pause + Duration::from_nanos(extra);
        server.linked = false;
        let name = desk.config.servers[link.server.0].clone();
        if self.is_chosen(conn) {
            self.chosen = None;
            self.trouble = fault.clone();
            desk.log(Event::Disconnected { server: name, fault: fault.clone() });
        } else {
            if self.chosen.is_none() {
                self.trouble = fault.clone();
            }
            let server = &mut self.servers[link.server.0];
            let again = server.fault.replace(fault.clone()).as_ref() == Some(fault);
            desk.log(Event::Failed { server: name, fault: fault.clone(), again });
        }
        Some(link)
    }

    /// Names of all connections.
    pub(super) fn conns(&self) -> Vec<ConnId> {
        self.links.keys().copied().collect()
    }

    /// When something is due.
    pub(super) fn deadline(&self, desk: &Desk) -> Option<Instant> {
        let attempts = self.servers.iter().filter(|server| !server.linked && self.seeks(desk));
        let attempts = attempts.map(|server| server.next);
        attempts.chain(self.links.values().filter_map(|link| link.deadline(desk))).min()
    }

    /// Puts out what was said on every connection.
    pub(super) fn flush(&mut self, desk: &mut Desk) {
        self.links.values_mut().for_each(|link| link.flush(desk));
    }

    pub(super) fn check_invariants(&self) {
        self.links.values().for_each(Link::check_invariants);
        let linked = self.servers.iter().filter(|server| server.linked).count();
        assert_eq!(linked, self.links.len(), "one connection a server at most");
        for (conn, link) in &self.links {
            let works = matches!(link.stage, Stage::Verifying | Stage::Ready);
            assert_eq!(self.is_chosen(*conn), works, "one server is worked with");
        }
    }
}
