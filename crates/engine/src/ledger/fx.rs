//! Currency conversion: which pairs lead from one currency to another, and at which side of them.
//!
//! Invariant: a conversion is one exact rational factor and one rounding; `1 / x` is never rounded on its own. Routes
//! (a pair, its inverse, or two pairs through a third currency) are found once, when the ledger is made, and depend
//! on the tables only. What it deliberately does not do: search for the best rate.

use serde::{Deserialize, Serialize};
use starling_core::fixed::SCALE;
use starling_core::instrument::InstrumentKind;
use starling_core::{CurrencyId, InstrumentId, InstrumentTable, Money, Price, Rounding, Side, VenueId};

use crate::marks::{Mark, Marks};

/// At which price of a currency pair a fill's profit and commission are converted into the account's base currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FxSide {
    /// The pair's bid on a BUY, its ask on a SELL: JPY to USD by USD/JPY is 1/bid on a BUY and 1/ask on a SELL.
    #[default]
    FillSide,
    /// The pair's ask on a BUY, its bid on a SELL.
    Opposite,
    /// The midpoint.
    Mid,
    /// The last price.
    Last,
}

impl FxSide {
    /// The price of a pair for a fill of `side`; what has no side (funding) takes the midpoint.
    #[must_use]
    pub fn price(self, side: Option<Side>, mark: &Mark) -> Price {
        match (self, side) {
            (Self::Last, _) => mark.last,
            (Self::Mid, _) | (_, None) => mark.mid(),
            (Self::FillSide, Some(Side::Buy)) | (Self::Opposite, Some(Side::Sell)) => mark.bid,
            (Self::FillSide, Some(Side::Sell)) | (Self::Opposite, Some(Side::Buy)) => mark.ask,
        }
    }
}

/// At which price what is open is valued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Valuation {
    /// What closing it now would fetch: a long at the bid, a short at the ask; currency held is sold at the bid.
    #[default]
    Exit,
    /// The midpoint.
    Mid,
    /// The last price.
    Last,
}

impl Valuation {
    /// The price of something held (`long`) or owed.
    #[must_use]
    pub fn price(self, long: bool, mark: &Mark) -> Price {
        match self {
            Self::Exit if long => mark.bid,
            Self::Exit => mark.ask,
            Self::Mid => mark.mid(),
            Self::Last => mark.last,
        }
    }
}

/// One pair on the way: `from` is its base, or (inverse) its quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Leg {
    pair: InstrumentId,
    inverse: bool,
}

/// The way from one currency to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Route {
    first: Leg,
    second: Option<Leg>,
}

/// Why an amount could not be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FxFault {
    /// No pair, nor two pairs, connect the currencies.
    NoRoute,
    /// This pair has no positive price yet.
    NoRate(InstrumentId),
    /// The result does not fit.
    OutOfRange,
}

/// The routes between all currencies, as seen from one venue: its own pairs come first, then the lowest ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FxRoutes {
    currencies: usize,
    routes: Vec<Option<Route>>,
}

impl FxRoutes {
    pub(super) fn new(instruments: &InstrumentTable, currencies: usize, venue: VenueId) -> Self {
        let at = |from: CurrencyId, to: CurrencyId| from.index() * currencies + to.index();
        let mut direct: Vec<Option<(bool, Leg)>> = vec![None; currencies * currencies];
        for (pair, instrument) in instruments.iter() {
            let (InstrumentKind::Pair, Some(base), false) = (instrument.kind, instrument.base, instrument.inverse)
            else {
                continue;
            };
            let foreign = instrument.venue != venue;
            for (slot, inverse) in [(at(base, instrument.quote), false), (at(instrument.quote, base), true)] {
                if direct[slot].is_none_or(|(f, _)| f && !foreign) {
                    direct[slot] = Some((foreign, Leg { pair, inverse }));
                }
            }
        }
        let mut routes = vec![None; currencies * currencies];
        for from in (0..currencies).map(CurrencyId::from) {
            for to in (0..currencies).map(CurrencyId::from).filter(|to| *to != from) {
                let crossed = || {
                    (0..currencies)
                        .map(CurrencyId::from)
                        .filter_map(|via| Some((direct[at(from, via)]?, direct[at(via, to)]?)))
                        .min_by_key(|((f, _), (g, _))| u8::from(*f) + u8::from(*g))
                        .map(|((_, first), (_, second))| Route { first, second: Some(second) })
                };
                routes[at(from, to)] =
                    direct[at(from, to)].map(|(_, first)| Route { first, second: None }).or_else(crossed);
            }
        }
        Self { currencies, routes }
    }

    /// Converts, with the price of each pair chosen by `price(mark, inverse)`.
    pub(super) fn convert(
        &self,
        amount: Money,
        (from, to): (CurrencyId, CurrencyId),
        marks: &Marks,
        price: impl Fn(&Mark, bool) -> Price,
        (digits, rounding): (u8, Rounding),
    ) -> Result<Money, FxFault> {
        if from == to || amount.is_zero() {
            return Ok(amount);
        }
        let route = self.routes[from.index() * self.currencies + to.index()].ok_or(FxFault::NoRoute)?;
        let factor = |leg: Leg| {
            let mark = marks.get(leg.pair).ok_or(FxFault::NoRate(leg.pair))?;
            let price = price(&mark, leg.inverse);
            if !price.is_positive() {
                return Err(FxFault::NoRate(leg.pair));
            }
            let (price, one) = (i128::from(price.units()), i128::from(SCALE));
            Ok(if leg.inverse { (one, price) } else { (price, one) })
        };
        let (mut numerator, mut denominator) = factor(route.first)?;
        if let Some(second) = route.second {
            let (n, d) = factor(second)?;
            numerator = numerator.checked_mul(n).ok_or(FxFault::OutOfRange)?;
            denominator = denominator.checked_mul(d).ok_or(FxFault::OutOfRange)?;
        }
        amount.scaled(numerator, denominator, digits, rounding).ok_or(FxFault::OutOfRange)
    }
}
