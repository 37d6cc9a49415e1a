//! The starling command: data to tested strategy to live trading with one static binary.
//!
//! Invariant: stdout is data, stderr is talk. Exit code 0 is success, 1 a run that failed, 2 bad usage, configuration or
//! input, 130 what was interrupted. What it deliberately does not hold: business rules; those are in the crates below.

mod bench;
mod command;
mod report;
mod swarm;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use command::Command;

/// A trading engine: one deterministic core for backtest, replay, paper and live.
#[derive(Debug, Parser)]
#[command(
    name = "starling",
    version,
    arg_required_else_help = false,
    after_help = "Start with `starling`: the demo runs, and out/report.html shows what came of it.\n\
        Exit code: 0 done, 1 a run or check failed, 2 bad usage, configuration or input, 130 interrupted."
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print one JSON object on stdout, and nothing else there.
    #[arg(long, global = true)]
    json: bool,
}

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if std::env::args_os().nth(1).is_some_and(|argument| argument == swarm::agent::ARGUMENT) {
        // Before everything else: it must confine itself before there is a second thread.
        return swarm::agent::run();
    }
    #[cfg(target_os = "linux")]
    if std::env::args_os().nth(1).is_some_and(|argument| argument == command::bench::mesh::echo::ARGUMENT) {
        return command::bench::mesh::echo::run();
    }
    let arguments = Arguments::parse();
    let command = arguments.command.unwrap_or_default();
    match command.run(arguments.json) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal::complain(&failure);
            ExitCode::from(failure.code)
        }
    }
}
