//! The ledger: fills booked, positions valued, snapshots, commissions.

use std::hint::black_box;
use std::sync::Arc;

use starling_core::instrument::InstrumentKind;
use starling_core::order::Liquidity;
use starling_core::{
    AccountId, Currency, CurrencyId, CurrencyTable, Instrument, InstrumentId, InstrumentTable, Money, Price, Qty,
    Rounding, Side, StrategyId, VenueId,
};
use starling_engine::ledger::{AccountKind, AccountSpec, Ledger};
use starling_engine::marks::Marks;
use starling_sim::model::{FeeBasis, FeeModel, FeeTier};

use super::{BenchError, Prepared, Workload, rig};

const SUITE: &str = "portfolio_updates";
/// Fills of one execution, and calls of the small ones.
const FILLS: u64 = 1_000;
/// What the requirement gives an update, a figure over all positions, and a fill with its commission, nanoseconds.
const UPDATE_NS: f64 = 100_000.0;
const PROFIT_NS: f64 = 50_000.0;
const TRADE_NS: f64 = 200_000.0;
/// The same for a hundred trades together, a value of 50 positions, and a snapshot of 50.
const HUNDRED_TRADES_NS: f64 = 10e6;
const VALUE_OF_50_NS: f64 = 1e6;
const SNAPSHOT_OF_50_NS: f64 = 500_000.0;

pub(super) fn workloads() -> Vec<Workload> {
    let mut list = Vec::new();
    let fills = (FILLS, "fills");
    let update = |name, buys: fn(u64) -> bool| {
        Workload::new(SUITE, "position", name, fills, move || book(1, buys)).held_to(Some(UPDATE_NS), None, None)
    };
    list.extend([update("opened and closed in turns", |n| n % 2 == 0), update("added to", |_| true)]);
    for trades in [1, 10, 50, 100] {
        let name = format!("{trades} over {} symbols", trades.min(10));
        let limit = if trades == 100 { HUNDRED_TRADES_NS / 100.0 } else { TRADE_NS };
        let workload = Workload::new(SUITE, "trades", name, (trades, "trades"), move || trades_over(trades));
        list.push(workload.held_to(Some(limit), None, None));
    }
    for positions in [50, 1_000] {
        // The requirement is for 50 positions; a thousand are held to as much for each of them.
        let each = |limit: f64| Some(limit / 50.0);
        let items = (positions as u64, "positions");
        for figure in [Figure::Unrealised, Figure::Realised, Figure::Equity] {
            let name = format!("{} over {positions}", figure.name());
            // What is realised is a running total: it is told by the call.
            let (items, limit) =
                if figure == Figure::Realised { ((1, "calls"), Some(PROFIT_NS)) } else { (items, each(PROFIT_NS)) };
            let workload = Workload::new(SUITE, "profit", name, items, move || value(positions, figure));
            list.push(workload.held_to(limit, None, None));
        }
        for figure in [Figure::MarketValue, Figure::BuyingPower, Figure::Leverage, Figure::Count] {
            let name = format!("{} over {positions}", figure.name());
            let workload = Workload::new(SUITE, "value", name, items, move || value(positions, figure));
            list.push(workload.held_to(each(VALUE_OF_50_NS), None, None));
        }
    }
    for (name, weight, expected) in
        [("by value", None, 99.0), ("by weight of 5 %", Some(0.05), 499.0), ("at most 10 %", Some(0.10), 999.0)]
    {
        list.push(Workload::new(SUITE, "sizing", name, (FILLS, "calls"), move || size(weight, expected)));
    }
    for positions in [10, 50, 100] {
        let items = (positions as u64, "positions");
        let workload = Workload::new(SUITE, "snapshot", positions.to_string(), items, move || snapshot(positions));
        list.push(workload.held_to(Some(SNAPSHOT_OF_50_NS / 50.0), None, None));
    }
    let rate = |text: &str| text.parse().expect("a rate");
    let tier = |from: i64, taker: &str| FeeTier { from: Money::from_int(from), maker: rate(taker), taker: rate(taker) };
    let models = [
        ("fixed", FeeModel::PerOrder { amount: Money::ONE }, 1.0),
        ("0.1 %", FeeModel::Instrument, 0.1),
        // 100 traded before: the second tier.
        ("tiered (100, 500)", FeeModel::Tiered(vec![tier(0, "0.002"), tier(100, "0.001"), tier(500, "0.0005")]), 0.1),
    ];
    list.extend(models.map(|(name, model, fee)| {
        Workload::new(SUITE, "commission", name, (FILLS, "fills"), move || Ok(commission(model.clone(), fee))).held_to(
            Some(TRADE_NS),
            None,
            None,
        )
    }));
    list
}

fn input(error: impl std::fmt::Display) -> BenchError {
    BenchError::Input(error.to_string())
}

fn shares(symbols: usize) -> Result<(Ledger, Marks), BenchError> {
    let currencies = CurrencyTable::freeze(vec![Currency { code: "USD".into(), digits: 2 }]).map_err(input)?;
    let share = |i| Instrument::new(format!("S{i:04}"), VenueId(0), InstrumentKind::Equity, CurrencyId(0), 2, 3);
    let instruments = InstrumentTable::freeze((0..symbols).map(share).collect()).map_err(input)?;
    let mut account = AccountSpec::new("margin", VenueId(0), AccountKind::Margin);
    account.opening = vec![(CurrencyId(0), Money::from_int(1_000_000_000))];
    let marks = Marks::new(instruments.len());
    Ok((Ledger::new(vec![account], Arc::new(instruments), Arc::new(currencies)).map_err(input)?, marks))
}

/// Fills booked with their postings; the answer is the change of the position, less a cent of commission each.
fn book(symbols: usize, buys: fn(u64) -> bool) -> Result<Prepared, BenchError> {
    let (mut ledger, marks) = shares(symbols)?;
    let mut postings = Vec::new();
    let mut number = 0;
    let bought = (0..FILLS).map(|n| if buys(n) { 1.0 } else { -1.0 }).sum::<f64>();
    let work = move || {
        let held = ledger.net_position(AccountId(0), InstrumentId(0));
        let commission = ledger.commission_total(AccountId(0), CurrencyId(0));
        for n in 0..FILLS {
            number += 1;
            let fill = rig::fill(0, number, if buys(n) { Side::Buy } else { Side::Sell });
            postings.clear();
            ledger.post_fill(AccountId(0), StrategyId(0), black_box(&fill), &marks, &mut postings).map_err(input)?;
        }
        let gained = ledger.net_position(AccountId(0), InstrumentId(0)) - held;
        Ok(gained.to_f64() - (ledger.commission_total(AccountId(0), CurrencyId(0)) - commission).to_f64())
    };
    Ok(Prepared { work: Box::new(work), expected: Some(bought - FILLS as f64 / 100.0) })
}

/// As many trades, symbol after symbol; the answer is how many transactions they made.
fn trades_over(trades: u64) -> Result<Prepared, BenchError> {
    let symbols = trades.min(10);
    let (mut ledger, marks) = shares(symbols as usize)?;
    let mut postings = Vec::new();
    let mut number = 0;
    let work = move || {
        let before = ledger.transactions();
        for _ in 0..trades {
            number += 1;
            let side = if (number / symbols).is_multiple_of(2) { Side::Buy } else { Side::Sell };
            let fill = rig::fill((number % symbols) as usize, number, side);
            postings.clear();
            ledger.post_fill(AccountId(0), StrategyId(0), black_box(&fill), &marks, &mut postings).map_err(input)?;
        }
        Ok((ledger.transactions() - before) as f64)
    };
    Ok(Prepared { work: Box::new(work), expected: Some(trades as f64) })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    Unrealised,
    Realised,
    Equity,
    MarketValue,
    BuyingPower,
    Leverage,
    Count,
}

impl Figure {
    fn name(self) -> &'static str {
        match self {
            Self::Unrealised => "unrealised",
            Self::Realised => "realised net of fees",
            Self::Equity => "total",
            Self::MarketValue => "market value",
            Self::BuyingPower => "buying power",
            Self::Leverage => "leverage",
            Self::Count => "count",
        }
    }

    fn of(self, ledger: &Ledger, marks: &Marks) -> f64 {
        let (account, currency) = (AccountId(0), CurrencyId(0));
        let told = |money: Option<Money>| money.map_or(f64::NAN, Money::to_f64);
        let sum = |of: &dyn Fn(starling_core::PositionId) -> Option<Money>| {
            let positions = ledger.positions().iter();
            told(positions.map(|p| of(p.id)).sum::<Option<Money>>())
        };
        match self {
            Self::Unrealised => sum(&|id| ledger.unrealised(id, marks)),
            Self::Realised => {
                (ledger.realised_total(account, currency) - ledger.commission_total(account, currency)).to_f64()
            }
            Self::Equity => told(ledger.equity(account, currency, marks)),
            Self::MarketValue => sum(&|id| ledger.market_value(id, marks)),
            Self::BuyingPower => {
                told(ledger.equity(account, currency, marks)) - told(ledger.margin_used(account, currency, marks))
            }
            Self::Leverage => {
                told(ledger.gross_notional(account, currency, marks)) / told(ledger.equity(account, currency, marks))
            }
            Self::Count => ledger.positions().iter().filter(|p| !p.is_flat()).count() as f64,
        }
    }

    /// Of `n` positions of one unit, bought at 100 with a cent of commission, marked 101, over 1,000,000,000.
    fn exact(self, n: f64) -> f64 {
        let equity = 1e9 + n - n / 100.0;
        match self {
            Self::Unrealised | Self::Count => n,
            Self::Realised => -n / 100.0,
            // No margin is asked for these shares.
            Self::Equity | Self::BuyingPower => equity,
            Self::MarketValue => 101.0 * n,
            Self::Leverage => 101.0 * n / equity,
        }
    }
}

fn held(positions: usize) -> Result<(Ledger, Marks), BenchError> {
    let (mut ledger, mut marks) = shares(positions)?;
    let mut postings = Vec::new();
    for i in 0..positions {
        let fill = rig::fill(i, i as u64 + 1, Side::Buy);
        ledger.post_fill(AccountId(0), StrategyId(0), &fill, &marks, &mut postings).map_err(input)?;
        marks.set_last(InstrumentId::from(i), Price::from_int(101), fill.ts);
    }
    Ok((ledger, marks))
}

fn value(positions: usize, figure: Figure) -> Result<Prepared, BenchError> {
    let (ledger, marks) = held(positions)?;
    let work = move || Ok(figure.of(black_box(&ledger), black_box(&marks)));
    Ok(Prepared { work: Box::new(work), expected: Some(figure.exact(positions as f64)) })
}

/// Whole shares for 10,000, or for a share of 1,000,000, at 101, less one for the price to move; the same each time.
fn size(weight: Option<f64>, expected: f64) -> Result<Prepared, BenchError> {
    let equity = 1_009_999.0;
    let work = move || {
        let mut sum = Qty::ZERO;
        for _ in 0..FILLS {
            let amount = black_box(weight).map_or(10_000.0, |w| w * black_box(equity));
            let qty = Qty::from_f64(amount / black_box(101.0), Qty::ONE, Rounding::TowardZero);
            sum += qty.unwrap_or_default();
        }
        Ok(sum.to_f64())
    };
    Ok(Prepared { work: Box::new(work), expected: Some(expected * FILLS as f64) })
}

/// The state of the ledger as bytes; the answer is the number of positions in it.
fn snapshot(positions: usize) -> Result<Prepared, BenchError> {
    let (ledger, _) = held(positions)?;
    let (mut again, _) = shares(positions)?;
    let bytes = serde_json::to_vec(ledger.snapshot()).map_err(input)?;
    again.restore(serde_json::from_slice(&bytes).map_err(input)?).map_err(input)?;
    let expected = again.positions_opened() as f64;
    let mut written = Vec::with_capacity(bytes.len());
    let work = move || {
        written.clear();
        serde_json::to_writer(&mut written, black_box(ledger.snapshot())).map_err(input)?;
        Ok(if written == bytes { ledger.positions_opened() as f64 } else { f64::NAN })
    };
    Ok(Prepared { work: Box::new(work), expected: Some(expected) })
}

/// A thousand fills of one unit at 100; the answer is what they cost.
fn commission(model: FeeModel, each: f64) -> Prepared {
    let mut share = Instrument::new("S", VenueId(0), InstrumentKind::Equity, CurrencyId(0), 2, 3);
    share.taker_fee = "0.001".parse().expect("a rate");
    let work = move || {
        let mut sum = Money::ZERO;
        for _ in 0..FILLS {
            let mut basis = FeeBasis::default();
            let fill = (Qty::ONE, Price::from_int(100), Liquidity::Taker);
            sum += model.charge(black_box(&share), black_box(fill), Money::from_int(100), 2, &mut basis);
        }
        Ok(sum.to_f64())
    };
    Prepared { work: Box::new(work), expected: Some(each * FILLS as f64) }
}
