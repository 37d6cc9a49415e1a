//! What is drawn inside a frame: lines, areas, bands, markers.
//!
//! Invariant: a layer draws at most a few points for each column of pixels, and the highest and the lowest value of
//! every column are among them, so that a long series costs little and hides no extreme.

use super::scale::Scale;
use crate::report::markup::put;
use crate::report::palette::SERIES;

/// Whose colour a layer wears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// The n-th series.
    Series(usize),
    /// Profit, buying.
    Gain,
    /// Loss, selling.
    Loss,
    /// What the others are seen against.
    Muted,
}

impl Ink {
    /// The class that sets `--c`.
    pub(crate) fn class(self) -> String {
        match self {
            Self::Series(n) => format!("c{}", n % SERIES),
            Self::Gain => "cg".to_owned(),
            Self::Loss => "cl".to_owned(),
            Self::Muted => "cm".to_owned(),
        }
    }
}

/// The shape of a layer, with its points by ascending x.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// A line through (x, y).
    Line(Vec<(f64, f64)>),
    /// The same with a dot on each point, over an axis that begins at zero: for a few measurements, whose size counts.
    Dotted(Vec<(f64, f64)>),
    /// The surface between zero and (x, y).
    Area(Vec<(f64, f64)>),
    /// The surface between (x, low, high).
    Band(Vec<(f64, f64, f64)>),
    /// Triangles that point up, at (x, y).
    Up(Vec<(f64, f64)>),
    /// Triangles that point down, at (x, y).
    Down(Vec<(f64, f64)>),
}

/// A named, coloured shape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layer {
    pub(crate) name: String,
    pub(crate) ink: Ink,
    pub(crate) shape: Shape,
}

impl Layer {
    /// Smallest and largest x and y.
    pub(crate) fn extent(&self) -> Option<((f64, f64), (f64, f64))> {
        let widen = |range: Option<(f64, f64)>, v: f64| Some(range.map_or((v, v), |(a, b)| (v.min(a), v.max(b))));
        let (mut x, mut y) = (None, None);
        match &self.shape {
            Shape::Band(points) => points.iter().for_each(|p| {
                x = widen(x, p.0);
                y = widen(widen(y, p.1), p.2);
            }),
            Shape::Area(points) | Shape::Dotted(points) => points.iter().for_each(|p| {
                x = widen(x, p.0);
                y = widen(widen(y, p.1), 0.0);
            }),
            Shape::Line(points) | Shape::Up(points) | Shape::Down(points) => {
                points.iter().for_each(|p| {
                    x = widen(x, p.0);
                    y = widen(y, p.1);
                });
            }
        }
        x.zip(y)
    }

    /// The (x, y) that a crosshair reads; `None` for a shape without one value for each x.
    pub(crate) fn readable(&self) -> Option<&[(f64, f64)]> {
        match &self.shape {
            Shape::Line(points) | Shape::Dotted(points) | Shape::Area(points) => {
                Some(points).filter(|p| !p.is_empty()).map(Vec::as_slice)
            }
            Shape::Band(_) | Shape::Up(_) | Shape::Down(_) => None,
        }
    }

    /// Appends the layer; `place` is its place among the layers, by which a legend finds it. Markers of one kind in a
    /// cell of `cell` pixels are drawn as one.
    pub(crate) fn draw(&self, out: &mut String, x: &Scale, y: &Scale, place: usize, cell: i64) {
        let at = |p: &(f64, f64)| (tenths(x.place(p.0)), tenths(y.place(p.1)));
        put!(out, r#"<g class="layer {}" data-layer="{place}">"#, self.ink.class());
        match &self.shape {
            Shape::Line(points) => {
                put!(out, r#"<path class="line" d="{}"/>"#, path(&thinned(points.iter().map(at))));
            }
            Shape::Dotted(points) => {
                put!(out, r#"<path class="line" d="{}"/>"#, path(&thinned(points.iter().map(at))));
                for (px, py) in points.iter().map(at) {
                    put!(out, r#"<circle class="mark" cx="{}" cy="{}" r="3.5"/>"#, decimal(px), decimal(py));
                }
            }
            Shape::Area(points) => {
                let line = thinned(points.iter().map(at));
                if let Some(first) = line.first() {
                    let zero = tenths(y.place(0.0));
                    put!(out, r#"<path class="area" d="{}V{}H{}Z"/>"#, path(&line), decimal(zero), decimal(first.0));
                }
            }
            Shape::Band(points) => {
                let columns =
                    columns(points.iter().map(|p| (tenths(x.place(p.0)), tenths(y.place(p.1)), tenths(y.place(p.2)))));
                let mut outline: Vec<_> = columns.iter().map(|c| (c.0, c.2)).collect();
                outline.extend(columns.iter().rev().map(|c| (c.0, c.1)));
                put!(out, r#"<path class="band" d="{}Z"/>"#, path(&outline));
            }
            Shape::Up(points) => marks(out, points.iter().map(at), cell * 10, "l5 9h-10z"),
            Shape::Down(points) => marks(out, points.iter().map(at), cell * 10, "l5-9h-10z"),
        }
        out.push_str("</g>");
    }
}

/// One marker for each occupied cell of so many tenths of a pixel, all in one path.
fn marks(out: &mut String, points: impl Iterator<Item = (i64, i64)>, cell: i64, triangle: &str) {
    let cells: std::collections::BTreeMap<(i64, i64), (i64, i64)> =
        points.map(|p| ((p.0.div_euclid(cell), p.1.div_euclid(cell)), p)).collect();
    out.push_str(r#"<path class="mark" d=""#);
    for (x, y) in cells.values() {
        put!(out, "M{} {}{triangle}", decimal(*x), decimal(*y));
    }
    out.push_str(r#""/>"#);
}

/// Tenths of a pixel: the precision of every coordinate of a path.
fn tenths(pixel: f64) -> i64 {
    (pixel * 10.0).round() as i64
}

/// Tenths as short as SVG allows: `12`, `-.5`, `3.7`.
fn decimal(tenths: i64) -> String {
    let (sign, size) = (if tenths < 0 { "-" } else { "" }, tenths.unsigned_abs());
    match (size / 10, size % 10) {
        (whole, 0) => format!("{}{whole}", if whole == 0 { "" } else { sign }),
        (0, part) => format!("{sign}.{part}"),
        (whole, part) => format!("{sign}{whole}.{part}"),
    }
}

/// The points of each column of one pixel, down to its lowest and highest in the order they came.
fn thinned(points: impl Iterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
    let all: Vec<_> = points.collect();
    let mut kept = Vec::new();
    for column in all.chunk_by(|a, b| a.0.div_euclid(10) == b.0.div_euclid(10)) {
        if column.len() <= 2 {
            kept.extend_from_slice(column);
            continue;
        }
        let key = |i: &usize| column[*i].1;
        let low = (0..column.len()).min_by_key(key).expect("a column holds points");
        let high = (0..column.len()).max_by_key(key).expect("a column holds points");
        kept.push(column[low.min(high)]);
        if low != high {
            kept.push(column[low.max(high)]);
        }
    }
    // The ends are what a reader compares with the figures; keep them exactly.
    if let (Some(first), Some(last)) = (all.first(), all.last()) {
        if kept.first() != Some(first) {
            kept.insert(0, *first);
        }
        if kept.last() != Some(last) {
            kept.push(*last);
        }
    }
    kept
}

/// (x, low, high) of each column of one pixel.
fn columns(points: impl Iterator<Item = (i64, i64, i64)>) -> Vec<(i64, i64, i64)> {
    let all: Vec<_> = points.collect();
    all.chunk_by(|a, b| a.0.div_euclid(10) == b.0.div_euclid(10))
        .map(|column| {
            // Pixels grow downward, so the low of the prices is the largest y.
            let low = column.iter().map(|c| c.1).max().expect("a column holds points");
            let high = column.iter().map(|c| c.2).min().expect("a column holds points");
            (column[0].0, low, high)
        })
        .collect()
}

/// A path through the points, each relative to the one before.
fn path(points: &[(i64, i64)]) -> String {
    let mut out = String::with_capacity(points.len() * 8);
    let mut last = None;
    for &(x, y) in points {
        let (dx, dy) = match last {
            None => {
                put!(out, "M{} {}", decimal(x), decimal(y));
                last = Some((x, y));
                continue;
            }
            Some((lx, ly)) => (x - lx, y - ly),
        };
        last = Some((x, y));
        let dy = decimal(dy);
        // A minus sign separates two numbers as well as a space does.
        put!(out, "l{}{}{dy}", decimal(dx), if dy.starts_with('-') { "" } else { " " });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::scale::Spread;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_is_relative_exact_and_short() {
        assert_eq!(path(&[(100, 205), (110, 200), (113, 230), (113, 225)]), "M10 20.5l1-.5l.3 3l0-.5");
        assert_eq!([0, 5, -5, -10, -37, 120].map(decimal), ["0", ".5", "-.5", "-1", "-3.7", "12"]);
    }

    #[test]
    fn an_area_reaches_zero_even_if_no_point_does() {
        let layer = Layer { name: "a".into(), ink: Ink::Loss, shape: Shape::Area(vec![(0.0, -2.0), (1.0, -1.0)]) };
        assert_eq!(layer.extent(), Some(((0.0, 1.0), (-2.0, 0.0))));
    }

    #[test]
    fn markers_of_one_cell_are_one() {
        let (x, y) = (
            Scale::new(Spread::Linear, (0.0, 1.0), (0.0, 1000.0)),
            Scale::new(Spread::Linear, (0.0, 1.0), (100.0, 0.0)),
        );
        let points = (0..10_000).map(|i| (f64::from(i) / 10_000.0, 0.5)).collect();
        let mut out = String::new();
        Layer { name: "buys".into(), ink: Ink::Gain, shape: Shape::Up(points) }.draw(&mut out, &x, &y, 0, 4);
        assert_eq!(out.matches('M').count(), 250);
    }

    proptest! {
        #[test]
        fn thinning_keeps_both_ends_and_the_extremes_of_every_column(ys in prop::collection::vec(-5_000i64..5_000, 1..2_000)) {
            let points: Vec<_> = ys.iter().enumerate().map(|(i, y)| (i as i64 * 3, *y)).collect();
            let kept = thinned(points.iter().copied());
            prop_assert!(kept.len() <= 2 * points.len().div_ceil(3).max(1) + 2);
            prop_assert_eq!((kept[0], kept[kept.len() - 1]), (points[0], points[points.len() - 1]));
            prop_assert!(kept.is_sorted_by_key(|p| p.0));
            for column in points.chunk_by(|a, b| a.0 / 10 == b.0 / 10) {
                for extreme in [column.iter().map(|p| p.1).min(), column.iter().map(|p| p.1).max()] {
                    prop_assert!(kept.iter().any(|p| p.0 / 10 == column[0].0 / 10 && Some(p.1) == extreme));
                }
            }
        }
    }
}
