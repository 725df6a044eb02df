//! Who sent what to whom in a history, and when it arrived: what a picture is drawn from.
//!
//! Messages are read from the bytes as they are put on their way, so that a record needs to know nothing about those who
//! send them.

use crate::checkers::Violation;
use crate::disk::Fate;
use crate::event::{Event, ServerNo, Way, Wire};
use crate::options::Setup;
use std::collections::BTreeMap;
use zeolith_core::ids::Tid;
use zeolith_core::limits;
use zeolith_core::server::ConnId;
use zeolith_core::wire::Codec;
use zeolith_core::wire::call::{self, Incoming, MessageId};
use zeolith_core::wire::delivery::{Delivery, decode_delivery};
use zeolith_core::wire::frame::Frames;
use zeolith_core::wire::tree::Tree;

/// Something to be seen at one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A client has a connection.
    Connected(Wire),
    /// A client has it no more.
    Gone(Wire),
    /// A server is up.
    Up(ServerNo),
    /// A server went down.
    Crashed(ServerNo, Fate),
    /// A server ended as it was asked to.
    Stopped(ServerNo),
    /// A disk begins or ends something.
    Disk(ServerNo, String),
    /// A transaction appeared in a log.
    Logged(ServerNo, Tid),
    /// The promise that is broken here.
    Broken(String),
}

/// An event with what it set off.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its place in the schedule, counted from 1.
    pub number: usize,
    /// It.
    pub event: Event,
    /// It stands in the schedule; otherwise the one before it that does set it off.
    pub own: bool,
    /// It did something.
    pub moved: bool,
    /// What is to be seen.
    pub signs: Vec<Sign>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Between whom.
    pub wire: Wire,
    /// Which way it goes.
    pub way: Way,
    /// What it is.
    pub label: String,
    /// It tells that a transaction is committed.
    pub commits: bool,
    /// The step in which it was sent, by its place in [`Record::steps`].
    pub sent: usize,
    /// The step in which the last of it arrived; `None` when it did not.
    pub arrived: Option<usize>,
    /// Its connection ended before it arrived.
    pub lost: bool,
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Line {
    frames: Frames,
    greeted: bool,
    sent: u64,
    arrived: u64,
    /// Messages under way, by place, with where they end.
    under_way: Vec<(u64, usize)>,
}

/// What happened, step by step.
#[derive(Debug)]
pub struct Record {
    codec: Codec,
    /// How many clients there are.
    pub clients: usize,
    /// How many servers.
    pub servers: usize,
    /// Every event.
    pub steps: Vec<Step>,
    /// Every message, in the order in which they were sent.
    pub messages: Vec<Message>,
    lines: BTreeMap<(ConnId, Way), Line>,
    /// The methods of calls that are not answered yet.
    calls: Calls,
    number: usize,
    /// Steps that are not over.
    open: Vec<usize>,
}

impl Record {
    /// Of a world in which nothing happened yet.
    pub(crate) fn new(setup: Setup) -> Record {
        Record {
            codec: setup.codec,
            clients: setup.clients,
            servers: setup.servers,
            steps: Vec::new(),
            messages: Vec::new(),
            lines: BTreeMap::new(),
            calls: BTreeMap::new(),
            number: 0,
            open: Vec::new(),
        }
    }

    /// An event begins.
    pub(crate) fn event(&mut self, event: Event, own: bool) {
        self.number += usize::from(own);
        self.open.push(self.steps.len());
        self.steps.push(Step { number: self.number, event, own, moved: false, signs: Vec::new() });
    }

    /// The event that began last is over.
    pub(crate) fn done(&mut self, result: &Result<bool, Violation>) {
        let step = self.open.pop().expect("an event that began");
        match result {
            Ok(moved) => self.steps[step].moved = *moved,
            Err(broken) => {
                let mut steps = self.steps.iter();
                let told = steps.any(|step| step.signs.iter().any(|sign| matches!(sign, Sign::Broken(_))));
                self.steps[step].moved = true;
                // It is noticed behind all that the event set off.
                let last = self.steps.last_mut().expect("an event began");
                last.moved = true;
                if !told {
                    last.signs.push(Sign::Broken(broken.to_string()));
                }
            }
        }
    }

    /// A machine panicked: what goes on now is what broke.
    pub(crate) fn broken(&mut self, broken: &Violation) {
        while !self.open.is_empty() {
            self.done(&Err(broken.clone()));
        }
    }

    fn step(&mut self) -> usize {
        *self.open.last().expect("something goes on only within an event")
    }

    /// Something is to be seen.
    pub(crate) fn sign(&mut self, sign: Sign) {
        let step = self.step();
        self.steps[step].signs.push(sign);
    }

    /// A connection is over for its client: what was on the way to it is lost.
    pub(crate) fn gone(&mut self, conn: ConnId) {
        if let Some(line) = self.lines.remove(&(conn, Way::Down)) {
            line.under_way.iter().for_each(|&(_, message)| self.messages[message].lost = true);
        }
    }

    /// Bytes were put on their way.
    pub(crate) fn sent(&mut self, conn: ConnId, wire: Wire, way: Way, bytes: &[u8]) {
        let step = self.step();
        let line = self.lines.entry((conn, way)).or_default();
        let (mut rest, mut tree) = (bytes, Tree::default());
        while let Ok(Some(frame)) = line.frames.next(&mut rest, limits::FRAME) {
            let end = line.sent + (bytes.len() - rest.len()) as u64;
            let (label, commits) = match (line.greeted, way) {
                (false, _) => ("handshake".to_owned(), false),
                (true, Way::Up) => {
                    (call_label(self.codec, frame.bytes(), &mut tree, conn, &mut self.calls), false)
                }
                (true, Way::Down) => reply_label(self.codec, frame.bytes(), &mut tree, conn, &mut self.calls),
            };
            line.greeted = true;
            line.under_way.push((end, self.messages.len()));
            self.messages.push(Message { wire, way, label, commits, sent: step, arrived: None, lost: false });
        }
        line.sent += bytes.len() as u64;
    }

    /// Bytes arrived.
    pub(crate) fn arrived(&mut self, conn: ConnId, way: Way, bytes: usize) {
        let step = self.step();
        let Some(line) = self.lines.get_mut(&(conn, way)) else { return };
        line.arrived += bytes as u64;
        let upto = line.arrived;
        for (_, message) in line.under_way.extract_if(.., |&mut (end, _)| end <= upto) {
            self.messages[message].arrived = Some(step);
        }
    }
}

/// The methods of calls that are not answered.
type Calls = BTreeMap<(ConnId, i64), &'static str>;

fn call_label(codec: Codec, message: &[u8], tree: &mut Tree, conn: ConnId, calls: &mut Calls) -> String {
    let Ok(Incoming::Call(call)) = call::decode(codec, message, tree) else { return "?".to_owned() };
    let Ok(request) = call.request else { return "?".to_owned() };
    let method = request.method();
    if let MessageId::Int(id) = call.id {
        calls.insert((conn, id), method);
    }
    match request {
        call::Request::Storea { oid, .. } | call::Request::CheckCurrent { oid, .. } => {
            format!("{method} {}", oid.0)
        }
        call::Request::LoadBefore(oid, _) => format!("load {}", oid.0),
        _ => method.to_owned(),
    }
}

fn reply_label(
    codec: Codec,
    message: &[u8],
    tree: &mut Tree,
    conn: ConnId,
    calls: &mut Calls,
) -> (String, bool) {
    match decode_delivery(codec, message, tree) {
        Ok(Delivery::Reply { id: MessageId::Load(oid, _), result }) => {
            let outcome = match result.map(|value| value.revision().map(|(_, serial, _)| serial)) {
                Ok(Some(serial)) => short(serial),
                Ok(None) => "none".to_owned(),
                Err(_) => "unknown".to_owned(),
            };
            (format!("{}: {outcome}", oid.0), false)
        }
        Ok(Delivery::Reply { id: MessageId::Int(id), result }) => {
            let method = calls.remove(&(conn, id)).unwrap_or("?");
            match result {
                Ok(value) if method == "vote" && value.conflicts().is_some_and(|it| !it.is_empty()) => {
                    ("vote: conflicts".to_owned(), false)
                }
                Ok(value) => match value.as_tid() {
                    Some(tid) => (format!("{method}: {}", short(tid)), method == "tpc_finish"),
                    None => (format!("{method}: ok"), false),
                },
                Err(_) => (format!("{method}: error"), false),
            }
        }
        Ok(Delivery::Invalidate { tid, oids }) => {
            let oids: Vec<_> = oids.iter().map(|oid| oid.0.to_string()).collect();
            (format!("invalidate {} of {}", oids.join(" "), short(tid)), false)
        }
        Ok(Delivery::Info(_)) => ("info".to_owned(), false),
        Ok(Delivery::Blob { oid, .. }) => (format!("blob {}", oid.0), false),
        Ok(Delivery::Reply { .. } | Delivery::Other { .. }) | Err(_) => ("?".to_owned(), false),
    }
}

/// The end of a tid, which is where those of one history differ.
pub(crate) fn short(tid: Tid) -> String {
    if tid == Tid::ZERO { "T0".to_owned() } else { format!("T…{:06x}", tid.0 & 0xff_ffff) }
}
