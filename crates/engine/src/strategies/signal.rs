//! Signal strategies: one instrument, one series of bars, and a rule that says after each bar which way to stand.
//!
//! Invariant: a rule is a pure function of its parameters, the features of the bar in hand, the position, and the state
//! it declares; [`Signal`] does the rest (orders, sizes, snapshots) alike for all. A bar is answered at most once, and
//! only from what its close makes known.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use starling_core::{Bar, BarSeriesId, InstrumentId, Price, Qty};
use starling_market::bar::BarSpec;
use starling_market::feature::FeatureId;

use super::Configuration;
use super::parameter::{Faults, ParameterError};
use super::sizing::{Sizing, SizingFeatures};
use super::target::{Execution, Stance, Target, TargetState};
use crate::strategy::{Context, FillUpdate, OrderUpdate, Setup, Strategy, StrategyError};

/// What every signal strategy is told besides its own parameters.
#[derive(Debug, Clone, Copy)]
pub struct Market<'a> {
    /// The instrument's name.
    pub instrument: &'a str,
    /// The series of bars.
    pub bars: &'a str,
    /// How large a position is.
    pub size: &'a Sizing,
    /// How a decision becomes orders.
    pub execution: &'a Execution,
}

/// A trading rule: implemented by its parameters.
pub trait Rule: Clone {
    /// The features that it reads.
    type Features;
    /// What it remembers from bar to bar; most remember nothing.
    type State: Default + Serialize + DeserializeOwned;

    /// What it trades, and how.
    fn market(&self) -> Market<'_>;
    /// Faults of its own parameters.
    fn check(&self, faults: &mut Faults);
    /// Declares its features.
    fn features(&self, features: &mut FeatureSetup<'_, '_>) -> Result<Self::Features, StrategyError>;
    /// The stance wanted after this bar; `None` leaves things as they are.
    fn decide(&self, features: &Self::Features, state: &mut Self::State, view: &View<'_>) -> Option<Stance>;
}

/// Where a rule declares what it reads.
pub struct FeatureSetup<'a, 'b> {
    setup: &'a mut Setup<'b>,
    series: BarSeriesId,
}

impl FeatureSetup<'_, '_> {
    /// A feature of the rule's series.
    pub fn feature(&mut self, spec: &str) -> Result<FeatureId, StrategyError> {
        self.setup.feature(self.series, spec)
    }
    /// A feature that remembers its last `depth` values.
    pub fn feature_with_history(&mut self, spec: &str, depth: usize) -> Result<FeatureId, StrategyError> {
        self.setup.feature_with_history(self.series, spec, depth)
    }
}

/// What a rule decides from.
pub struct View<'a> {
    ctx: &'a Context<'a>,
    series: BarSeriesId,
    instrument: InstrumentId,
    /// The bar in hand.
    pub bar: &'a Bar,
    /// The position held, or on its way.
    pub position: Qty,
    /// Bars closed since the position took its stance, the one in hand included; 0 if flat.
    pub bars_in_position: u64,
    /// Entry of a position on paper; `None` for the one that is really held.
    paper: Option<Option<Price>>,
}

impl<'a> View<'a> {
    /// The same bar as one sees it who holds another position, on paper.
    pub(super) fn on_paper(&self, position: Qty, bars_in_position: u64, entry: Option<Price>) -> View<'a> {
        View { position, bars_in_position, paper: Some(entry), ..*self }
    }
}

impl View<'_> {
    /// Latest value of a feature; `None` until it is ready.
    #[must_use]
    #[inline]
    pub fn feature(&self, id: FeatureId) -> Option<f64> {
        self.ctx.feature(self.series, id)
    }
    /// Its value some bars ago.
    #[must_use]
    pub fn feature_at(&self, id: FeatureId, bars_ago: usize) -> Option<f64> {
        self.ctx.feature_at(self.series, id, bars_ago)
    }
    /// The last price of the bar.
    #[must_use]
    pub fn close(&self) -> f64 {
        self.bar.close.to_f64()
    }
    /// The stance of the position.
    #[must_use]
    pub fn stance(&self) -> Stance {
        Stance::of(self.position)
    }
    /// Average entry price, in price units; `None` if flat.
    #[must_use]
    pub fn entry(&self) -> Option<f64> {
        let entry = self.paper.unwrap_or_else(|| self.ctx.entry(self.instrument));
        entry.map(|price| price.to_f64())
    }
    /// Equity of the account, in its base or the settlement currency; `None` if it cannot be valued.
    #[must_use]
    pub fn equity(&self) -> Option<f64> {
        self.ctx.equity(self.instrument).map(|equity| equity.to_f64())
    }
}

/// A rule at work.
#[derive(Debug)]
pub struct Signal<R: Rule> {
    rule: R,
    state: R::State,
    bars_in_position: u64,
    stance: Stance,
    wired: Option<Wired<R::Features>>,
}

/// What a rule becomes once the run's tables are known.
#[derive(Debug)]
struct Wired<F> {
    series: BarSeriesId,
    features: F,
    sizing: SizingFeatures,
    target: Target,
}

impl<R: Rule> Configuration for R {
    type Strategy = Signal<R>;

    fn validate(&self) -> Vec<ParameterError> {
        let mut faults = Faults::new();
        let Market { instrument, bars, size, execution } = self.market();
        faults.instrument("instrument", instrument);
        faults.bars("bars", bars);
        self.check(&mut faults);
        faults.within("size", size.validate());
        faults.within("execution", execution.validate());
        faults.into_vec()
    }

    fn build(&self) -> Signal<R> {
        Signal {
            rule: self.clone(),
            state: R::State::default(),
            bars_in_position: 0,
            stance: Stance::Flat,
            wired: None,
        }
    }
}

#[derive(Deserialize)]
struct Saved<S> {
    state: S,
    bars_in_position: u64,
    stance: Stance,
    target: TargetState,
}

impl<R: Rule> Strategy for Signal<R> {
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
        let Market { instrument, bars, size, execution } = self.rule.market();
        let instrument = setup.instrument(instrument)?;
        let series = setup.bars(BarSpec::parse(instrument, bars)?)?;
        self.wired = Some(Wired {
            series,
            features: self.rule.features(&mut FeatureSetup { setup, series })?,
            sizing: size.setup(setup, series)?,
            target: Target::setup(setup, instrument, series, execution)?,
        });
        Ok(())
    }

    fn on_bar(&mut self, ctx: &mut Context<'_>, bar: &Bar) {
        let Some(wired) = self.wired.as_mut().filter(|wired| wired.series == bar.series) else { return };
        let instrument = wired.target.instrument();
        let position = wired.target.expected(ctx);
        let stance = Stance::of(position);
        self.bars_in_position = match stance {
            Stance::Flat => 0,
            _ if stance == self.stance => self.bars_in_position + 1,
            _ => 1,
        };
        self.stance = stance;
        let view = View {
            ctx,
            series: bar.series,
            instrument,
            bar,
            position,
            bars_in_position: self.bars_in_position,
            paper: None,
        };
        if let Some(wanted) = self.rule.decide(&wired.features, &mut self.state, &view) {
            let (size, sizing) = (self.rule.market().size, wired.sizing);
            let quantity = |ctx: &Context<'_>, stance| size.quantity(ctx, instrument, sizing, stance);
            wired.target.take_from(ctx, position, wanted, quantity);
        }
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
        if let Some(wired) = &mut self.wired {
            wired.target.on_stop(ctx);
        }
    }

    fn save(&self) -> Result<Vec<u8>, StrategyError> {
        let wired = self.wired.as_ref().ok_or("a strategy is saved after its set-up")?;
        Ok(postcard::to_allocvec(&(&self.state, self.bars_in_position, self.stance, wired.target.state()))?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StrategyError> {
        let wired = self.wired.as_mut().ok_or("a strategy is restored after its set-up")?;
        let saved: Saved<R::State> = postcard::from_bytes(bytes)?;
        wired.target.restore(saved.target);
        (self.state, self.bars_in_position, self.stance) = (saved.state, saved.bars_in_position, saved.stance);
        Ok(())
    }
}
