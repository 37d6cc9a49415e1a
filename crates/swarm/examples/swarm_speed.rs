//! What the layer of frames costs: a message within a process, an agent's start, an idle agent's memory, a broadcast to
//! a hundred thousand, a leader's death. `cargo run --release -p starling-swarm --example swarm_speed`
//!
//! One thread, one transport; time is counted from the component that speaks to the component that hears, through
//! codec, window, mailbox and acknowledgement. Memory is what the process grew by (VmRSS), shared tables included.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, run by hand")]

use std::collections::VecDeque;
use std::fmt;
use std::process::Command;
use std::time::Instant;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use starling_core::UnixNanos;
use starling_core::time::MILLISECOND;
use starling_swarm::component::{Component, Outbox, Priority, To};
use starling_swarm::id::AgentId;
use starling_swarm::membership::Founding;
use starling_swarm::node::{Config, Delivery, Node};
use starling_swarm::topology::Shape;
use starling_swarm::transport::{InProcess, SendError, Transport, receive_all, send_all};

const ROUNDS: usize = 21;
const MESSAGES: usize = 20_000;
const AGENTS: u32 = 100_000;
const START: UnixNanos = UnixNanos::new(1_000_000_000_000_000_000);

/// Bytes, written and read as a whole: serde takes a `Vec<u8>` for a sequence of numbers.
#[derive(Debug, Clone)]
struct Word(Vec<u8>);

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Word, E> {
                Ok(Word(bytes.to_vec()))
            }
        }
        from.deserialize_bytes(Bytes)
    }
}

/// Counts words and their bytes.
#[derive(Debug, Default)]
struct Ear {
    words: usize,
    bytes: usize,
}

impl Component for Ear {
    type Message = Word;
    type Event = ();

    fn on_message(&mut self, _: UnixNanos, _: AgentId, word: Word, _: &mut Outbox<Word>, _: &mut Vec<()>) {
        self.words += 1;
        self.bytes += word.0.len();
    }

    fn on_time(&mut self, _: UnixNanos, _: &mut Outbox<Word>, _: &mut Vec<()>) {}

    fn next_due(&self) -> UnixNanos {
        UnixNanos::MAX
    }

    fn on_members(&mut self, _: UnixNanos, _: &[AgentId], _: &mut Outbox<Word>, _: &mut Vec<()>) {}
}

struct Swarm {
    nodes: Vec<Node<Ear>>,
    transport: InProcess,
    awake: VecDeque<usize>,
    now: UnixNanos,
    dead: Option<usize>,
}

impl Swarm {
    fn found(shape: Shape, agents: u32, config: Config) -> Self {
        let founding = Founding::new(shape, (0..agents).map(AgentId));
        let mut transport = InProcess::default();
        let spawn = |agent| {
            transport.open(agent);
            Node::found(START, agent, Ear::default(), config, &founding)
        };
        let nodes = (0..agents).map(AgentId).map(spawn).collect();
        Self { nodes, transport, awake: VecDeque::new(), now: START, dead: None }
    }

    fn send(&mut self, by: usize, to: To, word: &[u8]) {
        self.nodes[by].act(START, |_, _, out, _| match to {
            To::One(to) => out.send(to, Priority::High, Word(word.to_vec())),
            To::All => out.send_all(Priority::High, Word(word.to_vec())),
        });
        self.awake.push_back(by);
    }

    /// Time is `now`: all that fell due is done, and frames are carried until none is left.
    fn pass(&mut self, now: UnixNanos) {
        self.now = now;
        for at in 0..self.nodes.len() {
            if self.is_alive(at) && now >= self.nodes[at].next_due() {
                self.nodes[at].on_time(now);
                self.awake.push_back(at);
            }
        }
        self.settle();
    }

    /// Lets time pass in steps of 100 ms until `done`; how many milliseconds.
    fn pass_until(&mut self, done: impl Fn(&Self) -> bool) -> u64 {
        let start = self.now;
        while !done(self) {
            self.pass(self.now.saturating_add(100 * MILLISECOND));
        }
        self.now.since(start) / MILLISECOND
    }

    fn kill(&mut self, at: usize) {
        self.transport.close(AgentId(at as u32));
        self.dead = Some(at);
    }

    fn is_alive(&self, at: usize) -> bool {
        self.dead != Some(at)
    }

    fn settle(&mut self) {
        while let Some(at) = self.awake.pop_front() {
            receive_all(&mut self.nodes[at], self.now, &mut self.transport);
            while let Some(parcel) = self.nodes[at].poll_send() {
                let to = parcel.to.0 as usize;
                match self.transport.send(AgentId(at as u32), parcel) {
                    Ok(()) => self.awake.push_back(to),
                    Err(SendError::Full(parcel)) => {
                        // The addressee first.
                        self.nodes[at].put_back(parcel);
                        self.awake.extend([to, at]);
                        break;
                    }
                    Err(_) => {}
                }
            }
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One message at a time between two, each settled before the next; nanoseconds each.
fn message(bytes: usize, delivery: Delivery) -> f64 {
    let mut swarm = Swarm::found(Shape::Mesh, 2, Config { delivery: [delivery; 4], ..Config::default() });
    let Swarm { nodes, transport, .. } = &mut swarm;
    let [a, b] = nodes.as_mut_slice() else { return f64::NAN };
    let word = Word(vec![7; bytes]);
    let mut round = || {
        let start = Instant::now();
        for _ in 0..MESSAGES {
            a.act(START, |_, _, out, _| out.send(AgentId(1), Priority::High, word.clone()));
            send_all(a, transport);
            receive_all(b, START, transport);
            send_all(b, transport);
            receive_all(a, START, transport);
        }
        start.elapsed().as_nanos() as f64 / MESSAGES as f64
    };
    let nanos = median((0..ROUNDS).map(|_| round()).collect());
    assert_eq!(b.component().words, ROUNDS * MESSAGES);
    assert_eq!((b.component().bytes, a.pending()), (ROUNDS * MESSAGES * bytes, 0));
    nanos
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// What is measured, each in a process of its own, so that no memory of the last is left.
const WORKLOADS: [&str; 10] = [
    "message",
    "idle-tree",
    "idle-ring",
    "idle-star",
    "idle-mesh",
    "broadcast-once",
    "broadcast-best",
    "death-100",
    "death-1000",
    "death-4000",
];

fn main() {
    let Some(workload) = std::env::args().nth(1) else {
        let program = std::env::current_exe().unwrap();
        for workload in WORKLOADS {
            assert!(Command::new(&program).arg(workload).status().unwrap().success(), "{workload}");
        }
        return;
    };
    match workload.as_str() {
        "message" => {
            for (name, delivery) in [("exactly once", Delivery::Once), ("at most once", Delivery::Best)] {
                let nanos = [16, 256, 4096].map(|bytes| message(bytes, delivery));
                println!(
                    "message {name}: 16 B {:.0} ns, 256 B {:.0} ns, 4096 B {:.0} ns",
                    nanos[0], nanos[1], nanos[2]
                );
            }
        }
        "idle-tree" => idle(Shape::Hierarchical, AGENTS),
        "idle-ring" => idle(Shape::Ring, AGENTS),
        "idle-star" => idle(Shape::Star, AGENTS),
        // A mesh has a record of each neighbour at each agent, so its natural size is small.
        "idle-mesh" => idle(Shape::Mesh, 1_200),
        "broadcast-once" => broadcast(AGENTS, Delivery::Once),
        "broadcast-best" => broadcast(AGENTS, Delivery::Best),
        _ => death(workload.strip_prefix("death-").and_then(|n| n.parse().ok()).expect("a workload of the list")),
    }
}

/// Agents without work: what their start takes, and what they weigh.
fn idle(shape: Shape, agents: u32) {
    let (before, start) = (resident(), Instant::now());
    let mut swarm = Swarm::found(shape, agents, Config::default());
    let spawn = start.elapsed().as_nanos() as f64 / f64::from(agents);
    let idle = (resident() - before) / agents as usize;
    let start = Instant::now();
    swarm.pass(START);
    let beats = start.elapsed();
    let beating = (resident() - before) / agents as usize;
    println!("{shape:?} of {agents}: spawn {spawn:.0} ns; {idle} B each, {beating} B once all have beaten ({beats:?})");
}

/// One tells all, in a tree; if that is promised once, it gets a receipt of each.
fn broadcast(agents: u32, delivery: Delivery) {
    let before = resident();
    let config = Config { delivery: [delivery; 4], ..Config::default() };
    let mut swarm = Swarm::found(Shape::Hierarchical, agents, config);
    swarm.pass(START);
    let (by, start) = (agents as usize * 7 / 9, Instant::now());
    swarm.send(by, To::All, &[7; 256]);
    swarm.settle();
    let told = start.elapsed();
    assert!(swarm.nodes.iter().filter(|node| node.component().words == 1).count() == agents as usize - 1);
    // Virtual milliseconds.
    let virtually = swarm.pass_until(|swarm| swarm.nodes[by].pending() == 0);
    let each = (resident() - before) / agents as usize;
    let name = if delivery == Delivery::Once { "exactly once" } else { "at most once" };
    println!("one tells all of {agents}, {name}: {told:?}; all receipts {virtually} ms later; {each} B each");
}

/// The leader of a tree dies, and all agree on the next.
fn death(agents: u32) {
    let before = resident();
    let mut swarm = Swarm::found(Shape::Hierarchical, agents, Config::default());
    swarm.pass_until(|swarm| swarm.now.since(START) >= 6_000 * MILLISECOND);
    swarm.kill(0);
    let start = Instant::now();
    let virtually = swarm.pass_until(|swarm| swarm.nodes[1..].iter().all(|node| node.leader() == Some(AgentId(1))));
    let took = start.elapsed();
    let each = (resident() - before) / agents as usize;
    println!("the leader of {agents} dies: the next {virtually} ms later, {took:?} of computing, {each} B each");
}
