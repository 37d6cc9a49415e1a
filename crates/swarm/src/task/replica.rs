//! The coordinator's log, copied to the keepers: the Raft algorithm (Ongaro and Ousterhout 2014; terms, elections, log
//! matching, commitment of the own term only), with keepers that change one at a time (Ongaro's dissertation, 4.1 to 4.3).
//!
//! Invariant: two keepers that applied the entry with index i applied the same entry; asserted where a log would have to
//! be cut below its commit index. Progress needs a majority of the keepers of the time, living or not.
//!
//! Who keeps stands in the log, and counts from the moment it is in one's log, committed or not. A leader changes it by
//! one agent, once the change before is committed and so is an entry of its own term: so majorities of two sets that
//! are in use at once share a keeper. Only who is gone for good is taken out, whom nobody hears any more; so nobody stands
//! for election who does not know that it keeps no more, and without it a majority of the others is no smaller.
//!
//! A keeper that died never comes back under its number, so nothing is written to a disk. Election timeouts are spread by
//! a hash of agent and term instead of chance. Keepers may die, be slow and be cut off; they are trusted not to lie.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;

use crate::id::AgentId;

/// Entries kept for keepers that lag; who lags more is sent the whole table.
pub const LOG_MAX: usize = 4096;
/// Bytes of entries kept, by their weight; above, the leader proposes nothing.
pub const LOG_BYTES_MAX: usize = 32 << 20;
/// Entries of the own term that wait for a majority; above, the leader proposes nothing.
pub const UNCOMMITTED_MAX: u64 = 1024;
/// Bytes of entries in a message, by their weight; a single entry may be heavier.
const BATCH_BYTES: usize = 256 << 10;
/// Bytes of a table's part.
const PART_BYTES: usize = 256 << 10;
/// Parts of a table: 4 GiB, far above what its own bounds allow.
const PARTS_MAX: u32 = 1 << 14;
/// Heartbeats from one sending of the table to the next, if the follower says nothing.
const TABLE_PAUSE: u32 = 16;

/// What can stand in the log.
pub(super) trait Entry {
    /// About how many bytes it takes.
    fn weight(&self) -> usize;

    /// Who keeps from here on, if this changes it.
    fn keepers(&self) -> Option<&Keepers>;
}

/// Who keeps the log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Keepers {
    /// How often it was changed.
    pub version: u64,
    /// Them, in order.
    pub agents: Vec<AgentId>,
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Place {
    /// The term it was written in: the order of logs compares this first.
    pub term: u64,
    /// Counted from 1.
    pub index: u64,
}

/// What keepers say to each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Say<Op> {
    /// The leader's entries after `previous`; none for a heartbeat.
    Append {
        /// The leader's term.
        term: u64,
        /// The entry before the first.
        previous: Place,
        /// Terms and operations.
        entries: Vec<(u64, Op)>,
        /// Up to which index a majority has the log.
        commit: u64,
    },
    /// The answer: up to which index the logs are equal, or from where to try again.
    Appended {
        /// The follower's term.
        term: u64,
        /// Equal up to here, or not equal and where they surely are.
        matched: Result<u64, u64>,
    },
    /// A candidate asks for a vote.
    Canvass {
        /// The candidate's term.
        term: u64,
        /// The end of its log.
        last: Place,
    },
    /// The answer.
    Vote {
        /// The voter's term.
        term: u64,
        /// Yes or no.
        granted: bool,
    },
    /// A part of the leader's table, for a follower whose place in the log is gone.
    Part {
        /// The leader's term.
        term: u64,
        /// What the table holds.
        at: Place,
        /// Which part, and of how many.
        part: (u32, u32),
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// A follower as its leader sees it.
#[derive(Debug, Clone, Copy)]
struct Follower {
    next: u64,
    matched: u64,
    waiting: bool,
    /// Heartbeats until the whole table may be sent again.
    pause: u32,
}

#[derive(Debug)]
enum Role {
    Follower,
    Candidate(BTreeSet<AgentId>),
    Leader(BTreeMap<AgentId, Follower>),
}

/// A keeper's copy of the log.
#[derive(Debug)]
pub(super) struct Replica<Op> {
    me: AgentId,
    /// From which index on, and who: the latest that is committed and those after it. Never empty.
    keepers: Vec<(u64, Keepers)>,
    members: BTreeSet<AgentId>,
    heartbeat: u64,
    election: u64,
    term: u64,
    voted: Option<AgentId>,
    role: Role,
    leader: Option<AgentId>,
    /// The last entry that is no longer kept.
    base: Place,
    entries: VecDeque<(u64, Op)>,
    /// Their weight.
    bytes: usize,
    commit: u64,
    applied: u64,
    due: UnixNanos,
    say: Vec<(AgentId, Say<Op>)>,
    /// Followers that need the whole table.
    lagging: BTreeSet<AgentId>,
    parts: Option<(Place, Vec<Option<Vec<u8>>>)>,
    installed: Option<Vec<u8>>,
}

/// A hash of agent and term that spreads elections (the finaliser of SplitMix64).
const fn spread(agent: AgentId, term: u64) -> u64 {
    let z = (agent.0 as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ term.wrapping_mul(0xd1b5_4a32_d192_ed03);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Keepers {
    /// Those that begin.
    pub(super) fn first(agents: &[AgentId]) -> Self {
        let mut agents = agents.to_vec();
        agents.sort_unstable();
        Self { version: 0, agents }
    }
}

impl<Op: Clone + Entry> Replica<Op> {
    pub(super) fn new(now: UnixNanos, me: AgentId, keepers: &[AgentId], heartbeat: u64, election: u64) -> Self {
        let mut new = Self {
            me,
            members: keepers.iter().copied().collect(),
            keepers: vec![(0, Keepers::first(keepers))],
            heartbeat: heartbeat.max(1),
            election: election.max(1),
            term: 0,
            voted: None,
            role: Role::Follower,
            leader: None,
            base: Place::default(),
            entries: VecDeque::new(),
            bytes: 0,
            commit: 0,
            applied: 0,
            due: UnixNanos::MAX,
            say: Vec::new(),
            lagging: BTreeSet::new(),
            parts: None,
            installed: None,
        };
        if new.is_keeper() {
            // The first need not wait: nobody leads yet.
            let first = keepers.iter().min() == Some(&me);
            new.due = if first { now } else { now.saturating_add(new.timeout()) };
        }
        new
    }

    /// Who keeps, as far as this log goes.
    pub(super) fn keepers(&self) -> &Keepers {
        &self.keepers.last().expect("somebody keeps").1
    }

    pub(super) fn keeps(&self, agent: AgentId) -> bool {
        self.keepers().agents.binary_search(&agent).is_ok()
    }

    pub(super) fn is_keeper(&self) -> bool {
        self.keeps(self.me)
    }

    /// True if the keepers may be changed: it leads, and a majority of both sets knows who keeps now.
    pub(super) fn may_change(&self) -> bool {
        self.is_leading() && self.keepers.last().is_some_and(|(index, _)| *index <= self.commit)
    }

    /// A table has replaced what the log said before, who keeps too.
    pub(super) fn adopt(&mut self, keepers: Keepers) {
        self.keepers = vec![(self.base.index, keepers)];
    }

    pub(super) const fn term(&self) -> u64 {
        self.term
    }

    pub(super) const fn leader(&self) -> Option<AgentId> {
        self.leader
    }

    /// True if it leads and has applied all that earlier leaders committed.
    pub(super) fn is_leading(&self) -> bool {
        self.is_leader() && self.applied == self.commit && self.is_open()
    }

    /// True if an entry of its term is known to be committed: whoever leads the term coordinates.
    pub(super) fn is_open(&self) -> bool {
        self.place(self.commit).is_some_and(|place| place.term == self.term)
    }

    pub(super) const fn next_due(&self) -> UnixNanos {
        self.due
    }

    pub(super) fn take_say(&mut self) -> Vec<(AgentId, Say<Op>)> {
        std::mem::take(&mut self.say)
    }

    /// The bytes of a table that replaces the own one.
    pub(super) const fn take_installed(&mut self) -> Option<Vec<u8>> {
        self.installed.take()
    }

    /// The next operation to apply.
    pub(super) fn pop_committed(&mut self) -> Option<Op> {
        if self.applied >= self.commit || self.installed.is_some() {
            return None;
        }
        self.applied += 1;
        let op = self.entries[(self.applied - self.base.index - 1) as usize].1.clone();
        if self.entries.len() > LOG_MAX || self.bytes > LOG_BYTES_MAX / 2 {
            self.compact();
        }
        Some(op)
    }

    /// True if there is something to apply.
    pub(super) const fn has_committed(&self) -> bool {
        self.applied < self.commit
    }

    /// True if it was elected.
    pub(super) const fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// True if it was elected and its term has no entry yet, without which it can commit nothing (Raft, 5.4.2 and 8).
    pub(super) fn wants_opening(&self) -> bool {
        self.is_leader() && self.last().term < self.term
    }

    /// Followers that need the whole table; answer with [`Replica::send_table`].
    pub(super) fn take_lagging(&mut self) -> BTreeSet<AgentId> {
        std::mem::take(&mut self.lagging)
    }

    /// Sends the table as it is after all that was popped.
    pub(super) fn send_table(&mut self, to: AgentId, bytes: &[u8]) {
        let at = self.place(self.applied).expect("what was applied last is kept, or is the base");
        let count = bytes.len().div_ceil(PART_BYTES).max(1);
        let total = u32::try_from(count).expect("a table of less than a pebibyte");
        for part in 0..count {
            let bytes = bytes[part * PART_BYTES..bytes.len().min((part + 1) * PART_BYTES)].to_vec();
            self.say.push((to, Say::Part { term: self.term, at, part: (part as u32, total), bytes }));
        }
    }

    /// Forgets applied entries, but for the later half of [`LOG_MAX`] and a quarter of [`LOG_BYTES_MAX`].
    fn compact(&mut self) {
        while (self.entries.len() > LOG_MAX / 2 || self.bytes > LOG_BYTES_MAX / 4) && self.base.index < self.applied {
            let (term, op) = self.entries.pop_front().expect("what was applied last is kept, or is the base");
            self.bytes -= op.weight();
            self.base = Place { term, index: self.base.index + 1 };
        }
    }

    fn push(&mut self, term: u64, op: Op) {
        self.bytes += op.weight();
        let keepers = op.keepers().cloned();
        self.entries.push_back((term, op));
        let Some(keepers) = keepers else { return };
        let committed = self.keepers.iter().rposition(|(index, _)| *index <= self.commit).unwrap_or(0);
        self.keepers.drain(..committed);
        let last = self.last().index;
        if let Role::Leader(followers) = &mut self.role {
            let fresh = Follower { next: last + 1, matched: 0, waiting: false, pause: 0 };
            followers.retain(|agent, _| keepers.agents.contains(agent));
            for &agent in &keepers.agents {
                followers.entry(agent).or_insert(fresh);
            }
        }
        self.keepers.push((last, keepers));
    }

    fn last(&self) -> Place {
        let index = self.base.index + self.entries.len() as u64;
        Place { term: self.entries.back().map_or(self.base.term, |(term, _)| *term), index }
    }

    fn place(&self, index: u64) -> Option<Place> {
        if index == self.base.index {
            return Some(self.base);
        }
        let at = index.checked_sub(self.base.index + 1)?;
        self.entries.get(usize::try_from(at).ok()?).map(|(term, _)| Place { term: *term, index })
    }

    fn timeout(&self) -> u64 {
        self.election + spread(self.me, self.term) % self.election
    }

    fn majority(&self) -> usize {
        self.keepers().agents.len() / 2 + 1
    }

    fn step_down(&mut self, now: UnixNanos, term: u64) {
        if term > self.term {
            self.term = term;
            self.voted = None;
            self.leader = None;
        }
        if !matches!(self.role, Role::Follower) {
            self.role = Role::Follower;
            self.due = now.saturating_add(self.timeout());
        }
        self.lagging.clear();
    }

    /// Who of the keepers lives. An election follows the leader's death soon.
    pub(super) fn on_members(&mut self, now: UnixNanos, members: &[AgentId]) {
        self.members = members.iter().copied().collect();
        if self.is_keeper()
            && let Some(leader) = self.leader
            && leader != self.me
            && !self.members.contains(&leader)
        {
            self.leader = None;
            self.due = self.due.min(now.saturating_add(spread(self.me, self.term) % self.election));
        }
    }

    pub(super) fn on_time(&mut self, now: UnixNanos) {
        if !self.is_keeper() {
            // It votes, and is told; it does not stand.
            self.due = UnixNanos::MAX;
        }
        if now < self.due {
            return;
        }
        if matches!(self.role, Role::Leader(_)) {
            self.due = now.saturating_add(self.heartbeat);
            for keeper in self.others() {
                if let Role::Leader(followers) = &mut self.role
                    && let Some(follower) = followers.get_mut(&keeper)
                {
                    follower.pause = follower.pause.saturating_sub(1);
                }
                self.append(keeper);
            }
            return;
        }
        self.term += 1;
        self.voted = Some(self.me);
        self.leader = None;
        self.role = Role::Candidate(BTreeSet::from([self.me]));
        self.due = now.saturating_add(self.timeout());
        let (term, last) = (self.term, self.last());
        for keeper in self.others() {
            self.say.push((keeper, Say::Canvass { term, last }));
        }
        self.count_votes(now);
    }

    fn others(&self) -> Vec<AgentId> {
        let lives = |keeper: &AgentId| *keeper != self.me && self.members.contains(keeper);
        self.keepers().agents.iter().copied().filter(lives).collect()
    }

    fn count_votes(&mut self, now: UnixNanos) {
        let Role::Candidate(votes) = &self.role else { return };
        if votes.iter().filter(|voter| self.keeps(**voter)).count() < self.majority() {
            return;
        }
        let follower = Follower { next: self.last().index + 1, matched: 0, waiting: false, pause: 0 };
        self.role = Role::Leader(self.keepers().agents.iter().map(|&keeper| (keeper, follower)).collect());
        self.leader = Some(self.me);
        self.due = now;
    }

    /// True if the leader's own term has room for more.
    pub(super) fn has_room(&self) -> bool {
        self.is_leader() && self.last().index - self.commit < UNCOMMITTED_MAX && self.bytes < LOG_BYTES_MAX
    }

    /// Appends an operation; gives it back unless this keeper leads and has room.
    pub(super) fn propose(&mut self, op: Op) -> Result<(), Op> {
        if !self.has_room() {
            return Err(op);
        }
        self.open(op);
        Ok(())
    }

    /// Appends an operation of a leader, in the bounds or not.
    pub(super) fn open(&mut self, op: Op) {
        self.push(self.term, op);
        for keeper in self.others() {
            if let Role::Leader(followers) = &self.role
                && !followers[&keeper].waiting
            {
                self.append(keeper);
            }
        }
        self.advance();
    }

    /// Sends a follower what it lacks.
    fn append(&mut self, to: AgentId) {
        let base = self.base.index;
        let Role::Leader(followers) = &mut self.role else { return };
        let follower = followers.get_mut(&to).expect("every keeper is a follower");
        follower.waiting = true;
        let next = follower.next;
        if next <= base && follower.pause == 0 {
            follower.pause = TABLE_PAUSE;
            self.lagging.insert(to);
        }
        let Some(previous) = self.place(next - 1) else {
            // A sign of life at the beginning of all logs, where nobody disagrees.
            let (term, previous, commit) = (self.term, Place::default(), 0);
            self.say.push((to, Say::Append { term, previous, entries: Vec::new(), commit }));
            return;
        };
        let mut weight = 0;
        let from = (next - self.base.index - 1) as usize;
        let batch = self.entries.iter().skip(from).take_while(|(_, op)| {
            let first = weight == 0;
            weight += op.weight().max(1);
            first || weight <= BATCH_BYTES
        });
        let entries = batch.cloned().collect();
        self.say.push((to, Say::Append { term: self.term, previous, entries, commit: self.commit }));
    }

    /// Commits what a majority has, if the leader's own term reaches so far (Raft, 5.4.2).
    fn advance(&mut self) {
        let last = self.last().index;
        let Role::Leader(followers) = &self.role else { return };
        let me = self.me;
        let reached = |(keeper, follower): (&AgentId, &Follower)| if *keeper == me { last } else { follower.matched };
        let mut matched: Vec<u64> = followers.iter().map(reached).collect();
        matched.sort_unstable_by(|a, b| b.cmp(a));
        let index = matched[self.majority() - 1];
        if index > self.commit && self.place(index).is_some_and(|place| place.term == self.term) {
            self.commit = index;
        }
    }

    pub(super) fn on_say(&mut self, now: UnixNanos, from: AgentId, say: Say<Op>) {
        if from == self.me {
            return;
        }
        let (Say::Append { term, .. }
        | Say::Appended { term, .. }
        | Say::Canvass { term, .. }
        | Say::Vote { term, .. }
        | Say::Part { term, .. }) = say;
        if term > self.term {
            self.step_down(now, term);
        }
        match say {
            Say::Append { previous, entries, commit, .. } => {
                let matched = if term < self.term { Err(0) } else { self.follow(now, from, previous, entries, commit) };
                self.say.push((from, Say::Appended { term: self.term, matched }));
            }
            Say::Part { at, part, bytes, .. } if term == self.term => {
                self.heed(now, from);
                if let Some(index) = self.collect(at, part, bytes) {
                    self.say.push((from, Say::Appended { term, matched: Ok(index) }));
                }
            }
            Say::Appended { matched, .. } if term == self.term => self.appended(from, matched),
            Say::Canvass { last, .. } => {
                let free = self.voted.is_none_or(|voted| voted == from);
                let granted = term == self.term && free && last >= self.last();
                if granted {
                    self.voted = Some(from);
                    self.due = now.saturating_add(self.timeout());
                }
                self.say.push((from, Say::Vote { term: self.term, granted }));
            }
            Say::Vote { granted: true, .. } if term == self.term => {
                if let Role::Candidate(votes) = &mut self.role {
                    votes.insert(from);
                }
                self.count_votes(now);
                if self.is_leader() {
                    self.on_time(now);
                }
            }
            Say::Part { .. } | Say::Appended { .. } | Say::Vote { .. } => {}
        }
    }

    /// The leader of this term has spoken.
    fn heed(&mut self, now: UnixNanos, leader: AgentId) {
        assert!(!matches!(self.role, Role::Leader(_)), "two leaders in one term");
        self.role = Role::Follower;
        if self.leader != Some(leader) {
            // Its table may end before the one its predecessor did not finish sending.
            self.parts = None;
        }
        self.leader = Some(leader);
        self.due = now.saturating_add(self.timeout());
    }

    fn follow(
        &mut self,
        now: UnixNanos,
        from: AgentId,
        previous: Place,
        mut entries: Vec<(u64, Op)>,
        commit: u64,
    ) -> Result<u64, u64> {
        self.heed(now, from);
        let end = previous.index + entries.len() as u64;
        if end <= self.base.index {
            // Applied long ago.
            return Ok(end);
        }
        let mut index = previous.index;
        if index < self.base.index {
            entries.drain(..(self.base.index - index) as usize);
            index = self.base.index;
        } else if self.place(index) != Some(previous) {
            return Err(self.commit.min(index.saturating_sub(1)));
        }
        for (term, op) in entries {
            index += 1;
            match self.place(index) {
                Some(place) if place.term == term => continue,
                Some(_) => {
                    assert!(index > self.commit, "a leader contradicts what a majority has");
                    let kept = (index - self.base.index - 1) as usize;
                    self.bytes -= self.entries.drain(kept..).map(|(_, op)| op.weight()).sum::<usize>();
                    self.keepers.retain(|(since, _)| *since < index);
                }
                None => {}
            }
            self.push(term, op);
        }
        self.commit = self.commit.max(commit.min(end));
        Ok(end)
    }

    /// Keeps a part of a table; the index of the whole once that is there, or was already.
    fn collect(&mut self, at: Place, (part, total): (u32, u32), bytes: Vec<u8>) -> Option<u64> {
        if at.index <= self.commit || self.place(at.index) == Some(at) {
            // The log says as much; what follows in it may have been acknowledged, and stays (Raft, 7).
            self.commit = self.commit.max(at.index);
            return Some(at.index);
        }
        if total == 0 || total > PARTS_MAX || self.parts.as_ref().is_some_and(|(held, _)| *held > at) {
            return None;
        }
        if self.parts.as_ref().is_none_or(|(held, parts)| *held != at || parts.len() != total as usize) {
            self.parts = Some((at, vec![None; total as usize]));
        }
        let (_, parts) = self.parts.as_mut()?;
        *parts.get_mut(part as usize)? = Some(bytes);
        if parts.iter().any(Option::is_none) {
            return None;
        }
        let (_, parts) = self.parts.take()?;
        self.installed = Some(parts.into_iter().flatten().flatten().collect());
        self.entries.clear();
        self.bytes = 0;
        self.base = at;
        self.commit = at.index;
        self.applied = at.index;
        // The table says who keeps now.
        self.keepers.truncate(1);
        Some(at.index)
    }

    fn appended(&mut self, from: AgentId, matched: Result<u64, u64>) {
        let last = self.last().index;
        let Role::Leader(followers) = &mut self.role else { return };
        // Who keeps no more may still answer.
        let Some(follower) = followers.get_mut(&from) else { return };
        follower.waiting = false;
        match matched {
            Ok(index) => {
                follower.matched = follower.matched.max(index);
                follower.next = follower.next.max(follower.matched + 1);
            }
            Err(hint) => follower.next = follower.matched.max(hint) + 1,
        }
        // Who needs the whole table waits for it, at the pace of heartbeats.
        let (next, base) = (follower.next, self.base.index);
        if next > base && next <= last && self.members.contains(&from) {
            self.append(from);
        }
        self.advance();
    }
}
