//! A section of benchmarks of one kind: results, conditions, checks, samples, and the curves that they carry.

use starling_lab::bench::{Benchmark, Id};
use starling_lab::stats::sample::{Convention, quantile};

use super::super::document::{Block, Cell, Table, Tone, numbers, words};
use super::super::number::{counted, percent, signed};
use super::{Matter, bound_cell, figure_cell, figures, listed, margin_cell, samples, series, unit, verdict_cell};

/// How many times faster one provider must be for a sentence.
const APART: f64 = 1.5;

/// All of it.
pub(super) fn blocks(matter: &Matter, name: &str, members: &[&Benchmark]) -> Vec<Block> {
    if members.is_empty() {
        return vec![
            Block::Text("This run measured nothing of this kind. To measure it:".into()),
            Block::Command(format!("starling bench {} --category {name}", matter.record.subject.name())),
        ];
    }
    let mut blocks: Vec<Block> = told(matter, members).into_iter().map(Block::Text).collect();
    blocks.push(Block::Table(results(members)));
    blocks.extend(conditions(members).map(Block::Table));
    blocks.extend(series::blocks(matter, members));
    blocks.push(samples::choice(matter, name, members));
    blocks.push(Block::Table(samples::table(members)));
    blocks.extend(checks(members).map(Block::Table));
    blocks
}

/// What can be said of them in a sentence each.
fn told(matter: &Matter, members: &[&Benchmark]) -> Vec<String> {
    let mut told = Vec::new();
    let judged: Vec<&&Benchmark> = members.iter().filter(|b| b.pass.is_some()).collect();
    let failing: Vec<String> = members.iter().filter(|b| b.fails()).map(|b| matter.called(b)).collect();
    if !judged.is_empty() {
        let all = counted(judged.len() as u64, "judged benchmark");
        told.push(if failing.is_empty() && judged.len() == 1 {
            "The one judged benchmark passes.".into()
        } else if failing.is_empty() {
            format!("All {all} pass.")
        } else {
            format!("{} of {all} fail: {}.", failing.len(), listed(&failing, 6))
        });
    }
    told.extend(providers(matter, members));
    let odd = members.iter().filter(|b| !b.samples.outliers.is_empty()).count();
    if odd > 0 {
        told.push(format!(
            "Outliers (modified z-score over 3.5) stand in {odd} of {}; they count in every figure.",
            counted(members.len() as u64, "benchmark"),
        ));
    }
    told
}

/// How providers compare over what both ran.
fn providers(matter: &Matter, members: &[&Benchmark]) -> Option<String> {
    let (first, second) = (*matter.providers.first()?, *matter.providers.get(1)?);
    let of = |number: &Id, provider: &str| -> Option<&&Benchmark> {
        members.iter().find(|b| b.id == *number && b.provider.as_deref() == Some(provider))
    };
    let ratios: Vec<f64> = members
        .iter()
        .filter(|b| b.provider.as_deref() == Some(first))
        .filter_map(|b| {
            let (here, there) = (b.measured?, of(&b.id, second)?.measured?);
            let ratio = if b.more_is_better { here / there } else { there / here };
            (ratio.is_finite() && ratio > 0.0).then_some(ratio)
        })
        .collect();
    let middle = quantile(&ratios, 0.5, Convention::Linear)?;
    let (winner, loser, times) = if middle >= 1.0 { (first, second, middle) } else { (second, first, 1.0 / middle) };
    let over = counted(ratios.len() as u64, "benchmark");
    (times >= APART)
        .then(|| format!("{winner} is {times:.1} times as good as {loser}, in the median of {over} that both ran."))
}

/// A benchmark's cells in a table of one section.
fn name_cell(b: &Benchmark) -> Cell {
    match &b.id {
        Id::Number(number) => Cell::number(f64::from(*number), format!("{number} {}", b.name)),
        Id::Path(_) => Cell::text(&b.name),
    }
}

/// A column for the provider, where there are providers.
pub(super) fn provider_cell(members: &[&Benchmark], b: &Benchmark) -> Option<Cell> {
    members.iter().any(|b| b.provider.is_some()).then(|| Cell::text(b.provider.clone().unwrap_or_default()))
}

fn results(members: &[&Benchmark]) -> Table {
    let providers = members.iter().any(|b| b.provider.is_some());
    let targets = members.iter().any(|b| b.target.is_some());
    let aims = members.iter().any(|b| b.aim.is_some());
    let row = |b: &&Benchmark| {
        let mut cells = vec![verdict_cell(b.pass), name_cell(b)];
        cells.extend(provider_cell(members, b));
        cells.extend([figure_cell(b.measured), Cell::text(unit(b)), bound_cell(b.requirement)]);
        cells.extend(targets.then(|| bound_cell(b.target)));
        cells.extend(aims.then(|| bound_cell(b.aim)));
        cells.extend([margin_cell(b.margin()), Cell::text(b.judged.name())]);
        cells
    };
    let mut columns = vec![words("Verdict"), words("Benchmark")];
    columns.extend(providers.then(|| words("Provider")));
    columns.extend([numbers("Measured"), words("Unit"), numbers("Required")]);
    columns.extend(targets.then(|| numbers("Target")));
    columns.extend(aims.then(|| numbers("Aim")));
    columns.extend([numbers("Margin"), words("Judged by")]);
    Table { caption: String::new(), columns, rows: members.iter().map(row).collect(), total: None }
}

/// The same under other conditions, against the benchmark's own figure.
fn conditions(members: &[&Benchmark]) -> Option<Table> {
    let providers = members.iter().any(|b| b.provider.is_some());
    let mut rows = Vec::new();
    for b in members {
        let whole = b.measured.filter(|whole| *whole != 0.0);
        for case in figures(b).into_iter().skip(1) {
            let against = case.measured.zip(whole).filter(|_| case.unit == unit(b));
            let mut cells = vec![verdict_cell(case.pass), name_cell(b)];
            cells.extend(provider_cell(members, b));
            cells.extend([
                Cell::text(case.condition),
                figure_cell(case.measured),
                Cell::text(&case.unit),
                match against.map(|(case, whole)| case / whole - 1.0) {
                    Some(change) => Cell::number(change, signed(percent(change, 1))),
                    None => Cell::text("–"),
                },
                bound_cell(case.requirement.or(case.target)),
                margin_cell(case.margin),
                Cell::text(case.judged.name()),
                Cell::count(case.samples.n as u64),
            ]);
            rows.push(cells);
        }
    }
    let mut columns = vec![words("Verdict"), words("Benchmark")];
    columns.extend(providers.then(|| words("Provider")));
    columns.extend([words("Condition"), numbers("Measured"), words("Unit"), numbers("Against its own")]);
    columns.extend([numbers("Asked"), numbers("Margin"), words("Judged by"), numbers("n")]);
    let caption = "Under other conditions, against the benchmark's own figure".into();
    (!rows.is_empty()).then_some(Table { caption, columns, rows, total: None })
}

/// What had to be so.
fn checks(members: &[&Benchmark]) -> Option<Table> {
    let providers = members.iter().any(|b| b.provider.is_some());
    let mut rows = Vec::new();
    for b in members {
        for check in &b.checks {
            let (text, tone) = if check.holds { ("holds", Tone::Gain) } else { ("BROKEN", Tone::Loss) };
            let mut cells = vec![Cell { tone, ..Cell::text(text) }, name_cell(b)];
            cells.extend(provider_cell(members, b));
            cells.extend([Cell::text(&check.claim), Cell::text(&check.expected), Cell::text(&check.found)]);
            rows.push(cells);
        }
    }
    let mut columns = vec![words("Check"), words("Benchmark")];
    columns.extend(providers.then(|| words("Provider")));
    columns.extend([words("Claim"), words("Expected"), words("Found")]);
    (!rows.is_empty()).then_some(Table { caption: "What makes the figures count".into(), columns, rows, total: None })
}
