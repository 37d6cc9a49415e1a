//! The sequencer: one total order of events, one state, one journal.
//!
//! Invariant: the state after an event is a pure function of the state before it and the event. At one stamp, data comes
//! before what venues send on their own, then bars close, then timers fire; what strategies ask for is carried out, and
//! its consequences are booked, before the next event. Everything that left or entered is in the journal.
//! What it deliberately does not do: read clocks, open files, wait.

mod snapshot;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use starling_core::event::{CommandKind, Decision, Funding, StatusChange, Timer, TradingStatus};
use starling_core::fixed::Rounding;
use starling_core::journal::{Digest, Header, JournalError, Kind, RunId, Writer};
use starling_core::order::{Fill, OrderStatus, Report, ReportKind};
use starling_core::{
    AccountId, Bar, BarSeriesId, ClientOrderId, CurrencyId, CurrencyTable, Event, InstrumentId, InstrumentTable,
    OrderRequest, PositionId, Price, Qty, Quote, Side, StrategyId, Trade, UnixNanos,
};
use starling_market::bar::PriceSide;
use starling_market::bar::path::Walk;
use starling_market::bar::{Aggregation, BarSeriesTable, BarSpec, BuildOptions, Sessions};

use crate::ledger::{AccountSpec, FillOutcome, Ledger, LedgerError, PositionMode, Posting};
use crate::marks::Marks;
use crate::orders::{Order, OrderError, OrderStore};
use crate::risk::{LimitFaults, RiskGate, RiskLimits, StateChange};
use crate::run_hash::RunHash;
use crate::strategy::{
    Context, FillUpdate, Intent, OrderUpdate, Outbox, Remainder, Schedule, Setup, Strategy, StrategyError,
};
use crate::venue::{MarketStep, StepSource, Venue};
use crate::world::{Listeners, World, candle};

/// Reports and intents that one event may cause; more is a loop between strategies and venue.
pub const CONSEQUENCES_PER_EVENT_MAX: usize = 1_000_000;
/// Timers that may be set at once.
pub const TIMERS_MAX: usize = 1_000_000;

/// Why a run cannot be set up or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// An event is older than the one before it.
    #[error("an event stamped {ts} follows one stamped {now}; sort the source by time before merging it")]
    OutOfOrder {
        /// The event's stamp.
        ts: UnixNanos,
        /// The run's.
        now: UnixNanos,
    },
    /// A strategy could not be set up, saved or restored.
    #[error("strategy `{name}`: {source}")]
    Strategy {
        /// Its name.
        name: String,
        /// What went wrong.
        source: StrategyError,
    },
    /// A strategy trades at a venue where it has no account.
    #[error("strategy `{name}` has no account at venue `{venue}`; declare one there, or name it for this strategy")]
    NoAccount {
        /// The strategy.
        name: String,
        /// The venue.
        venue: String,
    },
    /// Two strategies have one name.
    #[error("two strategies are named `{name}`; give each its own id")]
    DuplicateStrategy {
        /// The name.
        name: String,
    },
    /// A decision is about nothing that the run has.
    #[error(
        "decision {id} is for {strategy:?} and {instrument:?}, which this run does not have; was it made for another?"
    )]
    UnknownDecision {
        /// The decision.
        id: u64,
        /// Who should carry it out.
        strategy: StrategyId,
        /// What it is about.
        instrument: InstrumentId,
    },
    /// The venue contradicts the order store.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// The ledger cannot book.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The limits contradict themselves or the run.
    #[error(transparent)]
    Risk(#[from] LimitFaults),
    /// A snapshot that does not fit this run.
    #[error("the snapshot does not fit this run: {reason}; restore it with the configuration it was taken with")]
    Snapshot {
        /// What does not fit.
        reason: String,
    },
    /// One event caused more than it may.
    #[error(
        "one event at {ts} caused more than {CONSEQUENCES_PER_EVENT_MAX} orders and reports; a strategy answers its own fills without end"
    )]
    Runaway {
        /// The event's stamp.
        ts: UnixNanos,
    },
}

/// A point on the way from an event to what came of an order, for hosts that time it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The sequencer has taken an event.
    Taken,
    /// The market has moved, bars and features are up to date, and a strategy is about to see it.
    Shown,
    /// The strategy has answered.
    Answered,
    /// Risk has approved an order.
    Approved(ClientOrderId),
    /// The order is in the journal and the store, and is handed to its venue.
    Sent(ClientOrderId),
    /// The venue's word on it is booked, and its strategy knows.
    Booked(ClientOrderId),
}

/// What a host may watch, e.g. to record a report. Watching changes nothing.
pub trait Observer {
    /// The run has come to this point.
    #[inline]
    fn on_stage(&mut self, _stage: Stage) {}
    /// An order traded.
    fn on_fill(&mut self, _world: &World, _fill: &Fill, _outcome: &FillOutcome) {}
    /// An order ended, or was denied (then it has no status).
    fn on_order_end(&mut self, _world: &World, _order: ClientOrderId, _status: Option<OrderStatus>) {}
    /// Risk refused an intent; `code` is the name of the check.
    fn on_denied(&mut self, _world: &World, _order: ClientOrderId, _code: &'static str) {}
    /// Funding was paid.
    fn on_funding(&mut self, _world: &World, _funding: &Funding) {}
}

impl Observer for () {}

/// A strategy with its name and its accounts.
#[derive(Debug)]
pub struct Participant<S> {
    /// Its name, unique per run.
    pub name: String,
    /// The rule.
    pub strategy: S,
    /// Names of the accounts it uses, where a venue has several.
    pub accounts: Vec<String>,
}

/// What a run is made of.
#[derive(Debug)]
pub struct Plan<S> {
    /// Names of the venues, by id.
    pub venues: Vec<String>,
    /// The instruments.
    pub instruments: Arc<InstrumentTable>,
    /// The currencies.
    pub currencies: Arc<CurrencyTable>,
    /// The accounts.
    pub accounts: Vec<AccountSpec>,
    /// The currency that equity is told in where an account has no base.
    pub reporting: CurrencyId,
    /// The limits.
    pub limits: RiskLimits,
    /// Who trades.
    pub participants: Vec<Participant<S>>,
    /// External series, and whether their bars move the market that orders meet.
    pub external: Vec<(BarSpec, bool)>,
    /// How a bar of the market is walked.
    pub walk: Walk,
    /// How bars are built.
    pub build: BuildOptions,
    /// The session calendars that series name.
    pub sessions: Sessions,
    /// The run's identity.
    pub run_id: RunId,
    /// Bytes that stand first in the journal: the configuration.
    pub header: Vec<u8>,
    /// False for an engine within a run, whose inputs that run's journal holds: it writes no records, and its run hash is
    /// that of a run that did nothing.
    pub recorded: bool,
}

/// Counts of what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Events consumed.
    pub events: u64,
    /// Orders sent (approved by risk), slices counted one by one.
    pub orders: u64,
    /// Executions.
    pub fills: u64,
    /// Intents that risk refused.
    pub denied: u64,
}

/// The state of a sliced order between two of its slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Slicing {
    request: OrderRequest,
    each: Qty,
    left: Qty,
    slices_left: u32,
    interval: u64,
    extra: bool,
}

/// Who a timer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum TimerOwner {
    Strategy(StrategyId, u64),
    Slicing(StrategyId, u64),
}

/// A participant at work.
#[derive(Debug)]
struct Actor<S> {
    name: String,
    strategy: S,
    accounts: Vec<Option<AccountId>>,
    counter: u64,
}

/// The engine: strategies `S` trading at venues `V`, journaled to `W`, watched by `O`.
#[derive(Debug)]
pub struct Engine<S, V, W: Write, O = ()> {
    world: World,
    actors: Vec<Actor<S>>,
    venue: V,
    risk: RiskGate,
    /// [`Plan::recorded`].
    recorded: bool,
    journal: Writer<W>,
    observer: O,
    run_hash: RunHash,
    counts: Counts,
    outbox: Outbox,
    reports: Vec<Report>,
    postings: Vec<Posting>,
    timers: BTreeMap<(UnixNanos, u64), TimerOwner>,
    timers_set: u64,
    slicings: BTreeMap<u64, Slicing>,
    /// Series that timers close, bases before composites.
    timed: Vec<BarSeriesId>,
    series_due: UnixNanos,
    next_due: UnixNanos,
    /// The bid or ask bar of an instrument whose other half has not come yet.
    half_bars: Vec<Option<Bar>>,
    /// Instruments whose market is told by a bid and an ask series together.
    paired: Vec<bool>,
    walk: Walk,
    closed: Vec<Bar>,
    scratch: Vec<u8>,
}

impl<S: Strategy, V: Venue, W: Write, O: Observer> Engine<S, V, W, O> {
    /// Sets a run up: strategies in order of their names, then series, then the first records of the journal.
    pub fn new(plan: Plan<S>, venue: V, sink: W, observer: O) -> Result<Self, EngineError> {
        let Plan { venues, instruments, currencies, accounts, reporting, limits, mut participants, .. } = plan;
        let ledger = Ledger::new(accounts, Arc::clone(&instruments), Arc::clone(&currencies))?;
        participants.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = participants.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(EngineError::DuplicateStrategy { name: pair[0].name.clone() });
        }
        let risk = RiskGate::new(&limits, &instruments, &currencies)?;
        let reporting = ledger.accounts().map(|(_, spec)| spec.base.unwrap_or(reporting)).collect();
        let mut world = World {
            now: UnixNanos::EPOCH,
            marks: Marks::new(instruments.len()),
            orders: OrderStore::default(),
            status: vec![TradingStatus::Open; instruments.len()],
            table: BarSeriesTable::default(),
            series: Vec::new(),
            sessions: plan.sessions,
            build: plan.build,
            listeners: vec![Listeners::default(); instruments.len()],
            reporting,
            instruments,
            currencies,
            strategies: participants.iter().map(|p| p.name.clone()).collect(),
            venues,
            ledger,
        };
        let setup = |name: &str, source: StrategyError| EngineError::Strategy { name: name.to_owned(), source };
        let mut external = plan.external;
        external.sort_by(|(a, _), (b, _)| (a.instrument, &a.shape).cmp(&(b.instrument, &b.shape)));
        let mut sides = vec![[false; 2]; world.instruments.len()];
        let length = |spec: &BarSpec| match spec.shape.aggregation {
            Aggregation::Time { interval_ns, .. } => interval_ns,
            _ => u64::MAX,
        };
        let traded = |spec: &BarSpec| spec.shape.side == PriceSide::Last;
        let finest: Vec<u64> = (0..world.instruments.len())
            .map(|at| {
                let of = external.iter().map(|(spec, _)| spec).filter(|s| s.instrument.index() == at && traded(s));
                of.map(length).min().unwrap_or_default()
            })
            .collect();
        for (spec, executes) in external {
            let (instrument, side) = (spec.instrument, spec.shape.side);
            let tells_last = !executes && traded(&spec) && length(&spec) == finest[instrument.index()];
            let id = world.series_or_new(spec).map_err(|e| setup("market data", e))?;
            (world.series[id.index()].executes, world.series[id.index()].tells_last) = (executes, tells_last);
            if executes && matches!(side, PriceSide::Bid | PriceSide::Ask) {
                sides[instrument.index()][usize::from(side == PriceSide::Ask)] = true;
            }
        }
        let mut actors = Vec::with_capacity(participants.len());
        for (index, Participant { name, mut strategy, accounts }) in participants.into_iter().enumerate() {
            let id = StrategyId::from(index);
            strategy.setup(&mut Setup { strategy: id, world: &mut world }).map_err(|e| setup(&name, e))?;
            let accounts = Self::accounts_of(&world, &accounts);
            actors.push(Actor { name, strategy, accounts, counter: 0 });
        }
        let timed = world.table.closing_order();
        let mut engine = Self {
            paired: sides.iter().map(|s| s[0] && s[1]).collect(),
            half_bars: vec![None; world.instruments.len()],
            world,
            actors,
            venue,
            risk,
            recorded: plan.recorded,
            journal: Writer::create(sink, Header::first(plan.run_id, 0)),
            observer,
            run_hash: RunHash::default(),
            counts: Counts::default(),
            outbox: Outbox::new(),
            reports: Vec::new(),
            postings: Vec::new(),
            timers: BTreeMap::new(),
            timers_set: 0,
            slicings: BTreeMap::new(),
            timed,
            series_due: UnixNanos::MAX,
            next_due: UnixNanos::MAX,
            walk: plan.walk,
            closed: Vec::new(),
            scratch: Vec::new(),
        };
        for chunk in plan.header.chunks(starling_core::journal::MAX_PAYLOAD) {
            engine.append(Kind::RunHeader, chunk)?;
        }
        engine.world.ledger.opening_postings(UnixNanos::EPOCH, &mut engine.postings);
        engine.record_postings()?;
        Ok(engine)
    }

    /// The account of a strategy at each venue: the one it names there, else the venue's only one.
    fn accounts_of(world: &World, named: &[String]) -> Vec<Option<AccountId>> {
        let at = |venue: usize| world.ledger.accounts().filter(move |(_, spec)| spec.venue.index() == venue);
        (0..world.venues.len())
            .map(|venue| {
                let chosen = at(venue).find(|(_, spec)| named.contains(&spec.name));
                chosen.or_else(|| at(venue).next().filter(|_| at(venue).count() == 1)).map(|(id, _)| id)
            })
            .collect()
    }

    /// Declares where market data comes from, so that a replay can tell whether it reads the same.
    pub fn reference_data(&mut self, description: &[u8]) -> Result<(), EngineError> {
        self.append(Kind::DataReference, description)
    }

    /// Seals what the journal gathered and hands it to the sink: for hosts that must know what is durable.
    pub fn flush_journal(&mut self) -> Result<(), EngineError> {
        self.journal.flush()?;
        Ok(())
    }

    /// Gives back the memory that events and orders on their way took, as far as none are: for hosts of many engines, which
    /// hand each a stamp now and then. Nothing else changes.
    pub fn shrink_to_fit(&mut self) {
        self.world.orders.shrink_to_fit();
        self.world.ledger.shrink_to_fit();
        self.world.series.shrink_to_fit();
        self.world.series.iter_mut().for_each(|series| series.features.shrink_to_fit());
        self.risk.shrink_to_fit();
        self.venue.shrink_to_fit();
        self.outbox.shrink_to_fit();
        self.reports.shrink_to_fit();
        self.postings.shrink_to_fit();
        self.closed.shrink_to_fit();
        self.scratch.shrink_to_fit();
    }

    /// The run begins: strategies may act for the first time.
    pub fn start(&mut self) -> Result<(), EngineError> {
        for index in 0..self.actors.len() {
            self.ask(StrategyId::from(index), |strategy, ctx| strategy.on_start(ctx))?;
        }
        self.refresh_due();
        Ok(())
    }

    /// Consumes one event and everything that follows from it.
    #[inline]
    pub fn on_event(&mut self, event: &Event) -> Result<(), EngineError> {
        let ts = event.ts();
        if ts < self.world.now {
            return Err(EngineError::OutOfOrder { ts, now: self.world.now });
        }
        if self.next_due < ts {
            self.advance(ts, false)?;
        }
        self.world.now = ts;
        self.counts.events += 1;
        self.observer.on_stage(Stage::Taken);
        match event {
            Event::Quote(quote) => self.on_quote(quote)?,
            Event::Trade(trade) => self.on_trade(trade)?,
            Event::Bar(bar) => self.on_market_bar(bar)?,
            Event::Status(change) => self.on_status(change)?,
            Event::Funding(funding) => self.on_funding(funding)?,
            Event::Timer(timer) => self.fire(*timer)?,
            Event::Command(command) => self.on_command(command.kind)?,
            Event::Decision(decision) => self.on_decision(decision)?,
            _ => {}
        }
        self.refresh_due();
        Ok(())
    }

    /// Lets everything happen that is due before `until`, or at it too if `inclusive`.
    fn advance(&mut self, until: UnixNanos, inclusive: bool) -> Result<(), EngineError> {
        while self.next_due < until || (inclusive && self.next_due == until) {
            let due = self.next_due;
            assert!(due >= self.world.now, "nothing falls due in the past");
            self.world.now = due;
            if self.venue.next_due() <= due {
                self.venue.on_due(due, &mut self.reports);
                self.settle()?;
            }
            if self.series_due <= due {
                for at in 0..self.timed.len() {
                    self.close_series(self.timed[at], due)?;
                }
            }
            while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= due) {
                match entry.remove() {
                    TimerOwner::Strategy(strategy, token) => self.fire(Timer { strategy, token, due })?,
                    TimerOwner::Slicing(strategy, id) => self.next_slice(strategy, id)?,
                }
            }
            self.refresh_due();
        }
        Ok(())
    }

    /// No more data of the stamp in hand will come: what is due at it is done now, not before the next event. For hosts
    /// that read a strategy's position between two stamps; the run is the same.
    pub fn complete_stamp(&mut self) -> Result<(), EngineError> {
        self.advance(self.world.now, true)
    }

    /// The data has ended: what is due is done, strategies may act for the last time, and the books are closed.
    pub fn stop(&mut self) -> Result<(), EngineError> {
        let now = self.world.now;
        self.advance(now, true)?;
        for index in 0..self.actors.len() {
            self.ask(StrategyId::from(index), |strategy, ctx| strategy.on_stop(ctx))?;
        }
        self.venue.on_end(now, &mut self.reports);
        self.settle()
    }

    /// Seals the journal and hands back its sink with the venue and the observer.
    pub fn finish(mut self) -> Result<Finish<V, W, O>, EngineError> {
        // A strategy without `save` has no state to vouch for; then the records alone do.
        if let Ok(state) = self.state_hash() {
            self.append(Kind::Snapshot, &state.0)?;
        }
        let run_hash = self.run_hash();
        let finished = self.journal.finish()?;
        self.scratch.clear();
        Ok(Finish {
            run_hash,
            journal_digest: finished.digest,
            records: finished.records,
            sink: finished.sink,
            venue: self.venue,
            observer: self.observer,
        })
    }

    #[inline]
    fn refresh_due(&mut self) {
        let timer = self.timers.first_key_value().map_or(UnixNanos::MAX, |((due, _), _)| *due);
        self.next_due = timer.min(self.series_due).min(self.venue.next_due());
    }

    #[inline]
    fn refresh_series_due(&mut self) {
        let closes = self.timed.iter().filter_map(|id| self.world.series[id.index()].aggregator.as_ref()?.next_close());
        self.series_due = closes.min().unwrap_or(UnixNanos::MAX);
    }

    fn on_quote(&mut self, quote: &Quote) -> Result<(), EngineError> {
        self.world.marks.set_quote(quote.instrument, quote.bid, quote.ask, quote.ts_recv);
        self.step(&MarketStep {
            instrument: quote.instrument,
            ts: quote.ts_recv,
            bid: quote.bid,
            ask: quote.ask,
            bid_size: quote.bid_size,
            ask_size: quote.ask_size,
            source: StepSource::Quote,
        })?;
        let index = quote.instrument.index();
        for at in 0..self.world.listeners[index].series.len() {
            let id = self.world.listeners[index].series[at];
            self.feed_series(id, |aggregator, out| aggregator.on_quote(quote, out))?;
        }
        for at in 0..self.world.listeners[index].quotes.len() {
            let strategy = self.world.listeners[index].quotes[at];
            self.ask(strategy, |s, ctx| s.on_quote(ctx, quote))?;
        }
        Ok(())
    }

    fn on_trade(&mut self, trade: &Trade) -> Result<(), EngineError> {
        self.world.marks.set_last(trade.instrument, trade.price, trade.ts_recv);
        self.step(&MarketStep {
            instrument: trade.instrument,
            ts: trade.ts_recv,
            bid: trade.price,
            ask: trade.price,
            bid_size: trade.size,
            ask_size: trade.size,
            source: StepSource::Trade,
        })?;
        let index = trade.instrument.index();
        for at in 0..self.world.listeners[index].series.len() {
            let id = self.world.listeners[index].series[at];
            self.feed_series(id, |aggregator, out| aggregator.on_trade(trade, out))?;
        }
        for at in 0..self.world.listeners[index].trades.len() {
            let strategy = self.world.listeners[index].trades[at];
            self.ask(strategy, |s, ctx| s.on_trade(ctx, trade))?;
        }
        Ok(())
    }

    /// A bar from outside: the market first walks through it, then it is published.
    #[inline]
    fn on_market_bar(&mut self, bar: &Bar) -> Result<(), EngineError> {
        if self.world.series[bar.series.index()].executes {
            if self.paired[bar.instrument.index()] {
                self.pair(bar)?;
            } else {
                self.walk(bar, bar)?;
            }
        } else if self.world.series[bar.series.index()].tells_last {
            self.world.marks.set_last(bar.instrument, bar.close, self.world.now);
        }
        self.publish(bar)
    }

    /// The bid and the ask bar of one stamp make the market together; the first to come waits.
    fn pair(&mut self, bar: &Bar) -> Result<(), EngineError> {
        let half = &mut self.half_bars[bar.instrument.index()];
        match half.take() {
            Some(other) if other.ts_event == bar.ts_event && other.series != bar.series => {
                let is_bid = self.world.table.get(bar.series).shape.side == PriceSide::Bid;
                if is_bid { self.walk(bar, &other) } else { self.walk(&other, bar) }
            }
            _ => {
                *half = Some(*bar);
                Ok(())
            }
        }
    }

    /// The market walks through a bar of bids and a bar of asks (the same bar where there is only one).
    fn walk(&mut self, bid: &Bar, ask: &Bar) -> Result<(), EngineError> {
        let (instrument, ts) = (bid.instrument, self.world.now);
        let single = bid.series == ask.series;
        let mark = |world: &mut World, bid: Price, ask: Price| {
            if single {
                world.marks.set_last(instrument, bid, ts);
            } else {
                world.marks.set_quote(instrument, bid, ask, ts);
            }
        };
        let bids = self.walk.ticks(bid);
        let asks = if single { bids } else { self.walk.ticks(ask) };
        // Nobody is waiting anywhere between the lowest and the highest price: only where the bar ends matters.
        let start = if self.venue.is_indifferent(instrument, ask.low.min(bid.low), Ord::max(bid.high, ask.high)) {
            3
        } else {
            0
        };
        for at in start..4 {
            mark(&mut self.world, bids[at].price, asks[at].price);
            self.step(&MarketStep {
                instrument,
                ts,
                bid: bids[at].price,
                ask: asks[at].price,
                bid_size: bids[at].size,
                ask_size: asks[at].size,
                source: if at == 0 { StepSource::BarOpen } else { StepSource::BarWithin },
            })?;
        }
        Ok(())
    }

    #[inline]
    fn step(&mut self, step: &MarketStep) -> Result<(), EngineError> {
        self.venue.on_step(step, &mut self.reports);
        if self.reports.is_empty() { Ok(()) } else { self.settle() }
    }

    #[inline]
    fn feed_series(
        &mut self,
        id: BarSeriesId,
        feed: impl FnOnce(&mut starling_market::bar::Aggregator, &mut Vec<Bar>),
    ) -> Result<(), EngineError> {
        let mut closed = std::mem::take(&mut self.closed);
        let aggregator =
            self.world.series[id.index()].aggregator.as_mut().expect("a series that listens is built here");
        let before = aggregator.next_close();
        feed(aggregator, &mut closed);
        if aggregator.next_close() != before {
            self.refresh_series_due();
        }
        for bar in closed.drain(..) {
            self.publish(&bar)?;
        }
        self.closed = closed;
        Ok(())
    }

    fn close_series(&mut self, id: BarSeriesId, due: UnixNanos) -> Result<(), EngineError> {
        let Some(aggregator) = self.world.series[id.index()].aggregator.as_mut() else { return Ok(()) };
        if aggregator.next_close().is_none_or(|close| close > due) {
            return Ok(());
        }
        self.feed_series(id, |aggregator, out| aggregator.close(due, out))
    }

    /// A finished bar reaches its features, its composites and its subscribers.
    #[inline]
    fn publish(&mut self, bar: &Bar) -> Result<(), EngineError> {
        let series = &mut self.world.series[bar.series.index()];
        if !series.features.is_empty() {
            series.features.update(&candle(bar));
        }
        series.last = Some(*bar);
        for at in 0..self.world.table.composites(bar.series).len() {
            let composite = self.world.table.composites(bar.series)[at];
            self.feed_series(composite, |aggregator, out| aggregator.on_bar(bar, out))?;
        }
        for at in 0..self.world.series[bar.series.index()].subscribers.len() {
            let strategy = self.world.series[bar.series.index()].subscribers[at];
            self.ask(strategy, |s, ctx| s.on_bar(ctx, bar))?;
        }
        Ok(())
    }

    fn on_status(&mut self, change: &StatusChange) -> Result<(), EngineError> {
        self.world.status[change.instrument.index()] = change.status;
        let open = change.status == TradingStatus::Open;
        self.venue.on_status(change.instrument, open, change.ts_recv, &mut self.reports);
        self.settle()
    }

    fn on_funding(&mut self, funding: &Funding) -> Result<(), EngineError> {
        for index in 0..self.world.reporting.len() {
            let account = AccountId::from(index);
            self.world.ledger.post_funding(account, funding, &self.world.marks, &mut self.postings)?;
        }
        self.record_postings()?;
        self.observer.on_funding(&self.world, funding);
        Ok(())
    }

    fn fire(&mut self, timer: Timer) -> Result<(), EngineError> {
        self.ask(timer.strategy, |s, ctx| s.on_timer(ctx, &timer))
    }

    /// A decision is journaled by value, so that a replay needs none of its makers.
    fn on_decision(&mut self, decision: &Decision) -> Result<(), EngineError> {
        if decision.strategy.index() >= self.actors.len() || decision.instrument.index() >= self.world.instruments.len()
        {
            let (strategy, instrument) = (decision.strategy, decision.instrument);
            return Err(EngineError::UnknownDecision { id: decision.id, strategy, instrument });
        }
        self.record(Kind::Decision, decision)?;
        self.ask(decision.strategy, |strategy, ctx| strategy.on_decision(ctx, decision))
    }

    fn on_command(&mut self, command: CommandKind) -> Result<(), EngineError> {
        self.record(Kind::Command, &command)?;
        self.risk.command(&command);
        self.cancel_where(|order| match command {
            CommandKind::Kill => true,
            CommandKind::DisableStrategy(strategy) => order.id.strategy() == strategy,
            CommandKind::HaltInstrument(instrument) => order.request.instrument == instrument,
            _ => false,
        })?;
        self.settle()
    }

    /// Shows a strategy something and carries out what it asks for.
    #[inline]
    fn ask(&mut self, id: StrategyId, show: impl FnOnce(&mut S, &mut Context<'_>)) -> Result<(), EngineError> {
        self.observer.on_stage(Stage::Shown);
        self.tell(id, show);
        self.observer.on_stage(Stage::Answered);
        if self.outbox.is_empty() { Ok(()) } else { self.settle() }
    }

    /// Shows a strategy something; what it asks for waits in the outbox.
    #[inline]
    fn tell(&mut self, id: StrategyId, show: impl FnOnce(&mut S, &mut Context<'_>)) {
        let Actor { strategy, accounts, counter, .. } = &mut self.actors[id.index()];
        let mut ctx = Context { strategy: id, world: &self.world, accounts, outbox: &mut self.outbox, counter };
        show(strategy, &mut ctx);
    }

    /// Books all reports and carries out all intents until none is left.
    fn settle(&mut self) -> Result<(), EngineError> {
        let mut consequences = 0;
        loop {
            let mut at = 0;
            while at < self.reports.len() {
                let report = self.reports[at];
                at += 1;
                self.on_report(&report)?;
            }
            consequences += at + 1;
            if consequences > CONSEQUENCES_PER_EVENT_MAX {
                return Err(EngineError::Runaway { ts: self.world.now });
            }
            self.reports.clear();
            match self.outbox.pop_front() {
                Some((strategy, intent)) => self.carry_out(strategy, intent)?,
                None => return Ok(()),
            }
        }
    }

    fn carry_out(&mut self, strategy: StrategyId, intent: Intent) -> Result<(), EngineError> {
        match intent {
            Intent::Submit { id, request } => self.submit(id, request),
            Intent::Modify { id, qty, kind } => self.modify(id, qty, kind),
            Intent::Cancel { id } => self.cancel(id),
            Intent::Twap { id, request, schedule } => self.start_slicing(id, request, schedule),
            Intent::Timer { token, due } => {
                self.set_timer(due, TimerOwner::Strategy(strategy, token));
                Ok(())
            }
            Intent::CancelTimer { token } => {
                self.timers.retain(|_, owner| *owner != TimerOwner::Strategy(strategy, token));
                Ok(())
            }
        }
    }

    fn set_timer(&mut self, due: UnixNanos, owner: TimerOwner) {
        assert!(self.timers.len() < TIMERS_MAX, "more than {TIMERS_MAX} timers");
        self.timers_set += 1;
        // A timer set for the past fires as soon as the present allows.
        self.timers.insert((due.max(self.world.now), self.timers_set), owner);
    }

    fn start_slicing(
        &mut self,
        id: ClientOrderId,
        request: OrderRequest,
        schedule: Schedule,
    ) -> Result<(), EngineError> {
        let lot = self.world.instruments.get(request.instrument).lot;
        let slices = schedule.slices.max(1);
        let each = request.qty.scaled(1, slices.into(), Rounding::TowardZero).round_to(lot, Rounding::TowardZero);
        if slices == 1 || !each.is_positive() || each == request.qty {
            return self.submit(id, request);
        }
        let whole = Qty::from_units(each.units() * i64::from(slices));
        let extra = schedule.remainder == Remainder::ExtraSlice && whole < request.qty;
        let left = request.qty - each;
        let slices_left = slices - 1 + u32::from(extra);
        let key = id.get();
        self.slicings.insert(key, Slicing { request, each, left, slices_left, interval: schedule.interval, extra });
        self.set_timer(self.world.now + schedule.interval, TimerOwner::Slicing(id.strategy(), key));
        self.submit(id, OrderRequest { qty: each, ..request })
    }

    fn next_slice(&mut self, strategy: StrategyId, key: u64) -> Result<(), EngineError> {
        let Some(slicing) = self.slicings.get_mut(&key) else { return Ok(()) };
        slicing.slices_left -= 1;
        let last = slicing.slices_left == 0;
        let qty = if last { slicing.left } else { slicing.each.min(slicing.left) };
        slicing.left -= qty;
        let Slicing { request, interval, .. } = *slicing;
        if last {
            self.slicings.remove(&key);
        } else {
            self.set_timer(self.world.now + interval, TimerOwner::Slicing(strategy, key));
        }
        let counter = &mut self.actors[strategy.index()].counter;
        *counter += 1;
        let id = ClientOrderId::new(strategy, *counter);
        self.submit(id, OrderRequest { qty, ..request })?;
        self.settle()
    }

    fn submit(&mut self, id: ClientOrderId, request: OrderRequest) -> Result<(), EngineError> {
        let venue = self.world.instruments.get(request.instrument).venue;
        let actor = &self.actors[id.strategy().index()];
        let Some(account) = actor.accounts[venue.index()] else {
            let (name, venue) = (actor.name.clone(), self.world.venues[venue.index()].clone());
            return Err(EngineError::NoAccount { name, venue });
        };
        if let Some(parent) = request.links.parent {
            // Its parent was refused, or has ended: what was to follow it does not.
            return if self.world.orders.get(parent).is_some() {
                self.hold(id, account, request)
            } else {
                self.unsent(id, &request)
            };
        }
        match self.risk.approve(&self.world, self.world.now, id, account, &request) {
            Err(denied) => self.denied(id, &request, denied),
            Ok(approval) => {
                self.observer.on_stage(Stage::Approved(id));
                for resting in approval.cancel_first.ids() {
                    self.cancel(*resting)?;
                }
                self.enlist(id, account, request, OrderStatus::Submitted)?;
                self.hold_children(id)?;
                self.observer.on_stage(Stage::Sent(id));
                self.venue.submit(self.world.now, approval.order, &mut self.reports);
                Ok(())
            }
        }
    }

    /// Children are known before their parent can fill. Orders of the same strategy that stand before them go first:
    /// the gate takes ids in rising order.
    fn hold_children(&mut self, parent: ClientOrderId) -> Result<(), EngineError> {
        let is_child =
            |intent: &Intent| matches!(intent, Intent::Submit { request, .. } if request.links.parent == Some(parent));
        let is_order = |intent: &Intent| matches!(intent, Intent::Submit { .. } | Intent::Twap { .. });
        while self.outbox.iter().any(|(_, intent)| is_child(intent)) {
            let next = self.outbox.iter().position(|(who, i)| *who == parent.strategy() && is_order(i));
            let (strategy, intent) = next.and_then(|at| self.outbox.remove(at)).expect("the child itself is an order");
            self.carry_out(strategy, intent)?;
        }
        Ok(())
    }

    /// A child of a live order is judged with it, and waits here for its fill.
    fn hold(&mut self, id: ClientOrderId, account: AccountId, request: OrderRequest) -> Result<(), EngineError> {
        match self.risk.approve(&self.world, self.world.now, id, account, &request) {
            Err(denied) => self.denied(id, &request, denied),
            // The approval is not sent: on release the gate gives a new one, for what the parent filled.
            Ok(_) => self.enlist(id, account, request, OrderStatus::Held),
        }
    }

    /// An approved order is on record before it leaves.
    fn enlist(
        &mut self,
        id: ClientOrderId,
        account: AccountId,
        request: OrderRequest,
        status: OrderStatus,
    ) -> Result<(), EngineError> {
        self.record(Kind::Order, &(id, account, &request))?;
        self.world.orders.insert(Order::new(id, account, request, status, self.world.now));
        self.counts.orders += 1;
        Ok(())
    }

    fn denied<T: Serialize>(
        &mut self,
        id: ClientOrderId,
        what: &T,
        denied: crate::risk::Denied,
    ) -> Result<(), EngineError> {
        self.counts.denied += 1;
        self.record(Kind::Denied, &(id, what, &denied))?;
        self.observer.on_denied(&self.world, id, denied.code.as_str());
        self.tell(id.strategy(), |s, ctx| s.on_order(ctx, &OrderUpdate::Denied { id, denied }));
        Ok(())
    }

    /// An order that was never sent, because what it was to follow is gone.
    fn unsent(&mut self, id: ClientOrderId, request: &OrderRequest) -> Result<(), EngineError> {
        self.observer.on_order_end(&self.world, id, Some(OrderStatus::Canceled));
        let update = OrderUpdate::Status { id, status: OrderStatus::Canceled, filled: Qty::ZERO, leaves: request.qty };
        self.tell(id.strategy(), |s, ctx| s.on_order(ctx, &update));
        Ok(())
    }

    fn modify(
        &mut self,
        id: ClientOrderId,
        qty: Option<Qty>,
        kind: Option<starling_core::OrderKind>,
    ) -> Result<(), EngineError> {
        let Some(order) = self.world.orders.get(id) else { return Ok(()) };
        let (qty, kind) = (qty.unwrap_or(order.request.qty), kind.unwrap_or(order.request.kind));
        if order.cancel_pending || (qty, kind) == (order.request.qty, order.request.kind) {
            return Ok(());
        }
        if order.status == OrderStatus::Held {
            return match self.risk.approve_modify(&self.world, self.world.now, id, qty, kind) {
                Err(denied) => self.denied(id, &(qty, kind), denied),
                Ok(_) => {
                    self.risk.on_modified(&self.world, id, qty, kind);
                    let order = self.world.orders.get_mut(id).expect("found above");
                    (order.request.qty, order.request.kind, order.wanted) = (qty, kind, qty);
                    Ok(())
                }
            };
        }
        match self.risk.approve_modify(&self.world, self.world.now, id, qty, kind) {
            Err(denied) => self.denied(id, &(qty, kind), denied),
            Ok(change) => {
                for resting in change.cancel_first.ids() {
                    self.cancel(*resting)?;
                }
                self.record(Kind::Intent, &(id, qty, &kind))?;
                if let Some(order) = self.world.orders.get_mut(id) {
                    order.change_pending = Some(qty);
                }
                self.venue.modify(self.world.now, change.order, &mut self.reports);
                Ok(())
            }
        }
    }

    /// Brings an order to the total quantity that its ties leave it, now or when the venue has answered the change
    /// before.
    fn resize(&mut self, id: ClientOrderId, qty: Qty) -> Result<(), EngineError> {
        let Some(order) = self.world.orders.get_mut(id) else { return Ok(()) };
        if order.change_pending.is_some() {
            order.next_qty = Some(qty);
            Ok(())
        } else if qty <= order.filled {
            self.cancel(id)
        } else {
            self.modify(id, Some(qty), None)
        }
    }

    fn cancel(&mut self, id: ClientOrderId) -> Result<(), EngineError> {
        let Some(order) = self.world.orders.get(id) else { return Ok(()) };
        if order.cancel_pending {
            return Ok(());
        }
        if order.status == OrderStatus::Held {
            return self.drop_held(id);
        }
        let instrument = order.request.instrument;
        match self.risk.approve_cancel(&self.world, self.world.now, id, instrument) {
            Err(denied) => self.denied(id, &instrument, denied),
            Ok(cancel) => {
                if let Some(order) = self.world.orders.get_mut(id) {
                    order.cancel_pending = true;
                }
                self.record(Kind::Intent, &id)?;
                self.venue.cancel(self.world.now, cancel, &mut self.reports);
                Ok(())
            }
        }
    }

    /// A held order ends without having left.
    fn drop_held(&mut self, id: ClientOrderId) -> Result<(), EngineError> {
        let order = self.world.orders.remove(id).expect("a held order is in the store");
        self.risk.on_closed(&self.world, id);
        self.unsent(id, &order.request)?;
        self.drop_children(id)
    }

    fn drop_children(&mut self, parent: ClientOrderId) -> Result<(), EngineError> {
        if !self.world.orders.has_ties() {
            return Ok(());
        }
        let held = |o: &&Order| o.request.links.parent == Some(parent) && o.status == OrderStatus::Held;
        let ids: Vec<ClientOrderId> = self.world.orders.iter().filter(held).map(|o| o.id).collect();
        for id in ids {
            if self.world.orders.get(id).is_some() {
                self.drop_held(id)?;
            }
        }
        Ok(())
    }

    fn on_report(&mut self, report: &Report) -> Result<(), EngineError> {
        if let ReportKind::CancelRejected(reason) | ReportKind::ModifyRejected(reason) = report.kind
            && self.world.orders.get(report.order).is_none()
        {
            // The answer to a request that crossed the order's end on its way.
            self.record(Kind::Report, report)?;
            let update = OrderUpdate::Refused { id: report.order, status: OrderStatus::Canceled, reason };
            self.tell(report.order.strategy(), |s, ctx| s.on_order(ctx, &update));
            return Ok(());
        }
        let (transition, ended) = self.world.orders.apply(report)?;
        self.record(Kind::Report, report)?;
        let (account, filled, leaves) = {
            let order = ended.as_ref().or_else(|| self.world.orders.get(report.order)).expect("applied above");
            (order.account, order.filled, order.leaves())
        };
        let strategy = report.order.strategy();
        let mut fill_update = None;
        if let ReportKind::Filled { fill, leaves } = report.kind {
            // All that one order opens in a hedging account is one position, and so is all that its slices open.
            let order = ended.as_ref().or_else(|| self.world.orders.get(report.order)).expect("applied above");
            let booked = Fill { position: order.request.position, ..fill };
            let outcome =
                self.world.ledger.post_fill(account, strategy, &booked, &self.world.marks, &mut self.postings)?;
            let hedging = self.world.ledger.account(account).mode == PositionMode::Hedging;
            if hedging && let Some(slicing) = self.slicings.get_mut(&report.order.get()) {
                slicing.request.position = outcome.position;
            }
            self.record_postings()?;
            if let Some(order) = self.world.orders.get_mut(report.order) {
                order.request.position = outcome.position;
            }
            self.venue.on_booked(account, &fill, outcome.position, hedging);
            self.counts.fills += 1;
            self.observer.on_fill(&self.world, &fill, &outcome);
            fill_update = Some(FillUpdate { fill, outcome, leaves });
        }
        if let Some(change) = self.risk.on_report(&self.world, report) {
            self.on_state_change(change)?;
        }
        if ended.is_some() {
            self.observer.on_order_end(&self.world, report.order, Some(transition.to));
        }
        if let ReportKind::Modified { .. } | ReportKind::ModifyRejected(_) = report.kind
            && let Some(qty) = self.world.orders.get_mut(report.order).and_then(|order| order.next_qty.take())
        {
            self.resize(report.order, qty)?;
        }
        if self.world.orders.has_ties() || ended.as_ref().is_some_and(|o| o.request.links.oco_group != 0) {
            self.follow_ties(report.order, ended.as_ref(), fill_update.as_ref())?;
        }
        if let Some(update) = &fill_update {
            self.tell(strategy, |s, ctx| s.on_fill(ctx, update));
        }
        let id = report.order;
        let update = match report.kind {
            ReportKind::Rejected(reason) | ReportKind::ModifyRejected(reason) | ReportKind::CancelRejected(reason) => {
                OrderUpdate::Refused { id, status: transition.to, reason }
            }
            _ => OrderUpdate::Status { id, status: transition.to, filled, leaves },
        };
        self.tell(strategy, |s, ctx| s.on_order(ctx, &update));
        self.observer.on_stage(Stage::Booked(id));
        Ok(())
    }

    /// What one order's fill or end means for the orders tied to it.
    fn follow_ties(
        &mut self,
        id: ClientOrderId,
        ended: Option<&Order>,
        fill: Option<&FillUpdate>,
    ) -> Result<(), EngineError> {
        if ended.is_none() && fill.is_none() {
            return Ok(());
        }
        let Some(source) = ended.or_else(|| self.world.orders.get(id)).cloned() else { return Ok(()) };
        let (group, strategy, instrument) = (source.request.links.oco_group, id.strategy(), source.request.instrument);
        let others: Vec<Order> =
            self.world.orders.iter().filter(|o| o.id != id && !o.cancel_pending).cloned().collect();
        for other in others {
            let links = other.request.links;
            if links.parent == Some(id) {
                match fill {
                    Some(fill) => self.release(&other, source.filled, fill)?,
                    None if ended.is_some() && source.filled.is_zero() => self.cancel(other.id)?,
                    None => {}
                }
            } else if group != 0 && links.oco_group == group && other.id.strategy() == strategy {
                match fill {
                    _ if ended.is_some() => self.cancel(other.id)?,
                    Some(fill) if fill.fill.qty < other.qty_to_be() - other.filled => {
                        if let Some(other) = self.world.orders.get_mut(other.id) {
                            other.wanted -= fill.fill.qty;
                        }
                        self.resize(other.id, other.qty_to_be() - fill.fill.qty)?;
                    }
                    Some(_) => self.cancel(other.id)?,
                    None => {}
                }
            } else if let (true, Some(_)) = (other.request.reduce_only, fill)
                && (other.id.strategy(), other.request.instrument) == (strategy, instrument)
                && other.status != OrderStatus::Held
            {
                self.shrink(&other)?;
            }
        }
        Ok(())
    }

    /// A parent traded: its child goes out, or grows, to what the parent has filled.
    fn release(&mut self, child: &Order, parent_filled: Qty, fill: &FillUpdate) -> Result<(), EngineError> {
        if child.status != OrderStatus::Held {
            // What its siblings have traded meanwhile was taken off `wanted`.
            return self.resize(child.id, child.wanted.min(child.qty_to_be() + fill.fill.qty));
        }
        let qty = child.wanted.min(parent_filled);
        let unwinds =
            (child.request.instrument, child.request.side) == (fill.fill.instrument, fill.fill.side.opposite());
        let position = match child.request.position {
            PositionId::NONE if unwinds => fill.outcome.position,
            named => named,
        };
        let now = self.world.now;
        let Some(approved) = self.risk.release(&self.world, now, child.id, qty, position) else { return Ok(()) };
        let order = self.world.orders.get_mut(child.id).expect("a held order is in the store");
        order.request = *approved.request();
        order.status = OrderStatus::Submitted;
        self.venue.submit(now, approved, &mut self.reports);
        Ok(())
    }

    /// A position changed: a reduce-only order may not be larger than what is left to reduce.
    fn shrink(&mut self, order: &Order) -> Result<(), EngineError> {
        let request = &order.request;
        let held = match self.world.ledger.position(request.position) {
            Some(position) => position.qty,
            None => self.world.ledger.strategy_position(order.account, request.instrument, order.id.strategy()),
        };
        let reducible = match request.side {
            Side::Buy if held.is_negative() => held.abs(),
            Side::Sell if held.is_positive() => held,
            _ => Qty::ZERO,
        };
        if reducible.is_zero() {
            self.cancel(order.id)
        } else if reducible < order.qty_to_be() - order.filled {
            self.resize(order.id, order.filled + reducible)
        } else {
            Ok(())
        }
    }

    fn append(&mut self, kind: Kind, payload: &[u8]) -> Result<(), EngineError> {
        if self.recorded {
            self.journal.append(kind, self.world.now.get(), payload)?;
        }
        Ok(())
    }

    fn record<T: Serialize>(&mut self, kind: Kind, value: &T) -> Result<(), EngineError> {
        if !self.recorded {
            return Ok(());
        }
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        self.scratch = postcard::to_extend(value, bytes).expect("plain values always encode");
        self.journal.append(kind, self.world.now.get(), &self.scratch)?;
        if matches!(kind, Kind::Order | Kind::Report | Kind::Posting) {
            self.run_hash.update(&self.scratch);
        }
        Ok(())
    }

    fn record_postings(&mut self) -> Result<(), EngineError> {
        let mut postings = std::mem::take(&mut self.postings);
        for posting in postings.drain(..) {
            self.record(Kind::Posting, &posting)?;
        }
        self.postings = postings;
        Ok(())
    }

    /// What strategies and hosts may read.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }
    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }
    /// The watcher.
    #[must_use]
    pub fn observer(&self) -> &O {
        &self.observer
    }

    /// The world and the watcher, for a host that lets it look between events.
    pub fn world_and_observer(&mut self) -> (&World, &mut O) {
        (&self.world, &mut self.observer)
    }
    /// The state of the risk gate.
    #[must_use]
    pub fn risk(&self) -> &RiskGate {
        &self.risk
    }
    /// The hash over all orders, reports and postings so far: what a run did, whatever it was called.
    #[must_use]
    pub fn run_hash(&self) -> Digest {
        self.run_hash.digest()
    }
    /// Tells the gate what each account is worth now, for limits on loss and drawdown.
    pub fn judge_equity(&mut self) -> Result<(), EngineError> {
        let now = self.world.now;
        for index in 0..self.world.reporting.len() {
            let account = AccountId::from(index);
            if let Some(equity) = crate::risk::RiskView::equity(&self.world, account)
                && let Some(change) = self.risk.on_equity(account, now, equity)
            {
                self.on_state_change(change)?;
            }
        }
        self.settle()
    }

    /// A limit was passed: what the new state forbids is withdrawn.
    fn on_state_change(&mut self, change: StateChange) -> Result<(), EngineError> {
        self.record(Kind::Command, &change)?;
        if let StateChange::StrategyDisabled(strategy, _) = change {
            self.cancel_where(|order| order.id.strategy() == strategy)?;
        }
        Ok(())
    }

    fn cancel_where(&mut self, concerned: impl Fn(&Order) -> bool) -> Result<(), EngineError> {
        let ids: Vec<ClientOrderId> = self.world.orders.iter().filter(|o| concerned(o)).map(|o| o.id).collect();
        for id in ids {
            self.cancel(id)?;
        }
        Ok(())
    }
    /// The names of the strategies, by id.
    pub fn strategies(&self) -> impl Iterator<Item = (&str, &S)> {
        self.actors.iter().map(|a| (a.name.as_str(), &a.strategy))
    }
    /// A currency's id, for reading the ledger.
    #[must_use]
    pub fn currency(&self, code: &str) -> Option<CurrencyId> {
        self.world.currencies.id(code)
    }
}

/// What a finished run leaves.
#[derive(Debug)]
pub struct Finish<V, W, O> {
    /// Hash over orders, reports and postings.
    pub run_hash: Digest,
    /// The journal's final digest.
    pub journal_digest: Digest,
    /// Records in the journal, seals included.
    pub records: u64,
    /// The journal's sink.
    pub sink: W,
    /// The venue.
    pub venue: V,
    /// The watcher.
    pub observer: O,
}
