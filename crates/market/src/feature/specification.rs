//! Features as text: `EMA(10)`, `EMA(10,seed=sma)`, `MACD(12,26,9).signal`, `RSI(14,source=hl2)`, `close`.
//!
//! Invariant: `text -> FeatureSpec -> text -> FeatureSpec` gives the same specification, and equal specifications have
//! equal canonical text. Everything known about a name comes from the table. Does not build states.
//!
//! Grammar: `NAME [ "(" argument { "," argument } ")" ] [ "." output ]`, `argument = number | word | name "=" value`.
//! Names are read in any case; blanks are ignored. Arguments left out take the table's defaults.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::definition::{Arguments, DEFINITIONS, Definition, Domain, Parameter, Reads};
use crate::indicator::{Candle, IndicatorError, MAGNITUDE_MAX, PERIOD_MAX};

/// Longest text of a specification, in bytes.
pub const TEXT_BYTES_MAX: usize = 128;

/// Why a text is no feature, or a feature cannot be registered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FeatureError {
    /// Longer than [`TEXT_BYTES_MAX`], or empty.
    #[error("a feature's text has 1 to {TEXT_BYTES_MAX} bytes, not {bytes}")]
    Length {
        /// Bytes given.
        bytes: usize,
    },
    /// Not of the form `NAME(arguments).output`.
    #[error("`{text}` is not of the form NAME(arguments).output: {fault}")]
    Form {
        /// The text.
        text: String,
        /// What is wrong.
        fault: &'static str,
    },
    /// No feature has this name.
    #[error("no feature is called `{name}`{hint}; known are {known}")]
    UnknownName {
        /// The name given.
        name: String,
        /// The nearest known one, as a clause.
        hint: String,
        /// All names.
        known: String,
    },
    /// An argument that the definition has no place for.
    #[error("`{text}`: {fault} `{argument}`; use {usage}")]
    Argument {
        /// The text.
        text: String,
        /// The argument.
        argument: String,
        /// What is wrong with it.
        fault: &'static str,
        /// The definition's signature.
        usage: String,
    },
    /// An output the definition does not have, or none where one must be named.
    #[error("`{text}`: {fault}; use {usage}")]
    Output {
        /// The text.
        text: String,
        /// What is wrong.
        fault: &'static str,
        /// The definition's signature.
        usage: String,
    },
    /// The indicator refuses these arguments together.
    #[error(transparent)]
    Indicator(#[from] IndicatorError),
    /// More history than [`super::HISTORY_BARS_MAX`].
    #[error("`{feature}`: a history of {bars} bars is more than {max}")]
    History {
        /// The feature.
        feature: String,
        /// Bars asked for.
        bars: usize,
        /// Most bars.
        max: usize,
    },
    /// More states than [`super::STATES_MAX`].
    #[error("`{feature}` would be state number {max} + 1; use fewer features or another set")]
    Full {
        /// The feature.
        feature: String,
        /// Most states of a set.
        max: usize,
    },
}

/// The number of the bar that an indicator of prices reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// Last price.
    #[default]
    Close,
    /// First price.
    Open,
    /// Highest price.
    High,
    /// Lowest price.
    Low,
    /// Quantity traded.
    Volume,
    /// Median price.
    Hl2,
    /// Typical price.
    Hlc3,
    /// Average price.
    Ohlc4,
}

impl Source {
    /// In the order of the table's first rows, which give the names.
    const ALL: [Self; 8] =
        [Self::Close, Self::Open, Self::High, Self::Low, Self::Volume, Self::Hl2, Self::Hlc3, Self::Ohlc4];

    fn parse(name: &str) -> Option<Self> {
        let index = DEFINITIONS.iter().take(Self::ALL.len()).position(|d| d.name.eq_ignore_ascii_case(name))?;
        Some(Self::ALL[index])
    }

    /// Its name in specifications.
    #[must_use]
    pub fn name(self) -> &'static str {
        DEFINITIONS[self as usize].name
    }

    /// The number of that bar.
    #[inline]
    #[must_use]
    pub fn of(self, candle: &Candle) -> f64 {
        if self == Self::Close { candle.close } else { self.of_another(candle) }
    }

    /// Out of line: the close is nearly always meant, and inlined the compiler would compute every mean for every bar.
    #[inline(never)]
    fn of_another(self, candle: &Candle) -> f64 {
        match self {
            Self::Close => candle.close,
            Self::Open => candle.open,
            Self::High => candle.high,
            Self::Low => candle.low,
            Self::Volume => candle.volume,
            Self::Hl2 => candle.hl2(),
            Self::Hlc3 => candle.hlc3(),
            Self::Ohlc4 => candle.ohlc4(),
        }
    }
}

/// One feature: an indicator with its arguments and source, and which of its outputs.
#[derive(Clone, Copy, PartialEq)]
pub struct FeatureSpec {
    row: usize,
    arguments: Arguments,
    source: Source,
    output: usize,
}

impl FeatureSpec {
    /// The table row.
    #[must_use]
    pub fn definition(&self) -> &'static Definition {
        &DEFINITIONS[self.row]
    }

    /// Values of the parameters, in table order.
    #[must_use]
    pub fn arguments(&self) -> &[f64] {
        &self.arguments[..self.definition().parameters.len()]
    }

    /// What an indicator of prices reads.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// Index of the output among [`Definition::outputs`].
    #[must_use]
    pub fn output(&self) -> usize {
        self.output
    }

    /// Canonical text of the indicator, without the output: `MACD(12,26,9)`.
    #[must_use]
    pub fn indicator_name(&self) -> String {
        Self { output: 0, ..*self }.text(false)
    }

    /// Whether both are outputs of one indicator with one source.
    #[must_use]
    pub fn same_state(&self, other: &Self) -> bool {
        Self { output: 0, ..*self } == Self { output: 0, ..*other }
    }

    pub(super) fn build(&self) -> Result<super::kernel::Kernel, IndicatorError> {
        (self.definition().build)(&self.arguments)
    }

    fn text(&self, with_output: bool) -> String {
        let definition = self.definition();
        let mut arguments = Vec::with_capacity(definition.parameters.len() + 1);
        for (parameter, value) in definition.parameters.iter().zip(self.arguments) {
            match parameter.domain {
                Domain::Period { .. } | Domain::Factor => arguments.push(value.to_string()),
                Domain::Choice(words) => {
                    if value != parameter.default {
                        arguments.push(format!("{}={}", parameter.name, words[value as usize]));
                    }
                }
            }
        }
        if !definition.is_price() && self.source != Source::Close {
            arguments.push(format!("source={}", self.source.name()));
        }
        let mut text = definition.name.to_owned();
        if !arguments.is_empty() {
            text.push('(');
            text.push_str(&arguments.join(","));
            text.push(')');
        }
        if with_output && !(self.output == 0 && definition.first_is_default) {
            text.push('.');
            text.push_str(definition.outputs[self.output]);
        }
        text
    }
}

impl fmt::Display for FeatureSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text(true))
    }
}

impl fmt::Debug for FeatureSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FeatureSpec({self})")
    }
}

/// As canonical text, in every format.
impl Serialize for FeatureSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text(true))
    }
}

impl<'de> Deserialize<'de> for FeatureSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl FromStr for FeatureSpec {
    type Err = FeatureError;

    fn from_str(text: &str) -> Result<Self, FeatureError> {
        if text.is_empty() || text.len() > TEXT_BYTES_MAX {
            return Err(FeatureError::Length { bytes: text.len() });
        }
        let Parts { name, arguments, output } = Parts::split(text)?;
        let row = DEFINITIONS
            .iter()
            .position(|definition| definition.name.eq_ignore_ascii_case(name))
            .ok_or_else(|| unknown_name(name))?;
        let mut reader = ArgumentReader::new(text, &DEFINITIONS[row]);
        for argument in arguments {
            reader.read(argument)?;
        }
        let spec = Self {
            row,
            arguments: reader.arguments,
            source: reader.source()?,
            output: output_index(text, &DEFINITIONS[row], output)?,
        };
        // Faults of arguments taken together, such as a fast period above the slow one, show on construction.
        spec.build()?;
        Ok(spec)
    }
}

/// The text taken apart, nothing looked up yet.
struct Parts<'a> {
    name: &'a str,
    arguments: Vec<&'a str>,
    output: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, FeatureError> {
        let form = |fault| FeatureError::Form { text: text.to_owned(), fault };
        let (name, arguments, rest) = match text.split_once('(') {
            Some((name, after)) => {
                let (inside, rest) = after.split_once(')').ok_or_else(|| form("`)` is missing"))?;
                (name, inside.trim(), rest.trim())
            }
            None => match text.find('.') {
                Some(dot) => (&text[..dot], "", text[dot..].trim()),
                None => (text, "", ""),
            },
        };
        let output = match rest.strip_prefix('.') {
            Some(output) => Some(output.trim()),
            None if rest.is_empty() => None,
            None => return Err(form("after the arguments only `.output` may follow")),
        };
        if arguments.contains('(') {
            return Err(form("arguments do not nest"));
        }
        let arguments = if arguments.is_empty() { Vec::new() } else { arguments.split(',').map(str::trim).collect() };
        Ok(Self { name: name.trim(), arguments, output })
    }
}

/// Reads arguments one by one against a definition.
struct ArgumentReader<'a> {
    text: &'a str,
    definition: &'static Definition,
    arguments: Arguments,
    given: Vec<&'static str>,
    source: Option<Source>,
}

impl<'a> ArgumentReader<'a> {
    fn new(text: &'a str, definition: &'static Definition) -> Self {
        Self { text, definition, arguments: definition.defaults(), given: Vec::new(), source: None }
    }

    fn fault(&self, fault: &'static str, argument: &str) -> FeatureError {
        FeatureError::Argument {
            text: self.text.to_owned(),
            argument: argument.to_owned(),
            fault,
            usage: self.definition.to_string(),
        }
    }

    fn read(&mut self, argument: &str) -> Result<(), FeatureError> {
        let parameters = self.definition.parameters;
        let (index, value) = if let Some((name, value)) = argument.split_once('=') {
            let (name, value) = (name.trim(), value.trim());
            if name.eq_ignore_ascii_case("source") {
                return self.read_source(argument, value);
            }
            let index = parameters.iter().position(|p| p.name.eq_ignore_ascii_case(name));
            (index.ok_or_else(|| self.fault("no such parameter in", argument))?, value)
        } else if argument.parse::<f64>().is_ok() {
            // A bare number is for the first number not yet given.
            let index =
                parameters.iter().position(|p| !matches!(p.domain, Domain::Choice(_)) && !self.given.contains(&p.name));
            (index.ok_or_else(|| self.fault("no parameter is left for", argument))?, argument)
        } else {
            // A bare word is for the choice that knows it.
            let index = parameters.iter().position(|p| word_index(p, argument).is_some());
            (index.ok_or_else(|| self.fault("nothing here can be", argument))?, argument)
        };
        let parameter = &parameters[index];
        if self.given.contains(&parameter.name) {
            return Err(self.fault("given twice:", argument));
        }
        self.given.push(parameter.name);
        self.arguments[index] = self.value(parameter, argument, value)?;
        Ok(())
    }

    fn read_source(&mut self, argument: &str, value: &str) -> Result<(), FeatureError> {
        if self.definition.reads == Reads::Candle || self.definition.is_price() {
            return Err(self.fault("it reads the bar and takes no source, as in", argument));
        }
        if self.source.is_some() {
            return Err(self.fault("given twice:", argument));
        }
        self.source = Some(Source::parse(value).ok_or_else(|| {
            self.fault("a source is close, open, high, low, volume, hl2, hlc3 or ohlc4, not as in", argument)
        })?);
        Ok(())
    }

    fn value(&self, parameter: &Parameter, argument: &str, value: &str) -> Result<f64, FeatureError> {
        match parameter.domain {
            Domain::Period { min } => match value.parse::<usize>() {
                Ok(bars) if (min..=PERIOD_MAX).contains(&bars) => Ok(bars as f64),
                Ok(_) => Err(self.fault("out of range:", argument)),
                Err(_) => Err(self.fault("a whole number is needed, not", argument)),
            },
            Domain::Factor => match value.parse::<f64>() {
                Ok(factor) if factor > 0.0 && factor <= MAGNITUDE_MAX => Ok(factor),
                Ok(_) => Err(self.fault("out of range:", argument)),
                Err(_) => Err(self.fault("a number is needed, not", argument)),
            },
            Domain::Choice(_) => word_index(parameter, value)
                .map(|index| index as f64)
                .ok_or_else(|| self.fault("no such choice:", argument)),
        }
    }

    fn source(&self) -> Result<Source, FeatureError> {
        if self.definition.is_price() {
            // A price is its own source.
            return Source::parse(self.definition.name).ok_or_else(|| self.fault("not a price:", self.text));
        }
        Ok(self.source.unwrap_or_default())
    }
}

fn word_index(parameter: &Parameter, word: &str) -> Option<usize> {
    match parameter.domain {
        Domain::Choice(words) => words.iter().position(|known| known.eq_ignore_ascii_case(word)),
        Domain::Period { .. } | Domain::Factor => None,
    }
}

fn output_index(text: &str, definition: &Definition, output: Option<&str>) -> Result<usize, FeatureError> {
    let fault = |fault| FeatureError::Output { text: text.to_owned(), fault, usage: definition.to_string() };
    match output {
        Some(name) => definition
            .outputs
            .iter()
            .position(|known| known.eq_ignore_ascii_case(name))
            .ok_or_else(|| fault("there is no such output")),
        None if definition.first_is_default => Ok(0),
        None => Err(fault("name one of its outputs")),
    }
}

fn unknown_name(name: &str) -> FeatureError {
    let nearest = DEFINITIONS
        .iter()
        .map(|definition| {
            (edit_distance(&name.to_ascii_uppercase(), &definition.name.to_ascii_uppercase()), definition)
        })
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, definition)| *distance <= 2 && *distance < definition.name.len());
    FeatureError::UnknownName {
        name: name.to_owned(),
        hint: nearest.map_or_else(String::new, |(_, definition)| format!(" (did you mean {definition}?)")),
        known: DEFINITIONS.iter().map(|definition| definition.name).collect::<Vec<_>>().join(", "),
    }
}

/// Levenshtein distance in bytes.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
