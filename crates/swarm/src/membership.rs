//! Who is alive: heartbeats along edges, suspicion, death, objection, removal; and the view that follows from it.
//!
//! Each agent listens to its neighbours only. A neighbour silent for [`Timing::down`] intervals is raised to *down* in
//! the roster; rosters spread along edges whenever fingerprints differ, and merge without conflict ([`roster`]). An
//! agent that hears of its own death raises itself to *alive* again. Each agent greets one dead member per interval, so
//! that the parts of a divided swarm find each other after it heals. The leader removes for ever who stays dead for
//! [`Timing::remove`] intervals, and any member takes in newcomers, but only where a majority lives. Who was removed, or
//! restarts, joins under a new number by way of contacts.
//!
//! Invariant: the view (epoch, members, edges, leader) is a function of the roster. Once faults stop, every pair of
//! neighbours whose fingerprints differ exchanges rosters within an interval, so all rosters and views become equal.
//!
//! Invariant: once the parts of a divided swarm have noticed that they are, one of them at most has a leader, removes and
//! takes in newcomers, whatever each did before. Who is taken in or removed changes no majority in its maker's favour
//! until a majority has seen it ([`roster`]).
//!
//! Not here: agreement. Until a partition is noticed two agents may see two leaders; a leader is who *should*
//! coordinate, and a term that must be unique is consensus' to prove. Nor deltas: news of one death travel as whole
//! rosters, and give each member a roster and a view of its own, 12 bytes for each member (15 KB in a swarm of 1,000,
//! 1.2 MB in one of 100,000; until the first change all share one). Nor lies: rosters are believed. Nor links that fail
//! for one pair alone for ever: the two would accuse each other for as long as all others object.

pub mod roster;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use starling_core::UnixNanos;
use starling_core::time::{MILLISECOND, SECOND};

use crate::id::AgentId;
use crate::topology::{Shape, Topology};
use roster::{BadRoster, Roster, Standing};

/// How long silence may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Nanoseconds between heartbeats.
    pub interval: u64,
    /// Intervals of silence after which a neighbour is suspected, and asked again.
    pub suspect: u32,
    /// Intervals of silence after which it is held for dead.
    pub down: u32,
    /// Intervals a dead member may take to object before it is removed.
    pub remove: u32,
}

impl Default for Timing {
    /// Five seconds; dead within 20 s, removed after two minutes more.
    fn default() -> Self {
        Self { interval: 5 * SECOND, suspect: 2, down: 4, remove: 24 }
    }
}

impl Timing {
    /// For processes of one host: dead within 1 s of a kill.
    #[must_use]
    pub const fn local() -> Self {
        Self { interval: 200 * MILLISECOND, suspect: 2, down: 4, remove: 50 }
    }

    const fn after(&self, intervals: u32) -> u64 {
        self.interval.saturating_mul(intervals as u64)
    }

    /// How long news wait for more, before they are told.
    const fn gossip(&self) -> u64 {
        self.interval / 16
    }
}

/// Who lives, and along which edges they talk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    epoch: u64,
    fingerprint: u64,
    topology: Topology,
    leader: Option<AgentId>,
}

impl View {
    fn of(roster: &Roster, joined: bool) -> Self {
        let topology = Topology::new(roster.shape(), roster.living());
        let leader = if joined && roster.has_majority() { topology.root() } else { None };
        Self { epoch: roster.epoch(), fingerprint: roster.fingerprint(), topology, leader }
    }

    /// Rises with each change. Equal views have equal epochs; parts of a divided swarm may have one epoch for two views.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The fingerprint of the roster behind it.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The edges over the living.
    #[must_use]
    pub const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The living, in order of their numbers.
    #[must_use]
    pub fn members(&self) -> &[AgentId] {
        self.topology.members()
    }

    /// The living member with the smallest number; none while less than a majority lives. Its term is the epoch.
    #[must_use]
    pub const fn leader(&self) -> Option<AgentId> {
        self.leader
    }
}

/// Members that start together, each handed the same; they share its memory until the first change.
#[derive(Debug, Clone)]
pub struct Founding {
    roster: Arc<Roster>,
    view: View,
}

impl Founding {
    /// Of `members`, in any order.
    ///
    /// # Panics
    /// If they are more than [`roster::ROSTER_MAX`].
    #[must_use]
    pub fn new(shape: Shape, members: impl IntoIterator<Item = AgentId>) -> Self {
        let roster = Roster::new(shape, members);
        let view = View::of(&roster, true);
        Self { roster: Arc::new(roster), view }
    }

    /// The first view.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }
}

/// What is to be said, and to whom. All three may go to agents that are no neighbours; beats never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// I am alive.
    Beat(AgentId),
    /// The roster.
    Roster(AgentId),
    /// Take me in.
    Join(AgentId),
}

/// What came to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// There is a new [`Membership::view`].
    View,
    /// A neighbour has been silent for a while.
    Suspected(AgentId),
    /// This agent is gone from the swarm, by its own will or removed: it must not act any more.
    Excluded,
}

#[derive(Debug, Clone, Copy)]
struct Peer {
    agent: AgentId,
    heard: UnixNanos,
    suspected: bool,
    /// The fingerprint it last showed, or that it will have once it has what was last sent.
    known: u64,
}

/// One agent's share in it.
#[derive(Debug)]
pub struct Membership {
    me: AgentId,
    timing: Timing,
    roster: Arc<Roster>,
    view: View,
    peers: Vec<Peer>,
    /// The count of the standing under which each is held for dead, and since when it is.
    down_since: BTreeMap<AgentId, (u32, UnixNanos)>,
    contacts: Vec<AgentId>,
    joined: bool,
    excluded: bool,
    /// The last dead member, or the last contact's place, that was greeted.
    greeted: u32,
    next_beat: UnixNanos,
    gossip_due: UnixNanos,
    say: Vec<Say>,
    news: Vec<News>,
}

impl Membership {
    /// A founding member.
    #[must_use]
    pub fn found(now: UnixNanos, me: AgentId, timing: Timing, founding: &Founding) -> Self {
        Self::with(now, me, timing, founding.clone(), Vec::new())
    }

    /// A newcomer that asks `contacts`, one per interval, to be taken in.
    #[must_use]
    pub fn join(now: UnixNanos, me: AgentId, timing: Timing, contacts: Vec<AgentId>) -> Self {
        let mut roster = Roster::new(Shape::Mesh, []);
        roster.raise(me, Standing::NEW);
        let view = View::of(&roster, false);
        Self::with(now, me, timing, Founding { roster: Arc::new(roster), view }, contacts)
    }

    fn with(now: UnixNanos, me: AgentId, timing: Timing, founding: Founding, contacts: Vec<AgentId>) -> Self {
        let Founding { roster, view } = founding;
        let joined = contacts.is_empty();
        let mut new = Self {
            me,
            timing,
            roster,
            view,
            peers: Vec::new(),
            down_since: BTreeMap::new(),
            contacts,
            joined,
            excluded: false,
            greeted: 0,
            next_beat: now,
            gossip_due: UnixNanos::MAX,
            say: Vec::new(),
            news: Vec::new(),
        };
        // Those who start together have the same news.
        let mine = new.view.fingerprint;
        new.meet(now, mine);
        new
    }

    /// The view.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// The roster.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// True once this agent is gone from the swarm.
    #[must_use]
    pub const fn is_excluded(&self) -> bool {
        self.excluded
    }

    /// True if an edge leads to `agent`.
    #[must_use]
    pub fn is_neighbour(&self, agent: AgentId) -> bool {
        self.peer(agent).is_some()
    }

    fn peer(&self, agent: AgentId) -> Option<usize> {
        self.peers.binary_search_by_key(&agent, |peer| peer.agent).ok()
    }

    /// Takes what is to be said.
    pub fn take_say(&mut self) -> Vec<Say> {
        std::mem::take(&mut self.say)
    }

    /// Takes what came to pass.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// True if there is something to take.
    #[must_use]
    pub const fn has_output(&self) -> bool {
        !self.say.is_empty() || !self.news.is_empty()
    }

    /// When it wants to be woken.
    #[must_use]
    pub fn next_due(&self) -> UnixNanos {
        if self.excluded { UnixNanos::MAX } else { self.next_beat.min(self.gossip_due) }
    }

    /// A frame of any class came from `from`, sent under `epoch`.
    pub fn heard(&mut self, now: UnixNanos, from: AgentId, epoch: u64) {
        let Some(at) = self.peer(from) else { return };
        self.peers[at].heard = now;
        self.peers[at].suspected = false;
        if epoch != self.view.epoch && self.peers[at].known == self.view.fingerprint {
            self.peers[at].known = !self.view.fingerprint;
            self.gossip_soon(now);
        }
    }

    /// A heartbeat.
    pub fn on_beat(&mut self, now: UnixNanos, from: AgentId, fingerprint: u64) {
        if self.excluded || fingerprint == self.view.fingerprint {
            if let Some(at) = self.peer(from) {
                self.peers[at].known = fingerprint;
            }
            return;
        }
        match self.peer(from) {
            Some(at) => {
                self.peers[at].known = fingerprint;
                self.gossip_soon(now);
            }
            // It takes us for a neighbour and we do not: one of us has old news.
            None => self.say.push(Say::Roster(from)),
        }
    }

    /// Another agent's roster.
    ///
    /// # Errors
    /// [`BadRoster::TooLong`] if both together are above [`roster::ROSTER_MAX`]; then nothing was taken.
    pub fn on_roster(&mut self, now: UnixNanos, from: AgentId, theirs: &Roster) -> Result<(), BadRoster> {
        if self.excluded {
            return Ok(());
        }
        let fingerprint = theirs.fingerprint();
        let mut news = false;
        if fingerprint != self.view.fingerprint {
            news = Arc::make_mut(&mut self.roster).merge(theirs)?;
            if !self.joined {
                // What it was taken in with counts; the shape it came with does not.
                self.joined = theirs.standing(self.me).is_some();
                news |= self.joined;
            }
        }
        if let Some(at) = self.peer(from) {
            self.peers[at].known = fingerprint;
        }
        if news {
            self.changed(now);
        }
        if fingerprint != self.view.fingerprint {
            if self.is_neighbour(from) {
                self.gossip_soon(now);
            } else {
                self.say.push(Say::Roster(from));
            }
        }
        Ok(())
    }

    /// A newcomer asks. Unknown ones are taken in where a majority lives; known ones learn how they stand.
    pub fn on_join(&mut self, now: UnixNanos, from: AgentId) {
        if self.excluded || !self.joined {
            return;
        }
        if self.roster.standing(from).is_none() {
            if !self.roster.has_majority() || self.roster.is_full() {
                return;
            }
            Arc::make_mut(&mut self.roster).raise(from, Standing::NEW);
            self.changed(now);
        }
        self.say.push(Say::Roster(from));
    }

    /// Changes the shape of the swarm.
    pub fn reshape(&mut self, now: UnixNanos, shape: Shape) {
        if !self.excluded && self.roster.shape() != shape {
            Arc::make_mut(&mut self.roster).reshape(shape);
            self.changed(now);
        }
    }

    /// Says goodbye.
    pub fn leave(&mut self) {
        if !self.excluded {
            Arc::make_mut(&mut self.roster).raise(self.me, Standing::GONE);
            self.say.extend(self.peers.iter().map(|peer| Say::Roster(peer.agent)));
            self.exclude();
        }
    }

    fn exclude(&mut self) {
        self.excluded = true;
        self.view = View::of(&self.roster, self.joined);
        self.peers = Vec::new();
        self.news.push(News::Excluded);
    }

    /// The time has come: beats, judges, greets, tells.
    pub fn on_time(&mut self, now: UnixNanos) {
        if self.excluded {
            return;
        }
        if now >= self.next_beat {
            // Who slept through its own beats heard nobody, and must not blame them.
            let asleep = now.since(self.next_beat) > self.timing.interval;
            self.next_beat = now.saturating_add(self.timing.interval);
            if asleep {
                self.peers.iter_mut().for_each(|peer| peer.heard = now);
                // Nor remove the dead, who may have objected meanwhile.
                self.down_since.values_mut().for_each(|(_, since)| *since = now);
            }
            self.judge(now);
            self.say.extend(self.peers.iter().map(|peer| Say::Beat(peer.agent)));
            self.greet();
        }
        if now >= self.gossip_due {
            self.gossip_due = UnixNanos::MAX;
            let mine = self.view.fingerprint;
            for peer in self.peers.iter_mut().filter(|peer| peer.known != mine) {
                peer.known = mine;
                self.say.push(Say::Roster(peer.agent));
            }
        }
    }

    fn judge(&mut self, now: UnixNanos) {
        let mut fallen = Vec::new();
        for peer in &mut self.peers {
            let silent = now.since(peer.heard);
            if silent >= self.timing.after(self.timing.down) {
                fallen.push(peer.agent);
            } else if silent >= self.timing.after(self.timing.suspect) && !peer.suspected {
                peer.suspected = true;
                self.news.push(News::Suspected(peer.agent));
            }
        }
        let mut news = false;
        for &agent in &fallen {
            if let Some(standing) = self.roster.standing(agent).filter(|standing| standing.is_alive()) {
                news |= Arc::make_mut(&mut self.roster).raise(agent, standing.next());
                self.say.push(Say::Roster(agent));
            }
        }
        if self.view.leader == Some(self.me) {
            let long = |since: UnixNanos| now.since(since) >= self.timing.after(self.timing.remove);
            let lost: Vec<AgentId> = self.down_since.iter().filter(|(_, d)| long(d.1)).map(|(a, _)| *a).collect();
            for agent in lost {
                news |= Arc::make_mut(&mut self.roster).raise(agent, Standing::REMOVED);
                self.say.push(Say::Roster(agent));
            }
        }
        if news {
            self.changed(now);
        }
    }

    /// Tells one dead member, or one contact, that this agent is there.
    fn greet(&mut self) {
        if !self.joined {
            self.greeted = self.greeted.wrapping_add(1);
            let at = self.greeted as usize % self.contacts.len();
            self.say.push(Say::Join(self.contacts[at]));
            return;
        }
        let after = self.down_since.range((Bound::Excluded(AgentId(self.greeted)), Bound::Unbounded)).next();
        if let Some((&agent, _)) = after.or_else(|| self.down_since.iter().next()) {
            self.greeted = agent.0;
            self.say.push(Say::Roster(agent));
        }
    }

    fn gossip_soon(&mut self, now: UnixNanos) {
        self.gossip_due = self.gossip_due.min(now.saturating_add(self.timing.gossip()));
    }

    /// The roster has news: objects if they are of this agent's death, notes what it has seen, and draws the view anew.
    fn changed(&mut self, now: UnixNanos) {
        match self.roster.standing(self.me) {
            Some(standing) if standing.is_gone() => return self.exclude(),
            Some(standing) if standing.is_down() => {
                Arc::make_mut(&mut self.roster).raise(self.me, standing.next());
            }
            _ => {}
        }
        if self.joined {
            Arc::make_mut(&mut self.roster).acknowledge(self.me);
        }
        self.gossip_soon(now);
        if self.roster.epoch() == self.view.epoch && self.roster.shape() == self.view.topology.shape() {
            // Only who has seen it: that is for the others to know, and changes nothing here.
            self.view.fingerprint = self.roster.fingerprint();
            return;
        }
        let down = self.roster.standings().iter().filter(|(_, standing)| standing.is_down());
        let since = |(agent, standing): &(AgentId, Standing)| {
            let known = self.down_since.get(agent).filter(|(count, _)| *count == standing.count());
            (*agent, known.copied().unwrap_or((standing.count(), now)))
        };
        self.down_since = down.map(since).collect();
        self.view = View::of(&self.roster, self.joined);
        let other = !self.view.fingerprint;
        self.meet(now, other);
        self.news.push(News::View);
    }

    /// Draws up the neighbours of the view; who was one before keeps what is known of it, a new one has `known`.
    fn meet(&mut self, now: UnixNanos, known: u64) {
        let met = self.view.topology.neighbours(self.me).into_iter().map(|agent| {
            let fresh = Peer { agent, heard: now, suspected: false, known };
            self.peer(agent).map_or(fresh, |at| self.peers[at])
        });
        self.peers = met.collect();
    }
}

#[cfg(test)]
mod tests;
