//! Rows over one value axis, each with a mark, how far it reaches, and what it is held against.
//!
//! One drawing for distributions, for shares of a limit and for changes with their intervals: what differs is the axis.
//! A row's own bound is drawn only where it does not squeeze all samples into a corner; the row's words name it anyway.

use super::Size;
use super::axis::{EDGE, Measure, label_width, value_ticks};
use super::bars::fitted;
use super::scale::{Scale, Spread};
use super::series::Ink;
use crate::report::markup::{escape, put};

/// The drawing's rows and axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Strips {
    /// A name unique in the report, of lower-case letters, digits and hyphens.
    pub(crate) id: String,
    /// What is drawn, with its unit.
    pub(crate) title: String,
    /// How the axis is spread. A logarithmic one needs positive values.
    pub(crate) spread: Spread,
    /// What it measures.
    pub(crate) measure: Measure,
    /// A line through all rows, and its name.
    pub(crate) line: Option<(f64, String)>,
    /// From top to bottom; at least one.
    pub(crate) rows: Vec<Strip>,
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Strip {
    pub(crate) name: String,
    pub(crate) ink: Ink,
    /// Where the mark stands.
    pub(crate) at: f64,
    /// From where to where a thin line reaches: all samples, or an interval.
    pub(crate) reach: Option<(f64, f64)>,
    /// From where to where a thick line reaches: the middle half.
    pub(crate) core: Option<(f64, f64)>,
    /// Single samples.
    pub(crate) dots: Vec<f64>,
    /// What this row is held against.
    pub(crate) bound: Option<f64>,
    /// The value as it is written.
    pub(crate) written: String,
    /// What a reader who points at the row is told beside that.
    pub(crate) tip: String,
}

/// How many times the span of all samples a bound may lie away and still be drawn.
const NEAR: f64 = 3.0;

impl Strips {
    /// Smallest and largest value that is drawn, bounds apart.
    fn extent(&self) -> (f64, f64) {
        let of = |row: &Strip| {
            let pair = |p: Option<(f64, f64)>| p.into_iter().flat_map(|(a, b)| [a, b]);
            let ends: Vec<f64> = pair(row.reach).chain(pair(row.core)).chain(row.dots.iter().copied()).collect();
            ends.into_iter().chain([row.at])
        };
        let values = self.rows.iter().flat_map(of).chain(self.line.iter().map(|(at, _)| *at));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    }

    /// The drawing.
    pub(crate) fn svg(&self, size: Size) -> String {
        let (low, high) = self.extent();
        let near = |bound: &f64| match self.spread {
            Spread::Linear => *bound <= high + NEAR * (high - low) && *bound >= low - NEAR * (high - low),
            Spread::Log => *bound > 0.0 && *bound <= high * 100.0 && *bound >= low / 100.0,
        };
        let bounds = self.rows.iter().filter_map(|row| row.bound).filter(near);
        let domain = bounds.fold((low, high), |(low, high), v| (low.min(v), high.max(v)));

        // On a telephone a name stands above its strip.
        let stacked = size == Size::Narrow;
        let row_height = if stacked { 42.0 } else { 26.0 };
        let top = if size == Size::Standalone { 40.0 } else { 4.0 } + if self.line.is_some() { 18.0 } else { 0.0 };
        let bottom = top + row_height * self.rows.len() as f64 + 4.0;
        let widest = |labels: &mut dyn Iterator<Item = &str>| labels.map(label_width).fold(0.0, f64::max);
        let values = widest(&mut self.rows.iter().map(|r| r.written.as_str()));
        let names = widest(&mut self.rows.iter().map(|r| r.name.as_str())).min(size.width() * 0.36);
        let (left, right) =
            if stacked { (EDGE, size.width() - EDGE) } else { (names + 18.0, size.width() - EDGE - values - 10.0) };
        let target = if stacked { 4 } else { 7 };
        let scale = Scale::relaxed(self.spread, domain, (left, right), target);

        let mut out = size.open(bottom + 22.0, &self.title, "");
        let middle_of = |row: usize| top + row_height * row as f64 + if stacked { 29.0 } else { 13.0 };
        // Where names and values stand between the strips, a line through all of them would cross these.
        let through = |x: f64| -> String {
            let pieces = (0..self.rows.len()).map(|row| format!("M{x:.1} {:.1}v22", middle_of(row) - 11.0));
            if stacked { pieces.collect() } else { format!("M{x:.1} {:.1}V{bottom:.1}", top - 4.0) }
        };
        for (value, label) in value_ticks(&scale, self.measure, target) {
            let x = scale.place(value);
            put!(out, r#"<path class="grid" d="{}"/>"#, through(x));
            let half = label_width(&label) / 2.0;
            let middle = x.clamp(half, size.width() - half);
            put!(out, r#"<text class="tick mid" x="{middle:.1}" y="{:.1}">{}</text>"#, bottom + 16.0, escape(&label));
        }
        for (i, row) in self.rows.iter().enumerate() {
            let head = top + row_height * i as f64;
            let middle = middle_of(i);
            let tip = [row.name.as_str(), row.written.as_str(), row.tip.as_str()];
            let tip: Vec<&str> = tip.into_iter().filter(|line| !line.is_empty()).collect();
            put!(out, r#"<g class="row {}" data-tip="{}">"#, row.ink.class(), escape(&tip.join("\n")));
            put!(out, r#"<rect class="hit" x="0" y="{head:.1}" width="{}" height="{row_height}"/>"#, size.width());
            let (name_y, room) =
                if stacked { (head + 13.0, size.width() - values - 16.0) } else { (middle + 4.0, names) };
            put!(out, r#"<text class="tick" x="2" y="{name_y:.1}">{}</text>"#, escape(&fitted(&row.name, room)));
            let edge = size.width() - 2.0;
            put!(out, r#"<text class="tick end" x="{edge:.1}" y="{name_y:.1}">{}</text>"#, escape(&row.written));
            if let Some((from, to)) = row.reach {
                put!(out, r#"<path class="reach" d="M{:.1} {middle:.1}H{:.1}"/>"#, scale.place(from), scale.place(to));
            }
            if let Some((from, to)) = row.core {
                put!(out, r#"<path class="core" d="M{:.1} {middle:.1}H{:.1}"/>"#, scale.place(from), scale.place(to));
            }
            for dot in &row.dots {
                put!(out, r#"<circle class="sample" cx="{:.1}" cy="{middle:.1}" r="2"/>"#, scale.place(*dot));
            }
            let x = scale.place(row.at);
            put!(out, r#"<circle class="mark" cx="{x:.1}" cy="{middle:.1}" r="4.5"/>"#);
            if let Some(bound) = row.bound.filter(near) {
                put!(out, r#"<path class="bound" d="M{:.1} {:.1}v18"/>"#, scale.place(bound), middle - 9.0);
            }
            out.push_str("</g>");
        }
        if let Some((at, name)) = &self.line {
            let x = scale.place(*at);
            put!(out, r#"<path class="bound" d="{}"/>"#, through(x));
            let half = label_width(name) / 2.0;
            let middle = x.clamp(half + 2.0, (size.width() - half - 2.0).max(half + 2.0));
            put!(out, r#"<text class="tick mid" x="{middle:.1}" y="{:.1}">{}</text>"#, top - 8.0, escape(name));
        }
        put!(out, r#"<path class="axis" d="M{left:.1} {bottom:.1}H{right:.1}"/>"#);
        out.push_str("</svg>");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(at: f64, bound: Option<f64>) -> Strip {
        Strip {
            name: "a".into(),
            ink: Ink::Series(0),
            at,
            reach: Some((at * 0.5, at * 2.0)),
            core: None,
            dots: vec![at],
            bound,
            written: "v".into(),
            tip: String::new(),
        }
    }

    fn drawn(spread: Spread, rows: Vec<Strip>, line: Option<(f64, String)>) -> String {
        let strips = Strips { id: "s".into(), title: "t".into(), spread, measure: Measure::Amount, line, rows };
        let [wide, narrow] = [Size::Wide, Size::Narrow].map(|size| strips.svg(size));
        assert!(!wide.contains("NaN") && !narrow.contains("NaN"), "{wide}");
        wide
    }

    #[test]
    fn a_bound_is_drawn_where_it_leaves_room_for_the_samples() {
        let count = |bound| drawn(Spread::Linear, vec![strip(10.0, Some(bound))], None).matches(r#""bound""#).count();
        assert_eq!((count(30.0), count(5_000.0)), (1, 0));
        let logarithmic = drawn(Spread::Log, vec![strip(0.001, None), strip(1.0, None)], Some((1.0, "limit".into())));
        assert_eq!(logarithmic.matches(r#""bound""#).count(), 1);
        let marks: Vec<f64> = logarithmic
            .split(r#"class="mark" cx=""#)
            .skip(1)
            .map(|s| s.split('"').next().unwrap().parse().unwrap())
            .collect();
        assert!(marks[1] - marks[0] > 300.0, "three decades apart: {marks:?}");
    }

    #[test]
    fn equal_values_and_zeros_have_a_place() {
        let still = Strip { reach: None, ..strip(0.0, None) };
        drawn(Spread::Linear, vec![still.clone(), still], None);
    }
}
