//! The order-cost curve: the time of one order against the number of orders that the run has seen.
//!
//! Invariant: one run, one engine, in blocks of quotes without orders and quotes with one order each; the cost of an
//! order is the difference of a block's two halves, so the event that carried it is not in it, and drift of the machine
//! cancels. A rival whose order costs grow with the run's history shows a rising curve here; ours must be flat.

use std::time::Instant;

use super::rig::{self, Alternating};
use super::{BenchError, Prepared, Unit, Workload};
use crate::run::RunError;
use crate::tearsheet::OrderCost;

/// Orders in the run at which the cost of one is told.
pub const COST_POINTS: [u64; 6] = [1_000, 2_000, 5_000, 10_000, 20_000, 45_000];
/// Orders of a block, and quotes of its quiet half.
const HALF: u64 = 250;
/// Blocks that a point is the median of, at most: those that end at it.
const BLOCKS: usize = 16;

/// Nanoseconds of one order in each block of one run of 45,000 orders.
fn block_costs() -> Result<Vec<f64>, BenchError> {
    let text = rig::configuration(1, false);
    let mut engine = rig::run(&text)?.strategy("alternating", Alternating::new(HALF)).engine(Vec::new())?;
    engine.start().map_err(RunError::from)?;
    let blocks = COST_POINTS[COST_POINTS.len() - 1] / HALF;
    let mut costs = Vec::with_capacity(blocks as usize);
    let mut ts = 0;
    for _ in 0..blocks {
        let mut halves = [0.0; 2];
        for half in &mut halves {
            let started = Instant::now();
            for i in 0..HALF {
                ts += 1_000_000;
                rig::consume(&mut engine, &rig::quote(0, ts, 5_000_000 + (i % 64) as i64))?;
            }
            *half = started.elapsed().as_nanos() as f64;
        }
        costs.push((halves[1] - halves[0]) / HALF as f64);
    }
    let counts = engine.counts();
    if counts.fills != blocks * HALF {
        return Err(BenchError::Input(format!("{} of {} orders filled", counts.fills, blocks * HALF)));
    }
    Ok(costs)
}

/// Measures the curve: 45,000 orders through the whole engine, about a tenth of a second. The run report shows it.
///
/// It is measured beside a run and not from it: a run of a few thousand bars has too few orders for a curve, and a clock
/// read at every order would be in the hot path.
pub fn order_cost_curve() -> Result<Vec<OrderCost>, BenchError> {
    let costs = block_costs()?;
    let mut from = 0;
    let points = COST_POINTS.iter().map(|orders| {
        let to = (orders / HALF) as usize;
        let mut window = costs[from.max(to.saturating_sub(BLOCKS))..to].to_vec();
        from = to;
        window.sort_by(f64::total_cmp);
        OrderCost { orders: *orders, ns_per_order: window[window.len() / 2] }
    });
    Ok(points.collect())
}

pub(super) fn workloads() -> Vec<Workload> {
    let at = |orders: u64| {
        Workload::new("engine", "order cost", format!("at {orders} orders"), (1, "orders"), move || {
            let work = move || {
                let curve = order_cost_curve()?;
                let point = curve.iter().find(|p| p.orders == orders).expect("a point of the curve");
                Ok(point.ns_per_order)
            };
            Ok(Prepared { work: Box::new(work), expected: None })
        })
    };
    let ratio = Workload::new("engine", "order cost", "45000 against 1000", (1, "ratio"), || {
        let work = || {
            let curve = order_cost_curve()?;
            Ok(curve[curve.len() - 1].ns_per_order / curve[0].ns_per_order)
        };
        Ok(Prepared { work: Box::new(work), expected: None })
    });
    let mut list: Vec<Workload> = [1_000, 10_000, 45_000].map(at).into();
    list.push(ratio.told_in(Unit::Ratio).held_to(None, Some(1.25), Some(1.0)));
    list
}
