//! The commands, one module each.

mod backtest;
mod bench;
mod demo;
mod output;
mod replay;

use clap::Subcommand;

use crate::terminal::Failure;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The demo: five strategies trade five US stocks, 2000 to 2013 (default).
    Demo(demo::Demo),
    /// Run a configuration over its data.
    Backtest(backtest::Backtest),
    /// Do the run of a journal again.
    Replay(replay::Replay),
    /// Measure the engine against its targets.
    Bench(bench::Bench),
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
            Self::Bench(bench) => bench.run(json),
        }
    }
}
