//! Joining a snapshot with a stream of changes, by each venue's rules, and noticing when they no longer fit.
//!
//! Invariants: while [`SyncedBook::book`] shows a book, that book is the venue's at [`SyncedBook::last_id`], provided that
//! the venue numbers its messages ([`Chain::Consecutive`], [`Chain::Previous`]); whichever messages were lost, repeated or
//! swapped, a book that misses one is not shown. A venue without numbers ([`Chain::Unnumbered`]) is believed until its
//! checksum or a crossed book says otherwise. What waits for a snapshot is bounded.
//!
//! Nothing is fetched here: [`Outcome::Resync`] asks the caller for a snapshot (by REST where the rules say
//! [`SnapshotSource::Requested`], by subscribing anew where [`SnapshotSource::InStream`]). No clock: retries are the
//! caller's.

use starling_core::fixed::Price;
use starling_core::time::UnixNanos;

use super::{BookError, Checksum, Digits, LevelBook, Shape};
use crate::wire::{Batch, BookUpdate, Coverage, Level, Span};

/// How messages of a book channel refer to one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// A message covers the numbers `first_id..=last_id` and the next begins one later. Sizes are absolute, so one that
    /// overlaps what is known is applied.
    Consecutive,
    /// A message names the one before it.
    Previous,
    /// Nothing is numbered per book.
    Unnumbered,
}

/// Where a snapshot comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotSource {
    /// By a request of its own, while changes arrive: they are kept until it is there.
    Requested,
    /// As the first message of the subscription: changes before it belong to another one.
    InStream,
}

/// A venue's rules, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How messages are linked.
    pub chain: Chain,
    /// Where snapshots come from.
    pub snapshot: SnapshotSource,
    /// Numbers may start again from below (maintenance, restart of a service): a smaller number than the last is then
    /// no proof of an old message.
    pub resets: bool,
    /// A change numbered 1 is a snapshot, whatever it calls itself.
    pub one_is_snapshot: bool,
    /// How the venue hashes its book, where it does.
    pub checksum: Option<Checksum>,
    /// A bid above an ask means that the book is wrong (no auctions on this venue).
    pub crossed_is_fault: bool,
}

impl Rules {
    const PLAIN: Self = Self {
        chain: Chain::Unnumbered,
        snapshot: SnapshotSource::InStream,
        resets: false,
        one_is_snapshot: false,
        checksum: None,
        crossed_is_fault: true,
    };

    /// Binance spot `@depth`: `U`..`u`, REST snapshot with `lastUpdateId`; what ends at or before the snapshot is dropped,
    /// the first applied must hold the number after it (Binance, "How to manage a local order book correctly").
    pub const BINANCE_SPOT: Self =
        Self { chain: Chain::Consecutive, snapshot: SnapshotSource::Requested, ..Self::PLAIN };

    /// Binance USD-M and COIN-M `@depth`: `pu` names the previous `u`. The venue's rule for the first message after a
    /// snapshot S is `U <= S <= u`; here `pu <= S <= u`, as a snapshot may also fall between two messages' numbers.
    pub const BINANCE_FUTURES: Self =
        Self { chain: Chain::Previous, snapshot: SnapshotSource::Requested, ..Self::PLAIN };

    /// OKX v5 `books`: `prevSeqId` names the previous `seqId`; both are equal in a keep-alive, and `seqId` falls below
    /// `prevSeqId` once after maintenance (OKX API guide, "Order book channel").
    pub const OKX: Self = Self {
        chain: Chain::Previous,
        resets: true,
        checksum: Some(Checksum::Okx { price: Digits::Shortest, size: Digits::Shortest }),
        ..Self::PLAIN
    };

    /// Bybit v5 `orderbook.N`: `u` counts messages; a snapshot replaces the book at any time, and `u` = 1 is one (Bybit
    /// API guide, "Orderbook").
    pub const BYBIT: Self = Self { chain: Chain::Consecutive, resets: true, one_is_snapshot: true, ..Self::PLAIN };

    /// Deribit `book.*.raw` and `100ms`: `prev_change_id` names the previous `change_id`.
    pub const DERIBIT: Self = Self { chain: Chain::Previous, ..Self::PLAIN };

    /// Coinbase `level2`: numbers count all messages of a connection, so [`Sequence`] watches them, once a connection.
    pub const COINBASE: Self = Self::PLAIN;

    /// Hyperliquid `l2Book`: every message is a snapshot.
    pub const HYPERLIQUID: Self = Self::PLAIN;

    /// Bitfinex P0..P4 books with checksums switched on; the numbers it can be asked for count a connection's messages.
    pub const BITFINEX: Self = Self { checksum: Some(Checksum::Bitfinex), ..Self::PLAIN };

    /// Kraken v2 `book`: no numbers, a checksum over the best ten, whose text needs the pair's decimals. The book's
    /// [`Shape::depth`] must be the depth subscribed to.
    #[must_use]
    pub const fn kraken(price_digits: u8, size_digits: u8) -> Self {
        Self { checksum: Some(Checksum::Kraken { price_digits, size_digits }), ..Self::PLAIN }
    }
}

/// Why a book is not, or no longer, the venue's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Messages were lost.
    #[error("expected the message that follows {expected}, found one that follows {found}: messages were lost")]
    Gap {
        /// The number the book stands at.
        expected: u64,
        /// The number before what arrived.
        found: u64,
    },
    /// The snapshot ends before the first change kept for it begins.
    #[error("the snapshot stands at {snapshot}, the changes kept for it begin after {first}: fetch a newer one")]
    SnapshotTooOld {
        /// The snapshot's number.
        snapshot: u64,
        /// The number before the first change that follows it.
        first: u64,
    },
    /// A bid stands above an ask.
    #[error("bid {bid} stands above ask {ask}: changes were lost or misread")]
    Crossed {
        /// Best bid.
        bid: Price,
        /// Best ask.
        ask: Price,
    },
    /// The venue's checksum is another one.
    #[error("the book's checksum is {computed}, the venue's {sent}: changes were lost or misread")]
    Checksum {
        /// Of this book.
        computed: u32,
        /// As sent.
        sent: u32,
    },
    /// More changes arrived than are kept while a snapshot is awaited; they were dropped.
    #[error("more than {updates_max} messages or {levels_max} levels arrived without a snapshot: fetch it sooner")]
    Overflow {
        /// The limit of messages.
        updates_max: usize,
        /// The limit of levels.
        levels_max: usize,
    },
    /// The book refused a level.
    #[error(transparent)]
    Refused(#[from] BookError),
}

/// Whether the book is the venue's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No snapshot has come yet.
    Waiting,
    /// The book is the venue's at [`SyncedBook::last_id`].
    Live,
    /// It was, or should have been, and is not: a snapshot is needed.
    Broken(Reason),
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The book has moved, by a change or by a snapshot that replaced it.
    Applied,
    /// A snapshot was taken, and so many kept changes after it; the book is live now.
    Joined {
        /// Kept changes that followed the snapshot.
        replayed: usize,
    },
    /// It is kept for the snapshot to come.
    Buffered,
    /// It is old, repeated, or cannot be used before a snapshot: nothing has changed.
    Ignored,
    /// The book is broken; a snapshot is needed.
    Resync(Reason),
}

/// What is kept while a snapshot is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Messages.
    pub updates_max: usize,
    /// Levels of all of them (16 bytes each).
    pub levels_max: usize,
}

impl Default for Limits {
    /// 4,096 messages (seven minutes of Binance spot), 131,072 levels (2 MiB).
    fn default() -> Self {
        Self { updates_max: 4_096, levels_max: 1 << 17 }
    }
}

/// How a message relates to the number a book stands at.
enum Link {
    Follows,
    Old,
    Gap { found: u64 },
}

/// A book that knows whether it is complete.
#[derive(Debug, Clone)]
pub struct SyncedBook {
    rules: Rules,
    limits: Limits,
    book: LevelBook,
    state: State,
    /// The number the book stands at, and the one its last message named before it.
    last: (u64, Option<u64>),
    /// True until the first change after a snapshot.
    fresh: bool,
    ts_event: UnixNanos,
    kept: Kept,
}

/// Changes that wait for a snapshot: linked to one another, spans into rows of their own.
#[derive(Debug, Clone, Default)]
struct Kept {
    updates: Vec<BookUpdate>,
    levels: Vec<Level>,
}

impl SyncedBook {
    /// An empty book that waits for its snapshot. Tick and shape as for [`LevelBook::with_shape`].
    #[must_use]
    pub fn new(rules: Rules, tick: Price, shape: Shape, limits: Limits) -> Self {
        Self {
            rules,
            limits,
            book: LevelBook::with_shape(tick, shape),
            state: State::Waiting,
            last: (0, None),
            fresh: false,
            ts_event: UnixNanos::EPOCH,
            kept: Kept::default(),
        }
    }

    /// The book, while it is the venue's.
    #[must_use]
    #[inline]
    pub fn book(&self) -> Option<&LevelBook> {
        (self.state == State::Live).then_some(&self.book)
    }

    /// Whether it is.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The venue's number of the last change in the book; of meaning while it is live.
    #[must_use]
    pub fn last_id(&self) -> u64 {
        self.last.0
    }

    /// The stamp of the last message in the book that had one.
    #[must_use]
    pub fn ts_event(&self) -> UnixNanos {
        self.ts_event
    }

    /// The connection was lost or made anew: everything is forgotten, a snapshot is awaited.
    pub fn reset(&mut self) {
        self.state = State::Waiting;
        self.kept.clear();
    }

    /// Something else showed the book to be wrong (a gap in the connection's numbers, an operator).
    pub fn invalidate(&mut self, reason: Reason) {
        self.state = State::Broken(reason);
        self.kept.clear();
    }

    /// A message of the book channel, or a snapshot that was requested.
    pub fn on_update(&mut self, update: &BookUpdate, batch: &Batch) -> Outcome {
        self.on_levels(update, batch.levels_of(update.bids), batch.levels_of(update.asks))
    }

    /// The same by its levels; the spans of `update` are not looked at.
    pub fn on_levels(&mut self, update: &BookUpdate, bids: &[Level], asks: &[Level]) -> Outcome {
        let restart = self.rules.one_is_snapshot && update.last_id == 1;
        if update.coverage == Coverage::Snapshot || restart {
            return self.on_snapshot(update, bids, asks);
        }
        if self.state == State::Live {
            return match self.link(self.last, self.fresh, update) {
                Link::Old => Outcome::Ignored,
                Link::Follows => match self.apply(Coverage::Delta, update, bids, asks) {
                    Ok(()) => Outcome::Applied,
                    Err(reason) => self.broken(reason),
                },
                Link::Gap { found } => {
                    let gap = self.broken(Reason::Gap { expected: self.last.0, found });
                    // It may well follow the snapshot that is asked for now.
                    self.keep(update, bids, asks);
                    gap
                }
            };
        }
        self.keep(update, bids, asks)
    }

    fn on_snapshot(&mut self, update: &BookUpdate, bids: &[Level], asks: &[Level]) -> Outcome {
        let live = self.state == State::Live;
        if live && self.is_old(update) {
            return Outcome::Ignored;
        }
        if let Err(reason) = self.apply(Coverage::Snapshot, update, bids, asks) {
            return self.broken(reason);
        }
        self.fresh = true;
        self.state = State::Live;
        // Nothing is kept while a book is live.
        if live { Outcome::Applied } else { self.replay() }
    }

    /// A snapshot from before what the book knows by now.
    fn is_old(&self, update: &BookUpdate) -> bool {
        match (self.rules.snapshot, self.rules.chain) {
            (SnapshotSource::Requested, _) => update.last_id < self.last.0,
            (SnapshotSource::InStream, Chain::Unnumbered) => {
                update.ts_event != UnixNanos::EPOCH && update.ts_event < self.ts_event
            }
            (SnapshotSource::InStream, _) => false,
        }
    }

    /// Applies what was kept and follows the snapshot.
    fn replay(&mut self) -> Outcome {
        let kept = std::mem::take(&mut self.kept);
        let mut replayed = 0;
        for (at, update) in kept.updates.iter().enumerate() {
            match self.link(self.last, self.fresh, update) {
                Link::Old => {}
                Link::Follows => {
                    let (bids, asks) = (kept.rows(update.bids), kept.rows(update.asks));
                    if let Err(reason) = self.apply(Coverage::Delta, update, bids, asks) {
                        return self.broken(reason);
                    }
                    replayed += 1;
                }
                Link::Gap { found } => {
                    // What is kept hangs together, so this is the first that is newer than the snapshot; all of it and
                    // what comes after waits for the next one.
                    debug_assert_eq!(replayed, 0, "kept changes follow one another");
                    let reason = Reason::SnapshotTooOld { snapshot: self.last.0, first: found };
                    self.state = State::Broken(reason);
                    self.kept = kept.from(at);
                    return Outcome::Resync(reason);
                }
            }
        }
        self.kept = kept;
        self.kept.clear();
        Outcome::Joined { replayed }
    }

    fn apply(&mut self, coverage: Coverage, update: &BookUpdate, bids: &[Level], asks: &[Level]) -> Result<(), Reason> {
        self.book.apply_levels(coverage, bids, asks)?;
        self.last = (update.last_id, update.previous_id);
        self.fresh = false;
        if update.ts_event != UnixNanos::EPOCH {
            self.ts_event = update.ts_event;
        }
        if let (Some(rule), Some(sent)) = (self.rules.checksum, update.checksum)
            && rule.applies(sent)
        {
            let computed = self.book.checksum(rule);
            if computed != sent {
                return Err(Reason::Checksum { computed, sent });
            }
        }
        match (self.book.best_bid(), self.book.best_ask()) {
            (Some(bid), Some(ask)) if self.rules.crossed_is_fault && bid.price > ask.price => {
                Err(Reason::Crossed { bid: bid.price, ask: ask.price })
            }
            _ => Ok(()),
        }
    }

    fn broken(&mut self, reason: Reason) -> Outcome {
        self.invalidate(reason);
        Outcome::Resync(reason)
    }

    /// How a change relates to a book, or to kept changes, that stand at `last`.
    fn link(&self, last: (u64, Option<u64>), fresh: bool, update: &BookUpdate) -> Link {
        let repeated = (update.last_id, update.previous_id) == last;
        let old = if self.rules.resets { repeated } else { update.last_id <= last.0 };
        match self.rules.chain {
            Chain::Unnumbered => Link::Follows,
            Chain::Consecutive => {
                let first = if update.first_id == 0 { update.last_id } else { update.first_id };
                // Where numbers start again, an overlap proves nothing.
                let next = last.0.saturating_add(1);
                let follows = if self.rules.resets { first == next } else { first <= next };
                match (old, follows) {
                    (true, _) => Link::Old,
                    (false, true) => Link::Follows,
                    (false, false) => Link::Gap { found: first.saturating_sub(1) },
                }
            }
            Chain::Previous => {
                let Some(previous) = update.previous_id else { return Link::Gap { found: update.first_id } };
                let spans = fresh && !self.rules.resets && previous <= last.0 && last.0 <= update.last_id;
                if previous == last.0 || spans {
                    Link::Follows
                } else if old {
                    Link::Old
                } else {
                    Link::Gap { found: previous }
                }
            }
        }
    }

    /// Keeps a change for the snapshot to come.
    fn keep(&mut self, update: &BookUpdate, bids: &[Level], asks: &[Level]) -> Outcome {
        if self.rules.snapshot == SnapshotSource::InStream {
            return Outcome::Ignored;
        }
        if let Some(last) = self.kept.updates.last() {
            match self.link((last.last_id, last.previous_id), false, update) {
                Link::Follows => {}
                Link::Old => return Outcome::Ignored,
                // What was lost in between makes the older ones useless.
                Link::Gap { .. } => self.kept.clear(),
            }
        }
        let levels = bids.len() + asks.len();
        if self.kept.updates.len() >= self.limits.updates_max
            || self.kept.levels.len() + levels > self.limits.levels_max
        {
            let Limits { updates_max, levels_max } = self.limits;
            let overflow = self.broken(Reason::Overflow { updates_max, levels_max });
            if updates_max > 0 && levels <= levels_max {
                self.kept.push(update, bids, asks);
            }
            return overflow;
        }
        self.kept.push(update, bids, asks);
        Outcome::Buffered
    }
}

impl Kept {
    fn clear(&mut self) {
        self.updates.clear();
        self.levels.clear();
    }

    fn push(&mut self, update: &BookUpdate, bids: &[Level], asks: &[Level]) {
        let mut append = |rows: &[Level]| {
            let start = self.levels.len() as u32;
            self.levels.extend_from_slice(rows);
            Span { start, len: rows.len() as u32 }
        };
        let (bids, asks) = (append(bids), append(asks));
        self.updates.push(BookUpdate { bids, asks, ..*update });
    }

    fn rows(&self, span: Span) -> &[Level] {
        &self.levels[span.start as usize..(span.start + span.len) as usize]
    }

    fn from(mut self, first: usize) -> Self {
        self.updates.drain(..first);
        self
    }
}

/// The numbers of a connection's messages, where the venue counts those and not its books (Coinbase `sequence_num`,
/// Bitfinex with `SEQ_ALL`): after a gap every book of the connection is to be [invalidated](SyncedBook::invalidate).
#[derive(Debug, Clone, Copy, Default)]
pub struct Sequence {
    last: Option<u64>,
}

impl Sequence {
    /// The next message's number; an error where it is not one more than the last. Counting goes on from it either way.
    pub fn check(&mut self, number: u64) -> Result<(), Reason> {
        match self.last.replace(number) {
            Some(expected) if expected.checked_add(1) != Some(number) => {
                Err(Reason::Gap { expected, found: number.saturating_sub(1) })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
