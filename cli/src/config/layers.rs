//! Storages that lie over others: `<demostorage>`, `<blobstorage>`, and the record transformations of zc.zlibstorage and of
//! ZODB's tests.

use std::path::PathBuf;

use zeolith_core::record::Coding;
use zeolith_core::store::coded::Transformation;

use super::error::{ConfigError, Problem};
use super::keys::{Keys, unknown_section};
use super::storage::{self, SERVED, Understood, is_storage};
use crate::options::{Notice, StorageKind};
use crate::zconfig::datatypes::{ValueError, boolean};
use crate::zconfig::{Host, Section};

/// `<demostorage>`: the section named `changes` takes the changes, another one is the base. Either may be left out and is
/// in memory then.
pub(super) fn demo(
    section: &Section,
    host: &dyn Host,
    notices: &mut Vec<Notice>,
) -> Result<StorageKind, ConfigError> {
    let name = Keys::of(section, &["name"])?.read("name", |name| Ok(name.to_owned()))?;
    let mut base: Option<(&Section, StorageKind)> = None;
    let mut changes = StorageKind::Memory;
    for inner in storages(section)? {
        let (kind, blobs) = storage::storage(inner, host, notices)?;
        if blobs.is_some() {
            return Err(demo_with_blobs(inner));
        }
        if inner.name.as_deref() == Some("changes") {
            changes = kind;
        } else if let Some((first, _)) = base.replace((inner, kind)) {
            return Err(inner.at.says(Problem::SecondBase { line: first.at.line }).into());
        }
    }
    let base = base.map_or(StorageKind::Memory, |(_, kind)| kind);
    Ok(StorageKind::Demo { name, base: Box::new(base), changes: Box::new(changes) })
}

/// A section that changes the records of the one storage inside it.
pub(super) fn wrapper(
    section: &Section,
    host: &dyn Host,
    notices: &mut Vec<Notice>,
) -> Result<Understood, ConfigError> {
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
    let (base, blobs) = storage::storage(only_inside(section)?, host, notices)?;
    Ok((StorageKind::Coded { form, base: Box::new(base) }, blobs))
}

/// `<blobstorage>`: a folder for the blobs of the storage inside.
pub(super) fn with_blobs(
    section: &Section,
    host: &dyn Host,
    notices: &mut Vec<Notice>,
) -> Result<Understood, ConfigError> {
    let blobs = Keys::of(section, &["blob-dir"])?.need("blob-dir", |text| match text {
        "" => Err(ValueError::NoPath),
        text => Ok(PathBuf::from(text)),
    })?;
    let base = only_inside(section)?;
    match storage::storage(base, host, notices)? {
        (_, Some(_)) => Err(base.at.says(Problem::BlobsTwice).into()),
        (kind, None) if has_demo(&kind) => Err(demo_with_blobs(base)),
        (kind, None) => Ok((kind, Some(blobs))),
    }
}

fn has_demo(kind: &StorageKind) -> bool {
    match kind {
        StorageKind::Demo { .. } => true,
        StorageKind::Coded { base, .. } => has_demo(base),
        StorageKind::File { .. } | StorageKind::Memory | StorageKind::Upstream(_) => false,
    }
}

/// The blobs of a demo storage would be in two folders, of which one must not be written.
fn demo_with_blobs(at: &Section) -> ConfigError {
    let what = "a <demostorage> with blobs".to_owned();
    at.at.says(Problem::Unsupported { what, why: "" }).into()
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
