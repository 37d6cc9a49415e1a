//! Trade decisions: proposals, signed votes, and certificates that end the debate for good.
//!
//! A decision is about a [`Subject`] (question, bar, instrument) and is made by a [`Council`]. Time is cut into *terms*;
//! each has one coordinator, the members in turn.
//!
//! ```text
//!  coordinator ── Proposal ──► members      I call for votes until the deadline
//!              ◄── Vote ──────              one signed ballot per member and decision
//!              ── Offer ─────►              the dossier: all votes that came
//!              ◄── Prepare ───  ┐ with liars only: a quorum says that
//!              ── Prepared ──►  ┘ it knows no other dossier of this term
//!              ◄── Commit ────              I am bound to this dossier
//!              ── Decided ───►              the certificate: votes, and a quorum's commits
//!  no certificate in time: all ── Promise ──► next coordinator: I leave the old term; this is what binds me
//! ```
//!
//! What is agreed on is the dossier, not the outcome: the outcome is a function of it ([`Dossier::outcome`]), so a tie, a
//! veto or a missed deadline is decided by the same means as a trade, and no two members can apply a deadline
//! differently: a deadline is only when a coordinator stops to wait. Only certificates decide. A vote, a majority seen
//! go by, or a coordinator's word decide nothing.
//!
//! # Safety
//! Let f be [`Council::faults`] and a quorum [`Council::quorum`]. Two quorums share a *correct* member: with crashes
//! only, because each is more than half; with liars, because they share f + 1.
//!
//! 1. *One dossier per term.* With crashes only, a term's coordinator writes one offer, and a restarted agent is another
//!    agent ([`AgentId`]). With liars, a member binds itself only to a prepared dossier; a quorum signed that `Prepare`,
//!    a correct member signs one per term, so two prepared dossiers of one term would share a signer who signed both.
//! 2. *What is decided stays offered.* Suppose a quorum C committed dossier d in term t, and no dossier but d was bound
//!    in the terms t..t'. An offer in t' carries promises of a quorum P, and a correct member m is in both C and P. m
//!    committed in t before it promised t', since who promised t' signs nothing of t any more. So m's promise reports a
//!    lock of term t or later, and the highest reported lock is of a term in t..t'. That lock is real (with liars:
//!    its `Prepared` is checked; else: nobody lies), so by supposition it names d, and every correct member refuses an
//!    offer in t' of anything else. By induction over t' no other dossier is ever bound, hence none committed, after t.
//! 3. By 1 and 2 two certificates of one decision hold the same dossier, hence the same outcome. What arrives later
//!    changes nothing: a decided subject is closed, and late votes are only read for equivocation.
//! 4. *One decision per subject.* Councils may change from one stamp to another ([`Consensus::adopt`]) but have the same
//!    members, and a correct member debates a subject under one council only, since it debates none whose council it
//!    does not know yet ([`Consensus::know_until`]); so two decisions of one subject, under two councils, would need one
//!    correct member in both. Other members are another swarm, and agreeing on that change is not done here.
//!
//! *Validity*: each ballot in a dossier is signed by its member, and in the modes for which [`tally`] says so votes can
//! only be lost in favour of no trade. In the Byzantine mode an action has a quorum of votes, so at least quorum - f of
//! correct members wanted it. What a lying coordinator can do is to leave votes out, and so prevent a trade.
//!
//! *Progress*: if a quorum lives, terms change by timeouts that double up to 16 times, members that lag follow the
//! others' promises (one with crashes only; f + 1 with liars, so that liars cannot drive terms alone), and who has the
//! certificate answers a promise with it. So once messages are quick, some correct coordinator's term is long enough.
//!
//! *What is signed.* All that ends in a certificate, always: votes and commits. An offer carries its coordinator's own
//! prepare (with liars) or commit (else), since a correct coordinator takes its offer at once: step 1 is about that
//! signature as about any other. A call for votes decides nothing, and is signed only where the transport is not
//! trusted. *What is checked*, unless the transport's word is taken: every signature once, whatever the mode. Where only
//! crashes are expected a coordinator's signature could stand for the votes under its offer; but then one stolen key
//! would forge everybody's votes and not only leave some out, and it is votes that trade. A ballot that was checked as a
//! vote is known in an offer, and a commit quorum's certificate needs no second look at its ballots, as a correct member
//! of that quorum had one. Strangers check everything ([`Certificate::verify`]).
//!
//! *Who is asked.* Where the transport is trusted, term 1's coordinator asks as many for their commits as a quorum
//! needs, and all if no certificate came within [`Timing::round`]. To the others the offer is a message that was late,
//! which safety does not mind; and if that too fails the term ends as ever.
//!
//! Not here: agents that come back with their number but without their memory (they would break promises: a replacement
//! takes a new number and is no member), and confidentiality.

pub mod ballot;
pub mod council;
mod debate;
pub mod statement;
pub mod tally;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;
use starling_core::time::MILLISECOND;

use crate::component::{Component, Outbox};
use crate::id::AgentId;
use crate::identity::{Identity, KeyBook, Signature};
use ballot::{BadBallot, Ballot, Choice, Equivocation};
use council::{BadCouncil, Council, Mode, Subject};
use debate::{Debate, Shared, Step};
use statement::{Certificate, Consent, Prepared, Promise, Proposal, Stage, Stand};
use tally::{Dossier, DossierId};

/// Decisions that may be open at once.
pub const OPEN_MAX: usize = 1_024;
/// Certificates kept to answer those who lag. Whoever lags further must ask the journal.
pub const KEPT_MAX: usize = 4_096;
/// Councils kept for subjects of the past.
pub const COUNCILS_MAX: usize = 64;
/// Bytes of messages that wait for the council of their bar ([`Consensus::know_until`]).
pub const AHEAD_BYTES_MAX: usize = 128 << 20;

/// What one other member may take of `most`: where members may lie an equal share, so that no liar takes what is the
/// others', else all of it. Of [`OPEN_MAX`], it is how many decisions about one bar a council can make.
#[must_use]
pub fn share(most: usize, mode: Mode, members: usize) -> usize {
    if mode == Mode::Byzantine { (most / members.max(1)).max(1) } else { most }
}

/// How long to wait, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// From the call for votes to its deadline.
    pub patience: u64,
    /// A message there and back, at most, in good times.
    pub round: u64,
}

impl Default for Timing {
    /// For agents that think for up to 200 ms and processes of one host.
    fn default() -> Self {
        Self { patience: 200 * MILLISECOND, round: 25 * MILLISECOND }
    }
}

/// Whose word is taken without checking a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// Nobody's: every signature is checked when it arrives.
    #[default]
    Nobody,
    /// The transport's, that a message is by whom it says: for agents of one process, who could read each other's keys
    /// anyway. What certificates are made of is signed the same, so those that come out convince anybody. The Byzantine
    /// mode signs and checks everything in spite of this.
    Transport,
}

/// A coordinator's dossier, and why it may offer it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// About what.
    pub subject: Subject,
    /// The coordinator's term.
    pub term: u32,
    /// The votes.
    pub dossier: Dossier,
    /// Of a quorum, to this term; none in the first.
    pub promises: Vec<Promise>,
    /// With liars: that the highest lock in the promises is real.
    pub prepared: Option<Prepared>,
    /// The coordinator's, of the stage that taking an offer is: [`Stage::first`].
    pub signature: Signature,
}

/// What a new coordinator needs besides a promise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The member's vote, if it has voted.
    pub ballot: Option<Ballot>,
    /// The dossier of the promise's lock, and with liars that it was prepared.
    pub lock: Option<(Dossier, Option<Prepared>)>,
}

/// What members say to each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// A coordinator calls for votes.
    Proposal(Proposal),
    /// A vote, to the coordinator of a term.
    Vote {
        /// About what.
        subject: Subject,
        /// Whose coordinator is meant.
        term: u32,
        /// The vote.
        ballot: Ballot,
    },
    /// A coordinator's dossier.
    Offer(Box<Offer>),
    /// A member's signature, to the coordinator.
    Consent {
        /// About what.
        subject: Subject,
        /// In which term.
        term: u32,
        /// To what.
        stage: Stage,
        /// Of which dossier.
        dossier: DossierId,
        /// The member's.
        signature: Signature,
    },
    /// With liars: this is the one dossier of the term.
    Prepared {
        /// About what.
        subject: Subject,
        /// The proof.
        prepared: Prepared,
    },
    /// A member goes to a term: in short to all, in full to its coordinator.
    Promise {
        /// About what.
        subject: Subject,
        /// To which term.
        term: u32,
        /// The promise.
        promise: Promise,
        /// What the coordinator needs.
        body: Option<Box<Body>>,
    },
    /// The end.
    Decided(Box<Certificate>),
    /// Somebody lied.
    Proof(Box<Equivocation>),
}

/// What an agent is told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A vote is wanted: see [`Consensus::vote`].
    Called {
        /// About what.
        subject: Subject,
        /// In which term.
        term: u32,
        /// Not waited for after that.
        deadline: UnixNanos,
    },
    /// Decided, for good. Told once per subject.
    Decided(Arc<Certificate>),
    /// An agent signed two different votes. Its votes do not count any more.
    Equivocated(Box<Equivocation>),
}

/// What was refused, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// By agents that are no members, or in another's name.
    pub stranger: u64,
    /// Of a term that is over, or that is not its receiver's to coordinate.
    pub wrong_term: u64,
    /// About subjects that are forgotten.
    pub forgotten: u64,
    /// Signatures that do not hold, votes without the right to them, dossiers against the rules.
    pub invalid: u64,
    /// Votes and offers after the dossier was closed, or the decision made.
    pub late: u64,
    /// More open decisions than [`OPEN_MAX`], or a member's [`share`] of them.
    pub full: u64,
    /// More about bars to come than [`AHEAD_BYTES_MAX`], or a member's [`share`] of it.
    pub ahead: u64,
}

/// Why a member's own vote was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It has voted.
    #[error("{0} has voted on {1:?} already: a second vote would be an equivocation")]
    Voted(AgentId, Subject),
    /// It is decided.
    #[error("{0:?} is decided: a later vote changes nothing")]
    Decided(Subject),
    /// It is so long ago that nobody remembers.
    #[error("{0:?} is older than what is remembered: vote on newer bars")]
    Forgotten(Subject),
    /// Its council is not known yet.
    #[error("{0:?} is later than the councils that are known: adopt its council first")]
    Ahead(Subject),
    /// Too much is open.
    #[error("{OPEN_MAX} decisions are open: {0:?} must wait until some are made, or forgotten")]
    Full(Subject),
    /// No right to this vote.
    #[error(transparent)]
    Ballot(#[from] BadBallot),
}

/// A member's part in all decisions of a swarm.
#[derive(Debug)]
pub struct Consensus {
    shared: Shared,
    /// Each from a stamp on.
    councils: BTreeMap<UnixNanos, Arc<Council>>,
    /// Boxed: a map keeps the room of its largest leaf, and most members debate rarely.
    open: BTreeMap<Subject, Box<Debate>>,
    decided: BTreeMap<Subject, Arc<Certificate>>,
    /// Everything up to here that is not decided never will be, as far as this member goes.
    floor: Option<Subject>,
    /// The last stamp whose council is known.
    horizon: UnixNanos,
    /// About later ones, in the order in which they came.
    ahead: VecDeque<(AgentId, Subject, Message)>,
    /// Their bytes, by whom they are.
    ahead_bytes: BTreeMap<AgentId, usize>,
}

impl Consensus {
    /// A member, or an agent that only listens if the council is without it. `keys` are of all members.
    #[must_use]
    pub fn new(identity: Identity, keys: Arc<KeyBook>, council: Council, timing: Timing, trust: Trust) -> Self {
        let shared = Shared {
            identity,
            keys,
            trust,
            timing,
            living: None,
            swarm: 0,
            proofs: BTreeMap::new(),
            counters: Counters::default(),
        };
        let councils = BTreeMap::from([(UnixNanos::EPOCH, Arc::new(council))]);
        Self {
            shared,
            councils,
            open: BTreeMap::new(),
            decided: BTreeMap::new(),
            floor: None,
            horizon: UnixNanos::MAX,
            ahead: VecDeque::new(),
            ahead_bytes: BTreeMap::new(),
        }
    }

    /// Subjects from `since` on are decided by this council: other track records, vetoes or rules, the same members.
    /// Must be derived from what is the same at all members, like decisions and bars; members with different councils
    /// do not reach a decision. Whose councils change says from the beginning until when they are known
    /// ([`Consensus::know_until`]): else others' messages could begin a debate before its council is there.
    ///
    /// # Errors
    /// [`BadCouncil::Members`], [`BadCouncil::Faults`], [`BadCouncil::Late`].
    pub fn adopt(&mut self, since: UnixNanos, council: Council) -> Result<(), BadCouncil> {
        let (&before, current) = self.councils.last_key_value().expect("there is always a council");
        let agents = |council: &Council| council.members().iter().map(|member| member.agent).collect::<Vec<_>>();
        if agents(current) != agents(&council) {
            return Err(BadCouncil::Members(before));
        }
        if (current.mode() == Mode::Byzantine) != (council.mode() == Mode::Byzantine) {
            return Err(BadCouncil::Faults(before));
        }
        let first = Subject { stamp: since, instrument: 0, question: 0 };
        let other = |debate: &Debate| **debate.council() != council;
        if self.open.range(first..).any(|(_, debate)| other(debate)) || self.decided.range(first..).next().is_some() {
            return Err(BadCouncil::Late(since));
        }
        self.councils.insert(since, Arc::new(council));
        while self.councils.len() > COUNCILS_MAX {
            self.councils.pop_first();
        }
        Ok(())
    }

    /// The councils of all bars up to `stamp` are known, and of later ones they are not. What others said about bars up
    /// to there and came too early is heard now; what they say about later ones waits, bounded, as it may overtake the
    /// bars that their council is derived from. Until this is said for the first time, the first council is for all time.
    pub fn know_until(&mut self, now: UnixNanos, stamp: UnixNanos, out: &mut Outbox<Message>, events: &mut Vec<Event>) {
        self.horizon = stamp;
        self.ahead_bytes.clear();
        for (from, subject, message) in std::mem::take(&mut self.ahead) {
            if subject.stamp <= stamp {
                self.on_message(now, from, message, out, events);
            } else {
                self.wait(from, subject, message);
            }
        }
    }

    /// Keeps what is about a bar whose council is not known yet.
    fn wait(&mut self, from: AgentId, subject: Subject, message: Message) {
        let council = self.councils.last_key_value().expect("there is always a council").1;
        if council.member(from).is_none() {
            self.shared.counters.stranger += 1;
            return;
        }
        let bytes = size_of::<(AgentId, Subject, Message)>() + message.bytes();
        let all: usize = self.ahead_bytes.values().sum();
        let most = share(AHEAD_BYTES_MAX, council.mode(), council.members().len());
        let held = self.ahead_bytes.get(&from).copied().unwrap_or(0);
        if all + bytes > AHEAD_BYTES_MAX || held + bytes > most {
            self.shared.counters.ahead += 1;
        } else {
            self.ahead_bytes.insert(from, held + bytes);
            self.ahead.push_back((from, subject, message));
        }
    }

    /// Who decides about a subject; none if it is older than all councils kept.
    #[must_use]
    pub fn council(&self, subject: Subject) -> Option<&Arc<Council>> {
        self.councils.range(..=subject.stamp).next_back().map(|(_, council)| council)
    }

    /// A decision, if it is made and still kept.
    #[must_use]
    pub fn decision(&self, subject: Subject) -> Option<&Arc<Certificate>> {
        self.decided.get(&subject)
    }

    /// Decisions under way.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// What was refused.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.shared.counters
    }

    /// Those who were caught with two votes in one decision.
    pub fn liars(&self) -> impl Iterator<Item = &Equivocation> {
        self.shared.proofs.values()
    }

    /// Begins a decision without a vote of one's own, so that all are asked for theirs.
    ///
    /// # Errors
    /// [`Refused`], but not for having voted.
    pub fn propose(
        &mut self,
        now: UnixNanos,
        subject: Subject,
        out: &mut Outbox<Message>,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let me = self.shared.identity.agent();
        self.debate(now, subject, me, out, events)?;
        self.settle(subject, events);
        Ok(())
    }

    /// Votes, once per subject; begins the decision if nobody has.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn vote(
        &mut self,
        now: UnixNanos,
        subject: Subject,
        choice: Choice,
        out: &mut Outbox<Message>,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let me = self.shared.identity.agent();
        if subject.stamp > self.horizon {
            return Err(Refused::Ahead(subject));
        }
        let council = Arc::clone(self.council(subject).ok_or(Refused::Forgotten(subject))?);
        if self.open.get(&subject).is_some_and(|debate| debate.own().is_some()) {
            return Err(Refused::Voted(me, subject));
        }
        choice.check(me, &council)?;
        self.debate(now, subject, me, out, events)?;
        let debate = self.open.get_mut(&subject).expect("begun");
        assert_eq!(debate.council(), &council, "a subject has one council");
        let ballot = Ballot::new(&self.shared.identity, debate.id(), choice);
        debate.vote(ballot, &mut Step { now, shared: &mut self.shared, out, events });
        self.settle(subject, events);
        Ok(())
    }

    /// Takes no part any more in decisions about bars before `stamp` that are not made, and drops their certificates and
    /// councils.
    pub fn forget_before(&mut self, stamp: UnixNanos) {
        let first = Subject { stamp, instrument: 0, question: 0 };
        self.open = self.open.split_off(&first);
        self.decided = self.decided.split_off(&first);
        if let Some((&since, _)) = self.councils.range(..=stamp).next_back() {
            self.councils = self.councils.split_off(&since);
        }
        let last = stamp.get().checked_sub(1).map(UnixNanos::new);
        let last = last.map(|stamp| Subject { stamp, instrument: u32::MAX, question: u16::MAX });
        self.floor = self.floor.max(last);
    }

    /// Holds once, with another member in this process, what both know alike: councils and certificates. It changes
    /// nothing but memory. Of twenty members' certificates each is 3 KB.
    pub fn share(&mut self, with: &Self) {
        share_equal(&mut self.councils, &with.councils);
        share_equal(&mut self.decided, &with.decided);
    }

    /// The debate about a subject, begun by `opener` if there is none.
    fn debate(
        &mut self,
        now: UnixNanos,
        subject: Subject,
        opener: AgentId,
        out: &mut Outbox<Message>,
        events: &mut Vec<Event>,
    ) -> Result<&mut Debate, Refused> {
        if subject.stamp > self.horizon {
            return Err(Refused::Ahead(subject));
        }
        if self.decided.contains_key(&subject) {
            return Err(Refused::Decided(subject));
        }
        if !self.open.contains_key(&subject) {
            let me = self.shared.identity.agent();
            let council = self.council(subject).filter(|_| self.floor.is_none_or(|floor| floor < subject));
            let council = Arc::clone(council.ok_or(Refused::Forgotten(subject))?);
            if council.member(me).is_none() {
                return Err(BadBallot::Stranger(me).into());
            }
            let most = share(OPEN_MAX, council.mode(), council.members().len());
            let begun = || self.open.values().filter(|debate| debate.opener == opener).count();
            if self.open.len() >= OPEN_MAX || (opener != me && most < OPEN_MAX && begun() >= most) {
                return Err(Refused::Full(subject));
            }
            let mut step = Step { now, shared: &mut self.shared, out, events };
            let debate = Debate::open(subject, council, opener, &mut step);
            self.open.insert(subject, Box::new(debate));
        }
        Ok(self.open.get_mut(&subject).expect("there, or just begun"))
    }

    /// Closes a debate that has its certificate.
    fn settle(&mut self, subject: Subject, events: &mut Vec<Event>) {
        if let Some(certificate) = self.open.get_mut(&subject).and_then(|debate| debate.take_certificate()) {
            self.close(certificate, events);
        }
    }

    fn close(&mut self, certificate: Certificate, events: &mut Vec<Event>) {
        let certificate = Arc::new(certificate);
        self.open.remove(&certificate.subject);
        self.decided.insert(certificate.subject, Arc::clone(&certificate));
        while self.decided.len() > KEPT_MAX {
            let oldest = self.decided.pop_first().map(|(subject, _)| subject);
            self.floor = self.floor.max(oldest);
        }
        events.push(Event::Decided(certificate));
    }

    fn on_certificate(&mut self, certificate: Certificate, out: &mut Outbox<Message>, events: &mut Vec<Event>) {
        let subject = certificate.subject;
        let open = self.open.get(&subject).map(Box::as_ref);
        let forgotten = open.is_none() && self.floor.is_some_and(|floor| subject <= floor);
        if self.decided.contains_key(&subject) || forgotten {
            return;
        }
        let Some(council) = open.map(Debate::council).or_else(|| self.council(subject)) else {
            self.shared.counters.forgotten += 1;
            return;
        };
        let checked = || {
            let decision = open.map_or_else(|| council.decision(subject), Debate::id);
            let known = |stand: &Stand, stage, consent: &Consent| {
                open.is_some_and(|debate| debate.knows(stand, stage, consent))
            };
            certificate.verify_commits(&self.shared.keys, council, decision, known).is_ok()
        };
        if self.shared.checks(council) && !checked() {
            self.shared.counters.invalid += 1;
            return;
        }
        let mut step = Step { now: UnixNanos::EPOCH, shared: &mut self.shared, out, events };
        for proof in &certificate.dossier.proofs {
            step.accuse(proof.clone(), false);
        }
        self.close(certificate, events);
    }

    /// A message about a decided subject: a lagging member gets the certificate, a second vote is held against its voter.
    fn on_late(&mut self, from: AgentId, message: Message, out: &mut Outbox<Message>, events: &mut Vec<Event>) {
        let certificate = &self.decided[&message.subject().expect("about a subject")];
        match message {
            Message::Promise { body: None, .. } => {
                let answer = Message::Decided(Box::new(Certificate::clone(certificate)));
                out.send(from, crate::component::Priority::High, answer);
            }
            Message::Vote { subject, ballot, .. } => {
                self.shared.counters.late += 1;
                let council = self.councils.range(..=subject.stamp).next_back().map(|(_, council)| council);
                if let (Some(council), Some(first)) = (council, certificate.dossier.ballot(ballot.agent))
                    && first.choice != ballot.choice
                {
                    let decision = council.decision(subject);
                    let proof = Equivocation { decision, first: first.clone(), second: ballot };
                    Step { now: UnixNanos::EPOCH, shared: &mut self.shared, out, events }.accuse(proof, true);
                }
            }
            _ => {}
        }
    }
}

fn share_equal<K: Ord, V: Eq>(mine: &mut BTreeMap<K, Arc<V>>, theirs: &BTreeMap<K, Arc<V>>) {
    for (key, value) in mine {
        if let Some(same) = theirs.get(key).filter(|other| !Arc::ptr_eq(other, value) && ***other == **value) {
            *value = Arc::clone(same);
        }
    }
}

impl Message {
    /// What it is about; proofs are about their agent only.
    #[must_use]
    pub const fn subject(&self) -> Option<Subject> {
        match self {
            Self::Proposal(proposal) => Some(proposal.subject),
            Self::Offer(offer) => Some(offer.subject),
            Self::Decided(certificate) => Some(certificate.subject),
            Self::Vote { subject, .. }
            | Self::Consent { subject, .. }
            | Self::Prepared { subject, .. }
            | Self::Promise { subject, .. } => Some(*subject),
            Self::Proof(_) => None,
        }
    }

    /// About how many it takes, beyond its own struct.
    fn bytes(&self) -> usize {
        let size = postcard::ser_flavors::Size::default();
        postcard::serialize_with_flavor(self, size).expect("a message can be encoded")
    }
}

impl Component for Consensus {
    type Message = Message;
    type Event = Event;

    fn on_message(
        &mut self,
        now: UnixNanos,
        from: AgentId,
        message: Message,
        out: &mut Outbox<Message>,
        events: &mut Vec<Event>,
    ) {
        let Some(subject) = message.subject() else {
            if let Message::Proof(proof) = message {
                Step { now, shared: &mut self.shared, out, events }.accuse(*proof, false);
            }
            return;
        };
        if subject.stamp > self.horizon {
            return self.wait(from, subject, message);
        }
        if let Message::Decided(certificate) = message {
            return self.on_certificate(*certificate, out, events);
        }
        if self.decided.contains_key(&subject) {
            return self.on_late(from, message, out, events);
        }
        // Strangers open nothing.
        if self.council(subject).is_some_and(|council| council.member(from).is_none()) {
            self.shared.counters.stranger += 1;
            return;
        }
        if let Err(why) = self.debate(now, subject, from, out, events) {
            let Counters { forgotten, full, .. } = &mut self.shared.counters;
            match why {
                Refused::Forgotten(_) => *forgotten += 1,
                Refused::Full(_) => *full += 1,
                // Not a member: it only waits for certificates.
                _ => {}
            }
            return;
        }
        let debate = self.open.get_mut(&subject).expect("there, or just begun");
        let mut step = Step { now, shared: &mut self.shared, out, events };
        match message {
            Message::Proposal(proposal) => debate.on_proposal(from, &proposal, &mut step),
            Message::Vote { term, ballot, .. } => debate.on_vote(from, term, &ballot, &mut step),
            Message::Offer(offer) => debate.on_offer(from, *offer, &mut step),
            Message::Consent { term, stage, dossier, signature, .. } => {
                debate.on_consent(term, stage, dossier, Consent { agent: from, signature }, &mut step);
            }
            Message::Prepared { prepared, .. } => debate.on_prepared(from, prepared, &mut step),
            Message::Promise { term, promise, body, .. } => {
                debate.on_promise(from, term, promise, body.map(|body| *body), &mut step);
            }
            Message::Decided(_) | Message::Proof(_) => {}
        }
        self.settle(subject, events);
    }

    fn on_time(&mut self, now: UnixNanos, out: &mut Outbox<Message>, events: &mut Vec<Event>) {
        let due: Vec<Subject> =
            self.open.iter().filter(|(_, debate)| debate.next_due() <= now).map(|(subject, _)| *subject).collect();
        for subject in due {
            let debate = self.open.get_mut(&subject).expect("just seen");
            debate.on_time(&mut Step { now, shared: &mut self.shared, out, events });
            self.settle(subject, events);
        }
    }

    fn next_due(&self) -> UnixNanos {
        self.open.values().map(|debate| debate.next_due()).min().unwrap_or(UnixNanos::MAX)
    }

    fn on_members(&mut self, now: UnixNanos, members: &[AgentId], out: &mut Outbox<Message>, events: &mut Vec<Event>) {
        // Of a swarm of many councils one's own is enough.
        let council = self.councils.last_key_value().expect("there is always a council").1;
        let seats = council.members().iter().map(|member| member.agent);
        self.shared.living = Some(seats.filter(|agent| members.binary_search(agent).is_ok()).collect());
        self.shared.swarm = members.len();
        let subjects: Vec<Subject> = self.open.keys().copied().collect();
        for subject in subjects {
            let debate = self.open.get_mut(&subject).expect("just seen");
            let mut step = Step { now, shared: &mut self.shared, out, events };
            debate.hurry(&step);
            debate.advance(&mut step);
            self.settle(subject, events);
        }
    }
}
