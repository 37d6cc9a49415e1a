//! State that all agents of a swarm share: a map each may write to and all come to agree on.
//!
//! ```text
//!  set ─► own map ─► after a moment: Delta of the changed keys ─► all ─► Ack
//!            ▲                                                             │
//!            │    each interval: Digest (versions, hash) to a few others ◄─┘
//!            └─── Delta of what the digest lacks ◄── Pull ◄── who lacks something
//! ```
//!
//! Each write has a [`Stamp`]: a Lamport version, its writer, and the writer's own count. Of two writes to a key the one
//! with the higher (version, writer) stays, on every agent, in whatever order they come. A [`Versions`] vector says up to
//! which count of each writer the effects of its writes are here, so that two agents know by their vectors what to send.
//!
//! Invariant: once faults stop, all agents have equal vectors and equal hashes. Writes of one agent to one key never go
//! back; nothing orders writes to different keys.
//!
//! A removed key leaves a tombstone, lest an old write bring it back. It is dropped when every known agent is known to
//! have it, and this agent has all they had when they said so: then every write it must beat is known here, and refused
//! as old. Who is gone for good, as membership says, is not waited for, and who is absent for [`Settings::forget`] is
//! forgotten, but only by a majority of the known. Should such an agent's word still come late by way of a third, two
//! agents might differ under equal vectors; their digests show it, and they exchange everything ([`State::repairs`]
//! counts that).
//!
//! A vector comes with its sender's Lamport clock: who has the effects of writes writes above them, also where the
//! writes themselves were overwritten, or removed and forgotten, and did not come along.
//!
//! Not here: agreement before the fact. Two agents that write one key at once both succeed, and one is overwritten; what
//! must be decided once is consensus' business, and so is what must hold though a member lies: here members are believed
//! in all but the count of one's own writes.

mod vector;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;
use starling_core::time::{MILLISECOND, SECOND};

use crate::component::{Component, Outbox, Priority};
use crate::id::AgentId;
pub use vector::Versions;

/// Bytes of a key.
pub const KEY_MAX: usize = 256;
/// Bytes of a value.
pub const VALUE_MAX: usize = 64 << 10;
/// Bytes of the parts a long delta is sent in, about.
pub const PART_BYTES: usize = 256 << 10;
/// Parts of a delta.
pub const PARTS_MAX: u32 = 1 << 14;
/// Deltas of one agent that may come in at once; of more, the oldest is let go, and asked for again by the next digest.
pub const COMING_MAX: usize = 8;

/// A write's place among all writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// One above all its writer had seen (Lamport 1978).
    pub version: u64,
    /// Its writer.
    pub origin: AgentId,
    /// How many its writer had written, itself included.
    pub sequence: u64,
}

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// By whom and when.
    pub stamp: Stamp,
    /// None if it was removed.
    pub value: Option<Vec<u8>>,
}

/// Why a write is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// A key above [`KEY_MAX`].
    #[error("a key of {0} bytes is above {KEY_MAX}")]
    Key(usize),
    /// A value above [`VALUE_MAX`].
    #[error("a value of {0} bytes is above {VALUE_MAX}: divide it, or store it elsewhere and share its name")]
    Value(usize),
    /// No room for another key.
    #[error("{entries} keys are there, removed ones included, of {entries_max} that may be: remove some, and wait")]
    Entries {
        /// How many.
        entries: usize,
        /// The bound.
        entries_max: usize,
    },
    /// No room for so many bytes.
    #[error("{bytes} bytes would be above {bytes_max}: remove some keys")]
    Bytes {
        /// How many it would be.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
}

/// How state is shared; equal on all agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Between digests, nanoseconds.
    pub interval: u64,
    /// How long a change waits for more, nanoseconds.
    pub gather: u64,
    /// After a question, the next to the same agent waits that long, nanoseconds.
    pub repeat: u64,
    /// An absent agent counts no more after that long; more than membership takes to remove one, nanoseconds.
    pub forget: u64,
    /// Keys, removed ones included, above which this agent writes no new one. What others write is always taken.
    pub entries_max: usize,
    /// Bytes of keys and values, likewise.
    pub bytes_max: usize,
}

impl Default for Settings {
    /// A digest each 5 s; changes at once; 16,384 keys, 16 MiB.
    fn default() -> Self {
        Self {
            interval: 5 * SECOND,
            gather: 2 * MILLISECOND,
            repeat: SECOND,
            forget: 300 * SECOND,
            entries_max: 16_384,
            bytes_max: 16 << 20,
        }
    }
}

/// What agents say to each other about their state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// A part of the entries that lead from one vector to another. Whoever has the one has the other after all parts.
    Delta {
        /// The sender's number of it.
        number: u64,
        /// Which part, and of how many.
        part: (u32, u32),
        /// What the receiver must have.
        since: Versions,
        /// What it has then.
        upto: Versions,
        /// At least the version of every write that it has then.
        clock: u64,
        /// Keys and what stands under them.
        entries: Vec<(Vec<u8>, Entry)>,
        /// True to take entries that the receiver's vector calls old, to repair a difference.
        all: bool,
    },
    /// The answer: what the receiver has now.
    Ack(Versions),
    /// What the sender has, and a hash of it.
    Digest {
        /// What it has.
        versions: Versions,
        /// [`State::hash`].
        hash: Hash,
    },
    /// Send what this lacks.
    Pull(Versions),
}

/// What shared state tells its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Another agent's write took effect here.
    Changed {
        /// Where.
        key: Vec<u8>,
        /// By whom.
        origin: AgentId,
    },
}

/// A sum of hashes of keys, stamps and values; equal for equal maps, whatever was removed before. Not made against
/// forgers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hash(pub [u64; 4]);

impl Hash {
    fn of(key: &[u8], entry: &Entry) -> Self {
        let Some(value) = &entry.value else { return Self::default() };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(key.len() as u64).to_le_bytes());
        hasher.update(key);
        hasher.update(&entry.stamp.version.to_le_bytes());
        hasher.update(&entry.stamp.origin.0.to_le_bytes());
        hasher.update(value);
        let bytes = *hasher.finalize().as_bytes();
        let mut lanes = [0; 4];
        for (lane, eight) in lanes.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *lane = u64::from_le_bytes(*eight);
        }
        Self(lanes)
    }

    fn add(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(lane, other)| *lane = lane.wrapping_add(other));
    }

    fn subtract(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(lane, other)| *lane = lane.wrapping_sub(other));
    }
}

/// Another agent, as far as known.
#[derive(Debug, Default)]
struct Peer {
    /// What it surely has.
    has: Versions,
    /// Since when it is absent.
    absent: Option<UnixNanos>,
    /// When it may be asked again.
    ask: Option<UnixNanos>,
    /// Its deltas that are coming, by number, and the parts that came.
    coming: BTreeMap<u64, BTreeMap<u32, Entries>>,
}

type Entries = Vec<(Vec<u8>, Entry)>;

/// One agent's copy of the shared state.
#[derive(Debug)]
pub struct State {
    me: AgentId,
    settings: Settings,
    entries: BTreeMap<Vec<u8>, Entry>,
    bytes: usize,
    hash: Hash,
    versions: Versions,
    clock: u64,
    /// All agents met and not forgotten but this one.
    peers: BTreeMap<AgentId, Peer>,
    /// Keys written here since the last delta to all, and the own count at that.
    changed: BTreeSet<Vec<u8>>,
    told: u64,
    flush: UnixNanos,
    digest: UnixNanos,
    /// To whom the last digest went.
    turn: AgentId,
    deltas: u64,
    repairs: u64,
}

type Out<'a> = &'a mut Outbox<Message>;

impl State {
    /// An empty state.
    #[must_use]
    pub fn new(now: UnixNanos, me: AgentId, settings: Settings) -> Self {
        Self {
            me,
            settings,
            entries: BTreeMap::new(),
            bytes: 0,
            hash: Hash::default(),
            versions: Versions::default(),
            clock: 0,
            peers: BTreeMap::new(),
            changed: BTreeSet::new(),
            told: 0,
            flush: UnixNanos::MAX,
            digest: now,
            turn: me,
            deltas: 0,
            repairs: 0,
        }
    }

    /// What stands under a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.entries.get(key)?.value.as_deref()
    }

    /// All keys and values, in order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + '_ {
        self.entries.iter().filter_map(|(key, entry)| Some((key.as_slice(), entry.value.as_deref()?)))
    }

    /// Keys that were removed and are still remembered.
    #[must_use]
    pub fn tombstones(&self) -> usize {
        self.entries.values().filter(|entry| entry.value.is_none()).count()
    }

    /// Bytes of keys and values.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Equal exactly for equal maps.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// Whose writes are here, up to which count.
    #[must_use]
    pub const fn versions(&self) -> &Versions {
        &self.versions
    }

    /// How often equal vectors had different hashes.
    #[must_use]
    pub const fn repairs(&self) -> u64 {
        self.repairs
    }

    /// True if every present agent is known to have this one's write with that count.
    #[must_use]
    pub fn is_acknowledged(&self, sequence: u64) -> bool {
        let mut present = self.peers.values().filter(|peer| peer.absent.is_none());
        present.all(|peer| peer.has.of(self.me) >= sequence)
    }

    /// Writes a value. Gives the write's count, for [`State::is_acknowledged`].
    ///
    /// # Errors
    /// What has no room is refused and changes nothing.
    pub fn set(&mut self, now: UnixNanos, key: &[u8], value: Vec<u8>) -> Result<u64, Refused> {
        if key.len() > KEY_MAX {
            return Err(Refused::Key(key.len()));
        }
        if value.len() > VALUE_MAX {
            return Err(Refused::Value(value.len()));
        }
        let (entries, entries_max) = (self.entries.len(), self.settings.entries_max);
        let old = self.entries.get(key).map(|entry| weight(key, entry));
        if old.is_none() && entries >= entries_max {
            return Err(Refused::Entries { entries, entries_max });
        }
        let bytes = self.bytes - old.unwrap_or(0) + key.len() + value.len();
        if bytes > self.settings.bytes_max {
            return Err(Refused::Bytes { bytes, bytes_max: self.settings.bytes_max });
        }
        Ok(self.write(now, key, Some(value)))
    }

    /// Removes a key; the write's count, or none if nothing stood there.
    pub fn remove(&mut self, now: UnixNanos, key: &[u8]) -> Option<u64> {
        self.get(key)?;
        Some(self.write(now, key, None))
    }

    fn write(&mut self, now: UnixNanos, key: &[u8], value: Option<Vec<u8>>) -> u64 {
        self.clock = self.clock.saturating_add(1);
        let sequence = self.versions.of(self.me) + 1;
        self.versions.raise(self.me, sequence);
        let stamp = Stamp { version: self.clock, origin: self.me, sequence };
        self.put(key.to_vec(), Entry { stamp, value });
        self.changed.insert(key.to_vec());
        self.flush = self.flush.min(now.saturating_add(self.settings.gather));
        sequence
    }

    fn put(&mut self, key: Vec<u8>, entry: Entry) {
        if let Some(old) = self.entries.get(&key) {
            self.bytes -= weight(&key, old);
            self.hash.subtract(Hash::of(&key, old));
        }
        self.bytes += weight(&key, &entry);
        self.hash.add(Hash::of(&key, &entry));
        self.entries.insert(key, entry);
    }

    /// Takes an entry in, unless what is here is newer or once was.
    fn merge(&mut self, key: Vec<u8>, entry: Entry, all: bool, events: &mut Vec<Event>) {
        let Stamp { version, origin, sequence } = entry.stamp;
        let known = self.versions.of(origin) >= sequence;
        if origin == self.me && !known {
            // Nobody knows of more own writes than this agent.
            return;
        }
        self.clock = self.clock.max(version);
        let newer = self.entries.get(&key).is_none_or(|old| old.stamp < entry.stamp);
        if newer && (all || !known) {
            events.push(Event::Changed { key: key.clone(), origin });
            self.put(key, entry);
        }
    }

    /// Sends what leads an agent from `since` to what is here.
    fn send_since(&mut self, to: AgentId, since: &Versions, all: bool, out: Out<'_>) {
        let lacks = |(key, entry): (&Vec<u8>, &Entry)| {
            let fresh = all || entry.stamp.sequence > since.of(entry.stamp.origin);
            fresh.then(|| (key.clone(), entry.clone()))
        };
        let entries: Entries = self.entries.iter().filter_map(lacks).collect();
        for delta in self.parts(since.clone(), self.versions.clone(), entries, all) {
            out.send(to, Priority::Bulk, delta);
        }
    }

    fn parts(&mut self, since: Versions, upto: Versions, entries: Entries, all: bool) -> Vec<Message> {
        let mut groups: Vec<Entries> = vec![Vec::new()];
        let mut bytes = 0;
        for (key, entry) in entries {
            let more = weight(&key, &entry) + 32;
            if bytes > 0 && bytes + more > PART_BYTES {
                groups.push(Vec::new());
                bytes = 0;
            }
            bytes += more;
            groups.last_mut().expect("one at least").push((key, entry));
        }
        self.deltas += 1;
        let (number, total, clock) = (self.deltas, groups.len() as u32, self.clock);
        let part = |(at, entries): (usize, Entries)| {
            let (since, upto) = (since.clone(), upto.clone());
            Message::Delta { number, part: (at as u32, total), since, upto, clock, entries, all }
        };
        groups.into_iter().enumerate().map(part).collect()
    }

    /// Tells all what was written here.
    fn tell(&mut self, out: Out<'_>) {
        self.flush = UnixNanos::MAX;
        let upto = self.versions.of(self.me);
        // What another has overwritten since goes along, or the claim of having the overwritten would be empty.
        let entry = |key: Vec<u8>| self.entries.get(&key).cloned().map(|entry| (key, entry));
        let entries: Entries = std::mem::take(&mut self.changed).into_iter().filter_map(entry).collect();
        let (since, upto) = (Versions::one(self.me, self.told), Versions::one(self.me, upto));
        self.told = upto.of(self.me);
        if self.peers.values().any(|peer| peer.absent.is_none()) {
            for delta in self.parts(since, upto, entries, false) {
                out.send_all(Priority::Normal, delta);
            }
        }
    }

    /// Another agent; absent until a view names it.
    fn peer(&mut self, now: UnixNanos, agent: AgentId) -> &mut Peer {
        self.peers.entry(agent).or_insert_with(|| Peer { absent: Some(now), ..Peer::default() })
    }

    /// Keeps a part of a delta; all its entries once the last has come.
    fn collect(peer: &mut Peer, number: u64, (part, total): (u32, u32), entries: Entries) -> Option<Entries> {
        if total == 1 {
            return Some(entries);
        }
        if part >= total || total > PARTS_MAX {
            return None;
        }
        let parts = peer.coming.entry(number).or_default();
        parts.insert(part, entries);
        if parts.len() == total as usize {
            return Some(peer.coming.remove(&number)?.into_values().flatten().collect());
        }
        if peer.coming.len() > COMING_MAX {
            peer.coming.pop_first();
        }
        None
    }

    fn send_digest(&self, to: AgentId, out: Out<'_>) {
        out.send(to, Priority::Bulk, Message::Digest { versions: self.versions.clone(), hash: self.hash });
    }

    /// Asks an agent for what is missing here, not too often.
    fn pull(&mut self, now: UnixNanos, from: AgentId, out: Out<'_>) {
        let Some(peer) = self.peers.get_mut(&from) else { return };
        if peer.ask.is_none_or(|ask| ask <= now) {
            peer.ask = Some(now.saturating_add(self.settings.repeat));
            out.send(from, Priority::Bulk, Message::Pull(self.versions.clone()));
        }
    }

    /// Digests to the next few agents in order of their numbers, so that news reach all in a number of rounds that is a
    /// logarithm of theirs.
    fn digests(&mut self, out: Out<'_>) {
        let after = self.peers.range((Bound::Excluded(self.turn), Bound::Unbounded));
        let present = after.chain(self.peers.range(..=self.turn)).filter(|(_, peer)| peer.absent.is_none());
        let few = 2 + self.peers.len().checked_ilog2().unwrap_or(0) as usize;
        let chosen: Vec<AgentId> = present.map(|(agent, _)| *agent).take(few).collect();
        self.turn = chosen.last().copied().unwrap_or(self.me);
        chosen.into_iter().for_each(|agent| self.send_digest(agent, out));
    }

    /// Drops tombstones that no old write can need any more.
    fn sweep(&mut self, now: UnixNanos) {
        let present = 1 + self.peers.values().filter(|peer| peer.absent.is_none()).count();
        if 2 * present > 1 + self.peers.len() {
            let forget = self.settings.forget;
            self.peers.retain(|_, peer| peer.absent.is_none_or(|since| now.since(since) <= forget));
        }
        if !self.peers.values().all(|peer| self.versions.cover(&peer.has)) {
            return;
        }
        let done = |entry: &Entry| {
            let Stamp { origin, sequence, .. } = entry.stamp;
            let mine = self.versions.of(origin) >= sequence;
            entry.value.is_none() && mine && self.peers.values().all(|peer| peer.has.of(origin) >= sequence)
        };
        let dead: Vec<Vec<u8>> =
            self.entries.iter().filter(|(_, entry)| done(entry)).map(|(key, _)| key.clone()).collect();
        dead.iter().filter(|key| !self.changed.contains(*key)).for_each(|key| {
            if let Some(old) = self.entries.remove(key) {
                self.bytes -= weight(key, &old);
            }
        });
    }
}

fn weight(key: &[u8], entry: &Entry) -> usize {
    key.len() + entry.value.as_ref().map_or(0, Vec::len)
}

impl Component for State {
    type Message = Message;
    type Event = Event;

    fn on_message(&mut self, now: UnixNanos, from: AgentId, message: Message, out: Out<'_>, events: &mut Vec<Event>) {
        match message {
            Message::Delta { number, part, since, upto, clock, entries, all } => {
                let peer = self.peer(now, from);
                peer.has.merge(&upto);
                let Some(entries) = Self::collect(peer, number, part, entries) else { return };
                let follows = self.versions.cover(&since) && self.versions.of(self.me) >= upto.of(self.me);
                if !follows && !all {
                    return self.pull(now, from, out);
                }
                for (key, entry) in entries {
                    if key.len() <= KEY_MAX && entry.value.as_ref().is_none_or(|value| value.len() <= VALUE_MAX) {
                        self.merge(key, entry, all, events);
                    }
                }
                if follows {
                    self.versions.merge(&upto);
                    self.clock = self.clock.max(clock);
                    out.send(from, Priority::Bulk, Message::Ack(self.versions.clone()));
                }
            }
            Message::Ack(versions) => self.peer(now, from).has.merge(&versions),
            Message::Digest { versions, hash } => {
                self.peer(now, from).has.merge(&versions);
                if !versions.cover(&self.versions) {
                    self.send_since(from, &versions, false, out);
                }
                if !self.versions.cover(&versions) {
                    self.pull(now, from, out);
                }
                if versions == self.versions && hash != self.hash {
                    self.repairs += 1;
                    self.send_since(from, &versions, true, out);
                }
            }
            Message::Pull(versions) => {
                self.peer(now, from).has.merge(&versions);
                self.send_since(from, &versions, false, out);
            }
        }
    }

    fn on_time(&mut self, now: UnixNanos, out: Out<'_>, _: &mut Vec<Event>) {
        if now >= self.flush {
            self.tell(out);
        }
        if now >= self.digest {
            self.digest = now.saturating_add(self.settings.interval.max(1));
            self.sweep(now);
            self.digests(out);
        }
    }

    fn next_due(&self) -> UnixNanos {
        self.flush.min(self.digest)
    }

    fn on_members(&mut self, now: UnixNanos, members: &[AgentId], out: Out<'_>, _: &mut Vec<Event>) {
        for (agent, peer) in &mut self.peers {
            if members.binary_search(agent).is_err() {
                peer.absent.get_or_insert(now);
            }
        }
        let mut new = Vec::new();
        let me = self.me;
        for &member in members.iter().filter(|&&member| member != me) {
            let peer = self.peer(now, member);
            if peer.absent.take().is_some() {
                peer.ask = None;
                new.push(member);
            }
        }
        // Who comes, or comes back, is likely to lack something, or to have it. At a founding all are empty.
        if !self.versions.is_empty() || members.len() > new.len() + 1 {
            new.into_iter().for_each(|member| self.send_digest(member, out));
        }
    }

    fn on_gone(&mut self, _: UnixNanos, agent: AgentId, _: Out<'_>, _: &mut Vec<Event>) {
        self.peers.remove(&agent);
    }
}

#[cfg(test)]
mod tests;
