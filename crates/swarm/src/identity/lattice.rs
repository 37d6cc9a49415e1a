//! The post-quantum half of a hybrid identity: ML-DSA-65 (FIPS 204), security category 3.
//!
//! Invariant: signing is the deterministic variant of FIPS 204 (section 3.4), so a statement has one signature by its
//! signer. The arithmetic is `ml-dsa`'s; this file only fits it to the identity.

use ml_dsa::{EncodedSignature, EncodedVerifyingKey, MlDsa65, Signature, SigningKey, VerifyingKey};

/// The context string of FIPS 204 for all statements of a swarm; it separates them from any other use of the key.
pub(super) const CONTEXT: &[u8] = b"starling swarm";

/// A secret key.
pub(super) struct Secret(Box<SigningKey<MlDsa65>>);

impl Secret {
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        Self(Box::new(SigningKey::from_seed(&(*seed).into())))
    }

    pub(super) fn public(&self) -> Vec<u8> {
        self.0.expanded_key().verifying_key().encode().to_vec()
    }

    pub(super) fn sign(&self, message: &[u8], context: &[u8]) -> Vec<u8> {
        let signature = self.0.expanded_key().sign_deterministic(message, context);
        signature.expect("the context is below 256 bytes").encode().to_vec()
    }
}

/// A public key.
#[derive(Debug, Clone)]
pub(super) struct Public(Box<VerifyingKey<MlDsa65>>);

impl Public {
    /// None if the length is not 1,952 bytes.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let encoded = EncodedVerifyingKey::<MlDsa65>::try_from(bytes).ok()?;
        Some(Self(Box::new(VerifyingKey::decode(&encoded))))
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.encode().to_vec()
    }

    pub(super) fn verify(&self, message: &[u8], context: &[u8], signature: &[u8]) -> bool {
        let Ok(encoded) = EncodedSignature::<MlDsa65>::try_from(signature) else { return false };
        Signature::decode(&encoded).is_some_and(|signature| self.0.verify_with_context(message, context, &signature))
    }
}
