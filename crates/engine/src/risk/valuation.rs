//! What an order can cost: its worst price, and the value at that price, checked and rounded up.
//!
//! Invariant: a value is never below what the ledger will post for a fill at the worst price or a better one, and every
//! value is at most [`VALUE_MAX`], so that sums over all open orders cannot overflow. What it deliberately does not do:
//! panic; an order too large to value is an answer.

use starling_core::fixed::{SCALE, mul_div};
use starling_core::{Instrument, Money, OrderKind, Price, Qty, Rate, Rounding, Side};

use super::denied::Amount;
use super::limits::BPS_IN_ONE;
use super::view::Reference;

/// The largest value an order may have: 2^40 of them still add up in 127 bits.
pub(super) const VALUE_MAX: Money = Money::from_units(i128::MAX >> 40);

/// The price at which an order has its largest value: for a linear instrument the highest it could trade at, for an
/// inverse one the lowest. `None` if no price is known. `buffer_bps` worsens orders that carry no limit.
pub(super) fn worst_price(
    instrument: &Instrument,
    side: Side,
    kind: &OrderKind,
    reference: Option<Reference>,
    buffer_bps: u32,
) -> Option<Price> {
    let market = reference.and_then(|reference| reference.price(side));
    let limit = limit_price(side, kind, market);
    let trigger = kind.trigger();
    if !instrument.inverse {
        if let (Side::Buy, Some(limit)) = (side, limit) {
            return Some(limit);
        }
        // Touched from above, a purchase trades at the trigger or below.
        if let (Side::Buy, OrderKind::MarketIfTouched { trigger }) = (side, kind) {
            return buffered(*trigger, buffer_bps, true);
        }
    }
    let known = [limit, trigger, market].into_iter().flatten();
    let worst = if instrument.inverse { known.min()? } else { known.max()? };
    if limit.is_some() { Some(worst) } else { buffered(worst, buffer_bps, !instrument.inverse) }
}

/// The limit an order has, or will have when it wakes.
pub(super) fn limit_price(side: Side, kind: &OrderKind, market: Option<Price>) -> Option<Price> {
    match *kind {
        OrderKind::TrailingStopLimit { limit_offset, trigger, .. } => {
            let units = trigger.or(market)?.units();
            match side {
                Side::Buy => units.checked_add(limit_offset.units()),
                Side::Sell => units.checked_sub(limit_offset.units()),
            }
            .map(Price::from_units)
        }
        _ => kind.limit(),
    }
}

fn buffered(price: Price, bps: u32, up: bool) -> Option<Price> {
    if bps == 0 {
        return Some(price);
    }
    let width = mul_div(price.units().unsigned_abs().into(), bps.into(), BPS_IN_ONE.into(), Rounding::Ceil)?;
    let units = i128::from(price.units()) + if up { width } else { -width };
    i64::try_from(units).ok().map(Price::from_units)
}

/// The value of `qty` at `price` without its sign, in the settlement currency, rounded up to `step` units.
pub(super) fn value(instrument: &Instrument, qty: Qty, price: Price, step: i128) -> Result<Money, Amount> {
    let scale = i128::from(SCALE);
    let (q, p) = (i128::from(qty.units()).abs(), i128::from(price.units()).abs());
    let m = i128::from(instrument.multiplier.units());
    let steps = if instrument.inverse {
        if price.units() <= 0 {
            return Err(Amount::Unknown);
        }
        // qty * multiplier (1e-18) over price (1e-9) is 1e-9, as money is.
        mul_div(q, m, p * step, Rounding::Ceil)
    } else if m == scale {
        // Both are below 2^63, and one division of 128 bits is half of `mul_div`'s two.
        Some((q * p + scale * step - 1) / (scale * step))
    } else {
        mul_div(q * p, m, scale * scale * step, Rounding::Ceil)
    };
    bounded(steps.and_then(|steps| steps.checked_mul(step)))
}

/// `value * rate`, rounded up to `step` units; zero for a negative rate (a rebate is no certainty).
pub(super) fn rated(value: Money, rate: Rate, step: i128) -> Result<Money, Amount> {
    if !rate.is_positive() || value.is_zero() {
        return Ok(Money::ZERO);
    }
    let (rate, whole) = (i128::from(rate.units()), i128::from(SCALE) * step);
    let steps = match value.units().checked_mul(rate).and_then(|product| product.checked_add(whole - 1)) {
        Some(raised) => Some(raised / whole),
        None => mul_div(value.units(), rate, whole, Rounding::Ceil),
    };
    bounded(steps.and_then(|steps| steps.checked_mul(step)))
}

pub(super) fn bounded(units: Option<i128>) -> Result<Money, Amount> {
    match units {
        Some(units) if units <= VALUE_MAX.units() => Ok(Money::from_units(units)),
        _ => Err(Amount::Overflow),
    }
}
