//! Moments and quantiles of one sample, the ground the other statistics stand on.
//!
//! Sums are taken around the first value, so the deviation of a constant sample is exactly zero and
//! not the rounding of its mean. Nothing here knows what the values stand for.

/// How a quantile falls between two order statistics; the names are numpy's
/// (`np.quantile(method=...)`), the types those of Hyndman and Fan (1996).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Convention {
    /// Type 7, rank `(n - 1) p`, interpolated. The default of numpy, R, Excel and empyrical.
    #[default]
    Linear,
    /// The order statistic at or below the rank of `Linear`.
    Lower,
    /// The order statistic at or above the rank of `Linear`.
    Higher,
    /// Type 1, the smallest value with at least a share `p` of the sample at or below it.
    InvertedCdf,
    /// Type 6, rank `(n + 1) p - 1`, interpolated.
    Weibull,
    /// Type 8, rank `(n + 1/3) p - 2/3`, interpolated: nearly median-unbiased whatever the
    /// distribution.
    MedianUnbiased,
}

impl Convention {
    /// Zero-based position of the `p` quantile among `n` sorted values.
    pub(super) fn position(self, n: usize, p: f64) -> f64 {
        let last = (n - 1) as f64;
        let n = n as f64;
        let position = match self {
            Self::Linear => last * p,
            Self::Lower => (last * p).floor(),
            Self::Higher => (last * p).ceil(),
            Self::InvertedCdf => (n * p).ceil() - 1.0,
            Self::Weibull => (n + 1.0) * p - 1.0,
            Self::MedianUnbiased => (n + 1.0 / 3.0) * p - 2.0 / 3.0,
        };
        position.clamp(0.0, last)
    }
}

/// Arithmetic mean; `None` if empty.
pub fn mean(values: &[f64]) -> Option<f64> {
    let first = *values.first()?;
    let shifted: f64 = values.iter().map(|value| value - first).sum();
    finite(first + shifted / values.len() as f64)
}

/// Sample variance, dividing by `n - 1`; `None` below two values.
pub fn variance(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let mean = mean(values)?;
    let (mut squares, mut remainder) = (0.0, 0.0);
    for value in values {
        let deviation = value - mean;
        squares += deviation * deviation;
        remainder += deviation;
    }
    let n = values.len() as f64;
    // The second term is what the rounding of the mean left behind (Chan, Golub and LeVeque 1983).
    finite(((squares - remainder * remainder / n) / (n - 1.0)).max(0.0))
}

/// Sample standard deviation, dividing by `n - 1`; `None` below two values.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    variance(values).map(f64::sqrt)
}

/// Biased skewness `m3 / m2^1.5` (`scipy.stats.skew`); `None` for a constant sample.
pub fn skew(values: &[f64]) -> Option<f64> {
    let [second, third, _] = central_moments(values)?;
    finite(third / second.powf(1.5))
}

/// Biased kurtosis in excess of the normal's, `m4 / m2^2 - 3` (`scipy.stats.kurtosis`); `None` for
/// a constant sample.
pub fn excess_kurtosis(values: &[f64]) -> Option<f64> {
    let [second, _, fourth] = central_moments(values)?;
    finite(fourth / (second * second) - 3.0)
}

/// The `p` quantile, `0 <= p <= 1`, in linear time.
pub fn quantile(values: &[f64], p: f64, convention: Convention) -> Option<f64> {
    if values.is_empty() || !(0.0..=1.0).contains(&p) || !all_finite(values) {
        return None;
    }
    let mut scratch = values.to_vec();
    Some(select(&mut scratch, convention.position(values.len(), p)))
}

/// The value at a fractional position of the sorted sample; `values` is left partitioned around it.
pub(super) fn select(values: &mut [f64], position: f64) -> f64 {
    let rank = position.floor() as usize;
    let (_, low, above) = values.select_nth_unstable_by(rank, f64::total_cmp);
    let low = *low;
    let fraction = position - rank as f64;
    if fraction == 0.0 {
        return low;
    }
    let high = above.iter().copied().fold(f64::INFINITY, f64::min);
    low + (high - low) * fraction
}

/// Whether no value is a NaN or an infinity.
pub(super) fn all_finite(values: &[f64]) -> bool {
    values.iter().all(|value| value.is_finite())
}

/// The number, if it is one.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// Second to fourth central moment; `None` where the second is zero.
fn central_moments(values: &[f64]) -> Option<[f64; 3]> {
    let mean = mean(values)?;
    let mut moments = [0.0; 3];
    for value in values {
        let deviation = value - mean;
        let square = deviation * deviation;
        moments[0] += square;
        moments[1] += square * deviation;
        moments[2] += square * square;
    }
    let n = values.len() as f64;
    (moments[0] > 0.0).then(|| moments.map(|sum| sum / n))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::golden::{Golden, assert_close, golden_returns};
    use super::*;

    #[test]
    fn moments_equal_numpy_and_scipy() {
        let returns = golden_returns("AAPL");
        let (golden, ratio) = (Golden::open("returns"), Golden::open("ratio"));
        assert_close(mean(&returns).unwrap(), golden.number("/mean"));
        assert_close(standard_deviation(&returns).unwrap(), golden.number("/sd"));
        assert_close(skew(&returns).unwrap(), ratio.number("/skew"));
        assert_close(excess_kurtosis(&returns).unwrap(), ratio.number("/kurtosis"));
    }

    #[test]
    fn a_constant_sample_deviates_by_exactly_zero() {
        let constant = [0.1; 7];
        assert_eq!(mean(&constant), Some(0.1));
        assert_eq!(variance(&constant), Some(0.0));
        assert_eq!(skew(&constant), None);
        assert_eq!(excess_kurtosis(&constant), None);
        assert_eq!(quantile(&constant, 0.3, Convention::Linear), Some(0.1));
    }

    #[test]
    fn too_few_values_or_a_hole_is_undefined() {
        assert_eq!(mean(&[]), None);
        assert_eq!(variance(&[1.0]), None);
        assert_eq!(quantile(&[], 0.5, Convention::Linear), None);
        for hole in [f64::NAN, f64::INFINITY] {
            let holed = [1.0, hole, 3.0];
            assert_eq!(mean(&holed), None);
            assert_eq!(variance(&holed), None);
            assert_eq!(skew(&holed), None);
            assert_eq!(quantile(&holed, 0.5, Convention::Linear), None);
        }
        assert_eq!(quantile(&[1.0, 2.0], 1.5, Convention::Linear), None);
        assert_eq!(mean(&[f64::MAX, f64::MAX, -f64::MAX]), None, "an overflow is not a mean");
    }

    #[test]
    fn the_mean_of_a_large_offset_keeps_the_deviation() {
        // numpy: np.std([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16], ddof=1) ** 2 == 30.0
        assert_close(variance(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]).unwrap(), 30.0);
    }

    proptest! {
        #[test]
        fn a_quantile_lies_in_the_sample_and_never_falls(
            values in prop::collection::vec(-1e3..1e3f64, 1..50), p in 0.0..=1.0f64, q in 0.0..=1.0f64,
        ) {
            let (low, high) = (p.min(q), p.max(q));
            for convention in [Convention::Linear, Convention::Lower, Convention::Higher,
                Convention::InvertedCdf, Convention::Weibull, Convention::MedianUnbiased] {
                let a = quantile(&values, low, convention).unwrap();
                let b = quantile(&values, high, convention).unwrap();
                prop_assert!(a <= b + 1e-9);
                prop_assert!(values.iter().any(|v| *v <= a + 1e-9) && values.iter().any(|v| *v >= b - 1e-9));
            }
        }
    }
}
