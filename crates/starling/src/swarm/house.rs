//! Agents under measurement as processes of this machine: a provider for `bench swarm`.
//!
//! ```text
//!  agent's process ═ socket ═ supervisor ─ words ─► house ─► supervisor ═ socket ═ agent's process
//! ```
//!
//! Invariant: an agent has no network: what it says to others goes over its socket to this process, and on along an edge.
//! It is the transport of `swarm.process.transport = "socket"`, with another subject in the process. Nobody is replaced:
//! who dies in a benchmark is missed.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use starling_connect::clock::now;
use starling_connect::provider::local::inside::{Inside, Told};
use starling_connect::provider::local::{Network, Processes, Settings};
use starling_connect::provider::{Event, Exit, How, Limits, Provider as _, ProviderError, Spec};
use starling_lab::bench::BenchError;
use starling_lab::bench::swarm::{
    Agent, Answer, Order, Provider, Quarters, Remains, Report, Role, Subject as _, Traffic, Usage,
};
use starling_swarm::cost::{Budget, Ledger, PriceTable, Resources};
use starling_swarm::id::AgentId;
use starling_swarm::topology::{Shape, Topology};

use super::agent::{ARGUMENT, Duty};

/// Numbers of replacements, of which there are none.
const REPLACEMENTS_FROM: u32 = 1 << 16;
/// Bytes of frames after which a message is closed and another begun.
const MESSAGE_BYTES: usize = 256 << 10;
/// Longest wait for the next thing to do.
const TURN: Duration = Duration::from_secs(1);

/// To an agent's process.
#[derive(Debug, Default, Serialize, Deserialize)]
struct ToAgent {
    orders: Vec<Order>,
    /// From whom, and what.
    frames: Vec<(u32, Vec<u8>)>,
}

/// From an agent's process.
#[derive(Debug, Default, Serialize, Deserialize)]
struct FromAgent {
    answers: Vec<Answer>,
    /// To whom, and what.
    frames: Vec<(u32, Vec<u8>)>,
}

/// Houses agents in processes.
#[derive(Debug)]
pub(crate) struct House {
    folder: PathBuf,
    resources: Resources,
}

impl House {
    /// With their files in a folder, which is theirs alone.
    pub(crate) const fn new(folder: PathBuf, resources: Resources) -> Self {
        Self { folder, resources }
    }
}

fn failed(what: &str, error: impl std::fmt::Display) -> BenchError {
    BenchError::Program { program: "the process provider".to_owned(), reason: format!("cannot {what}: {error}") }
}

fn encode(word: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(word).expect("words are plain data")
}

impl Provider for House {
    fn name(&self) -> &'static str {
        "process"
    }

    fn shares_memory(&self) -> bool {
        false
    }

    fn open(&mut self, seats: u32, shape: Shape, spares: usize) -> Result<Box<dyn Quarters>, BenchError> {
        let settings = Settings::new(&self.folder, [ARGUMENT]).map_err(|e| failed("set processes up", e))?;
        let settings = Settings {
            limits: Limits { resources: self.resources, ..Limits::default() },
            network: Network::Closed,
            spares,
            agents_max: seats as usize,
            // A machine under load is measured, too.
            patience: Duration::from_secs(60),
            replacements_from: REPLACEMENTS_FROM,
            ..settings
        };
        let ledger = Ledger::new(PriceTable::local(), Budget::default());
        Ok(Box::new(Floor {
            processes: Processes::open(settings, ledger).map_err(|e| failed("open a provider", e))?,
            topology: Topology::new(shape, (0..seats).map(AgentId)),
            spares,
            started: Vec::new(),
            unsaid: BTreeMap::new(),
            reports: VecDeque::new(),
            traffic: Traffic::default(),
        }))
    }

    fn remains(&mut self) -> Result<Remains, BenchError> {
        let me = std::process::id();
        let mut remains = Remains::default();
        for entry in fs::read_dir("/proc").map_err(|e| failed("list /proc", e))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let parent = || parent_of(&fs::read_to_string(entry.path().join("stat")).ok()?);
            if name.parse::<u32>().is_ok() && parent() == Some(me) {
                remains.alive.push(format!("process {name}"));
            }
        }
        let open = fs::read_dir("/proc/self/fd").map_err(|e| failed("list open files", e))?.flatten();
        let targets = open.filter_map(|file| fs::read_link(file.path()).ok());
        remains.things = targets.map(|to| to.display().to_string()).filter(|to| !to.starts_with("/proc/")).collect();
        list(&self.folder, &mut remains.things);
        Ok(remains)
    }
}

/// Everything in a folder; nothing if it is not there.
fn list(folder: &Path, into: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        into.push(entry.path().display().to_string());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(&entry.path(), into);
        }
    }
}

/// The parent in a line of `/proc/PID/stat`: the second field behind the program's name, which ends with a bracket.
fn parent_of(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// The processes of one swarm. An agent's number here is its place and one.
#[derive(Debug)]
struct Floor {
    processes: Processes,
    topology: Topology,
    spares: usize,
    started: Vec<u32>,
    unsaid: BTreeMap<u32, VecDeque<Vec<u8>>>,
    reports: VecDeque<Report>,
    traffic: Traffic,
}

const fn number(at: u32) -> AgentId {
    AgentId(at + 1)
}

impl Floor {
    /// Says what waits for a place, as far as its process takes it.
    fn flush(&mut self, at: u32) -> Result<(), BenchError> {
        let Some(unsaid) = self.unsaid.get_mut(&at) else { return Ok(()) };
        while let Some(words) = unsaid.front() {
            match self.processes.say(number(at), words) {
                Ok(()) => drop(unsaid.pop_front()),
                Err(ProviderError::Busy(_)) => return Ok(()),
                // It has ended, or has not begun to listen: its neighbours repeat what it missed.
                Err(ProviderError::Unknown(_)) => unsaid.clear(),
                Err(error) => return Err(failed("speak to an agent", error)),
            }
        }
        Ok(())
    }

    fn tell(&mut self, at: u32, words: &ToAgent) -> Result<(), BenchError> {
        self.unsaid.entry(at).or_default().push_back(encode(words));
        self.flush(at)
    }

    fn take(&mut self, event: Event) -> Result<(), BenchError> {
        match event {
            Event::Said { agent, words } => {
                let at = agent.0 - 1;
                let FromAgent { answers, frames } =
                    postcard::from_bytes(&words).map_err(|e| failed("understand an agent", e))?;
                self.reports.extend(answers.into_iter().map(|answer| Report::Said { at, answer }));
                let mut mail: BTreeMap<u32, ToAgent> = BTreeMap::new();
                for (to, bytes) in frames {
                    self.traffic.frames += 1;
                    self.traffic.bytes += bytes.len() as u64;
                    self.traffic.astray += u64::from(!self.topology.is_edge(AgentId(at), AgentId(to)));
                    mail.entry(to).or_default().frames.push((at, bytes));
                }
                mail.into_iter().try_for_each(|(to, words)| self.tell(to, &words))
            }
            Event::Ended { agent, exit, .. } => {
                let how = match exit {
                    Exit::Code(code) => format!("its process ended with exit code {code}"),
                    Exit::Signal(signal) => format!("its process ended by signal {signal}"),
                };
                self.reports.push_back(Report::Gone { at: agent.0 - 1, how });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn living(&self) -> Vec<u32> {
        let ended = |at: &u32| {
            let phase = self.processes.status(number(*at)).map(|status| status.phase);
            matches!(phase, None | Some(starling_connect::provider::Phase::Gone(_)))
        };
        self.started.iter().copied().filter(|at| !ended(at)).collect()
    }
}

impl Quarters for Floor {
    fn warm(&mut self, at_most: Duration) -> Result<(), BenchError> {
        if self.processes.wait_spares(self.spares, at_most) {
            return Ok(());
        }
        Err(failed("fill the pool", format!("{} processes do not start within {at_most:?}", self.spares)))
    }

    fn start(&mut self, role: &Role) -> Result<(), BenchError> {
        let at = role.own.at;
        let role = encode(&Duty::Measured(role.encode()));
        self.started.push(at);
        let spec = Spec { agent: number(at), role, replace: false, standby: false };
        self.processes.spawn(spec).map_err(|e| failed("start an agent", e))
    }

    fn say(&mut self, at: u32, order: &Order) -> Result<(), BenchError> {
        self.tell(at, &ToAgent { orders: vec![order.clone()], frames: Vec::new() })
    }

    fn hear(&mut self, at_most: Duration) -> Result<Option<Report>, BenchError> {
        let began = Instant::now();
        loop {
            let waiting = self.unsaid.iter().filter(|(_, unsaid)| !unsaid.is_empty());
            for at in waiting.map(|(at, _)| *at).collect::<Vec<_>>() {
                self.flush(at)?;
            }
            while let Some(event) = self.processes.next_event(Duration::ZERO) {
                self.take(event)?;
            }
            if let Some(report) = self.reports.pop_front() {
                return Ok(Some(report));
            }
            let Some(left) = at_most.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else {
                return Ok(None);
            };
            if let Some(event) = self.processes.next_event(left) {
                self.take(event)?;
            }
        }
    }

    fn kill(&mut self, at: u32) -> Result<(), BenchError> {
        match self.processes.stop(number(at), How::Hard) {
            Ok(()) | Err(ProviderError::Unknown(_)) => Ok(()),
            Err(error) => Err(failed("kill an agent", error)),
        }
    }

    fn usage(&mut self) -> Result<Vec<Usage>, BenchError> {
        let mut usage = Vec::new();
        for at in self.living() {
            let measured = self.processes.measure(number(at)).map_err(|e| failed("measure an agent", e))?;
            usage.push(Usage { memory: measured.memory, cpu_ns: measured.cpu_ns });
        }
        Ok(usage)
    }

    fn traffic(&mut self) -> Result<Traffic, BenchError> {
        let mut wire = 0;
        for at in self.living() {
            let measured = self.processes.measure(number(at)).map_err(|e| failed("measure an agent", e))?;
            wire += measured.bytes_in + measured.bytes_out;
        }
        Ok(Traffic { wire, ..self.traffic })
    }

    fn destroy(self: Box<Self>) -> Result<(), BenchError> {
        // Ends all of them, and waits until they are gone.
        drop(self.processes);
        Ok(())
    }
}

/// An agent's life under measurement, in its own process.
pub(super) fn live(inside: &Inside, role: &[u8]) {
    let mut subject = Agent::new(role, Arc::new(now));
    inside.ready(inside.assignment().agent);
    loop {
        speak(inside, &mut subject);
        let left = Duration::from_nanos(subject.next_due().since(now()));
        let mut told = if left.is_zero() { inside.told().try_recv().ok() } else { inside.next(left.min(TURN)) };
        while let Some(word) = told {
            match word {
                Told::Words(words) => {
                    // Both sides are one program.
                    let Ok(ToAgent { orders, frames }) = postcard::from_bytes(&words) else { return };
                    orders.into_iter().for_each(|order| subject.on_order(order));
                    frames.iter().for_each(|(from, frame)| subject.on_frame(AgentId(*from), frame));
                }
                Told::Stop => return,
                _ => {}
            }
            told = inside.told().try_recv().ok();
        }
        if subject.next_due() <= now() {
            subject.on_time();
        }
    }
}

/// Says all that there is to say.
fn speak(inside: &Inside, subject: &mut Agent) {
    let mut words = FromAgent::default();
    words.answers.extend(std::iter::from_fn(|| subject.poll_answer()));
    let mut size = 0;
    while let Some(parcel) = subject.poll_frame() {
        size += parcel.bytes.len();
        words.frames.push((parcel.to.0, parcel.bytes));
        if size >= MESSAGE_BYTES {
            inside.say(encode(&std::mem::take(&mut words)));
            size = 0;
        }
    }
    if !words.answers.is_empty() || !words.frames.is_empty() {
        inside.say(encode(&words));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_parent() {
        assert_eq!(parent_of("7 (a) b (c)) S 41 7 7 0 -1"), Some(41));
        assert_eq!(parent_of("7 (a"), None);
    }
}
