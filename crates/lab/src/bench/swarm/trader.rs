//! A strategy executed on real bars: what agents do, and what the conductor holds their answers against.
//!
//! Invariant: an execution is a whole run of a strategy of its own, on a paper account of its own, over the last bars of
//! one instrument, in the engine that backtests and trades. [`Trader::reference`] comes to the same by another way: the
//! backtest driver, with its recorder, over a feed.

use std::io::Sink;
use std::ops::ControlFlow;

use starling_core::{Event, InstrumentId};
use starling_market::feed::{Feed, FeedError};
use starling_sim::backtest;

use super::words::{Assignment, Signals};
use crate::bench::BenchError;
use crate::config::{AgentConfig, Config};
use crate::run::{Run, RunEngine, equity_point};
use crate::swarm::brain::Brain;

/// What agents trade with and on.
#[derive(Debug)]
pub(super) struct Trader {
    config: Config,
    agent: AgentConfig,
    names: Vec<String>,
    /// Bars, by instrument.
    bars: Vec<Vec<Event>>,
}

fn failed(what: &'static str, error: impl std::fmt::Display) -> BenchError {
    BenchError::Program { program: "an agent's strategy".to_owned(), reason: format!("cannot {what}: {error}") }
}

/// The strategies of a configuration that agents take in turn: those of its voting agents that run instrument by
/// instrument.
pub(super) fn pool(config: &Config) -> Vec<&AgentConfig> {
    let swarm = config.swarm.iter().flat_map(|swarm| &swarm.agents);
    swarm.filter(|agent| agent.role.votes() && !agent.instruments.is_empty()).collect()
}

struct InMemory<'a>(std::slice::Iter<'a, Event>);

impl Feed for InMemory<'_> {
    fn fill(&mut self, out: &mut Vec<Event>) -> Result<(), FeedError> {
        out.extend(self.0.by_ref().take(starling_market::feed::BATCH_MAX));
        Ok(())
    }
}

impl Trader {
    /// The trader at a place.
    pub(super) fn new(text: &str, at: u32, events: &[Event]) -> Result<Self, BenchError> {
        let config = Config::read(text).map_err(|faults| BenchError::Input(faults.to_string()))?;
        let strategies = pool(&config);
        let agent = strategies.get(at as usize % strategies.len().max(1)).copied().cloned();
        let agent = agent.ok_or_else(|| BenchError::Input("the configuration has no agents that trade".to_owned()))?;
        let brain = Brain::new(&config, &agent).map_err(|e| failed("be set up", e))?;
        let world = brain.world();
        let names: Vec<String> =
            (0..world.instruments().len()).map(|id| world.name(InstrumentId::from(id)).clone()).collect();
        let mut bars = vec![Vec::new(); names.len()];
        for event in events {
            if let Event::Bar(bar) = event {
                bars[bar.instrument.0 as usize].push(*event);
            }
        }
        Ok(Self { config, agent, names, bars })
    }

    /// Its strategies on everything it may trade.
    pub(super) fn brain(&self) -> Result<Brain, BenchError> {
        Brain::new(&self.config, &self.agent).map_err(|e| failed("be set up", e))
    }

    /// The instruments.
    pub(super) fn instruments(&self) -> u16 {
        u16::try_from(self.names.len()).unwrap_or(u16::MAX)
    }

    fn alone(&self, assignment: Assignment) -> (AgentConfig, &[Event]) {
        let at = usize::from(assignment.instrument) % self.names.len();
        let agent = AgentConfig { instruments: vec![self.names[at].clone()], ..self.agent.clone() };
        let bars = &self.bars[at];
        (agent, &bars[bars.len().saturating_sub(usize::from(assignment.bars))..])
    }

    /// Executes its strategy.
    pub(super) fn execute(&self, assignment: Assignment) -> Result<Signals, BenchError> {
        let mut signals = self.execute_once(assignment)?;
        for _ in 0..assignment.again {
            signals = self.execute_once(assignment)?;
        }
        Ok(signals)
    }

    fn execute_once(&self, assignment: Assignment) -> Result<Signals, BenchError> {
        let (agent, bars) = self.alone(assignment);
        let mut brain = Brain::new(&self.config, &agent).map_err(|e| failed("be set up", e))?;
        let mut hasher = blake3::Hasher::new();
        let (mut before, mut changes) = (0, 0);
        for event in bars {
            brain.on_event(event).and_then(|()| brain.complete_stamp()).map_err(|e| failed("see a bar", e))?;
            let Event::Bar(bar) = event else { continue };
            let side = brain.position(bar.instrument).units().signum();
            changes += u32::from(side != before);
            before = side;
            hasher.update(&side.to_le_bytes());
        }
        let equity = brain.finish().map_err(|e| failed("end", e))?;
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Ok(Signals {
            bars: u32::try_from(bars.len()).unwrap_or(u32::MAX),
            changes,
            digest,
            equity: equity.last().map_or(0, |point| point.equity.to_bits()),
        })
    }

    /// The equity at the end of the same strategy's backtest, the bits of an f64.
    pub(super) fn reference(&self, assignment: Assignment) -> Result<u64, BenchError> {
        let (agent, bars) = self.alone(assignment);
        let mut alone = self.config.clone();
        alone.strategies = agent.strategies().expect("the configuration is checked");
        alone.swarm = None;
        let mut engine: RunEngine<Sink> = Run::of(alone).engine(std::io::sink()).map_err(|e| failed("be set up", e))?;
        let feed = Box::new(InMemory(bars.iter()));
        backtest::run(&mut engine, vec![feed], |_, _| ControlFlow::Continue(())).map_err(|e| failed("run", e))?;
        let (_, recorder) = engine.world_and_observer();
        Ok(recorder.days.last().map(equity_point).map_or(0, |point| point.equity.to_bits()))
    }
}
