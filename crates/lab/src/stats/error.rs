//! What can be wrong with the input of a matrix-valued statistic. Each variant names the input and
//! the value.

/// A statistic that could not be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StatsError {
    /// Two inputs that must agree in length do not.
    #[error("{what} has {found} values where {expected} are needed")]
    Length {
        /// The input.
        what: &'static str,
        /// Values needed.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// Too few values for the statistic to exist.
    #[error("{what} needs at least {needed} values and got {found}; give it a longer series")]
    TooFew {
        /// The input.
        what: &'static str,
        /// Fewest values that would do.
        needed: usize,
        /// Values given.
        found: usize,
    },
    /// A NaN or an infinity in the input.
    #[error("{what}[{index}] is {value}; fill or drop holes before asking for statistics")]
    NotFinite {
        /// The input.
        what: &'static str,
        /// Place of the first offender.
        index: usize,
        /// The offender.
        value: f64,
    },
    /// A series without variation where one is divided by its deviation.
    #[error("series {series} is constant, so its correlation is undefined; leave it out")]
    Constant {
        /// Row of the series in its panel.
        series: usize,
    },
    /// A matrix that should be a covariance or correlation and is not.
    #[error("the matrix is not positive definite: pivot {pivot} in row {row}; repair it first (correlation::repair)")]
    NotPositiveDefinite {
        /// Row at which the factorisation stopped.
        row: usize,
        /// The pivot found there.
        pivot: f64,
    },
    /// A matrix that should be symmetric and is not.
    #[error("the matrix is not symmetric at ({row}, {column})")]
    NotSymmetric {
        /// Row of the first disagreement.
        row: usize,
        /// Its column.
        column: usize,
    },
    /// A parameter outside its range.
    #[error("{what} is {value}; it must be {range}")]
    OutOfRange {
        /// The parameter.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What would do.
        range: &'static str,
    },
    /// A timestamp that runs backward.
    #[error("equity at {found} ns arrived after equity at {last} ns; push in time order")]
    OutOfOrder {
        /// Latest timestamp seen.
        last: u64,
        /// The one that came after it.
        found: u64,
    },
}

/// Refuses a NaN or an infinity, naming its place.
pub(super) fn check_finite(what: &'static str, values: &[f64]) -> Result<(), StatsError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(StatsError::NotFinite { what, index, value: values[index] }),
    }
}

/// Refuses a length other than the expected one.
pub(super) fn check_length(what: &'static str, values: &[f64], expected: usize) -> Result<(), StatsError> {
    if values.len() == expected { Ok(()) } else { Err(StatsError::Length { what, expected, found: values.len() }) }
}
