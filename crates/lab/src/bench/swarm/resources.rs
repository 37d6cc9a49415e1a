//! 13 to 15: memory, CPU time and bytes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use starling_core::Event;
use starling_core::time::MILLISECOND;
use starling_swarm::topology::Shape;

use super::communication::{counted, percentiles};
use super::scalability::{median, name, series};
use super::stage::{Cast, Stage};
use super::talk;
use super::trading::{Execution, ONCE, begin, collect, execute, verify};
use super::{Draft, case};
use crate::bench::{BenchError, Judged};

/// 13: what an agent holds in memory. Agents that share a process stay until the last is measured: the allocator would
/// give the memory of those before to those after, and nothing would have grown.
pub(super) fn memory(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    stage.does("1, 5, 10 agents");
    let mut all = Vec::new();
    let mut of_count: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    let mut kept = Vec::new();
    for _ in 0..stage.plan.runs() {
        for agents in [1, 5, 10] {
            let (mut swarm, _) = stage.create(Cast::of(agents, Shape::Mesh))?;
            let executed = execute(stage, &mut swarm, ONCE)?;
            let usage = swarm.usage()?;
            verify(stage, &swarm.charter, ONCE, &executed)?;
            stage.audit.equal("every agent was measured", &(agents as usize), &usage.len());
            let each: Vec<f64> = usage.iter().map(|usage| usage.memory as f64 / 1e6).collect();
            let mean = each.iter().sum::<f64>() / each.len().max(1) as f64;
            of_count.entry(agents).or_default().push(mean);
            if stage.shares_memory() {
                all.push(mean);
                kept.push(swarm);
            } else {
                all.extend(each);
                stage.destroy(swarm)?;
            }
        }
    }
    // The last first: each looks whether anything came to stay since it was created.
    while let Some(swarm) = kept.pop() {
        stage.destroy(swarm)?;
    }
    let agents: f64 = of_count.iter().map(|(agents, means)| f64::from(*agents) * means.iter().sum::<f64>()).sum();
    let count: f64 = of_count.iter().map(|(agents, means)| f64::from(*agents) * means.len() as f64).sum();
    hold_bars(stage, agents / count);
    let mut draft = Draft::of(all);
    for (agents, means) in &of_count {
        draft.cases.push(case(format!("each of {agents}"), "MB", Judged::Mean, None, means)?);
    }
    let points = of_count.iter().map(|(agents, means)| (agents, median(means)));
    draft.series.push(series("memory of an agent", "agents", "MB, median", points));
    Ok(draft)
}

/// Claims that an agent's memory, MB in the mean, is that of one who has what it works with.
pub(super) fn hold_bars(stage: &mut Stage<'_>, mean: f64) {
    let bars = stage.plan.material_bars() * size_of::<Event>();
    let least = bars as f64 / 1e6 / 2.0;
    let claim = "agents hold their bars: MB of each, in the mean";
    stage.audit.claim(claim, format!("{least:.3} or more"), format!("{mean:.3}"), mean >= least);
}

/// 14: CPU time of six agents that work at a rate.
pub(super) fn cpu(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    const AGENTS: u32 = 6;
    const EVERY: u64 = 5 * MILLISECOND;
    const PACE: u64 = 20 * MILLISECOND;
    let lasts = stage.plan.of_tier(300, 1_000, 3_000) * MILLISECOND;
    let each = "an execution each 20 ms and a message each 5 ms";
    stage.does(format!("6 agents, {each}, {} ms", lasts / MILLISECOND));
    let executions = u32::try_from(lasts / PACE).unwrap_or(u32::MAX);
    let count = u32::try_from(lasts / EVERY).unwrap_or(u32::MAX);
    let what = Execution { executions, pace: PACE, tell: false };
    let (mut all, mut draft_cases, mut points, mut of_executions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut delays = Vec::new();
    for shape in Shape::ALL {
        let (mut swarm, _) = stage.create(Cast::of(AGENTS, shape))?;
        let mut shares = Vec::new();
        for run in 0..=stage.plan.runs() {
            let before: u64 = swarm.usage()?.iter().map(|usage| usage.cpu_ns).sum();
            let began = Instant::now();
            swarm.offer(EVERY, count, 64)?;
            begin(&mut swarm, what)?;
            let executed = collect(stage, &mut swarm, what)?;
            let wall = began.elapsed().as_nanos() as f64;
            let after: u64 = swarm.usage()?.iter().map(|usage| usage.cpu_ns).sum();
            let arrivals = counted(stage, &mut swarm, EVERY, count)?;
            verify(stage, &swarm.charter, what, &executed)?;
            let used = after.saturating_sub(before);
            // What the executions took together is CPU time at most by what waited for a core.
            stage.audit.claim("working used CPU time", "above 0", if used > 0 { "yes" } else { "no" }, used > 0);
            if run > 0 {
                shares.push(used as f64 / wall * 100.0);
                delays.extend(arrivals.iter().map(|arrival| arrival.delay));
                of_executions.extend(executed.took);
            }
        }
        stage.destroy(swarm)?;
        draft_cases.push(case(name(shape), "%", Judged::Mean, Some(100.0), &shares)?);
        points.push((name(shape), median(&shares)));
        all.extend(shares);
    }
    let mut draft = Draft::of(all);
    draft.cases = draft_cases;
    draft.series.push(series("CPU of all agents", "topology", "% of a core, median", points));
    draft.series.push(percentiles("message under load, from when it should have left", delays)?);
    draft.series.push(percentiles("execution under load, from when it should have begun", of_executions)?);
    Ok(draft)
}

/// 15: bytes that five agents' executions cost on the way to all others.
pub(super) fn bandwidth(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    stage.does("5 agents, 50 executions each");
    const AGENTS: u32 = 5;
    let what = Execution { executions: 50, pace: 0, tell: true };
    let (mut swarm, _) = stage.create(Cast::of(AGENTS, Shape::Mesh))?;
    let told = u64::from(AGENTS) * u64::from(what.executions);
    let (mut bytes, mut overheads, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..stage.plan.runs() {
        let (before, news) = (swarm.traffic()?, news(stage, &mut swarm)?);
        let began = Instant::now();
        let executed = execute(stage, &mut swarm, what)?;
        // News are there when their receivers have counted them.
        let due = told * u64::from(AGENTS - 1);
        let waited = Instant::now();
        let mut after = self::news(stage, &mut swarm)?;
        while after.0 - news.0 < due && waited.elapsed() < stage.plan.patience {
            swarm.pass(stage.plan, Duration::from_millis(5))?;
            after = self::news(stage, &mut swarm)?;
        }
        let seconds = began.elapsed().as_secs_f64();
        let traffic = swarm.traffic()?;
        verify(stage, &swarm.charter, what, &executed)?;
        stage.audit.equal("every execution was heard of by every other agent", &due, &(after.0 - news.0));
        let payload: u64 = executed.signals.iter().flat_map(|(_, signals)| signals).map(talk::news_bytes).sum();
        let payload = payload * u64::from(AGENTS - 1);
        stage.audit.equal("bytes heard equal the bytes that were told", &payload, &(after.1 - news.1));
        let wire = traffic.wire - before.wire;
        let claim = "bytes on the way are more than what they say";
        stage.audit.claim(claim, format!("above {payload}"), wire, wire > payload);
        bytes.push(wire as f64 / told as f64);
        overheads.push(wire as f64 / payload.max(1) as f64);
        rates.push(wire as f64 / 1e6 / seconds);
    }
    stage.destroy(swarm)?;
    let mut draft = Draft::of(bytes);
    draft.cases.push(case("bytes over bytes of content", "ratio", Judged::Mean, None, &overheads)?);
    draft.cases.push(case("bandwidth", "MB/s", Judged::Mean, None, &rates)?);
    Ok(draft)
}

/// News that all have heard, and their bytes.
fn news(stage: &Stage<'_>, swarm: &mut super::stage::Swarm) -> Result<(u64, u64), BenchError> {
    let told = swarm.reports(stage.plan)?;
    Ok((told.iter().map(|told| told.news).sum(), told.iter().map(|told| told.news_bytes).sum()))
}
