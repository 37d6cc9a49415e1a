use proptest::prelude::*;
use starling_core::event::{Command, CommandKind};
use starling_core::time::{DAY, MINUTE, SECOND};
use starling_core::{BarSeriesId, InstrumentId};

use super::*;

const START: u64 = 19_723 * DAY;

fn bar(n: u64, prices: [i64; 4], volume: i64) -> Bar {
    let [open, high, low, close] = prices.map(Price::from_int);
    let (instrument, series) = (InstrumentId(0), BarSeriesId(0));
    let ts = UnixNanos::new(START + n * MINUTE);
    Bar { instrument, series, ts_event: ts, ts_recv: ts, open, high, low, close, volume: Qty::from_int(volume) }
}

fn quote(n: u64, bid: i64, ask: i64) -> Quote {
    let ts = UnixNanos::new(START + n * SECOND);
    let (bid, ask) = (Price::from_int(bid), Price::from_int(ask));
    Quote { instrument: InstrumentId(0), ts_event: ts, ts_recv: ts, bid, ask, bid_size: Qty::ONE, ask_size: Qty::ONE }
}

fn trade(n: u64, price: i64, trade_id: u64) -> Trade {
    let ts = UnixNanos::new(START + n * SECOND);
    let (price, size) = (Price::from_int(price), Qty::ONE);
    Trade { instrument: InstrumentId(0), ts_event: ts, ts_recv: ts, price, size, aggressor: None, trade_id }
}

/// A minute bar that moves by one to three, up and down: in nine moves four of one, three of two, two of three.
fn lively(n: u64) -> Bar {
    let p = 10_000 + [0, 1, -1, 2, 0, -2, 1, 0, -1][n as usize % 9];
    bar(n, [p, p + 1, p - 1, p], 5)
}

fn check_all(checker: &mut Checker, events: impl IntoIterator<Item = Event>) -> Vec<Verdict> {
    events.into_iter().map(|event| checker.check(&event)).collect()
}

#[test]
fn the_table_is_in_the_order_of_the_faults() {
    for (at, row) in FAULTS.iter().enumerate() {
        assert_eq!(row.fault as usize, at);
        assert_eq!(row.fault.row(), row);
        assert_eq!(serde_json::to_string(&row.fault).unwrap(), format!("\"{}\"", row.name), "one name everywhere");
        assert!(row.doc.ends_with(['.', ')']), "{}", row.name);
    }
}

#[test]
fn a_clean_stream_has_no_fault() {
    let mut checker = Checker::default();
    let verdicts = check_all(&mut checker, (0..2_000).map(|n| Event::Bar(lively(n))));
    assert!(verdicts.iter().all(|v| *v == Verdict::Accept));
    let report = checker.report();
    assert_eq!((report.events, report.dropped, report.refused, report.faults), (2_000, 0, 0, Vec::new()));
    let skew = report.skew.unwrap();
    assert_eq!((skew.events, skew.min_ns, skew.max_ns, skew.negative), (2_000, 0, 0, 0));
}

/// Each fault: events that have it, events next to it that have not.
#[test]
fn every_fault_is_found_and_its_neighbour_is_not() {
    let good = Event::Bar(lively(0));
    let early = |n: u64| Event::Bar(Bar { ts_recv: UnixNanos::new(START + n * MINUTE - 1), ..lively(n) });
    let with_size = |size: i64| Event::Quote(Quote { ask_size: Qty::from_units(size), ..quote(0, 1, 2) });
    let quiet = |len: u64| (0..len).map(|n| Event::Quote(quote(n, 10, 11))).collect::<Vec<_>>();
    let usual = |then: Bar| (0..100).map(|n| Event::Bar(lively(n))).chain([Event::Bar(then)]).collect::<Vec<_>>();
    let jump = |p: i64| usual(bar(100, [p, p, p, p], 1));
    let numbered = |last: [u64; 2]| {
        let trade = |id: u64| Event::Trade(trade(id, 5, id));
        (1..=40).chain(last).map(trade).collect::<Vec<_>>()
    };
    let cases: Vec<(Fault, Vec<Event>, Vec<Event>)> = vec![
        (
            Fault::Unsorted,
            vec![Event::Quote(quote(1, 1, 2)), Event::Quote(quote(0, 1, 2))],
            vec![Event::Quote(quote(1, 1, 2)), Event::Quote(quote(1, 1, 3))],
        ),
        (Fault::DuplicateBar, vec![good, good], vec![good, Event::Bar(lively(1))]),
        (
            Fault::DuplicateTrade,
            vec![Event::Trade(trade(0, 5, 7)), Event::Trade(trade(0, 6, 7))],
            vec![Event::Trade(trade(0, 5, 7)), Event::Trade(trade(0, 5, 8))],
        ),
        (
            Fault::DuplicateEvent,
            vec![Event::Trade(trade(0, 5, 0)), Event::Trade(trade(0, 5, 0))],
            vec![Event::Trade(trade(0, 5, 0)), Event::Trade(trade(1, 5, 0))],
        ),
        (
            Fault::EqualStamp,
            vec![Event::Quote(quote(0, 1, 2)), Event::Quote(quote(0, 1, 3))],
            vec![Event::Quote(quote(0, 1, 2)), Event::Quote(quote(0, 1, 2))],
        ),
        (Fault::ReceivedEarly, vec![early(1)], vec![Event::Bar(lively(1))]),
        (Fault::Crossed, vec![Event::Quote(quote(0, 3, 2))], vec![Event::Quote(quote(0, 2, 2))]),
        (Fault::Locked, vec![Event::Quote(quote(0, 2, 2))], vec![Event::Quote(quote(0, 3, 2))]),
        (Fault::NonPositivePrice, vec![Event::Quote(quote(0, 0, 2))], vec![Event::Quote(quote(0, 1, 2))]),
        (Fault::NegativeSize, vec![with_size(-1)], vec![with_size(0)]),
        (
            Fault::Ohlc,
            vec![Event::Bar(bar(0, [5, 6, 5, 7], 1))],
            vec![Event::Bar(bar(0, [5, 7, 5, 7], 1)), Event::Bar(bar(1, [7, 7, 5, 5], 1))],
        ),
        (Fault::ZeroVolume, vec![Event::Bar(bar(0, [1; 4], 0))], vec![Event::Bar(bar(0, [1; 4], 1))]),
        (Fault::Gap, usual(lively(101)), usual(lively(100))),
        // The median move is two in ten thousand: 1.4826 x 20 of them are 59.3.
        (Fault::Outlier, jump(10_060), jump(10_059)),
        (Fault::SequenceGap, numbered([41, 43]), numbered([41, 42])),
        (Fault::Stale, quiet(60), quiet(59)),
    ];
    assert_eq!(cases.len(), FAULTS.len());
    for (fault, with, without) in cases {
        let mut checker = Checker::default();
        let verdict = *check_all(&mut checker, with).last().unwrap();
        assert_eq!(checker.report().count(fault), 1, "{fault:?}");
        match fault.row().default {
            Policy::Refuse => assert_eq!(verdict, Verdict::Refuse(fault)),
            Policy::DropAndCount => assert_eq!(verdict, Verdict::Drop, "{fault:?}"),
            Policy::AcceptAndCount => assert_eq!(verdict, Verdict::Accept, "{fault:?}"),
        }
        let mut checker = Checker::default();
        let _ = check_all(&mut checker, without);
        assert_eq!(checker.report().count(fault), 0, "{fault:?}");
    }
}

#[test]
fn the_first_three_places_are_kept_and_all_are_counted() {
    let mut checker = Checker::default();
    let _ = check_all(&mut checker, (0..10).map(|n| Event::Quote(quote(n, 2 + n as i64 % 2, 3))));
    let report = checker.report();
    let locked = &report.faults[0];
    assert_eq!((locked.fault, locked.count), (Fault::Locked, 5));
    let places: Vec<_> =
        locked.first.iter().map(|p| (p.sequence, p.ts.since(UnixNanos::new(START)) / SECOND)).collect();
    assert_eq!(places, [(1, 1), (3, 3), (5, 5)]);
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}

#[test]
fn policies_are_set_by_name_and_unknown_ones_refused() {
    let settings: Settings =
        serde_json::from_str(r#"{"policies": {"crossed": "drop_and_count", "locked": "refuse"}}"#).unwrap();
    let mut checker = Checker::new(settings);
    assert_eq!(checker.check(&Event::Quote(quote(0, 3, 2))), Verdict::Drop);
    assert_eq!(checker.check(&Event::Quote(quote(1, 2, 2))), Verdict::Refuse(Fault::Locked));
    let report = checker.report();
    assert_eq!((report.events, report.dropped, report.refused), (2, 1, 1));
    assert!(serde_json::from_str::<Settings>(r#"{"policies": {"bent": "refuse"}}"#).is_err());
    assert!(serde_json::from_str::<Settings>(r#"{"gap": 1}"#).is_err());
}

#[test]
fn the_strictest_policy_wins_and_every_fault_counts() {
    let mut checker = Checker::default();
    // No volume (accepted) and a high below the low (refused).
    assert_eq!(checker.check(&Event::Bar(bar(0, [5, 4, 6, 5], 0))), Verdict::Refuse(Fault::Ohlc));
    assert_eq!(checker.report().count(Fault::ZeroVolume), 1);
}

#[test]
fn what_was_dropped_leaves_no_trace() {
    let mut settings = Settings::default();
    settings.policies.insert(Fault::Unsorted, Policy::DropAndCount);
    settings.policies.insert(Fault::Outlier, Policy::DropAndCount);
    let mut checker = Checker::new(settings);
    let _ = check_all(&mut checker, (0..100).map(|n| Event::Bar(lively(n))));
    let flat = |n, p| Event::Bar(bar(n, [p; 4], 1));
    assert_eq!(checker.check(&flat(99, 10_000)), Verdict::Refuse(Fault::DuplicateBar));
    assert_eq!(checker.check(&flat(98, 10_000)), Verdict::Drop, "unsorted");
    assert_eq!(checker.check(&flat(100, 20_000)), Verdict::Drop);
    assert_eq!(checker.check(&flat(100, 10_000)), Verdict::Accept, "the price before the outlier still stands");
}

#[test]
fn a_new_level_is_taken_after_three_outliers() {
    let mut settings = Settings::default();
    settings.policies.insert(Fault::Outlier, Policy::DropAndCount);
    let mut checker = Checker::new(settings);
    let _ = check_all(&mut checker, (0..100).map(|n| Event::Bar(lively(n))));
    let verdicts = check_all(&mut checker, (100..106).map(|n| Event::Bar(bar(n, [20_000; 4], 1))));
    use Verdict::{Accept, Drop};
    assert_eq!(verdicts, [Drop, Drop, Drop, Accept, Accept, Accept]);
}

#[test]
fn prices_that_mostly_rest_do_not_make_every_move_an_outlier() {
    let mut checker = Checker::default();
    let resting = |n: u64| 10_000 + (n / 4 % 2) as i64;
    let _ = check_all(&mut checker, (0..1_000).map(|n| Event::Bar(bar(n, [resting(n); 4], 1))));
    assert_eq!(checker.report().count(Fault::Outlier), 0);
}

#[test]
fn outliers_do_not_widen_what_counts_as_one() {
    let mut checker = Checker::default();
    // Half of all returns are jumps: counted in, they would be the median.
    let spiky = |n: u64| {
        if n >= 100 && n.is_multiple_of(4) { 12_000 } else { lively(n).close.units() / starling_core::fixed::SCALE }
    };
    let _ = check_all(&mut checker, (0..2_000).map(|n| Event::Bar(bar(n, [spiky(n); 4], 1))));
    assert_eq!(checker.report().count(Fault::Outlier), 950, "475 jumps, there and back");
}

#[test]
fn gaps_have_a_limit_of_their_own() {
    let mut checker = Checker::new(Settings { gap_ns_max: Some(5 * SECOND), ..Settings::default() });
    let _ = check_all(&mut checker, [0, 5, 11].map(|n| Event::Quote(quote(n, 1, 2))));
    assert_eq!(checker.report().faults[0].first, [Place { sequence: 2, ts: UnixNanos::new(START + 11 * SECOND) }]);
}

#[test]
fn streams_do_not_mix() {
    let mut checker = Checker::default();
    let other = |n| Event::Bar(Bar { series: BarSeriesId(3), ..bar(n, [50; 4], 1) });
    let both = (0..500).flat_map(|n| [Event::Bar(lively(n)), other(n)]);
    let _ = check_all(&mut checker, both);
    let found: Vec<Fault> = checker.report().faults.iter().map(|f| f.fault).collect();
    assert_eq!(found, [Fault::Stale], "the other series never moves; nothing else is wrong");
    let command = Command { ts_recv: UnixNanos::new(START), kind: CommandKind::Kill };
    assert_eq!(checker.check(&Event::Command(command)), Verdict::Refuse(Fault::Unsorted));
}

proptest! {
    #[test]
    fn accepted_events_are_in_order_and_well_formed(
        rows in proptest::collection::vec((0..50u64, prop::array::uniform4(-2..20i64), -1..5i64), 1..200),
    ) {
        let policies = FAULTS.iter().filter(|r| r.default == Policy::Refuse).map(|r| (r.fault, Policy::DropAndCount));
        let mut checker = Checker::new(Settings { policies: policies.collect(), ..Settings::default() });
        let bars: Vec<Bar> = rows.into_iter().map(|(n, prices, volume)| bar(n, prices, volume)).collect();
        let kept: Vec<Bar> =
            bars.iter().copied().filter(|bar| checker.check(&Event::Bar(*bar)) == Verdict::Accept).collect();
        prop_assert!(kept.windows(2).all(|w| w[0].ts_event < w[1].ts_event));
        for bar in &kept {
            prop_assert!(bar.low.is_positive() && bar.low <= bar.open.min(bar.close));
            prop_assert!(bar.high >= bar.open.max(bar.close) && !bar.volume.is_negative());
        }
        let report = checker.report();
        prop_assert_eq!((report.events, report.dropped), (bars.len() as u64, (bars.len() - kept.len()) as u64));
    }

    #[test]
    fn a_block_median_is_the_middle_of_its_block(values in prop::collection::vec(any::<u64>(), MEDIAN_FIRST)) {
        let mut median = BlockMedian::new();
        values.iter().for_each(|v| median.add(*v));
        let mut sorted = values;
        sorted.sort_unstable();
        prop_assert_eq!(median.median, Some(sorted[MEDIAN_FIRST / 2]));
    }
}
