//! Each rule by itself.

use super::disk::disk;
use crate::cache::{BootId, Cache, Code, Emptied, Memory, Report, Stats, Trace, Traced};
use crate::ids::{Oid, Tid};
use crate::store::Revision;
use bytes::Bytes;
use std::sync::mpsc::{Sender, channel};

const A: Oid = Oid(1);
const B: Oid = Oid(2);

fn revision(serial: u64, until: Option<u64>) -> Revision {
    sized(serial, until, 20)
}

fn sized(serial: u64, until: Option<u64>, size: usize) -> Revision {
    Revision { data: vec![serial as u8; size].into(), serial: Tid(serial), until: until.map(Tid) }
}

/// A cache with room, at tid 50.
fn cache() -> Cache {
    let mut cache = Cache::in_memory(10_000);
    cache.set_last_tid(Tid(50));
    cache
}

#[test]
fn a_current_revision_answers_up_to_the_transaction_after_the_last_tid() {
    let mut cache = cache();
    let current = revision(10, None);
    cache.store(A, &current);
    for (before, found) in [(0, false), (10, false), (11, true), (51, true), (52, false), (u64::MAX, false)] {
        assert_eq!(cache.load_before(A, Tid(before)), found.then(|| current.clone()), "before {before}");
    }
    assert_eq!(cache.load(A), Some(current));
    assert_eq!(cache.load(B), None);
}

#[test]
fn without_a_last_tid_nothing_is_known_before_any_tid() {
    let mut cache = Cache::in_memory(10_000);
    cache.store(A, &revision(10, None));
    assert_eq!(cache.load_before(A, Tid(11)), None);
    assert_eq!(cache.load(A), Some(revision(10, None)));
}

#[test]
fn an_invalidated_revision_is_kept_for_those_who_look_back() {
    let mut cache = cache();
    cache.store(A, &revision(10, None));
    cache.invalidate(A, Tid(51));
    cache.set_last_tid(Tid(51));
    assert_eq!((cache.load(A), cache.serial(A)), (None, None));
    assert_eq!(cache.load_before(A, Tid(51)), Some(revision(10, Some(51))));
    assert_eq!(cache.load_before(A, Tid(52)), None);
    assert_eq!(cache.load_serial(A, Tid(10)), Some(revision(10, None).data));
    assert_eq!(cache.load_serial(A, Tid(51)), None);
}

#[test]
fn an_invalidation_by_the_transaction_that_wrote_it_or_an_older_one_changes_nothing() {
    let mut cache = cache();
    cache.store(A, &revision(51, None));
    cache.invalidate(A, Tid(51));
    cache.invalidate(A, Tid(40));
    assert_eq!(cache.load(A), Some(revision(51, None)));
    cache.invalidate(B, Tid(51));
    cache.check_invariants();
}

#[test]
fn a_newer_current_revision_takes_the_place_of_an_older_one_and_not_the_other_way_round() {
    let mut cache = cache();
    cache.store(A, &revision(10, None));
    cache.store(A, &revision(20, None));
    assert_eq!(cache.load(A), Some(revision(20, None)));
    cache.store(A, &revision(10, None));
    assert_eq!(cache.load(A), Some(revision(20, None)));
    // When the older one ended is not known.
    assert_eq!(cache.load_serial(A, Tid(10)), None);
    assert_eq!(cache.stats().objects, 1);
}

#[test]
fn a_revision_stored_twice_is_kept_once() {
    let mut cache = cache();
    for _ in 0..2 {
        cache.store(A, &revision(10, None));
        cache.store(A, &revision(5, Some(10)));
    }
    assert_eq!((cache.stats().objects, cache.stats().stores), (2, 2));
    cache.check_invariants();
}

#[test]
fn a_current_revision_ends_when_its_end_is_told() {
    let mut cache = cache();
    cache.store(A, &revision(10, None));
    cache.store(A, &revision(10, Some(30)));
    assert_eq!(cache.load(A), None);
    assert_eq!(cache.load_before(A, Tid(30)), Some(revision(10, Some(30))));
}

#[test]
fn what_overlaps_a_known_revision_is_not_taken() {
    let mut cache = cache();
    cache.store(A, &revision(10, Some(20)));
    cache.store(A, &revision(30, None));
    for (start, until) in [
        (5, Some(11)),
        (10, Some(15)),
        (15, Some(20)),
        (15, Some(40)),
        (25, Some(31)),
        (30, Some(30)),
        (40, Some(45)),
        (9, None),
        (12, None),
        (20, Some(20)),
        (7, Some(3)),
    ] {
        cache.store(A, &revision(start, until));
        assert_eq!(cache.stats().objects, 2, "{start} to {until:?}");
        assert_eq!(cache.load(A), Some(revision(30, None)), "{start} to {until:?}");
    }
    cache.store(A, &revision(5, Some(10)));
    cache.store(A, &revision(20, Some(30)));
    assert_eq!(cache.stats().objects, 4);
    cache.check_invariants();
}

#[test]
fn tids_at_the_end_of_all_numbers_harm_nobody() {
    let mut cache = cache();
    cache.store(A, &revision(u64::MAX, None));
    cache.store(A, &revision(10, Some(u64::MAX)));
    cache.store(B, &revision(u64::MAX - 1, None));
    cache.invalidate(B, Tid(u64::MAX));
    cache.set_last_tid(Tid(u64::MAX));
    assert_eq!(cache.load_before(A, Tid(u64::MAX)).map(|found| found.serial), Some(Tid(10)));
    assert_eq!(cache.load(A), None);
    cache.check_invariants();
}

#[test]
fn a_forgotten_revision_is_gone_and_its_past_stays() {
    let mut cache = cache();
    cache.store(A, &revision(5, Some(10)));
    cache.store(A, &revision(10, None));
    cache.forget(A);
    cache.forget(B);
    assert_eq!(cache.load(A), None);
    assert_eq!(cache.load_before(A, Tid(10)), Some(revision(5, Some(10))));
    cache.check_invariants();
}

#[test]
#[should_panic(expected = "the last tid falls")]
fn the_last_tid_does_not_fall() {
    cache().set_last_tid(Tid(49));
}

#[test]
fn clearing_takes_all_and_the_last_tid() {
    let mut cache = cache();
    cache.store(A, &revision(10, None));
    cache.clear();
    assert_eq!((cache.load(A), cache.last_tid(), cache.current().count()), (None, None, 0));
    cache.set_last_tid(Tid(3));
    cache.check_invariants();
}

#[test]
fn current_revisions_are_told_by_oid() {
    let mut cache = cache();
    for oid in [7, 3, 9, 1] {
        cache.store(Oid(oid), &revision(oid + 10, None));
    }
    cache.invalidate(Oid(3), Tid(51));
    let all: Vec<_> = cache.current().collect();
    assert_eq!(all, [(Oid(1), Tid(11)), (Oid(7), Tid(17)), (Oid(9), Tid(19))]);
}

#[test]
fn the_bound_holds_to_the_byte() {
    // Of 112 bytes, the header takes 96. A record of 20 bytes takes 56, and 8 more are the gap behind it, in a ring that is
    // nine tenths of the rest.
    for (size, fits) in [(0, false), (112, false), (96 + 71, false), (96 + 72, true)] {
        let (medium, mut journal) = disk(Vec::new(), usize::MAX);
        let (mut cache, _) = Cache::open(medium, size, BootId([1; 16])).unwrap();
        cache.store(A, &revision(10, None));
        assert_eq!(cache.load(A).is_some(), fits, "{size} bytes");
        assert_eq!(journal.now().len() as u64, size.max(112));
        cache.check_invariants();
    }
}

#[test]
fn an_object_larger_than_the_cache_is_not_kept_and_puts_nothing_out() {
    let mut cache = cache();
    cache.store(A, &revision(10, None));
    cache.store(B, &sized(11, None, 10_000));
    assert_eq!((cache.load(B), cache.stats().stores), (None, 1));
    assert!(cache.load(A).is_some());
    // It has not left an older one behind either.
    cache.store(A, &sized(12, None, 10_000));
    assert_eq!(cache.load(A), None);
}

#[test]
fn what_was_used_outlives_a_scan() {
    let mut cache = Cache::in_memory(40_000);
    for round in 0..20 {
        for oid in 0..50 {
            if cache.load(Oid(oid)).is_none() {
                cache.store(Oid(oid), &sized(1, None, 100));
            }
        }
        for oid in 0..1000 {
            cache.store(Oid(1000 + 1000 * round + oid), &sized(1, None, 100));
        }
        cache.check_invariants();
    }
    assert_eq!((0..50).filter(|&oid| cache.load(Oid(oid)).is_some()).count(), 50);
    let Stats { evictions, moves, .. } = cache.stats();
    assert!(evictions > 15_000 && moves >= 50, "{evictions} {moves}");
}

#[test]
fn a_cache_larger_than_all_objects_keeps_all() {
    let mut cache = Cache::in_memory(96 + 1000 * 136 * 10 / 9 + 2000);
    for oid in 0..1000 {
        cache.store(Oid(oid), &sized(1, None, 100));
    }
    assert_eq!((cache.stats().objects, cache.stats().evictions), (1000, 0));
}

#[test]
fn what_is_cached_is_there_after_a_reboot_if_it_was_flushed() {
    let (medium, mut journal) = disk(Vec::new(), usize::MAX);
    let (mut cache, _) = Cache::open(medium, 5_000, BootId([1; 16])).unwrap();
    cache.store(A, &revision(10, None));
    cache.set_last_tid(Tid(20));
    let again = |bytes: &[u8], boot| {
        let (cache, report) =
            Cache::open(disk(bytes.to_vec(), usize::MAX).0, 5_000, BootId([boot; 16])).unwrap();
        (cache.last_tid(), report)
    };
    let kept = (Some(Tid(20)), Report { objects: 1, ..Report::default() });
    let emptied = (None, Report { emptied: Some(Emptied::Unflushed), ..Report::default() });
    assert_eq!(again(journal.now(), 1), kept);
    assert_eq!(again(journal.now(), 2), emptied);
    cache.flush();
    assert_eq!(again(journal.now(), 2), kept);
    cache.invalidate(A, Tid(21));
    assert_eq!(again(journal.now(), 2), emptied);
}

#[test]
fn a_medium_that_fails_leaves_the_cache_empty_and_its_last_tid() {
    for good in 4..30 {
        let (medium, mut journal) = disk(Vec::new(), good);
        let Ok((mut cache, _)) = Cache::open(medium, 5_000, BootId([1; 16])) else { continue };
        cache.set_last_tid(Tid(20));
        for oid in 0..30 {
            cache.store(Oid(oid), &revision(10, None));
            cache.invalidate(Oid(oid), Tid(30));
        }
        assert_eq!(cache.fault().map(ToString::to_string), Some("the disk is full".to_owned()));
        cache.set_last_tid(Tid(30));
        assert_eq!((cache.last_tid(), cache.stats().objects, cache.load(Oid(1))), (Some(Tid(30)), 0, None));
        cache.flush();
        cache.clear();
        assert_eq!(cache.last_tid(), None);
        cache.check_invariants();
        let boot = BootId([2; 16]);
        let (next, report) = Cache::open(disk(journal.now().to_vec(), usize::MAX).0, 5_000, boot).unwrap();
        assert_eq!((next.last_tid(), report.emptied), (None, Some(Emptied::Unflushed)));
    }
}

#[test]
fn memory_is_a_medium_too() {
    let mut cache = Cache::open(Box::new(Memory::default()), 1_000, BootId([0; 16])).unwrap().0;
    cache.store(A, &revision(1, None));
    assert!(cache.load(A).is_some());
}

#[derive(Debug)]
struct Notes(Sender<(u8, u64, u32, u64, u64)>);

impl Trace for Notes {
    fn record(&mut self, Traced { code, size, oid, start, end }: Traced) {
        self.0.send((code as u8, oid.0, size, start.0, end.0)).unwrap();
    }
}

#[test]
fn a_trace_tells_what_zeos_cache_would_tell() {
    let (notes, told) = channel();
    let mut cache = cache();
    cache.trace(Box::new(Notes(notes)));
    let expect = |cache: &mut Cache, does: &dyn Fn(&mut Cache), expected: &[(u8, u64, u32, u64, u64)]| {
        does(cache);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), expected);
    };
    expect(&mut cache, &|_| {}, &[(Code::Opened.number(), 0, 0, 0, 0)]);
    expect(&mut cache, &|cache| drop(cache.load(A)), &[(0x20, 1, 0, 0, 0)]);
    expect(&mut cache, &|cache| cache.store(A, &revision(10, None)), &[(0x52, 1, 20, 10, 0)]);
    expect(&mut cache, &|cache| cache.store(A, &revision(10, None)), &[]);
    expect(&mut cache, &|cache| drop(cache.load(A)), &[(0x22, 1, 20, 10, 0)]);
    expect(&mut cache, &|cache| drop(cache.load_before(A, Tid(11))), &[(0x22, 1, 20, 10, 0)]);
    expect(&mut cache, &|cache| drop(cache.load_before(A, Tid(10))), &[(0x24, 1, 0, 0, 10)]);
    expect(
        &mut cache,
        &|cache| drop(cache.load_before(B, Tid(9))),
        &[(0x20, 2, 0, 0, 0), (0x24, 2, 0, 0, 9)],
    );
    expect(&mut cache, &|cache| cache.store(A, &revision(5, Some(8))), &[(0x54, 1, 20, 5, 8)]);
    expect(&mut cache, &|cache| drop(cache.load_before(A, Tid(7))), &[(0x26, 1, 0, 0, 5)]);
    expect(&mut cache, &|cache| cache.invalidate(B, Tid(51)), &[(0x10, 2, 0, 51, 0)]);
    expect(&mut cache, &|cache| cache.invalidate(A, Tid(51)), &[(0x1C, 1, 0, 51, 0)]);
    expect(&mut cache, &|cache| cache.store(B, &revision(11, None)), &[(0x52, 2, 20, 11, 0)]);
    expect(&mut cache, &|cache| cache.forget(B), &[(0x1E, 2, 0, 0, 0)]);
    expect(
        &mut cache,
        &|cache| cache.store(B, &Revision { data: Bytes::from(vec![0; 20_000]), ..revision(11, None) }),
        &[],
    );
}
