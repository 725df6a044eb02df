//! `zeolith show`: one object of a storage.

use std::io::{self, Write};
use std::process::ExitCode;

use zeolith_core::ids::{Oid, Tid};

use super::{Options, render};
use crate::calendar::moment;
use crate::ids;
use crate::source::{Place, Source, SourceError, exit};

/// The options of `zeolith show`.
#[derive(Clone, Debug, clap::Args)]
pub struct ShowArgs {
    /// The storage: a server's address, or the path of a Data.fs
    #[arg(value_name = "STORAGE")]
    pub place: Place,

    /// The object: 0x2a, 16 hexadecimal digits, or a decimal number
    #[arg(value_parser = ids::oid)]
    pub oid: Oid,

    /// As it was after this transaction, in place of what is current
    #[arg(long, value_name = "TID", value_parser = ids::tid)]
    pub at: Option<Tid>,

    /// Everything, where otherwise long texts, bytes and containers are cut short
    #[arg(long)]
    pub full: bool,
}

/// Prints an object.
pub fn show(arguments: &ShowArgs) -> ExitCode {
    exit(run(arguments, &mut io::stdout().lock()))
}

fn run(arguments: &ShowArgs, out: &mut dyn Write) -> Result<(), SourceError> {
    let mut source = Source::open(&arguments.place, "show")?;
    let revision = source.revision(arguments.oid, arguments.at)?;
    writeln!(out, "object      {}", ids::shown(arguments.oid))?;
    writeln!(out, "revision    {} ({} UTC)", revision.serial, moment(revision.serial))?;
    match revision.until {
        Some(until) => writeln!(out, "until       {until} ({} UTC)", moment(until))?,
        None => writeln!(out, "until       now")?,
    }
    out.write_all(render(&revision.data, Options { full: arguments.full }).as_bytes())?;
    Ok(out.flush()?)
}
