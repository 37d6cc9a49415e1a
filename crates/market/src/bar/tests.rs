use std::collections::BTreeMap;

use proptest::prelude::*;
use starling_core::time::{DAY, HOUR, MILLISECOND, MINUTE, SECOND};
use starling_core::{Bar, BarSeriesId, InstrumentId, Price, Qty, Quote, Side, Trade, UnixNanos};

use super::*;

const EURUSD: InstrumentId = InstrumentId(0);

fn shape(text: &str) -> BarShape {
    text.parse().unwrap()
}

fn series(text: &str, options: BuildOptions) -> Aggregator {
    let spec = BarSpec::parse(EURUSD, text).unwrap();
    let mut specs = vec![spec.clone()];
    specs.extend(spec.base());
    let table = BarSeriesTable::freeze(specs).unwrap();
    Aggregator::new(&table, table.id(&spec).unwrap(), &sessions(), options).unwrap()
}

/// New York hours in winter, with the evening futures session of Chicago beside it.
fn sessions() -> Sessions {
    let us = Some(Hours { open_s: 52_200, close_s: 75_600 });
    let us = SessionCalendar::new(
        [us, us, us, us, us, None, None],
        vec!["2013-12-25".parse().unwrap()],
        BTreeMap::from([("2013-12-24".parse().unwrap(), Hours { open_s: 52_200, close_s: 64_800 })]),
    );
    let cme = Some(Hours { open_s: -3_600, close_s: 79_200 });
    let cme = SessionCalendar::new([cme, cme, cme, cme, cme, None, None], Vec::new(), BTreeMap::new());
    Sessions(BTreeMap::from([("us".parse().unwrap(), us.unwrap()), ("cme".parse().unwrap(), cme.unwrap())]))
}

fn day(text: &str) -> u64 {
    u64::from(text.parse::<CivilDay>().unwrap().number()) * DAY
}

fn trade(ts: u64, price: i64, size: i64) -> Trade {
    let ts = UnixNanos::new(ts);
    Trade {
        instrument: EURUSD,
        ts_event: ts,
        ts_recv: ts,
        price: Price::from_int(price),
        size: Qty::from_int(size),
        aggressor: None,
        trade_id: 0,
    }
}

fn shown(bars: &[Bar]) -> Vec<String> {
    let show = |b: &Bar| format!("{} {} {} {} {} x{}", b.ts_event, b.open, b.high, b.low, b.close, b.volume);
    bars.iter().map(show).collect()
}

fn feed(series: &mut Aggregator, trades: &[Trade]) -> Vec<Bar> {
    let mut out = Vec::new();
    trades.iter().for_each(|t| series.on_trade(t, &mut out));
    out
}

mod text {
    use super::*;

    #[test]
    fn a_shape_prints_in_its_canonical_form() {
        for (written, canonical) in [
            ("15m bid internal", "15m bid internal"),
            ("60s", "1m last internal"),
            ("  1d   external ", "1d last external"),
            ("24h+1320m mid", "1d+22h mid internal"),
            ("1d@us last external", "1d@us last external"),
            ("1w@cme", "1w@cme last internal"),
            ("1mo ask", "1mo ask internal"),
            ("250ms", "250ms last internal"),
            ("1000t", "1000t last internal"),
            ("0.50v", "0.5v last internal"),
            ("1000000val", "1000000val last internal"),
            ("10ti", "10ti last internal"),
            ("5vi", "5vi last internal"),
            ("5vali", "5vali last internal"),
            ("7tr", "7tr last internal"),
            ("7vr", "7vr last internal"),
            ("7valr", "7valr last internal"),
            ("0.5renko last internal", "0.5renko last internal"),
            ("5m last composite(1m)", "5m last composite(1m external)"),
            ("1w bid composite(1d@us internal)", "1w bid composite(1d@us internal)"),
        ] {
            assert_eq!(shape(written).to_string(), canonical);
            assert_eq!(shape(canonical), shape(written));
        }
    }

    #[test]
    fn what_is_no_shape_says_what_would_be() {
        let error = |text: &str| text.parse::<BarShape>().unwrap_err().to_string();
        for text in ["", "m", "15", "15q", "1h@us", "1t+3t", "1w+1d", "-1m", "1m@us", "1d@us+1h", "1d+22h@us"] {
            assert!(error(text).contains("is no bar size") || error(text).contains("session name"), "{text}");
            assert!(text.parse::<BarShape>().is_err(), "{text}");
        }
        assert!(error("15q").contains("renko"));
        for text in ["0m", "1.5m", "0t", "1.5t", "0v", "2w", "2d@us", "1h+1h", "99999999999999d", "5000000000t"] {
            assert!(matches!(text.parse::<BarShape>(), Err(BarError::Number { .. })), "{text}");
        }
        assert!(matches!("0.0000000001v".parse::<BarShape>(), Err(BarError::Number { .. })));
        for text in ["1m internal bid", "1m bidd", "1m bid composite", "1m bid composite(1s outside)"] {
            assert!(matches!(text.parse::<BarShape>(), Err(BarError::Word { .. })), "{text}");
        }
        for text in
            ["5m composite(2m)", "5m composite(5m)", "1m composite(5m)", "1h composite(100t)", "9val composite(1m)"]
        {
            assert!(matches!(text.parse::<BarShape>(), Err(BarError::Composite { .. })), "{text}");
        }
        assert!("1h+20m composite(30m)".parse::<BarShape>().is_err(), "boundaries at :20 and :50 against :00 and :30");
        assert!("1h+30m composite(30m)".parse::<BarShape>().is_ok());
        assert!(matches!("1d@Us".parse::<BarShape>(), Err(BarError::SessionName { .. })));
    }

    #[test]
    fn a_shape_put_together_by_hand_is_checked_too() {
        let every = |interval_ns, origin_ns| BarShape {
            side: PriceSide::Bid,
            aggregation: Aggregation::Time { interval_ns, origin_ns },
            source: BarSource::Internal,
        };
        assert!(every(0, 0).check().is_err());
        assert!(every(MINUTE, MINUTE).check().is_err());
        assert!(every(MINUTE, MINUTE - 1).check().is_ok());
        let negative = Aggregation::Volume(Qty::from_int(-1));
        assert!(BarShape { aggregation: negative, ..every(MINUTE, 0) }.check().is_err());
    }

    #[test]
    fn configuration_holds_shapes_and_calendars_as_text() {
        let spec = BarSpec::new(EURUSD, shape("5m bid composite(1m internal)"));
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(json, r#"{"instrument":0,"shape":"5m bid composite(1m internal)"}"#);
        assert_eq!(serde_json::from_str::<BarSpec>(&json).unwrap(), spec);
        let json = serde_json::to_string(&sessions()).unwrap();
        assert!(json.contains(r#""2013-12-25""#), "{json}");
        assert_eq!(serde_json::from_str::<Sessions>(&json).unwrap(), sessions());
    }

    fn amounts() -> impl Strategy<Value = Aggregation> {
        let qty = (1..i64::MAX).prop_map(Qty::from_units);
        let money = (1..i128::MAX).prop_map(starling_core::Money::from_units);
        let name = "[a-z0-9_-]{1,32}".prop_map(|n: String| n.parse::<SessionName>().unwrap());
        let time = (1..u64::MAX, any::<u64>())
            .prop_map(|(interval_ns, origin)| Aggregation::Time { interval_ns, origin_ns: origin % interval_ns });
        let round = (1..100_000u64, prop_oneof![Just(SECOND), Just(MINUTE), Just(HOUR), Just(DAY), Just(MILLISECOND)])
            .prop_map(|(n, unit)| Aggregation::every(n * unit));
        prop_oneof![
            time,
            round,
            name.clone().prop_map(|session| Aggregation::Calendar(CalendarPeriod::Day { session })),
            proptest::option::of(name.clone())
                .prop_map(|session| Aggregation::Calendar(CalendarPeriod::Week { session })),
            proptest::option::of(name).prop_map(|session| Aggregation::Calendar(CalendarPeriod::Month { session })),
            (1..u32::MAX).prop_map(Aggregation::Tick),
            (1..u32::MAX).prop_map(Aggregation::TickImbalance),
            (1..u32::MAX).prop_map(Aggregation::TickRuns),
            qty.clone().prop_map(Aggregation::Volume),
            qty.clone().prop_map(Aggregation::VolumeImbalance),
            qty.prop_map(Aggregation::VolumeRuns),
            money.clone().prop_map(Aggregation::Value),
            money.clone().prop_map(Aggregation::ValueImbalance),
            money.prop_map(Aggregation::ValueRuns),
            (1..i64::MAX).prop_map(|u| Aggregation::Renko { brick: Price::from_units(u) }),
        ]
    }

    proptest! {
        #[test]
        fn shapes_and_their_text_are_inverse(
            aggregation in amounts(),
            side in prop_oneof![Just(PriceSide::Bid), Just(PriceSide::Ask), Just(PriceSide::Mid), Just(PriceSide::Last)],
            external: bool,
        ) {
            let source = if external { BarSource::External } else { BarSource::Internal };
            let shape = BarShape { side, aggregation, source };
            prop_assert_eq!(shape.to_string().parse::<BarShape>(), Ok(shape));
        }

        #[test]
        fn any_text_parses_or_is_refused(text in "[0-9.]{0,4}[a-z@+]{0,6}[0-9]{0,2} ?[a-z()]{0,12}") {
            if let Ok(shape) = text.parse::<BarShape>() {
                prop_assert_eq!(shape.to_string().parse::<BarShape>(), Ok(shape));
            }
        }
    }
}

mod table {
    use super::*;

    #[test]
    fn ids_depend_on_the_set_and_bases_come_first() {
        let texts = ["5m composite(1m internal)", "1m bid external", "1m internal", "15m bid composite(1m)"];
        let specs = |order: &[usize]| order.iter().map(|at| BarSpec::parse(EURUSD, texts[*at]).unwrap()).collect();
        let table = BarSeriesTable::freeze(specs(&[0, 1, 2, 3])).unwrap();
        assert_eq!(table, BarSeriesTable::freeze(specs(&[3, 2, 0, 1, 1, 2])).unwrap());
        assert_eq!(table, BarSeriesTable::freeze(specs(&[3, 0, 1])).unwrap(), "an internal base is added");
        let names: Vec<String> = table.iter().map(|(_, spec)| spec.shape.to_string()).collect();
        assert_eq!(
            names,
            ["1m bid external", "1m last internal", "15m bid composite(1m external)", "5m last composite(1m internal)"]
        );
        assert_eq!(table.base(BarSeriesId(2)), Some(BarSeriesId(0)));
        assert_eq!(table.composites(BarSeriesId(1)), [BarSeriesId(3)]);
        assert_eq!((table.len(), table.is_empty()), (4, false));
        let lonely = BarSeriesTable::freeze(specs(&[3])).unwrap_err();
        assert!(lonely.to_string().contains("`1m bid external`"), "{lonely}");
    }

    #[test]
    fn only_what_is_built_here_has_an_aggregator() {
        let table = BarSeriesTable::freeze(vec![
            BarSpec::parse(EURUSD, "1m external").unwrap(),
            BarSpec::parse(EURUSD, "1d@tokyo").unwrap(),
        ])
        .unwrap();
        let make = |id| Aggregator::new(&table, BarSeriesId(id), &sessions(), BuildOptions::default());
        assert!(matches!(make(0), Err(BarError::NothingToBuild { .. })));
        let error = make(1).unwrap_err().to_string();
        assert!(error.contains("`tokyo`") && error.contains("cme, us"), "{error}");
    }
}

mod calendar {
    use super::*;

    #[test]
    fn weekdays_and_dates_agree_with_the_calendar() {
        // Python: datetime.date(2024, 2, 29).weekday() == 3.
        assert_eq!("2024-02-29".parse::<CivilDay>().unwrap().weekday(), 3);
        assert_eq!("1970-01-01".parse::<CivilDay>().unwrap().weekday(), 3);
        for wrong in ["2023-02-29", "1969-12-31", "2024-2-29", "+024-02-29", "2024-02-29 ", "20240229--"] {
            assert!(matches!(wrong.parse::<CivilDay>(), Err(BarError::Date { .. })), "{wrong}");
        }
    }

    #[test]
    fn calendars_that_contradict_themselves_are_refused() {
        let week = |open_s, close_s| {
            let hours = Some(Hours { open_s, close_s });
            SessionCalendar::new([hours, hours, None, None, None, None, None], Vec::new(), BTreeMap::new())
        };
        assert!(week(0, 86_400).is_ok());
        for (open, close) in [(3_600, 3_600), (0, 86_401), (86_400, 90_000), (-86_401, 0), (86_399, 172_801)] {
            assert!(matches!(week(open, close), Err(BarError::Session { .. })), "{open} {close}");
        }
        assert!(week(43_200, 129_600).is_ok(), "noon to noon");
        assert!(SessionCalendar::new([None; 7], Vec::new(), BTreeMap::new()).is_err());
        let noon_to_noon = Some(Hours { open_s: 43_200, close_s: 129_600 });
        let early = BTreeMap::from([("2024-01-02".parse().unwrap(), Hours { open_s: 0, close_s: 3_600 })]);
        assert!(SessionCalendar::new([noon_to_noon; 7], Vec::new(), early).is_err(), "overlaps the day before");
    }

    #[test]
    fn a_session_day_ends_at_its_close_early_or_not() {
        let mut series = series("1d@us", BuildOptions::default());
        let (monday, eve, christmas) = (day("2013-12-23"), day("2013-12-24"), day("2013-12-25"));
        let at = |day: u64, hour: u64, minute: u64| day + hour * HOUR + minute * MINUTE;
        let bars = feed(
            &mut series,
            &[
                trade(at(monday, 14, 29), 99, 1),
                trade(at(monday, 14, 30), 100, 1),
                trade(at(monday, 21, 0), 101, 1),
                trade(at(monday, 21, 0) + 1, 95, 1),
                trade(at(eve, 18, 0), 102, 1),
                trade(at(eve, 18, 1), 103, 1),
                trade(at(christmas, 15, 0), 104, 1),
                trade(at(christmas + DAY, 15, 0), 105, 1),
            ],
        );
        assert_eq!(
            shown(&bars),
            ["2013-12-23T21:00:00Z 100 101 100 101 x2", "2013-12-24T18:00:00Z 102 102 102 102 x1",]
        );
        assert_eq!(series.counts().outside, 4);
        assert_eq!(series.next_close(), Some(UnixNanos::new(at(christmas + DAY, 21, 0))));
    }

    #[test]
    fn a_week_of_sessions_ends_with_its_last_session() {
        let mut series = series("1w@cme", BuildOptions::default());
        // The Monday session opens on Sunday at 23:00; Friday's closes at 22:00.
        let sunday = day("2024-03-03");
        let bars = feed(
            &mut series,
            &[
                trade(sunday + 22 * HOUR, 90, 1),
                trade(sunday + 23 * HOUR, 100, 1),
                trade(sunday + DAY + 22 * HOUR + 30 * MINUTE, 1, 1),
                trade(sunday + 5 * DAY + 22 * HOUR, 110, 1),
                trade(sunday + 5 * DAY + 23 * HOUR, 1, 1),
                trade(sunday + 7 * DAY + 23 * HOUR, 120, 1),
            ],
        );
        assert_eq!(shown(&bars), ["2024-03-08T22:00:00Z 100 110 100 110 x2"]);
        assert_eq!(series.counts().outside, 3, "before the week, in the daily pause, at the weekend");
    }

    #[test]
    fn a_month_ends_at_its_midnight() {
        let mut series = series("1mo", BuildOptions::default());
        let leap = day("2024-02-29");
        let mut out = feed(&mut series, &[trade(leap, 10, 1), trade(leap + DAY, 11, 1), trade(leap + DAY + 1, 12, 1)]);
        series.close(UnixNanos::new(day("2024-04-01")), &mut out);
        assert_eq!(shown(&out), ["2024-03-01T00:00:00Z 10 11 10 11 x2", "2024-04-01T00:00:00Z 12 12 12 12 x1"]);
    }
}

mod timed {
    use super::*;

    #[test]
    fn a_tick_on_a_boundary_closes_a_bar_but_the_first_one_opens_one() {
        let t = day("2024-01-01");
        let mut series = series("1m", BuildOptions::default());
        let mut out = feed(&mut series, &[trade(t, 10, 1), trade(t + MINUTE, 11, 2)]);
        assert_eq!(series.next_close(), Some(UnixNanos::new(t + MINUTE)));
        assert!(out.is_empty(), "closed by the timer, after all data of the stamp");
        series.close(UnixNanos::new(t + MINUTE), &mut out);
        series.close(UnixNanos::new(t + 2 * MINUTE), &mut out);
        assert_eq!(shown(&out), ["2024-01-01T00:01:00Z 10 11 10 11 x3", "2024-01-01T00:02:00Z 11 11 11 11 x0",]);
    }

    #[test]
    fn empty_intervals_are_filled_skipped_or_capped() {
        let t = day("2024-01-01");
        let ticks = [trade(t + 1, 10, 1), trade(t + HOUR, 20, 1), trade(t + HOUR + 1, 30, 1)];
        let run = |empty| {
            let mut series = series("1m", BuildOptions { empty, ..BuildOptions::default() });
            let bars = feed(&mut series, &ticks);
            (bars.len(), *series.counts(), shown(&bars).pop().unwrap())
        };
        let (all, counts, last) = run(EmptyBars::Emit { run_max: EMPTY_RUN_MAX });
        assert_eq!((all, counts.empty, last.as_str()), (60, 58, "2024-01-01T01:00:00Z 20 20 20 20 x1"));
        let (capped, counts, last_capped) = run(EmptyBars::Emit { run_max: 3 });
        assert_eq!((capped, counts.empty, &last_capped), (5, 3, &last));
        let (skipped, counts, last_skipped) = run(EmptyBars::Skip);
        assert_eq!((skipped, counts.empty, &last_skipped), (2, 0, &last));
    }

    #[test]
    fn each_run_of_empty_bars_is_capped_by_itself() {
        let options = BuildOptions { empty: EmptyBars::Emit { run_max: 3 }, ..BuildOptions::default() };
        let mut series = series("1m", options);
        let hourly: Vec<Trade> = (0..4).map(|n| trade(n * HOUR + 1, 10, 1)).collect();
        assert_eq!(feed(&mut series, &hourly).len(), 3 * (1 + 3));
        assert_eq!(series.counts().empty, 9);
    }

    #[test]
    fn a_sleeping_series_wants_no_timer() {
        let t = day("2024-01-01");
        let mut series = series("1m", BuildOptions { empty: EmptyBars::Skip, ..BuildOptions::default() });
        assert_eq!(series.next_close(), None);
        let mut out = feed(&mut series, &[trade(t + 1, 10, 1)]);
        series.close(UnixNanos::new(t + MINUTE), &mut out);
        assert_eq!((out.len(), series.next_close()), (1, None));
        out.extend(feed(&mut series, &[trade(t + 2 * MINUTE, 11, 1)]));
        assert_eq!(series.next_close(), Some(UnixNanos::new(t + 2 * MINUTE)), "the tick on the boundary is in its bar");
    }

    #[test]
    fn a_stamp_from_the_far_future_ends_a_run_of_empty_bars() {
        let mut series = series("1ms", BuildOptions::default());
        let bars = feed(&mut series, &[trade(1, 10, 1), trade(u64::MAX / 2, 11, 1)]);
        assert_eq!(bars.len() as u32, EMPTY_RUN_MAX + 1);
        assert_eq!(series.next_close().map(|due| due.get() - u64::MAX / 2 < MILLISECOND), Some(true));
    }

    #[test]
    fn late_ticks_are_counted_and_never_rewrite_a_closed_bar() {
        let t = day("2024-01-01");
        let late = Trade { ts_event: UnixNanos::new(t + 59 * SECOND), ..trade(t + 61 * SECOND, 5, 1) };
        for (policy, open) in [(LateTicks::IntoOpenBar, Some(5)), (LateTicks::Drop, None)] {
            let mut series = series("1m", BuildOptions { late: policy, ..BuildOptions::default() });
            let bars = feed(&mut series, &[trade(t + 1, 10, 1), late]);
            assert_eq!(shown(&bars), ["2024-01-01T00:01:00Z 10 10 10 10 x1"]);
            assert_eq!(series.partial().map(|bar| bar.open), open.map(Price::from_int));
            assert_eq!((series.counts().late, series.counts().taken), (1, 2));
        }
    }

    #[test]
    fn a_tick_from_the_very_start_of_the_open_bar_is_not_late() {
        let t = day("2024-01-01");
        let from = |event: u64| Trade { ts_event: UnixNanos::new(event), ..trade(t + 61 * SECOND, 5, 1) };
        let mut series = series("1m", BuildOptions::default());
        feed(&mut series, &[trade(t + 1, 10, 1), from(t + MINUTE)]);
        assert_eq!(series.counts().late, 0);
        feed(&mut series, &[from(t + MINUTE - 1)]);
        assert_eq!(series.counts().late, 1);
    }

    #[test]
    fn a_tick_from_before_the_last_counted_bar_is_late() {
        let from =
            |event: u64, recv: u64, price: i64| Trade { ts_event: UnixNanos::new(event), ..trade(recv, price, 1) };
        let ticks = [from(5, 10, 100), from(9, 11, 103), from(9, 12, 103), from(8, 13, 103)];
        for text in ["2t", "3renko"] {
            let mut series = series(text, BuildOptions { late: LateTicks::Drop, ..BuildOptions::default() });
            assert_eq!(feed(&mut series, &ticks).len(), 1, "{text}");
            assert_eq!((series.counts().late, series.partial().unwrap().volume), (1, Qty::ONE), "{text}");
        }
    }

    #[test]
    fn a_quote_series_takes_its_side() {
        let ts = UnixNanos::new(day("2024-01-01") + 1);
        let quote = Quote {
            instrument: EURUSD,
            ts_event: ts,
            ts_recv: ts,
            bid: "1.000000000".parse().unwrap(),
            ask: "1.000000001".parse().unwrap(),
            bid_size: Qty::from_int(3),
            ask_size: Qty::from_int(4),
        };
        let of = |side: &str| {
            let mut series = series(&format!("1m {side}"), BuildOptions::default());
            series.on_quote(&quote, &mut Vec::new());
            series.partial().map(|bar| format!("{} x{}", bar.close, bar.volume))
        };
        assert_eq!(of("bid").unwrap(), "1 x3");
        assert_eq!(of("ask").unwrap(), "1.000000001 x4");
        assert_eq!(of("mid").unwrap(), "1.000000001 x3.5");
        assert_eq!(of("last"), None);
    }

    #[test]
    fn volume_beyond_the_largest_quantity_stays_there_and_is_counted() {
        let mut series = series("1m", BuildOptions::default());
        let huge = Trade { size: Qty::from_int(9_000_000_000), ..trade(1, 10, 1) };
        let mut out = feed(&mut series, &[huge, huge]);
        series.close(UnixNanos::new(MINUTE), &mut out);
        assert_eq!((out[0].volume, series.counts().saturated), (Qty::MAX, 1));
    }

    #[test]
    #[should_panic(expected = "a trade of the series' instrument")]
    fn a_tick_of_another_instrument_stops_the_engine() {
        let other = Trade { instrument: InstrumentId(1), ..trade(1, 10, 1) };
        feed(&mut series("1m", BuildOptions::default()), &[other]);
    }
}

mod composite {
    use super::*;

    fn minute(ts: u64, recv: u64, prices: [i64; 4]) -> Bar {
        let [open, high, low, close] = prices.map(Price::from_int);
        let (ts_event, ts_recv) = (UnixNanos::new(ts), UnixNanos::new(recv));
        let volume = Qty::from_int(1);
        Bar { instrument: EURUSD, series: BarSeriesId(0), ts_event, ts_recv, open, high, low, close, volume }
    }

    #[test]
    fn it_closes_with_the_base_bar_of_its_boundary() {
        let t = day("2024-01-01");
        let mut series = series("5m composite(1m)", BuildOptions::default());
        let mut out = Vec::new();
        for n in 1..=5u64 {
            assert!(out.is_empty());
            let p = 10 + n as i64;
            series.on_bar(&minute(t + n * MINUTE, t + n * MINUTE, [p, p + 2, p - 1, p + 1]), &mut out);
        }
        assert_eq!(shown(&out), ["2024-01-01T00:05:00Z 11 17 10 16 x5"]);
        series.close(UnixNanos::new(t + 5 * MINUTE), &mut out);
        assert_eq!(out.len(), 1, "its timer comes too late to do it again");
    }

    #[test]
    fn it_waits_its_grace_for_a_base_bar_on_its_way() {
        let t = day("2024-01-01");
        let options = BuildOptions { grace_ns: BuildOptions::LIVE_GRACE_NS, ..BuildOptions::default() };
        let mut series = series("5m composite(1m)", options);
        let mut out = Vec::new();
        series.on_bar(&minute(t + 4 * MINUTE, t + 4 * MINUTE + SECOND, [1, 4, 1, 2]), &mut out);
        assert_eq!(series.next_close(), Some(UnixNanos::new(t + 5 * MINUTE + 3 * SECOND)));
        series.on_bar(&minute(t + 5 * MINUTE, t + 5 * MINUTE + SECOND, [2, 2, 0, 1]), &mut out);
        assert_eq!(shown(&out), ["2024-01-01T00:05:00Z 1 4 0 1 x2"]);
        assert_eq!(out[0].ts_recv, UnixNanos::new(t + 5 * MINUTE + SECOND));
        // The next one never gets its last minute.
        series.on_bar(&minute(t + 9 * MINUTE, t + 9 * MINUTE + SECOND, [1, 1, 1, 1]), &mut out);
        series.close(UnixNanos::new(t + 10 * MINUTE + 3 * SECOND), &mut out);
        assert_eq!((out[1].ts_event, out[1].ts_recv).1, UnixNanos::new(t + 10 * MINUTE + 3 * SECOND));
        assert_eq!(out[1].ts_event, UnixNanos::new(t + 10 * MINUTE));
    }

    #[test]
    fn ticks_of_a_composite_are_bars_and_volume_adds_up() {
        let mut by_count = series("3t composite(1m)", BuildOptions::default());
        let mut by_volume = series("2v composite(1m)", BuildOptions::default());
        let mut bricks = series("2renko composite(1m)", BuildOptions::default());
        let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
        for n in 1..=6u64 {
            let bar = minute(n * MINUTE, n * MINUTE, [n as i64, n as i64 + 1, 0, n as i64]);
            by_count.on_bar(&bar, &mut a);
            by_volume.on_bar(&bar, &mut b);
            bricks.on_bar(&bar, &mut c);
        }
        assert_eq!(shown(&a), ["1970-01-01T00:03:00Z 1 4 0 3 x3", "1970-01-01T00:06:00Z 4 7 0 6 x3"]);
        assert_eq!(b.len(), 3);
        assert_eq!(shown(&c), ["1970-01-01T00:03:00Z 1 3 1 3 x3", "1970-01-01T00:05:00Z 3 5 3 5 x2"]);
    }
}

mod renko {
    use super::*;

    #[test]
    fn a_reversal_takes_two_bricks() {
        let mut series = series("2renko", BuildOptions::default());
        let prices = [100, 101, 102, 101, 100, 99, 98, 97, 96];
        let ticks: Vec<Trade> = prices.iter().enumerate().map(|(n, p)| trade(n as u64 * SECOND, *p, 1)).collect();
        assert_eq!(
            shown(&feed(&mut series, &ticks)),
            [
                "1970-01-01T00:00:02Z 100 102 100 102 x3",
                "1970-01-01T00:00:06Z 100 100 98 98 x4",
                "1970-01-01T00:00:08Z 98 98 96 96 x2",
            ]
        );
    }

    #[test]
    fn one_tick_may_complete_several_bricks_with_stamps_apart() {
        let mut series = series("1renko", BuildOptions::default());
        let bars = feed(&mut series, &[trade(SECOND, 100, 1), trade(2 * SECOND, 103, 5), trade(2 * SECOND, 101, 1)]);
        assert_eq!(
            shown(&bars),
            [
                "1970-01-01T00:00:02Z 100 101 100 101 x6",
                "1970-01-01T00:00:02.000000001Z 101 102 101 102 x0",
                "1970-01-01T00:00:02.000000002Z 102 103 102 103 x0",
                "1970-01-01T00:00:02.000000003Z 102 102 101 101 x1",
            ]
        );
        assert!(bars.iter().all(|bar| bar.ts_recv == UnixNanos::new(2 * SECOND)));
    }

    #[test]
    fn an_absurd_price_lays_a_bounded_number_of_bricks() {
        let mut series = series("0.01renko", BuildOptions::default());
        let mut bars = feed(&mut series, &[trade(1, 100, 1), trade(2, 1_000_000, 1)]);
        assert_eq!(bars.len() as u32, BRICKS_PER_TICK_MAX);
        assert_eq!(series.counts().skipped_bricks, (1_000_000 - 100) * 100 - 10_000);
        bars.clear();
        bars.extend(feed(&mut series, &[trade(3, 1_000_001, 1)]));
        assert_eq!((bars.len(), bars[0].open), (100, Price::from_int(1_000_000)));
        let extreme = Trade { price: Price::MIN, ..trade(4, 0, 1) };
        feed(&mut series, &[extreme, Trade { price: Price::MAX, ..extreme }]);
    }
}

mod properties {
    use super::*;

    /// (milliseconds since the last tick, price move, size, aggressor).
    fn walks() -> impl Strategy<Value = Vec<Trade>> {
        let side = prop_oneof![Just(None), Just(Some(Side::Buy)), Just(Some(Side::Sell))];
        let pause = prop_oneof![Just(0u64), 1..5_000u64, Just(30_000), 30_000..400_000u64];
        let tick = (pause, -3..=3i64, 1..50i64, side, 0..3_000u64);
        (1..3_600_000u64, proptest::collection::vec(tick, 1..200)).prop_map(|(start, ticks)| {
            let (mut ts, mut price) = (day("2024-02-29") + start * MILLISECOND, 1_000);
            ticks
                .into_iter()
                .map(|(pause, step, size, aggressor, lag)| {
                    ts += pause * MILLISECOND;
                    price += step;
                    let ts_event = UnixNanos::new(ts - lag * MILLISECOND);
                    Trade { aggressor, ts_event, ..trade(ts, price, size) }
                })
                .collect()
        })
    }

    const SHAPES: [&str; 15] = [
        "1m",
        "5m",
        "1h+20m",
        "1d",
        "1w",
        "7t",
        "90v",
        "60000val",
        "4ti",
        "70vi",
        "60000vali",
        "6tr",
        "80vr",
        "60000valr",
        "2renko",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn volume_is_conserved_and_bars_are_well_formed(ticks in walks(), which in 0..SHAPES.len()) {
            let mut series = series(SHAPES[which], BuildOptions::default());
            let bars = feed(&mut series, &ticks);
            let input: Qty = ticks.iter().map(|t| t.size).sum();
            let held = series.partial().map_or(Qty::ZERO, |bar| bar.volume);
            prop_assert_eq!(bars.iter().map(|bar| bar.volume).sum::<Qty>() + held, input);
            for bar in bars.iter().chain(&series.partial()) {
                prop_assert!(bar.high >= bar.open.max(bar.close) && bar.low <= bar.open.min(bar.close));
            }
            prop_assert!(bars.windows(2).all(|w| w[0].ts_event < w[1].ts_event && w[0].ts_recv <= w[1].ts_recv));
            prop_assert_eq!(series.counts().bars, bars.len() as u64);
        }

        #[test]
        fn a_tick_bar_holds_exactly_n_ticks(ticks in walks(), n in 1..40usize) {
            let bars = feed(&mut series(&format!("{n}t"), BuildOptions::default()), &ticks);
            prop_assert_eq!(bars.len(), ticks.len() / n);
            for (bar, chunk) in bars.iter().zip(ticks.chunks(n)) {
                prop_assert_eq!(bar.volume, chunk.iter().map(|t| t.size).sum::<Qty>());
                prop_assert_eq!((bar.open, bar.close), (chunk[0].price, chunk[n - 1].price));
            }
        }

        #[test]
        fn five_minutes_made_of_minutes_equal_five_minutes_made_of_ticks(ticks in walks()) {
            let mut minutes = series("1m", BuildOptions::default());
            let mut direct = series("5m", BuildOptions::default());
            let mut composite = {
                let specs = ["1m", "5m composite(1m internal)"].map(|t| BarSpec::parse(EURUSD, t).unwrap());
                let table = BarSeriesTable::freeze(specs.to_vec()).unwrap();
                Aggregator::new(&table, BarSeriesId(1), &Sessions::default(), BuildOptions::default()).unwrap()
            };
            let (mut small, mut want, mut got) = (Vec::new(), Vec::new(), Vec::new());
            for tick in &ticks {
                minutes.on_trade(tick, &mut small);
                direct.on_trade(tick, &mut want);
            }
            let end = UnixNanos::new(ticks.last().unwrap().ts_recv.get() + 10 * MINUTE);
            minutes.close(end, &mut small);
            direct.close(end, &mut want);
            small.iter().for_each(|bar| composite.on_bar(bar, &mut got));
            composite.close(end, &mut got);
            for bar in &mut got {
                bar.series = BarSeriesId(0);
            }
            prop_assert_eq!(got, want);
        }

        #[test]
        fn a_snapshot_has_the_same_future(ticks in walks(), which in 0..SHAPES.len(), cut in 0..200usize) {
            let mut series = series(SHAPES[which], BuildOptions::default());
            let (head, tail) = ticks.split_at(cut.min(ticks.len()));
            feed(&mut series, head);
            let mut restored: Aggregator =
                serde_json::from_str(&serde_json::to_string(&series).unwrap()).unwrap();
            prop_assert_eq!(&restored, &series);
            prop_assert_eq!(feed(&mut restored, tail), feed(&mut series, tail));
            prop_assert_eq!(restored, series);
        }

        #[test]
        fn timers_change_no_bar_but_only_when_it_comes(ticks in walks(), which in 0..5usize, skip: bool) {
            let empty = if skip { EmptyBars::Skip } else { EmptyBars::Emit { run_max: 4 } };
            let options = BuildOptions { empty, ..BuildOptions::default() };
            let (mut with, mut without) = (series(SHAPES[which], options), series(SHAPES[which], options));
            let want = feed(&mut without, &ticks);
            let mut got = Vec::new();
            for tick in &ticks {
                while let Some(due) = with.next_close().filter(|due| *due < tick.ts_recv) {
                    with.close(due, &mut got);
                }
                with.on_trade(tick, &mut got);
            }
            prop_assert_eq!(got, want);
            prop_assert_eq!(with, without);
        }

        #[test]
        fn a_boundary_lies_after_its_instant_and_ends_the_span_that_holds_it(
            ts in 0..2_000_000_000_000_000_000u64,
            text in prop_oneof![Just("7s"), Just("1d+22h"), Just("1w"), Just("1mo"), Just("1d@us"), Just("1w@cme"), Just("1mo@us")],
        ) {
            let boundaries = boundary::Boundaries::of(&shape(text), &sessions()).unwrap().unwrap();
            let span = boundaries.after(ts);
            prop_assert!(span.start < span.due && span.due > ts);
            if !boundaries.has_sessions() {
                prop_assert!(span.start <= ts);
            }
            prop_assert_eq!(boundaries.after(span.due - 1), span);
            prop_assert!(boundaries.after(span.due).start >= span.due);
        }
    }
}
