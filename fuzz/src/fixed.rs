//! Decimal numbers: what is read is what the standard library reads as a float, to the float's precision; the short path
//! and the careful one agree; and a number that is written reads as itself.

use starling_core::fixed::{FixedError, Money, Price, parse_i64_units, parse_short, parse_units};

pub fn judge(input: &[u8]) {
    let float: Option<f64> = std::str::from_utf8(input).ok().and_then(|text| text.parse().ok());
    let careful = parse_units(input);
    if let Some(short) = parse_short(input) {
        assert_eq!(careful, Ok(i128::from(short)));
    }
    match (parse_i64_units(input, "Price"), &careful) {
        (Ok(units), careful) => {
            assert_eq!(careful, &Ok(i128::from(units)));
            let written = Price::from_units(units).to_string();
            assert_eq!(parse_i64_units(written.as_bytes(), "Price"), Ok(units), "{written}");
        }
        (Err(FixedError::OutOfRange { .. }), Ok(units)) => assert!(i64::try_from(*units).is_err()),
        (Err(fault), careful) => assert_eq!(Err(&fault), careful.as_ref()),
    }
    match careful {
        Ok(units) => {
            let float = float.expect("a decimal is a float to the standard library");
            let error = (units as f64 / 1e9 - float).abs();
            assert!(error <= float.abs() * 1e-12, "{units} units are not {float}");
            assert_eq!(parse_units(Money::from_units(units).to_string().as_bytes()), Ok(units));
        }
        Err(FixedError::Malformed { .. }) => {
            // Words for no number, and exponents of ten digits, are none of ours.
            let plain = input.iter().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte));
            assert!(float.is_none() || !plain || input.len() > 10 && input.contains(&b'e') | input.contains(&b'E'));
        }
        Err(FixedError::TooPrecise { .. }) => assert!(float.is_some()),
        // Too many digits end the reading before what stands behind them is looked at.
        Err(_) => {}
    }
}
