use super::start::{Leftover, Unclean, attach_temporary, check_apart};
use super::*;
use crate::boot::{Booted, Layer, StorageKind, StorageSpec};
use std::os::unix::fs::MetadataExt;
use tempfile::TempDir;
use zeolith_core::store::StoreError;
use zeolith_core::store::disk::DiskError;

const OID: Oid = Oid(0x12a);
const TID: Tid = Tid(0x40d_2c81_8222_2222);

fn folder() -> (TempDir, BlobDir) {
    let home = tempfile::tempdir().unwrap();
    let folder = BlobDir::open(&home.path().join("blobs"), false).unwrap();
    (home, folder)
}

fn write(folder: &BlobDir, draft: u64, chunks: &[&'static [u8]]) {
    let mut at = 0;
    for chunk in chunks {
        let op = BlobOp::Write { draft: DraftId(draft), at, chunks: vec![Bytes::from_static(chunk)] };
        assert_eq!(folder.run(op), BlobDone::Written { draft: DraftId(draft), result: Ok(()) });
        at += chunk.len() as u64;
    }
}

fn place(folder: &BlobDir, draft: u64, source: Source) -> Result<bool, DiskError> {
    match folder.run(BlobOp::Place { draft: DraftId(draft), oid: OID, source }) {
        BlobDone::Placed { result, .. } => result,
        other => panic!("{other:?}"),
    }
}

fn publish(folder: &BlobDir, draft: u64, tid: Tid) {
    let draft = DraftId(draft);
    let done = folder.run(BlobOp::Publish { draft, oid: OID, tid });
    assert_eq!(done, BlobDone::Published { draft, result: Ok(()) });
}

fn part(folder: &BlobDir, tid: Tid, at: u64, len: usize) -> Option<Bytes> {
    match folder.run(BlobOp::Read { reader: 7, oid: OID, tid, at, len }) {
        BlobDone::Read { reader: 7, result } => result.unwrap(),
        other => panic!("{other:?}"),
    }
}

/// All files but the marker, from the folder on.
fn files(folder: &BlobDir) -> Vec<String> {
    fn walk(path: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&folder.base, &mut found);
    let named = found.iter().map(|path| path.strip_prefix(&folder.base).unwrap().display().to_string());
    let mut named: Vec<String> = named.filter(|name| name != ".layout").collect();
    named.sort();
    named
}

const PLACED: &str = "0x00/0x00/0x00/0x00/0x00/0x00/0x01/0x2a/zeolith-1.tmp";
const NOTE: &str = "tmp/zeolith-1.000000000000012a";
const BLOB: &str = "0x00/0x00/0x00/0x00/0x00/0x00/0x01/0x2a/0x040d2c8182222222.blob";

#[test]
fn a_draft_becomes_a_blob_that_nobody_may_write() {
    let (_home, folder) = folder();
    write(&folder, 1, &[b"one ", b"two"]);
    assert_eq!(files(&folder), ["tmp/zeolith-1"]);
    let mode = |name: &str| fs::metadata(folder.base.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("tmp/zeolith-1"), 0o600);
    assert_eq!(place(&folder, 1, Source::Written), Ok(true));
    assert_eq!(files(&folder), [PLACED, NOTE]);
    publish(&folder, 1, TID);
    assert_eq!(files(&folder), [BLOB, NOTE]);
    let readers = mode("0x00/0x00/0x00/0x00/0x00/0x00/0x01/0x2a") & 0o444;
    assert_eq!(mode(BLOB), 0o400 | readers);
    folder.run(BlobOp::Settle { draft: DraftId(1), oid: OID });
    assert_eq!(files(&folder), [BLOB]);
    assert_eq!(part(&folder, TID, 0, 100).as_deref(), Some(&b"one two"[..]));
    assert_eq!(part(&folder, TID, 2, 3).as_deref(), Some(&b"e t"[..]));
    assert_eq!(part(&folder, TID, 7, 3).as_deref(), Some(&b""[..]));
    assert_eq!(part(&folder, Tid(1), 0, 3), None);
}

#[test]
fn a_draft_without_bytes_is_an_empty_blob() {
    let (_home, folder) = folder();
    assert_eq!(place(&folder, 1, Source::Written), Ok(true));
    publish(&folder, 1, TID);
    assert_eq!(part(&folder, TID, 0, 3).as_deref(), Some(&b""[..]));
}

#[test]
fn a_draft_is_discarded_wherever_it_is() {
    for stage in 0..3 {
        let (_home, folder) = folder();
        write(&folder, 1, &[b"bytes"]);
        let (mut oid, mut published) = (None, None);
        if stage > 0 {
            place(&folder, 1, Source::Written).unwrap();
            oid = Some(OID);
        }
        if stage > 1 {
            publish(&folder, 1, TID);
            published = Some(TID);
        }
        folder.run(BlobOp::Discard { draft: DraftId(1), oid, published });
        assert_eq!(files(&folder), [""; 0]);
    }
}

#[test]
fn a_shared_file_is_taken_if_it_is_one() {
    let (home, folder) = folder();
    assert_eq!(place(&folder, 1, Source::Shared("a.tmp".into())), Ok(false), "not even the folder is there");
    let shared = folder.folder(OID);
    make_folder(&shared).unwrap();
    assert_eq!(place(&folder, 1, Source::Shared("a.tmp".into())), Ok(false));
    // Neither a folder nor a way out of the folder is a client's blob.
    fs::create_dir(shared.join("b.tmp")).unwrap();
    fs::write(home.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(home.path().join("secret"), shared.join("c.tmp")).unwrap();
    for name in ["b.tmp", "c.tmp"] {
        assert_eq!(place(&folder, 1, Source::Shared(name.into())), Ok(false), "{name}");
    }
    fs::write(shared.join("a.tmp"), "shared").unwrap();
    assert_eq!(place(&folder, 1, Source::Shared("a.tmp".into())), Ok(true));
    publish(&folder, 1, TID);
    assert_eq!(part(&folder, TID, 0, 10).as_deref(), Some(&b"shared"[..]));
    assert!(!shared.join("a.tmp").exists());
}

#[test]
fn an_earlier_revision_is_linked_and_not_copied() {
    let (_home, folder) = folder();
    write(&folder, 1, &[b"bytes"]);
    place(&folder, 1, Source::Written).unwrap();
    publish(&folder, 1, TID);
    assert_eq!(place(&folder, 2, Source::Revision(Tid(1))), Ok(false));
    assert_eq!(place(&folder, 2, Source::Revision(TID)), Ok(true));
    publish(&folder, 2, TID.next());
    let [old, new] = [TID, TID.next()].map(|tid| fs::metadata(folder.blob(OID, tid)).unwrap());
    assert_eq!((old.ino(), old.nlink()), (new.ino(), 2));
}

#[test]
fn a_place_that_cannot_be_leaves_nothing() {
    let (_home, folder) = folder();
    write(&folder, 1, &[b"bytes"]);
    // A file where a folder should be.
    fs::write(folder.base.join("0x00"), "").unwrap();
    assert!(matches!(place(&folder, 1, Source::Written), Err(DiskError::Io(_))));
    assert_eq!(files(&folder), ["0x00"]);
}

#[test]
fn leftovers_are_found_and_committed_blobs_stay() {
    let (_home, folder) = folder();
    write(&folder, 1, &[b"kept"]);
    place(&folder, 1, Source::Written).unwrap();
    publish(&folder, 1, TID);
    write(&folder, 2, &[b"never committed"]);
    place(&folder, 2, Source::Written).unwrap();
    publish(&folder, 2, TID.next());
    write(&folder, 3, &[b"placed"]);
    place(&folder, 3, Source::Written).unwrap();
    write(&folder, 4, &[b"being written"]);
    fs::write(folder.tmp().join("BUC1"), "a client's").unwrap();
    fs::write(folder.tmp().join("zeolith-notes.txt"), "somebody's").unwrap();
    let folder = BlobDir::open(&folder.base, false).unwrap();
    let leftovers = folder.leftovers().unwrap();
    assert_eq!(leftovers.len(), 4, "{leftovers:?}");
    // While nobody can tell what is committed, no blob is removed.
    for leftover in leftovers.iter().filter(|leftover| matches!(leftover, Leftover::Placed(..))) {
        let unknown = |_, _| Err(Unclean::Store(StoreError::Failed));
        folder.clean(*leftover, unknown).unwrap_err();
    }
    assert_eq!(folder.leftovers().unwrap().len(), 4);
    for leftover in leftovers {
        folder.clean(leftover, |oid, tid| Ok((oid, tid) == (OID, TID))).unwrap();
    }
    assert_eq!(files(&folder), [BLOB, "tmp/BUC1", "tmp/zeolith-notes.txt"]);
}

#[test]
fn the_layout_is_what_zodb_would_choose() {
    let home = tempfile::tempdir().unwrap();
    let layout = |name: &str| BlobDir::open(&home.path().join(name), false).map(|folder| folder.layout);
    let marker = |name: &str| fs::read_to_string(home.path().join(name).join(".layout")).unwrap();
    assert_eq!(layout("new/deep").unwrap(), Layout::Bushy);
    assert_eq!(marker("new/deep"), "bushy");
    fs::create_dir_all(home.path().join("empty/.hidden")).unwrap();
    assert_eq!(layout("empty").unwrap(), Layout::Bushy);
    fs::create_dir_all(home.path().join("old/0x01")).unwrap();
    assert_eq!((layout("old").unwrap(), marker("old").as_str()), (Layout::Lawn, "lawn"));
    fs::write(home.path().join("empty/.layout"), "lawn\n").unwrap();
    assert_eq!(layout("empty").unwrap(), Layout::Lawn);
    for (name, why) in [("zeocache", "the blob cache of a ZEO client"), ("", "\"\""), ("tall", "\"tall\"")] {
        fs::write(home.path().join("empty/.layout"), name).unwrap();
        let error = layout("empty").unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_folder_that_is_only_read_is_left_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let folder = BlobDir::open(&home.path().join("blobs"), true).unwrap();
    assert_eq!(part(&folder, TID, 0, 1), None);
    assert!(!home.path().join("blobs").exists());
}

#[test]
fn what_is_not_here_is_read_below_and_nothing_is_written_there() {
    let home = tempfile::tempdir().unwrap();
    let open = |name: &str, read_only| Arc::new(BlobDir::open(&home.path().join(name), read_only).unwrap());
    let below = open("below", false);
    write(&below, 1, &[b"below"]);
    place(&below, 1, Source::Written).unwrap();
    publish(&below, 1, TID);
    let mode = || fs::metadata(below.blob(OID, TID)).unwrap().permissions().mode() & 0o777;
    fs::set_permissions(below.blob(OID, TID), Permissions::from_mode(0o640)).unwrap();
    let (upper, later) = (BlobDir::over(open("upper", false), open("below", true)), Tid(TID.0 + 1));
    assert_eq!((part(&upper, TID, 0, 9).unwrap(), part(&upper, later, 0, 9)), ("below".into(), None));
    // A copy of what is below has permissions of its own.
    assert_eq!(place(&upper, 2, Source::Revision(TID)), Ok(true));
    publish(&upper, 2, later);
    assert_eq!((part(&upper, later, 0, 9).unwrap(), mode()), ("below".into(), 0o640));
    assert_eq!(part(&below, later, 0, 9), None);
    assert_eq!(place(&upper, 3, Source::Revision(Tid(1))), Ok(false));
    upper.run(BlobOp::Discard { draft: DraftId(4), oid: Some(OID), published: Some(TID) });
    assert_eq!(part(&upper, TID, 0, 9).unwrap(), "below");
}

#[test]
fn a_temporary_folder_goes_with_the_last_who_has_it() {
    let mut booted = Booted::in_memory("1".into());
    attach_temporary(&mut booted).unwrap();
    let folder = booted.files.blobs.clone().unwrap();
    drop(booted);
    write(&folder, 1, &[b"gone"]);
    let base = folder.base.clone();
    assert!(base.join("tmp/zeolith-1").exists());
    drop(folder);
    assert!(!base.exists());
}

#[test]
fn two_storages_cannot_have_one_folder() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("blobs")).unwrap();
    let spec = |name: &str, blobs: &str| StorageSpec {
        name: name.into(),
        kind: StorageKind::Memory,
        blobs: Some(home.path().join(blobs)),
    };
    check_apart(&[spec("1", "blobs"), spec("2", "others")]).unwrap();
    let refused = |second: StorageSpec| check_apart(&[spec("1", "blobs"), second]).unwrap_err().to_string();
    let error = refused(spec("2", "blobs/../blobs"));
    assert!(error.contains("the blobs of storage \"1\" lie there, those of \"2\" need"), "{error}");
    // Those of a demo storage's changes are written, those of its base are not.
    let demo = |base: &str, changes: &str| {
        let layer =
            |blobs| Box::new(Layer { kind: StorageKind::Memory, blobs: Some(home.path().join(blobs)) });
        let kind = StorageKind::Demo { name: None, base: layer(base), changes: Some(layer(changes)) };
        StorageSpec { name: "2".into(), kind, blobs: None }
    };
    assert_eq!(refused(demo("others", "blobs")), error);
    check_apart(&[spec("1", "blobs"), demo("blobs", "others")]).unwrap();
}
