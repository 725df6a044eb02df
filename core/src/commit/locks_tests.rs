use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn objects(oids: &[u64], mode: Mode) -> Wanted {
    Wanted::Objects(oids.iter().map(|&oid| (Oid(oid), mode)).collect())
}

#[test]
fn disjoint_transactions_hold_their_locks_side_by_side() {
    let mut locks = Locks::default();
    assert!(locks.request(TxnKey(1), objects(&[1, 2], Mode::Exclusive)));
    assert!(locks.request(TxnKey(2), objects(&[3], Mode::Exclusive)));
}

#[test]
fn a_waiter_gets_its_locks_when_the_holder_lets_go() {
    let mut locks = Locks::default();
    assert!(locks.request(TxnKey(1), objects(&[1], Mode::Exclusive)));
    assert!(!locks.request(TxnKey(2), objects(&[1, 2], Mode::Exclusive)));
    assert_eq!(locks.waiting(), 1);
    assert_eq!(locks.release(TxnKey(1)), [TxnKey(2)]);
    assert_eq!(locks.waiting(), 0);
}

#[test]
fn nobody_overtakes_a_waiter_it_conflicts_with() {
    let mut locks = Locks::default();
    assert!(locks.request(TxnKey(1), objects(&[1], Mode::Exclusive)));
    assert!(!locks.request(TxnKey(2), objects(&[1, 2], Mode::Exclusive)));
    assert!(!locks.request(TxnKey(3), objects(&[2], Mode::Exclusive)), "2 came first");
    assert_eq!(locks.release(TxnKey(1)), [TxnKey(2)]);
    assert_eq!(locks.release(TxnKey(2)), [TxnKey(3)]);
}

#[test]
fn read_checks_share_and_a_store_waits_for_all_of_them() {
    let mut locks = Locks::default();
    assert!(locks.request(TxnKey(1), objects(&[1], Mode::Shared)));
    assert!(locks.request(TxnKey(2), objects(&[1], Mode::Shared)));
    assert!(!locks.request(TxnKey(3), objects(&[1], Mode::Exclusive)));
    assert!(!locks.request(TxnKey(4), objects(&[1], Mode::Shared)), "behind the store, or it would starve");
    assert!(locks.release(TxnKey(1)).is_empty());
    assert_eq!(locks.release(TxnKey(2)), [TxnKey(3)]);
    assert_eq!(locks.release(TxnKey(3)), [TxnKey(4)]);
}

#[test]
fn the_whole_storage_is_locked_after_those_before_and_before_those_after() {
    let mut locks = Locks::default();
    assert!(locks.request(TxnKey(1), objects(&[1], Mode::Exclusive)));
    assert!(!locks.request(TxnKey(2), Wanted::Whole));
    assert!(!locks.request(TxnKey(3), objects(&[2], Mode::Exclusive)));
    assert_eq!(locks.release(TxnKey(1)), [TxnKey(2)]);
    assert_eq!(locks.release(TxnKey(2)), [TxnKey(3)]);
}

#[test]
fn a_waiter_that_leaves_lets_those_behind_it_through() {
    let mut locks = Locks::default();
    assert!(locks.request(TxnKey(1), objects(&[1], Mode::Shared)));
    assert!(!locks.request(TxnKey(2), objects(&[1], Mode::Exclusive)));
    assert!(!locks.request(TxnKey(3), objects(&[1], Mode::Shared)));
    assert_eq!(locks.release(TxnKey(2)), [TxnKey(3)]);
}

#[test]
fn more_objects_are_added_at_once_or_not_at_all() {
    let mut locks = Locks::default();
    assert!(locks.request(TxnKey(1), objects(&[1], Mode::Exclusive)));
    assert!(locks.request(TxnKey(2), objects(&[2], Mode::Exclusive)));
    let both = [(Oid(3), Mode::Exclusive), (Oid(2), Mode::Exclusive)];
    assert_eq!(locks.extend(TxnKey(1), &both), Err(Oid(2)));
    assert!(locks.request(TxnKey(3), objects(&[3], Mode::Exclusive)), "nothing was taken of 3");
    let both = [(Oid(1), Mode::Exclusive), (Oid(4), Mode::Exclusive)];
    assert_eq!(locks.extend(TxnKey(1), &both), Ok(()));
    assert!(!locks.request(TxnKey(4), objects(&[4], Mode::Exclusive)));
    assert_eq!(locks.release(TxnKey(1)), [TxnKey(4)]);
}

#[test]
fn releasing_what_was_never_asked_for_is_nothing() {
    assert!(Locks::default().release(TxnKey(9)).is_empty());
}

proptest! {
    #[test]
    fn every_waiter_is_served_and_nothing_is_held_twice(
        wanted in prop::collection::vec(
            prop_oneof![
                9 => prop::collection::btree_map(0u64..6, any::<bool>(), 1..4).prop_map(|objects| {
                    let mode = |shared| if shared { Mode::Shared } else { Mode::Exclusive };
                    Wanted::Objects(objects.into_iter().map(|(oid, shared)| (Oid(oid), mode(shared))).collect())
                }),
                1 => Just(Wanted::Whole),
            ],
            1..40,
        ),
        releases in prop::collection::vec(any::<prop::sample::Index>(), 200),
    ) {
        let mut locks = Locks::default();
        let mut holders = BTreeSet::new();
        let mut served = BTreeSet::new();
        let count = wanted.len();
        let mut releases = releases.into_iter();
        for (key, wanted) in wanted.into_iter().enumerate() {
            let key = TxnKey(key as u64);
            if locks.request(key, wanted) {
                holders.insert(key);
                served.insert(key);
            }
            locks.check_invariants();
            if holders.len() > 2 {
                let gone = *releases.next().unwrap().get(&holders.iter().copied().collect::<Vec<_>>());
                holders.remove(&gone);
                let ready = locks.release(gone);
                served.extend(&ready);
                holders.extend(ready);
                locks.check_invariants();
            }
        }
        while let Some(gone) = holders.pop_first() {
            let ready = locks.release(gone);
            served.extend(&ready);
            holders.extend(ready);
            locks.check_invariants();
        }
        prop_assert!(locks.is_empty());
        prop_assert_eq!(locks.waiting(), 0);
        prop_assert_eq!(served.len(), count);
    }
}
