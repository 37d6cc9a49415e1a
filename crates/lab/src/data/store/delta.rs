//! Changes of a book as rows: one for each level or order that a message touches.
//!
//! Invariant: the rows of one message stand together, and the last carries [`Delta::LAST`]; a book is consistent only
//! behind such a row. A snapshot begins with a clear.

use starling_core::{Price, Qty, Side, UnixNanos};
use starling_market::dbn;
use starling_market::wire::{Batch, Coverage, OrderAction, Update};

/// What happens to the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum Action {
    /// Everything that rests is gone; a snapshot begins so.
    Clear = 0,
    /// The level of this side and price now holds this size; zero for none.
    Level = 1,
    /// This order entered.
    Add = 2,
    /// This order now has this price and size.
    Change = 3,
    /// This order left; of DBN, this much of it.
    Delete = 4,
    /// A trade, which by itself changes nothing.
    Trade = 5,
    /// This order was filled, which by itself changes nothing: a delete follows.
    Fill = 6,
}

impl Action {
    /// The action of a code.
    #[must_use]
    pub fn of(code: i64) -> Option<Self> {
        use Action::{Add, Change, Clear, Delete, Fill, Level, Trade};
        [Clear, Level, Add, Change, Delete, Trade, Fill].into_iter().find(|action| *action as i64 == code)
    }
}

/// A change of a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delta {
    /// When the venue published it; that of receipt where the message carries none.
    pub ts_event: UnixNanos,
    /// When it was received.
    pub ts_recv: UnixNanos,
    /// What happens.
    pub action: Action,
    /// Bid or ask; of a trade the side that took.
    pub side: Option<Side>,
    /// The price; zero where there is none.
    pub price: Price,
    /// The size; zero where there is none.
    pub size: Qty,
    /// The order, in a book of orders; else 0.
    pub order_id: u64,
    /// The venue's number of the message's last change; 0 where it gives none.
    pub sequence: u64,
    /// [`Delta::LAST`] and [`Delta::SNAPSHOT`].
    pub flags: u8,
}

impl Delta {
    /// The last row of its message: behind it the book is consistent.
    pub const LAST: u8 = 1;
    /// Part of a snapshot.
    pub const SNAPSHOT: u8 = 2;

    fn clear(ts_event: UnixNanos, ts_recv: UnixNanos, sequence: u64) -> Self {
        Self {
            ts_event,
            ts_recv,
            action: Action::Clear,
            side: None,
            price: Price::ZERO,
            size: Qty::ZERO,
            order_id: 0,
            sequence,
            flags: Self::SNAPSHOT,
        }
    }

    /// A record of DBN's `mbo`; none for a record that changes nothing and is no trade.
    #[must_use]
    pub fn of_dbn(header: &dbn::Header, order: &dbn::Order) -> Option<Self> {
        let action = match order.action {
            b'A' => Action::Add,
            b'M' => Action::Change,
            b'C' => Action::Delete,
            b'R' => Action::Clear,
            b'T' => Action::Trade,
            b'F' => Action::Fill,
            _ => return None,
        };
        let ts_event = header.ts_event.or(order.ts_recv)?;
        Some(Self {
            ts_event,
            ts_recv: order.ts_recv.unwrap_or(ts_event),
            action,
            side: match order.side {
                b'B' => Some(Side::Buy),
                b'A' => Some(Side::Sell),
                _ => None,
            },
            price: order.price.unwrap_or(Price::ZERO),
            size: Qty::from_units(i64::from(order.size) * Qty::ONE.units()),
            order_id: order.order_id,
            sequence: order.sequence.into(),
            // DBN: 0x80 ends an event, 0x20 is of a snapshot.
            flags: u8::from(order.flags & 0x80 != 0) * Self::LAST + u8::from(order.flags & 0x20 != 0) * Self::SNAPSHOT,
        })
    }
}

/// Appends the changes that a decoded update makes to a book; nothing for updates of other kinds.
pub fn deltas_of(update: &Update, batch: &Batch, ts_recv: UnixNanos, out: &mut Vec<Delta>) {
    let start = out.len();
    let at = |ts: UnixNanos| if ts == UnixNanos::EPOCH { ts_recv } else { ts };
    match update {
        Update::Book { book, .. } => {
            let (ts_event, sequence) = (at(book.ts_event), book.last_id);
            let snapshot = book.coverage == Coverage::Snapshot;
            if snapshot {
                out.push(Delta::clear(ts_event, ts_recv, sequence));
            }
            for (side, span) in [(Side::Buy, book.bids), (Side::Sell, book.asks)] {
                out.extend(batch.levels_of(span).iter().map(|level| Delta {
                    action: Action::Level,
                    side: Some(side),
                    price: level.price,
                    size: level.size,
                    flags: if snapshot { Delta::SNAPSHOT } else { 0 },
                    ..Delta::clear(ts_event, ts_recv, sequence)
                }));
            }
        }
        Update::Orders { ts_event, coverage, sequence, orders, .. } => {
            let ts_event = at(*ts_event);
            let snapshot = *coverage == Coverage::Snapshot;
            if snapshot {
                out.push(Delta::clear(ts_event, ts_recv, *sequence));
            }
            out.extend(batch.orders_of(*orders).iter().map(|order| Delta {
                action: match order.action {
                    OrderAction::Add => Action::Add,
                    OrderAction::Change => Action::Change,
                    OrderAction::Delete => Action::Delete,
                },
                side: order.side,
                price: order.price,
                size: order.size,
                order_id: order.order_id,
                flags: if snapshot { Delta::SNAPSHOT } else { 0 },
                ..Delta::clear(ts_event, ts_recv, *sequence)
            }));
        }
        _ => {}
    }
    if let Some(last) = out[start..].last_mut() {
        last.flags |= Delta::LAST;
    }
}
