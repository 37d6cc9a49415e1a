//! Market data stamp by stamp, as agents are shown it.
//!
//! Invariant: all events of a stamp come together, in the order of the run's merge.

use std::collections::VecDeque;

use starling_core::{Event, UnixNanos};
use starling_market::feed::{Feed, FeedError, Merge};

/// The events of feeds, a stamp at a time.
pub struct Stamps {
    data: Merge<'static>,
    ahead: VecDeque<Event>,
    ended: bool,
}

impl std::fmt::Debug for Stamps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stamps").field("ahead", &self.ahead.len()).field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Stamps {
    /// Of these feeds, the first having priority.
    pub fn new(feeds: impl IntoIterator<Item = impl Feed + 'static>) -> Self {
        let feeds = feeds.into_iter().map(|feed| Box::new(feed) as Box<dyn Feed>).collect();
        Self { data: Merge::new(feeds), ahead: VecDeque::new(), ended: false }
    }

    /// The next stamp and all its events; none at the end.
    ///
    /// # Errors
    /// A feed's own.
    pub fn next_stamp(&mut self) -> Result<Option<(UnixNanos, Vec<Event>)>, FeedError> {
        let whole =
            |ahead: &VecDeque<Event>| ahead.front().is_some_and(|first| ahead.back().map(Event::ts) > Some(first.ts()));
        while !self.ended && !whole(&self.ahead) {
            match self.data.next_run()? {
                Some(run) => self.ahead.extend(run),
                None => self.ended = true,
            }
        }
        let Some(stamp) = self.ahead.front().map(Event::ts) else { return Ok(None) };
        let count = self.ahead.iter().take_while(|event| event.ts() == stamp).count();
        Ok(Some((stamp, self.ahead.drain(..count).collect())))
    }
}
