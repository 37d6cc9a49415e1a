//! A set of small numbers that finds its neighbours in three steps.
//!
//! Invariant: a bit of an upper level is set exactly while the word below it is not zero. Words of 64 bits on three
//! levels hold up to 64³ numbers; there is no loop in any operation.

/// The most numbers a [`Bitmap`] holds.
pub(super) const CAPACITY_MAX: usize = 64 * 64 * 64;

#[derive(Debug, Clone)]
pub(super) struct Bitmap {
    words: Vec<u64>,
    groups: Vec<u64>,
    top: u64,
}

impl Bitmap {
    /// For numbers below `capacity`, a multiple of 64.
    pub(super) fn new(capacity: usize) -> Self {
        assert!(
            capacity.is_multiple_of(64) && capacity <= CAPACITY_MAX,
            "a bitmap's capacity is whole words, at most 64^3"
        );
        let words = capacity / 64;
        Self { words: vec![0; words], groups: vec![0; words.div_ceil(64)], top: 0 }
    }

    pub(super) fn clear(&mut self) {
        // Only what is set is visited: clearing a thin book is cheap.
        while self.top != 0 {
            let group = lowest(self.top);
            while self.groups[group] != 0 {
                let word = lowest(self.groups[group]);
                self.words[group * 64 + word] = 0;
                self.groups[group] &= self.groups[group] - 1;
            }
            self.top &= self.top - 1;
        }
    }

    #[inline]
    pub(super) fn insert(&mut self, number: usize) {
        self.words[number / 64] |= bit(number);
        self.groups[number / 4096] |= bit(number / 64);
        self.top |= bit(number / 4096);
    }

    #[inline]
    pub(super) fn remove(&mut self, number: usize) {
        let word = &mut self.words[number / 64];
        *word &= !bit(number);
        if *word == 0 {
            let group = &mut self.groups[number / 4096];
            *group &= !bit(number / 64);
            if *group == 0 {
                self.top &= !bit(number / 4096);
            }
        }
    }

    /// The largest member that is at most `number`.
    #[inline]
    pub(super) fn at_most(&self, number: usize) -> Option<usize> {
        let word = self.words[number / 64] & up_to(number);
        if word != 0 {
            return Some(number / 64 * 64 + highest(word));
        }
        let group = self.groups[number / 4096] & below(number / 64);
        if group != 0 {
            let at = number / 4096 * 64 + highest(group);
            return Some(at * 64 + highest(self.words[at]));
        }
        let top = self.top & below(number / 4096);
        if top == 0 {
            return None;
        }
        let at = highest(top) * 64 + highest(self.groups[highest(top)]);
        Some(at * 64 + highest(self.words[at]))
    }

    /// The smallest member that is at least `number`.
    #[inline]
    pub(super) fn at_least(&self, number: usize) -> Option<usize> {
        let word = self.words[number / 64] & !below(number);
        if word != 0 {
            return Some(number / 64 * 64 + lowest(word));
        }
        let group = self.groups[number / 4096] & !up_to(number / 64);
        if group != 0 {
            let at = number / 4096 * 64 + lowest(group);
            return Some(at * 64 + lowest(self.words[at]));
        }
        let top = self.top & !up_to(number / 4096);
        if top == 0 {
            return None;
        }
        let at = lowest(top) * 64 + lowest(self.groups[lowest(top)]);
        Some(at * 64 + lowest(self.words[at]))
    }
}

const fn bit(number: usize) -> u64 {
    1 << (number % 64)
}
/// The bits below that of `number` in its word.
const fn below(number: usize) -> u64 {
    bit(number) - 1
}
/// The bits below that of `number`, and its own.
const fn up_to(number: usize) -> u64 {
    bit(number) | below(number)
}
const fn highest(word: u64) -> usize {
    63 - word.leading_zeros() as usize
}
const fn lowest(word: u64) -> usize {
    word.trailing_zeros() as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bitmap_answers_like_a_sorted_set(
            size in prop::sample::select(vec![64usize, 128, 4096, 8192, CAPACITY_MAX]),
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..200),
            asked in prop::collection::vec(any::<prop::sample::Index>(), 20),
        ) {
            let (mut map, mut set) = (Bitmap::new(size), BTreeSet::new());
            for (insert, at) in steps {
                let at = at.index(size);
                if insert {
                    map.insert(at);
                    set.insert(at);
                } else {
                    // Hit what is there as often as not.
                    let at = set.range(at..).next().copied().unwrap_or(at);
                    map.remove(at);
                    set.remove(&at);
                }
            }
            for at in asked.iter().map(|a| a.index(size)).chain([0, size - 1]) {
                prop_assert_eq!(map.at_most(at), set.range(..=at).next_back().copied());
                prop_assert_eq!(map.at_least(at), set.range(at..).next().copied());
            }
            map.clear();
            prop_assert_eq!(map.at_least(0), None);
            prop_assert_eq!(map.words.iter().chain(&map.groups).copied().max(), Some(0));
        }
    }
}
