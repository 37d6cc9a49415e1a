//! `starling data`: market data looked at, checked, converted, and a sample of it to start with.

mod check;
mod frames;
mod store;
mod table;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use starling_core::{BarSeriesId, InstrumentId, Price, UnixNanos};
use starling_lab::data::{self, DataError, Resolve, SourceReport};

use super::{demo, output, record};
use crate::terminal::{Failure, Progress, put, say};

/// Market data: look at a file, check it, convert it, or write a sample.
#[derive(Debug, Args)]
pub(crate) struct Data {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what a file seems to hold, and print a [[data]] table to start from.
    Inspect(Inspect),
    /// Count every fault of a file, or of all the data of a configuration.
    Check(check::Check),
    /// Write what a file or a [[data]] table holds to a store or a file, or captures of a connection to a frame file.
    Import(Box<Import>),
    /// Write a part of a store to a file.
    Export(store::Export),
    /// Make a frame file whole that a crash left.
    Recover(frames::Recover),
    /// Record what a venue sends, byte for byte.
    Record(record::Record),
    /// Write the bundled sample: daily prices of five US stocks, 2000 to 2013.
    Sample(Sample),
}

/// Look at a file.
#[derive(Debug, Args)]
struct Inspect {
    /// The file: CSV (also .gz, .zst, .zip, .tar), Parquet, Arrow, DBN, or frames; or the folder of a store.
    file: PathBuf,
}

/// Convert a file.
#[derive(Debug, Args)]
struct Import {
    #[command(flatten)]
    source: table::Source,
    /// Further captures of the same session, merged by their stamps; for .frames.
    #[arg(long = "with", value_name = "CAPTURE")]
    with: Vec<PathBuf>,
    /// The venue that a frame file names. Default: the capture's name up to its first dot.
    #[arg(long, value_name = "NAME")]
    venue: Option<String>,
    /// What decodes the frames of a recording that goes to a store, as in binance-spot. Default: the venue it names.
    #[arg(long, value_name = "FEED")]
    feed: Option<String>,
    /// What becomes of a day that the store has already.
    #[arg(long, value_enum, default_value_t = store::Days::Refuse)]
    existing: store::Days,
    #[command(flatten)]
    dbn: store::DbnArguments,
    /// What to write: a file whose name ends in .parquet, .arrow, .dbn, .dbn.zst, .csv, .csv.gz, .csv.zst or .frames; or
    /// the folder of a store.
    to: PathBuf,
}

/// Write the sample.
#[derive(Debug, Args)]
struct Sample {
    /// The folder to write it to.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

impl Data {
    /// Does it.
    pub(crate) fn run(self, json: bool) -> Result<(), Failure> {
        match self.action {
            Action::Inspect(inspect) => inspect.run(json),
            Action::Check(check) => check.run(json),
            Action::Import(import) => import.run(json),
            Action::Export(export) => export.run(json),
            Action::Recover(recover) => recover.run(json),
            Action::Record(record) => record.run(json),
            Action::Sample(sample) => sample.run(json),
        }
    }
}

/// One table alone: its instrument and series are the first, whatever their names.
struct Alone {
    tick: Price,
}

impl Resolve for Alone {
    fn instrument(&mut self, _: &str) -> Result<InstrumentId, String> {
        Ok(InstrumentId(0))
    }
    fn series(&mut self, _: InstrumentId, _: &str) -> Result<BarSeriesId, String> {
        Ok(BarSeriesId(0))
    }
    fn tick(&mut self, _: InstrumentId) -> Price {
        self.tick
    }
}

/// Data that cannot be read is bad input, but for what a person broke off.
fn failure(error: &DataError) -> Failure {
    match error {
        DataError::Interrupted { .. } => Failure::interrupted(error),
        DataError::Io { cause, .. } if cause.kind() == ErrorKind::NotFound => {
            Failure::usage(format!("{error}; check the name, and the folder you are in"))
        }
        _ => Failure::usage(error),
    }
}

/// Whether a file is a recording. One that is named as such and is none is an error: nothing else is meant.
fn is_recording(path: &Path) -> Result<bool, Failure> {
    let is = data::frames::is_frames(path).map_err(|error| failure(&error))?;
    let name = path.to_string_lossy();
    if !is && (name.ends_with(".frames") || name.ends_with(".frames.part")) {
        return Err(Failure::usage(format!("{name}: is no recording, as it does not begin like one; fetch it again")));
    }
    Ok(is)
}

/// From the first to the last stamp of some files, as dates where the time says nothing.
fn range(sources: &[SourceReport]) -> String {
    let first = sources.iter().filter_map(|s| s.first).min();
    let last = sources.iter().filter_map(|s| s.last).max();
    match (first, last) {
        (Some(first), Some(last)) => format!("{} to {}", moment(first), moment(last)),
        _ => "no rows used".to_owned(),
    }
}

/// A stamp, as a date where it is a midnight.
fn moment(ts: UnixNanos) -> String {
    let text = ts.to_string();
    match text.split_once('T') {
        Some((date, time)) if time.trim_end_matches('Z').chars().all(|c| matches!(c, '0' | ':' | '.')) => {
            date.to_owned()
        }
        _ => text,
    }
}

impl Inspect {
    fn run(self, json: bool) -> Result<(), Failure> {
        if self.file.is_dir() {
            return store::inspect(&self.file, json);
        }
        if is_recording(&self.file)? {
            return frames::inspect(&self.file, json);
        }
        let found = data::inspect(&self.file).map_err(|error| failure(&error))?;
        if json {
            return put(serde_json::to_string(&found).expect("an inspection is plain data"));
        }
        let header = if found.header { "with a header" } else { "without a header" };
        say(format_args!("{}: {}, {header}", found.text, found.format));
        let name = |c: &data::ColumnReport| if c.name.is_empty() { "-".to_owned() } else { c.name.clone() };
        let names = found.columns.iter().map(|c| name(c).chars().count()).max().unwrap_or(0).max("column".len());
        let meanings = found.columns.iter().map(|c| c.meaning.as_deref().map_or(1, str::len));
        let meanings = meanings.max().unwrap_or(0).max("taken for".len());
        say(format_args!("     {:<names$}  {:<meanings$}  first value", "column", "taken for"));
        for column in &found.columns {
            let meaning = column.meaning.as_deref().unwrap_or("-");
            say(format_args!("{:>3}  {:<names$}  {meaning:<meanings$}  {}", column.place, name(column), column.sample));
        }
        if let Some(read) = &found.read {
            let rows = output::grouped(read.counts.rows);
            say(format_args!("{rows} rows, {}", range(std::slice::from_ref(read))));
            let faults = read.counts.accepted.total() + read.counts.dropped.total();
            if faults > 0 {
                let file = self.file.display();
                say(format_args!("{} faults: `starling data check {file}` names them", output::grouped(faults)));
            }
        }
        if let Some(problem) = &found.problem {
            say(format_args!("problem: {problem}"));
        }
        for note in &found.notes {
            say(format_args!("note: {note}"));
        }
        if found.suggestion.is_empty() {
            return Ok(());
        }
        say("for the configuration (correct what was guessed wrong, SYMBOL.VENUE first):");
        put(found.suggestion.trim_end())
    }
}

impl Import {
    fn run(self: Box<Self>, json: bool) -> Result<(), Failure> {
        if self.to.extension().is_some_and(|ending| ending == "frames") {
            return frames::import(self, json);
        }
        if self.to.extension().is_none() || self.to.is_dir() {
            return store::import(&self, json);
        }
        let table = self.source.one()?;
        if let Some(folder) = self.to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            output::folder(folder)?;
        }
        let progress = Progress::start(json);
        let mut names = Alone { tick: table.tick };
        let mut tell = |rows, ts| progress.tell(rows, ts);
        let dbn = self.dbn.options(&table.spec);
        let done = data::import_as(&table.spec, &table.search, &mut names, &self.to, &dbn, &mut tell);
        drop(progress);
        let done = done.map_err(|error| table.failure(&error))?;
        let to = self.to.display().to_string();
        if json {
            let mut object = serde_json::to_value(&done).expect("a report is plain data");
            object["to"] = to.into();
            return put(object);
        }
        say(format_args!("{to}: {} rows, {}", output::grouped(done.rows), range(&done.sources)));
        show_sources(&done.sources);
        say(format_args!("  next: `starling data inspect {to}` prints the [[data]] table that reads it"));
        Ok(())
    }
}

/// What became of the rows of files.
fn show_sources(sources: &[SourceReport]) {
    for source in sources {
        let c = &source.counts;
        let left = [
            ("filtered", c.filtered),
            ("outside the range", c.outside),
            ("without a partner", c.unpaired),
            ("one-sided", c.one_sided),
            ("dropped as faulty", c.dropped.total()),
            ("faulty and kept", c.accepted.total()),
        ];
        let told = left.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!(", {} {what}", output::grouped(*n)));
        say(format_args!("  from {}: {} rows{}", source.path, output::grouped(c.rows), told.collect::<String>()));
    }
}

impl Sample {
    fn run(self, json: bool) -> Result<(), Failure> {
        output::folder(&self.folder)?;
        let path = self.folder.join(demo::STOCKS_NAME);
        output::write_whole(&path, demo::STOCKS)?;
        let shown = shown(&path);
        if json {
            return put(serde_json::json!({ "path": shown, "bytes": demo::STOCKS.len() }));
        }
        say(format_args!("{shown}: daily prices of AAPL, FB, GOOG, IBM and MSFT, 2000-03-01 to 2013-03-01"));
        say(format_args!("  next: `starling data inspect {shown}`"));
        Ok(())
    }
}

/// A path without the `./` that a default adds.
fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}
