//! The Byzantine mode's half without I/O: what is ordered, what the order means, and when a session ends.
//!
//! An [`AtomicBroadcast`] hands the same batches in the same order to all correct members while less than a third lie;
//! how it does that (a DAG of signed units, elsewhere) is its own. This module makes the order useful: [`Sessions`]
//! admits each batch once over all sessions with bounded memory, [`execute`] runs a batch in parallel *waves* with the
//! result of running it item by item, and a [`Checkpoint`] that a quorum signed lets who missed a session take its
//! batches from anybody.
//!
//! Invariant: everything here is a function of the ordered batches, so it is equal at all correct members. A wave holds
//! no two items that conflict: both name a key, and one of them writes it. Items see the store as it was before their
//! wave and may touch declared keys only, and of two items that conflict the earlier is in the earlier wave; so each item
//! sees exactly what it would have seen in the serial order.
//!
//! Not here: threads. Who has some implements [`Workers`].

mod checkpoint;
mod session;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::AgentId;
use crate::identity::Transcript;
pub use checkpoint::{BadCheckpoint, Certified, Checkpoint, quorum};
pub use session::{Admission, Length, Progress, Sessions};

/// Items a batch may have.
pub const ITEMS_MAX: usize = 4_096;
/// Bytes a batch may have as it is ordered.
pub const BATCH_BYTES_MAX: usize = 128 * 1024;
/// Keys an item may name.
pub const KEYS_MAX: usize = 64;
/// Bytes an item may carry.
pub const ITEM_BYTES_MAX: usize = 64 * 1024;

/// What items conflict over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Key {
    /// An instrument's position and book.
    Instrument(u32),
    /// An order.
    Order(u64),
    /// Any other piece of shared state.
    State(u64),
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Keys it only reads. Two that read the same do not conflict.
    pub reads: Vec<Key>,
    /// Keys it writes, and may read.
    pub writes: Vec<Key>,
    /// What it does, in the words of whoever executes it.
    pub payload: Vec<u8>,
}

/// Items of one agent, ordered as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Whose.
    pub origin: AgentId,
    /// The origin's count, from 0, without gaps.
    pub number: u64,
    /// In the order they take effect.
    pub items: Vec<Item>,
}

/// A batch's hash: what is ordered, where whole batches would be too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BatchId(pub [u8; 32]);

/// Why a batch is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadBatch {
    /// Too many items.
    #[error("a batch of {0} items is above {ITEMS_MAX}: send several")]
    Items(usize),
    /// Too many bytes.
    #[error("a batch of {0} bytes is above {BATCH_BYTES_MAX}: send several")]
    Bytes(usize),
    /// The broadcast takes no more for now.
    #[error("{0} batches wait to be ordered: produce slower")]
    Full(usize),
    /// It cannot be kept, or the broadcast has stopped.
    #[error("the broadcast has stopped: see what it said last, and open it again")]
    Stopped,
}

/// Gives the same batches in the same order to all correct members.
pub trait AtomicBroadcast {
    /// Hands items in, to be ordered as one batch of this member, and returns the batch's number. It comes back from
    /// [`Self::poll`] at every correct member, once.
    ///
    /// # Errors
    /// [`BadBatch`].
    fn submit(&mut self, items: &[Item]) -> Result<u64, BadBatch>;

    /// The next batch of the common order, with the session that ordered it.
    fn poll(&mut self) -> Option<(u64, Batch)>;
}

impl Batch {
    /// Checks the number of items; what is wrong with one item is the item's own misfortune, see [`execute`].
    ///
    /// # Errors
    /// [`BadBatch::Items`].
    pub const fn check(&self) -> Result<(), BadBatch> {
        if self.items.len() > ITEMS_MAX { Err(BadBatch::Items(self.items.len())) } else { Ok(()) }
    }

    /// Its hash, over every byte.
    #[must_use]
    pub fn id(&self) -> BatchId {
        let mut transcript = Transcript::new("batch");
        transcript.bytes(&postcard::to_allocvec(self).expect("a batch is plain data"));
        BatchId(transcript.digest())
    }
}

/// Why an item had no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// It read a key that it did not declare.
    #[error("the item reads {0:?} without having declared it")]
    UndeclaredRead(Key),
    /// It wrote a key that it did not declare to write.
    #[error("the item writes {0:?} without having declared it")]
    UndeclaredWrite(Key),
    /// Too many keys or bytes.
    #[error("the item names {keys} keys and carries {bytes} bytes: {KEYS_MAX} and {ITEM_BYTES_MAX} are allowed")]
    TooLarge {
        /// How many keys.
        keys: usize,
        /// How many bytes.
        bytes: usize,
    },
    /// The rule refuses it.
    #[error("refused: {0}")]
    Refused(String),
}

/// The shared state. A missing key and an empty value are different things.
pub type Store = BTreeMap<Key, Vec<u8>>;

/// What one item sees, and what it changes.
#[derive(Debug)]
pub struct Access<'a> {
    store: &'a Store,
    item: &'a Item,
    written: BTreeMap<Key, Vec<u8>>,
}

impl Access<'_> {
    /// The item.
    #[must_use]
    pub const fn item(&self) -> &Item {
        self.item
    }

    /// The value of a declared key, with the item's own changes.
    ///
    /// # Errors
    /// [`Invalid::UndeclaredRead`].
    pub fn read(&self, key: Key) -> Result<Option<&[u8]>, Invalid> {
        if !self.item.reads.contains(&key) && !self.item.writes.contains(&key) {
            return Err(Invalid::UndeclaredRead(key));
        }
        Ok(self.written.get(&key).or_else(|| self.store.get(&key)).map(Vec::as_slice))
    }

    /// Writes a key declared for writing. Takes effect only if the whole item holds.
    ///
    /// # Errors
    /// [`Invalid::UndeclaredWrite`].
    pub fn write(&mut self, key: Key, value: Vec<u8>) -> Result<(), Invalid> {
        if !self.item.writes.contains(&key) {
            return Err(Invalid::UndeclaredWrite(key));
        }
        self.written.insert(key, value);
        Ok(())
    }
}

/// What an item does. Must depend on nothing but what it reads through [`Access`].
pub trait Rule: Sync {
    /// Carries an item out.
    ///
    /// # Errors
    /// [`Invalid`]: the item has no effect at all, the rest of its batch has.
    fn apply(&self, access: &mut Access<'_>) -> Result<(), Invalid>;
}

/// What came of an item: what it wrote, or why it had no effect.
pub type Effect = Result<BTreeMap<Key, Vec<u8>>, Invalid>;

/// Runs independent jobs, in any order or at once.
pub trait Workers {
    /// `job(0) .. job(count - 1)`, their answers in order.
    fn map(&self, count: usize, job: &(dyn Fn(usize) -> Effect + Sync)) -> Vec<Effect>;
}

/// One after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Inline;

impl Workers for Inline {
    fn map(&self, count: usize, job: &(dyn Fn(usize) -> Effect + Sync)) -> Vec<Effect> {
        (0..count).map(job).collect()
    }
}

/// The items' places by wave. An item's wave is one after the last wave with an earlier item that it conflicts with, so
/// there are as many waves as the longest chain of conflicts is long.
#[must_use]
pub fn waves(items: &[Item]) -> Vec<Vec<usize>> {
    /// The last waves in which a key was written and read, counted from 1.
    #[derive(Clone, Copy, Default)]
    struct Last {
        write: usize,
        read: usize,
    }
    let mut last: BTreeMap<Key, Last> = BTreeMap::new();
    let mut waves: Vec<Vec<usize>> = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let at = |key: &Key| last.get(key).copied().unwrap_or_default();
        let after_writes = item.reads.iter().map(|key| at(key).write).max().unwrap_or(0);
        let after_all = item.writes.iter().map(|key| at(key).write.max(at(key).read)).max().unwrap_or(0);
        let wave = after_writes.max(after_all);
        for key in &item.reads {
            let last = last.entry(*key).or_default();
            last.read = last.read.max(wave + 1);
        }
        for key in &item.writes {
            last.entry(*key).or_default().write = wave + 1;
        }
        if wave == waves.len() {
            waves.push(Vec::new());
        }
        waves[wave].push(place);
    }
    waves
}

/// Carries a batch out, wave by wave, and says what came of each item, in order. Equal to carrying the items out one by
/// one, whatever the workers.
pub fn execute(
    store: &mut Store,
    items: &[Item],
    rule: &impl Rule,
    workers: &impl Workers,
) -> Vec<Result<(), Invalid>> {
    let mut outcomes = vec![Ok(()); items.len()];
    for wave in waves(items) {
        let seen: &Store = store;
        let effects = workers.map(wave.len(), &|place| carry_out(seen, &items[wave[place]], rule));
        assert_eq!(effects.len(), wave.len(), "an effect per item");
        for (place, effect) in wave.into_iter().zip(effects) {
            match effect {
                Ok(written) => store.extend(written),
                Err(why) => outcomes[place] = Err(why),
            }
        }
    }
    outcomes
}

fn carry_out(store: &Store, item: &Item, rule: &impl Rule) -> Effect {
    let (keys, bytes) = (item.reads.len() + item.writes.len(), item.payload.len());
    if keys > KEYS_MAX || bytes > ITEM_BYTES_MAX {
        return Err(Invalid::TooLarge { keys, bytes });
    }
    let mut access = Access { store, item, written: BTreeMap::new() };
    rule.apply(&mut access)?;
    Ok(access.written)
}

/// True if the order of the two matters: both name a key, and one of them writes it.
#[must_use]
pub fn conflict(one: &Item, other: &Item) -> bool {
    let written: BTreeSet<&Key> = one.writes.iter().collect();
    let named: BTreeSet<&Key> = one.reads.iter().chain(&one.writes).collect();
    other.writes.iter().any(|key| named.contains(key)) || other.reads.iter().any(|key| written.contains(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes to each of its keys a hash of all it reads and of its payload; payloads that begin with 0 are refused after
    /// they wrote, those with 1 read, and those with 2 write, what they did not declare.
    struct Mix;

    impl Rule for Mix {
        fn apply(&self, access: &mut Access<'_>) -> Result<(), Invalid> {
            let item = access.item().clone();
            let mut transcript = Transcript::new("mix");
            transcript.bytes(&item.payload);
            for key in item.reads.iter().chain(&item.writes) {
                transcript.bytes(access.read(*key)?.unwrap_or(b"none"));
            }
            for key in &item.writes {
                access.write(*key, transcript.digest().to_vec())?;
            }
            match item.payload.first() {
                Some(0) => Err(Invalid::Refused("zero".into())),
                Some(1) => access.read(Key::State(u64::MAX)).map(drop),
                Some(2) => access.write(Key::State(u64::MAX), Vec::new()),
                _ => Ok(()),
            }
        }
    }

    /// On threads, as many as items.
    struct Threads;

    impl Workers for Threads {
        fn map(&self, count: usize, job: &(dyn Fn(usize) -> Effect + Sync)) -> Vec<Effect> {
            std::thread::scope(|scope| {
                let handles: Vec<_> = (0..count).map(|place| scope.spawn(move || job(place))).collect();
                handles.into_iter().map(|handle| handle.join().expect("no panic")).collect()
            })
        }
    }

    fn serial(store: &mut Store, items: &[Item]) -> Vec<Result<(), Invalid>> {
        let mut one = |item: &Item| carry_out(store, item, &Mix).map(|written| store.extend(written));
        items.iter().map(&mut one).collect()
    }

    fn any_item() -> impl Strategy<Value = Item> {
        let key = || {
            (0_u8..3, 0_u8..6).prop_map(|(kind, number)| match kind {
                0 => Key::Instrument(number.into()),
                1 => Key::Order(number.into()),
                _ => Key::State(number.into()),
            })
        };
        let keys = || prop::collection::vec(key(), 0..4);
        (keys(), keys(), prop::collection::vec(0_u8..40, 1..4)).prop_map(|(reads, writes, payload)| Item {
            reads,
            writes,
            payload,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn parallel_is_serial(items in prop::collection::vec(any_item(), 0..130)) {
            let (mut one, mut other) = (Store::new(), Store::new());
            let expected = serial(&mut one, &items);
            prop_assert_eq!(execute(&mut other, &items, &Mix, &Inline), expected);
            prop_assert_eq!(one, other);
        }

        #[test]
        fn waves_keep_the_order_of_conflicts_and_are_as_few_as_can_be(items in prop::collection::vec(any_item(), 0..60)) {
            let waves = waves(&items);
            let wave_of = |place: usize| waves.iter().position(|wave| wave.contains(&place)).unwrap();
            prop_assert_eq!(waves.iter().map(Vec::len).sum::<usize>(), items.len());
            for later in 0..items.len() {
                let before = (0..later).filter(|&earlier| conflict(&items[earlier], &items[later]));
                let chain = before.map(|earlier| wave_of(earlier) + 1).max().unwrap_or(0);
                prop_assert_eq!(wave_of(later), chain, "item {}", later);
            }
        }
    }

    #[test]
    fn threads_change_nothing() {
        let key = |n: u64| Key::State(n % 7);
        let item = |n: u64| Item { reads: vec![key(n * 3)], writes: vec![key(n)], payload: vec![n as u8] };
        let items: Vec<Item> = (0..200).map(item).collect();
        let (mut one, mut other) = (Store::new(), Store::new());
        assert_eq!(execute(&mut one, &items, &Mix, &Threads), serial(&mut other, &items));
        assert_eq!(one, other);
    }

    #[test]
    fn a_batch_has_a_limit_and_a_name() {
        let item = Item { reads: Vec::new(), writes: Vec::new(), payload: Vec::new() };
        let batch = |items: usize, number| Batch { origin: AgentId(1), number, items: vec![item.clone(); items] };
        assert_eq!(batch(ITEMS_MAX, 0).check(), Ok(()));
        assert_eq!(batch(ITEMS_MAX + 1, 0).check(), Err(BadBatch::Items(ITEMS_MAX + 1)));
        assert_eq!(batch(1, 0).id(), batch(1, 0).id());
        assert!(batch(1, 0).id() != batch(1, 1).id() && batch(1, 0).id() != batch(2, 0).id());
    }

    #[test]
    fn readers_do_not_conflict_and_writers_do() {
        let key = Key::Instrument(1);
        let read = Item { reads: vec![key], writes: Vec::new(), payload: vec![9] };
        let write = Item { reads: Vec::new(), writes: vec![key], payload: vec![9] };
        assert!(!conflict(&read, &read) && conflict(&read, &write) && conflict(&write, &read));
        let items = vec![read.clone(), read.clone(), read.clone(), write.clone(), write, read.clone(), read];
        assert_eq!(waves(&items), [vec![0, 1, 2], vec![3], vec![4], vec![5, 6]]);
    }

    #[test]
    fn one_invalid_item_never_aborts_its_batch() {
        let item = |first: u8| Item { reads: Vec::new(), writes: vec![Key::Order(1)], payload: vec![first] };
        let long = Item { payload: vec![9; ITEM_BYTES_MAX + 1], ..item(9) };
        let wide = Item { reads: vec![Key::Order(1); KEYS_MAX], ..item(9) };
        let items = vec![item(9), item(0), item(1), item(2), long, wide, item(8)];
        let mut store = Store::new();
        let outcomes = execute(&mut store, &items, &Mix, &Inline);
        let undeclared = Key::State(u64::MAX);
        let expected = [
            Ok(()),
            Err(Invalid::Refused("zero".into())),
            Err(Invalid::UndeclaredRead(undeclared)),
            Err(Invalid::UndeclaredWrite(undeclared)),
            Err(Invalid::TooLarge { keys: 1, bytes: ITEM_BYTES_MAX + 1 }),
            Err(Invalid::TooLarge { keys: KEYS_MAX + 1, bytes: 1 }),
            Ok(()),
        ];
        assert_eq!(outcomes, expected);
        let mut without = Store::new();
        execute(&mut without, &[item(9), item(8)], &Mix, &Inline);
        assert_eq!(store, without, "an invalid item leaves no trace");
    }
}
