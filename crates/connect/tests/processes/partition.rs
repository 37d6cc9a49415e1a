//! Five processes in two network namespaces with one cable between them, which is pulled out and put in again.
//!
//! Invariant held: no two agents ever hold different decisions of one subject, whatever the network does; the side with a
//! majority decides without the other, the other decides nothing; afterwards all hold the same decisions and the same state.
//! Without the right to make namespaces (root, `ip` of iproute2) there is nothing to test, and the test says so.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use starling_connect::clock::now;
use starling_connect::mesh::host::Host;
use starling_connect::mesh::{Config, Mesh, ProcessId};
use starling_core::UnixNanos;
use starling_core::time::{MILLISECOND, SECOND};
use starling_swarm::component::pair::{Either, Pair};
use starling_swarm::consensus::ballot::{Action, Choice};
use starling_swarm::consensus::council::{Council, Member, Mode, Subject};
use starling_swarm::consensus::{self, Consensus, Timing, Trust};
use starling_swarm::id::AgentId;
use starling_swarm::identity::{Identity, KeyBook};
use starling_swarm::membership::{self, Founding};
use starling_swarm::node::{self, Node};
use starling_swarm::state::{Settings, State};
use starling_swarm::topology::Shape;

use crate::Test;

pub(crate) const TESTS: [Test; 1] = [("a_cable_that_is_pulled_out_and_put_in_again_divides_no_decision", cable)];

const PATIENCE: Duration = Duration::from_secs(60);
const MEMBERS: u32 = 5;
/// Members of the smaller side.
const FEW: u32 = 2;
/// Of a range for tests of networks (RFC 2544): nothing else uses it.
const ADDRESSES: [&str; 2] = ["198.18.77.1", "198.18.77.2"];

/// What a member is told on its standard input, a line each.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Order {
    /// Vote about this bar, and have all asked for theirs.
    Vote(u64),
    /// Write this into the shared state.
    Write(u8),
}

/// What it tells on its standard output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    members: Vec<u32>,
    /// By bar: the votes' hash.
    decided: BTreeMap<u64, [u8; 32]>,
    keys: Vec<u8>,
    state: [u64; 4],
}

fn identity(agent: u32) -> Identity {
    let mut seed = [0xca; 32];
    seed[..4].copy_from_slice(&agent.to_le_bytes());
    Identity::new(AgentId(agent), &seed)
}

type Both = Pair<Consensus, State>;

fn both(me: u32) -> Both {
    let mut book = KeyBook::new();
    (0..MEMBERS).for_each(|agent| book.insert(AgentId(agent), &identity(agent).public()).unwrap());
    let council = Council::new(Mode::Quorum, (0..MEMBERS).map(|agent| Member::new(AgentId(agent)))).unwrap();
    let timing = Timing { patience: 200 * MILLISECOND, round: 50 * MILLISECOND };
    let first = Consensus::new(identity(me), Arc::new(book), council, timing, Trust::Nobody);
    let second = State::new(now(), AgentId(me), Settings { interval: SECOND, ..Settings::default() });
    Pair { first, second }
}

fn vote(node: &mut Node<Both>, subject: Subject) {
    let choice = Choice::Act { action: Action::Buy, confidence: 7_000 };
    node.act(now(), |both, now, out, events| {
        // Voted on before, or decided: no harm.
        let _ = both.act_first(out, events, |first, out, events| first.vote(now, subject, choice, out, events));
    });
}

/// A member's process: JSON of its links on the command line, orders in, reports out.
pub(crate) fn member(config: &str) {
    let config: Config = serde_json::from_str(config).unwrap();
    let me = config.process.0;
    let (sender, orders) = channel::<Option<Order>>();
    let mesh = Mesh::open(config).unwrap();
    let waker = mesh.waker();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let order = line.ok().and_then(|line| serde_json::from_str(&line).ok());
            let _ = sender.send(order);
            waker.wake();
        }
        let _ = sender.send(None);
        waker.wake();
    });
    let founding = Founding::new(Shape::Mesh, (0..MEMBERS).map(AgentId));
    let settings = node::Config { timing: membership::Timing::local(), ..node::Config::default() };
    let mut host = Host::new(mesh);
    host.add(Node::found(now(), AgentId(me), both(me), settings, &founding));
    let mut told = Told::default();
    let mut decided = BTreeMap::new();
    loop {
        host.turn(Duration::from_millis(20));
        let node = host.node_mut(AgentId(me)).unwrap();
        while let Ok(order) = orders.try_recv() {
            match order {
                // The test is over.
                None => return,
                Some(Order::Vote(bar)) => {
                    vote(node, Subject { stamp: UnixNanos::new(bar), instrument: 0, question: 0 });
                }
                Some(Order::Write(key)) => node.act(now(), |both, now, out, events| {
                    both.act_second(out, events, |state, _, _| state.set(now, &[key], vec![key; 100]).unwrap());
                }),
            }
        }
        while let Some(event) = node.poll_event() {
            match event {
                node::Event::Component(Either::First(consensus::Event::Called { subject, .. })) => vote(node, subject),
                node::Event::Component(Either::First(consensus::Event::Decided(certificate))) => {
                    let id = certificate.dossier.id().0;
                    assert!(decided.insert(certificate.subject.stamp.get(), id).is_none(), "told twice");
                }
                _ => {}
            }
        }
        let state = &node.component().second;
        let now = Told {
            members: node.view().members().iter().map(|member| member.0).collect(),
            decided: decided.clone(),
            keys: state.iter().map(|(key, _)| key[0]).collect(),
            state: state.hash().0,
        };
        if now != told {
            println!("{}", serde_json::to_string(&now).unwrap());
            told = now;
        }
    }
}

/// Runs a command of the system; what it says if it fails.
fn system(words: &str) -> Result<(), String> {
    let mut words = words.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

/// Two namespaces and a cable; gone when dropped.
struct Cable {
    names: [String; 2],
}

impl Cable {
    fn lay() -> Result<Self, String> {
        let id = std::process::id();
        let cable = Self { names: [format!("starling-{id}-a"), format!("starling-{id}-b")] };
        let [a, b] = &cable.names;
        let ends = [format!("sl{id}a"), format!("sl{id}b")];
        system(&format!("ip netns add {a}"))?;
        system(&format!("ip netns add {b}"))?;
        system(&format!("ip link add {} netns {a} type veth peer name {} netns {b}", ends[0], ends[1]))?;
        for ((name, end), address) in cable.names.iter().zip(&ends).zip(ADDRESSES) {
            system(&format!("ip -n {name} addr add {address}/24 dev {end}"))?;
            system(&format!("ip -n {name} link set lo up"))?;
            system(&format!("ip -n {name} link set {end} up"))?;
        }
        Ok(cable)
    }

    fn pull(&self, is_out: bool) {
        let (id, word) = (std::process::id(), if is_out { "down" } else { "up" });
        system(&format!("ip -n {} link set sl{id}a {word}", self.names[0])).unwrap();
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = system(&format!("ip netns del {name}"));
        }
    }
}

/// The members' processes, and what each told last.
struct Members {
    children: Vec<(Child, ChildStdin)>,
    reports: Receiver<(u32, Told)>,
    last: BTreeMap<u32, Told>,
    /// What anybody ever held for decided.
    decided: BTreeMap<u64, [u8; 32]>,
}

impl Members {
    fn start(cable: &Cable) -> Self {
        let (sender, reports) = channel();
        let endpoint = |agent: u32| format!("tcp/{}:{}", ADDRESSES[usize::from(agent >= FEW)], 7_400 + agent);
        let start = |agent: u32| {
            let config = Config {
                listen: vec![endpoint(agent)],
                connect: (0..agent).map(endpoint).collect(),
                // Half-open links are closed soon.
                idle: 2 * SECOND,
                ..Config::new("cable", ProcessId(agent))
            };
            let mut command = Command::new("ip");
            command.args(["netns", "exec", &cable.names[usize::from(agent >= FEW)]]);
            command.arg(std::env::current_exe().unwrap()).arg("member").arg(serde_json::to_string(&config).unwrap());
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let Ok(told) = serde_json::from_str(&line) else { continue };
                    let _ = sender.send((agent, told));
                }
            });
            (child, input)
        };
        let children = (0..MEMBERS).map(start).collect();
        Self { children, reports, last: BTreeMap::new(), decided: BTreeMap::new() }
    }

    fn order(&mut self, agent: u32, order: Order) {
        writeln!(self.children[agent as usize].1, "{}", serde_json::to_string(&order).unwrap()).unwrap();
    }

    /// Hears reports until `is_so` of the last of each; every decision is compared with all before.
    fn until(&mut self, what: &str, mut is_so: impl FnMut(&BTreeMap<u32, Told>) -> bool) {
        let (begun, end) = (Instant::now(), Instant::now() + PATIENCE);
        while !is_so(&self.last) {
            match self.reports.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok((agent, told)) => {
                    for (bar, id) in &told.decided {
                        let first = self.decided.entry(*bar).or_insert(*id);
                        assert_eq!(first, id, "{agent} holds another decision about bar {bar}");
                    }
                    self.last.insert(agent, told);
                }
                Err(RecvTimeoutError::Timeout) => panic!("{what} does not come: {:?}", self.last),
                Err(RecvTimeoutError::Disconnected) => panic!("all members are gone"),
            }
        }
        println!("  {what} after {:.0} ms", begun.elapsed().as_secs_f64() * 1e3);
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for (child, _) in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn views(last: &BTreeMap<u32, Told>) -> Vec<usize> {
    (0..MEMBERS).map(|agent| last.get(&agent).map_or(0, |told| told.members.len())).collect()
}

fn know(last: &BTreeMap<u32, Told>, bar: u64) -> Vec<u32> {
    last.iter().filter(|(_, told)| told.decided.contains_key(&bar)).map(|(agent, _)| *agent).collect()
}

fn cable() {
    let cable = match Cable::lay() {
        Ok(cable) => cable,
        Err(why) => {
            println!("  SKIPPED: network namespaces cannot be made here ({why}); run as root, with iproute2");
            return;
        }
    };
    let mut members = Members::start(&cable);
    members.until("five who see each other", |last| views(last) == [5; 5]);
    members.order(1, Order::Vote(1));
    members.until("the first decision at all", |last| know(last, 1).len() == 5);

    cable.pull(true);
    members.until("two sides that have noticed", |last| views(last) == [2, 2, 3, 3, 3]);
    members.order(0, Order::Vote(2));
    members.order(1, Order::Write(1));
    members.order(3, Order::Vote(3));
    members.order(4, Order::Write(4));
    members.until("a decision and a change of the state on the side of three", |last| {
        know(last, 3) == [2, 3, 4] && (2..5).all(|agent| last[&agent].keys == [4])
    });
    members.until("the other's change of the state", |last| (0..2).all(|agent| last[&agent].keys == [1]));
    assert_eq!(know(&members.last, 2), Vec::<u32>::new(), "two of five decide nothing");

    cable.pull(false);
    members.until("five who see each other again", |last| views(last) == [5; 5]);
    members.until("one state", |last| {
        let states: BTreeSet<[u64; 4]> = last.values().map(|told| told.state).collect();
        states.len() == 1 && last.values().all(|told| told.keys == [1, 4])
    });
    members.until("the decision that two could not make", |last| know(last, 2).len() == 5);
    // Who was away asks about the bar that was decided without it, and is told.
    (0..FEW).for_each(|agent| members.order(agent, Order::Vote(3)));
    members.until("the decision that two had missed", |last| know(last, 3).len() == 5);
    assert_eq!(members.decided.len(), 3);
}
