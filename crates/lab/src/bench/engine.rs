//! The whole engine on a million bars or quotes, with orders and idle; orders that rest; C1-like and C3-like runs are in
//! `file`.

use std::time::Instant;

use starling_core::Event;

use super::rig::{self, MemoryEngine};
use super::{BenchError, Prepared, Scale, Unit, Workload, cost, series};
use crate::run::RunError;

const SUITE: &str = "engine";
/// Quotes of one execution over resting orders.
const QUOTES: u64 = 1_000;
/// Events a second that the requirement asks for.
const REQUIRED: f64 = 100_000.0;

pub(super) fn workloads(scale: Scale) -> Vec<Workload> {
    type Make = fn(usize, u64) -> Vec<Event>;
    let runs: [(&'static str, &'static str, &'static str, Make, u64, f64, f64); 4] = [
        ("bars", "with orders", rig::PEER_BARS, series::bars, 42, 2e6, 5e6),
        ("bars", "idle", rig::PEER_BARS, series::idle_bars, 42, 2e6, 5e6),
        ("quotes", "with orders", rig::PEER_QUOTES, series::quotes, 43, 3e6, 10e6),
        ("quotes", "idle", rig::PEER_QUOTES, series::idle_quotes, 43, 3e6, 10e6),
    ];
    let run = |(group, name, text, make, seed, target, aim): (_, &str, &'static str, Make, u64, f64, f64)| {
        let n = scale.events;
        let parameters = format!("{n} {name}");
        Workload::new(SUITE, group, parameters, (n as u64, "events"), move || whole(text, make(n, seed)))
            .told_in(Unit::PerSecond)
            .held_to(Some(REQUIRED), Some(target), Some(aim))
    };
    let mut list: Vec<Workload> = runs.into_iter().map(run).collect();
    list.extend([0, 4, 100, 1_000].map(|count| {
        Workload::new(SUITE, "event beside resting orders", count.to_string(), (QUOTES, "events"), move || {
            resting(count)
        })
    }));
    list.push(
        Workload::new(SUITE, "event beside resting orders", "1000 against none", (1, "ratio"), || {
            let mut engines = [Beside::new(0)?, Beside::new(1_000)?];
            Ok(Prepared { work: Box::new(move || ratio(&mut engines)), expected: None })
        })
        .told_in(Unit::Ratio)
        .held_to(None, Some(1.25), Some(1.0)),
    );
    list.extend(cost::workloads());
    list
}

/// A run whose orders are those of the rule in plain floats.
fn whole(text: &'static str, events: Vec<Event>) -> Result<Prepared, BenchError> {
    let expected = series::ema_cross_orders(&series::signal(&events), 10, 20) as f64;
    let work = move || {
        let counts = rig::whole(rig::run(text)?, &events)?;
        assert_eq!(counts.events, events.len() as u64, "every event was consumed");
        Ok(counts.orders as f64)
    };
    Ok(Prepared { work: Box::new(work), expected: Some(expected) })
}

/// An engine at work beside orders that never fill.
struct Beside {
    engine: MemoryEngine,
    ts: u64,
}

impl Beside {
    fn new(count: usize) -> Result<Self, BenchError> {
        let text = rig::configuration(1, false);
        let mut engine = rig::run(&text)?.strategy("resting", rig::Resting { count }).engine(Vec::new())?;
        engine.start().map_err(RunError::from)?;
        rig::consume(&mut engine, &rig::quote(0, 1, 5_000_000))?;
        if engine.world().orders().len() != count {
            return Err(BenchError::Input(format!("{} of {count} orders rest", engine.world().orders().len())));
        }
        Ok(Self { engine, ts: 1 })
    }

    /// Quotes that walk up and down above all orders; the number of events consumed.
    fn work(&mut self, quotes: u64) -> Result<f64, BenchError> {
        let before = self.engine.counts();
        for i in 0..quotes {
            self.ts += 1_000;
            rig::consume(&mut self.engine, &rig::quote(0, self.ts, 5_000_000 + (i % 64) as i64))?;
        }
        let after = self.engine.counts();
        assert_eq!(after.fills, before.fills, "nothing fills");
        Ok((after.events - before.events) as f64)
    }
}

fn resting(count: usize) -> Result<Prepared, BenchError> {
    let mut beside = Beside::new(count)?;
    Ok(Prepared { work: Box::new(move || beside.work(QUOTES)), expected: Some(QUOTES as f64) })
}

/// Median over interleaved rounds of the time of the second over that of the first.
fn ratio(engines: &mut [Beside; 2]) -> Result<f64, BenchError> {
    let mut ratios = Vec::new();
    for _ in 0..21 {
        let mut times = [0.0; 2];
        for (engine, time) in engines.iter_mut().zip(&mut times) {
            let started = Instant::now();
            engine.work(QUOTES)?;
            *time = started.elapsed().as_nanos() as f64;
        }
        ratios.push(times[1] / times[0]);
    }
    ratios.sort_by(f64::total_cmp);
    Ok(ratios[ratios.len() / 2])
}
