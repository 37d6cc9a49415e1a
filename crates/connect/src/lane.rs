//! A lane: the bounded way from one connection to one subscriber, with a rule per channel for when it is full.
//!
//! A lock-free ring of fixed size (crate `rtrb`) carries the items. When it is full, or a trade is missing, what comes
//! next is staged on the writer's side, within limits that have names:
//!
//! - trades are held in the order of their ids; a range that is missing is marked ([`Gap`]), asked for
//!   ([`LaneWriter::wanted`]) and delivered in its place, or marked lost. Never dropped silently.
//! - quotes conflate to the latest of an instrument.
//! - a book goes back to a snapshot of the connection's own mirror.
//!
//! Invariants: the writer never waits; per instrument and channel the reader sees the order of the venue (trade ids
//! strictly increase); once the reader keeps up again, the stage drains to empty. Order across channels of an instrument
//! holds only while nothing is staged. It does not fetch and knows no clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use starling_core::fixed::{Price, Qty};
use starling_core::time::{MILLISECOND, SECOND, UnixNanos};
use starling_core::{InstrumentId, Quote, Trade};
use starling_market::wire::{Coverage, Level};

/// Kinds of market data, each with its rule for a full lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// Trade prints: never dropped silently.
    Trade,
    /// Best bid and ask: the latest wins.
    Quote,
    /// Levels: back to a snapshot.
    Book,
    /// Closed bars: never dropped silently.
    Bar,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Trade, Self::Quote, Self::Book, Self::Bar];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// How a venue numbers the trades of an instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TradeNumbers {
    /// One after the other: a hole is a missing trade.
    Contiguous,
    /// Upwards; a hole means nothing.
    Increasing,
    /// By names without an order, or not at all.
    Opaque,
}

/// What a book message says, shared by all lanes it is delivered to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookChange {
    /// Whole or change.
    pub coverage: Coverage,
    /// When the venue published it; zero for a snapshot made here.
    pub ts_event: UnixNanos,
    /// The venue's number of the book state after it.
    pub last_id: u64,
    /// Bid levels; quantity zero deletes.
    pub bids: Box<[Level]>,
    /// Ask levels; quantity zero deletes.
    pub asks: Box<[Level]>,
}

/// A closed bar of the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VenueBar {
    /// What it is of.
    pub instrument: InstrumentId,
    /// When it was received.
    pub ts_recv: UnixNanos,
    /// Where its interval begins.
    pub ts_open: UnixNanos,
    /// Length of its interval, nanoseconds.
    pub interval_ns: u64,
    /// Open, high, low, close.
    pub ohlc: [Price; 4],
    /// Quantity traded.
    pub volume: Qty,
}

/// What became of a missing range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GapState {
    /// It is being asked for; nothing newer of this channel comes before the answer.
    Opened,
    /// All of it has been delivered, in its place.
    Filled,
    /// It will not come.
    Lost,
}

/// Says that something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Of which instrument.
    pub instrument: InstrumentId,
    /// Of which channel.
    pub channel: Channel,
    /// First missing id; 0 where the venue numbers nothing.
    pub first_id: u64,
    /// Last missing id; 0 where the venue numbers nothing.
    pub last_id: u64,
    /// How many are missing; 0 where nobody can say.
    pub count: u64,
    /// What became of it.
    pub state: GapState,
}

/// One thing a subscriber receives.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A trade print.
    Trade(Trade),
    /// Best bid and ask.
    Quote(Quote),
    /// A closed bar.
    Bar(VenueBar),
    /// Levels of a book. A delta follows on everything since the last snapshot.
    Book {
        /// Of which instrument.
        instrument: InstrumentId,
        /// When the frame was received.
        ts_recv: UnixNanos,
        /// What changed.
        change: Arc<BookChange>,
    },
    /// The book of this instrument is unknown until its next snapshot.
    BookLost {
        /// Of which instrument.
        instrument: InstrumentId,
    },
    /// Something is missing.
    Gap(Gap),
    /// Nothing believable came on this channel for too long: no new risk on it.
    Stale {
        /// Of which instrument.
        instrument: InstrumentId,
        /// Which data.
        channel: Channel,
        /// When that was noticed.
        ts: UnixNanos,
    },
    /// The channel speaks again; what it said came just before.
    Fresh {
        /// Of which instrument.
        instrument: InstrumentId,
        /// Which data.
        channel: Channel,
        /// Since when.
        ts: UnixNanos,
    },
    /// From here on another provider is listened to; its book begins with a snapshot. Only [`crate::group`] says this.
    Switched {
        /// Of which instrument.
        instrument: InstrumentId,
        /// The place of the provider that was listened to.
        from: usize,
        /// The place of the one that is now.
        to: usize,
    },
}

impl Item {
    /// The receive stamp, where it has one.
    #[must_use]
    pub const fn ts_recv(&self) -> Option<UnixNanos> {
        match self {
            Self::Trade(t) => Some(t.ts_recv),
            Self::Quote(q) => Some(q.ts_recv),
            Self::Bar(b) => Some(b.ts_recv),
            Self::Book { ts_recv, .. } => Some(*ts_recv),
            Self::Stale { ts, .. } | Self::Fresh { ts, .. } => Some(*ts),
            Self::BookLost { .. } | Self::Gap(_) | Self::Switched { .. } => None,
        }
    }

    /// What it is about.
    #[must_use]
    pub const fn instrument(&self) -> InstrumentId {
        match self {
            Self::Trade(t) => t.instrument,
            Self::Quote(q) => q.instrument,
            Self::Bar(b) => b.instrument,
            Self::Gap(g) => g.instrument,
            Self::Book { instrument, .. }
            | Self::BookLost { instrument }
            | Self::Stale { instrument, .. }
            | Self::Fresh { instrument, .. }
            | Self::Switched { instrument, .. } => *instrument,
        }
    }
}

/// Trades of an instrument that a lane misses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// First missing id.
    pub first: u64,
    /// Last missing id.
    pub last: u64,
    /// Since when nothing of it has come.
    pub since: UnixNanos,
}

/// Limits of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneLimits {
    /// Items in the ring. SEMANTICS: 1,000.
    pub ring_max: usize,
    /// Trades (and bars) of one instrument held beside it.
    pub hold_max: usize,
    /// How long a missing trade may be late before it is asked for, nanoseconds.
    pub grace_ns: u64,
    /// How long between two requests for the same range, nanoseconds.
    pub ask_every_ns: u64,
    /// How long a range may be missing before it is given up, nanoseconds.
    pub refill_wait_ns: u64,
    /// Answers without any missing trade before the range is given up.
    pub barren_max: u32,
}

impl Default for LaneLimits {
    fn default() -> Self {
        Self {
            ring_max: 1_000,
            hold_max: 1_000,
            grace_ns: 200 * MILLISECOND,
            ask_every_ns: 2 * SECOND,
            refill_wait_ns: 30 * SECOND,
            barren_max: 3,
        }
    }
}

macro_rules! lane_stats {
    ($(($field:ident, $name:literal, $help:literal)),+ $(,)?) => {
        /// Counts of one lane, readable from any thread.
        #[derive(Debug, Default)]
        pub struct LaneStats {
            $(#[doc = $help] pub $field: AtomicU64,)+
            /// Receive stamp of the item taken out last, nanoseconds.
            pub popped_ts: AtomicU64,
        }

        impl LaneStats {
            /// Name, meaning and value of each count.
            #[must_use]
            pub fn counts(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$(($name, $help, self.$field.load(Ordering::Relaxed))),+]
            }
        }
    };
}

lane_stats! {
    (pushed, "pushed_total", "Items put into the ring."),
    (popped, "popped_total", "Items taken out."),
    (conflated, "conflated_total", "Quotes replaced by a later one before the subscriber saw them."),
    (overflowed, "overflowed_total", "Trades and bars that found neither ring nor hold free; each lies in a marked gap."),
    (books_reset, "books_reset_total", "Times a book went back to a snapshot because the ring was full."),
    (books_lost, "books_lost_total", "Times a book became unknown because its mirror broke."),
    (resyncs, "resyncs_total", "Snapshots the subscriber asked for."),
    (gaps_opened, "gaps_opened_total", "Gaps opened."),
    (gaps_filled, "gaps_filled_total", "Gaps closed with all that was missing."),
    (lost, "lost_total", "Trades and bars given up; each lies in a gap marked lost."),
    (refilled, "refilled_total", "Trades delivered out of a refill."),
    (duplicates, "duplicates_total", "Duplicates left out."),
    (went_stale, "went_stale_total", "Channels of instruments that were told to be stale."),
}

impl LaneStats {
    /// Items in the ring that the subscriber has not taken: its lag.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let popped = self.popped.load(Ordering::Acquire);
        self.pushed.load(Ordering::Acquire).saturating_sub(popped)
    }
}

fn bump(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Perhaps only late.
    Quiet,
    /// Marked, to be asked for.
    Marked,
}

#[derive(Debug, Clone, Copy)]
struct Missing {
    first: u64,
    last: u64,
    since: UnixNanos,
    asked: Option<UnixNanos>,
    barren: u32,
    phase: Phase,
}

/// Snapshots that the reader asks the writer for.
#[derive(Debug)]
struct Requests {
    any: AtomicBool,
    of: Box<[AtomicBool]>,
}

#[derive(Debug)]
struct TradeStage {
    /// The venue numbers trades without holes, so a missing one shows.
    contiguous: bool,
    /// What is missing can be asked for.
    refill: bool,
    /// Id of the last trade in the ring.
    last: Option<u64>,
    /// Highest id offered.
    seen: u64,
    hold: VecDeque<Trade>,
    missing: Option<Missing>,
    /// A gap to mark lost before anything else.
    lost: Option<(u64, u64, u64)>,
}

#[derive(Debug, Default)]
struct BarStage {
    hold: VecDeque<VenueBar>,
    lost: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BookStage {
    /// No snapshot delivered yet, or the mirror is broken.
    Unknown,
    /// The subscriber has just come: a snapshot of the mirror comes if there is one.
    Joining,
    /// What was delivered is a whole book.
    Synced,
    /// The ring was full: a snapshot of the mirror comes when there is room.
    Overflowed,
    /// The mirror broke, and the reader does not know yet.
    LostUntold,
}

#[derive(Debug)]
struct Slot {
    instrument: InstrumentId,
    trades: TradeStage,
    bars: BarStage,
    quote: Option<Quote>,
    book: BookStage,
    staleness: StaleStage,
    dirty: bool,
}

/// Which channels are stale, and which of them the reader believes to be: a bit each.
#[derive(Debug, Clone, Copy, Default)]
struct StaleStage {
    now: u8,
    told: u8,
    ts: UnixNanos,
}

/// What a lane carries: an instrument, and what can be known of its trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneInstrument {
    /// The instrument.
    pub instrument: InstrumentId,
    /// How its trades are numbered.
    pub numbers: TradeNumbers,
    /// Whether missing trades can be asked for; if not they are given up after [`LaneLimits::grace_ns`].
    pub refill: bool,
}

/// The connection's end.
#[derive(Debug)]
pub struct LaneWriter {
    ring: rtrb::Producer<Item>,
    limits: LaneLimits,
    slots: Vec<Slot>,
    dirty: VecDeque<u32>,
    requests: Arc<Requests>,
    stats: Arc<LaneStats>,
}

/// The subscriber's end.
#[derive(Debug)]
pub struct LaneReader {
    ring: rtrb::Consumer<Item>,
    requests: Arc<Requests>,
    stats: Arc<LaneStats>,
}

/// A lane for some instruments, which are spoken of by their place in `instruments` from here on.
#[must_use]
pub fn lane(instruments: &[LaneInstrument], limits: LaneLimits) -> (LaneWriter, LaneReader) {
    let (producer, consumer) = rtrb::RingBuffer::new(limits.ring_max);
    let stats = Arc::new(LaneStats::default());
    let slot = |of: &LaneInstrument| Slot {
        instrument: of.instrument,
        trades: TradeStage {
            contiguous: of.numbers == TradeNumbers::Contiguous,
            refill: of.refill,
            last: None,
            seen: 0,
            hold: VecDeque::new(),
            missing: None,
            lost: None,
        },
        bars: BarStage::default(),
        quote: None,
        book: BookStage::Unknown,
        staleness: StaleStage::default(),
        dirty: false,
    };
    let slots = instruments.iter().map(slot).collect();
    let of = instruments.iter().map(|_| AtomicBool::new(false)).collect();
    let requests = Arc::new(Requests { any: AtomicBool::new(false), of });
    let reader = LaneReader { ring: consumer, requests: Arc::clone(&requests), stats: Arc::clone(&stats) };
    (LaneWriter { ring: producer, limits, slots, dirty: VecDeque::new(), requests, stats }, reader)
}

impl LaneReader {
    /// The next item, if there is one. Never waits.
    #[inline]
    pub fn pop(&mut self) -> Option<Item> {
        let item = self.ring.pop().ok()?;
        // This end alone writes these two, so a plain store does.
        let popped = self.stats.popped.load(Ordering::Relaxed) + 1;
        self.stats.popped.store(popped, Ordering::Release);
        if let Some(ts) = item.ts_recv() {
            self.stats.popped_ts.store(ts.get(), Ordering::Relaxed);
        }
        Some(item)
    }

    /// Asks for the book of the instrument at this place anew: changes are held back until its snapshot, which comes once
    /// the connection has the book whole.
    pub fn resync(&self, at: usize) {
        self.requests.of[at].store(true, Ordering::Relaxed);
        self.requests.any.store(true, Ordering::Release);
    }

    /// True once the writer is gone; what lies in the ring can still be taken.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.ring.is_abandoned()
    }

    /// The lane's counts.
    #[must_use]
    pub fn stats(&self) -> &Arc<LaneStats> {
        &self.stats
    }
}

impl LaneWriter {
    /// The lane's counts.
    #[must_use]
    pub fn stats(&self) -> &Arc<LaneStats> {
        &self.stats
    }

    /// True once the reader is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.ring.is_abandoned()
    }

    /// For a lane that joins while data flows: every book begins with a snapshot, once there is one.
    pub fn begin(&mut self) {
        for at in 0..self.slots.len() {
            self.slots[at].book = BookStage::Joining;
            self.soil(at);
        }
    }

    /// True if nothing is staged, and nothing asked for.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.dirty.is_empty() && !self.requests.any.load(Ordering::Relaxed)
    }

    /// Turns what the reader asked for into staged snapshots.
    fn heed(&mut self) {
        if !self.requests.any.swap(false, Ordering::Acquire) {
            return;
        }
        for at in 0..self.slots.len() {
            if self.requests.of[at].swap(false, Ordering::Relaxed) {
                bump(&self.stats.resyncs, 1);
                // A book that is unknown begins with a snapshot anyway.
                if self.slots[at].book == BookStage::Synced {
                    self.slots[at].book = BookStage::Joining;
                    self.soil(at);
                }
            }
        }
    }

    #[inline]
    fn send(&mut self, item: Item) -> bool {
        let sent = self.ring.push(item).is_ok();
        if sent {
            let pushed = self.stats.pushed.load(Ordering::Relaxed) + 1;
            self.stats.pushed.store(pushed, Ordering::Release);
        }
        sent
    }

    fn soil(&mut self, at: usize) {
        if !self.slots[at].dirty {
            self.slots[at].dirty = true;
            self.dirty.push_back(u32::try_from(at).expect("instruments of a connection fit 32 bits"));
        }
    }

    /// A trade as it came, with its id where the venue numbers trades. True if it was new.
    #[inline]
    pub fn trade(&mut self, at: usize, trade: Trade, now: UnixNanos) -> bool {
        let stage = &mut self.slots[at].trades;
        if !stage.contiguous {
            return self.unnumbered_trade(at, trade, now);
        }
        let last = *stage.last.get_or_insert(trade.trade_id.saturating_sub(1));
        if trade.trade_id <= last {
            bump(&self.stats.duplicates, 1);
            return false;
        }
        stage.seen = stage.seen.max(trade.trade_id);
        let next = trade.trade_id == last + 1;
        let clean = next && stage.hold.is_empty() && stage.missing.is_none() && stage.lost.is_none();
        if clean && self.send(Item::Trade(trade)) {
            self.slots[at].trades.last = Some(trade.trade_id);
            return true;
        }
        let new = self.hold_trade(at, trade, false);
        self.soil(at);
        self.settle_trades(at, now);
        new
    }

    fn unnumbered_trade(&mut self, at: usize, trade: Trade, now: UnixNanos) -> bool {
        let stage = &mut self.slots[at].trades;
        if trade.trade_id != 0 && stage.last == Some(trade.trade_id) {
            bump(&self.stats.duplicates, 1);
            return false;
        }
        // For venues without a numbering `last` is the last id offered.
        stage.last = Some(trade.trade_id);
        if stage.hold.is_empty() && stage.lost.is_none() && self.send(Item::Trade(trade)) {
            return true;
        }
        let stage = &mut self.slots[at].trades;
        match &mut stage.lost {
            Some((_, _, count)) => {
                *count += 1;
                bump(&self.stats.overflowed, 1);
            }
            None if stage.hold.len() < self.limits.hold_max => stage.hold.push_back(trade),
            None => {
                stage.lost = Some((0, 0, 1));
                bump(&self.stats.overflowed, 1);
            }
        }
        self.soil(at);
        self.settle_trades(at, now);
        true
    }

    /// Puts a trade where it belongs in the hold. The oldest are needed first, so the newest give way.
    fn hold_trade(&mut self, at: usize, trade: Trade, refill: bool) -> bool {
        let stage = &mut self.slots[at].trades;
        let place = stage.hold.partition_point(|t| t.trade_id < trade.trade_id);
        if stage.hold.get(place).is_some_and(|t| t.trade_id == trade.trade_id) {
            bump(&self.stats.duplicates, u64::from(!refill));
            return false;
        }
        if stage.hold.len() >= self.limits.hold_max {
            if place == stage.hold.len() {
                bump(&self.stats.overflowed, 1);
                return true;
            }
            stage.hold.pop_back();
            bump(&self.stats.overflowed, 1);
        }
        stage.hold.insert(place, trade);
        true
    }

    /// Moves what may go into the ring.
    fn settle_trades(&mut self, at: usize, now: UnixNanos) {
        loop {
            let Slot { instrument, trades: stage, .. } = &mut self.slots[at];
            let instrument = *instrument;
            let gap = |first_id, last_id, count, state| {
                Item::Gap(Gap { instrument, channel: Channel::Trade, first_id, last_id, count, state })
            };
            if !stage.contiguous {
                let item = match (stage.hold.front(), stage.lost) {
                    (Some(trade), _) => Item::Trade(*trade),
                    (None, Some((first, last, count))) => gap(first, last, count, GapState::Lost),
                    (None, None) => return,
                };
                if !self.send(item) {
                    return;
                }
                let stage = &mut self.slots[at].trades;
                if stage.hold.pop_front().is_none()
                    && let Some((.., count)) = stage.lost.take()
                {
                    bump(&self.stats.lost, count);
                }
                continue;
            }
            let Some(last) = stage.last else { return };
            if let Some((first, end, count)) = stage.lost {
                if !self.send(gap(first, end, count, GapState::Lost)) {
                    return;
                }
                self.slots[at].trades.lost = None;
                bump(&self.stats.lost, count);
                continue;
            }
            if let Some(missing) = stage.missing
                && last >= missing.last
            {
                let count = missing.last - missing.first + 1;
                if missing.phase == Phase::Marked
                    && !self.send(gap(missing.first, missing.last, count, GapState::Filled))
                {
                    return;
                }
                bump(&self.stats.gaps_filled, u64::from(missing.phase == Phase::Marked));
                self.slots[at].trades.missing = None;
                continue;
            }
            let front = stage.hold.front().copied();
            if let Some(trade) = front
                && trade.trade_id <= last + 1
            {
                if trade.trade_id == last + 1 {
                    let refilled = stage.missing.is_some_and(|m| m.phase == Phase::Marked && trade.trade_id <= m.last);
                    if !self.send(Item::Trade(trade)) {
                        return;
                    }
                    bump(&self.stats.refilled, u64::from(refilled));
                    self.slots[at].trades.last = Some(trade.trade_id);
                }
                self.slots[at].trades.hold.pop_front();
                continue;
            }
            let end = front.map_or(stage.seen, |t| t.trade_id - 1);
            if end <= last {
                return;
            }
            let missing = stage.missing.get_or_insert(Missing {
                first: last + 1,
                last: end,
                since: now,
                asked: None,
                barren: 0,
                phase: Phase::Quiet,
            });
            // Without a held trade behind it, the range grows with what is offered and finds no room.
            if missing.phase == Phase::Quiet || front.is_none() {
                missing.last = missing.last.max(end);
            }
            let missing = *missing;
            match missing.phase {
                Phase::Quiet if now.since(missing.since) < self.limits.grace_ns => return,
                Phase::Quiet if !self.slots[at].trades.refill => self.give_up(at, last, end),
                Phase::Quiet => {
                    let count = missing.last - missing.first + 1;
                    if !self.send(gap(missing.first, missing.last, count, GapState::Opened)) {
                        return;
                    }
                    bump(&self.stats.gaps_opened, 1);
                    if let Some(missing) = &mut self.slots[at].trades.missing {
                        missing.phase = Phase::Marked;
                        missing.since = now;
                    }
                    return;
                }
                Phase::Marked => {
                    let waited = now.since(missing.since) >= self.limits.refill_wait_ns;
                    if !waited && missing.barren < self.limits.barren_max {
                        return;
                    }
                    self.give_up(at, last, end);
                }
            }
        }
    }

    /// The trades after `last` up to `end` will not come.
    fn give_up(&mut self, at: usize, last: u64, end: u64) {
        let stage = &mut self.slots[at].trades;
        stage.lost = Some((last + 1, end, end - last));
        stage.last = Some(end);
        stage.missing = None;
    }

    /// The trades of an instrument that are missing and could be asked for now.
    #[must_use]
    pub fn wanted(&self, at: usize, now: UnixNanos) -> Option<Wanted> {
        let room = self.ring.slots() * 2 >= self.limits.ring_max;
        let stage = &self.slots[at].trades;
        let last = stage.last?;
        let missing = stage.missing.filter(|m| m.phase == Phase::Marked)?;
        let recent = missing.asked.is_some_and(|then| now.since(then) < self.limits.ask_every_ns);
        (room && !recent).then_some(Wanted { first: last + 1, last: missing.last, since: missing.since })
    }

    /// What this lane wants is being asked for: the next answer is judged by what it brings this lane.
    pub fn asked(&mut self, at: usize, now: UnixNanos) {
        if let Some(missing) = &mut self.slots[at].trades.missing {
            missing.asked = Some(now);
        }
    }

    /// An answer, to this lane's request or to another's of the same connection: trades by increasing id, empty if the
    /// venue gave none.
    pub fn refill(&mut self, at: usize, trades: &[Trade], now: UnixNanos) {
        let Some(missing) = self.slots[at].trades.missing else { return };
        let last = self.slots[at].trades.last.unwrap_or(0);
        let useful = trades.iter().any(|t| t.trade_id == last + 1);
        if let Some(missing) = &mut self.slots[at].trades.missing {
            let asked = missing.asked.take().is_some();
            if useful {
                // What makes progress is not given up.
                (missing.barren, missing.since) = (0, now);
            } else if asked {
                missing.barren += 1;
            }
        }
        self.soil(at);
        for trade in trades.iter().filter(|t| t.trade_id > last && t.trade_id <= missing.last) {
            self.hold_trade(at, *trade, true);
            self.settle_trades(at, now);
        }
        self.settle_trades(at, now);
    }

    /// The numbering starts anew at `next_id`: what is missing until there is marked lost.
    pub fn restart_trades(&mut self, at: usize, next_id: u64, now: UnixNanos) {
        let stage = &mut self.slots[at].trades;
        let first = stage.last.map_or(next_id, |last| last + 1);
        stage.hold.clear();
        stage.missing = None;
        stage.lost = Some((first, next_id.saturating_sub(1), next_id.saturating_sub(first)));
        stage.last = Some(next_id.saturating_sub(1));
        stage.seen = 0;
        self.soil(at);
        self.settle_trades(at, now);
    }

    /// A quote.
    #[inline]
    pub fn quote(&mut self, at: usize, quote: Quote) {
        if self.slots[at].quote.is_none() && self.send(Item::Quote(quote)) {
            return;
        }
        if self.slots[at].quote.replace(quote).is_some() {
            bump(&self.stats.conflated, 1);
        }
        self.soil(at);
    }

    /// A closed bar.
    pub fn bar(&mut self, at: usize, bar: VenueBar) {
        let stage = &self.slots[at].bars;
        if stage.hold.is_empty() && stage.lost == 0 && self.send(Item::Bar(bar)) {
            return;
        }
        let stage = &mut self.slots[at].bars;
        if stage.lost == 0 && stage.hold.len() < self.limits.hold_max {
            stage.hold.push_back(bar);
        } else {
            stage.lost += 1;
            bump(&self.stats.overflowed, 1);
        }
        self.soil(at);
    }

    /// A snapshot or delta of the mirrored book, in the order the mirror took it.
    pub fn book(&mut self, at: usize, ts_recv: UnixNanos, change: &Arc<BookChange>) {
        let Slot { instrument, book, .. } = &self.slots[at];
        let snapshot = change.coverage == Coverage::Snapshot;
        if *book != BookStage::Synced && !snapshot {
            return;
        }
        let item = Item::Book { instrument: *instrument, ts_recv, change: Arc::clone(change) };
        if self.send(item) {
            self.slots[at].book = BookStage::Synced;
        } else {
            if self.slots[at].book == BookStage::Synced {
                bump(&self.stats.books_reset, 1);
            }
            self.slots[at].book = BookStage::Overflowed;
            self.soil(at);
        }
    }

    /// The mirror broke: the book is unknown until its next snapshot.
    pub fn book_lost(&mut self, at: usize) {
        let Slot { instrument, book, .. } = &self.slots[at];
        let instrument = *instrument;
        if matches!(book, BookStage::Unknown | BookStage::Joining) {
            return;
        }
        bump(&self.stats.books_lost, 1);
        let told = self.send(Item::BookLost { instrument });
        self.slots[at].book = if told { BookStage::Unknown } else { BookStage::LostUntold };
        if !told {
            self.soil(at);
        }
    }

    /// A channel of an instrument went stale, or came back.
    pub fn staleness(&mut self, at: usize, channel: Channel, stale: bool, now: UnixNanos) {
        let stage = &mut self.slots[at].staleness;
        stage.now = if stale { stage.now | channel.bit() } else { stage.now & !channel.bit() };
        stage.ts = now;
        self.settle_staleness(at);
        let StaleStage { now, told, .. } = self.slots[at].staleness;
        if now != told {
            self.soil(at);
        }
    }

    fn settle_staleness(&mut self, at: usize) {
        let instrument = self.slots[at].instrument;
        let StaleStage { now, told, ts } = self.slots[at].staleness;
        for channel in Channel::ALL.into_iter().filter(|channel| (now ^ told) & channel.bit() != 0) {
            let stale = now & channel.bit() != 0;
            let item =
                if stale { Item::Stale { instrument, channel, ts } } else { Item::Fresh { instrument, channel, ts } };
            if !self.send(item) {
                return;
            }
            bump(&self.stats.went_stale, u64::from(stale));
            self.slots[at].staleness.told ^= channel.bit();
        }
    }

    /// Drains the stage as far as there is room. `snapshot` makes a snapshot of an instrument's mirror, if it is whole.
    pub fn flush(&mut self, now: UnixNanos, snapshot: &dyn Fn(usize) -> Option<Arc<BookChange>>) {
        self.heed();
        for _ in 0..self.dirty.len() {
            if self.ring.is_full() {
                return;
            }
            let Some(place) = self.dirty.pop_front() else { return };
            let at = place as usize;
            self.settle_staleness(at);
            self.settle_trades(at, now);
            self.settle_bars(at);
            self.settle_book(at, now, snapshot);
            if let Some(quote) = self.slots[at].quote
                && self.send(Item::Quote(quote))
            {
                self.slots[at].quote = None;
            }
            let slot = &self.slots[at];
            let settled = slot.trades.hold.is_empty()
                && slot.trades.missing.is_none()
                && slot.trades.lost.is_none()
                && slot.bars.hold.is_empty()
                && slot.bars.lost == 0
                && slot.quote.is_none()
                && slot.staleness.now == slot.staleness.told
                && matches!(slot.book, BookStage::Unknown | BookStage::Synced);
            if settled {
                self.slots[at].dirty = false;
            } else {
                self.dirty.push_back(place);
            }
        }
    }

    fn settle_bars(&mut self, at: usize) {
        while let Some(bar) = self.slots[at].bars.hold.front().copied() {
            if !self.send(Item::Bar(bar)) {
                return;
            }
            self.slots[at].bars.hold.pop_front();
        }
        let (instrument, count) = (self.slots[at].instrument, self.slots[at].bars.lost);
        let gap = Gap { instrument, channel: Channel::Bar, first_id: 0, last_id: 0, count, state: GapState::Lost };
        if count > 0 && self.send(Item::Gap(gap)) {
            self.slots[at].bars.lost = 0;
            bump(&self.stats.lost, count);
        }
    }

    fn settle_book(&mut self, at: usize, now: UnixNanos, snapshot: &dyn Fn(usize) -> Option<Arc<BookChange>>) {
        let instrument = self.slots[at].instrument;
        match self.slots[at].book {
            BookStage::LostUntold => {
                let told = self.send(Item::BookLost { instrument });
                self.slots[at].book = if told { BookStage::Unknown } else { BookStage::LostUntold };
            }
            // Without a whole mirror there is nothing to send; its next snapshot will come by itself.
            stage @ (BookStage::Overflowed | BookStage::Joining) if !self.ring.is_full() => match snapshot(at) {
                Some(change) => {
                    if self.send(Item::Book { instrument, ts_recv: now, change }) {
                        self.slots[at].book = BookStage::Synced;
                    }
                }
                None if stage == BookStage::Joining => self.slots[at].book = BookStage::Unknown,
                None => {
                    bump(&self.stats.books_lost, 1);
                    self.slots[at].book = BookStage::LostUntold;
                }
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
