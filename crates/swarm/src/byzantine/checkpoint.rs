//! What a session came to, and a quorum's word for it.
//!
//! Sessions end, and what ordered them is thrown away; who was away can no longer follow it. So each member signs what it
//! has seen ordered when a session ends, and with a quorum's signatures anybody's record of the session can be told from a
//! lie. A quorum of those who ended a session is also when it may be thrown away: the rest have the record.
//!
//! Invariant: of two certified checkpoints of one session both have the same digest, since two quorums share a correct
//! member, and that signs one.

use serde::{Deserialize, Serialize};

use crate::consensus::statement::Consent;
use crate::id::AgentId;
use crate::identity::{Identity, IdentityError, KeyBook, Signature, Transcript};

/// How many of `members` are a quorum: more than two thirds.
#[must_use]
pub const fn quorum(members: usize) -> usize {
    2 * members / 3 + 1
}

/// What a session came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Which broadcast: a hash of its members and its rules.
    pub broadcast: [u8; 32],
    /// Which session.
    pub session: u64,
    /// Of all it ordered and of the digest of the session before.
    pub digest: [u8; 32],
}

/// A checkpoint with a quorum's signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certified {
    /// What they signed.
    pub checkpoint: Checkpoint,
    /// In order of their agents.
    pub consents: Vec<Consent>,
}

/// Why a checkpoint proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadCheckpoint {
    /// Too few signatures.
    #[error("{have} members signed session {session} where a quorum is {need}: do not rely on it")]
    Few {
        /// Which session.
        session: u64,
        /// How many there are.
        have: usize,
        /// How many there must be.
        need: usize,
    },
    /// Somebody twice, or not in order.
    #[error("signatures are out of order at {0}: refuse it")]
    Order(AgentId),
    /// Signed by an agent that is no member.
    #[error("{0} signed and is no member: refuse it")]
    Stranger(AgentId),
    /// A signature.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl Checkpoint {
    fn transcript(&self) -> Transcript {
        let mut transcript = Transcript::new("checkpoint");
        transcript.bytes(&self.broadcast);
        transcript.u64(self.session);
        transcript.bytes(&self.digest);
        transcript
    }

    /// A member's word for it.
    #[must_use]
    pub fn sign(&self, identity: &Identity) -> Signature {
        identity.sign(&self.transcript())
    }

    /// Checks a member's word.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn verify(&self, keys: &KeyBook, agent: AgentId, signature: &Signature) -> Result<(), IdentityError> {
        keys.verify(agent, &self.transcript(), signature)
    }
}

impl Certified {
    /// Checks that a quorum of `members` (in order) signed it.
    ///
    /// # Errors
    /// [`BadCheckpoint`].
    pub fn verify(&self, keys: &KeyBook, members: &[AgentId]) -> Result<(), BadCheckpoint> {
        let (have, need, session) = (self.consents.len(), quorum(members.len()), self.checkpoint.session);
        if have < need {
            return Err(BadCheckpoint::Few { session, have, need });
        }
        if let Some(pair) = self.consents.windows(2).find(|pair| pair[0].agent >= pair[1].agent) {
            return Err(BadCheckpoint::Order(pair[1].agent));
        }
        for Consent { agent, signature } in &self.consents {
            if members.binary_search(agent).is_err() {
                return Err(BadCheckpoint::Stranger(*agent));
            }
            self.checkpoint.verify(keys, *agent, signature)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(agent: u32) -> Identity {
        Identity::new(AgentId(agent), &[agent as u8 + 1; 32])
    }

    #[test]
    fn a_quorum_is_what_two_of_share_a_correct_member() {
        for members in 1..100_usize {
            let faults = (members - 1) / 3;
            assert!(2 * quorum(members) > members + faults, "{members}: two quorums share more than liars");
            assert!(quorum(members) <= members - faults, "{members}: the correct ones are enough");
        }
        assert_eq!([1, 4, 7, 10].map(quorum), [1, 3, 5, 7]);
    }

    #[test]
    fn a_quorum_convinces_and_nothing_else_does() {
        let mut keys = KeyBook::new();
        for agent in 0..5 {
            keys.insert(AgentId(agent), &identity(agent).public()).unwrap();
        }
        let members: Vec<AgentId> = (0..4).map(AgentId).collect();
        let checkpoint = Checkpoint { broadcast: [1; 32], session: 7, digest: [2; 32] };
        let by = |agents: &[u32], of: Checkpoint| Certified {
            checkpoint,
            consents: agents
                .iter()
                .map(|agent| Consent { agent: AgentId(*agent), signature: of.sign(&identity(*agent)) })
                .collect(),
        };
        let check = |certified: &Certified| certified.verify(&keys, &members);
        assert_eq!(check(&by(&[0, 2, 3], checkpoint)), Ok(()));
        assert_eq!(check(&by(&[0, 1, 2, 3], checkpoint)), Ok(()));
        assert_eq!(check(&by(&[0, 2], checkpoint)), Err(BadCheckpoint::Few { session: 7, have: 2, need: 3 }));
        assert_eq!(check(&by(&[0, 2, 2], checkpoint)), Err(BadCheckpoint::Order(AgentId(2))));
        assert_eq!(check(&by(&[0, 2, 4], checkpoint)), Err(BadCheckpoint::Stranger(AgentId(4))));
        for other in [
            Checkpoint { broadcast: [9; 32], ..checkpoint },
            Checkpoint { session: 8, ..checkpoint },
            Checkpoint { digest: [9; 32], ..checkpoint },
        ] {
            let why = BadCheckpoint::Identity(IdentityError::Invalid(AgentId(0)));
            assert_eq!(check(&by(&[0, 1, 2], other)), Err(why));
        }
    }
}
