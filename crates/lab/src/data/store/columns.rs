//! The columns of each kind, and rows held by column.

use starling_core::{Bar, BarSeriesId, Event, InstrumentId, Price, Qty, Quote, Side, Trade, UnixNanos};

use super::delta::Delta;

/// What a file of the store holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoreKind {
    /// Best bid and ask.
    Quotes,
    /// Trades.
    Trades,
    /// Bars of a length, as in `1m`, stamped at their close.
    Bars(String),
    /// Changes of a book, by level or by order.
    Deltas,
}

/// How a column is written: all are integers here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Nanoseconds since 1970 UTC: `timestamp[ns, UTC]`.
    Stamp,
    /// Units of 1e-9: `int64`.
    Nano,
    /// The venue's numbers: `uint64`.
    Whole,
    /// Codes: `int8`.
    Code,
}

type Definition = &'static [(&'static str, Form)];

const QUOTES: Definition = &[
    ("ts_event", Form::Stamp),
    ("ts_recv", Form::Stamp),
    ("bid", Form::Nano),
    ("ask", Form::Nano),
    ("bid_size", Form::Nano),
    ("ask_size", Form::Nano),
];
const TRADES: Definition = &[
    ("ts_event", Form::Stamp),
    ("ts_recv", Form::Stamp),
    ("price", Form::Nano),
    ("size", Form::Nano),
    ("side", Form::Code),
    ("trade_id", Form::Whole),
];
const BARS: Definition = &[
    ("ts_event", Form::Stamp),
    ("ts_recv", Form::Stamp),
    ("open", Form::Nano),
    ("high", Form::Nano),
    ("low", Form::Nano),
    ("close", Form::Nano),
    ("volume", Form::Nano),
];
const DELTAS: Definition = &[
    ("ts_event", Form::Stamp),
    ("ts_recv", Form::Stamp),
    ("action", Form::Code),
    ("side", Form::Code),
    ("price", Form::Nano),
    ("size", Form::Nano),
    ("order_id", Form::Whole),
    ("sequence", Form::Whole),
    ("flags", Form::Code),
];

/// The place of the stamp of receipt in every kind.
pub(super) const TS_RECV: usize = 1;

impl StoreKind {
    /// Its folder in the store.
    #[must_use]
    pub fn folder(&self) -> String {
        match self {
            Self::Quotes => "quotes".into(),
            Self::Trades => "trades".into(),
            Self::Bars(interval) => format!("bars-{interval}"),
            Self::Deltas => "deltas".into(),
        }
    }

    /// The kind of a folder.
    #[must_use]
    pub fn of_folder(name: &str) -> Option<Self> {
        match name {
            "quotes" => Some(Self::Quotes),
            "trades" => Some(Self::Trades),
            "deltas" => Some(Self::Deltas),
            _ => name.strip_prefix("bars-").map(|interval| Self::Bars(interval.to_owned())),
        }
    }

    pub(super) fn definition(&self) -> Definition {
        match self {
            Self::Quotes => QUOTES,
            Self::Trades => TRADES,
            Self::Bars(_) => BARS,
            Self::Deltas => DELTAS,
        }
    }

    /// The names of its columns, in the order of the file.
    pub fn columns(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.definition().iter().map(|(name, _)| *name)
    }
}

/// The side as it is stored: 1 buy or bid, -1 sell or ask, 0 not told.
pub(super) fn code_of(side: Option<Side>) -> i64 {
    match side {
        Some(Side::Buy) => 1,
        Some(Side::Sell) => -1,
        None => 0,
    }
}

/// The side of a code.
pub(super) fn side_of(code: i64) -> Option<Side> {
    match code {
        1 => Some(Side::Buy),
        -1 => Some(Side::Sell),
        _ => None,
    }
}

fn signed(stamp: UnixNanos) -> i64 {
    // Past 2262 a signed stamp has no room; no market data is.
    i64::try_from(stamp.get()).unwrap_or(i64::MAX)
}

/// Rows of a kind, held by column. Every value is an `i64`: nanoseconds, units of 1e-9, codes, and the venue's unsigned
/// numbers bit by bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    pub(super) kind: StoreKind,
    /// In the order of the definition; those that were not asked for are empty.
    pub(super) values: Vec<Vec<i64>>,
}

impl Columns {
    /// Without rows.
    #[must_use]
    pub fn new(kind: StoreKind) -> Self {
        let values = kind.definition().iter().map(|_| Vec::new()).collect();
        Self { kind, values }
    }

    /// What they hold.
    #[must_use]
    pub fn kind(&self) -> &StoreKind {
        &self.kind
    }

    /// Rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values[TS_RECV].len()
    }

    /// True without rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A column by its name; empty if it was not asked for.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&[i64]> {
        let place = self.kind.columns().position(|column| column == name)?;
        Some(&self.values[place])
    }

    /// Adds a row; false if the event is of another kind.
    pub fn push(&mut self, event: &Event) -> bool {
        match (&self.kind, event) {
            (StoreKind::Quotes, Event::Quote(e)) => self.row(&[
                signed(e.ts_event),
                signed(e.ts_recv),
                e.bid.units(),
                e.ask.units(),
                e.bid_size.units(),
                e.ask_size.units(),
            ]),
            (StoreKind::Trades, Event::Trade(e)) => self.row(&[
                signed(e.ts_event),
                signed(e.ts_recv),
                e.price.units(),
                e.size.units(),
                code_of(e.aggressor),
                e.trade_id.cast_signed(),
            ]),
            (StoreKind::Bars(_), Event::Bar(e)) => self.row(&[
                signed(e.ts_event),
                signed(e.ts_recv),
                e.open.units(),
                e.high.units(),
                e.low.units(),
                e.close.units(),
                e.volume.units(),
            ]),
            _ => return false,
        }
        true
    }

    /// Adds a change of a book; false if these are no deltas.
    pub fn push_delta(&mut self, delta: &Delta) -> bool {
        if self.kind != StoreKind::Deltas {
            return false;
        }
        self.row(&[
            signed(delta.ts_event),
            signed(delta.ts_recv),
            delta.action as i64,
            code_of(delta.side),
            delta.price.units(),
            delta.size.units(),
            delta.order_id.cast_signed(),
            delta.sequence.cast_signed(),
            i64::from(delta.flags.cast_signed()),
        ]);
        true
    }

    fn row(&mut self, row: &[i64]) {
        debug_assert_eq!(row.len(), self.values.len(), "a row has a value for every column");
        for (column, value) in self.values.iter_mut().zip(row) {
            column.push(*value);
        }
    }

    pub(super) fn same_row(&self, at: usize, other: &Self, there: usize) -> bool {
        self.values.iter().zip(&other.values).all(|(a, b)| a[at] == b[there])
    }

    pub(super) fn copy_row(&mut self, from: &Self, at: usize) {
        for (to, column) in self.values.iter_mut().zip(&from.values) {
            to.push(column[at]);
        }
    }

    pub(super) fn clear(&mut self) {
        self.values.iter_mut().for_each(Vec::clear);
    }

    /// The event of a row, as of an instrument and series of the run; none for deltas. All columns must have been asked
    /// for.
    #[must_use]
    #[inline]
    pub fn event(&self, at: usize, instrument: InstrumentId, series: BarSeriesId) -> Option<Event> {
        let v = &self.values;
        let stamp = |place: usize| UnixNanos::new(v[place][at].cast_unsigned());
        let (ts_event, ts_recv) = (stamp(0), stamp(1));
        let price = |place: usize| Price::from_units(v[place][at]);
        let qty = |place: usize| Qty::from_units(v[place][at]);
        match self.kind {
            StoreKind::Quotes => Some(Event::Quote(Quote {
                instrument,
                ts_event,
                ts_recv,
                bid: price(2),
                ask: price(3),
                bid_size: qty(4),
                ask_size: qty(5),
            })),
            StoreKind::Trades => Some(Event::Trade(Trade {
                instrument,
                ts_event,
                ts_recv,
                price: price(2),
                size: qty(3),
                aggressor: side_of(v[4][at]),
                trade_id: v[5][at].cast_unsigned(),
            })),
            StoreKind::Bars(_) => Some(Event::Bar(Bar {
                instrument,
                series,
                ts_event,
                ts_recv,
                open: price(2),
                high: price(3),
                low: price(4),
                close: price(5),
                volume: qty(6),
            })),
            StoreKind::Deltas => None,
        }
    }

    /// The change of a row of deltas. All columns must have been asked for.
    #[must_use]
    pub fn delta(&self, at: usize) -> Option<Delta> {
        if self.kind != StoreKind::Deltas {
            return None;
        }
        let v = |place: usize| self.values[place][at];
        Some(Delta {
            ts_event: UnixNanos::new(v(0).cast_unsigned()),
            ts_recv: UnixNanos::new(v(1).cast_unsigned()),
            action: super::Action::of(v(2))?,
            side: side_of(v(3)),
            price: Price::from_units(v(4)),
            size: Qty::from_units(v(5)),
            order_id: v(6).cast_unsigned(),
            sequence: v(7).cast_unsigned(),
            flags: v(8) as u8,
        })
    }
}
