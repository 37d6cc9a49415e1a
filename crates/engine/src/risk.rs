//! The pre-trade risk gate: the one place where an order request becomes an [`ApprovedOrder`].
//!
//! Invariants:
//! - Only [`RiskGate`] makes an [`ApprovedOrder`], [`ApprovedModify`] or [`ApprovedCancel`] (private fields, no `Clone`,
//!   no `Deserialize`). There is no bypass: tests that want no limits configure large ones.
//! - Every check stands as one row in [`CHECKS`]; the deny code, the configuration key and the documentation page are
//!   made from that row.
//! - An approved order counts at its worst case from the moment of approval until it is terminal; then it counts
//!   nothing. Reservations are sums of integers that are taken back exactly, so they are never negative and end at zero.
//! - The gate is a deterministic function of the calls made to it: no clock, no I/O, no float, no hash order.
//! - A limit never traps a position: what only reduces one is not refused by the exposure checks.
//!
//! What it deliberately does not do: keep positions, balances or marks (the engine shows them through [`RiskView`]),
//! cancel anything (it names what to cancel), or bound what models and agents decide (that happens before it).

mod denied;
mod exposure;
mod gate;
mod limits;
mod table;
mod throttle;
mod valuation;
mod view;

pub use denied::{Amount, Denied};
pub use gate::{
    Approval, ApprovedCancel, ApprovedModify, ApprovedOrder, CANCEL_FIRST_MAX, CancelFirst, RiskGate, RiskState,
    StateChange, TradingState,
};
pub use limits::{
    DuplicateOrder, Funds, LimitFault, LimitFaults, MessageRate, PriceCollar, PriceCollarWindow, RepeatExecution,
    SelfTrade, SessionHours, TokenRate,
};
pub use table::{CHECKS, Check, DenyCode, InstrumentLimits, RiskLimits, Scope};
pub use view::{AccountKind, AccountTerms, Reference, RiskView};

#[cfg(test)]
mod tests;
