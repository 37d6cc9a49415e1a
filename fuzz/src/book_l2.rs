//! A level-2 book against two sorted maps: any prices, any sizes, any tick, a window of 64 ticks and of 512.
//!
//! An input is the tick (four bytes), flags and a depth, and then steps: a byte that names it, and its numbers.

use std::collections::BTreeMap;
use std::hint::black_box;

use starling_core::fixed::{Price, Qty};
use starling_core::order::Side;
use starling_market::book::{Checksum, Digits, LevelBook, Shape};
use starling_market::wire::{Coverage, Level};

use super::bytes::Bytes;

#[derive(Debug)]
enum Step {
    /// A price near zero, in ticks and a remainder.
    Near {
        side: Side,
        ticks: i16,
        rest: u8,
        size: u8,
    },
    Any {
        side: Side,
        level: Level,
    },
    DeleteBest {
        side: Side,
    },
    /// Bids and asks, in ticks.
    Snapshot {
        rows: [Vec<(i8, u8)>; 2],
    },
    Sweep {
        taker: Side,
        size: i64,
    },
    Checksum {
        price_digits: u8,
        size_digits: u8,
    },
}

impl Step {
    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        let name = bytes.u8()?;
        let side = if name & 0x80 == 0 { Side::Buy } else { Side::Sell };
        Some(match name & 7 {
            0..=2 => Self::Near { side, ticks: bytes.i16()?, rest: bytes.u8()?, size: bytes.u8()? },
            3 => Self::Any { side, level: level(bytes.i64()?, bytes.i64()?) },
            4 => Self::DeleteBest { side },
            5 => {
                let counts = bytes.u8()?;
                let mut rows =
                    |count: u8| (0..count).map(|_| Some((bytes.i8()?, bytes.u8()?))).collect::<Option<Vec<_>>>();
                Self::Snapshot { rows: [rows(counts & 15)?, rows(counts >> 4)?] }
            }
            6 => Self::Sweep { taker: side, size: bytes.i64()? },
            // A checksum takes longer than all other steps.
            _ if name & 0x78 == 0 => Self::Checksum { price_digits: bytes.u8()? % 20, size_digits: bytes.u8()? % 20 },
            _ => Self::Near { side, ticks: bytes.i8()?.into(), rest: 0, size: bytes.u8()? },
        })
    }
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
    fn best(&self, side: Side) -> Option<Level> {
        let map = &self.sides[usize::from(side == Side::Sell)];
        let best = if side == Side::Buy { map.last_key_value() } else { map.first_key_value() };
        best.map(|(price, size)| level(*price, *size))
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

pub fn judge(input: &[u8]) {
    let mut bytes = Bytes(input);
    let (Some(tick), Some(flags), Some(depth)) = (bytes.u32(), bytes.u8(), bytes.u8()) else { return };
    let tick = i64::from(tick.max(1));
    let shape = Shape {
        window: if flags & 1 == 0 { 64 } else { 512 },
        depth: (flags & 2 != 0).then_some(usize::from(depth)),
        ..Shape::default()
    };
    let mut book = LevelBook::with_shape(Price::from_units(tick), shape);
    let mut model = Model { sides: Default::default(), depth: shape.depth };
    for at in 0.. {
        let Some(step) = Step::read(&mut bytes) else { return };
        let one = match step {
            Step::Near { side, ticks, rest, size } => {
                Some((side, level(i64::from(ticks) * tick + i64::from(rest), i64::from(size))))
            }
            Step::Any { side, level } => Some((side, level)),
            Step::DeleteBest { side } => book.side(side).best().map(|best| (side, Level { size: Qty::ZERO, ..best })),
            Step::Snapshot { rows } => {
                let [bids, asks] = rows.map(|rows| {
                    let of = |(ticks, size): (i8, u8)| level(i64::from(ticks) * tick, i64::from(size));
                    rows.into_iter().map(of).collect::<Vec<Level>>()
                });
                book.apply_levels(Coverage::Snapshot, &bids, &asks).expect("a snapshot of good sizes is taken");
                model.sides = Default::default();
                bids.iter().for_each(|l| model.set(Side::Buy, *l));
                asks.iter().for_each(|l| model.set(Side::Sell, *l));
                model.cut();
                None
            }
            Step::Sweep { taker, size } => {
                let sweep = book.sweep(taker, Qty::from_units(size));
                let there: i128 = model.best_first(taker.opposite()).iter().map(|l| i128::from(l.size.units())).sum();
                assert_eq!(i128::from(sweep.filled.units()), there.min(size.max(0).into()));
                None
            }
            Step::Checksum { price_digits, size_digits } => {
                let digits = Digits::Fixed(price_digits);
                let kraken = Checksum::Kraken { price_digits, size_digits };
                for rule in [Checksum::Okx { price: digits, size: Digits::Shortest }, kraken, Checksum::Bitfinex] {
                    black_box(book.checksum(rule));
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
            assert_eq!(book.side(side).best(), model.best(side));
        }
        // Every level costs, and a wrong one stays.
        if at % 8 == 7 || bytes.0.is_empty() {
            for side in [Side::Buy, Side::Sell] {
                assert!(book.side(side).levels().eq(model.best_first(side)));
            }
        }
        let (mid, micro) = (book.mid(), book.microprice());
        assert_eq!(mid.is_some(), micro.is_some());
        assert!(book.imbalance(5).is_none_or(|x| x.abs() <= 1.0));
    }
}
