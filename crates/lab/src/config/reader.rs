//! From TOML to a checked [`Config`]: section by section, so that one fault does not hide the next.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::de::DeserializeOwned;
use starling_engine::strategies::StrategyConfig;
use starling_market::bar::BarShape;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::fault::{ConfigFault, ConfigFaults, meant};
use super::{AccountConfig, BarsConfig, Config, CurrencyConfig, InstrumentConfig, StrategyEntry, VenueConfig};
use crate::data::DataSpec;

/// The sections, in the order of documentation; true for those that may not be missing.
const SECTIONS: [(&str, bool); 12] = [
    ("name", true),
    ("seed", false),
    ("reporting_currency", false),
    ("currencies", false),
    ("venues", true),
    ("accounts", true),
    ("instruments", true),
    ("data", true),
    ("bars", false),
    ("risk", false),
    ("strategies", false),
    ("statistics", false),
];

/// A value with the place it stands at.
struct Placed<T> {
    value: T,
    at: Range<usize>,
    path: String,
}

struct Faults<'a> {
    text: &'a str,
    found: Vec<ConfigFault>,
}

impl Faults<'_> {
    fn line(&self, at: usize) -> usize {
        1 + self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|b| **b == b'\n').count()
    }
    fn add(&mut self, at: usize, path: impl Into<String>, message: impl Into<String>) {
        let line = self.line(at);
        self.found.push(ConfigFault { line, path: path.into(), message: message.into() });
    }

    /// Reads one value; what is wrong in a table is taken out and noted, and the rest is read again.
    fn value<T: DeserializeOwned>(&mut self, path: &str, value: Spanned<DeValue<'_>>) -> Option<T> {
        self.value_with(path, value, T::deserialize)
    }

    fn value_with<'i, T>(
        &mut self,
        path: &str,
        mut value: Spanned<DeValue<'i>>,
        read: impl Fn(ValueDeserializer<'i>) -> Result<T, toml::de::Error>,
    ) -> Option<T> {
        let mut taken: BTreeSet<String> = BTreeSet::new();
        loop {
            let at = value.span().start;
            let error = match read(ValueDeserializer::from(value.clone())) {
                Ok(read) => return taken.is_empty().then_some(read),
                Err(error) => error,
            };
            let span = error.span().unwrap_or(at..at);
            let message = tidy(error.message());
            let culprit = value.get_ref().as_table().and_then(|table| {
                let holds = |r: Range<usize>| r.start <= span.start && span.end <= r.end && span.start > at;
                let hit = table.iter().find(|(key, value)| holds(key.span()) || holds(value.span()));
                hit.map(|(key, _)| key.get_ref().to_string())
            });
            // After a field was taken out, only faults of other fields are news.
            let of_taken = taken.iter().any(|key| message.contains(&format!("missing field `{key}`")));
            if !of_taken {
                let inner = culprit.as_ref().map_or_else(|| path.to_owned(), |key| join(path, key));
                self.add(span.start, inner, message);
            }
            match (culprit, value.get_mut()) {
                (Some(key), DeValue::Table(table)) if !of_taken => {
                    if let Some(place) = table.keys().find(|k| k.get_ref().as_ref() == key).cloned() {
                        table.remove(&place);
                    }
                    taken.insert(key);
                }
                _ => return None,
            }
        }
    }

    fn list<T: DeserializeOwned>(&mut self, name: &str, value: Option<Spanned<DeValue<'_>>>) -> Vec<Placed<T>> {
        self.elements(name, value)
            .into_iter()
            .filter_map(|Placed { value, at, path }| self.value(&path, value).map(|value| Placed { value, at, path }))
            .collect()
    }

    fn elements<'i>(&mut self, name: &str, value: Option<Spanned<DeValue<'i>>>) -> Vec<Placed<Spanned<DeValue<'i>>>> {
        let Some(value) = value else { return Vec::new() };
        let at = value.span().start;
        let DeValue::Array(array) = value.into_inner() else {
            self.add(at, name, format!("must be a list of tables: write it as [[{name}]]"));
            return Vec::new();
        };
        let placed = |(index, value): (usize, Spanned<DeValue<'i>>)| Placed {
            at: value.span(),
            value,
            path: format!("{name}[{index}]"),
        };
        array.into_iter().enumerate().map(placed).collect()
    }

    /// `id` and `accounts` are the entry's, all else is the kind's.
    fn strategy(&mut self, entry: Placed<Spanned<DeValue<'_>>>) -> Option<Placed<StrategyEntry>> {
        let Placed { mut value, at, path } = entry;
        let DeValue::Table(table) = value.get_mut() else {
            self.add(at.start, path, "must be a table");
            return None;
        };
        let mut take = |name: &str| {
            let key = table.keys().find(|k| k.get_ref() == name).cloned();
            key.and_then(|key| table.remove(&key))
        };
        let (id, accounts, kind) = (take("id"), take("accounts"), take("kind"));
        let id: Option<String> = match id {
            Some(id) => self.value(&join(&path, "id"), id),
            None => {
                self.add(at.start, path.as_str(), "`id` is missing: give the strategy a name");
                None
            }
        };
        let accounts = match accounts {
            Some(accounts) => self.value(&join(&path, "accounts"), accounts)?,
            None => Vec::new(),
        };
        let kinds = || StrategyConfig::KINDS.iter().map(|kind| kind.name);
        let Some(kind) = kind else {
            let all = kinds().collect::<Vec<_>>().join(", ");
            self.add(at.start, path.as_str(), format!("`kind` is missing; there are: {all}"));
            return None;
        };
        let place = kind.span().start;
        let kind: String = self.value(&join(&path, "kind"), kind)?;
        let Some(name) = kinds().find(|name| *name == kind) else {
            let all = kinds().collect::<Vec<_>>().join(", ");
            let hint = meant(&kind, kinds()).map(|k| format!("did you mean `{k}`? ")).unwrap_or_default();
            self.add(place, join(&path, "kind"), format!("there is no kind `{kind}`; {hint}there are: {all}"));
            return None;
        };
        let config = self.value_with(&path, value, |parameters| StrategyConfig::of_kind(name, parameters))?;
        for fault in config.validate() {
            self.add(
                at.start,
                join(&path, &fault.parameter),
                format!("is {}, but must be {}", fault.value, fault.requirement),
            );
        }
        Some(Placed { value: StrategyEntry { id: id?, accounts, config }, at, path })
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// serde's message without the frame of the TOML text, which the caller draws.
fn tidy(message: &str) -> String {
    match message.trim().trim_end_matches('.') {
        // A bare value where one of several kinds is chosen: `size = 100`.
        "wanted string or table" => "must say what it is, as in { fixed = 100 }".to_owned(),
        other => other.to_owned(),
    }
}

pub(super) fn read(text: &str) -> Result<Config, ConfigFaults> {
    let mut faults = Faults { text, found: Vec::new() };
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in errors {
            faults.add(error.span().map_or(0, |s| s.start), "", format!("no valid TOML: {}", tidy(error.message())));
        }
        return Err(ConfigFaults(faults.found));
    }
    let mut root = root.into_inner();
    let mut take = |name: &str| {
        let key = root.keys().find(|k| k.get_ref() == name).cloned();
        key.and_then(|key| root.remove(&key))
    };
    let [name, seed, reporting, currencies, venues, accounts, instruments, data, bars, risk, strategies, statistics] =
        SECTIONS.map(|(section, required)| (section, required, take(section)));
    for (section, required, value) in [
        &name,
        &seed,
        &reporting,
        &currencies,
        &venues,
        &accounts,
        &instruments,
        &data,
        &bars,
        &risk,
        &strategies,
        &statistics,
    ] {
        if *required && value.is_none() {
            let message = match *section {
                "name" => "is missing; give the run a name, as in name = \"first run\"".to_owned(),
                table => format!("is missing; a run needs at least one [[{table}]] table"),
            };
            faults.found.push(ConfigFault { line: 0, path: (*section).to_owned(), message });
        }
    }
    for key in root.keys() {
        let known = || SECTIONS.iter().map(|(name, _)| *name);
        let hint = match meant(key.get_ref(), known()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("there are: {}", known().collect::<Vec<_>>().join(", ")),
        };
        faults.add(key.span().start, key.get_ref().as_ref(), format!("there is no such section; {hint}"));
    }
    let mut one = Sections { faults: &mut faults };
    let name: Option<String> = one.read(name);
    let seed: Option<u64> = one.read(seed);
    let reporting_currency: Option<String> = one.read(reporting);
    let bars = one.read(bars).unwrap_or_default();
    let risk = one.read(risk).unwrap_or_default();
    let statistics = one.read(statistics).unwrap_or_default();
    let currencies = faults.list("currencies", currencies.2);
    let venues = faults.list("venues", venues.2);
    let accounts = faults.list("accounts", accounts.2);
    let instruments = faults.list("instruments", instruments.2);
    let data = faults.list("data", data.2);
    let entries = faults.elements("strategies", strategies.2);
    let strategies: Vec<Placed<StrategyEntry>> = entries.into_iter().filter_map(|e| faults.strategy(e)).collect();
    let draft = Draft { currencies, venues, accounts, instruments, data, strategies };
    // Names resolve only once every section could be read.
    if faults.found.is_empty() {
        draft.check(reporting_currency.as_deref(), &bars, &mut faults);
    }
    if !faults.found.is_empty() {
        faults.found.sort_by_key(|fault| fault.line);
        return Err(ConfigFaults(faults.found));
    }
    Ok(Config {
        name: name.unwrap_or_default(),
        seed: seed.unwrap_or_default(),
        reporting_currency,
        currencies: draft.currencies.into_iter().map(|p| p.value).collect(),
        venues: draft.venues.into_iter().map(|p| p.value).collect(),
        accounts: draft.accounts.into_iter().map(|p| p.value).collect(),
        instruments: draft.instruments.into_iter().map(|p| p.value).collect(),
        data: draft.data.into_iter().map(|p| p.value).collect(),
        bars,
        risk,
        strategies: draft.strategies.into_iter().map(|p| p.value).collect(),
        statistics,
    })
}

struct Sections<'f, 'a> {
    faults: &'f mut Faults<'a>,
}

impl Sections<'_, '_> {
    fn read<T: DeserializeOwned>(&mut self, (name, _, value): (&str, bool, Option<Spanned<DeValue<'_>>>)) -> Option<T> {
        self.faults.value(name, value?)
    }
}

/// The sections with their places, before their names are resolved.
struct Draft {
    currencies: Vec<Placed<CurrencyConfig>>,
    venues: Vec<Placed<VenueConfig>>,
    accounts: Vec<Placed<AccountConfig>>,
    instruments: Vec<Placed<InstrumentConfig>>,
    data: Vec<Placed<DataSpec>>,
    strategies: Vec<Placed<StrategyEntry>>,
}

impl Draft {
    fn check(&self, reporting: Option<&str>, bars: &BarsConfig, faults: &mut Faults<'_>) {
        for (what, empty) in [
            ("venues", self.venues.is_empty()),
            ("accounts", self.accounts.is_empty()),
            ("instruments", self.instruments.is_empty()),
            ("data", self.data.is_empty()),
        ] {
            if empty {
                faults.add(0, what, "is empty: a run needs at least one");
            }
        }
        unique(faults, "id", self.venues.iter().map(|p| (p.value.id.as_str(), p)));
        unique(faults, "id", self.accounts.iter().map(|p| (p.value.name(), p)));
        unique(faults, "id", self.instruments.iter().map(|p| (p.value.id.as_str(), p)));
        unique(faults, "id", self.strategies.iter().map(|p| (p.value.id.as_str(), p)));
        unique(faults, "code", self.currencies.iter().map(|p| (p.value.code.as_str(), p)));
        for Placed { value, at, path } in &self.currencies {
            if value.digits > 9 {
                faults.add(at.start, join(path, "digits"), format!("{} is more than 9", value.digits));
            }
        }
        for Placed { value, at, path } in &self.venues {
            for (field, message) in value.faults() {
                faults.add(at.start, join(path, field), message);
            }
        }
        let venues: Vec<&str> = self.venues.iter().map(|p| p.value.id.as_str()).collect();
        let instruments: Vec<&str> = self.instruments.iter().map(|p| p.value.id.as_str()).collect();
        let accounts: Vec<&str> = self.accounts.iter().map(|p| p.value.name()).collect();
        for Placed { value, at, path } in &self.instruments {
            for (field, message) in value.faults() {
                faults.add(at.start, join(path, field), message);
            }
            if let Some((_, venue)) = value.name() {
                known(faults, at.start, &join(path, "id"), "venue", venue, &venues);
            }
        }
        for Placed { value, at, path } in &self.accounts {
            known(faults, at.start, &join(path, "venue"), "venue", &value.venue, &venues);
            for name in value.leverage_by.keys() {
                known(faults, at.start, &join(path, "leverage_by"), "instrument", name, &instruments);
            }
            let levers = value.leverage.iter().chain(value.leverage_by.values());
            if levers.clone().any(|l| !l.0.is_positive()) {
                faults.add(at.start, join(path, "leverage"), "must be positive");
            }
            if value.balances.is_empty() {
                faults.add(at.start, join(path, "balances"), "is empty: what does the account open with?");
            }
        }
        for Placed { value, at, path } in &self.data {
            known(faults, at.start, &join(path, "instrument"), "instrument", &value.instrument, &instruments);
            for fault in value.faults() {
                faults.add(at.start, path.as_str(), fault.to_string());
            }
            if let Some(series) = &value.series
                && let Err(error) = series.parse::<BarShape>()
            {
                faults.add(at.start, join(path, "series"), error.to_string());
            }
        }
        for Placed { value, at, path } in &self.strategies {
            for name in &value.accounts {
                known(faults, at.start, &join(path, "accounts"), "account", name, &accounts);
            }
        }
        for (name, session) in &bars.sessions {
            if let Err(message) = session.calendar() {
                faults.add(0, format!("bars.sessions.{name}"), message);
            }
        }
        if let Some(code) = reporting
            && code.is_empty()
        {
            faults.add(0, "reporting_currency", "is empty");
        }
    }
}

fn unique<'p, T: 'p>(faults: &mut Faults<'_>, field: &str, names: impl Iterator<Item = (&'p str, &'p Placed<T>)>) {
    let mut seen = BTreeSet::new();
    for (name, Placed { at, path, .. }) in names {
        if !seen.insert(name) {
            faults.add(at.start, join(path, field), format!("`{name}` is declared twice"));
        }
    }
}

fn known(faults: &mut Faults<'_>, at: usize, path: &str, what: &str, name: &str, known: &[&str]) {
    if !known.contains(&name) {
        let hint = meant(name, known.iter().copied()).map(|k| format!("did you mean `{k}`? ")).unwrap_or_default();
        faults.add(at, path, format!("there is no {what} `{name}`; {hint}declared are: {}", known.join(", ")));
    }
}

pub(super) fn with_values(text: &str, values: &[(String, String)]) -> Result<String, ConfigFaults> {
    let fail =
        |path: &str, message: String| ConfigFaults(vec![ConfigFault { line: 0, path: path.to_owned(), message }]);
    let mut root: toml::Table = text.parse().map_err(|e: toml::de::Error| fail("", tidy(e.message())))?;
    for (path, value) in values {
        let parsed = format!("x = {value}").parse::<toml::Table>().ok().and_then(|mut t| t.remove("x"));
        let value = parsed.unwrap_or_else(|| toml::Value::String(value.clone()));
        let mut place = toml::Value::Table(std::mem::take(&mut root));
        set(&mut place, path, path, value).map_err(|message| fail(path, message))?;
        let toml::Value::Table(table) = place else { unreachable!("a table stays a table") };
        root = table;
    }
    toml::to_string(&root).map_err(|e| fail("", e.to_string()))
}

fn set(place: &mut toml::Value, whole: &str, path: &str, value: toml::Value) -> Result<(), String> {
    let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
    let next = match place {
        toml::Value::Array(list) => match key.parse::<usize>() {
            Ok(index) => {
                let len = list.len();
                list.get_mut(index)
                    .ok_or_else(|| format!("--set {whole}: there are only {len} elements, counted from 0"))?
            }
            Err(_) if list.len() == 1 => return set(&mut list[0], whole, path, value),
            Err(_) => {
                return Err(format!(
                    "--set {whole}: name the element before `{key}`, 0 to {}",
                    list.len().saturating_sub(1)
                ));
            }
        },
        toml::Value::Table(table) => match rest {
            None => {
                table.insert(key.to_owned(), value);
                return Ok(());
            }
            Some(_) => table.entry(key).or_insert_with(|| toml::Value::Table(toml::Table::new())),
        },
        other => return Err(format!("--set {whole}: `{key}` lies within a {}, which has no fields", other.type_str())),
    };
    match rest {
        Some(rest) => set(next, whole, rest, value),
        None => {
            *next = value;
            Ok(())
        }
    }
}
