use super::*;
use crate::steady;

#[test]
fn steady_schedules_can_be_taped() {
    let (mut kills, mut syncs, mut ticks, mut sent) = (0, 0, 0, 0);
    for seed in 0..1000 {
        let schedule = steady::schedule(Seed(seed), 400).expect("no promise is broken");
        let Ok(tape) = Tape::of(&schedule).inspect_err(|error| {
            let at: usize = error.to_string().split([' ', ':']).nth(1).unwrap().parse().unwrap();
            println!("seed {seed}: {error} {:?}", &schedule.events[at - 3..at])
        }) else {
            continue;
        };
        for step in &tape.moves {
            kills += usize::from(matches!(step.deed, Deed::Kill(_)));
            syncs += usize::from(matches!(step.deed, Deed::Sync(_)));
            ticks += usize::from(matches!(step.deed, Deed::Tick(_)));
            sent += step.put_out.sent.values().map(Vec::len).sum::<usize>();
        }
    }
    println!("{kills} {syncs} {ticks} {sent}");
    assert!(kills > 0 && syncs > 0 && ticks > 0 && sent > 0);
}
