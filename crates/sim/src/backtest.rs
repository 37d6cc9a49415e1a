//! The backtest driver: feeds in, engine, simulated venues, record out.
//!
//! Invariant: it adds nothing to what the sequencer does; paper and live trading run the same engine over other feeds.

use std::io::Write;
use std::ops::ControlFlow;

use starling_core::{Event, UnixNanos};
use starling_engine::{Engine, EngineError, Strategy, Venue};
use starling_market::feed::{Feed, FeedError, Merge};

use crate::recorder::Recorder;

/// Events between two calls of the progress function.
pub const PROGRESS_EVENTS: u64 = 65_536;

/// Why a backtest did not reach its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BacktestError {
    /// The data cannot be read.
    #[error(transparent)]
    Feed(FeedError),
    /// The engine stopped.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Somebody interrupted it.
    #[error("interrupted after {events} events, at {ts}")]
    Interrupted {
        /// Events consumed.
        events: u64,
        /// The stamp reached.
        ts: UnixNanos,
    },
}

/// Runs an engine over the merge of `feeds` to their end. `progress` is told the number of events and the stamp every
/// [`PROGRESS_EVENTS`] events, and may break the run off.
pub fn run<S: Strategy, V: Venue, W: Write>(
    engine: &mut Engine<S, V, W, Recorder>,
    feeds: Vec<Box<dyn Feed + '_>>,
    mut progress: impl FnMut(u64, UnixNanos) -> ControlFlow<()>,
) -> Result<(), BacktestError> {
    let mut merge = Merge::new(feeds);
    engine.start()?;
    let (mut events, mut told) = (0u64, PROGRESS_EVENTS);
    while let Some(batch) = merge.next_run().map_err(BacktestError::Feed)? {
        for event in batch {
            consume(engine, event)?;
        }
        events += batch.len() as u64;
        if events >= told {
            told = events + PROGRESS_EVENTS;
            let ts = engine.world().now();
            if progress(events, ts).is_break() {
                return Err(BacktestError::Interrupted { events, ts });
            }
        }
    }
    Ok(end(engine)?)
}

/// The data has ended: the engine stops, and the last day is recorded.
pub fn end<S: Strategy, V: Venue, W: Write>(engine: &mut Engine<S, V, W, Recorder>) -> Result<(), EngineError> {
    engine.stop()?;
    let (world, recorder) = engine.world_and_observer();
    recorder.end_day(world, None);
    Ok(())
}

/// Hands one event to a recorded engine, which has been started.
#[inline]
pub fn consume<S: Strategy, V: Venue, W: Write>(
    engine: &mut Engine<S, V, W, Recorder>,
    event: &Event,
) -> Result<(), EngineError> {
    let (world, recorder) = engine.world_and_observer();
    if recorder.day_is_over(event) {
        recorder.end_day(world, Some(event.ts()));
        engine.judge_equity()?;
    }
    engine.world_and_observer().1.note(event);
    engine.on_event(event)
}
