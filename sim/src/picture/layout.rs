//! Where things stand in a picture.

use crate::event::{ClientId, ServerNo, Way, Wire};
use crate::record::{Message, Record, Sign};

/// Width of the column of events.
pub(super) const GUTTER: f64 = 190.0;
/// Width between two nodes.
const COLUMN: f64 = 190.0;
/// Height of the nodes' names.
pub(super) const HEAD: f64 = 56.0;

/// A node of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Client(ClientId),
    Server(ServerNo),
    Disk(ServerNo),
}

/// Messages of one direction that were sent together and arrived together.
#[derive(Debug)]
pub(super) struct Arrow {
    pub(super) wire: Wire,
    pub(super) way: Way,
    pub(super) label: String,
    pub(super) commits: bool,
    /// Steps.
    pub(super) sent: usize,
    pub(super) arrived: Option<usize>,
    pub(super) lost: bool,
}

/// The places of one picture.
#[derive(Debug)]
pub(super) struct Layout {
    clients: usize,
    servers: usize,
    /// The middle of each step's row; of one that did nothing, and has none, that of the next one.
    places: Vec<f64>,
    /// The height of each step's row; zero when it has none.
    heights: Vec<f64>,
    /// Whether there is room for text in a row.
    pub(super) is_roomy: bool,
    /// Where the last row ends.
    pub(super) bottom: f64,
}

impl Layout {
    pub(super) fn of(record: &Record) -> Layout {
        // A long history is seen as a whole; what stands at its arrows is told by pointing at them.
        let (own, set_off) = match record.steps.iter().filter(|step| step.moved).count() {
            0..=120 => (26.0, 18.0),
            121..=300 => (16.0, 15.0),
            _ => (9.0, 6.0),
        };
        let mut bottom = HEAD;
        let (mut places, mut heights) = (Vec::new(), Vec::new());
        for step in &record.steps {
            let height = match (step.moved, step.own) {
                (false, _) => 0.0,
                (true, true) => own,
                (true, false) => set_off,
            };
            places.push(bottom + if height > 0.0 { height } else { own } / 2.0);
            heights.push(height);
            bottom += height;
        }
        Layout {
            clients: record.clients,
            servers: record.servers,
            places,
            heights,
            is_roomy: own >= 15.0,
            bottom,
        }
    }

    /// Nodes from left to right: servers stand among their clients, with their disks at the side.
    pub(super) fn nodes(&self) -> Vec<Node> {
        let clients = (0..self.clients).map(|n| Node::Client(ClientId(n)));
        let mut nodes: Vec<Node> = clients.collect();
        let servers = || (0..self.servers).map(ServerNo);
        let middle = self.clients.div_ceil(2);
        nodes.splice(middle..middle, servers().map(Node::Server));
        nodes.extend(servers().map(Node::Disk));
        nodes
    }

    pub(super) fn x(&self, node: Node) -> f64 {
        let at = self.nodes().iter().position(|&other| other == node).expect("every node has its place");
        GUTTER + COLUMN * (at as f64 + 0.5)
    }

    /// The middle of a step's row.
    pub(super) fn y(&self, step: usize) -> f64 {
        self.places[step].min(self.bottom)
    }

    /// The height of a step's row; `None` when it is not drawn.
    pub(super) fn height(&self, step: usize) -> Option<f64> {
        Some(self.heights[step]).filter(|&height| height > 0.0)
    }

    pub(super) fn width(&self) -> f64 {
        GUTTER + COLUMN * (self.clients as f64 + 2.0 * self.servers as f64) + 60.0
    }
}

/// The record's messages, those that travel together in one.
pub(super) fn arrows(record: &Record) -> Vec<Arrow> {
    let mut arrows: Vec<Arrow> = Vec::new();
    for Message { wire, way, label, commits, sent, arrived, lost } in &record.messages {
        let together = arrows.iter_mut().rev().take_while(|arrow| arrow.sent == *sent);
        let mut together =
            together.filter(|arrow| (arrow.wire, arrow.way, arrow.arrived) == (*wire, *way, *arrived));
        if let Some(arrow) = together.next() {
            arrow.label += " · ";
            arrow.label += label;
            arrow.commits |= commits;
        } else {
            let (label, wire, way) = (label.clone(), *wire, *way);
            let (commits, sent, arrived, lost) = (*commits, *sent, *arrived, *lost);
            arrows.push(Arrow { wire, way, label, commits, sent, arrived, lost });
        }
    }
    arrows
}

/// The steps between which a node is there: a client with a connection, a server that is up.
pub(super) fn spans(record: &Record, node: Node) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    // A client may have connections to several servers.
    let mut there = 0;
    let mut since = None;
    for (at, step) in record.steps.iter().enumerate() {
        for sign in &step.signs {
            match (sign, node) {
                (Sign::Up(one), Node::Server(two)) if *one == two => there = 1,
                (Sign::Crashed(one, _) | Sign::Stopped(one), Node::Server(two)) if *one == two => there = 0,
                (Sign::Connected(wire), Node::Client(client)) if wire.client == client => there += 1,
                (Sign::Gone(wire), Node::Client(client)) if wire.client == client => there -= 1,
                _ => continue,
            }
            match (since, there) {
                (None, 1..) => since = Some(at),
                (Some(from), 0) => {
                    spans.push((from, at));
                    since = None;
                }
                _ => {}
            }
        }
    }
    if let Some(from) = since {
        spans.push((from, record.steps.len().saturating_sub(1)));
    }
    spans
}
