//! Orders tied to others: brackets, one-triggers-other, one-cancels-other, reduce-only, slices on timers.

use std::cell::RefCell;
use std::rc::Rc;

use crate::rig::*;
use starling_core::order::TrailOffset;
use starling_core::time::{MILLISECOND, SECOND};
use starling_core::{OrderKind, OrderRequest, PositionId, Side, TimeInForce};
use starling_engine::strategy::{Remainder, Schedule};
use starling_sim::model::{Activation, Latency, VenueModel};

const MARKET: OrderKind = OrderKind::Market;

fn immediate() -> VenueModel {
    VenueModel { activation: Activation::Immediate, ..VenueModel::default() }
}

fn bracket(run: &mut Run, entry: OrderRequest, stop: OrderKind, target: OrderKind) {
    run.act(move |ctx| {
        ctx.submit_bracket(entry, stop, target);
    });
}

#[test]
fn a_bracket_releases_stop_and_target_and_one_cancels_the_other() {
    for (quote, verb, other) in [(90, 2, 3), (120, 3, 2)] {
        let mut run = Run::of(immediate());
        run.quote(100, 9, 101, 9);
        bracket(&mut run, buy(MARKET, 5), stop(95), limit(110));
        run.expect(&["1 accepted", "1 buys 5 at 101 taker, 0 left", "2 accepted", "3 accepted"]);
        run.quote(quote, 9, quote + 1, 9);
        if verb == 2 {
            run.expect(&["2 triggered", "2 sells 5 at 90 taker, 0 left", &format!("{other} canceled")]);
        } else {
            run.expect(&["3 sells 5 at 110 maker, 0 left", &format!("{other} canceled")]);
        }
        run.expect_position(0);
        assert_eq!(run.open(), (0, 0));
    }
}

#[test]
fn a_bracket_grows_with_its_entry_and_shrinks_with_its_target() {
    let mut run = Run::of(immediate());
    run.quote(100, 9, 105, 9);
    bracket(&mut run, buy(limit(101), 10), stop(95), limit(110));
    run.quote(99, 9, 101, 4).expect(&["1 accepted", "1 buys 4 at 101 maker, 6 left", "2 accepted", "3 accepted"]);
    run.quote(110, 3, 111, 9).expect(&["3 sells 3 at 110 maker, 1 left", "2 modified to 1"]);
    // One is held; six more come: the stop covers seven, the target has traded three of ten.
    run.quote(99, 9, 100, 9).expect(&["1 buys 6 at 101 maker, 0 left", "2 modified to 7", "3 modified to 10"]);
    run.expect_position(7);
    run.quote(95, 9, 96, 9).expect(&["2 triggered", "2 sells 7 at 95 taker, 0 left", "3 canceled"]);
    run.expect_position(0);
    assert_eq!(run.open(), (0, 0));
}

#[test]
fn two_fills_of_one_step_reach_the_sibling_one_after_the_other() {
    // The target takes five at 110 and four more one tick lower, in one step.
    let mut run = Run::of(immediate());
    run.quote(100, 20, 101, 20).send(buy(MARKET, 20));
    run.act(|ctx| {
        ctx.submit(sell(stop(90), 20).reduce_only().oco(7));
        ctx.submit(sell(limit(120), 9).reduce_only().oco(7));
    });
    run.quote(110, 5, 111, 9).modify(3, None, Some(limit(109)));
    run.expect(&[
        "1 accepted",
        "1 buys 20 at 101 taker, 0 left",
        "2 accepted",
        "3 accepted",
        "3 modified to 9",
        "3 sells 5 at 110 taker, 4 left",
        "3 sells 4 at 109 taker, 0 left",
        "2 modified to 15",
        "2 canceled",
    ]);
    run.expect_position(11);
}

#[test]
fn changes_that_ties_ask_for_queue_behind_one_in_flight() {
    // Orders travel 1.5 s, and a fill comes every second: changes of the stop cannot all be under way at once.
    let latency = Latency::Fixed { nanos: 1_500 * MILLISECOND };
    let mut run = Run::of(VenueModel { order_latency: latency, ..immediate() });
    run.quote(100, 9, 105, 9);
    bracket(&mut run, buy(limit(101), 10), stop(50), limit(200));
    run.at(10 * SECOND).quote_now(X, 99, 9, 101, 2);
    run.at(11 * SECOND).quote_now(X, 99, 9, 101, 3);
    run.at(12 * SECOND).quote_now(X, 99, 9, 101, 4);
    run.at(13 * SECOND).quote_now(X, 99, 9, 101, 1);
    run.at(20 * SECOND).quote_now(X, 99, 9, 102, 1);
    run.expect_timed(&[
        (2_500, "1 accepted"),
        (10_000, "1 buys 2 at 101 maker, 8 left"),
        (11_000, "1 buys 3 at 101 maker, 5 left"),
        (11_500, "2 accepted"),
        (11_500, "3 accepted"),
        (12_000, "1 buys 4 at 101 maker, 1 left"),
        (12_500, "2 modified to 5"),
        (12_500, "3 modified to 5"),
        (13_000, "1 buys 1 at 101 maker, 0 left"),
        (14_000, "2 modified to 9"),
        (14_000, "3 modified to 9"),
        (15_500, "2 modified to 10"),
        (15_500, "3 modified to 10"),
    ]);
    run.expect_position(10);
}

#[test]
fn a_parent_that_is_denied_or_ends_unfilled_takes_its_children_along() {
    let mut run = Run::of(immediate());
    run.quote(100, 9, 101, 9);
    // 100.5 is no multiple of the tick.
    bracket(&mut run, buy(OrderKind::Limit { price: "100.5".parse().unwrap() }, 5), stop(95), limit(110));
    run.expect(&[]).expect_told(&["1 denied tick_lot_valid", "2 Canceled", "3 Canceled"]);
    bracket(&mut run, buy(limit(99), 5), stop(95), limit(110));
    run.cancel(4).expect(&["4 accepted", "4 canceled"]);
    run.expect_told(&["4 Accepted", "5 Canceled", "6 Canceled", "4 Canceled"]);
    bracket(&mut run, buy(limit(101), 5).post_only(), stop(95), limit(110));
    run.expect(&["7 rejected WouldTake"]).expect_told(&["8 Canceled", "9 Canceled", "7 WouldTake"]);
    assert_eq!(run.open(), (0, 0));
}

#[test]
fn a_parent_cancelled_half_filled_leaves_its_children_to_what_it_bought() {
    let mut run = Run::of(immediate());
    run.quote(100, 9, 105, 9);
    bracket(&mut run, buy(limit(101), 10), stop(95), limit(110));
    run.quote(99, 9, 101, 4).cancel(1);
    run.expect(&["1 accepted", "1 buys 4 at 101 maker, 6 left", "2 accepted", "3 accepted", "1 canceled"]);
    run.quote(110, 9, 111, 9).expect(&["3 sells 4 at 110 maker, 0 left", "2 canceled"]).expect_position(0);
}

#[test]
fn a_child_that_does_more_than_unwind_its_parent_is_sent_too() {
    // Buy here, then buy more higher up: not what a bracket does, but one-triggers-other all the same.
    let mut run = Run::of(immediate());
    run.quote(100, 9, 101, 9).act(|ctx| {
        let parent = ctx.submit(buy(limit(100), 5));
        ctx.submit(buy(stop(105), 5).after(parent));
    });
    run.expect(&["1 accepted"]);
    run.quote(99, 9, 100, 9).expect(&["1 buys 5 at 100 maker, 0 left", "2 accepted"]);
    run.quote(104, 9, 105, 9).expect(&["2 triggered", "2 buys 5 at 105 taker, 0 left"]).expect_position(10);
}

#[test]
fn orders_between_a_parent_and_its_child_are_not_taken_for_duplicates() {
    let mut run = Run::of(immediate());
    run.quote(100, 9, 101, 9).act(|ctx| {
        let parent = ctx.submit(buy(MARKET, 2));
        ctx.submit(buy(limit(90), 1));
        ctx.submit(sell(stop(95), 2).after(parent).reduce_only());
    });
    run.expect(&["2 accepted", "1 accepted", "1 buys 2 at 101 taker, 0 left", "3 accepted"]);
    run.expect_told(&["2 Accepted", "1 Accepted", "1 Filled", "3 Accepted"]);
}

#[test]
fn a_partial_fill_reduces_the_sibling_and_an_end_cancels_it() {
    let mut run = Run::of(immediate());
    run.quote(100, 9, 101, 9).act(|ctx| {
        ctx.submit(buy(limit(98), 10).oco(1));
        ctx.submit(buy(stop(105), 10).oco(1));
    });
    run.quote(97, 9, 98, 4).expect(&["1 accepted", "2 accepted", "1 buys 4 at 98 maker, 6 left", "2 modified to 6"]);
    run.cancel(1).expect(&["1 canceled", "2 canceled"]);
}

#[test]
fn members_of_a_group_that_no_change_can_make_smaller_are_cancelled() {
    let mut run = Run::of(immediate());
    run.quote(100, 9, 101, 9).act(|ctx| {
        ctx.submit(buy(limit(98), 10).oco(1));
        ctx.submit(buy(stop(105), 3).oco(1));
    });
    run.quote(97, 9, 98, 4).expect(&[
        "1 accepted",
        "2 accepted",
        "1 buys 4 at 98 maker, 6 left",
        "2 canceled",
        "1 canceled",
    ]);
}

#[test]
fn a_reduce_only_order_shrinks_with_its_position() {
    let mut run = Run::of(immediate());
    run.quote(100, 20, 101, 20).send(buy(MARKET, 10)).send(sell(stop(90), 10).reduce_only()).send(sell(MARKET, 4));
    run.expect(&[
        "1 accepted",
        "1 buys 10 at 101 taker, 0 left",
        "2 accepted",
        "3 accepted",
        "3 sells 4 at 100 taker, 0 left",
        "2 modified to 6",
    ]);
    run.send(sell(MARKET, 6)).expect(&["4 accepted", "4 sells 6 at 100 taker, 0 left", "2 canceled"]);
    run.expect_position(0);
}

#[test]
fn a_reduce_only_order_larger_than_its_position_trades_the_position_and_ends() {
    for hedging in [false, true] {
        let mut run = Run::new(&Setting { hedging, ..Setting::of(immediate()) });
        run.quote(100, 20, 101, 20).send(buy(MARKET, 5)).act(|ctx| {
            let (position, _) = ctx.open_positions(X).next().unwrap();
            ctx.submit(sell(MARKET, 8).reduce_only().on_position(position));
        });
        run.expect(&[
            "1 accepted",
            "1 buys 5 at 101 taker, 0 left",
            "2 accepted",
            "2 sells 5 at 100 taker, 3 left",
            "2 canceled",
        ]);
        run.expect_position(0);
        assert_eq!(run.open(), (0, 0));
    }
}

#[test]
fn what_a_reduce_only_order_leaves_of_the_display_is_there_for_the_next() {
    let mut run = Run::of(immediate());
    run.quote(100, 20, 101, 20).send(buy(MARKET, 5)).send(sell(limit(105), 8).reduce_only()).send(sell(limit(106), 3));
    run.expect(&["1 accepted", "1 buys 5 at 101 taker, 0 left", "2 accepted", "3 accepted"]);
    run.quote(110, 20, 111, 20);
    run.expect(&["2 sells 5 at 105 maker, 3 left", "2 canceled", "3 sells 3 at 106 maker, 0 left"]);
}

#[test]
fn two_reduce_only_orders_reached_in_one_step_do_not_turn_the_position() {
    for hedging in [false, true] {
        let mut run = Run::new(&Setting { hedging, ..Setting::of(immediate()) });
        run.quote(100, 20, 101, 20).send(buy(MARKET, 5)).act(|ctx| {
            let (position, _) = ctx.open_positions(X).next().unwrap();
            for price in [105, 106] {
                ctx.submit(sell(limit(price), 5).reduce_only().on_position(position));
            }
        });
        run.expect(&["1 accepted", "1 buys 5 at 101 taker, 0 left", "2 accepted", "3 accepted"]);
        // The engine's own cancel comes after the venue's.
        run.quote(110, 20, 111, 20);
        run.expect(&["2 sells 5 at 105 maker, 0 left", "3 canceled", "3 cannot cancel UnknownOrder"]);
        run.expect_position(0);
    }
}

#[test]
fn a_reduce_only_order_in_flight_finds_its_position_gone() {
    let latency = Latency::Fixed { nanos: 500 * MILLISECOND };
    let mut run = Run::of(VenueModel { order_latency: latency, report_latency: latency, ..immediate() });
    run.quote(100, 20, 101, 20).send(buy(MARKET, 5)).at(5 * SECOND).quote_now(X, 100, 20, 101, 20);
    // Both leave before either is known to have traded.
    run.send(sell(MARKET, 5)).send(sell(MARKET, 5).reduce_only()).at(9 * SECOND).quote_now(X, 100, 20, 101, 20);
    run.expect(&[
        "1 accepted",
        "1 buys 5 at 101 taker, 0 left",
        "2 accepted",
        "2 sells 5 at 100 taker, 0 left",
        "3 rejected WouldIncrease",
        "3 cannot cancel UnknownOrder",
    ]);
    run.expect_position(0);
}

#[test]
fn in_a_hedging_account_a_reduce_only_order_closes_the_position_it_names() {
    let mut run = Run::new(&Setting { hedging: true, ..Setting::of(immediate()) });
    run.quote(100, 20, 101, 20).send(buy(MARKET, 5)).send(sell(MARKET, 5)).expect_position(0).act(|ctx| {
        let open: Vec<(PositionId, _)> = ctx.open_positions(X).collect();
        assert_eq!(open, [(PositionId(1), qty(5)), (PositionId(2), qty(-5))]);
        ctx.submit(sell(MARKET, 7).reduce_only().on_position(PositionId(1)));
    });
    run.expect_position(-5).act(|ctx| ctx.close(X));
    run.expect_position(0);
    assert_eq!(run.open(), (0, 0));
}

#[test]
fn all_that_one_order_opens_in_a_hedging_account_is_one_position() {
    let mut run = Run::new(&Setting { hedging: true, ..Setting::of(immediate()) });
    run.quote(100, 20, 101, 3);
    bracket(&mut run, buy(MARKET, 5), stop(95), limit(110));
    run.expect(&[
        "1 accepted",
        "1 buys 3 at 101 taker, 2 left",
        "1 buys 2 at 102 taker, 0 left",
        "2 accepted",
        "3 accepted",
        "2 modified to 5",
        "3 modified to 5",
    ]);
    run.act(|ctx| assert_eq!(ctx.open_positions(X).collect::<Vec<_>>(), [(PositionId(1), qty(5))]));
    run.quote(94, 20, 96, 3).expect(&["2 triggered", "2 sells 5 at 94 taker, 0 left", "3 canceled"]).expect_position(0);
}

#[test]
fn a_trailing_exit_is_a_reduce_only_order() {
    let mut run = Run::of(immediate());
    run.quote(100, 20, 101, 20).send(buy(MARKET, 5)).act(|ctx| {
        ctx.submit_trailing_stop(X, Side::Sell, qty(5), TrailOffset::Ticks(4));
    });
    run.quote(103, 20, 104, 20).quote(98, 20, 99, 20).expect(&[
        "1 accepted",
        "1 buys 5 at 101 taker, 0 left",
        "2 accepted",
        "2 triggered",
        "2 sells 5 at 98 taker, 0 left",
    ]);
}

/// Sizes and milliseconds of slices of 10 in four parts.
fn slices(remainder: Remainder, tif: TimeInForce) -> Vec<(u64, String)> {
    let mut run = Run::of(immediate());
    run.quote(100, 99, 101, 99).act(move |ctx| {
        let schedule = Schedule { slices: 4, interval: 250 * MILLISECOND, remainder };
        assert_eq!(ctx.submit_sliced(buy(MARKET, 11).tif(tif), schedule), id(1));
    });
    run.at(10 * SECOND).quote_now(X, 100, 99, 101, 99).expect_position(11);
    let fills = run.reports().into_iter().filter(|r| matches!(r.kind, starling_core::order::ReportKind::Filled { .. }));
    fills.map(|r| (r.ts_recv.get() / MILLISECOND - START / MILLISECOND, words(&r))).collect()
}

#[test]
fn slices_leave_on_their_timers_to_the_nanosecond() {
    let line = |ms, n, quantity| (ms, format!("{n} buys {quantity} at 101 taker, 0 left"));
    assert_eq!(
        slices(Remainder::LastSlice, TimeInForce::Gtc),
        [line(1_000, 1, 2), line(1_250, 2, 2), line(1_500, 3, 2), line(1_750, 4, 5)]
    );
    assert_eq!(
        slices(Remainder::ExtraSlice, TimeInForce::Ioc),
        [line(1_000, 1, 2), line(1_250, 2, 2), line(1_500, 3, 2), line(1_750, 4, 2), line(2_000, 5, 3)]
    );
}

#[test]
fn what_cannot_be_sliced_is_sent_whole() {
    for (quantity, slices) in [(3, 4), (8, 1), (8, 0)] {
        let mut run = Run::of(immediate());
        run.quote(100, 99, 101, 99).act(move |ctx| {
            let schedule = Schedule { slices, interval: SECOND, remainder: Remainder::LastSlice };
            ctx.submit_sliced(buy(MARKET, quantity), schedule);
        });
        run.at(60 * SECOND).quote_now(X, 100, 99, 101, 99);
        run.expect(&["1 accepted", &format!("1 buys {quantity} at 101 taker, 0 left")]);
    }
}

#[test]
fn orders_sent_from_a_fill_are_carried_out_before_the_next_event() {
    let mut run = Run::of(immediate());
    let count = Rc::new(RefCell::new(0));
    let seen = Rc::clone(&count);
    run.on_fill(move |ctx, fill| {
        *seen.borrow_mut() += 1;
        if fill.fill.side == Side::Buy {
            ctx.close(X);
        }
    });
    run.quote(100, 9, 101, 9).send(buy(MARKET, 3));
    run.expect(&["1 accepted", "1 buys 3 at 101 taker, 0 left", "2 accepted", "2 sells 3 at 100 taker, 0 left"]);
    assert_eq!(*count.borrow(), 2);
}
