//! Laws that hold for any orders in any market.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::rig::*;
use starling_core::event::TradingStatus;
use starling_core::order::{Liquidity, OrderStatus, Report, ReportKind, TrailOffset};
use starling_core::time::{MILLISECOND, SECOND};
use starling_core::{ClientOrderId, OrderKind, OrderRequest, Price, Qty, Side, TimeInForce, UnixNanos};
use starling_sim::model::{Activation, Latency, Slippage, VenueModel};

/// One step of a random session.
#[derive(Debug, Clone)]
enum Step {
    Quote { bid: i64, spread: i64, sizes: (i64, i64) },
    Trade { price: i64, size: i64 },
    Bar { open: i64, close: i64, up: i64, down: i64, volume: i64 },
    Submit(OrderRequest),
    Modify { order: u64, qty: i64, shift: i64 },
    Cancel(u64),
    Halt,
    Resume,
}

fn kinds() -> impl Strategy<Value = OrderKind> {
    let price = || 90..110i64;
    let offset = prop_oneof![
        (0..6i64).prop_map(|p| TrailOffset::Price(px(p))),
        (0..6u32).prop_map(TrailOffset::Ticks),
        (0..500u32).prop_map(TrailOffset::BasisPoints),
    ];
    let first = || proptest::option::of(price().prop_map(px));
    prop_oneof![
        3 => Just(OrderKind::Market),
        5 => price().prop_map(limit),
        2 => price().prop_map(stop),
        2 => (price(), price()).prop_map(|(t, p)| stop_limit(t, p)),
        1 => price().prop_map(mit),
        1 => (price(), price()).prop_map(|(t, p)| lit(t, p)),
        1 => (offset.clone(), first()).prop_map(|(offset, trigger)| OrderKind::TrailingStop { offset, trigger }),
        1 => (offset, first(), 0..4i64).prop_map(|(offset, trigger, away)| {
            OrderKind::TrailingStopLimit { offset, limit_offset: px(away), trigger }
        }),
    ]
}

fn tifs() -> impl Strategy<Value = TimeInForce> {
    prop_oneof![
        5 => Just(TimeInForce::Gtc),
        1 => Just(TimeInForce::Ioc),
        1 => Just(TimeInForce::Fok),
        1 => Just(TimeInForce::Day),
        1 => (0..40u64).prop_map(|s| TimeInForce::Gtd(UnixNanos::new(START + s * SECOND))),
    ]
}

fn requests() -> impl Strategy<Value = OrderRequest> {
    (kinds(), tifs(), any::<bool>(), 1..12i64, 0..4u8, 0..5u64).prop_map(|(kind, tif, buys, n, flag, group)| {
        let request = if buys { buy(kind, n) } else { sell(kind, n) }.tif(tif);
        let request = match flag {
            0 => request.post_only(),
            1 => request.reduce_only(),
            _ => request,
        };
        if group < 2 { request.oco(group) } else { request }
    })
}

fn quotes() -> impl Strategy<Value = Step> {
    (92..108i64, 1..4i64, (1..15i64, 1..15i64)).prop_map(|(bid, spread, sizes)| Step::Quote { bid, spread, sizes })
}

fn bars() -> impl Strategy<Value = Step> {
    (92..108i64, 92..108i64, 0..5i64, 0..5i64, 1..60i64).prop_map(|(open, close, up, down, volume)| Step::Bar {
        open,
        close,
        up,
        down,
        volume,
    })
}

fn orders() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => requests().prop_map(Step::Submit),
        2 => (1..20u64, 1..15i64, -4..4i64).prop_map(|(order, qty, shift)| Step::Modify { order, qty, shift }),
        2 => (1..20u64).prop_map(Step::Cancel),
    ]
}

/// Sessions whose market comes from `market`, with halts.
fn sessions(market: impl Strategy<Value = Step> + 'static) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![10 => market, 8 => orders(), 1 => Just(Step::Halt), 2 => Just(Step::Resume)];
    proptest::collection::vec(step, 1..80)
}

fn any_market() -> impl Strategy<Value = Step> {
    let trades = (90..110i64, 1..15i64).prop_map(|(price, size)| Step::Trade { price, size });
    prop_oneof![quotes(), trades, bars()]
}

fn latencies() -> impl Strategy<Value = Latency> {
    prop_oneof![
        2 => Just(Latency::None),
        1 => Just(Latency::Fixed { nanos: 1_500 * MILLISECOND }),
        1 => Just(Latency::Uniform { min_nanos: 0, max_nanos: 4 * SECOND }),
    ]
}

fn models() -> impl Strategy<Value = VenueModel> {
    let slippage = prop_oneof![
        2 => Just(Slippage::None),
        1 => Just(Slippage::Ticks { ticks: 1 }),
        1 => Just(Slippage::Chance { probability: 0.5 }),
    ];
    (any::<(bool, bool, bool)>(), proptest::bool::weighted(0.8), latencies(), latencies(), slippage).prop_map(
        |((next, touch_fills, refuse_passed_triggers), consume_liquidity, order_latency, report_latency, slippage)| {
            VenueModel {
                activation: if next { Activation::NextEvent } else { Activation::Immediate },
                order_latency,
                report_latency,
                slippage,
                consume_liquidity,
                touch_fills,
                refuse_passed_triggers,
                ..VenueModel::default()
            }
        },
    )
}

/// The same kind with its prices moved.
fn shifted(kind: OrderKind, by: i64) -> OrderKind {
    let by = px(by);
    match kind {
        OrderKind::Market => kind,
        OrderKind::Limit { price } => OrderKind::Limit { price: price + by },
        OrderKind::Stop { trigger } => OrderKind::Stop { trigger: trigger + by },
        OrderKind::StopLimit { trigger, price } => OrderKind::StopLimit { trigger, price: price + by },
        OrderKind::MarketIfTouched { trigger } => OrderKind::MarketIfTouched { trigger: trigger + by },
        OrderKind::LimitIfTouched { trigger, price } => OrderKind::LimitIfTouched { trigger: trigger + by, price },
        OrderKind::TrailingStop { offset, trigger } => {
            OrderKind::TrailingStop { offset, trigger: trigger.map(|t| t + by) }
        }
        OrderKind::TrailingStopLimit { offset, limit_offset, trigger } => {
            OrderKind::TrailingStopLimit { offset, limit_offset: limit_offset + by, trigger }
        }
    }
}

fn play(run: &mut Run, steps: &[Step]) {
    for step in steps {
        match *step {
            Step::Quote { bid, spread, sizes } => run.quote(bid, sizes.0, bid + spread, sizes.1),
            Step::Trade { price, size } => run.trade(price, size),
            Step::Bar { open, close, up, down, volume } => {
                run.bar([open, open.max(close) + up, open.min(close) - down, close], volume)
            }
            Step::Submit(request) => run.send(request),
            Step::Modify { order, qty: to, shift } => run.act(move |ctx| {
                let kind = ctx.order(id(order)).map(|o| shifted(o.request.kind, shift));
                ctx.modify(id(order), Some(qty(to)), kind);
            }),
            Step::Cancel(order) => run.cancel(order),
            Step::Halt => run.status(TradingStatus::Halted),
            Step::Resume => run.status(TradingStatus::Open),
        };
    }
}

/// Orders as they were sent, by id: the n-th submission has number n.
fn sent(steps: &[Step]) -> BTreeMap<ClientOrderId, OrderRequest> {
    let requests = steps.iter().filter_map(|step| match step {
        Step::Submit(request) => Some(*request),
        _ => None,
    });
    (1..).zip(requests).map(|(n, request)| (id(n), request)).collect()
}

/// Reports follow the state machine, fills stay within quantity and limit, a resting order trades at its own price, and
/// no reduce-only order turns or enlarges a position.
fn check_reports(steps: &[Step], reports: &[Report]) -> Result<(), TestCaseError> {
    let mut orders: BTreeMap<_, _> =
        sent(steps).into_iter().map(|(id, request)| (id, (request, OrderStatus::Submitted, Qty::ZERO))).collect();
    let mut fills = Vec::new();
    for report in reports {
        let (request, status, filled) = orders.get_mut(&report.order).unwrap();
        let after = status.after(&report.kind);
        prop_assert!(after.is_some(), "{status:?} then {report:?}");
        *status = after.unwrap();
        match report.kind {
            ReportKind::Modified { qty, kind } => (request.qty, request.kind) = (qty, kind),
            ReportKind::Filled { fill, leaves } => {
                *filled += fill.qty;
                prop_assert!(fill.qty.is_positive() && !leaves.is_negative());
                prop_assert_eq!(*filled + leaves, request.qty);
                if let Some(limit) = request.kind.limit() {
                    prop_assert!(!request.side.is_worse(fill.price, limit), "{:?} at {}", request, fill.price);
                    prop_assert!(fill.liquidity == Liquidity::Taker || fill.price == limit);
                }
                prop_assert!(!request.post_only || fill.liquidity == Liquidity::Maker);
                fills.push((fill, request.reduce_only));
            }
            _ => {}
        }
    }
    fills.sort_by_key(|(fill, _)| fill.trade_id);
    let mut position = Qty::ZERO;
    for (fill, reduce_only) in fills {
        let after = position + fill.side.signed(fill.qty);
        if reduce_only {
            prop_assert!(after.abs() < position.abs(), "{position} to {after}");
            prop_assert!(after.is_zero() || after.is_positive() == position.is_positive());
        }
        position = after;
    }
    Ok(())
}

/// Cancels whatever is left and lets everything arrive.
fn wind_up(run: &mut Run) {
    run.status(TradingStatus::Open).act(|ctx| ctx.cancel_all(X));
    for _ in 0..40 {
        run.quote(99, 50, 101, 50).act(|ctx| ctx.cancel_all(X));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_order_obeys_its_state_machine_and_ends(
        model in models(), steps in sessions(any_market()), seed in any::<u64>()
    ) {
        let mut run = Run::new(&Setting { seed, ..Setting::of(model) });
        play(&mut run, &steps);
        wind_up(&mut run);
        check_reports(&steps, &run.reports())?;
        prop_assert_eq!(run.open(), (0, 0));
        prop_assert!(run.engine.risk().is_idle());
        let fills = run.reports().into_iter().filter_map(|r| match r.kind {
            ReportKind::Filled { fill, .. } => Some(fill.side.signed(fill.qty)),
            _ => None,
        });
        prop_assert_eq!(fills.sum::<Qty>(), qty(run.position()));
    }

    #[test]
    fn nobody_trades_better_than_the_touch_or_more_than_is_displayed(steps in sessions(quotes()), mut model in models()) {
        model.slippage = Slippage::None;
        model.consume_liquidity = true;
        let mut run = Run::of(model);
        play(&mut run, &steps);
        run.stop();
        let mut reports = run.reports();
        reports.retain(|r| matches!(r.kind, ReportKind::Filled { .. }));
        reports.sort_by_key(|r| r.ts_event);
        let mut fills = reports.into_iter().filter_map(|r| match r.kind {
            ReportKind::Filled { fill, .. } => Some(fill),
            _ => None,
        }).peekable();
        // The quotes in order, each with the fills up to the next; what is left of each side's display.
        let mut clock = START;
        let mut shown: [Option<(Price, Qty, Qty)>; 2] = [None, None];
        for step in steps {
            match step {
                Step::Quote { bid, spread, sizes } => {
                    clock += SECOND;
                    while let Some(fill) = fills.next_if(|f| f.ts.get() < clock) {
                        taken(&mut shown, &fill)?;
                    }
                    for (side, (price, size)) in [(px(bid), qty(sizes.0)), (px(bid + spread), qty(sizes.1))].into_iter().enumerate() {
                        if shown[side].is_none_or(|(p, s, _)| (p, s) != (price, size)) {
                            shown[side] = Some((price, size, size));
                        }
                    }
                }
                Step::Halt | Step::Resume => clock += SECOND,
                _ => {}
            }
        }
        for fill in fills {
            taken(&mut shown, &fill)?;
        }
    }

    #[test]
    fn skipping_the_walk_of_a_bar_changes_nothing(model in models(), steps in sessions(bars())) {
        let mut skips = Run::of(model.clone());
        let mut walks = Run::new(&Setting { walks_all: true, ..Setting::of(model) });
        for run in [&mut skips, &mut walks] {
            play(run, &steps);
        }
        prop_assert_eq!(skips.reports(), walks.reports());
        prop_assert_eq!(skips.engine.run_hash(), walks.engine.run_hash());
        prop_assert!(skips.saved() == walks.saved());
        prop_assert!(skips.steps() <= walks.steps());
    }

    #[test]
    fn an_exchange_saved_and_loaded_goes_on_as_if_nothing_had_been(
        model in models(), before in sessions(any_market()), after in sessions(any_market())
    ) {
        let setting = Setting { seed: 5, ..Setting::of(model) };
        let (mut one, mut two) = (Run::new(&setting), Run::new(&setting));
        play(&mut one, &before);
        play(&mut two, &before);
        two.reload();
        for run in [&mut one, &mut two] {
            play(run, &after);
            run.stop();
        }
        prop_assert_eq!(one.reports(), two.reports());
        prop_assert_eq!(one.engine.run_hash(), two.engine.run_hash());
    }
}

/// Books a fill against what is displayed: at the touch or through it, and not more than is left.
fn taken(shown: &mut [Option<(Price, Qty, Qty)>; 2], fill: &starling_core::Fill) -> Result<(), TestCaseError> {
    let (touch, _, left) = shown[usize::from(fill.side == Side::Buy)].as_mut().unwrap();
    let (touch, left) = (*touch, left);
    match fill.liquidity {
        // It stood at its own price before the market came to it.
        Liquidity::Maker => prop_assert!(!fill.side.opposite().is_worse(fill.price, touch)),
        Liquidity::Taker => prop_assert!(fill.price == touch || fill.price == fill.side.worsen(touch, px(1))),
    }
    if fill.liquidity == Liquidity::Maker || fill.price == touch {
        *left -= fill.qty;
        prop_assert!(!left.is_negative(), "{fill:?}");
    }
    Ok(())
}
