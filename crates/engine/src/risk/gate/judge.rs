//! The checks themselves, and the bookkeeping behind an approval.
//!
//! Invariant: the `judge_*` functions read and answer; what changes state is below them and runs only after all have
//! passed (but for the refill of token buckets). A check without a limit is one branch on a flat field. What it
//! deliberately does not do: make approvals; those stand in the parent module.

use starling_core::instrument::InstrumentKind;

use super::*;

impl RiskGate {
    pub(super) fn prepare(&mut self, account: AccountId, strategy: StrategyId, venue: VenueId) {
        self.account_mut(account);
        self.grow(strategy, venue);
    }

    pub(super) fn grow(&mut self, strategy: StrategyId, venue: VenueId) {
        self.strategy_mut(strategy);
        if self.state.venues.len() <= venue.index() {
            self.state.venues.resize(venue.index() + 1, None);
        }
    }

    pub(super) fn account(&self, account: AccountId) -> Option<&AccountRecord> {
        self.state.accounts.get(account.index())?.as_ref()
    }

    pub(super) fn account_mut(&mut self, account: AccountId) -> &mut AccountRecord {
        if self.state.accounts.len() <= account.index() {
            self.state.accounts.resize(account.index() + 1, None);
        }
        let (instruments, currencies) = (self.rules.len(), self.currencies);
        self.state.accounts[account.index()].get_or_insert_with(|| AccountRecord::new(instruments, currencies))
    }

    /// The sums of an account that has sent an order.
    pub(super) fn known_mut(&mut self, account: AccountId) -> &mut AccountRecord {
        self.state.accounts[account.index()].as_mut().expect("an account with orders has sums")
    }

    pub(super) fn strategy_mut(&mut self, strategy: StrategyId) -> &mut StrategyRecord {
        if self.state.strategies.len() <= strategy.index() {
            self.state.strategies.resize(strategy.index() + 1, StrategyRecord::default());
        }
        &mut self.state.strategies[strategy.index()]
    }

    fn rules(&self, instrument: InstrumentId) -> &InstrumentRules {
        &self.rules[instrument.index()]
    }

    #[expect(clippy::too_many_arguments, reason = "the facts of one request; a struct of them is what it makes")]
    pub(super) fn candidate<'a, V: RiskView>(
        &self,
        view: &'a V,
        now: UnixNanos,
        id: ClientOrderId,
        account: AccountId,
        request: &OrderRequest,
        leaves: Qty,
        shared: &Claim,
        changed: Option<&OrderRecord>,
    ) -> Candidate<'a> {
        let terms = view.account(account);
        let net = view.net_position(account, request.instrument);
        let position = view.position(account, request.instrument, id.strategy(), request.position);
        let named = terms.hedging && request.position != PositionId::NONE;
        let opposite = match request.side {
            Side::Buy => position.is_negative(),
            Side::Sell => position.is_positive(),
        };
        let cell = self.account(account).expect("prepared").cell(request.instrument);
        // Sums of what is open already and what this adds to it, against the magnitude of the position.
        let fits = |open: Qty, shared: Qty| {
            let extra = (i128::from(leaves.units()) - i128::from(shared.units())).max(0);
            i128::from(open.units()) + extra <= i128::from(position.units()).abs()
        };
        let covered = changed.is_none_or(|order| order.held) && self.is_covered(account, request);
        let closes = named && opposite && fits(cell.closing(request.position), shared.closing);
        let reduces = covered
            || match (request.reduce_only, terms.hedging) {
                (true, _) => opposite,
                (false, true) => closes,
                (false, false) => opposite && fits(cell.side(request.side).qty, shared.qty),
            };
        Candidate {
            now,
            id,
            account,
            terms,
            instrument: view.instrument(request.instrument),
            reference: view.reference(request.instrument),
            status: view.status(request.instrument),
            request: *request,
            leaves,
            net,
            position,
            covered,
            reduces,
            closing: named && (closes || request.reduce_only),
        }
    }

    /// True if the order can only unwind what its parent, still open, will have made.
    fn is_covered(&self, account: AccountId, request: &OrderRequest) -> bool {
        let Some(parent) = request.links.parent.and_then(|parent| self.state.orders.find(parent)) else {
            return false;
        };
        let parent = self.state.orders.get(parent);
        parent.account == account
            && parent.request.instrument == request.instrument
            && parent.request.side == request.side.opposite()
            && request.qty <= parent.request.qty
    }

    pub(super) fn judge_state(&self, c: &Candidate<'_>, changed: Option<&OrderRecord>) -> Result<(), Denied> {
        if let Some(cause) = self.state.strategies[c.id.strategy().index()].disabled {
            return Err(cause);
        }
        let shrinks = changed.is_some_and(|order| c.request.kind == order.terms.kind && c.leaves < order.leaves());
        match self.state.trading {
            TradingState::Active => {}
            TradingState::Reducing if c.reduces || shrinks => {}
            _ => return Err(self.state.cause.expect("whatever left the active state named its cause")),
        }
        let instrument = c.request.instrument;
        let rules = self.rules(instrument);
        if rules.restricted {
            return deny(DenyCode::RestrictedList, Amount::Configured, Amount::Instrument(instrument));
        }
        if rules.session.is_some_and(|session| !session.contains(c.now)) {
            return deny(DenyCode::SessionHours, Amount::Configured, Amount::Instant(c.now));
        }
        let open = Amount::Status(TradingStatus::Open);
        if self.state.instruments[instrument.index()].halted {
            return deny(DenyCode::HaltState, open, Amount::Status(TradingStatus::Halted));
        }
        if rules.halt_state && c.status != TradingStatus::Open {
            return deny(DenyCode::HaltState, open, Amount::Status(c.status));
        }
        Ok(())
    }

    pub(super) fn judge_order(&self, c: &Candidate<'_>) -> Result<(), Denied> {
        let rules = self.rules(c.request.instrument);
        let qty = c.request.qty;
        if qty < rules.order_qty_min {
            return deny(DenyCode::OrderQtyMin, Amount::Qty(rules.order_qty_min), Amount::Qty(qty));
        }
        if qty > rules.order_qty_max {
            return deny(DenyCode::OrderQtyMax, Amount::Qty(rules.order_qty_max), Amount::Qty(qty));
        }
        if !rules.tick_lot_valid {
            return Ok(());
        }
        let (tick, lot) = (c.instrument.tick, c.instrument.lot);
        if !qty.is_multiple_of(lot) {
            return deny(DenyCode::TickLotValid, Amount::Qty(lot), Amount::Qty(qty));
        }
        let (offset, limit_offset) = match c.request.kind {
            OrderKind::TrailingStop { offset, .. } => (Some(offset), None),
            OrderKind::TrailingStopLimit { offset, limit_offset, .. } => (Some(offset), Some(limit_offset)),
            _ => (None, None),
        };
        let offset = offset.and_then(|offset| match offset {
            TrailOffset::Price(price) => Some(price),
            _ => None,
        });
        let prices = [c.request.kind.limit(), c.request.kind.trigger(), offset, limit_offset];
        match prices.into_iter().flatten().find(|price| !price.is_multiple_of(tick)) {
            Some(price) => deny(DenyCode::TickLotValid, Amount::Price(tick), Amount::Price(price)),
            None => Ok(()),
        }
    }

    pub(super) fn judge_recent(&self, c: &Candidate<'_>) -> Result<(), Denied> {
        let Some(window) = self.rules(c.request.instrument).duplicate_window_ns else { return Ok(()) };
        match self.state.recent.last(&OrderShape::new(c.id.strategy(), &c.request)) {
            Some(last) if c.now.since(last) < window => {
                deny(DenyCode::DuplicateOrder, Amount::Nanos(window), Amount::Nanos(c.now.since(last)))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn judge_market<V: RiskView>(&self, view: &V, c: &Candidate<'_>) -> Result<(), Denied> {
        let rules = self.rules(c.request.instrument);
        let side = c.request.side;
        if self.engine.reduce_only_valid && c.request.reduce_only && !c.reduces {
            let toward = side.opposite().signed(c.position);
            return deny(
                DenyCode::ReduceOnlyValid,
                Amount::Qty(Qty::from_units(1)),
                Amount::Qty(toward.min(Qty::ZERO)),
            );
        }
        if rules.post_only_cross
            && c.request.post_only
            && let OrderKind::Limit { price } = c.request.kind
        {
            let quote = c.reference.and_then(|r| if side == Side::Buy { r.ask } else { r.bid });
            // Not worse than the quote is: at it or through it.
            if let Some(quote) = quote.filter(|quote| !side.is_worse(*quote, price)) {
                return deny(DenyCode::PostOnlyCross, Amount::Price(quote), Amount::Price(price));
            }
        }
        let age = c.reference.map(|reference| c.now.since(reference.ts));
        if !c.reduces {
            if let Some(max) = rules.stale_data_ns_max
                && age.is_none_or(|age| age > max)
            {
                return deny(DenyCode::StaleDataMax, Amount::Nanos(max), age.map_or(Amount::Unknown, Amount::Nanos));
            }
            if let Some(max) = self.engine.clock_skew_ns_max
                && let Some(skew) = view.clock_skew(c.instrument.venue).filter(|skew| *skew > max)
            {
                return deny(DenyCode::ClockSkewMax, Amount::Nanos(max), Amount::Nanos(skew));
            }
            if let Some(max) = self.engine.unknown_orders_max
                && self.state.unknown_orders > max
            {
                let actual = Amount::Count(self.state.unknown_orders.into());
                return deny(DenyCode::UnknownOrdersMax, Amount::Count(max.into()), actual);
            }
        }
        let market = c.reference.and_then(|reference| reference.price(side));
        if let Some(collar) = rules.price_collar {
            let max = collar.reference_age_ns_max;
            if age.is_none_or(|age| age > max) {
                return deny(DenyCode::PriceCollar, Amount::Nanos(max), age.map_or(Amount::Unknown, Amount::Nanos));
            }
            let limit = Amount::Bps(collar.bps.into());
            let Some(market) = market else { return deny(DenyCode::PriceCollar, limit, Amount::Unknown) };
            if let Some(price) = limit_price(side, &c.request.kind, Some(market)) {
                let anchor = waking_price(side, &c.request.kind, market);
                let distance = i128::from(price.units()).abs_diff(anchor.units().into()) * 10_000;
                let base = i128::from(anchor.units()).unsigned_abs();
                if distance > base * u128::from(collar.bps) {
                    let bps = distance.checked_div(base).and_then(|_| u64::try_from(distance.div_ceil(base)).ok());
                    return deny(DenyCode::PriceCollar, limit, bps.map_or(Amount::Overflow, Amount::Bps));
                }
            } else if matches!(c.request.kind, OrderKind::TrailingStopLimit { .. }) {
                return deny(DenyCode::PriceCollar, limit, Amount::Overflow);
            }
        }
        if let Some(rule) = rules.price_collar_window
            && let Some(price) = limit_price(side, &c.request.kind, market)
        {
            let drift = self.state.instruments[c.request.instrument.index()].drift[side as usize];
            let drift = drift.with(price, c.now, rule);
            if drift.is_none_or(|bps| bps > rule.bps.into()) {
                let actual = drift.map_or(Amount::Overflow, Amount::Bps);
                return deny(DenyCode::PriceCollarWindow, Amount::Bps(rule.bps.into()), actual);
            }
        }
        Ok(())
    }

    /// Values the candidate and weighs it against every limit on values, positions and funds.
    pub(super) fn judge_exposure<V: RiskView>(
        &self,
        view: &V,
        c: &Candidate<'_>,
        shared: &Claim,
    ) -> Result<Assessment, Denied> {
        let rules = self.rules(c.request.instrument);
        let side = c.request.side;
        let Valued { price, value, reporting, claim } = self.valued(view, c);
        if let Some(max) = rules.order_notional_max {
            within_money(DenyCode::OrderNotionalMax, max, reporting)?;
        }
        if rules.notional_min.is_positive() && !c.request.reduce_only {
            let (code, limit) = (DenyCode::NotionalMin, Amount::Money(rules.notional_min));
            // An inverse contract's face is what it is worth in the quote currency.
            let face = if c.instrument.inverse {
                let units = i128::from(c.leaves.units()) * i128::from(c.instrument.multiplier.units());
                Ok(Money::from_units(units / i128::from(SCALE)))
            } else {
                // The venue compares before any rounding to its currency.
                price.ok_or(Amount::Unknown).and_then(|price| super::value(c.instrument, c.leaves, price, 1))
            };
            match face {
                Ok(face) if face < rules.notional_min => return deny(code, limit, Amount::Money(face)),
                // Too large to value is large enough.
                Ok(_) | Err(Amount::Overflow) => {}
                Err(unknown) => return deny(code, limit, unknown),
            }
        }
        let extra = if c.covered { Claim::default() } else { claim.beyond(shared) };
        let account = self.account(c.account).expect("prepared");
        let cell = account.cell(c.request.instrument);
        let open = cell.side(side);
        if open.qty.checked_add(extra.qty).is_none() {
            let max = rules.net_position_max.unwrap_or(Qty::MAX);
            return deny(DenyCode::NetPositionMax, Amount::Qty(max), Amount::Overflow);
        }
        let sum = SideSum { qty: extra.qty, value: extra.value };
        let increase = cell.increase_with(c.net, c.terms.hedging, side, sum);
        let margin = match c.terms.kind {
            AccountKind::Cash => Ok(Money::ZERO),
            AccountKind::Margin => rated(increase, c.instrument.margin_init, 1),
        };
        if !c.reduces && !extra.qty.is_zero() {
            if let Some(max) = rules.net_position_max {
                let net = i128::from(c.net.units()) * i128::from(side.sign());
                let worst = net + i128::from(open.qty.units()) + i128::from(extra.qty.units());
                if worst > i128::from(max.units()) {
                    let actual = i64::try_from(worst).map_or(Amount::Overflow, |w| Amount::Qty(Qty::from_units(w)));
                    return deny(DenyCode::NetPositionMax, Amount::Qty(max), actual);
                }
            }
            if let Some(max) = self.engine.credit_max {
                let used = reporting.and_then(|_| {
                    let open = account.executed(c.now).checked_add(account.open_value);
                    open.and_then(|open| open.checked_add(extra.value)).ok_or(Amount::Overflow)
                });
                within_money(DenyCode::CreditMax, max, used)?;
            }
            if self.engine.gross_notional_max.is_some() || self.engine.leverage_max.is_some() {
                let gross = reporting.and_then(|_| {
                    let held = view.gross_notional(c.account).ok_or(Amount::Unknown)?;
                    let open = account.increase - cell.increase + increase;
                    held.checked_add(open).ok_or(Amount::Overflow)
                });
                if let Some(max) = self.engine.gross_notional_max {
                    within_money(DenyCode::GrossNotionalMax, max, gross)?;
                }
                if let Some(max) = self.engine.leverage_max {
                    within_leverage(max, gross, view.equity(c.account))?;
                }
            }
            if let (Some(min), AccountKind::Margin) = (self.engine.margin_free_min, c.terms.kind) {
                let needs_value = c.instrument.margin_init.is_positive();
                let margin = if needs_value { reporting.and(margin) } else { margin };
                let free = margin.and_then(|margin| {
                    let equity = view.equity(c.account).ok_or(Amount::Unknown)?;
                    let open = account.margin - cell.margin + margin;
                    let used = view.margin_used(c.account).checked_add(open).ok_or(Amount::Overflow)?;
                    equity.units().checked_sub(used.units()).map(Money::from_units).ok_or(Amount::Overflow)
                });
                match free {
                    Ok(free) if free >= min => {}
                    Ok(free) => return deny(DenyCode::MarginFreeMin, Amount::Money(min), Amount::Money(free)),
                    Err(actual) => return deny(DenyCode::MarginFreeMin, Amount::Money(min), actual),
                }
            }
        }
        if c.terms.kind == AccountKind::Cash && self.engine.funds.check && !c.covered {
            self.judge_funds(view, c, value, &extra)?;
        }
        // Where nothing limits margin, one too large to compute is reserved as the largest there is.
        Ok(Assessment { claim, increase, margin: margin.unwrap_or(VALUE_MAX) })
    }

    fn judge_funds<V: RiskView>(
        &self,
        view: &V,
        c: &Candidate<'_>,
        value: Result<Money, Amount>,
        extra: &Claim,
    ) -> Result<(), Denied> {
        const CODE: DenyCode = DenyCode::InsufficientFunds;
        let account = self.account(c.account).expect("prepared");
        let covers = |currency: CurrencyId, needed: Money| {
            let free = view.free_balance(c.account, currency).units();
            let free = Money::from_units(free.saturating_sub(account.reserved(currency).units()));
            if free >= needed { Ok(()) } else { deny(CODE, Amount::Money(needed), Amount::Money(free)) }
        };
        let funds = &self.engine.funds;
        match c.request.side {
            Side::Buy if funds.allow_borrowing => Ok(()),
            Side::Buy => match value {
                Err(cost) => deny(CODE, cost, Amount::Money(view.free_balance(c.account, c.instrument.settlement()))),
                Ok(_) if extra.cash.is_zero() => Ok(()),
                Ok(_) => covers(c.instrument.settlement(), extra.cash),
            },
            Side::Sell if funds.allow_short => Ok(()),
            Side::Sell => match sold_currency(c.instrument) {
                Some(_) if extra.base.is_zero() => Ok(()),
                Some(base) => covers(base, extra.base),
                None => {
                    let open = account.cell(c.request.instrument).side(Side::Sell).qty;
                    let held = Qty::from_units(c.net.units().saturating_sub(open.units()));
                    if held >= extra.qty { Ok(()) } else { deny(CODE, Amount::Qty(extra.qty), Amount::Qty(held)) }
                }
            },
        }
    }

    /// What the candidate is worth and claims. What cannot be valued claims no money; the checks that need its value
    /// refuse it.
    fn valued<V: RiskView>(&self, view: &V, c: &Candidate<'_>) -> Valued {
        let step = self.rules(c.request.instrument).money_step;
        let OrderRequest { side, kind, .. } = c.request;
        let price = worst_price(c.instrument, side, &kind, c.reference, self.engine.funds.market_buffer_bps);
        let mut value = price.ok_or(Amount::Unknown).and_then(|price| value(c.instrument, c.leaves, price, step));
        let reporting = value.and_then(|value| {
            let converted = view.convert(value, c.instrument.settlement(), c.account).ok_or(Amount::Unknown)?;
            bounded(Some(converted.units()))
        });
        let mut claim = Claim::default();
        if c.closing {
            claim.closing = c.leaves;
        } else if !c.request.reduce_only {
            claim.qty = c.leaves;
            claim.value = reporting.unwrap_or(Money::ZERO);
        }
        if c.terms.kind == AccountKind::Cash {
            match (side, sold_currency(c.instrument)) {
                (Side::Buy, _) => {
                    value = value.and_then(|value| {
                        let fee = self.fee_worst(view, c, value, price)?;
                        claim.cash = bounded(value.units().checked_add(fee.units()))?;
                        Ok(value)
                    });
                }
                (Side::Sell, Some(_)) => claim.base = Money::from_units(c.leaves.units().into()),
                (Side::Sell, None) => {}
            }
        }
        Valued { price, value, reporting, claim }
    }

    fn fee_worst<V: RiskView>(
        &self,
        view: &V,
        c: &Candidate<'_>,
        value: Money,
        price: Option<Price>,
    ) -> Result<Money, Amount> {
        let stated = price.and_then(|price| view.fee_worst(c.account, c.request.instrument, c.leaves, price));
        match stated {
            Some(fee) => bounded(Some(fee.units().max(0))),
            None => {
                let rate = if c.request.post_only {
                    c.instrument.maker_fee
                } else {
                    c.instrument.taker_fee.max(c.instrument.maker_fee)
                };
                rated(value, rate, self.rules(c.request.instrument).money_step)
            }
        }
    }

    pub(super) fn judge_self_trade(&self, c: &Candidate<'_>, changes: bool) -> Result<CancelFirst, Denied> {
        let mut first = CancelFirst::default();
        let Some(mode) = self.rules(c.request.instrument).self_trade else { return Ok(first) };
        let side = c.request.side;
        let worst = match c.request.kind {
            OrderKind::Market => None,
            OrderKind::Limit { price } => Some(price),
            _ => return Ok(first),
        };
        let against = &self.state.instruments[c.request.instrument.index()].resting[side.opposite() as usize];
        let met = against.iter().rev().take_while(|(price, _)| worst.is_none_or(|worst| !side.is_worse(*price, worst)));
        let count = met.clone().count();
        if count == 0 {
            return Ok(first);
        }
        let actual = Amount::Count(count as u64);
        match mode {
            SelfTrade::CancelNewest if changes => deny(DenyCode::SelfTrade, Amount::Count(0), Amount::Order(c.id)),
            SelfTrade::Reject | SelfTrade::CancelNewest => deny(DenyCode::SelfTrade, Amount::Count(0), actual),
            SelfTrade::CancelOldest if count > CANCEL_FIRST_MAX => {
                deny(DenyCode::SelfTrade, Amount::Count(CANCEL_FIRST_MAX as u64), actual)
            }
            SelfTrade::CancelOldest => {
                for (place, (_, id)) in first.ids.iter_mut().zip(met) {
                    *place = *id;
                    first.len += 1;
                }
                Ok(first)
            }
        }
    }

    /// Takes a token of the strategy and one of the venue, unless the rest is kept for cancels.
    pub(super) fn judge_rate(&mut self, strategy: StrategyId, venue: VenueId, now: UnixNanos) -> Result<(), Denied> {
        let Some(limit) = self.engine.message_rate else { return Ok(()) };
        let by_strategy = self.state.strategies[strategy.index()].bucket.get_or_insert(Bucket::full(limit.strategy));
        let by_venue = self.state.venues[venue.index()].get_or_insert(Bucket::full(limit.venue));
        let left = by_strategy.tokens(now, limit.strategy).min(by_venue.tokens(now, limit.venue));
        if left <= limit.cancel_reserve.into() {
            let reserve = Amount::Count(limit.cancel_reserve.into());
            return deny(DenyCode::MessageRateMax, reserve, Amount::Count(left));
        }
        by_strategy.take();
        by_venue.take();
        Ok(())
    }

    /// What an order with these terms claims, judged by nobody.
    pub(super) fn claim_of<V: RiskView>(&self, view: &V, order: &OrderRecord) -> Claim {
        let c = self.candidate(
            view,
            UnixNanos::EPOCH,
            order.id,
            order.account,
            &order.request,
            order.leaves(),
            &self.state.orders.group_claim(self.state.orders.find(order.id).expect("an open order")),
            Some(order),
        );
        self.valued(view, &c).claim
    }

    pub(super) fn record_price(&mut self, c: &Candidate<'_>) {
        let instrument = c.request.instrument.index();
        let Some(rule) = self.rules[instrument].price_collar_window else { return };
        let market = c.reference.and_then(|reference| reference.price(c.request.side));
        if let Some(price) = limit_price(c.request.side, &c.request.kind, market) {
            self.state.instruments[instrument].drift[c.request.side as usize].record(price, c.now, rule);
        }
    }

    /// Puts an open order at a price among our resting ones, or takes it from there.
    pub(super) fn rest(&mut self, place: u32, price: Option<Price>) {
        let order = self.state.orders.get_mut(place);
        let old = std::mem::replace(&mut order.resting, price);
        let (id, Standing { instrument, side, .. }) = (order.id, order.standing());
        self.enlist(instrument, side, id, old, price);
    }

    /// Moves an order from one price to another in the list of our resting ones, where self-trade is watched.
    pub(super) fn enlist(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        id: ClientOrderId,
        old: Option<Price>,
        new: Option<Price>,
    ) {
        if old == new || self.rules[instrument.index()].self_trade.is_none() {
            return;
        }
        let record = &mut self.state.instruments[instrument.index()];
        if let Some(old) = old {
            let at = record.place(side, old, id);
            let removed = record.resting[side as usize].remove(at);
            assert_eq!(removed, (old, id), "a resting order stands where its price puts it");
        }
        if let Some(new) = new {
            let at = record.place(side, new, id);
            record.resting[side as usize].insert(at, (new, id));
        }
    }

    /// Brings the sums to what an approval was judged at.
    pub(super) fn commit<V: RiskView>(
        &mut self,
        view: &V,
        at: Standing,
        (old, new): (Claim, Claim),
        assessment: &Assessment,
    ) {
        let account = self.known_mut(at.account);
        account.apply(at, currencies_of(view.instrument(at.instrument)), &old, &new);
        account.set_increase(at.instrument, assessment.increase, assessment.margin);
    }

    /// Brings the sums to what an order's group claims now.
    pub(super) fn recount<V: RiskView>(&mut self, view: &V, place: u32) {
        let (old, new) = self.state.orders.recount(place);
        let at = self.state.orders.get(place).standing();
        self.replace(view, at, &old, &new);
    }

    pub(super) fn close<V: RiskView>(&mut self, view: &V, place: u32) {
        self.rest(place, None);
        self.state.unknown_orders -= u32::from(self.state.orders.get(place).unknown);
        let (at, old, new) = self.state.orders.remove(place);
        self.known_mut(at.account).open_orders -= 1;
        self.replace(view, at, &old, &new);
    }

    pub(super) fn replace<V: RiskView>(&mut self, view: &V, at: Standing, old: &Claim, new: &Claim) {
        let id = at.instrument;
        let instrument = view.instrument(id);
        let terms = view.account(at.account);
        let net = view.net_position(at.account, id);
        let account = self.known_mut(at.account);
        account.apply(at, currencies_of(instrument), old, new);
        let increase = account.cell(id).increase_with(net, terms.hedging, at.side, SideSum::default());
        let margin = match terms.kind {
            AccountKind::Cash => Money::ZERO,
            AccountKind::Margin => rated(increase, instrument.margin_init, 1).unwrap_or(VALUE_MAX),
        };
        account.set_increase(id, increase, margin);
    }
}

struct Valued {
    /// The worst price.
    price: Option<Price>,
    /// In the settlement currency, without a fee.
    value: Result<Money, Amount>,
    reporting: Result<Money, Amount>,
    claim: Claim,
}

/// The currency that a sale in a cash account gives away.
fn sold_currency(instrument: &Instrument) -> Option<CurrencyId> {
    match instrument.kind {
        InstrumentKind::Pair => instrument.base,
        _ => None,
    }
}

fn currencies_of(instrument: &Instrument) -> Currencies {
    Currencies { settlement: instrument.settlement(), base: sold_currency(instrument) }
}

/// Where the market is when an order with a limit wakes: now, or at its trigger if the market is not there yet.
fn waking_price(side: Side, kind: &OrderKind, market: Price) -> Price {
    let Some(trigger) = kind.trigger() else { return market };
    let from_below = match kind {
        OrderKind::MarketIfTouched { .. } | OrderKind::LimitIfTouched { .. } => side == Side::Sell,
        _ => side == Side::Buy,
    };
    if from_below { trigger.max(market) } else { trigger.min(market) }
}

fn within_money(code: DenyCode, max: Money, actual: Result<Money, Amount>) -> Result<(), Denied> {
    match actual {
        Ok(actual) if actual <= max => Ok(()),
        Ok(actual) => deny(code, Amount::Money(max), Amount::Money(actual)),
        Err(actual) => deny(code, Amount::Money(max), actual),
    }
}

fn within_leverage(max: Rate, gross: Result<Money, Amount>, equity: Option<Money>) -> Result<(), Denied> {
    let (code, limit) = (DenyCode::LeverageMax, Amount::Rate(max));
    let gross = gross.or_else(|actual| deny(code, limit, actual))?;
    let Some(equity) = equity.filter(|equity| equity.is_positive()) else {
        return deny(code, limit, Amount::Unknown);
    };
    let scaled = gross.units().checked_mul(SCALE.into());
    let allowed = equity.units().checked_mul(max.units().into());
    match (scaled, allowed) {
        (Some(scaled), Some(allowed)) if scaled <= allowed => Ok(()),
        (Some(scaled), Some(_)) => {
            let ratio = div_round(scaled, equity.units(), CEIL);
            deny(code, limit, i64::try_from(ratio).map_or(Amount::Overflow, |r| Amount::Rate(Rate::from_units(r))))
        }
        _ => deny(code, limit, Amount::Overflow),
    }
}
