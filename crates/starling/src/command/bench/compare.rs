//! `starling bench compare A B`: two builds measured in turn, or by their instructions, or two results.
//!
//! Only what was measured in one run, in turn or by counting, fails: two results of other times are told and judge nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use starling_lab::bench::BenchRecord;
use starling_lab::bench::compare::{ComparisonRecord, counted, paired, recorded};

use crate::terminal::{Failure, put, say};

/// Executions whose instructions are counted, beyond those of a first count: starting and proving cancel.
const COUNTED: u64 = 3;

/// Compare two builds, or two results.
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// The first: a `starling` program, or a `bench.json`.
    before: PathBuf,
    /// The second, of the same sort.
    after: PathBuf,
    /// Only benchmarks with this in their name; may be repeated.
    #[arg(long, value_name = "TEXT")]
    category: Vec<String>,
    /// Rounds of programs, each both once.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(5..=1_000))]
    pairs: u32,
    /// Count instructions instead of time (needs valgrind): slow, and hardly any noise.
    #[arg(long)]
    instructions: bool,
    /// The share by which a benchmark must get worse to fail.
    #[arg(long, default_value_t = 0.05, value_name = "SHARE")]
    tolerance: f64,
}

/// One side of the comparison.
enum Side<'a> {
    Program(&'a Path),
    Record(Box<BenchRecord>),
}

impl<'a> Side<'a> {
    fn of(path: &'a Path) -> Result<Self, Failure> {
        let shown = path.display();
        let bytes = fs::read(path).map_err(|e| Failure::usage(format!("`{shown}` cannot be read: {e}")))?;
        if bytes.starts_with(b"\x7fELF") {
            return Ok(Self::Program(path));
        }
        let record = serde_json::from_slice(&bytes).map_err(|e| {
            Failure::usage(format!(
                "`{shown}` is neither a program nor a result of `starling bench engine --out DIR` (DIR/bench.json): {e}"
            ))
        })?;
        Ok(Self::Record(Box::new(record)))
    }
}

impl Compare {
    pub(super) fn run(self, json: bool) -> Result<(), Failure> {
        if !(self.tolerance > 0.0 && self.tolerance < 10.0) {
            return Err(Failure::usage(format!("--tolerance {}: give a share above 0, as 0.05", self.tolerance)));
        }
        let (record, gate) = match (Side::of(&self.before)?, Side::of(&self.after)?) {
            (Side::Program(before), Side::Program(after)) if self.instructions => {
                (self.count(before, after, json)?, true)
            }
            (Side::Program(before), Side::Program(after)) => (self.pair(before, after, json)?, true),
            (Side::Record(before), Side::Record(after)) if !self.instructions => {
                if before.machine != after.machine {
                    say(format!("measured on two machines: {} and {}", before.machine, after.machine));
                }
                let mut record = recorded(&before, &after, self.tolerance);
                let chosen = |id: &String| self.chooses(id);
                record.comparisons.retain(|c| chosen(&c.id));
                record.unmatched.retain(chosen);
                (record, false)
            }
            (Side::Record(_), Side::Record(_)) => {
                return Err(Failure::usage(
                    "--instructions counts those of programs, not of results; give two programs",
                ));
            }
            _ => return Err(Failure::usage("compare two programs or two results, not one of each")),
        };
        if record.comparisons.is_empty() && record.broken.is_empty() {
            return Err(Failure::usage(
                "there is no benchmark of both sides to compare; `starling bench engine --list` shows what there is",
            ));
        }
        if json {
            put(serde_json::to_string_pretty(&record).map_err(Failure::run)?)?;
        } else {
            put(record.table().trim_end())?;
        }
        match faults(&record) {
            Some(faults) if gate => Err(Failure::run(faults)),
            Some(_) => {
                say("results of two times judge nothing on a machine that others use, too: compare the programs");
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn chooses(&self, id: &str) -> bool {
        self.category.is_empty() || self.category.iter().any(|text| id.contains(text.as_str()))
    }

    fn bench(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(["bench", "engine"]);
        for text in &self.category {
            command.args(["--category", text]);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Measures both in turn, the order changing from round to round.
    fn pair(&self, before: &Path, after: &Path, json: bool) -> Result<ComparisonRecord, Failure> {
        let bar = progress(u64::from(self.pairs) * 2, json);
        let (mut firsts, mut seconds) = (Vec::new(), Vec::new());
        for round in 0..self.pairs {
            let mut order = [(before, &mut firsts), (after, &mut seconds)];
            if round % 2 == 1 {
                order.reverse();
            }
            for (program, records) in order {
                bar.set_message(program.display().to_string());
                records.push(measured(self.bench(program).arg("--json"), program)?);
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        Ok(paired(&firsts, &seconds, self.tolerance))
    }

    /// Counts the instructions of an execution of each benchmark.
    fn count(&self, before: &Path, after: &Path, json: bool) -> Result<ComparisonRecord, Failure> {
        let lists = [self.list(before)?, self.list(after)?];
        let bar = progress(lists.iter().map(|list| list.len() as u64).sum(), json);
        let [first, second] = [(before, &lists[0]), (after, &lists[1])].map(|(program, list)| {
            list.iter()
                .map(|id| {
                    bar.set_message(id.clone());
                    let one = count(program, id, 1)?;
                    let more = count(program, id, 1 + COUNTED)?;
                    bar.inc(1);
                    Ok((id.clone(), more.saturating_sub(one) as f64 / COUNTED as f64))
                })
                .collect::<Result<Vec<_>, Failure>>()
        });
        bar.finish_and_clear();
        Ok(counted(&first?, &second?, self.tolerance))
    }

    /// The benchmarks that a program has, and that work in its own process.
    fn list(&self, program: &Path) -> Result<Vec<String>, Failure> {
        // With the inputs that are counted: their size is in the names.
        let output = self.bench(program).args(["--list", "--small"]).output().map_err(|e| cannot_run(program, &e))?;
        if !output.status.success() {
            return Err(failed(program, &output.stderr));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        // Rows of the whole path come of one run at a pace, which no number of executions repeats.
        let here =
            |id: &&str| !id.starts_with("engine/cold start") && !id.contains(" against ") && !id.starts_with("path/");
        Ok(text.lines().filter(here).map(str::to_owned).collect())
    }
}

/// What keeps the second from taking the place of the first, if anything does.
fn faults(record: &ComparisonRecord) -> Option<String> {
    let worse: Vec<&str> = record.worse().iter().map(|c| c.id.as_str()).collect();
    let broken: Vec<&str> = record.broken.iter().map(|b| b.id.as_str()).collect();
    let (n, all, share) = (worse.len(), record.comparisons.len(), record.tolerance * 100.0);
    let slower = (n > 0).then(|| format!("{n} of {all} got worse by more than {share} %: {}", worse.join(", ")));
    let broken = (!broken.is_empty()).then(|| format!("of the second do not count: {}", broken.join(", ")));
    slower.into_iter().chain(broken).reduce(|slower, broken| format!("{slower}; {broken}"))
}

fn progress(steps: u64, json: bool) -> ProgressBar {
    use std::io::IsTerminal as _;
    let bar = if !json && std::io::stderr().is_terminal() { ProgressBar::new(steps) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    bar
}

fn cannot_run(program: &Path, error: &std::io::Error) -> Failure {
    Failure::run(format!("{} cannot be started: {error}", program.display()))
}

fn failed(program: &Path, said: &[u8]) -> Failure {
    Failure::run(format!("{} failed: {}", program.display(), String::from_utf8_lossy(said).trim()))
}

/// What a program measures. A program that misses a target ends with 1 and has still measured.
fn measured(command: &mut Command, program: &Path) -> Result<BenchRecord, Failure> {
    let output = command.output().map_err(|e| cannot_run(program, &e))?;
    serde_json::from_slice(&output.stdout).map_err(|_| failed(program, &output.stderr))
}

/// Instructions of a program that does a benchmark's work so many times, small inputs.
fn count(program: &Path, id: &str, executions: u64) -> Result<u64, Failure> {
    // The program says nothing on its standard output then, so the counts have it to themselves.
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--callgrind-out-file=/dev/stdout"])
        .arg(program)
        .args(["bench", "engine", "--small", "--category", id, "--executions", &executions.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| {
            Failure::run(format!("valgrind cannot be started ({e}); install it, or leave --instructions out"))
        })?;
    if !output.status.success() {
        return Err(failed(program, &output.stderr));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let total = text.lines().find_map(|line| line.strip_prefix("summary: ")?.split_whitespace().next()?.parse().ok());
    total.ok_or_else(|| Failure::run(format!("valgrind's counts of {id} have no summary")))
}

#[cfg(test)]
mod tests {
    use starling_lab::bench::compare::Broken;

    use super::*;

    /// Whatever else got better.
    #[test]
    fn a_second_program_fails_by_what_got_worse_and_by_what_does_not_count() {
        let of = |counts: [f64; 2]| {
            let [before, after] = counts.map(|count| [("a".to_owned(), count)]);
            counted(&before, &after, 0.05)
        };
        assert_eq!(faults(&of([100.0, 100.0])), None);
        assert_eq!(faults(&of([100.0, 110.0])).unwrap(), "1 of 1 got worse by more than 5 %: a");
        let broken = vec![Broken { id: "b".into(), reason: "every frame became an event".into() }];
        let [better, worse] =
            [50.0, 110.0].map(|after| ComparisonRecord { broken: broken.clone(), ..of([100.0, after]) });
        assert_eq!(faults(&better).unwrap(), "of the second do not count: b");
        assert_eq!(faults(&worse).unwrap(), "1 of 1 got worse by more than 5 %: a; of the second do not count: b");
    }
}
