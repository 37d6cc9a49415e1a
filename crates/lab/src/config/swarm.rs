//! `[swarm]`: agents that confer about what a strategy of kind `follow` does.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use starling_core::Rate;
use starling_engine::strategies::StrategyConfig;
use starling_engine::strategies::parameter::{Exact, Span};
use starling_swarm::agent::Role;
use starling_swarm::consensus::{self, council};
use starling_swarm::cost::{Budget, MicroDollars, PriceTable};
use starling_swarm::scale;
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

/// Where the agents run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderConfig {
    /// In the run's own process.
    #[default]
    InProcess,
    /// Each in a process of its own, in a sandbox, on this machine.
    Process,
}

/// What carries messages between agents' processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransportConfig {
    /// The sockets to the process that started them; they have no network.
    #[default]
    Socket,
    /// Zenoh, from process to process over TCP of this machine.
    Zenoh,
}

/// Agents in processes of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessConfig {
    /// What carries messages between them: `socket` (default) or `zenoh`, which needs a build with the feature `mesh`.
    pub transport: TransportConfig,
    /// How many processes the agents are divided among. Default: one for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
    /// Let the time that conferences take say how many processes there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscale: Option<AutoscaleConfig>,
    /// Memory that one may use, MiB; an agent that needs more dies.
    pub memory_mib: u32,
    /// Thousandths of a CPU that are accounted for; not enforced.
    pub cpu_milli: u32,
    /// Processes that wait for a role, to replace at once who dies.
    pub spares: u32,
    /// Times an agent may die within a minute before the swarm gives up.
    pub deaths_max: u32,
    /// How long an agent may be silent before it is killed and replaced.
    pub patience: Span,
    /// Refuse to run where a layer of the sandbox is missing.
    pub strict: bool,
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self {
            transport: TransportConfig::Socket,
            processes: None,
            autoscale: None,
            memory_mib: 512,
            cpu_milli: 1_000,
            spares: 1,
            deaths_max: 5,
            patience: Span { nanos: 60_000_000_000 },
            strict: false,
        }
    }
}

/// A controller that divides agents among more processes while conferences take long, and among fewer while they do not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AutoscaleConfig {
    /// Fewest processes; so many there are at first.
    pub min: u32,
    /// Most processes. Default: one for each agent.
    pub max: Option<u32>,
    /// What 95 in 100 conferences should stay below.
    pub p95: Span,
    /// From one change to the next, by the wall's clock.
    pub cooldown: Span,
    /// Time constant of the smoothing.
    pub smooth: Span,
}

impl Default for AutoscaleConfig {
    fn default() -> Self {
        let settings = scale::Settings::default();
        let span = |nanos| Span { nanos };
        Self {
            min: 1,
            max: None,
            p95: span(settings.p95_target),
            cooldown: span(settings.cooldown),
            smooth: span(settings.smooth),
        }
    }
}

impl AutoscaleConfig {
    /// The controller's settings, for a swarm of so many agents.
    #[must_use]
    pub fn settings(&self, agents: usize) -> scale::Settings {
        let agents = u32::try_from(agents).unwrap_or(u32::MAX);
        scale::Settings {
            min: self.min.min(agents),
            max: self.max.unwrap_or(agents).min(agents),
            cooldown: self.cooldown.nanos,
            smooth: self.smooth.nanos,
            p95_target: self.p95.nanos,
            ..scale::Settings::default()
        }
    }
}

/// What agents cost, and may cost, in dollars.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AgentCostConfig {
    /// A virtual CPU's second, as `"0.000014"`. Default: nothing.
    pub vcpu_second: Option<Exact<Rate>>,
    /// A GiB's second. Default: nothing.
    pub gib_second: Option<Exact<Rate>>,
    /// The day these prices were read, as `2026-11-21`.
    pub date: String,
    /// Where they were read.
    pub source: String,
    /// What the swarm may cost; when it is spent, the run ends.
    pub per_swarm: Option<Exact<Rate>>,
    /// What it may cost from midnight to midnight UTC.
    pub per_day: Option<Exact<Rate>>,
}

impl AgentCostConfig {
    /// The price table.
    #[must_use]
    pub fn prices(&self) -> PriceTable {
        let billionths = |price: &Option<Exact<Rate>>| price.as_ref().map_or(0, |p| p.0.units().unsigned_abs());
        let local = PriceTable::local();
        let told = |text: &str, other: String| if text.is_empty() { other } else { text.to_owned() };
        PriceTable {
            provider: local.provider,
            vcpu_second: billionths(&self.vcpu_second),
            gib_second: billionths(&self.gib_second),
            date: told(&self.date, local.date),
            source: told(&self.source, local.source),
        }
    }

    /// What may be spent.
    #[must_use]
    pub fn budget(&self) -> Budget {
        let amount = |dollars: &Exact<Rate>| MicroDollars(dollars.0.units().unsigned_abs() / 1_000);
        Budget { per_swarm: self.per_swarm.as_ref().map(amount), per_day: self.per_day.as_ref().map(amount) }
    }

    fn faults(&self) -> Vec<(String, String)> {
        let amounts = [
            ("vcpu_second", &self.vcpu_second),
            ("gib_second", &self.gib_second),
            ("per_swarm", &self.per_swarm),
            ("per_day", &self.per_day),
        ];
        let below_zero = amounts.into_iter().filter_map(|(name, amount)| Some((name, amount.as_ref()?.0)));
        below_zero
            .filter(|(_, amount)| amount.units() < 0)
            .map(|(name, amount)| (format!("cost.{name}"), format!("is {amount}, but must not be below 0")))
            .collect()
    }
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
    /// Those of the declared instruments that it or its strategy names.
    fn named<'a>(&self, declared: &BTreeSet<&'a str>) -> Vec<&'a str> {
        fn strings(value: &serde_json::Value) -> Vec<&str> {
            match value {
                serde_json::Value::String(text) => vec![text],
                serde_json::Value::Array(values) => values.iter().flat_map(strings).collect(),
                serde_json::Value::Object(map) => map.values().flat_map(strings).collect(),
                _ => Vec::new(),
            }
        }
        let names = self.instruments.iter().map(String::as_str).chain(self.strategy.values().flat_map(strings));
        names.filter_map(|name| declared.get(name).copied()).collect()
    }

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
    /// Where they run: `in_process` (default) or `process`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub provider: ProviderConfig,
    /// How they run as processes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub process: ProcessConfig,
    /// What processes cost.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cost: AgentCostConfig,
    /// Who confers.
    pub agents: Vec<AgentConfig>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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
    /// The same swarm without where it runs and what that costs: what its decisions depend on.
    #[must_use]
    pub fn anywhere(&self) -> Self {
        let (provider, process, cost) = Default::default();
        Self { provider, process, cost, ..self.clone() }
    }

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
        if self.process.memory_mib == 0 {
            faults.push(("process.memory_mib".to_owned(), "is 0, but an agent needs memory; 64 is little".to_owned()));
        }
        if self.process.patience.nanos < 1_000_000_000 {
            // Of none at all every unit is as good, and the text of a span would tell it in days.
            let seconds = self.process.patience.nanos as f64 / 1e9;
            let message = format!("is {seconds} s, but must be 1 s or more");
            faults.push(("process.patience".to_owned(), message));
        }
        if self.process.processes == Some(0) {
            faults.push(("process.processes".to_owned(), "is 0, but agents need at least one process".to_owned()));
        }
        if let Some(autoscale) = &self.process.autoscale
            // As it is written: so many agents as there are would bring other bounds about.
            && let Err(invalid) = scale::Autoscaler::new(autoscale.settings(usize::MAX))
        {
            faults.push(("process.autoscale".to_owned(), invalid.to_string()));
        }
        faults.extend(self.cost.faults());
        if self.agents.len() < 2 {
            faults.push(("agents".to_owned(), "must be two or more: one vote never decides".to_owned()));
        }
        let declared: BTreeSet<&str> = instruments.iter().copied().collect();
        let decided: BTreeSet<&str> = self.agents.iter().flat_map(|agent| agent.named(&declared)).collect();
        let most = consensus::share(consensus::OPEN_MAX, self.consensus.mode(), self.agents.len());
        if decided.len() > most {
            let message = format!(
                "decide about {} instruments, but so many agents can have {most} decisions open at once; make several \
                 swarms of them, each with a part of the instruments",
                decided.len()
            );
            faults.push(("agents".to_owned(), message));
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
