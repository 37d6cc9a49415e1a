//! Venue simulation and the backtest driver.
//!
//! Invariant: the same data, configuration and seed give the same reports, on any machine and any number of threads.
//! What it deliberately does not do: touch a real network or clock.

pub mod backtest;
mod book;
pub mod exchange;
pub mod model;
pub mod recorder;
pub mod rng;

pub use exchange::Exchange;
pub use recorder::Recorder;
