//! What one agent thinks, over its signature.
//!
//! Invariant: an agent signs one ballot per decision, whichever term it is sent in. Two different ones are a proof against it that anybody can
//! check ([`Equivocation`]).

use serde::{Deserialize, Serialize};

use crate::consensus::council::{Council, DecisionId, UNIT};
use crate::id::AgentId;
use crate::identity::{Identity, IdentityError, KeyBook, Signature, Transcript};

/// What to do about an instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Buy.
    Buy,
    /// Sell.
    Sell,
    /// Leave things as they are.
    Hold,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Buy, Self::Sell, Self::Hold];
}

/// A vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Choice {
    /// For an action.
    Act {
        /// Which.
        action: Action,
        /// How sure, 0 to [`UNIT`].
        confidence: u16,
    },
    /// Present, without an opinion.
    Abstain,
    /// No trade, whatever the others want. For members with the right to it.
    Veto,
}

impl Choice {
    /// Whether an agent may vote this.
    ///
    /// # Errors
    /// Everything but [`BadBallot::Identity`].
    pub fn check(self, agent: AgentId, council: &Council) -> Result<(), BadBallot> {
        let member = council.member(agent).ok_or(BadBallot::Stranger(agent))?;
        match self {
            Self::Veto if !member.veto => Err(BadBallot::NoVeto(agent)),
            Self::Act { confidence, .. } if confidence > UNIT => Err(BadBallot::Confidence(agent, confidence)),
            _ => Ok(()),
        }
    }
}

/// A signed vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    /// Whose.
    pub agent: AgentId,
    /// What.
    pub choice: Choice,
    /// By the agent, over the decision's name, its own number and the choice.
    pub signature: Signature,
}

/// Why a ballot does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadBallot {
    /// Not of this council.
    #[error("{0} is no member of the council: drop its vote")]
    Stranger(AgentId),
    /// A veto without the right to it.
    #[error("{0} has no veto: drop its vote")]
    NoVeto(AgentId),
    /// A confidence above one.
    #[error("{0} is {1} basis points confident, above {UNIT}: drop its vote")]
    Confidence(AgentId, u16),
    /// The signature.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Two different votes of one agent in one decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Equivocation {
    /// In which decision.
    pub decision: DecisionId,
    /// The one.
    pub first: Ballot,
    /// The other.
    pub second: Ballot,
}

fn statement(decision: DecisionId, agent: AgentId, choice: Choice) -> Transcript {
    let mut transcript = Transcript::new("vote");
    transcript.bytes(&decision.0);
    write(&mut transcript, agent, choice);
    transcript
}

fn write(transcript: &mut Transcript, agent: AgentId, choice: Choice) {
    transcript.u32(agent.0);
    let (kind, confidence) = match choice {
        Choice::Act { action, confidence } => (action as u8, confidence),
        Choice::Abstain => (3, 0),
        Choice::Veto => (4, 0),
    };
    transcript.u8(kind);
    transcript.u16(confidence);
}

impl Ballot {
    /// Signs a vote.
    #[must_use]
    pub fn new(identity: &Identity, decision: DecisionId, choice: Choice) -> Self {
        let agent = identity.agent();
        Self { agent, choice, signature: identity.sign(&statement(decision, agent, choice)) }
    }

    /// Adds the ballot and its signature to a statement about it.
    pub(super) fn write(&self, transcript: &mut Transcript) {
        write(transcript, self.agent, self.choice);
        transcript.signature(&self.signature);
    }

    /// Checks everything but the signature.
    ///
    /// # Errors
    /// Everything but [`BadBallot::Identity`].
    pub fn check(&self, council: &Council) -> Result<(), BadBallot> {
        self.choice.check(self.agent, council)
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn verify(&self, keys: &KeyBook, decision: DecisionId) -> Result<(), IdentityError> {
        keys.verify(self.agent, &statement(decision, self.agent, self.choice), &self.signature)
    }
}

impl Equivocation {
    /// Who.
    #[must_use]
    pub const fn agent(&self) -> AgentId {
        self.first.agent
    }

    /// Adds the proof to a statement about it.
    pub(super) fn write(&self, transcript: &mut Transcript) {
        transcript.bytes(&self.decision.0);
        self.first.write(transcript);
        self.second.write(transcript);
    }

    /// True if both ballots are one agent's, differ in their choice, and are signed.
    #[must_use]
    pub fn verify(&self, keys: &KeyBook) -> bool {
        self.first.agent == self.second.agent
            && self.first.choice != self.second.choice
            && self.first.verify(keys, self.decision).is_ok()
            && self.second.verify(keys, self.decision).is_ok()
    }
}
