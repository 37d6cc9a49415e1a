//! `starling backtest CONFIG`: a configuration over its data, to numbers, a journal and a report.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use starling_core::journal::MAGIC;
use starling_lab::bench::order_cost_curve;
use starling_lab::config::{Config, ConfigFault, ConfigFaults};
use starling_lab::run::{Run, RunError};
use starling_lab::swarm::SwarmError;
use starling_lab::tearsheet::RunRecord;
use starling_sim::backtest::BacktestError;

use super::draft::Draft;
use super::output;
use crate::swarm::{self, Service};
use crate::terminal::{Failure, Progress, put, say};

/// The commit this was built from, as `build.rs` found it.
pub(crate) const COMMIT: &str = match option_env!("STARLING_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// Run a configuration over its data.
#[derive(Debug, Args)]
pub(crate) struct Backtest {
    /// The configuration (TOML; `starling config schema` prints its schema).
    config: PathBuf,
    /// Folder for report and journal. Default: `out`; with --json neither is written, unless a folder is given.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where to write the journal. Default: `journal` in the output folder.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Folder in which relative data paths are looked up after the configuration's own.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Replace a value of the configuration, as in `--set data.path=bars.csv` or `--set strategies.0.fast=12`.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

/// A setting of the command line: what stands before the first `=`, and what behind it.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    let split = text.split_once('=').ok_or_else(|| format!("`{text}` must be KEY=VALUE, as in data.path=bars.csv"))?;
    Ok((split.0.trim().to_owned(), split.1.trim().to_owned()))
}

/// A configuration's text; a file that cannot be read is bad usage.
pub(crate) fn read_config(path: &Path, set: &[(String, String)]) -> Result<String, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|e| Failure::usage(format!("{}: the configuration cannot be read: {e}", path.display())))?;
    if set.is_empty() {
        return Ok(text);
    }
    let unplaced = |mut faults: ConfigFaults| {
        // The lines are those of the text as it became, which nobody sees.
        faults.0.iter_mut().for_each(|fault| fault.line = 0);
        config_failure(path, &faults)
    };
    let text = Config::with_values(&text, set).map_err(unplaced)?;
    Config::read(&text).map_err(unplaced)?;
    Ok(text)
}

/// Every fault of a configuration on a line of its own.
pub(crate) fn config_failure(path: &Path, faults: &ConfigFaults) -> Failure {
    let lines = faults.0.iter().map(|fault| match fault.line {
        0 => format!("{}: {fault}", path.display()),
        line if fault.path.is_empty() => format!("{}:{line}: {}", path.display(), fault.message),
        line => format!("{}:{line}: `{}`: {}", path.display(), fault.path, fault.message),
    });
    Failure::usage(lines.collect::<Vec<_>>().join("\n"))
}

/// The exit code tells bad input from a failed run.
pub(crate) fn run_failure(path: &Path, error: &RunError) -> Failure {
    match error {
        RunError::Config(faults) => config_failure(path, faults),
        RunError::Backtest(BacktestError::Interrupted { .. }) | RunError::Swarm(SwarmError::Interrupted { .. }) => {
            Failure::interrupted(error)
        }
        RunError::Backtest(BacktestError::Feed(cause)) => match cause.downcast_ref::<SwarmError>() {
            Some(SwarmError::Interrupted { .. }) => Failure::interrupted(error),
            Some(_) => Failure::run(error),
            None => Failure::usage(error),
        },
        RunError::Data(_) => Failure::usage(error),
        RunError::Table { table, field, cause } => {
            let place = format!("data[{table}].{field}");
            // A journal names no lines, and a configuration that was changed on the way has others.
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = Config::line(&text, &place).unwrap_or(0);
            config_failure(path, &ConfigFaults(vec![ConfigFault { line, path: place, message: cause.to_string() }]))
        }
        RunError::Engine(_) | RunError::Strategy(_) | RunError::Instruments(_) | RunError::Bars(_) => {
            Failure::usage(format!("{}: {error}", path.display()))
        }
        _ => Failure::run(error),
    }
}

/// Whether a journal may be written to `path`: over another one, but over nothing else, such as the configuration.
fn may_become_journal(path: &Path) -> Result<(), Failure> {
    let Ok(there) = fs::metadata(path) else { return Ok(()) };
    let why = match (there.is_dir(), there.is_file()) {
        (true, _) => "is a folder",
        (_, false) => "is no file",
        _ => {
            let mut head = [0; MAGIC.len()];
            let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
            if there.len() == 0 || (read.is_ok() && head == MAGIC) {
                return Ok(());
            }
            "is no journal, and would be replaced by one"
        }
    };
    Err(Failure::usage(format!("{}: {why}; give another file with --journal", path.display())))
}

/// A run from text to its outputs.
pub(crate) struct Job<'a> {
    /// What errors call the configuration.
    pub(crate) origin: &'a Path,
    /// Its text.
    pub(crate) text: String,
    /// Where data is looked up.
    pub(crate) search: Vec<PathBuf>,
    /// Where report and journal go.
    pub(crate) out: Option<PathBuf>,
    /// Where the journal goes, if elsewhere.
    pub(crate) journal: Option<PathBuf>,
    /// Whether the report shows what an order costs on this machine, which takes a moment to measure.
    pub(crate) measures_orders: bool,
    /// How its swarm is run; left out, as fast as it goes.
    pub(crate) service: Option<Service>,
}

impl Job<'_> {
    /// Runs it; gives the record and the page of the report.
    pub(crate) fn run(self, quiet: bool) -> Result<(RunRecord, Option<PathBuf>), Failure> {
        let run = Run::new(self.text, self.search).map_err(|faults| config_failure(self.origin, &faults))?;
        swarm::check(self.origin, run.config())?;
        run.find_data().map_err(|error| run_failure(self.origin, &error))?;
        let journal = self.journal.or_else(|| self.out.as_ref().map(|out| out.join("journal")));
        if let Some(path) = &journal {
            may_become_journal(path)?;
        }
        if let Some(out) = &self.out {
            output::folder(out)?;
        }
        let progress = match &self.service {
            // It has a table of its own.
            Some(service) => Progress::until(Arc::clone(&service.stop), true),
            None => Progress::start(quiet),
        };
        let run = match &run.config().swarm {
            None => run,
            Some(_) => {
                let service = self.service.unwrap_or_else(|| Service::new(run.config(), progress.flag()));
                run.convene(service.convene())
            }
        };
        let failed = |error: RunError| run_failure(self.origin, &error);
        let mut record = match &journal {
            None => run.execute_with(std::io::sink(), |n, ts| progress.tell(n, ts)).map_err(failed)?.record,
            Some(path) => {
                let (draft, file) = Draft::begin(path)?;
                match run.execute_with(file, |n, ts| progress.tell(n, ts)) {
                    Ok(outcome) => {
                        draft.finish(&outcome.journal)?;
                        outcome.record
                    }
                    Err(error) => {
                        draft.discard();
                        return Err(failed(error));
                    }
                }
            }
        };
        drop(progress);
        record.journal = journal.map(|path| path.display().to_string());
        if self.measures_orders {
            record.order_cost_curve = order_cost_curve().map_err(Failure::run)?;
        }
        record.machine = machine();
        record.commit = COMMIT.to_owned();
        record.created = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string();
        let page = self.out.as_deref().map(|out| output::reports(&record, out)).transpose()?;
        Ok((record, page))
    }
}

/// Processor and core count, as the report names the machine.
pub(crate) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores", model.unwrap_or("unknown processor"))
}

impl Backtest {
    /// Runs it and shows what came of it.
    pub(crate) fn run(self, json: bool) -> Result<(), Failure> {
        let text = read_config(&self.config, &self.set)?;
        let beside = self.config.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let search = std::iter::once(beside).chain(self.data_dir).collect();
        let out = self.out.or_else(|| (!json).then(|| PathBuf::from("out")));
        let (origin, journal) = (&*self.config, self.journal);
        let job = Job { origin, text, search, out, journal, measures_orders: false, service: None };
        let (record, page) = job.run(json)?;
        if json {
            return put(output::object(&record, page.as_deref()));
        }
        output::summary(&record);
        if let Some(page) = page {
            say(format_args!("  report {}", page.display()));
        }
        Ok(())
    }
}
