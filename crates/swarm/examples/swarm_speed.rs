//! What the layer of frames costs: a message within a process, an agent's start, an idle agent's memory, a broadcast to
//! a hundred thousand. `cargo run --release -p starling-swarm --example swarm_speed`
//!
//! One thread, one transport; time is counted from the component that speaks to the component that hears, through
//! codec, window, mailbox and acknowledgement. Memory is what the process grew by (VmRSS), shared tables included.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, run by hand")]

use std::collections::VecDeque;
use std::fmt;
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
use starling_swarm::transport::{InProcess, receive_all, send_all};

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
        Self { nodes, transport, awake: VecDeque::new() }
    }

    fn send(&mut self, by: usize, to: To, word: &[u8]) {
        self.nodes[by].act(START, |_, _, out, _| match to {
            To::One(to) => out.send(to, Priority::High, Word(word.to_vec())),
            To::All => out.send_all(Priority::High, Word(word.to_vec())),
        });
        self.awake.push_back(by);
    }

    /// All start their heartbeats.
    fn wake(&mut self) {
        for at in 0..self.nodes.len() {
            self.nodes[at].on_time(START);
            self.awake.push_back(at);
        }
    }

    /// Lets time pass until `by` has every receipt; how much.
    fn confirm(&mut self, by: usize) -> u64 {
        let mut now = START;
        while self.nodes[by].pending() > 0 {
            now = now.saturating_add(100 * MILLISECOND);
            for at in 0..self.nodes.len() {
                if now >= self.nodes[at].next_due() {
                    self.nodes[at].on_time(now);
                    self.awake.push_back(at);
                }
            }
            self.settle();
        }
        now.since(START)
    }

    /// Carries frames until none is left.
    fn settle(&mut self) {
        while let Some(at) = self.awake.pop_front() {
            receive_all(&mut self.nodes[at], START, &mut self.transport);
            while let Some(parcel) = self.nodes[at].poll_send() {
                let to = parcel.to;
                if starling_swarm::transport::Transport::send(&mut self.transport, AgentId(at as u32), parcel).is_ok() {
                    self.awake.push_back(to.0 as usize);
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

fn main() {
    for (name, delivery) in [("exactly once, acknowledged", Delivery::Once), ("at most once", Delivery::Best)] {
        for bytes in [16, 256, 4096] {
            println!("message of {bytes} B, {name}: {:.0} ns", message(bytes, delivery));
        }
    }
    println!();
    for shape in [Shape::Hierarchical, Shape::Ring, Shape::Star] {
        let before = resident();
        let start = Instant::now();
        let mut swarm = Swarm::found(shape, AGENTS, Config::default());
        let spawn = start.elapsed().as_nanos() as f64 / f64::from(AGENTS);
        let idle = (resident() - before) / AGENTS as usize;
        let start = Instant::now();
        swarm.wake();
        swarm.settle();
        let beats = start.elapsed();
        let beating = (resident() - before) / AGENTS as usize;
        println!("{shape:?} of {AGENTS}: spawn {spawn:.0} ns, {idle} B each, {beating} B once all have beaten");
        println!("  a round of heartbeats over {} edges: {beats:?}", shape.edge_count(AGENTS as usize));
        if shape == Shape::Hierarchical {
            let start = Instant::now();
            swarm.send(77_777, To::All, &[7; 256]);
            swarm.settle();
            let told = start.elapsed();
            assert!(swarm.nodes.iter().filter(|node| node.component().words == 1).count() == AGENTS as usize - 1);
            let start = Instant::now();
            let later = swarm.confirm(77_777) / MILLISECOND;
            let confirmed = start.elapsed();
            let conferring = (resident() - before) / AGENTS as usize;
            println!(
                "  one tells all: {told:?}; every receipt {later} ms of virtual time later, {confirmed:?} of ours"
            );
            println!("  {conferring} B each afterwards");
        }
    }
    // A mesh has a neighbour's record for each pair: its natural size is small.
    let before = resident();
    let mut swarm = Swarm::found(Shape::Mesh, 1_200, Config::default());
    swarm.wake();
    swarm.settle();
    println!("Mesh of 1200: {} B each once all have beaten", (resident() - before) / 1_200);
}
