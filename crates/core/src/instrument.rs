//! Currencies and instruments: tables frozen per run, in canonical order.
//!
//! Invariant: once frozen, a table never changes, and its ids depend on its contents only, not on the order in which
//! they were registered.

use serde::{Deserialize, Serialize};

use crate::fixed::{Money, Price, Qty, Rate, Rounding, SCALE, div_round, mul_div, pow10};
use crate::id::{CurrencyId, InstrumentId, VenueId};

/// Why a table could not be frozen or an instrument not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InstrumentError {
    /// Two entries have one name.
    #[error("`{name}` is declared twice; remove one of the declarations")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A field holds a value that no order could satisfy.
    #[error("instrument `{name}`: {field} is {value}, but must be {requirement}")]
    Field {
        /// The instrument.
        name: String,
        /// The field.
        field: &'static str,
        /// The value found.
        value: String,
        /// What is allowed.
        requirement: &'static str,
    },
}

/// A currency: its code and the decimals that its amounts are rounded to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Currency {
    /// ISO 4217 code, or the usual ticker of a digital asset.
    pub code: String,
    /// Decimals of its smallest amount, at most 9.
    pub digits: u8,
}

/// The currencies of a run, sorted by code.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CurrencyTable(Vec<Currency>);

impl CurrencyTable {
    /// Decimals of a well-known code (ISO 4217 minor units; 8 for digital assets, as their exchanges print them).
    #[must_use]
    pub fn default_digits(code: &str) -> u8 {
        match code {
            "JPY" | "KRW" | "VND" | "CLP" | "ISK" | "XAF" | "XOF" | "XPF" | "PYG" | "UGX" => 0,
            "BHD" | "KWD" | "OMR" | "JOD" | "TND" | "IQD" | "LYD" => 3,
            "AED" | "ARS" | "AUD" | "BGN" | "BRL" | "CAD" | "CHF" | "CNH" | "CNY" | "COP" | "CZK" | "DKK" | "EGP"
            | "EUR" | "GBP" | "GBX" | "HKD" | "HUF" | "IDR" | "ILS" | "INR" | "MXN" | "MYR" | "NGN" | "NOK" | "NZD"
            | "PEN" | "PHP" | "PKR" | "PLN" | "QAR" | "RON" | "RUB" | "SAR" | "SEK" | "SGD" | "THB" | "TRY" | "TWD"
            | "UAH" | "USD" | "ZAR" => 2,
            _ => 8,
        }
    }

    /// Sorts and freezes; refuses a code given twice with different decimals and merges it given twice alike.
    pub fn freeze(mut currencies: Vec<Currency>) -> Result<Self, InstrumentError> {
        currencies.sort_by(|a, b| a.code.cmp(&b.code).then(a.digits.cmp(&b.digits)));
        currencies.dedup();
        if let Some(pair) = currencies.windows(2).find(|pair| pair[0].code == pair[1].code) {
            return Err(InstrumentError::Duplicate { name: pair[0].code.clone() });
        }
        Ok(Self(currencies))
    }
    /// The id of a code.
    #[must_use]
    pub fn id(&self, code: &str) -> Option<CurrencyId> {
        self.0.binary_search_by(|c| c.code.as_str().cmp(code)).ok().map(CurrencyId::from)
    }
    /// The currency of an id.
    #[must_use]
    pub fn get(&self, id: CurrencyId) -> &Currency {
        &self.0[id.index()]
    }
    /// Decimals of a currency.
    #[must_use]
    pub fn digits(&self, id: CurrencyId) -> u8 {
        self.0[id.index()].digits
    }
    /// Rounds an amount to its currency.
    #[must_use]
    pub fn round(&self, id: CurrencyId, amount: Money, rounding: Rounding) -> Money {
        amount.round_digits(self.digits(id), rounding)
    }
    /// All, in id order.
    pub fn iter(&self) -> impl Iterator<Item = (CurrencyId, &Currency)> {
        self.0.iter().enumerate().map(|(i, c)| (CurrencyId::from(i), c))
    }
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// True without any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is traded, as far as the ledger must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstrumentKind {
    /// A currency or coin pair. In a cash account the base changes hands; in a margin account only profit does.
    Pair,
    /// A share or fund: bought with cash in a cash account.
    Equity,
    /// A dated future.
    Future,
    /// A perpetual swap, with funding.
    Perpetual,
    /// A contract for difference, or an index.
    Cfd,
}

/// One instrument at one venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// The venue's symbol, e.g. `BTC/USDT`.
    pub symbol: String,
    /// Where it trades.
    pub venue: VenueId,
    /// What it is.
    pub kind: InstrumentKind,
    /// The currency held after a purchase (pairs), or in which an inverse contract settles.
    pub base: Option<CurrencyId>,
    /// The currency of its price.
    pub quote: CurrencyId,
    /// Inverse contract: worth `qty * multiplier / price` of the base currency.
    pub inverse: bool,
    /// Decimals of its prices.
    pub price_digits: u8,
    /// Smallest price step.
    pub tick: Price,
    /// Decimals of its quantities.
    pub qty_digits: u8,
    /// Smallest quantity step.
    pub lot: Qty,
    /// Smallest order.
    pub qty_min: Qty,
    /// Largest order.
    pub qty_max: Qty,
    /// Smallest order value in quote currency; zero for none.
    pub notional_min: Money,
    /// Contract size: quote currency per point and unit (1 for shares and coins).
    pub multiplier: Qty,
    /// Initial margin as a share of notional.
    pub margin_init: Rate,
    /// Maintenance margin as a share of notional.
    pub margin_maint: Rate,
    /// Fee of a passive fill as a share of notional; negative is a rebate.
    pub maker_fee: Rate,
    /// Fee of an aggressive fill as a share of notional.
    pub taker_fee: Rate,
}

impl Instrument {
    /// An instrument with the plainest terms: tick and lot of the given decimals, multiplier 1, no margin, no fees.
    #[must_use]
    pub fn new(
        symbol: impl Into<String>,
        venue: VenueId,
        kind: InstrumentKind,
        quote: CurrencyId,
        price_digits: u8,
        qty_digits: u8,
    ) -> Self {
        let lot = Qty::from_units(pow10(9 - qty_digits.min(9)));
        Self {
            symbol: symbol.into(),
            venue,
            kind,
            base: None,
            quote,
            inverse: false,
            price_digits,
            tick: Price::from_units(pow10(9 - price_digits.min(9))),
            qty_digits,
            lot,
            qty_min: lot,
            qty_max: Qty::MAX,
            notional_min: Money::ZERO,
            multiplier: Qty::ONE,
            margin_init: Rate::ZERO,
            margin_maint: Rate::ZERO,
            maker_fee: Rate::ZERO,
            taker_fee: Rate::ZERO,
        }
    }

    /// The currency that profit and fees are counted in.
    #[must_use]
    pub fn settlement(&self) -> CurrencyId {
        if self.inverse { self.base.unwrap_or(self.quote) } else { self.quote }
    }

    /// Value of `qty` at `price` in the settlement currency, signed as `qty`, rounded once to `digits`.
    ///
    /// # Panics
    /// If the price of an inverse contract is not positive, or the value exceeds 1e29 units of currency.
    #[must_use]
    pub fn notional(&self, qty: Qty, price: Price, digits: u8, rounding: Rounding) -> Money {
        self.rated_notional(qty, price, Rate::ONE, digits, rounding)
    }

    /// `notional * rate` in one rounding: what a proportional fee or a margin requirement is.
    #[must_use]
    pub fn rated_notional(&self, qty: Qty, price: Price, rate: Rate, digits: u8, rounding: Rounding) -> Money {
        let scale = i128::from(SCALE);
        let step = i128::from(pow10(9 - digits.min(9)));
        let (q, p, m, r) = (
            i128::from(qty.units()),
            i128::from(price.units()),
            i128::from(self.multiplier.units()),
            i128::from(rate.units()),
        );
        let steps = if self.inverse {
            assert!(p > 0, "an inverse contract needs a positive price");
            // qty*m*rate (1e-27) over price (1e-9) is 1e-18; money is 1e-9.
            mul_div(q * m, r, p * scale * step, rounding)
        } else if m == scale && r == scale {
            Some(div_round(q * p, scale * step, rounding))
        } else if m == scale {
            // Two factors of 1e-9 beyond the money's own.
            mul_div(q * p, r, scale * scale * step, rounding)
        } else {
            let rated = i128::from(SCALE) * i128::from(SCALE) * step;
            if r == scale {
                mul_div(q * p, m, rated, rounding)
            } else {
                let product = m.checked_mul(r).expect("multiplier times rate in range");
                mul_div(q * p, product, rated.checked_mul(scale).expect("scale in range"), rounding)
            }
        };
        let units = steps.and_then(|s| s.checked_mul(step)).expect("notional in range");
        Money::from_units(units)
    }

    fn check(&self) -> Result<(), InstrumentError> {
        let fault = |field, value: String, requirement| {
            Err(InstrumentError::Field { name: self.symbol.clone(), field, value, requirement })
        };
        if self.price_digits > 9 {
            return fault("price_digits", self.price_digits.to_string(), "at most 9");
        }
        if self.qty_digits > 9 {
            return fault("qty_digits", self.qty_digits.to_string(), "at most 9");
        }
        if !self.tick.is_positive() {
            return fault("tick", self.tick.to_string(), "positive");
        }
        if !self.lot.is_positive() {
            return fault("lot", self.lot.to_string(), "positive");
        }
        if !self.multiplier.is_positive() {
            return fault("multiplier", self.multiplier.to_string(), "positive");
        }
        if self.qty_min > self.qty_max {
            return fault("qty_min", self.qty_min.to_string(), "at most qty_max");
        }
        if self.inverse && self.base.is_none() {
            return fault("base", "missing".into(), "named for an inverse contract, which settles in it");
        }
        Ok(())
    }
}

/// The instruments of a run, sorted by venue and symbol.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InstrumentTable(Vec<Instrument>);

impl InstrumentTable {
    /// Checks, sorts and freezes.
    pub fn freeze(mut instruments: Vec<Instrument>) -> Result<Self, InstrumentError> {
        instruments.sort_by(|a, b| a.venue.cmp(&b.venue).then_with(|| a.symbol.cmp(&b.symbol)));
        for instrument in &instruments {
            instrument.check()?;
        }
        let twin = |pair: &&[Instrument]| pair[0].venue == pair[1].venue && pair[0].symbol == pair[1].symbol;
        match instruments.windows(2).find(twin) {
            Some(pair) => Err(InstrumentError::Duplicate { name: pair[0].symbol.clone() }),
            None => Ok(Self(instruments)),
        }
    }
    /// The instrument of an id.
    #[must_use]
    #[inline]
    pub fn get(&self, id: InstrumentId) -> &Instrument {
        &self.0[id.index()]
    }
    /// The id of a symbol at a venue.
    #[must_use]
    pub fn id(&self, venue: VenueId, symbol: &str) -> Option<InstrumentId> {
        self.0
            .binary_search_by(|i| i.venue.cmp(&venue).then_with(|| i.symbol.as_str().cmp(symbol)))
            .ok()
            .map(InstrumentId::from)
    }
    /// All, in id order.
    pub fn iter(&self) -> impl Iterator<Item = (InstrumentId, &Instrument)> {
        self.0.iter().enumerate().map(|(i, x)| (InstrumentId::from(i), x))
    }
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// True without any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currencies() -> CurrencyTable {
        let of = |code: &str| Currency { code: code.into(), digits: CurrencyTable::default_digits(code) };
        CurrencyTable::freeze(vec![of("USDT"), of("BTC"), of("USD"), of("JPY"), of("BTC")]).unwrap()
    }

    #[test]
    fn ids_do_not_depend_on_the_order_of_registration() {
        let usd = currencies().id("USD").unwrap();
        let of = |symbol: &str, venue| Instrument::new(symbol, VenueId(venue), InstrumentKind::Equity, usd, 2, 0);
        let one = InstrumentTable::freeze(vec![of("MSFT", 1), of("AAPL", 1), of("SPY", 0)]).unwrap();
        let two = InstrumentTable::freeze(vec![of("SPY", 0), of("AAPL", 1), of("MSFT", 1)]).unwrap();
        assert_eq!(one, two);
        assert_eq!(one.id(VenueId(1), "AAPL"), Some(InstrumentId(1)));
        assert_eq!(one.id(VenueId(0), "AAPL"), None);
        assert!(InstrumentTable::freeze(vec![of("SPY", 0), of("SPY", 0)]).is_err());
    }

    #[test]
    fn notional_rounds_once_and_away_from_zero() {
        let table = currencies();
        let jpy = table.id("JPY").unwrap();
        let pair = Instrument::new("USD/JPY", VenueId(0), InstrumentKind::Pair, jpy, 3, 0);
        let (qty, price) = (Qty::from_int(1_000_000), "91.655".parse().unwrap());
        assert_eq!(pair.notional(qty, price, 0, Rounding::default()), Money::from_int(91_655_000));
        // 91,655,000 * 0.00002 = 1833.1 yen
        let fee = pair.rated_notional(qty, price, "0.00002".parse().unwrap(), 0, Rounding::default());
        assert_eq!(fee, Money::from_int(1_833));
        assert_eq!(
            pair.rated_notional(-qty, "91.675".parse().unwrap(), "0.00002".parse().unwrap(), 0, Rounding::default()),
            Money::from_int(-1_834),
            "-1833.5 rounds away from zero"
        );
    }

    #[test]
    fn an_inverse_contract_is_worth_its_face_over_the_price() {
        let table = currencies();
        let mut coin =
            Instrument::new("BTCUSD_PERP", VenueId(0), InstrumentKind::Perpetual, table.id("USD").unwrap(), 1, 0);
        coin.inverse = true;
        coin.base = table.id("BTC");
        coin.multiplier = Qty::from_int(100);
        let value = coin.notional(Qty::from_int(5), Price::from_int(40_000), 8, Rounding::default());
        assert_eq!(value.to_string(), "0.0125");
        assert_eq!(coin.settlement(), table.id("BTC").unwrap());
    }
}
