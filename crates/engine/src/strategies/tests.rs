//! Laws of all built-in strategies, and runs of single ones whose orders were worked out by hand.

mod rig;

use starling_core::Side::{Buy, Sell};

use super::*;
use rig::{Run, Setting, orders, stamp};

fn config(text: &str) -> StrategyConfig {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn run(setting: &Setting, text: &str) -> Run<Builtin> {
    Run::new(setting, config(text).build().unwrap_or_else(|error| panic!("{error}")))
}

const EMA_CROSS: &str = "kind = 'ema_cross'\ninstrument = 'X.SIM'\nbars = '1m last external'\nfast = 2\nslow = 3\n\
                         size = { fixed = '5' }\n";

/// EMA(2): 10, 10.667, 11.556, 11.185, 9.728, 9.243, 11.081, 12.360
/// EMA(3): 10, 10.5,   11.25,  11.125, 10.063, 9.531, 10.766, 11.883
const CROSSING: [i64; 8] = [1000, 1100, 1200, 1100, 900, 900, 1200, 1300];

#[test]
fn an_ema_cross_turns_by_closing_and_opening() {
    for hedging in [false, true] {
        let mut run = run(&Setting { hedging, ..Setting::new(&["X"]) }, EMA_CROSS);
        run.closes("X", &CROSSING);
        assert_eq!(run.position("X"), starling_core::Qty::from_int(5));
        let expected = [(3, Buy, 5), (5, Sell, 5), (5, Sell, 5), (7, Buy, 5), (7, Buy, 5), (8, Sell, 5)];
        assert_eq!(orders(&run.stop()), expected, "hedging: {hedging}");
    }
}

#[test]
fn an_ema_cross_passes_over_flat_bars() {
    for (option, minute) in [("", 6), ("skip_flat_bars = false\n", 5)] {
        let mut run = run(&Setting::new(&["X"]), &format!("{EMA_CROSS}{option}"));
        run.closes("X", &CROSSING[..4]);
        run.bar("X", stamp(5), [900; 4]);
        run.bar("X", stamp(6), [900, 911, 900, 910]);
        assert_eq!(orders(&run.sent()), [(3, Buy, 5), (minute, Sell, 5), (minute, Sell, 5)]);
    }
}

#[test]
fn execution_options_shape_the_same_decisions() {
    let cases: [(&str, &[_]); 4] = [
        ("{ flip = 'one_order' }", &[(3, Buy, 5), (5, Sell, 10), (7, Buy, 10), (8, Sell, 5)]),
        ("{ direction = 'long_only' }", &[(3, Buy, 5), (5, Sell, 5), (7, Buy, 5), (8, Sell, 5)]),
        ("{ direction = 'short_only' }", &[(5, Sell, 5), (7, Buy, 5)]),
        ("{ flip = 'one_order', close_on_stop = false }", &[(3, Buy, 5), (5, Sell, 10), (7, Buy, 10)]),
    ];
    for (execution, expected) in cases {
        for hedging in [false, true] {
            let text = format!("{EMA_CROSS}execution = {execution}");
            let mut run = run(&Setting { hedging, ..Setting::new(&["X"]) }, &text);
            run.closes("X", &CROSSING);
            assert_eq!(orders(&run.stop()), expected, "{execution}, hedging: {hedging}");
        }
    }
}
