//! Looking at a file nobody has described yet: its columns, what they seem to mean, and a `[[data]]` table to start from.
//!
//! Invariant: a guess is marked as one, and what is counted was read with that very table, every fault accepted.
//! Nothing here feeds a run.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use serde::Serialize;
use starling_core::{BarSeriesId, Event, InstrumentId, Price, UnixNanos};
use starling_market::csv::{Scanner, integer};
use starling_market::feed::{BATCH_MAX, Feed};

use super::decode::{recognise, required, usual_order};
use super::error::DataError;
use super::number::Exact;
use super::source::{Message, Source, plain_name};
use super::spec::{Column, DataSpec, DateFrom, FeedAs, Field, Format, Kind, OneSided, Policy, Stamp};
use super::stamp::{date_digits, date_in_name};
use super::table::{SourceReport, header_names, is_number};
use super::{Resolve, open};

/// Rows looked at before a guess is made.
pub const SAMPLE_ROWS: usize = 200;

/// A column of an inspected file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnReport {
    /// Its place, from 0.
    pub place: usize,
    /// Its name, empty without a header.
    pub name: String,
    /// The field it is taken for, if for one.
    pub meaning: Option<String>,
    /// Its first value.
    pub sample: String,
}

/// What a file seems to be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The file.
    pub path: String,
    /// `csv`, `parquet`, `arrow` or `dbn`.
    pub format: String,
    /// The way down to the text that was looked at, in an archive.
    pub text: String,
    /// Whether the first row names the columns.
    pub header: bool,
    /// The columns.
    pub columns: Vec<ColumnReport>,
    /// The kind it is taken for, if for one.
    pub kind: Option<Kind>,
    /// The `[[data]]` table that was guessed, to be copied and corrected; empty without a guess.
    pub suggestion: String,
    /// What reading the file with that table gave: rows, range and faults.
    pub read: Option<SourceReport>,
    /// Why it could not be read so.
    pub problem: Option<String>,
    /// What a person should look at.
    pub notes: Vec<String>,
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({})", self.text, self.format)?;
        for column in &self.columns {
            let meaning = column.meaning.as_deref().unwrap_or("-");
            writeln!(f, "  {:>3}  {:<20} {:<14} {}", column.place, column.name, meaning, column.sample)?;
        }
        if let Some(read) = &self.read {
            let show = |stamp: Option<UnixNanos>| stamp.map_or("-".to_owned(), |s| s.to_string());
            writeln!(f, "{} rows, {} to {}", read.counts.rows, show(read.first), show(read.last))?;
            writeln!(f, "faults: {}", serde_json::to_string(&read.counts.accepted).unwrap_or_default())?;
        }
        for line in self.problem.iter().chain(&self.notes) {
            writeln!(f, "note: {line}")?;
        }
        f.write_str(&self.suggestion)
    }
}

struct Anything;

impl Resolve for Anything {
    fn instrument(&mut self, _: &str) -> Result<InstrumentId, String> {
        Ok(InstrumentId(0))
    }
    fn series(&mut self, _: InstrumentId, _: &str) -> Result<BarSeriesId, String> {
        Ok(BarSeriesId(0))
    }
    fn tick(&mut self, _: InstrumentId) -> Price {
        Price::ZERO
    }
}

/// Looks at a file: reads its start to guess, then all of it with the guess.
pub fn inspect(path: &Path) -> Result<Inspection, DataError> {
    let name = path.display().to_string();
    let format = Format::of_name(&plain_name(&name));
    let sample = match format {
        Format::Csv => csv_sample(&name, path)?,
        Format::Dbn => return dbn_inspection(&name, path),
        format => columnar_sample(&name, path, format)?,
    };
    let mut inspection = Inspection {
        path: name.clone(),
        format: format.name().to_owned(),
        text: sample.source.clone(),
        header: sample.names.is_some(),
        columns: Vec::new(),
        kind: None,
        suggestion: String::new(),
        read: None,
        problem: None,
        notes: Vec::new(),
    };
    let guess = guess(&name, &sample, &mut inspection.notes);
    let meaning = |place: usize| guess.as_ref().and_then(|g| g.meaning(place)).map(|f| f.name().to_owned());
    for place in 0..sample.width() {
        let first = sample.rows.first().and_then(|r| r.get(place)).cloned().unwrap_or_default();
        let column = sample.names.as_ref().and_then(|n| n.get(place)).cloned().unwrap_or_default();
        inspection.columns.push(ColumnReport { place, name: column, meaning: meaning(place), sample: first });
    }
    let Some(guess) = guess else {
        inspection.problem = Some("no kind of market data is recognised; describe the columns by hand".into());
        return Ok(inspection);
    };
    // Several instruments in one file, one below the other, look like stamps that go back.
    let word = |c: &&ColumnReport| {
        let text = c.sample.as_str();
        c.meaning.is_none() && text.starts_with(|x: char| x.is_ascii_alphabetic()) && text.parse::<f64>().is_err()
    };
    if let Some(column) = inspection.columns.iter().find(word).filter(|_| inspection.header) {
        let (name, sample) = (key_of(&column.name), toml_of(&column.sample.as_str().into()));
        inspection.notes.push(format!(
            "if `{}` tells several instruments apart, choose one: where = {{ {name} = {sample} }}",
            column.name
        ));
    }
    inspection.kind = Some(guess.spec.kind);
    inspection.suggestion = suggestion(&guess.spec);
    match read_all(&guess.spec) {
        Ok(report) => inspection.read = report,
        Err(error) => inspection.problem = Some(error.to_string()),
    }
    Ok(inspection)
}

fn read_all(spec: &DataSpec) -> Result<Option<SourceReport>, DataError> {
    let mut feed = open(&spec.clone().with_policy(Policy::Accept), &[], &mut Anything)?;
    let mut events = Vec::with_capacity(BATCH_MAX);
    loop {
        events.clear();
        feed.read(&mut events)?;
        if events.is_empty() {
            return Ok(feed.sources().pop());
        }
    }
}

struct Sample {
    source: String,
    names: Option<Vec<String>>,
    rows: Vec<Vec<String>>,
}

impl Sample {
    fn width(&self) -> usize {
        self.names.as_ref().map(Vec::len).or_else(|| self.rows.first().map(Vec::len)).unwrap_or(0)
    }
    fn numbers(&self, place: usize) -> impl Iterator<Item = f64> + '_ {
        self.rows.iter().filter_map(move |row| row.get(place)?.parse().ok())
    }
}

fn csv_sample(name: &str, path: &Path) -> Result<Sample, DataError> {
    let mut source = Source::open(name, path, None)?;
    let mut scanner = Scanner::new(b',');
    let mut sample = Sample { source: name.to_owned(), names: None, rows: Vec::new() };
    let mut first = true;
    loop {
        match source.next() {
            Some(Message::Begin(text)) => sample.source = text,
            Some(Message::Bytes(bytes)) => scanner.push(&bytes),
            Some(Message::End) => scanner.finish(),
            Some(Message::Failed(error)) => return Err(error),
            None => return Err(DataError::Empty { source_name: name.to_owned() }),
        }
        let ended = {
            let fault = |cause| DataError::Csv { source_name: name.to_owned(), cause };
            while let Some(row) = scanner.next_row().map_err(fault)? {
                if std::mem::take(&mut first) && !row.iter().any(is_number) {
                    sample.names = Some(header_names(&row, name)?);
                } else if sample.rows.len() < SAMPLE_ROWS {
                    sample.rows.push(row.iter().map(|f| String::from_utf8_lossy(f).into_owned()).collect());
                }
                if sample.rows.len() == SAMPLE_ROWS {
                    break;
                }
            }
            scanner.is_finished() || sample.rows.len() == SAMPLE_ROWS
        };
        if ended {
            return if sample.rows.is_empty() {
                Err(DataError::Empty { source_name: sample.source })
            } else {
                Ok(sample)
            };
        }
    }
}

#[cfg(feature = "parquet")]
fn columnar_sample(name: &str, path: &Path, format: Format) -> Result<Sample, DataError> {
    let (names, rows) = match format {
        Format::Arrow => super::arrow::sample(name, path, SAMPLE_ROWS)?,
        _ => super::parquet::sample(name, path, SAMPLE_ROWS)?,
    };
    Ok(Sample { source: name.to_owned(), names: Some(names), rows })
}

#[cfg(not(feature = "parquet"))]
fn columnar_sample(name: &str, _: &Path, _: Format) -> Result<Sample, DataError> {
    Err(DataError::Unsupported {
        path: name.to_owned(),
        problem: "is Parquet or Arrow; build with the feature `parquet`".into(),
    })
}

/// A DBN file says what it is; nothing is guessed but the instrument that is meant.
fn dbn_inspection(name: &str, path: &Path) -> Result<Inspection, DataError> {
    let sample = super::dbn::sample(path, SAMPLE_ROWS)?;
    let mut inspection = Inspection {
        path: name.to_owned(),
        format: Format::Dbn.name().to_owned(),
        text: name.to_owned(),
        header: true,
        columns: Vec::new(),
        kind: None,
        suggestion: String::new(),
        read: None,
        problem: None,
        notes: Vec::new(),
    };
    let schema = sample.schema.map_or("mixed records", starling_market::dbn::Schema::name);
    if let Some(metadata) = &sample.metadata {
        let symbols = metadata.symbols.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
        let more = metadata.symbols.len().saturating_sub(8);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        inspection.notes.push(format!(
            "DBN version {}, dataset {}, schema {schema}, symbols {symbols}{more}",
            metadata.version, metadata.dataset
        ));
    } else {
        inspection.notes.push(format!("a DBN fragment without metadata, schema {schema}"));
    }
    let kind = sample.schema.and_then(super::dbn::kind_of);
    let used = kind.map(super::decode::fields_of).unwrap_or_default();
    let fields: Vec<(Field, usize)> = used
        .into_iter()
        .filter(|field| *field != Field::AdjustedClose)
        .filter_map(|field| recognise(field, &sample.names).map(|place| (field, place)))
        .collect();
    for (place, column) in sample.names.iter().enumerate() {
        let meaning = fields.iter().find(|(_, p)| *p == place).map(|(field, _)| field.name().to_owned());
        let first = sample.rows.first().map(|row| row[place].clone()).unwrap_or_default();
        inspection.columns.push(ColumnReport { place, name: column.clone(), meaning, sample: first });
    }
    let Some(kind) = kind else {
        let way = match sample.schema {
            Some(starling_market::dbn::Schema::Mbo) => {
                "; `starling data import` stores its orders as deltas, and kind = \"trades\" with \
                 where = { action = \"T\" } reads its trades"
            }
            _ => "",
        };
        inspection.problem = Some(format!("`{schema}` is no market data of a run{way}"));
        return Ok(inspection);
    };
    let symbol = sample.names.iter().position(|column| column == "symbol");
    let mut symbols: Vec<&str> =
        symbol.map_or_else(Vec::new, |at| sample.rows.iter().map(|r| r[at].as_str()).collect());
    symbols.sort_unstable();
    symbols.dedup();
    let mut spec = DataSpec::new(name, "SYMBOL.VENUE", kind);
    if let [first, _, ..] = symbols[..] {
        spec.filter.insert("symbol".into(), super::spec::Cell::Text(first.to_owned()));
        inspection.notes.push(format!("it holds several instruments ({}); `where` chooses one", symbols.join(", ")));
    }
    if let Some(interval) = sample.schema.and_then(super::dbn::interval_of) {
        spec.series = Some(format!("{interval} last external"));
        spec.stamp = Some(Stamp::Open);
    }
    inspection.kind = Some(kind);
    inspection.suggestion = suggestion(&spec);
    match read_all(&spec) {
        Ok(report) => inspection.read = report,
        Err(error) => inspection.problem = Some(error.to_string()),
    }
    Ok(inspection)
}

struct Guess {
    spec: DataSpec,
    places: Vec<(Field, usize)>,
}

impl Guess {
    fn meaning(&self, place: usize) -> Option<Field> {
        self.places.iter().find(|(_, p)| *p == place).map(|(f, _)| *f)
    }
}

fn guess(path: &str, sample: &Sample, notes: &mut Vec<String>) -> Option<Guess> {
    let (kind, places, given) = match &sample.names {
        Some(names) => {
            let kinds = [Kind::QuoteBars, Kind::Bars, Kind::Quotes, Kind::Trades, Kind::Funding];
            let found = |field: &Field| recognise(*field, names).map(|p| (*field, p));
            let kind = kinds.into_iter().find(|k| required(*k).iter().all(|f| found(f).is_some()))?;
            let used = super::decode::fields_of(kind);
            (kind, used.iter().filter(|f| **f != Field::AdjustedClose).filter_map(found).collect(), false)
        }
        None => by_shape(sample)?,
    };
    let mut spec = DataSpec::new(path, "SYMBOL.VENUE", kind);
    if given {
        for (field, place) in &places {
            spec.columns.set(*field, Column::Place(*place));
        }
    }
    // Bundles of LEAN hold several kinds side by side.
    if let Some((_, inner)) = sample.source.rsplit_once(" > ") {
        spec.member = ["_quote", "_trade"].iter().find(|w| inner.contains(**w)).map(|w| format!("*{w}*"));
    }
    let guess_place = |field: Field| places.iter().find(|(f, _)| *f == field).map(|(_, p)| *p);
    let ts = guess_place(Field::Ts)?;
    let stamps: Vec<&str> = sample.rows.iter().filter_map(|r| r.get(ts).map(String::as_str)).collect();
    let within_day = |s: &&str| integer(s.as_bytes()).is_some_and(|n| (0..=86_400_000).contains(&n));
    let is_date = |s: &&str| integer(s.as_bytes()).is_some_and(|n| date_digits(n).is_some());
    let dated = date_in_name(&sample.source).is_some();
    if dated && stamps.iter().all(within_day) && !stamps.iter().all(is_date) {
        spec.date_from = Some(DateFrom::FileName);
        notes.push("stamps count from midnight; add timezone if that is not the midnight of UTC".into());
    } else if let Some(first) =
        stamps.first().filter(|s| s.contains('/') && !s.starts_with("19") && !s.starts_with("20"))
    {
        let long = first.contains(':');
        spec.ts_format = Some(if long { "%m/%d/%Y %H:%M" } else { "%m/%d/%Y" }.into());
        notes.push("is the month or the day first? ts_format says month".into());
    }
    if matches!(kind, Kind::Bars | Kind::QuoteBars) {
        bar_terms(&mut spec, sample, &stamps, ts, notes);
    }
    let price = guess_place(required(kind)[1]).unwrap_or(0);
    let whole = |x: f64| x.fract() == 0.0 && x >= 10_000.0;
    let given_prices: Vec<f64> = sample.numbers(price).filter(|x| *x != 0.0).collect();
    if spec.date_from.is_some() && given_prices.iter().all(|x| whole(*x)) {
        spec.price_scale = Some(10_000);
        notes.push("prices are large whole numbers; price_scale = 10000 is how LEAN writes US equities".into());
    }
    if kind == Kind::Quotes {
        let ask = guess_place(Field::Ask)?;
        let zero = |place: usize| sample.numbers(place).any(|x| x == 0.0);
        if zero(price) || zero(ask) {
            spec.one_sided = Some(OneSided::Merge);
            notes.push(
                "rows hold one side only; one_sided = \"merge\" keeps the last of each side, over all exchanges".into(),
            );
        }
    }
    Some(Guess { spec, places })
}

fn bar_terms(spec: &mut DataSpec, sample: &Sample, stamps: &[&str], ts: usize, notes: &mut Vec<String>) {
    let mut clock_spec = spec.clone();
    clock_spec.kind = Kind::Quotes;
    let mut steps: Vec<u64> = Vec::new();
    if let Ok(mut clock) = super::stamp::Clock::new(&clock_spec) {
        let unit = sample.names.as_ref().and_then(|n| super::stamp::unit_of_name(&super::decode::normal(&n[ts])));
        let day = spec.date_from.and_then(|_| date_in_name(&sample.source));
        let mut at = |s: &str| {
            let moment = clock.read(s.as_bytes(), unit, day).ok()?;
            clock.settle(moment, UnixNanos::EPOCH).ok()
        };
        let read: Vec<UnixNanos> = stamps.iter().filter_map(|s| at(s)).collect();
        steps = read.windows(2).map(|w| w[1].since(w[0]) / 1_000_000_000).filter(|s| *s > 0).collect();
    }
    steps.sort_unstable();
    let step = steps.get(steps.len() / 2).copied().unwrap_or(60);
    let interval = match step {
        s if s >= 86_400 && s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s >= 3_600 && s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s >= 60 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    };
    let opens = sample.names.as_ref().is_some_and(|n| super::decode::normal(&n[ts]).starts_with("open_time"));
    if opens || spec.date_from.is_some() {
        spec.stamp = Some(Stamp::Open);
    } else {
        notes.push("bars are taken to be stamped at their close; set stamp = \"open\" if they are not".into());
    }
    if spec.kind == Kind::QuoteBars {
        spec.feed_as = Some(FeedAs::Quotes);
        spec.interval = Some(interval);
    } else {
        spec.series = Some(format!("{interval} last external"));
    }
}

// Kind, places, and whether the places must be said: files without header.
#[expect(clippy::type_complexity, reason = "a triple that one caller takes apart at once")]
fn by_shape(sample: &Sample) -> Option<(Kind, Vec<(Field, usize)>, bool)> {
    use Field::{Ask, AskSize, Bid, BidSize, Close, High, Low, Open, Price, Size, Ts, Volume};
    let numeric =
        |place: usize| sample.rows.iter().all(|r| r.get(place).is_some_and(|t| Exact::parse(t.as_bytes()).is_some()));
    let bounds = |high: usize, low: usize, rest: [usize; 2]| {
        let rows = &sample.rows;
        let at = |r: &Vec<String>, p: usize| r.get(p).and_then(|t| t.parse::<f64>().ok()).unwrap_or(f64::NAN);
        rows.iter().all(|r| rest.iter().all(|p| at(r, high) >= at(r, *p) && at(r, low) <= at(r, *p)))
    };
    let usual = |kind| usual_order(kind, sample.width()).map(|o| o.iter().copied().zip(0..).collect::<Vec<_>>());
    let width = sample.width();
    let fits = |n: usize| (1..n).all(numeric);
    if let Some(places) = usual(Kind::QuoteBars).filter(|_| fits(width)) {
        return Some((Kind::QuoteBars, places, false));
    }
    if width >= 5 && fits(5) && bounds(2, 3, [1, 4]) {
        let mut places = vec![(Ts, 0), (Open, 1), (High, 2), (Low, 3), (Close, 4)];
        places.extend((width > 5 && numeric(5)).then_some((Volume, 5)));
        return Some((Kind::Bars, places, width > 6));
    }
    if width >= 5 && fits(5) && bounds(3, 4, [1, 2]) {
        let mut places = vec![(Ts, 0), (Open, 1), (Close, 2), (High, 3), (Low, 4)];
        places.extend((width > 5 && numeric(5)).then_some((Volume, 5)));
        return Some((Kind::Bars, places, true));
    }
    if width >= 7 && fits(5) && !numeric(5) {
        return Some((Kind::Quotes, vec![(Ts, 0), (Bid, 1), (BidSize, 2), (Ask, 3), (AskSize, 4)], true));
    }
    if width == 3 && fits(3) {
        let near = sample.numbers(1).zip(sample.numbers(2)).all(|(a, b)| (a - b).abs() < 0.05 * a.abs());
        return Some(if near {
            (Kind::Quotes, vec![(Ts, 0), (Bid, 1), (Ask, 2)], false)
        } else {
            (Kind::Trades, vec![(Ts, 0), (Price, 1), (Size, 2)], false)
        });
    }
    (width >= 4 && fits(3) && !numeric(3)).then(|| (Kind::Trades, vec![(Ts, 0), (Price, 1), (Size, 2)], true))
}

/// The table as TOML: what it says, without what is default.
fn suggestion(spec: &DataSpec) -> String {
    let value = serde_json::to_value(spec).expect("a table is plain data");
    let mut text = String::from("[[data]]\n");
    for (key, value) in value.as_object().expect("a table is an object") {
        text.push_str(&format!("{key} = {}\n", toml_of(value)));
    }
    text
}

// The JSON values that a table consists of, as TOML writes them.
fn toml_of(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(k, v)| format!("{} = {}", key_of(k), toml_of(v))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(toml_of).collect::<Vec<_>>().join(", ")),
        // JSON strings and TOML basic strings escape alike.
        other => other.to_string(),
    }
}

fn key_of(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { key.to_owned() } else { serde_json::Value::from(key).to_string() }
}

/// What an import wrote, and from what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Import {
    /// Rows written.
    pub rows: u64,
    /// The files read.
    pub sources: Vec<SourceReport>,
}

/// Reads what a table describes and writes it to `to`, whole or not at all, in the format its name says: `.parquet`,
/// `.arrow`, `.dbn`, `.csv`, the last two also compressed. `progress` is told rows and stamps, and may break it off.
pub fn import(
    spec: &DataSpec,
    search: &[std::path::PathBuf],
    resolve: &mut dyn Resolve,
    to: &Path,
    progress: &mut dyn FnMut(u64, UnixNanos) -> ControlFlow<()>,
) -> Result<Import, DataError> {
    import_as(spec, search, resolve, to, &super::DbnOptions::default(), progress)
}

/// The same, with what DBN wants said.
pub fn import_as(
    spec: &DataSpec,
    search: &[std::path::PathBuf],
    resolve: &mut dyn Resolve,
    to: &Path,
    dbn: &super::DbnOptions,
    progress: &mut dyn FnMut(u64, UnixNanos) -> ControlFlow<()>,
) -> Result<Import, DataError> {
    struct Keep<'p> {
        feed: super::OpenedFeed,
        error: Option<DataError>,
        rows: u64,
        progress: &'p mut dyn FnMut(u64, UnixNanos) -> ControlFlow<()>,
    }
    impl Keep<'_> {
        fn read(&mut self, out: &mut Vec<Event>) -> Result<(), DataError> {
            let before = out.len();
            self.feed.read(out)?;
            self.rows += (out.len() - before) as u64;
            let Some(ts) = out.last().map(Event::ts) else { return Ok(()) };
            match (self.progress)(self.rows, ts) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(DataError::Interrupted { rows: self.rows, ts, days: 0 }),
            }
        }
    }
    impl Feed for Keep<'_> {
        fn fill(&mut self, out: &mut Vec<Event>) -> Result<(), starling_market::feed::FeedError> {
            self.read(out).map_err(|error| {
                let text = error.to_string();
                self.error = Some(error);
                text.into()
            })
        }
    }
    let mut feed = Keep { feed: open(spec, search, resolve)?, error: None, rows: 0, progress };
    let written = super::write_feed(&mut feed, to, dbn);
    match (written, feed.error) {
        // The reader's own error says more than that the writer met one.
        (Err(_), Some(error)) => Err(error),
        (Err(error), None) => Err(error),
        (Ok(rows), _) => Ok(Import { rows, sources: feed.feed.sources() }),
    }
}
