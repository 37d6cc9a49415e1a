//! The vocabulary of Starling: fixed-point money, time, ids, instruments, events, orders, and the journal codec.
//!
//! Invariant: nothing here reads a clock, draws a random number, opens a file or allocates per event. Everything is a
//! value that can be written to the journal and read back the same.

pub mod event;
pub mod fixed;
pub mod fixed_map;
pub mod id;
pub mod instrument;
pub mod journal;
pub mod order;
pub mod time;

pub use event::{Bar, BarSeriesId, Event, Quote, Trade};
pub use fixed::{Money, Price, Qty, Rate, Rounding};
pub use id::{AccountId, ClientOrderId, CurrencyId, InstrumentId, PositionId, StrategyId, VenueId};
pub use instrument::{Currency, CurrencyTable, Instrument, InstrumentTable};
pub use order::{Fill, Liquidity, OrderKind, OrderRequest, Side, TimeInForce};
pub use time::UnixNanos;
