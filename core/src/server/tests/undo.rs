//! Undo: the log of what can be undone, and transactions that undo others.

use super::super::ConnId;
use super::super::config::Config;
use super::super::testing::{CODECS, Hold, Medium, Rig, row};
use super::tx::{Tx, commit, current, error};
use crate::commit::merged::Merged;
use crate::ids::{Oid, Tid};
use crate::wire::call::undo_id;
use crate::wire::tree::Owned;

/// Runs a test over a file in both encodings.
fn on_files(test: impl Fn(Rig, ConnId)) {
    for codec in CODECS {
        let mut rig = Rig::new(Medium::File, Config { codec, ..Config::default() });
        let conn = rig.client();
        test(rig, conn);
    }
}

/// A transaction that undoes others.
fn undoing(rig: &mut Rig, conn: ConnId, tids: &[Tid]) -> Tx {
    let tx = Tx::begin(rig, conn, 55);
    for tid in tids {
        rig.one_way(conn, "undoa", row![undo_id::of(*tid).to_vec(), 55]);
    }
    tx
}

fn undo(rig: &mut Rig, conn: ConnId, tids: &[Tid], oids: &[u64]) -> Tid {
    let tx = undoing(rig, conn, tids);
    let expected = Owned::Tuple(oids.iter().map(|oid| Oid(*oid).into()).collect());
    assert_eq!(tx.vote(rig), Ok(expected), "the committer has no states of its own");
    tx.finish(rig)
}

fn state(rig: &mut Rig, conn: ConnId, oid: u64) -> Option<String> {
    current(rig, conn, oid).map(|(state, _)| state)
}

/// A record of an object of this class.
fn record(module: &str, state: &str) -> String {
    format!("c{module}\nThing\n.V{state}\n.")
}

#[test]
fn an_undo_sets_back_redoes_and_uncreates() {
    on_files(|mut rig, a| {
        let b = rig.client();
        let first = commit(&mut rig, a, &[(1, Tid::ZERO, "one"), (2, Tid::ZERO, "two")]);
        let second = commit(&mut rig, a, &[(1, first, "changed")]);
        let undone = undo(&mut rig, a, &[second], &[1]);
        assert_eq!(rig.inbox(b).last().unwrap(), "invalidateTransaction(T3, [1])");
        assert_eq!(current(&mut rig, b, 1), Some(("one".into(), undone)));
        let redone = undo(&mut rig, a, &[undone], &[1]);
        assert_eq!(current(&mut rig, b, 1), Some(("changed".into(), redone)));
        undo(&mut rig, a, &[redone], &[1]);
        let gone = undo(&mut rig, a, &[first], &[1, 2]);
        assert_eq!((state(&mut rig, b, 1), state(&mut rig, b, 2)), (None, None), "the creation is undone");
        undo(&mut rig, a, &[gone], &[1, 2]);
        assert_eq!(state(&mut rig, b, 1).unwrap(), "one");
        let mut rig = rig.reopen();
        let a = rig.client();
        assert_eq!(
            (state(&mut rig, a, 1).unwrap(), state(&mut rig, a, 2).unwrap()),
            ("one".into(), "two".into())
        );
    });
}

#[test]
fn several_undos_in_one_transaction_see_each_other() {
    on_files(|mut rig, a| {
        let mut tids = vec![commit(&mut rig, a, &[(1, Tid::ZERO, "0")])];
        for state in ["1", "2", "3"] {
            tids.push(commit(&mut rig, a, &[(1, *tids.last().unwrap(), state)]));
        }
        undo(&mut rig, a, &[tids[3], tids[2]], &[1]);
        assert_eq!(state(&mut rig, a, 1).unwrap(), "1");
        let tx = undoing(&mut rig, a, &[tids[1], tids[0]]);
        assert_eq!(tx.vote(&mut rig), Ok(row![Oid(1)]), "what the undone ones left is what the second wrote");
        tx.finish(&mut rig);
        assert_eq!(state(&mut rig, a, 1), None);
    });
}

#[test]
fn stores_and_undos_of_one_transaction_count_in_their_order() {
    on_files(|mut rig, a| {
        let first = commit(&mut rig, a, &[(1, Tid::ZERO, "a"), (2, Tid::ZERO, "x")]);
        let second = commit(&mut rig, a, &[(1, first, "b"), (2, first, "y")]);
        let tx = undoing(&mut rig, a, &[second]);
        tx.store(&mut rig, 1, second, "stored");
        assert_eq!(tx.vote(&mut rig), Ok(row![Oid(2)]), "the client knows what it has stored");
        let third = tx.finish(&mut rig);
        assert_eq!(
            (state(&mut rig, a, 1).unwrap(), state(&mut rig, a, 2).unwrap()),
            ("stored".into(), "x".into())
        );

        let tx = Tx::begin(&mut rig, a, 55).store(&mut rig, 1, third, "again");
        rig.one_way(a, "undoa", row![undo_id::of(third).to_vec(), 55]);
        let refused = error(tx.vote(&mut rig));
        assert!(refused.starts_with("MultipleUndoErrors: 1 objects"), "it was stored before: {refused}");

        let tx = undoing(&mut rig, a, &[first]);
        for (oid, state) in [(1, "c"), (2, "z")] {
            tx.store(&mut rig, oid, third, state);
        }
        let refused = error(tx.vote(&mut rig));
        assert!(refused.starts_with("MultipleUndoErrors: 1 objects"), "a store hides no refusal: {refused}");

        let tx = undoing(&mut rig, a, &[third, second, first]);
        tx.store(&mut rig, 1, third, "new");
        assert_eq!(tx.vote(&mut rig), Ok(row![Oid(2)]), "undos beneath a store see each other");
        tx.finish(&mut rig);
        assert_eq!((state(&mut rig, a, 1).unwrap(), state(&mut rig, a, 2)), ("new".into(), None));
    });
}

#[test]
fn what_was_changed_since_is_not_set_back() {
    on_files(|mut rig, a| {
        let first = commit(&mut rig, a, &[(1, Tid::ZERO, "x"), (2, Tid::ZERO, "y")]);
        let second = commit(&mut rig, a, &[(1, first, "x2"), (2, first, "y2")]);
        let third = commit(&mut rig, a, &[(1, second, "x3")]);
        let refused = error(undoing(&mut rig, a, &[second]).vote(&mut rig));
        assert!(refused.starts_with("MultipleUndoErrors: 1 objects"), "{refused}");
        assert_eq!(state(&mut rig, a, 2).unwrap(), "y2", "nothing of it was done");
        let refused = error(undoing(&mut rig, a, &[first]).vote(&mut rig));
        assert!(refused.starts_with("MultipleUndoErrors: 2 objects"), "{refused}");
        let same = commit(&mut rig, a, &[(1, third, "x2")]);
        undo(&mut rig, a, &[second], &[1, 2]);
        assert_eq!(state(&mut rig, a, 1).unwrap(), "x", "the state is again what it wrote");
        assert!(current(&mut rig, a, 1).unwrap().1 > same);
    });
}

#[test]
fn what_its_client_can_merge_is_left_to_the_client() {
    on_files(|mut rig, a| {
        let tree = |state: &str| record("BTrees.OOBTree", state);
        let first = commit(&mut rig, a, &[(1, Tid::ZERO, &tree("a"))]);
        let second = commit(&mut rig, a, &[(1, first, &tree("b"))]);
        let third = commit(&mut rig, a, &[(1, second, &tree("c"))]);
        let tx = undoing(&mut rig, a, &[second]);
        let conflict = |data: String| {
            let pair = |key: &str, value: Owned| (key.into(), value);
            let serials = row![third, second];
            let data = Owned::Bytes(data.into_bytes());
            Owned::Dict(vec![pair("oid", Oid(1).into()), pair("serials", serials), pair("data", data)])
        };
        assert_eq!(tx.vote(&mut rig), Ok(row![conflict(tree("a"))]));
        tx.store(&mut rig, 1, third, &tree("merged"));
        let made = tx.voted(&mut rig).finish(&mut rig);
        assert_eq!(current(&mut rig, a, 1), Some((tree("merged"), made)));
    });
}

#[test]
fn changes_of_named_classes_are_left_to_the_client_and_of_others_refused() {
    let merged = Merged::with(["app.Thing".to_owned()]);
    for (module, is_left) in [("app", true), ("app.more", false), ("other", false), ("BTrees.OOBTree", true)]
    {
        let mut rig = Rig::new(Medium::File, Config { merged: merged.clone(), ..Config::default() });
        let a = rig.client();
        let mut tids = vec![Tid::ZERO];
        for state in ["a", "b", "c"] {
            tids.push(commit(&mut rig, a, &[(1, *tids.last().unwrap(), &record(module, state))]));
        }
        let vote = undoing(&mut rig, a, &[tids[2]]).vote(&mut rig);
        match is_left {
            true => assert!(matches!(vote, Ok(Owned::Tuple(conflicts)) if conflicts.len() == 1), "{module}"),
            false => assert!(error(vote).starts_with("MultipleUndoErrors: 1 objects"), "{module}"),
        }
    }
}

#[test]
fn an_unknown_or_packed_transaction_cannot_be_undone() {
    on_files(|mut rig, a| {
        let copied = Tx::copy(&mut rig, a, 7, Some(Tid(77)), "p").store(&mut rig, 1, Tid::ZERO, "x");
        copied.voted(&mut rig).finish(&mut rig);
        let last = commit(&mut rig, a, &[(2, Tid::ZERO, "y")]);
        for tid in [Tid::ZERO, Tid(76), Tid(77), Tid(78), last.next(), Tid(u64::MAX)] {
            let refused = error(undoing(&mut rig, a, &[tid]).vote(&mut rig));
            assert!(refused.starts_with("UndoError: "), "{refused}");
        }
        let refused = error(undoing(&mut rig, a, &[last, Tid(5)]).vote(&mut rig));
        assert!(refused.starts_with("UndoError: "), "{refused}");
        assert_eq!(state(&mut rig, a, 2).unwrap(), "y");
        undo(&mut rig, a, &[last], &[2]);
    });
}

#[test]
fn an_undo_waits_for_its_objects_and_looks_at_them_as_they_are_then() {
    on_files(|mut rig, a| {
        let b = rig.client();
        let first = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        let second = commit(&mut rig, a, &[(1, first, "y")]);
        let holder = Tx::begin(&mut rig, b, 8).store(&mut rig, 1, second, "z").voted(&mut rig);
        let tx = undoing(&mut rig, a, &[second]);
        let vote = tx.ask_vote(&mut rig);
        assert_eq!(rig.answer(a, &vote), None);
        holder.finish(&mut rig);
        let refused = error(rig.answer(a, &vote).unwrap());
        assert!(refused.starts_with("MultipleUndoErrors: "), "{refused}");
        assert_eq!(state(&mut rig, a, 1).unwrap(), "z");
    });
}

#[test]
fn an_undo_that_ends_while_the_disk_is_asked_leaves_nothing() {
    for reads in 1..4 {
        for hangs_up in [false, true] {
            let mut rig = Rig::file();
            let (a, b) = (rig.client(), rig.client());
            let first = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
            let second = commit(&mut rig, a, &[(1, first, "y")]);
            let tx = undoing(&mut rig, a, &[second]);
            rig.hold(Hold::Reads);
            tx.ask_vote(&mut rig);
            for _ in 1..reads {
                rig.release(Hold::Reads);
            }
            if hangs_up {
                rig.hang_up(a);
            } else {
                tx.abort(&mut rig);
            }
            rig.let_go(Hold::Reads);
            commit(&mut rig, b, &[(1, second, "z")]);
        }
    }
}

#[test]
fn the_undo_log_tells_the_newest_first_up_to_the_last_pack() {
    on_files(|mut rig, a| {
        assert_eq!(rig.call(a, "undoLog", row![0, -20]), Ok(row![]));
        let packed = Tx::copy(&mut rig, a, 7, Some(Tid(77)), "p").store(&mut rig, 9, Tid::ZERO, "x");
        packed.voted(&mut rig).finish(&mut rig);
        let mut tids = Vec::new();
        for oid in 1..6 {
            tids.push(commit(&mut rig, a, &[(oid, Tid::ZERO, "x")]));
        }
        tids.reverse();
        let mut told = |method: &str, args| {
            let Ok(Owned::Tuple(entries)) = rig.call(a, method, args) else { panic!("a list") };
            let id = |entry: Owned| match entry {
                Owned::Dict(pairs) => match &pairs[0] {
                    (Owned::Str(key), Owned::Bytes(id)) if key == "id" => undo_id::read(id).unwrap(),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other}"),
            };
            entries.into_iter().map(id).collect::<Vec<_>>()
        };
        for (first, last, expected) in [
            (0, -20, &tids[..]),
            (0, -2, &tids[..2]),
            (1, -2, &tids[1..3]),
            (1, 3, &tids[1..3]),
            (0, 0, &[]),
            (7, 9, &[]),
            (-1, 2, &tids[..2]),
            (i64::MIN, i64::MIN, &[]),
            (i64::MAX, i64::MIN, &[]),
        ] {
            assert_eq!(told("undoLog", row![first, last]), expected, "{first} {last}");
            assert_eq!(told("undoInfo", row![first, last, Owned::None]), expected, "{first} {last}");
        }
        let of = |key: &str, value: Owned| Owned::Dict(vec![(key.into(), value)]);
        assert_eq!(told("undoInfo", row![0, -20, of("user_name", b"".to_vec().into())]), tids);
        assert_eq!(told("undoInfo", row![0, -20, of("user_name", b"else".to_vec().into())]), []);
        let id = undo_id::of(tids[2]).to_vec();
        assert_eq!(told("undoInfo", row![0, -20, of("id", id.into())]), &tids[2..3]);
    });
}

#[test]
fn a_storage_in_memory_undoes_nothing_and_says_so() {
    let mut rig = Rig::memory();
    let a = rig.client();
    for method in ["undoLog", "undoInfo"] {
        let range = if method == "undoLog" { row![0, 5] } else { row![0, 5, Owned::None] };
        assert_eq!(rig.call(a, method, range), Ok(Owned::Tuple(Vec::new())));
    }
    assert_eq!(
        error(rig.call(a, "undoa", row![undo_id::of(Tid(1)).to_vec(), 5])),
        "Unsupported: this server does not support undoa"
    );
}
