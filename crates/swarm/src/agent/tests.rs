use proptest::prelude::*;
use starling_core::Side;
use starling_core::fixed::Price;

use super::*;

#[test]
fn a_signal_is_judged_by_the_next_bar() {
    let (buy, sell) = (Some(Side::Buy), Some(Side::Sell));
    let says = [(buy, 5_000), (buy, 5_000), (sell, -10_000), (None, 2_000), (buy, 0)];
    let mut record = TrackRecord::default();
    let mut weights = vec![record.weight()];
    for ((side, target), prices) in says.into_iter().zip([100, 110, 99, 99, 100, 101].windows(2)) {
        record.judge(side, target, Price::from_int(prices[0]), Price::from_int(prices[1]));
        weights.push(record.weight());
    }
    assert_eq!((record.decisions, record.moves, record.hits, record.hit_rate()), (5, 3, 2, Some(6_666)));
    // Half of +10 %, half of -10 %, nothing of nothing, a fifth of 1/99.
    assert_eq!(record.pnl_ppm, 2_020);
    // (100 + 20) / (100 + 40); then the 100 fade by 1/92, and 100 are lost.
    assert_eq!(weights[..4], [5_000, 8_571, 4_977, 4_977]);
}

#[test]
fn no_stroke_of_luck_counts_more_than_another() {
    let mut small = TrackRecord::default();
    let mut large = TrackRecord::default();
    small.judge(Some(Side::Buy), 0, Price::from_int(100), Price::from_int(110));
    large.judge(Some(Side::Buy), 0, Price::from_int(1), Price::from_int(1_000_000));
    assert_eq!(small.weight(), large.weight());
    let mut broken = TrackRecord::default();
    broken.judge(Some(Side::Buy), UNIT as i16, Price::from_int(0), Price::from_int(5));
    broken.judge(Some(Side::Buy), UNIT as i16, Price::from_int(-5), Price::from_int(5));
    assert_eq!((broken.decisions, broken.moves, broken.weight()), (2, 0, 5_000));
}

#[test]
fn roles_know_their_rights() {
    let all = Role::ALL.iter().fold(0, |all, role| all | role.capability().0);
    assert_eq!(all.count_ones() as usize, Role::ALL.len(), "each its own bit");
    let names =
        |right: fn(Role) -> bool| Role::ALL.into_iter().filter(|r| right(*r)).map(Role::name).collect::<Vec<_>>();
    assert_eq!(names(Role::has_veto), ["risk_manager"]);
    assert_eq!(names(|role| !role.votes()), ["risk_manager", "coordinator"]);
    for role in Role::ALL {
        let bytes = postcard::to_allocvec(&role).unwrap();
        assert_eq!(postcard::from_bytes::<Role>(&bytes), Ok(role));
    }
}

proptest! {
    /// Weights mirror: who says the opposite has what is missing to one.
    #[test]
    fn opposites_share_one(closes in proptest::collection::vec(1..100_000i64, 2..200)) {
        let (mut one, mut other) = (TrackRecord::default(), TrackRecord::default());
        for (at, pair) in closes.windows(2).enumerate() {
            let side = if at % 3 == 0 { Side::Buy } else { Side::Sell };
            let (then, now) = (Price::from_int(pair[0]), Price::from_int(pair[1]));
            one.judge(Some(side), 100, then, now);
            other.judge(Some(side.opposite()), -100, then, now);
        }
        let sum = one.weight() + other.weight();
        prop_assert!(sum == UNIT || sum == UNIT - 1, "{sum}");
        prop_assert_eq!(one.hits + other.hits, one.moves);
        prop_assert_eq!(one.pnl_ppm, -other.pnl_ppm);
    }
}
