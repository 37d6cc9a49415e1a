//! Orders: made, judged, placed through the whole path to a venue in the process, in batches, cancelled; the state
//! machine. The path over loopback needs the venue server, and is listed as missing.

use std::hint::black_box;
use std::time::Instant;

use starling_core::order::{OrderStatus, ReportKind};
use starling_core::{AccountId, ClientOrderId, InstrumentId, OrderKind, OrderRequest, Price, Qty, Side, StrategyId};
use starling_engine::risk::{RiskGate, RiskLimits};

use super::rig::{self, MemoryEngine};
use super::{BenchError, Prepared, Workload};
use crate::run::RunError;

const SUITE: &str = "order_placement";
/// The stage budget of the requirement for one order.
const BUDGET_NS: f64 = 10e6;
/// Orders of one execution.
const ORDERS: u64 = 1_000;

pub(super) fn workloads() -> Vec<Workload> {
    let price = Price::from_int(50_000);
    let kinds = [
        ("market", OrderKind::Market),
        ("limit", OrderKind::Limit { price }),
        ("stop", OrderKind::Stop { trigger: price }),
    ];
    let items = (ORDERS, "orders");
    let mut list: Vec<Workload> =
        kinds.map(|(name, kind)| Workload::new(SUITE, "create", name, items, move || Ok(create(kind)))).into();
    list.push(Workload::new(SUITE, "validate", "passes, and is closed", items, || judge(true)));
    list.push(Workload::new(SUITE, "validate", "fails by its quantity", items, || judge(false)));
    list.push(Workload::new(SUITE, "place in process", "market, filled", items, place));
    list.extend([5, 10, 20].map(|n| {
        let name = format!("batch of {n}, submit and accept");
        Workload::new(SUITE, "batch in process", name, (n as u64, "orders"), move || batch(n, Half::Submit))
    }));
    list.push(Workload::new(SUITE, "cancel in process", "of 20 resting", (20, "orders"), || batch(20, Half::Cancel)));
    list.push(Workload::new(SUITE, "state machine", "accepted, half filled, filled", (ORDERS * 3, "reports"), machine));
    list.into_iter().map(|w| w.held_to(Some(BUDGET_NS), None, None)).collect()
}

/// The answer is the sum of the quantities.
fn create(kind: OrderKind) -> Prepared {
    let work = move || {
        let mut sum = Qty::ZERO;
        for i in 1..=ORDERS {
            let qty = Qty::from_int(black_box(i) as i64);
            let request = OrderRequest::new(InstrumentId(0), Side::Buy, black_box(kind), qty);
            sum += black_box(&request).qty;
        }
        Ok(sum.to_f64())
    };
    Prepared { work: Box::new(work), expected: Some((ORDERS * (ORDERS + 1) / 2) as f64) }
}

/// The gate over a real world: quantity, symbol, side, filters, margin. The answer is how many passed.
fn judge(passes: bool) -> Result<Prepared, BenchError> {
    let engine = rig::holding(1)?;
    let world = engine.world();
    let mut gate = RiskGate::new(
        &RiskLimits { message_rate_max: None, ..RiskLimits::default() },
        world.instruments(),
        world.currencies(),
    )
    .map_err(|e| BenchError::Input(e.to_string()))?;
    let qty = if passes { Qty::ONE } else { Qty::from_units(1) };
    let request = OrderRequest::new(InstrumentId(0), Side::Buy, OrderKind::Limit { price: Price::from_int(90) }, qty);
    let mut counter = 0;
    let work = move || {
        let world = engine.world();
        let mut passed = 0;
        for _ in 0..ORDERS {
            counter += 1;
            let id = ClientOrderId::new(StrategyId(0), counter);
            if gate.approve(world, world.now(), id, AccountId(0), black_box(&request)).is_ok() {
                passed += 1;
                gate.on_closed(world, id);
            }
        }
        Ok(f64::from(passed))
    };
    Ok(Prepared { work: Box::new(work), expected: Some(if passes { ORDERS as f64 } else { 0.0 }) })
}

/// Strategy, gate, journal, order store, exchange, fill, ledger, recorder. The answer is how many filled.
fn place() -> Result<Prepared, BenchError> {
    let strategy = rig::Alternating::always();
    let mut engine = rig::run(&rig::configuration(1, false))?.strategy("alternating", strategy).engine(Vec::new())?;
    engine.start().map_err(RunError::from)?;
    let mut ts = 0;
    let work = move || {
        let before = engine.counts().fills;
        for i in 0..ORDERS {
            ts += 1_000_000;
            rig::consume(&mut engine, &rig::quote(0, ts, 5_000_000 + (i % 64) as i64))?;
        }
        Ok((engine.counts().fills - before) as f64)
    };
    Ok(Prepared { work: Box::new(work), expected: Some(ORDERS as f64) })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Submit,
    Cancel,
}

/// A quote on which a batch is sent, and one on which it is cancelled. The answer is the time of one of the two.
fn batch(count: usize, half: Half) -> Result<Prepared, BenchError> {
    let strategy = rig::Batches { count, sent: false };
    let mut engine = rig::run(&rig::configuration(1, false))?.strategy("batches", strategy).engine(Vec::new())?;
    engine.start().map_err(RunError::from)?;
    let mut ts = 0;
    let mut step = move |engine: &mut MemoryEngine, resting: usize| {
        ts += 1_000_000;
        let event = rig::quote(0, ts, 5_000_000);
        let started = Instant::now();
        rig::consume(engine, &event)?;
        let elapsed = started.elapsed().as_nanos() as f64;
        match engine.world().orders().len() {
            found if found == resting => Ok(elapsed),
            found => Err(BenchError::Input(format!("{found} orders rest, {resting} are right"))),
        }
    };
    let work = move || {
        let (submit, cancel) = (step(&mut engine, count)?, step(&mut engine, 0)?);
        Ok(if half == Half::Submit { submit } else { cancel })
    };
    Ok(Prepared { work: Box::new(work), expected: None })
}

/// The answer is how many orders ended filled.
fn machine() -> Result<Prepared, BenchError> {
    let fill = |leaves: i64| {
        let mut report = rig::a_fill();
        if let ReportKind::Filled { leaves: left, .. } = &mut report {
            *left = Qty::from_int(leaves);
        }
        report
    };
    let reports = [ReportKind::Accepted, fill(1), fill(0)];
    let work = move || {
        let mut filled = 0;
        for _ in 0..ORDERS {
            let end = reports.iter().try_fold(OrderStatus::Submitted, |status, report| status.after(black_box(report)));
            filled += u32::from(black_box(end) == Some(OrderStatus::Filled));
        }
        Ok(f64::from(filled))
    };
    Ok(Prepared { work: Box::new(work), expected: Some(ORDERS as f64) })
}
