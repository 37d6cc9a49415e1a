//! From results of benchmarks to their document: what was asked and measured, what it cost, what changed, what to do.
//!
//! Invariant: every sentence, row and mark is computed from the records, and a sentence whose condition does not hold is not
//! said. What was asked and what was measured never share a column. Deliberately not here: whether something got worse,
//! which two runs of different days cannot tell.

mod advice;
mod cost;
mod past;
mod samples;
mod series;
mod suite;
mod summary;

use serde_json::Value;
use starling_lab::bench::compare::{Comparison, ComparisonRecord, Verdict, recorded};
use starling_lab::bench::history::{Course, courses};
use starling_lab::bench::{BenchRecord, Benchmark, Case, Distribution, Id, Judged, Margin, Subject};

use super::document::{Cell, Document, Section, Tone};
use super::markup::shell_word;
use super::number::{figure, percent, signed};
use super::palette::SERIES;

/// The change that counts, as in the gate.
const TOLERANCE: f64 = 0.05;
/// Height of a chart, in pixels.
const TALL: f64 = 260.0;
const SHORT: f64 = 150.0;
/// Most charts that a reader chooses one of; the words say how many there are.
const CHOICES: usize = 24;

/// What a run is compared with.
#[derive(Default)]
pub(crate) struct Past<'a> {
    /// Comparable runs before it, oldest first.
    pub(crate) runs: Vec<&'a BenchRecord>,
    /// Runs of older layouts, which cannot be compared with.
    pub(crate) older: usize,
    /// A run under a name, comparable or not.
    pub(crate) baseline: Option<(&'a str, &'a BenchRecord)>,
}

/// The largest figure that a measurement comes to, in whatever unit: beyond it no axis has room for the others.
const FIGURE_MAX: f64 = 1e18;

/// Whether a report can be made of these records. They are read from files, and a figure that no measurement gives is told
/// with its benchmark.
pub(crate) fn check(record: &BenchRecord, past: &Past) -> Result<(), String> {
    let baseline = past.baseline.map(|(_, record)| record);
    for record in [record].into_iter().chain(past.runs.iter().copied()).chain(baseline) {
        for b in &record.benchmarks {
            let told = serde_json::to_value(b).map_err(|error| error.to_string())?;
            if let Some((field, figure)) = beyond(&told) {
                return Err(format!(
                    "the result of {}: benchmark `{}`: `{field}` is {figure:e}, which no measurement comes to; correct it, or \
                     measure again",
                    record.date,
                    b.key()
                ));
            }
        }
    }
    Ok(())
}

/// The first number beyond all measure within a value, and where it stands.
fn beyond(value: &Value) -> Option<(String, f64)> {
    let below = |name: String, value: &Value| {
        let (path, figure) = beyond(value)?;
        Some((if path.is_empty() { name } else { format!("{name}.{path}") }, figure))
    };
    match value {
        Value::Number(number) => {
            number.as_f64().filter(|figure| figure.abs() > FIGURE_MAX).map(|figure| (String::new(), figure))
        }
        Value::Array(list) => list.iter().enumerate().find_map(|(at, value)| below(at.to_string(), value)),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| below(name.clone(), value)),
        _ => None,
    }
}

/// A run beside another.
struct Beside<'a> {
    /// What the other is called.
    name: String,
    other: &'a BenchRecord,
    found: ComparisonRecord,
}

impl Beside<'_> {
    fn of(&self, verdict: Verdict) -> Vec<&Comparison> {
        self.found.comparisons.iter().filter(|c| c.verdict == verdict).collect()
    }
}

/// Everything that the report is made of.
struct Matter<'a> {
    record: &'a BenchRecord,
    previous: Option<Beside<'a>>,
    baseline: Option<Beside<'a>>,
    /// Of each benchmark, over all runs and this one.
    courses: Vec<Course<'a>>,
    /// Runs of the series, this one among them.
    runs: usize,
    older: usize,
    /// What agents ran in, in the order of the record.
    providers: Vec<&'a str>,
}

impl<'a> Matter<'a> {
    fn new(record: &'a BenchRecord, past: &Past<'a>) -> Self {
        let beside = |name: String, other: &'a BenchRecord| {
            let found = recorded(other, record, TOLERANCE);
            Beside { name, other, found }
        };
        let all: Vec<&BenchRecord> = past.runs.iter().copied().chain([record]).collect();
        let mut providers: Vec<&str> = Vec::new();
        for provider in record.benchmarks.iter().filter_map(|b| b.provider.as_deref()) {
            if !providers.contains(&provider) {
                providers.push(provider);
            }
        }
        Self {
            record,
            previous: past.runs.last().map(|other| beside(format!("the run of {}", other.date), other)),
            baseline: past.baseline.map(|(name, other)| beside(format!("baseline {name}"), other)),
            courses: courses(&all),
            runs: all.len(),
            older: past.older,
            providers,
        }
    }

    fn judged(&self) -> impl Iterator<Item = &'a Benchmark> {
        self.record.benchmarks.iter().filter(|b| b.pass.is_some())
    }

    fn failing(&self) -> Vec<&'a Benchmark> {
        self.record.benchmarks.iter().filter(|b| b.fails()).collect()
    }

    /// What a benchmark is called among all: where it has a number, without its parameters, which tables tell. A chart cuts
    /// long names, and would cut the provider off.
    fn called(&self, b: &Benchmark) -> String {
        let name = b.name.split_once(": ").map_or(b.name.as_str(), |(name, _)| name);
        match (&b.id, &b.provider) {
            (Id::Path(path), _) => path.clone(),
            (Id::Number(number), Some(provider)) if self.providers.len() > 1 => {
                format!("#{number} {name} ({provider})")
            }
            (Id::Number(number), _) => format!("#{number} {name}"),
        }
    }

    /// The colour of a provider, in every chart.
    fn place(&self, provider: Option<&str>) -> usize {
        provider.and_then(|p| self.providers.iter().position(|other| *other == p)).unwrap_or(0) % SERIES
    }

    /// The command that measures a benchmark again.
    fn again(&self, b: &Benchmark, tier: &str) -> String {
        let subject = self.record.subject.name();
        let mut command = format!("starling bench {subject} --tier {}", shell_word(tier));
        let mut option = |name: &str, value: &str| {
            command += &format!(" --{name} {}", shell_word(value));
        };
        if let (Subject::Swarm, Some(provider)) = (self.record.subject, &b.provider) {
            option("provider", provider);
        }
        // By what chooses this one alone: a number of swarms, the beginning of a title of the mesh, a path.
        match (self.record.subject, &b.id) {
            (_, Id::Path(path)) => option("category", path),
            (Subject::Mesh, Id::Number(number)) => {
                option("category", format!("mesh/{number} {}", b.category.as_deref().unwrap_or_default()).trim_end());
            }
            (_, Id::Number(number)) => option("category", &number.to_string()),
        }
        command
    }

    /// The measured figure against another run's: a change of cost, above zero for the worse.
    fn change(beside: Option<&Beside>, b: &Benchmark) -> Option<(f64, Verdict)> {
        let found = &beside?.found;
        found.comparisons.iter().find(|c| c.id == b.key()).map(|c| (c.ratio - 1.0, c.verdict))
    }
}

/// The unit of a benchmark in words: what an item is stands in for it.
fn unit(b: &Benchmark) -> String {
    if b.item.is_empty() {
        return b.unit.clone();
    }
    let one = b.item.strip_suffix('s').unwrap_or(&b.item);
    b.unit.replace("items", &b.item).replace("item", one)
}

/// A figure with its unit.
fn with_unit(value: f64, unit: &str) -> String {
    match unit.strip_prefix('$') {
        _ if unit == "ratio" => figure(value),
        Some(per) => format!("${}{per}", figure(value)),
        None => format!("{} {unit}", figure(value)).trim_end().to_owned(),
    }
}

/// A figure in its column; words where there are too few samples.
fn figure_cell(value: Option<f64>) -> Cell {
    match value {
        Some(value) => Cell::number(value, figure(value)),
        None => Cell::text("n too small"),
    }
}

/// A bound in its column; nothing where nothing is asked.
fn bound_cell(value: Option<f64>) -> Cell {
    value.map_or_else(|| Cell::text("–"), |value| Cell::number(value, round(value)))
}

/// What is asked is a round number: no zeros behind it.
fn round(value: f64) -> String {
    let text = figure(value);
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn verdict_cell(pass: Option<bool>) -> Cell {
    let (text, tone) = match pass {
        Some(true) => ("pass", Tone::Gain),
        Some(false) => ("FAIL", Tone::Loss),
        None => ("–", Tone::Plain),
    };
    Cell { tone, ..Cell::text(text) }
}

/// A margin as a share of what is allowed or asked; one of ten times and more as so many times.
fn margin_cell(margin: Option<Margin>) -> Cell {
    let Some(Margin { share, used, .. }) = margin else { return Cell::text("–") };
    let text = match used {
        Some(used) if used <= 0.1 => format!("{} times", figure((1.0 / used).round())),
        _ => signed(percent(share, 1)),
    };
    // Sorted by how many times it is inside, which orders rates and times alike.
    Cell { value: used.map(|used| 1.0 / used).or(Some(share)), ..Cell::money(share, text) }
}

/// `a`, `a and b`, `a, b and 3 more`.
fn listed(names: &[String], most: usize) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        all if all.len() <= most => {
            let (last, first) = all.split_last().expect("at least two");
            format!("{} and {last}", first.join(", "))
        }
        all => format!("{} and {} more", all[..most].join(", "), all.len() - most),
    }
}

/// `market_data_throughput` as a heading.
fn heading(suite: &str) -> String {
    let text = suite.replace('_', " ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// As much of a text as may stand in an identifier.
fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let whole: String = text.chars().map(plain).collect();
    let mut joined = whole.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    // A file's name has room for 255 bytes.
    joined.truncate(150);
    joined
}

/// The categories of the swarm's definitions: name and heading.
const CATEGORIES: [(&str, &str); 6] = [
    ("creation", "Creation"),
    ("scalability", "Scalability"),
    ("trading", "Trading operations"),
    ("communication", "Communication"),
    ("resources", "Resources"),
    ("cost", "Cost"),
];

/// The names of the rules of recommendations, for their tests.
#[cfg(test)]
pub(super) fn rules() -> Vec<&'static str> {
    advice::RULES.iter().map(|(name, _)| *name).collect()
}

/// The whole report.
pub(super) fn document(record: &BenchRecord, past: &Past) -> Document {
    let matter = Matter::new(record, past);
    let mut sections = vec![Section::new("summary", "Executive summary", summary::blocks(&matter))];
    let mut parts: Vec<(String, String, Vec<&Benchmark>)> = Vec::new();
    if record.subject == Subject::Swarm {
        parts.extend(CATEGORIES.map(|(name, heading)| (name.to_owned(), heading.to_owned(), Vec::new())));
    }
    for b in &record.benchmarks {
        let name = b.category.as_deref().unwrap_or(&b.suite);
        match parts.iter_mut().find(|(known, ..)| known == name) {
            Some((.., members)) => members.push(b),
            None => parts.push((name.to_owned(), heading(name), vec![b])),
        }
    }
    for (name, heading, members) in parts {
        let mut blocks = suite::blocks(&matter, &name, &members);
        if name == "cost" {
            blocks.extend(cost::blocks(&matter));
        }
        sections.push(Section::new(slug(&name), heading, blocks));
    }
    sections.extend([
        Section::new("recommendations", "Recommendations", advice::blocks(&matter)),
        Section::new("comparison", "Comparison charts", past::blocks(&matter)),
        Section::new("conclusions", "Conclusions", summary::conclusions(&matter)),
    ]);
    let (verdict, tone) = summary::verdict(&matter);
    Document {
        title: match record.subject {
            Subject::Engine => "Benchmarks of the engine",
            Subject::Swarm => "Benchmarks of swarms",
            Subject::Mesh => "Benchmarks of the mesh",
        }
        .to_owned(),
        byline: summary::byline(record),
        verdict,
        tone,
        flags: summary::flags(&matter),
        sections,
    }
}

/// Figures under one condition: the benchmark's own, or those of one of its cases.
struct Figures<'a> {
    /// The condition; empty for the benchmark's own.
    condition: &'a str,
    unit: String,
    more_is_better: bool,
    requirement: Option<f64>,
    target: Option<f64>,
    judged: Judged,
    measured: Option<f64>,
    pass: Option<bool>,
    margin: Option<Margin>,
    samples: &'a Distribution,
}

/// The benchmark's own figures, then those of its cases.
fn figures(b: &Benchmark) -> Vec<Figures<'_>> {
    let own = Figures {
        condition: "",
        unit: unit(b),
        more_is_better: b.more_is_better,
        requirement: b.requirement,
        target: b.target,
        judged: b.judged,
        measured: b.measured,
        pass: b.pass,
        margin: b.margin(),
        samples: &b.samples,
    };
    fn of(case: &Case) -> Figures<'_> {
        Figures {
            condition: &case.name,
            unit: case.unit.clone(),
            more_is_better: case.more_is_better,
            requirement: case.requirement,
            target: case.target,
            judged: case.judged,
            measured: case.measured,
            pass: case.pass,
            margin: case.margin(),
            samples: &case.samples,
        }
    }
    std::iter::once(own).chain(b.cases.iter().map(of)).collect()
}
