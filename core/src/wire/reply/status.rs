//! The figures of a storage: for `server_status` calls, and as JSON for `ruok`.

use crate::ids::Tid;
use crate::wire::writer::Writer;
use serde_json::Value;
use std::borrow::Cow;

/// The answer to `server_status`, and per storage to `ruok`.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Loads since the start.
    pub loads: u64,
    /// Stores since the start.
    pub stores: u64,
    /// Finished transactions since the start.
    pub commits: u64,
    /// Aborted transactions since the start.
    pub aborts: u64,
    /// Conflicts that ended a transaction.
    pub conflicts: u64,
    /// Conflicts that clients resolved.
    pub conflicts_resolved: u64,
    /// Transactions between begin and end.
    pub active_txns: u64,
    /// Registered connections.
    pub connections: u64,
    /// Votes that wait for locks.
    pub waiting: u64,
    /// When the oldest lock now held was granted, in seconds since 1970.
    pub lock_time: Option<f64>,
    /// The start of the server as C's `ctime` writes it.
    pub start: String,
    /// The last transaction.
    pub last_transaction: Tid,
    /// Whether transactions time out: `true`, or the string `stub` when no timeout is configured.
    pub timeout: bool,
    /// How far a pack is; `None` when none goes on.
    pub pack: Option<String>,
}

/// A figure, of the types that these figures have.
enum Figure<'a> {
    Count(u64),
    Time(Option<f64>),
    Text(Cow<'a, str>),
    True,
}

impl Status {
    /// The figures under Python's names, in Python's order; behind them ours, while a pack goes on.
    fn figures(&self) -> Vec<(&'static str, Figure<'_>)> {
        use Figure::{Count, Text, Time, True};
        let mut figures = vec![
            ("connections", Count(self.connections)),
            ("loads", Count(self.loads)),
            ("stores", Count(self.stores)),
            ("commits", Count(self.commits)),
            ("aborts", Count(self.aborts)),
            ("active_txns", Count(self.active_txns)),
            ("lock_time", Time(self.lock_time)),
            ("conflicts", Count(self.conflicts)),
            ("conflicts_resolved", Count(self.conflicts_resolved)),
            ("start", Text(self.start.as_str().into())),
            ("waiting", Count(self.waiting)),
            ("timeout-thread-is-alive", if self.timeout { True } else { Text("stub".into()) }),
            ("last-transaction", Text(self.last_transaction.to_string().into())),
        ];
        figures.extend(self.pack.as_deref().map(|pack| ("pack", Text(pack.into()))));
        figures
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        writer.dict(self.figures(), |w, (name, figure)| {
            w.str(name);
            match figure {
                Figure::Count(count) => w.count(count),
                Figure::Time(Some(time)) => w.float(time),
                Figure::Time(None) => w.none(),
                Figure::Text(text) => w.str(&text),
                Figure::True => w.bool(true),
            }
        });
    }
}

/// The answer to `ruok`, without a length prefix: the figures of every storage by its name, as a JSON object.
pub fn status_json(storages: &[(&str, Status)]) -> Vec<u8> {
    let value = |figure: Figure<'_>| -> Value {
        match figure {
            Figure::Count(count) => count.into(),
            Figure::Time(time) => time.into(),
            Figure::Text(text) => text.into(),
            Figure::True => true.into(),
        }
    };
    let object = |status: &Status| -> Value {
        status.figures().into_iter().map(|(name, figure)| (name, value(figure))).collect()
    };
    let storages: Value = storages.iter().map(|(name, status)| (*name, object(status))).collect();
    storages.to_string().into_bytes()
}
