//! Several connections that carry the same instruments, and one stream of them: a group.
//!
//! [`Group`] decides for each instrument which provider is listened to ([`Failover`], by the connections' pulses);
//! [`GroupReader`], one per subscriber, holds a lane of every provider and gives what the chosen one says. There is no
//! thread and no copy in between: a subscriber pays for the standby lanes by emptying them.
//!
//! Invariants: all readers follow one decision, and each learns of it as [`Item::Switched`] between the last item of the
//! old provider and the first of the new one; after it a book begins anew with a snapshot (which may be a little older than
//! the book that was lost, where the new line lags), and quotes and bars never go back in time. Where the providers number trades alike (the same venue), trade numbers strictly increase across
//! switches: what the new one already said is skipped, what the old one did not say is taken from the standby's last
//! [`STANDBY_TRADES_MAX`], and what neither has is marked lost. Where they do not, a switch marks a gap of unknown size,
//! and trades older than the last one are skipped.
//!
//! It does not merge: two providers' quotes are never mixed for one instrument, and a hole that the chosen provider waits
//! for is not filled from the other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use starling_core::time::UnixNanos;
use starling_core::{InstrumentId, Trade};

use crate::failover::{Failover, FailoverLimits, Switch};
use crate::fanout::{Door, Pulses, SubscribeError};
use crate::lane::{Channel, Gap, GapState, Item, LaneInstrument, LaneLimits, LaneReader, TradeNumbers};
use crate::metrics::{Counter, Gauge, Metrics};
use starling_market::wire::Coverage;

/// Providers of a group at most.
pub const PROVIDERS_MAX: usize = 8;
/// Trades of one instrument and standby provider that are kept for the case that it takes over.
pub const STANDBY_TRADES_MAX: usize = 4_096;

/// A group that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// None, or too many.
    #[error("{0} providers are no group: use 1 to {PROVIDERS_MAX}")]
    Providers(usize),
    /// They carry different instruments.
    #[error("provider {0} carries other instruments than the first, or in another order: give all the same list")]
    Instruments(usize),
    /// One instrument twice.
    #[error("instrument {0} is carried twice: name it once")]
    Twice(u32),
}

/// Which provider each instrument is listened to at; written by the group, read by its readers.
#[derive(Debug)]
struct Board {
    epoch: AtomicU64,
    active: Box<[AtomicU32]>,
}

/// An instrument that changed its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switched {
    /// The instrument.
    pub instrument: InstrumentId,
    /// From which provider to which.
    pub switch: Switch,
}

/// The decision of a group.
#[derive(Debug)]
pub struct Group {
    instruments: Arc<[LaneInstrument]>,
    failovers: Vec<Failover>,
    pulses: Vec<Arc<Pulses>>,
    /// The pulse last seen, by instrument and provider.
    seen: Vec<Vec<Option<UnixNanos>>>,
    board: Arc<Board>,
    metrics: Arc<Metrics>,
}

/// The way to join a group, for any thread.
#[derive(Debug, Clone)]
pub struct GroupDoor {
    doors: Vec<Door>,
    same_numbers: bool,
    board: Arc<Board>,
    metrics: Arc<Metrics>,
}

impl Group {
    /// Of connections' doors in the order of preference. `same_numbers` says that all of them are lines to one venue, so
    /// that a trade has the same number wherever it is told.
    pub fn new(
        doors: Vec<Door>,
        same_numbers: bool,
        limits: FailoverLimits,
        metrics: Arc<Metrics>,
        now: UnixNanos,
    ) -> Result<(Self, GroupDoor), GroupError> {
        if doors.is_empty() || doors.len() > PROVIDERS_MAX {
            return Err(GroupError::Providers(doors.len()));
        }
        let instruments: Arc<[LaneInstrument]> = doors[0].instruments().into();
        let ids = |of: &[LaneInstrument]| of.iter().map(|i| i.instrument).collect::<Vec<_>>();
        if let Some(other) = doors.iter().position(|door| ids(door.instruments()) != ids(&instruments)) {
            return Err(GroupError::Instruments(other));
        }
        let mut sorted = ids(&instruments);
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(GroupError::Twice(pair[0].0));
        }
        let active = instruments.iter().map(|_| AtomicU32::new(0)).collect();
        let board = Arc::new(Board { epoch: AtomicU64::new(0), active });
        let group = Self {
            failovers: instruments.iter().map(|_| Failover::new(doors.len(), limits, now)).collect(),
            pulses: doors.iter().map(|door| Arc::clone(door.pulses())).collect(),
            seen: vec![vec![None; doors.len()]; instruments.len()],
            instruments,
            board: Arc::clone(&board),
            metrics: Arc::clone(&metrics),
        };
        let alike = doors.iter().all(|door| {
            let numbers = |door: &Door| door.instruments().iter().map(|i| i.numbers).collect::<Vec<_>>();
            numbers(door) == numbers(&doors[0])
        });
        Ok((group, GroupDoor { doors, same_numbers: same_numbers && alike, board, metrics }))
    }

    /// Looks at the connections' pulses; gives what changed its provider. Call it every few milliseconds, from one place.
    pub fn check(&mut self, now: UnixNanos, out: &mut Vec<Switched>) {
        let before = out.len();
        for (at, failover) in self.failovers.iter_mut().enumerate() {
            for (place, pulses) in self.pulses.iter().enumerate() {
                let last = pulses.last(at);
                let seen = &mut self.seen[at][place];
                match last {
                    Some(then) if *seen != last => failover.seen(place, then),
                    None if seen.is_some() => failover.lost(place),
                    _ => {}
                }
                *seen = last;
            }
            if let Some(switch) = failover.check(now) {
                self.board.active[at].store(switch.to as u32, Ordering::Relaxed);
                self.metrics.add_shared(Counter::Failovers, 1);
                out.push(Switched { instrument: self.instruments[at].instrument, switch });
            }
        }
        if out.len() > before {
            self.board.epoch.fetch_add(1, Ordering::Release);
            let away = self.failovers.iter().filter(|failover| failover.active() != 0).count();
            self.metrics.set(Gauge::AwayFromFirst, away as i64);
        }
    }

    /// True while no provider of the instrument at this place says anything: new risk must wait.
    #[must_use]
    pub fn is_stale(&self, at: usize, now: UnixNanos) -> bool {
        self.failovers[at].is_stale(now)
    }

    /// The place of the provider that the instrument at this place is listened to at.
    #[must_use]
    pub fn active(&self, at: usize) -> usize {
        self.failovers[at].active()
    }
}

impl GroupDoor {
    /// A lane at every provider, read as one.
    pub fn subscribe(&self, limits: LaneLimits) -> Result<GroupReader, SubscribeError> {
        let lanes = self.doors.iter().map(|door| door.subscribe(limits)).collect::<Result<Vec<_>, _>>()?;
        let instruments = self.doors[0].instruments();
        // Read before the places, so that a switch in between is seen as one.
        let epoch = self.board.epoch.load(Ordering::Acquire);
        let follow = |(of, active): (&LaneInstrument, &AtomicU32)| Follow {
            instrument: of.instrument,
            numbers: if self.same_numbers { of.numbers } else { TradeNumbers::Opaque },
            active: active.load(Ordering::Relaxed) as usize,
            trade: None,
            trade_ts: UnixNanos::EPOCH,
            quote_ts: UnixNanos::EPOCH,
            bar_ts: UnixNanos::EPOCH,
            synced: false,
            told_stale: 0,
            opened: None,
            standby: vec![Standby::default(); lanes.len()],
        };
        let follows: Vec<Follow> = instruments.iter().zip(&self.board.active).map(follow).collect();
        // So that a late subscriber knows where it is.
        let away = |f: &&Follow| f.active != 0;
        let told = |f: &Follow| Item::Switched { instrument: f.instrument, from: 0, to: f.active };
        let ready = follows.iter().filter(away).map(told).collect();
        let places = instruments.iter().enumerate().map(|(at, of)| (of.instrument, at)).collect();
        let (board, metrics) = (Arc::clone(&self.board), Arc::clone(&self.metrics));
        Ok(GroupReader { lanes, follows, places, board, epoch, next: 0, ready, metrics })
    }
}

/// What a provider that is not listened to said, as far as it matters should it take over.
#[derive(Debug, Clone, Default)]
struct Standby {
    /// Trades by increasing number, where providers number alike.
    trades: VecDeque<Trade>,
    /// Its stale channels, a bit each.
    stale: u8,
}

/// What a reader knows of an instrument.
#[derive(Debug)]
struct Follow {
    instrument: InstrumentId,
    numbers: TradeNumbers,
    active: usize,
    /// Number of the last trade given.
    trade: Option<u64>,
    trade_ts: UnixNanos,
    quote_ts: UnixNanos,
    bar_ts: UnixNanos,
    /// A snapshot has been given since the last switch or loss.
    synced: bool,
    /// Channels the subscriber believes to be stale, a bit each.
    told_stale: u8,
    /// A gap in the trades that is being asked for.
    opened: Option<Gap>,
    standby: Vec<Standby>,
}

/// A subscriber's end of a group.
#[derive(Debug)]
pub struct GroupReader {
    lanes: Vec<LaneReader>,
    follows: Vec<Follow>,
    places: BTreeMap<InstrumentId, usize>,
    board: Arc<Board>,
    epoch: u64,
    /// The lane that is looked at first.
    next: usize,
    /// What is given before anything else.
    ready: VecDeque<Item>,
    metrics: Arc<Metrics>,
}

fn bit(channel: Channel) -> u8 {
    1 << channel as u8
}

impl Follow {
    /// Passes on what the provider listened to says, if it is new.
    fn pass(&mut self, item: Item, metrics: &Metrics, out: &mut VecDeque<Item>) {
        let skipped = match &item {
            Item::Trade(trade) => {
                self.trade(*trade, metrics, out);
                return;
            }
            Item::Gap(gap) if gap.channel == Channel::Trade && gap.state == GapState::Lost && gap.last_id != 0 => {
                // Numbers that begin anew below are told as an empty range.
                self.trade = self.trade.map(|last| if gap.count == 0 { gap.last_id } else { last.max(gap.last_id) });
                self.opened = None;
                false
            }
            Item::Switched { .. } => false,
            Item::Gap(gap) => {
                if gap.channel == Channel::Trade {
                    self.opened = (gap.state == GapState::Opened).then_some(*gap);
                }
                false
            }
            Item::Quote(quote) => {
                let old = quote.ts_event < self.quote_ts;
                self.quote_ts = self.quote_ts.max(quote.ts_event);
                old
            }
            Item::Bar(bar) => {
                let old = bar.ts_open <= self.bar_ts;
                self.bar_ts = self.bar_ts.max(bar.ts_open);
                old
            }
            Item::Book { change, .. } => {
                self.synced |= change.coverage == Coverage::Snapshot;
                // Before its snapshot a change is of no use, and no news.
                if !self.synced {
                    return;
                }
                false
            }
            Item::BookLost { .. } => !std::mem::take(&mut self.synced),
            Item::Stale { channel, .. } => {
                let known = self.told_stale & bit(*channel) != 0;
                self.told_stale |= bit(*channel);
                known
            }
            Item::Fresh { channel, .. } => {
                let known = self.told_stale & bit(*channel) == 0;
                self.told_stale &= !bit(*channel);
                known
            }
        };
        if skipped {
            let news = matches!(item, Item::Quote(_) | Item::Bar(_));
            metrics.add_shared(Counter::Duplicates, u64::from(news));
        } else {
            out.push_back(item);
        }
    }

    /// Passes on a trade if it is new; gives how many are missing before it.
    fn trade(&mut self, trade: Trade, metrics: &Metrics, out: &mut VecDeque<Item>) -> u64 {
        let mut missing = 0;
        if self.numbers == TradeNumbers::Opaque {
            if trade.ts_event < self.trade_ts {
                metrics.add_shared(Counter::Duplicates, 1);
                return 0;
            }
        } else if let Some(last) = self.trade {
            if trade.trade_id <= last {
                metrics.add_shared(Counter::Duplicates, 1);
                return 0;
            }
            if self.numbers == TradeNumbers::Contiguous {
                missing = trade.trade_id - last - 1;
            }
            if missing > 0 {
                out.push_back(Item::Gap(Gap {
                    instrument: self.instrument,
                    channel: Channel::Trade,
                    first_id: last + 1,
                    last_id: trade.trade_id - 1,
                    count: missing,
                    state: GapState::Lost,
                }));
            }
        }
        self.trade = Some(trade.trade_id);
        self.trade_ts = self.trade_ts.max(trade.ts_event);
        out.push_back(Item::Trade(trade));
        missing
    }

    /// Remembers what a standby says.
    fn keep(&mut self, place: usize, item: &Item, metrics: &Metrics) {
        let (last, standby) = (self.trade.unwrap_or(0), &mut self.standby[place]);
        match item {
            Item::Trade(trade) if self.numbers != TradeNumbers::Opaque => {
                while standby.trades.front().is_some_and(|old| old.trade_id <= last) {
                    standby.trades.pop_front();
                }
                if standby.trades.len() == STANDBY_TRADES_MAX {
                    standby.trades.pop_front();
                    metrics.add_shared(Counter::StandbyForgotten, 1);
                }
                if trade.trade_id > last {
                    standby.trades.push_back(*trade);
                }
            }
            Item::Stale { channel, .. } => standby.stale |= bit(*channel),
            Item::Fresh { channel, .. } => standby.stale &= !bit(*channel),
            _ => {}
        }
    }

    /// Another provider is listened to from now on.
    fn switch(&mut self, to: usize, metrics: &Metrics, out: &mut VecDeque<Item>) {
        let (instrument, from) = (self.instrument, self.active);
        self.standby[from] = Standby { trades: VecDeque::new(), stale: self.told_stale };
        self.active = to;
        if std::mem::take(&mut self.synced) {
            out.push_back(Item::BookLost { instrument });
        }
        out.push_back(Item::Switched { instrument, from, to });
        let Standby { trades, stale } = std::mem::take(&mut self.standby[to]);
        let ts = self.trade_ts.max(self.quote_ts);
        for channel in Channel::ALL {
            match (self.told_stale & bit(channel) != 0, stale & bit(channel) != 0) {
                (false, true) => out.push_back(Item::Stale { instrument, channel, ts }),
                (true, false) => out.push_back(Item::Fresh { instrument, channel, ts }),
                _ => {}
            }
        }
        self.told_stale = stale;
        if self.numbers == TradeNumbers::Opaque && self.trade.is_some() {
            // Nobody can say what was missed.
            let (channel, state) = (Channel::Trade, GapState::Lost);
            out.push_back(Item::Gap(Gap { instrument, channel, first_id: 0, last_id: 0, count: 0, state }));
        }
        // What the old one was asking for, the new one may have.
        let mut opened = self.opened.take();
        for trade in trades {
            if self.trade.is_some_and(|last| trade.trade_id <= last) {
                continue;
            }
            if self.trade(trade, metrics, out) > 0 {
                opened = None;
            }
            if let Some(gap) = opened.take_if(|gap| trade.trade_id >= gap.last_id) {
                out.push_back(Item::Gap(Gap { state: GapState::Filled, ..gap }));
            }
        }
    }
}

impl GroupReader {
    /// The next item, if there is one. Never waits.
    pub fn pop(&mut self) -> Option<Item> {
        if let Some(item) = self.ready.pop_front() {
            return Some(item);
        }
        let epoch = self.board.epoch.load(Ordering::Acquire);
        if epoch != self.epoch {
            self.follow_board(epoch);
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
        }
        let lanes = self.lanes.len();
        // As many in a row are empty.
        let mut empty = 0;
        while empty < lanes {
            let place = self.next % lanes;
            self.next = place + 1;
            let Some(item) = self.lanes[place].pop() else {
                empty += 1;
                continue;
            };
            empty = 0;
            self.take(place, item);
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
        }
        None
    }

    fn take(&mut self, place: usize, item: Item) {
        let follow = &mut self.follows[self.places[&item.instrument()]];
        if follow.active == place {
            follow.pass(item, &self.metrics, &mut self.ready);
        } else {
            follow.keep(place, &item, &self.metrics);
        }
    }

    fn follow_board(&mut self, epoch: u64) {
        self.epoch = epoch;
        // What a provider said before it was left still counts.
        let active = |at: usize| self.board.active[at].load(Ordering::Relaxed) as usize;
        let left = |place| self.follows.iter().enumerate().any(|(at, f)| f.active == place && active(at) != place);
        let left: Vec<usize> = (0..self.lanes.len()).filter(|place| left(*place)).collect();
        for place in left {
            for _ in 0..self.lanes[place].stats().lag() {
                let Some(item) = self.lanes[place].pop() else { break };
                self.take(place, item);
            }
        }
        for (at, follow) in self.follows.iter_mut().enumerate() {
            let to = self.board.active[at].load(Ordering::Relaxed) as usize;
            if to != follow.active {
                follow.switch(to, &self.metrics, &mut self.ready);
                // Its book is had from there, once it is whole.
                self.lanes[to].resync(at);
            }
        }
    }

    /// True once all connections are gone; what lies in the lanes can still be taken.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lanes.iter().all(LaneReader::is_closed)
    }

    /// The lanes at the providers, in their order; their counts tell what each dropped.
    #[must_use]
    pub fn lanes(&self) -> &[LaneReader] {
        &self.lanes
    }
}

#[cfg(test)]
mod tests;
