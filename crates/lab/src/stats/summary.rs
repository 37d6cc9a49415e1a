//! Everything a tearsheet shows, in one serialisable value.
//!
//! A field that is undefined for the input is `None` (`null`), so a run of one day, without trades
//! or without a benchmark still has a summary. Conventions are those of the [parent module](super);
//! nothing is computed here that is not computed there.

use serde::Serialize;

use super::drawdown::{self, Episode};
use super::equity::EquityPoint;
use super::factor::{self, Regression};
use super::returns::{self, MonthReturn};
use super::sample::{self, Convention};
use super::trade::{self, TradeStatistics};
use super::{ratio, tail};

/// What a summary is made from. Everything but the equity may be empty.
#[derive(Debug, Clone, Copy)]
pub struct SummaryInput<'a> {
    /// Equity per day in day order, the starting capital first (see
    /// [`super::equity::DailyEquity::points`]).
    pub equity: &'a [EquityPoint],
    /// Net profits of closed trades, in closing order.
    pub trade_profits: &'a [f64],
    /// Notional of every fill, in account currency.
    pub traded_notional: &'a [f64],
    /// Share of time with a position, see [`trade::exposure_time`].
    pub exposure_time: Option<f64>,
    /// Value of the benchmark per day, in day order; used where it has the days of the equity.
    pub benchmark: &'a [EquityPoint],
    /// Periods (points) per year.
    pub periods: f64,
    /// Annual risk-free rate, also the required return of Sortino and omega.
    pub risk_free_annual: f64,
    /// Probability of the tail of value at risk and expected shortfall.
    pub tail: f64,
}

impl<'a> SummaryInput<'a> {
    /// Equity alone, 252 periods a year, no risk-free rate, a tail of 5 %.
    pub fn new(equity: &'a [EquityPoint]) -> Self {
        Self {
            equity,
            trade_profits: &[],
            traded_notional: &[],
            exposure_time: None,
            benchmark: &[],
            periods: 252.0,
            risk_free_annual: 0.0,
            tail: 0.05,
        }
    }
}

/// The worst fall, dated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DatedDrawdown {
    /// Unix day of the peak.
    pub start_day: i64,
    /// Unix day of the lowest value.
    pub trough_day: i64,
    /// Unix day the peak was reached again.
    pub recovery_day: Option<i64>,
    /// Fraction lost, `< 0`.
    pub depth: f64,
}

/// The figures of a tearsheet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Periods per year that annual figures are based on.
    pub periods_per_year: f64,
    /// Annual risk-free rate used.
    pub risk_free_annual: f64,
    /// Probability of the tail of the two tail figures.
    pub tail: f64,
    /// Points of equity, the starting capital included.
    pub points: usize,
    /// Equity at the start.
    pub start_equity: Option<f64>,
    /// Equity at the end.
    pub end_equity: Option<f64>,
    /// Compounded return from start to end.
    pub total_return: Option<f64>,
    /// Compound annual growth rate.
    pub annual_growth: Option<f64>,
    /// Annualised deviation of returns.
    pub annual_volatility: Option<f64>,
    /// Highest return of a period.
    pub best_return: Option<f64>,
    /// Lowest return of a period.
    pub worst_return: Option<f64>,
    /// Share of periods with a return above zero.
    pub positive_periods: Option<f64>,
    /// Sharpe ratio, annualised.
    pub sharpe: Option<f64>,
    /// Sortino ratio, annualised.
    pub sortino: Option<f64>,
    /// Growth over deepest drawdown.
    pub calmar: Option<f64>,
    /// Omega ratio over the risk-free rate.
    pub omega: Option<f64>,
    /// Deepest drawdown of the points, `<= 0`.
    pub max_drawdown: Option<f64>,
    /// Points from peak to recovery of the longest drawdown.
    pub longest_drawdown: Option<usize>,
    /// The deepest drawdowns, deepest first, at most [`DRAWDOWNS_MAX`].
    pub drawdowns: Vec<DatedDrawdown>,
    /// Historical value at risk of a period, a loss.
    pub value_at_risk: Option<f64>,
    /// Historical expected shortfall of a period, a loss.
    pub expected_shortfall: Option<f64>,
    /// Normal value at risk of a period, a loss.
    pub parametric_value_at_risk: Option<f64>,
    /// Skewness of returns.
    pub skew: Option<f64>,
    /// Excess kurtosis of returns.
    pub excess_kurtosis: Option<f64>,
    /// Regression of returns on the benchmark's, both over the risk-free rate.
    pub benchmark: Option<Regression>,
    /// Jensen's alpha per year.
    pub annual_alpha: Option<f64>,
    /// Correlation with the benchmark.
    pub benchmark_correlation: Option<f64>,
    /// Information ratio against the benchmark, annualised.
    pub information_ratio: Option<f64>,
    /// Money traded, both ways, over mean equity, per year.
    pub turnover: Option<f64>,
    /// Share of time with a position.
    pub exposure_time: Option<f64>,
    /// Figures of the trades; `None` if a profit is not a number.
    pub trades: Option<TradeStatistics>,
    /// Return of each calendar month with a point.
    pub monthly_returns: Vec<MonthReturn>,
}

/// Drawdowns listed in a summary.
pub const DRAWDOWNS_MAX: usize = 5;

impl Summary {
    /// The summary of a run.
    pub fn from_equity(input: &SummaryInput<'_>) -> Self {
        let equity: Vec<f64> = input.equity.iter().map(|point| point.equity).collect();
        let periods = input.periods;
        let returns = returns::simple(&equity).filter(|returns| !returns.is_empty());
        let returns = returns.as_deref();
        let risk_free = returns::rate_per_period(input.risk_free_annual, periods);
        let of = |statistic: fn(&[f64]) -> Option<f64>| returns.and_then(statistic);
        let over = |statistic: fn(&[f64], f64, f64) -> Option<f64>| statistic(returns?, risk_free?, periods);
        let against = Against::new(input, risk_free);
        Self {
            periods_per_year: periods,
            risk_free_annual: input.risk_free_annual,
            tail: input.tail,
            points: equity.len(),
            start_equity: equity.first().copied().and_then(sample::finite),
            end_equity: equity.last().copied().and_then(sample::finite),
            total_return: of(returns::total),
            annual_growth: returns.and_then(|r| returns::annual_growth(r, periods)),
            annual_volatility: returns.and_then(|r| returns::annual_volatility(r, periods)),
            best_return: of(returns::best),
            worst_return: of(returns::worst),
            positive_periods: of(|r| Some(r.iter().filter(|x| **x > 0.0).count() as f64 / r.len() as f64)),
            sharpe: over(ratio::sharpe),
            sortino: over(ratio::sortino),
            calmar: returns.and_then(|r| ratio::calmar(r, periods)),
            omega: returns.zip(risk_free).and_then(|(r, rate)| ratio::omega(r, rate)),
            max_drawdown: drawdown::max_depth(&equity),
            longest_drawdown: (!equity.is_empty()).then(|| drawdown::longest(&equity)).flatten(),
            drawdowns: deepest(input.equity, &equity),
            value_at_risk: returns.and_then(|r| tail::historical_var(r, input.tail, Convention::Linear)),
            expected_shortfall: returns.and_then(|r| tail::historical_cvar(r, input.tail, Convention::Linear)),
            parametric_value_at_risk: returns.and_then(|r| tail::parametric_var(r, input.tail)),
            skew: of(sample::skew),
            excess_kurtosis: of(sample::excess_kurtosis),
            benchmark: against.regression,
            annual_alpha: against.regression.and_then(|fit| fit.annual_alpha(periods)),
            benchmark_correlation: against.correlation,
            information_ratio: against.information,
            turnover: trade::turnover(input.traded_notional, &equity, periods),
            exposure_time: input.exposure_time.and_then(sample::finite),
            trades: TradeStatistics::from_profits(input.trade_profits),
            monthly_returns: returns::monthly(input.equity).unwrap_or_default(),
        }
    }
}

/// What is said of the run against its benchmark.
#[derive(Default)]
struct Against {
    regression: Option<Regression>,
    correlation: Option<f64>,
    information: Option<f64>,
}

impl Against {
    fn new(input: &SummaryInput<'_>, risk_free: Option<f64>) -> Self {
        let (own, other) = common_days(input.equity, input.benchmark);
        let (Some(own), Some(other), Some(rate)) = (returns::simple(&own), returns::simple(&other), risk_free) else {
            return Self::default();
        };
        let excess = |returns: &[f64]| returns.iter().map(|earned| earned - rate).collect::<Vec<f64>>();
        Self {
            regression: factor::regress(&excess(&own), &excess(&other)),
            correlation: factor::correlation(&own, &other),
            information: ratio::information(&own, &other, input.periods),
        }
    }
}

/// Values of both on the days that both have.
fn common_days(own: &[EquityPoint], other: &[EquityPoint]) -> (Vec<f64>, Vec<f64>) {
    let mut others = other.iter().peekable();
    let mut pairs = (Vec::new(), Vec::new());
    for point in own {
        while others.next_if(|candidate| candidate.day < point.day).is_some() {}
        if let Some(same) = others.next_if(|candidate| candidate.day == point.day) {
            pairs.0.push(point.equity);
            pairs.1.push(same.equity);
        }
    }
    pairs
}

fn deepest(points: &[EquityPoint], equity: &[f64]) -> Vec<DatedDrawdown> {
    let mut episodes = drawdown::episodes(equity).unwrap_or_default();
    episodes.sort_by(|a, b| a.depth.total_cmp(&b.depth));
    episodes.truncate(DRAWDOWNS_MAX);
    let dated = |episode: &Episode| DatedDrawdown {
        start_day: points[episode.start].day,
        trough_day: points[episode.trough].day,
        recovery_day: episode.recovery.map(|index| points[index].day),
        depth: episode.depth,
    };
    episodes.iter().map(dated).collect()
}

#[cfg(test)]
mod tests {
    use super::super::golden::{Golden, assert_close};
    use super::*;

    fn points(name: &str) -> Vec<EquityPoint> {
        let series = Golden::open("series");
        let days = series.numbers("/day");
        let values = series.numbers(&format!("/{name}"));
        days.iter().zip(values).map(|(day, equity)| EquityPoint { day: *day as i64, equity }).collect()
    }

    #[test]
    fn a_real_run_equals_the_goldens_field_by_field() {
        let (equity, benchmark) = (points("AAPL"), points("MSFT"));
        let trades = Golden::open("series").numbers("/trades");
        let input = SummaryInput {
            benchmark: &benchmark,
            trade_profits: &trades,
            traded_notional: &[3.0, -3.0],
            exposure_time: Some(0.4),
            risk_free_annual: 0.02,
            ..SummaryInput::new(&equity)
        };
        let found = Summary::from_equity(&input);
        let file = Golden::open;
        for (found, expected) in [
            (found.total_return, file("returns").number("/total")),
            (found.annual_growth, file("returns").number("/cagr")),
            (found.annual_volatility, file("returns").number("/volatility")),
            (found.best_return, file("returns").number("/best")),
            (found.worst_return, file("returns").number("/worst")),
            (found.sharpe, file("ratio").number("/sharpe")),
            (found.sortino, file("ratio").number("/sortino")),
            (found.calmar, file("ratio").number("/calmar")),
            (found.omega, file("ratio").number("/omega")),
            (found.information_ratio, file("ratio").number("/information")),
            (found.max_drawdown, file("drawdown").number("/max")),
            (found.value_at_risk, file("tail").number("/historical/0.05/linear")),
            (found.expected_shortfall, file("tail").number("/cvar/0.05")),
            (found.parametric_value_at_risk, file("tail").number("/parametric/0.05")),
            (found.skew, file("ratio").number("/skew")),
            (found.excess_kurtosis, file("ratio").number("/kurtosis")),
            (found.benchmark.map(|fit| fit.beta), file("factor").number("/beta")),
            (found.benchmark_correlation, file("factor").number("/pearson")),
            (found.trades.and_then(|t| t.profit_factor), file("trade").number("/profit_factor")),
        ] {
            assert_close(found.unwrap(), expected);
        }
        // Golden alpha is of raw returns: r - f = a' + b (x - f) makes a' = a - f (1 - b).
        let (fit, rf) = (found.benchmark.unwrap(), file("series").number("/rf"));
        assert_close(fit.alpha, file("factor").number("/alpha") - rf * (1.0 - fit.beta));
        assert_eq!(found.longest_drawdown.unwrap() as f64, file("drawdown").number("/longest"));
        assert_eq!(found.monthly_returns.len(), file("returns").rows("/monthly").len());
        assert_eq!(found.drawdowns.len(), file("drawdown").rows("/episodes").len());
        assert_eq!(Some(found.drawdowns[0].depth), found.max_drawdown);
        assert!(found.drawdowns.windows(2).all(|w| w[0].depth <= w[1].depth));
        assert!(found.turnover.unwrap() > 0.0);
        assert_eq!(found.exposure_time, Some(0.4));
    }

    #[test]
    fn nothing_at_all_is_all_null() {
        let found = Summary::from_equity(&SummaryInput::new(&[]));
        let json = serde_json::to_value(&found).unwrap();
        let nulls = json.as_object().unwrap().values().filter(|v| v.is_null()).count();
        assert_eq!(nulls, 25, "{json:#}");
        assert_eq!(found.trades.unwrap().trades, 0);
    }

    #[test]
    fn a_flat_run_has_no_ratios() {
        let flat: Vec<EquityPoint> = (0..10).map(|day| EquityPoint { day, equity: 100.0 }).collect();
        let found = Summary::from_equity(&SummaryInput::new(&flat));
        assert_eq!((found.total_return, found.annual_volatility), (Some(0.0), Some(0.0)));
        assert_eq!((found.max_drawdown, found.longest_drawdown), (Some(0.0), Some(0)));
        assert_eq!((found.sharpe, found.sortino, found.calmar, found.omega), (None, None, None, None));
        assert_eq!((found.skew, found.value_at_risk.map(f64::abs)), (None, Some(0.0)));
    }

    #[test]
    fn a_ruined_or_holed_run_says_what_it_can() {
        let at = |values: &[f64]| -> Vec<EquityPoint> {
            values.iter().zip(0..).map(|(equity, day)| EquityPoint { day, equity: *equity }).collect()
        };
        let ruined = at(&[100.0, 50.0, -10.0]);
        let found = Summary::from_equity(&SummaryInput::new(&ruined));
        assert_eq!((found.total_return, found.sharpe), (None, None));
        assert_eq!((found.end_equity, found.max_drawdown), (Some(-10.0), Some(-1.1)));
        let holed = at(&[100.0, f64::NAN, 110.0]);
        let found = Summary::from_equity(&SummaryInput::new(&holed));
        assert_eq!((found.total_return, found.max_drawdown), (None, None));
        assert_eq!(found.end_equity, Some(110.0));
    }

    #[test]
    fn the_deepest_drawdowns_are_listed_first_and_no_more_than_the_limit() {
        let falls = [3.0, 1.0, 7.0, 5.0, 2.0, 6.0, 4.0];
        let values = falls.iter().flat_map(|fall| [100.0, 100.0 - fall]).chain([100.0]);
        let points: Vec<EquityPoint> = values.zip(10..).map(|(equity, day)| EquityPoint { day, equity }).collect();
        let found = Summary::from_equity(&SummaryInput::new(&points)).drawdowns;
        let depths: Vec<f64> = found.iter().map(|d| (d.depth * -100.0).round()).collect();
        assert_eq!(depths, [7.0, 6.0, 5.0, 4.0, 3.0]);
        assert_eq!((found[0].start_day, found[0].trough_day, found[0].recovery_day), (14, 15, Some(16)));
    }

    #[test]
    fn a_benchmark_counts_on_common_days_only() {
        let point = |day, equity| EquityPoint { day, equity };
        let own = [point(1, 100.0), point(2, 110.0), point(3, 105.0), point(5, 120.0)];
        let other = [point(0, 9.0), point(1, 10.0), point(3, 11.0), point(4, 99.0), point(5, 10.0)];
        assert_eq!(common_days(&own, &other), (vec![100.0, 105.0, 120.0], vec![10.0, 11.0, 10.0]));
    }
}
