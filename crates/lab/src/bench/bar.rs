//! Bar aggregation: bars of a minute into longer ones, as the market-data suite defines it.

use std::hint::black_box;
use std::sync::Arc;

use starling_core::{Bar, Event, InstrumentId};
use starling_market::bar::{Aggregator, BarSeriesTable, BarSpec, BuildOptions, Sessions};

use super::{BenchError, Prepared, Workload, series};

/// Base bars of one execution: ten days of minutes.
const MINUTES: usize = 14_400;

pub(super) fn workloads() -> Vec<Workload> {
    let of = |minutes: usize| {
        let items = (MINUTES as u64, "bars");
        Workload::new("market_data_throughput", "bar aggregation", minutes.to_string(), items, move || prepare(minutes))
            .held_to(Some(1e6), None, None)
    };
    [60, 300, 1_440].map(of).into()
}

fn input(error: impl std::fmt::Display) -> BenchError {
    BenchError::Input(error.to_string())
}

/// Composites of one-minute bars; the answer is how many were closed.
fn prepare(minutes: usize) -> Result<Prepared, BenchError> {
    let mut table = BarSeriesTable::default();
    let base = BarSpec::parse(InstrumentId(0), "1m last external").map_err(input)?;
    let base = table.insert(base).map_err(input)?;
    let text = format!("{minutes}m last composite(1m)");
    let composite = table.insert(BarSpec::parse(InstrumentId(0), &text).map_err(input)?).map_err(input)?;
    let bars: Vec<Bar> = series::bars(MINUTES, 1)
        .iter()
        .filter_map(|event| match event {
            Event::Bar(bar) => Some(Bar { series: base, ..*bar }),
            _ => None,
        })
        .collect();
    let ends = |bar: &&Bar| bar.ts_event.get().is_multiple_of(minutes as u64 * starling_core::time::MINUTE);
    let expected = bars.iter().filter(ends).count() as f64;
    let table = Arc::new(table);
    let work = move || {
        let mut aggregator =
            Aggregator::new(&table, composite, &Sessions::default(), BuildOptions::default()).map_err(input)?;
        let mut closed = Vec::new();
        for bar in &bars {
            aggregator.on_bar(black_box(bar), &mut closed);
        }
        Ok(closed.len() as f64)
    };
    Ok(Prepared { work: Box::new(work), expected: Some(expected) })
}
