//! What a provider and its processes say to each other: words behind their length over a socket pair.
//!
//! Invariant: a word longer than a role may be, or one that does not parse, ends the conversation; neither side trusts
//! the other to keep to the rules.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use starling_swarm::id::AgentId;
use std::path::PathBuf;

use super::sandbox::Seal;
use crate::provider::{Assignment, Layers, WORD_MAX};

/// The first thing a process says, and the number both sides must have in common.
pub(super) const VERSION: u32 = 1;
/// Bytes around what callers say.
const ENVELOPE_MAX: usize = 64;

/// To a process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Become an agent's process: confine yourself, and say what holds.
    Seal(Seal),
    /// Become the one that removes `run` after everybody is gone.
    Clean { run: PathBuf },
    /// Here is your role.
    Act(Assignment),
    /// You stood by; now act, under this number.
    Activate { agent: AgentId, replaces: AgentId },
    /// The caller's words.
    Say(Vec<u8>),
    /// End.
    Stop,
}

/// From a process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// Sealed, and waiting for a role.
    Sealed { version: u32, number: u64, layers: Layers },
    /// The role is taken; or, of one that stands by, prepared.
    Ready { agent: AgentId },
    /// The agent's words.
    Say(Vec<u8>),
}

/// Why bytes are no words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadWord {
    #[error("a word of {0} bytes is announced, above {WORD_MAX}")]
    TooLong(usize),
    #[error("{0} bytes do not parse: the other side is another release")]
    Malformed(usize),
}

/// A word as it travels.
pub(super) fn encode(word: &impl Serialize) -> Vec<u8> {
    let body = postcard::to_allocvec(word).expect("words are plain data");
    let length = u32::try_from(body.len()).expect("callers' words are measured before they are wrapped");
    [length.to_le_bytes().as_slice(), &body].concat()
}

/// Bytes that came, until they are words.
#[derive(Debug, Default)]
pub(super) struct Words {
    bytes: Vec<u8>,
}

impl Words {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, BadWord> {
        let Some((length, rest)) = self.bytes.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > WORD_MAX + ENVELOPE_MAX {
            return Err(BadWord::TooLong(length));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let word = postcard::from_bytes(body).map_err(|_| BadWord::Malformed(length))?;
        self.bytes.drain(..4 + length);
        Ok(Some(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_whole_however_their_bytes_come() {
        let said = [vec![1_u8; 3], Vec::new(), vec![2; 70_000]];
        let bytes: Vec<u8> = said.iter().flat_map(|words| encode(&Report::Say(words.clone()))).collect();
        for size in [1, 7, 4096, bytes.len()] {
            let mut words = Words::default();
            let mut heard = Vec::new();
            for chunk in bytes.chunks(size) {
                words.push(chunk);
                while let Some(report) = words.next().unwrap() {
                    let Report::Say(words) = report else { panic!("only words were said") };
                    heard.push(words);
                }
            }
            assert_eq!(heard, said, "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_too_long_or_no_word_is_refused() {
        let mut words = Words::default();
        words.push(&u32::MAX.to_le_bytes());
        assert_eq!(words.next::<Report>().unwrap_err(), BadWord::TooLong(u32::MAX as usize));
        let mut words = Words::default();
        words.push(&[1, 0, 0, 0, 99]);
        assert_eq!(words.next::<Report>().unwrap_err(), BadWord::Malformed(1));
        let longest = encode(&Order::Say(vec![0; WORD_MAX]));
        let mut words = Words::default();
        words.push(&longest);
        assert!(words.next::<Order>().unwrap().is_some());
    }
}
