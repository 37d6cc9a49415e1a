//! The lab: data files, runs from a configuration, statistics and tearsheets. It is the library to start with.
//!
//! A strategy of your own is one type that implements [`Strategy`](starling_engine::Strategy), handed to a
//! [`run::Run`] (the whole of `examples/own_strategy.rs`, which the test suite runs):
//!
//! ```no_run
#![doc = include_str!("../../../examples/own_strategy.rs")]
//! ```
//!
//! Invariant: a run depends on its configuration and on the bytes of its data, on nothing else. What this crate
//! deliberately does not do: open anything but the files it is handed, or talk to a network.

pub mod bench;
pub mod config;
pub mod data;
pub mod prelude;
pub mod run;
pub mod stats;
pub mod swarm;
pub mod tearsheet;
