//! Readings of the values market data consists of: decimals to fixed point, whole numbers, flags, stamps, price levels.
//!
//! Invariant: a number means the same with quotes as without. Decimals are exact: digits past the ninth place must be
//! zeros; nothing is rounded and no float is made.

use starling_core::fixed::{FixedError, Price, Qty, parse_i64_units, parse_short};
use starling_core::order::Side;
use starling_core::time::{MICROSECOND, MILLISECOND, UnixNanos};

use super::super::batch::{Level, Span};
use super::super::error::{WireError, WireErrorKind};
use super::Cursor;

impl<'a> Cursor<'a> {
    /// The number that comes next, with quotes or without: what stands between them, where it starts.
    #[inline]
    pub fn digits_text(&mut self) -> Result<(usize, &'a [u8]), WireError> {
        if self.peek() == Some(b'"') {
            let text = self.string()?;
            Ok((self.offset() - 1 - text.len(), text))
        } else {
            let text = self.number()?;
            Ok((self.offset() - text.len(), text))
        }
    }

    /// A decimal in units of 1e-9; `type_name` is for the error.
    #[inline]
    pub fn units(&mut self, type_name: &'static str) -> Result<i64, WireError> {
        let (start, text) = self.digits_text()?;
        match parse_short(text) {
            Some(units) => Ok(units),
            None => parse_i64_units(text, type_name).map_err(|e| WireError::new(start, e.into())),
        }
    }

    /// A price.
    #[inline]
    pub fn price(&mut self) -> Result<Price, WireError> {
        self.units("price").map(Price::from_units)
    }

    /// The price at which an order rests; `None` above the range of a price. Real books hold asks of ten billion, which
    /// nobody will ever trade at: they must not make the rest of a book unreadable.
    #[inline]
    pub fn resting_price(&mut self) -> Result<Option<Price>, WireError> {
        match self.price() {
            Ok(price) => Ok(Some(price)),
            Err(WireError { kind: WireErrorKind::Decimal(FixedError::OutOfRange { input, .. }), .. })
                if !input.starts_with('-') =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A quantity.
    #[inline]
    pub fn qty(&mut self) -> Result<Qty, WireError> {
        self.units("quantity").map(Qty::from_units)
    }

    /// A whole number from 0 to 2^64 - 1.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, WireError> {
        let (start, text) = self.digits_text()?;
        whole(text).ok_or_else(|| integer(start, text, "a whole number below 2^64"))
    }

    /// A number that names something: itself where it is whole (with quotes or without), and where it is other text, the
    /// text's 64-bit FNV-1a digest (Fowler, Noll, Vo 1991).
    #[inline]
    pub fn id(&mut self) -> Result<u64, WireError> {
        let (_, text) = self.digits_text()?;
        Ok(whole(text).unwrap_or_else(|| digest(text)))
    }

    /// A whole number of 64 bits, which may be negative.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, WireError> {
        let (start, text) = self.digits_text()?;
        let value = match text.strip_prefix(b"-") {
            None => whole(text).and_then(|value| i64::try_from(value).ok()),
            Some(magnitude) => whole(magnitude).and_then(|value| 0i64.checked_sub_unsigned(value)),
        };
        value.ok_or_else(|| integer(start, text, "a whole number of 64 bits"))
    }

    /// `true` or `false`.
    #[inline]
    pub fn bool(&mut self) -> Result<bool, WireError> {
        match self.peek() {
            Some(b't') => self.literal(b"true").map(|()| true),
            Some(b'f') => self.literal(b"false").map(|()| false),
            _ => Err(self.expected("`true` or `false`")),
        }
    }

    /// A stamp in milliseconds since 1970.
    #[inline]
    pub fn stamp_ms(&mut self) -> Result<UnixNanos, WireError> {
        self.stamp(MILLISECOND, "a stamp in milliseconds")
    }

    /// A stamp in microseconds since 1970.
    #[inline]
    pub fn stamp_us(&mut self) -> Result<UnixNanos, WireError> {
        self.stamp(MICROSECOND, "a stamp in microseconds")
    }

    /// A stamp in nanoseconds since 1970.
    #[inline]
    pub fn stamp_ns(&mut self) -> Result<UnixNanos, WireError> {
        self.stamp(1, "a stamp in nanoseconds")
    }

    /// A stamp in seconds since 1970, with up to nine decimal places.
    #[inline]
    pub fn stamp_seconds(&mut self) -> Result<UnixNanos, WireError> {
        let (start, text) = self.digits_text()?;
        let units = parse_i64_units(text, "stamp in seconds").map_err(|e| WireError::new(start, e.into()))?;
        let nanos = u64::try_from(units).map_err(|_| integer(start, text, "a stamp in seconds since 1970"))?;
        Ok(UnixNanos::new(nanos))
    }

    fn stamp(&mut self, unit: u64, wanted: &'static str) -> Result<UnixNanos, WireError> {
        let (start, text) = self.digits_text()?;
        let nanos = whole(text).and_then(|value| value.checked_mul(unit));
        nanos.map(UnixNanos::new).ok_or_else(|| integer(start, text, wanted))
    }

    /// A side, by the venue's two words for it.
    #[inline]
    pub fn side(&mut self, buy: &[u8], sell: &[u8], wanted: &'static str) -> Result<Side, WireError> {
        let text = self.string()?;
        match text {
            _ if text == buy => Ok(Side::Buy),
            _ if text == sell => Ok(Side::Sell),
            _ => Err(self.refuse(text, wanted)),
        }
    }

    /// The error that the text just read is not one of those wanted.
    #[must_use]
    #[cold]
    pub fn refuse(&self, text: &[u8], wanted: &'static str) -> WireError {
        let start = self.offset().saturating_sub(1 + text.len());
        WireError::new(start, WireErrorKind::Value { text: String::from_utf8_lossy(text).into(), wanted })
    }

    /// A level whose price and quantity stand in two fields; where either is an empty text, no order rests there: zeros.
    #[inline]
    pub fn level_of(mut price: Self, mut size: Self) -> Result<Level, WireError> {
        if price.is_empty_text() || size.is_empty_text() {
            return Ok(Level { price: Price::ZERO, size: Qty::ZERO });
        }
        Ok(Level { price: price.price()?, size: size.qty()? })
    }

    /// A resting level whose price and quantity stand in two fields; `None` above the range of a price.
    #[inline]
    pub fn resting_level(mut price: Self, mut size: Self) -> Result<Option<Level>, WireError> {
        let size = size.qty()?;
        Ok(price.resting_price()?.map(|price| Level { price, size }))
    }

    fn is_empty_text(mut self) -> bool {
        self.string().is_ok_and(<[u8]>::is_empty)
    }

    /// An array of `[price, quantity, ...]`, the levels appended to `levels`; what follows the two is skipped, and levels
    /// above the range of a price are left out.
    #[inline]
    pub fn levels(&mut self, levels: &mut Vec<Level>) -> Result<Span, WireError> {
        let start = levels.len();
        self.array(|cursor| {
            levels.extend(cursor.level()?);
            Ok(())
        })?;
        // Both fit: a level takes more than one byte of a frame of at most FRAME_BYTES_MAX.
        Ok(Span { start: start as u32, len: (levels.len() - start) as u32 })
    }

    /// One `[price, quantity, ...]`; what follows the two is skipped. `None` above the range of a price.
    #[inline]
    pub fn level(&mut self) -> Result<Option<Level>, WireError> {
        let (mut price, mut size) = (None, None);
        let start = self.offset();
        self.array(|cursor| {
            match (price, size) {
                (None, _) => price = Some(cursor.resting_price()?),
                (_, None) => size = Some(cursor.qty()?),
                _ => cursor.skip()?,
            }
            Ok(())
        })?;
        match (price, size) {
            (Some(price), Some(size)) => Ok(price.map(|price| Level { price, size })),
            _ => Err(WireError::new(start, WireErrorKind::Missing("price and quantity of a level"))),
        }
    }
}

// Decimal digits only: no sign, no point, no exponent.
#[inline]
fn whole(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The 64-bit FNV-1a digest of a text.
#[must_use]
pub fn digest(text: &[u8]) -> u64 {
    text.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

#[cold]
fn integer(start: usize, text: &[u8], wanted: &'static str) -> WireError {
    WireError::new(start, WireErrorKind::Integer { text: String::from_utf8_lossy(text).into(), wanted })
}
