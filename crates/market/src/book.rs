//! Order books: what rests at a venue, rebuilt from what it sends.
//!
//! [`LevelBook`] keeps quantities by price (L2), [`OrderBook`] single orders in their queues (L3), [`SyncedBook`] joins a
//! snapshot with a stream of changes by the venue's own rules and says when the two no longer fit, and [`Consolidated`]
//! finds the best price across venues.
//!
//! Invariants: a book that [`SyncedBook`] shows is the venue's book at the number it names, or it is not shown; sizes are
//! positive; every structure has a bound with a name. Books here never guess: a fault is an error value, and the book it
//! befell is unusable until it is cleared or joined anew.

mod bitmap;
mod checksum;
mod consolidated;
mod join;
mod ladder;
mod level_book;
mod orders;

use starling_core::fixed::{Price, Qty};
use starling_core::order::Side;

pub use checksum::{Checksum, Digits};
pub use consolidated::{Best, BestSide, Consolidated, Touch, VENUES_MAX};
pub use join::{Chain, Limits, Outcome, Reason, Rules, Sequence, SnapshotSource, State, SyncedBook};
pub use ladder::{Ladder, Levels, Shape};
pub use level_book::{LevelBook, Sweep};
pub use orders::{Ahead, ORDERS_MAX, OrderBook, QueueLevel, RestingOrder, UnknownChange};

/// Why a book refused an update.
///
/// The book may hold a part of the message by then; it is not to be used until it is cleared or joined anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BookError {
    /// A quantity below zero.
    #[error("quantity {size} at price {price} is below zero; no venue rests that: check the decoder's sign")]
    NegativeSize {
        /// The price.
        price: Price,
        /// The quantity as found.
        size: Qty,
    },
    /// More levels or orders on one side than the book may hold.
    #[error("the {side:?} side holds {limit} entries already; raise the limit, or subscribe to fewer levels")]
    Full {
        /// The side.
        side: Side,
        /// Its limit.
        limit: usize,
    },
    /// The quantities of a level add up to more than a [`Qty`] holds.
    #[error("quantity {size} added at price {price} makes the level's total overflow")]
    Overflow {
        /// The price.
        price: Price,
        /// The quantity that no longer fits.
        size: Qty,
    },
    /// An order entered twice.
    #[error("order {order_id} was added, but rests already; a message was repeated or a delete was lost")]
    DuplicateOrder {
        /// The venue's number.
        order_id: u64,
    },
    /// An order was changed or deleted that the book does not hold.
    #[error("order {order_id} was changed or deleted, but does not rest here; a message was lost")]
    UnknownOrder {
        /// The venue's number.
        order_id: u64,
    },
    /// An order was to shrink by more than it has.
    #[error("order {order_id} rests with {resting}, and was to shrink by {by}")]
    TooMuch {
        /// The venue's number.
        order_id: u64,
        /// What rests.
        resting: Qty,
        /// What was to go.
        by: Qty,
    },
    /// An order without a side or with nothing to rest.
    #[error("order {order_id} came with side {side:?} and quantity {size}; a resting order has both")]
    Incomplete {
        /// The venue's number.
        order_id: u64,
        /// The side as found.
        side: Option<Side>,
        /// The quantity as found.
        size: Qty,
    },
}
