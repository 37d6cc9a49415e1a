//! Strategy execution: momentum and mean reversion through the whole engine, several at once, one more bar, set-up.

use std::fmt::Write as _;

use starling_core::InstrumentId;

use super::rig::{self, MemoryEngine};
use super::series::{self, Trend};
use super::{BenchError, Prepared, Workload};
use crate::run::RunError;

const SUITE: &str = "strategy_execution";
/// The stage budget of the requirement for one signal.
const BUDGET_NS: f64 = 50e6;
/// Bars of one execution of the single-bar workloads.
const BARS: usize = 1_000;

/// A momentum strategy: lookback in bars, threshold in percent.
fn momentum(id: usize, lookback: usize, threshold: f64) -> String {
    format!(
        "[[strategies]]\nid = \"momentum{id}\"\nkind = \"momentum\"\ninstrument = \"X0000/USD.SIM\"\n\
         bars = \"1m last external\"\nlookback = {lookback}\nthreshold = {:?}\nsize = {{ fixed = 1 }}\n\
         execution = {{ close_on_stop = false }}\n",
        threshold / 100.0
    )
}

fn mean_reversion(period: usize, entry: f64) -> String {
    format!(
        "[[strategies]]\nid = \"reversion\"\nkind = \"mean_reversion\"\ninstrument = \"X0000/USD.SIM\"\n\
         bars = \"1m last external\"\nperiod = {period}\nentry = {entry:?}\nsize = {{ fixed = 1 }}\n\
         execution = {{ close_on_stop = false }}\n"
    )
}

fn with(strategies: &str) -> String {
    rig::configuration(1, true) + strategies
}

pub(super) fn workloads() -> Vec<Workload> {
    let mut list = Vec::new();
    for trend in Trend::ALL {
        for n in [20, 100, 500] {
            let parameters = format!("{} x {n}", trend.name());
            list.push(Workload::new(SUITE, "momentum(14, 2 %)", parameters, (n as u64, "bars"), move || {
                let prices = trend.prices(n);
                whole(with(&momentum(0, 14, 2.0)), &prices, momentum_orders(&prices, 14, 2.0))
            }));
        }
    }
    for n in [20, 100, 500] {
        list.push(Workload::new(SUITE, "mean reversion(20, 1.5)", n.to_string(), (n as u64, "bars"), move || {
            let prices = Trend::Sideways.prices(n);
            whole(with(&mean_reversion(20, 1.5)), &prices, reversion_orders(&prices, 20, 1.5))
        }));
    }
    for count in [2, 5, 10] {
        list.push(Workload::new(SUITE, "at once on 100 bars", count.to_string(), (100, "bars"), move || {
            let prices = Trend::Up.prices(100);
            let terms = |i: usize| (14 + 2 * (i % 5), 1.5 + 0.1 * i as f64);
            let mut text = with("");
            let mut orders = 0;
            for i in 0..count {
                let (lookback, threshold) = terms(i);
                write!(text, "{}", momentum(i, lookback, threshold)).expect("writing to a string");
                orders += momentum_orders(&prices, lookback, threshold);
            }
            whole(text, &prices, orders)
        }));
    }
    for (signal, trend, stance) in
        [("long", Trend::Up, 1.0), ("short", Trend::Down, -1.0), ("none", Trend::Sideways, 0.0)]
    {
        list.push(Workload::new(SUITE, "signal at 100", signal, (100, "bars"), move || stand(trend, stance)));
    }
    list.push(Workload::new(SUITE, "one more bar", "momentum(14, 2 %)", (BARS as u64, "bars"), one_more_bar));
    list.push(Workload::new(SUITE, "construction", "engine of one strategy", (1, "engines"), || {
        let text = with(&momentum(0, 14, 2.0));
        let work = move || Ok(rig::run(&text)?.engine(Vec::new())?.strategies().count() as f64);
        Ok(Prepared { work: Box::new(work), expected: Some(1.0) })
    }));
    let budget = |w: Workload| {
        let budget = BUDGET_NS / w.items as f64;
        w.held_to(Some(budget), None, None)
    };
    list.into_iter().map(budget).collect()
}

/// A run whose orders are counted by the rule in plain floats.
fn whole(text: String, prices: &[f64], orders: u64) -> Result<Prepared, BenchError> {
    let events = series::bars_at(prices, 0);
    let work = move || {
        let counts = rig::whole(rig::run(&text)?, &events)?;
        Ok((counts.events + counts.orders) as f64)
    };
    Ok(Prepared { work: Box::new(work), expected: Some((prices.len() as u64 + orders) as f64) })
}

/// Orders of the momentum rule: a change of side is two.
fn momentum_orders(prices: &[f64], lookback: usize, threshold: f64) -> u64 {
    let mut held = 0i64;
    let mut orders = 0;
    for t in lookback..prices.len() {
        let gain = prices[t] / prices[t - lookback] - 1.0;
        let wanted = i64::from(gain > threshold / 100.0) - i64::from(gain < -threshold / 100.0);
        orders += held.abs_diff(wanted);
        held = wanted;
    }
    orders
}

/// Orders of the reversion rule with an exit at the average.
fn reversion_orders(prices: &[f64], period: usize, entry: f64) -> u64 {
    let mut held = 0i64;
    let mut orders = 0;
    for window in prices.windows(period) {
        let mean = window.iter().sum::<f64>() / period as f64;
        let deviation = (window.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / period as f64).sqrt();
        let z = (window[period - 1] - mean) / deviation;
        let wanted = match held {
            1 if z < 0.0 => 1,
            -1 if z > 0.0 => -1,
            _ => i64::from(z <= -entry) - i64::from(z >= entry),
        };
        orders += held.abs_diff(wanted);
        held = wanted;
    }
    orders
}

fn fed(trend: Trend) -> Result<MemoryEngine, BenchError> {
    let mut engine = rig::run(&with(&momentum(0, 14, 2.0)))?.engine(Vec::new())?;
    engine.start().map_err(RunError::from)?;
    for event in series::bars_at(&trend.prices(100), 0) {
        rig::consume(&mut engine, &event)?;
    }
    Ok(engine)
}

/// A hundred bars; the answer is the position.
fn stand(trend: Trend, stance: f64) -> Result<Prepared, BenchError> {
    let work = move || {
        let engine = fed(trend)?;
        let ledger = engine.world().ledger();
        Ok(ledger.accounts().map(|(account, _)| ledger.net_position(account, InstrumentId(0)).to_f64()).sum())
    };
    Ok(Prepared { work: Box::new(work), expected: Some(stance) })
}

/// A thousand bars more for an engine that has seen a hundred; the answer is how many it took.
fn one_more_bar() -> Result<Prepared, BenchError> {
    let mut engine = fed(Trend::Sideways)?;
    let prices = Trend::Sideways.prices(BARS);
    let mut first = 100;
    let work = move || {
        let before = engine.counts().events;
        for event in series::bars_at(&prices, first) {
            rig::consume(&mut engine, &event)?;
        }
        first += BARS;
        Ok((engine.counts().events - before) as f64)
    };
    Ok(Prepared { work: Box::new(work), expected: Some(BARS as f64) })
}
