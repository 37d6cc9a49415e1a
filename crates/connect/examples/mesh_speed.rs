//! How quick agents in two processes are: `cargo run --release -p starling-connect --features mesh --example mesh_speed`.
//!
//! The second process is this program again. One way is measured by the system clock, which both processes read.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement tells what it found, or fails")]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use starling_connect::clock::now;
use starling_connect::mesh::{Config, Mesh, ProcessId};
use starling_core::UnixNanos;
use starling_swarm::component::Priority;
use starling_swarm::id::AgentId;
use starling_swarm::node::Parcel;
use starling_swarm::transport::Transport;

const HERE: AgentId = AgentId(1);
const THERE: AgentId = AgentId(2);
/// The first byte says what to do with a frame.
const ECHO: u8 = 1;
const COUNT: u8 = 2;
const TELL: u8 = 3;
const END: u8 = 4;

fn mesh(process: u32, listen: Option<&str>, connect: Option<&str>) -> Mesh {
    let list = |endpoint: Option<&str>| endpoint.map(str::to_owned).into_iter().collect();
    let config = Config { listen: list(listen), connect: list(connect), ..Config::new("speed", ProcessId(process)) };
    Mesh::open(config).unwrap()
}

/// Waits for frames for at most `at_most`, and hands them on.
fn turn(mesh: &mut Mesh, at_most: Duration, take: impl FnMut(&[u8])) -> usize {
    let begun = now();
    mesh.on_time(begun);
    let until = begun.saturating_add(u64::try_from(at_most.as_nanos()).unwrap());
    mesh.wait(begun, until.min(mesh.next_due()));
    let mut take = take;
    mesh.drain(|_, _, frame| take(frame))
}

fn send(mesh: &mut Mesh, from: AgentId, to: AgentId, priority: Priority, bytes: Vec<u8>) {
    mesh.send(from, Parcel { to, priority, bytes }).unwrap();
}

/// The other process.
fn other(endpoint: &str) {
    let mut mesh = mesh(2, None, Some(endpoint));
    mesh.host(THERE);
    let (mut counted, mut bytes) = (0_u64, 0_u64);
    loop {
        let mut answers = Vec::new();
        let mut end = false;
        turn(&mut mesh, Duration::from_millis(100), |frame| match frame[0] {
            ECHO => {
                let mut answer = frame.to_vec();
                answer[16..24].copy_from_slice(&now().get().to_le_bytes());
                answers.push(answer);
            }
            COUNT => {
                counted += 1;
                bytes += frame.len() as u64;
            }
            TELL => {
                let mut answer = vec![TELL];
                answer.extend(counted.to_le_bytes());
                answer.extend(bytes.to_le_bytes());
                answers.push(answer);
                (counted, bytes) = (0, 0);
            }
            _ => end = true,
        });
        answers.into_iter().for_each(|answer| send(&mut mesh, THERE, HERE, Priority::High, answer));
        mesh.on_time(now());
        if end {
            return;
        }
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// The next frame of a kind; none if two seconds pass without.
fn wait_for(mesh: &mut Mesh, kind: u8) -> Option<Vec<u8>> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        let mut found = None;
        turn(mesh, Duration::from_millis(100), |frame| {
            if frame[0] == kind {
                found = Some(frame.to_vec());
            }
        });
        if found.is_some() {
            return found;
        }
    }
    None
}

fn echo(mesh: &mut Mesh, priority: Priority) -> (u64, u64) {
    let mut frame = vec![0; 256];
    frame[0] = ECHO;
    let sent = now();
    frame[8..16].copy_from_slice(&sent.get().to_le_bytes());
    send(mesh, HERE, THERE, priority, frame);
    let answer = wait_for(mesh, ECHO).unwrap();
    (number(&answer, 16).saturating_sub(sent.get()), now().since(sent))
}

fn flood(mesh: &mut Mesh, size: usize, count: u64) {
    let begun = Instant::now();
    for sent in 0..count {
        let mut frame = vec![0; size];
        frame[0] = COUNT;
        send(mesh, HERE, THERE, Priority::Normal, frame);
        if sent % 64 == 0 {
            mesh.on_time(now());
        }
    }
    mesh.on_time(UnixNanos::MAX);
    let (mut counted, mut bytes) = (0, 0);
    while counted < count && begun.elapsed() < Duration::from_secs(60) {
        // Behind the flood, in its lane.
        send(mesh, HERE, THERE, Priority::Normal, vec![TELL]);
        mesh.on_time(UnixNanos::MAX);
        let Some(told) = wait_for(mesh, TELL) else { continue };
        counted += number(&told, 1);
        bytes += number(&told, 9);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let (rate, gigabytes) = (counted as f64 / seconds, bytes as f64 / seconds / 1e9);
    println!("{size:>6} B: {rate:>9.0} msg/s, {gigabytes:.3} GB/s, {counted} of {count} arrived");
}

fn main() {
    if let Some(endpoint) = std::env::args().nth(1) {
        return other(&endpoint);
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("tcp/127.0.0.1:{port}");
    let begun = Instant::now();
    let mut mesh = mesh(1, Some(&endpoint), None);
    mesh.host(HERE);
    println!("session open after {:.2} ms", begun.elapsed().as_secs_f64() * 1e3);
    let begun = Instant::now();
    let mut child: Child =
        Command::new(std::env::current_exe().unwrap()).arg(&endpoint).stdin(Stdio::null()).spawn().unwrap();
    while mesh.place_of(THERE).is_none() {
        turn(&mut mesh, Duration::from_millis(1), |_| {});
    }
    println!("another process started, connected and announced after {:.2} ms", begun.elapsed().as_secs_f64() * 1e3);

    for (name, priority) in [("critical", Priority::Critical), ("high", Priority::High)] {
        let (_, first) = echo(&mut mesh, priority);
        println!("first echo at {name} over the open link: {:.3} ms there and back", first as f64 / 1e6);
    }
    let mut one_way = Histogram::<u64>::new(3).unwrap();
    let mut both = Histogram::<u64>::new(3).unwrap();
    for round in 0..5_000 {
        let (there, back) = echo(&mut mesh, Priority::High);
        if round >= 500 {
            one_way.record(there.max(1)).unwrap();
            both.record(back).unwrap();
        }
        let pause = Instant::now();
        while pause.elapsed() < Duration::from_micros(500) {
            turn(&mut mesh, Duration::from_micros(200), |_| {});
        }
    }
    for (name, times) in [("one way", &one_way), ("there and back", &both)] {
        let us = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
        println!("256 B, {name}: P50 {:.1} us, P99 {:.1} us, P99.9 {:.1} us", us(0.5), us(0.99), us(0.999));
    }
    flood(&mut mesh, 256, 2_000_000);
    flood(&mut mesh, 64 << 10, 40_000);
    send(&mut mesh, HERE, THERE, Priority::Critical, vec![END]);
    mesh.on_time(now());
    child.wait().unwrap();
    let counters = mesh.counters();
    println!("reuse {:.4}, {counters:?}", counters.reuse().unwrap());
}
