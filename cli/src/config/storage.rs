//! `<filestorage>`, `<mappingstorage>`, and the storages that are known by name only.

use super::check_names;
use super::client;
use super::error::{ConfigError, Problem};
use super::keys::{Keys, no_sections};
use super::layers;
use crate::options::{Layer, Notice, PackOptions, StorageKind, StorageSpec};
use crate::zconfig::datatypes::{boolean, existing_dirpath};
use crate::zconfig::{Host, Position, Section};

const FILE_KEYS: [&str; 8] =
    ["path", "blob-dir", "create", "read-only", "quota", "packer", "pack-gc", "pack-keep-old"];

/// Keys of `<filestorage>` that must not be ignored.
const UNSERVED_KEYS: [(&str, &str); 2] = [
    ("quota", "ignoring it could fill the disk"),
    ("packer", "Zeolith runs no Python code; remove the line for the server's own pack"),
];

/// The storages there are.
pub(super) const SERVED: [&str; 10] = [
    "filestorage",
    "mappingstorage",
    "blobstorage",
    "demostorage",
    "zlibstorage",
    "serverzlibstorage",
    "hexstorage",
    "serverhexstorage",
    "clientstorage",
    "zeoclient",
];

/// Storages of ZODB and its neighbours that runzeo could serve.
const UNSERVED: [&str; 5] = ["fullstorage", "minimalstorage", "zrs", "relstorage", "beforestorage"];

/// The name of a storage that has none.
const UNNAMED: &str = "1";

/// Whether a section of type `kind` is a storage, served or not.
pub(super) fn is_storage(kind: &str) -> bool {
    SERVED.contains(&kind) || UNSERVED.contains(&kind)
}

/// The storages in `root`, in the order of the text.
pub(super) fn understand(
    root: &Section,
    host: &dyn Host,
    notices: &mut Vec<Notice>,
) -> Result<Vec<StorageSpec>, ConfigError> {
    let mut storages = Vec::new();
    let mut unnamed: Option<&Position> = None;
    for section in root.sections.iter().filter(|section| is_storage(&section.kind)) {
        if section.name.is_none()
            && let Some(first) = unnamed.replace(&section.at)
        {
            return Err(section.at.says(Problem::TwoUnnamed { line: first.line }).into());
        }
        let Layer { kind, blobs } = storage(section, host, notices)?;
        let name = section.name.clone().unwrap_or_else(|| UNNAMED.to_owned());
        storages.push(StorageSpec { name, kind, blobs });
    }
    match unnamed {
        _ if storages.is_empty() => Err(root.at.says(Problem::NoStorage).into()),
        Some(at) if storages.iter().filter(|storage| storage.name == UNNAMED).count() > 1 => {
            Err(at.says(Problem::UnnamedBesideOne).into())
        }
        _ => Ok(storages),
    }
}

/// The storage that a section is about, with all that is inside it.
pub(super) fn storage(
    section: &Section,
    host: &dyn Host,
    notices: &mut Vec<Notice>,
) -> Result<Layer, ConfigError> {
    check_names(section)?;
    match section.kind.as_str() {
        "filestorage" => file(section, host, notices),
        "mappingstorage" => memory(section),
        "blobstorage" => layers::with_blobs(section, host, notices),
        "clientstorage" | "zeoclient" => client::understand(section, host, notices),
        "demostorage" => layers::demo(section, host, notices),
        wrapper if SERVED.contains(&wrapper) => layers::wrapper(section, host, notices),
        other => {
            let what = format!("<{other}>");
            Err(section.at.says(Problem::Unsupported { what, why: "" }).into())
        }
    }
}

fn file(section: &Section, host: &dyn Host, notices: &mut Vec<Notice>) -> Result<Layer, ConfigError> {
    no_sections(section)?;
    let keys = Keys::of(section, &FILE_KEYS)?;
    for (name, why) in UNSERVED_KEYS {
        if let Some(key) = keys.find(name) {
            return Err(key.at.says(Problem::Unsupported { what: format!("'{name}'"), why }).into());
        }
    }
    let default = PackOptions::default();
    let pack = PackOptions {
        gc: keys.read("pack-gc", boolean)?.unwrap_or(default.gc),
        keep_old: keys.read("pack-keep-old", boolean)?.unwrap_or(default.keep_old),
    };
    let path = keys.need("path", |text| existing_dirpath(text, host))?;
    let read_only = keys.read("read-only", boolean)?.unwrap_or(false);
    if keys.read("create", boolean)? == Some(true) {
        let at = keys.find("create").map_or(&section.at, |key| &key.at);
        if read_only {
            return Err(at.says(Problem::CreateReadOnly).into());
        }
        notices.push(Notice::Warning(format!(
            "{at}: 'create true' keeps an existing {}, where Python's server would empty it",
            path.display()
        )));
    }
    // Python creates a missing file whatever `create` says, unless the storage is read-only.
    // An empty blob-dir is none, in ZODB too.
    let given = keys.find("blob-dir").is_some_and(|key| !key.value.is_empty());
    let blobs = if given { keys.read("blob-dir", |text| existing_dirpath(text, host))? } else { None };
    Ok(Layer { kind: StorageKind::File { path, create: !read_only, read_only, pack }, blobs })
}

fn memory(section: &Section) -> Result<Layer, ConfigError> {
    no_sections(section)?;
    Keys::of(section, &["name"])?;
    Ok(Layer::MEMORY)
}
