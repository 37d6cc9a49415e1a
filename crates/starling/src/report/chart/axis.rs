//! Axes: what stands beside the ticks, and the grid behind the curves.
//!
//! Invariant: labels of one axis share a unit and a number of digits that tells neighbours apart.

use super::scale::{Scale, Spread, nice_step};
use crate::report::markup::{escape, put};
use crate::report::number::grouped;

/// What an axis measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Money, prices, anything counted in a unit that the title names.
    Amount,
    /// Fractions, shown in per cent.
    Percent,
}

/// What the horizontal axis measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Horizontal {
    /// Seconds since 1970.
    Time,
    /// Amounts, logarithmic.
    Amount,
    /// A few numbers of something, as `agents`.
    Count(String),
}

/// The pixels that the curves may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

/// Pixels of a character of a label.
const CHAR: f64 = 6.4;

/// Pixels that a label takes.
pub(crate) fn label_width(label: &str) -> f64 {
    label.chars().count() as f64 * CHAR
}

/// Ticks of a value axis with their labels.
pub(crate) fn value_ticks(scale: &Scale, measure: Measure, target: usize) -> Vec<(f64, String)> {
    let ticks = scale.ticks(target);
    let (low, high) = scale.domain();
    let step = match ticks.as_slice() {
        [a, b, ..] if scale.spread() == Spread::Linear => b - a,
        _ => nice_step(high - low, target),
    };
    let largest = ticks.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    ticks
        .iter()
        .map(|&v| {
            // Decades want digits of their own size; equal steps want equal digits.
            let finest = if scale.spread() == Spread::Log && high / low >= 8.0 { v } else { step };
            (v, label(v, finest, largest, measure))
        })
        .collect()
}

fn label(value: f64, finest: f64, largest: f64, measure: Measure) -> String {
    match measure {
        Measure::Percent => format!("{} %", grouped(value * 100.0, digits(finest * 100.0))),
        Measure::Amount if value == 0.0 => "0".to_owned(),
        Measure::Amount => {
            let (unit, suffix) = [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")]
                .into_iter()
                .find(|(unit, _)| largest >= unit * 10.0 || (*unit > 1e3 && largest >= *unit))
                .unwrap_or((1.0, ""));
            // A step far below the unit would need a long tail of digits: write the number out instead.
            if digits(finest / unit) > 2 {
                grouped(value, digits(finest))
            } else {
                grouped(value / unit, digits(finest / unit)) + suffix
            }
        }
    }
}

/// Digits after the point that show a step.
fn digits(step: f64) -> usize {
    (-(step.abs() * (1.0 + 1e-9)).log10().floor()).clamp(0.0, 9.0) as usize
}

/// The value axis: grid lines and labels to the left of the frame.
pub(crate) fn draw_vertical(out: &mut String, frame: Frame, scale: &Scale, ticks: &[(f64, String)]) {
    let (low, high) = scale.domain();
    for (value, label) in ticks {
        let y = scale.place(*value);
        let class = if *value == 0.0 && low < 0.0 && high > 0.0 { "grid zero" } else { "grid" };
        put!(out, r#"<path class="{class}" d="M{:.1} {y:.1}H{:.1}"/>"#, frame.left, frame.right);
        put!(out, r#"<text class="tick end" x="{:.1}" y="{:.1}">{}</text>"#, frame.left - 6.0, y + 4.0, escape(label));
    }
}

/// The horizontal axis: short ticks and labels under the frame; a label without room is left out.
pub(crate) fn draw_horizontal(out: &mut String, frame: Frame, scale: &Scale, ticks: &[(f64, String)]) {
    put!(out, r#"<path class="axis" d="M{:.1} {:.1}H{:.1}"/>"#, frame.left, frame.bottom, frame.right);
    let mut free = f64::NEG_INFINITY;
    for (value, label) in ticks {
        let x = scale.place(*value);
        put!(out, r#"<path class="axis" d="M{x:.1} {:.1}v4"/>"#, frame.bottom);
        let half = label_width(label) / 2.0;
        // Near an edge the label leans inward instead of leaving the drawing.
        let middle = x.clamp(half.min(frame.left + half), (frame.right + EDGE - 2.0 - half).max(half));
        if middle - half < free {
            continue;
        }
        free = middle + half + CHAR;
        put!(out, r#"<text class="tick mid" x="{middle:.1}" y="{:.1}">{}</text>"#, frame.bottom + 17.0, escape(label));
    }
}

/// Pixels right of the frame.
pub(crate) const EDGE: f64 = 12.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(spread: Spread, low: f64, high: f64, measure: Measure) -> Vec<String> {
        let scale = Scale::new(spread, (low, high), (0.0, 1.0));
        value_ticks(&scale, measure, 5).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn labels_share_a_unit_and_tell_neighbours_apart() {
        use Measure::*;
        use Spread::*;
        assert_eq!(labels(Linear, 0.0, 2_500_000.0, Amount), ["0", "0.5M", "1.0M", "1.5M", "2.0M", "2.5M"]);
        assert_eq!(labels(Linear, 0.0, 50_000.0, Amount), ["0", "10k", "20k", "30k", "40k", "50k"]);
        assert_eq!(labels(Linear, 1_000_000.0, 1_000_050.0, Amount)[1], "1,000,010");
        assert_eq!(labels(Linear, -0.25, 0.0, Percent), ["-25 %", "-20 %", "-15 %", "-10 %", "-5 %", "0 %"]);
        assert_eq!(labels(Linear, 1.101, 1.103, Amount)[0], "1.1010");
        assert_eq!(labels(Log, 0.01, 100.0, Amount), ["0.01", "0.1", "1", "10", "100"].map(String::from)[..5].to_vec());
    }
}
