use super::image::SECTOR;
use super::*;

fn disk_with(synced: &'static [u8], unsynced: &'static [u8]) -> SimDisk {
    let mut disk = SimDisk::default();
    let write = |at, bytes| DiskOp::Write { file: FileId::Log, at, chunks: vec![Bytes::from_static(bytes)] };
    disk.submit(write(0, synced));
    disk.submit(DiskOp::Sync { file: FileId::Log });
    disk.submit(write(synced.len() as u64, unsynced));
    while disk.can_begin() {
        assert!(disk.begin().is_none());
    }
    disk.end(0);
    disk
}

#[test]
fn what_was_synced_survives_every_power_loss() {
    for dice in 0..50 {
        let mut disk = disk_with(b"synced", b"not");
        disk.crash(Fate::Power(dice));
        assert!(disk.contents(FileId::Log).starts_with(b"synced"));
    }
}

#[test]
fn what_was_not_synced_survives_some_power_losses() {
    let survives = |dice| {
        let mut disk = disk_with(b"synced", b"not");
        disk.crash(Fate::Power(dice));
        disk.contents(FileId::Log) == b"syncednot"
    };
    let survived = (0..50).filter(|&dice| survives(dice)).count();
    assert!((10..50).contains(&survived), "{survived} of 50");
}

#[test]
fn a_process_that_dies_loses_nothing_it_wrote() {
    let mut disk = disk_with(b"synced", b"not");
    disk.crash(Fate::Process);
    assert_eq!(disk.contents(FileId::Log), b"syncednot");
    assert_eq!(disk.durable(FileId::Log), b"synced");
}

fn failed() -> SimDisk {
    let mut disk = disk_with(b"synced", b"not");
    disk.submit(DiskOp::Sync { file: FileId::Log });
    assert!(disk.begin().is_none());
    let done = disk.fail(Failure::End(0));
    assert!(matches!(done, Some(DiskDone::Synced { result: Err(_), .. })));
    disk
}

#[test]
fn what_a_failed_sync_could_not_write_is_read_by_the_next_process_and_synced_by_nobody() {
    let mut disk = failed();
    disk.crash(Fate::Process);
    assert_eq!(disk.contents(FileId::Log), b"syncednot");
    disk.submit(DiskOp::Sync { file: FileId::Log });
    assert!(disk.begin().is_none());
    disk.end(0);
    disk.crash(Fate::Power(1));
    assert_eq!(disk.contents(FileId::Log), b"synced");
}

#[test]
fn what_a_failed_sync_could_not_write_is_safe_when_it_was_written_again_and_gone_when_memory_got_short() {
    let mut disk = failed();
    let chunks = vec![Bytes::from_static(b"not")];
    disk.submit(DiskOp::Write { file: FileId::Log, at: 6, chunks });
    disk.submit(DiskOp::Sync { file: FileId::Log });
    while disk.can_begin() {
        assert!(disk.begin().is_none());
    }
    disk.end(0);
    assert!(!disk.forget());
    assert_eq!(disk.durable(FileId::Log), b"syncednot");
    let mut disk = failed();
    assert!(disk.forget());
    assert_eq!(disk.contents(FileId::Log), b"synced");
}

#[test]
fn a_file_that_took_the_place_of_another_is_not_forgotten_before_the_power_fails() {
    let replaced = || {
        let mut disk = disk_with(b"old", b"");
        disk.submit(DiskOp::Replace { file: FileId::Log, contents: vec![Bytes::from_static(b"new")] });
        assert!(disk.begin().is_none());
        let done = disk.fail(Failure::End(0));
        assert!(matches!(done, Some(DiskDone::Synced { result: Err(_), .. })));
        disk
    };
    assert!(!replaced().forget());
    let left = |dice| {
        let mut disk = replaced();
        disk.crash(Fate::Power(dice));
        disk.contents(FileId::Log).to_vec()
    };
    let new = (0..50).filter(|&dice| left(dice) == b"new").count();
    assert!((1..50).contains(&new) && (0..50).all(|dice| [&b"old"[..], b"new"].contains(&&left(dice)[..])));
}

#[test]
fn a_write_over_several_sectors_is_torn_at_their_borders_and_nowhere_else() {
    // It begins and ends within sectors.
    let written: &[u8] = &[b'x'; 3 * SECTOR];
    let mut seen = std::collections::BTreeSet::new();
    for dice in 0..400 {
        let mut disk = disk_with(b"synced", written);
        disk.crash(Fate::Power(dice));
        let left = disk.contents(FileId::Log);
        let whole = |at: usize| left.get(at).is_some_and(|&byte| byte == b'x');
        let parts = [6..SECTOR, SECTOR..2 * SECTOR, 2 * SECTOR..3 * SECTOR, 3 * SECTOR..3 * SECTOR + 6];
        let kept = parts.map(|part| {
            let survives = whole(part.start);
            assert!(part.into_iter().all(|at| whole(at) == survives), "a sector is torn within");
            survives
        });
        seen.insert(kept);
    }
    assert_eq!(seen.len(), 16, "any of the four sectors is lost or kept");
}

fn asked(disk: &mut SimDisk, op: DiskOp<Context>) -> Option<DiskDone<Context>> {
    disk.submit(op);
    disk.begin()
}

fn write_behind(at: u64) -> DiskOp<Context> {
    DiskOp::Write { file: FileId::Log, at, chunks: vec![Bytes::from_static(b"more")] }
}

#[test]
fn a_full_disk_has_room_for_what_was_promised_and_for_nothing_else() {
    let mut disk = disk_with(b"synced", b"not");
    assert!(matches!(
        asked(&mut disk, DiskOp::Reserve { upto: 13 }),
        Some(DiskDone::Reserved { upto: 13, result: Ok(()) })
    ));
    disk.leave_room(0);
    assert!(matches!(
        asked(&mut disk, DiskOp::Reserve { upto: 14 }),
        Some(DiskDone::Reserved { upto: 14, result: Err(DiskError::Full) })
    ));
    assert!(!disk.has_failed(), "a full disk works");
    assert!(asked(&mut disk, write_behind(9)).is_none());
    assert!(matches!(
        asked(&mut disk, write_behind(13)),
        Some(DiskDone::WriteFailed { file: FileId::Log, error: DiskError::Full })
    ));
    assert!(disk.has_failed());
}

#[test]
fn what_was_promised_to_a_process_ends_with_it_and_a_full_disk_with_whoever_looks_after_it() {
    let mut disk = disk_with(b"synced", b"not");
    assert!(asked(&mut disk, DiskOp::Reserve { upto: 13 }).is_some());
    disk.leave_room(2);
    disk.crash(Fate::Process);
    let reserved = |disk: &mut SimDisk, upto| {
        matches!(asked(disk, DiskOp::Reserve { upto }), Some(DiskDone::Reserved { result: Ok(()), .. }))
    };
    assert!(reserved(&mut disk, 11) && !reserved(&mut disk, 12));
    disk.mend();
    assert!(reserved(&mut disk, 1 << 40));
}

#[test]
fn what_a_pack_has_left_stands_beside_the_log_until_a_start_removes_it() {
    let mut disk = disk_with(b"synced", b"not");
    assert!(disk.beside().is_empty());
    for file in [FileId::Packed, FileId::PackedSums, FileId::PackedIndex] {
        disk.submit(DiskOp::Write { file, at: 0, chunks: vec![Bytes::from_static(b"packed")] });
        assert!(disk.begin().is_none());
    }
    assert!(asked(&mut disk, DiskOp::Name(Naming::Link { from: FileId::Log, to: FileId::Old })).is_some());
    assert_eq!(disk.beside(), ["Data.fs.old", "Data.fs.pack"]);
    disk.remove_packed();
    assert_eq!(disk.beside(), ["Data.fs.old"]);
    assert!(disk.length(FileId::PackedSums).is_none() && disk.length(FileId::PackedIndex).is_none());
    assert_eq!(disk.contents(FileId::Log), b"syncednot");
}
