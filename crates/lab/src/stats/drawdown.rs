//! Drawdowns of an equity curve: how far below its running peak, for how long, and when it
//! recovered.
//!
//! One pass each. The first value counts as a peak. Depths are fractions of the peak and `<= 0`; a
//! value that is not a number, or a first value that is not positive, leaves all of them undefined.
//! Equity that goes negative is deeper than -1, as it should be.

use serde::Serialize;

/// One fall from a peak and, if it came, the return to it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Episode {
    /// Index of the last peak before the fall.
    pub start: usize,
    /// Index of the lowest value, the first of equals.
    pub trough: usize,
    /// Index of the first value at or above the peak again; `None` while under water at the end.
    pub recovery: Option<usize>,
    /// Fraction lost from peak to trough, `< 0`.
    pub depth: f64,
}

impl Episode {
    /// Periods from the peak to the recovery, or to the last of `n` values where none came.
    pub fn length(&self, n: usize) -> usize {
        self.recovery.unwrap_or(n.saturating_sub(1)).saturating_sub(self.start)
    }
}

/// Distance below the running peak at every value, as a fraction `<= 0`.
pub fn running(equity: &[f64]) -> Option<Vec<f64>> {
    scan(equity, Vec::with_capacity(equity.len()), |mut depths, _, depth| {
        depths.push(depth);
        depths
    })
}

/// The deepest drawdown, `<= 0`; zero for a curve that never falls, `None` for an empty one.
pub fn max_depth(equity: &[f64]) -> Option<f64> {
    (!equity.is_empty()).then_some(())?;
    scan(equity, 0.0f64, |deepest, _, depth| deepest.min(depth))
}

/// Periods from peak to recovery of the longest drawdown, one still open at the end included; zero
/// if there is none.
pub fn longest(equity: &[f64]) -> Option<usize> {
    Some(episodes(equity)?.iter().map(|episode| episode.length(equity.len())).max().unwrap_or(0))
}

/// All drawdowns in time order. They do not overlap.
pub fn episodes(equity: &[f64]) -> Option<Vec<Episode>> {
    let (mut done, open) = scan(equity, (Vec::new(), None), |(mut done, mut open), index, depth| {
        match (&mut open, depth < 0.0) {
            (None, true) => open = Some(Episode { start: index - 1, trough: index, recovery: None, depth }),
            (Some(episode), true) if depth < episode.depth => {
                episode.trough = index;
                episode.depth = depth;
            }
            (Some(episode), false) => {
                done.push(Episode { recovery: Some(index), ..*episode });
                open = None;
            }
            _ => {}
        }
        (done, open)
    })?;
    done.extend(open);
    Some(done)
}

/// Folds over (index, depth below the running peak).
fn scan<A>(equity: &[f64], start: A, mut step: impl FnMut(A, usize, f64) -> A) -> Option<A> {
    let mut state = start;
    let mut peak = f64::NEG_INFINITY;
    for (index, value) in equity.iter().enumerate() {
        peak = peak.max(*value);
        // The first value decides whether fractions of the peak mean anything.
        if !value.is_finite() || peak <= 0.0 {
            return None;
        }
        // A value at the peak is at zero depth exactly: x / x is 1.
        state = step(state, index, value / peak - 1.0);
    }
    Some(state)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::golden::{Golden, assert_all_close, assert_close};
    use super::*;

    #[test]
    fn equal_to_numpy_and_empyrical_on_real_prices() {
        let golden = Golden::open("drawdown");
        let equity = Golden::open("series").numbers("/AAPL");
        assert_all_close(&running(&equity).unwrap(), &golden.numbers("/running"));
        assert_close(max_depth(&equity).unwrap(), golden.number("/max"));
        assert_eq!(longest(&equity).unwrap() as f64, golden.number("/longest"));
        let expected = golden.rows("/episodes");
        let found = episodes(&equity).unwrap();
        assert_eq!(found.len(), expected.len());
        for (episode, row) in found.iter().zip(expected) {
            assert_eq!(episode.start as u64, row[0].as_u64().unwrap());
            assert_eq!(episode.trough as u64, row[1].as_u64().unwrap());
            assert_eq!(episode.recovery.map(|i| i as u64), row[2].as_u64());
            assert_close(episode.depth, row[3].as_f64().unwrap());
        }
    }

    #[test]
    fn edges() {
        assert_eq!(running(&[]), Some(vec![]));
        assert_eq!(max_depth(&[]), None);
        assert_eq!(max_depth(&[7.0]), Some(0.0));
        assert_eq!(episodes(&[7.0, 7.0, 8.0]), Some(vec![]));
        assert_eq!(longest(&[7.0, 7.0, 8.0]), Some(0));
        assert_eq!(max_depth(&[7.0, f64::NAN]), None);
        assert_eq!(max_depth(&[0.0, 1.0]), None);
        assert_eq!(max_depth(&[100.0, -50.0]), Some(-1.5));
    }

    #[test]
    fn an_open_drawdown_lasts_to_the_end() {
        let equity = [100.0, 90.0, 80.0, 85.0];
        let found = episodes(&equity).unwrap();
        assert_eq!(found, vec![Episode { start: 0, trough: 2, recovery: None, depth: 80.0 / 100.0 - 1.0 }]);
        assert_eq!(longest(&equity), Some(3));
    }

    proptest! {
        #[test]
        fn never_positive_and_blind_to_scale(
            equity in prop::collection::vec(1.0..100.0f64, 1..80), power in -20i32..20,
        ) {
            let depths = running(&equity).unwrap();
            prop_assert!(depths.iter().all(|d| (-1.0..=0.0).contains(d)));
            // A power of two scales without rounding, so equality is exact.
            let scaled: Vec<f64> = equity.iter().map(|e| e * 2f64.powi(power)).collect();
            prop_assert_eq!(running(&scaled).unwrap(), depths);
            prop_assert_eq!(episodes(&scaled).unwrap(), episodes(&equity).unwrap());
        }

        #[test]
        fn episodes_tell_all_of_the_running_drawdown(equity in prop::collection::vec(1.0..100.0f64, 1..80)) {
            let (depths, found) = (running(&equity).unwrap(), episodes(&equity).unwrap());
            let deepest = found.iter().map(|e| e.depth).fold(0.0, f64::min);
            prop_assert_eq!(Some(deepest), max_depth(&equity));
            let mut under_water = vec![false; equity.len()];
            for episode in &found {
                let end = episode.recovery.unwrap_or(equity.len());
                prop_assert!(episode.start < episode.trough && episode.trough < end);
                under_water[episode.start + 1..end].fill(true);
            }
            for (depth, under) in depths.iter().zip(under_water) {
                prop_assert_eq!(*depth < 0.0, under);
            }
        }
    }
}
