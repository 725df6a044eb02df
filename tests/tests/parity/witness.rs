//! What a server's log tells of what it has noticed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// What a server has noticed since it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noticed {
    /// Connections that were opened.
    pub opened: usize,
    /// Connections that ended from the other side.
    pub ended: usize,
    /// Bytes it has read, by connection.
    pub received: BTreeMap<u64, u64>,
}

/// Reads a server's log, and has what it tells.
#[derive(Clone, Debug, Default)]
pub struct Witness(Arc<Mutex<Noticed>>);

impl Witness {
    /// What it has seen.
    pub fn noticed(&self) -> Noticed {
        self.0.lock().expect("nobody panics here").clone()
    }

    /// Forgets all, for the next server.
    pub fn forget(&self) {
        *self.0.lock().expect("nobody panics here") = Noticed::default();
    }
}

#[derive(Default)]
struct Line {
    message: String,
    numbers: BTreeMap<&'static str, u64>,
}

impl Visit for Line {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.numbers.insert(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

impl Subscriber for Witness {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("zeolith") || metadata.target() == "ZEO.StorageServer"
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let mut noticed = self.0.lock().expect("nobody panics here");
        if line.message == "received" {
            *noticed.received.entry(line.numbers["conn"]).or_default() += line.numbers["bytes"];
        } else if line.message.ends_with(") connected") {
            noticed.opened += 1;
        } else if line.message.contains(") disconnected") {
            noticed.ended += 1;
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
