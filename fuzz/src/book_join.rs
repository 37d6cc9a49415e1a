//! A numbered stream of changes with losses, repetitions, disorder and snapshots of any age: while the joined book is
//! shown, it is the venue's. And a stream of anything: no panic.
//!
//! An input is the venue and how many changes and deliveries follow, a byte each; then these; the rest is of anything.

use std::collections::BTreeMap;

use starling_core::fixed::{Price, Qty};
use starling_core::order::Side;
use starling_core::time::UnixNanos;
use starling_market::book::{Limits, Rules, Shape, SnapshotSource, SyncedBook};
use starling_market::wire::{BookUpdate, Coverage, Level, Span};

use super::bytes::Bytes;

#[derive(Debug, Clone, Copy)]
enum Venue {
    Spot,
    Futures,
    Okx,
    Bybit,
    Deribit,
    Kraken,
    Hyperliquid,
}

#[derive(Debug)]
enum Delivery {
    /// The message so far behind the newest; what is between is lost or comes later.
    Message(u8),
    Snapshot(u8),
    Reset,
}

#[derive(Debug)]
struct Anything {
    snapshot: bool,
    ids: (u64, u64, Option<u64>),
    checksum: Option<u32>,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

#[derive(Debug)]
struct Input {
    venue: Venue,
    /// Price and quantity of each change, and how many of the venue's numbers lie before it.
    changes: Vec<(u8, u8, u8)>,
    deliveries: Vec<Delivery>,
    anything: Vec<Anything>,
}

impl Input {
    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        use Venue::{Bybit, Deribit, Futures, Hyperliquid, Kraken, Okx, Spot};
        let venue = [Spot, Futures, Okx, Bybit, Deribit, Kraken, Hyperliquid][usize::from(bytes.u8()? % 7)];
        let (changes, deliveries) = (bytes.u8()?, bytes.u8()?);
        let changes = (0..changes).map_while(|_| Some((bytes.u8()?, bytes.u8()?, bytes.u8()?))).collect();
        let deliveries = (0..deliveries).map_while(|_| Delivery::read(bytes)).collect();
        let anything = std::iter::from_fn(|| Anything::read(bytes)).collect();
        Some(Self { venue, changes, deliveries, anything })
    }
}

impl Delivery {
    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        Some(match bytes.u8()? {
            0..200 => Self::Message(0),
            name @ 200..240 => Self::Message(name),
            240..254 => Self::Snapshot(bytes.u8()?),
            _ => Self::Reset,
        })
    }
}

impl Anything {
    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        let (flags, counts) = (bytes.u8()?, bytes.u8()?);
        // Numbers near one another, or any.
        let wide = flags & 8 != 0;
        let mut number = || if wide { bytes.u64() } else { bytes.u8().map(u64::from) };
        let ids = (number()?, number()?, if flags & 2 == 0 { None } else { Some(number()?) });
        let checksum = if flags & 4 == 0 { None } else { Some(bytes.u32()?) };
        let mut rows = |count: u8| {
            let mut number = || if wide { bytes.i64() } else { bytes.i8().map(i64::from) };
            (0..count).map(|_| Some(level(number()?, number()?))).collect::<Option<Vec<_>>>()
        };
        let (bids, asks) = (rows(counts & 15)?, rows(counts >> 4)?);
        Some(Self { snapshot: flags & 1 != 0, ids, checksum, bids, asks })
    }
}

fn level(price: i64, size: i64) -> Level {
    Level { price: Price::from_units(price), size: Qty::from_units(size) }
}

pub fn judge(input: &[u8]) {
    let Some(input) = Input::read(&mut Bytes(input)) else { return };
    let rules = match input.venue {
        Venue::Spot => Rules::BINANCE_SPOT,
        Venue::Futures => Rules::BINANCE_FUTURES,
        Venue::Okx => Rules::OKX,
        Venue::Bybit => Rules::BYBIT,
        Venue::Deribit => Rules::DERIBIT,
        Venue::Kraken => Rules::kraken(1, 8),
        Venue::Hyperliquid => Rules::HYPERLIQUID,
    };
    let new = || {
        let shape = Shape { window: 64, levels_max: 200, depth: None };
        SyncedBook::new(rules, Price::from_units(1), shape, Limits { updates_max: 20, levels_max: 100 })
    };
    let mut book = new();
    for any in &input.anything {
        let update = BookUpdate {
            coverage: if any.snapshot { Coverage::Snapshot } else { Coverage::Delta },
            ts_event: UnixNanos::EPOCH,
            first_id: any.ids.0,
            last_id: any.ids.1,
            previous_id: any.ids.2,
            checksum: any.checksum,
            bids: Span::default(),
            asks: Span::default(),
        };
        book.on_levels(&update, &any.bids, &any.asks);
        assert!(book.book().is_none_or(|live| !live.is_crossed()));
    }
    if matches!(input.venue, Venue::Kraken | Venue::Hyperliquid) {
        return;
    }
    // One change a message; only futures and the like leave numbers out.
    let mut truth: BTreeMap<u64, BTreeMap<i64, i64>> = BTreeMap::new();
    let mut messages = Vec::new();
    let (mut id, mut state) = (1_000u64, BTreeMap::new());
    truth.insert(id, state.clone());
    for (price, size, skip) in &input.changes {
        let previous = id;
        let consecutive = matches!(input.venue, Venue::Spot | Venue::Bybit);
        id += if consecutive { 1 } else { 1 + u64::from(*skip) };
        if *size == 0 {
            state.remove(&i64::from(*price));
        } else {
            state.insert(i64::from(*price), i64::from(*size));
        }
        truth.insert(id, state.clone());
        let update = BookUpdate {
            coverage: Coverage::Delta,
            ts_event: UnixNanos::EPOCH,
            first_id: id,
            last_id: id,
            previous_id: (!consecutive).then_some(previous),
            checksum: None,
            bids: Span::default(),
            asks: Span::default(),
        };
        messages.push((update, level(i64::from(*price), i64::from(*size))));
    }
    let mut book = new();
    let mut newest = 0usize;
    for delivery in &input.deliveries {
        match delivery {
            Delivery::Message(back) => {
                // Mostly the next one.
                let at = if *back < 200 { newest } else { newest.saturating_sub(usize::from(*back - 200)) };
                let at = at + usize::from(*back % 8 == 7);
                let Some((update, level)) = messages.get(at) else { continue };
                newest = newest.max(at + 1);
                book.on_levels(update, &[*level], &[]);
                assert!(book.book().is_none() || book.last_id() >= update.last_id, "a newer message was passed over");
            }
            Delivery::Snapshot(back) => {
                // In a stream it is of now.
                let back = if rules.snapshot == SnapshotSource::InStream { 0 } else { usize::from(*back) };
                let (last_id, rows) = truth.iter().nth(newest.saturating_sub(back)).expect("a state a message");
                let rows: Vec<Level> = rows.iter().map(|(p, s)| level(*p, *s)).collect();
                let update = BookUpdate {
                    coverage: Coverage::Snapshot,
                    ts_event: UnixNanos::EPOCH,
                    first_id: 0,
                    last_id: *last_id,
                    previous_id: None,
                    checksum: None,
                    bids: Span::default(),
                    asks: Span::default(),
                };
                book.on_levels(&update, &rows, &[]);
            }
            Delivery::Reset => book.reset(),
        }
        if let Some(live) = book.book() {
            let found: BTreeMap<i64, i64> =
                live.side(Side::Buy).levels().map(|l| (l.price.units(), l.size.units())).collect();
            assert_eq!(&found, &truth[&book.last_id()]);
        }
    }
}
