//! The binary as a newcomer meets it: every bad input gives one clear message, the right exit code, and no half-written
//! file. What it says is kept in `snapshots/`, to be read as a catalogue.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod bench_swarm;
mod commands;
mod configuration;
mod data;
mod input;
mod interruption;
mod journal;
mod mesh;
mod profile;
mod runs;
mod scene;
#[cfg(target_os = "linux")]
mod swarm;
