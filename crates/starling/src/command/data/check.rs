//! `starling data check`: every fault of market data, counted, with the first place of each.
//!
//! Two readers look at it. The decoder judges rows as a run would, and knows their lines; the quality checker sees the
//! events made of them, and what rows alone do not show: gaps, outliers, prices that stand still.

use clap::Args;
use serde::Serialize;
use starling_core::UnixNanos;
use starling_lab::data::{self, DataError, DataSpec, FaultCounts, Policy, SourceReport};
use starling_market::feed::BATCH_MAX;
use starling_market::quality::{self, Checker, FAULTS, Fault, Settings, Skew};

use super::table::{Source, Table};
use super::{Alone, moment, range};
use crate::command::output;
use crate::terminal::{Failure, Progress, put, say};

/// Daily bars pause over a weekend, and over one that a holiday makes longer; more is a gap.
const GAP_DAILY_PERCENT: u32 = 450;

/// Count every fault of a file, or of all the data of a configuration. Exit code 0: a run would take it as it is;
/// 1: it has faults that a run refuses; 2: it cannot be read.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    source: Source,
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
enum Effect {
    /// It stops.
    Refuse,
    /// It leaves the row out.
    Drop,
    /// It takes the row as it is, because the table says so.
    Accept,
    /// It has no opinion.
    Note,
}

impl Effect {
    fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Drop => "drop",
            Self::Accept => "accept",
            Self::Note => "note",
        }
    }
}

/// A fault that was found.
#[derive(Debug, Serialize)]
struct Finding {
    fault: &'static str,
    effect: Effect,
    count: u64,
    meaning: &'static str,
    /// The first place, with its line and the way out, where rows have the fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<String>,
    /// Stamps of the first events that have it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    at: Vec<UnixNanos>,
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
        self.faults.iter().any(|f| f.effect == Effect::Refuse)
    }

    fn show(&self) {
        let rows: u64 = self.sources.iter().map(|s| s.counts.rows).sum();
        let [rows, events] = [rows, self.events].map(output::grouped);
        say(format_args!("{}: {rows} rows, {events} events, {}", self.table, range(&self.sources)));
        let wide = self.faults.iter().map(|f| f.fault.len()).max().unwrap_or(0);
        let counts = self.faults.iter().map(|f| output::grouped(f.count).len()).max().unwrap_or(0);
        for f in &self.faults {
            let count = output::grouped(f.count);
            let place = f.first.clone().unwrap_or_else(|| {
                let stamps: Vec<String> = f.at.iter().map(|ts| moment(*ts)).collect();
                let more = if f.count > f.at.len() as u64 { ", ..." } else { "" };
                format!("{} (at {}{more})", f.meaning, stamps.join(", "))
            });
            say(format_args!("  {:<6}  {:<wide$}  {count:>counts$}  {place}", f.effect.name(), f.fault));
        }
        if let Some(skew) = &self.skew {
            let [least, median, most] = [skew.min_ns, skew.median_ns, skew.max_ns].map(|ns| ns as f64 / 1e6);
            let (negative, drift) = (output::grouped(skew.negative), skew.drift_ns_per_s / 1e3);
            say(format_args!(
                "  receipt minus origin: {least:.3} ms to {most:.3} ms, median {median:.3} ms; {negative} received \
                 before they happened; drift {drift:.3} us a second"
            ));
        }
        match self.faults.is_empty() {
            true => say("  clean"),
            false if self.refused() => self.notes.iter().for_each(|note| say(format_args!("  note: {note}"))),
            false => {}
        }
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
fn settings(spec: &DataSpec) -> Settings {
    let policies = FAULTS.iter().map(|row| (row.fault, quality::Policy::AcceptAndCount)).collect();
    let interval = spec.interval.as_deref().or_else(|| spec.series.as_deref()?.split_whitespace().next());
    let mut settings = Settings { policies, ..Settings::default() };
    if interval.is_some_and(|interval| interval.ends_with('d')) {
        settings.gap_bar_percent = GAP_DAILY_PERCENT;
    }
    settings
}

fn check(table: &Table, progress: &Progress) -> Result<Checked, Failure> {
    let mut checker = Checker::new(settings(&table.spec));
    let lenient = table.spec.clone().with_policy(Policy::Accept);
    let mut feed =
        data::open(&lenient, &table.search, &mut Alone { tick: table.tick }).map_err(|e| super::failure(&e))?;
    let mut events = Vec::with_capacity(BATCH_MAX);
    let mut seen = 0;
    let sources = loop {
        events.clear();
        feed.read(&mut events).map_err(|e| super::failure(&e))?;
        let Some(last) = events.last() else { break feed.sources() };
        seen += events.len() as u64;
        if progress.tell(seen, last.ts()).is_break() {
            return Err(Failure::run(format!("interrupted after {seen} events, at {}", last.ts())));
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
        let at = found.first.iter().map(|place| place.ts).collect();
        let row = found.fault.row();
        let (fault, meaning) = (row.name, row.doc);
        faults.push(Finding { fault, effect: Effect::Note, count: found.count, meaning, first: None, at });
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
        if self.source.path().is_file()
            && data::frames::is_frames(self.source.path()).map_err(|e| super::failure(&e))?
        {
            return super::frames::check(self.source.path(), json);
        }
        let tables = self.source.all()?;
        let progress = Progress::start(json);
        let (mut done, mut failures) = (Vec::new(), Vec::new());
        for table in &tables {
            match check(table, &progress) {
                Ok(checked) => done.push(checked),
                Err(failure) if failure.code == 1 => return Err(failure),
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
        match (refused, done.len()) {
            (0, _) => Ok(()),
            (_, 1) => Err(Failure::run("the data has faults that a run refuses")),
            (n, all) => Err(Failure::run(format!("{n} of {all} data tables have faults that a run refuses"))),
        }
    }
}
