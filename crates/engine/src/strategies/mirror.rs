//! Mirror: holds what another strategy, another account, or a list of fills holds, times a factor.
//!
//! `wanted = factor * followed`, rounded down to the lot and capped at `max_position`. A strategy or an account is read
//! from the ledger whenever a quote or a bar of the instrument comes, so a change is seen with the first event after it;
//! a list is followed by timers. `delay` is what a copier needs to act; the price moves meanwhile, and the copy's result
//! is worse than the original's for it.
//!
//! Invariant: what is wanted has the sign of what is followed (with a factor below 0 the other one) and never exceeds
//! `factor` times it: a growth that is older than `max_delay` when it could be copied is let go for good, a reduction is
//! followed always, in proportion to what of it was copied. What it deliberately does not do: copy resting orders or
//! prices, only what was filled.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use starling_core::event::Timer;
use starling_core::fixed::{SCALE, mul_div};
use starling_core::{AccountId, Bar, InstrumentId, Qty, Quote, Rate, Rounding, Side, StrategyId, UnixNanos};
use starling_market::bar::BarSpec;

use super::Configuration;
use super::parameter::{Exact, Faults, ParameterError, Span, Stamp};
use super::target::{Execution, Target, TargetState};
use crate::strategy::{Context, FillUpdate, OrderUpdate, Setup, Strategy, StrategyError};

/// Changes that may wait for their delay at once; of more, the newest replaces the one before it.
pub const PENDING_MAX: usize = 1_024;

/// Fills a list may have.
pub const FILLS_MAX: usize = 1_000_000;

/// A fill to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ListedFill {
    /// When it happened.
    pub ts: Stamp,
    /// `buy` or `sell`.
    pub side: ListedSide,
    /// Quantity, positive.
    pub qty: Exact<Qty>,
}

/// The side of a listed fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ListedSide {
    /// Bought.
    Buy,
    /// Sold.
    Sell,
}

/// Who is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Leader {
    /// A strategy of the same run, by its name, in all its accounts.
    Strategy(String),
    /// All of an account, by its name.
    Account(String),
    /// A list, in order of time.
    Fills(Vec<ListedFill>),
}

/// Parameters of the rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// The instrument, as `BTC/USDT.SIM`.
    pub instrument: String,
    /// `{ strategy = "NAME" }`, `{ account = "NAME" }` or `{ fills = [...] }`.
    pub leader: Leader,
    /// What is held for one unit of the leader's; below 0 against it.
    #[serde(default = "Mirror::default_factor")]
    pub factor: Exact<Rate>,
    /// The most that is held, long or short.
    #[serde(default)]
    pub max_position: Option<Exact<Qty>>,
    /// From a change to its copy.
    #[serde(default)]
    pub delay: Option<Span>,
    /// A growth that is older than this when it could be copied is let go.
    #[serde(default)]
    pub max_delay: Option<Span>,
    /// Looks at the close of these bars, not at every quote.
    #[serde(default)]
    pub bars: Option<String>,
    /// How a decision becomes orders.
    #[serde(default)]
    pub execution: Execution,
}

impl Mirror {
    fn default_factor() -> Exact<Rate> {
        Exact(Rate::ONE)
    }
    fn delay(&self) -> u64 {
        self.delay.map_or(0, |span| span.nanos)
    }
    fn fills(&self) -> &[ListedFill] {
        match &self.leader {
            Leader::Fills(fills) => fills,
            _ => &[],
        }
    }
}

impl Configuration for Mirror {
    type Strategy = Follower;

    fn validate(&self) -> Vec<ParameterError> {
        let mut faults = Faults::new();
        faults.instrument("instrument", &self.instrument);
        match &self.leader {
            Leader::Strategy(name) | Leader::Account(name) => {
                faults.require(!name.trim().is_empty(), "leader", "without a name", "the name of who is followed");
            }
            Leader::Fills(fills) => {
                let count = format_args!("1 to {FILLS_MAX} fills").to_string();
                faults.require((1..=FILLS_MAX).contains(&fills.len()), "leader.fills", fills.len(), count);
                let ordered = fills.is_sorted_by_key(|fill| fill.ts);
                faults.require(ordered, "leader.fills", "out of order", "in order of time");
                if let Some(fill) = fills.iter().find(|fill| !fill.qty.0.is_positive()) {
                    faults.require(false, "leader.fills.qty", fill.qty, "positive");
                }
                let sum = |sum: i64, fill: &ListedFill| sum.checked_add(fill.qty.0.units());
                let fits = fills.iter().try_fold(0, sum).is_some();
                faults.require(fits, "leader.fills", "too much in all", "a sum that is a quantity");
            }
        }
        faults.require(!self.factor.0.is_zero(), "factor", self.factor, "other than 0");
        if let Some(most) = self.max_position {
            faults.require(most.0.is_positive(), "max_position", most, "positive");
        }
        if let (Some(delay), Some(most)) = (self.delay, self.max_delay) {
            faults.require(delay <= most, "delay", delay, format_args!("at most max_delay, which is {most}"));
        }
        if let Some(bars) = &self.bars {
            faults.bars("bars", bars);
        }
        faults.require(
            self.execution.atr_feature().is_none(),
            "execution",
            "with distances in ranges",
            "distances as fractions: a mirror reads no bars",
        );
        faults.within("execution", self.execution.validate());
        faults.into_vec()
    }

    fn build(&self) -> Follower {
        Follower { parameters: self.clone(), state: State::default(), wired: None }
    }
}

/// A change of what is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    /// When it may be copied.
    due: UnixNanos,
    /// When it happened.
    happened: UnixNanos,
    /// The position after it.
    position: Qty,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct State {
    /// The leader's position as last seen.
    seen: Qty,
    /// Changes that wait for their delay.
    pending: VecDeque<Change>,
    /// The leader's position as of the last change that was due.
    reached: Qty,
    /// The part of it that is copied: of its sign, and not more.
    copied: Qty,
    /// Listed fills that have happened.
    listed: usize,
}

impl State {
    /// A change has come due.
    fn take(&mut self, to: Qty, fresh: bool) {
        let from = std::mem::replace(&mut self.reached, to);
        let same_side = from.is_positive() == to.is_positive() && !from.is_zero() && !to.is_zero();
        if !same_side {
            self.copied = if fresh { to } else { Qty::ZERO };
        } else if to.abs() < from.abs() {
            self.copied = self.copied.scaled(to.abs().units(), from.abs().units(), Rounding::TowardZero);
        } else if fresh {
            self.copied += to - from;
        }
    }
}

/// Who is followed, as ids.
#[derive(Debug, Clone, Copy)]
enum Followed {
    Strategy(StrategyId),
    Account(AccountId),
    List,
}

impl Followed {
    /// The position now, and when it last changed.
    fn position(self, ctx: &Context<'_>, instrument: InstrumentId) -> (Qty, UnixNanos) {
        let ledger = ctx.world.ledger();
        let venue = ctx.instrument(instrument).venue;
        let (mut position, mut changed) = (Qty::ZERO, UnixNanos::EPOCH);
        for (account, spec) in ledger.accounts() {
            let of_leader = match self {
                Self::Strategy(_) => spec.venue == venue,
                Self::Account(leader) => account == leader && spec.venue == venue,
                Self::List => false,
            };
            if !of_leader {
                continue;
            }
            let own = |strategy: StrategyId| match self {
                Self::Strategy(leader) => strategy == leader,
                // Without this a mirror in the account that it follows would follow itself.
                _ => strategy != ctx.strategy(),
            };
            for open in ledger.open_positions(account, instrument).filter(|open| own(open.strategy)) {
                position += open.qty;
                changed = Ord::max(changed, open.changed_at);
            }
        }
        (position, changed)
    }
}

#[derive(Debug)]
struct Wired {
    followed: Followed,
    target: Target,
}

/// The rule at work.
#[derive(Debug)]
pub struct Follower {
    parameters: Mirror,
    state: State,
    wired: Option<Wired>,
}

impl Follower {
    /// Looks at the ledger.
    fn look(&mut self, ctx: &mut Context<'_>) {
        let Some(wired) = &self.wired else { return };
        if matches!(wired.followed, Followed::List) {
            return;
        }
        let (position, changed) = wired.followed.position(ctx, wired.target.instrument());
        if position != self.state.seen {
            // One that is flat is in no list of open positions; then there is nothing to be late for.
            let happened = if position.is_zero() { ctx.now() } else { changed };
            self.notice(ctx, position, happened);
        }
    }

    /// A change was seen: it is copied at once, or waits.
    fn notice(&mut self, ctx: &mut Context<'_>, position: Qty, happened: UnixNanos) {
        self.state.seen = position;
        let due = happened.saturating_add(self.parameters.delay());
        if self.state.pending.len() == PENDING_MAX {
            self.state.pending.pop_back();
        }
        self.state.pending.push_back(Change { due, happened, position });
        if due > ctx.now() {
            ctx.set_timer(Self::DELAYED, due);
        } else {
            self.copy(ctx);
        }
    }

    /// Copies what is due.
    fn copy(&mut self, ctx: &mut Context<'_>) {
        let now = ctx.now();
        let mut any = false;
        while let Some(change) = self.state.pending.pop_front_if(|change| change.due <= now) {
            let late = self.parameters.max_delay.is_some_and(|most| now.since(change.happened) > most.nanos);
            self.state.take(change.position, !late);
            any = true;
        }
        if any {
            self.pursue(ctx);
        }
    }

    fn pursue(&mut self, ctx: &mut Context<'_>) {
        let Some(wired) = &mut self.wired else { return };
        let factor = self.parameters.factor.0.units();
        let units = mul_div(self.state.copied.units().into(), factor.into(), SCALE.into(), Rounding::TowardZero);
        let most = self.parameters.max_position.map_or(Qty::MAX, |most| most.0);
        let most = i128::from(most.units());
        let units = units.map_or(most, |units| units.clamp(-most, most));
        let lot = ctx.instrument(wired.target.instrument()).lot;
        let wanted = Qty::from_units(i64::try_from(units).expect("within the cap")).round_to(lot, Rounding::TowardZero);
        wired.target.go(ctx, wanted);
    }

    /// Tokens of timers: a listed fill happens, a change has waited long enough.
    const LISTED: u64 = 0;
    const DELAYED: u64 = 1;

    fn await_listed(&self, ctx: &mut Context<'_>) {
        if let Some(fill) = self.parameters.fills().get(self.state.listed) {
            ctx.set_timer(Self::LISTED, fill.ts.0);
        }
    }
}

impl Strategy for Follower {
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
        let instrument = setup.instrument(&self.parameters.instrument)?;
        let followed = match &self.parameters.leader {
            Leader::Strategy(name) => Followed::Strategy(setup.strategy_named(name)?),
            Leader::Account(name) => Followed::Account(setup.account_named(name)?),
            Leader::Fills(_) => Followed::List,
        };
        if matches!(followed, Followed::Strategy(leader) if leader == setup.strategy()) {
            return Err("a mirror cannot follow itself; name another strategy".into());
        }
        match &self.parameters.bars {
            Some(bars) => {
                setup.bars(BarSpec::parse(instrument, bars)?)?;
            }
            None => setup.quotes(instrument),
        }
        self.wired = Some(Wired { followed, target: Target::new(instrument, &self.parameters.execution) });
        Ok(())
    }

    fn on_start(&mut self, ctx: &mut Context<'_>) {
        self.await_listed(ctx);
    }

    fn on_quote(&mut self, ctx: &mut Context<'_>, _quote: &Quote) {
        self.look(ctx);
    }

    fn on_bar(&mut self, ctx: &mut Context<'_>, _bar: &Bar) {
        self.look(ctx);
    }

    fn on_timer(&mut self, ctx: &mut Context<'_>, timer: &Timer) {
        if timer.token == Self::DELAYED {
            return self.copy(ctx);
        }
        let Some(fill) = self.parameters.fills().get(self.state.listed).copied() else { return };
        self.state.listed += 1;
        let side = match fill.side {
            ListedSide::Buy => Side::Buy,
            ListedSide::Sell => Side::Sell,
        };
        self.notice(ctx, self.state.seen + side.signed(fill.qty.0), fill.ts.0);
        self.await_listed(ctx);
    }

    fn on_order(&mut self, ctx: &mut Context<'_>, update: &OrderUpdate) {
        if let Some(wired) = &mut self.wired {
            wired.target.on_order(ctx, update);
        }
    }

    fn on_fill(&mut self, _ctx: &mut Context<'_>, fill: &FillUpdate) {
        if let Some(wired) = &mut self.wired {
            wired.target.on_fill(fill);
        }
    }

    fn on_stop(&mut self, ctx: &mut Context<'_>) {
        self.state.pending.clear();
        if let Some(wired) = &mut self.wired {
            wired.target.on_stop(ctx);
        }
    }

    fn save(&self) -> Result<Vec<u8>, StrategyError> {
        let wired = self.wired.as_ref().ok_or("a strategy is saved after its set-up")?;
        Ok(postcard::to_allocvec(&(&self.state, wired.target.state()))?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StrategyError> {
        let wired = self.wired.as_mut().ok_or("a strategy is restored after its set-up")?;
        let (state, target): (State, TargetState) = postcard::from_bytes(bytes)?;
        self.state = state;
        wired.target.restore(target);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growth_that_is_late_is_let_go_and_a_reduction_followed_in_proportion() {
        let mut state = State::default();
        // The leader's position, whether it is seen in time, and what of it is copied then.
        for (to, fresh, copied) in [
            (10, true, 10),
            (20, false, 10),
            (30, true, 20),
            (15, false, 10),
            (15, true, 10),
            (-5, false, 0),
            (-10, true, -5),
            (-4, true, -2),
            (0, false, 0),
            (7, true, 7),
            (-7, true, -7),
        ] {
            state.take(Qty::from_int(to), fresh);
            assert_eq!(state.copied, Qty::from_int(copied), "at {to}");
        }
    }
}
