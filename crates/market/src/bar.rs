//! Bars: series and their names, their building from quotes, trades and smaller bars, and the walk of a finished bar.
//!
//! Invariant: a closed bar is never rewritten, and the bars of one series carry strictly increasing `ts_event`. Bars are
//! pure functions of the events handed in and of the boundaries at which [`Aggregator::close`] is called. What this
//! module deliberately does not do: adjust for splits, convert time zones (sessions come as UTC data), or split one
//! trade over two bars.

mod aggregator;
mod amount;
mod boundary;
mod open;
pub mod path;
mod renko;
mod session;
mod spec;
mod table;
mod timed;

pub use aggregator::{Aggregator, BuildOptions, Counts, EMPTY_RUN_MAX, EmptyBars, LateTicks};
pub use renko::BRICKS_PER_TICK_MAX;
pub use session::{CivilDay, Hours, SESSION_SEARCH_DAYS, SessionCalendar, SessionName, Sessions};
pub use spec::{
    Aggregation, BarError, BarShape, BarSource, BarSpec, BaseSeries, BaseSource, CalendarPeriod, PriceSide,
};
pub use table::BarSeriesTable;

#[cfg(test)]
mod tests;
