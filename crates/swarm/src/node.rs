//! One agent's place in the swarm: membership, routes and reliable delivery under any [`Component`].
//!
//! A message is kept in two hands. *Custody*: whoever sends a frame along an edge repeats it until that neighbour says it
//! has it, so a lossy edge costs one more turn on that edge and not a new journey. *Origin*: the writer keeps the message
//! until each addressee has sent a receipt, so an agent that dies with frames in its custody, or a change of the
//! topology between two hops, costs a new journey by the routes of the day. Addressees remember which numbers they had.
//!
//! Invariant: a component is handed each message of class [`Class::Once`] exactly once if writer and addressee stay
//! members of one swarm that is connected now and then; in any order. What can break the promise is counted
//! ([`Counters::abandoned`], [`Counters::refused`]) and bounded by [`WINDOW`] open messages. A message of a writer that
//! dies may reach some and not others; agreement on that is consensus' business.
//!
//! Frames with messages travel along edges of the sender's view only. Every frame carries the epoch of that view;
//! whoever sees another epoch exchanges rosters, so a switch of the topology spreads as fast as the traffic.

pub mod window;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use starling_core::UnixNanos;
use starling_core::time::MILLISECOND;

use crate::component::{Component, Outbox, Priority, To};
use crate::id::AgentId;
use crate::mailbox::Mailbox;
use crate::membership::roster::Roster;
use crate::membership::{Founding, Membership, News, Say, Timing, View};
use crate::message::{Class, FrameId, Header, PAYLOAD_MAX, decode};
use crate::topology::Shape;
use window::{WINDOW, Window};

/// Frames of others a node keeps in custody. Above, it takes none on, and their last keepers repeat them.
pub const CUSTODY_MAX: usize = 8192;
/// Messages of each priority that wait for a place in the window of open ones.
pub const BACKLOG_MAX: usize = 8192;
/// Frames of each priority that wait to be polled.
pub const QUEUE_MAX: usize = 16_384;
/// Acknowledgements, or receipts, in a frame.
pub const ACKS_MAX: usize = 256;
/// How often a frame is repeated along an edge before its keeper lets go, and leaves it to the origin's next journey: by
/// then a dead neighbour is known to be dead. Without it, nodes whose custody is full of frames for each other would
/// wait for each other for ever.
pub const TURNS_MAX: u32 = 8;
/// How often a repetition's pause doubles.
const BACKOFF_MAX: u32 = 4;

/// What is promised about a component's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Exactly once.
    Once,
    /// At most once, without memory or acknowledgement: for what the next message replaces.
    Best,
}

/// A node's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Heartbeats.
    pub timing: Timing,
    /// Nanoseconds until a frame is repeated along an edge; doubles up to 16 times that.
    pub hop_retry: u64,
    /// Nanoseconds until a message starts on a new journey; doubles up to 16 times that.
    pub journey_retry: u64,
    /// The promise for each priority, the most urgent first.
    pub delivery: [Delivery; 4],
}

impl Default for Config {
    fn default() -> Self {
        let (hop_retry, journey_retry) = (200 * MILLISECOND, 3_000 * MILLISECOND);
        Self { timing: Timing::default(), hop_retry, journey_retry, delivery: [Delivery::Once; 4] }
    }
}

/// What a node tells its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<E> {
    /// The component has something to tell.
    Component(E),
    /// The members, the shape or the leader changed: see [`Node::view`].
    View {
        /// Its epoch, which is also the leader's term.
        epoch: u64,
        /// The leader of that term, if a majority lives.
        leader: Option<AgentId>,
    },
    /// A neighbour has been silent for a while.
    Suspected(AgentId),
    /// This agent is no member any more and must not act.
    Excluded,
    /// A message of the component was not taken.
    Refused(Refusal),
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The window of open messages and the backlog behind it are full.
    #[error("{BACKLOG_MAX} messages of {0:?} wait already: produce slower, or give addressees time")]
    Backlog(Priority),
    /// The message's bytes are too many.
    #[error("a message of {0} bytes is above {PAYLOAD_MAX}: send it in parts")]
    TooLong(usize),
    /// The addressee left the swarm for good.
    #[error("{0} is gone for good")]
    Gone(AgentId),
}

/// A frame to be handed to a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// To which agent, over the edge to it.
    pub to: AgentId,
    /// How urgent.
    pub priority: Priority,
    /// The frame.
    pub bytes: Vec<u8>,
}

/// What a node did, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames that carried a component's message, sent.
    pub sent: u64,
    /// Of those, sent again along the same edge.
    pub repeated: u64,
    /// Frames no longer kept after [`TURNS_MAX`] repetitions.
    pub let_go: u64,
    /// Messages that started on another journey.
    pub journeys: u64,
    /// Messages handed to the component.
    pub delivered: u64,
    /// Edges those came along.
    pub hops: u64,
    /// Messages that came again and were dropped.
    pub doubled: u64,
    /// Frames of others taken on.
    pub carried: u64,
    /// Frames of others without a way on, or at the end of their hops.
    pub unroutable: u64,
    /// Frames and messages that did not parse, and rosters too long to be believed.
    pub malformed: u64,
    /// Addressees a message was given up for: they were down when the window was full.
    pub abandoned: u64,
    /// Messages of the component that were not taken.
    pub refused: u64,
}

/// A message of this node's component, until all addressees have it.
#[derive(Debug)]
struct Open {
    priority: Priority,
    payload: Arc<[u8]>,
    /// In order.
    waiting: Vec<AgentId>,
    due: UnixNanos,
    journeys: u32,
}

/// A frame until the neighbour has it.
#[derive(Debug)]
struct Held {
    header: Header,
    payload: Arc<[u8]>,
    sent: UnixNanos,
    due: UnixNanos,
    turns: u32,
}

/// Waits for a place in the window.
#[derive(Debug)]
struct Backlogged {
    to: To,
    payload: Arc<[u8]>,
}

/// One agent's place in the swarm.
#[derive(Debug)]
pub struct Node<C: Component> {
    me: AgentId,
    config: Config,
    component: C,
    membership: Membership,
    /// The last time it was told.
    now: UnixNanos,
    open: BTreeMap<u64, Open>,
    next: [u64; 3],
    backlog: Mailbox<Backlogged>,
    held: BTreeMap<(FrameId, AgentId), Held>,
    /// Not later than the first repetition that falls due.
    retry: UnixNanos,
    seen: BTreeMap<(AgentId, Class), Window>,
    acks: BTreeMap<AgentId, Vec<FrameId>>,
    receipts: BTreeMap<AgentId, Vec<u64>>,
    queue: Mailbox<(AgentId, Vec<u8>)>,
    /// What the component said to itself.
    own: VecDeque<Arc<[u8]>>,
    handing_over: bool,
    events: VecDeque<Event<C::Event>>,
    /// Of whom the component was told that they are gone for good.
    gone: BTreeSet<AgentId>,
    hop_ns: f64,
    counters: Counters,
}

impl<C: Component> Node<C> {
    /// A founding member. Its component is told the members at once.
    #[must_use]
    pub fn found(now: UnixNanos, me: AgentId, component: C, config: Config, founding: &Founding) -> Self {
        let membership = Membership::found(now, me, config.timing, founding);
        let mut node = Self::with(now, me, component, config, membership);
        node.tell_members(now);
        node
    }

    /// A newcomer, under a number nobody ever had, that asks `contacts` to be taken in.
    #[must_use]
    pub fn join(now: UnixNanos, me: AgentId, component: C, config: Config, contacts: Vec<AgentId>) -> Self {
        Self::with(now, me, component, config, Membership::join(now, me, config.timing, contacts))
    }

    fn with(now: UnixNanos, me: AgentId, component: C, config: Config, membership: Membership) -> Self {
        Self {
            me,
            config,
            component,
            membership,
            now,
            open: BTreeMap::new(),
            next: [0; 3],
            backlog: Mailbox::new(BACKLOG_MAX),
            held: BTreeMap::new(),
            retry: UnixNanos::MAX,
            seen: BTreeMap::new(),
            acks: BTreeMap::new(),
            receipts: BTreeMap::new(),
            queue: Mailbox::new(QUEUE_MAX),
            own: VecDeque::new(),
            handing_over: false,
            events: VecDeque::new(),
            gone: BTreeSet::new(),
            hop_ns: 0.0,
            counters: Counters::default(),
        }
    }

    /// This agent.
    #[must_use]
    pub const fn me(&self) -> AgentId {
        self.me
    }

    /// The component.
    #[must_use]
    pub const fn component(&self) -> &C {
        &self.component
    }

    /// Who lives, and along which edges they talk.
    #[must_use]
    pub const fn view(&self) -> &View {
        self.membership.view()
    }

    /// All that is known of who belongs to the swarm.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        self.membership.roster()
    }

    /// The leader of the view, if a majority lives; its term is the view's epoch.
    #[must_use]
    pub const fn leader(&self) -> Option<AgentId> {
        self.membership.view().leader()
    }

    /// True once this agent is no member any more.
    #[must_use]
    pub const fn is_excluded(&self) -> bool {
        self.membership.is_excluded()
    }

    /// What it did.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// From a frame's first departure to its acknowledgement, halved: the latency of a hop, nanoseconds, smoothed over
    /// about 8 frames; 0 before the first.
    #[must_use]
    pub const fn hop_ns(&self) -> f64 {
        self.hop_ns
    }

    /// Messages of the component that not all addressees have yet, those that wait for a place in the window included.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.open.len() + self.backlog.len()
    }

    /// True while the window has room: who produces only then is never refused.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.backlog.is_empty() && self.next[Class::Once as usize] - self.floor() < WINDOW
    }

    /// Lets the agent speak to its component; what that wants sent is sent.
    pub fn act<R>(
        &mut self,
        now: UnixNanos,
        act: impl FnOnce(&mut C, UnixNanos, &mut Outbox<C::Message>, &mut Vec<C::Event>) -> R,
    ) -> R {
        self.now = now;
        let (mut out, mut events) = (Outbox::new(), Vec::new());
        let answer = act(&mut self.component, now, &mut out, &mut events);
        self.events.extend(events.into_iter().map(Event::Component));
        for outgoing in out.drain() {
            self.dispatch(now, outgoing.to, outgoing.priority, &outgoing.message);
        }
        // Not deeper: what a component answers to itself waits until it has spoken.
        if !std::mem::replace(&mut self.handing_over, true) {
            while let Some(payload) = self.own.pop_front() {
                self.hand_over(now, self.me, &payload);
            }
            self.handing_over = false;
        }
        answer
    }

    /// Changes the topology of the whole swarm, live. For the leader, lest two say different things at once.
    pub fn reshape(&mut self, now: UnixNanos, shape: Shape) {
        self.membership.reshape(now, shape);
        self.follow_membership(now);
    }

    /// Leaves the swarm for good; what is still to be polled is the goodbye.
    pub fn leave(&mut self, now: UnixNanos) {
        self.membership.leave();
        self.follow_membership(now);
    }

    /// The next thing it tells its agent.
    pub fn poll_event(&mut self) -> Option<Event<C::Event>> {
        self.events.pop_front()
    }

    /// The next frame to hand to a transport. Acknowledgements leave when nothing else waits, many in a frame.
    pub fn poll_send(&mut self) -> Option<Parcel> {
        if self.queue.is_empty() {
            self.write_acks();
        }
        let (priority, (to, bytes)) = self.queue.pop()?;
        Some(Parcel { to, priority, bytes })
    }

    /// Takes back what a full transport refused, to be polled first again.
    pub fn put_back(&mut self, parcel: Parcel) {
        self.queue.put_back(parcel.priority, (parcel.to, parcel.bytes));
    }

    /// Gives back the memory that messages under way took, as far as none are: for hosts of many nodes, that confer one
    /// council after the other.
    pub fn shrink_to_fit(&mut self) {
        release(&mut self.open);
        release(&mut self.held);
        release(&mut self.acks);
        release(&mut self.receipts);
        self.backlog.shrink_to_fit();
        self.queue.shrink_to_fit();
        self.own.shrink_to_fit();
        self.events.shrink_to_fit();
    }

    /// When it wants to be woken; [`UnixNanos::MAX`] for not at all.
    #[must_use]
    pub fn next_due(&self) -> UnixNanos {
        if self.is_excluded() {
            return UnixNanos::MAX;
        }
        self.membership.next_due().min(self.retry).min(self.component.next_due())
    }

    /// The time it asked for has come. Being woken early, late or twice does no harm.
    pub fn on_time(&mut self, now: UnixNanos) {
        if self.is_excluded() {
            return;
        }
        self.now = now;
        if now >= self.membership.next_due() {
            self.membership.on_time(now);
            self.follow_membership(now);
        }
        if now >= self.retry && !self.is_excluded() {
            self.repeat(now);
        }
        if now >= self.component.next_due() && !self.is_excluded() {
            self.act(now, |component, now, out, events| component.on_time(now, out, events));
        }
    }

    /// A frame came along the edge from `from`, which the transport vouches for. Bytes that are no frame are counted.
    pub fn on_frame(&mut self, now: UnixNanos, from: AgentId, bytes: &[u8]) {
        if self.is_excluded() {
            return;
        }
        self.now = now;
        let Ok((header, payload)) = decode(bytes) else {
            self.counters.malformed += 1;
            return;
        };
        self.membership.heard(now, from, header.epoch);
        let understood = match header.class {
            Class::Beat => postcard::from_bytes(payload).is_ok_and(|fingerprint| {
                self.membership.on_beat(now, from, fingerprint);
                true
            }),
            Class::Roster => {
                let taken = Roster::decode(payload).and_then(|roster| self.membership.on_roster(now, from, &roster));
                taken.is_ok()
            }
            Class::Join => {
                self.membership.on_join(now, from);
                true
            }
            Class::Ack => postcard::from_bytes::<Vec<FrameId>>(payload).is_ok_and(|ids| {
                ids.into_iter().for_each(|id| self.acknowledged(now, from, id));
                self.fill_window(now);
                true
            }),
            Class::Receipt | Class::Once | Class::Best => self.on_message(now, from, header, payload),
        };
        self.counters.malformed += u64::from(!understood);
        if self.membership.has_output() {
            self.follow_membership(now);
        }
    }

    fn on_message(&mut self, now: UnixNanos, from: AgentId, header: Header, payload: &[u8]) -> bool {
        let Header { origin, class, to, sequence, .. } = header;
        let kept = class != Class::Best;
        // A stranger's frame stays with its keeper until the roster that names the stranger has come.
        let Some(standing) = self.membership.roster().standing(origin) else { return true };
        if let To::One(to) = to
            && to != self.me
        {
            return self.carry(now, from, header, payload);
        }
        let mut next = if to == To::All { self.view().topology().children(origin, self.me) } else { Vec::new() };
        next.retain(|&next| next != from);
        if kept && !next.is_empty() && self.held.len() >= CUSTODY_MAX {
            return true;
        }
        if kept {
            self.owe_ack(from, header.id());
        }
        if standing.is_gone() || origin == self.me {
            return true;
        }
        if class == Class::Receipt {
            let Ok(sequences) = postcard::from_bytes::<Vec<u64>>(payload) else { return false };
            sequences.into_iter().for_each(|sequence| self.arrived(sequence, origin));
            self.fill_window(now);
            return true;
        }
        if kept && from != origin {
            let owed = self.receipts.entry(origin).or_default();
            owed.push(sequence);
            if owed.len() == ACKS_MAX {
                self.write_receipts(origin);
            }
        }
        if !self.seen.entry((origin, class)).or_default().take(sequence, header.floor) {
            self.counters.doubled += 1;
            return true;
        }
        if !next.is_empty() {
            let payload: Arc<[u8]> = payload.into();
            let header = Header { hops: header.hops.saturating_add(1), ttl: header.ttl.saturating_sub(1), ..header };
            for next in next {
                self.counters.carried += 1;
                self.put(now, next, header, &payload);
            }
        }
        self.counters.hops += u64::from(header.hops) + 1;
        self.hand_over(now, origin, payload)
    }

    /// Takes a frame for another agent into custody.
    fn carry(&mut self, now: UnixNanos, from: AgentId, header: Header, payload: &[u8]) -> bool {
        let id = header.id();
        let kept = header.class != Class::Best;
        let already = kept && self.held.range((id, AgentId(0))..=(id, AgentId(u32::MAX))).next().is_some();
        if kept && !already && self.held.len() >= CUSTODY_MAX {
            return true;
        }
        if kept {
            self.owe_ack(from, id);
        }
        if already {
            return true;
        }
        let To::One(to) = header.to else { return false };
        match self.view().topology().next_hop(self.me, to) {
            Some(next) if header.ttl > 0 => {
                self.counters.carried += 1;
                let header = Header { hops: header.hops.saturating_add(1), ttl: header.ttl - 1, ..header };
                self.put(now, next, header, &payload.into());
            }
            _ => self.counters.unroutable += 1,
        }
        true
    }

    /// Hands a message to the component.
    fn hand_over(&mut self, now: UnixNanos, origin: AgentId, payload: &[u8]) -> bool {
        let Ok(message) = postcard::from_bytes::<C::Message>(payload) else { return false };
        self.counters.delivered += 1;
        self.act(now, |component, now, out, events| component.on_message(now, origin, message, out, events));
        true
    }

    /// Takes a component's message.
    fn dispatch(&mut self, now: UnixNanos, to: To, priority: Priority, message: &C::Message) {
        let payload = postcard::to_allocvec(message).expect("messages of components are plain data");
        if payload.len() > PAYLOAD_MAX {
            return self.refuse(Refusal::TooLong(payload.len()));
        }
        if let To::One(to) = to {
            if to == self.me {
                return self.own.push_back(payload.into());
            }
            if self.membership.roster().standing(to).is_some_and(|standing| standing.is_gone()) {
                return self.refuse(Refusal::Gone(to));
            }
        }
        if self.config.delivery[priority as usize] == Delivery::Best {
            let sequence = self.number(Class::Best);
            let floor = sequence.saturating_sub(WINDOW - 1);
            return self.send_out(now, Class::Best, sequence, floor, to, priority, &payload.into());
        }
        if self.backlog.push(priority, Backlogged { to, payload: payload.into() }).is_err() {
            return self.refuse(Refusal::Backlog(priority));
        }
        self.fill_window(now);
    }

    fn refuse(&mut self, why: Refusal) {
        self.counters.refused += 1;
        self.events.push_back(Event::Refused(why));
    }

    fn number(&mut self, class: Class) -> u64 {
        let next = &mut self.next[class as usize];
        *next += 1;
        *next - 1
    }

    /// Below this, nothing of this node's is open.
    fn floor(&self) -> u64 {
        self.open.first_key_value().map_or(self.next[Class::Once as usize], |(sequence, _)| *sequence)
    }

    /// Sends what waits, as far as the window goes.
    fn fill_window(&mut self, now: UnixNanos) {
        while !self.backlog.is_empty() {
            if self.next[Class::Once as usize] - self.floor() >= WINDOW {
                self.abandon_dead();
                if self.next[Class::Once as usize] - self.floor() >= WINDOW {
                    return;
                }
            }
            let Some((priority, Backlogged { to, payload })) = self.backlog.pop() else { return };
            let waiting: Vec<AgentId> = match to {
                To::One(to) => vec![to],
                To::All => self.view().members().iter().copied().filter(|&member| member != self.me).collect(),
            };
            if waiting.is_empty() {
                continue;
            }
            let sequence = self.number(Class::Once);
            let due = now.saturating_add(self.config.journey_retry);
            let open = Open { priority, payload: Arc::clone(&payload), waiting, due, journeys: 0 };
            self.open.insert(sequence, open);
            self.retry = self.retry.min(due);
            let floor = self.floor();
            self.send_out(now, Class::Once, sequence, floor, to, priority, &payload);
        }
    }

    /// The window is full: those who do not live at present must not stop it.
    fn abandon_dead(&mut self) {
        let topology = self.membership.view().topology();
        for open in self.open.values_mut() {
            let before = open.waiting.len();
            open.waiting.retain(|&agent| topology.contains(agent));
            self.counters.abandoned += (before - open.waiting.len()) as u64;
        }
        self.open.retain(|_, open| !open.waiting.is_empty());
    }

    fn send_out(
        &mut self,
        now: UnixNanos,
        class: Class,
        sequence: u64,
        floor: u64,
        to: To,
        priority: Priority,
        payload: &Arc<[u8]>,
    ) {
        let topology = self.membership.view().topology();
        // Longer than any way of any shape; a loop, while views differ, ends.
        let ttl = u16::try_from(topology.members().len()).unwrap_or(u16::MAX);
        let next = match to {
            To::One(to) => topology.next_hop(self.me, to).into_iter().collect(),
            To::All => topology.children(self.me, self.me),
        };
        let header = Header { epoch: 0, origin: self.me, to, class, priority, sequence, floor, hops: 0, ttl };
        for next in next {
            self.put(now, next, header, payload);
        }
    }

    /// Puts a frame on an edge, and keeps it if its class says so.
    fn put(&mut self, now: UnixNanos, next: AgentId, header: Header, payload: &Arc<[u8]>) {
        if header.class != Class::Best {
            let due = now.saturating_add(self.config.hop_retry);
            let held = Held { header, payload: Arc::clone(payload), sent: now, due, turns: 0 };
            self.held.insert((header.id(), next), held);
            self.retry = self.retry.min(due);
        }
        self.counters.sent += u64::from(header.class != Class::Receipt);
        self.write(next, header, payload);
    }

    /// Writes a frame. A full queue drops it: what is kept is repeated, the rest was not promised.
    fn write(&mut self, to: AgentId, header: Header, payload: &[u8]) {
        let header = Header { epoch: self.view().epoch(), ..header };
        let bytes = header.encode(payload).expect("payloads were measured, and floors are below their sequences");
        let _ = self.queue.push(header.priority, (to, bytes));
    }

    fn control(&self, to: AgentId, class: Class) -> Header {
        let (origin, to, priority) = (self.me, To::One(to), Priority::Normal);
        Header { epoch: 0, origin, to, class, priority, sequence: 0, floor: 0, hops: 0, ttl: 1 }
    }

    fn owe_ack(&mut self, to: AgentId, id: FrameId) {
        let owed = self.acks.entry(to).or_default();
        owed.push(id);
        if owed.len() == ACKS_MAX {
            self.write_acks();
        }
    }

    fn write_acks(&mut self) {
        for origin in self.receipts.keys().copied().collect::<Vec<_>>() {
            self.write_receipts(origin);
        }
        for (to, ids) in std::mem::take(&mut self.acks) {
            let payload = postcard::to_allocvec(&ids).expect("names are plain data");
            let header = Header { priority: Priority::High, ..self.control(to, Class::Ack) };
            self.write(to, header, &payload);
        }
    }

    fn write_receipts(&mut self, origin: AgentId) {
        let Some(sequences) = self.receipts.remove(&origin) else { return };
        let payload = postcard::to_allocvec(&sequences).expect("numbers are plain data");
        let sequence = self.number(Class::Receipt);
        self.send_out(self.now, Class::Receipt, sequence, sequence, To::One(origin), Priority::High, &payload.into());
    }

    /// A neighbour has taken a frame over.
    fn acknowledged(&mut self, now: UnixNanos, by: AgentId, id: FrameId) {
        if let Some(held) = self.held.remove(&(id, by))
            && held.turns == 0
        {
            let hop = now.since(held.sent) as f64 / 2.0;
            self.hop_ns = if self.hop_ns == 0.0 { hop } else { self.hop_ns + (hop - self.hop_ns) / 8.0 };
        }
        if id.origin == self.me && id.class == Class::Once && (id.to == To::All || id.to == To::One(by)) {
            self.arrived(id.sequence, by);
        }
    }

    /// An addressee has a message.
    fn arrived(&mut self, sequence: u64, by: AgentId) {
        let Some(open) = self.open.get_mut(&sequence) else { return };
        if let Ok(at) = open.waiting.binary_search(&by) {
            open.waiting.remove(at);
            if open.waiting.is_empty() {
                self.open.remove(&sequence);
            }
        }
    }

    /// Repeats what fell due: frames on their edge, messages on a new journey.
    fn repeat(&mut self, now: UnixNanos) {
        let mut again = Vec::new();
        let mut retry = UnixNanos::MAX;
        let before = self.held.len();
        self.held.retain(|&(_, next), held| {
            if now >= held.due {
                if held.turns == TURNS_MAX {
                    return false;
                }
                held.turns += 1;
                held.due = now.saturating_add(self.config.hop_retry << held.turns.min(BACKOFF_MAX));
                again.push((next, held.header, Arc::clone(&held.payload)));
            }
            retry = retry.min(held.due);
            true
        });
        self.counters.let_go += (before - self.held.len()) as u64;
        for (next, header, payload) in again {
            self.counters.repeated += 1;
            self.write(next, header, &payload);
        }
        let mut leave = Vec::new();
        for (&sequence, open) in &mut self.open {
            if now >= open.due {
                open.journeys += 1;
                open.due = now.saturating_add(self.config.journey_retry << open.journeys.min(BACKOFF_MAX));
                leave.extend(open.waiting.iter().map(|&to| (sequence, to, open.priority, Arc::clone(&open.payload))));
            }
            retry = retry.min(open.due);
        }
        self.retry = retry;
        let floor = self.floor();
        for (sequence, to, priority, payload) in leave {
            let id = FrameId { origin: self.me, class: Class::Once, sequence, to: To::One(to) };
            let on_its_way = self.held.range((id, AgentId(0))..=(id, AgentId(u32::MAX))).next().is_some();
            if !on_its_way && self.view().topology().contains(to) {
                self.counters.journeys += 1;
                self.send_out(now, Class::Once, sequence, floor, To::One(to), priority, &payload);
            }
        }
    }

    fn tell_members(&mut self, now: UnixNanos) {
        let topology = self.view().topology().clone();
        self.act(now, |component, now, out, events| component.on_members(now, topology.members(), out, events));
    }

    fn tell_gone(&mut self, now: UnixNanos) {
        let standings = self.roster().standings().iter();
        let gone = standings.filter(|(agent, standing)| standing.is_gone() && !self.gone.contains(agent));
        for agent in gone.map(|(agent, _)| *agent).collect::<Vec<_>>() {
            self.gone.insert(agent);
            self.act(now, |component, now, out, events| component.on_gone(now, agent, out, events));
        }
    }

    /// Writes what membership says, and follows a new view.
    fn follow_membership(&mut self, now: UnixNanos) {
        for say in self.membership.take_say() {
            match say {
                Say::Beat(to) => {
                    let fingerprint = postcard::to_allocvec(&self.view().fingerprint()).expect("a number");
                    self.write(to, self.control(to, Class::Beat), &fingerprint);
                }
                Say::Roster(to) => {
                    let roster = self.membership.roster().encode();
                    self.write(to, self.control(to, Class::Roster), &roster);
                }
                Say::Join(to) => self.write(to, self.control(to, Class::Join), &[]),
            }
        }
        let mut moved = false;
        for news in self.membership.take_news() {
            match news {
                News::View => moved = true,
                News::Suspected(agent) => self.events.push_back(Event::Suspected(agent)),
                News::Excluded => {
                    self.events.push_back(Event::Excluded);
                    self.open = BTreeMap::new();
                    self.held = BTreeMap::new();
                    self.acks = BTreeMap::new();
                    self.receipts = BTreeMap::new();
                    self.backlog = Mailbox::new(BACKLOG_MAX);
                    return;
                }
            }
        }
        if moved {
            self.reroute(now);
            let (epoch, leader) = (self.view().epoch(), self.leader());
            self.events.push_back(Event::View { epoch, leader });
            self.tell_members(now);
            self.tell_gone(now);
        }
    }

    /// Frames on edges that are no more take another way; messages that may have been in dead hands leave again soon.
    fn reroute(&mut self, now: UnixNanos) {
        let astray: Vec<(FrameId, AgentId)> =
            self.held.keys().filter(|(_, next)| !self.membership.is_neighbour(*next)).copied().collect();
        for key in astray {
            let Some(held) = self.held.remove(&key) else { continue };
            // A broadcast's branch is not one frame any more: its origin asks each addressee.
            if let To::One(to) = key.0.to
                && let Some(next) = self.view().topology().next_hop(self.me, to)
            {
                self.put(now, next, held.header, &held.payload);
            }
        }
        let roster = self.membership.roster();
        let soon = now.saturating_add(2 * self.config.hop_retry);
        for open in self.open.values_mut() {
            open.waiting.retain(|&agent| !roster.standing(agent).is_some_and(|standing| standing.is_gone()));
            open.due = open.due.min(soon);
            self.retry = self.retry.min(open.due);
        }
        self.open.retain(|_, open| !open.waiting.is_empty());
        self.seen.retain(|(agent, _), _| !roster.standing(*agent).is_some_and(|standing| standing.is_gone()));
        self.fill_window(now);
    }
}

/// An emptied map keeps its last leaf, of eleven entries.
fn release<K, V>(map: &mut BTreeMap<K, V>) {
    if map.is_empty() {
        *map = BTreeMap::new();
    }
}

#[cfg(test)]
mod tests;
