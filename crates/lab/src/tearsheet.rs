//! What a finished run leaves for a person: the [`RunRecord`] and the figures derived from its curves.
//!
//! Invariant: a report shows nothing that is not in the record or computed from it, so one JSON file is enough to draw
//! the same report again. [`RunRecord::to_json`] and [`RunRecord::from_json`] both refuse a record that breaks
//! [`RunRecord::check`]. Deliberately not here: markup, colours and charts (the binary draws them), the formulas of the
//! statistics (`stats`), and any reading of clocks or machines (the caller hands their words in).

mod curve;
mod record;
mod statistic;
mod swarm;
#[cfg(test)]
mod tests;

pub use curve::{MonthlyReturns, YearReturns, drawdown, monthly_returns};
pub use record::{
    Assumption, Benchmark, ComponentTiming, Costs, DataSource, EQUITY_POINTS_LIMIT, EquityPoint, FILLS_LIMIT,
    FillRecord, InstrumentRecord, OrderCost, PRICE_POINTS_LIMIT, PnlPoint, PricePoint, ROUND_TRIPS_LIMIT, RoundTrip,
    RunRecord, SCHEMA, StrategyRecord, TearsheetError, decimate,
};
pub use statistic::{STATISTICS, Statistic, Unit, statistic};
pub use swarm::{AbsenceRecord, AgentRecord, ProcessRecord, ProcessesRecord, SwarmRecord, SwarmTally};
