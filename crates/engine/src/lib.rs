//! The engine: strategies, risk, orders, ledger, and the sequencer that ties them into one deterministic state.
//!
//! Invariant: sans-I/O. Clock, randomness, disk and network are arguments; the state is a pure function of the events.

pub mod ledger;
pub mod marks;
pub mod orders;
pub mod risk;
mod run_hash;
pub mod sequencer;
pub mod strategies;
pub mod strategy;
pub mod venue;
pub mod world;

pub use sequencer::{Counts, Engine, EngineError, Observer, Participant, Plan, Stage};
pub use strategy::{Context, FillUpdate, OrderUpdate, Setup, Strategy, StrategyError};
pub use venue::Venue;
pub use world::World;
