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
