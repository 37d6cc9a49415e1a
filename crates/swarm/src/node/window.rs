//! Which sequences of one origin have arrived, in bounded memory.
//!
//! Invariant: each sequence is fresh once. Below the floor nothing is fresh, [`WINDOW`] and more above it neither, so a
//! window holds at most [`WINDOW`] bits; an origin that keeps less than that many open loses nothing.

use std::collections::VecDeque;

/// How many sequences an origin may have open at once.
pub const WINDOW: u64 = 1024;

/// The sequences of one origin.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// Every sequence below is settled. A multiple of 64.
    base: u64,
    floor: u64,
    seen: VecDeque<u64>,
}

impl Window {
    /// True the first time `sequence` comes, unless it lies outside of the window above `floor`.
    pub fn take(&mut self, sequence: u64, floor: u64) -> bool {
        self.floor = self.floor.max(floor);
        while self.floor - self.base >= 64 && !self.seen.is_empty() {
            self.seen.pop_front();
            self.base += 64;
        }
        if self.seen.is_empty() {
            self.base = self.floor - self.floor % 64;
        }
        if sequence < self.floor || sequence - self.floor >= WINDOW {
            return false;
        }
        let at = sequence - self.base;
        let (word, bit) = ((at / 64) as usize, 1_u64 << (at % 64));
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let fresh = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_sequence_is_fresh_once_and_only_within_the_window(
            steps in prop::collection::vec((0_u64..1_500, 0_u64..60), 0..300), start in 0_u64..200
        ) {
            let (mut window, mut had) = (Window::default(), BTreeSet::new());
            let mut floor = start;
            for (ahead, rise) in steps {
                floor += rise;
                let sequence = (floor + ahead).saturating_sub(200);
                let inside = sequence >= floor && sequence < floor + WINDOW;
                prop_assert_eq!(window.take(sequence, floor), inside && had.insert(sequence));
                prop_assert!(window.seen.len() as u64 <= WINDOW / 64 + 1);
            }
        }
    }

    #[test]
    fn a_forged_floor_cannot_fill_memory() {
        let mut window = Window::default();
        assert!(window.take(u64::MAX, u64::MAX - 3));
        assert!(!window.take(u64::MAX, 0) && !window.take(5, 0));
        assert_eq!(window.seen.len(), 1);
    }
}
