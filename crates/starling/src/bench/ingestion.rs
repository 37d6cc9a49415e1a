//! Tick ingestion: frames of a venue over five symbols, from their bytes to a subscriber.
//!
//! Trades, best prices and book changes in turn go through decoding, plausibility, the mirrored book and the fan-out to
//! one lane, which is emptied. Writing the frames is the venue's work and not in the time. A frame that the subscriber
//! does not get fails the workload.

use std::sync::Arc;
use std::time::{Duration, Instant};

use starling_connect::dialect::Dialect;
use starling_connect::ingest::{Ingest, IngestLimits, Subscription};
use starling_connect::lane::{Channel, Item, LaneLimits, LaneReader};
use starling_connect::metrics::Metrics;
use starling_core::{InstrumentId, Price, UnixNanos};
use starling_lab::bench::{BenchError, Prepared, Workload};

const SYMBOLS: [&str; 5] = ["BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT"];
/// Frames between two looks into the lane, which holds a thousand.
const PIECE: u64 = 250;
const EPOCH: u64 = 1_723_161_255_343;

/// A connection of five symbols with one subscriber.
struct Line {
    ingest: Ingest,
    lane: LaneReader,
    /// Numbers of the messages so far, which venues never begin anew.
    number: u64,
}

pub(crate) fn workloads() -> Vec<Workload> {
    let of = |count: u64| {
        let parameters = format!("{count} over {} symbols", SYMBOLS.len());
        Workload::new("market_data_throughput", "tick ingestion", parameters, (count, "frames"), move || {
            let mut line = Line::new()?;
            let work = move || {
                let (got, spent) = line.take(count);
                if got != count {
                    return Err(BenchError::Input(format!("{got} of {count} frames reached the subscriber")));
                }
                Ok(spent.as_nanos() as f64)
            };
            Ok(Prepared { work: Box::new(work), expected: None })
        })
        .held_to(Some(1e6), None, None)
    };
    [100, 1_000, 10_000].map(of).into()
}

fn frame(number: u64) -> String {
    let symbol = SYMBOLS[(number % 5) as usize];
    let (stream, cents) = (symbol.to_lowercase(), number % 100);
    match number / 5 % 3 {
        0 => format!(
            r#"{{"stream":"{stream}@trade","data":{{"e":"trade","E":{EPOCH},"s":"{symbol}","t":{id},"p":"61837.{cents:02}000000","q":"0.02000000","T":{EPOCH},"m":true,"M":true}}}}"#,
            id = number / 15 + 1
        ),
        1 => format!(
            r#"{{"stream":"{stream}@bookTicker","data":{{"u":{number},"s":"{symbol}","b":"61837.{cents:02}000000","B":"3.72000000","a":"61838.{cents:02}000000","A":"1.51000000"}}}}"#
        ),
        _ => {
            let id = number / 15 + 1;
            format!(
                r#"{{"stream":"{stream}@depth@100ms","data":{{"e":"depthUpdate","E":{EPOCH},"s":"{symbol}","U":{id},"u":{id},"b":[["61830.{cents:02}000000","0.5{cents:02}00000"]],"a":[["61839.{cents:02}000000","1.2{cents:02}00000"]]}}}}"#
            )
        }
    }
}

impl Line {
    fn new() -> Result<Self, BenchError> {
        let input = |error: &dyn std::fmt::Display| BenchError::Input(error.to_string());
        let dialect = Dialect::named("binance-spot").ok_or_else(|| input(&"no dialect binance-spot"))?;
        let of = |(at, symbol): (usize, &&str)| Subscription {
            symbol: (*symbol).to_owned(),
            instrument: InstrumentId::from(at),
            tick: Price::parse(b"0.01").expect("a price"),
            digits: None,
            channels: vec![Channel::Trade, Channel::Quote, Channel::Book],
        };
        let (now, metrics) = (UnixNanos::new(EPOCH * 1_000_000), Arc::new(Metrics::new("ingestion")));
        let of = SYMBOLS.iter().enumerate().map(of).collect();
        let (mut ingest, door) =
            Ingest::new(dialect, of, IngestLimits::default(), metrics, now).map_err(|error| input(&error))?;
        let lane = door.subscribe(LaneLimits::default()).map_err(|error| input(&error))?;
        ingest.tick(now);
        // A venue's first change starts the wait for a snapshot, which joins every book.
        for number in 10..15 {
            ingest.frame(frame(number).as_bytes(), now);
        }
        let body = br#"{"lastUpdateId":1,"bids":[["61830.00","1"]],"asks":[["61840.00","1"]]}"#;
        loop {
            let mut fetches = Vec::new();
            ingest.wants(now, &mut fetches);
            if fetches.is_empty() {
                break;
            }
            fetches.iter().for_each(|fetch| ingest.answer(fetch.purpose, Some(body), now));
        }
        let mut line = Self { ingest, lane, number: 15 };
        line.empty();
        Ok(line)
    }

    /// Takes in so many frames, in pieces that a lane holds; how many trades, quotes and changes the subscriber got, and
    /// the time of it.
    fn take(&mut self, count: u64) -> (u64, Duration) {
        let now = UnixNanos::new(EPOCH * 1_000_000);
        let (mut got, mut spent) = (0, Duration::ZERO);
        let last = self.number + count;
        while self.number < last {
            let piece = self.number..last.min(self.number + PIECE);
            self.number = piece.end;
            let frames: Vec<String> = piece.map(frame).collect();
            let started = Instant::now();
            for frame in &frames {
                self.ingest.frame(frame.as_bytes(), now);
            }
            got += self.empty();
            spent += started.elapsed();
        }
        (got, spent)
    }

    fn empty(&mut self) -> u64 {
        let data = |item: &Item| matches!(item, Item::Trade(_) | Item::Quote(_) | Item::Book { .. });
        std::iter::from_fn(|| self.lane.pop()).filter(data).count() as u64
    }
}

/// What a connection of five symbols with its books and one subscriber holds.
#[cfg(feature = "allocations")]
pub(crate) fn memory() -> Result<starling_lab::bench::Benchmark, BenchError> {
    use starling_lab::bench::memory::{counted, row};
    let (_line, taken) = counted(|| {
        let mut line = Line::new()?;
        line.take(10_000);
        Ok(line)
    })?;
    let megabyte = 1e6 / 1_048_576.0;
    row(
        "component",
        "a connection of five symbols",
        "MiB",
        taken.bytes_current as f64 / 1_048_576.0,
        Some(10.0 * megabyte),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_gets_every_frame() {
        let mut line = Line::new().unwrap();
        let got = [100, 1_000, 10_000].map(|count| line.take(count).0);
        assert_eq!(got, [100, 1_000, 10_000]);
    }
}
