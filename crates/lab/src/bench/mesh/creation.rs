//! The eighth: a swarm is created, takes an agent in, and does tasks.
//!
//! Invariant: created means that a coordinator has been elected and every agent has heard from it over its edges; taken in
//! means that every agent counts the newcomer; done means exactly once, with the right answer.

use std::sync::Arc;
use std::time::Instant;

use starling_core::UnixNanos;
use starling_swarm::task::{Capabilities, Settings, Strategy, Task, TaskKey};

use super::crew::{Crew, Labour};
use super::{Build, Scale};
use crate::bench::{BenchError, Benchmark, Id, Tier};

pub(super) const NAME: &str = "create 8 agents that elect a coordinator (after 20 to 40 ms), one more joins, 24 tasks";
const AGENTS: usize = 8;
const TASKS: u64 = 24;
/// Bytes that a task hashes.
const WORK: usize = 64 << 10;

/// Does a task as it should be done: the hash of so many bytes of the number in it.
pub(super) fn labour(task: &Task) -> Result<Vec<u8>, String> {
    let [number] = task.payload[..] else { return Err("no task of this benchmark".into()) };
    Ok(blake3::hash(&vec![number; WORK]).as_bytes().to_vec())
}

pub(super) fn measure(tier: Tier) -> Result<Benchmark, BenchError> {
    with(tier, labour)
}

pub(super) fn with(tier: Tier, labour: fn(&Task) -> Result<Vec<u8>, String>) -> Result<Benchmark, BenchError> {
    let (mut created, mut joined, mut done) = (Vec::new(), Vec::new(), Vec::new());
    let (mut counted, mut views, mut wrong) = (0, Vec::new(), 0);
    for _ in 0..tier.samples() {
        let labour: Labour = Arc::new(labour);
        let settings = Settings { strategy: Strategy::LeastLoaded, ..Crew::settings() };
        let began = Instant::now();
        let mut crew = Crew::found(AGENTS, settings, |_| Capabilities::ALL, labour)?;
        created.push(began.elapsed().as_nanos() as f64 / 1e9);
        views.extend(crew.views());
        joined.push(crew.join(Capabilities::ALL)? / 1e6);
        views.extend(crew.views());
        let keys: Vec<TaskKey> = crew.keys(TASKS).collect();
        let task = |key: &TaskKey| Task {
            key: *key,
            needs: Capabilities::NONE,
            payload: vec![key.0 as u8],
            after: Vec::new(),
            deadline: UnixNanos::MAX,
            retries_max: 0,
            work: 1,
        };
        let report = crew.run(keys.iter().map(task).collect())?;
        done.push(report.took / 1e6);
        counted += report.done_once();
        for key in &keys {
            let right = blake3::hash(&vec![key.0 as u8; WORK]).as_bytes().to_vec();
            wrong += usize::from(report.results.get(key) != Some(&right));
        }
    }
    let right: Vec<usize> = [vec![AGENTS; AGENTS], vec![AGENTS + 1; AGENTS + 1]].concat().repeat(tier.samples());
    let scale = Scale::less("s").held_to(Some(5.0), None);
    Ok(Build::new(Id::Number(8), "creation", NAME, (AGENTS as u64, "agents"), scale, &created)?
        .check("members that each sees, before and after one joined", right, views)
        .check("every task was done exactly once", TASKS as usize * tier.samples(), counted)
        .check("wrong answers", 0, wrong)
        .case("one more joins, until all count it", Scale::less("ms").held_to(Some(500.0), None), &joined)?
        .case("24 tasks, until their ends are known", Scale::less("ms"), &done)?
        .judge())
}
