//! 4 to 6: what more agents, and other topologies, cost.

use std::collections::BTreeMap;
use std::time::Duration;

use starling_core::UnixNanos;
use starling_swarm::consensus::ballot::Action;
use starling_swarm::topology::Shape;

use super::resources::hold_bars;
use super::stage::{Cast, Stage, Swarm, ms_of};
use super::trading::{ONCE, debate, execute, expected, honest, verify};
use super::words::{Answer, Conduct, Order};
use super::{Draft, case};
use crate::bench::{BenchError, Judged, Point, Series};
use crate::stats::sample::{self, Convention};

/// Bars of an execution.
pub(super) const BARS: u16 = 250;

pub(super) const fn name(shape: Shape) -> &'static str {
    match shape {
        Shape::Mesh => "mesh",
        Shape::Hierarchical => "hierarchical",
        Shape::Ring => "ring",
        Shape::Star => "star",
    }
}

pub(super) fn median(samples: &[f64]) -> f64 {
    sample::quantile(samples, 0.5, Convention::Linear).unwrap_or(f64::NAN)
}

pub(super) fn series<X: ToString>(name: &str, x: &str, y: &str, points: impl IntoIterator<Item = (X, f64)>) -> Series {
    let point = |(x, y): (X, f64)| Point { x: x.to_string(), y };
    Series { name: name.to_owned(), x: x.to_owned(), y: y.to_owned(), points: points.into_iter().map(point).collect() }
}

/// 4: creation and one execution of each, per agent.
pub(super) fn few(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    stage.does("time per agent, 10 over 1");
    let counts = [1_u32, 5, 10];
    stage.warm_up(Cast::of(1, Shape::Mesh))?;
    let mut per_agent: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    let mut ratios = Vec::new();
    for _ in 0..stage.plan.runs() {
        for agents in counts {
            let (mut swarm, _) = stage.create(Cast::of(agents, Shape::Mesh))?;
            let executed = execute(stage, &mut swarm, ONCE)?;
            let total = super::stage::ms(swarm.began.elapsed());
            verify(stage, &swarm.charter, ONCE, &executed)?;
            stage.destroy(swarm)?;
            per_agent.entry(agents).or_default().push(total / f64::from(agents));
        }
        let last = |agents: u32| per_agent[&agents].last().copied().unwrap_or(f64::NAN);
        ratios.push(last(10) / last(1));
    }
    let mut draft = Draft::of(ratios);
    for (agents, samples) in &per_agent {
        draft.cases.push(case(format!("per agent of {agents}"), "ms", Judged::Mean, None, samples)?);
    }
    let points = per_agent.iter().map(|(agents, samples)| (agents, median(samples)));
    draft.series.push(series("create and execute, per agent", "agents", "ms, median", points));
    Ok(draft)
}

/// 5: how creation grows. Where agents share a process, what they hold together is not told: the allocator gives those who
/// come what it kept of those who went, and 13 is where nobody has gone before.
pub(super) fn many(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    stage.does("20 agents");
    let counts = [2_u32, 4, 8, 10, 12, 16, 20];
    stage.warm_up(Cast::of(2, Shape::Mesh))?;
    let mut times: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    let mut memory: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    let mut cpu: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for _ in 0..stage.plan.runs() {
        for agents in counts {
            let (mut swarm, creation) = stage.create(Cast::of(agents, Shape::Mesh))?;
            let usage = swarm.usage()?;
            stage.audit.equal("every agent is there to be measured", &(agents as usize), &usage.len());
            stage.destroy(swarm)?;
            times.entry(agents).or_default().push(creation.total_ms);
            if !stage.shares_memory() {
                let bytes: u64 = usage.iter().map(|usage| usage.memory).sum();
                memory.entry(agents).or_default().push(bytes as f64 / 1e6);
                hold_bars(stage, bytes as f64 / 1e6 / f64::from(agents));
            }
            cpu.entry(agents).or_default().push(ms_of(usage.iter().map(|usage| usage.cpu_ns).sum()));
        }
    }
    let busy = cpu.values().all(|samples| median(samples) > 0.0);
    stage.audit.claim("agents used CPU time", "above 0 at every size", if busy { "yes" } else { "no" }, busy);
    let medians = |of: &BTreeMap<u32, Vec<f64>>| -> Vec<(u32, f64)> {
        of.iter().map(|(agents, samples)| (*agents, median(samples))).collect()
    };
    let growth = exponent(&medians(&times));
    let mut draft = Draft::of(times[&20].clone());
    draft.cases.push(case("10 agents", "ms", Judged::Mean, Some(30_000.0), &times[&10])?);
    for (agents, samples) in times.iter().filter(|(agents, _)| ![10, 20].contains(*agents)) {
        draft.cases.push(case(format!("{agents} agents"), "ms", Judged::Mean, None, samples)?);
    }
    draft.series.push(series("start to ready", "agents", "ms, median", medians(&times)));
    if !memory.is_empty() {
        draft.series.push(series("memory of all", "agents", "MB, median", medians(&memory)));
    }
    draft.series.push(series("CPU time of all", "agents", "ms, median", medians(&cpu)));
    draft.series.extend(
        growth.map(|growth| {
            series("growth of the time", "fit", "exponent of n", [("least squares of logarithms", growth)])
        }),
    );
    Ok(draft)
}

/// The b of y = a x^b, by least squares of the logarithms; none if something is not above 0.
fn exponent(points: &[(u32, f64)]) -> Option<f64> {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (f64::from(*x).ln(), y.ln())).collect();
    let n = logs.len() as f64;
    let (mx, my) = (logs.iter().map(|p| p.0).sum::<f64>() / n, logs.iter().map(|p| p.1).sum::<f64>() / n);
    let (over, under) =
        logs.iter().fold((0.0, 0.0), |(over, under), (x, y)| (over + (x - mx) * (y - my), under + (x - mx) * (x - mx)));
    Some(over / under).filter(|b| b.is_finite())
}

/// Messages that go round, one after the other: microseconds each.
pub(super) fn pass_round(stage: &mut Stage<'_>, swarm: &mut Swarm, count: u32, bytes: u32) -> Result<u64, BenchError> {
    let before: u64 = swarm.reports(stage.plan)?.iter().map(|told| told.passed).sum();
    swarm.say(0, &Order::Pass { count, bytes })?;
    let last = count % swarm.charter.agents;
    let passed = swarm.gather_of(stage.plan, &[last], "pass a message on", Duration::ZERO, |answer| match answer {
        Answer::Passed { began, ended } => Ok(ended.since(began)),
        other => Err(other),
    })?;
    let after: u64 = swarm.reports(stage.plan)?.iter().map(|told| told.passed).sum();
    stage.audit.equal("messages that went round were counted where they arrived", &u64::from(count), &(after - before));
    Ok(passed[0].1)
}

/// 6: eight agents in each topology, on one question and its messages.
pub(super) fn topologies(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    stage.does("8 agents, mesh over hierarchical");
    const AGENTS: u32 = 8;
    const MESSAGES: u32 = 100;
    const ROUNDS: u32 = 20;
    let votes = [(Action::Buy, 8_000), (Action::Hold, 6_000), (Action::Buy, 9_000)];
    let votes: Vec<Conduct> = (0..AGENTS as usize).map(|at| honest(votes[at % votes.len()])).collect();
    stage.warm_up(Cast::of(AGENTS, Shape::Mesh))?;
    let mut decisions: BTreeMap<Shape, Vec<f64>> = BTreeMap::new();
    let mut messages: BTreeMap<Shape, Vec<f64>> = BTreeMap::new();
    let mut hops: BTreeMap<Shape, f64> = BTreeMap::new();
    let mut ratios = Vec::new();
    for run in 0..stage.plan.runs() {
        let mut medians: BTreeMap<Shape, f64> = BTreeMap::new();
        for shape in Shape::ALL {
            let cast = Cast::of(AGENTS, shape);
            let (mut swarm, _) = stage.create(cast)?;
            let right = expected(&swarm.charter, &votes)?;
            let mut took = Vec::new();
            for round in 0..=ROUNDS {
                let stamp = UnixNanos::new(u64::from(round) + 1);
                let verdict = debate(stage, &mut swarm, stamp, &votes)?;
                let claim = "the same is decided in every topology, as computed from the votes";
                stage.audit.claim(claim, &right, &verdict.outcome, right == verdict.outcome);
                // The first round warms up.
                if round > 0 {
                    took.push(verdict.took_ms);
                }
            }
            let each = ms_of(pass_round(stage, &mut swarm, MESSAGES, 64)?) / f64::from(MESSAGES);
            messages.entry(shape).or_default().push(each);
            if run == 0 {
                let told = swarm.reports(stage.plan)?;
                let delivered: u64 = told.iter().map(|told| told.delivered).sum();
                hops.insert(shape, told.iter().map(|told| told.hops).sum::<u64>() as f64 / delivered.max(1) as f64);
            }
            stage.destroy(swarm)?;
            medians.insert(shape, median(&took));
            decisions.entry(shape).or_default().extend(took);
        }
        ratios.push(medians[&Shape::Mesh] / medians[&Shape::Hierarchical]);
    }
    // An agent's word to itself is delivered without a hop.
    let (near, far) = (hops[&Shape::Mesh], hops[&Shape::Ring]);
    let claim = "a message takes one hop in the mesh, and more in the ring";
    stage.audit.claim(claim, "0.95 to 1.00, above 1.50", format!("{near:.2}, {far:.2}"), {
        (0.95..=1.0).contains(&near) && far > 1.5
    });
    let mut draft = Draft::of(ratios);
    for (shape, samples) in &decisions {
        draft.cases.push(case(format!("decision in {}", name(*shape)), "ms", Judged::Mean, None, samples)?);
    }
    for (shape, samples) in &messages {
        draft.cases.push(case(format!("message in {}", name(*shape)), "ms", Judged::Mean, None, samples)?);
    }
    let medians = |of: &BTreeMap<Shape, Vec<f64>>| -> Vec<(&'static str, f64)> {
        of.iter().map(|(shape, samples)| (name(*shape), median(samples))).collect()
    };
    draft.series.push(series("decision", "topology", "ms, median", medians(&decisions)));
    draft.series.push(series("message to the next number", "topology", "ms, median", medians(&messages)));
    let measured: Vec<(&str, f64)> = hops.iter().map(|(shape, hops)| (name(*shape), *hops)).collect();
    draft.series.push(series("hops of a message, measured", "topology", "edges", measured));
    let pairs = |shape: Shape| (name(shape), shape.mean_hops(AGENTS as usize));
    draft.series.push(series("hops between two agents, computed", "topology", "edges", Shape::ALL.map(pairs)));
    Ok(draft)
}
