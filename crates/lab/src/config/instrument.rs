//! `[[instruments]]`: the terms of what is traded, most of them from a template.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use starling_core::fixed::pow10;
use starling_core::instrument::InstrumentKind;
use starling_core::{CurrencyTable, Instrument, Money, Price, Qty, Rate, VenueId};
use starling_engine::strategies::parameter::Exact;

use super::rate;

/// An instrument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstrumentConfig {
    /// Symbol, dot, venue, as in `USD/JPY.SIM`. The venue is what stands after the last dot.
    pub id: String,
    /// Usual terms, which the other fields override: `fx` (5 decimals, 3 in yen, fees 0.00002, margin 0.03, lot 1000),
    /// `equity` (2 decimals, whole shares), `spot` (coins: name the decimals), `perpetual`, `inverse_perpetual`,
    /// `future`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
    /// `pair`, `equity`, `future`, `perpetual` or `cfd`. Default: the template's, or a pair where the symbol has a slash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<KindConfig>,
    /// What is bought. Default: the part before the slash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The currency of the price. Default: the part after the slash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// Settles in `base`, worth `quantity x multiplier / price`. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inverse: Option<bool>,
    /// Decimals of prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_digits: Option<u8>,
    /// Smallest price step. Default: one unit of the last decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick: Option<Exact<Price>>,
    /// Decimals of quantities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qty_digits: Option<u8>,
    /// Smallest quantity step. Default: one unit of the last decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot: Option<Exact<Qty>>,
    /// Smallest order. Default: one lot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qty_min: Option<Exact<Qty>>,
    /// Largest order. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qty_max: Option<Exact<Qty>>,
    /// Smallest order value in quote currency. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notional_min: Option<Exact<Money>>,
    /// Contract size. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiplier: Option<Exact<Qty>>,
    /// Initial margin as a share of notional. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin_init: Option<Exact<Rate>>,
    /// Maintenance margin as a share of notional. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin_maint: Option<Exact<Rate>>,
    /// Fee of passive fills as a share of notional, negative for a rebate. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker_fee: Option<Exact<Rate>>,
    /// Fee of aggressive fills as a share of notional. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taker_fee: Option<Exact<Rate>>,
}

/// Usual terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// A currency pair.
    Fx,
    /// A share or fund.
    Equity,
    /// A coin against another.
    Spot,
    /// A perpetual settled in its quote currency.
    Perpetual,
    /// A perpetual settled in its base currency.
    InversePerpetual,
    /// A dated future.
    Future,
}

/// What an instrument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KindConfig {
    /// A currency or coin pair.
    Pair,
    /// A share or fund.
    Equity,
    /// A dated future.
    Future,
    /// A perpetual swap.
    Perpetual,
    /// A contract for difference, or an index.
    Cfd,
}

impl InstrumentConfig {
    /// Symbol and venue.
    #[must_use]
    pub fn name(&self) -> Option<(&str, &str)> {
        self.id.rsplit_once('.').filter(|(symbol, venue)| !symbol.is_empty() && !venue.is_empty())
    }
    /// The code of its base currency, if it has one.
    #[must_use]
    pub fn base_code(&self) -> Option<&str> {
        let stated = self.base.as_deref();
        stated.or_else(|| self.name().and_then(|(symbol, _)| symbol.split_once('/')).map(|(base, _)| base))
    }
    /// The code of its quote currency.
    #[must_use]
    pub fn quote_code(&self) -> Option<&str> {
        let stated = self.quote.as_deref();
        stated.or_else(|| self.name().and_then(|(symbol, _)| symbol.split_once('/')).map(|(_, quote)| quote))
    }
    /// What it is.
    pub(super) fn kind(&self) -> Option<InstrumentKind> {
        if let Some(kind) = self.kind {
            return Some(match kind {
                KindConfig::Pair => InstrumentKind::Pair,
                KindConfig::Equity => InstrumentKind::Equity,
                KindConfig::Future => InstrumentKind::Future,
                KindConfig::Perpetual => InstrumentKind::Perpetual,
                KindConfig::Cfd => InstrumentKind::Cfd,
            });
        }
        match self.template {
            Some(Template::Fx | Template::Spot) => Some(InstrumentKind::Pair),
            Some(Template::Equity) => Some(InstrumentKind::Equity),
            Some(Template::Perpetual | Template::InversePerpetual) => Some(InstrumentKind::Perpetual),
            Some(Template::Future) => Some(InstrumentKind::Future),
            None => self.id.contains('/').then_some(InstrumentKind::Pair),
        }
    }
    /// Whether it settles in its base.
    pub(super) fn is_inverse(&self) -> bool {
        self.inverse.unwrap_or(self.template == Some(Template::InversePerpetual))
    }
    fn digits(&self) -> (Option<u8>, Option<u8>) {
        let (price, qty) = match self.template {
            Some(Template::Fx) => (Some(if self.quote_code() == Some("JPY") { 3 } else { 5 }), Some(0)),
            Some(Template::Equity) => (Some(2), Some(0)),
            _ => (None, None),
        };
        (self.price_digits.or(price), self.qty_digits.or(qty))
    }

    /// Smallest price step: the stated one, else one unit of the last decimal.
    #[must_use]
    pub fn price_step(&self) -> Price {
        let unit = |digits: u8| Price::from_units(pow10(9_u8.saturating_sub(digits)));
        self.tick.as_ref().map_or_else(|| unit(self.digits().0.unwrap_or(9)), |tick| tick.0)
    }

    /// Faults, as (field, what would be right).
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.name().is_none() {
            faults.push(("id", format!("`{}` must be symbol, dot, venue, as in `BTC/USDT.BINANCE`", self.id)));
        }
        if self.quote_code().is_none() {
            faults.push(("quote", "missing: name the currency of the price".to_owned()));
        }
        if self.kind().is_none() {
            faults.push(("kind", "missing: pair, equity, future, perpetual or cfd, or a template".to_owned()));
        }
        let (price_digits, qty_digits) = self.digits();
        for (field, digits, what) in
            [("price_digits", price_digits, "prices"), ("qty_digits", qty_digits, "quantities")]
        {
            match digits {
                None => faults.push((field, format!("missing: how many decimals do {what} have?"))),
                Some(digits) if digits > 9 => faults.push((field, format!("{digits} is more than 9"))),
                Some(_) => {}
            }
        }
        let positive = [
            ("tick", self.tick.as_ref().map(|x| x.0.units())),
            ("lot", self.lot.as_ref().map(|x| x.0.units())),
            ("multiplier", self.multiplier.as_ref().map(|x| x.0.units())),
        ];
        for (field, _) in positive.iter().filter(|(_, units)| units.is_some_and(|u| u <= 0)) {
            faults.push((field, "must be positive".to_owned()));
        }
        for (field, margin) in [("margin_init", &self.margin_init), ("margin_maint", &self.margin_maint)] {
            if rate(margin, Rate::ZERO).is_negative() {
                faults.push((field, "must not be negative".to_owned()));
            }
        }
        faults
    }

    /// The terms. The configuration is checked, so every code is in the table.
    pub(crate) fn terms(&self, venue: VenueId, currencies: &CurrencyTable) -> Instrument {
        let (symbol, _) = self.name().expect("checked");
        let id = |code: &str| currencies.id(code).expect("every named currency is in the table");
        let quote = id(self.quote_code().expect("checked"));
        let (price_digits, qty_digits) = self.digits();
        let kind = self.kind().expect("checked");
        let mut terms =
            Instrument::new(symbol, venue, kind, quote, price_digits.expect("checked"), qty_digits.expect("checked"));
        terms.base = self.base_code().map(id);
        terms.inverse = self.is_inverse();
        let fx = self.template == Some(Template::Fx);
        let usual = |text: &str| if fx { text.parse().expect("a decimal constant") } else { Rate::ZERO };
        if let Some(tick) = &self.tick {
            terms.tick = tick.0;
        }
        let unit = Qty::from_units(pow10(9 - terms.qty_digits));
        terms.lot = self.lot.as_ref().map_or(if fx { Qty::from_int(1_000) } else { unit }, |lot| lot.0);
        terms.qty_min = self.qty_min.as_ref().map_or(terms.lot, |qty| qty.0);
        terms.qty_max = self.qty_max.as_ref().map_or(Qty::MAX, |qty| qty.0);
        terms.notional_min = self.notional_min.as_ref().map_or(Money::ZERO, |money| money.0);
        terms.multiplier = self.multiplier.as_ref().map_or(Qty::ONE, |size| size.0);
        terms.margin_init = rate(&self.margin_init, usual("0.03"));
        terms.margin_maint = rate(&self.margin_maint, usual("0.03"));
        terms.maker_fee = rate(&self.maker_fee, usual("0.00002"));
        terms.taker_fee = rate(&self.taker_fee, usual("0.00002"));
        terms
    }
}
