//! `<filestorage>`, `<mappingstorage>`, either of them in a `<blobstorage>`, and the storages that are known by name only.

use super::error::{ConfigError, Problem};
use super::keys::{Keys, no_sections, unknown_section};
use crate::options::{Notice, StorageKind, StorageSpec};
use crate::zconfig::datatypes::{ValueError, boolean, existing_dirpath};
use crate::zconfig::{Host, Position, Section};
use std::path::PathBuf;

const FILE_KEYS: [&str; 8] =
    ["path", "blob-dir", "create", "read-only", "quota", "packer", "pack-gc", "pack-keep-old"];

/// Keys of `<filestorage>` that must not be ignored.
const UNSERVED_KEYS: [(&str, &str); 2] = [
    ("quota", "ignoring it could fill the disk"),
    ("packer", "Zeolith runs no Python code; remove the line for the server's own pack"),
];

/// The storages there are.
const SERVED: [&str; 3] = ["filestorage", "mappingstorage", "blobstorage"];

/// Storages of ZODB and its neighbours that runzeo could serve.
const UNSERVED: [&str; 9] = [
    "demostorage",
    "zeoclient",
    "fullstorage",
    "minimalstorage",
    "serverzlibstorage",
    "zlibstorage",
    "zrs",
    "relstorage",
    "beforestorage",
];

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
        let (kind, blobs) = storage(section, host, notices)?;
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

/// A storage, and the folder of its blobs.
type Understood = (StorageKind, Option<PathBuf>);

fn storage(section: &Section, host: &dyn Host, notices: &mut Vec<Notice>) -> Result<Understood, ConfigError> {
    match section.kind.as_str() {
        "filestorage" => file(section, host, notices),
        "mappingstorage" => Ok((memory(section)?, None)),
        "blobstorage" => with_blobs(section, host, notices),
        kind => {
            let what = format!("<{kind}>");
            Err(section.at.says(Problem::Unsupported { what, why: "" }).into())
        }
    }
}

/// `<blobstorage>`: a folder for the blobs of the storage inside.
fn with_blobs(
    section: &Section,
    host: &dyn Host,
    notices: &mut Vec<Notice>,
) -> Result<Understood, ConfigError> {
    let keys = Keys::of(section, &["blob-dir"])?;
    let blobs = keys.need("blob-dir", |text| match text {
        "" => Err(ValueError::NoPath),
        text => Ok(PathBuf::from(text)),
    })?;
    let inside = |section: &&Section| is_storage(&section.kind);
    if let Some(other) = section.sections.iter().find(|section| !inside(section)) {
        return Err(unknown_section(other, &SERVED));
    }
    match &section.sections[..] {
        [base] => match storage(base, host, notices)? {
            (kind, None) => Ok((kind, Some(blobs))),
            (_, Some(_)) => Err(base.at.says(Problem::BlobsTwice).into()),
        },
        [] => Err(section.at.says(Problem::NoBase { section: section.kind.clone() }).into()),
        [first, second, ..] => {
            let (section, line) = (second.kind.clone(), first.at.line);
            Err(second.at.says(Problem::DuplicateSection { section, line }).into())
        }
    }
}

fn file(section: &Section, host: &dyn Host, notices: &mut Vec<Notice>) -> Result<Understood, ConfigError> {
    no_sections(section)?;
    let keys = Keys::of(section, &FILE_KEYS)?;
    for (name, why) in UNSERVED_KEYS {
        if let Some(key) = keys.find(name) {
            return Err(key.at.says(Problem::Unsupported { what: format!("'{name}'"), why }).into());
        }
    }
    for name in ["pack-gc", "pack-keep-old"] {
        keys.read(name, boolean)?;
        notices.extend(keys.find(name).map(|key| {
            Notice::Warning(format!("{}: {name} has no effect yet: this server does not pack", key.at))
        }));
    }
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
    Ok((StorageKind::File { path, create: !read_only, read_only }, blobs))
}

fn memory(section: &Section) -> Result<StorageKind, ConfigError> {
    no_sections(section)?;
    Keys::of(section, &["name"])?;
    Ok(StorageKind::Memory)
}
