use proptest::prelude::*;

use super::*;

#[test]
fn decimals_parse_as_python_decimal_does() {
    for (text, units) in [
        ("0", 0),
        ("-0", 0),
        ("1", 1_000_000_000),
        ("+1.5", 1_500_000_000),
        (".5", 500_000_000),
        ("7.", 7_000_000_000),
        ("46319.01", 46_319_010_000_000),
        ("-0.000000001", -1),
        ("1e-05", 10_000),
        ("1.25E2", 125_000_000_000),
        ("2300413.729500000000", 2_300_413_729_500_000),
        ("9223372036.854775807", i64::MAX),
    ] {
        assert_eq!(text.parse::<Price>().map(Price::units), Ok(units), "{text}");
    }
}

#[test]
fn what_is_no_decimal_is_named() {
    for text in ["", "-", ".", "1.2.3", "0x10", "nan", "inf", "1 ", "1e", "1e1.5", "１"] {
        assert!(matches!(text.parse::<Price>(), Err(FixedError::Malformed { .. })), "{text}");
    }
    assert!(matches!("0.1234567891".parse::<Price>(), Err(FixedError::TooPrecise { .. })));
    assert!(matches!("9223372036.854775808".parse::<Price>(), Err(FixedError::OutOfRange { .. })));
    assert!(matches!("1e400".parse::<Money>(), Err(FixedError::OutOfRange { .. })));
}

#[test]
fn display_is_the_shortest_exact_decimal() {
    assert_eq!(Price::from_units(1_500_000_000).to_string(), "1.5");
    assert_eq!(Price::from_units(-1).to_string(), "-0.000000001");
    assert_eq!(format!("{:.2}", Price::from_int(3)), "3.00");
    assert_eq!(Money::from_units(996_754_880_000_000).to_string_fixed(2), "996754.88");
    assert_eq!(Money::from_units(1_005_000_000).to_string_fixed(2), "1.01", "half away from zero");
    assert_eq!(Money::from_units(-1_005_000_000).to_string_fixed(2), "-1.01");
    assert_eq!(Money::from_units(1_499_999_999).to_string_fixed(0), "1");
}

#[test]
fn rounding_modes_differ_where_they_should() {
    let all = |n: i128| {
        [Rounding::HalfAwayFromZero, Rounding::HalfEven, Rounding::TowardZero, Rounding::Floor, Rounding::Ceil]
            .map(|r| div_round(n, 2, r))
    };
    assert_eq!(all(5), [3, 2, 2, 2, 3]);
    assert_eq!(all(-5), [-3, -2, -2, -3, -2]);
    assert_eq!(all(4), [2; 5]);
}

#[test]
fn floats_come_back_only_by_the_checked_door() {
    let tick = "0.01".parse().unwrap();
    assert_eq!(Price::from_f64(0.1 + 0.2, tick, Rounding::Floor), "0.30".parse().ok());
    assert_eq!(Price::from_f64(1.019, tick, Rounding::Floor), "1.01".parse().ok());
    assert_eq!(Qty::from_f64(f64::NAN, Qty::ZERO, Rounding::Floor), None);
    assert_eq!(Qty::from_f64(1e10, Qty::ZERO, Rounding::Floor), None);
}

#[test]
fn people_read_decimals_and_machines_units() {
    let price: Price = "1.25".parse().unwrap();
    assert_eq!(serde_json::to_string(&price).unwrap(), "\"1.25\"");
    assert_eq!(serde_json::from_str::<Price>("\"1.25\"").unwrap(), price);
    let bytes = postcard::to_allocvec(&price).unwrap();
    assert_eq!(postcard::from_bytes::<Price>(&bytes).unwrap(), price);
}

proptest! {
    #[test]
    fn text_and_units_are_inverse(units in any::<i64>()) {
        let price = Price::from_units(units);
        prop_assert_eq!(price.to_string().parse::<Price>(), Ok(price));
    }

    #[test]
    fn the_quick_parser_agrees_with_the_general_one(text in "-?[0-9]{0,9}\\.?[0-9]{0,9}") {
        let quick = parse_i64_units(text.as_bytes(), "Price").ok().map(i128::from);
        prop_assert_eq!(quick, parse_units(text.as_bytes()).ok().filter(|u| i64::try_from(*u).is_ok()));
    }

    #[test]
    fn the_quick_parser_refuses_what_the_general_one_refuses(text in "-?[0-9.,:/eE+ \\x2f\\x3aA\u{b0}]{0,18}") {
        prop_assert_eq!(parse_short(text.as_bytes()).is_some_and(|_| parse_units(text.as_bytes()).is_err()), false);
        if let (Some(quick), Ok(units)) = (parse_short(text.as_bytes()), parse_units(text.as_bytes())) {
            prop_assert_eq!(i128::from(quick), units);
        }
    }

    #[test]
    fn mul_div_agrees_with_narrow_arithmetic(a in any::<i64>(), b in any::<i64>(), d in 1..i64::MAX) {
        let want = div_round(i128::from(a) * i128::from(b), d.into(), Rounding::HalfEven);
        prop_assert_eq!(mul_div(a.into(), b.into(), d.into(), Rounding::HalfEven), Some(want));
    }

    #[test]
    fn wide_mul_div_undoes_itself(a in any::<i128>(), b in 1..i128::MAX) {
        prop_assume!(a != i128::MIN);
        prop_assert_eq!(mul_div(a, b, b, Rounding::HalfAwayFromZero), Some(a));
    }

    #[test]
    fn wide_rounding_brackets_the_quotient(a in 1i128.., b in 1i128.., d in (1i128 << 100)..) {
        let floor = mul_div(a, b, d, Rounding::Floor);
        let ceil = mul_div(a, b, d, Rounding::Ceil);
        if let (Some(floor), Some(ceil)) = (floor, ceil) {
            prop_assert!(ceil - floor <= 1 && ceil >= floor);
            prop_assert_eq!(mul_div(-a, b, d, Rounding::Floor), Some(-ceil));
            let near = mul_div(a, b, d, Rounding::HalfEven).unwrap();
            prop_assert!(near == floor || near == ceil);
        }
    }

    #[test]
    fn rounding_to_a_step_lands_on_it(units in -1_000_000_000_000i64..1_000_000_000_000, step in 1i64..1_000_000) {
        let step = Price::from_units(step);
        let price = Price::from_units(units);
        for r in [Rounding::Floor, Rounding::Ceil, Rounding::HalfEven] {
            let rounded = price.round_to(step, r);
            prop_assert!(rounded.is_multiple_of(step));
            prop_assert!((rounded.units() - units).abs() < step.units());
        }
    }
}
