//! From a file to its end: a million bars of CSV, a million quotes of a store, and runs like the conformance runs C1 and C3.
//!
//! The files are written once per measurement to the temporary folder, are in the page cache when they are read, and are
//! removed with the measurement.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use starling_core::{BarSeriesId, Event, InstrumentId, Price, Rounding};

use super::{BenchError, Prepared, Scale, Unit, Workload, rig, series};
use crate::config::Config;
use crate::data::{DataSpec, Kind, Resolve, open};
use crate::run::RunError;

const C1: &str = include_str!("../../../../examples/conformance/c1.toml");
const C3: &str = include_str!("../../../../examples/conformance/c3.toml");
/// Bars of a C1-like run.
const C1_BARS: usize = 10_000;
/// Bars of each side of a C3-like run: four weeks of a market that closes at the weekend.
const C3_BARS: usize = 28_000;

/// A folder of our own, gone when dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Result<Self, BenchError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("starling-bench-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).map_err(|source| BenchError::File { path: path.display().to_string(), source })?;
        Ok(Self(path))
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, BenchError> {
        let path = self.0.join(name);
        fs::write(&path, text).map_err(|source| BenchError::File { path: path.display().to_string(), source })?;
        Ok(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning of its temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn workloads(scale: Scale) -> Vec<Workload> {
    let rows = scale.events;
    let csv =
        Workload::new("market_data_throughput", "CSV", format!("{rows} bars"), (rows as u64, "bars"), move || {
            csv(rows)
        })
        .told_in(Unit::Milliseconds)
        .held_to(None, Some(150.0 * rows as f64 / 1e6), None);
    let run = |name: &'static str, events: usize, prepare: fn() -> Result<Prepared, BenchError>| {
        Workload::new("engine", "file to record", name, (events as u64, "events"), prepare)
            .told_in(Unit::Milliseconds)
            .held_to(None, Some(50.0), None)
    };
    let fixed = [csv, run("like C1", C1_BARS * 4, like_c1), run("like C3", C3_BARS * 4, like_c3)];
    fixed.into_iter().chain(parquet(rows)).collect()
}

#[cfg(not(feature = "parquet"))]
fn parquet(_: usize) -> Option<Workload> {
    None
}

#[cfg(feature = "parquet")]
fn parquet(rows: usize) -> Option<Workload> {
    let (name, items) = (format!("{rows} quotes"), (rows as u64, "quotes"));
    let scan = Workload::new("market_data_throughput", "Parquet scan", name, items, move || scan(rows));
    Some(scan.told_in(Unit::PerSecond).held_to(None, Some(2e7), None))
}

/// Bars as text, the stamp under `name`.
pub(super) fn text(events: &[Event], name: &str) -> String {
    let mut text = format!("{name},open,high,low,close,volume\n");
    for event in events {
        if let Event::Bar(bar) = event {
            let prices = [bar.open, bar.high, bar.low, bar.close].map(|p| p.to_string()).join(",");
            writeln!(text, "{},{prices},{}", bar.ts_event.get(), bar.volume).expect("writing to a string");
        }
    }
    text
}

/// Bars without volume, as the published files have them: prices raised by `above`, divided, rounded to 0.001.
fn without_volume(events: &[Event], name: &str, above: Price, divisor: i64) -> String {
    let mut text = format!("{name},open,high,low,close\n");
    let tick = Price::from_units(1_000_000);
    for event in events {
        if let Event::Bar(bar) = event {
            let divided = |p: Price| Price::from_units((p + above).units() / divisor);
            let told = |p: Price| divided(p).round_to(tick, Rounding::HalfAwayFromZero).to_string();
            let prices = [bar.open, bar.high, bar.low, bar.close].map(told).join(",");
            writeln!(text, "{},{prices}", bar.ts_event.get()).expect("writing to a string");
        }
    }
    text
}

/// The only instrument and the only series.
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

/// Read, hashed, checked, decoded. The answer is the sum of the closes and the number of bars.
fn csv(rows: usize) -> Result<Prepared, BenchError> {
    let bars = series::bars(rows, 42);
    let expected = series::signal(&bars).iter().sum::<f64>() + rows as f64;
    let folder = Folder::new()?;
    let path = folder.write("bars.csv", &text(&bars, "ts_ns"))?;
    drop(bars);
    let mut spec = DataSpec::new(path.display().to_string(), "X.SIM", Kind::Bars);
    spec.series = Some("1m last external".into());
    let work = move || {
        let _kept = &folder;
        let mut feed = open(&spec, &[], &mut One).map_err(RunError::from)?;
        let (mut events, mut count, mut sum) = (Vec::new(), 0u64, 0.0);
        loop {
            events.clear();
            feed.read(&mut events).map_err(RunError::from)?;
            if events.is_empty() {
                return Ok(sum + count as f64);
            }
            count += events.len() as u64;
            sum += series::signal(&events).iter().sum::<f64>();
        }
    };
    Ok(Prepared { work: Box::new(work), expected: Some(expected) })
}

/// All columns of the quotes of a store, on one core. The answer is their number and the sum of the bids.
#[cfg(feature = "parquet")]
fn scan(rows: usize) -> Result<Prepared, BenchError> {
    use starling_core::UnixNanos;

    use crate::data::store::{Existing, Store, StoreKind, StoreWriter};

    let quotes = series::quotes(rows, 43);
    let bid = |event: &Event| if let Event::Quote(quote) = event { quote.bid.units() } else { 0 };
    let expected = quotes.iter().map(|event| i128::from(bid(event))).sum::<i128>() + rows as i128;
    let folder = Folder::new()?;
    let store = Store::new(folder.path());
    let mut writer = StoreWriter::new(&store, StoreKind::Quotes, "X.SIM", Existing::Refuse);
    quotes.iter().try_for_each(|quote| writer.push(quote)).map_err(RunError::from)?;
    writer.finish().map_err(RunError::from)?;
    let work = move || {
        let _kept = &folder;
        let range = UnixNanos::EPOCH..UnixNanos::MAX;
        let mut scan = store.scan(&StoreKind::Quotes, "X.SIM", range, &[]).map_err(RunError::from)?;
        let mut answer = 0;
        while let Some(columns) = scan.next_rows().map_err(RunError::from)? {
            let bids = columns.column("bid").unwrap_or_default();
            answer += bids.iter().map(|bid| i128::from(*bid)).sum::<i128>() + bids.len() as i128;
        }
        Ok(answer as f64)
    };
    Ok(Prepared { work: Box::new(work), expected: Some(expected as f64) })
}

/// A configuration run from its file to its record; the answer is the number of events.
fn to_record(text: String, folder: Folder, events: usize) -> Result<Prepared, BenchError> {
    let work = move || {
        let search = vec![folder.path().to_owned()];
        let run = crate::run::Run::new(text.as_str(), search).map_err(RunError::from)?;
        let outcome = run.execute_with(Vec::new(), |_, _| std::ops::ControlFlow::Continue(()))?;
        match (outcome.counts, outcome.record.equity.len()) {
            (counts, days) if counts.fills > 10 && days > 1 => Ok(counts.events as f64),
            (counts, days) => {
                Err(BenchError::Input(format!("{counts:?} in {days} days are no run like the published one")))
            }
        }
    };
    Ok(Prepared { work: Box::new(work), expected: Some(events as f64) })
}

fn with(text: &str, values: &[(&str, &str)]) -> Result<String, BenchError> {
    let values: Vec<_> = values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Config::with_values(text, &values).map_err(|faults| RunError::from(faults).into())
}

/// 10,000 bars of a minute as quotes, bars of them built inside, EMA cross on a cash account.
fn like_c1() -> Result<Prepared, BenchError> {
    let folder = Folder::new()?;
    folder.write("c1.csv", &without_volume(&series::bars(C1_BARS, 1), "timestamp", Price::ZERO, 1))?;
    to_record(with(C1, &[("data.path", "c1.csv")])?, folder, C1_BARS * 4)
}

/// 28,000 bars of a minute of bids and as many of asks as quotes, 15-minute bars built inside, EMA cross, hedging.
fn like_c3() -> Result<Prepared, BenchError> {
    let folder = Folder::new()?;
    let bars = series::bars(C3_BARS, 3);
    // 50,000.00 becomes 100.000; the ask stands 0.01 above.
    folder.write("bid.csv", &without_volume(&bars, "ts_ns", Price::ZERO, 500))?;
    folder.write("ask.csv", &without_volume(&bars, "ts_ns", Price::from_int(5), 500))?;
    to_record(with(C3, &[("data.bid.path", "bid.csv"), ("data.ask.path", "ask.csv")])?, folder, C3_BARS * 4)
}

/// The peers' run on so many bars, in a folder of its own: configuration and data. For measurements of the program.
pub(super) fn small_run(bars: usize) -> Result<(Folder, PathBuf, u64), BenchError> {
    let folder = Folder::new()?;
    let events = series::bars(bars, 42);
    folder.write("bars.csv", &text(&events, "ts_ns"))?;
    let config = folder.write("bars.toml", rig::PEER_BARS)?;
    let orders = series::ema_cross_orders(&series::signal(&events), 10, 20);
    Ok((folder, config, orders))
}
