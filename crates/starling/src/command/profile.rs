//! `starling profile -- COMMAND`: where the time of a command goes, function by function.
//!
//! The process samples itself: a signal per so much processor time, and the stack of the thread that it hits. What waits
//! costs nothing and is not seen. A release build has inlined much; `cargo build --profile bench` keeps line tables and
//! names the inlined functions, too.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, Parser};
use pprof::{Frames, ProfilerGuardBuilder};
use serde::Serialize;

use super::{Command, output};
use crate::terminal::{Failure, say};

/// Functions that are told on the terminal.
const TOLD: usize = 15;

/// Run a command and show where its processor time goes.
#[derive(Debug, Args)]
pub(crate) struct Profile {
    /// Samples a second of processor time.
    #[arg(long, default_value_t = 997, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    hz: i32,
    /// Folder for `profile.svg` (a flame graph), `profile.folded` (stacks, a line each) and `profile.json`.
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// The command and its arguments, as in `starling profile -- backtest run.toml`; nothing for the demo.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The arguments after `--`, read as those of `starling`.
#[derive(Debug, Parser)]
#[command(name = "starling profile --", arg_required_else_help = false)]
struct Profiled {
    #[command(subcommand)]
    command: Option<Command>,
    #[arg(long)]
    json: bool,
}

/// A function and its share of the samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Function {
    name: String,
    /// Samples that hit it.
    own: u64,
    /// Samples that hit it or what it called.
    all: u64,
}

/// What a profile comes to.
#[derive(Debug, Serialize)]
struct Summary {
    command: String,
    hz: i32,
    samples: u64,
    seconds: f64,
    /// Processor time of all threads.
    processor_s: f64,
    /// The most memory that was resident at once.
    resident_max_mib: f64,
    /// The most expensive first.
    functions: Vec<Function>,
}

impl Profile {
    pub(crate) fn run(self, json: bool) -> Result<(), Failure> {
        let line: Vec<String> = self.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let words = std::iter::once(OsString::from("starling")).chain(self.command);
        // A wrong argument ends the program as it does without a profile: with its own message, and code 2.
        let profiled = Profiled::parse_from(words);
        let command = profiled.command.unwrap_or_default();
        if matches!(command, Command::Profile(_)) {
            return Err(Failure::usage("a profile of a profile: name the command to run after `--`"));
        }
        output::folder(&self.out)?;
        let guard = ProfilerGuardBuilder::default()
            .frequency(self.hz)
            // Where a stack cannot be unwound in a signal handler.
            .blocklist(&["libc", "libgcc", "pthread", "vdso"])
            .build()
            .map_err(|error| Failure::run(format!("this system does not let a process sample itself: {error}")))?;
        let started = Instant::now();
        let outcome = command.run(json || profiled.json);
        let seconds = started.elapsed().as_secs_f64();
        // Before the stacks are named, which takes its own time and a hundred MiB.
        let [processor_s, resident_max_mib] = usage();
        let report = guard.report().build().map_err(|error| Failure::run(format!("the samples: {error}")))?;
        drop(guard);
        let mut stacks: BTreeMap<String, u64> = BTreeMap::new();
        for (frames, count) in &report.data {
            *stacks.entry(folded(frames)).or_default() += u64::try_from(*count).unwrap_or(0);
        }
        let summary = Summary {
            command: line.join(" "),
            hz: self.hz,
            samples: stacks.values().sum(),
            seconds,
            processor_s,
            resident_max_mib,
            functions: functions(&stacks),
        };
        let mut picture = Vec::new();
        if summary.samples > 0 {
            report.flamegraph(&mut picture).map_err(|error| Failure::run(format!("the flame graph: {error}")))?;
            output::write_whole(&self.out.join("profile.svg"), &picture)?;
        }
        let lines: String = stacks.iter().map(|(stack, count)| format!("{stack} {count}\n")).collect();
        output::write_whole(&self.out.join("profile.folded"), lines.as_bytes())?;
        let text = serde_json::to_string_pretty(&summary).map_err(Failure::run)?;
        output::write_whole(&self.out.join("profile.json"), text.as_bytes())?;
        tell(&summary);
        match summary.samples {
            0 => say("no sample: the command used too little processor time; raise --hz"),
            _ => say(format!("flame graph: {}", self.out.join("profile.svg").display())),
        }
        outcome
    }
}

/// A stack as flame graph tools read it: the thread, then the outermost function first, `;` between.
fn folded(frames: &Frames) -> String {
    let names = frames.frames.iter().rev().flat_map(|frame| frame.iter().rev());
    let names = names.map(|symbol| symbol.name().replace([';', ' '], "_"));
    let all: Vec<String> = std::iter::once(frames.thread_name.clone()).chain(names).collect();
    all.join(";")
}

/// Each function's samples, itself and with what it called, the most expensive first.
fn functions(stacks: &BTreeMap<String, u64>) -> Vec<Function> {
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (stack, count) in stacks {
        let mut seen: Vec<&str> = stack.split(';').skip(1).collect();
        if let Some(last) = seen.last() {
            counts.entry(last).or_default().0 += count;
        }
        // A function that calls itself is counted once.
        seen.sort_unstable();
        seen.dedup();
        seen.into_iter().for_each(|name| counts.entry(name).or_default().1 += count);
    }
    let mut functions: Vec<Function> =
        counts.into_iter().map(|(name, (own, all))| Function { name: name.to_owned(), own, all }).collect();
    functions.sort_by(|a, b| b.own.cmp(&a.own).then_with(|| b.all.cmp(&a.all)).then_with(|| a.name.cmp(&b.name)));
    functions
}

fn tell(summary: &Summary) {
    let share = |count: u64| 100.0 * count as f64 / summary.samples.max(1) as f64;
    say(format!(
        "{} samples in {:.2} s, {:.2} s of processor time, {:.0} MiB resident at most",
        summary.samples, summary.seconds, summary.processor_s, summary.resident_max_mib
    ));
    say("   own   with calls  function");
    for f in summary.functions.iter().take(TOLD).filter(|f| f.own > 0) {
        say(format!("{:5.1} %  {:9.1} %  {}", share(f.own), share(f.all), f.name));
    }
}

/// Processor seconds of this process so far, and the most MiB it held.
fn usage() -> [f64; 2] {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which may hold anything: utime and stime are its 12th and 13th, in hundredths.
    let ticks = stat
        .rsplit_once(')')
        .map_or(0.0, |(_, rest)| rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum());
    [ticks / 100.0, kib.unwrap_or(0.0) / 1024.0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_calls_itself_counts_once() {
        let stacks = [("main;a;b;b", 3), ("main;a", 2), ("other;b", 1)].map(|(s, n)| (s.to_owned(), n));
        let found = functions(&stacks.into());
        let of = |name: &str| found.iter().find(|f| f.name == name).map(|f| (f.own, f.all));
        assert_eq!((of("a"), of("b"), of("main")), (Some((2, 5)), Some((4, 4)), None));
        assert_eq!(found[0].name, "b", "the most expensive first");
    }
}
