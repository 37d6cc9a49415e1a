//! From values to pixels, and the round numbers between.
//!
//! Invariant: a scale is strictly monotone over its domain, which is never empty; ticks lie in the domain, ascend, and
//! are round in the reader's sense: 1, 2 or 5 times a power of ten, or a boundary of the calendar (UTC).

use starling_core::UnixNanos;
use starling_core::time::SECOND;

/// How values are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Equal differences are equally far apart.
    Linear,
    /// Equal ratios are equally far apart; the domain must be positive.
    Log,
}

impl Spread {
    /// Its name in a page.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Log => "log",
        }
    }
}

/// A domain of values laid on a range of pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    spread: Spread,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// The domain `low` to `high` on the pixels `from` to `to`; a domain of one value, or of
    /// values that differ by less than a billionth, is widened around it.
    pub(crate) fn new(spread: Spread, (low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        assert!(low <= high, "a domain from {low} to {high}");
        assert!(spread == Spread::Linear || low > 0.0, "a logarithmic domain from {low}");
        // Differences in the last digits of a float are no curve, and a step that small is lost in a sum.
        let slack = if high - low > low.abs().max(high.abs()) * 1e-9 {
            0.0
        } else if low == 0.0 {
            1.0
        } else {
            low.abs() * 0.05
        };
        Self { spread, low: low - slack, high: high + slack, from, to }
    }

    /// The domain widened to whole steps (linear) or by a little (logarithmic), so that no curve touches the frame.
    pub(crate) fn relaxed(spread: Spread, domain: (f64, f64), range: (f64, f64), target: usize) -> Self {
        let tight = Self::new(spread, domain, range);
        match spread {
            Spread::Linear => {
                let step = nice_step(tight.high - tight.low, target);
                Self { low: (tight.low / step).floor() * step, high: (tight.high / step).ceil() * step, ..tight }
            }
            Spread::Log => {
                let slack = (tight.high / tight.low).powf(0.04);
                Self { low: tight.low / slack, high: tight.high * slack, ..tight }
            }
        }
    }

    /// The pixel of a value.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let share = match self.spread {
            Spread::Linear => (value - self.low) / (self.high - self.low),
            Spread::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        self.from + share * (self.to - self.from)
    }

    /// The domain.
    pub(crate) fn domain(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// How values are spread.
    pub(crate) fn spread(&self) -> Spread {
        self.spread
    }

    /// About `target` round values of the domain, at least two.
    pub(crate) fn ticks(&self, target: usize) -> Vec<f64> {
        match self.spread {
            Spread::Log if self.high / self.low >= 8.0 => log_ticks(self.low, self.high, target),
            // A coarse step may fit between two of its multiples; one tick gives no measure, so the step gets finer.
            _ => (target.max(1)..)
                .map(|pieces| linear_ticks(self.low, self.high, nice_step(self.high - self.low, pieces)))
                .find(|ticks| ticks.len() >= 2)
                .expect("a fine enough step has two multiples in the domain"),
        }
    }
}

/// The smallest of 1, 2, 5 times a power of ten that cuts `span` into at most `target` pieces.
pub(crate) fn nice_step(span: f64, target: usize) -> f64 {
    let raw = span / target.max(1) as f64;
    let power = 10f64.powf(raw.log10().floor());
    // The slack forgives the last bit of a logarithm or a division.
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|step| *step >= raw * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

fn linear_ticks(low: f64, high: f64, step: f64) -> Vec<f64> {
    let slack = step * 1e-9;
    let first = ((low - slack) / step).ceil();
    // Multiples of the step, not sums of it: no error builds up, and zero is exactly zero.
    (0..).map(|i| (first + f64::from(i)) * step).take_while(|v| *v <= high + slack).map(|v| v + 0.0).collect()
}

fn log_ticks(low: f64, high: f64, target: usize) -> Vec<f64> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let within = |multiples: &[f64]| -> Vec<f64> {
        let all = decades.clone().flat_map(|e| multiples.iter().map(move |m| m * 10f64.powi(e)));
        all.filter(|v| *v >= low * (1.0 - 1e-9) && *v <= high * (1.0 + 1e-9)).collect()
    };
    let dense = within(&[1.0, 2.0, 5.0]);
    if dense.len() <= target + 2 {
        return dense;
    }
    let sparse = within(&[1.0]);
    let every = sparse.len().div_ceil(target.max(1)).max(1);
    sparse.into_iter().step_by(every).collect()
}

/// The distance between two ticks of a time axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beat {
    Seconds(u64),
    Months(u32),
}

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;
/// 1970-01-05 was the first Monday.
const FIRST_MONDAY: u64 = 4 * DAY;

const BEATS: [Beat; 25] = [
    Beat::Seconds(1),
    Beat::Seconds(5),
    Beat::Seconds(15),
    Beat::Seconds(30),
    Beat::Seconds(MINUTE),
    Beat::Seconds(5 * MINUTE),
    Beat::Seconds(15 * MINUTE),
    Beat::Seconds(30 * MINUTE),
    Beat::Seconds(HOUR),
    Beat::Seconds(3 * HOUR),
    Beat::Seconds(6 * HOUR),
    Beat::Seconds(12 * HOUR),
    Beat::Seconds(DAY),
    Beat::Seconds(2 * DAY),
    Beat::Seconds(7 * DAY),
    Beat::Seconds(14 * DAY),
    Beat::Months(1),
    Beat::Months(3),
    Beat::Months(6),
    Beat::Months(12),
    Beat::Months(24),
    Beat::Months(60),
    Beat::Months(120),
    Beat::Months(240),
    Beat::Months(1_200),
];

impl Beat {
    fn seconds(self) -> f64 {
        match self {
            Self::Seconds(s) => s as f64,
            Self::Months(m) => f64::from(m) * 365.2425 / 12.0 * DAY as f64,
        }
    }

    /// Boundaries from `low` to `high`, in seconds.
    fn boundaries(self, low: f64, high: f64) -> Vec<f64> {
        match self {
            Self::Seconds(step) => {
                let offset = if step >= 7 * DAY { FIRST_MONDAY } else { 0 } as f64;
                let step = step as f64;
                let first = ((low - offset) / step).ceil();
                (0..).map(|i| (first + f64::from(i)) * step + offset).take_while(|s| *s <= high).collect()
            }
            Self::Months(step) => {
                let (year, month, _) = civil(low.max(0.0));
                let first = (year as u32 * 12 + month - 1) / step * step;
                (first..)
                    .step_by(step as usize)
                    .map_while(|m| {
                        UnixNanos::from_civil((m / 12) as i32, m % 12 + 1, 1).or_else(|| {
                            // The boundary before the first instant may lie before 1970; it is not in the domain anyway.
                            (m / 12 < 1970).then_some(UnixNanos::EPOCH)
                        })
                    })
                    .map(|ts| (ts.get() / SECOND) as f64)
                    .skip_while(|s| *s < low)
                    .take_while(|s| *s <= high)
                    .collect()
            }
        }
    }

    fn label(self, at: f64, first: bool) -> String {
        let (year, month, day) = civil(at);
        let name = MONTHS[month as usize - 1];
        let second = at as u64 % DAY;
        let clock = format!("{:02}:{:02}", second / HOUR, second / MINUTE % 60);
        match self {
            Self::Months(step) if step % 12 == 0 => year.to_string(),
            Self::Months(_) if first || month == 1 => format!("{name} {year}"),
            Self::Months(_) => name.to_owned(),
            Self::Seconds(step) if step >= DAY && first => format!("{day} {name} {year}"),
            Self::Seconds(step) if step >= DAY => format!("{day} {name}"),
            Self::Seconds(_) if first && second != 0 => format!("{day} {name} {clock}"),
            Self::Seconds(_) if second == 0 => format!("{day} {name}"),
            Self::Seconds(step) if step < MINUTE => format!("{clock}:{:02}", second % 60),
            Self::Seconds(_) => clock,
        }
    }
}

/// The names of the months, short.
pub(crate) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn civil(seconds: f64) -> (i32, u32, u32) {
    UnixNanos::new((seconds as u64).saturating_mul(SECOND)).civil()
}

/// At most about `target` boundaries of the calendar between two instants (seconds since 1970), each with its label.
pub(crate) fn time_ticks((low, high): (f64, f64), target: usize) -> Vec<(f64, String)> {
    let fits = |beat: &Beat| (high - low) / beat.seconds() <= target.max(1) as f64;
    let beat = BEATS.into_iter().find(fits).unwrap_or(BEATS[BEATS.len() - 1]);
    let at = beat.boundaries(low, high);
    at.iter().enumerate().map(|(i, &at_s)| (at_s, beat.label(at_s, i == 0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(low: (i32, u32, u32), high: (i32, u32, u32), target: usize) -> Vec<String> {
        let at = |(y, m, d)| (UnixNanos::from_civil(y, m, d).unwrap().get() / SECOND) as f64;
        time_ticks((at(low), at(high)), target).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn the_calendar_sets_the_ticks_of_time() {
        assert_eq!(labels((2011, 12, 5), (2024, 6, 1), 8), ["2012", "2014", "2016", "2018", "2020", "2022", "2024"]);
        assert_eq!(labels((2013, 2, 1), (2013, 12, 20), 5), ["Apr 2013", "Jul", "Oct"]);
        assert_eq!(labels((2013, 11, 15), (2014, 3, 2), 5), ["Dec 2013", "Jan 2014", "Feb", "Mar"]);
        assert_eq!(labels((2013, 2, 1), (2013, 3, 1), 5), ["4 Feb 2013", "11 Feb", "18 Feb", "25 Feb"]);
        assert_eq!(labels((2013, 2, 1), (2013, 2, 2), 4), ["1 Feb", "06:00", "12:00", "18:00", "2 Feb"]);
        assert_eq!(labels((1970, 1, 1), (1999, 1, 1), 4), ["1970", "1980", "1990"]);
    }

    #[test]
    fn a_logarithmic_axis_has_decades() {
        let scale = Scale::new(Spread::Log, (1.0, 2_000.0), (0.0, 100.0));
        assert_eq!(scale.ticks(5), [1.0, 10.0, 100.0, 1_000.0]);
        let narrow = Scale::new(Spread::Log, (90.0, 210.0), (0.0, 100.0));
        assert_eq!(narrow.ticks(6), [100.0, 120.0, 140.0, 160.0, 180.0, 200.0]);
    }

    #[test]
    fn the_noise_of_floats_is_no_curve() {
        let scale = Scale::relaxed(Spread::Linear, (1e6, 1e6 + 1e-9), (0.0, 100.0), 5);
        assert_eq!(scale.domain(), (940_000.0, 1_060_000.0));
        assert_eq!(Scale::new(Spread::Linear, (0.0, 0.0), (0.0, 1.0)).domain(), (-1.0, 1.0));
    }

    proptest! {
        #[test]
        fn linear_ticks_are_round_inside_and_few(low in -1e9f64..1e9, span in 1e-6f64..1e9, target in 2usize..12) {
            let scale = Scale::new(Spread::Linear, (low, low + span), (0.0, 1.0));
            let step = nice_step(span, target);
            let mantissa = step / 10f64.powf(step.log10().floor());
            prop_assert!([1.0, 2.0, 5.0, 10.0].iter().any(|m| (m - mantissa).abs() < 1e-6), "{step}");
            let ticks = scale.ticks(target);
            prop_assert!((2..=(target + 1).max(6)).contains(&ticks.len()), "{ticks:?}");
            prop_assert!(ticks.len() * 3 >= target - 1, "{ticks:?}");
            for t in &ticks {
                prop_assert!(*t >= low - step * 1e-6 && *t <= low + span + step * 1e-6);
            }
            prop_assert!(ticks.windows(2).all(|w| w[0] < w[1]));
        }

        #[test]
        fn time_ticks_ascend_inside_the_domain(low in 0.0f64..4e9, span in 4.0f64..4e9, target in 3usize..10) {
            let ticks = time_ticks((low, low + span), target);
            prop_assert!(ticks.len() <= target + 1, "{ticks:?}");
            prop_assert!(ticks.windows(2).all(|w| w[0].0 < w[1].0));
            prop_assert!(ticks.iter().all(|(at, _)| (low..=low + span).contains(at)));
        }

        #[test]
        fn a_relaxed_domain_holds_the_domain_and_places_in_order(
            low in 1e-3f64..1e6,
            ratio in 1.0f64..1e6,
            target in 2usize..9,
        ) {
            for spread in [Spread::Linear, Spread::Log] {
                let scale = Scale::relaxed(spread, (low, low * ratio), (0.0, 500.0), target);
                let (a, b) = scale.domain();
                prop_assert!(a <= low * (1.0 + 1e-9) && b >= low * ratio * (1.0 - 1e-9) && a < b);
                prop_assert!(scale.place(a).abs() < 1e-6 && (scale.place(b) - 500.0).abs() < 1e-6);
                prop_assert!(scale.place(low) <= scale.place(low * ratio) + 1e-9);
            }
        }
    }
}
