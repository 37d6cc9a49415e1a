//! Pairs: entries and exits worked out by hand, both legs or none, and the gate.

use starling_core::Qty;
use starling_core::Side::{Buy, Sell};

use super::rig::{Run, Sent, Setting, orders, stamp};
use super::{Builtin, run};

/// A spread `y - 2 x` over four bars; x stands at 60, so y stands at 120 and the spread at 0.
fn pair(options: &str) -> String {
    format!(
        "kind = 'pairs'\ny = 'Y.SIM'\nx = 'X.SIM'\nbars = '1m last external'\nwindow = 4\nhedge = {{ fixed = 2.0 }}\n\
         entry = 1.4\nsize = {{ fixed = '10' }}\n{options}"
    )
}

fn setting() -> Setting {
    Setting::new(&["X", "Y"])
}

/// Closes of y in hundredths by bar; x stays at 60.00.
fn feed(run: &mut Run<Builtin>, y: &[i64]) {
    for (n, close) in (1..).zip(y) {
        run.bar("X", stamp(n), [6_000; 4]);
        run.bar("Y", stamp(n), [*close; 4]);
    }
}

/// Spreads of 0, 1, -1, 0, 10, 2. Of the four up to 10: mean 2.5, deviation sqrt(77 / 3) = 5.066, score 7.5 / 5.066 =
/// 1.480. Of the four up to 2: mean 2.75, deviation 4.992, score -0.150.
const EXCURSION: [i64; 6] = [12_000, 12_100, 11_900, 12_000, 13_000, 12_200];

#[test]
fn a_spread_is_sold_when_wide_and_closed_at_its_mean() {
    for hedging in [false, true] {
        let mut run = run(&Setting { hedging, ..setting() }, &pair(""));
        feed(&mut run, &EXCURSION[..5]);
        assert_eq!(run.position("Y"), Qty::from_int(-10));
        // 10 * 130 / 60 = 21.67, rounded down
        assert_eq!(run.position("X"), Qty::from_int(21));
        let mut again = super::run(&Setting { hedging, ..setting() }, &pair(""));
        feed(&mut again, &EXCURSION);
        let expected = [(5, Sell, 10), (5, Buy, 21), (6, Buy, 10), (6, Sell, 21)];
        assert_eq!(orders(&again.sent()), expected, "hedging: {hedging}");
    }
}

#[test]
fn beta_neutral_legs_are_the_hedge_ratio_apart() {
    let mut run = run(&setting(), &pair("neutrality = 'beta'"));
    feed(&mut run, &EXCURSION[..5]);
    assert_eq!((run.position("Y"), run.position("X")), (Qty::from_int(-10), Qty::from_int(20)));
}

#[test]
fn a_spread_is_given_up_at_its_stop_or_its_age_and_not_entered_again_at_once() {
    // Spreads of 0, 1, -1, 0, 10: score 1.480. Of -1, 0, 10, 30: mean 9.75, deviation 14.38, score 1.408.
    let mut run = run(&setting(), &pair("stop = 1.49"));
    feed(&mut run, &[12_000, 12_100, 11_900, 12_000, 13_000, 15_000]);
    assert_eq!(run.position("Y"), Qty::from_int(-10), "1.408 is within");
    // Of -1, 0, 10, 1000: 1.49995 of 1.5, the most that four values can have.
    let mut stopped = super::run(&setting(), &pair("stop = 1.49"));
    feed(&mut stopped, &[12_000, 12_100, 11_900, 12_000, 13_000, 112_000]);
    assert_eq!(orders(&stopped.sent()), [(5, Sell, 10), (5, Buy, 21), (6, Buy, 10), (6, Sell, 21)]);
    let mut given_up = super::run(&setting(), &pair("bars_max = 1"));
    feed(&mut given_up, &[12_000, 12_100, 11_900, 12_000, 13_000, 15_000, 20_000]);
    // Of 0, 10, 30, 80: mean 30, deviation 35.59, score 1.405: still out there, so nothing is entered.
    assert_eq!(orders(&given_up.sent()), [(5, Sell, 10), (5, Buy, 21), (6, Buy, 10), (6, Sell, 21)]);
}

#[test]
fn a_refused_leg_undoes_the_other_whichever_comes_first() {
    for (refuses, sent) in [
        ("X", [(5, Sell, 10), (5, Buy, 21), (5, Buy, 10)].as_slice()),
        // Both orders were on their way when the first was refused, so the second is undone too.
        ("Y", [(5, Sell, 10), (5, Buy, 21), (5, Sell, 21)].as_slice()),
    ] {
        let mut run = run(&Setting { refuses: Some(refuses), ..setting() }, &pair(""));
        // The second score is 1.408: still wide, and nothing is tried again.
        feed(&mut run, &[12_000, 12_100, 11_900, 12_000, 13_000, 15_000]);
        assert_eq!((run.position("Y"), run.position("X")), (Qty::ZERO, Qty::ZERO));
        assert_eq!(orders(&run.sent()), sent, "{refuses} is refused");
    }
}

#[test]
fn a_stamp_that_one_lacks_is_no_pair() {
    let mut run = run(&setting(), &pair(""));
    for (n, close) in (1..).zip(EXCURSION) {
        if n != 5 {
            run.bar("X", stamp(n), [6_000; 4]);
        }
        run.bar("Y", stamp(n), [close; 4]);
    }
    assert_eq!(orders(&run.sent()), []);
}

/// A walk, and one that is tethered to it: by a linear congruential generator, so that both come out the same anywhere.
fn walks(bars: usize) -> Vec<[i64; 3]> {
    let mut seed = 12_345u64;
    let mut noise = |spread: i64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as i64 % (2 * spread + 1) - spread
    };
    let (mut walk, mut tether, mut other) = (100_000, 0, 100_000);
    (0..bars)
        .map(|_| {
            walk += noise(300);
            tether = tether / 2 + noise(300);
            other += noise(300);
            [walk, walk + tether, other]
        })
        .collect()
}

#[test]
fn the_gate_lets_a_tethered_pair_through_and_not_two_walks() {
    let text = |gate: &str| {
        format!(
            "kind = 'pairs'\ny = 'Y.SIM'\nx = 'X.SIM'\nbars = '1m last external'\nwindow = 20\n\
             size = {{ fixed = '10' }}\n{gate}"
        )
    };
    let gate = "cointegration = { bars = 100, every = 10, p_max = 0.01 }";
    let sent = |of: usize, options: &str| -> Vec<Sent> {
        let mut run = run(&setting(), &text(options));
        for (n, closes) in (1..).zip(walks(200)) {
            run.bar("X", stamp(n), [closes[0]; 4]);
            run.bar("Y", stamp(n), [closes[of]; 4]);
        }
        run.sent()
    };
    assert!(!sent(2, "").is_empty(), "without the gate two walks are traded");
    assert_eq!(sent(2, gate), []);
    let gated = sent(1, gate);
    assert!(!gated.is_empty());
    assert!(gated.iter().all(|sent| sent.ts() >= stamp(100)), "nothing before the first test");
}
