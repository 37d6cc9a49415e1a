//! Parameters: exact numbers as people write them, and the faults that a check finds.
//!
//! Invariant: a check reports every fault there is, not the first; an exact number is the decimal that was written, with
//! or without quotes. What it deliberately does not do: guess; a float that had more digits than a float can tell is
//! refused.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use starling_core::time::{DAY, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND};
use starling_core::{Rate, UnixNanos};
use starling_market::bar::BarShape;
use starling_market::feature::FeatureSpec;

/// A parameter that cannot be used, and what could.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{parameter}` is {value}, but must be {requirement}")]
pub struct ParameterError {
    /// Its name, with those of the tables it stands in: `execution.stop_loss`.
    pub parameter: String,
    /// The value found.
    pub value: String,
    /// What is allowed.
    pub requirement: String,
}

/// The faults of one configuration: what each `validate` fills and returns.
#[derive(Debug, Default)]
pub struct Faults(Vec<ParameterError>);

impl Faults {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// A fault unless `holds`.
    pub fn require(&mut self, holds: bool, parameter: &str, value: impl fmt::Display, requirement: impl fmt::Display) {
        if !holds {
            self.0.push(ParameterError {
                parameter: parameter.to_owned(),
                value: value.to_string(),
                requirement: requirement.to_string(),
            });
        }
    }
    /// Takes over the faults of a table within this one.
    pub fn within(&mut self, table: &str, faults: Vec<ParameterError>) {
        let named =
            |fault: ParameterError| ParameterError { parameter: format!("{table}.{}", fault.parameter), ..fault };
        self.0.extend(faults.into_iter().map(named));
    }
    /// A period in bars: at least `min`, at most what indicators take.
    pub fn period(&mut self, parameter: &str, bars: u32, min: u32) {
        let max = starling_market::indicator::PERIOD_MAX as u64;
        self.require(
            (u64::from(min)..=max).contains(&bars.into()),
            parameter,
            bars,
            format_args!("{min} to {max} bars"),
        );
    }
    /// A float in an open or closed range, never NaN.
    pub fn number(&mut self, parameter: &str, value: f64, holds: bool, requirement: &str) {
        self.require(value.is_finite() && holds, parameter, value, requirement);
    }
    /// The name of an instrument.
    pub fn instrument(&mut self, parameter: &str, name: &str) {
        self.require(!name.trim().is_empty(), parameter, "empty", "the name of an instrument, as `BTC/USDT.BINANCE`");
    }
    /// The text of a series of bars.
    pub fn bars(&mut self, parameter: &str, text: &str) {
        if let Err(error) = text.parse::<BarShape>() {
            self.require(false, parameter, format_args!("`{text}`"), format_args!("a series of bars ({error})"));
        }
    }
    /// The text of a feature.
    pub fn feature(&mut self, parameter: &str, text: &str) {
        if let Err(error) = text.parse::<FeatureSpec>() {
            self.require(false, parameter, format_args!("`{text}`"), format_args!("a feature ({error})"));
        }
    }
    /// All of them.
    #[must_use]
    pub fn into_vec(self) -> Vec<ParameterError> {
        self.0
    }
}

/// A fixed-point number in a configuration: a decimal, with quotes (`"0.001"`) or without.
///
/// Without quotes it has at most 15 significant digits, which a binary64 tells exactly; with more it is refused, since
/// what was written is not known any more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Exact<T>(pub T);

impl Exact<Rate> {
    /// A rate of `n` in ten thousand.
    #[must_use]
    pub const fn basis_points(n: i64) -> Self {
        Self(Rate::from_units(n * 100_000))
    }
}

impl<T: fmt::Display> fmt::Display for Exact<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Display> fmt::Debug for Exact<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl<T: fmt::Display> Serialize for Exact<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Exact<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

#[cfg(feature = "schema")]
impl<T> schemars::JsonSchema for Exact<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Exact".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "number"] })
    }
}

/// Defaults, for `#[serde(default = "preset::count::<10>")]`.
pub(super) mod preset {
    /// A number of bars.
    pub(crate) fn count<const N: u32>() -> u32 {
        N
    }
    /// A yes or no.
    pub(crate) fn flag<const YES: bool>() -> bool {
        YES
    }
    /// `N / D`.
    pub(crate) fn ratio<const N: u32, const D: u32>() -> f64 {
        f64::from(N) / f64::from(D)
    }
}

/// A span of time: a whole number and a unit, as `"90s"`, `"15m"`, `"1h"`, `"1d"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Nanoseconds.
    pub nanos: u64,
}

const SPAN_UNITS: [(&str, u64); 7] =
    [("ns", 1), ("us", MICROSECOND), ("ms", MILLISECOND), ("s", SECOND), ("m", MINUTE), ("h", HOUR), ("d", DAY)];

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let fail = || format!("`{text}` is no span of time; write a whole number and ns, us, ms, s, m, h or d");
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(fail)?);
        let (_, scale) = SPAN_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(fail)?;
        let nanos = number.parse::<u64>().ok().and_then(|n| n.checked_mul(*scale)).ok_or_else(fail)?;
        Ok(Self { nanos })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |unit: &&(&str, u64)| self.nanos.is_multiple_of(unit.1);
        let (unit, scale) = SPAN_UNITS.iter().rev().find(whole).expect("1 divides all");
        write!(f, "{}{unit}", self.nanos / scale)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span of time in quotes, as \"90s\", \"15m\" or \"1h\"")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// An instant: RFC 3339 in UTC (`"2013-02-01T10:30:00.5Z"`), or nanoseconds since 1970 as a whole number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub UnixNanos);

impl FromStr for Stamp {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        parse_stamp(text)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no instant; write it in UTC, as 2013-02-01T10:30:00Z"))
    }
}

fn parse_stamp(text: &str) -> Option<UnixNanos> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str, len: usize| {
        let digits = text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
        if digits { text.parse::<u32>().ok() } else { None }
    };
    let [year, month, day] = parts(date, '-')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = parts(time, ':')?;
    let midnight = UnixNanos::from_civil(i32::try_from(number(year, 4)?).ok()?, number(month, 2)?, number(day, 2)?)?;
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    let within = hour < 24 && minute < 60 && second < 60 && (1..=9).contains(&fraction.len());
    let nanos = number(&format!("{fraction:0<9}"), 9).filter(|_| within)?;
    let seconds = u64::from(hour * 3_600 + minute * 60 + second);
    Some(midnight + (seconds * SECOND + u64::from(nanos)))
}

fn parts(text: &str, separator: char) -> Option<[&str; 3]> {
    let mut parts = text.split(separator);
    let found = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(found)
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Instant;
        impl Visitor<'_> for Instant {
            type Value = Stamp;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an instant in quotes, as \"2013-02-01T10:30:00Z\", or nanoseconds since 1970")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Stamp, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: Error>(self, nanos: u64) -> Result<Stamp, E> {
                Ok(Stamp(UnixNanos::new(nanos)))
            }
            fn visit_i64<E: Error>(self, nanos: i64) -> Result<Stamp, E> {
                u64::try_from(nanos)
                    .map_err(|_| E::custom("an instant lies after 1970"))
                    .and_then(|n| self.visit_u64(n))
            }
        }
        deserializer.deserialize_any(Instant)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Stamp {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Stamp".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer"] })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]+(ns|us|ms|s|m|h|d)$" })
    }
}

#[cfg(test)]
mod tests {
    use starling_core::Qty;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Table {
        qty: Exact<Qty>,
    }

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        for (text, nanos) in [("90s", 90 * SECOND), ("15m", 15 * MINUTE), ("1d", DAY), ("7ns", 7), ("0d", 0)] {
            assert_eq!(text.parse::<Span>().unwrap(), Span { nanos });
            assert_eq!(Span { nanos }.to_string(), text);
        }
        for text in ["", "m", "1", "1.5h", "-1s", "1 h", "999999999999d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_instant_is_rfc_3339() {
        for (text, nanos) in [
            ("1970-01-01T00:00:01Z", SECOND),
            ("2013-02-01T00:00:00.000000001Z", 1_359_676_800 * SECOND + 1),
            ("2024-08-08T23:59:59.7Z", 1_723_161_599 * SECOND + 700 * MILLISECOND),
        ] {
            assert_eq!(text.parse::<Stamp>(), Ok(Stamp(UnixNanos::new(nanos))));
        }
        for text in [
            "",
            "2013-02-30T00:00:00Z",
            "2013-02-01T24:00:00Z",
            "2013-02-01T00:00:00",
            "2013-02-01 00:00:00Z",
            "2013-2-01T00:00:00Z",
            "2013-02-01T00:00:00.Z",
            "2013-02-01T00:00:+1Z",
            "2013-02-01T00:00:00.0000000001Z",
        ] {
            assert!(text.parse::<Stamp>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        /// What has at most 15 digits comes back from a float as it was written.
        #[test]
        fn a_float_is_the_decimal_that_was_written(units in -999_999_999_999_999_i64..=999_999_999_999_999) {
            let text = Qty::from_units(units).to_string();
            let float = if text.contains('.') { text.clone() } else { format!("{text}.0") };
            let read = toml::from_str::<Table>(&format!("qty = {float}")).unwrap();
            proptest::prop_assert_eq!(read.qty.0, Qty::from_units(units));
        }
    }

    #[test]
    fn exact_numbers_are_decimals_with_or_without_quotes() {
        let read = |text: &str| toml::from_str::<Table>(text).map(|t| t.qty.0);
        assert_eq!(read("qty = \"0.001\"").unwrap(), Qty::from_units(1_000_000));
        assert_eq!(read("qty = 1000000").unwrap(), Qty::from_int(1_000_000));
        assert_eq!(read("qty = -3").unwrap(), Qty::from_int(-3));
        for text in ["0.001", "0.1", "-2.5e-4", "123456.789012345", "0.000000001", "1e3", "9e9", "0.0", "-0.0"] {
            let exact = |text: &str| text.parse::<f64>().unwrap().to_string().parse::<Qty>().unwrap();
            assert_eq!(read(&format!("qty = {text}")).unwrap(), exact(text), "{text}");
        }
        assert_eq!(read("qty = 0.1").unwrap(), Qty::from_units(100_000_000));
        // Two decimals of 17 digits that are one float: which of them was written, nobody knows.
        for text in ["0.10000000000000003", "1234567.1234567891", "0.30000000000000004", "inf", "nan"] {
            let fault = read(&format!("qty = {text}")).unwrap_err().to_string();
            assert!(fault.contains("in quotes"), "{fault}");
        }
        assert!(read("qty = 0.0000000001").unwrap_err().to_string().contains("9 decimal places"));
        assert!(read("qty = \"0.0000000001\"").unwrap_err().to_string().contains("9 decimal places"));
        let table = Table { qty: Exact("12.5".parse().unwrap()) };
        assert_eq!(toml::from_str::<Table>(&toml::to_string(&table).unwrap()).unwrap(), table);
    }
}
