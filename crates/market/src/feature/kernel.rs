//! The states behind features, dispatched by enum.
//!
//! Invariant: one match per update and per read; no dyn call, no allocation. Does not know names or text.

use serde::{Deserialize, Serialize};

use crate::indicator::{
    Adx, Atr, Bollinger, Candle, Cci, Cmo, Donchian, Ema, Indicator, Keltner, LinearRegression, Macd, Mfi, Momentum,
    Obv, Output, RealisedVolatility, Rma, Roc, RollingMax, RollingMin, RollingVwap, Rsi, Sma, StdDev, StochRsi,
    Stochastic, Track, Trix, TrueRange, Vwap, WilliamsR, Wma, ZScore,
};

/// A price handed through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Price(Track<f64>);

impl Indicator for Price {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        self.0.record(Some(x))
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.0
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Out of line: inlined into the match, the compiler would compute what any of these needs of a bar for all of them.
#[inline(never)]
fn feed<I: Indicator<Input = Candle>>(state: &mut I, candle: &Candle) {
    state.update(*candle);
}

#[cfg(test)]
fn components<I: Indicator>(_: &I) -> &'static [&'static str] {
    I::Output::COMPONENTS
}

macro_rules! kernels {
    (price: $($of_price:ident),+; candle: $($of_candle:ident),+;) => {
        /// The state of one indicator; inline, so that an update follows no second pointer.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub(super) enum Kernel {
            $($of_price($of_price),)+
            $($of_candle($of_candle),)+
        }

        impl Kernel {
            /// Takes one bar; `price` picks the number for those that read one.
            #[inline]
            pub(super) fn update(&mut self, candle: &Candle, price: f64) {
                match self {
                    $(Self::$of_price(state) => { state.update(price); })+
                    $(Self::$of_candle(state) => feed(state, candle),)+
                }
            }

            /// Bars taken in.
            pub(super) fn count(&self) -> u64 {
                match self {
                    $(Self::$of_price(state) => state.count(),)+
                    $(Self::$of_candle(state) => state.count(),)+
                }
            }

            /// Returns to the state after construction.
            pub(super) fn reset(&mut self) {
                match self {
                    $(Self::$of_price(state) => state.reset(),)+
                    $(Self::$of_candle(state) => state.reset(),)+
                }
            }

            /// Names of the outputs.
            #[cfg(test)]
            pub(super) fn components(&self) -> &'static [&'static str] {
                match self {
                    $(Self::$of_price(state) => components(state),)+
                    $(Self::$of_candle(state) => components(state),)+
                }
            }

            /// The output of that index for the latest bar.
            #[inline]
            pub(super) fn output(&self, index: usize) -> Option<f64> {
                match self {
                    // Its two lines are known before the third.
                    Self::Adx(state) if index > 0 => {
                        state.indicators().map(|(plus, minus)| if index == 1 { plus } else { minus })
                    }
                    $(Self::$of_price(state) => state.value().map(|value| value.component(index)),)+
                    $(Self::$of_candle(state) => state.value().map(|value| value.component(index)),)+
                }
            }
        }
    };
}

kernels! {
    price: Price, Sma, Ema, Rma, Wma, Rsi, StochRsi, Cmo, Macd, Trix, Roc, Momentum, Bollinger, StdDev, ZScore,
        RealisedVolatility, RollingMax, RollingMin, LinearRegression;
    candle: TrueRange, Atr, Adx, Stochastic, WilliamsR, Cci, Donchian, Keltner, Obv, Vwap, RollingVwap, Mfi;
}

impl Kernel {
    /// A price handed through.
    pub(super) fn price() -> Self {
        Self::Price(Price::default())
    }

    /// Starts a session, for what is anchored to one.
    pub(super) fn start_session(&mut self) {
        if let Self::Vwap(state) = self {
            state.start_session();
        }
    }
}
