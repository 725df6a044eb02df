use zeolith_core::planted::Bug;
use zeolith_core::rng::Seed;
use zeolith_sim::options::Asked;
use zeolith_sim::run::run;
use zeolith_sim::shrink::shrink;
#[test]
fn probe() {
    let spec = std::env::var("PROBE").expect("PROBE=seed[,bug]");
    let (seed, bug) = spec.split_once(',').unwrap_or((&spec, ""));
    let bug = Bug::ALL.iter().copied().find(|b| b.name() == bug);
    let asked = Asked { bug, ..Asked::default() };
    let found = run(Seed(seed.parse().unwrap()), asked);
    let Some(broken) = found.broken() else {
        println!("nothing");
        return;
    };
    println!("{broken}");
    let shrunk = shrink(found.setup, &found.events, broken).expect("again");
    println!("{}\n{}", found.setup, shrunk.outcome);
    for e in &shrunk.outcome.events {
        println!("{e}");
    }
}
