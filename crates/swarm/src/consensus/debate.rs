//! One decision, as one member takes part in it: term after term until a certificate ends it.
//!
//! Invariant: a member signs at most one dossier per stage and term, none in a term below one it promised, and one
//! ballot for all terms. Nothing is believed of a message but what its signatures carry, unless the council trusts its
//! transport ([`Trust`]) and does not expect lies ([`Mode::Byzantine`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use starling_core::UnixNanos;

use crate::component::{Outbox, Priority};
use crate::consensus::ballot::{Ballot, Choice, Equivocation};
use crate::consensus::council::{Council, DecisionId, Mode, Subject};
use crate::consensus::statement::{Certificate, Consent, Prepared, Promise, Proposal, Stage, Stand};
use crate::consensus::tally::{Dossier, DossierId};
use crate::consensus::{Body, Counters, Event, Message, Offer, Timing, Trust};
use crate::id::AgentId;
use crate::identity::{Identity, KeyBook, Signature};

/// What all decisions of a member share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) identity: Identity,
    pub(super) keys: Arc<KeyBook>,
    pub(super) trust: Trust,
    pub(super) timing: Timing,
    /// Members of the council that are said to be alive, once anybody is: a hint whom not to wait for.
    /// In order.
    pub(super) living: Option<Box<[AgentId]>>,
    /// How many agents the swarm has, which may be many councils.
    pub(super) swarm: usize,
    /// Who signed two votes in one decision.
    pub(super) proofs: BTreeMap<AgentId, Equivocation>,
    pub(super) counters: Counters,
}

impl Shared {
    fn lives(&self, agent: AgentId) -> bool {
        self.living.as_ref().is_none_or(|living| living.binary_search(&agent).is_ok())
    }

    /// Whether a council's messages are believed for their signatures only.
    pub(super) fn checks(&self, council: &Council) -> bool {
        self.trust == Trust::Nobody || council.mode() == Mode::Byzantine
    }
}

/// What a step may use.
pub(super) struct Step<'a> {
    pub(super) now: UnixNanos,
    pub(super) shared: &'a mut Shared,
    pub(super) out: &'a mut Outbox<Message>,
    pub(super) events: &'a mut Vec<Event>,
}

impl Step<'_> {
    fn me(&self) -> AgentId {
        self.shared.identity.agent()
    }

    /// To all others of the council: along all edges if that is most of the swarm.
    fn tell(&mut self, council: &Council, message: &Message) {
        if 2 * council.members().len() >= self.shared.swarm {
            self.out.send_all(Priority::High, message.clone());
            return;
        }
        let me = self.me();
        for member in council.members().iter().filter(|member| member.agent != me) {
            self.out.send(member.agent, Priority::High, message.clone());
        }
    }

    /// Publishes a proof, once per liar.
    pub(super) fn accuse(&mut self, proof: Equivocation, publish: bool) {
        if self.shared.proofs.contains_key(&proof.agent()) || !proof.verify(&self.shared.keys) {
            return;
        }
        if publish {
            self.out.send_all(Priority::Critical, Message::Proof(Box::new(proof.clone())));
        }
        self.shared.proofs.insert(proof.agent(), proof.clone());
        self.events.push(Event::Equivocated(Box::new(proof)));
    }
}

/// The dossier a member is bound to.
#[derive(Debug, Clone)]
struct Lock {
    term: u32,
    id: DossierId,
    dossier: Arc<Dossier>,
    prepared: Option<Prepared>,
}

/// A promise, and the dossier it speaks of if that came along.
#[derive(Debug)]
struct Pledge {
    term: u32,
    promise: Promise,
    lock: Option<Lock>,
}

impl Pledge {
    /// True if a coordinator can build on it.
    fn is_complete(&self) -> bool {
        self.promise.lock.is_some() == self.lock.is_some()
    }
}

/// A coordinator's work in its term.
#[derive(Debug)]
struct Desk {
    deadline: UnixNanos,
    /// The deadline has passed.
    closed: bool,
    offer: Option<(DossierId, Arc<Dossier>)>,
    /// When the offer goes to those too who were not asked at first.
    widen: Option<UnixNanos>,
    prepares: BTreeMap<AgentId, Consent>,
    prepared: bool,
    commits: BTreeMap<AgentId, Consent>,
}

/// One decision.
#[derive(Debug)]
pub(super) struct Debate {
    subject: Subject,
    id: DecisionId,
    council: Arc<Council>,
    /// Whose message began it here.
    pub(super) opener: AgentId,
    term: u32,
    /// When the term's time is up.
    due: UnixNanos,
    own: Option<Ballot>,
    votes: BTreeMap<AgentId, Ballot>,
    /// The term's dossier, once it came.
    accepted: Option<(DossierId, Arc<Dossier>)>,
    /// Signatures under it that need no check any more.
    known: Vec<(Stage, Consent)>,
    /// Came before its dossier.
    early: Option<Prepared>,
    lock: Option<Lock>,
    pledges: BTreeMap<AgentId, Pledge>,
    desk: Option<Desk>,
    certificate: Option<Certificate>,
}

impl Debate {
    pub(super) fn open(subject: Subject, council: Arc<Council>, opener: AgentId, step: &mut Step<'_>) -> Self {
        let mut debate = Self {
            subject,
            id: council.decision(subject),
            council,
            opener,
            term: 0,
            due: UnixNanos::MAX,
            own: None,
            votes: BTreeMap::new(),
            accepted: None,
            known: Vec::new(),
            early: None,
            lock: None,
            pledges: BTreeMap::new(),
            desk: None,
            certificate: None,
        };
        debate.enter(1, step);
        debate
    }

    pub(super) fn next_due(&self) -> UnixNanos {
        match &self.desk {
            Some(desk) if desk.offer.is_none() && !desk.closed => self.due.min(desk.deadline),
            Some(Desk { widen: Some(widen), .. }) => self.due.min(*widen),
            _ => self.due,
        }
    }

    pub(super) const fn own(&self) -> Option<&Ballot> {
        self.own.as_ref()
    }

    pub(super) const fn id(&self) -> DecisionId {
        self.id
    }

    pub(super) fn council(&self) -> &Arc<Council> {
        &self.council
    }

    /// The end of it, once.
    pub(super) const fn take_certificate(&mut self) -> Option<Certificate> {
        self.certificate.take()
    }

    fn checks(&self, step: &Step<'_>) -> bool {
        step.shared.checks(&self.council)
    }

    /// Whether a ballot is signed by its agent. The same ballot is checked once.
    fn is_signed(&self, ballot: &Ballot, keys: &KeyBook) -> bool {
        self.votes.get(&ballot.agent) == Some(ballot) || ballot.verify(keys, self.id).is_ok()
    }

    /// Whether a signature is one's own, or the coordinator's that came with its offer.
    pub(super) fn knows(&self, stand: &Stand, stage: Stage, consent: &Consent) -> bool {
        let accepted = self.accepted.as_ref().is_some_and(|(id, _)| *stand == self.stand(*id));
        accepted && self.known.iter().any(|(known, by)| (*known, by) == (stage, consent))
    }

    fn has_liars(&self) -> bool {
        self.council.mode() == Mode::Byzantine
    }

    fn stand(&self, dossier: DossierId) -> Stand {
        Stand { decision: self.id, term: self.term, dossier }
    }

    fn coordinator(&self) -> AgentId {
        self.council.coordinator(self.term)
    }

    /// Goes to a term, and promises to stay out of those before it.
    fn enter(&mut self, term: u32, step: &mut Step<'_>) {
        assert!(term > self.term, "terms only rise");
        let me = step.me();
        self.term = term;
        self.accepted = None;
        self.known.clear();
        self.early = None;
        let Timing { patience, round } = step.shared.timing;
        let slack = (4 * round) << (term - 1).min(4);
        self.due = step.now.saturating_add(patience + slack);
        self.hurry(step);
        let coordinator = self.coordinator();
        self.desk = (coordinator == me).then(|| Desk {
            deadline: step.now.saturating_add(patience),
            closed: false,
            offer: None,
            widen: None,
            prepares: BTreeMap::new(),
            prepared: false,
            commits: BTreeMap::new(),
        });
        if term > 1 {
            self.promise(step);
        }
        if let Some(desk) = &self.desk {
            let proposal = if self.checks(step) {
                Proposal::new(&step.shared.identity, self.id, self.subject, term, desk.deadline)
            } else {
                Proposal { subject: self.subject, term, deadline: desk.deadline, signature: None }
            };
            self.call(&proposal, step);
            step.tell(&self.council, &Message::Proposal(proposal));
            self.advance(step);
        } else if term == 1 {
            self.send_vote(step);
        }
    }

    fn promise(&mut self, step: &mut Step<'_>) {
        let header = self.lock.as_ref().map(|lock| (lock.term, lock.id));
        let promise = Promise::new(&step.shared.identity, self.id, self.term, header);
        let (subject, term, coordinator) = (self.subject, self.term, self.coordinator());
        let light = Message::Promise { subject, term, promise: promise.clone(), body: None };
        step.tell(&self.council, &light);
        if coordinator == step.me() {
            let pledge = Pledge { term, promise, lock: self.lock.clone() };
            self.pledges.insert(coordinator, pledge);
        } else {
            let lock = self.lock.as_ref().map(|lock| (Dossier::clone(&lock.dossier), lock.prepared.clone()));
            let body = Some(Box::new(Body { ballot: self.own.clone(), lock }));
            step.out.send(coordinator, Priority::High, Message::Promise { subject, term, promise, body });
        }
    }

    /// Does not wait long for a coordinator that is held for dead.
    pub(super) fn hurry(&mut self, step: &Step<'_>) {
        if !step.shared.lives(self.coordinator()) {
            self.due = self.due.min(step.now.saturating_add(step.shared.timing.round));
        }
    }

    /// Tells the agent that its vote is wanted.
    fn call(&self, proposal: &Proposal, step: &mut Step<'_>) {
        if self.own.is_none() {
            let Proposal { subject, term, deadline, .. } = *proposal;
            step.events.push(Event::Called { subject, term, deadline });
        }
    }

    /// The agent's own vote, once.
    pub(super) fn vote(&mut self, ballot: Ballot, step: &mut Step<'_>) {
        self.votes.insert(ballot.agent, ballot.clone());
        self.own = Some(ballot);
        self.send_vote(step);
        self.advance(step);
    }

    fn send_vote(&self, step: &mut Step<'_>) {
        let Some(ballot) = self.own.clone() else { return };
        let coordinator = self.coordinator();
        if coordinator != step.me() {
            let priority = if ballot.choice == Choice::Veto { Priority::Critical } else { Priority::High };
            let message = Message::Vote { subject: self.subject, term: self.term, ballot };
            step.out.send(coordinator, priority, message);
        }
    }

    /// Remembers a checked vote, the first of each agent; a second one that differs is a proof.
    fn note(&mut self, ballot: &Ballot, step: &mut Step<'_>) {
        match self.votes.get(&ballot.agent) {
            None => {
                self.votes.insert(ballot.agent, ballot.clone());
            }
            Some(first) if first.choice != ballot.choice => {
                let proof = Equivocation { decision: self.id, first: first.clone(), second: ballot.clone() };
                step.accuse(proof, true);
            }
            Some(_) => {}
        }
    }

    pub(super) fn on_proposal(&self, from: AgentId, proposal: &Proposal, step: &mut Step<'_>) {
        let stale = proposal.term != self.term;
        if stale || from != self.coordinator() {
            step.shared.counters.wrong_term += u64::from(stale);
            step.shared.counters.invalid += u64::from(!stale);
        } else if self.checks(step) && proposal.verify(&step.shared.keys, self.id, from).is_err() {
            step.shared.counters.invalid += 1;
        } else {
            self.call(proposal, step);
        }
    }

    pub(super) fn on_vote(&mut self, from: AgentId, term: u32, ballot: &Ballot, step: &mut Step<'_>) {
        let (me, checks) = (step.me(), self.checks(step));
        let Shared { keys, counters, .. } = &mut *step.shared;
        let holds = || ballot.check(&self.council).is_ok() && (!checks || self.is_signed(ballot, keys));
        if ballot.agent != from || self.council.member(from).is_none() {
            counters.stranger += 1;
        } else if term < self.term || self.council.coordinator(term) != me {
            counters.wrong_term += 1;
        } else if !holds() {
            counters.invalid += 1;
        } else {
            step.shared.counters.late += u64::from(self.desk.as_ref().is_some_and(|desk| desk.offer.is_some()));
            self.note(ballot, step);
            self.advance(step);
        }
    }

    pub(super) fn on_offer(&mut self, from: AgentId, offer: Offer, step: &mut Step<'_>) {
        if offer.term < self.term {
            step.shared.counters.wrong_term += 1;
            return;
        }
        if offer.term == self.term && self.accepted.is_some() {
            step.shared.counters.late += 1;
            return;
        }
        let id = offer.dossier.id();
        if from != self.council.coordinator(offer.term) || !self.justifies(&offer, id, step) {
            step.shared.counters.invalid += 1;
            return;
        }
        if offer.term > self.term {
            self.enter(offer.term, step);
        }
        for ballot in &offer.dossier.ballots {
            self.note(ballot, step);
        }
        for proof in &offer.dossier.proofs {
            step.accuse(proof.clone(), false);
        }
        self.accept(id, Arc::new(offer.dossier), Consent { agent: from, signature: offer.signature }, step);
    }

    /// Whether an offer may be made: by its coordinator, over valid votes, and over the dossier that a quorum's highest
    /// lock names, if there is one.
    fn justifies(&self, offer: &Offer, id: DossierId, step: &Step<'_>) -> bool {
        let Offer { term, dossier, promises, prepared, signature, .. } = offer;
        let keys = &*step.shared.keys;
        let author = self.council.coordinator(*term);
        let stand = Stand { decision: self.id, term: *term, dossier: id };
        if dossier.check(&self.council).is_err() {
            return false;
        }
        let lock = if *term == 1 {
            promises.is_empty().then_some(None)
        } else {
            let suspects = self.checks(step).then_some(keys);
            Promise::highest_lock(promises, suspects, &self.council, self.id, *term).ok()
        };
        let follows = match lock {
            Some(None) => dossier.author == author,
            Some(Some((locked, named))) => {
                let proven = match prepared {
                    Some(prepared) if self.has_liars() => {
                        (prepared.term, prepared.dossier) == (locked, named)
                            && prepared.verify(keys, &self.council, self.id).is_ok()
                    }
                    _ => !self.has_liars(),
                };
                named == id && proven
            }
            None => false,
        };
        let signed = || stand.verify(Stage::first(self.council.mode()), keys, author, signature).is_ok();
        let voted = || {
            dossier.proofs.iter().all(|proof| proof.verify(keys))
                && dossier.ballots.iter().all(|ballot| self.is_signed(ballot, keys))
        };
        follows && (!self.checks(step) || signed() && voted())
    }

    /// Takes the term's dossier, and its coordinator's consent. Without liars a coordinator has one dossier per term, and
    /// the member is bound at once.
    fn accept(&mut self, id: DossierId, dossier: Arc<Dossier>, first: Consent, step: &mut Step<'_>) {
        self.accepted = Some((id, dossier));
        self.known.push((Stage::first(self.council.mode()), first));
        if self.has_liars() {
            self.consent(Stage::Prepare, id, step);
            if let Some(prepared) = self.early.take() {
                self.on_prepared(self.coordinator(), prepared, step);
            }
        } else {
            self.bind(None, step);
        }
    }

    /// Is bound to the accepted dossier, and says so.
    fn bind(&mut self, prepared: Option<Prepared>, step: &mut Step<'_>) {
        let (id, dossier) = self.accepted.clone().expect("bound to what was accepted");
        self.lock = Some(Lock { term: self.term, id, dossier, prepared });
        self.consent(Stage::Commit, id, step);
    }

    fn consent(&mut self, stage: Stage, dossier: DossierId, step: &mut Step<'_>) {
        let (coordinator, me) = (self.coordinator(), step.me());
        let signed = self.known.iter().find(|(known, by)| (*known, by.agent) == (stage, me));
        let consent = signed.map_or_else(
            || Consent { agent: me, signature: self.stand(dossier).sign(stage, &step.shared.identity) },
            |(_, consent)| consent.clone(),
        );
        if coordinator == me {
            self.collect(stage, dossier, consent, step);
        } else {
            self.known.push((stage, consent.clone()));
            let Consent { signature, .. } = consent;
            let message = Message::Consent { subject: self.subject, term: self.term, stage, dossier, signature };
            step.out.send(coordinator, Priority::High, message);
        }
    }

    pub(super) fn on_consent(
        &mut self,
        term: u32,
        stage: Stage,
        dossier: DossierId,
        consent: Consent,
        step: &mut Step<'_>,
    ) {
        let counters = &mut step.shared.counters;
        if self.council.member(consent.agent).is_none() {
            counters.stranger += 1;
        } else if term != self.term || self.desk.is_none() {
            counters.wrong_term += 1;
        } else {
            let Consent { agent, signature } = &consent;
            let signed = || self.stand(dossier).verify(stage, &step.shared.keys, *agent, signature).is_ok();
            if self.desk.as_ref().is_some_and(|desk| desk.prepared) && stage == Stage::Prepare {
                // One more than were needed.
            } else if self.checks(step) && !signed() {
                step.shared.counters.invalid += 1;
            } else {
                self.collect(stage, dossier, consent, step);
            }
        }
    }

    fn collect(&mut self, stage: Stage, dossier: DossierId, consent: Consent, step: &mut Step<'_>) {
        let Some(desk) = &mut self.desk else { return };
        if desk.offer.as_ref().is_none_or(|(id, _)| *id != dossier) {
            step.shared.counters.invalid += 1;
            return;
        }
        match stage {
            Stage::Prepare => drop(desk.prepares.insert(consent.agent, consent)),
            Stage::Commit => drop(desk.commits.insert(consent.agent, consent)),
        }
        self.advance(step);
    }

    pub(super) fn on_prepared(&mut self, from: AgentId, prepared: Prepared, step: &mut Step<'_>) {
        if prepared.term != self.term || !self.has_liars() {
            step.shared.counters.wrong_term += 1;
        } else if from != self.coordinator() || !self.is_prepared(&prepared, &step.shared.keys) {
            step.shared.counters.invalid += 1;
        } else {
            match &self.accepted {
                None => self.early = Some(prepared),
                Some((id, _)) if *id != prepared.dossier => step.shared.counters.invalid += 1,
                // Said twice, it binds once.
                Some(_) if self.lock.as_ref().is_some_and(|lock| lock.term == self.term) => {}
                Some(_) => self.bind(Some(prepared), step),
            }
        }
    }

    fn is_prepared(&self, prepared: &Prepared, keys: &KeyBook) -> bool {
        let known = |stand: &Stand, stage, consent: &Consent| self.knows(stand, stage, consent);
        prepared.verify_new(keys, &self.council, self.id, known).is_ok()
    }

    pub(super) fn on_promise(
        &mut self,
        from: AgentId,
        term: u32,
        promise: Promise,
        body: Option<Body>,
        step: &mut Step<'_>,
    ) {
        if promise.agent != from || self.council.member(from).is_none() {
            step.shared.counters.stranger += 1;
            return;
        }
        if term < self.term {
            step.shared.counters.wrong_term += 1;
            return;
        }
        let checks = self.checks(step);
        let Body { ballot, lock } = body.unwrap_or_default();
        let keys = &step.shared.keys;
        let lock = match (promise.lock, lock) {
            (Some((locked, id)), Some((dossier, prepared))) => {
                let proven = !self.has_liars()
                    || prepared.as_ref().is_some_and(|prepared| {
                        (prepared.term, prepared.dossier) == (locked, id)
                            && prepared.verify(keys, &self.council, self.id).is_ok()
                    });
                let sound = proven && dossier.id() == id && dossier.check(&self.council).is_ok();
                sound.then(|| Some(Lock { term: locked, id, dossier: Arc::new(dossier), prepared }))
            }
            (None, Some(_)) => None,
            (_, None) => Some(None),
        };
        let ballot_holds = ballot.as_ref().is_none_or(|ballot| {
            ballot.agent == from && ballot.check(&self.council).is_ok() && (!checks || self.is_signed(ballot, keys))
        });
        let signed = !checks || promise.verify(keys, self.id, term);
        let (Some(lock), true, true) = (lock, ballot_holds, signed) else {
            step.shared.counters.invalid += 1;
            return;
        };
        if let Some(ballot) = ballot {
            self.note(&ballot, step);
        }
        let pledge = Pledge { term, promise, lock };
        let newer = |old: &Pledge| (old.term, old.is_complete()) < (pledge.term, pledge.is_complete());
        if self.pledges.get(&from).is_none_or(newer) {
            self.pledges.insert(from, pledge);
        }
        self.follow(step);
        self.advance(step);
    }

    /// Goes to a higher term once so many are there that one of them keeps the protocol.
    fn follow(&mut self, step: &mut Step<'_>) {
        let enough = if self.has_liars() { self.council.faults() + 1 } else { 1 };
        let mut terms: Vec<u32> = self.pledges.values().map(|pledge| pledge.term).collect();
        terms.sort_unstable_by_key(|term| std::cmp::Reverse(*term));
        if let Some(&term) = terms.get(enough - 1)
            && term > self.term
        {
            self.enter(term, step);
        }
    }

    pub(super) fn on_time(&mut self, step: &mut Step<'_>) {
        if step.now >= self.due {
            self.enter(self.term.saturating_add(1), step);
        } else {
            if let Some(desk) = &mut self.desk {
                desk.closed |= step.now >= desk.deadline;
            }
            self.advance(step);
        }
    }

    /// Whether waiting for more votes is of no use: all have spoken that can.
    fn has_all_votes(&self, step: &Step<'_>) -> bool {
        let proofs = &step.shared.proofs;
        let lives = |agent: AgentId| step.shared.lives(agent);
        let members = || self.council.members().iter().map(|member| member.agent);
        let quorum_lives = members().filter(|&agent| lives(agent)).count() >= self.council.quorum();
        members().all(|agent| {
            self.votes.contains_key(&agent) || proofs.contains_key(&agent) || (quorum_lives && !lives(agent))
        })
    }

    fn collected(&self, step: &Step<'_>) -> Dossier {
        let proofs = &step.shared.proofs;
        let member = |agent: AgentId| self.council.member(agent).is_some();
        Dossier {
            author: step.me(),
            ballots: self.votes.values().filter(|ballot| !proofs.contains_key(&ballot.agent)).cloned().collect(),
            proofs: proofs.values().filter(|proof| member(proof.agent())).cloned().collect(),
        }
    }

    fn offer(
        &self,
        dossier: &Dossier,
        promises: Vec<Promise>,
        prepared: Option<Prepared>,
        signature: Signature,
    ) -> Message {
        let (subject, term, dossier) = (self.subject, self.term, dossier.clone());
        Message::Offer(Box::new(Offer { subject, term, dossier, promises, prepared, signature }))
    }

    /// Whom to ask first, besides oneself: within one process as many as decide, since a signature costs more than a
    /// message, and none answers late by itself. Nobody in particular if all must be asked.
    fn few(&self, step: &Step<'_>) -> Vec<AgentId> {
        let (me, others) = (step.me(), self.council.quorum() - 1);
        if self.checks(step) || self.term > 1 {
            return Vec::new();
        }
        let lives = |agent: &AgentId| *agent != me && step.shared.lives(*agent);
        let few: Vec<AgentId> = self.votes.keys().copied().filter(lives).take(others).collect();
        if few.len() == others { few } else { Vec::new() }
    }

    /// Asks all, once those who were asked first had their time.
    fn widen(&mut self, step: &mut Step<'_>) {
        let me = step.me();
        let Some(desk) = &mut self.desk else { return };
        if desk.widen.is_none_or(|widen| step.now < widen) {
            return;
        }
        desk.widen = None;
        let own = self.known.iter().find(|(_, consent)| consent.agent == me);
        if let (Some((_, dossier)), Some((_, consent))) = (&self.accepted, own) {
            let offer = self.offer(dossier, Vec::new(), None, consent.signature.clone());
            step.tell(&self.council, &offer);
        }
    }

    /// The coordinator's next step, if it is time for it.
    pub(super) fn advance(&mut self, step: &mut Step<'_>) {
        let quorum = self.council.quorum();
        let Some(desk) = &self.desk else { return };
        if desk.offer.is_none() {
            let built_on: Vec<&Pledge> =
                self.pledges.values().filter(|pledge| pledge.term == self.term && pledge.is_complete()).collect();
            if self.term > 1 && built_on.len() < quorum {
                return;
            }
            let highest = built_on.iter().filter_map(|pledge| pledge.lock.as_ref()).max_by_key(|lock| lock.term);
            let (dossier, prepared) = match highest {
                Some(lock) => ((lock.id, Arc::clone(&lock.dossier)), lock.prepared.clone()),
                None if desk.closed || self.has_all_votes(step) => {
                    let dossier = self.collected(step);
                    ((dossier.id(), Arc::new(dossier)), None)
                }
                None => return,
            };
            let (id, dossier) = dossier;
            let promises = built_on.iter().map(|pledge| pledge.promise.clone()).collect();
            let first = Stage::first(self.council.mode());
            let consent = Consent { agent: step.me(), signature: self.stand(id).sign(first, &step.shared.identity) };
            let offer = self.offer(&dossier, promises, prepared, consent.signature.clone());
            let few = self.few(step);
            let widen = (!few.is_empty()).then(|| step.now.saturating_add(step.shared.timing.round));
            if few.is_empty() {
                step.tell(&self.council, &offer);
            }
            for agent in few {
                step.out.send(agent, Priority::High, offer.clone());
            }
            if let Some(desk) = &mut self.desk {
                (desk.offer, desk.widen) = (Some((id, Arc::clone(&dossier))), widen);
            }
            self.accept(id, dossier, consent, step);
            return;
        }
        self.widen(step);
        let term = self.term;
        let Some(desk) = &mut self.desk else { return };
        let Some((id, dossier)) = desk.offer.clone() else { return };
        if self.council.mode() == Mode::Byzantine && !desk.prepared && desk.prepares.len() >= quorum {
            desk.prepared = true;
            let consents = desk.prepares.values().cloned().collect();
            let prepared = Prepared { term, dossier: id, consents };
            step.tell(&self.council, &Message::Prepared { subject: self.subject, prepared: prepared.clone() });
            self.bind(Some(prepared), step);
        } else if desk.commits.len() >= quorum && self.certificate.is_none() {
            let commits = desk.commits.values().cloned().collect();
            let dossier = Dossier::clone(&dossier);
            let certificate = Certificate { subject: self.subject, term, dossier, commits };
            step.out.send_all(Priority::High, Message::Decided(Box::new(certificate.clone())));
            self.certificate = Some(certificate);
        }
    }
}
