use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> String {
    match Expression::parse(text) {
        Ok(tree) => tree.to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn text_becomes_the_canonical_text() {
    for (text, canonical) in [
        (
            "adx(14) > 25 and ADX(14).plus_di > adx(14).minus_di and cmo( 14 )>20",
            "ADX(14) > 25 and ADX(14).plus_di > ADX(14).minus_di and CMO(14) > 20",
        ),
        ("plus_di(14)[2] > MINUS_DI(14)", "ADX(14).plus_di[2] > ADX(14).minus_di"),
        ("crosses_below(stochrsi(14,14,3,3).k, 80)", "crosses_below(STOCHRSI(14,14,3,3), 80)"),
        ("close > BB(20,2).upper or close[1]<-1.5e1", "close > BB(20,2).upper or close[1] < -15"),
        ("NOT (close > open) AND NOT high == low", "not close > open and not high == low"),
        ("close - (open - high) > close - open - high", "close - (open - high) > close - open - high"),
        ("-close * 2 / 3 < (close + 1) * 2", "-close * 2 / 3 < (close + 1) * 2"),
        ("(close > 1 or open > 1) and high > 1", "(close > 1 or open > 1) and high > 1"),
        ("bars_in_position >= 5 and position != 0", "bars_in_position >= 5 and position != 0"),
        ("close < entry_price * 0.95 or equity < 1000", "close < entry_price * 0.95 or equity < 1000"),
    ] {
        assert_eq!(parse(text), canonical);
        assert_eq!(parse(canonical), canonical);
    }
}

#[test]
fn faults_show_the_column_and_what_was_expected() {
    for (text, fault) in [
        ("", "column 1: expected a number, a feature or `(`, found the end"),
        ("close >", "column 8: expected a number, a feature or `(`, found the end"),
        ("close > > 3", "column 9: expected a number, a feature or `(`, found `>`"),
        ("close > 3 open", "column 11: expected an operator or the end, found `open`"),
        ("close + 3", "column 1: expected a condition, found the number `close + 3`; compare it with something"),
        ("close > 3 and open", "column 15: expected a condition, found the number `open`; compare it with something"),
        ("(close > 3) + 1 > 0", "column 1: expected a number, found the condition `close > 3`"),
        ("close > 3 and and open > 3", "column 15: expected a number, a feature or `(`, found `and`"),
        ("(close > 3", "column 11: expected `)`, found the end"),
        ("crosses_above(close 3)", "column 21: expected `,`, found `3`"),
        ("close[-1] > 3", "column 7: expected a number of bars ago, 0 to 4094"),
        ("1.2.3 > 1", "column 4: expected an operator or the end, found `.`"),
        ("3x > 1", "column 1: `3x` is no number"),
        ("1 < close < 3", "column 11: expected an operator or the end, found `<`"),
    ] {
        assert_eq!(parse(text), fault, "{text}");
    }
    assert!(parse("close > 1 or emma(10) > 3").starts_with("column 14: no feature is called `emma`"));
    assert!(parse(&format!("{}close > 1", "(".repeat(100))).contains("nested deeper than 64"));
    assert!(parse(&format!("close > {}", "-".repeat(3000) + "1")).contains("nested deeper than 64"));
    assert!(parse(&vec!["close > 1"; 129].join(" or ")).contains("more than 256 operators"));
    assert!(Expression::parse(&vec!["close > 1"; 128].join(" or ")).is_ok(), "255 operators, left to right");
    let right = |n: usize| format!("{}1{} > 0", "1 + (".repeat(n), ")".repeat(n));
    assert!(Expression::parse(&right(31)).is_ok());
    assert!(parse(&right(32)).contains("needs 33 values at once"));
    assert!(parse(&"x".repeat(5000)).contains("at most 4096 bytes"));
}

fn number() -> impl Strategy<Value = Expression> {
    let feature = (prop::sample::select(vec!["close", "EMA(10)", "BB(20,2).upper", "MACD(12,26,9).signal"]), 0u32..5)
        .prop_map(|(text, bars_ago)| Expression::Feature { spec: text.parse().unwrap(), bars_ago });
    let holding =
        prop::sample::select(vec![Holding::Position, Holding::EntryPrice, Holding::BarsInPosition, Holding::Equity]);
    let leaf =
        prop_oneof![(0.0..1e12_f64).prop_map(Expression::Number), feature, holding.prop_map(Expression::Holding),];
    leaf.prop_recursive(4, 16, 2, |inner| {
        let operator =
            prop::sample::select(vec![Operator::Add, Operator::Subtract, Operator::Multiply, Operator::Divide]);
        prop_oneof![
            inner.clone().prop_map(|e| Expression::Negative(Box::new(e))),
            (operator, inner.clone(), inner).prop_map(|(o, a, b)| Expression::Binary(o, Box::new(a), Box::new(b))),
        ]
    })
}

fn condition() -> impl Strategy<Value = Expression> {
    use Operator as O;
    let comparison = prop::sample::select(vec![O::Less, O::AtMost, O::Greater, O::AtLeast, O::Equal, O::Unequal]);
    let leaf = prop_oneof![
        (comparison, number(), number()).prop_map(|(o, a, b)| Expression::Binary(o, Box::new(a), Box::new(b))),
        (any::<bool>(), number(), number()).prop_map(|(above, what, level)| Expression::Crosses {
            above,
            what: Box::new(what),
            level: Box::new(level)
        }),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|e| Expression::Not(Box::new(e))),
            (prop::sample::select(vec![O::And, O::Or]), inner.clone(), inner).prop_map(|(o, a, b)| Expression::Binary(
                o,
                Box::new(a),
                Box::new(b)
            )),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same_tree(tree in condition()) {
        let text = tree.to_string();
        prop_assume!(text.len() <= TEXT_BYTES_MAX && !text.contains(&"(".repeat(DEPTH_MAX)));
        prop_assert_eq!(Expression::parse(&text), Ok(tree), "{}", text);
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = Expression::parse(&text);
    }

    #[test]
    fn no_mixture_of_words_panics(words in prop::collection::vec(prop::sample::select(vec![
        "and", "or", "not", "(", ")", "[", "]", "<", "<=", "==", "-", "+", "/", "1", "2.", "close", "EMA(10)", "BB(20,2)",
        ".upper", "crosses_above", "crosses_below(", ",", "position", "é", "1e", "[1]", "ema(", "bars_in_position",
    ]), 0..40)) {
        let _ = Expression::parse(&words.join(" "));
        let _ = Expression::parse(&words.concat());
    }
}
