//! One builder per internal or composite series.
//!
//! Invariant: the state is data (serialisable, comparable), and the bars are a pure function of the pieces and the
//! calls to [`Aggregator::close`], in their order.
//!
//! Which stamp decides? Membership goes by `ts_recv`, the order of the run: what the system could not know when a bar
//! closed is not in that bar. A tick whose `ts_event` lies before the open bar is late, is counted, and goes by
//! [`LateTicks`]. Base bars of a composite go by `ts_event`, the end of the interval that they cover.

use serde::{Deserialize, Serialize};
use starling_core::time::SECOND;
use starling_core::{Bar, BarSeriesId, InstrumentId, Price, Quote, Trade, UnixNanos};

use super::amount::Amount;
use super::boundary::Boundaries;
use super::open::{Context, OpenBar, Piece};
use super::renko::Renko;
use super::session::Sessions;
use super::spec::{Aggregation, BarError, BarSource, BaseSource, PriceSide};
use super::table::BarSeriesTable;
use super::timed::Timed;

/// Empty bars in a row by default, at most: eleven days of seconds. A stamp far in the future ends a run of empty bars
/// here, and not at the end of memory.
pub const EMPTY_RUN_MAX: u32 = 1_000_000;

/// What becomes of an interval without a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyBars {
    /// A bar at the last close with volume 0; none before the first tick.
    Emit {
        /// After so many in a row the series sleeps until the next tick.
        run_max: u32,
    },
    /// No bar.
    Skip,
}

/// What becomes of a tick whose `ts_event` lies before the open bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LateTicks {
    /// It goes into the open bar.
    #[default]
    IntoOpenBar,
    /// It goes into none.
    Drop,
}

/// How a series is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "snake_case")]
pub struct BuildOptions {
    /// Intervals without a tick (timed bars only).
    pub empty: EmptyBars,
    /// Ticks from before the open bar.
    pub late: LateTicks,
    /// How long a timed composite waits, past its boundary, for a base bar still on its way (live, external bases). It
    /// closes at once when the base bar stamped at its boundary arrives. Nanoseconds.
    pub grace_ns: u64,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self { empty: EmptyBars::Emit { run_max: EMPTY_RUN_MAX }, late: LateTicks::default(), grace_ns: 0 }
    }
}

impl BuildOptions {
    /// Grace of a live composite of external bars: venues deliver a finished minute within a second or two.
    pub const LIVE_GRACE_NS: u64 = 3 * SECOND;
}

/// What a series has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Ticks or base bars handed in.
    pub taken: u64,
    /// Of these, from before the open bar.
    pub late: u64,
    /// Of these, outside the session: in no bar.
    pub outside: u64,
    /// Bars closed.
    pub bars: u64,
    /// Of these, intervals without a tick.
    pub empty: u64,
    /// Of these, bars whose volume reached the largest quantity and stayed there.
    pub saturated: u64,
    /// Renko bricks left out by [`BRICKS_PER_TICK_MAX`](super::BRICKS_PER_TICK_MAX).
    pub skipped_bricks: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Builder {
    Timed(Timed),
    Amount(Amount),
    Renko(Renko),
}

/// Builds the bars of one series.
///
/// Timed bars carry `ts_event = ts_recv = boundary` (a composite that waited: `ts_recv` is when it closed). Other bars
/// carry the `ts_recv` of the tick that completed them in both stamps; where several bars end on one stamp, `ts_event`
/// counts up by a nanosecond each, so that (series, `ts_event`) names a bar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Aggregator {
    instrument: InstrumentId,
    series: BarSeriesId,
    side: PriceSide,
    base: Option<BarSeriesId>,
    /// The base marks an interval without ticks by a flat bar without volume.
    base_marks_empty: bool,
    options: BuildOptions,
    counts: Counts,
    builder: Builder,
}

impl Aggregator {
    /// For a series of the table. Refuses external series, and sessions that are not declared.
    pub fn new(
        table: &BarSeriesTable,
        series: BarSeriesId,
        sessions: &Sessions,
        options: BuildOptions,
    ) -> Result<Self, BarError> {
        let spec = table.get(series);
        let (composite, base_marks_empty) = match &spec.shape.source {
            BarSource::External => return Err(BarError::NothingToBuild { shape: spec.shape.to_string() }),
            BarSource::Internal => (false, false),
            BarSource::Composite(base) => (true, base.source == BaseSource::Internal),
        };
        let builder = match &spec.shape.aggregation {
            Aggregation::Renko { brick } => Builder::Renko(Renko::new(brick.units())),
            aggregation => match Boundaries::of(&spec.shape, sessions)? {
                Some(boundaries) => Builder::Timed(Timed::new(boundaries, composite)),
                None => Builder::Amount(Amount::of(aggregation).expect("what is neither timed nor Renko is counted")),
            },
        };
        Ok(Self {
            instrument: spec.instrument,
            series,
            side: spec.shape.side,
            base: table.base(series),
            base_marks_empty,
            options,
            counts: Counts::default(),
            builder,
        })
    }

    /// The series.
    #[must_use]
    pub fn series(&self) -> BarSeriesId {
        self.series
    }
    /// The instrument.
    #[must_use]
    pub fn instrument(&self) -> InstrumentId {
        self.instrument
    }
    /// The series a composite is fed with; `None` where quotes or trades feed it.
    #[must_use]
    pub fn base(&self) -> Option<BarSeriesId> {
        self.base
    }
    /// What it has seen.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Takes a quote of its instrument; a series of trades or of bars ignores it. Closed bars are appended to `out`.
    #[inline]
    pub fn on_quote(&mut self, quote: &Quote, out: &mut Vec<Bar>) {
        let (price, size) = match self.side {
            PriceSide::Bid => (quote.bid.units(), quote.bid_size.units()),
            PriceSide::Ask => (quote.ask.units(), quote.ask_size.units()),
            PriceSide::Mid => {
                let size = i128::from(quote.bid_size.units()) + i128::from(quote.ask_size.units());
                (midpoint(quote.bid, quote.ask), (size / 2) as i64)
            }
            PriceSide::Last => return,
        };
        if self.base.is_some() {
            return;
        }
        assert!(quote.instrument == self.instrument, "a quote of the series' instrument");
        self.take(&Piece::tick(quote.ts_event, quote.ts_recv, price, size, None), out);
    }

    /// Takes a trade of its instrument; a series of quotes or of bars ignores it. Closed bars are appended to `out`.
    #[inline]
    pub fn on_trade(&mut self, trade: &Trade, out: &mut Vec<Bar>) {
        if self.side != PriceSide::Last || self.base.is_some() {
            return;
        }
        assert!(trade.instrument == self.instrument, "a trade of the series' instrument");
        let (price, size) = (trade.price.units(), trade.size.units());
        self.take(&Piece::tick(trade.ts_event, trade.ts_recv, price, size, trade.aggressor), out);
    }

    /// Takes a bar of its base; a series that is no composite, or has another base, ignores it. Closed bars are
    /// appended to `out`.
    pub fn on_bar(&mut self, bar: &Bar, out: &mut Vec<Bar>) {
        if self.base != Some(bar.series) {
            return;
        }
        assert!(bar.instrument == self.instrument, "a base bar of the series' instrument");
        let within = bar.ts_event.get().saturating_sub(1);
        let piece = Piece {
            at: bar.ts_event.get(),
            within,
            event: within,
            known: bar.ts_recv.get(),
            open: bar.open.units(),
            high: bar.high.units(),
            low: bar.low.units(),
            close: bar.close.units(),
            volume: bar.volume.units(),
            aggressor: None,
            blank: self.base_marks_empty && bar.volume.is_zero() && bar.is_flat(),
        };
        self.take(&piece, out);
    }

    #[inline]
    fn take(&mut self, piece: &Piece, out: &mut Vec<Bar>) {
        self.counts.taken += 1;
        let mut cx = Context {
            instrument: self.instrument,
            series: self.series,
            options: self.options,
            counts: &mut self.counts,
            out,
        };
        match &mut self.builder {
            Builder::Timed(b) => b.take(piece, &mut cx),
            Builder::Amount(b) => b.take(piece, &mut cx),
            Builder::Renko(b) => b.take(piece, &mut cx),
        }
    }

    /// When it wants [`close`](Self::close) to be called next: after all data with a stamp up to then, before any later.
    /// `None` while nothing is due.
    #[must_use]
    pub fn next_close(&self) -> Option<UnixNanos> {
        match &self.builder {
            Builder::Timed(b) => b.next_close(self.options.grace_ns).map(UnixNanos::new),
            Builder::Amount(_) | Builder::Renko(_) => None,
        }
    }

    /// Closes every bar due at `now` or before. Where several series are due at one instant, close them in the order of
    /// their ids and hand the bars of a base on before its composites are closed.
    pub fn close(&mut self, now: UnixNanos, out: &mut Vec<Bar>) {
        let Builder::Timed(timed) = &mut self.builder else { return };
        let mut cx = Context {
            instrument: self.instrument,
            series: self.series,
            options: self.options,
            counts: &mut self.counts,
            out,
        };
        timed.close(now.get(), &mut cx);
    }

    /// The bar in progress, stamped at its last tick; `None` if it is empty. (A Renko series: what came in since the
    /// last brick.)
    #[must_use]
    pub fn partial(&self) -> Option<Bar> {
        let open: &OpenBar = match &self.builder {
            Builder::Timed(b) => b.open(),
            Builder::Amount(b) => b.open(),
            Builder::Renko(b) => b.open(),
        };
        (!open.is_empty()).then(|| open.at(self.instrument, self.series, open.last, open.last))
    }
}

/// [`Price::midpoint`] without 128-bit division where the sum fits: half away from zero.
#[inline]
fn midpoint(a: Price, b: Price) -> i64 {
    match a.units().checked_add(b.units()) {
        Some(sum) => sum / 2 + sum % 2,
        None => Price::midpoint(a, b).units(),
    }
}
