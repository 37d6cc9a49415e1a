//! What taking a frame in costs, from its bytes to a subscriber's ring, without socket and threads: the least of several
//! rounds, so that a busy machine disturbs it little. `cargo run --release -p starling-connect --example ingest_speed
//! [-- ROUNDS [KIND]]`, with KIND one of trade, quote, book, two (two subscribers), for a profiler.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, run by hand")]

use std::sync::Arc;
use std::time::Instant;

use starling_connect::dialect::Dialect;
use starling_connect::ingest::{Ingest, IngestLimits, Subscription};
use starling_connect::lane::{Channel, LaneLimits, LaneReader};
use starling_connect::metrics::{Counter, Metrics};
use starling_core::{InstrumentId, Price, UnixNanos};

const FRAMES: u64 = 50_000;
const T0: u64 = 1_723_161_255_343_000_000;

fn trade(id: u64) -> String {
    format!(
        r#"{{"stream":"btcusdt@trade","data":{{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":{id},"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}}}"#
    )
}

fn quote(id: u64) -> String {
    let cents = id % 100;
    format!(
        r#"{{"stream":"btcusdt@bookTicker","data":{{"u":{id},"s":"BTCUSDT","b":"61837.{cents:02}000000","B":"3.72000000","a":"61838.{cents:02}000000","A":"1.51000000"}}}}"#
    )
}

fn book(id: u64) -> String {
    let cents = id % 100;
    format!(
        r#"{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":1723161255343,"s":"BTCUSDT","U":{id},"u":{id},"b":[["61837.{cents:02}000000","0.5{cents:02}00000"],["61830.{cents:02}000000","0.00000000"]],"a":[["61839.{cents:02}000000","1.2{cents:02}00000"]]}}}}"#
    )
}

fn round(make: fn(u64) -> String, subscribers: usize) -> (f64, u64) {
    let of = Subscription {
        symbol: "BTCUSDT".into(),
        instrument: InstrumentId(0),
        tick: Price::parse(b"0.01").unwrap(),
        digits: None,
        channels: vec![Channel::Trade, Channel::Quote, Channel::Book],
    };
    let metrics = Arc::new(Metrics::new("speed"));
    let now = UnixNanos::new(T0);
    let dialect = Dialect::named("binance-spot").unwrap();
    let (mut ingest, door) =
        Ingest::new(dialect, vec![of], IngestLimits::default(), Arc::clone(&metrics), now).unwrap();
    let mut lanes: Vec<LaneReader> = (0..subscribers).map(|_| door.subscribe(LaneLimits::default()).unwrap()).collect();
    ingest.tick(now);
    ingest.frame(book(1).as_bytes(), now);
    let mut fetches = Vec::new();
    ingest.wants(now, &mut fetches);
    if let Some(fetch) = fetches.first() {
        let body = br#"{"lastUpdateId":1,"bids":[["61830.00","1"]],"asks":[["61840.00","1"]]}"#;
        ingest.answer(fetch.purpose, Some(body), now);
    }
    let frames: Vec<String> = (2..=FRAMES + 1).map(make).collect();
    let mut taken = 0;
    let mut spent = std::time::Duration::ZERO;
    for group in frames.chunks(500) {
        let start = Instant::now();
        for frame in group {
            ingest.frame(frame.as_bytes(), now);
        }
        spent += start.elapsed();
        // Emptying the ring is the subscriber's affair.
        for lane in &mut lanes {
            while let Some(item) = lane.pop() {
                taken += 1;
                drop(item);
            }
        }
    }
    assert_eq!(metrics.get(Counter::Quarantined), 0);
    (spent.as_nanos() as f64 / FRAMES as f64, taken)
}

fn main() {
    let rounds: usize = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(15);
    let only = std::env::args().nth(2);
    type Kind = (&'static str, fn(u64) -> String, usize);
    let kinds: [Kind; 4] = [("trade", trade, 1), ("quote", quote, 1), ("book", book, 1), ("two", trade, 2)];
    for (name, make, subscribers) in kinds {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let mut all: Vec<(f64, u64)> = (0..rounds).map(|_| round(make, subscribers)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        println!(
            "{name}: least {:.0} ns a frame, median {:.0} ns, of {rounds} rounds of {FRAMES}; {} items taken",
            all[0].0,
            all[rounds / 2].0,
            all[0].1
        );
    }
}
