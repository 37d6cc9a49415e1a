//! Records: the bytes of one, and the fields of the types that market data needs.

use starling_core::{Price, UnixNanos};

use super::metadata::text_of;
use super::{PRICE_UNDEFINED, STAMP_UNDEFINED, rtype};

pub(super) const HEADER_LEN: usize = 16;
/// A record with best bid and ask, and what each further level adds.
pub(super) const TICK_LEN: usize = 48;
pub(super) const LEVEL_LEN: usize = 32;
pub(super) const ORDER_LEN: usize = 56;
pub(super) const BAR_LEN: usize = 56;

/// What every record begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Its type, one of [`rtype`](super::rtype).
    pub rtype: u8,
    /// Databento's number of dataset and venue.
    pub publisher_id: u16,
    /// The instrument's number, good for a day.
    pub instrument_id: u32,
    /// When the matching engine received it; of a bar the start of its interval. None where it is not known.
    pub ts_event: Option<UnixNanos>,
}

/// A record's bytes, of a length that its type allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a> {
    bytes: &'a [u8],
    version: u8,
    ts_out: bool,
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the length was checked when the record was cut")
}
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}
fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(array(bytes, at))
}
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}
fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(array(bytes, at))
}
fn price_at(bytes: &[u8], at: usize) -> Option<Price> {
    let units = i64_at(bytes, at);
    (units != PRICE_UNDEFINED).then_some(Price::from_units(units))
}
fn stamp_at(bytes: &[u8], at: usize) -> Option<UnixNanos> {
    let nanos = u64_at(bytes, at);
    (nanos != STAMP_UNDEFINED).then_some(UnixNanos::new(nanos))
}

impl<'a> Raw<'a> {
    /// None if the type cannot have this length; a type that is not known may have any.
    pub(super) fn new(bytes: &'a [u8], version: u8, ts_out: bool) -> Option<Self> {
        let body = bytes.len().checked_sub(if ts_out { 8 } else { 0 })?;
        let sound = match bytes[1] {
            rtype::TRADE => body == TICK_LEN,
            rtype::MBP_1 | rtype::CMBP_1..=rtype::TBBO => body == TICK_LEN + LEVEL_LEN,
            rtype::MBP_10 => body == TICK_LEN + 10 * LEVEL_LEN,
            rtype::OHLCV_OLD | rtype::OHLCV_1S..=rtype::OHLCV_EOD => body == BAR_LEN,
            rtype::MBO => body == ORDER_LEN,
            rtype::STATUS => body == 40,
            rtype::DEFINITION => matches!(body, 360 | 400 | 520),
            rtype::IMBALANCE => body == 112,
            rtype::STATISTICS => matches!(body, 64 | 80),
            _ => body >= HEADER_LEN,
        };
        sound.then_some(Self { bytes, version, ts_out })
    }

    /// All its bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The version of the encoding it was read from.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version
    }

    /// When the gateway sent it, where the file says so.
    #[must_use]
    pub fn ts_out(&self) -> Option<UnixNanos> {
        self.ts_out.then(|| stamp_at(self.bytes, self.bytes.len() - 8)).flatten()
    }

    /// Its header.
    #[must_use]
    pub fn header(&self) -> Header {
        Header {
            rtype: self.bytes[1],
            publisher_id: u16_at(self.bytes, 2),
            instrument_id: u32_at(self.bytes, 4),
            ts_event: stamp_at(self.bytes, 8),
        }
    }

    /// Its fields.
    #[must_use]
    pub fn record(&self) -> Record<'a> {
        let b = self.bytes;
        let body = b.len() - if self.ts_out { 8 } else { 0 };
        match b[1] {
            rtype::TRADE | rtype::MBP_1 | rtype::MBP_10 | rtype::CMBP_1..=rtype::TBBO => Record::Tick(Tick {
                price: price_at(b, 16),
                size: u32_at(b, 24),
                action: b[28],
                side: b[29],
                flags: b[30],
                depth: b[31],
                ts_recv: stamp_at(b, 32),
                ts_in_delta: i32_at(b, 40),
                sequence: u32_at(b, 44),
                levels: Levels { bytes: &b[TICK_LEN..body] },
            }),
            rtype::MBO => Record::Order(Order {
                order_id: u64_at(b, 16),
                price: price_at(b, 24),
                size: u32_at(b, 32),
                flags: b[36],
                channel: b[37],
                action: b[38],
                side: b[39],
                ts_recv: stamp_at(b, 40),
                ts_in_delta: i32_at(b, 48),
                sequence: u32_at(b, 52),
            }),
            rtype::OHLCV_OLD | rtype::OHLCV_1S..=rtype::OHLCV_EOD => Record::Bar(Bar {
                open: price_at(b, 16),
                high: price_at(b, 24),
                low: price_at(b, 32),
                close: price_at(b, 40),
                volume: u64_at(b, 48),
            }),
            rtype::STATUS => Record::Status(Status {
                ts_recv: stamp_at(b, 16),
                action: u16_at(b, 24),
                reason: u16_at(b, 26),
                trading_event: u16_at(b, 28),
                is_trading: b[30],
                is_quoting: b[31],
            }),
            rtype::DEFINITION => Record::Definition(Definition { bytes: b, body }),
            rtype::IMBALANCE => Record::Imbalance(Imbalance {
                ts_recv: stamp_at(b, 16),
                reference: price_at(b, 24),
                auction_time: stamp_at(b, 32),
                paired: u32_at(b, 88),
                imbalance: u32_at(b, 92),
                side: b[105],
            }),
            rtype::STATISTICS => {
                // Versions 1 and 2 have a quantity of 32 bits.
                let (quantity, at) = if body == 64 {
                    let quantity = i32_at(b, 40);
                    ((quantity != i32::MAX).then_some(i64::from(quantity)), 44)
                } else {
                    let quantity = i64_at(b, 40);
                    ((quantity != i64::MAX).then_some(quantity), 48)
                };
                Record::Statistic(Statistic {
                    ts_recv: stamp_at(b, 16),
                    ts_ref: stamp_at(b, 24),
                    price: price_at(b, 32),
                    quantity,
                    sequence: u32_at(b, at),
                    kind: u16_at(b, at + 8),
                })
            }
            _ => Record::Other,
        }
    }
}

/// A record's fields, by type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record<'a> {
    /// `trades`, `tbbo`, `mbp-1`, `mbp-10`, `bbo-*`, `cmbp-1`, `cbbo-*`, `tcbbo`: what happened, and the book behind it.
    Tick(Tick<'a>),
    /// `mbo`: what happened to an order.
    Order(Order),
    /// `ohlcv-*`.
    Bar(Bar),
    /// `definition`.
    Definition(Definition<'a>),
    /// `status`.
    Status(Status),
    /// `imbalance`.
    Imbalance(Imbalance),
    /// `statistics`.
    Statistic(Statistic),
    /// Words of the gateway, symbol mappings, and types that came after this code.
    Other,
}

/// A change of the book or a trade, with the levels that stand after it (`tbbo`: before).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick<'a> {
    /// The price of the order or trade; of `bbo` records that of the last trade.
    pub price: Option<Price>,
    /// Its quantity.
    pub size: u32,
    /// `A`dd, `C`ancel, `M`odify, clea`R`, `T`rade, `F`ill, `N`one; zero in `bbo` records.
    pub action: u8,
    /// `B`id or `A`sk; of a trade the side that took; `N` where it is not told.
    pub side: u8,
    /// Bits; 0x80 ends an event.
    pub flags: u8,
    /// The level that changed, from 0.
    pub depth: u8,
    /// When Databento received it.
    pub ts_recv: Option<UnixNanos>,
    /// Nanoseconds from the venue's sending to `ts_recv`.
    pub ts_in_delta: i32,
    /// The venue's number of the message.
    pub sequence: u32,
    /// The levels, best first: none, one, or ten.
    pub levels: Levels<'a>,
}

/// Levels of a [`Tick`]; the default is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Levels<'a> {
    bytes: &'a [u8],
}

impl<'a> Levels<'a> {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / LEVEL_LEN
    }

    /// True of a trade alone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The level at a place, from 0.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<Level> {
        let b = self.bytes.get(place * LEVEL_LEN..(place + 1) * LEVEL_LEN)?;
        Some(Level {
            bid: price_at(b, 0),
            ask: price_at(b, 8),
            bid_size: u32_at(b, 16),
            ask_size: u32_at(b, 20),
            bid_count: u32_at(b, 24),
            ask_count: u32_at(b, 28),
        })
    }

    /// All, best first.
    pub fn iter(self) -> impl Iterator<Item = Level> + use<'a> {
        (0..self.len()).filter_map(move |place| self.get(place))
    }
}

/// A level of both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// Bid.
    pub bid: Option<Price>,
    /// Ask.
    pub ask: Option<Price>,
    /// Quantity at the bid.
    pub bid_size: u32,
    /// Quantity at the ask.
    pub ask_size: u32,
    /// Orders at the bid; of consolidated records the publisher of the bid.
    pub bid_count: u32,
    /// Orders at the ask; of consolidated records the publisher of the ask.
    pub ask_count: u32,
}

/// What happened to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The venue's number of the order.
    pub order_id: u64,
    /// Its price.
    pub price: Option<Price>,
    /// Its quantity.
    pub size: u32,
    /// Bits; 0x80 ends an event.
    pub flags: u8,
    /// The venue's channel.
    pub channel: u8,
    /// `A`dd, `C`ancel, `M`odify, clea`R`, `T`rade, `F`ill, `N`one.
    pub action: u8,
    /// `B`id or `A`sk; of a trade the side that took; `N` where it is not told.
    pub side: u8,
    /// When Databento received it.
    pub ts_recv: Option<UnixNanos>,
    /// Nanoseconds from the venue's sending to `ts_recv`.
    pub ts_in_delta: i32,
    /// The venue's number of the message.
    pub sequence: u32,
}

/// A bar; its header is stamped at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// First price.
    pub open: Option<Price>,
    /// Highest.
    pub high: Option<Price>,
    /// Lowest.
    pub low: Option<Price>,
    /// Last.
    pub close: Option<Price>,
    /// Quantity traded.
    pub volume: u64,
}

/// A change of trading status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// When Databento received it.
    pub ts_recv: Option<UnixNanos>,
    /// The number of what changed.
    pub action: u16,
    /// The number of the reason.
    pub reason: u16,
    /// The number of a further detail.
    pub trading_event: u16,
    /// `Y`, `N`, or `~` where it is not told.
    pub is_trading: u8,
    /// `Y`, `N`, or `~`.
    pub is_quoting: u8,
}

/// The imbalance of an auction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imbalance {
    /// When Databento received it.
    pub ts_recv: Option<UnixNanos>,
    /// The price it is computed at.
    pub reference: Option<Price>,
    /// When the auction is.
    pub auction_time: Option<UnixNanos>,
    /// Quantity that would trade.
    pub paired: u32,
    /// Quantity that would not.
    pub imbalance: u32,
    /// The side of it: `B`, `A` or `N`.
    pub side: u8,
}

/// A figure that the venue publishes: settlement, open interest, ...
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistic {
    /// When Databento received it.
    pub ts_recv: Option<UnixNanos>,
    /// What moment it is about.
    pub ts_ref: Option<UnixNanos>,
    /// Its value, where it is a price.
    pub price: Option<Price>,
    /// Its value, where it is a quantity.
    pub quantity: Option<i64>,
    /// The venue's number of the message.
    pub sequence: u32,
    /// The number of the figure: 3 settlement, 9 open interest, ...
    pub kind: u16,
}

/// The terms of an instrument. Versions order the fields differently; lengths tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition<'a> {
    bytes: &'a [u8],
    body: usize,
}

/// Offsets of a definition's fields.
struct Places {
    raw_symbol: (usize, usize),
    group: usize,
    exchange: usize,
    asset: (usize, usize),
    class: usize,
    currency: usize,
    strike: usize,
    multiplier: usize,
    round_lot: usize,
}

/// By length: versions 1, 2 and 3.
const PLACES: [(usize, Places); 3] = [
    (
        360,
        Places {
            raw_symbol: (200, 22),
            group: 222,
            exchange: 243,
            asset: (248, 7),
            class: 325,
            currency: 186,
            strike: 328,
            multiplier: 160,
            round_lot: 148,
        },
    ),
    (
        400,
        Places {
            raw_symbol: (200, 71),
            group: 271,
            exchange: 292,
            asset: (297, 7),
            class: 374,
            currency: 186,
            strike: 112,
            multiplier: 164,
            round_lot: 156,
        },
    ),
    (
        520,
        Places {
            raw_symbol: (238, 71),
            group: 309,
            exchange: 330,
            asset: (335, 11),
            class: 487,
            currency: 224,
            strike: 104,
            multiplier: 176,
            round_lot: 168,
        },
    ),
];

impl<'a> Definition<'a> {
    fn places(&self) -> &'static Places {
        let found = PLACES.iter().find(|(len, _)| *len == self.body);
        &found.expect("the length was checked when the record was cut").1
    }
    fn text(&self, at: usize, len: usize) -> &'a str {
        text_of(&self.bytes[at..at + len]).unwrap_or_default()
    }
    /// When Databento received it.
    #[must_use]
    pub fn ts_recv(&self) -> Option<UnixNanos> {
        stamp_at(self.bytes, 16)
    }
    /// The smallest price step.
    #[must_use]
    pub fn price_increment(&self) -> Option<Price> {
        price_at(self.bytes, 24)
    }
    /// What prices are multiplied by for display, at 1e-9.
    #[must_use]
    pub fn display_factor(&self) -> Option<Price> {
        price_at(self.bytes, 32)
    }
    /// Last eligible trade.
    #[must_use]
    pub fn expiration(&self) -> Option<UnixNanos> {
        stamp_at(self.bytes, 40)
    }
    /// First.
    #[must_use]
    pub fn activation(&self) -> Option<UnixNanos> {
        stamp_at(self.bytes, 48)
    }
    /// The venue's name of the instrument.
    #[must_use]
    pub fn raw_symbol(&self) -> &'a str {
        let (at, len) = self.places().raw_symbol;
        self.text(at, len)
    }
    /// The venue's group.
    #[must_use]
    pub fn group(&self) -> &'a str {
        self.text(self.places().group, 21)
    }
    /// The venue.
    #[must_use]
    pub fn exchange(&self) -> &'a str {
        self.text(self.places().exchange, 5)
    }
    /// The underlying product's code.
    #[must_use]
    pub fn asset(&self) -> &'a str {
        let (at, len) = self.places().asset;
        self.text(at, len)
    }
    /// The currency of its price.
    #[must_use]
    pub fn currency(&self) -> &'a str {
        self.text(self.places().currency, 4)
    }
    /// `K` stock, `F` future, `C` call, `P` put, ...
    #[must_use]
    pub fn instrument_class(&self) -> u8 {
        self.bytes[self.places().class]
    }
    /// The strike of an option.
    #[must_use]
    pub fn strike(&self) -> Option<Price> {
        price_at(self.bytes, self.places().strike)
    }
    /// Units of a contract.
    #[must_use]
    pub fn contract_multiplier(&self) -> Option<i32> {
        let value = i32_at(self.bytes, self.places().multiplier);
        (value != i32::MAX).then_some(value)
    }
    /// A round lot.
    #[must_use]
    pub fn round_lot(&self) -> Option<i32> {
        let value = i32_at(self.bytes, self.places().round_lot);
        (value != i32::MAX).then_some(value)
    }
}
