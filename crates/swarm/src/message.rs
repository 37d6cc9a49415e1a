//! What travels along an edge: a small header, and bytes that only the addressee reads.
//!
//! Invariant: [`decode`] takes any bytes, never panics and never allocates, and undoes [`Header::encode`]. Nothing here
//! is proven: a header names its origin, and a neighbour could forge it; what must not be forged (votes, certificates)
//! is signed inside the payload.

use serde::{Deserialize, Serialize};

use crate::component::{Priority, To};
use crate::id::AgentId;

/// The first byte of each frame. Another number is another protocol, and is refused.
pub const VERSION: u8 = 1;
/// Bytes a payload may have.
pub const PAYLOAD_MAX: usize = 1 << 20;
/// Bytes a version and a header may have: the largest of every varint (1 + 10 + 5 + 6 + 1 + 1 + 10 + 10 + 3 + 3).
pub const HEADER_MAX: usize = 50;

/// What the payload is, and what is promised about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// A component's message, delivered exactly once: kept until its addressees say they have it.
    Once,
    /// A component's message, delivered at most once, never repeated.
    Best,
    /// To an origin: these sequences of yours have arrived.
    Receipt,
    /// To a neighbour: these frames of yours are in my hands now.
    Ack,
    /// To a neighbour: I am alive, and this is the fingerprint of my roster.
    Beat,
    /// To a neighbour, or to an agent held for dead: all I know about who belongs to the swarm.
    Roster,
    /// To a contact, from an agent without a swarm: take me in.
    Join,
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The epoch of the view of the agent that sent the frame along this edge.
    pub epoch: u64,
    /// Who wrote the payload.
    pub origin: AgentId,
    /// For whom.
    pub to: To,
    /// What the payload is.
    pub class: Class,
    /// How urgent.
    pub priority: Priority,
    /// The origin's count of frames of this class.
    pub sequence: u64,
    /// Every sequence of the origin below this one is settled: addressees may forget which of them they had.
    pub floor: u64,
    /// Edges behind it.
    pub hops: u16,
    /// Edges it may still take.
    pub ttl: u16,
}

/// A frame's name, the same on every edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FrameId {
    /// Who wrote it.
    pub origin: AgentId,
    /// What it is.
    pub class: Class,
    /// Its number.
    pub sequence: u64,
    /// For whom: a broadcast's copies for single agents keep its number.
    pub to: To,
}

/// The header as it is written. The floor is written as a distance, since it is never above the sequence.
#[derive(Serialize, Deserialize)]
struct Wire {
    epoch: u64,
    origin: AgentId,
    to: To,
    class: Class,
    priority: Priority,
    sequence: u64,
    open: u64,
    hops: u16,
    ttl: u16,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Another protocol, or nothing at all.
    #[error("a frame starts with version {VERSION}, this one with {0:?}: run one release on all agents")]
    Version(Option<u8>),
    /// The header does not parse.
    #[error("the {0} bytes of a frame hold no header: the sender is broken, or not of this swarm")]
    Header(usize),
    /// The floor lies below zero.
    #[error("a frame of sequence {sequence} leaves {open} open before it: the sender is broken")]
    Floor {
        /// The frame's number.
        sequence: u64,
        /// How many before it are said to be open.
        open: u64,
    },
    /// More than [`PAYLOAD_MAX`].
    #[error("a payload of {0} bytes is above {PAYLOAD_MAX}: send it in parts")]
    TooLong(usize),
}

impl Header {
    /// The frame's name.
    #[must_use]
    pub const fn id(&self) -> FrameId {
        FrameId { origin: self.origin, class: self.class, sequence: self.sequence, to: self.to }
    }

    /// The frame: version, header (postcard), payload to the end.
    ///
    /// # Errors
    /// [`Malformed::TooLong`], and [`Malformed::Floor`] if the floor is above the sequence.
    pub fn encode(&self, payload: &[u8]) -> Result<Vec<u8>, Malformed> {
        if payload.len() > PAYLOAD_MAX {
            return Err(Malformed::TooLong(payload.len()));
        }
        let Some(open) = self.sequence.checked_sub(self.floor) else {
            return Err(Malformed::Floor { sequence: self.sequence, open: self.floor });
        };
        let Self { epoch, origin, to, class, priority, sequence, hops, ttl, .. } = *self;
        let wire = Wire { epoch, origin, to, class, priority, sequence, open, hops, ttl };
        let mut head = [0; HEADER_MAX];
        let head = postcard::to_slice(&wire, &mut head).expect("HEADER_MAX holds the largest header");
        let mut frame = Vec::with_capacity(1 + head.len() + payload.len());
        frame.push(VERSION);
        frame.extend_from_slice(head);
        frame.extend_from_slice(payload);
        Ok(frame)
    }
}

/// Takes a frame apart.
///
/// # Errors
/// [`Malformed`], for any bytes that are no frame.
pub fn decode(frame: &[u8]) -> Result<(Header, &[u8]), Malformed> {
    let Some((&VERSION, rest)) = frame.split_first() else {
        return Err(Malformed::Version(frame.first().copied()));
    };
    let (wire, payload) = postcard::take_from_bytes::<Wire>(rest).map_err(|_| Malformed::Header(frame.len()))?;
    if payload.len() > PAYLOAD_MAX {
        return Err(Malformed::TooLong(payload.len()));
    }
    let Wire { epoch, origin, to, class, priority, sequence, open, hops, ttl } = wire;
    let floor = sequence.checked_sub(open).ok_or(Malformed::Floor { sequence, open })?;
    Ok((Header { epoch, origin, to, class, priority, sequence, floor, hops, ttl }, payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_header() -> impl Strategy<Value = Header> {
        let class = prop::sample::select(vec![
            Class::Once,
            Class::Best,
            Class::Receipt,
            Class::Ack,
            Class::Beat,
            Class::Roster,
            Class::Join,
        ]);
        let to = prop_oneof![Just(To::All), any::<u32>().prop_map(|id| To::One(AgentId(id)))];
        let priority = prop::sample::select(Priority::ALL.to_vec());
        (any::<u64>(), any::<u32>(), to, class, priority, any::<(u64, u64)>(), any::<(u16, u16)>()).prop_map(
            |(epoch, origin, to, class, priority, (a, b), (hops, ttl))| Header {
                epoch,
                origin: AgentId(origin),
                to,
                class,
                priority,
                sequence: a.max(b),
                floor: a.min(b),
                hops,
                ttl,
            },
        )
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(header in any_header(), payload in prop::collection::vec(any::<u8>(), 0..300)) {
            let frame = header.encode(&payload).unwrap();
            prop_assert!(frame.len() <= HEADER_MAX + payload.len());
            prop_assert_eq!(decode(&frame).unwrap(), (header, payload.as_slice()));
        }

        #[test]
        fn any_bytes_are_refused_or_mean_one_header(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            for bytes in [bytes.clone(), [&[VERSION], bytes.as_slice()].concat()] {
                if let Ok((header, payload)) = decode(&bytes) {
                    let again = header.encode(payload).unwrap();
                    prop_assert_eq!(decode(&again).unwrap(), (header, payload));
                }
            }
        }

        #[test]
        fn every_prefix_of_a_header_is_refused(header in any_header()) {
            let frame = header.encode(&[]).unwrap();
            for end in 0..frame.len() {
                prop_assert!(decode(&frame[..end]).is_err());
            }
        }
    }

    fn largest() -> Header {
        Header {
            epoch: u64::MAX,
            origin: AgentId(u32::MAX),
            to: To::One(AgentId(u32::MAX)),
            class: Class::Join,
            priority: Priority::Bulk,
            sequence: u64::MAX,
            floor: 0,
            hops: u16::MAX,
            ttl: u16::MAX,
        }
    }

    #[test]
    fn the_largest_header_is_as_large_as_its_limit_says() {
        assert_eq!(largest().encode(&[]).unwrap().len(), HEADER_MAX);
    }

    #[test]
    fn limits_hold_at_their_edges() {
        assert!(largest().encode(&vec![0; PAYLOAD_MAX]).is_ok());
        let long = vec![0; PAYLOAD_MAX + 1];
        assert_eq!(largest().encode(&long), Err(Malformed::TooLong(PAYLOAD_MAX + 1)));
        let mut frame = largest().encode(&[]).unwrap();
        frame.extend_from_slice(&long);
        assert_eq!(decode(&frame), Err(Malformed::TooLong(PAYLOAD_MAX + 1)));
        assert_eq!(decode(&[]), Err(Malformed::Version(None)));
        assert_eq!(decode(&[9, 9]), Err(Malformed::Version(Some(9))));
        let floor = Header { sequence: 3, floor: 4, ..largest() };
        assert_eq!(floor.encode(&[]), Err(Malformed::Floor { sequence: 3, open: 4 }));
    }
}
