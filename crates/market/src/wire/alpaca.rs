//! Alpaca market data streams: trades, quotes and bars of stocks, crypto and options, and crypto order books, as JSON or
//! MessagePack.
//!
//! Invariant: a frame is a list, and every message in it becomes one update, in its order; both encodings of a message give
//! the same update, since one reading serves both. Source: Alpaca Market Data API docs, "WebSocket stream", "Real-time
//! stock data", "Real-time crypto data", "Real-time option data", as of 2025.
//!
//! How the venue is read:
//! - Trades of stocks and options do not say who took liquidity; those of crypto do (`tks`).
//! - Sizes of stock quotes are as the venue sends them: round lots before November 2025, shares since.
//! - Minute bars (`b`) and their corrections (`u`) are complete, daily bars (`d`) still grow.
//! - A crypto order book (`o`) with `r` true is a snapshot.
//! - Corrections (`c`) and cancels (`x`) of trades, trading status (`s`), price bands (`l`), imbalances (`i`) and news (`n`)
//!   are [`Update::Ignored`].

use starling_core::fixed::{Price, Qty};
use starling_core::order::Side;
use starling_core::time::{DAY, MINUTE, UnixNanos};

use super::batch::{Batch, BookUpdate, Coverage, Level, Span, Text, Update};
use super::error::{WireError, WireErrorKind};
use super::json::Cursor;
use super::msgpack::Pack;

/// Reads a frame of JSON.
pub(crate) fn read(frame: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    let mut cursor = Cursor::new(frame)?;
    messages(&mut cursor, batch)?;
    cursor.finish()
}

/// Reads a frame of MessagePack.
pub(crate) fn read_msgpack(frame: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    let mut cursor = Pack::new(frame)?;
    messages(&mut cursor, batch)?;
    cursor.finish()
}

/// What the two encodings have in common: the readings that the messages consist of.
trait Scan: Copy {
    fn at(&self) -> usize;
    fn list(&mut self, item: impl FnMut(&mut Self) -> Result<(), WireError>) -> Result<(), WireError>;
    /// The values of these names; `None` where there is none, or nothing.
    fn named<const N: usize>(&mut self, names: [&'static str; N]) -> Result<[Option<Self>; N], WireError>;
    fn word(&mut self) -> Result<Text, WireError>;
    fn number(&mut self) -> Result<u64, WireError>;
    fn flag(&mut self) -> Result<bool, WireError>;
    fn price(&mut self) -> Result<Price, WireError>;
    fn qty(&mut self) -> Result<Qty, WireError>;
    fn stamp(&mut self) -> Result<UnixNanos, WireError>;
    fn text_of(&self, word: Text) -> &[u8];
    fn refuse_word(&self, word: &[u8], wanted: &'static str) -> WireError;
}

impl Scan for Cursor<'_> {
    fn at(&self) -> usize {
        self.offset()
    }
    fn list(&mut self, item: impl FnMut(&mut Self) -> Result<(), WireError>) -> Result<(), WireError> {
        self.array(item)
    }
    fn named<const N: usize>(&mut self, names: [&'static str; N]) -> Result<[Option<Self>; N], WireError> {
        Ok(self.fields(names)?.map(|field| field.get()))
    }
    fn word(&mut self) -> Result<Text, WireError> {
        self.text()
    }
    fn number(&mut self) -> Result<u64, WireError> {
        self.u64()
    }
    fn flag(&mut self) -> Result<bool, WireError> {
        self.bool()
    }
    fn price(&mut self) -> Result<Price, WireError> {
        Cursor::price(self)
    }
    fn qty(&mut self) -> Result<Qty, WireError> {
        Cursor::qty(self)
    }
    fn stamp(&mut self) -> Result<UnixNanos, WireError> {
        self.stamp_rfc3339()
    }
    fn text_of(&self, word: Text) -> &[u8] {
        word.of(self.frame())
    }
    fn refuse_word(&self, word: &[u8], wanted: &'static str) -> WireError {
        self.refuse(word, wanted)
    }
}

impl Scan for Pack<'_> {
    fn at(&self) -> usize {
        self.offset()
    }
    fn list(&mut self, item: impl FnMut(&mut Self) -> Result<(), WireError>) -> Result<(), WireError> {
        self.array(item)
    }
    fn named<const N: usize>(&mut self, names: [&'static str; N]) -> Result<[Option<Self>; N], WireError> {
        let mut found = [None; N];
        self.map(|cursor, name| {
            if let Some(at) = names.iter().position(|known| known.as_bytes() == name) {
                found[at] = (!cursor.is_nil()).then_some(*cursor);
            }
            cursor.skip()
        })?;
        Ok(found)
    }
    fn word(&mut self) -> Result<Text, WireError> {
        self.text()
    }
    fn number(&mut self) -> Result<u64, WireError> {
        self.u64()
    }
    fn flag(&mut self) -> Result<bool, WireError> {
        self.bool()
    }
    fn price(&mut self) -> Result<Price, WireError> {
        self.units("price").map(Price::from_units)
    }
    fn qty(&mut self) -> Result<Qty, WireError> {
        self.units("quantity").map(Qty::from_units)
    }
    fn stamp(&mut self) -> Result<UnixNanos, WireError> {
        Pack::stamp(self)
    }
    fn text_of(&self, word: Text) -> &[u8] {
        word.of(self.frame())
    }
    fn refuse_word(&self, word: &[u8], wanted: &'static str) -> WireError {
        self.refuse(word, wanted)
    }
}

fn messages<S: Scan>(scan: &mut S, batch: &mut Batch) -> Result<(), WireError> {
    scan.list(|message| {
        let start = *message;
        let [kind] = message.named(["T"])?;
        let mut kind = start.need(kind, "T")?;
        let word = kind.word()?;
        let update = match kind.text_of(word) {
            b"t" => trade(start)?,
            b"q" => quote(start)?,
            b"b" | b"u" => bar(start, MINUTE, true)?,
            b"d" => bar(start, DAY, false)?,
            b"o" => book(start, batch)?,
            b"success" | b"subscription" => Update::Acknowledged,
            b"error" => {
                let [message] = { start }.named(["msg"])?;
                Update::Refused(start.need(message, "msg")?.word()?)
            }
            _ => Update::Ignored,
        };
        batch.put(update)
    })
}

trait Need: Scan {
    fn need(&self, field: Option<Self>, name: &'static str) -> Result<Self, WireError> {
        field.ok_or_else(|| WireError::new(self.at(), WireErrorKind::Missing(name)))
    }
}

impl<S: Scan> Need for S {}

fn trade<S: Scan>(start: S) -> Result<Update, WireError> {
    let [symbol, trade_id, price, size, time, taker] = { start }.named(["S", "i", "p", "s", "t", "tks"])?;
    let aggressor = match taker {
        None => None,
        Some(mut taker) => {
            let word = taker.word()?;
            match taker.text_of(word) {
                b"B" => Some(Side::Buy),
                b"S" => Some(Side::Sell),
                b"" => None,
                other => return Err(taker.refuse_word(other, "`B` or `S`")),
            }
        }
    };
    Ok(Update::Trade {
        symbol: start.need(symbol, "S")?.word()?,
        ts_event: start.need(time, "t")?.stamp()?,
        price: start.need(price, "p")?.price()?,
        size: start.need(size, "s")?.qty()?,
        aggressor,
        // Trades of options have none.
        trade_id: trade_id.map_or(Ok(0), |mut trade_id| trade_id.number())?,
    })
}

fn quote<S: Scan>(start: S) -> Result<Update, WireError> {
    let [symbol, bid, bid_size, ask, ask_size, time] = { start }.named(["S", "bp", "bs", "ap", "as", "t"])?;
    Ok(Update::Quote {
        symbol: start.need(symbol, "S")?.word()?,
        ts_event: start.need(time, "t")?.stamp()?,
        update_id: 0,
        bid: Level { price: start.need(bid, "bp")?.price()?, size: start.need(bid_size, "bs")?.qty()? },
        ask: Level { price: start.need(ask, "ap")?.price()?, size: start.need(ask_size, "as")?.qty()? },
    })
}

fn bar<S: Scan>(start: S, interval_ns: u64, closed: bool) -> Result<Update, WireError> {
    let [symbol, open, high, low, close, volume, time] = { start }.named(["S", "o", "h", "l", "c", "v", "t"])?;
    Ok(Update::Bar {
        symbol: start.need(symbol, "S")?.word()?,
        ts_open: start.need(time, "t")?.stamp()?,
        interval_ns,
        open: start.need(open, "o")?.price()?,
        high: start.need(high, "h")?.price()?,
        low: start.need(low, "l")?.price()?,
        close: start.need(close, "c")?.price()?,
        volume: start.need(volume, "v")?.qty()?,
        closed,
    })
}

fn book<S: Scan>(start: S, batch: &mut Batch) -> Result<Update, WireError> {
    let [symbol, time, bids, asks, whole] = { start }.named(["S", "t", "b", "a", "r"])?;
    let mut side = |rows: Option<S>, name| {
        let first = batch.levels.len();
        start.need(rows, name)?.list(|row| {
            let object = *row;
            let [price, size] = row.named(["p", "s"])?;
            let (price, size) = (object.need(price, "p")?.price()?, object.need(size, "s")?.qty()?);
            batch.levels.push(Level { price, size });
            Ok(())
        })?;
        Ok::<_, WireError>(Span::since(first, batch.levels.len()))
    };
    let (bids, asks) = (side(bids, "b")?, side(asks, "a")?);
    let whole = whole.map_or(Ok(false), |mut whole| whole.flag())?;
    let book = BookUpdate {
        coverage: if whole { Coverage::Snapshot } else { Coverage::Delta },
        ts_event: start.need(time, "t")?.stamp()?,
        first_id: 0,
        last_id: 0,
        previous_id: None,
        checksum: None,
        bids,
        asks,
    };
    Ok(Update::Book { symbol: start.need(symbol, "S")?.word()?, book })
}

#[cfg(test)]
mod tests;
