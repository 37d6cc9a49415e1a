//! Horizontal bars from zero, one a row, each with its name and its value.

use super::Size;
use super::axis::{EDGE, label_width};
use super::scale::{Scale, Spread};
use super::series::Ink;
use crate::report::markup::{escape, put};

/// A bar chart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bars {
    /// A name unique in the report, of lower-case letters, digits and hyphens.
    pub(crate) id: String,
    /// What is drawn, with its unit.
    pub(crate) title: String,
    /// Name, value, and the value as it is written; at least one.
    pub(crate) rows: Vec<(String, f64, String)>,
    /// Above zero in the first ink, below in the second.
    pub(crate) inks: (Ink, Ink),
    /// What the bars are held against, and its name.
    pub(crate) limit: Option<(f64, String)>,
}

const ROW: f64 = 26.0;

impl Bars {
    /// The drawing.
    pub(crate) fn svg(&self, size: Size) -> String {
        let top = if size == Size::Standalone { 40.0 } else { 4.0 } + if self.limit.is_some() { 18.0 } else { 0.0 };
        let height = top + ROW * self.rows.len() as f64 + 6.0;
        let widest = |labels: &mut dyn Iterator<Item = &str>| labels.map(label_width).fold(0.0, f64::max);
        let names = widest(&mut self.rows.iter().map(|r| r.0.as_str())).min(size.width() * 0.3);
        let values = widest(&mut self.rows.iter().map(|r| r.2.as_str())) + 8.0;
        let low = self.rows.iter().map(|r| r.1).fold(0.0, f64::min);
        let bar_high = self.rows.iter().map(|r| r.1).fold(0.0, f64::max);
        let high = self.limit.iter().map(|limit| limit.0).fold(bar_high, f64::max);
        // A value stands at the outer end of its bar, so each side that has bars needs room for one.
        let left = names + 12.0 + if low < 0.0 { values } else { 0.0 };
        let right = size.width() - EDGE - if high > 0.0 || low == high { values } else { 0.0 };
        let scale = Scale::new(Spread::Linear, (low, if low == high { 1.0 } else { high }), (left, right));
        let zero = scale.place(0.0);

        let mut out = size.open(height, &self.title, "");
        for (i, (name, value, written)) in self.rows.iter().enumerate() {
            let y = top + ROW * i as f64;
            let end = scale.place(*value);
            let ink = if *value < 0.0 { self.inks.1 } else { self.inks.0 };
            put!(out, r#"<g class="row" data-tip="{}">"#, escape(&format!("{name}\n{written}")));
            put!(out, r#"<rect class="hit" x="0" y="{y:.1}" width="{}" height="{ROW}"/>"#, size.width());
            put!(out, r#"<text class="tick" x="2" y="{:.1}">{}</text>"#, y + 17.0, escape(&fitted(name, names)));
            put!(
                out,
                r#"<g class="{}"><rect class="bar" x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}" rx="2"/></g>"#,
                ink.class(),
                zero.min(end),
                y + 4.0,
                (end - zero).abs().max(1.0),
                ROW - 8.0
            );
            let (class, x) = if *value < 0.0 { ("tick end", end - 5.0) } else { ("tick", end + 5.0) };
            put!(out, r#"<text class="{class}" x="{x:.1}" y="{:.1}">{}</text></g>"#, y + 17.0, escape(written));
        }
        if let Some((limit, name)) = &self.limit {
            let x = scale.place(*limit);
            put!(out, r#"<path class="bound" d="M{x:.1} {:.1}V{:.1}"/>"#, top - 4.0, height - 6.0);
            let middle = x.min(size.width() - label_width(name) / 2.0 - 2.0);
            put!(out, r#"<text class="tick mid" x="{middle:.1}" y="{:.1}">{}</text>"#, top - 8.0, escape(name));
        }
        put!(out, r#"<path class="axis" d="M{zero:.1} {top:.1}V{:.1}"/>"#, height - 6.0);
        out.push_str("</svg>");
        out
    }
}

/// As much of a name as fits the width, with a mark where it was cut.
pub(super) fn fitted(name: &str, width: f64) -> String {
    if label_width(name) <= width {
        return name.to_owned();
    }
    let room = name.chars().take_while({
        let mut used = label_width("…");
        move |c| {
            used += label_width(c.encode_utf8(&mut [0; 4]));
            used <= width
        }
    });
    room.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_below_zero_grow_to_the_left_and_long_names_are_cut() {
        let bars = Bars {
            id: "b".into(),
            title: "t".into(),
            rows: vec![("x".repeat(500), 2.0, "2".into()), ("loss".into(), -1.0, "-1".into())],
            inks: (Ink::Gain, Ink::Loss),
            limit: None,
        };
        let svg = bars.svg(Size::Narrow);
        let drawn = svg.replace(&"x".repeat(500), "whole");
        assert!(drawn.contains("xxx…<") && !drawn.contains(&"x".repeat(30)));
        assert!(drawn.contains("data-tip=\"whole\n2\""), "a reader who points at it is told all of it");
        let starts: Vec<f64> = svg
            .split("<rect class=\"bar\" x=\"")
            .skip(1)
            .map(|s| s.split('"').next().unwrap().parse().unwrap())
            .collect();
        let widths: Vec<f64> =
            svg.split("width=\"").skip(2).step_by(2).map(|s| s.split('"').next().unwrap().parse().unwrap()).collect();
        assert!(starts[1] < starts[0] && (widths[0] / widths[1] - 2.0).abs() < 0.01, "{starts:?} {widths:?}");
    }
}
