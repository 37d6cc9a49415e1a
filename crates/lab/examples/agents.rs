//! What an agent costs: time to spawn one with its node, mailbox and strategy, memory of one alive, and a round in which
//! all think. `cargo run --release -p starling-lab --example agents -- 10000`

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::hint::black_box;
use std::time::Instant;

use starling_core::{Bar, Event, Price, Qty, UnixNanos};
use starling_lab::config::Config;
use starling_lab::swarm::delegate::{Charter, Delegate};

const CONFIG: &str = r#"
name = "agents"
[[venues]]
id = "SIM"
[[accounts]]
venue = "SIM"
kind = "margin"
base = "USD"
balances = { USD = 100_000 }
[[instruments]]
id = "X.SIM"
template = "equity"
quote = "USD"
[[data]]
path = "none.csv"
instrument = "X.SIM"
kind = "bars"
series = "1d last external"
[[strategies]]
id = "swarm"
kind = "follow"
bars = "1d last external"
size = { fixed = 1 }
weights = [{ instrument = "X.SIM" }]
[swarm]
follower = "swarm"
topology = "hierarchical"
"#;

const AGENT: &str = r#"
[[swarm.agents]]
id = "NAME"
role = "trend"
instruments = ["X.SIM"]
strategy = { kind = "ema_cross", bars = "1d last external", fast = 10, slow = 20, size = { fixed = 1 } }
"#;

/// Resident bytes of this process, as Linux tells them.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(f64::NAN) * 1024.0
}

fn main() {
    let count: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let agents: String = (0..2).map(|at| AGENT.replace("NAME", &format!("agent {at}"))).collect();
    let config = Config::read(&format!("{CONFIG}{agents}")).expect("the configuration is sound");
    let charter = Charter::in_process(&config).expect("two keys");
    let before = resident();
    let mut spawned = Vec::with_capacity(count);
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let from = Instant::now();
        spawned.push(Delegate::new(UnixNanos::EPOCH, &charter, 1).expect("an agent"));
        times.push(from.elapsed().as_nanos());
    }
    times.sort_unstable();
    println!(
        "spawn, nanoseconds: least {}, median {}, 99 in 100 {}",
        times[0],
        times[count / 2],
        times[count * 99 / 100]
    );
    println!("memory, fresh: {:.0} bytes each", (resident() - before) / count as f64);
    let world = spawned[0].seat().brain().world();
    let (instrument, (series, ..)) =
        (world.instrument_by_name("X.SIM").expect("declared"), world.series().next().expect("one series"));
    let bars = 200_u64;
    let from = Instant::now();
    for at in 1..=bars {
        let ts = UnixNanos::new(at * 86_400_000_000_000);
        let [open, high, low, close] = [100, 103, 97, 100 + (at % 40) as i64 / 8].map(Price::from_int);
        let volume = Qty::from_int(1_000);
        let bar = Bar { instrument, series, ts_event: ts, ts_recv: ts, open, high, low, close, volume };
        for delegate in &mut spawned {
            delegate.on_stamp(ts, ts, &[Event::Bar(bar)]).expect("it thinks");
            while let Some(parcel) = delegate.poll_send() {
                black_box(parcel);
            }
        }
    }
    println!("a bar, nanoseconds: {:.0} each", from.elapsed().as_nanos() as f64 / (bars * count as u64) as f64);
    println!("memory, after {bars} bars: {:.0} bytes each", (resident() - before) / count as f64);
}
