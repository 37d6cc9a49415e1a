//! Each check passing, failing, at its boundary, and with numbers too large to compute. The macro demands all four of
//! every entry, and a test demands an entry of every row of the table.

use super::*;

const HUGE: Qty = Qty::from_units(i64::MAX);
const HIGHEST: Price = Price::from_units(i64::MAX);

fn huge(side: Side) -> OrderRequest {
    OrderRequest::limit(SHARE, side, HUGE, HIGHEST)
}

/// Limits under which only the check in question can refuse an extreme order.
fn lax(limits: &mut RiskLimits) {
    limits.tick_lot_valid = false;
    limits.insufficient_funds.check = false;
    limits.margin_free_min = None;
}

macro_rules! cases {
    ($($check:ident: pass $pass:block fail $fail:block boundary $boundary:block overflow $overflow:block)*) => {
        const COVERED: &[&str] = &[$(stringify!($check)),*];
        $(
            mod $check {
                use super::*;
                #[test]
                fn pass() $pass
                #[test]
                fn fail() $fail
                #[test]
                fn boundary() $boundary
                #[test]
                fn overflow() $overflow
            }
        )*
    };
}

#[test]
fn every_check_of_the_table_has_its_four_cases() {
    for check in CHECKS {
        assert!(COVERED.contains(&check.name), "`{}` has no cases; add them to tests/cases.rs", check.name);
    }
    assert_eq!(COVERED.len(), CHECKS.len(), "a case for a check that does not exist");
}

fn collar(limits: &mut RiskLimits) {
    limits.price_collar = Some(PriceCollar { bps: 500, reference_age_ns_max: 5 * SECOND });
}

fn window(limits: &mut RiskLimits) {
    limits.price_collar_window = Some(PriceCollarWindow { bps: 100, window_ns: 60 * SECOND });
}

fn loss(limits: &mut RiskLimits) {
    limits.daily_loss_max = Some(money("5000"));
}

fn hours(limits: &mut RiskLimits) {
    limits.session_hours = Some(SessionHours { days: vec![1, 2, 3, 4, 5], open_minute: 570, close_minute: 960 });
}

fn rate(limits: &mut RiskLimits) {
    let rate = TokenRate { per_second: 10, burst: 5 };
    limits.message_rate_max =
        Some(MessageRate { venue: rate, strategy: rate, cancel_reserve: 2, refuse_cancels: false });
}

cases! {
    price_collar:
    pass {
        let mut rig = Rig::cash(collar);
        rig.pass(&buy(SHARE, "1", "98"));
        rig.pass(&OrderRequest::market(SHARE, Side::Buy, qty("1")));
        // A stop may wake far away; its limit must be near where it wakes.
        let kind = OrderKind::StopLimit { trigger: price("150"), price: price("151") };
        rig.pass(&OrderRequest::new(SHARE, Side::Buy, kind, qty("1")));
    }
    fail {
        let mut rig = Rig::cash(collar);
        let denied = rig.fail(DenyCode::PriceCollar, &buy(SHARE, "1", "110"));
        assert_eq!((denied.limit, denied.actual), (Amount::Bps(500), Amount::Bps(999)), "9.99 of 100.01");
        rig.fail(DenyCode::PriceCollar, &buy(SHARE, "1", "90"));
        let kind = OrderKind::StopLimit { trigger: price("150"), price: price("170") };
        rig.fail(DenyCode::PriceCollar, &OrderRequest::new(SHARE, Side::Buy, kind, qty("1")));
        rig.later(5 * SECOND + 1);
        let denied = rig.fail(DenyCode::PriceCollar, &OrderRequest::market(SHARE, Side::Buy, qty("1")));
        assert_eq!(denied.actual, Amount::Nanos(5 * SECOND + 1), "a stale reference is none");
        rig.desk.reference = None;
        assert_eq!(rig.fail(DenyCode::PriceCollar, &buy(SHARE, "1", "100")).actual, Amount::Unknown);
    }
    boundary {
        let mut rig = Rig::cash(collar);
        // 5 % of 100.01 is 5.0005: 105.01 lies within, 105.02 beyond.
        rig.pass(&buy(SHARE, "1", "105.01"));
        rig.fail(DenyCode::PriceCollar, &buy(SHARE, "1", "105.02"));
        rig.later(5 * SECOND);
        rig.pass(&buy(SHARE, "1", "100"));
    }
    overflow {
        let mut rig = Rig::cash(|l| { lax(l); collar(l); });
        rig.fail(DenyCode::PriceCollar, &huge(Side::Buy));
        rig.fail(DenyCode::PriceCollar, &OrderRequest::limit(SHARE, Side::Sell, HUGE, Price::MIN));
        let kind = OrderKind::TrailingStopLimit {
            offset: starling_core::order::TrailOffset::Ticks(1), limit_offset: HIGHEST, trigger: Some(HIGHEST),
        };
        let denied = rig.fail(DenyCode::PriceCollar, &OrderRequest::new(SHARE, Side::Buy, kind, qty("1")));
        assert_eq!(denied.actual, Amount::Overflow);
    }

    price_collar_window:
    pass {
        let mut rig = Rig::cash(window);
        rig.pass(&buy(SHARE, "1", "100"));
        rig.pass(&buy(SHARE, "1", "100.50"));
        rig.later(75 * SECOND + 1);
        rig.pass(&buy(SHARE, "1", "200"));
    }
    fail {
        let mut rig = Rig::cash(window);
        // No single step is over 1 %; together they are.
        rig.pass(&buy(SHARE, "1", "100"));
        rig.later(20 * SECOND);
        rig.pass(&buy(SHARE, "1", "100.60"));
        rig.later(20 * SECOND);
        let denied = rig.fail(DenyCode::PriceCollarWindow, &buy(SHARE, "1", "101.20"));
        assert_eq!(denied.actual, Amount::Bps(120));
    }
    boundary {
        let mut rig = Rig::cash(window);
        rig.pass(&buy(SHARE, "1", "100"));
        rig.pass(&buy(SHARE, "1", "101"));
        rig.fail(DenyCode::PriceCollarWindow, &buy(SHARE, "1", "101.01"));
        rig.later(60 * SECOND);
        rig.fail(DenyCode::PriceCollarWindow, &buy(SHARE, "1", "101.02"));
        rig.later(15 * SECOND);
        rig.pass(&buy(SHARE, "1", "101.02"));
    }
    overflow {
        let mut rig = Rig::cash(|l| { lax(l); window(l); });
        rig.now = UnixNanos::MAX;
        rig.pass(&OrderRequest::limit(SHARE, Side::Buy, qty("1"), Price::MIN));
        rig.fail(DenyCode::PriceCollarWindow, &OrderRequest::limit(SHARE, Side::Buy, qty("1"), HIGHEST));
        rig.pass(&OrderRequest::limit(SHARE, Side::Sell, qty("1"), Price::ZERO));
        let denied = rig.fail(DenyCode::PriceCollarWindow, &OrderRequest::limit(SHARE, Side::Sell, qty("1"), HIGHEST));
        assert_eq!(denied.actual, Amount::Overflow, "a drift from zero has no size");
    }

    order_notional_max:
    pass { Rig::cash(|l| l.order_notional_max = Some(money("1000"))).pass(&buy(SHARE, "9", "100")); }
    fail {
        let mut rig = Rig::cash(|l| l.order_notional_max = Some(money("1000")));
        let denied = rig.fail(DenyCode::OrderNotionalMax, &buy(SHARE, "11", "100"));
        assert_eq!((denied.limit, denied.actual), (Amount::Money(money("1000")), Amount::Money(money("1100"))));
        rig.desk.reference = None;
        let denied = rig.fail(DenyCode::OrderNotionalMax, &OrderRequest::market(SHARE, Side::Buy, qty("1")));
        assert_eq!(denied.actual, Amount::Unknown, "what cannot be valued does not pass");
    }
    boundary {
        let mut rig = Rig::cash(|l| l.order_notional_max = Some(money("1000")));
        rig.pass(&buy(SHARE, "10", "100"));
        rig.fail(DenyCode::OrderNotionalMax, &buy(SHARE, "10", "100.01"));
        // 50 dollars a point: 2 * 0.2 points.
        let mut rig = Rig::margin(|l| l.order_notional_max = Some(money("10001")));
        rig.pass(&buy(FUTURE, "2", "100.01"));
        rig.fail(DenyCode::OrderNotionalMax, &buy(FUTURE, "2", "100.02"));
    }
    overflow {
        let mut rig = Rig::margin(|l| { lax(l); l.order_notional_max = Some(Money::MAX); });
        let wild = OrderRequest::limit(FUTURE, Side::Buy, HUGE, HIGHEST);
        assert_eq!(rig.fail(DenyCode::OrderNotionalMax, &wild).actual, Amount::Overflow, "beyond the bound of values");
        rig.pass(&buy(FUTURE, "9000000000", "100"));
    }

    order_qty_max:
    pass { Rig::cash(|l| l.order_qty_max = Some(qty("10"))).pass(&buy(SHARE, "9", "100")); }
    fail {
        let mut rig = Rig::cash(|l| l.order_qty_max = Some(qty("10")));
        let text = rig.fail(DenyCode::OrderQtyMax, &buy(SHARE, "12", "100")).to_string();
        assert_eq!(text, "order_qty_max: order quantity is 12, above 10; change the order, or `risk.order_qty_max` (or \
            `order_qty_max` under `risk.instruments.\"SYMBOL\"`)");
    }
    boundary {
        let mut rig = Rig::cash(|l| {
            l.order_qty_max = Some(qty("10"));
            let own = InstrumentLimits { order_qty_max: Some(qty("2")), ..InstrumentLimits::default() };
            l.instruments.insert("BTC/USD".into(), own);
        });
        rig.pass(&buy(SHARE, "10", "100"));
        rig.fail(DenyCode::OrderQtyMax, &buy(SHARE, "11", "100"));
        rig.pass(&buy(COIN, "2", "100"));
        rig.fail(DenyCode::OrderQtyMax, &buy(COIN, "2.001", "100"));
    }
    overflow {
        let mut rig = Rig::cash(|l| { lax(l); l.order_qty_max = Some(Qty::from_units(i64::MAX - 1)); });
        rig.fail(DenyCode::OrderQtyMax, &huge(Side::Buy));
    }

    order_qty_min:
    pass { Rig::cash(|l| l.order_qty_min = Some(qty("5"))).pass(&buy(SHARE, "6", "100")); }
    fail {
        let mut rig = Rig::cash(|l| l.order_qty_min = Some(qty("5")));
        rig.fail(DenyCode::OrderQtyMin, &buy(SHARE, "4", "100"));
        rig.fail(DenyCode::OrderQtyMin, &buy(COIN, "-5", "100"));
    }
    boundary {
        let mut rig = Rig::cash(|l| l.order_qty_min = Some(qty("5")));
        rig.pass(&buy(SHARE, "5", "100"));
        let mut rig = Rig::cash(|l| { lax(l); l.order_qty_min = Some(Qty::ZERO); });
        rig.fail(DenyCode::OrderQtyMin, &OrderRequest::market(SHARE, Side::Sell, Qty::ZERO));
    }
    overflow {
        let mut rig = Rig::cash(lax);
        rig.fail(DenyCode::OrderQtyMin, &OrderRequest::limit(SHARE, Side::Buy, Qty::MIN, Price::MIN));
    }

    tick_lot_valid:
    pass { Rig::cash(|_| {}).pass(&buy(COIN, "0.123", "100.25")); }
    fail {
        let mut rig = Rig::cash(|_| {});
        let denied = rig.fail(DenyCode::TickLotValid, &buy(COIN, "1", "100.255"));
        assert_eq!((denied.limit, denied.actual), (Amount::Price(price("0.01")), Amount::Price(price("100.255"))));
        rig.fail(DenyCode::TickLotValid, &buy(SHARE, "1.5", "100"));
        rig.fail(DenyCode::TickLotValid, &OrderRequest::stop(SHARE, Side::Buy, qty("1"), price("100.001")));
        let offset = starling_core::order::TrailOffset::Price(price("0.015"));
        let kind = OrderKind::TrailingStop { offset, trigger: None };
        rig.fail(DenyCode::TickLotValid, &OrderRequest::new(SHARE, Side::Buy, kind, qty("1")));
    }
    boundary {
        let mut rig = Rig::cash(|_| {});
        rig.pass(&buy(COIN, "0.001", "0.01"));
        rig.fail(DenyCode::TickLotValid, &buy(COIN, "0.001", "0.010000001"));
        rig.fail(DenyCode::TickLotValid, &buy(COIN, "0.001000001", "0.01"));
    }
    overflow { Rig::cash(|_| {}).fail(DenyCode::TickLotValid, &huge(Side::Buy)); }

    notional_min:
    pass { Rig::cash(|l| l.notional_min = Some(money("10"))).pass(&buy(COIN, "0.2", "100")); }
    fail {
        let mut rig = Rig::cash(|l| l.notional_min = Some(money("10")));
        rig.fail(DenyCode::NotionalMin, &buy(COIN, "0.099", "100"));
        rig.desk.net.insert(COIN, qty("1"));
        rig.pass(&sell(COIN, "0.001", "100").reduce_only());
    }
    boundary {
        let mut rig = Rig::cash(|l| l.notional_min = Some(money("10")));
        rig.pass(&buy(COIN, "0.1", "100"));
        // A venue compares before it rounds.
        let denied = rig.fail(DenyCode::NotionalMin, &buy(COIN, "0.1", "99.99"));
        assert_eq!(denied.actual, Amount::Money(money("9.999")));
        // An inverse contract of one dollar is worth its face.
        let mut rig = Rig::margin(|l| l.notional_min = Some(money("10")));
        rig.pass(&buy(INVERSE, "10", "50"));
        rig.fail(DenyCode::NotionalMin, &buy(INVERSE, "9", "50"));
    }
    overflow {
        let mut rig = Rig::margin(|l| { lax(l); l.notional_min = Some(Money::MAX); });
        rig.pass(&OrderRequest::limit(FUTURE, Side::Buy, HUGE, HIGHEST));
        rig.fail(DenyCode::NotionalMin, &buy(SHARE, "1000000", "1000000"));
    }

    duplicate_order:
    pass {
        let mut rig = Rig::cash(|l| l.duplicate_order = Some(DuplicateOrder { window_ns: SECOND }));
        rig.pass(&buy(SHARE, "1", "100"));
        rig.pass(&buy(SHARE, "2", "100"));
        rig.pass(&buy(SHARE, "1", "100.01"));
        rig.pass(&buy(COIN, "1", "100"));
    }
    fail {
        let mut rig = Rig::cash(|l| l.duplicate_order = Some(DuplicateOrder { window_ns: SECOND }));
        let id = rig.pass(&buy(SHARE, "1", "100"));
        rig.later(1);
        assert_eq!(rig.fail(DenyCode::DuplicateOrder, &buy(SHARE, "1", "100")).actual, Amount::Nanos(1));
        rig.later(DAY);
        rig.close(id);
        let denied = rig.verdict(id, &buy(COIN, "1", "100")).unwrap_err();
        assert_eq!(denied.code, DenyCode::DuplicateOrder, "an id is used once, whatever became of its order");
    }
    boundary {
        let mut rig = Rig::cash(|l| l.duplicate_order = Some(DuplicateOrder { window_ns: SECOND }));
        rig.pass(&buy(SHARE, "1", "100"));
        rig.later(SECOND - 1);
        rig.fail(DenyCode::DuplicateOrder, &buy(SHARE, "1", "100"));
        rig.later(1);
        rig.pass(&buy(SHARE, "1", "100"));
        rig.later(SECOND - 1);
        rig.fail(DenyCode::DuplicateOrder, &buy(SHARE, "1", "100"));
    }
    overflow {
        let mut rig = Rig::cash(|l| { lax(l); l.duplicate_order = Some(DuplicateOrder { window_ns: u64::MAX }); });
        rig.pass(&OrderRequest::limit(SHARE, Side::Buy, qty("1"), HIGHEST));
        rig.now = UnixNanos::MAX;
        rig.fail(DenyCode::DuplicateOrder, &OrderRequest::limit(SHARE, Side::Buy, qty("1"), HIGHEST));
        rig.counter = ClientOrderId::COUNTER_MAX - 1;
        let id = rig.pass(&buy(SHARE, "1", "100"));
        assert_eq!(rig.verdict(id, &buy(SHARE, "2", "100")).unwrap_err().code, DenyCode::DuplicateOrder);
    }

    net_position_max:
    pass {
        let mut rig = Rig::margin(|l| l.net_position_max = Some(qty("50")));
        rig.pass(&buy(FUTURE, "40", "100"));
        rig.pass(&sell(FUTURE, "40", "101"));
    }
    fail {
        let mut rig = Rig::margin(|l| l.net_position_max = Some(qty("50")));
        rig.desk.net.insert(FUTURE, qty("20"));
        rig.pass(&buy(FUTURE, "20", "100"));
        let denied = rig.fail(DenyCode::NetPositionMax, &buy(FUTURE, "11", "99"));
        assert_eq!(denied.actual, Amount::Qty(qty("51")), "20 held, 20 open, 11 asked");
    }
    boundary {
        let mut rig = Rig::margin(|l| l.net_position_max = Some(qty("50")));
        rig.desk.net.insert(FUTURE, qty("-60"));
        // Already beyond the limit: reducing passes, adding does not, and a reversal is bounded on the far side.
        rig.fail(DenyCode::NetPositionMax, &sell(FUTURE, "1", "100"));
        rig.pass(&buy(FUTURE, "60", "100"));
        rig.pass(&buy(FUTURE, "50", "100"));
        rig.fail(DenyCode::NetPositionMax, &buy(FUTURE, "1", "100"));
    }
    overflow {
        let mut rig = Rig::margin(|l| { lax(l); l.net_position_max = Some(Qty::MAX); });
        rig.pass(&OrderRequest::limit(SHARE, Side::Buy, HUGE, price("1")));
        let denied = rig.fail(DenyCode::NetPositionMax, &OrderRequest::limit(SHARE, Side::Buy, HUGE, price("1")));
        assert_eq!(denied.actual, Amount::Overflow);
        rig.desk.net.insert(COIN, Qty::MAX);
        let denied = rig.fail(DenyCode::NetPositionMax, &buy(COIN, "1", "1"));
        assert_eq!(denied.actual, Amount::Overflow);
    }

    self_trade:
    pass {
        let mut rig = Rig::margin(|l| l.self_trade = Some(SelfTrade::Reject));
        rig.pass(&sell(FUTURE, "1", "101"));
        rig.pass(&buy(FUTURE, "1", "100"));
        rig.pass(&buy(COIN, "1", "105"));
        rig.pass(&sell(FUTURE, "1", "102").tif(TimeInForce::Ioc));
    }
    fail {
        let mut rig = Rig::margin(|l| l.self_trade = Some(SelfTrade::Reject));
        let ask = rig.pass(&sell(FUTURE, "1", "101"));
        let denied = rig.fail(DenyCode::SelfTrade, &OrderRequest::market(FUTURE, Side::Buy, qty("1")));
        assert_eq!(denied.actual, Amount::Count(1));
        rig.close(ask);
        rig.pass(&OrderRequest::market(FUTURE, Side::Buy, qty("1")));
        let bid = rig.pass(&buy(FUTURE, "1", "99"));
        rig.fail(DenyCode::SelfTrade, &sell(FUTURE, "1", "98"));
        // A change on its way counts at the price nearer the market.
        let _ = rig.modify(bid, "1", "97").unwrap();
        rig.fail(DenyCode::SelfTrade, &sell(FUTURE, "1", "98"));
        rig.gate.on_modified(&rig.desk, bid, qty("1"), OrderKind::Limit { price: price("97") });
        rig.pass(&sell(FUTURE, "1", "98"));
        assert_eq!(rig.modify(bid, "1", "98").unwrap_err().code, DenyCode::SelfTrade);
    }
    boundary {
        let mut rig = Rig::margin(|l| l.self_trade = Some(SelfTrade::CancelNewest));
        rig.pass(&sell(FUTURE, "1", "101"));
        rig.pass(&buy(FUTURE, "1", "100.99"));
        rig.fail(DenyCode::SelfTrade, &buy(FUTURE, "1", "101"));
        let mut rig = Rig::margin(|l| l.self_trade = Some(SelfTrade::CancelOldest));
        let asks: Vec<_> = (0..9).map(|i| rig.pass(&sell(FUTURE, "1", &format!("10{}", 9 - i)))).collect();
        let id = rig.next_id();
        let verdict = rig.verdict(id, &buy(FUTURE, "9", "103")).unwrap();
        assert_eq!(verdict.cancel_first.ids(), [asks[8], asks[7], asks[6]], "best price first");
        rig.close(id);
        let id = rig.next_id();
        assert_eq!(rig.verdict(id, &buy(FUTURE, "9", "108")).unwrap().cancel_first.ids().len(), CANCEL_FIRST_MAX);
        rig.close(id);
        rig.fail(DenyCode::SelfTrade, &buy(FUTURE, "9", "109"));
    }
    overflow {
        let mut rig = Rig::margin(|l| { lax(l); l.self_trade = Some(SelfTrade::Reject); });
        rig.pass(&OrderRequest::limit(SHARE, Side::Sell, qty("1"), HIGHEST));
        rig.fail(DenyCode::SelfTrade, &OrderRequest::limit(SHARE, Side::Buy, qty("1"), HIGHEST));
    }

    session_hours:
    pass { Rig::cash(hours).pass(&buy(SHARE, "1", "100")); }
    fail {
        let mut rig = Rig::cash(hours);
        rig.later(5 * DAY);
        rig.fail(DenyCode::SessionHours, &buy(SHARE, "1", "100"));
    }
    boundary {
        let mut rig = Rig::cash(hours);
        let midnight = NOON.floor_to(DAY);
        for (minute, passes) in [(569, false), (570, true), (959, true), (960, false)] {
            rig.now = midnight.saturating_add(minute * 60 * SECOND + 60 * SECOND - 1);
            if minute == 570 || minute == 960 {
                rig.now = midnight.saturating_add(minute * 60 * SECOND);
            }
            assert_eq!(rig.send(&buy(SHARE, "1", "100")).is_ok(), passes, "{}", rig.now);
        }
        // Over midnight: the session of a day ends on the next; the last opens on Friday.
        let mut rig = Rig::cash(|l| {
            let days = vec![7, 1, 2, 3, 4];
            l.session_hours = Some(SessionHours { days, open_minute: 1_320, close_minute: 1_260 });
        });
        for (day, hour, passes) in [(0, 3, true), (4, 20, true), (4, 21, false), (5, 3, false), (6, 21, false), (6, 22, true)] {
            rig.now = midnight.saturating_add(day * DAY + hour * HOUR);
            assert_eq!(rig.send(&buy(SHARE, "1", "100")).is_ok(), passes, "{}", rig.now);
        }
    }
    overflow {
        let mut rig = Rig::cash(hours);
        // The last instant there is: Sunday, 2554-07-21.
        rig.now = UnixNanos::MAX;
        rig.fail(DenyCode::SessionHours, &buy(SHARE, "1", "100"));
    }

    halt_state:
    pass {
        let mut rig = Rig::cash(|l| l.halt_state = false);
        rig.desk.status = TradingStatus::Closed;
        rig.pass(&buy(SHARE, "1", "100"));
    }
    fail {
        let mut rig = Rig::cash(|_| {});
        rig.desk.status = TradingStatus::Halted;
        rig.fail(DenyCode::HaltState, &buy(SHARE, "1", "100"));
        rig.desk.status = TradingStatus::Closed;
        let denied = rig.fail(DenyCode::HaltState, &buy(SHARE, "1", "100"));
        assert_eq!(denied.actual, Amount::Status(TradingStatus::Closed));
    }
    boundary {
        let mut rig = Rig::cash(|l| l.halt_state = false);
        let id = rig.pass(&buy(SHARE, "1", "100"));
        rig.gate.command(&CommandKind::HaltInstrument(SHARE));
        rig.fail(DenyCode::HaltState, &buy(SHARE, "1", "100"));
        assert!(rig.gate.approve_cancel(&rig.desk, rig.now, id, SHARE).is_ok());
        rig.pass(&buy(COIN, "1", "100"));
        rig.gate.command(&CommandKind::ResumeInstrument(SHARE));
        rig.pass(&buy(SHARE, "1", "100"));
    }
    overflow {
        let mut rig = Rig::cash(lax);
        rig.desk.status = TradingStatus::Halted;
        rig.fail(DenyCode::HaltState, &huge(Side::Sell));
    }

    post_only_cross:
    pass {
        let mut rig = Rig::cash(|l| l.post_only_cross = true);
        rig.pass(&buy(SHARE, "1", "99").post_only());
        rig.pass(&buy(SHARE, "1", "101"));
    }
    fail {
        let mut rig = Rig::cash(|l| l.post_only_cross = true);
        rig.fail(DenyCode::PostOnlyCross, &buy(SHARE, "1", "101").post_only());
        rig.fail(DenyCode::PostOnlyCross, &sell(SHARE, "1", "99").post_only());
    }
    boundary {
        let mut rig = Rig::cash(|l| l.post_only_cross = true);
        rig.pass(&buy(SHARE, "1", "100").post_only());
        rig.fail(DenyCode::PostOnlyCross, &buy(SHARE, "1", "100.01").post_only());
        rig.desk.net.insert(SHARE, qty("5"));
        rig.pass(&sell(SHARE, "1", "100").post_only());
        rig.fail(DenyCode::PostOnlyCross, &sell(SHARE, "1", "99.99").post_only());
    }
    overflow {
        let mut rig = Rig::cash(|l| { lax(l); l.post_only_cross = true; });
        rig.fail(DenyCode::PostOnlyCross, &huge(Side::Buy).post_only());
        rig.fail(DenyCode::PostOnlyCross, &OrderRequest::limit(SHARE, Side::Sell, HUGE, Price::MIN).post_only());
    }

    stale_data_max:
    pass { Rig::cash(|l| l.stale_data_max = Some(SECOND)).pass(&buy(SHARE, "1", "100")); }
    fail {
        let mut rig = Rig::cash(|l| l.stale_data_max = Some(SECOND));
        rig.desk.net.insert(SHARE, qty("1"));
        rig.later(2 * SECOND);
        rig.fail(DenyCode::StaleDataMax, &buy(SHARE, "1", "100"));
        rig.pass(&sell(SHARE, "1", "100"));
        rig.desk.reference = None;
        assert_eq!(rig.fail(DenyCode::StaleDataMax, &buy(SHARE, "1", "100")).actual, Amount::Unknown);
    }
    boundary {
        let mut rig = Rig::cash(|l| l.stale_data_max = Some(SECOND));
        rig.later(SECOND);
        rig.pass(&buy(SHARE, "1", "100"));
        rig.later(1);
        rig.fail(DenyCode::StaleDataMax, &buy(SHARE, "1", "100"));
    }
    overflow {
        let mut rig = Rig::cash(|l| l.stale_data_max = Some(u64::MAX - 1));
        rig.now = UnixNanos::MAX;
        rig.desk.reference = rig.desk.reference.map(|r| Reference { ts: UnixNanos::EPOCH, ..r });
        rig.fail(DenyCode::StaleDataMax, &buy(SHARE, "1", "100"));
    }

    message_rate_max:
    pass {
        let mut rig = Rig::cash(rate);
        for _ in 0..20 {
            rig.pass(&buy(SHARE, "1", "100"));
            rig.later(SECOND / 10);
        }
    }
    fail {
        let mut rig = Rig::cash(rate);
        for _ in 0..3 {
            rig.pass(&buy(SHARE, "1", "100"));
        }
        let denied = rig.fail(DenyCode::MessageRateMax, &buy(SHARE, "1", "100"));
        assert_eq!((denied.limit, denied.actual), (Amount::Count(2), Amount::Count(2)), "the rest is for cancels");
        let id = ClientOrderId::new(STRATEGY, 1);
        assert_eq!(rig.modify(id, "2", "100").unwrap_err().code, DenyCode::MessageRateMax);
        for _ in 0..50 {
            assert!(rig.gate.approve_cancel(&rig.desk, rig.now, id, SHARE).is_ok());
        }
        // Another strategy at the same venue finds the venue's bucket empty; at another venue its own is full.
        let other = ClientOrderId::new(StrategyId(2), 1);
        assert_eq!(rig.verdict(other, &buy(SHARE, "1", "100")).unwrap_err().code, DenyCode::MessageRateMax);
        assert!(rig.verdict(other, &buy(INVERSE, "1", "100")).is_ok());
    }
    boundary {
        let mut rig = Rig::cash(rate);
        for _ in 0..3 {
            rig.pass(&buy(SHARE, "1", "100"));
        }
        rig.later(SECOND / 10 - 1);
        rig.fail(DenyCode::MessageRateMax, &buy(SHARE, "1", "100"));
        rig.later(1);
        rig.pass(&buy(SHARE, "1", "100"));
        let mut rig = Rig::cash(|l| {
            rate(l);
            l.message_rate_max.as_mut().unwrap().refuse_cancels = true;
        });
        let id = ClientOrderId::new(STRATEGY, 1);
        for i in 0..6 {
            assert_eq!(rig.gate.approve_cancel(&rig.desk, rig.now, id, SHARE).is_ok(), i < 5);
        }
    }
    overflow {
        let fast = TokenRate { per_second: u32::MAX, burst: u32::MAX };
        let mut rig = Rig::cash(|l| {
            let (cancel_reserve, refuse_cancels) = (u32::MAX - 1, false);
            l.message_rate_max = Some(MessageRate { venue: fast, strategy: fast, cancel_reserve, refuse_cancels });
        });
        rig.pass(&buy(SHARE, "1", "100"));
        rig.fail(DenyCode::MessageRateMax, &buy(SHARE, "1", "100"));
        rig.now = UnixNanos::MAX;
        rig.pass(&buy(SHARE, "1", "100"));
    }

    repeat_execution_throttle:
    pass {
        let mut rig = Rig::cash(|l| l.repeat_execution_throttle = Some(RepeatExecution { executions: 3, window_ns: SECOND }));
        let order = buy(SHARE, "9", "100");
        let id = rig.pass(&order);
        for leaves in ["8", "7", "6", "5"] {
            assert_eq!(rig.fill(id, &order, "1", leaves), None);
            rig.later(SECOND / 2);
        }
        rig.pass(&buy(SHARE, "1", "100"));
    }
    fail {
        let mut rig = Rig::cash(|l| l.repeat_execution_throttle = Some(RepeatExecution { executions: 3, window_ns: SECOND }));
        let order = buy(SHARE, "9", "100");
        let id = rig.pass(&order);
        assert_eq!(rig.fill(id, &order, "1", "8"), None);
        assert_eq!(rig.fill(id, &order, "1", "7"), None);
        assert!(matches!(rig.fill(id, &order, "1", "6"), Some(StateChange::StrategyDisabled(STRATEGY, _))));
        rig.later(DAY);
        rig.fail(DenyCode::RepeatExecutionThrottle, &buy(SHARE, "1", "100"));
        assert!(rig.verdict(ClientOrderId::new(StrategyId(2), 1), &buy(SHARE, "1", "100")).is_ok());
        rig.gate.command(&CommandKind::Arm);
        rig.fail(DenyCode::RepeatExecutionThrottle, &buy(SHARE, "1", "100"));
        rig.gate.command(&CommandKind::EnableStrategy(STRATEGY));
        rig.pass(&buy(SHARE, "1", "100"));
    }
    boundary {
        for (gap, trips) in [(SECOND - 1, true), (SECOND, false)] {
            let mut rig = Rig::cash(|l| l.repeat_execution_throttle = Some(RepeatExecution { executions: 2, window_ns: SECOND }));
            let order = buy(SHARE, "9", "100");
            let id = rig.pass(&order);
            assert_eq!(rig.fill(id, &order, "1", "8"), None);
            rig.later(gap);
            assert_eq!(rig.fill(id, &order, "1", "7").is_some(), trips);
        }
    }
    overflow {
        let mut rig = Rig::cash(|l| {
            l.repeat_execution_throttle = Some(RepeatExecution { executions: 65_536, window_ns: u64::MAX });
        });
        let order = buy(SHARE, "9", "100");
        rig.now = UnixNanos::MAX;
        let changes = (0..65_537).filter(|_| rig.fill(ClientOrderId::new(STRATEGY, 1), &order, "0", "9").is_some()).count();
        assert_eq!(changes, 1, "told once");
        rig.fail(DenyCode::RepeatExecutionThrottle, &order);
    }

    credit_max:
    pass {
        let mut rig = Rig::cash(|l| l.credit_max = Some(money("1000")));
        rig.pass(&buy(SHARE, "5", "100"));
        rig.pass(&buy(SHARE, "4", "100"));
    }
    fail {
        let mut rig = Rig::cash(|l| l.credit_max = Some(money("1000")));
        let order = buy(SHARE, "5", "100");
        let id = rig.pass(&order);
        let denied = rig.fail(DenyCode::CreditMax, &buy(SHARE, "6", "100"));
        assert_eq!(denied.actual, Amount::Money(money("1100")), "a sent order counts at once");
        // Filled and cancelled in halves: the executed half counts until midnight, the other no more.
        rig.fill(id, &order, "3", "2");
        rig.fail(DenyCode::CreditMax, &buy(SHARE, "6", "100"));
        rig.close(id);
        let six = rig.pass(&buy(SHARE, "6", "100"));
        rig.close(six);
        rig.fail(DenyCode::CreditMax, &buy(SHARE, "8", "100"));
        rig.later(12 * HOUR);
        rig.pass(&buy(SHARE, "8", "100"));
    }
    boundary {
        let mut rig = Rig::cash(|l| l.credit_max = Some(money("1000")));
        rig.pass(&buy(SHARE, "10", "100"));
        rig.fail(DenyCode::CreditMax, &buy(SHARE, "1", "0.01"));
    }
    overflow {
        let mut rig = Rig::margin(|l| { lax(l); l.credit_max = Some(Money::MAX); });
        let wild = OrderRequest::limit(FUTURE, Side::Buy, HUGE, HIGHEST);
        assert_eq!(rig.fail(DenyCode::CreditMax, &wild).actual, Amount::Overflow);
        rig.desk.rate = Some(i64::MAX);
        let wild = OrderRequest::limit(INVERSE, Side::Buy, HUGE, price("0.1"));
        assert!(matches!(rig.fail(DenyCode::CreditMax, &wild).actual, Amount::Overflow | Amount::Unknown));
    }

    gross_notional_max:
    pass {
        let mut rig = Rig::margin(|l| l.gross_notional_max = Some(money("10000")));
        rig.pass(&buy(SHARE, "50", "100"));
        rig.pass(&sell(SHARE, "50", "101"));
        rig.pass(&buy(COIN, "40", "100"));
    }
    fail {
        let mut rig = Rig::margin(|l| l.gross_notional_max = Some(money("10000")));
        rig.desk.gross = Some(money("4000"));
        rig.pass(&buy(SHARE, "40", "100"));
        let denied = rig.fail(DenyCode::GrossNotionalMax, &sell(COIN, "21", "100"));
        assert_eq!(denied.actual, Amount::Money(money("10100")), "both instruments count, whatever the side");
        rig.desk.gross = None;
        rig.fail(DenyCode::GrossNotionalMax, &buy(COIN, "1", "100"));
    }
    boundary {
        let mut rig = Rig::margin(|l| l.gross_notional_max = Some(money("10000")));
        rig.desk.net.insert(SHARE, qty("100"));
        rig.desk.gross = Some(money("10000"));
        // Selling what is held adds nothing; turning 100 long into 100 short adds nothing; one share more does.
        rig.pass(&sell(SHARE, "100", "100"));
        rig.pass(&sell(SHARE, "100", "100"));
        rig.fail(DenyCode::GrossNotionalMax, &sell(SHARE, "1", "100"));
    }
    overflow {
        let mut rig = Rig::margin(|l| { lax(l); l.gross_notional_max = Some(Money::MAX); });
        rig.desk.gross = Some(Money::MAX);
        assert_eq!(rig.fail(DenyCode::GrossNotionalMax, &buy(SHARE, "1", "100")).actual, Amount::Overflow);
    }

    leverage_max:
    pass {
        let mut rig = Rig::margin(|l| l.leverage_max = Some("2".parse().unwrap()));
        rig.desk.equity = Some(money("1000"));
        rig.pass(&buy(SHARE, "15", "100"));
    }
    fail {
        let mut rig = Rig::margin(|l| l.leverage_max = Some("2".parse().unwrap()));
        rig.desk.equity = Some(money("1000"));
        let denied = rig.fail(DenyCode::LeverageMax, &buy(SHARE, "25", "100"));
        assert_eq!(denied.actual, Amount::Rate("2.5".parse().unwrap()));
        for broke in [None, Some(Money::ZERO), Some(money("-5"))] {
            rig.desk.equity = broke;
            rig.fail(DenyCode::LeverageMax, &buy(SHARE, "1", "100"));
        }
    }
    boundary {
        let mut rig = Rig::margin(|l| { lax(l); l.leverage_max = Some("2".parse().unwrap()); });
        rig.desk.equity = Some(money("1000"));
        rig.pass(&buy(SHARE, "20", "100"));
        rig.fail(DenyCode::LeverageMax, &buy(COIN, "0.001", "0.01"));
    }
    overflow {
        let mut rig = Rig::margin(|l| { lax(l); l.leverage_max = Some(Rate::MAX); });
        rig.desk.gross = Some(Money::MAX);
        rig.fail(DenyCode::LeverageMax, &buy(SHARE, "1", "100"));
        rig.desk.gross = Some(Money::ZERO);
        rig.desk.equity = Some(Money::MAX);
        assert_eq!(rig.fail(DenyCode::LeverageMax, &buy(SHARE, "1", "100")).actual, Amount::Overflow);
    }

    margin_free_min:
    pass {
        let mut rig = Rig::margin(|_| {});
        rig.desk.equity = Some(money("1000"));
        rig.pass(&buy(FUTURE, "1", "100"));
        assert_eq!(rig.gate.reserved_margin(ACCOUNT), money("500"), "a tenth of 50 * 100");
    }
    fail {
        let mut rig = Rig::margin(|_| {});
        rig.desk.equity = Some(money("1000"));
        rig.desk.margin_used = money("600");
        let denied = rig.fail(DenyCode::MarginFreeMin, &buy(FUTURE, "1", "100"));
        assert_eq!(denied.actual, Amount::Money(money("-100")));
        rig.desk.net.insert(FUTURE, qty("3"));
        rig.pass(&sell(FUTURE, "3", "100"));
        rig.desk.equity = None;
        assert_eq!(rig.fail(DenyCode::MarginFreeMin, &buy(FUTURE, "1", "100")).actual, Amount::Unknown);
    }
    boundary {
        let mut rig = Rig::margin(|l| l.margin_free_min = Some(money("100")));
        rig.desk.equity = Some(money("1100"));
        rig.pass(&buy(FUTURE, "1", "100"));
        rig.pass(&buy(FUTURE, "1", "100"));
        rig.fail(DenyCode::MarginFreeMin, &buy(FUTURE, "1", "0.01"));
        // The other side cannot fill on top: it needs no more than the larger side.
        rig.pass(&sell(FUTURE, "2", "100"));
        // A contract of 1 dollar at 50 is worth 0.02 bitcoin, at 100 dollars each 2 dollars, margin 2 cents.
        let mut rig = Rig::margin(|_| {});
        rig.desk.equity = Some(money("0.02"));
        rig.pass(&buy(INVERSE, "1", "50"));
        rig.fail(DenyCode::MarginFreeMin, &buy(INVERSE, "1", "50"));
    }
    overflow {
        let mut rig = Rig::margin(|l| { lax(l); l.margin_free_min = Some(Money::ZERO); });
        let wild = OrderRequest::limit(FUTURE, Side::Buy, HUGE, HIGHEST);
        assert_eq!(rig.fail(DenyCode::MarginFreeMin, &wild).actual, Amount::Overflow);
        (rig.desk.equity, rig.desk.margin_used) = (Some(Money::MIN), Money::MAX);
        assert_eq!(rig.fail(DenyCode::MarginFreeMin, &buy(SHARE, "1", "100")).actual, Amount::Overflow);
    }

    insufficient_funds:
    pass {
        let mut rig = Rig::cash(|_| {});
        rig.pass(&buy(COIN, "10", "100"));
        assert_eq!(rig.gate.reserved(ACCOUNT, USD), money("1001"), "1000 and a tenth of a percent");
        rig.pass(&sell(COIN, "4", "100"));
        assert_eq!(rig.gate.reserved(ACCOUNT, BTC), money("4"));
        let mut rig = Rig::cash(|l| l.insufficient_funds.allow_short = true);
        rig.pass(&sell(COIN, "400", "100"));
        rig.pass(&sell(SHARE, "400", "100"));
        let mut rig = Rig::cash(|l| l.insufficient_funds.allow_borrowing = true);
        rig.pass(&buy(COIN, "400000", "100"));
    }
    fail {
        let mut rig = Rig::cash(|_| {});
        let denied = rig.fail(DenyCode::InsufficientFunds, &buy(SHARE, "10001", "100"));
        assert_eq!((denied.limit, denied.actual), (Amount::Money(money("1000100")), Amount::Money(money("1000000"))));
        rig.fail(DenyCode::InsufficientFunds, &sell(COIN, "10.001", "100"));
        let denied = rig.fail(DenyCode::InsufficientFunds, &sell(SHARE, "1", "100"));
        assert_eq!(denied.limit, Amount::Qty(qty("1")), "no share is held");
        rig.desk.reference = None;
        rig.fail(DenyCode::InsufficientFunds, &OrderRequest::market(SHARE, Side::Buy, qty("1")));
    }
    boundary {
        let mut rig = Rig::cash(|_| {});
        rig.desk.balances.insert(USD, money("1001"));
        rig.pass(&buy(COIN, "5", "100"));
        rig.fail(DenyCode::InsufficientFunds, &buy(COIN, "5.001", "100"));
        rig.pass(&buy(COIN, "5", "100"));
        rig.fail(DenyCode::InsufficientFunds, &buy(COIN, "0.001", "0.01"));
        rig.pass(&sell(COIN, "10", "100"));
        rig.fail(DenyCode::InsufficientFunds, &sell(COIN, "0.001", "100"));
        rig.desk.net.insert(SHARE, qty("7"));
        rig.pass(&sell(SHARE, "7", "100"));
        rig.fail(DenyCode::InsufficientFunds, &sell(SHARE, "1", "100"));
        // A market purchase is taken to cost half a percent more than the ask: 10 * 100.01 * 1.005 = 1005.1005.
        let mut rig = Rig::cash(|l| l.insufficient_funds.market_buffer_bps = 50);
        rig.desk.balances.insert(USD, money("1005.10"));
        rig.fail(DenyCode::InsufficientFunds, &OrderRequest::market(SHARE, Side::Buy, qty("10")));
        rig.desk.balances.insert(USD, money("1005.11"));
        rig.pass(&OrderRequest::market(SHARE, Side::Buy, qty("10")));
    }
    overflow {
        let mut rig = Rig::cash(|l| l.tick_lot_valid = false);
        rig.desk.balances.insert(USD, Money::MAX);
        let wild = OrderRequest::limit(FUTURE, Side::Buy, HUGE, HIGHEST);
        assert_eq!(rig.fail(DenyCode::InsufficientFunds, &wild).limit, Amount::Overflow);
        rig.desk.net.insert(SHARE, Qty::MIN);
        rig.fail(DenyCode::InsufficientFunds, &huge(Side::Sell));
        rig.desk.balances.insert(BTC, Money::MIN);
        rig.fail(DenyCode::InsufficientFunds, &sell(COIN, "1", "100"));
    }

    daily_loss_max:
    pass {
        let mut rig = Rig::cash(loss);
        assert_eq!(rig.gate.on_equity(ACCOUNT, rig.now, money("100000")), None);
        assert_eq!(rig.gate.on_equity(ACCOUNT, rig.now, money("96000")), None);
        // The next day starts from there.
        assert_eq!(rig.gate.on_equity(ACCOUNT, rig.now.saturating_add(DAY), money("92000")), None);
        rig.pass(&buy(SHARE, "1", "100"));
    }
    fail {
        let mut rig = Rig::cash(loss);
        rig.desk.net.insert(SHARE, qty("5"));
        rig.gate.on_equity(ACCOUNT, rig.now, money("100000"));
        let change = rig.gate.on_equity(ACCOUNT, rig.now, money("94000"));
        assert!(matches!(change, Some(StateChange::Engine(TradingState::Reducing, _))));
        let denied = rig.fail(DenyCode::DailyLossMax, &buy(SHARE, "1", "100"));
        assert_eq!(denied.actual, Amount::Money(money("6000")));
        rig.gate.on_equity(ACCOUNT, rig.now.saturating_add(DAY), money("200000"));
        rig.fail(DenyCode::DailyLossMax, &buy(SHARE, "1", "100"));
        rig.pass(&sell(SHARE, "5", "100"));
        rig.fail(DenyCode::DailyLossMax, &sell(SHARE, "1", "100"));
        rig.gate.command(&CommandKind::Arm);
        rig.pass(&buy(SHARE, "1", "100"));
    }
    boundary {
        let mut rig = Rig::cash(loss);
        rig.gate.on_equity(ACCOUNT, rig.now, money("100000"));
        assert_eq!(rig.gate.on_equity(ACCOUNT, rig.now, money("95000")), None);
        assert!(rig.gate.on_equity(ACCOUNT, rig.now, money("94999.999999999")).is_some());
        assert_eq!(rig.gate.trading(), TradingState::Reducing);
        // A gap over midnight is the loss of the new day.
        let mut rig = Rig::cash(loss);
        rig.gate.on_equity(ACCOUNT, rig.now, money("100000"));
        assert!(rig.gate.on_equity(ACCOUNT, rig.now.saturating_add(DAY), money("94999")).is_some());
    }
    overflow {
        let mut rig = Rig::cash(loss);
        rig.gate.on_equity(ACCOUNT, UnixNanos::EPOCH, Money::MAX);
        assert!(rig.gate.on_equity(ACCOUNT, UnixNanos::EPOCH, Money::MIN).is_some());
        rig.fail(DenyCode::DailyLossMax, &buy(SHARE, "1", "100"));
    }

    drawdown_max:
    pass {
        let mut rig = Rig::cash(|l| l.drawdown_max = Some(2_000));
        rig.gate.on_equity(ACCOUNT, rig.now, money("100"));
        assert_eq!(rig.gate.on_equity(ACCOUNT, rig.now, money("90")), None);
    }
    fail {
        let mut rig = Rig::cash(|l| l.drawdown_max = Some(2_000));
        for (day, equity) in [(0, "100"), (1, "200"), (2, "170"), (3, "150")] {
            rig.gate.on_equity(ACCOUNT, rig.now.saturating_add(day * DAY), money(equity));
        }
        assert_eq!(rig.fail(DenyCode::DrawdownMax, &buy(SHARE, "1", "100")).actual, Amount::Bps(2_500));
        // Arming takes the peak anew, or the next mark would undo it.
        rig.gate.command(&CommandKind::Arm);
        assert_eq!(rig.gate.on_equity(ACCOUNT, rig.now.saturating_add(4 * DAY), money("149")), None);
    }
    boundary {
        let mut rig = Rig::cash(|l| l.drawdown_max = Some(2_000));
        rig.gate.on_equity(ACCOUNT, rig.now, money("100"));
        assert_eq!(rig.gate.on_equity(ACCOUNT, rig.now, money("80")), None);
        assert!(rig.gate.on_equity(ACCOUNT, rig.now, money("79.999999999")).is_some());
    }
    overflow {
        let mut rig = Rig::cash(|l| l.drawdown_max = Some(10_000));
        rig.gate.on_equity(ACCOUNT, rig.now, Money::MAX);
        assert!(rig.gate.on_equity(ACCOUNT, rig.now, money("1")).is_some(), "too large to tell is no reason to go on");
        assert_eq!(rig.fail(DenyCode::DrawdownMax, &buy(SHARE, "1", "100")).actual, Amount::Overflow);
        let mut rig = Rig::cash(|l| l.drawdown_max = Some(10_000));
        rig.gate.on_equity(ACCOUNT, rig.now, money("-1"));
        assert!(rig.gate.on_equity(ACCOUNT, rig.now, money("-2")).is_some(), "a fall from nothing has no bound");
    }

    restricted_list:
    pass { Rig::cash(|l| { l.restricted_list.insert("ACME".into()); }).pass(&buy(COIN, "1", "100")); }
    fail {
        let mut rig = Rig::cash(|l| { l.restricted_list.insert("ACME".into()); });
        rig.fail(DenyCode::RestrictedList, &buy(SHARE, "1", "100"));
    }
    boundary {
        // A listed symbol is not even reduced; a symbol that nobody trades is a fault of the configuration.
        let mut rig = Rig::cash(|l| { l.restricted_list.insert("ACME".into()); });
        rig.desk.net.insert(SHARE, qty("5"));
        rig.fail(DenyCode::RestrictedList, &sell(SHARE, "1", "100").reduce_only());
        let mut limits = RiskLimits::default();
        limits.restricted_list.insert("ACMEE".into());
        let faults = RiskGate::new(&limits, &rig.desk.instruments, &rig.desk.currencies).unwrap_err();
        assert_eq!(faults.0[0].value, "ACMEE");
    }
    overflow {
        let mut rig = Rig::cash(|l| { lax(l); l.restricted_list.insert("ACME".into()); });
        rig.fail(DenyCode::RestrictedList, &huge(Side::Buy));
    }

    reduce_only_valid:
    pass {
        let mut rig = Rig::cash(|_| {});
        rig.desk.net.insert(SHARE, qty("5"));
        rig.pass(&sell(SHARE, "5", "100").reduce_only());
        let mut rig = Rig::margin(|l| l.reduce_only_valid = false);
        rig.pass(&sell(SHARE, "5", "100").reduce_only());
    }
    fail {
        let mut rig = Rig::margin(|_| {});
        rig.fail(DenyCode::ReduceOnlyValid, &sell(SHARE, "5", "100").reduce_only());
        rig.desk.net.insert(SHARE, qty("-5"));
        rig.fail(DenyCode::ReduceOnlyValid, &sell(SHARE, "5", "100").reduce_only());
        rig.pass(&buy(SHARE, "5", "100").reduce_only());
    }
    boundary {
        // The least position will do: the venue trims the order to it.
        let mut rig = Rig::margin(|_| {});
        rig.desk.net.insert(SHARE, Qty::from_units(1));
        rig.pass(&sell(SHARE, "5", "100").reduce_only());
        assert!(rig.gate.is_idle() || rig.gate.open_orders() == 1);
        assert_eq!(rig.gate.reserved_margin(ACCOUNT), Money::ZERO);
    }
    overflow {
        let mut rig = Rig::margin(lax);
        rig.desk.net.insert(SHARE, Qty::MIN);
        rig.fail(DenyCode::ReduceOnlyValid, &huge(Side::Sell).reduce_only());
        rig.pass(&huge(Side::Buy).reduce_only());
    }

    clock_skew_max:
    pass {
        let mut rig = Rig::cash(|l| l.clock_skew_max = Some(SECOND));
        rig.pass(&buy(SHARE, "1", "100"));
        rig.desk.skew = Some(SECOND / 2);
        rig.pass(&buy(SHARE, "1", "100"));
    }
    fail {
        let mut rig = Rig::cash(|l| l.clock_skew_max = Some(SECOND));
        rig.desk.skew = Some(2 * SECOND);
        rig.desk.net.insert(SHARE, qty("1"));
        rig.fail(DenyCode::ClockSkewMax, &buy(SHARE, "1", "100"));
        rig.pass(&sell(SHARE, "1", "100"));
    }
    boundary {
        let mut rig = Rig::cash(|l| l.clock_skew_max = Some(SECOND));
        rig.desk.skew = Some(SECOND);
        rig.pass(&buy(SHARE, "1", "100"));
        rig.desk.skew = Some(SECOND + 1);
        rig.fail(DenyCode::ClockSkewMax, &buy(SHARE, "1", "100"));
    }
    overflow {
        let mut rig = Rig::cash(|l| l.clock_skew_max = Some(u64::MAX - 1));
        rig.desk.skew = Some(u64::MAX);
        rig.fail(DenyCode::ClockSkewMax, &buy(SHARE, "1", "100"));
    }

    unknown_orders_max:
    pass {
        let mut rig = Rig::cash(|l| l.unknown_orders_max = Some(1));
        let id = rig.pass(&buy(SHARE, "1", "100"));
        rig.gate.on_unknown(id);
        rig.pass(&buy(SHARE, "1", "100"));
    }
    fail {
        let mut rig = Rig::cash(|l| l.unknown_orders_max = Some(0));
        rig.desk.net.insert(SHARE, qty("1"));
        let id = rig.pass(&buy(SHARE, "1", "100"));
        rig.gate.on_unknown(id);
        rig.fail(DenyCode::UnknownOrdersMax, &buy(SHARE, "1", "100"));
        rig.pass(&sell(SHARE, "1", "100"));
        rig.gate.on_known(id);
        rig.pass(&buy(SHARE, "1", "100"));
    }
    boundary {
        let mut rig = Rig::cash(|l| l.unknown_orders_max = Some(1));
        let ids = [rig.pass(&buy(SHARE, "1", "100")), rig.pass(&buy(SHARE, "1", "100"))];
        rig.gate.on_unknown(ids[0]);
        rig.gate.on_unknown(ids[0]);
        rig.pass(&buy(SHARE, "1", "100"));
        rig.gate.on_unknown(ids[1]);
        assert_eq!(rig.fail(DenyCode::UnknownOrdersMax, &buy(SHARE, "1", "100")).actual, Amount::Count(2));
        rig.close(ids[1]);
        rig.pass(&buy(SHARE, "1", "100"));
    }
    overflow {
        let mut rig = Rig::cash(|l| l.unknown_orders_max = Some(u32::MAX));
        rig.gate.on_unknown(ClientOrderId::from_raw(u64::MAX));
        rig.gate.on_known(ClientOrderId::from_raw(u64::MAX));
        rig.pass(&buy(SHARE, "1", "100"));
    }

    open_orders_max:
    pass { Rig::cash(|l| l.open_orders_max = Some(2)).pass(&buy(SHARE, "1", "100")); }
    fail {
        let mut rig = Rig::cash(|l| l.open_orders_max = Some(0));
        rig.fail(DenyCode::OpenOrdersMax, &buy(SHARE, "1", "100"));
    }
    boundary {
        let mut rig = Rig::cash(|l| l.open_orders_max = Some(2));
        let first = rig.pass(&buy(SHARE, "1", "100"));
        rig.pass(&buy(COIN, "1", "100"));
        assert_eq!(rig.fail(DenyCode::OpenOrdersMax, &buy(SHARE, "1", "100")).actual, Amount::Count(3));
        rig.close(first);
        rig.pass(&buy(SHARE, "1", "100"));
    }
    overflow {
        let mut rig = Rig::cash(|l| l.open_orders_max = Some(u32::MAX));
        for _ in 0..1_000 {
            rig.pass(&buy(SHARE, "1", "100"));
        }
        assert_eq!(rig.gate.open_orders(), 1_000);
    }

    kill:
    pass {
        let mut rig = Rig::cash(|_| {});
        rig.gate.command(&CommandKind::Kill);
        rig.gate.command(&CommandKind::Arm);
        rig.pass(&buy(SHARE, "1", "100"));
    }
    fail {
        let mut rig = Rig::cash(|_| {});
        rig.desk.net.insert(SHARE, qty("5"));
        let id = rig.pass(&buy(SHARE, "1", "100"));
        rig.gate.command(&CommandKind::Kill);
        let text = rig.fail(DenyCode::Kill, &sell(SHARE, "1", "100").reduce_only()).to_string();
        assert_eq!(text, "kill: state is halted, not active; a person must arm the engine again");
        assert_eq!(rig.modify(id, "1", "99").unwrap_err().code, DenyCode::Kill);
        assert!(rig.gate.approve_cancel(&rig.desk, rig.now, id, SHARE).is_ok(), "a cancel always passes");
    }
    boundary {
        let mut rig = Rig::cash(|_| {});
        rig.gate.command(&CommandKind::Reduce);
        assert_eq!(rig.gate.trading(), TradingState::Reducing);
        rig.gate.command(&CommandKind::Kill);
        rig.gate.command(&CommandKind::Reduce);
        assert_eq!(rig.gate.trading(), TradingState::Halted, "the latch does not slide back up");
        rig.gate.command(&CommandKind::Arm);
        rig.gate.command(&CommandKind::DisableStrategy(STRATEGY));
        rig.fail(DenyCode::Kill, &buy(SHARE, "1", "100"));
        assert!(rig.verdict(ClientOrderId::new(StrategyId(2), 1), &buy(SHARE, "1", "100")).is_ok());
        rig.gate.command(&CommandKind::EnableStrategy(STRATEGY));
        rig.pass(&buy(SHARE, "1", "100"));
    }
    overflow {
        let mut rig = Rig::cash(lax);
        rig.gate.command(&CommandKind::DisableStrategy(StrategyId(u16::MAX)));
        let last = ClientOrderId::new(StrategyId(u16::MAX), 1);
        assert_eq!(rig.verdict(last, &huge(Side::Buy)).unwrap_err().code, DenyCode::Kill);
    }

    order_open:
    pass {
        let mut rig = Rig::cash(|_| {});
        let id = rig.pass(&buy(SHARE, "1", "100"));
        let approval = rig.modify(id, "2", "99").unwrap();
        assert_eq!((approval.order.id(), approval.order.qty()), (id, qty("2")));
    }
    fail {
        let mut rig = Rig::cash(|_| {});
        assert_eq!(rig.modify(ClientOrderId::new(STRATEGY, 7), "2", "99").unwrap_err().code, DenyCode::OrderOpen);
        let id = rig.pass(&buy(SHARE, "1", "100"));
        rig.close(id);
        let denied = rig.modify(id, "2", "99").unwrap_err();
        assert!(denied.to_string().starts_with("order_open: S1-1 is not open"), "{denied}");
    }
    boundary {
        let mut rig = Rig::cash(|_| {});
        let order = buy(SHARE, "5", "100");
        let id = rig.pass(&order);
        let _ = rig.modify(id, "4", "100").unwrap();
        assert_eq!(rig.modify(id, "3", "100").unwrap_err().code, DenyCode::OrderOpen, "one change at a time");
        rig.gate.on_modify_rejected(&rig.desk, id);
        rig.fill(id, &order, "2", "3");
        assert_eq!(rig.modify(id, "2", "100").unwrap_err().code, DenyCode::OrderQtyMin, "that much is filled");
        let _ = rig.modify(id, "3", "100").unwrap();
    }
    overflow {
        let mut rig = Rig::cash(lax);
        let id = rig.pass(&buy(SHARE, "1", "100"));
        let kind = OrderKind::Limit { price: HIGHEST };
        assert!(rig.gate.approve_modify(&rig.desk, rig.now, id, HUGE, kind).is_ok());
        let gone = ClientOrderId::from_raw(u64::MAX);
        assert_eq!(rig.gate.approve_modify(&rig.desk, rig.now, gone, HUGE, kind).unwrap_err().code, DenyCode::OrderOpen);
    }
}
