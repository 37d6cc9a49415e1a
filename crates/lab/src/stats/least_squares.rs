//! Least squares by Householder reflections, of a tall design and of all designs nested in it.
//!
//! One factorisation of `k` columns gives the residual sum of squares of the first 1, 2, ... `k` of
//! them, which is what a lag search needs.

use super::error::StatsError;
use super::matrix::dot;

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
    pub(super) fn new(mut columns: Vec<Vec<f64>>, dependent: Vec<f64>) -> Result<Self, StatsError> {
        let rows = dependent.len();
        let count = columns.len();
        assert!(columns.iter().all(|column| column.len() == rows), "columns have the length of the dependent series");
        if rows <= count {
            return Err(StatsError::TooFew { what: "regression", needed: count + 1, found: rows });
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
                return Err(StatsError::Collinear { column: pivot });
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

#[cfg(test)]
mod tests {
    use super::super::factor;
    use super::super::golden::{Golden, assert_close, golden_returns};
    use super::*;

    #[test]
    fn equal_to_statsmodels() {
        let golden = Golden::open("factor");
        let (y, x) = (golden_returns("AAPL"), golden_returns("MSFT"));
        let fit = LeastSquares::new(vec![vec![1.0; y.len()], x], y).unwrap();
        let coefficients = fit.coefficients();
        assert_close(coefficients[0], golden.number("/alpha"));
        assert_close(coefficients[1], golden.number("/beta"));
        assert_close(fit.t_statistic(0), golden.number("/alpha") / golden.number("/alpha_se"));
        assert_close(fit.t_statistic(1), golden.number("/beta") / golden.number("/beta_se"));
    }

    #[test]
    fn nested_residuals_equal_those_of_the_smaller_regression() {
        let (y, x) = (golden_returns("AAPL"), golden_returns("MSFT"));
        let time: Vec<f64> = (0..y.len()).map(|i| (i as f64).sqrt()).collect();
        let fit = LeastSquares::new(vec![vec![1.0; y.len()], x.clone(), time], y.clone()).unwrap();
        let smaller = factor::regress(&y, &x).unwrap();
        let expected = smaller.residual_deviation.unwrap().powi(2) * (y.len() - 2) as f64;
        assert_close(fit.residual_sum(2), expected);
        assert!(fit.residual_sum(3) < fit.residual_sum(2));
    }

    #[test]
    fn a_combination_of_columns_is_refused() {
        let x: Vec<f64> = (0..20).map(|i| f64::from(i * i % 7)).collect();
        let combined: Vec<f64> = x.iter().map(|v| 3.0 - 2.0 * v).collect();
        let found = LeastSquares::new(vec![vec![1.0; 20], x.clone(), combined], x);
        assert!(matches!(found, Err(StatsError::Collinear { column: 2 })));
    }
}
