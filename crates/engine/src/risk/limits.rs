//! The parameters of the checks, and the flat rules that they are resolved to before the first order.
//!
//! Invariant: [`resolve`] accepts limits only if every symbol names an instrument and every number can work as a limit;
//! it reports all faults at once. What it deliberately does not do: read files; the binary hands it a value.

use std::fmt;

use serde::{Deserialize, Serialize};
use starling_core::fixed::pow10;
use starling_core::time::{DAY, MINUTE, SECOND};
use starling_core::{CurrencyTable, InstrumentTable, Money, Qty, Rate, UnixNanos};

use super::table::RiskLimits;

/// Basis points in one.
pub(super) const BPS_IN_ONE: u32 = 10_000;
/// Most executions a throttle can count: it remembers the instant of each.
pub(super) const EXECUTIONS_MAX: u32 = 65_536;

/// A band around a reference price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PriceCollar {
    /// Half the band's width, in hundredths of a percent of the reference.
    pub bps: u32,
    /// Oldest reference that counts.
    pub reference_age_ns_max: u64,
}

/// How far own prices may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PriceCollarWindow {
    /// Highest over lowest own price of a side, in hundredths of a percent of the lowest's magnitude.
    pub bps: u32,
    /// Within what time.
    pub window_ns: u64,
}

/// When an equal order is a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DuplicateOrder {
    /// An equal order passes once this much time lies between.
    pub window_ns: u64,
}

/// What happens to orders of ours that would trade with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SelfTrade {
    /// The new order, or the change, is refused.
    Reject,
    /// The newest order goes: a new order is refused; a resting one that a change would bring across is named in the
    /// denial's `actual`, to be cancelled.
    CancelNewest,
    /// The new order passes, and its verdict names the resting ones to cancel first.
    CancelOldest,
}

/// Hours of trading, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionHours {
    /// Days on which a session opens: 1 is Monday, 7 Sunday (ISO 8601).
    pub days: Vec<u8>,
    /// Minute of the day at which it opens, 0 to 1439.
    pub open_minute: u16,
    /// Minute of the day at which it closes, not included, 1 to 1440; at or before the opening: on the next day.
    pub close_minute: u16,
}

/// A token bucket: `burst` messages at once, and `per_second` in the long run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenRate {
    /// Tokens that come back per second.
    pub per_second: u32,
    /// Tokens that a full bucket holds.
    pub burst: u32,
}

/// Message limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct MessageRate {
    /// For each venue.
    pub venue: TokenRate,
    /// For each strategy.
    pub strategy: TokenRate,
    /// Tokens of each bucket that only cancels may use.
    pub cancel_reserve: u32,
    /// True to refuse a cancel when even the reserve is used up. Dangerous: an order may then stay in the market.
    pub refuse_cancels: bool,
}

impl Default for MessageRate {
    /// Enough for any strategy that works, and a bound on one that has run wild.
    fn default() -> Self {
        let rate = TokenRate { per_second: 10_000, burst: 100_000 };
        Self { venue: rate, strategy: rate, cancel_reserve: 1_000, refuse_cancels: false }
    }
}

/// How often a strategy may execute before it is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RepeatExecution {
    /// This many fills disable the strategy, at most 65,536.
    pub executions: u32,
    /// Within what time.
    pub window_ns: u64,
}

/// How a cash account pays, and what an order without a price is taken to cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Funds {
    /// Whether the check is made.
    pub check: bool,
    /// Sales of what is not held pass.
    pub allow_short: bool,
    /// Purchases beyond the free balance pass.
    pub allow_borrowing: bool,
    /// How much worse than the reference an order without a limit price is taken to trade, in hundredths of a percent.
    /// It counts in every check that values an order.
    pub market_buffer_bps: u32,
}

impl Default for Funds {
    fn default() -> Self {
        Self { check: true, allow_short: false, allow_borrowing: false, market_buffer_bps: 0 }
    }
}

/// One thing wrong with the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitFault {
    /// The configuration key.
    pub key: String,
    /// The value found.
    pub value: String,
    /// What is allowed.
    pub requirement: &'static str,
}

/// Everything wrong with the limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct LimitFaults(
    /// At least one.
    pub Vec<LimitFault>,
);

impl fmt::Display for LimitFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, LimitFault { key, value, requirement }) in self.0.iter().enumerate() {
            let gap = if i == 0 { "" } else { "\n" };
            write!(f, "{gap}`{key}` is {value}, but must be {requirement}")?;
        }
        Ok(())
    }
}

/// The limits of one instrument, with nothing left to look up.
#[derive(Debug, Clone)]
pub(super) struct InstrumentRules {
    pub(super) price_collar: Option<PriceCollar>,
    pub(super) price_collar_window: Option<PriceCollarWindow>,
    pub(super) order_notional_max: Option<Money>,
    pub(super) order_qty_max: Qty,
    pub(super) order_qty_min: Qty,
    pub(super) tick_lot_valid: bool,
    pub(super) notional_min: Money,
    pub(super) duplicate_window_ns: Option<u64>,
    pub(super) net_position_max: Option<Qty>,
    pub(super) self_trade: Option<SelfTrade>,
    pub(super) session: Option<Session>,
    pub(super) restricted: bool,
    pub(super) halt_state: bool,
    pub(super) post_only_cross: bool,
    pub(super) stale_data_ns_max: Option<u64>,
    /// Units of money that amounts in the settlement currency are rounded to.
    pub(super) money_step: i128,
}

/// The limits that no instrument can change.
#[derive(Debug, Clone)]
pub(super) struct EngineRules {
    pub(super) message_rate: Option<MessageRate>,
    pub(super) repeat_execution: Option<RepeatExecution>,
    pub(super) credit_max: Option<Money>,
    pub(super) gross_notional_max: Option<Money>,
    pub(super) leverage_max: Option<Rate>,
    pub(super) margin_free_min: Option<Money>,
    pub(super) funds: Funds,
    pub(super) daily_loss_max: Option<Money>,
    pub(super) drawdown_bps_max: Option<u32>,
    pub(super) reduce_only_valid: bool,
    pub(super) clock_skew_ns_max: Option<u64>,
    pub(super) unknown_orders_max: Option<u32>,
    pub(super) open_orders_max: Option<u32>,
}

/// Session hours as a week of minutes would be looked up: days as bits, Monday lowest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    days: u8,
    open_minute: u64,
    close_minute: u64,
}

impl Session {
    /// True from the opening, until before the close.
    pub(super) fn contains(&self, ts: UnixNanos) -> bool {
        // 1970-01-01 was a Thursday, the fourth day of its week.
        let weekday = (ts.unix_day() + 3) % 7;
        let minute = ts.get() % DAY / MINUTE;
        let opens_on = |day: u64| self.days >> day & 1 == 1;
        if self.open_minute < self.close_minute {
            opens_on(weekday) && (self.open_minute..self.close_minute).contains(&minute)
        } else {
            let began_yesterday = opens_on((weekday + 6) % 7) && minute < self.close_minute;
            began_yesterday || (opens_on(weekday) && minute >= self.open_minute)
        }
    }
}

/// Flattens limits over the tables of a run.
pub(super) fn resolve(
    limits: &RiskLimits,
    instruments: &InstrumentTable,
    currencies: &CurrencyTable,
) -> Result<(Vec<InstrumentRules>, EngineRules), LimitFaults> {
    let mut faults = Vec::new();
    check_engine(limits, &mut faults);
    check_instrument(limits, "risk", &mut faults);
    let known = |symbol: &str| instruments.iter().any(|(_, i)| i.symbol == symbol);
    const NO_SUCH: &str = "the symbol of an instrument of this run";
    for (symbol, over) in &limits.instruments {
        if !known(symbol) {
            faults.push(LimitFault { key: "risk.instruments".into(), value: symbol.clone(), requirement: NO_SUCH });
        }
        // Faults of the run's own limits are already told.
        let mut own = RiskLimits::default();
        own = own.overlaid(over);
        check_instrument(&own, &format!("risk.instruments.\"{symbol}\""), &mut faults);
    }
    for symbol in limits.restricted_list.iter().filter(|symbol| !known(symbol)) {
        faults.push(LimitFault { key: "risk.restricted_list".into(), value: symbol.clone(), requirement: NO_SUCH });
    }
    if !faults.is_empty() {
        return Err(LimitFaults(faults));
    }
    let flat = instruments
        .iter()
        .map(|(_, instrument)| {
            let merged;
            let own = match limits.instruments.get(&instrument.symbol) {
                None => limits,
                Some(over) => {
                    merged = limits.overlaid(over);
                    &merged
                }
            };
            InstrumentRules {
                price_collar: own.price_collar,
                price_collar_window: own.price_collar_window,
                order_notional_max: own.order_notional_max,
                order_qty_max: own.order_qty_max.unwrap_or(Qty::MAX).min(instrument.qty_max),
                order_qty_min: own.order_qty_min.unwrap_or(Qty::ZERO).max(instrument.qty_min).max(Qty::from_units(1)),
                tick_lot_valid: own.tick_lot_valid,
                notional_min: own.notional_min.unwrap_or(Money::ZERO).max(instrument.notional_min),
                duplicate_window_ns: own.duplicate_order.map(|d| d.window_ns),
                net_position_max: own.net_position_max,
                self_trade: own.self_trade,
                session: own.session_hours.as_ref().map(|hours| Session {
                    days: hours.days.iter().fold(0, |bits, day| bits | 1 << (day - 1)),
                    open_minute: hours.open_minute.into(),
                    close_minute: hours.close_minute.into(),
                }),
                restricted: limits.restricted_list.contains(&instrument.symbol),
                halt_state: own.halt_state,
                post_only_cross: own.post_only_cross,
                stale_data_ns_max: own.stale_data_max,
                money_step: pow10(9 - currencies.digits(instrument.settlement()).min(9)).into(),
            }
        })
        .collect();
    let engine = EngineRules {
        message_rate: limits.message_rate_max,
        repeat_execution: limits.repeat_execution_throttle,
        credit_max: limits.credit_max,
        gross_notional_max: limits.gross_notional_max,
        leverage_max: limits.leverage_max,
        margin_free_min: limits.margin_free_min,
        funds: limits.insufficient_funds,
        daily_loss_max: limits.daily_loss_max,
        drawdown_bps_max: limits.drawdown_max,
        reduce_only_valid: limits.reduce_only_valid,
        clock_skew_ns_max: limits.clock_skew_max,
        unknown_orders_max: limits.unknown_orders_max,
        open_orders_max: limits.open_orders_max,
    };
    Ok((flat, engine))
}

fn check_instrument(limits: &RiskLimits, prefix: &str, faults: &mut Vec<LimitFault>) {
    let mut fault = |key: &str, value: String, requirement| {
        faults.push(LimitFault { key: format!("{prefix}.{key}"), value, requirement });
    };
    if let Some(window) = limits.price_collar_window
        && window.window_ns < 4
    {
        fault("price_collar_window.window_ns", window.window_ns.to_string(), "at least 4 ns");
    }
    for (key, value) in [("order_qty_max", limits.order_qty_max), ("net_position_max", limits.net_position_max)] {
        if let Some(qty) = value.filter(|qty| qty.is_negative()) {
            fault(key, qty.to_string(), "zero or more");
        }
    }
    for (key, value) in [("order_notional_max", limits.order_notional_max), ("notional_min", limits.notional_min)] {
        if let Some(money) = value.filter(|money| money.is_negative()) {
            fault(key, money.to_string(), "zero or more");
        }
    }
    if let (Some(min), Some(max)) = (limits.order_qty_min, limits.order_qty_max)
        && min > max
    {
        fault("order_qty_min", min.to_string(), "at most order_qty_max");
    }
    if let Some(hours) = &limits.session_hours {
        if hours.days.is_empty() || hours.days.iter().any(|day| !(1..=7).contains(day)) {
            fault("session_hours.days", format!("{:?}", hours.days), "one or more of 1 (Monday) to 7 (Sunday)");
        }
        if hours.open_minute >= 1_440 {
            fault("session_hours.open_minute", hours.open_minute.to_string(), "0 to 1439");
        }
        if !(1..=1_440).contains(&hours.close_minute) {
            fault("session_hours.close_minute", hours.close_minute.to_string(), "1 to 1440");
        }
    }
}

fn check_engine(limits: &RiskLimits, faults: &mut Vec<LimitFault>) {
    let mut fault = |key: &str, value: String, requirement| {
        faults.push(LimitFault { key: format!("risk.{key}"), value, requirement });
    };
    for (key, value) in [
        ("credit_max", limits.credit_max),
        ("gross_notional_max", limits.gross_notional_max),
        ("daily_loss_max", limits.daily_loss_max),
    ] {
        if let Some(money) = value.filter(|money| money.is_negative()) {
            fault(key, money.to_string(), "zero or more");
        }
    }
    if let Some(rate) = limits.leverage_max.filter(|rate| rate.is_negative()) {
        fault("leverage_max", rate.to_string(), "zero or more");
    }
    if let Some(throttle) = limits.repeat_execution_throttle
        && !(1..=EXECUTIONS_MAX).contains(&throttle.executions)
    {
        fault("repeat_execution_throttle.executions", throttle.executions.to_string(), "1 to 65536");
    }
    if let Some(rate) = limits.message_rate_max {
        for (key, bucket) in [("venue", rate.venue), ("strategy", rate.strategy)] {
            if bucket.burst <= rate.cancel_reserve {
                fault(&format!("message_rate_max.{key}.burst"), bucket.burst.to_string(), "above cancel_reserve");
            }
        }
    }
    if limits.insufficient_funds.market_buffer_bps >= BPS_IN_ONE {
        let value = limits.insufficient_funds.market_buffer_bps.to_string();
        fault("insufficient_funds.market_buffer_bps", value, "below 10000");
    }
    const _: () = assert!(SECOND == 1_000_000_000, "token rates are per second in nanoseconds");
}
