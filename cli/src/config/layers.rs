//! Storages that lie over others: `<demostorage>`, `<blobstorage>`, and the record transformations of zc.zlibstorage and of
//! ZODB's tests.

use std::path::PathBuf;

use zeolith_core::record::Coding;
use zeolith_core::store::coded::Transformation;

use super::error::{ConfigError, Problem};
use super::keys::{Keys, unknown_section};
use super::storage::{self, SERVED, is_storage};
use crate::options::{Layer, Notice, StorageKind};
use crate::zconfig::datatypes::{ValueError, boolean};
use crate::zconfig::{Host, Section};

/// `<demostorage>`: the section named `changes` takes the changes, another one is the base. Either may be left out and is
/// in memory then; so are, for changes that are left out, their blobs in a temporary folder.
pub(super) fn demo(
    section: &Section,
    host: &dyn Host,
    notices: &mut Vec<Notice>,
) -> Result<Layer, ConfigError> {
    let name = Keys::of(section, &["name"])?.read("name", |name| Ok(name.to_owned()))?;
    let mut base: Option<(&Section, Layer)> = None;
    let mut changes = None;
    for inner in storages(section)? {
        let layer = storage::storage(inner, host, notices)?;
        if inner.name.as_deref() == Some("changes") {
            changes = Some(Box::new(layer));
        } else if let Some((first, _)) = base.replace((inner, layer)) {
            return Err(inner.at.says(Problem::SecondBase { line: first.at.line }).into());
        }
    }
    let base = Box::new(base.map_or(Layer::MEMORY, |(_, layer)| layer));
    Ok(Layer { kind: StorageKind::Demo { name, base, changes }, blobs: None })
}

/// A section that changes the records of the one storage inside it.
pub(super) fn wrapper(
    section: &Section,
    host: &dyn Host,
    notices: &mut Vec<Notice>,
) -> Result<Layer, ConfigError> {
    let form = match section.kind.as_str() {
        "zlibstorage" => {
            let compress = Keys::of(section, &["compress"])?.read("compress", boolean)?;
            Transformation {
                write: Some(Coding::Zlib).filter(|_| compress != Some(false)),
                read: Some(Coding::Zlib),
            }
        }
        "serverzlibstorage" => {
            let keys = Keys::of(section, &["compress"])?;
            keys.read("compress", boolean)?;
            notices.extend(keys.find("compress").map(|key| {
                Notice::Info(format!("{}: compress has no effect: it is the clients who compress", key.at))
            }));
            Transformation::default()
        }
        kind => {
            Keys::of(section, &[])?;
            if kind == "hexstorage" { Transformation::both(Coding::Hex) } else { Transformation::default() }
        }
    };
    let Layer { kind, blobs } = storage::storage(only_inside(section)?, host, notices)?;
    Ok(Layer { kind: StorageKind::Coded { form, base: Box::new(kind) }, blobs })
}

/// `<blobstorage>`: a folder for the blobs of the storage inside.
pub(super) fn with_blobs(
    section: &Section,
    host: &dyn Host,
    notices: &mut Vec<Notice>,
) -> Result<Layer, ConfigError> {
    let blobs = Keys::of(section, &["blob-dir"])?.need("blob-dir", |text| match text {
        "" => Err(ValueError::NoPath),
        text => Ok(PathBuf::from(text)),
    })?;
    let base = only_inside(section)?;
    let mut layer = storage::storage(base, host, notices)?;
    if give(&mut layer, blobs) { Ok(layer) } else { Err(base.at.says(Problem::BlobsTwice).into()) }
}

/// Gives a storage a folder for blobs, of a demo storage its changes; false when there is one already.
fn give(layer: &mut Layer, blobs: PathBuf) -> bool {
    let changes = changes_of(&mut layer.kind);
    match changes {
        _ if layer.blobs.is_some() => false,
        Some(changes) => give(changes, blobs),
        None => {
            layer.blobs = Some(blobs);
            true
        }
    }
}

/// What takes the changes of a demo storage, which may have another form of records.
fn changes_of(kind: &mut StorageKind) -> Option<&mut Layer> {
    match kind {
        StorageKind::Demo { changes, .. } => Some(changes.get_or_insert_with(|| Box::new(Layer::MEMORY))),
        StorageKind::Coded { base, .. } => changes_of(base),
        StorageKind::File { .. } | StorageKind::Memory | StorageKind::Upstream(_) => None,
    }
}

/// The storage inside a section that has one.
fn only_inside(section: &Section) -> Result<&Section, ConfigError> {
    match storages(section)? {
        [] => Err(section.at.says(Problem::NoInner { section: section.kind.clone() }).into()),
        [only] => Ok(only),
        [first, second, ..] => {
            let problem = Problem::SecondInner { section: section.kind.clone(), line: first.at.line };
            Err(second.at.says(problem).into())
        }
    }
}

/// The sections inside, which are storages.
fn storages(section: &Section) -> Result<&[Section], ConfigError> {
    if let Some(other) = section.sections.iter().find(|inner| !is_storage(&inner.kind)) {
        return Err(unknown_section(other, &SERVED));
    }
    let upstream = |inner: &&Section| matches!(inner.kind.as_str(), "clientstorage" | "zeoclient");
    match section.sections.iter().find(upstream) {
        Some(inner) => {
            let what = format!("a <{}> inside a <{}>", inner.kind, section.kind);
            let why = "it stands alone; wrap the storage on its own server";
            Err(inner.at.says(Problem::Unsupported { what, why }).into())
        }
        None => Ok(&section.sections),
    }
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
