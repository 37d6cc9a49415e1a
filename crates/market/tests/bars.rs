//! Bars compared with those that pandas, or a plain loop over integers, made of the same ticks
//! (`scripts/bars_golden.py`).

#![expect(clippy::unwrap_used, reason = "a test crate: a bad golden file should stop it")]

use std::collections::BTreeMap;

use starling_core::time::{MILLISECOND, UnixNanos};
use starling_core::{Bar, BarSeriesId, InstrumentId, Price, Qty, Quote, Side, Trade};
use starling_market::bar::{
    Aggregator, BarSeriesTable, BarSpec, BuildOptions, Hours, PriceSide, SessionCalendar, Sessions,
};

const CENT: i64 = 10_000_000;
const TENTH: i64 = 100_000_000;

fn numbers(line: &str) -> Vec<i64> {
    line.split(',').map(|field| field.parse().unwrap()).collect()
}

fn ticks() -> Vec<(Quote, Trade)> {
    let read = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |at: usize| fields[at].parse::<i64>().unwrap();
        let ts = UnixNanos::new(number(0) as u64 * MILLISECOND);
        let quote = Quote {
            instrument: InstrumentId(0),
            ts_event: ts,
            ts_recv: ts,
            bid: Price::from_units(number(1) * CENT),
            ask: Price::from_units(number(2) * CENT),
            bid_size: Qty::from_units(number(3) * TENTH),
            ask_size: Qty::from_units(number(4) * TENTH),
        };
        let aggressor = match fields[5] {
            "B" => Some(Side::Buy),
            "S" => Some(Side::Sell),
            _ => None,
        };
        let trade = Trade {
            instrument: InstrumentId(0),
            ts_event: ts,
            ts_recv: ts,
            price: Price::from_units(number(6) * CENT),
            size: quote.bid_size,
            aggressor,
            trade_id: 0,
        };
        (quote, trade)
    };
    include_str!("data/bars_ticks.csv").lines().skip(1).map(read).collect()
}

fn short_session() -> Sessions {
    let hours = |open: i32, close: i32| Hours { open_s: open * 3600, close_s: close * 3600 };
    let day = Some(hours(9, 17));
    let calendar = SessionCalendar::new(
        [day, day, day, day, day, None, None],
        vec!["2024-03-06".parse().unwrap()],
        BTreeMap::from([("2024-03-01".parse().unwrap(), hours(9, 13))]),
    );
    Sessions(BTreeMap::from([("short".parse().unwrap(), calendar.unwrap())]))
}

/// Runs a series over the ticks; with timers as the sequencer would, or leaving the closing to the next tick.
fn build(shape: &str, timers: bool, until: UnixNanos) -> Vec<Bar> {
    let spec = BarSpec::parse(InstrumentId(0), shape).unwrap();
    let table = BarSeriesTable::freeze(vec![spec]).unwrap();
    let mut series = Aggregator::new(&table, BarSeriesId(0), &short_session(), BuildOptions::default()).unwrap();
    let mut out = Vec::new();
    for (quote, trade) in &ticks() {
        if timers {
            while let Some(due) = series.next_close().filter(|due| *due < quote.ts_recv) {
                series.close(due, &mut out);
            }
        }
        series.on_quote(quote, &mut out);
        series.on_trade(trade, &mut out);
    }
    series.close(until, &mut out);
    out
}

#[test]
fn every_aggregation_makes_the_golden_bars() {
    let mut golden: BTreeMap<&str, Vec<Vec<i64>>> = BTreeMap::new();
    for line in include_str!("data/bars_golden.csv").lines().skip(1) {
        let (series, rest) = line.split_once(',').unwrap();
        golden.entry(series).or_default().push(numbers(rest));
    }
    assert_eq!(golden.len(), 18);
    for (shape, want) in golden {
        let spec = BarSpec::parse(InstrumentId(0), shape).unwrap();
        // The script keeps midpoints and their sizes in halves.
        let halves = if spec.shape.side == PriceSide::Mid { 2 } else { 1 };
        let until = UnixNanos::new(want.last().unwrap()[0] as u64 * MILLISECOND);
        for timers in [true, false] {
            let got = build(shape, timers, until);
            assert_eq!(got.len(), want.len(), "{shape}");
            for (bar, want) in got.iter().zip(&want) {
                // Bars that end on one stamp count up by nanoseconds in `ts_event`; `ts_recv` stays.
                let ms = (bar.ts_recv.get() / MILLISECOND) as i64;
                let prices = [bar.open, bar.high, bar.low, bar.close].map(|p| p.units() * halves / CENT);
                let volume = bar.volume.units() * halves / TENTH;
                assert_eq!([&[ms], &prices[..], &[volume]].concat(), *want, "{shape}");
                assert!(bar.ts_event.since(bar.ts_recv) < 1_000, "{shape}");
            }
            assert!(got.windows(2).all(|w| w[0].ts_event < w[1].ts_event), "{shape}");
        }
    }
}
