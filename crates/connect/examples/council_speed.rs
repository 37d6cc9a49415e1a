//! How long six processes take to decide over Zenoh: `cargo run --release -p starling-connect --features mesh --example
//! council_speed [-- DECISIONS]`.
//!
//! Each member is a process with one node and a link to every other, and checks every signature. A decision takes from the
//! first member's vote, upon which the others are called to theirs, until a member holds the certificate: the first one, and
//! the last of all six by the system clock, which all of them read.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement tells what it found, or fails")]

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use starling_connect::clock::now;
use starling_connect::mesh::host::Host;
use starling_connect::mesh::{Config, Mesh, ProcessId};
use starling_core::UnixNanos;
use starling_swarm::consensus::ballot::{Action, Choice};
use starling_swarm::consensus::council::{Council, Member, Mode, Subject};
use starling_swarm::consensus::{Consensus, Event, Timing, Trust};
use starling_swarm::id::AgentId;
use starling_swarm::identity::{Identity, KeyBook};
use starling_swarm::membership::{self, Founding};
use starling_swarm::node::{self, Node};
use starling_swarm::topology::Shape;

const MEMBERS: u32 = 6;
/// Decisions before and after those that are counted.
const MARGIN: u64 = 50;

fn identity(agent: u32) -> Identity {
    let mut seed = [0xca; 32];
    seed[..4].copy_from_slice(&agent.to_le_bytes());
    Identity::new(AgentId(agent), &seed)
}

fn host(me: u32, ports: &[u16]) -> Host<Consensus> {
    let endpoint = |port: &u16| format!("tcp/127.0.0.1:{port}");
    let config = Config {
        listen: vec![endpoint(&ports[me as usize])],
        connect: ports[..me as usize].iter().map(endpoint).collect(),
        ..Config::new("council", ProcessId(me))
    };
    let mut book = KeyBook::new();
    (0..MEMBERS).for_each(|agent| book.insert(AgentId(agent), &identity(agent).public()).unwrap());
    let council = Council::new(Mode::Quorum, (0..MEMBERS).map(|agent| Member::new(AgentId(agent)))).unwrap();
    let consensus = Consensus::new(identity(me), Arc::new(book), council, Timing::default(), Trust::Nobody);
    let settings = node::Config { timing: membership::Timing::local(), ..node::Config::default() };
    let founding = Founding::new(Shape::Mesh, (0..MEMBERS).map(AgentId));
    let mut host = Host::new(Mesh::open(config).unwrap());
    host.add(Node::found(now(), AgentId(me), consensus, settings, &founding));
    host
}

fn subject(number: u64) -> Subject {
    Subject { stamp: UnixNanos::new(number), instrument: 0, question: 0 }
}

fn vote(node: &mut Node<Consensus>, subject: Subject) {
    let choice = Choice::Act { action: Action::Buy, confidence: 8_000 };
    node.act(now(), |member, now, out, events| {
        // Decided without it: no harm.
        let _ = member.vote(now, subject, choice, out, events);
    });
}

/// Takes a turn, votes where a vote is wanted; the numbers of what was decided.
fn turn(host: &mut Host<Consensus>, me: u32) -> Vec<u64> {
    host.turn(Duration::from_millis(20));
    let node = host.node_mut(AgentId(me)).unwrap();
    let mut decided = Vec::new();
    while let Some(event) = node.poll_event() {
        match event {
            node::Event::Component(Event::Called { subject, .. }) => vote(node, subject),
            node::Event::Component(Event::Decided(certificate)) => {
                decided.push(certificate.subject.stamp.get());
            }
            _ => {}
        }
    }
    decided
}

/// Another member: until its input ends, then the stamps of its certificates.
fn other(me: u32, ports: &[u16]) {
    let over = Arc::new(AtomicBool::new(false));
    let mut host = host(me, ports);
    let (told, waker) = (Arc::clone(&over), host.waker());
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        told.store(true, Ordering::Relaxed);
        waker.wake();
    });
    let mut held = Vec::new();
    while !over.load(Ordering::Relaxed) {
        for number in turn(&mut host, me) {
            held.push(format!("{number} {}", now().get()));
        }
    }
    println!("{}", held.join("\n"));
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [me, ports @ ..] = &arguments[..]
        && ports.len() == MEMBERS as usize
    {
        let ports: Vec<u16> = ports.iter().map(|port| port.parse().unwrap()).collect();
        return other(me.parse().unwrap(), &ports);
    }
    let decisions: u64 = arguments.first().map_or(2_000, |count| count.parse().unwrap());
    let free: Vec<_> = (0..MEMBERS).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<u16> = free.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    drop(free);
    let mut host = host(0, &ports);
    let member = |me: u32| {
        let words = std::iter::once(me.to_string()).chain(ports.iter().map(u16::to_string));
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = (1..MEMBERS).map(member).collect();
    while (1..MEMBERS).any(|other| host.mesh().place_of(AgentId(other)).is_none()) {
        turn(&mut host, 0);
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("{MEMBERS} processes, {decisions} decisions one after the other, load {}", load.trim());
    let mut first = Histogram::<u64>::new(3).unwrap();
    let mut began = vec![UnixNanos::EPOCH];
    let mut last = vec![UnixNanos::EPOCH];
    let counted = MARGIN + 1..=MARGIN + decisions;
    for number in 1..=decisions + 2 * MARGIN {
        let from = now();
        vote(host.node_mut(AgentId(0)).unwrap(), subject(number));
        while !turn(&mut host, 0).contains(&number) {}
        let to = now();
        if counted.contains(&number) {
            first.record(to.since(from)).unwrap();
        }
        began.push(from);
        last.push(to);
    }
    for mut child in children {
        drop(child.stdin.take());
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        child.wait().unwrap();
        let mut held = 0;
        for line in text.lines() {
            let (number, at) = line.split_once(' ').unwrap();
            let number: usize = number.parse().unwrap();
            last[number] = last[number].max(UnixNanos::new(at.parse().unwrap()));
            held += u64::from(counted.contains(&(number as u64)));
        }
        assert_eq!(held, decisions, "every member holds every certificate");
    }
    let mut all = Histogram::<u64>::new(3).unwrap();
    for number in counted {
        all.record(last[number as usize].since(began[number as usize])).unwrap();
    }
    for (name, times) in [("the first member holds the certificate", &first), ("all six do", &all)] {
        let us = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
        println!("{name}: P50 {:.0} us, P99 {:.0} us, P99.9 {:.0} us", us(0.5), us(0.99), us(0.999));
    }
}
