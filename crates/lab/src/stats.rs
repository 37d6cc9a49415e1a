//! Statistics of returns, trades and price series: pure functions over slices, no clock, no file,
//! no global state.
//!
//! # Conventions, stated once
//!
//! * A return is a simple fraction per period (`0.01` is one per cent) unless a name says `log`.
//! * `periods` is the number of periods in a year (252 trading days, 365 for a venue that never
//!   closes). It is always a parameter; nothing here guesses it.
//! * Standard deviation divides by `n - 1`. Skew and kurtosis are the biased moment ratios (scipy's
//!   defaults), and kurtosis is in excess of the normal's 3. Downside deviation divides by `n`
//!   (Sortino and van der Meer 1991).
//! * A risk-free or required rate is per period; [`returns::rate_per_period`] converts an annual
//!   one.
//! * A drawdown is a number `<= 0`; a value at risk or expected shortfall is a loss, positive when
//!   money is lost, and is not floored at zero: a book that cannot lose at that level has a
//!   negative one.
//! * A tail is named by its probability (`0.05` for "95 % VaR"), so that `1 - 0.95` is nowhere
//!   rounded.
//!
//! # What "undefined" is
//!
//! A single number that does not exist is `None`: too few values, a deviation of zero below a
//! ratio, an empty set of losses below a profit factor. A NaN or an infinity anywhere in the input
//! also makes the answer `None`, because a statistic over a hole is a statistic over other data;
//! fill or drop holes before. No function returns NaN or an infinity. Functions on matrices, which
//! can fail in more ways, return [`StatsError`].
//!
//! Not here: anything that draws a picture.

pub mod bootstrap;
pub mod correlation;
pub mod drawdown;
pub mod equity;
pub mod factor;
pub mod matrix;
pub mod montecarlo;
pub mod outlier;
pub mod random;
pub mod ratio;
pub mod returns;
pub mod sample;
pub mod shrinkage;
pub mod sizing;
pub mod summary;
pub mod tail;
pub mod trade;
pub mod trend;

mod error;
mod normal;

#[cfg(test)]
mod golden;

pub use error::StatsError;
pub use starling_market::unit_root;
