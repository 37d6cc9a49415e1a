//! The other venues served: our client, over a socket, hears all that was recorded, and books that begin in mid-tape go on.
//!
//! What must arrive is what our state machines make of the recording itself, without server and socket (`venues.rs`, whose
//! counts are of other origin). Bybit's recording of 2021 is of an older wire: its changes are told here in the words of v5.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use starling_connect::dialect::Dialect;
use starling_connect::ingest::{FrameKind, Subscription};
use starling_connect::lane::{Channel, Item, LaneLimits};
use starling_connect::metrics::Counter;
use starling_connect::socket::{Endpoint, Trust};
use starling_connect::venue::faults::Fault;
use starling_connect::venue::server::{Pace, ServeOptions};
use starling_connect::venue::tape::Tape;
use starling_connect::watch::SkewRule;
use starling_core::{Price, Qty, Side, UnixNanos};
use starling_market::book::{Chain, Rules};
use starling_market::wire::{Batch, Connection, Coverage, Feed, Update};

use super::chaos::Ready;
use super::venues::{Line, OKX, kraken_digits, of, received, with};
use super::{Running, await_that, open, options, recordings, turn};

const TRADES_AND_BOOK: [Channel; 2] = [Channel::Trade, Channel::Book];

/// A venue, what was recorded there, and what is subscribed to.
struct Case {
    dialect: &'static Dialect,
    files: Vec<PathBuf>,
    frames: Vec<(UnixNanos, Vec<u8>)>,
    of: Vec<Subscription>,
}

fn okx(folder: &Path) -> Case {
    let file = "cryptofeed_OKX.ws.1.0.gz";
    let channels = [Channel::Quote, Channel::Trade, Channel::Book];
    // Nothing was numbered then; the checksums were true.
    let dialect = with("okx", |d| d.rules = Rules { chain: Chain::Unnumbered, ..Rules::OKX });
    let of = OKX.iter().enumerate().map(|(at, (name, digits))| of(name, at, Some((*digits, 8)), &channels)).collect();
    Case { dialect, files: vec![folder.join(file)], frames: received(folder, file), of }
}

fn kraken(folder: &Path) -> Case {
    let file = "cryptofeed_KRAKEN.ws.50.0.gz";
    let frames = received(folder, file);
    let dialect = with("kraken", |d| d.book_depth = Some(1_000));
    let pairs = kraken_digits(&frames).into_iter().enumerate();
    let of = pairs.map(|(at, (name, digits))| of(&name, at, Some(digits), &[Channel::Book])).collect();
    Case { dialect, files: vec![folder.join(file)], frames, of }
}

fn coinbase(folder: &Path) -> Case {
    let file = "cryptofeed_COINBASE.ws.28.0.gz";
    let names = [
        "SKL-USD", "SKL-BTC", "BAND-GBP", "NMR-EUR", "BAND-BTC", "YFI-BTC", "DASH-BTC", "NU-GBP", "CRV-EUR", "SKL-GBP",
    ];
    let of = names.iter().enumerate().map(|(at, name)| of(name, at, Some((8, 8)), &TRADES_AND_BOOK)).collect();
    let dialect = Dialect::named("coinbase").unwrap();
    Case { dialect, files: vec![folder.join(file)], frames: received(folder, file), of }
}

fn bitfinex(folder: &Path) -> Case {
    let file = "cryptofeed_BITFINEX.ws.11.0.gz";
    let names = ["tBFTUSD", "tIOTETH", "tDOGUSD", "tMNABTC", "tODEUSD", "tTESTBTC:TESTUSD", "tSNGUSD"];
    let of = names.iter().enumerate().map(|(at, name)| of(name, at, Some((8, 8)), &TRADES_AND_BOOK)).collect();
    let dialect = Dialect::named("bitfinex").unwrap();
    Case { dialect, files: vec![folder.join(file)], frames: received(folder, file), of }
}

fn hyperliquid(folder: &Path) -> Case {
    let file = "hyperliquid_btc_l2book_raw_20250126.gz";
    let of = vec![of("BTC", 0, Some((1, 5)), &TRADES_AND_BOOK)];
    let dialect = Dialect::named("hyperliquid").unwrap();
    Case { dialect, files: vec![folder.join(file)], frames: received(folder, file), of }
}

/// A message of 2021 in the words of v5.
fn in_v5(symbol: &str, update: &Update, batch: &Batch, number: u64) -> Option<String> {
    let rows = |span| {
        let row = |level: &starling_market::wire::Level| format!(r#"["{}","{}"]"#, level.price, level.size);
        batch.levels_of(span).iter().map(row).collect::<Vec<_>>().join(",")
    };
    match update {
        Update::Book { book, .. } => {
            let kind = if book.coverage == Coverage::Snapshot { "snapshot" } else { "delta" };
            let ms = book.ts_event.get() / 1_000_000;
            let (bids, asks) = (rows(book.bids), rows(book.asks));
            Some(format!(
                r#"{{"topic":"orderbook.50.{symbol}","type":"{kind}","ts":{ms},"data":{{"s":"{symbol}","b":[{bids}],"a":[{asks}],"u":{number},"seq":{number}}},"cts":{ms}}}"#
            ))
        }
        Update::Trade { ts_event, price, size, aggressor, trade_id, .. } => {
            let (ms, side) = (ts_event.get() / 1_000_000, if *aggressor == Some(Side::Buy) { "Buy" } else { "Sell" });
            Some(format!(
                r#"{{"topic":"publicTrade.{symbol}","type":"snapshot","ts":{ms},"data":[{{"T":{ms},"s":"{symbol}","S":"{side}","v":"{size}","p":"{price}","i":"{trade_id}","BT":false}}]}}"#
            ))
        }
        _ => None,
    }
}

fn bybit(folder: &Path, at: &Path) -> Case {
    let mut connection = Connection::new(Feed::named("bybit-2021").unwrap());
    let mut batch = Batch::new();
    let mut numbers: BTreeMap<String, u64> = BTreeMap::new();
    let mut frames = Vec::new();
    for (ts, frame) in received(folder, "cryptofeed_BYBIT.ws.25.0.gz") {
        connection.decode(&frame, &mut batch).unwrap();
        for update in &batch.updates {
            let (Update::Book { symbol, .. } | Update::Trade { symbol, .. }) = update else { continue };
            let symbol = std::str::from_utf8(connection.symbol(*symbol, &frame)).unwrap();
            let number = numbers.entry(symbol.to_owned()).or_insert(1_000);
            *number += u64::from(matches!(update, Update::Book { .. }));
            frames.extend(in_v5(symbol, update, &batch, *number).map(|text| (ts, text.into_bytes())));
        }
    }
    let file = at.join("bybit-v5.txt");
    let mut lines = std::fs::File::create(&file).unwrap();
    for (ts, frame) in &frames {
        writeln!(lines, "{} {}", ts.get(), std::str::from_utf8(frame).unwrap()).unwrap();
    }
    let channels = [Channel::Trade, Channel::Quote, Channel::Book];
    let of = numbers.keys().enumerate().map(|(at, name)| of(name, at, Some((4, 3)), &channels)).collect();
    Case { dialect: Dialect::named("bybit-linear").unwrap(), files: vec![file], frames, of }
}

/// What a subscriber learns, without when it was received.
#[derive(Debug, PartialEq)]
enum Told {
    Trade(u64, Price, Qty),
    Quote([(Price, Qty); 2]),
    Book(Coverage, Vec<(Price, Qty)>, Vec<(Price, Qty)>),
}

fn told(items: impl Iterator<Item = Item>) -> BTreeMap<u32, Vec<Told>> {
    let mut all: BTreeMap<u32, Vec<Told>> = BTreeMap::new();
    for item in items {
        let (instrument, told) = match item {
            Item::Trade(t) => (t.instrument, Told::Trade(t.trade_id, t.price, t.size)),
            Item::Quote(q) => (q.instrument, Told::Quote([(q.bid, q.bid_size), (q.ask, q.ask_size)])),
            Item::Book { instrument, change, .. } => {
                let [bids, asks] =
                    [&change.bids, &change.asks].map(|side| side.iter().map(|l| (l.price, l.size)).collect());
                (instrument, Told::Book(change.coverage, bids, asks))
            }
            Item::Stale { .. } | Item::Fresh { .. } => continue,
            other => panic!("{other:?}"),
        };
        all.entry(instrument.0).or_default().push(told);
    }
    all
}

impl Case {
    fn tape(&self) -> Arc<Tape> {
        Arc::new(open(self.dialect.name, &self.files).unwrap())
    }

    /// How many streams of the tape are subscribed to.
    fn streams(&self, tape: &Tape) -> usize {
        let quiet = |topic: &Channel| self.dialect.name == "coinbase" && *topic == Channel::Quote;
        let asked: usize = self.of.iter().map(|of| of.channels.iter().filter(|c| !quiet(c)).count()).sum();
        asked.min(tape.names.streams.len())
    }

    /// The recording as our state machines understand it, and how many updates they refuse to believe.
    fn expected(&self) -> (BTreeMap<u32, Vec<Told>>, u64) {
        let mut line = Line::open(self.dialect, self.of.clone(), self.frames[0].0);
        for (now, frame) in &self.frames {
            let kind = line.ingest.frame(frame, *now);
            assert!(
                matches!(kind, FrameKind::Data | FrameKind::Confirmed),
                "{kind:?}: {}",
                String::from_utf8_lossy(frame)
            );
        }
        let refused = line.ingest.metrics().get(Counter::Quarantined);
        (told(std::iter::from_fn(|| line.lane.pop())), refused)
    }

    fn client(&self, running: &Running) -> Ready {
        let endpoint = Endpoint {
            stream: format!("ws://127.0.0.1:{}{}", running.port(), self.dialect.stream_path),
            rest: format!("http://127.0.0.1:{}", running.port()),
            trust: Trust::default(),
        };
        Ready::with(self.dialect, self.of.clone(), endpoint, SkewRule::Ignore)
    }

    fn serve(&self, tape: &Arc<Tape>, faults: &str) -> Running {
        let options = ServeOptions { start_at: self.streams(tape), ..options(Pace::Max, faults, 7) };
        Running::start(self.dialect.name, Arc::clone(tape), options)
    }

    /// All of it arrives, in order; who comes when it is over is told the books.
    fn plays(&self, wanted: [usize; 3], refused: u64) {
        let _turn = turn();
        let tape = self.tape();
        let running = self.serve(&tape, "");
        let ready = self.client(&running);
        let limits = LaneLimits { ring_max: 50_000, ..LaneLimits::default() };
        let mut lane = ready.door.subscribe(limits).unwrap();
        let client = ready.start();
        await_that("the tape has ended", || running.server.progress().borrow().finished);
        let (expected, disbelieved) = self.expected();
        let count = |kind: fn(&Told) -> bool| expected.values().flatten().filter(|told| kind(told)).count();
        let counts = [
            count(|t| matches!(t, Told::Trade(..))),
            count(|t| matches!(t, Told::Quote(_))),
            count(|t| matches!(t, Told::Book(..))),
        ];
        assert_eq!(
            (counts, disbelieved),
            (wanted, refused),
            "trades, quotes, books in the recording, and what is refused"
        );
        let mut items = Vec::new();
        await_that("everything has arrived", || {
            items.extend(
                std::iter::from_fn(|| lane.pop()).filter(|i| !matches!(i, Item::Stale { .. } | Item::Fresh { .. })),
            );
            items.len() >= wanted.iter().sum()
        });
        let metrics = Arc::clone(&client.metrics);
        let heard = told(items.into_iter());
        for (instrument, expected) in &expected {
            assert!(heard[instrument] == *expected, "{}: instrument {instrument}", self.dialect.name);
        }
        let faults =
            [Counter::Undecodable, Counter::BookGaps, Counter::FrameGaps, Counter::Refused, Counter::BookRenewals];
        assert_eq!(faults.map(|counter| metrics.get(counter)), [0; 5]);
        assert_eq!([Counter::Connects, Counter::Quarantined].map(|counter| metrics.get(counter)), [1, refused]);
        // A late one: the books as they stand, each in one message.
        let books = self.of.len() as u64;
        let ready = self.client(&running);
        let mut lane = ready.door.subscribe(LaneLimits::default()).unwrap();
        let late = ready.start();
        await_that("the books are told", || late.metrics.get(Counter::BookSnapshots) >= books);
        let mut known = BTreeMap::new();
        await_that("the books have come through", || {
            while let Some(item) = lane.pop() {
                if let Item::Book { instrument, change, .. } = item {
                    known.insert(instrument.0, change);
                }
            }
            known.len() as u64 == books
        });
        for (at, of) in (0u32..).zip(&self.of) {
            let (_, bids, asks) = running.server.book(&of.symbol).unwrap();
            let change = &known[&at];
            assert_eq!(change.coverage, Coverage::Snapshot);
            assert!(change.bids[..] == bids[..] && change.asks[..] == asks[..], "{} {}", self.dialect.name, of.symbol);
        }
        assert_eq!([Counter::Undecodable, Counter::BookGaps].map(|counter| late.metrics.get(counter)), [0; 2]);
        for client in [client, late] {
            client.stop().0.unwrap();
        }
    }

    /// Lines that break: each new one is told the books as they stand and goes on from there, and in the end they are true.
    fn survives(&self, faults: &str) {
        let _turn = turn();
        let tape = self.tape();
        let running = self.serve(&tape, faults);
        let ready = self.client(&running);
        let mut lane = ready.door.subscribe(LaneLimits { ring_max: 50_000, ..LaneLimits::default() }).unwrap();
        let client = ready.start();
        await_that("the tape has ended", || running.server.progress().borrow().finished);
        let broken = running.server.faults().iter().filter(|injected| injected.fault == Fault::Disconnect).count();
        assert!(broken >= 2, "{broken}");
        let truth: Vec<[BTreeMap<Price, Qty>; 2]> = self
            .of
            .iter()
            .map(|of| {
                let (_, bids, asks) = running.server.book(&of.symbol).unwrap();
                [bids, asks].map(|levels| levels.iter().map(|level| (level.price, level.size)).collect())
            })
            .collect();
        let mut books = vec![[BTreeMap::new(), BTreeMap::new()]; self.of.len()];
        await_that("the books are the venue's", || {
            while let Some(item) = lane.pop() {
                let Item::Book { instrument, change, .. } = item else { continue };
                let book = &mut books[instrument.0 as usize];
                if change.coverage == Coverage::Snapshot {
                    *book = Default::default();
                }
                for (side, levels) in book.iter_mut().zip([&change.bids, &change.asks]) {
                    for level in levels {
                        match level.size {
                            Qty::ZERO => side.remove(&level.price),
                            size => side.insert(level.price, size),
                        };
                    }
                }
            }
            books == truth
        });
        let metrics = Arc::clone(&client.metrics);
        // Checksums and numbers held all along.
        assert_eq!([Counter::Undecodable, Counter::BookGaps, Counter::FrameGaps].map(|c| metrics.get(c)), [0; 3]);
        await_that("both ends count the same connections", || {
            metrics.get(Counter::Connects) == running.server.clients_total()
        });
        client.stop().0.unwrap();
    }
}

#[test]
fn okx_is_served() {
    let Some(folder) = recordings() else { return };
    okx(&folder).plays([74, 28, 290], 0);
}

#[test]
fn okx_books_go_on_after_a_break() {
    let Some(folder) = recordings() else { return };
    okx(&folder).survives("disconnect=0.02,calm=50");
}

#[test]
fn kraken_is_served() {
    let Some(folder) = recordings() else { return };
    kraken(&folder).plays([0, 0, 4_279], 0);
}

#[test]
fn kraken_books_go_on_after_a_break() {
    let Some(folder) = recordings() else { return };
    kraken(&folder).survives("disconnect=0.001,calm=50");
}

#[test]
fn coinbase_is_served() {
    let Some(folder) = recordings() else { return };
    coinbase(&folder).plays([107, 0, 9_729], 0);
}

#[test]
fn coinbase_books_go_on_after_a_break() {
    let Some(folder) = recordings() else { return };
    coinbase(&folder).survives("disconnect=0.001,calm=50");
}

#[test]
fn bitfinex_is_served() {
    let Some(folder) = recordings() else { return };
    // The first messages tell 210 past trades; four lie too far from the one before to be believed.
    bitfinex(&folder).plays([206, 0, 1_600], 4);
}

#[test]
fn bitfinex_books_go_on_after_a_break() {
    let Some(folder) = recordings() else { return };
    bitfinex(&folder).survives("disconnect=0.005,calm=50");
}

#[test]
fn hyperliquid_is_served() {
    let Some(folder) = recordings() else { return };
    hyperliquid(&folder).plays([64, 0, 46], 0);
}

#[test]
fn hyperliquid_books_go_on_after_a_break() {
    let Some(folder) = recordings() else { return };
    hyperliquid(&folder).survives("disconnect=0.3,calm=5");
}

#[test]
fn bybit_is_served_and_goes_on_after_a_break() {
    let Some(folder) = recordings() else { return };
    let at = tempfile::tempdir().unwrap();
    let case = bybit(&folder, at.path());
    case.plays([101, 1_404, 3_260], 0);
    case.survives("disconnect=0.002,calm=50");
}
