//! Statistical arbitrage: buys the losers and sells the winners of a basket, for as much long as short.
//!
//! With `contrarian` the weights are `w_i = -(r_i - r) / n` over the last `lookback` bars, `r` being the basket's mean
//! (Lo & MacKinlay 1990; Khandani & Lo 2007), scaled so that `sum |w_i| = 1`. With `score` each instrument has the sum of
//! its demeaned log returns, told as deviations from its mean over `window` bars; it is entered at `entry` deviations
//! against the deviation, left within `exit`, and each side is shared out equally: Avellaneda & Lee (2010) with the
//! basket's mean as the one factor, every beta 1 and no Ornstein-Uhlenbeck fit. Both assume that what moves away from
//! the basket comes back; both lose when news moves one of it for good.
//!
//! Invariant: what is wanted long is worth what is wanted short, but for less than a lot of each instrument; without
//! both sides nothing is held. A cross-section is the bars of one stamp, and a stamp that an instrument lacks is passed
//! over whole. What it deliberately does not do: hedge currencies, or undo the others when one order is refused; the
//! next rebalancing does.

use serde::{Deserialize, Serialize};
use starling_core::{Bar, BarSeriesId, InstrumentId, Qty, Rate, Rounding};
use starling_market::bar::BarSpec;
use starling_market::indicator::window::WindowMoments;

use super::Configuration;
use super::parameter::{Exact, Faults, ParameterError, preset};
use super::sizing::{Sizing, SizingFeatures};
use super::target::{Execution, Flip, Stance, Target, TargetState};
use crate::strategy::{Context, OrderUpdate, Setup, Strategy, StrategyError};

/// Instruments in a basket, at most.
pub const BASKET_MAX: usize = 1_000;

/// How weights come from returns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reversion {
    /// Each by how far its return over `lookback` bars is from the mean of all.
    Contrarian {
        /// Bars of the return.
        lookback: u32,
    },
    /// Equal weights of those far from where they were.
    Score {
        /// Bars that mean and deviation look at.
        window: u32,
        /// Deviations at which one is entered.
        entry: f64,
        /// Deviations within which it is left.
        exit: f64,
    },
}

impl Default for Reversion {
    fn default() -> Self {
        Self::Contrarian { lookback: 1 }
    }
}

/// Parameters of the rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StatisticalArbitrage {
    /// The basket: three instruments or more.
    pub instruments: Vec<String>,
    /// The series of bars of all, as `1d last external`.
    pub bars: String,
    /// `{ contrarian = { lookback = 1 } }` or `{ score = { window = 60, entry = 1.25, exit = 0.5 } }`.
    #[serde(default)]
    pub reversion: Reversion,
    /// Cross-sections from one rebalancing to the next.
    #[serde(default = "preset::count::<1>")]
    pub every: u32,
    /// Leaves a position alone unless it would change by more than this share of itself.
    #[serde(default)]
    pub band: Exact<Rate>,
    /// Gross value of the whole book, long and short added: `notional` or `equity_fraction`.
    pub size: Sizing,
    /// Closes what is open when the run ends.
    #[serde(default = "preset::flag::<true>")]
    pub close_on_stop: bool,
}

impl StatisticalArbitrage {
    /// Closes that returns reach back to.
    fn lookback(&self) -> usize {
        match self.reversion {
            Reversion::Contrarian { lookback } => lookback as usize,
            Reversion::Score { .. } => 1,
        }
    }
}

impl Configuration for StatisticalArbitrage {
    type Strategy = Arbitrageur;

    fn validate(&self) -> Vec<ParameterError> {
        let mut faults = Faults::new();
        let n = self.instruments.len();
        let count = format_args!("3 to {BASKET_MAX} instruments").to_string();
        faults.require((3..=BASKET_MAX).contains(&n), "instruments", format_args!("{n} of them"), count);
        for (at, name) in self.instruments.iter().enumerate() {
            faults.instrument("instruments", name);
            let twice = self.instruments[..at].contains(name);
            faults.require(!twice, "instruments", format_args!("`{name}` twice"), "different instruments");
        }
        faults.bars("bars", &self.bars);
        match self.reversion {
            Reversion::Contrarian { lookback } => faults.period("reversion.contrarian.lookback", lookback, 1),
            Reversion::Score { window, entry, exit } => {
                faults.period("reversion.score.window", window, 3);
                faults.number("reversion.score.entry", entry, entry > 0.0, "positive");
                let holds = exit >= 0.0 && exit < entry;
                faults.number("reversion.score.exit", exit, holds, "at least 0 and below entry");
            }
        }
        faults.period("every", self.every, 1);
        faults.require(!self.band.0.is_negative(), "band", self.band, "at least 0");
        let by_value = matches!(self.size, Sizing::Notional(_) | Sizing::EquityFraction(_));
        let requirement = "`notional` or `equity_fraction`: weights share out a value";
        faults.require(by_value, "size", "of another kind", requirement);
        faults.within("size", self.size.validate());
        faults.into_vec()
    }

    fn build(&self) -> Arbitrageur {
        Arbitrageur { parameters: self.clone(), state: State::new(self), basket: None }
    }
}

/// What is known of one instrument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Member {
    /// Stamp and logarithm of its latest close.
    latest: (u64, f64),
    /// Logarithms of its closes in the last cross-sections, a ring whose oldest stands at the count modulo its length.
    closes: Vec<f64>,
    /// Its return over the lookback.
    gain: f64,
    /// Sum of its demeaned returns, and the window over it.
    drift: f64,
    window: WindowMoments,
    /// The side it is held on by its score.
    stance: Stance,
    /// Share of the gross value, signed.
    weight: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    members: Vec<Member>,
    /// Whole cross-sections taken in.
    sections: u64,
}

impl State {
    fn new(parameters: &StatisticalArbitrage) -> Self {
        let window = match parameters.reversion {
            Reversion::Score { window, .. } => window as usize,
            Reversion::Contrarian { .. } => 1,
        };
        let member = Member {
            latest: (0, 0.0),
            closes: vec![0.0; parameters.lookback().max(1)],
            gain: 0.0,
            drift: 0.0,
            window: WindowMoments::new(window.max(1)),
            stance: Stance::Flat,
            weight: 0.0,
        };
        Self { members: vec![member; parameters.instruments.len()], sections: 0 }
    }

    /// Takes a whole cross-section in. True once returns are known.
    fn advance(&mut self, lookback: usize) -> bool {
        let slot = (self.sections % lookback as u64) as usize;
        self.sections += 1;
        for member in &mut self.members {
            let close = member.latest.1;
            member.gain = close - std::mem::replace(&mut member.closes[slot], close);
        }
        self.sections > lookback as u64
    }

    fn weigh(&mut self, reversion: Reversion) {
        let n = self.members.len() as f64;
        let mean = self.members.iter().map(|m| m.gain).sum::<f64>() / n;
        match reversion {
            Reversion::Contrarian { .. } => {
                let gross: f64 = self.members.iter().map(|m| (m.gain - mean).abs()).sum();
                // A basket that moved as one leaves nothing to trade.
                let scale = if gross > 0.0 { gross.recip() } else { 0.0 };
                for member in &mut self.members {
                    member.weight = -(member.gain - mean) * scale;
                }
            }
            Reversion::Score { window, entry, exit } => {
                let ready = self.sections > u64::from(window);
                for member in &mut self.members {
                    member.drift += member.gain - mean;
                    let moments = member.window.push(member.drift);
                    let deviation = (moments.squares / f64::from(window - 1)).sqrt();
                    if !ready || deviation == 0.0 {
                        continue;
                    }
                    let score = moments.deviation(member.drift) / deviation;
                    member.stance = match member.stance {
                        Stance::Long if score < -exit => Stance::Long,
                        Stance::Short if score > exit => Stance::Short,
                        _ if score <= -entry => Stance::Long,
                        _ if score >= entry => Stance::Short,
                        _ => Stance::Flat,
                    };
                }
                let on = |stance| self.members.iter().filter(|m| m.stance == stance).count();
                let (long, short) = (on(Stance::Long), on(Stance::Short));
                let share = |side: usize| if long > 0 && short > 0 { 0.5 / side as f64 } else { 0.0 };
                let (long, short) = (share(long), share(short));
                for member in &mut self.members {
                    member.weight = match member.stance {
                        Stance::Long => long,
                        Stance::Short => -short,
                        Stance::Flat => 0.0,
                    };
                }
            }
        }
    }
}

/// The instruments, in the order of the parameters.
#[derive(Debug)]
struct Basket {
    /// Series with the member it belongs to, sorted.
    series: Vec<(BarSeriesId, usize)>,
    targets: Vec<Target>,
    sizing: SizingFeatures,
    /// Positions wanted; room for one rebalancing.
    wanted: Vec<Option<Qty>>,
}

/// The rule at work.
#[derive(Debug)]
pub struct Arbitrageur {
    parameters: StatisticalArbitrage,
    state: State,
    basket: Option<Basket>,
}

impl Arbitrageur {
    /// The position that a weight asks for; `None` if its value is not known.
    fn wanted(&self, ctx: &Context<'_>, instrument: InstrumentId, sizing: SizingFeatures, weight: f64) -> Option<Qty> {
        // Without a price or an equity there is no answer; with them, nothing is one, too.
        if !self.parameters.size.is_known(ctx, instrument, sizing) {
            return None;
        }
        let share = Rate::from_f64(weight.abs(), Rate::from_units(1), Rounding::TowardZero)?;
        let stance = if weight < 0.0 { Stance::Short } else { Stance::Long };
        let qty = self.parameters.size.quantity_of(ctx, instrument, sizing, stance, share).unwrap_or(Qty::ZERO);
        let held = ctx.position(instrument);
        let wanted = stance.signed(qty);
        let slack = held.abs().scaled(self.parameters.band.0.units(), Rate::ONE.units(), Rounding::TowardZero);
        let stays = Stance::of(held) == Stance::of(wanted) && (wanted - held).abs() <= slack;
        Some(if stays { held } else { wanted })
    }

    fn rebalance(&mut self, ctx: &mut Context<'_>) {
        let Some(mut basket) = self.basket.take() else { return };
        for ((target, member), wanted) in basket.targets.iter().zip(&self.state.members).zip(&mut basket.wanted) {
            *wanted = self.wanted(ctx, target.instrument(), basket.sizing, member.weight);
        }
        // All or none: a book with one leg left out is not neutral.
        if basket.wanted.iter().all(Option::is_some) {
            for (target, wanted) in basket.targets.iter_mut().zip(&basket.wanted) {
                target.go(ctx, wanted.unwrap_or_default());
            }
        }
        self.basket = Some(basket);
    }
}

impl Strategy for Arbitrageur {
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
        let p = &self.parameters;
        let execution = Execution { flip: Flip::OneOrder, close_on_stop: p.close_on_stop, ..Execution::default() };
        let (mut series, mut targets, mut settlement) = (Vec::new(), Vec::new(), None);
        for (at, name) in p.instruments.iter().enumerate() {
            let id = setup.instrument(name)?;
            let terms = setup.terms(id);
            if terms.inverse || *settlement.get_or_insert(terms.settlement()) != terms.settlement() {
                return Err(
                    format!("`{name}` must be linear and settle as the rest of the basket, to balance it").into()
                );
            }
            series.push((setup.bars(BarSpec::parse(id, &p.bars)?)?, at));
            targets.push(Target::new(id, &execution));
        }
        let first = series.first().ok_or("a basket without instruments")?.0;
        let sizing = p.size.setup(setup, first)?;
        series.sort_unstable();
        self.basket = Some(Basket { wanted: vec![None; targets.len()], series, targets, sizing });
        Ok(())
    }

    fn on_bar(&mut self, ctx: &mut Context<'_>, bar: &Bar) {
        let Some(basket) = &self.basket else { return };
        let Ok(at) = basket.series.binary_search_by_key(&bar.series, |(series, _)| *series) else { return };
        if !bar.close.is_positive() {
            return;
        }
        let stamp = bar.ts_event.get();
        self.state.members[basket.series[at].1].latest = (stamp, libm::log(bar.close.to_f64()));
        if self.state.members.iter().any(|member| member.latest.0 != stamp) {
            return;
        }
        if self.state.advance(self.parameters.lookback()) {
            self.state.weigh(self.parameters.reversion);
            if self.state.sections.is_multiple_of(self.parameters.every.into()) {
                self.rebalance(ctx);
            }
        }
    }

    fn on_order(&mut self, ctx: &mut Context<'_>, update: &OrderUpdate) {
        for target in self.basket.iter_mut().flat_map(|basket| &mut basket.targets) {
            target.on_order(ctx, update);
        }
    }

    fn on_stop(&mut self, ctx: &mut Context<'_>) {
        for target in self.basket.iter_mut().flat_map(|basket| &mut basket.targets) {
            target.on_stop(ctx);
        }
    }

    fn save(&self) -> Result<Vec<u8>, StrategyError> {
        let basket = self.basket.as_ref().ok_or("a strategy is saved after its set-up")?;
        let targets: Vec<&TargetState> = basket.targets.iter().map(Target::state).collect();
        Ok(postcard::to_allocvec(&(&self.state, targets))?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StrategyError> {
        let basket = self.basket.as_mut().ok_or("a strategy is restored after its set-up")?;
        let (state, targets): (State, Vec<TargetState>) = postcard::from_bytes(bytes)?;
        if state.members.len() != basket.targets.len() || targets.len() != basket.targets.len() {
            return Err(
                format!("saved with {} instruments, restored with {}", targets.len(), basket.targets.len()).into()
            );
        }
        self.state = state;
        for (target, state) in basket.targets.iter_mut().zip(targets) {
            target.restore(state);
        }
        Ok(())
    }
}
