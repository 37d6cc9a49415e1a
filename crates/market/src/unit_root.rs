//! Does a series revert, and do two of them move together: augmented Dickey-Fuller and Engle-Granger tests.
//!
//! The null hypothesis of both is the dull one (a unit root; no cointegration), so a *small* p-value speaks for trading
//! the reversion. Statistics, lag search, p-values (MacKinnon 1994) and critical values (MacKinnon 2010) follow the
//! published tables and agree with statsmodels' `adfuller(regression="c")` and `coint(trend="c")`.
//!
//! Invariant: no answer holds a NaN or an infinity. Not offered: trends, and tests of more than two series.

mod least_squares;

use least_squares::LeastSquares;

/// Why a test has no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitRootError {
    /// Two series that must agree in length do not.
    #[error("x has {found} values where y has {expected}; align the two first")]
    Length {
        /// Values of y.
        expected: usize,
        /// Values of x.
        found: usize,
    },
    /// Too few values for the regression.
    #[error("{what} needs at least {needed} values and got {found}; give it a longer series or fewer lags")]
    TooFew {
        /// The input.
        what: &'static str,
        /// Fewest values that would do.
        needed: usize,
        /// Values given.
        found: usize,
    },
    /// A NaN or an infinity in the input, or a statistic that would be one.
    #[error("{what}[{index}] is {value}; fill or drop holes before testing")]
    NotFinite {
        /// The input.
        what: &'static str,
        /// Place of the first offender.
        index: usize,
        /// The offender.
        value: f64,
    },
    /// A series without variation.
    #[error("{what} is constant, so nothing can be regressed on it; leave it out")]
    Constant {
        /// The input.
        what: &'static str,
    },
    /// Regressors that are linear combinations of each other, or series that fit each other but for rounding.
    #[error("regressor {column} is a linear combination of the others; leave it out")]
    Collinear {
        /// Column of the regression.
        column: usize,
    },
}

/// How many lagged differences the regression holds to whiten its residuals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lag {
    /// So many.
    Fixed(usize),
    /// As many as make Akaike's criterion smallest, of 0 to Schwert's (1989) maximum `12 (n /
    /// 100)^(1/4)`, all compared on the observations that the longest leaves.
    Aic,
}

/// Values of the statistic below which the null hypothesis is rejected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Critical {
    /// At the 1 % level.
    pub one: f64,
    /// At the 5 % level.
    pub five: f64,
    /// At the 10 % level.
    pub ten: f64,
}

/// Outcome of an augmented Dickey-Fuller test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DickeyFuller {
    /// t-statistic of the lagged level; the more negative, the stronger the reversion.
    pub statistic: f64,
    /// Approximate asymptotic probability of a statistic at least as negative under a unit root.
    pub p_value: f64,
    /// Lagged differences used.
    pub lags: usize,
    /// Observations in the regression.
    pub observations: usize,
    /// For that many observations.
    pub critical: Critical,
}

/// Outcome of an Engle-Granger test of `y = intercept + hedge_ratio x + residual`.
#[derive(Debug, Clone, PartialEq)]
pub struct EngleGranger {
    /// Dickey-Fuller statistic of the residuals.
    pub statistic: f64,
    /// Approximate asymptotic probability of a statistic at least as negative without
    /// cointegration.
    pub p_value: f64,
    /// Lagged differences used on the residuals.
    pub lags: usize,
    /// For this sample size.
    pub critical: Critical,
    /// Constant of the cointegrating regression.
    pub intercept: f64,
    /// Units of `x` against one of `y`.
    pub hedge_ratio: f64,
    /// The spread to trade, one value per observation.
    pub residuals: Vec<f64>,
}

/// Augmented Dickey-Fuller test of `series` with a constant (Said and Dickey 1984).
pub fn dickey_fuller(series: &[f64], lag: Lag) -> Result<DickeyFuller, UnitRootError> {
    check_finite("series", series)?;
    let found = regress_level(series, lag, Constant::In)?;
    Ok(DickeyFuller {
        statistic: found.statistic,
        p_value: UNIT_ROOT.p_value(found.statistic),
        lags: found.lags,
        observations: found.observations,
        critical: UNIT_ROOT.critical(found.observations),
    })
}

/// Engle and Granger's (1987) two-step test that `y` and `x` are cointegrated. Not symmetric in the
/// two.
///
/// Series that fit each other almost perfectly (`R^2 >= 1 - 1.5e-6`, as statsmodels has it) are
/// [`UnitRootError::Collinear`]: their residual is rounding.
pub fn engle_granger(y: &[f64], x: &[f64], lag: Lag) -> Result<EngleGranger, UnitRootError> {
    if x.len() != y.len() {
        return Err(UnitRootError::Length { expected: y.len(), found: x.len() });
    }
    check_finite("y", y)?;
    check_finite("x", x)?;
    if y.len() < 4 {
        return Err(UnitRootError::TooFew { what: "y", needed: 4, found: y.len() });
    }
    let line = Line::through(y, x)?;
    if line.r_squared >= 1.0 - 100.0 * f64::EPSILON.sqrt() {
        return Err(UnitRootError::Collinear { column: 1 });
    }
    let residuals: Vec<f64> = y.iter().zip(x).map(|(y, x)| y - line.intercept - line.slope * x).collect();
    let found = regress_level(&residuals, lag, Constant::Out)?;
    Ok(EngleGranger {
        statistic: found.statistic,
        p_value: COINTEGRATION.p_value(found.statistic),
        lags: found.lags,
        critical: COINTEGRATION.critical(y.len() - 1),
        intercept: line.intercept,
        hedge_ratio: line.slope,
        residuals,
    })
}

/// Refuses a NaN or an infinity, naming its place.
fn check_finite(what: &'static str, values: &[f64]) -> Result<(), UnitRootError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(UnitRootError::NotFinite { what, index, value: values[index] }),
    }
}

/// The least-squares line of `y` on `x`.
struct Line {
    intercept: f64,
    slope: f64,
    r_squared: f64,
}

impl Line {
    fn through(y: &[f64], x: &[f64]) -> Result<Self, UnitRootError> {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (mean_y, mean_x) = (mean(y), mean(x));
        let centred = || y.iter().zip(x).map(|(y, x)| (y - mean_y, x - mean_x));
        let [mut xx, mut xy, mut yy] = [0.0; 3];
        for (y, x) in centred() {
            xx += x * x;
            xy += x * y;
            yy += y * y;
        }
        for (what, squares) in [("x", xx), ("y", yy)] {
            if squares == 0.0 {
                return Err(UnitRootError::Constant { what });
            }
            if !squares.is_finite() {
                return Err(UnitRootError::NotFinite { what: "squares of a series", index: 0, value: squares });
            }
        }
        let slope = xy / xx;
        let unexplained: f64 = centred().map(|(y, x)| (y - slope * x).powi(2)).sum();
        let line = Self { intercept: mean_y - slope * mean_x, slope, r_squared: 1.0 - unexplained / yy };
        match [line.slope, line.intercept, line.r_squared].into_iter().find(|v| !v.is_finite()) {
            None => Ok(line),
            Some(value) => Err(UnitRootError::NotFinite { what: "regression of y on x", index: 0, value }),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Constant {
    In,
    Out,
}

struct Level {
    statistic: f64,
    lags: usize,
    observations: usize,
}

/// The t-statistic of the level in a regression of the difference on level, constant and lagged
/// differences.
fn regress_level(series: &[f64], lag: Lag, constant: Constant) -> Result<Level, UnitRootError> {
    let fixed = match constant {
        Constant::In => 2,
        Constant::Out => 1,
    };
    let longest = series.len() / 2;
    if longest < fixed {
        return Err(UnitRootError::TooFew { what: "series", needed: 2 * fixed, found: series.len() });
    }
    // Past this the regression has more columns than rows.
    let lags_max = longest - fixed;
    let lags = match lag {
        Lag::Fixed(lags) if lags <= lags_max => lags,
        Lag::Fixed(lags) => {
            return Err(UnitRootError::TooFew { what: "series", needed: 2 * (lags + fixed), found: series.len() });
        }
        Lag::Aic => {
            let schwert = (12.0 * (series.len() as f64 / 100.0).sqrt().sqrt()).ceil() as usize;
            let lags = schwert.min(lags_max);
            let (fit, observations) = level_regression(series, lags, constant)?;
            let n = observations as f64;
            // The part of the criterion that is common to all lags is left out.
            let criterion = |lag: usize| n * libm::log(fit.residual_sum(fixed + lag)) + 2.0 * (fixed + lag) as f64;
            (1..=lags).fold(0, |best, lag| if criterion(lag) < criterion(best) { lag } else { best })
        }
    };
    let (fit, observations) = level_regression(series, lags, constant)?;
    let statistic = fit.t_statistic(0);
    if !statistic.is_finite() {
        return Err(UnitRootError::NotFinite { what: "Dickey-Fuller statistic", index: 0, value: statistic });
    }
    Ok(Level { statistic, lags, observations })
}

fn level_regression(series: &[f64], lags: usize, constant: Constant) -> Result<(LeastSquares, usize), UnitRootError> {
    let differences: Vec<f64> = series.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let dependent = differences[lags..].to_vec();
    let observations = dependent.len();
    let mut columns = Vec::with_capacity(lags + 2);
    if constant == Constant::In {
        // Without its first value the level is better conditioned, and beside a constant its
        // coefficient is the same.
        let first = series[lags];
        columns.push(series[lags..series.len() - 1].iter().map(|value| value - first).collect());
        columns.push(vec![1.0; observations]);
    } else {
        columns.push(series[lags..series.len() - 1].to_vec());
    }
    columns.extend((1..=lags).map(|lag| differences[lags - lag..differences.len() - lag].to_vec()));
    Ok((LeastSquares::new(columns, dependent)?, observations))
}

/// Response surfaces of one test: p-values from MacKinnon (1994), critical values from
/// MacKinnon (2010).
struct Surface {
    /// Below it p is 0, above the other 1, and at the middle the two polynomials meet.
    statistic_min: f64,
    statistic_meet: f64,
    statistic_max: f64,
    /// Normal score of p as a polynomial in the statistic, constant first: left tail, rest.
    left: [f64; 4],
    right: [f64; 4],
    /// Critical value as a polynomial in 1 / observations, at 1, 5 and 10 %.
    levels: [[f64; 4]; 3],
}

/// One series, with a constant.
const UNIT_ROOT: Surface = Surface {
    statistic_min: -18.83,
    statistic_meet: -1.61,
    statistic_max: 2.74,
    left: [2.1659, 1.4412, 0.038_269, 0.0],
    right: [1.7339, 0.932_02, -0.127_45, -0.010_368],
    levels: [
        [-3.43035, -6.5393, -16.786, -79.433],
        [-2.86154, -2.8903, -4.234, -40.040],
        [-2.56677, -1.5384, -2.809, 0.0],
    ],
};

/// Residuals of two series, with a constant in the cointegrating regression.
const COINTEGRATION: Surface = Surface {
    statistic_min: -18.86,
    statistic_meet: -2.62,
    statistic_max: 0.92,
    left: [2.92, 1.5012, 0.039_796, 0.0],
    right: [2.1945, 0.646_95, -0.291_98, -0.042_377],
    levels: [[-3.89644, -10.9519, -33.527, 0.0], [-3.33613, -6.1101, -6.823, 0.0], [-3.04445, -4.2412, -2.720, 0.0]],
};

impl Surface {
    fn p_value(&self, statistic: f64) -> f64 {
        if statistic > self.statistic_max {
            1.0
        } else if statistic < self.statistic_min {
            0.0
        } else {
            let scores = if statistic <= self.statistic_meet { &self.left } else { &self.right };
            normal_cdf(polynomial(scores, statistic))
        }
    }

    fn critical(&self, observations: usize) -> Critical {
        let at = (observations as f64).recip();
        let [one, five, ten] = self.levels.map(|level| polynomial(&level, at));
        Critical { one, five, ten }
    }
}

/// `P(Z <= x)` of a standard normal.
fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// Constant term first.
fn polynomial(coefficients: &[f64; 4], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

#[cfg(test)]
mod tests;
