//! From a frame's bytes to every subscriber's lane: decode, judge, join books, deliver; and what to ask for again.
//!
//! Frames, answers and time go in; lanes fill, and [`Ingest::wants`] names the REST requests to make. Invariants: a frame
//! that cannot be decoded, or an update its guard refuses, reaches no lane and lies in quarantine with its bytes; a book is
//! delivered only while it is joined; every drop has a counter. It knows no socket and no clock.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use starling_core::order::Side;
use starling_core::time::{SECOND, UnixNanos};
use starling_core::{InstrumentId, Price, Quote, Trade};
use starling_market::book::{self, LevelBook, Outcome, Rules, Sequence, Shape, SnapshotSource, State, SyncedBook};
use starling_market::wire::{Batch, BookUpdate, Connection, Coverage, Feed, Level, Text, Update};

use crate::dialect::{AnswerError, Dialect, QuoteSource, RestCall, Topic};
use crate::fanout::{Door, Fanout};
use crate::lane::{BookChange, Channel, LaneInstrument, TradeNumbers, VenueBar};
use crate::limit::Bucket;
use crate::metrics::{Counter, Gauge, Metrics};
use crate::quarantine::{Quarantine, Reason};
use crate::watch::{Guard, GuardLimits, Numbering, Skew, SkewRule, Staleness, Turn};

/// REST requests of one connection in flight at most.
pub const FETCHES_MAX: usize = 4;
/// How long between two renewals of the same book in the stream.
pub const RENEW_EVERY_NS: u64 = 5 * SECOND;
/// Trade names of an instrument that are remembered where they have no order, so that what a venue tells again after a
/// new subscription is known.
pub const RECENT_TRADES: usize = 128;

/// An instrument of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The venue's name of it.
    pub symbol: String,
    /// Ours.
    pub instrument: InstrumentId,
    /// Its price increment.
    pub tick: Price,
    /// Decimals that the venue writes its prices and quantities with, where they are known: some checksums need them.
    pub digits: Option<(u8, u8)>,
    /// Which data of it.
    pub channels: Vec<Channel>,
}

/// Limits and rules of a connection's data.
#[derive(Debug, Clone, Copy)]
pub struct IngestLimits {
    /// What is believed.
    pub guard: GuardLimits,
    /// How the clocks relate.
    pub skew: SkewRule,
    /// A channel of an instrument is stale after so long without an update, nanoseconds.
    pub stale_after_ns: u64,
    /// How long between two snapshot requests for the same book, nanoseconds.
    pub snapshot_every_ns: u64,
    /// The mirrored books' size.
    pub shape: Shape,
    /// What a book keeps while it waits for its snapshot.
    pub join: book::Limits,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            guard: GuardLimits::default(),
            skew: SkewRule::Learned { samples: 64 },
            stale_after_ns: 30 * SECOND,
            snapshot_every_ns: SECOND,
            shape: Shape::default(),
            join: book::Limits::default(),
        }
    }
}

/// What a REST request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The book of an instrument, by its place.
    Snapshot(usize),
    /// Missing trades of an instrument, by its place.
    Trades(usize),
}

/// A REST request to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// What for.
    pub purpose: Purpose,
    /// Path and query, after the base address.
    pub path: String,
}

/// What a frame was, for the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// Market data, or something that needs no answer.
    Data,
    /// The venue confirmed a message.
    Confirmed,
    /// The venue refused one.
    Refused,
    /// It could not be decoded.
    Undecodable,
}

#[derive(Debug)]
struct Feeding {
    channel: Channel,
    staleness: Staleness,
}

/// Which trades of an instrument have been seen, where a lane cannot know it by a numbering without holes.
#[derive(Debug)]
enum Seen {
    /// The lane knows.
    Contiguous,
    /// The highest number.
    Highest(u64),
    /// The latest names, and where the next one goes.
    Latest(Box<[u64; RECENT_TRADES]>, usize),
}

impl Seen {
    fn new(numbers: TradeNumbers) -> Self {
        match numbers {
            TradeNumbers::Contiguous => Self::Contiguous,
            TradeNumbers::Increasing => Self::Highest(0),
            TradeNumbers::Opaque => Self::Latest(Box::new([0; RECENT_TRADES]), 0),
        }
    }

    /// True if it is new, and then it is remembered. Numbers that fall by more than `span` begin anew.
    fn is_new(&mut self, trade_id: u64, span: u64) -> bool {
        match self {
            Self::Contiguous => true,
            _ if trade_id == 0 => true,
            Self::Highest(highest) => {
                let new = trade_id > *highest || *highest - trade_id > span;
                if new {
                    *highest = trade_id;
                }
                new
            }
            Self::Latest(names, next) => {
                // Without a branch per name, so that it takes a few instructions.
                if names.iter().fold(false, |found, name| found | (*name == trade_id)) {
                    return false;
                }
                names[*next] = trade_id;
                *next = (*next + 1) % RECENT_TRADES;
                true
            }
        }
    }
}

#[derive(Debug)]
struct Slot {
    of: Subscription,
    seen: Seen,
    /// The book goes to the subscribers, or only feeds quotes.
    shows_book: bool,
    /// The best bid and ask told last, where quotes are made of the book.
    touch: Option<[Level; 2]>,
    guard: Guard,
    book: Option<Box<SyncedBook>>,
    /// A change has come since the connection opened: a snapshot asked for now will fit.
    book_flows: bool,
    asked: Option<UnixNanos>,
    quote_id: u64,
    feeds: Vec<Feeding>,
}

/// One connection's data on its way to the lanes.
#[derive(Debug)]
pub struct Ingest {
    dialect: &'static Dialect,
    feed: &'static Feed,
    wire: Connection,
    sequence: Sequence,
    refusal: Box<[u8]>,
    limits: IngestLimits,
    slots: Vec<Slot>,
    places: HashMap<Box<[u8]>, usize>,
    /// Where the last update went: the next is often of the same instrument.
    latest: usize,
    batch: Batch,
    fanout: Fanout,
    quarantine: Quarantine,
    skew: Skew,
    weight: Bucket,
    in_flight: Vec<Purpose>,
    metrics: Arc<Metrics>,
}

/// A connection that cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// More topics than the venue takes.
    #[error("{topics} topics are more than the {max} that {venue} takes on one connection: use several connections")]
    TooManyTopics {
        /// How many.
        topics: usize,
        /// The limit.
        max: usize,
        /// The venue.
        venue: &'static str,
    },
    /// The venue does not offer a channel.
    #[error("{venue} offers no {channel:?} that can be believed; leave it out for {symbol}")]
    NoChannel {
        /// The venue.
        venue: &'static str,
        /// The instrument.
        symbol: String,
        /// The channel.
        channel: Channel,
    },
    /// The venue's frames cannot be decoded.
    #[error("there is no decoder for {0}")]
    NoDecoder(&'static str),
    /// The same symbol twice.
    #[error("{0} is subscribed to twice: name its channels once")]
    Twice(String),
    /// A price increment that is none.
    #[error("the tick of {symbol} is {tick}; it must be above zero")]
    Tick {
        /// The instrument.
        symbol: String,
        /// The tick as given.
        tick: Price,
    },
}

impl Ingest {
    /// For some instruments; subscribers join through the door.
    pub fn new(
        dialect: &'static Dialect,
        subscriptions: Vec<Subscription>,
        limits: IngestLimits,
        metrics: Arc<Metrics>,
        now: UnixNanos,
    ) -> Result<(Self, Door), SetupError> {
        let topics = subscriptions.iter().map(|s| s.channels.len()).sum();
        if topics > dialect.topics_max {
            let (max, venue) = (dialect.topics_max, dialect.name);
            return Err(SetupError::TooManyTopics { topics, max, venue });
        }
        let feed = Feed::named(dialect.feed).ok_or(SetupError::NoDecoder(dialect.feed))?;
        let (numbers, refill) = (dialect.numbers, dialect.trades.is_some());
        let instruments: Vec<LaneInstrument> =
            subscriptions.iter().map(|s| LaneInstrument { instrument: s.instrument, numbers, refill }).collect();
        let (fanout, door) = Fanout::new(&instruments, Arc::clone(&metrics));
        let mut places = HashMap::new();
        let mut slots = Vec::with_capacity(subscriptions.len());
        for of in subscriptions {
            if !of.tick.is_positive() {
                return Err(SetupError::Tick { symbol: of.symbol, tick: of.tick });
            }
            if let Some(channel) = of.channels.iter().copied().find(|channel| !dialect.channels.contains(channel)) {
                return Err(SetupError::NoChannel { venue: dialect.name, symbol: of.symbol, channel });
            }
            if places.insert(of.symbol.as_bytes().into(), slots.len()).is_some() {
                return Err(SetupError::Twice(of.symbol));
            }
            let feeding = |channel: &Channel| Feeding {
                channel: *channel,
                staleness: Staleness::new(limits.stale_after_ns, now),
            };
            let shows_book = of.channels.contains(&Channel::Book);
            let makes_quotes = dialect.quotes == QuoteSource::Book && of.channels.contains(&Channel::Quote);
            let checksum = dialect.checksum.zip(of.digits).map(|(rule, (price, size))| rule(price, size));
            let rules = Rules { checksum: checksum.or(dialect.rules.checksum), ..dialect.rules };
            let shape = Shape { depth: dialect.book_depth.or(limits.shape.depth), ..limits.shape };
            slots.push(Slot {
                seen: Seen::new(numbers),
                shows_book,
                touch: None,
                guard: Guard::new(limits.guard),
                book: (shows_book || makes_quotes)
                    .then(|| Box::new(SyncedBook::new(rules, of.tick, shape, limits.join))),
                book_flows: false,
                asked: None,
                quote_id: 0,
                feeds: of.channels.iter().map(feeding).collect(),
                of,
            });
        }
        let ingest = Self {
            dialect,
            feed,
            wire: Connection::new(feed),
            sequence: Sequence::default(),
            refusal: Box::default(),
            limits,
            slots,
            places,
            latest: 0,
            batch: Batch::new(),
            fanout,
            quarantine: Quarantine::default(),
            skew: Skew::new(limits.skew),
            weight: Bucket::new(dialect.rest_weight_per_minute, 60 * SECOND, dialect.rest_weight_per_minute / 6),
            in_flight: Vec::new(),
            metrics,
        };
        Ok((ingest, door))
    }

    /// The topics to subscribe to.
    #[must_use]
    pub fn topics(&self) -> Vec<Topic> {
        let of = |slot: &Slot| {
            let symbol = slot.of.symbol.clone();
            slot.of.channels.iter().map(move |channel| Topic { symbol: symbol.clone(), channel: *channel }).collect()
        };
        self.slots.iter().flat_map::<Vec<Topic>, _>(of).collect()
    }

    /// The refused frames.
    #[must_use]
    pub const fn quarantine(&self) -> &Quarantine {
        &self.quarantine
    }

    /// The counts.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// What the venue said when it last refused something.
    #[must_use]
    pub const fn refusal(&self) -> &[u8] {
        &self.refusal
    }

    /// The mirrored book of the instrument at this place, while it is joined.
    #[must_use]
    pub fn book(&self, at: usize) -> Option<&SyncedBook> {
        self.slots[at].book.as_deref().filter(|book| book.state() == State::Live)
    }

    /// Takes a frame in.
    pub fn frame(&mut self, frame: &[u8], ts_recv: UnixNanos) -> FrameKind {
        self.metrics.count(Counter::Frames);
        self.metrics.add(Counter::Bytes, frame.len() as u64);
        self.metrics.set(Gauge::LastFrame, i64::try_from(ts_recv.get()).unwrap_or(i64::MAX));
        let mut batch = std::mem::take(&mut self.batch);
        let kind = match self.wire.decode(frame, &mut batch) {
            Ok(()) => {
                let mut kind = FrameKind::Data;
                if let Some(number) = batch.frame_number
                    && let Err(gap) = self.sequence.check(number)
                {
                    self.metrics.count(Counter::FrameGaps);
                    self.books_lost(gap);
                }
                if batch.updates.len() > 1 && self.dialect.numbers != TradeNumbers::Opaque {
                    in_order(&mut batch.updates);
                }
                for update in &batch.updates {
                    match update {
                        Update::Acknowledged => kind = FrameKind::Confirmed,
                        Update::Refused(said) => {
                            self.metrics.count(Counter::Refused);
                            self.refusal = said.of(frame).into();
                            kind = FrameKind::Refused;
                        }
                        _ => match self.update(update, &batch, frame, ts_recv) {
                            Ok(Some((at, channel))) => self.alive(at, channel, ts_recv),
                            Ok(None) => {}
                            Err(reason) => self.quarantine.put(ts_recv, reason, frame, &self.metrics),
                        },
                    }
                }
                kind
            }
            Err(error) => {
                let reason = Reason::Undecodable(error.to_string());
                self.quarantine.put(ts_recv, reason, frame, &self.metrics);
                FrameKind::Undecodable
            }
        };
        self.batch = batch;
        kind
    }

    /// The place of a symbol that was subscribed to with this channel.
    #[inline]
    fn place(&mut self, symbol: Text, frame: &[u8], channel: Channel) -> Option<usize> {
        let name = self.wire.symbol(symbol, frame);
        let at = match self.slots.get(self.latest) {
            Some(slot) if slot.of.symbol.as_bytes() == name => Some(self.latest),
            _ => self.places.get(name).copied(),
        };
        self.latest = at.unwrap_or(self.latest);
        let wanted = at.filter(|at| {
            let slot = &self.slots[*at];
            slot.feeds.iter().any(|feed| feed.channel == channel) || (channel == Channel::Book && slot.book.is_some())
        });
        if wanted.is_none() {
            self.metrics.count(Counter::Unknown);
        }
        wanted
    }

    /// Something believable came on a channel.
    #[inline]
    fn alive(&mut self, at: usize, channel: Channel, now: UnixNanos) {
        self.fanout.pulses().beat(at, now);
        let Some(feed) = self.slots[at].feeds.iter_mut().find(|feed| feed.channel == channel) else { return };
        if feed.staleness.seen(now).is_some() {
            self.metrics.set(Gauge::FeedsStale, self.metrics.gauge(Gauge::FeedsStale) - 1);
            for lane in self.fanout.lanes() {
                lane.staleness(at, channel, false, now);
            }
        }
    }

    /// Takes an update in; gives which channel of which place spoke, if what it said can be used.
    fn update(
        &mut self,
        update: &Update,
        batch: &Batch,
        frame: &[u8],
        ts_recv: UnixNanos,
    ) -> Result<Option<(usize, Channel)>, Reason> {
        match *update {
            Update::Trade { symbol, ts_event, price, size, aggressor, trade_id } => {
                let Some(at) = self.place(symbol, frame, Channel::Trade) else { return Ok(None) };
                let late = self.skew.late_ns(ts_event, ts_recv);
                let slot = &mut self.slots[at];
                slot.guard.time(late)?;
                if !size.is_positive() {
                    return Err(Reason::NotPositive);
                }
                let mut numbering = Numbering::Fits;
                if self.dialect.numbers == TradeNumbers::Contiguous {
                    numbering = slot.guard.number(trade_id)?;
                }
                slot.guard.price(price)?;
                if !slot.seen.is_new(trade_id, self.limits.guard.sequence_span_max) {
                    self.metrics.count(Counter::Duplicates);
                    return Ok(Some((at, Channel::Trade)));
                }
                let instrument = slot.of.instrument;
                let trade = Trade { instrument, ts_event, ts_recv, price, size, aggressor, trade_id };
                let mut new = self.fanout.lanes().is_empty();
                for lane in self.fanout.lanes() {
                    if numbering == Numbering::Restarts {
                        lane.restart_trades(at, trade_id, ts_recv);
                    }
                    new |= lane.trade(at, trade, ts_recv);
                }
                self.metrics.count(if new { Counter::Trades } else { Counter::Duplicates });
                Ok(Some((at, Channel::Trade)))
            }
            Update::Quote { symbol, ts_event, update_id, bid, ask } => {
                let Some(at) = self.place(symbol, frame, Channel::Quote) else { return Ok(None) };
                let late = self.skew.late_ns(ts_event, ts_recv);
                let slot = &mut self.slots[at];
                // Where numbers may begin anew a smaller one is no proof of an old quote.
                let old =
                    if self.dialect.rules.resets { update_id == slot.quote_id } else { update_id <= slot.quote_id };
                if update_id != 0 && old {
                    self.metrics.count(Counter::Duplicates);
                    return Ok(Some((at, Channel::Quote)));
                }
                slot.guard.time(late)?;
                self.quote(at, [bid, ask], ts_event, ts_recv)?;
                self.slots[at].quote_id = update_id;
                Ok(Some((at, Channel::Quote)))
            }
            Update::Book { symbol, book } => {
                let Some(at) = self.place(symbol, frame, Channel::Book) else { return Ok(None) };
                let late = self.skew.late_ns(book.ts_event, ts_recv);
                self.slots[at].guard.time(late)?;
                self.slots[at].book_flows = true;
                let (bids, asks) = (batch.levels_of(book.bids), batch.levels_of(book.asks));
                self.book_update(at, &book, bids, asks, ts_recv)?;
                Ok(self.book(at).is_some().then_some((at, Channel::Book)))
            }
            Update::Bar { symbol, ts_open, interval_ns, open, high, low, close, volume, closed } => {
                let Some(at) = self.place(symbol, frame, Channel::Bar) else { return Ok(None) };
                if closed {
                    let slot = &mut self.slots[at];
                    if low > high || !low.is_positive() {
                        return Err(Reason::NotPositive);
                    }
                    slot.guard.price(close)?;
                    let instrument = slot.of.instrument;
                    let ohlc = [open, high, low, close];
                    let bar = VenueBar { instrument, ts_recv, ts_open, interval_ns, ohlc, volume };
                    for lane in self.fanout.lanes() {
                        lane.bar(at, bar);
                    }
                    self.metrics.count(Counter::Bars);
                }
                Ok(Some((at, Channel::Bar)))
            }
            _ => Ok(None),
        }
    }

    fn quote(&mut self, at: usize, [bid, ask]: [Level; 2], ts: UnixNanos, ts_recv: UnixNanos) -> Result<(), Reason> {
        let slot = &mut self.slots[at];
        slot.guard.quote(bid.price, ask.price)?;
        let quote = Quote {
            instrument: slot.of.instrument,
            ts_event: if ts == UnixNanos::EPOCH { ts_recv } else { ts },
            ts_recv,
            bid: bid.price,
            ask: ask.price,
            bid_size: bid.size,
            ask_size: ask.size,
        };
        for lane in self.fanout.lanes() {
            lane.quote(at, quote);
        }
        self.metrics.count(Counter::Quotes);
        Ok(())
    }

    fn book_update(
        &mut self,
        at: usize,
        update: &BookUpdate,
        bids: &[Level],
        asks: &[Level],
        ts_recv: UnixNanos,
    ) -> Result<(), Reason> {
        let Some(mirror) = self.slots[at].book.as_mut() else { return Ok(()) };
        let was = mirror.state();
        match mirror.on_levels(update, bids, asks) {
            Outcome::Applied => {}
            Outcome::Joined { .. } => self.metrics.count(Counter::BookSnapshots),
            Outcome::Buffered => return Ok(()),
            Outcome::Ignored => {
                if was == State::Live {
                    self.metrics.count(Counter::Duplicates);
                }
                return Ok(());
            }
            Outcome::Resync(reason) => {
                self.metrics.count(Counter::BookGaps);
                if was == State::Live {
                    for lane in self.fanout.lanes() {
                        lane.book_lost(at);
                    }
                }
                let crossed = matches!(reason, book::Reason::Crossed { .. });
                return if crossed { Err(Reason::Crossed) } else { Ok(()) };
            }
        }
        self.metrics.count(Counter::BookMessages);
        let slot = &self.slots[at];
        let Some(mirror) = slot.book.as_deref() else { return Ok(()) };
        // Nobody listens, or nothing changed: a keep-alive, or a checksum alone.
        let nothing = was == State::Live && bids.is_empty() && asks.is_empty() && update.coverage == Coverage::Delta;
        if slot.shows_book && !nothing && !self.fanout.is_empty() {
            let rules = self.dialect.rules;
            let replaced = update.coverage == Coverage::Snapshot || (rules.one_is_snapshot && update.last_id == 1);
            let change = if was != State::Live || self.dialect.book_depth.is_some() {
                whole(mirror)
            } else {
                Some(Arc::new(BookChange {
                    coverage: if replaced { Coverage::Snapshot } else { Coverage::Delta },
                    ts_event: update.ts_event,
                    last_id: update.last_id,
                    bids: bids.into(),
                    asks: asks.into(),
                }))
            };
            if let Some(change) = change {
                for lane in self.fanout.lanes() {
                    lane.book(at, ts_recv, &change);
                }
            }
        }
        self.quote_of_book(at, ts_recv)
    }

    /// A quote of the book's best levels, where quotes come from there and they have changed.
    fn quote_of_book(&mut self, at: usize, ts_recv: UnixNanos) -> Result<(), Reason> {
        if self.dialect.quotes != QuoteSource::Book {
            return Ok(());
        }
        let slot = &mut self.slots[at];
        let wanted = slot.feeds.iter().any(|feed| feed.channel == Channel::Quote);
        let Some(mirror) = slot.book.as_deref().filter(|_| wanted) else { return Ok(()) };
        let (Some(book), ts_event) = (mirror.book(), mirror.ts_event()) else { return Ok(()) };
        let (Some(bid), Some(ask)) = (book.best_bid(), book.best_ask()) else { return Ok(()) };
        if slot.touch != Some([bid, ask]) {
            slot.touch = Some([bid, ask]);
            self.quote(at, [bid, ask], ts_event, ts_recv)?;
        }
        self.alive(at, Channel::Quote, ts_recv);
        Ok(())
    }

    /// All books of the connection are unknown: one of its frames was lost.
    fn books_lost(&mut self, why: book::Reason) {
        for at in 0..self.slots.len() {
            let Some(book) = self.slots[at].book.as_mut().filter(|book| book.state() == State::Live) else { continue };
            book.invalidate(why);
            self.metrics.count(Counter::BookGaps);
            for lane in self.fanout.lanes() {
                lane.book_lost(at);
            }
        }
    }

    /// The topics to subscribe to anew, because their books broke and their snapshots come in the stream.
    pub fn renewals(&mut self, now: UnixNanos, out: &mut Vec<Topic>) {
        if self.dialect.rules.snapshot != SnapshotSource::InStream {
            return;
        }
        for slot in &mut self.slots {
            let Some(book) = &mut slot.book else { continue };
            let due = slot.asked.is_none_or(|then| now.since(then) >= RENEW_EVERY_NS);
            let needed = match book.state() {
                State::Live => false,
                State::Broken(_) => true,
                // The first one comes by itself.
                State::Waiting => slot.asked.is_some(),
            };
            if needed && due {
                slot.asked = Some(now);
                book.reset();
                self.metrics.count(Counter::BookRenewals);
                out.push(Topic { symbol: slot.of.symbol.clone(), channel: Channel::Book });
            }
        }
    }

    /// The connection is gone, or new: what was joined to it is not any more. Trade numbers stay: they show what was missed.
    pub fn disconnected(&mut self) {
        self.wire = Connection::new(self.feed);
        self.sequence = Sequence::default();
        self.fanout.pulses().stop();
        for at in 0..self.slots.len() {
            let slot = &mut self.slots[at];
            (slot.book_flows, slot.asked, slot.quote_id, slot.touch) = (false, None, 0, None);
            if let Some(book) = &mut slot.book {
                let was = book.state();
                book.reset();
                if was == State::Live {
                    for lane in self.fanout.lanes() {
                        lane.book_lost(at);
                    }
                }
            }
        }
    }

    /// Looks at the time: staleness, newcomers, and what is staged. Call it every few milliseconds, and after a burst.
    pub fn tick(&mut self, now: UnixNanos) {
        for lane in self.fanout.attend() {
            let feeds = self.slots.iter().enumerate().flat_map(|(at, slot)| slot.feeds.iter().map(move |f| (at, f)));
            for (at, feed) in feeds.filter(|(_, feed)| feed.staleness.is_stale()) {
                lane.staleness(at, feed.channel, true, now);
            }
        }
        for (at, slot) in self.slots.iter_mut().enumerate() {
            for feed in &mut slot.feeds {
                if feed.staleness.check(now) == Some(Turn::WentStale) {
                    self.metrics.count(Counter::WentStale);
                    self.metrics.set(Gauge::FeedsStale, self.metrics.gauge(Gauge::FeedsStale) + 1);
                    for lane in self.fanout.lanes() {
                        lane.staleness(at, feed.channel, true, now);
                    }
                }
            }
        }
        let broken = self.slots.iter().filter(|s| s.book.as_ref().is_some_and(|b| b.state() != State::Live)).count();
        self.metrics.set(Gauge::BooksBroken, broken as i64);
        if let Some(skew) = self.skew.estimate_ns() {
            self.metrics.set(Gauge::SkewNs, skew);
        }
        self.flush(now);
    }

    /// Drains what is staged, as far as there is room.
    pub fn flush(&mut self, now: UnixNanos) {
        for lane in self.fanout.lanes().iter_mut().filter(|lane| !lane.is_settled()) {
            let made: OnceCell<(usize, Option<Arc<BookChange>>)> = OnceCell::new();
            lane.flush(now, &|at| {
                // One snapshot made per call is shared; a second instrument's is made anew.
                let (of, change) = made.get_or_init(|| (at, self.slots[at].book.as_deref().and_then(whole)));
                if *of == at { change.clone() } else { self.slots[at].book.as_deref().and_then(whole) }
            });
        }
    }

    /// Whether a feed of an instrument is stale.
    #[must_use]
    pub fn is_stale(&self, at: usize, channel: Channel) -> bool {
        self.slots[at].feeds.iter().any(|f| f.channel == channel && f.staleness.is_stale())
    }

    /// The REST requests to make now, within the venue's weight limit.
    pub fn wants(&mut self, now: UnixNanos, out: &mut Vec<Fetch>) {
        for at in 0..self.slots.len() {
            if let Some(call) = self.snapshot_call(at, now) {
                self.start(Purpose::Snapshot(at), &call, now, out);
            }
            let Some(history) = self.dialect.trades else { continue };
            if self.in_flight.len() >= FETCHES_MAX || self.in_flight.contains(&Purpose::Trades(at)) {
                continue;
            }
            // Enough weight first: a lane counts what it asked for as asked.
            if !self.weight_for((history.call)("", 0, 0).weight, now) {
                continue;
            }
            // One lane's range at a time, whoever has waited longest: an answer is a page, and the page of one that is far
            // behind says nothing of what another misses.
            let lanes = self.fanout.lanes().iter_mut();
            let waiting = lanes.filter_map(|lane| lane.wanted(at, now).map(|wanted| (wanted, lane)));
            if let Some((wanted, lane)) = waiting.min_by_key(|(wanted, _)| wanted.since) {
                lane.asked(at, now);
                let call = (history.call)(&self.slots[at].of.symbol, wanted.first, wanted.last);
                self.start(Purpose::Trades(at), &call, now, out);
            }
        }
    }

    fn weight_for(&mut self, weight: u64, now: UnixNanos) -> bool {
        let enough = self.weight.ready_at(weight) <= now;
        if !enough {
            self.metrics.count(Counter::Throttled);
        }
        enough
    }

    fn snapshot_call(&self, at: usize, now: UnixNanos) -> Option<RestCall> {
        let slot = &self.slots[at];
        let book = slot.book.as_ref()?;
        let due = slot.asked.is_none_or(|then| now.since(then) >= self.limits.snapshot_every_ns);
        let needed = book.state() != State::Live && slot.book_flows && due;
        let free = self.in_flight.len() < FETCHES_MAX && !self.in_flight.contains(&Purpose::Snapshot(at));
        if !needed || !free || self.dialect.rules.snapshot != SnapshotSource::Requested {
            return None;
        }
        self.dialect.depth.map(|call| call(&slot.of.symbol))
    }

    fn start(&mut self, purpose: Purpose, call: &RestCall, now: UnixNanos, out: &mut Vec<Fetch>) {
        if !self.weight.take(call.weight, now) {
            self.metrics.count(Counter::Throttled);
            return;
        }
        if let Purpose::Snapshot(at) = purpose {
            self.slots[at].asked = Some(now);
        }
        self.metrics.count(Counter::Fetches);
        self.in_flight.push(purpose);
        out.push(Fetch { purpose, path: call.path.clone() });
    }

    /// The answer to a request: its body, or nothing where it failed.
    pub fn answer(&mut self, purpose: Purpose, body: Option<&[u8]>, now: UnixNanos) {
        self.in_flight.retain(|other| *other != purpose);
        let taken = match (purpose, body) {
            (_, None) => Err(None),
            (Purpose::Snapshot(at), Some(body)) => self.snapshot(at, body, now).map_err(Some),
            (Purpose::Trades(at), Some(body)) => self.refill(at, body, now).map_err(|e| Some(e.to_string())),
        };
        if let Err(why) = taken {
            self.metrics.count(Counter::FetchFailures);
            if let (Some(why), Some(body)) = (why, body) {
                self.quarantine.put(now, Reason::Undecodable(why), body, &self.metrics);
            }
        }
    }

    fn snapshot(&mut self, at: usize, body: &[u8], now: UnixNanos) -> Result<(), String> {
        let mut batch = std::mem::take(&mut self.batch);
        let decoded = self.feed.decode(body, &mut batch).map_err(|e| e.to_string());
        let result = decoded.and_then(|()| match batch.updates.first() {
            Some(Update::Book { book, .. }) if book.coverage == Coverage::Snapshot => {
                let (bids, asks) = (batch.levels_of(book.bids), batch.levels_of(book.asks));
                self.book_update(at, book, bids, asks, now).map_err(|reason| format!("{reason:?}"))
            }
            _ => Err("the answer is no book snapshot".to_owned()),
        });
        self.batch = batch;
        result
    }

    fn refill(&mut self, at: usize, body: &[u8], now: UnixNanos) -> Result<(), AnswerError> {
        let Some(history) = self.dialect.trades else { return Ok(()) };
        let rows = (history.read)(body)?;
        let instrument = self.slots[at].of.instrument;
        let trades: Vec<Trade> = rows
            .iter()
            .filter(|row| row.price.is_positive() && row.size.is_positive())
            .map(|row| Trade {
                instrument,
                ts_event: row.ts_event,
                ts_recv: now,
                price: row.price,
                size: row.size,
                aggressor: row.aggressor,
                trade_id: row.trade_id,
            })
            .collect();
        self.metrics.add(Counter::Trades, trades.len() as u64);
        for lane in self.fanout.lanes() {
            lane.refill(at, &trades, now);
        }
        Ok(())
    }
}

/// Trades told in one frame, by their numbers: some venues list the latest first.
fn in_order(updates: &mut [Update]) {
    let number = |update: &Update| match update {
        Update::Trade { trade_id, .. } => Some(*trade_id),
        _ => None,
    };
    let trades = updates.iter().all(|update| number(update).is_some());
    if trades && !updates.is_sorted_by_key(number) {
        updates.sort_by_key(number);
    }
}

/// A snapshot made of a mirror.
fn whole(mirror: &SyncedBook) -> Option<Arc<BookChange>> {
    let book: &LevelBook = mirror.book()?;
    Some(Arc::new(BookChange {
        coverage: Coverage::Snapshot,
        ts_event: mirror.ts_event(),
        last_id: mirror.last_id(),
        bids: book.levels(Side::Buy, usize::MAX).collect(),
        asks: book.levels(Side::Sell, usize::MAX).collect(),
    }))
}

#[cfg(test)]
mod tests;
