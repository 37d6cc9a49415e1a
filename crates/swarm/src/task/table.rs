//! The task table: what the keepers' log says about every task. A pure function of the operations applied.
//!
//! Invariant: a task is open, or finished with one outcome, and never goes back. Each grant of a task has a token, one
//! above the last; only the result of the last token counts, once. So a task may run twice (its first worker was taken
//! for dead), but it is done once.
//!
//! The table knows no clock and no members: times and choices stand in the operations.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;

use super::replica::{Entry, Keepers};
use super::{Cause, Outcome, Refusal, Task, TaskKey, cycle};
use crate::id::AgentId;

/// Finished tasks whose keys are remembered: a key that is submitted anew later runs again.
pub const FINISHED_MAX: usize = 65_536;
/// Bytes of results and errors that are remembered; the oldest fade first ([`Outcome::Faded`]; an error's words), their
/// keys stay.
pub const FINISHED_BYTES_MAX: usize = 16 << 20;
/// How often a task may lose its worker before it is taken for the reason.
pub const LOSSES_MAX: u8 = 16;

/// What the keepers agree on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// A new coordinator begins.
    Open,
    /// Tasks come in together or not at all.
    Admit {
        /// For whom.
        by: AgentId,
        /// The submitter's number of the batch.
        batch: u64,
        /// The tasks.
        tasks: Vec<Task>,
        /// How many may be open.
        open_max: u32,
    },
    /// A task goes to a worker, from nobody or, stolen, from the holder of the last token.
    Assign {
        /// The task.
        key: TaskKey,
        /// The last token when this was decided.
        seen: u32,
        /// To whom.
        to: AgentId,
    },
    /// A task goes to the best of a quorum's bids.
    Award {
        /// The task.
        key: TaskKey,
        /// The last token when this was decided.
        seen: u32,
        /// How many agents' answers decide.
        quorum: u32,
        /// All answers; none for an abstention.
        bids: Vec<(AgentId, Option<u16>)>,
    },
    /// An attempt ended.
    Settle {
        /// The task.
        key: TaskKey,
        /// The attempt's token.
        token: u32,
        /// Who ran it.
        by: AgentId,
        /// What came of it.
        result: Result<Vec<u8>, String>,
        /// Not to be tried again before.
        again: UnixNanos,
    },
    /// An attempt is given up: its lease ran out, or its worker died or does not know of it.
    Release {
        /// The task.
        key: TaskKey,
        /// The attempt's token.
        token: u32,
        /// Not to be tried again before.
        again: UnixNanos,
    },
    /// The task's deadline is past.
    Expire(TaskKey),
    /// Others keep the table from here on.
    Keepers(Keepers),
}

impl Entry for Op {
    fn keepers(&self) -> Option<&Keepers> {
        if let Self::Keepers(keepers) = self { Some(keepers) } else { None }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Admit { tasks, .. } => 32 + tasks.iter().map(Task::weight).sum::<usize>(),
            Self::Award { bids, .. } => 32 + 8 * bids.len(),
            Self::Settle { result: Ok(bytes), .. } => 48 + bytes.len(),
            Self::Settle { result: Err(why), .. } => 48 + why.len(),
            Self::Keepers(keepers) => 32 + 4 * keepers.agents.len(),
            _ => 32,
        }
    }
}

/// What an operation brought about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A batch is in.
    Admitted {
        /// Whose.
        by: AgentId,
        /// Which.
        batch: u64,
    },
    /// A batch is not.
    Refused {
        /// Whose.
        by: AgentId,
        /// Which.
        batch: u64,
        /// Why.
        why: Refusal,
    },
    /// A task has a worker.
    Granted {
        /// The task.
        key: TaskKey,
        /// The worker.
        to: AgentId,
        /// The attempt.
        token: u32,
        /// Who had it.
        from: Option<AgentId>,
    },
    /// A task waits again.
    Released {
        /// The task.
        key: TaskKey,
        /// Who had it.
        from: AgentId,
        /// The attempt that is over.
        token: u32,
    },
    /// A task is finished.
    Done {
        /// The task.
        key: TaskKey,
        /// Who submitted it.
        submitter: AgentId,
        /// How.
        outcome: Outcome,
    },
    /// A result is answered; `counted` if it changed the table.
    Answered {
        /// The task.
        key: TaskKey,
        /// Whose result.
        by: AgentId,
        /// The attempt.
        token: u32,
        /// True if it was the result that counts.
        counted: bool,
    },
}

/// Where an open task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// So many tasks before it are open.
    Blocked(u32),
    /// It may run from then on.
    Ready(UnixNanos),
    /// An agent has it.
    Leased(AgentId),
}

/// An open task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The task.
    pub task: Task,
    /// Who wants it done.
    pub submitter: AgentId,
    /// Where it stands.
    pub state: State,
    /// The last grant; 0 for none yet.
    pub token: u32,
    /// Attempts that ended in an error.
    pub failures: u8,
    /// Attempts that lost their worker.
    pub losses: u8,
}

/// A finished task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Who wanted it done.
    pub submitter: AgentId,
    fingerprint: [u8; 16],
    /// How it ended.
    pub outcome: Outcome,
}

/// The task table.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Table {
    open: BTreeMap<TaskKey, Open>,
    finished: BTreeMap<TaskKey, Finished>,
    /// In order of finishing.
    order: VecDeque<TaskKey>,
    /// How many of the first of those have faded.
    faded: usize,
    finished_bytes: usize,
    /// Tasks ever finished, forgotten ones included.
    count: u64,
    /// Who keeps it; nobody, as long as those do that the settings name.
    keepers: Keepers,
    #[serde(skip)]
    ready: BTreeSet<(UnixNanos, TaskKey)>,
    #[serde(skip)]
    leased: BTreeMap<AgentId, BTreeSet<TaskKey>>,
    /// Who waits for an open task, by key: a copy by bytes must end them in the same order as the table it was taken from.
    #[serde(skip)]
    after: BTreeMap<TaskKey, BTreeSet<TaskKey>>,
    #[serde(skip)]
    deadlines: BTreeSet<(UnixNanos, TaskKey)>,
}

/// Spreads equal bids over agents, differently for each task (the finaliser of SplitMix64).
const fn lot(key: TaskKey, agent: AgentId) -> u64 {
    let z = key.0 ^ (agent.0 as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The best of the bids: the highest, and among equals the one a hash of task and agent picks.
#[must_use]
pub fn best_bid(key: TaskKey, bids: &[(AgentId, Option<u16>)]) -> Option<AgentId> {
    let made = bids.iter().filter_map(|(agent, bid)| bid.map(|bid| (bid, lot(key, *agent), *agent)));
    made.max().map(|(_, _, agent)| agent)
}

impl Table {
    /// Who keeps it, if that was ever changed.
    #[must_use]
    pub fn keepers(&self) -> Option<&Keepers> {
        (self.keepers.version > 0).then_some(&self.keepers)
    }

    /// An open task.
    #[must_use]
    pub fn open(&self, key: TaskKey) -> Option<&Open> {
        self.open.get(&key)
    }

    /// A finished task, while it is remembered.
    #[must_use]
    pub fn finished(&self, key: TaskKey) -> Option<&Finished> {
        self.finished.get(&key)
    }

    /// What identifies the content of a known task.
    fn fingerprint(&self, key: TaskKey) -> Option<[u8; 16]> {
        let open = self.open.get(&key).map(|open| open.task.fingerprint());
        open.or_else(|| self.finished.get(&key).map(|finished| finished.fingerprint))
    }

    /// True if this very task is open or finished.
    #[must_use]
    pub fn knows(&self, task: &Task) -> bool {
        self.fingerprint(task.key) == Some(task.fingerprint())
    }

    /// Open tasks.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Tasks ever finished.
    #[must_use]
    pub const fn finished_count(&self) -> u64 {
        self.count
    }

    /// The finished ones that are remembered, in order of finishing.
    pub fn finished_keys(&self) -> impl Iterator<Item = TaskKey> + '_ {
        self.order.iter().copied()
    }

    /// Tasks that may run at `now`, those longest ready first.
    pub fn ready(&self, now: UnixNanos) -> impl Iterator<Item = &Open> + '_ {
        self.ready.range(..=(now, TaskKey(u64::MAX))).map(|(_, key)| &self.open[key])
    }

    /// When, after that time, the next task becomes ready or late.
    #[must_use]
    pub fn next_due(&self, after: UnixNanos) -> UnixNanos {
        let later = (after.saturating_add(1), TaskKey(0));
        let ready = self.ready.range(later..).next();
        let late = self.deadlines.range(later..).next();
        ready.into_iter().chain(late).map(|(at, _)| *at).min().unwrap_or(UnixNanos::MAX)
    }

    /// Open tasks whose deadline is past.
    pub fn late(&self, now: UnixNanos) -> impl Iterator<Item = TaskKey> + '_ {
        self.deadlines.range(..=(now, TaskKey(u64::MAX))).map(|(_, key)| *key)
    }

    /// Who has which tasks.
    pub fn leases(&self) -> impl Iterator<Item = (AgentId, &Open)> + '_ {
        self.leased.iter().flat_map(|(agent, keys)| keys.iter().map(|key| (*agent, &self.open[key])))
    }

    /// How many tasks an agent has.
    #[must_use]
    pub fn held_by(&self, agent: AgentId) -> usize {
        self.leased.get(&agent).map_or(0, BTreeSet::len)
    }

    /// The table's bytes, equal exactly for equal tables.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("plain data")
    }

    /// The table of these bytes; none if they are no table.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut table: Self = postcard::from_bytes(bytes).ok()?;
        let keys: Vec<TaskKey> = table.open.keys().copied().collect();
        for key in keys {
            let open = &table.open[&key];
            for &before in open.task.after.iter().filter(|before| table.open.contains_key(before)) {
                table.after.entry(before).or_default().insert(key);
            }
            table.index(key);
        }
        Some(table)
    }

    /// Enters a task into the indices of its state.
    fn index(&mut self, key: TaskKey) {
        let open = &self.open[&key];
        if open.task.deadline != UnixNanos::MAX {
            self.deadlines.insert((open.task.deadline, key));
        }
        match open.state {
            State::Blocked(_) => {}
            State::Ready(from) => {
                self.ready.insert((from, key));
            }
            State::Leased(agent) => {
                self.leased.entry(agent).or_default().insert(key);
            }
        }
    }

    fn unindex(&mut self, key: TaskKey) {
        let open = &self.open[&key];
        self.deadlines.remove(&(open.task.deadline, key));
        match open.state {
            State::Blocked(_) => {}
            State::Ready(from) => {
                self.ready.remove(&(from, key));
            }
            State::Leased(agent) => {
                if let Some(keys) = self.leased.get_mut(&agent) {
                    keys.remove(&key);
                    if keys.is_empty() {
                        self.leased.remove(&agent);
                    }
                }
            }
        }
    }

    fn move_to(&mut self, key: TaskKey, state: State) {
        self.unindex(key);
        self.open.get_mut(&key).expect("callers hold open keys").state = state;
        self.index(key);
    }

    /// Applies an operation. One that comes too late changes nothing.
    pub fn apply(&mut self, op: Op, effects: &mut Vec<Effect>) {
        match op {
            Op::Open => {}
            Op::Keepers(keepers) => self.keepers = keepers,
            Op::Admit { by, batch, tasks, open_max } => {
                let answer = match self.admit(by, tasks, open_max, effects) {
                    Ok(()) => Effect::Admitted { by, batch },
                    Err(why) => Effect::Refused { by, batch, why },
                };
                effects.push(answer);
            }
            Op::Assign { key, seen, to } => self.grant(key, seen, to, effects),
            Op::Award { key, seen, quorum, bids } => {
                let answers: BTreeSet<AgentId> = bids.iter().map(|(agent, _)| *agent).collect();
                if answers.len() == bids.len()
                    && answers.len() >= quorum as usize
                    && let Some(to) = best_bid(key, &bids)
                {
                    self.grant(key, seen, to, effects);
                }
            }
            Op::Settle { key, token, by, result, again } => {
                let counted = self.settle(key, token, result, again, effects);
                effects.push(Effect::Answered { key, by, token, counted });
            }
            Op::Release { key, token, again } => self.release(key, token, again, effects),
            Op::Expire(key) => {
                if self.open.contains_key(&key) {
                    self.finish(key, Outcome::Dead(Cause::Deadline), effects);
                }
            }
        }
    }

    fn admit(
        &mut self,
        by: AgentId,
        tasks: Vec<Task>,
        open_max: u32,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let mut fresh: Vec<Task> = Vec::with_capacity(tasks.len());
        let mut new: BTreeMap<TaskKey, usize> = BTreeMap::new();
        for task in tasks {
            let twin = new.get(&task.key).map(|&at| fresh[at].fingerprint());
            match self.fingerprint(task.key).or(twin) {
                Some(known) if known != task.fingerprint() => return Err(Refusal::KeyTaken(task.key)),
                Some(_) => {}
                None => {
                    new.insert(task.key, fresh.len());
                    fresh.push(task);
                }
            }
        }
        if self.open.len() + fresh.len() > open_max as usize {
            return Err(Refusal::Full { open: self.open.len(), open_max });
        }
        for task in &fresh {
            let known = |before: &&TaskKey| {
                new.contains_key(before) || self.open.contains_key(before) || self.finished.contains_key(before)
            };
            if let Some(&before) = task.after.iter().find(|before| !known(before)) {
                return Err(Refusal::UnknownDependency { task: task.key, before });
            }
        }
        // Tasks already in cannot depend on new ones, so a cycle lies within the batch.
        if let Some(cycle) = cycle(&fresh) {
            return Err(Refusal::Cycle(cycle));
        }
        let mut doomed = Vec::new();
        for task in fresh {
            let key = task.key;
            let befores: BTreeSet<TaskKey> = task.after.iter().copied().collect();
            let mut waits = 0;
            for before in befores {
                match self.finished.get(&before) {
                    Some(Finished { outcome: Outcome::Dead(_), .. }) => doomed.push((key, before)),
                    Some(_) => {}
                    None => {
                        waits += 1;
                        self.after.entry(before).or_default().insert(key);
                    }
                }
            }
            let state = if waits == 0 { State::Ready(UnixNanos::EPOCH) } else { State::Blocked(waits) };
            self.open.insert(key, Open { task, submitter: by, state, token: 0, failures: 0, losses: 0 });
            self.index(key);
        }
        for (key, before) in doomed {
            if self.open.contains_key(&key) {
                self.finish(key, Outcome::Dead(Cause::Dependency(before)), effects);
            }
        }
        Ok(())
    }

    fn grant(&mut self, key: TaskKey, seen: u32, to: AgentId, effects: &mut Vec<Effect>) {
        let Some(open) = self.open.get_mut(&key).filter(|open| open.token == seen) else { return };
        let from = match open.state {
            State::Blocked(_) => return,
            State::Ready(_) => None,
            State::Leased(from) => Some(from),
        };
        open.token += 1;
        let token = open.token;
        self.move_to(key, State::Leased(to));
        effects.push(Effect::Granted { key, to, token, from });
    }

    fn settle(
        &mut self,
        key: TaskKey,
        token: u32,
        result: Result<Vec<u8>, String>,
        again: UnixNanos,
        effects: &mut Vec<Effect>,
    ) -> bool {
        // Token 0 was never granted.
        let Some(open) = self.open.get_mut(&key).filter(|open| open.token == token && token > 0) else { return false };
        match (result, open.state) {
            // The lease may have run out: as long as nobody else has it, a result is a result.
            (Ok(bytes), _) => self.finish(key, Outcome::Done(bytes), effects),
            (Err(why), State::Leased(from)) => {
                open.failures = open.failures.saturating_add(1);
                if open.failures > open.task.retries_max {
                    self.finish(key, Outcome::Dead(Cause::Failed(why)), effects);
                } else {
                    self.move_to(key, State::Ready(again));
                    effects.push(Effect::Released { key, from, token });
                }
            }
            (Err(_), _) => return false,
        }
        true
    }

    fn release(&mut self, key: TaskKey, token: u32, again: UnixNanos, effects: &mut Vec<Effect>) {
        let Some(open) = self.open.get_mut(&key).filter(|open| open.token == token) else { return };
        let State::Leased(from) = open.state else { return };
        open.losses += 1;
        if open.losses > LOSSES_MAX {
            return self.finish(key, Outcome::Dead(Cause::Losses), effects);
        }
        self.move_to(key, State::Ready(again));
        effects.push(Effect::Released { key, from, token });
    }

    /// Ends a task, and what its end means for those after it.
    fn finish(&mut self, key: TaskKey, outcome: Outcome, effects: &mut Vec<Effect>) {
        let mut ends = VecDeque::from([(key, outcome)]);
        while let Some((key, outcome)) = ends.pop_front() {
            if !self.open.contains_key(&key) {
                continue;
            }
            self.unindex(key);
            let open = self.open.remove(&key).expect("just found");
            // It may end before those it waits for, and its key may come anew with others.
            for before in &open.task.after {
                if let Some(waiting) = self.after.get_mut(before) {
                    waiting.remove(&key);
                    if waiting.is_empty() {
                        self.after.remove(before);
                    }
                }
            }
            for next in self.after.remove(&key).unwrap_or_default() {
                if matches!(outcome, Outcome::Dead(_)) {
                    ends.push_back((next, Outcome::Dead(Cause::Dependency(key))));
                } else if let Some(State::Blocked(waits)) = self.open.get(&next).map(|next| next.state) {
                    let state = if waits == 1 { State::Ready(UnixNanos::EPOCH) } else { State::Blocked(waits - 1) };
                    self.move_to(next, state);
                }
            }
            effects.push(Effect::Done { key, submitter: open.submitter, outcome: outcome.clone() });
            self.finished_bytes += outcome.weight();
            let finished = Finished { submitter: open.submitter, fingerprint: open.task.fingerprint(), outcome };
            assert!(self.finished.insert(key, finished).is_none(), "{key} finished twice");
            self.order.push_back(key);
            self.count += 1;
        }
        while self.finished_bytes > FINISHED_BYTES_MAX
            && let Some(key) = self.order.get(self.faded)
        {
            let fading = self.finished.get_mut(key).expect("what is in order is finished");
            self.finished_bytes -= fading.outcome.weight();
            match &mut fading.outcome {
                done @ Outcome::Done(_) => *done = Outcome::Faded,
                // What depends on it must still find it dead.
                Outcome::Dead(Cause::Failed(why)) => *why = String::new(),
                Outcome::Dead(_) | Outcome::Faded => {}
            }
            self.faded += 1;
        }
        while self.order.len() > FINISHED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            let forgotten = self.finished.remove(&oldest).expect("what is in order is finished");
            if self.faded > 0 {
                self.faded -= 1;
            } else {
                self.finished_bytes -= forgotten.outcome.weight();
            }
        }
    }
}
