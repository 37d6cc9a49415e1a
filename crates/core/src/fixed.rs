//! Fixed-point numbers: [`Price`], [`Qty`] (i64) and [`Money`] (i128), all at one scale of 1e-9.
//!
//! Invariant: arithmetic is exact or refuses. A product is formed in i128 (or wider), divided last, and rounded once,
//! by a [`Rounding`] the caller names. Floats enter through [`Price::from_f64`] and [`Qty::from_f64`] only, which also
//! name their rounding; they leave through `to_f64`, for features and statistics.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Units of the fixed scale in one: every [`Price`], [`Qty`] and [`Money`] counts billionths.
pub const SCALE: i64 = 1_000_000_000;
/// Decimal places the fixed scale holds.
pub const SCALE_DIGITS: u8 = 9;

/// Why a text is not a fixed-point number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FixedError {
    /// The text is no decimal number.
    #[error("`{input}` is not a decimal number")]
    Malformed {
        /// The text as found.
        input: String,
    },
    /// The number needs more than nine decimal places.
    #[error("`{input}` has more than 9 decimal places; round it first, or declare a scale for the column")]
    TooPrecise {
        /// The text as found.
        input: String,
    },
    /// The number does not fit.
    #[error("`{input}` is outside the range of a {type_name}")]
    OutOfRange {
        /// The text as found.
        input: String,
        /// The type that was wanted.
        type_name: &'static str,
    },
}

/// How a quotient that is no whole number of units becomes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// To nearest, ties away from zero: the default of money (as banks and most venues print it).
    #[default]
    HalfAwayFromZero,
    /// To nearest, ties to even.
    HalfEven,
    /// Toward zero.
    TowardZero,
    /// Toward negative infinity.
    Floor,
    /// Toward positive infinity.
    Ceil,
}

/// `n / d`, rounded as named. `d` must be positive.
#[must_use]
pub fn div_round(n: i128, d: i128, rounding: Rounding) -> i128 {
    assert!(d > 0, "divisor must be positive");
    let (q, r) = match (i64::try_from(n), i64::try_from(d)) {
        // 64-bit division is several times quicker than 128-bit, and most amounts fit.
        (Ok(n), Ok(d)) => (i128::from(n / d), i128::from(n % d)),
        _ => (n / d, n % d),
    };
    if r == 0 {
        return q;
    }
    let step = if n < 0 { -1 } else { 1 };
    let twice = r.unsigned_abs() * 2;
    let d = d.unsigned_abs();
    let away = match rounding {
        Rounding::HalfAwayFromZero => twice >= d,
        Rounding::HalfEven => twice > d || (twice == d && q & 1 != 0),
        Rounding::TowardZero => false,
        Rounding::Floor => n < 0,
        Rounding::Ceil => n > 0,
    };
    if away { q + step } else { q }
}

/// `a * b / d` with a 256-bit product, rounded as named; `None` if the quotient does not fit. `d` must be positive.
#[must_use]
pub fn mul_div(a: i128, b: i128, d: i128, rounding: Rounding) -> Option<i128> {
    assert!(d > 0, "divisor must be positive");
    if let Some(product) = a.checked_mul(b) {
        return Some(div_round(product, d, rounding));
    }
    let negative = (a < 0) != (b < 0);
    let (hi, lo) = wide_mul(a.unsigned_abs(), b.unsigned_abs());
    let (q, r) = wide_div(hi, lo, d.unsigned_abs())?;
    let twice_over = r >= d.unsigned_abs() - r;
    let tie = r != 0 && r == d.unsigned_abs() - r;
    let up = r != 0
        && match rounding {
            Rounding::HalfAwayFromZero => twice_over,
            Rounding::HalfEven => twice_over && (!tie || q & 1 != 0),
            Rounding::TowardZero => false,
            Rounding::Floor => negative,
            Rounding::Ceil => !negative,
        };
    let q = i128::try_from(q.checked_add(u128::from(up))?).ok()?;
    Some(if negative { -q } else { q })
}

fn wide_mul(a: u128, b: u128) -> (u128, u128) {
    const LOW: u128 = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & LOW, b >> 64, b & LOW);
    let low = a0 * b0;
    let mid = a1 * b0 + (low >> 64);
    let mid2 = a0 * b1 + (mid & LOW);
    (a1 * b1 + (mid >> 64) + (mid2 >> 64), (mid2 << 64) | (low & LOW))
}

/// Schoolbook long division, bit by bit: only products over 127 bits come here, which no ordinary trade makes.
fn wide_div(hi: u128, lo: u128, d: u128) -> Option<(u128, u128)> {
    if hi >= d {
        return None;
    }
    let (mut rem, mut q) = (hi, 0u128);
    for bit in (0..128).rev() {
        let carry = rem >> 127;
        rem = (rem << 1) | ((lo >> bit) & 1);
        q <<= 1;
        if carry == 1 || rem >= d {
            rem = rem.wrapping_sub(d);
            q |= 1;
        }
    }
    Some((q, rem))
}

const POW10: [i64; 19] = {
    let mut table = [1i64; 19];
    let mut i = 1;
    while i < table.len() {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};

/// `10^n` for n <= 18.
#[must_use]
pub fn pow10(n: u8) -> i64 {
    POW10[usize::from(n)]
}

/// Parses a plain decimal (`-12.5`, `+3`, `.5`, `7.`) or scientific one (`1e-05`) to units of 1e-9.
///
/// Trailing zeros past the ninth decimal are accepted; other digits there are an error, never rounded away.
pub fn parse_units(text: &[u8]) -> Result<i128, FixedError> {
    let fail = || FixedError::Malformed { input: String::from_utf8_lossy(text).into_owned() };
    let precise = || FixedError::TooPrecise { input: String::from_utf8_lossy(text).into_owned() };
    let range = || FixedError::OutOfRange { input: String::from_utf8_lossy(text).into_owned(), type_name: "decimal" };
    let (negative, body) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match body.iter().position(|b| matches!(b, b'e' | b'E')) {
        None => (body, 0i32),
        Some(at) => {
            let exp = std::str::from_utf8(&body[at + 1..]).ok().and_then(|s| s.parse().ok()).ok_or_else(fail)?;
            (&body[..at], exp)
        }
    };
    let (mut value, mut scale, mut digits, mut in_fraction) = (0i128, 0i32, 0usize, false);
    for &b in mantissa {
        match b {
            b'0'..=b'9' => {
                value = value.checked_mul(10).and_then(|v| v.checked_add(i128::from(b - b'0'))).ok_or_else(range)?;
                digits += 1;
                scale += i32::from(in_fraction);
            }
            b'.' if !in_fraction => in_fraction = true,
            _ => return Err(fail()),
        }
    }
    if digits == 0 {
        return Err(fail());
    }
    let mut shift = i32::from(SCALE_DIGITS) - scale + exponent.clamp(-10_000, 10_000);
    while shift < 0 && value % 10 == 0 && value != 0 {
        value /= 10;
        shift += 1;
    }
    if shift < 0 && value != 0 {
        return Err(precise());
    }
    while shift > 0 && value != 0 {
        value = value.checked_mul(10).ok_or_else(range)?;
        shift -= 1;
    }
    Ok(if negative { -value } else { value })
}

/// Eight ASCII digits as one number, the first digit in the lowest byte; `None` if a byte is no digit.
///
/// Pairs become hundreds, then fours, then all eight, in three multiplications (Lemire 2022, "Parsing series of integers
/// with SIMD", the portable variant).
#[must_use]
#[inline]
pub const fn eight_digits(word: u64) -> Option<u64> {
    let digits = word ^ ASCII_ZEROS;
    // Other bytes leave a value over 9, which 0x76 carries into the high bit, or have that bit already.
    if (digits | (digits & !HIGH_BITS).wrapping_add(0x7676_7676_7676_7676)) & HIGH_BITS != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let odd = (pairs & 0x0000_00FF_0000_00FF).wrapping_mul(0x000F_4240_0000_0064);
    let even = ((pairs >> 16) & 0x0000_00FF_0000_00FF).wrapping_mul(0x0000_2710_0000_0001);
    Some(odd.wrapping_add(even) >> 32)
}

const ASCII_ZEROS: u64 = 0x3030_3030_3030_3030;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Parses the short plain decimals that market data consists of, a few nanoseconds each; anything unusual goes to
/// [`parse_units`].
#[inline]
pub fn parse_i64_units(text: &[u8], type_name: &'static str) -> Result<i64, FixedError> {
    match parse_short(text) {
        Some(units) => Ok(units),
        None => i64::try_from(parse_units(text)?)
            .map_err(|_| FixedError::OutOfRange { input: String::from_utf8_lossy(text).into_owned(), type_name }),
    }
}

/// The short plain decimals alone: units of 1e-9, or `None` for whatever [`parse_i64_units`] must look at with care.
///
/// Up to 16 bytes of digits with at most one point, in a register: the point is shifted out, the digits are aligned to
/// the right with zeros before them, and the place of the point chooses the power of ten.
#[must_use]
#[inline]
pub fn parse_short(text: &[u8]) -> Option<i64> {
    let (negative, body) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let (value, fraction) = match body.len() {
        1..=8 => {
            let mut word = load_up_to_8(body);
            let mut digits = body.len();
            let mut fraction = 0;
            let point = equal_bytes(word, b'.');
            if point != 0 {
                let at = point.trailing_zeros() & !7;
                let below = (1u64 << at) - 1;
                word = (word & below) | ((word >> 8) & !below);
                digits -= 1;
                fraction = digits - (at / 8) as usize;
            }
            if digits == 0 {
                return None;
            }
            let shift = 64 - 8 * digits;
            (eight_digits((word << shift) | (ASCII_ZEROS & !(u64::MAX << shift)))?, fraction)
        }
        9..=16 => {
            let first = u64::from_le_bytes(*body.first_chunk()?);
            let last = u64::from_le_bytes(*body.last_chunk()?);
            let mut word = u128::from(first) | (u128::from(last) << (8 * (body.len() - 8)));
            let mut digits = body.len();
            let mut fraction = 0;
            let point = match (equal_bytes(first, b'.'), equal_bytes(last, b'.')) {
                (0, 0) => None,
                (0, at) => Some((at.trailing_zeros() & !7) + 8 * (body.len() as u32 - 8)),
                (at, _) => Some(at.trailing_zeros() & !7),
            };
            if let Some(at) = point {
                let below = (1u128 << at) - 1;
                word = (word & below) | ((word >> 8) & !below);
                digits -= 1;
                fraction = digits - (at / 8) as usize;
            }
            let zeros = u128::from(ASCII_ZEROS) << 64 | u128::from(ASCII_ZEROS);
            let shift = 128 - 8 * digits;
            let word = (word << shift) | (zeros & !(u128::MAX << shift));
            (eight_digits(word as u64)? * 100_000_000 + eight_digits((word >> 64) as u64)?, fraction)
        }
        _ => return None,
    };
    let scale = usize::from(SCALE_DIGITS).checked_sub(fraction)?;
    // At most sixteen digits, so the value fits; scaled, it may not.
    let units = (value as i64).checked_mul(POW10[scale])?;
    Some(if negative { -units } else { units })
}

// One to eight bytes as a word, zeros above.
#[inline]
fn load_up_to_8(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk::<8>(), bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(all), ..) => u64::from_le_bytes(*all),
        // The two halves overlap where the length is under eight, and agree there.
        (None, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | (u64::from(u32::from_le_bytes(*last)) << (8 * (bytes.len() - 4)))
        }
        _ => bytes.iter().rev().fold(0, |word, b| (word << 8) | u64::from(*b)),
    }
}

/// The high bit of each byte of `word` that equals `byte`; exact, as no carry crosses from byte to byte.
#[must_use]
#[inline]
pub const fn equal_bytes(word: u64, byte: u8) -> u64 {
    let x = word ^ (byte as u64 * 0x0101_0101_0101_0101);
    !(((x & !HIGH_BITS) + !HIGH_BITS) | x) & HIGH_BITS
}

fn format_units(units: i128, min_decimals: Option<usize>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let scale = u128::from(SCALE.unsigned_abs());
    let (whole, frac) = (units.unsigned_abs() / scale, units.unsigned_abs() % scale);
    let digits = format!("{frac:09}");
    let kept = digits.trim_end_matches('0').len().max(min_decimals.unwrap_or(0).min(9));
    let text = if kept == 0 { whole.to_string() } else { format!("{whole}.{}", &digits[..kept]) };
    f.pad_integral(units >= 0, "", &text)
}

macro_rules! fixed {
    ($(#[$meta:meta])* $name:ident($repr:ty)) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name($repr);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);
            /// One.
            pub const ONE: Self = Self(SCALE as $repr);
            /// The largest value.
            pub const MAX: Self = Self(<$repr>::MAX);
            /// The smallest value.
            pub const MIN: Self = Self(<$repr>::MIN);

            /// From units of 1e-9.
            #[must_use]
            pub const fn from_units(units: $repr) -> Self {
                Self(units)
            }
            /// From a whole number; panics where it does not fit.
            #[must_use]
            pub const fn from_int(whole: i64) -> Self {
                match (whole as $repr).checked_mul(SCALE as $repr) {
                    Some(units) => Self(units),
                    None => panic!("whole number outside the fixed-point range"),
                }
            }
            /// Units of 1e-9.
            #[must_use]
            pub const fn units(self) -> $repr {
                self.0
            }
            /// The nearest f64, for features and statistics; correctly rounded below 2^53 units.
            #[must_use]
            #[inline]
            pub fn to_f64(self) -> f64 {
                self.0 as f64 / SCALE as f64
            }
            /// True at zero.
            #[must_use]
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }
            /// True above zero.
            #[must_use]
            pub const fn is_positive(self) -> bool {
                self.0 > 0
            }
            /// True below zero.
            #[must_use]
            pub const fn is_negative(self) -> bool {
                self.0 < 0
            }
            /// The magnitude.
            #[must_use]
            pub const fn abs(self) -> Self {
                Self(self.0.abs())
            }
            /// The smaller of the two.
            #[must_use]
            pub fn min(self, other: Self) -> Self {
                Ord::min(self, other)
            }
            /// Sum, or `None` where it does not fit.
            #[must_use]
            pub fn checked_add(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0).map(Self)
            }
            /// Rounded to a multiple of `step` (tick, lot, smallest coin) as named. A zero step changes nothing.
            #[must_use]
            pub fn round_to(self, step: Self, rounding: Rounding) -> Self {
                if step.0 <= 1 {
                    return self;
                }
                let steps = div_round(i128::from(self.0), i128::from(step.0), rounding);
                Self((steps * i128::from(step.0)).try_into().expect("a multiple next to a representable value"))
            }
            /// True if this is a whole number of `step`s. A zero step accepts all.
            #[must_use]
            pub fn is_multiple_of(self, step: Self) -> bool {
                step.0 <= 1 || self.0 % step.0 == 0
            }
            /// Printed with exactly `decimals` places; digits beyond are rounded half away from zero.
            #[must_use]
            pub fn to_string_fixed(self, decimals: u8) -> String {
                let decimals = decimals.min(SCALE_DIGITS);
                let step = Self::from_units(pow10(SCALE_DIGITS - decimals) as $repr);
                let rounded = self.round_to(step, Rounding::HalfAwayFromZero);
                format!("{:.*}", usize::from(decimals), rounded)
            }
        }

        impl Add for $name {
            type Output = Self;
            #[inline]
            fn add(self, other: Self) -> Self {
                Self(self.0.checked_add(other.0).expect(concat!(stringify!($name), " sum in range")))
            }
        }
        impl Sub for $name {
            type Output = Self;
            #[inline]
            fn sub(self, other: Self) -> Self {
                Self(self.0.checked_sub(other.0).expect(concat!(stringify!($name), " difference in range")))
            }
        }
        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }
        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                *self = *self - other;
            }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
                iter.fold(Self::ZERO, Add::add)
            }
        }
        impl fmt::Display for $name {
            /// The shortest exact decimal; `{:.2}` prints at least two places (never fewer than the value needs).
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let places = f.precision();
                format_units(i128::from(self.0), places, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
        impl Serialize for $name {
            /// A decimal string for people (TOML, JSON), units for machines (snapshots, journal).
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    deserializer.deserialize_any(Decimal(std::marker::PhantomData))
                } else {
                    <$repr>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

/// Significant decimal digits that survive a way through binary64 and back (`DBL_DIG` of C).
const FLOAT_DIGITS: usize = 15;

/// Reads a fixed-point number as people write it: `"0.001"`, `0.001`, `25`.
///
/// A decimal of at most 15 significant digits is the shortest that reads back as its own binary64, so as a float it is
/// told exactly by that shortest text (Steele & White 1990). A float that needs more is refused, since what was written
/// is not known any more.
struct Decimal<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = FixedError>> serde::de::Visitor<'_> for Decimal<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number, as 0.001 or \"0.001\"")
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
    fn visit_i64<E: serde::de::Error>(self, whole: i64) -> Result<T, E> {
        self.visit_str(&whole.to_string())
    }
    fn visit_u64<E: serde::de::Error>(self, whole: u64) -> Result<T, E> {
        self.visit_str(&whole.to_string())
    }
    fn visit_f64<E: serde::de::Error>(self, float: f64) -> Result<T, E> {
        let text = float.to_string();
        let significant = text.trim_start_matches(['-', '0', '.']);
        let significant = if text.contains('.') { significant } else { significant.trim_end_matches('0') };
        let digits = significant.bytes().filter(u8::is_ascii_digit).count();
        if !float.is_finite() || digits > FLOAT_DIGITS {
            let why = "is no exact number; write the decimal in quotes, as \"0.001\"";
            return Err(E::custom(format_args!("{text} {why}")));
        }
        self.visit_str(&text)
    }
}

fixed!(
    /// A price in quote currency per unit, at 1e-9. Negative prices exist (calendar spreads, WTI in April 2020).
    Price(i64)
);
fixed!(
    /// A quantity in the instrument's unit (contracts, shares, base currency), at 1e-9; at most 9.2e9 units.
    Qty(i64)
);
fixed!(
    /// An amount of one currency, at 1e-9. Which currency, its holder says.
    Money(i128)
);

fixed!(
    /// A dimensionless number at 1e-9: a fee rate, a margin rate, a portfolio weight.
    Rate(i64)
);

macro_rules! from_text {
    ($name:ident) => {
        impl FromStr for $name {
            type Err = FixedError;
            fn from_str(text: &str) -> Result<Self, FixedError> {
                parse_i64_units(text.as_bytes(), stringify!($name)).map(Self)
            }
        }
        impl $name {
            /// From the text of a decimal number, as found in market data.
            #[inline]
            pub fn parse(text: &[u8]) -> Result<Self, FixedError> {
                parse_i64_units(text, stringify!($name)).map(Self)
            }
            /// The checked door back from floats: rounded to `step` as named, `None` for NaN, infinities and overflow.
            ///
            /// The float is first taken to the nearest unit of 1e-9, so that 0.1 + 0.2 is 0.3 before any floor or
            /// ceiling is applied.
            #[must_use]
            pub fn from_f64(value: f64, step: Self, rounding: Rounding) -> Option<Self> {
                let units = (value * SCALE as f64).round();
                // 2^63 as f64 is exact; anything at or over it does not fit.
                if !units.is_finite() || units.abs() >= 9_223_372_036_854_775_808.0 {
                    return None;
                }
                let step_units = i128::from(step.0.max(1));
                let steps = div_round(units as i128, step_units, rounding);
                i64::try_from(steps * step_units).ok().map(Self)
            }
        }
    };
}
from_text!(Price);
from_text!(Qty);
from_text!(Rate);

impl FromStr for Money {
    type Err = FixedError;
    fn from_str(text: &str) -> Result<Self, FixedError> {
        parse_units(text.as_bytes()).map(Self)
    }
}

impl Qty {
    /// Scaled by `numerator / denominator`, rounded as named. The denominator must be positive.
    #[must_use]
    pub fn scaled(self, numerator: i64, denominator: i64, rounding: Rounding) -> Self {
        let units = mul_div(self.0.into(), numerator.into(), denominator.into(), rounding);
        Self(units.and_then(|u| i64::try_from(u).ok()).expect("scaled quantity in range"))
    }
}

impl Price {
    /// The midpoint of two prices, rounded half away from zero to the unit.
    #[must_use]
    pub fn midpoint(a: Self, b: Self) -> Self {
        let sum = i128::from(a.0) + i128::from(b.0);
        Self(div_round(sum, 2, Rounding::HalfAwayFromZero) as i64)
    }
}

impl Money {
    /// Rounded to `digits` decimals of a currency.
    #[must_use]
    pub fn round_digits(self, digits: u8, rounding: Rounding) -> Self {
        self.round_to(Self::from_units(i128::from(pow10(SCALE_DIGITS.saturating_sub(digits)))), rounding)
    }

    /// `self * numerator / denominator` in one rounding to `digits` decimals; `None` where it does not fit.
    #[must_use]
    pub fn scaled(self, numerator: i128, denominator: i128, digits: u8, rounding: Rounding) -> Option<Self> {
        let step = i128::from(pow10(SCALE_DIGITS.saturating_sub(digits)));
        let steps = mul_div(self.0, numerator, denominator.checked_mul(step)?, rounding)?;
        steps.checked_mul(step).map(Self)
    }
}

#[cfg(test)]
mod tests;
