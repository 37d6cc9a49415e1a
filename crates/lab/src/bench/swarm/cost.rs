//! 16 to 18: what agents cost: resources allocated times lifetime, by each price table.
//!
//! Invariant: time counts from an agent's start to its end, however idle, creation and end included; the dearest table
//! is held against the targets. Amounts are money and rounded up, once; samples are not.

use starling_core::UnixNanos;
use starling_core::time::{MILLISECOND, SECOND};
use starling_swarm::cost::{Budget, Ledger, PriceTable, Resources};
use starling_swarm::id::AgentId;
use starling_swarm::topology::Shape;

use super::scalability::{median, name, series};
use super::stage::{Cast, Life, Plan, Stage};
use super::trading::{Execution, execute, verify};
use super::{Draft, case};
use crate::bench::{BenchError, Cost, Judged};

/// A swarm's life and work.
struct Spell {
    subject: String,
    agents: u32,
    /// How long each lived.
    agents_ns: Vec<u64>,
    operations: u64,
}

impl Spell {
    /// What it cost by a table.
    fn cost(&self, resources: Resources, prices: &PriceTable) -> Cost {
        let mut ledger = Ledger::new(prices.clone(), Budget::default());
        let mut longest = UnixNanos::EPOCH;
        for (agent, nanos) in (0..).map(AgentId).zip(&self.agents_ns) {
            ledger.start(UnixNanos::EPOCH, agent, resources);
            ledger.stop(UnixNanos::new(*nanos), agent);
            longest = longest.max(UnixNanos::new(*nanos));
        }
        Cost::of(prices, &self.subject, (self.agents, resources), ledger.usage(longest), self.operations)
    }

    /// Costs by all tables, the dearest first.
    fn costs(&self, plan: &Plan) -> Vec<Cost> {
        let mut costs: Vec<Cost> = plan.prices.iter().map(|prices| self.cost(plan.resources, prices)).collect();
        costs.sort_by_key(|cost| std::cmp::Reverse(cost.micro_dollars_hour));
        costs
    }
}

/// What was spent, millionths of a dollar, in floats: whole ones are for money, and so short a spell costs few of them.
fn spent(cost: &Cost) -> f64 {
    let Cost { prices, vcpu_seconds, gib_seconds, .. } = cost;
    // Prices are billionths.
    (vcpu_seconds * prices.vcpu_second as f64 + gib_seconds * prices.gib_second as f64) / 1e3
}

/// The price of an operation by the first of these, millionths of a dollar.
fn per_operation(costs: &[Cost]) -> f64 {
    costs.first().map_or(f64::NAN, |cost| spent(cost) / cost.operations.max(1) as f64)
}

/// Creates a swarm, has it work, ends it.
fn spell(stage: &mut Stage<'_>, agents: u32, shape: Shape, what: Execution) -> Result<Spell, BenchError> {
    let (mut swarm, _) = stage.create(Cast::of(agents, shape))?;
    let executed = execute(stage, &mut swarm, what)?;
    let operations = executed.took.len() as u64;
    let claim = "operations were done and counted";
    stage.audit.equal(claim, &(u64::from(agents) * u64::from(what.executions)), &operations);
    let Life { charter, agents_ns, .. } = stage.destroy(swarm)?;
    // Nobody's time is paid for while the conductor looks at what was done.
    verify(stage, &charter, what, &executed)?;
    let claim = "every agent's lifetime is counted";
    stage.audit.equal(claim, &(agents as usize), &agents_ns.len());
    let least = what.pace * u64::from(what.executions.saturating_sub(1));
    let lived = agents_ns.iter().copied().min().unwrap_or_default();
    let claim = "no agent lived shorter than its work takes at its pace: ms";
    stage.audit.claim(claim, format!("{} or more", least / MILLISECOND), lived / MILLISECOND, lived >= least);
    Ok(Spell { subject: format!("{} of {agents}", name(shape)), agents, agents_ns, operations })
}

/// Holds the tables against each other: without a price nothing is judged.
fn priced(stage: &mut Stage<'_>) -> Result<(), BenchError> {
    let dear = stage.plan.prices.iter().filter(|prices| prices.vcpu_second > 0 && prices.gib_second > 0).count();
    stage.audit.claim("a table names a price", "1 or more", dear, dear > 0);
    if stage.plan.prices.is_empty() {
        return Err(BenchError::Input("there is no price table: name one with --prices".to_owned()));
    }
    Ok(())
}

/// 16: as fast as it goes.
pub(super) fn operation(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    stage.does("5 agents, 100 executions each, creation and end included");
    priced(stage)?;
    let what = Execution { executions: 100, pace: 0, tell: false };
    stage.warm_up(Cast::of(5, Shape::Mesh))?;
    let (mut prices, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..stage.plan.runs() {
        costs = spell(stage, 5, Shape::Mesh, what)?.costs(stage.plan);
        prices.push(per_operation(&costs));
    }
    let mut draft = Draft::of(prices);
    draft.costs = costs;
    Ok(draft)
}

/// 17: at a pace, in each topology.
pub(super) fn topology(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    const PACE: u64 = 50 * MILLISECOND;
    let lasts = stage.plan.of_tier(3, 60, 60) * SECOND;
    stage.does(format!("8 agents, {} s of operations in each topology", lasts / SECOND));
    priced(stage)?;
    let runs = u64::from(stage.plan.runs().min(10));
    let executions = u32::try_from(lasts / runs / PACE).unwrap_or(u32::MAX);
    let what = Execution { executions, pace: PACE, tell: true };
    let (mut all, mut costs, mut points, mut medians) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut cases = Vec::new();
    for shape in Shape::ALL {
        let (mut hours, mut operations) = (Vec::new(), Vec::new());
        let mut last = Vec::new();
        for _ in 0..runs {
            let spell = spell(stage, 8, shape, what)?;
            last = spell.costs(stage.plan);
            // Of an hour as its lifetime was: all agents from the first's start to the last's end.
            let longest = spell.agents_ns.iter().copied().max().unwrap_or_default();
            let lived = spell.agents_ns.iter().sum::<u64>() as f64 / (u64::from(spell.agents) * longest).max(1) as f64;
            hours.push(last.first().map_or(f64::NAN, |cost| cost.micro_dollars_hour as f64 / 1e6 * lived));
            operations.push(per_operation(&last));
        }
        costs.extend(last);
        points.push((name(shape), median(&hours)));
        medians.push((name(shape), median(&operations)));
        cases.push(case(name(shape), "$/h", Judged::Worst, Some(2.0), &hours)?);
        all.extend(hours);
    }
    let mut draft = Draft::of(all);
    draft.cases = cases;
    draft.costs = costs;
    draft.series.push(series("an hour", "topology", "$/h, median", points));
    draft.series.push(series("an operation", "topology", "millionths of a dollar, median", medians));
    Ok(draft)
}

/// 18: what an execution costs among more agents.
pub(super) fn scale(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    stage.does("price of an execution, 15 over 2 agents, one each 10 ms");
    const COUNTS: [u32; 4] = [2, 5, 10, 15];
    priced(stage)?;
    let what = Execution { executions: 50, pace: 10 * MILLISECOND, tell: false };
    stage.warm_up(Cast::of(2, Shape::Mesh))?;
    let mut prices: [Vec<f64>; 4] = Default::default();
    let (mut ratios, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..stage.plan.runs() {
        costs.clear();
        for (agents, prices) in COUNTS.into_iter().zip(&mut prices) {
            let of_it = spell(stage, agents, Shape::Mesh, what)?.costs(stage.plan);
            prices.push(per_operation(&of_it));
            costs.extend(of_it);
        }
        let last = |at: usize| prices[at].last().copied().unwrap_or(f64::NAN);
        ratios.push(last(3) / last(0));
    }
    let mut draft = Draft::of(ratios);
    draft.costs = costs;
    for (agents, prices) in COUNTS.into_iter().zip(&prices) {
        draft.cases.push(case(format!("{agents} agents"), "micro-$", Judged::Mean, None, prices)?);
    }
    let points = COUNTS.into_iter().zip(prices.iter().map(|prices| median(prices)));
    draft.series.push(series("an execution", "agents", "millionths of a dollar, median", points));
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::price;

    /// Five agents for 47.422 ms at 2 x 14 + 0.5 x 4.5 millionths a second are 7.17 millionths, which as money are 8.
    #[test]
    fn an_operation_s_price_is_not_rounded_to_whole_millionths() {
        let spell = Spell { subject: "mesh of 5".into(), agents: 5, agents_ns: vec![47_422_000; 5], operations: 500 };
        let e2b = price::built_in().into_iter().find(|table| table.provider == "e2b").unwrap();
        let cost = spell.cost(Resources::default(), &e2b);
        assert_eq!(cost.micro_dollars, 8);
        let found = per_operation(&[cost]);
        assert!((found - 0.014_345).abs() < 1e-6, "{found}");
    }
}
