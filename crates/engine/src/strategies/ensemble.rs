//! Ensemble: several rules vote on one instrument, and one position follows the vote.
//!
//! `vote = sum w_i s_i / sum w_i` with `s_i` the stance of a member, +1, 0 or -1: long at `threshold` or more, short at
//! `-threshold` or less, between the two flat. The weights are those given, times a factor: the inverse of the deviation
//! of the member's returns over `window` bars (risk parity without correlations: Maillard, Roncalli & Teiletche 2010), or
//! the mean of these returns over their deviation, none if it is negative (follow the leader). It assumes that the errors
//! of its members are not the same; members that read the same feature are one member with a larger weight.
//!
//! Invariant: members send nothing. Each trades on paper, at closes and without costs, from the first bar on: that is the
//! position it sees, and the record it is weighted by. A member that is not ready yet votes flat. What it deliberately
//! does not do: fit weights; what is weighted by a record that is short is noise.

use serde::{Deserialize, Serialize};
use starling_core::{Price, Qty};
use starling_market::indicator::window::WindowMoments;

use super::Configuration;
use super::breakout::Breakout;
use super::ema_cross::EmaCross;
use super::mean_reversion::MeanReversion;
use super::momentum::Momentum;
use super::parameter::{Faults, preset};
use super::rules::Rules;
use super::signal::{FeatureSetup, Market, Rule, View};
use super::sizing::Sizing;
use super::target::{Execution, Stance};
use super::trend::Trend;
use crate::strategy::StrategyError;

/// Members of an ensemble, at most.
pub const MEMBERS_MAX: usize = 64;

/// Makes of each row (name, type) a kind of member, and dispatches it.
macro_rules! member_rules {
    ($($name:literal $variant:ident($rule:ty): $doc:literal;)+) => {
        /// A rule that votes; `kind` names it.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(tag = "kind")]
        #[non_exhaustive]
        pub enum MemberRule {
            $(#[doc = $doc] #[serde(rename = $name)] $variant($rule),)+
        }

        /// What a member reads.
        #[derive(Debug)]
        enum MemberFeatures {
            $($variant(<$rule as Rule>::Features),)+
        }

        /// What a member remembers.
        #[derive(Debug, Serialize, Deserialize)]
        enum MemberState {
            $($variant(<$rule as Rule>::State),)+
        }

        impl MemberRule {
            fn market(&self) -> Market<'_> {
                match self { $(Self::$variant(rule) => rule.market(),)+ }
            }
            fn validate(&self) -> Vec<super::ParameterError> {
                match self { $(Self::$variant(rule) => rule.validate(),)+ }
            }
            fn features(&self, features: &mut FeatureSetup<'_, '_>) -> Result<MemberFeatures, StrategyError> {
                match self { $(Self::$variant(rule) => Ok(MemberFeatures::$variant(rule.features(features)?)),)+ }
            }
            fn memory(&self) -> MemberState {
                match self { $(Self::$variant(_) => MemberState::$variant(Default::default()),)+ }
            }
            fn decide(&self, features: &MemberFeatures, state: &mut MemberState, view: &View<'_>) -> Option<Stance> {
                match (self, features, state) {
                    $((Self::$variant(rule), MemberFeatures::$variant(features), MemberState::$variant(state)) => {
                        rule.decide(features, state, view)
                    })+
                    _ => unreachable!("features and memory are made from the rule"),
                }
            }
        }
    };
}

member_rules! {
    "ema_cross" EmaCross(EmaCross): "A cross of two averages.";
    "momentum" Momentum(Momentum): "The sign of the past return.";
    "mean_reversion" MeanReversion(MeanReversion): "Against a price far from its average.";
    "breakout" Breakout(Breakout): "Out of a channel of past prices.";
    "trend" Trend(Trend): "With a strong trend.";
    "rules" Rules(Rules): "Conditions over features.";
}

/// A rule and its weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its part of the vote before the factor of its record.
    #[serde(default = "preset::ratio::<1, 1>")]
    pub weight: f64,
    /// The rule as it would stand alone, on the ensemble's instrument and bars. Of its `execution` the direction counts;
    /// its `size` does not.
    pub rule: MemberRule,
}

/// What weights are multiplied by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// Nothing.
    #[default]
    Fixed,
    /// The inverse of the deviation of the member's returns over this many bars, as a multiple of the average one's.
    InverseVolatility(u32),
    /// The mean of the member's returns over their deviation over this many bars; none if negative.
    Performance(u32),
}

impl Weighting {
    fn window(self) -> Option<u32> {
        match self {
            Self::Fixed => None,
            Self::InverseVolatility(window) | Self::Performance(window) => Some(window),
        }
    }
}

/// Parameters of the rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ensemble {
    /// The instrument, as `USD/JPY.SIM`.
    pub instrument: String,
    /// The series of bars, as `15m bid internal`.
    pub bars: String,
    /// Who votes.
    pub members: Vec<Member>,
    /// `fixed`, `{ inverse_volatility = 60 }` or `{ performance = 60 }`; fixed until that many bars have passed.
    #[serde(default)]
    pub weighting: Weighting,
    /// Share of the vote, above 0 and at most 1, that takes a side.
    #[serde(default = "preset::ratio::<1, 2>")]
    pub threshold: f64,
    /// How large a position is.
    pub size: Sizing,
    /// How a decision becomes orders.
    #[serde(default)]
    pub execution: Execution,
}

/// A member's position on paper, and its record.
#[derive(Debug, Serialize, Deserialize)]
struct Paper {
    stance: Stance,
    bars: u64,
    entry: Price,
    returns: WindowMoments,
    /// Mean and deviation of its returns over the window.
    record: (f64, f64),
    memory: MemberState,
}

/// The members' books.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Books {
    papers: Vec<Paper>,
    /// The close before, if there was one.
    close: Option<Price>,
    /// Returns known.
    returns: u64,
}

/// What the members read.
#[derive(Debug)]
pub struct Features(Vec<MemberFeatures>);

impl Ensemble {
    fn open_books(&self) -> Books {
        let window = self.weighting.window().unwrap_or(1) as usize;
        let paper = |member: &Member| Paper {
            stance: Stance::Flat,
            bars: 0,
            entry: Price::ZERO,
            returns: WindowMoments::new(window.max(1)),
            record: (0.0, 0.0),
            memory: member.rule.memory(),
        };
        Books { papers: self.members.iter().map(paper).collect(), close: None, returns: 0 }
    }

    /// What a member's weight is multiplied by; `typical` is the average deviation of those that have one.
    fn factor(&self, (mean, deviation): (f64, f64), typical: f64) -> f64 {
        match self.weighting {
            Weighting::Fixed => 1.0,
            // Who never stood in the market has shown no risk: the average is assumed.
            Weighting::InverseVolatility(_) if deviation == 0.0 => 1.0,
            Weighting::InverseVolatility(_) => typical / deviation,
            Weighting::Performance(_) if deviation == 0.0 => 0.0,
            Weighting::Performance(_) => (mean / deviation).max(0.0),
        }
    }

    /// The vote, from -1 to 1.
    fn vote(&self, books: &Books) -> f64 {
        let known = self.weighting.window().is_some_and(|window| books.returns >= u64::from(window));
        let (sum, count) = (books.papers.iter())
            .map(|paper| paper.record.1)
            .filter(|deviation| *deviation > 0.0)
            .fold((0.0, 0.0), |(sum, count), deviation| (sum + deviation, count + 1.0));
        let (mut votes, mut whole) = (0.0, 0.0);
        for (member, paper) in self.members.iter().zip(&books.papers) {
            let weight = member.weight * if known { self.factor(paper.record, sum / count) } else { 1.0 };
            whole += weight;
            votes += match paper.stance {
                Stance::Long => weight,
                Stance::Short => -weight,
                Stance::Flat => 0.0,
            };
        }
        if whole > 0.0 { votes / whole } else { 0.0 }
    }
}

impl Paper {
    /// A bar has closed: what the position made of it.
    fn mark(&mut self, gain: f64, window: Option<u32>) {
        let Some(window) = window else { return };
        let made = match self.stance {
            Stance::Long => gain,
            Stance::Short => -gain,
            Stance::Flat => 0.0,
        };
        let moments = self.returns.push(made);
        self.record = (moments.mean(), (moments.squares / f64::from(window - 1)).sqrt());
    }

    fn take(&mut self, stance: Stance, close: Price) {
        if stance != self.stance {
            (self.stance, self.bars, self.entry) = (stance, 0, close);
        }
    }
}

impl Rule for Ensemble {
    type Features = Features;
    type State = Books;

    fn market(&self) -> Market<'_> {
        Market { instrument: &self.instrument, bars: &self.bars, size: &self.size, execution: &self.execution }
    }

    fn check(&self, faults: &mut Faults) {
        let n = self.members.len();
        let count = format_args!("1 to {MEMBERS_MAX}").to_string();
        faults.require((1..=MEMBERS_MAX).contains(&n), "members", format_args!("{n} of them"), count);
        for (at, Member { weight, rule }) in self.members.iter().enumerate() {
            let name = |field: &str| format!("members[{at}].{field}");
            faults.number(&name("weight"), *weight, *weight > 0.0, "positive");
            let market = rule.market();
            let alike = market.instrument == self.instrument && market.bars == self.bars;
            let found = format_args!("on `{}` and `{}`", market.instrument, market.bars).to_string();
            faults.require(alike, &name("rule"), found, "on the instrument and the bars of the ensemble");
            faults.within(&name("rule"), rule.validate());
        }
        if let Some(window) = self.weighting.window() {
            faults.period("weighting", window, 2);
        }
        let holds = self.threshold > 0.0 && self.threshold <= 1.0;
        faults.number("threshold", self.threshold, holds, "above 0 and at most 1");
    }

    fn features(&self, features: &mut FeatureSetup<'_, '_>) -> Result<Features, StrategyError> {
        self.members.iter().map(|member| member.rule.features(features)).collect::<Result<_, _>>().map(Features)
    }

    fn decide(&self, features: &Features, books: &mut Books, view: &View<'_>) -> Option<Stance> {
        if books.papers.is_empty() {
            *books = self.open_books();
        }
        let close = view.bar.close;
        let before = books.close.replace(close).filter(|before| before.is_positive());
        if let Some(before) = before {
            let gain = close.to_f64() / before.to_f64() - 1.0;
            books.papers.iter_mut().for_each(|paper| paper.mark(gain, self.weighting.window()));
            books.returns += 1;
        }
        for ((member, features), paper) in self.members.iter().zip(&features.0).zip(&mut books.papers) {
            paper.bars += u64::from(paper.stance != Stance::Flat);
            let entry = (paper.stance != Stance::Flat).then_some(paper.entry);
            let view = view.on_paper(paper.stance.signed(Qty::ONE), paper.bars, entry);
            if let Some(wanted) = member.rule.decide(features, &mut paper.memory, &view) {
                paper.take(member.rule.market().execution.direction.allow(wanted), close);
            }
        }
        let vote = self.vote(books);
        Some(match vote {
            _ if vote >= self.threshold => Stance::Long,
            _ if vote <= -self.threshold => Stance::Short,
            _ => Stance::Flat,
        })
    }
}
