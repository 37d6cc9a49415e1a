//! The quick way through frames that are spelled as their venue always spells them: no space, fields in the usual order.
//!
//! Invariant: what a [`Straight`] reads to its end is JSON, and means what a [`Cursor`](super::Cursor) reads in it. Where
//! anything looks different from what was hoped for, the answer is `None` and the frame is read again with care: so it
//! need not know escapes, signs, exponents, non-ASCII text or numbers over sixteen digits, and reports no errors.

use starling_core::fixed::{SCALE, parse_short};
use starling_core::{Price, Qty};

use super::super::batch::{Level, Span, Text};
use super::{FRAME_BYTES_MAX, HIGH_BITS, special};

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
            let special = special(word) | (word & HIGH_BITS);
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
        let first = self.word(0) ^ ZEROS;
        let (value, len) = match digits_in(first) {
            0 => return None,
            8 => {
                let second = self.word(8) ^ ZEROS;
                let more = digits_in(second);
                if more == 8 && self.rest.get(16).is_some_and(u8::is_ascii_digit) {
                    return None;
                }
                (number(first) * POW10[more] + if more == 0 { 0 } else { number(second << (64 - 8 * more)) }, 8 + more)
            }
            len => (number(first << (64 - 8 * len)), len),
        };
        // JSON knows no leading zeros.
        if first as u8 == 0 && len > 1 {
            return None;
        }
        self.rest = &self.rest[len..];
        Some(value)
    }

    /// The rest of a quoted decimal whose opening quote is passed, and its closing quote; units of 1e-9.
    ///
    /// One to seven digits, and at most eight after a point, are put together here; what is longer, in `parse_short`.
    #[inline(always)]
    pub(crate) fn units(&mut self) -> Option<i64> {
        let before = self.word(0) ^ ZEROS;
        // A branch for each length: which one a venue takes is guessed well, and with the length known the processor
        // reads on ahead of the digits it still puts together.
        match digits_in(before) {
            1 => self.units_of::<1>(before),
            2 => self.units_of::<2>(before),
            3 => self.units_of::<3>(before),
            4 => self.units_of::<4>(before),
            5 => self.units_of::<5>(before),
            6 => self.units_of::<6>(before),
            7 => self.units_of::<7>(before),
            _ => self.long_units(),
        }
    }

    /// As [`Straight::units`], of so many digits before the point.
    #[inline(always)]
    fn units_of<const DIGITS: usize>(&mut self, before: u64) -> Option<i64> {
        // Shifted, the bytes after the digits are gone and zeros stand before them.
        let whole = number(before << (64 - 8 * DIGITS)) as i64 * SCALE;
        match (before >> (8 * DIGITS)) as u8 ^ b'0' {
            b'"' => {
                self.rest = &self.rest[DIGITS + 1..];
                Some(whole)
            }
            b'.' => {
                let after = self.word(DIGITS + 1) ^ ZEROS;
                let places = digits_in(after);
                // Zeros take the place of the bytes that follow: always eight decimal places, and the ninth is zero.
                let (fraction, end) = match places {
                    8 => (number(after), DIGITS + 9),
                    0 => return self.long_units(),
                    _ => (number(after & ((1 << (8 * places)) - 1)), DIGITS + 1 + places),
                };
                if self.rest.get(end) != Some(&b'"') {
                    return self.long_units();
                }
                self.rest = &self.rest[end + 1..];
                Some(whole + fraction as i64 * 10)
            }
            _ => self.long_units(),
        }
    }

    #[cold]
    fn long_units(&mut self) -> Option<i64> {
        let len = self.rest.iter().take(17).position(|byte| *byte == b'"')?;
        let units = parse_short(&self.rest[..len])?;
        self.rest = &self.rest[len + 1..];
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
        if !self.optional(b"[]") {
            self.literal(b"[[\"")?;
            loop {
                let price = self.price()?;
                self.literal(b",\"")?;
                let size = self.qty()?;
                levels.push(Level { price, size });
                if !self.optional(b"],[\"") {
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

// Of eight bytes from which `0` is taken: how many are digits before the first that is none.
#[inline(always)]
fn digits_in(bytes: u64) -> usize {
    let other = (bytes | (bytes & !HIGH_BITS).wrapping_add(0x7676_7676_7676_7676)) & HIGH_BITS;
    other.trailing_zeros() as usize / 8
}

// Eight digits from which `0` is taken, the first in the lowest byte, as one number: pairs, fours, all (Lemire 2022, as
// in `eight_digits`, which also asks whether they are digits; here that is known).
#[inline(always)]
fn number(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let odd = (pairs & 0x0000_00FF_0000_00FF).wrapping_mul(0x000F_4240_0000_0064);
    let even = ((pairs >> 16) & 0x0000_00FF_0000_00FF).wrapping_mul(0x0000_2710_0000_0001);
    odd.wrapping_add(even) >> 32
}
