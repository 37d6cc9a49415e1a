//! Every kind of order against every source of a market: report sequences and prices worked out by hand.

use crate::rig::*;
use starling_core::order::TrailOffset;
use starling_core::time::{DAY, HOUR, SECOND};
use starling_core::{OrderKind, OrderRequest, TimeInForce, UnixNanos};
use starling_sim::model::{Activation, VenueModel};

const MARKET: OrderKind = OrderKind::Market;

fn strict() -> VenueModel {
    VenueModel::default()
}

/// Orders meet the market as it stands.
fn immediate() -> VenueModel {
    VenueModel { activation: Activation::Immediate, ..strict() }
}

fn touch_fills() -> VenueModel {
    VenueModel { touch_fills: true, ..immediate() }
}

fn lenient() -> VenueModel {
    VenueModel { refuse_passed_triggers: false, ..immediate() }
}

#[test]
fn a_market_order_waits_for_the_next_quote_and_takes_the_rest_one_tick_worse() {
    let mut run = Run::of(strict());
    run.quote(99, 5, 101, 5).send(buy(MARKET, 8)).expect(&[]);
    run.quote(100, 5, 102, 5).expect(&["1 accepted", "1 buys 5 at 102 taker, 3 left", "1 buys 3 at 103 taker, 0 left"]);
    run.send(sell(MARKET, 8)).quote(98, 6, 101, 5).expect(&[
        "2 accepted",
        "2 sells 6 at 98 taker, 2 left",
        "2 sells 2 at 97 taker, 0 left",
    ]);
    run.expect_position(0);
}

#[test]
fn an_immediate_order_trades_against_the_market_that_it_was_decided_on() {
    let mut run = Run::of(immediate());
    run.quote(99, 5, 101, 5).send(buy(MARKET, 5)).expect(&["1 accepted", "1 buys 5 at 101 taker, 0 left"]);
}

#[test]
fn before_the_first_price_an_order_waits_whatever_the_activation() {
    for model in [strict(), immediate()] {
        let mut run = Run::of(model);
        run.send(buy(MARKET, 2)).expect(&[]);
        run.quote(99, 5, 101, 5).expect(&["1 accepted", "1 buys 2 at 101 taker, 0 left"]);
    }
}

#[test]
fn what_one_order_took_is_gone_until_the_display_changes() {
    let mut run = Run::of(immediate());
    run.quote(99, 5, 101, 5).send(buy(MARKET, 4)).send(buy(MARKET, 4)).expect(&[
        "1 accepted",
        "1 buys 4 at 101 taker, 0 left",
        "2 accepted",
        "2 buys 1 at 101 taker, 3 left",
        "2 buys 3 at 102 taker, 0 left",
    ]);
    run.quote(98, 5, 101, 5).send(buy(MARKET, 1)).expect(&["3 accepted", "3 buys 1 at 102 taker, 0 left"]);
    run.quote(98, 5, 101, 6).send(buy(MARKET, 1)).expect(&["4 accepted", "4 buys 1 at 101 taker, 0 left"]);
    run.quote(98, 5, 103, 6)
        .quote(98, 5, 101, 6)
        .send(buy(MARKET, 6))
        .expect(&["5 accepted", "5 buys 6 at 101 taker, 0 left"]);
}

#[test]
fn without_consumption_every_order_finds_the_whole_display() {
    let mut run = Run::of(VenueModel { consume_liquidity: false, ..immediate() });
    run.quote(99, 5, 101, 5).send(buy(MARKET, 4)).send(buy(MARKET, 6)).expect(&[
        "1 accepted",
        "1 buys 4 at 101 taker, 0 left",
        "2 accepted",
        "2 buys 5 at 101 taker, 1 left",
        "2 buys 1 at 102 taker, 0 left",
    ]);
}

#[test]
fn a_resting_limit_fills_at_its_price_over_several_quotes() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 9).send(buy(limit(100), 10)).expect(&["1 accepted"]);
    run.quote(98, 9, 100, 4).expect(&["1 buys 4 at 100 maker, 6 left"]);
    run.quote(98, 9, 100, 4).expect(&[]);
    run.quote(98, 9, 99, 5).expect(&["1 buys 5 at 100 maker, 1 left"]);
    run.quote(98, 9, 101, 5).expect(&[]);
    run.quote(98, 9, 100, 5).expect(&["1 buys 1 at 100 maker, 0 left"]);
}

#[test]
fn of_two_resting_limits_the_better_price_and_then_the_earlier_fills_first() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 110, 9).send(buy(limit(100), 3)).send(buy(limit(101), 3)).send(buy(limit(101), 3));
    run.expect(&["1 accepted", "2 accepted", "3 accepted"]);
    run.quote(90, 9, 99, 7).expect(&[
        "2 buys 3 at 101 maker, 0 left",
        "3 buys 3 at 101 maker, 0 left",
        "1 buys 1 at 100 maker, 2 left",
    ]);
}

#[test]
fn a_marketable_limit_takes_the_touch_then_one_tick_then_rests() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 4).send(buy(limit(101), 10)).expect(&["1 accepted", "1 buys 4 at 101 taker, 6 left"]);
    run.quote(99, 9, 101, 5).expect(&["1 buys 5 at 101 maker, 1 left"]);
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 4).send(buy(limit(102), 10)).expect(&[
        "1 accepted",
        "1 buys 4 at 101 taker, 6 left",
        "1 buys 6 at 102 taker, 0 left",
    ]);
}

#[test]
fn on_prints_and_bars_a_touch_fills_only_where_the_model_says_so() {
    // A print at the limit price, then one through it.
    for (model, touched, through) in [
        (immediate(), vec![], "1 buys 3 at 100 maker, 7 left"),
        (touch_fills(), vec!["1 buys 2 at 100 maker, 8 left"], "1 buys 3 at 100 maker, 5 left"),
    ] {
        let mut run = Run::of(model);
        run.trade(103, 9).send(buy(limit(100), 10)).expect(&["1 accepted"]);
        run.trade(100, 2).expect(&touched);
        run.trade(99, 3).expect(&[through]);
    }
    // A bar whose low is the limit price: a quarter of its volume is there.
    for (model, touched) in [(immediate(), vec![]), (touch_fills(), vec!["1 buys 5 at 100 maker, 5 left"])] {
        let mut run = Run::of(model);
        run.bar([103, 104, 102, 103], 20).send(buy(limit(100), 10)).expect(&["1 accepted"]);
        run.bar([103, 104, 100, 103], 20).expect(&touched);
    }
}

#[test]
fn a_bar_fills_a_limit_on_its_way_with_a_quarter_of_its_volume_at_each_price() {
    let mut run = Run::of(immediate());
    run.bar([103, 104, 102, 103], 20).send(buy(limit(101), 12)).expect(&["1 accepted"]);
    // Open 100 and low 98 lie beyond the limit, high 105 and close 103 do not.
    run.bar([100, 105, 98, 103], 20).expect(&["1 buys 5 at 101 maker, 7 left", "1 buys 5 at 101 maker, 2 left"]);
}

#[test]
fn prints_beside_quotes_fill_what_rests_and_leave_the_touch_alone() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 103, 9).send(buy(limit(101), 10)).send(sell(limit(102), 10)).expect(&["1 accepted", "2 accepted"]);
    run.trade(100, 4).expect(&["1 buys 4 at 101 maker, 6 left"]);
    run.trade(101, 4).trade(102, 4).expect(&[]);
    run.trade(104, 3).expect(&["2 sells 3 at 102 maker, 7 left"]);
    // Stops look at the quoted touch, not at prints beside it.
    run.send(buy(stop(105), 1)).trade(106, 9).expect(&["3 accepted", "2 sells 7 at 102 maker, 0 left"]);
    run.send(buy(MARKET, 1)).expect(&["4 accepted", "4 buys 1 at 103 taker, 0 left"]);
    run.quote(104, 9, 105, 9).expect(&["3 triggered", "3 buys 1 at 105 taker, 0 left"]);
}

#[test]
fn one_print_fills_at_most_what_it_printed() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 103, 9).send(buy(limit(101), 3)).send(buy(limit(102), 3)).expect(&["1 accepted", "2 accepted"]);
    run.trade(100, 4).expect(&["2 buys 3 at 102 maker, 0 left", "1 buys 1 at 101 maker, 2 left"]);
}

#[test]
fn a_post_only_order_is_refused_where_it_would_take() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 9).send(buy(limit(101), 1).post_only()).expect(&["1 rejected WouldTake"]);
    run.send(buy(limit(100), 1).post_only()).expect(&["2 accepted"]);
    run.send(sell(limit(99), 1).post_only()).expect(&["3 rejected WouldTake"]);
    run.send(buy(MARKET, 1).post_only()).expect(&["4 rejected WouldTake"]);
    run.quote(99, 9, 100, 9).expect(&["2 buys 1 at 100 maker, 0 left"]);
}

#[test]
fn a_post_only_order_does_not_take_by_being_changed_or_triggered() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 9).send(buy(limit(100), 1).post_only()).modify(1, None, Some(limit(101)));
    run.expect(&["1 accepted", "1 keeps its terms WouldTake"]);
    run.send(buy(stop_limit(103, 104), 1).post_only()).quote(102, 9, 103, 9);
    run.expect(&["2 accepted", "2 triggered", "2 canceled"]);
}

#[test]
fn a_stop_on_the_path_of_a_bar_trades_at_its_trigger() {
    let mut run = Run::of(immediate());
    run.bar([100, 100, 100, 100], 20)
        .send(sell(stop(97), 3))
        .send(buy(stop(104), 7))
        .expect(&["1 accepted", "2 accepted"]);
    // Up to 106 through 104, down to 95 through 97; a quarter of 20 is at each price of the walk.
    run.bar([100, 106, 95, 99], 20).expect(&[
        "2 triggered",
        "2 buys 5 at 104 taker, 2 left",
        "2 buys 2 at 105 taker, 0 left",
        "1 triggered",
        "1 sells 3 at 97 taker, 0 left",
    ]);
}

#[test]
fn a_stop_that_the_open_jumps_over_trades_at_the_open() {
    let mut run = Run::of(immediate());
    run.bar([100, 100, 100, 100], 20).send(sell(stop(97), 3)).expect(&["1 accepted"]);
    run.bar([94, 98, 93, 97], 20).expect(&["1 triggered", "1 sells 3 at 94 taker, 0 left"]);
}

#[test]
fn a_stop_against_quotes_or_prints_trades_at_the_touch_that_woke_it() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 9).send(buy(stop(104), 3)).expect(&["1 accepted"]);
    run.quote(102, 9, 103, 9).expect(&[]);
    run.quote(105, 9, 106, 2).expect(&[
        "1 triggered",
        "1 buys 2 at 106 taker, 1 left",
        "1 buys 1 at 107 taker, 0 left",
    ]);
    let mut run = Run::of(immediate());
    run.trade(100, 9).send(sell(stop(98), 3)).trade(97, 9).expect(&[
        "1 accepted",
        "1 triggered",
        "1 sells 3 at 97 taker, 0 left",
    ]);
}

#[test]
fn a_stop_limit_trades_within_its_limit_or_rests_there() {
    // Triggered at 104 with a limit of 105: two of the five lie one tick up, within it.
    let mut run = Run::of(immediate());
    run.bar([100, 100, 100, 100], 20).send(buy(stop_limit(104, 105), 7)).bar([100, 106, 100, 106], 20);
    run.expect(&["1 accepted", "1 triggered", "1 buys 5 at 104 taker, 2 left", "1 buys 2 at 105 taker, 0 left"]);
    // The open jumps over the limit: it rests, and fills when the market is back under it.
    let mut run = Run::of(immediate());
    run.bar([100, 100, 100, 100], 20).send(buy(stop_limit(104, 105), 3)).bar([108, 109, 106, 107], 20);
    run.expect(&["1 accepted", "1 triggered"]);
    run.bar([107, 107, 104, 107], 20).expect(&["1 buys 3 at 105 maker, 0 left"]);
    // Quotes: the touch beyond the limit.
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 9).send(sell(stop_limit(98, 97), 3)).quote(96, 9, 99, 9);
    run.expect(&["1 accepted", "1 triggered"]);
    run.quote(97, 2, 99, 9).expect(&["1 sells 2 at 97 maker, 1 left"]);
}

#[test]
fn an_if_touched_order_wakes_when_the_market_comes_its_way() {
    let mut run = Run::of(immediate());
    run.bar([100, 100, 100, 100], 20)
        .send(buy(mit(97), 3))
        .send(sell(mit(104), 7))
        .expect(&["1 accepted", "2 accepted"]);
    run.bar([100, 106, 95, 99], 20).expect(&[
        "2 triggered",
        "2 sells 5 at 104 taker, 2 left",
        "2 sells 2 at 103 taker, 0 left",
        "1 triggered",
        "1 buys 3 at 97 taker, 0 left",
    ]);
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 9).send(buy(mit(98), 3)).quote(95, 9, 97, 9);
    run.expect(&["1 accepted", "1 triggered", "1 buys 3 at 97 taker, 0 left"]);
}

#[test]
fn a_touched_limit_rests_and_fills_further_down_the_same_leg() {
    let mut run = Run::of(immediate());
    run.bar([100, 100, 100, 100], 20).send(buy(lit(97, 96), 3)).bar([100, 101, 95, 99], 20);
    run.expect(&["1 accepted", "1 triggered", "1 buys 3 at 96 maker, 0 left"]);
    let mut run = Run::of(immediate());
    run.bar([100, 100, 100, 100], 20).send(sell(lit(103, 104), 3)).bar([100, 104, 99, 99], 20);
    run.expect(&["1 accepted", "1 triggered"]);
    run.bar([99, 105, 99, 99], 20).expect(&["1 sells 3 at 104 maker, 0 left"]);
}

#[test]
fn what_trades_is_whole_lots_however_odd_the_display() {
    let mut run = Run::new(&Setting { lot: 10, ..Setting::of(immediate()) });
    run.quote(99, 50, 101, 28).send(buy(MARKET, 50));
    run.expect(&["1 accepted", "1 buys 20 at 101 taker, 30 left", "1 buys 30 at 102 taker, 0 left"]);
    run.send(sell(limit(105), 50)).bar([100, 110, 100, 100], 39).expect(&["2 accepted"]);
    run.bar([100, 110, 100, 100], 79).expect(&["2 sells 10 at 105 maker, 40 left"]);
}

#[test]
fn a_protective_stop_that_has_passed_closes_its_position_instead_of_leaving_it_bare() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 9).send(buy(MARKET, 5)).expect(&["1 accepted", "1 buys 5 at 101 taker, 0 left"]);
    run.send(OrderRequest { reduce_only: true, ..sell(stop(100), 5) });
    run.expect(&["2 accepted", "2 triggered", "2 sells 5 at 99 taker, 0 left"]);
    run.expect_position(0);
}

#[test]
fn a_trigger_that_has_passed_is_refused_or_acts_at_once() {
    let passed = [
        buy(stop(101), 1),
        sell(stop(99), 1),
        buy(stop_limit(100, 102), 1),
        buy(mit(101), 1),
        sell(mit(99), 1),
        sell(lit(98, 97), 1),
        buy(OrderKind::TrailingStop { offset: TrailOffset::Ticks(3), trigger: Some(px(101)) }, 1),
    ];
    for request in passed {
        let mut run = Run::of(immediate());
        run.quote(99, 9, 101, 9).send(request).expect(&["1 rejected TriggerPassed"]);
        let mut run = Run::of(lenient());
        let verb = if request.side == starling_core::Side::Buy { "buys 1 at 101" } else { "sells 1 at 99" };
        run.quote(99, 9, 101, 9).send(request).expect(&[
            "1 accepted",
            "1 triggered",
            &format!("1 {verb} taker, 0 left"),
        ]);
    }
}

fn trailing(offset: TrailOffset) -> OrderKind {
    OrderKind::TrailingStop { offset, trigger: None }
}

#[test]
fn a_trailing_stop_ratchets_one_way_only() {
    // 5 below a bid of 200; 5 ticks; 250 basis points: all the same distance at 200, and 5.1 -> 6 ticks at 204.
    for (offset, trigger) in
        [(TrailOffset::Price(px(5)), 199), (TrailOffset::Ticks(5), 199), (TrailOffset::BasisPoints(250), 198)]
    {
        let mut run = Run::of(immediate());
        run.quote(200, 9, 201, 9).send(sell(trailing(offset), 2)).expect(&["1 accepted"]);
        run.quote(204, 9, 205, 9).quote(trigger + 2, 9, 205, 9).quote(trigger + 1, 9, 205, 9).expect(&[]);
        run.quote(trigger, 9, 205, 9).expect(&["1 triggered", &format!("1 sells 2 at {trigger} taker, 0 left")]);
    }
    let mut run = Run::of(immediate());
    run.quote(199, 9, 200, 9).send(buy(trailing(TrailOffset::Price(px(5))), 2)).expect(&["1 accepted"]);
    run.quote(195, 9, 196, 9).quote(199, 9, 200, 9).expect(&[]);
    run.quote(200, 9, 201, 9).expect(&["1 triggered", "1 buys 2 at 201 taker, 0 left"]);
}

#[test]
fn a_trailing_stop_follows_the_path_of_a_bar() {
    // Up to 110 it follows to 107; on the way down to 104 the market passes 107.
    let mut run = Run::of(immediate());
    run.bar([100, 100, 100, 100], 20).send(sell(trailing(TrailOffset::Price(px(3))), 2)).bar([100, 110, 104, 105], 20);
    run.expect(&["1 accepted", "1 triggered", "1 sells 2 at 107 taker, 0 left"]);
    // An offset as large as the bar is never met on the step that moved it.
    let mut run = Run::of(immediate());
    run.bar([100, 100, 100, 100], 20).send(sell(trailing(TrailOffset::Price(px(6))), 2)).bar([100, 110, 105, 105], 20);
    run.expect(&["1 accepted"]);
    run.bar([103, 104, 100, 104], 20).expect(&["1 triggered", "1 sells 2 at 103 taker, 0 left"]);
}

#[test]
fn a_trailing_stop_may_start_from_a_trigger_of_its_own() {
    let mut run = Run::of(immediate());
    let kind = OrderKind::TrailingStop { offset: TrailOffset::Price(px(5)), trigger: Some(px(197)) };
    run.quote(200, 9, 201, 9).send(sell(kind, 2)).quote(201, 9, 202, 9).expect(&["1 accepted"]);
    run.quote(197, 9, 202, 9).expect(&["1 triggered", "1 sells 2 at 197 taker, 0 left"]);
}

#[test]
fn a_trailing_stop_limit_rests_beyond_the_trigger_it_woke_at() {
    let mut run = Run::of(immediate());
    let kind = OrderKind::TrailingStopLimit { offset: TrailOffset::Price(px(5)), limit_offset: px(1), trigger: None };
    run.quote(200, 9, 201, 9).send(sell(kind, 4)).quote(206, 9, 207, 9).expect(&["1 accepted"]);
    // Trigger 201, limit 200: the bid jumps to 199 and the order rests.
    run.quote(199, 9, 203, 9).expect(&["1 triggered"]);
    run.quote(200, 3, 203, 9).expect(&["1 sells 3 at 200 maker, 1 left"]);
    // Half of it more, at the price where it rests.
    run.modify(1, Some(6), None).quote(200, 9, 203, 9).expect(&["1 modified to 6", "1 sells 3 at 200 maker, 0 left"]);
}

#[test]
fn ioc_takes_what_the_touch_holds_and_ends() {
    let ioc = TimeInForce::Ioc;
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 4).send(buy(limit(105), 6).tif(ioc));
    run.expect(&["1 accepted", "1 buys 4 at 101 taker, 2 left", "1 canceled"]);
    run.send(buy(MARKET, 6).tif(ioc)).expect(&["2 accepted", "2 canceled"]);
    run.send(buy(limit(100), 6).tif(ioc)).expect(&["3 accepted", "3 canceled"]);
    run.send(sell(MARKET, 6).tif(ioc)).expect(&["4 accepted", "4 sells 6 at 99 taker, 0 left"]);
    run.send(buy(stop_limit(103, 104), 6).tif(ioc)).quote(99, 9, 103, 2);
    run.expect(&["5 accepted", "5 triggered", "5 buys 2 at 103 taker, 4 left", "5 canceled"]);
}

#[test]
fn fok_trades_whole_or_not_at_all() {
    let fok = TimeInForce::Fok;
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 4).send(buy(limit(101), 5).tif(fok)).expect(&["1 rejected NotWhole"]);
    run.send(buy(limit(100), 1).tif(fok)).expect(&["2 rejected NotWhole"]);
    run.send(buy(limit(101), 4).tif(fok)).expect(&["3 accepted", "3 buys 4 at 101 taker, 0 left"]);
    run.quote(99, 9, 101, 5).send(buy(limit(102), 9).tif(fok)).expect(&[
        "4 accepted",
        "4 buys 5 at 101 taker, 4 left",
        "4 buys 4 at 102 taker, 0 left",
    ]);
    run.send(sell(MARKET, 11).tif(fok)).expect(&[
        "5 accepted",
        "5 sells 9 at 99 taker, 2 left",
        "5 sells 2 at 98 taker, 0 left",
    ]);
}

#[test]
fn a_conditional_fok_is_judged_when_it_wakes() {
    let fok = TimeInForce::Fok;
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 9).send(buy(stop_limit(103, 103), 5).tif(fok)).send(buy(stop_limit(103, 104), 5).tif(fok));
    run.send(buy(stop_limit(105, 104), 1).tif(fok)).expect(&["1 accepted", "2 accepted", "3 accepted"]);
    run.quote(99, 9, 103, 4).expect(&[
        "1 triggered",
        "1 canceled",
        "2 triggered",
        "2 buys 4 at 103 taker, 1 left",
        "2 buys 1 at 104 taker, 0 left",
    ]);
    run.quote(99, 9, 106, 4).expect(&["3 triggered", "3 canceled"]);
    assert_eq!(run.open(), (0, 0));
}

#[test]
fn gtd_and_day_orders_expire_on_time_and_meet_what_comes_before() {
    let mut run = Run::of(immediate());
    let gtd = |seconds| TimeInForce::Gtd(UnixNanos::new(START + seconds * SECOND));
    run.quote(99, 9, 101, 9).send(buy(limit(100), 1).tif(gtd(5))).send(buy(limit(98), 1).tif(gtd(3)));
    run.send(buy(limit(100), 1).tif(gtd(1)));
    run.expect(&["1 accepted", "2 accepted", "3 rejected Expired"]);
    // The data of the very moment comes first.
    run.at(5 * SECOND).quote_now(X, 99, 9, 100, 9);
    run.expect_timed(&[(3_000, "2 expired"), (5_000, "1 buys 1 at 100 maker, 0 left")]);
    run.send(buy(stop(110), 1).tif(TimeInForce::Day)).at(24 * HOUR).quote_now(X, 99, 9, 110, 9);
    run.expect_timed(&[(5_000, "4 accepted"), (23 * 3_600_000, "4 expired")]);
}

#[test]
fn a_day_order_belongs_to_the_session_that_is_yet_to_end() {
    // Sessions end at 21:00 UTC; the run starts at 01:00.
    let model = VenueModel { day_ends_s: 21 * 3_600, ..immediate() };
    let day = TimeInForce::Day;
    let close = 20 * HOUR;
    let mut run = Run::of(model.clone());
    run.at(close - 1).quote_now(X, 99, 9, 101, 9).send(buy(limit(90), 1).tif(day));
    run.at(close).quote_now(X, 99, 9, 101, 9).send(buy(limit(90), 2).tif(day));
    run.at(close + 1).quote_now(X, 99, 9, 101, 9);
    run.expect(&["1 accepted", "2 accepted", "1 expired"]);
    run.at(close + DAY).quote_now(X, 99, 9, 101, 9).expect(&[]);
    run.at(close + DAY + 1).quote_now(X, 99, 9, 101, 9).expect(&["2 expired"]);
    // The day that ends at midnight: a nanosecond before it, and at it.
    let mut run = Run::of(immediate());
    run.at(23 * HOUR - 1).quote_now(X, 99, 9, 101, 9).send(buy(limit(90), 1).tif(day));
    run.at(23 * HOUR).quote_now(X, 99, 9, 101, 9).send(buy(limit(90), 2).tif(day));
    run.at(47 * HOUR + 1).quote_now(X, 99, 9, 101, 9);
    run.expect_timed(&[
        (23 * 3_600_000 - 1, "1 accepted"),
        (23 * 3_600_000, "2 accepted"),
        (23 * 3_600_000, "1 expired"),
        (47 * 3_600_000, "2 expired"),
    ]);
}

#[test]
fn an_order_that_expires_while_it_waits_was_live_first() {
    let mut run = Run::of(strict());
    run.quote(99, 9, 101, 9).send(buy(MARKET, 1).tif(TimeInForce::Gtd(UnixNanos::new(START + 2 * SECOND))));
    run.at(3 * SECOND).quote_now(X, 99, 9, 101, 9).expect_timed(&[(2_000, "1 accepted"), (2_000, "1 expired")]);
    assert_eq!(run.open(), (0, 0));
}

#[test]
fn a_smaller_quantity_keeps_its_place_and_another_price_loses_it() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 110, 9).send(buy(limit(100), 5)).send(buy(limit(100), 5)).send(buy(limit(100), 5));
    run.modify(1, Some(3), None).modify(2, Some(6), None).quote(90, 9, 100, 10);
    run.expect(&[
        "1 accepted",
        "2 accepted",
        "3 accepted",
        "1 modified to 3",
        "2 modified to 6",
        "1 buys 3 at 100 maker, 0 left",
        "3 buys 5 at 100 maker, 0 left",
        "2 buys 2 at 100 maker, 4 left",
    ]);
    let mut run = Run::of(immediate());
    run.quote(99, 9, 110, 9).send(buy(limit(100), 5)).send(buy(limit(100), 5)).modify(1, None, Some(limit(99)));
    run.modify(1, None, Some(limit(100))).quote(90, 9, 100, 6).expect(&[
        "1 accepted",
        "2 accepted",
        "1 modified to 5",
        "1 modified to 5",
        "2 buys 5 at 100 maker, 0 left",
        "1 buys 1 at 100 maker, 4 left",
    ]);
}

#[test]
fn an_order_that_waits_keeps_its_place_when_it_shrinks() {
    let mut run = Run::of(strict());
    run.quote(99, 9, 101, 9).send(buy(MARKET, 5)).send(buy(MARKET, 5)).modify(1, Some(4), None);
    run.expect(&["1 accepted", "1 modified to 4"]);
    run.quote(99, 9, 101, 6).expect(&[
        "1 buys 4 at 101 taker, 0 left",
        "2 accepted",
        "2 buys 2 at 101 taker, 3 left",
        "2 buys 3 at 102 taker, 0 left",
    ]);
}

#[test]
fn an_order_changed_while_it_waits_ends_as_canceled_where_it_would_be_refused() {
    let mut run = Run::of(strict());
    run.quote(99, 9, 101, 9).send(buy(limit(99), 5).post_only()).modify(1, None, Some(limit(100)));
    run.expect(&["1 accepted", "1 modified to 5"]);
    run.quote(98, 9, 100, 9).expect(&["1 canceled"]);
}

#[test]
fn a_change_to_a_marketable_price_takes_and_what_is_traded_stays_traded() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 4).send(buy(limit(101), 6)).expect(&["1 accepted", "1 buys 4 at 101 taker, 2 left"]);
    run.modify(1, Some(3), None).expect_told(&["1 Accepted", "1 PartiallyFilled", "1 denied order_qty_min"]);
    run.modify(1, Some(7), Some(limit(102))).expect(&["1 modified to 7", "1 buys 3 at 102 taker, 0 left"]);
}

#[test]
fn a_change_cannot_make_another_kind_of_order() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 9).send(buy(limit(98), 6)).modify(1, None, Some(stop(105)));
    run.expect(&["1 accepted", "1 keeps its terms Increment"]);
}

#[test]
fn a_sleeping_order_may_change_its_trigger_but_not_to_one_that_has_passed() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 9).send(buy(stop(105), 1)).modify(1, None, Some(stop(103))).modify(1, None, Some(stop(101)));
    run.expect(&["1 accepted", "1 modified to 1", "1 keeps its terms TriggerPassed"]);
    run.quote(99, 9, 103, 9).expect(&["1 triggered", "1 buys 1 at 103 taker, 0 left"]);
    let mut run = Run::of(lenient());
    run.quote(99, 9, 101, 9).send(buy(mit(97), 1)).modify(1, None, Some(mit(102)));
    run.expect(&["1 accepted", "1 modified to 1", "1 triggered", "1 buys 1 at 101 taker, 0 left"]);
}

#[test]
fn a_triggered_stop_limit_is_a_limit_order_and_keeps_its_trigger() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 9)
        .send(buy(stop_limit(103, 103), 5))
        .quote(103, 9, 105, 9)
        .expect(&["1 accepted", "1 triggered"]);
    run.modify(1, None, Some(stop_limit(110, 103))).expect(&["1 keeps its terms TriggerPassed"]);
    run.modify(1, None, Some(stop_limit(103, 104))).expect(&["1 modified to 5"]);
    run.quote(103, 9, 104, 2).expect(&["1 buys 2 at 104 maker, 3 left"]);
    run.modify(1, Some(4), None).quote(103, 9, 104, 2).expect(&["1 modified to 4"]);
    run.modify(1, None, Some(stop_limit(103, 105))).expect(&["1 modified to 4", "1 buys 2 at 105 taker, 0 left"]);
}

#[test]
fn a_smaller_trailing_stop_keeps_the_trigger_that_the_market_moved() {
    let kind = |trigger| OrderKind::TrailingStop { offset: TrailOffset::Price(px(5)), trigger: Some(px(trigger)) };
    let mut run = Run::of(immediate());
    run.quote(200, 9, 201, 9).send(sell(kind(190), 5)).quote(210, 9, 211, 9).modify(1, Some(2), None);
    run.expect(&["1 accepted", "1 modified to 2"]);
    run.quote(205, 9, 211, 9).expect(&["1 triggered", "1 sells 2 at 205 taker, 0 left"]);
    let mut run = Run::of(immediate());
    run.quote(200, 9, 201, 9).send(sell(kind(190), 5)).modify(1, None, Some(kind(193))).modify(
        1,
        None,
        Some(kind(200)),
    );
    run.expect(&["1 accepted", "1 modified to 5", "1 keeps its terms TriggerPassed"]);
    run.quote(194, 9, 201, 9).expect(&[]);
    run.quote(193, 9, 201, 9).expect(&["1 triggered", "1 sells 5 at 193 taker, 0 left"]);
}
