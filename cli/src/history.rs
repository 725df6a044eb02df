//! `zeolith history`: the revisions of an object.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;
use zeolith_core::ids::Oid;

use crate::calendar::{moment, stamp};
use crate::ids;
use crate::source::{Past, Place, Source, SourceError, exit};

/// The options of `zeolith history`.
#[derive(Clone, Debug, clap::Args)]
pub struct HistoryArgs {
    /// The storage: a server's address, or the path of a Data.fs
    #[arg(value_name = "STORAGE")]
    pub place: Place,

    /// The object: 0x2a, 16 hexadecimal digits, or a decimal number
    #[arg(value_parser = ids::oid)]
    pub oid: Oid,

    /// How many revisions at most, the newest first
    #[arg(short = 'n', long, default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    pub count: u32,

    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Prints the history of an object.
pub fn history(arguments: &HistoryArgs) -> ExitCode {
    exit(run(arguments, &mut io::stdout().lock()))
}

fn run(arguments: &HistoryArgs, out: &mut dyn Write) -> Result<(), SourceError> {
    let mut source = Source::open(&arguments.place, "history")?;
    let pasts = source.history(arguments.oid, arguments.count)?;
    put(&pasts, arguments.json, out)?;
    Ok(out.flush()?)
}

fn put(pasts: &[Past], json: bool, out: &mut dyn Write) -> io::Result<()> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if json {
        for past in pasts {
            let line = json!({
                "tid": past.tid.to_string(),
                "time": stamp(past.tid),
                "size": past.size,
                "user": text(&past.user),
                "description": text(&past.description),
            });
            writeln!(out, "{line}")?;
        }
        return Ok(());
    }
    let users: Vec<String> = pasts.iter().map(|past| one_line(&text(&past.user))).collect();
    let wide = users.iter().map(|user| user.chars().count()).max().unwrap_or(0).max("user".len());
    writeln!(out, "{:16}  {:19}  {:>10}  {:wide$}  description", "tid", "time (UTC)", "size", "user")?;
    for (past, user) in pasts.iter().zip(users) {
        let description = one_line(&text(&past.description));
        let line =
            format!("{}  {:19}  {:>10}  {user:wide$}  {description}", past.tid, moment(past.tid), past.size);
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Text without what would break the line, or a terminal obeys.
fn one_line(text: &str) -> String {
    let escaped = |character: char| match character.is_control() {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeolith_core::ids::Tid;

    fn printed(json: bool) -> String {
        let past = |tid, size, user: &str, description: &str| Past {
            tid: Tid(tid),
            size,
            user: user.into(),
            description: description.into(),
        };
        let pasts = [past(0x40d2c8182222222, 1234, " ann", "a\u{1b}[31mred"), past(5, 0, "", "")];
        let mut out = Vec::new();
        put(&pasts, json, &mut out).expect("memory takes everything");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn revisions_stand_in_columns_and_cannot_colour_the_terminal() {
        let expected = "\
tid               time (UTC)                 size  user  description
040d2c8182222222  2026-11-21 22:25:30        1234   ann  a\\u{1b}[31mred
0000000000000005  -                             0
";
        assert_eq!(printed(false), expected);
    }

    #[test]
    fn programs_get_a_line_of_json_for_each() {
        let text = printed(true);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines[0]["description"], "a\u{1b}[31mred");
        assert_eq!(lines[0]["time"], "2026-11-21T22:25:30.500000Z");
        assert_eq!(lines[1]["time"], serde_json::Value::Null);
    }
}
