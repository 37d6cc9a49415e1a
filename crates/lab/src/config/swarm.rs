//! `[swarm]`: agents that confer about what a strategy of kind `follow` does.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use starling_core::Rate;
use starling_engine::strategies::StrategyConfig;
use starling_engine::strategies::parameter::{Exact, Span};
use starling_swarm::agent::Role;
use starling_swarm::consensus::council;
use starling_swarm::topology::Shape;

use super::StrategyEntry;

/// Along which edges the agents talk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TopologyConfig {
    /// Every pair.
    #[default]
    Mesh,
    /// A binary tree.
    Hierarchical,
    /// A ring.
    Ring,
    /// A hub.
    Star,
}

impl TopologyConfig {
    /// What the swarm calls it.
    #[must_use]
    pub const fn shape(self) -> Shape {
        match self {
            Self::Mesh => Shape::Mesh,
            Self::Hierarchical => Shape::Hierarchical,
            Self::Ring => Shape::Ring,
            Self::Star => Shape::Star,
        }
    }

    /// Its name in configurations and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mesh => "mesh",
            Self::Hierarchical => "hierarchical",
            Self::Ring => "ring",
            Self::Star => "star",
        }
    }
}

/// When votes are a decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsensusConfig {
    /// More than half of those who answer.
    Majority,
    /// Confidence times track record, against `threshold`.
    #[default]
    Weighted,
    /// More than half of all.
    Quorum,
    /// As many as outvote a third of liars.
    Byzantine,
    /// All who have an opinion.
    Unanimous,
    /// The coordinator, with a second.
    Leader,
}

impl ConsensusConfig {
    /// What the swarm calls it.
    #[must_use]
    pub const fn mode(self) -> council::Mode {
        match self {
            Self::Majority => council::Mode::Majority,
            Self::Weighted => council::Mode::Weighted,
            Self::Quorum => council::Mode::Quorum,
            Self::Byzantine => council::Mode::Byzantine,
            Self::Unanimous => council::Mode::Unanimous,
            Self::Leader => council::Mode::Leader,
        }
    }

    /// Its name in configurations and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Majority => "majority",
            Self::Weighted => "weighted",
            Self::Quorum => "quorum",
            Self::Byzantine => "byzantine",
            Self::Unanimous => "unanimous",
            Self::Leader => "leader",
        }
    }
}

/// When the agents confer about an instrument.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConferConfig {
    /// At bars after which one of them wants to stand otherwise than before.
    #[default]
    OnChange,
    /// At every bar.
    EveryBar,
}

/// An agent: a strategy on a paper account of its own, and a voice in the swarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// Its name in reports, unique.
    pub id: String,
    /// What it is for: `momentum`, `trend`, `breakout`, `mean_reversion`, `pairs`, `market_maker`, `portfolio`,
    /// `risk_manager`, `forecaster`, `news` or `coordinator`.
    #[schemars(with = "String")]
    pub role: Role,
    /// Instruments on which its strategy runs, one by one; left out for a strategy that names its own.
    #[serde(default)]
    pub instruments: Vec<String>,
    /// Which paper account it uses, needed where a venue has several.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// A strategy as in `[[strategies]]`, without `id`, and without `instrument` where `instruments` has them.
    pub strategy: serde_json::Map<String, serde_json::Value>,
}

impl AgentConfig {
    /// Its strategies, one for each of its instruments.
    ///
    /// # Errors
    /// What is wrong with the strategy: field (empty for the whole) and words.
    pub fn strategies(&self) -> Result<Vec<StrategyEntry>, (String, String)> {
        let mut table = self.strategy.clone();
        let kind = match table.remove("kind") {
            Some(serde_json::Value::String(kind)) => kind,
            _ => return Err(("kind".to_owned(), "is missing; name a kind of strategy, as in \"momentum\"".to_owned())),
        };
        let entry = |instrument: Option<&String>| {
            let mut table = table.clone();
            let id = match instrument {
                Some(name) => {
                    table.insert("instrument".to_owned(), name.clone().into());
                    format!("{} {name}", self.id)
                }
                None => self.id.clone(),
            };
            let config = StrategyConfig::of_kind(&kind, serde_json::Value::Object(table))
                .map_err(|error| (String::new(), error.to_string()))?;
            if let Some(fault) = config.validate().into_iter().next() {
                return Err((fault.parameter, format!("is {}, but must be {}", fault.value, fault.requirement)));
            }
            Ok(StrategyEntry { id, accounts: self.accounts.clone(), config })
        };
        if self.instruments.is_empty() {
            return entry(None).map(|entry| vec![entry]);
        }
        self.instruments.iter().map(|name| entry(Some(name))).collect()
    }
}

/// A swarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SwarmConfig {
    /// The strategy of kind `follow` that carries the decisions out.
    pub follower: String,
    /// Along which edges the agents talk: `mesh` (default), `hierarchical`, `ring`, `star`.
    #[serde(default)]
    pub topology: TopologyConfig,
    /// When votes are a decision: `weighted` (default), `majority`, `quorum`, `byzantine`, `unanimous`, `leader`.
    #[serde(default)]
    pub consensus: ConsensusConfig,
    /// The share of the council's weight that a weighted decision needs, above one half.
    #[serde(default = "two_thirds")]
    pub threshold: Exact<Rate>,
    /// When they confer: `on_change` (default) or `every_bar`.
    #[serde(default)]
    pub confer: ConferConfig,
    /// How long a message takes along an edge, in a run over recorded data.
    #[serde(default = "hop")]
    pub hop: Span,
    /// How long an agent thinks about a bar, in a run over recorded data.
    #[serde(default = "think")]
    pub think: Span,
    /// Who confers.
    pub agents: Vec<AgentConfig>,
}

fn two_thirds() -> Exact<Rate> {
    Exact(Rate::from_units(660_000_000))
}

fn hop() -> Span {
    Span { nanos: 100_000 }
}

fn think() -> Span {
    Span { nanos: 1_000_000 }
}

impl SwarmConfig {
    /// The threshold in basis points.
    #[must_use]
    pub fn threshold_bps(&self) -> u16 {
        u16::try_from(self.threshold.0.units() / 100_000).unwrap_or(u16::MAX)
    }

    /// All faults, as (field, words); `followers` are the strategies of kind `follow`.
    pub(super) fn faults(&self, followers: &[&str], instruments: &[&str]) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        if !followers.contains(&self.follower.as_str()) {
            let known = match followers {
                [] => "add a [[strategies]] table with kind = \"follow\"".to_owned(),
                known => format!("of kind `follow` are: {}", known.join(", ")),
            };
            faults.push(("follower".to_owned(), format!("`{}` follows no decisions; {known}", self.follower)));
        }
        if !(5_001..=10_000).contains(&self.threshold_bps()) {
            let message = format!("is {}, but must be above 0.5 and at most 1", self.threshold);
            faults.push(("threshold".to_owned(), message));
        }
        if self.agents.len() < 2 {
            faults.push(("agents".to_owned(), "must be two or more: one vote never decides".to_owned()));
        }
        let mut seen = BTreeSet::new();
        for (at, agent) in self.agents.iter().enumerate() {
            if !seen.insert(&agent.id) {
                faults.push((format!("agents[{at}].id"), format!("`{}` is there twice; rename one", agent.id)));
            }
            for name in agent.instruments.iter().filter(|name| !instruments.contains(&name.as_str())) {
                let message = format!("there is no instrument `{name}`; declared are: {}", instruments.join(", "));
                faults.push((format!("agents[{at}].instruments"), message));
            }
            match agent.strategies() {
                Err((field, message)) => {
                    let dot = if field.is_empty() { "" } else { "." };
                    faults.push((format!("agents[{at}].strategy{dot}{field}"), message));
                }
                Ok(entries) if entries.iter().any(|e| matches!(e.config, StrategyConfig::Follow(_))) => {
                    let message = "an agent decides and cannot follow".to_owned();
                    faults.push((format!("agents[{at}].strategy.kind"), message));
                }
                Ok(_) => {}
            }
        }
        faults
    }
}
