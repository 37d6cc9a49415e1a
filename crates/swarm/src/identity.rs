//! Who an agent is: a key pair, the keys of the others, and the exact bytes that are signed.
//!
//! Invariant: a signature is over [`Transcript`] bytes only, which name the domain, the version and the purpose first, so
//! that no signature made for one purpose is ever valid for another. Whether a signature is valid is the same at every
//! node: one strict rule (RFC 8032 with canonical encodings, no small-order points), applied one by one. Algebraic batch
//! verification is deliberately absent: it accepts some signatures with a torsion component that the strict rule
//! refuses (Chalkias, Garillot and Nikolaenko, "Taming the many EdDSAs", 2020), and two nodes that disagree whether a
//! vote exists are a broken agreement. [`KeyBook::verify_all`] is a batch in its interface, strict in its verdict.
//!
//! Nothing here draws randomness: seeds are handed in by whoever keeps secrets, and both schemes sign deterministically.
//!
//! With the feature `post-quantum` an agent may hold an ML-DSA-65 key (FIPS 204) besides; its signatures then count only
//! if both hold. Which scheme an agent uses is fixed by its entry in the book, so half a signature is worth nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{Sha512, Verifier, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::id::AgentId;

#[cfg(feature = "post-quantum")]
mod lattice;
#[cfg(test)]
mod tests;

/// The first bytes of everything that is signed; the digit is the version of all encodings below.
const DOMAIN: &[u8] = b"starling swarm 1";

/// The eight points of small order (RFC 8032's curve has a cofactor of 8), as they are encoded.
///
/// A valid signature's R is the canonical encoding of what the equation gives, byte by byte, so R is of small order if
/// and only if it is one of these. Keys are refused when they are entered. `verify_strict` decodes both at every
/// signature to find out the same, which is a seventh of its time.
const SMALL_ORDER: [[u8; 32]; 8] = {
    const fn with(first: u8, middle: u8, last: u8) -> [u8; 32] {
        let mut bytes = [middle; 32];
        (bytes[0], bytes[31]) = (first, last);
        bytes
    }
    const fn negated(mut bytes: [u8; 32]) -> [u8; 32] {
        bytes[31] |= 0x80;
        bytes
    }
    const EIGHT: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
            0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
            0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    // Order 1, y = 1; order 2, y = -1; order 4, y = 0; order 8.
    [
        with(1, 0, 0),
        with(0xec, 0xff, 0x7f),
        with(0, 0, 0),
        negated(with(0, 0, 0)),
        EIGHT[0],
        negated(EIGHT[0]),
        EIGHT[1],
        negated(EIGHT[1]),
    ]
};

/// The bytes of a statement, in one form only: domain, purpose, then fields of fixed width or with their length first.
#[derive(Debug, Clone)]
pub struct Transcript {
    bytes: Vec<u8>,
}

impl Transcript {
    /// Starts a statement of one kind.
    #[must_use]
    pub fn new(purpose: &'static str) -> Self {
        let mut transcript = Self { bytes: Vec::with_capacity(128) };
        transcript.bytes.extend_from_slice(DOMAIN);
        transcript.bytes(purpose.as_bytes());
        transcript
    }

    /// Adds one byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Adds two bytes, the least significant first.
    pub fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Adds four bytes, the least significant first.
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Adds eight bytes, the least significant first.
    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Adds bytes, their length first.
    pub fn bytes(&mut self, value: &[u8]) {
        self.u64(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    /// Adds a signature, all of it.
    pub fn signature(&mut self, signature: &Signature) {
        self.bytes.extend_from_slice(&signature.r);
        self.bytes.extend_from_slice(&signature.s);
        self.bytes(signature.ml_dsa().unwrap_or_default());
    }

    /// What is signed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The BLAKE3 hash of what is signed.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        *blake3::hash(&self.bytes).as_bytes()
    }
}

/// A signature: 64 bytes of Ed25519 (RFC 8032), and 3,309 of ML-DSA-65 (FIPS 204) if its agent's key is hybrid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    r: [u8; 32],
    s: [u8; 32],
    ml_dsa: Option<Vec<u8>>,
}

impl Signature {
    /// The Ed25519 part, R before S.
    #[must_use]
    pub fn ed25519(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.r);
        bytes[32..].copy_from_slice(&self.s);
        bytes
    }

    /// The ML-DSA-65 part.
    #[must_use]
    pub fn ml_dsa(&self) -> Option<&[u8]> {
        self.ml_dsa.as_deref()
    }
}

/// What others need to check an agent's signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// The Ed25519 key.
    pub ed25519: [u8; 32],
    /// The ML-DSA-65 key, 1,952 bytes, if the agent signs with both.
    pub ml_dsa: Option<Vec<u8>>,
}

/// Why a key or a signature was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The book has no key of this agent.
    #[error("no key of {0}: add its public key to the key book")]
    Unknown(AgentId),
    /// The signature is not this agent's over these bytes.
    #[error("the signature is not {0}'s over what it claims: drop the message")]
    Invalid(AgentId),
    /// A key that is no point of the curve, or one of small order, or of the wrong length.
    #[error("the public key of {0} is malformed or weak: make a new one from a fresh seed")]
    Key(AgentId),
    /// Keys are entered once.
    #[error("{0} has another key already: a replacement agent takes a new number")]
    Replaced(AgentId),
    /// Two agents with one key would be one agent with two votes.
    #[error("{0} has the key of another agent: give each its own seed")]
    Shared(AgentId),
    /// The key is hybrid and this build cannot check it.
    #[error("the key of {0} has an ML-DSA-65 part: build with the feature `post-quantum`")]
    Unsupported(AgentId),
}

/// An agent's secret.
pub struct Identity {
    agent: AgentId,
    /// The seed's hash, which a `SigningKey` would take anew for each signature.
    secret: ExpandedSecretKey,
    public: VerifyingKey,
    #[cfg(feature = "post-quantum")]
    lattice: Option<lattice::Secret>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("agent", &self.agent).field("secret", &"[redacted]").finish()
    }
}

impl Identity {
    /// From 32 secret random bytes, drawn by the caller.
    #[must_use]
    pub fn new(agent: AgentId, seed: &[u8; 32]) -> Self {
        let secret = ExpandedSecretKey::from(seed);
        Self {
            agent,
            public: VerifyingKey::from(&secret),
            secret,
            #[cfg(feature = "post-quantum")]
            lattice: None,
        }
    }

    /// From two independent secrets of 32 random bytes: Ed25519's and ML-DSA-65's.
    #[cfg(feature = "post-quantum")]
    #[must_use]
    pub fn hybrid(agent: AgentId, seed: &[u8; 32], ml_dsa_seed: &[u8; 32]) -> Self {
        Self { lattice: Some(lattice::Secret::new(ml_dsa_seed)), ..Self::new(agent, seed) }
    }

    /// Whose it is.
    #[must_use]
    pub const fn agent(&self) -> AgentId {
        self.agent
    }

    /// What to enter in the others' books.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        #[cfg(feature = "post-quantum")]
        let ml_dsa = self.lattice.as_ref().map(lattice::Secret::public);
        #[cfg(not(feature = "post-quantum"))]
        let ml_dsa = None;
        PublicKey { ed25519: self.public.to_bytes(), ml_dsa }
    }

    /// Signs a statement; the same statement gives the same signature.
    #[must_use]
    pub fn sign(&self, transcript: &Transcript) -> Signature {
        let bytes = raw_sign::<Sha512>(&self.secret, transcript.as_bytes(), &self.public);
        #[cfg(feature = "post-quantum")]
        let ml_dsa = self.lattice.as_ref().map(|secret| secret.sign(transcript.as_bytes(), lattice::CONTEXT));
        #[cfg(not(feature = "post-quantum"))]
        let ml_dsa = None;
        Signature { r: *bytes.r_bytes(), s: *bytes.s_bytes(), ml_dsa }
    }
}

#[derive(Debug, Clone)]
struct Entry {
    ed25519: VerifyingKey,
    #[cfg(feature = "post-quantum")]
    lattice: Option<lattice::Public>,
}

/// A statement to be checked with others.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Who is said to have signed.
    pub agent: AgentId,
    /// What.
    pub transcript: &'a Transcript,
    /// With which signature.
    pub signature: &'a Signature,
}

/// The public keys of a swarm's agents. Keys are added, never replaced or removed: an agent's number is used once.
#[derive(Debug, Clone, Default)]
pub struct KeyBook {
    entries: BTreeMap<AgentId, Entry>,
    used: BTreeSet<[u8; 32]>,
}

impl KeyBook {
    /// An empty book.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters an agent's key. Entering the same again does nothing.
    ///
    /// # Errors
    /// Everything but [`IdentityError::Unknown`] and [`IdentityError::Invalid`].
    pub fn insert(&mut self, agent: AgentId, key: &PublicKey) -> Result<(), IdentityError> {
        let ed25519 = VerifyingKey::from_bytes(&key.ed25519).map_err(|_| IdentityError::Key(agent))?;
        if ed25519.is_weak() || ed25519.to_bytes() != key.ed25519 {
            return Err(IdentityError::Key(agent));
        }
        #[cfg(not(feature = "post-quantum"))]
        if key.ml_dsa.is_some() {
            return Err(IdentityError::Unsupported(agent));
        }
        #[cfg(feature = "post-quantum")]
        let lattice = match &key.ml_dsa {
            Some(bytes) => Some(lattice::Public::new(bytes).ok_or(IdentityError::Key(agent))?),
            None => None,
        };
        let entry = Entry {
            ed25519,
            #[cfg(feature = "post-quantum")]
            lattice,
        };
        if let Some(known) = self.entries.get(&agent) {
            #[cfg(feature = "post-quantum")]
            let same = known.lattice.as_ref().map(lattice::Public::bytes) == key.ml_dsa;
            #[cfg(not(feature = "post-quantum"))]
            let same = true;
            let same = same && known.ed25519 == entry.ed25519;
            return if same { Ok(()) } else { Err(IdentityError::Replaced(agent)) };
        }
        if !self.used.insert(key.ed25519) {
            return Err(IdentityError::Shared(agent));
        }
        self.entries.insert(agent, entry);
        Ok(())
    }

    /// True if this agent's key is known.
    #[must_use]
    pub fn contains(&self, agent: AgentId) -> bool {
        self.entries.contains_key(&agent)
    }

    /// Checks one signature.
    ///
    /// # Errors
    /// [`IdentityError::Unknown`], [`IdentityError::Invalid`].
    pub fn verify(&self, agent: AgentId, transcript: &Transcript, signature: &Signature) -> Result<(), IdentityError> {
        let entry = self.entries.get(&agent).ok_or(IdentityError::Unknown(agent))?;
        let classical = ed25519_dalek::Signature::from_components(signature.r, signature.s);
        let valid = entry.ed25519.verify(transcript.as_bytes(), &classical).is_ok();
        #[cfg(feature = "post-quantum")]
        let lattice = match (&entry.lattice, &signature.ml_dsa) {
            (Some(key), Some(bytes)) => key.verify(transcript.as_bytes(), lattice::CONTEXT, bytes),
            (None, None) => true,
            _ => false,
        };
        #[cfg(not(feature = "post-quantum"))]
        let lattice = signature.ml_dsa.is_none();
        if valid && !SMALL_ORDER.contains(&signature.r) && lattice {
            Ok(())
        } else {
            Err(IdentityError::Invalid(agent))
        }
    }

    /// Checks many signatures, each by the rule of [`Self::verify`].
    ///
    /// # Errors
    /// The place of the first that does not hold, and why.
    pub fn verify_all<'a>(&self, claims: impl IntoIterator<Item = Claim<'a>>) -> Result<(), (usize, IdentityError)> {
        for (place, claim) in claims.into_iter().enumerate() {
            self.verify(claim.agent, claim.transcript, claim.signature).map_err(|why| (place, why))?;
        }
        Ok(())
    }
}
