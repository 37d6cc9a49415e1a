//! Least squares by Householder reflections, of a tall design and of all designs nested in it.
//!
//! One factorisation of `k` columns gives the residual sum of squares of the first 1, 2, ... `k` of
//! them, which is what a lag search needs.

use super::UnitRootError;

/// A factored regression: `R` and the rotated right-hand side.
#[derive(Debug)]
pub(super) struct LeastSquares {
    rows: usize,
    /// Upper triangle, column by column: column `j` has `j + 1` entries.
    triangle: Vec<Vec<f64>>,
    /// `Q' y`; its tail from `k` on is what `k` columns leave unexplained.
    effects: Vec<f64>,
}

impl LeastSquares {
    /// Of regressors and a dependent series of one length. Fails where a column is a combination of
    /// those before it.
    pub(super) fn new(mut columns: Vec<Vec<f64>>, dependent: Vec<f64>) -> Result<Self, UnitRootError> {
        let rows = dependent.len();
        let count = columns.len();
        assert!(columns.iter().all(|column| column.len() == rows), "columns have the length of the dependent series");
        if rows <= count {
            return Err(UnitRootError::TooFew { what: "regression", needed: count + 1, found: rows });
        }
        let mut effects = dependent;
        let mut triangle = Vec::with_capacity(count);
        for pivot in 0..count {
            let (done, rest) = columns.split_at_mut(pivot + 1);
            let column = &mut done[pivot];
            let whole = dot(column, column).sqrt();
            let below = dot(&column[pivot..], &column[pivot..]).sqrt();
            // Reflections keep lengths, so `whole` is the norm the column came with.
            if below <= whole * rows as f64 * f64::EPSILON {
                return Err(UnitRootError::Collinear { column: pivot });
            }
            let diagonal = if column[pivot] > 0.0 { -below } else { below };
            let mut reflector = column[pivot..].to_vec();
            reflector[0] -= diagonal;
            let half = 0.5 * dot(&reflector, &reflector);
            for other in rest.iter_mut().chain(std::iter::once(&mut effects)) {
                let along = dot(&reflector, &other[pivot..]) / half;
                for (value, direction) in other[pivot..].iter_mut().zip(&reflector) {
                    *value -= along * direction;
                }
            }
            let mut entries = column[..pivot].to_vec();
            entries.push(diagonal);
            triangle.push(entries);
        }
        Ok(Self { rows, triangle, effects })
    }

    /// Residual sum of squares of the regression on the first `columns` columns only.
    pub(super) fn residual_sum(&self, columns: usize) -> f64 {
        let tail = &self.effects[columns..];
        dot(tail, tail)
    }

    /// Coefficients of all columns.
    pub(super) fn coefficients(&self) -> Vec<f64> {
        let mut solution = self.effects[..self.triangle.len()].to_vec();
        for (index, column) in self.triangle.iter().enumerate().rev() {
            solution[index] /= column[index];
            let value = solution[index];
            for (earlier, entry) in solution[..index].iter_mut().zip(column) {
                *earlier -= entry * value;
            }
        }
        solution
    }

    /// Coefficient `index` over its standard error; an infinity for a perfect fit.
    pub(super) fn t_statistic(&self, index: usize) -> f64 {
        let count = self.triangle.len();
        // The variance of a coefficient is s^2 |R^-T e|^2.
        let mut solution = vec![0.0; count];
        for row in index..count {
            let known = dot(&self.triangle[row][..row], &solution[..row]);
            let unit = if row == index { 1.0 } else { 0.0 };
            solution[row] = (unit - known) / self.triangle[row][row];
        }
        let variance = self.residual_sum(count) / (self.rows - count) as f64 * dot(&solution, &solution);
        self.coefficients()[index] / variance.sqrt()
    }
}

/// Sum of products, in order.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
