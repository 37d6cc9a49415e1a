//! What the broadcast's units carry, and how they are hashed and signed.
//!
//! Invariant: a parcel is opaque bytes from the member that made it up to the moment it is ordered, so it is written and
//! hashed as it came, and one that makes no sense is ordered like any other and has no effect at any member alike.

use std::fmt;
use std::sync::Arc;

use aleph_bft::{Index, Keychain, MultiKeychain, NodeCount, NodeIndex, PartialMultisignature, SignatureSet};
use codec::{Decode, Encode, Input, Output};
use starling_swarm::byzantine::{BATCH_BYTES_MAX, Item};
use starling_swarm::id::AgentId;
use starling_swarm::identity::{Identity, KeyBook, Signature, Transcript};

/// Bytes of batches in one unit.
pub(super) const PARCEL_BYTES_MAX: usize = 256 * 1024;
/// A batch's number and length.
const HEAD_BYTES: usize = 8 + 4;

const _: () = assert!(BATCH_BYTES_MAX + HEAD_BYTES <= PARCEL_BYTES_MAX, "a batch fits into a parcel");

/// Some batches of one member, each with its number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Parcel(pub(super) Arc<[u8]>);

impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parcel({} bytes)", self.0.len())
    }
}

impl Encode for Parcel {
    fn size_hint(&self) -> usize {
        self.0.len() + 5
    }
    fn encode_to<T: Output + ?Sized>(&self, dest: &mut T) {
        self.0.as_ref().encode_to(dest);
    }
}

impl Decode for Parcel {
    fn decode<I: Input>(input: &mut I) -> Result<Self, codec::Error> {
        let bytes = Vec::<u8>::decode(input)?;
        if bytes.len() > PARCEL_BYTES_MAX {
            return Err("a parcel of too many bytes".into());
        }
        Ok(Self(bytes.into()))
    }
}

/// The bytes of a batch's items.
pub(super) fn pack(items: &[Item]) -> Vec<u8> {
    postcard::to_allocvec(items).expect("items are plain data")
}

/// The items of a batch; none if they are not some.
pub(super) fn unpack(bytes: &[u8]) -> Option<Vec<Item>> {
    postcard::from_bytes(bytes).ok()
}

/// Bytes that a batch takes of a parcel.
pub(super) const fn weight(batch: &[u8]) -> usize {
    HEAD_BYTES + batch.len()
}

/// Adds a batch to a parcel.
pub(super) fn put(parcel: &mut Vec<u8>, number: u64, batch: &[u8]) {
    parcel.extend(number.to_le_bytes());
    parcel.extend(u32::try_from(batch.len()).expect("below the limit of a batch").to_le_bytes());
    parcel.extend(batch);
}

/// The batches of a parcel, up to where it stops to make sense.
pub(super) fn batches(mut parcel: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    std::iter::from_fn(move || {
        let (number, rest) = parcel.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (batch, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        parcel = rest;
        Some((u64::from_le_bytes(*number), batch))
    })
}

/// BLAKE3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blake3;

impl aleph_bft::Hasher for Blake3 {
    type Hash = [u8; 32];

    fn hash(bytes: &[u8]) -> [u8; 32] {
        *blake3::hash(bytes).as_bytes()
    }
}

/// A signature, of any scheme that agents have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seal(Signature);

impl Encode for Seal {
    fn encode_to<T: Output + ?Sized>(&self, dest: &mut T) {
        postcard::to_allocvec(&self.0).expect("a signature is plain data").encode_to(dest);
    }
}

impl Decode for Seal {
    fn decode<I: Input>(input: &mut I) -> Result<Self, codec::Error> {
        let bytes = Vec::<u8>::decode(input)?;
        postcard::from_bytes(&bytes).map(Self).map_err(|_| "no signature".into())
    }
}

/// One member's key and all members' public keys. Its signatures are good in one broadcast only.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) identity: Arc<Identity>,
    pub(super) book: Arc<KeyBook>,
    /// In order; a member's place is its number in the broadcast.
    pub(super) members: Arc<[AgentId]>,
    pub(super) broadcast: [u8; 32],
}

impl Keys {
    fn transcript(&self, message: &[u8]) -> Transcript {
        let mut transcript = Transcript::new("byzantine");
        transcript.bytes(&self.broadcast);
        transcript.bytes(message);
        transcript
    }

    /// A member's place.
    pub(super) fn place(&self, agent: AgentId) -> Option<usize> {
        self.members.binary_search(&agent).ok()
    }
}

impl Index for Keys {
    fn index(&self) -> NodeIndex {
        NodeIndex(self.place(self.identity.agent()).expect("its own agent is a member"))
    }
}

impl Keychain for Keys {
    type Signature = Seal;

    fn node_count(&self) -> NodeCount {
        NodeCount(self.members.len())
    }

    fn sign(&self, message: &[u8]) -> Seal {
        Seal(self.identity.sign(&self.transcript(message)))
    }

    fn verify(&self, message: &[u8], seal: &Seal, by: NodeIndex) -> bool {
        let Some(agent) = self.members.get(by.0) else { return false };
        self.book.verify(*agent, &self.transcript(message), &seal.0).is_ok()
    }
}

impl MultiKeychain for Keys {
    type PartialMultisignature = SignatureSet<Seal>;

    fn bootstrap_multi(&self, seal: &Seal, by: NodeIndex) -> SignatureSet<Seal> {
        SignatureSet::with_size(self.node_count()).add_signature(seal, by)
    }

    fn is_complete(&self, message: &[u8], set: &SignatureSet<Seal>) -> bool {
        set.item_count() >= self.node_count().consensus_threshold().0
            && set.iter().all(|(by, seal)| self.verify(message, seal, by))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of one of four members.
    pub(in super::super) fn keys(me: u32, broadcast: u8) -> Keys {
        let identity = |agent: u32| Identity::new(AgentId(agent), &[agent as u8 + 1; 32]);
        let mut book = KeyBook::new();
        (0..4).for_each(|agent| book.insert(AgentId(agent), &identity(agent).public()).unwrap());
        Keys {
            identity: Arc::new(identity(me)),
            book: Arc::new(book),
            members: (0..4).map(AgentId).collect(),
            broadcast: [broadcast; 32],
        }
    }

    #[test]
    fn a_signature_is_good_for_its_member_its_bytes_and_its_broadcast() {
        let seal = keys(2, 1).sign(b"unit");
        let back = Seal::decode(&mut &seal.encode()[..]).unwrap();
        let checker = keys(0, 1);
        assert!(checker.verify(b"unit", &back, NodeIndex(2)));
        assert!(!checker.verify(b"unit", &back, NodeIndex(1)));
        assert!(!checker.verify(b"unit", &back, NodeIndex(4)), "no such member");
        assert!(!checker.verify(b"tinu", &back, NodeIndex(2)));
        assert!(!keys(0, 2).verify(b"unit", &back, NodeIndex(2)));
    }

    #[test]
    fn three_of_four_are_a_quorum() {
        let seal = |by: u32| keys(by, 1).sign(b"alert");
        let all = keys(0, 1);
        let one = all.bootstrap_multi(&seal(0), NodeIndex(0));
        let two = one.add_signature(&seal(1), NodeIndex(1));
        assert!(!all.is_complete(b"alert", &two));
        assert!(all.is_complete(b"alert", &two.clone().add_signature(&seal(3), NodeIndex(3))));
        assert!(!all.is_complete(b"alert", &two.add_signature(&seal(3), NodeIndex(2))), "in another's name");
    }

    #[test]
    fn a_parcel_that_is_too_long_is_no_message() {
        let decode = |bytes: usize| Parcel::decode(&mut &vec![0_u8; bytes].encode()[..]);
        assert_eq!(decode(PARCEL_BYTES_MAX).unwrap().0.len(), PARCEL_BYTES_MAX);
        assert!(decode(PARCEL_BYTES_MAX + 1).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_put_into_a_parcel_comes_out(
            whole in prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..40)), 0..10),
            cut in 0_usize..40,
        ) {
            let mut parcel = Vec::new();
            whole.iter().for_each(|(number, batch)| put(&mut parcel, *number, batch));
            prop_assert_eq!(parcel.len(), whole.iter().map(|(_, batch)| weight(batch)).sum::<usize>());
            let out: Vec<_> = batches(&parcel).map(|(number, batch)| (number, batch.to_vec())).collect();
            prop_assert_eq!(&out, &whole);
            parcel.truncate(parcel.len().saturating_sub(cut));
            let out: Vec<_> = batches(&parcel).map(|(number, batch)| (number, batch.to_vec())).collect();
            prop_assert_eq!(&out[..], &whole[..out.len()], "cut off, the rest makes sense still");
        }
    }
}
