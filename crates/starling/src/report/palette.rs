//! The colours of a report, for light and for dark, and the style sheet variables made from them.
//!
//! Invariant, held by the tests: text has a contrast of at least 4.5 against everything it stands on, lines and markers
//! at least 3 against the panel (WCAG 2.1, AA), and no two colours that mean different things look alike to a
//! protanope, a deuteranope or a tritanope (Machado, Oliveira and Fernandes 2009). No colour stands anywhere else.

use super::markup::put;

/// A colour, `0xRRGGBB`.
pub(crate) type Rgb = u32;

/// How many series have a colour of their own.
pub(crate) const SERIES: usize = 6;
/// Shades of gain and of loss in the table of months.
pub(crate) const SHADES: usize = 5;
/// How much of the colour the deepest shade holds.
const DEEPEST: f64 = 0.5;

/// The colours of one theme.
pub(crate) struct Palette {
    /// Behind everything.
    page: Rgb,
    /// Behind charts and tables.
    panel: Rgb,
    /// Borders.
    edge: Rgb,
    /// Lines of a chart's grid.
    grid: Rgb,
    /// Text.
    text: Rgb,
    /// Text of less weight.
    muted: Rgb,
    /// Links and buttons.
    link: Rgb,
    /// Profit, buying.
    gain: Rgb,
    /// Loss, selling.
    loss: Rgb,
    /// Text and border of what must not be overlooked.
    warn: Rgb,
    /// Behind that text.
    warn_panel: Rgb,
    /// Series, by place: the run, its benchmark, others.
    series: [Rgb; SERIES],
}

/// Dark ink on white.
pub(crate) const LIGHT: Palette = Palette {
    page: 0xf6f7f9,
    panel: 0xffffff,
    edge: 0xd9dee5,
    grid: 0xe8ebef,
    text: 0x1a2129,
    muted: 0x55606d,
    link: 0x0b5cad,
    gain: 0x0b6fae,
    loss: 0xb54708,
    warn: 0x7d4400,
    warn_panel: 0xfff4e0,
    series: [0x0b5cad, 0xe0551a, 0x00945f, 0xb274a3, 0x515861, 0x770c15],
};

/// Light ink on near-black.
pub(crate) const DARK: Palette = Palette {
    page: 0x0f1419,
    panel: 0x171d24,
    edge: 0x313b47,
    grid: 0x242c36,
    text: 0xe6eaef,
    muted: 0xa2adba,
    link: 0x6cb6ff,
    gain: 0x58a9e6,
    loss: 0xf0904a,
    warn: 0xffc978,
    warn_panel: 0x33260f,
    series: [0x5cb3ff, 0xff9d3e, 0x3d8b54, 0xdbb3c8, 0x686f78, 0xdcf4b7],
};

impl Palette {
    fn variables(&self) -> String {
        let mut out = String::new();
        for (name, colour) in self.named() {
            put!(out, "--{name}:#{colour:06x};");
        }
        for (i, colour) in self.series.iter().enumerate() {
            put!(out, "--s{i}:#{colour:06x};");
        }
        for step in 1..=SHADES {
            put!(out, "--g{step}:#{:06x};--l{step}:#{:06x};", self.shade(self.gain, step), self.shade(self.loss, step));
        }
        out
    }

    fn named(&self) -> [(&'static str, Rgb); 11] {
        [
            ("page", self.page),
            ("panel", self.panel),
            ("edge", self.edge),
            ("grid", self.grid),
            ("text", self.text),
            ("muted", self.muted),
            ("link", self.link),
            ("gain", self.gain),
            ("loss", self.loss),
            ("warn", self.warn),
            ("warn-panel", self.warn_panel),
        ]
    }

    /// `colour` over the panel, deeper with each step.
    fn shade(&self, colour: Rgb, step: usize) -> Rgb {
        let share = DEEPEST * step as f64 / SHADES as f64;
        let mix = |shift: u32| {
            let (a, b) = (f64::from(self.panel >> shift & 0xff), f64::from(colour >> shift & 0xff));
            ((a + (b - a) * share).round() as u32) << shift
        };
        mix(16) | mix(8) | mix(0)
    }
}

/// Variables of both themes: what the reader's system prefers, unless `data-theme` on the root says otherwise.
pub(crate) fn variables() -> String {
    let (light, dark) = (LIGHT.variables(), DARK.variables());
    format!(
        ":root{{color-scheme:light;{light}}}\
         @media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\
         :root[data-theme=dark]{{color-scheme:dark;{dark}}}\
         @media print{{:root:root:root{{color-scheme:light;{light}}}}}\n"
    )
}

/// The colour of a variable in the light theme.
pub(crate) fn light(variable: &str) -> Option<String> {
    let all = LIGHT.variables();
    let of = |one: &str| one.strip_prefix("--")?.strip_prefix(variable)?.strip_prefix(':').map(str::to_owned);
    all.split(';').find_map(of)
}

/// The shade class of a return: `g1` to `g5`, `l1` to `l5`, empty for zero. `deepest` has the deepest shade.
pub(crate) fn shade_class(value: f64, deepest: f64) -> String {
    if value == 0.0 || deepest <= 0.0 {
        return String::new();
    }
    let step = (value.abs() / deepest * SHADES as f64).ceil().clamp(1.0, SHADES as f64);
    format!("{}{step}", if value > 0.0 { 'g' } else { 'l' })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(colour: Rgb) -> [f64; 3] {
        [16, 8, 0].map(|shift| {
            let c = f64::from(colour >> shift & 0xff) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// WCAG 2.1, relative luminance and contrast ratio.
    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let [x, y] = [a, b].map(|c| {
            let [r, g, b] = linear(c);
            0.2126 * r + 0.7152 * g + 0.0722 * b
        });
        (x.max(y) + 0.05) / (x.min(y) + 0.05)
    }

    fn apply(matrix: [[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| (0..3).map(|i| row[i] * v[i]).sum())
    }

    /// CIE L*a*b* under D65.
    fn lab(linear: [f64; 3]) -> [f64; 3] {
        let xyz = apply(
            [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
            linear.map(|c| c.clamp(0.0, 1.0)),
        );
        let white = [0.95047, 1.0, 1.08883];
        let [x, y, z] = [0, 1, 2].map(|i| {
            let t: f64 = xyz[i] / white[i];
            if t > 216.0 / 24389.0 { t.cbrt() } else { (24389.0 / 27.0 * t + 16.0) / 116.0 }
        });
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
        (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt()
    }

    /// Machado, Oliveira and Fernandes 2009, severity 1; linear RGB.
    const SIGHTS: [(&str, [[f64; 3]; 3]); 4] = [
        ("full sight", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "protanopia",
            [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        ),
        (
            "deuteranopia",
            [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        ),
        (
            "tritanopia",
            [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
        ),
    ];

    #[test]
    fn the_contrast_formula_gives_the_ratios_of_the_standard() {
        assert!((contrast(0x000000, 0xffffff) - 21.0).abs() < 1e-9);
        // WebAIM's checker: #767676 on white is 4.54.
        assert!((contrast(0x767676, 0xffffff) - 4.54).abs() < 0.005);
    }

    #[test]
    fn text_and_lines_reach_aa_in_both_themes() {
        for (theme, p) in [("light", &LIGHT), ("dark", &DARK)] {
            let mut text = vec![("warn", p.warn, p.warn_panel), ("text on warn", p.text, p.warn_panel)];
            for ground in [p.page, p.panel] {
                text.extend([("text", p.text, ground), ("muted", p.muted, ground), ("link", p.link, ground)]);
                text.extend([("gain", p.gain, ground), ("loss", p.loss, ground)]);
            }
            for step in 1..=SHADES {
                text.push(("text on gain", p.text, p.shade(p.gain, step)));
                text.push(("text on loss", p.text, p.shade(p.loss, step)));
            }
            for (what, ink, ground) in text {
                let ratio = contrast(ink, ground);
                assert!(ratio >= 4.5, "{theme}: {what} #{ink:06x} on #{ground:06x} has {ratio:.2}");
            }
            for ink in p.series {
                let ratio = contrast(ink, p.panel);
                assert!(ratio >= 3.0, "{theme}: series #{ink:06x} has {ratio:.2}");
            }
        }
    }

    #[test]
    fn no_two_meanings_look_alike_to_any_sight() {
        for (theme, p) in [("light", &LIGHT), ("dark", &DARK)] {
            for (sight, matrix) in SIGHTS {
                let seen = |c: Rgb| lab(apply(matrix, linear(c)));
                let apart = |a: Rgb, b: Rgb| {
                    let d = distance(seen(a), seen(b));
                    assert!(d >= 20.0, "{theme}, {sight}: #{a:06x} and #{b:06x} are {d:.1} apart");
                };
                apart(p.gain, p.loss);
                for (i, &a) in p.series.iter().enumerate() {
                    p.series[..i].iter().for_each(|&b| apart(a, b));
                }
            }
        }
    }

    #[test]
    fn shades_grow_with_the_return() {
        assert_eq!(shade_class(0.0, 0.1), "");
        assert_eq!(shade_class(0.001, 0.1), "g1");
        assert_eq!(shade_class(-0.1, 0.1), "l5");
        assert_eq!(shade_class(0.3, 0.1), "g5");
        assert_eq!(shade_class(0.3, 0.0), "");
    }
}
