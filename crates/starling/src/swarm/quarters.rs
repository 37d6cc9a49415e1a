//! Agents as processes of this machine: the chair's line over a provider.
//!
//! Invariant: a place has one process that speaks for it; words of one that is gone are dropped. What the provider does
//! not take at once waits here, in order.

use std::collections::{BTreeMap, VecDeque};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use starling_connect::clock::now;
use starling_connect::provider::local::{Network, Processes, Settings};
use starling_connect::provider::{Event, Exit, How, Layers, Limits, Phase, Provider as _, ProviderError, Spec};
use starling_core::UnixNanos;
use starling_lab::config::TransportConfig;
use starling_lab::swarm::SwarmError;
use starling_lab::swarm::delegate::Charter;
use starling_lab::swarm::remote::chair::{Line, Progress, Report};
use starling_lab::swarm::remote::words::Role;
use starling_lab::tearsheet::ProcessRecord;
use starling_swarm::cost::{Ledger, MicroDollars, Resources};
use starling_swarm::id::AgentId;

use super::Service;
use super::agent::{ARGUMENT, Posting};
use super::overview::{AgentView, Watch};
use crate::terminal::say;

/// How often processes are measured.
const MEASURE_EVERY: Duration = Duration::from_millis(250);

/// A seat's process.
#[derive(Debug)]
struct Post {
    id: String,
    agent: AgentId,
    is_here: bool,
    layers: Option<Layers>,
    unsaid: VecDeque<Vec<u8>>,
    memory_peak: u64,
    /// Of processes before the present one.
    cpu_before: u64,
    cpu_ns: u64,
    /// Since when it has its resources, and for how long those before it had them.
    since: Option<UnixNanos>,
    had_ns: u64,
}

/// All agents' processes.
#[derive(Debug)]
pub(super) struct Quarters {
    provider: Processes,
    posts: Vec<Post>,
    places: BTreeMap<AgentId, usize>,
    resources: Resources,
    transport: &'static str,
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
        let process = &swarm.process;
        let agents = swarm.agents.len();
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
            agents_max: 2 * agents,
            deaths_max: process.deaths_max as usize,
            strict: process.strict,
            ..settings
        };
        let ledger = Ledger::new(swarm.cost.prices(), swarm.cost.budget());
        let mut provider = Processes::open(settings, ledger).map_err(line)?;
        let keys = charter.public();
        let name = format!("starling-{}", std::process::id());
        let mut posts = Vec::with_capacity(agents);
        for (at, agent) in swarm.agents.iter().enumerate() {
            let number = AgentId(u32::try_from(at).expect("a council is small"));
            let seed = charter.seed(at).expect("the chair's charter has all seeds").clone();
            let role = Role { config: text.to_owned(), at, seed, keys: keys.clone() };
            let posting = Posting { role, endpoints: endpoints.clone(), swarm: name.clone() };
            let role = postcard::to_allocvec(&posting).expect("a posting is plain data");
            provider.spawn(Spec { agent: number, role, replace: true, standby: false }).map_err(line)?;
            posts.push(Post {
                id: agent.id.clone(),
                agent: number,
                is_here: false,
                layers: None,
                unsaid: VecDeque::new(),
                memory_peak: 0,
                cpu_before: 0,
                cpu_ns: 0,
                since: None,
                had_ns: 0,
            });
        }
        let places = posts.iter().enumerate().map(|(at, post)| (post.agent, at)).collect();
        let (watch, stop) = (service.watch.clone(), Arc::clone(&service.stop));
        Ok(Self { provider, posts, places, resources, transport, watch, stop, measured: None })
    }

    /// The place that an agent, or the one that it replaces, has.
    fn place(&mut self, agent: AgentId) -> Option<usize> {
        if let Some(at) = self.places.get(&agent) {
            return Some(*at);
        }
        let replaces = self.provider.status(agent)?.replaces?;
        let at = *self.places.get(&replaces)?;
        self.places.insert(agent, at);
        Some(at)
    }

    fn report(&mut self, event: Event) -> Option<Report> {
        match event {
            Event::Ready { agent, .. } => {
                let at = self.place(agent)?;
                let status = self.provider.status(agent)?;
                let post = &mut self.posts[at];
                post.agent = agent;
                post.is_here = true;
                post.layers = status.layers;
                post.since = Some(now());
                post.unsaid.clear();
                self.watch.edit(|overview| {
                    let view = &mut overview.agents[at];
                    view.pid = status.process;
                    view.replaced += u64::from(status.replaces.is_some());
                    "ready".clone_into(&mut view.state);
                });
                Some(Report::Here { at, agent })
            }
            Event::Ended { agent, at: noticed, exit, asked } => {
                let at = self.place(agent)?;
                let post = &mut self.posts[at];
                if post.agent != agent {
                    return None;
                }
                post.is_here = false;
                post.unsaid.clear();
                post.cpu_before += std::mem::take(&mut post.cpu_ns);
                post.had_ns += post.since.take().map_or(0, |since| now().since(since));
                self.watch.edit(|overview| {
                    let view = &mut overview.agents[at];
                    (view.pid, view.memory) = (None, 0);
                    "gone".clone_into(&mut view.state);
                });
                let how = match exit {
                    _ if asked => "silence".to_owned(),
                    Exit::Code(code) => format!("exit code {code}"),
                    Exit::Signal(signal) => format!("signal {signal}"),
                };
                Some(Report::Gone { at, how, noticed })
            }
            Event::Said { agent, words } => {
                let at = self.place(agent)?;
                (self.posts[at].agent == agent).then_some(Report::Said { at, message: words })
            }
            Event::GivenUp(agent) => Some(Report::GivenUp { at: self.place(agent)? }),
            Event::Spent(spent) => Some(Report::Spent(spent)),
            Event::SpareLost { why } => {
                say(format_args!("warning: {why}"));
                None
            }
            _ => None,
        }
    }

    /// Says what waits, as far as the provider takes it.
    fn flush(&mut self, at: usize) -> Result<(), SwarmError> {
        let post = &mut self.posts[at];
        while let Some(message) = post.unsaid.front() {
            match self.provider.say(post.agent, message) {
                Ok(()) => drop(post.unsaid.pop_front()),
                Err(ProviderError::Busy(_)) => return Ok(()),
                // It has just ended, which the provider tells in its own time.
                Err(ProviderError::Unknown(_)) => post.unsaid.clear(),
                Err(error) => return Err(line(error)),
            }
        }
        Ok(())
    }

    fn measure(&mut self) {
        let prices = self.provider.with_ledger(|ledger, _| ledger.prices().clone());
        let now = now();
        for post in self.posts.iter_mut().filter(|post| post.is_here) {
            let Ok(measured) = self.provider.measure(post.agent) else { continue };
            post.memory_peak = post.memory_peak.max(measured.memory_peak);
            post.cpu_ns = measured.cpu_ns;
            let had = post.had_ns + post.since.map_or(0, |since| now.since(since));
            let cost = prices.price_for(self.resources, had);
            let at = self.places.get(&post.agent).copied().unwrap_or_default();
            self.watch.edit(|overview| {
                let view: &mut AgentView = &mut overview.agents[at];
                (view.memory, view.cpu_ns) = (measured.memory, post.cpu_before + post.cpu_ns);
                view.cost_micro_usd = cost.0;
            });
        }
        self.measured = Some(Instant::now());
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
        for at in 0..self.posts.len() {
            if !self.posts[at].unsaid.is_empty() {
                self.flush(at)?;
            }
        }
        while let Some(event) = self.provider.next_event(at_most) {
            if let Some(report) = self.report(event) {
                return Ok(Some(report));
            }
        }
        Ok(None)
    }

    fn say(&mut self, at: usize, message: Vec<u8>) -> Result<(), SwarmError> {
        self.posts[at].unsaid.push_back(message);
        self.flush(at)
    }

    fn replace(&mut self, at: usize) -> Result<(), SwarmError> {
        let agent = self.posts[at].agent;
        match self.provider.restart(agent, How::Hard) {
            Err(ProviderError::Unknown(_)) | Ok(()) => Ok(()),
            Err(error) => Err(line(error)),
        }
    }

    fn spent(&self) -> MicroDollars {
        self.provider.with_ledger(|ledger, now| ledger.spent(now))
    }

    fn tell(&mut self, progress: &Progress<'_>) {
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

impl Drop for Quarters {
    fn drop(&mut self) {
        for post in &self.posts {
            // All at once, softly; the provider waits for them when it is dropped.
            if self.provider.status(post.agent).is_some_and(|status| status.phase == Phase::Ready) {
                let _ = self.provider.stop(post.agent, How::Soft);
            }
        }
    }
}
