//! What a mesh is required to do within one process: spawning, many agents at once, messages, decisions.
//!
//! Invariant: as everywhere, what was sent is counted where it arrives, and decisions are certificates that somebody who
//! was not there checks.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use starling_core::UnixNanos;
use starling_core::time::SECOND;
use starling_swarm::component::{Component, Outbox, Priority};
use starling_swarm::consensus::ballot::{Action, Choice};
use starling_swarm::consensus::council::{Council, Member, Mode, Subject};
use starling_swarm::consensus::tally::Outcome;
use starling_swarm::consensus::{Consensus, Timing, Trust};
use starling_swarm::id::AgentId;
use starling_swarm::identity::{Identity, KeyBook};
use starling_swarm::membership::Founding;
use starling_swarm::node::{Config, Node};
use starling_swarm::topology::Shape;
use starling_swarm::transport::{InProcess, receive_all, send_all};

use super::council::{Councils, MEMBERS};
use super::{Build, REQUIRED, Scale};
use crate::bench::{BenchError, Benchmark, Id, Judged, Tier};
use crate::swarm::SwarmError;

pub(super) const SPAWN: &str = "an agent: engine with a strategy, board, node, mailbox";
pub(super) const CONCURRENT: &str = "1,200 agents with 1 MB of state each start and confer";
pub(super) const MESSAGE: &str = "256 B from agent to agent, exactly once, acknowledged";
pub(super) const THROUGHPUT: &str = "messages of 256 B from agent to agent, exactly once";
pub(super) const DECISION: &str = "six agents decide, from the first vote until all hold the certificate";
pub(super) const CONSENSUS: &str = "decisions of six agents a second, one after the other, the transport trusted";
const START: UnixNanos = UnixNanos::new(1_600_000_000_000_000_000);
/// Agents at once.
const AGENTS: usize = 1_200;
/// Numbers of a state of 1 MB: as many weights of a small network.
const WEIGHTS: usize = (1 << 20) / 4;
const SIX: u32 = 6;

fn id(path: &str) -> Id {
    Id::Path(format!("{REQUIRED}/{path} in-process"))
}

fn failed(error: SwarmError) -> BenchError {
    BenchError::Agents(error.to_string())
}

/// Bytes in memory of this process, where the system tells them.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? * 1024.0)
}

pub(super) fn spawn(tier: Tier) -> Result<Benchmark, BenchError> {
    spawn_by(tier, open)
}

/// Opens a council of twenty.
pub(super) fn open(councils: &mut Councils) -> Result<(), BenchError> {
    black_box(councils.open().map_err(failed)?);
    Ok(())
}

pub(super) fn spawn_by(
    tier: Tier,
    mut open: impl FnMut(&mut Councils) -> Result<(), BenchError>,
) -> Result<Benchmark, BenchError> {
    let mut councils = Councils::new(false).map_err(failed)?;
    let mut samples = Vec::new();
    for _ in 0..10 * tier.samples() {
        let began = Instant::now();
        open(&mut councils)?;
        samples.push(began.elapsed().as_nanos() as f64 / 1e3 / MEMBERS as f64);
    }
    let agents = samples.len() * MEMBERS;
    let living = councils.halls().iter().flat_map(|hall| hall.delegates()).filter(|delegate| {
        delegate.node().view().members().len() == MEMBERS && delegate.seat().brain().world().instruments().len() == 1
    });
    let living = living.count();
    // Averages of twenty bars, then they have an opinion.
    let mut decided = vec![0; councils.halls().len()];
    for _ in 0..30 {
        let now = councils.confer().map_err(failed)?;
        decided.iter_mut().zip(now).for_each(|(sum, decisions)| *sum += decisions);
    }
    let decided = decided.into_iter().filter(|decisions| *decisions > 0).count();
    let scale = Scale::less("us").held_to(Some(500_000.0), Some(50.0));
    Ok(Build::new(id("spawn"), "spawn", SPAWN, (1, "agents"), scale, &samples)?
        .check("agents that know their council and their market", agents, living)
        .check("councils that decided something within 30 bars", agents / MEMBERS, decided)
        .judge())
}

pub(super) fn concurrent(tier: Tier) -> Result<Benchmark, BenchError> {
    concurrent_of(tier, AGENTS, open, state)
}

/// The state of an agent: nobody else has it.
pub(super) fn state(agent: usize) -> Vec<f32> {
    (0..WEIGHTS).map(|at| (agent * 31 + at) as f32 % 97.0).collect()
}

pub(super) fn concurrent_of(
    tier: Tier,
    agents: usize,
    mut open: impl FnMut(&mut Councils) -> Result<(), BenchError>,
    state: impl Fn(usize) -> Vec<f32>,
) -> Result<Benchmark, BenchError> {
    let (mut starts, mut memory, mut bars) = (Vec::new(), Vec::new(), Vec::new());
    let (mut alive, mut decided, mut wrong) = (Vec::new(), Vec::new(), 0);
    for _ in 0..tier.samples() {
        let before = resident();
        let began = Instant::now();
        let mut councils = Councils::new(true).map_err(failed)?;
        let mut states: Vec<Vec<f32>> = Vec::with_capacity(agents);
        while states.len() < agents {
            open(&mut councils)?;
            let fresh = states.len()..states.len() + MEMBERS;
            states.extend(fresh.map(&state));
        }
        starts.push(began.elapsed().as_nanos() as f64 / 1e9);
        memory.extend(before.zip(resident()).map(|(before, after)| (after - before) / 1e6 / agents as f64));
        alive.push(states.len().min(councils.agents()));
        let began = Instant::now();
        decided.push(councils.confer().map_err(failed)?.iter().sum());
        // Each looks at all of its state.
        let sums: Vec<f64> = states.iter().map(|state| state.iter().map(|weight| f64::from(*weight)).sum()).collect();
        bars.push(began.elapsed().as_nanos() as f64 / 1e6);
        // Every 97 weights in a row are 0 to 96 once each.
        let (whole, rest) = (WEIGHTS / 97 * (96 * 97 / 2), WEIGHTS % 97);
        let sum = |agent: usize| (whole + (0..rest).map(|at| (agent * 31 + at) % 97).sum::<usize>()) as f64;
        wrong += (0..agents).filter(|agent| sums[*agent] != sum(*agent)).count();
    }
    let rounds = tier.samples();
    let scale = Scale::less("s").held_to(Some(5.0), None).by(Judged::Worst);
    let mut build = Build::new(id("concurrent"), "concurrent", CONCURRENT, (agents as u64, "agents"), scale, &starts)?
        .check("agents alive at once, each with its state", vec![agents; rounds], alive)
        .check("decisions about a bar, one of each council of twenty", vec![agents / MEMBERS; rounds], decided)
        .check("states that are not what they were filled with", 0, wrong)
        .case("a bar: all confer, and read their state", Scale::less("ms"), &bars)?;
    if memory.len() == rounds {
        let scale = Scale::less("MB").held_to(Some(50.0), None).by(Judged::Worst);
        build = build.case("memory of an agent with its state", scale, &memory)?;
    }
    Ok(build.judge())
}

/// Bytes, written and read as a whole: serde takes a `Vec<u8>` for a sequence of numbers.
#[derive(Debug, Clone)]
pub(super) struct Letter(pub(super) Vec<u8>);

impl Serialize for Letter {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Letter {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Letter;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Letter, E> {
                Ok(Letter(bytes.to_vec()))
            }
        }
        from.deserialize_bytes(Bytes)
    }
}

/// Counts what it hears.
#[derive(Debug, Default)]
pub(super) struct Ear {
    letters: u64,
    bytes: u64,
}

impl Component for Ear {
    type Message = Letter;
    type Event = ();

    fn on_message(&mut self, _: UnixNanos, _: AgentId, letter: Letter, _: &mut Outbox<Letter>, _: &mut Vec<()>) {
        self.letters += 1;
        self.bytes += letter.0.len() as u64;
    }

    fn on_time(&mut self, _: UnixNanos, _: &mut Outbox<Letter>, _: &mut Vec<()>) {}

    fn next_due(&self) -> UnixNanos {
        UnixNanos::MAX
    }

    fn on_members(&mut self, _: UnixNanos, _: &[AgentId], _: &mut Outbox<Letter>, _: &mut Vec<()>) {}
}

/// Nodes of one thread, and what is between them.
pub(super) struct Group<C: Component> {
    pub(super) nodes: Vec<Node<C>>,
    pub(super) transport: InProcess,
    pub(super) now: UnixNanos,
}

impl<C: Component> Group<C> {
    fn found(agents: u32, component: impl Fn(AgentId) -> C) -> Self {
        let founding = Founding::new(Shape::Mesh, (0..agents).map(AgentId));
        let mut transport = InProcess::default();
        let node = |agent| {
            transport.open(agent);
            Node::found(START, agent, component(agent), Config::default(), &founding)
        };
        let nodes = (0..agents).map(AgentId).map(node).collect();
        let mut group = Self { nodes, transport, now: START };
        group.settle();
        group
    }

    /// Until nothing is on its way.
    pub(super) fn settle(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            for node in &mut self.nodes {
                moved |= !send_all(node, &mut self.transport);
            }
            for node in &mut self.nodes {
                moved |= receive_all(node, self.now, &mut self.transport) > 0;
            }
        }
    }
}

pub(super) fn message(tier: Tier) -> Result<Benchmark, BenchError> {
    message_by(tier, |pair, letter| {
        put(pair, letter, Priority::High);
        let Group { nodes, transport, now } = pair;
        let [a, b] = nodes.as_mut_slice() else { unreachable!("two") };
        send_all(a, transport);
        receive_all(b, *now, transport);
        send_all(b, transport);
        receive_all(a, *now, transport);
    })
}

/// The first of two hands a letter for the other to its node.
pub(super) fn put(pair: &mut Group<Ear>, letter: &Letter, priority: Priority) {
    let now = pair.now;
    pair.nodes[0].act(now, |_, _, out, _| out.send(AgentId(1), priority, black_box(letter.clone())));
}

/// `carry` brings a letter from the first to the second, and its receipt back.
pub(super) fn message_by(tier: Tier, mut carry: impl FnMut(&mut Group<Ear>, &Letter)) -> Result<Benchmark, BenchError> {
    let mut pair = Group::found(2, |_| Ear::default());
    let (batch, rounds) = (50, 200 * tier.samples());
    let mut samples = Vec::new();
    let letter = Letter(vec![7; 256]);
    for _ in 0..rounds {
        let began = Instant::now();
        (0..batch).for_each(|_| carry(&mut pair, &letter));
        samples.push(began.elapsed().as_nanos() as f64 / 1e3 / f64::from(batch));
    }
    let sent = rounds as u64 * batch as u64;
    let (ear, pending) = (pair.nodes[1].component(), pair.nodes[0].pending());
    let scale = Scale::less("us").held_to(Some(5_000.0), Some(2.0));
    Ok(Build::new(id("message"), "message", MESSAGE, (1, "messages"), scale, &samples)?
        .check("messages and bytes that arrived", (sent, 256 * sent), (ear.letters, ear.bytes))
        .check("messages that nobody has acknowledged", 0, pending)
        .judge())
}

pub(super) fn throughput(tier: Tier) -> Result<Benchmark, BenchError> {
    throughput_by(tier, |pair, letter| put(pair, letter, Priority::Normal))
}

/// `put` hands a letter for the second to the first.
pub(super) fn throughput_by(
    tier: Tier,
    mut put: impl FnMut(&mut Group<Ear>, &Letter),
) -> Result<Benchmark, BenchError> {
    let mut figures = Vec::new();
    for (size, count) in [(256, 20_000_u64), (64 << 10, 1_000)] {
        let mut pair = Group::found(2, |_| Ear::default());
        let (mut rates, mut megabytes) = (Vec::new(), Vec::new());
        let letter = Letter(vec![7; size]);
        for _ in 0..tier.samples() {
            let began = Instant::now();
            for sent in 0..count {
                put(&mut pair, &letter);
                // As many as may be open without a receipt.
                if sent % 256 == 255 {
                    pair.settle();
                }
            }
            pair.settle();
            let seconds = began.elapsed().as_secs_f64();
            rates.push(count as f64 / seconds);
            megabytes.push((count * size as u64) as f64 / 1e6 / seconds);
        }
        let ear = pair.nodes[1].component();
        let expected = tier.samples() as u64 * count;
        figures.push((rates, megabytes, (expected, expected * size as u64), (ear.letters, ear.bytes)));
    }
    let [small, large] = &figures[..] else { unreachable!("two sizes") };
    let asked = Scale::more("MB/s").held_to(Some(12.0), None);
    let scale = Scale::more("messages/s").towards(400_000.0);
    Ok(Build::new(id("throughput"), "throughput", THROUGHPUT, (20_000, "messages"), scale, &small.0)?
        .check("messages and bytes of 256 B that arrived", small.2, small.3)
        .check("messages and bytes of 64 KiB that arrived", large.2, large.3)
        .case("256 B", asked, &small.1)?
        .case("64 KiB", asked, &large.1)?
        .judge())
}

/// Six that decide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voters {
    /// What an agent votes in a round; nothing, if it is silent.
    pub(super) choice: fn(u64, AgentId) -> Option<Choice>,
    /// Whom it signs as; the others know its key as [`identity`] has it.
    pub(super) identity: fn(AgentId) -> Identity,
}

/// They all want to buy.
pub(super) const AGREED: Voters =
    Voters { choice: |_, _| Some(Choice::Act { action: Action::Buy, confidence: 8_000 }), identity };

pub(super) fn identity(agent: AgentId) -> Identity {
    let mut seed = [9; 32];
    seed[..4].copy_from_slice(&agent.0.to_le_bytes());
    Identity::new(agent, &seed)
}

/// What a sound certificate that all six hold decides, and by how many.
type Decided = Option<(Action, u32)>;

/// What six that vote did.
#[derive(Debug, Default)]
struct Decisions {
    /// From the first vote until all hold the certificate, microseconds each.
    times: Vec<f64>,
    /// All of the agents' work in a round, microseconds each: besides that, they take note and forget.
    rounds: Vec<f64>,
    /// What was decided, by a stranger's check.
    decided: Vec<Decided>,
}

/// Six that vote, round after round.
fn decide(voters: Voters, trust: Trust, rounds: u64) -> Result<Decisions, BenchError> {
    let mut book = KeyBook::new();
    for agent in (0..SIX).map(AgentId) {
        let key = identity(agent).public();
        book.insert(agent, &key).map_err(|error| BenchError::Agents(error.to_string()))?;
    }
    let book = Arc::new(book);
    let council = Council::new(Mode::Quorum, (0..SIX).map(|agent| Member::new(AgentId(agent))));
    let council = council.map_err(|error| BenchError::Agents(error.to_string()))?;
    let member =
        |agent| Consensus::new((voters.identity)(agent), Arc::clone(&book), council.clone(), Timing::default(), trust);
    let mut six = Group::found(SIX, member);
    let mut done = Decisions::default();
    for round in 1..=rounds {
        six.now = START.saturating_add(round * SECOND);
        let subject = Subject { stamp: UnixNanos::new(round), instrument: 0, question: 0 };
        let began = Instant::now();
        for node in &mut six.nodes {
            let Some(choice) = (voters.choice)(round, node.me()) else { continue };
            let vote = |consensus: &mut Consensus, now, out: &mut _, events: &mut _| {
                consensus.vote(now, subject, choice, out, events)
            };
            node.act(six.now, vote).map_err(|refused| BenchError::Agents(refused.to_string()))?;
        }
        six.settle();
        let time = began.elapsed().as_nanos() as f64 / 1e3;
        let all = six.nodes.iter().filter_map(|node| node.component().decision(subject)).count();
        let certificate = six.nodes[round as usize % SIX as usize].component().decision(subject);
        let sound =
            certificate.filter(|certificate| all == SIX as usize && certificate.verify(&book, &council).is_ok());
        done.decided.push(sound.and_then(|certificate| match certificate.outcome(&council) {
            Outcome::Act { action, supporters, .. } => Some((action, supporters)),
            Outcome::NoTrade(_) => None,
        }));
        let began = Instant::now();
        for node in &mut six.nodes {
            while node.poll_event().is_some() {}
            node.act(six.now, |consensus, _, _, _| consensus.forget_before(subject.stamp));
        }
        done.times.push(time);
        done.rounds.push(time + began.elapsed().as_nanos() as f64 / 1e3);
    }
    Ok(done)
}

/// Decisions that all six hold, by all six, and a stranger finds sound.
fn sound(decided: &[Decided]) -> usize {
    decided.iter().filter(|decided| **decided == Some((Action::Buy, SIX))).count()
}

pub(super) fn decision(tier: Tier) -> Result<Benchmark, BenchError> {
    decision_by(tier, AGREED)
}

pub(super) fn decision_by(tier: Tier, voters: Voters) -> Result<Benchmark, BenchError> {
    let rounds = 40 * tier.samples() as u64;
    let trusted = decide(voters, Trust::Transport, rounds)?;
    let checked = decide(voters, Trust::Nobody, rounds)?;
    let asked = Scale::less("us").held_to(Some(200_000.0), None);
    Ok(Build::new(id("decision"), "decision", DECISION, (1, "decisions"), asked.towards(200.0), &trusted.times)?
        .check(
            "sound certificates, the transport trusted and nobody",
            [rounds as usize; 2],
            [sound(&trusted.decided), sound(&checked.decided)],
        )
        .case("every signature checked, by all six on one thread", asked, &checked.times)?
        .judge())
}

pub(super) fn consensus(tier: Tier) -> Result<Benchmark, BenchError> {
    consensus_by(tier, AGREED)
}

pub(super) fn consensus_by(tier: Tier, voters: Voters) -> Result<Benchmark, BenchError> {
    let (mut rates, mut checked) = (Vec::new(), Vec::new());
    let (rounds, mut good) = (100_u64, 0);
    for _ in 0..tier.samples() {
        for (trust, rates) in [(Trust::Transport, &mut rates), (Trust::Nobody, &mut checked)] {
            let done = decide(voters, trust, rounds)?;
            rates.push(rounds as f64 * 1e6 / done.rounds.iter().sum::<f64>());
            good += sound(&done.decided);
        }
    }
    let scale = Scale::more("decisions/s").held_to(Some(1_000.0), None);
    Ok(Build::new(id("consensus"), "consensus", CONSENSUS, (rounds, "decisions"), scale, &rates)?
        .check("sound certificates", 2 * tier.samples() * rounds as usize, good)
        .case("every signature checked, by all six on one thread", Scale::more("decisions/s"), &checked)?
        .judge())
}
