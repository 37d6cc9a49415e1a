//! When a session of the broadcast ends, and that a batch counts once over all of them.
//!
//! A broadcast's memory grows with every round, so it runs in sessions of a fixed number of *units*: what a member says in
//! a round, with any number of batches, or none. Members end a session after the same unit, because they count the same
//! order. A batch that was handed in but not ordered when its session ended is handed in again; so it may be ordered
//! twice, and counts the first time.
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

/// The count of sessions and batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    current: u64,
    /// Units ordered in it.
    ordered: u32,
    /// Units a session has.
    length: u32,
    seen: BTreeMap<AgentId, Seen>,
}

impl Sessions {
    /// How far a batch may be ahead of the first missing one of its origin.
    pub const AHEAD_MAX: u64 = 1_024;

    /// Of `members`, with `length` units each (at least one).
    #[must_use]
    pub fn new(length: u32, members: impl IntoIterator<Item = AgentId>) -> Self {
        let seen = members.into_iter().map(|agent| (agent, Seen::default())).collect();
        Self { current: 0, ordered: 0, length: length.max(1), seen }
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

    /// Units that the current session will order yet.
    #[must_use]
    pub const fn left(&self) -> u32 {
        self.length - self.ordered
    }

    /// Counts a unit of the current session, after its batches were admitted: whatever was in it, also nothing, and also
    /// what was refused, so that all members count alike. True if it was the session's last.
    pub const fn count(&mut self) -> bool {
        self.ordered += 1;
        let last = self.ordered == self.length;
        if last {
            self.end();
        }
        last
    }

    /// Ends the current session, for who took its batches from another member.
    pub const fn end(&mut self) {
        (self.current, self.ordered) = (self.current + 1, 0);
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

    #[test]
    fn a_session_ends_after_its_last_unit() {
        let mut sessions = Sessions::new(3, [A]);
        let mut unit = |batches: &[u64]| {
            let admitted: Vec<Admission> = batches.iter().map(|n| sessions.admit(0, A, *n)).collect();
            (admitted, sessions.left(), sessions.count())
        };
        assert_eq!(unit(&[0, 1]), (vec![Admission::Execute; 2], 3, false));
        assert_eq!(unit(&[]), (vec![], 2, false));
        assert_eq!(unit(&[2]), (vec![Admission::Execute], 1, true));
        assert_eq!((sessions.current(), sessions.left()), (1, 3));
        assert_eq!(sessions.admit(0, A, 3), Admission::Ended);
        assert_eq!(sessions.admit(2, A, 3), Admission::NotBegun);
        assert_eq!(sessions.next_of(A), Some(3), "the refused one is handed in again");
        assert_eq!(sessions.admit(1, A, 3), Admission::Execute);
    }

    #[test]
    fn strangers_and_numbers_far_ahead_are_refused_and_counted() {
        let mut sessions = Sessions::new(4, [A]);
        assert_eq!(sessions.admit(0, AgentId(9), 0), Admission::Stranger);
        assert_eq!(sessions.admit(0, A, Sessions::AHEAD_MAX), Admission::Ahead);
        assert_eq!(sessions.admit(0, A, Sessions::AHEAD_MAX - 1), Admission::Execute);
        assert_eq!(sessions.admit(0, A, Sessions::AHEAD_MAX - 1), Admission::Again);
        assert_eq!((sessions.current(), sessions.next_of(AgentId(9))), (0, None));
        assert!(sessions.has(A, Sessions::AHEAD_MAX - 1) && !sessions.has(A, 0) && !sessions.has(AgentId(9), 0));
        sessions.end();
        assert_eq!(sessions.admit(0, A, 0), Admission::Ended);
    }

    proptest! {
        /// Ordered in any order and as often as it likes, each counts once, and memory stays bounded.
        #[test]
        fn each_batch_counts_once(numbers in prop::collection::vec(0_u64..200, 1..600)) {
            let mut sessions = Sessions::new(7, [A]);
            let mut executed = BTreeSet::new();
            for number in numbers {
                let session = sessions.current();
                prop_assert_eq!(sessions.has(A, number), executed.contains(&number));
                let fresh = sessions.admit(session, A, number) == Admission::Execute;
                sessions.count();
                prop_assert_eq!(fresh, executed.insert(number));
                let seen = &sessions.seen[&A];
                prop_assert!(seen.above.len() as u64 <= Sessions::AHEAD_MAX);
                prop_assert!(!seen.above.contains(&seen.floor));
            }
        }
    }
}
