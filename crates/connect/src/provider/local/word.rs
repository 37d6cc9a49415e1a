//! What a provider and its processes say to each other: words behind their length over a socket pair.
//!
//! Invariant: a word longer than a role may be, or one that does not parse, ends the conversation; neither side trusts
//! the other to keep to the rules.

use std::io::{self, Read};
use std::path::PathBuf;

use bytes::{Buf, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use starling_swarm::id::AgentId;

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
    Say(#[serde(with = "serde_bytes")] Vec<u8>),
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
    Say(#[serde(with = "serde_bytes")] Vec<u8>),
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
    let mut bytes = postcard::to_extend(word, vec![0; 4]).expect("words are plain data");
    let length = u32::try_from(bytes.len() - 4).expect("callers' words are measured before they are wrapped");
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// Bytes read at once.
const ROOM: usize = 64 << 10;

/// Room to read into; one serves all the sockets of a thread.
pub(super) fn room() -> Box<[u8]> {
    vec![0; ROOM].into()
}

/// Bytes that came, until they are words.
#[derive(Debug, Default)]
pub(super) struct Words {
    bytes: BytesMut,
}

impl Words {
    /// Reads once, and says how many bytes came.
    pub(super) fn read(&mut self, from: &mut impl Read, room: &mut [u8]) -> io::Result<usize> {
        let count = from.read(room)?;
        self.bytes.extend_from_slice(&room[..count]);
        Ok(count)
    }

    /// Reads what lies ready, but no more than the longest word: whoever never pauses is heard in turn with others, and
    /// what is too long is found before it is kept. How many bytes came, and whether more may come.
    pub(super) fn drain(&mut self, from: &mut impl Read, room: &mut [u8]) -> (usize, bool) {
        let mut count = 0;
        while count < WORD_MAX {
            match self.read(from, room) {
                Ok(0) => return (count, false),
                Ok(more) => count += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return (count, false),
            }
        }
        (count, true)
    }

    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, BadWord> {
        let Some((length, rest)) = self.bytes.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > WORD_MAX + ENVELOPE_MAX {
            return Err(BadWord::TooLong(length));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let word = postcard::from_bytes(body).map_err(|_| BadWord::Malformed(length))?;
        self.bytes.advance(4 + length);
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
            for mut chunk in bytes.chunks(size) {
                while !chunk.is_empty() {
                    words.read(&mut chunk, &mut room()).unwrap();
                }
                while let Some(report) = words.next().unwrap() {
                    let Report::Say(words) = report else { panic!("only words were said") };
                    heard.push(words);
                }
            }
            assert_eq!(heard, said, "in pieces of {size}");
        }
    }

    #[test]
    fn whoever_never_pauses_is_left_after_the_longest_word() {
        let mut words = Words::default();
        assert_eq!(words.drain(&mut io::repeat(0xff), &mut room()), (WORD_MAX, true));
        assert_eq!(words.next::<Report>().unwrap_err(), BadWord::TooLong(u32::MAX as usize));
        assert_eq!(Words::default().drain(&mut &[1, 2, 3][..], &mut room()), (3, false));
    }

    #[test]
    fn what_is_too_long_or_no_word_is_refused() {
        let mut words = Words::default();
        words.read(&mut &u32::MAX.to_le_bytes()[..], &mut room()).unwrap();
        assert_eq!(words.next::<Report>().unwrap_err(), BadWord::TooLong(u32::MAX as usize));
        let mut words = Words::default();
        words.read(&mut &[1, 0, 0, 0, 99][..], &mut room()).unwrap();
        assert_eq!(words.next::<Report>().unwrap_err(), BadWord::Malformed(1));
        let longest = encode(&Order::Say(vec![0; WORD_MAX]));
        let mut words = Words::default();
        let mut rest = &longest[..];
        while !rest.is_empty() {
            assert!(words.next::<Order>().unwrap().is_none());
            words.read(&mut rest, &mut room()).unwrap();
        }
        assert!(words.next::<Order>().unwrap().is_some());
    }
}
