//! Feeds: ordered streams of events, handed over in batches.
//!
//! Invariant: a feed yields events in non-decreasing `ts_recv`. What it reads from is its own business: this module
//! does no I/O.

use std::error::Error;

use starling_core::Event;

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
