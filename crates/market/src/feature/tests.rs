//! Text of specifications, sharing of states, history, snapshots, normalisers.

use proptest::prelude::*;

use super::normalise::{MinMaxScale, Normalisation, Normaliser, RobustScale};
use super::*;
use crate::indicator::{Ema, Indicator, Macd};

fn spec(text: &str) -> FeatureSpec {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn fault(text: &str) -> String {
    text.parse::<FeatureSpec>().unwrap_err().to_string()
}

fn bar(close: f64) -> Candle {
    Candle { open: close - 0.25, high: close + 1.0, low: close - 1.0, close, volume: 10.0 }
}

fn walk(length: u64) -> impl Iterator<Item = Candle> {
    (0..length).map(|i| bar(100.0 + (i * 37 % 101) as f64 / 7.0))
}

#[test]
fn canonical_text_is_stable_and_round_trips() {
    for (given, canonical) in [
        ("EMA(10)", "EMA(10)"),
        ("ema( 10 )", "EMA(10)"),
        ("EMA(10,seed=first)", "EMA(10)"),
        ("EMA(10,seed=sma)", "EMA(10,seed=sma)"),
        ("EMA(10, SMA)", "EMA(10,seed=sma)"),
        ("EMA(seed=sma,period=10,source=HL2)", "EMA(10,seed=sma,source=hl2)"),
        ("EMA(10,source=close)", "EMA(10)"),
        ("EMA", "EMA(20)"),
        ("RSI()", "RSI(14)"),
        ("RSI(14,cutler)", "RSI(14,method=cutler)"),
        ("RSI(14,wilder)", "RSI(14)"),
        ("MACD(12,26,9)", "MACD(12,26,9)"),
        ("MACD(12,26,9).line", "MACD(12,26,9)"),
        ("MACD(12,26,9).signal", "MACD(12,26,9).signal"),
        ("macd.Histogram", "MACD(12,26,9).histogram"),
        ("BB(20,2).upper", "BB(20,2).upper"),
        ("BB(20,2.50).lower", "BB(20,2.5).lower"),
        ("BB(width=1e-3,period=5).middle", "BB(5,0.001).middle"),
        ("ADX(14)", "ADX(14)"),
        ("ADX(14).plus_di", "ADX(14).plus_di"),
        ("STOCHRSI(14,14,3,3).k", "STOCHRSI(14,14,3,3)"),
        ("STOCHRSI(14,14,3,3).d", "STOCHRSI(14,14,3,3).d"),
        ("CMO(14)", "CMO(14)"),
        ("close", "close"),
        ("Volume", "volume"),
        ("ohlc4", "ohlc4"),
        ("OBV", "OBV"),
        ("OBV()", "OBV"),
    ] {
        let parsed = spec(given);
        assert_eq!(parsed.to_string(), canonical, "{given}");
        assert_eq!(spec(canonical), parsed);
        let json = serde_json::to_string(&parsed).unwrap();
        assert_eq!(json, format!("\"{canonical}\""));
        assert_eq!(serde_json::from_str::<FeatureSpec>(&json).unwrap(), parsed);
    }
}

#[test]
fn faults_name_the_argument_and_the_usage() {
    let usage = "EMA(period=20 [1..=100000], seed=first|sma, source=close)";
    assert_eq!(fault("EMA(0)"), format!("`EMA(0)`: out of range: `0`; use {usage}"));
    assert_eq!(fault("EMA(2.5)"), format!("`EMA(2.5)`: a whole number is needed, not `2.5`; use {usage}"));
    assert_eq!(fault("EMA(10,20)"), format!("`EMA(10,20)`: no parameter is left for `20`; use {usage}"));
    assert_eq!(fault("EMA(10,fast)"), format!("`EMA(10,fast)`: nothing here can be `fast`; use {usage}"));
    assert_eq!(fault("EMA(10,seed=ema)"), format!("`EMA(10,seed=ema)`: no such choice: `seed=ema`; use {usage}"));
    assert_eq!(fault("EMA(10,n=3)"), format!("`EMA(10,n=3)`: no such parameter in `n=3`; use {usage}"));
    assert_eq!(fault("EMA(10,period=9)"), format!("`EMA(10,period=9)`: given twice: `period=9`; use {usage}"));
    assert_eq!(fault("EMA(10).signal"), format!("`EMA(10).signal`: there is no such output; use {usage}"));
    assert!(fault("EMA(10,source=vwap)").contains("a source is close, open, high"));
    assert!(fault("ATR(14,source=open)").contains("takes no source"));
    assert!(fault("close(source=open)").contains("takes no source"));
    assert_eq!(
        fault("BB(20,2)"),
        "`BB(20,2)`: name one of its outputs; use \
         BB(period=20 [1..=100000], width=2 [> 0], source=close).upper|middle|lower"
    );
    assert!(fault("BB(20,0).upper").contains("out of range: `0`"));
    assert!(fault("BB(20,nan).upper").contains("out of range: `nan`"));
    assert!(fault("MACD(26,12,9)").contains("the fast period 26 must be below the slow period 12"));
    let unknown = fault("EMMA(10)");
    assert!(unknown.starts_with(&format!("no feature is called `EMMA` (did you mean {usage}?); known are close, ")));
    for definition in catalogue() {
        assert!(unknown.contains(definition.name));
    }
    assert!(!fault("qqqqqqq").contains("did you mean"));
    assert!(fault("EMA(10").contains("`)` is missing"));
    assert!(fault("EMA(10)x").contains("only `.output` may follow"));
    assert!(fault("EMA((10)").contains("do not nest"));
    assert_eq!(fault(""), "a feature's text has 1 to 128 bytes, not 0");
    assert_eq!(fault(&"E".repeat(129)), "a feature's text has 1 to 128 bytes, not 129");
}

#[test]
fn the_table_agrees_with_what_it_builds() {
    let mut names = std::collections::BTreeSet::new();
    for definition in catalogue() {
        assert!(names.insert(definition.name.to_ascii_lowercase()), "{} is there twice", definition.name);
        assert!(definition.parameters.len() <= PARAMETERS_MAX && !definition.doc.is_empty());
        let kernel = (definition.build)(&definition.defaults()).unwrap();
        if definition.outputs.len() > 1 {
            assert_eq!(kernel.components(), definition.outputs, "{}", definition.name);
        } else {
            assert_eq!(kernel.components().len(), 1, "{}", definition.name);
        }
        for parameter in definition.parameters {
            assert!(parameter.name != "source", "`source` is the grammar's");
        }
        for output in definition.outputs {
            let text = format!("{}.{output}", definition.name);
            assert_eq!(spec(&spec(&text).to_string()), spec(&text));
        }
    }
    for source in ["close", "open", "high", "low", "volume", "hl2", "hlc3", "ohlc4"] {
        assert_eq!(spec(source).source().name(), source);
    }
}

#[test]
fn outputs_of_one_indicator_share_its_state() {
    let mut set = FeatureSet::new();
    let line = set.register(&spec("MACD(12,26,9)")).unwrap();
    let signal = set.register(&spec("MACD(12,26,9).signal")).unwrap();
    let ten = set.register(&spec("EMA(10)")).unwrap();
    assert_eq!(set.register(&spec("ema(10)")).unwrap(), ten);
    let other = set.register(&spec("EMA(10,source=open)")).unwrap();
    let close = set.register(&spec("close")).unwrap();
    assert_eq!([line, signal, ten, other, close].map(FeatureId::index), [0, 1, 2, 3, 4]);
    assert_eq!(set.states.len(), 4);

    let (mut macd, mut ema, mut ema_open) =
        (Macd::new(12, 26, 9).unwrap(), Ema::new(10).unwrap(), Ema::new(10).unwrap());
    for candle in walk(2_689) {
        set.update(&candle);
        let lines = macd.update(candle.close);
        assert_eq!(set.value(line), lines.map(|lines| lines.line));
        assert_eq!(set.value(signal), lines.map(|lines| lines.signal));
        assert_eq!(set.value(ten), ema.update(candle.close));
        assert_eq!(set.value(other), ema_open.update(candle.open));
        assert_eq!(set.value(close), Some(candle.close));
    }
    let counts: Vec<_> = set.counts().collect();
    let name = |name: &str| (name.to_owned(), 2_689);
    assert_eq!(counts, [name("MACD(12,26,9)"), name("EMA(10)"), name("EMA(10,source=open)")]);
}

#[test]
fn a_refused_bar_changes_nothing_but_the_tally() {
    let mut set = FeatureSet::new();
    for definition in catalogue() {
        for output in definition.outputs {
            set.register_with_history(&spec(&format!("{}.{output}", definition.name)), 3).unwrap();
        }
    }
    walk(80).for_each(|candle| set.update(&candle));
    let before = set.clone();
    for (bad, refused) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e61].into_iter().zip(1..) {
        set.update(&Candle { volume: bad, ..bar(100.0) });
        assert_eq!(set.refused(), refused);
    }
    assert_eq!((&set.states, &set.histories), (&before.states, &before.histories));
}

#[test]
fn plus_and_minus_di_are_ready_before_the_adx() {
    let mut set = FeatureSet::new();
    let ids = ["ADX(5)", "ADX(5).plus_di", "ADX(5).minus_di"].map(|text| set.register(&spec(text)).unwrap());
    for (index, candle) in walk(12).enumerate() {
        set.update(&candle);
        assert_eq!(ids.map(|id| set.value(id).is_some()), [index >= 9, index >= 5, index >= 5]);
    }
}

#[test]
fn history_reaches_back_as_far_as_asked() {
    let mut set = FeatureSet::new();
    let ema = set.register_with_history(&spec("EMA(3)"), 4).unwrap();
    let close = set.register(&spec("close")).unwrap();
    let mut past = Vec::new();
    for (index, candle) in walk(50).enumerate() {
        set.update(&candle);
        past.insert(0, set.value(ema));
        for bars_ago in 0..6 {
            let expected = if bars_ago < 4 { past.get(bars_ago).copied().flatten() } else { None };
            assert_eq!(set.value_at(ema, bars_ago), expected, "{bars_ago} before {index}");
        }
        assert_eq!(set.value_at(close, 0), Some(candle.close));
        assert_eq!(set.value_at(close, 1), None, "no history was asked for");
    }
    // Deeper later: what there was is kept, and a shallower wish changes nothing.
    assert_eq!(set.register_with_history(&spec("EMA(3)"), 6).unwrap(), ema);
    set.register_with_history(&spec("EMA(3)"), 2).unwrap();
    for (bars_ago, value) in past.iter().enumerate().take(8) {
        assert_eq!(set.value_at(ema, bars_ago), if bars_ago < 4 { *value } else { None });
    }
    set.update(&bar(7.0));
    assert_eq!(set.value_at(ema, 1), past[0]);
    assert_eq!(set.value_at(ema, 4), past[3]);
}

#[test]
fn limits_are_enforced() {
    let mut set = FeatureSet::new();
    assert!(set.register_with_history(&spec("EMA(3)"), HISTORY_BARS_MAX).is_ok());
    let error = set.register_with_history(&spec("EMA(3)"), HISTORY_BARS_MAX + 1).unwrap_err();
    assert_eq!(error.to_string(), "`EMA(3)`: a history of 4097 bars is more than 4096");
    for period in 1..=STATES_MAX {
        set.register(&spec(&format!("EMA({period})"))).unwrap();
    }
    let error = set.register(&spec("EMA(5000)")).unwrap_err();
    assert_eq!(error.to_string(), "`EMA(5000)` would be state number 4096 + 1; use fewer features or another set");
    assert!(set.register(&spec("EMA(7)")).is_ok(), "one that is there is found");
}

#[test]
fn a_restored_set_continues_bit_for_bit() {
    let mut set = FeatureSet::new();
    for definition in catalogue() {
        for output in definition.outputs {
            set.register_with_history(&spec(&format!("{}.{output}", definition.name)), 3).unwrap();
        }
    }
    let candles: Vec<_> = walk(200).collect();
    for cut in [0, 1, 13, 20, 77] {
        let mut live = set.clone();
        candles[..cut].iter().for_each(|candle| live.update(candle));
        let mut restored: FeatureSet = serde_json::from_str(&serde_json::to_string(&live).unwrap()).unwrap();
        assert_eq!(restored, live);
        for candle in &candles[cut..] {
            live.update(candle);
            restored.update(candle);
            for (id, spec) in live.features() {
                assert_eq!(live.value(id).map(f64::to_bits), restored.value(id).map(f64::to_bits), "{spec}");
            }
        }
        assert_eq!(restored, live);
        live.reset();
        assert_eq!(live, set);
    }
}

#[test]
fn a_session_restarts_vwap_only() {
    let mut set = FeatureSet::new();
    let vwap = set.register(&spec("VWAP")).unwrap();
    let sma = set.register(&spec("SMA(2,source=hlc3)")).unwrap();
    set.update(&bar(10.0));
    set.update(&bar(20.0));
    assert_eq!(set.value(vwap), Some(15.0));
    set.start_session();
    set.update(&bar(40.0));
    assert_eq!((set.value(vwap), set.value(sma)), (Some(40.0), Some(30.0)));
}

/// Median by sorting.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    if n % 2 == 1 { values[n / 2] } else { f64::midpoint(values[n / 2 - 1], values[n / 2]) }
}

#[test]
fn robust_scale_of_a_hand_computed_window() {
    // Median 3, deviations 2 1 0 1 97, MAD 1.
    let mut scale = RobustScale::new(5).unwrap();
    for x in [1.0, 2.0, 3.0, 4.0] {
        assert_eq!(scale.update(x), None);
    }
    let score = scale.update(100.0).unwrap();
    assert!((score - 97.0 / 1.482_602_218_505_602).abs() < 1e-12);
    // More than half of the window is one value.
    for _ in 0..4 {
        scale.update(100.0);
    }
    assert_eq!(scale.update(50.0), Some(0.0));
}

#[test]
fn min_max_scale_of_a_flat_window_is_the_middle() {
    let mut scale = MinMaxScale::new(3).unwrap();
    assert_eq!(scale.batch(&[5.0, 5.0, 5.0, 7.0, 6.0]), [None, None, Some(0.5), Some(1.0), Some(0.5)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn robust_scale_equals_sorting(
        // A coarse grid, so that ties are common.
        values in prop::collection::vec((-20i32..20).prop_map(f64::from), 1..80),
        period in 2usize..12,
    ) {
        let mut scale = RobustScale::new(period).unwrap();
        for (i, x) in values.iter().enumerate() {
            let ours = scale.update(*x);
            prop_assert_eq!(ours.is_some(), i + 1 >= period);
            if let Some(ours) = ours {
                let window = values[i + 1 - period..=i].to_vec();
                let centre = median(window.clone());
                let mad = median(window.into_iter().map(|x| (x - centre).abs()).collect());
                let theirs = if mad > 0.0 { (x - centre) / (1.482_602_218_505_602 * mad) } else { 0.0 };
                prop_assert!((ours - theirs).abs() <= 1e-12 * theirs.abs(), "{} against {}", ours, theirs);
            }
        }
    }

    #[test]
    fn normalisers_do_not_look_ahead(
        values in prop::collection::vec(-1e3..1e3f64, 2..120),
        cut in 0.0..1.0f64,
        period in 2usize..20,
    ) {
        let cut = (cut * values.len() as f64) as usize;
        for kind in [Normalisation::ZScore, Normalisation::MinMax, Normalisation::Robust] {
            let fresh = Normaliser::new(kind, period).unwrap();
            let whole = fresh.clone().batch(&values);
            prop_assert_eq!(&fresh.clone().batch(&values[..cut]), &whole[..cut]);
            // Nor does the future of other values leak: only the prefix is shared.
            let mut altered = values.clone();
            altered[cut..].iter_mut().for_each(|x| *x = 1e6 - *x);
            prop_assert_eq!(&fresh.clone().batch(&altered)[..cut], &whole[..cut]);

            let mut live = fresh.clone();
            live.batch(&values[..cut]);
            prop_assert_eq!(live.update(f64::NAN), None);
            let mut restored: Normaliser = serde_json::from_str(&serde_json::to_string(&live).unwrap()).unwrap();
            prop_assert_eq!(&restored.batch(&values[cut..]), &whole[cut..]);
        }
    }

    #[test]
    fn parsing_never_panics_and_what_parses_round_trips(text in "\\PC{0,40}|[A-Z]{2,8}\\([0-9a-z=,. ]{0,16}\\)(\\.[a-z_0-9]{1,9})?") {
        if let Ok(spec) = text.parse::<FeatureSpec>() {
            prop_assert_eq!(spec.to_string().parse::<FeatureSpec>().unwrap(), spec);
        }
    }

    #[test]
    fn every_set_of_arguments_round_trips(
        row in 0..catalogue().len(), a in 2usize..50, b in 1usize..50, c in 1usize..50, width in 1e-3..1e3f64, pick in 0usize..8,
    ) {
        let definition = &catalogue()[row];
        let numbers = [a, a + b, c, b];
        let mut arguments = Vec::new();
        for (index, parameter) in definition.parameters.iter().enumerate() {
            let value = match parameter.domain {
                Domain::Period { .. } => numbers[index].to_string(),
                Domain::Factor => width.to_string(),
                Domain::Choice(words) => words[pick % words.len()].to_owned(),
            };
            arguments.push(format!("{}={value}", parameter.name));
        }
        if definition.reads == Reads::Price && !definition.is_price() {
            arguments.push(format!("source={}", catalogue()[pick].name));
        }
        let text = format!("{}({}).{}", definition.name, arguments.join(","), definition.outputs[pick % definition.outputs.len()]);
        let parsed = spec(&text);
        prop_assert_eq!(spec(&parsed.to_string()), parsed);
    }
}
