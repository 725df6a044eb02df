//! The simulator's server and the real one are the same server: what the simulator found out about the one holds for the other.
//!
//! A schedule of the simulator is played there, and its first server taped: what it was handed, what it put out, what it
//! left on its disk. Then the same is done to a server behind real sockets on loopback, over real files, in the loop that
//! `zeolith serve` runs, and what comes out of each socket is compared byte by byte, tids included, and the files too.
//!
//! # What makes the two comparable
//!
//! - **Time and seeds are given.** The server gets a clock whose hands this test sets to what the simulated server's showed,
//!   so tids, timeouts and checksums come out the same.
//! - **One move after the other.** The next thing is done only after the server is through with the last: it has read
//!   every byte, noticed the hang-up, ticked, heard of the sync. Whether it has is seen, never guessed from time passing: bytes read
//!   and connections ended are told by the server's log, ticks and syncs by its reading the clock. So it does not matter how quick
//!   anything is, and what follows a move is known to follow from it: a byte too much or too early is a difference.
//! - **Syncs are held back.** All that a helper thread does is syncing, and the loop gets one such thread, which stands at a
//!   gate until the tape says that syncs end. So the same transactions share a batch, and a kill finds the same ones unfinished.
//!   Everything else that a disk does, it does at once, as the page cache does; the schedules are
//!   [steady](zeolith_sim::steady) to that end.
//! - **What cannot be done to a real server is not on the tape**, and a schedule that needs it is refused: disks
//!   that fail, bits that turn. After a power loss, or when a backup is put back, the real files are made what the simulated disk kept.
//!
//! Left out of the comparison is the process id in `Data.fs.lock`.

mod difference;
mod gate;
mod hands;
mod play;
mod witness;

use difference::{Difference, What};
use play::{Played, play};
use zeolith_core::rng::Seed;
use zeolith_core::store::disk::FileId;
use zeolith_core::time::WallTime;
use zeolith_sim::schedule::Schedule;
use zeolith_sim::steady;
use zeolith_sim::tape::{Deed, Move, Tape};

/// Schedules that are followed.
const SEEDS: u64 = 48;
/// Events that chance picks for each.
const EVENTS: usize = 600;

fn schedule(seed: u64) -> Schedule {
    let schedule = steady::schedule(Seed(seed), EVENTS).expect("no promise is broken");
    // What is played is what would be read from a file.
    schedule.to_string().parse().expect("a schedule")
}

fn tape(schedule: &Schedule) -> Tape {
    Tape::of(schedule).expect("a schedule that a real server can follow")
}

#[test]
fn a_server_on_real_sockets_and_files_does_what_the_simulated_one_does() {
    let mut all = Played::default();
    for seed in 0..SEEDS {
        let schedule = schedule(seed);
        let played = play(schedule.setup, &tape(&schedule));
        all += played.unwrap_or_else(|difference| panic!("seed {seed}: {difference}\n{schedule}"));
    }
    println!("{all:?}");
    let Played { starts, connections, moves, syncs, ticks, kills, sent, files } = all;
    assert!(kills > 50 && starts == kills && connections > 500 && moves > 5_000, "too tame: {all:?}");
    assert!(syncs > 200 && ticks > 20 && sent > 500_000 && files > 500_000, "too tame: {all:?}");
}

/// Plays a tape after something on it was changed; what the real server did otherwise.
fn forged(seed: u64, forge: impl FnOnce(&mut [Move])) -> Difference {
    let schedule = schedule(seed);
    let mut tape = tape(&schedule);
    assert!(play(schedule.setup, &tape).is_ok(), "nothing differs before");
    forge(&mut tape.moves);
    play(schedule.setup, &tape).expect_err("a difference")
}

/// The last move of some kind, which has much of the tape before it.
fn last(moves: &mut [Move], is_it: impl Fn(&Move) -> bool) -> &mut Move {
    moves.iter_mut().rfind(|it| is_it(it)).expect("one of its kind")
}

#[test]
fn one_other_bit_in_a_message_is_a_difference() {
    let mut at = 0;
    let difference = forged(1, |moves| {
        let forged = last(moves, |it| !it.put_out.sent.is_empty());
        at = forged.event;
        let bytes = forged.put_out.sent.values_mut().next().expect("somebody gets something");
        *bytes.last_mut().expect("bytes") ^= 1;
    });
    assert_eq!(difference.event, at);
    let What::Sent { real, simulated, .. } = difference.what else { panic!("{difference}") };
    let others: Vec<u8> = real.iter().zip(&simulated).map(|(one, two)| one ^ two).collect();
    assert!(real.len() == simulated.len() && others.iter().map(|bits| bits.count_ones()).sum::<u32>() == 1);
}

#[test]
fn a_message_that_nobody_foresaw_is_a_difference() {
    let mut lost = Vec::new();
    let mut at = 0;
    let difference = forged(1, |moves| {
        let forged = last(moves, |it| !it.put_out.sent.is_empty());
        at = forged.event;
        lost = forged.put_out.sent.pop_first().map(|(_, bytes)| bytes).expect("somebody gets something");
    });
    let Difference { event, what: What::Surplus(_, bytes) } = difference else { panic!("{difference}") };
    assert_eq!((event, bytes), (at, lost));
}

#[test]
fn a_clock_that_is_a_millisecond_off_is_a_difference_in_the_tids() {
    let difference = forged(1, |moves| {
        for it in moves {
            if let Deed::Send(_, _, WallTime(micros)) = &mut it.deed {
                *micros += 1_000;
            }
        }
    });
    // Of the two that have tids, a log is looked at earlier when its server is killed before it answers.
    assert!(matches!(difference.what, What::Sent { .. } | What::File(FileId::Log, ..)), "{difference}");
}

#[test]
fn one_other_byte_in_a_file_is_a_difference() {
    for file in [FileId::Log, FileId::Sidecar] {
        let mut expected = None;
        let difference = forged(1, |moves| {
            let forged = last(moves, |it| matches!(it.deed, Deed::Kill(_)));
            let Deed::Kill(files) = &mut forged.deed else { unreachable!("just looked for") };
            let contents = files.get_mut(&file).expect("a file that every storage has");
            let middle = contents.len() / 2;
            contents[middle] ^= 1;
            let what = What::File(file, [contents.len(); 2], middle);
            expected = Some(Difference { event: forged.event, what });
        });
        assert_eq!(Some(difference), expected);
    }
}
