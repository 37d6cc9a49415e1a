//! Charts as SVG text, drawn here: no library, no font, no script is loaded.
//!
//! Invariant: a chart is a pure function of its data and its [`Size`]; colours are variables of the palette, so one
//! drawing serves the light and the dark theme. Deliberately not here: what is charted (`compose`), and the crosshair
//! (the page's script reads the `data-` attributes).

mod axis;
mod bars;
mod months;
mod scale;
mod series;
mod strips;

pub(crate) use axis::{Horizontal, Measure};
pub(crate) use bars::Bars;
pub(crate) use months::{deepest, months_svg};
pub(crate) use scale::{MONTHS, Spread};
pub(crate) use series::{Ink, Layer, Shape};
pub(crate) use strips::{Strip, Strips};

use std::collections::BTreeMap;

use super::markup::{escape, put};
use super::number::figure;
use super::palette;
use axis::{EDGE, Frame, draw_horizontal, draw_vertical, label_width, value_ticks};
use scale::{Scale, time_ticks};

/// Where a drawing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// In a page on a desk.
    Wide,
    /// In a page on a telephone, at its natural size so that labels stay readable.
    Narrow,
    /// In a file of its own, with title, legend and colours.
    Standalone,
}

impl Size {
    pub(crate) fn width(self) -> f64 {
        match self {
            Self::Wide | Self::Standalone => 1_072.0,
            Self::Narrow => 344.0,
        }
    }

    /// Pixels within which markers of one kind would cover each other.
    fn mark_cell(self) -> i64 {
        match self {
            Self::Wide | Self::Standalone => 4,
            Self::Narrow => 12,
        }
    }

    /// Opens the drawing; `name` is what a screen reader says.
    fn open(self, height: f64, name: &str, attributes: &str) -> String {
        let (class, namespace) = match self {
            Self::Wide => ("chart wide", ""),
            Self::Narrow => ("chart narrow", ""),
            Self::Standalone => ("chart", r#" xmlns="http://www.w3.org/2000/svg""#),
        };
        let width = self.width();
        let mut out = format!(
            r#"<svg{namespace} class="{class}" viewBox="0 0 {width} {height}" role="img" aria-label="{}"{attributes}>"#,
            escape(name)
        );
        if self == Self::Standalone {
            put!(out, "<style>{}{STYLE}</style>", palette::variables());
            put!(out, r#"<rect class="ground" width="{width}" height="{height}"/>"#);
            put!(out, r#"<text class="heading" x="16" y="24">{}</text>"#, escape(name));
        }
        out
    }
}

/// The style of every chart, over the variables of the palette.
pub(crate) const STYLE: &str = include_str!("chart.css");

/// What of a style an element can say itself.
const ATTRIBUTES: [&str; 13] = [
    "color",
    "fill",
    "fill-opacity",
    "font-family",
    "font-size",
    "font-weight",
    "opacity",
    "stroke",
    "stroke-dasharray",
    "stroke-linejoin",
    "stroke-opacity",
    "stroke-width",
    "text-anchor",
];

/// A drawing with its style in the light theme as attributes beside the classes, for programs that know no variables of a
/// style sheet, or no style sheet: they would draw all of it black. Where the sheet is understood it stands above them.
pub(crate) fn self_styled(svg: &str) -> String {
    const CLASS: &str = r#" class=""#;
    let mut out = String::with_capacity(svg.len() * 3 / 2);
    let mut rest = svg;
    while let Some((before, after)) = rest.split_once(CLASS) {
        let (classes, behind) = after.split_once('"').expect("an attribute is closed");
        put!(out, r#"{before}{CLASS}{classes}""#);
        for (name, value) in style_of(classes) {
            put!(out, r#" {name}="{value}""#);
        }
        rest = behind;
    }
    out + rest
}

/// The attributes that the style sheet amounts to for these classes; what stands later in it counts.
fn style_of(classes: &str) -> BTreeMap<&'static str, String> {
    let has = |name: &str| classes.split(' ').any(|class| class == name);
    let mut style = BTreeMap::new();
    for rule in STYLE.split('}') {
        let Some((selector, declarations)) = rule.trim().split_once('{') else { continue };
        let applies = match selector.trim_start_matches("svg ").strip_prefix('.') {
            // What all text has, it inherits.
            None => has("chart"),
            Some(names) => names.split('.').all(has),
        };
        for (name, value) in declarations.split(';').filter_map(|one| one.split_once(':')).filter(|_| applies) {
            // The colour that `--c` carries to the elements below is what SVG calls the current one.
            let name = if name == "--c" { "color" } else { name };
            let Some(name) = ATTRIBUTES.into_iter().find(|known| *known == name) else { continue };
            let value = match value.strip_prefix("var(--").and_then(|of| of.strip_suffix(')')) {
                Some("c") => "currentColor".to_owned(),
                Some(variable) => palette::light(variable).expect("a variable of the palette"),
                None if value == "transparent" => "none".to_owned(),
                None => value.replace('"', "'"),
            };
            style.insert(name, value);
        }
    }
    style
}

/// Curves over one horizontal axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plot {
    /// A name unique in the report, of lower-case letters, digits and hyphens.
    pub(crate) id: String,
    /// What is drawn, with its unit.
    pub(crate) title: String,
    /// What runs to the right.
    pub(crate) horizontal: Horizontal,
    /// What runs upward.
    pub(crate) measure: Measure,
    /// The ways the value axis can be drawn, first the one to begin with. A logarithmic one needs positive values.
    pub(crate) spreads: &'static [Spread],
    /// Height of the frame in pixels.
    pub(crate) height: f64,
    /// From front to back; at least one has a point.
    pub(crate) layers: Vec<Layer>,
}

impl Plot {
    /// Smallest and largest x and y of all layers.
    fn extent(&self) -> ((f64, f64), (f64, f64)) {
        self.layers
            .iter()
            .filter_map(Layer::extent)
            .reduce(|(x, y), (u, v)| ((x.0.min(u.0), x.1.max(u.1)), (y.0.min(v.0), y.1.max(v.1))))
            .expect("a plot has a point")
    }

    /// Where the curves have points, for an axis of few counts.
    fn stations(&self) -> Vec<(f64, String)> {
        let mut at: Vec<f64> = self.layers.iter().filter_map(Layer::readable).flatten().map(|p| p.0).collect();
        at.sort_by(f64::total_cmp);
        at.dedup();
        at.into_iter().map(|x| (x, figure(x))).collect()
    }

    /// The drawing.
    pub(crate) fn svg(&self, size: Size, spread: Spread) -> String {
        let (x_extent, y_extent) = self.extent();
        let top = if size == Size::Standalone { 58.0 } else { 8.0 };
        let bottom = top + if size == Size::Narrow { (self.height * 0.8).max(120.0) } else { self.height };
        let target = if self.height < 150.0 { 3 } else { 5 };
        let y = Scale::relaxed(spread, y_extent, (bottom, top), target);
        let ticks = value_ticks(&y, self.measure, target);
        let left = ticks.iter().map(|(_, label)| label_width(label)).fold(0.0, f64::max).ceil() + 10.0;
        let frame = Frame { left, right: size.width() - EDGE, bottom };
        let x_spread = match self.horizontal {
            Horizontal::Time | Horizontal::Count(_) => Spread::Linear,
            Horizontal::Amount => Spread::Log,
        };
        let x = Scale::new(x_spread, x_extent, (frame.left, frame.right));
        let beside = ((frame.right - frame.left) / 84.0).floor().max(2.0) as usize;
        let stations = match self.horizontal {
            Horizontal::Time => time_ticks(x.domain(), beside),
            Horizontal::Amount => value_ticks(&x, Measure::Amount, beside),
            Horizontal::Count(_) => self.stations(),
        };

        let (y_low, y_high) = y.domain();
        let (x_low, x_high) = x.domain();
        let attributes = format!(
            r#" data-plot="{}" data-spread="{}" data-frame="{left:.1} {top:.1} {:.1} {bottom:.1}" data-x="{x_low} {x_high}" data-y="{y_low} {y_high}""#,
            self.id,
            spread.name(),
            frame.right,
        );
        let mut out = size.open(bottom + 24.0, &self.title, if size == Size::Standalone { "" } else { &attributes });
        if size == Size::Standalone {
            self.draw_legend(&mut out);
        }
        draw_vertical(&mut out, frame, &y, &ticks);
        draw_horizontal(&mut out, frame, &x, &stations);
        for (place, layer) in self.layers.iter().enumerate().rev() {
            layer.draw(&mut out, &x, &y, place, size.mark_cell());
        }
        out.push_str("</svg>");
        out
    }

    /// A key of every layer, in one row under the heading.
    fn draw_legend(&self, out: &mut String) {
        let mut x = 16.0;
        for layer in &self.layers {
            put!(out, r#"<g class="{}"><path class="mark" d="M{x:.0} 38h12v8h-12z"/></g>"#, layer.ink.class());
            put!(out, r#"<text class="tick" x="{:.0}" y="46">{}</text>"#, x + 17.0, escape(&layer.name));
            x += 17.0 + label_width(&layer.name) + 16.0;
        }
    }
}
