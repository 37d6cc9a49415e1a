//! Delta neutral: the hedge follows the spot, funding is collected, and neither leg stands alone.

use starling_core::Side::{Buy, Sell};
use starling_core::event::Funding;
use starling_core::{CurrencyId, Event, Money, Price, Qty, StrategyId};

use super::rig::{Run, Setting, orders, stamp};
use super::{Builtin, run};

fn carry(options: &str) -> String {
    format!(
        "kind = 'delta_neutral'\nspot = 'S.SIM'\nhedge = 'P.SIM'\nbars = '1m last external'\n\
         size = {{ fixed = '10' }}\n{options}"
    )
}

fn setting() -> Setting {
    Setting::new(&["S", "P"])
}

fn bars(run: &mut Run<Builtin>, minutes: std::ops::RangeInclusive<u64>, closes: [i64; 2]) {
    for n in minutes {
        run.bar("P", stamp(n), [closes[1]; 4]);
        run.bar("S", stamp(n), [closes[0]; 4]);
    }
}

fn fund(run: &mut Run<Builtin>, minute: u64, rate: &str) {
    let (instrument, ts) = (run.id("P"), stamp(minute));
    let funding = Funding { instrument, ts_event: ts, ts_recv: ts, rate: rate.parse().unwrap(), mark: Price::ZERO };
    run.engine.on_event(&Event::Funding(funding)).unwrap();
}

fn funding(run: &Run<Builtin>) -> Money {
    let ledger = run.engine.world().ledger();
    ledger.strategy_totals(starling_core::AccountId(0), CurrencyId(0), StrategyId(0)).funding
}

#[test]
fn the_hedge_follows_the_spot_and_collects_funding() {
    for (hedging, delayed) in [(false, false), (true, false), (false, true)] {
        let mut run = run(&Setting { hedging, delayed, ..setting() }, &carry(""));
        bars(&mut run, 1..=4, [10_000, 10_100]);
        assert_eq!((run.position("S"), run.position("P")), (Qty::from_int(10), Qty::from_int(-10)));
        fund(&mut run, 4, "0.0001");
        // 10 * 101 * 0.0001, received by the short.
        assert_eq!(funding(&run), "0.1".parse().unwrap());
        let sent = orders(&run.stop());
        let sides: Vec<_> = sent.iter().map(|(_, side, qty)| (*side, *qty)).collect();
        assert_eq!(sides, [(Buy, 10), (Sell, 10), (Sell, 10), (Buy, 10)], "hedging {hedging}, delayed {delayed}");
    }
}

#[test]
fn a_part_may_be_left_unhedged() {
    let mut run = run(&setting(), &carry("ratio = '0.5'"));
    bars(&mut run, 1..=3, [10_000, 10_100]);
    assert_eq!((run.position("S"), run.position("P")), (Qty::from_int(10), Qty::from_int(-5)));
}

#[test]
fn the_hedge_is_left_alone_within_its_band() {
    // 2,000,000 of spot: 20,000 shares at 100, 19,608 at 102, 16,667 at 120.
    for (band, moved) in [("0.01", 2), ("0.03", 1)] {
        let text =
            carry(&format!("band = '{band}'\nrebalance_band = 0")).replace("fixed = '10'", "notional = '2000000'");
        let mut run = run(&setting(), &text);
        bars(&mut run, 1..=1, [10_000, 10_000]);
        bars(&mut run, 2..=2, [10_200, 10_200]);
        bars(&mut run, 3..=3, [12_000, 12_000]);
        let hedge = run.id("P");
        let sent = run.sent();
        let trades =
            sent.iter().filter(|s| matches!(s, super::rig::Sent::Order { request, .. } if request.instrument == hedge));
        assert_eq!(trades.count(), moved + 1, "band {band}");
    }
}

#[test]
fn neither_leg_stands_alone() {
    for (refuses, expected) in [
        ("P", [(1, Buy, 10), (1, Sell, 10), (1, Sell, 10)].as_slice()),
        ("S", [(1, Buy, 10), (2, Buy, 10), (3, Buy, 10)].as_slice()),
    ] {
        let mut run = run(&Setting { refuses: Some(refuses), ..setting() }, &carry(""));
        bars(&mut run, 1..=3, [10_000, 10_100]);
        assert_eq!((run.position("S"), run.position("P")), (Qty::ZERO, Qty::ZERO), "{refuses} is refused");
        assert_eq!(orders(&run.sent()), expected, "{refuses} is refused");
    }
}

#[test]
fn a_carry_that_pays_too_much_is_closed_for_good() {
    let mut run = run(&setting(), &carry("funding_paid_max = '0.15'"));
    bars(&mut run, 1..=2, [10_000, 10_000]);
    fund(&mut run, 2, "-0.0001");
    bars(&mut run, 3..=3, [10_000, 10_000]);
    assert_eq!(run.position("S"), Qty::from_int(10), "0.10 paid");
    fund(&mut run, 3, "-0.0001");
    bars(&mut run, 4..=6, [10_000, 10_000]);
    assert_eq!((run.position("S"), run.position("P")), (Qty::ZERO, Qty::ZERO), "0.20 paid");
    assert_eq!(orders(&run.sent())[2..], [(4, Sell, 10), (4, Buy, 10)]);
}
