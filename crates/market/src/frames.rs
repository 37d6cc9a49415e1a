//! The raw-frame file: what a connection delivered, byte for byte, with the stamp it was received at.
//!
//! Invariants: a file is a header and whole blocks; each block carries its length, its limits, the number of its first
//! frame and two checksums that depend on the header, so a frame is handed out as it was written or not at all. A tail
//! that was cut while being written is told apart from damage in the middle. `docs/frames.md` has the bytes.
//!
//! What it deliberately does not do: open files, rotate them, read a clock, or understand a frame.

mod block;
mod capture;
mod error;
mod layout;
mod reader;

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;

pub use block::{Block, Encoder, Frames};
pub use capture::{Capture, CaptureError, CaptureKind, Captured, LINE_BYTES_MAX};
pub use error::FramesError;
pub use layout::{BlockHeader, Header};
pub use reader::{Reader, Tail};

/// Bytes of frames in a block before compression, at most.
pub const BLOCK_BYTES_MAX: usize = 16 << 20;
/// Bytes of one frame, its subject included, at most.
pub const FRAME_BYTES_MAX: usize = 8 << 20;
/// Bytes of a frame's subject at most.
pub const SUBJECT_BYTES_MAX: usize = u16::MAX as usize;
/// Bytes of the description of a session at most.
pub const SESSION_BYTES_MAX: usize = 1 << 20;
/// The level blocks are compressed with unless another is asked for: the fastest of the usual ones.
pub const LEVEL_DEFAULT: i32 = 3;

/// What was recorded, as the file's header says it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The venue, as in `binance-spot`.
    pub venue: String,
    /// The address that was connected to; empty where it is not known. Never a secret: addresses with keys are cut.
    #[serde(default)]
    pub url: String,
    /// The instruments asked for, as the venue names them.
    #[serde(default)]
    pub symbols: Vec<String>,
    /// When recording began.
    pub started: UnixNanos,
    /// What wrote the file: a program with its version, or the capture it was made of.
    #[serde(default)]
    pub source: String,
}

/// Which way a frame went, or what happened to its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Direction {
    /// The venue sent it.
    Received = 0,
    /// We sent it.
    Sent = 1,
    /// The answer to a request over HTTP; the subject is the address.
    Answer = 2,
    /// The connection was opened; the subject is the address.
    Opened = 3,
    /// The connection was closed; the bytes are the reason as far as one was given.
    Closed = 4,
}

impl Direction {
    /// All, by their number in the file.
    pub const ALL: [Self; 5] = [Self::Received, Self::Sent, Self::Answer, Self::Opened, Self::Closed];

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Sent => "sent",
            Self::Answer => "answer",
            Self::Opened => "opened",
            Self::Closed => "closed",
        }
    }
}

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When it was received (or sent) here.
    pub ts_recv: UnixNanos,
    /// Which connection or channel of the session it came by.
    pub connection: u16,
    /// Which way it went.
    pub direction: Direction,
    /// Whether the WebSocket said binary; false for text.
    pub binary: bool,
    /// What it is about where the bytes do not say: an address. Mostly empty.
    pub subject: &'a str,
    /// The payload, as it came.
    pub bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A text frame the venue sent.
    #[must_use]
    pub fn received(ts_recv: UnixNanos, connection: u16, bytes: &'a [u8]) -> Self {
        Self { ts_recv, connection, direction: Direction::Received, binary: false, subject: "", bytes }
    }
}

#[cfg(test)]
mod tests;
