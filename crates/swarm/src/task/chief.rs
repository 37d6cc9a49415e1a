//! What the coordinator knows beyond the log: who has been heard, whose leases run, what is on its way into the log.
//!
//! Invariant: nothing here is needed to go on after its death. A new coordinator starts with full leases for all that is
//! granted, repeats the grants, and learns the rest from the workers' next words.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use starling_core::UnixNanos;

use super::strategy::{Candidate, choose};
use super::table::{Effect, Op, Open, State, Table};
use super::{Attempt, Capabilities, Facts, Message, Outcome, Settings, Strategy, Task, TaskKey, bounded, fits};
use crate::component::{Outbox, Priority};
use crate::id::AgentId;

/// Tasks auctioned at once, for each member.
const AUCTIONS_PER_MEMBER: usize = 2;
/// Tasks assigned in one go; the rest follows with the next message.
const ASSIGN_MAX: usize = 256;
/// Refusals that are remembered, so that a late sending does not let in what its submitter was told is out.
pub(super) const REFUSED_MAX: usize = 1024;

/// A worker by its last status.
#[derive(Debug)]
struct Known {
    facts: Facts,
    held: Vec<Attempt>,
}

/// A task for which agents are asked to bid.
#[derive(Debug)]
struct Auction {
    /// The last token when it was called.
    seen: u32,
    /// When it is called again.
    due: UnixNanos,
    bids: BTreeMap<AgentId, Option<u16>>,
}

/// A waiting task its worker was asked to give up for an idle one.
#[derive(Debug)]
struct Theft {
    token: u32,
    thief: AgentId,
    until: UnixNanos,
}

/// The coordinator's memory.
#[derive(Debug)]
pub(super) struct Chief {
    term: u64,
    members: BTreeSet<AgentId>,
    known: BTreeMap<AgentId, Known>,
    /// Until when an attempt is its worker's.
    leases: BTreeMap<(TaskKey, u32), UnixNanos>,
    /// Leases are looked through at this time.
    patrol: UnixNanos,
    /// Tasks that are being granted, released or ended by the log, and to whom they go.
    moving: BTreeMap<TaskKey, Option<AgentId>>,
    /// Results on their way into the log.
    settling: BTreeSet<(TaskKey, u32)>,
    /// Batches on their way into the log, and the latest sending of each that was heard.
    batches: BTreeMap<(AgentId, u64), u32>,
    /// Those that were refused lately, and up to which sending.
    refused: VecDeque<(AgentId, u64, u32)>,
    /// Operations that wait for the end of the call.
    ops: Vec<Op>,
    auctions: BTreeMap<TaskKey, Auction>,
    thefts: BTreeMap<TaskKey, Theft>,
    /// To whom the last task went.
    last: Option<AgentId>,
    /// When it last looked for work.
    worked: UnixNanos,
}

type Out<'a> = &'a mut Outbox<Message>;

impl Chief {
    /// Takes over with this table.
    pub(super) fn new(
        now: UnixNanos,
        term: u64,
        members: &[AgentId],
        settings: &Settings,
        table: &Table,
        out: Out<'_>,
    ) -> Self {
        let mut new = Self {
            term,
            members: members.iter().copied().collect(),
            known: BTreeMap::new(),
            leases: BTreeMap::new(),
            patrol: now,
            moving: BTreeMap::new(),
            settling: BTreeSet::new(),
            batches: BTreeMap::new(),
            refused: VecDeque::new(),
            ops: Vec::new(),
            auctions: BTreeMap::new(),
            thefts: BTreeMap::new(),
            last: None,
            worked: now,
        };
        for (agent, open) in table.leases() {
            new.leases.insert((open.task.key, open.token), now.saturating_add(settings.lease));
            new.send(agent, Message::Grant { task: open.task.clone(), token: open.token }, out);
        }
        new
    }

    /// Says something to a member; others cannot hear.
    fn send(&self, to: AgentId, message: Message, out: Out<'_>) {
        if self.members.contains(&to) {
            out.send(to, Priority::High, message);
        }
    }

    /// Who lives.
    pub(super) fn on_members(&mut self, members: &[AgentId]) {
        self.members = members.iter().copied().collect();
        self.known.retain(|agent, _| self.members.contains(agent));
        for auction in self.auctions.values_mut() {
            auction.bids.retain(|agent, _| self.members.contains(agent));
        }
        // The tasks of the dead are found by the next patrol.
        self.patrol = UnixNanos::EPOCH;
    }

    /// When there is something to do that there was not when it last worked: what could not be done then waits for the
    /// log, or for a message, or for the coordinator's next heartbeat.
    pub(super) fn next_due(&self, table: &Table) -> UnixNanos {
        let patrol = (!self.leases.is_empty()).then_some(self.patrol);
        let times = self.auctions.values().map(|auction| auction.due).chain(patrol);
        let next = times.filter(|&at| at > self.worked).min().unwrap_or(UnixNanos::MAX);
        next.min(table.next_due(self.worked))
    }

    /// An operation found no room.
    pub(super) fn turned_away(&mut self, op: &Op) {
        if let Op::Admit { by, batch, .. } = op {
            self.batches.remove(&(*by, *batch));
        }
        self.left_log(op);
    }

    /// An operation has been applied, or found no room. An applied batch is forgotten with its answer.
    pub(super) fn left_log(&mut self, op: &Op) {
        match op {
            Op::Open | Op::Keepers(_) | Op::Admit { .. } => {}
            Op::Settle { key, token, .. } => {
                self.settling.remove(&(*key, *token));
            }
            Op::Assign { key, .. } | Op::Award { key, .. } | Op::Release { key, .. } | Op::Expire(key) => {
                self.moving.remove(key);
            }
        }
    }

    /// Tells whom it concerns what the log brought about.
    pub(super) fn announce(
        &mut self,
        now: UnixNanos,
        effect: Effect,
        table: &Table,
        settings: &Settings,
        out: Out<'_>,
    ) {
        match effect {
            Effect::Admitted { by, batch } => {
                self.batches.remove(&(by, batch));
                self.send(by, Message::Admitted { batch, term: self.term }, out);
            }
            Effect::Refused { by, batch, why } => {
                // What a predecessor wrote is asked for again.
                if let Some(sending) = self.batches.remove(&(by, batch)) {
                    self.refused.push_back((by, batch, sending));
                    if self.refused.len() > REFUSED_MAX {
                        self.refused.pop_front();
                    }
                    self.send(by, Message::Refused { batch, sending, why }, out);
                }
            }
            Effect::Granted { key, to, token, from } => {
                if let Some(from) = from {
                    self.over(key, token - 1, from, out);
                }
                self.auctions.remove(&key);
                self.thefts.remove(&key);
                self.leases.insert((key, token), now.saturating_add(settings.lease));
                if let Some(open) = table.open(key) {
                    self.send(to, Message::Grant { task: open.task.clone(), token }, out);
                }
            }
            Effect::Released { key, from, token } => self.over(key, token, from, out),
            Effect::Done { key, submitter, outcome } => {
                while let Some((&lease, _)) = self.leases.range((key, 0)..=(key, u32::MAX)).next() {
                    self.leases.remove(&lease);
                }
                self.auctions.remove(&key);
                self.thefts.remove(&key);
                self.send(submitter, Message::Done { key, outcome }, out);
            }
            Effect::Answered { key, by, token, .. } => self.send(by, Message::Counted { key, token }, out),
        }
    }

    /// An attempt does not count any more.
    fn over(&mut self, key: TaskKey, token: u32, worker: AgentId, out: Out<'_>) {
        self.leases.remove(&(key, token));
        self.thefts.remove(&key);
        self.send(worker, Message::Revoke { key, token }, out);
    }

    /// Hears a submitter, a worker or a bidder.
    pub(super) fn hear(
        &mut self,
        now: UnixNanos,
        from: AgentId,
        message: Message,
        settings: &Settings,
        table: &Table,
        out: Out<'_>,
    ) {
        match message {
            Message::Submit { batch, sending, admitted, tasks } => {
                if let Err(why) = fits(&tasks) {
                    return self.send(from, Message::Refused { batch, sending, why }, out);
                }
                self.hear_batch(from, (batch, sending), admitted, tasks, settings, table, out);
            }
            Message::Status { facts, held } => self.hear_status(now, from, facts, held, settings, table, out),
            Message::Result { key, token, result } => {
                if table.open(key).is_none_or(|open| open.token != token) {
                    return self.send(from, Message::Counted { key, token }, out);
                }
                if self.settling.insert((key, token)) {
                    let failures = table.open(key).map_or(0, |open| open.failures);
                    let again = settings.again(now, failures);
                    self.ops.push(Op::Settle { key, token, by: from, result: bounded(result), again });
                }
            }
            Message::Yielded { key, token } => {
                let asked = self.thefts.remove(&key).filter(|theft| theft.token == token);
                let holder = table.open(key).filter(|open| open.token == token).map(|open| open.state);
                if holder != Some(State::Leased(from)) || self.moving.contains_key(&key) {
                    return;
                }
                let thief = asked.map(|theft| theft.thief).filter(|thief| self.known.contains_key(thief));
                self.moving.insert(key, thief);
                self.ops.push(match thief {
                    Some(to) => Op::Assign { key, seen: token, to },
                    None => Op::Release { key, token, again: now },
                });
            }
            Message::Bids(bids) if self.members.contains(&from) => {
                for (key, bid) in bids {
                    if let Some(auction) = self.auctions.get_mut(&key) {
                        auction.bids.insert(from, bid);
                    }
                }
            }
            _ => {}
        }
    }

    fn hear_batch(
        &mut self,
        by: AgentId,
        (batch, sending): (u64, u32),
        admitted: bool,
        tasks: Vec<Task>,
        settings: &Settings,
        table: &Table,
        out: Out<'_>,
    ) {
        if let Some(latest) = self.batches.get_mut(&(by, batch)) {
            // The answer to an earlier sending will be the answer to this one.
            *latest = sending.max(*latest);
            return;
        }
        if self.refused.iter().any(|&(who, which, latest)| (who, which) == (by, batch) && sending <= latest) {
            return;
        }
        let known = tasks.iter().all(|task| table.knows(task));
        if known {
            self.send(by, Message::Admitted { batch, term: self.term }, out);
        }
        if !known && !admitted {
            self.batches.insert((by, batch), sending);
            self.ops.push(Op::Admit { by, batch, tasks, open_max: settings.open_max });
            return;
        }
        for task in tasks {
            let key = task.key;
            match (table.open(key), table.finished(key)) {
                (None, Some(finished)) => self.send(by, Message::Done { key, outcome: finished.outcome.clone() }, out),
                (None, None) => self.send(by, Message::Done { key, outcome: Outcome::Faded }, out),
                (Some(_), _) => {}
            }
        }
    }

    fn hear_status(
        &mut self,
        now: UnixNanos,
        from: AgentId,
        facts: Facts,
        held: Vec<Attempt>,
        settings: &Settings,
        table: &Table,
        out: Out<'_>,
    ) {
        if !self.members.contains(&from) {
            return;
        }
        for &Attempt { key, token, .. } in &held {
            let open = table.open(key).filter(|open| open.token == token);
            if open.is_some_and(|open| open.state == State::Leased(from)) {
                self.leases.insert((key, token), now.saturating_add(settings.lease));
            } else {
                self.send(from, Message::Revoke { key, token }, out);
            }
        }
        self.known.insert(from, Known { facts, held });
    }

    /// What is to be written into the log now.
    pub(super) fn work(
        &mut self,
        now: UnixNanos,
        settings: &Settings,
        table: &Table,
        has_room: bool,
        out: Out<'_>,
    ) -> Vec<Op> {
        self.worked = now;
        if has_room {
            self.expire(now, table);
            self.patrol(now, settings, table);
            let mut workers = self.candidates(table);
            if settings.strategy == Strategy::Consensus {
                self.auction(now, settings, table, &mut workers, out);
            } else {
                self.assign(now, settings.strategy, table, &mut workers);
            }
            self.steal(now, settings, table, &workers, out);
        }
        std::mem::take(&mut self.ops)
    }

    /// Gives up what is late.
    fn expire(&mut self, now: UnixNanos, table: &Table) {
        for key in table.late(now).take(ASSIGN_MAX) {
            if let Entry::Vacant(free) = self.moving.entry(key) {
                free.insert(None);
                self.ops.push(Op::Expire(key));
            }
        }
    }

    /// Takes tasks from workers whose lease ran out, or who are gone.
    fn patrol(&mut self, now: UnixNanos, settings: &Settings, table: &Table) {
        if now < self.patrol {
            return;
        }
        self.patrol = now.saturating_add(settings.heartbeat.max(1));
        for (&(key, token), &until) in &self.leases {
            let holder = table.open(key).filter(|open| open.token == token).map(|open| open.state);
            let Some(State::Leased(worker)) = holder else { continue };
            let lost = until <= now || !self.members.contains(&worker);
            if lost && !self.moving.contains_key(&key) && !self.settling.contains(&(key, token)) {
                self.moving.insert(key, None);
                self.ops.push(Op::Release { key, token, again: now });
            }
        }
    }

    /// Workers that have been heard, with what they have and will have soon.
    fn candidates(&self, table: &Table) -> Vec<Candidate> {
        let mut coming: BTreeMap<AgentId, u64> = BTreeMap::new();
        for to in self.moving.values().flatten() {
            *coming.entry(*to).or_default() += 1;
        }
        let candidate = |(&agent, known): (&AgentId, &Known)| {
            let held = table.held_by(agent) as u64 + coming.get(&agent).copied().unwrap_or(0);
            Candidate { agent, facts: known.facts, held }
        };
        self.known.iter().map(candidate).collect()
    }

    /// Gives ready tasks to whom the strategy picks.
    fn assign(&mut self, now: UnixNanos, strategy: Strategy, table: &Table, workers: &mut [Candidate]) {
        let mut room: u64 = workers.iter().map(|one| u64::from(one.facts.room).saturating_sub(one.held)).sum();
        let mut nobody: BTreeSet<Capabilities> = BTreeSet::new();
        let mut assigned = 0;
        for open in table.ready(now) {
            if room == 0 || assigned == ASSIGN_MAX {
                return;
            }
            let (key, needs) = (open.task.key, open.task.needs);
            if self.moving.contains_key(&key) || nobody.contains(&needs) {
                continue;
            }
            let Some(to) = choose(strategy, needs, workers, self.last) else {
                nobody.insert(needs);
                continue;
            };
            if let Ok(at) = workers.binary_search_by_key(&to, |one| one.agent) {
                workers[at].held += 1;
            }
            self.last = Some(to);
            room -= 1;
            assigned += 1;
            self.moving.insert(key, Some(to));
            self.ops.push(Op::Assign { key, seen: open.token, to });
        }
    }

    /// Calls for bids, and awards tasks on which a majority has answered.
    fn auction(&mut self, now: UnixNanos, settings: &Settings, table: &Table, workers: &mut [Candidate], out: Out<'_>) {
        let quorum = self.members.len() / 2 + 1;
        let mut calls = Vec::new();
        // What nobody can do would keep its place for ever.
        let able: BTreeSet<Capabilities> =
            workers.iter().filter(|one| one.facts.room > 0).map(|one| one.facts.capabilities).collect();
        let feasible = |open: &Open| able.iter().any(|one| one.cover(open.task.needs));
        self.auctions.retain(|key, auction| {
            table.open(*key).is_some_and(|open| {
                open.token == auction.seen && matches!(open.state, State::Ready(_)) && feasible(open)
            })
        });
        for (&key, auction) in &mut self.auctions {
            if self.moving.contains_key(&key) {
                continue;
            }
            // Bids were made before the latest awards: who has become full bids no more.
            let full = |agent: &AgentId| match workers.binary_search_by_key(agent, |one| one.agent) {
                Ok(at) => workers[at].held >= u64::from(workers[at].facts.room),
                Err(_) => true,
            };
            let answers = auction.bids.iter().map(|(agent, bid)| (*agent, bid.filter(|_| !full(agent))));
            let bids: Vec<(AgentId, Option<u16>)> = answers.collect();
            let best = super::table::best_bid(key, &bids);
            if let (Some(to), true) = (best, bids.len() >= quorum) {
                if let Ok(at) = workers.binary_search_by_key(&to, |one| one.agent) {
                    workers[at].held += 1;
                }
                self.moving.insert(key, Some(to));
                self.ops.push(Op::Award { key, seen: auction.seen, quorum: quorum as u32, bids });
            } else if auction.due <= now {
                auction.due = now.saturating_add(settings.bidding);
                calls.push(key);
            }
        }
        let most = AUCTIONS_PER_MEMBER * self.members.len();
        for open in table.ready(now) {
            if self.auctions.len() >= most {
                break;
            }
            let key = open.task.key;
            if feasible(open) && !self.auctions.contains_key(&key) && !self.moving.contains_key(&key) {
                let due = now.saturating_add(settings.bidding);
                self.auctions.insert(key, Auction { seen: open.token, due, bids: BTreeMap::new() });
                calls.push(key);
            }
        }
        let call = calls.into_iter().filter_map(|key| Some((key, table.open(key)?.task.needs)));
        let call: Vec<(TaskKey, Capabilities)> = call.collect();
        if !call.is_empty() {
            self.members.iter().for_each(|&member| self.send(member, Message::Call(call.clone()), out));
        }
    }

    /// Finds waiting tasks of busy workers for idle ones.
    fn steal(&mut self, now: UnixNanos, settings: &Settings, table: &Table, workers: &[Candidate], out: Out<'_>) {
        self.thefts.retain(|_, theft| theft.until > now);
        if !self.known.values().any(|known| known.held.iter().any(|attempt| !attempt.started)) {
            return;
        }
        let thieves: BTreeSet<AgentId> = self.thefts.values().map(|theft| theft.thief).collect();
        for idle in workers.iter().filter(|one| one.held == 0 && !thieves.contains(&one.agent)) {
            let stealable = |attempt: &&Attempt| {
                let Attempt { key, token, started } = **attempt;
                let open = table.open(key).filter(|open| open.token == token);
                let fits = open.is_some_and(|open| idle.facts.score(open.task.needs, 0).is_some());
                fits && !started && !self.thefts.contains_key(&key) && !self.moving.contains_key(&key)
            };
            let waiting = |(agent, known): (&AgentId, &Known)| {
                let loot: Vec<Attempt> = known.held.iter().filter(stealable).copied().collect();
                // The latest of them waits longest.
                loot.last().map(|last| (loot.len(), *agent, last.key, last.token))
            };
            let Some((_, from, key, token)) = self.known.iter().filter_map(waiting).max() else { continue };
            let until = now.saturating_add(settings.repeat);
            self.thefts.insert(key, Theft { token, thief: idle.agent, until });
            self.send(from, Message::Yield { key, token }, out);
        }
    }
}
