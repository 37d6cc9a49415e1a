//! Hyperliquid: trades, order books, best prices and candles of its WebSocket, and the same over `POST /info`.
//!
//! Invariant: every entry of a message becomes one update, in its order. Source: Hyperliquid API docs, "WebSocket" and "Info
//! endpoint", as of 2025.
//!
//! How the venue is read:
//! - `l2Book` is a snapshot of the top (20 levels a side), without a number: every message replaces the book.
//! - The `side` of a trade is the taker's: `B` bought, `A` sold.
//! - A side of `bbo` that is `null` is a level of size zero: nothing rests there.
//! - The venue does not say whether a candle is complete: `closed` is always false.
//! - `allMids` has no bid and ask and is [`Update::Ignored`]; so are all private channels.

use starling_core::time::{DAY, HOUR, MINUTE, UnixNanos};
use starling_core::{Price, Qty};

use super::batch::{Batch, BookUpdate, Coverage, Level, Span, Update};
use super::error::WireError;
use super::feed::whole;
use super::json::Cursor;

pub(crate) fn read(frame: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    let mut body = Cursor::new(frame)?;
    let kind = { body }.peek();
    let fields = whole(frame, |cursor| match kind {
        Some(b'{') => cursor.fields(["channel", "data", "levels"]).map(Some),
        _ => cursor.skip().map(|()| None),
    })?;
    match fields {
        // What was asked for: the latest trades, or bars.
        None if kind == Some(b'[') => body.array(|entry| listed(entry, batch)),
        None => batch.put(Update::Ignored),
        Some([channel, data, levels]) => match channel.get() {
            Some(mut channel) => streamed(channel.string()?, data.get(), batch),
            None if levels.is_present() => book(body, batch),
            None => batch.put(Update::Ignored),
        },
    }
}

fn streamed(channel: &[u8], data: Option<Cursor<'_>>, batch: &mut Batch) -> Result<(), WireError> {
    match (channel, data) {
        (b"pong", _) => batch.put(Update::Heartbeat),
        (b"subscriptionResponse", _) => batch.put(Update::Acknowledged),
        (b"trades", Some(mut data)) => data.array(|entry| trade(entry, batch)),
        (b"l2Book", Some(data)) => book(data, batch),
        (b"bbo", Some(data)) => best(data, batch),
        // One bar, or a list of them.
        (b"candle", Some(mut data)) => match data.peek() {
            Some(b'[') => data.array(|entry| candle(entry, batch)),
            _ => candle(&mut data, batch),
        },
        (b"error", Some(mut data)) => {
            let text = data.text()?;
            batch.put(Update::Refused(text))
        }
        _ => batch.put(Update::Ignored),
    }
}

fn listed(entry: &mut Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let mut start = *entry;
    if entry.peek() == Some(b'{') {
        let [trade_id, open] = entry.fields(["tid", "o"])?;
        if trade_id.is_present() {
            return trade(&mut start, batch);
        }
        if open.is_present() {
            return candle(&mut start, batch);
        }
    } else {
        entry.skip()?;
    }
    batch.put(Update::Ignored)
}

fn trade(entry: &mut Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, side, price, size, time, trade_id] = entry.fields(["coin", "side", "px", "sz", "time", "tid"])?;
    batch.put(Update::Trade {
        symbol: symbol.need()?.text()?,
        ts_event: time.need()?.stamp_ms()?,
        price: price.need()?.price()?,
        size: size.need()?.qty()?,
        aggressor: Some(side.need()?.side(b"B", b"A", "`B` or `A`")?),
        trade_id: trade_id.need()?.u64()?,
    })
}

fn book(mut data: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, levels, time] = data.fields(["coin", "levels", "time"])?;
    let [bids, asks] = levels.need()?.items(["bids", "asks"])?;
    let mut side = |mut rows: Cursor<'_>| {
        let start = batch.levels.len();
        rows.array(|row| {
            let [price, size] = row.fields(["px", "sz"])?;
            batch.levels.extend(Cursor::resting_level(price.need()?, size.need()?)?);
            Ok(())
        })?;
        Ok::<_, WireError>(Span::since(start, batch.levels.len()))
    };
    let book = BookUpdate {
        coverage: Coverage::Snapshot,
        ts_event: time.need()?.stamp_ms()?,
        first_id: 0,
        last_id: 0,
        previous_id: None,
        checksum: None,
        bids: side(bids.need()?)?,
        asks: side(asks.need()?)?,
    };
    batch.put(Update::Book { symbol: symbol.need()?.text()?, book })
}

fn level(row: &mut Cursor<'_>) -> Result<Level, WireError> {
    let [price, size] = row.fields(["px", "sz"])?;
    Ok(Level { price: price.need()?.price()?, size: size.need()?.qty()? })
}

fn best(mut data: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, time, best] = data.fields(["coin", "time", "bbo"])?;
    let [bid, ask] = best.need()?.items(["bid", "ask"])?;
    let side = |row: Option<Cursor<'_>>| match row {
        Some(mut row) => level(&mut row),
        None => Ok(Level { price: Price::ZERO, size: Qty::ZERO }),
    };
    batch.put(Update::Quote {
        symbol: symbol.need()?.text()?,
        ts_event: time.need()?.stamp_ms()?,
        update_id: 0,
        bid: side(bid.get())?,
        ask: side(ask.get())?,
    })
}

fn candle(entry: &mut Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [start, symbol, interval, open, close, high, low, volume] =
        entry.fields(["t", "s", "i", "o", "c", "h", "l", "v"])?;
    let mut interval = interval.need()?;
    let text = interval.string()?;
    let ts_open: UnixNanos = start.need()?.stamp_ms()?;
    batch.put(Update::Bar {
        symbol: symbol.need()?.text()?,
        ts_open,
        interval_ns: interval_ns(text).ok_or_else(|| interval.refuse(text, "an interval such as 1m, 4h, 3d"))?,
        open: open.need()?.price()?,
        high: high.need()?.price()?,
        low: low.need()?.price()?,
        close: close.need()?.price()?,
        volume: volume.need()?.qty()?,
        closed: false,
    })
}

// A month has no fixed length: 0.
fn interval_ns(text: &[u8]) -> Option<u64> {
    let (unit, count) = text.split_last()?;
    let unit = match unit {
        b'm' => MINUTE,
        b'h' => HOUR,
        b'd' => DAY,
        b'w' => 7 * DAY,
        b'M' => 0,
        _ => return None,
    };
    std::str::from_utf8(count).ok()?.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests;
