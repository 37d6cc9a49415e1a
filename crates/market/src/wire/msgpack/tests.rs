//! The forms of the specification, each read and each cut short; decimals against their text; arbitrary bytes.

use proptest::prelude::*;

use super::*;

fn units(bytes: &[u8]) -> Result<i64, WireError> {
    let mut cursor = Pack::new(bytes)?;
    let units = cursor.units("price")?;
    cursor.finish().map(|()| units)
}

fn double(value: f64) -> Vec<u8> {
    [&[0xCB][..], &value.to_be_bytes()].concat()
}

// The examples are the specification's own layouts, one of each first byte.
#[test]
fn every_form_is_skipped_to_its_end_and_no_further() {
    let forms: &[&[u8]] = &[
        &[0x7F],
        &[0xE0],
        &[0x81, 0xA1, b'a', 0x01],
        &[0x92, 0xC0, 0xC2],
        &[0xA3, b'a', b'b', b'c'],
        &[0xC3],
        &[0xC4, 2, 0xFF, 0xFE],
        &[0xC5, 0, 1, 9],
        &[0xC6, 0, 0, 0, 1, 9],
        &[0xC7, 3, 5, 1, 2, 3],
        &[0xC8, 0, 1, 5, 1],
        &[0xC9, 0, 0, 0, 1, 5, 1],
        &[0xCA, 0x3F, 0x80, 0, 0],
        &[0xCB, 0x3F, 0xF0, 0, 0, 0, 0, 0, 0],
        &[0xCC, 0xFF],
        &[0xCD, 0xFF, 0xFF],
        &[0xCE, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0xCF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0xD0, 0x80],
        &[0xD1, 0x80, 0],
        &[0xD2, 0x80, 0, 0, 0],
        &[0xD3, 0x80, 0, 0, 0, 0, 0, 0, 0],
        &[0xD4, 5, 1],
        &[0xD5, 5, 1, 2],
        &[0xD6, 5, 1, 2, 3, 4],
        &[0xD7, 5, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xD8, 5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
        &[0xD9, 1, b'a'],
        &[0xDA, 0, 1, b'a'],
        &[0xDB, 0, 0, 0, 1, b'a'],
        &[0xDC, 0, 1, 0x01],
        &[0xDD, 0, 0, 0, 1, 0x01],
        &[0xDE, 0, 1, 0xA1, b'a', 0x01],
        &[0xDF, 0, 0, 0, 1, 0xA1, b'a', 0x01],
    ];
    for form in forms {
        let skip = |bytes| {
            let mut cursor = Pack::new(bytes)?;
            cursor.skip()?;
            cursor.finish()
        };
        assert_eq!(skip(form), Ok(()), "{form:02x?}");
        for len in 0..form.len() {
            assert!(skip(&form[..len]).is_err(), "{form:02x?} cut to {len}");
        }
        let longer = [form, &[0xC0][..]].concat();
        assert_eq!(skip(&longer).unwrap_err().offset, form.len());
    }
}

#[test]
fn what_is_no_messagepack_is_refused() {
    for (bytes, why) in [
        (&[0xC1][..], "byte 0: expected a value, found the byte 0xc1"),
        (&[0xA2, 0xC3, 0x28], "byte 1: the string that starts here is not UTF-8"),
        (&[0x81, 0x01, 0x02], "byte 1: expected a text, found the byte 0x01"),
        (&[0xDD, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], "byte 6: expected a value, found the end of the frame"),
        (&[0xDB, 0xFF, 0xFF, 0xFF, 0xFF, b'a'], "byte 6: expected the rest of a value, found the end of the frame"),
    ] {
        assert_eq!(Pack::new(bytes).unwrap().skip().unwrap_err().to_string(), why);
    }
    let deep = |depth: u32| Pack::new(&vec![0x91; depth as usize]).unwrap().skip().unwrap_err().kind;
    assert_eq!(deep(DEPTH_MAX + 1), WireErrorKind::TooDeep);
    assert_ne!(deep(DEPTH_MAX), WireErrorKind::TooDeep);
    let long = vec![0xC0; FRAME_BYTES_MAX + 1];
    assert_eq!(Pack::new(&long).unwrap_err().kind, WireErrorKind::FrameTooLong(FRAME_BYTES_MAX + 1));
}

// The bytes are PyPI msgpack's of `msgpack.Timestamp(seconds, nanos)`.
#[test]
fn stamps_in_all_their_lengths() {
    for (bytes, text) in [
        (&b"\xd6\xff\x60\x33\xd3\x10"[..], "2021-02-22T15:51:44Z"),
        (b"\xd7\xff\x31\x97\x50\x00\x60\x33\xd3\x10", "2021-02-22T15:51:44.208Z"),
        (b"\xd7\xff\xee\x6b\x27\xfc\x60\x33\xd3\x10", "2021-02-22T15:51:44.999999999Z"),
        (b"\xc7\x0c\xff\x00\x00\x00\x07\x00\x00\x00\x04\x00\x00\x00\x00", "2514-05-30T01:53:04.000000007Z"),
    ] {
        let stamp = Pack::new(bytes).unwrap().stamp().unwrap();
        assert_eq!(stamp.to_string(), text);
        let written = [&[0xA0 | text.len() as u8][..], text.as_bytes()].concat();
        assert_eq!(Pack::new(&written).unwrap().stamp(), Ok(stamp));
    }
    for bytes in [
        // A thousand million nanoseconds; before 1970; after 2554; five bytes; another type.
        &b"\xd7\xff\xee\x6b\x28\x00\x60\x33\xd3\x10"[..],
        b"\xc7\x0c\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xc7\x0c\xff\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00",
        b"\xc7\x05\xff\x00\x00\x00\x00\x00",
        b"\xd6\x01\x60\x33\xd3\x10",
        b"\xce\x60\x33\xd3\x10",
    ] {
        assert!(Pack::new(bytes).unwrap().stamp().is_err(), "{bytes:02x?}");
    }
}

#[test]
fn floats_mean_their_shortest_decimal() {
    for (value, told) in [
        (126.55, Ok(126_550_000_000)),
        (0.1 + 0.2, Err("`0.30000000000000004` has more than 9 decimal places")),
        (-0.000_000_001, Ok(-1)),
        (1e-10, Err("has more than 9 decimal places")),
        (9_007_199.254_740_993, Ok(9_007_199_254_740_993)),
        (1_234_567.123_456_789, Ok(1_234_567_123_456_789)),
        (9_223_372_036.0, Ok(9_223_372_036_000_000_000)),
        (9_223_372_037.0, Err("outside the range of a price")),
        (1e300, Err("outside the range of a price")),
        (1e-300, Err("has more than 9 decimal places")),
        (f64::NAN, Err("not a decimal number")),
        (f64::NEG_INFINITY, Err("not a decimal number")),
        (-0.0, Ok(0)),
    ] {
        match (units(&double(value)), told) {
            (Ok(units), Ok(told)) => assert_eq!(units, told, "{value}"),
            (Err(error), Err(told)) => assert!(error.to_string().contains(told), "{value}: {error}"),
            (got, told) => panic!("{value}: {got:?}, not {told:?}"),
        }
    }
    // A single means its own shortest decimal, not that of the double it is.
    let single = |value: f32| units(&[&[0xCA][..], &value.to_be_bytes()].concat());
    assert_eq!(single(126.55), Ok(126_550_000_000));
    assert!(units(&double(f64::from(126.55f32))).is_err());
    assert_eq!(units(b"\xa5-1.25"), Ok(-1_250_000_000));
    assert_eq!(units(b"\xd0\xff"), Ok(-1_000_000_000));
    assert!(units(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
    assert_eq!(
        Pack::new(b"\xa2+5").unwrap().u64().unwrap_err().to_string(),
        "byte 0: `+5` is not a whole number below 2^64"
    );
}

proptest! {
    #[test]
    fn a_double_reads_as_its_text_does(whole in -20_000_000i64..20_000_000, fraction in 0i64..1_000_000_000, places in 0u32..10) {
        let fraction = fraction / 10i64.pow(9 - places) * 10i64.pow(9 - places);
        let value: f64 = format!("{whole}.{fraction:09}").parse().unwrap();
        let by_text = parse_i64_units(value.to_string().as_bytes(), "price").map_err(|e| WireError::new(0, e.into()));
        prop_assert_eq!(units(&double(value)), by_text);
    }

    #[test]
    fn any_double_reads_as_its_text_does(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        let by_text = value.is_finite().then(|| parse_i64_units(value.to_string().as_bytes(), "price").ok()).flatten();
        prop_assert_eq!(units(&double(value)).ok(), by_text);
    }

    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let cursor = Pack::new(&bytes).unwrap();
        let _ = { cursor }.skip();
        let _ = { cursor }.units("price");
        let _ = { cursor }.stamp();
        let _ = { cursor }.u64();
        let _ = { cursor }.text();
    }
}
