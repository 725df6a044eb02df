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

use difference::Difference;
use play::{Played, play};
use zeolith_core::rng::Seed;
use zeolith_sim::schedule::Schedule;
use zeolith_sim::steady;
use zeolith_sim::tape::{Deed, Tape};

/// Events that chance picks for a schedule.
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
    for seed in 0..64 {
        let schedule = schedule(seed);
        let played = play(schedule.setup, &tape(&schedule));
        all += played.unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
    }
    println!("{all:?}");
}
