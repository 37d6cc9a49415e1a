//! How numbers are written: grouped digits, per cent, amounts, durations.
//!
//! Invariant: the same value is written the same way everywhere in a report, and nothing is ever written as "-0".

use starling_lab::tearsheet::{Statistic, Unit};

/// What stands where a number is not defined.
pub(crate) const UNDEFINED: &str = "n/a";

/// `1,234.50`
pub(crate) fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::with_capacity(text.len() + text.len() / 3 + 1);
    if value < 0.0 && text.bytes().any(|b| matches!(b, b'1'..=b'9')) {
        out.push('-');
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

/// `1,234`
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 trade`, `2 trades`
pub(crate) fn counted(value: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(value), if value == 1 { "" } else { "s" })
}

/// A fraction as `12.3 %`.
pub(crate) fn percent(fraction: f64, decimals: usize) -> String {
    format!("{} %", grouped(fraction * 100.0, decimals))
}

/// With a plus where it is positive.
pub(crate) fn signed(text: String) -> String {
    let zero = !text.bytes().any(|b| matches!(b, b'1'..=b'9'));
    if text.starts_with('-') || zero { text } else { format!("+{text}") }
}

/// An amount of money or a price: two digits after the point, more when it is below one.
pub(crate) fn amount(value: f64) -> String {
    let size = value.abs();
    if !(1e-9..1.0).contains(&size) {
        return grouped(value, 2);
    }
    // Below one, three significant digits, and at least the two that cents need.
    let leading = (-size.log10().floor()) as usize;
    let text = grouped(value, (leading + 2).clamp(2, 9));
    let zeros = text.len() - text.trim_end_matches('0').len();
    let beyond_cents = text.len() - (text.find('.').unwrap_or(0) + 3);
    text[..text.len() - zeros.min(beyond_cents)].to_owned()
}

/// A measured figure: three significant digits, all of a whole number.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || (value.fract() == 0.0 && size < 1e15) => grouped(value, 0),
        size if size >= 10.0 => grouped(value, 1),
        size if size >= 1.0 => grouped(value, 2),
        size if size < 1e-9 => format!("{value:.2e}"),
        size => grouped(value, ((-size.log10().floor()) as usize + 2).clamp(3, 12)),
    }
}

/// A statistic in its unit.
pub(crate) fn statistic(kind: &Statistic, value: Option<f64>, currency: &str) -> String {
    let Some(value) = value else { return UNDEFINED.to_owned() };
    match kind.unit {
        Unit::Percent => percent(value, kind.decimals),
        Unit::Money => format!("{} {currency}", grouped(value, kind.decimals)),
        Unit::Days => format!("{} days", grouped(value, kind.decimals)),
        Unit::Ratio | Unit::Count => grouped(value, kind.decimals),
    }
}

/// A wall time: `850 ns`, `1.50 ms`, `12.00 s`, `2 min 5 s`.
pub(crate) fn duration(nanos: u64) -> String {
    let n = nanos as f64;
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{:.2} us", n / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", n / 1e6),
        1_000_000_000..60_000_000_000 => format!("{:.2} s", n / 1e9),
        _ => format!("{} min {} s", count(nanos / 60_000_000_000), nanos / 1_000_000_000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_read_as_a_person_writes_them() {
        assert_eq!(grouped(-1_234_567.891, 2), "-1,234,567.89");
        assert_eq!(grouped(-0.001, 2), "0.00");
        assert_eq!(grouped(999.0, 0), "999");
        assert_eq!(percent(1.234, 1), "123.4 %");
        assert_eq!(signed(percent(0.05, 1)), "+5.0 %");
        assert_eq!(signed(percent(0.00001, 1)), "0.0 %");
        assert_eq!(amount(0.001234), "0.00123");
        assert_eq!(amount(-0.9), "-0.90");
        assert_eq!(amount(0.315), "0.315");
        assert_eq!(amount(0.999_99), "1.00");
        assert_eq!(amount(1234.5), "1,234.50");
        let figures = [12_345.6, 123.4, 12.34, 1.234, 0.1234, 0.000_123_4, 5.0, 0.0, -2.5].map(figure);
        assert_eq!(figures, ["12,346", "123", "12.3", "1.23", "0.123", "0.000123", "5", "0", "-2.50"]);
        assert_eq!(duration(125_000_000_000), "2 min 5 s");
        assert_eq!(counted(1, "fill"), "1 fill");
        assert_eq!(counted(1_200, "fill"), "1,200 fills");
    }

    proptest! {
        #[test]
        fn grouping_only_adds_commas(value in -1e15f64..1e15, whole in any::<u64>()) {
            prop_assert_eq!(grouped(value, 3).replace(',', "").parse::<f64>().unwrap(), format!("{value:.3}").parse::<f64>().unwrap());
            prop_assert_eq!(count(whole).replace(',', "").parse::<u64>().unwrap(), whole);
        }
    }
}
