//! The record of a run: plain data, one JSON object, everything a report may show.
//!
//! Invariant: a record that passes [`RunRecord::check`] has ascending stamps, finite numbers, references that point into
//! its own tables, and no list longer than its named limit. Exact amounts are decimal strings, as the ledger holds them;
//! floats are for curves and statistics only. Deliberately not here: any opinion on how a figure is drawn.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use starling_core::{Liquidity, Side, UnixNanos};

use super::SwarmRecord;

/// The version of this layout. A record of another version is refused, not guessed at.
pub const SCHEMA: u32 = 1;
/// Most points of one equity, benchmark or strategy curve: daily points of 50 years of seven-day weeks fit.
pub const EQUITY_POINTS_LIMIT: usize = 20_000;
/// Most fills a record carries; [`RunRecord::fills_total`] counts all of them.
pub const FILLS_LIMIT: usize = 20_000;
/// Most round trips a record carries; [`RunRecord::round_trips_total`] counts all of them.
pub const ROUND_TRIPS_LIMIT: usize = 20_000;
/// Most price points of one instrument; [`decimate`] brings a longer series below it.
pub const PRICE_POINTS_LIMIT: usize = 10_000;

/// A finished run, as the report shows it. Money is in [`RunRecord::currency`] unless a field says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The name of the run.
    pub name: String,
    /// When the report was made, in the caller's words.
    pub created: String,
    /// The source revision, in the caller's words.
    pub commit: String,
    /// The machine, in the caller's words.
    pub machine: String,
    /// Hash over orders, fills and postings, in hex: equal runs have equal hashes.
    pub run_hash: String,
    /// Where the journal lies; `None` if none was kept.
    pub journal: Option<String>,
    /// What was read.
    pub sources: Vec<DataSource>,
    /// First instant of the run.
    pub start: UnixNanos,
    /// Last instant of the run.
    pub end: UnixNanos,
    /// The reporting currency.
    pub currency: String,
    /// Equity before the first event.
    pub initial_equity: f64,
    /// Return periods in a year that the statistics were annualised with (252 for US equities, 365 for crypto).
    pub periods_per_year: f64,
    /// Annual risk-free rate that the statistics were computed with, as a fraction.
    pub risk_free: f64,
    /// Equity through time, one point a day; the last is the final equity.
    pub equity: Vec<EquityPoint>,
    /// What the run is measured against; the first one is named in the verdict.
    pub benchmarks: Vec<Benchmark>,
    /// The strategies, by place; fills and round trips refer to it.
    pub strategies: Vec<StrategyRecord>,
    /// The instruments, by place; fills and round trips refer to it.
    pub instruments: Vec<InstrumentRecord>,
    /// The first [`FILLS_LIMIT`] fills, in time order.
    pub fills: Vec<FillRecord>,
    /// How many fills there were.
    pub fills_total: u64,
    /// The first [`ROUND_TRIPS_LIMIT`] round trips, by time of closing.
    pub round_trips: Vec<RoundTrip>,
    /// How many round trips there were.
    pub round_trips_total: u64,
    /// What trading cost.
    pub costs: Costs,
    /// Orders by final status (`filled`, `canceled`, ...).
    pub orders: BTreeMap<String, u64>,
    /// Orders that risk denied, by deny code.
    pub denials: BTreeMap<String, u64>,
    /// Positions opened.
    pub positions: u64,
    /// Account events: one for the opening state, then one for each change of a balance.
    pub account_events: u64,
    /// Exact final balances: account, then currency, then a decimal.
    pub balances: BTreeMap<String, BTreeMap<String, String>>,
    /// Exact final equity: account, then currency, then a decimal.
    pub account_equity: BTreeMap<String, BTreeMap<String, String>>,
    /// How many values each indicator took in.
    pub indicators: BTreeMap<String, u64>,
    /// Events that the sequencer consumed.
    pub events: u64,
    /// Wall time of the run.
    pub elapsed_ns: u64,
    /// Events a second of wall time.
    pub events_per_s: f64,
    /// Statistics by key; [`super::STATISTICS`] says what each key means. `None` where a statistic is not defined for
    /// this run.
    pub statistics: BTreeMap<String, Option<f64>>,
    /// What the reader should know before believing the numbers.
    pub warnings: Vec<String>,
    /// What the simulation took for granted.
    pub assumptions: Vec<Assumption>,
    /// Cost of an order against the number of orders in the run; empty if not measured.
    pub order_cost_curve: Vec<OrderCost>,
    /// Wall time by component; empty if not measured.
    pub timings: Vec<ComponentTiming>,
    /// What a swarm did; `None` for a run without one, and for a replay, which takes its decisions from the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swarm: Option<SwarmRecord>,
}

/// A file the run read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSource {
    /// Path, as the configuration names it.
    pub path: String,
    /// BLAKE3 of the file, in hex.
    pub blake3: String,
    /// Rows read.
    pub rows: u64,
    /// Stamp of the first row used.
    pub first: UnixNanos,
    /// Stamp of the last row used.
    pub last: UnixNanos,
    /// Rows left out, by reason.
    pub dropped: BTreeMap<String, u64>,
}

/// One point of an equity curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EquityPoint {
    /// The instant it holds for.
    pub ts: UnixNanos,
    /// Cash and marked positions together.
    pub equity: f64,
    /// Sum of the absolute market values.
    pub gross_exposure: f64,
    /// Sum of the signed market values.
    pub net_exposure: f64,
    /// Cash.
    pub cash: f64,
}

/// What the run is measured against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Benchmark {
    /// Its name, such as "buy and hold".
    pub name: String,
    /// How it was made, in one line.
    pub description: String,
    /// Its equity curve, from the same initial equity.
    pub points: Vec<EquityPoint>,
}

/// One strategy of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StrategyRecord {
    /// Its name in the configuration.
    pub id: String,
    /// Its kind, such as `ema_cross`.
    pub kind: String,
    /// Parameters as (name, value), in the order they should be read.
    pub parameters: Vec<(String, String)>,
    /// Cumulative profit and loss after costs.
    pub pnl: Vec<PnlPoint>,
    /// Orders it sent.
    pub orders: u64,
    /// Fills it had.
    pub fills: u64,
    /// Fees it paid.
    pub fees: f64,
}

impl StrategyRecord {
    /// Profit and loss at the end; zero before the first point.
    #[must_use]
    pub fn final_pnl(&self) -> f64 {
        self.pnl.last().map_or(0.0, |p| p.pnl)
    }
}

/// One point of a cumulative profit-and-loss curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PnlPoint {
    /// The instant it holds for.
    pub ts: UnixNanos,
    /// Profit and loss since the start of the run.
    pub pnl: f64,
}

/// One instrument and its prices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstrumentRecord {
    /// Its symbol.
    pub symbol: String,
    /// Its venue.
    pub venue: String,
    /// The currency its prices are in.
    pub currency: String,
    /// Prices, daily or coarser, at most [`PRICE_POINTS_LIMIT`].
    pub prices: Vec<PricePoint>,
}

/// Prices of an interval, stamped at its close.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PricePoint {
    /// The close of the interval.
    pub ts: UnixNanos,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
}

/// One fill. Amounts are exact decimals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FillRecord {
    /// When it happened.
    pub ts: UnixNanos,
    /// Place in [`RunRecord::instruments`].
    pub instrument: u32,
    /// Place in [`RunRecord::strategies`].
    pub strategy: u32,
    /// Bought or sold.
    pub side: Side,
    /// Quantity, positive.
    pub qty: String,
    /// Price, in the instrument's currency.
    pub price: String,
    /// Commission, positive when paid.
    pub fee: String,
    /// The currency of the commission.
    pub fee_currency: String,
    /// Maker or taker.
    pub liquidity: Liquidity,
    /// Profit it realised before its own commission, in the instrument's currency; `None` if it only opened.
    pub realised: Option<String>,
}

/// A position from flat to flat.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RoundTrip {
    /// When it was opened.
    pub opened: UnixNanos,
    /// When it was flat again.
    pub closed: UnixNanos,
    /// Place in [`RunRecord::instruments`].
    pub instrument: u32,
    /// Place in [`RunRecord::strategies`].
    pub strategy: u32,
    /// [`Side::Buy`] for a long one.
    pub side: Side,
    /// Largest quantity held.
    pub qty: f64,
    /// Average price of the way in, in the instrument's currency.
    pub entry: f64,
    /// Average price of the way out, in the instrument's currency.
    pub exit: f64,
    /// Profit after fees.
    pub pnl: f64,
    /// Fees of both ways.
    pub fees: f64,
}

/// What trading cost; positive when paid, `None` where the run did not model it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Costs {
    /// Commissions.
    pub commission: Option<f64>,
    /// Fill price against the price at which the order was decided.
    pub slippage: Option<f64>,
    /// Half the spread on every taken quantity.
    pub spread: Option<f64>,
    /// Funding and interest; negative when received.
    pub funding: Option<f64>,
}

impl Costs {
    /// The modelled ones, each with its name.
    pub fn modelled(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.named().into_iter().filter_map(|(name, cost)| cost.map(|cost| (name, cost)))
    }
    /// All four, each with its name.
    #[must_use]
    pub fn named(&self) -> [(&'static str, Option<f64>); 4] {
        [
            ("commission", self.commission),
            ("slippage", self.slippage),
            ("spread", self.spread),
            ("funding", self.funding),
        ]
    }
    /// Sum of the modelled ones; `None` if there is none.
    #[must_use]
    pub fn total(&self) -> Option<f64> {
        self.modelled().map(|(_, cost)| cost).reduce(|a, b| a + b)
    }
}

/// Something the simulation took for granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assumption {
    /// What, in one sentence.
    pub text: String,
    /// True if it flatters the result.
    pub optimistic: bool,
}

/// One point of the order-cost curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OrderCost {
    /// Orders in the run.
    pub orders: u64,
    /// Wall time of one order in it.
    pub ns_per_order: f64,
}

/// Wall time spent in one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentTiming {
    /// Its name.
    pub component: String,
    /// How often it was entered.
    pub calls: u64,
    /// Wall time of all calls.
    pub total_ns: u64,
}

/// Why a record cannot be read or shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TearsheetError {
    /// Not the JSON of a record.
    #[error("not the JSON of a run record ({0}); give the file that `starling backtest` wrote")]
    Json(#[from] serde_json::Error),
    /// Another layout.
    #[error("run record of schema {found}, this build reads {SCHEMA}; run the backtest again with this build")]
    Schema {
        /// The version it names.
        found: u32,
    },
    /// A number that no chart can place.
    #[error("{field}[{index}] of the run record is {value}; every number of a curve must be finite")]
    NotFinite {
        /// The list.
        field: String,
        /// The place in it.
        index: usize,
        /// The value.
        value: f64,
    },
    /// Stamps go backward.
    #[error("{field}[{index}] of the run record is stamped {ts}, not after its predecessor; sort the list by time")]
    Order {
        /// The list.
        field: String,
        /// The place in it.
        index: usize,
        /// The stamp.
        ts: UnixNanos,
    },
    /// A list above its limit.
    #[error(
        "{field} of the run record has {len} entries, the limit is {limit}; decimate or cap it and state the total"
    )]
    TooLong {
        /// The list.
        field: String,
        /// Its length.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// A place beyond a table.
    #[error("{field}[{index}] of the run record refers to {table} {place}, of which there are {len}")]
    Dangling {
        /// The list.
        field: String,
        /// The place in it.
        index: usize,
        /// The table referred to.
        table: &'static str,
        /// The place referred to.
        place: u32,
        /// The length of the table.
        len: usize,
    },
    /// Text that should be a decimal.
    #[error("{field}[{index}] of the run record is {text:?}; a plain decimal such as -12.50 is expected")]
    Decimal {
        /// The list.
        field: String,
        /// The place in it.
        index: usize,
        /// The text.
        text: String,
    },
    /// A total below the number of entries carried.
    #[error("{field} of the run record is {total}, yet {len} are listed; count every one")]
    Total {
        /// The total.
        field: &'static str,
        /// Its value.
        total: u64,
        /// Entries listed.
        len: usize,
    },
}

impl RunRecord {
    /// An empty record of this schema, for a driver to fill.
    #[must_use]
    pub fn new(name: impl Into<String>, currency: impl Into<String>, initial_equity: f64) -> Self {
        Self {
            schema: SCHEMA,
            name: name.into(),
            created: String::new(),
            commit: String::new(),
            machine: String::new(),
            run_hash: String::new(),
            journal: None,
            sources: Vec::new(),
            start: UnixNanos::EPOCH,
            end: UnixNanos::EPOCH,
            currency: currency.into(),
            initial_equity,
            periods_per_year: 252.0,
            risk_free: 0.0,
            equity: Vec::new(),
            benchmarks: Vec::new(),
            strategies: Vec::new(),
            instruments: Vec::new(),
            fills: Vec::new(),
            fills_total: 0,
            round_trips: Vec::new(),
            round_trips_total: 0,
            costs: Costs::default(),
            orders: BTreeMap::new(),
            denials: BTreeMap::new(),
            positions: 0,
            account_events: 0,
            balances: BTreeMap::new(),
            account_equity: BTreeMap::new(),
            indicators: BTreeMap::new(),
            events: 0,
            elapsed_ns: 0,
            events_per_s: 0.0,
            statistics: BTreeMap::new(),
            warnings: Vec::new(),
            assumptions: Vec::new(),
            order_cost_curve: Vec::new(),
            timings: Vec::new(),
            swarm: None,
        }
    }

    /// Reads and checks a record.
    pub fn from_json(text: &str) -> Result<Self, TearsheetError> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        // The version first: a record of another layout must be told so, not that a field is missing.
        let Version { schema } = serde_json::from_str(text)?;
        if schema != SCHEMA {
            return Err(TearsheetError::Schema { found: schema });
        }
        let record: Self = serde_json::from_str(text)?;
        record.check()?;
        Ok(record)
    }

    /// Checks and writes a record, one line.
    pub fn to_json(&self) -> Result<String, TearsheetError> {
        self.check()?;
        Ok(serde_json::to_string(self)?)
    }

    /// The first fault, if there is one.
    pub fn check(&self) -> Result<(), TearsheetError> {
        if self.schema != SCHEMA {
            return Err(TearsheetError::Schema { found: self.schema });
        }
        for (field, value) in [
            ("initial_equity", self.initial_equity),
            ("periods_per_year", self.periods_per_year),
            ("risk_free", self.risk_free),
            ("events_per_s", self.events_per_s),
        ] {
            finite(field, 0, &[value])?;
        }
        for (i, (_, cost)) in self.costs.named().into_iter().enumerate() {
            finite("costs", i, &[cost.unwrap_or(0.0)])?;
        }
        check_curve("equity", &self.equity)?;
        for (i, benchmark) in self.benchmarks.iter().enumerate() {
            check_curve(&format!("benchmarks[{i}].points"), &benchmark.points)?;
        }
        for (i, agent) in self.swarm.iter().flat_map(|swarm| &swarm.agents).enumerate() {
            check_curve(&format!("swarm.agents[{i}].alone"), &agent.alone)?;
            finite("swarm.agents.weight", i, &[agent.weight, agent.hit_rate.unwrap_or(0.0)])?;
        }
        for (i, strategy) in self.strategies.iter().enumerate() {
            let field = format!("strategies[{i}].pnl");
            bounded(&field, strategy.pnl.len(), EQUITY_POINTS_LIMIT)?;
            ascending(&field, strategy.pnl.iter().map(|p| p.ts), true)?;
            for (j, p) in strategy.pnl.iter().enumerate() {
                finite(&field, j, &[p.pnl])?;
            }
            finite("strategies.fees", i, &[strategy.fees])?;
        }
        for (i, instrument) in self.instruments.iter().enumerate() {
            let field = format!("instruments[{i}].prices");
            bounded(&field, instrument.prices.len(), PRICE_POINTS_LIMIT)?;
            ascending(&field, instrument.prices.iter().map(|p| p.ts), true)?;
            for (j, p) in instrument.prices.iter().enumerate() {
                finite(&field, j, &[p.open, p.high, p.low, p.close])?;
            }
        }
        self.check_fills()?;
        self.check_round_trips()?;
        for (i, point) in self.order_cost_curve.iter().enumerate() {
            finite("order_cost_curve", i, &[point.ns_per_order])?;
        }
        Ok(())
    }

    fn check_fills(&self) -> Result<(), TearsheetError> {
        bounded("fills", self.fills.len(), FILLS_LIMIT)?;
        counted("fills_total", self.fills_total, self.fills.len())?;
        ascending("fills", self.fills.iter().map(|f| f.ts), false)?;
        for (i, fill) in self.fills.iter().enumerate() {
            within("fills", i, "instrument", fill.instrument, self.instruments.len())?;
            within("fills", i, "strategy", fill.strategy, self.strategies.len())?;
            for (field, text) in [("fills.qty", &fill.qty), ("fills.price", &fill.price), ("fills.fee", &fill.fee)] {
                decimal(field, i, text)?;
            }
            if let Some(realised) = &fill.realised {
                decimal("fills.realised", i, realised)?;
            }
        }
        Ok(())
    }

    fn check_round_trips(&self) -> Result<(), TearsheetError> {
        bounded("round_trips", self.round_trips.len(), ROUND_TRIPS_LIMIT)?;
        counted("round_trips_total", self.round_trips_total, self.round_trips.len())?;
        ascending("round_trips", self.round_trips.iter().map(|t| t.closed), false)?;
        for (i, trip) in self.round_trips.iter().enumerate() {
            within("round_trips", i, "instrument", trip.instrument, self.instruments.len())?;
            within("round_trips", i, "strategy", trip.strategy, self.strategies.len())?;
            finite("round_trips", i, &[trip.qty, trip.entry, trip.exit, trip.pnl, trip.fees])?;
        }
        Ok(())
    }

    /// Equity at the end; the initial equity where there is no point.
    #[must_use]
    pub fn final_equity(&self) -> f64 {
        self.equity.last().map_or(self.initial_equity, |p| p.equity)
    }

    /// Profit after all costs.
    #[must_use]
    pub fn profit(&self) -> f64 {
        self.final_equity() - self.initial_equity
    }

    /// Orders of every final status together.
    #[must_use]
    pub fn orders_total(&self) -> u64 {
        self.orders.values().sum()
    }

    /// A statistic by key; `None` if it is absent, undefined or not finite.
    #[must_use]
    pub fn statistic(&self, key: &str) -> Option<f64> {
        self.statistics.get(key).copied().flatten().filter(|v| v.is_finite())
    }
}

/// At most `limit` points over the same time: neighbours are merged into one interval, so that no high and no low is
/// lost. Stamps must ascend.
#[must_use]
pub fn decimate(points: &[PricePoint], limit: usize) -> Vec<PricePoint> {
    let width = points.len().div_ceil(limit.max(1)).max(1);
    points
        .chunks(width)
        .map(|chunk| PricePoint {
            ts: chunk[chunk.len() - 1].ts,
            open: chunk[0].open,
            high: chunk.iter().map(|p| p.high).fold(f64::NEG_INFINITY, f64::max),
            low: chunk.iter().map(|p| p.low).fold(f64::INFINITY, f64::min),
            close: chunk[chunk.len() - 1].close,
        })
        .collect()
}

fn check_curve(field: &str, points: &[EquityPoint]) -> Result<(), TearsheetError> {
    bounded(field, points.len(), EQUITY_POINTS_LIMIT)?;
    ascending(field, points.iter().map(|p| p.ts), true)?;
    points
        .iter()
        .enumerate()
        .try_for_each(|(i, p)| finite(field, i, &[p.equity, p.gross_exposure, p.net_exposure, p.cash]))
}

fn finite(field: &str, index: usize, values: &[f64]) -> Result<(), TearsheetError> {
    match values.iter().find(|v| !v.is_finite()) {
        Some(&value) => Err(TearsheetError::NotFinite { field: field.to_owned(), index, value }),
        None => Ok(()),
    }
}

fn ascending(field: &str, stamps: impl Iterator<Item = UnixNanos>, strictly: bool) -> Result<(), TearsheetError> {
    let mut last: Option<UnixNanos> = None;
    for (index, ts) in stamps.enumerate() {
        if last.is_some_and(|last| ts < last || (strictly && ts == last)) {
            return Err(TearsheetError::Order { field: field.to_owned(), index, ts });
        }
        last = Some(ts);
    }
    Ok(())
}

fn bounded(field: &str, len: usize, limit: usize) -> Result<(), TearsheetError> {
    if len > limit { Err(TearsheetError::TooLong { field: field.to_owned(), len, limit }) } else { Ok(()) }
}

fn counted(field: &'static str, total: u64, len: usize) -> Result<(), TearsheetError> {
    if total < len as u64 { Err(TearsheetError::Total { field, total, len }) } else { Ok(()) }
}

fn within(field: &str, index: usize, table: &'static str, place: u32, len: usize) -> Result<(), TearsheetError> {
    if (place as usize) < len {
        Ok(())
    } else {
        Err(TearsheetError::Dangling { field: field.to_owned(), index, table, place, len })
    }
}

fn decimal(field: &str, index: usize, text: &str) -> Result<(), TearsheetError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if plain(whole) && plain(fraction) {
        Ok(())
    } else {
        Err(TearsheetError::Decimal { field: field.to_owned(), index, text: text.to_owned() })
    }
}
