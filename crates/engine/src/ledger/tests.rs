//! Numbers that somebody else computed, or that are computed by hand beside the assertion.

use super::fixture::*;
use super::*;
use starling_core::VenueId;
use starling_core::fixed::Rounding;

const MAIN: AccountId = AccountId(0);

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

#[test]
fn a_short_marked_at_its_entry_has_no_profit() {
    for spec in [margin(&[("USD", "50000")]), cash(&[("USD", "50000")])] {
        let mut world = World::new(vec![spec]);
        world.trade("AAPL", "-100", "100");
        world.last("AAPL", "100");
        assert_eq!(world.unrealised(1), "0");
        assert_eq!(world.equity("USD").unwrap(), "50000");
    }
}

#[test]
fn profit_stays_realised_after_the_position_is_gone() {
    for (spec, cash_while_long) in [(margin(&[("USD", "50000")]), "50000"), (cash(&[("USD", "50000")]), "40000")] {
        let mut world = World::new(vec![spec]);
        world.trade("AAPL", "100", "100");
        assert_eq!(world.cash("USD"), cash_while_long);
        let sold = world.trade("AAPL", "-100", "110");
        assert_eq!(sold.realised, Money::from_int(1_000));
        assert!(sold.closed && !sold.opened);
        let position = world.ledger.position(sold.position).unwrap();
        assert_eq!((position.realised, position.qty, position.cost), (Money::from_int(1_000), Qty::ZERO, 0));
        assert_eq!(world.ledger.realised_total(MAIN, world.code("USD")), Money::from_int(1_000));
        assert_eq!(world.cash("USD"), "51000");
        assert_eq!(world.equity("USD").unwrap(), "51000", "nothing open needs no mark");
    }
}

#[test]
fn a_sale_through_zero_leaves_a_short_entered_at_its_price() {
    for spec in [margin(&[("USD", "50000")]), cash(&[("USD", "50000")])] {
        let mut world = World::new(vec![spec]);
        let bought = world.trade("AAPL", "100", "100");
        let sold = world.trade("AAPL", "-200", "110");
        assert_eq!(sold.position, bought.position, "one position id for the run");
        assert_eq!((sold.qty_before, sold.qty_after), (Qty::from_int(100), Qty::from_int(-100)));
        assert!(sold.opened && sold.closed);
        assert_eq!(sold.realised, Money::from_int(1_000));
        assert_eq!(world.entry(1), "110");
        world.quote("AAPL", "104", "105");
        // Short 100 from 110, bought back at the ask of 105.
        assert_eq!(world.unrealised(1), "500");
        assert_eq!(world.equity("USD").unwrap(), "51500");
        assert_eq!(world.ledger.positions()[0].cycles, 2);
        assert_eq!(world.ledger.positions_opened(), 1);
    }
}

#[test]
fn a_short_closed_in_parts_keeps_its_entry() {
    let mut world = World::new(vec![margin(&[("USD", "1000")])]);
    world.trade("AAPL", "-60", "50");
    world.trade("AAPL", "-40", "55");
    assert_eq!(world.entry(1), "52", "(60 * 50 + 40 * 55) / 100");
    let first = world.trade("AAPL", "25", "48");
    assert_eq!((first.realised.to_string(), world.entry(1)), ("100".into(), "52".into()));
    assert!(!first.opened && !first.closed);
    let second = world.trade("AAPL", "75", "53");
    assert_eq!(second.realised.to_string(), "-75");
    assert_eq!(world.cash("USD"), "1025");
}

/// The inventory example of every accounting primer: 100 bought at 10, 100 at 12, 120 sold at 15.
/// First in, first out: cost of sales 100 * 10 + 20 * 12 = 1,240, profit 560, 80 left at 12.
/// Average cost: 2,200 / 200 = 11 each, cost of sales 1,320, profit 480, 80 left at 11.
#[test]
fn first_in_first_out_and_average_cost_part_ways_until_flat() {
    let primer = [(CostMethod::Fifo, "560", "12", "160"), (CostMethod::Average, "480", "11", "240")];
    for (method, profit, entry, rest) in primer {
        for spec in [margin(&[("USD", "10000")]), cash(&[("USD", "10000")])] {
            let mut world = World::new(vec![AccountSpec { cost: method, ..spec }]);
            world.trade("AAPL", "100", "10");
            world.trade("AAPL", "100", "12");
            assert_eq!(world.entry(1), "11");
            assert_eq!(world.trade("AAPL", "-120", "15").realised.to_string(), profit);
            assert_eq!(world.entry(1), entry);
            // The remaining 80 at 14: 2 * 80 = 160 over 12, or 3 * 80 = 240 over 11; 720 in all, either way.
            assert_eq!(world.trade("AAPL", "-80", "14").realised.to_string(), rest);
            assert_eq!(world.cash("USD"), "10720");
            assert!(world.ledger.positions()[0].lots.is_empty());
        }
    }
}

#[test]
fn lots_leave_oldest_first_through_a_flip() {
    let mut world = World::new(vec![AccountSpec { cost: CostMethod::Fifo, ..margin(&[]) }]);
    for (qty, price) in [("10", "100"), ("5", "100"), ("20", "104"), ("5", "103"), ("-25", "110"), ("-20", "90")] {
        world.trade("AAPL", qty, price);
    }
    // -25 closes 15 @ 100 and 10 @ 104: 150 + 60; -20 closes 10 @ 104 and 5 @ 103: -140 - 65, and opens 5 short at 90.
    assert_eq!(world.ledger.positions()[0].realised.to_string(), "5");
    let lots: Vec<Lot> = world.ledger.positions()[0].lots.iter().copied().collect();
    assert_eq!(lots, [Lot { qty: Qty::from_int(-5), price: Price::from_int(90) }]);
}

#[test]
fn a_cash_account_takes_what_was_paid_for_its_cost() {
    let mut world = World::new(vec![cash(&[("USD", "100")])]);
    // 0.335 each is paid 0.34 three times; 1.005 comes back as 1.01: a loss of one cent in cash, and in the books.
    for _ in 0..3 {
        world.trade("AAPL", "1", "0.335");
    }
    let sold = world.trade("AAPL", "-3", "0.335");
    assert_eq!((sold.realised.to_string(), world.cash("USD")), ("-0.01".into(), "99.99".into()));
    assert_eq!(world.ledger.trial_balance(MAIN, world.code("USD")).holding, Money::ZERO);
}

/// CONFORMANCE.md C8: the three round trips make 18 - 12 + 18, six commissions of 1.40 each.
#[test]
fn c8_profit_cycles_end_at_1_000_015_60() {
    let bid = |i: i64| {
        let points = match i {
            0..20 => 70_000 + 2 * i,
            20..40 => 70_040 - (i - 20),
            _ => 70_020 - 2 * (i - 40),
        };
        Price::from_units(points * 10_000)
    };
    for mode in [PositionMode::Netting, PositionMode::Hedging] {
        let mut world = World::new(vec![AccountSpec { mode, ..in_usd(margin(&[("USD", "1000000")])) }]);
        let usd = world.code("USD");
        let (audusd, spread, mut open, mut gross) = (world.id("AUD/USD"), Price::from_units(20_000), None, Vec::new());
        for (i, side) in [(10, 1), (20, -1), (30, 1), (40, -1), (50, -1), (60, 1)] {
            world.marks.set_quote(audusd, bid(i), bid(i) + spread, UnixNanos::EPOCH);
            let price = if side > 0 { bid(i) + spread } else { bid(i) };
            let instrument = world.ledger.instruments().get(audusd);
            let rate = "0.00002".parse().unwrap();
            let fee = instrument.rated_notional(Qty::from_int(100_000), price, rate, 2, Rounding::default());
            assert_eq!(fee.to_string(), "1.4");
            let plain = world.fill("AUD/USD", "100000", "1");
            let side = if side > 0 { Side::Buy } else { Side::Sell };
            let position = open.take().unwrap_or(PositionId::NONE);
            let outcome = world.post(0, &Fill { side, price, fee, position, ..plain }).unwrap();
            if outcome.closed {
                gross.push(outcome.realised.to_string());
            } else {
                open = Some(outcome.position);
            }
        }
        assert_eq!(gross, ["18", "-12", "18"]);
        assert_eq!(world.cash("USD"), "1000015.6");
        assert_eq!(world.equity("USD").unwrap(), "1000015.6");
        let net: Money = world.ledger.positions().iter().map(|p| p.realised - p.commission).sum();
        assert_eq!(net, money("15.60"), "positions");
        let totals = world.ledger.totals(MAIN, usd);
        assert_eq!((totals.realised, totals.commission), (money("24"), money("8.40")));
        assert_eq!(world.ledger.account_events(), 7);
        assert_eq!(world.ledger.positions_opened(), if mode == PositionMode::Netting { 1 } else { 3 });
    }
}

fn golden(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().skip(1).map(|line| line.split(',').collect())
}

/// CONFORMANCE.md C1, fill by fill as the reference loop books them (`golden/make.py`).
#[test]
fn c1_spot_fills_end_at_9_999_954_943133() {
    let mut world = World::new(vec![cash(&[("BTC", "10"), ("USDT", "10000000")])]);
    let mut fills = 0;
    for row in golden(include_str!("golden/c1_fills.csv")) {
        let [side, price, fee, balance] = row[..] else { panic!("{row:?}") };
        world.trade_at("BTC/USDT", if side == "BUY" { "0.001" } else { "-0.001" }, price, fee, "USDT");
        fills += 1;
        assert_eq!(world.ledger.balance(MAIN, world.code("USDT")), money(balance), "fill {fills}");
    }
    assert_eq!((fills, world.ledger.positions_opened(), world.ledger.account_events()), (902, 1, 903));
    assert_eq!((world.cash("BTC"), world.cash("USDT")), ("10".into(), "9999954.943133".into()));
}

/// CONFORMANCE.md C3, fill by fill as the reference loop books them (`golden/make.py`).
#[test]
fn c3_margin_fills_end_at_996_754_88() {
    let spec = AccountSpec { mode: PositionMode::Hedging, ..in_usd(margin(&[("USD", "1000000")])) };
    let mut world = World::new(vec![spec]);
    let (mut open, mut fills) = (PositionId::NONE, 0);
    for row in golden(include_str!("golden/c3_fills.csv")) {
        let [side, bid, ask, fee, realised, balance] = row[..] else { panic!("{row:?}") };
        world.quote("USD/JPY", bid, ask);
        let (qty, price) = if side == "BUY" { ("1000000", ask) } else { ("-1000000", bid) };
        let plain = world.fill("USD/JPY", qty, price);
        let instrument = world.ledger.instruments().get(plain.instrument);
        let rate = "0.00002".parse().unwrap();
        let commission = instrument.rated_notional(plain.qty, plain.price, rate, 0, Rounding::default());
        let outcome = world.post(0, &Fill { position: open, fee: commission, ..plain }).unwrap();
        fills += 1;
        assert_eq!((outcome.fee, outcome.realised), (money(fee), money(realised)), "fill {fills}");
        assert_eq!(world.ledger.balance(MAIN, world.code("USD")), money(balance), "fill {fills}");
        open = if outcome.closed { PositionId::NONE } else { outcome.position };
    }
    assert_eq!((fills, world.ledger.positions_opened(), world.ledger.account_events()), (178, 89, 179));
    assert_eq!(world.cash("USD"), "996754.88");
    assert_eq!(world.cash("JPY"), "0");
}

/// 1,000,000 USD bought at 91.675 (bid 91.655), sold at 91.755 (ask 91.775); commission 0.00002, in whole yen.
/// Buy: 1,833.5 yen round to 1,834; / 91.655 = 20.0098, / 91.675 = 20.0055: 20.01 either way.
/// Sell: 80,000 yen of profit / 91.775 = 871.6971, / 91.755 = 871.8871, / 91.765 = 871.7921;
/// 1,835.1 yen round to 1,835; / 91.775 = 19.9946, / 91.755 = 19.9989, / 91.765 = 19.9967.
#[test]
fn yen_become_dollars_at_the_side_that_was_named() {
    let by_hand = [
        (FxSide::FillSide, "871.7", "19.99", "1000831.7"),
        (FxSide::Opposite, "871.89", "20", "1000831.88"),
        (FxSide::Mid, "871.79", "20", "1000831.78"),
        // The last trade was at 90: 888.8889 of profit; 1,834 / 90 = 20.3778 and 1,835 / 90 = 20.3889 of commission.
        (FxSide::Last, "888.89", "20.39", "1000848.12"),
    ];
    for (fx, profit, fee, balance) in by_hand {
        let mut world = World::new(vec![AccountSpec { fx, ..in_usd(margin(&[("USD", "1000000")])) }]);
        world.last("USD/JPY", "90");
        world.quote("USD/JPY", "91.655", "91.675");
        world.trade_at("USD/JPY", "1000000", "91.675", "1833.5", "JPY");
        world.quote("USD/JPY", "91.755", "91.775");
        let sold = world.trade_at("USD/JPY", "-1000000", "91.755", "1835.1", "JPY");
        assert_eq!((sold.realised.to_string(), sold.fee.to_string()), (profit.into(), fee.into()), "{fx:?}");
        assert_eq!((sold.currency, sold.fee_currency), (world.code("USD"), world.code("USD")));
        assert_eq!(world.cash("USD"), balance, "{fx:?}");
    }
}

/// EUR to USD by EUR/USD is the bid on a BUY and the ask on a SELL.
#[test]
fn euros_become_dollars_at_the_pair_itself() {
    let mut world = World::new(vec![in_usd(margin(&[("USD", "1000")]))]);
    world.quote("EUR/USD", "1.29990", "1.30010");
    world.trade("DAX", "-10", "7700");
    assert_eq!(world.trade("DAX", "10", "7708").realised.to_string(), "-103.99", "-80 * 1.2999 = -103.992");
    world.trade("DAX", "10", "7708");
    assert_eq!(world.trade("DAX", "-10", "7700").realised.to_string(), "-104.01", "-80 * 1.3001 = -104.008");
}

/// 100,000 yen through euros: no pair of yen and euros but the crossing one through dollars.
/// EUR base, SELL: / 91.775 (ask of USD/JPY), / 1.3001 (ask of EUR/USD) = 838.1056 euros, rounded once.
#[test]
fn a_conversion_may_cross_a_third_currency() {
    let spec = AccountSpec { base: currencies().id("EUR"), ..margin(&[("EUR", "1000")]) };
    let mut world = World::new(vec![spec]);
    world.quote("USD/JPY", "91.755", "91.775");
    world.quote("EUR/USD", "1.29990", "1.30010");
    world.trade("SONY", "1000", "1500");
    assert_eq!(world.trade("SONY", "-1000", "1600").realised.to_string(), "838.11");
    assert_eq!(
        world.last_transaction(),
        ["FxConversion 100000 JPY", "FxConversion -838.11 EUR", "Cash 838.11 EUR", "RealisedPnl -100000 JPY"]
    );
}

#[test]
fn a_rate_that_is_missing_refuses_the_fill_and_changes_nothing() {
    let mut world = World::new(vec![in_usd(margin(&[("USD", "1000")]))]);
    world.trade("DAX", "1", "7700");
    let before = world.ledger.snapshot().clone();
    let close = world.fill("DAX", "-1", "7710");
    let postings = world.postings.len();
    let error = world.post(0, &close).unwrap_err();
    assert_eq!(error.to_string(), "EUR to USD needs a positive price of `EUR/USD`; feed it before trading");
    assert_eq!((world.ledger.snapshot(), world.postings.len()), (&before, postings));
    assert_eq!(world.equity("USD"), None, "nor is there an equity");
    let no_road = Fill { fee: Money::ONE, fee_currency: world.code("BNB"), ..close };
    assert!(matches!(world.post(0, &no_road), Err(LedgerError::NoRate { .. })));
    world.quote("EUR/USD", "1.3", "1.3");
    assert!(matches!(world.post(0, &no_road), Err(LedgerError::NoRoute { .. })));
    assert_eq!(world.ledger.snapshot(), &before);
    assert_eq!(world.post(0, &close).unwrap().realised.to_string(), "13");
}

/// BitMEX, "Perpetual Contracts Guide": 50,000 contracts of XBTUSD bought at 10,000 are worth 0.4545 XBT of profit at
/// 11,000, and 0.5556 XBT of loss at 9,000.
#[test]
fn an_inverse_perpetual_profits_in_coin() {
    let mut world = World::new(vec![margin(&[("BTC", "10")])]);
    world.trade("XBTUSD", "50000", "10000");
    assert_eq!(world.entry(1), "10000");
    world.last("XBTUSD", "9000");
    assert_eq!(world.unrealised(1), "-0.55555556");
    assert_eq!(world.equity("BTC").unwrap(), "9.44444444");
    assert_eq!(world.trade("XBTUSD", "-50000", "11000").realised.to_string(), "0.45454545");
    assert_eq!(world.cash("BTC"), "10.45454545");
    world.trade("XBTUSD", "-50000", "10000");
    assert_eq!(world.trade("XBTUSD", "50000", "9000").realised.to_string(), "0.55555556", "a short, the other way");
}

/// 100 at 10,000 cost 0.01 BTC and 100 at 20,000 cost 0.005: 200 / 0.015 = 13,333.33, the harmonic mean.
#[test]
fn the_entry_of_an_inverse_position_is_harmonic() {
    for (cost, realised) in [(CostMethod::Average, "0.0025"), (CostMethod::Fifo, "0.005")] {
        let mut world = World::new(vec![AccountSpec { cost, ..margin(&[]) }]);
        world.trade("XBTUSD", "100", "10000");
        world.trade("XBTUSD", "100", "20000");
        assert_eq!(world.entry(1), "13333.333333333");
        // Half of it, 0.0075 BTC (or the older 0.01), comes back as 0.005.
        assert_eq!(world.trade("XBTUSD", "-100", "20000").realised.to_string(), realised);
    }
}

#[test]
fn a_multiplier_scales_profit_and_not_the_entry() {
    let mut world = World::new(vec![margin(&[("USD", "100000")])]);
    world.trade("ES", "2", "4500.25");
    world.trade("ES", "1", "4501.75");
    assert_eq!(world.entry(1), "4500.75");
    // 50 * (4510 - 4500.75) = 462.50 for one.
    assert_eq!(world.trade("ES", "-1", "4510").realised.to_string(), "462.5");
}

#[test]
fn hedged_positions_live_side_by_side() {
    let mut world = World::new(vec![AccountSpec { mode: PositionMode::Hedging, ..margin(&[("USD", "1000")]) }]);
    let long = world.trade("AAPL", "10", "100").position;
    let short = world.trade("AAPL", "-4", "110").position;
    let other = world.fill("AAPL", "5", "105");
    let third = world.post(7, &other).unwrap().position;
    assert_eq!((long, short, third), (PositionId(1), PositionId(2), PositionId(3)));
    let aapl = world.id("AAPL");
    assert_eq!(world.ledger.net_position(MAIN, aapl), Qty::from_int(11));
    assert_eq!(world.ledger.strategy_position(MAIN, aapl, StrategyId(0)), Qty::from_int(6));
    assert_eq!(world.ledger.strategy_position(MAIN, aapl, StrategyId(7)), Qty::from_int(5));
    let cover = Fill { position: short, ..world.fill("AAPL", "4", "108") };
    assert_eq!(world.post(0, &cover).unwrap().realised.to_string(), "8");
    let open: Vec<PositionId> = world.ledger.open_positions(MAIN, aapl).map(|p| p.id).collect();
    assert_eq!(open, [long, third]);
    let reverse = Fill { position: long, ..world.fill("AAPL", "-15", "120") };
    let reversed = world.post(0, &reverse).unwrap();
    assert_eq!((reversed.qty_after, reversed.realised.to_string()), (Qty::from_int(-5), "200".into()));
    let stray = Fill { position: PositionId(4), ..world.fill("AAPL", "1", "120") };
    assert!(matches!(world.post(0, &stray), Err(LedgerError::UnknownPosition { .. })));
    let stray = Fill { position: long, ..world.fill("ES", "1", "120") };
    assert!(matches!(world.post(0, &stray), Err(LedgerError::UnknownPosition { .. })));
}

#[test]
fn strategies_that_share_a_netting_account_keep_their_own_positions() {
    let mut world = World::new(vec![margin(&[("USD", "1000")])]);
    let usd = world.code("USD");
    for (strategy, qty, price) in [(2, "10", "100"), (1, "-10", "101"), (2, "-10", "103"), (1, "5", "100")] {
        let fill = world.fill("AAPL", qty, price);
        let fill = Fill { fee: money("0.25"), ..fill };
        world.post(strategy, &fill).unwrap();
    }
    let aapl = world.id("AAPL");
    assert_eq!(world.ledger.strategy_position(MAIN, aapl, StrategyId(1)), Qty::from_int(-5));
    assert_eq!(world.ledger.strategy_position(MAIN, aapl, StrategyId(2)), Qty::ZERO);
    assert_eq!(world.ledger.strategy_position(MAIN, aapl, StrategyId(3)), Qty::ZERO);
    assert_eq!(world.ledger.net_position(MAIN, aapl), Qty::from_int(-5));
    assert_eq!(world.ledger.positions_opened(), 2);
    let of = |strategy| world.ledger.strategy_totals(MAIN, usd, StrategyId(strategy));
    assert_eq!((of(1).realised, of(2).realised), (money("5"), money("30")));
    assert_eq!((of(1).commission, of(3).commission), (money("0.5"), Money::ZERO));
    assert_eq!(world.ledger.totals(MAIN, usd).realised, money("35"));
}

#[test]
fn a_commission_may_be_paid_in_a_third_currency() {
    let spec = margin(&[("USDT", "10000"), ("BNB", "1")]);
    let mut world = World::new(vec![spec.clone()]);
    let bought = world.trade_at("BTCUSDT-PERP", "0.1", "50000", "0.012345678", "BNB");
    // Rounded to the eight digits of its currency.
    assert_eq!((bought.fee.to_string(), bought.fee_currency), ("0.01234568".into(), world.code("BNB")));
    assert_eq!((world.cash("BNB"), world.cash("USDT")), ("0.98765432".into(), "10000".into()));
    assert_eq!(world.ledger.commission_total(MAIN, world.code("BNB")), money("0.01234568"));
    assert_eq!(world.ledger.positions()[0].commission, Money::ZERO);
    // With a base it is converted: 0.01 BNB at the bid of 300 on a BUY.
    let mut world = World::new(vec![AccountSpec { base: currencies().id("USDT"), ..spec }]);
    world.quote("BNB/USDT", "300", "310");
    let bought = world.trade_at("BTCUSDT-PERP", "0.1", "50000", "0.01", "BNB");
    assert_eq!(
        (bought.fee.to_string(), world.cash("USDT"), world.cash("BNB")),
        ("3".into(), "9997".into(), "1".into())
    );
    // A rebate is a negative commission.
    let sold = world.trade_at("BTCUSDT-PERP", "-0.1", "50000", "-0.5", "USDT");
    assert_eq!((sold.fee.to_string(), world.cash("USDT")), ("-0.5".into(), "9997.5".into()));
}

fn funding(world: &World, symbol: &str, rate: &str, mark: &str) -> Funding {
    Funding {
        instrument: world.id(symbol),
        ts_event: UnixNanos::new(9),
        ts_recv: UnixNanos::new(9),
        rate: rate.parse().unwrap(),
        mark: mark.parse().unwrap(),
    }
}

#[test]
fn longs_pay_a_positive_funding_rate_and_shorts_receive_it() {
    for (qty, rate, expected) in
        [("1", "0.0001", "-5"), ("-1", "0.0001", "5"), ("1", "-0.0001", "5"), ("-1", "-0.0001", "-5")]
    {
        let mut world = World::new(vec![margin(&[("USDT", "1000")])]);
        world.trade("BTCUSDT-PERP", qty, "40000");
        let event = funding(&world, "BTCUSDT-PERP", rate, "50000");
        let paid = world.ledger.post_funding(MAIN, &event, &world.marks, &mut world.postings).unwrap();
        assert_eq!(paid.to_string(), expected, "{qty} at {rate}");
        assert_eq!(world.ledger.balance(MAIN, world.code("USDT")), money("1000") + paid);
        assert_eq!(world.ledger.positions()[0].funding, paid);
        assert_eq!(world.ledger.totals(MAIN, world.code("USDT")).funding, paid);
        assert_eq!(world.ledger.account_events(), 3);
    }
}

#[test]
fn funding_without_a_price_takes_the_midpoint_and_without_a_position_is_nothing() {
    let mut world = World::new(vec![in_usd(margin(&[("USD", "1000")]))]);
    world.last("XBTUSD", "20000");
    let event = funding(&world, "BTCUSDT-PERP", "0.0001", "0");
    let post =
        |world: &mut World, event: &Funding| world.ledger.post_funding(MAIN, event, &world.marks, &mut world.postings);
    assert_eq!(post(&mut world, &event), Ok(Money::ZERO));
    assert_eq!(world.ledger.account_events(), 1);
    world.trade("BTCUSDT-PERP", "1", "40000");
    assert!(matches!(post(&mut world, &event), Err(LedgerError::NoMark { .. })));
    world.quote("BTCUSDT-PERP", "39990", "40010");
    assert!(matches!(post(&mut world, &event), Err(LedgerError::NoRoute { .. })), "no pair of USDT and USD");
}

/// 30,000 contracts of one dollar at 25,000 are 1.2 BTC; 0.01 % of that is 0.00012.
#[test]
fn inverse_funding_is_paid_in_coin() {
    let mut world = World::new(vec![margin(&[("BTC", "1")])]);
    world.trade("XBTUSD", "30000", "20000");
    let event = funding(&world, "XBTUSD", "0.0001", "25000");
    let paid = world.ledger.post_funding(MAIN, &event, &world.marks, &mut world.postings).unwrap();
    assert_eq!((paid.to_string(), world.cash("BTC")), ("-0.00012".into(), "0.99988".into()));
}

#[test]
fn spot_changes_hands_and_may_be_borrowed() {
    let mut world = World::new(vec![cash(&[("BTC", "1"), ("USDT", "1000")])]);
    world.trade_at("BTC/USDT", "0.5", "40000", "0.0005", "BTC");
    assert_eq!((world.cash("BTC"), world.cash("USDT")), ("1.4995".into(), "-19000".into()));
    world.quote("BTC/USDT", "39990", "40010");
    // 1.4995 BTC sold at the bid: 59,965.005 - 19,000.
    assert_eq!(world.equity("USDT").unwrap(), "40965.005");
    // -19,000 USDT buy back at the bid: 1 / 39,990 each, rounded away from zero to -0.47511878.
    assert_eq!(world.equity("BTC").unwrap(), "1.02438122");
    assert_eq!(world.trade("BTC/USDT", "-2", "41000").realised.to_string(), "500");
    assert_eq!((world.cash("BTC"), world.cash("USDT")), ("-0.5005".into(), "63000".into()));
    assert_eq!(world.ledger.net_position(MAIN, world.id("BTC/USDT")).to_string(), "-1.5");
}

#[test]
fn margin_is_of_the_net_when_netting_and_of_each_when_hedging() {
    // Mid 40,000: 5 % (2.5 %) of 3 coins net, or of 7 gross, at leverage 2.
    let by_mode = [(PositionMode::Netting, "3000", "1500"), (PositionMode::Hedging, "7000", "3500")];
    for (mode, initial, maintenance) in by_mode {
        let leverage_by = vec![(World::new(vec![]).id("BTCUSDT-PERP"), Rate::from_int(2))];
        let spec = AccountSpec { mode, leverage_by, leverage: Rate::from_int(10), ..margin(&[("USDT", "9000")]) };
        let mut world = World::new(vec![spec]);
        for (strategy, qty) in [(1, "5"), (2, "-2")] {
            let fill = world.fill("BTCUSDT-PERP", qty, "40000");
            world.post(strategy, &fill).unwrap();
        }
        let (usdt, btc) = (world.code("USDT"), world.code("BTC"));
        assert_eq!(world.ledger.margin_used(MAIN, usdt, &world.marks), None);
        world.quote("BTCUSDT-PERP", "39990", "40010");
        assert_eq!(world.ledger.margin_used(MAIN, usdt, &world.marks), Some(money(initial)));
        assert_eq!(world.ledger.margin_maintenance(MAIN, usdt, &world.marks), Some(money(maintenance)));
        assert_eq!(world.ledger.margin_used(MAIN, btc, &world.marks), None, "no price of a coin on the spot");
        world.last("BTC/USDT", "40000");
        let coins = Money::from_units(money(initial).units() / 40_000);
        assert_eq!(world.ledger.margin_used(MAIN, btc, &world.marks), Some(coins));
        // The account's own leverage: 10 % of 50 * 4,000, at 10; there is no way from dollars to tethers.
        world.trade("ES", "1", "4000");
        world.last("ES", "4000");
        assert_eq!(world.ledger.margin_used(MAIN, usdt, &world.marks), None);
    }
    let mut world = World::new(vec![AccountSpec { leverage: Rate::from_int(10), ..margin(&[]) }]);
    world.trade("ES", "-1", "4000");
    world.last("ES", "4000");
    assert_eq!(world.ledger.margin_used(MAIN, world.code("USD"), &world.marks), Some(money("2000")));
    let mut world = World::new(vec![cash(&[("USD", "10000")])]);
    world.trade("AUD/USD", "1000", "0.7");
    assert_eq!(world.ledger.margin_used(MAIN, world.code("USD"), &world.marks), Some(Money::ZERO), "paid in full");
}

#[test]
fn derivatives_in_a_cash_account_settle_their_profit_only() {
    let mut world = World::new(vec![cash(&[("USD", "1000"), ("BTC", "1")])]);
    world.trade("ES", "1", "4500");
    world.trade("XBTUSD", "10000", "10000");
    assert_eq!((world.cash("USD"), world.cash("BTC")), ("1000".into(), "1".into()));
    assert_eq!(world.trade("ES", "-1", "4502").realised.to_string(), "100");
    assert_eq!(world.trade("XBTUSD", "-10000", "8000").realised.to_string(), "-0.25");
    assert_eq!((world.cash("USD"), world.cash("BTC")), ("1100".into(), "0.75".into()));
}

#[test]
fn what_is_open_is_valued_at_the_price_that_was_named() {
    // Bid 4,510, ask 4,520, last 4,530; one long and one short, each entered at 4,500, times 50.
    let by_hand = [
        (Valuation::Exit, ["500", "-1000"], "90300"),
        (Valuation::Mid, ["750", "-750"], "90300"),
        (Valuation::Last, ["1500", "-1500"], "90600"),
    ];
    for (valuation, expected, margin_used) in by_hand {
        let mode = PositionMode::Hedging;
        let leverage = "0.5".parse().unwrap();
        let mut world = World::new(vec![AccountSpec { valuation, mode, leverage, ..margin(&[("USD", "1000")]) }]);
        world.trade("ES", "1", "4500");
        world.trade("ES", "-1", "4500");
        world.quote("ES", "4510", "4520");
        world.last("ES", "4530");
        assert_eq!([1, 2].map(|id| world.unrealised(id)), expected, "{valuation:?}");
        // 10 % of two times 50 * 4,515 (or 4,530), at leverage 1/2.
        assert_eq!(world.ledger.margin_used(MAIN, world.code("USD"), &world.marks), Some(money(margin_used)));
    }
}

#[test]
fn what_is_one_sum_in_the_base_is_converted_as_one() {
    let mut world = World::new(vec![in_usd(margin(&[("USD", "1")]))]);
    world.trade("AAPL", "1", "10");
    world.last("AAPL", "11");
    world.last("EUR/USD", "1.5");
    // 2 / 1.5 = 1.3333; apart they would be 0.67 + 0.67.
    assert_eq!(world.equity("EUR").unwrap(), "1.33");
}

#[test]
fn unrealised_profit_becomes_what_closing_realises() {
    for fx in [FxSide::FillSide, FxSide::Opposite, FxSide::Mid, FxSide::Last] {
        let mut world = World::new(vec![AccountSpec { fx, ..in_usd(margin(&[("USD", "1000000")])) }]);
        world.quote("USD/JPY", "91.655", "91.675");
        world.trade("USD/JPY", "777777", "91.675");
        world.quote("USD/JPY", "92.013", "92.041");
        let before = world.equity("USD").unwrap();
        world.trade("USD/JPY", "-777777", "92.013");
        assert_eq!((world.cash("USD"), world.equity("USD").unwrap()), (before.clone(), before));
    }
}

#[test]
fn deposits_and_interest_are_rounded_and_never_converted() {
    let mut world = World::new(vec![in_usd(margin(&[("USD", "100")]))]);
    let (usd, jpy) = (world.code("USD"), world.code("JPY"));
    let mut adjust = |what, reason| {
        world.ledger.post_adjustment(MAIN, what, reason, UnixNanos::new(4), &mut world.postings).unwrap()
    };
    assert_eq!(adjust((usd, money("-0.125")), AdjustmentReason::Interest), money("-0.13"));
    assert_eq!(adjust((usd, money("0.004")), AdjustmentReason::Interest), Money::ZERO);
    assert_eq!(adjust((jpy, money("1000")), AdjustmentReason::Deposit), money("1000"));
    assert_eq!((world.cash("USD"), world.cash("JPY")), ("99.87".into(), "1000".into()));
    world.quote("USD/JPY", "99", "100");
    // 1,000 yen buy dollars at the ask of 100.
    assert_eq!(world.equity("USD").unwrap(), "109.87");
    assert_eq!(world.last_transaction(), ["Cash 1000 JPY", "Adjustment(Deposit) -1000 JPY"]);
    assert_eq!(world.ledger.account_events(), 3, "nothing is no change");
}

#[test]
fn equity_sums_over_accounts_and_currencies() {
    let eur = AccountSpec { name: "euro".into(), venue: OTHER, ..cash(&[("EUR", "1000")]) };
    let mut world = World::new(vec![eur, margin(&[("USD", "500")])]);
    assert_eq!(world.ledger.account_id("main"), Some(MAIN));
    assert_eq!(world.ledger.account(AccountId(1)).venue, OTHER);
    let (usd, eur, other) = (world.code("USD"), world.code("EUR"), AccountId(1));
    assert_eq!(world.ledger.equity_in(usd, &world.marks), None);
    // The euro account prefers the pair of its own venue.
    let pair = world.ledger.instruments().id(OTHER, "EUR/USD").unwrap();
    world.marks.set_quote(pair, "1.25".parse().unwrap(), "1.28".parse().unwrap(), UnixNanos::EPOCH);
    assert_eq!(world.ledger.equity_in(usd, &world.marks), Some(money("1750")));
    world.quote("EUR/USD", "1.2", "1.25");
    // The dollar account buys its euros at its own venue, 500 / 1.25.
    assert_eq!(world.ledger.equity_in(eur, &world.marks), Some(money("1400")));
    let vow = world.ledger.instruments().id(OTHER, "VOW").unwrap();
    let fill = Fill { instrument: vow, fee_currency: eur, ..world.fill("AAPL", "3", "150.5") };
    world.ledger.post_fill(other, StrategyId(0), &fill, &world.marks, &mut world.postings).unwrap();
    assert_eq!(world.ledger.balance(other, eur), money("548.5"));
    world.marks.set_last(vow, Price::from_int(160), UnixNanos::EPOCH);
    assert_eq!(world.ledger.equity(other, eur, &world.marks), Some(money("1028.5")));
    assert_eq!(world.ledger.market_value(PositionId(1), &world.marks), Some(money("480")));
    assert!(matches!(world.post(0, &fill), Err(LedgerError::WrongVenue { .. })));
}

#[test]
fn a_foreign_share_in_a_cash_account_with_a_base_is_paid_in_the_base() {
    let mut world = World::new(vec![in_usd(cash(&[("USD", "10000")]))]);
    world.quote("USD/JPY", "100", "125");
    // 150,000 yen at the bid on a BUY; 160,000 yen at the ask on a SELL, profit 10,000 yen likewise.
    let bought = world.trade("SONY", "100", "1500");
    assert_eq!(world.cash("USD"), "8500");
    assert_eq!(bought.currency, world.code("USD"));
    assert_eq!(world.trade("SONY", "-100", "1600").realised.to_string(), "80");
    assert_eq!((world.cash("USD"), world.cash("JPY")), ("9780".into(), "0".into()));
    assert_eq!(
        world.last_transaction(),
        [
            "FxConversion 160000 JPY",
            "FxConversion -1280 USD",
            "Cash 1280 USD",
            "Holding SONY -150000 JPY",
            "RealisedPnl -10000 JPY"
        ]
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let refuse = |spec: AccountSpec| World::with(vec![spec], instruments()).err().unwrap().to_string();
    let spec = margin(&[("USD", "1.005")]);
    assert!(refuse(spec).contains("opening is 1.005, but must be a whole number"));
    assert!(
        refuse(AccountSpec { leverage: Rate::ZERO, ..margin(&[]) }).contains("leverage is 0, but must be positive")
    );
    let leverage_by = vec![(InstrumentId(99), Rate::ONE)];
    assert!(refuse(AccountSpec { leverage_by, ..margin(&[]) }).contains("instrument 99"));
    assert!(refuse(AccountSpec { base: Some(CurrencyId(99)), ..margin(&[]) }).contains("currency 99"));
    let opening = vec![(CurrencyId(99), Money::ONE)];
    assert!(refuse(AccountSpec { opening, ..margin(&[]) }).contains("currency 99"));
    let twins = World::with(vec![margin(&[]), AccountSpec { venue: OTHER, ..cash(&[]) }], instruments());
    assert_eq!(twins.err(), Some(LedgerError::DuplicateAccount { name: "main".into() }));

    let mut world = World::new(vec![cash(&[])]);
    let fill = world.fill("AAPL", "1", "100");
    let nothing = Fill { qty: Qty::ZERO, ..fill };
    assert!(matches!(world.post(0, &nothing), Err(LedgerError::Quantity { .. })));
    let stray = Fill { instrument: InstrumentId(99), ..fill };
    assert!(matches!(world.post(0, &stray), Err(LedgerError::UnknownInstrument { .. })));
    let stray = Fill { fee_currency: CurrencyId(99), ..fill };
    assert!(matches!(world.post(0, &stray), Err(LedgerError::UnknownCurrency { .. })));
    let free = Fill { price: Price::ZERO, ..world.fill("XBTUSD", "1", "1") };
    assert!(matches!(world.post(0, &free), Err(LedgerError::InversePrice { .. })));
    let error = world.ledger.post_fill(AccountId(1), StrategyId(0), &fill, &world.marks, &mut world.postings);
    assert_eq!(error, Err(LedgerError::UnknownAccount { account: AccountId(1), known: 1 }));
    let huge = Fill { qty: Qty::MAX, price: Price::MAX, ..fill };
    assert!(world.post(0, &huge).is_ok());
    assert!(matches!(world.post(0, &huge), Err(LedgerError::OutOfRange { .. })), "a quantity of two times the largest");

    let mut untyped = instruments();
    untyped.iter_mut().filter(|i| i.symbol == "EUR/USD").for_each(|i| i.base = None);
    let mut world = World::with(vec![cash(&[])], untyped).unwrap();
    let fill = world.fill("EUR/USD", "1", "1");
    assert!(matches!(world.post(0, &fill), Err(LedgerError::NoBase { .. })));
}

#[test]
fn a_snapshot_of_another_run_is_refused() {
    let mut world = World::new(vec![margin(&[])]);
    let renamed = World::new(vec![AccountSpec { name: "spare".into(), ..margin(&[]) }]);
    let more = World::new(vec![margin(&[]), AccountSpec { name: "spare".into(), ..margin(&[]) }]);
    let fewer = World::with(vec![margin(&[])], instruments()[1..].to_vec()).unwrap();
    for (foreign, what) in [(&renamed, "accounts of the same names"), (&more, "accounts"), (&fewer, "instruments")] {
        let error = world.ledger.restore(foreign.ledger.snapshot().clone()).unwrap_err();
        assert!(matches!(error, LedgerError::SnapshotMismatch { what: w, .. } if w == what), "{error}");
    }
}

#[test]
fn rounding_follows_the_named_policy() {
    for (rounding, fee) in [
        (Rounding::HalfAwayFromZero, "0.13"),
        (Rounding::HalfEven, "0.12"),
        (Rounding::TowardZero, "0.12"),
        (Rounding::Ceil, "0.13"),
    ] {
        let mut world = World::new(vec![AccountSpec { rounding, ..margin(&[("USD", "1")]) }]);
        assert_eq!(world.trade_at("AAPL", "1", "1", "0.125", "USD").fee.to_string(), fee);
    }
}

#[test]
fn prices_may_be_negative() {
    // WTI on 2020-04-20: long 1 at 10, closed at -37.63.
    let mut world = World::new(vec![margin(&[("USD", "100")])]);
    world.trade("AAPL", "1", "10");
    assert_eq!(world.trade("AAPL", "-1", "-37.63").realised.to_string(), "-47.63");
    world.trade("AAPL", "-1", "-37.63");
    assert_eq!(world.entry(1), "-37.63");
}

#[test]
fn venues_are_canonical() {
    let of = |name: &str, venue| AccountSpec { name: name.into(), venue: VenueId(venue), ..margin(&[]) };
    let world = World::new(vec![of("b", 1), of("z", 0), of("a", 1)]);
    let names: Vec<&str> = world.ledger.accounts().map(|(_, spec)| spec.name.as_str()).collect();
    assert_eq!(names, ["z", "a", "b"]);
}

/// Every number of `docs/ledger.md`.
mod documented {
    use super::*;

    #[test]
    fn spot_buy() {
        let mut world = World::new(vec![cash(&[("BTC", "1"), ("USDT", "50000")])]);
        world.trade_at("BTC/USDT", "0.5", "40000", "20", "USDT");
        let expected = [
            "Cash 0.5 BTC",
            "FxConversion -0.5 BTC",
            "Cash -20000 USDT",
            "FxConversion 20000 USDT",
            "Commission 20 USDT",
            "Cash -20 USDT",
        ];
        assert_eq!(world.last_transaction(), expected);
        world.trade_at("BTC/USDT", "-0.2", "41000", "8.2", "USDT");
        let expected = [
            "Cash -0.2 BTC",
            "FxConversion 0.2 BTC",
            "Cash 8200 USDT",
            "FxConversion -8000 USDT",
            "RealisedPnl -200 USDT",
            "Commission 8.2 USDT",
            "Cash -8.2 USDT",
        ];
        assert_eq!(world.last_transaction(), expected);
        assert_eq!((world.cash("BTC"), world.cash("USDT")), ("1.3".into(), "38171.8".into()));
        world.last("BTC/USDT", "42000");
        assert_eq!((world.equity("USDT").unwrap(), world.unrealised(1)), ("92771.8".into(), "600".into()));
        let converted = |code| world.ledger.trial_balance(MAIN, world.code(code)).fx;
        assert_eq!((converted("BTC"), converted("USDT")), (money("-0.3"), money("12000")));
    }

    #[test]
    fn shares() {
        let mut world = World::new(vec![cash(&[("USD", "10000")])]);
        world.trade_at("AAPL", "40", "150", "1", "USD");
        assert_eq!(
            world.last_transaction(),
            ["Cash -6000 USD", "Holding AAPL 6000 USD", "Commission 1 USD", "Cash -1 USD"]
        );
        world.trade("AAPL", "-10", "160");
        assert_eq!(world.last_transaction(), ["Cash 1600 USD", "Holding AAPL -1500 USD", "RealisedPnl -100 USD"]);
        world.last("AAPL", "155");
        // 5,599 in cash, 30 shares worth 4,650.
        assert_eq!((world.cash("USD"), world.equity("USD").unwrap()), ("5599".into(), "10249".into()));
    }

    #[test]
    fn margin_flip_with_conversion() {
        let mut world = World::new(vec![in_usd(margin(&[("USD", "1000000")]))]);
        world.quote("USD/JPY", "91.655", "91.675");
        world.trade_at("USD/JPY", "1000000", "91.675", "1834", "JPY");
        assert_eq!(
            world.last_transaction(),
            ["Commission 1834 JPY", "FxConversion -1834 JPY", "FxConversion 20.01 USD", "Cash -20.01 USD"]
        );
        world.quote("USD/JPY", "91.755", "91.775");
        let flip = world.trade_at("USD/JPY", "-2000000", "91.755", "3670", "JPY");
        let expected = [
            "FxConversion 80000 JPY",
            "FxConversion -871.7 USD",
            "Cash 871.7 USD",
            "RealisedPnl -80000 JPY",
            "Commission 3670 JPY",
            "FxConversion -3670 JPY",
            "FxConversion 39.99 USD",
            "Cash -39.99 USD",
        ];
        assert_eq!(world.last_transaction(), expected);
        assert_eq!((flip.qty_after, world.entry(1)), (Qty::from_int(-1_000_000), "91.755".into()));
        assert_eq!(world.cash("USD"), "1000811.7");
        // Bought back at 91.775: -20,000 yen at the bid of 91.755 on a BUY.
        assert_eq!((world.unrealised(1), world.equity("USD").unwrap()), ("-20000".into(), "1000593.73".into()));
        assert_eq!(money("1000593.73") - money("1000811.70"), money("-217.97"));
        assert_eq!(world.ledger.margin_used(MAIN, world.code("JPY"), &world.marks), Some(money("2752950")));
    }

    #[test]
    fn inverse_perpetual_and_funding() {
        let mut world = World::new(vec![margin(&[("BTC", "10")])]);
        world.trade("XBTUSD", "50000", "10000");
        let event = funding(&world, "XBTUSD", "0.0001", "12500");
        world.ledger.post_funding(MAIN, &event, &world.marks, &mut world.postings).unwrap();
        assert_eq!(world.last_transaction(), ["Funding 0.0004 BTC", "Cash -0.0004 BTC"]);
        world.trade("XBTUSD", "-50000", "11000");
        assert_eq!(world.last_transaction(), ["Cash 0.45454545 BTC", "RealisedPnl -0.45454545 BTC"]);
        assert_eq!(world.cash("BTC"), "10.45414545");
    }
}
