use super::*;
use zeolith_core::store::disk::FileId::{Index, Log};

fn disk() -> (tempfile::TempDir, Disk) {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path().join("Data.fs"), false, None).unwrap();
    (folder, disk)
}

fn write(disk: &mut Disk, at: u64, chunks: &[&'static [u8]]) {
    let chunks = chunks.iter().map(|chunk| Bytes::from_static(chunk)).collect();
    assert!(matches!(disk.run(DiskOp::Write { file: Log, at, chunks }), Ran::Quiet));
}

fn later(ran: Ran) -> DiskDone<Context> {
    match ran {
        Ran::Later(job) => job(),
        Ran::Done(done) => done,
        Ran::Quiet => panic!("an operation with an answer"),
    }
}

fn contents(disk: &mut Disk, at: u64, len: usize) -> Vec<u8> {
    let span = Span { at, len };
    match disk.read_now(Log, span).unwrap() {
        Some(bytes) => bytes.to_vec(),
        None => copy::read(&disk.open(Log).unwrap(), span).unwrap().to_vec(),
    }
}

#[test]
fn chunks_are_written_one_after_the_other_however_many() {
    let (_folder, mut disk) = disk();
    write(&mut disk, 0, &vec![b"ab" as &[u8]; 3000]);
    assert_eq!(contents(&mut disk, 0, 10_000), b"ab".repeat(3000));
    assert_eq!(contents(&mut disk, 5999, 10), b"b");
    assert_eq!(contents(&mut disk, 7000, 10), b"");
}

#[test]
fn reserving_does_not_change_the_length() {
    let (_folder, mut disk) = disk();
    write(&mut disk, 0, &[b"FS21"]);
    assert!(matches!(
        disk.run(DiskOp::Reserve { upto: 1 << 20 }),
        Ran::Done(DiskDone::Reserved { result: Ok(()), .. })
    ));
    assert_eq!(length(&disk.base).unwrap(), Some(4));
    disk.trim().unwrap();
    assert_eq!(length(&disk.base).unwrap(), Some(4));
}

#[test]
fn reserving_makes_room_for_the_checksums_too() {
    use std::os::unix::fs::MetadataExt;
    let (folder, mut disk) = disk();
    write(&mut disk, 0, &[b"FS30"]);
    assert!(matches!(
        disk.run(DiskOp::Reserve { upto: 1 << 20 }),
        Ran::Done(DiskDone::Reserved { result: Ok(()), .. })
    ));
    let sums = || std::fs::metadata(folder.path().join("Data.fs.sums")).unwrap();
    assert_eq!(sums().len(), 0);
    assert!(sums().blocks() * 512 >= 1 << 20, "{} blocks", sums().blocks());
    disk.trim().unwrap();
    assert_eq!(sums().blocks(), 0, "what was not used is given back");
}

#[test]
fn a_replaced_file_is_whole_and_leaves_no_temporary_behind() {
    let (folder, mut disk) = disk();
    for contents in [b"first" as &[u8], b"2nd"] {
        let op = DiskOp::Replace { file: Index, contents: vec![Bytes::from_static(contents)] };
        assert!(matches!(later(disk.run(op)), DiskDone::Synced { file: Index, result: Ok(()) }));
        assert_eq!(std::fs::read(folder.path().join("Data.fs.index")).unwrap(), contents);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_kept_tail_takes_the_first_free_name() {
    let (folder, mut disk) = disk();
    write(&mut disk, 0, &[b"headtail"]);
    for name in ["Data.fs.tr0", "Data.fs.tr1"] {
        let DiskDone::Kept { result: Ok(kept) } = later(disk.run(DiskOp::KeepTail { from: 4 })) else {
            panic!()
        };
        assert!(kept.ends_with(name));
        assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), b"tail");
    }
}
