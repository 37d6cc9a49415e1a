//! What a decision costs: six agents in one process and on one thread, from the first vote until all six hold the
//! certificate. `cargo run --release -p starling-swarm --example consensus_speed [ROUNDS]`
//!
//! No codec, no links: messages are handed over in the order in which they were sent. All of a decision's signatures and
//! checks are done one after the other, which six processes do at once. The cases take turns within each round, so what
//! else the machine does falls on all alike; the CPU time of a decision (Linux: `/proc/self/schedstat`, rounds of a
//! case apart from the interleaved ones, divided) leaves waiting for a processor out.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, run by hand")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use starling_core::UnixNanos;
use starling_core::time::SECOND;
use starling_swarm::component::{Component, Outbox, To};
use starling_swarm::consensus::ballot::{Action, Choice};
use starling_swarm::consensus::council::{Council, Member, Mode, Subject};
use starling_swarm::consensus::{Consensus, Event, Message, Timing, Trust};
use starling_swarm::id::AgentId;
use starling_swarm::identity::{Identity, KeyBook, Transcript};

const AGENTS: u32 = 6;
const ROUNDS: u64 = 400;
const WARM: u64 = 20;

fn identity(agent: AgentId) -> Identity {
    let mut seed = [9; 32];
    seed[..4].copy_from_slice(&agent.0.to_le_bytes());
    Identity::new(agent, &seed)
}

/// Six members and what is on its way between them.
struct Room {
    members: Vec<Consensus>,
    mail: VecDeque<(AgentId, AgentId, Message)>,
    out: Outbox<Message>,
    events: Vec<Event>,
    messages: u64,
}

impl Room {
    fn new(mode: Mode, trust: Trust) -> Self {
        let mut book = KeyBook::new();
        for agent in (0..AGENTS).map(AgentId) {
            book.insert(agent, &identity(agent).public()).unwrap();
        }
        let book = Arc::new(book);
        let council = Council::new(mode, (0..AGENTS).map(|agent| Member::new(AgentId(agent)))).unwrap();
        let member = |agent| {
            Consensus::new(identity(AgentId(agent)), Arc::clone(&book), council.clone(), Timing::default(), trust)
        };
        let members = (0..AGENTS).map(member).collect();
        Self { members, mail: VecDeque::new(), out: Outbox::new(), events: Vec::new(), messages: 0 }
    }

    fn post(&mut self, from: AgentId) {
        for outgoing in self.out.drain() {
            match outgoing.to {
                To::One(to) => self.mail.push_back((from, to, outgoing.message)),
                To::All => {
                    for to in (0..AGENTS).map(AgentId).filter(|&to| to != from) {
                        self.mail.push_back((from, to, outgoing.message.clone()));
                    }
                }
            }
        }
    }

    /// One decision; microseconds.
    fn decide(&mut self, number: u64) -> f64 {
        let subject = Subject { stamp: UnixNanos::new(number), instrument: 0, question: 0 };
        let now = UnixNanos::new(number * SECOND);
        let began = Instant::now();
        for agent in 0..AGENTS {
            let choice = Choice::Act { action: Action::Buy, confidence: 8_000 };
            self.members[agent as usize].vote(now, subject, choice, &mut self.out, &mut self.events).unwrap();
            self.post(AgentId(agent));
        }
        while let Some((from, to, message)) = self.mail.pop_front() {
            self.messages += 1;
            self.members[to.0 as usize].on_message(now, from, message, &mut self.out, &mut self.events);
            self.post(to);
        }
        let took = began.elapsed();
        self.events.clear();
        assert!(self.members.iter().all(|member| member.decision(subject).is_some()), "not decided");
        took.as_nanos() as f64 / 1e3
    }
}

/// Of sorted samples.
fn quantiles(samples: &mut [f64]) -> String {
    samples.sort_by(f64::total_cmp);
    let at = |share: f64| samples[((samples.len() - 1) as f64 * share) as usize];
    format!("min {:>7.1}  p25 {:>7.1}  p50 {:>7.1}  p99 {:>7.1} us", at(0.0), at(0.25), at(0.5), at(0.99))
}

/// Nanoseconds this process has run, if the system says so.
fn on_cpu() -> Option<u64> {
    std::fs::read_to_string("/proc/self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

fn main() {
    let rounds = std::env::args().nth(1).map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("{rounds} rounds, load {}", load.trim());

    let me = identity(AgentId(1));
    let mut book = KeyBook::new();
    book.insert(AgentId(1), &me.public()).unwrap();
    let mut statement = Transcript::new("speed");
    statement.bytes(&[7; 64]);
    let (mut signs, mut checks) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let began = Instant::now();
        let signature = me.sign(&statement);
        signs.push(began.elapsed().as_nanos() as f64 / 1e3);
        let began = Instant::now();
        book.verify(AgentId(1), &statement, &signature).unwrap();
        checks.push(began.elapsed().as_nanos() as f64 / 1e3);
    }
    println!("{:<34} {}", "one Ed25519 signature", quantiles(&mut signs));
    println!("{:<34} {}", "one check", quantiles(&mut checks));

    let modes = [Mode::Quorum, Mode::Weighted, Mode::Byzantine];
    let cases = modes.iter().flat_map(|&mode| [Trust::Transport, Trust::Nobody].map(|trust| (mode, trust)));
    let mut cases: Vec<_> = cases.map(|(mode, trust)| (mode, trust, Room::new(mode, trust), Vec::new())).collect();
    for round in 1..=WARM + rounds {
        for (_, _, room, samples) in &mut cases {
            let took = room.decide(round);
            if round > WARM {
                samples.push(took);
            }
        }
    }
    for (mode, trust, room, samples) in &mut cases {
        let messages = room.messages / (WARM + rounds);
        let before = on_cpu();
        (1..=rounds).for_each(|round| _ = room.decide(WARM + rounds + round));
        let cpu = before.zip(on_cpu()).map_or_else(String::new, |(before, after)| {
            format!(", {:.0} us of CPU", (after - before) as f64 / 1e3 / rounds as f64)
        });
        let case = format!("{mode:?}, Trust::{trust:?}");
        println!("{case:<34} {}, {messages} messages{cpu}", quantiles(samples));
    }
}
