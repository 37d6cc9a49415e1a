//! Recommendations: rules, each with what speaks for it and the command that shows whether it holds.
//!
//! Invariant: a rule looks at records only, and one that finds nothing says nothing. High is what makes a figure wrong or
//! too bad, medium what may do so soon or hides it, low what is worth a look.

use starling_lab::bench::compare::Verdict;
use starling_lab::bench::{Benchmark, Id, Subject};
use starling_lab::stats::sample::{Convention, quantile};

use super::super::document::{Advice, Block, Tone};
use super::super::markup::shell_word;
use super::super::number::{counted, figure, percent, signed};
use super::{Beside, Matter, TOLERANCE, cost, listed, series, summary, unit, with_unit};

/// How much of a limit may be used before a figure is called near it.
const NEAR: f64 = 0.8;
/// Width of the median's interval, as a share of the median, from which a figure is called noisy.
const NOISY: f64 = 0.3;
/// Share of samples that may be outliers.
const OUTLYING: f64 = 0.05;
/// Power of growth from which it is called steep.
const STEEP: f64 = 1.3;
/// How much less of a limit is used where a target of one's own would say more.
const LOOSE: f64 = 0.01;
/// Evidence lines of one recommendation; the rest is counted.
const LINES: usize = 6;
/// How many times one provider must cost the other.
const APART: f64 = 3.0;

/// The recommendations, the most pressing first.
pub(super) fn blocks(matter: &Matter) -> Vec<Block> {
    let advices = advices(matter);
    if advices.is_empty() {
        return vec![Block::Text("No rule finds anything to recommend.".into())];
    }
    let told = |level: &str| advices.iter().filter(|advice| advice.level == level).count();
    let levels = [HIGH, MEDIUM, LOW].map(|level| format!("{} {}", told(level), level.to_lowercase()));
    let mut blocks = vec![Block::Text(format!("{}.", levels.join(", ")))];
    blocks.extend(advices.into_iter().map(Block::Advice));
    blocks
}

const HIGH: &str = "High";
const MEDIUM: &str = "Medium";
const LOW: &str = "Low";

pub(super) fn advices(matter: &Matter) -> Vec<Advice> {
    let mut all: Vec<Advice> = failing(matter);
    all.extend(RULES.iter().filter_map(|(_, rule)| rule(matter)));
    all
}

type Rule = fn(&Matter) -> Option<Advice>;

/// What is looked at besides the benchmarks that fail, the most pressing first; each has a name, by which its test is found.
pub(super) const RULES: [(&str, Rule); 12] = [
    ("debug", debug),
    ("busy", busy),
    ("near", near),
    ("worse", worse),
    ("drifts", drifts),
    ("noisy", noisy),
    ("steep", steep),
    ("missing", missing),
    ("apart", apart),
    ("outlying", outlying),
    ("topologies", topologies),
    ("loose", loose),
];

fn advice(level: &'static str, text: String, evidence: Vec<String>, command: String) -> Advice {
    let tone = match level {
        HIGH => Tone::Loss,
        MEDIUM => Tone::Warn,
        _ => Tone::Plain,
    };
    let more = evidence.len().saturating_sub(LINES);
    let mut evidence: Vec<String> = evidence.into_iter().take(LINES).collect();
    evidence.extend((more > 0).then(|| format!("and {more} more")));
    Advice { level, tone, text, evidence, command }
}

/// The next tier, which takes more samples.
fn more_samples(tier: &str) -> &str {
    match tier {
        "fast" => "standard",
        _ => "full",
    }
}

/// The name that chooses all benchmarks of a record.
fn whole(matter: &Matter, tier: &str) -> String {
    format!("starling bench {} --tier {}", matter.record.subject.name(), shell_word(tier))
}

/// One for each benchmark that fails.
fn failing(matter: &Matter) -> Vec<Advice> {
    let one = |b: &Benchmark| {
        let broken: Vec<String> = b
            .checks
            .iter()
            .filter(|check| !check.holds)
            .map(|check| format!("{}: expected {}, found {}", check.claim, check.expected, check.found))
            .collect();
        let name = matter.called(b);
        let tier = &matter.record.tier;
        if !broken.is_empty() {
            let text = format!("Mend what {name} found broken before reading its figure.");
            return advice(HIGH, text, broken, matter.again(b, tier));
        }
        if b.measured.is_none() {
            let evidence = vec![format!("{} carry no {}", counted(b.samples.n as u64, "sample"), b.judged.name())];
            let text = format!("Take more samples of {name}.");
            return advice(HIGH, text, evidence, matter.again(b, more_samples(tier)));
        }
        let evidence = super::figures(b)
            .into_iter()
            .filter(|f| f.pass == Some(false))
            .map(|f| {
                let of = if f.condition.is_empty() { String::new() } else { format!("{}: ", f.condition) };
                let Some((measured, margin)) = f.measured.zip(f.margin) else {
                    return format!("{of}{} carry no {}", counted(f.samples.n as u64, "sample"), f.judged.name());
                };
                let [low, high] = f.samples.median_ci95;
                format!(
                    "{of}{} measured ({}), {} asked, {} beyond it; 95 % of the median: {} to {}",
                    with_unit(measured, &f.unit),
                    f.judged.name(),
                    with_unit(margin.bound, &f.unit),
                    percent(-margin.share, 1),
                    figure(low),
                    figure(high),
                )
            })
            .collect();
        advice(HIGH, format!("Bring {name} within what is asked."), evidence, matter.again(b, tier))
    };
    matter.failing().into_iter().map(one).collect()
}

fn debug(matter: &Matter) -> Option<Advice> {
    let profile = &matter.record.profile;
    (!profile.starts_with("release")).then(|| {
        let text = "Measure a release build.".to_owned();
        let command = format!("cargo build --release && target/release/{}", whole(matter, &matter.record.tier));
        advice(HIGH, text, vec![format!("the build was `{profile}`")], command)
    })
}

fn busy(matter: &Matter) -> Option<Advice> {
    let ([before, after], cores) = summary::busy(matter.record)?;
    let cores = counted(u64::from(cores), "core");
    let evidence = vec![format!("load {before:.1} before and {after:.1} after, on {cores}")];
    let text = "Measure again while nothing else runs.".to_owned();
    Some(advice(MEDIUM, text, evidence, whole(matter, &matter.record.tier)))
}

fn near(matter: &Matter) -> Option<Advice> {
    let mut near: Vec<(&Benchmark, f64)> = matter
        .judged()
        .filter(|b| !b.fails())
        .filter_map(|b| Some((b, b.margin()?.used?)))
        .filter(|(_, used)| *used >= NEAR)
        .collect();
    near.sort_by(|a, b| b.1.total_cmp(&a.1));
    let first = near.first()?.0;
    let evidence = near.iter().map(|(b, used)| format!("{} uses {} of its limit", matter.called(b), percent(*used, 1)));
    let text = format!("Find room before {} a limit.", if near.len() == 1 { "this reaches" } else { "these reach" });
    Some(advice(MEDIUM, text, evidence.collect(), matter.again(first, more_samples(&matter.record.tier))))
}

fn worse(matter: &Matter) -> Option<Advice> {
    let besides: Vec<&Beside> = [&matter.previous, &matter.baseline].into_iter().flatten().collect();
    let mut evidence = Vec::new();
    let (mut first, mut before) = (None, "");
    for beside in besides {
        for c in beside.of(Verdict::Worse) {
            if first.is_none() {
                first = matter.record.benchmarks.iter().find(|b| b.key() == c.id);
                before = beside.other.commit.as_str();
            }
            let change = signed(percent(c.ratio - 1.0, 1));
            let [low, high] = c.ratio_ci95.map(|ratio| signed(percent(ratio - 1.0, 1)));
            evidence.push(format!("{}: {change} ({low} to {high}) against {}", c.id, beside.name));
        }
    }
    let (b, over) = (first?, percent(TOLERANCE, 0));
    // Comparing programs measures the engine; other subjects are measured again.
    let (text, command) = match (matter.record.subject, &b.id) {
        (Subject::Engine, Id::Path(path)) => {
            ("does so when both builds are measured in turn", in_turn(&matter.record.commit, before, path))
        }
        _ => ("does so again", matter.again(b, &matter.record.tier)),
    };
    Some(advice(MEDIUM, format!("See whether what costs over {over} more {text}."), evidence, command))
}

/// Builds both commits and measures them in turn, in a checkout of the source; the programs are left to the reader where
/// their commits are not told, or are the same.
fn in_turn(after: &str, before: &str, category: &str) -> String {
    let is_commit = |text: &str| (7..=40).contains(&text.len()) && text.chars().all(|c| c.is_ascii_hexdigit());
    let category = shell_word(category);
    if !is_commit(after) || !is_commit(before) || after == before {
        return format!("starling bench compare OLD NEW --category {category}");
    }
    let program = |commit: &str| format!("target/{commit}/target/release/starling");
    let build = |commit: &str| {
        let folder = format!("target/{commit}");
        format!(
            "git worktree add --detach {folder} {commit}\ncargo build --release --manifest-path {folder}/Cargo.toml\n"
        )
    };
    let (old, new) = (program(before), program(after));
    format!("{}{}{new} bench compare {old} {new} --category {category}", build(before), build(after))
}

fn drifts(matter: &Matter) -> Option<Advice> {
    let mut evidence = Vec::new();
    let mut first = None;
    for course in &matter.courses {
        let told = super::past::told(matter, course);
        let for_the_worse = course.trend.is_some_and(|t| course.worsens(t.slope))
            || course.change.is_some_and(|c| course.worsens(c.medians[1] - c.medians[0]));
        if for_the_worse {
            first = first.or(Some(course.last));
            evidence.extend(told);
        }
    }
    let b = first?;
    let text = "Find the commit or the day since when this costs more.".to_owned();
    Some(advice(MEDIUM, text, evidence, matter.again(b, &matter.record.tier)))
}

fn noisy(matter: &Matter) -> Option<Advice> {
    let width = |b: &Benchmark| {
        let [low, high] = b.samples.median_ci95;
        (b.samples.median > 0.0).then(|| (high - low) / b.samples.median)
    };
    let mut noisy: Vec<(&Benchmark, f64)> =
        matter.judged().filter_map(|b| Some((b, width(b)?))).filter(|(_, width)| *width > NOISY).collect();
    noisy.sort_by(|a, b| b.1.total_cmp(&a.1));
    noisy.first()?;
    let tier = more_samples(&matter.record.tier);
    let evidence = noisy.iter().map(|(b, width)| {
        let n = counted(b.samples.n as u64, "sample");
        format!("{}: the interval of the median is {} of it wide, {n}", matter.called(b), percent(*width, 0))
    });
    let text = "Take more samples before believing a change of these.".to_owned();
    Some(advice(MEDIUM, text, evidence.collect(), whole(matter, tier)))
}

fn steep(matter: &Matter) -> Option<Advice> {
    let members: Vec<&Benchmark> = matter.record.benchmarks.iter().collect();
    let mut steep = series::growths(&members);
    steep.retain(|(b, _, power)| *power > STEEP && !b.more_is_better);
    steep.sort_by(|a, b| b.2.total_cmp(&a.2));
    let first = steep.first()?.0;
    let evidence = steep.iter().map(|(b, series, power)| {
        format!("{}: {} grows as {} to the power of {power:.2}", matter.called(b), series.name, series.x)
    });
    let text = "Look at what grows faster than what it grows with.".to_owned();
    Some(advice(MEDIUM, text, evidence.collect(), matter.again(first, &matter.record.tier)))
}

fn missing(matter: &Matter) -> Option<Advice> {
    let missing = &matter.record.missing;
    (!missing.is_empty()).then(|| {
        let evidence = missing.iter().map(|m| format!("{}: {}", m.suite, m.reason)).collect();
        let text = format!("Measure what is missing, {}.", counted(missing.len() as u64, "part"));
        advice(LOW, text, evidence, whole(matter, &matter.record.tier))
    })
}

fn apart(matter: &Matter) -> Option<Advice> {
    if matter.record.subject != Subject::Swarm {
        return None;
    }
    let (first, second) = (*matter.providers.first()?, *matter.providers.get(1)?);
    let mut found = Vec::new();
    for b in matter.record.benchmarks.iter().filter(|b| b.provider.as_deref() == Some(first)) {
        let other = matter.record.benchmarks.iter().find(|o| o.id == b.id && o.provider.as_deref() == Some(second));
        if let Some((here, there)) = b.measured.zip(other.and_then(|o| o.measured)) {
            let ratio = if b.more_is_better { here / there } else { there / here };
            found.extend((ratio.is_finite() && ratio > 0.0).then_some((b, ratio)));
        }
    }
    let ratios: Vec<f64> = found.iter().map(|(_, ratio)| *ratio).collect();
    let middle = quantile(&ratios, 0.5, Convention::Linear)?;
    let (better, other, times) = if middle >= 1.0 { (first, second, middle) } else { (second, first, 1.0 / middle) };
    if times < APART {
        return None;
    }
    found.sort_by(|a, b| if middle >= 1.0 { b.1.total_cmp(&a.1) } else { a.1.total_cmp(&b.1) });
    let evidence = found.iter().take(3).map(|(b, ratio)| {
        let times = if middle >= 1.0 { *ratio } else { 1.0 / ratio };
        format!("#{} {}: {times:.1} times", b.id, b.name)
    });
    let text = format!(
        "Run agents {better} where {other} isolation is not needed: {times:.1} times as good in the median of {}.",
        counted(ratios.len() as u64, "benchmark")
    );
    let evidence = evidence.collect();
    Some(advice(
        LOW,
        text,
        evidence,
        format!("{} --provider {first} --provider {second}", whole(matter, &matter.record.tier)),
    ))
}

fn outlying(matter: &Matter) -> Option<Advice> {
    let share = |b: &Benchmark| b.samples.outliers.len() as f64 / b.samples.n.max(1) as f64;
    let mut odd: Vec<(&Benchmark, f64)> = matter
        .judged()
        .filter(|b| b.samples.n >= 10)
        .map(|b| (b, share(b)))
        .filter(|(_, share)| *share > OUTLYING)
        .collect();
    odd.sort_by(|a, b| b.1.total_cmp(&a.1));
    let first = odd.first()?.0;
    let evidence = odd.iter().map(|(b, share)| {
        let unit = unit(b);
        format!(
            "{}: {} of {} samples, the largest {}",
            matter.called(b),
            percent(*share, 1),
            b.samples.n,
            with_unit(b.samples.max, &unit)
        )
    });
    let text = "Look at what the outliers have in common.".to_owned();
    Some(advice(LOW, text, evidence.collect(), matter.again(first, more_samples(&matter.record.tier))))
}

fn topologies(matter: &Matter) -> Option<Advice> {
    let (b, [(low, cheap), (high, dear)]) = cost::extremes(matter)?;
    if dear < cheap * (1.0 + TOLERANCE) {
        return None;
    }
    let evidence = vec![
        format!("{}: {cheap:.3} millionths of a dollar an operation by {}", low.subject, low.prices.provider),
        format!("{}: {dear:.3}", high.subject),
    ];
    let text = format!(
        "Prefer {} where its paths suffice: {} costs {} more an operation.",
        low.subject,
        high.subject,
        percent(dear / cheap - 1.0, 0)
    );
    Some(advice(LOW, text, evidence, matter.again(b, &matter.record.tier)))
}

fn loose(matter: &Matter) -> Option<Advice> {
    let loose: Vec<(&Benchmark, f64)> = matter
        .judged()
        .filter(|b| b.target.is_none())
        .filter_map(|b| Some((b, b.margin()?.used?)))
        .filter(|(_, used)| *used < LOOSE)
        .collect();
    loose.first()?;
    let names: Vec<String> = loose.iter().map(|(b, _)| matter.called(b)).collect();
    let text = format!(
        "Set targets of our own: {} of {} use less than {} of what is required, so a regression of many times would pass.",
        loose.len(),
        matter.judged().count(),
        percent(LOOSE, 0)
    );
    Some(advice(LOW, text, vec![listed(&names, LINES)], whole(matter, &matter.record.tier)))
}
