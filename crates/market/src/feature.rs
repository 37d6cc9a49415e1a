//! The feature store: features named by text, each indicator computed once per bar and shared.
//!
//! Invariant: two features that are outputs of one indicator with one source share one state, so `counts` lists each
//! indicator once; the value of a feature depends on the bars taken in and on nothing else. After registration nothing
//! allocates. Does not normalise (see [`normalise`]) and does not combine instruments (see
//! [`crate::indicator::PairRegression`]).

mod definition;
mod kernel;
pub mod normalise;
mod specification;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use definition::{Arguments, Definition, Domain, PARAMETERS_MAX, Parameter, Reads, catalogue};
pub use specification::{FeatureError, FeatureSpec, Source, TEXT_BYTES_MAX};

use crate::indicator::{Candle, Input};
use kernel::Kernel;

/// Most indicator states of one set.
pub const STATES_MAX: usize = 4096;

/// Deepest history of a feature, in bars.
pub const HISTORY_BARS_MAX: usize = 4096;

/// A feature's place in the [`FeatureSet`] that gave it out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FeatureId(u32);

impl FeatureId {
    /// Ids of a set are 0, 1, 2, ... in the order of registration.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    kernel: Kernel,
    source: Source,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Feature {
    spec: FeatureSpec,
    state: usize,
}

/// Past values of one feature, the latest at `head - 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct History {
    feature: usize,
    head: usize,
    values: Vec<Option<f64>>,
}

impl History {
    fn push(&mut self, value: Option<f64>) {
        self.values[self.head] = value;
        self.head += 1;
        if self.head == self.values.len() {
            self.head = 0;
        }
    }

    fn get(&self, bars_ago: usize) -> Option<f64> {
        let len = self.values.len();
        if bars_ago >= len {
            return None;
        }
        self.values[(self.head + len - 1 - bars_ago) % len]
    }

    /// Makes room for `bars` values, keeping those there are.
    fn deepen(&mut self, bars: usize) {
        if bars > self.values.len() {
            let mut values = vec![None; bars - self.values.len()];
            values.extend((0..self.values.len()).rev().map(|bars_ago| self.get(bars_ago)));
            self.values = values;
            self.head = 0;
        }
    }
}

/// Features of one stream of bars. Serialise it as part of a snapshot; the restored set continues bit for bit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureSet {
    states: Vec<State>,
    /// For each state one of the features that share it.
    owners: Vec<FeatureSpec>,
    features: Vec<Feature>,
    histories: Vec<History>,
    refused: u64,
}

impl FeatureSet {
    /// A set without features.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives back room for more features than were asked for.
    pub fn shrink_to_fit(&mut self) {
        self.states.shrink_to_fit();
        self.owners.shrink_to_fit();
        self.features.shrink_to_fit();
        self.histories.shrink_to_fit();
    }

    /// Adds a feature, or finds it if it is there. One added after bars have been taken in starts cold.
    pub fn register(&mut self, spec: &FeatureSpec) -> Result<FeatureId, FeatureError> {
        if let Some(index) = self.features.iter().position(|feature| feature.spec == *spec) {
            return Ok(FeatureId(index as u32));
        }
        let state = match self.owners.iter().position(|owner| owner.same_state(spec)) {
            Some(state) => state,
            None => {
                if self.states.len() == STATES_MAX {
                    return Err(FeatureError::Full { feature: spec.to_string(), max: STATES_MAX });
                }
                self.states.push(State { kernel: spec.build()?, source: spec.source() });
                self.owners.push(*spec);
                self.states.len() - 1
            }
        };
        self.features.push(Feature { spec: *spec, state });
        Ok(FeatureId((self.features.len() - 1) as u32))
    }

    /// As [`FeatureSet::register`], and keeps the values of the last `bars` bars for [`FeatureSet::value_at`], the
    /// present one included. Asked for several times, the deepest wins.
    pub fn register_with_history(&mut self, spec: &FeatureSpec, bars: usize) -> Result<FeatureId, FeatureError> {
        if bars > HISTORY_BARS_MAX {
            return Err(FeatureError::History { feature: spec.to_string(), bars, max: HISTORY_BARS_MAX });
        }
        let id = self.register(spec)?;
        if bars > 0 {
            match self.histories.iter_mut().find(|history| history.feature == id.index()) {
                Some(history) => history.deepen(bars),
                None => self.histories.push(History { feature: id.index(), head: 0, values: vec![None; bars] }),
            }
        }
        Ok(id)
    }

    /// Takes one bar. A bar with a number that is not finite or absurdly large is refused whole: nothing changes but
    /// [`FeatureSet::refused`].
    #[inline]
    pub fn update(&mut self, candle: &Candle) {
        if !candle.is_admissible() {
            self.refused += 1;
            return;
        }
        for state in &mut self.states {
            let price = state.source.of(candle);
            state.kernel.update(candle, price);
        }
        for history in &mut self.histories {
            let feature = &self.features[history.feature];
            history.push(self.states[feature.state].kernel.output(feature.spec.output()));
        }
    }

    /// The feature's value for the latest bar, `None` while warming up. Panics on an id of another set that is out of
    /// this one's range.
    #[inline]
    #[must_use]
    pub fn value(&self, id: FeatureId) -> Option<f64> {
        let feature = &self.features[id.index()];
        self.states[feature.state].kernel.output(feature.spec.output())
    }

    /// The value `bars_ago` bars ago (0 is the latest); `None` where the feature had none, or beyond the history asked
    /// for.
    #[must_use]
    pub fn value_at(&self, id: FeatureId, bars_ago: usize) -> Option<f64> {
        if bars_ago == 0 {
            return self.value(id);
        }
        self.histories.iter().find(|history| history.feature == id.index())?.get(bars_ago)
    }

    /// Starts a trading session for what is anchored to one (VWAP). Call it before the session's first bar.
    pub fn start_session(&mut self) {
        for state in &mut self.states {
            state.kernel.start_session();
        }
    }

    /// Canonical indicator names with the bars each has taken in, in order of registration: `("EMA(10)", 2689)`. Prices
    /// of the bar are no indicators and are left out.
    pub fn counts(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        self.owners
            .iter()
            .zip(&self.states)
            .filter(|(owner, _)| !owner.definition().is_price())
            .map(|(owner, state)| (owner.indicator_name(), state.kernel.count()))
    }

    /// True while nobody asked for a feature: nothing need be computed.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Specifications with their ids, in order of registration.
    pub fn features(&self) -> impl Iterator<Item = (FeatureId, &FeatureSpec)> + '_ {
        self.features.iter().enumerate().map(|(index, feature)| (FeatureId(index as u32), &feature.spec))
    }

    /// Bars refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Forgets every bar, keeps the features.
    pub fn reset(&mut self) {
        self.refused = 0;
        for state in &mut self.states {
            state.kernel.reset();
        }
        for history in &mut self.histories {
            history.head = 0;
            history.values.fill(None);
        }
    }
}
