//! The grid maker: CONFORMANCE C10, its prices, and the bound on what it may hold.

use proptest::prelude::*;
use starling_core::time::MINUTE;
use starling_core::{Qty, Side, TimeInForce, UnixNanos};

use super::rig::{Sent, Setting, stamp};
use super::run;

fn setting() -> Setting {
    Setting { qty_digits: 3, ..Setting::new(&["X"]) }
}

/// The ladder of CONFORMANCE C10 with other or further options.
fn grid(options: &str) -> String {
    const BASE: [&str; 6] = [
        "kind = 'grid_maker'",
        "instrument = 'X.SIM'",
        "levels = 3",
        "step_bps = 10",
        "requote_threshold_bps = 50",
        "size = '0.1'",
    ];
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    let kept = BASE.into_iter().filter(|line| options.lines().all(|option| key(option) != key(line)));
    kept.chain(options.lines()).map(|line| format!("{line}\n")).collect()
}

/// Limit orders as (buys?, price in hundredths), and how many cancels came.
fn ladder(sent: &[Sent]) -> (Vec<(bool, i64)>, usize) {
    let order = |sent: &Sent| match sent {
        Sent::Order { request, .. } => {
            request.kind.limit().map(|price| (request.side == Side::Buy, price.units() / 10_000_000))
        }
        _ => None,
    };
    let cancels = sent.iter().filter(|sent| matches!(sent, Sent::Cancel { .. })).count();
    (sent.iter().filter_map(order).collect(), cancels)
}

const LADDER: [(bool, i64); 6] =
    [(true, 99_900), (true, 99_800), (true, 99_700), (false, 100_100), (false, 100_200), (false, 100_300)];

#[test]
fn c10_ten_quotes_within_the_threshold_are_six_orders() {
    let mut run = run(&setting(), &grid("max_position = 10"));
    for i in 0..10 {
        let mid = 100_000 + 10 * i;
        run.quote("X", UnixNanos::new(i as u64 + 1), mid - 5, mid + 5);
    }
    let sent = run.sent();
    assert_eq!(sent.len(), 6);
    assert_eq!(ladder(&sent), (LADDER.to_vec(), 0));
}

#[test]
fn c10_a_second_level_beyond_the_largest_position_is_not_sent() {
    let mut run = run(&setting(), &grid("max_position = '0.150'"));
    run.quote("X", stamp(1), 99_995, 100_005);
    let sent = run.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(ladder(&sent).0, [LADDER[0], LADDER[3]]);
    for sent in sent {
        let Sent::Order { request, .. } = sent else { panic!("{sent:?}") };
        assert!(request.post_only && request.qty == Qty::from_units(100_000_000));
    }
}

#[test]
fn a_ladder_moves_at_the_threshold_and_not_before() {
    let mut run = run(&setting(), &grid("max_position = 10\nstep_bps = 100"));
    // 50 bps of 1000 is 5.00; a mid of 1004.99 is within.
    for (n, mid) in [(1, 100_000), (2, 100_499), (3, 100_500), (4, 100_501)] {
        run.quote("X", stamp(n), mid - 5, mid + 5);
    }
    let (orders, cancels) = ladder(&run.sent());
    assert_eq!((orders.len(), cancels), (12, 6));
    // 1005 * 0.99 and 1005 * 1.01
    assert_eq!((orders[6], orders[9]), ((true, 99_495), (false, 101_505)));
}

#[test]
fn geometric_levels_compound_and_round_away_from_the_mid() {
    let mut run = run(&setting(), &grid("max_position = 10\nspacing = 'geometric'\nstep_bps = '100.5'"));
    run.quote("X", stamp(1), 99_995, 100_005);
    // 1000 * 0.98995^k = 989.95, 980.0010025, 970.1519924; 1000 * 1.01005^k = 1010.05, 1020.2010025, 1030.4540226
    let expected =
        [(true, 98_995), (true, 98_000), (true, 97_015), (false, 101_005), (false, 102_021), (false, 103_046)];
    assert_eq!(ladder(&run.sent()).0, expected);
}

#[test]
fn a_skewed_ladder_leans_against_the_position() {
    let mut run = run(&setting(), &grid("max_position = '0.4'\nskew_bps = 40\nstep_bps = 20\nlevels = 2"));
    run.quote("X", stamp(1), 99_995, 100_005);
    // The market falls through the first buy at 998, and on to 990, where the ladder is set anew.
    run.quote("X", stamp(2), 99_790, 99_800);
    run.quote("X", stamp(3), 99_000, 99_000);
    assert_eq!(run.position("X"), Qty::from_units(200_000_000), "both buys filled");
    let (orders, cancels) = ladder(&run.sent());
    assert_eq!(cancels, 2, "the sells of the first ladder");
    // Half of the largest position: 20 bps off 990 is 988.02; 20 and 40 bps off that are 986.04396, 984.06792,
    // 989.99604 and 991.97208.
    assert_eq!(orders[4..], [(true, 98_604), (true, 98_406), (false, 99_001), (false, 99_198)]);
}

#[test]
fn no_level_is_quoted_through_the_other_side() {
    // A spread of 100 bps around levels 10 bps apart: sells at 1001 and up stand above the bid, as they should, and with
    // a skew that pulls them under it they are held at one tick above.
    let mut run = run(&setting(), &grid("max_position = '0.1'\nskew_bps = 500\nlevels = 1"));
    run.quote("X", stamp(1), 99_995, 100_005);
    run.quote("X", stamp(2), 99_890, 99_895);
    assert_eq!(run.position("X"), Qty::from_units(100_000_000));
    run.quote("X", stamp(3), 98_000, 98_010);
    let (orders, _) = ladder(&run.sent());
    assert_eq!(orders[2..], [(false, 98_001)], "full of longs it sells only, at bid plus tick, not at 932.9");
}

#[test]
fn a_ladder_expires_and_is_placed_anew() {
    let mut run = run(&setting(), &grid("max_position = 10\nexpiry = '2m'"));
    for n in 1..=4 {
        run.quote("X", stamp(n), 99_995, 100_005);
    }
    let sent = run.sent();
    assert_eq!(ladder(&sent), ([LADDER, LADDER].concat(), 6));
    let due = |sent: &Sent| match sent {
        Sent::Order { request, .. } => Some(request.tif),
        _ => None,
    };
    assert_eq!(due(&sent[0]), Some(TimeInForce::Gtd(stamp(3))));
    assert_eq!(sent.iter().rev().find_map(due), Some(TimeInForce::Gtd(stamp(5))));
}

#[test]
fn a_ladder_that_has_traded_away_is_placed_anew() {
    let mut run = run(&setting(), &grid("max_position = '0.1'\nlevels = 1\nrequote_threshold_bps = 5000"));
    run.quote("X", stamp(1), 99_995, 100_005);
    run.quote("X", stamp(2), 99_800, 99_810);
    run.quote("X", stamp(3), 100_200, 100_210);
    assert_eq!(run.position("X"), Qty::ZERO, "bought at 999, sold at 1001");
    run.quote("X", stamp(4), 100_200, 100_210);
    let (orders, cancels) = ladder(&run.stop());
    assert_eq!((orders.len(), cancels), (4, 2), "two ladders of two, and the end takes the second away");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_that_may_fill_makes_a_position_too_large(
        moves in prop::collection::vec(-300i64..300, 1..60), levels in 1u32..5, size in 1i64..200, skew in 0u32..100,
    ) {
        let most = Qty::from_units(500_000_000);
        let options = format!(
            "levels = {levels}\nrequote_threshold_bps = 15\nsize = '0.{size:03}'\nmax_position = '0.5'\nskew_bps = {skew}"
        );
        let mut run = run(&setting(), &grid(&options));
        let mut mid = 100_000;
        for (n, change) in (1..).zip(moves) {
            mid += change;
            run.quote("X", UnixNanos::new(n * MINUTE), mid - 5, mid + 5);
            let world = run.engine.world();
            let resting = |side: Side| -> Qty {
                world.orders().iter().filter(|o| o.request.side == side).map(|o| o.leaves()).sum()
            };
            let position = run.position("X");
            prop_assert!(position + resting(Side::Buy) <= most);
            prop_assert!(resting(Side::Sell) - position <= most);
            prop_assert!(world.orders().iter().all(|o| o.request.kind.limit().is_some()));
        }
    }
}
