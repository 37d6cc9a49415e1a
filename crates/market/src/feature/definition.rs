//! The one table of features: parser, canonical text, validation, construction and documentation read it.
//!
//! Invariant: every definition's outputs are the components of what its state computes (a test compares them).
//! Does not parse and does not compute.

use std::fmt;

use super::kernel::Kernel;
use crate::indicator::{
    Adx, Atr, Averaging, Bollinger, Cci, Cmo, Donchian, Ema, IndicatorError, Keltner, LinearRegression, Macd, Mfi,
    Momentum, Obv, PERIOD_MAX, RealisedVolatility, Rma, Roc, RollingMax, RollingMin, RollingVwap, Rsi, Seed, Sma,
    StdDev, StochRsi, Stochastic, Trix, TrueRange, Vwap, WilliamsR, Wma, ZScore,
};

/// Most parameters a definition may have.
pub const PARAMETERS_MAX: usize = 4;

/// Values of a definition's parameters in table order; a choice is the index of its word.
pub type Arguments = [f64; PARAMETERS_MAX];

/// What a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Domain {
    /// A whole number of bars, at least `min`, at most [`PERIOD_MAX`].
    Period {
        /// Least value.
        min: usize,
    },
    /// A positive number.
    Factor,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// One parameter of a definition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, for `name=value`.
    pub name: &'static str,
    /// What it may be.
    pub domain: Domain,
    /// Taken when it is left out; for a choice the index of the word.
    pub default: f64,
}

const fn period(name: &'static str, min: usize, default: f64) -> Parameter {
    Parameter { name, domain: Domain::Period { min }, default }
}

const fn factor(name: &'static str, default: f64) -> Parameter {
    Parameter { name, domain: Domain::Factor, default }
}

const fn choice(name: &'static str, words: &'static [&'static str], default: f64) -> Parameter {
    Parameter { name, domain: Domain::Choice(words), default }
}

/// What a feature reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// One price of the bar, chosen with `source=`; the close unless said otherwise.
    Price,
    /// The whole bar.
    Candle,
}

/// One row of the table.
pub struct Definition {
    /// Canonical name.
    pub name: &'static str,
    /// Its parameters, in order.
    pub parameters: &'static [Parameter],
    /// Names of its outputs, in the order of the state's components.
    pub outputs: &'static [&'static str],
    /// Whether the first output is meant when none is named; else one must be named.
    pub first_is_default: bool,
    /// What it reads.
    pub reads: Reads,
    /// One line of documentation.
    pub doc: &'static str,
    /// Where the formula is from.
    pub source: &'static str,
    pub(super) build: fn(&Arguments) -> Result<Kernel, IndicatorError>,
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition").field("usage", &self.to_string()).finish_non_exhaustive()
    }
}

/// The signature, such as `EMA(period=10 [1..=100000], seed=first|sma, source=close)`.
impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if self.is_price() {
            return Ok(());
        }
        let mut separator = "(";
        for parameter in self.parameters {
            write!(f, "{separator}{}=", parameter.name)?;
            match parameter.domain {
                Domain::Period { min } => write!(f, "{} [{min}..={PERIOD_MAX}]", parameter.default)?,
                Domain::Factor => write!(f, "{} [> 0]", parameter.default)?,
                Domain::Choice(words) => f.write_str(&words.join("|"))?,
            }
            separator = ", ";
        }
        if self.reads == Reads::Price {
            write!(f, "{separator}source=close")?;
            separator = ", ";
        }
        if separator == ", " {
            f.write_str(")")?;
        }
        if self.outputs.len() > 1 {
            write!(f, ".{}", self.outputs.join("|"))?;
        }
        Ok(())
    }
}

impl Definition {
    /// Whether it is a price or the volume of the bar itself.
    #[must_use]
    pub fn is_price(&self) -> bool {
        self.parameters.is_empty() && self.reads == Reads::Price
    }

    /// The arguments when none are given.
    #[must_use]
    pub fn defaults(&self) -> Arguments {
        let mut arguments = [0.0; PARAMETERS_MAX];
        for (argument, parameter) in arguments.iter_mut().zip(self.parameters) {
            *argument = parameter.default;
        }
        arguments
    }
}

/// A parsed period. The parser has checked that it is a whole number of at most [`PERIOD_MAX`].
fn bars(argument: f64) -> usize {
    argument as usize
}

fn seed(argument: f64) -> Seed {
    if argument == 0.0 { Seed::FirstValue } else { Seed::Sma }
}

fn averaging(argument: f64) -> Averaging {
    if argument == 0.0 { Averaging::Wilder } else { Averaging::Window }
}

const VALUE: &[&str] = &["value"];
const BANDS: &[&str] = &["upper", "middle", "lower"];

/// A price of the bar.
const fn price(name: &'static str, doc: &'static str) -> Definition {
    Definition {
        name,
        parameters: &[],
        outputs: VALUE,
        first_is_default: true,
        reads: Reads::Price,
        doc,
        source: "the bar",
        build: |_| Ok(Kernel::price()),
    }
}

/// An indicator of one value.
const fn single(
    name: &'static str,
    parameters: &'static [Parameter],
    reads: Reads,
    doc: &'static str,
    source: &'static str,
    build: fn(&Arguments) -> Result<Kernel, IndicatorError>,
) -> Definition {
    Definition { name, parameters, outputs: VALUE, first_is_default: true, reads, doc, source, build }
}

/// The first rows are the prices, in the order of [`super::Source`].
pub(super) const DEFINITIONS: &[Definition] = &[
    price("close", "last price"),
    price("open", "first price"),
    price("high", "highest price"),
    price("low", "lowest price"),
    price("volume", "quantity traded, in base units"),
    price("hl2", "median price, (high + low) / 2"),
    price("hlc3", "typical price, (high + low + close) / 3"),
    price("ohlc4", "average price, (open + high + low + close) / 4"),
    single("SMA", &[period("period", 1, 20.0)], Reads::Price, "simple moving average", "TA-Lib SMA", |a| {
        Sma::new(bars(a[0])).map(Kernel::Sma)
    }),
    single(
        "EMA",
        &[period("period", 1, 20.0), choice("seed", &["first", "sma"], 0.0)],
        Reads::Price,
        "exponential moving average, alpha = 2 / (period + 1), started from the first value or (TA-Lib) from an SMA",
        "TA-Lib EMA for seed=sma",
        |a| Ema::seeded(bars(a[0]), seed(a[1])).map(Kernel::Ema),
    ),
    single(
        "RMA",
        &[period("period", 1, 14.0)],
        Reads::Price,
        "Wilder's smoothed average, alpha = 1 / period, started from an SMA",
        "Wilder 1978",
        |a| Rma::new(bars(a[0])).map(Kernel::Rma),
    ),
    single("WMA", &[period("period", 1, 20.0)], Reads::Price, "linearly weighted moving average", "TA-Lib WMA", |a| {
        Wma::new(bars(a[0])).map(Kernel::Wma)
    }),
    single(
        "RSI",
        &[period("period", 1, 14.0), choice("method", &["wilder", "cutler"], 0.0)],
        Reads::Price,
        "relative strength index, 0 to 100",
        "Wilder 1978, TA-Lib RSI; Cutler: plain sums",
        |a| Rsi::averaged(bars(a[0]), averaging(a[1])).map(Kernel::Rsi),
    ),
    Definition {
        name: "STOCHRSI",
        parameters: &[
            period("rsi", 1, 14.0),
            period("range", 1, 14.0),
            period("smooth_k", 1, 3.0),
            period("smooth_d", 1, 3.0),
        ],
        outputs: &["k", "d"],
        first_is_default: true,
        reads: Reads::Price,
        doc: "stochastic of Wilder's RSI, 0 to 100; smooth_k=1 is TA-Lib's",
        source: "Chande & Kroll 1994, TA-Lib STOCHRSI",
        build: |a| StochRsi::new(bars(a[0]), bars(a[1]), bars(a[2]), bars(a[3])).map(Kernel::StochRsi),
    },
    single(
        "CMO",
        &[period("period", 1, 14.0), choice("method", &["wilder", "sum"], 0.0)],
        Reads::Price,
        "Chande momentum oscillator, -100 to 100; smoothed as TA-Lib does, or with Chande's plain sums",
        "TA-Lib CMO; Chande & Kroll 1994",
        |a| Cmo::averaged(bars(a[0]), averaging(a[1])).map(Kernel::Cmo),
    ),
    Definition {
        name: "MACD",
        parameters: &[
            period("fast", 1, 12.0),
            period("slow", 2, 26.0),
            period("signal", 1, 9.0),
            choice("seed", &["sma", "first"], 0.0),
        ],
        outputs: &["line", "signal", "histogram"],
        first_is_default: true,
        reads: Reads::Price,
        doc: "moving average convergence/divergence, in price units",
        source: "Appel; TA-Lib MACD for seed=sma",
        build: |a| {
            let seed = if a[3] == 0.0 { Seed::Sma } else { Seed::FirstValue };
            Macd::seeded(bars(a[0]), bars(a[1]), bars(a[2]), seed).map(Kernel::Macd)
        },
    },
    single(
        "TRIX",
        &[period("period", 1, 18.0)],
        Reads::Price,
        "one-bar rate of change, in percent, of a triple exponential average",
        "Hutson 1983, TA-Lib TRIX",
        |a| Trix::new(bars(a[0])).map(Kernel::Trix),
    ),
    single("ROC", &[period("period", 1, 10.0)], Reads::Price, "rate of change in percent", "TA-Lib ROC", |a| {
        Roc::new(bars(a[0])).map(Kernel::Roc)
    }),
    single(
        "MOM",
        &[period("period", 1, 10.0)],
        Reads::Price,
        "momentum: change over the period, in price units",
        "TA-Lib MOM",
        |a| Momentum::new(bars(a[0])).map(Kernel::Momentum),
    ),
    Definition {
        name: "BB",
        parameters: &[period("period", 1, 20.0), factor("width", 2.0)],
        outputs: BANDS,
        first_is_default: false,
        reads: Reads::Price,
        doc: "Bollinger bands: simple average and population standard deviations",
        source: "Bollinger 2001, TA-Lib BBANDS",
        build: |a| Bollinger::new(bars(a[0]), a[1]).map(Kernel::Bollinger),
    },
    single(
        "STDDEV",
        &[period("period", 1, 20.0)],
        Reads::Price,
        "population standard deviation, in price units",
        "TA-Lib STDDEV",
        |a| StdDev::new(bars(a[0])).map(Kernel::StdDev),
    ),
    single(
        "ZSCORE",
        &[period("period", 2, 20.0)],
        Reads::Price,
        "distance from the window's mean in population standard deviations",
        "textbook",
        |a| ZScore::new(bars(a[0])).map(Kernel::ZScore),
    ),
    single(
        "RVOL",
        &[period("period", 2, 20.0), factor("annual", 252.0)],
        Reads::Price,
        "realised volatility of log returns, sample deviation, times the root of `annual` updates a year",
        "textbook",
        |a| RealisedVolatility::new(bars(a[0]), a[1]).map(Kernel::RealisedVolatility),
    ),
    single("MAX", &[period("period", 1, 20.0)], Reads::Price, "greatest value of the window", "TA-Lib MAX", |a| {
        RollingMax::new(bars(a[0])).map(Kernel::RollingMax)
    }),
    single("MIN", &[period("period", 1, 20.0)], Reads::Price, "least value of the window", "TA-Lib MIN", |a| {
        RollingMin::new(bars(a[0])).map(Kernel::RollingMin)
    }),
    Definition {
        name: "LINREG",
        parameters: &[period("period", 2, 14.0)],
        outputs: &["value", "slope", "intercept", "r2"],
        first_is_default: true,
        reads: Reads::Price,
        doc: "least-squares line on time: at the newest point, per bar, at the oldest point, and its fit",
        source: "TA-Lib LINEARREG, LINEARREG_SLOPE, LINEARREG_INTERCEPT",
        build: |a| LinearRegression::new(bars(a[0])).map(Kernel::LinearRegression),
    },
    single("TR", &[], Reads::Candle, "true range, in price units", "Wilder 1978, TA-Lib TRANGE", |_| {
        Ok(Kernel::TrueRange(TrueRange::new()))
    }),
    single(
        "ATR",
        &[period("period", 1, 14.0)],
        Reads::Candle,
        "average true range after Wilder, in price units",
        "Wilder 1978, TA-Lib ATR",
        |a| Atr::new(bars(a[0])).map(Kernel::Atr),
    ),
    Definition {
        name: "ADX",
        parameters: &[period("period", 2, 14.0)],
        outputs: &["adx", "plus_di", "minus_di"],
        first_is_default: true,
        reads: Reads::Candle,
        doc: "directional movement, 0 to 100; plus_di and minus_di are ready before adx",
        source: "Wilder 1978, TA-Lib ADX, PLUS_DI, MINUS_DI",
        build: |a| Adx::new(bars(a[0])).map(Kernel::Adx),
    },
    Definition {
        name: "STOCH",
        parameters: &[period("range", 1, 14.0), period("smooth_k", 1, 3.0), period("smooth_d", 1, 3.0)],
        outputs: &["k", "d"],
        first_is_default: true,
        reads: Reads::Candle,
        doc: "stochastic oscillator, 0 to 100; smooth_k=1 is the fast one",
        source: "Lane; TA-Lib STOCH, STOCHF",
        build: |a| Stochastic::slow(bars(a[0]), bars(a[1]), bars(a[2])).map(Kernel::Stochastic),
    },
    single("WILLR", &[period("period", 1, 14.0)], Reads::Candle, "Williams %R, -100 to 0", "TA-Lib WILLR", |a| {
        WilliamsR::new(bars(a[0])).map(Kernel::WilliamsR)
    }),
    single(
        "CCI",
        &[period("period", 2, 20.0)],
        Reads::Candle,
        "commodity channel index; O(period) per bar",
        "Lambert 1980, TA-Lib CCI",
        |a| Cci::new(bars(a[0])).map(Kernel::Cci),
    ),
    Definition {
        name: "DONCHIAN",
        parameters: &[period("period", 1, 20.0)],
        outputs: BANDS,
        first_is_default: false,
        reads: Reads::Candle,
        doc: "Donchian channel of the last bars, the present one included",
        source: "Donchian; TA-Lib MAX of high, MIN of low",
        build: |a| Donchian::new(bars(a[0])).map(Kernel::Donchian),
    },
    Definition {
        name: "KELTNER",
        parameters: &[period("period", 1, 20.0), period("atr", 1, 10.0), factor("width", 2.0)],
        outputs: BANDS,
        first_is_default: false,
        reads: Reads::Candle,
        doc: "Keltner channel: EMA of the close (SMA seed) and multiples of the ATR",
        source: "Raschke's version; TA-Lib EMA, ATR",
        build: |a| Keltner::new(bars(a[0]), bars(a[1]), a[2]).map(Kernel::Keltner),
    },
    single("OBV", &[], Reads::Candle, "on-balance volume, in base units", "Granville 1963, TA-Lib OBV", |_| {
        Ok(Kernel::Obv(Obv::new()))
    }),
    single(
        "VWAP",
        &[],
        Reads::Candle,
        "volume-weighted typical price since the session began (see FeatureSet::start_session)",
        "Berkowitz, Logue & Noser 1988",
        |_| Ok(Kernel::Vwap(Vwap::new())),
    ),
    single(
        "RVWAP",
        &[period("period", 1, 20.0)],
        Reads::Candle,
        "volume-weighted typical price of the window",
        "Berkowitz, Logue & Noser 1988",
        |a| RollingVwap::new(bars(a[0])).map(Kernel::RollingVwap),
    ),
    single(
        "MFI",
        &[period("period", 2, 14.0)],
        Reads::Candle,
        "money flow index, 0 to 100",
        "Quong & Soudack 1989, TA-Lib MFI",
        |a| Mfi::new(bars(a[0])).map(Kernel::Mfi),
    ),
];

/// Every feature that can be asked for, in the order of documentation.
#[must_use]
pub fn catalogue() -> &'static [Definition] {
    DEFINITIONS
}
