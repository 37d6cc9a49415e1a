//! From TOML to a checked [`Config`]: section by section, so that one fault does not hide the next.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::de::DeserializeOwned;
use starling_core::instrument::InstrumentKind;
use starling_engine::strategies::StrategyConfig;
use starling_market::bar::{BarShape, BarSource};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::fault::{ConfigFault, ConfigFaults, meant};
use super::{
    AccountConfig, BarsConfig, Config, CurrencyConfig, InstrumentConfig, StrategyEntry, SwarmConfig, VenueConfig,
};
use crate::data::DataSpec;

/// The sections, in the order of documentation; true for those that may not be missing.
const SECTIONS: [(&str, bool); 13] = [
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
    ("swarm", false),
];

/// Faults alike that are told; the others are counted.
const ALIKE_MAX: usize = 3;

/// A value with the place it stands at, and those of its fields.
struct Placed<T> {
    value: T,
    at: usize,
    fields: BTreeMap<String, usize>,
    path: String,
}

impl<T> Placed<T> {
    /// Where a field stands, `fees.maker` with `fees`; the whole, if it is left to its default.
    fn field(&self, name: &str) -> usize {
        let first = name.split(['.', '[']).next().unwrap_or_default();
        self.fields.get(first).copied().unwrap_or(self.at)
    }
    fn with<U>(self, value: U) -> Placed<U> {
        Placed { value, at: self.at, fields: self.fields, path: self.path }
    }
}

/// The names that a list declares, readable even where an element has faults.
struct Names {
    list: &'static str,
    /// What they are the names of.
    what: &'static str,
    field: &'static str,
    found: Vec<(String, usize)>,
    /// Whether every element has one; if not, a name that is not found proves nothing.
    complete: bool,
}

impl Names {
    /// `keys`: the field that holds the name, then those it defaults to.
    fn of(list: &'static str, what: &'static str, keys: &[&'static str], value: Option<&Spanned<DeValue<'_>>>) -> Self {
        let field = keys[0];
        let mut names = Self { list, what, field, found: Vec::new(), complete: true };
        for element in value.and_then(|v| v.get_ref().as_array()).into_iter().flatten() {
            let table = element.get_ref().as_table();
            let named = |key: &&str| table?.iter().find(|(k, _)| k.get_ref() == *key);
            let name = keys.iter().find_map(named).and_then(|(k, v)| Some((v.get_ref().as_str()?, k.span().start)));
            match name {
                Some((name, at)) => names.found.push((name.to_owned(), at)),
                None => names.complete = false,
            }
        }
        names
    }

    /// Notes every name that stands twice.
    fn unique(&self, faults: &mut Faults<'_>) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, (name, at)) in self.found.iter().enumerate() {
            faults.printable(*at, &format!("{}[{index}].{}", self.list, self.field), name);
            if let Some(before) = seen.insert(name, *at) {
                let (path, line) = (format!("{}[{index}].{}", self.list, self.field), faults.line(before));
                let message = format!("the {} `{name}` is declared twice, first on line {line}; rename one", self.what);
                faults.add(*at, path, message);
            }
        }
    }

    /// Notes a name that is not among them.
    fn known(&self, faults: &mut Faults<'_>, at: usize, path: &str, name: &str) {
        if !self.complete || self.found.iter().any(|(known, _)| known == name) {
            return;
        }
        let all = || self.found.iter().map(|(known, _)| known.as_str());
        let hint = meant(name, all()).map(|k| format!("did you mean `{k}`? ")).unwrap_or_default();
        let declared = if self.found.is_empty() {
            format!("declare it in [[{}]]", self.list)
        } else {
            format!("{hint}declared are: {}", all().collect::<Vec<_>>().join(", "))
        };
        faults.add(at, path, format!("there is no {} `{name}`; {declared}", self.what));
    }
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

    /// Notes a name that would break the lines it is printed on.
    fn printable(&mut self, at: usize, path: &str, name: &str) {
        if name.contains(char::is_control) {
            self.add(at, path, format!("is {name:?}, but must be of one line, without control characters"));
        }
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
            let culprit = value.get_ref().as_table().and_then(|table| {
                let holds = |r: Range<usize>| r.start <= span.start && span.end <= r.end && span.start > at;
                let hit = table.iter().find(|(key, value)| holds(key.span()) || holds(value.span()));
                hit.map(|(key, _)| key.get_ref().to_string())
            });
            // After a field was taken out, only faults of other fields are news.
            let of_taken = taken.iter().any(|key| error.message().contains(&format!("missing field `{key}`")));
            if !of_taken {
                let inner = culprit.as_ref().map_or_else(|| path.to_owned(), |key| join(path, key));
                self.add(span.start, inner, plain(error.message()));
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
            .filter_map(|Placed { value, at, fields, path }| {
                let value = self.value(&path, value)?;
                Some(Placed { value, at, fields, path })
            })
            .collect()
    }

    fn elements<'i>(&mut self, name: &str, value: Option<Spanned<DeValue<'i>>>) -> Vec<Placed<Spanned<DeValue<'i>>>> {
        let Some(value) = value else { return Vec::new() };
        let at = value.span().start;
        let DeValue::Array(array) = value.into_inner() else {
            self.add(at, name, format!("must be a list of tables: write it as [[{name}]]"));
            return Vec::new();
        };
        let placed = |(index, value): (usize, Spanned<DeValue<'i>>)| {
            let fields = value.get_ref().as_table().into_iter().flatten();
            Placed {
                at: value.span().start,
                fields: fields.map(|(key, _)| (key.get_ref().to_string(), key.span().start)).collect(),
                value,
                path: format!("{name}[{index}]"),
            }
        };
        array.into_iter().enumerate().map(placed).collect()
    }

    /// `id` and `accounts` are the entry's, all else is the kind's.
    fn strategy(&mut self, entry: Placed<Spanned<DeValue<'_>>>) -> Option<Placed<StrategyEntry>> {
        let (mut value, entry) = (entry.value.clone(), entry.with(()));
        let (at, path) = (entry.at, entry.path.clone());
        let DeValue::Table(table) = value.get_mut() else {
            self.add(at, path, "must be a table");
            return None;
        };
        let [id, accounts] = ["id", "accounts"].map(|name| take(table, name));
        let id: Option<String> = match id {
            Some(id) => self.value(&join(&path, "id"), id),
            None => {
                self.add(at, path.as_str(), "`id` is missing: give the strategy a name");
                None
            }
        };
        let accounts = match accounts {
            Some(accounts) => self.value(&join(&path, "accounts"), accounts)?,
            None => Vec::new(),
        };
        let config = self.kind(&path, value)?;
        Some(entry.with(StrategyEntry { id: id?, accounts, config }))
    }

    /// A kind of strategy with its parameters.
    fn kind(&mut self, path: &str, mut value: Spanned<DeValue<'_>>) -> Option<StrategyConfig> {
        let at = value.span().start;
        let DeValue::Table(table) = value.get_mut() else {
            self.add(at, path, "must be a table");
            return None;
        };
        let kind = take(table, "kind");
        let kinds = || StrategyConfig::KINDS.iter().map(|kind| kind.name);
        let Some(kind) = kind else {
            let all = kinds().collect::<Vec<_>>().join(", ");
            self.add(at, path, format!("`kind` is missing; there are: {all}"));
            return None;
        };
        let place = kind.span().start;
        let kind: String = self.value(&join(path, "kind"), kind)?;
        let Some(name) = kinds().find(|name| *name == kind) else {
            let all = kinds().collect::<Vec<_>>().join(", ");
            let hint = meant(&kind, kinds()).map(|k| format!("did you mean `{k}`? ")).unwrap_or_default();
            self.add(place, join(path, "kind"), format!("there is no kind `{kind}`; {hint}there are: {all}"));
            return None;
        };
        let written = value.clone();
        let config = self.value_with(path, value, |parameters| StrategyConfig::of_kind(name, parameters))?;
        for fault in config.validate() {
            let place = place_in(&written, &fault.parameter).unwrap_or(at);
            let message = format!("is {}, but must be {}", fault.value, fault.requirement);
            self.add(place, join(path, &fault.parameter), message);
        }
        Some(config)
    }

    /// The strategies of a swarm's agents, read as those of `[[strategies]]` are. True of each agent whose strategy is sound.
    fn agents(&mut self, swarm: &Spanned<DeValue<'_>>) -> Vec<bool> {
        let agents = field(swarm, "agents").and_then(|(_, agents)| agents.get_ref().as_array());
        let mut sound = Vec::new();
        for (index, agent) in agents.into_iter().flatten().enumerate() {
            if let Some((at, id)) = field(agent, "id") {
                self.printable(at, &format!("swarm.agents[{index}].id"), id.get_ref().as_str().unwrap_or_default());
            }
            let Some((_, strategy)) = field(agent, "strategy") else {
                sound.push(false);
                continue;
            };
            let mut strategy = strategy.clone();
            // It is the same strategy on each of them.
            let first = field(agent, "instruments").and_then(|(_, names)| names.get_ref().as_array()?.first());
            if let (Some(first), DeValue::Table(table)) = (first, strategy.get_mut()) {
                table.insert(Spanned::new(first.span(), "instrument".into()), first.clone());
            }
            let before = self.found.len();
            self.kind(&format!("swarm.agents[{index}].strategy"), strategy);
            sound.push(self.found.len() == before);
        }
        sound
    }
}

/// Takes a field out of a table.
fn take<'i>(table: &mut DeTable<'i>, name: &str) -> Option<Spanned<DeValue<'i>>> {
    let key = table.keys().find(|key| key.get_ref() == name).cloned();
    key.and_then(|key| table.remove(&key))
}

/// A field of a table, and where it stands.
fn field<'v, 'i>(value: &'v Spanned<DeValue<'i>>, name: &str) -> Option<(usize, &'v Spanned<DeValue<'i>>)> {
    let (key, value) = value.get_ref().as_table()?.iter().find(|(key, _)| key.get_ref() == name)?;
    Some((key.span().start, value))
}

/// Where a path below a value stands, as `agents[3].strategy.lookback`, or the nearest place that it lies in.
fn place_in(value: &Spanned<DeValue<'_>>, path: &str) -> Option<usize> {
    let (mut at, mut value) = (None, value);
    for step in path.split(['.', '[']) {
        let next = match step.strip_suffix(']') {
            Some(index) => {
                let element = index.parse().ok().and_then(|index: usize| value.get_ref().as_array()?.get(index));
                element.map(|element| (element.span().start, element))
            }
            None => field(value, step),
        };
        let Some((place, below)) = next else { break };
        (at, value) = (Some(place), below);
    }
    at
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The parser's message without its frame of the TOML text.
fn tidy(message: &str) -> String {
    message.trim().trim_end_matches('.').replace('\n', ", ")
}

/// serde's message in the words of a person who writes TOML.
fn plain(message: &str) -> String {
    let message = tidy(message);
    // A bare value where one of several kinds is chosen: `size = 100`.
    if message == "wanted string or table" {
        return "must say what it is, as in { fixed = 100 }".to_owned();
    }
    if let Some(field) = message.strip_prefix("missing field `").and_then(|m| m.strip_suffix('`')) {
        return format!("`{field}` is missing");
    }
    for (start, what) in [("unknown field `", "field"), ("unknown variant `", "choice")] {
        let Some((wrong, known)) = message.strip_prefix(start).and_then(|m| m.split_once('`')) else { continue };
        // What is known stands between backticks, all else between is words.
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        if known.is_empty() {
            return format!("there is no {what} `{wrong}` here; remove it");
        }
        let hint = meant(wrong, known.iter().copied()).map(|k| format!("did you mean `{k}`? ")).unwrap_or_default();
        return format!("there is no {what} `{wrong}`; {hint}there are: {}", known.join(", "));
    }
    let Some((found, expected)) = message.rsplit_once(", expected ") else { return message };
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not negative",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" => "text in quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list in brackets",
        other => other,
    };
    let found = found.strip_prefix("invalid type: ").or_else(|| found.strip_prefix("invalid value: ")).unwrap_or(found);
    let found = match found.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer" | "floating" | "boolean", _)) => found.split('`').nth(1).unwrap_or(found).to_owned(),
        None if found == "sequence" => "a list".to_owned(),
        None if found == "map" => "a table".to_owned(),
        _ => found.to_owned(),
    };
    format!("is {found}, but must be {expected}")
}

/// The text as TOML, or what is wrong with it as such.
fn parse<'i>(text: &'i str, faults: &mut Faults<'_>) -> Option<Spanned<DeTable<'i>>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut wrong: Vec<(usize, String)> =
        errors.iter().map(|error| (error.span().map_or(0, |span| span.start), tidy(error.message()))).collect();
    wrong.sort();
    // Where a text is no TOML at all, every line is wrong, and the first say it.
    let more = wrong.len().saturating_sub(ALIKE_MAX);
    for (at, message) in wrong.into_iter().take(ALIKE_MAX) {
        faults.add(at, "", format!("no valid TOML: {message}"));
    }
    if more > 0 {
        faults.found.push(ConfigFault {
            line: 0,
            path: String::new(),
            message: format!("and {more} more of the kind"),
        });
    }
    errors.is_empty().then_some(root)
}

pub(super) fn read_table(text: &str) -> Result<DataSpec, ConfigFaults> {
    let mut faults = Faults { text, found: Vec::new() };
    let root = parse(text, &mut faults);
    let read = root.and_then(|root| faults.value("", Spanned::new(root.span(), DeValue::Table(root.into_inner()))));
    let table: Option<DataSpec> = read;
    for fault in table.iter().flat_map(DataSpec::faults) {
        faults.add(0, fault.field, fault.problem);
    }
    match table {
        Some(table) if faults.found.is_empty() => Ok(table),
        _ => Err(ConfigFaults(faults.found)),
    }
}

pub(super) fn read(text: &str) -> Result<Config, ConfigFaults> {
    let mut faults = Faults { text, found: Vec::new() };
    let Some(root) = parse(text, &mut faults) else { return Err(ConfigFaults(faults.found)) };
    let mut root = root.into_inner();
    let places: BTreeMap<String, usize> =
        root.keys().map(|key| (key.get_ref().to_string(), key.span().start)).collect();
    let [
        name,
        seed,
        reporting,
        currencies,
        venues,
        accounts,
        instruments,
        data,
        bars,
        risk,
        strategies,
        statistics,
        swarm,
    ] = SECTIONS.map(|(section, required)| (section, required, take(&mut root, section)));
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
        &swarm,
    ] {
        if *required && value.is_none() {
            let message = match *section {
                "name" => "is missing; add a line such as name = \"my first run\"".to_owned(),
                list => format!("is missing; add at least one [[{list}]] table"),
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
    let names = NamesOfAll {
        currencies: Names::of("currencies", "currency", &["code"], currencies.2.as_ref()),
        venues: Names::of("venues", "venue", &["id"], venues.2.as_ref()),
        accounts: Names::of("accounts", "account", &["id", "venue"], accounts.2.as_ref()),
        instruments: Names::of("instruments", "instrument", &["id"], instruments.2.as_ref()),
        data: Names::of("data", "data table", &["instrument"], data.2.as_ref()),
        strategies: Names::of("strategies", "strategy", &["id"], strategies.2.as_ref()),
    };
    let mut one = Sections { faults: &mut faults };
    let name: Option<String> = one.read(name);
    let seed: Option<u64> = one.read(seed);
    let reporting_currency: Option<String> = one.read(reporting);
    let bars = one.read(bars).unwrap_or_default();
    let risk = one.read(risk).unwrap_or_default();
    let statistics = one.read(statistics).unwrap_or_default();
    let conferring = swarm.2.clone();
    let swarm: Option<SwarmConfig> = one.read(swarm);
    let currencies = faults.list("currencies", currencies.2);
    let venues = faults.list("venues", venues.2);
    let accounts = faults.list("accounts", accounts.2);
    let instruments = faults.list("instruments", instruments.2);
    let data = faults.list("data", data.2);
    let entries = faults.elements("strategies", strategies.2);
    let strategies: Vec<Placed<StrategyEntry>> = entries.into_iter().filter_map(|e| faults.strategy(e)).collect();
    let draft = Draft { currencies, venues, accounts, instruments, data, strategies };
    faults.printable(places.get("name").copied().unwrap_or(0), "name", name.as_deref().unwrap_or_default());
    let provided = draft.provided(&names);
    let sound = conferring.as_ref().map(|written| faults.agents(written)).unwrap_or_default();
    if let (Some(swarm), Some(written)) = (&swarm, &conferring) {
        let follows = |s: &&Placed<StrategyEntry>| matches!(s.value.config, StrategyConfig::Follow(_));
        let followers: Vec<&str> = draft.strategies.iter().filter(follows).map(|s| s.value.id.as_str()).collect();
        let known: Vec<&str> = names.instruments.found.iter().map(|(name, _)| name.as_str()).collect();
        // What is wrong within an agent's strategy is told already, and where.
        let told = |field: &str| {
            (0..swarm.agents.len()).any(|at| !sound[at] && field.starts_with(&format!("agents[{at}].strategy")))
        };
        for (field, message) in swarm.faults(&followers, &known) {
            if !told(&field) {
                faults.add(place_in(written, &field).unwrap_or(places["swarm"]), join("swarm", &field), message);
            }
        }
        for (at, agent) in swarm.agents.iter().enumerate() {
            let field = format!("agents[{at}].strategy.bars");
            let strategies = agent.strategies().unwrap_or_default();
            if let Some(message) = strategies.iter().find_map(|entry| provided.lacks(&entry.config)) {
                faults.add(place_in(written, &field).unwrap_or(places["swarm"]), join("swarm", &field), message);
            }
        }
    }
    draft.check(reporting_currency.as_deref(), &bars, &names, &places, &mut faults);
    draft.check_values(&names, &mut faults);
    for placed @ Placed { value, path, .. } in &draft.strategies {
        if let Some(message) = provided.lacks(&value.config) {
            faults.add(placed.field("bars"), join(path, "bars"), message);
        }
    }
    if !faults.found.is_empty() {
        faults.found.sort_by_key(|fault| fault.line);
        return Err(ConfigFaults(few_alike(faults.found)));
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
        swarm,
    })
}

/// The first of those that say the same of the elements of a list, and how many more there are.
fn few_alike(found: Vec<ConfigFault>) -> Vec<ConfigFault> {
    let kind = |fault: &ConfigFault| {
        let path = fault.path.split(['[', ']']).step_by(2).collect::<String>();
        (path, fault.message.clone())
    };
    let mut alike: BTreeMap<(String, String), usize> = BTreeMap::new();
    found.iter().for_each(|fault| *alike.entry(kind(fault)).or_default() += 1);
    let mut told: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut few = Vec::new();
    for mut fault in found {
        let kind = kind(&fault);
        let (all, nth) = (alike[&kind], told.entry(kind).or_default());
        *nth += 1;
        if *nth == ALIKE_MAX && all > ALIKE_MAX {
            fault.message += &format!(" (and {} more like this)", all - ALIKE_MAX);
        }
        few.extend((*nth <= ALIKE_MAX).then_some(fault));
    }
    few
}

pub(super) fn line(text: &str, place: &str) -> Option<usize> {
    let (root, _) = DeTable::parse_recoverable(text);
    let at = place_in(&Spanned::new(root.span(), DeValue::Table(root.into_inner())), place)?;
    Some(Faults { text, found: Vec::new() }.line(at))
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

/// The names that the sections declare.
struct NamesOfAll {
    currencies: Names,
    venues: Names,
    accounts: Names,
    instruments: Names,
    /// By instrument, which several tables may share.
    data: Names,
    strategies: Names,
}

impl Draft {
    fn check(
        &self,
        reporting: Option<&str>,
        bars: &BarsConfig,
        names: &NamesOfAll,
        places: &BTreeMap<String, usize>,
        faults: &mut Faults<'_>,
    ) {
        let NamesOfAll { currencies, venues, accounts, instruments, data, strategies } = names;
        for list in [venues, accounts, instruments, data] {
            if let Some(at) = places.get(list.list).filter(|_| list.found.is_empty() && list.complete) {
                faults.add(*at, list.list, "is empty: a run needs at least one");
            }
        }
        for list in [currencies, venues, accounts, instruments, strategies] {
            list.unique(faults);
        }
        for placed @ Placed { value, path, .. } in &self.currencies {
            if value.digits > 9 {
                faults.add(placed.field("digits"), join(path, "digits"), format!("{} is more than 9", value.digits));
            }
        }
        for placed @ Placed { value, path, .. } in &self.venues {
            for (field, message) in value.faults() {
                faults.add(placed.field(field), join(path, field), message);
            }
        }
        for placed @ Placed { value, path, .. } in &self.instruments {
            for (field, message) in value.faults() {
                faults.add(placed.field(field), join(path, field), message);
            }
            if let Some((_, venue)) = value.name() {
                venues.known(faults, placed.field("id"), &join(path, "id"), venue);
            }
        }
        for placed @ Placed { value, path, .. } in &self.accounts {
            venues.known(faults, placed.field("venue"), &join(path, "venue"), &value.venue);
            for name in value.leverage_by.keys() {
                instruments.known(faults, placed.field("leverage_by"), &join(path, "leverage_by"), name);
            }
            let levers = [
                ("leverage", value.leverage.iter().all(|l| l.0.is_positive())),
                ("leverage_by", value.leverage_by.values().all(|l| l.0.is_positive())),
            ];
            for (field, _) in levers.iter().filter(|(_, holds)| !holds) {
                faults.add(placed.field(field), join(path, field), "must be positive");
            }
            if value.balances.is_empty() {
                let message = "is empty: what does the account open with? As in { USD = \"1000000\" }";
                faults.add(placed.field("balances"), join(path, "balances"), message);
            }
        }
        for placed @ Placed { value, path, .. } in &self.data {
            instruments.known(faults, placed.field("instrument"), &join(path, "instrument"), &value.instrument);
            for fault in value.faults() {
                faults.add(placed.field(fault.field), join(path, fault.field), fault.problem);
            }
            if let Some(series) = &value.series
                && let Err(error) = series.parse::<BarShape>()
            {
                faults.add(placed.field("series"), join(path, "series"), error.to_string());
            }
        }
        for placed @ Placed { value, path, .. } in &self.strategies {
            for name in &value.accounts {
                accounts.known(faults, placed.field("accounts"), &join(path, "accounts"), name);
            }
        }
        let section = |name: &str| places.get(name).copied().unwrap_or(0);
        for (name, session) in &bars.sessions {
            if let Err(message) = session.calendar() {
                faults.add(section("bars"), format!("bars.sessions.{name}"), message);
            }
        }
        if reporting == Some("") {
            let message = "is empty; name a currency, as in \"USD\", or leave the line out";
            faults.add(section("reporting_currency"), "reporting_currency", message);
        }
    }
}

/// Instruments and the external series that their `[[data]]` tables hold; none if one of these has a fault that hides it.
struct Provided<'a> {
    instruments: Vec<&'a str>,
    series: Vec<(&'a str, BarShape)>,
}

impl Provided<'_> {
    fn of<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s BarShape> {
        self.series.iter().filter(move |(instrument, _)| *instrument == name).map(|(_, shape)| shape)
    }

    /// What is wrong with a strategy whose bars nobody hands over; it would wait for them to the end.
    fn lacks(&self, config: &StrategyConfig) -> Option<String> {
        let told = serde_json::to_value(config).expect("a configuration is plain data");
        let shape: BarShape = told["bars"].as_str()?.parse().ok()?;
        if shape.source != BarSource::External {
            return None;
        }
        // A script asks for the bars of such steps only as wait for one, and a hedge is not looked at.
        let listed = told["instruments"].as_array().into_iter().flatten();
        let weighted = told["weights"].as_array().into_iter().flatten().map(|weight| &weight["instrument"]);
        let named = ["instrument", "y", "x", "spot"].map(|key| &told[key]);
        let mut names = named.into_iter().chain(listed).chain(weighted).filter_map(|name| name.as_str());
        let lacking =
            names.find(|name| self.instruments.contains(name) && self.of(name).all(|series| *series != shape))?;
        let there: Vec<String> = self.of(lacking).map(|series| format!("`{series}`")).collect();
        let there = match there.is_empty() {
            true => format!("no [[data]] table of {lacking} holds bars"),
            false => format!("the [[data]] of {lacking} holds {}", there.join(", ")),
        };
        let built = BarShape { source: BarSource::Internal, ..shape.clone() };
        Some(format!(
            "is `{shape}`, but {there}; name what there is, or `{built}`, which is built from quotes and trades"
        ))
    }
}

impl Draft {
    fn provided(&self, names: &NamesOfAll) -> Provided<'_> {
        let series = |placed: &'_ Placed<DataSpec>| {
            let text = placed.value.series.as_ref()?;
            Some(text.parse().ok())
        };
        let instruments: Vec<&str> = self.instruments.iter().map(|placed| placed.value.id.as_str()).collect();
        let is_known = |(name, _): &(String, usize)| instruments.contains(&name.as_str());
        let found = &names.data.found;
        let is_whole = names.data.complete && found.len() == self.data.len() && found.iter().all(is_known);
        let known: Option<Vec<(&str, BarShape)>> = self
            .data
            .iter()
            .filter_map(|placed| Some((placed.value.instrument.as_str(), series(placed)?)))
            .map(|(instrument, shape)| Some((instrument, shape?)))
            .collect();
        match known.filter(|_| is_whole) {
            Some(series) => Provided { instruments, series },
            None => Provided { instruments: Vec::new(), series: Vec::new() },
        }
    }

    /// Notes what an account with a base opens with that can never be told in it: a pair leads there, or two of them.
    fn check_values(&self, names: &NamesOfAll, faults: &mut Faults<'_>) {
        if !names.instruments.complete || names.instruments.found.len() != self.instruments.len() {
            return;
        }
        let pair = |of: &InstrumentConfig| of.kind() == Some(InstrumentKind::Pair) && !of.is_inverse();
        let pairs = self.instruments.iter().map(|placed| &placed.value).filter(|of| pair(of));
        let pairs: Vec<(&str, &str)> = pairs.filter_map(|of| Some((of.base_code()?, of.quote_code()?))).collect();
        let beside = |code: &str| -> BTreeSet<&str> {
            let ends = pairs.iter().flat_map(|(base, quote)| [(*base, *quote), (*quote, *base)]);
            ends.filter(|(from, _)| *from == code).map(|(_, to)| to).collect()
        };
        for placed @ Placed { value, path, .. } in &self.accounts {
            let Some(base) = &value.base else { continue };
            let near = beside(base);
            let reaches = |code: &str| code == base || near.contains(code) || !near.is_disjoint(&beside(code));
            for (code, _) in value.balances.iter().filter(|(code, amount)| !amount.0.is_zero() && !reaches(code)) {
                let message = format!(
                    "{code} has no pair to the base {base}, so nothing tells what it is worth; add the instrument \
                     {code}/{base} with its data, or open with {base}"
                );
                faults.add(placed.field("balances"), join(path, "balances"), message);
            }
        }
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
