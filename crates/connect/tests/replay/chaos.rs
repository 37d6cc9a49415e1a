//! Our client through a bad day: dropped, repeated, swapped, delayed frames, rubbish, and cut lines.
//!
//! STARLING_CHAOS_SECONDS sets how long the day takes (default 20; the recording is 651 s long, so 600 is nearly its
//! recorded pace).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use starling_connect::clock;
use starling_connect::dialect::Dialect;
use starling_connect::fanout::Door;
use starling_connect::ingest::{Ingest, IngestLimits, Subscription};
use starling_connect::lane::{Channel, GapState, Item, LaneLimits, LaneReader};
use starling_connect::metrics::{Counter, Metrics};
use starling_connect::session::{Retry, Session};
use starling_connect::socket::{Endpoint, SocketError, Trust, keep};
use starling_connect::venue::faults::Fault;
use starling_connect::venue::server::{Pace, ServeOptions};
use starling_connect::watch::SkewRule;
use starling_core::fixed::{Price, Qty};
use starling_core::{InstrumentId, Quote};
use starling_market::wire::{Coverage, Level};
use tokio::sync::watch;

use super::truth::Truth;
use super::{PATIENCE, Running, await_that, await_within, open, options, runtime, spot, turn};

/// Our client before it connects: who subscribes now hears all.
pub(crate) struct Ready {
    pub(crate) door: Door,
    dialect: &'static Dialect,
    endpoint: Endpoint,
    ingest: Ingest,
}

/// Our client on a thread of its own.
pub(crate) struct Client {
    pub(crate) door: Door,
    pub(crate) metrics: Arc<Metrics>,
    stop: watch::Sender<bool>,
    thread: std::thread::JoinHandle<(Result<(), SocketError>, Vec<String>)>,
}

impl Ready {
    pub(crate) fn spot(port: u16, skew: SkewRule) -> Self {
        let endpoint = Endpoint {
            stream: format!("ws://127.0.0.1:{port}/stream"),
            rest: format!("http://127.0.0.1:{port}"),
            trust: Trust::default(),
        };
        Self::to(endpoint, skew)
    }

    pub(crate) fn to(endpoint: Endpoint, skew: SkewRule) -> Self {
        Self::of("binance-spot", "BTCUSDT", endpoint, skew)
    }

    pub(crate) fn of(venue: &str, symbol: &str, endpoint: Endpoint, skew: SkewRule) -> Self {
        let of = Subscription {
            symbol: symbol.into(),
            instrument: InstrumentId(0),
            tick: Price::parse(b"0.01").unwrap(),
            digits: None,
            channels: vec![Channel::Trade, Channel::Quote, Channel::Book],
        };
        Self::with(Dialect::named(venue).unwrap(), vec![of], endpoint, skew)
    }

    pub(crate) fn with(dialect: &'static Dialect, of: Vec<Subscription>, endpoint: Endpoint, skew: SkewRule) -> Self {
        let limits = IngestLimits { skew, snapshot_every_ns: 200_000_000, ..IngestLimits::default() };
        let metrics = Arc::new(Metrics::new("chaos"));
        let (ingest, door) = Ingest::new(dialect, of, limits, metrics, clock::now()).unwrap();
        Self { door, dialect, endpoint, ingest }
    }

    pub(crate) fn start(self) -> Client {
        let Self { door, dialect, endpoint, mut ingest } = self;
        let metrics = Arc::clone(ingest.metrics());
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::spawn(move || {
            // The day is shorter than the recorded one; so are the waits.
            let retry = Retry { cap_ns: 1_000_000_000, proven_ns: 500_000_000, ..Retry::default() };
            let mut session = Session::new(dialect, &ingest.topics(), retry, 7);
            let ended = runtime().block_on(keep(&endpoint, &mut session, &mut ingest, None, stopped));
            let reasons = ingest.quarantine().entries().map(|r| format!("{:?}", r.reason)).collect();
            (ended, reasons)
        });
        Client { door, metrics, stop, thread }
    }
}

impl Client {
    /// The line has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    pub(crate) fn stop(self) -> (Result<(), SocketError>, Vec<String>) {
        let _ = self.stop.send(true);
        self.thread.join().unwrap()
    }
}

/// What a subscriber has made of what it received.
#[derive(Default)]
pub(super) struct Received {
    pub(super) trades: Vec<(u64, Price, Qty)>,
    pub(super) lost: Vec<(u64, u64)>,
    pub(super) opened: usize,
    filled: usize,
    pub(super) quotes: Vec<Quote>,
    pub(super) book: Option<[BTreeMap<Price, Qty>; 2]>,
    pub(super) book_id: u64,
    snapshots: usize,
}

impl Extend<Item> for Received {
    fn extend<T: IntoIterator<Item = Item>>(&mut self, items: T) {
        items.into_iter().for_each(|item| self.take(item));
    }
}

impl Received {
    /// All of the tape's end is here, and no gap is open.
    pub(super) fn reaches_the_end_of(&self, truth: &Truth) -> bool {
        let last = truth.trades.last_key_value().map(|(id, _)| *id);
        self.trades.last().map(|trade| trade.0) == last
            && self.book_id == truth.last_id
            && self.opened == self.filled + self.lost.len()
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Trade(t) => self.trades.push((t.trade_id, t.price, t.size)),
            Item::Quote(q) => self.quotes.push(q),
            Item::Gap(gap) => match gap.state {
                GapState::Opened => self.opened += 1,
                GapState::Filled => self.filled += 1,
                GapState::Lost => self.lost.push((gap.first_id, gap.last_id)),
            },
            Item::BookLost { .. } => self.book = None,
            Item::Stale { .. } | Item::Fresh { .. } => {}
            Item::Book { change, .. } => {
                if change.coverage == Coverage::Snapshot {
                    self.book = Some(Default::default());
                    self.snapshots += 1;
                }
                let book = self.book.as_mut().expect("a delta follows a snapshot");
                for (side, levels) in book.iter_mut().zip([&change.bids, &change.asks]) {
                    for level in levels {
                        match level.size {
                            Qty::ZERO => side.remove(&level.price),
                            size => side.insert(level.price, size),
                        };
                    }
                }
                self.book_id = change.last_id;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Reads a lane, with a pause after each item, until told to stop.
fn read_slowly(mut lane: LaneReader, done: Arc<AtomicBool>, pause: Duration) -> std::thread::JoinHandle<Received> {
    std::thread::spawn(move || {
        let mut received = Received::default();
        while !done.load(Ordering::Relaxed) {
            received.extend(lane.pop());
            std::thread::sleep(pause);
        }
        received.extend(std::iter::from_fn(|| lane.pop()));
        received
    })
}

/// Levels of a side that are compared.
const DEPTH: usize = 300;

/// The best levels of bids and asks.
pub(super) fn best(book: &[BTreeMap<Price, Qty>; 2]) -> [Vec<(Price, Qty)>; 2] {
    let row = |(price, size): (&Price, &Qty)| (*price, *size);
    [book[0].iter().rev().take(DEPTH).map(row).collect(), book[1].iter().take(DEPTH).map(row).collect()]
}

fn seconds() -> f64 {
    std::env::var("STARLING_CHAOS_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(20.0)
}

#[test]
fn nothing_is_lost_that_must_not_be() {
    let Some(files) = spot() else { return };
    let _turn = turn();
    let tape = Arc::new(open("binance-spot", &files).unwrap());
    assert_eq!(tape.frames.len(), 41_249 + 58_325);
    let truth = Truth::of(&tape);
    let length = tape.frames.last().unwrap().ts.since(tape.frames[0].ts) as f64 / 1e9;
    let pace = Pace::Times(length / seconds());
    let faults =
        "drop=0.002,duplicate=0.002,reorder=0.002,garbage=0.001,stall=0.0003,disconnect=0.00012,stall_ms=100,calm=4000";
    let running = Running::start("binance-spot", Arc::clone(&tape), options(pace, faults, 20_240_808));
    let ready = Ready::spot(running.port(), SkewRule::Ignore);
    let mut quick_lane = ready.door.subscribe(LaneLimits::default()).unwrap();
    let small = LaneLimits { ring_max: 64, hold_max: 64, ..LaneLimits::default() };
    let slow_lane = ready.door.subscribe(small).unwrap();
    let slow_stats = Arc::clone(slow_lane.stats());
    let done = Arc::new(AtomicBool::new(false));
    let slow = read_slowly(slow_lane, Arc::clone(&done), Duration::from_millis(4));
    let client = ready.start();

    // The slow one may go on to ask for what it has missed: nobody waits for it.
    let mut quick = Received::default();
    await_within(Duration::from_secs_f64(seconds() * 3.0) + PATIENCE, "the end of the tape has come", || {
        quick.extend(std::iter::from_fn(|| quick_lane.pop()));
        running.server.progress().borrow().finished && quick.reaches_the_end_of(&truth)
    });
    let metrics = Arc::clone(&client.metrics);
    let true_book = running.server.book("BTCUSDT");
    done.store(true, Ordering::Relaxed);
    let slow = slow.join().unwrap();
    let (ended, quarantined) = client.stop();
    ended.unwrap();

    let injected = running.server.faults();
    let count = |fault| injected.iter().filter(|i| i.fault == fault).count();
    let told: Vec<String> = Fault::ALL.iter().map(|f| format!("{} {}", f.name(), count(*f))).collect();
    eprintln!("injected: {}; slow reader cut off: {}", told.join(", "), running.server.cut_off());
    eprintln!(
        "received: {} trades, {} quotes, {} snapshots; gaps opened {}, filled {}, lost {:?}; slow: {} trades, {} lost \
         ranges, {:?}",
        quick.trades.len(),
        quick.quotes.len(),
        quick.snapshots,
        quick.opened,
        quick.filled,
        quick.lost,
        slow.trades.len(),
        slow.lost.len(),
        slow_stats,
    );
    eprintln!("{}", Metrics::text(&[&metrics]).lines().filter(|l| !l.starts_with('#')).collect::<Vec<_>>().join("\n"));
    for fault in Fault::ALL {
        assert!(count(fault) > 3, "{fault:?} hardly happened");
    }

    // Trades: in order, each once, complete from the first one received, with the recorded price and quantity.
    assert!(quick.trades.windows(2).all(|pair| pair[0].0 < pair[1].0), "order of trades");
    assert_eq!(quick.lost, []);
    let first = quick.trades[0].0;
    let expected: Vec<_> = truth.trades.range(first..).map(|(id, (price, size))| (*id, *price, *size)).collect();
    assert!(expected.len() + 50 > truth.trades.len(), "nearly all of the tape");
    assert_eq!(quick.trades.len(), expected.len());
    assert!(quick.trades == expected, "a trade differs from the recorded one");
    assert!(quick.opened > 0 && quick.opened == quick.filled);

    // Quotes: each is a recorded one, in the recorded order.
    let mut recorded = truth.quotes.iter();
    for quote in &quick.quotes {
        let found = recorded.any(|(_, bid, bid_size, ask, ask_size)| {
            (*bid, *bid_size, *ask, *ask_size) == (quote.bid, quote.bid_size, quote.ask, quote.ask_size)
        });
        assert!(found, "{quote:?} is not recorded, or out of order");
    }
    assert!(quick.quotes.len() * 10 > truth.quotes.len() * 5, "{} of {}", quick.quotes.len(), truth.quotes.len());

    // The book at the end: the subscriber's, the server's and the recording's are one.
    // The client asks for a thousand levels a side, so only the best of those are known for certain.
    let book = quick.book.expect("a book at the end");
    let (id, bids, asks) = true_book.unwrap();
    assert_eq!((quick.book_id, id), (truth.last_id, truth.last_id));
    assert_eq!(best(&book), best(&truth.book));
    let rows = |levels: &[Level]| levels[..DEPTH].iter().map(|l| (l.price, l.size)).collect::<Vec<_>>();
    assert_eq!(best(&truth.book), [rows(&bids), rows(&asks)]);

    // The slow one: in order, and what it lacks is marked. It delayed nobody, as the above shows.
    assert!(slow.trades.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert!(slow_stats.conflated.load(Ordering::Relaxed) > 0 && slow_stats.books_reset.load(Ordering::Relaxed) > 0);

    // What was refused is what was injected; a line that breaks may take some of it along.
    let undecodable = metrics.get(Counter::Undecodable) as usize;
    assert!(undecodable <= count(Fault::Garbage) && undecodable * 10 >= count(Fault::Garbage) * 7, "{undecodable}");
    assert!(quarantined.iter().all(|reason| reason.starts_with("Undecodable")), "{quarantined:?}");
    assert_eq!(metrics.get(Counter::Connects), running.server.clients_total());
    assert!(metrics.get(Counter::Disconnects) as usize >= count(Fault::Disconnect));
    assert_eq!(running.server.cut_off(), 0);
}

#[test]
fn without_faults_every_frame_arrives() {
    let Some(files) = spot() else { return };
    let _turn = turn();
    let tape = Arc::new(open("binance-spot", &files[..1]).unwrap());
    let truth = Truth::of(&tape);
    let running = Running::start("binance-spot", Arc::clone(&tape), options(Pace::Max, "", 0));
    let ready = Ready::spot(running.port(), SkewRule::Ignore);
    // A lane that holds all of it: nothing is conflated.
    let limits = LaneLimits { ring_max: 100_000, ..LaneLimits::default() };
    let mut lane = ready.door.subscribe(limits).unwrap();
    let client = ready.start();
    let mut received = Received::default();
    await_that("all of it has come", || {
        received.extend(std::iter::from_fn(|| lane.pop()));
        received.quotes.len() == 28_040 && received.reaches_the_end_of(&truth)
    });
    assert_eq!((received.trades.len(), received.quotes.len()), (9_757, 28_040));
    assert_eq!((received.lost.len(), received.opened), (0, 0));
    assert_eq!(received.book.as_ref().map(best), Some(best(&truth.book)));
    assert_eq!(received.book_id, 50_093_421_584);
    let metrics = Arc::clone(&client.metrics);
    let (ended, quarantined) = client.stop();
    ended.unwrap();
    assert_eq!(quarantined, Vec::<String>::new());
    // At this pace more may come before the first snapshot does than is kept for it; once joined, nothing is missed.
    assert_eq!(metrics.get(Counter::BookSnapshots), 1);
}

#[test]
fn a_flood_holds_up_neither_a_newcomer_nor_a_stop() {
    let Some(files) = spot() else { return };
    let _turn = turn();
    let tape = Arc::new(open("binance-spot", &files[..1]).unwrap());
    let without_end = ServeOptions { repeat: true, ..options(Pace::Max, "", 0) };
    let running = Running::start("binance-spot", tape, without_end);
    let client = Ready::spot(running.port(), SkewRule::Ignore).start();
    await_that("the flood has begun", || client.metrics.get(Counter::Frames) > 10_000);
    let mut late = client.door.subscribe(LaneLimits::default()).unwrap();
    await_that("the newcomer hears of it", || late.pop().is_some());
    assert!(!running.server.progress().borrow().finished);
    client.stop().0.unwrap();
}
