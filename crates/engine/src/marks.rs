//! The last known prices of every instrument, which the ledger and the risk gate value positions at.
//!
//! Invariant: one slot per instrument, written in constant time by every event, without allocation. What it
//! deliberately does not do: judge. Staleness and crossed quotes are the data checks' business.

use serde::{Deserialize, Serialize};
use starling_core::{InstrumentId, Price, UnixNanos};

/// The prices of one instrument as last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Best bid; the last price where no quote was ever seen.
    pub bid: Price,
    /// Best ask; the last price where no quote was ever seen.
    pub ask: Price,
    /// Last trade or bar close; the midpoint where there was only ever a quote.
    pub last: Price,
    /// Stamp of the newest of them.
    pub ts: UnixNanos,
}

impl Mark {
    /// The midpoint, rounded half away from zero to 1e-9.
    #[must_use]
    pub fn mid(&self) -> Price {
        Price::midpoint(self.bid, self.ask)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Slot {
    bid: Price,
    ask: Price,
    last: Price,
    ts: UnixNanos,
    // Prices may be zero or negative, so no price can stand for "never seen".
    quoted: bool,
    traded: bool,
}

/// The last bid, ask and trade price of each instrument of a run, by [`InstrumentId`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Marks(Vec<Slot>);

impl Marks {
    /// None known yet, of `instruments` instruments.
    #[must_use]
    pub fn new(instruments: usize) -> Self {
        Self(vec![Slot::default(); instruments])
    }

    /// A quote was seen.
    ///
    /// # Panics
    /// If the instrument is not of this run, as do all methods here.
    #[inline]
    pub fn set_quote(&mut self, instrument: InstrumentId, bid: Price, ask: Price, ts: UnixNanos) {
        let slot = &mut self.0[instrument.index()];
        slot.bid = bid;
        slot.ask = ask;
        slot.ts = ts;
        slot.quoted = true;
    }

    /// A trade, or the close of a bar, was seen. Without any quote so far it stands for bid and ask, too.
    #[inline]
    pub fn set_last(&mut self, instrument: InstrumentId, price: Price, ts: UnixNanos) {
        let slot = &mut self.0[instrument.index()];
        slot.last = price;
        slot.ts = ts;
        slot.traded = true;
        if !slot.quoted {
            slot.bid = price;
            slot.ask = price;
        }
    }

    /// What is known of an instrument; `None` before its first price.
    #[must_use]
    #[inline]
    pub fn get(&self, instrument: InstrumentId) -> Option<Mark> {
        let Slot { bid, ask, last, ts, quoted, traded } = self.0[instrument.index()];
        let last = match (traded, quoted) {
            (true, _) => last,
            (false, true) => Price::midpoint(bid, ask),
            (false, false) => return None,
        };
        Some(Mark { bid, ask, last, ts })
    }

    /// The midpoint; `None` before the first price.
    #[must_use]
    #[inline]
    pub fn mid(&self, instrument: InstrumentId) -> Option<Price> {
        self.get(instrument).map(|mark| mark.mid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trade_stands_for_the_quote_until_there_is_one() {
        let (id, mut marks) = (InstrumentId(1), Marks::new(2));
        assert_eq!(marks.get(id), None);
        let [one, two, four] = [1, 2, 4].map(Price::from_int);
        marks.set_last(id, two, UnixNanos::new(5));
        assert_eq!(marks.get(id), Some(Mark { bid: two, ask: two, last: two, ts: UnixNanos::new(5) }));
        marks.set_quote(id, one, four, UnixNanos::new(6));
        assert_eq!(marks.get(id), Some(Mark { bid: one, ask: four, last: two, ts: UnixNanos::new(6) }));
        marks.set_last(id, four, UnixNanos::new(7));
        assert_eq!(marks.get(id), Some(Mark { bid: one, ask: four, last: four, ts: UnixNanos::new(7) }));
        assert_eq!(marks.mid(id).unwrap().to_string(), "2.5");
        assert_eq!(marks.mid(InstrumentId(0)), None);
    }

    #[test]
    fn a_quote_stands_for_the_trade_until_there_is_one_even_at_zero() {
        let (id, mut marks) = (InstrumentId(0), Marks::new(1));
        marks.set_quote(id, Price::from_int(-1), Price::from_int(1), UnixNanos::EPOCH);
        assert_eq!(marks.get(id).unwrap().last, Price::ZERO);
    }
}
