//! The configuration file of `runzeo`, understood: which sections and keys there are, what they mean, and which of
//! them Zeolith refuses because ignoring them would deceive.

mod client;
mod defined;
mod error;
mod eventlog;
mod keys;
mod layers;
mod ssl;
mod storage;
mod zeo;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::{ConfigError, Hint, Problem};

use zeolith_net::tls::ServerTls;

use crate::options::{Address, LogOptions, Notice, StorageSpec};
use crate::zconfig::{self, Document, Host, Section};

/// The sections that may stand in the file itself beside the storages, for hints.
const SECTIONS: [&str; 3] = ["zeo", "eventlog", "runner"];

/// What a file says; what it leaves open is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileConfig {
    /// Where to listen.
    pub address: Address,
    /// `<ssl>`.
    pub tls: Option<ServerTls>,
    /// `read-only`, false when absent.
    pub read_only: bool,
    /// `msgpack`.
    pub msgpack: Option<bool>,
    /// `invalidation-queue-size`.
    pub invalidation_queue: Option<usize>,
    /// `invalidation-age`, zero when absent.
    pub invalidation_age: Duration,
    /// `transaction-timeout`.
    pub transaction_timeout: Option<Duration>,
    /// `pid-filename`.
    pub pid_file: Option<PathBuf>,
    /// Classes by dotted name: `%define zeolith_merged`.
    pub merged: Vec<String>,
    /// The storages: at least one, names unique.
    pub storages: Vec<StorageSpec>,
    /// `<eventlog>`.
    pub log: Option<LogOptions>,
    /// What an operator should hear.
    pub notices: Vec<Notice>,
}

/// Reads the configuration in the file at `path`.
pub fn load(path: &Path, host: &dyn Host) -> Result<FileConfig, ConfigError> {
    understand(&zconfig::load(path, host)?, host)
}

/// Reads the configuration in `text`, which stands in the file `name`.
pub fn parse(text: &str, name: &Path, host: &dyn Host) -> Result<FileConfig, ConfigError> {
    understand(&zconfig::parse(text, name, host)?, host)
}

fn understand(document: &Document, host: &dyn Host) -> Result<FileConfig, ConfigError> {
    let root = &document.root;
    if let Some(key) = root.keys.first() {
        return Err(key.at.says(Problem::TopLevelKey(key.name.clone())).into());
    }
    check_names(root)?;

    let mut notices = Vec::new();
    for import in &document.imports {
        notices.push(Notice::Info(format!("{}: %import {} is not needed", import.at, import.what)));
    }
    for section in &root.sections {
        match section.kind.as_str() {
            // zdaemon's, which starts runzeo; a server has no use for it.
            "zeo" | "eventlog" | "runner" => {}
            kind if storage::is_storage(kind) => {}
            _ => return Err(keys::unknown_section(section, &[&SECTIONS[..], &storage::SERVED].concat())),
        }
    }
    only(root, "runner")?;
    let zeo = only(root, "zeo")?.ok_or_else(|| root.at.says(Problem::NoZeo))?;
    let defined = defined::read(&document.defines, host)?;
    let zeo = zeo::understand(zeo, defined.key_password, host, &mut notices)?;
    let storages = storage::understand(root, host, &mut notices)?;
    let log = only(root, "eventlog")?.map(|log| eventlog::understand(log, &mut notices)).transpose()?;
    Ok(FileConfig {
        address: zeo.address,
        tls: zeo.tls,
        read_only: zeo.read_only,
        msgpack: zeo.msgpack,
        invalidation_queue: zeo.invalidation_queue,
        invalidation_age: zeo.invalidation_age,
        transaction_timeout: zeo.transaction_timeout,
        pid_file: zeo.pid_file,
        merged: defined.merged,
        storages,
        log,
        notices,
    })
}

/// The section of type `kind` in `root`, of which there may be one.
fn only<'s>(root: &'s Section, kind: &str) -> Result<Option<&'s Section>, ConfigError> {
    let mut found = root.sections.iter().filter(|section| section.kind == kind);
    match (found.next(), found.next()) {
        (Some(first), Some(second)) => {
            let problem = Problem::DuplicateSection { section: kind.to_owned(), line: first.at.line };
            Err(second.at.says(problem).into())
        }
        (first, _) => Ok(first),
    }
}

/// ZConfig lets no two sections side by side have one name, of whatever types they are.
fn check_names(root: &Section) -> Result<(), ConfigError> {
    for (index, section) in root.sections.iter().enumerate() {
        let Some(name) = &section.name else { continue };
        if name == "*" || name == "+" {
            return Err(section.at.says(Problem::ReservedName(name.clone())).into());
        }
        if let Some(first) = root.sections[..index].iter().find(|first| first.name.as_ref() == Some(name)) {
            let problem = Problem::DuplicateName { name: name.clone(), line: first.at.line };
            return Err(section.at.says(problem).into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
