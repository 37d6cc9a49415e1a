//! Covariance and correlation of many series: in one go, one observation at a time, and the repair
//! of a correlation matrix that is not one.
//!
//! The result is symmetric bit for bit, its diagonal is exactly one, and every entry lies in `[-1,
//! 1]`.

use super::error::{StatsError, check_finite, check_length};
use super::matrix::{Panel, SquareMatrix, dot};
use super::sample;

/// Series per tile, and observations per strip: two tiles of one strip (64 KiB) share the level-two
/// cache with room for more.
const TILE: usize = 16;
const STRIP: usize = 256;

/// Sample covariance, dividing by `n - 1`. Needs two observations.
pub fn covariance(panel: &Panel<'_>) -> Result<SquareMatrix, StatsError> {
    let centred = centre(panel)?;
    let scale = (panel.length() - 1) as f64;
    let sums = products(&centred, panel.count());
    Ok(SquareMatrix::from_fn(panel.count(), |i, j| sums[i * panel.count() + j] / scale))
}

/// Pearson correlation. Needs two observations and no constant series.
pub fn correlation(panel: &Panel<'_>) -> Result<SquareMatrix, StatsError> {
    let mut centred = centre(panel)?;
    for (series, values) in centred.chunks_exact_mut(panel.length()).enumerate() {
        let norm = dot(values, values).sqrt();
        if norm == 0.0 {
            return Err(StatsError::Constant { series });
        }
        values.iter_mut().for_each(|value| *value /= norm);
    }
    let sums = products(&centred, panel.count());
    Ok(unit_diagonal(panel.count(), |i, j| sums[i * panel.count() + j]))
}

/// The correlation matrix of a covariance matrix.
pub fn from_covariance(covariance: &SquareMatrix) -> Result<SquareMatrix, StatsError> {
    let deviations: Vec<f64> = (0..covariance.size()).map(|i| covariance.get(i, i).sqrt()).collect();
    if let Some(series) = deviations.iter().position(|sd| sd.is_nan() || *sd == 0.0) {
        return Err(StatsError::Constant { series });
    }
    Ok(unit_diagonal(covariance.size(), |i, j| covariance.get(i, j) / deviations[i] / deviations[j]))
}

/// The nearest thing to `matrix` that is a correlation matrix, by the spectral method (Rebonato and
/// Jäckel 1999): eigenvalues below `floor` are raised to it, and the result is scaled back to a
/// unit diagonal.
///
/// `floor` in `[0, 1)`; with zero the result is positive semidefinite to rounding, a small positive
/// one (1e-10) leaves room for a Cholesky factor. Not the nearest in the Frobenius norm (Higham
/// 2002), but close to it and found in one step.
pub fn repair(matrix: &SquareMatrix, floor: f64) -> Result<SquareMatrix, StatsError> {
    if !(0.0..1.0).contains(&floor) {
        return Err(StatsError::OutOfRange { what: "eigenvalue floor", value: floor, range: "in [0, 1)" });
    }
    let eigen = matrix.eigen()?;
    let n = matrix.size();
    // B = V sqrt(clipped), with rows scaled to length one: B B' has a unit diagonal.
    let half = SquareMatrix::from_fn(n, |i, k| eigen.vectors.get(i, k) * eigen.values[k].max(floor).sqrt());
    let norms: Vec<f64> = (0..n).map(|i| dot(half.row(i), half.row(i)).sqrt()).collect();
    if let Some(series) = norms.iter().position(|norm| *norm == 0.0) {
        return Err(StatsError::Constant { series });
    }
    Ok(unit_diagonal(n, |i, j| dot(half.row(i), half.row(j)) / norms[i] / norms[j]))
}

/// Covariance and correlation of observations that come one at a time (Welford 1962, Chan et al.
/// 1983).
///
/// Memory and time per observation are `O(n^2)` in the number of series. [`Self::remove`] makes it
/// a rolling window; each removal costs a little precision, so start afresh from the window once in
/// a while (once per window length keeps it at batch precision, as the test shows).
#[derive(Debug, Clone, PartialEq)]
pub struct RunningCorrelation {
    count: u64,
    means: Vec<f64>,
    /// Lower triangle of the centred sums of products, row by row.
    sums: Vec<f64>,
    delta: Vec<f64>,
}

impl RunningCorrelation {
    /// For `series` series, empty.
    pub fn new(series: usize) -> Self {
        Self {
            count: 0,
            means: vec![0.0; series],
            sums: vec![0.0; series * (series + 1) / 2],
            delta: vec![0.0; series],
        }
    }

    /// Observations held.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Adds one value of each series.
    pub fn push(&mut self, observation: &[f64]) -> Result<(), StatsError> {
        self.check(observation)?;
        self.count += 1;
        let n = self.count as f64;
        for ((delta, mean), value) in self.delta.iter_mut().zip(&mut self.means).zip(observation) {
            *delta = value - *mean;
            *mean += *delta / n;
        }
        self.add_products((n - 1.0) / n);
        Ok(())
    }

    /// Takes out an observation that was pushed before. Removing one that was not leaves nonsense.
    pub fn remove(&mut self, observation: &[f64]) -> Result<(), StatsError> {
        self.check(observation)?;
        if self.count == 0 {
            return Err(StatsError::TooFew { what: "running correlation", needed: 1, found: 0 });
        }
        self.count -= 1;
        if self.count == 0 {
            *self = Self::new(self.means.len());
            return Ok(());
        }
        let n = self.count as f64;
        for ((delta, mean), value) in self.delta.iter_mut().zip(&mut self.means).zip(observation) {
            *delta = value - *mean;
            *mean -= *delta / n;
        }
        self.add_products(-(n + 1.0) / n);
        Ok(())
    }

    /// Sample covariance, dividing by `n - 1`.
    pub fn covariance(&self) -> Result<SquareMatrix, StatsError> {
        if self.count < 2 {
            return Err(StatsError::TooFew { what: "running correlation", needed: 2, found: self.count as usize });
        }
        let scale = (self.count - 1) as f64;
        Ok(SquareMatrix::from_fn(self.means.len(), |i, j| self.sums[triangle(i.max(j)) + i.min(j)] / scale))
    }

    /// Pearson correlation.
    pub fn correlation(&self) -> Result<SquareMatrix, StatsError> {
        from_covariance(&self.covariance()?)
    }

    fn check(&self, observation: &[f64]) -> Result<(), StatsError> {
        check_length("observation", observation, self.means.len())?;
        check_finite("observation", observation)
    }

    fn add_products(&mut self, weight: f64) {
        for (i, left) in self.delta.iter().enumerate() {
            let row = &mut self.sums[triangle(i)..][..=i];
            for (sum, right) in row.iter_mut().zip(&self.delta) {
                *sum += weight * left * right;
            }
        }
    }
}

/// Where row `i` of a packed lower triangle begins.
fn triangle(i: usize) -> usize {
    i * (i + 1) / 2
}

/// A symmetric matrix from its lower triangle, with ones on the diagonal and entries held to `[-1,
/// 1]`.
fn unit_diagonal(size: usize, mut lower: impl FnMut(usize, usize) -> f64) -> SquareMatrix {
    SquareMatrix::from_fn(size, |i, j| if i == j { 1.0 } else { lower(i.max(j), i.min(j)).clamp(-1.0, 1.0) })
}

fn centre(panel: &Panel<'_>) -> Result<Vec<f64>, StatsError> {
    if panel.length() < 2 {
        return Err(StatsError::TooFew { what: "panel", needed: 2, found: panel.length() });
    }
    let mut centred = Vec::with_capacity(panel.count() * panel.length());
    for index in 0..panel.count() {
        let series = panel.series(index);
        let mean = sample::mean(series).ok_or(StatsError::NotFinite { what: "mean", index, value: f64::INFINITY })?;
        centred.extend(series.iter().map(|value| value - mean));
    }
    Ok(centred)
}

/// Sums of products of all pairs of rows, tile by tile; both triangles are filled with the same
/// bits.
fn products(rows: &[f64], count: usize) -> Vec<f64> {
    let length = rows.len() / count;
    let mut sums = vec![0.0; count * count];
    for from in (0..length).step_by(STRIP) {
        let to = (from + STRIP).min(length);
        let strip = |i: usize| &rows[i * length + from..i * length + to];
        for tile_i in (0..count).step_by(TILE) {
            for tile_j in (0..=tile_i).step_by(TILE) {
                for i in tile_i..(tile_i + TILE).min(count) {
                    for j in tile_j..(tile_j + TILE).min(i + 1) {
                        sums[i * count + j] += dot(strip(i), strip(j));
                    }
                }
            }
        }
    }
    for i in 0..count {
        for j in 0..i {
            sums[j * count + i] = sums[i * count + j];
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::golden::{Golden, assert_all_close};
    use super::*;

    #[test]
    fn equal_to_numpy() {
        let golden = Golden::open("factor");
        let values = Golden::open("series").numbers("/panel");
        let panel = Panel::new(&values, 8).unwrap();
        assert_all_close(covariance(&panel).unwrap().as_slice(), &golden.numbers("/covariance"));
        assert_all_close(correlation(&panel).unwrap().as_slice(), &golden.numbers("/correlation"));
        let both = from_covariance(&covariance(&panel).unwrap()).unwrap();
        assert_all_close(both.as_slice(), &golden.numbers("/correlation"));
    }

    #[test]
    fn repair_equals_numpy_eigenvalue_clipping() {
        let golden = Golden::open("factor");
        let broken = SquareMatrix::new(golden.numbers("/broken"), 8).unwrap();
        let repaired = repair(&broken, 0.0).unwrap();
        assert_all_close(repaired.as_slice(), &golden.numbers("/repaired"));
        assert!(repair(&broken, 1e-8).unwrap().cholesky().is_ok());
        assert!(matches!(repair(&broken, -0.1), Err(StatsError::OutOfRange { .. })));
    }

    #[test]
    fn tiles_and_strips_change_nothing() {
        // 37 series of 601 values reach over tile and strip borders; the oracle is the plain double
        // loop.
        let (count, length) = (37usize, 601usize);
        let values: Vec<f64> = (0..count * length).map(|k| ((k * k + 7 * k) % 1009) as f64 / 1009.0).collect();
        let panel = Panel::new(&values, count).unwrap();
        let found = correlation(&panel).unwrap();
        for i in 0..count {
            for j in 0..count {
                let expected = super::super::factor::correlation(panel.series(i), panel.series(j)).unwrap();
                assert!((found.get(i, j) - expected).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn edges() {
        assert!(matches!(covariance(&Panel::new(&[1.0, 2.0], 2).unwrap()), Err(StatsError::TooFew { .. })));
        let constant = [0.1, 0.2, 0.3, 0.1, 0.1, 0.1];
        let panel = Panel::new(&constant, 2).unwrap();
        assert_eq!(correlation(&panel), Err(StatsError::Constant { series: 1 }));
        assert_eq!(covariance(&panel).unwrap().get(1, 1), 0.0);
        let mut running = RunningCorrelation::new(2);
        assert!(matches!(running.push(&[1.0]), Err(StatsError::Length { .. })));
        assert!(matches!(running.push(&[1.0, f64::NAN]), Err(StatsError::NotFinite { .. })));
        assert!(matches!(running.remove(&[1.0, 1.0]), Err(StatsError::TooFew { .. })));
        assert_eq!(running.count(), 0, "a refused observation leaves no trace");
        assert!(matches!(running.correlation(), Err(StatsError::TooFew { .. })));
    }

    #[test]
    fn a_rolling_window_equals_the_batch_of_that_window() {
        let values = Golden::open("series").numbers("/panel");
        let (count, length, window) = (8, 120, 40);
        let at = |t: usize| -> Vec<f64> { (0..count).map(|i| values[i * length + t]).collect() };
        let mut rolling = RunningCorrelation::new(count);
        for t in 0..length {
            rolling.push(&at(t)).unwrap();
            if t >= window {
                rolling.remove(&at(t - window)).unwrap();
            }
        }
        let last: Vec<f64> =
            (0..count).flat_map(|i| values[i * length + length - window..(i + 1) * length].to_vec()).collect();
        let batch = correlation(&Panel::new(&last, count).unwrap()).unwrap();
        assert_all_close(rolling.correlation().unwrap().as_slice(), batch.as_slice());
    }

    proptest! {
        #[test]
        fn symmetric_bounded_and_equal_to_incremental(
            (count, values) in (2usize..6, 2usize..30).prop_flat_map(|(count, length)| {
                (Just(count), prop::collection::vec(-1.0..1.0f64, count * length))
            })
        ) {
            let panel = Panel::new(&values, count).unwrap();
            let batch = correlation(&panel).unwrap();
            let mut running = RunningCorrelation::new(count);
            for t in 0..panel.length() {
                let observation: Vec<f64> = (0..count).map(|i| panel.series(i)[t]).collect();
                running.push(&observation).unwrap();
            }
            let incremental = running.correlation().unwrap();
            for i in 0..count {
                prop_assert_eq!(batch.get(i, i), 1.0);
                for j in 0..count {
                    prop_assert_eq!(batch.get(i, j), batch.get(j, i));
                    prop_assert!(batch.get(i, j).abs() <= 1.0);
                    prop_assert!((batch.get(i, j) - incremental.get(i, j)).abs() < 1e-9);
                }
            }
        }

        #[test]
        fn repaired_matrices_are_positive_semidefinite(n in 2usize..7, seeds in prop::collection::vec(-1.0..1.0f64, 49)) {
            let claimed = unit_diagonal(n, |i, j| seeds[i * 7 + j]);
            let repaired = repair(&claimed, 0.0).unwrap();
            prop_assert!(repaired.eigen().unwrap().values[0] > -1e-12);
            prop_assert!((0..n).all(|i| repaired.get(i, i) == 1.0));
            // A matrix that is a correlation already stays as it is.
            let again = repair(&repaired, 0.0).unwrap();
            for (a, b) in again.as_slice().iter().zip(repaired.as_slice()) {
                prop_assert!((a - b).abs() < 1e-9);
            }
        }
    }
}
