//! Returns of an equity curve: per period, in total, per year, per month.
//!
//! An equity curve is a slice of positive values whose first element is the starting capital, so
//! `n` values make `n - 1` returns. A curve that touches zero has no returns after it, and none are
//! made up.

use jiff::civil::Date;
use serde::Serialize;

use super::equity::EquityPoint;
use super::sample::{self, all_finite, finite};

/// Simple returns `e[i] / e[i-1] - 1`; empty for fewer than two values, `None` if a value is not a
/// positive number.
pub fn simple(equity: &[f64]) -> Option<Vec<f64>> {
    positive(equity).then(|| equity.windows(2).map(|pair| pair[1] / pair[0] - 1.0).collect())
}

/// Log returns `ln(e[i] / e[i-1])`; empty for fewer than two values, `None` if a value is not a
/// positive number.
pub fn log(equity: &[f64]) -> Option<Vec<f64>> {
    positive(equity).then(|| equity.windows(2).map(|pair| (pair[1] / pair[0]).ln()).collect())
}

/// The curve that starts at `start` and earns `returns`; one value longer than `returns`.
pub fn curve(start: f64, returns: &[f64]) -> Option<Vec<f64>> {
    let mut equity = Vec::with_capacity(returns.len() + 1);
    equity.push(start);
    let mut value = start;
    for earned in returns {
        value *= 1.0 + earned;
        equity.push(value);
    }
    all_finite(&equity).then_some(equity)
}

/// Compounded return of the whole series; zero for an empty one.
pub fn total(returns: &[f64]) -> Option<f64> {
    finite(returns.iter().map(|earned| 1.0 + earned).product::<f64>() - 1.0)
}

/// Compound annual growth rate, `(1 + total)^(periods / n) - 1` (empyrical's `annual_return`).
///
/// `None` for an empty series and for one that lost everything or more.
pub fn annual_growth(returns: &[f64], periods: f64) -> Option<f64> {
    let growth = 1.0 + total(returns)?;
    if returns.is_empty() || growth <= 0.0 {
        return None;
    }
    finite(growth.powf(periods / returns.len() as f64) - 1.0)
}

/// Sample standard deviation times `sqrt(periods)`.
pub fn annual_volatility(returns: &[f64], periods: f64) -> Option<f64> {
    finite(sample::standard_deviation(returns)? * periods.sqrt())
}

/// Highest single return.
pub fn best(returns: &[f64]) -> Option<f64> {
    (!returns.is_empty() && all_finite(returns)).then(|| returns.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// Lowest single return.
pub fn worst(returns: &[f64]) -> Option<f64> {
    (!returns.is_empty() && all_finite(returns)).then(|| returns.iter().copied().fold(f64::INFINITY, f64::min))
}

/// The rate per period that compounds to `annual` over `periods`: `(1 + annual)^(1 / periods) - 1`.
pub fn rate_per_period(annual: f64, periods: f64) -> Option<f64> {
    finite((1.0 + annual).powf(periods.recip()) - 1.0)
}

/// Return of one calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MonthReturn {
    /// Year of the UTC calendar.
    pub year: i16,
    /// Month, 1 to 12.
    pub month: i8,
    /// Simple return from the last value before the month to the last value in it.
    pub value: f64,
}

/// Monthly returns of daily equity in day order. The first point is the base, and its month counts
/// from it.
///
/// Months without a point are absent and fall into the next one that has one. `None` if a value is
/// not a positive number, days do not rise, or a day lies outside the calendar (years -9999 to
/// 9999).
pub fn monthly(points: &[EquityPoint]) -> Option<Vec<MonthReturn>> {
    let mut months = Vec::new();
    let Some(first) = points.first() else {
        return Some(months);
    };
    if !points.iter().all(|point| point.equity.is_finite() && point.equity > 0.0) {
        return None;
    }
    let mut base = first.equity;
    let mut last = *first;
    for point in &points[1..] {
        if point.day <= last.day {
            return None;
        }
        let (year, month) = calendar_month(point.day)?;
        match months.last_mut() {
            Some(MonthReturn { year: y, month: m, value }) if (*y, *m) == (year, month) => {
                *value = point.equity / base - 1.0;
            }
            _ => {
                base = last.equity;
                months.push(MonthReturn { year, month, value: point.equity / base - 1.0 });
            }
        }
        last = *point;
    }
    Some(months)
}

fn calendar_month(day: i64) -> Option<(i16, i8)> {
    let span = jiff::Span::new().try_days(day).ok()?;
    let date = Date::constant(1970, 1, 1).checked_add(span).ok()?;
    Some((date.year(), date.month()))
}

fn positive(equity: &[f64]) -> bool {
    equity.iter().all(|value| value.is_finite() && *value > 0.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::golden::{Golden, assert_all_close, assert_close, golden_returns};
    use super::*;

    #[test]
    fn equal_to_empyrical_on_real_prices() {
        let golden = Golden::open("returns");
        let equity = Golden::open("series").numbers("/AAPL");
        let returns = golden_returns("AAPL");
        assert_close(returns.iter().sum(), golden.number("/simple_sum"));
        assert_close(log(&equity).unwrap().iter().sum(), golden.number("/log_sum"));
        assert_close(total(&returns).unwrap(), golden.number("/total"));
        assert_close(annual_growth(&returns, 252.0).unwrap(), golden.number("/cagr"));
        assert_close(annual_volatility(&returns, 252.0).unwrap(), golden.number("/volatility"));
        assert_close(best(&returns).unwrap(), golden.number("/best"));
        assert_close(worst(&returns).unwrap(), golden.number("/worst"));
        let series = Golden::open("series");
        assert_close(rate_per_period(0.02, 252.0).unwrap(), series.number("/rf"));
    }

    #[test]
    fn monthly_table_equals_pandas_resample() {
        let series = Golden::open("series");
        let points: Vec<EquityPoint> = series
            .numbers("/day")
            .iter()
            .zip(series.numbers("/AAPL"))
            .map(|(day, equity)| EquityPoint { day: *day as i64, equity })
            .collect();
        let months = monthly(&points).unwrap();
        let expected = Golden::open("returns").rows("/monthly");
        assert_eq!(months.len(), expected.len());
        for (found, row) in months.iter().zip(expected) {
            assert_eq!(i64::from(found.year), row[0].as_i64().unwrap());
            assert_eq!(i64::from(found.month), row[1].as_i64().unwrap());
            assert_close(found.value, row[2].as_f64().unwrap());
        }
    }

    #[test]
    fn edges() {
        assert_eq!(simple(&[]), Some(vec![]));
        assert_eq!(simple(&[5.0]), Some(vec![]));
        assert_eq!(simple(&[5.0, 0.0]), None);
        assert_eq!(simple(&[5.0, f64::NAN]), None);
        assert_eq!(log(&[5.0, -1.0]), None);
        assert_eq!(total(&[]), Some(0.0));
        assert_eq!(total(&[0.1, f64::NAN]), None);
        assert_eq!(annual_growth(&[], 252.0), None);
        assert_eq!(annual_growth(&[-1.0, 0.5], 252.0), None);
        assert_eq!(annual_volatility(&[0.1], 252.0), None);
        assert_eq!(annual_volatility(&[0.1, 0.1], 252.0), Some(0.0));
        assert_eq!(best(&[]), None);
        assert_eq!(worst(&[0.1, f64::NAN]), None);
        assert_eq!(monthly(&[]), Some(vec![]));
        assert_eq!(monthly(&[EquityPoint { day: 3, equity: 1.0 }]), Some(vec![]));
    }

    #[test]
    fn days_that_do_not_rise_have_no_months() {
        let point = |day, equity| EquityPoint { day, equity };
        assert_eq!(monthly(&[point(3, 1.0), point(3, 2.0)]), None);
        assert_eq!(monthly(&[point(3, 1.0), point(i64::MAX, 2.0)]), None);
    }

    proptest! {
        #[test]
        fn curve_and_simple_are_inverse(returns in prop::collection::vec(-0.5..0.5f64, 0..40), start in 1.0..1e6f64) {
            let again = simple(&curve(start, &returns).unwrap()).unwrap();
            for (a, b) in again.iter().zip(&returns) {
                prop_assert!((a - b).abs() < 1e-12);
            }
        }

        #[test]
        fn months_compound_to_the_total(
            steps in prop::collection::vec((1i64..20, -0.2..0.2f64), 1..60), day in -30_000i64..30_000,
        ) {
            let mut points = vec![EquityPoint { day, equity: 100.0 }];
            for (gap, earned) in &steps {
                let last = points[points.len() - 1];
                points.push(EquityPoint { day: last.day + gap, equity: last.equity * (1.0 + earned) });
            }
            let months = monthly(&points).unwrap();
            let product: f64 = months.iter().map(|m| 1.0 + m.value).product();
            prop_assert!((product * 100.0 / points[points.len() - 1].equity - 1.0).abs() < 1e-10);
            prop_assert!(months.windows(2).all(|w| (w[0].year, w[0].month) < (w[1].year, w[1].month)));
        }
    }

    #[test]
    fn log_returns_add_where_simple_ones_compound() {
        let equity = [100.0, 110.0, 99.0];
        assert_all_close(&simple(&equity).unwrap(), &[0.1, -0.1]);
        assert_close(log(&equity).unwrap().iter().sum::<f64>().exp() - 1.0, -0.01);
    }
}
