//! Random histories, packed at every time: what shows afterwards is what a plain model says.

use super::{End, Nothing, pack, state, transaction};
use crate::ids::{Oid, Tid};
use crate::rng::{Rng, Seed};
use crate::store::Revision;
use crate::store::file::testing::{Disk, Session};
use std::collections::{BTreeMap, BTreeSet};

/// Every object's revisions: its state with what it refers to, or `None` for a deletion.
type Model = BTreeMap<u64, Vec<Written>>;

/// By which transaction, and what.
type Written = (u64, Option<(String, Vec<u64>)>);

const OBJECTS: u64 = 9;

/// What an object was just before `before`.
fn at(model: &Model, oid: u64, before: u64) -> Option<&Written> {
    model.get(&oid)?.iter().rev().find(|(tid, _)| *tid < before)
}

fn grow(rng: &mut Rng, session: &mut Session<'_>) -> (Model, u64) {
    let mut model = Model::new();
    let count = 3 + rng.below(12);
    for number in 0..count {
        let tid = 10 * (number + 1);
        let mut written = BTreeMap::new();
        if number == 0 {
            written.insert(0, Some(("root".to_owned(), vec![])));
        }
        for _ in 0..rng.below(4) {
            let oid = rng.below(OBJECTS);
            let known: Vec<u64> = (1..OBJECTS)
                .filter(|oid| at(&model, *oid, tid).is_some_and(|(_, state)| state.is_some()))
                .collect();
            let references =
                (0..rng.below(3)).filter_map(|_| known.get(rng.below(OBJECTS) as usize).copied()).collect();
            let deleted = oid > 0 && model.contains_key(&oid) && rng.chance(1, 3);
            written.insert(oid, (!deleted).then(|| (format!("{oid}@{tid}"), references)));
        }
        let records = written
            .iter()
            .map(|(oid, written)| (*oid, written.as_ref().map(|(text, references)| state(text, references))));
        session.append(vec![transaction(tid, records.collect())]);
        for (oid, state) in written {
            model.entry(oid).or_default().push((tid, state));
        }
    }
    (model, 10 * count)
}

/// What the root reaches at `stop`; `None` where something is missing.
fn reached(model: &Model, stop: u64) -> Option<BTreeSet<u64>> {
    let (mut reached, mut waiting) = (BTreeSet::new(), vec![0]);
    while let Some(oid) = waiting.pop() {
        if reached.insert(oid) {
            let (_, references) = at(model, oid, stop + 1)?.1.as_ref()?;
            waiting.extend(references);
        }
    }
    Some(reached)
}

/// What a storage that was packed to `stop` must say of an object before a tid behind that.
fn expected(model: &Model, stop: u64, stays: bool, oid: u64, before: u64) -> Option<Revision> {
    let (tid, found) = at(model, oid, before).filter(|(tid, _)| *tid > stop || stays)?;
    let (text, references) = found.as_ref()?;
    let until = model[&oid].iter().find(|(later, _)| later > tid).map(|(later, _)| Tid(*later));
    Some(Revision { data: state(text, references), serial: Tid(*tid), until })
}

#[test]
fn what_shows_after_a_pack_is_what_a_model_says() {
    let (mut packed, mut refused) = (0, 0);
    for seed in 0..600 {
        let mut rng = Rng::new(Seed(seed));
        let mut disk = Disk::default();
        let mut session = Session { store: disk.open().store, disk: &mut disk };
        let (model, last) = grow(&mut rng, &mut session);
        let gc = rng.chance(1, 2);
        let stop = rng.below(last + 15);
        let kept = if gc { reached(&model, stop) } else { Some((0..OBJECTS).collect()) };
        let end = pack(&mut session, stop, gc, false);
        let Some(kept) = kept.or_else(|| (stop < 10).then(BTreeSet::new)) else {
            assert!(matches!(end, End::Failed(_)), "seed {seed}: {end:?}");
            refused += 1;
            continue;
        };
        match end {
            End::Done => packed += 1,
            End::Nothing(Nothing::Needed) => {}
            other => panic!("seed {seed}: {other:?}"),
        }
        assert_eq!(session.store.last_tid(), Tid(last), "the last tid never falls");
        for session in [&mut session] {
            for oid in 0..OBJECTS {
                for before in (stop + 1..=last + 1).step_by(3).chain([u64::MAX]) {
                    let shown = session.before(Oid(oid), Tid(before)).ok().flatten();
                    let expected = expected(&model, stop, kept.contains(&oid), oid, before);
                    assert_eq!(shown, expected, "seed {seed}: {oid} before {before}, packed to {stop}");
                }
            }
        }
        let again = pack(&mut session, stop, gc, false);
        assert!(matches!(again, End::Nothing(_)), "seed {seed}: packed twice, {again:?}");
    }
    assert!(packed > 200 && refused > 2, "{packed} packed, {refused} refused");
}

#[test]
fn waves_that_do_not_fit_and_chains_are_marked_all_the_same() {
    let mut disk = Disk::default();
    let mut session = Session { store: disk.open().store, disk: &mut disk };
    // More children than a wave holds, each with one of its own.
    let children: u64 = (1 << 16) + 500;
    let references: Vec<u64> = (1..=children).collect();
    session.append(vec![transaction(10, vec![(0, Some(state("root", &references)))])]);
    let child = |oid: u64| (oid, Some(state("child", &[oid + children])));
    let grandchild = |oid: u64| (oid + children, Some(state("grandchild", &[])));
    session.append(vec![transaction(20, (1..=children).rev().map(child).collect())]);
    session.append(vec![transaction(30, (1..=children).map(grandchild).collect())]);
    session.append(vec![transaction(40, vec![(3 * children, Some(state("alone", &[])))])]);
    assert_eq!(pack(&mut session, 40, true, false), End::Done);
    assert_eq!(session.store.len(), 2 * children + 1);
    assert_eq!(session.before(Oid(2 * children), Tid::MAX).unwrap().unwrap().data, state("grandchild", &[]));
}
