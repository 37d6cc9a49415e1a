//! What the venue knows at this point of the tape: books, trades, and how every stream stands.
//!
//! Invariant: everything here follows from the frames played so far, whatever faults befell them on the way to a client;
//! only a snapshot recorded later is answered before its time, while there is none yet, as a client that has begun to keep
//! changes can use no other. It knows no socket, and no venue's words: those are the profile's.

use std::collections::VecDeque;

use hyper::StatusCode;
use hyper::body::Bytes;
use starling_core::Price;
use starling_core::order::Side;
use starling_core::time::UnixNanos;
use starling_market::book::{Chain, Limits, Shape, SnapshotSource, SyncedBook};
use starling_market::wire::{Batch, BookUpdate, Connection, Coverage, Feed, Level, Update};

use super::profile::{Profile, Standing, Whole};
use super::tape::{Names, Piece, Tape, TapeFrame};
use crate::dialect::RestTrade;

/// Trades of a symbol that can be asked for.
pub(super) const TRADES_MAX: usize = 1_000_000;
/// Books' tick here: other prices are kept as well, only slower.
const TICK: Price = Price::from_units(10_000_000);
/// Depths a book can be subscribed to where the reader drops what falls out of it (Kraken).
const DEPTHS: [usize; 5] = [10, 25, 100, 500, 1_000];

/// An answer of REST.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    pub(super) weight: u64,
}

/// What REST knows of an instrument.
pub(super) struct Market {
    /// Its book, where a snapshot is asked for.
    pub(super) book: SyncedBook,
    /// The first snapshot on the tape, until one has been played.
    pub(super) to_come: Option<Bytes>,
    /// The latest trades.
    pub(super) trades: VecDeque<RestTrade>,
    /// Most decimals seen of prices and of quantities.
    pub(super) digits: (u8, u8),
}

/// How a stream stands.
#[derive(Default)]
struct Stand {
    /// Its book, where the snapshot comes in the stream.
    book: Option<Box<SyncedBook>>,
    /// Its last message that tells how something stands, not what happened.
    last: Option<Bytes>,
}

/// The venue's knowledge.
pub(super) struct State {
    pub(super) profile: &'static Profile,
    /// The tape's time.
    pub(super) now: UnixNanos,
    /// The recorded `exchangeInfo`, if there was one.
    pub(super) recorded_info: Option<Bytes>,
    wire: Connection,
    symbols: Vec<String>,
    markets: Vec<Market>,
    stands: Vec<Stand>,
    batch: Batch,
}

pub(super) fn digits_of(units: i64) -> u8 {
    let mut digits = 9;
    let mut units = units.unsigned_abs();
    while digits > 0 && units.is_multiple_of(10) {
        units /= 10;
        digits -= 1;
    }
    digits
}

impl Market {
    fn widen(&mut self, price: i64, size: i64) {
        self.digits = (self.digits.0.max(digits_of(price)), self.digits.1.max(digits_of(size)));
    }

    /// Keeps a trade in the order of numbers, once: a first message may tell past ones, the latest first.
    fn keep(&mut self, trade: RestTrade) {
        let follows = self.trades.back().is_none_or(|last| last.trade_id < trade.trade_id);
        let at = if follows { self.trades.len() } else { self.trades.partition_point(|t| t.trade_id < trade.trade_id) };
        if self.trades.get(at).is_some_and(|known| known.trade_id == trade.trade_id) {
            return;
        }
        self.trades.insert(at, trade);
        if self.trades.len() > TRADES_MAX {
            self.trades.pop_front();
        }
    }
}

impl State {
    pub(super) fn new(profile: &'static Profile, tape: &Tape) -> Self {
        let dialect = profile.dialect();
        let mut wire = Connection::new(Feed::named(dialect.feed).expect("every dialect has a decoder"));
        let mut markets: Vec<Market> = (tape.names.symbols.iter())
            .map(|_| Market {
                book: SyncedBook::new(dialect.rules, TICK, Shape::default(), Limits::default()),
                to_come: None,
                trades: VecDeque::new(),
                digits: (0, 0),
            })
            .collect();
        let mut batch = Batch::new();
        if let Some(announce) = profile.announce {
            for (at, stream) in (0u32..).zip(&tape.names.streams) {
                let said = announce(at, &stream.channel, tape.names.symbol(stream.symbol)).to_string();
                wire.decode(said.as_bytes(), &mut batch).expect("a profile speaks its venue's language");
            }
        }
        for frame in &tape.frames {
            if let Piece::Snapshot(at) = frame.piece {
                let market = &mut markets[at as usize];
                if market.to_come.is_none() {
                    market.to_come = Some(frame.data.clone());
                    if wire.decode(&frame.data, &mut batch).is_ok() {
                        batch.levels.iter().for_each(|level| market.widen(level.price.units(), level.size.units()));
                    }
                }
            }
        }
        Self {
            profile,
            now: tape.frames.first().map_or(UnixNanos::EPOCH, |frame| frame.ts),
            recorded_info: tape.exchange_info.clone(),
            wire,
            symbols: tape.names.symbols.clone(),
            markets,
            stands: tape.names.streams.iter().map(|_| Stand::default()).collect(),
            batch,
        }
    }

    /// A frame has been played.
    pub(super) fn play(&mut self, names: &Names, frame: &TapeFrame) {
        self.now = frame.ts;
        let (at, stream) = match frame.piece {
            Piece::Snapshot(at) => (at, None),
            Piece::Stream(stream) => (names.streams[stream as usize].symbol, Some(stream)),
        };
        if self.wire.decode(&frame.data, &mut self.batch).is_err() {
            return;
        }
        let rules = self.profile.dialect().rules;
        let market = &mut self.markets[at as usize];
        for update in &self.batch.updates {
            match (update, stream) {
                (Update::Book { book, .. }, None) => {
                    market.to_come = None;
                    market.book.on_update(book, &self.batch);
                }
                (Update::Book { book, .. }, Some(stream)) => {
                    let stand = &mut self.stands[stream as usize];
                    stand.last = Some(frame.data.clone());
                    if rules.snapshot == SnapshotSource::InStream {
                        let fresh = || Box::new(book_of(self.profile, &names.streams[stream as usize].channel, book));
                        stand.book.get_or_insert_with(fresh).on_update(book, &self.batch);
                    } else if book.coverage == Coverage::Delta {
                        // Another is a partial stream: the top only.
                        market.book.on_update(book, &self.batch);
                    }
                }
                (Update::Quote { .. }, Some(stream)) => {
                    self.stands[stream as usize].last = Some(frame.data.clone());
                }
                (Update::Trade { ts_event, price, size, aggressor, trade_id, .. }, _) => {
                    market.widen(price.units(), size.units());
                    if self.profile.rest.is_some() {
                        let (trade_id, ts_event) = (*trade_id, *ts_event);
                        market.keep(RestTrade {
                            trade_id,
                            ts_event,
                            price: *price,
                            size: *size,
                            aggressor: *aggressor,
                        });
                    }
                }
                _ => {}
            }
        }
    }

    /// The book of a symbol, while it is whole.
    pub(super) fn book(&self, names: &Names, symbol: &str) -> Option<(u64, Vec<Level>, Vec<Level>)> {
        let at = self.symbols.iter().position(|s| s == symbol)?;
        let mut streamed = names.streams.iter().zip(&self.stands).filter(|(stream, _)| stream.symbol as usize == at);
        let synced = streamed.find_map(|(_, stand)| stand.book.as_deref()).unwrap_or(&self.markets[at].book);
        let book = synced.book()?;
        let side = |side| book.levels(side, usize::MAX).collect();
        Some((synced.last_id(), side(Side::Buy), side(Side::Sell)))
    }

    /// What is known of an instrument.
    pub(super) fn market(&self, symbol: &str) -> Option<&Market> {
        self.symbols.iter().position(|s| s == symbol).map(|at| &self.markets[at])
    }

    /// All instruments, by name.
    pub(super) fn markets(&self) -> impl Iterator<Item = (&str, &Market)> {
        self.symbols.iter().map(String::as_str).zip(&self.markets)
    }

    /// The message with which a stream begins now, as a client calls it; none where what it begins with is still to come.
    pub(super) fn standing(&self, stream: u32, channel: &str, symbol: &str) -> Option<Bytes> {
        let stand = &self.stands[stream as usize];
        match (self.profile.standing, stand.book.as_deref()) {
            (Standing::Nothing, _) => None,
            (Standing::Made(snapshot), Some(synced)) => {
                let book = synced.book()?;
                let whole = Whole { stream, channel, symbol, id: synced.last_id(), ts: synced.ts_event(), book };
                Some(snapshot(&whole).into())
            }
            (Standing::Made(_) | Standing::Repeated, _) => stand.last.clone(),
        }
    }
}

/// A book that follows the stream with this first message.
fn book_of(profile: &Profile, channel: &str, first: &BookUpdate) -> SyncedBook {
    let dialect = profile.dialect();
    let mut rules = dialect.rules;
    if first.last_id == 0 {
        // Recorded before the venue numbered it.
        rules.chain = Chain::Unnumbered;
    }
    let depth = dialect.book_depth.map(|least| {
        let named = channel.rsplit_once('-').and_then(|(_, depth)| depth.parse().ok());
        let rows = first.bids.len.max(first.asks.len) as usize;
        let fitting = DEPTHS.into_iter().find(|depth| *depth >= rows).unwrap_or(rows);
        named.unwrap_or(fitting.max(least))
    });
    SyncedBook::new(rules, TICK, Shape { depth, ..Shape::default() }, Limits::default())
}
