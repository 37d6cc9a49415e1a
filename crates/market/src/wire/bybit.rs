//! Bybit v5: the public topics `publicTrade`, `tickers`, `orderbook`, `kline`, the answers to operations, and the REST
//! order book.
//!
//! Invariant: every entry of a message becomes one update, in its order. Source: Bybit API docs, v5, as of 2025.
//!
//! How the venue is read:
//! - The stamp of a book is the matching engine's (`cts`) where it is given, else the stamp of publishing (`ts`). Its
//!   number is `u`; `seq`, which runs across products, is not kept.
//! - The ticker of a derivative is a snapshot, then deltas that leave out what has not changed. A quote is made only of a
//!   message that has all four of best prices and sizes; the others, and the tickers of spot, which have none of them, are
//!   [`Update::Ignored`]. Take `orderbook.1` for best prices.
//! - Block trades (`BT`) are agreed outside the book, and are [`Update::Ignored`].
//! - Trade numbers are UUIDs on derivatives (a digest is kept) and whole numbers on spot.

use starling_core::time::{DAY, MINUTE};

use super::batch::{Batch, BookUpdate, Coverage, Text, Update};
use super::error::WireError;
use super::feed::whole;
use super::json::Cursor;

pub(crate) fn read(frame: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    let mut body = Cursor::new(frame)?;
    let [topic, kind, stamp, data, matched] = match whole(frame, |cursor| match cursor.peek() {
        Some(b'{') => cursor.fields(["topic", "type", "ts", "data", "cts"]).map(Some),
        _ => cursor.skip().map(|()| None),
    })? {
        Some(fields) => fields,
        None => return batch.put(Update::Ignored),
    };
    let Some(mut topic) = topic.get() else {
        return answer(&mut body, batch);
    };
    let topic = Topic::of(topic.text()?, frame);
    let mut data = data.need()?;
    match topic.channel {
        b"publicTrade" | b"trade" => data.array(|entry| trade(entry, batch)),
        b"orderbook" => {
            let stamp = matched.get().map_or_else(|| stamp.need(), Ok)?;
            book(&mut data, coverage(kind.need()?)?, stamp, batch)
        }
        b"tickers" => ticker(&mut data, stamp.need()?, batch),
        b"kline" => data.array(|entry| kline(entry, topic.symbol, batch)),
        _ => batch.put(Update::Ignored),
    }
}

/// A topic's name taken apart: `kline.5.BTCUSDT`.
pub(super) struct Topic<'a> {
    /// What stands before the first point.
    pub(super) channel: &'a [u8],
    /// What stands between the points, if there are two.
    pub(super) parameter: &'a [u8],
    /// What stands after the last point.
    pub(super) symbol: Text,
}

impl<'a> Topic<'a> {
    pub(super) fn of(topic: Text, frame: &'a [u8]) -> Self {
        let name = topic.of(frame);
        let first = name.iter().position(|byte| *byte == b'.').unwrap_or(name.len());
        let last = name.iter().rposition(|byte| *byte == b'.').map_or(0, |at| at + 1);
        let parameter = name.get(first + 1..last.saturating_sub(1)).unwrap_or_default();
        // Both fit, as the topic's own numbers do.
        let symbol = Text { start: topic.start + last as u32, len: (name.len() - last) as u32 };
        Self { channel: &name[..first], parameter, symbol }
    }
}

pub(super) fn coverage(mut kind: Cursor<'_>) -> Result<Coverage, WireError> {
    match kind.string()? {
        b"snapshot" => Ok(Coverage::Snapshot),
        b"delta" => Ok(Coverage::Delta),
        other => Err(kind.refuse(other, "`snapshot` or `delta`")),
    }
}

fn trade(entry: &mut Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [stamp, symbol, side, size, price, trade_id, block] = entry.fields(["T", "s", "S", "v", "p", "i", "BT"])?;
    let update = if block.get().map_or(Ok(false), |mut block| block.bool())? {
        Update::Ignored
    } else {
        Update::Trade {
            symbol: symbol.need()?.text()?,
            ts_event: stamp.need()?.stamp_ms()?,
            price: price.need()?.price()?,
            size: size.need()?.qty()?,
            aggressor: Some(side.need()?.side(b"Buy", b"Sell", "`Buy` or `Sell`")?),
            trade_id: trade_id.need()?.id()?,
        }
    };
    batch.put(update)
}

fn book(data: &mut Cursor<'_>, coverage: Coverage, mut stamp: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, bids, asks, update_id] = data.fields(["s", "b", "a", "u"])?;
    let book = BookUpdate {
        coverage,
        ts_event: stamp.stamp_ms()?,
        first_id: 0,
        last_id: update_id.need()?.u64()?,
        previous_id: None,
        checksum: None,
        bids: bids.need()?.levels(&mut batch.levels)?,
        asks: asks.need()?.levels(&mut batch.levels)?,
    };
    batch.put(Update::Book { symbol: symbol.need()?.text()?, book })
}

fn ticker(data: &mut Cursor<'_>, mut stamp: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let start = *data;
    // Options name the four otherwise than futures.
    let mut names = data.fields(["symbol", "bid1Price", "bid1Size", "ask1Price", "ask1Size"])?;
    if names.iter().skip(1).all(|field| !field.is_present()) {
        names = { start }.fields(["symbol", "bidPrice", "bidSize", "askPrice", "askSize"])?;
    }
    let [symbol, bid, bid_size, ask, ask_size] = names;
    let update = match (bid.get(), bid_size.get(), ask.get(), ask_size.get()) {
        (Some(bid), Some(bid_size), Some(ask), Some(ask_size)) => Update::Quote {
            symbol: symbol.need()?.text()?,
            ts_event: stamp.stamp_ms()?,
            update_id: 0,
            bid: Cursor::level_of(bid, bid_size)?,
            ask: Cursor::level_of(ask, ask_size)?,
        },
        _ => Update::Ignored,
    };
    batch.put(update)
}

fn kline(entry: &mut Cursor<'_>, symbol: Text, batch: &mut Batch) -> Result<(), WireError> {
    let [start, interval, open, close, high, low, volume, closed] =
        entry.fields(["start", "interval", "open", "close", "high", "low", "volume", "confirm"])?;
    let mut interval = interval.need()?;
    let text = interval.string()?;
    batch.put(Update::Bar {
        symbol,
        ts_open: start.need()?.stamp_ms()?,
        interval_ns: interval_ns(text)
            .ok_or_else(|| interval.refuse(text, "an interval in minutes, or one of D, W, M"))?,
        open: open.need()?.price()?,
        high: high.need()?.price()?,
        low: low.need()?.price()?,
        close: close.need()?.price()?,
        volume: volume.need()?.qty()?,
        closed: closed.need()?.bool()?,
    })
}

// A month has no fixed length: 0.
pub(super) fn interval_ns(text: &[u8]) -> Option<u64> {
    match text {
        b"D" => Some(DAY),
        b"W" => Some(7 * DAY),
        b"M" => Some(0),
        minutes => std::str::from_utf8(minutes).ok()?.parse::<u64>().ok()?.checked_mul(MINUTE),
    }
}

/// What is no message of a topic: the answer to an operation, or over REST.
pub(super) fn answer(body: &mut Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [op, success, words, code, message, result] =
        body.fields(["op", "success", "ret_msg", "retCode", "retMsg", "result"])?;
    let words = words.get().or(message.get()).map(|mut words| words.text()).transpose()?;
    let op = op.get().map_or(Ok(&b""[..]), |mut op| op.string())?;
    let said = words.map(|words| words.of(body.frame())).unwrap_or_default();
    if matches!(op, b"pong") || (said == b"pong") {
        return batch.put(Update::Heartbeat);
    }
    if let Some(mut success) = success.get() {
        let update = if success.bool()? { Update::Acknowledged } else { Update::Refused(words.unwrap_or_default()) };
        return batch.put(update);
    }
    if code.get().map_or(Ok(0), |mut code| code.i64())? != 0 {
        return batch.put(Update::Refused(words.unwrap_or_default()));
    }
    // The book over REST: {"retCode":0,"retMsg":"OK","result":{"s":...,"b":...,"a":...,"ts":...,"u":...,"cts":...}}.
    if let Some(mut result) = result.get()
        && result.peek() == Some(b'{')
    {
        let [bids, asks, update_id, stamp, matched] = { result }.fields(["b", "a", "u", "ts", "cts"])?;
        if bids.is_present() && asks.is_present() && update_id.is_present() {
            let stamp = matched.get().map_or_else(|| stamp.need(), Ok)?;
            return book(&mut result, Coverage::Snapshot, stamp, batch);
        }
    }
    batch.put(Update::Ignored)
}

#[cfg(test)]
mod tests;
