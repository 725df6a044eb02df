use super::*;
use crate::history::{Merged, Restore, State, Write};

fn attempt(client: usize, number: u64) -> Attempt {
    Attempt { client: ClientId(client), number }
}

/// A transaction of a client that takes the places from 10 × number on; it begins behind transaction `start`.
fn transaction(client: usize, number: u64, start: u64) -> Transaction {
    let place = |at| Place(10 * number + at);
    Transaction {
        attempt: attempt(client, number),
        start: Tid(start),
        reads: Vec::new(),
        checks: Vec::new(),
        writes: Vec::new(),
        alters: None,
        sets: Vec::new(),
        outcome: Outcome::Failed,
        began: place(1),
        asked: place(2),
        ended: place(3),
    }
}

fn seen(oid: u64, serial: u64, writer: Option<Attempt>) -> Read {
    let state = writer.map(|writer| State { writer, value: 0 });
    Read { oid: Oid(oid), serial: Some(Tid(serial)).filter(|serial| *serial > Tid::ZERO), state }
}

impl Transaction {
    fn reads(mut self, oid: u64, serial: u64, writer: Option<Attempt>) -> Transaction {
        self.reads.push(seen(oid, serial, writer));
        self
    }

    fn checks(mut self, oid: u64, serial: u64) -> Transaction {
        self.checks.push(seen(oid, serial, None));
        self
    }

    fn writes(mut self, oid: u64, base: u64, merged: Option<u64>) -> Transaction {
        self.writes.push(Write { oid: Oid(oid), base: Tid(base), merged: merged.map(Tid), value: 0 });
        self
    }

    /// What it read or wrote last counts to this.
    fn counts(mut self, value: u64) -> Transaction {
        match (self.writes.last_mut(), self.reads.last_mut()) {
            (Some(write), _) => write.value = value,
            (None, Some(Read { state: Some(state), .. })) => state.value = value,
            _ => unreachable!("nothing counts"),
        }
        self
    }

    fn ends(mut self, outcome: Outcome) -> Transaction {
        self.outcome = outcome;
        self
    }
}

/// Somebody merged with a revision of object 1.
fn merged_with(serial: u64, writer: Attempt, value: u64) -> Merged {
    Merged { oid: Oid(1), serial: Tid(serial), state: State { writer, value }, at: Place(45) }
}

fn committed(tid: u64) -> Outcome {
    Outcome::Committed(Tid(tid))
}

/// Client 0 makes objects 1 and 2 in transaction 1, and changes both in transaction 2.
fn two() -> Vec<Transaction> {
    let maker = attempt(0, 1);
    vec![
        transaction(0, 1, 0).writes(1, 0, None).writes(2, 0, None).ends(committed(1)),
        transaction(0, 2, 1)
            .reads(1, 1, Some(maker))
            .reads(2, 1, Some(maker))
            .writes(1, 1, None)
            .writes(2, 1, None)
            .ends(committed(2)),
    ]
}

fn judged(more: impl IntoIterator<Item = Transaction>) -> Result<(), Contradiction> {
    let mut transactions = two();
    transactions.extend(more);
    judge(&History { transactions, ..History::default() })
}

#[test]
fn reads_of_a_snapshot_are_good_and_so_is_a_snapshot_of_the_past() {
    let past = transaction(1, 3, 1).reads(1, 1, Some(attempt(0, 1))).reads(2, 1, None).reads(3, 0, None);
    let present = transaction(1, 4, 2).reads(1, 2, Some(attempt(0, 2)));
    assert_eq!(judged([past, present]), Ok(()));
}

#[test]
fn a_read_that_mixes_two_snapshots_is_caught() {
    let mixed = transaction(1, 3, 2).reads(1, 2, None).reads(2, 1, None);
    assert!(matches!(judged([mixed]), Err(Contradiction::Snapshot { oid: Oid(2), .. })));
    let missing = transaction(1, 3, 2).reads(1, 0, None);
    assert!(matches!(judged([missing]), Err(Contradiction::Snapshot { oid: Oid(1), .. })));
}

#[test]
fn a_lost_update_is_caught_and_a_merged_one_is_good() {
    let stale = transaction(1, 3, 1).reads(1, 1, None).writes(1, 1, None).ends(committed(3));
    assert!(matches!(judged([stale.clone()]), Err(Contradiction::LostUpdate { .. })));
    let merged = transaction(1, 3, 1).reads(1, 1, None).writes(1, 1, Some(2)).ends(committed(3));
    assert_eq!(judged([merged]), Ok(()));
    assert_eq!(judged([stale.ends(Outcome::Failed)]), Ok(()));
}

#[test]
fn a_read_check_that_did_not_hold_is_caught() {
    let held = transaction(1, 3, 1).checks(1, 2).writes(3, 0, None).ends(committed(3));
    assert_eq!(judged([held]), Ok(()));
    let stale = transaction(1, 3, 1).checks(1, 1).writes(3, 0, None).ends(committed(3));
    assert!(matches!(judged([stale]), Err(Contradiction::ReadCheck { .. })));
}

#[test]
fn an_unknown_commit_is_there_as_a_whole_or_not_at_all() {
    let unknown = transaction(0, 3, 2).writes(1, 2, None).writes(2, 2, None).ends(Outcome::Unknown);
    let absent = transaction(1, 4, 3).reads(1, 2, None).reads(2, 2, None);
    assert_eq!(judged([unknown.clone(), absent]), Ok(()));
    let writer = Some(attempt(0, 3));
    let present = transaction(1, 4, 3).reads(1, 3, writer).reads(2, 3, writer);
    assert_eq!(judged([unknown.clone(), present]), Ok(()));
    let half = transaction(1, 4, 3).reads(1, 3, writer).reads(2, 2, None);
    assert!(matches!(judged([unknown.clone(), half]), Err(Contradiction::Snapshot { .. })));
    let twice = transaction(1, 4, 4).reads(1, 3, writer).reads(2, 4, writer);
    assert!(matches!(judged([unknown, twice]), Err(Contradiction::TwoTids(..))));
}

#[test]
fn an_unknown_commit_that_somebody_merged_with_is_there() {
    let unknown = transaction(0, 3, 2).writes(1, 2, None).ends(Outcome::Unknown);
    let merged = transaction(1, 4, 2).writes(1, 2, Some(3)).ends(committed(4));
    let mut transactions = two();
    transactions.extend([unknown, merged]);
    let mut history = History { transactions, ..History::default() };
    assert!(matches!(judge(&history), Err(Contradiction::LostUpdate { .. })));
    history.merged.push(merged_with(3, attempt(0, 3), 0));
    assert_eq!(judge(&history), Ok(()));
}

#[test]
fn what_was_refused_and_what_nobody_wrote_is_never_read() {
    let failed = transaction(0, 3, 2).writes(1, 2, None);
    let undead = transaction(1, 4, 3).reads(1, 3, Some(attempt(0, 3)));
    assert!(matches!(judged([failed, undead]), Err(Contradiction::Undead { .. })));
    let nobodys = transaction(1, 4, 3).reads(1, 3, Some(attempt(7, 7)));
    assert!(matches!(judged([nobodys]), Err(Contradiction::Unwritten { .. })));
    let others = transaction(1, 4, 3).reads(3, 2, Some(attempt(0, 2)));
    assert!(matches!(judged([others]), Err(Contradiction::Unwritten { .. })));
}

#[test]
fn two_transactions_with_one_tid_are_caught() {
    let same = transaction(1, 3, 1).writes(3, 0, None).ends(committed(2));
    assert!(matches!(judged([same]), Err(Contradiction::OneTid(..))));
}

#[test]
fn a_tid_that_falls_in_time_is_caught_unless_both_were_under_way() {
    let mut transactions = two();
    transactions[1].outcome = committed(5);
    let mut earlier = transaction(1, 3, 1).writes(3, 0, None).ends(committed(4));
    transactions.push(earlier.clone());
    let history =
        |transactions: &[Transaction]| History { transactions: transactions.to_vec(), ..History::default() };
    assert!(matches!(judge(&history(&transactions)), Err(Contradiction::RealTime { .. })));
    (earlier.began, earlier.asked) = (Place(21), Place(22));
    transactions[2] = earlier;
    assert_eq!(judge(&history(&transactions)), Ok(()));
}

#[test]
fn a_client_that_goes_back_is_caught_unless_it_was_started_again() {
    let mut transactions = two();
    transactions.push(transaction(0, 3, 1).reads(1, 1, None));
    let mut history = History { transactions, ..History::default() };
    assert!(matches!(judge(&history), Err(Contradiction::Session { .. })));
    history.restarts.push((ClientId(0), Place(30)));
    assert_eq!(judge(&history), Ok(()));
}

#[test]
fn what_an_undo_left_is_current_and_has_the_data_of_another() {
    let undo = |outcome| Transaction {
        alters: Some(Alters::Undo(Tid(2))),
        sets: vec![Oid(1), Oid(2)],
        ..transaction(1, 3, 2).ends(outcome)
    };
    let after = |serial, writer| transaction(1, 4, 3).reads(1, serial, Some(attempt(0, writer)));
    assert_eq!(judged([undo(committed(3)), after(3, 1)]), Ok(()));
    let stale = judged([undo(committed(3)), after(2, 2)]);
    assert!(matches!(stale, Err(Contradiction::Snapshot { .. })), "{stale:?}");
    assert!(judged([undo(Outcome::Failed), after(3, 1)]).is_err(), "it left nothing");
    let over = |base| transaction(1, 4, 3).writes(1, base, None).ends(committed(4));
    assert_eq!(judged([undo(committed(3)), over(3)]), Ok(()));
    assert!(matches!(judged([undo(committed(3)), over(2)]), Err(Contradiction::LostUpdate { .. })));
}

#[test]
fn what_a_deletion_left_is_read_as_nothing_and_was_there_before() {
    let deletion = Transaction {
        alters: Some(Alters::Delete),
        sets: vec![Oid(1)],
        ..transaction(1, 3, 2).ends(committed(3))
    };
    let none = |start| transaction(1, 4, start).reads(1, 0, None);
    assert_eq!(judged([deletion.clone(), none(3)]), Ok(()));
    assert!(matches!(judged([deletion, none(2)]), Err(Contradiction::Snapshot { .. })));
}

#[test]
fn a_backup_takes_away_what_came_after_it_and_nothing_else() {
    let mut transactions = two();
    transactions.push(transaction(1, 4, 1).reads(1, 1, None).writes(1, 1, None).ends(committed(3)));
    transactions.push(transaction(2, 5, 3).reads(1, 3, None).reads(2, 1, None));
    let restores = vec![Restore { at: Place(35), kept: Tid(1), time: Tid(3) }];
    let mut history = History { transactions, restores, ..History::default() };
    assert_eq!(judge(&history), Ok(()));
    history.restores[0].kept = Tid(2);
    assert!(judge(&history).is_err(), "2 was kept, and 4 changed object 1 over 1");
}

#[test]
fn what_was_answered_after_a_backup_is_of_the_order_that_its_tid_tells() {
    let over = |base: u64, time: u64| {
        let mut transactions = two();
        // Asked for before the backup, answered after it.
        let mut late = transaction(1, 4, 1).writes(1, base, None).ends(committed(7));
        (late.began, late.asked, late.ended) = (Place(31), Place(32), Place(40));
        transactions.push(late);
        let restores = vec![Restore { at: Place(35), kept: Tid(1), time: Tid(time) }];
        judge(&History { transactions, restores, ..History::default() })
    };
    assert_eq!((over(2, 8), over(1, 6)), (Ok(()), Ok(())));
    assert!(over(1, 8).is_err() && over(2, 6).is_err());
}

#[test]
fn what_a_backup_took_away_was_seen_before_and_left_nothing_after() {
    let read = |kept: u64| {
        let mut transactions = two();
        let writer = Some(attempt(1, 3));
        let mut taken = transaction(1, 3, 2).writes(1, 2, None).ends(Outcome::Failed);
        taken.ended = Place(50);
        let mut reader = transaction(0, 4, 3).reads(1, 3, writer);
        reader.ended = Place(51);
        transactions.extend([taken, reader]);
        let restores = vec![Restore { at: Place(45), kept: Tid(kept), time: Tid(5) }];
        judge(&History { transactions, restores, ..History::default() })
    };
    assert_eq!(read(2), Ok(()));
    assert!(matches!(read(3), Err(Contradiction::Undead { .. })), "the backup has it");
}

/// Client 0 makes object 1, then counts to 1, and client 1 counts on in a merge with that.
fn counted() -> Vec<Transaction> {
    vec![
        transaction(0, 1, 0).writes(1, 0, None).ends(committed(1)),
        transaction(0, 2, 1).reads(1, 1, Some(attempt(0, 1))).writes(1, 1, None).counts(1).ends(committed(2)),
        transaction(1, 3, 1).reads(1, 1, Some(attempt(0, 1))).writes(1, 1, Some(2)).ends(committed(3)),
    ]
}

fn judged_with(more: impl IntoIterator<Item = Transaction>) -> Result<(), Contradiction> {
    let transactions = counted().into_iter().chain(more).collect();
    judge(&History { transactions, ..History::default() })
}

#[test]
fn every_increment_counts_once_and_merged_ones_too() {
    let read = |value| transaction(2, 4, 3).reads(1, 3, Some(attempt(1, 3))).counts(value);
    assert_eq!(judged_with([read(2)]), Ok(()));
    for value in [1, 3] {
        let told = judged_with([read(value)]);
        assert!(matches!(told, Err(Contradiction::Value { value: 2, .. })), "{value}: {told:?}");
    }
}

#[test]
fn what_somebody_merged_with_counts_as_everything_before_it() {
    let merged = |value| {
        let merged = vec![merged_with(3, attempt(1, 3), value)];
        judge(&History { transactions: counted(), merged, ..History::default() })
    };
    assert_eq!(merged(2), Ok(()));
    assert!(matches!(merged(1), Err(Contradiction::Value { .. })));
}

#[test]
fn an_undo_counts_to_what_was_before_the_undone() {
    let undo = Transaction {
        alters: Some(Alters::Undo(Tid(3))),
        sets: vec![Oid(1)],
        ..transaction(0, 4, 3).ends(committed(4))
    };
    let read = |value| transaction(2, 5, 4).reads(1, 4, Some(attempt(0, 2))).counts(value);
    assert_eq!(judged_with([undo.clone(), read(1)]), Ok(()));
    assert!(matches!(judged_with([undo, read(2)]), Err(Contradiction::Value { value: 1, .. })));
}

#[test]
fn of_what_an_unanswered_undo_may_have_changed_anything_is_true_and_of_nothing_else() {
    let undo =
        Transaction { alters: Some(Alters::Undo(Tid(2))), ..transaction(1, 3, 2).ends(Outcome::Unknown) };
    // Transaction 2 changed objects 1 and 2; 7 was made before it.
    let mut transactions = two();
    transactions[0] = transactions[0].clone().writes(7, 0, None);
    transactions.push(undo);
    let judged = |reader: Transaction| {
        let transactions = transactions.iter().cloned().chain([reader]).collect();
        judge(&History { transactions, ..History::default() })
    };
    let reader = || transaction(2, 4, 3);
    assert_eq!(judged(reader().reads(1, 3, Some(attempt(0, 1)))), Ok(()), "it happened");
    assert_eq!(judged(reader().reads(1, 2, Some(attempt(0, 2)))), Ok(()), "it did not");
    assert_eq!(judged(reader().writes(1, 3, None).ends(committed(4))), Ok(()), "it happened");
    assert!(matches!(judged(reader().reads(7, 0, None)), Err(Contradiction::Snapshot { .. })));
    let before = Transaction {
        began: Place(25),
        asked: Place(26),
        ..transaction(2, 3, 2).reads(1, 1, Some(attempt(0, 1)))
    };
    assert!(matches!(judged(before), Err(Contradiction::Snapshot { .. })), "nobody had asked for it");
}

#[test]
fn what_was_seen_before_anybody_asked_for_the_undo_is_what_was_stored() {
    let unknown = transaction(0, 2, 1).writes(1, 1, None).counts(1).ends(Outcome::Unknown);
    let merging = transaction(1, 3, 1).writes(1, 1, Some(2)).ends(committed(3));
    let undo =
        Transaction { alters: Some(Alters::Undo(Tid(3))), ..transaction(0, 4, 3).ends(Outcome::Unknown) };
    let read = transaction(2, 9, 3).reads(1, 3, Some(attempt(1, 3))).counts(2);
    let read = Transaction { began: Place(38), asked: Place(40), ..read };
    let transactions = vec![counted()[0].clone(), unknown, merging, undo, read];
    let merged = vec![Merged { at: Place(33), ..merged_with(2, attempt(0, 2), 1) }];
    assert_eq!(judge(&History { transactions, merged, ..History::default() }), Ok(()));
}

#[test]
fn an_unanswered_deletion_leaves_the_rest_of_the_history_to_be_judged() {
    let deletion = Transaction {
        alters: Some(Alters::Delete),
        sets: vec![Oid(1)],
        ..transaction(1, 3, 2).ends(Outcome::Unknown)
    };
    let none = |oid| transaction(2, 4, 3).reads(oid, 0, None);
    assert_eq!(judged([deletion.clone(), none(1)]), Ok(()));
    assert!(matches!(judged([deletion, none(2)]), Err(Contradiction::Snapshot { .. })));
}

#[test]
fn a_copied_transaction_is_of_the_order_in_which_it_was_committed() {
    let copy = |asked: u64, ended: u64| Transaction {
        alters: Some(Alters::Restore),
        sets: vec![Oid(5)],
        asked: Place(asked),
        ended: Place(ended),
        ..transaction(1, 4, 1).ends(committed(4))
    };
    let judged = |copy: Transaction, oid: u64, base: u64| {
        let late =
            Transaction { began: Place(70), asked: Place(71), ended: Place(72), ..transaction(2, 7, 5) };
        let late = late.writes(oid, base, None).ends(committed(6));
        let transactions = two().into_iter().chain([copy, late]).collect();
        let restores = vec![Restore { at: Place(45), kept: Tid(1), time: Tid(3) }];
        judge(&History { transactions, restores, ..History::default() })
    };
    let lost = |told| matches!(told, Err(Contradiction::LostUpdate { .. }));
    assert_eq!(judged(copy(46, 47), 5, 4), Ok(()));
    assert!(lost(judged(copy(46, 47), 5, 0)));
    // Its tid is later than the backup, and it was committed before: the backup took it away.
    assert_eq!(judged(copy(41, 42), 5, 0), Ok(()));
    assert!(lost(judged(copy(41, 42), 5, 4)));
    // Nobody knows of which order it is.
    assert_eq!((judged(copy(41, 47), 5, 0), judged(copy(41, 47), 5, 4)), (Ok(()), Ok(())));
    assert!(lost(judged(copy(41, 47), 2, 0)), "object 2 was made in transaction 1");
}
