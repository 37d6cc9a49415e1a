//! The CRC-32 that venues send so that a reader can check its book.
//!
//! Venues hash the *text* of their numbers, and a fixed-point number does not remember its text. What is needed is how
//! the venue writes: OKX and Bitfinex write the shortest form (290 of 290 checksums of a captured OKX session agree),
//! Kraken writes each pair's fixed number of decimals (4,269 of 4,269). Those decimals are a property of the instrument
//! and come with the rule. Nothing here decides what a mismatch means. OKX stopped computing its checksum in June 2026
//! and sends zero since: [`Checksum::applies`] knows.

use starling_core::fixed::{SCALE_DIGITS, pow10};
use starling_core::order::Side;

use super::{LevelBook, OrderBook};

/// How a venue writes a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digits {
    /// No zeros at the end of the fraction, no point without one.
    Shortest,
    /// Always this many decimals (at most 9).
    Fixed(u8),
}

/// A venue's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checksum {
    /// OKX v5 `books`: 25 levels, `price:size` of bid and ask in turn, the longer side alone where the other ends (OKX
    /// API guide, "Order book channel", checksum).
    Okx {
        /// Of prices.
        price: Digits,
        /// Of sizes.
        size: Digits,
    },
    /// Kraken v1 and v2 `book`: ten asks, then ten bids; price and size without the point and without the zeros before
    /// the first digit, nothing between them (Kraken, "Book checksum (WebSocket v2)").
    Kraken {
        /// Decimals of the pair's prices.
        price_digits: u8,
        /// Decimals of the pair's quantities.
        size_digits: u8,
    },
    /// Bitfinex v2 books P0..P4: 25 levels, `price:amount` of bid and ask in turn, amounts of asks negative, numbers as
    /// JavaScript writes them (Bitfinex, "WebSocket checksum").
    Bitfinex,
}

/// Levels of a side that a rule looks at.
const OKX_DEPTH: usize = 25;
const KRAKEN_DEPTH: usize = 10;
const BITFINEX_DEPTH: usize = 25;

impl Checksum {
    /// False where the venue's field is there but says nothing.
    #[must_use]
    pub fn applies(self, sent: u32) -> bool {
        !(matches!(self, Self::Okx { .. }) && sent == 0)
    }

    /// The checksum of a level-2 book.
    #[must_use]
    pub fn of(self, book: &LevelBook) -> u32 {
        let mut text = Text::default();
        match self {
            Self::Okx { price, size } => {
                interleave(book.levels(Side::Buy, OKX_DEPTH), book.levels(Side::Sell, OKX_DEPTH), |level, _| {
                    text.separate();
                    text.number(level.price.units(), price);
                    text.separate();
                    text.number(level.size.units(), size);
                })
            }
            Self::Kraken { price_digits, size_digits } => {
                for side in [Side::Sell, Side::Buy] {
                    for level in book.levels(side, KRAKEN_DEPTH) {
                        text.bare(level.price.units(), price_digits);
                        text.bare(level.size.units(), size_digits);
                    }
                }
            }
            Self::Bitfinex => interleave(
                book.levels(Side::Buy, BITFINEX_DEPTH),
                book.levels(Side::Sell, BITFINEX_DEPTH),
                |level, side| {
                    text.separate();
                    text.script_number(level.price.units());
                    text.separate();
                    text.script_number(side.signed(level.size).units());
                },
            ),
        }
        text.crc()
    }

    /// The checksum of a Bitfinex raw book (R0): as for its level books, but `id:amount`, and orders instead of levels.
    #[must_use]
    pub fn of_bitfinex_orders(book: &OrderBook) -> u32 {
        let mut text = Text::default();
        interleave(
            book.orders(Side::Buy).take(BITFINEX_DEPTH),
            book.orders(Side::Sell).take(BITFINEX_DEPTH),
            |order, side| {
                text.separate();
                text.whole(order.order_id);
                text.separate();
                text.script_number(side.signed(order.size).units());
            },
        );
        text.crc()
    }
}

/// First bid, first ask, second bid, ...; where one side ends the other goes on.
fn interleave<T>(bids: impl Iterator<Item = T>, asks: impl Iterator<Item = T>, mut write: impl FnMut(T, Side)) {
    let (mut bids, mut asks) = (bids.fuse(), asks.fuse());
    loop {
        let (bid, ask) = (bids.next(), asks.next());
        if bid.is_none() && ask.is_none() {
            return;
        }
        if let Some(bid) = bid {
            write(bid, Side::Buy);
        }
        if let Some(ask) = ask {
            write(ask, Side::Sell);
        }
    }
}

/// The hashed text, written piece by piece; it is never held as a whole.
#[derive(Default)]
struct Text {
    hasher: crc32fast::Hasher,
    begun: bool,
}

impl Text {
    fn crc(self) -> u32 {
        self.hasher.finalize()
    }

    /// A colon before all but the first number.
    fn separate(&mut self) {
        if self.begun {
            self.hasher.update(b":");
        }
        self.begun = true;
    }

    fn number(&mut self, units: i64, digits: Digits) {
        let fraction = units.unsigned_abs() % pow10(SCALE_DIGITS).unsigned_abs();
        let kept = match digits {
            Digits::Fixed(n) => n.min(SCALE_DIGITS),
            Digits::Shortest => SCALE_DIGITS - trailing_zeros(fraction),
        };
        if units < 0 {
            self.hasher.update(b"-");
        }
        self.whole(units.unsigned_abs() / pow10(SCALE_DIGITS).unsigned_abs());
        if kept > 0 {
            self.hasher.update(b".");
            self.padded(fraction / pow10(SCALE_DIGITS - kept).unsigned_abs(), usize::from(kept));
        }
    }

    /// The digits alone: at `digits` decimals, without the point, without zeros before.
    fn bare(&mut self, units: i64, digits: u8) {
        self.whole(units.unsigned_abs() / pow10(SCALE_DIGITS - digits.min(SCALE_DIGITS)).unsigned_abs());
    }

    /// As ECMAScript's `Number::toString` writes it: below 1e-6 with an exponent, otherwise shortest. (From 1e21 on it
    /// has one, too, which no fixed-point number reaches.)
    fn script_number(&mut self, units: i64) {
        let magnitude = units.unsigned_abs();
        if magnitude == 0 || magnitude >= 1_000 {
            return self.number(units, Digits::Shortest);
        }
        if units < 0 {
            self.hasher.update(b"-");
        }
        // At most three digits of 1e-9.
        let mut bare = magnitude;
        while bare.is_multiple_of(10) {
            bare /= 10;
        }
        let text = bare.to_string();
        let (first, rest) = text.split_at(1);
        self.hasher.update(first.as_bytes());
        if !rest.is_empty() {
            self.hasher.update(b".");
            self.hasher.update(rest.as_bytes());
        }
        let exponent = 9 - magnitude.ilog10();
        self.hasher.update(b"e-");
        self.whole(exponent.into());
    }

    fn whole(&mut self, value: u64) {
        self.padded(value, 1);
    }

    /// With zeros before it up to `width` digits.
    fn padded(&mut self, mut value: u64, width: usize) {
        let (mut digits, mut at) = ([b'0'; 20], 20);
        while value > 0 || 20 - at < width {
            at -= 1;
            digits[at] = b'0' + (value % 10) as u8;
            value /= 10;
        }
        self.hasher.update(&digits[at..]);
    }
}

/// Zeros at the end of a nine-digit fraction; nine for none at all.
fn trailing_zeros(mut fraction: u64) -> u8 {
    let mut zeros = 0;
    while zeros < SCALE_DIGITS && fraction.is_multiple_of(10) {
        fraction /= 10;
        zeros += 1;
    }
    zeros
}

#[cfg(test)]
mod tests;
