//! A refusal: which check, how much was found, how much is allowed, and what to change.
//!
//! Invariant: a [`Denied`] is a small `Copy` value that can be journaled; making one allocates nothing.

use std::fmt;

use serde::{Deserialize, Serialize};
use starling_core::event::TradingStatus;
use starling_core::time::{MICROSECOND, MILLISECOND, SECOND};
use starling_core::{ClientOrderId, InstrumentId, Money, Price, Qty, Rate, UnixNanos};

use super::gate::TradingState;
use super::table::DenyCode;

/// A value in a denial, in its own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Amount {
    /// A quantity.
    Qty(Qty),
    /// A price.
    Price(Price),
    /// An amount of money.
    Money(Money),
    /// A ratio.
    Rate(Rate),
    /// A number of things.
    Count(u64),
    /// A length of time.
    Nanos(u64),
    /// Hundredths of a percent.
    Bps(u64),
    /// An instant.
    Instant(UnixNanos),
    /// A state of the engine.
    State(TradingState),
    /// A status of an instrument.
    Status(TradingStatus),
    /// An order.
    Order(ClientOrderId),
    /// An instrument, by its id.
    Instrument(InstrumentId),
    /// What the configuration lists under the check's key.
    Configured,
    /// The strategy's permission to trade.
    Enabled(bool),
    /// Cannot be told: no reference price, no conversion rate, no equity.
    Unknown,
    /// Too large to be computed.
    Overflow,
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Qty(v) => v.fmt(f),
            Self::Price(v) => v.fmt(f),
            Self::Money(v) => v.fmt(f),
            Self::Rate(v) => v.fmt(f),
            Self::Count(v) => v.fmt(f),
            Self::Nanos(v) if v >= SECOND && v.is_multiple_of(MILLISECOND) => {
                write!(f, "{}.{:03} s", v / SECOND, v % SECOND / MILLISECOND)
            }
            Self::Nanos(v) if v >= MICROSECOND && v.is_multiple_of(MICROSECOND) => write!(f, "{} us", v / MICROSECOND),
            Self::Nanos(v) => write!(f, "{v} ns"),
            Self::Bps(v) => write!(f, "{v} bps"),
            Self::Instant(v) => v.fmt(f),
            Self::State(v) => v.fmt(f),
            Self::Status(v) => f.write_str(match v {
                TradingStatus::Open => "open",
                TradingStatus::Halted => "halted",
                TradingStatus::Closed => "closed",
            }),
            Self::Order(v) => v.fmt(f),
            Self::Instrument(v) => write!(f, "instrument {}", v.0),
            Self::Configured => f.write_str("what the configuration lists"),
            Self::Enabled(true) => f.write_str("enabled"),
            Self::Enabled(false) => f.write_str("disabled"),
            Self::Unknown => f.write_str("unknown"),
            Self::Overflow => f.write_str("too large to compute"),
        }
    }
}

/// Why an order, a change or a cancel was not approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub struct Denied {
    /// The check.
    pub code: DenyCode,
    /// What it allows.
    pub limit: Amount,
    /// What it found.
    pub actual: Amount,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let check = self.code.check();
        match (self.code, self.limit, self.actual) {
            (DenyCode::DuplicateOrder, Amount::Order(last), Amount::Order(id)) => {
                return write!(
                    f,
                    "duplicate_order: order id {id} does not come after {last}, which was sent; give it a new id"
                );
            }
            (DenyCode::SelfTrade, _, Amount::Order(id)) => {
                return write!(
                    f,
                    "self_trade: changed so, {id} would trade with own orders; cancel it, or change `risk.self_trade`"
                );
            }
            (DenyCode::OrderOpen, _, Amount::Order(id)) => {
                return write!(
                    f,
                    "order_open: {id} is not open, or a change of it is still unanswered; send a new order"
                );
            }
            _ => {}
        }
        let (subject, relation) = check.words;
        write!(f, "{}: {subject} is {}, {relation} {}; ", check.name, self.actual, self.limit)?;
        match self.code {
            DenyCode::Kill => match self.limit {
                Amount::Enabled(_) => f.write_str("a person must enable the strategy again"),
                _ => f.write_str("a person must arm the engine again"),
            },
            DenyCode::RepeatExecutionThrottle => {
                f.write_str("a person must enable the strategy again, or change `risk.repeat_execution_throttle`")
            }
            DenyCode::DailyLossMax | DenyCode::DrawdownMax => {
                write!(
                    f,
                    "only reducing orders pass until a person arms the engine; the limit is `risk.{}`",
                    check.name
                )
            }
            _ if check.per_instrument => {
                write!(f, "change the order, or `risk.{0}` (or `{0}` under `risk.instruments.\"SYMBOL\"`)", check.name)
            }
            _ => write!(f, "change the order, or `risk.{}`", check.name),
        }
    }
}
