//! The lines that a server prints when it is ready: what it serves, where, and how to connect.

use std::fmt::{self, Display};

use crate::figures::commas;
use zeolith_core::time::WallTime;

use crate::calendar::utc;
use crate::options::Address;

/// What a server that just started is about.
#[derive(Clone, Debug)]
pub struct Banner {
    /// Where it listens, with the port that the system chose if it was asked to.
    pub address: Address,
    /// The protocol it announces: `Z5` or `M5`.
    pub protocol: &'static str,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Whether it refuses every write.
    pub read_only: bool,
    /// What it serves, in the order of the configuration.
    pub storages: Vec<Served>,
}

/// One storage of a [`Banner`].
#[derive(Clone, Debug)]
pub struct Served {
    /// The name by which clients ask for it.
    pub name: String,
    /// The path of its file, or words such as `in memory`.
    pub place: String,
    /// Objects in its index.
    pub objects: u64,
    /// Bytes of its log.
    pub bytes: u64,
    /// When its last transaction was committed; `None` when there is none.
    pub last_changed: Option<WallTime>,
}

/// The lines, each ended with a newline.
pub fn banner(about: &Banner) -> String {
    about.to_string()
}

impl Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name_width = self.storages.iter().map(|served| served.name.chars().count()).max().unwrap_or(0);
        let place_width = self.storages.iter().map(|served| served.place.chars().count()).max().unwrap_or(0);
        writeln!(f, "zeolith {} serves", env!("CARGO_PKG_VERSION"))?;
        for Served { name, place, objects, bytes, last_changed } in &self.storages {
            let noun = if *objects == 1 { "object" } else { "objects" };
            write!(
                f,
                "  {name:name_width$}  {place:place_width$}  {} {noun}, {}, ",
                commas(*objects),
                size(*bytes)
            )?;
            match last_changed {
                Some(time) => writeln!(f, "last changed {} UTC", utc(*time, ' '))?,
                None => writeln!(f, "never changed")?,
            }
        }
        let listening = match &self.address {
            Address::Tcp { host, port } if host.is_empty() => format!("every interface, port {port}"),
            address => address.to_string(),
        };
        let tls = if self.tls { " over TLS" } else { "" };
        let mode = if self.read_only { ", read-only" } else { "" };
        writeln!(f, "on {listening} ({}{tls}{mode}). Connect with", self.protocol)?;
        for served in &self.storages {
            writeln!(f, "  import ZEO; db = ZEO.DB({})", self.arguments(&served.name))?;
        }
        Ok(())
    }
}

impl Banner {
    /// What `ZEO.DB` is called with to reach the storage `name` from this machine.
    fn arguments(&self, name: &str) -> String {
        let mut arguments = match &self.address {
            Address::Tcp { host, port } => {
                let everywhere = matches!(host.as_str(), "" | "0.0.0.0" | "::");
                format!("({}, {port})", quoted(if everywhere { "localhost" } else { host }))
            }
            Address::Unix(path) => quoted(&path.to_string_lossy()),
        };
        // Python's clients ask for '1' on their own.
        if name != "1" {
            arguments += &format!(", storage={}", quoted(name));
        }
        if self.read_only {
            arguments += ", read_only=True";
        }
        if self.tls {
            arguments += ", ssl=context";
        }
        arguments
    }
}

/// `text` as a literal of Python.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Bytes in the largest decimal unit that leaves a whole number before the point, as disks are sold.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        // Cut, not rounded: 999,999 bytes are no 1000.0 kB.
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit / (unit / 10)),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests;
