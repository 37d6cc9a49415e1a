//! What holds after any sequence of fills, funding and adjustments, in any mixture of accounts.

use proptest::prelude::*;
use starling_core::{Instrument, Liquidity};

use super::fixture::*;
use super::*;

/// One thing that happens. Small indices are taken modulo what there is at that moment.
#[derive(Debug, Clone)]
enum Step {
    Fill { account: usize, instrument: usize, strategy: u16, lots: i64, ticks: i64, fee: i64, named: usize },
    Move { instrument: usize, ticks: i64, spread: i64 },
    Trade { instrument: usize, ticks: i64 },
    Funding { instrument: usize, rate: i64 },
    Adjust { account: usize, currency: usize, amount: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let (small, lots) = (0usize..64, prop_oneof![-9i64..10, -900i64..900, Just(50), Just(-50)]);
    prop_oneof![
        8 => (small.clone(), small.clone(), 0u16..3, lots, -400i64..400, -50i64..200, small.clone()).prop_map(
            |(account, instrument, strategy, lots, ticks, fee, named)| Step::Fill {
                account, instrument, strategy, lots: if lots == 0 { 1 } else { lots }, ticks, fee, named
            }),
        4 => (small.clone(), -400i64..400, 0i64..20)
            .prop_map(|(instrument, ticks, spread)| Step::Move { instrument, ticks, spread }),
        1 => (small.clone(), -400i64..400).prop_map(|(instrument, ticks)| Step::Trade { instrument, ticks }),
        1 => (small.clone(), -30_000_000i64..30_000_000)
            .prop_map(|(instrument, rate)| Step::Funding { instrument, rate }),
        1 => (small.clone(), small, -1_000_000_000_000i64..1_000_000_000_000)
            .prop_map(|(account, currency, amount)| Step::Adjust { account, currency, amount }),
    ]
}

/// A plausible price of an instrument, `ticks` away from its usual one.
fn price(instrument: &Instrument, ticks: i64) -> Price {
    let usual = match instrument.symbol.as_str() {
        "USD/JPY" => "95",
        "EUR/USD" => "1.3",
        "AUD/USD" => "0.7",
        "XBTUSD" | "BTC/USDT" | "BTCUSDT-PERP" => "40000",
        "ES" => "4500",
        "DAX" => "7700",
        "BNB/USDT" => "300",
        _ => "150",
    };
    usual.parse::<Price>().unwrap() + Price::from_units(instrument.tick.units() * ticks)
}

fn specs() -> Vec<AccountSpec> {
    let named = |name: &str, spec: AccountSpec| AccountSpec { name: name.into(), ..spec };
    let id = |code: &str| currencies().id(code);
    let (hedging, fifo) = (PositionMode::Hedging, CostMethod::Fifo);
    let opening = [("USD", "100000"), ("BTC", "3"), ("JPY", "5000000")];
    vec![
        named("spot", cash(&opening)),
        named("spot fifo", AccountSpec { cost: fifo, mode: hedging, ..cash(&opening) }),
        named("spot in euros", AccountSpec { base: id("EUR"), valuation: Valuation::Mid, ..cash(&[("EUR", "5000")]) }),
        named("margin", margin(&opening)),
        named("margin fifo", AccountSpec { cost: fifo, ..margin(&opening) }),
        named("margin in dollars", in_usd(AccountSpec { mode: hedging, ..margin(&[("USD", "1000000")]) })),
        named(
            "margin in yen",
            AccountSpec { base: id("JPY"), cost: fifo, fx: FxSide::Opposite, ..margin(&[("JPY", "900000")]) },
        ),
        named("abroad", AccountSpec { venue: OTHER, mode: hedging, cost: fifo, ..cash(&[("EUR", "1000")]) }),
    ]
}

/// A run: accounts and instruments registered as given, prices seen for every one.
fn world(specs: Vec<AccountSpec>, instruments: Vec<Instrument>) -> World {
    let mut world = World::with(specs, instruments).unwrap();
    let ids: Vec<InstrumentId> = world.ledger.instruments().iter().map(|(id, _)| id).collect();
    for id in ids {
        let price = price(world.ledger.instruments().get(id), 0);
        world.marks.set_quote(id, price, price, UnixNanos::EPOCH);
    }
    world
}

impl World {
    /// Does one step; a refusal must change nothing.
    fn take(&mut self, step: &Step) {
        let pick = |of: usize, index: usize| index % of;
        let instruments = self.ledger.instruments().len();
        match *step {
            Step::Fill { account, instrument, strategy, lots, ticks, fee, named } => {
                let account = AccountId::from(pick(self.ledger.specs.len(), account));
                let venue = self.ledger.account(account).venue;
                let there: Vec<InstrumentId> =
                    (self.ledger.instruments().iter()).filter(|(_, i)| i.venue == venue).map(|(id, _)| id).collect();
                let id = there[pick(there.len(), instrument)];
                let terms = self.ledger.instruments().get(id).clone();
                // Half of the hedging fills name one of the open positions.
                let open: Vec<PositionId> = self.ledger.open_positions(account, id).map(|p| p.id).collect();
                let named =
                    if named % 2 == 0 && !open.is_empty() { open[named % open.len()] } else { PositionId::NONE };
                // Commission in one currency or another; only reachable ones, where there is a base to reach.
                let fee_currency = match (terms.quote, self.ledger.account(account).base) {
                    (quote, None) if strategy == 2 => CurrencyId::from(quote.index() / 2),
                    _ => terms.settlement(),
                };
                self.trades += 1;
                let fill = Fill {
                    instrument: id,
                    side: if lots < 0 { Side::Sell } else { Side::Buy },
                    qty: Qty::from_units(terms.lot.units() * lots.abs()),
                    price: price(&terms, ticks),
                    fee: Money::from_units(i128::from(fee) * 7_000_001),
                    fee_currency,
                    liquidity: Liquidity::Maker,
                    position: named,
                    ..self.fill_template()
                };
                let (before, postings) = (self.ledger.snapshot().clone(), self.postings.len());
                let strategy = StrategyId(strategy);
                match self.ledger.post_fill(account, strategy, &fill, &self.marks, &mut self.postings) {
                    Ok(outcome) => {
                        assert_eq!(outcome.qty_after, outcome.qty_before + fill.side.signed(fill.qty));
                        assert_eq!(self.ledger.position(outcome.position).unwrap().qty, outcome.qty_after);
                    }
                    Err(LedgerError::NoRoute { .. }) => {
                        assert_eq!((&before, postings), (self.ledger.snapshot(), self.postings.len()));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            Step::Move { instrument, ticks, spread } => {
                let id = InstrumentId::from(pick(instruments, instrument));
                let terms = self.ledger.instruments().get(id);
                let (bid, ask) = (price(terms, ticks), price(terms, ticks + spread));
                self.marks.set_quote(id, bid, ask, UnixNanos::EPOCH);
            }
            Step::Trade { instrument, ticks } => {
                let id = InstrumentId::from(pick(instruments, instrument));
                self.marks.set_last(id, price(self.ledger.instruments().get(id), ticks), UnixNanos::EPOCH);
            }
            Step::Funding { instrument, rate } => {
                let instrument = InstrumentId::from(pick(instruments, instrument));
                let (ts, rate) = (UnixNanos::new(self.trades), Rate::from_units(rate));
                let event = Funding { instrument, ts_event: ts, ts_recv: ts, rate, mark: Price::ZERO };
                for account in (0..self.ledger.specs.len()).map(AccountId::from) {
                    let settled = self.ledger.post_funding(account, &event, &self.marks, &mut self.postings);
                    assert!(matches!(settled, Ok(_) | Err(LedgerError::NoRoute { .. })), "{settled:?}");
                }
            }
            Step::Adjust { account, currency, amount } => {
                let account = AccountId::from(pick(self.ledger.specs.len(), account));
                let what = (
                    CurrencyId::from(pick(self.ledger.currencies().len(), currency)),
                    Money::from_units(amount.into()),
                );
                let (reason, ts) = (AdjustmentReason::Reconciliation, UnixNanos::new(self.trades));
                self.ledger.post_adjustment(account, what, reason, ts, &mut self.postings).unwrap();
            }
        }
    }

    fn fill_template(&self) -> Fill {
        Fill {
            order: starling_core::ClientOrderId::new(StrategyId(0), self.trades),
            trade_id: self.trades,
            instrument: InstrumentId(0),
            side: Side::Buy,
            qty: Qty::ONE,
            price: Price::ONE,
            fee: Money::ZERO,
            fee_currency: CurrencyId(0),
            liquidity: Liquidity::Taker,
            position: PositionId::NONE,
            ts: UnixNanos::new(self.trades),
        }
    }

    /// Closes every open position of an account at the prices of the marks.
    fn flatten(&mut self, account: AccountId) -> usize {
        let open: Vec<Position> =
            self.ledger.positions().iter().filter(|p| p.account == account && !p.is_flat()).cloned().collect();
        for p in &open {
            self.trades += 1;
            let mark = self.marks.get(p.instrument).unwrap();
            let long = p.qty.is_positive();
            let fill = Fill {
                instrument: p.instrument,
                side: if long { Side::Sell } else { Side::Buy },
                qty: p.qty.abs(),
                price: self.ledger.account(account).valuation.price(long, &mark),
                position: p.id,
                ..self.fill_template()
            };
            self.ledger.post_fill(account, p.strategy, &fill, &self.marks, &mut self.postings).unwrap();
        }
        open.len()
    }

    /// Postings balance, and the balances are their sums.
    fn assert_books_balance(&self) {
        let mut last = 0;
        for txn in self.postings.chunk_by(|a, b| a.txn == b.txn) {
            assert!(txn[0].txn > last, "transactions in order");
            last = txn[0].txn;
            for posting in txn {
                let of = |p: &&Posting| p.currency == posting.currency && p.account == posting.account;
                let sum: Money = txn.iter().filter(of).map(|p| p.amount).sum();
                assert_eq!(sum, Money::ZERO, "{txn:?}");
                assert_eq!(txn[0].account, posting.account);
                let digits = self.ledger.currencies().digits(posting.currency);
                assert_eq!(posting.amount.round_digits(digits, Default::default()), posting.amount);
            }
        }
        for (account, _) in self.ledger.accounts() {
            for (currency, _) in self.ledger.currencies().iter() {
                let sum = |wanted: fn(&LedgerAccount) -> bool| -> Money {
                    (self.postings.iter())
                        .filter(|p| p.account == account && p.currency == currency && wanted(&p.ledger))
                        .map(|p| p.amount)
                        .sum()
                };
                let book = self.ledger.trial_balance(account, currency);
                assert_eq!(book.cash, sum(|l| matches!(l, LedgerAccount::Cash)));
                assert_eq!(book.holding, sum(|l| matches!(l, LedgerAccount::Holding(_))));
                assert_eq!(book.realised, sum(|l| matches!(l, LedgerAccount::RealisedPnl)));
                assert_eq!(book.opening, sum(|l| matches!(l, LedgerAccount::Opening)));
                assert_eq!(book.sum(), Money::ZERO);
            }
        }
    }

    /// Positions, nets, strategies and totals tell one story.
    fn assert_positions_agree(&self) {
        for p in self.ledger.positions() {
            let instrument = self.ledger.instruments().get(p.instrument);
            assert_eq!(p.is_flat(), p.entry(instrument).is_none());
            let lots: Qty = p.lots.iter().map(|l| l.qty).sum();
            if self.ledger.account(p.account).cost == CostMethod::Fifo {
                assert_eq!(lots, p.qty);
                let cost: i128 = p.lots.iter().map(|l| i128::from(l.qty.units()) * i128::from(l.price.units())).sum();
                assert!(instrument.inverse || cost == p.cost, "the lots cost what the position does");
            }
            if p.is_flat() {
                assert_eq!((p.cost, p.book, p.lots.len()), (0, Money::ZERO, 0));
                assert_eq!(self.ledger.unrealised(p.id, &self.marks), Some(Money::ZERO));
            } else {
                assert_eq!(p.cost.signum(), i128::from(p.qty.units().signum()));
            }
        }
        for (account, _) in self.ledger.accounts() {
            for (instrument, _) in self.ledger.instruments().iter() {
                let mine = || {
                    self.ledger.positions().iter().filter(move |p| (p.account, p.instrument) == (account, instrument))
                };
                let net = self.ledger.net_position(account, instrument);
                assert_eq!(mine().map(|p| p.qty).sum::<Qty>(), net);
                assert_eq!(self.ledger.open_positions(account, instrument).map(|p| p.qty).sum::<Qty>(), net);
                assert!(self.ledger.open_positions(account, instrument).all(|p| !p.is_flat()));
                let open = mine().filter(|p| !p.is_flat()).count();
                assert_eq!(self.ledger.open_positions(account, instrument).count(), open);
                let by_strategy =
                    (0..3).map(|s| self.ledger.strategy_position(account, instrument, StrategyId(s))).sum::<Qty>();
                assert_eq!(by_strategy, net);
            }
            for (currency, _) in self.ledger.currencies().iter() {
                let mut sum = Totals::default();
                for s in 0..3 {
                    sum.add(self.ledger.strategy_totals(account, currency, StrategyId(s)));
                }
                assert_eq!(sum, self.ledger.totals(account, currency));
                let realised: Money = (self.ledger.positions().iter())
                    .filter(|p| p.account == account && p.currency == currency)
                    .map(|p| p.realised)
                    .sum();
                assert_eq!(realised, sum.realised);
            }
        }
    }

    /// In an account where only profit settles, cash is what went in, and profit less costs: per currency, exactly.
    fn assert_margin_cash_is_explained(&self) {
        for (account, spec) in self.ledger.accounts().filter(|(_, s)| s.kind == AccountKind::Margin) {
            for (currency, _) in self.ledger.currencies().iter() {
                let (book, totals) =
                    (self.ledger.trial_balance(account, currency), self.ledger.totals(account, currency));
                let explained = totals.realised + totals.funding - totals.commission - book.opening - book.adjustment;
                assert_eq!(book.cash, explained, "{} {currency:?}", spec.name);
            }
        }
    }
}

/// Fills of some instruments by one strategy: lots, ticks from the usual price, commission.
fn fills(len: usize) -> impl Strategy<Value = Vec<(usize, i64, i64, i64)>> {
    let lots = prop_oneof![-9i64..-1, 1i64..9, 1i64..5000, -5000i64..-1];
    prop::collection::vec((0usize..2, lots, -400i64..400, -20i64..90), 1..len)
}

fn run(world: &mut World, symbols: [&str; 2], fills: &[(usize, i64, i64, i64)]) -> usize {
    let mut reduced = 0;
    for &(which, lots, ticks, fee) in fills {
        let id = world.id(symbols[which]);
        let terms = world.ledger.instruments().get(id).clone();
        let qty = Qty::from_units(terms.lot.units() * lots).to_string();
        let plain = world.fill(symbols[which], &qty, &price(&terms, ticks).to_string());
        // In whole cents.
        let fill = Fill { fee: Money::from_units(i128::from(fee) * 10_000_000), ..plain };
        let before = world.ledger.net_position(AccountId(0), id);
        world.post(0, &fill).unwrap();
        reduced += usize::from(before.is_positive() == fill.side.signed(fill.qty).is_negative());
    }
    reduced
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn books_balance_and_positions_agree_after_anything(steps in prop::collection::vec(step(), 1..160)) {
        let mut world = world(specs(), instruments());
        for (i, step) in steps.iter().enumerate() {
            world.take(step);
            if i % 16 == 0 {
                world.assert_positions_agree();
            }
        }
        world.assert_books_balance();
        world.assert_positions_agree();
        world.assert_margin_cash_is_explained();
    }

    #[test]
    fn registration_order_changes_nothing(
        steps in prop::collection::vec(step(), 1..60),
        (accounts, table) in (Just(specs()).prop_shuffle(), Just(instruments()).prop_shuffle()),
    ) {
        let (mut one, mut two) = (world(specs(), instruments()), world(accounts, table));
        for step in &steps {
            one.take(step);
            two.take(step);
        }
        prop_assert_eq!(&one.postings, &two.postings);
        prop_assert_eq!(one.ledger.snapshot(), two.ledger.snapshot());
    }

    #[test]
    fn a_restored_ledger_goes_on_as_if_nothing_had_happened(
        steps in prop::collection::vec(step(), 2..80),
        cut in 0usize..80,
    ) {
        let (head, tail) = steps.split_at(cut % steps.len());
        let mut one = world(specs(), instruments());
        head.iter().for_each(|step| one.take(step));
        let bytes = postcard::to_allocvec(one.ledger.snapshot()).unwrap();
        let mut two = world(specs(), instruments());
        two.ledger.restore(postcard::from_bytes(&bytes).unwrap()).unwrap();
        two.marks = postcard::from_bytes(&postcard::to_allocvec(&one.marks).unwrap()).unwrap();
        two.trades = one.trades;
        one.postings.clear();
        two.postings.clear();
        for step in tail {
            one.take(step);
            two.take(step);
        }
        prop_assert_eq!(&one.postings, &two.postings);
        prop_assert_eq!(one.ledger.snapshot(), two.ledger.snapshot());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// cash + market value = equity = opening + realised + unrealised - commission, in one currency, to the unit.
    #[test]
    fn equity_is_cash_and_market_value_and_all_profit_less_commission(
        fills in fills(60),
        (fifo, which) in (any::<bool>(), 0usize..3),
        ticks in -400i64..400,
    ) {
        let cost = if fifo { CostMethod::Fifo } else { CostMethod::Average };
        // Shares with fractions of a cent; those and a future with a multiplier, for profit only; coins, whose
        // quantity is a balance of its own.
        let (kind, code, symbols) = [
            (AccountKind::Cash, "USD", ["AAPL", "AAPL"]),
            (AccountKind::Margin, "USD", ["AAPL", "ES"]),
            (AccountKind::Cash, "USDT", ["BTC/USDT", "BNB/USDT"]),
        ][which];
        let mut world = world(vec![AccountSpec { cost, ..account(kind, &[(code, "1000000")]) }], instruments());
        run(&mut world, symbols, &fills);
        for symbol in symbols {
            let id = world.id(symbol);
            let [bid, ask] = [ticks, ticks + 3].map(|ticks| price(world.ledger.instruments().get(id), ticks));
            world.marks.set_quote(id, bid, ask, UnixNanos::EPOCH);
        }
        let (currency, main) = (world.code(code), AccountId(0));
        let equity = world.ledger.equity(main, currency, &world.marks).unwrap();
        let sum = |of: fn(&Ledger, PositionId, &Marks) -> Option<Money>| -> Money {
            world.ledger.positions().iter().map(|p| of(&world.ledger, p.id, &world.marks).unwrap()).sum()
        };
        let (unrealised, value) = (sum(Ledger::unrealised), sum(Ledger::market_value));
        let (cash, totals) = (world.ledger.balance(main, currency), world.ledger.totals(main, currency));
        prop_assert_eq!(equity, cash + if kind == AccountKind::Cash { value } else { unrealised });
        prop_assert_eq!(equity, Money::from_int(1_000_000) + totals.realised + unrealised - totals.commission);
        // Closing at those prices, each position in one fill, realises exactly that.
        world.flatten(main);
        let closed = world.ledger.balance(main, currency);
        prop_assert_eq!(closed, equity);
        prop_assert_eq!(world.ledger.equity(main, currency, &world.marks), Some(closed));
    }

    /// Both methods realise the same once flat: to the unit where cash was paid, else to half a unit for every
    /// reducing fill of each.
    #[test]
    fn cost_methods_agree_once_flat(fills in fills(60), which in 0usize..3) {
        let symbols = [["AAPL", "AAPL"], ["AAPL", "ES"], ["XBTUSD", "XBTUSD"]][which];
        let code = ["USD", "USD", "BTC"][which];
        let mut ends = Vec::new();
        for cost in [CostMethod::Fifo, CostMethod::Average] {
            let spec = if which == 0 { cash(&[]) } else { margin(&[]) };
            let mut world = world(vec![AccountSpec { cost, ..spec }], instruments());
            let reducing = run(&mut world, symbols, &fills) + world.flatten(AccountId(0));
            ends.push((world.ledger.totals(AccountId(0), world.code(code)).realised, reducing));
        }
        let [(fifo, n), (average, _)] = ends[..] else { unreachable!() };
        let unit = if code == "BTC" { 10 } else { 10_000_000 };
        let bound = if which == 0 { 0 } else { unit * n as i128 };
        prop_assert!((fifo - average).units().abs() <= bound, "{fifo} {average} after {n} reducing fills");
    }

    /// A hedging account with any positions moves the same cash as a netting one, up to the rounding of its parts.
    #[test]
    fn hedged_positions_sum_to_the_net(fills in fills(40)) {
        let mut ends = Vec::new();
        for mode in [PositionMode::Netting, PositionMode::Hedging] {
            let mut world = world(vec![AccountSpec { mode, ..cash(&[("USD", "1000000")]) }], instruments());
            run(&mut world, ["AAPL", "AAPL"], &fills);
            let net = world.ledger.net_position(AccountId(0), world.id("AAPL"));
            ends.push((net, world.ledger.balance(AccountId(0), world.code("USD"))));
            let aapl = world.id("AAPL");
            prop_assert_eq!(world.ledger.open_positions(AccountId(0), aapl).map(|p| p.qty).sum::<Qty>(), net);
        }
        prop_assert_eq!(ends[0], ends[1]);
    }

    /// A conversion there is the exact quotient, rounded once, and never off by a unit as 1/x rounded first would be.
    #[test]
    fn conversion_rounds_once(yen in 1i64..2_000_000_000, milli in 70_000i64..160_000) {
        let mut world = World::new(vec![in_usd(margin(&[]))]);
        let rate = Price::from_units(milli * 1_000_000);
        world.marks.set_quote(world.id("USD/JPY"), rate, rate, UnixNanos::EPOCH);
        let jpy = world.code("JPY");
        let fill = Fill { fee: Money::from_int(-yen), fee_currency: jpy, ..world.fill("AAPL", "1", "1") };
        let cents = world.post(0, &fill).unwrap().fee.units() / -10_000_000;
        // |cents / 100 - yen / rate| <= 0.005, in integers: |cents * milli - yen * 100,000| <= milli / 2.
        let (cents, milli, yen) = (cents.unsigned_abs() as i128, i128::from(milli), i128::from(yen));
        prop_assert!(2 * (cents * milli - yen * 100_000).abs() <= milli);
    }
}
