//! Agents of one process that share out tasks: a node each, all moved by one thread, and for each agent a thread that does
//! what it is given.
//!
//! Invariant: tasks go the way they go in a swarm: submitted to the coordinator, kept by a majority, granted, done, counted.
//! Every attempt is noted with its agent and its times, so that a benchmark can say who did what when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use starling_core::UnixNanos;
use starling_core::time::MILLISECOND;
use starling_swarm::id::AgentId;
use starling_swarm::membership::Founding;
use starling_swarm::node::{self, Config, Node};
use starling_swarm::task::{Capabilities, Event, Outcome, Settings, Task, TaskKey, Tasks};
use starling_swarm::topology::Shape;
use starling_swarm::transport::{InProcess, receive_all, send_all};

use crate::bench::BenchError;

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// When the agents' clock starts: a stamp like those of the wall's clock.
const START: u64 = 1_600_000_000_000_000_000;
/// Who keeps the table of tasks.
const KEEPERS: usize = 3;

/// What a task is to those who do it.
pub(super) type Labour = Arc<dyn Fn(&Task) -> Result<Vec<u8>, String> + Send + Sync>;

/// A task that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) agent: AgentId,
    pub(super) key: TaskKey,
    pub(super) began: UnixNanos,
    pub(super) ended: UnixNanos,
}

struct Finished {
    attempt: Attempt,
    result: Result<Vec<u8>, String>,
}

/// What became of a batch.
#[derive(Debug)]
pub(super) struct Report {
    /// From its submission until its submitter knew the end of every task, nanoseconds.
    pub(super) took: f64,
    /// Each task's result.
    pub(super) results: BTreeMap<TaskKey, Vec<u8>>,
    /// In the order in which they ended.
    pub(super) attempts: Vec<Attempt>,
}

impl Report {
    /// Tasks that were begun once and have a result.
    pub(super) fn done_once(&self) -> usize {
        let times = |key: &&TaskKey| self.attempts.iter().filter(|attempt| attempt.key == **key).count() == 1;
        self.results.keys().filter(times).count()
    }

    /// Those who did something.
    pub(super) fn agents(&self) -> usize {
        let mut agents: Vec<AgentId> = self.attempts.iter().map(|attempt| attempt.agent).collect();
        agents.sort_unstable();
        agents.dedup();
        agents.len()
    }
}

/// Agents and their hands.
pub(super) struct Crew {
    nodes: Vec<Node<Tasks>>,
    transport: InProcess,
    hands: Vec<Sender<Task>>,
    threads: Vec<JoinHandle<()>>,
    finished: Receiver<Finished>,
    done: Sender<Finished>,
    labour: Labour,
    clock: Instant,
    settings: Settings,
    attempts: Vec<Attempt>,
    ends: Vec<(TaskKey, Outcome)>,
    next_key: u64,
}

fn at(clock: Instant) -> UnixNanos {
    let passed = u64::try_from(clock.elapsed().as_nanos()).unwrap_or(u64::MAX);
    UnixNanos::new(START.saturating_add(passed))
}

fn number(place: usize) -> AgentId {
    AgentId(u32::try_from(place).expect("a crew is small"))
}

impl Crew {
    /// Agents `0..agents` in a mesh, each able to do what `able` says; ready to be given tasks.
    pub(super) fn found(
        agents: usize,
        settings: Settings,
        able: impl Fn(usize) -> Capabilities,
        labour: Labour,
    ) -> Result<Self, BenchError> {
        let keepers: Vec<AgentId> = (0..agents.min(KEEPERS)).map(number).collect();
        let (done, finished) = channel();
        let mut crew = Self {
            nodes: Vec::new(),
            transport: InProcess::default(),
            hands: Vec::new(),
            threads: Vec::new(),
            finished,
            done,
            labour,
            clock: Instant::now(),
            settings: Settings { keepers, ..settings },
            attempts: Vec::new(),
            ends: Vec::new(),
            next_key: 0,
        };
        let founding = Founding::new(Shape::Mesh, (0..agents).map(number));
        for place in 0..agents {
            let tasks = crew.tasks(place, able(place));
            crew.take_in(Node::found(crew.now(), number(place), tasks, Config::default(), &founding))?;
        }
        crew.until("a coordinator all know", |crew| {
            crew.nodes.iter().all(|node| node.component().coordinator().is_some())
        })?;
        Ok(crew)
    }

    /// Elections and signs of life as among agents of one process, which fail together if at all.
    pub(super) fn settings() -> Settings {
        Settings { heartbeat: 5 * MILLISECOND, election: 20 * MILLISECOND, ..Settings::new(Vec::new()) }
    }

    fn now(&self) -> UnixNanos {
        at(self.clock)
    }

    fn tasks(&self, place: usize, capabilities: Capabilities) -> Tasks {
        Tasks::new(self.now(), number(place), Settings { capabilities, ..self.settings.clone() })
    }

    fn take_in(&mut self, node: Node<Tasks>) -> Result<(), BenchError> {
        self.transport.open(node.me());
        let (agent, clock, labour, done) = (node.me(), self.clock, Arc::clone(&self.labour), self.done.clone());
        let (given, tasks) = channel::<Task>();
        let work = move || {
            for task in tasks {
                let began = at(clock);
                let result = labour(&task);
                let attempt = Attempt { agent, key: task.key, began, ended: at(clock) };
                if done.send(Finished { attempt, result }).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name(format!("hands of {agent}")).spawn(work);
        self.threads.push(thread.map_err(|error| BenchError::Agents(format!("no thread for {agent}: {error}")))?);
        self.hands.push(given);
        self.nodes.push(node);
        Ok(())
    }

    /// One more, under a number nobody had, that asks the others to be taken in; nanoseconds until all count it in.
    pub(super) fn join(&mut self, capabilities: Capabilities) -> Result<f64, BenchError> {
        let began = Instant::now();
        let (place, agents) = (self.nodes.len(), self.nodes.len() + 1);
        let tasks = self.tasks(place, capabilities);
        let contacts = vec![number(0), number(1)];
        self.take_in(Node::join(self.now(), number(place), tasks, Config::default(), contacts))?;
        self.until("a view with the newcomer", |crew| crew.views() == vec![agents; agents])?;
        Ok(began.elapsed().as_nanos() as f64)
    }

    /// How many members each sees.
    pub(super) fn views(&self) -> Vec<usize> {
        self.nodes.iter().map(|node| node.view().members().len()).collect()
    }

    /// Keys that no task here had.
    pub(super) fn keys(&mut self, count: u64) -> impl Iterator<Item = TaskKey> + Clone + use<> {
        let from = self.next_key;
        self.next_key += count;
        (from..from + count).map(TaskKey)
    }

    /// The first agent submits tasks; when all are done, what became of them.
    pub(super) fn run(&mut self, tasks: Vec<Task>) -> Result<Report, BenchError> {
        let count = tasks.len();
        (self.attempts, self.ends) = (Vec::new(), Vec::new());
        let began = Instant::now();
        let now = self.now();
        let submit = |all: &mut Tasks, now, out: &mut _, events: &mut _| all.submit(now, tasks, out, events);
        let submitted = self.nodes[0].act(now, submit);
        submitted.map_err(|refusal| BenchError::Agents(refusal.to_string()))?;
        self.until("the end of every task", |crew| crew.ends.len() == count)?;
        let took = began.elapsed().as_nanos() as f64;
        let mut results = BTreeMap::new();
        for (key, outcome) in std::mem::take(&mut self.ends) {
            match outcome {
                Outcome::Done(result) => drop(results.insert(key, result)),
                Outcome::Dead(cause) => return Err(BenchError::Agents(format!("{key}: {cause}"))),
                Outcome::Faded => return Err(BenchError::Agents(format!("{key}: its result is gone"))),
            }
        }
        let mut attempts = std::mem::take(&mut self.attempts);
        attempts.sort_by_key(|attempt| attempt.ended);
        Ok(Report { took, results, attempts })
    }

    /// Moves frames and time on until something is so.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<(), BenchError> {
        let began = Instant::now();
        loop {
            let moved = self.turn()?;
            if is_so(self) {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(BenchError::Agents(format!("{what} did not come within {PATIENCE:?}")));
            }
            if !moved {
                let due = self.nodes.iter().map(Node::next_due).min().unwrap_or(UnixNanos::MAX);
                let pause = Duration::from_nanos(due.since(self.now())).min(Duration::from_millis(50));
                if let Ok(finished) = self.finished.recv_timeout(pause) {
                    self.end(finished);
                }
            }
        }
    }

    fn end(&mut self, Finished { attempt, result }: Finished) {
        let now = self.now();
        self.attempts.push(attempt);
        let node = &mut self.nodes[attempt.agent.0 as usize];
        node.act(now, |tasks, now, out, events| tasks.end(now, attempt.key, result, out, events));
    }

    /// All that can be done at once; false if it was nothing.
    fn turn(&mut self) -> Result<bool, BenchError> {
        let mut moved = false;
        while let Ok(finished) = self.finished.try_recv() {
            self.end(finished);
            moved = true;
        }
        let now = self.now();
        for node in &mut self.nodes {
            if node.next_due() <= now {
                node.on_time(now);
            }
            // Whom a full mailbox keeps from sending goes on in the next turn.
            moved |= !send_all(node, &mut self.transport);
        }
        for node in &mut self.nodes {
            moved |= receive_all(node, now, &mut self.transport) > 0;
            while let Some(event) = node.poll_event() {
                moved = true;
                match event {
                    node::Event::Component(Event::Run { task, .. }) => {
                        let hands = &self.hands[node.me().0 as usize];
                        hands.send(task).map_err(|_| BenchError::Agents(format!("{} lost its hands", node.me())))?;
                    }
                    node::Event::Component(Event::Done(key, outcome)) => self.ends.push((key, outcome)),
                    node::Event::Component(Event::Refused(_, refusal)) => {
                        return Err(BenchError::Agents(refusal.to_string()));
                    }
                    _ => {}
                }
            }
        }
        Ok(moved)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.hands.clear();
        for thread in self.threads.drain(..) {
            // What panicked has been told on its own thread.
            let _ = thread.join();
        }
    }
}
