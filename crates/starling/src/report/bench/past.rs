//! A run among others: what changed against the run before and a named one, and the course of each benchmark.

use starling_core::UnixNanos;
use starling_core::time::SECOND;
use starling_lab::bench::compare::{Comparison, Verdict};
use starling_lab::bench::history::{Course, RUNS_LEAST};

use super::super::chart::{Horizontal, Ink, Layer, Measure, Plot, Shape, Spread, Strip, Strips};
use super::super::document::{Block, Cell, Table, Tone, numbers, words};
use super::super::number::{counted, figure, percent, signed};
use super::{Beside, CHOICES, Matter, SHORT, TOLERANCE, listed, slug, unit, with_unit};

/// Rows of a chart of changes: the largest.
const CHANGES: usize = 30;
/// How many times as much a change may come to and still be drawn as one.
const RATIO_MAX: f64 = 1e9;
/// Drifts and jumps told in words; the table has all.
const MOVING: usize = 8;

/// The comparison charts.
pub(super) fn blocks(matter: &Matter) -> Vec<Block> {
    let mut blocks = Vec::new();
    match &matter.previous {
        None => blocks.push(Block::Text(
            "There is no earlier run of this tier on this machine: the next one will be compared with this.".into(),
        )),
        Some(beside) => blocks.extend(beside_other(matter, "previous", beside)),
    }
    if let Some(beside) = &matter.baseline {
        blocks.extend(beside_other(matter, "baseline", beside));
    }
    blocks.extend(course(matter));
    blocks
}

/// Changes against one other run.
fn beside_other(matter: &Matter, id: &str, beside: &Beside) -> Vec<Block> {
    // Against nothing at all there is no share.
    let is_share = |c: &&Comparison| c.ratio_ci95.iter().chain([&c.ratio]).all(|ratio| ratio.abs() < RATIO_MAX);
    let mut all: Vec<&Comparison> = beside.found.comparisons.iter().filter(is_share).collect();
    if all.is_empty() {
        return vec![Block::Text(format!("Nothing of {} was measured alike.", beside.name))];
    }
    all.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
    let count = all.len();
    let told = |verdict| beside.of(verdict).iter().map(|c| name(matter, &c.id)).collect::<Vec<_>>();
    let (worse, better) = (told(Verdict::Worse), told(Verdict::Better));
    let tolerance = percent(TOLERANCE, 0);
    let mut words = vec![format!(
        "Against {}, commit {}: {} compared by their samples.",
        beside.name,
        beside.other.commit,
        counted(count as u64, "benchmark")
    )];
    if worse.is_empty() && better.is_empty() {
        words.push(format!("None differs by more than {tolerance} and more than noise."));
    }
    if !worse.is_empty() {
        words.push(format!("More costly by over {tolerance}, beyond noise: {}.", listed(&worse, 8)));
    }
    if !better.is_empty() {
        words.push(format!("Less costly: {}.", listed(&better, 8)));
    }
    words.push(
        "On another day a machine that others use is another machine, so this judges nothing; two builds measured in \
         turn, as by starling bench compare, do."
            .into(),
    );
    let mut blocks = vec![Block::Text(words.join(" "))];
    // Both ends matter: what got worse and what got better.
    if count > CHANGES {
        all.sort_by(|a, b| b.ratio.ln().abs().total_cmp(&a.ratio.ln().abs()));
        all.truncate(CHANGES);
        all.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
        blocks.push(Block::Text(format!("Drawn are the {CHANGES} largest changes of {count}.")));
    }
    blocks.push(Block::Strips(Strips {
        id: format!("change-{id}"),
        title: format!("Change of cost against {} with its 95 % interval; right of the line is worse", beside.name),
        spread: Spread::Linear,
        measure: Measure::Percent,
        line: Some((0.0, "unchanged".into())),
        rows: all.iter().map(|c| change(matter, c)).collect(),
    }));
    if !beside.found.unmatched.is_empty() {
        let names: Vec<String> = beside.found.unmatched.iter().map(|id| name(matter, id)).collect();
        blocks.push(Block::Text(format!("Of one of the two only, or measured otherwise: {}.", listed(&names, 8))));
    }
    blocks
}

fn name(matter: &Matter, key: &str) -> String {
    let found = matter.record.benchmarks.iter().find(|b| b.key() == key);
    found.map_or_else(|| key.to_owned(), |b| matter.called(b))
}

fn change(matter: &Matter, c: &Comparison) -> Strip {
    let [low, high] = c.ratio_ci95;
    let unit = matter.record.benchmarks.iter().find(|b| b.key() == c.id).map_or_else(|| c.unit.clone(), unit);
    Strip {
        name: name(matter, &c.id),
        ink: match c.verdict {
            Verdict::Worse => Ink::Loss,
            Verdict::Better => Ink::Gain,
            Verdict::Same => Ink::Muted,
        },
        at: c.ratio - 1.0,
        reach: Some((low - 1.0, high - 1.0)),
        core: None,
        dots: Vec::new(),
        bound: None,
        written: signed(percent(c.ratio - 1.0, 1)),
        tip: format!(
            "{} before, {} now\n95 %: {} to {}",
            with_unit(c.before, &unit),
            with_unit(c.after, &unit),
            signed(percent(low - 1.0, 1)),
            signed(percent(high - 1.0, 1))
        ),
    }
}

/// Seconds since 1970 of `2026-11-21 16:42:07 UTC`, with or without the seconds.
fn moment(date: &str) -> Option<f64> {
    let mut parts = date.trim_end_matches(" UTC").split(['-', ' ', ':']).map(str::parse::<u32>);
    let mut next = || parts.next()?.ok();
    let (year, month, day, hour, minute) = (next()?, next()?, next()?, next()?, next()?);
    let second = next().unwrap_or(0);
    let midnight = UnixNanos::from_civil(i32::try_from(year).ok()?, month, day)?;
    Some((midnight.get() / SECOND) as f64 + f64::from(hour * 3_600 + minute * 60 + second))
}

/// The courses worth a chart first: those that move, then those nearest to their limit.
fn ordered<'a, 'b>(matter: &'b Matter<'a>) -> Vec<&'b Course<'a>> {
    let mut all: Vec<&Course> = matter.courses.iter().filter(|course| course.values.len() >= 2).collect();
    let used = |course: &Course| course.last.margin().and_then(|m| m.used).unwrap_or(0.0);
    let moves = |course: &Course| course.trend.is_some() || course.change.is_some();
    all.sort_by(|a, b| moves(b).cmp(&moves(a)).then(used(b).total_cmp(&used(a))));
    all
}

/// The course of each benchmark over all runs.
fn course(matter: &Matter) -> Vec<Block> {
    let courses = ordered(matter);
    if courses.is_empty() {
        return Vec::new();
    }
    let runs = counted(matter.runs as u64, "run");
    let mut told = format!("{runs} of this tier, machine and build.");
    let moving: Vec<String> = courses.iter().filter_map(|course| self::told(matter, course)).collect();
    if matter.runs < RUNS_LEAST {
        told += &format!(" Drift and jumps can be told from {RUNS_LEAST} runs on.");
    } else if moving.is_empty() {
        told += " Nothing drifts (Mann-Kendall) and nothing jumps (Pettitt), one in twenty of what would be told being chance (Benjamini-Hochberg).";
    }
    let mut blocks = vec![Block::Text(told)];
    if !moving.is_empty() {
        let more = moving.len().saturating_sub(MOVING);
        let mut items: Vec<String> = moving.into_iter().take(MOVING).collect();
        items.extend((more > 0).then(|| format!("and {more} more, in the table")));
        blocks.push(Block::Notes { tone: Tone::Warn, title: "What moves", items });
    }
    let options = courses.iter().take(CHOICES).enumerate().map(|(place, course)| {
        let name = matter.called(course.last);
        (name, vec![Block::Plot(plot(matter, place, course))])
    });
    blocks.push(Block::Choice { label: "Course of", options: options.collect() });
    if courses.len() > CHOICES {
        blocks.push(Block::Text(format!(
            "Drawn are {CHOICES} of {} courses: those that move, then those nearest to their limit.",
            courses.len()
        )));
    }
    blocks.push(Block::Table(table(matter, &courses)));
    blocks
}

/// A drift or a jump in words; `None` if there is neither.
pub(super) fn told(matter: &Matter, course: &Course) -> Option<String> {
    let unit = unit(course.last);
    let mut parts = Vec::new();
    if let Some(trend) = course.trend {
        let direction = if course.worsens(trend.slope) { "worsens" } else { "improves" };
        parts.push(format!("{direction} by {} a run (p {:.3})", with_unit(trend.slope.abs(), &unit), trend.p));
    }
    if let Some(change) = course.change {
        let [before, after] = change.medians.map(|median| with_unit(median, &unit));
        let date = course.values[change.at].0;
        parts.push(format!("jumps from {before} to {after} with the run of {date} (p {:.3})", change.p));
    }
    let over = counted(course.values.len() as u64, "run");
    (!parts.is_empty()).then(|| format!("{} {} over {over}", matter.called(course.last), listed(&parts, 2)))
}

fn plot(matter: &Matter, place: usize, course: &Course) -> Plot {
    let moments: Option<Vec<f64>> = course.values.iter().map(|(date, _)| moment(date)).collect();
    // Runs of one minute, or with dates of another form, are numbered instead.
    let (horizontal, at) = match moments.filter(|at| at.windows(2).all(|pair| pair[0] < pair[1])) {
        Some(at) => (Horizontal::Time, at),
        None => (Horizontal::Count("run".into()), (1..=course.values.len()).map(|n| n as f64).collect()),
    };
    let line = |value: f64| Shape::Line(vec![(at[0], value), (at[at.len() - 1], value)]);
    let points = at.iter().zip(&course.values).map(|(x, (_, y))| (*x, *y)).collect();
    let mut layers = vec![Layer {
        name: format!("{} ({})", unit(course.last), course.last.judged.name()),
        ink: Ink::Series(matter.place(course.last.provider.as_deref())),
        shape: Shape::Dotted(points),
    }];
    let largest = course.values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    if let Some(bound) = course.last.margin().map(|margin| margin.bound).filter(|bound| *bound <= largest * 4.0) {
        let of = with_unit(bound, &unit(course.last));
        layers.push(Layer { name: format!("limit {of}"), ink: Ink::Muted, shape: line(bound) });
    }
    let baseline = matter.baseline.as_ref().and_then(|beside| {
        let found = beside.other.benchmarks.iter().find(|b| b.alike(course.last))?;
        Some((beside.name.clone(), found.measured?))
    });
    if let Some((name, value)) = baseline {
        layers.push(Layer { name, ink: Ink::Series(4), shape: line(value) });
    }
    Plot {
        id: format!("course-{place}-{}", slug(&course.last.key())),
        title: format!("{}: {} by run", matter.called(course.last), unit(course.last)),
        horizontal,
        measure: Measure::Amount,
        spreads: &[Spread::Linear],
        height: SHORT,
        layers,
    }
}

fn table(matter: &Matter, courses: &[&Course]) -> Table {
    let row = |course: &&Course| {
        let values: Vec<f64> = course.values.iter().map(|(_, value)| *value).collect();
        let number = |value: f64| Cell::number(value, figure(value));
        let (first, last) = (values[0], values[values.len() - 1]);
        let (low, high) = (
            values.iter().copied().fold(f64::INFINITY, f64::min),
            values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        );
        vec![
            Cell::text(matter.called(course.last)),
            Cell::text(unit(course.last)),
            Cell::count(values.len() as u64),
            number(first),
            number(low),
            number(high),
            number(last),
            match course.trend {
                Some(trend) => Cell::number(trend.slope, format!("{} a run", figure(trend.slope))),
                None => Cell::text("–"),
            },
            match course.change {
                Some(change) => Cell::text(course.values[change.at].0),
                None => Cell::text("–"),
            },
        ]
    };
    Table {
        caption: "Over all runs".into(),
        columns: vec![
            words("Benchmark"),
            words("Unit"),
            numbers("Runs"),
            numbers("First"),
            numbers("Lowest"),
            numbers("Highest"),
            numbers("Last"),
            numbers("Drift"),
            words("Jump"),
        ],
        rows: courses.iter().map(row).collect(),
        total: None,
    }
}

/// What follows from the history.
pub(super) fn conclusion(matter: &Matter) -> Option<String> {
    if matter.runs < RUNS_LEAST {
        return None;
    }
    let moving: Vec<String> = matter
        .courses
        .iter()
        .filter(|course| course.trend.is_some() || course.change.is_some())
        .map(|course| matter.called(course.last))
        .collect();
    let runs = counted(matter.runs as u64, "run");
    Some(if moving.is_empty() {
        format!("Over {runs} nothing drifts and nothing jumps.")
    } else {
        format!("Over {runs}, {} of {} move: {}.", moving.len(), matter.courses.len(), listed(&moving, 6))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_both_forms_are_read() {
        assert_eq!(moment("1970-01-02 00:00 UTC"), Some(86_400.0));
        assert_eq!(moment("2026-11-21 16:42:07 UTC"), Some(1_795_279_327.0));
        assert_eq!(moment("today"), None);
        assert_eq!(moment("2026-13-01 00:00 UTC"), None);
    }
}
