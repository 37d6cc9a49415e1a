//! Agents in processes of their own: how soon they are there, and how soon what is said arrives.
//!
//! Invariant: an agent counts as started when it has confined itself, shaken hands and said so; a message is counted by
//! the process that received it. Times are the parent's, there and back, halved where one way is told.

use std::time::{Duration, Instant};

use starling_connect::provider::local::{Network, Processes, Settings};
use starling_connect::provider::{Event, Phase, Provider as _, ProviderError, Spec};
use starling_core::UnixNanos;
use starling_lab::bench::mesh::{Build, REQUIRED, Scale};
use starling_lab::bench::{BenchError, Benchmark, Id, Judged, Tier};
use starling_swarm::cost::{Budget, Ledger, PriceTable};
use starling_swarm::id::AgentId;
use starling_swarm::transport::Batch;

use super::Work;
use super::echo::{ARGUMENT, BACK, COUNT, TELL};

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const START: &str = "an agent's process, from its order until it is ready";
const MANY: &str = "10 agents' processes at once, until all are ready";
const MESSAGE: &str = "256 B from process to process over a socket";
const THROUGHPUT: &str = "messages of 256 B from process to process over a socket, gathered in words of 256 KiB";
/// Bytes in which messages to a process are gathered, as a swarm's run does.
const WORD: usize = 256 << 10;

type Measure = fn(Tier) -> Result<Benchmark, BenchError>;

pub(super) fn works() -> Vec<Work> {
    let all = [
        ("start", START, start as Measure),
        ("many", MANY, many),
        ("message", MESSAGE, message),
        ("throughput", THROUGHPUT, throughput),
    ];
    let work = |(path, name, measure): (&str, &str, Measure)| Work {
        title: format!("{REQUIRED}/{path} process: {name}"),
        measure: Box::new(measure),
    };
    all.into_iter().map(work).collect()
}

fn failed(error: ProviderError) -> BenchError {
    BenchError::Agents(error.to_string())
}

fn build(path: &str, name: &str, items: (u64, &str), scale: Scale, samples: &[f64]) -> Result<Build, BenchError> {
    let id = Id::Path(format!("{REQUIRED}/{path} process"));
    Ok(Build::new(id, path, name, items, scale, samples)?.on("process"))
}

/// Processes, and the folder that they leave nothing in.
struct House {
    provider: Option<Processes>,
    folder: std::path::PathBuf,
}

impl House {
    fn open(spares: usize) -> Result<Self, BenchError> {
        let folder = std::env::temp_dir().join(format!("starling-bench-mesh-{}", std::process::id()));
        let settings = Settings::new(&folder, [ARGUMENT]).map_err(failed)?;
        let settings = Settings { spares, network: Network::Closed, ..settings };
        let provider =
            Processes::open(settings, Ledger::new(PriceTable::local(), Budget::default())).map_err(failed)?;
        if !provider.wait_spares(spares, PATIENCE) {
            return Err(BenchError::Agents(format!("{spares} spares are not there after {PATIENCE:?}")));
        }
        Ok(Self { provider: Some(provider), folder })
    }

    fn provider(&mut self) -> &mut Processes {
        self.provider.as_mut().expect("there until it is dropped")
    }

    fn spawn(&mut self, agent: u32) -> Result<(), BenchError> {
        let spec = Spec { agent: AgentId(agent), role: b"echo".to_vec(), replace: false, standby: false };
        self.provider().spawn(spec).map_err(failed)
    }

    fn wait(&mut self, agent: u32) -> Result<Started, BenchError> {
        let status = self.provider().wait_ready(AgentId(agent), PATIENCE).map_err(failed)?;
        Ok(Started {
            took_ms: status.took_ns.map_or(f64::NAN, |took| took as f64 / 1e6),
            warm: status.warm,
            sealed: status.layers.is_some_and(|layers| layers.is_full()),
            alive: status.phase == Phase::Ready && status.process.is_some(),
        })
    }

    /// The next word of an agent, as others' events go by.
    fn hear(&mut self) -> Result<Vec<u8>, BenchError> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            match self.provider().next_event(Duration::from_millis(100)) {
                Some(Event::Said { words, .. }) => return Ok(words),
                Some(Event::Ended { agent, exit, .. }) => {
                    return Err(BenchError::Agents(format!("{agent} ended: {exit:?}")));
                }
                _ => {}
            }
        }
        Err(BenchError::Agents(format!("nothing was answered within {PATIENCE:?}")))
    }

    fn say(&mut self, agent: u32, words: &[u8]) -> Result<(), BenchError> {
        let begun = Instant::now();
        loop {
            match self.provider().say(AgentId(agent), words) {
                // Its socket is full: it is reading.
                Err(ProviderError::Busy(_)) if begun.elapsed() < PATIENCE => std::thread::yield_now(),
                said => return said.map_err(failed),
            }
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.provider.take());
        // Empty by now; what is not is not ours.
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// An agent that is ready.
struct Started {
    took_ms: f64,
    warm: bool,
    sealed: bool,
    alive: bool,
}

fn start(tier: Tier) -> Result<Benchmark, BenchError> {
    let count = u32::try_from(4 * tier.samples()).unwrap_or(u32::MAX);
    let (mut cold, mut warm, mut alive, mut of_spares) = (Vec::new(), Vec::new(), 0, 0);
    let mut sealed = 0;
    for (spares, samples) in [(0, &mut cold), (1, &mut warm)] {
        let mut house = House::open(spares)?;
        for agent in 1..=count {
            house.spawn(agent)?;
            let started = house.wait(agent)?;
            samples.push(started.took_ms);
            alive += u32::from(started.alive);
            of_spares += u32::from(started.warm);
            sealed += u32::from(started.sealed);
            house.provider().stop(AgentId(agent), starling_connect::provider::How::Soft).map_err(failed)?;
            house.provider().wait_spares(spares, PATIENCE);
        }
    }
    let scale = Scale::less("ms").held_to(Some(500.0), Some(150.0));
    build("start", START, (1, "agents"), scale, &cold)?
        .check("agents that were ready and alive", 2 * count, alive)
        .check("of those, from a spare", count, of_spares)
        .claim("layers of the sandbox all in force", "in all, where the system has them", format!("in {sealed}"), true)
        .case("from a spare", Scale::less("ms").held_to(Some(500.0), Some(20.0)), &warm)
        .map(Build::judge)
}

fn many(tier: Tier) -> Result<Benchmark, BenchError> {
    let (mut times, mut ready) = ([Vec::new(), Vec::new()], [0, 0]);
    for _ in 0..tier.samples() {
        for (at, agents) in [10, 20].into_iter().enumerate() {
            let mut house = House::open(0)?;
            let began = Instant::now();
            (1..=agents).try_for_each(|agent| house.spawn(agent))?;
            for agent in 1..=agents {
                ready[at] += usize::from(house.wait(agent)?.alive);
            }
            times[at].push(began.elapsed().as_secs_f64());
        }
    }
    let scale = |required, asked| Scale::less("s").held_to(Some(required), Some(asked)).by(Judged::Worst);
    build("many", MANY, (10, "agents"), scale(30.0, 1.0), &times[0])?
        .check("agents that were ready and alive", [10, 20].map(|agents| agents * tier.samples()), ready)
        .case("20 at once", scale(60.0, 2.0), &times[1])
        .map(Build::judge)
}

fn message(tier: Tier) -> Result<Benchmark, BenchError> {
    let mut house = House::open(0)?;
    house.spawn(1)?;
    house.wait(1)?;
    let count = 1_000.max(200 * tier.samples() as u64);
    let (mut samples, mut wrong) = (Vec::new(), 0);
    for number in 0..count + 100 {
        let mut word = vec![0; 256];
        word[0] = BACK;
        word[8..16].copy_from_slice(&number.to_le_bytes());
        let began = Instant::now();
        house.say(1, &word)?;
        let answer = house.hear()?;
        // There and back, halved; the first hundred warm up.
        if number >= 100 {
            samples.push(began.elapsed().as_nanos() as f64 / 2e3);
        }
        wrong += usize::from(answer != word);
    }
    let scale = Scale::less("us").held_to(Some(5_000.0), Some(150.0));
    build("message", MESSAGE, (1, "messages"), scale, &samples)?
        .check("answers that are not what was sent", 0, wrong)
        .case("99 in 100", Scale::less("us").held_to(Some(50_000.0), Some(1_000.0)).by(Judged::P99), &samples)
        .map(Build::judge)
}

fn throughput(tier: Tier) -> Result<Benchmark, BenchError> {
    let mut house = House::open(0)?;
    house.spawn(1)?;
    house.wait(1)?;
    let mut figures = Vec::new();
    for (size, count) in [(256, 200_000_u64), (64 << 10, 4_000)] {
        let (mut rates, mut megabytes, mut arrived) = (Vec::new(), Vec::new(), (0, 0));
        let message = vec![7; size];
        for _ in 0..tier.samples() {
            let began = Instant::now();
            let mut batch = Batch::new(WORD, u64::MAX);
            for _ in 0..count {
                if let Some(full) = batch.push(UnixNanos::EPOCH, &message) {
                    house.say(1, &[[COUNT].as_slice(), &full].concat())?;
                }
            }
            if let Some(rest) = batch.take() {
                house.say(1, &[[COUNT].as_slice(), &rest].concat())?;
            }
            house.say(1, &[TELL])?;
            let told = house.hear()?;
            let seconds = began.elapsed().as_secs_f64();
            let number =
                |at: usize| told.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
            let (messages, bytes) = (number(1).unwrap_or(0), number(9).unwrap_or(0));
            arrived = (arrived.0 + messages, arrived.1 + bytes);
            rates.push(messages as f64 / seconds);
            megabytes.push(bytes as f64 / 1e6 / seconds);
        }
        let sent = tier.samples() as u64 * count;
        figures.push((rates, megabytes, (sent, sent * size as u64), arrived));
    }
    let [small, large] = &figures[..] else { unreachable!("two sizes") };
    let asked = |target| Scale::more("MB/s").held_to(Some(12.0), target);
    let scale = Scale::more("messages/s").held_to(None, Some(400_000.0));
    build("throughput", THROUGHPUT, (200_000, "messages"), scale, &small.0)?
        .check("messages and bytes of 256 B that arrived", small.2, small.3)
        .check("messages and bytes of 64 KiB that arrived", large.2, large.3)
        .case("256 B", asked(None), &small.1)?
        .case("64 KiB", asked(Some(1_000.0)), &large.1)
        .map(Build::judge)
}
