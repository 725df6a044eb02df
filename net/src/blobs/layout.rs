//! Where the blobs of an object lie: ZODB's two ways to lay out a folder.

use std::io;
use std::path::{Path, PathBuf};
use zeolith_core::ids::{Oid, Tid};

/// The file in the folder that names its layout.
pub(super) const MARKER: &str = ".layout";

/// How the folder of the blobs is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Eight folders deep, one for each byte of the oid.
    Bushy,
    /// One folder for each object, all side by side.
    Lawn,
}

impl Layout {
    /// The layout of the folder at `base`, chosen as ZODB does: what its marker says; without one, `bushy` while it holds
    /// nothing, and `lawn`, which is older than the marker, if it holds something.
    pub(super) fn of(base: &Path) -> io::Result<Layout> {
        match std::fs::read_to_string(base.join(MARKER)) {
            Ok(name) => Layout::named(name.trim()).ok_or_else(|| {
                let what = match name.trim() {
                    "zeocache" => "this is the blob cache of a ZEO client, no folder of a server".into(),
                    name => format!("{MARKER} names the layout {name:?}; there are bushy and lawn"),
                };
                io::Error::new(io::ErrorKind::InvalidData, what)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Layout::unmarked(base),
            Err(error) => Err(error),
        }
    }

    fn unmarked(base: &Path) -> io::Result<Layout> {
        let entries = match std::fs::read_dir(base) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Layout::Bushy),
            Err(error) => return Err(error),
        };
        for entry in entries {
            if !entry?.file_name().as_encoded_bytes().starts_with(b".") {
                return Ok(Layout::Lawn);
            }
        }
        Ok(Layout::Bushy)
    }

    fn named(name: &str) -> Option<Layout> {
        [Layout::Bushy, Layout::Lawn].into_iter().find(|layout| layout.name() == name)
    }

    /// Its name in the marker.
    pub(super) fn name(self) -> &'static str {
        match self {
            Layout::Bushy => "bushy",
            Layout::Lawn => "lawn",
        }
    }

    /// The folder of an object, from the folder of all on.
    pub(super) fn folder(self, oid: Oid) -> PathBuf {
        match self {
            Layout::Bushy => oid.0.to_be_bytes().iter().map(|byte| format!("0x{byte:02x}")).collect(),
            Layout::Lawn => short(oid.0).into(),
        }
    }
}

/// The name of a blob's file in the folder of its object.
pub(super) fn file_name(tid: Tid) -> String {
    format!("{}.blob", short(tid.0))
}

/// The revision whose blob has this file name; `None` for other files.
pub(super) fn revision(name: &str) -> Option<Tid> {
    let digits = name.strip_prefix("0x")?.strip_suffix(".blob")?;
    u64::from_str_radix(digits, 16).ok().map(Tid)
}

/// ZODB's way to write an id: without leading zeros, in whole bytes, one at least.
fn short(id: u64) -> String {
    let digits = format!("{id:x}");
    format!("0x{}{digits}", if digits.len() % 2 == 1 { "0" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_revisions_have_the_names_that_zodb_gives_them() {
        let bushy = "0x00/0x00/0x00/0x00/0x00/0x00/0x01/0x2a";
        assert_eq!(Layout::Bushy.folder(Oid(0x12a)), Path::new(bushy));
        for (oid, lawn) in [(0, "0x00"), (1, "0x01"), (0x12a, "0x012a"), (u64::MAX, "0xffffffffffffffff")] {
            assert_eq!(Layout::Lawn.folder(Oid(oid)), Path::new(lawn));
        }
        assert_eq!(file_name(Tid(0x03d3_c2d8_1822_2222)), "0x03d3c2d818222222.blob");
    }

    #[test]
    fn the_revision_of_a_blob_is_read_from_its_name() {
        for tid in [Tid(0), Tid(0x40d_2c81_8222_2222), Tid(u64::MAX)] {
            assert_eq!(revision(&file_name(tid)), Some(tid));
        }
        for other in ["0x03.tmp", "0x03.blob-", "03.blob", "0x.blob", "0xg0.blob", ".lock", "zeolith-1.tmp"] {
            assert_eq!(revision(other), None, "{other}");
        }
    }
}
