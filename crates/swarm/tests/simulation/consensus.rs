//! Decisions under fire: agreement, validity and progress with crashes, partitions and, in the Byzantine mode, liars.
//!
//! Liars hold their own keys, so every lie is well signed: two votes, two offers, votes left out, locks withheld, stages
//! signed out of turn, terms of the far future, certificates kept back. They lie to each addressee apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use starling_core::UnixNanos;
use starling_core::time::{MILLISECOND, SECOND};
use starling_swarm::component::To;
use starling_swarm::consensus::ballot::{Action, Ballot, Choice, Equivocation};
use starling_swarm::consensus::council::{Council, Member, Mode, Subject};
use starling_swarm::consensus::statement::{Certificate, Promise, Stage, Stand};
use starling_swarm::consensus::tally::{Dossier, DossierId, Outcome};
use starling_swarm::consensus::{Body, Consensus, Event, Message, Offer, Timing, Trust};
use starling_swarm::id::AgentId;
use starling_swarm::identity::{Identity, KeyBook};
use starling_swarm::topology::Shape;

use crate::prng::Prng;
use crate::sweep::{seeds, sweep};
use crate::world::{Fault, Plan, World};

const TIMING: Timing = Timing { patience: 300 * MILLISECOND, round: 50 * MILLISECOND };
/// Decisions of a run.
const SUBJECTS: u32 = 3;

fn identity(agent: AgentId) -> Identity {
    let mut seed = [0xd5; 32];
    seed[..4].copy_from_slice(&agent.0.to_le_bytes());
    Identity::new(agent, &seed)
}

const fn subject(number: u32) -> Subject {
    Subject { stamp: UnixNanos::new(60 * SECOND * (number as u64 + 1)), instrument: number % 2, question: 0 }
}

/// A run, and what the judge wrote down about it.
struct Trial {
    world: World<Consensus>,
    council: Arc<Council>,
    keys: Arc<KeyBook>,
    liars: BTreeSet<AgentId>,
    /// What honest members really voted.
    votes: BTreeMap<(u32, AgentId), Choice>,
}

impl Trial {
    fn new(plan: Plan, mode: Mode, trust: Trust) -> Self {
        let n = plan.members;
        let mut keys = KeyBook::new();
        // Some join later; their names are known, but they are of no council.
        for agent in (0..n + 10).map(AgentId) {
            keys.insert(agent, &identity(agent).public()).expect("a good key");
        }
        let keys = Arc::new(keys);
        // In one run of three somebody guards the risk; who that is says no in one decision of five.
        let guard = plan.seed.is_multiple_of(3).then_some((plan.seed / 3) as u32 % n);
        let member = |agent: u32| Member {
            agent: AgentId(agent),
            weight: 10_000 - 37 * agent as u16,
            veto: guard == Some(agent),
        };
        let council = Arc::new(Council::new(mode, (0..n).map(member)).expect("a good council"));
        let (book, rule) = (Arc::clone(&keys), Arc::clone(&council));
        let world = World::new(plan, move |agent, _| {
            Consensus::new(identity(agent), Arc::clone(&book), Council::clone(&rule), TIMING, trust)
        });
        Self { world, council, keys, liars: BTreeSet::new(), votes: BTreeMap::new() }
    }

    /// Two seconds in which each member votes on each subject at a moment of its own, or not at all. Most of a run's
    /// members lean the same way.
    fn debate(&mut self, prng: &mut Prng, turnout: u64) {
        let n = self.world.plan().members;
        let mut due: BTreeMap<u64, Vec<(AgentId, u32, Choice)>> = BTreeMap::new();
        for number in 0..SUBJECTS {
            let begin = prng.below(17);
            let (trend, conviction) = (Action::ALL[prng.below(3) as usize], prng.between(40, 100));
            for agent in (0..n).map(AgentId) {
                let action = if prng.percent(conviction) { trend } else { Action::ALL[prng.below(3) as usize] };
                let confidence = prng.between(1_000, 10_000) as u16;
                let choice = if prng.percent(95) { Choice::Act { action, confidence } } else { Choice::Abstain };
                let guards = self.council.member(agent).is_some_and(|member| member.veto);
                let choice = if guards && prng.percent(20) { Choice::Veto } else { choice };
                if prng.percent(turnout) {
                    due.entry(begin + prng.below(3)).or_default().push((agent, number, choice));
                }
            }
        }
        for turn in 0..20 {
            for (agent, number, choice) in due.remove(&turn).unwrap_or_default() {
                let vote = self.world.living().contains(&agent).then(|| {
                    self.world
                        .act(agent, |member, now, out, events| member.vote(now, subject(number), choice, out, events))
                });
                if let Some(Some(Ok(()))) = vote {
                    self.votes.insert((number, agent), choice);
                }
            }
            self.world.run_for(100 * MILLISECOND);
        }
    }

    /// Members of the council that live and never lie.
    fn honest(&self) -> Vec<AgentId> {
        let honest = |agent: &AgentId| self.council.member(*agent).is_some() && !self.liars.contains(agent);
        self.world.living().into_iter().filter(honest).collect()
    }

    /// Calm: now every honest member decides every subject, if enough of them live.
    fn conclude(&mut self) {
        self.world.calm();
        self.world.settle(10 * SECOND);
        for agent in self.honest() {
            for number in 0..SUBJECTS {
                // Refused where it is decided, or under way.
                let _ =
                    self.world.act(agent, |member, now, out, events| member.propose(now, subject(number), out, events));
            }
        }
        let honest = self.honest();
        let decided = |world: &World<Consensus>| {
            let done = |agent: &AgentId| (0..SUBJECTS).all(|n| world.component(*agent).decision(subject(n)).is_some());
            honest.iter().all(done)
        };
        if honest.len() >= self.council.quorum() {
            let done = self.world.run_until(120 * SECOND, decided);
            let stuck: Vec<_> = honest.iter().map(|&agent| (agent, self.world.component(agent).open())).collect();
            assert!(done, "no progress, open: {stuck:?}");
        } else {
            self.world.run_for(SECOND);
        }
    }

    /// Agreement and validity, over all that honest agents were ever told, the dead included.
    fn judge(&self) -> usize {
        let mut told: BTreeMap<Subject, BTreeMap<AgentId, &Certificate>> = BTreeMap::new();
        for (_, agent, event) in &self.world.events {
            match event {
                Event::Decided(certificate) if !self.liars.contains(agent) => {
                    let again = told.entry(certificate.subject).or_default().insert(*agent, certificate);
                    assert!(again.is_none(), "{agent} was told twice");
                }
                Event::Equivocated(proof) => {
                    assert!(self.liars.contains(&proof.agent()), "{} is held for a liar", proof.agent());
                }
                _ => {}
            }
        }
        let mut trades = 0;
        for (subject, certificates) in &told {
            let number = (0..SUBJECTS).find(|&number| self::subject(number) == *subject).expect("a subject of the run");
            let first = certificates.values().next().expect("told");
            assert_eq!(first.verify(&self.keys, &self.council), Ok(()));
            for (agent, certificate) in certificates {
                assert_eq!(certificate.dossier, first.dossier, "{agent} decided otherwise about {subject:?}");
            }
            for ballot in first.dossier.ballots.iter().filter(|ballot| !self.liars.contains(&ballot.agent)) {
                assert_eq!(Some(&ballot.choice), self.votes.get(&(number, ballot.agent)), "nobody voted that");
            }
            if let Outcome::Act { action, .. } = first.outcome(&self.council) {
                trades += 1;
                for guard in self.council.members().iter().filter(|member| member.veto) {
                    let said = first.dossier.ballot(guard.agent).map(|ballot| ballot.choice);
                    assert!(
                        said.is_some_and(|choice| choice != Choice::Veto),
                        "traded, and {} said {said:?}",
                        guard.agent
                    );
                }
                let wants = |choice: &Choice| matches!(choice, Choice::Act { action: it, .. } if *it == action);
                let honest = |agent: &AgentId| !self.liars.contains(agent);
                let votes = self.votes.iter().filter(|((n, agent), _)| *n == number && honest(agent));
                let supporters = votes.filter(|(_, choice)| wants(choice)).count();
                let least = match self.council.mode() {
                    Mode::Quorum => self.council.quorum(),
                    Mode::Byzantine => self.council.quorum() - self.liars.len(),
                    _ => 2,
                };
                assert!(supporters >= least, "{action:?} with {supporters} supporters of {least}");
            }
        }
        trades
    }
}

/// Crashes, departures, newcomers, slow agents, partitions, new topologies; lossy, doubling, reordering links.
fn crashes(seed: u64, shape: Shape) -> usize {
    let modes = [Mode::Quorum, Mode::Majority, Mode::Weighted, Mode::Unanimous, Mode::Leader];
    let mode = modes[(seed % 5) as usize];
    // Checking every signature costs most of a run and changes nothing without liars: one run in eight does.
    let trust = if seed.is_multiple_of(8) { Trust::Nobody } else { Trust::Transport };
    let mut trial = Trial::new(Plan::draw(seed, shape), mode, trust);
    let mut prng = Prng::new(seed ^ 0xc0de);
    let turnout = prng.between(60, 100);
    trial.debate(&mut prng, turnout);
    trial.conclude();
    trial.judge()
}

/// What liars know: their key, and the rule.
struct Liar {
    me: Identity,
    council: Arc<Council>,
}

impl Liar {
    fn other(choice: Choice, chance: &mut Prng) -> Choice {
        let action = Action::ALL[chance.below(3) as usize];
        if chance.percent(5) {
            // With the right to it or without.
            return Choice::Veto;
        }
        if chance.percent(10) { choice } else { Choice::Act { action, confidence: chance.below(10_001) as u16 } }
    }

    /// Another dossier of the same votes: some left out, its own changed.
    fn bend(&self, mut dossier: Dossier, subject: Subject, chance: &mut Prng) -> Dossier {
        dossier.ballots.retain(|_| chance.percent(90));
        let me = self.me.agent();
        for ballot in dossier.ballots.iter_mut().filter(|ballot| ballot.agent == me) {
            let choice = Self::other(ballot.choice, chance);
            *ballot = Ballot::new(&self.me, self.council.decision(subject), choice);
        }
        dossier
    }

    fn lie(&self, chance: &mut Prng, message: Message) -> Option<Message> {
        if chance.percent(15) {
            return None;
        }
        if chance.percent(40) {
            return Some(message);
        }
        let stand = |subject, term, dossier| Stand { decision: self.council.decision(subject), term, dossier };
        Some(match message {
            Message::Vote { subject, term, ballot } => {
                let choice = Self::other(ballot.choice, chance);
                let ballot = Ballot::new(&self.me, self.council.decision(subject), choice);
                Message::Vote { subject, term, ballot }
            }
            Message::Offer(offer) => {
                let Offer { subject, term, dossier, mut promises, prepared, .. } = *offer;
                let dossier = self.bend(dossier, subject, chance);
                if chance.percent(30) {
                    // As if nobody had been bound.
                    promises.retain(|promise| promise.lock.is_none());
                }
                let signature = stand(subject, term, dossier.id()).sign(Stage::Prepare, &self.me);
                Message::Offer(Box::new(Offer { subject, term, dossier, promises, prepared, signature }))
            }
            Message::Consent { subject, term, dossier, .. } => {
                let stage = if chance.percent(50) { Stage::Prepare } else { Stage::Commit };
                let dossier = if chance.percent(70) { dossier } else { DossierId([chance.below(256) as u8; 32]) };
                let signature = stand(subject, term, dossier).sign(stage, &self.me);
                Message::Consent { subject, term, stage, dossier, signature }
            }
            Message::Prepared { subject, mut prepared } => {
                prepared.consents.retain(|_| chance.percent(97));
                prepared.term += chance.below(2) as u32;
                Message::Prepared { subject, prepared }
            }
            Message::Promise { subject, mut term, promise, body } => {
                term += chance.below(3) as u32 * chance.below(1_000) as u32;
                let hides = chance.percent(70);
                let lock = if hides { None } else { promise.lock };
                let promise = Promise::new(&self.me, self.council.decision(subject), term, lock);
                let body = body.map(|body| {
                    let lock = if hides { None } else { body.lock };
                    Box::new(Body { ballot: body.ballot, lock })
                });
                Message::Promise { subject, term, promise, body }
            }
            Message::Decided(certificate) => {
                let Certificate { subject, term, dossier, mut commits } = *certificate;
                let dossier = self.bend(dossier, subject, chance);
                commits.retain(|_| chance.percent(97));
                Message::Decided(Box::new(Certificate { subject, term, dossier, commits }))
            }
            Message::Proof(proof) => {
                let Equivocation { decision, first, second } = *proof;
                // An accusation of somebody else, by the same votes.
                let agent = AgentId(chance.below(7) as u32);
                let proof =
                    Equivocation { decision, first: Ballot { agent, ..first }, second: Ballot { agent, ..second } };
                Message::Proof(Box::new(proof))
            }
            Message::Proposal(proposal) => Message::Proposal(proposal),
        })
    }
}

/// Less than a third of the members lie or die, among them mostly the first coordinator; the links are at their worst.
fn liars(seed: u64, shape: Shape) -> usize {
    let mut plan = Plan::quiet(seed, shape);
    let mut prng = Prng::new(seed ^ 0x11a5);
    if prng.percent(30) {
        let side = (0..plan.members).filter(|_| prng.percent(50)).map(AgentId).collect();
        let at = prng.between(1, 1_500) * MILLISECOND;
        plan.faults.push((at, Fault::Partition(side)));
        plan.faults.push((at + prng.between(100, 1_500) * MILLISECOND, Fault::Heal));
    }
    if prng.percent(30) {
        let slow = AgentId(prng.below(u64::from(plan.members)) as u32);
        plan.faults.push((prng.below(1_000) * MILLISECOND, Fault::Slow(slow, prng.between(1, 100) * MILLISECOND)));
    }
    let n = plan.members;
    let faulty = (n - 1) / 3;
    let first = prng.below(2) as u32;
    let mut liars = BTreeSet::new();
    for agent in (0..faulty).map(|i| AgentId((first + i * 3 / 2) % n)) {
        if prng.percent(20) {
            plan.faults.push((prng.below(2_000) * MILLISECOND, Fault::Crash(agent)));
        } else {
            liars.insert(agent);
        }
    }
    plan.faults.sort_by_key(|(at, _)| *at);
    let mut trial = Trial::new(plan, Mode::Byzantine, Trust::Nobody);
    for &agent in &liars {
        let liar = Liar { me: identity(agent), council: Arc::clone(&trial.council) };
        trial.world.corrupt(agent, move |chance, _: To, message| liar.lie(chance, message));
    }
    trial.liars = liars;
    trial.debate(&mut prng, 97);
    trial.conclude();
    trial.judge()
}

/// Runs a sweep, and sees that its decisions were not all "no trade".
fn trades(name: &str, count: u64, run: impl Fn(u64) -> usize) {
    let trades = std::cell::Cell::new(0);
    let runs = std::cell::Cell::new(0);
    sweep(name, count, |seed| {
        trades.set(trades.get() + run(seed));
        runs.set(runs.get() + SUBJECTS as usize);
    });
    eprintln!("{name}: {} of {} decisions were to act", trades.get(), runs.get());
    assert!(runs.get() < 300 || 5 * trades.get() > runs.get(), "{} trades of {}", trades.get(), runs.get());
}

#[test]
fn consensus_mesh() {
    trades("consensus_mesh", seeds(1_000), |seed| crashes(seed, Shape::Mesh));
}

#[test]
fn consensus_hierarchical() {
    trades("consensus_hierarchical", seeds(1_000), |seed| crashes(seed, Shape::Hierarchical));
}

#[test]
fn consensus_ring() {
    trades("consensus_ring", seeds(1_000), |seed| crashes(seed, Shape::Ring));
}

#[test]
fn consensus_star() {
    trades("consensus_star", seeds(1_000), |seed| crashes(seed, Shape::Star));
}

#[test]
fn liars_mesh() {
    trades("liars_mesh", seeds(1_000), |seed| liars(seed, Shape::Mesh));
}

#[test]
fn liars_hierarchical() {
    trades("liars_hierarchical", seeds(1_000), |seed| liars(seed, Shape::Hierarchical));
}

#[test]
fn liars_ring() {
    trades("liars_ring", seeds(1_000), |seed| liars(seed, Shape::Ring));
}

#[test]
fn liars_star() {
    trades("liars_star", seeds(1_000), |seed| liars(seed, Shape::Star));
}
