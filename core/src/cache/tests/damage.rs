//! Files that are damaged, cut short, or somebody else's.

use super::disk::disk;
use crate::cache::{BootId, Cache, CacheError, Emptied, MediumError, Report};
use crate::ids::{Oid, Tid};
use crate::store::Revision;
use bytes::Bytes;

const SIZE: u64 = 3_000;
const BOOT: BootId = BootId([1; 16]);

fn revision(oid: u64, serial: u64, until: Option<u64>) -> Revision {
    let data = Bytes::from(format!("{oid} as of {serial}").repeat(1 + oid as usize));
    Revision { data, serial: Tid(serial), until: until.map(Tid) }
}

/// All that the file below was ever told.
fn truth() -> Vec<(u64, Revision)> {
    let current = (0..20).map(|oid| (oid, revision(oid, 30 + oid, (oid % 3 == 0).then_some(60))));
    let past = (0..20).step_by(4).map(|oid| (oid, revision(oid, 5, Some(7))));
    current.chain(past).collect()
}

/// A small file, in which every kind of piece occurs.
fn file() -> Vec<u8> {
    let (medium, mut journal) = disk(Vec::new(), usize::MAX);
    let (mut cache, _) = Cache::open(medium, SIZE, BOOT).unwrap();
    cache.set_last_tid(Tid(59));
    for (oid, revision) in truth() {
        cache.load(Oid(oid / 2));
        cache.store(Oid(oid), &Revision { until: revision.until.filter(|until| until.0 < 60), ..revision });
    }
    for oid in (0..20).step_by(3) {
        cache.invalidate(Oid(oid), Tid(60));
    }
    cache.set_last_tid(Tid(60));
    cache.forget(Oid(19));
    cache.check_invariants();
    assert!(cache.stats().objects > 12 && cache.stats().evictions > 2, "{:?}", cache.stats());
    journal.now().to_vec()
}

/// Opens whatever it is, and checks every answer. `None` when it was refused.
fn open(bytes: Vec<u8>) -> Option<Report> {
    let (mut cache, report) = match Cache::open(disk(bytes, usize::MAX).0, SIZE, BOOT) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(matches!(error, CacheError::Foreign | CacheError::Zeo), "{error}");
            return None;
        }
    };
    cache.check_invariants();
    let last = cache.last_tid();
    assert!(last == Some(Tid(60)) || last.is_none() && cache.stats().objects == 0, "{last:?}");
    for oid in 0..20 {
        let right = |found: &Revision| truth().contains(&(oid, found.clone()));
        assert!(cache.load(Oid(oid)).is_none_or(|found| found.until.is_none() && right(&found)), "{oid}");
        for before in [6, 8, 31, 36, 41, 46, 51, 61] {
            let found = cache.load_before(Oid(oid), Tid(before));
            assert!(found.is_none_or(|found| right(&found)), "{oid} before {before}");
        }
    }
    cache.check_invariants();
    Some(report)
}

#[test]
fn a_byte_changed_anywhere_never_makes_a_wrong_revision() {
    let whole = file();
    let kept = open(whole.clone()).unwrap();
    assert_eq!(kept.damaged, 0);
    let (mut refused, mut emptied) = (0, 0);
    for at in 0..whole.len() {
        for change in [0x01, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            match open(bytes) {
                None => refused += 1,
                Some(report) => emptied += usize::from(report.emptied.is_some()),
            }
        }
    }
    // The magic, and the rest of the header.
    assert_eq!((refused, emptied), (2 * 8, 2 * 88));
}

#[test]
fn a_file_cut_short_or_lengthened_is_emptied_or_refused() {
    let whole = file();
    for len in 0..whole.len() {
        match open(whole[..len].to_vec()) {
            None => assert!((1..8).contains(&len), "cut to {len}"),
            Some(report) => assert_eq!(report.emptied.is_some(), len > 0, "cut to {len}"),
        }
    }
    let longer = [&whole[..], &[0]].concat();
    assert_eq!(open(longer).unwrap().emptied, Some(Emptied::Damaged));
}

#[test]
fn stretches_of_other_bytes_never_make_a_wrong_revision() {
    let whole = file();
    for from in (96..whole.len()).step_by(8) {
        for len in [8, 64, 512] {
            let to = whole.len().min(from + len);
            let mut zeroed = whole.clone();
            zeroed[from..to].fill(0);
            open(zeroed).unwrap();
            // Pieces of this very file, in a wrong place.
            let mut moved = whole.clone();
            moved.copy_within(96..96 + to - from, from);
            open(moved).unwrap();
        }
    }
}

#[test]
fn what_was_left_over_by_an_older_cache_in_the_same_file_counts_no_more() {
    let whole = file();
    let (medium, mut journal) = disk(whole, usize::MAX);
    let (mut cache, _) = Cache::open(medium, SIZE, BOOT).unwrap();
    let before = journal.update().len();
    cache.clear();
    cache.set_last_tid(Tid(90));
    let after = journal.update().len();
    for kept in before + 1..after {
        let (cache, _) = Cache::open(disk(journal.killed(kept, 0), usize::MAX).0, SIZE, BOOT).unwrap();
        assert_eq!(cache.stats().objects, 0, "after {kept} of {after}");
    }
}

#[test]
fn a_file_of_somebody_else_is_refused_and_left_as_it_is() {
    let zeo = [b"ZEC3".to_vec(), vec![0; 5000]].concat();
    let text = b"something that somebody needs".to_vec();
    let late = [vec![0; 300_000], vec![1]].concat();
    let cases = [
        (zeo, CacheError::Zeo),
        (text.clone(), CacheError::Foreign),
        (text.repeat(1000), CacheError::Foreign),
        (b"ZEOLITH".to_vec(), CacheError::Foreign),
        (late, CacheError::Foreign),
    ];
    for (bytes, expected) in cases {
        let (medium, mut journal) = disk(bytes.clone(), usize::MAX);
        assert_eq!(Cache::open(medium, SIZE, BOOT).map(|_| ()), Err(expected));
        assert_eq!(journal.now(), bytes);
    }
}

#[test]
fn a_file_of_zeros_was_never_begun() {
    for len in [1, 95, 96, 300_000] {
        let (cache, report) = Cache::open(disk(vec![0; len], usize::MAX).0, SIZE, BOOT).unwrap();
        assert_eq!((report, cache.last_tid()), (Report::default(), None));
    }
}

#[test]
fn another_version_is_refused_with_its_number() {
    let mut bytes = file();
    bytes[8] = 2;
    let check = xxhash_rust::xxh3::xxh3_64(&bytes[..32]);
    bytes[32..40].copy_from_slice(&check.to_le_bytes());
    let (medium, mut journal) = disk(bytes.clone(), usize::MAX);
    assert_eq!(Cache::open(medium, SIZE, BOOT).map(|_| ()), Err(CacheError::Version(2)));
    assert_eq!(journal.now(), bytes);
}

#[test]
fn a_medium_that_fails_at_open_is_an_error() {
    for good in 0..2 {
        let opened = Cache::open(disk(file(), good).0, SIZE, BOOT).map(|_| ());
        assert_eq!(opened, Err(CacheError::Medium(MediumError::Full)));
    }
}

#[test]
fn a_cache_brought_to_another_size_keeps_what_fits() {
    let (medium, mut journal) = disk(Vec::new(), usize::MAX);
    let (mut cache, _) = Cache::open(medium, 20_000, BOOT).unwrap();
    for oid in 0..100 {
        let data = vec![oid as u8; 100].into();
        cache.store(Oid(oid), &Revision { data, serial: Tid(1), until: None });
    }
    cache.set_last_tid(Tid(9));
    let objects = cache.stats().objects;
    assert_eq!(objects, 100);
    let whole = journal.now().to_vec();
    for size in [0, 200, 1_000, 10_000, 19_999, 20_001, 100_000] {
        let (medium, mut journal) = disk(whole.clone(), usize::MAX);
        let (mut cache, report) = Cache::open(medium, size, BOOT).unwrap();
        cache.check_invariants();
        assert_eq!((cache.last_tid(), report.objects + report.dropped), (Some(Tid(9)), objects));
        // 136 bytes each, and what the header, two gaps and the ends of the rings take.
        let room = size.saturating_sub(96 + 2 * 8 + 2 * 136) / 136;
        assert!(report.objects >= room.min(90), "{size}: {report:?}");
        assert_eq!(journal.now().len() as u64, size.max(112));
        // The newest stands in the small ring, a tenth of the whole.
        let newest = cache.current().map(|(oid, _)| oid.0).max();
        assert!(size < 10_000 || newest == Some(99), "{newest:?} of {size} bytes");
        for (oid, _) in cache.current().collect::<Vec<_>>() {
            assert_eq!(cache.load(oid).unwrap().data, vec![oid.0 as u8; 100]);
        }
    }
}
