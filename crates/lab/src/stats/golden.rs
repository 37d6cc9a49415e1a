//! The golden files of `scripts/stats_golden.py`, read for tests. Nothing here computes a
//! statistic.

use serde_json::Value;

/// The numbers of one golden file.
pub(super) struct Golden(Value);

macro_rules! golden_file {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/stats/", $name, ".json"))
    };
}

impl Golden {
    /// The golden file of that name.
    pub(super) fn open(name: &str) -> Self {
        let text = match name {
            "series" => golden_file!("series"),
            "returns" => golden_file!("returns"),
            "ratio" => golden_file!("ratio"),
            "drawdown" => golden_file!("drawdown"),
            "tail" => golden_file!("tail"),
            "trade" => golden_file!("trade"),
            "factor" => golden_file!("factor"),
            "timing" => golden_file!("timing"),
            "random" => golden_file!("random"),
            other => panic!("no golden file {other}"),
        };
        Self(serde_json::from_str(text).unwrap())
    }

    /// The number at a path such as `/cvar/0.05`.
    pub(super) fn number(&self, pointer: &str) -> f64 {
        self.value(pointer).as_f64().unwrap()
    }

    /// The list of numbers at a path.
    pub(super) fn numbers(&self, pointer: &str) -> Vec<f64> {
        self.value(pointer).as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    }

    /// The list of rows at a path.
    pub(super) fn rows(&self, pointer: &str) -> Vec<Vec<Value>> {
        self.value(pointer).as_array().unwrap().iter().map(|v| v.as_array().unwrap().clone()).collect()
    }

    fn value(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in the golden file"))
    }
}

/// Simple returns of one of the golden price series.
pub(super) fn golden_returns(name: &str) -> Vec<f64> {
    super::returns::simple(&Golden::open("series").numbers(&format!("/{name}"))).unwrap()
}

/// Equal to a relative 1e-9, or to 1e-12 where the expected value is zero to within rounding.
#[track_caller]
pub(super) fn assert_close(found: f64, expected: f64) {
    assert_within(found, expected, 1e-9);
}

/// Equal to a relative tolerance, or to a thousandth of it in absolute terms.
#[track_caller]
pub(super) fn assert_within(found: f64, expected: f64, tolerance: f64) {
    let error = (found - expected).abs();
    assert!(
        error <= tolerance * expected.abs() || error <= tolerance * 1e-3,
        "found {found:e}, expected {expected:e}, error {error:e}"
    );
}

/// [`assert_close`] for slices of one length.
#[track_caller]
pub(super) fn assert_all_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_close(*found, *expected);
    }
}
