//! Currency conversion: which pairs lead from one currency to another, and at which side of them.
//!
//! Invariant: a conversion is one exact rational factor and one rounding; `1 / x` is never rounded on its own. Routes
//! (a pair, its inverse, or two pairs through a third currency) depend on the tables only. What it deliberately does not
//! do: search for the best rate.

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

/// A pair that leads to a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edge {
    to: CurrencyId,
    /// It trades at another venue.
    foreign: bool,
    leg: Leg,
}

/// The routes between all currencies, as seen from one venue: its own pairs come first, then the lowest ids. Only the
/// pairs are kept: a thousand instruments of a venue have a million routes, and a run asks for few of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FxRoutes {
    /// By currency, the pairs that lead away from it, in order of where they lead; one each.
    edges: Vec<Vec<Edge>>,
}

impl FxRoutes {
    pub(super) fn new(instruments: &InstrumentTable, currencies: usize, venue: VenueId) -> Self {
        let mut edges: Vec<Vec<Edge>> = vec![Vec::new(); currencies];
        for (pair, instrument) in instruments.iter() {
            let (InstrumentKind::Pair, Some(base), false) = (instrument.kind, instrument.base, instrument.inverse)
            else {
                continue;
            };
            let foreign = instrument.venue != venue;
            for (from, to, inverse) in [(base, instrument.quote, false), (instrument.quote, base, true)] {
                edges[from.index()].push(Edge { to, foreign, leg: Leg { pair, inverse } });
            }
        }
        for of in &mut edges {
            // Pairs came in order of their ids, and the sort is stable.
            of.sort_by_key(|edge| (edge.to, edge.foreign));
            of.dedup_by_key(|edge| edge.to);
        }
        Self { edges }
    }

    fn edge(&self, from: CurrencyId, to: CurrencyId) -> Option<Edge> {
        let of = &self.edges[from.index()];
        of.binary_search_by_key(&to, |edge| edge.to).ok().map(|at| of[at])
    }

    fn route(&self, from: CurrencyId, to: CurrencyId) -> Option<Route> {
        if let Some(edge) = self.edge(from, to) {
            return Some(Route { first: edge.leg, second: None });
        }
        // Every pair leads both ways, so either end knows all third currencies; the one with fewer pairs is asked.
        let ends = [&self.edges[from.index()], &self.edges[to.index()]];
        let fewer = if ends[0].len() <= ends[1].len() { ends[0] } else { ends[1] };
        fewer
            .iter()
            .filter_map(|edge| Some((self.edge(from, edge.to)?, self.edge(edge.to, to)?)))
            .min_by_key(|(first, second)| u8::from(first.foreign) + u8::from(second.foreign))
            .map(|(first, second)| Route { first: first.leg, second: Some(second.leg) })
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
        let route = self.route(from, to).ok_or(FxFault::NoRoute)?;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use starling_core::Instrument;

    use super::*;

    /// The route by the definition: a pair if there is one, else the best of all third currencies.
    fn by_definition(
        table: &InstrumentTable,
        currencies: usize,
        venue: VenueId,
        from: CurrencyId,
        to: CurrencyId,
    ) -> Option<Route> {
        let direct = |from: CurrencyId, to: CurrencyId| {
            let leads = table.iter().filter_map(|(pair, of)| match (of.base?, of.quote) {
                (base, quote) if (base, quote) == (from, to) => Some((of.venue != venue, Leg { pair, inverse: false })),
                (base, quote) if (quote, base) == (from, to) => Some((of.venue != venue, Leg { pair, inverse: true })),
                _ => None,
            });
            leads.min_by_key(|(foreign, leg)| (*foreign, leg.pair))
        };
        if let Some((_, first)) = direct(from, to) {
            return Some(Route { first, second: None });
        }
        let third = (0..currencies).map(CurrencyId::from);
        let crossed = third.filter_map(|via| Some((direct(from, via)?, direct(via, to)?)));
        crossed
            .min_by_key(|((f, _), (g, _))| u8::from(*f) + u8::from(*g))
            .map(|((_, first), (_, second))| Route { first, second: Some(second) })
    }

    proptest! {
        #[test]
        fn routes_are_those_of_the_definition(pairs in proptest::collection::vec((0usize..7, 0usize..7, 0usize..3), 0..14)) {
            let of = |(at, (base, quote, venue)): (usize, &(usize, usize, usize))| {
                let base = Some(CurrencyId::from(*base));
                let (symbol, venue, quote) = (format!("P{at}"), VenueId::from(*venue), CurrencyId::from(*quote));
                Instrument { base, ..Instrument::new(symbol, venue, InstrumentKind::Pair, quote, 2, 2) }
            };
            let table = pairs.iter().enumerate().filter(|(_, (base, quote, _))| base != quote).map(of).collect();
            let table = InstrumentTable::freeze(table).unwrap();
            for venue in (0..3).map(VenueId::from) {
                let routes = FxRoutes::new(&table, 7, venue);
                for (from, to) in (0..7).flat_map(|from| (0..7).map(move |to| (from, to))).filter(|(from, to)| from != to) {
                    let (from, to) = (CurrencyId::from(from), CurrencyId::from(to));
                    prop_assert_eq!(routes.route(from, to), by_definition(&table, 7, venue, from, to));
                }
            }
        }
    }
}
