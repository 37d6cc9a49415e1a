//! The tenth: a task split into five for three agents, put together by a sixth that waits for them; and dependencies of a
//! thousand tasks resolved.
//!
//! Invariant: the sum that is put together is that of the whole; who puts it together begins after the last part ended.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use starling_core::UnixNanos;
use starling_swarm::task::{Capabilities, Settings, Strategy, Task, TaskKey, cycle, ideal_makespan};

use super::crew::{Crew, Labour};
use super::{Build, Scale};
use crate::bench::{BenchError, Benchmark, Id, Tier, series};

pub(super) const NAME: &str =
    "5 subtasks among 3 agents, put together by a sixth; dependencies of 1,000 tasks resolved";
const AGENTS: usize = 3;
const PARTS: u64 = 5;
/// Bars that are summed up.
const BARS: usize = 200_000;
/// Tasks of the graph: layers, and tasks in each.
const LAYERS: u64 = 10;
const WIDTH: u64 = 100;

/// Where parts leave their sums: by run.
pub(super) type Sums = Mutex<BTreeMap<u64, Vec<f64>>>;

/// What a task is: of which run, and which part; the last puts together.
type Part = (u64, u64);

/// Does a task as it should be done.
pub(super) fn labour(closes: &[f64], sums: &Sums, (run, part): Part) -> Vec<u8> {
    let held = || sums.lock().unwrap_or_else(PoisonError::into_inner);
    if part == PARTS {
        return held().remove(&run).unwrap_or_default().into_iter().sum::<f64>().to_le_bytes().to_vec();
    }
    let length = closes.len().div_ceil(PARTS as usize);
    let own = closes.chunks(length).nth(part as usize).unwrap_or_default();
    // Sums of whole ticks are exact in any order.
    held().entry(run).or_default().push(own.iter().map(|close| (close * 100.0).round()).sum());
    Vec::new()
}

/// A graph in layers, each task after two of the layer before.
fn graph() -> Vec<Task> {
    let task = |at: u64| {
        let (layer, place) = (at / WIDTH, at % WIDTH);
        let before = |place: u64| TaskKey((layer - 1) * WIDTH + place % WIDTH);
        Task {
            key: TaskKey(at),
            needs: Capabilities::NONE,
            payload: Vec::new(),
            after: if layer == 0 { Vec::new() } else { vec![before(place), before(place + 7)] },
            deadline: UnixNanos::MAX,
            retries_max: 0,
            work: 1 + u64::from(place == 13),
        }
    };
    (0..LAYERS * WIDTH).map(task).collect()
}

pub(super) fn measure(tier: Tier) -> Result<Benchmark, BenchError> {
    with(tier, labour)
}

pub(super) fn with(tier: Tier, labour: fn(&[f64], &Sums, Part) -> Vec<u8>) -> Result<Benchmark, BenchError> {
    let closes = series::signal(&series::bars(BARS, 9));
    let right: f64 = closes.iter().map(|close| (close * 100.0).round()).sum();
    let sums = Sums::default();
    let work: Labour = Arc::new(move |task: &Task| {
        let part = postcard::from_bytes(&task.payload).map_err(|error| error.to_string())?;
        Ok(labour(&closes, &sums, part))
    });
    let settings = Settings { strategy: Strategy::LeastLoaded, ..Crew::settings() };
    let mut crew = Crew::found(AGENTS, settings, |_| Capabilities::ALL, work)?;
    let (mut times, mut wrong, mut done, mut early, mut idle) = (Vec::new(), 0, 0, 0, 0);
    // The first round warms up.
    for round in 0..=4 * tier.samples() as u64 {
        let keys: Vec<TaskKey> = crew.keys(PARTS + 1).collect();
        let task = |part: u64| Task {
            key: keys[part as usize],
            needs: Capabilities::NONE,
            payload: postcard::to_allocvec(&(round, part)).expect("two numbers"),
            after: if part == PARTS { keys[..PARTS as usize].to_vec() } else { Vec::new() },
            deadline: UnixNanos::MAX,
            retries_max: 0,
            work: 1,
        };
        let report = crew.run((0..=PARTS).map(task).collect())?;
        done += report.done_once();
        idle += AGENTS - report.agents();
        let whole = keys[PARTS as usize];
        let sum = report.results.get(&whole).and_then(|bytes| bytes.as_slice().try_into().ok()).map(f64::from_le_bytes);
        wrong += usize::from(sum != Some(right));
        let began = report.attempts.iter().find(|attempt| attempt.key == whole).map(|attempt| attempt.began);
        let last = report.attempts.iter().filter(|attempt| attempt.key != whole).map(|attempt| attempt.ended).max();
        early += usize::from(began < last);
        if round > 0 {
            times.push(report.took / 1e6);
        }
    }
    let (graph, mut resolved) = (graph(), Vec::new());
    let mut circle = graph.clone();
    // The first of all waits for the last of the last layer that waits for it.
    let far = TaskKey((LAYERS - 1) * WIDTH);
    circle[0].after.push(far);
    let (mut ideal, mut found) = (None, None);
    for _ in 0..20 * tier.samples() {
        let began = Instant::now();
        ideal = ideal_makespan(black_box(&graph), WIDTH);
        found = cycle(black_box(&circle)).map(|keys| (keys.first() == keys.last(), keys.len()));
        resolved.push(began.elapsed().as_nanos() as f64 / 1e3);
    }
    let rounds = 4 * tier.samples() + 1;
    // One task of each layer takes two, and is followed by itself.
    let (longest, around) = (2 * LAYERS, LAYERS as usize + 1);
    Ok(Build::new(Id::Number(10), "tasks", NAME, (PARTS + 1, "tasks"), Scale::less("ms"), &times)?
        .check("every task was done exactly once", rounds * (PARTS as usize + 1), done)
        .check("sums that are not that of the whole", 0, wrong)
        .check("sums put together before their last part", 0, early)
        .check("agents that had nothing to do", 0, idle)
        .check("the longest chain of the graph", Some(longest), ideal)
        .check("a planted circle, from a task back to it", Some((true, around)), found)
        .case("1,000 tasks: shortest time, and a circle found", Scale::less("us"), &resolved)?
        .judge())
}
