//! What a run is remembered by: daily equity, fills, round trips, costs. It watches the engine and changes nothing.
//!
//! Invariant: memory grows with days and with trades, and both are bounded by named limits; the totals stay exact beyond
//! them. Amounts of money are kept as the ledger booked them; floats appear only where a statistic is made of them.

use std::collections::BTreeMap;

use starling_core::event::Funding;
use starling_core::order::{Fill, Liquidity, OrderStatus, Side};
use starling_core::time::DAY;
use starling_core::{ClientOrderId, CurrencyId, Event, InstrumentId, Money, PositionId, Price, StrategyId, UnixNanos};
use starling_engine::ledger::FillOutcome;
use starling_engine::{Observer, World};

/// Fills that are kept one by one; the totals count on.
pub const FILLS_KEPT_MAX: usize = 200_000;
/// Round trips that are kept one by one.
pub const ROUND_TRIPS_KEPT_MAX: usize = 200_000;

/// Equity and exposure at the end of a day, in the reporting currency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DayPoint {
    /// Midnight UTC after the day.
    pub ts: UnixNanos,
    /// Worth of all accounts.
    pub equity: f64,
    /// Sum of position values without signs.
    pub gross: f64,
    /// Sum of position values.
    pub net: f64,
}

/// Open, high, low and close of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayPrice {
    /// Midnight UTC after the day.
    pub ts: UnixNanos,
    /// First price.
    pub open: Price,
    /// Highest.
    pub high: Price,
    /// Lowest.
    pub low: Price,
    /// Last.
    pub close: Price,
}

/// A fill and its effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecordedFill {
    /// The execution.
    pub fill: Fill,
    /// What the ledger made of it.
    pub outcome: FillOutcome,
}

/// A position from flat to flat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundTrip {
    /// When it left flat.
    pub opened: UnixNanos,
    /// When it came back.
    pub closed: UnixNanos,
    /// The instrument.
    pub instrument: InstrumentId,
    /// Who held it.
    pub strategy: StrategyId,
    /// Long (bought first) or short.
    pub side: Side,
    /// Quantity bought to open, in all.
    pub qty: f64,
    /// Average price of the opening side.
    pub entry: f64,
    /// Average price of the closing side.
    pub exit: f64,
    /// Profit after fees, in the currency that the account books it in.
    pub pnl: f64,
    /// Fees of all its fills.
    pub fees: f64,
}

#[derive(Debug, Clone, Copy)]
struct OpenTrip {
    opened: UnixNanos,
    side: Side,
    entered: (f64, f64),
    left: (f64, f64),
    pnl: f64,
    fees: f64,
}

/// What one strategy did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StrategyRecord {
    /// Cumulative profit after fees at each day's end, in the reporting currency.
    pub pnl: Vec<(UnixNanos, f64)>,
    /// Executions.
    pub fills: u64,
    /// Orders that ended.
    pub orders: u64,
}

/// The record of a run.
#[derive(Debug, Default)]
pub struct Recorder {
    reporting: CurrencyId,
    /// Keeps nothing but [`Recorder::days`].
    equity_only: bool,
    next_day: UnixNanos,
    last: Option<UnixNanos>,
    prices: Vec<Option<DayPrice>>,
    trips: BTreeMap<(PositionId, InstrumentId, StrategyId), OpenTrip>,
    /// Equity day by day.
    pub days: Vec<DayPoint>,
    /// Prices day by day, by instrument.
    pub day_prices: Vec<Vec<DayPrice>>,
    /// By strategy.
    pub strategies: Vec<StrategyRecord>,
    /// Fills, the first [`FILLS_KEPT_MAX`].
    pub fills: Vec<RecordedFill>,
    /// Fills in all.
    pub fills_total: u64,
    /// Round trips, the first [`ROUND_TRIPS_KEPT_MAX`].
    pub round_trips: Vec<RoundTrip>,
    /// Round trips in all.
    pub round_trips_total: u64,
    /// Orders by how they ended.
    pub orders: BTreeMap<OrderStatus, u64>,
    /// Refusals by check.
    pub denials: BTreeMap<&'static str, u64>,
    /// Commission by currency.
    pub fees: BTreeMap<CurrencyId, Money>,
    /// What aggressive fills paid beyond the touch, by settlement currency.
    pub slippage: BTreeMap<CurrencyId, f64>,
    /// Half spreads that aggressive fills paid, by settlement currency.
    pub spread: BTreeMap<CurrencyId, f64>,
    /// Traded notional without signs, by settlement currency.
    pub traded: BTreeMap<CurrencyId, f64>,
}

impl Recorder {
    /// For a run of so many instruments and strategies, told in `reporting`.
    #[must_use]
    pub fn new(instruments: usize, strategies: usize, reporting: CurrencyId) -> Self {
        Self {
            reporting,
            prices: vec![None; instruments],
            day_prices: vec![Vec::new(); instruments],
            strategies: vec![StrategyRecord::default(); strategies],
            ..Self::default()
        }
    }

    /// Of nothing but equity day by day, 32 bytes each: for hosts of many engines.
    #[must_use]
    pub fn of_equity(reporting: CurrencyId) -> Self {
        Self { reporting, equity_only: true, ..Self::default() }
    }

    /// The currency that equity is told in.
    #[must_use]
    pub fn reporting(&self) -> CurrencyId {
        self.reporting
    }

    /// True if `event` begins a new day: [`Recorder::end_day`] is due before it is consumed. What happens at midnight
    /// exactly (daily bars do) still belongs to the day before.
    #[inline]
    #[must_use]
    pub fn day_is_over(&self, event: &Event) -> bool {
        event.ts() > self.next_day
    }

    /// Notes the prices of an event.
    #[inline]
    pub fn note(&mut self, event: &Event) {
        let (instrument, open, high, low, close) = match event {
            Event::Bar(bar) => (bar.instrument, bar.open, bar.high, bar.low, bar.close),
            Event::Trade(t) => (t.instrument, t.price, t.price, t.price, t.price),
            Event::Quote(q) => {
                let mid = Price::from_units(i64::midpoint(q.bid.units(), q.ask.units()));
                (q.instrument, mid, mid, mid, mid)
            }
            _ => return,
        };
        self.last = Some(event.ts());
        if self.equity_only {
            return;
        }
        match &mut self.prices[instrument.index()] {
            Some(day) => {
                day.high = Ord::max(day.high, high);
                day.low = day.low.min(low);
                day.close = close;
            }
            none => *none = Some(DayPrice { ts: UnixNanos::EPOCH, open, high, low, close }),
        }
    }

    /// Writes down the day that has ended, and starts the one that `next` (or nothing more) belongs to.
    pub fn end_day(&mut self, world: &World, next: Option<UnixNanos>) {
        if let Some(last) = self.last {
            let ts = last.saturating_sub(1).floor_to(DAY) + DAY;
            self.sample(world, ts);
        }
        if let Some(next) = next {
            self.next_day = next.saturating_sub(1).floor_to(DAY) + DAY;
        }
    }

    fn sample(&mut self, world: &World, ts: UnixNanos) {
        let (ledger, marks) = (world.ledger(), world.marks());
        for (day, list) in self.prices.iter_mut().zip(&mut self.day_prices) {
            if let Some(day) = day.take() {
                list.push(DayPrice { ts, ..day });
            }
        }
        let Some(equity) = ledger.equity_in(self.reporting, marks) else { return };
        let (mut gross, mut net) = (0.0, 0.0);
        let mut pnl: Vec<f64> = vec![0.0; self.strategies.len()];
        for (account, spec) in ledger.accounts() {
            let told = |amount: Money, from| ledger.convert(account, amount, from, self.reporting, marks);
            for (instrument, terms) in world.instruments().iter() {
                for open in ledger.open_positions(account, instrument) {
                    let value = ledger.market_value(open.id, marks).and_then(|v| told(v, terms.settlement()));
                    let value = value.map_or(0.0, Money::to_f64);
                    gross += value.abs();
                    net += value;
                    if self.equity_only {
                        continue;
                    }
                    let gain = ledger.unrealised(open.id, marks).and_then(|v| told(v, terms.settlement()));
                    pnl[open.strategy.index()] += gain.map_or(0.0, Money::to_f64);
                }
            }
            let _ = spec;
            for (currency, _) in world.currencies().iter() {
                for (index, sum) in pnl.iter_mut().enumerate() {
                    let totals = ledger.strategy_totals(account, currency, StrategyId::from(index));
                    let booked = told(totals.realised - totals.commission + totals.funding, currency);
                    *sum += booked.map_or(0.0, Money::to_f64);
                }
            }
        }
        if self.equity_only && self.days.len() == self.days.capacity() {
            // Of many agents, room that is not used is most of what there is.
            self.days.reserve_exact(8);
        }
        self.days.push(DayPoint { ts, equity: equity.to_f64(), gross, net });
        for (record, pnl) in self.strategies.iter_mut().zip(pnl) {
            record.pnl.push((ts, pnl));
        }
    }

    fn note_trip(&mut self, fill: &Fill, outcome: &FillOutcome) {
        let key = (outcome.position, fill.instrument, fill.order.strategy());
        let (qty, price, fee) = (fill.qty.to_f64(), fill.price.to_f64(), outcome.fee.to_f64());
        let opening = outcome.qty_before.is_zero() || outcome.qty_before.is_positive() == (fill.side == Side::Buy);
        // The part of a fill that closes and, where it goes through zero, the part that opens again.
        let closed = if opening { 0.0 } else { qty.min(outcome.qty_before.abs().to_f64()) };
        if closed > 0.0
            && let Some(trip) = self.trips.get_mut(&key)
        {
            trip.left.0 += closed;
            trip.left.1 += closed * price;
            let share = closed / qty;
            trip.pnl += outcome.realised.to_f64() - fee * share;
            trip.fees += fee * share;
            if outcome.closed
                && let Some(trip) = self.trips.remove(&key)
            {
                self.round_trips_total += 1;
                if self.round_trips.len() < ROUND_TRIPS_KEPT_MAX {
                    self.round_trips.push(RoundTrip {
                        opened: trip.opened,
                        closed: fill.ts,
                        instrument: fill.instrument,
                        strategy: fill.order.strategy(),
                        side: trip.side,
                        qty: trip.entered.0,
                        entry: trip.entered.1 / trip.entered.0,
                        exit: trip.left.1 / trip.left.0,
                        pnl: trip.pnl,
                        fees: trip.fees,
                    });
                }
            }
        }
        let entered = qty - closed;
        if entered > 0.0 {
            let trip = self.trips.entry(key).or_insert(OpenTrip {
                opened: fill.ts,
                side: fill.side,
                entered: (0.0, 0.0),
                left: (0.0, 0.0),
                pnl: 0.0,
                fees: 0.0,
            });
            let paid = fee * (entered / qty);
            trip.entered.0 += entered;
            trip.entered.1 += entered * price;
            trip.pnl -= paid;
            trip.fees += paid;
        }
    }
}

impl Observer for Recorder {
    fn on_fill(&mut self, world: &World, fill: &Fill, outcome: &FillOutcome) {
        if self.equity_only {
            return;
        }
        self.fills_total += 1;
        self.strategies[fill.order.strategy().index()].fills += 1;
        *self.fees.entry(outcome.fee_currency).or_default() += outcome.fee;
        let terms = world.instruments().get(fill.instrument);
        let worth = |price: f64| fill.qty.to_f64() * price * terms.multiplier.to_f64();
        let settlement = terms.settlement();
        *self.traded.entry(settlement).or_default() += worth(fill.price.to_f64()).abs();
        if fill.liquidity == Liquidity::Taker
            && let Some(mark) = world.marks().get(fill.instrument)
        {
            let touch = if fill.side == Side::Buy { mark.ask } else { mark.bid };
            let beyond = |a: Price, b: Price| (a.to_f64() - b.to_f64()) * fill.side.sign() as f64;
            *self.slippage.entry(settlement).or_default() += worth(beyond(fill.price, touch));
            *self.spread.entry(settlement).or_default() += worth(beyond(touch, mark.mid()));
        }
        self.note_trip(fill, outcome);
        if self.fills.len() < FILLS_KEPT_MAX {
            self.fills.push(RecordedFill { fill: *fill, outcome: *outcome });
        }
    }

    fn on_order_end(&mut self, _world: &World, order: ClientOrderId, status: Option<OrderStatus>) {
        if self.equity_only {
            return;
        }
        self.strategies[order.strategy().index()].orders += 1;
        if let Some(status) = status {
            *self.orders.entry(status).or_default() += 1;
        }
    }

    fn on_denied(&mut self, _world: &World, _order: ClientOrderId, code: &'static str) {
        if self.equity_only {
            return;
        }
        *self.denials.entry(code).or_default() += 1;
    }

    fn on_funding(&mut self, _world: &World, _funding: &Funding) {}
}
