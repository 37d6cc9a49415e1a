//! What is wrong with a part of a store: every fault of one kind of one instrument, over all its days.
//!
//! Quotes, trades and bars go through the checker that imports use. Changes of a book have one of their own, with the same
//! faults: order, silence, prices and sizes below zero, and, where they are by price, a book that crosses.
//!
//! Invariant: nothing is repaired, and nothing is left out; what a day's file itself promises (order within the day) is
//! checked all the same.

use std::ops::ControlFlow;

use serde::Serialize;
use starling_core::time::DAY;
use starling_core::{BarSeriesId, InstrumentId, Price, Qty, UnixNanos};
use starling_market::book::LevelBook;
use starling_market::quality::{Checker, Fault, FaultCount, PLACES_MAX, Place, Report, Settings};
use starling_market::wire::Level;

use super::{Action, Delta, Store, StoreKind};
use crate::data::error::DataError;

/// What was found in one kind of one instrument.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartCheck {
    /// The kind's folder.
    pub kind: String,
    /// The instrument.
    pub instrument: String,
    /// Day files there are.
    pub days: usize,
    /// Days without a file between the first and the last, by their midnights.
    pub missing: Vec<UnixNanos>,
    /// The receipt of the first row.
    pub first: Option<UnixNanos>,
    /// The receipt of the last row.
    pub last: Option<UnixNanos>,
    /// The faults.
    pub report: Report,
}

impl Store {
    /// Checks all days of a kind of an instrument. `progress` is told rows and stamps, and may break it off.
    pub fn check(
        &self,
        kind: &StoreKind,
        instrument: &str,
        settings: Settings,
        progress: &mut dyn FnMut(u64, UnixNanos) -> ControlFlow<()>,
    ) -> Result<PartCheck, DataError> {
        let days = self.days(kind, instrument)?;
        let expected = |(day, next): (&UnixNanos, &UnixNanos)| {
            (1..next.since(*day) / DAY).map(|n| day.saturating_add(n * DAY)).collect::<Vec<_>>()
        };
        let missing = days.iter().zip(days.iter().skip(1)).flat_map(expected).collect();
        let mut part = PartCheck {
            kind: kind.folder(),
            instrument: instrument.to_owned(),
            days: days.len(),
            missing,
            first: None,
            last: None,
            report: Checker::default().report(),
        };
        let mut scan = self.scan(kind, instrument, UnixNanos::EPOCH..UnixNanos::MAX, &[])?;
        let mut changes = DeltaChecker::new(settings.gap_ns_max);
        let mut events = Checker::new(settings);
        let mut rows = 0;
        while let Some(columns) = scan.next_rows()? {
            for at in 0..columns.len() {
                let ts = if let Some(event) = columns.event(at, InstrumentId(0), BarSeriesId(0)) {
                    // What becomes of an event is the policies' affair; here it stays where it is.
                    let _ = events.check(&event);
                    event.ts()
                } else if let Some(delta) = columns.delta(at) {
                    changes.check(&delta);
                    delta.ts_recv
                } else {
                    continue;
                };
                part.first = part.first.or(Some(ts));
                part.last = Some(ts);
            }
            rows += columns.len() as u64;
            if let Some(ts) = part.last
                && progress(rows, ts).is_break()
            {
                return Err(DataError::Interrupted { rows, ts, days: 0 });
            }
        }
        part.report = if *kind == StoreKind::Deltas { changes.report() } else { events.report() };
        Ok(part)
    }
}

/// Checks changes of a book one by one.
struct DeltaChecker {
    silence_ns: Option<u64>,
    rows: u64,
    last: Option<UnixNanos>,
    found: Vec<FaultCount>,
    /// The book by price, once a snapshot has begun it; none where changes name orders, whose auctions may cross.
    book: Option<LevelBook>,
    was_crossed: bool,
}

impl DeltaChecker {
    fn new(silence_ns: Option<u64>) -> Self {
        Self { silence_ns, rows: 0, last: None, found: Vec::new(), book: None, was_crossed: false }
    }

    fn mark(&mut self, fault: Fault, ts: UnixNanos) {
        let at = self.found.iter().position(|found| found.fault == fault).unwrap_or_else(|| {
            self.found.push(FaultCount { fault, policy: fault.row().default, count: 0, first: Vec::new() });
            self.found.len() - 1
        });
        let found = &mut self.found[at];
        found.count += 1;
        if found.first.len() < PLACES_MAX {
            found.first.push(Place { sequence: self.rows, ts });
        }
    }

    fn check(&mut self, delta: &Delta) {
        let ts = delta.ts_recv;
        if let Some(last) = self.last {
            if ts < last {
                self.mark(Fault::Unsorted, ts);
            } else if self.silence_ns.is_some_and(|most| ts.since(last) > most) {
                self.mark(Fault::Gap, ts);
            }
        }
        self.last = Some(self.last.map_or(ts, |last| last.max(ts)));
        if delta.size < Qty::ZERO {
            self.mark(Fault::NegativeSize, ts);
        }
        if matches!(delta.action, Action::Add | Action::Change) && delta.price <= Price::ZERO {
            self.mark(Fault::NonPositivePrice, ts);
        }
        self.follow(delta);
        self.rows += 1;
    }

    fn follow(&mut self, delta: &Delta) {
        if delta.order_id != 0 {
            self.book = None;
        } else if delta.action == Action::Clear {
            self.book = Some(LevelBook::new(Price::from_units(10_000_000)));
        } else if let (Some(book), Some(side)) = (&mut self.book, delta.side) {
            let size = match delta.action {
                Action::Add | Action::Change => delta.size,
                Action::Delete => Qty::ZERO,
                _ => return,
            };
            // What the book refuses is a fault that was marked.
            let _ = book.apply(side, Level { price: delta.price, size });
        }
        if delta.flags & Delta::LAST != 0 {
            let touch = |book: &LevelBook| Some((book.best_bid()?.price, book.best_ask()?.price));
            let crossed = self.book.as_ref().and_then(touch).is_some_and(|(bid, ask)| bid > ask);
            // Told once, when it begins.
            if crossed && !self.was_crossed {
                self.mark(Fault::Crossed, delta.ts_recv);
            }
            self.was_crossed = crossed;
        }
    }

    fn report(mut self) -> Report {
        self.found.sort_by_key(|found| found.fault);
        Report { events: self.rows, dropped: 0, refused: 0, faults: self.found, skew: None }
    }
}

#[cfg(test)]
mod tests {
    use starling_core::Side;

    use super::*;

    fn delta(seconds: u64, action: Action, side: Side, price: i64, size: i64) -> Delta {
        let ts = UnixNanos::new(1_723_161_253_000_000_000 + seconds * 1_000_000_000);
        Delta {
            ts_event: ts,
            ts_recv: ts,
            action,
            side: Some(side),
            price: Price::from_units(price * 1_000_000_000),
            size: Qty::from_units(size * 1_000_000_000),
            order_id: 0,
            sequence: 0,
            flags: Delta::LAST,
        }
    }

    #[test]
    fn faults_of_a_book_are_counted_with_their_first_places() {
        let mut checker = DeltaChecker::new(Some(10_000_000_000));
        let rows = [
            delta(0, Action::Clear, Side::Buy, 0, 0),
            delta(0, Action::Change, Side::Buy, 100, 1),
            delta(1, Action::Change, Side::Sell, 101, 1),
            delta(12, Action::Change, Side::Sell, 99, 1),
            delta(12, Action::Change, Side::Sell, 98, 1),
            delta(11, Action::Delete, Side::Buy, 100, 0),
            delta(12, Action::Change, Side::Buy, 97, -1),
            delta(22, Action::Change, Side::Sell, 0, 1),
        ];
        rows.iter().for_each(|row| checker.check(row));
        let report = checker.report();
        let found: Vec<(Fault, u64, u64)> =
            report.faults.iter().map(|f| (f.fault, f.count, f.first[0].sequence)).collect();
        let expected = [
            (Fault::Unsorted, 1, 5),
            (Fault::Crossed, 1, 3),
            (Fault::NonPositivePrice, 1, 7),
            (Fault::NegativeSize, 1, 6),
            (Fault::Gap, 1, 3),
        ];
        assert_eq!(found, expected);
        assert_eq!(report.events, 8);
    }
}
