//! The section about a swarm: who said what, what came of it, and what each agent would have earned alone.

use starling_lab::stats::{ratio, returns};
use starling_lab::tearsheet::{AgentRecord, EquityPoint, ProcessesRecord, RunRecord, SwarmRecord, drawdown};
use starling_swarm::cost::MicroDollars;

use super::super::chart::{Horizontal, Ink, Layer, Measure, Plot, Shape, Spread};
use super::super::document::{Block, Cell, Fact, Table, numbers, words};
use super::super::number::{self, amount, count, counted, duration, percent, signed};
use super::super::palette::SERIES;
use super::{TALL, curve, too_short};

/// All of it.
pub(super) fn blocks(run: &RunRecord, swarm: &SwarmRecord) -> Vec<Block> {
    let mut blocks = vec![Block::Text(told(swarm)), Block::Facts(facts(swarm)), Block::Table(voices(swarm))];
    blocks.push(Block::Table(alone(run, swarm)));
    let voiced: Vec<&AgentRecord> = swarm.agents.iter().filter(|agent| agent.votes > 0).collect();
    blocks.extend(chart(run, &voiced));
    blocks
}

/// The curves of the council and of its agents; words where there are none.
fn chart(run: &RunRecord, voiced: &[&AgentRecord]) -> Vec<Block> {
    if let Some(words) = too_short(run.equity.len()) {
        return vec![words];
    }
    let lines = voiced.iter().take(SERIES - 1).enumerate().map(|(at, agent)| Layer {
        name: agent.id.clone(),
        ink: Ink::Series(at + 1),
        shape: Shape::Line(curve(run, &agent.alone)),
    });
    let council = Layer { name: "Council".into(), ink: Ink::Series(0), shape: Shape::Line(curve(run, &run.equity)) };
    let mut blocks = vec![Block::Plot(Plot {
        id: "swarm".into(),
        title: format!("The council against its agents, each alone, {}", run.currency),
        horizontal: Horizontal::Time,
        measure: Measure::Amount,
        spreads: &[Spread::Linear],
        height: TALL,
        layers: std::iter::once(council).chain(lines).collect(),
    })];
    if voiced.len() > SERIES - 1 {
        let (drawn, all) = (count(SERIES as u64 - 1), counted(voiced.len() as u64, "agent"));
        blocks.push(Block::Text(format!("The chart shows the first {drawn} of {all} with a vote.")));
    }
    blocks
}

fn told(swarm: &SwarmRecord) -> String {
    let rule = match swarm.consensus.as_str() {
        "weighted" => format!(
            "A decision needs {} of the weight, which is confidence times track record",
            percent(swarm.threshold, 0)
        ),
        other => format!("The rule is {other}"),
    };
    format!(
        "{} in a {} conferred {} about an instrument and decided {} of these; `{}` carried the decisions out. {rule}. In \
         {} the most heads wanted something else than what was done.",
        counted(swarm.agents.len() as u64, "agent"),
        swarm.topology,
        counted(swarm.conferences, "time"),
        count(swarm.decided()),
        swarm.follower,
        counted(swarm.overruled, "conference"),
    )
}

fn facts(swarm: &SwarmRecord) -> Vec<Fact> {
    let mut facts: Vec<Fact> =
        swarm.outcomes.iter().map(|(name, n)| Fact::new(format!("Outcome: {name}"), count(*n))).collect();
    let [median, late, longest] = swarm.latency_ns.map(duration);
    facts.push(Fact::new("From bar to decision", format!("{median} (99 in 100 within {late}, longest {longest})")));
    facts.push(Fact::new("Messages along edges", count(swarm.messages)));
    facts.push(Fact::new("Bytes along edges", count(swarm.bytes)));
    if let Some(each) = swarm.messages.checked_div(swarm.conferences) {
        facts.push(Fact::new("Messages a conference", count(each)));
    }
    facts.extend(swarm.processes.iter().flat_map(processes));
    facts
}

/// Agents in processes of their own.
fn processes(processes: &ProcessesRecord) -> Vec<Fact> {
    let sandboxed = processes.agents.iter().filter(|agent| agent.sandboxed).count();
    let (all, sandboxed) = (counted(processes.agents.len() as u64, "agent"), count(sandboxed as u64));
    let cpu = processes.agents.iter().map(|agent| agent.cpu_ns).sum();
    let mut facts = vec![
        Fact::new("Agents in processes", format!("{all}, {sandboxed} fully sandboxed, over {}", processes.transport)),
        Fact::new("Agents' CPU time", duration(cpu)),
        Fact::new("Times somebody was missing", count(processes.absences.len() as u64)),
    ];
    if let Some(longest) = processes.absences.iter().filter_map(|absence| absence.seated_ns).max() {
        facts.push(Fact::new("Longest without somebody", duration(longest)));
    }
    if processes.cost_micro_usd > 0 {
        facts.push(Fact::new("Agents cost", MicroDollars(processes.cost_micro_usd).to_string()));
    }
    facts
}

fn voices(swarm: &SwarmRecord) -> Table {
    let row = |agent: &AgentRecord| {
        let share =
            |n: u64, of: u64| if of == 0 { number::UNDEFINED.to_owned() } else { percent(n as f64 / of as f64, 1) };
        vec![
            Cell::text(&agent.id),
            Cell::text(agent.role.replace('_', " ")),
            Cell::text(&agent.strategy),
            Cell::count(agent.votes),
            Cell::count(agent.dissented),
            Cell::text(share(agent.dissented, agent.agreed + agent.dissented)),
            Cell::count(agent.abstained),
            Cell::count(agent.vetoes),
            match agent.hit_rate {
                Some(rate) => Cell::number(rate, percent(rate, 1)),
                None => Cell::text(number::UNDEFINED),
            },
            Cell::number(agent.weight, format!("{:.2}", agent.weight)),
        ]
    };
    Table {
        caption: "Voices: a vote judged by the next bar is a hit if the price moved its way".into(),
        columns: vec![
            words("Agent"),
            words("Role"),
            words("Strategy"),
            numbers("Votes"),
            numbers("Dissented"),
            numbers("Share"),
            numbers("Abstained"),
            numbers("Vetoes"),
            numbers("Hit rate"),
            numbers("Weight"),
        ],
        rows: swarm.agents.iter().map(row).collect(),
        total: None,
    }
}

/// The council, each agent alone, their equal division, and what the run is measured against.
fn alone(run: &RunRecord, swarm: &SwarmRecord) -> Table {
    let council = ("The council".to_owned(), run.equity.as_slice());
    let agents = swarm.agents.iter().filter(|agent| agent.votes > 0);
    let agents = agents.map(|agent| (format!("{} alone", agent.id), agent.alone.as_slice()));
    let yardsticks = run.benchmarks.iter().map(|b| (b.name.clone(), b.points.as_slice()));
    let mut curves: Vec<(String, &[EquityPoint])> = std::iter::once(council).chain(agents).chain(yardsticks).collect();
    curves.retain(|(_, points)| points.len() > 1);
    let row = |(name, points): &(String, &[EquityPoint])| {
        let equity: Vec<f64> = points.iter().map(|p| p.equity).collect();
        let (last, total) = (equity[equity.len() - 1], equity[equity.len() - 1] / run.initial_equity - 1.0);
        let worst = drawdown(run.initial_equity, points).into_iter().map(|(_, depth)| depth).fold(0.0, f64::min);
        let sharpe = returns::simple(&equity).and_then(|r| {
            let free = returns::rate_per_period(run.risk_free, run.periods_per_year)?;
            ratio::sharpe(&r, free, run.periods_per_year)
        });
        vec![
            Cell::text(name),
            Cell::number(last, amount(last)),
            Cell::money(total, signed(percent(total, 1))),
            match sharpe {
                Some(sharpe) => Cell::number(sharpe, format!("{sharpe:.2}")),
                None => Cell::text(number::UNDEFINED),
            },
            Cell::number(worst, percent(worst, 1)),
        ]
    };
    Table {
        caption: "Together and alone: the same capital, the same costs (none for buy and hold)".into(),
        columns: vec![
            words("Who"),
            numbers("Final equity"),
            numbers("Return"),
            numbers("Sharpe"),
            numbers("Max drawdown"),
        ],
        rows: curves.iter().map(row).collect(),
        total: None,
    }
}
