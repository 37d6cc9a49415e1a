//! `starling bench engine`: the engine's own benchmarks, measured here and now, against their targets.
//!
//! Criterion is not in the binary: the loop is `starling_lab::bench`'s, the workloads are the same.

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use starling_lab::bench::{Benchmark, Missing, Scale, Subject, Tier, Workload, cold_start, missing, workloads};

use super::super::backtest;
use super::runs::{Keeping, Sitting, conclude};
use crate::bench::{ingestion, path};
use crate::terminal::{Failure, interrupted, put, say};

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum TierChoice {
    /// Under a minute: at least 5 samples of each.
    Fast,
    /// Some minutes: at least 10 samples of each.
    Standard,
    /// Tens of minutes: at least 20 samples of each.
    Full,
}

impl TierChoice {
    pub(super) const fn tier(self) -> Tier {
        match self {
            Self::Fast => Tier::Fast,
            Self::Standard => Tier::Standard,
            Self::Full => Tier::Full,
        }
    }
}

/// Measure the engine against its targets.
#[derive(Debug, Args)]
pub(super) struct Engine {
    /// How long it may take.
    #[arg(long, value_enum, default_value = "fast")]
    tier: TierChoice,
    /// Only what has this in its name, as in `--category engine/bars` or `--category risk_calculations`; a whole name
    /// chooses it alone. May be repeated.
    #[arg(long, value_name = "TEXT")]
    category: Vec<String>,
    #[command(flatten)]
    keeping: Keeping,
    /// List what there is, without measuring.
    #[arg(long)]
    list: bool,
    /// Do the work so many times without measuring it, for profilers and counters of instructions.
    #[arg(long, value_name = "N", conflicts_with_all = ["list", "out"])]
    executions: Option<u64>,
    /// With smaller inputs: to see that everything works, or under a profiler.
    #[arg(long)]
    small: bool,
}

impl Engine {
    pub(super) fn run(self, json: bool) -> Result<(), Failure> {
        self.keeping.prices.mean_nothing(Subject::Engine)?;
        let scale = if self.small { Scale::SMOKE } else { Scale::FULL };
        let mut list = workloads(scale);
        list.extend(ingestion::workloads());
        let whole = |text: &String| list.iter().any(|w| w.id() == *text);
        let wholes: Vec<String> = self.category.iter().filter(|text| whole(text)).cloned().collect();
        let chosen = |id: &str| {
            let names = |text: &String| if wholes.contains(text) { id == text } else { id.contains(text.as_str()) };
            self.category.is_empty() || self.category.iter().any(names)
        };
        if let Ok(program) = std::env::current_exe() {
            list.extend(cold_start(&program));
        }
        list.sort_by_key(|w| w.suite != "engine");
        list.retain(|w| chosen(&w.id()));
        let path: Vec<String> = path::ids().into_iter().filter(|id| chosen(id)).collect();
        let missing: Vec<Missing> = missing().into_iter().filter(|m| chosen(&m.suite)).collect();
        // What a category without workloads of its own chooses: the rows of a build that counts allocations.
        let memory = |text: &String| "memory/".contains(text.as_str()) || text.starts_with("memory/");
        let counts = cfg!(feature = "allocations") && (self.category.is_empty() || self.category.iter().any(memory));
        if list.is_empty() && path.is_empty() && missing.is_empty() && !counts {
            let message = format!(
                "no benchmark is named `{}`; `starling bench engine --list` shows what there is",
                self.category.join("`, `")
            );
            return Err(Failure::usage(message));
        }
        if self.list {
            return list.iter().map(Workload::id).chain(path).try_for_each(put);
        }
        if let Some(executions) = self.executions {
            if list.is_empty() {
                let message = format!(
                    "--executions {executions}: nothing that is named `{}` can be executed alone (rows of the whole path and of \
                     memory are of one run); name another of `starling bench engine --list`",
                    self.category.join("`, `")
                );
                return Err(Failure::usage(message));
            }
            return list.iter().try_for_each(|w| execute(w, executions));
        }
        let tier = self.tier.tier();
        let desk = self.keeping.open(Subject::Engine)?;
        let sitting = Sitting::begin();
        let mut benchmarks = measure(&list, tier, json)?;
        #[cfg(feature = "allocations")]
        if counts {
            let mut rows = vec![ingestion::memory().map_err(Failure::run)?];
            rows.extend(starling_lab::bench::memory::measure_all().map_err(Failure::run)?);
            benchmarks.extend(rows.into_iter().filter(|row| chosen(&row.key())));
        }
        if !path.is_empty() {
            let rows = walk(tier, json)?;
            benchmarks.extend(rows.into_iter().filter(|row| path.contains(&row.key())));
        }
        let record = sitting.end(Subject::Engine, tier, benchmarks, missing);
        let page = desk.map(|desk| desk.publish(&record)).transpose()?;
        conclude(&record, page.as_deref(), json)
    }
}

/// Does a workload's work so many times, besides the one that proves it.
fn execute(workload: &Workload, executions: u64) -> Result<(), Failure> {
    let failed = |e| Failure::run(format!("{}: {e}", workload.id()));
    let mut prepared = workload.prove().map_err(failed)?;
    for _ in 0..executions {
        std::hint::black_box((prepared.work)().map_err(failed)?);
    }
    Ok(())
}

fn measure(list: &[Workload], tier: Tier, json: bool) -> Result<Vec<Benchmark>, Failure> {
    let bar = progress(list.len() as u64, json, "{pos}/{len} {wide_msg}");
    if cfg!(debug_assertions) {
        say("this is a debug build: its figures say nothing about the engine");
    }
    let one = |workload: &Workload| {
        bar.set_message(workload.id());
        bar.inc(1);
        Benchmark::measure(workload, tier).map_err(|e| Failure::run(format!("{}: {e}", workload.id())))
    };
    let results = list.iter().map(one).collect();
    bar.finish_and_clear();
    results
}

/// The whole path for so long, in one run; all its rows come of it.
fn walk(tier: Tier, json: bool) -> Result<Vec<Benchmark>, Failure> {
    let duration = Duration::from_secs(match tier {
        Tier::Fast => 5,
        Tier::Standard => 60,
        Tier::Full => 600,
    });
    let bar = progress(duration.as_secs(), json, "{wide_bar} {pos}/{len} s of the whole path");
    let stop = interrupted();
    let rows = path::measure(duration, |elapsed| {
        bar.set_position(elapsed.as_secs());
        !stop.load(Ordering::Relaxed)
    });
    bar.finish_and_clear();
    rows.map_err(Failure::run)
}

pub(super) fn progress(length: u64, json: bool, template: &str) -> ProgressBar {
    use std::io::IsTerminal as _;
    let bar = if !json && std::io::stderr().is_terminal() { ProgressBar::new(length) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Load of the last minute, where the system tells it.
pub(super) fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// Processor, cores and memory.
pub(super) fn machine() -> String {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = info.lines().find_map(|l| l.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let memory = total.map_or_else(|| "unknown memory".to_owned(), |kb| format!("{:.0} GiB", kb as f64 / 1_048_576.0));
    format!("{}, {memory}", backtest::machine())
}
