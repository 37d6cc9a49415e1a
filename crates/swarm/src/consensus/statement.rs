//! What members sign while they agree on a dossier, and the certificate that ends it.
//!
//! Invariant: a statement names the decision, the term and the dossier; a certificate convinces anybody who has the
//! council and its keys, without having seen the debate.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;

use crate::consensus::council::{Council, DecisionId, Mode, Subject};
use crate::consensus::tally::{BadDossier, Dossier, DossierId, Outcome};
use crate::id::AgentId;
use crate::identity::{Identity, IdentityError, KeyBook, Signature, Transcript};

/// Which of its statements about a dossier a member signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// I know of no other dossier of this term. With liars only.
    Prepare,
    /// I am bound to this dossier.
    Commit,
}

impl Stage {
    /// What a member signs when it takes an offer. The coordinator takes its own first, so its signature under the offer
    /// is this one, and no other.
    #[must_use]
    pub const fn first(mode: Mode) -> Self {
        if matches!(mode, Mode::Byzantine) { Self::Prepare } else { Self::Commit }
    }
}

/// What a stage's signature is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stand {
    /// About which decision.
    pub decision: DecisionId,
    /// In which term.
    pub term: u32,
    /// For which dossier.
    pub dossier: DossierId,
}

/// A member's signature under a [`Stand`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Whose.
    pub agent: AgentId,
    /// By it.
    pub signature: Signature,
}

/// A coordinator's call for votes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// About what.
    pub subject: Subject,
    /// The coordinator's term, from 1.
    pub term: u32,
    /// Votes that come later are not waited for.
    pub deadline: UnixNanos,
    /// The coordinator's, over the decision's name, the term and the deadline; none if the transport's word is taken.
    pub signature: Option<Signature>,
}

/// I take part in no term below this one any more, and this is the last dossier I was bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// Whose.
    pub agent: AgentId,
    /// The term in which it was bound, and to which dossier.
    pub lock: Option<(u32, DossierId)>,
    /// By the agent, over the decision's name, the new term and the lock.
    pub signature: Signature,
}

/// A quorum's word that a term has this dossier and no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// Which term.
    pub term: u32,
    /// Which dossier.
    pub dossier: DossierId,
    /// In order of their agents.
    pub consents: Vec<Consent>,
}

/// A final decision, with all that justifies it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// About what.
    pub subject: Subject,
    /// The term in which it became final.
    pub term: u32,
    /// The signed votes.
    pub dossier: Dossier,
    /// Of a quorum, in order of their agents.
    pub commits: Vec<Consent>,
}

/// Why a certificate, or a part of it, proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadCertificate {
    /// Too few signatures.
    #[error("{have} signatures where a quorum is {need}: it is no decision")]
    Few {
        /// How many there are.
        have: usize,
        /// How many there must be.
        need: usize,
    },
    /// Somebody twice, or not in order.
    #[error("signatures are out of order at {0}: refuse it")]
    Order(AgentId),
    /// Signed by an agent that is no member.
    #[error("{0} signed and is no member of the council: refuse it")]
    Stranger(AgentId),
    /// A signature.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The votes.
    #[error(transparent)]
    Dossier(#[from] BadDossier),
}

impl Stand {
    fn transcript(&self, stage: Stage) -> Transcript {
        let purpose = match stage {
            Stage::Prepare => "prepare",
            Stage::Commit => "commit",
        };
        let mut transcript = Transcript::new(purpose);
        transcript.bytes(&self.decision.0);
        transcript.u32(self.term);
        transcript.bytes(&self.dossier.0);
        transcript
    }

    /// Signs a stage.
    #[must_use]
    pub fn sign(&self, stage: Stage, identity: &Identity) -> Signature {
        identity.sign(&self.transcript(stage))
    }

    /// Checks an agent's signature.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn verify(
        &self,
        stage: Stage,
        keys: &KeyBook,
        agent: AgentId,
        signature: &Signature,
    ) -> Result<(), IdentityError> {
        keys.verify(agent, &self.transcript(stage), signature)
    }

    /// Checks that a quorum of members signed, each once and in order; what is `known` to be signed is not checked again.
    fn verify_quorum(
        &self,
        stage: Stage,
        keys: &KeyBook,
        council: &Council,
        consents: &[Consent],
        known: impl Fn(&Self, Stage, &Consent) -> bool,
    ) -> Result<(), BadCertificate> {
        if consents.len() < council.quorum() {
            return Err(BadCertificate::Few { have: consents.len(), need: council.quorum() });
        }
        if let Some(pair) = consents.windows(2).find(|pair| pair[0].agent >= pair[1].agent) {
            return Err(BadCertificate::Order(pair[1].agent));
        }
        for consent in consents {
            let Consent { agent, signature } = consent;
            if council.member(*agent).is_none() {
                return Err(BadCertificate::Stranger(*agent));
            }
            if !known(self, stage, consent) {
                self.verify(stage, keys, *agent, signature)?;
            }
        }
        Ok(())
    }
}

impl Proposal {
    fn transcript(decision: DecisionId, term: u32, deadline: UnixNanos) -> Transcript {
        let mut transcript = Transcript::new("proposal");
        transcript.bytes(&decision.0);
        transcript.u32(term);
        transcript.u64(deadline.get());
        transcript
    }

    /// Signs a call.
    #[must_use]
    pub fn new(identity: &Identity, decision: DecisionId, subject: Subject, term: u32, deadline: UnixNanos) -> Self {
        let signature = identity.sign(&Self::transcript(decision, term, deadline));
        Self { subject, term, deadline, signature: Some(signature) }
    }

    /// Checks that `agent` signed it.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn verify(&self, keys: &KeyBook, decision: DecisionId, agent: AgentId) -> Result<(), IdentityError> {
        let signature = self.signature.as_ref().ok_or(IdentityError::Invalid(agent))?;
        keys.verify(agent, &Self::transcript(decision, self.term, self.deadline), signature)
    }
}

impl Promise {
    fn transcript(decision: DecisionId, term: u32, lock: Option<(u32, DossierId)>) -> Transcript {
        let mut transcript = Transcript::new("promise");
        transcript.bytes(&decision.0);
        transcript.u32(term);
        transcript.u8(u8::from(lock.is_some()));
        if let Some((term, dossier)) = lock {
            transcript.u32(term);
            transcript.bytes(&dossier.0);
        }
        transcript
    }

    /// Signs a promise to a term.
    #[must_use]
    pub fn new(identity: &Identity, decision: DecisionId, term: u32, lock: Option<(u32, DossierId)>) -> Self {
        let signature = identity.sign(&Self::transcript(decision, term, lock));
        Self { agent: identity.agent(), lock, signature }
    }

    /// Checks that its agent made it, to this term, and that its lock is from an earlier one.
    #[must_use]
    pub fn verify(&self, keys: &KeyBook, decision: DecisionId, term: u32) -> bool {
        self.lock.is_none_or(|(locked, _)| (1..term).contains(&locked))
            && keys.verify(self.agent, &Self::transcript(decision, term, self.lock), &self.signature).is_ok()
    }

    /// The highest lock that a quorum of promises to `term` reports; the error is a set that is no quorum of promises.
    pub(super) fn highest_lock(
        promises: &[Self],
        keys: Option<&KeyBook>,
        council: &Council,
        decision: DecisionId,
        term: u32,
    ) -> Result<Option<(u32, DossierId)>, BadCertificate> {
        let agents: BTreeSet<AgentId> = promises.iter().map(|promise| promise.agent).collect();
        if agents.len() != promises.len() || promises.len() < council.quorum() {
            return Err(BadCertificate::Few { have: agents.len(), need: council.quorum() });
        }
        for promise in promises {
            if council.member(promise.agent).is_none() {
                return Err(BadCertificate::Stranger(promise.agent));
            }
            let past = promise.lock.is_none_or(|(locked, _)| (1..term).contains(&locked));
            if !past || keys.is_some_and(|keys| !promise.verify(keys, decision, term)) {
                return Err(IdentityError::Invalid(promise.agent).into());
            }
        }
        Ok(promises.iter().filter_map(|promise| promise.lock).max_by_key(|(term, _)| *term))
    }
}

impl Prepared {
    /// Checks that a quorum prepared it.
    ///
    /// # Errors
    /// [`BadCertificate`].
    pub fn verify(&self, keys: &KeyBook, council: &Council, decision: DecisionId) -> Result<(), BadCertificate> {
        self.verify_new(keys, council, decision, |_, _, _| false)
    }

    /// The same, for a member who has checked some of the signatures.
    pub(super) fn verify_new(
        &self,
        keys: &KeyBook,
        council: &Council,
        decision: DecisionId,
        known: impl Fn(&Stand, Stage, &Consent) -> bool,
    ) -> Result<(), BadCertificate> {
        let stand = Stand { decision, term: self.term, dossier: self.dossier };
        stand.verify_quorum(Stage::Prepare, keys, council, &self.consents, known)
    }
}

impl Certificate {
    /// What was decided.
    #[must_use]
    pub fn outcome(&self, council: &Council) -> Outcome {
        self.dossier.outcome(council)
    }

    /// Checks every signature in it and every rule. Needs nothing but the council and its keys.
    ///
    /// # Errors
    /// [`BadCertificate`].
    pub fn verify(&self, keys: &KeyBook, council: &Council) -> Result<(), BadCertificate> {
        self.dossier.check(council)?;
        self.dossier.verify(keys, council.decision(self.subject))?;
        self.verify_commits(keys, council, council.decision(self.subject), |_, _, _| false)
    }

    /// Checks the quorum's signatures alone, those that are not `known`. It is enough for who trusts the council to be
    /// what its mode says: a correct member is in the quorum, and did not sign before the dossier was checked.
    pub(super) fn verify_commits(
        &self,
        keys: &KeyBook,
        council: &Council,
        decision: DecisionId,
        known: impl Fn(&Stand, Stage, &Consent) -> bool,
    ) -> Result<(), BadCertificate> {
        let stand = Stand { decision, term: self.term, dossier: self.dossier.id() };
        stand.verify_quorum(Stage::Commit, keys, council, &self.commits, known)
    }
}
