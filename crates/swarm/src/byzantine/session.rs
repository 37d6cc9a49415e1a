//! When a session of the broadcast ends, and that a batch counts once over all of them.
//!
//! A broadcast's memory grows with every round and every byte, so it runs in sessions of a number of *units*: what a
//! member says in a round, with any number of batches, or none. A session in which many bytes were ordered ends sooner:
//! without that, it holds the more the slower its rounds are and the more is handed in. Members end a session after the
//! same unit, because they count the same order. A batch that was handed in but not ordered when its session ended is
//! handed in again; so it may be ordered twice, and counts the first time.
//!
//! Invariant: what is remembered is at most [`Sessions::AHEAD_MAX`] numbers per origin, however long it runs.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::AgentId;

/// What to do with an ordered batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Carry it out.
    Execute,
    /// It was carried out before.
    Again,
    /// Its origin left too many numbers out before it. No correct member does that, and all refuse it alike.
    Ahead,
    /// Its origin is no member.
    Stranger,
    /// Ordered by a session that has ended, after its end: it must be handed in again.
    Ended,
    /// Of a session that has not begun: the broadcast is ahead of its driver, which must not happen.
    NotBegun,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// Everything below was carried out.
    floor: u64,
    above: BTreeSet<u64>,
}

/// How long a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Length {
    /// Units it has at most.
    pub units: u32,
    /// Bytes of what units carry, after which it is about to end.
    pub bytes: u64,
    /// Units that it has from there on: time to begin the next one.
    pub tail: u32,
}

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    length: Length,
    ordered: u32,
    bytes: u64,
    /// After so many units it ends, as far as is known.
    end: u32,
}

impl Progress {
    /// At its begin; it has one unit at least.
    #[must_use]
    pub fn new(length: Length) -> Self {
        Self { length, ordered: 0, bytes: 0, end: length.units.max(1) }
    }

    /// Units ordered.
    #[must_use]
    pub const fn ordered(&self) -> u32 {
        self.ordered
    }

    /// Units to come: fewer at once when so many bytes were ordered that it is about to end, never more.
    #[must_use]
    pub const fn left(&self) -> u32 {
        self.end - self.ordered
    }

    /// Counts a unit that carries so many bytes; what comes after the last one does not count.
    pub fn count(&mut self, bytes: usize) {
        if self.left() == 0 {
            return;
        }
        self.ordered += 1;
        let before = self.bytes;
        self.bytes = before.saturating_add(bytes as u64);
        if before < self.length.bytes && self.bytes >= self.length.bytes {
            self.end = self.end.min(self.ordered.saturating_add(self.length.tail));
        }
    }
}

/// The count of sessions and batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    current: u64,
    progress: Progress,
    seen: BTreeMap<AgentId, Seen>,
}

impl Sessions {
    /// How far a batch may be ahead of the first missing one of its origin.
    pub const AHEAD_MAX: u64 = 1_024;

    /// Of `members`, each of this length.
    #[must_use]
    pub fn new(length: Length, members: impl IntoIterator<Item = AgentId>) -> Self {
        let seen = members.into_iter().map(|agent| (agent, Seen::default())).collect();
        Self { current: 0, progress: Progress::new(length), seen }
    }

    /// The session whose batches count now.
    #[must_use]
    pub const fn current(&self) -> u64 {
        self.current
    }

    /// The first number of an origin that is not carried out yet: where a restarted origin goes on. None for strangers.
    #[must_use]
    pub fn next_of(&self, origin: AgentId) -> Option<u64> {
        self.seen.get(&origin).map(|seen| seen.floor)
    }

    /// True if the batch was carried out.
    #[must_use]
    pub fn has(&self, origin: AgentId, number: u64) -> bool {
        self.seen.get(&origin).is_some_and(|seen| number < seen.floor || seen.above.contains(&number))
    }

    /// How far the current session is.
    #[must_use]
    pub const fn progress(&self) -> Progress {
        self.progress
    }

    /// Counts a unit of the current session with the bytes it carries, after its batches were admitted: whatever was in
    /// it, also nothing, and also what was refused, so that all members count alike. True if it was the session's last.
    pub fn count(&mut self, bytes: usize) -> bool {
        self.progress.count(bytes);
        let last = self.progress.left() == 0;
        if last {
            self.end();
        }
        last
    }

    /// Ends the current session, for who took its batches from another member.
    pub fn end(&mut self) {
        self.current += 1;
        self.progress = Progress::new(self.progress.length);
    }

    /// Takes the next batch of the order.
    pub fn admit(&mut self, session: u64, origin: AgentId, number: u64) -> Admission {
        if session != self.current {
            return if session < self.current { Admission::Ended } else { Admission::NotBegun };
        }
        let Some(seen) = self.seen.get_mut(&origin) else { return Admission::Stranger };
        if number < seen.floor || seen.above.contains(&number) {
            return Admission::Again;
        }
        if number - seen.floor >= Self::AHEAD_MAX {
            return Admission::Ahead;
        }
        seen.above.insert(number);
        while seen.above.remove(&seen.floor) {
            seen.floor += 1;
        }
        Admission::Execute
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: AgentId = AgentId(1);

    fn of_units(units: u32) -> Length {
        Length { units, bytes: u64::MAX, tail: 1 }
    }

    #[test]
    fn a_session_ends_after_its_last_unit() {
        let mut sessions = Sessions::new(of_units(3), [A]);
        let mut unit = |batches: &[u64]| {
            let admitted: Vec<Admission> = batches.iter().map(|n| sessions.admit(0, A, *n)).collect();
            (admitted, sessions.progress().left(), sessions.count(1))
        };
        assert_eq!(unit(&[0, 1]), (vec![Admission::Execute; 2], 3, false));
        assert_eq!(unit(&[]), (vec![], 2, false));
        assert_eq!(unit(&[2]), (vec![Admission::Execute], 1, true));
        assert_eq!((sessions.current(), sessions.progress().left()), (1, 3));
        assert_eq!(sessions.admit(0, A, 3), Admission::Ended);
        assert_eq!(sessions.admit(2, A, 3), Admission::NotBegun);
        assert_eq!(sessions.next_of(A), Some(3), "the refused one is handed in again");
        assert_eq!(sessions.admit(1, A, 3), Admission::Execute);
    }

    #[test]
    fn strangers_and_numbers_far_ahead_are_refused_and_counted() {
        let mut sessions = Sessions::new(of_units(4), [A]);
        assert_eq!(sessions.admit(0, AgentId(9), 0), Admission::Stranger);
        assert_eq!(sessions.admit(0, A, Sessions::AHEAD_MAX), Admission::Ahead);
        assert_eq!(sessions.admit(0, A, Sessions::AHEAD_MAX - 1), Admission::Execute);
        assert_eq!(sessions.admit(0, A, Sessions::AHEAD_MAX - 1), Admission::Again);
        assert_eq!((sessions.current(), sessions.next_of(AgentId(9))), (0, None));
        assert!(sessions.has(A, Sessions::AHEAD_MAX - 1) && !sessions.has(A, 0) && !sessions.has(AgentId(9), 0));
        sessions.end();
        assert_eq!(sessions.admit(0, A, 0), Admission::Ended);
    }

    /// The unit that brings a session over its bytes leaves it so many units as its tail has, and no more once it is over.
    #[test]
    fn a_session_of_many_bytes_ends_sooner() {
        let mut sessions = Sessions::new(Length { units: 100, bytes: 1_000, tail: 5 }, [A]);
        let mut left = |bytes: usize| {
            let last = sessions.count(bytes);
            (last, sessions.progress().left())
        };
        assert_eq!([left(400), left(599), left(0)], [(false, 99), (false, 98), (false, 97)]);
        assert_eq!(left(1), (false, 5), "a thousand");
        assert_eq!([left(9_000), left(9_000), left(0), left(0)], [4, 3, 2, 1].map(|left| (false, left)));
        assert_eq!(left(0), (true, 100));
        assert_eq!(left(2_000), (false, 5), "the next one counts from nothing");
        // Near its end anyway, bytes do not make it longer.
        let mut near = Progress::new(Length { units: 4, bytes: 10, tail: 5 });
        (0..2).for_each(|_| near.count(0));
        near.count(10);
        assert_eq!((near.ordered(), near.left()), (3, 1));
        (0..3).for_each(|_| near.count(7));
        assert_eq!((near.ordered(), near.left(), near.bytes), (4, 0, 17), "what comes after the last does not count");
    }

    proptest! {
        /// Ordered in any order and as often as it likes, each counts once, and memory stays bounded.
        #[test]
        fn each_batch_counts_once(numbers in prop::collection::vec(0_u64..200, 1..600)) {
            let mut sessions = Sessions::new(of_units(7), [A]);
            let mut executed = BTreeSet::new();
            for number in numbers {
                let session = sessions.current();
                prop_assert_eq!(sessions.has(A, number), executed.contains(&number));
                let fresh = sessions.admit(session, A, number) == Admission::Execute;
                sessions.count(10);
                prop_assert_eq!(fresh, executed.insert(number));
                let seen = &sessions.seen[&A];
                prop_assert!(seen.above.len() as u64 <= Sessions::AHEAD_MAX);
                prop_assert!(!seen.above.contains(&seen.floor));
            }
        }
    }
}
