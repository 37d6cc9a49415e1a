//! The simulated world: agents, links with faults, virtual time.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use starling_core::UnixNanos;
use starling_core::time::MILLISECOND;
use starling_swarm::component::{Component, Outbox, To};
use starling_swarm::id::AgentId;
use starling_swarm::membership::{Founding, Timing};
use starling_swarm::message::{Class, decode};
use starling_swarm::node::{Config, Event, Node};
use starling_swarm::topology::Shape;

use crate::prng::Prng;

/// What links do to frames.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Links {
    /// Percent of frames lost.
    pub(crate) loss: u64,
    /// Percent of frames that come twice.
    pub(crate) duplication: u64,
    /// Nanoseconds a frame takes, at least and at most; a spread reorders.
    pub(crate) delay: (u64, u64),
}

/// What befalls agents.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Dies, and says nothing.
    Crash(AgentId),
    /// Starts anew under the next free number, and asks those now living, one after the other, to be taken in.
    Join,
    /// Says goodbye.
    Leave(AgentId),
    /// Takes so much longer for each frame and each wake-up.
    Slow(AgentId, u64),
    /// Frames pass only between agents on the same side.
    Partition(BTreeSet<AgentId>),
    /// Frames pass everywhere again.
    Heal,
    /// The leader changes the topology.
    Reshape(Shape),
}

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) members: u32,
    pub(crate) shape: Shape,
    pub(crate) links: Links,
    pub(crate) config: Config,
    /// In order of time, nanoseconds after the start.
    pub(crate) faults: Vec<(u64, Fault)>,
}

/// Agents number 0 to n - 1 at first.
fn some_agent(prng: &mut Prng, members: u32) -> AgentId {
    AgentId(prng.below(u64::from(members)) as u32)
}

impl Plan {
    /// 3 to 31 members (small swarms more often), links at their worst, no faults yet.
    pub(crate) fn quiet(seed: u64, shape: Shape) -> Self {
        let mut prng = Prng::new(seed ^ 0x51a7);
        let most = [5, 7, 9, 13, 21, 31][prng.below(6) as usize];
        let members = prng.between(3, most) as u32;
        let delay = prng.between(0, 2) * MILLISECOND;
        let links = Links {
            loss: prng.below(31),
            duplication: prng.below(51),
            delay: (delay, delay + prng.between(0, 10) * MILLISECOND),
        };
        // At 30 % loss nine beats in a row are lost twice in 100,000 times; who objects is alive again.
        let timing = Timing { interval: 100 * MILLISECOND, suspect: 4, down: 9, remove: 40 };
        let config =
            Config { timing, hop_retry: 40 * MILLISECOND, journey_retry: 600 * MILLISECOND, ..Config::default() };
        Self { seed, members, shape, links, config, faults: Vec::new() }
    }

    /// A quiet plan with up to six faults in its first two seconds: deaths and departures of less than half of the
    /// members, newcomers, slow ones, a partition that heals, other topologies.
    pub(crate) fn draw(seed: u64, shape: Shape) -> Self {
        let mut plan = Self::quiet(seed, shape);
        let mut prng = Prng::new(seed ^ 0xfa17);
        let n = plan.members;
        let mut lost = BTreeSet::new();
        for _ in 0..prng.below(7) {
            let at = prng.between(1, 2_000) * MILLISECOND;
            let agent = some_agent(&mut prng, n);
            let may_go = lost.contains(&agent) || 2 * (lost.len() + 1) < n as usize;
            match prng.below(7) {
                0 | 1 if may_go => {
                    lost.insert(agent);
                    plan.faults.push((at, Fault::Crash(agent)));
                }
                2 if may_go => {
                    lost.insert(agent);
                    plan.faults.push((at, Fault::Leave(agent)));
                }
                3 => plan.faults.push((at, Fault::Join)),
                4 => plan.faults.push((at, Fault::Slow(agent, prng.between(1, 100) * MILLISECOND))),
                5 => {
                    let side = (0..n).filter(|_| prng.percent(50)).map(AgentId).collect();
                    plan.faults.push((at, Fault::Partition(side)));
                    plan.faults.push((at + prng.between(100, 2_500) * MILLISECOND, Fault::Heal));
                }
                6 => plan.faults.push((at, Fault::Reshape(Shape::ALL[prng.below(4) as usize]))),
                _ => {}
            }
        }
        plan.faults.sort_by_key(|(at, _)| *at);
        plan
    }
}

/// Changes a message on its way from its component to its node. None says nothing.
type Lie<M> = dyn Fn(&mut Prng, To, M) -> Option<M>;

/// A component as its node sees it: honest, or with a lie on its lips. A lie to all is told to each apart.
pub(crate) struct Lips<C: Component> {
    pub(crate) inner: C,
    members: Vec<AgentId>,
    me: AgentId,
    lie: Option<Rc<Lie<C::Message>>>,
    chance: Rc<RefCell<Prng>>,
}

impl<C: Component + fmt::Debug> fmt::Debug for Lips<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<C: Component> Lips<C> {
    fn speak<R>(&mut self, out: &mut Outbox<C::Message>, say: impl FnOnce(&mut C, &mut Outbox<C::Message>) -> R) -> R {
        let Some(lie) = self.lie.clone() else { return say(&mut self.inner, out) };
        let mut truth = Outbox::new();
        let answer = say(&mut self.inner, &mut truth);
        let chance = &mut *self.chance.borrow_mut();
        for outgoing in truth.drain() {
            let ears = match outgoing.to {
                To::One(agent) => vec![agent],
                To::All => self.members.iter().copied().filter(|&member| member != self.me).collect(),
            };
            for agent in ears {
                // What it says to itself stays true, or it would deceive nobody else.
                let said = if agent == self.me {
                    Some(outgoing.message.clone())
                } else {
                    lie(chance, To::One(agent), outgoing.message.clone())
                };
                if let Some(message) = said {
                    out.send(agent, outgoing.priority, message);
                }
            }
        }
        answer
    }
}

impl<C: Component> Component for Lips<C> {
    type Message = C::Message;
    type Event = C::Event;

    fn on_message(
        &mut self,
        now: UnixNanos,
        from: AgentId,
        message: C::Message,
        out: &mut Outbox<C::Message>,
        events: &mut Vec<C::Event>,
    ) {
        self.speak(out, |inner, out| inner.on_message(now, from, message, out, events));
    }

    fn on_time(&mut self, now: UnixNanos, out: &mut Outbox<C::Message>, events: &mut Vec<C::Event>) {
        self.speak(out, |inner, out| inner.on_time(now, out, events));
    }

    fn next_due(&self) -> UnixNanos {
        self.inner.next_due()
    }

    fn on_members(
        &mut self,
        now: UnixNanos,
        members: &[AgentId],
        out: &mut Outbox<C::Message>,
        events: &mut Vec<C::Event>,
    ) {
        self.members = members.to_vec();
        self.speak(out, |inner, out| inner.on_members(now, members, out, events));
    }

    fn on_gone(&mut self, now: UnixNanos, agent: AgentId, out: &mut Outbox<C::Message>, events: &mut Vec<C::Event>) {
        self.speak(out, |inner, out| inner.on_gone(now, agent, out, events));
    }
}

struct Agent<C: Component> {
    node: Node<Lips<C>>,
    slow: u64,
    /// The earliest wake-up under way.
    wake: UnixNanos,
}

enum Happening {
    Frame { from: AgentId, to: AgentId, bytes: Vec<u8> },
    Wake(AgentId),
    Fault(Fault),
}

/// Counts of a run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) lost: u64,
    /// Rosters and acknowledgements to agents that were no neighbours in the sender's view.
    pub(crate) off_edges: u64,
}

/// Builds an agent's component.
type Make<C> = dyn FnMut(AgentId, &[AgentId]) -> C;

/// A simulated frame's last word: changed, or None for not sent.
type Garble = dyn Fn(&mut Prng, Vec<u8>) -> Option<Vec<u8>>;

/// Agents in virtual time.
pub(crate) struct World<C: Component> {
    plan: Plan,
    chance: Rc<RefCell<Prng>>,
    make: Box<Make<C>>,
    agents: BTreeMap<AgentId, Agent<C>>,
    /// Numbers of all agents that ever were.
    numbers: u32,
    happenings: BTreeMap<(UnixNanos, u64), Happening>,
    count: u64,
    now: UnixNanos,
    links: Links,
    side: Option<BTreeSet<AgentId>>,
    garblers: BTreeMap<AgentId, Box<Garble>>,
    /// The edges of a view, by its fingerprint.
    edges: BTreeMap<u64, BTreeSet<(AgentId, AgentId)>>,
    /// What components told their agents.
    pub(crate) events: Vec<(UnixNanos, AgentId, C::Event)>,
    /// What nodes told their agents besides.
    pub(crate) news: Vec<(UnixNanos, AgentId, Event<()>)>,
    pub(crate) tally: Tally,
}

/// Virtual time starts here, on a round number far from zero.
const START: UnixNanos = UnixNanos::new(1_000_000_000_000_000_000);

/// The edges as the benchmarks define them, over members in order.
fn defined_edges(shape: Shape, members: &[AgentId]) -> BTreeSet<(AgentId, AgentId)> {
    let n = members.len();
    let mut edges = BTreeSet::new();
    for i in 0..n {
        let others: Vec<usize> = match shape {
            Shape::Mesh => (0..i).collect(),
            Shape::Hierarchical => i.checked_sub(1).map(|below| below / 2).into_iter().collect(),
            Shape::Ring => vec![(i + 1) % n],
            Shape::Star => (0..i.min(1)).collect(),
        };
        for j in others.into_iter().filter(|&j| j != i) {
            edges.insert((members[i], members[j]));
            edges.insert((members[j], members[i]));
        }
    }
    edges
}

impl<C: Component> World<C> {
    /// Founds a swarm. `make` builds the component of an agent, handed the members it starts with (for one that joins
    /// later: itself alone).
    pub(crate) fn new(plan: Plan, make: impl FnMut(AgentId, &[AgentId]) -> C + 'static) -> Self {
        let members: Vec<AgentId> = (0..plan.members).map(AgentId).collect();
        let founding = Founding::new(plan.shape, members.iter().copied());
        let mut world = Self {
            chance: Rc::new(RefCell::new(Prng::new(plan.seed))),
            make: Box::new(make),
            agents: BTreeMap::new(),
            numbers: plan.members,
            happenings: BTreeMap::new(),
            count: 0,
            now: START,
            links: plan.links,
            side: None,
            garblers: BTreeMap::new(),
            edges: BTreeMap::new(),
            events: Vec::new(),
            news: Vec::new(),
            tally: Tally::default(),
            plan,
        };
        for &agent in &members {
            let lips = world.lips(agent, &members);
            let node = Node::found(world.now, agent, lips, world.plan.config, &founding);
            world.agents.insert(agent, Agent { node, slow: 0, wake: UnixNanos::MAX });
            world.after(agent);
        }
        for (at, fault) in world.plan.faults.clone() {
            world.schedule(START.saturating_add(at), Happening::Fault(fault));
        }
        world
    }

    fn lips(&mut self, me: AgentId, members: &[AgentId]) -> Lips<C> {
        let inner = (self.make)(me, members);
        Lips { inner, members: members.to_vec(), me, lie: None, chance: Rc::clone(&self.chance) }
    }

    pub(crate) const fn now(&self) -> UnixNanos {
        self.now
    }

    pub(crate) const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Agents that run and are members, or hope to be.
    pub(crate) fn living(&self) -> Vec<AgentId> {
        self.agents.iter().filter(|(_, agent)| !agent.node.is_excluded()).map(|(id, _)| *id).collect()
    }

    pub(crate) fn node(&self, agent: AgentId) -> &Node<Lips<C>> {
        &self.agents[&agent].node
    }

    pub(crate) fn component(&self, agent: AgentId) -> &C {
        &self.agents[&agent].node.component().inner
    }

    /// Lets an agent speak to its component; None if it is dead.
    pub(crate) fn act<R>(
        &mut self,
        agent: AgentId,
        act: impl FnOnce(&mut C, UnixNanos, &mut Outbox<C::Message>, &mut Vec<C::Event>) -> R,
    ) -> Option<R> {
        let now = self.now;
        let node = &mut self.agents.get_mut(&agent)?.node;
        if node.is_excluded() {
            return None;
        }
        let answer = node.act(now, |lips, now, out, events| lips.speak(out, |inner, out| act(inner, now, out, events)));
        self.after(agent);
        Some(answer)
    }

    /// From now on what this agent's component sends passes through `lie` first, once per addressee.
    pub(crate) fn corrupt(
        &mut self,
        agent: AgentId,
        lie: impl Fn(&mut Prng, To, C::Message) -> Option<C::Message> + 'static,
    ) {
        let now = self.now;
        let lie: Rc<Lie<C::Message>> = Rc::new(lie);
        self.agents.get_mut(&agent).expect("alive").node.act(now, |lips, _, _, _| lips.lie = Some(lie));
    }

    /// From now on the frames this agent sends pass through `garble` first.
    pub(crate) fn garble(&mut self, agent: AgentId, garble: impl Fn(&mut Prng, Vec<u8>) -> Option<Vec<u8>> + 'static) {
        self.garblers.insert(agent, Box::new(garble));
    }

    /// A fault, now.
    pub(crate) fn inflict(&mut self, fault: Fault) {
        match fault {
            Fault::Crash(agent) => {
                self.agents.remove(&agent);
            }
            Fault::Join => self.join(),
            Fault::Leave(agent) => {
                let now = self.now;
                if let Some(leaver) = self.agents.get_mut(&agent) {
                    leaver.node.leave(now);
                    self.after(agent);
                }
            }
            Fault::Slow(agent, by) => {
                if let Some(agent) = self.agents.get_mut(&agent) {
                    agent.slow = by;
                }
            }
            Fault::Partition(side) => self.side = Some(side),
            Fault::Heal => self.side = None,
            Fault::Reshape(shape) => {
                let now = self.now;
                let leads = |(id, agent): (&AgentId, &Agent<C>)| (agent.node.leader() == Some(*id)).then_some(*id);
                if let Some(leader) = self.agents.iter().find_map(leads) {
                    self.agents.get_mut(&leader).expect("found").node.reshape(now, shape);
                    self.after(leader);
                }
            }
        }
    }

    fn join(&mut self) {
        let contacts = self.living();
        if contacts.is_empty() {
            return;
        }
        let me = AgentId(self.numbers);
        self.numbers += 1;
        let lips = self.lips(me, &[me]);
        let node = Node::join(self.now, me, lips, self.plan.config, contacts);
        self.agents.insert(me, Agent { node, slow: 0, wake: UnixNanos::MAX });
        self.after(me);
    }

    /// Ends all faults: links are perfect and quick, nobody is slow, no fault is still to come.
    pub(crate) fn calm(&mut self) {
        self.links = Links { loss: 0, duplication: 0, delay: (MILLISECOND / 2, MILLISECOND) };
        self.side = None;
        self.agents.values_mut().for_each(|agent| agent.slow = 0);
        self.happenings.retain(|_, happening| !matches!(happening, Happening::Fault(_)));
    }

    /// True if all living have one view, of exactly the living.
    pub(crate) fn agree(&self) -> bool {
        let living = self.living();
        let mut views = living.iter().map(|&agent| self.node(agent).view());
        let Some(first) = views.next() else { return true };
        first.members() == living && views.all(|view| view == first)
    }

    /// Runs until all living agree; how long that took, or None within `limit` nanoseconds.
    pub(crate) fn settle(&mut self, limit: u64) -> Option<u64> {
        let start = self.now;
        self.run_until(limit, Self::agree).then(|| self.now.since(start))
    }

    pub(crate) fn run_for(&mut self, nanos: u64) {
        self.run_until(nanos, |_| false);
    }

    /// Runs until `done`, which is asked each 10 virtual milliseconds; false if it was not within `nanos`.
    pub(crate) fn run_until(&mut self, nanos: u64, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now.saturating_add(nanos);
        loop {
            if done(self) {
                return true;
            }
            if self.now >= end {
                return false;
            }
            let stop = self.now.saturating_add(10 * MILLISECOND).min(end);
            while let Some(entry) = self.happenings.first_entry()
                && entry.key().0 <= stop
            {
                let ((at, _), happening) = entry.remove_entry();
                self.now = at;
                self.happen(happening);
            }
            self.now = stop;
        }
    }

    fn schedule(&mut self, at: UnixNanos, happening: Happening) {
        self.happenings.insert((at, self.count), happening);
        self.count += 1;
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.now;
        match happening {
            Happening::Frame { from, to, bytes } => {
                if let Some(agent) = self.agents.get_mut(&to) {
                    agent.node.on_frame(now, from, &bytes);
                    self.after(to);
                }
            }
            Happening::Wake(id) => {
                if let Some(agent) = self.agents.get_mut(&id) {
                    // Only the latest plan to wake it counts; others are as if never made.
                    if agent.wake == now {
                        agent.wake = UnixNanos::MAX;
                        agent.node.on_time(now);
                        self.after(id);
                    }
                }
            }
            Happening::Fault(fault) => self.inflict(fault),
        }
    }

    /// An agent has acted: its frames leave, its words are kept, its next wake-up is planned.
    fn after(&mut self, id: AgentId) {
        let Some(mut agent) = self.agents.remove(&id) else { return };
        while let Some(event) = agent.node.poll_event() {
            let news = match event {
                Event::Component(event) => {
                    self.events.push((self.now, id, event));
                    continue;
                }
                Event::View { epoch, leader } => Event::View { epoch, leader },
                Event::Suspected(agent) => Event::Suspected(agent),
                Event::Excluded => Event::Excluded,
                Event::Refused(why) => Event::Refused(why),
                _ => continue,
            };
            self.news.push((self.now, id, news));
        }
        while let Some(parcel) = agent.node.poll_send() {
            self.check_edge(&agent.node, parcel.to, &parcel.bytes);
            self.tally.frames += 1;
            self.tally.bytes += parcel.bytes.len() as u64;
            let bytes = match self.garblers.get(&id) {
                Some(garble) => garble(&mut self.chance.borrow_mut(), parcel.bytes),
                None => Some(parcel.bytes),
            };
            if let Some(bytes) = bytes {
                self.transmit(id, parcel.to, bytes, agent.slow);
            }
        }
        let due = agent.node.next_due();
        if due != UnixNanos::MAX {
            let wake = due.max(self.now.saturating_add(1)).saturating_add(agent.slow);
            if wake < agent.wake {
                agent.wake = wake;
                self.schedule(wake, Happening::Wake(id));
            }
        }
        self.agents.insert(id, agent);
    }

    fn transmit(&mut self, from: AgentId, to: AgentId, bytes: Vec<u8>, slow: u64) {
        let cut = self.side.as_ref().is_some_and(|side| side.contains(&from) != side.contains(&to));
        let chance = Rc::clone(&self.chance);
        let mut chance = chance.borrow_mut();
        if cut || chance.percent(self.links.loss) {
            self.tally.lost += 1;
            return;
        }
        let (low, high) = self.links.delay;
        let mut delay = || chance.between(low, high);
        let slow = slow + self.agents.get(&to).map_or(0, |agent| agent.slow);
        let first = self.now.saturating_add(delay() + slow);
        let second = self.now.saturating_add(delay() + slow);
        if chance.percent(self.links.duplication) {
            self.schedule(second, Happening::Frame { from, to, bytes: bytes.clone() });
        }
        self.schedule(first, Happening::Frame { from, to, bytes });
    }

    /// Messages, receipts and beats leave along edges of their sender's view only. A frame that waited in its node while
    /// the view changed is stamped with the epoch it was written under, and is let pass.
    fn check_edge(&mut self, node: &Node<Lips<C>>, to: AgentId, bytes: &[u8]) {
        let (header, _) = decode(bytes).expect("nodes write frames");
        let view = node.view();
        let edges = self
            .edges
            .entry(view.fingerprint())
            .or_insert_with(|| defined_edges(view.topology().shape(), view.members()));
        if edges.contains(&(node.me(), to)) {
            return;
        }
        self.tally.off_edges += 1;
        let may = matches!(header.class, Class::Ack | Class::Roster | Class::Join) || header.epoch != view.epoch();
        assert!(may, "{} sends {:?} to {to}, who is no neighbour in {view:?}", node.me(), header);
    }
}
