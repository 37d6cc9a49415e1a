//! Numbers: from a file's decimals to fixed point, scaled, adjusted and rounded in integers.
//!
//! Invariant: a number is exact, or rounded once, where the table says so, half away from zero.

use starling_core::fixed::{FixedError, Rounding, SCALE, mul_div, parse_i64_units, parse_short, pow10};

/// `mantissa * 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exact {
    pub(super) mantissa: i128,
    pub(super) exponent: i32,
}

/// True if the text stands for no number.
pub(super) fn is_nan(text: &[u8]) -> bool {
    const WORDS: [&str; 10] = ["", "nan", "null", "none", "na", "n/a", "inf", "-inf", "infinity", "-infinity"];
    std::str::from_utf8(text).is_ok_and(|t| WORDS.iter().any(|word| t.trim().eq_ignore_ascii_case(word)))
}

impl Exact {
    /// A plain or scientific decimal of any length; digits beyond the 30th significant one are cut off.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        const DIGITS_MAX: u32 = 30;
        let (negative, body) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let (mut mantissa, mut exponent, mut kept, mut digits, mut fraction) = (0i128, 0i32, 0, 0, false);
        for (i, &b) in body.iter().enumerate() {
            match b {
                b'0'..=b'9' => {
                    digits += 1;
                    if kept < DIGITS_MAX {
                        mantissa = mantissa * 10 + i128::from(b - b'0');
                        kept += u32::from(mantissa != 0);
                        exponent -= i32::from(fraction);
                    } else {
                        exponent += i32::from(!fraction);
                    }
                }
                b'.' if !fraction => fraction = true,
                b'e' | b'E' if digits > 0 => {
                    let power: i32 = std::str::from_utf8(&body[i + 1..]).ok()?.parse().ok()?;
                    exponent = exponent.checked_add(power)?;
                    break;
                }
                _ => return None,
            }
        }
        (digits > 0).then_some(Self { mantissa: if negative { -mantissa } else { mantissa }, exponent })
    }

    /// In units of `10^-places`, rounded half away from zero; none if it does not fit.
    pub(super) fn at(self, places: i32) -> Option<i128> {
        scale(self, places, 1, 1)
    }
}

// `value * numerator / denominator` in units of `10^-places`.
fn scale(value: Exact, places: i32, numerator: i128, denominator: i128) -> Option<i128> {
    let shift = value.exponent.checked_add(places)?;
    if value.mantissa == 0 {
        return Some(0);
    }
    let power = |n: i32| 10i128.checked_pow(u32::try_from(n).ok()?);
    if shift >= 0 {
        mul_div(value.mantissa, numerator.checked_mul(power(shift)?)?, denominator, Rounding::HalfAwayFromZero)
    } else {
        // Too far below the unit to round to anything but zero.
        let Some(d) = shift.checked_neg().and_then(power).and_then(|p| denominator.checked_mul(p)) else {
            return Some(0);
        };
        mul_div(value.mantissa, numerator, d, Rounding::HalfAwayFromZero)
    }
}

/// What a table does to the numbers of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scaling {
    // Nothing is done, and more than nine decimals are refused.
    plain: bool,
    // Decimals beyond the ninth are rounded even so: quantities, which files written from floats fill with noise.
    lenient: bool,
    numerator: i128,
    denominator: i128,
    digits: u8,
    tick: i64,
}

impl Scaling {
    /// Divided by `scale`, multiplied by `factor` (units of 1e-9), rounded to `digits` decimals and to `tick` units.
    pub(super) fn new(scale: u32, factor: Option<i128>, digits: Option<u8>, tick: i64) -> Self {
        let factor = factor.unwrap_or_else(|| SCALE.into());
        Self {
            plain: scale == 1 && factor == i128::from(SCALE) && digits.is_none() && tick <= 1,
            lenient: false,
            numerator: factor,
            denominator: i128::from(scale) * i128::from(SCALE),
            digits: digits.unwrap_or(9),
            tick: tick.max(1),
        }
    }

    /// The same, rounding what has too many decimals.
    pub(super) fn lenient(self) -> Self {
        Self { lenient: true, ..self }
    }

    /// A short decimal that nothing is done to; none says nothing yet.
    #[inline]
    pub(super) fn quick(&self, text: &[u8]) -> Option<i64> {
        if self.plain { parse_short(text) } else { None }
    }

    /// A decimal as text.
    #[inline]
    pub(super) fn text(&self, text: &[u8], type_name: &'static str) -> Result<i64, FixedError> {
        if self.plain {
            match parse_i64_units(text, type_name) {
                Err(FixedError::TooPrecise { .. }) if self.lenient => {}
                done => return done,
            }
        }
        let input = || String::from_utf8_lossy(text).into_owned();
        let value = Exact::parse(text).ok_or_else(|| FixedError::Malformed { input: input() })?;
        self.scaled(value).ok_or_else(|| FixedError::OutOfRange { input: input(), type_name })
    }

    /// An exact number, which a plain column refuses if it has more than nine decimals.
    pub(super) fn exact(&self, value: Exact, type_name: &'static str) -> Result<i64, FixedError> {
        let input = || format!("{}e{}", value.mantissa, value.exponent);
        let units = self.scaled(value).ok_or_else(|| FixedError::OutOfRange { input: input(), type_name })?;
        let lost = self.plain
            && !self.lenient
            && value.exponent < -9
            && 10i128.checked_pow(value.exponent.unsigned_abs() - 9).is_none_or(|p| value.mantissa % p != 0)
            && value.mantissa != 0;
        if lost { Err(FixedError::TooPrecise { input: input() }) } else { Ok(units) }
    }

    fn scaled(&self, value: Exact) -> Option<i64> {
        let steps = scale(value, self.digits.into(), self.numerator, self.denominator)?;
        self.settle(steps.checked_mul(pow10(9 - self.digits).into())?)
    }

    /// A price of this column times `adjusted / plain`, rounded as the column is.
    pub(super) fn adjust(&self, units: i64, adjusted: Exact, plain: Exact) -> Option<i64> {
        // Ratios are taken at 18 places: twice what a price holds.
        let (a, p) = (adjusted.at(18)?, plain.at(18).filter(|p| *p > 0)?);
        let step = i128::from(pow10(9 - self.digits));
        let steps = mul_div(units.into(), a, p.checked_mul(step)?, Rounding::HalfAwayFromZero)?;
        self.settle(steps.checked_mul(step)?)
    }

    fn settle(&self, units: i128) -> Option<i64> {
        let tick = i128::from(self.tick);
        let units = if tick > 1 { mul_div(units, 1, tick, Rounding::HalfAwayFromZero)? * tick } else { units };
        i64::try_from(units).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prices_are_scaled_and_rounded_as_decimal_does() {
        let of = |s: &Scaling, text: &str| s.text(text.as_bytes(), "Price").unwrap();
        let lean = Scaling::new(10_000, None, None, 0);
        assert_eq!(of(&lean, "1674200"), 167_420_000_000);
        assert_eq!(of(&lean, "-5"), -500_000);
        // Decimal("5.330000000000001e-05").quantize(Decimal("1e-8"), ROUND_HALF_UP)
        let digits = Scaling::new(1, None, Some(8), 0);
        assert_eq!(of(&digits, "5.330000000000001e-05"), 53_300);
        assert_eq!(of(&digits, "0.000000005"), 10);
        assert_eq!(of(&digits, "1e-400"), 0);
        assert_eq!(of(&Scaling::new(1, None, Some(0), 0), "1e-2147483648"), 0);
        let cents = Scaling::new(1, Some(10_000_000), None, 0);
        assert_eq!(of(&cents, "12345"), 123_450_000_000);
        let ticked = Scaling::new(1, None, None, 250_000_000);
        assert_eq!(of(&ticked, "100.13"), 100_250_000_000);
        assert_eq!(of(&ticked, "-100.13"), -100_250_000_000);
        // A volume of a real file, written from a float.
        let volume = Scaling::new(1, None, None, 0).lenient();
        assert_eq!(of(&volume, "218102.59507500002"), 218_102_595_075_000);
        assert!(matches!(
            Scaling::new(1, None, None, 0).text(b"1.0000000001", "Price"),
            Err(FixedError::TooPrecise { .. })
        ));
        assert!(matches!(lean.text(b"1e300", "Price"), Err(FixedError::OutOfRange { .. })));
        assert!(matches!(lean.text(b"1..2", "Price"), Err(FixedError::Malformed { .. })));
    }

    #[test]
    fn an_adjusted_close_scales_the_row() {
        // AAPL, 2000-03-01; Decimal gives 118.56 * 4.186662803811 / 130.31 = 3.809153...
        let digits = Scaling::new(1, None, Some(4), 0);
        let (adjusted, close) = (Exact::parse(b"4.186662803811").unwrap(), Exact::parse(b"130.31").unwrap());
        assert_eq!(digits.adjust(118_560_000_000, adjusted, close), Some(3_809_200_000));
        assert_eq!(digits.adjust(130_310_000_000, adjusted, close), Some(4_186_700_000));
        assert_eq!(digits.adjust(1, adjusted, Exact { mantissa: 0, exponent: 0 }), None);
    }

    proptest! {
        #[test]
        fn a_scaling_that_does_nothing_agrees_with_the_plain_parser(text in "-?[0-9]{1,9}(\\.[0-9]{1,9})?(e-?[0-4])?") {
            let nine = Scaling::new(1, None, Some(9), 0).text(text.as_bytes(), "Price");
            if let Ok(units) = Scaling::new(1, None, None, 0).text(text.as_bytes(), "Price") {
                prop_assert_eq!(nine, Ok(units));
                prop_assert_eq!(
                    Scaling::new(1, None, None, 0).exact(Exact::parse(text.as_bytes()).unwrap(), "Price"), Ok(units)
                );
            }
        }
    }
}
