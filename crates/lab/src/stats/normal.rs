//! The standard normal and the one-degree chi-square distribution, on top of `statrs`' error
//! function.

use std::f64::consts::{PI, SQRT_2};

use statrs::function::erf::{erfc, erfc_inv};

/// `P(Z <= x)`, against which the tests hold quantiles and draws.
#[cfg(test)]
pub(super) fn cdf(x: f64) -> f64 {
    0.5 * erfc(-x / SQRT_2)
}

/// `P(|Z| >= z)`, for `z >= 0`.
pub(super) fn two_sided_survival(z: f64) -> f64 {
    erfc(z / SQRT_2)
}

/// Density at `x`.
pub(super) fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// The `x` with `P(Z <= x) = p`, for `0 < p < 1`.
pub(super) fn quantile(p: f64) -> f64 {
    -SQRT_2 * erfc_inv(2.0 * p)
}

/// `P(X > x)` of a chi-square with one degree of freedom, for `x >= 0`: the square of a standard
/// normal.
pub(super) fn chi_square_1_survival(x: f64) -> f64 {
    erfc((0.5 * x).sqrt())
}

#[cfg(test)]
mod tests {
    use super::super::golden::{Golden, assert_close};
    use super::*;

    #[test]
    fn quantile_and_cdf_equal_scipy() {
        let golden = Golden::open("tail");
        for row in golden.rows("/normal") {
            assert_close(quantile(row[0].as_f64().unwrap()), row[1].as_f64().unwrap());
        }
        for row in golden.rows("/normal_cdf") {
            assert_close(cdf(row[0].as_f64().unwrap()), row[1].as_f64().unwrap());
        }
    }
}
