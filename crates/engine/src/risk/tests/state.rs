//! The state machine, and the gate's whole state through a snapshot.

use super::*;

#[test]
fn in_reducing_only_what_reduces_passes() {
    let mut rig = Rig::margin(|_| {});
    let resting = rig.pass(&buy(FUTURE, "5", "90"));
    rig.gate.command(&CommandKind::Reduce);
    rig.desk.net.insert(FUTURE, qty("-10"));
    rig.fail(DenyCode::Kill, &sell(FUTURE, "1", "100"));
    rig.fail(DenyCode::Kill, &buy(COIN, "1", "100"));
    // 5 are on their way already: 5 more reduce, 6 could turn the position.
    rig.fail(DenyCode::Kill, &buy(FUTURE, "6", "100"));
    rig.pass(&buy(FUTURE, "5", "100"));
    rig.fail(DenyCode::Kill, &buy(FUTURE, "1", "100"));
    rig.desk.net.insert(FUTURE, Qty::ZERO);
    assert!(rig.modify(resting, "4", "90").is_ok(), "less of the same order is less risk");
    rig.gate.on_modify_rejected(&rig.desk, resting);
    assert_eq!(rig.modify(resting, "4", "95").unwrap_err().code, DenyCode::Kill);
}

#[test]
fn a_named_position_of_a_hedging_account_is_reduced_by_closing_it() {
    let mut desk = Desk::new(AccountKind::Margin);
    desk.terms.hedging = true;
    let (long, short) = (PositionId(1), PositionId(2));
    desk.positions.insert(long, qty("10"));
    desk.positions.insert(short, qty("-10"));
    desk.equity = Some(Money::ZERO);
    let mut rig = Rig::of(desk, |_| {});
    // Net is flat, and there is no margin for anything new.
    rig.fail(DenyCode::MarginFreeMin, &sell(FUTURE, "10", "100"));
    rig.fail(DenyCode::MarginFreeMin, &buy(FUTURE, "1", "100").on_position(long));
    let stop = rig.pass(&sell(FUTURE, "10", "90").on_position(long).oco(7));
    rig.pass(&sell(FUTURE, "10", "110").on_position(long).oco(7));
    rig.fail(DenyCode::MarginFreeMin, &sell(FUTURE, "1", "110").on_position(long));
    rig.pass(&buy(FUTURE, "10", "100").on_position(short));
    assert_eq!(rig.gate.reserved_margin(ACCOUNT), Money::ZERO);
    rig.close(stop);
    rig.fail(DenyCode::MarginFreeMin, &sell(FUTURE, "1", "110").on_position(long));
}

#[test]
fn a_bracket_waits_for_its_parent_without_a_claim_and_reserves_when_released() {
    let mut rig = Rig::cash(|_| {});
    rig.desk.balances.insert(BTC, Money::ZERO);
    let entry = rig.pass(&buy(COIN, "2", "100"));
    let child = |p| sell(COIN, "2", p).after(entry).oco(1);
    let target = rig.pass(&child("110").reduce_only());
    let stop = rig.pass(&child("90"));
    rig.fail(DenyCode::InsufficientFunds, &sell(COIN, "2.001", "90").after(entry));
    assert_eq!(rig.gate.reserved(ACCOUNT, BTC), Money::ZERO);
    rig.fill(entry, &buy(COIN, "2", "100"), "2", "0");
    rig.desk.balances.insert(BTC, money("2"));
    rig.desk.net.insert(COIN, qty("2"));
    rig.gate.release(&rig.desk, UnixNanos::EPOCH, target, Qty::MAX, PositionId::NONE);
    rig.gate.release(&rig.desk, UnixNanos::EPOCH, stop, Qty::MAX, PositionId::NONE);
    assert_eq!(rig.gate.reserved(ACCOUNT, BTC), money("2"), "of two that cancel each other one can fill");
    rig.fail(DenyCode::InsufficientFunds, &sell(COIN, "0.001", "90"));
    rig.close(stop);
    assert_eq!(rig.gate.reserved(ACCOUNT, BTC), money("2"));
    rig.close(target);
    assert!(rig.gate.is_idle());
}

#[test]
fn a_change_reserves_the_larger_until_it_is_answered() {
    let mut rig = Rig::cash(|_| {});
    let id = rig.pass(&buy(SHARE, "10", "100"));
    let _ = rig.modify(id, "10", "50").unwrap();
    assert_eq!(rig.gate.reserved(ACCOUNT, USD), money("1000"));
    rig.gate.on_modified(&rig.desk, id, qty("10"), OrderKind::Limit { price: price("50") });
    assert_eq!(rig.gate.reserved(ACCOUNT, USD), money("500"));
    let _ = rig.modify(id, "20", "100").unwrap();
    assert_eq!(rig.gate.reserved(ACCOUNT, USD), money("2000"));
    rig.gate.on_modify_rejected(&rig.desk, id);
    assert_eq!(rig.gate.reserved(ACCOUNT, USD), money("500"));
    let denied = rig.modify(id, "20001", "50").unwrap_err();
    assert_eq!(denied.code, DenyCode::InsufficientFunds);
    // The venue did something else than asked: what it says counts.
    rig.gate.on_modified(&rig.desk, id, qty("30"), OrderKind::Limit { price: price("10") });
    assert_eq!(rig.gate.reserved(ACCOUNT, USD), money("300"));
}

#[test]
fn a_snapshot_restores_all_of_it_with_the_kill_latch() {
    let set = |limits: &mut RiskLimits| {
        limits.duplicate_order = Some(DuplicateOrder { window_ns: SECOND });
        limits.self_trade = Some(SelfTrade::Reject);
        limits.price_collar_window = Some(PriceCollarWindow { bps: 2_000, window_ns: SECOND });
        limits.repeat_execution_throttle = Some(RepeatExecution { executions: 3, window_ns: SECOND });
        limits.credit_max = Some(money("100000"));
    };
    let mut rig = Rig::margin(set);
    rig.pass(&sell(FUTURE, "1", "101").oco(3));
    let order = sell(FUTURE, "3", "102").oco(3);
    let id = rig.pass(&order);
    rig.fill(id, &order, "1", "2");
    rig.gate.on_equity(ACCOUNT, rig.now, money("5"));
    rig.gate.on_unknown(id);
    rig.gate.command(&CommandKind::Kill);

    let bytes = postcard::to_allocvec(rig.gate.state()).unwrap();
    let state: RiskState = postcard::from_bytes(&bytes).unwrap();
    let mut limits = RiskLimits::default();
    set(&mut limits);
    let mut back = RiskGate::new(&limits, &rig.desk.instruments, &rig.desk.currencies).unwrap();
    back.restore(state);
    assert_eq!(back.state(), rig.gate.state(), "indices and resting orders included");
    assert_eq!(postcard::to_allocvec(back.state()).unwrap(), bytes);
    assert_eq!(back.trading(), TradingState::Halted, "a kill survives a restart");

    // Both go on alike.
    let steps = |gate: &mut RiskGate| {
        gate.command(&CommandKind::Arm);
        let mut seen = Vec::new();
        for (counter, request) in [
            (3, sell(FUTURE, "3", "102").oco(3)),
            (4, buy(FUTURE, "1", "101")),
            (5, buy(FUTURE, "1", "60")),
            (6, buy(FUTURE, "1", "100")),
        ] {
            let id = ClientOrderId::new(STRATEGY, counter);
            seen.push(gate.approve(&rig.desk, rig.now, id, ACCOUNT, &request).map(|a| a.order));
        }
        gate.on_closed(&rig.desk, id);
        (seen, postcard::to_allocvec(gate.state()).unwrap())
    };
    let (ours, theirs) = (steps(&mut rig.gate), steps(&mut back));
    assert_eq!(ours, theirs);
    let codes: Vec<_> = ours.0.iter().map(|v| v.as_ref().err().map(|d| d.code)).collect();
    assert_eq!(
        codes,
        [Some(DenyCode::DuplicateOrder), Some(DenyCode::SelfTrade), None, Some(DenyCode::PriceCollarWindow)]
    );
}

#[test]
fn a_triggered_order_rests_at_its_limit() {
    let mut rig = Rig::margin(|l| l.self_trade = Some(SelfTrade::Reject));
    let kind = OrderKind::StopLimit { trigger: price("99"), price: price("98") };
    let stop = rig.pass(&OrderRequest::new(FUTURE, Side::Sell, kind, qty("1")));
    rig.pass(&buy(FUTURE, "1", "98.50").tif(TimeInForce::Ioc));
    rig.gate.on_triggered(&rig.desk, stop);
    rig.fail(DenyCode::SelfTrade, &buy(FUTURE, "1", "98.50").tif(TimeInForce::Ioc));
}

#[test]
fn of_two_orders_that_cancel_each_other_only_the_larger_counts() {
    let mut rig = Rig::cash(|l| l.gross_notional_max = Some(money("1000")));
    rig.desk.balances.insert(USD, money("1000"));
    let low = rig.pass(&buy(SHARE, "10", "90").oco(5));
    rig.pass(&buy(SHARE, "10", "100").oco(5));
    assert_eq!(rig.gate.reserved(ACCOUNT, USD), money("1000"));
    rig.fail(DenyCode::GrossNotionalMax, &buy(SHARE, "11", "100").oco(5));
    rig.fail(DenyCode::GrossNotionalMax, &buy(SHARE, "1", "100"));
    rig.close(ClientOrderId::new(STRATEGY, 2));
    assert_eq!(rig.gate.reserved(ACCOUNT, USD), money("900"), "what the one shared, the other keeps");
    rig.close(low);
    assert!(rig.gate.is_idle());
}
