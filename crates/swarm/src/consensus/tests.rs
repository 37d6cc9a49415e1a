//! A council in one room: messages in any order, time by hand. What links do to frames is the simulator's.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::council::{Member, Mode, UNIT};
use super::statement::{BadCertificate, Stand};
use super::tally::{BadDossier, Outcome, Reason};
use super::*;
use crate::component::To;
use crate::identity::{IdentityError, Transcript};
use ballot::Action::{self, Buy, Hold, Sell};

const START: UnixNanos = UnixNanos::new(1_000_000_000);
const TRUSTS: [Trust; 2] = [Trust::Nobody, Trust::Transport];
const TIMING: Timing = Timing { patience: 100, round: 10 };

fn subject(stamp: u64) -> Subject {
    Subject { stamp: UnixNanos::new(stamp), instrument: 7, question: 0 }
}

fn identity(agent: u32) -> Identity {
    let mut seed = [0x5e; 32];
    seed[..4].copy_from_slice(&agent.to_le_bytes());
    Identity::new(AgentId(agent), &seed)
}

fn keys(n: u32) -> Arc<KeyBook> {
    let mut book = KeyBook::new();
    for agent in 0..n {
        book.insert(AgentId(agent), &identity(agent).public()).unwrap();
    }
    Arc::new(book)
}

fn council(mode: Mode, n: u32) -> Council {
    Council::new(mode, (0..n).map(|agent| Member::new(AgentId(agent)))).unwrap()
}

const fn act(action: Action) -> Choice {
    Choice::Act { action, confidence: 8_000 }
}

const fn sure(action: Action, confidence: u16) -> Choice {
    Choice::Act { action, confidence }
}

struct Room {
    members: Vec<Consensus>,
    council: Council,
    keys: Arc<KeyBook>,
    now: UnixNanos,
    letters: Vec<(AgentId, AgentId, Message)>,
    events: Vec<(AgentId, Event)>,
    /// Neither hear nor speak.
    dead: BTreeSet<AgentId>,
    chance: u64,
}

impl Room {
    fn new(council: Council) -> Self {
        Self::with(council, Trust::Nobody)
    }

    fn with(council: Council, trust: Trust) -> Self {
        let n = council.members().len() as u32;
        let keys = keys(n);
        let member = |agent| Consensus::new(identity(agent), Arc::clone(&keys), council.clone(), TIMING, trust);
        let members = (0..n).map(member).collect();
        let (letters, events, dead) = (Vec::new(), Vec::new(), BTreeSet::new());
        Self { members, council, keys, now: START, letters, events, dead, chance: 1 }
    }

    fn next(&mut self, below: usize) -> usize {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.chance >> 33) as usize % below
    }

    fn speak<R>(
        &mut self,
        agent: u32,
        say: impl FnOnce(&mut Consensus, UnixNanos, &mut Outbox<Message>, &mut Vec<Event>) -> R,
    ) -> R {
        let (mut out, mut events) = (Outbox::new(), Vec::new());
        let me = AgentId(agent);
        let answer = say(&mut self.members[agent as usize], self.now, &mut out, &mut events);
        self.events.extend(events.into_iter().map(|event| (me, event)));
        for outgoing in out.drain() {
            let ears: Vec<AgentId> = match outgoing.to {
                To::One(agent) => vec![agent],
                To::All => (0..self.members.len() as u32).map(AgentId).filter(|&other| other != me).collect(),
            };
            self.letters.extend(ears.into_iter().map(|ear| (me, ear, outgoing.message.clone())));
        }
        answer
    }

    fn vote(&mut self, agent: u32, subject: Subject, choice: Choice) {
        self.speak(agent, |member, now, out, events| member.vote(now, subject, choice, out, events)).unwrap();
    }

    fn hear(&mut self, from: u32, to: u32, message: Message) {
        self.speak(to, |member, now, out, events| member.on_message(now, AgentId(from), message, out, events));
    }

    /// Delivers everything, in any order.
    fn deliver(&mut self) {
        while !self.letters.is_empty() {
            let place = self.next(self.letters.len());
            let (from, to, message) = self.letters.swap_remove(place);
            if !self.dead.contains(&from) && !self.dead.contains(&to) {
                self.hear(from.0, to.0, message);
            }
        }
    }

    fn pass(&mut self, nanos: u64) {
        self.now = self.now.saturating_add(nanos);
        for agent in 0..self.members.len() as u32 {
            if !self.dead.contains(&AgentId(agent)) {
                self.speak(agent, Consensus::on_time);
            }
        }
        self.deliver();
    }

    /// Until every living member has decided, or a thousand steps.
    fn finish(&mut self, subject: Subject) -> Outcome {
        self.deliver();
        for _ in 0..1_000 {
            if self.undecided(subject) == 0 {
                break;
            }
            self.pass(10);
        }
        assert_eq!(self.undecided(subject), 0, "no decision");
        self.agreed(subject).expect("decided")
    }

    fn undecided(&self, subject: Subject) -> usize {
        let lives = |agent: &u32| !self.dead.contains(&AgentId(*agent));
        let agents = (0..self.members.len() as u32).filter(lives);
        agents.filter(|&agent| self.members[agent as usize].decision(subject).is_none()).count()
    }

    /// The one outcome, if any member has one; certificates are checked by somebody who was not there.
    fn agreed(&self, subject: Subject) -> Option<Outcome> {
        let certificates: Vec<_> = self.members.iter().filter_map(|member| member.decision(subject)).collect();
        for certificate in &certificates {
            assert_eq!(certificate.verify(&self.keys, &self.council), Ok(()));
            assert_eq!(certificate.dossier, certificates[0].dossier, "two decisions");
        }
        for agent in 0..self.members.len() as u32 {
            let decided = |(who, event): &&(AgentId, Event)| {
                *who == AgentId(agent) && matches!(event, Event::Decided(done) if done.subject == subject)
            };
            assert!(self.events.iter().filter(decided).count() <= 1, "told twice");
        }
        certificates.first().map(|certificate| certificate.outcome(&self.council))
    }
}

fn dossier(council: &Council, votes: &[(u32, Choice)]) -> Dossier {
    let decision = council.decision(subject(1));
    let ballots = votes.iter().map(|&(agent, choice)| Ballot::new(&identity(agent), decision, choice)).collect();
    Dossier { author: AgentId(0), ballots, proofs: Vec::new() }
}

fn judge(council: &Council, votes: &[(u32, Choice)]) -> Outcome {
    let dossier = dossier(council, votes);
    assert_eq!(dossier.check(council), Ok(()));
    dossier.outcome(council)
}

const fn done(action: Action, supporters: u32, confidence: u16) -> Outcome {
    Outcome::Act { action, supporters, confidence }
}

const fn none(reason: Reason) -> Outcome {
    Outcome::NoTrade(reason)
}

/// Each mode at its edge, counted by hand.
#[test]
fn outcomes() {
    use Choice::Abstain;
    let all = |choices: &[Choice]| choices.iter().enumerate().map(|(i, c)| (i as u32, *c)).collect::<Vec<_>>();
    let (b, s, h) = (act(Buy), act(Sell), act(Hold));

    let majority = council(Mode::Majority, 6);
    assert_eq!(judge(&majority, &all(&[b, b, b, s])), done(Buy, 3, 8_000));
    assert_eq!(judge(&majority, &all(&[b, b, b, s, s, s])), none(Reason::Tie));
    assert_eq!(judge(&majority, &all(&[b, b, s, h])), none(Reason::Disagreement));
    assert_eq!(judge(&majority, &all(&[b, b, Abstain, Abstain])), none(Reason::Disagreement));
    assert_eq!(judge(&majority, &all(&[b, b, b])), none(Reason::Silence));

    let quorum = council(Mode::Quorum, 6);
    assert_eq!(judge(&quorum, &all(&[h, h, h, h])), done(Hold, 4, 8_000));
    assert_eq!(judge(&quorum, &all(&[b, b, b, Abstain, Abstain, Abstain])), none(Reason::Disagreement));

    // Seven, of whom two may lie: five.
    let byzantine = council(Mode::Byzantine, 7);
    assert_eq!(judge(&byzantine, &all(&[s, s, s, s, s, b, b])), done(Sell, 5, 8_000));
    assert_eq!(judge(&byzantine, &all(&[s, s, s, s, b, b, b])), none(Reason::Disagreement));

    let unanimous = council(Mode::Unanimous, 4);
    assert_eq!(judge(&unanimous, &all(&[b, b, Abstain, b])), done(Buy, 3, 8_000));
    assert_eq!(judge(&unanimous, &all(&[b, b, b, h])), none(Reason::Disagreement));
    assert_eq!(judge(&unanimous, &all(&[b, b, b])), none(Reason::Silence));

    let leader = council(Mode::Leader, 5);
    assert_eq!(judge(&leader, &all(&[b, b, s, s, Abstain])), done(Buy, 2, 8_000));
    assert_eq!(judge(&leader, &all(&[b, b, s, s, h])), none(Reason::Disagreement));
    assert_eq!(judge(&leader, &all(&[b, Abstain, Abstain])), none(Reason::Disagreement));
    assert_eq!(judge(&leader, &all(&[Abstain, b, b, b, b])), none(Reason::Disagreement));
}

/// 3 members of weights 1, 0.5, 0.5: the share of "buy" is (0.9 + 0.5 x 0.6) / (0.9 + 0.3 + 0.5 x c) for a third who
/// sells with confidence c, and 1.2 / 1.7 = 0.7059 if it is silent.
#[test]
fn weights() {
    let weight = [10_000, 5_000, 5_000];
    let member = |agent: u32| Member { weight: weight[agent as usize], ..Member::new(AgentId(agent)) };
    let council = Council::new(Mode::Weighted, (0..3).map(member)).unwrap();
    let two = [(0, sure(Buy, 9_000)), (1, sure(Buy, 6_000))];
    assert_eq!(judge(&council, &two), done(Buy, 2, 7_500));
    let strict = council.clone().with_threshold(7_059).unwrap();
    assert_eq!(judge(&strict, &two), none(Reason::Disagreement));
    let strict = council.clone().with_threshold(7_058).unwrap();
    assert_eq!(judge(&strict, &two), done(Buy, 2, 7_500));
    // 1.2 / 1.6 = 0.75.
    let three = [two[0], two[1], (2, sure(Sell, 8_000))];
    assert_eq!(judge(&council.clone().with_threshold(7_500).unwrap(), &three), done(Buy, 2, 7_500));
    // Weight alone decides nothing: 1.0 of 1.0, but one vote.
    let lonely = [(0, sure(Buy, 10_000)), (1, sure(Sell, 0)), (2, sure(Sell, 0))];
    assert_eq!(judge(&council, &lonely), none(Reason::Disagreement));
    let tie = [(0, sure(Buy, 5_000)), (1, sure(Sell, 5_000)), (2, sure(Sell, 5_000))];
    assert_eq!(judge(&council, &tie), none(Reason::Tie));
}

#[test]
fn risk_says_no_alone_and_nothing_is_traded_before_it_spoke() {
    for mode in [Mode::Majority, Mode::Weighted, Mode::Quorum, Mode::Byzantine, Mode::Unanimous, Mode::Leader] {
        let member = |agent: u32| Member { veto: agent == 3, ..Member::new(AgentId(agent)) };
        let council = Council::new(mode, (0..4).map(member)).unwrap();
        let three = [(0, act(Buy)), (1, act(Buy)), (2, act(Buy))];
        let with = |choice| [three.as_slice(), &[(3, choice)]].concat();
        assert_eq!(judge(&council, &three), none(Reason::VetoSilent(AgentId(3))), "{mode:?}");
        assert_eq!(judge(&council, &with(Choice::Veto)), none(Reason::Vetoed(AgentId(3))), "{mode:?}");
        assert_eq!(judge(&council, &with(act(Buy))), done(Buy, 4, 8_000), "{mode:?}");
        let stranger = dossier(&council, &[(0, Choice::Veto)]).check(&council);
        assert_eq!(stranger, Err(BadDossier::Ballot(BadBallot::NoVeto(AgentId(0)))));
    }
}

#[test]
fn a_council_of_one_decides_that_it_trades_nothing() {
    for mode in [Mode::Majority, Mode::Leader, Mode::Byzantine] {
        let mut room = Room::new(council(mode, 1));
        room.vote(0, subject(1), sure(Buy, UNIT));
        assert_eq!(room.finish(subject(1)), none(Reason::Alone));
    }
}

#[test]
fn all_modes_decide_the_same_everywhere() {
    for mode in [Mode::Majority, Mode::Weighted, Mode::Quorum, Mode::Byzantine, Mode::Unanimous, Mode::Leader] {
        for trust in [Trust::Nobody, Trust::Transport] {
            let mut room = Room::with(council(mode, 6), trust);
            (0..6).for_each(|agent| room.vote(agent, subject(1), act(Sell)));
            assert_eq!(room.finish(subject(1)), done(Sell, 6, 8_000), "{mode:?}");
            assert_eq!(room.now, START, "no timeout was needed");
        }
    }
}

/// The known naive design takes the first vote for a decision, and lets a later minority take it back.
#[test]
fn one_vote_never_finalises_and_a_later_minority_never_unfinalises() {
    let mut room = Room::new(council(Mode::Quorum, 6));
    room.vote(2, subject(1), sure(Buy, UNIT));
    room.deliver();
    room.pass(50);
    assert_eq!(room.agreed(subject(1)), None, "one vote is no decision");
    [0, 1, 3].into_iter().for_each(|agent| room.vote(agent, subject(1), act(Buy)));
    room.deliver();
    assert_eq!(room.agreed(subject(1)), None, "two may still speak");
    room.pass(60);
    assert_eq!(room.agreed(subject(1)), Some(done(Buy, 4, 8_500)));
    let before = room.members[0].decision(subject(1)).cloned();
    for agent in [4, 5] {
        // They were told; as if they were not, their votes come anyway.
        let ballot = Ballot::new(&identity(agent), room.council.decision(subject(1)), act(Sell));
        for to in 0..4 {
            room.hear(agent, to, Message::Vote { subject: subject(1), term: 1, ballot: ballot.clone() });
        }
        let late = room.speak(agent, |member, now, out, events| member.vote(now, subject(1), act(Sell), out, events));
        assert_eq!(late, Err(Refused::Decided(subject(1))));
    }
    (0..100).for_each(|_| room.pass(100));
    assert_eq!(room.members[0].decision(subject(1)).cloned(), before);
    assert_eq!(room.agreed(subject(1)), Some(done(Buy, 4, 8_500)));
    assert_eq!(room.members[0].counters().late, 2);
}

#[test]
fn one_vote_alone_ends_as_no_trade() {
    let mut room = Room::new(council(Mode::Quorum, 4));
    room.vote(2, subject(1), sure(Buy, UNIT));
    assert_eq!(room.finish(subject(1)), none(Reason::Disagreement));
    let certificate = room.members[3].decision(subject(1)).unwrap();
    assert_eq!((certificate.dossier.ballots.len(), certificate.term), (1, 1));
}

#[test]
fn a_dead_coordinator_is_replaced() {
    for mode in [Mode::Quorum, Mode::Byzantine] {
        let mut room = Room::new(council(mode, 7));
        room.dead.extend([AgentId(0), AgentId(1)]);
        (2..7).for_each(|agent| room.vote(agent, subject(1), act(Buy)));
        assert_eq!(room.finish(subject(1)), done(Buy, 5, 8_000));
        assert_eq!(room.members[6].decision(subject(1)).unwrap().term, 3);
    }
}

/// A coordinator past its deadline without a quorum's promises waits for its term to end, not for every nanosecond.
#[test]
fn nobody_is_woken_for_nothing() {
    let mut room = Room::new(council(Mode::Quorum, 3));
    room.dead.extend([AgentId(0), AgentId(2)]);
    room.vote(1, subject(1), act(Buy));
    for _ in 0..12 {
        let due = room.members[1].next_due();
        assert!(due > room.now, "woken at {} again", due.since(START));
        room.pass(due.since(room.now));
    }
}

#[test]
fn who_is_known_to_be_dead_is_not_waited_for() {
    let mut room = Room::new(council(Mode::Quorum, 5));
    room.dead.extend([AgentId(0), AgentId(4)]);
    let living = [1, 2, 3].map(AgentId);
    (1..4).for_each(|agent| room.speak(agent, |member, now, out, events| member.on_members(now, &living, out, events)));
    (1..4).for_each(|agent| room.vote(agent, subject(1), act(Buy)));
    assert_eq!(room.finish(subject(1)), done(Buy, 3, 8_000));
    assert!(room.now <= START.saturating_add(TIMING.round), "waited until {}", room.now.since(START));
}

/// A coordinator decides, and dies before anybody hears of it: its dossier binds the next, who has other votes.
#[test]
fn a_decision_nobody_heard_of_is_made_again_the_same() {
    for mode in [Mode::Quorum, Mode::Byzantine] {
        let mut room = Room::new(council(mode, 4));
        (0..3).for_each(|agent| room.vote(agent, subject(1), act(Buy)));
        // Agent 3 is cut off; the deadline closes the dossier without it.
        room.dead.insert(AgentId(3));
        room.deliver();
        room.now = room.now.saturating_add(TIMING.patience);
        room.speak(0, Consensus::on_time);
        while room.members[0].decision(subject(1)).is_none() {
            let place = room.letters.iter().position(|(.., m)| !matches!(m, Message::Decided(_))).unwrap();
            let (from, to, message) = room.letters.remove(place);
            if to != AgentId(3) {
                room.hear(from.0, to.0, message);
            }
        }
        // The certificate dies with it.
        let alone = room.members[0].decision(subject(1)).cloned().unwrap();
        room.letters.clear();
        room.dead = BTreeSet::from([AgentId(0)]);
        room.vote(3, subject(1), act(Sell));
        assert_eq!(room.finish(subject(1)), done(Buy, 3, 8_000), "{mode:?}");
        let again = room.members[2].decision(subject(1)).unwrap();
        assert_eq!(again.dossier, alone.dossier);
        assert_eq!(again.dossier.author, AgentId(0));
        assert!(again.term > 1);
    }
}

#[test]
fn two_votes_of_one_agent_are_a_proof_and_count_as_none() {
    let mut room = Room::new(council(Mode::Byzantine, 4));
    let decision = room.council.decision(subject(1));
    let two = [Buy, Sell].map(|action| Ballot::new(&identity(3), decision, act(action)));
    room.dead.insert(AgentId(3));
    for ballot in &two {
        room.hear(3, 0, Message::Vote { subject: subject(1), term: 1, ballot: ballot.clone() });
    }
    (0..3).for_each(|agent| room.vote(agent, subject(1), act(Buy)));
    assert_eq!(room.finish(subject(1)), done(Buy, 3, 8_000));
    for agent in 0..3 {
        let liars: Vec<_> = room.members[agent].liars().collect();
        assert_eq!(liars.len(), 1);
        assert!(liars[0].agent() == AgentId(3) && liars[0].verify(&room.keys));
    }
    let told = room.events.iter().filter(|(_, event)| matches!(event, Event::Equivocated(_))).count();
    assert_eq!(told, 3, "each is told once");
    // In the next decision too.
    let ballot = Ballot::new(&identity(3), room.council.decision(subject(2)), act(Sell));
    room.hear(3, 0, Message::Vote { subject: subject(2), term: 1, ballot });
    (0..3).for_each(|agent| room.vote(agent, subject(2), act(Buy)));
    assert_eq!(room.finish(subject(2)), done(Buy, 3, 8_000));
    assert_eq!(room.members[0].decision(subject(2)).unwrap().dossier.proofs.len(), 1);
}

#[test]
fn a_proof_proves_two_different_signed_votes_and_nothing_less() {
    let (council, keys) = (council(Mode::Quorum, 4), keys(4));
    let decision = council.decision(subject(1));
    let ballot = |agent, action| Ballot::new(&identity(agent), decision, act(action));
    let proof = Equivocation { decision, first: ballot(1, Buy), second: ballot(1, Sell) };
    assert!(proof.verify(&keys));
    assert!(!Equivocation { second: ballot(1, Buy), ..proof.clone() }.verify(&keys));
    assert!(!Equivocation { second: ballot(2, Sell), ..proof.clone() }.verify(&keys));
    let forged = Ballot { agent: AgentId(1), ..ballot(2, Sell) };
    assert!(!Equivocation { second: forged, ..proof.clone() }.verify(&keys));
    assert!(!Equivocation { decision: council.decision(subject(2)), ..proof }.verify(&keys));
}

#[test]
fn what_is_wrong_is_refused_and_counted() {
    let mut room = Room::new(council(Mode::Quorum, 4));
    let decision = room.council.decision(subject(1));
    let vote = |term, ballot| Message::Vote { subject: subject(1), term, ballot };
    let counted = |room: &Room| room.members[0].counters();
    let zero = Counters::default();
    // A stranger; a member in another's name.
    room.hear(9, 0, vote(1, Ballot::new(&identity(9), decision, act(Buy))));
    assert_eq!(counted(&room), Counters { stranger: 1, ..zero });
    room.hear(2, 0, vote(1, Ballot::new(&identity(1), decision, act(Buy))));
    assert_eq!(counted(&room), Counters { stranger: 2, ..zero });
    // Signed by somebody else; for another decision; without the right; above one.
    let forged = Ballot { agent: AgentId(1), ..Ballot::new(&identity(2), decision, act(Buy)) };
    let other = Ballot::new(&identity(1), room.council.decision(subject(2)), act(Buy));
    let veto = Ballot::new(&identity(1), decision, Choice::Veto);
    let loud = Ballot::new(&identity(1), decision, sure(Buy, UNIT + 1));
    for (count, ballot) in [forged, other, veto, loud].into_iter().enumerate() {
        room.hear(1, 0, vote(1, ballot));
        assert_eq!(counted(&room), Counters { stranger: 2, invalid: count as u64 + 1, ..zero });
    }
    // For a term that is another's.
    room.hear(1, 0, vote(2, Ballot::new(&identity(1), decision, act(Buy))));
    assert_eq!(counted(&room), Counters { stranger: 2, invalid: 4, wrong_term: 1, ..zero });
    // Forgotten.
    room.speak(0, |member, _, _, _| member.forget_before(UnixNanos::new(2)));
    room.hear(1, 0, vote(1, Ballot::new(&identity(1), decision, act(Buy))));
    assert_eq!(counted(&room), Counters { stranger: 2, invalid: 4, wrong_term: 1, forgotten: 1, ..zero });
    let refused = room.speak(0, |member, now, out, events| member.vote(now, subject(1), act(Buy), out, events));
    assert_eq!(refused, Err(Refused::Forgotten(subject(1))));
    room.vote(0, subject(3), act(Buy));
    let again = room.speak(0, |member, now, out, events| member.vote(now, subject(3), act(Buy), out, events));
    assert_eq!(again, Err(Refused::Voted(AgentId(0), subject(3))));
}

/// Without the counts of a stage, order and identity of signers, one signature could pass for a quorum.
#[test]
fn a_certificate_convinces_strangers_and_none_can_be_made_up() {
    let mut room = Room::new(council(Mode::Byzantine, 4));
    (0..4).for_each(|agent| room.vote(agent, subject(1), act(Buy)));
    room.finish(subject(1));
    let good = Certificate::clone(room.members[1].decision(subject(1)).unwrap());
    let bytes = postcard::to_allocvec(&good).unwrap();
    let good: Certificate = postcard::from_bytes(&bytes).unwrap();
    let verify = |certificate: &Certificate| certificate.verify(&room.keys, &room.council);
    assert_eq!(verify(&good), Ok(()));

    let mut few = good.clone();
    few.commits.truncate(2);
    assert_eq!(verify(&few), Err(BadCertificate::Few { have: 2, need: 3 }));
    let mut twice = good.clone();
    twice.commits = vec![twice.commits[0].clone(), twice.commits[0].clone(), twice.commits[1].clone()];
    assert_eq!(verify(&twice), Err(BadCertificate::Order(twice.commits[0].agent)));
    let mut renamed = good.clone();
    renamed.commits.last_mut().unwrap().agent = AgentId(9);
    assert_eq!(verify(&renamed), Err(BadCertificate::Stranger(AgentId(9))));
    let mut vote_left_out = good.clone();
    vote_left_out.dossier.ballots.pop();
    assert!(verify(&vote_left_out).is_err());
    let mut vote_changed = good.clone();
    vote_changed.dossier.ballots[0].choice = act(Sell);
    let invalid = |agent| BadBallot::Identity(IdentityError::Invalid(AgentId(agent)));
    assert_eq!(verify(&vote_changed), Err(BadDossier::Ballot(invalid(0)).into()));
    assert!(verify(&Certificate { term: 2, ..good.clone() }).is_err());
    assert!(verify(&Certificate { subject: subject(2), ..good.clone() }).is_err());
    let other_rule = council(Mode::Quorum, 4);
    assert!(good.verify(&room.keys, &other_rule).is_err());
    // A prepare is no commit.
    let mut early = good;
    let stand = Stand { decision: room.council.decision(subject(1)), term: early.term, dossier: early.dossier.id() };
    for commit in &mut early.commits {
        commit.signature = stand.sign(Stage::Prepare, &identity(commit.agent.0));
    }
    assert!(verify(&early).is_err());
}

/// A lying coordinator offers one dossier to half of the members and another to the rest.
#[test]
fn two_offers_in_one_term_bind_nobody_twice() {
    let mut room = Room::new(council(Mode::Byzantine, 4));
    let decision = room.council.decision(subject(1));
    room.dead.insert(AgentId(0));
    (1..4).for_each(|agent| room.vote(agent, subject(1), act(Buy)));
    let ballots: Vec<Ballot> = (1..4).map(|agent| Ballot::new(&identity(agent), decision, act(Buy))).collect();
    for to in 1..4 {
        let mut ballots = ballots.clone();
        if to == 3 {
            ballots.pop();
        }
        let dossier = Dossier { author: AgentId(0), ballots, proofs: Vec::new() };
        let stand = Stand { decision, term: 1, dossier: dossier.id() };
        let signature = stand.sign(Stage::first(room.council.mode()), &identity(0));
        let offer = Offer { subject: subject(1), term: 1, dossier, promises: Vec::new(), prepared: None, signature };
        room.hear(0, to, Message::Offer(Box::new(offer)));
    }
    let prepares: BTreeSet<(AgentId, DossierId)> = room
        .letters
        .iter()
        .filter_map(|(from, _, message)| match message {
            Message::Consent { stage: Stage::Prepare, dossier, .. } => Some((*from, *dossier)),
            _ => None,
        })
        .collect();
    assert_eq!(prepares.len(), 3, "each signed one");
    assert_eq!(room.finish(subject(1)), done(Buy, 3, 8_000));
    assert!(room.members[1].decision(subject(1)).unwrap().term > 1);
}

/// A coordinator offers a member two dossiers in one term: it prepares the first, and has no word for the second.
#[test]
fn a_member_prepares_once_per_term() {
    let mut room = Room::new(council(Mode::Byzantine, 4));
    let decision = room.council.decision(subject(1));
    for action in [Buy, Sell] {
        let ballots = vec![Ballot::new(&identity(0), decision, act(action))];
        let dossier = Dossier { author: AgentId(0), ballots, proofs: Vec::new() };
        let signature = Stand { decision, term: 1, dossier: dossier.id() }.sign(Stage::Prepare, &identity(0));
        let offer = Offer { subject: subject(1), term: 1, dossier, promises: Vec::new(), prepared: None, signature };
        room.hear(0, 2, Message::Offer(Box::new(offer)));
    }
    let said = room.letters.iter().filter(|(.., message)| matches!(message, Message::Consent { .. })).count();
    assert_eq!((said, room.members[2].counters().late), (1, 1));
}

/// A dossier is prepared by a quorum's signatures or not at all, wherever the claim comes up: as word of the term's
/// coordinator, under a later offer, in a promise.
#[test]
fn nobody_believes_that_a_dossier_was_prepared_without_a_quorum() {
    let rule = council(Mode::Byzantine, 4);
    let decision = rule.decision(subject(1));
    let ballots = (0..4).map(|agent| Ballot::new(&identity(agent), decision, act(Buy))).collect();
    let dossier = Dossier { author: AgentId(0), ballots, proofs: Vec::new() };
    let (id, stand) = (dossier.id(), |term| Stand { decision, term, dossier: dossier.id() });
    let prepared = |signers: &[u32], by: fn(u32) -> u32| Prepared {
        term: 1,
        dossier: id,
        consents: signers
            .iter()
            .map(|&agent| Consent {
                agent: AgentId(agent),
                signature: stand(1).sign(Stage::Prepare, &identity(by(agent))),
            })
            .collect(),
    };
    let offer = |term: u32, promises, prepared| {
        let signature = stand(term).sign(Stage::Prepare, &identity(term - 1));
        let dossier = dossier.clone();
        Message::Offer(Box::new(Offer { subject: subject(1), term, dossier, promises, prepared, signature }))
    };
    let real = prepared(&[0, 1, 3], |agent| agent);
    let forged = [prepared(&[0, 1], |agent| agent), prepared(&[0, 1, 3], |_| 0), prepared(&[0, 0, 1], |agent| agent)];
    let promises =
        || (0..3).map(|agent| Promise::new(&identity(agent), decision, 2, Some((1, id)))).collect::<Vec<_>>();
    let consents = |room: &Room, wanted: Stage| {
        let is = |message: &Message| matches!(message, Message::Consent { stage, .. } if *stage == wanted);
        room.letters.iter().filter(|(.., message)| is(message)).count()
    };
    let claims: Vec<_> = forged.into_iter().map(|claim| (claim, false)).chain([(real, true)]).collect();
    // Where lies are expected the transport's word is not taken, whoever trusts it otherwise.
    for ((claim, holds), trust) in claims.iter().cloned().flat_map(|case| TRUSTS.map(|trust| (case.clone(), trust))) {
        let mut room = Room::with(rule.clone(), trust);
        room.hear(0, 2, offer(1, Vec::new(), None));
        room.hear(0, 2, Message::Prepared { subject: subject(1), prepared: claim.clone() });
        assert_eq!(consents(&room, Stage::Commit), usize::from(holds), "as the coordinator's word");

        let mut room = Room::with(rule.clone(), trust);
        room.hear(1, 2, offer(2, promises(), Some(claim.clone())));
        assert_eq!(consents(&room, Stage::Prepare), usize::from(holds), "under an offer");

        let mut room = Room::with(rule.clone(), trust);
        let promise = promises().remove(0);
        let body = Some(Box::new(Body { ballot: None, lock: Some((dossier.clone(), Some(claim))) }));
        room.hear(0, 1, Message::Promise { subject: subject(1), term: 2, promise, body });
        assert_eq!(room.members[1].counters().invalid, u64::from(!holds), "in a promise");
    }
}

/// A coordinator, or who has its key, offers votes that it wrote itself: nobody signs them, in no mode.
#[test]
fn a_coordinator_cannot_vote_for_others() {
    let modes = [Mode::Majority, Mode::Weighted, Mode::Quorum, Mode::Unanimous, Mode::Leader, Mode::Byzantine];
    let cases = modes.map(|mode| (mode, Trust::Nobody)).into_iter().chain([(Mode::Byzantine, Trust::Transport)]);
    for (mode, trust) in cases {
        let mut room = Room::with(council(mode, 4), trust);
        let decision = room.council.decision(subject(1));
        let vote =
            |agent: u32, by: u32| Ballot { agent: AgentId(agent), ..Ballot::new(&identity(by), decision, act(Buy)) };
        for (forger, said) in [(0, 0), (3, 1)] {
            let ballots = vec![vote(0, 0), vote(1, 1), vote(2, 2), vote(3, forger)];
            let dossier = Dossier { author: AgentId(0), ballots, proofs: Vec::new() };
            let stand = Stand { decision, term: 1, dossier: dossier.id() };
            let signature = stand.sign(Stage::first(mode), &identity(0));
            let (subject, promises) = (subject(1), Vec::new());
            let offer = Offer { subject, term: 1, dossier, promises, prepared: None, signature };
            room.hear(0, 2, Message::Offer(Box::new(offer)));
            let consents = room.letters.iter().filter(|(.., message)| matches!(message, Message::Consent { .. }));
            assert_eq!((consents.count(), room.members[2].counters().invalid), (said, 1), "{mode:?}");
        }
    }
}

/// Nor can it leave honest votes out as those of proven liars: an accusation without a proof, a vote beside the proof
/// against it, and a dossier in another order are refused by members and strangers alike.
#[test]
fn a_dossier_accuses_nobody_without_proof() {
    let rule = council(Mode::Quorum, 4);
    let (decision, keys) = (rule.decision(subject(1)), keys(4));
    let ballot = |agent: u32, action| Ballot::new(&identity(agent), decision, act(action));
    let proof = |agent: u32, by: u32| Equivocation {
        decision,
        first: ballot(agent, Buy),
        second: Ballot { agent: AgentId(agent), ..ballot(by, Sell) },
    };
    let dossier = |voters: &[u32], proofs: &[Equivocation]| Dossier {
        author: AgentId(0),
        ballots: voters.iter().map(|&agent| ballot(agent, Buy)).collect(),
        proofs: proofs.to_vec(),
    };
    let honest = AgentId(3);
    let cases = [
        (dossier(&[0, 1, 2], &[proof(3, 3)]), Ok(()), Ok(())),
        (dossier(&[0, 1, 2], &[proof(3, 2)]), Ok(()), Err(BadDossier::Accusation(honest))),
        (dossier(&[0, 1, 2, 3], &[proof(3, 3)]), Err(BadDossier::Proven(honest)), Ok(())),
        (dossier(&[0, 2, 1], &[]), Err(BadDossier::Order(AgentId(1))), Ok(())),
        (dossier(&[0, 1, 1], &[]), Err(BadDossier::Order(AgentId(1))), Ok(())),
        (dossier(&[0, 1], &[proof(3, 3), proof(2, 2)]), Err(BadDossier::Order(AgentId(2))), Ok(())),
    ];
    for (dossier, checked, verified) in cases {
        let sound = checked.is_ok() && verified.is_ok();
        assert_eq!((dossier.check(&rule), dossier.verify(&keys, decision)), (checked, verified), "{dossier:?}");
        let stand = Stand { decision, term: 1, dossier: dossier.id() };
        let signature = stand.sign(Stage::first(Mode::Quorum), &identity(0));
        let offer = Offer { subject: subject(1), term: 1, dossier, promises: Vec::new(), prepared: None, signature };
        let mut room = Room::new(rule.clone());
        room.hear(0, 2, Message::Offer(Box::new(offer)));
        let consents = room.letters.iter().filter(|(.., message)| matches!(message, Message::Consent { .. })).count();
        assert_eq!((consents, room.members[2].counters().invalid), (usize::from(sound), u64::from(!sound)));
    }
}

/// A second vote after the decision changes nothing of it, and convicts.
#[test]
fn a_second_vote_after_the_decision_is_a_proof() {
    let mut room = Room::new(council(Mode::Quorum, 4));
    (0..4).for_each(|agent| room.vote(agent, subject(1), act(Buy)));
    let outcome = room.finish(subject(1));
    let decision = room.council.decision(subject(1));
    for (action, liars) in [(Buy, 0), (Sell, 1)] {
        let ballot = Ballot::new(&identity(3), decision, act(action));
        room.hear(3, 0, Message::Vote { subject: subject(1), term: 1, ballot });
        assert_eq!(room.members[0].liars().count(), liars);
    }
    room.deliver();
    for member in &room.members[1..3] {
        assert_eq!(member.liars().map(Equivocation::agent).collect::<Vec<_>>(), [AgentId(3)], "told to all");
    }
    assert_eq!(room.finish(subject(1)), outcome);
}

/// Within one process three of five others are asked; if one of them dies before it answers, all are.
#[test]
fn who_was_not_asked_at_first_stands_in() {
    let mut room = Room::with(council(Mode::Quorum, 6), Trust::Transport);
    (0..6).for_each(|agent| room.vote(agent, subject(1), act(Buy)));
    while let Some(place) = room.letters.iter().position(|(.., m)| !matches!(m, Message::Offer(_))) {
        let (from, to, message) = room.letters.remove(place);
        room.hear(from.0, to.0, message);
    }
    assert_eq!(room.letters.iter().map(|(_, to, _)| to.0).collect::<Vec<_>>(), [1, 2, 3]);
    room.dead.insert(AgentId(2));
    assert_eq!(room.finish(subject(1)), done(Buy, 6, 8_000));
    let certificate = room.members[5].decision(subject(1)).unwrap();
    assert_eq!((certificate.term, room.now), (1, START.saturating_add(TIMING.round)));
}

/// An offer of a later term needs a quorum's promises, and must follow the highest lock in them.
#[test]
fn a_later_offer_is_bound_by_promises() {
    let room = Room::new(council(Mode::Quorum, 4));
    let decision = room.council.decision(subject(1));
    let votes = |action: Action| {
        let ballots = (0..4).map(|agent| Ballot::new(&identity(agent), decision, act(action))).collect();
        Dossier { author: AgentId(1), ballots, proofs: Vec::new() }
    };
    let (locked, free) = (Dossier { author: AgentId(0), ..votes(Buy) }, votes(Sell));
    let offer = |dossier: &Dossier, locks: &[(u32, Option<u32>)]| {
        let promise = |&(agent, lock): &(u32, Option<u32>)| {
            Promise::new(&identity(agent), decision, 2, lock.map(|term| (term, locked.id())))
        };
        let promises = locks.iter().map(promise).collect();
        let dossier = dossier.clone();
        let signature =
            Stand { decision, term: 2, dossier: dossier.id() }.sign(Stage::first(room.council.mode()), &identity(1));
        Message::Offer(Box::new(Offer { subject: subject(1), term: 2, dossier, promises, prepared: None, signature }))
    };
    let takes = |message: Message| {
        let mut room = Room::new(council(Mode::Quorum, 4));
        room.hear(1, 3, message);
        (room.members[3].counters().invalid, room.letters.iter().any(|(.., m)| matches!(m, Message::Consent { .. })))
    };
    let (good, bad) = ((0, true), (1, false));
    assert_eq!(takes(offer(&free, &[(0, None), (1, None), (2, None)])), good);
    assert_eq!(takes(offer(&free, &[(0, None), (1, None)])), bad, "two of four are no quorum");
    assert_eq!(takes(offer(&free, &[(0, None), (1, None), (1, None)])), bad, "one promised twice");
    assert_eq!(takes(offer(&free, &[(0, None), (1, Some(1)), (2, None)])), bad, "a lock is ignored");
    assert_eq!(takes(offer(&locked, &[(0, None), (1, Some(1)), (2, None)])), good);
    assert_eq!(takes(offer(&locked, &[(0, None), (1, None), (2, None)])), bad, "an old dossier nobody was bound to");
    assert_eq!(takes(offer(&locked, &[(0, None), (1, Some(2)), (2, None)])), bad, "a lock of the future");
}

#[test]
fn councils_change_by_the_stamp_and_keep_their_members() {
    let mut room = Room::new(council(Mode::Quorum, 4));
    let since = UnixNanos::new(10);
    let refused = room.members[0].adopt(since, council(Mode::Quorum, 5));
    assert_eq!(refused, Err(BadCouncil::Members(UnixNanos::EPOCH)));
    let refused = room.members[0].adopt(since, council(Mode::Byzantine, 4));
    assert_eq!(refused, Err(BadCouncil::Faults(UnixNanos::EPOCH)));
    room.vote(0, subject(9), act(Buy));
    room.members.iter_mut().for_each(|member| member.adopt(since, council(Mode::Unanimous, 4)).unwrap());
    (1..4).for_each(|agent| room.vote(agent, subject(9), if agent == 3 { act(Sell) } else { act(Buy) }));
    assert_eq!(room.finish(subject(9)), done(Buy, 3, 8_000));
    room.council = council(Mode::Unanimous, 4);
    (0..4).for_each(|agent| room.vote(agent, subject(10), if agent == 3 { act(Sell) } else { act(Buy) }));
    assert_eq!(room.finish(subject(10)), none(Reason::Disagreement));
}

/// In any order in which a member is shown bars and hears of them, all debate a bar under the council of that bar.
#[test]
fn what_is_said_about_a_bar_waits_for_its_council() {
    let (since, rule) = (UnixNanos::new(10), council(Mode::Unanimous, 4));
    for chance in 1..=50 {
        let mut room = Room { council: rule.clone(), chance, ..Room::new(council(Mode::Quorum, 4)) };
        let know = |room: &mut Room, agent, until| {
            room.speak(agent, |member, now, out, events| member.know_until(now, UnixNanos::new(until), out, events));
        };
        (0..4).for_each(|agent| know(&mut room, agent, 9));
        let early = room.speak(2, |member, now, out, events| member.vote(now, subject(10), act(Buy), out, events));
        assert_eq!(early, Err(Refused::Ahead(subject(10))));
        let mut order = vec![0, 1, 2, 3];
        while !order.is_empty() {
            let agent = order.swap_remove(room.next(order.len()));
            room.members[agent as usize].adopt(since, rule.clone()).unwrap();
            know(&mut room, agent, 10);
            room.vote(agent, subject(10), act(Sell));
            // What was sent so far arrives; those who know nothing of the bar neither answer nor forget it.
            room.deliver();
            let open: Vec<usize> = order.iter().map(|&agent| room.members[agent as usize].open()).collect();
            assert_eq!(open, vec![0; order.len()], "they debate what they know no council of");
        }
        assert_eq!(room.finish(subject(10)), done(Sell, 4, 8_000));
        assert_eq!(room.now, START, "nothing was lost, so no timeout was needed");
        assert!(room.members.iter().all(|member| member.counters() == Counters::default()));
    }
}

#[test]
fn a_council_that_comes_after_the_debate_is_refused() {
    let mut room = Room::new(council(Mode::Quorum, 4));
    let ballot = Ballot::new(&identity(2), room.council.decision(subject(10)), act(Buy));
    room.hear(2, 0, Message::Vote { subject: subject(10), term: 1, ballot });
    let late = UnixNanos::new(10);
    assert_eq!(room.members[0].adopt(late, council(Mode::Unanimous, 4)), Err(BadCouncil::Late(late)));
    assert_eq!(room.members[0].adopt(late, council(Mode::Quorum, 4)), Ok(()), "the same council");
    assert_eq!(room.members[0].adopt(UnixNanos::new(11), council(Mode::Unanimous, 4)), Ok(()), "of later bars");
    (0..4).for_each(|agent| room.vote(agent, subject(10), act(Buy)));
    room.finish(subject(10));
    assert_eq!(room.members[1].adopt(late, council(Mode::Unanimous, 4)), Err(BadCouncil::Late(late)), "it is decided");
}

/// Bytes are bounded, not only messages: a liar's may be long.
#[test]
fn what_waits_for_a_council_is_bounded() {
    let mut room = Room::new(council(Mode::Byzantine, 4));
    room.speak(0, |member, now, out, events| member.know_until(now, UnixNanos::new(5), out, events));
    let ballot = Ballot { agent: AgentId(1), choice: act(Buy), signature: identity(1).sign(&Transcript::new("")) };
    let dossier = Dossier { author: AgentId(1), ballots: vec![ballot.clone(); 12_000], proofs: Vec::new() };
    let offer = |stamp| {
        let (subject, dossier, promises) = (subject(stamp), dossier.clone(), Vec::new());
        let signature = ballot.signature.clone();
        Message::Offer(Box::new(Offer { subject, term: 1, dossier, promises, prepared: None, signature }))
    };
    let each = offer(6).bytes() + size_of::<(AgentId, Subject, Message)>();
    let fits = (AHEAD_BYTES_MAX / 4 / each) as u64;
    assert!((10..100).contains(&fits), "{fits}");
    let waits = |room: &Room| room.members[0].ahead.len() as u64;
    (0..fits + 3).for_each(|stamp| room.hear(1, 0, offer(6 + stamp)));
    assert_eq!((waits(&room), room.members[0].counters().ahead), (fits, 3));
    // What is another's is left to it.
    let honest = Ballot::new(&identity(2), room.council.decision(subject(6)), act(Buy));
    room.hear(2, 0, Message::Vote { subject: subject(6), term: 1, ballot: honest });
    room.hear(4, 0, offer(6));
    let Counters { ahead, stranger, .. } = room.members[0].counters();
    assert_eq!((waits(&room), ahead, stranger), (fits + 1, 3, 1));
    // What is heard makes room.
    room.speak(0, |member, now, out, events| member.know_until(now, UnixNanos::new(7), out, events));
    assert_eq!(waits(&room), fits - 2);
    (0..3).for_each(|stamp| room.hear(1, 0, offer(1_000 + stamp)));
    assert_eq!((waits(&room), room.members[0].counters().ahead), (fits, 4));
    room.speak(0, |member, now, out, events| member.know_until(now, UnixNanos::MAX, out, events));
    assert_eq!((waits(&room), room.members[0].ahead_bytes.len()), (0, 0));
    assert_eq!(room.members[0].counters().invalid, fits + 2, "and none of it held");
}

#[test]
fn tables_have_limits() {
    for (mode, most) in [(Mode::Quorum, OPEN_MAX), (Mode::Byzantine, OPEN_MAX / 4)] {
        let mut room = Room::with(council(mode, 4), Trust::Transport);
        for stamp in 1..=most as u64 + 1 {
            let ballot = Ballot::new(&identity(2), room.council.decision(subject(stamp)), act(Buy));
            room.hear(2, 0, Message::Vote { subject: subject(stamp), term: 1, ballot });
        }
        assert_eq!((room.members[0].open(), room.members[0].counters().full), (most, 1), "{mode:?}");
        let mut others = 0;
        let full = loop {
            let fresh = subject(10_000 + others);
            match room.speak(0, |member, now, out, events| member.propose(now, fresh, out, events)) {
                Ok(()) => others += 1,
                Err(why) => break why,
            }
        };
        assert_eq!((most as u64 + others, full), (OPEN_MAX as u64, Refused::Full(subject(10_000 + others))));
    }
}

/// Nobody who says much about a bar is taken for a liar by it: all of it is decided, and at once.
#[test]
fn as_many_decisions_about_a_bar_as_there_is_room_for_wait_for_nothing() {
    for (mode, count) in [(Mode::Quorum, OPEN_MAX), (Mode::Byzantine, OPEN_MAX / 4)] {
        for first in [0, 2] {
            let mut room = Room::with(council(mode, 4), Trust::Transport);
            let subjects: Vec<Subject> =
                (0..count as u32).map(|instrument| Subject { instrument, ..subject(1) }).collect();
            subjects.iter().for_each(|&subject| room.vote(first, subject, act(Buy)));
            let mut voted: BTreeSet<(AgentId, Subject)> =
                subjects.iter().map(|&subject| (AgentId(first), subject)).collect();
            while !room.letters.is_empty() {
                room.deliver();
                for (agent, event) in std::mem::take(&mut room.events) {
                    if let Event::Called { subject, .. } = event
                        && voted.insert((agent, subject))
                    {
                        room.vote(agent.0, subject, act(Buy));
                    }
                }
            }
            for &subject in &subjects {
                let outcomes = room
                    .members
                    .iter()
                    .map(|member| member.decision(subject).map(|certificate| certificate.outcome(&room.council)));
                assert_eq!(outcomes.collect::<Vec<_>>(), vec![Some(done(Buy, 4, 8_000)); 4], "{mode:?} {subject:?}");
            }
            assert!(room.members.iter().all(|member| member.counters().full == 0));
        }
    }
}

/// Four thousand decisions later a debate is still the one it was: its certificate ends it.
#[test]
fn a_certificate_ends_an_open_debate_however_late_it_comes() {
    let mut room = Room::with(council(Mode::Quorum, 2), Trust::Transport);
    room.vote(0, subject(1), act(Buy));
    let held = std::mem::take(&mut room.letters);
    for stamp in 2..=KEPT_MAX as u64 + 3 {
        (0..2).for_each(|agent| room.vote(agent, subject(stamp), act(Buy)));
        room.deliver();
        room.events.clear();
    }
    assert_eq!(room.members[0].open(), 1);
    let certificate = {
        let mut other = Room::with(council(Mode::Quorum, 2), Trust::Transport);
        (0..2).for_each(|agent| other.vote(agent, subject(1), act(Buy)));
        other.finish(subject(1));
        Certificate::clone(other.members[1].decision(subject(1)).unwrap())
    };
    drop(held);
    for told in [1, 0] {
        room.hear(1, 0, Message::Decided(Box::new(certificate.clone())));
        let decided = room.events.drain(..).filter(|(_, event)| matches!(event, Event::Decided(_))).count();
        assert_eq!((room.members[0].open(), decided), (0, told));
    }
}

#[test]
fn certificates_beyond_the_limit_are_forgotten_for_good() {
    let mut room = Room::with(council(Mode::Quorum, 2), Trust::Transport);
    for stamp in 1..=KEPT_MAX as u64 + 1 {
        (0..2).for_each(|agent| room.vote(agent, subject(stamp), act(Buy)));
        room.deliver();
        room.events.clear();
    }
    assert!(room.members[0].decision(subject(1)).is_none() && room.members[0].decision(subject(2)).is_some());
    let again = room.speak(0, |member, now, out, events| member.vote(now, subject(1), act(Buy), out, events));
    assert_eq!(again, Err(Refused::Forgotten(subject(1))));
}

fn any_choice() -> impl Strategy<Value = Choice> {
    let action = prop::sample::select(Action::ALL.to_vec());
    prop_oneof![
        4 => (action, 0..=UNIT).prop_map(|(action, confidence)| Choice::Act { action, confidence }),
        1 => Just(Choice::Abstain),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Leaving votes out never makes a trade, nor another one.
    #[test]
    fn lost_votes_only_lose_trades(
        choices in prop::collection::vec(any_choice(), 2..9),
        lost in any::<u16>(),
        weights in prop::collection::vec(0..=UNIT, 9),
        mode in prop::sample::select(vec![Mode::Quorum, Mode::Byzantine, Mode::Weighted, Mode::Unanimous]),
    ) {
        let member = |agent: usize| Member { weight: weights[agent], ..Member::new(AgentId(agent as u32)) };
        let council = Council::new(mode, (0..choices.len()).map(member)).unwrap();
        let votes: Vec<_> = choices.iter().enumerate().map(|(agent, choice)| (agent as u32, *choice)).collect();
        let fewer: Vec<_> = votes.iter().copied().filter(|(agent, _)| lost >> agent & 1 == 0).collect();
        if let Outcome::Act { action: few, .. } = judge(&council, &fewer) {
            let all = judge(&council, &votes);
            prop_assert!(matches!(all, Outcome::Act { action, .. } if action == few), "{few:?} became {all:?}");
        }
    }

    /// Any order, any votes, up to f dead at any moment: one decision, of all that live.
    #[test]
    fn one_decision_in_any_order(
        n in 2_u32..8,
        mode in prop::sample::select(vec![Mode::Majority, Mode::Weighted, Mode::Quorum, Mode::Byzantine, Mode::Leader]),
        choices in prop::collection::vec(any_choice(), 8),
        deaths in prop::collection::vec((0_usize..60, 0_u32..8), 0..3),
        seed in any::<u64>(),
    ) {
        let mut room = Room::new(council(mode, n));
        room.chance = seed;
        let faults = room.council.faults();
        let mut waiting: Vec<u32> = (0..n).collect();
        for step in 0..400 {
            for (_, agent) in deaths.iter().filter(|(at, _)| *at == step) {
                if room.dead.len() < faults && *agent < n {
                    room.dead.insert(AgentId(*agent));
                }
            }
            match room.next(4) {
                0 if !waiting.is_empty() => {
                    let place = room.next(waiting.len());
                    let agent = waiting.swap_remove(place);
                    let vote = |member: &mut Consensus, now, out: &mut _, events: &mut _| {
                        member.vote(now, subject(1), choices[agent as usize], out, events)
                    };
                    let _ = room.speak(agent, vote);
                }
                1 => {
                    room.now = room.now.saturating_add(20);
                    for agent in 0..n {
                        if !room.dead.contains(&AgentId(agent)) {
                            room.speak(agent, Consensus::on_time);
                        }
                    }
                }
                _ if !room.letters.is_empty() => {
                    let place = room.next(room.letters.len());
                    let (from, to, message) = room.letters.swap_remove(place);
                    if !room.dead.contains(&to) {
                        room.hear(from.0, to.0, message);
                    }
                }
                _ => {}
            }
        }
        room.finish(subject(1));
    }
}

/// Members of one process hold certificates and councils once, and drop both with the bars they are about.
#[test]
fn what_members_know_alike_is_held_once_and_forgotten_with_its_bars() {
    let mut room = Room::new(council(Mode::Weighted, 4));
    for stamp in 1..=6 {
        let weighted = |agent: u32| Member { weight: 5_000 + stamp as u16, ..Member::new(AgentId(agent)) };
        room.council = Council::new(Mode::Weighted, (0..4).map(weighted)).unwrap();
        for member in &mut room.members {
            member.adopt(UnixNanos::new(stamp), room.council.clone()).unwrap();
        }
        (0..4).for_each(|agent| room.vote(agent, subject(stamp), act(Buy)));
        room.finish(subject(stamp));
    }
    room.events.clear();
    let apart = room.members[1].decision(subject(3)).map(Arc::clone).unwrap();
    let [first, others @ ..] = room.members.as_mut_slice() else { unreachable!("four") };
    others.iter_mut().for_each(|other| other.share(first));
    for stamp in 1..=6 {
        let (held, council) = (first.decision(subject(stamp)).unwrap(), first.council(subject(stamp)).unwrap());
        for other in &*others {
            assert!(Arc::ptr_eq(held, other.decision(subject(stamp)).unwrap()));
            assert!(Arc::ptr_eq(council, other.council(subject(stamp)).unwrap()));
        }
        assert_eq!(Arc::strong_count(held), 4);
    }
    assert_eq!(*apart, **first.decision(subject(3)).unwrap());
    assert_eq!(Arc::strong_count(&apart), 1, "its own copy is given back");
    // Who knows another thing keeps it.
    let mut other = Room::new(council(Mode::Weighted, 4));
    (0..4).for_each(|agent| other.vote(agent, subject(3), act(Sell)));
    other.finish(subject(3));
    let own = Arc::clone(other.members[0].decision(subject(3)).unwrap());
    other.members[0].share(first);
    assert!(Arc::ptr_eq(&own, other.members[0].decision(subject(3)).unwrap()));

    first.forget_before(UnixNanos::new(4));
    assert_eq!(first.councils.keys().map(|since| since.get()).collect::<Vec<_>>(), [4, 5, 6]);
    assert!(first.council(subject(3)).is_none() && first.decision(subject(3)).is_none());
    first.forget_before(UnixNanos::new(9));
    assert_eq!(first.councils.len(), 1, "what holds for bars to come stays");
    assert!(first.council(subject(9)).is_some());
}
