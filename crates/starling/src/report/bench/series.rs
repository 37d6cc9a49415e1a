//! Figures over a parameter: a curve where the parameter is a number, bars where it is a name, and how the curve grows.

use starling_lab::bench::{Benchmark, Series};

use super::super::chart::{Bars, Horizontal, Ink, Layer, Measure, Plot, Shape, Spread};
use super::super::document::Block;
use super::super::number::figure;
use super::super::palette::SERIES;
use super::{Matter, SHORT, TALL, listed, slug, with_unit};

/// From which ratio of largest to smallest a curve gets a tall drawing.
const WIDE: f64 = 20.0;
/// How many times the largest bar a limit may be and still be drawn.
const NEAR: f64 = 4.0;

/// One series of one benchmark.
struct Member<'a> {
    b: &'a Benchmark,
    series: &'a Series,
}

/// All series of these benchmarks: those of one name and benchmark in one drawing, a provider a colour.
pub(super) fn blocks(matter: &Matter, members: &[&Benchmark]) -> Vec<Block> {
    let mut groups: Vec<Vec<Member>> = Vec::new();
    for b in members {
        for series in b.series.iter().filter(|series| !series.points.is_empty()) {
            let same = |group: &&mut Vec<Member>| {
                let first = &group[0];
                let axes = |s: &Series| (s.name.clone(), s.x.clone(), s.y.clone());
                first.b.id == b.id && axes(first.series) == axes(series)
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.push(Member { b, series }),
                None => groups.push(vec![Member { b, series }]),
            }
        }
    }
    groups.iter().flat_map(|group| drawn(matter, group)).collect()
}

/// The points with a number as their parameter; `None` if one has none.
fn numeric(series: &Series) -> Option<Vec<(f64, f64)>> {
    let mut points = Vec::with_capacity(series.points.len());
    for point in &series.points {
        let x: f64 = point.x.trim().replace(',', "").parse().ok()?;
        (x.is_finite() && point.y.is_finite()).then_some(())?;
        points.push((x, point.y));
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    Some(points)
}

/// The power by which the figure grows with the parameter: the slope of a least-squares line through the logarithms.
/// `None` of fewer than three points, or one that is not positive.
pub(super) fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    if points.len() < 3 || points.iter().any(|(x, y)| *x <= 0.0 || *y <= 0.0) {
        return None;
    }
    let n = points.len() as f64;
    let logs = || points.iter().map(|(x, y)| (x.ln(), y.ln()));
    let (mean_x, mean_y) = (logs().map(|p| p.0).sum::<f64>() / n, logs().map(|p| p.1).sum::<f64>() / n);
    let spread: f64 = logs().map(|p| (p.0 - mean_x).powi(2)).sum();
    let together: f64 = logs().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
    (spread > 0.0).then(|| together / spread)
}

/// The growth of every numeric series: benchmark, series, exponent.
pub(super) fn growths<'a>(members: &[&'a Benchmark]) -> Vec<(&'a Benchmark, &'a Series, f64)> {
    let mut all = Vec::new();
    for b in members {
        for series in &b.series {
            all.extend(numeric(series).and_then(|points| exponent(&points)).map(|power| (*b, series, power)));
        }
    }
    all
}

fn title(first: &Member) -> String {
    let Series { name, x, y, .. } = first.series;
    let number = match &first.b.id {
        starling_lab::bench::Id::Number(number) => format!("#{number} "),
        starling_lab::bench::Id::Path(_) => String::new(),
    };
    format!("{number}{}: {name}, {y}, by {x}", first.b.name)
}

fn drawn(matter: &Matter, group: &[Member]) -> Vec<Block> {
    let first = &group[0];
    let id = format!(
        "series-{}",
        slug(&format!("{} {} {} {}", first.b.id, first.series.name, first.series.x, first.series.y))
    );
    let curves: Vec<Option<Vec<(f64, f64)>>> = group.iter().map(|member| numeric(member.series)).collect();
    let long = |points: &Option<Vec<(f64, f64)>>| points.as_ref().is_some_and(|points| points.len() >= 2);
    if !curves.iter().all(long) {
        return group
            .iter()
            .enumerate()
            .flat_map(|(place, member)| bars(matter, &format!("{id}-{place}"), member, group.len() > 1))
            .collect();
    }
    let curves: Vec<Vec<(f64, f64)>> = curves.into_iter().flatten().collect();
    let layers = group.iter().zip(&curves).take(SERIES).map(|(member, points)| Layer {
        name: member.b.provider.clone().unwrap_or_else(|| member.series.name.clone()),
        ink: Ink::Series(matter.place(member.b.provider.as_deref())),
        shape: Shape::Dotted(points.clone()),
    });
    let values = || curves.iter().flatten().map(|p| p.1);
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let mut blocks = vec![Block::Plot(Plot {
        id,
        title: title(first),
        horizontal: Horizontal::Count(first.series.x.clone()),
        measure: Measure::Amount,
        spreads: &[Spread::Linear],
        height: if low > 0.0 && high / low >= WIDE { TALL } else { SHORT },
        layers: layers.collect(),
    })];
    let grown: Vec<String> = group
        .iter()
        .zip(&curves)
        .filter_map(|(member, points)| {
            let with = member.b.provider.as_deref().map_or(String::new(), |p| format!(" ({p})"));
            Some(format!("{:.2}{with}", exponent(points)?))
        })
        .collect();
    if !grown.is_empty() {
        let (name, x) = (super::heading(&first.series.name), &first.series.x);
        blocks.push(Block::Text(format!(
            "{name} grows with {x} to the power of {}; 1 would be in proportion.",
            listed(&grown, SERIES)
        )));
    }
    blocks
}

fn bars(matter: &Matter, id: &str, member: &Member, several: bool) -> Option<Block> {
    let Member { b, series } = member;
    let rows: Vec<(String, f64, String)> =
        series.points.iter().filter(|p| p.y.is_finite()).map(|p| (p.x.clone(), p.y, figure(p.y))).collect();
    let provider = b.provider.as_deref().filter(|_| several);
    let ink = Ink::Series(matter.place(b.provider.as_deref()));
    // What the benchmark is held against is drawn where these are the same sort of figure, and the bars stay visible.
    let largest = rows.iter().map(|row| row.1).fold(0.0, f64::max);
    let bound = b.margin().map(|margin| margin.bound);
    let bound = bound.filter(|bound| series.y == b.unit && *bound > 0.0 && *bound <= largest * NEAR);
    (!rows.is_empty()).then(|| {
        Block::Bars(Bars {
            id: id.to_owned(),
            title: title(member) + &provider.map_or(String::new(), |p| format!(" ({p})")),
            rows,
            inks: (ink, ink),
            limit: bound.map(|bound| (bound, format!("limit {}", with_unit(bound, &b.unit)))),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_gives_its_power() {
        let law = |power: f64| (1..6).map(|n| (f64::from(n), 3.0 * f64::from(n).powf(power))).collect::<Vec<_>>();
        for power in [0.0, 1.0, 1.7, -0.5] {
            assert!((exponent(&law(power)).unwrap() - power).abs() < 1e-12);
        }
        assert_eq!(exponent(&law(1.0)[..2]), None);
        assert_eq!(exponent(&[(1.0, 1.0), (2.0, 0.0), (3.0, 1.0)]), None);
        assert_eq!(exponent(&[(2.0, 1.0), (2.0, 2.0), (2.0, 1.0)]), None, "one place has no slope");
    }
}
