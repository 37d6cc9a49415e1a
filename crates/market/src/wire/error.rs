//! Why a frame could not be decoded, and where.
//!
//! Invariant: an error names the byte at which decoding stopped. Texts are copied into it only once there is an error,
//! so that a good frame allocates nothing.

use starling_core::fixed::FixedError;

use super::channels::CHANNELS_MAX;
use super::json::{DEPTH_MAX, FRAME_BYTES_MAX};

/// A frame that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {kind}")]
pub struct WireError {
    /// The byte of the frame at which decoding stopped, counted from 0.
    pub offset: usize,
    /// What is wrong there.
    pub kind: WireErrorKind,
}

impl WireError {
    /// An error at a byte.
    #[must_use]
    #[cold]
    pub fn new(offset: usize, kind: WireErrorKind) -> Self {
        Self { offset, kind }
    }
}

/// What can be wrong with a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireErrorKind {
    /// The grammar wants something else here.
    #[error("expected {wanted}, found {}", Seen(*.found))]
    Expected {
        /// What may stand here, in words.
        wanted: &'static str,
        /// The byte that stands here; `None` at the end of the frame.
        found: Option<u8>,
    },
    /// A control character inside a string, where JSON wants an escape.
    #[error("the control character {0:#04x} stands unescaped in a string")]
    ControlCharacter(u8),
    /// A backslash that starts no escape of JSON, or half of a surrogate pair.
    #[error(
        "not an escape of JSON: a backslash is followed by one of \"\\/bfnrt or by u and 4 hex digits, in pairs for surrogates"
    )]
    Escape,
    /// A string that is not UTF-8.
    #[error("the string that starts here is not UTF-8")]
    NotUtf8,
    /// Objects and arrays inside one another without end.
    #[error("objects and arrays are nested more than {DEPTH_MAX} deep")]
    TooDeep,
    /// A frame larger than any venue sends.
    #[error("the frame has {0} bytes, more than {FRAME_BYTES_MAX}")]
    FrameTooLong(usize),
    /// A decimal that fixed point does not hold.
    #[error(transparent)]
    Decimal(#[from] FixedError),
    /// A number that should be whole, and within the range of its type.
    #[error("`{text}` is not {wanted}")]
    Integer {
        /// The text as found.
        text: Box<str>,
        /// What was wanted, in words.
        wanted: &'static str,
    },
    /// A field the message cannot be understood without.
    #[error("the object that starts here has no field `{0}`")]
    Missing(&'static str),
    /// Data of a channel that was not announced on this connection.
    #[error("the channel {0} was not announced: give its connection every frame, from the first on")]
    UnknownChannel(u64),
    /// More channels on one connection than any venue allows.
    #[error("the connection has {CHANNELS_MAX} channels already")]
    TooManyChannels,
    /// A text that is none of those a field may hold.
    #[error("`{text}` is not {wanted}")]
    Value {
        /// The text as found.
        text: Box<str>,
        /// What may stand here, in words.
        wanted: &'static str,
    },
}

struct Seen(Option<u8>);

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => f.write_str("the end of the frame"),
            Some(byte) if byte.is_ascii_graphic() => write!(f, "`{}`", char::from(byte)),
            Some(byte) => write!(f, "the byte {byte:#04x}"),
        }
    }
}
