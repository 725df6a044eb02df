//! Larger files with objects of every size, damaged at random: what is found is right or is not found.

use super::disk::disk;
use crate::cache::{BootId, Cache};
use crate::ids::{Oid, Tid};
use crate::rng::{Rng, Seed};
use crate::store::Revision;
use std::collections::BTreeMap;

const SIZE: u64 = 300_000;
const BOOT: BootId = BootId([1; 16]);
const OBJECTS: u64 = 900;

/// All revisions that the file ever held, by object and serial.
type Truth = BTreeMap<(Oid, Tid), Revision>;

/// A file whose two rings have gone round several times, and what was put into it.
fn file(rng: &mut Rng) -> (Vec<u8>, Truth) {
    let (medium, mut journal) = disk(Vec::new(), usize::MAX);
    let (mut cache, _) = Cache::open(medium, SIZE, BOOT).unwrap();
    let mut truth = Truth::new();
    for tid in (1..6_000).map(Tid) {
        let oid = Oid(rng.below(OBJECTS));
        if let Some(current) = cache.load(oid) {
            let known = truth.get_mut(&(oid, current.serial)).expect("what is cached was stored");
            known.until = Some(tid);
            cache.invalidate(oid, tid);
        }
        let len = if rng.chance(1, 40) { rng.below(20_000) } else { rng.below(400) };
        let data = (0..=len).map(|at| (at ^ tid.0 ^ oid.0) as u8).collect::<Vec<_>>().into();
        let revision = Revision { data, serial: tid, until: None };
        cache.set_last_tid(tid);
        cache.store(oid, &revision);
        truth.insert((oid, tid), revision);
    }
    cache.check_invariants();
    let stats = cache.stats();
    assert!(stats.objects > 300 && stats.evictions > 2_000, "{stats:?}");
    (journal.now().to_vec(), truth)
}

/// Opens what is left, and compares all it has. How many objects it has.
fn check(bytes: Vec<u8>, truth: &Truth) -> u64 {
    let Ok((mut cache, _)) = Cache::open(disk(bytes, usize::MAX).0, SIZE, BOOT) else {
        panic!("only another magic makes it somebody else's");
    };
    cache.check_invariants();
    let objects = cache.stats().objects;
    assert!(cache.last_tid().is_some() || objects == 0, "a cache without a last transaction is empty");
    for oid in (0..OBJECTS).map(Oid) {
        if let Some(found) = cache.load(oid) {
            assert_eq!(Some(&found), truth.get(&(oid, found.serial)), "{oid}");
            assert_eq!(found.until, None, "{oid}");
        }
        if let Some(found) = cache.load_before(oid, Tid(3_000)) {
            assert_eq!(Some(&found), truth.get(&(oid, found.serial)), "{oid} before");
        }
    }
    cache.check_invariants();
    objects
}

#[test]
fn a_larger_file_damaged_anywhere_never_makes_a_wrong_revision() {
    let mut rng = Rng::new(Seed(7));
    let (whole, truth) = file(&mut rng);
    let kept = check(whole.clone(), &truth);
    let mut least = kept;
    for _ in 0..150 {
        let mut bytes = whole.clone();
        let place = |rng: &mut Rng, len: usize| 96 + rng.below((whole.len() - 96 - len) as u64) as usize;
        for _ in 0..=rng.below(20) {
            let len = 1 << rng.below(14);
            let (at, from) = (place(&mut rng, len), place(&mut rng, len));
            match rng.below(4) {
                0 => bytes[at] ^= 1 << rng.below(8),
                1 => bytes[at..at + len].fill(rng.below(256) as u8),
                // A piece of this very file, in a wrong place; and on the boundaries of records too.
                2 => bytes.copy_within(from..from + len, at),
                _ => bytes.copy_within(from & !7..(from & !7) + len, at & !7),
            }
        }
        let left = check(bytes, &truth);
        assert!(left <= kept, "{left} of {kept} objects");
        least = least.min(left);
    }
    // The damage was felt, and did not cost the rest.
    assert!((1..kept).contains(&least), "{least} of {kept} objects were left");
}
