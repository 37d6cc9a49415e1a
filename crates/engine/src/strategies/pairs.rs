//! Pairs: trades the spread of two instruments back to its mean.
//!
//! Over the last `window` bars that both have, `y = alpha + beta x + e` is fitted (least squares, or total least squares,
//! which treats both sides alike: Teetor 2011, "Better hedge ratios for spread trading"); the score is the newest
//! residual over the deviation of the window's residuals. The rule sells the spread (y short, x long) at a score of
//! `entry` or more, buys it at `-entry` or less, closes at `exit`, and gives up at `stop` (Gatev, Goetzmann & Rouwenhorst
//! 2006, who trade at two deviations). With a cointegration gate a spread is entered only while the Engle-Granger (1987)
//! test over the last `bars` pairs rejects "no cointegration"; with a given hedge ratio nothing was estimated, so there
//! it is the Dickey-Fuller test of the spread. It assumes that the relation of the past holds; it breaks when it does
//! not, which is what `stop` and the gate are for.
//!
//! Invariant: once no order is in flight, both legs stand as the spread asks, or the spread is being closed: a leg that
//! is refused undoes the other. Bars are joined by their stamp, and a stamp that only one instrument has is no pair. What
//! it deliberately does not do: rebalance an open spread; its quantities are those of its entry.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use starling_core::fixed::{SCALE, mul_div};
use starling_core::{Bar, BarSeriesId, Instrument, InstrumentId, Price, Qty, Rounding};
use starling_market::bar::BarSpec;
use starling_market::indicator::window::{PairMoments, PairWindow};
use starling_market::unit_root::{Lag, dickey_fuller, engle_granger};

use super::Configuration;
use super::parameter::{Faults, ParameterError, preset};
use super::sizing::{Sizing, SizingFeatures};
use super::target::{Execution, Flip, Stance, Target, TargetState};
use crate::strategy::{Context, OrderUpdate, Setup, Strategy, StrategyError};

/// Bars the cointegration test looks at, at least: fewer leave no room for lags.
const TEST_BARS_MIN: u32 = 20;

/// Where the hedge ratio comes from: units of x against one of y (with `log`, per cent of x against one of y).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Hedge {
    /// The slope of y on x.
    #[default]
    LeastSquares,
    /// The slope of the line whose squared distances, taken at right angles, are least.
    TotalLeastSquares,
    /// Given.
    Fixed(f64),
}

/// What makes the two legs balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Neutrality {
    /// As much value of x as of y.
    #[default]
    Dollar,
    /// As much x as the hedge ratio says.
    Beta,
}

/// Enters only while the pair is cointegrated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cointegration {
    /// Pairs of bars that the test looks at.
    #[serde(default = "preset::count::<252>")]
    pub bars: u32,
    /// Pairs of bars from one test to the next.
    #[serde(default = "preset::count::<21>")]
    pub every: u32,
    /// The test must say at most this probability.
    #[serde(default = "preset::ratio::<1, 20>")]
    pub p_max: f64,
    /// Lagged differences in the test; left out, Akaike's criterion chooses.
    #[serde(default)]
    pub lags: Option<u32>,
}

/// Parameters of the rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Pairs {
    /// The instrument whose price is explained, as `KO.SIM`.
    pub y: String,
    /// The instrument that explains it, as `PEP.SIM`.
    pub x: String,
    /// The series of bars of both, as `1d last external`.
    pub bars: String,
    /// Pairs of bars that the fit and the score look at.
    #[serde(default = "preset::count::<60>")]
    pub window: u32,
    /// `least_squares`, `total_least_squares` or `{ fixed = 1.5 }`.
    #[serde(default)]
    pub hedge: Hedge,
    /// Fits the logarithms of the prices.
    #[serde(default)]
    pub log: bool,
    /// Score at which a spread is entered.
    #[serde(default = "preset::ratio::<2, 1>")]
    pub entry: f64,
    /// Score at which it is closed; 0 is the mean, less than 0 beyond it.
    #[serde(default)]
    pub exit: f64,
    /// Score at which it is given up; none is entered again before the score was within `entry`.
    #[serde(default)]
    pub stop: Option<f64>,
    /// Pairs of bars after which it is given up.
    #[serde(default)]
    pub bars_max: Option<u32>,
    /// Enters only while the pair is cointegrated.
    #[serde(default)]
    pub cointegration: Option<Cointegration>,
    /// `dollar` or `beta`.
    #[serde(default)]
    pub neutrality: Neutrality,
    /// How large the leg in y is; the other follows.
    pub size: Sizing,
    /// Closes what is open when the run ends.
    #[serde(default = "preset::flag::<true>")]
    pub close_on_stop: bool,
}

impl Configuration for Pairs {
    type Strategy = PairTrader;

    fn validate(&self) -> Vec<ParameterError> {
        let mut faults = Faults::new();
        faults.instrument("y", &self.y);
        faults.instrument("x", &self.x);
        faults.require(self.x != self.y, "x", &self.x, "another instrument than y");
        faults.bars("bars", &self.bars);
        faults.period("window", self.window, 3);
        if let Hedge::Fixed(ratio) = self.hedge {
            faults.number("hedge.fixed", ratio, ratio > 0.0, "positive");
        }
        faults.number("entry", self.entry, self.entry > 0.0, "positive");
        faults.number("exit", self.exit, self.exit.abs() < self.entry, "between -entry and entry");
        if let Some(stop) = self.stop {
            faults.number("stop", stop, stop > self.entry, "above entry");
        }
        if let Some(bars) = self.bars_max {
            faults.period("bars_max", bars, 1);
        }
        if let Some(gate) = self.cointegration {
            faults.period("cointegration.bars", gate.bars, TEST_BARS_MIN);
            faults.period("cointegration.every", gate.every, 1);
            let holds = gate.p_max > 0.0 && gate.p_max < 1.0;
            faults.number("cointegration.p_max", gate.p_max, holds, "between 0 and 1");
            if let Some(lags) = gate.lags {
                let room = (gate.bars / 2).saturating_sub(3);
                let requirement = format_args!("at most {room} for {} bars", gate.bars).to_string();
                faults.require(lags <= room, "cointegration.lags", lags, requirement);
            }
        }
        faults.within("size", self.size.validate());
        faults.into_vec()
    }

    fn build(&self) -> PairTrader {
        PairTrader { parameters: self.clone(), state: State::new(self), legs: None }
    }
}

/// The relation of the two over a window.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Fit {
    beta: f64,
    /// The newest residual over the deviation of all.
    score: f64,
}

impl Fit {
    /// `None` where the window has no variation to fit or to score by.
    fn of(moments: &PairMoments, hedge: Hedge, window: u32, x: f64, y: f64) -> Option<Self> {
        let PairMoments { mean_x, mean_y, squares_x, products, squares_y } = *moments;
        let beta = match hedge {
            Hedge::Fixed(ratio) => ratio,
            Hedge::LeastSquares => products / squares_x,
            Hedge::TotalLeastSquares => {
                let difference = squares_y - squares_x;
                (difference + (difference * difference + 4.0 * products * products).sqrt()) / (2.0 * products)
            }
        };
        let residual = (y - mean_y) - beta * (x - mean_x);
        let squares = beta * beta * squares_x - 2.0 * beta * products + squares_y;
        // What is left of the squares after cancelling to the last digits is rounding, not a spread.
        if squares <= 1e-12 * squares_y {
            return None;
        }
        let score = residual / (squares / f64::from(window - 1)).sqrt();
        (beta.is_finite() && score.is_finite()).then_some(Self { beta, score })
    }
}

/// Which way the spread is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    /// Of the leg in y.
    stance: Stance,
    /// The positions wanted: y, x.
    wanted: [Qty; 2],
    /// Pairs of bars since the entry.
    bars: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    window: PairWindow,
    /// Pairs taken in.
    pairs: u64,
    /// The latest stamp and value of each: y, x.
    latest: [(u64, f64); 2],
    /// Values of y and x for the test, the oldest first.
    sample: [VecDeque<f64>; 2],
    /// What the last test said.
    cointegrated: bool,
    held: Option<Held>,
    /// Given up or undone: nothing is entered before the score was within `entry`.
    barred: bool,
}

impl State {
    fn new(parameters: &Pairs) -> Self {
        let sample = parameters.cointegration.map_or(0, |gate| gate.bars as usize);
        Self {
            window: PairWindow::new((parameters.window as usize).max(1)),
            pairs: 0,
            latest: [(0, 0.0); 2],
            sample: [VecDeque::with_capacity(sample), VecDeque::with_capacity(sample)],
            cointegrated: parameters.cointegration.is_none(),
            held: None,
            barred: false,
        }
    }

    /// Asks again whether the pair is cointegrated, where it is time to. This is the one step that allocates.
    fn test(&mut self, gate: Cointegration, hedge: Hedge, x: f64, y: f64) {
        for (values, value) in self.sample.iter_mut().zip([y, x]) {
            if values.len() == gate.bars as usize {
                values.pop_front();
            }
            values.push_back(value);
        }
        let full = self.sample[0].len() == gate.bars as usize;
        if !full || !(self.pairs - u64::from(gate.bars)).is_multiple_of(u64::from(gate.every)) {
            return;
        }
        let lag = gate.lags.map_or(Lag::Aic, |lags| Lag::Fixed(lags as usize));
        let [y, x] = &mut self.sample;
        let (y, x) = (y.make_contiguous(), x.make_contiguous());
        let p_value = match hedge {
            Hedge::Fixed(ratio) => {
                let spread: Vec<f64> = y.iter().zip(&*x).map(|(y, x)| y - ratio * x).collect();
                dickey_fuller(&spread, lag).map(|found| found.p_value)
            }
            _ => engle_granger(y, x, lag).map(|found| found.p_value),
        };
        // A sample that cannot be tested is no evidence.
        self.cointegrated = p_value.is_ok_and(|p| p <= gate.p_max);
    }
}

/// Both legs, y first.
#[derive(Debug)]
struct Legs {
    series: [BarSeriesId; 2],
    targets: [Target; 2],
    sizing: SizingFeatures,
}

/// The rule at work.
#[derive(Debug)]
pub struct PairTrader {
    parameters: Pairs,
    state: State,
    legs: Option<Legs>,
}

/// What a quantity is worth at a price, in units of 1e-18 of the settlement currency but for the multiplier's 1e-9.
fn value(terms: &Instrument, price: Price) -> i128 {
    i128::from(price.units()) * i128::from(terms.multiplier.units())
}

impl PairTrader {
    /// Quantities of y and x, both positive; `None` if either is nothing.
    fn quantities(&self, ctx: &Context<'_>, legs: &Legs, stance: Stance, beta: f64) -> Option<[Qty; 2]> {
        let ids = [legs.targets[0].instrument(), legs.targets[1].instrument()];
        let terms = ids.map(|id| ctx.instrument(id));
        let y = self.parameters.size.quantity(ctx, ids[0], legs.sizing, stance)?;
        let price = |id: InstrumentId| ctx.mark(id).map(|mark| mark.last).filter(|price| price.is_positive());
        let worth = [value(terms[0], price(ids[0])?), value(terms[1], price(ids[1])?)];
        // y times `numerator / denominator` is x, with the hedge ratio taken to 1e-9.
        let ratio = (beta * SCALE as f64).round() as i128;
        let multipliers = terms.map(|terms| i128::from(terms.multiplier.units()));
        let (numerator, denominator) = match (self.parameters.neutrality, self.parameters.log) {
            (Neutrality::Dollar, _) => (worth[0], worth[1]),
            (Neutrality::Beta, false) => (multipliers[0].checked_mul(ratio)?, multipliers[1] * i128::from(SCALE)),
            (Neutrality::Beta, true) => (worth[0].checked_mul(ratio)?, worth[1].checked_mul(SCALE.into())?),
        };
        let x = mul_div(y.units().into(), numerator, denominator, Rounding::TowardZero)?;
        let x = Qty::from_units(i64::try_from(x).ok()?).round_to(terms[1].lot, Rounding::TowardZero);
        x.is_positive().then_some([y, x])
    }

    /// Brings both legs where they are wanted.
    fn pursue(&mut self, ctx: &mut Context<'_>) {
        let wanted = self.state.held.map_or([Qty::ZERO; 2], |held| held.wanted);
        let Some(legs) = &mut self.legs else { return };
        for (target, wanted) in legs.targets.iter_mut().zip(wanted) {
            target.go(ctx, wanted);
        }
    }

    fn on_pair(&mut self, ctx: &mut Context<'_>, fit: Option<Fit>) {
        let p = &self.parameters;
        let Some(fit) = fit else { return };
        self.state.barred &= fit.score.abs() >= p.entry;
        if let Some(held) = &mut self.state.held {
            held.bars += 1;
            // The score as seen by the spread held: high when it has moved against it.
            let against = if held.stance == Stance::Short { fit.score } else { -fit.score };
            let given_up = p.stop.is_some_and(|stop| against >= stop) || p.bars_max.is_some_and(|n| held.bars >= n);
            if given_up || against <= p.exit {
                self.state.barred = given_up && fit.score.abs() >= p.entry;
                self.state.held = None;
            }
        } else if self.may_enter(fit) {
            let stance = if fit.score > 0.0 { Stance::Short } else { Stance::Long };
            let opposite = if fit.score > 0.0 { Stance::Long } else { Stance::Short };
            if let Some([y, x]) = self.legs.as_ref().and_then(|legs| self.quantities(ctx, legs, stance, fit.beta)) {
                self.state.held = Some(Held { stance, wanted: [stance.signed(y), opposite.signed(x)], bars: 0 });
            }
        }
        self.pursue(ctx);
    }

    fn may_enter(&self, fit: Fit) -> bool {
        let p = &self.parameters;
        let score = fit.score.abs();
        // Two series that move against each other have no spread whose legs balance.
        fit.beta > 0.0
            && score >= p.entry
            && p.stop.is_none_or(|stop| score < stop)
            && self.state.cointegrated
            && !self.state.barred
    }
}

impl Strategy for PairTrader {
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
        let p = &self.parameters;
        let ids = [setup.instrument(&p.y)?, setup.instrument(&p.x)?];
        let [y, x] = ids.map(|id| setup.terms(id));
        if y.inverse || x.inverse || y.settlement() != x.settlement() {
            let legs = format!("`{}` and `{}`", p.y, p.x);
            return Err(format!("{legs} must be linear and settle in one currency to balance each other").into());
        }
        let series = [setup.bars(BarSpec::parse(ids[0], &p.bars)?)?, setup.bars(BarSpec::parse(ids[1], &p.bars)?)?];
        let execution = Execution { flip: Flip::OneOrder, close_on_stop: p.close_on_stop, ..Execution::default() };
        let sizing = p.size.setup(setup, series[0])?;
        self.legs = Some(Legs { series, targets: ids.map(|id| Target::new(id, &execution)), sizing });
        Ok(())
    }

    fn on_bar(&mut self, ctx: &mut Context<'_>, bar: &Bar) {
        let Some(legs) = &self.legs else { return };
        let Some(leg) = legs.series.iter().position(|series| *series == bar.series) else { return };
        let close = bar.close.to_f64();
        if !close.is_finite() || (self.parameters.log && close <= 0.0) {
            return;
        }
        let value = if self.parameters.log { libm::log(close) } else { close };
        self.state.latest[leg] = (bar.ts_event.get(), value);
        let [(stamp_y, y), (stamp_x, x)] = self.state.latest;
        if stamp_y != stamp_x {
            return;
        }
        let moments = self.state.window.push(x, y);
        self.state.pairs += 1;
        if let Some(gate) = self.parameters.cointegration {
            self.state.test(gate, self.parameters.hedge, x, y);
        }
        let window = self.parameters.window;
        if self.state.pairs >= u64::from(window) {
            self.on_pair(ctx, Fit::of(&moments, self.parameters.hedge, window, x, y));
        }
    }

    fn on_order(&mut self, ctx: &mut Context<'_>, update: &OrderUpdate) {
        let Some(legs) = &mut self.legs else { return };
        for target in &mut legs.targets {
            target.on_order(ctx, update);
        }
        let Some(held) = self.state.held.filter(|_| update.is_final()) else { return };
        let refused =
            |(target, wanted): (&Target, Qty)| !target.is_busy(ctx) && ctx.position(target.instrument()) != wanted;
        if legs.targets.iter().zip(held.wanted).any(refused) {
            self.state.held = None;
            self.state.barred = true;
            self.pursue(ctx);
        }
    }

    fn on_stop(&mut self, ctx: &mut Context<'_>) {
        self.state.held = None;
        for target in self.legs.iter_mut().flat_map(|legs| &mut legs.targets) {
            target.on_stop(ctx);
        }
    }

    fn save(&self) -> Result<Vec<u8>, StrategyError> {
        let legs = self.legs.as_ref().ok_or("a strategy is saved after its set-up")?;
        Ok(postcard::to_allocvec(&(&self.state, legs.targets[0].state(), legs.targets[1].state()))?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StrategyError> {
        let legs = self.legs.as_mut().ok_or("a strategy is restored after its set-up")?;
        let (state, y, x): (State, TargetState, TargetState) = postcard::from_bytes(bytes)?;
        self.state = state;
        for (target, state) in legs.targets.iter_mut().zip([y, x]) {
            target.restore(state);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By numpy: `polyfit` for least squares, the first right singular vector of the centred pairs for total ones.
    #[test]
    fn fits_and_scores_equal_numpy() {
        let x = [10.0, 11.0, 10.5, 12.0, 13.0, 12.5, 14.0, 13.0];
        let y = [20.5, 22.0, 21.0, 24.5, 26.0, 24.5, 28.5, 27.0];
        let mut window = PairWindow::new(8);
        let moments = x.iter().zip(&y).map(|(x, y)| window.push(*x, *y)).last().unwrap();
        for (hedge, beta, score) in [
            (Hedge::LeastSquares, 2.055555555555554, 1.5214515486254667),
            (Hedge::TotalLeastSquares, 2.098216796088061, 1.4161061234250938),
            (Hedge::Fixed(2.0), 2.0, 1.620185174601965),
        ] {
            let fit = Fit::of(&moments, hedge, 8, 13.0, 27.0).unwrap();
            assert!((fit.beta - beta).abs() < 1e-12 && (fit.score - score).abs() < 1e-12, "{hedge:?}: {fit:?}");
        }
        let flat = (0..8).map(|_| window.push(1.0, 2.0)).last().unwrap();
        for hedge in [Hedge::LeastSquares, Hedge::TotalLeastSquares, Hedge::Fixed(2.0)] {
            assert_eq!(Fit::of(&flat, hedge, 8, 1.0, 2.0), None, "{hedge:?}");
        }
    }
}
