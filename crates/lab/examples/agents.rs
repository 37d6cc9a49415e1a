//! What an agent costs: time to spawn one with its node, mailbox and strategy, memory of one that confers, and a bar
//! with all that follows. `cargo run --release -p starling-lab --example agents -- 10000`

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::Instant;

use starling_core::time::DAY;
use starling_core::{Bar, Event, Price, Qty, UnixNanos};
use starling_lab::config::Config;
use starling_lab::swarm::conference::Conference as _;
use starling_lab::swarm::delegate::Charter;
use starling_lab::swarm::hall::Hall;

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

/// Members of one council: larger swarms are many councils.
const COUNCIL: usize = 20;

fn main() {
    let count: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let agents: String = (0..COUNCIL).map(|at| AGENT.replace("NAME", &format!("agent {at}"))).collect();
    let config = Config::read(&format!("{CONFIG}{agents}")).expect("the configuration is sound");
    let charter = Charter::in_process(&config).expect("keys");
    let before = resident();
    let mut times = Vec::new();
    let mut halls: Vec<Hall> = (0..count.div_ceil(COUNCIL))
        .map(|_| {
            let from = Instant::now();
            let hall = Hall::open(&charter).expect("agents");
            times.push(from.elapsed().as_nanos() / COUNCIL as u128);
            hall
        })
        .collect();
    let count = halls.len() * COUNCIL;
    times.sort_unstable();
    let (least, median, late) = (times[0], times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("{count} agents in councils of {COUNCIL}, as trees");
    println!("spawn an agent, nanoseconds: least {least}, median {median}, 99 in 100 {late}");
    println!("memory, fresh: {:.0} bytes each", (resident() - before) / count as f64);
    let world = halls[0].delegates()[0].seat().brain().world();
    let instrument = world.instrument_by_name("X.SIM").expect("declared");
    let (series, ..) = world.series().next().expect("one series");
    let (bars, mut decided) = (100_u64, 0);
    let from = Instant::now();
    for at in 1..=bars {
        let ts = UnixNanos::new(at * DAY);
        // Up for fifty bars, down for fifty: the averages cross, and all confer.
        let close = if at <= 50 { 100 + at } else { 200 - at };
        let price = Price::from_int(close.cast_signed());
        let volume = Qty::from_int(1_000);
        let (high, low) = (price + Price::from_int(1), price - Price::from_int(1));
        let bar = Bar { instrument, series, ts_event: ts, ts_recv: ts, open: price, high, low, close: price, volume };
        for hall in &mut halls {
            decided += hall.on_stamp(ts, &[Event::Bar(bar)]).expect("they confer").len();
        }
    }
    let each = from.elapsed().as_nanos() as f64 / (bars * count as u64) as f64;
    println!("a bar, conferences included, nanoseconds an agent: {each:.0}; {decided} decisions");
    println!("memory, after {bars} bars: {:.0} bytes each", (resident() - before) / count as f64);
}
