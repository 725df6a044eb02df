//! The picture itself.

use super::escaped;
use super::layout::{Arrow, GUTTER, HEAD, Layout, Node, arrows, spans};
use crate::disk::Fate;
use crate::event::{ServerNo, Way};
use crate::record::{Record, Sign, Step, short};
use std::fmt::Write;

/// Letters of the title in a line.
const TITLE_LINE: usize = 110;
/// Letters of an arrow's label.
const LABEL: usize = 31;

const STYLE: &str = "
.zs{--paper:#fff;--ink:#1f2328;--faint:#6e7781;--rule:#d0d7de;--there:#afb8c1;--up:#0969da;--down:#8250df;--good:#1a7f37;\
--bad:#cf222e;--glow:#ffebe9;--point:#eaeef2;font:12px ui-sans-serif,system-ui,sans-serif;background:var(--paper)}
@media (prefers-color-scheme:dark){.zs{--paper:#0d1117;--ink:#e6edf3;--faint:#8b949e;--rule:#30363d;--there:#484f58;\
--up:#58a6ff;--down:#bc8cff;--good:#3fb950;--bad:#ff7b72;--glow:#3d1418;--point:#1c2128}}
.zs text{fill:var(--ink)}.zs .faint,.zs .sub{fill:var(--faint)}.zs .sub{font-style:italic}
.zs .mono{font:11px ui-monospace,monospace}.zs .node{font-weight:600;text-anchor:middle}
.zs .life{stroke:var(--rule);stroke-dasharray:2 4}.zs .there{stroke:var(--there);stroke-width:4;stroke-linecap:round}
.zs .arrow{fill:none;stroke-width:1.4}.zs .Up{stroke:var(--up)}.zs .Down{stroke:var(--down)}
.zs .commit{stroke:var(--good);stroke-width:2.2}.zs .open{stroke-dasharray:4 3}
.zs text.label{font-size:11px;text-anchor:middle;}.zs text.halo{stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.zs .bad{stroke:var(--bad);stroke-width:2.5;fill:none}.zs text.badtext{fill:var(--bad);font-weight:600}
.zs .glow{fill:var(--glow)}.zs .dot{fill:var(--faint)}.zs .good{fill:var(--good)}.zs .ring{fill:var(--paper);stroke:var(--faint);\
stroke-width:1.5}
.zs .row rect{fill:transparent}.zs .row:hover rect,.zs .row.on rect{fill:var(--point)}
.zs marker path{stroke:none}.zs #au{fill:var(--up)}.zs #ad{fill:var(--down)}.zs #ac{fill:var(--good)}
";

/// Draws a record.
pub(super) fn draw(record: &Record, title: &str) -> String {
    let mut drawing = Drawing { record, layout: Layout::of(record), text: String::new() };
    drawing.whole(title);
    drawing.text
}

struct Drawing<'a> {
    record: &'a Record,
    layout: Layout,
    text: String,
}

/// Adds a line to a drawing; a string takes all.
macro_rules! put {
    ($drawing:expr, $($what:tt)*) => {
        writeln!($drawing.text, $($what)*).expect("a string takes all")
    };
}

impl Drawing<'_> {
    fn whole(&mut self, title: &str) {
        let lines = wrapped(title, TITLE_LINE);
        let (width, bottom) = (self.layout.width(), self.layout.bottom);
        let height = bottom + 34.0 + 16.0 * lines.len() as f64;
        put!(
            self,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"zs\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\"><title>{}</title><style>{STYLE}</style>",
            escaped(title)
        );
        put!(self, "<defs>");
        for id in ["au", "ad", "ac"] {
            put!(
                self,
                "<marker id=\"{id}\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
                 markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0.5 8 4 0 7.5z\"/></marker>"
            );
        }
        put!(self, "</defs><rect width=\"{width}\" height=\"{height}\" style=\"fill:var(--paper)\"/>");
        for (at, step) in self.record.steps.iter().enumerate() {
            self.row(at, step);
        }
        self.nodes();
        for arrow in arrows(self.record) {
            self.arrow(&arrow);
        }
        for (at, step) in self.record.steps.iter().enumerate() {
            for sign in &step.signs {
                self.sign(at, sign);
            }
        }
        let broken =
            self.record.steps.iter().any(|step| step.signs.iter().any(|it| matches!(it, Sign::Broken(_))));
        for (at, line) in lines.iter().enumerate() {
            let (y, class) = (bottom + 30.0 + 16.0 * at as f64, if broken { "badtext" } else { "faint" });
            put!(self, "<text x=\"12\" y=\"{y}\" class=\"{class}\">{}</text>", escaped(line));
        }
        self.text.push_str("</svg>\n");
    }

    /// The event at the left, and what lights up when it is pointed at.
    fn row(&mut self, at: usize, step: &Step) {
        let Some(row) = self.layout.height(at) else { return };
        let (y, width) = (self.layout.y(at), self.layout.width());
        put!(
            self,
            "<g class=\"row\" data-step=\"{at}\"><title>{} {}</title><rect x=\"0\" y=\"{}\" width=\"{width}\" \
             height=\"{row}\"/>",
            step.number,
            step.event,
            y - row / 2.0
        );
        if step.signs.iter().any(|sign| matches!(sign, Sign::Broken(_))) {
            let glow = row.max(14.0);
            put!(
                self,
                "<rect class=\"glow\" x=\"0\" y=\"{}\" width=\"{width}\" height=\"{glow}\" style=\"fill:var(--glow)\"/>",
                y - glow / 2.0
            );
        }
        if self.layout.is_roomy {
            let base = y + 4.0;
            if step.own {
                put!(
                    self,
                    "<text x=\"34\" y=\"{base}\" class=\"mono faint\" text-anchor=\"end\">{}</text>",
                    step.number
                );
            }
            let (x, class) = if step.own { (44, "mono") } else { (56, "mono sub") };
            put!(self, "<text x=\"{x}\" y=\"{base}\" class=\"{class}\">{}</text>", step.event);
        }
        self.text.push_str("</g>\n");
    }

    /// The nodes' lines: dotted, and solid while they are there.
    fn nodes(&mut self) {
        let bottom = self.layout.bottom;
        for node in self.layout.nodes() {
            let x = self.layout.x(node);
            let name = match node {
                Node::Client(client) => format!("client {}", client.0),
                Node::Server(server) => self.numbered("server", server),
                Node::Disk(server) => self.numbered("disk", server),
            };
            put!(self, "<text class=\"node\" x=\"{x}\" y=\"28\">{name}</text>");
            put!(self, "<line class=\"life\" x1=\"{x}\" x2=\"{x}\" y1=\"{}\" y2=\"{bottom}\"/>", HEAD - 14.0);
            for (from, to) in spans(self.record, node) {
                let (from, to) = (self.layout.y(from), self.layout.y(to));
                put!(self, "<line class=\"there\" x1=\"{x}\" x2=\"{x}\" y1=\"{from}\" y2=\"{to}\"/>");
            }
        }
        put!(
            self,
            "<line x1=\"{GUTTER}\" x2=\"{GUTTER}\" y1=\"12\" y2=\"{bottom}\" style=\"stroke:var(--rule)\"/>"
        );
    }

    /// What a node of a server is called: by number where there are several.
    fn numbered(&self, name: &str, server: ServerNo) -> String {
        if self.record.servers == 1 { name.to_owned() } else { format!("{name} {}", server.0) }
    }

    fn arrow(&mut self, arrow: &Arrow) {
        let client = self.layout.x(Node::Client(arrow.wire.client));
        let server = self.layout.x(Node::Server(arrow.wire.server));
        let (from, to) = if arrow.way == Way::Up { (client, server) } else { (server, client) };
        let y1 = self.layout.y(arrow.sent);
        // What never arrives ends on its way.
        let (x2, y2) = match arrow.arrived {
            Some(step) => (to, self.layout.y(step)),
            None => (from + (to - from) * 0.8, y1 + 12.0),
        };
        let (class, head) = match (arrow.commits, arrow.way) {
            (true, _) => ("Down commit", "ac"),
            (false, Way::Up) => ("Up", "au"),
            (false, Way::Down) => ("Down", "ad"),
        };
        let open = if arrow.arrived.is_none() { " open" } else { "" };
        let sent = self.record.steps[arrow.sent].number;
        let fate = match arrow.arrived {
            Some(step) => format!("arrived in event {}", self.record.steps[step].number),
            None if arrow.lost => "lost with its connection".to_owned(),
            None => "still under way at the end".to_owned(),
        };
        let what = escaped(&arrow.label);
        put!(self, "<g data-step=\"{}\"><title>{what}\nsent in event {sent}, {fate}</title>", arrow.sent);
        put!(
            self,
            "<line class=\"arrow {class}{open}\" marker-end=\"url(#{head})\" x1=\"{from}\" y1=\"{y1}\" x2=\"{x2}\" \
             y2=\"{y2}\"/>"
        );
        if arrow.lost {
            self.cross(x2, y2, 4.0);
        }
        if self.layout.is_roomy {
            let (x, y) = (f64::midpoint(from, to), f64::midpoint(y1, y2) - 2.0);
            let label = escaped(&cut(&arrow.label));
            // Not every viewer knows how to paint a letter's border behind it.
            put!(self, "<text class=\"label halo\" x=\"{x}\" y=\"{y}\">{label}</text>");
            put!(self, "<text class=\"label\" x=\"{x}\" y=\"{y}\">{label}</text>");
        }
        self.text.push_str("</g>\n");
    }

    fn cross(&mut self, x: f64, y: f64, size: f64) {
        let (left, right, top, low) = (x - size, x + size, y - size, y + size);
        put!(self, "<path class=\"bad\" d=\"M{left} {top}L{right} {low}M{right} {top}L{left} {low}\"/>");
    }

    fn sign(&mut self, at: usize, sign: &Sign) {
        let y = self.layout.y(at);
        let base = y + 4.0;
        let x = |node| self.layout.x(node);
        match sign {
            Sign::Connected(wire) => {
                let x = x(Node::Client(wire.client));
                put!(
                    self,
                    "<circle class=\"ring\" cx=\"{x}\" cy=\"{y}\" r=\"4\"><title>connected</title></circle>"
                );
            }
            Sign::Gone(wire) => self.cross(x(Node::Client(wire.client)), y, 4.0),
            Sign::Up(server) => put!(
                self,
                "<circle class=\"ring\" cx=\"{}\" cy=\"{y}\" r=\"5\"><title>up</title></circle>",
                x(Node::Server(*server))
            ),
            Sign::Crashed(server, fate) => {
                let server = x(Node::Server(*server));
                self.cross(server, y, 8.0);
                let what = if *fate == Fate::Process { "the process dies" } else { "the power fails" };
                put!(self, "<text class=\"badtext\" x=\"{}\" y=\"{base}\">{what}</text>", server + 14.0);
            }
            Sign::Stopped(server) => put!(
                self,
                "<circle class=\"ring\" cx=\"{}\" cy=\"{y}\" r=\"5\"><title>ended</title></circle>",
                x(Node::Server(*server))
            ),
            Sign::Disk(server, what) => {
                let disk = x(Node::Disk(*server));
                put!(
                    self,
                    "<circle class=\"dot\" cx=\"{disk}\" cy=\"{y}\" r=\"3\"><title>{}</title></circle>",
                    escaped(what)
                );
                if self.layout.is_roomy {
                    put!(
                        self,
                        "<text class=\"mono faint\" x=\"{}\" y=\"{base}\">{}</text>",
                        disk + 10.0,
                        escaped(what)
                    );
                }
            }
            Sign::Logged(server, tid) => {
                let disk = x(Node::Disk(*server));
                let (left, right, top, low) = (disk - 6.0, disk + 6.0, y - 6.0, y + 6.0);
                let name = short(*tid);
                put!(self, "<path class=\"good\" d=\"M{disk} {top}L{right} {y}L{disk} {low}L{left} {y}z\"/>");
                put!(
                    self,
                    "<text class=\"mono\" text-anchor=\"end\" x=\"{}\" y=\"{base}\" style=\"fill:var(--good)\">{name} is \
                     written</text>",
                    disk - 10.0
                );
            }
            Sign::Broken(what) => {
                let width = self.layout.width();
                put!(
                    self,
                    "<line class=\"bad\" x1=\"{GUTTER}\" x2=\"{width}\" y1=\"{y}\" y2=\"{y}\" stroke-dasharray=\"6 4\">\
                     <title>{}</title></line>",
                    escaped(what)
                );
            }
        }
    }
}

/// A label that fits between two nodes.
fn cut(label: &str) -> String {
    if label.chars().count() <= LABEL {
        return label.to_owned();
    }
    label.chars().take(LABEL - 1).chain(['…']).collect()
}

/// Text in lines of at most so many letters, broken between words where there are any.
fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is always a line");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > letters {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}
