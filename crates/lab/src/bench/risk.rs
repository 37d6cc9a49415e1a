//! Risk figures: value at risk, limits beside held positions, drawdown, ratios, correlation, simulation, sizing.

use std::hint::black_box;

use starling_core::{
    AccountId, ClientOrderId, InstrumentId, Money, OrderKind, OrderRequest, Price, Qty, Rate, Side, StrategyId,
};
use starling_engine::risk::{RiskGate, RiskLimits};

use super::{BenchError, Prepared, Scale, Unit, Workload, rig, series};
use crate::stats::matrix::{Panel, SquareMatrix};
use crate::stats::montecarlo::{NormalReturns, Paths};
use crate::stats::sample::Convention;
use crate::stats::{correlation, drawdown, ratio, returns, sizing, tail};

const SUITE: &str = "risk_calculations";
/// The stage budget of the requirement.
const BUDGET_NS: f64 = 5e6;
/// Share of returns in the tail.
const TAIL: f64 = 0.05;
/// A standard normal's 5 % quantile and density there, from tables.
const NORMAL_QUANTILE: f64 = -1.644_853_626_951_472_2;
/// Days of returns where the suite does not vary them.
const YEAR: usize = 252;
/// Assets of the simulation.
const ASSETS: usize = 50;

pub(super) fn workloads(scale: Scale) -> Vec<Workload> {
    let mut list = Vec::new();
    let call = (1, "calls");
    for n in [100, YEAR, 500, 1_000] {
        let name = move |what: &str| format!("{what} x {n}");
        list.push(Workload::new(SUITE, "value at risk", name("historical"), call, move || {
            Ok(on_returns(n, |r| tail::historical_var(r, TAIL, Convention::Linear), naive_var))
        }));
        list.push(Workload::new(SUITE, "value at risk", name("parametric"), call, move || {
            let naive = |r: &[f64]| -(mean(r) + NORMAL_QUANTILE * deviation(r));
            Ok(on_returns(n, |r| tail::parametric_var(r, TAIL), naive))
        }));
        list.push(Workload::new(SUITE, "value at risk", name("CVaR"), call, move || {
            Ok(on_returns(n, |r| tail::historical_cvar(r, TAIL, Convention::Linear), naive_cvar))
        }));
        list.push(Workload::new(SUITE, "drawdown", n.to_string(), call, move || {
            let equity = |r: &[f64]| {
                r.iter()
                    .scan(1.0, |e, r| {
                        *e *= 1.0 + r;
                        Some(*e)
                    })
                    .collect::<Vec<f64>>()
            };
            Ok(on_returns(n, move |r| drawdown::max_depth(&equity(r)), move |r| naive_drawdown(&equity(r))))
        }));
    }
    for n in [100, YEAR, 500] {
        list.push(Workload::new(SUITE, "Sharpe at 2 %", n.to_string(), call, move || {
            Ok(on_returns(n, sharpe, |r| (mean(r) - daily_rate()) / deviation(r) * 252f64.sqrt()))
        }));
    }
    for positions in [1, 10, 50, 100] {
        list.push(Workload::new(SUITE, "limit checks", format!("{positions} positions"), (100, "checks"), move || {
            limits(positions)
        }));
    }
    for positions in [10, 50, 100] {
        let name = format!("{positions} positions + {YEAR} returns");
        list.push(Workload::new(SUITE, "combined", name, call, move || combined(positions)));
    }
    for assets in [5, 10, 20, 50] {
        list.push(Workload::new(SUITE, "correlation", format!("{assets} x {YEAR}"), call, move || {
            correlations(assets)
        }));
    }
    list.push(Workload::new(SUITE, "sizing", "Kelly(0.55, 1.5, 1.0)", (1_000, "calls"), || {
        Ok(repeated(|| sizing::kelly_binary(black_box(0.55), black_box(1.5), black_box(1.0)), 0.25))
    }));
    list.push(Workload::new(SUITE, "sizing", "fixed fractional 2 %", (1_000, "calls"), || {
        Ok(repeated(
            || sizing::fixed_fractional(black_box(100_000.0), black_box(0.02), black_box(50.0), black_box(48.0)),
            1_000.0,
        ))
    }));
    let budget = |w: Workload| {
        let budget = BUDGET_NS / w.items as f64;
        w.held_to(Some(budget), None, None)
    };
    let mut list: Vec<Workload> = list.into_iter().map(budget).collect();
    let name = format!("{} paths x {ASSETS} assets", scale.paths);
    list.push(
        Workload::new(SUITE, "simulated value at risk", name, (scale.paths as u64, "paths"), move || {
            simulated(scale.paths)
        })
        .told_in(Unit::Milliseconds),
    );
    list
}

fn stats(error: impl std::fmt::Display) -> BenchError {
    BenchError::Input(error.to_string())
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn deviation(x: &[f64]) -> f64 {
    let mean = mean(x);
    (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (x.len() - 1) as f64).sqrt()
}

fn sorted(x: &[f64]) -> (Vec<f64>, f64) {
    let mut sorted = x.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted, (x.len() - 1) as f64 * TAIL)
}

fn naive_var(x: &[f64]) -> f64 {
    let (sorted, rank) = sorted(x);
    let below = rank.floor() as usize;
    -(sorted[below] + (rank - rank.floor()) * (sorted[below + 1] - sorted[below]))
}

fn naive_cvar(x: &[f64]) -> f64 {
    let (sorted, rank) = sorted(x);
    -mean(&sorted[..=rank.floor() as usize])
}

/// Of all pairs of a point and a later one.
fn naive_drawdown(equity: &[f64]) -> f64 {
    let pairs = equity.iter().enumerate().flat_map(|(i, peak)| equity[i..].iter().map(move |x| 1.0 - x / peak));
    pairs.fold(0.0, f64::max)
}

fn daily_rate() -> f64 {
    returns::rate_per_period(0.02, 252.0).unwrap_or(f64::NAN)
}

fn sharpe(x: &[f64]) -> Option<f64> {
    ratio::sharpe(x, daily_rate(), 252.0)
}

fn on_returns(n: usize, figure: impl Fn(&[f64]) -> Option<f64> + 'static, naive: impl Fn(&[f64]) -> f64) -> Prepared {
    let returns = series::returns(n, 5);
    let expected = Some(naive(&returns).abs());
    // A drawdown's sign is a convention; a loss's size is not.
    Prepared { work: Box::new(move || Ok(figure(black_box(&returns)).map_or(f64::NAN, f64::abs))), expected }
}

fn repeated(figure: impl Fn() -> Option<f64> + 'static, each: f64) -> Prepared {
    let work = move || Ok((0..1_000).map(|_| figure().unwrap_or(f64::NAN)).sum());
    Prepared { work: Box::new(work), expected: Some(1_000.0 * each) }
}

/// A hundred orders judged with limits on exposure beside held positions; the answer is how many passed.
fn limits(positions: usize) -> Result<Prepared, BenchError> {
    let engine = rig::holding(positions)?;
    let world = engine.world();
    let limits = RiskLimits {
        message_rate_max: None,
        gross_notional_max: Some(Money::from_int(1_000_000_000)),
        leverage_max: Some(Rate::from_int(3)),
        ..RiskLimits::default()
    };
    let mut gate = RiskGate::new(&limits, world.instruments(), world.currencies()).map_err(stats)?;
    let kind = OrderKind::Limit { price: Price::from_int(90) };
    let request = OrderRequest::new(InstrumentId(0), Side::Buy, kind, Qty::ONE);
    let mut counter = 0;
    let work = move || {
        let world = engine.world();
        let mut passed = 0;
        for _ in 0..100 {
            counter += 1;
            let id = ClientOrderId::new(StrategyId(0), counter);
            if gate.approve(world, world.now(), id, AccountId(0), black_box(&request)).is_ok() {
                passed += 1;
                gate.on_closed(world, id);
            }
        }
        Ok(f64::from(passed))
    };
    Ok(Prepared { work: Box::new(work), expected: Some(100.0) })
}

/// Gross value and equity of held positions, value at risk, expected shortfall, Sharpe ratio and drawdown of a year. The
/// answer is the gross value and the loss figures.
fn combined(positions: usize) -> Result<Prepared, BenchError> {
    use starling_engine::risk::RiskView as _;
    let engine = rig::holding(positions)?;
    let returns = series::returns(YEAR, 5);
    // Marks are at the last trade, or at the middle of bid and ask where there was none: 100.005 + 0.01 i.
    let expected = engine.world().gross_notional(AccountId(0)).map_or(f64::NAN, Money::to_f64);
    let worth = (0..positions).map(|i| 100.0 + 0.01 * i as f64).sum::<f64>();
    if (expected / worth - 1.0).abs() > 1e-3 {
        return Err(BenchError::Input(format!("positions are valued {expected}, about {worth} is right")));
    }
    let expected = expected + naive_var(&returns) + naive_cvar(&returns);
    let work = move || {
        let world = engine.world();
        let gross = world.gross_notional(AccountId(0)).map_or(f64::NAN, Money::to_f64);
        black_box(world.equity(AccountId(0)));
        let returns = black_box(&returns[..]);
        black_box((sharpe(returns), drawdown::max_depth(&returns::curve(1.0, returns).unwrap_or_default())));
        let var = tail::historical_var(returns, TAIL, Convention::Linear).unwrap_or(f64::NAN);
        let shortfall = tail::historical_cvar(returns, TAIL, Convention::Linear).unwrap_or(f64::NAN);
        Ok(gross + var + shortfall)
    };
    Ok(Prepared { work: Box::new(work), expected: Some(expected) })
}

fn panel(assets: usize) -> Vec<f64> {
    (0..assets).flat_map(|asset| series::returns(YEAR, 100 + asset as u64)).collect()
}

/// The answer is the sum of the matrix.
fn correlations(assets: usize) -> Result<Prepared, BenchError> {
    let values = panel(assets);
    let column = |i: usize| &values[i * YEAR..(i + 1) * YEAR];
    let mut expected = 0.0;
    for i in 0..assets {
        for j in 0..assets {
            let (a, b) = (column(i), column(j));
            let (ma, mb) = (mean(a), mean(b));
            let product = a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)).sum::<f64>() / (YEAR - 1) as f64;
            expected += product / deviation(a) / deviation(b);
        }
    }
    let work = move || {
        let panel = Panel::new(black_box(&values), assets).map_err(stats)?;
        Ok(correlation::correlation(&panel).map_err(stats)?.as_slice().iter().sum())
    };
    Ok(Prepared { work: Box::new(work), expected: Some(expected) })
}

/// Simulated 5 % loss of equal exposures to independent assets of 1 %. The answer is checked against the normal
/// distribution's own quantile to 10 %, and is the number of paths.
fn simulated(paths: usize) -> Result<Prepared, BenchError> {
    let mut covariance = vec![0.0; ASSETS * ASSETS];
    (0..ASSETS).for_each(|i| covariance[i * ASSETS + i] = 1e-4);
    let covariance = SquareMatrix::new(covariance, ASSETS).map_err(stats)?;
    let model = NormalReturns::new(&[0.0; ASSETS], &covariance).map_err(stats)?;
    let exact = -NORMAL_QUANTILE * 0.01 * (ASSETS as f64).sqrt();
    let work = move || {
        let drawn = Paths { count: paths, seed: 1, workers: 1 };
        let profits = model.simulate(drawn, |returns| returns.iter().sum()).map_err(stats)?;
        let loss = tail::historical_var(&profits, TAIL, Convention::Linear).unwrap_or(f64::NAN);
        Ok(if (loss / exact - 1.0).abs() < 0.1 { profits.len() as f64 } else { loss })
    };
    Ok(Prepared { work: Box::new(work), expected: Some(paths as f64) })
}
