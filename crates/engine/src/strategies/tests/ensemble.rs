//! Ensembles: one member alone, votes, and weights by record.

use starling_core::Side::{Buy, Sell};

use super::rig::{Run, Sent, Setting, orders};
use super::{CROSSING, Configuration, StrategyConfig, config, feed, run};

const MARKET: &str = "instrument = 'X.SIM'\nbars = '1m last external'\nsize = { fixed = 5 }\n";

fn member(kind: &str, options: &str, weight: f64) -> String {
    format!("[[members]]\nweight = {weight:?}\n[members.rule]\nkind = '{kind}'\n{MARKET}{options}\n")
}

#[test]
fn an_ensemble_of_one_trades_as_its_member() {
    let kinds = [
        ("ema_cross", "fast = 3\nslow = 6"),
        ("momentum", "lookback = 10\notherwise = 'hold'\nthreshold = 0.05"),
        ("mean_reversion", "period = 10\nentry = 1.2\nexit = 0.3\nstop = 2.2\nbars_max = 4"),
        ("breakout", "entry = 8\nexit = 4"),
        ("trend", "period = 10\nadx_period = 5\nadx_min = 10.0\natr_stop = 2.0\natr_period = 5"),
        ("rules", "enter_long = 'close > sma(9)'\nexit_long = 'close > entry_price * 1.03 or bars_in_position >= 6'"),
    ];
    let setting = Setting {
        cash: 100_000_000,
        ..Setting::new(&["USD/JPY", "SPY", "TLT", "KO", "PEP", "BTC/USDT", "BTCUSDT-PERP"])
    };
    let sent = |text: &str| -> Vec<Sent> {
        let mut run = run(&setting, &text.replace("X.SIM", "SPY.SIM"));
        feed(&mut run, 300, 300, 0);
        run.stop()
    };
    for (kind, options) in kinds {
        let alone = sent(&format!("kind = '{kind}'\n{MARKET}{options}\n"));
        assert!(alone.len() > 5, "{kind}: {}", alone.len());
        for weighting in ["'fixed'", "{ inverse_volatility = 20 }"] {
            let ensemble =
                format!("kind = 'ensemble'\nweighting = {weighting}\n{MARKET}{}", member(kind, options, 0.3));
            assert_eq!(sent(&ensemble), alone, "{kind} weighted by {weighting}");
        }
    }
}

#[test]
fn a_vote_needs_its_threshold() {
    // The cross of `CROSSING` is long from minute 3, short from 5, long from 7; the other is long from 6 (the fifth
    // close is 900, the sixth 900; the seventh is 1200) by being long only, and flat before.
    let text = |threshold: f64, weight: f64| {
        format!(
            "kind = 'ensemble'\nthreshold = {threshold:?}\nexecution = {{ flip = 'one_order', close_on_stop = false }}\n\
             {MARKET}{}{}",
            member("ema_cross", "fast = 2\nslow = 3", weight),
            member("ema_cross", "fast = 2\nslow = 3\nexecution = { direction = 'long_only' }", 1.0),
        )
    };
    let sent = |threshold: f64, weight: f64| {
        let mut run: Run<_> = run(&Setting::new(&["X"]), &text(threshold, weight));
        run.closes("X", &CROSSING);
        orders(&run.sent())
    };
    // Both long: 1. One short, one flat: -1/2 with equal weights, -3/4 at three to one.
    assert_eq!(sent(0.5, 1.0), [(3, Buy, 5), (5, Sell, 10), (7, Buy, 10)]);
    assert_eq!(sent(0.6, 1.0), [(3, Buy, 5), (5, Sell, 5), (7, Buy, 5)]);
    assert_eq!(sent(0.6, 3.0), [(3, Buy, 5), (5, Sell, 10), (7, Buy, 10)]);
}

#[test]
fn who_has_not_earned_has_no_vote() {
    // Two members that are always opposite: one buys rises, the other sells them. Prices rise by 1 % a bar throughout.
    let rises = "enter_long = 'close > 1'";
    let falls = "enter_short = 'close > 1'";
    let text = format!(
        "kind = 'ensemble'\nweighting = {{ performance = 4 }}\nthreshold = 0.9\n{MARKET}{}{}",
        member("rules", rises, 1.0),
        member("rules", falls, 5.0),
    );
    let mut run = run(&Setting::new(&["X"]), &text);
    run.closes("X", &[10_000, 10_100, 10_202, 10_303, 10_405, 10_511, 10_614]);
    // Votes are (1 - 5) / 6 = -0.67 until four returns are known, with the fifth bar.
    assert_eq!(orders(&run.stop()), [(5, Buy, 5), (7, Sell, 5)]);
}

#[test]
fn members_stand_where_the_ensemble_stands() {
    let text = format!(
        "kind = 'ensemble'\nweighting = {{ performance = 1 }}\nthreshold = 0.0\n{MARKET}{}",
        member("ema_cross", "fast = 0", 0.0).replace("X.SIM", "Y.SIM")
    );
    let found: Vec<String> = config(&text).validate().into_iter().map(|fault| fault.parameter).collect();
    assert_eq!(found, ["members[0].weight", "members[0].rule", "members[0].rule.fast", "weighting", "threshold"]);
    let StrategyConfig::Ensemble(ensemble) = config(&text) else { panic!("an ensemble") };
    assert_eq!(ensemble.validate().len(), found.len());
}
