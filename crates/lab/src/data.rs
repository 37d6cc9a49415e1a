//! Market data: from files on disk to ordered batches of events, as a `[[data]]` table of the configuration says.
//!
//! Invariant: what [`open`] hands out is a function of the table and the files' bytes alone; its stamps never go back;
//! and it says afterwards which bytes it read (by hash), and how many rows it left out and why. Memory is bounded by
//! named limits, whatever the size of the files.
//!
//! It repairs nothing silently: each fault is refused, or dropped or accepted and counted, as the table says.

#[cfg(feature = "parquet")]
mod arrow;
mod dbn;
mod decode;
mod error;
pub mod frames;
mod inspect;
#[cfg(feature = "parquet")]
pub mod mapped;
mod number;
#[cfg(feature = "parquet")]
mod parquet;
mod source;
mod spec;
mod stamp;
#[cfg(feature = "parquet")]
pub mod store;
mod table;
mod write;

use std::path::PathBuf;

use starling_core::event::Funding;
use starling_core::{Bar, BarSeriesId, Event, InstrumentId, Price, Qty, Quote, Trade, UnixNanos};
use starling_market::feed::{BATCH_MAX, Feed, FeedError};

#[cfg(feature = "parquet")]
pub use arrow::{ARROW_BATCH_ROWS, write_arrow};
pub use dbn::{DbnFile, DbnOptions, open_dbn, write_dbn};
use decode::{Body, Decoder, Ohlc, Policies, Row, quarter};
pub use decode::{Counts, FaultCounts};
pub use error::{DataError, Fault, Place};
pub use inspect::{ColumnReport, Import, Inspection, SAMPLE_ROWS, import, import_as, inspect};
#[cfg(feature = "parquet")]
pub use parquet::{ROW_GROUP_ROWS, write_parquet};
pub use source::{CHUNK_BYTES, CHUNKS_IN_FLIGHT, NESTED_BYTES_MAX, NESTING_MAX};
pub use spec::{
    Cell, Column, Columns, DataSpec, DateFrom, Decimal, FeedAs, Format, Kind, OneSided, Paths, Policy, SideSpec,
    SpecFault, Stamp, TsUnit,
};
use table::Table;
pub use table::{ROWS_MAX, SourceReport, TEXT_BYTES_MAX};
pub use write::{write_csv, write_feed};

/// Milliseconds before a bar's stamp at which its open, high, low and close are quoted.
pub const QUOTE_OFFSETS_MS: [u32; 4] = [300, 200, 100, 0];

/// Whether this build reads and writes Parquet.
pub const HAS_PARQUET: bool = cfg!(feature = "parquet");

/// What names of the configuration mean in a run.
pub trait Resolve {
    /// The instrument called `name`, as in `USD/JPY.SIM`; an error says which there are.
    fn instrument(&mut self, name: &str) -> Result<InstrumentId, String>;
    /// The series of `instrument` that `text` describes, as in `1m last external`.
    fn series(&mut self, instrument: InstrumentId, text: &str) -> Result<BarSeriesId, String>;
    /// The smallest price step of an instrument, asked for by `round_to_tick`.
    fn tick(&mut self, instrument: InstrumentId) -> Price;
}

/// Opens what a table describes.
///
/// Relative paths are looked up in `search`, in order; with no folder given, as they stand. Files are found and the
/// table is checked here; rows are read when the feed is asked for them.
pub fn open(spec: &DataSpec, search: &[PathBuf], resolve: &mut dyn Resolve) -> Result<OpenedFeed, DataError> {
    let (instrument, series, tick) = resolved(spec, resolve)?;
    let table = |paths: &Paths, member: Option<&str>| Table::new(spec, paths, member, search, decoder(spec, tick)?);
    let input = match (&spec.path, &spec.bid, &spec.ask) {
        (Some(paths), ..) => Input::One(Box::new(table(paths, spec.member.as_deref())?)),
        (None, Some(bid), Some(ask)) => Input::Pair(Box::new(Joined {
            bid: Side::over(table(&bid.path, bid.member.as_deref().or(spec.member.as_deref()))?),
            ask: Side::over(table(&ask.path, ask.member.as_deref().or(spec.member.as_deref()))?),
        })),
        _ => unreachable!("a checked table names a path or a pair"),
    };
    Ok(OpenedFeed::new(spec, input, instrument, series))
}

/// Finds the files of a table and opens none. An error comes with the field that names what is not there.
pub fn find(spec: &DataSpec, search: &[PathBuf]) -> Result<(), (&'static str, DataError)> {
    let sides = [("bid", &spec.bid), ("ask", &spec.ask)].map(|(field, side)| (field, side.as_ref().map(|s| &s.path)));
    for (field, paths) in [("path", spec.path.as_ref())].into_iter().chain(sides) {
        for path in paths.into_iter().flat_map(Paths::as_slice) {
            source::locate(path, search).map_err(|error| (field, error))?;
        }
    }
    Ok(())
}

/// Opens what a table describes over a comma-separated text at hand: rows are read, judged and reported as [`open`] does
/// of a file, but no file is touched. The table's `path` is not looked at; `name` stands for the file in messages and
/// reports.
pub fn open_text(spec: &DataSpec, name: &str, text: &[u8], resolve: &mut dyn Resolve) -> Result<OpenedFeed, DataError> {
    let (instrument, series, tick) = resolved(spec, resolve)?;
    let table = Table::of_text(spec, name, text, decoder(spec, tick)?);
    Ok(OpenedFeed::new(spec, Input::One(Box::new(table)), instrument, series))
}

// What the names of a checked table mean, and the tick its prices are rounded to, if they are.
fn resolved(spec: &DataSpec, resolve: &mut dyn Resolve) -> Result<(InstrumentId, BarSeriesId, Price), DataError> {
    let faults = spec.faults();
    if !faults.is_empty() {
        return Err(DataError::Spec { instrument: spec.instrument.clone(), faults });
    }
    let unknown = |name: &str| {
        let name = name.to_owned();
        move |reason| DataError::Unknown { name, reason }
    };
    let instrument = resolve.instrument(&spec.instrument).map_err(unknown(&spec.instrument))?;
    let series = match &spec.series {
        Some(text) => resolve.series(instrument, text).map_err(unknown(text))?,
        None => BarSeriesId::default(),
    };
    let tick = if spec.round_to_tick { resolve.tick(instrument) } else { Price::ZERO };
    Ok((instrument, series, tick))
}

fn decoder(spec: &DataSpec, tick: Price) -> Result<Decoder, DataError> {
    Decoder::new(spec, tick)
        .map_err(|fault| DataError::Spec { instrument: spec.instrument.clone(), faults: vec![fault] })
}

/// A feed from files.
pub struct OpenedFeed {
    input: Input,
    maker: Maker,
    rows: Vec<Row>,
}

enum Input {
    One(Box<Table>),
    Pair(Box<Joined>),
}

impl OpenedFeed {
    fn new(spec: &DataSpec, input: Input, instrument: InstrumentId, series: BarSeriesId) -> Self {
        let maker = Maker {
            instrument,
            series,
            feeds: spec.feeds(),
            side: BarSide::of(spec.series.as_deref().unwrap_or("")),
            offsets: spec.quote_offsets_ms.unwrap_or(QUOTE_OFFSETS_MS).map(|ms| u64::from(ms) * 1_000_000),
            policies: Policies::new(spec),
            last: UnixNanos::EPOCH,
        };
        Self { input, maker, rows: Vec::with_capacity(ROWS_MAX) }
    }

    /// The files read so far, each once it was read to its end; all of them once the feed is at its end.
    #[must_use]
    pub fn sources(&self) -> Vec<SourceReport> {
        match &self.input {
            Input::One(table) => table.reports(),
            Input::Pair(joined) => {
                [&joined.bid.table, &joined.ask.table].into_iter().flat_map(Table::reports).collect()
            }
        }
    }

    /// Appends up to [`BATCH_MAX`] events; none at the end.
    pub fn read(&mut self, out: &mut Vec<Event>) -> Result<(), DataError> {
        let start = out.len();
        while out.len() == start {
            self.rows.clear();
            let decoder = match &mut self.input {
                Input::One(table) => {
                    table.fill(&mut self.rows)?;
                    &mut table.decoder
                }
                Input::Pair(joined) => {
                    joined.fill(&mut self.rows)?;
                    &mut joined.bid.table.decoder
                }
            };
            if self.rows.is_empty() {
                return Ok(());
            }
            for row in &self.rows {
                self.maker.make(row, decoder, out)?;
            }
        }
        assert!(out.len() - start <= BATCH_MAX, "a batch of rows makes at most four events each");
        Ok(())
    }
}

impl Feed for OpenedFeed {
    fn fill(&mut self, out: &mut Vec<Event>) -> Result<(), FeedError> {
        self.read(out).map_err(FeedError::from)
    }
}

/// Which prices of a quote bar a series of bars takes.
#[derive(Debug, Clone, Copy)]
enum BarSide {
    Bid,
    Ask,
    Mid,
}

impl BarSide {
    fn of(series: &str) -> Self {
        let word = |w: &str| series.split_whitespace().any(|s| s.eq_ignore_ascii_case(w));
        if word("bid") {
            Self::Bid
        } else if word("ask") {
            Self::Ask
        } else {
            Self::Mid
        }
    }
}

/// Makes events of rows.
struct Maker {
    instrument: InstrumentId,
    series: BarSeriesId,
    feeds: FeedAs,
    side: BarSide,
    offsets: [u64; 4],
    policies: Policies,
    last: UnixNanos,
}

impl Maker {
    #[inline]
    fn make(&mut self, row: &Row, decoder: &mut Decoder, out: &mut Vec<Event>) -> Result<(), DataError> {
        let &Row { ts, recv, .. } = row;
        let instrument = self.instrument;
        match row.body {
            Body::Bar { prices, volume } if self.feeds == FeedAs::Bars => out.push(self.bar(row, prices, volume)),
            Body::Bar { prices, volume } => {
                let size = quarter(volume);
                self.quotes(row, [prices, prices], [size, size], decoder, out)?;
            }
            Body::Pair { bid, ask, bid_size, ask_size } if self.feeds == FeedAs::Quotes => {
                self.quotes(row, [bid, ask], [bid_size, ask_size], decoder, out)?;
            }
            Body::Pair { bid, ask, bid_size, .. } => {
                let prices = match self.side {
                    BarSide::Bid => bid,
                    BarSide::Ask => ask,
                    BarSide::Mid => Ohlc(std::array::from_fn(|i| Price::midpoint(bid.0[i], ask.0[i]))),
                };
                out.push(self.bar(row, prices, bid_size));
            }
            Body::Quote { bid, ask, bid_size, ask_size } => {
                let quote = Quote { instrument, ts_event: ts, ts_recv: recv, bid, ask, bid_size, ask_size };
                self.quote(quote, row.line, decoder, out)?;
            }
            Body::Trade { price, size, aggressor, trade_id } => {
                let trade = Trade { instrument, ts_event: ts, ts_recv: recv, price, size, aggressor, trade_id };
                out.push(Event::Trade(trade));
            }
            Body::Funding { rate, mark } => {
                out.push(Event::Funding(Funding { instrument, ts_event: ts, ts_recv: recv, rate, mark }));
            }
        }
        Ok(())
    }

    #[inline]
    fn bar(&self, row: &Row, Ohlc([open, high, low, close]): Ohlc, volume: Qty) -> Event {
        let (instrument, series) = (self.instrument, self.series);
        Event::Bar(Bar { instrument, series, ts_event: row.ts, ts_recv: row.recv, open, high, low, close, volume })
    }

    fn quotes(
        &mut self,
        row: &Row,
        [bid, ask]: [Ohlc; 2],
        [bid_size, ask_size]: [Qty; 2],
        decoder: &mut Decoder,
        out: &mut Vec<Event>,
    ) -> Result<(), DataError> {
        for quote in bar_quotes(self.instrument, row, bid, ask, self.offsets) {
            self.quote(Quote { bid_size, ask_size, ..quote }, row.line, decoder, out)?;
        }
        Ok(())
    }

    fn quote(
        &mut self,
        mut quote: Quote,
        line: u64,
        decoder: &mut Decoder,
        out: &mut Vec<Event>,
    ) -> Result<(), DataError> {
        if quote.bid > quote.ask {
            let (bid, ask) = (quote.bid, quote.ask);
            let place = decoder.place_of(line);
            let problem = || format!("bid {bid} is over ask {ask}");
            if !self.policies.judge(Fault::Crossed, &mut decoder.counts, || place, problem)? {
                return Ok(());
            }
        }
        // The quotes of a bar reach back before its stamp, perhaps into the bar before.
        if quote.ts_recv < self.last {
            let (at, last) = (quote.ts_recv, self.last);
            let place = decoder.place_of(line);
            let problem = || {
                format!("a quote of the bar falls at {at}, before the one above it ({last}); shorten quote_offsets_ms")
            };
            if !self.policies.judge(Fault::Unsorted, &mut decoder.counts, || place, problem)? {
                return Ok(());
            }
            quote.ts_recv = self.last;
        }
        self.last = quote.ts_recv;
        out.push(Event::Quote(quote));
        Ok(())
    }
}

// The four quotes of a bar: open, high, low, close, each so long before its stamp. Sizes are the caller's.
fn bar_quotes(
    instrument: InstrumentId,
    row: &Row,
    bid: Ohlc,
    ask: Ohlc,
    offsets: [u64; 4],
) -> impl Iterator<Item = Quote> + use<> {
    let (ts, recv) = (row.ts, row.recv);
    (0..4).map(move |i| Quote {
        instrument,
        ts_event: ts.saturating_sub(offsets[i]),
        ts_recv: recv.saturating_sub(offsets[i]),
        bid: bid.0[i],
        ask: ask.0[i],
        bid_size: Qty::ZERO,
        ask_size: Qty::ZERO,
    })
}

/// Two tables of bars, joined by stamp.
struct Joined {
    bid: Side,
    ask: Side,
}

/// One side of a join: its table and the rows at hand.
struct Side {
    table: Table,
    rows: Vec<Row>,
    at: usize,
}

impl Side {
    fn over(table: Table) -> Self {
        Self { table, rows: Vec::with_capacity(ROWS_MAX), at: 0 }
    }

    fn peek(&mut self) -> Result<Option<Row>, DataError> {
        if self.at == self.rows.len() {
            self.rows.clear();
            self.at = 0;
            self.table.fill(&mut self.rows)?;
        }
        Ok(self.rows.get(self.at).copied())
    }

    fn drop_unpaired(&mut self) {
        self.at += 1;
        self.table.decoder.counts.unpaired += 1;
    }
}

impl Joined {
    fn fill(&mut self, out: &mut Vec<Row>) -> Result<(), DataError> {
        while out.len() < ROWS_MAX {
            let (bid, ask) = (self.bid.peek()?, self.ask.peek()?);
            match (bid, ask) {
                (Some(b), Some(a)) if b.ts == a.ts => {
                    self.bid.at += 1;
                    self.ask.at += 1;
                    let (Body::Bar { prices: bid, volume: bid_size }, Body::Bar { prices: ask, volume: ask_size }) =
                        (b.body, a.body)
                    else {
                        unreachable!("a pair of files holds bars")
                    };
                    let (bid_size, ask_size) = (quarter(bid_size), quarter(ask_size));
                    let body = Body::Pair { bid, ask, bid_size, ask_size };
                    out.push(Row { recv: b.recv.max(a.recv), body, ..b });
                }
                (Some(b), Some(a)) if b.ts < a.ts => self.bid.drop_unpaired(),
                (Some(_), None) => self.bid.drop_unpaired(),
                (Some(_) | None, Some(_)) => self.ask.drop_unpaired(),
                (None, None) => break,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
