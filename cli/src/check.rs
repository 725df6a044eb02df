//! `zeolith check`: reads a whole Data.fs and tells whether it is sound.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use zeolith_core::store::file::open::Report;
use zeolith_net::boot::BootError;
use zeolith_net::offline;

use crate::serve::EXIT_FAILURE;

/// The options of `zeolith check`.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// The file to check; a server may have it open
    #[arg(value_name = "DATA.FS")]
    pub path: PathBuf,
}

/// A sound file, and what was found in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// The file.
    pub path: PathBuf,
    /// What was found.
    pub report: Report,
}

impl Display for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, report) = (self.path.display(), &self.report);
        write!(
            f,
            "{path} is sound: {} objects, {} transactions; {} bytes compared with checksums, {} known by structure only",
            report.objects, report.transactions, report.compared, report.structure
        )?;
        if let Some(cut) = &report.cut {
            write!(f, "\n{} bytes from byte {} on are no part of it: {}", cut.bytes, cut.at, cut.why)?;
        }
        for warning in &report.warnings {
            write!(f, "\nodd, and as Python takes it: {warning}")?;
        }
        Ok(())
    }
}

/// Checks a file, and says what was found.
pub fn check(arguments: &CheckArgs) -> ExitCode {
    match run(&arguments.path) {
        Ok(sound) => {
            println!("{sound}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

/// Reads all of a file, and changes nothing.
pub fn run(path: &Path) -> Result<Sound, BootError> {
    let report = offline::check(path)?.report;
    Ok(Sound { path: path.to_owned(), report })
}
