//! The table of statistics: key, label, unit, and the convention in one line.
//!
//! Invariant: one table makes the figures, their formats and the footnotes of every report, so that no number is shown
//! without the words that define it. Deliberately not here: the computation (`stats`).

/// How a statistic is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A fraction, shown in per cent.
    Percent,
    /// A plain ratio.
    Ratio,
    /// Calendar days.
    Days,
    /// An amount of the reporting currency.
    Money,
    /// A number of things.
    Count,
}

/// What a key of [`super::RunRecord::statistics`] means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistic {
    /// The key.
    pub key: &'static str,
    /// The name a reader sees.
    pub label: &'static str,
    /// How it is written.
    pub unit: Unit,
    /// Digits after the point.
    pub decimals: usize,
    /// Definition and sign. `{periods}` and `{risk_free}` stand for the values of the run.
    pub convention: &'static str,
}

const fn row(
    key: &'static str,
    label: &'static str,
    unit: Unit,
    decimals: usize,
    convention: &'static str,
) -> Statistic {
    Statistic { key, label, unit, decimals, convention }
}

/// Every statistic a report knows, in the order it shows them.
pub const STATISTICS: &[Statistic] = &[
    row("total_return", "Total return", Unit::Percent, 2, "Final equity over initial equity, less one."),
    row(
        "cagr",
        "Annual return (CAGR)",
        Unit::Percent,
        2,
        "Growth of equity compounded to one year; a year is {periods} return periods.",
    ),
    row(
        "volatility",
        "Volatility",
        Unit::Percent,
        2,
        "Sample standard deviation (n - 1) of periodic returns, times the square root of {periods}.",
    ),
    row(
        "sharpe",
        "Sharpe ratio",
        Unit::Ratio,
        2,
        "Mean return above a risk-free {risk_free} a year, over its sample standard deviation, annualised with {periods} \
         periods (Sharpe 1994).",
    ),
    row(
        "sortino",
        "Sortino ratio",
        Unit::Ratio,
        2,
        "Mean return above a risk-free {risk_free} a year, over the root mean square of the shortfalls of all periods, \
         annualised with {periods} periods (Sortino and Price 1994).",
    ),
    row("calmar", "Calmar ratio", Unit::Ratio, 2, "Annual return over the size of the maximum drawdown (Young 1991)."),
    row(
        "max_drawdown",
        "Maximum drawdown",
        Unit::Percent,
        2,
        "Largest loss from a running peak of equity, as a negative share of that peak.",
    ),
    row(
        "max_drawdown_days",
        "Longest drawdown",
        Unit::Days,
        0,
        "Most calendar days from a peak until equity stood as high again, or until the end of the run.",
    ),
    row(
        "recovery_days",
        "Recovery",
        Unit::Days,
        0,
        "Calendar days from the trough of the maximum drawdown until its peak was reached again; undefined while it was \
         not.",
    ),
    row(
        "var_95",
        "Value at risk 95 %",
        Unit::Percent,
        2,
        "Loss of one period exceeded in 5 % of periods: the historical 5 % quantile, linearly interpolated; a loss is \
         positive.",
    ),
    row(
        "cvar_95",
        "Expected shortfall 95 %",
        Unit::Percent,
        2,
        "Mean loss of the periods at or beyond the value at risk; a loss is positive.",
    ),
    row("hit_rate", "Hit rate", Unit::Percent, 1, "Share of round trips that made a profit after fees."),
    row(
        "profit_factor",
        "Profit factor",
        Unit::Ratio,
        2,
        "Sum of the profits over the sum of the losses of round trips, after fees.",
    ),
    row("expectancy", "Expectancy", Unit::Money, 2, "Mean profit of a round trip after fees."),
    row("turnover", "Turnover", Unit::Ratio, 2, "Notional traded in a year over the mean equity."),
    row("exposure", "Exposure", Unit::Percent, 1, "Mean of gross exposure over equity."),
    row(
        "alpha",
        "Alpha",
        Unit::Percent,
        2,
        "Intercept of the regression of periodic returns on those of the first benchmark, annualised with {periods} \
         periods.",
    ),
    row("beta", "Beta", Unit::Ratio, 2, "Slope of the same regression."),
    row("correlation", "Correlation", Unit::Ratio, 2, "Pearson correlation with the returns of the first benchmark."),
    row("best_day", "Best day", Unit::Percent, 2, "Highest periodic return."),
    row("worst_day", "Worst day", Unit::Percent, 2, "Lowest periodic return."),
    row("skew", "Skewness", Unit::Ratio, 2, "Third standardised moment of periodic returns, not corrected for bias."),
    row(
        "kurtosis",
        "Excess kurtosis",
        Unit::Ratio,
        2,
        "Fourth standardised moment of periodic returns less three, not corrected for bias.",
    ),
    row("trades", "Round trips", Unit::Count, 0, "Positions that went from flat to flat."),
];

/// The row of a key; `None` for a key the table does not know.
#[must_use]
pub fn statistic(key: &str) -> Option<&'static Statistic> {
    STATISTICS.iter().find(|s| s.key == key)
}

impl Statistic {
    /// The convention with the values of a run: periods in a year, and the annual risk-free rate as a fraction.
    #[must_use]
    pub fn convention_for(&self, periods_per_year: f64, risk_free: f64) -> String {
        self.convention
            .replace("{periods}", &periods_per_year.to_string())
            .replace("{risk_free}", &format!("{} %", (risk_free * 1e6).round() / 1e4))
    }
}
