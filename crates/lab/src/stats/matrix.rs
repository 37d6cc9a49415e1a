//! Series side by side, and small symmetric matrices: just the algebra that risk needs.
//!
//! A [`Panel`] is borrowed, has at least one series and holds only finite numbers; a
//! [`SquareMatrix`] likewise, so nothing downstream checks again. Sizes are tens to hundreds: no
//! sparse or out-of-core storage.

use serde::Serialize;

use super::error::{StatsError, check_finite, check_length};

/// Series of one length, flat and row-major: row `i` is series `i` in time order.
#[derive(Debug, Clone, Copy)]
pub struct Panel<'a> {
    values: &'a [f64],
    count: usize,
}

impl<'a> Panel<'a> {
    /// `count` series of `values.len() / count` values each.
    pub fn new(values: &'a [f64], count: usize) -> Result<Self, StatsError> {
        if count == 0 {
            return Err(StatsError::TooFew { what: "panel", needed: 1, found: 0 });
        }
        let length = values.len() / count;
        check_length("panel", values, length * count)?;
        check_finite("panel", values)?;
        Ok(Self { values, count })
    }

    /// Number of series.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Values in each series.
    pub fn length(&self) -> usize {
        self.values.len() / self.count
    }

    /// Series `index`. Panics if there is none.
    pub fn series(&self, index: usize) -> &'a [f64] {
        let length = self.length();
        &self.values[index * length..(index + 1) * length]
    }
}

/// A square matrix of finite numbers, row-major.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SquareMatrix {
    size: usize,
    values: Vec<f64>,
}

/// Eigenvalues in rising order; column `k` of `vectors` belongs to `values[k]` and has length one.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigen {
    /// Eigenvalues, rising.
    pub values: Vec<f64>,
    /// Orthonormal eigenvectors in columns.
    pub vectors: SquareMatrix,
}

impl SquareMatrix {
    /// From `size * size` values, row by row.
    pub fn new(values: Vec<f64>, size: usize) -> Result<Self, StatsError> {
        check_length("matrix", &values, size * size)?;
        check_finite("matrix", &values)?;
        Ok(Self { size, values })
    }

    /// The identity.
    pub fn identity(size: usize) -> Self {
        Self::from_fn(size, |row, column| if row == column { 1.0 } else { 0.0 })
    }

    pub(super) fn from_fn(size: usize, mut entry: impl FnMut(usize, usize) -> f64) -> Self {
        let mut values = Vec::with_capacity(size * size);
        for row in 0..size {
            for column in 0..size {
                values.push(entry(row, column));
            }
        }
        Self { size, values }
    }

    /// Rows, and columns.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Entry at (row, column). Panics outside.
    pub fn get(&self, row: usize, column: usize) -> f64 {
        assert!(row < self.size && column < self.size, "({row}, {column}) is outside a matrix of {}", self.size);
        self.values[row * self.size + column]
    }

    /// Row `index`. Panics outside.
    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.size..(index + 1) * self.size]
    }

    /// All entries, row by row.
    pub fn as_slice(&self) -> &[f64] {
        &self.values
    }

    /// Fails unless equal to its transpose to a relative 1e-12.
    pub fn check_symmetric(&self) -> Result<(), StatsError> {
        for row in 0..self.size {
            for column in 0..row {
                let (a, b) = (self.get(row, column), self.get(column, row));
                if (a - b).abs() > 1e-12 * a.abs().max(b.abs()) {
                    return Err(StatsError::NotSymmetric { row, column });
                }
            }
        }
        Ok(())
    }

    /// The lower triangular `L` with `L L' = self`, for a positive definite matrix. A pivot that is
    /// zero to within rounding is refused: dividing by it would make noise large.
    pub fn cholesky(&self) -> Result<Self, StatsError> {
        self.factor(Singular::Refused)
    }

    /// [`Self::cholesky`] that also takes a singular covariance (an asset twice, one without risk):
    /// a pivot that is the rounding of zero gives a zero column.
    pub fn semidefinite_cholesky(&self) -> Result<Self, StatsError> {
        self.factor(Singular::ZeroColumn)
    }

    fn factor(&self, singular: Singular) -> Result<Self, StatsError> {
        self.check_symmetric()?;
        let n = self.size;
        let slack = 16.0 * n as f64 * f64::EPSILON;
        let mut lower = vec![0.0; n * n];
        for column in 0..n {
            let (above, below) = lower.split_at_mut((column + 1) * n);
            let pivot_row = &mut above[column * n..];
            let diagonal = self.get(column, column);
            let pivot = diagonal - dot(&pivot_row[..column], &pivot_row[..column]);
            let zero = slack * diagonal.abs();
            if pivot.is_nan() || pivot < -zero || (pivot <= zero && singular == Singular::Refused) {
                return Err(StatsError::NotPositiveDefinite { row: column, pivot });
            }
            if pivot <= zero {
                continue;
            }
            let root = pivot.sqrt();
            pivot_row[column] = root;
            for (offset, row) in below.chunks_exact_mut(n).enumerate() {
                let entry = self.get(column + 1 + offset, column);
                row[column] = (entry - dot(&row[..column], &pivot_row[..column])) / root;
            }
        }
        Ok(Self { size: n, values: lower })
    }

    /// The `x` with `self x = right`, for a positive definite matrix.
    pub fn solve_positive_definite(&self, right: &[f64]) -> Result<Vec<f64>, StatsError> {
        check_length("right-hand side", right, self.size)?;
        check_finite("right-hand side", right)?;
        let lower = self.cholesky()?;
        let mut x = right.to_vec();
        for row in 0..self.size {
            let known = dot(&lower.row(row)[..row], &x[..row]);
            x[row] = (x[row] - known) / lower.get(row, row);
        }
        for row in (0..self.size).rev() {
            x[row] /= lower.get(row, row);
            let value = x[row];
            for (earlier, entry) in x[..row].iter_mut().zip(lower.row(row)) {
                *earlier -= entry * value;
            }
        }
        Ok(x)
    }

    /// Eigenvalues and eigenvectors of a symmetric matrix by cyclic Jacobi rotations (Golub and Van
    /// Loan, 8.5).
    pub fn eigen(&self) -> Result<Eigen, StatsError> {
        /// Convergence is quadratic: matrices of hundreds take about ten sweeps.
        const SWEEPS_MAX: usize = 64;
        self.check_symmetric()?;
        let n = self.size;
        let mut a = self.values.clone();
        // Rows of `v` are the eigenvectors, so that a rotation touches contiguous memory.
        let mut v = Self::identity(n).values;
        let scale = self.values.iter().map(|x| x * x).sum::<f64>();
        let mut converged = false;
        for _ in 0..SWEEPS_MAX {
            let mut off = 0.0;
            for row in 0..n {
                off += a[row * n..row * n + row].iter().map(|x| x * x).sum::<f64>();
            }
            // Off-diagonal mass below the rounding of the whole: the diagonal is right to the last
            // bits.
            if off <= scale * f64::EPSILON * f64::EPSILON {
                converged = true;
                break;
            }
            for p in 0..n {
                for q in p + 1..n {
                    rotate(&mut a, &mut v, n, p, q);
                }
            }
        }
        assert!(converged, "Jacobi rotations of a finite symmetric matrix converge");
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|i, j| a[i * n + i].total_cmp(&a[j * n + j]));
        let values = order.iter().map(|i| a[i * n + i]).collect();
        let vectors = Self::from_fn(n, |row, column| v[order[column] * n + row]);
        Ok(Eigen { values, vectors })
    }
}

/// What a factorisation does with a pivot that is the rounding of zero.
#[derive(Clone, Copy, PartialEq)]
enum Singular {
    Refused,
    ZeroColumn,
}

/// One Jacobi rotation that zeroes `a[p][q]`.
fn rotate(a: &mut [f64], v: &mut [f64], n: usize, p: usize, q: usize) {
    let pivot = a[p * n + q];
    if pivot == 0.0 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * pivot);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = t.hypot(1.0).recip();
    let s = t * c;
    for k in 0..n {
        let (left, right) = (a[k * n + p], a[k * n + q]);
        a[k * n + p] = c * left - s * right;
        a[k * n + q] = s * left + c * right;
    }
    rotate_rows(a, n, p, q, c, s);
    rotate_rows(v, n, p, q, c, s);
    // What the rotation makes zero in exact arithmetic is zero.
    a[p * n + q] = 0.0;
    a[q * n + p] = 0.0;
}

fn rotate_rows(a: &mut [f64], n: usize, p: usize, q: usize, c: f64, s: f64) {
    let (head, tail) = a.split_at_mut(q * n);
    for (left, right) in head[p * n..(p + 1) * n].iter_mut().zip(&mut tail[..n]) {
        (*left, *right) = (c * *left - s * *right, s * *left + c * *right);
    }
}

/// Sum of products, in eight independent lanes so that it vectorises. The order of addition is
/// fixed.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    debug_assert_eq!(a.len(), b.len());
    let mut sums = [0.0; LANES];
    let (heads, others) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = heads.remainder().iter().zip(others.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in heads.zip(others) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::golden::{Golden, assert_all_close};
    use super::*;

    fn golden_correlation() -> SquareMatrix {
        SquareMatrix::new(Golden::open("factor").numbers("/correlation"), 8).unwrap()
    }

    #[test]
    fn cholesky_and_eigenvalues_equal_numpy() {
        let golden = Golden::open("factor");
        let matrix = golden_correlation();
        assert_all_close(matrix.cholesky().unwrap().as_slice(), &golden.numbers("/cholesky"));
        assert_all_close(&matrix.eigen().unwrap().values, &golden.numbers("/eigenvalues"));
    }

    #[test]
    fn an_indefinite_matrix_has_no_factor() {
        let broken = SquareMatrix::new(Golden::open("factor").numbers("/broken"), 8).unwrap();
        assert!(matches!(broken.cholesky(), Err(StatsError::NotPositiveDefinite { .. })));
        assert!(matches!(broken.semidefinite_cholesky(), Err(StatsError::NotPositiveDefinite { .. })));
    }

    #[test]
    fn an_asset_twice_is_semidefinite() {
        let twice = SquareMatrix::new(vec![0.04, 0.04, 0.01, 0.04, 0.04, 0.01, 0.01, 0.01, 0.09], 3).unwrap();
        assert!(twice.cholesky().is_err());
        let lower = twice.semidefinite_cholesky().unwrap();
        let product = SquareMatrix::from_fn(3, |i, j| dot(lower.row(i), lower.row(j)));
        assert_all_close(product.as_slice(), twice.as_slice());
    }

    #[test]
    fn shapes_are_checked() {
        assert!(matches!(Panel::new(&[1.0; 7], 3), Err(StatsError::Length { expected: 6, found: 7, .. })));
        assert!(matches!(Panel::new(&[], 0), Err(StatsError::TooFew { .. })));
        assert!(matches!(Panel::new(&[1.0, f64::NAN], 1), Err(StatsError::NotFinite { index: 1, .. })));
        assert!(matches!(SquareMatrix::new(vec![1.0; 3], 2), Err(StatsError::Length { .. })));
        let skewed = SquareMatrix::new(vec![1.0, 0.5, 0.4, 1.0], 2).unwrap();
        assert_eq!(skewed.cholesky(), Err(StatsError::NotSymmetric { row: 1, column: 0 }));
    }

    fn symmetric(n: usize, seeds: &[f64]) -> SquareMatrix {
        SquareMatrix::from_fn(n, |i, j| seeds[i.min(j) * n + i.max(j)])
    }

    proptest! {
        #[test]
        fn eigenvectors_diagonalise(n in 1usize..9, seeds in prop::collection::vec(-1.0..1.0f64, 81)) {
            let matrix = symmetric(n, &seeds);
            let Eigen { values, vectors } = matrix.eigen().unwrap();
            prop_assert!(values.windows(2).all(|w| w[0] <= w[1]));
            for i in 0..n {
                for j in 0..n {
                    let rebuilt: f64 = (0..n).map(|k| vectors.get(i, k) * values[k] * vectors.get(j, k)).sum();
                    prop_assert!((rebuilt - matrix.get(i, j)).abs() < 1e-12);
                    let unit: f64 = (0..n).map(|k| vectors.get(k, i) * vectors.get(k, j)).sum();
                    let expected = if i == j { 1.0 } else { 0.0 };
                    prop_assert!((unit - expected).abs() < 1e-12);
                }
            }
        }

        #[test]
        fn solving_inverts_multiplying(
            n in 1usize..7, seeds in prop::collection::vec(-1.0..1.0f64, 49), x in prop::collection::vec(-5.0..5.0f64, 7),
        ) {
            let half = SquareMatrix::from_fn(n, |i, j| seeds[i * 7 + j]);
            let matrix = SquareMatrix::from_fn(n, |i, j| dot(half.row(i), half.row(j)) + if i == j { 0.5 } else { 0.0 });
            let right: Vec<f64> = (0..n).map(|i| dot(matrix.row(i), &x[..n])).collect();
            let found = matrix.solve_positive_definite(&right).unwrap();
            for (a, b) in found.iter().zip(&x) {
                prop_assert!((a - b).abs() < 1e-9);
            }
        }
    }
}
