//! What a swarm in one process and on one thread costs: an agent's start, a message, a decision, shared state, and a
//! thousand agents that confer.
//!
//! Nodes are whole (codec, window, mailbox, acknowledgements, topology) and so are agents (engine, strategy, board, node);
//! `council` hands consensus' messages over without any of it, so that what is left is the protocol and its signatures.
//! Each case checks what it did: words counted, certificates at all six, equal hashes, decisions of every council.
//! Virtual time passes as fast as there is something to do.

#![expect(clippy::unwrap_used, reason = "a bench that does not do its work may panic")]

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use starling_core::UnixNanos;
use starling_core::time::SECOND;
use starling_lab::bench::mesh::council::{Councils, MEMBERS};
use starling_swarm::component::{Component, Outbox, Priority, To};
use starling_swarm::consensus::ballot::{Action, Choice};
use starling_swarm::consensus::council::{Council, Member, Mode, Subject};
use starling_swarm::consensus::{Consensus, Event, Message, Timing, Trust};
use starling_swarm::id::AgentId;
use starling_swarm::identity::{Identity, KeyBook};
use starling_swarm::membership::Founding;
use starling_swarm::node::{Config, Node};
use starling_swarm::state::{Settings, State};
use starling_swarm::topology::Shape;
use starling_swarm::transport::{InProcess, receive_all, send_all};

const SIX: u32 = 6;
const START: UnixNanos = UnixNanos::new(1_000_000_000_000_000_000);

fn main() {
    let test = std::env::args().any(|argument| argument == "--test");
    let test = test || std::env::var_os(starling_benches::SMOKE).is_some_and(|value| value != "0");
    let seconds = |full: f64| Duration::from_secs_f64(if test { full / 20.0 } else { full });
    let mut criterion = Criterion::default()
        .sample_size(if test { 10 } else { 30 })
        .measurement_time(seconds(3.0))
        .warm_up_time(seconds(1.0))
        .configure_from_args();
    agents(&mut criterion, if test { 100 } else { 1_000 });
    message(&mut criterion);
    council(&mut criterion);
    nodes(&mut criterion);
    state(&mut criterion);
    criterion.final_summary();
}

/// Nodes of one process, all messages carried until none is on its way.
struct Group<C: Component> {
    nodes: Vec<Node<C>>,
    transport: InProcess,
    now: UnixNanos,
}

impl<C: Component> Group<C> {
    fn found(agents: u32, component: impl Fn(AgentId) -> C) -> Self {
        let founding = Founding::new(Shape::Mesh, (0..agents).map(AgentId));
        let mut transport = InProcess::default();
        let nodes = (0..agents).map(AgentId).map(|agent| {
            transport.open(agent);
            Node::found(START, agent, component(agent), Config::default(), &founding)
        });
        let nodes = nodes.collect();
        let mut group = Self { nodes, transport, now: START };
        group.pass(0);
        group
    }

    /// Time passes, and all that follows happens.
    fn pass(&mut self, nanos: u64) {
        self.now = self.now.saturating_add(nanos);
        for node in &mut self.nodes {
            if node.next_due() <= self.now {
                node.on_time(self.now);
            }
        }
        let mut moved = true;
        while moved {
            moved = false;
            for node in &mut self.nodes {
                assert!(send_all(node, &mut self.transport), "mailboxes hold all that is ever on its way");
            }
            for node in &mut self.nodes {
                moved |= receive_all(node, self.now, &mut self.transport) > 0;
            }
        }
    }
}

/// Counts what it hears.
#[derive(Debug, Default)]
struct Ear(u64);

impl Component for Ear {
    type Message = [u64; 32];
    type Event = ();

    fn on_message(&mut self, _: UnixNanos, _: AgentId, _: [u64; 32], _: &mut Outbox<[u64; 32]>, _: &mut Vec<()>) {
        self.0 += 1;
    }

    fn on_time(&mut self, _: UnixNanos, _: &mut Outbox<[u64; 32]>, _: &mut Vec<()>) {}

    fn next_due(&self) -> UnixNanos {
        UnixNanos::MAX
    }

    fn on_members(&mut self, _: UnixNanos, _: &[AgentId], _: &mut Outbox<[u64; 32]>, _: &mut Vec<()>) {}
}

/// One message of 256 bytes or so at a time, exactly once, its receipt included.
fn message(criterion: &mut Criterion) {
    let mut pair = Group::found(2, |_| Ear::default());
    let mut said = 0;
    criterion.bench_function("swarm/message/exactly once", |bencher| {
        bencher.iter(|| {
            let Group { nodes, transport, now } = &mut pair;
            let [a, b] = nodes.as_mut_slice() else { unreachable!("two") };
            a.act(*now, |_, _, out, _| out.send(AgentId(1), Priority::High, black_box([u64::MAX >> 8; 32])));
            send_all(a, transport);
            receive_all(b, *now, transport);
            send_all(b, transport);
            receive_all(a, *now, transport);
            said += 1;
        });
    });
    assert_eq!((pair.nodes[1].component().0, pair.nodes[0].pending()), (said, 0));
}

fn identity(agent: AgentId) -> Identity {
    let mut seed = [9; 32];
    seed[..4].copy_from_slice(&agent.0.to_le_bytes());
    Identity::new(agent, &seed)
}

fn six(mode: Mode, trust: Trust) -> impl Fn(AgentId) -> Consensus {
    let mut book = KeyBook::new();
    (0..SIX).map(AgentId).for_each(|agent| book.insert(agent, &identity(agent).public()).unwrap());
    let book = Arc::new(book);
    let council = Council::new(mode, (0..SIX).map(|agent| Member::new(AgentId(agent)))).unwrap();
    move |agent| Consensus::new(identity(agent), Arc::clone(&book), council.clone(), Timing::default(), trust)
}

const BUY: Choice = Choice::Act { action: Action::Buy, confidence: 8_000 };

fn subject(number: u64) -> Subject {
    Subject { stamp: UnixNanos::new(number), instrument: 0, question: 0 }
}

/// Decisions of six: from the first vote until all hold the certificate.
fn council(criterion: &mut Criterion) {
    use Mode::{Byzantine, Leader, Majority, Quorum, Unanimous, Weighted};
    let mut group = criterion.benchmark_group("swarm/council of six");
    let mut cases =
        [Majority, Weighted, Quorum, Unanimous, Leader, Byzantine].map(|mode| (mode, Trust::Transport)).to_vec();
    cases.push((Quorum, Trust::Nobody));
    for (mode, trust) in cases {
        let member = six(mode, trust);
        let mut members: Vec<Consensus> = (0..SIX).map(|agent| member(AgentId(agent))).collect();
        let mut number = 0;
        group.bench_function(format!("{mode:?}, trust {trust:?}"), |bencher| {
            bencher.iter(|| {
                number += 1;
                decide(&mut members, number);
            });
        });
    }
    group.finish();
}

fn decide(members: &mut [Consensus], number: u64) {
    let now = UnixNanos::new(number * SECOND);
    let (mut mail, mut out, mut events) = (VecDeque::new(), Outbox::new(), Vec::<Event>::new());
    let post = |from: AgentId, out: &mut Outbox<Message>, mail: &mut VecDeque<(AgentId, AgentId, Message)>| {
        for outgoing in out.drain() {
            match outgoing.to {
                To::One(to) => mail.push_back((from, to, outgoing.message)),
                To::All => {
                    let others = (0..SIX).map(AgentId).filter(|to| *to != from);
                    mail.extend(others.map(|to| (from, to, outgoing.message.clone())));
                }
            }
        }
    };
    for agent in (0..SIX).map(AgentId) {
        members[agent.0 as usize].vote(now, subject(number), BUY, &mut out, &mut events).unwrap();
        post(agent, &mut out, &mut mail);
    }
    while let Some((from, to, message)) = mail.pop_front() {
        members[to.0 as usize].on_message(now, from, message, &mut out, &mut events);
        post(to, &mut out, &mut mail);
    }
    assert!(members.iter().all(|member| member.decision(subject(number)).is_some()), "not decided");
}

/// The same through whole nodes.
fn nodes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("swarm/council of six, over nodes");
    for mode in [Mode::Quorum, Mode::Byzantine] {
        let mut six = Group::found(SIX, six(mode, Trust::Transport));
        let mut number = 0;
        group.bench_function(format!("{mode:?}"), |bencher| {
            bencher.iter(|| {
                number += 1;
                let now = six.now;
                for node in &mut six.nodes {
                    node.act(now, |member, now, out, events| {
                        member.vote(now, subject(number), BUY, out, events).unwrap();
                    });
                }
                six.pass(0);
                assert!(six.nodes.iter().all(|node| node.component().decision(subject(number)).is_some()));
                six.nodes.iter_mut().for_each(|node| while node.poll_event().is_some() {});
            });
        });
    }
    group.finish();
}

/// One of six writes ten values of 1 KiB; until all have them.
fn state(criterion: &mut Criterion) {
    let settings = Settings::default();
    let mut six = Group::found(SIX, |agent| State::new(START, agent, settings));
    let mut round = 0_u64;
    criterion.bench_function("swarm/state of 10 KiB to six", |bencher| {
        bencher.iter(|| {
            round += 1;
            let (now, writer) = (six.now, (round % u64::from(SIX)) as usize);
            six.nodes[writer].act(now, |state, now, _, _| {
                for key in 0..10_u8 {
                    let mut value = vec![key; 1024];
                    value[..8].copy_from_slice(&round.to_le_bytes());
                    state.set(now, &[key], value).unwrap();
                }
            });
            // The moment in which a change waits for more passes virtually.
            six.pass(settings.gather);
            let hash = six.nodes[writer].component().hash();
            assert!(six.nodes.iter().all(|node| node.component().hash() == hash), "all have it");
            assert_eq!(six.nodes[(writer + 1) % 6].component().get(&[9]).unwrap()[..8], round.to_le_bytes());
            six.nodes.iter_mut().for_each(|node| while node.poll_event().is_some() {});
        });
    });
}

/// Whole agents in councils of twenty, as trees.
fn agents(criterion: &mut Criterion, count: usize) {
    let mut group = criterion.benchmark_group("swarm/agent");
    group.bench_function("spawn, each", |bencher| {
        bencher.iter_custom(|wanted| {
            let mut councils = Councils::new(true).unwrap();
            let opened = (wanted as usize).div_ceil(MEMBERS);
            let mut spent = Duration::ZERO;
            for _ in 0..opened {
                if councils.agents() >= count {
                    councils = Councils::new(true).unwrap();
                }
                let from = Instant::now();
                let members = councils.open().unwrap().delegates().len();
                spent += from.elapsed();
                assert_eq!(members, MEMBERS);
            }
            spent.mul_f64(wanted as f64 / (opened * MEMBERS) as f64)
        });
    });
    let mut councils = Councils::new(true).unwrap();
    while councils.agents() < count {
        councils.open().unwrap();
    }
    // Until the averages are there, agents abstain.
    for _ in 0..25 {
        councils.confer().unwrap();
    }
    group.sample_size(10);
    group.bench_function(format!("{count} confer about a bar"), |bencher| {
        bencher
            .iter(|| assert_eq!(councils.confer().unwrap(), vec![1; count / MEMBERS], "a decision of every council"));
    });
    group.finish();
}
