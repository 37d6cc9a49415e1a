//! 7 to 9: executing strategies, distributing tasks, deciding together.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use starling_core::UnixNanos;
use starling_core::time::{DAY, MILLISECOND};
use starling_swarm::agent::UNIT;
use starling_swarm::consensus::ballot::{Action, Choice};
use starling_swarm::consensus::council::Mode;
use starling_swarm::consensus::statement::Certificate;
use starling_swarm::id::AgentId;
use starling_swarm::task::{Capabilities, Outcome, Strategy, Task, TaskKey, efficiency_bp};
use starling_swarm::topology::Shape;

use super::scalability::{BARS, median, series};
use super::stage::{Cast, Stage, Swarm, ms_of, nanos, span};
use super::trader::Trader;
use super::words::{Answer, Assignment, Charter, Conduct, Distributing, Order, Signals, encode};
use super::{Draft, agent, case};
use crate::bench::{BenchError, Judged};

/// Executions of all agents at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Execution {
    /// Of each agent.
    pub(super) executions: u32,
    /// Nanoseconds from one to the next; 0 for as fast as it goes.
    pub(super) pace: u64,
    /// Each is told to all others.
    pub(super) tell: bool,
}

/// One of each agent.
pub(super) const ONCE: Execution = Execution { executions: 1, pace: 0, tell: false };

/// What came of executions: nanoseconds of each, agent by agent.
pub(super) struct Executed {
    pub(super) took: Vec<u64>,
    pub(super) signals: Vec<(u32, Vec<Signals>)>,
}

/// Has all agents execute. What comes of it is for [`verify`], once nothing is measured any more.
pub(super) fn execute(stage: &Stage<'_>, swarm: &mut Swarm, what: Execution) -> Result<Executed, BenchError> {
    begin(swarm, what)?;
    collect(stage, swarm, what)
}

/// Tells all agents to execute.
pub(super) fn begin(swarm: &mut Swarm, what: Execution) -> Result<(), BenchError> {
    let Execution { executions, pace, tell } = what;
    let first = Assignment { instrument: 0, bars: BARS, again: 0 };
    swarm.say_all(&Order::Execute { executions, first, pace, tell })
}

/// Waits until all have.
pub(super) fn collect(stage: &Stage<'_>, swarm: &mut Swarm, what: Execution) -> Result<Executed, BenchError> {
    let within = span(what.pace.saturating_mul(u64::from(what.executions)));
    let executed = swarm.gather(stage.plan, "execute", within, |answer| match answer {
        Answer::Executed { took, signals } => Ok((took, signals)),
        other => Err(other),
    })?;
    let took = executed.iter().flat_map(|(_, (took, _))| took).copied().collect();
    Ok(Executed { took, signals: executed.into_iter().map(|(at, (_, signals))| (at, signals)).collect() })
}

/// Holds signals against those of the engine in this process.
pub(super) fn verify(
    stage: &mut Stage<'_>,
    charter: &Charter,
    what: Execution,
    executed: &Executed,
) -> Result<(), BenchError> {
    let mut wrong = 0_u64;
    let (mut changes, mut drifted) = (0_u64, 0_u64);
    for (at, signals) in &executed.signals {
        let trader = Trader::new(&charter.config, *at, &charter.events)?;
        let instruments = trader.instruments();
        let right = |instrument: u16| {
            let assignment = Assignment { instrument, bars: BARS, again: 0 };
            Ok((trader.execute(assignment)?, trader.reference(assignment)?))
        };
        let wanted = (0..instruments.min(u16::try_from(what.executions).unwrap_or(u16::MAX))).map(right);
        let wanted: Vec<(Signals, u64)> = wanted.collect::<Result<_, BenchError>>()?;
        for (signals, (right, equity)) in signals.iter().zip(wanted.iter().cycle()) {
            wrong += u64::from(signals != right);
            drifted += u64::from(signals.equity != *equity);
            changes += u64::from(signals.changes);
        }
        let claim = "every agent executed as often as it was told";
        stage.audit.equal(claim, &u64::from(what.executions), &(signals.len() as u64));
    }
    let claim = "signals after every bar equal those of the engine in the conductor's process; different ones";
    stage.audit.equal(claim, &0, &wrong);
    let claim = "equity at the end equals that of a backtest, to the last bit; different ones";
    stage.audit.equal(claim, &0, &drifted);
    if what.executions > 1 {
        stage.audit.claim("strategies changed their minds on these bars", "more than once", changes, changes > 1);
    }
    Ok(())
}

/// 7: executions of five agents.
pub(super) fn execution(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    stage.does(format!("5 agents, 50 executions of {BARS} bars each, {} times", stage.plan.runs()));
    let what = Execution { executions: 50, pace: 0, tell: false };
    let (mut swarm, _) = stage.create(Cast::of(5, Shape::Mesh))?;
    let warm = Execution { executions: 5, ..what };
    let executed = execute(stage, &mut swarm, warm)?;
    verify(stage, &swarm.charter, warm, &executed)?;
    let (mut took, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..stage.plan.runs() {
        let began = Instant::now();
        let executed = execute(stage, &mut swarm, what)?;
        rates.push(executed.took.len() as f64 / began.elapsed().as_secs_f64());
        verify(stage, &swarm.charter, what, &executed)?;
        took.extend(executed.took.iter().map(|nanos| ms_of(*nanos)));
    }
    stage.destroy(swarm)?;
    let mut draft = Draft::of(took);
    let mut rate = case("executions of all agents", "executions/s", Judged::Mean, None, &rates)?;
    rate.more_is_better = true;
    draft.cases.push(rate);
    Ok(draft)
}

/// A vote.
pub(super) const fn honest((action, confidence): (Action, u16)) -> Conduct {
    Conduct::Honest(Choice::Act { action, confidence })
}

/// What a council does about votes, computed apart: in floats, from the definitions of the modes.
pub(super) fn expected(charter: &Charter, votes: &[Conduct]) -> Result<String, BenchError> {
    let mut sums: BTreeMap<Action, (f64, u32)> = BTreeMap::new();
    let mut all = 0.0;
    for vote in votes {
        if let Conduct::Honest(Choice::Act { action, confidence }) = vote {
            let share = f64::from(*confidence) / f64::from(UNIT);
            let sum = sums.entry(*action).or_default();
            (sum.0, sum.1) = (sum.0 + share, sum.1 + 1);
            all += share;
        } else {
            // Who is silent is wholly against everything.
            all += 1.0;
        }
    }
    let n = charter.agents;
    let quorum = agent::council(charter)?.quorum() as u32;
    let best = |rank: fn(&(f64, u32)) -> f64| {
        sums.iter().max_by(|one, other| rank(one.1).total_cmp(&rank(other.1))).map(|(action, sum)| (*action, *sum))
    };
    let decided = match charter.mode {
        Mode::Weighted => {
            let threshold = f64::from(agent::THRESHOLD_BP) / f64::from(UNIT);
            best(|sum| sum.0).filter(|(_, sum)| sum.0 / all >= threshold)
        }
        Mode::Byzantine | Mode::Quorum => best(|sum| f64::from(sum.1)).filter(|(_, sum)| sum.1 >= quorum),
        _ => best(|sum| f64::from(sum.1)).filter(|(_, sum)| 2 * sum.1 > n),
    };
    Ok(match decided {
        Some((action, (_, heads))) if heads >= 2 => told(action, heads),
        _ => NO_TRADE.to_owned(),
    })
}

const NO_TRADE: &str = "no trade";

fn told(action: Action, heads: u32) -> String {
    format!("{action:?} by {heads}").to_lowercase()
}

/// How a question was decided.
pub(super) struct Verdict {
    pub(super) outcome: String,
    /// From the first agent asked to the last that held the certificate.
    pub(super) took_ms: f64,
    /// To the first that held it.
    pub(super) first_ms: f64,
    pub(super) certificate: Certificate,
}

/// Asks all agents about a bar; the votes of those that are not silent are expected in the certificate, unless lies are.
pub(super) fn debate(
    stage: &mut Stage<'_>,
    swarm: &mut Swarm,
    stamp: UnixNanos,
    votes: &[Conduct],
) -> Result<Verdict, BenchError> {
    for (at, conduct) in (0..).zip(votes) {
        swarm.say(at, &Order::Vote { stamp, conduct: *conduct })?;
    }
    let decided = swarm.gather(stage.plan, "decide", Duration::ZERO, |answer| match answer {
        Answer::Decided { called, decided, certificate } if certificate.subject.stamp == stamp => {
            Ok((called, decided, certificate))
        }
        other => Err(other),
    })?;
    let began = decided.iter().map(|(_, (called, ..))| *called).min().unwrap_or(UnixNanos::EPOCH);
    let held = |(_, (_, decided, _)): &(u32, (UnixNanos, UnixNanos, Box<Certificate>))| decided.since(began);
    let (first, last) = (decided.iter().map(held).min(), decided.iter().map(held).max());
    let certificate = (*decided[0].1.2).clone();
    let all_same = decided.iter().all(|(_, (.., other))| other.dossier == certificate.dossier);
    let claim = "all agents hold a certificate of the same votes";
    stage.audit.claim(claim, "yes", if all_same { "yes" } else { "no" }, all_same);
    let council = agent::council(&swarm.charter)?;
    let keys = agent::keys(&swarm.charter)?;
    let signed = decided.iter().try_for_each(|(_, (.., other))| other.verify(&keys, &council));
    let found = signed.as_ref().map_or_else(ToString::to_string, |()| "every signature holds".to_owned());
    let claim = "certificates convince a stranger who has the keys";
    stage.audit.claim(claim, "every signature holds", found, signed.is_ok());
    let outcome = match certificate.outcome(&council) {
        starling_swarm::consensus::tally::Outcome::Act { action, supporters, .. } => told(action, supporters),
        starling_swarm::consensus::tally::Outcome::NoTrade(_) => NO_TRADE.to_owned(),
    };
    let (took_ms, first_ms) = (ms_of(last.unwrap_or_default()), ms_of(first.unwrap_or_default()));
    Ok(Verdict { outcome, took_ms, first_ms, certificate })
}

/// The proposals of 9, in order of the agents.
const PROPOSALS: [(Action, u16); 6] = [
    (Action::Buy, 8_500),
    (Action::Hold, 6_000),
    (Action::Buy, 9_000),
    (Action::Sell, 4_500),
    (Action::Buy, 7_500),
    (Action::Hold, 5_500),
];
/// Who is silent, or lies, where one does: the last, who coordinates no first term.
const ODD: u32 = 5;

/// 9: six agents, and what a silent and a lying one do to them.
pub(super) fn consensus(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    let rounds = stage.plan.of_tier(20, 20, 40);
    stage.does(format!("6 agents, {rounds} rounds"));
    let mut votes: Vec<Conduct> = PROPOSALS.map(honest).into();
    let all = rounds_of(stage, Cast::of(6, Shape::Mesh), &votes, rounds)?;
    votes[ODD as usize] = Conduct::Silent;
    // So long an answer is waited for; whoever comes later is not in the dossier.
    let hasty = Cast { patience: 50 * MILLISECOND, ..Cast::of(6, Shape::Mesh) };
    let silent = rounds_of(stage, hasty, &votes, rounds)?;
    let one = Choice::Act { action: Action::Hold, confidence: 5_500 };
    votes[ODD as usize] = Conduct::Lying(one, Choice::Act { action: Action::Sell, confidence: 9_900 });
    let lying = rounds_of(stage, Cast { mode: Mode::Byzantine, ..hasty }, &votes, rounds)?;
    let mut draft = Draft::of(all.took.clone());
    draft.cases.push(case("until the first agent holds the certificate", "ms", Judged::Mean, None, &all.first)?);
    draft.cases.push(case("one agent silent", "ms", Judged::Mean, Some(200.0), &silent.took)?);
    draft.cases.push(case("one agent lies, Byzantine mode", "ms", Judged::Mean, Some(200.0), &lying.took)?);
    let medians = [("all speak", &all.took), ("one silent", &silent.took), ("one lies", &lying.took)];
    draft.series.push(series("decision", "agents", "ms, median", medians.map(|(name, took)| (name, median(took)))));
    Ok(draft)
}

/// The votes that a certificate holds, by place; who has none in it was silent.
fn certified(certificate: &Certificate, agents: u32) -> Vec<Conduct> {
    let ballot = |at| certificate.dossier.ballot(AgentId(at));
    (0..agents).map(|at| ballot(at).map_or(Conduct::Silent, |ballot| Conduct::Honest(ballot.choice))).collect()
}

/// Whether an agent that was told to behave so may have this vote in a certificate, or none: whoever is late has none.
fn is_of(found: Conduct, told: Conduct) -> bool {
    match told {
        Conduct::Lying(one, other) => [Conduct::Honest(one), Conduct::Honest(other), Conduct::Silent].contains(&found),
        told => found == told || found == Conduct::Silent,
    }
}

struct Rounds {
    took: Vec<f64>,
    first: Vec<f64>,
}

fn rounds_of(stage: &mut Stage<'_>, cast: Cast, votes: &[Conduct], rounds: u64) -> Result<Rounds, BenchError> {
    let (mut swarm, _) = stage.create(cast)?;
    let bytes = swarm.traffic()?.bytes;
    let (mut took, mut first) = (Vec::new(), Vec::new());
    let mut heard = 0;
    for round in 0..=rounds {
        let verdict = debate(stage, &mut swarm, UnixNanos::new(round + 1), votes)?;
        let certified = certified(&verdict.certificate, cast.agents);
        let claim = "the decision is the one computed from the votes in its certificate";
        stage.audit.equal(claim, &expected(&swarm.charter, &certified)?, &verdict.outcome);
        let others: Vec<usize> = (0..votes.len()).filter(|at| !is_of(certified[*at], votes[*at])).collect();
        let claim = "votes in a certificate are those that were cast; other agents' that are not";
        stage.audit.claim(claim, "[]", format!("{others:?}"), others.is_empty());
        heard += certified.iter().zip(votes).filter(|(found, vote)| found == vote && **vote != Conduct::Silent).count();
        if round > 0 {
            took.push(verdict.took_ms);
            first.push(verdict.first_ms);
        }
    }
    // Whoever is not waited for may be late on a busy machine, but not as a rule.
    let (claim, each) = if cast.patience == DAY {
        ("every vote is in its certificate: votes", votes.len())
    } else {
        ("certificates hold the honest votes of a quorum, in the mean: votes", agent::council(&swarm.charter)?.quorum())
    };
    let least = each * (rounds as usize + 1);
    stage.audit.claim(claim, format!("{least} or more"), heard, heard >= least);
    if votes.iter().any(|vote| matches!(vote, Conduct::Lying(..))) {
        // Proofs may travel behind the last certificate.
        let mut caught: Vec<u32> = Vec::new();
        let others = (0..cast.agents).filter(|at| *at != ODD).count();
        let mut note = |at: u32, answer: &Answer| {
            if *answer == Answer::Caught(AgentId(ODD)) && at != ODD && !caught.contains(&at) {
                caught.push(at);
            }
            caught.len()
        };
        let mut known = 0;
        for (at, answer) in std::mem::take(&mut swarm.unasked) {
            known = note(at, &answer);
        }
        while known < others {
            let (at, answer) = swarm.hear(stage.plan, "catch the liar", Duration::ZERO)?;
            known = note(at, &answer);
        }
        stage.audit.equal("the liar was caught with both its votes, by all others", &others, &known);
    }
    let crossed = swarm.traffic()?.bytes - bytes;
    // Each of the others' signatures, 64 bytes, has to come to the coordinator at least.
    let least = (rounds + 1) * 64 * (u64::from(cast.agents) - 2);
    let claim = "signed votes crossed the network: bytes";
    stage.audit.claim(claim, format!("{least} or more"), crossed, crossed >= least);
    stage.destroy(swarm)?;
    Ok(Rounds { took, first })
}

const TASKS: u64 = 100;
const BATCH: u64 = 10;
const SYMBOLS: u16 = 4;
const WORKERS: u32 = 8;

/// The least nanoseconds that a task of each symbol took in the conductor's process, of all tries and all agents'
/// strategies. Agents' own readings would not do: where more agents work than there are cores, each waits in the midst of
/// its work for others, and whatever is lost by that would count as work.
type Alone = [u64; SYMBOLS as usize];

/// What a hundred tasks came to.
struct Distributed {
    seconds: f64,
    /// Agents that ran one or more.
    workers: usize,
    /// Who was killed, and how many tasks that it was in the midst of another ran.
    fallen: Option<(u32, usize)>,
}

/// How often a death half-way is tried until it falls into a task: the news that a task is done may be on its way when its
/// agent is killed, the more so the busier the machine.
const DEATHS_MAX: usize = 5;

/// 8: a hundred tasks, by each strategy of distribution, and with a death half-way.
pub(super) fn distribution(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    stage.does("8 agents, 100 tasks, 5 strategies");
    let (mut all, mut cases, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    let mut alone: Alone = [u64::MAX; SYMBOLS as usize];
    for strategy in Strategy::ALL {
        let cast = distributing(strategy, DAY, false);
        let (mut swarm, _) = stage.create(cast)?;
        let mut of_it = Vec::new();
        for run in 0..=stage.plan.runs() {
            let done = distribute(stage, &mut swarm, u64::from(run), &mut alone)?;
            if run > 0 {
                of_it.push(TASKS as f64 / done.seconds);
            }
            let claim = "more than one agent worked";
            stage.audit.claim(claim, "2 or more", done.workers, done.workers > 1);
        }
        stage.destroy(swarm)?;
        let name = told_strategy(strategy);
        rates.push((name, median(&of_it)));
        let mut case = case(name, "tasks/s", Judged::Mean, Some(10.0), &of_it)?;
        case.more_is_better = true;
        cases.push(case);
        all.extend(of_it);
    }
    let mut killed = Vec::new();
    for _ in 0..stage.plan.runs() {
        let mut tries = 0;
        let done = loop {
            let (mut swarm, _) = stage.create(distributing(Strategy::Adaptive, 300 * MILLISECOND, true))?;
            let done = distribute(stage, &mut swarm, 0, &mut alone)?;
            stage.destroy(swarm)?;
            tries += 1;
            if tries == DEATHS_MAX || done.fallen.is_some_and(|(_, taken)| taken > 0) {
                break done;
            }
        };
        let found = match done.fallen {
            Some((at, taken)) => format!("{taken} of agent {at}"),
            None => "nobody died".to_owned(),
        };
        let claim = "who died was in the midst of a task, and another did it";
        stage.audit.claim(claim, "1 or more", found, done.fallen.is_some_and(|(_, taken)| taken > 0));
        killed.push(TASKS as f64 / done.seconds);
    }
    let mut case = case(
        "adaptive, tasks ten times as long, one agent killed half-way",
        "tasks/s",
        Judged::Mean,
        Some(10.0),
        &killed,
    )?;
    case.more_is_better = true;
    cases.push(case);
    let best = all.iter().copied().fold(0.0, f64::max);
    let claim = "no hundred tasks took less time than the cores need for them: ideal over real makespan";
    let most = efficiency(alone, best);
    stage.audit.claim(claim, "above 0, at most 1", format!("{most:.3}"), most > 0.0 && most <= 1.0);
    let efficiencies: Vec<(&str, f64)> = rates.iter().map(|(name, rate)| (*name, efficiency(alone, *rate))).collect();
    let mut draft = Draft::of(all);
    draft.cases = cases;
    draft.series.push(series("tasks a second", "strategy", "tasks/s, median", rates));
    let y = "ideal over real makespan, as many workers as cores";
    draft.series.push(series("efficiency", "strategy", y, efficiencies));
    Ok(draft)
}

const fn distributing(strategy: Strategy, lease: u64, mortal: bool) -> Cast {
    Cast { tasks: Some(Distributing { strategy, lease }), mortal, ..Cast::of(WORKERS, Shape::Mesh) }
}

/// The symbol of a task; every hundred begins with the first.
const fn symbol(key: u64) -> u16 {
    (key % SYMBOLS as u64) as u16
}

/// A task of so much work, done so many times over besides.
fn task(key: u64, work: u64, again: u16) -> Task {
    Task {
        key: TaskKey(key),
        needs: Capabilities::NONE,
        payload: encode(&Assignment { instrument: symbol(key), bars: BARS, again }),
        after: Vec::new(),
        deadline: UnixNanos::MAX,
        retries_max: 3,
        work,
    }
}

/// Ideal makespan over the real one at a rate, tasks a second, with as many workers as can run at once.
fn efficiency(alone: Alone, rate: f64) -> f64 {
    let tasks: Vec<Task> = (0..TASKS).map(|key| task(key, alone[usize::from(symbol(key))], 0)).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let makespan = (TASKS as f64 / rate * 1e9) as u64;
    efficiency_bp(&tasks, cores.min(WORKERS.into()), makespan).map_or(f64::NAN, |bp| f64::from(bp) / 1e4)
}

const fn told_strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::RoundRobin => "round robin",
        Strategy::LeastLoaded => "least loaded",
        Strategy::Specialised => "specialised",
        Strategy::Consensus => "consensus",
        Strategy::Adaptive => "adaptive",
    }
}

/// Who began and who ended what, as agents tell it.
#[derive(Debug, Default)]
struct Attempts {
    began: BTreeMap<u64, Vec<u32>>,
    ran: BTreeMap<u64, Vec<u32>>,
    done: BTreeMap<u64, Vec<Outcome>>,
}

impl Attempts {
    fn hear(&mut self, at: u32, answer: Answer) {
        match answer {
            Answer::Began { key } => self.began.entry(key).or_default().push(at),
            Answer::Ran { key } => self.ran.entry(key).or_default().push(at),
            Answer::Done { key, outcome } => self.done.entry(key).or_default().push(outcome),
            _ => {}
        }
    }

    /// Tasks that an agent is in the midst of, as far as it has told.
    fn open(&self, at: u32) -> Vec<u64> {
        let by = |all: &BTreeMap<u64, Vec<u32>>, key: &u64| all.get(key).is_some_and(|agents| agents.contains(&at));
        self.began.keys().filter(|key| by(&self.began, key) && !by(&self.ran, key)).copied().collect()
    }
}

/// A hundred tasks from the first agent to all; where agents are mortal, one dies half-way, in the midst of a task. How
/// long the conductor takes for the same goes into `alone`.
fn distribute(
    stage: &mut Stage<'_>,
    swarm: &mut Swarm,
    run: u64,
    alone: &mut Alone,
) -> Result<Distributed, BenchError> {
    let first = run * TASKS;
    // Long enough for who is to die to be in the midst of one.
    let again = if swarm.charter.mortal { 9 } else { 0 };
    let tasks: Vec<Task> = (first..first + TASKS).map(|key| task(key, 1, again)).collect();
    let began = Instant::now();
    for batch in tasks.chunks(BATCH as usize) {
        swarm.say(0, &Order::Submit(batch.to_vec()))?;
    }
    let (mut attempts, mut victim) = (Attempts::default(), None);
    while (attempts.done.len() as u64) < TASKS {
        let (at, answer) = swarm.hear(stage.plan, "do its tasks", Duration::ZERO)?;
        // One that has just begun one of the later tasks, and rather not one of the first, which keep the table: what its death costs is its
        // work.
        let begins = matches!(answer, Answer::Began { .. }) && at >= swarm.charter.agents / 2;
        attempts.hear(at, answer);
        let is_due = swarm.charter.mortal && victim.is_none() && attempts.began.len() as u64 >= TASKS / 2;
        if is_due && begins {
            victim = Some(at);
            swarm.kill(at)?;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    // Words of the last executions may still be on their way behind the news that they are done.
    let told = swarm.reports(stage.plan)?;
    for (at, answer) in std::mem::take(&mut swarm.unasked) {
        attempts.hear(at, answer);
    }
    let fallen = victim.map(|at| {
        let held = attempts.open(at);
        (at, held.iter().filter(|key| attempts.ran.contains_key(key)).count())
    });
    let Attempts { ran, done, .. } = attempts;
    let once = done.iter().filter(|(key, ends)| (first..first + TASKS).contains(*key) && ends.len() == 1).count();
    stage.audit.equal("every task ended exactly once", &TASKS, &(once as u64));
    let runs: usize = ran.values().map(Vec::len).sum();
    if swarm.charter.mortal {
        let claim = "every task was executed, by one agent or by who took over";
        stage.audit.equal(claim, &TASKS, &(ran.len() as u64));
    } else {
        let twice = ran.values().filter(|agents| agents.len() > 1).count();
        let claim = "every task was executed exactly once where nobody died: executions, and tasks executed twice";
        stage.audit.claim(claim, format!("{TASKS}, 0"), format!("{runs}, {twice}"), {
            runs as u64 == TASKS && ran.len() as u64 == TASKS && twice == 0
        });
    }
    let mut wrong = 0_u64;
    let mut right: BTreeMap<(u32, u16), Vec<u8>> = BTreeMap::new();
    for (key, ends) in &done {
        let instrument = symbol(*key);
        let assignment = Assignment { instrument, bars: BARS, again: 0 };
        let mut is_right = false;
        for at in ran.get(key).into_iter().flatten() {
            let wanted = match right.get(&(*at, instrument)) {
                Some(known) => known.clone(),
                None => {
                    let trader = Trader::new(&swarm.charter.config, *at, &swarm.charter.events)?;
                    let began = Instant::now();
                    let signals = encode(&trader.execute(assignment)?);
                    let least = &mut alone[usize::from(instrument)];
                    *least = nanos(began.elapsed()).min(*least);
                    right.insert((*at, instrument), signals.clone());
                    signals
                }
            };
            is_right |= ends.iter().all(|end| *end == Outcome::Done(wanted.clone()));
        }
        wrong += u64::from(!is_right);
    }
    stage.audit.equal("results equal those of the engine in the conductor's process; different ones", &0, &wrong);
    stage.audit.equal("messages that were refused", &0, &told.iter().map(|told| told.refused).sum());
    let mut workers: Vec<u32> = ran.into_values().flatten().collect();
    workers.sort_unstable();
    workers.dedup();
    Ok(Distributed { seconds, workers: workers.len(), fallen })
}
