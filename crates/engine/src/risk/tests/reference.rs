//! A slow, obvious twin of the checks on value, position, credit and funds: it keeps every order in a list and computes
//! each sum anew, in plain i128. The gate must give the same verdicts and hold the same reservations.

use proptest::prelude::*;

use super::*;

const UNIT: i128 = 1_000_000_000;
const CENT: i128 = UNIT / 100;

fn up(n: i128, d: i128) -> i128 {
    (n + d - 1).div_euclid(d)
}

#[derive(Debug, Clone)]
struct Open {
    id: ClientOrderId,
    request: OrderRequest,
    leaves: i128,
    /// At approval.
    value: i128,
    cash: i128,
}

impl Open {
    fn part(&self, whole: i128) -> i128 {
        up(whole * self.leaves, i128::from(self.request.qty.units()))
    }
}

#[derive(Debug, Clone)]
struct Twin {
    margin: bool,
    notional_max: i128,
    net_max: i128,
    credit_max: i128,
    gross_max: i128,
    open: Vec<Open>,
    executed: i128,
}

impl Twin {
    /// Dollars, in whole cents, of quantity at price.
    fn value(instrument: InstrumentId, q: i128, p: i128) -> i128 {
        let points = if instrument == FUTURE { 50 } else { 1 };
        up(q * p * points, UNIT * CENT) * CENT
    }
    fn net(desk: &Desk, instrument: InstrumentId) -> i128 {
        desk.net.get(&instrument).map_or(0, |q| q.units().into())
    }
    fn side(&self, instrument: InstrumentId, side: Side) -> (i128, i128) {
        let orders = self.open.iter().filter(|o| (o.request.instrument, o.request.side) == (instrument, side));
        orders.fold((0, 0), |(q, v), o| (q + o.leaves, v + o.part(o.value)))
    }
    /// What open orders, and `extra` of quantity and value on a side, could add to the value of a position.
    fn increase(&self, desk: &Desk, instrument: InstrumentId, side: Side, extra: (i128, i128)) -> i128 {
        let net = Self::net(desk, instrument);
        let of = |s: Side| {
            let (mut q, mut v) = self.side(instrument, s);
            if s == side {
                (q, v) = (q + extra.0, v + extra.1);
            }
            let worst = net * i128::from(s.sign()) + q;
            let more = (worst - net.abs()).clamp(0, q);
            if q == 0 { 0 } else { up(v * more, q) }
        };
        of(Side::Buy).max(of(Side::Sell))
    }
    fn gross(&self, desk: &Desk, at: InstrumentId, side: Side, extra: (i128, i128)) -> i128 {
        let of = |i| self.increase(desk, i, side, if i == at { extra } else { (0, 0) });
        desk.gross.unwrap().units() + of(SHARE) + of(COIN) + of(FUTURE)
    }
    fn judge(&self, desk: &Desk, request: &OrderRequest) -> Result<(i128, i128), DenyCode> {
        let (instrument, side) = (request.instrument, request.side);
        let q = i128::from(request.qty.units());
        let reference = desk.reference.unwrap().price(side).unwrap();
        let limit = request.kind.limit().unwrap_or(reference);
        let p = if side == Side::Sell { limit.max(reference) } else { limit };
        let value = Self::value(instrument, q, p.units().into());
        let fee = if instrument == COIN { up(value, 1_000 * CENT) * CENT } else { 0 };
        if value > self.notional_max {
            return Err(DenyCode::OrderNotionalMax);
        }
        let net = Self::net(desk, instrument) * i128::from(side.sign());
        let (open, _) = self.side(instrument, side);
        let reduces = net < 0 && open + q <= -net;
        if !reduces {
            if net + open + q > self.net_max {
                return Err(DenyCode::NetPositionMax);
            }
            if self.executed + self.open.iter().map(|o| o.part(o.value)).sum::<i128>() + value > self.credit_max {
                return Err(DenyCode::CreditMax);
            }
            if self.gross(desk, instrument, side, (q, value)) > self.gross_max {
                return Err(DenyCode::GrossNotionalMax);
            }
            if self.margin {
                let rate = |i| {
                    if i == SHARE {
                        50
                    } else if i == COIN {
                        20
                    } else {
                        10
                    }
                };
                let of = |i| {
                    up(self.increase(desk, i, side, if i == instrument { (q, value) } else { (0, 0) }) * rate(i), 100)
                };
                if desk.equity.unwrap().units() - desk.margin_used.units() - of(SHARE) - of(COIN) - of(FUTURE) < 0 {
                    return Err(DenyCode::MarginFreeMin);
                }
            }
        }
        let cash = if !self.margin && side == Side::Buy { value + fee } else { 0 };
        if !self.margin {
            let taken: i128 = self.open.iter().map(|o| o.part(o.cash)).sum();
            let short = match (side, instrument) {
                (Side::Buy, _) => desk.balances[&USD].units() - taken < cash,
                (Side::Sell, COIN) => desk.balances[&BTC].units() - open < q,
                (Side::Sell, _) => -net - open < q,
            };
            if short {
                return Err(DenyCode::InsufficientFunds);
            }
        }
        Ok((value, cash))
    }
}

#[derive(Debug, Clone)]
enum Step {
    Send { instrument: u32, side: bool, lots: i64, cents: Option<i64> },
    Fill { order: usize, share: i64 },
    Close { order: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let send = (0u32..3, any::<bool>(), 1i64..60, proptest::option::of(9_000i64..11_000))
        .prop_map(|(instrument, side, lots, cents)| Step::Send { instrument, side, lots, cents });
    let fill = (any::<usize>(), 1i64..=4).prop_map(|(order, share)| Step::Fill { order, share });
    let close = any::<usize>().prop_map(|order| Step::Close { order });
    proptest::collection::vec(prop_oneof![4 => send, 3 => fill, 1 => close], 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_gate_judges_as_its_slow_twin_does(
        margin: bool,
        wealth in 1_000i64..40_000,
        limits in (2_000i64..6_000, 5i64..100, 5_000i64..60_000, 5_000i64..40_000),
        steps in steps(),
    ) {
        let mut desk = Desk::new(if margin { AccountKind::Margin } else { AccountKind::Cash });
        desk.balances.insert(USD, Money::from_int(wealth));
        desk.balances.insert(BTC, Money::from_int(20));
        desk.equity = Some(Money::from_int(wealth));
        let mut rig = Rig::of(desk, |l| {
            l.order_notional_max = Some(Money::from_int(limits.0));
            l.net_position_max = Some(Qty::from_int(limits.1));
            l.credit_max = Some(Money::from_int(limits.2));
            l.gross_notional_max = Some(Money::from_int(limits.3));
        });
        let whole = |n: i64| i128::from(n) * UNIT;
        let mut twin = Twin {
            margin, open: Vec::new(), executed: 0,
            notional_max: whole(limits.0), net_max: whole(limits.1), credit_max: whole(limits.2), gross_max: whole(limits.3),
        };
        for step in steps {
            match step {
                Step::Send { instrument, side, lots, cents } => {
                    let instrument = InstrumentId(instrument);
                    let side = if side { Side::Buy } else { Side::Sell };
                    let q = if instrument == COIN { Qty::from_units(lots * 137_000_000) } else { Qty::from_int(lots) };
                    let request = match cents {
                        Some(cents) => OrderRequest::limit(instrument, side, q, Price::from_units(cents * 10_000_000)),
                        None => OrderRequest::market(instrument, side, q),
                    };
                    let expected = twin.judge(&rig.desk, &request);
                    let found = rig.send(&request);
                    prop_assert_eq!(found.as_ref().map_err(|d| d.code).err(), expected.err(), "{:?}", &request);
                    if let (Ok(id), Ok((value, cash))) = (found, expected) {
                        twin.open.push(Open { id, leaves: q.units().into(), request, value, cash });
                    }
                }
                Step::Fill { order, share } if !twin.open.is_empty() => {
                    let at = order % twin.open.len();
                    let Open { id, request, leaves, .. } = twin.open[at].clone();
                    // A quarter to all of what is left, in whole lots.
                    let lot = i128::from(rig.desk.instruments.get(request.instrument).lot.units());
                    let done = up(leaves * i128::from(share), 4 * lot) * lot;
                    let done = done.min(leaves);
                    let q = Qty::from_units(i64::try_from(done).unwrap());
                    let at_price = request.kind.limit().unwrap_or(price("100"));
                    *rig.desk.net.entry(request.instrument).or_default() += request.side.signed(q);
                    let left = Qty::from_units(i64::try_from(leaves - done).unwrap());
                    rig.fill(id, &request, &q.to_string(), &left.to_string());
                    twin.executed += Twin::value(request.instrument, done, at_price.units().into());
                    twin.open[at].leaves -= done;
                    twin.open.retain(|o| o.leaves > 0);
                }
                Step::Close { order } if !twin.open.is_empty() => {
                    let Open { id, .. } = twin.open.remove(order % twin.open.len());
                    rig.close(id);
                }
                _ => {}
            }
            prop_assert_eq!(rig.gate.open_orders(), twin.open.len());
            let cash: i128 = twin.open.iter().map(|o| o.part(o.cash)).sum();
            prop_assert_eq!(rig.gate.reserved(ACCOUNT, USD).units(), cash);
        }
        for open in twin.open {
            rig.close(open.id);
        }
        prop_assert!(rig.gate.is_idle());
    }
}
