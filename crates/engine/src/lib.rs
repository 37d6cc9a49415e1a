//! Strategies, risk, orders, ledger and the sequencer.
pub mod ledger;
pub mod marks;
pub mod risk;
