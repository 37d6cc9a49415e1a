//! Outliers by the modified z-score (Iglewicz and Hoaglin 1993).
//!
//! They are named, never removed: whoever calls decides what a strange value means.

use super::sample::{self, Convention};

/// The score above which Iglewicz and Hoaglin call a value an outlier.
pub const SCORE: f64 = 3.5;

/// The values whose modified z-score, `0.6745 |x - median| / MAD`, is above `score`, in the order given. Where half the
/// values are equal the MAD is zero, and 1.253314 times the mean distance stands in for `MAD / 0.6745`.
pub fn modified_z(values: &[f64], score: f64) -> Option<Vec<f64>> {
    let middle = sample::quantile(values, 0.5, Convention::Linear)?;
    let distances: Vec<f64> = values.iter().map(|x| (x - middle).abs()).collect();
    let mad = sample::quantile(&distances, 0.5, Convention::Linear)?;
    let scale = if mad > 0.0 { mad / 0.6745 } else { 1.253_314 * sample::mean(&distances)? };
    Some(values.iter().copied().filter(|x| (x - middle).abs() > score * scale).collect())
}

#[cfg(test)]
mod tests {
    use super::super::golden::Golden;
    use super::*;

    #[test]
    fn equal_to_the_rule_in_numpy() {
        let golden = Golden::open("timing");
        for case in ["noisy", "half_equal"] {
            let values = golden.numbers(&format!("/outliers/{case}/values"));
            assert_eq!(modified_z(&values, SCORE).unwrap(), golden.numbers(&format!("/outliers/{case}/outliers")));
        }
        assert!(modified_z(&[3.0; 9], SCORE).unwrap().is_empty());
    }
}
