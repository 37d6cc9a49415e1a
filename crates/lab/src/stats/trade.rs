//! Statistics of closed trades, of what was traded, and of the time spent in the market.
//!
//! A trade is its net profit, in money or in units of risk. A profit of exactly zero is neither a
//! win nor a loss: it counts in the number of trades (so in the hit rate's denominator and in the
//! expectancy) and ends a streak.

use serde::Serialize;

use super::sample::{all_finite, finite};

/// What a list of trade profits comes to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TradeStatistics {
    /// Trades, break-even ones included.
    pub trades: usize,
    /// Trades with a profit above zero.
    pub wins: usize,
    /// Trades with a profit below zero.
    pub losses: usize,
    /// Sum of the wins, `>= 0`.
    pub gross_profit: f64,
    /// Sum of the losses, `<= 0`.
    pub gross_loss: f64,
    /// `wins / trades`.
    pub hit_rate: Option<f64>,
    /// `gross_profit / -gross_loss`; undefined without a loss.
    pub profit_factor: Option<f64>,
    /// Mean profit per trade.
    pub expectancy: Option<f64>,
    /// Mean of the wins.
    pub average_win: Option<f64>,
    /// Mean of the losses, `< 0`.
    pub average_loss: Option<f64>,
    /// `average_win / -average_loss`; undefined without a win or without a loss.
    pub payoff_ratio: Option<f64>,
    /// Largest profit.
    pub best: Option<f64>,
    /// Smallest profit.
    pub worst: Option<f64>,
    /// Most wins in a row.
    pub longest_winning_streak: usize,
    /// Most losses in a row.
    pub longest_losing_streak: usize,
}

impl TradeStatistics {
    /// Of profits in the order the trades closed. `None` if one of them is not a number.
    pub fn from_profits(profits: &[f64]) -> Option<Self> {
        if !all_finite(profits) {
            return None;
        }
        let (mut wins, mut losses) = (0, 0);
        let (mut gross_profit, mut gross_loss) = (0.0, 0.0);
        let (mut best, mut worst) = (None, None);
        let (mut winning, mut losing) = (0, 0);
        let (mut longest_winning_streak, mut longest_losing_streak) = (0, 0);
        for &profit in profits {
            best = Some(best.map_or(profit, |b: f64| b.max(profit)));
            worst = Some(worst.map_or(profit, |w: f64| w.min(profit)));
            if profit > 0.0 {
                wins += 1;
                gross_profit += profit;
                (winning, losing) = (winning + 1, 0);
            } else if profit < 0.0 {
                losses += 1;
                gross_loss += profit;
                (winning, losing) = (0, losing + 1);
            } else {
                (winning, losing) = (0, 0);
            }
            longest_winning_streak = longest_winning_streak.max(winning);
            longest_losing_streak = longest_losing_streak.max(losing);
        }
        if !(gross_profit.is_finite() && gross_loss.is_finite()) {
            return None;
        }
        let over = |sum: f64, count: usize| {
            if count == 0 { None } else { finite(sum / count as f64) }
        };
        let average_win = over(gross_profit, wins);
        let average_loss = over(gross_loss, losses);
        Some(Self {
            trades: profits.len(),
            wins,
            losses,
            gross_profit,
            gross_loss,
            hit_rate: over(wins as f64, profits.len()),
            profit_factor: if losses == 0 { None } else { finite(gross_profit / -gross_loss) },
            expectancy: over(gross_profit + gross_loss, profits.len()),
            average_win,
            average_loss,
            payoff_ratio: average_win.zip(average_loss).and_then(|(win, loss)| finite(win / -loss)),
            best,
            worst,
            longest_winning_streak,
            longest_losing_streak,
        })
    }
}

/// Annual turnover: money bought plus money sold, over mean equity, per year.
///
/// Two-sided: replacing a whole portfolio once a year is a turnover of 2. `traded_notional` are
/// absolute values, `equity` the curve of the same time at `periods` a year (`n` values span `n -
/// 1` periods).
pub fn turnover(traded_notional: &[f64], equity: &[f64], periods: f64) -> Option<f64> {
    if equity.len() < 2 || !all_finite(traded_notional) {
        return None;
    }
    let mean = super::sample::mean(equity)?;
    let traded: f64 = traded_notional.iter().map(|notional| notional.abs()).sum();
    if mean <= 0.0 { None } else { finite(traded / mean * periods / (equity.len() - 1) as f64) }
}

/// Share of `window` covered by at least one of `holdings`, in `[0, 1]`.
///
/// All are half-open `[from, to)` in one unit, such as nanoseconds since the epoch. Holdings may
/// overlap, come in any order and reach outside the window; one that ends before it begins counts
/// as empty. `None` for an empty window.
pub fn exposure_time(holdings: &[(u64, u64)], window: (u64, u64)) -> Option<f64> {
    let (open, close) = window;
    if close <= open {
        return None;
    }
    let mut inside: Vec<(u64, u64)> =
        holdings.iter().map(|(from, to)| (*from.max(&open), *to.min(&close))).filter(|(from, to)| from < to).collect();
    inside.sort_unstable();
    let mut covered = 0;
    let mut reached = open;
    for (from, to) in inside {
        if to > reached {
            covered += to - from.max(reached);
            reached = to;
        }
    }
    Some(covered as f64 / (close - open) as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::golden::{Golden, assert_close};
    use super::*;

    #[test]
    fn equal_to_numpy() {
        let golden = Golden::open("trade");
        let found = TradeStatistics::from_profits(&Golden::open("series").numbers("/trades")).unwrap();
        assert_close(found.hit_rate.unwrap(), golden.number("/hit_rate"));
        assert_close(found.profit_factor.unwrap(), golden.number("/profit_factor"));
        assert_close(found.expectancy.unwrap(), golden.number("/expectancy"));
        assert_close(found.average_win.unwrap(), golden.number("/average_win"));
        assert_close(found.average_loss.unwrap(), golden.number("/average_loss"));
        assert_close(found.payoff_ratio.unwrap(), golden.number("/payoff"));
        assert_eq!(found.longest_winning_streak as f64, golden.number("/longest_win"));
        assert_eq!(found.longest_losing_streak as f64, golden.number("/longest_loss"));
        assert_eq!(found.trades - found.wins - found.losses, 2, "two break-even trades are in the data");
    }

    #[test]
    fn all_wins_and_all_losses() {
        let wins = TradeStatistics::from_profits(&[1.0, 2.0]).unwrap();
        assert_eq!((wins.hit_rate, wins.profit_factor, wins.payoff_ratio), (Some(1.0), None, None));
        assert_eq!((wins.longest_winning_streak, wins.longest_losing_streak), (2, 0));
        let losses = TradeStatistics::from_profits(&[-1.0, -2.0]).unwrap();
        assert_eq!((losses.hit_rate, losses.profit_factor, losses.payoff_ratio), (Some(0.0), Some(0.0), None));
        assert_eq!((losses.expectancy, losses.best, losses.worst), (Some(-1.5), Some(-1.0), Some(-2.0)));
    }

    #[test]
    fn none_break_even_only_and_holed() {
        let none = TradeStatistics::from_profits(&[]).unwrap();
        assert_eq!((none.trades, none.hit_rate, none.expectancy, none.best), (0, None, None, None));
        let even = TradeStatistics::from_profits(&[0.0, -0.0]).unwrap();
        assert_eq!((even.hit_rate, even.profit_factor, even.expectancy), (Some(0.0), None, Some(0.0)));
        assert_eq!(TradeStatistics::from_profits(&[1.0, f64::NAN]), None);
    }

    #[test]
    fn a_break_even_trade_ends_a_streak() {
        let found = TradeStatistics::from_profits(&[1.0, 1.0, 0.0, 1.0, -1.0, -1.0]).unwrap();
        assert_eq!((found.longest_winning_streak, found.longest_losing_streak), (2, 2));
    }

    #[test]
    fn turnover_of_one_full_replacement_in_a_year_is_two() {
        assert_eq!(turnover(&[100.0, -100.0], &[100.0; 253], 252.0), Some(2.0));
        assert_eq!(turnover(&[], &[100.0; 253], 252.0), Some(0.0));
        assert_eq!(turnover(&[1.0], &[100.0], 252.0), None);
        assert_eq!(turnover(&[f64::NAN], &[100.0; 5], 252.0), None);
    }

    #[test]
    fn exposure_counts_overlaps_once() {
        assert_eq!(exposure_time(&[(0, 10), (5, 15), (90, 200), (40, 30)], (0, 100)), Some(0.25));
        assert_eq!(exposure_time(&[], (0, 100)), Some(0.0));
        assert_eq!(exposure_time(&[(0, 10)], (5, 5)), None);
    }

    proptest! {
        #[test]
        fn exposure_equals_counting_every_instant(
            holdings in prop::collection::vec((0u64..120, 0u64..120), 0..12), open in 0u64..50, length in 1u64..70,
        ) {
            let close = open + length;
            let covered = (open..close).filter(|t| holdings.iter().any(|(from, to)| from <= t && t < to)).count();
            prop_assert_eq!(exposure_time(&holdings, (open, close)), Some(covered as f64 / length as f64));
        }

        #[test]
        fn gross_profit_and_loss_make_the_expectancy(profits in prop::collection::vec(-100.0..100.0f64, 1..60)) {
            let found = TradeStatistics::from_profits(&profits).unwrap();
            let mean = profits.iter().sum::<f64>() / profits.len() as f64;
            prop_assert!((found.expectancy.unwrap() - mean).abs() < 1e-10);
        }
    }
}
