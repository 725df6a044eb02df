use super::*;

/// 2026-11-21 22:25:30 UTC.
const NOW: WallTime = WallTime(1_795_299_930_000_000);

fn storage() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Data.fs");
    Offline::open(&path, true).unwrap().close().unwrap();
    (folder, path)
}

#[test]
fn the_new_transaction_is_later_than_the_clock_the_last_one_and_what_was_asked_for() {
    let (_folder, path) = storage();
    let clock = Tid::at(NOW);
    let first = run(&path, After::Now, false, NOW).unwrap();
    assert_eq!(first, Healed { before: Tid::ZERO, tid: clock, index_unsaved: None });
    let second = run(&path, After::Now, false, NOW).unwrap();
    assert_eq!((second.before, second.tid), (clock, clock.next()));
    let asked = Tid(clock.0 + 1_000_000);
    let third = run(&path, After::Tid(asked), false, NOW).unwrap();
    assert_eq!((third.before, third.tid), (clock.next(), asked.next()));
    let fourth = run(&path, After::Tid(Tid(5)), false, NOW).unwrap();
    assert_eq!(fourth.tid, asked.next().next(), "an earlier one changes nothing");
    assert_eq!(Offline::open(&path, false).unwrap().last_tid(), fourth.tid);
}

#[test]
fn a_year_ahead_is_refused_unless_forced_and_nothing_is_written() {
    let (_folder, path) = storage();
    let before = std::fs::read(&path).unwrap();
    let far = Tid::at(WallTime(NOW.0 + 400 * 24 * 3600 * 1_000_000));
    let error = run(&path, After::Tid(far), false, NOW).unwrap_err();
    assert!(matches!(error, HealError::FarAhead { after } if after == far));
    assert!(error.to_string().contains("is 2027-12-26 22:25:30 UTC, more than a year from now"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(run(&path, After::Tid(far), true, NOW).unwrap().tid, far.next());
    // What is there already is no wish of anybody's.
    assert_eq!(run(&path, After::Now, false, NOW).unwrap().tid, far.next().next());
}

#[test]
fn where_no_later_transaction_can_be_even_force_is_refused() {
    let (_folder, path) = storage();
    for tid in [Tid(u64::MAX), Tid::MAX] {
        let error = run(&path, After::Tid(tid), true, NOW).unwrap_err();
        assert!(matches!(error, HealError::NoneLater(_)), "{error}");
    }
}

#[test]
fn a_file_that_is_held_read_only_or_missing_is_refused() {
    let (folder, path) = storage();
    let held = Offline::open(&path, false).unwrap();
    let error = run(&path, After::Now, false, NOW).unwrap_err().to_string();
    assert!(error.contains(&format!("is in use by process {}", std::process::id())), "{error}");
    drop(held);

    let before = std::fs::read(&path).unwrap();
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    let error = run(&path, After::Now, false, NOW).unwrap_err().to_string();
    assert!(error.ends_with("Data.fs is read-only, and healing writes to it"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let missing = folder.path().join("Other.fs");
    let error = run(&missing, After::Now, false, NOW).unwrap_err().to_string();
    assert!(error.contains("does not exist"), "{error}");
    assert!(!missing.exists());
}

#[test]
fn a_transaction_is_named_as_logs_name_it() {
    assert_eq!(after("now"), Ok(After::Now));
    for text in ["040d2c8182222222", "0x040d2c8182222222", "040D2C8182222222"] {
        assert_eq!(after(text), Ok(After::Tid(Tid(0x040d_2c81_8222_2222))));
    }
    for text in ["", "1", "later", "+40d2c8182222222", "040d2c81822222221"] {
        assert!(after(text).is_err(), "{text}");
    }
}

#[test]
fn what_was_done_is_said() {
    let healed = Healed { before: Tid::at(NOW), tid: Tid::at(NOW).next(), index_unsaved: None };
    let text = healed.to_string();
    let [before, after, ..] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert_eq!(before, "The last transaction was 040d2c8180000000 (2026-11-21 22:25:30 UTC).");
    assert_eq!(after, "It is 040d2c8180000001 (2026-11-21 22:25:30 UTC) now, one that changes no object.");
}
