//! The agent under measurement: a node of the swarm with every protocol in it, and a strategy that trades.
//!
//! ```text
//!  orders ─► agent ─► node ─ Pair(consensus, Pair(tasks, Pair(state, talk))) ─► frames
//!               └──► trader (executions, tasks)       answers ◄─┘
//! ```
//!
//! Invariant: a state machine without I/O: its host carries frames, orders and answers, wakes it, and hands in the clock
//! its readings are taken with. It executes one thing each time it is woken, so that frames are heard in between.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use starling_core::time::{DAY, HOUR, MILLISECOND, SECOND};
use starling_core::{Event, UnixNanos};
use starling_swarm::component::pair::{Either, Pair};
use starling_swarm::component::{Outbox, Priority};
use starling_swarm::consensus::ballot::{Ballot, Choice};
use starling_swarm::consensus::council::{self, Council, Member};
use starling_swarm::consensus::statement::Certificate;
use starling_swarm::consensus::{self, Consensus, Trust};
use starling_swarm::id::AgentId;
use starling_swarm::identity::{Identity, KeyBook};
use starling_swarm::membership::{Founding, Timing};
use starling_swarm::node::{self, Node, Parcel};
use starling_swarm::state::{self, State};
use starling_swarm::task::{self, TaskKey, Tasks};

use super::talk::{self, Talk};
use super::trader::Trader;
use super::words::{Answer, Assignment, Charter, Conduct, Distributing, Order, Own, Role, Signals, StateReport, Told};
use crate::bench::BenchError;
use crate::swarm::brain::Brain;

/// Keepers of the tasks' table, at most.
const KEEPERS_MAX: u32 = 3;
/// The share of weight that decides, basis points: three of six who are surer than the others shall be enough.
pub(super) const THRESHOLD_BP: u16 = 5_100;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> UnixNanos + Send + Sync>;

/// What a host drives.
pub trait Subject {
    /// The conductor says something.
    fn on_order(&mut self, order: Order);
    /// A frame came along the edge from an agent.
    fn on_frame(&mut self, from: AgentId, frame: &[u8]);
    /// The time has come that it asked for.
    fn on_time(&mut self);
    /// When it wants to be woken; the epoch for at once.
    fn next_due(&self) -> UnixNanos;
    /// The next frame to be sent.
    fn poll_frame(&mut self) -> Option<Parcel>;
    /// Takes a frame back that could not be sent.
    fn put_back(&mut self, parcel: Parcel);
    /// The next thing to be said to the conductor.
    fn poll_answer(&mut self) -> Option<Answer>;
}

type Stack = Pair<Consensus, Pair<Tasks, Pair<State, Talk>>>;

/// Executions that were asked for.
#[derive(Debug)]
struct Executing {
    left: u32,
    next: Assignment,
    pace: u64,
    due: UnixNanos,
    tell: bool,
    took: Vec<u64>,
    signals: Vec<Signals>,
}

/// Values being written.
#[derive(Debug)]
struct Writing {
    run: u32,
    began: UnixNanos,
    /// The write that all must have before the next.
    sequence: u64,
    /// Nanoseconds until all had the first.
    first: Option<u64>,
    deltas: u32,
    written: u32,
}

/// An agent at work.
pub struct Agent {
    clock: Clock,
    inner: Result<Inner, ()>,
    answers: VecDeque<Answer>,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Inner {
    me: AgentId,
    identity: Identity,
    node: Node<Stack>,
    trader: Trader,
    /// Its strategies after all bars so far: what it would trade on next.
    _brain: Brain,
    called: BTreeMap<UnixNanos, UnixNanos>,
    /// Decided before it was asked.
    early: BTreeMap<UnixNanos, (UnixNanos, Arc<Certificate>)>,
    executing: Option<Executing>,
    tasks: VecDeque<(TaskKey, Vec<u8>)>,
    writing: Option<Writing>,
}

/// What a decision about a bar is about.
#[must_use]
pub(super) const fn subject(stamp: UnixNanos) -> council::Subject {
    council::Subject { stamp, instrument: 0, question: 0 }
}

/// Everybody's council.
pub(super) fn council(charter: &Charter) -> Result<Council, BenchError> {
    let members = (0..charter.agents).map(|at| Member::new(AgentId(at)));
    let council = Council::new(charter.mode, members).and_then(|council| council.with_threshold(THRESHOLD_BP));
    council.map_err(|e| BenchError::Input(e.to_string()))
}

/// Everybody's keys.
pub(super) fn keys(charter: &Charter) -> Result<KeyBook, BenchError> {
    let mut keys = KeyBook::new();
    for (at, key) in (0..).zip(&charter.keys) {
        keys.insert(AgentId(at), key).map_err(|e| BenchError::Input(e.to_string()))?;
    }
    Ok(keys)
}

fn settings(agents: u32, tasks: Option<Distributing>) -> task::Settings {
    let settings = task::Settings::new((0..agents.min(KEEPERS_MAX)).map(AgentId).collect());
    match tasks {
        None => task::Settings { heartbeat: DAY, election: DAY, lease: DAY, repeat: DAY, ..settings },
        Some(Distributing { strategy, lease }) => task::Settings {
            strategy,
            lease,
            heartbeat: 50 * MILLISECOND,
            election: 300 * MILLISECOND,
            bidding: 100 * MILLISECOND,
            repeat: 500 * MILLISECOND,
            ..settings
        },
    }
}

impl Inner {
    fn new(now: UnixNanos, own: &Own, charter: &Charter) -> Result<(Self, Answer), BenchError> {
        let me = AgentId(own.at);
        let trader = Trader::new(&charter.config, own.at, &charter.events)?;
        let mut brain = trader.brain()?;
        let cash = cash(&brain);
        let stopped = |error| BenchError::Input(format!("the past cannot be learnt: {error}"));
        for events in charter.events.chunk_by(|one, next| one.ts() == next.ts()) {
            events.iter().try_for_each(|event| brain.on_event(event)).map_err(stopped)?;
            brain.complete_stamp().map_err(stopped)?;
        }
        let timing =
            Timing { interval: if charter.mortal { Timing::local().interval } else { HOUR }, ..Timing::local() };
        let (hop_retry, journey_retry) = (200 * MILLISECOND, SECOND);
        let config = node::Config { timing, hop_retry, journey_retry, ..node::Config::default() };
        let patience = consensus::Timing { patience: charter.patience, round: charter.patience / 2 };
        let identity = || Identity::new(me, &own.seed.0);
        let consensus =
            Consensus::new(identity(), Arc::new(keys(charter)?), council(charter)?, patience, Trust::Nobody);
        let tasks = Tasks::new(now, me, settings(charter.agents, charter.tasks));
        let state = State::new(now, me, state::Settings { gather: 0, ..state::Settings::default() });
        let talk = Talk::new(AgentId((own.at + 1) % charter.agents));
        let stack =
            Pair { first: consensus, second: Pair { first: tasks, second: Pair { first: state, second: talk } } };
        let founding = Founding::new(charter.shape, (0..charter.agents).map(AgentId));
        let ready = Answer::Ready { bars: charter.events.len() as u64, cash };
        let inner = Self {
            me,
            identity: identity(),
            node: Node::found(now, me, stack, config, &founding),
            trader,
            _brain: brain,
            called: BTreeMap::new(),
            early: BTreeMap::new(),
            executing: None,
            tasks: VecDeque::new(),
            writing: None,
        };
        Ok((inner, ready))
    }

    fn consensus<R>(
        &mut self,
        now: UnixNanos,
        act: impl FnOnce(&mut Consensus, &mut Outbox<consensus::Message>, &mut Vec<consensus::Event>) -> R,
    ) -> R {
        self.node.act(now, |stack, _, out, events| stack.act_first(out, events, act))
    }

    fn tasks<R>(
        &mut self,
        now: UnixNanos,
        act: impl FnOnce(&mut Tasks, &mut Outbox<task::Message>, &mut Vec<task::Event>) -> R,
    ) -> R {
        self.node.act(now, |stack, _, out, events| {
            stack.act_second(out, events, |rest, out, events| rest.act_first(out, events, act))
        })
    }

    fn state<R>(&mut self, now: UnixNanos, act: impl FnOnce(&mut State) -> R) -> R {
        self.node.act(now, |stack, _, out, events| {
            stack.act_second(out, events, |rest, out, events| {
                rest.act_second(out, events, |rest, out, events| rest.act_first(out, events, |state, _, _| act(state)))
            })
        })
    }

    fn talk<R>(
        &mut self,
        now: UnixNanos,
        act: impl FnOnce(&mut Talk, &mut Outbox<talk::Word>, &mut Vec<talk::Told>) -> R,
    ) -> R {
        self.node.act(now, |stack, _, out, events| {
            stack.act_second(out, events, |rest, out, events| {
                rest.act_second(out, events, |rest, out, events| rest.act_second(out, events, act))
            })
        })
    }

    fn on_order(&mut self, now: UnixNanos, order: Order, answers: &mut VecDeque<Answer>) {
        match order {
            Order::Greet => {
                let neighbours = self.node.view().topology().neighbours(self.me);
                self.talk(now, |talk, out, events| talk.greet(&neighbours, out, events));
            }
            Order::Time => answers.push_back(Answer::Time(now)),
            Order::Execute { executions, first, pace, tell } => {
                let (took, signals) = (Vec::new(), Vec::new());
                self.executing = Some(Executing { left: executions, next: first, pace, due: now, tell, took, signals });
            }
            Order::Vote { stamp, conduct } => self.vote(now, stamp, conduct, answers),
            Order::Ping { to, count } => self.talk(now, |talk, out, _| talk.ping(now, to, count, out)),
            Order::Pass { count, bytes } => self.talk(now, |talk, out, _| talk.pass(now, count, bytes, out)),
            Order::Offer { offer, every, count, bytes } => {
                self.talk(now, |talk, out, _| talk.offer(now, offer, (every, count, bytes), out));
            }
            Order::Count => {
                let talk::Received { arrivals, doubled, .. } = &self.heard().received;
                answers.push_back(Answer::Counted { arrivals: arrivals.clone(), doubled: *doubled });
            }
            Order::Write { run, bytes, deltas } => {
                let value = vec![run as u8; bytes as usize];
                match self.state(now, |state| state.set(now, format!("snapshot {run}").as_bytes(), value)) {
                    Ok(sequence) => {
                        self.writing = Some(Writing { run, began: now, sequence, first: None, deltas, written: 0 });
                    }
                    Err(refused) => answers.push_back(Answer::Refused(refused.to_string())),
                }
            }
            Order::State => {
                let state = self.node.component().second.second.first.hash();
                let copy = &self.node.component().second.second.first;
                let (keys, bytes) = (copy.iter().count() as u64, copy.bytes() as u64);
                answers.push_back(Answer::State(StateReport { hash: state, keys, bytes }));
            }
            Order::Submit(tasks) => {
                if let Err(refused) = self.tasks(now, |share, out, events| share.submit(now, tasks, out, events)) {
                    answers.push_back(Answer::Refused(refused.to_string()));
                }
            }
            Order::Report => {
                let counters = self.node.counters();
                let Talk { news, news_bytes, passed, .. } = *self.heard();
                answers.push_back(Answer::Report(Told {
                    sent: counters.sent + counters.repeated,
                    repeated: counters.repeated,
                    delivered: counters.delivered,
                    hops: counters.hops,
                    passed,
                    news,
                    news_bytes,
                    refused: counters.refused,
                }));
            }
        }
        self.hear(now, answers);
    }

    fn heard(&self) -> &Talk {
        &self.node.component().second.second.second
    }

    fn vote(&mut self, now: UnixNanos, stamp: UnixNanos, conduct: Conduct, answers: &mut VecDeque<Answer>) {
        if let Some((decided, certificate)) = self.early.remove(&stamp) {
            answers.push_back(told(now, decided, &certificate));
            return;
        }
        self.called.insert(stamp, now);
        let subject = subject(stamp);
        let voted = match conduct {
            Conduct::Silent => Ok(()),
            Conduct::Honest(choice) => {
                self.consensus(now, |consensus, out, events| consensus.vote(now, subject, choice, out, events))
            }
            Conduct::Lying(one, other) => self.lie(now, subject, one, other),
        };
        if let Err(refused) = voted {
            answers.push_back(Answer::Refused(refused.to_string()));
        }
    }

    /// Signs another vote besides its own, and sends both to whom they are for.
    fn lie(
        &mut self,
        now: UnixNanos,
        subject: council::Subject,
        one: Choice,
        other: Choice,
    ) -> Result<(), consensus::Refused> {
        let council = self.node.component().first.council(subject).cloned();
        let second = council.map(|council| {
            let ballot = Ballot::new(&self.identity, council.decision(subject), other);
            (council.coordinator(1), consensus::Message::Vote { subject, term: 1, ballot })
        });
        self.consensus(now, |consensus, out, events| {
            let voted = consensus.vote(now, subject, one, out, events);
            if let Some((coordinator, vote)) = second {
                out.send(coordinator, Priority::High, vote);
            }
            voted
        })
    }

    /// What its protocols tell.
    fn hear(&mut self, now: UnixNanos, answers: &mut VecDeque<Answer>) {
        while let Some(event) = self.node.poll_event() {
            let node::Event::Component(event) = event else { continue };
            match event {
                Either::First(consensus::Event::Decided(certificate)) => {
                    let stamp = certificate.subject.stamp;
                    match self.called.remove(&stamp) {
                        Some(called) => answers.push_back(told(called, now, &certificate)),
                        None => drop(self.early.insert(stamp, (now, certificate))),
                    }
                }
                Either::First(consensus::Event::Equivocated(proof)) => answers.push_back(Answer::Caught(proof.agent())),
                Either::Second(Either::First(event)) => match event {
                    task::Event::Run { task, .. } => {
                        answers.push_back(Answer::Began { key: task.key.0 });
                        self.tasks.push_back((task.key, task.payload));
                    }
                    task::Event::Done(key, outcome) => answers.push_back(Answer::Done { key: key.0, outcome }),
                    task::Event::Refused(_, refusal) => answers.push_back(Answer::Refused(refusal.to_string())),
                    _ => {}
                },
                Either::Second(Either::Second(Either::Second(told))) => answers.push_back(match told {
                    talk::Told::Settled(agents) => Answer::Settled(agents),
                    talk::Told::Pinged(took) => Answer::Pinged(took),
                    talk::Told::Passed { began, ended } => Answer::Passed { began, ended },
                }),
                _ => {}
            }
        }
        self.write_on(now, answers);
    }

    /// Goes on writing once all have what was written.
    fn write_on(&mut self, now: UnixNanos, answers: &mut VecDeque<Answer>) {
        let Some(writing) = &mut self.writing else { return };
        if !self.node.component().second.second.first.is_acknowledged(writing.sequence) {
            return;
        }
        let since = now.since(writing.began);
        let first = *writing.first.get_or_insert(since);
        if writing.written == writing.deltas {
            answers.push_back(Answer::Written { first, deltas: since - first });
            self.writing = None;
            return;
        }
        let (run, number) = (writing.run, writing.written);
        writing.written += 1;
        let key = format!("delta {run} {number}");
        let set = self.state(now, |state| state.set(now, key.as_bytes(), number.to_le_bytes().repeat(8)));
        match (set, &mut self.writing) {
            (Ok(sequence), Some(writing)) => writing.sequence = sequence,
            (Err(refused), _) => {
                answers.push_back(Answer::Refused(refused.to_string()));
                self.writing = None;
            }
            _ => {}
        }
    }

    /// True if there is something to execute now.
    fn is_busy(&self, now: UnixNanos) -> bool {
        !self.tasks.is_empty() || self.executing.as_ref().is_some_and(|executing| executing.due <= now)
    }

    fn execute(&mut self, clock: &Clock, answers: &mut VecDeque<Answer>) -> Result<(), BenchError> {
        let began = clock();
        if let Some((key, payload)) = self.tasks.pop_front() {
            let assignment: Assignment =
                postcard::from_bytes(&payload).map_err(|e| BenchError::Input(format!("a task is no task: {e}")))?;
            let result = self.trader.execute(assignment).map_err(|e| e.to_string());
            let ended = clock();
            answers.push_back(Answer::Ran { key: key.0 });
            let result = result.map(|signals| super::words::encode(&signals));
            self.tasks(ended, |share, out, events| share.end(ended, key, result, out, events));
            return Ok(());
        }
        let Some(executing) = self.executing.as_mut().filter(|executing| executing.due <= began) else {
            return Ok(());
        };
        let signals = self.trader.execute(executing.next)?;
        let ended = clock();
        // At a pace, from when it should have begun.
        let since = if executing.pace == 0 { began } else { executing.due };
        executing.took.push(ended.since(since));
        executing.signals.push(signals);
        executing.left = executing.left.saturating_sub(1);
        executing.next.instrument = (executing.next.instrument + 1) % self.trader.instruments();
        executing.due =
            if executing.pace == 0 { UnixNanos::EPOCH } else { executing.due.saturating_add(executing.pace) };
        let tell = executing.tell;
        if let Some(Executing { took, signals, .. }) = self.executing.take_if(|executing| executing.left == 0) {
            answers.push_back(Answer::Executed { took, signals });
        }
        if tell {
            self.talk(ended, |talk, out, _| talk.tell(signals, out));
        }
        Ok(())
    }
}

fn told(called: UnixNanos, decided: UnixNanos, certificate: &Arc<Certificate>) -> Answer {
    Answer::Decided { called, decided, certificate: Box::new(Certificate::clone(certificate)) }
}

/// All cash of a brain's paper accounts, in units of 1e-9, whatever the currency: agents have one.
fn cash(brain: &Brain) -> i128 {
    let ledger = brain.world().ledger();
    let opening = |(_, spec): (_, &starling_engine::ledger::AccountSpec)| -> i128 {
        spec.opening.iter().map(|(_, amount)| amount.units()).sum()
    };
    ledger.accounts().map(opening).sum()
}

impl Agent {
    /// The agent of a role; if it cannot be set up, it says so and nothing else.
    #[must_use]
    pub fn new(role: &[u8], clock: Clock) -> Self {
        let parsed = Role::decode(role).map_err(|e| BenchError::Input(format!("the role is of another release: {e}")));
        let made = parsed.and_then(|(own, charter)| Inner::new(clock(), &own, &charter));
        let (inner, answer) = match made {
            Ok((inner, ready)) => (Ok(inner), ready),
            Err(error) => (Err(()), Answer::Failed(error.to_string())),
        };
        Self { clock, inner, answers: VecDeque::from([answer]) }
    }
}

impl Subject for Agent {
    fn on_order(&mut self, order: Order) {
        let now = (self.clock)();
        if let Ok(inner) = &mut self.inner {
            inner.on_order(now, order, &mut self.answers);
        }
    }

    fn on_frame(&mut self, from: AgentId, frame: &[u8]) {
        let now = (self.clock)();
        if let Ok(inner) = &mut self.inner {
            inner.node.on_frame(now, from, frame);
            inner.hear(now, &mut self.answers);
        }
    }

    fn on_time(&mut self) {
        let now = (self.clock)();
        let Ok(inner) = &mut self.inner else { return };
        if inner.node.next_due() <= now {
            inner.node.on_time(now);
            inner.hear(now, &mut self.answers);
        }
        // That it begins a task has to be out before the task is: dying in the midst of it would hide that otherwise.
        let is_unsaid = !inner.tasks.is_empty() && !self.answers.is_empty();
        if inner.is_busy(now) && !is_unsaid {
            if let Err(error) = inner.execute(&self.clock, &mut self.answers) {
                self.answers.push_back(Answer::Failed(error.to_string()));
                inner.executing = None;
            }
            inner.hear((self.clock)(), &mut self.answers);
        }
    }

    fn next_due(&self) -> UnixNanos {
        let Ok(inner) = &self.inner else { return UnixNanos::MAX };
        if !inner.tasks.is_empty() {
            return UnixNanos::EPOCH;
        }
        let executing = inner.executing.as_ref().map_or(UnixNanos::MAX, |executing| executing.due);
        inner.node.next_due().min(executing)
    }

    fn poll_frame(&mut self) -> Option<Parcel> {
        self.inner.as_mut().ok()?.node.poll_send()
    }

    fn put_back(&mut self, parcel: Parcel) {
        if let Ok(inner) = &mut self.inner {
            inner.node.put_back(parcel);
        }
    }

    fn poll_answer(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }
}

/// Bars of a charter, for whoever looks at what agents should have seen.
#[must_use]
pub(super) fn bars(charter: &Charter) -> u64 {
    charter.events.iter().filter(|event| matches!(event, Event::Bar(_))).count() as u64
}
