//! Orders as data: what is asked for, what the venue reports, and the states between.
//!
//! Invariant: the state machine of [`OrderStatus`] is closed: every (status, report) pair either leads to a status or is
//! named an impossible transition. What it deliberately does not do: decide. Risk, routing and matching live elsewhere.

use serde::{Deserialize, Serialize};

use crate::fixed::{Money, Price, Qty};
use crate::id::{ClientOrderId, CurrencyId, InstrumentId, PositionId};
use crate::time::UnixNanos;

/// Buy or sell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Increases the position.
    Buy,
    /// Decreases the position.
    Sell,
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
    /// +1 or -1.
    #[must_use]
    pub const fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }
    /// `qty` with this side's sign.
    #[must_use]
    pub fn signed(self, qty: Qty) -> Qty {
        match self {
            Self::Buy => qty,
            Self::Sell => -qty,
        }
    }
    /// The side that brings a position from `from` toward `to`; `None` if they are equal.
    #[must_use]
    pub fn toward(from: Qty, to: Qty) -> Option<Self> {
        match to.cmp(&from) {
            std::cmp::Ordering::Greater => Some(Self::Buy),
            std::cmp::Ordering::Less => Some(Self::Sell),
            std::cmp::Ordering::Equal => None,
        }
    }
    /// True if `a` is a worse price than `b` for one who trades on this side (higher to buy, lower to sell).
    #[must_use]
    pub fn is_worse(self, a: Price, b: Price) -> bool {
        match self {
            Self::Buy => a > b,
            Self::Sell => a < b,
        }
    }
    /// `price` moved by `distance` to the worse for this side.
    #[must_use]
    pub fn worsen(self, price: Price, distance: Price) -> Price {
        match self {
            Self::Buy => price + distance,
            Self::Sell => price - distance,
        }
    }
}

/// How far a trailing stop stays behind the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrailOffset {
    /// A price distance.
    Price(Price),
    /// Hundredths of a percent of the market price.
    BasisPoints(u32),
    /// Ticks of the instrument.
    Ticks(u32),
}

/// The kind of an order, with the prices that the kind needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// At the best price there is.
    Market,
    /// At `price` or better.
    Limit {
        /// Worst acceptable price.
        price: Price,
    },
    /// Market once the market trades at or through `trigger`, against the order's interest.
    Stop {
        /// Where it wakes.
        trigger: Price,
    },
    /// Limit once triggered as a stop.
    StopLimit {
        /// Where it wakes.
        trigger: Price,
        /// Worst acceptable price then.
        price: Price,
    },
    /// A stop whose trigger follows the market at `offset`.
    TrailingStop {
        /// The distance kept.
        offset: TrailOffset,
        /// The first trigger; `None` sets it from the market at arrival.
        trigger: Option<Price>,
    },
    /// A trailing stop that becomes a limit `limit_offset` beyond its trigger.
    TrailingStopLimit {
        /// The distance kept.
        offset: TrailOffset,
        /// From the trigger to the limit, to the worse.
        limit_offset: Price,
        /// The first trigger; `None` sets it from the market at arrival.
        trigger: Option<Price>,
    },
    /// Market once the market trades at or through `trigger`, in the order's favour.
    MarketIfTouched {
        /// Where it wakes.
        trigger: Price,
    },
    /// Limit once touched.
    LimitIfTouched {
        /// Where it wakes.
        trigger: Price,
        /// Worst acceptable price then.
        price: Price,
    },
}

impl OrderKind {
    /// The limit price, if it has one from the start.
    #[must_use]
    pub const fn limit(&self) -> Option<Price> {
        match *self {
            Self::Limit { price } | Self::StopLimit { price, .. } | Self::LimitIfTouched { price, .. } => Some(price),
            _ => None,
        }
    }
    /// The trigger, if it has one from the start.
    #[must_use]
    pub const fn trigger(&self) -> Option<Price> {
        match *self {
            Self::Stop { trigger }
            | Self::StopLimit { trigger, .. }
            | Self::MarketIfTouched { trigger }
            | Self::LimitIfTouched { trigger, .. } => Some(trigger),
            Self::TrailingStop { trigger, .. } | Self::TrailingStopLimit { trigger, .. } => trigger,
            Self::Market | Self::Limit { .. } => None,
        }
    }
    /// True if it sleeps until a trigger.
    #[must_use]
    pub const fn is_conditional(&self) -> bool {
        !matches!(self, Self::Market | Self::Limit { .. })
    }
}

/// How long an order lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeInForce {
    /// Good till cancelled.
    #[default]
    Gtc,
    /// Immediate or cancel: what does not fill at once is cancelled.
    Ioc,
    /// Fill or kill: all at once or nothing.
    Fok,
    /// Good till the given instant.
    Gtd(UnixNanos),
    /// Until the venue's session ends.
    Day,
}

/// What one fill of a linked order does to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Links {
    /// One-triggers-other: held back until this order fills, dropped if it ends unfilled.
    pub parent: Option<ClientOrderId>,
    /// One-cancels-other: a fill in the group reduces or cancels its other members; 0 is no group.
    pub oco_group: u64,
}

/// An order as a strategy asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRequest {
    /// What to trade.
    pub instrument: InstrumentId,
    /// Which way.
    pub side: Side,
    /// How.
    pub kind: OrderKind,
    /// How much, positive.
    pub qty: Qty,
    /// How long.
    pub tif: TimeInForce,
    /// Only as maker: refused rather than filled on arrival.
    pub post_only: bool,
    /// Only toward a flat position; reduced or cancelled as the position shrinks.
    pub reduce_only: bool,
    /// The position to change, in a hedging account; [`PositionId::NONE`] opens a new one.
    pub position: PositionId,
    /// Ties to other orders.
    pub links: Links,
}

impl OrderRequest {
    /// A plain order of the given kind, good till cancelled.
    #[must_use]
    pub fn new(instrument: InstrumentId, side: Side, kind: OrderKind, qty: Qty) -> Self {
        Self {
            instrument,
            side,
            kind,
            qty,
            tif: TimeInForce::Gtc,
            post_only: false,
            reduce_only: false,
            position: PositionId::NONE,
            links: Links::default(),
        }
    }
    /// A market order.
    #[must_use]
    pub fn market(instrument: InstrumentId, side: Side, qty: Qty) -> Self {
        Self::new(instrument, side, OrderKind::Market, qty)
    }
    /// A limit order.
    #[must_use]
    pub fn limit(instrument: InstrumentId, side: Side, qty: Qty, price: Price) -> Self {
        Self::new(instrument, side, OrderKind::Limit { price }, qty)
    }
    /// A stop (market) order.
    #[must_use]
    pub fn stop(instrument: InstrumentId, side: Side, qty: Qty, trigger: Price) -> Self {
        Self::new(instrument, side, OrderKind::Stop { trigger }, qty)
    }
    /// With a time in force.
    #[must_use]
    pub fn tif(mut self, tif: TimeInForce) -> Self {
        self.tif = tif;
        self
    }
    /// Only as maker.
    #[must_use]
    pub fn post_only(mut self) -> Self {
        self.post_only = true;
        self
    }
    /// Only toward flat.
    #[must_use]
    pub fn reduce_only(mut self) -> Self {
        self.reduce_only = true;
        self
    }
    /// On a given position of a hedging account.
    #[must_use]
    pub fn on_position(mut self, position: PositionId) -> Self {
        self.position = position;
        self
    }
    /// Held back until `parent` fills.
    #[must_use]
    pub fn after(mut self, parent: ClientOrderId) -> Self {
        self.links.parent = Some(parent);
        self
    }
    /// In a one-cancels-other group.
    #[must_use]
    pub fn oco(mut self, group: u64) -> Self {
        self.links.oco_group = group;
        self
    }
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Approved and journaled; waiting for its parent to fill.
    Held,
    /// Sent; the venue has not answered.
    Submitted,
    /// Live at the venue.
    Accepted,
    /// Its trigger was reached; now live as what it becomes.
    Triggered,
    /// Part of it traded.
    PartiallyFilled,
    /// All of it traded.
    Filled,
    /// Cancelled, by us or the venue.
    Canceled,
    /// Its time ran out.
    Expired,
    /// The venue refused it.
    Rejected,
    /// Sent, and the outcome is not known: to be reconciled, never assumed.
    Unknown,
}

impl OrderStatus {
    /// No further report can change it.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Filled | Self::Canceled | Self::Expired | Self::Rejected)
    }

    /// The status after `report`, or `None` where the pair is impossible; `docs/matching.md` has the whole table.
    ///
    /// An order becomes unknown from any live state (a request timed out, a line broke), and any answer that proves it
    /// live or ended makes it known again; a refused cancel or change proves nothing.
    #[must_use]
    pub const fn after(self, report: &ReportKind) -> Option<Self> {
        use OrderStatus as S;
        use ReportKind as R;
        match (self, report) {
            (S::Held, R::Canceled | R::Expired) => Some(match report {
                R::Expired => S::Expired,
                _ => S::Canceled,
            }),
            (S::Submitted | S::Unknown, R::Accepted) => Some(S::Accepted),
            (S::Submitted | S::Unknown, R::Rejected(_)) => Some(S::Rejected),
            (S::Submitted | S::Accepted | S::Triggered | S::PartiallyFilled | S::Unknown, R::Unknown) => {
                Some(S::Unknown)
            }
            (S::Accepted | S::Unknown, R::Triggered) => Some(S::Triggered),
            (S::Accepted | S::Triggered | S::PartiallyFilled | S::Unknown, R::Filled { leaves, .. }) => {
                Some(if leaves.is_zero() { S::Filled } else { S::PartiallyFilled })
            }
            (S::Accepted | S::Triggered | S::PartiallyFilled | S::Unknown, R::Canceled) => Some(S::Canceled),
            (S::Accepted | S::Triggered | S::PartiallyFilled | S::Unknown, R::Expired) => Some(S::Expired),
            (S::Accepted | S::Triggered | S::PartiallyFilled, R::Modified { .. }) => Some(self),
            (S::Unknown, R::Modified { .. }) => Some(S::Accepted),
            // The request overtook the order, crossed its end, or came for nothing: where the order stands is not told.
            (S::Held, R::ModifyRejected(_) | R::CancelRejected(_)) => None,
            (_, R::ModifyRejected(_) | R::CancelRejected(_)) => Some(self),
            _ => None,
        }
    }
}

/// Why a venue refused something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RejectReason {
    /// A post-only order would have taken liquidity.
    WouldTake,
    /// Nothing to trade against, and the order may not wait.
    NoLiquidity,
    /// A reduce-only order would have increased the position.
    WouldIncrease,
    /// The instrument is halted or closed.
    NotTrading,
    /// The price is not a multiple of the tick, or the quantity not of the lot.
    Increment,
    /// The order is not live.
    UnknownOrder,
    /// A trigger on the wrong side of the market.
    TriggerPassed,
    /// A fill-or-kill order could not be filled whole.
    NotWhole,
    /// The expiry lies in the past.
    Expired,
    /// The account cannot carry it.
    InsufficientFunds,
}

/// Whether a fill added or took liquidity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liquidity {
    /// Was resting.
    Maker,
    /// Traded on arrival.
    Taker,
}

/// One execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// The order.
    pub order: ClientOrderId,
    /// The venue's number of the execution, unique per venue: a second report with it is a duplicate.
    pub trade_id: u64,
    /// The instrument.
    pub instrument: InstrumentId,
    /// The order's side.
    pub side: Side,
    /// Quantity, positive.
    pub qty: Qty,
    /// Price.
    pub price: Price,
    /// Commission, positive is paid, rounded to its currency.
    pub fee: Money,
    /// The commission's currency.
    pub fee_currency: CurrencyId,
    /// Maker or taker.
    pub liquidity: Liquidity,
    /// The position named by the order.
    pub position: PositionId,
    /// When the venue executed it.
    pub ts: UnixNanos,
}

/// What a venue says of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReportKind {
    /// It is live.
    Accepted,
    /// It was refused.
    Rejected(RejectReason),
    /// Its trigger was reached.
    Triggered,
    /// It traded; `leaves` is what is left of it.
    Filled {
        /// The execution.
        fill: Fill,
        /// Quantity still open.
        leaves: Qty,
    },
    /// It was changed to this.
    Modified {
        /// Total quantity.
        qty: Qty,
        /// Kind and prices.
        kind: OrderKind,
    },
    /// The change was refused; the order stands as it was.
    ModifyRejected(RejectReason),
    /// It was cancelled.
    Canceled,
    /// The cancel was refused.
    CancelRejected(RejectReason),
    /// Its time ran out.
    Expired,
    /// Nobody can tell what became of it.
    Unknown,
}

/// A report of a venue about one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The order.
    pub order: ClientOrderId,
    /// When the venue said it.
    pub ts_event: UnixNanos,
    /// When it was received.
    pub ts_recv: UnixNanos,
    /// What it says.
    pub kind: ReportKind,
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUSES: [OrderStatus; 10] = [
        OrderStatus::Held,
        OrderStatus::Submitted,
        OrderStatus::Accepted,
        OrderStatus::Triggered,
        OrderStatus::PartiallyFilled,
        OrderStatus::Unknown,
        OrderStatus::Filled,
        OrderStatus::Canceled,
        OrderStatus::Expired,
        OrderStatus::Rejected,
    ];

    fn fill(leaves: i64) -> ReportKind {
        ReportKind::Filled {
            fill: Fill {
                order: ClientOrderId::default(),
                trade_id: 1,
                instrument: InstrumentId(0),
                side: Side::Buy,
                qty: Qty::ONE,
                price: Price::ZERO,
                fee: Money::ZERO,
                fee_currency: CurrencyId(0),
                liquidity: Liquidity::Taker,
                position: PositionId::NONE,
                ts: UnixNanos::EPOCH,
            },
            leaves: Qty::from_int(leaves),
        }
    }

    fn reports() -> [(&'static str, ReportKind); 11] {
        [
            ("accepted", ReportKind::Accepted),
            ("rejected", ReportKind::Rejected(RejectReason::WouldTake)),
            ("triggered", ReportKind::Triggered),
            ("filled in part", fill(1)),
            ("filled", fill(0)),
            ("modified", ReportKind::Modified { qty: Qty::ONE, kind: OrderKind::Market }),
            ("modify rejected", ReportKind::ModifyRejected(RejectReason::UnknownOrder)),
            ("canceled", ReportKind::Canceled),
            ("cancel rejected", ReportKind::CancelRejected(RejectReason::UnknownOrder)),
            ("expired", ReportKind::Expired),
            ("unknown", ReportKind::Unknown),
        ]
    }

    /// The table as `docs/matching.md` prints it: a row a report, a column a status.
    fn drawn() -> String {
        let mut table = format!("| report |{}\n", STATUSES.map(|s| format!(" {s:?} |")).concat());
        table += &format!("|{}\n", "---|".repeat(STATUSES.len() + 1));
        for (name, report) in reports() {
            let cell = |status: OrderStatus| match status.after(&report) {
                None => " – |".to_owned(),
                Some(same) if same == status => " = |".to_owned(),
                Some(next) => format!(" {next:?} |"),
            };
            table += &format!("| {name} |{}\n", STATUSES.map(cell).concat());
        }
        table
    }

    /// Written down by hand: `-` impossible, `=` stays, else the first letter of the next status
    /// (Accepted, Rejected, Triggered, Partially filled, Filled, Canceled, Expired, Unknown). Columns as in `STATUSES`.
    const BY_HAND: [(&str, &str); 11] = [
        // Held Submitted Accepted Triggered PartiallyFilled Unknown | Filled Canceled Expired Rejected
        ("accepted", "-A---A----"),
        ("rejected", "-R---R----"),
        ("triggered", "--T--T----"),
        ("filled in part", "--PP=P----"),
        ("filled", "--FFFF----"),
        ("modified", "--===A----"),
        ("modify rejected", "-========="),
        ("canceled", "C-CCCC----"),
        ("cancel rejected", "-========="),
        ("expired", "E-EEEE----"),
        ("unknown", "-UUUU=----"),
    ];

    #[test]
    fn every_pair_of_status_and_report_is_as_written_down() {
        for ((name, report), (row, cells)) in reports().iter().zip(BY_HAND) {
            assert_eq!(*name, row);
            for (status, cell) in STATUSES.into_iter().zip(cells.chars()) {
                let expected = match cell {
                    '-' => None,
                    '=' => Some(status),
                    letter => STATUSES.into_iter().find(|s| {
                        // Canceled is the one that begins with C, and so on; Submitted and Held are never reached.
                        format!("{s:?}").starts_with(letter)
                    }),
                };
                assert_eq!(status.after(report), expected, "{status:?} and then {name}");
            }
        }
    }

    #[test]
    fn nothing_but_refused_requests_follows_an_end() {
        for status in STATUSES.into_iter().filter(|s| s.is_terminal()) {
            for (name, report) in reports() {
                let next = status.after(&report);
                assert!(next.is_none() || next == Some(status), "{status:?} and then {name}");
            }
        }
    }

    #[test]
    fn the_document_prints_this_table() {
        let document = include_str!("../../../docs/matching.md");
        let table = drawn();
        assert!(document.contains(&table), "docs/matching.md should contain:\n{table}");
    }
}
