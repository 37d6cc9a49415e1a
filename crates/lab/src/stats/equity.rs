//! Daily equity from equity marks of any density, in memory that grows with days only.
//!
//! Days are UTC. A day's value is the last mark in it; days without a mark are absent and are not
//! filled. The very first mark is the starting capital: it stands as the point of the day before,
//! so that the first day has a return too.

use serde::Serialize;

use super::error::StatsError;

const NANOS_PER_DAY: u64 = 86_400_000_000_000;

/// Equity at the end of a UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EquityPoint {
    /// Days since 1970-01-01.
    pub day: i64,
    /// Equity in account currency.
    pub equity: f64,
}

/// Accumulates marks `(nanoseconds since the epoch, equity)` into one point per day, in constant
/// time each.
///
/// The depth of the deepest drawdown is kept at the density of the marks, since daily values hide
/// what happened between.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DailyEquity {
    points: Vec<EquityPoint>,
    last_ns: u64,
    peak: f64,
    depth: f64,
    marks: u64,
}

impl DailyEquity {
    /// Without marks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a mark. Refuses one that is earlier than the last, and a NaN or an infinity; a refused
    /// mark changes nothing.
    pub fn push(&mut self, ts_ns: u64, equity: f64) -> Result<(), StatsError> {
        if !equity.is_finite() {
            let index = usize::try_from(self.marks).unwrap_or(usize::MAX);
            return Err(StatsError::NotFinite { what: "equity mark", index, value: equity });
        }
        if ts_ns < self.last_ns {
            return Err(StatsError::OutOfOrder { last: self.last_ns, found: ts_ns });
        }
        let day = (ts_ns / NANOS_PER_DAY) as i64;
        match self.points.last_mut() {
            None => {
                self.peak = equity;
                self.points.extend([EquityPoint { day: day - 1, equity }, EquityPoint { day, equity }]);
            }
            Some(last) if last.day == day => last.equity = equity,
            Some(_) => self.points.push(EquityPoint { day, equity }),
        }
        self.last_ns = ts_ns;
        self.marks += 1;
        self.peak = self.peak.max(equity);
        if self.peak > 0.0 {
            self.depth = self.depth.min(equity / self.peak - 1.0);
        }
        Ok(())
    }

    /// The starting capital, dated the day before the first mark, and the last value of every day
    /// with a mark.
    pub fn points(&self) -> &[EquityPoint] {
        &self.points
    }

    /// Deepest drawdown over all marks, `<= 0`; `None` without a mark, or while equity has never
    /// been positive.
    pub fn max_depth(&self) -> Option<f64> {
        (self.marks > 0 && self.peak > 0.0).then_some(self.depth)
    }

    /// Marks taken.
    pub fn marks(&self) -> u64 {
        self.marks
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::drawdown;
    use super::*;

    #[test]
    fn one_point_a_day_and_the_start_before_it() {
        let mut daily = DailyEquity::new();
        assert_eq!((daily.points().len(), daily.max_depth()), (0, None));
        let noon = NANOS_PER_DAY / 2;
        for (ts, equity) in [(noon, 100.0), (noon + 1, 80.0), (NANOS_PER_DAY - 1, 110.0), (3 * NANOS_PER_DAY, 105.0)] {
            daily.push(ts, equity).unwrap();
        }
        let points: Vec<(i64, f64)> = daily.points().iter().map(|p| (p.day, p.equity)).collect();
        assert_eq!(points, [(-1, 100.0), (0, 110.0), (3, 105.0)]);
        assert_eq!(daily.max_depth(), Some(80.0 / 100.0 - 1.0), "the fall within the first day is seen");
    }

    #[test]
    fn refused_marks_leave_no_trace() {
        let mut daily = DailyEquity::new();
        daily.push(10, 1.0).unwrap();
        let before = daily.clone();
        assert_eq!(daily.push(9, 2.0), Err(StatsError::OutOfOrder { last: 10, found: 9 }));
        assert!(matches!(daily.push(11, f64::NAN), Err(StatsError::NotFinite { index: 1, .. })));
        assert_eq!(daily, before);
    }

    proptest! {
        #[test]
        fn memory_is_days_and_depth_is_that_of_all_marks(
            steps in prop::collection::vec((0u64..NANOS_PER_DAY / 3, 1.0..100.0f64), 1..200),
        ) {
            let mut daily = DailyEquity::new();
            let mut ts = 0;
            for (gap, equity) in &steps {
                ts += gap;
                daily.push(ts, *equity).unwrap();
            }
            prop_assert!(daily.points().len() as u64 <= ts / NANOS_PER_DAY + 2);
            prop_assert!(daily.points().windows(2).all(|w| w[0].day < w[1].day));
            let all: Vec<f64> = steps.iter().map(|(_, equity)| *equity).collect();
            prop_assert_eq!(daily.max_depth(), drawdown::max_depth(&all));
            prop_assert_eq!(daily.points()[daily.points().len() - 1].equity, all[all.len() - 1]);
        }
    }
}
