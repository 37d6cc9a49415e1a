//! How quick the Byzantine broadcast is: four members on four threads, over TCP on the loopback device, with their files.
//! `cargo run --release -p starling-connect --features byzantine --example byzantine_speed -- [SECONDS [RATE [PACE_MS [ROUNDS [MIB]]]]]`
//!
//! Each member hands in batches of 100 items of 128 bytes at an even rate, RATE items a second over all (0: as many as go
//! in). An item is final at a member when that is told of it; the time is counted from when its batch was handed in, at
//! every member. Memory is what the whole process holds (VmRSS), looked at once a second and told every ten, with batches
//! that wait, and sessions. A session has ROUNDS rounds, or ends after MIB mebibytes (32). Ten minutes in which more is
//! handed in than can be ordered: `... byzantine_speed -- 600 0 5 1500`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement tells what it found, or fails")]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use starling_connect::byzantine::{Config, Event, Node};
use starling_swarm::byzantine::{BadBatch, Item, Key};
use starling_swarm::id::AgentId;
use starling_swarm::identity::{Identity, KeyBook};

const MEMBERS: u32 = 4;
const BATCH: usize = 100;
const ITEM_BYTES: usize = 128;

fn identity(agent: u32) -> Identity {
    Identity::new(AgentId(agent), &[agent as u8 + 1; 32])
}

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// What a member saw.
struct Seen {
    items: u64,
    times: Histogram<u64>,
    order: blake3::Hasher,
    sessions: u64,
    /// The slowest of each second.
    slowest: Vec<u64>,
}

/// Hands in and reads until it is told to stop, and then until nothing is open.
fn work(node: &Node, began: Instant, rate: f64, stop: &AtomicBool) -> Seen {
    let mut seen = Seen {
        items: 0,
        times: Histogram::new(3).unwrap(),
        order: blake3::Hasher::new(),
        sessions: 0,
        slowest: Vec::new(),
    };
    let mut handed_in = 0_u64;
    let since = |began: Instant| u64::try_from(began.elapsed().as_nanos()).unwrap();
    let mut quiet = Instant::now();
    loop {
        let over = stop.load(Ordering::Relaxed);
        let due =
            |handed_in: u64| rate == 0.0 || handed_in as f64 * BATCH as f64 / rate <= began.elapsed().as_secs_f64();
        if !over && due(handed_in) {
            let mut payload = vec![7; ITEM_BYTES];
            payload[..8].copy_from_slice(&since(began).to_le_bytes());
            let item = |n: usize| Item {
                reads: vec![Key::Instrument(n as u32 % 8)],
                writes: vec![Key::Order(handed_in * 100 + n as u64)],
                payload: payload.clone(),
            };
            match node.hand_in(&(0..BATCH).map(item).collect::<Vec<_>>()) {
                Ok(_) => handed_in += 1,
                Err(BadBatch::Full(_)) => {}
                Err(why) => panic!("{why}"),
            }
        }
        let wait = if rate == 0.0 || due(handed_in) { Duration::ZERO } else { Duration::from_micros(500) };
        match node.next(wait) {
            Some(Event::Batch { batch, .. }) => {
                let now = since(began);
                for item in &batch.items {
                    let sent = u64::from_le_bytes(item.payload[..8].try_into().unwrap());
                    seen.times.record(now.saturating_sub(sent)).unwrap();
                    let second = (sent / 1_000_000_000) as usize;
                    seen.slowest.resize(seen.slowest.len().max(second + 1), 0);
                    seen.slowest[second] = seen.slowest[second].max(now.saturating_sub(sent));
                }
                seen.items += batch.items.len() as u64;
                seen.order.update(&batch.id().0);
                quiet = Instant::now();
            }
            Some(Event::Ended(_)) => seen.sessions += 1,
            Some(other) => panic!("{other:?}"),
            None if over && node.counters().open == 0 && quiet.elapsed() > Duration::from_secs(1) => return seen,
            None => {}
        }
    }
}

fn main() {
    let argument = |at: usize, default: f64| std::env::args().nth(at).map_or(default, |text| text.parse().unwrap());
    let (seconds, rate, pace) = (argument(1, 60.0), argument(2, 50_000.0), argument(3, 5.0));
    let session_units = (argument(4, 1_000.0) * f64::from(MEMBERS)) as u32;
    let session_bytes = (argument(5, 32.0) * f64::from(1 << 20)) as u64;
    let folder = std::env::temp_dir().join(format!("byzantine_speed_{}", std::process::id()));
    let mut keys = KeyBook::new();
    (0..MEMBERS).for_each(|agent| keys.insert(AgentId(agent), &identity(agent).public()).unwrap());
    let keys = Arc::new(keys);
    let listeners: Vec<TcpListener> = (0..MEMBERS).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let peers: BTreeMap<AgentId, _> =
        (0..).map(AgentId).zip(listeners.iter().map(|listener| listener.local_addr().unwrap())).collect();
    let members: Vec<AgentId> = (0..MEMBERS).map(AgentId).collect();
    let open = |(agent, listener): (u32, TcpListener)| {
        let config = Config {
            peers: peers.clone(),
            pace: Duration::from_secs_f64(pace / 1e3),
            archive: 2,
            session_units,
            session_bytes,
            ..Config::new("speed", &members, folder.join(agent.to_string()))
        };
        Node::open(config, identity(agent), Arc::clone(&keys), Some(listener)).unwrap()
    };
    let nodes: Vec<Node> = (0..).zip(listeners).map(open).collect();
    while nodes.iter().any(|node| node.counters().units == 0) {
        std::thread::yield_now();
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("{seconds} s, {rate} items/s asked for, rounds of {pace} ms; load {}", load.trim());
    let (began, stop) = (Instant::now(), AtomicBool::new(false));
    let mut memory = Vec::new();
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let stop = &stop;
        let workers: Vec<_> =
            nodes.iter().map(|node| scope.spawn(move || work(node, began, rate / f64::from(MEMBERS), stop))).collect();
        while began.elapsed().as_secs_f64() < seconds {
            std::thread::park_timeout(Duration::from_secs(1));
            memory.push(resident());
            if memory.len() % 10 == 0 {
                let most = memory[memory.len() - 10..].iter().copied().fold(0.0, f64::max);
                let open: Vec<usize> = nodes.iter().map(|node| node.counters().open).collect();
                let told = nodes[0].counters();
                let (second, session, batches) = (began.elapsed().as_secs(), told.session, told.batches);
                println!("{second:>4} s: {most:>5.0} MiB, waiting {open:?}, session {session}, {batches} batches told");
            }
        }
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let mut times = Histogram::<u64>::new(3).unwrap();
    for (node, seen) in nodes.iter().zip(&seen) {
        times.add(&seen.times).unwrap();
        println!("{:?}, {} sessions ended", node.counters(), seen.sessions);
    }
    assert!(seen.iter().all(|other| other.order.finalize() == seen[0].order.finalize()), "one order at all members");
    let ms = |quantile: f64| times.value_at_quantile(quantile) as f64 / 1e6;
    println!("{:.0} items/s, {} in the same order at all members", seen[0].items as f64 / seconds, seen[0].items);
    println!(
        "final, ms: P50 {:.1}, P90 {:.1}, P99 {:.1}, P99.9 {:.1}, max {:.1}",
        ms(0.5),
        ms(0.9),
        ms(0.99),
        ms(0.999),
        times.max() as f64 / 1e6
    );
    let slowest: Vec<String> = seen[0].slowest.iter().map(|nanos| format!("{}", nanos / 1_000_000)).collect();
    println!("the slowest of each second at the first member, ms: {}", slowest.join(" "));
    let tenth = memory.len().div_ceil(10);
    let peaks: Vec<String> =
        memory.chunks(tenth).map(|chunk| format!("{:.0}", chunk.iter().copied().fold(0.0, f64::max))).collect();
    println!("MiB, the most in each tenth of the time: {}", peaks.join(" "));
    drop(nodes);
    std::fs::remove_dir_all(folder).unwrap();
}
