//! Does a series revert, and do two of them move together: augmented Dickey-Fuller and
//! Engle-Granger tests.
//!
//! The null hypothesis of both is the dull one (a unit root; no cointegration), so a *small*
//! p-value speaks for trading the reversion. Statistics, lag search, p-values (MacKinnon 1994) and
//! critical values (MacKinnon 2010) follow the published tables and agree with statsmodels'
//! `adfuller(regression="c")` and `coint(trend="c")`. Trends are not offered.

use super::error::{StatsError, check_finite, check_length};
use super::factor;
use super::least_squares::LeastSquares;
use super::normal;

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
pub fn dickey_fuller(series: &[f64], lag: Lag) -> Result<DickeyFuller, StatsError> {
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
/// [`StatsError::Collinear`]: their residual is rounding.
pub fn engle_granger(y: &[f64], x: &[f64], lag: Lag) -> Result<EngleGranger, StatsError> {
    check_length("x", x, y.len())?;
    check_finite("y", y)?;
    check_finite("x", x)?;
    if y.len() < 4 {
        return Err(StatsError::TooFew { what: "y", needed: 4, found: y.len() });
    }
    let fit = factor::regress(y, x).ok_or(StatsError::Constant { series: 1 })?;
    let r_squared = fit.r_squared.ok_or(StatsError::Constant { series: 0 })?;
    if r_squared >= 1.0 - 100.0 * f64::EPSILON.sqrt() {
        return Err(StatsError::Collinear { column: 1 });
    }
    let residuals: Vec<f64> = y.iter().zip(x).map(|(y, x)| y - fit.alpha - fit.beta * x).collect();
    let found = regress_level(&residuals, lag, Constant::Out)?;
    Ok(EngleGranger {
        statistic: found.statistic,
        p_value: COINTEGRATION.p_value(found.statistic),
        lags: found.lags,
        critical: COINTEGRATION.critical(y.len() - 1),
        intercept: fit.alpha,
        hedge_ratio: fit.beta,
        residuals,
    })
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
fn regress_level(series: &[f64], lag: Lag, constant: Constant) -> Result<Level, StatsError> {
    let fixed = match constant {
        Constant::In => 2,
        Constant::Out => 1,
    };
    let longest = series.len() / 2;
    if longest < fixed {
        return Err(StatsError::TooFew { what: "series", needed: 2 * fixed, found: series.len() });
    }
    // Past this the regression has more columns than rows.
    let lags_max = longest - fixed;
    let lags = match lag {
        Lag::Fixed(lags) if lags <= lags_max => lags,
        Lag::Fixed(lags) => {
            return Err(StatsError::TooFew { what: "series", needed: 2 * (lags + fixed), found: series.len() });
        }
        Lag::Aic => {
            let schwert = (12.0 * (series.len() as f64 / 100.0).powf(0.25)).ceil() as usize;
            let lags = schwert.min(lags_max);
            let (fit, observations) = level_regression(series, lags, constant)?;
            let n = observations as f64;
            // The part of the criterion that is common to all lags is left out.
            let criterion = |lag: usize| n * fit.residual_sum(fixed + lag).ln() + 2.0 * (fixed + lag) as f64;
            (1..=lags).fold(0, |best, lag| if criterion(lag) < criterion(best) { lag } else { best })
        }
    };
    let (fit, observations) = level_regression(series, lags, constant)?;
    let statistic = fit.t_statistic(0);
    if !statistic.is_finite() {
        return Err(StatsError::NotFinite { what: "Dickey-Fuller statistic", index: 0, value: statistic });
    }
    Ok(Level { statistic, lags, observations })
}

fn level_regression(series: &[f64], lags: usize, constant: Constant) -> Result<(LeastSquares, usize), StatsError> {
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
            normal::cdf(polynomial(scores, statistic))
        }
    }

    fn critical(&self, observations: usize) -> Critical {
        let at = (observations as f64).recip();
        let [one, five, ten] = self.levels.map(|level| polynomial(&level, at));
        Critical { one, five, ten }
    }
}

/// Constant term first.
fn polynomial(coefficients: &[f64; 4], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::golden::{Golden, assert_close};
    use super::*;

    fn series(name: &str) -> Vec<f64> {
        match name {
            "aapl_returns" => super::super::golden::golden_returns("AAPL"),
            name => Golden::open("series").numbers(&format!("/{name}")),
        }
    }

    fn lag(value: &Value) -> Lag {
        value.as_u64().map_or(Lag::Aic, |lags| Lag::Fixed(lags as usize))
    }

    #[track_caller]
    fn assert_critical(found: Critical, expected: &Value) {
        for (found, index) in [found.one, found.five, found.ten].into_iter().zip(0..) {
            assert_close(found, expected[index].as_f64().unwrap());
        }
    }

    #[test]
    fn dickey_fuller_equals_statsmodels() {
        let rows = Golden::open("unit_root").rows("/adf");
        assert_eq!(rows.len(), 20);
        for row in rows {
            let found = dickey_fuller(&series(row[0].as_str().unwrap()), lag(&row[1])).unwrap();
            assert_close(found.statistic, row[2].as_f64().unwrap());
            assert_close(found.p_value, row[3].as_f64().unwrap());
            assert_eq!(found.lags as u64, row[4].as_u64().unwrap());
            assert_eq!(found.observations as u64, row[5].as_u64().unwrap());
            assert_critical(found.critical, &row[6]);
        }
    }

    #[test]
    fn engle_granger_equals_statsmodels() {
        let rows = Golden::open("unit_root").rows("/coint");
        assert_eq!(rows.len(), 10);
        for row in rows {
            let (y, x) = (series(row[0].as_str().unwrap()), series(row[1].as_str().unwrap()));
            let n = y.len().min(x.len());
            let found = engle_granger(&y[..n], &x[..n], lag(&row[2])).unwrap();
            assert_close(found.statistic, row[3].as_f64().unwrap());
            assert_close(found.p_value, row[4].as_f64().unwrap());
            assert_critical(found.critical, &row[5]);
            assert_close(found.intercept, row[6].as_f64().unwrap());
            assert_close(found.hedge_ratio, row[7].as_f64().unwrap());
            assert_eq!(found.residuals.len(), n);
        }
    }

    #[test]
    fn the_tests_tell_reversion_from_a_walk() {
        assert!(dickey_fuller(&series("reverting"), Lag::Aic).unwrap().p_value < 0.01);
        assert!(dickey_fuller(&series("walk"), Lag::Aic).unwrap().p_value > 0.1);
        assert!(engle_granger(&series("tethered"), &series("walk"), Lag::Aic).unwrap().p_value < 0.01);
    }

    #[test]
    fn bad_input_is_named() {
        assert!(matches!(engle_granger(&[], &[], Lag::Aic), Err(StatsError::TooFew { .. })));
        assert!(matches!(dickey_fuller(&[], Lag::Aic), Err(StatsError::TooFew { .. })));
        assert!(matches!(dickey_fuller(&[1.0; 3], Lag::Aic), Err(StatsError::TooFew { .. })));
        assert_eq!(dickey_fuller(&[0.3; 50], Lag::Aic).unwrap_err(), StatsError::Collinear { column: 0 });
        assert!(matches!(dickey_fuller(&[1.0, f64::NAN, 2.0], Lag::Aic), Err(StatsError::NotFinite { index: 1, .. })));
        let walk = series("walk");
        let too_many = dickey_fuller(&walk[..20], Lag::Fixed(9));
        assert_eq!(too_many, Err(StatsError::TooFew { what: "series", needed: 22, found: 20 }));
        assert!(dickey_fuller(&walk[..20], Lag::Fixed(8)).is_ok());
        let twice: Vec<f64> = walk.iter().map(|v| 3.0 + 2.0 * v).collect();
        assert_eq!(engle_granger(&walk, &twice, Lag::Aic), Err(StatsError::Collinear { column: 1 }));
        assert_eq!(engle_granger(&walk, &vec![1.0; 300], Lag::Aic), Err(StatsError::Constant { series: 1 }));
        assert!(matches!(engle_granger(&walk, &walk[1..], Lag::Aic), Err(StatsError::Length { .. })));
    }

    proptest! {
        #[test]
        fn shift_and_scale_change_nothing(shift in -1e3..1e3f64, scale in 0.01..100.0f64) {
            let walk = series("walk");
            let moved: Vec<f64> = walk.iter().map(|v| shift + scale * v).collect();
            let (a, b) = (dickey_fuller(&walk, Lag::Aic).unwrap(), dickey_fuller(&moved, Lag::Aic).unwrap());
            prop_assert_eq!(a.lags, b.lags);
            prop_assert!((a.statistic - b.statistic).abs() < 1e-7);
        }
    }

    #[test]
    fn p_values_never_fall_and_meet_where_the_polynomials_do() {
        for surface in [UNIT_ROOT, COINTEGRATION] {
            let values: Vec<f64> = (-200..40).map(|i| surface.p_value(f64::from(i) / 10.0)).collect();
            assert!(values.windows(2).all(|w| w[0] <= w[1]));
            let meet = surface.statistic_meet;
            assert!((surface.p_value(meet) - surface.p_value(meet + 1e-9)).abs() < 5e-3);
        }
    }
}
