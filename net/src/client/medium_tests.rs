use super::*;
use bytes::Bytes;
use zeolith_core::cache::{Cache, CacheError, Report};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::Revision;

fn revision() -> Revision {
    Revision { data: Bytes::from_static(b"state"), serial: Tid(3), until: None }
}

#[test]
fn a_cache_file_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.cache");
    let boot = boot_id().unwrap();
    let (mut cache, _) = Cache::open(Box::new(FileMedium::open(&path).unwrap()), 10_000, boot).unwrap();
    cache.store(Oid(1), &revision());
    cache.set_last_tid(Tid(5));
    drop(cache);
    let (mut cache, report) = Cache::open(Box::new(FileMedium::open(&path).unwrap()), 10_000, boot).unwrap();
    assert_eq!(report, Report { objects: 1, ..Report::default() });
    assert_eq!((cache.load(Oid(1)), cache.last_tid()), (Some(revision()), Some(Tid(5))));
    assert_eq!(path.metadata().unwrap().len(), 10_000);
}

#[test]
fn a_cache_file_in_use_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.cache");
    let held = FileMedium::open(&path).unwrap();
    let error = FileMedium::open(&path).unwrap_err();
    assert!(matches!(&error, FileError::Held(of) if *of == path));
    assert!(error.to_string().contains("a.cache is in use by another client"), "{error}");
    drop(held);
    FileMedium::open(&path).unwrap();
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(FileMedium::open(folder.path()), Err(FileError::NoFile(_))));
    assert!(matches!(FileMedium::open(Path::new("/dev/null")), Err(FileError::NoFile(_))));
    let missing = folder.path().join("no/such/folder");
    assert!(matches!(FileMedium::open(&missing), Err(FileError::Io { .. })));
}

#[test]
fn a_cache_file_of_python_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zec");
    std::fs::write(&path, b"ZEC3\0\0\0\0\0\0\0\x01f\0\0\0\x05").unwrap();
    let opened = Cache::open(Box::new(FileMedium::open(&path).unwrap()), 10_000, BootId([1; 16])).map(|_| ());
    assert_eq!(opened, Err(CacheError::Zeo));
    assert_eq!(std::fs::read(&path).unwrap(), b"ZEC3\0\0\0\0\0\0\0\x01f\0\0\0\x05");
}

#[test]
fn a_boot_id_is_a_uuid() {
    let text = "3f0c2d52-5b1f-4b0c-9d0e-0123456789ab\n";
    assert_eq!(
        parse(text),
        Some(BootId([
            0x3f, 0x0c, 0x2d, 0x52, 0x5b, 0x1f, 0x4b, 0x0c, 0x9d, 0x0e, 1, 0x23, 0x45, 0x67, 0x89, 0xab
        ]))
    );
    for bad in ["", "3f0c2d52", "zf0c2d52-5b1f-4b0c-9d0e-0123456789ab", &text.repeat(2)] {
        assert_eq!(parse(bad), None, "{bad:?}");
    }
    assert_eq!(boot_id().unwrap(), boot_id().unwrap());
}
