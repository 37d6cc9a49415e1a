//! A document as one HTML page that loads nothing: style, script, charts and chart data stand inside it.
//!
//! Invariant: a content security policy in the page forbids every request, and without its script the page still shows
//! everything. Deliberately not here: what the page says (`compose`) and how a chart is drawn (`chart`).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use starling_lab::tearsheet::MonthlyReturns;

use super::chart::{self, Horizontal, Layer, MONTHS, Measure, Plot, Size, deepest};
use super::document::{Block, Cell, Document, Fact, Figure, Table, Tone};
use super::markup::{escape, put, script_json};
use super::number::{UNDEFINED, count, counted, grouped};
use super::palette;

/// Most points of a series that the crosshair can read; a longer one is read at every n-th point.
const READABLE_POINTS: usize = 5_000;
/// Rows from which a table scrolls inside its own frame.
const SCROLLING_ROWS: usize = 16;
/// Characters from which a cell may break anywhere.
const LONG_WORD: usize = 40;

/// The page.
pub(crate) fn render(document: &Document) -> String {
    let mut page = Page { notes: notes(document), ..Page::default() };
    for section in &document.sections {
        put!(page.out, r#"<section id="{}"><h2>{}</h2>"#, section.id, escape(&section.title));
        section.blocks.iter().for_each(|block| page.block(block));
        page.out.push_str("</section>\n");
    }
    let contents: String = document
        .sections
        .iter()
        .map(|section| format!(r##"<a href="#{}">{}</a>"##, section.id, escape(&section.title)))
        .collect();
    let mut flags = String::new();
    if !document.flags.is_empty() {
        flags.push_str(r#"<div class="notes warn"><strong>Read with care</strong><ul>"#);
        document.flags.iter().for_each(|flag| put!(flags, "<li>{}</li>", escape(flag)));
        flags.push_str("</ul></div>");
    }
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{variables}{chart}{style}</style>
</head>
<body>
<header>
<div class="bar"><h1>{title}</h1><button type="button" id="theme" hidden>Dark</button></div>
<p class="verdict {tone}">{verdict}</p>
<p class="byline">{byline}</p>
{flags}
<nav>{contents}</nav>
</header>
<main>
{sections}</main>
<script type="application/json" id="curves">{curves}</script>
<script>
{script}</script>
</body>
</html>
"#,
        title = escape(&document.title),
        variables = palette::variables(),
        chart = chart::STYLE,
        style = include_str!("style.css"),
        // A number and its sign of per cent stay on one line.
        verdict = escape(&document.verdict).replace(" %", "\u{a0}%"),
        tone = class(document.tone),
        byline = escape(&document.byline),
        sections = page.out,
        curves = script_json(&json!({ "x": page.stamps, "plots": page.plots })),
        script = include_str!("script.js"),
    )
}

/// The number of each definition, by its key.
fn notes(document: &Document) -> BTreeMap<&'static str, usize> {
    let blocks = document.sections.iter().flat_map(|section| &section.blocks);
    let definitions = blocks.filter_map(|block| match block {
        Block::Definitions(items) => Some(items),
        _ => None,
    });
    definitions.flatten().enumerate().map(|(i, (key, ..))| (*key, i + 1)).collect()
}

#[derive(Default)]
struct Page {
    out: String,
    notes: BTreeMap<&'static str, usize>,
    /// Stamps that curves share, as [first, unit, steps...] in seconds.
    stamps: Vec<Value>,
    plots: serde_json::Map<String, Value>,
}

impl Page {
    fn block(&mut self, block: &Block) {
        match block {
            Block::Text(text) => put!(self.out, "<p>{}</p>", escape(text)),
            Block::Figures(figures) => self.figures(figures),
            Block::Facts(facts) => self.facts(facts),
            Block::Plot(plot) => self.plot(plot),
            Block::Bars(bars) => self.drawing(&bars.id, &bars.title, |size| bars.svg(size)),
            Block::Strips(strips) => self.drawing(&strips.id, &strips.title, |size| strips.svg(size)),
            Block::Months { title, table } => self.months(title, table),
            Block::Table(table) => self.table(table),
            Block::Choice { label, options } => {
                self.out.push_str(r#"<div class="choice">"#);
                if options.len() > 1 {
                    put!(self.out, "<label hidden>{} <select>", escape(label));
                    for (i, (name, _)) in options.iter().enumerate() {
                        put!(self.out, r#"<option value="{i}">{}</option>"#, escape(name));
                    }
                    self.out.push_str("</select></label>");
                }
                for (_, blocks) in options {
                    self.out.push_str(r#"<div class="option">"#);
                    blocks.iter().for_each(|block| self.block(block));
                    self.out.push_str("</div>");
                }
                self.out.push_str("</div>");
            }
            Block::Notes { tone, title, items } => {
                put!(self.out, r#"<div class="notes {}"><strong>{}</strong><ul>"#, class(*tone), escape(title));
                items.iter().for_each(|item| put!(self.out, "<li>{}</li>", escape(item)));
                self.out.push_str("</ul></div>");
            }
            Block::Command(command) => put!(self.out, "<pre><code>{}</code></pre>", escape(command)),
            Block::Advice(advice) => {
                put!(self.out, r#"<div class="notes {}"><strong>{}</strong> "#, class(advice.tone), advice.level);
                put!(self.out, "{}<ul>", escape(&advice.text));
                advice.evidence.iter().for_each(|line| put!(self.out, "<li>{}</li>", escape(line)));
                put!(self.out, "</ul><pre><code>{}</code></pre></div>", escape(&advice.command));
            }
            Block::Definitions(items) => {
                self.out.push_str(r#"<ol class="definitions">"#);
                for (key, term, text) in items {
                    put!(self.out, r#"<li id="def-{key}"><strong>{}</strong> {}</li>"#, escape(term), escape(text));
                }
                self.out.push_str("</ol>");
            }
        }
    }

    fn figures(&mut self, figures: &[Figure]) {
        self.out.push_str(r#"<div class="figures">"#);
        for Figure { label, value, detail, tone } in figures {
            put!(
                self.out,
                r#"<div class="figure"><span class="label">{}</span><span class="value {}">{}</span><span class="detail">{}</span></div>"#,
                escape(label),
                class(*tone),
                escape(value),
                escape(detail)
            );
        }
        self.out.push_str("</div>");
    }

    fn facts(&mut self, facts: &[Fact]) {
        self.out.push_str(r#"<dl class="facts">"#);
        for Fact { label, value, tone, defined } in facts {
            let note = defined.and_then(|key| self.notes.get(key).map(|n| (key, n)));
            let note = note.map_or(String::new(), |(key, n)| format!(r##"<sup><a href="#def-{key}">{n}</a></sup>"##));
            let long = if value.len() >= LONG_WORD { r#" class="long""# } else { "" };
            put!(
                self.out,
                r#"<div{long}><dt>{}{note}</dt><dd class="{}">{}</dd></div>"#,
                escape(label),
                class(*tone),
                escape(value)
            );
        }
        self.out.push_str("</dl>");
    }

    fn plot(&mut self, plot: &Plot) {
        let first = plot.spreads.first().expect("a plot is drawn in some way").name();
        put!(self.out, r#"<figure data-spread="{first}"><figcaption><span>{}</span>"#, escape(&plot.title));
        if plot.spreads.len() > 1 {
            self.out.push_str(r#"<button type="button" class="spread" aria-pressed="false" hidden>Log scale</button>"#);
        }
        self.out.push_str("</figcaption>");
        self.out.push_str(r#"<div class="legend">"#);
        for (i, layer) in plot.layers.iter().enumerate() {
            put!(
                self.out,
                r#"<button type="button" class="key {}" data-layer="{i}" aria-pressed="true"><i></i>{}</button>"#,
                layer.ink.class(),
                escape(&layer.name)
            );
        }
        self.out.push_str(r#"</div><div class="stage">"#);
        for size in [Size::Wide, Size::Narrow] {
            for spread in plot.spreads {
                self.out.push_str(&plot.svg(size, *spread));
            }
        }
        self.out.push_str("</div></figure>");
        // The crosshair reads whole seconds, or whole numbers of something.
        let whole =
            |layer: &Layer| layer.readable().unwrap_or_default().iter().all(|p| p.0 >= 0.0 && p.0.fract() == 0.0);
        match &plot.horizontal {
            Horizontal::Time => self.readable(plot, None),
            Horizontal::Count(across) if plot.layers.iter().all(whole) => self.readable(plot, Some(across)),
            Horizontal::Count(_) | Horizontal::Amount => {}
        }
    }

    /// Notes down what the crosshair reads.
    fn readable(&mut self, plot: &Plot, across: Option<&str>) {
        let mut series = Vec::new();
        for (i, layer) in plot.layers.iter().enumerate() {
            let Some(points) = layer.readable() else { continue };
            let every = points.len().div_ceil(READABLE_POINTS).max(1);
            // Counted from the end, so that the last value is always there.
            let offset = (points.len() - 1) % every;
            let kept = || points.iter().skip(offset).step_by(every);
            let stamps = packed(kept().map(|p| p.0 as u64));
            let place = self.stamps.iter().position(|known| *known == stamps).unwrap_or_else(|| {
                self.stamps.push(stamps);
                self.stamps.len() - 1
            });
            let (scale, values) = steps(kept().map(|p| p.1), plot.measure);
            series.push(json!({ "layer": i, "x": place, "scale": scale, "y": values }));
        }
        let percent = plot.measure == Measure::Percent;
        self.plots.insert(plot.id.clone(), json!({ "percent": percent, "across": across, "series": series }));
    }

    fn drawing(&mut self, id: &str, title: &str, svg: impl Fn(Size) -> String) {
        put!(self.out, r#"<figure id="{id}"><figcaption><span>{}</span></figcaption>"#, escape(title));
        put!(self.out, r#"<div class="stage">{}{}</div></figure>"#, svg(Size::Wide), svg(Size::Narrow));
    }

    fn months(&mut self, title: &str, table: &MonthlyReturns) {
        put!(self.out, r#"<figure><figcaption><span>{}, per cent</span></figcaption>"#, escape(title));
        self.out.push_str(r#"<div class="scroll"><table class="months"><thead><tr><th scope="col">Year</th>"#);
        MONTHS.iter().for_each(|month| put!(self.out, r#"<th scope="col">{month}</th>"#));
        self.out.push_str(r#"<th scope="col">Total</th></tr></thead><tbody>"#);
        let deepest = deepest(table);
        let written = |value: f64| grouped(value * 100.0, 1);
        for year in &table.years {
            put!(self.out, r#"<tr><th scope="row">{}</th>"#, year.year);
            for month in year.months {
                match month {
                    Some(value) => {
                        put!(
                            self.out,
                            r#"<td class="{}">{}</td>"#,
                            palette::shade_class(value, deepest),
                            written(value)
                        );
                    }
                    None => self.out.push_str("<td></td>"),
                }
            }
            match year.total {
                Some(total) => {
                    put!(self.out, r#"<td class="total {}">{}</td></tr>"#, class(Tone::of(total)), written(total))
                }
                None => put!(self.out, r#"<td class="total">{UNDEFINED}</td></tr>"#),
            }
        }
        self.out.push_str("</tbody></table></div></figure>");
    }

    fn table(&mut self, table: &Table) {
        let tall = if table.rows.len() >= SCROLLING_ROWS { " tall" } else { "" };
        if !table.caption.is_empty() {
            put!(self.out, "<h3>{}</h3>", escape(&table.caption));
        }
        if let Some((noun, total)) = table.total {
            put!(self.out, r#"<p class="byline">{}</p>"#, escape(&shown(table.rows.len(), noun, total)));
        }
        let slim = if table.columns.len() <= 2 { " slim" } else { "" };
        put!(self.out, r#"<div class="scroll{tall}" tabindex="0"><table class="sortable{slim}"><thead><tr>"#);
        for column in &table.columns {
            let class = if column.numeric { "num" } else { "" };
            put!(self.out, r#"<th scope="col" class="{class}">{}</th>"#, escape(column.title));
        }
        self.out.push_str("</tr></thead><tbody>");
        let written = |cell: &Cell| cell.text.bytes().all(|b| b"+-.,% 0123456789".contains(&b));
        let worded = |at: usize| table.rows.iter().any(|row| row[at].value.is_some() && !written(&row[at]));
        let told: Vec<bool> = (0..table.columns.len()).map(worded).collect();
        for row in &table.rows {
            self.out.push_str("<tr>");
            for ((cell, column), told) in row.iter().zip(&table.columns).zip(&told) {
                let mut classes = Vec::new();
                classes.extend(column.numeric.then_some("num"));
                classes.extend((cell.tone != Tone::Plain).then(|| class(cell.tone)));
                classes.extend((cell.text.len() >= LONG_WORD).then_some("long"));
                self.out.push_str("<td");
                if !classes.is_empty() {
                    put!(self.out, r#" class="{}""#, classes.join(" "));
                }
                // The script reads written numbers by itself; only a column of other texts needs to say what it sorts by.
                if let Some(value) = cell.value.filter(|_| *told) {
                    put!(self.out, r#" data-v="{value}""#);
                }
                put!(self.out, ">{}</td>", escape(&cell.text));
            }
            self.out.push_str("</tr>");
        }
        self.out.push_str("</tbody></table></div>");
    }
}

/// How many of how many are shown.
pub(crate) fn shown(rows: usize, noun: &str, total: u64) -> String {
    if rows == 1 && total == 1 {
        format!("The only {noun}.")
    } else if rows as u64 == total {
        format!("All {}.", counted(total, noun))
    } else {
        format!("The first {} of {}.", count(rows as u64), counted(total, noun))
    }
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "",
        Tone::Gain => "gain",
        Tone::Loss => "loss",
        Tone::Warn => "warn",
    }
}

/// Ascending seconds as [first, unit, steps...], where a step is so many units from the stamp before.
fn packed(stamps: impl Iterator<Item = u64>) -> Value {
    let stamps: Vec<u64> = stamps.collect();
    let steps: Vec<u64> = stamps.windows(2).map(|w| w[1] - w[0]).collect();
    let unit = steps.iter().copied().fold(0, gcd).max(1);
    let head = [stamps.first().copied().unwrap_or(0), unit];
    json!(head.into_iter().chain(steps.into_iter().map(|step| step / unit)).collect::<Vec<u64>>())
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Values as whole multiples of 1 / scale, the first and then the steps from each to the next.
///
/// A step of a curve has fewer digits than its values. The scale keeps hundredths of a per cent, and six digits of the
/// largest amount.
fn steps(values: impl Iterator<Item = f64> + Clone, measure: Measure) -> (f64, Vec<i64>) {
    let largest = values.clone().fold(0.0f64, |m, v| m.max(v.abs()));
    let places = match measure {
        Measure::Percent => 4.0,
        Measure::Amount if largest == 0.0 => 0.0,
        Measure::Amount => (5.0 - largest.log10().floor()).clamp(0.0, 12.0),
    };
    let scale = 10f64.powf(places).round();
    let mut last = 0;
    let steps = values.map(|v| {
        let whole = (v * scale).round() as i64;
        let step = whole - last;
        last = whole;
        step
    });
    (scale, steps.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_shown_is_counted() {
        assert_eq!(shown(1, "fill", 1), "The only fill.");
        assert_eq!(shown(3, "fill", 3), "All 3 fills.");
        assert_eq!(shown(250, "round trip", 1_214), "The first 250 of 1,214 round trips.");
        assert_eq!(
            steps([1_234_567.8, 1_234_569.2, 1_234_560.0].into_iter(), Measure::Amount),
            (1.0, vec![1_234_568, 1, -9])
        );
        assert_eq!(steps([1.100_12, 1.100_13].into_iter(), Measure::Amount), (100_000.0, vec![110_012, 1]));
        assert_eq!(steps([-0.123_46].into_iter(), Measure::Percent), (10_000.0, vec![-1_235]));
        assert_eq!(steps([0.0].into_iter(), Measure::Amount), (1.0, vec![0]));
    }

    #[test]
    fn a_long_curve_is_read_at_fewer_points_and_to_its_end() {
        let points: Vec<(f64, f64)> = (0..12_345).map(|i| (f64::from(i) * 60.0, f64::from(i))).collect();
        let plot = Plot {
            id: "p".into(),
            title: "t".into(),
            horizontal: Horizontal::Time,
            measure: Measure::Amount,
            spreads: &[chart::Spread::Linear],
            height: 100.0,
            layers: vec![chart::Layer { name: "l".into(), ink: chart::Ink::Muted, shape: chart::Shape::Line(points) }],
        };
        let mut page = Page::default();
        page.readable(&plot, None);
        let values = page.plots["p"]["series"][0]["y"].as_array().unwrap();
        assert_eq!(values.len(), 4_115);
        assert_eq!(values.iter().map(|step| step.as_i64().unwrap()).sum::<i64>(), 123_440, "12,344 in tenths");
        assert_eq!(page.stamps[0].as_array().unwrap().len(), 2 + values.len() - 1);
    }

    proptest! {
        #[test]
        fn packed_stamps_unpack_to_themselves(first in 0u64..4_000_000_000, steps in prop::collection::vec(1u64..50, 0..60), unit in 1u64..86_401) {
            let mut stamps = vec![first];
            for step in steps {
                stamps.push(stamps[stamps.len() - 1] + step * unit);
            }
            let Value::Array(packed) = packed(stamps.iter().copied()) else { panic!("an array") };
            let numbers: Vec<u64> = packed.iter().map(|v| v.as_u64().unwrap()).collect();
            let mut at = numbers[0];
            let back: Vec<u64> = std::iter::once(at).chain(numbers[2..].iter().map(|step| { at += step * numbers[1]; at })).collect();
            prop_assert_eq!(back, stamps);
        }
    }
}
