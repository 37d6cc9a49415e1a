use proptest::prelude::*;
use starling_core::time::DAY;
use starling_core::{Liquidity, Side, UnixNanos};

use super::*;

fn day(year: i32, month: u32, day: u32) -> UnixNanos {
    UnixNanos::from_civil(year, month, day).unwrap()
}

fn point(ts: UnixNanos, equity: f64) -> EquityPoint {
    EquityPoint { ts, equity, gross_exposure: 0.0, net_exposure: 0.0, cash: equity }
}

fn record() -> RunRecord {
    let mut run = RunRecord::new("r", "USD", 100.0);
    run.equity = vec![point(day(2020, 1, 1), 100.0), point(day(2020, 1, 2), 101.0)];
    run.instruments.push(InstrumentRecord {
        symbol: "A".into(),
        venue: "X".into(),
        currency: "USD".into(),
        prices: vec![PricePoint { ts: day(2020, 1, 1), open: 1.0, high: 2.0, low: 0.5, close: 1.5 }],
    });
    run.strategies.push(StrategyRecord {
        id: "s".into(),
        kind: "k".into(),
        parameters: vec![("n".into(), "1".into())],
        pnl: vec![PnlPoint { ts: day(2020, 1, 2), pnl: 1.0 }],
        orders: 1,
        fills: 1,
        fees: 0.1,
    });
    run.fills.push(FillRecord {
        ts: day(2020, 1, 1),
        instrument: 0,
        strategy: 0,
        side: Side::Buy,
        qty: "1".into(),
        price: "1.50".into(),
        fee: "-0.10".into(),
        fee_currency: "USD".into(),
        liquidity: Liquidity::Maker,
        realised: None,
    });
    run.fills_total = 1;
    run.statistics.insert("sharpe".into(), Some(f64::NAN));
    run.statistics.insert("beta".into(), None);
    run
}

#[test]
fn a_record_survives_its_json_and_an_undefined_statistic_comes_back_as_none() {
    let run = record();
    let back = RunRecord::from_json(&run.to_json().unwrap()).unwrap();
    assert_eq!(back.statistics["sharpe"], None);
    assert_eq!(RunRecord { statistics: run.statistics.clone(), ..back }.fills, run.fills);
    assert_eq!(run.statistic("sharpe"), None);
    assert_eq!(run.profit(), 1.0);
}

/// A name and the change that makes a record wrong.
type Fault = (&'static str, fn(&mut RunRecord));

#[test]
fn every_fault_is_refused_with_the_place_it_stands_at() {
    let faults: [Fault; 13] = [
        ("schema 7", |r| r.schema = 7),
        ("equity[1] of the run record is NaN", |r| r.equity[1].cash = f64::NAN),
        ("equity[1] of the run record is stamped 2020-01-01", |r| r.equity[1].ts = r.equity[0].ts),
        ("instruments[0].prices[0] of the run record is inf", |r| r.instruments[0].prices[0].high = f64::INFINITY),
        ("fills[0] of the run record refers to instrument 1, of which there are 1", |r| r.fills[0].instrument = 1),
        ("fills[0] of the run record refers to strategy 9", |r| r.fills[0].strategy = 9),
        ("fills.price[0] of the run record is \"1e5\"", |r| r.fills[0].price = "1e5".into()),
        ("fills.qty[0] of the run record is \"\"", |r| r.fills[0].qty = String::new()),
        ("fills.realised[0] of the run record is \"1.\"", |r| r.fills[0].realised = Some("1.".into())),
        ("fills_total of the run record is 0, yet 1", |r| r.fills_total = 0),
        ("fills of the run record has 20001 entries, the limit is 20000", |r| {
            r.fills = vec![r.fills[0].clone(); FILLS_LIMIT + 1];
        }),
        ("strategies[0].pnl[0] of the run record is -inf", |r| r.strategies[0].pnl[0].pnl = f64::NEG_INFINITY),
        ("costs[2] of the run record is NaN", |r| r.costs.spread = Some(f64::NAN)),
    ];
    record().check().unwrap();
    for (words, spoil) in faults {
        let mut run = record();
        spoil(&mut run);
        let told = run.to_json().expect_err(words).to_string();
        assert!(told.contains(words), "{told:?} should contain {words:?}");
    }
}

#[test]
fn a_record_of_another_schema_is_told_so_whatever_its_fields_are() {
    let told = RunRecord::from_json(r#"{"schema": 2, "other": 1}"#).unwrap_err();
    assert!(matches!(told, TearsheetError::Schema { found: 2 }), "{told}");
}

#[test]
fn monthly_returns_agree_with_a_table_made_by_hand() {
    // 100 -> 110 in November, 99 in December, nothing in January, 118.8 in February, 59.4 at the end of March.
    let points = [
        point(day(2019, 11, 5), 95.0),
        point(day(2019, 11, 30), 110.0),
        point(day(2019, 12, 31), 99.0),
        point(day(2020, 2, 1), 120.0),
        point(day(2020, 2, 29), 118.8),
        point(day(2020, 3, 31), 59.4),
    ];
    let table = monthly_returns(100.0, &points);
    let basis_points = |r: Option<f64>| r.map(|r| (r * 1e4).round() as i64);
    let row = |place: usize, months: std::ops::Range<usize>| {
        let year = &table.years[place];
        assert!(year.months.iter().enumerate().all(|(m, r)| r.is_none() || months.contains(&m)));
        (year.year, year.months[months].iter().map(|&r| basis_points(r)).collect::<Vec<_>>(), basis_points(year.total))
    };
    assert_eq!(table.years.len(), 2);
    assert_eq!(row(0, 10..12), (2019, vec![Some(1000), Some(-1000)], Some(-100)));
    assert_eq!(row(1, 0..3), (2020, vec![None, Some(2000), Some(-5000)], Some(-4000)));
    assert_eq!(monthly_returns(100.0, &[]), MonthlyReturns::default());
}

#[test]
fn a_year_without_a_point_has_an_empty_row() {
    let table = monthly_returns(1.0, &[point(day(2018, 6, 1), 2.0), point(day(2020, 6, 1), 3.0)]);
    assert_eq!(table.years.iter().map(|y| (y.year, y.total)).collect::<Vec<_>>()[1], (2019, None));
    assert_eq!(table.years.len(), 3);
}

#[test]
fn drawdown_starts_at_the_initial_equity() {
    let points = [90.0, 120.0, 60.0, 120.0].map(|e| point(day(2020, 1, 1), e));
    let depths: Vec<f64> = drawdown(100.0, &points).into_iter().map(|(_, d)| d).collect();
    assert!((depths[0] + 0.1).abs() < 1e-12);
    assert_eq!(depths[1..], [0.0, -0.5, 0.0]);
}

#[test]
fn every_statistic_has_words_and_a_key_of_its_own() {
    for (i, s) in STATISTICS.iter().enumerate() {
        assert!(s.convention.ends_with('.') && !s.label.is_empty());
        assert!(STATISTICS[..i].iter().all(|t| t.key != s.key), "{} twice", s.key);
        assert!(!s.convention_for(252.0, 0.02).contains('{'), "{}", s.key);
    }
    assert!(statistic("sharpe").unwrap().convention_for(365.0, 0.02).contains("risk-free 2 % a year"));
    assert_eq!(statistic("beauty"), None);
}

proptest! {
    #[test]
    fn months_compound_to_the_whole_and_decimation_keeps_the_extremes(
        equities in prop::collection::vec(1.0f64..1000.0, 1..400),
        step in 1u64..40,
        limit in 1usize..50,
    ) {
        let start = day(2011, 12, 20);
        let stamp = |i: usize| start + i as u64 * step * DAY;
        let points: Vec<_> = equities.iter().enumerate().map(|(i, &e)| point(stamp(i), e)).collect();
        let whole: f64 = monthly_returns(500.0, &points).years.iter().map(|y| 1.0 + y.total.unwrap_or(0.0)).product();
        prop_assert!((whole * 500.0 / equities[equities.len() - 1] - 1.0).abs() < 1e-9);

        let bars: Vec<_> = equities
            .iter()
            .enumerate()
            .map(|(i, &e)| PricePoint { ts: stamp(i), open: e, high: e * 1.1, low: e * 0.9, close: e })
            .collect();
        let few = decimate(&bars, limit);
        let high = |b: &[PricePoint]| b.iter().map(|p| p.high).fold(0.0, f64::max);
        let low = |b: &[PricePoint]| b.iter().map(|p| p.low).fold(f64::MAX, f64::min);
        prop_assert!(few.len() <= limit);
        prop_assert_eq!((high(&few), low(&few)), (high(&bars), low(&bars)));
        prop_assert_eq!(few[few.len() - 1].close, equities[equities.len() - 1]);
    }
}
