//! What a chair and its outposts say to each other.
//!
//! Invariant: words stand one behind the other in a message, each in postcard; a message is at most [`MESSAGE_BYTES`]
//! long, or one word.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use starling_core::{Event, UnixNanos};
use starling_swarm::consensus::council::Subject;
use starling_swarm::consensus::statement::Certificate;
use starling_swarm::consensus::tally::DossierId;
use starling_swarm::id::AgentId;
use starling_swarm::identity::PublicKey;

use crate::swarm::delegate::Seed;
use crate::swarm::seat::Board;
use crate::tearsheet::EquityPoint;

/// Bytes after which a message is closed and another begun.
pub const MESSAGE_BYTES: usize = 256 << 10;
/// Events in a word, at most.
pub const EVENTS_MAX: usize = 512;
/// Words with events that an outpost has not taken yet.
pub const WINDOW: usize = 8;
/// Points of a curve in a word.
pub(super) const POINTS_MAX: usize = 2_048;

/// What an agent is told when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// The text of the run's configuration.
    pub config: String,
    /// Its place among the agents there.
    pub at: usize,
    /// Its own secret.
    pub seed: Seed,
    /// Everybody's public key, in order of their places.
    pub keys: Vec<PublicKey>,
}

/// What comes after a word's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Then {
    /// More of the same stamp.
    More,
    /// These stamps are whole, and decided about.
    Past,
    /// This stamp is whole, and to be conferred about.
    Now(UnixNanos),
}

/// A frame of the agents' own protocols.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Frame {
    /// The place of the agent on the other side.
    pub(super) peer: u32,
    pub(super) bytes: Vec<u8>,
}

/// To an outpost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum ToAgent {
    /// Market data.
    Events { events: Vec<Event>, then: Then },
    /// How all have done, after the past.
    Board(Box<Board>),
    /// A new session begins; who has seen `stamp` confers about it anew.
    Session { number: u32, seats: Vec<AgentId>, stamp: UnixNanos },
    /// From other agents.
    Frames { session: u32, frames: Vec<Frame> },
    /// Are you there?
    Ask,
    /// The data has ended.
    Finish,
}

/// From an outpost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum FromAgent {
    /// A word with events was taken in.
    Taken,
    /// The stamp was seen; this is what it calls votes about.
    Asked { session: u32, stamp: UnixNanos, subjects: Vec<Subject> },
    /// It has coordinated a decision.
    Decided { session: u32, certificate: Box<Certificate> },
    /// It knows a decision of which another sends the certificate.
    Knows { session: u32, subject: Subject, dossier: DossierId },
    /// To other agents.
    Frames { session: u32, frames: Vec<Frame> },
    /// It is there; what it has sent to others so far.
    Here { messages: u64, bytes: u64 },
    /// What it would have earned alone, in parts.
    Alone { points: Vec<EquityPoint>, last: bool },
    /// It cannot go on.
    Failed(String),
}

/// Appends a word to a message.
pub(super) fn write(message: &mut Vec<u8>, word: &impl Serialize) {
    let bytes = postcard::to_allocvec(word).expect("words are plain data");
    message.extend_from_slice(&bytes);
}

/// The words of a message, or what is wrong.
pub(super) fn read<T: DeserializeOwned>(mut message: &[u8]) -> Result<Vec<T>, postcard::Error> {
    let mut words = Vec::new();
    while !message.is_empty() {
        let (word, rest) = postcard::take_from_bytes(message)?;
        words.push(word);
        message = rest;
    }
    Ok(words)
}
