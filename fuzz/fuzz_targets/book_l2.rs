//! A level-2 book against two sorted maps: any prices, any sizes, any tick, a window of 64 ticks and of 4,096.

#![no_main]

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use starling_core::fixed::{Price, Qty};
use starling_core::order::Side;
use starling_market::book::{Checksum, Digits, LevelBook, Shape};
use starling_market::wire::{Coverage, Level};

#[derive(Debug, Arbitrary)]
enum Step {
    /// A price near zero, in ticks and a remainder.
    Near {
        buy: bool,
        ticks: i16,
        rest: u8,
        size: u8,
    },
    Any {
        buy: bool,
        price: i64,
        size: i64,
    },
    DeleteBest {
        buy: bool,
    },
    Snapshot {
        bids: Vec<(i8, u8)>,
        asks: Vec<(i8, u8)>,
    },
    Sweep {
        buy: bool,
        size: i64,
    },
    Checksum {
        price_digits: u8,
        size_digits: u8,
    },
}

#[derive(Debug, Arbitrary)]
struct Input {
    tick: u32,
    wide: bool,
    depth: Option<u8>,
    steps: Vec<Step>,
}

fn level(price: i64, size: i64) -> Level {
    Level { price: Price::from_units(price), size: Qty::from_units(size) }
}

struct Model {
    sides: [BTreeMap<i64, i64>; 2],
    depth: Option<usize>,
}

impl Model {
    fn set(&mut self, side: Side, level: Level) {
        let map = &mut self.sides[usize::from(side == Side::Sell)];
        if level.size.is_zero() {
            map.remove(&level.price.units());
        } else {
            map.insert(level.price.units(), level.size.units());
        }
    }
    fn best_first(&self, side: Side) -> Vec<Level> {
        let map = &self.sides[usize::from(side == Side::Sell)];
        let of = |(price, size): (&i64, &i64)| level(*price, *size);
        match side {
            Side::Buy => map.iter().rev().map(of).collect(),
            Side::Sell => map.iter().map(of).collect(),
        }
    }
    fn cut(&mut self) {
        let Some(depth) = self.depth else { return };
        for side in [Side::Buy, Side::Sell] {
            for gone in self.best_first(side).into_iter().skip(depth) {
                self.set(side, Level { size: Qty::ZERO, ..gone });
            }
        }
    }
}

fuzz_target!(|input: Input| {
    let tick = i64::from(input.tick.max(1));
    let shape =
        Shape { window: if input.wide { 4_096 } else { 64 }, depth: input.depth.map(usize::from), ..Shape::default() };
    let mut book = LevelBook::with_shape(Price::from_units(tick), shape);
    let mut model = Model { sides: Default::default(), depth: shape.depth };
    let side_of = |buy: bool| if buy { Side::Buy } else { Side::Sell };
    for step in &input.steps {
        let one = match step {
            Step::Near { buy, ticks, rest, size } => {
                Some((side_of(*buy), level(i64::from(*ticks) * tick + i64::from(*rest), i64::from(*size))))
            }
            Step::Any { buy, price, size } => Some((side_of(*buy), level(*price, *size))),
            Step::DeleteBest { buy } => {
                let side = side_of(*buy);
                book.side(side).best().map(|best| (side, Level { size: Qty::ZERO, ..best }))
            }
            Step::Snapshot { bids, asks } => {
                let rows = |rows: &[(i8, u8)]| -> Vec<Level> {
                    rows.iter().map(|(ticks, size)| level(i64::from(*ticks) * tick, i64::from(*size))).collect()
                };
                let (bids, asks) = (rows(bids), rows(asks));
                book.apply_levels(Coverage::Snapshot, &bids, &asks).unwrap();
                model.sides = Default::default();
                bids.iter().for_each(|l| model.set(Side::Buy, *l));
                asks.iter().for_each(|l| model.set(Side::Sell, *l));
                model.cut();
                None
            }
            Step::Sweep { buy, size } => {
                let taker = side_of(*buy);
                let sweep = book.sweep(taker, Qty::from_units(*size));
                let there: i128 = model.best_first(taker.opposite()).iter().map(|l| i128::from(l.size.units())).sum();
                assert_eq!(i128::from(sweep.filled.units()), there.min((*size).max(0).into()));
                None
            }
            Step::Checksum { price_digits, size_digits } => {
                let digits = Digits::Fixed(*price_digits);
                let kraken = Checksum::Kraken { price_digits: *price_digits, size_digits: *size_digits };
                for rule in [Checksum::Okx { price: digits, size: Digits::Shortest }, kraken, Checksum::Bitfinex] {
                    assert_eq!(book.checksum(rule), book.checksum(rule));
                }
                None
            }
        };
        if let Some((side, level)) = one {
            let (bids, asks) = if side == Side::Buy { (&[level][..], &[][..]) } else { (&[][..], &[level][..]) };
            match book.apply_levels(Coverage::Delta, bids, asks) {
                Ok(()) => {
                    model.set(side, level);
                    model.cut();
                }
                Err(_) => assert!(level.size.is_negative(), "nothing else is refused"),
            }
        }
        for side in [Side::Buy, Side::Sell] {
            let expected = model.best_first(side);
            assert_eq!(book.side(side).best(), expected.first().copied());
            assert!(book.side(side).levels().eq(expected.iter().copied()));
        }
        let (mid, micro) = (book.mid(), book.microprice());
        assert_eq!(mid.is_some(), micro.is_some());
        assert!(book.imbalance(5).is_none_or(|x| x.abs() <= 1.0));
    }
});
