//! From a checked configuration to the engine's plan: names become ids, templates become terms.

use std::collections::BTreeMap;
use std::sync::Arc;

use starling_core::journal::RunId;
use starling_core::{BarSeriesId, Currency, CurrencyId, CurrencyTable, InstrumentId, InstrumentTable, Price, VenueId};
use starling_engine::ledger::AccountSpec;
use starling_engine::strategies::Builtin;
use starling_engine::{Plan, World};
use starling_market::bar::path::{Walk, WalkOrder};
use starling_market::bar::{
    Aggregation, BarShape, BarSpec, BuildOptions, EMPTY_RUN_MAX, EmptyBars, LateTicks, Sessions,
};

use super::RunError;
use crate::config::{AccountConfig, Config, EmptyConfig, InstrumentConfig, LateConfig, VenueConfig, WalkConfig};
use crate::data::{FeedAs, Kind, Resolve};

/// The plan without its participants, its identity and its header.
pub(super) fn of(config: &Config) -> Result<Plan<Builtin>, RunError> {
    let currencies = Arc::new(currencies(config)?);
    let venues: Vec<&VenueConfig> = venues(config);
    let venue =
        |name: &str| VenueId::from(venues.iter().position(|v| v.id == name).expect("the configuration is checked"));
    let terms = |i: &InstrumentConfig| i.terms(venue(i.name().expect("checked").1), &currencies);
    let instruments = Arc::new(InstrumentTable::freeze(config.instruments.iter().map(terms).collect())?);
    let id = |name: &str| {
        let (symbol, at) = name.rsplit_once('.').expect("checked");
        instruments.id(venue(at), symbol).expect("checked")
    };
    let account = |a: &AccountConfig| {
        let currency = |code: &String| currencies.id(code).expect("every named currency is in the table");
        let mut spec = AccountSpec::new(a.name(), venue(&a.venue), a.kind.into());
        spec.mode = a.positions.into();
        spec.base = a.base.as_ref().map(currency);
        spec.opening = a.balances.iter().map(|(code, amount)| (currency(code), amount.0)).collect();
        spec.cost = a.cost.into();
        spec.fx = a.fx.into();
        spec.valuation = a.valuation.into();
        if let Some(leverage) = &a.leverage {
            spec.leverage = leverage.0;
        }
        spec.leverage_by = a.leverage_by.iter().map(|(name, leverage)| (id(name), leverage.0)).collect();
        spec
    };
    let accounts: Vec<AccountSpec> = config.accounts.iter().map(account).collect();
    let session = |(name, session): (&String, &crate::config::SessionConfig)| {
        Ok((name.parse()?, session.calendar().expect("the configuration is checked")))
    };
    let sessions = config.bars.sessions.iter().map(session).collect::<Result<BTreeMap<_, _>, RunError>>()?;
    Ok(Plan {
        venues: venues.iter().map(|v| v.id.clone()).collect(),
        reporting: reporting(config, &currencies),
        external: external(config, id)?,
        accounts,
        limits: config.risk.clone(),
        participants: Vec::new(),
        walk: Walk {
            order: match config.bars.walk {
                WalkConfig::Ohlc => WalkOrder::Ohlc,
                WalkConfig::Olhc => WalkOrder::Olhc,
                WalkConfig::Adaptive => WalkOrder::Adaptive,
            },
            ..Walk::default()
        },
        build: BuildOptions {
            empty: match config.bars.empty {
                EmptyConfig::Emit => EmptyBars::Emit { run_max: EMPTY_RUN_MAX },
                EmptyConfig::Skip => EmptyBars::Skip,
            },
            late: match config.bars.late {
                LateConfig::IntoOpenBar => LateTicks::IntoOpenBar,
                LateConfig::Drop => LateTicks::Drop,
            },
            ..BuildOptions::default()
        },
        sessions: Sessions(sessions),
        run_id: RunId::derive(&[0; 32], config.seed),
        header: Vec::new(),
        recorded: true,
        instruments,
        currencies,
    })
}

/// The venues in order of their names, by which their ids are given: the order they are declared in changes nothing.
pub(super) fn venues(config: &Config) -> Vec<&VenueConfig> {
    let mut venues: Vec<&VenueConfig> = config.venues.iter().collect();
    venues.sort_by(|a, b| a.id.cmp(&b.id));
    venues
}

/// Every currency that is named anywhere.
fn currencies(config: &Config) -> Result<CurrencyTable, RunError> {
    let mut codes: Vec<&str> = Vec::new();
    for instrument in &config.instruments {
        codes.extend(instrument.base_code());
        codes.extend(instrument.quote_code());
    }
    for account in &config.accounts {
        codes.extend(account.base.as_deref());
        codes.extend(account.balances.keys().map(String::as_str));
    }
    codes.extend(config.reporting_currency.as_deref());
    codes.sort_unstable();
    codes.dedup();
    let digits = |code: &str| {
        let stated = config.currencies.iter().find(|c| c.code == code).map(|c| c.digits);
        stated.unwrap_or_else(|| CurrencyTable::default_digits(code))
    };
    let all = codes.into_iter().map(|code| Currency { code: code.into(), digits: digits(code) }).collect();
    Ok(CurrencyTable::freeze(all)?)
}

/// The stated currency, else the first account's base, else that of its largest opening balance.
fn reporting(config: &Config, currencies: &CurrencyTable) -> CurrencyId {
    let first = &config.accounts[0];
    let largest = first.balances.iter().max_by_key(|(_, amount)| amount.0).map(|(code, _)| code);
    let code = config.reporting_currency.as_ref().or(first.base.as_ref()).or(largest);
    code.and_then(|code| currencies.id(code)).expect("an account opens with something")
}

/// The external series, and whether their bars make the market: those of the shortest interval do, unless quotes or
/// trades of the instrument are there to do it.
fn external(config: &Config, id: impl Fn(&str) -> InstrumentId) -> Result<Vec<(BarSpec, bool)>, RunError> {
    let mut shapes: Vec<(InstrumentId, BarShape)> = Vec::new();
    let mut ticked: Vec<InstrumentId> = Vec::new();
    for spec in &config.data {
        let instrument = id(&spec.instrument);
        match (&spec.series, spec.kind, spec.feeds()) {
            (_, Kind::Quotes | Kind::Trades, _) | (_, _, FeedAs::Quotes) => ticked.push(instrument),
            (Some(text), _, FeedAs::Bars) => shapes.push((instrument, text.parse::<BarShape>()?)),
            _ => {}
        }
    }
    let length = |shape: &BarShape| match shape.aggregation {
        Aggregation::Time { interval_ns, .. } => interval_ns,
        _ => u64::MAX,
    };
    let shortest = |instrument: InstrumentId| {
        shapes.iter().filter(|(i, _)| *i == instrument).map(|(_, shape)| length(shape)).min().unwrap_or_default()
    };
    let makes_market = |i: InstrumentId, shape: &BarShape| !ticked.contains(&i) && length(shape) == shortest(i);
    Ok(shapes.iter().map(|(i, shape)| (BarSpec::new(*i, shape.clone()), makes_market(*i, shape))).collect())
}

/// Names of the configuration, resolved in a world.
pub(super) struct Names<'a>(pub(super) &'a World);

impl Resolve for Names<'_> {
    fn instrument(&mut self, name: &str) -> Result<InstrumentId, String> {
        self.0.instrument_by_name(name).ok_or_else(|| format!("no instrument `{name}` is declared"))
    }
    fn series(&mut self, instrument: InstrumentId, text: &str) -> Result<BarSeriesId, String> {
        let spec = BarSpec::parse(instrument, text).map_err(|e| e.to_string())?;
        self.0.series_id(&spec).ok_or_else(|| format!("no series `{text}` is declared"))
    }
    fn tick(&mut self, instrument: InstrumentId) -> Price {
        self.0.instruments().get(instrument).tick
    }
}
