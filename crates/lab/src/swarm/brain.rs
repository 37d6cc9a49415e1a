//! What thinks in an agent: its strategies in an engine of their own, on a paper account at the run's simulated venues.
//!
//! Invariant: a brain is a run of its strategies alone, event for event; what it wants is the position of that run, the
//! market orders on their way included. So its signals are those of a backtest of the same strategies, and its equity is
//! what the agent would have earned alone.

use std::io::Sink;

use starling_core::{Event, InstrumentId, OrderKind, Qty, Side};
use starling_engine::{EngineError, World};
use starling_sim::backtest;
use starling_sim::recorder::Recorder;

use crate::config::{AgentConfig, Config};
use crate::run::{Run, RunEngine, RunError, equity_point};
use crate::tearsheet::EquityPoint;

/// An agent's strategies at work.
#[derive(Debug)]
pub struct Brain {
    engine: RunEngine<Sink>,
}

impl Brain {
    /// The strategies of `agent` in the world of `config`, with the opening balances of its accounts.
    ///
    /// # Errors
    /// [`RunError`], if the strategies cannot be set up in that world.
    pub fn new(config: &Config, agent: &AgentConfig) -> Result<Self, RunError> {
        let mut alone = config.clone();
        alone.strategies = agent.strategies().expect("the configuration is checked");
        alone.swarm = None;
        // Of a run alone no more is asked than its equity.
        let watch = |recorder: Recorder| Recorder::of_equity(recorder.reporting());
        let mut engine = Run::of(alone).watched(std::io::sink(), watch)?;
        engine.start()?;
        Ok(Self { engine })
    }

    /// Its world: the tables are those of the run.
    #[must_use]
    pub fn world(&self) -> &World {
        self.engine.world()
    }

    /// An event of the market.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn on_event(&mut self, event: &Event) -> Result<(), EngineError> {
        backtest::consume(&mut self.engine, event)
    }

    /// All events of this stamp have come.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn complete_stamp(&mut self) -> Result<(), EngineError> {
        self.engine.complete_stamp()
    }

    /// Gives back what only a stamp under way needs.
    pub fn shrink_to_fit(&mut self) {
        self.engine.shrink_to_fit();
    }

    /// The position it holds or is on its way to, in all its accounts.
    #[must_use]
    pub fn position(&self, instrument: InstrumentId) -> Qty {
        let world = self.engine.world();
        let held: Qty = world.ledger().accounts().map(|(id, _)| world.ledger().net_position(id, instrument)).sum();
        let on_the_way =
            world.orders().of_instrument(instrument).filter(|order| order.request.kind == OrderKind::Market);
        let signed = |side, qty: Qty| if side == Side::Buy { qty } else { -qty };
        held + on_the_way.map(|order| signed(order.request.side, order.leaves())).sum::<Qty>()
    }

    /// Ends the run; its equity day by day.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn finish(&mut self) -> Result<Vec<EquityPoint>, EngineError> {
        backtest::end(&mut self.engine)?;
        let (_, recorder) = self.engine.world_and_observer();
        Ok(recorder.days.iter().map(equity_point).collect())
    }
}
