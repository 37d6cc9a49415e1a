//! The order store: every live order, its state, and its ties to others (OTO parents, OCO groups, reduce-only).
//!
//! Invariant: an order is in the store exactly while it is not terminal, so the cost of an order does not grow with the
//! number of orders that came before. Impossible transitions stop the engine: a venue that reports a fill of an order
//! that was never sent is not to be traded with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use starling_core::order::{OrderStatus, Report, ReportKind};
use starling_core::{AccountId, ClientOrderId, InstrumentId, OrderRequest, Price, Qty, UnixNanos};

/// Orders that may be live at once in one run.
pub const LIVE_ORDERS_MAX: usize = 1_000_000;

/// A live order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its id.
    pub id: ClientOrderId,
    /// The account it trades for.
    pub account: AccountId,
    /// What was asked for; quantity and prices follow accepted changes.
    pub request: OrderRequest,
    /// The quantity it was first asked for: a child of a partly filled parent is sent smaller.
    pub wanted: Qty,
    /// Where it stands.
    pub status: OrderStatus,
    /// Quantity traded so far.
    pub filled: Qty,
    /// Sum of quantity times price so far, in units of 1e-18.
    pub filled_value: i128,
    /// A cancel is on its way.
    pub cancel_pending: bool,
    /// The total quantity of a change that the venue has not answered yet.
    pub change_pending: Option<Qty>,
    /// The total quantity that its ties ask for as soon as it has: a venue takes one change at a time.
    pub next_qty: Option<Qty>,
    /// When it was submitted.
    pub ts: UnixNanos,
}

impl Order {
    /// A new order.
    #[must_use]
    pub fn new(
        id: ClientOrderId,
        account: AccountId,
        request: OrderRequest,
        status: OrderStatus,
        ts: UnixNanos,
    ) -> Self {
        Self {
            id,
            account,
            wanted: request.qty,
            request,
            status,
            filled: Qty::ZERO,
            filled_value: 0,
            cancel_pending: false,
            change_pending: None,
            next_qty: None,
            ts,
        }
    }
    /// Quantity still open.
    #[must_use]
    pub fn leaves(&self) -> Qty {
        self.request.qty - self.filled
    }
    /// Its total quantity once all that was asked for has happened.
    #[must_use]
    pub fn qty_to_be(&self) -> Qty {
        self.next_qty.or(self.change_pending).unwrap_or(self.request.qty)
    }
    /// Average fill price, if anything traded.
    #[must_use]
    pub fn average_price(&self) -> Option<Price> {
        let filled = i128::from(self.filled.units());
        (filled > 0).then(|| {
            let average = starling_core::fixed::div_round(self.filled_value, filled, Default::default());
            Price::from_units(i64::try_from(average).expect("an average of prices is in their range"))
        })
    }
}

/// What a report made of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The status before.
    pub from: OrderStatus,
    /// The status after.
    pub to: OrderStatus,
}

/// Why a report could not be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// A fill of an order that is not live.
    #[error("the venue reports {kind} of order {order}, which is not live; reconcile before trading on")]
    NotLive {
        /// The order.
        order: ClientOrderId,
        /// What the report says.
        kind: &'static str,
    },
    /// A report that the order's state excludes.
    #[error("the venue reports {kind} of order {order} while it is {status:?}; reconcile before trading on")]
    Impossible {
        /// The order.
        order: ClientOrderId,
        /// Its status.
        status: OrderStatus,
        /// What the report says.
        kind: &'static str,
    },
    /// More traded than was ordered.
    #[error("order {order} is overfilled: {filled} of {qty}; reconcile before trading on")]
    Overfill {
        /// The order.
        order: ClientOrderId,
        /// What traded in all.
        filled: Qty,
        /// What was ordered.
        qty: Qty,
    },
}

fn kind_name(kind: &ReportKind) -> &'static str {
    match kind {
        ReportKind::Accepted => "acceptance",
        ReportKind::Rejected(_) => "rejection",
        ReportKind::Triggered => "a trigger",
        ReportKind::Filled { .. } => "a fill",
        ReportKind::Modified { .. } => "a change",
        ReportKind::ModifyRejected(_) => "a refused change",
        ReportKind::Canceled => "cancellation",
        ReportKind::CancelRejected(_) => "a refused cancel",
        ReportKind::Expired => "expiry",
        ReportKind::Unknown => "an unknown outcome",
        _ => "something new",
    }
}

/// All live orders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderStore {
    /// Boxed: a map keeps the room of a whole leaf, and most engines of many have one order or none.
    live: BTreeMap<ClientOrderId, Box<Order>>,
    /// Live orders with a parent, an OCO group or reduce-only set: while there are none, fills look no further.
    tied: usize,
}

impl OrderStore {
    /// Gives back what more orders took than live now.
    pub(crate) fn shrink_to_fit(&mut self) {
        if self.live.is_empty() {
            self.live = BTreeMap::new();
        }
    }

    /// Takes a new order.
    ///
    /// # Panics
    /// If its id is live already: ids are unique by construction.
    pub fn insert(&mut self, order: Order) {
        assert!(self.live.len() < LIVE_ORDERS_MAX, "more than {LIVE_ORDERS_MAX} live orders");
        self.tied += usize::from(is_tied(&order.request));
        let before = self.live.insert(order.id, Box::new(order));
        assert!(before.is_none(), "an order id is used once");
    }
    /// A live order.
    #[must_use]
    pub fn get(&self, id: ClientOrderId) -> Option<&Order> {
        self.live.get(&id).map(|order| &**order)
    }
    /// A live order, to change.
    pub fn get_mut(&mut self, id: ClientOrderId) -> Option<&mut Order> {
        self.live.get_mut(&id).map(|order| &mut **order)
    }
    /// How many are live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live.len()
    }
    /// True if none is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }
    /// True if a fill or an end of some order may concern another order.
    #[must_use]
    pub fn has_ties(&self) -> bool {
        self.tied > 0
    }
    /// All live orders by id.
    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        self.live.values().map(|order| &**order)
    }
    /// Live orders of one instrument.
    pub fn of_instrument(&self, instrument: InstrumentId) -> impl Iterator<Item = &Order> {
        self.iter().filter(move |o| o.request.instrument == instrument)
    }

    /// Applies a report. A terminal order is removed and handed back.
    pub fn apply(&mut self, report: &Report) -> Result<(Transition, Option<Order>), OrderError> {
        let kind = kind_name(&report.kind);
        let Some(order) = self.live.get_mut(&report.order) else {
            return Err(OrderError::NotLive { order: report.order, kind });
        };
        let from = order.status;
        let to = from.after(&report.kind).ok_or(OrderError::Impossible { order: order.id, status: from, kind })?;
        match report.kind {
            ReportKind::Filled { fill, .. } => {
                order.filled += fill.qty;
                order.filled_value += i128::from(fill.qty.units()) * i128::from(fill.price.units());
                if order.filled > order.request.qty {
                    let (filled, qty) = (order.filled, order.request.qty);
                    return Err(OrderError::Overfill { order: order.id, filled, qty });
                }
            }
            ReportKind::Modified { qty, kind } => {
                order.request.qty = qty;
                order.request.kind = kind;
                order.change_pending = None;
            }
            ReportKind::ModifyRejected(_) => order.change_pending = None,
            ReportKind::CancelRejected(_) => order.cancel_pending = false,
            _ => {}
        }
        order.status = to;
        let transition = Transition { from, to };
        if !to.is_terminal() {
            return Ok((transition, None));
        }
        let order = *self.live.remove(&report.order).expect("found above");
        self.tied -= usize::from(is_tied(&order.request));
        Ok((transition, Some(order)))
    }

    /// Drops an order that never left the house (a held child whose parent died).
    pub fn remove(&mut self, id: ClientOrderId) -> Option<Order> {
        let order = *self.live.remove(&id)?;
        self.tied -= usize::from(is_tied(&order.request));
        Some(order)
    }
}

fn is_tied(request: &OrderRequest) -> bool {
    request.links.parent.is_some() || request.links.oco_group != 0 || request.reduce_only
}

#[cfg(test)]
mod tests {
    use starling_core::order::{Fill, Liquidity, Side};
    use starling_core::{CurrencyId, Money, PositionId, StrategyId};

    use super::*;

    fn id() -> ClientOrderId {
        ClientOrderId::new(StrategyId(1), 7)
    }

    fn store(status: OrderStatus) -> OrderStore {
        let mut store = OrderStore::default();
        let request = OrderRequest::market(InstrumentId(0), Side::Buy, Qty::from_int(10));
        store.insert(Order::new(id(), AccountId(0), request, status, UnixNanos::EPOCH));
        store
    }

    fn fill(qty: i64, leaves: i64) -> ReportKind {
        ReportKind::Filled {
            fill: Fill {
                order: id(),
                trade_id: 1,
                instrument: InstrumentId(0),
                side: Side::Buy,
                qty: Qty::from_int(qty),
                price: Price::from_int(100 + qty),
                fee: Money::ZERO,
                fee_currency: CurrencyId(0),
                liquidity: Liquidity::Taker,
                position: PositionId::NONE,
                ts: UnixNanos::EPOCH,
            },
            leaves: Qty::from_int(leaves),
        }
    }

    fn report(kind: ReportKind) -> Report {
        Report { order: id(), ts_event: UnixNanos::EPOCH, ts_recv: UnixNanos::EPOCH, kind }
    }

    #[test]
    fn an_order_leaves_the_store_when_it_ends() {
        let mut store = store(OrderStatus::Submitted);
        store.apply(&report(ReportKind::Accepted)).unwrap();
        let (step, ended) = store.apply(&report(fill(4, 6))).unwrap();
        assert_eq!((step.to, ended), (OrderStatus::PartiallyFilled, None));
        let (_, ended) = store.apply(&report(fill(6, 0))).unwrap();
        let ended = ended.unwrap();
        assert_eq!(ended.average_price(), Some("105.2".parse().unwrap()), "(4*104 + 6*106) / 10");
        assert!(store.is_empty());
        assert!(matches!(store.apply(&report(fill(1, 0))), Err(OrderError::NotLive { .. })));
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        let mut fresh = store(OrderStatus::Submitted);
        assert!(matches!(fresh.apply(&report(fill(1, 9))), Err(OrderError::Impossible { .. })));
        let mut live = store(OrderStatus::Accepted);
        assert!(matches!(live.apply(&report(fill(11, 0))), Err(OrderError::Overfill { .. })));
    }
}
