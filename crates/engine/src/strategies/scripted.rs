//! Scripted: orders, changes and cancels at given stamps or after given events, as a table in the configuration.
//!
//! For tests, for reproducing what somebody did by hand, and for showing what an order kind does. Each step happens once:
//! at a stamp (after all data of it), or with the n-th quote, trade or bar of its instrument, counted from 1. Steps of
//! one moment happen in the order of the table. It decides nothing, so it assumes nothing.

use serde::{Deserialize, Serialize};
use starling_core::event::Timer;
use starling_core::{
    Bar, ClientOrderId, InstrumentId, OrderKind, OrderRequest, PositionId, Qty, Quote, Side, TimeInForce, Trade,
};
use starling_market::bar::BarSpec;

use super::Configuration;
use super::parameter::{Exact, Faults, ParameterError, Stamp};
use super::target::Twap;
use crate::strategy::{Context, FillUpdate, Setup, Strategy, StrategyError};

/// Steps of one script, at most.
pub const STEPS_MAX: usize = 100_000;

/// Parameters of the script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Scripted {
    /// The series of bars that `on_bar` counts, as `1m last external`.
    #[serde(default)]
    pub bars: Option<String>,
    /// What to do, and when.
    pub steps: Vec<ScriptStep>,
    /// Closes what is open when the run ends.
    #[serde(default)]
    pub close_on_stop: bool,
}

/// One step: a moment (`at`, `on_quote`, `on_trade` or `on_bar`) and a deed (`submit`, `modify`, `cancel` or `close`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ScriptStep {
    /// The instrument.
    pub instrument: String,
    /// A stamp, as `2013-02-01T10:30:00Z` or in nanoseconds; after all data of that stamp.
    #[serde(default)]
    pub at: Option<Stamp>,
    /// With this quote of the instrument, counted from 1.
    #[serde(default)]
    pub on_quote: Option<u64>,
    /// With this trade.
    #[serde(default)]
    pub on_trade: Option<u64>,
    /// With this bar.
    #[serde(default)]
    pub on_bar: Option<u64>,
    /// A name for the order, by which later steps refer to it.
    #[serde(default)]
    pub name: Option<String>,
    /// Sends an order.
    #[serde(default)]
    pub submit: Option<Submit>,
    /// Changes one.
    #[serde(default)]
    pub modify: Option<Modify>,
    /// Cancels one, or all of the instrument.
    #[serde(default)]
    pub cancel: Option<Cancel>,
    /// Closes all positions of the instrument at the market.
    #[serde(default)]
    pub close: Option<Close>,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Submit {
    /// `buy` or `sell`.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub side: Side,
    /// The quantity, in the instrument's unit.
    pub qty: Exact<Qty>,
    /// `market`, `{ limit = { price = "1.5" } }`, `{ stop = { trigger = "1.4" } }`, `stop_limit`, `market_if_touched`,
    /// `limit_if_touched`, `{ trailing_stop = { offset = { price = "0.1" } } }`, `trailing_stop_limit`.
    #[serde(default = "market")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "word_or_table"))]
    pub kind: OrderKind,
    /// `gtc`, `ioc`, `fok`, `day` or `{ gtd = NANOSECONDS }`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(schema_with = "word_or_table"))]
    pub tif: TimeInForce,
    /// Only as maker.
    #[serde(default)]
    pub post_only: bool,
    /// Only toward flat.
    #[serde(default)]
    pub reduce_only: bool,
    /// The step whose order opened the position to change, in a hedging account.
    #[serde(default)]
    pub position_of: Option<String>,
    /// The step whose order must fill before this one is sent.
    #[serde(default)]
    pub parent: Option<String>,
    /// Orders of one number cancel each other; 0 is none.
    #[serde(default)]
    pub oco_group: u64,
    /// Cuts the order into parts over time.
    #[serde(default)]
    pub twap: Option<Twap>,
}

fn market() -> OrderKind {
    OrderKind::Market
}

#[cfg(feature = "schema")]
fn word_or_table(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["string", "object"] })
}

/// A change of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Modify {
    /// The step that sent it.
    pub order: String,
    /// The new quantity.
    #[serde(default)]
    pub qty: Option<Exact<Qty>>,
    /// The new kind and prices.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(schema_with = "word_or_table"))]
    pub kind: Option<OrderKind>,
}

/// A cancel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The step that sent the order; left out, all orders of the instrument.
    #[serde(default)]
    pub order: Option<String>,
}

/// Nothing to say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Close {}

impl ScriptStep {
    /// The moments that it names.
    fn events(&self) -> [(Source, Option<u64>); 3] {
        [(Source::Quote, self.on_quote), (Source::Trade, self.on_trade), (Source::Bar, self.on_bar)]
    }
    /// The orders that it refers to.
    fn references(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let submit = self.submit.as_ref();
        [
            ("submit.position_of", submit.and_then(|s| s.position_of.as_deref())),
            ("submit.parent", submit.and_then(|s| s.parent.as_deref())),
            ("modify.order", self.modify.as_ref().map(|m| m.order.as_str())),
            ("cancel.order", self.cancel.as_ref().and_then(|c| c.order.as_deref())),
        ]
        .into_iter()
        .filter_map(|(field, name)| Some((field, name?)))
    }
}

impl Scripted {
    /// The step that sends the order of a name.
    fn step_of(&self, name: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.submit.is_some() && step.name.as_deref() == Some(name))
    }
}

impl Configuration for Scripted {
    type Strategy = Script;

    fn validate(&self) -> Vec<ParameterError> {
        let mut faults = Faults::new();
        let count = self.steps.len();
        faults.require((1..=STEPS_MAX).contains(&count), "steps", count, format_args!("1 to {STEPS_MAX} steps"));
        if let Some(bars) = &self.bars {
            faults.bars("bars", bars);
        }
        for (at, step) in self.steps.iter().enumerate() {
            let field = |name: &str| format!("steps[{at}].{name}");
            faults.instrument(&field("instrument"), &step.instrument);
            let moments = usize::from(step.at.is_some()) + step.events().iter().filter(|(_, n)| n.is_some()).count();
            faults.require(
                moments == 1,
                &field("at"),
                format_args!("{moments} moments"),
                "one of at, on_quote, on_trade, on_bar",
            );
            for (name, n) in [("on_quote", step.on_quote), ("on_trade", step.on_trade), ("on_bar", step.on_bar)] {
                faults.require(n != Some(0), &field(name), 0, "counted from 1");
            }
            let bars = step.on_bar.is_none() || self.bars.is_some();
            faults.require(bars, &field("on_bar"), "given", "left out, unless `bars` names the series");
            let deeds = [step.submit.is_some(), step.modify.is_some(), step.cancel.is_some(), step.close.is_some()];
            let deeds = deeds.iter().filter(|there| **there).count();
            faults.require(
                deeds == 1,
                &field("submit"),
                format_args!("{deeds} deeds"),
                "one of submit, modify, cancel, close",
            );
            if let Some(name) = &step.name {
                faults.require(step.submit.is_some(), &field("name"), name, "left out where nothing is submitted");
                let twice = self.steps[..at].iter().any(|before| before.name.as_ref() == Some(name));
                faults.require(!twice, &field("name"), name, "used once");
            }
            for (name, order) in step.references() {
                let known = self.step_of(order).is_some_and(|found| found != at);
                faults.require(known, &field(name), format_args!("`{order}`"), "the name of another step that submits");
            }
            if let Some(submit) = &step.submit {
                faults.require(submit.qty.0.is_positive(), &field("submit.qty"), submit.qty, "positive");
                let whole = submit.twap.is_none_or(|t| t.interval.nanos > 0 && t.horizon.nanos >= t.interval.nanos);
                faults.require(whole, &field("submit.twap"), "given", "at least one interval, longer than nothing");
            }
            if let Some(Modify { qty: Some(qty), .. }) = &step.modify {
                faults.require(qty.0.is_positive(), &field("modify.qty"), qty, "positive");
            }
        }
        faults.into_vec()
    }

    fn build(&self) -> Script {
        let steps = self.steps.len();
        Script {
            parameters: self.clone(),
            instruments: Vec::new(),
            queues: Vec::new(),
            state: State { orders: vec![None; steps], positions: vec![PositionId::NONE; steps], queues: Vec::new() },
        }
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Quote,
    Trade,
    Bar,
}

/// The steps that wait for events of one source of one instrument.
#[derive(Debug)]
struct Queue {
    source: Source,
    instrument: InstrumentId,
    /// (event number, step), in that order.
    waiting: Vec<(u64, usize)>,
}

/// What changes in a run.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// By step: the order it sent.
    orders: Vec<Option<ClientOrderId>>,
    /// By step: the position its order opened.
    positions: Vec<PositionId>,
    /// By queue: events seen, and steps done.
    queues: Vec<(u64, usize)>,
}

/// The script at work.
#[derive(Debug)]
pub struct Script {
    parameters: Scripted,
    /// By step.
    instruments: Vec<InstrumentId>,
    queues: Vec<Queue>,
    state: State,
}

impl Script {
    fn count(&mut self, ctx: &mut Context<'_>, source: Source, instrument: InstrumentId) {
        let found = self.queues.iter().position(|q| q.source == source && q.instrument == instrument);
        let Some(queue) = found else { return };
        self.state.queues[queue].0 += 1;
        while let Some((_, step)) = self.queues[queue]
            .waiting
            .get(self.state.queues[queue].1)
            .copied()
            .filter(|(n, _)| *n <= self.state.queues[queue].0)
        {
            self.state.queues[queue].1 += 1;
            self.act(ctx, step);
        }
    }

    fn order(&self, name: &str) -> Option<ClientOrderId> {
        self.state.orders[self.parameters.step_of(name)?]
    }

    fn act(&mut self, ctx: &mut Context<'_>, at: usize) {
        let (step, instrument) = (&self.parameters.steps[at], self.instruments[at]);
        if let Some(submit) = &step.submit {
            let mut request = OrderRequest::new(instrument, submit.side, submit.kind, submit.qty.0).tif(submit.tif);
            request.post_only = submit.post_only;
            request.reduce_only = submit.reduce_only;
            request.links.oco_group = submit.oco_group;
            request.links.parent = submit.parent.as_deref().and_then(|name| self.order(name));
            if let Some(found) = submit.position_of.as_deref().and_then(|name| self.parameters.step_of(name)) {
                request.position = self.state.positions[found];
            }
            // A child of an order that was never sent must not go out alone.
            if submit.parent.is_some() && request.links.parent.is_none() {
                return;
            }
            let id = match &submit.twap {
                Some(twap) => ctx.submit_sliced(request, twap.schedule()),
                None => ctx.submit(request),
            };
            self.state.orders[at] = Some(id);
        } else if let Some(modify) = &step.modify {
            if let Some(id) = self.order(&modify.order) {
                ctx.modify(id, modify.qty.map(|qty| qty.0), modify.kind);
            }
        } else if let Some(cancel) = &step.cancel {
            match cancel.order.as_deref() {
                Some(name) => {
                    if let Some(id) = self.order(name) {
                        ctx.cancel(id);
                    }
                }
                None => ctx.cancel_all(instrument),
            }
        } else {
            ctx.close(instrument);
        }
    }
}

impl Strategy for Script {
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
        for (at, step) in self.parameters.steps.iter().enumerate() {
            let instrument = setup.instrument(&step.instrument)?;
            self.instruments.push(instrument);
            for (source, n) in step.events() {
                let Some(n) = n else { continue };
                match (source, &self.parameters.bars) {
                    (Source::Quote, _) => setup.quotes(instrument),
                    (Source::Trade, _) => setup.trades(instrument),
                    (Source::Bar, Some(bars)) => {
                        setup.bars(BarSpec::parse(instrument, bars)?)?;
                    }
                    (Source::Bar, None) => return Err("a step waits for a bar, and `bars` names no series".into()),
                }
                let found = self.queues.iter().position(|q| q.source == source && q.instrument == instrument);
                let queue = found.unwrap_or_else(|| {
                    self.queues.push(Queue { source, instrument, waiting: Vec::new() });
                    self.queues.len() - 1
                });
                self.queues[queue].waiting.push((n, at));
            }
        }
        for queue in &mut self.queues {
            queue.waiting.sort_unstable();
        }
        self.state.queues = vec![(0, 0); self.queues.len()];
        Ok(())
    }

    fn on_start(&mut self, ctx: &mut Context<'_>) {
        for (at, step) in (0..).zip(&self.parameters.steps) {
            if let Some(Stamp(due)) = step.at {
                ctx.set_timer(at, due);
            }
        }
    }

    fn on_quote(&mut self, ctx: &mut Context<'_>, quote: &Quote) {
        self.count(ctx, Source::Quote, quote.instrument);
    }

    fn on_trade(&mut self, ctx: &mut Context<'_>, trade: &Trade) {
        self.count(ctx, Source::Trade, trade.instrument);
    }

    fn on_bar(&mut self, ctx: &mut Context<'_>, bar: &Bar) {
        self.count(ctx, Source::Bar, bar.instrument);
    }

    fn on_timer(&mut self, ctx: &mut Context<'_>, timer: &Timer) {
        if let Some(step) = usize::try_from(timer.token).ok().filter(|step| *step < self.instruments.len()) {
            self.act(ctx, step);
        }
    }

    fn on_fill(&mut self, _ctx: &mut Context<'_>, fill: &FillUpdate) {
        if let Some(step) = self.state.orders.iter().position(|id| *id == Some(fill.fill.order)) {
            self.state.positions[step] = fill.outcome.position;
        }
    }

    fn on_stop(&mut self, ctx: &mut Context<'_>) {
        if !self.parameters.close_on_stop {
            return;
        }
        for at in 0..self.instruments.len() {
            if !self.instruments[..at].contains(&self.instruments[at]) {
                ctx.cancel_all(self.instruments[at]);
                ctx.close(self.instruments[at]);
            }
        }
    }

    fn save(&self) -> Result<Vec<u8>, StrategyError> {
        Ok(postcard::to_allocvec(&self.state)?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StrategyError> {
        let state: State = postcard::from_bytes(bytes)?;
        let fits = state.orders.len() == self.parameters.steps.len() && state.queues.len() == self.queues.len();
        if !fits {
            return Err(
                format!("saved with {} steps, set up with {}", state.orders.len(), self.instruments.len()).into()
            );
        }
        self.state = state;
        Ok(())
    }
}
