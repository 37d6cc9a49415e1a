//! What a reader sees first and last: what passed, how near to its limit, what it cost, what changed.

use starling_lab::bench::compare::Verdict;
use starling_lab::bench::{BenchRecord, Benchmark};
use starling_lab::stats::{bootstrap, outlier};

use super::super::chart::{Ink, Measure, Spread, Strip, Strips};
use super::super::document::{Block, Cell, Fact, Figure, Table, Tone, numbers, words};
use super::super::number::{count, counted, grouped, percent, signed};
use super::{
    Beside, Matter, TOLERANCE, bound_cell, cost, figure_cell, figures as all_figures, listed, margin_cell, unit,
    verdict_cell, with_unit,
};

/// Rows of the chart of limits: those nearest to theirs.
const NEAREST: usize = 40;

/// Subject, tier, when, of what, on what.
pub(super) fn byline(record: &BenchRecord) -> String {
    let about = [("", &record.date), ("commit ", &record.commit), ("on ", &record.machine)];
    let about = about.iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name}{text}"));
    let tier = format!("{} tier, {}", record.tier, span(record.seconds));
    std::iter::once(tier).chain(about).collect::<Vec<_>>().join(" · ")
}

/// Seconds as a reader says them.
fn span(seconds: f64) -> String {
    if seconds < 120.0 { format!("{} s", grouped(seconds, 1)) } else { format!("{} min", grouped(seconds / 60.0, 1)) }
}

/// The benchmark that uses most of what it may.
fn nearest<'a>(matter: &Matter<'a>) -> Option<(&'a Benchmark, f64)> {
    let used = matter.judged().filter_map(|b| Some((b, b.margin()?.used?)));
    used.max_by(|a, b| a.1.total_cmp(&b.1))
}

/// The result in a line.
pub(super) fn verdict(matter: &Matter) -> (String, Tone) {
    let (judged, failing) = (matter.judged().count(), matter.failing());
    if judged == 0 {
        let measured = counted(matter.record.benchmarks.len() as u64, "benchmark");
        return (format!("{measured} measured, nothing asked of any"), Tone::Plain);
    }
    let names: Vec<String> = failing.iter().map(|b| matter.called(b)).collect();
    let mut parts = vec![if failing.is_empty() {
        format!(
            "PASS: {} within what is asked",
            if judged == 1 { "the one benchmark".into() } else { format!("all {judged} benchmarks") }
        )
    } else {
        format!("FAIL: {} of {judged} benchmarks, {}", failing.len(), listed(&names, 3))
    }];
    if let Some((b, used)) = nearest(matter).filter(|_| failing.is_empty()) {
        parts.push(format!("nearest to its limit is {} at {} of it", matter.called(b), percent(used, 1)));
    }
    if let Some((_, hour)) = cost::dearest_hour(matter) {
        parts.push(hour);
    }
    parts.extend(matter.previous.as_ref().map(|beside| changed(matter, beside)));
    (parts.join("; "), if failing.is_empty() { Tone::Gain } else { Tone::Loss })
}

/// How many fail that did not, fail no more, got worse and better.
fn changed(matter: &Matter, beside: &Beside) -> String {
    let (worse, better) = (beside.of(Verdict::Worse).len(), beside.of(Verdict::Better).len());
    let [broken, mended] = turned(matter, beside);
    let all = [(broken, "newly failing"), (mended, "mended"), (worse, "worse"), (better, "better")];
    let told: Vec<String> = all.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    match listed(&told, all.len()).as_str() {
        "" => format!("unchanged since {}", beside.name),
        told if worse + better == 0 => format!("{told} since {}", beside.name),
        told => format!("{told} than {}", beside.name),
    }
}

/// How many fail that passed in another run, and how many pass that failed.
fn turned(matter: &Matter, beside: &Beside) -> [usize; 2] {
    let before = |b: &Benchmark| beside.other.benchmarks.iter().find(|other| other.key() == b.key())?.pass;
    let turned = |pass: bool| {
        let is = |b: &&Benchmark| b.pass == Some(pass) && before(b) == Some(!pass);
        matter.record.benchmarks.iter().filter(is).count()
    };
    [turned(false), turned(true)]
}

/// Share of the cores that may have something else to do.
const BUSY: f64 = 0.5;

/// Load before and after, and the cores, if others had more of the machine than they may; of a record that does not tell one
/// of them nothing is said.
pub(super) fn busy(record: &BenchRecord) -> Option<([f64; 2], u32)> {
    record.load.zip(record.cores).filter(|([before, _], cores)| *before > f64::from(*cores) * BUSY)
}

/// What must be read before the figures.
pub(super) fn flags(matter: &Matter) -> Vec<String> {
    let record = matter.record;
    let mut flags = Vec::new();
    let unsound: Vec<String> =
        record.benchmarks.iter().filter(|b| b.checks.iter().any(|c| !c.holds)).map(|b| matter.called(b)).collect();
    if !unsound.is_empty() {
        flags.push(format!("A check does not hold, so the figure means nothing: {}.", listed(&unsound, 6)));
    }
    if !record.profile.starts_with("release") {
        flags.push(format!("Built as `{}`: the figures say nothing about a release.", record.profile));
    }
    if let Some(([before, after], cores)) = busy(record) {
        let (before, after) = (grouped(before, 1), grouped(after, 1));
        let cores = counted(u64::from(cores), "core");
        flags.push(format!("The machine was busy before it began: load {before}, then {after}, on {cores}."));
    }
    for beside in [&matter.baseline].into_iter().flatten() {
        let other = beside.other;
        let pairs = [
            ("machine", &other.machine, &record.machine),
            ("tier", &other.tier, &record.tier),
            ("build", &other.profile, &record.profile),
        ];
        for (what, there, here) in pairs.into_iter().filter(|(_, there, here)| there != here) {
            flags.push(format!("The {} is of another {what} ({there}, not {here}).", beside.name));
        }
    }
    if matter.older > 0 {
        let older = counted(matter.older as u64, "kept run");
        flags.push(format!("{older} of an older layout left out of the history."));
    }
    if !record.missing.is_empty() {
        flags.push(format!(
            "{} not measured, see the end of the summary.",
            match record.missing.len() {
                1 => "One thing the definitions ask for is".to_owned(),
                n => format!("{n} things the definitions ask for are"),
            }
        ));
    }
    flags
}

/// The executive summary.
pub(super) fn blocks(matter: &Matter) -> Vec<Block> {
    let mut blocks = vec![Block::Figures(figures(matter))];
    let failing: Vec<String> = matter.failing().into_iter().map(|b| why(matter, b)).collect();
    if !failing.is_empty() {
        blocks.push(Block::Notes { tone: Tone::Loss, title: "What fails, and by what", items: failing });
    }
    blocks.extend(limits(matter));
    blocks.push(Block::Table(targets(matter)));
    blocks.push(Block::Text(
        "Margin is the distance to the tighter of required and target as a share of it, from ten times on how many times \
         it is inside. Change is of the cost against the run before, above zero for the worse, and judges nothing: on \
         another day a machine that others use is another machine."
            .into(),
    ));
    blocks.push(Block::Facts(conditions(matter.record)));
    let methods = methods(matter.record);
    if !methods.is_empty() {
        blocks.push(Block::Notes { tone: Tone::Plain, title: "How the figures are made", items: methods });
    }
    if !matter.record.missing.is_empty() {
        let items = matter.record.missing.iter().map(|m| format!("{}: {}", m.suite, m.reason)).collect();
        blocks.push(Block::Notes { tone: Tone::Warn, title: "Asked for and not measured", items });
    }
    blocks
}

fn figures(matter: &Matter) -> Vec<Figure> {
    let record = matter.record;
    let (judged, failing) = (matter.judged().count(), matter.failing());
    let figure = |label: &str, value: String, detail: String, tone| Figure { label: label.into(), value, detail, tone };
    let unjudged = record.benchmarks.len() - judged;
    let mut cards = vec![figure(
        "Passed",
        format!("{} of {judged}", judged - failing.len()),
        if unjudged == 0 { "every benchmark is judged".into() } else { format!("{unjudged} more without a target") },
        if failing.is_empty() { Tone::Gain } else { Tone::Loss },
    )];
    if let Some((b, used)) = nearest(matter) {
        let tone = if used > 1.0 { Tone::Loss } else { Tone::Plain };
        let label = if used > 1.0 { "Most beyond its limit" } else { "Nearest to its limit" };
        cards.push(figure(label, format!("{} used", percent(used, 1)), matter.called(b), tone));
    }
    let checks: Vec<bool> = record.benchmarks.iter().flat_map(|b| &b.checks).map(|c| c.holds).collect();
    if !checks.is_empty() {
        let held = checks.iter().filter(|holds| **holds).count();
        let tone = if held == checks.len() { Tone::Plain } else { Tone::Loss };
        cards.push(figure(
            "Checks that hold",
            format!("{held} of {}", checks.len()),
            "of what makes a figure count".into(),
            tone,
        ));
    }
    if let Some((label, value, detail)) = cost::operation(matter) {
        cards.push(figure(&label, value, detail, Tone::Plain));
    }
    if let Some((cost, _)) = cost::dearest_hour(matter) {
        let detail = format!("{} by {}", cost.subject, cost.prices.provider);
        cards.push(figure("Dearest hour", cost::dollars(cost.hour()), detail, Tone::Plain));
    }
    cards.push(match &matter.previous {
        None => figure("Since last time", "first run".into(), "of this tier on this machine".into(), Tone::Plain),
        Some(beside) => {
            let (worse, better) = (beside.of(Verdict::Worse).len(), beside.of(Verdict::Better).len());
            let [broken, _] = turned(matter, beside);
            let newly = if broken > 0 { format!("{broken} newly failing; ") } else { String::new() };
            let detail = format!("{newly}of {}, against {}", beside.found.comparisons.len(), beside.name);
            let tone = match (broken, worse) {
                (0, 0) => Tone::Plain,
                (0, _) => Tone::Warn,
                _ => Tone::Loss,
            };
            figure("Since last time", format!("{worse} worse, {better} better"), detail, tone)
        }
    });
    if let Some(beside) = &matter.baseline {
        let (worse, better) = (beside.of(Verdict::Worse).len(), beside.of(Verdict::Better).len());
        let detail = format!("of {}, measured {}", beside.found.comparisons.len(), beside.other.date);
        cards.push(figure(
            &format!("Against {}", beside.name),
            format!("{worse} worse, {better} better"),
            detail,
            Tone::Plain,
        ));
    }
    cards.push(figure("It took", span(record.seconds), format!("{} tier", record.tier), Tone::Plain));
    cards
}

/// How many times its limit a share is drawn at most, and the limit a share.
const SHARE_MAX: f64 = 1e9;

/// How much of what is allowed each benchmark uses, on one logarithmic axis.
fn limits(matter: &Matter) -> Vec<Block> {
    let mut rows: Vec<(&Benchmark, f64)> = matter.judged().filter_map(|b| Some((b, b.margin()?.used?))).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let all = rows.len();
    if all > NEAREST {
        rows.sort_by(|a, b| b.1.total_cmp(&a.1));
        rows.truncate(NEAREST);
    }
    let row = |(b, used): &(&Benchmark, f64)| {
        let margin = b.margin().expect("the row has one");
        // Farther off than this a mark says no more, and its axis would have no end.
        let drawn = |share: f64| share.clamp(1.0 / SHARE_MAX, SHARE_MAX);
        let share = |value: f64| drawn(if b.more_is_better { margin.bound / value } else { value / margin.bound });
        let ends = (b.samples.min > 0.0).then(|| [share(b.samples.min), share(b.samples.max)]);
        let unit = unit(b);
        let asked = format!(
            "{} {} asked",
            if b.more_is_better { "at least" } else { "at most" },
            with_unit(margin.bound, &unit)
        );
        let measured =
            b.measured.map_or_else(String::new, |m| format!("{} measured ({})", with_unit(m, &unit), b.judged.name()));
        Strip {
            name: matter.called(b),
            ink: if b.fails() { Ink::Loss } else { Ink::Series(matter.place(b.provider.as_deref())) },
            at: drawn(*used),
            reach: ends.map(|[a, b]| (a.min(b), a.max(b))),
            core: None,
            dots: Vec::new(),
            bound: None,
            written: share_of(*used),
            tip: format!("{measured}\n{asked}\n{} samples", b.samples.n),
        }
    };
    let providers: Vec<String> = matter.providers.iter().map(|p| (*p).to_owned()).collect();
    let by = if providers.len() > 1 { format!(", colours: {}", listed(&providers, 6)) } else { String::new() };
    let mut blocks = vec![Block::Strips(Strips {
        id: "limits".into(),
        title: "Share of the limit that is used".into(),
        spread: Spread::Log,
        measure: Measure::Percent,
        line: Some((1.0, "limit".into())),
        rows: rows.iter().map(row).collect(),
    })];
    let mut words =
        format!("Left of the line is inside; the mark is what is judged, the bar through it all samples{by}.");
    if all > rows.len() {
        words += &format!(" Shown are the {} of {all} nearest to their limit.", rows.len());
    }
    blocks.push(Block::Text(words));
    blocks
}

/// A share in as many digits as say something.
fn share_of(used: f64) -> String {
    let digits = if used >= 0.1 {
        0
    } else if used >= 0.01 {
        1
    } else {
        ((-used.log10()).ceil() as usize).clamp(2, 6) - 1
    };
    percent(used, digits)
}

/// By what a benchmark fails, and whether it did the last time.
fn why(matter: &Matter, b: &Benchmark) -> String {
    let mut reasons: Vec<String> = Vec::new();
    for figures in all_figures(b).iter().filter(|figures| figures.pass == Some(false) || figures.condition.is_empty()) {
        let name = if figures.condition.is_empty() { String::new() } else { format!("{}: ", figures.condition) };
        let asked = [("required", figures.requirement), ("our target", figures.target)];
        let Some(measured) = figures.measured else {
            // Of what could not be carried out there are none, and a check says why.
            if figures.samples.n > 0 && asked.iter().any(|(_, bound)| bound.is_some()) {
                let n = counted(figures.samples.n as u64, "sample");
                reasons.push(format!("{name}{n} carry no {}", figures.judged.name()));
            }
            continue;
        };
        let misses = |bound: f64| if figures.more_is_better { measured < bound } else { measured > bound };
        for (what, bound) in asked {
            if let Some(bound) = bound.filter(|bound| misses(*bound)) {
                let than = if figures.more_is_better { "at least" } else { "at most" };
                reasons.push(format!(
                    "{name}{} measured, {than} {} {what}",
                    with_unit(measured, &figures.unit),
                    with_unit(bound, &figures.unit)
                ));
            }
        }
    }
    for check in b.checks.iter().filter(|check| !check.holds) {
        reasons.push(format!("{}: expected {}, found {}", check.claim, check.expected, check.found));
    }
    format!("{}: {}{}", matter.called(b), reasons.join("; "), before(matter, b).unwrap_or_default())
}

/// What a benchmark did in the run before.
fn before(matter: &Matter, b: &Benchmark) -> Option<String> {
    let beside = matter.previous.as_ref()?;
    let Some(other) = beside.other.benchmarks.iter().find(|other| other.key() == b.key()) else {
        return Some(format!(". It was not in {}", beside.name));
    };
    let with = other.measured.map_or_else(String::new, |m| format!(" with {}", with_unit(m, &unit(other))));
    let did = if other.fails() { "failed, too," } else { "passed" };
    Some(format!(". In {} it {did}{with}", beside.name))
}

/// Every benchmark against what is asked of it.
fn targets(matter: &Matter) -> Table {
    let list = &matter.record.benchmarks;
    let providers = !matter.providers.is_empty();
    let targets = list.iter().any(|b| b.target.is_some());
    let aims = list.iter().any(|b| b.aim.is_some());
    let past = matter.previous.is_some();
    let row = |b: &Benchmark| {
        let mut cells = vec![verdict_cell(b.pass)];
        cells.push(match &b.id {
            starling_lab::bench::Id::Number(number) => Cell::number(f64::from(*number), format!("{number} {}", b.name)),
            starling_lab::bench::Id::Path(path) => Cell::text(path),
        });
        cells.extend(providers.then(|| Cell::text(b.provider.clone().unwrap_or_default())));
        cells.extend([figure_cell(b.measured), Cell::text(unit(b)), bound_cell(b.requirement)]);
        cells.extend(targets.then(|| bound_cell(b.target)));
        cells.extend(aims.then(|| bound_cell(b.aim)));
        cells.push(margin_cell(b.margin()));
        if past {
            cells.push(match Matter::change(matter.previous.as_ref(), b) {
                Some((change, verdict)) => {
                    let tone = match verdict {
                        Verdict::Worse => Tone::Loss,
                        Verdict::Better => Tone::Gain,
                        Verdict::Same => Tone::Plain,
                    };
                    Cell { tone, ..Cell::number(change, signed(percent(change, 1))) }
                }
                None => Cell::text("new"),
            });
        }
        cells.extend([Cell::text(b.judged.name()), Cell::count(b.samples.n as u64)]);
        cells
    };
    let mut columns = vec![words("Verdict"), words("Benchmark")];
    columns.extend(providers.then(|| words("Provider")));
    columns.extend([numbers("Measured"), words("Unit"), numbers("Required")]);
    columns.extend(targets.then(|| numbers("Target")));
    columns.extend(aims.then(|| numbers("Aim")));
    columns.push(numbers("Margin"));
    columns.extend(past.then(|| numbers("Change")));
    columns.extend([words("Judged by"), numbers("n")]);
    Table {
        caption: "What is asked and what was measured".into(),
        columns,
        rows: list.iter().map(row).collect(),
        total: None,
    }
}

/// Under what it was measured.
fn conditions(record: &BenchRecord) -> Vec<Fact> {
    let load = record.load.map_or_else(
        || "unknown".to_owned(),
        |[before, after]| format!("{} before, {} after", grouped(before, 2), grouped(after, 2)),
    );
    vec![
        Fact::new("Machine", &record.machine),
        Fact::new("Load", load),
        Fact::new("Commit", &record.commit),
        Fact::new("Date", &record.date),
        Fact::new("Build", &record.profile),
        Fact::new("Tier", &record.tier),
        Fact::new("Duration", span(record.seconds)),
        Fact::new("Layout of the result", record.schema.to_string()),
    ]
}

/// How the figures of a record were made of its samples, as far as it has any.
fn methods(record: &BenchRecord) -> Vec<String> {
    let figures = || record.benchmarks.iter().flat_map(all_figures).map(|figures| figures.samples);
    let mut told = Vec::new();
    if figures().any(|samples| samples.n > 1) {
        told.push(format!(
            "The 95 % interval of a median is a percentile bootstrap (Efron 1979): {} resamples, seed {}. Their medians are \
             drawn by the law of a resample's middle values, which is exact for any number of samples.",
            count(bootstrap::RESAMPLES as u64),
            bootstrap::SEED,
        ));
    }
    if figures().any(|samples| samples.percentiles.iter().any(|percentile| percentile.value.is_none())) {
        told.push(
            "A percentile q is told of 10 / (1 - q) samples or more; of fewer it says that n is too small.".into(),
        );
    }
    if figures().any(|samples| !samples.outliers.is_empty()) {
        told.push(format!(
            "An outlier has a modified z-score over {} (Iglewicz and Hoaglin 1993). It is named and counts in every figure.",
            outlier::SCORE
        ));
    }
    told
}

/// What follows from it all.
pub(super) fn conclusions(matter: &Matter) -> Vec<Block> {
    let record = matter.record;
    let (judged, failing) = (matter.judged().count(), matter.failing());
    let mut told = Vec::new();
    if judged > 0 {
        told.push(if failing.is_empty() && judged == 1 {
            "The one judged benchmark is within what is asked.".into()
        } else if failing.is_empty() {
            format!("All {} are within what is asked.", counted(judged as u64, "judged benchmark"))
        } else {
            let names: Vec<String> = failing.iter().map(|b| matter.called(b)).collect();
            format!("{} of {} fail: {}.", failing.len(), counted(judged as u64, "judged benchmark"), listed(&names, 6))
        });
    }
    let mut used: Vec<(&Benchmark, f64)> = matter.judged().filter_map(|b| Some((b, b.margin()?.used?))).collect();
    used.sort_by(|a, b| b.1.total_cmp(&a.1));
    if let ([first, .., last], true) = (used.as_slice(), used.len() >= 3) {
        let tenth = used.iter().filter(|(_, used)| *used < 0.1).count();
        told.push(format!(
            "{} uses most of what it may, {}; {} least, {}. {tenth} of {} use less than a tenth.",
            matter.called(first.0),
            share_of(first.1),
            matter.called(last.0),
            share_of(last.1),
            used.len(),
        ));
    }
    let checks: Vec<bool> = record.benchmarks.iter().flat_map(|b| &b.checks).map(|c| c.holds).collect();
    if !checks.is_empty() {
        let broken = checks.iter().filter(|holds| !**holds).count();
        told.push(if broken == 0 {
            format!("All {} of what makes the figures count hold.", counted(checks.len() as u64, "check"))
        } else {
            format!(
                "{broken} of {} do not hold, and the figures beside them mean nothing.",
                counted(checks.len() as u64, "check")
            )
        });
    }
    told.extend(cost::conclusion(matter));
    for beside in [&matter.previous, &matter.baseline].into_iter().flatten() {
        let tolerance = percent(TOLERANCE, 0);
        let (worse, better) = (beside.of(Verdict::Worse).len(), beside.of(Verdict::Better).len());
        told.push(format!(
            "Against {}, {worse} of {} cost more by over {tolerance} and beyond noise, {better} less.",
            beside.name,
            counted(beside.found.comparisons.len() as u64, "benchmark"),
        ));
    }
    told.extend(super::past::conclusion(matter));
    if !record.missing.is_empty() {
        let names: Vec<String> = record.missing.iter().map(|m| m.suite.clone()).collect();
        told.push(format!("Not measured: {}.", listed(&names, 20)));
    }
    if told.is_empty() {
        told.push("Nothing was measured.".into());
    }
    told.into_iter().map(Block::Text).collect()
}
