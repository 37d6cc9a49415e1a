//! The run hash: one number for all that a run did.
//!
//! Invariant: it covers the content of orders, reports and postings in their order, and nothing else: neither the
//! configuration's wording nor how the journal was cut into groups changes it.

use serde::{Deserialize, Serialize};
use starling_core::journal::Digest;

/// Bytes gathered before they are hashed: long runs hash several times faster than short ones.
const GATHER_BYTES: usize = 64 * 1024;

/// A chained BLAKE3 over everything handed in, small enough to live in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct RunHash {
    chain: [u8; 32],
    gathered: Vec<u8>,
}

impl RunHash {
    /// Takes the content of one record.
    #[inline]
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= GATHER_BYTES {
            self.chain = self.digest().0;
            self.gathered.clear();
        }
    }

    /// The hash so far.
    #[must_use]
    pub(crate) fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.chain);
        hasher.update(&self.gathered);
        Digest(*hasher.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_content_count() {
        let hash = |parts: &[&[u8]]| {
            let mut hash = RunHash::default();
            parts.iter().for_each(|part| hash.update(part));
            hash.digest()
        };
        assert_ne!(hash(&[b"a", b"b"]), hash(&[b"b", b"a"]));
        assert_ne!(hash(&[b"a"]), hash(&[b"b"]));
        let long = vec![7; GATHER_BYTES + 1];
        assert_ne!(hash(&[&long]), hash(&[&long[1..]]));
    }
}
