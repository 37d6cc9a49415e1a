//! Captures that others made, line by line, as frames.
//!
//! Two forms are known: lines of `nanoseconds, space, text` (hftbacktest's collector), and cryptofeed's raw files, whose
//! lines are `URL <-> seconds` (opened), `URL <- seconds: text` (sent), `URL -> seconds: text` (answer over HTTP) and
//! `seconds: text` (received); binary frames stand there as Python literals, `b'\x1f...'`.
//!
//! Invariant: payload and stamp are those of the line, to the last digit; a line of no known form is an error, never a
//! guess. A line `configuration: ...` has no stamp and is counted, not kept.

use std::borrow::Cow;

use starling_core::UnixNanos;
use starling_core::time::SECOND;

use super::{Direction, Frame};

/// Bytes of a line at most; answers over HTTP take megabytes.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// Who made a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureKind {
    /// `nanoseconds text`, as hftbacktest's collector writes.
    Stamped,
    /// Cryptofeed's raw files.
    Cryptofeed,
}

impl CaptureKind {
    /// What a capture is made of, by its first line.
    #[must_use]
    pub fn of(line: &[u8]) -> Option<Self> {
        match split_line(line)? {
            Line::Stamped(..) => Some(Self::Stamped),
            _ => Some(Self::Cryptofeed),
        }
    }

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stamped => "stamped lines",
            Self::Cryptofeed => "cryptofeed",
        }
    }
}

/// Why a line is no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The line is of no known form, or of another than those above it.
    #[error(
        "line {line} is neither `nanoseconds text` nor one of cryptofeed's (`seconds: text`, `URL <- seconds: text`): \
         `{start}`; remove it, or name a file that is a capture"
    )]
    Form {
        /// The line, from 1.
        line: u64,
        /// How it begins.
        start: String,
    },
    /// The literal of a binary frame is broken off or malformed.
    #[error("line {line}: the binary literal is malformed at its byte {at}; fetch the capture again")]
    Literal {
        /// The line, from 1.
        line: u64,
        /// Where in the payload.
        at: usize,
    },
}

/// A line as a frame; its payload is owned where it had to be unescaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured<'a> {
    ts_recv: UnixNanos,
    direction: Direction,
    binary: bool,
    subject: &'a str,
    bytes: Cow<'a, [u8]>,
}

impl Captured<'_> {
    /// The frame, as one of `connection`.
    #[must_use]
    pub fn frame(&self, connection: u16) -> Frame<'_> {
        let Self { ts_recv, direction, binary, subject, .. } = *self;
        Frame { ts_recv, connection, direction, binary, subject, bytes: &self.bytes }
    }
}

/// Reads the lines of a capture one after the other.
#[derive(Debug, Clone, Default)]
pub struct Capture {
    kind: Option<CaptureKind>,
    lines: u64,
    unstamped: u64,
}

impl Capture {
    /// Of a form that the first line tells.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What it is made of, once a line said so.
    #[must_use]
    pub fn kind(&self) -> Option<CaptureKind> {
        self.kind
    }

    /// Lines left out because they carry no stamp (`configuration: ...`).
    #[must_use]
    pub fn unstamped(&self) -> u64 {
        self.unstamped
    }

    /// The frame of the next line, given without its line feed; none for an empty line or one without a stamp.
    pub fn line<'a>(&mut self, line: &'a [u8]) -> Result<Option<Captured<'a>>, CaptureError> {
        self.lines += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let form = || {
            let start = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
            CaptureError::Form { line: self.lines, start }
        };
        let parts = split_line(line).ok_or_else(form)?;
        let kind = if matches!(parts, Line::Stamped(..)) { CaptureKind::Stamped } else { CaptureKind::Cryptofeed };
        if *self.kind.get_or_insert(kind) != kind {
            return Err(form());
        }
        let (ts_recv, direction, subject, text) = match parts {
            Line::Stamped(ts, text) => {
                return Ok(Some(Captured {
                    ts_recv: ts,
                    direction: Direction::Received,
                    binary: false,
                    subject: "",
                    bytes: Cow::Borrowed(text),
                }));
            }
            Line::Configuration => {
                self.unstamped += 1;
                return Ok(None);
            }
            Line::Frame { ts, direction, subject, text } => (ts, direction, subject, text),
        };
        let literal = |at| CaptureError::Literal { line: self.lines, at };
        let (binary, bytes) = match text {
            [b'b', quote @ (b'\'' | b'"'), inner @ ..] if direction == Direction::Received => {
                (true, Cow::Owned(unescape(inner, *quote).map_err(literal)?))
            }
            _ => (false, Cow::Borrowed(text)),
        };
        Ok(Some(Captured { ts_recv, direction, binary, subject, bytes }))
    }
}

enum Line<'a> {
    Stamped(UnixNanos, &'a [u8]),
    Frame { ts: UnixNanos, direction: Direction, subject: &'a str, text: &'a [u8] },
    Configuration,
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn split_line(line: &[u8]) -> Option<Line<'_>> {
    if line.starts_with(b"configuration: ") {
        return Some(Line::Configuration);
    }
    if line.first()?.is_ascii_digit() {
        let at = line.iter().position(|b| *b == b' ')?;
        let (stamp, text) = (&line[..at], &line[at + 1..]);
        return match stamp.strip_suffix(b":") {
            Some(seconds) => {
                Some(Line::Frame { ts: seconds_of(seconds)?, direction: Direction::Received, subject: "", text })
            }
            // Nineteen digits: fewer would be another unit.
            None if stamp.len() == 19 && stamp.iter().all(u8::is_ascii_digit) => {
                Some(Line::Stamped(UnixNanos::new(std::str::from_utf8(stamp).ok()?.parse().ok()?), text))
            }
            None => None,
        };
    }
    let at = line.iter().position(|b| *b == b' ')?;
    let subject = std::str::from_utf8(&line[..at]).ok()?;
    let rest = &line[at + 1..];
    if let Some(seconds) = rest.strip_prefix(b"<-> ") {
        let ts = seconds_of(seconds.trim_ascii_end())?;
        return Some(Line::Frame { ts, direction: Direction::Opened, subject, text: b"" });
    }
    let (direction, rest) = match rest.split_at_checked(3)? {
        (b"<- ", rest) => (Direction::Sent, rest),
        (b"-> ", rest) => (Direction::Answer, rest),
        _ => return None,
    };
    let colon = find(rest, b": ")?;
    Some(Line::Frame { ts: seconds_of(&rest[..colon])?, direction, subject, text: &rest[colon + 2..] })
}

/// `1618677816.8434298` as nanoseconds, exactly: the digits are taken as decimals, not through a float.
fn seconds_of(text: &[u8]) -> Option<UnixNanos> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let seconds: u64 = whole.parse().ok()?;
    let nanos: u64 = format!("{fraction:0<9}").parse().ok()?;
    Some(UnixNanos::new(seconds.checked_mul(SECOND)?.checked_add(nanos)?))
}

/// The bytes of a Python literal behind its opening quote; the error is where it is malformed.
fn unescape(text: &[u8], quote: u8) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    loop {
        match *text.get(at).ok_or(at)? {
            b if b == quote => {
                return if text[at + 1..].iter().all(u8::is_ascii_whitespace) { Ok(bytes) } else { Err(at) };
            }
            b'\\' => {
                let (byte, len) = match *text.get(at + 1).ok_or(at)? {
                    b'n' => (b'\n', 2),
                    b'r' => (b'\r', 2),
                    b't' => (b'\t', 2),
                    b @ (b'\\' | b'\'' | b'"') => (b, 2),
                    b'x' => {
                        let hex = text.get(at + 2..at + 4).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
                        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok()).ok_or(at)?;
                        (u8::from_str_radix(hex, 16).map_err(|_| at)?, 4)
                    }
                    _ => return Err(at),
                };
                bytes.push(byte);
                at += len;
            }
            // Python writes no control character and nothing beyond ASCII into a literal of bytes.
            b @ 0x20..=0x7e => {
                bytes.push(b);
                at += 1;
            }
            _ => return Err(at),
        }
    }
}
