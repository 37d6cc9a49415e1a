//! Snapshots: the whole state of an engine as bytes, and back.
//!
//! Invariant: an engine that was restored answers every later event as the one that was saved would have. Tables,
//! limits and code are not in a snapshot: it goes with the configuration it was taken with.

use std::collections::BTreeMap;
use std::io::Write;

use serde::{Deserialize, Serialize};
use starling_core::event::TradingStatus;
use starling_core::journal::Digest;
use starling_core::{Bar, UnixNanos};
use starling_market::bar::Aggregator;
use starling_market::feature::FeatureSet;

use super::{Counts, Engine, EngineError, Observer, Slicing, TimerOwner};
use crate::ledger::LedgerState;
use crate::marks::Marks;
use crate::orders::OrderStore;
use crate::risk::RiskState;
use crate::run_hash::RunHash;
use crate::strategy::{Strategy, StrategyError};
use crate::venue::Venue;

/// Version of the encoding; another one is refused.
const VERSION: u16 = 1;

#[derive(Serialize, Deserialize)]
struct SeriesState {
    aggregator: Option<Box<Aggregator>>,
    features: FeatureSet,
    last: Option<Bar>,
}

#[derive(Serialize, Deserialize)]
struct State {
    version: u16,
    now: UnixNanos,
    marks: Marks,
    ledger: LedgerState,
    orders: OrderStore,
    status: Vec<TradingStatus>,
    series: Vec<SeriesState>,
    actors: Vec<(String, u64, Vec<u8>)>,
    venue: Vec<u8>,
    risk: RiskState,
    run_hash: RunHash,
    counts: Counts,
    timers: BTreeMap<(UnixNanos, u64), TimerOwner>,
    timers_set: u64,
    slicings: BTreeMap<u64, Slicing>,
    half_bars: Vec<Option<Bar>>,
}

impl<S: Strategy, V: Venue, W: Write, O: Observer> Engine<S, V, W, O> {
    /// The state between two events, as bytes.
    pub fn snapshot(&self) -> Result<Vec<u8>, EngineError> {
        assert!(self.outbox.is_empty() && self.reports.is_empty(), "a snapshot is taken between events");
        let saved = |source: StrategyError, name: &str| EngineError::Strategy { name: name.to_owned(), source };
        let mut actors = Vec::with_capacity(self.actors.len());
        for actor in &self.actors {
            let bytes = actor.strategy.save().map_err(|e| saved(e, &actor.name))?;
            actors.push((actor.name.clone(), actor.counter, bytes));
        }
        let series = self.world.series.iter().map(|s| SeriesState {
            aggregator: s.aggregator.clone(),
            features: s.features.clone(),
            last: s.last,
        });
        let state = State {
            version: VERSION,
            now: self.world.now,
            marks: self.world.marks.clone(),
            ledger: self.world.ledger.snapshot().clone(),
            orders: self.world.orders.clone(),
            status: self.world.status.clone(),
            series: series.collect(),
            actors,
            venue: self.venue.save(),
            risk: self.risk.state().clone(),
            run_hash: self.run_hash.clone(),
            counts: self.counts,
            timers: self.timers.clone(),
            timers_set: self.timers_set,
            slicings: self.slicings.clone(),
            half_bars: self.half_bars.clone(),
        };
        Ok(postcard::to_allocvec(&state).expect("plain state always encodes"))
    }

    /// The hash of the state: equal states have equal hashes.
    pub fn state_hash(&self) -> Result<Digest, EngineError> {
        Ok(Digest::of(&self.snapshot()?))
    }

    /// Back to a saved state. The engine must have been set up by the same configuration; on an error it is not to be
    /// used any more.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        let unfit = |reason: String| EngineError::Snapshot { reason };
        let state: State = postcard::from_bytes(bytes).map_err(|e| unfit(format!("it cannot be decoded ({e})")))?;
        if state.version != VERSION {
            return Err(unfit(format!("it has version {}, this build reads {VERSION}", state.version)));
        }
        for (what, found, expected) in [
            ("series of bars", state.series.len(), self.world.series.len()),
            ("strategies", state.actors.len(), self.actors.len()),
            ("instruments", state.status.len(), self.world.status.len()),
        ] {
            if found != expected {
                return Err(unfit(format!("it has {found} {what}, the run {expected}")));
            }
        }
        for (actor, (name, counter, bytes)) in self.actors.iter_mut().zip(&state.actors) {
            if actor.name != *name {
                return Err(unfit(format!("it has a strategy `{name}` where the run has `{}`", actor.name)));
            }
            actor.counter = *counter;
            let failed = |source| EngineError::Strategy { name: name.clone(), source };
            actor.strategy.load(bytes).map_err(failed)?;
        }
        for (series, saved) in self.world.series.iter_mut().zip(state.series) {
            (series.aggregator, series.features, series.last) = (saved.aggregator, saved.features, saved.last);
        }
        self.risk.restore(state.risk);
        self.venue.load(&state.venue).map_err(|e| unfit(format!("its venue cannot be decoded ({e})")))?;
        self.world.ledger.restore(state.ledger)?;
        self.world.now = state.now;
        self.world.marks = state.marks;
        self.world.orders = state.orders;
        self.world.status = state.status;
        self.run_hash = state.run_hash;
        self.counts = state.counts;
        self.timers = state.timers;
        self.timers_set = state.timers_set;
        self.slicings = state.slicings;
        self.half_bars = state.half_bars;
        self.refresh_series_due();
        self.refresh_due();
        Ok(())
    }
}
