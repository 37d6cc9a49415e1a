//! What a conductor works with: swarms on call, an ear for their answers, and a list of what had to be so.
//!
//! Invariant: whatever a benchmark asks, every swarm is checked alike: all agents there, with their cash and their bars;
//! greetings answered along exactly the edges of the topology; no frame elsewhere; clocks that ran as the conductor's; and
//! nothing left on the machine. A benchmark cannot leave that out.

use std::collections::VecDeque;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use starling_core::time::{DAY, SECOND};
use starling_core::{Event, UnixNanos};
use starling_market::feed::{Feed, Merge};
use starling_swarm::consensus::council::Mode;
use starling_swarm::cost::{PriceTable, Resources};
use starling_swarm::id::AgentId;
use starling_swarm::identity::Identity;
use starling_swarm::topology::{Shape, Topology};

use super::agent;
use super::quarters::{Provider, Quarters, Remains, Report, Traffic, Usage};
use super::words::{Answer, Charter, Distributing, Order, Own, Role, Told};
use crate::bench::{BenchError, Check, Tier};
use crate::config::Config;
use crate::run::Run;
use crate::swarm::delegate::Seed;

/// What each agent opens with, whole units of its currency.
pub(super) const CASH: i128 = 100_000;
/// Stamps of bars that agents have seen when they are ready.
const STAMPS: usize = 1_000;
/// How long what has ended may still be listed by the system.
const VANISH_MAX: Duration = Duration::from_secs(60);
/// How exactly clocks must agree, besides what messages take: a thousandth, and a millisecond.
const CLOCK_TOLERANCE: f64 = 1e-3;
const CLOCK_SLACK_NS: f64 = 1e6;
/// Longest wait before the conductor looks whether somebody wants it to end.
const TURN: Duration = Duration::from_millis(50);

/// What agents trade with and on.
#[derive(Debug, Clone)]
pub struct Material {
    config: String,
    events: Vec<Event>,
}

impl Material {
    /// The strategies of a configuration with a swarm, on the last bars of its data, each with an account of 100,000.
    ///
    /// # Errors
    /// [`BenchError::Input`]: it has no such swarm, or its data cannot be read.
    pub fn load(text: &str, search: Vec<PathBuf>) -> Result<Self, BenchError> {
        let input = |error: &dyn Display| BenchError::Input(error.to_string());
        let config = Config::read(text).map_err(|e| input(&e))?;
        let Some(account) = config.accounts.first() else { return Err(input(&"an account is missing")) };
        let cash: Vec<(String, String)> =
            account.balances.keys().map(|code| (format!("accounts.0.balances.{code}"), CASH.to_string())).collect();
        let text = Config::with_values(text, &cash).map_err(|e| input(&e))?;
        if super::trader::pool(&config).is_empty() {
            return Err(input(&"no agent of the configuration runs instrument by instrument"));
        }
        let (_, mut feeds) = Run::new(text.as_str(), search).map_err(|e| input(&e))?.assemble(std::io::sink())?;
        let mut merge = Merge::new(feeds.iter_mut().map(|feed| Box::new(feed) as Box<dyn Feed + '_>).collect());
        let mut events: Vec<Event> = Vec::new();
        while let Some(run) = merge.next_run().map_err(|e| input(&e))? {
            events.extend(run.iter().filter(|event| matches!(event, Event::Bar(_))));
        }
        let stamps = events.chunk_by(|one, next| one.ts() == next.ts());
        let kept = stamps.rev().take(STAMPS).map(<[Event]>::len).sum::<usize>();
        events.drain(..events.len() - kept);
        Ok(Self { config: text, events })
    }
}

/// What is measured, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How much.
    pub tier: Tier,
    /// Runs of each benchmark: [`Plan::runs_of`] the tier.
    pub runs: u32,
    /// What agents trade.
    pub material: Material,
    /// What resources cost; the dearest is held against the targets.
    pub prices: Vec<PriceTable>,
    /// What each agent is given, for costs.
    pub resources: Resources,
    /// What agents' keys are made of.
    pub secret: [u8; 32],
    /// How long an agent may take to answer.
    pub patience: Duration,
    /// Raised to end it.
    pub stop: Arc<AtomicBool>,
}

impl Plan {
    /// Runs of each benchmark in a tier.
    #[must_use]
    pub const fn runs_of(tier: Tier) -> u32 {
        match tier {
            Tier::Fast => 5,
            Tier::Standard => 10,
            Tier::Full => 20,
        }
    }

    pub(super) fn runs(&self) -> u32 {
        self.runs.max(1)
    }

    /// Bars that each agent holds.
    pub(super) const fn material_bars(&self) -> usize {
        self.material.events.len()
    }

    /// One of three, by the tier.
    pub(super) const fn of_tier(&self, fast: u64, standard: u64, full: u64) -> u64 {
        match self.tier {
            Tier::Fast => fast,
            Tier::Standard => standard,
            Tier::Full => full,
        }
    }
}

/// What had to be so.
#[derive(Debug, Default)]
pub(super) struct Audit {
    pub(super) checks: Vec<Check>,
}

impl Audit {
    /// Claims something; of several findings about one claim the first that does not hold stays.
    pub(super) fn claim(&mut self, claim: &str, expected: impl Display, found: impl Display, holds: bool) {
        let check = Check { claim: claim.to_owned(), expected: expected.to_string(), found: found.to_string(), holds };
        match self.checks.iter_mut().find(|known| known.claim == claim) {
            Some(known) if known.holds => *known = check,
            Some(_) => {}
            None => self.checks.push(check),
        }
    }

    /// Claims that two are equal.
    pub(super) fn equal<T: PartialEq + Display>(&mut self, claim: &str, expected: &T, found: &T) {
        self.claim(claim, expected, found, expected == found);
    }
}

/// What kind of swarm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cast {
    pub(super) agents: u32,
    pub(super) shape: Shape,
    pub(super) mode: Mode,
    /// How long votes are waited for, nanoseconds.
    pub(super) patience: u64,
    pub(super) tasks: Option<Distributing>,
    pub(super) mortal: bool,
    /// One after the other, each when the one before is ready.
    pub(super) sequential: bool,
    /// From units that wait for roles.
    pub(super) warm: bool,
}

impl Cast {
    /// Started at once and cold; votes are waited for, and nobody is held for dead, however slow the machine.
    pub(super) const fn of(agents: u32, shape: Shape) -> Self {
        let (mode, patience) = (Mode::Weighted, DAY);
        Self { agents, shape, mode, patience, tasks: None, mortal: false, sequential: false, warm: false }
    }
}

/// How long a swarm took to be there.
#[derive(Debug, Clone)]
pub(super) struct Creation {
    /// From the first order to greetings along every edge, ms.
    pub(super) total_ms: f64,
    /// From each agent's order to its word that it is ready, ms.
    pub(super) ready_ms: Vec<f64>,
}

/// A clock's reading: asked after, told, heard before.
#[derive(Debug, Clone, Copy)]
struct Reading {
    asked: Instant,
    told: UnixNanos,
    heard: Instant,
}

/// A swarm that is there.
pub(super) struct Swarm {
    quarters: Box<dyn Quarters>,
    pub(super) charter: Charter,
    pub(super) began: Instant,
    readings: Vec<Option<Reading>>,
    alive: Vec<bool>,
    /// When each that was killed ended.
    killed: Vec<Option<Instant>>,
    /// What was said and not asked for at that time.
    pub(super) unasked: VecDeque<(u32, Answer)>,
    before: Remains,
    offers: u32,
}

/// How long a swarm lived.
#[derive(Debug)]
pub(super) struct Life {
    /// What it was told, for whoever looks at its work when nothing is paid for any more.
    pub(super) charter: Charter,
    /// Of each agent, from the first order to its end, nanoseconds.
    pub(super) agents_ns: Vec<u64>,
    /// From the order to end until all were gone, ms.
    pub(super) destroy_ms: f64,
}

pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

pub(super) fn ms_of(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Where a benchmark is carried out.
pub(super) struct Stage<'a> {
    provider: &'a mut dyn Provider,
    pub(super) plan: &'a Plan,
    pub(super) audit: Audit,
    /// What is done, where tiers differ: a part of the benchmark's name, whether it can be carried out or not.
    pub(super) parameters: String,
    swarms: u64,
}

impl<'a> Stage<'a> {
    pub(super) fn new(provider: &'a mut dyn Provider, plan: &'a Plan) -> Self {
        Self { provider, plan, audit: Audit::default(), parameters: String::new(), swarms: 0 }
    }

    /// What a benchmark is about to do, before anything of it can fail: under one name it is found again in every run.
    pub(super) fn does(&mut self, parameters: impl Into<String>) {
        self.parameters = parameters.into();
    }

    pub(super) fn provider(&self) -> &'static str {
        self.provider.name()
    }

    pub(super) fn shares_memory(&self) -> bool {
        self.provider.shares_memory()
    }

    /// Starts a swarm and waits until everybody has greeted everybody along the edges.
    pub(super) fn create(&mut self, cast: Cast) -> Result<(Swarm, Creation), BenchError> {
        let plan = self.plan;
        self.swarms += 1;
        let (number, places) = (self.swarms, 0..cast.agents);
        let seed = |at: u32| {
            let told = [plan.secret.as_slice(), &number.to_le_bytes(), &at.to_le_bytes()].concat();
            Seed(blake3::derive_key("starling bench swarm", &told))
        };
        let charter = Charter {
            agents: cast.agents,
            shape: cast.shape,
            keys: places.clone().map(|at| Identity::new(AgentId(at), &seed(at).0).public()).collect(),
            config: plan.material.config.clone(),
            events: plan.material.events.clone(),
            mode: cast.mode,
            patience: cast.patience,
            tasks: cast.tasks,
            mortal: cast.mortal,
        };
        let encoded = charter.encode();
        let before = self.provider.remains()?;
        let role = |at: u32| Role { own: Own { at, seed: seed(at) }, charter: Arc::clone(&encoded) };
        let opened = Instant::now();
        let spares = if cast.warm { cast.agents as usize } else { 0 };
        let mut quarters = self.provider.open(cast.agents, cast.shape, spares)?;
        let began = if cast.warm {
            quarters.warm(plan.patience)?;
            Instant::now()
        } else {
            opened
        };
        let count = cast.agents as usize;
        let mut swarm = Swarm {
            quarters,
            charter,
            began,
            readings: vec![None; count],
            alive: vec![true; count],
            killed: vec![None; count],
            unasked: VecDeque::new(),
            before,
            offers: 0,
        };
        let mut ordered = vec![began; count];
        let mut ready_ms = vec![0.0; count];
        let mut wait_for = |swarm: &mut Swarm, stage: &mut Self, ordered: &[Instant], all: &[u32]| {
            let mut missing = all.to_vec();
            while !missing.is_empty() {
                let (at, answer) = swarm.hear(plan, "be ready", Duration::ZERO)?;
                if let Answer::Ready { bars, cash } = answer {
                    missing.retain(|other| *other != at);
                    ready_ms[at as usize] = ms(ordered[at as usize].elapsed());
                    let bars_all = agent::bars(&swarm.charter);
                    stage.audit.equal("every agent has seen all bars when it is ready", &bars_all, &bars);
                    let units = CASH * 1_000_000_000;
                    stage.audit.equal("every agent holds 100,000 (in 1e-9)", &units, &cash);
                }
            }
            Ok::<_, BenchError>(())
        };
        for at in places.clone() {
            ordered[at as usize] = Instant::now();
            swarm.quarters.start(&role(at))?;
            if cast.sequential {
                wait_for(&mut swarm, self, &ordered, &[at])?;
            }
        }
        if !cast.sequential {
            wait_for(&mut swarm, self, &ordered, &places.clone().collect::<Vec<_>>())?;
        }
        swarm.say_all(&Order::Greet)?;
        let settled = swarm.gather(plan, "greet its neighbours", Duration::ZERO, |answer| match answer {
            Answer::Settled(agents) => Ok(agents),
            other => Err(other),
        })?;
        let total_ms = ms(began.elapsed());
        let topology = Topology::new(cast.shape, places.map(AgentId));
        for (at, found) in settled {
            let expected = topology.neighbours(AgentId(at));
            let list = |agents: &[AgentId]| format!("{:?}", agents.iter().map(|agent| agent.0).collect::<Vec<_>>());
            let claim = "every agent was answered along exactly its edges";
            self.audit.claim(claim, list(&expected), list(&found), expected == found);
        }
        swarm.readings = swarm.read_clocks(plan)?;
        Ok((swarm, Creation { total_ms, ready_ms }))
    }

    /// A swarm of which nothing is measured: code and memory are warm after it.
    pub(super) fn warm_up(&mut self, cast: Cast) -> Result<(), BenchError> {
        let (swarm, _) = self.create(cast)?;
        self.destroy(swarm).map(drop)
    }

    /// Ends a swarm, and looks whether anything is left.
    pub(super) fn destroy(&mut self, mut swarm: Swarm) -> Result<Life, BenchError> {
        let again = swarm.read_clocks(self.plan)?;
        for (first, second) in swarm.readings.iter().zip(&again) {
            let (Some(first), Some(second)) = (first, second) else { continue };
            let told = second.told.since(first.told) as f64;
            let least = second.asked.duration_since(first.heard).as_nanos() as f64;
            let most = second.heard.duration_since(first.asked).as_nanos() as f64;
            let slack = CLOCK_TOLERANCE * most + CLOCK_SLACK_NS;
            let holds = told >= least - slack && told <= most + slack;
            let expected = format!("{:.3} to {:.3} ms", (least - slack) / 1e6, (most + slack) / 1e6);
            let claim = "agents' clocks ran as the conductor's";
            self.audit.claim(claim, expected, format!("{:.3} ms", told / 1e6), holds);
        }
        let Traffic { astray, .. } = swarm.quarters.traffic()?;
        if !swarm.charter.mortal {
            self.audit.equal("frames passed along edges of the topology only; elsewhere", &0, &astray);
        }
        let Swarm { quarters, charter, began, killed, before, .. } = swarm;
        let ordered = Instant::now();
        quarters.destroy()?;
        let ended = Instant::now();
        let left = loop {
            let left = self.provider.remains()?.beyond(&before);
            if left.is_empty() || ordered.elapsed() > VANISH_MAX.min(self.plan.patience) {
                break left;
            }
            std::thread::park_timeout(Duration::from_micros(200));
        };
        let claim = "nothing is left of agents: threads, processes, files, sockets";
        let found = if left.is_empty() { "nothing".to_owned() } else { left.join(", ") };
        self.audit.claim(claim, "nothing", found, left.is_empty());
        let agents_ns = killed.into_iter().map(|killed| nanos(killed.unwrap_or(ended).duration_since(began))).collect();
        Ok(Life { charter, agents_ns, destroy_ms: ms(ended.duration_since(ordered)) })
    }
}

impl Remains {
    /// What is here and was not `before`.
    #[must_use]
    pub fn beyond(&self, before: &Self) -> Vec<String> {
        let more = |now: &[String], before: &[String]| {
            let mut known = before.to_vec();
            let mut more = Vec::new();
            for name in now {
                match known.iter().position(|other| other == name) {
                    Some(at) => drop(known.swap_remove(at)),
                    None => more.push(name.clone()),
                }
            }
            more
        };
        [more(&self.alive, &before.alive), more(&self.things, &before.things)].concat()
    }
}

impl Swarm {
    /// Places of those that live.
    pub(super) fn places(&self) -> Vec<u32> {
        (0..self.charter.agents).filter(|at| self.alive[*at as usize]).collect()
    }

    pub(super) fn say(&mut self, at: u32, order: &Order) -> Result<(), BenchError> {
        self.quarters.say(at, order)
    }

    pub(super) fn say_all(&mut self, order: &Order) -> Result<(), BenchError> {
        self.places().into_iter().try_for_each(|at| self.quarters.say(at, order))
    }

    /// Tells all to send messages at a rate to the next number.
    pub(super) fn offer(&mut self, every: u64, count: u32, bytes: u32) -> Result<(), BenchError> {
        self.offers += 1;
        self.say_all(&Order::Offer { offer: self.offers, every, count, bytes })
    }

    /// The next answer of anybody. `within` is what the answer itself takes, besides the patience.
    pub(super) fn hear(&mut self, plan: &Plan, what: &str, within: Duration) -> Result<(u32, Answer), BenchError> {
        let began = Instant::now();
        loop {
            if plan.stop.load(Ordering::Relaxed) {
                return Err(BenchError::Interrupted);
            }
            match self.quarters.hear(TURN)? {
                Some(report) => {
                    if let (at, Some(answer)) = self.take(report)? {
                        return Ok((at, answer));
                    }
                }
                None if began.elapsed() > plan.patience + within => {
                    let reason =
                        format!("asked to {what}, one or more did not answer within {:?}", plan.patience + within);
                    return Err(BenchError::Program { program: "the agents".to_owned(), reason });
                }
                None => {}
            }
        }
    }

    /// Lets time pass, and frames with it: some providers carry them while they are listened to.
    pub(super) fn pass(&mut self, plan: &Plan, time: Duration) -> Result<(), BenchError> {
        let began = Instant::now();
        while let Some(left) = time.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
            if plan.stop.load(Ordering::Relaxed) {
                return Err(BenchError::Interrupted);
            }
            if let Some(report) = self.quarters.hear(left.min(TURN))? {
                let (at, answer) = self.take(report)?;
                self.unasked.extend(answer.map(|answer| (at, answer)));
            }
        }
        Ok(())
    }

    /// What an agent says; an agent that fails, or dies unasked, ends the benchmark.
    fn take(&self, report: Report) -> Result<(u32, Option<Answer>), BenchError> {
        let failed = |at: u32, reason| Err(BenchError::Program { program: format!("agent {at}"), reason });
        match report {
            Report::Said { at, answer: Answer::Failed(reason) | Answer::Refused(reason) } => failed(at, reason),
            Report::Said { at, answer } => Ok((at, Some(answer))),
            Report::Gone { at, how } if self.alive[at as usize] => failed(at, how),
            Report::Gone { at, .. } => Ok((at, None)),
        }
    }

    /// One answer of a kind from everybody that lives, in order of their places. Other answers are kept.
    pub(super) fn gather<T>(
        &mut self,
        plan: &Plan,
        what: &str,
        within: Duration,
        pick: impl FnMut(Answer) -> Result<T, Answer>,
    ) -> Result<Vec<(u32, T)>, BenchError> {
        let places = self.places();
        self.gather_of(plan, &places, what, within, pick)
    }

    /// The same from some.
    pub(super) fn gather_of<T>(
        &mut self,
        plan: &Plan,
        places: &[u32],
        what: &str,
        within: Duration,
        mut pick: impl FnMut(Answer) -> Result<T, Answer>,
    ) -> Result<Vec<(u32, T)>, BenchError> {
        let mut missing = places.to_vec();
        let mut found = Vec::new();
        while !missing.is_empty() {
            let (at, answer) = self.hear(plan, what, within)?;
            match pick(answer) {
                Ok(picked) if missing.contains(&at) => {
                    missing.retain(|other| *other != at);
                    found.push((at, picked));
                }
                Ok(_) => {}
                Err(other) => self.unasked.push_back((at, other)),
            }
        }
        found.sort_by_key(|(at, _)| *at);
        Ok(found)
    }

    fn read_clocks(&mut self, plan: &Plan) -> Result<Vec<Option<Reading>>, BenchError> {
        let mut readings = vec![None; self.alive.len()];
        for at in self.places() {
            let asked = Instant::now();
            self.say(at, &Order::Time)?;
            let told = self.gather_of(plan, &[at], "tell the time", Duration::ZERO, |answer| match answer {
                Answer::Time(told) => Ok(told),
                other => Err(other),
            })?;
            readings[at as usize] = Some(Reading { asked, told: told[0].1, heard: Instant::now() });
        }
        Ok(readings)
    }

    /// What everybody has sent and heard.
    pub(super) fn reports(&mut self, plan: &Plan) -> Result<Vec<Told>, BenchError> {
        self.say_all(&Order::Report)?;
        let reports = self.gather(plan, "report", Duration::ZERO, |answer| match answer {
            Answer::Report(told) => Ok(told),
            other => Err(other),
        })?;
        Ok(reports.into_iter().map(|(_, told)| told).collect())
    }

    pub(super) fn kill(&mut self, at: u32) -> Result<(), BenchError> {
        self.alive[at as usize] = false;
        self.killed[at as usize] = Some(Instant::now());
        self.quarters.kill(at)
    }

    pub(super) fn usage(&mut self) -> Result<Vec<Usage>, BenchError> {
        self.quarters.usage()
    }

    pub(super) fn traffic(&mut self) -> Result<Traffic, BenchError> {
        self.quarters.traffic()
    }
}

/// How long something that is to take so long may take on a slow machine, besides the patience.
pub(super) const fn span(nanos: u64) -> Duration {
    Duration::from_nanos(nanos.saturating_mul(2).saturating_add(SECOND))
}
