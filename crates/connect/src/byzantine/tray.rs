//! What was ordered and is not read yet.
//!
//! Invariant: an agent that does not read stops its node's intake once [`UNREAD_MAX`] bytes wait, not the other members;
//! it falls behind and catches up later.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use starling_swarm::byzantine::{Item, Key};
use tokio::sync::Notify;

use super::Event;

/// Bytes of items that wait to be read before the node takes nothing in.
pub const UNREAD_MAX: usize = 32 << 20;

#[derive(Debug, Default)]
pub(super) struct Tray {
    events: Mutex<VecDeque<Event>>,
    came: Condvar,
    bytes: AtomicUsize,
    left: Notify,
}

fn weight(event: &Event) -> usize {
    let keys = |item: &Item| size_of::<Key>() * (item.reads.len() + item.writes.len());
    let item = |item: &Item| 96 + keys(item) + item.payload.len();
    match event {
        Event::Batch { batch, .. } => 64 + batch.items.iter().map(item).sum::<usize>(),
        _ => 64,
    }
}

impl Tray {
    fn events(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, event: Event) {
        self.bytes.fetch_add(weight(&event), Ordering::Relaxed);
        self.events().push_back(event);
        self.came.notify_one();
    }

    /// The next, waited for at most so long.
    pub(super) fn next(&self, at_most: Duration) -> Option<Event> {
        let events = self.events();
        let waited = self.came.wait_timeout_while(events, at_most, |events| events.is_empty());
        let (mut events, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let event = events.pop_front()?;
        let before = self.bytes.fetch_sub(weight(&event), Ordering::Relaxed);
        if before > UNREAD_MAX {
            self.left.notify_waiters();
        }
        Some(event)
    }

    pub(super) fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) <= UNREAD_MAX
    }

    /// Waits until there is room.
    pub(super) async fn room(&self) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            // Registered before it looks, so that what is read in between is not missed.
            left.as_mut().enable();
            if self.has_room() {
                return;
            }
            left.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use starling_swarm::byzantine::Batch;
    use starling_swarm::id::AgentId;

    #[test]
    fn it_holds_up_who_fills_it_until_somebody_reads() {
        let tray = Tray::default();
        let payload = vec![0; UNREAD_MAX / 2];
        let items = vec![Item { reads: Vec::new(), writes: Vec::new(), payload }];
        let batch = Batch { origin: AgentId(1), number: 0, items };
        tray.put(Event::Batch { session: 0, batch: batch.clone() });
        assert!(tray.room().now_or_never().is_some());
        tray.put(Event::Batch { session: 0, batch });
        let mut room = Box::pin(tray.room());
        assert!(room.as_mut().now_or_never().is_none() && !tray.has_room());
        assert!(tray.next(Duration::ZERO).is_some());
        assert!(room.now_or_never().is_some());
        assert!(tray.next(Duration::ZERO).is_some() && tray.next(Duration::ZERO).is_none());
    }

    /// Two bytes of a batch may be a key, which takes sixteen.
    #[test]
    fn keys_take_room_too() {
        let tray = Tray::default();
        let keys = vec![Key::Instrument(0); UNREAD_MAX / size_of::<Key>() / 4];
        let item = Item { reads: keys.clone(), writes: keys, payload: Vec::new() };
        let event = Event::Batch { session: 0, batch: Batch { origin: AgentId(1), number: 0, items: vec![item] } };
        tray.put(event.clone());
        assert!(tray.has_room());
        tray.put(event);
        assert!(!tray.has_room());
    }
}
