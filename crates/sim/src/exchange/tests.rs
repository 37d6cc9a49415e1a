//! What cannot be seen from outside: that the thresholds skip nothing, and what an event costs.

use proptest::prelude::*;
use starling_core::instrument::{Currency, InstrumentKind};
use starling_core::{CurrencyId, Instrument, VenueId};

use super::*;
use crate::book::OPERATIONS;

const X: InstrumentId = InstrumentId(0);

fn px(price: i64) -> Price {
    Price::from_int(price)
}

fn exchange(model: VenueModel) -> Exchange {
    let currencies = CurrencyTable::freeze(vec![Currency { code: "USD".into(), digits: 2 }]).unwrap();
    let terms = Instrument::new("X", VenueId(0), InstrumentKind::Cfd, CurrencyId(0), 0, 0);
    let instruments = InstrumentTable::freeze(vec![terms]).unwrap();
    Exchange::new(Arc::new(instruments), Arc::new(currencies), vec![model], 1)
}

fn id(n: u64) -> ClientOrderId {
    ClientOrderId::new(StrategyId(0), n)
}

fn step(ts: u64, bid: i64, ask: i64, size: i64, source: StepSource) -> MarketStep {
    let size = Qty::from_int(size);
    let ts = UnixNanos::new(ts);
    MarketStep { instrument: X, ts, bid: px(bid), ask: px(ask), bid_size: size, ask_size: size, source }
}

/// True if a look at every single order finds one that this step concerns: it wakes, it trades, it moves, or it waits.
fn concerns_somebody(exchange: &Exchange, step: &MarketStep) -> bool {
    let book = &exchange.state.books[X.index()];
    let print = step.source == StepSource::Trade && book.quoted;
    let touches = step.source == StepSource::Quote || exchange.models[0].touch_fills;
    exchange.state.orders.values().any(|order| {
        let side = order.request.side;
        let market = if side == Side::Buy { step.ask } else { step.bid };
        match order.place {
            Place::Waiting => true,
            Place::Queue(Queue::Limit, price) => match side {
                Side::Buy => market < price || (touches && market == price),
                Side::Sell => market > price || (touches && market == price),
            },
            Place::Queue(Queue::Stop, trigger) => {
                !print && if side == Side::Buy { market >= trigger } else { market <= trigger }
            }
            Place::Queue(Queue::Touch, trigger) => {
                !print && if side == Side::Buy { market <= trigger } else { market >= trigger }
            }
            Place::Trailing(trigger) => {
                let trigger = trigger.expect("set on entry");
                let (OrderKind::TrailingStop { offset, .. } | OrderKind::TrailingStopLimit { offset, .. }) =
                    order.request.kind
                else {
                    panic!("only trailing stops trail");
                };
                let moved = exchange.trail(X, side, market, offset);
                !print
                    && match side {
                        Side::Buy => market >= trigger || moved < trigger,
                        Side::Sell => market <= trigger || moved > trigger,
                    }
            }
        }
    })
}

#[derive(Debug, Clone)]
enum Act {
    Submit(OrderRequest),
    Modify(u64, i64, i64),
    Cancel(u64),
    Step(i64, i64, i64, StepSource),
    Open(bool),
}

fn acts() -> impl Strategy<Value = Act> {
    let price = || (85..115i64).prop_map(px);
    let kind = prop_oneof![
        1 => Just(OrderKind::Market),
        4 => price().prop_map(|price| OrderKind::Limit { price }),
        3 => price().prop_map(|trigger| OrderKind::Stop { trigger }),
        2 => (price(), price()).prop_map(|(trigger, price)| OrderKind::StopLimit { trigger, price }),
        2 => price().prop_map(|trigger| OrderKind::MarketIfTouched { trigger }),
        2 => (price(), price()).prop_map(|(trigger, price)| OrderKind::LimitIfTouched { trigger, price }),
        1 => (1..9u32).prop_map(|n| OrderKind::TrailingStop { offset: TrailOffset::Ticks(n), trigger: None }),
    ];
    let submit = (kind, any::<bool>(), 1..9i64).prop_map(|(kind, buys, qty)| {
        let side = if buys { Side::Buy } else { Side::Sell };
        Act::Submit(OrderRequest::new(X, side, kind, Qty::from_int(qty)))
    });
    let source = prop_oneof![
        Just(StepSource::Quote),
        Just(StepSource::Trade),
        Just(StepSource::BarOpen),
        Just(StepSource::BarWithin)
    ];
    prop_oneof![
        4 => submit,
        1 => (1..30u64, 1..9i64, -3..4i64).prop_map(|(n, qty, by)| Act::Modify(n, qty, by)),
        1 => (1..30u64).prop_map(Act::Cancel),
        6 => (90..110i64, 0..3i64, 1..9i64, source).prop_map(|(bid, spread, size, source)| Act::Step(bid, spread, size, source)),
        1 => proptest::bool::weighted(0.8).prop_map(Act::Open),
    ]
}

fn models() -> impl Strategy<Value = VenueModel> {
    any::<[bool; 4]>().prop_map(|[next, touch_fills, consume_liquidity, refuse_passed_triggers]| VenueModel {
        activation: if next { Activation::NextEvent } else { Activation::Immediate },
        touch_fills,
        consume_liquidity,
        refuse_passed_triggers,
        ..VenueModel::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn no_step_is_slept_through_that_concerns_an_order(model in models(), acts in proptest::collection::vec(acts(), 1..120)) {
        let mut sleeper = exchange(model.clone());
        let mut twin = exchange(model);
        twin.never_sleeps = true;
        let (mut n, mut slept, mut one, mut two) = (0, 0, Vec::new(), Vec::new());
        for (ts, act) in (1..).zip(acts) {
            let now = UnixNanos::new(ts);
            let message = match act {
                Act::Submit(request) => {
                    n += 1;
                    Message::Submit(id(n), AccountId(0), request)
                }
                Act::Modify(order, qty, by) => {
                    let Some(resting) = sleeper.state.orders.get(&id(order)) else { continue };
                    let kind = match resting.request.kind {
                        OrderKind::Limit { price } => OrderKind::Limit { price: price + px(by) },
                        OrderKind::Stop { trigger } => OrderKind::Stop { trigger: trigger + px(by) },
                        OrderKind::StopLimit { trigger, price } => OrderKind::StopLimit { trigger, price: price + px(by) },
                        other => other,
                    };
                    Message::Modify(X, id(order), Qty::from_int(qty), kind)
                }
                Act::Cancel(order) => Message::Cancel(X, id(order)),
                Act::Open(open) => {
                    for (exchange, out) in [(&mut sleeper, &mut one), (&mut twin, &mut two)] {
                        exchange.on_status(X, open, now, out);
                    }
                    continue;
                }
                Act::Step(bid, spread, size, source) => {
                    // A print and a bar have one price; a quote has two.
                    let spread = if source == StepSource::Quote { spread } else { 0 };
                    let step = step(ts, bid, bid + spread, size, source);
                    let book = &sleeper.state.books[X.index()];
                    let asleep = book.sleeps_through(step.ask, step.bid, step.ask, step.bid);
                    if asleep && book.live {
                        prop_assert!(!concerns_somebody(&sleeper, &step), "{step:?} {:?}", sleeper.state.orders);
                        slept += 1;
                    }
                    for (exchange, out) in [(&mut sleeper, &mut one), (&mut twin, &mut two)] {
                        exchange.on_step(&step, out);
                    }
                    prop_assert_eq!(&one, &two);
                    continue;
                }
            };
            for (exchange, out) in [(&mut sleeper, &mut one), (&mut twin, &mut two)] {
                exchange.deliver(now, message.clone(), out);
            }
        }
        prop_assert_eq!(one, two);
        prop_assert!(sleeper.state == twin.state, "slept through {slept} steps");
    }

    #[test]
    fn a_range_to_which_the_venue_is_indifferent_concerns_nobody(
        acts in proptest::collection::vec(acts(), 1..60), low in 85..115i64, width in 0..8i64
    ) {
        let mut exchange = exchange(VenueModel { activation: Activation::Immediate, ..VenueModel::default() });
        let mut out = Vec::new();
        exchange.on_step(&step(0, 100, 100, 5, StepSource::BarOpen), &mut out);
        for (n, act) in (1..).zip(acts) {
            if let Act::Submit(request) = act {
                exchange.deliver(UnixNanos::EPOCH, Message::Submit(id(n), AccountId(0), request), &mut out);
            }
        }
        if exchange.is_indifferent(X, px(low), px(low + width)) {
            for price in low..=low + width {
                for source in [StepSource::Quote, StepSource::Trade, StepSource::BarOpen, StepSource::BarWithin] {
                    prop_assert!(!concerns_somebody(&exchange, &step(1, price, price, 5, source)));
                }
            }
        }
    }
}

#[test]
fn an_event_that_concerns_nobody_costs_no_queue_operation_however_many_orders_rest() {
    for resting in [0, 10, 1_000] {
        let mut exchange = exchange(VenueModel { activation: Activation::Immediate, ..VenueModel::default() });
        let mut out = Vec::new();
        exchange.on_step(&step(0, 1_999, 2_001, 5, StepSource::Quote), &mut out);
        for n in 0..resting {
            let away = i64::try_from(n % 500).unwrap();
            let (side, kind) = match n % 4 {
                0 => (Side::Buy, OrderKind::Limit { price: px(1_900 - away) }),
                1 => (Side::Sell, OrderKind::Limit { price: px(2_100 + away) }),
                2 => (Side::Sell, OrderKind::Stop { trigger: px(1_900 - away) }),
                _ => (Side::Buy, OrderKind::Stop { trigger: px(2_100 + away) }),
            };
            let request = OrderRequest::new(X, side, kind, Qty::ONE);
            exchange.deliver(UnixNanos::EPOCH, Message::Submit(id(n + 1), AccountId(0), request), &mut out);
        }
        assert_eq!(exchange.orders(), usize::try_from(resting).unwrap());
        OPERATIONS.with(|n| n.set(0));
        for (ts, wiggle) in (1..1_000).zip([0, 3, -3, 90, -90].into_iter().cycle()) {
            exchange.on_step(&step(ts, 1_999 + wiggle, 2_001 + wiggle, 5, StepSource::Quote), &mut out);
            exchange.on_step(&step(ts, 2_000 + wiggle, 2_000 + wiggle, 5, StepSource::Trade), &mut out);
            assert!(exchange.is_indifferent(X, px(1_950), px(2_050)));
        }
        assert_eq!(OPERATIONS.with(std::cell::Cell::get), 0, "{resting} resting");
        // One that fills a single order looks at the heads of the queues, not at the orders behind them.
        if resting == 1_000 {
            exchange.on_step(&step(1_000, 1_897, 1_899, 5, StepSource::Quote), &mut out);
            let cost = OPERATIONS.with(std::cell::Cell::get);
            assert!((1..200).contains(&cost), "{cost}");
        }
    }
}
