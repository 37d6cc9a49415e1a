//! Agents in processes of their own: how soon they are there, and how soon what is said arrives.
//!
//! Invariant: an agent counts as started when it has confined itself, shaken hands and said so; a message is counted by
//! the process that received it. Times are the parent's, there and back, halved where one way is told. Who runs the agents
//! is an argument, so that tests put somebody in its place who does the work badly.

use std::time::{Duration, Instant};

use starling_connect::provider::local::{Network, Processes, Settings};
use starling_connect::provider::{Event, How, Phase, Provider as _, ProviderError, Spec};
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

/// Who runs agents that answer.
trait Host {
    /// Starts one.
    fn spawn(&mut self, agent: u32) -> Result<(), BenchError>;
    /// Waits until it is ready.
    fn wait(&mut self, agent: u32) -> Result<Started, BenchError>;
    /// Says something to it.
    fn say(&mut self, agent: u32, words: &[u8]) -> Result<(), BenchError>;
    /// The next word of an agent, as others' events go by.
    fn hear(&mut self) -> Result<Vec<u8>, BenchError>;
    /// Ends it, and waits until so many spares are there again.
    fn stop(&mut self, agent: u32, spares: usize) -> Result<(), BenchError>;
}

/// Opens a host with so many spares.
type Open<'a> = &'a dyn Fn(usize) -> Result<Box<dyn Host>, BenchError>;
type Measure = fn(Tier, Open<'_>) -> Result<Benchmark, BenchError>;

const ALL: [(&str, &str, Measure); 4] = [
    ("start", START, start),
    ("many", MANY, many),
    ("message", MESSAGE, message),
    ("throughput", THROUGHPUT, throughput),
];

pub(super) fn works() -> Vec<Work> {
    let open = |spares| House::open(spares).map(|house| Box::new(house) as Box<dyn Host>);
    let work = |(path, name, measure): (&str, &str, Measure)| Work {
        title: format!("{REQUIRED}/{path} process: {name}"),
        measure: Box::new(move |tier| measure(tier, &open)),
    };
    ALL.into_iter().map(work).collect()
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
}

impl Host for House {
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

    fn stop(&mut self, agent: u32, spares: usize) -> Result<(), BenchError> {
        self.provider().stop(AgentId(agent), How::Soft).map_err(failed)?;
        self.provider().wait_spares(spares, PATIENCE);
        Ok(())
    }

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
#[derive(Debug, Clone, Copy)]
struct Started {
    took_ms: f64,
    warm: bool,
    sealed: bool,
    alive: bool,
}

fn start(tier: Tier, open: Open<'_>) -> Result<Benchmark, BenchError> {
    let count = u32::try_from(4 * tier.samples()).unwrap_or(u32::MAX);
    let (mut cold, mut warm, mut alive, mut of_spares) = (Vec::new(), Vec::new(), 0, 0);
    let mut sealed = 0;
    for (spares, samples) in [(0, &mut cold), (1, &mut warm)] {
        let mut house = open(spares)?;
        for agent in 1..=count {
            house.spawn(agent)?;
            let started = house.wait(agent)?;
            samples.push(started.took_ms);
            alive += u32::from(started.alive);
            of_spares += u32::from(started.warm);
            sealed += u32::from(started.sealed);
            house.stop(agent, spares)?;
        }
    }
    let scale = Scale::less("ms").held_to(Some(500.0), Some(150.0));
    build("start", START, (1, "agents"), scale, &cold)?
        .check("agents that were ready and alive", 2 * count, alive)
        .check("of those, from a spare", count, of_spares)
        .claim(
            "layers of the sandbox, all in force as far as the system has them, are the same around each agent",
            "around all or none",
            format!("all layers around {sealed}"),
            sealed == 0 || sealed == 2 * count,
        )
        .case("from a spare", Scale::less("ms").held_to(Some(500.0), Some(20.0)), &warm)
        .map(Build::judge)
}

fn many(tier: Tier, open: Open<'_>) -> Result<Benchmark, BenchError> {
    let (mut times, mut ready) = ([Vec::new(), Vec::new()], [0, 0]);
    for _ in 0..tier.samples() {
        for (at, agents) in [10, 20].into_iter().enumerate() {
            let mut house = open(0)?;
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

fn message(tier: Tier, open: Open<'_>) -> Result<Benchmark, BenchError> {
    let mut house = open(0)?;
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

fn throughput(tier: Tier, open: Open<'_>) -> Result<Benchmark, BenchError> {
    let mut house = open(0)?;
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use starling_lab::bench::Case;

    use super::super::echo::Echo;
    use super::*;

    /// Somebody in this process who answers as an agent's process does, but for a fault.
    #[derive(Clone, Copy)]
    struct Fault {
        /// What an agent is when it should be ready: its number, and what it would be.
        started: fn(u32, Started) -> Started,
        /// What arrives of words; the number counts them from 0.
        arrives: fn(u64, Vec<u8>) -> Option<Vec<u8>>,
        /// What comes back of an answer.
        answers: fn(u64, Vec<u8>) -> Vec<u8>,
        /// Before an agent is ready, and before words arrive.
        pause: Duration,
    }

    const NONE: Fault = Fault {
        started: |_, started| started,
        arrives: |_, words| Some(words),
        answers: |_, words| words,
        pause: Duration::ZERO,
    };

    struct Fake {
        fault: Fault,
        spares: usize,
        echo: Echo,
        words: u64,
        answered: u64,
        answers: VecDeque<Vec<u8>>,
    }

    /// Time that passes while somebody works for nothing.
    fn waste(time: Duration) {
        let began = Instant::now();
        while began.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    impl Host for Fake {
        fn spawn(&mut self, _: u32) -> Result<(), BenchError> {
            Ok(())
        }
        fn wait(&mut self, agent: u32) -> Result<Started, BenchError> {
            waste(self.fault.pause);
            let took_ms = self.fault.pause.as_secs_f64() * 1e3 + 1.0;
            Ok((self.fault.started)(agent, Started { took_ms, warm: self.spares > 0, sealed: true, alive: true }))
        }
        fn say(&mut self, _: u32, words: &[u8]) -> Result<(), BenchError> {
            waste(self.fault.pause);
            let arrived = (self.fault.arrives)(self.words, words.to_vec());
            self.words += 1;
            self.answers.extend(arrived.and_then(|words| self.echo.answer(words)));
            Ok(())
        }
        fn hear(&mut self) -> Result<Vec<u8>, BenchError> {
            let answer = self.answers.pop_front().ok_or_else(|| BenchError::Agents("nothing was answered".into()))?;
            self.answered += 1;
            Ok((self.fault.answers)(self.answered - 1, answer))
        }
        fn stop(&mut self, _: u32, _: usize) -> Result<(), BenchError> {
            Ok(())
        }
    }

    fn with(measure: Measure, fault: Fault) -> Result<Benchmark, BenchError> {
        measure(Tier::Fast, &|spares| {
            let (echo, answers) = (Echo::default(), VecDeque::new());
            Ok(Box::new(Fake { fault, spares, echo, words: 0, answered: 0, answers }))
        })
    }

    fn broken(benchmark: &Benchmark) -> Vec<&str> {
        benchmark.checks.iter().filter(|check| !check.holds).map(|check| check.claim.as_str()).collect()
    }

    #[track_caller]
    fn fails(measure: Measure, fault: Fault, claim: &str) {
        let benchmark = with(measure, fault).unwrap();
        assert!(broken(&benchmark).iter().any(|broken| broken.contains(claim)), "{:?}", benchmark.checks);
        assert_eq!(benchmark.pass, Some(false));
    }

    fn case<'a>(benchmark: &'a Benchmark, name: &str) -> &'a Case {
        benchmark.cases.iter().find(|case| case.name == name).unwrap()
    }

    #[test]
    fn whoever_does_the_work_passes_every_check() {
        for (_, _, measure) in ALL {
            let benchmark = with(measure, NONE).unwrap();
            assert_eq!(broken(&benchmark), Vec::<&str>::new());
            assert!(!benchmark.checks.is_empty());
        }
    }

    #[test]
    fn an_agent_that_is_dead_cold_open_or_slow_is_in_start() {
        let dead = Fault { started: |agent, s| Started { alive: agent != 3, ..s }, ..NONE };
        fails(start, dead, "ready and alive");
        let cold = Fault { started: |agent, s| Started { warm: s.warm && agent != 3, ..s }, ..NONE };
        fails(start, cold, "from a spare");
        let open = Fault { started: |agent, s| Started { sealed: agent != 3, ..s }, ..NONE };
        fails(start, open, "the same around each agent");
        let slow = Fault { started: |_, s| Started { took_ms: s.took_ms + 600.0, ..s }, ..NONE };
        let found = with(start, slow).unwrap();
        assert!(found.samples.min >= 600.0 && case(&found, "from a spare").pass == Some(false), "{:?}", found.samples);
        assert_eq!((broken(&found).len(), found.pass), (0, Some(false)));
    }

    #[test]
    fn one_agent_fewer_or_one_that_sleeps_is_in_many() {
        let dead = Fault { started: |agent, s| Started { alive: agent != 20, ..s }, ..NONE };
        fails(many, dead, "ready and alive");
        let found = with(many, Fault { pause: Duration::from_millis(5), ..NONE }).unwrap();
        let twenty = case(&found, "20 at once");
        assert!(found.samples.min >= 0.05 && twenty.samples.min >= 0.1, "{:?}", found.samples);
    }

    #[test]
    fn an_answer_that_is_another_missing_or_late_is_in_message() {
        let forged = |number: u64, mut answer: Vec<u8>| {
            if number == 500 {
                answer[200] ^= 1;
            }
            answer
        };
        fails(message, Fault { answers: forged, ..NONE }, "not what was sent");
        let lost = Fault { arrives: |number, words| Some(words).filter(|_| number != 500), ..NONE };
        assert!(matches!(with(message, lost), Err(BenchError::Agents(_))));
        let found = with(message, Fault { pause: Duration::from_micros(400), ..NONE }).unwrap();
        // There and back, halved; our target is 150 us.
        assert!(found.samples.min >= 200.0 && found.pass == Some(false), "{:?}", found.samples);
    }

    #[test]
    fn words_that_are_lost_cut_or_late_are_in_throughput() {
        let lost = Fault { arrives: |number, words| Some(words).filter(|_| number != 100), ..NONE };
        fails(throughput, lost, "of 256 B that arrived");
        let cut = |number: u64, mut words: Vec<u8>| {
            if number % 1_000 == 999 {
                words.truncate(words.len() / 2);
            }
            Some(words)
        };
        fails(throughput, Fault { arrives: cut, ..NONE }, "of 64 KiB that arrived");
        let found = with(throughput, Fault { pause: Duration::from_millis(1), ..NONE }).unwrap();
        // 256 KiB in a millisecond at most, which hold 1,024 messages with nothing between them.
        assert!(found.samples.max <= 1_024_000.0, "{:?}", found.samples);
        assert!(case(&found, "64 KiB").samples.max <= 262.2, "{:?}", found.cases);
        assert_eq!(case(&found, "64 KiB").pass, Some(false));
    }
}
