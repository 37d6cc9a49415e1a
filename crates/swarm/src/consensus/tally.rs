//! From a set of votes to what is done.
//!
//! Invariant: the outcome is a function of the council and the dossier, in integers, and the same on every machine. In
//! the modes [`Mode::Quorum`], [`Mode::Byzantine`], [`Mode::Weighted`] and [`Mode::Unanimous`] it is monotone: leaving
//! votes out can turn a trade into no trade, never into another trade, so the worst a coordinator does by losing votes is
//! nothing. In the other two an honest coordinator is assumed, as their name says.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::consensus::ballot::{Action, BadBallot, Ballot, Choice, Equivocation};
use crate::consensus::council::{Council, DecisionId, Mode, UNIT};
use crate::id::AgentId;
use crate::identity::{IdentityError, KeyBook, Transcript};

/// The votes a coordinator collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dossier {
    /// The coordinator.
    pub author: AgentId,
    /// In order of their agents, one each.
    pub ballots: Vec<Ballot>,
    /// Whose votes do not count, and why; in order of their agents.
    pub proofs: Vec<Equivocation>,
}

/// A dossier's hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DossierId(pub [u8; 32]);

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// Do this.
    Act {
        /// What; [`Action::Hold`] is a decision too.
        action: Action,
        /// How many members wanted it.
        supporters: u32,
        /// Their mean confidence, basis points, rounded down.
        confidence: u16,
    },
    /// Do nothing.
    NoTrade(Reason),
}

/// Why nothing is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reason {
    /// The council has one member. One vote never decides; who wants to trade alone needs no council.
    Alone,
    /// A veto.
    Vetoed(AgentId),
    /// A member with a veto did not speak in time.
    VetoSilent(AgentId),
    /// Too few answered in time.
    Silence,
    /// Two actions had the same support.
    Tie,
    /// No action had enough.
    Disagreement,
}

/// Why a dossier is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadDossier {
    /// The author is not who coordinated.
    #[error("the dossier is by {0}, who does not coordinate: refuse it")]
    Author(AgentId),
    /// Not in order, or somebody twice.
    #[error("the dossier is out of order at {0}: refuse it")]
    Order(AgentId),
    /// The vote of a proven liar.
    #[error("the dossier counts {0} and proves that it equivocated: refuse it")]
    Proven(AgentId),
    /// A proof that proves nothing.
    #[error("the dossier accuses {0} without a proof: refuse it")]
    Accusation(AgentId),
    /// A vote that does not count.
    #[error(transparent)]
    Ballot(#[from] BadBallot),
}

#[derive(Debug, Clone, Copy, Default)]
struct Support {
    heads: u64,
    weight: u64,
    confidence: u64,
}

impl Dossier {
    /// Its hash, over all that stands in it.
    #[must_use]
    pub fn id(&self) -> DossierId {
        let Self { author, ballots, proofs } = self;
        let mut transcript = Transcript::new("dossier");
        transcript.u32(author.0);
        transcript.u64(ballots.len() as u64);
        ballots.iter().for_each(|ballot| ballot.write(&mut transcript));
        transcript.u64(proofs.len() as u64);
        proofs.iter().for_each(|proof| proof.write(&mut transcript));
        DossierId(transcript.digest())
    }

    /// The vote of an agent.
    #[must_use]
    pub fn ballot(&self, agent: AgentId) -> Option<&Ballot> {
        let place = self.ballots.binary_search_by_key(&agent, |ballot| ballot.agent).ok()?;
        Some(&self.ballots[place])
    }

    /// Checks order, membership and rights, not signatures.
    ///
    /// # Errors
    /// [`BadDossier`], but no [`BadBallot::Identity`].
    pub fn check(&self, council: &Council) -> Result<(), BadDossier> {
        if council.member(self.author).is_none() {
            return Err(BadDossier::Author(self.author));
        }
        let disorder = |agents: &[AgentId]| agents.windows(2).find(|pair| pair[0] >= pair[1]).map(|pair| pair[1]);
        let voters: Vec<AgentId> = self.ballots.iter().map(|ballot| ballot.agent).collect();
        let proven: Vec<AgentId> = self.proofs.iter().map(Equivocation::agent).collect();
        if let Some(agent) = disorder(&voters).or_else(|| disorder(&proven)) {
            return Err(BadDossier::Order(agent));
        }
        let proven: BTreeSet<AgentId> = proven.into_iter().collect();
        if let Some(&agent) = proven.iter().find(|agent| council.member(**agent).is_none()) {
            return Err(BadBallot::Stranger(agent).into());
        }
        for ballot in &self.ballots {
            ballot.check(council)?;
            if proven.contains(&ballot.agent) {
                return Err(BadDossier::Proven(ballot.agent));
            }
        }
        Ok(())
    }

    /// Checks all signatures.
    ///
    /// # Errors
    /// [`BadDossier::Accusation`], or a ballot's [`BadBallot::Identity`].
    pub fn verify(&self, keys: &KeyBook, decision: DecisionId) -> Result<(), BadDossier> {
        if let Some(proof) = self.proofs.iter().find(|proof| !proof.verify(keys)) {
            return Err(BadDossier::Accusation(proof.agent()));
        }
        let signed = |ballot: &Ballot| ballot.verify(keys, decision);
        self.ballots.iter().try_for_each(signed).map_err(|why: IdentityError| BadBallot::Identity(why).into())
    }

    /// What follows.
    #[must_use]
    pub fn outcome(&self, council: &Council) -> Outcome {
        self.judge(council).unwrap_or_else(Outcome::NoTrade)
    }

    fn judge(&self, council: &Council) -> Result<Outcome, Reason> {
        let n = council.members().len() as u64;
        if n == 1 {
            return Err(Reason::Alone);
        }
        let mut support = [Support::default(); 3];
        let (mut answered, mut against) = (0, 0);
        for member in council.members() {
            let weight = u64::from(member.weight);
            let choice = self.ballot(member.agent).map(|ballot| ballot.choice);
            answered += u64::from(choice.is_some());
            match choice {
                Some(Choice::Act { action, confidence }) => {
                    let support = &mut support[action as usize];
                    support.heads += 1;
                    support.weight += weight * u64::from(confidence);
                    support.confidence += u64::from(confidence);
                }
                Some(Choice::Veto) => return Err(Reason::Vetoed(member.agent)),
                None if member.veto => return Err(Reason::VetoSilent(member.agent)),
                Some(Choice::Abstain) | None => against += weight * u64::from(UNIT),
            }
        }
        let heads: u64 = support.iter().map(|support| support.heads).sum();
        let rank = |action: &Action| match council.mode() {
            Mode::Weighted => support[*action as usize].weight,
            _ => support[*action as usize].heads,
        };
        let mut order = Action::ALL;
        order.sort_by_key(|action| std::cmp::Reverse(rank(action)));
        let [mut first, second, _] = order;
        let author = self.ballot(self.author).map(|ballot| ballot.choice);
        let enough = match council.mode() {
            Mode::Majority if 2 * answered <= n => return Err(Reason::Silence),
            Mode::Unanimous if answered < n => return Err(Reason::Silence),
            Mode::Leader => {
                let Some(Choice::Act { action, .. }) = author else { return Err(Reason::Disagreement) };
                first = action;
                2 * (heads - support[action as usize].heads) < n
            }
            _ if heads > 0 && rank(&first) == rank(&second) => return Err(Reason::Tie),
            Mode::Majority => 2 * rank(&first) > answered,
            Mode::Unanimous => rank(&first) == heads,
            Mode::Quorum | Mode::Byzantine => rank(&first) >= council.quorum() as u64,
            Mode::Weighted => {
                let total = support.iter().map(|support| support.weight).sum::<u64>() + against;
                rank(&first) * u64::from(UNIT) >= total * u64::from(council.threshold())
            }
        };
        let Support { heads: supporters, confidence, .. } = support[first as usize];
        // One vote never decides, however heavy or however silent the others.
        if !enough || supporters < 2 {
            return Err(Reason::Disagreement);
        }
        let mean = confidence / supporters;
        Ok(Outcome::Act {
            action: first,
            supporters: u32::try_from(supporters).expect("a council is small"),
            confidence: u16::try_from(mean).expect("a mean of basis points"),
        })
    }
}
