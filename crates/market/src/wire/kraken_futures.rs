//! Kraken Futures: the public WebSocket feeds, and the REST order book and trades.
//!
//! Invariant: every entry of a message becomes one update, in its order. Source: Kraken Futures WebSocket and REST API, as
//! of 2025.
//!
//! How the venue is read:
//! - A `book` message changes one level. Its `seq` is both first and last number; it rises by one per product.
//! - Levels of a `book_snapshot` with a quantity of zero are left out: nothing rests there.
//! - Trades carry a UUID, whose digest is their number. Block trades (`block`) are agreed outside the book, and are
//!   [`Update::Ignored`]; so is `ticker_lite`, which has no sizes, and everything private.

use starling_core::time::UnixNanos;

use super::batch::{Batch, BookUpdate, Coverage, Level, Span, Text, Update};
use super::error::WireError;
use super::feed::whole;
use super::json::Cursor;
use starling_core::order::Side;

pub(crate) fn read(frame: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    let mut body = Cursor::new(frame)?;
    let fields = whole(frame, |cursor| match cursor.peek() {
        Some(b'{') => cursor.fields(["event", "feed", "result"]).map(Some),
        _ => cursor.skip().map(|()| None),
    })?;
    let Some([event, feed, result]) = fields else {
        return batch.put(Update::Ignored);
    };
    if let Some(mut event) = event.get() {
        return self::event(body, event.string()?, batch);
    }
    let Some(mut feed) = feed.get() else {
        return match result.get() {
            Some(_) => answer(body, batch),
            None => batch.put(Update::Ignored),
        };
    };
    match feed.string()? {
        b"trade" => trade(&mut body, Text::default(), batch),
        b"trade_snapshot" => {
            let [symbol, trades] = body.fields(["product_id", "trades"])?;
            let symbol = symbol.need()?.text()?;
            trades.need()?.array(|entry| trade(entry, symbol, batch))
        }
        b"book" => change(body, batch),
        b"book_snapshot" => snapshot(body, batch),
        b"ticker" => ticker(body, batch),
        b"heartbeat" => batch.put(Update::Heartbeat),
        _ => batch.put(Update::Ignored),
    }
}

fn event(mut body: Cursor<'_>, event: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    match event {
        b"info" | b"subscribed" | b"unsubscribed" => batch.put(Update::Acknowledged),
        b"error" | b"alert" | b"subscribed_failed" | b"unsubscribed_failed" => {
            let [message] = body.fields(["message"])?;
            let text = message.get().map(|mut message| message.text()).transpose()?.unwrap_or_default();
            batch.put(Update::Refused(text))
        }
        b"pong" => batch.put(Update::Heartbeat),
        _ => batch.put(Update::Ignored),
    }
}

fn trade(entry: &mut Cursor<'_>, listed: Text, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, trade_id, side, kind, time, size, price] =
        entry.fields(["product_id", "uid", "side", "type", "time", "qty", "price"])?;
    if let Some(mut kind) = kind.get()
        && kind.string()? == b"block"
    {
        return batch.put(Update::Ignored);
    }
    batch.put(Update::Trade {
        symbol: symbol.get().map(|mut symbol| symbol.text()).transpose()?.unwrap_or(listed),
        ts_event: time.need()?.stamp_ms()?,
        price: price.need()?.price()?,
        size: size.need()?.qty()?,
        aggressor: Some(side.need()?.side(b"buy", b"sell", "`buy` or `sell`")?),
        trade_id: trade_id.need()?.id()?,
    })
}

fn change(mut body: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, side, sequence, price, size, time] =
        body.fields(["product_id", "side", "seq", "price", "qty", "timestamp"])?;
    let start = batch.levels.len();
    batch.levels.extend(Cursor::resting_level(price.need()?, size.need()?)?);
    let (one, none) = (Span::since(start, batch.levels.len()), Span::since(start, start));
    let (bids, asks) = match side.need()?.side(b"buy", b"sell", "`buy` or `sell`")? {
        Side::Buy => (one, none),
        Side::Sell => (none, one),
    };
    let sequence = sequence.need()?.u64()?;
    let book = BookUpdate {
        coverage: Coverage::Delta,
        ts_event: time.need()?.stamp_ms()?,
        first_id: sequence,
        last_id: sequence,
        previous_id: None,
        checksum: None,
        bids,
        asks,
    };
    batch.put(Update::Book { symbol: symbol.need()?.text()?, book })
}

fn whole_book(ts_event: UnixNanos, last_id: u64, bids: Span, asks: Span) -> BookUpdate {
    BookUpdate {
        coverage: Coverage::Snapshot,
        ts_event,
        first_id: 0,
        last_id,
        previous_id: None,
        checksum: None,
        bids,
        asks,
    }
}

fn snapshot(mut body: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, time, sequence, bids, asks] = body.fields(["product_id", "timestamp", "seq", "bids", "asks"])?;
    let bids = levels(bids.need()?, &mut batch.levels)?;
    let asks = levels(asks.need()?, &mut batch.levels)?;
    let book = whole_book(time.need()?.stamp_ms()?, sequence.need()?.u64()?, bids, asks);
    batch.put(Update::Book { symbol: symbol.need()?.text()?, book })
}

fn levels(mut rows: Cursor<'_>, levels: &mut Vec<Level>) -> Result<Span, WireError> {
    let start = levels.len();
    rows.array(|row| {
        let [price, size] = row.fields(["price", "qty"])?;
        let level = Cursor::resting_level(price.need()?, size.need()?)?;
        levels.extend(level.filter(|level| !level.size.is_zero()));
        Ok(())
    })?;
    Ok(Span::since(start, levels.len()))
}

fn ticker(mut body: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, time, bid, bid_size, ask, ask_size] =
        body.fields(["product_id", "time", "bid", "bid_size", "ask", "ask_size"])?;
    let update = match (bid.get(), bid_size.get(), ask.get(), ask_size.get()) {
        (Some(mut bid), Some(mut bid_size), Some(mut ask), Some(mut ask_size)) => Update::Quote {
            symbol: symbol.need()?.text()?,
            ts_event: time.need()?.stamp_ms()?,
            update_id: 0,
            bid: Level { price: bid.price()?, size: bid_size.qty()? },
            ask: Level { price: ask.price()?, size: ask_size.qty()? },
        },
        _ => Update::Ignored,
    };
    batch.put(update)
}

// What REST answers; it does not repeat the product.
fn answer(mut body: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [error, book, history, time] = body.fields(["error", "orderBook", "history", "serverTime"])?;
    if let Some(mut error) = error.get() {
        let text = error.text()?;
        return batch.put(Update::Refused(text));
    }
    if let Some(mut book) = book.get() {
        let [bids, asks] = book.fields(["bids", "asks"])?;
        let ts_event = time.get().map_or(Ok(UnixNanos::EPOCH), |mut time| time.stamp_rfc3339())?;
        let bids = bids.need()?.levels(&mut batch.levels)?;
        let asks = asks.need()?.levels(&mut batch.levels)?;
        return batch.put(Update::Book { symbol: Text::default(), book: whole_book(ts_event, 0, bids, asks) });
    }
    match history.get() {
        Some(mut history) => history.array(|entry| past_trade(entry, batch)),
        None => batch.put(Update::Ignored),
    }
}

fn past_trade(entry: &mut Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [time, trade_id, price, size, side, kind] = entry.fields(["time", "uid", "price", "size", "side", "type"])?;
    if let Some(mut kind) = kind.get()
        && kind.string()? == b"block"
    {
        return batch.put(Update::Ignored);
    }
    batch.put(Update::Trade {
        symbol: Text::default(),
        ts_event: time.need()?.stamp_rfc3339()?,
        price: price.need()?.price()?,
        size: size.need()?.qty()?,
        aggressor: Some(side.need()?.side(b"buy", b"sell", "`buy` or `sell`")?),
        trade_id: trade_id.need()?.id()?,
    })
}

#[cfg(test)]
mod tests;
