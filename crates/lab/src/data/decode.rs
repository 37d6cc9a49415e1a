//! From cells to rows: finding the columns, reading their fields, and judging the faults that policies decide about.
//!
//! Invariant: rows leave in order of `recv`; each fault found is refused, or counted as dropped or accepted, once.
//!
//! What a cell is, its file format says through [`Cells`]; this module knows neither text nor Parquet.

use std::borrow::Cow;

use serde::Serialize;
use starling_core::fixed::FixedError;
use starling_core::{Price, Qty, Rate, Side, UnixNanos};

use super::error::{DataError, Fault, Place};
use super::number::{Exact, Scaling};
use super::spec::{Column, DataSpec, FeedAs, Field, Kind, OneSided, Policy, SpecFault, TsUnit};
use super::stamp::{Clock, Moment, StampFault, date_in_name, unit_of_name};

/// One row of a file, whatever its format.
pub(super) trait Cells {
    /// Where it stands: its line, or its number, from 1.
    fn line(&self) -> u64;
    /// How many cells it has.
    fn len(&self) -> usize;
    /// The cell as text, for filters, words and messages.
    fn text(&self, place: usize) -> Option<Cow<'_, [u8]>>;
    /// The cell as a fixed-point number, or none if it stands for no number.
    fn number(&self, place: usize, scaling: &Scaling, name: &'static str) -> Result<Option<i64>, FixedError>;
    /// The cell as a fixed-point number if it is a plain one; none says nothing yet.
    fn quick(&self, _place: usize, _scaling: &Scaling) -> Option<i64> {
        None
    }
    /// The cell as an instant if it is a whole number that nothing is asked about; none says nothing yet.
    fn instant(&self, _place: usize, _clock: &Clock, _unit: Option<TsUnit>) -> Option<UnixNanos> {
        None
    }
    /// The cell as it is written, or none if it stands for no number.
    fn exact(&self, place: usize) -> Option<Exact>;
    /// The cell as a stamp.
    fn moment(&self, place: usize, clock: &Clock, unit: Option<TsUnit>, day: Option<i64>)
    -> Result<Moment, StampFault>;
}

/// Open, high, low and close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ohlc(pub(super) [Price; 4]);

/// A decoded row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) ts: UnixNanos,
    pub(super) recv: UnixNanos,
    pub(super) body: Body,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Body {
    Bar { prices: Ohlc, volume: Qty },
    // Sizes are those of each of the quotes made of it.
    Pair { bid: Ohlc, ask: Ohlc, bid_size: Qty, ask_size: Qty },
    Quote { bid: Price, ask: Price, bid_size: Qty, ask_size: Qty },
    Trade { price: Price, size: Qty, aggressor: Option<Side>, trade_id: u64 },
    Funding { rate: Rate, mark: Price },
}

/// How many rows or quotes had each fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct FaultCounts {
    /// Stamped before the row above.
    pub unsorted: u64,
    /// The row above once more.
    pub duplicate: u64,
    /// Bid over ask.
    pub crossed: u64,
    /// No number where one belongs.
    pub nan: u64,
    /// A quantity below zero, a price of zero or less.
    pub negative: u64,
    /// High and low do not bound open and close.
    pub ohlc: u64,
}

impl FaultCounts {
    pub(super) fn of(&mut self, fault: Fault) -> &mut u64 {
        match fault {
            Fault::Unsorted => &mut self.unsorted,
            Fault::Duplicate => &mut self.duplicate,
            Fault::Crossed => &mut self.crossed,
            Fault::Nan => &mut self.nan,
            Fault::Negative => &mut self.negative,
            Fault::Ohlc => &mut self.ohlc,
        }
    }
    /// All together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.unsorted + self.duplicate + self.crossed + self.nan + self.negative + self.ohlc
    }
}

/// What became of the rows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Data rows read.
    pub rows: u64,
    /// Left out by `where`.
    pub filtered: u64,
    /// Left out by `skip`, `from`, `to` and `hours`.
    pub outside: u64,
    /// Without a row of the same stamp on the other side.
    pub unpaired: u64,
    /// One side of a quote, whose other side was not yet known.
    pub one_sided: u64,
    /// Faulty rows left out.
    pub dropped: FaultCounts,
    /// Faulty rows handed over.
    pub accepted: FaultCounts,
}

impl Counts {
    pub(super) fn add(&mut self, more: &Self) {
        self.rows += more.rows;
        self.filtered += more.filtered;
        self.outside += more.outside;
        self.unpaired += more.unpaired;
        self.one_sided += more.one_sided;
        for fault in [Fault::Unsorted, Fault::Duplicate, Fault::Crossed, Fault::Nan, Fault::Negative, Fault::Ohlc] {
            let (mut dropped, mut accepted) = (more.dropped, more.accepted);
            *self.dropped.of(fault) += *dropped.of(fault);
            *self.accepted.of(fault) += *accepted.of(fault);
        }
    }
}

/// What decides about faults, shared by rows and the quotes made of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policies([Policy; 6]);

impl Policies {
    pub(super) fn new(spec: &DataSpec) -> Self {
        Self([spec.on_unsorted, spec.on_duplicate, spec.on_crossed, spec.on_nan, spec.on_negative, spec.on_ohlc])
    }

    /// True if the row goes on.
    #[cold]
    pub(super) fn judge(
        &self,
        fault: Fault,
        counts: &mut Counts,
        place: impl FnOnce() -> Place,
        problem: impl FnOnce() -> String,
    ) -> Result<bool, DataError> {
        match self.0[fault as usize] {
            Policy::Refuse => Err(DataError::Row { place: place(), fault, problem: problem() }),
            Policy::Drop => {
                *counts.dropped.of(fault) += 1;
                Ok(false)
            }
            Policy::Accept => {
                *counts.accepted.of(fault) += 1;
                Ok(true)
            }
        }
    }

    fn accepts(&self, fault: Fault) -> bool {
        self.0[fault as usize] == Policy::Accept
    }

    pub(super) fn refuses_unsorted(&self) -> bool {
        self.0[Fault::Unsorted as usize] == Policy::Refuse
    }
}

/// Where the fields of one text stand.
#[derive(Debug, Default)]
struct Plan {
    names: Vec<String>,
    places: Vec<Option<usize>>,
    unit: Option<TsUnit>,
    recv_unit: Option<TsUnit>,
    filter: Vec<(usize, Vec<u8>)>,
    needed: usize,
    // Nothing is asked of a row but its fields, so that a sound one needs no second look.
    plain: bool,
}

impl Plan {
    #[inline]
    fn place(&self, field: Field) -> Option<usize> {
        self.places[field as usize]
    }
}

/// Turns the cells of a table's files into rows.
#[derive(Debug)]
pub(super) struct Decoder {
    kind: Kind,
    columns: super::spec::Columns,
    filter: Vec<(String, Vec<u8>)>,
    opens: Option<super::spec::Stamp>,
    clock: Clock,
    from: UnixNanos,
    to: UnixNanos,
    skip: u64,
    limit: u64,
    price: Scaling,
    size: Scaling,
    plain: Scaling,
    default_volume: Qty,
    default_size: Qty,
    // Quotes made of a bar hold a quarter of its volume each.
    quarter: bool,
    merge: bool,
    policies: Policies,
    plan: Plan,
    source: String,
    day: Option<i64>,
    last: UnixNanos,
    last_key: Option<u64>,
    // The stamp of the last row that took the careful path, handed on or not; plain ones after it are no earlier.
    above: UnixNanos,
    sides: [Option<(Price, Qty)>; 2],
    pub(super) counts: Counts,
    pub(super) range: Option<(UnixNanos, UnixNanos)>,
}

impl Decoder {
    /// What keeps a table, of which nothing else is wrong, from being read: zones, times and lengths. Each is taken out to
    /// find the next.
    pub(super) fn faults(spec: &DataSpec) -> Vec<SpecFault> {
        let (mut rest, mut faults) = (spec.clone(), Vec::new());
        loop {
            let fault = match Self::new(&rest, Price::ZERO) {
                Ok(decoder) if decoder.from < decoder.to => return faults,
                Ok(_) => {
                    let to = rest.to.take().unwrap_or_default();
                    SpecFault {
                        field: "to",
                        problem: format!("is `{to}`, which is not after `from`, so no row lies between"),
                    }
                }
                Err(fault) => {
                    match fault.field {
                        "timezone" => rest.timezone = None,
                        "session_close" => rest.session_close = None,
                        "hours" => rest.hours = None,
                        "from" => rest.from = None,
                        "to" => rest.to = None,
                        _ => (rest.interval, rest.stamp) = (None, None),
                    }
                    fault
                }
            };
            faults.push(fault);
        }
    }

    pub(super) fn new(spec: &DataSpec, tick: Price) -> Result<Self, SpecFault> {
        let mut clock = Clock::new(spec)?;
        let from = spec.from.as_deref().map_or(Ok(UnixNanos::EPOCH), |t| clock.bound(t, "from"))?;
        let to = spec.to.as_deref().map_or(Ok(UnixNanos::MAX), |t| clock.bound(t, "to"))?;
        let as_quotes = spec.feeds() == FeedAs::Quotes;
        let quantity = |given: Option<super::spec::Decimal>, default: i64| {
            let units = given.unwrap_or_else(|| default.into()).units();
            Qty::from_units(i64::try_from(units).expect("a default within bounds, as checked"))
        };
        let tick = if spec.round_to_tick { tick.units() } else { 0 };
        Ok(Self {
            kind: spec.kind,
            columns: spec.columns.clone(),
            filter: spec.filter.iter().map(|(k, v)| (k.clone(), v.to_string().into_bytes())).collect(),
            opens: spec.stamp,
            clock,
            from,
            to,
            skip: spec.skip,
            limit: spec.limit.unwrap_or(u64::MAX),
            price: Scaling::new(
                spec.price_scale.unwrap_or(1),
                spec.price_factor.map(super::spec::Decimal::units),
                spec.price_digits,
                tick,
            ),
            size: Scaling::new(spec.size_scale.unwrap_or(1), None, spec.size_digits, 0).lenient(),
            plain: Scaling::new(1, None, None, 0),
            default_volume: quantity(spec.default_volume, if as_quotes { 4_000_000 } else { 1_000_000 }),
            default_size: quantity(spec.default_size, 1_000_000),
            quarter: as_quotes,
            merge: spec.one_sided == Some(OneSided::Merge),
            policies: Policies::new(spec),
            plan: Plan::default(),
            source: String::new(),
            day: None,
            last: UnixNanos::EPOCH,
            last_key: None,
            above: UnixNanos::EPOCH,
            sides: [None; 2],
            counts: Counts::default(),
            range: None,
        })
    }

    /// The places of the columns that are read, in order; known once a text is begun.
    #[cfg(feature = "parquet")]
    pub(super) fn places(&self) -> Vec<usize> {
        let all = self.plan.places.iter().flatten().chain(self.plan.filter.iter().map(|(p, _)| p));
        all.copied().collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    /// Whether rows are chosen by one of these columns.
    pub(super) fn chooses_by(&self, columns: &[&str]) -> bool {
        self.filter.iter().any(|(column, _)| columns.contains(&column.as_str()))
    }

    pub(super) fn place_of(&self, line: u64) -> Place {
        Place { source: self.source.clone(), line }
    }

    /// Begins a text: its name down from the file, its columns' names if it has them, and how many they are.
    pub(super) fn begin(&mut self, source: &str, header: Option<Vec<String>>, count: usize) -> Result<(), DataError> {
        self.source = source.to_owned();
        self.day = if self.clock.needs_date() {
            let day = date_in_name(source);
            Some(day.ok_or_else(|| DataError::Unsupported {
                path: source.to_owned(),
                problem: "has no date in its name, which date_from = \"file_name\" needs; rename it, or write full stamps".into(),
            })?)
        } else {
            None
        };
        let named = header.is_some();
        let names = header.unwrap_or_else(|| (0..count).map(|i| i.to_string()).collect());
        let mut plan = Plan { places: vec![None; Field::ALL.len()], ..Plan::default() };
        let usual = if named || self.columns.get(Field::Ts).is_some() { None } else { usual_order(self.kind, count) };
        if !named && usual.is_none() && self.columns.is_empty() {
            return Err(DataError::ColumnsUnnamed { source_name: source.to_owned(), count });
        }
        for &field in Field::ALL {
            plan.places[field as usize] = match self.columns.get(field) {
                Some(column) => Some(find(column, &names).ok_or_else(|| self.unknown(column, &names))?),
                None if named => recognise(field, &names),
                None => usual.and_then(|order| order.iter().position(|f| *f == field)),
            };
        }
        for field in required(self.kind) {
            if plan.place(*field).is_none() {
                return Err(self.missing(field.name().to_owned(), &names));
            }
        }
        // An adjusted close is a choice, not a guess.
        if self.columns.get(Field::AdjustedClose).is_none() {
            plan.places[Field::AdjustedClose as usize] = None;
        }
        for (column, want) in &self.filter {
            let column = Column::Name(column.clone());
            let place = find(&column, &names).or_else(|| column.to_string().parse().ok().filter(|p| *p < names.len()));
            plan.filter.push((place.ok_or_else(|| self.unknown(&column, &names))?, want.clone()));
        }
        let unit = |field: Field| plan.place(field).and_then(|p| unit_of_name(&normal(&names[p])));
        (plan.unit, plan.recv_unit) = (unit(Field::Ts), unit(Field::TsRecv));
        let stamp_name = plan.place(Field::Ts).map(|p| normal(&names[p])).unwrap_or_default();
        if stamp_name.starts_with("open_time")
            && self.opens.is_none()
            && matches!(self.kind, Kind::Bars | Kind::QuoteBars)
        {
            return Err(DataError::Unsupported {
                path: source.to_owned(),
                problem: format!(
                    "column `{stamp_name}` says that bars are stamped at their open; set stamp = \"open\" and interval"
                ),
            });
        }
        let used = fields_of(self.kind);
        for &field in Field::ALL {
            if !used.contains(&field) {
                plan.places[field as usize] = None;
            }
        }
        plan.needed = plan.places.iter().flatten().chain(plan.filter.iter().map(|(p, _)| p)).max().map_or(0, |p| p + 1);
        plan.plain = plan.filter.is_empty()
            && plan.place(Field::AdjustedClose).is_none()
            && plan.place(Field::TsRecv).is_none()
            && !self.merge;
        plan.names = names;
        self.plan = plan;
        Ok(())
    }

    fn unknown(&self, column: &Column, names: &[String]) -> DataError {
        let column = column.to_string();
        DataError::ColumnUnknown { source_name: self.source.clone(), column, present: names.to_vec() }
    }

    fn missing(&self, wanted: String, names: &[String]) -> DataError {
        DataError::ColumnMissing { source_name: self.source.clone(), wanted, present: names.to_vec() }
    }

    /// Decodes one row and appends it, unless it is left out; true if no row after it counts.
    #[inline]
    pub(super) fn row<C: Cells>(&mut self, cells: &C, out: &mut Vec<Row>) -> Result<bool, DataError> {
        let Some(row) = self.plain_row(cells) else { return self.careful_row(cells, out) };
        self.counts.rows += 1;
        self.limit -= 1;
        self.last = row.ts;
        self.last_key = (self.kind == Kind::Bars).then_some(row.ts.get());
        self.range = Some(self.range.map_or((row.ts, row.ts), |(a, _)| (a, row.ts)));
        out.push(row);
        Ok(false)
    }

    // The one path of sound rows: plain numbers, in order, within bounds. None says nothing yet.
    #[inline]
    fn plain_row<C: Cells>(&self, cells: &C) -> Option<Row> {
        let plan = &self.plan;
        if !plan.plain || cells.len() < plan.needed || self.skip > 0 || self.limit == 0 {
            return None;
        }
        let ts = cells.instant(plan.place(Field::Ts)?, &self.clock, plan.unit)?;
        // Later than the last row that was handed on, and not before the one above: neither out of order nor a duplicate.
        if ts <= self.last || ts < self.above || ts < self.from || ts >= self.to {
            return None;
        }
        let price = |field| Some(Price::from_units(cells.quick(plan.place(field)?, &self.price).filter(|p| *p > 0)?));
        let size = |field, default| match plan.place(field) {
            None => Some(default),
            Some(place) => cells.quick(place, &self.size).filter(|q| *q >= 0).map(Qty::from_units),
        };
        let body = match self.kind {
            Kind::Bars => {
                let prices = [price(Field::Open)?, price(Field::High)?, price(Field::Low)?, price(Field::Close)?];
                let [open, high, low, close] = prices;
                if high < open || high < close || low > open || low > close {
                    return None;
                }
                Body::Bar { prices: Ohlc(prices), volume: size(Field::Volume, self.default_volume)? }
            }
            Kind::Quotes => Body::Quote {
                bid: price(Field::Bid)?,
                ask: price(Field::Ask)?,
                bid_size: size(Field::BidSize, self.default_size)?,
                ask_size: size(Field::AskSize, self.default_size)?,
            },
            Kind::QuoteBars | Kind::Trades | Kind::Funding => return None,
        };
        Some(Row { line: cells.line(), ts, recv: ts, body })
    }

    #[inline(never)]
    fn careful_row<C: Cells>(&mut self, cells: &C, out: &mut Vec<Row>) -> Result<bool, DataError> {
        self.counts.rows += 1;
        if cells.len() < self.plan.needed {
            return Err(self.short(cells));
        }
        for (place, want) in &self.plan.filter {
            if cells.text(*place).as_deref() != Some(want) {
                self.counts.filtered += 1;
                return Ok(false);
            }
        }
        if self.skip > 0 {
            self.skip -= 1;
            self.counts.outside += 1;
            return Ok(false);
        }
        if self.limit == 0 {
            self.counts.rows -= 1;
            return Ok(true);
        }
        self.limit -= 1;
        let ts = self.stamp(cells, Field::Ts, self.plan.unit)?;
        if ts < self.from {
            self.counts.outside += 1;
            return Ok(false);
        }
        if ts >= self.to {
            self.counts.outside += 1;
            // What is refused when unsorted cannot come back into the range.
            return Ok(self.policies.refuses_unsorted());
        }
        if !self.clock.is_wanted(ts) {
            self.counts.outside += 1;
            return Ok(false);
        }
        let mut recv = match self.plan.place(Field::TsRecv) {
            None => ts,
            Some(_) => self.stamp(cells, Field::TsRecv, self.plan.recv_unit)?,
        };
        let above = std::mem::replace(&mut self.above, recv);
        let Some(body) = self.body(cells)? else { return Ok(false) };
        let unsorted = recv < self.last.max(above);
        if unsorted {
            let last = self.last.max(above);
            let problem = || format!("stamped {recv}, before the row above ({last}), so the rows are not sorted");
            if !self.policies.judge(Fault::Unsorted, &mut self.counts, || at(&self.source, cells), problem)? {
                return Ok(false);
            }
            recv = recv.max(self.last);
        }
        let (key, what) = match body {
            Body::Bar { .. } | Body::Pair { .. } | Body::Funding { .. } => (Some(ts.get()), "stamp"),
            Body::Trade { trade_id, .. } => ((trade_id != 0).then_some(trade_id), "trade number"),
            Body::Quote { .. } => (None, ""),
        };
        // A row out of order that repeats the last one handed on is told once, where both are accepted.
        let told = unsorted && self.policies.accepts(Fault::Duplicate);
        if key.is_some() && key == self.last_key && !told {
            let shown = match body {
                Body::Trade { trade_id, .. } => trade_id.to_string(),
                _ => ts.to_string(),
            };
            let problem = || format!("the {what} {shown} stands twice");
            if !self.policies.judge(Fault::Duplicate, &mut self.counts, || at(&self.source, cells), problem)? {
                return Ok(false);
            }
        }
        self.last = recv;
        self.last_key = key;
        self.range = Some(self.range.map_or((ts, ts), |(a, b)| (a.min(ts), b.max(ts))));
        out.push(Row { line: cells.line(), ts, recv, body });
        Ok(false)
    }

    #[cold]
    fn short<C: Cells>(&self, cells: &C) -> DataError {
        let found = cells.len();
        let all = self.plan.places.iter().flatten().chain(self.plan.filter.iter().map(|(p, _)| p));
        let first = all.filter(|p| **p >= found).min().copied().unwrap_or(found);
        let column = self.plan.names.get(first).cloned().unwrap_or_else(|| first.to_string());
        DataError::ShortRow { place: at(&self.source, cells), column, found, needed: first + 1 }
    }

    #[inline]
    fn stamp<C: Cells>(&mut self, cells: &C, field: Field, unit: Option<TsUnit>) -> Result<UnixNanos, DataError> {
        let place = self.plan.place(field).expect("the stamp's column is found");
        let moment = cells.moment(place, &self.clock, unit, self.day);
        let stamp = moment.and_then(|m| self.clock.settle(m, self.last));
        stamp.map_err(|fault| self.field_error(cells, place, fault.problem, fault.remedy.to_owned()))
    }

    #[cold]
    fn field_error<C: Cells>(&self, cells: &C, place: usize, problem: String, remedy: String) -> DataError {
        let text = cells.text(place).unwrap_or_default();
        if let Err(fault) = std::str::from_utf8(&text) {
            return DataError::NotUtf8 { place: at(&self.source, cells), byte: text[fault.valid_up_to()] };
        }
        let column = self.plan.names.get(place).cloned().unwrap_or_else(|| place.to_string());
        DataError::Field { place: at(&self.source, cells), column, problem, remedy }
    }

    // A number, or none if there is none.
    #[inline]
    fn number<C: Cells>(
        &self,
        cells: &C,
        place: usize,
        scaling: &Scaling,
        name: &'static str,
    ) -> Result<Option<i64>, DataError> {
        match cells.quick(place, scaling) {
            Some(units) => Ok(Some(units)),
            None => self.careful_number(cells, place, scaling, name),
        }
    }

    #[inline(never)]
    fn careful_number<C: Cells>(
        &self,
        cells: &C,
        place: usize,
        scaling: &Scaling,
        name: &'static str,
    ) -> Result<Option<i64>, DataError> {
        cells.number(place, scaling, name).map_err(|fault| {
            let remedy = match &fault {
                FixedError::TooPrecise { .. } => "set price_digits to round prices".to_owned(),
                FixedError::OutOfRange { .. } => {
                    "set price_scale or size_scale, if the column counts in small units".into()
                }
                _ => "fix the row, or name another column".into(),
            };
            let problem = match &fault {
                FixedError::TooPrecise { input } => format!("`{input}` has more than 9 decimals"),
                other => other.to_string(),
            };
            self.field_error(cells, place, problem, remedy)
        })
    }

    // None after a missing price that is dropped.
    #[inline]
    fn price<C: Cells>(&mut self, cells: &C, field: Field) -> Result<Option<Price>, DataError> {
        let place = self.plan.place(field).expect("required columns are found");
        match self.number(cells, place, &self.price, "Price")? {
            Some(units) => Ok(Some(Price::from_units(units))),
            None => self.no_price(cells, place).map(|()| None),
        }
    }

    // A row without a price: refused, or dropped, as it cannot be carried.
    #[cold]
    fn no_price<C: Cells>(&mut self, cells: &C, place: usize) -> Result<(), DataError> {
        if self.nan(cells, place)? {
            self.counts.accepted.nan -= 1;
            self.counts.dropped.nan += 1;
        }
        Ok(())
    }

    #[cold]
    fn nan<C: Cells>(&mut self, cells: &C, place: usize) -> Result<bool, DataError> {
        let text = cells.text(place).unwrap_or_default();
        let column = &self.plan.names[place];
        let problem = || format!("column `{column}`: `{}` is not a decimal number", String::from_utf8_lossy(&text));
        self.policies.judge(Fault::Nan, &mut self.counts, || at(&self.source, cells), problem)
    }

    // None after a row that is dropped.
    #[inline]
    fn quantity<C: Cells>(&mut self, cells: &C, field: Field, default: Qty) -> Result<Option<Qty>, DataError> {
        let Some(place) = self.plan.place(field) else { return Ok(Some(default)) };
        let qty = match self.number(cells, place, &self.size, "Qty")? {
            Some(units) => Qty::from_units(units),
            None if self.nan(cells, place)? => default,
            None => return Ok(None),
        };
        if qty.is_negative() && !self.negative(cells, place)? {
            return Ok(None);
        }
        Ok(Some(qty))
    }

    #[cold]
    fn negative<C: Cells>(&mut self, cells: &C, place: usize) -> Result<bool, DataError> {
        let text = cells.text(place).unwrap_or_default();
        let column = &self.plan.names[place];
        let problem = || format!("column `{column}`: `{}` is not positive", String::from_utf8_lossy(&text));
        self.policies.judge(Fault::Negative, &mut self.counts, || at(&self.source, cells), problem)
    }

    #[inline]
    fn ohlc<C: Cells>(&mut self, cells: &C, fields: [Field; 4]) -> Result<Option<Ohlc>, DataError> {
        let mut prices = [Price::ZERO; 4];
        for (price, field) in prices.iter_mut().zip(fields) {
            match self.price(cells, field)? {
                Some(read) => *price = read,
                None => return Ok(None),
            }
        }
        if let Some(place) = self.plan.place(Field::AdjustedClose) {
            let close = self.plan.place(fields[3]).expect("required columns are found");
            let Some(adjusted) = cells.exact(place) else {
                self.no_price(cells, place)?;
                return Ok(None);
            };
            let plain = cells.exact(close).expect("the close was read");
            for price in &mut prices {
                let units = self.price.adjust(price.units(), adjusted, plain).ok_or_else(|| {
                    let problem = "the adjustment of the row does not fit a price".to_owned();
                    self.field_error(cells, place, problem, "fix the row".into())
                })?;
                *price = Price::from_units(units);
            }
        }
        let [open, high, low, close] = prices;
        // The lowest of a sound bar is its low; a faulty one is caught by the next test.
        if !(low.is_positive() && open.is_positive() && high.is_positive() && close.is_positive()) {
            let at = prices.iter().position(|p| !p.is_positive()).unwrap_or(0);
            let place = self.plan.place(fields[at]).expect("required columns are found");
            if !self.negative(cells, place)? {
                return Ok(None);
            }
        }
        if high < open || high < close || low > open || low > close {
            let problem = || format!("open {open}, high {high}, low {low}, close {close} make no bar");
            if !self.policies.judge(Fault::Ohlc, &mut self.counts, || at(&self.source, cells), problem)? {
                return Ok(None);
            }
        }
        Ok(Some(Ohlc(prices)))
    }

    // None after a row that is dropped.
    #[inline]
    fn body<C: Cells>(&mut self, cells: &C) -> Result<Option<Body>, DataError> {
        match self.kind {
            Kind::Bars => {
                let Some(prices) = self.ohlc(cells, [Field::Open, Field::High, Field::Low, Field::Close])? else {
                    return Ok(None);
                };
                let volume = self.quantity(cells, Field::Volume, self.default_volume)?;
                Ok(volume.map(|volume| Body::Bar { prices, volume }))
            }
            Kind::QuoteBars => self.pair(cells),
            Kind::Quotes => self.quote(cells),
            Kind::Trades => self.trade(cells),
            Kind::Funding => self.funding(cells),
        }
    }

    fn pair<C: Cells>(&mut self, cells: &C) -> Result<Option<Body>, DataError> {
        let bid = [Field::BidOpen, Field::BidHigh, Field::BidLow, Field::BidClose];
        let Some(bid) = self.ohlc(cells, bid)? else { return Ok(None) };
        let ask = [Field::AskOpen, Field::AskHigh, Field::AskLow, Field::AskClose];
        let Some(ask) = self.ohlc(cells, ask)? else { return Ok(None) };
        let default = if self.quarter { quarter(self.default_volume) } else { self.default_volume };
        let (Some(bid_size), Some(ask_size)) =
            (self.quantity(cells, Field::BidSize, default)?, self.quantity(cells, Field::AskSize, default)?)
        else {
            return Ok(None);
        };
        // Venues that quote no size write zero.
        let given = |size: Qty| if size.is_zero() { default } else { size };
        Ok(Some(Body::Pair { bid, ask, bid_size: given(bid_size), ask_size: given(ask_size) }))
    }

    fn quote<C: Cells>(&mut self, cells: &C) -> Result<Option<Body>, DataError> {
        let mut sides = [None; 2];
        for (side, (price, size)) in sides.iter_mut().zip([(Field::Bid, Field::BidSize), (Field::Ask, Field::AskSize)])
        {
            let place = self.plan.place(price).expect("required columns are found");
            let units = self.number(cells, place, &self.price, "Price")?.filter(|units| *units != 0);
            let Some(units) = units else { continue };
            if units < 0 && !self.negative(cells, place)? {
                return Ok(None);
            }
            let Some(size) = self.quantity(cells, size, self.default_size)? else { return Ok(None) };
            *side = Some((Price::from_units(units), size));
        }
        let place = self.plan.place(Field::Bid).expect("required columns are found");
        if sides == [None; 2] {
            self.no_price(cells, place)?;
            return Ok(None);
        }
        if self.merge {
            for (known, new) in self.sides.iter_mut().zip(sides) {
                *known = new.or(*known);
            }
            sides = self.sides;
        }
        match sides {
            [Some((bid, bid_size)), Some((ask, ask_size))] => Ok(Some(Body::Quote { bid, ask, bid_size, ask_size })),
            _ if self.merge => {
                self.counts.one_sided += 1;
                Ok(None)
            }
            _ => {
                let remedy = "set one_sided = \"merge\" to keep the last of each side".to_owned();
                Err(self.field_error(cells, place, "the quote has one side only".into(), remedy))
            }
        }
    }

    fn trade<C: Cells>(&mut self, cells: &C) -> Result<Option<Body>, DataError> {
        let Some(price) = self.price(cells, Field::Price)? else { return Ok(None) };
        let place = self.plan.place(Field::Price).expect("required columns are found");
        if !price.is_positive() && !self.negative(cells, place)? {
            return Ok(None);
        }
        let Some(size) = self.quantity(cells, Field::Size, self.default_size)? else { return Ok(None) };
        let word = |field: Field| self.plan.place(field).and_then(|p| cells.text(p));
        let starts = |word: &[u8], with: &[u8]| word.first().is_some_and(|b| with.contains(b));
        let aggressor = match (word(Field::Side), word(Field::BuyerMaker)) {
            (Some(side), _) if is_word(&side, &["buy", "b", "bid", "buyer", "1"]) => Some(Side::Buy),
            (Some(side), _) if is_word(&side, &["sell", "s", "ask", "a", "seller", "-1"]) => Some(Side::Sell),
            (None, Some(maker)) if starts(&maker, b"tT1") => Some(Side::Sell),
            (None, Some(maker)) if starts(&maker, b"fF0") => Some(Side::Buy),
            _ => None,
        };
        let trade_id = word(Field::TradeId)
            .and_then(|id| starling_market::csv::integer(&id))
            .and_then(|id| u64::try_from(id).ok())
            .unwrap_or(0);
        Ok(Some(Body::Trade { price, size, aggressor, trade_id }))
    }

    fn funding<C: Cells>(&mut self, cells: &C) -> Result<Option<Body>, DataError> {
        let place = self.plan.place(Field::Rate).expect("required columns are found");
        let Some(rate) = self.number(cells, place, &self.plain, "Rate")? else {
            self.no_price(cells, place)?;
            return Ok(None);
        };
        let mark = match self.plan.place(Field::Mark) {
            None => Price::ZERO,
            Some(_) => match self.price(cells, Field::Mark)? {
                Some(mark) => mark,
                None => return Ok(None),
            },
        };
        Ok(Some(Body::Funding { rate: Rate::from_units(rate), mark }))
    }
}

fn at<C: Cells>(source: &str, cells: &C) -> Place {
    Place { source: source.to_owned(), line: cells.line() }
}

fn is_word(text: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
}

/// A quarter of a bar's volume: what each of its four quotes holds.
pub(super) fn quarter(volume: Qty) -> Qty {
    Qty::from_units(volume.units() / 4)
}

/// The name as aliases are written.
pub(super) fn normal(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace([' ', '.', '-'], "_")
}

fn find(column: &Column, names: &[String]) -> Option<usize> {
    match column {
        Column::Place(place) => (*place < names.len()).then_some(*place),
        Column::Name(name) => {
            names.iter().position(|n| n == name).or_else(|| names.iter().position(|n| n.eq_ignore_ascii_case(name)))
        }
    }
}

/// The column that a header names for a field, if one of its names is the usual.
pub(super) fn recognise(field: Field, names: &[String]) -> Option<usize> {
    let normal: Vec<String> = names.iter().map(|n| normal(n)).collect();
    let found = field.aliases().iter().find_map(|alias| normal.iter().position(|n| n == alias));
    // Tables written with their index have a first column without a name.
    found.or_else(|| (field == Field::Ts && normal.first().is_some_and(String::is_empty)).then_some(0))
}

/// The fields a kind cannot do without.
pub(super) fn required(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Bars => &[Field::Ts, Field::Open, Field::High, Field::Low, Field::Close],
        Kind::Quotes => &[Field::Ts, Field::Bid, Field::Ask],
        Kind::Trades => &[Field::Ts, Field::Price],
        Kind::QuoteBars => &[
            Field::Ts,
            Field::BidOpen,
            Field::BidHigh,
            Field::BidLow,
            Field::BidClose,
            Field::AskOpen,
            Field::AskHigh,
            Field::AskLow,
            Field::AskClose,
        ],
        Kind::Funding => &[Field::Ts, Field::Rate],
    }
}

/// Those it needs and those it can use.
pub(super) fn fields_of(kind: Kind) -> Vec<Field> {
    let more: &[Field] = match kind {
        Kind::Bars => &[Field::Volume, Field::AdjustedClose],
        Kind::Quotes | Kind::QuoteBars => &[Field::BidSize, Field::AskSize],
        Kind::Trades => &[Field::Size, Field::Side, Field::BuyerMaker, Field::TradeId],
        Kind::Funding => &[Field::Mark],
    };
    required(kind).iter().chain(more).copied().chain([Field::TsRecv]).collect()
}

/// The order in which files without header usually stand; none where there is no usual one.
pub(super) fn usual_order(kind: Kind, count: usize) -> Option<&'static [Field]> {
    use Field::*;
    match (kind, count) {
        (Kind::Bars, 5) => Some(&[Ts, Open, High, Low, Close]),
        (Kind::Bars, 6) => Some(&[Ts, Open, High, Low, Close, Volume]),
        (Kind::Quotes, 3) => Some(&[Ts, Bid, Ask]),
        (Kind::Quotes, 5) => Some(&[Ts, Bid, Ask, BidSize, AskSize]),
        (Kind::Trades, 3) => Some(&[Ts, Price, Size]),
        (Kind::QuoteBars, 9) => Some(&[Ts, BidOpen, BidHigh, BidLow, BidClose, AskOpen, AskHigh, AskLow, AskClose]),
        (Kind::QuoteBars, 11) => {
            Some(&[Ts, BidOpen, BidHigh, BidLow, BidClose, BidSize, AskOpen, AskHigh, AskLow, AskClose, AskSize])
        }
        (Kind::Funding, 2) => Some(&[Ts, Rate]),
        _ => None,
    }
}
