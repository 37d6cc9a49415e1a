//! Every captured message of every venue there is a decoder for, decoded to the last one.
//!
//! Three other readings judge the decoders: counts and sums made with Python (`scripts/wire_golden.py`, in `golden.txt`),
//! the counts of the captures' own README, and serde_json field by field. The folder of real data is named by
//! `STARLING_DATA`, or is `../shared/data` beside the workspace; without it each test says so.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod bitfinex;
mod damage;
mod differential;
mod venues;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use starling_core::Side;
use starling_market::wire::{Batch, BookOrder, Connection, Coverage, Feed, Level, OrderAction, Update};

const GOLDEN: &str = include_str!("golden.txt");

/// What the README of the captures says is inside: diffs, quotes, trades, and snapshots asked for over REST.
const CAPTURES: [(&str, [i128; 4]); 6] = [
    ("binance_usdm_btcusdt_raw_20240808T235415Z.gz", [6_551, 66_089, 21_313, 1]),
    ("binance_spot_btcusdt_raw_20240808T235414Z.gz", [3_451, 28_040, 9_757, 1]),
    ("binance_spot_btcusdt_raw_20240809T000000Z.gz", [3_044, 45_134, 10_147, 0]),
    ("binance_coinm_btcusdperp_raw_20240808T235416Z.gz", [26_847, 19_136, 2_286, 1]),
    ("binance_coinm_btcusdperp_raw_20240809T000000Z.gz", [17_948, 29_219, 2_949, 0]),
    ("binance_spot_ethusdt_raw_20240808T235414Z.gz", [3_434, 24_077, 6_106, 1]),
];

fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("STARLING_DATA").map(PathBuf::from);
    let required = named.is_some();
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let found = named.unwrap_or_else(beside);
    if found.is_dir() {
        return Some(found);
    }
    assert!(!required, "STARLING_DATA names {}, which is no folder", found.display());
    eprintln!("SKIPPED: no real data; name its folder with STARLING_DATA");
    None
}

/// The feed that reads a file of the data.
fn feed_of(file: &str) -> &'static Feed {
    let lower = file.to_lowercase();
    let others = ["bitfinex", "coinbase", "hyperliquid", "kraken"];
    let name = if let Some(venue) = others.into_iter().find(|venue| lower.contains(venue)) {
        if lower.contains("kraken") && lower.contains("futures") { "kraken-futures" } else { venue }
    } else if file.contains("bybit/") {
        "bybit"
    } else if file.contains("BYBIT") {
        "bybit-2021"
    } else if file.contains("OKX") || file.contains("okx/") {
        "okx"
    } else if file.contains("coinm") {
        "binance-coinm"
    } else if file.contains("usdm") || lower.contains("futures") {
        "binance-usdm"
    } else {
        "binance-spot"
    };
    Feed::named(name).unwrap()
}

/// The messages of a file: all of it, or the lines `json`, `stamp json`, `stamp: json` and `address -> stamp: json` of a capture.
fn messages(folder: &Path, file: &str) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(folder.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    if file.ends_with(".json") {
        return vec![bytes];
    }
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap();
    text.split(|byte| *byte == b'\n').filter_map(message).map(<[u8]>::to_vec).collect()
}

fn message(line: &[u8]) -> Option<&[u8]> {
    let line = match line.windows(4).position(|part| part == b" -> ") {
        Some(at) if line.starts_with(b"http") => &line[at + 4..],
        _ => line,
    };
    if matches!(line.first(), Some(b'{' | b'[')) {
        return Some(line);
    }
    let stamp = line.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let rest = &line[stamp..];
    if stamp == 0 { None } else { rest.strip_prefix(b": ").or(rest.strip_prefix(b" ")) }
}

#[derive(Default)]
struct Sums(BTreeMap<String, i128>);

impl Sums {
    fn add(&mut self, kind: &str, values: &[(&str, i128)]) {
        *self.0.entry(kind.to_owned()).or_default() += 1;
        for (name, value) in values {
            *self.0.entry(format!("{kind}.{name}")).or_default() += value;
        }
    }

    fn side(levels: &[Level]) -> [i128; 3] {
        let sum = |of: fn(&Level) -> i64| levels.iter().map(|level| i128::from(of(level))).sum();
        [levels.len() as i128, sum(|level| level.price.units()), sum(|level| level.size.units())]
    }

    fn update(&mut self, update: &Update, batch: &Batch) {
        match *update {
            Update::Trade { ts_event, price, size, aggressor, trade_id, .. } => self.add(
                "trade",
                &[
                    ("ts", ts_event.get().into()),
                    ("price", price.units().into()),
                    ("size", size.units().into()),
                    ("buys", i128::from(aggressor == Some(Side::Buy))),
                    ("id", trade_id.into()),
                ],
            ),
            Update::Quote { ts_event, update_id, bid, ask, .. } => self.add(
                "quote",
                &[
                    ("ts", ts_event.get().into()),
                    ("bid", bid.price.units().into()),
                    ("bid_size", bid.size.units().into()),
                    ("ask", ask.price.units().into()),
                    ("ask_size", ask.size.units().into()),
                    ("id", update_id.into()),
                ],
            ),
            Update::Book { book, .. } => {
                let [bids, bid_prices, bid_sizes] = Self::side(batch.levels_of(book.bids));
                let [asks, ask_prices, ask_sizes] = Self::side(batch.levels_of(book.asks));
                self.add(
                    "book",
                    &[
                        ("ts", book.ts_event.get().into()),
                        ("snapshots", i128::from(book.coverage == Coverage::Snapshot)),
                        ("first", book.first_id.into()),
                        ("last", book.last_id.into()),
                        ("previous", book.previous_id.unwrap_or(0).into()),
                        ("chained", i128::from(book.previous_id.is_some())),
                        ("checksum", book.checksum.unwrap_or(0).into()),
                        ("bid_levels", bids),
                        ("bid_prices", bid_prices),
                        ("bid_sizes", bid_sizes),
                        ("ask_levels", asks),
                        ("ask_prices", ask_prices),
                        ("ask_sizes", ask_sizes),
                    ],
                );
            }
            Update::Bar { ts_open, interval_ns, open, high, low, close, volume, closed, .. } => self.add(
                "bar",
                &[
                    ("ts", ts_open.get().into()),
                    ("interval", interval_ns.into()),
                    ("open", open.units().into()),
                    ("high", high.units().into()),
                    ("low", low.units().into()),
                    ("close", close.units().into()),
                    ("volume", volume.units().into()),
                    ("closed", closed.into()),
                ],
            ),
            Update::Orders { ts_event, coverage, sequence, checksum, orders, .. } => {
                let rows = batch.orders_of(orders);
                let of = |action| rows.iter().filter(|row| row.action == action).count() as i128;
                let sum = |of: fn(&BookOrder) -> i128| rows.iter().map(of).sum();
                self.add(
                    "orders",
                    &[
                        ("ts", ts_event.get().into()),
                        ("snapshots", i128::from(coverage == Coverage::Snapshot)),
                        ("sequence", sequence.into()),
                        ("checksum", checksum.unwrap_or(0).into()),
                        ("rows", rows.len() as i128),
                        ("add", of(OrderAction::Add)),
                        ("change", of(OrderAction::Change)),
                        ("delete", of(OrderAction::Delete)),
                        ("id", sum(|row| row.order_id.into())),
                        ("buys", sum(|row| i128::from(row.side == Some(Side::Buy)))),
                        ("price", sum(|row| row.price.units().into())),
                        ("size", sum(|row| row.size.units().into())),
                    ],
                );
            }
            Update::Heartbeat => self.add("heartbeat", &[]),
            Update::Acknowledged => self.add("acknowledged", &[]),
            Update::Refused(_) => self.add("refused", &[]),
            Update::Ignored => self.add("ignored", &[]),
            ref other => panic!("no such update in these files: {other:?}"),
        }
    }

    fn told(&self, file: &str) -> Vec<String> {
        let wraps =
            |name: &str| [".id", ".first", ".last", ".previous", ".sequence"].iter().any(|end| name.ends_with(end));
        let wrapped = |name: &str, value: i128| if wraps(name) { value & i128::from(u64::MAX) } else { value };
        self.0.iter().map(|(name, value)| format!("{file} {name} {}", wrapped(name, *value))).collect()
    }
}

/// The files of the golden text, in its order.
fn files() -> Vec<&'static str> {
    let mut files: Vec<_> = GOLDEN.lines().filter_map(|line| line.split(' ').next()).collect();
    files.dedup();
    files
}

fn sums(folder: &Path, file: &str) -> Sums {
    let (mut sums, mut batch) = (Sums::default(), Batch::new());
    let mut connection = Connection::new(feed_of(file));
    for frame in messages(folder, file) {
        let text = || String::from_utf8_lossy(&frame[..frame.len().min(300)]);
        connection.decode(&frame, &mut batch).unwrap_or_else(|e| panic!("{file}: {e}: {}", text()));
        batch.updates.iter().for_each(|update| sums.update(update, &batch));
    }
    sums
}

#[test]
fn every_message_is_read_as_python_reads_it() {
    let Some(folder) = folder() else { return };
    assert_eq!(files().len(), 84);
    for file in files() {
        let golden: Vec<_> = GOLDEN.lines().filter(|line| line.split(' ').next() == Some(file)).collect();
        assert_eq!(sums(&folder, file).told(file), golden, "{file}");
    }
}

#[test]
fn the_captures_hold_what_their_readme_says() {
    let Some(folder) = folder() else { return };
    for (file, [diffs, quotes, trades, snapshots]) in CAPTURES {
        let sums = sums(&folder, &format!("ws_streams/{file}"));
        let of = |name: &str| sums.0.get(name).copied().unwrap_or(0);
        assert_eq!((of("book") - of("book.snapshots"), of("book.snapshots")), (diffs, snapshots), "{file}");
        assert_eq!((of("quote"), of("trade")), (quotes, trades), "{file}");
    }
}
