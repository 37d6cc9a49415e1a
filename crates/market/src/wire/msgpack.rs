//! A strict MessagePack scanner that copies nothing: a cursor over the bytes of one frame (MessagePack specification, 2017).
//!
//! Invariant: a frame that is walked to [`Pack::finish`] without an error is MessagePack, also in the parts that were
//! skipped: every length fits, texts are UTF-8, nothing follows the value. Depth and size have the limits of the JSON
//! scanner; nothing is allocated but for an error. Lengths are never trusted with memory.
//!
//! A decimal is the same number as in JSON: a float means the shortest decimal that names it, which is what encoders of
//! JSON print, and no float takes part in the reading of it. Stamps are the extension type -1 in all its forms, or text.
//!
//! Forms longer than needed are accepted, as the specification leaves them to the writer. Names of a map must be text.

use std::fmt::Write;

use starling_core::fixed::{FixedError, SCALE, parse_i64_units};
use starling_core::time::{SECOND, UnixNanos};

use super::batch::Text;
use super::error::{WireError, WireErrorKind};
use super::json::{DEPTH_MAX, FRAME_BYTES_MAX};
use super::rfc3339;

/// A place in a frame. It is `Copy`: a copy remembers a value to come back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pack<'a> {
    frame: &'a [u8],
    at: usize,
    depth: u32,
}

/// What stands at the head of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Head {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Single(f32),
    Double(f64),
    // With their lengths.
    Text(usize),
    Bytes(usize),
    Array(usize),
    Map(usize),
    Extension(i8, usize),
}

impl<'a> Pack<'a> {
    /// At the start of a frame.
    pub(super) fn new(frame: &'a [u8]) -> Result<Self, WireError> {
        if frame.len() > FRAME_BYTES_MAX {
            return Err(WireError::new(0, WireErrorKind::FrameTooLong(frame.len())));
        }
        Ok(Self { frame, at: 0, depth: 0 })
    }

    /// The frame it is a place in.
    pub(super) fn frame(&self) -> &'a [u8] {
        self.frame
    }

    /// The byte it stands at.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// Refuses anything after it.
    pub(super) fn finish(self) -> Result<(), WireError> {
        if self.at == self.frame.len() { Ok(()) } else { Err(self.expected("the end of the frame")) }
    }

    /// True if nothing stands here: `nil`.
    pub(super) fn is_nil(self) -> bool {
        self.frame.get(self.at) == Some(&0xC0)
    }

    /// Walks the array that comes next: `item` is called with the cursor before each element, which it must read or skip.
    pub(super) fn array(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), WireError>) -> Result<(), WireError> {
        let start = *self;
        let Head::Array(len) = self.head()? else { return Err(start.expected("an array")) };
        self.enter(start)?;
        for _ in 0..len {
            item(self)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Walks the map that comes next: `field` is called with each name and the cursor before its value.
    pub(super) fn map(
        &mut self,
        mut field: impl FnMut(&mut Self, &'a [u8]) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        let start = *self;
        let Head::Map(len) = self.head()? else { return Err(start.expected("a map")) };
        self.enter(start)?;
        for _ in 0..len {
            let name = self.string()?;
            field(self, name)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Checks the value that comes next, whatever it is, and passes it.
    pub(super) fn skip(&mut self) -> Result<(), WireError> {
        let start = *self;
        match self.head()? {
            Head::Text(_) => {
                *self = start;
                self.string().map(|_| ())
            }
            Head::Array(_) => {
                *self = start;
                self.array(Self::skip)
            }
            Head::Map(_) => {
                *self = start;
                self.map(|cursor, _| cursor.skip())
            }
            Head::Bytes(len) | Head::Extension(_, len) => self.take(len).map(|_| ()),
            _ => Ok(()),
        }
    }

    /// The text that comes next.
    pub(super) fn string(&mut self) -> Result<&'a [u8], WireError> {
        let start = *self;
        let Head::Text(len) = self.head()? else { return Err(start.expected("a text")) };
        let at = self.at;
        let text = self.take(len)?;
        match std::str::from_utf8(text) {
            Ok(_) => Ok(text),
            Err(_) => Err(WireError::new(at, WireErrorKind::NotUtf8)),
        }
    }

    /// As [`string`](Self::string), told by its place in the frame.
    pub(super) fn text(&mut self) -> Result<Text, WireError> {
        let len = self.string()?.len();
        // Both fit: a frame has at most FRAME_BYTES_MAX bytes.
        Ok(Text { start: (self.at - len) as u32, len: len as u32 })
    }

    /// The whole number that comes next; as text, too.
    pub(super) fn u64(&mut self) -> Result<u64, WireError> {
        let start = *self;
        let wanted = "a whole number below 2^64";
        match self.head()? {
            Head::Unsigned(value) => Ok(value),
            Head::Text(_) => {
                *self = start;
                let text = self.string()?;
                let digits = text.iter().all(u8::is_ascii_digit);
                let value = std::str::from_utf8(text).ok().filter(|_| digits).and_then(|text| text.parse().ok());
                value.ok_or_else(|| {
                    let text = String::from_utf8_lossy(text).into();
                    WireError::new(start.at, WireErrorKind::Integer { text, wanted })
                })
            }
            _ => Err(start.expected(wanted)),
        }
    }

    /// `true` or `false`.
    pub(super) fn bool(&mut self) -> Result<bool, WireError> {
        let start = *self;
        match self.head()? {
            Head::Bool(value) => Ok(value),
            _ => Err(start.expected("`true` or `false`")),
        }
    }

    /// The decimal that comes next, in units of 1e-9; `type_name` is for the error.
    pub(super) fn units(&mut self, type_name: &'static str) -> Result<i64, WireError> {
        let start = *self;
        let outside = |input: String| {
            WireError::new(start.at, WireErrorKind::Decimal(FixedError::OutOfRange { input, type_name }))
        };
        match self.head()? {
            Head::Unsigned(value) => i64::try_from(value)
                .ok()
                .and_then(|value| value.checked_mul(SCALE))
                .ok_or_else(|| outside(value.to_string())),
            Head::Signed(value) => value.checked_mul(SCALE).ok_or_else(|| outside(value.to_string())),
            Head::Double(value) => match units_of(value) {
                Some(units) => Ok(units),
                None => shortest(value, value, type_name).map_err(|e| WireError::new(start.at, e.into())),
            },
            Head::Single(value) => {
                shortest(value, value.into(), type_name).map_err(|e| WireError::new(start.at, e.into()))
            }
            Head::Text(_) => {
                *self = start;
                let text = self.string()?;
                parse_i64_units(text, type_name).map_err(|e| WireError::new(start.at, e.into()))
            }
            _ => Err(start.expected("a number")),
        }
    }

    /// The stamp that comes next.
    pub(super) fn stamp(&mut self) -> Result<UnixNanos, WireError> {
        let start = *self;
        match self.head()? {
            Head::Extension(-1, len) => {
                let stamp = match *self.take(len)? {
                    [a, b, c, d] => Some((u64::from(u32::from_be_bytes([a, b, c, d])), 0)),
                    [a, b, c, d, e, f, g, h] => {
                        // 30 bits of nanoseconds, then 34 of seconds.
                        let word = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                        Some((word & ((1 << 34) - 1), word >> 34))
                    }
                    [n0, n1, n2, n3, a, b, c, d, e, f, g, h] => {
                        let seconds = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
                        let nanos = u64::from(u32::from_be_bytes([n0, n1, n2, n3]));
                        u64::try_from(seconds).ok().map(|seconds| (seconds, nanos))
                    }
                    _ => return Err(start.expected("a stamp of 4, 8 or 12 bytes")),
                };
                stamp
                    .filter(|(_, nanos)| *nanos < SECOND)
                    .and_then(|(seconds, nanos)| seconds.checked_mul(SECOND)?.checked_add(nanos))
                    .map(UnixNanos::new)
                    .ok_or_else(|| start.expected("a stamp from 1970 to 2554"))
            }
            Head::Text(_) => {
                *self = start;
                let text = self.string()?;
                rfc3339::parse(text).ok_or_else(|| self.refuse(text, rfc3339::STAMP))
            }
            _ => Err(start.expected("a stamp")),
        }
    }

    /// The error that the text just read is not one of those wanted.
    #[cold]
    pub(super) fn refuse(&self, text: &[u8], wanted: &'static str) -> WireError {
        let start = self.at.saturating_sub(text.len());
        WireError::new(start, WireErrorKind::Value { text: String::from_utf8_lossy(text).into(), wanted })
    }

    /// The error that something else than `wanted` stands here.
    #[cold]
    pub(super) fn expected(&self, wanted: &'static str) -> WireError {
        WireError::new(self.at, WireErrorKind::Expected { wanted, found: self.frame.get(self.at).copied() })
    }

    fn enter(&mut self, start: Self) -> Result<(), WireError> {
        if self.depth == DEPTH_MAX {
            return Err(WireError::new(start.at, WireErrorKind::TooDeep));
        }
        self.depth += 1;
        Ok(())
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let rest = &self.frame[self.at..];
        match rest.get(..len) {
            Some(bytes) => {
                self.at += len;
                Ok(bytes)
            }
            None => Err(WireError::new(
                self.frame.len(),
                WireErrorKind::Expected { wanted: "the rest of a value", found: None },
            )),
        }
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let bytes = self.take(N)?;
        Ok(*bytes.first_chunk().expect("as many bytes as were taken"))
    }

    // A length of as many bytes.
    fn len<const N: usize>(&mut self) -> Result<usize, WireError> {
        let bytes: [u8; N] = self.bytes()?;
        Ok(bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)))
    }

    fn extension(&mut self, len: usize) -> Result<Head, WireError> {
        let [kind] = self.bytes()?;
        Ok(Head::Extension(kind.cast_signed(), len))
    }

    fn head(&mut self) -> Result<Head, WireError> {
        let start = *self;
        let Some(first) = self.frame.get(self.at) else { return Err(self.expected("a value")) };
        self.at += 1;
        let low = usize::from(*first);
        Ok(match *first {
            0x00..=0x7F => Head::Unsigned(u64::from(*first)),
            0x80..=0x8F => Head::Map(low & 0x0F),
            0x90..=0x9F => Head::Array(low & 0x0F),
            0xA0..=0xBF => Head::Text(low & 0x1F),
            0xC0 => Head::Nil,
            0xC1 => return Err(start.expected("a value")),
            0xC2 => Head::Bool(false),
            0xC3 => Head::Bool(true),
            0xC4 => Head::Bytes(self.len::<1>()?),
            0xC5 => Head::Bytes(self.len::<2>()?),
            0xC6 => Head::Bytes(self.len::<4>()?),
            0xC7 => {
                let len = self.len::<1>()?;
                self.extension(len)?
            }
            0xC8 => {
                let len = self.len::<2>()?;
                self.extension(len)?
            }
            0xC9 => {
                let len = self.len::<4>()?;
                self.extension(len)?
            }
            0xCA => Head::Single(f32::from_be_bytes(self.bytes()?)),
            0xCB => Head::Double(f64::from_be_bytes(self.bytes()?)),
            0xCC => Head::Unsigned(u8::from_be_bytes(self.bytes()?).into()),
            0xCD => Head::Unsigned(u16::from_be_bytes(self.bytes()?).into()),
            0xCE => Head::Unsigned(u32::from_be_bytes(self.bytes()?).into()),
            0xCF => Head::Unsigned(u64::from_be_bytes(self.bytes()?)),
            0xD0 => signed(i8::from_be_bytes(self.bytes()?).into()),
            0xD1 => signed(i16::from_be_bytes(self.bytes()?).into()),
            0xD2 => signed(i32::from_be_bytes(self.bytes()?).into()),
            0xD3 => signed(i64::from_be_bytes(self.bytes()?)),
            0xD4..=0xD8 => self.extension(1 << (first - 0xD4))?,
            0xD9 => Head::Text(self.len::<1>()?),
            0xDA => Head::Text(self.len::<2>()?),
            0xDB => Head::Text(self.len::<4>()?),
            0xDC => Head::Array(self.len::<2>()?),
            0xDD => Head::Array(self.len::<4>()?),
            0xDE => Head::Map(self.len::<2>()?),
            0xDF => Head::Map(self.len::<4>()?),
            0xE0..=0xFF => Head::Signed(first.cast_signed().into()),
        })
    }
}

// A writer may send small numbers in signed forms.
fn signed(value: i64) -> Head {
    u64::try_from(value).map_or(Head::Signed(value), Head::Unsigned)
}

/// Units below which a double tells all decimals of nine places apart: any two of fifteen digits do (IEEE 754-2019, 5.12.2;
/// Steele and White 1990).
const EXACT_MAX: f64 = 1e15;

// The units of a double that is the nearest one to a number of fifteen digits: then that is its shortest decimal.
fn units_of(value: f64) -> Option<i64> {
    let scaled = (value * SCALE as f64).round_ties_even();
    // Division of whole numbers below 2^53 is rounded once: the quotient is the nearest double.
    let exact = scaled.abs() < EXACT_MAX && scaled / SCALE as f64 == value;
    exact.then_some(scaled as i64)
}

// By way of the shortest decimal that names the float, in a room for the longest that fits. `wide` is the same float.
fn shortest(value: impl std::fmt::Display, wide: f64, type_name: &'static str) -> Result<i64, FixedError> {
    if !wide.is_finite() {
        return Err(FixedError::Malformed { input: value.to_string() });
    }
    let mut room = Room { bytes: [0; 64], len: 0 };
    match write!(room, "{value}") {
        Ok(()) => parse_i64_units(&room.bytes[..room.len], type_name),
        // So long only far below the ninth place, or far above the range.
        Err(_) if wide.abs() < 1.0 => Err(FixedError::TooPrecise { input: value.to_string() }),
        Err(_) => Err(FixedError::OutOfRange { input: value.to_string(), type_name }),
    }
}

struct Room {
    bytes: [u8; 64],
    len: usize,
}

impl Write for Room {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let place = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(std::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
