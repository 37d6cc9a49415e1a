//! 10 to 12: how soon a message is there, how soon all know the same, and how much gets through.

use std::time::Duration;

use hdrhistogram::Histogram;
use starling_core::time::{MICROSECOND, SECOND};
use starling_swarm::id::AgentId;
use starling_swarm::topology::Shape;

use super::scalability::{pass_round, series};
use super::stage::{Cast, Stage, Swarm, ms_of, span};
use super::words::{Answer, Arrival, Order, StateReport};
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
    // At one go: whoever falls behind a little with each message has to have the time for it.
    let lasts = stage.plan.of_tier(2, 10, 10) * SECOND;
    let count = u32::try_from(lasts / EVERY).unwrap_or(u32::MAX);
    swarm.offer(EVERY, count, BYTES)?;
    let arrivals = counted(stage, &mut swarm, EVERY, count)?;
    stage.destroy(swarm)?;
    let sustained = rates_of(&arrivals, lasts, stage.plan.runs());
    let mut draft = Draft::of(rates);
    let offered = f64::from(AGENTS) * 1e9 / EVERY as f64;
    let name = format!("sustained for {} s, {offered} msg/s offered", lasts / SECOND);
    let mut case = case(name, "msg/s", Judged::Mean, Some(50.0), &sustained)?;
    case.more_is_better = true;
    draft.cases.push(case);
    let delays = arrivals.iter().map(|arrival| arrival.delay);
    draft.series.push(percentiles("delay under load, from when each should have left", delays)?);
    Ok(draft)
}

/// Messages a second in each of as many equal parts of the time that they were offered in, `lasts` nanoseconds. Whatever
/// came later counts nowhere.
fn rates_of(arrivals: &[Arrival], lasts: u64, parts: u32) -> Vec<f64> {
    let began = arrivals.iter().map(|arrival| arrival.due).min().unwrap_or_default();
    let part = (lasts / u64::from(parts)).max(1);
    let mut counts = vec![0_u64; parts as usize];
    for Arrival { due, delay } in arrivals {
        let at = (due.since(began) + delay) / part;
        if let Some(count) = usize::try_from(at).ok().and_then(|at| counts.get_mut(at)) {
            *count += 1;
        }
    }
    counts.into_iter().map(|count| count as f64 * 1e9 / part as f64).collect()
}

/// Waits until all that was offered has come, and who gets it has counted it.
pub(super) fn counted(
    stage: &mut Stage<'_>,
    swarm: &mut Swarm,
    every: u64,
    count: u32,
) -> Result<Vec<Arrival>, BenchError> {
    let due = u64::from(swarm.charter.agents) * u64::from(count);
    let limit = span(every.saturating_mul(u64::from(count))) + stage.plan.patience;
    let began = std::time::Instant::now();
    // Nobody is asked while messages should still be leaving.
    swarm.pass(stage.plan, Duration::from_nanos(every.saturating_mul(u64::from(count))))?;
    let (arrivals, doubled) = loop {
        swarm.say_all(&Order::Count)?;
        let counted = swarm.gather(stage.plan, "count", limit, |answer| match answer {
            Answer::Counted { arrivals, doubled } => Ok((arrivals, doubled)),
            other => Err(other),
        })?;
        let doubled: u64 = counted.iter().map(|(_, (_, doubled))| doubled).sum();
        let arrivals: Vec<Arrival> = counted.into_iter().flat_map(|(_, (arrivals, _))| arrivals).collect();
        if arrivals.len() as u64 >= due || began.elapsed() > limit {
            break (arrivals, doubled);
        }
        swarm.pass(stage.plan, Duration::from_millis(20))?;
    };
    let received = arrivals.len() as u64;
    stage.audit.equal("every message that was offered was counted by its receiver", &due, &received);
    stage.audit.equal("messages that came twice", &0, &doubled);
    Ok(arrivals)
}

#[cfg(test)]
mod tests {
    use starling_core::UnixNanos;

    use super::*;

    /// Ten messages, one each 100 ns: the fifth comes when the second half begins, and the tenth when all is over.
    #[test]
    fn a_rate_is_of_what_came_in_its_part_of_the_time() {
        let late = |at: u64| [(4, 100), (9, 200)].into_iter().find(|(of, _)| *of == at).map_or(0, |(_, late)| late);
        let arrival = |at: u64| Arrival { due: UnixNanos::new(1_000 + 100 * at), delay: late(at) };
        let arrivals: Vec<Arrival> = (0..10).map(arrival).collect();
        assert_eq!(rates_of(&arrivals, 1_000, 2), [4e9 / 500.0, 5e9 / 500.0]);
        assert_eq!(rates_of(&[], 1_000, 1), [0.0]);
    }
}
