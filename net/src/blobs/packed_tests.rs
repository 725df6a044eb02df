use super::*;
use crate::blobs::BlobDir;
use std::os::unix::fs::MetadataExt;
use tempfile::TempDir;

const LAYOUTS: [&str; 2] = ["bushy", "lawn"];

/// A folder with three blobs of two objects.
fn folder(layout: &str) -> (TempDir, BlobDir) {
    let home = tempfile::tempdir().unwrap();
    let base = home.path().join("blobs");
    fs::create_dir(&base).unwrap();
    fs::write(base.join(MARKER), layout).unwrap();
    let folder = BlobDir::open(&base, false).unwrap();
    for id in [id(1, 1), id(1, 2), id(0x1_0001, 1)] {
        let path = folder.blob(id.oid, id.tid);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{id:?}")).unwrap();
    }
    (home, folder)
}

fn id(oid: u64, tid: u64) -> BlobId {
    BlobId { oid: Oid(oid), tid: Tid(tid) }
}

/// All files and folders below a folder, without those for temporary use.
fn entries(at: &Path) -> Vec<String> {
    fn walk(at: &Path, below: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(below).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(at).unwrap().display().to_string());
            if path.is_dir() {
                walk(at, &path, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(at, at, &mut found);
    found.retain(|name| name != "tmp");
    found.sort();
    found
}

fn beside(folder: &BlobDir, suffix: &str) -> PathBuf {
    folder.beside(suffix).unwrap()
}

fn has(folder: &BlobDir, id: BlobId) -> bool {
    folder.blob(id.oid, id.tid).exists()
}

/// Where a blob is kept.
fn kept(folder: &BlobDir, id: BlobId) -> PathBuf {
    let blob = folder.blob(id.oid, id.tid);
    beside(folder, ".old").join(blob.strip_prefix(&folder.base).unwrap())
}

#[test]
fn blobs_that_are_gone_leave_no_empty_folders_behind() {
    for layout in LAYOUTS {
        let (_home, folder) = folder(layout);
        folder.condemn(&[id(1, 1), id(0x1_0001, 1), id(7, 7)], false).unwrap();
        assert!(has(&folder, id(1, 1)), "nothing is done yet");
        folder.sweep().unwrap();
        let left = folder.blob(Oid(1), Tid(2));
        let left = left.strip_prefix(&folder.base).unwrap();
        let folders = left.ancestors().skip(1).filter(|path| *path != Path::new(""));
        let mut expected = vec![MARKER.to_owned(), left.display().to_string()];
        expected.extend(folders.map(|path| path.display().to_string()));
        expected.sort();
        assert_eq!(entries(&folder.base), expected);
        assert!(!beside(&folder, ".old").exists() && !beside(&folder, ".pack").exists());
        folder.sweep().unwrap();
    }
}

#[test]
fn kept_blobs_lie_beside_with_links_to_all_others() {
    for layout in LAYOUTS {
        let (_home, folder) = folder(layout);
        let before = entries(&folder.base);
        fs::create_dir(beside(&folder, ".old")).unwrap();
        fs::write(beside(&folder, ".old").join("older"), "of the pack before").unwrap();
        folder.condemn(&[id(1, 1)], true).unwrap();
        folder.sweep().unwrap();
        assert_eq!(entries(&beside(&folder, ".old")), before, "all blobs as they were");
        assert!(!has(&folder, id(1, 1)) && has(&folder, id(1, 2)));
        let inode = |path: PathBuf| fs::metadata(path).unwrap().ino();
        assert_eq!(inode(kept(&folder, id(1, 2))), inode(folder.blob(Oid(1), Tid(2))), "it is a link");
        assert!(!beside(&folder, ".pack").exists());
    }
}

#[test]
fn a_start_removes_what_the_log_does_not_name() {
    for keep_old in [false, true] {
        let (_home, folder) = folder("bushy");
        folder.condemn(&[id(1, 1), id(0x1_0001, 1)], keep_old).unwrap();
        fs::write(folder.tmp().join("zeolith-packed.new"), "half a list").unwrap();
        folder.sweep_again(|oid, _| Ok(oid == Oid(1))).unwrap();
        assert_eq!([has(&folder, id(1, 1)), has(&folder, id(0x1_0001, 1))], [true, false]);
        assert_eq!(kept(&folder, id(0x1_0001, 1)).exists(), keep_old);
        assert_eq!(fs::read_dir(folder.tmp()).unwrap().count(), 0);
    }
}

#[test]
fn a_start_with_the_log_as_it_was_removes_nothing() {
    let (_home, folder) = folder("bushy");
    let before = entries(&folder.base);
    fs::create_dir(beside(&folder, ".old")).unwrap();
    folder.condemn(&[id(1, 1)], true).unwrap();
    folder.sweep_again(|_, _| Ok(true)).unwrap();
    assert_eq!(entries(&folder.base), before);
    assert_eq!(entries(&beside(&folder, ".old")), [""; 0], "it belongs to the log that is there as .old");
    assert!(!beside(&folder, ".pack").exists());
    assert_eq!(fs::read_dir(folder.tmp()).unwrap().count(), 0);
}

#[test]
fn a_crash_anywhere_loses_no_kept_blob() {
    // It came after one blob was moved, or when all was done but the note.
    for done in [false, true] {
        let (_home, folder) = folder("lawn");
        let before = entries(&folder.base);
        folder.condemn(&[id(1, 1), id(0x1_0001, 1)], true).unwrap();
        let note = fs::read(folder.condemned()).unwrap();
        if done {
            folder.sweep().unwrap();
            fs::write(folder.condemned(), note).unwrap();
        } else {
            folder.take_away(id(1, 1), Some(&beside(&folder, ".pack"))).unwrap();
        }
        folder.sweep_again(|_, tid| Ok(tid == Tid(2))).unwrap();
        assert_eq!(entries(&beside(&folder, ".old")), before);
        assert!(has(&folder, id(1, 2)));
        assert!(!folder.condemned().exists());
    }
}

#[test]
fn a_note_that_nobody_wrote_so_is_an_error_and_removes_nothing() {
    let (_home, folder) = folder("bushy");
    for text in ["", "remove\n", "drop\n12\n", "drop\n0000000000000001 x\n", "keep\n1 2 3\n"] {
        fs::write(folder.condemned(), text).unwrap();
        assert!(folder.sweep().is_err(), "{text:?}");
        assert!(folder.sweep_again(|_, _| Ok(false)).is_err());
    }
    assert!(has(&folder, id(1, 1)));
}
