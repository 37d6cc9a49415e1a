//! `starling data check`: every fault of market data, counted, with the first place of each.
//!
//! Two readers look at it. The decoder judges rows as a run would, and knows their lines; the quality checker sees the
//! events made of them, and what rows alone do not show: gaps, outliers, prices that stand still.

use clap::Args;
use serde::Serialize;
use starling_core::UnixNanos;
use starling_core::time::{HOUR, MILLISECOND, MINUTE, SECOND};
use starling_lab::data::{self, DataError, DataSpec, FaultCounts, Policy, SourceReport};
use starling_market::feed::BATCH_MAX;
use starling_market::quality::{self, Checker, FAULTS, Fault, FaultCount, Settings, Skew};

use super::table::{Source, Table};
use super::{Alone, moment, range};
use crate::command::output;
use crate::terminal::{Failure, Progress, put, say};

/// Daily bars pause over a weekend, and over one that a holiday makes longer; more is a gap.
const GAP_DAILY_PERCENT: u32 = 450;

/// Count every fault of a file, of a store, or of all the data of a configuration. Exit code 0: a run would take it as it
/// is; 1: it has faults that a run refuses, or passes a threshold that was given; 2: it cannot be read.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    thresholds: Thresholds,
}

/// What the command line does not put up with.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Thresholds {
    /// Fail if a price moves by more than N robust standard deviations at once. Default: such moves are noted from 20 on.
    #[arg(long, value_name = "N", value_parser = sigmas)]
    outlier_sigma: Option<f64>,
    /// Fail if nothing comes for longer, as in 500ms, 30s, 5m or 2h. Default: pauses that are long for the stream are noted.
    #[arg(long, value_name = "TIME", value_parser = nanoseconds)]
    pub(super) silence: Option<u64>,
}

fn sigmas(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| format!("`{text}` is no number of standard deviations: use one above 0, as in 12.5"))
}

fn nanoseconds(text: &str) -> Result<u64, String> {
    let error = || format!("`{text}` is no time: use a whole number with its unit, as in 500ms, 30s, 5m or 2h");
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?);
    let scale = match unit {
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return Err(error()),
    };
    digits.parse().ok().and_then(|count: u64| count.checked_mul(scale)).filter(|ns| *ns > 0).ok_or_else(error)
}

impl Thresholds {
    /// Puts them into what the checker looks for.
    fn set(self, settings: &mut Settings) {
        if let Some(most) = self.outlier_sigma {
            settings.outlier_sigmas = most;
        }
        if let Some(most) = self.silence {
            // Nothing else is a gap then.
            settings.gap_ns_max = Some(most);
            (settings.gap_bar_percent, settings.gap_tick_percent) = (u32::MAX, u32::MAX);
        }
    }

    /// Whether a fault is one that they rule out.
    fn rule_out(self, fault: Fault) -> bool {
        match fault {
            Fault::Outlier => self.outlier_sigma.is_some(),
            Fault::Gap => self.silence.is_some(),
            _ => false,
        }
    }
}

/// A fault that rows have: its name, how often it was found, what the table does about it, the events that show it too.
struct RowFault {
    name: &'static str,
    count: fn(&FaultCounts) -> u64,
    policy: fn(&mut DataSpec) -> &mut Policy,
    events: &'static [Fault],
}

const ROW_FAULTS: [RowFault; 6] = [
    RowFault { name: "unsorted", count: |c| c.unsorted, policy: |s| &mut s.on_unsorted, events: &[Fault::Unsorted] },
    RowFault {
        name: "duplicate",
        count: |c| c.duplicate,
        policy: |s| &mut s.on_duplicate,
        events: &[Fault::DuplicateBar, Fault::DuplicateTrade],
    },
    RowFault { name: "crossed", count: |c| c.crossed, policy: |s| &mut s.on_crossed, events: &[Fault::Crossed] },
    RowFault { name: "nan", count: |c| c.nan, policy: |s| &mut s.on_nan, events: &[] },
    RowFault {
        name: "negative",
        count: |c| c.negative,
        policy: |s| &mut s.on_negative,
        events: &[Fault::NonPositivePrice, Fault::NegativeSize],
    },
    RowFault { name: "ohlc", count: |c| c.ohlc, policy: |s| &mut s.on_ohlc, events: &[Fault::Ohlc] },
];

/// What a run does about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Effect {
    /// It stops.
    Refuse,
    /// It leaves the row out.
    Drop,
    /// It takes the row as it is, because the table says so.
    Accept,
    /// It has no opinion, but the command line has.
    Fail,
    /// It has no opinion.
    Note,
}

impl Effect {
    fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Drop => "drop",
            Self::Accept => "accept",
            Self::Fail => "fail",
            Self::Note => "note",
        }
    }
}

/// A fault that was found.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) fault: &'static str,
    pub(super) effect: Effect,
    pub(super) count: u64,
    pub(super) meaning: &'static str,
    /// The first place, with its line and the way out, where rows have the fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first: Option<String>,
    /// Stamps of the first events that have it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) at: Vec<UnixNanos>,
}

/// What was found in a table.
#[derive(Debug, Serialize)]
struct Checked {
    table: String,
    /// Handed to strategies.
    events: u64,
    faults: Vec<Finding>,
    /// From origin to receipt; none where the data has one stamp only, or rows out of order.
    #[serde(skip_serializing_if = "Option::is_none")]
    skew: Option<Skew>,
    sources: Vec<SourceReport>,
    #[serde(skip)]
    notes: Vec<String>,
}

impl Checked {
    fn refused(&self) -> bool {
        fails(&self.faults)
    }

    fn show(&self) {
        let rows: u64 = self.sources.iter().map(|s| s.counts.rows).sum();
        let [rows, events] = [rows, self.events].map(output::grouped);
        say(format_args!("{}: {rows} rows, {events} events, {}", self.table, range(&self.sources)));
        show_findings(&self.faults, self.skew.as_ref());
        match self.faults.is_empty() {
            true => say("  clean"),
            false if self.refused() => self.notes.iter().for_each(|note| say(format_args!("  note: {note}"))),
            false => {}
        }
    }
}

/// Whether a check with these findings has failed.
pub(super) fn fails(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| matches!(finding.effect, Effect::Refuse | Effect::Fail))
}

/// What a check says of a fault whose events it knows; a threshold that rules it out counts more than `effect`.
pub(super) fn finding(found: &FaultCount, effect: Effect, thresholds: Thresholds) -> Finding {
    let (row, ruled_out) = (found.fault.row(), thresholds.rule_out(found.fault));
    let at = found.first.iter().map(|place| place.ts).collect();
    let effect = if ruled_out { Effect::Fail } else { effect };
    Finding { fault: row.name, effect, count: found.count, meaning: row.doc, first: None, at }
}

/// A line for each finding, and one for how long things took.
pub(super) fn show_findings(findings: &[Finding], skew: Option<&Skew>) {
    let wide = findings.iter().map(|f| f.fault.len()).max().unwrap_or(0);
    let counts = findings.iter().map(|f| output::grouped(f.count).len()).max().unwrap_or(0);
    for f in findings {
        let count = output::grouped(f.count);
        let place = f.first.clone().unwrap_or_else(|| {
            let stamps: Vec<String> = f.at.iter().map(|ts| moment(*ts)).collect();
            let more = if f.count > f.at.len() as u64 { ", ..." } else { "" };
            format!("{} (at {}{more})", f.meaning, stamps.join(", "))
        });
        say(format_args!("  {:<6}  {:<wide$}  {count:>counts$}  {place}", f.effect.name(), f.fault));
    }
    if let Some(skew) = skew {
        let [least, median, most] = [skew.min_ns, skew.median_ns, skew.max_ns].map(|ns| ns as f64 / 1e6);
        let (negative, drift) = (output::grouped(skew.negative), skew.drift_ns_per_s / 1e3);
        say(format_args!(
            "  receipt minus origin: {least:.3} ms to {most:.3} ms, median {median:.3} ms; {negative} received \
             before they happened; drift {drift:.3} us a second"
        ));
    }
}

/// What a reader stops at that refuses what `spec` says.
fn first_error(table: &Table, spec: &DataSpec) -> Option<DataError> {
    let mut feed = data::open(spec, &table.search, &mut Alone { tick: table.tick }).ok()?;
    let mut events = Vec::with_capacity(BATCH_MAX);
    loop {
        events.clear();
        match feed.read(&mut events) {
            Err(error) => return Some(error),
            Ok(()) if events.is_empty() => return None,
            Ok(()) => {}
        }
    }
}

/// What the quality checker looks for: everything, and stops at nothing.
pub(super) fn settings(interval: Option<&str>, thresholds: Thresholds) -> Settings {
    let policies = FAULTS.iter().map(|row| (row.fault, quality::Policy::AcceptAndCount)).collect();
    let mut settings = Settings { policies, ..Settings::default() };
    if interval.is_some_and(|interval| interval.ends_with('d')) {
        settings.gap_bar_percent = GAP_DAILY_PERCENT;
    }
    thresholds.set(&mut settings);
    settings
}

fn check(table: &Table, thresholds: Thresholds, progress: &Progress) -> Result<Checked, Failure> {
    let spec = &table.spec;
    let interval = spec.interval.as_deref().or_else(|| spec.series.as_deref()?.split_whitespace().next());
    let mut checker = Checker::new(settings(interval, thresholds));
    let lenient = table.spec.clone().with_policy(Policy::Accept);
    let mut feed =
        data::open(&lenient, &table.search, &mut Alone { tick: table.tick }).map_err(|e| table.failure(&e))?;
    let mut events = Vec::with_capacity(BATCH_MAX);
    let mut seen = 0;
    let sources = loop {
        events.clear();
        feed.read(&mut events).map_err(|e| super::failure(&e))?;
        let Some(last) = events.last() else { break feed.sources() };
        seen += events.len() as u64;
        if progress.tell(seen, last.ts()).is_break() {
            return Err(Failure::interrupted(format!("interrupted after {seen} events, at {}", last.ts())));
        }
        for event in &events {
            // Every policy is to accept; what was found, the report tells.
            let _ = checker.check(event);
        }
    };
    let report = checker.report();
    let mut faults = Vec::new();
    for row in &ROW_FAULTS {
        let count = sources.iter().map(|s| (row.count)(&s.counts.accepted) + (row.count)(&s.counts.dropped)).sum();
        if count == 0 {
            continue;
        }
        let effect = match *(row.policy)(&mut table.spec.clone()) {
            Policy::Refuse => Effect::Refuse,
            Policy::Drop => Effect::Drop,
            Policy::Accept => Effect::Accept,
        };
        // The reader that refuses only this fault names its first place.
        let mut strict = lenient.clone();
        *(row.policy)(&mut strict) = Policy::Refuse;
        let first = first_error(table, &strict).map(|error| error.to_string());
        let meaning = row.events.first().map_or("No number where one belongs.", |fault| fault.row().doc);
        faults.push(Finding { fault: row.name, effect, count, meaning, first, at: Vec::new() });
    }
    for found in &report.faults {
        let of_rows = ROW_FAULTS.iter().find(|row| row.events.contains(&found.fault));
        if of_rows.is_some_and(|row| faults.iter().any(|f| f.fault == row.name)) {
            continue;
        }
        faults.push(finding(found, Effect::Note, thresholds));
    }
    let (name, notes) = (table.name.clone(), table.notes.clone());
    // One stamp for both is no measurement; and rows out of order are handed on at a stamp that is not their own.
    let own_stamps = sources.iter().all(|s| s.counts.accepted.unsorted == 0);
    let skew = report.skew.filter(|skew| own_stamps && (skew.min_ns, skew.max_ns) != (0, 0));
    Ok(Checked { table: name, events: report.events, faults, skew, sources, notes })
}

impl Check {
    /// Checks all tables; one that cannot be read does not hide the next.
    pub(super) fn run(self, json: bool) -> Result<(), Failure> {
        let path = self.source.path();
        if path.is_dir() {
            return super::store::check(path, self.thresholds, json);
        }
        if path.is_file() && super::is_recording(path)? {
            return super::frames::check(path, self.thresholds.silence, json);
        }
        let tables = self.source.all()?;
        let progress = Progress::start(json);
        let (mut done, mut failures) = (Vec::new(), Vec::new());
        for table in &tables {
            match check(table, self.thresholds, &progress) {
                Ok(checked) => done.push(checked),
                Err(failure) if failure.code == 130 => return Err(failure),
                Err(failure) => failures.push(failure.message),
            }
        }
        drop(progress);
        if !json {
            done.iter().for_each(Checked::show);
        }
        if !failures.is_empty() {
            return Err(Failure::usage(failures.join("\n")));
        }
        let refused = done.iter().filter(|checked| checked.refused()).count();
        if json {
            put(serde_json::json!({ "clean": refused == 0, "tables": done }))?;
        }
        let ruled_out = done.iter().flat_map(|checked| &checked.faults).any(|f| f.effect == Effect::Fail);
        let what =
            if ruled_out { "faults that a run refuses or a threshold rules out" } else { "faults that a run refuses" };
        match (refused, done.len()) {
            (0, _) => Ok(()),
            (_, 1) => Err(Failure::run(format!("the data has {what}"))),
            (n, all) => Err(Failure::run(format!("{n} of {all} data tables have {what}"))),
        }
    }
}
