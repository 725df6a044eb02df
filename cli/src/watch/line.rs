//! One transaction as a line.

use std::fmt;

use serde_json::{Value, json};
use zeolith_core::ids::{Oid, Tid};

use crate::calendar::{moment, stamp};
use crate::ids;

/// What is told of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) tid: Tid,
    /// How many objects it changed; `None`: the server could not say.
    pub(super) objects: Option<usize>,
    /// Those that are listed.
    pub(super) seen: Vec<Seen>,
}

/// An object that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) oid: Oid,
    /// Its class, where that is wanted.
    pub(super) class: Option<String>,
}

impl Line {
    pub(super) fn json(&self) -> Value {
        let mut line = json!({
            "tid": self.tid.to_string(),
            "time": stamp(self.tid),
            "objects": self.objects,
            "oids": self.seen.iter().map(|seen| ids::shown(seen.oid)).collect::<Vec<_>>(),
        });
        let classes: Option<Vec<&String>> = self.seen.iter().map(|seen| seen.class.as_ref()).collect();
        if let Some(classes) = classes.filter(|classes| !classes.is_empty()) {
            line["classes"] = json!(classes);
        }
        line
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {:19}  ", self.tid, moment(self.tid))?;
        let Some(objects) = self.objects else { return f.write_str("anything may have changed up to here") };
        write!(f, "{objects:>5} {:7}", if objects == 1 { "object" } else { "objects" })?;
        for (at, Seen { oid, class }) in self.seen.iter().enumerate() {
            f.write_str(match (at, class) {
                (0, _) | (_, None) => " ",
                (_, Some(_)) => ", ",
            })?;
            f.write_str(&ids::shown(*oid))?;
            if let Some(class) = class {
                write!(f, " {class}")?;
            }
        }
        match objects - self.seen.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(objects: Option<usize>, seen: &[(u64, Option<&str>)]) -> Line {
        let seen = seen.iter().map(|&(oid, class)| Seen { oid: Oid(oid), class: class.map(str::to_owned) });
        Line { tid: Tid(0x40d2c8182222222), objects, seen: seen.collect() }
    }

    #[test]
    fn a_transaction_is_a_line() {
        let head = "040d2c8182222222  2026-11-21 22:25:30  ";
        for (line, rest) in [
            (line(Some(1), &[(42, None)]), "    1 object  0x2a"),
            (line(Some(2), &[(0, None), (42, None)]), "    2 objects 0x0 0x2a"),
            (
                line(Some(7), &[(0, Some("a.B")), (1, Some("deleted"))]),
                "    7 objects 0x0 a.B, 0x1 deleted and 5 more",
            ),
            (line(Some(0), &[]), "    0 objects"),
            (line(None, &[]), "anything may have changed up to here"),
        ] {
            assert_eq!(line.to_string().trim_end(), format!("{head}{rest}"));
        }
    }

    #[test]
    fn programs_get_json() {
        let expected = r#"{"classes":["a.B"],"objects":3,"oids":["0x2a"],"tid":"040d2c8182222222","time":"2026-11-21T22:25:30.500000Z"}"#;
        assert_eq!(
            line(Some(3), &[(42, Some("a.B"))]).json(),
            serde_json::from_str::<Value>(expected).unwrap()
        );
        assert_eq!(line(None, &[]).json()["objects"], Value::Null);
    }
}
