//! Nanoseconds per value of seven indicators, best of 5, and of a feature store with two EMAs.
//!
//! Prints one line per indicator: name, nanoseconds per value over 1,000,000 values, and over 4,000 values 250 times,
//! where inputs and outputs stay in cache (a million bars are 40 MB, and the memory sets the pace). `scripts/indicator_speed.py` sets the figures beside
//! TA-Lib's. Each run starts from a fresh indicator and, as TA-Lib's callers do, writes every output to memory; the
//! output's memory is allocated beforehand and touched once, so page faults are not counted.

#![expect(clippy::print_stdout, reason = "an example's output is its purpose")]

use std::hint::black_box;
use std::time::Instant;

use starling_market::feature::FeatureSet;
use starling_market::indicator::{Atr, Bollinger, Candle, Ema, Indicator, Macd, Output, Rsi, Seed, Sma, Stochastic};

const VALUES: usize = 1_000_000;
const CACHED: usize = 4_000;
const RUNS: usize = 5;

/// A walk without drift between about 50 and 150; any deterministic one will do.
fn walk() -> Vec<Candle> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut unit = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut close = 100.0;
    (0..VALUES)
        .map(|_| {
            let open = close;
            close += (unit() - 0.5) + (100.0 - close) * 1e-3;
            Candle {
                open,
                high: f64::max(open, close) + unit() * 0.2,
                low: f64::min(open, close) - unit() * 0.2,
                close,
                volume: 1.0 + unit() * 1e3,
            }
        })
        .collect()
}

/// Best of [`RUNS`], in nanoseconds per value.
fn best(mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best * 1e9 / VALUES as f64
}

fn measure<I: Indicator>(name: &str, fresh: &I, inputs: &[I::Input]) {
    let mut out = vec![I::Output::UNDEFINED; inputs.len()];
    let mut time = |length: usize| {
        best(|| {
            for _ in 0..VALUES / length {
                let mut indicator = fresh.clone();
                indicator.batch_into(black_box(&inputs[..length]), &mut out[..length]);
                black_box(&out);
            }
        })
    };
    println!("{name} {:.2} {:.2}", time(VALUES), time(CACHED));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let candles = walk();
    let closes: Vec<f64> = candles.iter().map(|candle| candle.close).collect();
    measure("SMA(20)", &Sma::new(20)?, &closes);
    measure("EMA(20)", &Ema::seeded(20, Seed::Sma)?, &closes);
    measure("RSI(14)", &Rsi::new(14)?, &closes);
    measure("MACD(12,26,9)", &Macd::new(12, 26, 9)?, &closes);
    measure("BB(20,2)", &Bollinger::new(20, 2.0)?, &closes);
    measure("ATR(14)", &Atr::new(14)?, &candles);
    measure("STOCH(14,3,3)", &Stochastic::slow(14, 3, 3)?, &candles);

    let mut set = FeatureSet::new();
    let fast = set.register(&"EMA(10)".parse()?)?;
    let slow = set.register(&"EMA(20)".parse()?)?;
    let mut time = |length: usize| {
        best(|| {
            let mut above = 0u32;
            for candle in candles[..length].iter().cycle().take(VALUES) {
                set.update(black_box(candle));
                above += u32::from(set.value(fast) >= set.value(slow));
            }
            black_box(above);
        })
    };
    println!("FeatureSet[EMA(10),EMA(20)] {:.2} {:.2}", time(VALUES), time(CACHED));
    Ok(())
}
