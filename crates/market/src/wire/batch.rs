//! The one vocabulary all venues' market data is decoded to, and the reusable room it is decoded into.
//!
//! Invariant: an [`Update`] is `Copy` and of fixed size; what varies in length (levels, orders) lies in the batch's
//! own rows and is named by a [`Span`]. Clearing a batch keeps its memory, so a warm decoder allocates nothing.

use starling_core::fixed::{Price, Qty};
use starling_core::order::Side;
use starling_core::time::UnixNanos;

use super::error::WireError;

/// A piece of the frame that was decoded, by byte offsets: a symbol, an error message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Text {
    /// Offset of its first byte in the frame.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Text {
    /// Where `part`, a slice of the frame, stands in it.
    pub(super) fn within(frame: &[u8], part: &[u8]) -> Self {
        let start = part.as_ptr().addr() - frame.as_ptr().addr();
        assert!(start + part.len() <= frame.len(), "a part of the frame");
        // Both fit: a frame has at most FRAME_BYTES_MAX bytes.
        Self { start: start as u32, len: part.len() as u32 }
    }

    /// Its bytes, out of the frame it was decoded from.
    #[must_use]
    #[inline]
    pub fn of(self, frame: &[u8]) -> &[u8] {
        &frame[self.start as usize..(self.start + self.len) as usize]
    }
}

/// Rows of a batch that belong to one update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First row.
    pub start: u32,
    /// Number of rows.
    pub len: u32,
}

impl Span {
    /// The rows from `start` to `end`, which is how many there are now.
    #[inline]
    pub(super) fn since(start: usize, end: usize) -> Self {
        // Both fit: a row takes more than one byte of a frame of at most FRAME_BYTES_MAX.
        Self { start: start as u32, len: (end - start) as u32 }
    }
}

/// One price level: the quantity that rests there now. Zero deletes the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The price.
    pub price: Price,
    /// The whole quantity at that price, zero for none.
    pub size: Qty,
}

/// What a book message covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// The whole book (or its top N): what is not in it is gone.
    Snapshot,
    /// Changed levels only.
    Delta,
}

/// A message of a level-2 book channel. Levels above the range of a [`Price`] (nine billion) are left out: real books hold
/// some, and nobody will ever trade there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookUpdate {
    /// Whole or change.
    pub coverage: Coverage,
    /// When the book became so, by the matching engine's clock where the venue tells that, else when the venue published
    /// it; zero where the message carries no stamp.
    pub ts_event: UnixNanos,
    /// The venue's number of the first change in this message; 0 where it gives none.
    pub first_id: u64,
    /// The venue's number of the last change in this message; 0 where it gives none.
    pub last_id: u64,
    /// The number of the change before this message, where the venue chains them that way.
    pub previous_id: Option<u64>,
    /// The venue's checksum of the book after this message, as an unsigned 32-bit value, where it gives one.
    pub checksum: Option<u32>,
    /// Bid levels, rows of [`Batch::levels`].
    pub bids: Span,
    /// Ask levels, rows of [`Batch::levels`].
    pub asks: Span,
}

/// What happened to one resting order of a level-3 book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderAction {
    /// It entered, or is part of a snapshot.
    Add,
    /// Its price or quantity is now this one.
    Change,
    /// It left.
    Delete,
}

/// One row of a level-3 book message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookOrder {
    /// What happened.
    pub action: OrderAction,
    /// The venue's number of the order, or a 64-bit digest of its name where the venue uses text.
    pub order_id: u64,
    /// Bid or ask; where a delete does not say, what the order was (the book knows) may differ.
    pub side: Option<Side>,
    /// The price; zero for a delete that does not repeat it.
    pub price: Price,
    /// The quantity now resting; zero for a delete.
    pub size: Qty,
}

/// One decoded message, or one entry of a message that carries several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Update {
    /// A trade print.
    Trade {
        /// The venue's name of the instrument.
        symbol: Text,
        /// When it traded.
        ts_event: UnixNanos,
        /// The price.
        price: Price,
        /// The quantity.
        size: Qty,
        /// Who took liquidity, where the venue tells.
        aggressor: Option<Side>,
        /// The venue's trade number (of an aggregate: its last); a digest where it is text; 0 where it gives none.
        trade_id: u64,
    },
    /// Best bid and ask. A side on which nothing rests is a level of size zero.
    Quote {
        /// The venue's name of the instrument.
        symbol: Text,
        /// As of [`BookUpdate`].
        ts_event: UnixNanos,
        /// The venue's number of the book state it was taken from; 0 where it gives none.
        update_id: u64,
        /// Best bid.
        bid: Level,
        /// Best ask.
        ask: Level,
    },
    /// Levels of a book.
    Book {
        /// The venue's name of the instrument.
        symbol: Text,
        /// What changed.
        book: BookUpdate,
    },
    /// Single orders of a book.
    Orders {
        /// The venue's name of the instrument.
        symbol: Text,
        /// When the venue published it; zero where the message carries no stamp.
        ts_event: UnixNanos,
        /// Whole or change.
        coverage: Coverage,
        /// The venue's number of this message; 0 where it gives none.
        sequence: u64,
        /// The venue's checksum of the book after this message, as of [`BookUpdate::checksum`].
        checksum: Option<u32>,
        /// Rows of [`Batch::orders`].
        orders: Span,
    },
    /// A bar the venue built.
    Bar {
        /// The venue's name of the instrument.
        symbol: Text,
        /// Where its interval begins.
        ts_open: UnixNanos,
        /// Length of its interval in nanoseconds; 0 where the message does not say.
        interval_ns: u64,
        /// First price.
        open: Price,
        /// Highest price.
        high: Price,
        /// Lowest price.
        low: Price,
        /// Last price.
        close: Price,
        /// Quantity traded.
        volume: Qty,
        /// False while the bar still grows.
        closed: bool,
    },
    /// The venue confirms a subscription, a login, or a connection.
    Acknowledged,
    /// The connection lives.
    Heartbeat,
    /// The venue refuses something; the text is its own.
    Refused(Text),
    /// A well-formed message of a channel this decoder does not turn into market data.
    Ignored,
}

/// The room one frame is decoded into, reused for every frame.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// What the frame said, in its order.
    pub updates: Vec<Update>,
    /// Levels, named by the spans of [`BookUpdate`].
    pub levels: Vec<Level>,
    /// Orders, named by the spans of [`Update::Orders`].
    pub orders: Vec<BookOrder>,
    /// The venue's number of this frame among all it sent on this connection, where it counts them: a frame that was lost
    /// leaves a hole. (Coinbase Advanced Trade counts always, Bitfinex if asked to.)
    pub frame_number: Option<u64>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the frame, keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.updates.clear();
        self.levels.clear();
        self.orders.clear();
        self.frame_number = None;
    }

    // Appends an update; always `Ok`, so that a reader can end with it.
    #[inline]
    pub(super) fn put(&mut self, update: Update) -> Result<(), WireError> {
        self.updates.push(update);
        Ok(())
    }

    /// The levels of a span.
    #[must_use]
    #[inline]
    pub fn levels_of(&self, span: Span) -> &[Level] {
        &self.levels[span.start as usize..(span.start + span.len) as usize]
    }

    /// The orders of a span.
    #[must_use]
    #[inline]
    pub fn orders_of(&self, span: Span) -> &[BookOrder] {
        &self.orders[span.start as usize..(span.start + span.len) as usize]
    }
}
