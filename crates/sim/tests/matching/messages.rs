//! Messages on their way: latency of orders and reports, halts, cancels and changes that cross, the end of the data.

use crate::rig::*;
use starling_core::event::{CommandKind, TradingStatus};
use starling_core::order::ReportKind;
use starling_core::time::{MILLISECOND, SECOND};
use starling_core::{OrderKind, TimeInForce, UnixNanos};
use starling_sim::model::{Activation, Latency, VenueModel};

const MARKET: OrderKind = OrderKind::Market;

fn strict() -> VenueModel {
    VenueModel::default()
}

fn immediate() -> VenueModel {
    VenueModel { activation: Activation::Immediate, ..strict() }
}

fn fixed(millis: u64) -> Latency {
    Latency::Fixed { nanos: millis * MILLISECOND }
}

#[test]
fn an_order_meets_the_market_of_its_arrival() {
    let mut run = Run::of(VenueModel { order_latency: fixed(1_500), ..immediate() });
    run.quote(99, 9, 101, 9).send(buy(MARKET, 1)).quote(100, 9, 102, 9).quote(101, 9, 103, 9);
    run.expect_timed(&[(2_500, "1 accepted"), (2_500, "1 buys 1 at 102 taker, 0 left")]);
    // An arrival at the stamp of a quote comes after the quote.
    let mut run = Run::of(VenueModel { order_latency: fixed(1_000), ..immediate() });
    run.quote(99, 9, 101, 9).send(buy(MARKET, 1)).quote(100, 9, 102, 9).expect(&[]);
    run.quote(101, 9, 103, 9).expect_timed(&[(2_000, "1 accepted"), (2_000, "1 buys 1 at 102 taker, 0 left")]);
    // And with the strict activation it meets the event after that.
    let mut run = Run::of(VenueModel { order_latency: fixed(1_000), ..strict() });
    run.quote(99, 9, 101, 9).send(buy(MARKET, 1)).quote(100, 9, 102, 9).quote(101, 9, 103, 9);
    run.expect_timed(&[(3_000, "1 accepted"), (3_000, "1 buys 1 at 103 taker, 0 left")]);
}

#[test]
fn a_cancel_that_a_fill_overtakes_is_refused() {
    let mut run = Run::of(VenueModel { order_latency: fixed(1_500), ..immediate() });
    run.quote(99, 9, 101, 9).send(buy(limit(100), 1)).at(5 * SECOND).quote_now(X, 99, 9, 101, 9).cancel(1);
    run.at(6 * SECOND).quote_now(X, 98, 9, 100, 9).at(7 * SECOND).quote_now(X, 98, 9, 100, 9);
    run.expect_timed(&[
        (2_500, "1 accepted"),
        (6_000, "1 buys 1 at 100 maker, 0 left"),
        (6_500, "1 cannot cancel UnknownOrder"),
    ]);
    assert_eq!(run.open(), (0, 0));
}

#[test]
fn a_change_in_flight_meets_what_has_traded_meanwhile() {
    let mut run = Run::of(VenueModel { order_latency: fixed(1_500), ..immediate() });
    run.quote(99, 9, 101, 9).send(buy(limit(100), 6)).at(5 * SECOND).quote_now(X, 99, 9, 101, 9).modify(
        1,
        Some(3),
        None,
    );
    // Three have traded when it arrives: it would leave nothing.
    run.at(6 * SECOND).quote_now(X, 98, 9, 100, 3).at(7 * SECOND).quote_now(X, 98, 9, 101, 9);
    run.expect(&["1 accepted", "1 buys 3 at 100 maker, 3 left", "1 keeps its terms Increment"]);
    run.modify(1, Some(4), None).at(9 * SECOND).quote_now(X, 98, 9, 100, 9);
    run.expect(&["1 modified to 4", "1 buys 1 at 100 maker, 0 left"]);
    // The whole order has traded.
    run.send(buy(limit(99), 6)).at(12 * SECOND).quote_now(X, 98, 9, 100, 9).modify(2, Some(5), None);
    run.at(13 * SECOND).quote_now(X, 97, 9, 99, 9).at(15 * SECOND).quote_now(X, 97, 9, 99, 9);
    run.expect(&["2 accepted", "2 buys 6 at 99 maker, 0 left", "2 keeps its terms UnknownOrder"]);
}

#[test]
fn reports_arrive_late_and_the_engine_acts_on_what_it_knows() {
    let mut run = Run::of(VenueModel { report_latency: fixed(700), ..immediate() });
    run.quote(99, 9, 101, 9).send(buy(MARKET, 2)).expect_position(0).expect(&[]);
    run.quote(99, 9, 101, 9).expect_position(2);
    run.expect_timed(&[(1_700, "1 accepted"), (1_700, "1 buys 2 at 101 taker, 0 left")]);
    // Traded at the venue, not known here: the cancel leaves and is refused.
    run.send(buy(limit(100), 1)).quote(98, 9, 100, 9).cancel(2).quote(98, 9, 100, 9);
    run.expect_timed(&[
        (2_700, "2 accepted"),
        (3_700, "2 buys 1 at 100 maker, 0 left"),
        (3_700, "2 cannot cancel UnknownOrder"),
    ]);
}

#[test]
fn an_order_changed_while_it_waits_is_accepted_once_however_late_the_report() {
    let mut run = Run::of(VenueModel { report_latency: fixed(100), ..strict() });
    run.quote(99, 9, 101, 9).send(buy(MARKET, 5)).modify(1, Some(4), None).quote(99, 9, 101, 6).quote(99, 9, 101, 6);
    run.expect_timed(&[(1_100, "1 accepted"), (1_100, "1 modified to 4"), (2_100, "1 buys 4 at 101 taker, 0 left")]);
}

#[test]
fn no_message_overtakes_another_on_its_line() {
    // Sampled latencies of both directions: whatever they are, each order is accepted before it trades or is cancelled,
    // and no cancel arrives before its order.
    let latency = Latency::Uniform { min_nanos: 0, max_nanos: 3 * SECOND };
    for seed in 0..40 {
        let model = VenueModel { order_latency: latency, report_latency: latency, ..immediate() };
        let mut run = Run::new(&Setting { seed, ..Setting::of(model) });
        run.quote(99, 9, 101, 9);
        for n in 1..=10 {
            run.send(buy(if n % 2 == 0 { MARKET } else { limit(90) }, 12)).cancel(n).quote(99, 9, 101, 9);
        }
        run.at(60 * SECOND).quote_now(X, 99, 9, 101, 9);
        let reports = run.reports();
        assert!(reports.windows(2).all(|pair| pair[0].ts_recv <= pair[1].ts_recv), "seed {seed}");
        assert!(reports.iter().all(|r| r.ts_event <= r.ts_recv && r.ts_recv.get() - r.ts_event.get() <= 30 * SECOND));
        let accepted = reports.iter().filter(|r| r.kind == ReportKind::Accepted).count();
        let canceled = reports.iter().filter(|r| r.kind == ReportKind::Canceled).count();
        assert_eq!((accepted, canceled, run.open()), (10, 5, (0, 0)), "seed {seed}");
    }
}

#[test]
fn a_halt_refuses_holds_and_lets_cancel() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 9).send(buy(limit(98), 2)).send(buy(limit(97), 2)).send(sell(stop(95), 1));
    run.status(TradingStatus::Halted).expect(&["1 accepted", "2 accepted", "3 accepted"]);
    // Nothing matches, nothing wakes, orders are denied, changes too; a cancel passes.
    run.quote(90, 9, 91, 9).trade(90, 9).bar([90, 90, 90, 90], 20).send(buy(MARKET, 1)).modify(
        1,
        None,
        Some(limit(99)),
    );
    run.cancel(2).expect(&["2 canceled"]);
    run.expect_told(&[
        "1 Accepted",
        "2 Accepted",
        "3 Accepted",
        "4 denied halt_state",
        "1 denied halt_state",
        "2 Canceled",
    ]);
    run.status(TradingStatus::Open).expect(&[]);
    // From 90, where the halt left it, the market comes to 95 before it comes to 98.
    run.quote(94, 9, 96, 9).expect(&["3 triggered", "3 sells 1 at 94 taker, 0 left", "1 buys 2 at 98 maker, 0 left"]);
}

#[test]
fn what_arrives_in_a_halt_is_refused_and_what_waits_is_handed_back() {
    let mut run = Run::of(VenueModel { order_latency: fixed(1_500), ..immediate() });
    run.quote(99, 9, 101, 9).send(buy(limit(100), 2)).quote(99, 9, 101, 9).quote(99, 9, 101, 9);
    run.modify(1, None, Some(limit(101))).send(buy(MARKET, 1)).status(TradingStatus::Halted).quote(99, 9, 101, 9);
    run.expect(&["1 accepted", "1 keeps its terms NotTrading", "2 rejected NotTrading"]);
    // A smaller quantity is as good as a cancel in part.
    let mut run = Run::of(VenueModel { order_latency: fixed(1_500), ..immediate() });
    run.quote(99, 9, 101, 9).send(buy(limit(100), 2)).quote(99, 9, 101, 9).quote(99, 9, 101, 9);
    run.modify(1, Some(1), None)
        .status(TradingStatus::Halted)
        .quote(99, 9, 101, 9)
        .expect(&["1 accepted", "1 modified to 1"]);
    // Waiting orders, one of them changed and so accepted, with their expiries.
    let gtd = TimeInForce::Gtd(UnixNanos::new(START + 9 * SECOND));
    let mut run = Run::of(strict());
    run.quote(99, 9, 101, 9).send(buy(MARKET, 1).tif(gtd)).send(buy(MARKET, 2).tif(gtd)).modify(2, Some(1), None);
    run.status(TradingStatus::Closed);
    run.expect(&["2 accepted", "2 modified to 1", "1 rejected NotTrading", "2 canceled"]);
    run.status(TradingStatus::Open).at(20 * SECOND).quote_now(X, 99, 9, 101, 9).expect(&[]);
    assert_eq!((run.open(), run.exchange.borrow().orders()), ((0, 0), 0));
}

#[test]
fn cancels_of_ended_and_unknown_orders_go_nowhere() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 9).send(buy(MARKET, 1)).cancel(1).cancel(7).modify(1, Some(3), None);
    run.expect(&["1 accepted", "1 buys 1 at 101 taker, 0 left"]).expect_told(&["1 Accepted", "1 Filled"]);
}

#[test]
fn a_kill_cancels_everything_that_rests() {
    let mut run = Run::of(immediate());
    run.quote(99, 9, 101, 9)
        .send(buy(limit(98), 2))
        .send(buy(stop(110), 2))
        .command(CommandKind::Kill)
        .send(buy(MARKET, 1));
    run.expect(&["1 accepted", "2 accepted", "1 canceled", "2 canceled"]);
    run.expect_told(&["1 Accepted", "2 Accepted", "1 Canceled", "2 Canceled", "3 denied kill"]);
}

#[test]
fn at_the_end_of_the_data_what_waits_meets_the_last_market() {
    let mut run = Run::of(strict());
    run.quote(99, 9, 101, 9).send(buy(MARKET, 2)).quote(99, 9, 101, 9).on_stop(|ctx| ctx.close(X));
    run.stop().expect(&["1 accepted", "1 buys 2 at 101 taker, 0 left", "2 accepted", "2 sells 2 at 99 taker, 0 left"]);
    run.expect_position(0);
}

#[test]
fn at_the_end_of_the_data_what_is_in_flight_arrives() {
    // Without this a closing order would never be carried out, and a fill at the venue never be booked.
    for activation in [Activation::Immediate, Activation::NextEvent] {
        let model = VenueModel { order_latency: fixed(300), report_latency: fixed(400), activation, ..strict() };
        let mut run = Run::of(model);
        run.quote(99, 9, 101, 9).send(buy(MARKET, 2)).quote(99, 9, 101, 9).quote(99, 9, 101, 9).expect_position(2);
        run.on_stop(|ctx| ctx.close(X)).stop().expect_position(0);
        run.expect(&["1 accepted", "1 buys 2 at 101 taker, 0 left", "2 accepted", "2 sells 2 at 99 taker, 0 left"]);
        assert_eq!(run.open(), (0, 0));
    }
}
