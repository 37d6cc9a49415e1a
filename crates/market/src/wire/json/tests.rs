//! The scanner against serde_json and against the edges of RFC 8259.

use proptest::prelude::*;
use serde::de::IgnoredAny;
use starling_core::UnixNanos;

use super::{Cursor, DEPTH_MAX, FRAME_BYTES_MAX};
use crate::wire::{WireError, WireErrorKind};

fn check(text: &[u8]) -> Result<(), WireError> {
    let mut cursor = Cursor::new(text)?;
    cursor.skip()?;
    cursor.finish()
}

fn serde_accepts(text: &[u8]) -> bool {
    // IgnoredAny does not look into skipped strings for UTF-8; JSON text is UTF-8 as a whole.
    std::str::from_utf8(text).is_ok() && serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

#[test]
fn accepts_what_is_json() {
    for text in [
        "0",
        "-0",
        "10.50e+3",
        "1E5",
        "\"\"",
        "true",
        "false",
        "null",
        "[]",
        "{}",
        " [ 1 , \"a\" , { } ] ",
        "{\"a\":{\"b\":[[[]]]},\"a\":1}",
        "\t\r\n 1 \t\r\n",
        r#""\"\\\/\b\f\n\r\té\ud83d\ude00""#,
        "\"é€😀\u{7f}\"",
        "\"0123456789abcdef\\n0123456789\"",
        "\"0123456é89abcdef\"",
    ] {
        assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        assert!(serde_accepts(text.as_bytes()), "{text}");
    }
}

#[test]
fn refuses_what_is_not_json() {
    for text in [
        "",
        " ",
        "01",
        "-",
        "+1",
        ".5",
        "5.",
        "1e",
        "1e+",
        "0x10",
        "NaN",
        "tru",
        "nul",
        "True",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{1:1}",
        "{\"a\" 1}",
        "[",
        "{",
        "]",
        "\"",
        "\"abc",
        "\"a\nb\"",
        "\"\u{1f}\"",
        r#""\x""#,
        r#""\u12g4""#,
        r#""\u12"#,
        r#""\ud83d""#,
        r#""\ude00""#,
        r#""\ud83dA""#,
        "1 2",
        "[] []",
        "{}x",
        "\u{feff}1",
        "/**/1",
        "\"\\\"",
    ] {
        assert!(check(text.as_bytes()).is_err(), "{text}");
    }
    for bytes in [&b"\"\xff\""[..], b"\"abcdefgh\xc3\"", b"\"\xed\xa0\x80\"", b"\"\xc0\xaf1234567\"", b"\0", b"\xa01"] {
        assert!(check(bytes).is_err(), "{bytes:?}");
        assert!(!serde_accepts(bytes), "{bytes:?}");
    }
}

#[test]
fn control_characters_are_found_wherever_they_stand() {
    for byte in 0..0x20 {
        for at in 0..20 {
            let mut text = b"\"abcdefghijklmnopqrst\"         ".to_vec();
            text[1 + at] = byte;
            let error = check(&text).unwrap_err();
            assert_eq!((error.offset, error.kind), (1 + at, WireErrorKind::ControlCharacter(byte)));
        }
    }
    assert_eq!(check(b"\"abcdefghijkl \x7f!#[]^\"         "), Ok(()));
}

#[test]
fn errors_name_the_place_and_the_find() {
    let cases: [(&[u8], usize, &str); 7] = [
        (b"[1,]", 3, "byte 3: expected a value, found `]`"),
        (b"{\"a\"", 4, "byte 4: expected `:`, found the end of the frame"),
        (b"[1\x01]", 2, "byte 2: expected `,` or `]`, found the byte 0x01"),
        (b"\"ab\x02\"", 3, "byte 3: the control character 0x02 stands unescaped in a string"),
        (b"\"ab\\x\"", 3, "byte 3: not an escape of JSON: "),
        (b"[\"\xff\"]", 2, "byte 2: the string that starts here is not UTF-8"),
        (b"{} {}", 3, "byte 3: expected the end of the frame, found `{`"),
    ];
    for (text, offset, words) in cases {
        let error = check(text).unwrap_err();
        assert_eq!(error.offset, offset);
        assert!(error.to_string().starts_with(words), "{error}");
    }
}

#[test]
fn depth_and_size_have_limits() {
    let nested = |depth: u32| [vec![b'['; depth as usize], vec![b']'; depth as usize]].concat();
    assert_eq!(check(&nested(DEPTH_MAX)), Ok(()));
    assert_eq!(check(&nested(DEPTH_MAX + 1)).unwrap_err().kind, WireErrorKind::TooDeep);
    // Depth is how deep, not how many.
    let flat = ["[", &vec!["[{}]"; 100].join(","), "]"].concat();
    assert_eq!(check(flat.as_bytes()), Ok(()));
    let large = vec![b' '; FRAME_BYTES_MAX + 1];
    assert_eq!(check(&large).unwrap_err().kind, WireErrorKind::FrameTooLong(FRAME_BYTES_MAX + 1));
}

fn price(text: &str) -> Result<String, WireError> {
    let mut cursor = Cursor::new(text.as_bytes())?;
    let price = cursor.price()?;
    cursor.finish()?;
    Ok(price.to_string())
}

#[test]
fn decimals_are_exact_with_and_without_quotes() {
    for (text, value) in [
        ("\"61837.63000000\"", "61837.63"),
        ("61837.63", "61837.63"),
        ("-0.5", "-0.5"),
        ("1e-8", "0.00000001"),
        ("\"1E3\"", "1000"),
        ("\"0.000000001\"", "0.000000001"),
        ("\"0.00000000100000\"", "0.000000001"),
        ("\"123456789.123456789\"", "123456789.123456789"),
        ("\"9223372036.854775807\"", "9223372036.854775807"),
    ] {
        assert_eq!(price(text).unwrap(), value, "{text}");
    }
    let refused = |text: &str| price(text).unwrap_err().to_string();
    assert_eq!(
        refused("\"0.0000000001\""),
        "byte 1: `0.0000000001` has more than 9 decimal places; round it first, or declare a scale for the column"
    );
    assert_eq!(refused("9223372036.854775808"), "byte 0: `9223372036.854775808` is outside the range of a price");
    assert_eq!(refused("\"\""), "byte 1: `` is not a decimal number");
    assert_eq!(refused("\"1,5\""), "byte 1: `1,5` is not a decimal number");
    // The grammar of bare numbers is stricter than what a string may hold.
    assert_eq!(refused("01"), "byte 1: expected the end of the frame, found `1`");
    assert_eq!(price("\"01.5\"").unwrap(), "1.5");
    assert_eq!(refused("null"), "byte 0: expected a value, found `n`");
}

#[test]
fn whole_numbers_and_stamps_refuse_what_does_not_fit() {
    let cursor = |text: &'static str| Cursor::new(text.as_bytes()).unwrap();
    assert_eq!(cursor("18446744073709551615").u64().unwrap(), u64::MAX);
    assert_eq!(cursor("\"7\"").u64().unwrap(), 7);
    assert_eq!(cursor("-9223372036854775808").i64().unwrap(), i64::MIN);
    assert_eq!(cursor("\"-1\"").i64().unwrap(), -1);
    for text in ["18446744073709551616", "-1", "1.0", "1e3", "\"\"", "\"+1\"", "\" 1\"", "true"] {
        assert!(cursor(text).u64().is_err(), "{text}");
    }
    for text in ["9223372036854775808", "-9223372036854775809", "\"-\"", "\"--1\""] {
        assert!(cursor(text).i64().is_err(), "{text}");
    }
    let ns = UnixNanos::new(1_723_161_255_343_000_000);
    assert_eq!(cursor("1723161255343").stamp_ms().unwrap(), ns);
    assert_eq!(cursor("\"1723161255343000\"").stamp_us().unwrap(), ns);
    assert_eq!(cursor("1723161255343000000").stamp_ns().unwrap(), ns);
    assert_eq!(cursor("1723161255.343").stamp_seconds().unwrap(), ns);
    assert!(cursor("18446744073710").stamp_ms().is_err(), "past the year 2554");
    assert!(cursor("-1.5").stamp_seconds().is_err());
    assert!(cursor("true").bool().unwrap() && !cursor(" false").bool().unwrap());
    assert!(cursor("\"true\"").bool().is_err() && cursor("trux").bool().is_err());
}

#[test]
fn ids_are_numbers_or_digests() {
    let id = |text: &str| Cursor::new(text.as_bytes()).unwrap().id().unwrap();
    assert_eq!((id("17"), id("\"17\"")), (17, 17));
    // The test vectors of draft-eastlake-fnv.
    assert_eq!(
        (id("\"\""), id("\"a\""), id("\"foobar\"")),
        (0xCBF29CE484222325, 0xAF63DC4C8601EC8C, 0x85944171F73967E8)
    );
}

#[test]
fn fields_come_in_any_order_and_the_last_of_a_name_counts() {
    let mut cursor = Cursor::new(br#"{"z":{"a":9},"b":"x","a":1,"c":null,"a":2}"#).unwrap();
    let [a, b, c, d] = cursor.fields(["a", "b", "c", "d"]).unwrap();
    cursor.finish().unwrap();
    assert_eq!(a.need().unwrap().u64().unwrap(), 2);
    assert_eq!(b.need().unwrap().string().unwrap(), b"x");
    assert!(c.get().is_none() && !d.is_present());
    assert_eq!(d.need().unwrap_err().to_string(), "byte 0: the object that starts here has no field `d`");
}

#[test]
fn levels_take_the_first_two_of_each_row() {
    let mut levels = Vec::new();
    let mut cursor = Cursor::new(br#"[["1.5","2"], [3,4,"0",{"n":1}]]"#).unwrap();
    let span = cursor.levels(&mut levels).unwrap();
    assert_eq!((span.start, span.len), (0, 2));
    let told: Vec<_> = levels.iter().map(|l| (l.price.to_string(), l.size.to_string())).collect();
    assert_eq!(told, [("1.5".into(), "2".into()), ("3".into(), "4".into())]);
    for text in ["[[]]", "[[\"1\"]]", "[1]", "[[1,2]", "[[1 2]]"] {
        assert!(Cursor::new(text.as_bytes()).unwrap().levels(&mut levels).is_err(), "{text}");
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e12..1e12f64).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_serde_json_writes_is_accepted(value in json()) {
        prop_assert_eq!(check(&serde_json::to_vec(&value).unwrap()), Ok(()));
        prop_assert_eq!(check(&serde_json::to_vec_pretty(&value).unwrap()), Ok(()));
    }

    // One byte of a good text replaced, taken out, or the text cut: both readers say the same of what is left.
    #[test]
    fn damage_is_judged_as_serde_json_judges_it(value in json(), at in any::<prop::sample::Index>(), with in any::<u8>(), how in 0..3) {
        let mut text = serde_json::to_vec(&value).unwrap();
        let at = at.index(text.len());
        match how {
            0 => text[at] = with,
            1 => drop(text.remove(at)),
            _ => text.truncate(at),
        }
        // serde_json does not pair surrogates in what it skips.
        prop_assume!(!text.windows(2).any(|pair| pair == b"\\u"));
        prop_assert_eq!(check(&text).is_ok(), serde_accepts(&text), "{}", String::from_utf8_lossy(&text));
    }
}
