//! What trading costs: fees by venue and account, minima over partial fills, slippage, and the record of a run.

use crate::rig::*;
use starling_core::{AccountId, CurrencyId, Money, OrderKind, Side};
use starling_sim::model::{Activation, FeeModel, FeeTier, Latency, Slippage, VenueModel};

const MARKET: OrderKind = OrderKind::Market;

fn immediate() -> VenueModel {
    VenueModel { activation: Activation::Immediate, ..VenueModel::default() }
}

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn fees(found: &[(u64, &str)]) -> Vec<(u64, String)> {
    found.iter().map(|(n, fee)| (*n, (*fee).to_owned())).collect()
}

#[test]
fn maker_and_taker_pay_the_instruments_rates_in_cents() {
    let mut run = Run::new(&Setting { maker_fee: "-0.0001", taker_fee: "0.00075", ..Setting::of(immediate()) });
    run.quote(99, 50, 101, 50).send(buy(MARKET, 33)).send(buy(limit(100), 33)).quote(99, 50, 100, 50);
    // 33 * 101 * 0.00075 = 2.49975; 33 * 100 * 0.0001 = 0.33 back.
    assert_eq!(run.fees(), fees(&[(1, "2.5"), (2, "-0.33")]));
}

#[test]
fn a_minimum_is_charged_once_an_order_over_its_partial_fills() {
    let model = FeeModel::PerUnit { amount: money("0.005"), min: money("1"), cap: "0.005".parse().unwrap() };
    let mut run = Run::of(VenueModel { fees: model, ..immediate() });
    run.quote(99, 9, 105, 9).send(buy(limit(101), 400));
    run.quote(99, 9, 101, 100).quote(99, 9, 101, 150).quote(99, 9, 101, 120).quote(99, 9, 101, 30);
    // 100 and 250 shares are under the minimum or at 1.25; 370 are 1.85, 400 are 2.00.
    assert_eq!(run.fees(), fees(&[(1, "1"), (1, "0.25"), (1, "0.6"), (1, "0.15")]));
    // A change of the order does not start its fee anew.
    run.send(buy(limit(101), 100)).quote(99, 9, 102, 9).modify(2, Some(90), None).quote(99, 9, 101, 60);
    run.quote(99, 9, 101, 59);
    assert_eq!(run.fees()[4..], fees(&[(2, "1"), (2, "0")]));
}

#[test]
fn an_order_fee_comes_with_its_first_fill() {
    let mut run = Run::of(VenueModel { fees: FeeModel::PerOrder { amount: money("4.95") }, ..immediate() });
    run.quote(99, 9, 101, 2).send(buy(MARKET, 5)).send(sell(MARKET, 5)).send(buy(limit(50), 1)).cancel(3);
    assert_eq!(run.fees(), fees(&[(1, "4.95"), (1, "0"), (2, "4.95")]));
}

#[test]
fn venues_and_accounts_keep_their_own_fees_and_tiers() {
    let tier =
        |from, taker: &str| FeeTier { from: money(from), maker: "0".parse().unwrap(), taker: taker.parse().unwrap() };
    let tiered = FeeModel::Tiered(vec![tier("0", "0.002"), tier("1000", "0.001")]);
    let models = vec![VenueModel { fees: tiered, ..immediate() }, VenueModel { fees: FeeModel::Free, ..immediate() }];
    let mut run = Run::new(&Setting { models, strategies: 2, ..Setting::default() });
    run.quote(99, 90, 100, 90).quote_now(Y, 99, 90, 100, 90);
    let at = |instrument| {
        let mut request = buy(MARKET, 10);
        request.instrument = instrument;
        move |ctx: &mut starling_engine::Context<'_>| {
            ctx.submit(request);
        }
    };
    // 1,000 traded bring the first account, and only it, to the second tier.
    run.act_as(0, at(X)).act_as(0, at(X)).act_as(1, at(X)).act_as(0, at(Y)).act_as(1, at(X));
    assert_eq!(run.fees(), fees(&[(1, "2"), (2, "1"), (1, "2"), (3, "0"), (2, "1")]));
    let ledger = run.engine.world().ledger();
    let balance = |name: &str| {
        let account = ledger.account_id(name).unwrap();
        (ledger.balance(account, CurrencyId(0)) - Money::from_int(1_000_000_000)).to_string()
    };
    let all = ["0@V0", "0@V1", "1@V0", "1@V1"].map(balance);
    assert_eq!(all, ["-3", "0", "-3", "0"]);
}

#[test]
fn slippage_moves_every_part_of_an_aggressive_order_and_no_passive_one() {
    let slipping = |slippage| VenueModel { slippage, ..immediate() };
    let mut run = Run::of(slipping(Slippage::Ticks { ticks: 2 }));
    run.quote(99, 9, 101, 5).send(buy(MARKET, 8)).send(sell(limit(98), 3)).send(buy(limit(100), 1));
    run.quote(99, 9, 100, 5).expect(&[
        "1 accepted",
        "1 buys 5 at 103 taker, 3 left",
        "1 buys 3 at 104 taker, 0 left",
        "2 accepted",
        // Two ticks would be 97: no worse than its limit.
        "2 sells 3 at 98 taker, 0 left",
        "3 accepted",
        "3 buys 1 at 100 maker, 0 left",
    ]);
    // 1.5 % of 101 is 1.515, up to the tick: 2.
    let mut run = Run::of(slipping(Slippage::BasisPoints { bps: "150".parse().unwrap() }));
    run.quote(99, 9, 101, 5).send(buy(MARKET, 1)).expect(&["1 accepted", "1 buys 1 at 103 taker, 0 left"]);
    let mut run = Run::of(slipping(Slippage::Chance { probability: 1.0 }));
    run.quote(99, 9, 101, 5).send(sell(MARKET, 1)).expect(&["1 accepted", "1 sells 1 at 98 taker, 0 left"]);
}

/// A run of twenty random-slippage orders with sampled latency.
fn sampled(seed: u64) -> Vec<String> {
    let latency = Latency::LogNormal { floor_nanos: 1_000_000, median_nanos: 400_000_000, sigma: 1.0 };
    let slippage = Slippage::Chance { probability: 0.5 };
    let model = VenueModel { order_latency: latency, report_latency: latency, slippage, ..immediate() };
    let mut run = Run::new(&Setting { seed, ..Setting::of(model) });
    for n in 0..20 {
        run.quote(99 + n, 9, 101 + n, 5).send(buy(MARKET, 3));
    }
    run.stop();
    run.reports().iter().map(|r| format!("{} {} {}", r.ts_event, r.ts_recv, words(r))).collect()
}

#[test]
fn the_same_seed_gives_the_same_reports_and_another_seed_others() {
    assert_eq!(sampled(7), sampled(7));
    assert_ne!(sampled(7), sampled(8));
}

#[test]
fn trading_at_a_negative_price_is_no_rebate() {
    let mut run = Run::new(&Setting { taker_fee: "0.01", ..Setting::of(immediate()) });
    run.quote(-41, 9, -40, 9).send(buy(MARKET, 5));
    run.expect(&["1 accepted", "1 buys 5 at -40 taker, 0 left"]);
    assert_eq!(run.fees(), fees(&[(1, "2")]));
}

#[test]
fn a_round_trip_is_recorded_from_flat_to_flat_also_through_zero() {
    let mut run = Run::new(&Setting { taker_fee: "0.01", ..Setting::of(immediate()) });
    run.quote(99, 50, 100, 50).send(buy(MARKET, 4)).quote(109, 50, 110, 50).send(buy(MARKET, 4));
    // 8 long at 105; 12 sold at 120 close them and open 4 short, which 115 closes.
    run.quote(120, 50, 121, 50).send(sell(MARKET, 12)).quote(114, 50, 115, 50).send(buy(MARKET, 4));
    let (_, recorder) = run.engine.world_and_observer();
    let trips: Vec<_> = recorder
        .round_trips
        .iter()
        .map(|t| (t.side, t.qty, t.entry, t.exit, t.pnl, t.fees, (t.opened.get() - START) / 1_000_000_000))
        .collect();
    // Fees: 4.00 + 4.40 to enter, two thirds of 14.40 to leave; a third of it and 4.60 for the short.
    let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert_eq!(trips.len(), 2);
    let (side, qty, entry, exit, pnl, fees, opened) = trips[0];
    assert_eq!((side, qty, entry, exit, opened), (Side::Buy, 8.0, 105.0, 120.0, 1));
    assert!(close(fees, 18.0) && close(pnl, 120.0 - 18.0), "{fees} {pnl}");
    let (side, qty, entry, exit, pnl, fees, opened) = trips[1];
    assert_eq!((side, qty, entry, exit, opened), (Side::Sell, 4.0, 120.0, 115.0, 3));
    assert!(close(fees, 4.8 + 4.6) && close(pnl, 20.0 - 9.4), "{fees} {pnl}");
    assert_eq!((recorder.round_trips_total, recorder.fills_total), (2, 4));
}

#[test]
fn in_a_hedging_account_each_position_is_a_round_trip() {
    let mut run = Run::new(&Setting { hedging: true, ..Setting::of(immediate()) });
    run.quote(99, 50, 100, 3)
        .send(buy(MARKET, 5))
        .send(sell(MARKET, 2))
        .quote(109, 50, 110, 50)
        .act(|ctx| ctx.close(X));
    let (_, recorder) = run.engine.world_and_observer();
    let trips: Vec<_> = recorder.round_trips.iter().map(|t| (t.side, t.qty, t.exit, t.pnl)).collect();
    // 3 at 100 and 2 at 101 leave at 109; 2 sold at 99 come back at 110.
    assert_eq!(trips, [(Side::Buy, 5.0, 109.0, 43.0), (Side::Sell, 2.0, 110.0, -22.0)]);
    assert_eq!(run.engine.world().ledger().net_position(AccountId(0), X), qty(0));
}
