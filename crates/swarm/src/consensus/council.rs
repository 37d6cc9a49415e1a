//! Who decides together, and by which rule.
//!
//! Invariant: a council is the same at all its members (its digest is part of every decision's name), its members are in
//! order and each is there once, and any two of its quorums share a member that keeps the protocol, as long as no more
//! than [`Council::faults`] fail.

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;

use crate::id::AgentId;
use crate::identity::Transcript;

/// Members a council may have.
pub const MEMBERS_MAX: usize = 1_000;
/// One, in basis points: the unit of confidence, track record and threshold.
pub const UNIT: u16 = 10_000;
/// The share of the weight a weighted decision needs, unless told otherwise.
pub const THRESHOLD: u16 = 6_600;

/// When votes are a decision to act. A veto, a silent veto holder, or a tie at the top mean no trade in every mode, and
/// an action needs two supporters in every mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// More than half of the members answered, and more than half of those want the same. An abstention is an answer.
    Majority,
    /// Confidence x track record: the action's share of the council's weight reaches the threshold. Who abstains or is
    /// silent counts against every action, with full confidence; so a vote that gets lost never makes a trade.
    Weighted,
    /// More than half of all members want the same.
    Quorum,
    /// As many as a quorum among liars (2f+1 of 3f+1) want the same. The only mode that promises anything about members
    /// that lie; all others promise agreement under crashes, delays and losses.
    Byzantine,
    /// All members answered, and all that did not abstain want the same.
    Unanimous,
    /// What the coordinator wants, if another member wants it too and less than half of all want something else.
    Leader,
}

/// One of those who decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub agent: AgentId,
    /// Its track record, 0 to [`UNIT`]; only the weighted mode reads it.
    pub weight: u16,
    /// True for risk: it may say no alone, and nothing is traded before it has spoken.
    pub veto: bool,
}

impl Member {
    /// A member like any other.
    #[must_use]
    pub const fn new(agent: AgentId) -> Self {
        Self { agent, weight: UNIT, veto: false }
    }
}

/// What a decision is about: one question on one bar of one instrument is decided once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// When the bar closed.
    pub stamp: UnixNanos,
    /// The instrument's number in the run.
    pub instrument: u32,
    /// Which question, if there are several about a bar.
    pub question: u16,
}

/// A decision's name: the council and the subject, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DecisionId(pub [u8; 32]);

/// Why no council.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadCouncil {
    /// None, or too many.
    #[error("a council of {0} members: 1 to {MEMBERS_MAX} are possible")]
    Size(usize),
    /// Somebody twice.
    #[error("{0} is in the council twice: give each member one vote")]
    Twice(AgentId),
    /// Above one.
    #[error("a weight or threshold of {0} is above {UNIT} basis points")]
    AboveOne(u16),
    /// A threshold that two actions could reach at once.
    #[error("a threshold of {0} basis points is not above half: two actions could reach it")]
    Threshold(u16),
    /// Another council of the same swarm has other members.
    #[error("the council from {0:?} on has other members: found a new swarm, quorums of the two need not meet")]
    Members(UnixNanos),
    /// Another council of the same swarm expects other faults.
    #[error(
        "the councils from {0:?} on differ in whether members may lie, so their quorums need not meet: found a new swarm"
    )]
    Faults(UnixNanos),
    /// Something from then on is debated or decided under another council.
    #[error("the council from {0:?} on comes too late: say until when councils are known before messages come")]
    Late(UnixNanos),
}

/// Who decides, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Council {
    members: Vec<Member>,
    mode: Mode,
    threshold: u16,
}

impl Council {
    /// Members in any order; the threshold is [`THRESHOLD`].
    ///
    /// # Errors
    /// [`BadCouncil`].
    pub fn new(mode: Mode, members: impl IntoIterator<Item = Member>) -> Result<Self, BadCouncil> {
        let mut members: Vec<Member> = members.into_iter().collect();
        members.sort_by_key(|member| member.agent);
        if members.is_empty() || members.len() > MEMBERS_MAX {
            return Err(BadCouncil::Size(members.len()));
        }
        if let Some(pair) = members.windows(2).find(|pair| pair[0].agent == pair[1].agent) {
            return Err(BadCouncil::Twice(pair[0].agent));
        }
        if let Some(member) = members.iter().find(|member| member.weight > UNIT) {
            return Err(BadCouncil::AboveOne(member.weight));
        }
        Ok(Self { members, mode, threshold: THRESHOLD })
    }

    /// With another threshold, basis points.
    ///
    /// # Errors
    /// [`BadCouncil::AboveOne`], [`BadCouncil::Threshold`].
    pub fn with_threshold(self, threshold: u16) -> Result<Self, BadCouncil> {
        match threshold {
            0..=5_000 => Err(BadCouncil::Threshold(threshold)),
            5_001..=UNIT => Ok(Self { threshold, ..self }),
            _ => Err(BadCouncil::AboveOne(threshold)),
        }
    }

    /// The members, in order of their numbers.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The rule.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The share of weight that decides, basis points.
    #[must_use]
    pub const fn threshold(&self) -> u16 {
        self.threshold
    }

    /// The member with this number.
    #[must_use]
    pub fn member(&self, agent: AgentId) -> Option<&Member> {
        let place = self.members.binary_search_by_key(&agent, |member| member.agent).ok()?;
        Some(&self.members[place])
    }

    /// How many may fail: lie, in the Byzantine mode (f < n/3); stop, in all others (f < n/2).
    #[must_use]
    pub const fn faults(&self) -> usize {
        let n = self.members.len();
        if matches!(self.mode, Mode::Byzantine) { (n - 1) / 3 } else { (n - 1) / 2 }
    }

    /// How many must sign: any two such sets share a member that keeps the protocol, and enough live to make one.
    ///
    /// Byzantine: floor((n + f) / 2) + 1, which is 2f+1 of 3f+1; two of them share at least f+1. Else n/2 + 1.
    #[must_use]
    pub const fn quorum(&self) -> usize {
        let n = self.members.len();
        if matches!(self.mode, Mode::Byzantine) { usize::midpoint(n, self.faults()) + 1 } else { n / 2 + 1 }
    }

    /// Who coordinates a term (from 1): the members in turn.
    #[must_use]
    pub fn coordinator(&self, term: u32) -> AgentId {
        self.members[(term.max(1) - 1) as usize % self.members.len()].agent
    }

    /// The name of the decision about `subject`.
    #[must_use]
    pub fn decision(&self, subject: Subject) -> DecisionId {
        let mut transcript = Transcript::new("decision");
        transcript.u8(self.mode as u8);
        transcript.u16(self.threshold);
        transcript.u64(self.members.len() as u64);
        for member in &self.members {
            transcript.u32(member.agent.0);
            transcript.u16(member.weight);
            transcript.u8(u8::from(member.veto));
        }
        transcript.u64(subject.stamp.get());
        transcript.u32(subject.instrument);
        transcript.u16(subject.question);
        DecisionId(transcript.digest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn council(mode: Mode, n: u32) -> Council {
        Council::new(mode, (0..n).map(|agent| Member::new(AgentId(agent)))).unwrap()
    }

    /// For every size: two quorums share one more than may lie, and the living can make one.
    #[test]
    fn quorums_meet_in_a_member_that_keeps_the_protocol() {
        for n in 1..=100 {
            let byzantine = council(Mode::Byzantine, n);
            let (q, f) = (byzantine.quorum(), byzantine.faults());
            assert!(3 * f < n as usize && 2 * q > n as usize + f && q <= n as usize - f, "{n}: {q} {f}");
            let crash = council(Mode::Quorum, n);
            let (q, f) = (crash.quorum(), crash.faults());
            assert!(2 * f < n as usize && 2 * q > n as usize && q <= n as usize - f, "{n}: {q} {f}");
        }
        for f in 0..20_u32 {
            let council = council(Mode::Byzantine, 3 * f + 1);
            assert_eq!((council.faults() as u32, council.quorum() as u32), (f, 2 * f + 1));
        }
    }

    #[test]
    fn councils_are_checked() {
        let one = Member::new(AgentId(1));
        assert_eq!(Council::new(Mode::Quorum, []), Err(BadCouncil::Size(0)));
        assert_eq!(Council::new(Mode::Quorum, [one, one]), Err(BadCouncil::Twice(AgentId(1))));
        let heavy = Member { weight: 10_001, ..one };
        assert_eq!(Council::new(Mode::Quorum, [heavy]), Err(BadCouncil::AboveOne(10_001)));
        let council = council(Mode::Weighted, 3);
        assert_eq!(council.clone().with_threshold(5_000), Err(BadCouncil::Threshold(5_000)));
        assert_eq!(council.clone().with_threshold(10_001), Err(BadCouncil::AboveOne(10_001)));
        assert_eq!(council.with_threshold(5_001).unwrap().threshold(), 5_001);
    }

    #[test]
    fn a_decision_is_named_by_everything_it_rests_on() {
        let subject = Subject { stamp: UnixNanos::new(5), instrument: 1, question: 0 };
        let base = council(Mode::Quorum, 4);
        let mut names = vec![
            base.decision(subject),
            base.decision(Subject { question: 1, ..subject }),
            base.decision(Subject { instrument: 2, ..subject }),
            base.decision(Subject { stamp: UnixNanos::new(6), ..subject }),
            council(Mode::Majority, 4).decision(subject),
            council(Mode::Quorum, 5).decision(subject),
            base.clone().with_threshold(7_000).unwrap().decision(subject),
        ];
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 7);
    }
}
