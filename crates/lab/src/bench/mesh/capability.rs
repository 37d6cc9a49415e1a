//! The seventh and the ninth: what agents and the machine can do, who is fit for a task, reports of status, and a piece of
//! thinking.
//!
//! Invariant: what agents say of themselves crosses the mesh as messages, and is held against what each was made to be; the
//! choice is held against a search through all; the sum against a closed form.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;
use starling_swarm::component::{Component, Outbox, Priority};
use starling_swarm::id::AgentId;
use starling_swarm::membership::Founding;
use starling_swarm::node::{Config, Node};
use starling_swarm::task::strategy::{Candidate, choose};
use starling_swarm::task::{Capabilities, Facts, Strategy};
use starling_swarm::topology::Shape;
use starling_swarm::transport::{InProcess, receive_all, send_all};

use super::{Build, Scale};
use crate::bench::{BenchError, Benchmark, Id, Tier};
use crate::stats::random::Xoshiro;

pub(super) const PROBE: &str = "8 agents and the machine say what they can do";
pub(super) const WORK: &str = "1,000 sin x cos over 100 values; matching among 64; 100 status updates of 8 agents";
const AGENTS: u32 = 8;
const START: UnixNanos = UnixNanos::new(1_600_000_000_000_000_000);

/// What agents say about themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Word {
    /// What can you do?
    Ask,
    /// This, and so many updates before.
    Status(Facts, u64),
}

/// An agent that tells what it is, and remembers what others are.
#[derive(Debug)]
pub(super) struct Teller {
    facts: Facts,
    heard: BTreeMap<AgentId, (Facts, u64)>,
    updates: u64,
}

impl Component for Teller {
    type Message = Word;
    type Event = ();

    fn on_message(&mut self, _: UnixNanos, from: AgentId, word: Word, out: &mut Outbox<Word>, _: &mut Vec<()>) {
        match word {
            Word::Ask => out.send(from, Priority::High, Word::Status(self.facts, 0)),
            Word::Status(facts, count) => {
                self.updates += 1;
                self.heard.insert(from, (facts, count));
            }
        }
    }

    fn on_time(&mut self, _: UnixNanos, _: &mut Outbox<Word>, _: &mut Vec<()>) {}

    fn next_due(&self) -> UnixNanos {
        UnixNanos::MAX
    }

    fn on_members(&mut self, _: UnixNanos, _: &[AgentId], _: &mut Outbox<Word>, _: &mut Vec<()>) {}
}

/// What the agent with a number is made to be.
fn facts(agent: u32) -> Facts {
    let capabilities = Capabilities(0b1011 << agent | 1 << 40);
    Facts { capabilities, slots: 1 + agent, room: 16, errors_bp: 0, latency_ns: 0 }
}

/// Agents of one thread.
struct Ring {
    nodes: Vec<Node<Teller>>,
    transport: InProcess,
}

impl Ring {
    fn found(facts: fn(u32) -> Facts) -> Self {
        let founding = Founding::new(Shape::Mesh, (0..AGENTS).map(AgentId));
        let mut transport = InProcess::default();
        let node = |agent| {
            transport.open(AgentId(agent));
            let teller = Teller { facts: facts(agent), heard: BTreeMap::new(), updates: 0 };
            Node::found(START, AgentId(agent), teller, Config::default(), &founding)
        };
        let nodes = (0..AGENTS).map(node).collect();
        let mut ring = Self { nodes, transport };
        ring.settle();
        ring
    }

    /// Until nothing is on its way.
    fn settle(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            for node in &mut self.nodes {
                moved |= !send_all(node, &mut self.transport);
            }
            for node in &mut self.nodes {
                moved |= receive_all(node, START, &mut self.transport) > 0;
            }
        }
    }

    /// The first asks all others.
    fn probe(&mut self) {
        self.nodes[0].act(START, |teller, _, out, _| {
            teller.heard.clear();
            out.send_all(Priority::High, Word::Ask);
        });
        self.settle();
    }

    fn heard(&self) -> BTreeMap<AgentId, Facts> {
        self.nodes[0].component().heard.iter().map(|(agent, (facts, _))| (*agent, *facts)).collect()
    }
}

/// What the processor can do, by name, as far as this build looks.
fn processor() -> Vec<(&'static str, bool)> {
    #[cfg(target_arch = "x86_64")]
    {
        vec![
            ("sse4_2", std::is_x86_feature_detected!("sse4.2")),
            ("avx2", std::is_x86_feature_detected!("avx2")),
            ("fma", std::is_x86_feature_detected!("fma")),
            ("avx512f", std::is_x86_feature_detected!("avx512f")),
            ("aes", std::is_x86_feature_detected!("aes")),
        ]
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        Vec::new()
    }
}

/// What the system says of its first processor.
fn flags() -> Option<Vec<String>> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("flags"))?;
    Some(line.split(':').nth(1)?.split_whitespace().map(str::to_owned).collect())
}

pub(super) fn probe(tier: Tier) -> Result<Benchmark, BenchError> {
    probe_of(tier, facts)
}

pub(super) fn probe_of(tier: Tier, told: fn(u32) -> Facts) -> Result<Benchmark, BenchError> {
    let mut ring = Ring::found(told);
    let (mut agents, mut machine) = (Vec::new(), Vec::new());
    for _ in 0..100 * tier.samples() {
        let began = Instant::now();
        ring.probe();
        agents.push(began.elapsed().as_nanos() as f64 / 1e3);
        let began = Instant::now();
        black_box((std::thread::available_parallelism().map_or(1, usize::from), processor()));
        machine.push(began.elapsed().as_nanos() as f64 / 1e3);
    }
    let right: BTreeMap<AgentId, Facts> = (1..AGENTS).map(|agent| (AgentId(agent), facts(agent))).collect();
    let (found, scale) = (ring.heard(), Scale::less("us").held_to(Some(500_000.0), None));
    let mut build = Build::new(Id::Number(7), "capability", PROBE, (u64::from(AGENTS) - 1, "answers"), scale, &agents)?
        .check("what every agent said of itself is what it was made to be", right, found)
        .case("the machine: cores and processor features", Scale::less("us"), &machine)?;
    if let Some(flags) = flags().filter(|_| !processor().is_empty()) {
        let found: Vec<&str> = processor().into_iter().filter_map(|(name, has)| has.then_some(name)).collect();
        let system = processor().into_iter().map(|(name, _)| name);
        let system: Vec<&str> = system.filter(|name| flags.iter().any(|flag| flag == name)).collect();
        build = build.check("processor features, as the system lists them", system, found);
    }
    Ok(build.judge())
}

/// Values to think about.
fn values() -> Vec<f64> {
    (0..100).map(|i| f64::from(i) * 0.37 + 0.1).collect()
}

/// A thousand times the sine times the cosine of each value, summed.
pub(super) fn think(values: &[f64]) -> f64 {
    let mut sum = 0.0;
    for _ in 0..1_000 {
        for value in values {
            let x = black_box(*value);
            sum += x.sin() * x.cos();
        }
    }
    sum
}

/// Sixty-four workers, and what they have.
fn candidates() -> Vec<Candidate> {
    let mut random = Xoshiro::new(5);
    let one = |agent| Candidate {
        agent: AgentId(agent),
        facts: Facts {
            capabilities: Capabilities(random.bits() & random.bits()),
            slots: 1,
            room: 8,
            ..Facts::default()
        },
        held: u64::from(agent % 9),
    };
    (0..64).map(one).collect()
}

/// The one with the fewest abilities among those who can and have room, of those with the fewest tasks the first.
fn fittest(needs: Capabilities, candidates: &[Candidate]) -> Option<AgentId> {
    let mut best: Option<(u32, u64, AgentId)> = None;
    for candidate in candidates {
        let able = candidate.facts.capabilities.0 & needs.0 == needs.0 && candidate.held < 8;
        let rank = (candidate.facts.capabilities.0.count_ones(), candidate.held, candidate.agent);
        if able && best.is_none_or(|best| rank < best) {
            best = Some(rank);
        }
    }
    best.map(|(.., agent)| agent)
}

pub(super) fn work(tier: Tier) -> Result<Benchmark, BenchError> {
    work_of(tier, think)
}

pub(super) fn work_of(tier: Tier, think: fn(&[f64]) -> f64) -> Result<Benchmark, BenchError> {
    let rounds = 5 * tier.samples();
    let values = values();
    let (mut thought, mut sum) = (Vec::new(), 0.0);
    let candidates = candidates();
    let needs: Vec<Capabilities> = (0..64).map(|bit| Capabilities(1 << bit)).collect();
    let (mut matched, mut chosen) = (Vec::new(), Vec::new());
    let mut ring = Ring::found(facts);
    let mut told = Vec::new();
    let updates = 100;
    for round in 0..rounds as u64 {
        let began = Instant::now();
        sum = think(black_box(&values));
        thought.push(began.elapsed().as_nanos() as f64 / 1e6);
        let began = Instant::now();
        chosen = needs.iter().map(|needs| choose(Strategy::Specialised, *needs, &candidates, None)).collect();
        matched.push(began.elapsed().as_nanos() as f64 / needs.len() as f64);
        let began = Instant::now();
        for update in 0..updates {
            for agent in 1..AGENTS {
                let facts = Facts { errors_bp: update as u16, ..facts(agent) };
                let word = Word::Status(facts, round * updates + update);
                ring.nodes[agent as usize].act(START, |_, _, out, _| out.send(AgentId(0), Priority::Normal, word));
            }
            ring.settle();
        }
        told.push(began.elapsed().as_nanos() as f64 / 1e3 / (updates * u64::from(AGENTS - 1)) as f64);
    }
    let right: Vec<Option<AgentId>> = needs.iter().map(|needs| fittest(*needs, &candidates)).collect();
    // sin x cos x = sin 2x / 2.
    let closed: f64 = values.iter().map(|x| 1_000.0 * (2.0 * x).sin() / 2.0).sum();
    let hub = ring.nodes[0].component();
    let last: Vec<u64> = hub.heard.values().map(|(_, count)| *count).collect();
    let items = (100_000, "products");
    Ok(Build::new(Id::Number(9), "capability", WORK, items, Scale::less("ms"), &thought)?
        .claim(
            "the sum of the products is half the sum of the sines of the doubles",
            &format!("{closed:.6}"),
            format!("{sum:.6}"),
            (sum - closed).abs() <= 1e-6 * closed.abs().max(1.0),
        )
        .check("the chosen for each of 64 needs are those that a search through all finds", right, chosen)
        .check("status updates that arrived", rounds as u64 * updates * u64::from(AGENTS - 1), hub.updates)
        .check("the last update of each", vec![rounds as u64 * updates - 1; AGENTS as usize - 1], last)
        .case("matching a need among 64 workers", Scale::less("ns"), &matched)?
        .case("a status update, told and acknowledged", Scale::less("us").held_to(Some(5_000.0), None), &told)?
        .judge())
}
