//! Kraken's first WebSocket API, whose data are arrays, and the REST answers, which have the same rows.

use starling_core::order::Side;
use starling_core::time::{MINUTE, UnixNanos};

use super::super::batch::{Batch, BookUpdate, Coverage, Level, Span, Text, Update};
use super::super::error::{WireError, WireErrorKind};
use super::super::json::Cursor;

/// `{"event": ...}`: what is said about the connection and its subscriptions.
pub(super) fn event(mut body: Cursor<'_>, event: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    let [status, message] = body.fields(["status", "errorMessage"])?;
    if let Some(mut message) = message.get() {
        let text = message.text()?;
        return batch.put(Update::Refused(text));
    }
    let failed = status.get().map_or(Ok(false), |mut status| status.string().map(|status| status == b"error"))?;
    batch.put(match event {
        b"heartbeat" | b"pong" => Update::Heartbeat,
        b"systemStatus" | b"subscriptionStatus" if !failed => Update::Acknowledged,
        _ => Update::Ignored,
    })
}

/// `[channel number, payload, (second payload,) channel name, pair]`.
pub(super) fn listed(mut body: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    if body.peek() != Some(b'[') {
        return batch.put(Update::Ignored);
    }
    let start = body.offset();
    let mut items = [None; 5];
    let mut len = 0;
    body.array(|item| {
        let Some(place) = items.get_mut(len) else { return Err(item.expected("`]`, after five elements")) };
        *place = Some(*item);
        len += 1;
        item.skip()
    })?;
    let (payloads, mut channel, mut pair) = match items {
        [Some(_), Some(payload), Some(channel), Some(pair), None] => ([Some(payload), None], channel, pair),
        [Some(_), Some(first), Some(second), Some(channel), Some(pair)] => ([Some(first), Some(second)], channel, pair),
        _ => {
            return Err(WireError::new(start, WireErrorKind::Missing("payload, channel name and pair of an array")));
        }
    };
    let (channel, symbol) = (channel.string()?, pair.text()?);
    let name = channel.split(|byte| *byte == b'-').next().unwrap_or(channel);
    if name == b"book" {
        return book(payloads, symbol, batch);
    }
    for mut payload in payloads.into_iter().flatten() {
        match name {
            b"trade" => payload.array(|row| trade(row, symbol, batch))?,
            b"ticker" => ticker(&mut payload, symbol, batch)?,
            b"spread" => spread(&mut payload, symbol, batch)?,
            b"ohlc" => bar(&mut payload, channel, symbol, batch)?,
            _ => batch.put(Update::Ignored)?,
        }
    }
    Ok(())
}

// One update for both payloads: asks and bids that changed at once come apart, and the checksum is after both.
fn book(payloads: [Option<Cursor<'_>>; 2], symbol: Text, batch: &mut Batch) -> Result<(), WireError> {
    let mut book = BookUpdate {
        coverage: Coverage::Delta,
        ts_event: UnixNanos::EPOCH,
        first_id: 0,
        last_id: 0,
        previous_id: None,
        checksum: None,
        bids: Span::since(batch.levels.len(), batch.levels.len()),
        asks: Span::since(batch.levels.len(), batch.levels.len()),
    };
    for mut payload in payloads.into_iter().flatten() {
        let [asks, bids, whole_asks, whole_bids, checksum] = payload.fields(["a", "b", "as", "bs", "c"])?;
        if whole_asks.is_present() || whole_bids.is_present() {
            book.coverage = Coverage::Snapshot;
        }
        if let Some(rows) = bids.get().or(whole_bids.get()) {
            book.bids = levels(rows, &mut book.ts_event, &mut batch.levels)?;
        }
        if let Some(rows) = asks.get().or(whole_asks.get()) {
            book.asks = levels(rows, &mut book.ts_event, &mut batch.levels)?;
        }
        if let Some(checksum) = checksum.get() {
            book.checksum = Some(super::checksum(checksum)?);
        }
    }
    batch.put(Update::Book { symbol, book })
}

// Rows of `[price, volume, seconds]`; a fourth element marks a level that is told again.
fn levels(mut rows: Cursor<'_>, latest: &mut UnixNanos, levels: &mut Vec<Level>) -> Result<Span, WireError> {
    let start = levels.len();
    rows.array(|row| {
        let [price, size, time] = row.items(["price of a level", "volume of a level", "stamp of a level"])?;
        *latest = (*latest).max(time.need()?.stamp_seconds()?);
        levels.extend(Cursor::resting_level(price.need()?, size.need()?)?);
        Ok(())
    })?;
    Ok(Span::since(start, levels.len()))
}

fn side(mut side: Cursor<'_>) -> Result<Option<Side>, WireError> {
    side.side(b"b", b"s", "`b` or `s`").map(Some)
}

fn trade(row: &mut Cursor<'_>, symbol: Text, batch: &mut Batch) -> Result<(), WireError> {
    let [price, size, time, side] =
        row.items(["price of a trade", "volume of a trade", "stamp of a trade", "side of a trade"])?;
    batch.put(Update::Trade {
        symbol,
        ts_event: time.need()?.stamp_seconds()?,
        price: price.need()?.price()?,
        size: size.need()?.qty()?,
        aggressor: self::side(side.need()?)?,
        trade_id: 0,
    })
}

/// A row of the REST trades, `[price, volume, seconds, side, type, miscellaneous, number]`; other rows (bars, spreads)
/// have no `b` or `s` in fourth place.
pub(super) fn past_trade(row: &mut Cursor<'_>, symbol: Text, batch: &mut Batch) -> Result<(), WireError> {
    let mut sided = *row;
    let [_, _, _, side, _, _, number] = row.items(["", "", "", "", "", "", "number of a trade"])?;
    let is_trade = side.get().is_some_and(|mut side| matches!(side.string(), Ok(b"b" | b"s")));
    if !is_trade {
        return batch.put(Update::Ignored);
    }
    let number = number.get().map_or(Ok(0), |mut number| number.u64())?;
    trade(&mut sided, symbol, batch)?;
    if let Some(Update::Trade { trade_id, .. }) = batch.updates.last_mut() {
        *trade_id = number;
    }
    Ok(())
}

/// The REST depth: `{"asks": [[price, volume, seconds], ...], "bids": ...}`.
pub(super) fn depth(value: &mut Cursor<'_>, symbol: Text, batch: &mut Batch) -> Result<(), WireError> {
    let [asks, bids] = value.fields(["asks", "bids"])?;
    let (Some(asks), Some(bids)) = (asks.get(), bids.get()) else { return batch.put(Update::Ignored) };
    let mut ts_event = UnixNanos::EPOCH;
    let bids = levels(bids, &mut ts_event, &mut batch.levels)?;
    let asks = levels(asks, &mut ts_event, &mut batch.levels)?;
    let book = BookUpdate {
        coverage: Coverage::Snapshot,
        ts_event,
        first_id: 0,
        last_id: 0,
        previous_id: None,
        checksum: None,
        bids,
        asks,
    };
    batch.put(Update::Book { symbol, book })
}

// {"a": [price, whole lots, volume], "b": [...], ...}
fn ticker(payload: &mut Cursor<'_>, symbol: Text, batch: &mut Batch) -> Result<(), WireError> {
    let [ask, bid] = payload.fields(["a", "b"])?;
    let level = |mut side: Cursor<'_>| {
        let [price, _, size] = side.items(["price of a side", "", "volume of a side"])?;
        Ok::<_, WireError>(Level { price: price.need()?.price()?, size: size.need()?.qty()? })
    };
    let (bid, ask) = (level(bid.need()?)?, level(ask.need()?)?);
    batch.put(Update::Quote { symbol, ts_event: UnixNanos::EPOCH, update_id: 0, bid, ask })
}

fn spread(payload: &mut Cursor<'_>, symbol: Text, batch: &mut Batch) -> Result<(), WireError> {
    let [bid, ask, time, bid_size, ask_size] =
        payload.items(["bid", "ask", "stamp of a spread", "volume of the bid", "volume of the ask"])?;
    batch.put(Update::Quote {
        symbol,
        ts_event: time.need()?.stamp_seconds()?,
        update_id: 0,
        bid: Level { price: bid.need()?.price()?, size: bid_size.need()?.qty()? },
        ask: Level { price: ask.need()?.price()?, size: ask_size.need()?.qty()? },
    })
}

// `ohlc-5`: [last change, end, open, high, low, close, vwap, volume, count]
fn bar(payload: &mut Cursor<'_>, channel: &[u8], symbol: Text, batch: &mut Batch) -> Result<(), WireError> {
    let start = payload.offset();
    let refuse = |wanted| {
        let text = String::from_utf8_lossy(channel).into();
        WireError::new(start, WireErrorKind::Value { text, wanted })
    };
    let interval_ns = channel
        .strip_prefix(b"ohlc-")
        .and_then(|length| std::str::from_utf8(length).ok()?.parse::<u64>().ok()?.checked_mul(MINUTE))
        .ok_or_else(|| refuse("a channel such as ohlc-5, in minutes"))?;
    let [_, end, open, high, low, close, _, volume] =
        payload.items(["", "end of a bar", "open", "high", "low", "close", "", "volume of a bar"])?;
    let end = end.need()?.stamp_seconds()?;
    batch.put(Update::Bar {
        symbol,
        ts_open: UnixNanos::new(end.get().checked_sub(interval_ns).ok_or_else(|| refuse("shorter than its end"))?),
        interval_ns,
        open: open.need()?.price()?,
        high: high.need()?.price()?,
        low: low.need()?.price()?,
        close: close.need()?.price()?,
        volume: volume.need()?.qty()?,
        closed: false,
    })
}
