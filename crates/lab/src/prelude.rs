//! What a strategy of your own needs, in one line: `use starling_lab::prelude::*;`.

pub use starling_core::event::Timer;
pub use starling_core::order::{Links, TrailOffset};
pub use starling_core::{
    Bar, BarSeriesId, ClientOrderId, InstrumentId, Money, OrderKind, OrderRequest, PositionId, Price, Qty, Quote,
    Rounding, Side, TimeInForce, Trade, UnixNanos,
};
pub use starling_engine::{Context, FillUpdate, OrderUpdate, Setup, Strategy, StrategyError};
pub use starling_market::bar::BarSpec;
pub use starling_market::feature::FeatureId;

pub use crate::run::{Outcome, Run, RunError};
