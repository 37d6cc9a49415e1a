//! Kraken spot: WebSocket v2, the older v1 with its arrays, and the REST depth and trades.
//!
//! Invariant: every entry of a message becomes one update, in its order. Source: Kraken WebSocket API v2 and v1, Spot REST
//! API, as of 2025; captures of 2021.
//!
//! How the venue is read:
//! - Numbers of v2 are bare JSON numbers. Their text is not kept: what a checksum needs is the pair's decimals.
//! - A `book` has no number; its checksum tells whether something was lost. Its stamp is the message's, or, in v1, the
//!   latest of its levels' (snapshots of v2 had none before 2024).
//! - `level3` names orders by text ([`BookOrder::order_id`] is its digest).
//! - The `side` of a trade is the taker's.
//! - The venue does not say whether a bar of `ohlc` is complete: `closed` is always false. It is when the next one begins.

mod v1;

use starling_core::order::Side;
use starling_core::time::{MINUTE, UnixNanos};

use super::batch::{Batch, BookOrder, BookUpdate, Coverage, Level, OrderAction, Span, Text, Update};
use super::error::{WireError, WireErrorKind};
use super::feed::whole;
use super::json::{Cursor, Field};

pub(crate) fn read(frame: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    let start = Cursor::new(frame)?;
    let fields = whole(frame, |cursor| match cursor.peek() {
        Some(b'{') => cursor.fields(["channel", "type", "data", "method", "event", "result", "error"]).map(Some),
        _ => cursor.skip().map(|()| None),
    })?;
    let Some([channel, kind, data, method, event, result, error]) = fields else {
        return v1::listed(start, batch);
    };
    if let Some(mut method) = method.get() {
        return answer(start, method.string()?, batch);
    }
    if let Some(mut event) = event.get() {
        return v1::event(start, event.string()?, batch);
    }
    if let Some(mut channel) = channel.get() {
        return match channel.string()? {
            b"trade" => data.need()?.array(|entry| trade(entry, batch)),
            b"ticker" => data.need()?.array(|entry| ticker(entry, batch)),
            b"book" => {
                let coverage = coverage(kind.need()?)?;
                data.need()?.array(|entry| book(entry, coverage, batch))
            }
            b"level3" => {
                let coverage = coverage(kind.need()?)?;
                data.need()?.array(|entry| orders(entry, coverage, batch))
            }
            b"ohlc" => data.need()?.array(|entry| bar(entry, batch)),
            b"heartbeat" => batch.put(Update::Heartbeat),
            b"status" => batch.put(Update::Acknowledged),
            _ => batch.put(Update::Ignored),
        };
    }
    match error.get() {
        Some(error) => rest(error, result, frame, batch),
        None => batch.put(Update::Ignored),
    }
}

fn coverage(mut kind: Cursor<'_>) -> Result<Coverage, WireError> {
    match kind.string()? {
        b"snapshot" => Ok(Coverage::Snapshot),
        b"update" => Ok(Coverage::Delta),
        other => Err(kind.refuse(other, "`snapshot` or `update`")),
    }
}

// What the venue says to a request. Orders and their answers are no market data.
fn answer(mut body: Cursor<'_>, method: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    let [success, error] = body.fields(["success", "error"])?;
    if let Some(mut error) = error.get() {
        let text = error.text()?;
        return batch.put(Update::Refused(text));
    }
    let success = success.get().map_or(Ok(false), |mut success| success.bool())?;
    batch.put(match method {
        b"pong" => Update::Heartbeat,
        b"subscribe" | b"unsubscribe" if success => Update::Acknowledged,
        _ => Update::Ignored,
    })
}

fn trade(entry: &mut Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, side, price, size, trade_id, time] =
        entry.fields(["symbol", "side", "price", "qty", "trade_id", "timestamp"])?;
    batch.put(Update::Trade {
        symbol: symbol.need()?.text()?,
        ts_event: time.need()?.stamp_rfc3339()?,
        price: price.need()?.price()?,
        size: size.need()?.qty()?,
        aggressor: Some(side.need()?.side(b"buy", b"sell", "`buy` or `sell`")?),
        trade_id: trade_id.need()?.u64()?,
    })
}

fn ticker(entry: &mut Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, bid, bid_size, ask, ask_size, time] =
        entry.fields(["symbol", "bid", "bid_qty", "ask", "ask_qty", "timestamp"])?;
    batch.put(Update::Quote {
        symbol: symbol.need()?.text()?,
        ts_event: stamp_or_none(time)?,
        update_id: 0,
        bid: Level { price: bid.need()?.price()?, size: bid_size.need()?.qty()? },
        ask: Level { price: ask.need()?.price()?, size: ask_size.need()?.qty()? },
    })
}

fn stamp_or_none(time: Field<'_>) -> Result<UnixNanos, WireError> {
    time.get().map_or(Ok(UnixNanos::EPOCH), |mut time| time.stamp_rfc3339())
}

fn checksum(mut value: Cursor<'_>) -> Result<u32, WireError> {
    let start = value.offset();
    let (_, text) = { value }.digits_text()?;
    let wide = value.u64()?;
    u32::try_from(wide).map_err(|_| {
        let text = String::from_utf8_lossy(text).into();
        WireError::new(start, WireErrorKind::Integer { text, wanted: "a checksum of 32 bits" })
    })
}

fn book(entry: &mut Cursor<'_>, coverage: Coverage, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, bids, asks, checksum, time] = entry.fields(["symbol", "bids", "asks", "checksum", "timestamp"])?;
    let book = BookUpdate {
        coverage,
        ts_event: stamp_or_none(time)?,
        first_id: 0,
        last_id: 0,
        previous_id: None,
        checksum: checksum.get().map(self::checksum).transpose()?,
        bids: named_levels(bids, &mut batch.levels)?,
        asks: named_levels(asks, &mut batch.levels)?,
    };
    batch.put(Update::Book { symbol: symbol.need()?.text()?, book })
}

fn named_levels(rows: Field<'_>, levels: &mut Vec<Level>) -> Result<Span, WireError> {
    let start = levels.len();
    rows.need()?.array(|row| {
        let [price, size] = row.fields(["price", "qty"])?;
        levels.extend(Cursor::resting_level(price.need()?, size.need()?)?);
        Ok(())
    })?;
    Ok(Span::since(start, levels.len()))
}

fn orders(entry: &mut Cursor<'_>, coverage: Coverage, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, bids, asks, checksum, time] = entry.fields(["symbol", "bids", "asks", "checksum", "timestamp"])?;
    let mut latest = stamp_or_none(time)?;
    let start = batch.orders.len();
    for (rows, side) in [(bids, Side::Buy), (asks, Side::Sell)] {
        rows.need()?.array(|row| {
            let (order, changed) = order(row, side)?;
            latest = latest.max(changed);
            batch.orders.extend(order);
            Ok(())
        })?;
    }
    batch.put(Update::Orders {
        symbol: symbol.need()?.text()?,
        ts_event: latest,
        coverage,
        sequence: 0,
        checksum: checksum.get().map(self::checksum).transpose()?,
        orders: Span::since(start, batch.orders.len()),
    })
}

fn order(row: &mut Cursor<'_>, side: Side) -> Result<(Option<BookOrder>, UnixNanos), WireError> {
    let [event, order_id, price, size, time] =
        row.fields(["event", "order_id", "limit_price", "order_qty", "timestamp"])?;
    let action = match event.get() {
        None => OrderAction::Add,
        Some(mut event) => match event.string()? {
            b"add" => OrderAction::Add,
            b"modify" => OrderAction::Change,
            b"delete" => OrderAction::Delete,
            other => return Err(event.refuse(other, "`add`, `modify` or `delete`")),
        },
    };
    let order_id = order_id.need()?.id()?;
    let level = Cursor::resting_level(price.need()?, size.need()?)?;
    let order = level.map(|Level { price, size }| BookOrder { action, order_id, side: Some(side), price, size });
    Ok((order, stamp_or_none(time)?))
}

fn bar(entry: &mut Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, open, high, low, close, volume, start, interval] =
        entry.fields(["symbol", "open", "high", "low", "close", "volume", "interval_begin", "interval"])?;
    batch.put(Update::Bar {
        symbol: symbol.need()?.text()?,
        ts_open: start.need()?.stamp_rfc3339()?,
        interval_ns: minutes(interval.need()?)?,
        open: open.need()?.price()?,
        high: high.need()?.price()?,
        low: low.need()?.price()?,
        close: close.need()?.price()?,
        volume: volume.need()?.qty()?,
        closed: false,
    })
}

fn minutes(mut interval: Cursor<'_>) -> Result<u64, WireError> {
    let start = interval.offset();
    let (_, text) = { interval }.digits_text()?;
    interval.u64()?.checked_mul(MINUTE).ok_or_else(|| {
        let text = String::from_utf8_lossy(text).into();
        WireError::new(start, WireErrorKind::Integer { text, wanted: "a length in minutes" })
    })
}

// {"error":[],"result":{"XXBTZUSD":...}}: a depth, trades, or something else by pair.
fn rest(mut error: Cursor<'_>, result: Field<'_>, frame: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    let mut refusal = None;
    if error.peek() == Some(b'[') {
        error.array(|text| {
            refusal = refusal.or(Some(text.text()?));
            Ok(())
        })?;
    }
    if let Some(refusal) = refusal {
        return batch.put(Update::Refused(refusal));
    }
    let before = batch.updates.len();
    if let Some(mut result) = result.get()
        && result.peek() == Some(b'{')
    {
        result.object(|value, pair| {
            let symbol = Text::within(frame, pair);
            match value.peek() {
                Some(b'{') => v1::depth(value, symbol, batch),
                Some(b'[') => value.array(|row| v1::past_trade(row, symbol, batch)),
                _ => value.skip(),
            }
        })?;
    }
    if batch.updates.len() == before { batch.put(Update::Ignored) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
