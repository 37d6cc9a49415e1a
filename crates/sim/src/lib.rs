//! Starling sim.
