//! Files as crashes, Python and operators leave them, opened by the real server and judged by Python.
//!
//! The exhaustive tests are those of the core, on a disk in memory; here it is shown that the process says what it
//! found, keeps what it cuts, and leaves a file that Python takes as it is.

use std::fs;

use zeolith_core::wire::Codec;
use zeolith_tests::python::Script;
use zeolith_tests::repetitions;
use zeolith_tests::server::{Config, Maker, Server};

use crate::sample::{FILES, Placed, Sample, Verdicts, beside, opened};
use crate::{printed, run};

/// Opens a broken copy with the real server: it says `line`, among others, and holds `left` afterwards. What was cut is
/// kept in `.tr0`.
fn recovers(sample: &Sample, line: &str, left: &[Placed], verdicts: &mut Verdicts) {
    let (home, log) = sample.put();
    let before = fs::read(&log).expect("the log");
    let told = opened(&home);
    assert!(told.contains(line), "{line:?} is not in\n{told}");
    let end = left.last().map_or(4, |transaction| transaction.end);
    let kept = beside(&log, ".tr0");
    if before.len() > end {
        let cut = format!("{} bytes from byte {end} on are no part of it", before.len() - end);
        assert!(told.contains(&cut), "{cut:?} is not in\n{told}");
        assert!(told.contains(&format!("they were cut off and are kept in {}", kept.display())), "{told}");
        assert_eq!(fs::read(&kept).expect("what was cut"), before[end..]);
    } else {
        assert!(!kept.exists() && !told.contains("no part of it"), "{told}");
    }
    assert!(fs::read(&log).expect("the log") == before[..end], "what was acknowledged stays as it was");
    verdicts.expect(home, &log, left);
}

/// The transactions that end at or before a position.
fn before(sample: &Sample, at: usize) -> &[Placed] {
    let count = sample.transactions.iter().take_while(|transaction| transaction.end <= at).count();
    &sample.transactions[..count]
}

#[test]
fn truncated_in_its_last_two_batches_a_file_keeps_every_transaction_before() {
    let sample = Sample::crashed(0);
    let [.., fourth, _, sixth] = &sample.transactions[..] else { panic!("six transactions") };
    let everywhere = fourth.start..sixth.end;
    let mut cuts: Vec<usize> =
        sample.transactions[3..].iter().flat_map(|placed| placed.fields.clone()).collect();
    // Inside strings, headers and data too.
    cuts.extend([fourth.start + 1, fourth.start + 22, fourth.end - 1, sixth.start + 40, sixth.end - 7]);
    cuts.dedup();
    assert!(cuts.len() > 40);
    let thorough = repetitions(0, 1) == 1;
    let mut verdicts = Verdicts::default();
    for (number, cut) in if thorough { everywhere.collect() } else { cuts }.into_iter().enumerate() {
        for python_was_there in [false, true] {
            // Both at every place when there is time, else one after the other.
            if !thorough && python_was_there != (number % 2 == 0) {
                continue;
            }
            let mut broken = sample.clone();
            broken.log().truncate(cut);
            if python_was_there {
                broken.without_nonce();
            }
            recovers(&broken, "; index: used; ", before(&sample, cut), &mut verdicts);
        }
    }
    verdicts.judge();
}

#[test]
fn an_unusable_index_is_named_and_built_again() {
    let (sample, other) = (Sample::closed(0), Sample::closed(77));
    let stale = Sample::crashed(0).files[1].clone();
    let half = sample.files[1].as_ref().map(|index| index[..index.len() / 2].to_vec());
    let bits = sample.files[1].as_ref().map(|index| {
        let mut index = index.clone();
        // The position that the first object's record is at.
        let at = index.len() - 4 - 2 - 6 * 6;
        index[at] ^= 0x40;
        index
    });
    let mut verdicts = Verdicts::default();
    for (index, line) in [
        (None, "; index: missing; checksums: used; 6 transactions scanned"),
        (stale, "; index: used; checksums: used; 3 transactions scanned"),
        (other.files[1].clone(), "; index: ignored (at byte "),
        (half, "; index: ignored (at byte "),
        (bits, "; index: ignored (at byte "),
        (Some(vec![7; 300]), "; index: ignored (at byte 0: something else than the pickles of an index)"),
        (Some(Vec::new()), "; index: missing; checksums: used; 6 transactions scanned"),
    ] {
        let mut broken = sample.clone();
        broken.files[1] = index;
        recovers(&broken, line, &sample.transactions, &mut verdicts);
    }
    // The index of a longer file, after an older copy of the log was put back.
    let mut shorter = sample.clone();
    shorter.log().truncate(sample.transactions[4].end);
    recovers(&shorter, "; index: ignored (at byte ", &sample.transactions[..5], &mut verdicts);
    verdicts.judge();
}

#[test]
fn unusable_checksums_are_named_and_begun_again() {
    let (sample, other) = (Sample::crashed(0), Sample::crashed(77));
    let mut verdicts = Verdicts::default();
    let header = sample.files[2].clone().map(|mut sums| {
        sums[30] ^= 1;
        sums
    });
    let all = &sample.transactions[..];
    for (sums, line) in [
        (None, "checksums: none of use; 3 transactions scanned"),
        (header, "checksums: ignored (at byte 0: something else than the header of checksums)"),
        (
            other.files[2].clone(),
            "checksums: ignored (at byte 0: checksums of another start than the lock file's)",
        ),
    ] {
        let mut broken = sample.clone();
        broken.files[2] = sums;
        recovers(&broken, line, all, &mut verdicts);
    }
    // Together with its lock file, that of another database agrees with itself, but not with the log.
    let mut broken = sample.clone();
    broken.files[2] = other.files[2].clone();
    broken.files[3] = other.files[3].clone();
    recovers(&broken, "checksums: ignored (at byte ", all, &mut verdicts);
    // A lost entry of a batch that was acknowledged costs nothing.
    let mut broken = sample.clone();
    broken.sums()[48 * 4 + 9] ^= 1;
    recovers(&broken, "checksums: used", all, &mut verdicts);
    // A Python server was here: its lock says so, and the checksums are of an earlier time.
    let mut broken = sample.clone();
    broken.without_nonce();
    recovers(&broken, "checksums: none of use; 3 transactions scanned", all, &mut verdicts);
    verdicts.judge();
}

#[test]
fn what_checksums_do_not_vouch_for_is_cut() {
    let sample = Sample::crashed(0);
    let sixth = &sample.transactions[5];
    let mut verdicts = Verdicts::default();
    // A bit of the last batch that the disk did not get, the batch's entry, and the mark that comes last.
    for at in [sixth.start + 60, sixth.end - 1, sixth.end - 12] {
        let mut broken = sample.clone();
        broken.log()[at] ^= 1;
        recovers(&broken, "never acknowledged", &sample.transactions[..5], &mut verdicts);
    }
    let mut broken = sample.clone();
    broken.log()[sixth.start + 16] = b'c';
    recovers(&broken, "never acknowledged", &sample.transactions[..5], &mut verdicts);
    let mut broken = sample.clone();
    let len = broken.sums().len();
    broken.sums().truncate(len - 20);
    recovers(&broken, "never acknowledged", &sample.transactions[..5], &mut verdicts);
    verdicts.judge();
}

#[test]
fn tails_of_zeros_and_what_a_dying_python_leaves_are_cut() {
    let sample = Sample::crashed(0);
    let mut verdicts = Verdicts::default();
    for zeros in [1, 22, 23, 5_000] {
        let mut broken = sample.clone();
        broken.log().extend(vec![0; zeros]);
        recovers(&broken, "never acknowledged", &sample.transactions, &mut verdicts);
        broken.without_nonce();
        recovers(&broken, "zeros to the end", &sample.transactions, &mut verdicts);
    }
    let sixth = &sample.transactions[5];
    for from in [sixth.start, sixth.fields[0], sixth.fields[8] + 20, sixth.end - 8] {
        // The file had grown, and the data never came.
        let mut broken = sample.clone();
        broken.without_nonce();
        broken.log()[from..].fill(0);
        broken.log().extend(vec![0; 300]);
        recovers(&broken, "are no part of it", &sample.transactions[..5], &mut verdicts);
    }
    for missing in [0, 8, 100] {
        // Python writes at vote and clears the mark at finish; in between it died.
        let mut broken = sample.clone();
        broken.without_nonce();
        let mut tail = broken.log()[sixth.start..sixth.end - missing].to_vec();
        tail[7] += 1;
        tail[16] = b'c';
        broken.log().extend(tail);
        let line =
            if missing == 0 { "a transaction marked incomplete" } else { "a transaction that is cut off" };
        recovers(&broken, line, &sample.transactions, &mut verdicts);
    }
    verdicts.judge();
}

/// Holds that no command takes a file: it says so in one line, with `line` in it, and every file stays as it was.
fn is_refused(broken: &Sample, line: &str) {
    let (home, log) = broken.put();
    let path = log.display().to_string();
    for arguments in [&["serve", "-a", "127.0.0.1:0", "-f"][..], &["heal"], &["check"]] {
        let output = run(arguments, &log);
        let told = printed(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        let errors: Vec<&str> = told.lines().filter(|line| line.starts_with("Error: ")).collect();
        assert!(
            matches!(errors[..], [error] if error.contains(&path) && error.contains(line)),
            "{line:?}: {told}"
        );
        for (suffix, before) in FILES.iter().zip(&broken.files) {
            let after =
                fs::read(beside(&log, suffix)).ok().filter(|after| before.is_some() || !after.is_empty());
            assert!(after == *before, "Data.fs{suffix} was touched by {arguments:?}");
        }
        assert!(!beside(&log, ".tr0").exists(), "{told}");
    }
    drop(home);
}

#[test]
fn damage_that_no_crash_explains_ends_the_start_and_leaves_the_files_alone() {
    let sample = Sample::closed(0);
    let second = &sample.transactions[1];
    let record = format!("is damaged at byte {}", second.fields[8]);
    let bytes =
        format!("is damaged: bytes {} to {} are not those that were written", second.start, second.end);
    let header = format!("is damaged at byte {}", second.start);
    // The length of a record's data, the data itself, the length of the transaction.
    for (at, vouched, walked) in [
        (second.fields[8] + 40, &bytes, Some(&record)),
        (second.end - 12, &bytes, None),
        (second.start + 10, &bytes, Some(&header)),
    ] {
        let mut broken = sample.clone();
        broken.log()[at] ^= 0x41;
        is_refused(&broken, vouched);
        broken.without_nonce();
        let Some(walked) = walked else { continue };
        is_refused(&broken, walked);
        broken.files[1] = None;
        is_refused(&broken, walked);
    }
    // What was closed did not end in a crash. Where the index finds nothing to agree with, the structure is told.
    let sixth = &sample.transactions[5];
    let bytes = format!("is damaged: bytes {} to {}", sixth.start, sixth.end);
    let at_byte = |at| format!("is damaged at byte {at}");
    for (at, line) in [
        (sixth.start + 3, bytes.clone()),
        (sixth.start + 10, at_byte(sixth.start)),
        (sixth.end - 9, bytes),
        (sixth.end - 1, at_byte(sixth.end - 8)),
    ] {
        let mut broken = sample.clone();
        broken.log()[at] ^= 0x41;
        is_refused(&broken, &line);
    }
}

#[test]
fn a_check_tells_what_it_knows_and_how_beside_a_running_server_too() {
    let mut sample = Sample::closed(0);
    let bytes = sample.log().len() - 4;
    let (home, log) = sample.put();
    let checked = || {
        let output = run(&["check"], &log);
        assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
        printed(&output)
    };
    let sound = format!("{} is sound: 6 objects, 6 transactions; ", log.display());
    let vouched = format!("{sound}{bytes} bytes compared with checksums, 0 known by structure only\n");
    assert_eq!(checked(), vouched);
    for (suffix, before) in FILES.iter().zip(&sample.files) {
        assert!(fs::read(beside(&log, suffix)).ok() == *before, "Data.fs{suffix} was touched");
    }
    let server = Server::start_as(Maker::Zeolith, &home, &Config::new(Codec::Pickle));
    assert_eq!(checked(), vouched);
    server.stop();
    sample.without_nonce();
    sample.log().extend([0; 40]);
    let (_home, log) = sample.put();
    let told = printed(&run(&["check"], &log));
    assert!(
        told.contains(&format!("; 0 bytes compared with checksums, {bytes} known by structure only\n")),
        "{told}"
    );
    assert!(
        told.contains("40 bytes from byte ") && told.contains(" are no part of it: zeros to the end"),
        "{told}"
    );
    assert_eq!(fs::read(&log).ok(), sample.files[0], "it changes nothing");
}

#[test]
fn a_flipped_bit_in_acknowledged_data_is_not_served_at_any_start_and_the_rest_if_wanted() {
    let mut sample = Sample::closed(0);
    let fourth = sample.transactions[3].clone();
    sample.log()[fourth.fields[15] - 1] ^= 1;
    is_refused(&sample, "or serve the rest with `zeolith serve --serve-damaged`");
    let (home, log) = sample.put();
    for start in 0..3 {
        let config = Config { serve_damaged: true, ..Config::new(Codec::Pickle) };
        let server = Server::start_as(Maker::Zeolith, &home, &config);
        let told = server.own_log();
        let expected = format!(
            "ERROR zeolith.net.boot {}: bytes {} to {} are damaged; reads of them are refused",
            log.display(),
            fourth.start,
            fourth.end
        );
        assert!(told.contains(&expected), "at start {start}:\n{told}");
        Script::new("damaged.py").arg(server.address()).run();
        server.end();
    }
    assert_eq!(fs::read(&log).ok(), sample.files[0], "it stays as it is for whoever repairs it");
}

#[test]
fn what_no_index_tells_apart_from_what_is_damaged_is_not_served_at_all() {
    let mut sample = Sample::crashed(0);
    let fourth = sample.transactions[3].clone();
    // The id of a record's object: whose older state would be served for it, nobody knows.
    sample.log()[fourth.fields[8] + 7] ^= 1;
    is_refused(&sample, "and no saved index tells what is in them");
    let (_home, log) = sample.put();
    let output = run(&["serve", "--serve-damaged", "-a", "127.0.0.1:0", "-f"], &log);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(printed(&output).contains("and no saved index tells what is in them"), "{}", printed(&output));
}

#[test]
fn nothing_new_is_begun_where_a_pack_left_its_files() {
    let sample = Sample::closed(0);
    let (_home, log) = sample.put();
    let old = beside(&log, ".old");
    fs::rename(&log, &old).expect("a folder of our own");
    let output = run(&["serve", "-a", "127.0.0.1:0", "-f"], &log);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    let expected = format!("{} stands beside it. No new storage is created here", old.display());
    assert!(printed(&output).contains(&expected), "{}", printed(&output));
    assert!(!log.exists());
    // A Data.fs that is there is served, whatever a pack left.
    fs::copy(&old, &log).expect("a disk with room");
    let mut verdicts = Verdicts::default();
    let sample = Sample::read(&log);
    recovers(
        &sample,
        "; index: used; checksums: used; 0 transactions scanned",
        &sample.transactions,
        &mut verdicts,
    );
    verdicts.judge();
}
