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
