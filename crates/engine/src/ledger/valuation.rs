//! What the books are worth at given marks: unrealised profit, equity, margin requirements.
//!
//! Invariant: nothing here changes anything. A value that needs a price not seen yet is `None`, never a guess.

use super::*;
use starling_core::fixed::Rounding;

impl Ledger {
    /// Profit of an open position if it were closed at the account's [`Valuation`] price, in the instrument's
    /// settlement currency, rounded once; zero if flat, `None` without a mark or for an id not given out.
    #[must_use]
    pub fn unrealised(&self, position: PositionId, marks: &Marks) -> Option<Money> {
        let position = self.position(position)?;
        if position.is_flat() {
            return Some(Money::ZERO);
        }
        let (spec, terms) = (self.account(position.account), &self.terms[position.instrument.index()]);
        let price = spec.valuation.price(position.qty.is_positive(), &marks.get(position.instrument)?);
        let value = terms.value(position.qty, price)?;
        match spec.settling(self.instruments.get(position.instrument)) {
            Settling::Profit => terms.money(terms.gain(value, position.cost)?, spec.rounding),
            Settling::Holding | Settling::Exchange => Some(terms.money(value, spec.rounding)? - position.book),
        }
    }

    /// The value of an open position at the account's [`Valuation`] price, signed as its quantity, in the instrument's
    /// settlement currency; `None` without a mark.
    #[must_use]
    pub fn market_value(&self, position: PositionId, marks: &Marks) -> Option<Money> {
        let position = self.position(position)?;
        if position.is_flat() {
            return Some(Money::ZERO);
        }
        let spec = self.account(position.account);
        let price = spec.valuation.price(position.qty.is_positive(), &marks.get(position.instrument)?);
        let terms = &self.terms[position.instrument.index()];
        terms.money(terms.value(position.qty, price)?, spec.rounding)
    }

    /// What an account is worth in `currency`: cash in all currencies, shares at their marks, and the unrealised
    /// profit of what settles in profit. `None` if a mark or a rate that this needs was not seen yet.
    ///
    /// An account with a base converts unrealised profit as the closing fill would. All else is converted at the
    /// account's [`Valuation`]: under [`Valuation::Exit`] a credit is sold and a debt bought back.
    #[must_use]
    pub fn equity(&self, account: AccountId, currency: CurrencyId, marks: &Marks) -> Option<Money> {
        let (spec, state) = (self.account(account), &self.state.accounts[account.index()]);
        let (mut total, mut in_base) = (Money::ZERO, Money::ZERO);
        let mut open = state.open.as_slice();
        for (from, book) in state.books.iter().enumerate().map(|(i, book)| (CurrencyId::from(i), book)) {
            let mut sum = book.cash;
            while let Some((first, rest)) = open.split_first().filter(|(o, _)| o.settlement == from) {
                open = rest;
                match (spec.settling(self.instruments.get(first.instrument)), spec.base) {
                    (Settling::Exchange, _) => {}
                    (Settling::Holding, _) => sum += self.market_value(first.position, marks)?,
                    (Settling::Profit, None) => sum += self.unrealised(first.position, marks)?,
                    (Settling::Profit, Some(_)) => {
                        let closing =
                            if self.position(first.position)?.qty.is_positive() { Side::Sell } else { Side::Buy };
                        let gain = self.unrealised(first.position, marks)?;
                        in_base += self.flow(account, from, gain, Some(closing), marks).ok()?.paid;
                    }
                }
            }
            if Some(from) == spec.base {
                in_base += sum;
            } else {
                total += self.value_in(account, sum, from, currency, marks)?;
            }
        }
        match spec.base {
            Some(base) => Some(total + self.value_in(account, in_base, base, currency, marks)?),
            None => Some(total),
        }
    }

    /// What all accounts are worth in `currency`.
    #[must_use]
    pub fn equity_in(&self, currency: CurrencyId, marks: &Marks) -> Option<Money> {
        self.accounts().map(|(account, _)| self.equity(account, currency, marks)).sum()
    }

    /// Initial margin of what is open, in `currency`; `None` without the marks and rates for it.
    ///
    /// `|qty| * mark * multiplier * margin_init / leverage` at the midpoint (or the last price, if the account says
    /// so): of the net quantity per instrument when netting, of each position when hedging. What is paid for in full
    /// needs none.
    #[must_use]
    pub fn margin_used(&self, account: AccountId, currency: CurrencyId, marks: &Marks) -> Option<Money> {
        self.margin(account, currency, marks, |id| self.instruments.get(id).margin_init)
    }

    /// Maintenance margin of what is open, by the same rule.
    #[must_use]
    pub fn margin_maintenance(&self, account: AccountId, currency: CurrencyId, marks: &Marks) -> Option<Money> {
        self.margin(account, currency, marks, |id| self.instruments.get(id).margin_maint)
    }

    fn margin(
        &self,
        account: AccountId,
        currency: CurrencyId,
        marks: &Marks,
        rate: impl Fn(InstrumentId) -> Rate,
    ) -> Option<Money> {
        let (spec, state) = (self.account(account), &self.state.accounts[account.index()]);
        let mut total = Money::ZERO;
        for group in state.open.chunk_by(|a, b| a.instrument == b.instrument) {
            let id = group[0].instrument;
            let instrument = self.instruments.get(id);
            if spec.settling(instrument) != Settling::Profit || rate(id).is_zero() {
                continue;
            }
            let qty = match spec.mode {
                PositionMode::Netting => self.net_position(account, id).abs(),
                PositionMode::Hedging => {
                    let mut sizes = group.iter().filter_map(|o| self.position(o.position)).map(|p| p.qty.abs());
                    sizes.try_fold(Qty::ZERO, Qty::checked_add)?
                }
            };
            let mark = marks.get(id)?;
            let price = if spec.valuation == Valuation::Last { mark.last } else { mark.mid() };
            let terms = &self.terms[id.index()];
            // At full precision and not too little, then divided and rounded to the currency.
            let full = terms.rated(terms.value(qty, price)?, rate(id), 9, Rounding::Ceil)?.abs();
            let leverage = i128::from(spec.leverage_of(id).units());
            let required = full.scaled(i128::from(SCALE), leverage, terms.digits, spec.rounding)?;
            total += self.value_in(account, required, terms.settlement, currency, marks)?;
        }
        Some(total)
    }

    /// The values of all open positions without their signs, in `currency`: what the account moves in the market.
    #[must_use]
    pub fn gross_notional(&self, account: AccountId, currency: CurrencyId, marks: &Marks) -> Option<Money> {
        let mut total = Money::ZERO;
        for open in &self.state.accounts[account.index()].open {
            let worth = self.market_value(open.position, marks)?.abs();
            total += self.value_in(account, worth, self.terms[open.instrument.index()].settlement, currency, marks)?;
        }
        Some(total)
    }

    /// An amount of one currency told in another, at the account's [`Valuation`]; `None` without a rate.
    #[must_use]
    pub fn convert(
        &self,
        account: AccountId,
        amount: Money,
        from: CurrencyId,
        to: CurrencyId,
        marks: &Marks,
    ) -> Option<Money> {
        self.value_in(account, amount, from, to, marks)
    }

    /// An amount held (or owed, if negative) converted at the account's [`Valuation`].
    fn value_in(
        &self,
        account: AccountId,
        amount: Money,
        from: CurrencyId,
        to: CurrencyId,
        marks: &Marks,
    ) -> Option<Money> {
        let spec = self.account(account);
        // A credit in the pair's base is sold at the bid; a credit in its quote buys the base at the ask.
        let price = |mark: &Mark, inverse: bool| spec.valuation.price(amount.is_negative() == inverse, mark);
        let digits = (self.currencies.digits(to), spec.rounding);
        self.routes[account.index()].convert(amount, (from, to), marks, price, digits).ok()
    }
}
