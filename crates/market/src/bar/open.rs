//! The bar in progress, and what goes into it.
//!
//! Invariant: `low <= open, close <= high` once anything was added. Volume is summed exactly up to the largest
//! [`Qty`]; there it stays, and the bar is counted as saturated.

use serde::{Deserialize, Serialize};
use starling_core::{Bar, BarSeriesId, InstrumentId, Price, Qty, Side, UnixNanos};

use super::aggregator::{BuildOptions, Counts};

/// A tick, or a smaller bar, on its way into a bar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    /// Where it stands on the axis of boundaries: `ts_recv` of a tick, `ts_event` of a bar.
    pub(super) at: u64,
    /// The last instant it covers: `at` of a tick, one nanosecond before the stamp of a bar.
    pub(super) within: u64,
    /// When it happened: late if that lies before the open bar.
    pub(super) event: u64,
    /// When it was received.
    pub(super) known: u64,
    pub(super) open: i64,
    pub(super) high: i64,
    pub(super) low: i64,
    pub(super) close: i64,
    pub(super) volume: i64,
    pub(super) aggressor: Option<Side>,
    /// A base bar that may say "nothing happened": flat, without volume, made here.
    pub(super) blank: bool,
}

impl Piece {
    #[inline]
    pub(super) fn tick(event: UnixNanos, recv: UnixNanos, price: i64, size: i64, aggressor: Option<Side>) -> Self {
        let at = recv.get();
        Self {
            at,
            within: at,
            event: event.get(),
            known: at,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: size,
            aggressor,
            blank: false,
        }
    }
}

/// What every builder needs besides its own state.
pub(super) struct Context<'a> {
    pub(super) instrument: InstrumentId,
    pub(super) series: BarSeriesId,
    pub(super) options: BuildOptions,
    pub(super) counts: &'a mut Counts,
    pub(super) out: &'a mut Vec<Bar>,
}

impl Context<'_> {
    pub(super) fn emit(&mut self, bar: &OpenBar, ts_event: u64, ts_recv: u64) {
        self.counts.bars += 1;
        self.counts.saturated += u64::from(bar.volume == i64::MAX);
        self.out.push(bar.at(self.instrument, self.series, ts_event, ts_recv));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct OpenBar {
    pub(super) pieces: u64,
    pub(super) open: i64,
    pub(super) high: i64,
    pub(super) low: i64,
    pub(super) close: i64,
    pub(super) volume: i64,
    /// Stamp of the last piece.
    pub(super) last: u64,
}

impl OpenBar {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.pieces == 0
    }

    #[inline]
    pub(super) fn add(&mut self, p: &Piece) {
        if self.pieces == 0 {
            (self.open, self.high, self.low) = (p.open, p.high, p.low);
        } else {
            self.high = self.high.max(p.high);
            self.low = self.low.min(p.low);
        }
        self.close = p.close;
        self.volume = self.volume.saturating_add(p.volume);
        self.last = p.at;
        self.pieces += 1;
    }

    /// A bar in which nothing happened.
    pub(super) fn flat(price: i64) -> Self {
        Self { open: price, high: price, low: price, close: price, ..Self::default() }
    }

    pub(super) fn at(&self, instrument: InstrumentId, series: BarSeriesId, ts_event: u64, ts_recv: u64) -> Bar {
        Bar {
            instrument,
            series,
            ts_event: UnixNanos::new(ts_event),
            ts_recv: UnixNanos::new(ts_recv),
            open: Price::from_units(self.open),
            high: Price::from_units(self.high),
            low: Price::from_units(self.low),
            close: Price::from_units(self.close),
            volume: Qty::from_units(self.volume),
        }
    }
}
