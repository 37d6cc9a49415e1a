//! Stamps as text: RFC 3339 dates, to the nanosecond.
//!
//! Invariant: a text is read whole or not at all; what [`UnixNanos`] prints is read back as the same stamp. Digits past
//! the ninth of the fraction must be zeros: nothing is rounded. Leap seconds (`:60`) and stamps before 1970 are refused,
//! as [`UnixNanos`] has neither.

use starling_core::time::{HOUR, MINUTE, SECOND, UnixNanos};

use super::error::WireError;
use super::json::Cursor;

/// What [`parse`] reads, for errors.
pub(super) const STAMP: &str = "a stamp of RFC 3339 such as 2021-02-22T15:51:44.208Z";

impl Cursor<'_> {
    /// A stamp as text: RFC 3339 with up to nine decimal places.
    #[inline]
    pub fn stamp_rfc3339(&mut self) -> Result<UnixNanos, WireError> {
        let text = self.string()?;
        parse(text).ok_or_else(|| self.refuse(text, STAMP))
    }
}

/// `YYYY-MM-DDThh:mm:ss[.fraction](Z|+hh:mm|-hh:mm)`; `None` for anything else.
pub(super) fn parse(text: &[u8]) -> Option<UnixNanos> {
    let (date, rest) = text.split_first_chunk::<19>()?;
    let [y0, y1, y2, y3, b'-', mo0, mo1, b'-', d0, d1, b'T' | b't', h0, h1, b':', mi0, mi1, b':', s0, s1] = *date
    else {
        return None;
    };
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    let midnight = UnixNanos::from_civil(year as i32, two(mo0, mo1)?, two(d0, d1)?)?;
    let clock = clock(two(h0, h1)?, two(mi0, mi1)?)? + u64::from(below(two(s0, s1)?, 60)?) * SECOND;
    let (fraction, zone) = match rest {
        [b'.', rest @ ..] => {
            let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (digits, zone) = rest.split_at(len);
            (nanos(digits)?, zone)
        }
        _ => (0, rest),
    };
    let local = midnight.get().checked_add(clock + fraction)?;
    let utc = match *zone {
        [b'Z' | b'z'] => local,
        [b'+', h0, h1, b':', m0, m1] => local.checked_sub(self::clock(two(h0, h1)?, two(m0, m1)?)?)?,
        [b'-', h0, h1, b':', m0, m1] => local.checked_add(self::clock(two(h0, h1)?, two(m0, m1)?)?)?,
        _ => return None,
    };
    Some(UnixNanos::new(utc))
}

fn two(tens: u8, ones: u8) -> Option<u32> {
    let digit = |byte: u8| below(u32::from(byte.wrapping_sub(b'0')), 10);
    Some(digit(tens)? * 10 + digit(ones)?)
}

fn below(value: u32, limit: u32) -> Option<u32> {
    (value < limit).then_some(value)
}

fn clock(hours: u32, minutes: u32) -> Option<u64> {
    Some(u64::from(below(hours, 24)?) * HOUR + u64::from(below(minutes, 60)?) * MINUTE)
}

fn nanos(digits: &[u8]) -> Option<u64> {
    let (kept, past) = digits.split_at(digits.len().min(9));
    if kept.is_empty() || past.iter().any(|digit| *digit != b'0') {
        return None;
    }
    let value = kept.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    Some((kept.len()..9).fold(value, |value, _| value * 10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // Seconds by GNU date: `date -ud TEXT +%s`.
    #[test]
    fn dates_are_those_of_gnu_date() {
        for (text, nanos) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2021-02-22T15:51:44.208Z", 1_614_009_104_208_000_000),
            ("2024-02-29T23:59:59.999999999Z", 1_709_251_199_999_999_999),
            ("2022-04-26T00:00:00.1234567890000Z", 1_650_931_200_123_456_789),
            ("2021-02-22T10:51:44-05:00", 1_614_009_104_000_000_000),
            ("2021-02-22t21:21:44+05:30", 1_614_009_104_000_000_000),
            ("2100-03-01T00:00:00z", 4_107_542_400_000_000_000),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(UnixNanos::new(nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_no_stamp_is_refused() {
        for text in [
            "",
            "2021-02-22",
            "2021-02-22T15:51:44",
            "2021-02-22 15:51:44Z",
            "2021-02-30T15:51:44Z",
            "2021-13-01T15:51:44Z",
            "2021-02-22T24:00:00Z",
            "2021-02-22T15:60:44Z",
            "2016-12-31T23:59:60Z",
            "2021-02-22T15:51:44.Z",
            "2021-02-22T15:51:44.1234567891Z",
            "2021-02-22T15:51:44.5Zulu",
            "2021-02-22T15:51:44+0530",
            "2021-02-22T15:51:44+24:00",
            "2O21-02-22T15:51:44Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "2553-12-31T23:59:59.999999999-23:59 ",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_a_stamp_prints_is_read_back(nanos in 0..=18_429_292_799_999_999_999u64) {
            let stamp = UnixNanos::new(nanos);
            prop_assert_eq!(parse(stamp.to_string().as_bytes()), Some(stamp));
        }

        #[test]
        fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            parse(&bytes);
        }
    }
}
