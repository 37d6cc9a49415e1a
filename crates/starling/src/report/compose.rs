//! From the record of a run to its document: what is shown, in which order, in which words.
//!
//! Invariant: every number is in the record or computed from it here, and a part that the record cannot fill says so in
//! words instead of showing an empty chart. Deliberately not here: markup and drawing.

mod swarm;

use std::cmp::Reverse;

use starling_core::time::SECOND;
use starling_core::{Liquidity, Side, UnixNanos};
use starling_lab::tearsheet::{
    EquityPoint, FillRecord, InstrumentRecord, RunRecord, STATISTICS, StrategyRecord, drawdown, monthly_returns,
    statistic,
};

use super::chart::{Bars, Horizontal, Ink, Layer, Measure, Plot, Shape, Spread};
use super::document::{Block, Cell, Document, Fact, Figure, Section, Table, Tone, numbers, words};
use super::markup::shell_word;
use super::number::{self, amount, count, counted, grouped, percent, signed};
use super::palette::SERIES;

/// Most rows of a table of fills or round trips; the table names the total.
const TABLE_ROWS: usize = 250;
/// Most instruments with a price chart: those with the most fills.
const CHARTED_INSTRUMENTS: usize = 12;
/// Height of a main chart and of one that accompanies it, in pixels.
const TALL: f64 = 320.0;
const SHORT: f64 = 140.0;
/// How many times its lowest price an instrument must have reached for a logarithmic chart.
const MULTIPLIED: f64 = 5.0;

/// The whole report of a run.
pub(crate) fn document(run: &RunRecord) -> Document {
    let mut flags: Vec<String> = run.assumptions.iter().filter(|a| a.optimistic).map(|a| a.text.clone()).collect();
    if !run.warnings.is_empty() {
        flags.push(format!("{}, see below.", counted(run.warnings.len() as u64, "warning")));
    }
    let mut sections = vec![
        Section::new("figures", "Key figures", figures(run)),
        Section::new("equity", "Equity", equity(run)),
        Section::new("drawdown", "Drawdown", drawdowns(run)),
        Section::new("months", "Monthly returns", months(run)),
        Section::new("exposure", "Exposure", exposure(run)),
    ];
    if let Some(swarm) = &run.swarm {
        sections.push(Section::new("swarm", "The swarm", swarm::blocks(run, swarm)));
    }
    sections.extend([
        Section::new("strategies", "Strategies", strategies(run)),
        Section::new("trades", "Trades", trades(run)),
        Section::new("costs", "Costs", costs(run)),
        Section::new("accounts", "Accounts", accounts(run)),
        Section::new("orders", "Orders and risk denials", orders(run)),
        Section::new("assumptions", "Assumptions and warnings", assumptions(run)),
        Section::new("data", "Data and reproducibility", data(run)),
        Section::new("speed", "Speed", speed(run)),
        Section::new("conventions", "Conventions", conventions(run)),
    ]);
    Document { title: run.name.clone(), byline: byline(run), verdict: verdict(run), tone: Tone::Plain, flags, sections }
}

fn byline(run: &RunRecord) -> String {
    let made = [("made", &run.created), ("commit", &run.commit), ("on", &run.machine)];
    let made = made.iter().filter(|(_, word)| !word.is_empty()).map(|(name, word)| format!("{name} {word}"));
    let period = format!("{} to {}", date(run.start), date(run.end));
    let capital = format!("{} {} at the start", amount(run.initial_equity), run.currency);
    [period, capital].into_iter().chain(made).collect::<Vec<_>>().join(" · ")
}

/// Return against the first benchmark, worst loss, trades and what they cost.
fn verdict(run: &RunRecord) -> String {
    let mut parts = Vec::new();
    match total_return(run) {
        None => parts.push("no equity curve".to_owned()),
        Some(total) => {
            let mut result = signed(percent(total, 1));
            if let Some((name, benchmark)) = benchmark_return(run) {
                result += &format!(" against {} for {name}", signed(percent(benchmark, 1)));
            }
            parts.push(result);
            if let Some(worst) = max_drawdown(run) {
                parts.push(format!("max drawdown {}", percent(worst, 1)));
            }
        }
    }
    parts.push(counted(run.round_trips_total, "trade"));
    parts.push(match (run.costs.total(), cost_share(run)) {
        (None, _) => "no costs modelled".to_owned(),
        (Some(_), Some(share)) => format!("costs {} of gross profit", percent(share, 1)),
        (Some(total), None) => format!("costs {} {}", amount(total), run.currency),
    });
    parts.join(", ")
}

fn total_return(run: &RunRecord) -> Option<f64> {
    let computed = || (!run.equity.is_empty() && run.initial_equity > 0.0).then(|| run.profit() / run.initial_equity);
    run.statistic("total_return").or_else(computed)
}

fn benchmark_return(run: &RunRecord) -> Option<(&str, f64)> {
    let benchmark = run.benchmarks.first()?;
    let last = benchmark.points.last()?;
    (run.initial_equity > 0.0).then(|| (benchmark.name.as_str(), last.equity / run.initial_equity - 1.0))
}

fn max_drawdown(run: &RunRecord) -> Option<f64> {
    let computed = || drawdown(run.initial_equity, &run.equity).into_iter().map(|(_, depth)| depth).reduce(f64::min);
    run.statistic("max_drawdown").or_else(computed)
}

/// All costs over the profit before them; `None` if there was no such profit.
fn cost_share(run: &RunRecord) -> Option<f64> {
    let total = run.costs.total()?;
    let gross = run.profit() + total;
    (gross > 0.0).then(|| total / gross)
}

fn figures(run: &RunRecord) -> Vec<Block> {
    let card = |label: &str, value: Option<String>, detail: String, tone| Figure {
        label: label.to_owned(),
        value: value.unwrap_or_else(|| number::UNDEFINED.to_owned()),
        detail,
        tone,
    };
    let written = |key: &str| {
        let kind = statistic(key).expect("a statistic of the table");
        run.statistic(key).map(|v| number::statistic(kind, Some(v), &run.currency))
    };
    let beside = |key: &str, name: &str| written(key).map_or(String::new(), |value| format!("{name} {value}"));
    let total = total_return(run);
    let cards = vec![
        card(
            "Final equity",
            run.equity.last().map(|p| format!("{} {}", amount(p.equity), run.currency)),
            format!("from {}", amount(run.initial_equity)),
            Tone::Plain,
        ),
        card(
            "Total return",
            total.map(|v| signed(percent(v, 1))),
            benchmark_return(run).map_or(String::new(), |(name, v)| format!("{name} {}", signed(percent(v, 1)))),
            Tone::of(total.unwrap_or(0.0)),
        ),
        card(
            "Annual return",
            run.statistic("cagr").map(|v| signed(percent(v, 1))),
            beside("volatility", "volatility"),
            Tone::of(run.statistic("cagr").unwrap_or(0.0)),
        ),
        card(
            "Maximum drawdown",
            max_drawdown(run).map(|v| percent(v, 1)),
            beside("max_drawdown_days", "longest"),
            Tone::of(max_drawdown(run).unwrap_or(0.0)),
        ),
        card("Sharpe ratio", written("sharpe"), beside("sortino", "Sortino"), Tone::Plain),
        card("Exposure", written("exposure"), beside("turnover", "turnover"), Tone::Plain),
        card("Round trips", Some(count(run.round_trips_total)), beside("hit_rate", "hit rate"), Tone::Plain),
        card(
            "Costs",
            run.costs.total().map(|v| format!("{} {}", amount(v), run.currency)),
            cost_share(run).map_or(String::new(), |share| format!("{} of gross profit", percent(share, 1))),
            Tone::Plain,
        ),
    ];
    let known = STATISTICS.iter().filter(|s| run.statistics.contains_key(s.key)).map(|s| Fact {
        defined: Some(s.key),
        ..Fact::new(s.label, number::statistic(s, run.statistic(s.key), &run.currency))
    });
    // A statistic that this build has no words for is shown under its bare key rather than hidden.
    let unknown = run.statistics.keys().filter(|key| statistic(key).is_none());
    let unknown =
        unknown.map(|key| Fact::new(key, run.statistic(key).map_or(number::UNDEFINED.into(), |v| grouped(v, 4))));
    let facts: Vec<Fact> = known.chain(unknown).collect();
    let mut blocks = vec![Block::Figures(cards)];
    if facts.is_empty() {
        blocks.push(Block::Text("The record holds no statistics.".into()));
    } else {
        blocks.push(Block::Facts(facts));
    }
    blocks
}

/// What stands in place of a curve that has too few points.
fn too_short(points: usize) -> Option<Block> {
    (points < 2).then(|| {
        let points = counted(points as u64, "equity point");
        Block::Text(format!("The record holds {points}; a curve needs two."))
    })
}

/// The curve from the start of the run: the initial equity stands before the first point.
fn curve(run: &RunRecord, points: &[EquityPoint]) -> Vec<(f64, f64)> {
    let before = points.first().filter(|p| p.ts > run.start).map(|_| (seconds(run.start), run.initial_equity));
    before.into_iter().chain(points.iter().map(|p| (seconds(p.ts), p.equity))).collect()
}

fn equity(run: &RunRecord) -> Vec<Block> {
    if let Some(words) = too_short(run.equity.len()) {
        return vec![words];
    }
    let mut layers =
        vec![Layer { name: run.name.clone(), ink: Ink::Series(0), shape: Shape::Line(curve(run, &run.equity)) }];
    layers.extend(run.benchmarks.iter().filter(|b| !b.points.is_empty()).take(SERIES - 1).enumerate().map(
        |(i, benchmark)| Layer {
            name: benchmark.name.clone(),
            ink: Ink::Series(i + 1),
            shape: Shape::Line(curve(run, &benchmark.points)),
        },
    ));
    let positive = layers.iter().filter_map(Layer::extent).all(|(_, (low, _))| low > 0.0);
    let title = match run.benchmarks.first() {
        Some(benchmark) => format!("Equity against {}, {}", benchmark.name, run.currency),
        None => format!("Equity, {}", run.currency),
    };
    let mut blocks = vec![Block::Plot(Plot {
        id: "equity".into(),
        title,
        horizontal: Horizontal::Time,
        measure: Measure::Amount,
        spreads: if positive { &[Spread::Linear, Spread::Log] } else { &[Spread::Linear] },
        height: TALL,
        layers,
    })];
    if run.benchmarks.is_empty() {
        blocks.push(Block::Text("The record holds no benchmark to compare with.".into()));
    }
    let described = run.benchmarks.iter().filter(|b| !b.description.is_empty());
    blocks.extend(described.map(|b| Block::Text(format!("{}: {}", b.name, b.description))));
    blocks
}

fn drawdowns(run: &RunRecord) -> Vec<Block> {
    if let Some(words) = too_short(run.equity.len()) {
        return vec![words];
    }
    let depth = |points: &[EquityPoint]| -> Vec<(f64, f64)> {
        drawdown(run.initial_equity, points).into_iter().map(|(ts, depth)| (seconds(ts), depth)).collect()
    };
    let mut layers =
        vec![Layer { name: run.name.clone(), ink: Ink::Series(0), shape: Shape::Area(depth(&run.equity)) }];
    layers.extend(run.benchmarks.first().filter(|b| !b.points.is_empty()).map(|benchmark| Layer {
        name: benchmark.name.clone(),
        ink: Ink::Series(1),
        shape: Shape::Line(depth(&benchmark.points)),
    }));
    vec![Block::Plot(Plot {
        id: "drawdown".into(),
        title: "Loss from the highest equity so far".into(),
        horizontal: Horizontal::Time,
        measure: Measure::Percent,
        spreads: &[Spread::Linear],
        height: SHORT,
        layers,
    })]
}

fn months(run: &RunRecord) -> Vec<Block> {
    let table = monthly_returns(run.initial_equity, &run.equity);
    if table.years.is_empty() {
        return vec![Block::Text("The record holds no equity point, so there is no month to show.".into())];
    }
    vec![Block::Months { title: "Return by calendar month (UTC)".into(), table }]
}

fn exposure(run: &RunRecord) -> Vec<Block> {
    if let Some(words) = too_short(run.equity.len()) {
        return vec![words];
    }
    let funded: Vec<&EquityPoint> = run.equity.iter().filter(|p| p.equity > 0.0).collect();
    if funded.is_empty() {
        return vec![Block::Text("Equity was never positive, so exposure has no measure.".into())];
    }
    let share = |of: fn(&EquityPoint) -> f64| funded.iter().map(|p| (seconds(p.ts), of(p) / p.equity)).collect();
    let gross =
        |name: &str| Layer { name: name.into(), ink: Ink::Series(0), shape: Shape::Area(share(|p| p.gross_exposure)) };
    // Two curves that are one would hide each other.
    let layers = if funded.iter().all(|p| p.net_exposure == p.gross_exposure) {
        vec![gross("gross and net, never short")]
    } else {
        let net = Layer { name: "net".into(), ink: Ink::Series(1), shape: Shape::Line(share(|p| p.net_exposure)) };
        vec![net, gross("gross")]
    };
    vec![Block::Plot(Plot {
        id: "exposure".into(),
        title: "Exposure as a share of equity".into(),
        horizontal: Horizontal::Time,
        measure: Measure::Percent,
        spreads: &[Spread::Linear],
        height: SHORT,
        layers,
    })]
}

fn strategies(run: &RunRecord) -> Vec<Block> {
    if run.strategies.is_empty() {
        return vec![Block::Text("The record names no strategy.".into())];
    }
    let rows = run.strategies.iter().map(|s| {
        let parameters: Vec<String> = s.parameters.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        vec![
            Cell::text(&s.id),
            Cell::text(&s.kind),
            Cell::text(parameters.join(", ")),
            Cell::count(s.orders),
            Cell::count(s.fills),
            Cell::number(s.fees, amount(s.fees)),
            Cell::money(s.final_pnl(), signed(amount(s.final_pnl()))),
        ]
    });
    let columns = vec![
        words("Strategy"),
        words("Kind"),
        words("Parameters"),
        numbers("Orders"),
        numbers("Fills"),
        numbers("Fees"),
        numbers("Profit"),
    ];
    let mut blocks = vec![Block::Table(Table { columns, rows: rows.collect(), ..Table::default() })];
    let mut ranked: Vec<&StrategyRecord> = run.strategies.iter().collect();
    ranked.sort_by(|a, b| b.final_pnl().abs().total_cmp(&a.final_pnl().abs()));
    let drawn: Vec<&StrategyRecord> = ranked.iter().copied().filter(|s| s.pnl.len() >= 2).take(SERIES).collect();
    if drawn.is_empty() {
        blocks.push(Block::Text("No strategy has two points of profit and loss, which a curve needs.".into()));
    } else {
        blocks.push(Block::Plot(Plot {
            id: "strategies".into(),
            title: format!("Cumulative profit by strategy, {}", run.currency),
            horizontal: Horizontal::Time,
            measure: Measure::Amount,
            spreads: &[Spread::Linear],
            height: SHORT * 1.4,
            layers: drawn
                .iter()
                .enumerate()
                .map(|(i, s)| Layer {
                    name: s.id.clone(),
                    ink: Ink::Series(i),
                    shape: Shape::Line(s.pnl.iter().map(|p| (seconds(p.ts), p.pnl)).collect()),
                })
                .collect(),
        }));
        if drawn.len() < run.strategies.len() {
            let (drawn, all) = (count(drawn.len() as u64), count(run.strategies.len() as u64));
            blocks
                .push(Block::Text(format!("The curves are those of the {drawn} of {all} strategies that moved most.")));
        }
    }
    if run.strategies.len() > 1 {
        blocks.push(Block::Bars(Bars {
            id: "contribution".into(),
            title: format!("Contribution to profit, {}", run.currency),
            rows: ranked
                .iter()
                .take(TABLE_ROWS / 10)
                .map(|s| (s.id.clone(), s.final_pnl(), signed(amount(s.final_pnl()))))
                .collect(),
            inks: (Ink::Gain, Ink::Loss),
            limit: None,
        }));
    }
    blocks
}

fn trades(run: &RunRecord) -> Vec<Block> {
    let fills_of = |place: usize| run.fills.iter().filter(move |f| f.instrument as usize == place);
    let mut ranked: Vec<usize> = (0..run.instruments.len()).collect();
    ranked.sort_by_cached_key(|&place| Reverse(fills_of(place).count()));
    let mut blocks = Vec::new();
    if run.instruments.is_empty() {
        blocks.push(Block::Text("The record holds no instrument.".into()));
    } else {
        let options = ranked.iter().take(CHARTED_INSTRUMENTS).map(|&place| {
            let instrument = &run.instruments[place];
            let fills: Vec<&FillRecord> = fills_of(place).collect();
            let name = format!("{} on {}", instrument.symbol, instrument.venue);
            (name, instrument_chart(instrument, place, &fills))
        });
        blocks.push(Block::Choice { label: "Instrument", options: options.collect() });
        if run.instruments.len() > CHARTED_INSTRUMENTS {
            let all = count(run.instruments.len() as u64);
            blocks.push(Block::Text(format!(
                "Charted are the {CHARTED_INSTRUMENTS} of {all} instruments with the most fills."
            )));
        }
        if (run.fills.len() as u64) < run.fills_total {
            let (listed, all) = (count(run.fills.len() as u64), count(run.fills_total));
            blocks.push(Block::Text(format!("The charts show the first {listed} of {all} fills.")));
        }
    }
    if run.round_trips_total > 0 {
        blocks.push(Block::Table(round_trips(run)));
    } else {
        blocks.push(Block::Text("No position went from flat to flat.".into()));
    }
    if run.fills_total > 0 {
        blocks.push(Block::Table(fills(run)));
    } else {
        blocks.push(Block::Text("No order was filled.".into()));
    }
    blocks
}

fn instrument_chart(instrument: &InstrumentRecord, place: usize, fills: &[&FillRecord]) -> Vec<Block> {
    let marks = |side: Side| -> Vec<(f64, f64)> {
        let of_side = fills.iter().filter(|f| f.side == side);
        of_side.filter_map(|f| Some((seconds(f.ts), f.price.parse().ok()?))).collect()
    };
    let bars = &instrument.prices;
    if bars.len() < 2 {
        let points = counted(bars.len() as u64, "price point");
        return vec![Block::Text(format!("The record holds {points} of {}; a curve needs two.", instrument.symbol))];
    }
    let (buys, sells) = (marks(Side::Buy), marks(Side::Sell));
    let mut layers = vec![
        Layer { name: counted(buys.len() as u64, "buy"), ink: Ink::Gain, shape: Shape::Up(buys) },
        Layer { name: counted(sells.len() as u64, "sell"), ink: Ink::Loss, shape: Shape::Down(sells) },
    ];
    layers.retain(|layer| layer.extent().is_some());
    layers.push(Layer {
        name: "close".into(),
        ink: Ink::Muted,
        shape: Shape::Line(bars.iter().map(|b| (seconds(b.ts), b.close)).collect()),
    });
    layers.push(Layer {
        name: "low to high".into(),
        ink: Ink::Muted,
        shape: Shape::Band(bars.iter().map(|b| (seconds(b.ts), b.low, b.high)).collect()),
    });
    let low = bars.iter().map(|b| b.low).fold(f64::INFINITY, f64::min);
    let high = bars.iter().map(|b| b.high).fold(f64::NEG_INFINITY, f64::max);
    // Where a price has multiplied, equal distances should be equal returns, or the early trades vanish at the bottom.
    let multiplied =
        low > 0.0 && high / low >= MULTIPLIED && layers.iter().filter_map(Layer::extent).all(|(_, y)| y.0 > 0.0);
    let (spreads, scale): (&[Spread], _) =
        if multiplied { (&[Spread::Log], ", log scale") } else { (&[Spread::Linear], "") };
    vec![Block::Plot(Plot {
        id: format!("price-{place}"),
        title: format!("{} on {}, {}{scale}", instrument.symbol, instrument.venue, instrument.currency),
        horizontal: Horizontal::Time,
        measure: Measure::Amount,
        spreads,
        height: TALL,
        layers,
    })]
}

fn round_trips(run: &RunRecord) -> Table {
    let rows = run.round_trips.iter().take(TABLE_ROWS).map(|t| {
        let share = if t.entry > 0.0 { t.exit / t.entry - 1.0 } else { 0.0 };
        let share = if t.side == Side::Sell { -share } else { share };
        vec![
            stamp_cell(t.opened),
            stamp_cell(t.closed),
            Cell::text(&run.instruments[t.instrument as usize].symbol),
            Cell::text(&run.strategies[t.strategy as usize].id),
            Cell::text(if t.side == Side::Buy { "long" } else { "short" }),
            Cell::number(t.qty, quantity(t.qty)),
            Cell::number(t.entry, amount(t.entry)),
            Cell::number(t.exit, amount(t.exit)),
            Cell::money(share, signed(percent(share, 2))),
            Cell::number(t.fees, amount(t.fees)),
            Cell::money(t.pnl, signed(amount(t.pnl))),
        ]
    });
    Table {
        caption: "Round trips".into(),
        columns: vec![
            words("Opened (UTC)"),
            words("Closed (UTC)"),
            words("Instrument"),
            words("Strategy"),
            words("Side"),
            numbers("Quantity"),
            numbers("Entry"),
            numbers("Exit"),
            numbers("Move"),
            numbers("Fees"),
            numbers("Profit"),
        ],
        rows: rows.collect(),
        total: Some(("round trip", run.round_trips_total)),
    }
}

fn fills(run: &RunRecord) -> Table {
    let decimal = |text: &str| Cell { value: text.parse().ok(), ..Cell::text(text) };
    let rows = run.fills.iter().take(TABLE_ROWS).map(|f| {
        let realised = f.realised.as_deref().map_or(Cell::text(""), |text| {
            let cell = decimal(text);
            Cell { tone: Tone::of(cell.value.unwrap_or(0.0)), ..cell }
        });
        vec![
            stamp_cell(f.ts),
            Cell::text(&run.instruments[f.instrument as usize].symbol),
            Cell::text(&run.strategies[f.strategy as usize].id),
            Cell::text(if f.side == Side::Buy { "buy" } else { "sell" }),
            decimal(&f.qty),
            decimal(&f.price),
            Cell { text: format!("{} {}", f.fee, f.fee_currency), ..decimal(&f.fee) },
            Cell::text(if f.liquidity == Liquidity::Maker { "maker" } else { "taker" }),
            realised,
        ]
    });
    Table {
        caption: "Fills".into(),
        columns: vec![
            words("Time (UTC)"),
            words("Instrument"),
            words("Strategy"),
            words("Side"),
            numbers("Quantity"),
            numbers("Price"),
            numbers("Fee"),
            words("Liquidity"),
            numbers("Realised"),
        ],
        rows: rows.collect(),
        total: Some(("fill", run.fills_total)),
    }
}

fn costs(run: &RunRecord) -> Vec<Block> {
    let modelled: Vec<(&str, f64)> = run.costs.modelled().collect();
    let missing: Vec<&str> = run.costs.named().into_iter().filter(|(_, c)| c.is_none()).map(|(name, _)| name).collect();
    let mut blocks = Vec::new();
    if let Some(total) = run.costs.total() {
        let mut facts = vec![Fact::new("All costs", format!("{} {}", amount(total), run.currency))];
        facts.extend(cost_share(run).map(|share| Fact::new("Share of gross profit", percent(share, 2))));
        let each = |name: &str, n: u64| {
            (n > 0).then(|| Fact::new(name, format!("{} {}", amount(total / n as f64), run.currency)))
        };
        facts.extend(each("For each round trip", run.round_trips_total));
        facts.extend(each("For each fill", run.fills_total));
        blocks.push(Block::Facts(facts));
        blocks.push(Block::Bars(Bars {
            id: "costs".into(),
            title: format!("Costs, {}", run.currency),
            rows: modelled.iter().map(|(name, cost)| ((*name).to_owned(), *cost, amount(*cost))).collect(),
            inks: (Ink::Loss, Ink::Gain),
            limit: None,
        }));
    }
    if !missing.is_empty() {
        blocks.push(Block::Notes {
            tone: Tone::Warn,
            title: "Not in the record",
            items: missing.into_iter().map(|name| format!("{name}: not measured in this run")).collect(),
        });
    }
    blocks
}

fn accounts(run: &RunRecord) -> Vec<Block> {
    let mut rows = Vec::new();
    for (account, currencies) in &run.balances {
        for (currency, balance) in currencies {
            let equity = run.account_equity.get(account).and_then(|of| of.get(currency));
            rows.push(vec![
                Cell::text(account),
                Cell::text(currency),
                Cell { value: balance.parse().ok(), ..Cell::text(balance) },
                Cell { value: equity.and_then(|e| e.parse().ok()), ..Cell::text(equity.map_or("", String::as_str)) },
            ]);
        }
    }
    for (account, currencies) in &run.account_equity {
        let known = |currency: &String| run.balances.get(account).is_some_and(|of| of.contains_key(currency));
        for (currency, equity) in currencies.iter().filter(|(currency, _)| !known(currency)) {
            rows.push(vec![
                Cell::text(account),
                Cell::text(currency),
                Cell::text(""),
                Cell { value: equity.parse().ok(), ..Cell::text(equity) },
            ]);
        }
    }
    if rows.is_empty() {
        return vec![Block::Text("The record holds no balance.".into())];
    }
    let columns = vec![words("Account"), words("Currency"), numbers("Balance (exact)"), numbers("Equity (exact)")];
    vec![Block::Table(Table { columns, rows, ..Table::default() })]
}

fn orders(run: &RunRecord) -> Vec<Block> {
    let tally = |title: &str, name: &'static str, of: &std::collections::BTreeMap<String, u64>| {
        let rows = of.iter().map(|(key, n)| vec![Cell::text(key), Cell::count(*n)]).collect();
        Block::Table(Table { caption: title.into(), columns: vec![words(name), numbers("Orders")], rows, total: None })
    };
    let mut blocks = vec![Block::Facts(vec![
        Fact::new("Orders", count(run.orders_total())),
        Fact::new("Fills", count(run.fills_total)),
        Fact::new("Positions opened", count(run.positions)),
        Fact::new("Account events", count(run.account_events)),
        Fact::new("Orders denied by risk", count(run.denials.values().sum())),
    ])];
    if run.orders.is_empty() {
        blocks.push(Block::Text("No order was sent.".into()));
    } else {
        blocks.push(tally("Orders by final status", "Status", &run.orders));
    }
    if run.denials.is_empty() {
        blocks.push(Block::Text("Risk denied no order.".into()));
    } else {
        blocks.push(tally("Orders denied by risk", "Deny code", &run.denials));
    }
    blocks
}

fn assumptions(run: &RunRecord) -> Vec<Block> {
    let named = |optimistic: bool| -> Vec<String> {
        run.assumptions.iter().filter(|a| a.optimistic == optimistic).map(|a| a.text.clone()).collect()
    };
    let parts = [
        (Tone::Warn, "Optimistic assumptions: they flatter the result", named(true)),
        (Tone::Warn, "Warnings", run.warnings.clone()),
        (Tone::Plain, "Other assumptions", named(false)),
    ];
    let blocks: Vec<Block> = parts
        .into_iter()
        .filter(|(_, _, items)| !items.is_empty())
        .map(|(tone, title, items)| Block::Notes { tone, title, items })
        .collect();
    if blocks.is_empty() { vec![Block::Text("The record names no assumption and no warning.".into())] } else { blocks }
}

fn data(run: &RunRecord) -> Vec<Block> {
    let rows = run.sources.iter().map(|s| {
        let dropped: Vec<String> = s.dropped.iter().map(|(reason, n)| format!("{reason}: {}", count(*n))).collect();
        vec![
            Cell::text(&s.path),
            Cell::count(s.rows),
            stamp_cell(s.first),
            stamp_cell(s.last),
            Cell::text(if dropped.is_empty() { "none".into() } else { dropped.join(", ") }),
            Cell::text(&s.blake3),
        ]
    });
    let columns = vec![
        words("File"),
        numbers("Rows"),
        words("First (UTC)"),
        words("Last (UTC)"),
        words("Dropped"),
        words("BLAKE3"),
    ];
    let mut blocks = Vec::new();
    if run.sources.is_empty() {
        blocks.push(Block::Text("The record names no data file.".into()));
    } else {
        blocks.push(Block::Table(Table { columns, rows: rows.collect(), ..Table::default() }));
    }
    let or_unknown = |text: &str| if text.is_empty() { number::UNDEFINED.to_owned() } else { text.to_owned() };
    blocks.push(Block::Facts(vec![
        Fact::new("Run hash", or_unknown(&run.run_hash)),
        Fact::new("Commit", or_unknown(&run.commit)),
        Fact::new("Machine", or_unknown(&run.machine)),
        Fact::new("Made", or_unknown(&run.created)),
    ]));
    match &run.journal {
        Some(journal) => {
            blocks.push(Block::Text("The run replays from its journal, and the hash above is checked:".into()));
            blocks.push(Block::Command(format!("starling replay {} --verify", shell_word(journal))));
        }
        None => blocks.push(Block::Text("No journal was kept, so this run cannot be replayed.".into())),
    }
    blocks
}

fn speed(run: &RunRecord) -> Vec<Block> {
    let mut blocks = vec![Block::Facts(vec![
        Fact::new("Events", count(run.events)),
        Fact::new("Wall time", number::duration(run.elapsed_ns)),
        Fact::new("Events a second", grouped(run.events_per_s, 0)),
    ])];
    if !run.order_cost_curve.is_empty() {
        let line: Vec<String> = run
            .order_cost_curve
            .iter()
            .map(|p| format!("{} ns at {}", grouped(p.ns_per_order, 0), counted(p.orders, "order")))
            .collect();
        blocks.push(Block::Text(format!("Cost of an order: {}.", line.join(", "))));
        let mut points: Vec<(f64, f64)> =
            run.order_cost_curve.iter().filter(|p| p.orders > 0).map(|p| (p.orders as f64, p.ns_per_order)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        if points.len() >= 2 {
            blocks.push(Block::Plot(Plot {
                id: "order-cost".into(),
                title: "Nanoseconds for each order, by the number of orders in the run".into(),
                horizontal: Horizontal::Amount,
                measure: Measure::Amount,
                spreads: &[Spread::Linear],
                height: SHORT,
                layers: vec![Layer {
                    name: "ns for each order".into(),
                    ink: Ink::Series(0),
                    shape: Shape::Dotted(points),
                }],
            }));
        }
    }
    if !run.timings.is_empty() {
        let all: u64 = run.timings.iter().map(|t| t.total_ns).sum();
        let rows = run.timings.iter().map(|t| {
            let each = if t.calls == 0 { 0.0 } else { t.total_ns as f64 / t.calls as f64 };
            let share = if all == 0 { 0.0 } else { t.total_ns as f64 / all as f64 };
            vec![
                Cell::text(&t.component),
                Cell::count(t.calls),
                Cell::number(t.total_ns as f64, number::duration(t.total_ns)),
                Cell::number(each, format!("{} ns", grouped(each, 0))),
                Cell::number(share, percent(share, 1)),
            ]
        });
        blocks.push(Block::Table(Table {
            caption: "Wall time by component".into(),
            columns: vec![words("Component"), numbers("Calls"), numbers("Time"), numbers("Each"), numbers("Share")],
            rows: rows.collect(),
            total: None,
        }));
    }
    if !run.indicators.is_empty() {
        blocks.push(Block::Table(Table {
            caption: "Indicators".into(),
            columns: vec![words("Indicator"), numbers("Inputs")],
            rows: run.indicators.iter().map(|(name, n)| vec![Cell::text(name), Cell::count(*n)]).collect(),
            total: None,
        }));
    }
    blocks
}

fn conventions(run: &RunRecord) -> Vec<Block> {
    let known = STATISTICS.iter().filter(|s| run.statistics.contains_key(s.key));
    let items: Vec<_> =
        known.map(|s| (s.key, s.label, s.convention_for(run.periods_per_year, run.risk_free))).collect();
    if items.is_empty() {
        return vec![Block::Text("The record holds no statistics, so there is nothing to define.".into())];
    }
    vec![Block::Definitions(items)]
}

fn seconds(ts: UnixNanos) -> f64 {
    ts.get() as f64 / SECOND as f64
}

fn date(ts: UnixNanos) -> String {
    let (year, month, day) = ts.civil();
    format!("{year:04}-{month:02}-{day:02}")
}

/// A stamp as a reader writes it; its column says that it is UTC. Midnight is a date.
fn stamp_cell(ts: UnixNanos) -> Cell {
    let text = ts.to_string();
    let text = text.trim_end_matches('Z').replace('T', " ");
    Cell::text(text.strip_suffix(" 00:00:00").unwrap_or(&text))
}

/// A quantity without the zeros that say nothing.
fn quantity(value: f64) -> String {
    let text = grouped(value, 9);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
