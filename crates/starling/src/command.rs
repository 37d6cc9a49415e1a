//! The commands, one module each.

mod backtest;
pub(crate) mod bench;
mod config;
mod data;
mod demo;
mod doctor;
mod draft;
pub(crate) mod output;
mod profile;
mod record;
mod replay;
mod report;
#[cfg(unix)]
mod swarm;
mod venue;

use clap::Subcommand;

use crate::terminal::Failure;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The demo: a swarm of agents trades five US stocks, 2000 to 2013 (default).
    Demo(demo::Demo),
    /// Run a configuration over its data.
    Backtest(backtest::Backtest),
    /// Do the run of a journal again.
    Replay(replay::Replay),
    /// Run a swarm, deploy one, look at it, scale it, end it.
    #[cfg(unix)]
    Swarm(swarm::Swarm),
    /// Write the report of a finished run again.
    Report(report::Report),
    /// Look at market data, check it, convert it, or write a sample of it.
    Data(Box<data::Data>),
    /// Print the schema of configurations, check one, or show it with its defaults.
    Config(config::Configuration),
    /// Check this machine: processor, memory, clock, disk, permissions, build.
    Doctor(doctor::Doctor),
    /// Serve a venue on this machine: replay a recording to any client, with faults on demand.
    Venue(venue::Venue),
    /// Measure the engine and swarms against their targets.
    Bench(bench::Bench),
    /// Run a command and show where its processor time goes: a flame graph.
    Profile(profile::Profile),
}

impl Default for Command {
    fn default() -> Self {
        Self::Demo(demo::Demo::default())
    }
}

impl Command {
    /// Does it.
    pub(crate) fn run(self, json: bool) -> Result<(), Failure> {
        match self {
            Self::Demo(demo) => demo.run(json),
            Self::Backtest(backtest) => backtest.run(json),
            Self::Replay(replay) => replay.run(json),
            #[cfg(unix)]
            Self::Swarm(swarm) => swarm.run(json),
            Self::Report(report) => report.run(json),
            Self::Data(data) => data.run(json),
            Self::Config(config) => config.run(json),
            Self::Doctor(doctor) => doctor.run(json),
            Self::Venue(venue) => venue.run(json),
            Self::Bench(bench) => bench.run(json),
            Self::Profile(profile) => profile.run(json),
        }
    }
}
