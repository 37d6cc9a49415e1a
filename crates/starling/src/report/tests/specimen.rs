//! Records to render: one as large as a real run of 13 years, one small enough to read, one of a run that did nothing.

use std::collections::BTreeMap;

use starling_core::time::{DAY, HOUR, SECOND};
use starling_core::{Liquidity, Side, UnixNanos};
use starling_lab::tearsheet::{
    Assumption, Benchmark, ComponentTiming, Costs, DataSource, EquityPoint, FillRecord, InstrumentRecord, OrderCost,
    PnlPoint, PricePoint, RoundTrip, RunRecord, StrategyRecord, drawdown,
};

/// SplitMix64 (Steele, Lea and Flood 2014): the same walk on every machine.
pub(super) struct Walk(pub(super) u64);

impl Walk {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    /// About standard normal: the sum of twelve uniforms (Irwin-Hall).
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

fn day(year: i32, month: u32, day: u32) -> UnixNanos {
    UnixNanos::from_civil(year, month, day).unwrap()
}

/// Weekdays of 13 years, stamped at 21:00 UTC.
fn sessions() -> Vec<UnixNanos> {
    let first = day(2011, 1, 3);
    let days = day(2024, 1, 1).unix_day() - first.unix_day();
    (0..days).map(|n| first + n * DAY + 21 * HOUR).filter(|ts| (ts.unix_day() + 3) % 7 < 5).collect()
}

/// A position being held.
struct Held {
    opened: UnixNanos,
    qty: f64,
    entry: f64,
    fee: f64,
}

/// Five instruments over 13 years, long above the 60-day mean and flat below it.
pub(crate) fn thirteen_years() -> RunRecord {
    let mut run = RunRecord::new("Trend following on five walks", "USD", 1_000_000.0);
    let sessions = sessions();
    run.start = day(2011, 1, 3);
    run.end = *sessions.last().unwrap();
    let names = [("AAPL", 46.0), ("MSFT", 27.0), ("BRK.B", 80.0), ("XOM", 73.0), ("BTCUSD", 0.3)];
    for (place, (symbol, first)) in names.into_iter().enumerate() {
        let mut walk = Walk(7 + place as u64);
        let (drift, noise) = if symbol == "BTCUSD" { (0.0016, 0.035) } else { (0.0004, 0.013) };
        let mut close: f64 = first;
        let prices = sessions.iter().map(|&ts| {
            let open = close * (1.0 + noise * 0.2 * walk.normal());
            close = open * (drift + noise * walk.normal()).exp();
            let reach = 1.0 + noise * 0.6 * walk.unit();
            PricePoint { ts, open, high: open.max(close) * reach, low: open.min(close) / reach, close }
        });
        run.instruments.push(InstrumentRecord {
            symbol: symbol.into(),
            venue: if symbol == "BTCUSD" { "COINBASE" } else { "XNAS" }.into(),
            currency: "USD".into(),
            prices: prices.collect(),
        });
    }
    trade(&mut run, &sessions);
    describe(&mut run);
    run
}

fn trade(run: &mut RunRecord, sessions: &[UnixNanos]) {
    let (mut cash, mut fees) = (run.initial_equity, [0.0; 5]);
    let mut held: [Option<Held>; 5] = Default::default();
    let mut realised = [0.0; 5];
    let mut curves: [Vec<PnlPoint>; 5] = Default::default();
    for (t, &ts) in sessions.iter().enumerate() {
        for place in 0..5 {
            let prices = &run.instruments[place].prices;
            let close = prices[t].close;
            let above = t >= 60 && close > prices[t - 60..t].iter().map(|p| p.close).sum::<f64>() / 60.0 * 1.01;
            let side = match (&held[place], above) {
                (None, true) => Side::Buy,
                (Some(_), false) => Side::Sell,
                _ => {
                    let open = held[place].as_ref().map_or(0.0, |h| (close - h.entry) * h.qty - h.fee);
                    curves[place].push(PnlPoint { ts, pnl: realised[place] + open });
                    continue;
                }
            };
            let qty = held[place].as_ref().map_or_else(|| (run.initial_equity * 0.2 / close).floor(), |h| h.qty);
            let fee = qty * close * 0.0005;
            fees[place] += fee;
            let gain = held[place].as_ref().map(|h| (close - h.entry) * h.qty);
            run.fills.push(FillRecord {
                ts,
                instrument: place as u32,
                strategy: place as u32 % 3,
                side,
                qty: format!("{qty:.0}"),
                price: format!("{close:.4}"),
                fee: format!("{fee:.2}"),
                fee_currency: "USD".into(),
                liquidity: if t % 4 == 0 { Liquidity::Maker } else { Liquidity::Taker },
                realised: gain.map(|g| format!("{g:.2}")),
            });
            match held[place].take() {
                Some(h) => {
                    cash += qty * close - fee;
                    let pnl = (close - h.entry) * qty - fee - h.fee;
                    realised[place] += pnl;
                    run.round_trips.push(RoundTrip {
                        opened: h.opened,
                        closed: ts,
                        instrument: place as u32,
                        strategy: place as u32 % 3,
                        side: Side::Buy,
                        qty,
                        entry: h.entry,
                        exit: close,
                        pnl,
                        fees: fee + h.fee,
                    });
                }
                None => {
                    cash -= qty * close + fee;
                    held[place] = Some(Held { opened: ts, qty, entry: close, fee });
                }
            }
            let open = held[place].as_ref().map_or(0.0, |h| (close - h.entry) * h.qty - h.fee);
            curves[place].push(PnlPoint { ts, pnl: realised[place] + open });
        }
        let gross: f64 =
            (0..5).map(|i| held[i].as_ref().map_or(0.0, |h| h.qty * run.instruments[i].prices[t].close)).sum();
        run.equity.push(EquityPoint { ts, equity: cash + gross, gross_exposure: gross, net_exposure: gross, cash });
    }
    run.fills_total = run.fills.len() as u64;
    run.round_trips_total = run.round_trips.len() as u64;
    for (id, kind, places) in [
        ("trend-us", "ema_cross", vec![0, 3]),
        ("trend-tech", "ema_cross", vec![1, 4]),
        ("value", "mean_reversion", vec![2]),
    ] {
        let pnl = (0..sessions.len())
            .map(|t| PnlPoint { ts: sessions[t], pnl: places.iter().map(|&i: &usize| curves[i][t].pnl).sum() });
        let fills = run.fills.iter().filter(|f| places.contains(&(f.instrument as usize))).count() as u64;
        run.strategies.push(StrategyRecord {
            id: id.into(),
            kind: kind.into(),
            parameters: vec![
                ("fast".into(), "10".into()),
                ("slow".into(), "60".into()),
                ("band".into(), "0.01".into()),
            ],
            pnl: pnl.collect(),
            orders: fills,
            fills,
            fees: places.iter().map(|&i| fees[i]).sum(),
        });
    }
    run.costs.commission = Some(fees.iter().sum());
    let share = run.initial_equity / 5.0;
    let points = sessions.iter().enumerate().map(|(t, &ts)| {
        let equity = run.instruments[..4].iter().map(|i| share * 1.25 * i.prices[t].close / i.prices[0].close).sum();
        EquityPoint { ts, equity, gross_exposure: equity, net_exposure: equity, cash: 0.0 }
    });
    run.benchmarks.push(Benchmark {
        name: "buy and hold".into(),
        description: "equal parts of the four shares, bought at the first close, never rebalanced".into(),
        points: points.collect(),
    });
}

fn describe(run: &mut RunRecord) {
    run.created = "2026-11-21T04:00:00Z".into();
    run.commit = "53d8c34".into();
    run.machine = "2 cores, 23 GiB".into();
    run.run_hash = "9f2c".repeat(16);
    run.journal = Some("out/trend.journal".into());
    run.costs =
        Costs { slippage: Some(8_312.4), spread: Some(21_874.09), funding: None, commission: run.costs.commission };
    for (i, instrument) in run.instruments.iter().enumerate() {
        run.sources.push(DataSource {
            path: format!("bars/{}.csv.gz", instrument.symbol.to_lowercase()),
            blake3: format!("{i}a7e").repeat(16),
            rows: instrument.prices.len() as u64,
            first: instrument.prices[0].ts,
            last: instrument.prices[instrument.prices.len() - 1].ts,
            dropped: if i == 4 {
                BTreeMap::from([("duplicate".into(), 3), ("stale".into(), 1)])
            } else {
                BTreeMap::new()
            },
        });
    }
    let n = run.fills_total;
    run.orders = BTreeMap::from([("filled".into(), n), ("canceled".into(), 12), ("rejected".into(), 2)]);
    run.denials = BTreeMap::from([("max_notional".into(), 7), ("price_band".into(), 1)]);
    run.positions = run.round_trips_total;
    run.account_events = n + 1;
    let (cash, equity) = run.equity.last().map(|p| (p.cash, p.equity)).unwrap();
    run.balances = BTreeMap::from([("SIM".into(), BTreeMap::from([("USD".into(), format!("{cash:.2}"))]))]);
    run.account_equity = BTreeMap::from([("SIM".into(), BTreeMap::from([("USD".into(), format!("{equity:.2}"))]))]);
    run.indicators = BTreeMap::from([("EMA(10)".into(), 16_960), ("EMA(60)".into(), 16_960)]);
    run.events = 67_840;
    run.elapsed_ns = 41_250_000;
    run.events_per_s = 67_840.0 / 0.041_25;
    run.warnings = vec!["BTCUSD has no volume before 2012-03-01; its fills there assume the default volume.".into()];
    run.assumptions = vec![
        Assumption { text: "Limit orders fill when the price is touched.".into(), optimistic: true },
        Assumption { text: "Orders consume no liquidity.".into(), optimistic: true },
        Assumption { text: "Commission is 5 basis points of notional on both sides.".into(), optimistic: false },
        Assumption { text: "Daily bars walk open, high, low, close.".into(), optimistic: false },
    ];
    run.order_cost_curve = [(1_000, 812.0), (10_000, 774.0), (45_000, 790.5)]
        .map(|(orders, ns_per_order)| OrderCost { orders, ns_per_order })
        .to_vec();
    run.timings = [("strategies", 67_840, 9_100_000), ("risk", n, 120_000), ("journal", 67_840, 14_000_000)]
        .map(|(component, calls, total_ns)| ComponentTiming { component: component.into(), calls, total_ns })
        .to_vec();
    let total = run.profit() / run.initial_equity;
    let worst = drawdown(run.initial_equity, &run.equity).into_iter().map(|d| d.1).fold(0.0, f64::min);
    let trips = &run.round_trips;
    let hits = trips.iter().filter(|t| t.pnl > 0.0).count() as f64 / trips.len() as f64;
    run.risk_free = 0.02;
    run.statistics = [
        ("total_return", Some(total)),
        ("cagr", Some((1.0 + total).powf(252.0 / run.equity.len() as f64) - 1.0)),
        ("volatility", Some(0.1284)),
        ("sharpe", Some(0.71)),
        ("sortino", Some(1.02)),
        ("calmar", Some(0.33)),
        ("max_drawdown", Some(worst)),
        ("max_drawdown_days", Some(612.0)),
        ("recovery_days", None),
        ("var_95", Some(0.0121)),
        ("cvar_95", Some(0.0187)),
        ("hit_rate", Some(hits)),
        ("profit_factor", Some(1.84)),
        ("expectancy", Some(trips.iter().map(|t| t.pnl).sum::<f64>() / trips.len() as f64)),
        ("turnover", Some(3.41)),
        ("exposure", Some(0.584)),
        ("alpha", Some(0.0213)),
        ("beta", Some(0.44)),
        ("correlation", Some(0.61)),
        ("best_day", Some(0.0613)),
        ("worst_day", Some(-0.0702)),
        ("skew", Some(0.12)),
        ("kurtosis", Some(4.9)),
        ("trades", Some(trips.len() as f64)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
}

/// Four days, one instrument, one round trip: small enough to check by eye.
pub(crate) fn four_days() -> RunRecord {
    let mut run = RunRecord::new("Four days", "USD", 1_000.0);
    run.start = day(2024, 1, 30);
    run.end = day(2024, 2, 2);
    run.created = "2026-11-21".into();
    run.commit = "53d8c34".into();
    run.machine = "a test".into();
    run.run_hash = "00ff".into();
    run.journal = Some("out/four days.journal".into());
    let stamps: Vec<UnixNanos> = (0..4).map(|n| run.start + n * DAY).collect();
    let prices = [100.0, 110.0, 99.0, 120.0];
    let equity = [999.9, 1_019.9, 997.9, 1_039.78];
    for (i, &ts) in stamps.iter().enumerate() {
        let held = if i < 3 { 2.0 * prices[i] } else { 0.0 };
        run.equity.push(EquityPoint {
            ts,
            equity: equity[i],
            gross_exposure: held,
            net_exposure: held,
            cash: equity[i] - held,
        });
    }
    run.benchmarks.push(Benchmark {
        name: "buy and hold".into(),
        description: "all of the capital in ABC at the first close".into(),
        points: stamps
            .iter()
            .zip(prices)
            .map(|(&ts, p)| EquityPoint {
                ts,
                equity: p * 10.0,
                gross_exposure: p * 10.0,
                net_exposure: p * 10.0,
                cash: 0.0,
            })
            .collect(),
    });
    run.instruments.push(InstrumentRecord {
        symbol: "ABC".into(),
        venue: "SIM".into(),
        currency: "USD".into(),
        prices: stamps
            .iter()
            .zip(prices)
            .map(|(&ts, p)| PricePoint { ts, open: p, high: p + 1.0, low: p - 1.0, close: p })
            .collect(),
    });
    run.strategies.push(StrategyRecord {
        id: "once".into(),
        kind: "buy_and_sell".into(),
        parameters: vec![("size".into(), "2".into())],
        pnl: stamps.iter().zip(equity).map(|(&ts, e)| PnlPoint { ts, pnl: e - 1_000.0 }).collect(),
        orders: 2,
        fills: 2,
        fees: 0.22,
    });
    let fill = |ts, side, price: &str, fee: &str, realised: Option<&str>| FillRecord {
        ts,
        instrument: 0,
        strategy: 0,
        side,
        qty: "2".into(),
        price: price.into(),
        fee: fee.into(),
        fee_currency: "USD".into(),
        liquidity: Liquidity::Taker,
        realised: realised.map(Into::into),
    };
    run.fills = vec![
        fill(stamps[0] + 9 * HOUR, Side::Buy, "100.00", "0.10", None),
        fill(stamps[3] - SECOND / 2, Side::Sell, "120.00", "0.12", Some("40.00")),
    ];
    run.fills_total = 2;
    run.round_trips = vec![RoundTrip {
        opened: run.fills[0].ts,
        closed: run.fills[1].ts,
        instrument: 0,
        strategy: 0,
        side: Side::Buy,
        qty: 2.0,
        entry: 100.0,
        exit: 120.0,
        pnl: 39.78,
        fees: 0.22,
    }];
    run.round_trips_total = 1;
    run.costs.commission = Some(0.22);
    run.orders = BTreeMap::from([("filled".into(), 2)]);
    run.positions = 1;
    run.account_events = 3;
    run.balances = BTreeMap::from([("SIM".into(), BTreeMap::from([("USD".into(), "1039.78".into())]))]);
    run.account_equity = run.balances.clone();
    run.events = 4;
    run.elapsed_ns = 2_000;
    run.events_per_s = 2_000_000.0;
    run.sources.push(DataSource {
        path: "abc.csv".into(),
        blake3: "ab".repeat(32),
        rows: 4,
        first: stamps[0],
        last: stamps[3],
        dropped: BTreeMap::new(),
    });
    run.assumptions = vec![Assumption { text: "Orders consume no liquidity.".into(), optimistic: true }];
    run.order_cost_curve = vec![
        OrderCost { orders: 1_000, ns_per_order: 812.0 },
        OrderCost { orders: 10_000, ns_per_order: 774.0 },
        OrderCost { orders: 45_000, ns_per_order: 790.0 },
    ];
    run.statistics = [("total_return", Some(0.03978)), ("sharpe", Some(1.5)), ("recovery_days", None)]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
    run
}

/// A run that read nothing and did nothing, apart from its opening equity.
pub(crate) fn nothing() -> RunRecord {
    let mut run = RunRecord::new("Nothing", "EUR", 500.0);
    run.start = day(2024, 1, 1);
    run.end = run.start;
    run.equity.push(EquityPoint { ts: run.start, equity: 500.0, gross_exposure: 0.0, net_exposure: 0.0, cash: 500.0 });
    run
}
