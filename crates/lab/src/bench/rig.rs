//! Engines for benchmarks: from the committed configurations, over events in memory, with strategies that only trade.
//!
//! Invariant: every engine here is the whole one: journal on (into memory), risk gate, orders, ledger, recorder.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use starling_core::order::{Fill, Liquidity, ReportKind};
use starling_core::{
    ClientOrderId, CurrencyId, Event, InstrumentId, Money, OrderKind, OrderRequest, PositionId, Price, Qty, Side,
    StrategyId, UnixNanos,
};
use starling_engine::{Context, Counts, Setup, Strategy, StrategyError};
use starling_market::feed::SliceFeed;
use starling_sim::backtest;

use super::BenchError;
use crate::run::{Run, RunEngine, RunError};

/// The configuration that rivals' runs on bars are compared with.
pub(super) const PEER_BARS: &str = include_str!("../../../../examples/peers/bars.toml");
/// The same on quotes.
pub(super) const PEER_QUOTES: &str = include_str!("../../../../examples/peers/quotes.toml");

/// An engine with its journal in memory.
pub(super) type MemoryEngine = RunEngine<Vec<u8>>;

/// A configuration without strategies: margin account, so many instruments `Xn/USD.SIM` of 2 decimals, all told by
/// quotes, but for the first, whose minute bars come from outside if `bars`.
pub(super) fn configuration(instruments: usize, bars: bool) -> String {
    let mut text = String::from(
        "name = \"benchmark\"\n[[venues]]\nid = \"SIM\"\nactivation = \"immediate\"\n\
         [[accounts]]\nvenue = \"SIM\"\nkind = \"margin\"\nbase = \"USD\"\nbalances = { USD = 1_000_000_000 }\n\
         [risk]\nmessage_rate_max = { venue = { per_second = 1_000_000, burst = 1_000_000 }, \
         strategy = { per_second = 1_000_000, burst = 1_000_000 }, cancel_reserve = 1_000, refuse_cancels = false }\n",
    );
    for i in 0..instruments {
        write!(
            text,
            "[[instruments]]\nid = \"X{i:04}/USD.SIM\"\ntemplate = \"spot\"\nprice_digits = 2\nqty_digits = 3\n\
             maker_fee = \"0.0001\"\ntaker_fee = \"0.0001\"\n"
        )
        .expect("writing to a string");
    }
    text.push_str(match bars {
        true => "[[data]]\npath = \"memory\"\ninstrument = \"X0000/USD.SIM\"\nkind = \"bars\"\nseries = \"1m last external\"\n",
        false => "[[data]]\npath = \"memory\"\ninstrument = \"X0000/USD.SIM\"\nkind = \"quotes\"\n",
    });
    text
}

/// A run from text; its data is never opened.
pub(super) fn run(text: &str) -> Result<Run, BenchError> {
    Run::new(text, Vec::new()).map_err(|faults| RunError::from(faults).into())
}

/// Consumes an event; the engine's errors become ours.
pub(super) fn consume(engine: &mut MemoryEngine, event: &Event) -> Result<(), BenchError> {
    engine.on_event(event).map_err(|e| RunError::from(e).into())
}

/// A whole run over events in memory, journal sealed at its end.
pub(super) fn whole(run: Run, events: &[Event]) -> Result<Counts, BenchError> {
    let mut engine = run.engine(Vec::new())?;
    backtest::run(&mut engine, vec![Box::new(SliceFeed::new(events))], |_, _| ControlFlow::Continue(()))
        .map_err(RunError::from)?;
    let counts = engine.counts();
    let finish = engine.finish().map_err(RunError::from)?;
    assert!(!finish.sink.is_empty(), "a sealed journal has bytes");
    Ok(counts)
}

/// A quote of an instrument at bid and bid + 0.01, deep enough for anything.
pub(super) fn quote(instrument: usize, ts: u64, bid: i64) -> Event {
    let ts = UnixNanos::new(ts);
    Event::Quote(starling_core::Quote {
        instrument: InstrumentId::from(instrument),
        ts_event: ts,
        ts_recv: ts,
        bid: Price::from_units(bid * 10_000_000),
        ask: Price::from_units((bid + 1) * 10_000_000),
        bid_size: Qty::from_int(1_000_000),
        ask_size: Qty::from_int(1_000_000),
    })
}

/// Orders one unit on every quote of an instrument while its counter lies in the second half of a block: bought and sold
/// in turns.
pub(super) struct Alternating {
    /// Quotes of a block's quiet half, and of its busy one.
    pub(super) half: u64,
    seen: u64,
    long: bool,
}

impl Alternating {
    pub(super) fn new(half: u64) -> Self {
        Self { half, seen: 0, long: false }
    }
    /// An order on every quote, for longer than anybody measures.
    pub(super) fn always() -> Self {
        Self { half: u64::MAX / 2, seen: u64::MAX / 2, long: false }
    }
}

impl Strategy for Alternating {
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
        setup.quotes(InstrumentId(0));
        Ok(())
    }
    fn on_quote(&mut self, ctx: &mut Context<'_>, quote: &starling_core::Quote) {
        let busy = self.seen / self.half % 2 == 1;
        self.seen += 1;
        if busy {
            let side = if self.long { Side::Sell } else { Side::Buy };
            self.long = !self.long;
            ctx.submit(OrderRequest::market(quote.instrument, side, Qty::ONE));
        }
    }
}

/// On the first quote leaves `count` limit orders far below the market, a tick apart.
pub(super) struct Resting {
    pub(super) count: usize,
}

impl Strategy for Resting {
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
        setup.quotes(InstrumentId(0));
        Ok(())
    }
    fn on_quote(&mut self, ctx: &mut Context<'_>, quote: &starling_core::Quote) {
        for i in 0..std::mem::take(&mut self.count) {
            ctx.submit(limit(quote.instrument, quote.bid, 10_000 + i as i64));
        }
    }
}

/// On every other quote sends `count` limit orders far below the market, on the next cancels them all.
pub(super) struct Batches {
    pub(super) count: usize,
    pub(super) sent: bool,
}

impl Strategy for Batches {
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
        setup.quotes(InstrumentId(0));
        Ok(())
    }
    fn on_quote(&mut self, ctx: &mut Context<'_>, quote: &starling_core::Quote) {
        self.sent = !self.sent;
        if self.sent {
            for i in 0..self.count {
                ctx.submit(limit(quote.instrument, quote.bid, 10_000 + i as i64));
            }
        } else {
            ctx.cancel_all(quote.instrument);
        }
    }
}

/// Buys one unit of every instrument with its first quote.
pub(super) struct Holder {
    pub(super) instruments: usize,
}

impl Strategy for Holder {
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
        (0..self.instruments).for_each(|i| setup.quotes(InstrumentId::from(i)));
        Ok(())
    }
    fn on_quote(&mut self, ctx: &mut Context<'_>, quote: &starling_core::Quote) {
        if ctx.position(quote.instrument).is_zero() {
            ctx.submit(OrderRequest::market(quote.instrument, Side::Buy, Qty::ONE));
        }
    }
}

/// A fill of one unit.
pub(super) fn a_fill() -> ReportKind {
    ReportKind::Filled { fill: fill(0, 1, Side::Buy), leaves: Qty::ZERO }
}

/// A fill of one unit of an instrument at 100.
pub(super) fn fill(instrument: usize, number: u64, side: Side) -> Fill {
    Fill {
        order: ClientOrderId::new(StrategyId(0), number),
        trade_id: number,
        instrument: InstrumentId::from(instrument),
        side,
        qty: Qty::ONE,
        price: Price::from_int(100),
        fee: Money::from_units(10_000_000),
        fee_currency: CurrencyId(0),
        liquidity: Liquidity::Taker,
        position: PositionId::NONE,
        ts: UnixNanos::new(number),
    }
}

fn limit(instrument: InstrumentId, bid: Price, ticks_below: i64) -> OrderRequest {
    let price = Price::from_units(bid.units() - ticks_below * 10_000_000);
    OrderRequest::new(instrument, Side::Buy, OrderKind::Limit { price }, Qty::ONE)
}

/// An engine that holds one unit of each of `positions` instruments, bought at `100.01 + 0.01 i`.
pub(super) fn holding(positions: usize) -> Result<MemoryEngine, BenchError> {
    let holder = Holder { instruments: positions };
    let mut engine = run(&configuration(positions.max(1), false))?.strategy("holder", holder).engine(Vec::new())?;
    engine.start().map_err(RunError::from)?;
    for i in 0..positions {
        consume(&mut engine, &quote(i, 1_000 + i as u64, 10_000 + i as i64))?;
    }
    let counts = engine.counts();
    if counts.fills != positions as u64 {
        return Err(BenchError::Input(format!("{} of {positions} positions were bought", counts.fills)));
    }
    Ok(engine)
}
