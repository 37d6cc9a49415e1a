//! Figures read off a curve: drawdown and returns by calendar month.
//!
//! Invariant: both are pure functions of the points. Deliberately not here: ratios and tails (`stats`).

use starling_core::UnixNanos;

use super::record::EquityPoint;

/// Each point's loss from the highest equity so far, as a fraction, zero or negative. The peak starts at `initial`.
#[must_use]
pub fn drawdown(initial: f64, points: &[EquityPoint]) -> Vec<(UnixNanos, f64)> {
    let mut peak = initial;
    points
        .iter()
        .map(|p| {
            peak = peak.max(p.equity);
            (p.ts, if peak > 0.0 { p.equity / peak - 1.0 } else { 0.0 })
        })
        .collect()
}

/// Returns by calendar month (UTC) and year.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MonthlyReturns {
    /// One row for each year from the first point to the last.
    pub years: Vec<YearReturns>,
}

/// The returns of one year.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct YearReturns {
    /// The year.
    pub year: i32,
    /// January to December, as fractions; `None` where the month has no point.
    pub months: [Option<f64>; 12],
    /// The whole year, as a fraction: the months that are present, compounded.
    pub total: Option<f64>,
}

/// The return of each month from the last equity before it (for the first month: `initial`) to its last equity.
///
/// A month is undefined where the equity it starts from is not positive.
#[must_use]
pub fn monthly_returns(initial: f64, points: &[EquityPoint]) -> MonthlyReturns {
    let month_of = |p: &EquityPoint| {
        let (year, month, _) = p.ts.civil();
        (year, month)
    };
    let mut years: Vec<YearReturns> = Vec::new();
    let mut base = initial;
    for month in points.chunk_by(|a, b| month_of(a) == month_of(b)) {
        let (year, number) = month_of(&month[0]);
        let last = month[month.len() - 1].equity;
        let next = years.last().map_or(year, |row| row.year + 1);
        for year in next..=year {
            years.push(YearReturns { year, months: [None; 12], total: None });
        }
        let row = years.last_mut().expect("a row for the year of the month");
        if base > 0.0 {
            let gain = last / base;
            row.months[number as usize - 1] = Some(gain - 1.0);
            row.total = Some((1.0 + row.total.unwrap_or(0.0)) * gain - 1.0);
        }
        base = last;
    }
    MonthlyReturns { years }
}
