//! What an agent has been given to do.
//!
//! Invariant: an attempt (task and token) starts at most once here, however often it is granted; its result is repeated
//! until the coordinator answers. At most [`super::Settings::room`] attempts wait or run.

use std::collections::{BTreeMap, VecDeque};

use starling_core::UnixNanos;

use super::{Attempt, Facts, Settings, Task, TaskKey};

/// Attempts that are over and remembered, so that a late grant does not start them again.
const RECENT_MAX: usize = 4096;

/// An attempt that is over.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) token: u32,
    pub(super) result: Result<Vec<u8>, String>,
    pub(super) due: UnixNanos,
}

#[derive(Debug)]
pub(super) struct Worker {
    facts: Facts,
    queue: VecDeque<(Task, u32)>,
    running: BTreeMap<TaskKey, (u32, UnixNanos)>,
    pub(super) ended: BTreeMap<TaskKey, Ended>,
    /// The highest token seen of a task.
    tokens: BTreeMap<TaskKey, u32>,
    recent: VecDeque<TaskKey>,
}

impl Worker {
    pub(super) fn new(settings: &Settings) -> Self {
        let Settings { capabilities, slots, room, .. } = *settings;
        let facts = Facts { capabilities, slots, room, errors_bp: 0, latency_ns: 0 };
        Self {
            facts,
            queue: VecDeque::new(),
            running: BTreeMap::new(),
            ended: BTreeMap::new(),
            tokens: BTreeMap::new(),
            recent: VecDeque::new(),
        }
    }

    pub(super) const fn facts(&self) -> Facts {
        self.facts
    }

    pub(super) fn load(&self) -> usize {
        self.queue.len() + self.running.len()
    }

    /// What it has, those that run or ended first.
    pub(super) fn held(&self) -> Vec<Attempt> {
        let ended = self.ended.iter().map(|(key, ended)| (*key, ended.token));
        let running = self.running.iter().map(|(key, (token, _))| (*key, *token));
        let started = ended.chain(running).map(|(key, token)| Attempt { key, token, started: true });
        started
            .chain(self.queue.iter().map(|(task, token)| Attempt { key: task.key, token: *token, started: false }))
            .collect()
    }

    /// Takes an attempt on, unless it was here before.
    pub(super) fn take(&mut self, task: Task, token: u32) {
        let seen = self.tokens.get(&task.key).copied();
        // What has been here for long may have been forgotten since.
        let here = self.held().into_iter().filter(|held| held.key == task.key).map(|held| held.token);
        if seen.into_iter().chain(here).any(|known| known >= token) {
            return;
        }
        if seen.is_none() {
            self.recent.push_back(task.key);
        }
        self.tokens.insert(task.key, token);
        while self.recent.len() > RECENT_MAX
            && let Some(oldest) = self.recent.pop_front()
        {
            self.tokens.remove(&oldest);
        }
        self.queue.retain(|(other, _)| other.key != task.key);
        self.queue.push_back((task, token));
    }

    /// Starts what waits, as far as slots go.
    pub(super) fn start(&mut self, now: UnixNanos) -> Vec<(Task, u32)> {
        let mut started = Vec::new();
        while self.running.len() < self.facts.slots as usize {
            // A later attempt of a task waits for the earlier one to end here.
            let Some(at) = self.queue.iter().position(|(task, _)| !self.running.contains_key(&task.key)) else { break };
            let (task, token) = self.queue.remove(at).expect("just found");
            self.running.insert(task.key, (token, now));
            started.push((task, token));
        }
        started
    }

    /// Drops an attempt that has not started; false if it has, or is not here.
    pub(super) fn drop_waiting(&mut self, key: TaskKey, token: u32) -> bool {
        let before = self.queue.len();
        self.queue.retain(|(task, held)| (task.key, *held) != (key, token));
        self.queue.len() < before
    }

    /// Drops all attempts that have not started.
    pub(super) fn drop_all_waiting(&mut self) {
        self.queue.clear();
    }

    pub(super) fn is_running(&self, key: TaskKey, token: u32) -> bool {
        self.running.get(&key).is_some_and(|(running, _)| *running == token)
    }

    /// An attempt ends; its token, or none if no attempt at it runs here.
    pub(super) fn end(
        &mut self,
        now: UnixNanos,
        key: TaskKey,
        result: Result<Vec<u8>, String>,
        due: UnixNanos,
    ) -> Option<u32> {
        let (token, since) = self.running.remove(&key)?;
        let error = if result.is_err() { 10_000 } else { 0 };
        self.facts.errors_bp = ((7 * u32::from(self.facts.errors_bp) + error) / 8) as u16;
        let took = now.since(since);
        let old = self.facts.latency_ns;
        self.facts.latency_ns = if old == 0 { took } else { old - old / 8 + took / 8 };
        self.ended.insert(key, Ended { token, result, due });
        Some(token)
    }

    /// The coordinator knows the result.
    pub(super) fn forget(&mut self, key: TaskKey, token: u32) {
        if self.ended.get(&key).is_some_and(|ended| ended.token == token) {
            self.ended.remove(&key);
        }
    }
}
