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
use starling_lab::bench::{BenchError, Prepared, Unit, Workload};

const SUITE: &str = "market_data_throughput";
const SYMBOLS: [&str; 5] = ["BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT"];
/// Frames that a lane holds.
const LANE: u64 = 1_000;
/// Frames between two looks into it.
const PIECE: u64 = 250;
const EPOCH: u64 = 1_723_161_255_343;

/// Subscribers that never look.
const IDLE: usize = 3;
/// What the requirement gives a message, nanoseconds.
const MESSAGE_NS: f64 = 2_000.0;

/// A connection of five symbols with one subscriber that reads.
struct Line {
    ingest: Ingest,
    lane: LaneReader,
    /// Those of the others.
    idle: Vec<LaneReader>,
    /// Numbers of the messages so far, which venues never begin anew.
    number: u64,
}

pub(crate) fn workloads() -> Vec<Workload> {
    let of = |count: u64| {
        let parameters = format!("{count} over {} symbols", SYMBOLS.len());
        Workload::new(SUITE, "tick ingestion", parameters, (count, "frames"), move || {
            timed(0, move |line| line.take(count, PIECE), count)
        })
        .held_to(Some(MESSAGE_NS), None, None)
    };
    let queued = Workload::new(SUITE, "messages", "1000 queued, nobody takes one out", (LANE, "frames"), || {
        timed(0, |line| line.queue(LANE), LANE)
    })
    .told_in(Unit::Milliseconds)
    .held_to(Some(0.5), None, None);
    let beside = format!("1000 beside {IDLE} subscribers that never look");
    let beside =
        Workload::new(SUITE, "messages", beside, (LANE, "frames"), || timed(IDLE, |line| line.take(LANE, PIECE), LANE))
            .told_in(Unit::Milliseconds)
            .held_to(Some(5.0), None, None);
    let mut list: Vec<Workload> = [100, 1_000, 10_000].map(of).into();
    list.extend([queued, beside]);
    list
}

/// A workload that answers with its own time, and fails if the subscriber gets anything but `count` frames.
fn timed(
    idle: usize,
    take: impl Fn(&mut Line) -> (u64, Duration) + 'static,
    count: u64,
) -> Result<Prepared, BenchError> {
    let mut line = Line::new(idle)?;
    let work = move || {
        let (got, spent) = take(&mut line);
        if got != count {
            return Err(BenchError::Input(format!("{got} of {count} frames reached the subscriber")));
        }
        if let Some(lane) = line.idle.iter().find(|lane| lane.is_closed()) {
            return Err(BenchError::Input(format!("a subscriber that never looks was cut off: {:?}", lane.stats())));
        }
        Ok(spent.as_nanos() as f64)
    };
    Ok(Prepared { work: Box::new(work), expected: None })
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
    fn new(idle: usize) -> Result<Self, BenchError> {
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
        let subscribe = || door.subscribe(LaneLimits::default()).map_err(|error| input(&error));
        let lane = subscribe()?;
        let idle = (0..idle).map(|_| subscribe()).collect::<Result<_, _>>()?;
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
        let mut line = Self { ingest, lane, idle, number: 15 };
        line.empty();
        Ok(line)
    }

    /// Takes in so many frames, in pieces that a lane holds; how many trades, quotes and changes the subscriber got, and
    /// the time of it.
    fn take(&mut self, count: u64, piece: u64) -> (u64, Duration) {
        let (mut got, mut spent) = (0, Duration::ZERO);
        for first in (0..count).step_by(piece as usize) {
            let in_time = self.hand_in(piece.min(count - first));
            let started = Instant::now();
            got += self.empty();
            spent += in_time + started.elapsed();
        }
        (got, spent)
    }

    /// Takes in so many frames; the time of that alone, and what the subscriber finds later.
    fn queue(&mut self, count: u64) -> (u64, Duration) {
        let spent = self.hand_in(count);
        (self.empty(), spent)
    }

    /// The next frames, and the time they took.
    fn hand_in(&mut self, count: u64) -> Duration {
        let now = UnixNanos::new(EPOCH * 1_000_000);
        let frames: Vec<String> = (self.number..self.number + count).map(frame).collect();
        self.number += count;
        let started = Instant::now();
        for frame in &frames {
            self.ingest.frame(frame.as_bytes(), now);
        }
        started.elapsed()
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
        let mut line = Line::new(0)?;
        line.take(10_000, PIECE);
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
        let mut line = Line::new(0).unwrap();
        let got = [100, 1_000, 10_000].map(|count| line.take(count, PIECE).0);
        assert_eq!(got, [100, 1_000, 10_000]);
    }

    #[test]
    fn a_lane_holds_a_thousand_and_who_never_looks_costs_the_others_nothing_they_get() {
        assert_eq!(Line::new(0).unwrap().queue(LANE).0, LANE);
        let mut line = Line::new(IDLE).unwrap();
        assert_eq!(line.take(10_000, PIECE).0, 10_000);
        // They lag, and are still there.
        assert!(line.idle.iter().all(|lane| !lane.is_closed() && lane.stats().lag() > 0));
    }

    #[test]
    fn a_lost_frame_fails_the_workload() {
        let mut prepared = timed(0, |line| line.take(99, PIECE), 100).unwrap();
        let lost = (prepared.work)().unwrap_err().to_string();
        assert!(lost.contains("99 of 100 frames"), "{lost}");
    }
}
