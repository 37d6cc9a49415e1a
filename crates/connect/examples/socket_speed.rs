//! How long a frame takes from the socket to a subscriber, what a burst and a slow subscriber do, and what a connection
//! weighs. `cargo run --release -p starling-connect --example socket_speed [-- SECONDS]`
//!
//! A thread sends Binance trades over a loopback WebSocket on a schedule of 100,000 a second, ten every 100
//! microseconds and then a hundred every millisecond. Latency is from the moment a group's bytes go to the kernel until the subscriber's thread has the item, so
//! the last of a group waits for the others. A stalled reader delays no sending (the schedule stands: no coordinated
//! omission), and how late the sender was itself is told apart: it is a sleeping thread of this machine, no part of what
//! is measured. Three threads run: on fewer cores they wait for one another, and the highest quantiles say so. The bare
//! line is the floor: the same frames read by the WebSocket library, and nothing done with them.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, run by hand")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use starling_connect::clock;
use starling_connect::dialect::Dialect;
use starling_connect::fanout::Door;
use starling_connect::ingest::{Ingest, IngestLimits, Subscription};
use starling_connect::lane::{Channel, Item, LaneLimits, LaneReader};
use starling_connect::metrics::{Counter, Metrics};
use starling_connect::session::{Retry, Session};
use starling_connect::socket::{Endpoint, Trust, busy_poll, keep};
use starling_connect::watch::SkewRule;
use starling_core::{InstrumentId, Price};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;

const PER_SECOND: u64 = 100_000;

fn frame(id: u64) -> String {
    format!(
        r#"{{"stream":"btcusdt@trade","data":{{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":{id},"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}}}"#
    )
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Resident memory of this process, KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// When each group's bytes went to the kernel.
#[derive(Clone)]
struct Sent {
    /// Frames of a group.
    group: u64,
    stamps: Arc<[AtomicU64]>,
}

impl Sent {
    fn new(total: u64, group: u64) -> Self {
        Self { group, stamps: (0..total.div_ceil(group)).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Nanoseconds of the group that the trade of this number, from 1, belongs to.
    fn at(&self, id: u64) -> u64 {
        self.stamps[((id - 1) / self.group) as usize].load(Ordering::Acquire)
    }
}

/// Sends `total` trades to whoever connects and subscribes, paced or as fast as it goes; ids from 1.
fn serve(total: u64, paced: bool, sent: Sent) -> u16 {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap().port()).unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            use futures_util::{SinkExt, StreamExt};
            socket.next().await.unwrap().unwrap();
            socket.send(Message::text(r#"{"result":null,"id":1}"#)).await.unwrap();
            let start = Instant::now();
            let mut id = 0;
            for stamp in sent.stamps.iter() {
                let due = start + Duration::from_nanos(id * 1_000_000_000 / PER_SECOND);
                if paced {
                    // Nothing else runs on this thread, and the runtime's timers are coarser.
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                for _ in 0..sent.group.min(total - id) {
                    id += 1;
                    socket.feed(Message::text(frame(id))).await.unwrap();
                }
                stamp.store(clock::now().get(), Ordering::Release);
                socket.flush().await.unwrap();
            }
            // Until the client leaves.
            while let Some(Ok(_)) = socket.next().await {}
        });
    });
    receiver.recv().unwrap()
}

/// Before it connects: who subscribes now hears all.
struct Ready {
    door: Door,
    ingest: Ingest,
    port: u16,
}

struct Client {
    metrics: Arc<Metrics>,
    stop: watch::Sender<bool>,
    thread: std::thread::JoinHandle<()>,
}

fn dialect() -> &'static Dialect {
    Dialect::named("binance-spot").unwrap()
}

fn ready(port: u16) -> Ready {
    let of = Subscription {
        symbol: "BTCUSDT".into(),
        instrument: InstrumentId(0),
        tick: Price::parse(b"0.01").unwrap(),
        digits: None,
        channels: vec![Channel::Trade],
    };
    let limits = IngestLimits { skew: SkewRule::Ignore, ..IngestLimits::default() };
    let metrics = Arc::new(Metrics::new("speed"));
    let (ingest, door) = Ingest::new(dialect(), vec![of], limits, metrics, clock::now()).unwrap();
    Ready { door, ingest, port }
}

impl Ready {
    /// Its thread sleeps until something comes, or spins.
    fn start(self, spins: bool) -> Client {
        let Self { mut ingest, port, .. } = self;
        let metrics = Arc::clone(ingest.metrics());
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::spawn(move || {
            let endpoint = Endpoint {
                stream: format!("ws://127.0.0.1:{port}/stream"),
                rest: format!("http://127.0.0.1:{port}"),
                trust: Trust::default(),
            };
            let mut session = Session::new(dialect(), &ingest.topics(), Retry::default(), 1);
            runtime().block_on(async {
                if spins {
                    tokio::spawn(busy_poll());
                }
                keep(&endpoint, &mut session, &mut ingest, None, stopped).await.unwrap();
            });
        });
        Client { metrics, stop, thread }
    }
}

/// Nanoseconds from the kernel's receipt of a group: until each item's receive stamp, and until the subscriber has it.
fn measure(mut lane: LaneReader, total: u64, sent: &Sent) -> (Histogram<u64>, Histogram<u64>, u64) {
    let (mut whole, mut reader) = (Histogram::new(3).unwrap(), Histogram::new(3).unwrap());
    let (mut got, mut marked, mut last) = (0, 0, Instant::now());
    while got + marked < total && last.elapsed() < Duration::from_secs(5) {
        match lane.pop() {
            Some(Item::Trade(trade)) => {
                got += 1;
                last = Instant::now();
                let sent = sent.at(trade.trade_id);
                whole.record(clock::now().get().saturating_sub(sent).max(1)).unwrap();
                reader.record(trade.ts_recv.get().saturating_sub(sent).max(1)).unwrap();
            }
            Some(Item::Gap(gap)) => marked += gap.count,
            _ => std::hint::spin_loop(),
        }
    }
    (whole, reader, got)
}

/// How late groups were sent, against the schedule that begins with the first.
fn lateness(sent: &Sent) -> Histogram<u64> {
    let mut late = Histogram::new(3).unwrap();
    let first = sent.at(1);
    for (group, stamp) in (0u64..).zip(sent.stamps.iter()) {
        let due = first + group * sent.group * 1_000_000_000 / PER_SECOND;
        late.record(stamp.load(Ordering::Acquire).saturating_sub(due).max(1)).unwrap();
    }
    late
}

/// The same frames at the same pace, read by the WebSocket library alone on a thread that sleeps in the kernel, beside one
/// that spins as the subscriber does: what this machine gives before anything of ours has run.
fn bare(total: u64, group: u64) {
    let sent = Sent::new(total, group);
    let port = serve(total, true, sent.clone());
    let (mut socket, _) = tokio_tungstenite::tungstenite::connect(format!("ws://127.0.0.1:{port}/stream")).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&done);
    let spinning = std::thread::spawn(move || {
        while !told.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    });
    socket.send(Message::text("{}")).unwrap();
    socket.read().unwrap();
    let mut reader = Histogram::new(3).unwrap();
    for id in 1..=total {
        let frame = socket.read().unwrap();
        reader.record(clock::now().get().saturating_sub(sent.at(id)).max(1)).unwrap();
        assert!(frame.is_text());
    }
    let late = lateness(&sent);
    println!(
        "the bare line: {total} at {PER_SECOND}/s by {group}; to the reader P50 {:.1} us P99 {:.1} us (the sender late by P50 {:.1} us P99 {:.1} us)",
        us(&reader, 0.5),
        us(&reader, 0.99),
        us(&late, 0.5),
        us(&late, 0.99),
    );
    done.store(true, Ordering::Relaxed);
    spinning.join().unwrap();
}

fn us(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1_000.0
}

fn run(name: &str, total: u64, group: u64, slow: usize, spins: bool) {
    let sent = Sent::new(total, group);
    let port = serve(total, true, sent.clone());
    let ready = ready(port);
    // The ring is larger than usual, so that a machine with few cores shows its delays here instead of as gaps.
    let lane = ready.door.subscribe(LaneLimits { ring_max: 1 << 18, ..LaneLimits::default() }).unwrap();
    // Subscribers that never read: the worst kind of slow.
    let idle: Vec<LaneReader> = (0..slow).map(|_| ready.door.subscribe(LaneLimits::default()).unwrap()).collect();
    let client = ready.start(spins);
    let (whole, reader, got) = measure(lane, total, &sent);
    let late = lateness(&sent);
    println!(
        "{name}: {got} of {total} at {PER_SECOND}/s by {group}; to the receive stamp P50 {:.1} us P99 {:.1} us; to the subscriber P50 {:.1} us P99 {:.1} us P99.9 {:.1} us (the sender late by P50 {:.1} us P99 {:.1} us)",
        us(&reader, 0.5),
        us(&reader, 0.99),
        us(&whole, 0.5),
        us(&whole, 0.99),
        us(&whole, 0.999),
        us(&late, 0.5),
        us(&late, 0.99),
    );
    client.stop.send_replace(true);
    client.thread.join().unwrap();
    drop(idle);
}

/// How long a burst may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn burst(total: u64) {
    let sent = Sent::new(total, 100);
    let port = serve(total, false, sent.clone());
    let ready = ready(port);
    let mut lane = ready.door.subscribe(LaneLimits::default()).unwrap();
    let client = ready.start(false);
    let start = Instant::now();
    let subscriber = std::thread::spawn(move || {
        let (mut got, mut last, mut ordered) = (0u64, 0, true);
        // Until every frame has come or lies in a gap; what never does either shows in the counts.
        while got + lane.stats().overflowed.load(Ordering::Relaxed) < total && start.elapsed() < PATIENCE {
            match lane.pop() {
                Some(Item::Trade(trade)) => {
                    ordered &= trade.trade_id > last;
                    last = trade.trade_id;
                    got += 1;
                }
                Some(_) => {}
                None => std::hint::spin_loop(),
            }
        }
        (got, ordered, lane.stats().overflowed.load(Ordering::Relaxed))
    });
    while client.metrics.get(Counter::Frames) <= total && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_micros(500));
    }
    let took = Duration::from_nanos(clock::now().get() - sent.at(1));
    let (got, ordered, overflowed) = subscriber.join().unwrap();
    println!(
        "burst: {total} frames over the socket in {:.3} s ({:.0}/s); {got} delivered, in order: {ordered}; {overflowed} found no room and lie in a gap",
        took.as_secs_f64(),
        total as f64 / took.as_secs_f64(),
    );
    client.stop.send_replace(true);
    client.thread.join().unwrap();
}

/// Without the socket: what the ingest alone takes in, decode to lane.
fn ingest_only(total: u64) {
    let Ready { mut ingest, door, .. } = ready(0);
    let mut lane = door.subscribe(LaneLimits::default()).unwrap();
    ingest.tick(clock::now());
    let frames: Vec<String> = (1..=total).map(frame).collect();
    let start = Instant::now();
    let subscriber = std::thread::spawn(move || {
        let mut got = 0u64;
        while got + lane.stats().overflowed.load(Ordering::Relaxed) < total && start.elapsed() < PATIENCE {
            got += u64::from(matches!(lane.pop(), Some(Item::Trade(_))));
        }
        (got, lane.stats().overflowed.load(Ordering::Relaxed))
    });
    for frame in &frames {
        ingest.frame(frame.as_bytes(), clock::now());
    }
    let took = start.elapsed();
    // What is held follows as room is made.
    while !subscriber.is_finished() {
        ingest.flush(clock::now());
    }
    let (got, overflowed) = subscriber.join().unwrap();
    println!(
        "ingest alone: {:.0} ns a frame, {:.2} million a second; {got} delivered, {overflowed} found no room",
        took.as_nanos() as f64 / total as f64,
        total as f64 / took.as_secs_f64() / 1e6,
    );
}

fn memory() {
    const CONNECTIONS: u64 = 20;
    const TRADES: u64 = 5_000;
    let before = resident();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let ready = ready(serve(TRADES, false, Sent::new(TRADES, 100)));
        let lane = ready.door.subscribe(LaneLimits::default()).unwrap();
        clients.push((ready.start(false), lane));
    }
    // Each has taken in all that its server sends: the confirmation and the trades.
    let arrived = |client: &Client| client.metrics.get(Counter::Frames) > TRADES;
    let began = Instant::now();
    while !clients.iter().all(|(client, _)| arrived(client)) {
        assert!(began.elapsed() < Duration::from_secs(60), "not every connection has received its trades");
        std::thread::yield_now();
    }
    let grown = resident().saturating_sub(before);
    println!(
        "memory: {:.2} MB a connection, its server's end and both threads included",
        grown as f64 / 1024.0 / CONNECTIONS as f64
    );
    for (client, _lane) in clients {
        client.stop.send_replace(true);
        client.thread.join().unwrap();
    }
}

fn main() {
    let seconds: u64 = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(5);
    memory();
    for group in [10, 100] {
        for _ in 0..3 {
            bare(seconds * PER_SECOND, group);
            run("one subscriber", seconds * PER_SECOND, group, 0, false);
            run("and a slow one", seconds * PER_SECOND, group, 1, false);
            run("a spinning line", seconds * PER_SECOND, group, 0, true);
        }
    }
    ingest_only(1_000_000);
    burst(1_000_000);
}
