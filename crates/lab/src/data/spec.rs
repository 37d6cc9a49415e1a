//! What a `[[data]]` table of the configuration says: which files, what they hold, and how to read them.
//!
//! Invariant: every field has a default that refuses rather than guesses wrong; what a default is, the field's own
//! comment says, and those comments are the published JSON schema. Checking a table opens no file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use starling_core::fixed::{FixedError, parse_units};

use super::decode::Decoder;

/// One source of market data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// File, glob with `*` (matches are read in order of their names), or a list of them. A relative path is looked up
    /// beside the configuration and then in the data directory. `.gz`, `.zst`, `.zip`, `.tar`, `.tar.gz` and `.tgz`
    /// are read as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Paths>,
    /// Only those members of an archive: a glob with `*` over the member's name (`*_201312.csv`) or its whole way down
    /// (`20131007_trade.zip/*`). Default: all members, in the archive's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The file of bid bars, joined by stamp with `ask`; instead of `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bid: Option<SideSpec>,
    /// The file of ask bars, joined by stamp with `bid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<SideSpec>,
    /// What it is about: symbol, dot, venue, as in `USD/JPY.SIM`.
    pub instrument: String,
    /// What a row holds.
    pub kind: Kind,
    /// What bars are handed over as. Default: `bars` for `kind = "bars"`, `quotes` for `kind = "quote_bars"`.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub feed_as: Option<FeedAs>,
    /// The series that bars belong to, as in `1m last external`; needed by `as = "bars"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,

    /// How the file is written. Default: by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// What separates the fields of a text file. Default: `,`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether the first row names the columns. Default: it does unless it holds a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// Which column holds what, by name or by place counted from 0. Default: the usual names are recognised, in any
    /// case; without a header the usual order of the kind.
    #[serde(default, skip_serializing_if = "Columns::is_empty")]
    pub columns: Columns,
    /// Only rows whose column equals the text, as in `{ Ticker = "AAPL" }`. Others are counted as filtered.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub filter: BTreeMap<String, Cell>,
    /// Rows to leave out at the start, after `where`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip: u64,
    /// Rows to read at most, after `where` and `skip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Only rows stamped at or after this date or time (in `timezone` unless it names an offset).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Only rows stamped before this date or time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Only these hours of the day, in `timezone`, as in `["09:30", "16:00"]` for the regular session of US stocks: a
    /// bar must lie within them whole to its close; a quote or trade from the first on, before the second. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<[String; 2]>,

    /// Unit of whole-number stamps. Default: the ending of the column's name (`_ns`, `_us`, `_ms`, `_s`), else the
    /// number of digits of each stamp (10 s, 13 ms, 16 us, 19 ns).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts_unit: Option<TsUnit>,
    /// Pattern of textual stamps, as `strftime` writes it (`%m/%d/%Y %H:%M`). Default: ISO 8601, with or without time,
    /// fraction and offset, also as `20131007 09:30`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts_format: Option<String>,
    /// Zone of stamps that name no offset, as in `America/New_York`. Default: UTC. A local time that a change of the
    /// clock repeats is taken as the earlier one, unless the rows have gone past it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Where the date stands when the stamp column only counts from midnight (in `ts_unit`, by default `ms`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_from: Option<DateFrom>,
    /// Which end of its interval a bar is stamped with. A bar stamped at its open is moved to its close, so that
    /// nothing sees it before it ended; that takes `interval`. Default: `close`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
    /// Length of a bar, as in `1m`, `4h`, `1d`. Default: the first word of `series`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Time of day, in `timezone`, at which a bar that only has a date ends, as in `16:00`. Default: `24:00`, the
    /// midnight after, so that no strategy sees a day's close within the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_close: Option<String>,

    /// Prices in the file are this many times too large (10000 for LEAN's US equities). Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_scale: Option<u32>,
    /// Quantities in the file are this many times too large. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_scale: Option<u32>,
    /// Prices are multiplied by this decimal, after `price_scale`. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_factor: Option<Decimal>,
    /// Decimals that prices are rounded to, half away from zero. Default: none are rounded, and a price with more than
    /// 9 decimals is refused; a scaled or adjusted price is rounded to 9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_digits: Option<u8>,
    /// Decimals that quantities are rounded to, half away from zero. Default: 9, all that a quantity holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_digits: Option<u8>,
    /// Round prices to the instrument's tick, half away from zero. Default: no.
    #[serde(default, skip_serializing_if = "is_false")]
    pub round_to_tick: bool,
    /// Volume of bars whose file has none. Default: 4000000 for bars that become quotes, else 1000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_volume: Option<Decimal>,
    /// Size of quotes and trades whose file has none. Default: 1000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_size: Option<Decimal>,
    /// How long before the bar's stamp its open, high, low and close are quoted, in milliseconds. Default:
    /// `[300, 200, 100, 0]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_offsets_ms: Option<[u32; 4]>,
    /// What to do with quotes that hold one side only (the other is 0 or empty). Default: refuse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_sided: Option<OneSided>,

    /// A row stamped before the one above it. Accepted, it is handed over at the stamp of that one. Default: refuse.
    #[serde(default, skip_serializing_if = "Policy::is_default")]
    pub on_unsorted: Policy,
    /// A bar or funding row with the stamp, or a trade with the number, of the one above it. Default: refuse.
    #[serde(default, skip_serializing_if = "Policy::is_default")]
    pub on_duplicate: Policy,
    /// A bid over its ask. Default: refuse.
    #[serde(default, skip_serializing_if = "Policy::is_default")]
    pub on_crossed: Policy,
    /// An empty field, `nan`, `null` or `inf` where a number belongs. Accepted, a quantity takes its default; a row
    /// without a price cannot be carried and is dropped all the same. Default: refuse.
    #[serde(default, skip_serializing_if = "Policy::is_default")]
    pub on_nan: Policy,
    /// A quantity below zero, or a price of zero or less. Default: refuse.
    #[serde(default, skip_serializing_if = "Policy::is_default")]
    pub on_negative: Policy,
    /// A bar whose high or low does not bound its open and close. Default: refuse.
    #[serde(default, skip_serializing_if = "Policy::is_default")]
    pub on_ohlc: Policy,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(b: &bool) -> bool {
    !*b
}

impl DataSpec {
    /// A table with only what every table needs.
    #[must_use]
    pub fn new(path: impl Into<String>, instrument: impl Into<String>, kind: Kind) -> Self {
        Self {
            path: Some(Paths::One(path.into())),
            member: None,
            bid: None,
            ask: None,
            instrument: instrument.into(),
            kind,
            feed_as: None,
            series: None,
            format: None,
            delimiter: None,
            header: None,
            columns: Columns::default(),
            filter: BTreeMap::new(),
            skip: 0,
            limit: None,
            from: None,
            to: None,
            hours: None,
            ts_unit: None,
            ts_format: None,
            timezone: None,
            date_from: None,
            stamp: None,
            interval: None,
            session_close: None,
            price_scale: None,
            size_scale: None,
            price_factor: None,
            price_digits: None,
            size_digits: None,
            round_to_tick: false,
            default_volume: None,
            default_size: None,
            quote_offsets_ms: None,
            one_sided: None,
            on_unsorted: Policy::default(),
            on_duplicate: Policy::default(),
            on_crossed: Policy::default(),
            on_nan: Policy::default(),
            on_negative: Policy::default(),
            on_ohlc: Policy::default(),
        }
    }

    /// The same table with one answer to every fault, as a quality check reads a file.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        for each in [
            &mut self.on_unsorted,
            &mut self.on_duplicate,
            &mut self.on_crossed,
            &mut self.on_nan,
            &mut self.on_negative,
            &mut self.on_ohlc,
        ] {
            *each = policy;
        }
        self
    }

    /// What bars are handed over as.
    #[must_use]
    pub fn feeds(&self) -> FeedAs {
        self.feed_as.unwrap_or(match self.kind {
            Kind::QuoteBars => FeedAs::Quotes,
            _ => FeedAs::Bars,
        })
    }

    /// Everything wrong with the table that shows without opening a file.
    #[must_use]
    pub fn faults(&self) -> Vec<SpecFault> {
        let mut faults = Vec::new();
        let mut add = |field: &'static str, problem: String| faults.push(SpecFault { field, problem });
        let is_bars = matches!(self.kind, Kind::Bars | Kind::QuoteBars);
        let sides = self.bid.is_some() || self.ask.is_some();
        match (&self.path, &self.bid, &self.ask) {
            (None, None, None) => add("path", "is missing; name a file, or `bid` and `ask` for a pair".into()),
            (None, Some(_), None) => add("ask", "is missing beside `bid`; name its file".into()),
            (None, None, Some(_)) => add("bid", "is missing beside `ask`; name its file".into()),
            (Some(_), _, _) if sides => add("path", "stands beside `bid` or `ask`; keep one of the two ways".into()),
            _ => {}
        }
        if sides && (self.kind != Kind::Bars || self.feeds() != FeedAs::Quotes) {
            add(
                "bid",
                "a pair of files needs kind = \"bars\" and as = \"quotes\"; or use one table for each side".into(),
            );
        }
        if self.feed_as.is_some() && !is_bars {
            add("as", "is for bars; quotes, trades and funding are handed over as they are".into());
        }
        if is_bars && self.feeds() == FeedAs::Bars && self.series.is_none() {
            add(
                "series",
                "is missing; say which series the bars are, as in \"1m last external\", or set as = \"quotes\"".into(),
            );
        }
        if self.series.is_some() && !(is_bars && self.feeds() == FeedAs::Bars) {
            add("series", "is for as = \"bars\"; remove it".into());
        }
        if self.stamp == Some(Stamp::Open) && self.interval.is_none() && self.series.is_none() {
            add(
                "interval",
                "is missing; a bar stamped at its open is moved to its close, as in interval = \"1m\"".into(),
            );
        }
        if self.stamp.is_some() && !is_bars {
            add("stamp", "is for bars; remove it".into());
        }
        if let Some(c) = self.delimiter.filter(|c| !c.is_ascii() || matches!(c, '"' | '\n' | '\r')) {
            add("delimiter", format!("is {c:?}; it must be one ASCII character that is neither quote nor line end"));
        }
        if self.price_scale == Some(0) {
            add("price_scale", "is 0; it divides, so it must be at least 1".into());
        }
        if self.size_scale == Some(0) {
            add("size_scale", "is 0; it divides, so it must be at least 1".into());
        }
        if self.price_digits.is_some_and(|d| d > 9) {
            add("price_digits", "is over 9, the decimals a price holds".into());
        }
        if self.size_digits.is_some_and(|d| d > 9) {
            add("size_digits", "is over 9, the decimals a quantity holds".into());
        }
        for (name, value) in [
            ("price_factor", self.price_factor),
            ("default_volume", self.default_volume),
            ("default_size", self.default_size),
        ] {
            if value.is_some_and(|v| v.0 <= 0 || v.0 > i128::from(i64::MAX)) {
                add(name, "must be above 0 and below 9223372036".into());
            }
        }
        if self.quote_offsets_ms.is_some_and(|o| !o.is_sorted_by(|a, b| a >= b)) {
            add("quote_offsets_ms", "must not increase: open, high, low and close are quoted in this order".into());
        }
        if self.one_sided.is_some() && self.kind != Kind::Quotes {
            add("one_sided", "is for kind = \"quotes\"; remove it".into());
        }
        if self.date_from.is_some() && self.ts_format.is_some() {
            add("ts_format", "stands beside `date_from`, whose stamps are numbers; remove one".into());
        }
        let named = [("path", self.path.as_ref()), ("bid", path_of(&self.bid)), ("ask", path_of(&self.ask))];
        for (field, paths) in named.into_iter().filter_map(|(field, paths)| Some((field, paths?))) {
            if paths.as_slice().is_empty() || paths.as_slice().iter().any(|path| path.trim().is_empty()) {
                add(field, "is empty; name a file".into());
            }
        }
        if self.limit == Some(0) {
            add("limit", "is 0, so no row would be read; leave it out to read all".into());
        }
        if faults.is_empty() {
            faults = Decoder::faults(self);
        }
        faults
    }
}

/// One thing wrong with a `[[data]]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecFault {
    /// The field.
    pub field: &'static str,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for SpecFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.field, self.problem)
    }
}

fn path_of(side: &Option<SideSpec>) -> Option<&Paths> {
    side.as_ref().map(|side| &side.path)
}

/// One path or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "must be a path in quotes, or a list of paths in brackets")]
pub enum Paths {
    /// A file or a glob.
    One(String),
    /// Files or globs, read one after the other.
    Many(Vec<String>),
}

impl Paths {
    /// As a list.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(path) => std::slice::from_ref(path),
            Self::Many(paths) => paths,
        }
    }
}

/// The file of one side of a pair; all else is shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SideSpec {
    /// File, glob or list, as in `path`.
    pub path: Paths,
    /// Members, as in `member`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
}

/// What a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Open, high, low, close, perhaps volume.
    Bars,
    /// Bid and ask, perhaps their sizes.
    Quotes,
    /// Price, perhaps size, side and number.
    Trades,
    /// Open, high, low and close of the bid, and of the ask.
    QuoteBars,
    /// A funding rate.
    Funding,
}

impl Kind {
    /// As written in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bars => "bars",
            Self::Quotes => "quotes",
            Self::Trades => "trades",
            Self::QuoteBars => "quote_bars",
            Self::Funding => "funding",
        }
    }
}

/// What bars are handed over as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedAs {
    /// Bars of a series.
    Bars,
    /// Four quotes each: open, high, low, close. A file of one price serves as bid and as ask.
    Quotes,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Comma-separated text, or with another delimiter.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, also known as Feather.
    Arrow,
    /// Databento Binary Encoding, also compressed with zstd.
    Dbn,
}

impl Format {
    /// What a name without its endings of compression says.
    pub(super) fn of_name(plain: &str) -> Self {
        match super::source::extension(plain) {
            "parquet" => Self::Parquet,
            "arrow" | "feather" | "ipc" => Self::Arrow,
            "dbn" | "dbz" => Self::Dbn,
            _ => Self::Csv,
        }
    }

    /// Its name in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Dbn => "dbn",
        }
    }
}

/// The unit of whole-number stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TsUnit {
    /// Nanoseconds.
    Ns,
    /// Microseconds.
    Us,
    /// Milliseconds.
    Ms,
    /// Seconds.
    S,
}

impl TsUnit {
    /// Nanoseconds in one.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        match self {
            Self::Ns => 1,
            Self::Us => 1_000,
            Self::Ms => 1_000_000,
            Self::S => 1_000_000_000,
        }
    }
}

/// Where the date of a stamp stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DateFrom {
    /// In the name of the file or member, as `20131007` or `2013-10-07`; the innermost name that has one counts.
    FileName,
}

/// Which end of its interval a bar is stamped with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stamp {
    /// The end.
    Close,
    /// The start.
    Open,
}

/// What to do with one-sided quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OneSided {
    /// Keep the last of each side, over all exchanges, and quote both once both are known.
    Merge,
}

/// What to do with a faulty row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Stop with an error that names the row.
    #[default]
    Refuse,
    /// Leave it out, and count it.
    Drop,
    /// Hand it over, and count it.
    Accept,
}

impl Policy {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A column, by the name in the header or by its place counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "must be a column's name in quotes, or its place, counted from 0")]
pub enum Column {
    /// The place.
    Place(usize),
    /// The name, exactly as the header writes it, or else in another case.
    Name(String),
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(place) => write!(f, "{place}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A cell to compare with: text, number or truth, compared as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "must be text in quotes, a whole number, true or false")]
pub enum Cell {
    /// A whole number.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(String),
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(n) => write!(f, "{n}"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// An exact decimal of the configuration, in units of 1e-9: a number, or text where a float would not be exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal(i128);

impl Decimal {
    /// Units of 1e-9.
    #[must_use]
    pub const fn units(self) -> i128 {
        self.0
    }
}

impl From<i64> for Decimal {
    fn from(whole: i64) -> Self {
        Self(i128::from(whole) * 1_000_000_000)
    }
}

impl std::str::FromStr for Decimal {
    type Err = FixedError;
    fn from_str(text: &str) -> Result<Self, FixedError> {
        parse_units(text.as_bytes()).map(Self)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&starling_core::Money::from_units(self.0))
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a decimal number, or a decimal in quotes")]
        enum Written {
            Int(i64),
            // The shortest text of a float is what the writer typed.
            Float(f64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Int(n) => Ok(n.into()),
            Written::Float(x) => x.to_string().parse().map_err(serde::de::Error::custom),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

impl JsonSchema for Decimal {
    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An exact decimal: a number, or text.",
            "anyOf": [{ "type": "number" }, { "type": "string", "pattern": r"^[+-]?[0-9]*\.?[0-9]*([eE][+-]?[0-9]+)?$" }]
        })
    }
}

macro_rules! columns {
    ($($(#[$meta:meta])* $field:ident: $variant:ident [$($alias:literal),*];)*) => {
        /// Which column holds what.
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct Columns {
            $($(#[$meta])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<Column>,)*
        }

        /// What a column can hold.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Field {
            $($variant,)*
        }

        impl Field {
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in `columns`.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($field),)* }
            }
            /// The header names it is recognised by, the first found wins; lower case, `_` for spaces and dots.
            pub(super) fn aliases(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[stringify!($field) $(, $alias)*],)* }
            }
        }

        impl Columns {
            pub(super) fn get(&self, field: Field) -> Option<&Column> {
                match field { $(Field::$variant => self.$field.as_ref(),)* }
            }
            pub(super) fn set(&mut self, field: Field, column: Column) {
                match field { $(Field::$variant => self.$field = Some(column),)* }
            }
            /// True if nothing is named.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                Field::ALL.iter().all(|field| self.get(*field).is_none())
            }
        }
    };
}

columns! {
    /// When it happened at its origin.
    ts: Ts ["ts_event", "timestamp", "ts_ns", "ts_us", "ts_ms", "ts_s", "timestamp_ns", "timestamp_us", "timestamp_ms",
        "timestamp_s", "timestamp_utc", "time", "datetime", "date_time", "date", "ms_since_midnight", "close_time",
        "close_time_ms", "time_ns", "time_us", "time_ms", "time_s", "open_time", "open_time_ms", "unix", "unix_timestamp"];
    /// When it was received, if that is known; it orders the run. Default: the same as `ts`.
    ts_recv: TsRecv ["local_timestamp"];
    /// First price of a bar.
    open: Open ["o"];
    /// Highest price of a bar.
    high: High ["h"];
    /// Lowest price of a bar.
    low: Low ["l"];
    /// Last price of a bar.
    close: Close ["c", "last"];
    /// Quantity traded in a bar.
    volume: Volume ["v", "vol", "volume_base"];
    /// The close adjusted for splits and dividends. When it is named here, all prices of the row are multiplied by
    /// adjusted over plain close and rounded to `price_digits`. Never recognised by itself.
    adjusted_close: AdjustedClose [];
    /// Best price to sell at.
    bid: Bid ["bid_price", "best_bid", "bid_px", "bidprice"];
    /// Best price to buy at.
    ask: Ask ["ask_price", "best_ask", "ask_px", "askprice", "offer"];
    /// Quantity at the bid.
    bid_size: BidSize ["bid_amount", "bid_qty", "bid_quantity", "best_bid_qty", "bid_volume", "bid_sz"];
    /// Quantity at the ask.
    ask_size: AskSize ["ask_amount", "ask_qty", "ask_quantity", "best_ask_qty", "ask_volume", "ask_sz"];
    /// Price of a trade.
    price: Price ["px", "rate", "trade_price"];
    /// Quantity of a trade.
    size: Size ["amount", "qty", "quantity", "volume", "sz", "trade_size"];
    /// Which side took liquidity: `buy` or `sell`, `b` or `s`, `bid` or `ask`; anything else is not known.
    side: Side ["aggressor", "aggressor_side", "taker_side"];
    /// True if the buyer was the maker, so that the seller took liquidity.
    buyer_maker: BuyerMaker ["is_buyer_maker", "buyer_is_maker", "isbuyermaker"];
    /// The venue's number of a trade; text that is no number counts as none.
    trade_id: TradeId ["id", "tradeid", "agg_trade_id"];
    /// First bid of a quote bar.
    bid_open: BidOpen ["bid_o", "open_bid"];
    /// Highest bid of a quote bar.
    bid_high: BidHigh ["bid_h", "high_bid"];
    /// Lowest bid of a quote bar.
    bid_low: BidLow ["bid_l", "low_bid"];
    /// Last bid of a quote bar.
    bid_close: BidClose ["bid_c", "close_bid"];
    /// First ask of a quote bar.
    ask_open: AskOpen ["ask_o", "open_ask"];
    /// Highest ask of a quote bar.
    ask_high: AskHigh ["ask_h", "high_ask"];
    /// Lowest ask of a quote bar.
    ask_low: AskLow ["ask_l", "low_ask"];
    /// Last ask of a quote bar.
    ask_close: AskClose ["ask_c", "close_ask"];
    /// Funding rate: the share of notional that longs pay to shorts.
    rate: Rate ["funding_rate", "fundingrate", "last_funding_rate"];
    /// Price that funding is computed at.
    mark: Mark ["mark_price", "markprice"];
}
