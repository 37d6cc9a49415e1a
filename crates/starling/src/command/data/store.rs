//! Stores on the command line: filled, looked at, checked, and written out in part.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;
use starling_core::time::{DAY, HOUR, MINUTE, SECOND};
use starling_core::{BarSeriesId, InstrumentId, UnixNanos};
use starling_lab::data::frames::open_frames;
use starling_lab::data::store::{
    Existing, Normalising, PartCheck, ScanFeed, Store, StoreImport, StoreKind, import_frames, import_orders,
    import_to_store,
};
use starling_lab::data::{DataError, DataSpec, DbnOptions, open_dbn, write_feed};
use starling_market::dbn::Schema;
use starling_market::quality::{Fault, PLACES_MAX, Policy};
use starling_market::wire::{FEEDS, Feed};

use super::check::{Effect, Finding, Thresholds, fails, finding, settings, show_findings};
use super::{Alone, Import, failure, is_recording, moment, show_sources};
use crate::command::output;
use crate::terminal::{Failure, Progress, put, say};

/// What becomes of a day that the store has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Days {
    /// It stays, and the import stops.
    Refuse,
    /// It is replaced.
    Replace,
    /// Both are kept in order of receipt, rows that both have once.
    Merge,
}

/// What DBN wants said, when it is written.
#[derive(Debug, Args)]
pub(super) struct DbnArguments {
    /// Sizes are multiplied by this for DBN, whose sizes are whole numbers.
    #[arg(long, value_name = "N", default_value_t = 1)]
    dbn_size_scale: u32,
    /// The dataset that a DBN file names.
    #[arg(long, value_name = "NAME", default_value = "STARLING")]
    dbn_dataset: String,
}

/// The length of bars in nanoseconds, where DBN has a schema for it.
fn interval_ns(text: &str) -> u64 {
    match text {
        "1s" => SECOND,
        "1m" => MINUTE,
        "1h" => HOUR,
        "1d" => DAY,
        _ => 0,
    }
}

impl DbnArguments {
    fn of(&self, instrument: &str, interval: &str) -> DbnOptions {
        DbnOptions {
            dataset: self.dbn_dataset.clone(),
            symbol: instrument.to_owned(),
            size_scale: self.dbn_size_scale,
            interval_ns: interval_ns(interval),
            ..DbnOptions::default()
        }
    }

    /// For the events of a table.
    pub(super) fn options(&self, spec: &DataSpec) -> DbnOptions {
        let interval = spec.series.as_deref().and_then(|series| series.split_whitespace().next()).unwrap_or_default();
        self.of(&spec.instrument, interval)
    }
}

/// Fills a store.
pub(super) fn import(import: &Import, json: bool) -> Result<(), Failure> {
    let existing = match import.existing {
        Days::Refuse => Existing::Refuse,
        Days::Replace => Existing::Replace,
        Days::Merge => Existing::Merge,
    };
    let store = Store::new(&import.to);
    let told = |error: &DataError| match error {
        DataError::Exists { path, .. } => Failure::usage(format!(
            "`{path}` is there already; say --existing merge to keep both, or --existing replace"
        )),
        error => failure(error),
    };
    let source = import.source.path();
    if source.is_file() && is_recording(source)? {
        return import_recording(import, &store, existing, json, &told);
    }
    let orders =
        is_dbn(source) && open_dbn(source).is_ok_and(|f| f.metadata().and_then(|m| m.schema) == Some(Schema::Mbo));
    let done = if orders {
        let progress = Progress::start(json);
        let mut tell = |rows, ts| progress.tell(rows, ts);
        import_orders(source, &store, existing, &mut tell).map_err(|error| told(&error))?
    } else {
        let table = import.source.one()?;
        if table.spec.instrument == "SYMBOL.VENUE" {
            return Err(Failure::usage(format!(
                "{}: a store keeps each instrument apart; name it, as in --instrument BTC/USDT.BINANCE",
                source.display()
            )));
        }
        let progress = Progress::start(json);
        let mut tell = |rows, ts| progress.tell(rows, ts);
        let mut names = Alone { tick: table.tick };
        let done = import_to_store(&table.spec, &table.search, &mut names, &store, existing, &mut tell);
        drop(progress);
        done.map_err(|error| match error {
            DataError::Exists { .. } => told(&error),
            error => table.failure(&error),
        })?
    };
    if json {
        return put(serde_json::to_string(&done).expect("a report is plain data"));
    }
    show(&import.to, &done);
    Ok(())
}

/// Decodes a recording into a store.
fn import_recording(
    import: &Import,
    store: &Store,
    existing: Existing,
    json: bool,
    told: &dyn Fn(&DataError) -> Failure,
) -> Result<(), Failure> {
    let source = import.source.path();
    let recorded = open_frames(source).map_err(|error| failure(&error))?.header().session.venue.clone();
    let name = import.feed.as_deref().unwrap_or(&recorded);
    let feed = Feed::named(name).ok_or_else(|| {
        let known: Vec<&str> = FEEDS.iter().map(|feed| feed.name).collect();
        Failure::usage(format!(
            "{}: `{name}` is no feed; name what decodes it with --feed, one of {}",
            source.display(),
            known.join(", ")
        ))
    })?;
    let venue = import.venue.clone().unwrap_or_else(|| {
        let venue = feed.name.split_once('-').map_or(feed.name, |(venue, _)| venue);
        venue.to_ascii_uppercase()
    });
    let progress = Progress::start(json);
    let mut tell = |frames, ts| progress.tell(frames, ts);
    let done = import_frames(source, Normalising { feed, venue: &venue, existing }, store, &mut tell);
    drop(progress);
    let (done, frames) = done.map_err(|error| told(&error))?;
    if json {
        return put(
            serde_json::json!({ "rows": done.rows, "written": serde_json::json!(done)["written"], "frames": frames }),
        );
    }
    show(&import.to, &done);
    if let Some((place, why)) = &frames.first_refused {
        let (refused, all) = (output::grouped(frames.refused), output::grouped(frames.frames));
        say(format_args!("{refused} of {all} frames could not be decoded; the first is {place}: {why}"));
    }
    if frames.unnamed > 0 {
        let unnamed = output::grouped(frames.unnamed);
        say(format_args!("{unnamed} books were of an instrument that nothing names, and are left out"));
    }
    Ok(())
}

fn is_dbn(path: &Path) -> bool {
    path.to_string_lossy().contains(".dbn")
}

fn show(to: &Path, done: &StoreImport) {
    let days = done.written.len();
    say(format_args!("{}: {} rows, {days} day files", to.display(), output::grouped(done.rows)));
    for day in &done.written {
        let kept =
            if day.kept > 0 { format!(", {} of them there before", output::grouped(day.kept)) } else { String::new() };
        say(format_args!("  {}: {} rows{kept}", day.path.display(), output::grouped(day.rows)));
    }
    show_sources(&done.sources);
}

/// What a store holds.
pub(super) fn inspect(folder: &Path, json: bool) -> Result<(), Failure> {
    let store = Store::new(folder);
    let fail = |error: DataError| failure(&error);
    let mut found = Vec::new();
    for kind in store.kinds().map_err(fail)? {
        for instrument in store.instruments(&kind).map_err(fail)? {
            let days = store.days(&kind, &instrument).map_err(fail)?;
            if let (Some(first), Some(last)) = (days.first(), days.last()) {
                found.push((kind.folder(), instrument, days.len(), *first, *last));
            }
        }
    }
    if found.is_empty() {
        return Err(no_store(folder));
    }
    if json {
        let object = |(kind, instrument, days, first, last): &(String, String, usize, UnixNanos, UnixNanos)| {
            serde_json::json!({ "kind": kind, "instrument": instrument, "days": days,
                "first": moment(*first), "last": moment(*last) })
        };
        return put(serde_json::json!({ "store": found.iter().map(object).collect::<Vec<_>>() }));
    }
    let wide = found.iter().map(|(kind, ..)| kind.len()).max().unwrap_or(0);
    for (kind, instrument, days, first, last) in &found {
        say(format_args!("{kind:<wide$}  {instrument}  {days} days, {} to {}", moment(*first), moment(*last)));
    }
    Ok(())
}

/// What was found in a part of a store.
#[derive(Serialize)]
struct Checked {
    #[serde(flatten)]
    part: PartCheck,
    findings: Vec<Finding>,
}

/// What a check says of a part.
fn findings(part: &PartCheck, thresholds: Thresholds) -> Vec<Finding> {
    let effect = |fault: Fault| match fault.row().default {
        Policy::Refuse => Effect::Refuse,
        Policy::DropAndCount => Effect::Drop,
        Policy::AcceptAndCount => Effect::Note,
    };
    let mut findings: Vec<Finding> =
        part.report.faults.iter().map(|found| finding(found, effect(found.fault), thresholds)).collect();
    if !part.missing.is_empty() {
        findings.push(Finding {
            fault: "missing_day",
            effect: Effect::Note,
            count: part.missing.len() as u64,
            meaning: "No file of a day between the first and the last.",
            first: None,
            at: part.missing.iter().copied().take(PLACES_MAX).collect(),
        });
    }
    findings
}

/// Checks every kind of every instrument of a store; a part that cannot be read does not hide the next.
pub(super) fn check(folder: &Path, thresholds: Thresholds, json: bool) -> Result<(), Failure> {
    let store = Store::new(folder);
    let fail = |error: DataError| failure(&error);
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    let progress = Progress::start(json);
    let mut tell = |rows, ts| progress.tell(rows, ts);
    for kind in store.kinds().map_err(fail)? {
        let interval = if let StoreKind::Bars(interval) = &kind { Some(interval.as_str()) } else { None };
        for instrument in store.instruments(&kind).map_err(fail)? {
            match store.check(&kind, &instrument, settings(interval, thresholds), &mut tell) {
                Ok(part) => done.push(Checked { findings: findings(&part, thresholds), part }),
                Err(error @ DataError::Interrupted { .. }) => return Err(failure(&error)),
                Err(error) => failures.push(failure(&error).message),
            }
        }
    }
    drop(progress);
    if done.is_empty() && failures.is_empty() {
        return Err(no_store(folder));
    }
    if !json {
        for Checked { part, findings } in &done {
            let [rows, days] = [part.report.events, part.days as u64].map(output::grouped);
            let ends = [part.first, part.last].map(|ts| ts.map_or_else(|| "-".to_owned(), moment));
            let (kind, instrument) = (&part.kind, &part.instrument);
            say(format_args!("{kind} {instrument}: {rows} rows in {days} days, {} to {}", ends[0], ends[1]));
            show_findings(findings, part.report.skew.as_ref());
            if findings.is_empty() {
                say(format_args!("  clean"));
            }
        }
    }
    if !failures.is_empty() {
        return Err(Failure::usage(failures.join("\n")));
    }
    let failed = done.iter().filter(|checked| fails(&checked.findings)).count();
    if json {
        put(serde_json::json!({ "clean": failed == 0, "parts": done }))?;
    }
    match failed {
        0 => Ok(()),
        n => Err(Failure::run(format!(
            "{n} of {} parts have faults that a run refuses or a threshold rules out",
            done.len()
        ))),
    }
}

/// Write a part of a store to a file.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The folder of the store.
    store: PathBuf,
    /// The file to write: its name ends in .parquet, .arrow, .dbn, .dbn.zst, .csv, .csv.gz or .csv.zst.
    to: PathBuf,
    /// What to write: quotes, trades, or bars of a length, as in bars-1m. Default: the only kind there is.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Of which instrument. Default: the only one there is.
    #[arg(long, value_name = "NAME")]
    instrument: Option<String>,
    /// From this date or moment on, in UTC.
    #[arg(long, value_name = "TIME", value_parser = moment_of)]
    from: Option<UnixNanos>,
    /// Before this date or moment, in UTC.
    #[arg(long, value_name = "TIME", value_parser = moment_of)]
    until: Option<UnixNanos>,
    #[command(flatten)]
    dbn: DbnArguments,
}

fn moment_of(text: &str) -> Result<UnixNanos, String> {
    let parsed = text.parse::<jiff::Timestamp>().or_else(|_| {
        let date = text.parse::<jiff::civil::Date>()?;
        date.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp())
    });
    let nanos = parsed.ok().and_then(|stamp| u64::try_from(stamp.as_nanosecond()).ok());
    nanos.map(UnixNanos::new).ok_or_else(|| "is no date as 2024-08-08 or moment as 2024-08-08T12:00:00Z".to_owned())
}

/// The one that is named, or the only one.
fn only(what: &str, named: Option<&str>, there: Vec<String>) -> Result<String, Failure> {
    let list = there.join(", ");
    match (named, &there[..]) {
        (Some(name), _) if there.iter().any(|n| n == name) => Ok(name.to_owned()),
        (Some(name), _) => Err(Failure::usage(format!("the store has no {what} {name}; it has {list}"))),
        (None, [one]) => Ok(one.clone()),
        (None, []) => Err(Failure::usage(format!("the store has no {what}"))),
        (None, _) => Err(Failure::usage(format!("the store has several ({list}); choose one with --{what}"))),
    }
}

/// A folder without any kind of data.
fn no_store(folder: &Path) -> Failure {
    let folder = folder.display();
    Failure::usage(format!("{folder}: is no store; `starling data import FILE {folder}` makes one"))
}

impl Export {
    /// Of a range that holds nothing.
    fn no_rows(&self, store: &Store, kind: &StoreKind, instrument: &str) -> Failure {
        let days = store.days(kind, instrument).unwrap_or_default();
        let ends = [days.first(), days.last()].map(|day| day.map_or_else(|| "-".to_owned(), |day| moment(*day)));
        let (folder, kind) = (self.store.display(), kind.folder());
        let [first, last] = ends;
        Failure::usage(format!(
            "{folder}: has no {kind} of {instrument} in this range, but of the days {first} to {last}; change --from and \
             --until"
        ))
    }

    pub(super) fn run(self, json: bool) -> Result<(), Failure> {
        let store = Store::new(&self.store);
        let fail = |error: DataError| failure(&error);
        let kinds: Vec<String> = store.kinds().map_err(fail)?.iter().map(StoreKind::folder).collect();
        if kinds.is_empty() {
            return Err(no_store(&self.store));
        }
        let kind = only("kind", self.kind.as_deref(), kinds)?;
        let kind = StoreKind::of_folder(&kind).expect("a kind of the store");
        if kind == StoreKind::Deltas {
            let way = "read their Parquet files as they are";
            return Err(Failure::usage(format!("deltas are no events of a run and are not exported; {way}")));
        }
        let named = self.instrument.as_ref().map(|name| name.replace('/', "-"));
        let instrument = only("instrument", named.as_deref(), store.instruments(&kind).map_err(fail)?)?;
        let range = self.from.unwrap_or(UnixNanos::EPOCH)..self.until.unwrap_or(UnixNanos::MAX);
        let scan = store.scan(&kind, &instrument, range, &[]).map_err(fail)?;
        let mut feed = ScanFeed::new(scan, InstrumentId(0), BarSeriesId(0));
        let interval = if let StoreKind::Bars(interval) = &kind { interval.as_str() } else { "" };
        if let Some(folder) = self.to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            output::folder(folder)?;
        }
        let rows = write_feed(&mut feed, &self.to, &self.dbn.of(&instrument, interval));
        let rows = rows.map_err(|error| match error {
            DataError::Empty { .. } => self.no_rows(&store, &kind, &instrument),
            error => failure(&error),
        })?;
        let to = self.to.display().to_string();
        if json {
            let kind = kind.folder();
            return put(serde_json::json!({ "to": to, "rows": rows, "kind": kind, "instrument": instrument }));
        }
        say(format_args!("{to}: {} rows of {} {instrument}", output::grouped(rows), kind.folder()));
        Ok(())
    }
}
