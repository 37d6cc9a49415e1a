//! Nanoseconds per price level of real diff streams: set the level, then read best bid and best ask.
//!
//! The streams are Binance's of 2024-08-08, decoded beforehand; one Criterion iteration is one level, so its `time` is
//! what is asked for. Each pass starts from the same snapshot and must end with the best bid and ask that a sorted map
//! ends with. Beside the book stands that map (`BTreeMap`, the usual way). Without the real data it says so and does
//! nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use criterion::Criterion;
use serde_json::Value;
use starling_core::fixed::{Price, Qty};
use starling_core::order::Side;
use starling_market::book::LevelBook;
use starling_market::wire::{Coverage, Level};

/// A snapshot, and the levels of the diffs after it in their order.
struct Stream {
    tick: Price,
    snapshot: [Vec<Level>; 2],
    levels: Vec<(Side, Level)>,
}

type Touch = (Option<Level>, Option<Level>);

/// What most books are made of.
#[derive(Clone, Default)]
struct SortedMaps {
    bids: BTreeMap<Price, Qty>,
    asks: BTreeMap<Price, Qty>,
}

impl SortedMaps {
    fn set(&mut self, side: Side, level: Level) {
        let map = if side == Side::Buy { &mut self.bids } else { &mut self.asks };
        if level.size.is_zero() {
            map.remove(&level.price);
        } else {
            map.insert(level.price, level.size);
        }
    }
    fn touch(&self) -> Touch {
        let of = |(price, size): (&Price, &Qty)| Level { price: *price, size: *size };
        (self.bids.last_key_value().map(of), self.asks.first_key_value().map(of))
    }
}

pub(super) fn run() {
    let test = std::env::args().any(|argument| argument == "--test");
    let seconds = |full: f64| Duration::from_secs_f64(if test { full / 20.0 } else { full });
    let mut criterion = Criterion::default()
        .sample_size(if test { 10 } else { 30 })
        .measurement_time(seconds(3.0))
        .warm_up_time(seconds(1.0))
        .configure_from_args();
    for (name, file, tick) in [
        ("usdm", "binance_usdm_btcusdt_raw_20240808T235415Z.gz", "0.1"),
        ("coinm", "binance_coinm_btcusdperp_raw_20240808T235416Z.gz", "0.1"),
        ("spot", "binance_spot_btcusdt_raw_20240808T235414Z.gz", "0.01"),
    ] {
        let Some(stream) = read(file, tick.parse().unwrap()) else {
            eprintln!(
                "missing  market_data_throughput/book update/{name}: no real data; name its folder with STARLING_DATA"
            );
            continue;
        };
        bench(&mut criterion, name, &stream);
    }
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion, name: &str, stream: &Stream) {
    let mut book = LevelBook::new(stream.tick);
    book.apply_levels(Coverage::Snapshot, &stream.snapshot[0], &stream.snapshot[1]).unwrap();
    let mut maps = SortedMaps::default();
    for (side, levels) in [Side::Buy, Side::Sell].into_iter().zip(&stream.snapshot) {
        levels.iter().for_each(|level| maps.set(side, *level));
    }
    let through_book = |mut book: LevelBook| {
        let start = Instant::now();
        for (side, level) in &stream.levels {
            book.apply(*side, *level).unwrap();
            black_box((book.best_bid(), book.best_ask()));
        }
        (start.elapsed(), (book.best_bid(), book.best_ask()))
    };
    let through_maps = |mut maps: SortedMaps| {
        let start = Instant::now();
        for (side, level) in &stream.levels {
            maps.set(*side, *level);
            black_box(maps.touch());
        }
        (start.elapsed(), maps.touch())
    };
    assert_eq!(through_book(book.clone()).1, through_maps(maps.clone()).1, "{name}: both end with the same touch");
    let levels = stream.levels.len() as u64;
    let mut group = criterion.benchmark_group(format!("market_data_throughput/book update/{name}"));
    group.bench_function("LevelBook", |b| b.iter_custom(|n| per_level(n, levels, || through_book(book.clone()).0)));
    group.bench_function("BTreeMap", |b| b.iter_custom(|n| per_level(n, levels, || through_maps(maps.clone()).0)));
    group.finish();
}

/// Whole passes over the stream, at least one, counted as `wanted` levels.
fn per_level(wanted: u64, levels: u64, mut pass: impl FnMut() -> Duration) -> Duration {
    let passes = wanted.div_ceil(levels);
    let spent: Duration = (0..passes).map(|_| pass()).sum();
    spent.mul_f64(wanted as f64 / (passes * levels) as f64)
}

fn read(file: &str, tick: Price) -> Option<Stream> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("STARLING_DATA").map_or(beside, PathBuf::from);
    let mut text = String::new();
    let file = File::open(folder.join("ws_streams").join(file)).ok()?;
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut stream = Stream { tick, snapshot: [vec![], vec![]], levels: vec![] };
    let mut joined = None;
    for line in text.lines() {
        let message: Value = serde_json::from_str(line.split_once(' ').unwrap().1).unwrap();
        if let Some(last_id) = message["lastUpdateId"].as_u64() {
            joined = Some(last_id);
            stream.snapshot = [levels(&message["bids"]), levels(&message["asks"])];
        }
        let data = &message["data"];
        let fresh = joined.is_some_and(|last_id| data["u"].as_u64() >= Some(last_id));
        if fresh && data["e"] == "depthUpdate" {
            stream.levels.extend(levels(&data["b"]).into_iter().map(|l| (Side::Buy, l)));
            stream.levels.extend(levels(&data["a"]).into_iter().map(|l| (Side::Sell, l)));
        }
    }
    Some(stream)
}

fn levels(rows: &Value) -> Vec<Level> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let of = |row: &Value| Level { price: text(&row[0]).parse().unwrap(), size: text(&row[1]).parse().unwrap() };
    rows.as_array().unwrap().iter().map(of).collect()
}
