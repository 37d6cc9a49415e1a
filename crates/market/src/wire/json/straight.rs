//! The quick way through frames that are spelled as their venue always spells them: no space, fields in the usual order.
//!
//! Invariant: what a [`Straight`] reads to its end is JSON, and means what a [`Cursor`](super::Cursor) reads in it. Where
//! anything looks different from what was hoped for, the answer is `None` and the frame is read again with care: so it
//! need not know escapes, signs, exponents, non-ASCII text or numbers over sixteen digits, and reports no errors.

use starling_core::fixed::{eight_digits, equal_bytes, parse_short};
use starling_core::{Price, Qty};

use super::super::batch::{Level, Span, Text};
use super::{CONTROL_BITS, FRAME_BYTES_MAX, HIGH_BITS};

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// A place in a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Straight<'a> {
    rest: &'a [u8],
    frame_len: usize,
}

impl<'a> Straight<'a> {
    #[inline]
    pub(crate) fn new(frame: &'a [u8]) -> Option<Self> {
        (frame.len() <= FRAME_BYTES_MAX).then_some(Self { rest: frame, frame_len: frame.len() })
    }

    /// Passes exactly these bytes.
    #[inline(always)]
    pub(crate) fn literal(&mut self, literal: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal)?;
        Some(())
    }

    /// Passes these bytes if they come next, and says whether.
    #[inline(always)]
    pub(crate) fn optional(&mut self, literal: &[u8]) -> bool {
        self.literal(literal).is_some()
    }

    /// The rest of a string whose opening quote is passed, and its closing quote.
    #[inline(always)]
    pub(crate) fn text(&mut self) -> Option<Text> {
        let mut len = 0;
        loop {
            let word = self.word(len);
            let special = equal_bytes(word, b'"')
                | equal_bytes(word, b'\\')
                | equal_bytes(word & CONTROL_BITS, 0)
                | (word & HIGH_BITS);
            if special == 0 {
                len += 8;
                continue;
            }
            len += special.trailing_zeros() as usize / 8;
            let start = self.frame_len - self.rest.len();
            self.rest = self.rest.get(len..)?.strip_prefix(b"\"")?;
            return Some(Text { start: start as u32, len: len as u32 });
        }
    }

    /// A bare whole number of one to sixteen digits.
    #[inline(always)]
    pub(crate) fn whole(&mut self) -> Option<u64> {
        let first = self.word(0);
        let len = digits_in(first);
        let (value, len) = match len {
            0 => return None,
            8 => {
                let second = self.word(8);
                match digits_in(second) {
                    8 if self.rest.get(16).is_some_and(u8::is_ascii_digit) => return None,
                    0 => (eight_digits(first)?, 8),
                    more => {
                        let low = eight_digits(aligned(second, more))?;
                        (eight_digits(first)? * POW10[more] + low, 8 + more)
                    }
                }
            }
            len => (eight_digits(aligned(first, len))?, len),
        };
        // JSON knows no leading zeros.
        if first as u8 == b'0' && len > 1 {
            return None;
        }
        self.rest = &self.rest[len..];
        Some(value)
    }

    /// The rest of a quoted decimal whose opening quote is passed, and its closing quote; units of 1e-9.
    #[inline(always)]
    pub(crate) fn units(&mut self) -> Option<i64> {
        let quote = equal_bytes(self.word(0), b'"');
        let len = if quote != 0 {
            quote.trailing_zeros() as usize / 8
        } else {
            let quote = equal_bytes(self.word(8), b'"');
            if quote == 0 {
                return None;
            }
            8 + quote.trailing_zeros() as usize / 8
        };
        let (text, rest) = self.rest.split_at_checked(len)?;
        let units = parse_short(text)?;
        self.rest = rest.strip_prefix(b"\"")?;
        Some(units)
    }

    #[inline(always)]
    pub(crate) fn price(&mut self) -> Option<Price> {
        self.units().map(Price::from_units)
    }

    #[inline(always)]
    pub(crate) fn qty(&mut self) -> Option<Qty> {
        self.units().map(Qty::from_units)
    }

    #[inline(always)]
    pub(crate) fn bool(&mut self) -> Option<bool> {
        let value = self.optional(b"true");
        if !value {
            self.literal(b"false")?;
        }
        Some(value)
    }

    /// An array of `["price","quantity"]`.
    #[inline]
    pub(crate) fn levels(&mut self, levels: &mut Vec<Level>) -> Option<Span> {
        let start = levels.len();
        self.literal(b"[")?;
        if !self.optional(b"]") {
            loop {
                self.literal(b"[\"")?;
                let price = self.price()?;
                self.literal(b",\"")?;
                let size = self.qty()?;
                levels.push(Level { price, size });
                if !self.optional(b"],") {
                    self.literal(b"]]")?;
                    break;
                }
            }
        }
        Some(Span { start: start as u32, len: (levels.len() - start) as u32 })
    }

    /// Nothing may follow.
    #[inline]
    pub(crate) fn finish(self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }

    // Eight bytes from `skip` on; zeros, which nothing here takes for content, past the end of the frame.
    #[inline(always)]
    fn word(&self, skip: usize) -> u64 {
        match self.rest.get(skip..).and_then(|rest| rest.first_chunk()) {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => self.last_word(skip),
        }
    }

    #[inline(never)]
    fn last_word(&self, skip: usize) -> u64 {
        let tail = self.rest.get(skip..).unwrap_or_default();
        tail.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte))
    }
}

const POW10: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

// How many digits the word begins with.
#[inline(always)]
fn digits_in(word: u64) -> usize {
    let digits = word ^ ZEROS;
    let other = (digits | (digits & !HIGH_BITS).wrapping_add(0x7676_7676_7676_7676)) & HIGH_BITS;
    other.trailing_zeros() as usize / 8
}

// The first `len` digits moved to the end of the word, with zeros before them; `len` is 1 to 8.
#[inline(always)]
fn aligned(word: u64, len: usize) -> u64 {
    let shift = 64 - 8 * len as u32;
    (word << shift) | (ZEROS & !(u64::MAX << shift))
}
