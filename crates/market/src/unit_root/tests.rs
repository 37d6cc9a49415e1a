//! Against statsmodels (`scripts/unit_root_golden.py`), and at the edges.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn golden() -> Value {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/unit_root.json"));
    serde_json::from_str(text).unwrap()
}

fn series(name: &str) -> Vec<f64> {
    let values = golden()["series"][name].as_array().unwrap_or_else(|| panic!("no series {name}")).clone();
    values.iter().map(|v| v.as_f64().unwrap()).collect()
}

fn lag(value: &Value) -> Lag {
    value.as_u64().map_or(Lag::Aic, |lags| Lag::Fixed(lags as usize))
}

/// Equal to a relative 1e-9, or to 1e-12 where the expected value is zero to within rounding.
#[track_caller]
fn assert_close(found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    let error = (found - expected).abs();
    assert!(error <= 1e-9 * expected.abs() || error <= 1e-12, "found {found:e}, expected {expected:e}");
}

#[track_caller]
fn assert_critical(found: Critical, expected: &Value) {
    for (found, index) in [found.one, found.five, found.ten].into_iter().zip(0..) {
        assert_close(found, &expected[index]);
    }
}

#[test]
fn dickey_fuller_equals_statsmodels() {
    let golden = golden();
    let rows = golden["adf"].as_array().unwrap();
    assert_eq!(rows.len(), 20);
    for row in rows {
        let found = dickey_fuller(&series(row[0].as_str().unwrap()), lag(&row[1])).unwrap();
        assert_close(found.statistic, &row[2]);
        assert_close(found.p_value, &row[3]);
        assert_eq!(found.lags as u64, row[4].as_u64().unwrap());
        assert_eq!(found.observations as u64, row[5].as_u64().unwrap());
        assert_critical(found.critical, &row[6]);
    }
}

#[test]
fn engle_granger_equals_statsmodels() {
    let golden = golden();
    let rows = golden["coint"].as_array().unwrap();
    assert_eq!(rows.len(), 10);
    for row in rows {
        let (y, x) = (series(row[0].as_str().unwrap()), series(row[1].as_str().unwrap()));
        let n = y.len().min(x.len());
        let found = engle_granger(&y[..n], &x[..n], lag(&row[2])).unwrap();
        assert_close(found.statistic, &row[3]);
        assert_close(found.p_value, &row[4]);
        assert_critical(found.critical, &row[5]);
        assert_close(found.intercept, &row[6][0]);
        assert_close(found.hedge_ratio, &row[6][1]);
        assert_eq!(found.residuals.len(), n);
    }
}

#[test]
fn least_squares_equals_statsmodels_and_nests() {
    let golden = golden();
    let row = &golden["coint"][0];
    let (y, x) = (series("AAPL"), series("MSFT"));
    let n = y.len();
    let time: Vec<f64> = (0..n).map(|i| (i as f64).sqrt()).collect();
    let small = LeastSquares::new(vec![vec![1.0; n], x.clone()], y.clone()).unwrap();
    for (index, coefficient) in small.coefficients().into_iter().enumerate() {
        assert_close(coefficient, &row[6][index]);
        assert_close(small.t_statistic(index), &row[7][index]);
    }
    // The residuals of a regression nested in a larger one are those of the regression itself.
    let large = LeastSquares::new(vec![vec![1.0; n], x, time], y).unwrap();
    let (nested, own) = (large.residual_sum(2), small.residual_sum(2));
    assert!((nested - own).abs() <= 1e-12 * own);
    assert!(large.residual_sum(3) < own);
}

#[test]
fn the_tests_tell_reversion_from_a_walk() {
    assert!(dickey_fuller(&series("reverting"), Lag::Aic).unwrap().p_value < 0.01);
    assert!(dickey_fuller(&series("walk"), Lag::Aic).unwrap().p_value > 0.1);
    assert!(engle_granger(&series("tethered"), &series("walk"), Lag::Aic).unwrap().p_value < 0.01);
}

#[test]
fn bad_input_is_named() {
    use UnitRootError as E;
    assert!(matches!(engle_granger(&[], &[], Lag::Aic), Err(E::TooFew { .. })));
    assert!(matches!(dickey_fuller(&[], Lag::Aic), Err(E::TooFew { .. })));
    assert!(matches!(dickey_fuller(&[1.0; 3], Lag::Aic), Err(E::TooFew { .. })));
    assert_eq!(dickey_fuller(&[0.3; 50], Lag::Aic).unwrap_err(), E::Collinear { column: 0 });
    assert!(matches!(dickey_fuller(&[1.0, f64::NAN, 2.0], Lag::Aic), Err(E::NotFinite { index: 1, .. })));
    let walk = series("walk");
    let too_many = dickey_fuller(&walk[..20], Lag::Fixed(9));
    assert_eq!(too_many, Err(E::TooFew { what: "series", needed: 22, found: 20 }));
    assert!(dickey_fuller(&walk[..20], Lag::Fixed(8)).is_ok());
    let twice: Vec<f64> = walk.iter().map(|v| 3.0 + 2.0 * v).collect();
    assert_eq!(engle_granger(&walk, &twice, Lag::Aic), Err(E::Collinear { column: 1 }));
    assert_eq!(engle_granger(&walk, &vec![1.0; 300], Lag::Aic), Err(E::Constant { what: "x" }));
    assert_eq!(engle_granger(&vec![1.0; 300], &walk, Lag::Aic), Err(E::Constant { what: "y" }));
    assert!(matches!(engle_granger(&walk, &walk[1..], Lag::Aic), Err(E::Length { .. })));
    let huge: Vec<f64> = walk.iter().map(|v| v * 1e200).collect();
    assert!(matches!(engle_granger(&walk, &huge, Lag::Aic), Err(E::NotFinite { .. })));
    let x: Vec<f64> = (0..20).map(|i| f64::from(i * i % 7)).collect();
    let combined = x.iter().map(|v| 3.0 - 2.0 * v).collect();
    let found = LeastSquares::new(vec![vec![1.0; 20], x.clone(), combined], x);
    assert!(matches!(found, Err(E::Collinear { column: 2 })));
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
