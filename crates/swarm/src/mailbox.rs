//! A queue of four priorities: bounded, and nobody starves.
//!
//! Invariant: while all classes wait, each round of [`ROUND`] items takes [`SHARES`] of each; a class that has nothing
//! to say leaves its share to the others. Within a class the order is that of arrival.

use std::collections::VecDeque;

use crate::component::Priority;

/// Items of each class in a round, the most urgent class first.
pub const SHARES: [u32; 4] = [8, 4, 2, 1];
/// Items in a round while every class waits.
pub const ROUND: u32 = SHARES[0] + SHARES[1] + SHARES[2] + SHARES[3];

/// A bounded queue of four priorities.
#[derive(Debug, Clone)]
pub struct Mailbox<T> {
    classes: [VecDeque<T>; 4],
    left: [u32; 4],
    capacity: usize,
}

impl<T> Mailbox<T> {
    /// An empty box for `capacity` items of each class. It takes no memory before the first.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { classes: [const { VecDeque::new() }; 4], left: SHARES, capacity }
    }

    /// Puts an item behind those of its class.
    ///
    /// # Errors
    /// The item, if its class is full: the sender must wait.
    pub fn push(&mut self, priority: Priority, item: T) -> Result<(), T> {
        let class = &mut self.classes[priority as usize];
        if class.len() == self.capacity {
            return Err(item);
        }
        class.push_back(item);
        Ok(())
    }

    /// Puts an item that was just taken back to where it was, also above the capacity.
    pub fn put_back(&mut self, priority: Priority, item: T) {
        self.classes[priority as usize].push_front(item);
        let left = &mut self.left[priority as usize];
        *left = (*left + 1).min(SHARES[priority as usize]);
    }

    /// Takes the next item.
    pub fn pop(&mut self) -> Option<(Priority, T)> {
        for _ in 0..2 {
            for priority in Priority::ALL {
                let at = priority as usize;
                if self.left[at] > 0
                    && let Some(item) = self.classes[at].pop_front()
                {
                    self.left[at] -= 1;
                    return Some((priority, item));
                }
            }
            self.left = SHARES;
        }
        None
    }

    /// Gives back the memory that more items took than wait now.
    pub fn shrink_to_fit(&mut self) {
        self.classes.iter_mut().for_each(VecDeque::shrink_to_fit);
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.classes.iter().map(VecDeque::len).sum()
    }

    /// True if none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.iter().all(VecDeque::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_class_gets_its_share_while_all_wait() {
        let mut mailbox = Mailbox::new(1_000);
        for item in 0..1_000 {
            for priority in Priority::ALL {
                mailbox.push(priority, item).unwrap();
            }
        }
        let mut taken = [0; 4];
        for _ in 0..10 * ROUND {
            taken[mailbox.pop().unwrap().0 as usize] += 1;
        }
        assert_eq!(taken, [80, 40, 20, 10]);
    }

    #[test]
    fn a_flood_of_critical_messages_lets_bulk_through_within_a_round() {
        let mut mailbox = Mailbox::new(100);
        mailbox.push(Priority::Bulk, 0).unwrap();
        for _ in 0..100 {
            mailbox.push(Priority::Critical, 1).unwrap();
        }
        let bulk = (0..).find(|_| mailbox.pop().unwrap().0 == Priority::Bulk).unwrap();
        assert_eq!(bulk, SHARES[0]);
    }

    #[test]
    fn a_full_class_gives_the_item_back_and_leaves_the_others_open() {
        let mut mailbox = Mailbox::new(1);
        mailbox.push(Priority::High, 1).unwrap();
        assert_eq!(mailbox.push(Priority::High, 2), Err(2));
        mailbox.push(Priority::Bulk, 3).unwrap();
        assert_eq!(mailbox.len(), 2);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_classes_keep_their_order(
            items in prop::collection::vec((0_usize..4, any::<bool>()), 0..200)
        ) {
            let mut mailbox = Mailbox::new(usize::MAX);
            let mut out: [Vec<usize>; 4] = Default::default();
            let mut put: [Vec<usize>; 4] = Default::default();
            for (at, (class, pop)) in items.into_iter().enumerate() {
                mailbox.push(Priority::ALL[class], at).unwrap();
                put[class].push(at);
                if pop {
                    let (priority, item) = mailbox.pop().unwrap();
                    mailbox.put_back(priority, item);
                    let (again, same) = mailbox.pop().unwrap();
                    prop_assert_eq!((again, same), (priority, item));
                    out[priority as usize].push(item);
                }
            }
            while let Some((priority, item)) = mailbox.pop() {
                out[priority as usize].push(item);
            }
            prop_assert_eq!(out, put);
        }
    }
}
