use proptest::prelude::*;

use super::*;

fn price(units: i64) -> Price {
    Price::from_units(units)
}
fn level(units: i64, size: i64) -> Level {
    Level { price: price(units), size: Qty::from_units(size) }
}

/// The smallest window: every few ticks leave it.
const NARROW: Shape = Shape { window: 64, levels_max: 1 << 17, depth: None };

/// What a ladder must be: a sorted map, read from its better end.
struct Model {
    side: Side,
    levels: BTreeMap<i64, i64>,
}

impl Model {
    fn best_first(&self) -> Vec<Level> {
        let of = |(units, size): (&i64, &i64)| level(*units, *size);
        match self.side {
            Side::Buy => self.levels.iter().rev().map(of).collect(),
            Side::Sell => self.levels.iter().map(of).collect(),
        }
    }
}

fn check(ladder: &Ladder, model: &Model) {
    let expected = model.best_first();
    assert_eq!(ladder.best(), expected.first().copied());
    assert_eq!(ladder.len(), expected.len());
    assert_eq!(ladder.levels().collect::<Vec<_>>(), expected);
    // A level that could rest in the window does, and none lies in the tree above it.
    for rank in ladder.outer.keys() {
        if let Some(index) = ladder.tick.index(rank ^ ladder.flip) {
            assert!((index ^ ladder.flip) < ladder.base, "{rank} rests in the tree");
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Set(i64, i64),
    DeleteBest,
    DeleteNth(prop::sample::Index),
    Truncate(usize),
    Clear,
}

fn step(prices: BoxedStrategy<i64>) -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (prices, 0..5i64).prop_map(|(p, s)| Step::Set(p, s)),
        4 => Just(Step::DeleteBest),
        2 => any::<prop::sample::Index>().prop_map(Step::DeleteNth),
        1 => (0..40usize).prop_map(Step::Truncate),
        1 => Just(Step::Clear),
    ]
}

/// Prices about a touch that wanders, far ones, ones off the tick, and the ends of the range.
fn prices(tick: i64) -> BoxedStrategy<i64> {
    prop_oneof![
        10 => (-40..40i64).prop_map(move |i| i * tick),
        6 => (-400..400i64).prop_map(move |i| i * tick),
        1 => (-400..400i64).prop_map(move |i| i * tick + 1),
        1 => prop::sample::select(vec![i64::MIN, i64::MIN + 1, i64::MAX, i64::MAX - 1, i64::MAX / tick * tick]),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_ladder_is_a_sorted_map(
        buy in any::<bool>(),
        (tick, steps) in prop::sample::select(vec![1i64, 2, 3, 7, 10, 96, 100_000_000])
            .prop_flat_map(|t| (Just(t), prop::collection::vec(step(prices(t)), 1..200))),
    ) {
        let side = if buy { Side::Buy } else { Side::Sell };
        let mut ladder = Ladder::new(side, price(tick), NARROW);
        let mut model = Model { side, levels: BTreeMap::new() };
        for step in steps {
            match step {
                Step::Set(units, size) => {
                    ladder.set(level(units, size)).unwrap();
                    if size == 0 { model.levels.remove(&units); } else { model.levels.insert(units, size); }
                    prop_assert_eq!(ladder.size_at(price(units)), Qty::from_units(size));
                }
                Step::DeleteBest => if let Some(best) = ladder.best() {
                    ladder.set(level(best.price.units(), 0)).unwrap();
                    model.levels.remove(&best.price.units());
                },
                Step::DeleteNth(at) => if !model.levels.is_empty() {
                    let units = *model.levels.keys().nth(at.index(model.levels.len())).unwrap();
                    ladder.set(level(units, 0)).unwrap();
                    model.levels.remove(&units);
                },
                Step::Truncate(depth) => {
                    ladder.truncate(depth);
                    let kept = model.best_first().into_iter().take(depth);
                    model.levels = kept.map(|l| (l.price.units(), l.size.units())).collect();
                }
                Step::Clear => {
                    ladder.clear();
                    model.levels.clear();
                }
            }
            check(&ladder, &model);
        }
    }

    #[test]
    fn a_tick_divides_as_division_does(
        tick in prop_oneof![1..1_000i64, 1..i64::MAX, (0..63u32).prop_map(|z| 1i64 << z)],
        units in any::<i64>(),
    ) {
        let tick_of = Tick::new(tick);
        for units in [units, units / tick * tick, i64::MAX, i64::MIN, i64::MAX / tick * tick, i64::MIN / tick * tick, 0] {
            let expected = (units % tick == 0).then_some(units / tick);
            prop_assert_eq!(tick_of.index(units), expected, "{} by {}", units, tick);
        }
    }
}

#[test]
fn the_window_follows_a_touch_that_walks_away_and_comes_back() {
    for side in [Side::Buy, Side::Sell] {
        let mut ladder = Ladder::new(side, price(10), NARROW);
        let mut model = Model { side, levels: BTreeMap::new() };
        // Out and back over sixteen windows, one level a tick.
        for i in (0..1_024i64).chain((0..1_024).rev()) {
            let units = if side == Side::Buy { i * 10 } else { -i * 10 };
            let size = if model.levels.contains_key(&units) { 0 } else { i + 1 };
            ladder.set(level(units, size)).unwrap();
            if size == 0 {
                model.levels.remove(&units);
            } else {
                model.levels.insert(units, size);
            }
            check(&ladder, &model);
            let near = ladder.levels().take(8).all(|l| !ladder.outer.contains_key(&(l.price.units() ^ ladder.flip)));
            assert!(near, "what lies at the touch lies in the window");
        }
        assert!(ladder.is_empty());
    }
}

#[test]
fn a_price_off_the_tick_rests_and_can_be_best() {
    let mut bids = Ladder::new(Side::Buy, price(10), NARROW);
    bids.set(level(100, 1)).unwrap();
    bids.set(level(105, 2)).unwrap();
    bids.set(level(110, 3)).unwrap();
    bids.set(level(114, 4)).unwrap();
    assert_eq!(bids.best(), Some(level(114, 4)));
    assert_eq!(bids.outside(), 2);
    assert_eq!(bids.levels().map(|l| l.price.units()).collect::<Vec<_>>(), [114, 110, 105, 100]);
    bids.set(level(114, 0)).unwrap();
    assert_eq!(bids.best(), Some(level(110, 3)));
}

#[test]
fn a_side_refuses_what_passes_its_limit_and_what_is_negative() {
    let mut asks = Ladder::new(Side::Sell, price(1), Shape { levels_max: 3, ..NARROW });
    for units in [100, 101, 100_000] {
        asks.set(level(units, 1)).unwrap();
    }
    let full = Err(BookError::Full { side: Side::Sell, limit: 3 });
    assert_eq!(asks.set(level(99, 1)), full, "in the window");
    assert_eq!(asks.set(level(-99_999, 1)), full, "before the window");
    assert_eq!(asks.set(level(200_000, 1)), full, "behind the window");
    asks.set(level(101, 5)).unwrap();
    asks.set(level(100_000, 0)).unwrap();
    asks.set(level(99, 1)).unwrap();
    assert_eq!(asks.len(), 3);
    assert_eq!(asks.set(level(99, -1)), Err(BookError::NegativeSize { price: price(99), size: Qty::from_units(-1) }));
}
