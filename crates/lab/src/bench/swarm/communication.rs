//! 10 to 12: how soon a message is there, how soon all know the same, and how much gets through.

use std::time::Duration;

use hdrhistogram::Histogram;
use starling_core::time::{MICROSECOND, SECOND};
use starling_swarm::id::AgentId;
use starling_swarm::topology::Shape;

use super::scalability::{pass_round, series};
use super::stage::{Cast, Stage, Swarm, ms_of, span};
use super::words::{Answer, Order, StateReport};
use super::{Draft, case};
use crate::bench::{BenchError, Judged, Series};

/// Delays by an HDR histogram (three digits, up to an hour), as a series of percentiles in ms.
pub(super) fn percentiles(name: &str, delays: impl IntoIterator<Item = u64>) -> Result<Series, BenchError> {
    let histogram = Histogram::<u64>::new_with_bounds(1, 3_600 * SECOND, 3);
    let mut histogram = histogram.map_err(|e| BenchError::Input(e.to_string()))?;
    for delay in delays {
        histogram.saturating_record(delay.max(1));
    }
    let share = |percentile: f64| (format!("p{percentile}"), ms_of(histogram.value_at_percentile(percentile)));
    let enough = |percentile: &f64| histogram.len() as f64 * (1.0 - percentile / 100.0) >= 10.0 - 1e-9;
    let mut points: Vec<(String, f64)> =
        [50.0, 75.0, 90.0, 95.0, 99.0, 99.9].into_iter().filter(enough).map(share).collect();
    points.push(("max".to_owned(), ms_of(histogram.max())));
    Ok(series(name, "percentile", "ms", points))
}

/// 10: pings between every pair, one at a time.
pub(super) fn latency(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    stage.does(format!("4 agents, {} pings per pair", 2 * PINGS));
    const AGENTS: u32 = 4;
    /// In each of a pair's two directions.
    const PINGS: u32 = 500;
    let (mut swarm, _) = stage.create(Cast::of(AGENTS, Shape::Mesh))?;
    let mut halves = Vec::new();
    for from in 0..AGENTS {
        for to in (0..AGENTS).filter(|to| *to != from) {
            ping(stage, &mut swarm, from, to, PINGS / 10)?;
            let took = ping(stage, &mut swarm, from, to, PINGS)?;
            let claim = "every ping of every pair came back";
            stage.audit.equal(claim, &u64::from(PINGS), &(took.len() as u64));
            halves.extend(took.into_iter().map(|nanos| ms_of(nanos) / 2.0));
        }
    }
    let told = swarm.reports(stage.plan)?;
    stage.destroy(swarm)?;
    // Each ping and each answer is a message of its own.
    let least = u64::from(AGENTS * (AGENTS - 1)) * u64::from(PINGS) * 2;
    let delivered: u64 = told.iter().map(|told| told.delivered).sum();
    let claim = "messages delivered, by the nodes' own counts";
    stage.audit.claim(claim, format!("{least} or more"), delivered, delivered >= least);
    Ok(Draft::of(halves))
}

fn ping(stage: &Stage<'_>, swarm: &mut Swarm, from: u32, to: u32, count: u32) -> Result<Vec<u64>, BenchError> {
    swarm.say(from, &Order::Ping { to: AgentId(to), count })?;
    let pinged = swarm.gather_of(stage.plan, &[from], "ping", Duration::ZERO, |answer| match answer {
        Answer::Pinged(took) => Ok(took),
        other => Err(other),
    })?;
    Ok(pinged.into_iter().flat_map(|(_, took)| took).collect())
}

/// 11: what one writes, all have.
pub(super) fn synchronisation(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    stage.does(format!("6 agents, {BYTES} bytes and {DELTAS} deltas"));
    const BYTES: u32 = 10_000;
    const DELTAS: u32 = 100;
    let (mut swarm, _) = stage.create(Cast::of(6, Shape::Mesh))?;
    let runs = stage.plan.runs();
    let (mut firsts, mut deltas, mut totals) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..=runs {
        swarm.say(0, &Order::Write { run, bytes: BYTES, deltas: DELTAS })?;
        let written = swarm.gather_of(stage.plan, &[0], "write", Duration::ZERO, |answer| match answer {
            Answer::Written { first, deltas } => Ok((ms_of(first), ms_of(deltas))),
            other => Err(other),
        })?;
        if run > 0 {
            let (first, delta) = written[0].1;
            firsts.push(first);
            deltas.push(delta);
            totals.push(first + delta);
        }
        swarm.say_all(&Order::State)?;
        let states = swarm.gather(stage.plan, "tell its state", Duration::ZERO, |answer| match answer {
            Answer::State(report) => Ok(report),
            other => Err(other),
        })?;
        let hash = |report: &StateReport| format!("{:016x}", report.hash.0[0]);
        for (_, report) in &states {
            let claim = "when all have acknowledged, all hashes are the writer's";
            stage.audit.claim(claim, hash(&states[0].1), hash(report), states[0].1.hash == report.hash);
            let keys = u64::from((run + 1) * (1 + DELTAS));
            stage.audit.equal("every agent has every key", &keys, &report.keys);
            let least = u64::from(run + 1) * u64::from(BYTES);
            stage.audit.claim("every agent has every byte", format!("{least} or more"), report.bytes, {
                report.bytes >= least
            });
        }
    }
    stage.destroy(swarm)?;
    let mut draft = Draft::of(totals);
    draft.cases.push(case("10,000 bytes at all", "ms", Judged::Mean, None, &firsts)?);
    draft.cases.push(case("100 deltas, each at all before the next", "ms", Judged::Mean, None, &deltas)?);
    Ok(draft)
}

/// 12: a ring of five.
pub(super) fn throughput(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    stage.does(format!("ring of 5, {MESSAGES} messages of {BYTES} bytes"));
    const AGENTS: u32 = 5;
    const MESSAGES: u32 = 100;
    const BYTES: u32 = 256;
    /// From one message to the next, of each agent.
    const EVERY: u64 = 2_000 * MICROSECOND;
    let (mut swarm, _) = stage.create(Cast::of(AGENTS, Shape::Ring))?;
    pass_round(stage, &mut swarm, MESSAGES, BYTES)?;
    let mut rates = Vec::new();
    for _ in 0..stage.plan.runs() {
        let nanos = pass_round(stage, &mut swarm, MESSAGES, BYTES)?;
        rates.push(f64::from(MESSAGES) * 1e9 / nanos as f64);
    }
    // The whole time in parts, so that there is something to say about its spread.
    let lasts = stage.plan.of_tier(2, 10, 10) * SECOND;
    let count = u32::try_from(lasts / u64::from(stage.plan.runs()) / EVERY).unwrap_or(u32::MAX);
    let (mut sustained, mut delays) = (Vec::new(), Vec::new());
    for _ in 0..stage.plan.runs() {
        let (rate, more) = offer(stage, &mut swarm, EVERY, count, BYTES)?;
        sustained.push(rate);
        delays.extend(more);
    }
    stage.destroy(swarm)?;
    let mut draft = Draft::of(rates);
    let offered = f64::from(AGENTS) * 1e9 / EVERY as f64;
    let name = format!("sustained for {} s, {offered} msg/s offered", lasts / SECOND);
    let mut case = case(name, "msg/s", Judged::Mean, Some(50.0), &sustained)?;
    case.more_is_better = true;
    draft.cases.push(case);
    draft.series.push(percentiles("delay under load, from when each should have left", delays)?);
    Ok(draft)
}

/// All agents send to the next number at a rate: messages a second by their receivers' count, and delays.
pub(super) fn offer(
    stage: &mut Stage<'_>,
    swarm: &mut Swarm,
    every: u64,
    count: u32,
    bytes: u32,
) -> Result<(f64, Vec<u64>), BenchError> {
    swarm.offer(every, count, bytes)?;
    counted(stage, swarm, every, count)
}

/// Waits until all that was offered has come.
pub(super) fn counted(
    stage: &mut Stage<'_>,
    swarm: &mut Swarm,
    every: u64,
    count: u32,
) -> Result<(f64, Vec<u64>), BenchError> {
    let agents = u64::from(swarm.charter.agents);
    let due = agents * u64::from(count);
    let limit = span(every.saturating_mul(u64::from(count))) + stage.plan.patience;
    let began = std::time::Instant::now();
    // Nobody is asked while messages should still be leaving.
    swarm.pass(stage.plan, Duration::from_nanos(every.saturating_mul(u64::from(count))))?;
    let (received, doubled, delays, rate) = loop {
        swarm.say_all(&Order::Count)?;
        let counted = swarm.gather(stage.plan, "count", limit, |answer| match answer {
            Answer::Counted { received, doubled, delays, span } => Ok((received, doubled, delays, span)),
            other => Err(other),
        })?;
        let received: u64 = counted.iter().map(|(_, (received, ..))| received).sum();
        if received >= due || began.elapsed() > limit {
            let doubled: u64 = counted.iter().map(|(_, (_, doubled, ..))| doubled).sum();
            let spans = counted.iter().filter_map(|(_, (.., span))| *span);
            let first = spans.clone().map(|(first, _)| first).min().unwrap_or_default();
            let last = spans.map(|(_, last)| last).max().unwrap_or_default();
            // Between the first and the last lie all but one of each agent's.
            let rate = received.saturating_sub(agents) as f64 * 1e9 / last.since(first).max(1) as f64;
            let delays: Vec<u64> = counted.into_iter().flat_map(|(_, (_, _, delays, _))| delays).collect();
            break (received, doubled, delays, rate);
        }
        swarm.pass(stage.plan, Duration::from_millis(20))?;
    };
    stage.audit.equal("every message that was offered was counted by its receiver", &due, &received);
    stage.audit.equal("messages that came twice", &0, &doubled);
    Ok((rate, delays))
}
