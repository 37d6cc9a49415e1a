//! Positions: quantity and exact open cost, and what a fill does to them.
//!
//! Invariant: quantity zero means cost, book and lots are zero and empty. Cost is kept as a product at 1e-18, never as
//! an average price: `price * qty` for a linear instrument (its multiplier is applied to profit later), `qty *
//! multiplier / price` in base currency for an inverse one, whose average entry is thereby harmonic. What it
//! deliberately does not do: touch cash.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use starling_core::fixed::{SCALE, div_round, mul_div, pow10};
use starling_core::{
    AccountId, CurrencyId, CurrencyTable, Instrument, InstrumentId, Money, PositionId, Price, Qty, Rate, Rounding,
    StrategyId, UnixNanos,
};

use super::account::CostMethod;

/// Interior quotients at 1e-18 favour neither side.
const INTERIOR: Rounding = Rounding::HalfEven;

/// What was bought (or sold short) at one price and is still open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// Signed as the position.
    pub qty: Qty,
    /// Its price.
    pub price: Price,
}

/// A position, open or flat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Its id, counted from 1 per run.
    pub id: PositionId,
    /// Whose account.
    pub account: AccountId,
    /// In what.
    pub instrument: InstrumentId,
    /// Who opened it.
    pub strategy: StrategyId,
    /// Long positive, short negative.
    pub qty: Qty,
    /// Open cost at 1e-18, signed as `qty`; see the module's head.
    pub cost: i128,
    /// Open cost as paid in cash, signed as `qty`; zero where only profit settles.
    pub book: Money,
    /// Open lots, the oldest first; kept under [`CostMethod::Fifo`] only.
    pub lots: VecDeque<Lot>,
    /// The currency of `realised` and `commission`: the account's base, or the instrument's settlement currency.
    pub currency: CurrencyId,
    /// Profit of what was closed, before commission and funding.
    pub realised: Money,
    /// Commission paid in `currency`; what was paid in others is in the account's totals only.
    pub commission: Money,
    /// Funding received.
    pub funding: Money,
    /// Times it left zero.
    pub cycles: u32,
    /// When it last left zero.
    pub opened_at: UnixNanos,
    /// When it last changed.
    pub changed_at: UnixNanos,
}

impl Position {
    /// True without any quantity.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.qty.is_zero()
    }

    /// Average entry price (harmonic for an inverse instrument), to the nearest 1e-9; `None` if flat.
    #[must_use]
    pub fn entry(&self, instrument: &Instrument) -> Option<Price> {
        let qty = i128::from(self.qty.units());
        let units = if qty == 0 {
            return None;
        } else if instrument.inverse {
            let face = qty * i128::from(instrument.multiplier.units());
            mul_div(face.abs(), i128::from(SCALE), self.cost.abs().max(1), Rounding::default())?
        } else {
            div_round(self.cost * qty.signum(), qty.abs(), Rounding::default())
        };
        i64::try_from(units).ok().map(Price::from_units)
    }
}

/// What the arithmetic needs to know of an instrument, in one cache line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) settlement: CurrencyId,
    pub(super) digits: u8,
    pub(super) inverse: bool,
    multiplier: i64,
    lot: i64,
}

impl Terms {
    pub(super) fn new(instrument: &Instrument, currencies: &CurrencyTable) -> Self {
        let settlement = instrument.settlement();
        Self {
            settlement,
            digits: currencies.digits(settlement),
            inverse: instrument.inverse,
            multiplier: instrument.multiplier.units(),
            lot: instrument.lot.units(),
        }
    }

    /// The value of a quantity, as [`Position::cost`] counts it; `None` where it does not fit or has no meaning.
    pub(super) fn value(&self, qty: Qty, price: Price) -> Option<i128> {
        let (q, p) = (i128::from(qty.units()), i128::from(price.units()));
        if !self.inverse {
            return Some(q * p);
        }
        if p <= 0 {
            return None;
        }
        mul_div(q * i128::from(self.multiplier), i128::from(SCALE), p, INTERIOR)
    }

    /// Such a value as money of the settlement currency, rounded once.
    pub(super) fn money(&self, value: i128, rounding: Rounding) -> Option<Money> {
        let (scale, step) = (i128::from(SCALE), i128::from(pow10(9 - self.digits.min(9))));
        let steps = if self.inverse || self.multiplier == SCALE {
            div_round(value, scale * step, rounding)
        } else {
            mul_div(value, i128::from(self.multiplier), scale * scale * step, rounding)?
        };
        steps.checked_mul(step).map(Money::from_units)
    }

    /// `value * rate`, in one rounding to `digits`: what funding and margin are.
    pub(super) fn rated(&self, value: i128, rate: Rate, digits: u8, rounding: Rounding) -> Option<Money> {
        let (scale, step) = (i128::from(SCALE), i128::from(pow10(9 - digits.min(9))));
        let (rate, multiplier) = (i128::from(rate.units()), i128::from(self.multiplier));
        let steps = if self.inverse {
            mul_div(value, rate, scale * scale * step, rounding)?
        } else {
            mul_div(value, rate.checked_mul(multiplier)?, scale * scale * scale * step, rounding)?
        };
        steps.checked_mul(step).map(Money::from_units)
    }

    /// Profit of what cost `cost` and is worth `value`: an inverse position is short the currency that it counts in.
    pub(super) fn gain(&self, value: i128, cost: i128) -> Option<i128> {
        if self.inverse { cost.checked_sub(value) } else { value.checked_sub(cost) }
    }

    /// `cost * part / whole`. Both are whole lots, as a rule; counting in lots keeps the product within 127 bits.
    fn share(&self, cost: i128, part: Qty, whole: Qty) -> Option<i128> {
        let (part, whole) = (part.units().abs(), whole.units().abs());
        let (part, whole) = if part % self.lot == 0 && whole % self.lot == 0 {
            (part / self.lot, whole / self.lot)
        } else {
            (part, whole)
        };
        mul_div(cost, part.into(), whole.into(), INTERIOR)
    }
}

/// What a fill will do to a position: worked out whole before anything is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) before: Qty,
    pub(super) after: Qty,
    /// The part of the position that closes, signed as the position was.
    pub(super) closed: Qty,
    pub(super) closed_cost: i128,
    /// The part of the fill that opens, signed as the fill.
    pub(super) opened: Qty,
    pub(super) opened_cost: i128,
    pub(super) cost: i128,
    /// Profit of the closed part, as [`Position::cost`] counts.
    pub(super) gain: i128,
}

impl Change {
    /// A signed quantity at a price meets a position; `None` where a result does not fit.
    pub(super) fn new(
        position: Option<&Position>,
        terms: &Terms,
        method: CostMethod,
        filled: Qty,
        price: Price,
    ) -> Option<Self> {
        let (before, cost) = position.map_or((Qty::ZERO, 0), |p| (p.qty, p.cost));
        let after = before.checked_add(filled)?;
        let closed = match position {
            Some(_) if before.is_positive() && filled.is_negative() => before.min(Qty::from_units(-filled.units())),
            Some(_) if before.is_negative() && filled.is_positive() => {
                Qty::from_units(-((-before).min(filled).units()))
            }
            _ => Qty::ZERO,
        };
        let opened = filled + closed;
        let closed_cost = match position {
            Some(p) if !closed.is_zero() => match method {
                _ if closed == before => cost,
                CostMethod::Average => terms.share(cost, closed, before)?,
                CostMethod::Fifo => oldest_cost(&p.lots, terms, closed)?,
            },
            _ => 0,
        };
        let gain = if closed.is_zero() { 0 } else { terms.gain(terms.value(closed, price)?, closed_cost)? };
        let opened_cost = if opened.is_zero() { 0 } else { terms.value(opened, price)? };
        let cost = cost.checked_sub(closed_cost)?.checked_add(opened_cost)?;
        Some(Self { before, after, closed, closed_cost, opened, opened_cost, cost, gain })
    }

    /// The position becomes flat, or passes through zero.
    pub(super) fn closes(&self) -> bool {
        !self.closed.is_zero() && self.closed == self.before
    }

    /// The position leaves zero, perhaps to the other side.
    pub(super) fn opens(&self) -> bool {
        !self.opened.is_zero() && self.closed == self.before
    }

    pub(super) fn apply(&self, position: &mut Position, method: CostMethod, price: Price, ts: UnixNanos) {
        position.qty = self.after;
        position.cost = self.cost;
        position.changed_at = ts;
        if self.opens() {
            position.opened_at = ts;
            position.cycles += 1;
        }
        if method == CostMethod::Fifo {
            drop_oldest(&mut position.lots, self.closed);
            if !self.opened.is_zero() {
                match position.lots.back_mut() {
                    Some(last) if last.price == price => last.qty += self.opened,
                    _ => position.lots.push_back(Lot { qty: self.opened, price }),
                }
            }
        }
        assert!(!position.is_flat() || (self.cost == 0 && position.lots.is_empty()), "a flat position costs nothing");
    }
}

fn oldest_cost(lots: &VecDeque<Lot>, terms: &Terms, closed: Qty) -> Option<i128> {
    let (mut left, mut cost) = (closed, 0i128);
    for lot in lots {
        let part = if left.abs() < lot.qty.abs() { left } else { lot.qty };
        cost = cost.checked_add(terms.value(part, lot.price)?)?;
        left -= part;
        if left.is_zero() {
            return Some(cost);
        }
    }
    unreachable!("the lots hold the whole position");
}

fn drop_oldest(lots: &mut VecDeque<Lot>, closed: Qty) {
    let mut left = closed;
    while !left.is_zero() {
        let lot = lots.front_mut().expect("the lots hold the whole position");
        if left.abs() < lot.qty.abs() {
            lot.qty -= left;
            return;
        }
        left -= lot.qty;
        lots.pop_front();
    }
}
