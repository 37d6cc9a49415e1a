//! Tasks: submitted by any agent, done by one that can, each exactly once.
//!
//! ```text
//!  submit ─► coordinator ─► log ─► a majority of the keepers has it ─► table (on each keeper)
//!                ▲                                                        │
//!   result ──────┤◄── worker ◄── grant: task, token, lease ◄──────────────┘
//!   status ──────┘                (renewed by each status that names the attempt)
//! ```
//!
//! Invariant: every admitted task ends with one [`Outcome`], the same on every keeper, as long as a majority of the
//! keepers lives; who of them is gone for good is replaced by another member, so all that began may die, a few at a time.
//! What a coordinator grants, takes back or counts stands in the log first, so that its death loses
//! nothing: the next one goes on from the table. An attempt may run again somewhere else if its worker is silent for the
//! time of a lease; the fencing token of the latest grant decides whose result counts.
//!
//! It does not run tasks (the agent does, on [`Event::Run`]), and it does not stop one that runs: a result that comes too
//! late is refused.

mod chief;
pub mod plan;
mod replica;
pub mod strategy;
pub mod table;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;
use starling_core::time::{MILLISECOND, SECOND};

use crate::component::{Component, Outbox, Priority};
use crate::id::AgentId;
use chief::Chief;
pub use plan::{cycle, efficiency_bp, ideal_makespan};
use replica::Replica;
pub use replica::{Keepers, LOG_BYTES_MAX, LOG_MAX, Place, Say, UNCOMMITTED_MAX};
pub use strategy::{Facts, Strategy};
use table::{Effect, Op, Table};
use worker::Worker;

/// Bytes of a task's payload, and of a result; longer ones belong in a store, with their key here.
pub const PAYLOAD_MAX: usize = 64 << 10;
/// Bytes of a batch.
pub const BATCH_BYTES_MAX: usize = 512 << 10;
/// Tasks in a batch.
pub const BATCH_MAX: usize = 4096;
/// Characters of an error that are kept.
pub const ERROR_MAX: usize = 256;

/// A task's name and idempotency key: a pure function of what is to be done, chosen by the submitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskKey(pub u64);

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.0)
    }
}

/// A set of abilities out of 64, whose meaning the swarm's configuration gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// None.
    pub const NONE: Self = Self(0);
    /// All.
    pub const ALL: Self = Self(u64::MAX);

    /// True if all that `needs` names is there.
    #[must_use]
    pub const fn cover(self, needs: Self) -> bool {
        self.0 & needs.0 == needs.0
    }

    /// How many.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its name. The same key with the same content is the same task, however often it is submitted.
    pub key: TaskKey,
    /// What a worker must be able to do.
    pub needs: Capabilities,
    /// What is to be done, for the worker to read.
    pub payload: Vec<u8>,
    /// Tasks that must be done before: in the table already, or of the same batch.
    pub after: Vec<TaskKey>,
    /// Past this time it is given up; [`UnixNanos::MAX`] for never.
    pub deadline: UnixNanos,
    /// How often an attempt that ended in an error is followed by another.
    pub retries_max: u8,
    /// How long it takes, in a unit the submitters share; for plans and efficiency only.
    pub work: u64,
}

impl Task {
    /// About how many bytes it takes.
    fn weight(&self) -> usize {
        48 + self.payload.len() + 8 * self.after.len()
    }

    /// The first half of its BLAKE3 hash.
    fn fingerprint(&self) -> [u8; 16] {
        let bytes = postcard::to_allocvec(self).expect("plain data");
        let mut half = [0; 16];
        half.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..16]);
        half
    }
}

/// Why a task was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// All its attempts ended in errors; the last one, as long as its words have not faded.
    #[error("its last attempt failed: {0}")]
    Failed(String),
    /// It lost its worker again and again.
    #[error("more than {} workers were lost with it", table::LOSSES_MAX)]
    Losses,
    /// Its deadline passed.
    #[error("its deadline passed")]
    Deadline,
    /// A task it depends on was given up.
    #[error("it depends on {0}, which was given up")]
    Dependency(TaskKey),
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// With this result.
    Done(Vec<u8>),
    /// Given up.
    Dead(Cause),
    /// So long ago that its result is no longer kept ([`table::FINISHED_BYTES_MAX`]).
    Faded,
}

impl Outcome {
    fn weight(&self) -> usize {
        match self {
            Self::Done(bytes) => bytes.len(),
            Self::Dead(Cause::Failed(why)) => why.len(),
            Self::Dead(_) | Self::Faded => 0,
        }
    }
}

/// Why a batch was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The table is full.
    #[error("{open} tasks are open and at most {open_max} may be: submit again when some are done")]
    Full {
        /// Open now.
        open: usize,
        /// The bound.
        open_max: u32,
    },
    /// Another task has the key.
    #[error("{0} is known with other content: a key names one piece of work")]
    KeyTaken(TaskKey),
    /// A task depends on one nobody knows (any more).
    #[error("{task} depends on {before}, which is neither in the table nor in its batch: submit that first")]
    UnknownDependency {
        /// The task.
        task: TaskKey,
        /// What it depends on.
        before: TaskKey,
    },
    /// Tasks depend on each other in a circle.
    #[error("tasks wait for each other in a circle: {0:?}")]
    Cycle(Vec<TaskKey>),
    /// More than [`BATCH_MAX`] tasks, or [`BATCH_BYTES_MAX`] bytes.
    #[error(
        "a batch of {tasks} tasks and {bytes} bytes is above {BATCH_MAX} tasks or {BATCH_BYTES_MAX} bytes: divide it"
    )]
    Batch {
        /// How many tasks.
        tasks: usize,
        /// How many bytes.
        bytes: usize,
    },
    /// A payload above [`PAYLOAD_MAX`].
    #[error("{0} has a payload above {PAYLOAD_MAX} bytes: store it and submit its key")]
    Payload(TaskKey),
}

/// How tasks are handled; equal on all agents but for the last three fields, which are the worker's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// To whom tasks go.
    pub strategy: Strategy,
    /// Who keeps the table at first. A majority of them must live; 3 to 13 are sensible, as each holds all of it. Who is
    /// gone for good ([`Component::on_gone`]) is replaced by the member with the smallest number that keeps nothing.
    pub keepers: Vec<AgentId>,
    /// Tasks that may be open.
    pub open_max: u32,
    /// Between a coordinator's signs of life, and between a worker's, nanoseconds.
    pub heartbeat: u64,
    /// Without a sign of life for that long up to twice that, a keeper stands for election, nanoseconds.
    pub election: u64,
    /// A worker that says nothing for that long loses its tasks, nanoseconds. Several heartbeats.
    pub lease: u64,
    /// Until what was not answered is said again, nanoseconds.
    pub repeat: u64,
    /// How long bids are waited for before they are called for again, nanoseconds.
    pub bidding: u64,
    /// From a failure to the next attempt, nanoseconds; doubles with each failure, up to 64 times that.
    pub backoff: u64,
    /// What this agent can do.
    pub capabilities: Capabilities,
    /// Tasks it runs at once.
    pub slots: u32,
    /// Tasks it takes, those that run included.
    pub room: u32,
}

impl Settings {
    /// Sensible settings for these keepers.
    #[must_use]
    pub fn new(keepers: Vec<AgentId>) -> Self {
        Self {
            strategy: Strategy::Adaptive,
            keepers,
            open_max: 65_536,
            heartbeat: 250 * MILLISECOND,
            election: 1_500 * MILLISECOND,
            lease: 3 * SECOND,
            repeat: SECOND,
            bidding: 500 * MILLISECOND,
            backoff: 100 * MILLISECOND,
            capabilities: Capabilities::ALL,
            slots: 1,
            room: 16,
        }
    }

    /// When to try again after so many failures.
    fn again(&self, now: UnixNanos, failures: u8) -> UnixNanos {
        now.saturating_add(self.backoff.saturating_mul(1 << failures.min(6)))
    }
}

/// A grant of a task, as its worker names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The task.
    pub key: TaskKey,
    /// Which grant.
    pub token: u32,
    /// False while it waits at its worker.
    pub started: bool,
}

/// What agents say to each other about tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Between keepers.
    Log(Say<Op>),
    /// Whoever leads a term says so to all once, then to those who keep nothing.
    Lead(u64),
    /// To the coordinator: do these.
    Submit {
        /// The submitter's number.
        batch: u64,
        /// How often it has sent that, with this.
        sending: u32,
        /// True if it was told by this term or an earlier one that the batch is in: what is unknown then has faded.
        admitted: bool,
        /// All of a batch that is not known to be done.
        tasks: Vec<Task>,
    },
    /// To the submitter: the batch is in.
    Admitted {
        /// Which.
        batch: u64,
        /// The coordinator's term: all that lead later ones know of it.
        term: u64,
    },
    /// To the submitter: the batch is not in.
    Refused {
        /// Which.
        batch: u64,
        /// The latest sending of it this answers.
        sending: u32,
        /// Why.
        why: Refusal,
    },
    /// To the submitter.
    Done {
        /// The task.
        key: TaskKey,
        /// How it ended.
        outcome: Outcome,
    },
    /// To the worker.
    Grant {
        /// What to do.
        task: Task,
        /// The attempt.
        token: u32,
    },
    /// To the worker: the attempt will not count any more.
    Revoke {
        /// The task.
        key: TaskKey,
        /// The attempt.
        token: u32,
    },
    /// To the worker: another has time for it, if it has not started.
    Yield {
        /// The task.
        key: TaskKey,
        /// The attempt.
        token: u32,
    },
    /// To the coordinator: dropped, unstarted.
    Yielded {
        /// The task.
        key: TaskKey,
        /// The attempt.
        token: u32,
    },
    /// To the coordinator: alive, and this is what I have.
    Status {
        /// What it is like.
        facts: Facts,
        /// What it has.
        held: Vec<Attempt>,
    },
    /// To the coordinator.
    Result {
        /// The task.
        key: TaskKey,
        /// The attempt.
        token: u32,
        /// What came of it.
        result: Result<Vec<u8>, String>,
    },
    /// To the worker: the result is in the log, or does not count.
    Counted {
        /// The task.
        key: TaskKey,
        /// The attempt.
        token: u32,
    },
    /// Who bids for these? By key, with what they need.
    Call(Vec<(TaskKey, Capabilities)>),
    /// To the coordinator: bids, or none for an abstention.
    Bids(Vec<(TaskKey, Option<u16>)>),
}

/// What a swarm's tasks tell its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Do this, and say [`Tasks::end`] when it is done or failed.
    Run {
        /// The task.
        task: Task,
        /// The attempt: a fencing token for whatever the task touches.
        token: u32,
    },
    /// An attempt that runs here will not count any more; it must still be ended.
    Revoked(TaskKey),
    /// On the submitter: a batch is in.
    Admitted(u64),
    /// On the submitter: a batch is not.
    Refused(u64, Refusal),
    /// On the submitter: a task ended. Once per task of a batch.
    Done(TaskKey, Outcome),
    /// On each keeper: the table says a task ended. Once per task.
    Recorded(TaskKey, Outcome),
}

/// A batch until all of it is done.
#[derive(Debug)]
struct Batch {
    tasks: Vec<Task>,
    /// The term whose coordinator said that it is in.
    admitted: Option<u64>,
    /// How often it was sent.
    sent: u32,
    due: UnixNanos,
}

/// One agent's share in the swarm's tasks: keeper if it is named one, coordinator if elected, worker and submitter always.
#[derive(Debug)]
pub struct Tasks {
    me: AgentId,
    settings: Settings,
    members: Vec<AgentId>,
    /// Keepers, of the settings or of the log, that never come back.
    gone: BTreeSet<AgentId>,
    replica: Replica<Op>,
    table: Table,
    /// While it coordinates.
    chief: Option<Chief>,
    worker: Worker,
    batches: BTreeMap<u64, Batch>,
    next_batch: u64,
    /// Whoever led the highest term heard of.
    leader: Option<(u64, AgentId)>,
    leader_heard: UnixNanos,
    status_due: UnixNanos,
}

type Out<'a> = &'a mut Outbox<Message>;

/// What keeps a batch out whatever is in the table. The coordinator asks as well: one entry that is too long for a message
/// would stop the log.
fn fits(tasks: &[Task]) -> Result<(), Refusal> {
    let bytes = tasks.iter().map(Task::weight).sum();
    if tasks.len() > BATCH_MAX || bytes > BATCH_BYTES_MAX {
        return Err(Refusal::Batch { tasks: tasks.len(), bytes });
    }
    match tasks.iter().find(|task| task.payload.len() > PAYLOAD_MAX) {
        Some(long) => Err(Refusal::Payload(long.key)),
        None => Ok(()),
    }
}

/// A result as it may stand in the log.
fn bounded(result: Result<Vec<u8>, String>) -> Result<Vec<u8>, String> {
    match result {
        Ok(bytes) if bytes.len() > PAYLOAD_MAX => {
            Err(format!("a result of {} bytes is above {PAYLOAD_MAX}", bytes.len()))
        }
        Err(why) => Err(why.chars().take(ERROR_MAX).collect()),
        fine => fine,
    }
}

impl Tasks {
    /// An agent's share. The settings must be the swarm's; `members` may be empty until the first view comes.
    #[must_use]
    pub fn new(now: UnixNanos, me: AgentId, settings: Settings) -> Self {
        let replica = Replica::new(now, me, &settings.keepers, settings.heartbeat, settings.election);
        let worker = Worker::new(&settings);
        Self {
            me,
            members: Vec::new(),
            gone: BTreeSet::new(),
            replica,
            table: Table::default(),
            chief: None,
            worker,
            batches: BTreeMap::new(),
            next_batch: 0,
            leader: None,
            leader_heard: now,
            status_due: now,
            settings,
        }
    }

    /// What the keepers agreed on, as far as this one knows.
    #[must_use]
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// Who keeps the table, as far as this agent's log goes; it need not be one of them.
    #[must_use]
    pub fn keepers(&self) -> &[AgentId] {
        &self.replica.keepers().agents
    }

    /// True while this agent coordinates.
    #[must_use]
    pub const fn is_coordinator(&self) -> bool {
        self.chief.is_some()
    }

    /// The coordinator last heard of.
    #[must_use]
    pub fn coordinator(&self) -> Option<AgentId> {
        self.leader.map(|(_, agent)| agent)
    }

    /// Tasks this agent has submitted and not heard the end of.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.batches.values().map(|batch| batch.tasks.len()).sum()
    }

    /// Tasks this agent has to do, and does.
    #[must_use]
    pub fn load(&self) -> usize {
        self.worker.load()
    }

    /// Submits tasks, all or none; they are kept and repeated until each one's end is known. Gives the batch's number.
    ///
    /// # Errors
    /// [`Refusal::Batch`], [`Refusal::Payload`], [`Refusal::Cycle`] and [`Refusal::Full`] (of what this agent has
    /// outstanding) at once; the others come as [`Event::Refused`].
    pub fn submit(
        &mut self,
        now: UnixNanos,
        tasks: Vec<Task>,
        out: Out<'_>,
        events: &mut Vec<Event>,
    ) -> Result<u64, Refusal> {
        fits(&tasks)?;
        let (open, open_max) = (self.outstanding(), self.settings.open_max);
        if open + tasks.len() > open_max as usize {
            return Err(Refusal::Full { open, open_max });
        }
        if let Some(cycle) = cycle(&tasks) {
            return Err(Refusal::Cycle(cycle));
        }
        let number = self.next_batch;
        self.next_batch += 1;
        self.batches.insert(number, Batch { tasks, admitted: None, sent: 0, due: now });
        self.on_time(now, out, events);
        Ok(number)
    }

    /// An attempt that was told to run is over. False if none runs here under that key.
    pub fn end(
        &mut self,
        now: UnixNanos,
        key: TaskKey,
        result: Result<Vec<u8>, String>,
        out: Out<'_>,
        events: &mut Vec<Event>,
    ) -> bool {
        let result = bounded(result);
        let due = now.saturating_add(self.settings.repeat);
        let Some(token) = self.worker.end(now, key, result.clone(), due) else { return false };
        self.to_leader(Message::Result { key, token, result }, out);
        if self.worker.load() == 0 {
            // An idle worker asks for work, others' work too.
            self.status(now, out);
        }
        self.run(now, events);
        true
    }

    fn to_leader(&self, message: Message, out: Out<'_>) {
        let priority = match message {
            Message::Result { .. } | Message::Status { .. } => Priority::Normal,
            _ => Priority::High,
        };
        if let Some((_, leader)) = self.leader {
            out.send(leader, priority, message);
        }
    }

    /// Tells them who leads.
    fn lead<'a>(&self, members: impl IntoIterator<Item = &'a AgentId>, out: Out<'_>) {
        for &member in members.into_iter().filter(|&&member| member != self.me) {
            out.send(member, Priority::High, Message::Lead(self.replica.term()));
        }
    }

    fn status(&mut self, now: UnixNanos, out: Out<'_>) {
        self.status_due = now.saturating_add(self.settings.heartbeat);
        self.to_leader(Message::Status { facts: self.worker.facts(), held: self.worker.held() }, out);
    }

    fn run(&mut self, now: UnixNanos, events: &mut Vec<Event>) {
        events.extend(self.worker.start(now).into_iter().map(|(task, token)| Event::Run { task, token }));
    }

    /// A leader of this term was heard.
    fn heed(&mut self, now: UnixNanos, term: u64, agent: AgentId, out: Out<'_>) {
        match self.leader {
            Some((known, _)) if known > term => {}
            Some((known, _)) if known == term => self.leader_heard = now,
            _ => {
                self.leader = Some((term, agent));
                self.leader_heard = now;
                // The new one is to know at once what is here.
                self.status(now, out);
                self.batches.values_mut().for_each(|batch| batch.due = now);
                self.worker.ended.values_mut().for_each(|ended| ended.due = now);
            }
        }
    }

    /// Lets the log speak, applies what it committed, and coordinates.
    fn settle(&mut self, now: UnixNanos, out: Out<'_>, events: &mut Vec<Event>) {
        loop {
            if self.replica.wants_opening() {
                // A full log of former terms empties by this entry; it is let in above all bounds.
                self.replica.open(Op::Open);
            }
            if let Some(bytes) = self.replica.take_installed() {
                self.install(&bytes, events);
            }
            let mut effects = Vec::new();
            while let Some(op) = self.replica.pop_committed() {
                if let Some(chief) = &mut self.chief {
                    chief.left_log(&op);
                }
                self.table.apply(op, &mut effects);
            }
            let lagging = self.replica.take_lagging();
            if !lagging.is_empty() {
                let bytes = self.table.encode();
                lagging.into_iter().for_each(|keeper| self.replica.send_table(keeper, &bytes));
            }
            let leading = self.replica.is_leading();
            if !leading && !self.replica.is_leader() {
                self.chief = None;
            } else if leading && self.chief.is_none() {
                let term = self.replica.term();
                self.chief = Some(Chief::new(now, term, &self.members, &self.settings, &self.table, out));
                self.lead(&self.members, out);
                self.heed(now, term, self.me, out);
            }
            for effect in effects {
                if let Effect::Done { key, outcome, .. } = &effect {
                    events.push(Event::Recorded(*key, outcome.clone()));
                }
                if let Some(chief) = &mut self.chief {
                    chief.announce(now, effect, &self.table, &self.settings, out);
                }
            }
            let mut ops = Vec::new();
            if leading && let Some(chief) = &mut self.chief {
                ops = chief.work(now, &self.settings, &self.table, self.replica.has_room(), out);
                ops.extend(self.other_keepers().map(Op::Keepers));
            }
            let proposed = !ops.is_empty();
            for op in ops {
                if let Err(op) = self.replica.propose(op)
                    && let Some(chief) = &mut self.chief
                {
                    // Whoever wants it says so again.
                    chief.turned_away(&op);
                }
            }
            for (to, say) in self.replica.take_say() {
                out.send(to, Priority::High, Message::Log(say));
            }
            if !proposed || !self.replica.has_committed() {
                return;
            }
        }
    }

    /// Who should keep the table next, for a coordinator: without one who is gone, or with one more member where some are
    /// missing.
    fn other_keepers(&self) -> Option<Keepers> {
        let now = self.replica.keepers();
        if !self.replica.may_change() {
            return None;
        }
        let mut agents = now.agents.clone();
        if let Some(place) = agents.iter().position(|keeper| *keeper != self.me && self.gone.contains(keeper)) {
            agents.remove(place);
        } else if agents.len() < self.settings.keepers.len() {
            agents.push(self.members.iter().copied().find(|member| !agents.contains(member))?);
            agents.sort_unstable();
        } else {
            return None;
        }
        Some(Keepers { version: now.version + 1, agents })
    }

    /// A whole table replaces this keeper's, which lacks what happened lately.
    fn install(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        let table = Table::decode(bytes).expect("a keeper's table, in full");
        for key in table.finished_keys().filter(|&key| self.table.finished(key).is_none()) {
            if let Some(finished) = table.finished(key) {
                events.push(Event::Recorded(key, finished.outcome.clone()));
            }
        }
        let first = || Keepers::first(&self.settings.keepers);
        self.replica.adopt(table.keepers().cloned().unwrap_or_else(first));
        self.table = table;
    }

    /// The submitter hears of the end of a task.
    fn done(&mut self, key: TaskKey, outcome: &Outcome, events: &mut Vec<Event>) {
        let mut mine = false;
        for batch in self.batches.values_mut() {
            let before = batch.tasks.len();
            batch.tasks.retain(|task| task.key != key);
            mine |= batch.tasks.len() < before;
        }
        self.batches.retain(|_, batch| !batch.tasks.is_empty());
        if mine {
            events.push(Event::Done(key, outcome.clone()));
        }
    }

    fn repeat(&mut self, now: UnixNanos, out: Out<'_>) {
        let Some((term, leader)) = self.leader else { return };
        let repeat = self.settings.repeat;
        for (&number, batch) in self.batches.iter_mut().filter(|(_, batch)| now >= batch.due) {
            // Once it is in, to ask again is to hear of ends whose news was lost with a coordinator.
            batch.due = now.saturating_add(if batch.admitted.is_some() { 4 * repeat } else { repeat });
            batch.sent += 1;
            // The coordinator of an earlier term, cut off, would take what it never heard of for faded.
            let admitted = batch.admitted.is_some_and(|since| since <= term);
            let (sending, tasks) = (batch.sent, batch.tasks.clone());
            out.send(leader, Priority::High, Message::Submit { batch: number, sending, admitted, tasks });
        }
        for (&key, ended) in self.worker.ended.iter_mut().filter(|(_, ended)| now >= ended.due) {
            ended.due = now.saturating_add(repeat);
            let message = Message::Result { key, token: ended.token, result: ended.result.clone() };
            out.send(leader, Priority::Normal, message);
        }
    }
}

impl Component for Tasks {
    type Message = Message;
    type Event = Event;

    fn on_message(&mut self, now: UnixNanos, from: AgentId, message: Message, out: Out<'_>, events: &mut Vec<Event>) {
        match message {
            Message::Log(say) => {
                self.replica.on_say(now, from, say);
                // Before its term is open it leads, but hears nobody.
                if self.replica.leader() == Some(from) && self.replica.is_open() {
                    self.heed(now, self.replica.term(), from, out);
                }
            }
            Message::Lead(term) => self.heed(now, term, from, out),
            Message::Admitted { batch, term } => {
                if let Some(held) = self.batches.get_mut(&batch).filter(|held| held.admitted.is_none()) {
                    held.admitted = Some(term);
                    held.due = now.saturating_add(4 * self.settings.repeat);
                    events.push(Event::Admitted(batch));
                }
            }
            Message::Refused { batch, sending, why } => {
                // What was in once is not out again, and a later repetition may be let in yet.
                if self.batches.get(&batch).is_some_and(|held| held.admitted.is_none() && held.sent == sending) {
                    self.batches.remove(&batch);
                    events.push(Event::Refused(batch, why));
                }
            }
            Message::Done { key, outcome } => self.done(key, &outcome, events),
            Message::Grant { task, token } => {
                self.worker.take(task, token);
                self.run(now, events);
            }
            Message::Revoke { key, token } => {
                if !self.worker.drop_waiting(key, token) && self.worker.is_running(key, token) {
                    events.push(Event::Revoked(key));
                }
            }
            Message::Yield { key, token } => {
                if self.worker.drop_waiting(key, token) {
                    out.send(from, Priority::High, Message::Yielded { key, token });
                }
            }
            Message::Counted { key, token } => self.worker.forget(key, token),
            Message::Call(tasks) => {
                let (facts, held) = (self.worker.facts(), self.worker.load() as u64);
                let bid = |(key, needs): &(TaskKey, Capabilities)| (*key, facts.score(*needs, held));
                out.send(from, Priority::High, Message::Bids(tasks.iter().map(bid).collect()));
            }
            Message::Submit { .. }
            | Message::Status { .. }
            | Message::Yielded { .. }
            | Message::Result { .. }
            | Message::Bids(_) => {
                // Only the coordinator heeds these; whoever said them to another says them again.
                if let Some(chief) = &mut self.chief {
                    chief.hear(now, from, message, &self.settings, &self.table, out);
                }
            }
        }
        self.settle(now, out, events);
    }

    fn on_time(&mut self, now: UnixNanos, out: Out<'_>, events: &mut Vec<Event>) {
        let lead = now >= self.replica.next_due();
        self.replica.on_time(now);
        if now >= self.status_due {
            self.status(now, out);
            // Cut off, it does not start what is likely another's by now.
            if now.since(self.leader_heard) > self.settings.lease {
                self.worker.drop_all_waiting();
            }
        }
        self.repeat(now, out);
        self.settle(now, out, events);
        if lead && self.chief.is_some() {
            self.leader_heard = now;
            self.lead(self.members.iter().filter(|member| !self.replica.keeps(**member)), out);
        }
    }

    fn next_due(&self) -> UnixNanos {
        let chief = self.chief.as_ref().map_or(UnixNanos::MAX, |chief| chief.next_due(&self.table));
        let batches = self.batches.values().map(|batch| batch.due);
        let ended = self.worker.ended.values().map(|ended| ended.due);
        let repeats = batches.chain(ended).min().filter(|_| self.leader.is_some()).unwrap_or(UnixNanos::MAX);
        self.replica.next_due().min(self.status_due).min(chief).min(repeats)
    }

    fn on_members(&mut self, now: UnixNanos, members: &[AgentId], out: Out<'_>, events: &mut Vec<Event>) {
        self.members = members.to_vec();
        self.replica.on_members(now, members);
        if let Some(chief) = &mut self.chief {
            chief.on_members(members);
        }
        self.settle(now, out, events);
    }

    fn on_gone(&mut self, now: UnixNanos, agent: AgentId, out: Out<'_>, events: &mut Vec<Event>) {
        self.gone.insert(agent);
        self.settle(now, out, events);
    }
}

#[cfg(test)]
mod tests;
