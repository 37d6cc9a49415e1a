//! Agents in processes of their own confer over Zenoh.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use starling_connect::clock::now;
use starling_connect::mesh::host::Host;
use starling_connect::mesh::{Config, Mesh, ProcessId};
use starling_connect::provider::local::inside::{Inside, Told};
use starling_connect::provider::local::{Network, Processes, Settings};
use starling_connect::provider::{Event, Provider, Spec};
use starling_core::UnixNanos;
use starling_swarm::component::{Component, Outbox, Priority};
use starling_swarm::id::AgentId;
use starling_swarm::membership::{Founding, Timing};
use starling_swarm::node::{self, Node};
use starling_swarm::topology::Shape;

use crate::Test;
use crate::provider::{event, ledger, settings};

pub(crate) const TESTS: [Test; 3] = [
    ("two_processes_confer", || confer_among(2, Shape::Mesh)),
    ("six_processes_confer", || confer_among(6, Shape::Hierarchical)),
    ("a_killed_process_is_noticed_and_its_replacement_joins", a_killed_process_is_noticed_and_its_replacement_joins),
];

const PATIENCE: Duration = Duration::from_secs(40);
/// What each says to all.
const SAYINGS: u32 = 50;

/// A conferring agent's role.
#[derive(Debug, Serialize, Deserialize)]
struct Role {
    config: Config,
    members: Vec<u32>,
    shape: Shape,
}

/// What it tells its provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Report {
    members: Vec<u32>,
    /// How many said how much: distinct sayings, and all with repetitions, of each.
    heard: BTreeMap<u32, (u32, u32)>,
    /// Of those, for it alone.
    alone: u32,
    /// Thousandths of datagrams that found their link open.
    reuse: u32,
}

/// Counts what it hears.
#[derive(Debug, Default)]
struct Chorus {
    heard: BTreeMap<(AgentId, u32), u32>,
}

impl Component for Chorus {
    type Message = u32;
    type Event = ();

    fn on_message(&mut self, _: UnixNanos, from: AgentId, saying: u32, _: &mut Outbox<u32>, _: &mut Vec<()>) {
        *self.heard.entry((from, saying)).or_default() += 1;
    }

    fn on_time(&mut self, _: UnixNanos, _: &mut Outbox<u32>, _: &mut Vec<()>) {}

    fn next_due(&self) -> UnixNanos {
        UnixNanos::MAX
    }

    fn on_members(&mut self, _: UnixNanos, _: &[AgentId], _: &mut Outbox<u32>, _: &mut Vec<()>) {}
}

/// The agent: says its share, hears the others, and reports whenever something changed.
pub(crate) fn confer(inside: &Inside, role: &str) {
    let role: Role = serde_json::from_str(role.strip_prefix("confer ").unwrap()).unwrap();
    let (me, replaces) = (inside.assignment().agent, inside.assignment().replaces);
    let timing = Timing::local();
    let config = node::Config { timing, ..node::Config::default() };
    let members: Vec<AgentId> = role.members.iter().copied().map(AgentId).collect();
    let mesh = Mesh::open(Config { process: ProcessId(me.0), ..role.config }).unwrap();
    let mut host = Host::new(mesh);
    host.add(match replaces {
        None => Node::found(now(), me, Chorus::default(), config, &Founding::new(role.shape, members)),
        Some(old) => {
            let contacts = members.into_iter().filter(|member| *member != old).collect();
            Node::join(now(), me, Chorus::default(), config, contacts)
        }
    });
    inside.ready(me);
    if replaces.is_none() {
        host.node_mut(me).unwrap().act(now(), |_, _, out, _| {
            (0..SAYINGS).for_each(|saying| out.send_all(Priority::ALL[saying as usize % 4], saying));
            for &other in role.members.iter().filter(|other| **other != me.0) {
                out.send(AgentId(other), Priority::High, 1_000 + other);
            }
        });
    }
    let mut last = None;
    loop {
        host.turn(Duration::from_millis(20));
        let reuse = host.mesh().counters().reuse().unwrap_or(0.0);
        let node = host.node(me).unwrap();
        let mut heard: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        for (&(from, _), &times) in &node.component().heard {
            let of = heard.entry(from.0).or_default();
            *of = (of.0 + 1, of.1 + times);
        }
        let alone = node.component().heard.keys().filter(|(_, saying)| *saying == 1_000 + me.0).count();
        let members = node.view().members().iter().map(|member| member.0).collect();
        let report = Report { members, heard, alone: u32::try_from(alone).unwrap(), reuse: (reuse * 1e3) as u32 };
        let comparable = Report { reuse: 0, ..report.clone() };
        if last.as_ref() != Some(&comparable) {
            inside.say(serde_json::to_vec(&report).unwrap());
            last = Some(comparable);
        }
        if let Ok(Told::Stop) = inside.told().try_recv() {
            return;
        }
    }
}

fn role(agent: u32, n: u32, ports: &[u16], shape: Shape) -> Spec {
    let endpoint = |at: u32| format!("tcp/127.0.0.1:{}", ports[at as usize - 1]);
    let config = Config {
        listen: vec![endpoint(agent)],
        connect: (1..agent).map(endpoint).collect(),
        ..Config::new("confer", ProcessId(agent))
    };
    let role = Role { config, members: (1..=n).collect(), shape };
    let role = format!("confer {}", serde_json::to_string(&role).unwrap());
    Spec { agent: AgentId(agent), role: role.into_bytes(), replace: true, standby: false }
}

fn ports(n: u32) -> Vec<u16> {
    let held: Vec<TcpListener> = (0..n).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// A swarm of processes that may do no more than listen and connect to each other.
fn swarm(folder: &std::path::Path, n: u32, shape: Shape) -> Processes {
    let ports = ports(n);
    let network = Network::Ports { listen: ports.clone(), connect: ports.clone() };
    let settings = Settings { network, strict: true, spares: 1, ..settings(folder) };
    let mut provider = Processes::open(settings, ledger()).unwrap();
    let begun = Instant::now();
    for agent in 1..=n {
        provider.spawn(role(agent, n, &ports, shape)).unwrap();
    }
    for agent in 1..=n {
        provider.wait_ready(AgentId(agent), PATIENCE).unwrap();
    }
    println!("  {n} processes with sessions after {:.0} ms", begun.elapsed().as_secs_f64() * 1e3);
    provider
}

/// Reads reports until all of `agents` satisfy `holds`; the last of each.
fn reports(
    provider: &mut Processes,
    agents: &BTreeSet<u32>,
    mut holds: impl FnMut(u32, &Report) -> bool,
) -> BTreeMap<u32, Report> {
    let mut last: BTreeMap<u32, Report> = BTreeMap::new();
    let mut done = BTreeSet::new();
    let end = Instant::now() + PATIENCE;
    while !agents.is_subset(&done) {
        assert!(Instant::now() < end, "{agents:?} want, {done:?} have: {last:?}");
        if let Some(Event::Said { agent, words }) = provider.next_event(Duration::from_millis(100)) {
            let report: Report = serde_json::from_slice(&words).unwrap();
            if holds(agent.0, &report) {
                done.insert(agent.0);
            } else {
                done.remove(&agent.0);
            }
            last.insert(agent.0, report);
        }
    }
    last
}

fn has_heard_all(n: u32) -> impl Fn(u32, &Report) -> bool {
    move |me, report| {
        (1..=n)
            .filter(|from| *from != me)
            .all(|from| report.heard.get(&from).is_some_and(|(each, _)| *each == SAYINGS + 1))
    }
}

fn confer_among(n: u32, shape: Shape) {
    let folder = tempfile::tempdir().unwrap();
    let mut provider = swarm(folder.path(), n, shape);
    let begun = Instant::now();
    let last = reports(&mut provider, &(1..=n).collect(), has_heard_all(n));
    println!("  all heard all after {:.0} ms", begun.elapsed().as_secs_f64() * 1e3);
    for (me, report) in last {
        assert_eq!(report.alone, n - 1, "{me} heard what was for it");
        for (from, (each, all)) in &report.heard {
            assert_eq!((*each, *all), (SAYINGS + 1, SAYINGS + 1), "{me} heard {from} once");
        }
    }
}

fn a_killed_process_is_noticed_and_its_replacement_joins() {
    let folder = tempfile::tempdir().unwrap();
    let mut provider = swarm(folder.path(), 3, Shape::Mesh);
    reports(&mut provider, &BTreeSet::from([1, 2, 3]), |me, report| has_heard_all(3)(me, report));
    assert!(provider.wait_spares(1, PATIENCE));
    let pid = provider.status(AgentId(3)).unwrap().process.unwrap();
    let killed = Instant::now();
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    let new = 1 << 24;
    let mut without = BTreeMap::new();
    let with = reports(&mut provider, &BTreeSet::from([1, 2, new]), |me, report| {
        if me != new && !report.members.contains(&3) {
            without.entry(me).or_insert_with(|| killed.elapsed());
        }
        report.members == [1, 2, new]
    });
    println!("  noticed after {without:?}, replaced in the swarm after {:?}", killed.elapsed());
    assert!(without.values().all(|after| *after < Duration::from_secs(2)), "{without:?}");
    assert!(killed.elapsed() < Duration::from_secs(5));
    assert!(with.len() == 3);
    provider.stop(AgentId(1), starling_connect::provider::How::Soft).unwrap();
    event(&mut provider, |event| matches!(event, Event::Ended { agent: AgentId(1), .. }).then_some(()));
}
