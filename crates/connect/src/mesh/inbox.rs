//! Where the network's threads leave what came, until the process' own thread reads it.
//!
//! Invariant: bounded for each priority, and none starves (it is a [`Mailbox`]). Who puts waits for room, but not for
//! long: then the newest is dropped and counted.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use starling_swarm::component::Priority;
use starling_swarm::mailbox::Mailbox;

use super::{Count, ProcessId, ROOM_WAIT};

/// What comes.
#[derive(Debug)]
pub(super) enum Item {
    /// A process announces its agents.
    Hello(Vec<u8>),
    /// Frames.
    Datagram { from: ProcessId, bytes: Vec<u8> },
}

#[derive(Debug)]
struct State {
    mail: Mailbox<Item>,
    woken: bool,
    readers: u32,
    writers: u32,
}

#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    came: Condvar,
    room: Condvar,
    overflowed: Count,
}

impl Inbox {
    pub(super) fn new(capacity: usize) -> Self {
        let state = State { mail: Mailbox::new(capacity), woken: false, readers: 0, writers: 0 };
        Self { state: Mutex::new(state), came: Condvar::new(), room: Condvar::new(), overflowed: Count::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, priority: Priority, item: Item) {
        let mut state = self.state();
        let mut refused = state.mail.push(priority, item).err();
        let begun = refused.as_ref().map(|_| Instant::now());
        while let (Some(item), Some(begun)) = (refused.take(), begun) {
            let left = ROOM_WAIT.saturating_sub(begun.elapsed());
            if left.is_zero() {
                self.overflowed.add(1);
                return;
            }
            state.writers += 1;
            state = self.room.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.writers -= 1;
            refused = state.mail.push(priority, item).err();
        }
        let waits = state.readers > 0;
        drop(state);
        if waits {
            self.came.notify_one();
        }
    }

    pub(super) fn pop(&self) -> Option<Item> {
        let mut state = self.state();
        let (_, item) = state.mail.pop()?;
        let waits = state.writers > 0;
        drop(state);
        if waits {
            self.room.notify_all();
        }
        Some(item)
    }

    pub(super) fn len(&self) -> usize {
        self.state().mail.len()
    }

    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed.get()
    }

    pub(super) fn wake(&self) {
        self.state().woken = true;
        self.came.notify_all();
    }

    /// Waits until something is there, or somebody wakes it; false if time was up.
    pub(super) fn wait(&self, at_most: Duration) -> bool {
        let mut state = self.state();
        if state.mail.is_empty() && !state.woken && !at_most.is_zero() {
            state.readers += 1;
            let nothing = |state: &mut State| state.mail.is_empty() && !state.woken;
            let waited = self.came.wait_timeout_while(state, at_most, nothing);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.readers -= 1;
        }
        std::mem::take(&mut state.woken) || !state.mail.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(byte: u8) -> Item {
        Item::Hello(vec![byte])
    }

    #[test]
    fn a_full_inbox_makes_the_writer_wait_a_little_and_then_drops() {
        let inbox = Inbox::new(1);
        inbox.push(Priority::Bulk, hello(1));
        let begun = Instant::now();
        inbox.push(Priority::Bulk, hello(2));
        assert!(begun.elapsed() >= ROOM_WAIT && inbox.overflowed() == 1);
        // Another class has room of its own, and goes first.
        inbox.push(Priority::Critical, hello(3));
        assert!(matches!(inbox.pop(), Some(Item::Hello(bytes)) if bytes == [3]));
        assert!(matches!(inbox.pop(), Some(Item::Hello(bytes)) if bytes == [1]));
        assert!(inbox.pop().is_none());
    }

    #[test]
    fn a_reader_is_woken_by_mail_and_by_name_and_else_by_time() {
        let inbox = Inbox::new(8);
        assert!(!inbox.wait(Duration::from_millis(1)));
        inbox.wake();
        assert!(inbox.wait(Duration::from_secs(60)));
        assert!(!inbox.wait(Duration::from_millis(1)), "a waking counts once");
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| inbox.wait(Duration::from_secs(60)));
            inbox.push(Priority::High, hello(1));
            assert!(reader.join().unwrap());
        });
    }

    #[test]
    fn a_writer_that_waits_goes_on_when_there_is_room() {
        let inbox = Inbox::new(1);
        inbox.push(Priority::High, hello(1));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| inbox.push(Priority::High, hello(2)));
            while inbox.state().writers == 0 && !writer.is_finished() {
                std::thread::yield_now();
            }
            let _ = inbox.pop();
            writer.join().unwrap();
        });
        assert_eq!(inbox.len() as u64 + inbox.overflowed(), 1);
    }
}
