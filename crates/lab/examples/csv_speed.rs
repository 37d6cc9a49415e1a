//! How quickly a file of bars becomes events: the scanner and number parser alone, and the whole way from disk.
//!
//! `cargo run --release -p starling-lab --example csv_speed -- BARS.csv`, the file with the header
//! `ts_ns,open,high,low,close,volume`. Best of five; the whole way uses a second thread for reading and hashing.

use std::error::Error;
use std::time::{Duration, Instant};

use starling_core::{Bar, BarSeriesId, Event, InstrumentId, Price, Qty, UnixNanos};
use starling_lab::data::{CHUNK_BYTES, DataSpec, Kind, Resolve, open};
use starling_market::csv::{Scanner, integer};
use starling_market::feed::BATCH_MAX;

struct One;

impl Resolve for One {
    fn instrument(&mut self, _: &str) -> Result<InstrumentId, String> {
        Ok(InstrumentId(0))
    }
    fn series(&mut self, _: InstrumentId, _: &str) -> Result<BarSeriesId, String> {
        Ok(BarSeriesId(0))
    }
    fn tick(&mut self, _: InstrumentId) -> Price {
        Price::ZERO
    }
}

fn from_memory(bytes: &[u8]) -> Result<(usize, i64), Box<dyn Error>> {
    let mut scanner = Scanner::new(b',');
    let mut out = Vec::with_capacity(BATCH_MAX);
    let (mut count, mut sum) = (0, 0);
    for chunk in bytes.chunks(CHUNK_BYTES) {
        scanner.push(chunk);
        while let Some(row) = scanner.next_row()? {
            if row.line() == 1 {
                continue;
            }
            let field = |i| row.field(i).ok_or("a row of six fields");
            let ts = UnixNanos::new(u64::try_from(integer(field(0)?).ok_or("a stamp")?)?);
            out.push(Event::Bar(Bar {
                instrument: InstrumentId(0),
                series: BarSeriesId(0),
                ts_event: ts,
                ts_recv: ts,
                open: Price::parse(field(1)?)?,
                high: Price::parse(field(2)?)?,
                low: Price::parse(field(3)?)?,
                close: Price::parse(field(4)?)?,
                volume: Qty::parse(field(5)?)?,
            }));
            if out.len() == BATCH_MAX {
                consume(&mut out, &mut count, &mut sum);
            }
        }
    }
    consume(&mut out, &mut count, &mut sum);
    Ok((count, sum))
}

fn from_disk(path: &str) -> Result<(usize, i64), Box<dyn Error>> {
    let mut spec = DataSpec::new(path, "X.SIM", Kind::Bars);
    spec.series = Some("1m last external".into());
    let mut feed = open(&spec, &[], &mut One)?;
    let mut out = Vec::with_capacity(BATCH_MAX);
    let (mut count, mut sum) = (0, 0);
    loop {
        feed.read(&mut out)?;
        if out.is_empty() {
            return Ok((count, sum));
        }
        consume(&mut out, &mut count, &mut sum);
    }
}

fn consume(events: &mut Vec<Event>, count: &mut usize, sum: &mut i64) {
    for event in events.drain(..) {
        if let Event::Bar(bar) = event {
            *count += 1;
            *sum = sum.wrapping_add(bar.close.units());
        }
    }
}

type Outcome = Result<(usize, i64), Box<dyn Error>>;

fn best(mut run: impl FnMut() -> Outcome) -> Result<(Duration, usize, i64), Box<dyn Error>> {
    let mut best = Duration::MAX;
    let mut last = (0, 0);
    for _ in 0..5 {
        let start = Instant::now();
        last = run()?;
        best = best.min(start.elapsed());
    }
    Ok((best, last.0, last.1))
}

#[expect(clippy::print_stdout, reason = "an example that prints what it measures")]
fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: csv_speed BARS.csv")?;
    let bytes = std::fs::read(&path)?;
    let runs: [(&str, &mut dyn FnMut() -> Outcome); 2] =
        [("from memory, one thread", &mut || from_memory(&bytes)), ("from disk, hashed", &mut || from_disk(&path))];
    for (name, run) in runs {
        let (time, count, sum) = best(run)?;
        let per_bar = time.as_nanos() as f64 / count.max(1) as f64;
        println!("{name}: {count} bars in {:.1} ms, {per_bar:.0} ns each (close sum {sum})", time.as_secs_f64() * 1e3);
    }
    Ok(())
}
