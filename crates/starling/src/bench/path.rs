//! The whole path, for as long as one likes: a venue's frame comes in, and an order is booked at its end.
//!
//! ```text
//!  frame ─► ingest ─► lane ─► sequencer ─► features ─► strategy ─► risk ─► journal, store ─► venue ─► ledger
//!         market data               features     signal     risk      order              venue
//! ```
//!
//! Frames of Binance's bookTicker are due at a fixed rate, whatever becomes of the ones before. A time is counted from
//! when a frame was due, so a stall of the program or of the machine is in the time of everything that waited for it
//! (no coordinated omission). Every order carries its number through all stages, and its stamps are one trace.
//!
//! Invariant: a run counts only if every frame became an event and every order a fill. The venue is the simulated one, in
//! the same process: no network is in these figures. The journal goes to a file.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use starling_connect::dialect::Dialect;
use starling_connect::ingest::{Ingest, IngestLimits, Subscription};
use starling_connect::lane::{Channel, Item, LaneLimits, LaneReader};
use starling_connect::metrics::{Counter, Metrics};
use starling_core::event::Funding;
use starling_core::order::{Fill, OrderStatus};
use starling_core::{ClientOrderId, Event, InstrumentId, Price, Quote, UnixNanos};
use starling_engine::ledger::FillOutcome;
use starling_engine::strategies::Builtin;
use starling_engine::{Engine, Observer, Stage, World};
use starling_lab::bench::{BenchError, Benchmark, Case, Check, Distribution, Id, Judged, Point, Series, quotes};
use starling_lab::run::{Run, RunError};
use starling_lab::stats::random::Xoshiro;
use starling_lab::stats::trend::mann_kendall;
use starling_sim::{Exchange, Recorder};

/// Frames a second that are offered; 100,000 are required.
const OFFERED: u64 = 120_000;
/// Frames that are due together.
const GROUP: u64 = 120;
/// Quotes before the walk begins anew.
const CYCLE: usize = 100_000;
/// Samples that are kept of each stage.
const KEPT: usize = 1_000;
/// Marks from which on a slope of the memory is told: those of a minute. One comes up to a group late, so a minute has 59.
const MARKS_LEAST: usize = 55;
/// Nanoseconds that a histogram tells apart: an hour.
const LONGEST: u64 = 3_600_000_000_000;
const SUITE: &str = "path";
const MILLISECOND: f64 = 1e3;

/// A stage of the path, what it ends with, and the milliseconds that the requirement gives it.
const STAGES: [(&str, f64); 6] =
    [("market data", 1.0), ("features", 10.0), ("signal", 50.0), ("risk", 5.0), ("order", 10.0), ("venue", 100.0)];

/// Names of all its benchmarks.
pub(crate) fn ids() -> Vec<String> {
    let stages = STAGES.iter().map(|(name, _)| format!("{SUITE}/stage/{name}"));
    let whole = ["throughput", "order", "processor", "memory"].map(|name| format!("{SUITE}/sustained/{name}"));
    whole.into_iter().chain(stages).collect()
}

/// Nanoseconds of a kind: all of them as a histogram, and a random thousand one by one (Vitter 1985, algorithm R).
struct Times {
    all: Histogram<u64>,
    kept: Vec<f64>,
    random: Xoshiro,
}

impl Times {
    fn new(stream: u64) -> Self {
        let all = Histogram::new_with_bounds(1, LONGEST, 3).expect("an hour with three digits is possible");
        Self { all, kept: Vec::with_capacity(KEPT), random: Xoshiro::stream(7, stream) }
    }

    fn note(&mut self, nanoseconds: u64) {
        self.all.saturating_record(nanoseconds);
        let microseconds = nanoseconds as f64 / 1e3;
        if self.kept.len() < KEPT {
            self.kept.push(microseconds);
        } else {
            let at = (self.random.uniform() * self.all.len() as f64) as usize;
            if let Some(place) = self.kept.get_mut(at) {
                *place = microseconds;
            }
        }
    }
}

/// Stamps of an order on its way, nanoseconds since the start: frame due, event taken, shown, answered, approved, sent.
#[derive(Default, Clone, Copy)]
struct Trace {
    order: Option<ClientOrderId>,
    stamps: [u64; 6],
}

/// The recorder, and a clock beside it.
struct Watch {
    recorder: Recorder,
    started: Instant,
    trace: Trace,
    stages: [Times; 6],
    total: Times,
}

impl Watch {
    fn new(recorder: Recorder) -> Self {
        let stages = std::array::from_fn(|at| Times::new(at as u64));
        Self { recorder, started: Instant::now(), trace: Trace::default(), stages, total: Times::new(6) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Observer for Watch {
    fn on_stage(&mut self, stage: Stage) {
        let now = self.now();
        match stage {
            Stage::Taken => self.trace.stamps[1] = now,
            Stage::Shown => self.trace.stamps[2] = now,
            Stage::Answered => self.trace.stamps[3] = now,
            Stage::Approved(order) => {
                self.trace.order = Some(order);
                self.trace.stamps[4] = now;
            }
            Stage::Sent(_) => self.trace.stamps[5] = now,
            // The first word of the venue ends it.
            Stage::Booked(order) if self.trace.order == Some(order) => {
                self.trace.order = None;
                let stamps = self.trace.stamps;
                for (at, times) in self.stages.iter_mut().enumerate() {
                    let end = stamps.get(at + 1).copied().unwrap_or(now);
                    times.note(end.saturating_sub(stamps[at]));
                }
                self.total.note(now.saturating_sub(stamps[0]));
            }
            Stage::Booked(_) => {}
        }
    }

    fn on_fill(&mut self, world: &World, fill: &Fill, outcome: &FillOutcome) {
        self.recorder.on_fill(world, fill, outcome);
    }

    fn on_order_end(&mut self, world: &World, order: ClientOrderId, status: Option<OrderStatus>) {
        self.recorder.on_order_end(world, order, status);
    }

    fn on_denied(&mut self, world: &World, order: ClientOrderId, code: &'static str) {
        self.recorder.on_denied(world, order, code);
    }

    fn on_funding(&mut self, world: &World, funding: &Funding) {
        self.recorder.on_funding(world, funding);
    }
}

/// The venue's side: frames of a walk that comes back to its start, one after another without end.
struct Frames {
    quotes: Vec<Quote>,
    sent: u64,
    frame: String,
}

impl Frames {
    fn new() -> Self {
        let of = |event: Event| match event {
            Event::Quote(quote) => quote,
            _ => unreachable!("the walk is one of quotes"),
        };
        Self { quotes: quotes(CYCLE, 43).into_iter().map(of).collect(), sent: 0, frame: String::new() }
    }

    fn next(&mut self) -> &[u8] {
        use std::fmt::Write as _;
        let quote = &self.quotes[(self.sent % CYCLE as u64) as usize];
        self.sent += 1;
        self.frame.clear();
        write!(
            self.frame,
            r#"{{"stream":"btcusdt@bookTicker","data":{{"u":{},"s":"BTCUSDT","b":"{}","B":"{}","a":"{}","A":"{}"}}}}"#,
            self.sent, quote.bid, quote.bid_size, quote.ask, quote.ask_size
        )
        .expect("writing to a string");
        self.frame.as_bytes()
    }
}

/// What is left to be read of this process.
#[derive(Clone, Copy)]
struct Usage {
    /// Resident memory, MiB.
    resident: f64,
    /// Time on processors, seconds.
    processor: f64,
}

impl Usage {
    fn now() -> io::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let kib =
            status.lines().find_map(|l| l.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        // In nanoseconds, of all threads: finer than the ticks of /proc/self/stat.
        let mut processor = 0.0;
        for task in fs::read_dir("/proc/self/task")? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            processor += text.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1e9;
        }
        Ok(Self { resident: kib.unwrap_or(0.0) / 1024.0, processor })
    }
}

/// A file for the journal, gone when dropped.
struct JournalFile(PathBuf);

impl JournalFile {
    fn create() -> Result<(Self, File), BenchError> {
        let path = std::env::temp_dir().join(format!("starling-path-{}.journal", std::process::id()));
        let file =
            File::create(&path).map_err(|source| BenchError::File { path: path.display().to_string(), source })?;
        Ok((Self(path), file))
    }
}

impl Drop for JournalFile {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning of its temporary folder.
        let _ = fs::remove_file(&self.0);
    }
}

type PathEngine = Engine<Builtin, Exchange, File, Watch>;

/// The whole line, set up.
struct Line {
    frames: Frames,
    ingest: Ingest,
    lane: LaneReader,
    metrics: Arc<Metrics>,
    engine: PathEngine,
    _journal: JournalFile,
}

impl Line {
    fn new(now: UnixNanos) -> Result<Self, BenchError> {
        let input = |error: &dyn std::fmt::Display| BenchError::Input(error.to_string());
        let dialect = Dialect::named("binance-spot").ok_or_else(|| input(&"no dialect binance-spot"))?;
        let of = Subscription {
            symbol: "BTCUSDT".into(),
            instrument: InstrumentId(0),
            tick: Price::parse(b"0.01").expect("a price"),
            digits: None,
            channels: vec![Channel::Quote],
        };
        let metrics = Arc::new(Metrics::new("path"));
        let (mut ingest, door) = Ingest::new(dialect, vec![of], IngestLimits::default(), Arc::clone(&metrics), now)
            .map_err(|error| input(&error))?;
        let lane = door.subscribe(LaneLimits::default()).map_err(|error| input(&error))?;
        ingest.tick(now);
        let (journal, file) = JournalFile::create()?;
        let text = include_str!("../../../../examples/peers/quotes.toml");
        let run = Run::new(text, Vec::new()).map_err(RunError::from)?;
        let mut engine = run.watched(file, Watch::new)?;
        engine.start().map_err(RunError::from)?;
        Ok(Self { frames: Frames::new(), ingest, lane, metrics, engine, _journal: journal })
    }

    /// Takes a frame in that was due at `due` nanoseconds of the watch.
    fn frame(&mut self, due: u64, now: UnixNanos) -> Result<(), BenchError> {
        self.engine.world_and_observer().1.trace.stamps[0] = due;
        self.ingest.frame(self.frames.next(), now);
        while let Some(item) = self.lane.pop() {
            if let Item::Quote(quote) = item {
                self.engine.on_event(&Event::Quote(quote)).map_err(RunError::from)?;
            }
        }
        Ok(())
    }
}

/// A second of a run, up to a mark.
struct Second {
    /// How long it was: at least a second of the clock.
    passed: f64,
    /// Events a second.
    events: u64,
    /// Until its end.
    usage: Usage,
}

/// Runs for so long and tells everything.
pub(crate) fn measure(
    duration: Duration,
    mut progress: impl FnMut(Duration) -> bool,
) -> Result<Vec<Benchmark>, BenchError> {
    let proc = |source| BenchError::File { path: "/proc/self".to_owned(), source };
    let epoch = UnixNanos::new(1_723_161_255_343_000_000);
    let mut line = Line::new(epoch)?;
    let total = duration.as_secs().max(5) * OFFERED;
    let interval = 1_000_000_000 * GROUP / OFFERED;
    // The first second warms up: caches, branch predictors, the pages of the lane and the journal.
    for _ in 0..OFFERED {
        line.frame(0, epoch)?;
    }
    let warm = line.engine.counts();
    let watch = line.engine.world_and_observer().1;
    (watch.stages, watch.total) = (std::array::from_fn(|at| Times::new(at as u64)), Times::new(6));
    let started = Instant::now();
    watch.started = started;
    let first = Usage::now().map_err(proc)?;
    let mut seconds = Vec::new();
    let mut mark = (Duration::from_secs(1), warm.events);
    for group in 0..total / GROUP {
        let due = group * interval;
        // A parked thread may wake early; no frame comes before it is due.
        while let Some(early) = Duration::from_nanos(due).checked_sub(started.elapsed()).filter(|left| !left.is_zero())
        {
            std::thread::park_timeout(early);
        }
        let now = epoch + u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        for _ in 0..GROUP {
            line.frame(due, now)?;
        }
        let at = started.elapsed();
        if at >= mark.0 {
            let (events, usage) = (line.engine.counts().events, Usage::now().map_err(proc)?);
            // What a second of the clock let through, though it may have been a little longer.
            let next = at + Duration::from_secs(1);
            let passed = (next - mark.0).as_secs_f64();
            seconds.push(Second { passed, events: ((events - mark.1) as f64 / passed) as u64, usage });
            mark = (next, events);
            if !progress(at) {
                return Err(BenchError::Program { program: "the path".into(), reason: "interrupted".into() });
            }
        }
    }
    let processor = Usage::now().map_err(proc)?.processor - first.processor;
    let (offered, counts) = (line.frames.sent, line.engine.counts());
    tell(&line, &seconds, Totals { offered, counts, warm: (OFFERED, warm.orders), processor })
}

struct Totals {
    /// Frames, those of the warm-up among them; as are all counts.
    offered: u64,
    counts: starling_engine::Counts,
    /// Frames and orders of the warm-up.
    warm: (u64, u64),
    /// Time on processors since then, seconds.
    processor: f64,
}

fn tell(line: &Line, seconds: &[Second], totals: Totals) -> Result<Vec<Benchmark>, BenchError> {
    let Totals { offered, counts, warm: (warm_frames, warm_orders), processor } = totals;
    let watch = line.engine.observer();
    let check = |claim: &str, expected: u64, found: u64| Check {
        claim: claim.to_owned(),
        expected: expected.to_string(),
        found: found.to_string(),
        holds: expected == found && expected > 0,
    };
    let checks = vec![
        check("every frame became an event", offered, counts.events),
        check("every order was filled", counts.orders, counts.fills),
        check("every order left a trace", counts.orders - warm_orders, watch.total.all.len()),
        Check {
            claim: "no frame was put aside as undecodable or unbelievable".to_owned(),
            expected: "0".to_owned(),
            found: line.metrics.get(Counter::Quarantined).to_string(),
            holds: line.metrics.get(Counter::Quarantined) == 0,
        },
    ];
    let over_time = |name: &str, y: &str, of: &dyn Fn(&Second) -> f64| Series {
        name: name.to_owned(),
        x: "time, s".to_owned(),
        y: y.to_owned(),
        points: seconds.iter().enumerate().map(|(at, s)| Point { x: (at + 1).to_string(), y: of(s) }).collect(),
    };
    let rates: Vec<f64> = seconds.iter().map(|s| s.events as f64).collect();
    let mut throughput = row("sustained", "throughput", "items/s", "events", &rates)?;
    (throughput.more_is_better, throughput.judged, throughput.requirement) = (true, Judged::Worst, Some(100_000.0));
    throughput.items = offered;
    throughput.series = vec![over_time("events a second", "events a second", &|s| s.events as f64)];

    let mut order = timed("sustained", "order", &watch.total, Judged::P95, 200.0 * MILLISECOND)?;
    order.cases = vec![
        case("the middle one", &order, Judged::Median, 50.0 * MILLISECOND),
        case("one of a hundred", &order, Judged::P99, 500.0 * MILLISECOND),
    ];

    let memory: Vec<f64> = seconds.iter().map(|s| s.usage.resident).collect();
    let mut resident = row("sustained", "memory", "MiB", "", &memory)?;
    (resident.judged, resident.requirement) = (Judged::Worst, Some(1_000_000_000.0 / 1_048_576.0));
    resident.series = vec![over_time("resident memory", "MiB", &|s| s.usage.resident)];
    // Allocators settle within the first minute; before, a slope says nothing.
    if seconds.len() >= MARKS_LEAST {
        // Of so many there is one, unless all are equal.
        let slope = mann_kendall(&memory[memory.len() / 4..]).map_or(0.0, |trend| trend.slope);
        let growth = slope * 600.0;
        resident.checks = vec![Check {
            claim: "ten minutes at the median slope add less than 50 MB".to_owned(),
            expected: "below 47.7 MiB".to_owned(),
            found: format!("{growth:.2} MiB"),
            holds: growth < 50e6 / 1_048_576.0,
        }];
    }

    let share = |pair: &[Second]| (pair[1].usage.processor - pair[0].usage.processor) / pair[1].passed * 100.0;
    let shares: Vec<f64> = seconds.windows(2).map(share).collect();
    let mut cpu = row("sustained", "processor", "% of one core", "", &shares)?;
    cpu.series = vec![Series {
        name: "a frame's share".to_owned(),
        x: "what".to_owned(),
        y: "us".to_owned(),
        points: vec![Point {
            x: "processor time a frame".to_owned(),
            y: processor * 1e6 / (offered - warm_frames) as f64,
        }],
    }];

    let mut rows = vec![throughput, order, cpu, resident];
    for ((name, budget), times) in STAGES.iter().zip(&watch.stages) {
        rows.push(timed("stage", name, times, Judged::P95, budget * MILLISECOND)?);
    }
    for row in &mut rows {
        // One run, whose rows are chosen one by one: what was lost in it is in none of their figures.
        row.checks.extend_from_slice(&checks);
        row.judge();
    }
    Ok(rows)
}

/// A row of microseconds.
fn timed(group: &str, name: &str, times: &Times, judged: Judged, budget: f64) -> Result<Benchmark, BenchError> {
    let mut row = row(group, name, "us", "orders", &times.kept)?;
    (row.judged, row.requirement, row.items) = (judged, Some(budget), times.all.len());
    let at = |share: f64| times.all.value_at_quantile(share) as f64 / 1e3;
    let names = [("P50", 0.5), ("P90", 0.9), ("P95", 0.95), ("P99", 0.99), ("P99.9", 0.999), ("P99.99", 0.9999)];
    let mut points: Vec<Point> = names.map(|(x, share)| Point { x: x.to_owned(), y: at(share) }).into();
    points.push(Point { x: "largest".to_owned(), y: times.all.max() as f64 / 1e3 });
    row.series = vec![Series {
        name: format!("all {} orders", times.all.len()),
        x: "percentile".to_owned(),
        y: "us".to_owned(),
        points,
    }];
    Ok(row)
}

fn case(name: &str, of: &Benchmark, judged: Judged, budget: f64) -> Case {
    Case {
        name: name.to_owned(),
        unit: of.unit.clone(),
        more_is_better: false,
        requirement: Some(budget),
        target: None,
        judged,
        measured: None,
        pass: None,
        samples: of.samples.clone(),
    }
}

fn row(group: &str, name: &str, unit: &str, item: &str, samples: &[f64]) -> Result<Benchmark, BenchError> {
    let id = format!("{SUITE}/{group}/{name}");
    let samples = Distribution::of(samples)
        .ok_or_else(|| BenchError::Program { program: id.clone(), reason: "no order was sent".into() })?;
    let mut row = Benchmark::bare(Id::Path(id), SUITE, format!("{group}: {name}"), unit, samples);
    item.clone_into(&mut row.item);
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_an_event_and_every_order_leaves_one_trace() {
        let mut line = Line::new(UnixNanos::new(1_723_161_255_343_000_000)).unwrap();
        for i in 0..20_000 {
            let due = line.engine.observer().now();
            line.frame(due, UnixNanos::new(1_723_161_255_343_000_000 + i * 1_000)).unwrap();
        }
        let counts = line.engine.counts();
        // The rule in plain floats over the same walk, as the engine's own benchmark has it.
        let (mut fast, mut slow, mut long, mut orders) = (0.0, 0.0, false, 0);
        for (i, quote) in line.frames.quotes[..20_000].iter().enumerate() {
            let mid = (quote.bid.to_f64() + quote.ask.to_f64()) / 2.0;
            if i == 0 {
                (fast, slow) = (mid, mid);
            }
            fast += (mid - fast) * 2.0 / 11.0;
            slow += (mid - slow) * 2.0 / 21.0;
            let wants = i >= 19 && fast >= slow;
            orders += u64::from(wants != long);
            long = wants;
        }
        assert_eq!((counts.events, counts.orders, counts.fills), (20_000, orders, orders));
        let watch = line.engine.observer();
        assert_eq!(watch.total.all.len(), orders, "one trace an order");
        assert!(orders > 500, "{orders}");
        assert_eq!(watch.total.kept.len() as u64, orders.min(KEPT as u64));
        let sum: f64 = watch.stages.iter().map(|times| times.all.mean()).sum();
        let whole = watch.total.all.mean();
        assert!((sum / whole - 1.0).abs() < 0.01, "the stages are the whole: {sum} of {whole}");
    }

    /// A line that has taken 5,000 frames, and its totals as if the frames offered had been so many.
    fn taken(offered: u64) -> (Line, Totals) {
        let mut line = Line::new(UnixNanos::new(1_723_161_255_343_000_000)).unwrap();
        for i in 0..5_000 {
            let due = line.engine.observer().now();
            line.frame(due, UnixNanos::new(1_723_161_255_343_000_000 + i)).unwrap();
        }
        let counts = line.engine.counts();
        (line, Totals { offered, counts, warm: (0, 0), processor: 0.5 })
    }

    /// So many seconds, each with so much more memory (MiB) and time on processors (s) than the one before.
    fn seconds(count: u32, growth: f64, processor: f64) -> Vec<Second> {
        let usage = |at: f64| Usage { resident: 100.0 + at * growth, processor: at * processor };
        (0..count).map(|at| Second { passed: 1.25, events: 120_000, usage: usage(f64::from(at)) }).collect()
    }

    fn named<'a>(rows: &'a [Benchmark], name: &str) -> &'a Benchmark {
        rows.iter().find(|row| row.key() == format!("{SUITE}/{name}")).unwrap()
    }

    /// Any of its rows may be chosen alone.
    #[test]
    fn a_frame_that_gets_lost_fails_every_row() {
        let told = |offered| {
            let (line, totals) = taken(offered);
            tell(&line, &seconds(3, 0.0, 0.1), totals).unwrap()
        };
        let (whole, lost) = (told(5_000), told(5_001));
        assert_eq!(lost.iter().map(Benchmark::key).collect::<Vec<_>>(), ids());
        let sound = |row: &Benchmark| row.checks.len() == 4 && row.checks.iter().all(|check| check.holds);
        assert!(whole.iter().all(sound), "{whole:?}");
        assert_eq!(named(&whole, "sustained/throughput").pass, Some(true));
        let passing: Vec<String> = lost.iter().filter(|row| !row.fails()).map(Benchmark::key).collect();
        assert_eq!(passing, Vec::<String>::new());
    }

    /// A healthy minute has 59 marks.
    #[test]
    fn memory_that_grows_for_a_minute_fails() {
        let pass = |marks, growth| {
            let (line, totals) = taken(5_000);
            let rows = tell(&line, &seconds(marks, growth, 0.1), totals).unwrap();
            let memory = named(&rows, "sustained/memory");
            (memory.pass, memory.checks.len())
        };
        // A million bytes a second is 600 MB in ten minutes.
        let leak = 1e6 / 1_048_576.0;
        assert_eq!([59, 60].map(|marks| pass(marks, leak)), [(Some(false), 5); 2]);
        assert_eq!(pass(59, leak / 20.0), (Some(true), 5), "30 MB in ten minutes");
        assert_eq!(pass(59, 0.0), (Some(true), 5));
        assert_eq!(pass(30, leak), (Some(true), 4), "half a minute says nothing");
    }

    #[test]
    fn processor_time_is_that_of_the_frames_and_seconds_it_was_spent_in() {
        let (line, mut totals) = taken(5_000);
        totals.warm.0 = 1_000;
        let rows = tell(&line, &seconds(4, 0.0, 0.25), totals).unwrap();
        let row = named(&rows, "sustained/processor");
        // Half a second over 4,000 frames; a quarter in each 1.25 s.
        assert!((row.series[0].points[0].y - 125.0).abs() < 1e-9, "{:?}", row.series);
        assert_eq!(row.samples.n, 3);
        assert!((row.samples.max - 20.0).abs() < 1e-9 && (row.samples.min - 20.0).abs() < 1e-9, "{:?}", row.samples);
    }
}
