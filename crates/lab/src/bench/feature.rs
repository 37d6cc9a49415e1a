//! Feature extraction: indicators over series of 20 to 1,000 prices, the full set, and one more bar.

use std::hint::black_box;

use starling_market::feature::{FeatureId, FeatureSet, FeatureSpec};
use starling_market::indicator::{Bollinger, Candle, Ema, Indicator, Macd, Rsi, Seed, Sma};

use super::{BenchError, Prepared, Workload, series};

const SUITE: &str = "feature_extraction_latency";
/// The stage budget of the requirement for one decision's features.
const BUDGET_NS: f64 = 10e6;
/// The features of the full set.
const FULL: [&str; 7] = ["SMA(20)", "SMA(50)", "EMA(12)", "EMA(26)", "RSI(14)", "MACD(12,26,9).line", "BB(20,2).upper"];
/// Bars of one execution of the streaming workload.
const STREAM: usize = 1_000;

pub(super) fn workloads() -> Vec<Workload> {
    let mut list = Vec::new();
    for n in [20, 100, 500, 1_000] {
        for window in [10, 20, 50] {
            list.push(of("sma", format!("SMA({window}) x {n}"), n, move || Sma::new(window), move |x| sma(x, window)));
            list.push(of("ema", format!("EMA({window}) x {n}"), n, move || Ema::new(window), move |x| ema(x, window)));
        }
    }
    for n in [20, 100, 500, 1_000] {
        list.push(of("rsi", format!("RSI(14) x {n}"), n, || Rsi::new(14), |x| rsi(x, 14)));
    }
    for n in [50, 100, 500, 1_000] {
        list.push(of("macd", format!("MACD(12,26,9) x {n}"), n, || Macd::seeded(12, 26, 9, Seed::FirstValue), macd));
    }
    for n in [20, 100, 500, 1_000] {
        list.push(of("bollinger", format!("BB(20,2) x {n}"), n, || Bollinger::new(20, 2.0), |x| bollinger(x, 20)));
    }
    list.extend([100, 500, 1_000].map(|n| {
        let items = (n as u64, "bars");
        Workload::new(SUITE, "full set", format!("7 features x {n}"), items, move || full(n)).held_to(
            Some(BUDGET_NS / n as f64),
            None,
            None,
        )
    }));
    list.push(
        Workload::new(SUITE, "streaming", "7 features, one bar after 100", (STREAM as u64, "bars"), streaming).held_to(
            Some(BUDGET_NS),
            None,
            None,
        ),
    );
    list
}

fn input(error: impl std::fmt::Display) -> BenchError {
    BenchError::Input(error.to_string())
}

/// The last value, -1 where there is none yet: what the naive formula gives for the same prices.
fn of<I, E>(
    group: &'static str,
    parameters: String,
    n: usize,
    make: impl Fn() -> Result<I, E> + Clone + 'static,
    naive: impl Fn(&[f64]) -> Option<f64> + 'static,
) -> Workload
where
    I: Indicator<Input = f64> + 'static,
    E: std::fmt::Display,
{
    use starling_market::indicator::Output;
    Workload::new(SUITE, group, parameters, (n as u64, "prices"), move || {
        let prices = series::feature_prices(n);
        let expected = naive(&prices).unwrap_or(-1.0);
        let make = make.clone();
        let work = move || {
            let mut indicator = make().map_err(input)?;
            for price in &prices {
                black_box(indicator.update(*price));
            }
            Ok(indicator.value().map_or(-1.0, |value| value.component(0)))
        };
        Ok(Prepared { work: Box::new(work), expected: Some(expected) })
    })
}

fn sma(x: &[f64], n: usize) -> Option<f64> {
    Some(x.len().checked_sub(n).map(|from| &x[from..])?.iter().sum::<f64>() / n as f64)
}

/// Started from the first value, as the engine's default is.
fn ema(x: &[f64], n: usize) -> Option<f64> {
    let weight = 2.0 / (n as f64 + 1.0);
    let last = x.iter().skip(1).fold(x[0], |average, x| weight * x + (1.0 - weight) * average);
    (x.len() >= n).then_some(last)
}

/// Wilder's, in percent.
fn rsi(x: &[f64], n: usize) -> Option<f64> {
    let changes: Vec<f64> = x.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let first = changes.get(..n)?;
    let mean = |sign: f64| first.iter().map(|c| (c * sign).max(0.0)).sum::<f64>() / n as f64;
    let (mut up, mut down) = (mean(1.0), mean(-1.0));
    for change in &changes[n..] {
        up = (up * (n as f64 - 1.0) + change.max(0.0)) / n as f64;
        down = (down * (n as f64 - 1.0) + (-change).max(0.0)) / n as f64;
    }
    Some(100.0 * up / (up + down))
}

/// The MACD line: first component.
fn macd(x: &[f64]) -> Option<f64> {
    (x.len() >= 34).then_some(())?;
    Some(ema(x, 12)? - ema(x, 26)?)
}

/// The upper band or the middle one: the first component.
fn bollinger(x: &[f64], n: usize) -> Option<f64> {
    let mean = sma(x, n)?;
    let tail = &x[x.len() - n..];
    let variance = tail.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
    Some(mean + 2.0 * variance.sqrt())
}

fn candle(price: f64) -> Candle {
    Candle { open: price, high: price, low: price, close: price, volume: 1.0 }
}

fn full_set() -> Result<(FeatureSet, Vec<FeatureId>), BenchError> {
    let mut set = FeatureSet::new();
    let register = |text: &&str| {
        let spec: FeatureSpec = text.parse().map_err(input)?;
        set.register(&spec).map_err(input)
    };
    let ids = FULL.iter().map(register).collect::<Result<Vec<_>, _>>()?;
    Ok((set, ids))
}

/// The answer is the sum of the two simple averages: the naive formula's.
fn full(n: usize) -> Result<Prepared, BenchError> {
    let prices = series::feature_prices(n);
    let expected = [20, 50].iter().filter_map(|w| sma(&prices, *w)).sum();
    let work = move || {
        let (mut set, ids) = full_set()?;
        for price in &prices {
            set.update(black_box(&candle(*price)));
        }
        Ok(ids[..2].iter().filter_map(|id| set.value(*id)).sum())
    };
    Ok(Prepared { work: Box::new(work), expected: Some(expected) })
}

fn streaming() -> Result<Prepared, BenchError> {
    let (mut set, ids) = full_set()?;
    for price in series::feature_prices(100) {
        set.update(&candle(price));
    }
    let prices = series::feature_prices(STREAM);
    let expected = [20, 50].iter().filter_map(|w| sma(&prices, *w)).sum();
    let work = move || {
        for price in &prices {
            set.update(black_box(&candle(*price)));
        }
        Ok(ids[..2].iter().filter_map(|id| set.value(*id)).sum())
    };
    Ok(Prepared { work: Box::new(work), expected: Some(expected) })
}
