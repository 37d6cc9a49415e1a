//! Many seeds of one test; those that once failed first.

use std::panic::{AssertUnwindSafe, catch_unwind};

const FAILED: &str = include_str!("seeds.txt");

/// How many seeds to run: `SWARM_SEEDS`, or `default`.
pub(crate) fn seeds(default: u64) -> u64 {
    std::env::var("SWARM_SEEDS").map_or(default, |n| n.parse().expect("SWARM_SEEDS is a number"))
}

/// Runs `test` with the seeds listed for `name`, then with 0, 1, 2, ... below `count`.
pub(crate) fn sweep(name: &str, count: u64, test: impl Fn(u64)) {
    let listed = FAILED.lines().filter_map(|line| {
        let (test, seed) = line.split('#').next()?.trim().split_once(' ')?;
        (test == name).then(|| seed.trim().parse().expect("a seed is a number"))
    });
    let alone: Option<u64> = std::env::var("SWARM_SEED").ok().map(|s| s.parse().expect("SWARM_SEED is a number"));
    let order: Vec<u64> = alone.map_or_else(|| listed.chain(0..count).collect(), |seed| vec![seed]);
    for seed in order {
        if let Err(why) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
            eprintln!(
                "seed {seed} fails; replay: SWARM_SEED={seed} cargo test -p starling-swarm --test simulation {name}"
            );
            eprintln!("keep it: add the line `{name} {seed}` to crates/swarm/tests/simulation/seeds.txt");
            std::panic::resume_unwind(why);
        }
    }
}
