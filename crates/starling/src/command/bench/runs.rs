//! The runs that are kept: `DIR/runs/<UTC>-<subject>-<tier>-<commit>.json`, one of them under a name as a baseline, and
//! the report of one among the others.
//!
//! Invariant: a run is written whole before anything is made of it, and a folder that cannot be read is told before anything
//! is measured. A file of an older layout is left out and counted; any other that is no result is an error, since a history
//! with a hole would show changes that never were.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use starling_lab::bench::history::comparable;
use starling_lab::bench::{BenchRecord, Benchmark, Missing, SCHEMA, Subject, Tier, price};
use starling_swarm::cost::PriceTable;

use super::super::{backtest, output};
use super::engine::{load, machine};
use crate::report::Past;
use crate::terminal::{Failure, put, say};

/// Runs of one series that a report looks back on; the oldest fall away.
const RUNS_MAX: usize = 200;

/// Where a measurement goes, and what it is compared with.
#[derive(Debug, Args)]
pub(super) struct Keeping {
    /// Folder for the result `bench.json`, its report `bench.html` and `bench.md`, and every run in `runs/`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What the report compares with, besides the run before: a result, or a name that `starling bench baseline` gave.
    #[arg(long, value_name = "FILE|NAME", requires = "out")]
    baseline: Option<String>,
    #[command(flatten)]
    pub(super) prices: Prices,
}

/// What resources cost. Every command that measures or tells takes the flag, and where it would change nothing it is refused.
#[derive(Debug, Args)]
pub(super) struct Prices {
    /// Prices of agents' resources, instead of the built-in ones: for `starling bench swarm`, whose results have costs.
    #[arg(long = "prices", value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Prices {
    /// The file's tables, or the built-in ones.
    pub(super) fn tables(&self) -> Result<Vec<PriceTable>, Failure> {
        let Some(path) = &self.file else { return Ok(price::built_in()) };
        let failed = |e: &dyn std::fmt::Display| Failure::usage(format!("{}: {e}", path.display()));
        let text = fs::read_to_string(path).map_err(|e| failed(&format!("the prices cannot be read: {e}")))?;
        price::read(&text).map_err(|e| failed(&e))
    }

    /// Of results without costs.
    pub(super) fn mean_nothing(&self, subject: Subject) -> Result<(), Failure> {
        let name = subject.name();
        self.refuse(&format!(
            "`bench {name}` has no costs: only agents' resources have a price, in `starling bench swarm --prices FILE`"
        ))
    }

    fn refuse(&self, why: &str) -> Result<(), Failure> {
        match &self.file {
            Some(path) => Err(Failure::usage(format!("--prices {}: {why}", path.display()))),
            None => Ok(()),
        }
    }
}

impl Keeping {
    /// The folder, if there is to be one.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.out.as_deref()
    }

    /// Looks at the folder, if there is to be one: what is wrong with it, or with the baseline for results of this subject,
    /// is known before anything is measured.
    pub(super) fn open(&self, subject: Subject) -> Result<Option<Desk>, Failure> {
        let Some(out) = &self.out else { return Ok(None) };
        output::folder(out)?;
        let runs = Runs::open(out)?;
        let baseline = self.baseline.as_deref().map(|said| runs.baseline(said)).transpose()?;
        let desk = Desk { runs, baseline };
        desk.fits(subject)?;
        Ok(Some(desk))
    }
}

/// When something was measured, on how busy a machine, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Circumstances {
    /// When it began.
    date: String,
    /// Load of the machine before and after, the highest of all sittings.
    load: Option<[f64; 2]>,
    /// How long all sittings took, seconds.
    seconds: f64,
}

/// A measurement under way: what its earlier sittings came to, and how this one began.
pub(super) struct Sitting {
    earlier: Option<Circumstances>,
    date: String,
    started: Instant,
    load: Option<f64>,
}

impl Sitting {
    pub(super) fn begin() -> Self {
        Self::after(None)
    }

    /// Goes on with what was interrupted, if anything was.
    pub(super) fn after(earlier: Option<Circumstances>) -> Self {
        let date = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        Self { earlier, date, started: Instant::now(), load: load() }
    }

    /// Of all sittings. Their figures are as old as the first, and as disturbed as the busiest.
    pub(super) fn so_far(&self) -> Circumstances {
        let load = self.load.zip(load()).map(|(before, after)| [before, after]);
        let seconds = self.started.elapsed().as_secs_f64();
        let Some(earlier) = &self.earlier else { return Circumstances { date: self.date.clone(), load, seconds } };
        Circumstances {
            date: earlier.date.clone(),
            load: [earlier.load, load].into_iter().flatten().reduce(|[a, b], [c, d]| [a.max(c), b.max(d)]),
            seconds: earlier.seconds + seconds,
        }
    }

    /// What it came to, with everything that a record says of machine and build.
    pub(super) fn end(
        &self,
        subject: Subject,
        tier: Tier,
        benchmarks: Vec<Benchmark>,
        missing: Vec<Missing>,
    ) -> BenchRecord {
        let Circumstances { date, load, seconds } = self.so_far();
        BenchRecord {
            schema: SCHEMA,
            subject,
            benchmarks,
            missing,
            machine: machine(),
            cores: std::thread::available_parallelism().ok().and_then(|cores| u32::try_from(cores.get()).ok()),
            load,
            commit: backtest::COMMIT.to_owned(),
            date,
            profile: profile(),
            tier: tier.name().to_owned(),
            seconds,
        }
    }
}

/// How this program was built, as far as figures depend on it.
fn profile() -> String {
    let build = if cfg!(debug_assertions) { "debug: not for figures" } else { "release" };
    // Its allocator counts all the time.
    let counting = if cfg!(feature = "allocations") { ", counting allocations" } else { "" };
    format!("{build}{counting}")
}

/// Tells a result, and fails if one of its benchmarks does.
pub(super) fn conclude(record: &BenchRecord, page: Option<&Path>, json: bool) -> Result<(), Failure> {
    if json {
        put(serde_json::to_string_pretty(record).map_err(Failure::run)?)?;
    } else {
        put(record.table().trim_end())?;
        page.iter().for_each(|page| say(format_args!("report: {}", page.display())));
    }
    let failed: Vec<String> = record.benchmarks.iter().filter(|b| b.fails()).map(Benchmark::key).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::run(format!(
        "{} of {} fail: {}; the load was {}, so repeat on a quiet machine before believing a slow one; a check that does not \
         hold is no matter of load",
        failed.len(),
        record.benchmarks.len(),
        failed.join(", "),
        record.load.map_or_else(|| "unknown".to_owned(), |[a, b]| format!("{a:.1} to {b:.1}")),
    )))
}

/// An open folder of runs, and the baseline.
pub(super) struct Desk {
    runs: Runs,
    baseline: Option<(String, BenchRecord)>,
}

impl Desk {
    /// Keeps a run, makes it the latest, and writes its report. Gives the path of the page.
    pub(super) fn publish(&self, record: &BenchRecord) -> Result<PathBuf, Failure> {
        self.runs.keep(record)?;
        let text = serde_json::to_string_pretty(record).map_err(Failure::run)?;
        output::write_whole(&self.runs.home.join("bench.json"), text.as_bytes())?;
        self.report(record, &self.runs.home)
    }

    /// A baseline of another subject compares with nothing.
    fn fits(&self, subject: Subject) -> Result<(), Failure> {
        match &self.baseline {
            Some((name, of)) if of.subject != subject => {
                let (other, this) = (of.subject.name(), subject.name());
                Err(Failure::usage(format!("the baseline `{name}` is of {other}, this run of {this}; name another")))
            }
            _ => Ok(()),
        }
    }

    fn report(&self, record: &BenchRecord, out: &Path) -> Result<PathBuf, Failure> {
        self.fits(record.subject)?;
        let baseline = self.baseline.as_ref().map(|(name, of)| (name.as_str(), of));
        let past = Past { runs: self.runs.before(record), older: self.runs.older, baseline };
        output::bench_pages(record, &past, out)
    }
}

/// A kept run.
struct Run {
    file: String,
    record: BenchRecord,
}

/// The runs of a folder, oldest first.
struct Runs {
    /// The folder that holds `runs/` and `baselines/`.
    home: PathBuf,
    kept: Vec<Run>,
    /// Files of older layouts.
    older: usize,
}

impl Runs {
    fn open(home: &Path) -> Result<Self, Failure> {
        let mut runs = Self { home: home.to_owned(), kept: Vec::new(), older: 0 };
        for file in listed(&home.join("runs"))? {
            match read(&home.join("runs").join(&file)) {
                Ok(record) => runs.kept.push(Run { file, record }),
                Err(Unusable::Older(_)) => runs.older += 1,
                Err(fault) => return Err(fault.told(", or move it out of the folder of runs")),
            }
        }
        runs.kept.sort_by(|a, b| (&a.record.date, &a.file).cmp(&(&b.record.date, &b.file)));
        Ok(runs)
    }

    /// The comparable runs before this one, oldest first.
    fn before(&self, record: &BenchRecord) -> Vec<&BenchRecord> {
        let place = self.kept.iter().position(|run| run.record == *record);
        let earlier = |(at, run): &(usize, &Run)| {
            place.map_or_else(|| run.record.date <= record.date, |place| *at < place) && comparable(&run.record, record)
        };
        let all: Vec<&BenchRecord> = self.kept.iter().enumerate().filter(earlier).map(|(_, run)| &run.record).collect();
        all[all.len().saturating_sub(RUNS_MAX)..].to_vec()
    }

    fn keep(&self, record: &BenchRecord) -> Result<(), Failure> {
        let folder = self.home.join("runs");
        output::folder(&folder)?;
        let stem = name(record);
        // Two runs of one second, or one whose date has no seconds: the later gets a number, and sorts after it.
        let names = std::iter::once(format!("{stem}.json")).chain((2..).map(|n| format!("{stem}_{n:03}.json")));
        let free = names.map(|name| folder.join(name)).find(|path| !path.exists()).expect("some number is free");
        let text = serde_json::to_string(record).map_err(Failure::run)?;
        output::write_whole(&free, text.as_bytes())
    }

    /// A result by its path, or by the name that it was given.
    fn baseline(&self, said: &str) -> Result<(String, BenchRecord), Failure> {
        let file = Path::new(said);
        if file.is_file() {
            return Ok((said.to_owned(), read(file).map_err(|fault| fault.told(""))?));
        }
        let folder = self.home.join("baselines");
        let named = folder.join(format!("{said}.json"));
        if word(said).is_some() && named.is_file() {
            return Ok((said.to_owned(), read(&named).map_err(|fault| fault.told(""))?));
        }
        let known: Vec<String> = listed(&folder)?.iter().map(|f| f.trim_end_matches(".json").to_owned()).collect();
        let known =
            if known.is_empty() { "there is none yet".into() } else { format!("there are {}", known.join(", ")) };
        let message = format!(
            "--baseline {said}: neither a file nor a baseline of {} ({known}); `starling bench baseline NAME` names one",
            self.home.display()
        );
        Err(Failure::usage(message))
    }
}

/// What a run's file is called, without its ending.
fn name(record: &BenchRecord) -> String {
    let digits: String = record.date.chars().filter(char::is_ascii_digit).collect();
    let (day, time) = digits.split_at(digits.len().min(8));
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect()
    };
    format!("{day}T{time}Z-{}-{}-{}", record.subject.name(), plain(&record.tier), plain(&record.commit))
}

/// A name that is safe as that of a file.
fn word(text: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (!text.is_empty() && text.len() <= 100 && !text.starts_with('.') && text.chars().all(plain)).then_some(text)
}

/// The names of a folder's JSON files, in order; none if there is no folder.
fn listed(folder: &Path) -> Result<Vec<String>, Failure> {
    let shown = folder.display();
    let cannot = |e: std::io::Error| Failure::usage(format!("{shown}: cannot be listed: {e}"));
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(cannot)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".json") {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Why a file is not a result that can be used.
enum Unusable {
    /// It is of an older layout.
    Older(String),
    /// It cannot be read, or is something else.
    Broken(String),
}

impl Unusable {
    fn told(self, way: &str) -> Failure {
        let (Self::Older(message) | Self::Broken(message)) = self;
        Failure::usage(message + way)
    }
}

/// A result of this layout.
fn read(path: &Path) -> Result<BenchRecord, Unusable> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|e| Unusable::Broken(format!("{shown}: cannot be read: {e}; name a result of `starling bench`")))?;
    let wrong = |e: &dyn std::fmt::Display| {
        Unusable::Broken(format!("{shown}: is not a result of `starling bench`: {e}; name another"))
    };
    let value: Value = serde_json::from_str(&text).map_err(|e| wrong(&e))?;
    match value["schema"].as_u64() {
        Some(version) if version < u64::from(SCHEMA) => {
            let message = format!("{shown}: has layout {version}, this program reads {SCHEMA}; measure again");
            Err(Unusable::Older(message))
        }
        _ => serde_json::from_value(value).map_err(|e| wrong(&e)),
    }
}

/// Give a run a name to compare with.
#[derive(Debug, Args)]
pub(super) struct Baseline {
    /// The name.
    name: String,
    /// The run: a result, or a file of `DIR/runs`. Default: the latest.
    run: Option<PathBuf>,
    /// The folder of the runs.
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
}

impl Baseline {
    pub(super) fn run(self, json: bool) -> Result<(), Failure> {
        let name = word(&self.name).ok_or_else(|| {
            let message = "a name is made of letters, digits, `-`, `_` and `.`, and does not begin with a dot";
            Failure::usage(format!("`{}`: {message}", self.name))
        })?;
        let path = match self.run {
            None => self.out.join("bench.json"),
            Some(path) if path.is_file() => path,
            Some(path) => self.out.join("runs").join(path),
        };
        let record = read(&path).map_err(|fault| fault.told(""))?;
        let folder = self.out.join("baselines");
        output::folder(&folder)?;
        let text = serde_json::to_string(&record).map_err(Failure::run)?;
        let file = folder.join(format!("{name}.json"));
        output::write_whole(&file, text.as_bytes())?;
        if json {
            return put(
                json!({ "name": name, "run": path, "file": file, "date": record.date, "commit": record.commit }),
            );
        }
        say(format_args!("{name}: the {} run of {}, commit {}", record.subject.name(), record.date, record.commit));
        Ok(())
    }
}

/// Write the report of a result again.
#[derive(Debug, Args)]
pub(super) struct Report {
    /// The `bench.json` of a measurement, or a file of `runs/`.
    record: PathBuf,
    /// Folder for `bench.html`, `bench.md` and its charts. Default: that of `bench.json`; for any other file, one of its
    /// name beside it.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What to compare with, besides the run before: a result, or a name that `starling bench baseline` gave.
    #[arg(long, value_name = "FILE|NAME")]
    baseline: Option<String>,
    #[command(flatten)]
    prices: Prices,
}

impl Report {
    pub(super) fn run(self, json: bool) -> Result<(), Failure> {
        self.prices.refuse(
            "a result is told with the prices that it was measured and judged with; measure again with \
             `starling bench swarm --prices FILE`",
        )?;
        let record = read(&self.record).map_err(|fault| fault.told(""))?;
        let folder = self.record.parent().map(PathBuf::from).unwrap_or_default();
        // A run of the ledger is among its like; a latest result stands beside them.
        let among = folder.file_name().is_some_and(|name| name == "runs");
        let home = if among { folder.parent().map(PathBuf::from).unwrap_or_default() } else { folder.clone() };
        let runs = Runs::open(&home)?;
        let baseline = self.baseline.as_deref().map(|said| runs.baseline(said)).transpose()?;
        let out = match self.out {
            Some(out) => out,
            None if self.record.file_name().is_some_and(|name| name == "bench.json") => folder,
            None => self.record.with_extension(""),
        };
        let page = Desk { runs, baseline }.report(&record, &out)?;
        let markdown = page.with_extension("md");
        if json {
            let judged = record.benchmarks.iter().filter(|b| b.pass.is_some()).count();
            let failed = record.benchmarks.iter().filter(|b| b.fails()).count();
            return put(json!({ "report": page, "markdown": markdown, "judged": judged, "failed": failed }));
        }
        say(format_args!("{} and {}", page.display(), markdown.display()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_sittings_are_as_old_as_the_first_and_as_disturbed_as_the_busiest() {
        let date = "2026-01-02 03:04:05 UTC".to_owned();
        // No machine is as busy.
        let load = Some([9_000.0, 9_001.0]);
        let earlier = Circumstances { date: date.clone(), load, seconds: 1_000.0 };
        let found = Sitting::after(Some(earlier)).so_far();
        assert_eq!((&found.date, found.load), (&date, load));
        assert!((1_000.0..2_000.0).contains(&found.seconds), "{found:?}");
        let alone = Sitting::begin().so_far();
        assert!(alone.date > date && alone.seconds < 1_000.0, "{alone:?}");
    }
}
