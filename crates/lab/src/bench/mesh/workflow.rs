//! The fifth: a workflow of five steps over several inputs, each step at a station of its own, pipelined against one
//! input after the other.
//!
//! Invariant: both ways do the same work with the same agents and differ in what waits for what only. The answers are held
//! against the generator of the data and a plain loop over it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use starling_core::{BarSeriesId, Event, InstrumentId, Price, UnixNanos};
use starling_market::indicator::{Ema, Indicator, Output};
use starling_swarm::task::{Capabilities, Strategy, Task, TaskKey};

use super::crew::{Crew, Report};
use super::{Build, Scale};
use crate::bench::file::{Folder, text};
use crate::bench::{BenchError, Benchmark, Id, Judged, Tier, rig, series};
use crate::data::{DataSpec, Kind, Resolve, open};
use crate::stats::drawdown;

pub(super) const NAME: &str = "5 steps (read, average, trade, judge, report) x 8 inputs, pipelined against sequential";
/// Steps of the workflow, each at a station of its own.
const STEPS: u64 = 5;
/// What goes through it.
const INPUTS: u64 = 8;
/// Bars of each.
const BARS: usize = 5_000;
const SLOW: usize = 20;

/// What comes out of the workflow for an input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    bars: u64,
    orders: u64,
    average: f64,
    depth: f64,
}

/// What a step leaves for the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Sheet {
    bars: Vec<Event>,
    average: f64,
    orders: u64,
    depth: f64,
}

/// Where steps leave what is too long for a task: by input.
pub(super) type Shelf = Mutex<BTreeMap<u64, Sheet>>;

/// A step at an input.
pub(super) type Station = fn(&Folder, &Shelf, u64, u64) -> Result<Vec<u8>, String>;

/// The only instrument and the only series.
struct One;

impl Resolve for One {
    fn instrument(&mut self, _: &str) -> Result<InstrumentId, String> {
        Ok(InstrumentId(0))
    }
    fn series(&mut self, _: InstrumentId, _: &str) -> Result<BarSeriesId, String> {
        Ok(BarSeriesId(0))
    }
    fn tick(&mut self, _: InstrumentId) -> Price {
        Price::ZERO
    }
}

fn file(input: u64) -> String {
    format!("{input}.csv")
}

fn read(folder: &Folder, input: u64) -> Result<Vec<Event>, String> {
    let path = folder.path().join(file(input));
    let mut spec = DataSpec::new(path.display().to_string(), "X.SIM", Kind::Bars);
    spec.series = Some("1m last external".into());
    let mut feed = open(&spec, &[], &mut One).map_err(|error| error.to_string())?;
    let (mut bars, mut before) = (Vec::new(), usize::MAX);
    while bars.len() != before {
        before = bars.len();
        feed.read(&mut bars).map_err(|error| error.to_string())?;
    }
    Ok(bars)
}

/// Does a step as it should be done.
pub(super) fn station(folder: &Folder, shelf: &Shelf, input: u64, step: u64) -> Result<Vec<u8>, String> {
    let held = || shelf.lock().unwrap_or_else(PoisonError::into_inner);
    let mut sheet = held().remove(&input).unwrap_or_default();
    let closes = || series::signal(&sheet.bars);
    let mut answer = Vec::new();
    match step {
        0 => sheet.bars = read(folder, input)?,
        1 => {
            let mut average = Ema::new(SLOW).map_err(|error| error.to_string())?;
            closes().into_iter().for_each(|close| _ = average.update(close));
            sheet.average = average.value().map_or(f64::NAN, |value| value.component(0));
        }
        2 => {
            let run = rig::run(rig::PEER_BARS).map_err(|error| error.to_string())?;
            sheet.orders = rig::whole(run, &sheet.bars).map_err(|error| error.to_string())?.orders;
        }
        3 => sheet.depth = drawdown::max_depth(&closes()).ok_or("no drawdown")?,
        _ => {
            let (bars, Sheet { orders, average, depth, .. }) = (sheet.bars.len() as u64, &sheet);
            let found = Answer { bars, orders: *orders, average: *average, depth: *depth };
            answer = postcard::to_allocvec(&found).map_err(|error| error.to_string())?;
        }
    }
    held().insert(input, sheet);
    Ok(answer)
}

/// The same by plain loops over what the file was made of.
fn expected(bars: &[Event]) -> Answer {
    let closes = series::signal(bars);
    let weight = 2.0 / (SLOW as f64 + 1.0);
    let average = closes.iter().skip(1).fold(closes[0], |average, x| weight * x + (1.0 - weight) * average);
    let mut peak = f64::MIN;
    let depth = closes.iter().fold(0.0_f64, |depth, close| {
        peak = peak.max(*close);
        depth.min(close / peak - 1.0)
    });
    Answer { bars: bars.len() as u64, orders: series::ema_cross_orders(&closes, 10, 20), average, depth }
}

fn agree(found: &Answer, expected: &Answer) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs().max(1.0);
    (found.bars, found.orders) == (expected.bars, expected.orders)
        && near(found.average, expected.average)
        && near(found.depth, expected.depth)
}

/// The tasks of a run: five for each input, one after the other; the first of an input after the last of the one before,
/// unless it is pipelined.
fn tasks(keys: &[TaskKey], pipelined: bool) -> Vec<Task> {
    let task = |at: u64| {
        let (input, step) = (at / STEPS, at % STEPS);
        let waits = step > 0 || (input > 0 && !pipelined);
        Task {
            key: keys[at as usize],
            needs: Capabilities(1 << step),
            payload: postcard::to_allocvec(&(input, step)).expect("two numbers"),
            after: waits.then(|| keys[at as usize - 1]).into_iter().collect(),
            deadline: UnixNanos::MAX,
            retries_max: 0,
            work: 1,
        }
    };
    (0..keys.len() as u64).map(task).collect()
}

/// How many inputs were under way at once, at most.
fn under_way(report: &Report, keys: &[TaskKey]) -> usize {
    let input = |key: TaskKey| keys.iter().position(|other| *other == key).map_or(0, |at| at as u64 / STEPS);
    let mut spans: BTreeMap<u64, (UnixNanos, UnixNanos)> = BTreeMap::new();
    for attempt in &report.attempts {
        let span = spans.entry(input(attempt.key)).or_insert((attempt.began, attempt.ended));
        *span = (span.0.min(attempt.began), span.1.max(attempt.ended));
    }
    let at = |now: UnixNanos| spans.values().filter(|(began, ended)| *began <= now && now < *ended).count();
    spans.values().map(|(began, _)| at(*began)).max().unwrap_or(0)
}

pub(super) fn measure(tier: Tier) -> Result<Benchmark, BenchError> {
    with(tier, station)
}

pub(super) fn with(tier: Tier, station: Station) -> Result<Benchmark, BenchError> {
    let folder = Arc::new(Folder::new()?);
    let mut right = Vec::new();
    for input in 0..INPUTS {
        let bars = series::bars(BARS, 100 + input);
        folder.write(&file(input), &text(&bars, "ts_ns"))?;
        right.push(expected(&bars));
    }
    let shelf = Arc::new(Shelf::default());
    let labour = move |task: &Task| {
        let (input, step) = postcard::from_bytes(&task.payload).map_err(|error| error.to_string())?;
        station(&folder, &shelf, input, step)
    };
    let settings = starling_swarm::task::Settings { strategy: Strategy::Specialised, room: 64, ..Crew::settings() };
    let mut crew = Crew::found(STEPS as usize, settings, |place| Capabilities(1 << place), Arc::new(labour))?;
    let (mut ratios, mut times) = (Vec::new(), [Vec::new(), Vec::new()]);
    let (mut done, mut wrong, mut most) = ([0, 0], 0, [0, 0]);
    // The first round warms caches and files up.
    for round in 0..=tier.samples() {
        let mut took = [0.0; 2];
        // In turns, so that neither is always the first.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for mode in order {
            let keys: Vec<TaskKey> = crew.keys(INPUTS * STEPS).collect();
            let report = crew.run(tasks(&keys, mode == 1))?;
            took[mode] = report.took;
            done[mode] += report.done_once();
            most[mode] = most[mode].max(under_way(&report, &keys));
            for (input, right) in right.iter().enumerate() {
                let last = keys[(input + 1) * STEPS as usize - 1];
                let found = report.results.get(&last).and_then(|bytes| postcard::from_bytes::<Answer>(bytes).ok());
                wrong += usize::from(!found.is_some_and(|found| agree(&found, right)));
            }
        }
        if round > 0 {
            ratios.push(took[0] / took[1]);
            times[0].push(took[0] / 1e6);
            times[1].push(took[1] / 1e6);
        }
    }
    let all = (tier.samples() + 1) * (INPUTS * STEPS) as usize;
    let scale = Scale::more("ratio").held_to(None, Some(1.0)).by(Judged::Median);
    Ok(Build::new(Id::Number(5), "workflow", NAME, (INPUTS * STEPS, "steps"), scale, &ratios)?
        .check("every step was done exactly once, sequentially and pipelined", [all, all], done)
        .check("answers that differ from a plain loop over the data", 0, wrong)
        .check("inputs under way at once when one follows the other", 1, most[0])
        .claim("inputs under way at once when pipelined", "2 or more", most[1].to_string(), most[1] >= 2)
        .case("sequential", Scale::less("ms"), &times[0])?
        .case("pipelined", Scale::less("ms"), &times[1])?
        .judge())
}
