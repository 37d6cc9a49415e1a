//! Agents as processes of this machine: the chair's line over a provider.
//!
//! ```text
//!  place (an agent of the configuration) ── many to one ── shard ── one ── process, replaced under a new number
//! ```
//!
//! Invariant: a place has one process that speaks for it; words of one that is gone are dropped. What the provider does
//! not take at once waits here, in order. How places are divided among processes changes no decision: whoever moves is
//! shown the past like whoever is replaced.

use std::collections::{BTreeMap, VecDeque};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use starling_connect::clock::now;
use starling_connect::provider::local::{Network, Processes, Settings};
use starling_connect::provider::{Event, Exit, How, Layers, Limits, Provider as _, ProviderError, Spec};
use starling_core::UnixNanos;
use starling_core::time::HOUR;
use starling_lab::config::TransportConfig;
use starling_lab::swarm::SwarmError;
use starling_lab::swarm::delegate::Charter;
use starling_lab::swarm::remote::chair::{Line, Progress, Report};
use starling_lab::tearsheet::ProcessRecord;
use starling_swarm::cost::{Ledger, MicroDollars, Resources};
use starling_swarm::id::AgentId;
use starling_swarm::scale::{Autoscaler, Load};

use super::Service;
use super::agent::{ARGUMENT, Duty, Posting, address, seat_number};
use super::overview::{Watch, among};
use crate::terminal::say;

/// How often processes are measured.
const MEASURE_EVERY: Duration = Duration::from_millis(250);
/// Numbers of processes that replace others: from here on, so that a process' number and a seat's place in it fit into
/// a seat's number.
const REPLACEMENTS_FROM: u32 = 1 << 16;
/// Conferences whose times the autoscaler sees.
const TIMES_KEPT: usize = 64;
/// Volatility as the autoscaler's controller takes it for normal: bars are replayed, so the market's says nothing about
/// how many come.
const CALM_BP: u32 = 10_000;

/// A process, with all agents in it.
#[derive(Debug)]
struct Shard {
    places: Vec<usize>,
    /// It has said that it is ready, and has not ended.
    is_here: bool,
    unsaid: VecDeque<Vec<u8>>,
    /// Since when it has its resources.
    since: Option<UnixNanos>,
    /// How the last process ended that was to be this one.
    end: String,
}

/// What is known of a place's processes, the present one and those before.
#[derive(Debug, Clone, Default)]
struct Post {
    id: String,
    layers: Option<Layers>,
    memory_peak: u64,
    cpu_before: u64,
    cpu_ns: u64,
    cost_before: u64,
    cost: u64,
}

/// All agents' processes.
#[derive(Debug)]
pub(super) struct Quarters {
    provider: Processes,
    charter: Charter,
    text: String,
    name: String,
    endpoints: Option<Vec<String>>,
    /// By the number of the last process that was ready, or of the first.
    shards: BTreeMap<AgentId, Shard>,
    posts: Vec<Post>,
    /// The process of each place.
    homes: Vec<AgentId>,
    next_number: u32,
    reports: VecDeque<Report>,
    resources: Resources,
    transport: &'static str,
    scaler: Option<Autoscaler>,
    times: VecDeque<u64>,
    watch: Watch,
    stop: Arc<AtomicBool>,
    measured: Option<Instant>,
}

fn line(error: ProviderError) -> SwarmError {
    SwarmError::Line(Box::new(error))
}

/// Free ports of this machine, one for each agent.
fn endpoints(agents: usize) -> Result<(Vec<String>, Vec<u16>), SwarmError> {
    let failed = |error: std::io::Error| SwarmError::Line(format!("cannot find a free port: {error}").into());
    let bound: Result<Vec<TcpListener>, _> = (0..agents).map(|_| TcpListener::bind("127.0.0.1:0")).collect();
    let addresses: Result<Vec<_>, _> = bound.map_err(failed)?.iter().map(TcpListener::local_addr).collect();
    let ports: Vec<u16> = addresses.map_err(failed)?.iter().map(std::net::SocketAddr::port).collect();
    Ok((ports.iter().map(|port| format!("tcp/127.0.0.1:{port}")).collect(), ports))
}

impl Quarters {
    /// Starts the agents of a charter.
    pub(super) fn open(service: &Service, charter: &Charter, text: &str) -> Result<Self, SwarmError> {
        let swarm = charter.swarm();
        let (process, agents) = (&swarm.process, swarm.agents.len());
        let (endpoints, network, transport) = match process.transport {
            TransportConfig::Socket => (None, Network::Closed, "socket"),
            TransportConfig::Zenoh => {
                let (endpoints, ports) = endpoints(agents)?;
                (Some(endpoints), Network::Ports { listen: ports.clone(), connect: ports }, "zenoh")
            }
        };
        let resources = Resources { vcpu_milli: process.cpu_milli, memory_mib: process.memory_mib };
        let settings = Settings::new(&service.folder, [ARGUMENT]).map_err(line)?;
        let settings = Settings {
            limits: Limits { resources, ..Limits::default() },
            network,
            spares: process.spares as usize,
            // Those of after a change of their number, and those of before that have not ended yet.
            agents_max: 4 * agents,
            patience: Duration::from_nanos(process.patience.nanos),
            deaths_max: process.deaths_max as usize,
            replacements_from: REPLACEMENTS_FROM,
            strict: process.strict,
            ..settings
        };
        let scaler = process.autoscale.as_ref().map(|scale| Autoscaler::new(scale.settings(agents))).transpose();
        let scaler = scaler.map_err(|error| SwarmError::Line(Box::new(error)))?;
        let first = process.autoscale.as_ref().map_or(process.processes, |scale| Some(scale.min));
        let ledger = Ledger::new(swarm.cost.prices(), swarm.cost.budget());
        let post = |id: &String| Post { id: id.clone(), ..Post::default() };
        let mut quarters = Self {
            provider: Processes::open(settings, ledger).map_err(line)?,
            charter: charter.clone(),
            text: text.to_owned(),
            name: format!("starling-{}", std::process::id()),
            endpoints,
            shards: BTreeMap::new(),
            posts: swarm.agents.iter().map(|agent| post(&agent.id)).collect(),
            homes: Vec::new(),
            next_number: 1,
            reports: VecDeque::new(),
            resources,
            transport,
            scaler,
            times: VecDeque::new(),
            watch: service.watch.clone(),
            stop: Arc::clone(&service.stop),
            measured: None,
        };
        quarters.employ(first.map_or(agents, |processes| processes as usize))?;
        Ok(quarters)
    }

    /// Starts so many processes and divides the places among them.
    fn employ(&mut self, processes: usize) -> Result<(), SwarmError> {
        let places = self.posts.len();
        let processes = among(processes, places);
        self.homes = vec![AgentId(0); places];
        let keys = self.charter.public();
        // Not the name of those before: their last words are not for these.
        let swarm = format!("{}-{}", self.name, self.next_number);
        for slot in 0..processes {
            let number = AgentId(self.next_number);
            self.next_number += 1;
            let of_slot: Vec<usize> = (0..places).filter(|at| at % processes == slot).collect();
            let seed = |at: &usize| (*at, self.charter.seed(*at).expect("the chair's charter has all seeds").clone());
            let posting = Posting {
                config: self.text.clone(),
                keys: keys.clone(),
                places: of_slot.iter().map(seed).collect(),
                slot,
                endpoints: self.endpoints.as_ref().map(|endpoints| endpoints[..processes].to_vec()),
                swarm: swarm.clone(),
            };
            let role = postcard::to_allocvec(&Duty::Confer(posting)).expect("a posting is plain data");
            self.provider.spawn(Spec { agent: number, role, replace: true, standby: false }).map_err(line)?;
            of_slot.iter().for_each(|at| self.homes[*at] = number);
            let (unsaid, end) = (VecDeque::new(), String::new());
            let shard = Shard { places: of_slot, is_here: false, unsaid, since: None, end };
            self.shards.insert(number, shard);
        }
        self.watch.edit(|overview| overview.processes = u32::try_from(processes).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Divides the agents among another number of processes, from the next stamp on.
    fn rescale(&mut self, processes: usize) -> Result<(), SwarmError> {
        let numbers: Vec<AgentId> = self.shards.keys().copied().collect();
        for number in numbers {
            self.part(number, "another number of processes", now());
            self.shards.remove(&number);
            match self.provider.stop(number, How::Soft) {
                Ok(()) | Err(ProviderError::Unknown(_)) => {}
                Err(error) => return Err(line(error)),
            }
        }
        self.employ(processes)
    }

    /// The shard that a process is: its own, or that of the last before it that was ready. Those between died earlier.
    fn shard_of(&self, number: AgentId) -> Option<AgentId> {
        let before = |number: &AgentId| self.provider.status(*number)?.replaces;
        std::iter::successors(Some(number), before).find(|number| self.shards.contains_key(number))
    }

    /// A process does not speak for its places any more.
    fn part(&mut self, number: AgentId, how: &str, noticed: UnixNanos) {
        let Some(shard) = self.shards.get_mut(&number) else { return };
        shard.unsaid.clear();
        shard.since = None;
        let was_here = std::mem::take(&mut shard.is_here);
        for &at in &shard.places {
            let post = &mut self.posts[at];
            post.cpu_before += std::mem::take(&mut post.cpu_ns);
            post.cost_before += std::mem::take(&mut post.cost);
            if was_here {
                self.reports.push_back(Report::Gone { at, how: how.to_owned(), noticed });
            }
        }
        self.watch.edit(|overview| {
            for &at in &shard.places {
                let view = &mut overview.agents[at];
                (view.pid, view.memory) = (None, 0);
                "gone".clone_into(&mut view.state);
            }
        });
    }

    /// What the provider tells becomes what the chair is told.
    fn hear(&mut self, event: Event) {
        match event {
            Event::Ready { agent, .. } => self.welcome(agent),
            Event::Ended { agent, at, exit, asked } => {
                let how = match exit {
                    _ if asked => "silence".to_owned(),
                    Exit::Code(code) => format!("exit code {code}"),
                    Exit::Signal(signal) => format!("signal {signal}"),
                };
                self.part(agent, &how, at);
                if let Some(shard) = self.shard_of(agent).and_then(|number| self.shards.get_mut(&number)) {
                    shard.end = how;
                }
            }
            Event::Said { agent, words } => {
                // Who cannot be set up says so, and is never ready.
                if let Some((at, message)) = address(&words)
                    && let Some(number) = self.shard_of(agent)
                    && self.homes.get(at) == Some(&number)
                {
                    self.reports.push_back(Report::Said { at, message: message.to_vec() });
                }
            }
            Event::GivenUp { agent, why } => {
                let shard = self.shard_of(agent).and_then(|number| self.shards.get(&number));
                let how = |end: &str| why.map_or_else(|| end.to_owned(), |why| format!("a failed start ({why})"));
                self.reports.extend(shard.map(|s| Report::GivenUp { at: s.places[0], how: how(&s.end) }));
            }
            Event::Spent(spent) => self.reports.push_back(Report::Spent(spent)),
            Event::SpareLost { why } => say(format_args!("warning: {why}")),
            _ => {}
        }
    }

    /// A process is ready, the first of its shard or one that replaces another.
    fn welcome(&mut self, number: AgentId) {
        let Some(status) = self.provider.status(number) else { return };
        let before = self.shard_of(number);
        let Some(mut shard) = before.and_then(|before| self.shards.remove(&before)) else {
            // Its places have been given to others meanwhile.
            let _ = self.provider.stop(number, How::Soft);
            return;
        };
        shard.is_here = true;
        shard.since = Some(now());
        shard.unsaid.clear();
        for (index, &at) in shard.places.iter().enumerate() {
            self.homes[at] = number;
            self.posts[at].layers = status.layers;
            self.reports.push_back(Report::Here { at, agent: seat_number(number, index) });
        }
        self.watch.edit(|overview| {
            for &at in &shard.places {
                let view = &mut overview.agents[at];
                view.pid = status.process;
                view.replaced += u64::from(before != Some(number));
                "ready".clone_into(&mut view.state);
            }
        });
        self.shards.insert(number, shard);
    }

    /// Says what waits, as far as the provider takes it.
    fn flush(&mut self, number: AgentId) -> Result<(), SwarmError> {
        let Some(shard) = self.shards.get_mut(&number) else { return Ok(()) };
        while let Some(message) = shard.unsaid.front() {
            match self.provider.say(number, message) {
                Ok(()) => drop(shard.unsaid.pop_front()),
                Err(ProviderError::Busy(_)) => return Ok(()),
                // It has just ended, which the provider tells in its own time.
                Err(ProviderError::Unknown(_)) => shard.unsaid.clear(),
                Err(error) => return Err(line(error)),
            }
        }
        Ok(())
    }

    /// What processes use, divided equally among the agents in each.
    fn measure(&mut self) {
        let prices = self.provider.with_ledger(|ledger, _| ledger.prices().clone());
        let now = now();
        for (&number, shard) in self.shards.iter().filter(|(_, shard)| shard.is_here) {
            let Ok(measured) = self.provider.measure(number) else { continue };
            let cost = prices.price_for(self.resources, shard.since.map_or(0, |since| now.since(since)));
            let share = shard.places.len() as u64;
            for &at in &shard.places {
                let post = &mut self.posts[at];
                post.memory_peak = post.memory_peak.max(measured.memory_peak / share);
                (post.cpu_ns, post.cost) = (measured.cpu_ns / share, cost.0 / share);
                let post = post.clone();
                self.watch.edit(|overview| {
                    let view = &mut overview.agents[at];
                    view.memory = measured.memory / share;
                    view.cpu_ns = post.cpu_before + post.cpu_ns;
                    view.cost_micro_usd = post.cost_before + post.cost;
                });
            }
        }
        self.measured = Some(Instant::now());
    }

    /// As many processes as the load, or somebody, asks for.
    fn scale(&mut self, took_ns: u64) -> Result<(), SwarmError> {
        let (present, places) = (self.shards.len(), self.posts.len());
        if let Some(wanted) = self.watch.take_wanted() {
            self.scaler = None;
            let wanted = among(wanted as usize, places);
            return if wanted == present { Ok(()) } else { self.rescale(wanted) };
        }
        if self.times.len() == TIMES_KEPT {
            self.times.pop_front();
        }
        self.times.push_back(took_ns);
        let Some(scaler) = &mut self.scaler else { return Ok(()) };
        let mut times: Vec<u64> = self.times.iter().copied().collect();
        times.sort_unstable();
        let p95_ns = times[(times.len() - 1) * 95 / 100];
        let resources = self.resources;
        let affordable = self.provider.with_ledger(|ledger, now| ledger.affordable(now, resources, HOUR));
        let load = Load { queue: 0, p95_ns, volatility_bp: CALM_BP, affordable };
        let decision = scaler.decide(now(), u32::try_from(present).unwrap_or(u32::MAX), &load);
        self.watch.edit(|overview| overview.score_bp = Some(decision.score_bp));
        // Without the means for even one the budget's end comes by itself.
        let wanted = among(decision.agents as usize, places);
        if wanted == present || decision.agents == 0 {
            return Ok(());
        }
        self.times.clear();
        self.rescale(wanted)
    }
}

impl Line for Quarters {
    fn now(&self) -> UnixNanos {
        now()
    }

    fn next(&mut self, at_most: Duration) -> Result<Option<Report>, SwarmError> {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(Some(Report::Stop));
        }
        let unsaid = self.shards.iter().filter(|(_, shard)| !shard.unsaid.is_empty());
        for number in unsaid.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.flush(number)?;
        }
        while self.reports.is_empty() {
            let Some(event) = self.provider.next_event(at_most) else { break };
            self.hear(event);
        }
        Ok(self.reports.pop_front())
    }

    fn say(&mut self, at: usize, message: Vec<u8>) -> Result<(), SwarmError> {
        let number = self.homes[at];
        if let Some(shard) = self.shards.get_mut(&number).filter(|shard| shard.is_here) {
            let at = u32::try_from(at).expect("a council is small");
            shard.unsaid.push_back([&at.to_le_bytes(), message.as_slice()].concat());
        }
        self.flush(number)
    }

    fn replace(&mut self, at: usize) -> Result<(), SwarmError> {
        match self.provider.restart(self.homes[at], How::Hard) {
            Err(ProviderError::Unknown(_)) | Ok(()) => Ok(()),
            Err(error) => Err(line(error)),
        }
    }

    fn spent(&self) -> MicroDollars {
        self.provider.with_ledger(|ledger, now| ledger.spent(now))
    }

    fn tell(&mut self, progress: &Progress<'_>) -> Result<(), SwarmError> {
        let spent = self.spent();
        self.watch.edit(|overview| {
            overview.session = progress.session;
            overview.cost_micro_usd = spent.0;
            for (view, traffic) in overview.agents.iter_mut().zip(progress.traffic) {
                view.messages = traffic.messages;
            }
        });
        if self.measured.is_none_or(|at| at.elapsed() >= MEASURE_EVERY) {
            self.measure();
        }
        self.scale(progress.took_ns)
    }

    fn processes(&mut self) -> Vec<ProcessRecord> {
        self.measure();
        let record = |post: &Post| ProcessRecord {
            agent: post.id.clone(),
            messages: 0,
            bytes: 0,
            memory_peak: post.memory_peak,
            cpu_ns: post.cpu_before + post.cpu_ns,
            sandboxed: post.layers.is_some_and(|layers| layers.is_full()),
        };
        self.posts.iter().map(record).collect()
    }

    fn transport(&self) -> &'static str {
        self.transport
    }
}
