//! Statistical arbitrage: weights worked out with numpy, and neutrality.

use proptest::prelude::*;
use starling_core::Side::{Buy, Sell};

use super::rig::{Setting, orders, stamp};
use super::run;

const NAMES: [&str; 4] = ["A", "B", "C", "D"];

fn basket(n: usize, options: &str) -> String {
    let names: Vec<String> = NAMES[..n].iter().map(|name| format!("'{name}.SIM'")).collect();
    format!(
        "kind = 'statistical_arbitrage'\ninstruments = [{}]\nbars = '1m last external'\n\
         size = {{ notional = '100000' }}\n{options}",
        names.join(", ")
    )
}

/// numpy, `w = -(g - mean(g)) / sum |g - mean(g)|` of log returns `g`: first -0.5, 0.0000174873, 0.4999825 of 100,000 at
/// 110, 100 and 90.91, which is -454.55, 0.017 and 549.98; then 478.47, -274.83, -233.26 of 104.50, 103 and 93.
#[test]
fn contrarian_weights_equal_numpy() {
    let mut run = run(&Setting::new(&["A", "B", "C"]), &basket(3, ""));
    let sections = [[10_000, 10_000, 10_000], [11_000, 10_000, 9_091], [10_450, 10_300, 9_300]];
    for (n, closes) in (1..).zip(sections) {
        for (name, close) in NAMES.iter().zip(closes) {
            run.bar(name, stamp(n), [close; 4]);
        }
    }
    let first = [(2, Sell, 454), (2, Buy, 549)];
    let second = [(3, Buy, 454 + 478), (3, Sell, 274), (3, Sell, 549 + 233)];
    assert_eq!(orders(&run.sent()), [first.as_slice(), &second].concat());
}

#[test]
fn a_section_that_one_lacks_is_passed_over_whole() {
    let mut run = run(&Setting::new(&["A", "B", "C"]), &basket(3, ""));
    for name in NAMES[..3].iter() {
        run.bar(name, stamp(1), [10_000; 4]);
    }
    run.bar("A", stamp(2), [12_000; 4]);
    run.bar("B", stamp(2), [9_000; 4]);
    for (name, close) in NAMES.iter().zip([11_000, 10_000, 9_091]) {
        run.bar(name, stamp(3), [close; 4]);
    }
    // The return is taken from the first section to the third.
    assert_eq!(orders(&run.sent()), [(3, Sell, 454), (3, Buy, 549)]);
}

#[test]
fn rebalancing_waits_its_turn() {
    let mut run = run(&Setting::new(&["A", "B", "C"]), &basket(3, "every = 3"));
    for (n, closes) in (1..).zip([[100, 100, 100], [110, 100, 90], [100, 105, 95], [90, 110, 100], [100, 90, 110]]) {
        for (name, close) in NAMES.iter().zip(closes) {
            run.bar(name, stamp(n), [close * 100; 4]);
        }
    }
    let sent = orders(&run.sent());
    assert!(!sent.is_empty() && sent.iter().all(|(minute, ..)| *minute == 3), "{sent:?}");
}

#[test]
fn scores_take_both_sides_or_none() {
    let text = basket(4, "reversion = { score = { window = 4, entry = 1.2, exit = 0.5 } }");
    let mut run = run(&Setting::new(&NAMES), &text);
    // A rises and D falls at the sixth section: scores by numpy 1.49, 0.96, -0.75, -1.49. At the seventh 0.61, -1.18, 0.10,
    // -0.23: D is left, A would be held, and as nothing is long any more neither is.
    let calm = [[100, 100, 100, 100], [101, 102, 98, 99]];
    let sections = calm.into_iter().chain(calm).chain([calm[0], [110, 102, 98, 90], [109, 100, 100, 96]]);
    for (n, closes) in (1..).zip(sections) {
        for (name, close) in NAMES.iter().zip(closes) {
            run.bar(name, stamp(n), [close * 100; 4]);
        }
    }
    // Half of 100,000 each: 50,000 / 110 = 454.5 and 50,000 / 90 = 555.6.
    let expected = [(6, Sell, 454), (6, Buy, 555), (7, Buy, 454), (7, Sell, 555)];
    assert_eq!(orders(&run.sent()), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn long_and_short_are_worth_the_same(
        sections in prop::collection::vec(prop::array::uniform4(5_000i64..20_000), 2..12), score in any::<bool>(),
    ) {
        let options =
            if score { "reversion = { score = { window = 3, entry = 1.0, exit = 0.5 } }" } else { "" };
        let mut run = run(&Setting::new(&NAMES), &basket(4, options));
        for (n, closes) in (1..).zip(sections) {
            for (name, close) in NAMES.iter().zip(closes) {
                run.bar(name, stamp(n), [close; 4]);
            }
            let value = |at: usize| i128::from(run.position(NAMES[at]).units()) / 1_000_000_000 * i128::from(closes[at]);
            let net: i128 = (0..4).map(value).sum();
            let gross: i128 = (0..4).map(|at| value(at).abs()).sum();
            // A lot of each is what rounding may leave; a weight is cut at 1e-9.
            let lots: i128 = closes.iter().map(|close| i128::from(*close)).sum();
            prop_assert!(net.abs() <= lots + 1, "net {net}");
            prop_assert!(gross <= 10_000_000, "gross {gross}");
        }
    }
}
