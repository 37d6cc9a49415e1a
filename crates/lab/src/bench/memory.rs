//! What the engine takes from the heap: allocations an event, and bytes that each component holds.
//!
//! Counts are of the measuring thread, by a counting allocator (feature `allocations`: every program with it counts all the
//! time, some nanoseconds an allocation, so it is off by default). They repeat exactly; one sample is all there is.
//!
//! Invariant: a component's bytes are those its engine holds beyond an engine without it, after the same events.

use allocation_counter::{AllocationInfo, measure};
use starling_core::Event;
use starling_market::feature::{FeatureSet, FeatureSpec, catalogue};
use starling_market::indicator::Candle;
use starling_sim::backtest;

use super::record::{Id, Judged};
use super::rig::{self, Resting};
use super::{BenchError, Benchmark, Distribution, series};
use crate::run::RunError;

const SUITE: &str = "memory";
/// Events of a counted run; as many went before, so that buffers have grown.
const EVENTS: usize = 50_000;
const MIB: f64 = 1_048_576.0;
/// Positions of a portfolio, and orders that rest.
const POSITIONS: usize = 1_000;

/// Measures all of it.
pub fn measure_all() -> Result<Vec<Benchmark>, BenchError> {
    let mut rows = Vec::new();
    type Make = fn(usize, u64) -> Vec<Event>;
    let runs: [(&str, &'static str, Make, u64); 4] = [
        ("a bar, with orders", rig::PEER_BARS, series::bars, 42),
        ("a bar, idle", rig::PEER_BARS, series::idle_bars, 42),
        ("a quote, with orders", rig::PEER_QUOTES, series::quotes, 43),
        ("a quote, idle", rig::PEER_QUOTES, series::idle_quotes, 43),
    ];
    for (name, text, make, seed) in runs {
        let each = allocations(text, &make(2 * EVENTS, seed))?;
        rows.push(row("allocations", name, "allocations", each, None)?);
    }
    for (name, bytes, budget) in components()? {
        rows.push(row("component", &name, "MiB", bytes as f64 / MIB, Some(budget * 1e6 / MIB))?);
    }
    Ok(rows)
}

/// A row of one exact figure.
pub fn row(
    group: &str,
    name: &str,
    unit: &str,
    figure: f64,
    requirement: Option<f64>,
) -> Result<Benchmark, BenchError> {
    let id = format!("{SUITE}/{group}/{name}");
    let samples = Distribution::of(&[figure]).ok_or_else(|| BenchError::Answer {
        id: id.clone(),
        expected: 0.0,
        found: figure,
    })?;
    let mut row = Benchmark::bare(Id::Path(id), SUITE, format!("{group}: {name}"), unit, samples);
    (row.judged, row.requirement) = (Judged::Median, requirement);
    row.judge();
    Ok(row)
}

/// Does something and counts what this thread took and gave back meanwhile.
pub fn counted<T>(work: impl FnOnce() -> Result<T, BenchError>) -> Result<(T, AllocationInfo), BenchError> {
    let mut done = None;
    let taken = measure(|| done = Some(work()));
    Ok((done.expect("the work was done")?, taken))
}

/// Allocations an event of the second half.
fn allocations(text: &str, events: &[Event]) -> Result<f64, BenchError> {
    let mut engine = rig::run(text)?.engine(std::io::sink())?;
    engine.start().map_err(RunError::from)?;
    let (first, second) = events.split_at(events.len() / 2);
    let mut consume = |events: &[Event]| {
        events.iter().try_for_each(|event| backtest::consume(&mut engine, event)).map_err(|e| RunError::from(e).into())
    };
    consume(first)?;
    let ((), taken) = counted(|| consume(second))?;
    Ok(taken.count_total as f64 / second.len() as f64)
}

/// Components, the bytes they hold, and the megabytes that the requirement gives them.
fn components() -> Result<Vec<(String, i64, f64)>, BenchError> {
    let (set, features) = counted(features)?;
    let bars = series::bars_at(&series::feature_prices(1_000), 0);
    let strategy = "[[strategies]]\nid = \"a\"\nkind = \"momentum\"\ninstrument = \"X0000/USD.SIM\"\n\
         bars = \"1m last external\"\nlookback = 14\nsize = { fixed = 1 }\n";
    let held = |strategies: &str| -> Result<i64, BenchError> {
        let text = rig::configuration(1, true) + strategies;
        let (_engine, taken) = counted(|| {
            let mut engine = rig::run(&text)?.engine(std::io::sink())?;
            engine.start().map_err(RunError::from)?;
            bars.iter().try_for_each(|bar| backtest::consume(&mut engine, bar)).map_err(RunError::from)?;
            engine.flush_journal().map_err(RunError::from)?;
            Ok(engine)
        })?;
        Ok(taken.bytes_current)
    };
    let portfolio = |positions: usize| counted(|| rig::holding(positions)).map(|(_, taken)| taken.bytes_current);
    let resting = |count: usize| -> Result<i64, BenchError> {
        let text = rig::configuration(1, false);
        let (engine, taken) = counted(|| {
            let mut engine = rig::run(&text)?.strategy("resting", Resting { count }).engine(Vec::new())?;
            engine.start().map_err(RunError::from)?;
            rig::consume(&mut engine, &rig::quote(0, 1, 5_000_000))?;
            Ok(engine)
        })?;
        match engine.world().orders().len() {
            found if found == count => Ok(taken.bytes_current),
            found => Err(BenchError::Input(format!("{found} of {count} orders rest"))),
        }
    };
    Ok(vec![
        (format!("{} features of a series", set.features().count()), features.bytes_current, 50.0),
        ("a strategy with its feature".to_owned(), held(strategy)? - held("")?, 20.0),
        (
            format!("a portfolio of {POSITIONS} positions, with their instruments"),
            portfolio(2 * POSITIONS)? - portfolio(POSITIONS)?,
            50.0,
        ),
        (format!("{POSITIONS} resting orders: risk, store, venue, journal"), resting(POSITIONS)? - resting(0)?, 30.0),
    ])
}

/// Every indicator of the catalogue whose name alone says all, over a thousand bars.
fn features() -> Result<FeatureSet, BenchError> {
    let mut set = FeatureSet::new();
    for spec in catalogue().iter().filter_map(|definition| definition.name.parse::<FeatureSpec>().ok()) {
        set.register(&spec).map_err(|error| BenchError::Input(error.to_string()))?;
    }
    for close in series::feature_prices(1_000) {
        set.update(&Candle { open: close, high: close + 1.0, low: close - 1.0, close, volume: 1.0 });
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_events_take_nothing_from_the_heap_and_every_component_keeps_its_budget() {
        let rows = measure_all().unwrap();
        let of = |name: &str| rows.iter().find(|row| row.name.ends_with(name)).unwrap().measured.unwrap();
        // The recorder closes a day now and then.
        assert!(of("a bar, idle") < 0.01, "{}", of("a bar, idle"));
        assert!(of("a quote, idle") < 0.01, "{}", of("a quote, idle"));
        assert!(of("a quote, with orders") < 1.0, "{}", of("a quote, with orders"));
        let components: Vec<&Benchmark> = rows.iter().filter(|row| row.name.starts_with("component")).collect();
        assert_eq!(components.len(), 4);
        for row in components {
            assert!(row.measured.unwrap() > 0.0 && row.pass == Some(true), "{row:?}");
        }
    }

    #[test]
    fn an_allocation_an_event_is_seen() {
        let ((), taken) = counted(|| {
            (0..1_000).for_each(|i| drop(std::hint::black_box(vec![i])));
            Ok(())
        })
        .unwrap();
        assert_eq!((taken.count_total, taken.bytes_current), (1_000, 0));
    }
}
