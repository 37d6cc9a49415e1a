//! The table of monthly returns as a drawing, for reports that cannot colour a table.

use starling_lab::tearsheet::MonthlyReturns;

use super::Size;
use super::scale::MONTHS;
use crate::report::markup::put;
use crate::report::number::percent;
use crate::report::palette::shade_class;

const ROW: f64 = 24.0;

/// The drawing; every year a row, every month a cell, the year's total last.
pub(crate) fn months_svg(table: &MonthlyReturns, title: &str) -> String {
    let size = Size::Standalone;
    let left = 60.0;
    let column = (size.width() - left - 16.0) / 13.0;
    let top = 62.0;
    let mut out = size.open(top + ROW * table.years.len() as f64 + 12.0, title, "");
    for (i, name) in MONTHS.into_iter().chain(["Total"]).enumerate() {
        let x = left + column * (i as f64 + 0.5);
        put!(out, r#"<text class="tick mid" x="{x:.1}" y="52">{name}</text>"#);
    }
    let deepest = deepest(table);
    for (i, year) in table.years.iter().enumerate() {
        let y = top + ROW * i as f64;
        put!(out, r#"<text class="tick end" x="{:.1}" y="{:.1}">{}</text>"#, left - 10.0, y + 16.0, year.year);
        for (j, value) in year.months.iter().chain([&year.total]).enumerate() {
            let Some(value) = value else { continue };
            let x = left + column * j as f64;
            let class = if j < 12 { shade_class(*value, deepest) } else { String::new() };
            put!(
                out,
                r#"<rect class="cell {class}" x="{x:.1}" y="{y:.1}" width="{:.1}" height="{:.1}"/>"#,
                column - 2.0,
                ROW - 2.0
            );
            let middle = x + column / 2.0 - 1.0;
            put!(
                out,
                r#"<text class="mid" font-size="11.5" x="{middle:.1}" y="{:.1}">{}</text>"#,
                y + 15.5,
                percent(*value, 1)
            );
        }
    }
    out.push_str("</svg>");
    out
}

/// The size of return from which a month has the deepest shade: 2.5 times the mean size, so that one wild month does
/// not bleach all others.
pub(crate) fn deepest(table: &MonthlyReturns) -> f64 {
    let months = || table.years.iter().flat_map(|year| year.months.iter().flatten());
    let size: f64 = months().map(|r| r.abs()).sum();
    2.5 * size / (months().count().max(1) as f64)
}
