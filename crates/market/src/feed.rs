//! Feeds: ordered streams of events, handed over in batches, and their merge into one order.
//!
//! Invariant: a feed yields events in non-decreasing `ts_recv`. What it reads from is its own business: this module
//! does no I/O.

use std::error::Error;

use starling_core::{Event, UnixNanos};

/// Events a feed hands over at a time, at most.
pub const BATCH_MAX: usize = 4_096;

/// Why a feed stopped: the reader's own error, which names file, line and remedy.
pub type FeedError = Box<dyn Error + Send + Sync>;

/// An ordered stream of events, handed over in batches.
pub trait Feed {
    /// Appends up to [`BATCH_MAX`] events to `out`, in order. Appending none means the end.
    fn fill(&mut self, out: &mut Vec<Event>) -> Result<(), FeedError>;
}

impl<F: Feed + ?Sized> Feed for Box<F> {
    fn fill(&mut self, out: &mut Vec<Event>) -> Result<(), FeedError> {
        (**self).fill(out)
    }
}

impl<F: Feed + ?Sized> Feed for &mut F {
    fn fill(&mut self, out: &mut Vec<Event>) -> Result<(), FeedError> {
        (**self).fill(out)
    }
}

/// A feed from memory: a slice of events already in order.
#[derive(Debug, Clone)]
pub struct SliceFeed<'a> {
    rest: &'a [Event],
}

impl<'a> SliceFeed<'a> {
    /// Over `events`, which must be in order of their stamps.
    #[must_use]
    pub fn new(events: &'a [Event]) -> Self {
        Self { rest: events }
    }
}

impl Feed for SliceFeed<'_> {
    fn fill(&mut self, out: &mut Vec<Event>) -> Result<(), FeedError> {
        let (now, rest) = self.rest.split_at(self.rest.len().min(BATCH_MAX));
        out.extend_from_slice(now);
        self.rest = rest;
        Ok(())
    }
}

/// A feed with the part of it that is in memory.
struct Source<'a> {
    feed: Box<dyn Feed + 'a>,
    batch: Vec<Event>,
    at: usize,
}

impl Source<'_> {
    fn head(&self) -> Option<UnixNanos> {
        self.batch.get(self.at).map(Event::ts)
    }

    fn refill(&mut self) -> Result<(), FeedError> {
        self.batch.clear();
        self.at = 0;
        self.feed.fill(&mut self.batch)
    }
}

/// The merge of any number of feeds, by stamp; ties go to the feed listed first.
///
/// Memory is one batch per feed, whatever the length of the data.
pub struct Merge<'a> {
    sources: Vec<Source<'a>>,
    started: bool,
}

impl<'a> Merge<'a> {
    /// Of these feeds, the first having priority.
    #[must_use]
    pub fn new(feeds: Vec<Box<dyn Feed + 'a>>) -> Self {
        let source = |feed| Source { feed, batch: Vec::new(), at: 0 };
        Self { sources: feeds.into_iter().map(source).collect(), started: false }
    }

    /// The next events that stand together in one feed: never empty, `None` at the end.
    pub fn next_run(&mut self) -> Result<Option<&[Event]>, FeedError> {
        if !self.started {
            self.started = true;
            for source in &mut self.sources {
                source.refill()?;
            }
        }
        for source in &mut self.sources {
            if source.at == source.batch.len() && !source.batch.is_empty() {
                source.refill()?;
            }
        }
        let heads = || self.sources.iter().enumerate().filter_map(|(i, s)| s.head().map(|ts| (ts, i)));
        let Some((_, first)) = heads().min() else { return Ok(None) };
        // The run goes on as long as no other feed has an earlier event, or an equal one and priority.
        let limit = heads().filter(|(_, i)| *i != first).min();
        let source = &mut self.sources[first];
        let from = source.at;
        source.at = match limit {
            None => source.batch.len(),
            Some(limit) => {
                let run = source.batch[from..].iter().take_while(|e| (e.ts(), first) < limit).count();
                from + run
            }
        };
        Ok(Some(&source.batch[from..source.at]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use starling_core::{InstrumentId, Price, Qty, Trade, UnixNanos};

    use super::*;

    fn trade(ts: u64, feed: usize, seq: usize) -> Event {
        Event::Trade(Trade {
            instrument: InstrumentId::from(feed),
            ts_event: UnixNanos::new(ts),
            ts_recv: UnixNanos::new(ts),
            price: Price::ONE,
            size: Qty::ONE,
            aggressor: None,
            trade_id: seq as u64,
        })
    }

    proptest! {
        #[test]
        fn the_merge_is_the_stable_sort(lengths in prop::collection::vec(0usize..9_000, 0..5), step in 1u64..4) {
            let feeds: Vec<Vec<Event>> = lengths
                .iter()
                .enumerate()
                .map(|(f, n)| (0..*n).map(|i| trade(i as u64 / step * (f as u64 + 1), f, i)).collect())
                .collect();
            let mut want: Vec<Event> = feeds.concat();
            want.sort_by_key(Event::ts);
            let boxed = feeds.iter().map(|f| Box::new(SliceFeed::new(f)) as Box<dyn Feed + '_>).collect();
            let mut merge = Merge::new(boxed);
            let mut got = Vec::new();
            while let Some(run) = merge.next_run().unwrap() {
                prop_assert!(!run.is_empty());
                got.extend_from_slice(run);
            }
            prop_assert_eq!(got, want);
        }
    }

    #[test]
    fn a_feed_that_fails_stops_the_merge() {
        struct Broken;
        impl Feed for Broken {
            fn fill(&mut self, _: &mut Vec<Event>) -> Result<(), FeedError> {
                Err("bars.csv:7: truncated".into())
            }
        }
        let mut merge = Merge::new(vec![Box::new(Broken)]);
        assert_eq!(merge.next_run().unwrap_err().to_string(), "bars.csv:7: truncated");
    }
}
