//! From an engine that has stopped to the record that a report is made of.

use std::collections::BTreeMap;
use std::io::Write;

use starling_core::instrument::CurrencyTable;
use starling_core::order::OrderStatus;
use starling_core::time::DAY;
use starling_core::{CurrencyId, InstrumentId, Money, StrategyId, UnixNanos};
use starling_engine::World;
use starling_engine::strategies::Execution;
use starling_sim::Recorder;
use starling_sim::recorder::{DayPoint, DayPrice};

use super::RunEngine;
use crate::config::Config;
use crate::data::SourceReport;
use crate::stats::equity::EquityPoint as DayEquity;
use crate::stats::summary::{Summary, SummaryInput};
use crate::tearsheet::{
    Assumption, Benchmark, Costs, DataSource, EquityPoint, FILLS_LIMIT, FillRecord, InstrumentRecord,
    PRICE_POINTS_LIMIT, PnlPoint, PricePoint, ROUND_TRIPS_LIMIT, RoundTrip, RunRecord, StrategyRecord, SwarmRecord,
    decimate,
};

/// Everything a report shows, but for the clock's part and the run hash.
pub(super) fn of<W: Write>(config: &Config, engine: &mut RunEngine<W>, sources: &[SourceReport]) -> RunRecord {
    let names: Vec<String> = engine.strategies().map(|(name, _)| name.to_owned()).collect();
    let (world, recorder) = engine.world_and_observer();
    let reporting = recorder.reporting();
    let code = |id: CurrencyId| world.currencies().get(id).code.clone();
    let profit = |at: usize| recorder.strategies.iter().filter_map(|s| s.pnl.get(at)).map(|(_, p)| p).sum::<f64>();
    let opening = recorder.days.first().map_or_else(
        || world.ledger().equity_in(reporting, world.marks()).map_or(0.0, Money::to_f64),
        |day| day.equity - profit(0),
    );
    let mut record = RunRecord::new(config.name.clone(), code(reporting), opening);
    record.periods_per_year = config.statistics.periods_per_year;
    record.risk_free = config.statistics.risk_free;
    record.sources = sources.iter().map(source).collect();
    record.start = sources.iter().filter_map(|s| s.first).min().unwrap_or_default();
    record.end = world.now();
    record.instruments = world
        .instruments()
        .iter()
        .map(|(id, terms)| InstrumentRecord {
            symbol: terms.symbol.clone(),
            venue: world.venues()[terms.venue.index()].clone(),
            currency: code(terms.quote),
            prices: decimate(
                &recorder.day_prices[id.index()].iter().map(price).collect::<Vec<_>>(),
                PRICE_POINTS_LIMIT,
            ),
        })
        .collect();
    // The starting capital stands one day before the first day's end, so that the first day has a return.
    let start = recorder.days.first().map(|day| EquityPoint {
        ts: day.ts.saturating_sub(DAY),
        equity: opening,
        gross_exposure: 0.0,
        net_exposure: 0.0,
        cash: opening,
    });
    record.equity = start.into_iter().chain(recorder.days.iter().map(equity_point)).collect();
    record.benchmarks = buy_and_hold(&record.equity, recorder, opening).into_iter().collect();
    record.strategies =
        names.iter().enumerate().map(|(at, name)| strategy(config, world, recorder, at, name)).collect();
    record.fills = recorder.fills.iter().take(FILLS_LIMIT).map(|fill| self::fill(world.currencies(), fill)).collect();
    record.fills_total = recorder.fills_total;
    record.round_trips = recorder.round_trips.iter().take(ROUND_TRIPS_LIMIT).map(round_trip).collect();
    record.round_trips_total = recorder.round_trips_total;
    record.costs = costs(world, recorder);
    let status = |s: &OrderStatus| format!("{s:?}").to_lowercase();
    record.orders = recorder.orders.iter().map(|(s, n)| (status(s), *n)).collect();
    record.denials = recorder.denials.iter().map(|(code, n)| ((*code).to_owned(), *n)).collect();
    record.positions = world.ledger().positions_opened() as u64;
    record.account_events = world.ledger().account_events();
    record.balances = balances(world);
    record.account_equity = account_equity(world);
    for (_, _, features) in world.series() {
        for (name, count) in features.counts() {
            let most = record.indicators.entry(name).or_default();
            *most = count.max(*most);
        }
    }
    record.statistics = statistics(&record, world, recorder);
    record.assumptions = assumptions(config);
    record.warnings = warnings(world, recorder, sources);
    record
}

/// Adds a swarm's part: its agents start from the same equity as the run, and the equal division of the capital among
/// them is what the council is measured against.
pub(super) fn add_swarm(record: &mut RunRecord, mut swarm: SwarmRecord) {
    if let Some(start) = record.equity.first().copied() {
        for agent in &mut swarm.agents {
            agent.alone.insert(0, start);
        }
    }
    let points = swarm.equal_weights();
    if !points.is_empty() {
        record.benchmarks.push(Benchmark {
            name: "Equal weights".to_owned(),
            description:
                "The same capital in equal parts, one per agent with a voice, each trading alone with the same \
                          costs; parts are not evened out later."
                    .to_owned(),
            points,
        });
    }
    record.swarm = Some(swarm);
}

/// A day of the recorder as a point of a curve.
pub(crate) fn equity_point(day: &DayPoint) -> EquityPoint {
    EquityPoint {
        ts: day.ts,
        equity: day.equity,
        gross_exposure: day.gross,
        net_exposure: day.net,
        cash: day.equity - day.net,
    }
}

fn source(report: &SourceReport) -> DataSource {
    let faults = serde_json::to_value(report.counts).unwrap_or_default();
    let mut dropped = BTreeMap::new();
    collect("", &faults, &mut dropped);
    dropped.remove("rows");
    DataSource {
        path: report.path.clone(),
        blake3: report.blake3.clone(),
        rows: report.counts.rows,
        first: report.first.unwrap_or_default(),
        last: report.last.unwrap_or_default(),
        dropped,
    }
}

/// Counts that are not zero, by what they count.
fn collect(prefix: &str, value: &serde_json::Value, into: &mut BTreeMap<String, u64>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix} {key}") };
        match value.as_u64() {
            Some(0) => {}
            Some(count) => {
                into.insert(name, count);
            }
            None => collect(&name, value, into),
        }
    }
}

fn price(day: &DayPrice) -> PricePoint {
    PricePoint {
        ts: day.ts,
        open: day.open.to_f64(),
        high: day.high.to_f64(),
        low: day.low.to_f64(),
        close: day.close.to_f64(),
    }
}

fn strategy(config: &Config, world: &World, recorder: &Recorder, at: usize, name: &str) -> StrategyRecord {
    let entry = config.strategies.iter().find(|entry| entry.id == name);
    let parameters = entry.and_then(|entry| serde_json::to_value(&entry.config).ok());
    let mut shown = Vec::new();
    let usual = serde_json::to_value(Execution::default()).unwrap_or_default();
    flatten("", &parameters.unwrap_or_default(), &usual, &mut shown);
    let recorded = &recorder.strategies[at];
    let ledger = world.ledger();
    let paid = |account, currency| ledger.strategy_totals(account, currency, StrategyId::from(at)).commission;
    let fees = ledger
        .accounts()
        .flat_map(|(account, _)| world.currencies().iter().map(move |(currency, _)| (account, currency)))
        .map(|(account, currency)| told(world, paid(account, currency), currency, recorder.reporting()))
        .sum();
    StrategyRecord {
        id: name.to_owned(),
        kind: entry.map_or("own", |entry| entry.config.kind()).to_owned(),
        parameters: shown,
        pnl: recorded.pnl.iter().map(|(ts, pnl)| PnlPoint { ts: *ts, pnl: *pnl }).collect(),
        orders: recorded.orders,
        fills: recorded.fills,
        fees,
    }
}

/// Parameters by their dotted names; what is not set, and what is usual in `execution`, is left out.
fn flatten(name: &str, value: &serde_json::Value, usual: &serde_json::Value, into: &mut Vec<(String, String)>) {
    match value {
        serde_json::Value::Null => {}
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                let path = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                let as_usual = name == "execution" && usual.get(key) == Some(value);
                if path != "kind" && !as_usual {
                    flatten(&path, value, usual, into);
                }
            }
        }
        serde_json::Value::Array(items) if items.iter().any(serde_json::Value::is_object) => {
            for (at, item) in items.iter().enumerate() {
                flatten(&format!("{name}[{at}]"), item, usual, into);
            }
        }
        value => into.push((name.to_owned(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))),
    }
}

/// An amount in the reporting currency at the last marks; zero where no rate is known.
fn told(world: &World, amount: Money, from: CurrencyId, to: CurrencyId) -> f64 {
    let mut accounts = world.ledger().accounts();
    let converted = accounts.find_map(|(account, _)| world.ledger().convert(account, amount, from, to, world.marks()));
    converted.map_or(0.0, Money::to_f64)
}

fn fill(currencies: &CurrencyTable, recorded: &starling_sim::recorder::RecordedFill) -> FillRecord {
    let (fill, outcome) = (&recorded.fill, &recorded.outcome);
    FillRecord {
        ts: fill.ts,
        instrument: fill.instrument.0,
        strategy: fill.order.strategy().0.into(),
        side: fill.side,
        qty: fill.qty.to_string(),
        price: fill.price.to_string(),
        fee: outcome.fee.to_string(),
        fee_currency: currencies.get(outcome.fee_currency).code.clone(),
        liquidity: fill.liquidity,
        realised: outcome.closed.then(|| outcome.realised.to_string()),
    }
}

fn round_trip(trip: &starling_sim::recorder::RoundTrip) -> RoundTrip {
    RoundTrip {
        opened: trip.opened,
        closed: trip.closed,
        instrument: trip.instrument.0,
        strategy: trip.strategy.0.into(),
        side: trip.side,
        qty: trip.qty,
        entry: trip.entry,
        exit: trip.exit,
        pnl: trip.pnl,
        fees: trip.fees,
    }
}

fn costs(world: &World, recorder: &Recorder) -> Costs {
    let reporting = recorder.reporting();
    let money =
        |sums: &BTreeMap<CurrencyId, Money>| sums.iter().map(|(c, m)| told(world, *m, *c, reporting)).sum::<f64>();
    let floats = |sums: &BTreeMap<CurrencyId, f64>| {
        let rate = |c: CurrencyId| told(world, Money::ONE, c, reporting);
        sums.iter().map(|(c, x)| if *c == reporting { *x } else { x * rate(*c) }).sum::<f64>()
    };
    let funding: Money = world
        .ledger()
        .accounts()
        .flat_map(|(account, _)| {
            let ledger = world.ledger();
            world
                .currencies()
                .iter()
                .map(move |(currency, _)| (account, currency, ledger.totals(account, currency).funding))
        })
        .filter_map(|(account, c, amount)| world.ledger().convert(account, amount, c, reporting, world.marks()))
        .sum();
    Costs {
        commission: Some(money(&recorder.fees)),
        slippage: Some(floats(&recorder.slippage)),
        spread: Some(floats(&recorder.spread)),
        funding: (!funding.is_zero()).then(|| -funding.to_f64()),
    }
}

fn balances(world: &World) -> BTreeMap<String, BTreeMap<String, String>> {
    let ledger = world.ledger();
    let of = |account| {
        let shown = |(currency, terms): (CurrencyId, &starling_core::Currency)| {
            let balance = ledger.balance(account, currency);
            let opened = ledger.account(account).opening.iter().any(|(c, _)| *c == currency);
            (opened || !balance.is_zero()).then(|| (terms.code.clone(), balance.to_string_fixed(terms.digits)))
        };
        world.currencies().iter().filter_map(shown).collect()
    };
    ledger.accounts().map(|(account, spec)| (spec.name.clone(), of(account))).collect()
}

fn account_equity(world: &World) -> BTreeMap<String, BTreeMap<String, String>> {
    let ledger = world.ledger();
    let of = |account| {
        let currency = world.reporting_currency(account);
        let terms = world.currencies().get(currency);
        let equity = ledger.equity(account, currency, world.marks());
        equity.map(|e| (terms.code.clone(), e.to_string_fixed(terms.digits))).into_iter().collect()
    };
    ledger.accounts().map(|(account, spec)| (spec.name.clone(), of(account))).collect()
}

/// The same capital in equal parts in every instrument, bought at its first daily close and kept, without costs.
fn buy_and_hold(equity: &[EquityPoint], recorder: &Recorder, capital: f64) -> Option<Benchmark> {
    let priced: Vec<&Vec<DayPrice>> = recorder.day_prices.iter().filter(|days| !days.is_empty()).collect();
    let part = capital / priced.len() as f64;
    if priced.is_empty() || !part.is_finite() || part <= 0.0 {
        return None;
    }
    let mut places = vec![0; priced.len()];
    let mut points = Vec::with_capacity(equity.len());
    for day in equity {
        let mut value = 0.0;
        for (days, place) in priced.iter().zip(&mut places) {
            while days.get(*place).is_some_and(|p| p.ts <= day.ts) {
                *place += 1;
            }
            let held = place.checked_sub(1).map(|last| days[last].close.to_f64() / days[0].close.to_f64());
            value += part * held.unwrap_or(1.0);
        }
        let exposed = if points.is_empty() { 0.0 } else { value };
        points.push(EquityPoint {
            ts: day.ts,
            equity: value,
            gross_exposure: exposed,
            net_exposure: exposed,
            cash: value - exposed,
        });
    }
    Some(Benchmark {
        name: "Buy and hold".to_owned(),
        description: format!(
            "The same capital in {} equal parts, one per instrument, bought at its first daily close and kept, without \
             costs.",
            priced.len()
        ),
        points,
    })
}

fn statistics(record: &RunRecord, world: &World, recorder: &Recorder) -> BTreeMap<String, Option<f64>> {
    let days = |points: &[EquityPoint]| -> Vec<DayEquity> {
        let day = |ts: UnixNanos| i64::try_from(ts.saturating_sub(1).unix_day()).unwrap_or(i64::MAX);
        points.iter().map(|p| DayEquity { day: day(p.ts), equity: p.equity }).collect()
    };
    let equity = days(&record.equity);
    let benchmark = record.benchmarks.first().map_or_else(Vec::new, |b| days(&b.points));
    let profits: Vec<f64> = recorder.round_trips.iter().map(|trip| trip.pnl).collect();
    let traded: f64 = {
        let rate = |c: CurrencyId| told(world, Money::ONE, c, recorder.reporting());
        recorder.traded.iter().map(|(c, x)| if *c == recorder.reporting() { *x } else { x * rate(*c) }).sum()
    };
    let exposure = record.equity.iter().filter(|p| p.equity > 0.0).map(|p| p.gross_exposure / p.equity);
    let exposure = exposure.sum::<f64>() / record.equity.len().max(1) as f64;
    let summary = Summary::from_equity(&SummaryInput {
        trade_profits: &profits,
        traded_notional: &[traded],
        benchmark: &benchmark,
        periods: record.periods_per_year,
        risk_free_annual: record.risk_free,
        ..SummaryInput::new(&equity)
    });
    let trades = summary.trades;
    let worst = summary.drawdowns.first();
    let longest = crate::tearsheet::drawdown(record.initial_equity, &record.equity);
    [
        ("total_return", summary.total_return),
        ("cagr", summary.annual_growth),
        ("volatility", summary.annual_volatility),
        ("sharpe", summary.sharpe),
        ("sortino", summary.sortino),
        ("calmar", summary.calmar),
        ("max_drawdown", summary.max_drawdown),
        ("max_drawdown_days", longest_days(&longest)),
        ("recovery_days", worst.and_then(|d| d.recovery_day.map(|r| (r - d.trough_day) as f64))),
        ("var_95", summary.value_at_risk),
        ("cvar_95", summary.expected_shortfall),
        ("hit_rate", trades.and_then(|t| t.hit_rate)),
        ("profit_factor", trades.and_then(|t| t.profit_factor)),
        ("expectancy", trades.and_then(|t| t.expectancy)),
        ("turnover", summary.turnover),
        ("exposure", Some(exposure)),
        ("alpha", summary.annual_alpha),
        ("beta", summary.benchmark.map(|fit| fit.beta)),
        ("correlation", summary.benchmark_correlation),
        ("best_day", summary.best_return),
        ("worst_day", summary.worst_return),
        ("skew", summary.skew),
        ("kurtosis", summary.excess_kurtosis),
        ("trades", Some(recorder.round_trips_total as f64)),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// Most calendar days under a peak, from (stamp, drawdown) points.
fn longest_days(points: &[(UnixNanos, f64)]) -> Option<f64> {
    let mut peak = points.first()?.0;
    let mut longest = 0;
    for (ts, depth) in points {
        longest = longest.max(ts.since(peak));
        if *depth >= 0.0 {
            peak = *ts;
        }
    }
    Some((longest / DAY) as f64)
}

fn assumptions(config: &Config) -> Vec<Assumption> {
    let plain = |text: String| Assumption { text, optimistic: false };
    let mut list: Vec<Assumption> = Vec::new();
    for venue in &config.venues {
        let named = venue.model().optimism().into_iter();
        list.extend(named.map(|text| Assumption { text: format!("{}: {text}", venue.id), optimistic: true }));
    }
    list.push(plain("behind the touch the market is taken to be one tick worse and deep enough".into()));
    let bars = |d: &crate::data::DataSpec| d.kind == crate::data::Kind::Bars && d.feeds() == crate::data::FeedAs::Bars;
    if config.data.iter().any(bars) {
        let order = match config.bars.walk {
            crate::config::WalkConfig::Ohlc => "open, high, low, close",
            crate::config::WalkConfig::Olhc => "open, low, high, close",
            crate::config::WalkConfig::Adaptive => "open, the extreme nearer to it, the other, close",
        };
        list.push(plain(format!("within a bar the market moves {order}, a quarter of the volume at each")));
    }
    list.push(plain(
        "no interest is paid on cash or for borrowed shares; no dividends beyond those in adjusted prices".into(),
    ));
    list.push(plain("what was not traded by the end counts at its last price".into()));
    list
}

fn warnings(world: &World, recorder: &Recorder, sources: &[SourceReport]) -> Vec<String> {
    let mut list = Vec::new();
    for source in sources {
        let faults = source.counts;
        for (what, count) in [("left out", faults.dropped.total()), ("kept", faults.accepted.total())] {
            if count > 0 {
                list.push(format!("{}: {count} faulty rows {what}, as configured", source.path));
            }
        }
    }
    for (at, days) in recorder.day_prices.iter().enumerate() {
        if days.is_empty() {
            list.push(format!("{} had no market data in this run", world.name(InstrumentId::from(at))));
        }
    }
    let denied: u64 = recorder.denials.values().sum();
    if denied > 0 {
        list.push(format!("risk refused {denied} orders or changes; the report lists them by check"));
    }
    list
}
