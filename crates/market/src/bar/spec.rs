//! What a series of bars is: price side, aggregation and source, as values and as text such as `15m bid internal`.
//!
//! Invariant: `shape.to_string().parse() == Ok(shape)` for every shape that [`BarShape::check`] accepts. The text leaves
//! the instrument out: its name is known at the edge only.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use starling_core::time::{DAY, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND};
use starling_core::{InstrumentId, Money, Price, Qty};

use super::session::SessionName;

/// Why a series of bars could not be named, frozen or built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BarError {
    /// The text names no aggregation.
    #[error("`{input}` is no bar size; write a number and a unit, as `15m` or `1000t`; units: {UNIT_LIST}")]
    Size {
        /// The text as found.
        input: String,
    },
    /// The number before the unit is not one the unit takes.
    #[error("`{input}`: `{number}` before `{unit}` must be {requirement}")]
    Number {
        /// The whole text.
        input: String,
        /// The number found.
        number: String,
        /// Its unit.
        unit: String,
        /// What is allowed.
        requirement: &'static str,
    },
    /// A word after the size is neither side nor source.
    #[error(
        "`{input}`: `{word}` is neither a price side (bid, ask, mid, last) nor a source (external, internal, \
         composite(SIZE), composite(SIZE internal)); the order is SIZE SIDE SOURCE"
    )]
    Word {
        /// The whole text.
        input: String,
        /// The word found.
        word: String,
    },
    /// A session name holds other characters or is too long.
    #[error("session name `{name}` must be 1 to 32 of a-z, 0-9, `_` and `-`")]
    SessionName {
        /// The name as found.
        name: String,
    },
    /// A date is not one.
    #[error("`{input}` is no date; write year-month-day from 1970 on, as 2013-12-25")]
    Date {
        /// The text as found.
        input: String,
    },
    /// A session calendar contradicts itself.
    #[error("session calendar: {what} is {value}, but must be {requirement}")]
    Session {
        /// The entry.
        what: String,
        /// Its value.
        value: String,
        /// What is allowed.
        requirement: &'static str,
    },
    /// A series refers to a session that was not handed in.
    #[error("`{shape}` needs the session calendar `{name}`, which is not declared; declared: {known}")]
    UnknownSession {
        /// The series.
        shape: String,
        /// The session named.
        name: String,
        /// The sessions there are.
        known: String,
    },
    /// A composite that cannot be made of its base.
    #[error("`{shape}`: {reason}")]
    Composite {
        /// The series.
        shape: String,
        /// Why not, and what to do.
        reason: &'static str,
    },
    /// A composite whose external base nobody declares.
    #[error("`{shape}` is made from `{base}` of the same instrument, which is not declared; declare that series too")]
    MissingBase {
        /// The composite.
        shape: String,
        /// What it is made from.
        base: String,
    },
    /// An external series has nothing to build.
    #[error("`{shape}` comes from outside; only internal and composite series have an aggregator")]
    NothingToBuild {
        /// The series.
        shape: String,
    },
}

/// Which price a bar is made of, and with it which events feed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceSide {
    /// The bid of each quote; volume is the bid size.
    Bid,
    /// The ask of each quote; volume is the ask size.
    Ask,
    /// The midpoint of each quote, rounded half away from zero to 1e-9; volume is half the sum of both sizes, rounded
    /// toward zero to 1e-9.
    Mid,
    /// The price of each trade; volume is what traded.
    Last,
}

impl PriceSide {
    const NAMES: [(&'static str, Self); 4] =
        [("bid", Self::Bid), ("ask", Self::Ask), ("mid", Self::Mid), ("last", Self::Last)];
}

impl fmt::Display for PriceSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Self::NAMES[*self as usize].0)
    }
}

/// A calendar period. A period with a session ends at the close of its last session, and takes ticks within its
/// sessions only; one without ends at midnight UTC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CalendarPeriod {
    /// One session. (The day without session is `Time` of 24 h.)
    Day {
        /// The session calendar's name.
        session: SessionName,
    },
    /// Monday to Sunday (ISO 8601).
    Week {
        /// The session calendar's name, if not around the clock.
        session: Option<SessionName>,
    },
    /// The first to the last of a month.
    Month {
        /// The session calendar's name, if not around the clock.
        session: Option<SessionName>,
    },
}

impl CalendarPeriod {
    /// The session calendar it needs.
    #[must_use]
    pub fn session(&self) -> Option<&SessionName> {
        match self {
            Self::Day { session } => Some(session),
            Self::Week { session } | Self::Month { session } => session.as_ref(),
        }
    }
}

/// When a bar is complete.
///
/// The information-driven kinds follow López de Prado, *Advances in Financial Machine Learning* (2018), ch. 2, with a
/// FIXED threshold. His adaptive one (expected bar length times expected imbalance, both as moving averages of past
/// bars) is left out: it feeds back on itself, so that bar lengths run away to one tick or to the whole sample, and the
/// bars then depend on where the data began. Ticks are signed by the aggressor where the venue tells, else by the tick
/// rule (the sign of the last price change, carried over bars; unsigned before the first change).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aggregation {
    /// Every `interval_ns`, at multiples of it since 1970-01-01 UTC plus `origin_ns`. Text: `15m`, `1d`, `1d+22h`.
    Time {
        /// Nanoseconds between two boundaries, positive.
        interval_ns: u64,
        /// Nanoseconds by which the boundaries are moved, below the interval.
        origin_ns: u64,
    },
    /// Session days, weeks, months. Text: `1d@NAME`, `1w`, `1w@NAME`, `1mo`, `1mo@NAME`.
    Calendar(CalendarPeriod),
    /// Every n ticks. Text: `1000t`.
    Tick(u32),
    /// Once the quantity reaches this; the tick that reaches it counts whole. Text: `500v`.
    Volume(Qty),
    /// Once the notional (|price| x size) reaches this. Text: `1000000val`.
    Value(Money),
    /// Once |buys - sells|, in ticks, reaches n. Text: `10ti`.
    TickImbalance(u32),
    /// Once |bought - sold| quantity reaches this. Text: `500vi`.
    VolumeImbalance(Qty),
    /// Once |bought - sold| notional reaches this. Text: `1000000vali`.
    ValueImbalance(Money),
    /// Once max(buys, sells), in ticks, reaches n; a sell does not reset the buys. Text: `10tr`.
    TickRuns(u32),
    /// Once max(bought, sold) quantity reaches this. Text: `500vr`.
    VolumeRuns(Qty),
    /// Once max(bought, sold) notional reaches this. Text: `1000000valr`.
    ValueRuns(Money),
    /// Classic bricks of this height on the tick price; a reversal takes two bricks. Text: `0.5renko`.
    Renko {
        /// The height of a brick, positive.
        brick: Price,
    },
}

/// What a composite is made from: a series of the same instrument and side.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BaseSeries {
    /// The smaller bars.
    pub aggregation: Aggregation,
    /// Who makes them.
    pub source: BaseSource,
}

/// Who makes the base of a composite. (A composite of composites would equal one made from their base.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BaseSource {
    /// The venue or a file.
    External,
    /// This system.
    Internal,
}

/// Who makes the bars of a series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BarSource {
    /// The venue or a file.
    External,
    /// This system, from quotes or trades.
    Internal,
    /// This system, from smaller bars: open of the first, highest high, lowest low, close of the last, summed volume.
    ///
    /// The base is named by what it is, not by its [`BarSeriesId`](starling_core::BarSeriesId): ids exist only once the
    /// table is frozen. [`BarSeriesTable::base`](super::BarSeriesTable::base) gives the id.
    Composite(BaseSeries),
}

/// A series of bars but for its instrument. Text: `SIZE [SIDE] [SOURCE]`, where the side is `last` and the source
/// `internal` if left out: `15m bid internal`, `500v`, `1d@us last external`, `5m last composite(1m)`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BarShape {
    /// Which price.
    pub side: PriceSide,
    /// When a bar is complete.
    pub aggregation: Aggregation,
    /// Who makes it.
    pub source: BarSource,
}

/// A series of bars: an instrument and a shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BarSpec {
    /// The instrument.
    pub instrument: InstrumentId,
    /// The rest.
    pub shape: BarShape,
}

impl BarSpec {
    /// A shape on an instrument.
    #[must_use]
    pub fn new(instrument: InstrumentId, shape: BarShape) -> Self {
        Self { instrument, shape }
    }
    /// From the text of a shape.
    pub fn parse(instrument: InstrumentId, text: &str) -> Result<Self, BarError> {
        Ok(Self { instrument, shape: text.parse()? })
    }
    /// The series a composite is made from.
    #[must_use]
    pub fn base(&self) -> Option<Self> {
        let BarSource::Composite(base) = &self.shape.source else { return None };
        let source = match base.source {
            BaseSource::External => BarSource::External,
            BaseSource::Internal => BarSource::Internal,
        };
        let shape = BarShape { side: self.shape.side, aggregation: base.aggregation.clone(), source };
        Some(Self { instrument: self.instrument, shape })
    }
}

/// Time units of the text form, largest first.
const TIME_UNITS: [(&str, u64); 7] =
    [("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLISECOND), ("us", MICROSECOND), ("ns", 1)];

const UNIT_LIST: &str = "ns us ms s m h d (time, `+` moves the origin: 1d+22h), d@SESSION w mo w@SESSION mo@SESSION \
                         (calendar), t v val (ticks, volume, value), ti vi vali (imbalance), tr vr valr (runs), renko";

const WHOLE: &str = "a whole number from 1 to 4294967295";
const POSITIVE: &str = "a positive decimal number of at most 9 places";

impl Aggregation {
    /// A time bar aligned to UTC.
    #[must_use]
    pub const fn every(interval_ns: u64) -> Self {
        Self::Time { interval_ns, origin_ns: 0 }
    }

    /// True if a timer closes it.
    #[must_use]
    pub const fn is_timed(&self) -> bool {
        matches!(self, Self::Time { .. } | Self::Calendar(_))
    }

    fn parse(text: &str) -> Result<Self, BarError> {
        let unknown = || BarError::Size { input: text.to_owned() };
        let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|at| *at > 0).ok_or_else(unknown)?;
        let (number, rest) = text.split_at(at);
        let (rest, session) = match rest.split_once('@') {
            Some((unit, name)) => (unit, Some(name.parse::<SessionName>()?)),
            None => (rest, None),
        };
        let (unit, origin) = match rest.split_once('+') {
            Some((unit, origin)) => (unit, Some(origin)),
            None => (rest, None),
        };
        let wrong = |requirement| BarError::Number {
            input: text.to_owned(),
            number: number.to_owned(),
            unit: unit.to_owned(),
            requirement,
        };
        let one = |period| if number == "1" { Ok(Self::Calendar(period)) } else { Err(wrong("1")) };
        let count = || number.parse::<u32>().ok().filter(|n| *n > 0).ok_or_else(|| wrong(WHOLE));
        let qty = || number.parse::<Qty>().ok().filter(|q| q.is_positive()).ok_or_else(|| wrong(POSITIVE));
        let money = || number.parse::<Money>().ok().filter(|m| m.is_positive()).ok_or_else(|| wrong(POSITIVE));
        if unit != "w" && unit != "mo" && unit != "d" && session.is_some() {
            return Err(unknown());
        }
        if let Some(&(_, scale)) = TIME_UNITS.iter().find(|(name, _)| *name == unit) {
            if let Some(session) = session {
                return if origin.is_none() { one(CalendarPeriod::Day { session }) } else { Err(unknown()) };
            }
            let interval_ns = number
                .parse::<u64>()
                .ok()
                .and_then(|n| n.checked_mul(scale))
                .filter(|n| *n > 0)
                .ok_or_else(|| wrong("a whole number of at least 1, and the bar shorter than 584 years"))?;
            let origin_ns = origin.map_or(Ok(0), |origin| {
                let Ok(Self::Time { interval_ns, origin_ns: 0 }) = Self::parse(origin) else { return Err(unknown()) };
                Ok(interval_ns)
            })?;
            if origin_ns >= interval_ns {
                return Err(wrong("such that the interval is longer than the origin offset after the `+`"));
            }
            return Ok(Self::Time { interval_ns, origin_ns });
        }
        if origin.is_some() {
            return Err(unknown());
        }
        match unit {
            "w" => one(CalendarPeriod::Week { session }),
            "mo" => one(CalendarPeriod::Month { session }),
            "t" => count().map(Self::Tick),
            "ti" => count().map(Self::TickImbalance),
            "tr" => count().map(Self::TickRuns),
            "v" => qty().map(Self::Volume),
            "vi" => qty().map(Self::VolumeImbalance),
            "vr" => qty().map(Self::VolumeRuns),
            "val" => money().map(Self::Value),
            "vali" => money().map(Self::ValueImbalance),
            "valr" => money().map(Self::ValueRuns),
            "renko" => {
                let brick = number.parse::<Price>().ok().filter(|p| p.is_positive()).ok_or_else(|| wrong(POSITIVE))?;
                Ok(Self::Renko { brick })
            }
            _ => Err(unknown()),
        }
    }

    /// Refuses what has no text: values that were put together by hand and could never close.
    fn check(&self) -> Result<(), BarError> {
        // The text form names each of these, so the parser is the one place that knows the ranges.
        let text = self.to_string();
        match Self::parse(&text)? {
            same if same == *self => Ok(()),
            _ => Err(BarError::Size { input: text }),
        }
    }
}

fn write_time(f: &mut fmt::Formatter<'_>, ns: u64) -> fmt::Result {
    let (unit, scale) = TIME_UNITS.iter().find(|(_, scale)| ns.is_multiple_of(*scale)).expect("1 divides all");
    write!(f, "{}{unit}", ns / scale)
}

impl fmt::Display for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time { interval_ns, origin_ns } => {
                write_time(f, *interval_ns)?;
                if *origin_ns == 0 {
                    return Ok(());
                }
                f.write_str("+")?;
                write_time(f, *origin_ns)
            }
            Self::Calendar(period) => {
                f.write_str(match period {
                    CalendarPeriod::Day { .. } => "1d",
                    CalendarPeriod::Week { .. } => "1w",
                    CalendarPeriod::Month { .. } => "1mo",
                })?;
                period.session().map_or(Ok(()), |session| write!(f, "@{session}"))
            }
            Self::Tick(n) => write!(f, "{n}t"),
            Self::Volume(qty) => write!(f, "{qty}v"),
            Self::Value(money) => write!(f, "{money}val"),
            Self::TickImbalance(n) => write!(f, "{n}ti"),
            Self::VolumeImbalance(qty) => write!(f, "{qty}vi"),
            Self::ValueImbalance(money) => write!(f, "{money}vali"),
            Self::TickRuns(n) => write!(f, "{n}tr"),
            Self::VolumeRuns(qty) => write!(f, "{qty}vr"),
            Self::ValueRuns(money) => write!(f, "{money}valr"),
            Self::Renko { brick } => write!(f, "{brick}renko"),
        }
    }
}

impl BarShape {
    /// Refuses a shape that could never be built or that has no text: zero sizes, and composites of what does not add
    /// up to them.
    pub fn check(&self) -> Result<(), BarError> {
        self.aggregation.check()?;
        let BarSource::Composite(base) = &self.source else { return Ok(()) };
        base.aggregation.check()?;
        let refuse = |reason| Err(BarError::Composite { shape: self.to_string(), reason });
        match (&self.aggregation, &base.aggregation) {
            (
                Aggregation::Time { interval_ns, origin_ns },
                Aggregation::Time { interval_ns: base_ns, origin_ns: base_origin },
            ) => {
                if base_ns >= interval_ns
                    || !interval_ns.is_multiple_of(*base_ns)
                    || origin_ns % base_ns != *base_origin
                {
                    return refuse("the base interval must divide the composite's, with boundaries on common instants");
                }
                Ok(())
            }
            (Aggregation::Calendar(_), Aggregation::Time { .. }) => Ok(()),
            (Aggregation::Calendar(_), Aggregation::Calendar(CalendarPeriod::Day { .. })) => Ok(()),
            (Aggregation::Time { .. } | Aggregation::Calendar(_), _) => {
                refuse("bars by the clock are made of time bars, or weeks and months of session days")
            }
            (Aggregation::Tick(_) | Aggregation::Volume(_) | Aggregation::Renko { .. }, _) => Ok(()),
            _ => refuse("value, imbalance and run bars need ticks: build them as internal"),
        }
    }
}

impl fmt::Display for BarShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.aggregation, self.side)?;
        match &self.source {
            BarSource::External => f.write_str("external"),
            BarSource::Internal => f.write_str("internal"),
            BarSource::Composite(base) => {
                let source = match base.source {
                    BaseSource::External => "external",
                    BaseSource::Internal => "internal",
                };
                write!(f, "composite({} {source})", base.aggregation)
            }
        }
    }
}

impl FromStr for BarShape {
    type Err = BarError;

    fn from_str(text: &str) -> Result<Self, BarError> {
        let word = |word: &str| BarError::Word { input: text.to_owned(), word: word.to_owned() };
        let (size, rest) = split_word(text);
        let aggregation = Aggregation::parse(size)?;
        let (first, after) = split_word(rest);
        let (side, rest) = match PriceSide::NAMES.iter().find(|(name, _)| *name == first) {
            Some(&(_, side)) => (side, after),
            None => (PriceSide::Last, rest),
        };
        let source = match rest {
            "" | "internal" => BarSource::Internal,
            "external" => BarSource::External,
            _ => {
                let inner =
                    rest.strip_prefix("composite(").and_then(|r| r.strip_suffix(')')).ok_or_else(|| word(rest))?;
                let (size, source) = split_word(inner);
                let source = match source {
                    "" | "external" => BaseSource::External,
                    "internal" => BaseSource::Internal,
                    _ => return Err(word(source)),
                };
                BarSource::Composite(BaseSeries { aggregation: Aggregation::parse(size)?, source })
            }
        };
        let shape = Self { side, aggregation, source };
        shape.check()?;
        Ok(shape)
    }
}

/// The first word and the rest, both trimmed.
fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(first, rest)| (first, rest.trim()))
}

impl Serialize for BarShape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BarShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
