//! `starling bench swarm`: the eighteen benchmarks of swarms, on every provider there is, to one record.
//!
//! Invariant: a benchmark that is done is kept at once, so an interrupt costs the one under way; the same command goes on
//! if program and machine are the same. Another command leaves what is kept as it is. Whatever happens, no agent is left
//! behind.

use std::collections::BTreeSet;
use std::fs;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use starling_lab::bench::swarm::{CATEGORIES, DEFINITIONS, Definition, Material, Plan, Provider, Threads, measure};
use starling_lab::bench::{BenchError, Benchmark, Id, Missing, SCHEMA, Subject, Tier};
use starling_swarm::cost::{PriceTable, Resources};

use super::super::{backtest, demo, output};
use super::engine::{TierChoice, machine};
use super::runs::{Circumstances, Keeping, Sitting, conclude};
use crate::swarm::draw;
use crate::terminal::{Failure, interrupted, put, say};

/// How long an agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is done so far, in the folder of the results: a heading, the circumstances, then a benchmark a line.
const PARTIAL: &str = "partial.jsonl";

/// Where agents run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum ProviderChoice {
    /// Each in a thread of this program.
    InProcess,
    /// Each in a process of its own, in a sandbox.
    Process,
}

impl ProviderChoice {
    const ALL: [Self; 2] = [Self::InProcess, Self::Process];

    const fn name(self) -> &'static str {
        match self {
            Self::InProcess => "in-process",
            Self::Process => "process",
        }
    }
}

/// Measure swarms of agents: the eighteen benchmarks, on every provider there is.
#[derive(Debug, Args)]
pub(super) struct Swarm {
    /// How long it may take.
    #[arg(long, value_enum, default_value = "fast")]
    tier: TierChoice,
    /// Where agents run; may be repeated. Default: everywhere they can.
    #[arg(long, value_enum)]
    provider: Vec<ProviderChoice>,
    /// Only this category (creation, scalability, trading, communication, resources, cost), or this number; may be
    /// repeated.
    #[arg(long, value_name = "NAME")]
    category: Vec<String>,
    #[command(flatten)]
    keeping: Keeping,
    /// List what there is, without measuring.
    #[arg(long)]
    list: bool,
}

/// By what a measurement is made: by another program, or on another machine, it is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Means {
    schema: u32,
    commit: String,
    program: String,
    machine: String,
}

/// What is asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    tier: String,
    prices: Vec<PriceTable>,
    providers: Vec<String>,
    /// The numbers of the benchmarks.
    numbers: Vec<u32>,
}

/// What two measurements must have in common for one to go on with the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Heading {
    means: Means,
    asked: Asked,
}

/// What is done.
struct Partial {
    /// Where it is kept, if it is.
    path: Option<PathBuf>,
    heading: Heading,
    sitting: Sitting,
    done: Vec<Benchmark>,
}

impl Partial {
    /// What an earlier measurement of the same has done, if there is one. That of something else stays where it is.
    fn open(out: Option<&Path>, heading: Heading) -> Self {
        let mut path = out.map(|out| out.join(PARTIAL));
        let (mut earlier, mut done) = (None, Vec::new());
        let found = path.as_ref().and_then(|path| Some(read(&fs::read_to_string(path).ok()?)));
        match found {
            None => {}
            Some(Some((of, circumstances, benchmarks))) if of == heading => {
                (earlier, done) = (Some(circumstances), benchmarks);
            }
            Some(Some((of, ..))) if of.means == heading.means => {
                say(format_args!(
                    "{} is of another tier, other benchmarks, providers or prices, and stays for the command that was \
                     interrupted; as long as it is there, nothing is kept of this one before its end",
                    path.take().unwrap_or_default().display()
                ));
            }
            Some(_) => say("another build or machine: what an earlier measurement had done is done again"),
        }
        Self { path, heading, sitting: Sitting::after(earlier), done }
    }

    fn has(&self, provider: &str, number: u32) -> bool {
        let same = |b: &Benchmark| b.id == Id::Number(number) && b.provider.as_deref() == Some(provider);
        self.done.iter().any(same)
    }

    /// What is kept: the same command tries again what could not be carried out.
    fn kept(&self) -> impl Iterator<Item = &Benchmark> {
        self.done.iter().filter(|benchmark| benchmark.samples.n > 0)
    }

    fn push(&mut self, benchmark: Benchmark) -> Result<(), Failure> {
        self.done.push(benchmark);
        let Some(path) = &self.path else { return Ok(()) };
        let head = [serde_json::to_string(&self.heading), serde_json::to_string(&self.sitting.so_far())];
        let lines: Result<Vec<String>, _> = head.into_iter().chain(self.kept().map(serde_json::to_string)).collect();
        output::write_whole(path, lines.map_err(Failure::run)?.join("\n").as_bytes())
    }

    /// All is done, and kept elsewhere.
    fn close(&self) {
        if let Some(path) = &self.path {
            // It may never have been written.
            let _ = fs::remove_file(path);
        }
    }
}

/// What the lines of a [`PARTIAL`] say; `None` of what another layout wrote.
fn read(text: &str) -> Option<(Heading, Circumstances, Vec<Benchmark>)> {
    let mut lines = text.lines();
    let (heading, circumstances) = (lines.next()?, lines.next()?);
    let done: Result<Vec<Benchmark>, _> = lines.map(serde_json::from_str).collect();
    Some((serde_json::from_str(heading).ok()?, serde_json::from_str(circumstances).ok()?, done.ok()?))
}

/// A folder that goes when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failure> {
        // A name that nobody could have guessed, in a folder that others write in, too.
        let name = draw::<8>().map_err(|e| Failure::run(format!("cannot draw a name from /dev/urandom: {e}")))?;
        let path = std::env::temp_dir().join(format!("starling-bench-{:016x}", u64::from_le_bytes(name)));
        fs::create_dir(&path).map_err(|e| Failure::run(format!("{}: cannot be made: {e}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever cleans the temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Swarm {
    /// The benchmarks that were chosen, in the order they are carried out in.
    fn chosen(&self) -> Result<Vec<&'static Definition>, Failure> {
        let fits = |definition: &Definition, name: &String| {
            definition.category == name || definition.number.to_string() == *name
        };
        if let Some(unknown) = self.category.iter().find(|name| !DEFINITIONS.iter().any(|d| fits(d, name))) {
            return Err(Failure::usage(format!(
                "no benchmark is `{unknown}`: categories are {}, numbers 1 to 18; `starling bench swarm --list` shows them",
                CATEGORIES.join(", ")
            )));
        }
        let chosen = |d: &&Definition| self.category.is_empty() || self.category.iter().any(|name| fits(d, name));
        let mut list: Vec<&Definition> = DEFINITIONS.iter().filter(chosen).collect();
        // Memory first: what others leave to the allocator would hide what agents take.
        list.sort_by_key(|definition| (definition.number != 13, definition.number));
        Ok(list)
    }

    /// Where agents run, each once.
    fn providers(&self) -> Vec<ProviderChoice> {
        let wanted: BTreeSet<ProviderChoice> = self.provider.iter().copied().collect();
        if wanted.is_empty() { ProviderChoice::ALL.into() } else { wanted.into_iter().collect() }
    }

    pub(super) fn run(self, json: bool) -> Result<(), Failure> {
        let list = self.chosen()?;
        if self.list {
            return DEFINITIONS.iter().filter(|d| list.contains(d)).try_for_each(|d| {
                let required = ProviderChoice::ALL.map(|provider| d.requirement(provider.name()));
                let [within, other] = required.map(|bound| bound.map_or_else(String::new, |bound| bound.to_string()));
                let bound = if within == other { other } else { format!("{other}, in-process {within}") };
                let relation = if d.more_is_better { "at least" } else { "at most" };
                put(format_args!(
                    "{:>2}  {:<13} {}: {} ({relation} {bound} {})",
                    d.number, d.category, d.name, d.workload, d.unit
                ))
            });
        }
        if !cfg!(target_os = "linux") {
            return Err(Failure::usage("`bench swarm` reads what agents use from /proc: it needs Linux"));
        }
        let (prices, tier) = (self.keeping.prices.tables()?, self.tier.tier());
        let desk = self.keeping.open(Subject::Swarm)?;
        let (commit, program, machine) = (backtest::COMMIT.to_owned(), program(), machine());
        let asked = Asked {
            tier: tier.name().to_owned(),
            prices: prices.clone(),
            providers: self.providers().iter().map(|choice| choice.name().to_owned()).collect(),
            numbers: list.iter().map(|definition| definition.number).collect(),
        };
        let heading = Heading { means: Means { schema: SCHEMA, commit, program, machine }, asked };
        let mut partial = Partial::open(self.keeping.folder(), heading);
        let stop = interrupted();
        let benchmarks = self.measure(&list, tier, prices, &stop, &mut partial, json)?;
        let record = partial.sitting.end(Subject::Swarm, tier, benchmarks, missing());
        let page = desk.map(|desk| desk.publish(&record)).transpose()?;
        partial.close();
        conclude(&record, page.as_deref(), json)
    }

    fn measure(
        &self,
        list: &[&Definition],
        tier: Tier,
        prices: Vec<PriceTable>,
        stop: &Arc<AtomicBool>,
        partial: &mut Partial,
        json: bool,
    ) -> Result<Vec<Benchmark>, Failure> {
        let wanted = self.providers();
        let scratch = Scratch::new()?;
        let plan = Plan {
            tier,
            runs: Plan::runs_of(tier),
            material: material(&scratch.0)?,
            prices,
            resources: Resources::default(),
            secret: draw().map_err(|e| Failure::run(format!("cannot draw a secret from /dev/urandom: {e}")))?,
            patience: PATIENCE,
            stop: Arc::clone(stop),
        };
        let all = wanted.len() * list.len();
        let bar =
            if !json && std::io::stderr().is_terminal() { ProgressBar::new(all as u64) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{pos}/{len} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        if !partial.done.is_empty() {
            say(format_args!("going on: {} of {all} are done", partial.done.len()));
        }
        if cfg!(debug_assertions) {
            say("this is a debug build: its figures say nothing about swarms");
        }
        for choice in &wanted {
            let mut provider = house(*choice, &scratch.0)?;
            for definition in list {
                if partial.has(choice.name(), definition.number) {
                    bar.inc(1);
                    continue;
                }
                bar.set_message(format!("{} {}, {}", definition.number, definition.name, choice.name()));
                let measured = measure(definition, provider.as_mut(), &plan);
                if stop.load(Ordering::Relaxed) || matches!(measured, Err(BenchError::Interrupted)) {
                    bar.finish_and_clear();
                    let message = match &partial.path {
                        Some(_) => format!(
                            "interrupted: {} of {all} are done and kept; the same command goes on with the others",
                            partial.kept().count()
                        ),
                        None => "interrupted: nothing is kept; with --out DIR, a folder of its own, the same command would go \
                                 on"
                            .to_owned(),
                    };
                    return Err(Failure { code: 130, message });
                }
                partial.push(measured.map_err(Failure::run)?)?;
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        let number = |b: &Benchmark| match b.id {
            Id::Number(number) => number,
            Id::Path(_) => u32::MAX,
        };
        let place = |b: &Benchmark| wanted.iter().position(|choice| b.provider.as_deref() == Some(choice.name()));
        let mut benchmarks = partial.done.clone();
        benchmarks.sort_by_key(|b| (place(b), number(b)));
        Ok(benchmarks)
    }
}

/// What a provider's agents live in.
fn house(choice: ProviderChoice, scratch: &Path) -> Result<Box<dyn Provider>, Failure> {
    match choice {
        ProviderChoice::InProcess => Ok(Box::new(Threads::default())),
        #[cfg(target_os = "linux")]
        ProviderChoice::Process => {
            let folder = scratch.join("agents");
            output::folder(&folder)?;
            Ok(Box::new(crate::swarm::house::House::new(folder, Resources::default())))
        }
        #[cfg(not(target_os = "linux"))]
        ProviderChoice::Process => {
            let _ = scratch;
            Err(Failure::usage("agents' processes are confined by Linux only"))
        }
    }
}

/// The demo's strategies on the demo's bars.
fn material(scratch: &Path) -> Result<Material, Failure> {
    output::write_whole(&scratch.join(demo::STOCKS_NAME), demo::STOCKS)?;
    Material::load(demo::CONFIG, vec![scratch.to_path_buf()]).map_err(Failure::run)
}

/// This very program: its size and when it was written.
fn program() -> String {
    let told = || -> std::io::Result<String> {
        let data = fs::metadata(std::env::current_exe()?)?;
        let written = data.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(format!("{} bytes of {}.{:09}", data.len(), written.as_secs(), written.subsec_nanos()))
    };
    told().unwrap_or_else(|_| "unknown".to_owned())
}

fn missing() -> Vec<Missing> {
    let reason = "its sandboxes are not a provider yet: the eighteen run on threads and on processes of this machine";
    vec![Missing { suite: "swarm/e2b".to_owned(), reason: reason.to_owned() }]
}

#[cfg(test)]
mod tests {
    use starling_lab::bench::Distribution;

    use super::*;

    fn heading(numbers: &[u32], program: &str) -> Heading {
        let means = Means { schema: SCHEMA, commit: "c".into(), program: program.into(), machine: "m".into() };
        let asked = Asked {
            tier: "fast".into(),
            prices: Vec::new(),
            providers: vec!["process".into()],
            numbers: numbers.to_vec(),
        };
        Heading { means, asked }
    }

    /// Of so many samples.
    fn benchmark(number: u32, n: usize) -> Benchmark {
        let samples = Distribution { n, ..Distribution::of(&[1.0]).unwrap() };
        Benchmark {
            provider: Some("process".into()),
            ..Benchmark::bare(Id::Number(number), "swarm", "b", "s", samples)
        }
    }

    fn numbers(partial: &Partial) -> Vec<u32> {
        (1..=18).filter(|number| partial.has("process", *number)).collect()
    }

    #[test]
    fn what_was_asked_otherwise_is_neither_gone_on_with_nor_lost() {
        let folder = tempfile::tempdir().unwrap();
        let open = |heading| Partial::open(Some(folder.path()), heading);
        let mut first = open(heading(&[1, 2, 3], "p"));
        first.push(benchmark(1, 5)).unwrap();
        first.push(benchmark(2, 5)).unwrap();
        // One of the three alone is measured itself, and takes nothing away when it is done.
        let mut other = open(heading(&[1], "p"));
        assert_eq!(numbers(&other), [0; 0]);
        other.push(benchmark(1, 5)).unwrap();
        other.close();
        let again = open(heading(&[1, 2, 3], "p"));
        assert_eq!(numbers(&again), [1, 2]);
        // Another program never goes on with it: its own takes the place.
        let mut new = open(heading(&[1, 2, 3], "q"));
        assert_eq!(numbers(&new), [0; 0]);
        new.push(benchmark(3, 5)).unwrap();
        assert_eq!(numbers(&open(heading(&[1, 2, 3], "q"))), [3]);
        again.close();
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
    }

    #[test]
    fn what_could_not_be_carried_out_is_told_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Partial::open(Some(folder.path()), heading(&[1, 2], "p"));
        let mut first = open();
        first.push(benchmark(1, 0)).unwrap();
        first.push(benchmark(2, 5)).unwrap();
        assert_eq!((numbers(&first), first.kept().count()), (vec![1, 2], 1));
        assert_eq!(numbers(&open()), [2]);
    }
}
