//! What is said of samples: a table of distributions, and each benchmark's samples on its own axis.

use starling_lab::bench::{Benchmark, Distribution, PERCENTILES};
use starling_lab::stats::sample::{Convention, quantile};

use super::super::chart::{Ink, Measure, Spread, Strip, Strips};
use super::super::document::{Block, Cell, Table, numbers, words};
use super::super::number::{counted, figure};
use super::suite::provider_cell;
use super::{CHOICES, Figures, Matter, figures, slug, unit, with_unit};

/// Most samples drawn one by one; more are drawn by their quantiles.
const DOTS: usize = 60;
/// From which ratio of largest to smallest an axis is logarithmic.
const WIDE: f64 = 20.0;
/// And from which it is not any more: no two samples of one thing lie so far apart.
const WIDEST: f64 = 1e30;
/// Outliers named in a table.
const NAMED: usize = 5;

/// Every distribution of these benchmarks, in numbers.
pub(super) fn table(members: &[&Benchmark]) -> Table {
    let providers = members.iter().any(|b| b.provider.is_some());
    let mut rows = Vec::new();
    for b in members {
        for figures in figures(b) {
            rows.push(row(members, b, &figures));
        }
    }
    let mut columns = vec![words("Benchmark")];
    columns.extend(providers.then(|| words("Provider")));
    columns.extend([words("Unit"), numbers("n"), numbers("Min"), numbers("Mean"), numbers("Median"), numbers("Max")]);
    columns.extend([numbers("SD"), numbers("95 % of median")]);
    columns.extend(["P50", "P75", "P90", "P95", "P99", "P99.9"].map(numbers));
    columns.push(numbers("Outliers"));
    Table { caption: "Samples".into(), columns, rows, total: None }
}

fn row(members: &[&Benchmark], b: &Benchmark, figures: &Figures) -> Vec<Cell> {
    let s = figures.samples;
    let name = if figures.condition.is_empty() { b.name.clone() } else { format!("{}, {}", b.name, figures.condition) };
    let number = |value: f64| Cell::number(value, figure(value));
    let mut cells = vec![Cell::text(name)];
    cells.extend(provider_cell(members, b));
    cells.extend([Cell::text(&figures.unit), Cell::count(s.n as u64)]);
    cells.extend([s.min, s.mean, s.median, s.max, s.sd].map(number));
    let [low, high] = s.median_ci95;
    cells.push(Cell::number(low, format!("{} to {}", figure(low), figure(high))));
    // By name: a record may have been written with other percentiles, or none.
    cells.extend(PERCENTILES.iter().map(|(name, _)| {
        let value = s.percentiles.iter().find(|p| p.name == *name).and_then(|p| p.value);
        value.map_or_else(|| Cell::text("n too small"), number)
    }));
    cells.push(outliers(s));
    cells
}

fn outliers(s: &Distribution) -> Cell {
    if s.outliers.is_empty() {
        return Cell::number(0.0, "none");
    }
    let named: Vec<String> = s.outliers.iter().take(NAMED).map(|x| figure(*x)).collect();
    let more = s.outliers.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Cell::number(s.outliers.len() as f64, format!("{}: {}{more}", s.outliers.len(), named.join(" ")))
}

/// The samples of these benchmarks: one drawing for each number, providers and cases beside each other.
pub(super) fn choice(matter: &Matter, section: &str, members: &[&Benchmark]) -> Block {
    let mut groups: Vec<Vec<&Benchmark>> = Vec::new();
    for b in members {
        let same = |group: &&mut Vec<&Benchmark>| group[0].id == b.id && group[0].unit == b.unit;
        match groups.iter_mut().find(same) {
            Some(group) => group.push(b),
            None => groups.push(vec![b]),
        }
    }
    let all = groups.len();
    groups.truncate(CHOICES);
    let mut options: Vec<(String, Vec<Block>)> = Vec::new();
    for (place, group) in groups.iter().enumerate() {
        options.push((name(group[0]), strips(matter, &format!("samples-{}-{place}", slug(section)), group)));
    }
    if all > CHOICES {
        let told = format!("Drawn are the first {CHOICES} of {}; the table has all.", counted(all as u64, "benchmark"));
        options.iter_mut().take(1).for_each(|(_, blocks)| blocks.push(Block::Text(told.clone())));
    }
    Block::Choice { label: "Samples of", options }
}

fn name(b: &Benchmark) -> String {
    match &b.id {
        starling_lab::bench::Id::Number(number) => format!("{number} {}", b.name),
        starling_lab::bench::Id::Path(_) => b.name.clone(),
    }
}

fn strips(matter: &Matter, id: &str, group: &[&Benchmark]) -> Vec<Block> {
    let own = unit(group[0]);
    let mut rows: Vec<Strip> = Vec::new();
    let mut apart: Vec<String> = Vec::new();
    for b in group {
        for figures in figures(b) {
            let provider = b.provider.clone().unwrap_or_default();
            let named = [provider.as_str(), figures.condition].into_iter().filter(|part| !part.is_empty());
            let named = named.collect::<Vec<_>>().join(", ");
            let named = if named.is_empty() { b.name.clone() } else { named };
            // A condition told in another unit has no place on this axis.
            if figures.unit != own {
                apart.push(named);
                continue;
            }
            rows.push(strip(matter, b, named, &figures));
        }
    }
    // A record that was made by hand may hold what is judged apart from its samples.
    let drawn = || rows.iter().flat_map(|row| row.reach.into_iter().flat_map(<[f64; 2]>::from).chain([row.at]));
    let low = drawn().fold(f64::INFINITY, f64::min);
    let high = drawn().fold(f64::NEG_INFINITY, f64::max);
    let (spread, scale) = if low > 0.0 && (WIDE..WIDEST).contains(&(high / low)) {
        (Spread::Log, ", log scale")
    } else {
        (Spread::Linear, "")
    };
    let title = format!("{}, {own}{scale}: samples, their middle half, the mark is what is judged", name(group[0]));
    let mut blocks =
        vec![Block::Strips(Strips { id: id.to_owned(), title, spread, measure: Measure::Amount, line: None, rows })];
    if !apart.is_empty() {
        blocks.push(Block::Text(format!("In another unit, and in the table only: {}.", apart.join(", "))));
    }
    blocks
}

fn strip(matter: &Matter, b: &Benchmark, name: String, figures: &Figures) -> Strip {
    let s = figures.samples;
    let at = figures.measured.unwrap_or(s.median);
    let quartile = |p| quantile(&s.raw, p, Convention::Linear);
    let [low, high] = s.median_ci95;
    let bound = figures.margin.map(|margin| margin.bound);
    let asked = bound.map_or_else(String::new, |bound| {
        format!(
            "\n{} {} asked",
            if figures.more_is_better { "at least" } else { "at most" },
            with_unit(bound, &figures.unit)
        )
    });
    Strip {
        name,
        ink: if figures.pass == Some(false) { Ink::Loss } else { Ink::Series(matter.place(b.provider.as_deref())) },
        at,
        reach: Some((s.min, s.max)),
        core: quartile(0.25).zip(quartile(0.75)),
        dots: if s.raw.len() <= DOTS { s.raw.clone() } else { Vec::new() },
        bound,
        written: with_unit(at, &figures.unit),
        tip: format!(
            "{} of {}\nmin {}, median {} (95 %: {} to {}), max {}{asked}",
            figures.judged.name(),
            counted(s.n as u64, "sample"),
            figure(s.min),
            figure(s.median),
            figure(low),
            figure(high),
            figure(s.max),
        ),
    }
}
