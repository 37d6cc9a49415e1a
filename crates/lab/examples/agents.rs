//! What an agent costs: time to spawn one with its node, mailbox and strategy, memory of one that confers, and a bar
//! with all that follows. `cargo run --release -p starling-lab --example agents -- 10000 [every_bar]`
//!
//! Larger swarms are many councils of twenty. Without `every_bar` they confer when somebody changes its mind, which at
//! these prices is twice in a hundred bars.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::Instant;

use starling_lab::bench::mesh::council::{Councils, MEMBERS};

/// Resident bytes of this process, as Linux tells them.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(f64::NAN) * 1024.0
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let every_bar = arguments.next().is_some_and(|word| word == "every_bar");
    let mut councils = Councils::new(every_bar).expect("the configuration is sound");
    let before = resident();
    let mut times = Vec::new();
    while councils.agents() < count {
        let from = Instant::now();
        councils.open().expect("agents");
        times.push(from.elapsed().as_nanos() / MEMBERS as u128);
    }
    let count = councils.agents() as f64;
    times.sort_unstable();
    let (least, median, late) = (times[0], times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("{count} agents in councils of {MEMBERS}, as trees");
    println!("spawn an agent, nanoseconds: least {least}, median {median}, 99 in 100 {late}");
    println!("memory, fresh: {:.0} bytes each", (resident() - before) / count);
    let (bars, mut decided) = (100, 0);
    let from = Instant::now();
    for _ in 0..bars {
        decided += councils.confer().expect("they confer").iter().sum::<usize>();
    }
    let each = from.elapsed().as_nanos() as f64 / (f64::from(bars) * count);
    println!("a bar, conferences included, nanoseconds an agent: {each:.0}; {decided} decisions");
    println!("memory, after {bars} bars: {:.0} bytes each", (resident() - before) / count);
}
