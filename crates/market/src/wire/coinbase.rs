//! Coinbase: the WebSocket channels of Advanced Trade and of Coinbase Exchange, and the REST books and trades of both.
//!
//! Invariant: an entry of a channel that carries market data becomes one update, in its order; the changes of a book
//! message become one update. Source: Coinbase Advanced Trade WebSocket channels and Coinbase Exchange WebSocket channels,
//! as of 2025; captures of 2021.
//!
//! How the venue is read:
//! - The `side` of a match, and of an Advanced Trade market trade, is the maker's: the other side took liquidity. (In the
//!   REST sample of 2026 the latest trades are `SELL` at the best ask.)
//! - No book message of a stream carries a number. What Advanced Trade numbers is every message of the connection:
//!   [`Batch::frame_number`]. Coinbase Exchange promises delivery of `level2` instead. REST books have a `sequence`.
//! - The stamp of an Advanced Trade book is its latest `event_time`; the entries of a first snapshot have none, and take
//!   the time of sending.
//! - A `ticker` becomes a quote where it has all four of best prices and sizes (Exchange sends sizes since 2022); otherwise
//!   it is [`Update::Ignored`]: its last trade is told by the other channels.
//! - `received`, `open`, `done` and `change` are [`Update::Ignored`]: a match takes from a resting order what only a book
//!   knows, so that no [`BookOrder`] could say what rests. Take `level2`.
//! - The rows of a REST book of level 3 name orders by UUID; [`BookOrder::order_id`] is its digest.

mod exchange;

use starling_core::order::Side;
use starling_core::time::{MINUTE, UnixNanos};

use super::batch::{Batch, BookOrder, BookUpdate, Coverage, Level, OrderAction, Span, Update};
use super::error::WireError;
use super::feed::whole;
use super::json::Cursor;
use super::sided;

/// Candles of the stream span five minutes, always.
const CANDLE_NS: u64 = 5 * MINUTE;

pub(crate) fn read(frame: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    let body = Cursor::new(frame)?;
    let fields = whole(frame, |cursor| match cursor.peek() {
        Some(b'{') => cursor.fields(["channel", "type"]).map(Some),
        _ => cursor.skip().map(|()| None),
    })?;
    match fields.map(|[channel, kind]| (channel.get(), kind.get())) {
        Some((Some(mut channel), _)) => advanced(body, channel.string()?, batch),
        Some((None, Some(mut kind))) => exchange::message(body, kind.string()?, batch),
        Some((None, None)) => answer(body, batch),
        None => listed(body, batch),
    }
}

fn advanced(mut body: Cursor<'_>, channel: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    let [sent, number, events] = body.fields(["timestamp", "sequence_num", "events"])?;
    batch.frame_number = number.get().map(|mut number| number.u64()).transpose()?;
    match channel {
        b"ticker" | b"ticker_batch" => {
            let sent = sent.need()?.stamp_rfc3339()?;
            entries(events.need()?, "tickers", |ticker| self::ticker(ticker, sent, batch))
        }
        b"market_trades" => entries(events.need()?, "trades", |entry| trade(entry, batch)),
        b"l2_data" => {
            let sent = sent.need()?.stamp_rfc3339()?;
            events.need()?.array(|event| level2(event, sent, batch))
        }
        b"candles" => {
            let sent = sent.need()?.stamp_rfc3339()?;
            entries(events.need()?, "candles", |entry| candle(entry, sent, batch))
        }
        b"heartbeats" => batch.put(Update::Heartbeat),
        b"subscriptions" => batch.put(Update::Acknowledged),
        _ => batch.put(Update::Ignored),
    }
}

// The entries of all events; several events of a message are possible, though none has been seen.
fn entries<'a>(
    mut events: Cursor<'a>,
    name: &'static str,
    mut entry: impl FnMut(&mut Cursor<'a>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    events.array(|event| {
        let [list] = event.fields([name])?;
        list.need()?.array(&mut entry)
    })
}

fn ticker(entry: &mut Cursor<'_>, ts_event: UnixNanos, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, bid, bid_size, ask, ask_size] =
        entry.fields(["product_id", "best_bid", "best_bid_quantity", "best_ask", "best_ask_quantity"])?;
    let update = match (bid.get(), bid_size.get(), ask.get(), ask_size.get()) {
        (Some(bid), Some(bid_size), Some(ask), Some(ask_size)) => Update::Quote {
            symbol: symbol.need()?.text()?,
            ts_event,
            update_id: 0,
            bid: Cursor::level_of(bid, bid_size)?,
            ask: Cursor::level_of(ask, ask_size)?,
        },
        _ => Update::Ignored,
    };
    batch.put(update)
}

fn trade(entry: &mut Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [trade_id, symbol, price, size, time, maker] =
        entry.fields(["trade_id", "product_id", "price", "size", "time", "side"])?;
    batch.put(Update::Trade {
        // A list of trades that was asked for does not repeat the product.
        symbol: symbol.get().map(|mut symbol| symbol.text()).transpose()?.unwrap_or_default(),
        ts_event: time.need()?.stamp_rfc3339()?,
        price: price.need()?.price()?,
        size: size.need()?.qty()?,
        aggressor: aggressor(maker.need()?)?,
        trade_id: trade_id.need()?.id()?,
    })
}

fn aggressor(mut maker: Cursor<'_>) -> Result<Option<Side>, WireError> {
    match maker.string()? {
        b"BUY" | b"buy" => Ok(Some(Side::Sell)),
        b"SELL" | b"sell" => Ok(Some(Side::Buy)),
        b"UNKNOWN_ORDER_SIDE" => Ok(None),
        other => Err(maker.refuse(other, "`BUY` or `SELL`")),
    }
}

fn level2(event: &mut Cursor<'_>, sent: UnixNanos, batch: &mut Batch) -> Result<(), WireError> {
    let [kind, symbol, updates] = event.fields(["type", "product_id", "updates"])?;
    let mut kind = kind.need()?;
    let coverage = match kind.string()? {
        b"snapshot" => Coverage::Snapshot,
        b"update" => Coverage::Delta,
        other => return Err(kind.refuse(other, "`snapshot` or `update`")),
    };
    let mut latest = UnixNanos::EPOCH;
    let [bids, asks] = sided::levels(updates.need()?, &mut batch.levels, |row| {
        let [side, time, price, size] = row.fields(["side", "event_time", "price_level", "new_quantity"])?;
        if let Some(mut time) = time.get() {
            latest = latest.max(time.stamp_rfc3339()?);
        }
        let side = side.need()?.side(b"bid", b"offer", "`bid` or `offer`")?;
        Ok(Cursor::resting_level(price.need()?, size.need()?)?.map(|level| (side, level)))
    })?;
    let ts_event = if latest == UnixNanos::EPOCH { sent } else { latest };
    let book = BookUpdate { coverage, ..unnumbered(ts_event, bids, asks) };
    batch.put(Update::Book { symbol: symbol.need()?.text()?, book })
}

fn unnumbered(ts_event: UnixNanos, bids: Span, asks: Span) -> BookUpdate {
    BookUpdate {
        coverage: Coverage::Snapshot,
        ts_event,
        first_id: 0,
        last_id: 0,
        previous_id: None,
        checksum: None,
        bids,
        asks,
    }
}

fn candle(entry: &mut Cursor<'_>, sent: UnixNanos, batch: &mut Batch) -> Result<(), WireError> {
    let [start, high, low, open, close, volume, symbol] =
        entry.fields(["start", "high", "low", "open", "close", "volume", "product_id"])?;
    let ts_open = start.need()?.stamp_seconds()?;
    batch.put(Update::Bar {
        symbol: symbol.need()?.text()?,
        ts_open,
        interval_ns: CANDLE_NS,
        open: open.need()?.price()?,
        high: high.need()?.price()?,
        low: low.need()?.price()?,
        close: close.need()?.price()?,
        volume: volume.need()?.qty()?,
        closed: sent.since(ts_open) >= CANDLE_NS,
    })
}

// What REST answers: a book of either API, or trades of Advanced Trade.
fn answer(mut body: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let start = body;
    let [pricebook, bids, trades, message] = body.fields(["pricebook", "bids", "trades", "message"])?;
    if let Some(mut pricebook) = pricebook.get() {
        let [symbol, bids, asks, time] = pricebook.fields(["product_id", "bids", "asks", "time"])?;
        let ts_event = time.get().map_or(Ok(UnixNanos::EPOCH), |mut time| time.stamp_rfc3339())?;
        let bids = named_levels(bids.need()?, &mut batch.levels)?;
        let asks = named_levels(asks.need()?, &mut batch.levels)?;
        return batch.put(Update::Book { symbol: symbol.need()?.text()?, book: unnumbered(ts_event, bids, asks) });
    }
    if bids.is_present() {
        return resting(start, batch);
    }
    if let Some(mut trades) = trades.get() {
        return trades.array(|entry| trade(entry, batch));
    }
    match message.get() {
        Some(mut message) => {
            let text = message.text()?;
            batch.put(Update::Refused(text))
        }
        None => batch.put(Update::Ignored),
    }
}

fn named_levels(mut rows: Cursor<'_>, levels: &mut Vec<Level>) -> Result<Span, WireError> {
    let start = levels.len();
    rows.array(|row| {
        let [price, size] = row.fields(["price", "size"])?;
        levels.extend(Cursor::resting_level(price.need()?, size.need()?)?);
        Ok(())
    })?;
    Ok(Span::since(start, levels.len()))
}

// The book of `GET /products/{id}/book`: rows of `[price, size, orders]` at level 1 and 2, `[price, size, "order"]` at 3.
fn resting(mut body: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [sequence, time, symbol, bids, asks] = body.fields(["sequence", "time", "product", "bids", "asks"])?;
    let (mut bids, mut asks) = (bids.need()?, asks.need()?);
    let symbol = symbol.get().map(|mut symbol| symbol.text()).transpose()?.unwrap_or_default();
    let ts_event = time.get().map_or(Ok(UnixNanos::EPOCH), |mut time| time.stamp_rfc3339())?;
    let sequence = sequence.need()?.u64()?;
    if names_orders(bids)? || names_orders(asks)? {
        let start = batch.orders.len();
        order_rows(&mut bids, Side::Buy, &mut batch.orders)?;
        order_rows(&mut asks, Side::Sell, &mut batch.orders)?;
        let orders = Span::since(start, batch.orders.len());
        let coverage = Coverage::Snapshot;
        return batch.put(Update::Orders { symbol, ts_event, coverage, sequence, checksum: None, orders });
    }
    let (bids, asks) = (bids.levels(&mut batch.levels)?, asks.levels(&mut batch.levels)?);
    let book = BookUpdate { last_id: sequence, ..unnumbered(ts_event, bids, asks) };
    batch.put(Update::Book { symbol, book })
}

// Whether the third element of the first row is a text.
fn names_orders(mut rows: Cursor<'_>) -> Result<bool, WireError> {
    let (mut at, mut found) = ((0, 0), false);
    rows.array(|row| {
        at = (at.0 + 1, 0);
        if at.0 > 1 {
            return row.skip();
        }
        row.array(|item| {
            at.1 += 1;
            found |= at.1 == 3 && item.peek() == Some(b'"');
            item.skip()
        })
    })?;
    Ok(found)
}

fn order_rows(rows: &mut Cursor<'_>, side: Side, orders: &mut Vec<BookOrder>) -> Result<(), WireError> {
    rows.array(|row| {
        let [price, size, order_id] = row.items(["price of an order", "quantity of an order", "name of an order"])?;
        let (order_id, action) = (order_id.need()?.id()?, OrderAction::Add);
        let level = Cursor::resting_level(price.need()?, size.need()?)?;
        orders.extend(level.map(|Level { price, size }| BookOrder { action, order_id, side: Some(side), price, size }));
        Ok(())
    })
}

// What REST answers with a list: the trades of Exchange, and candles, which say neither product nor length.
fn listed(mut body: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    if body.peek() != Some(b'[') {
        return batch.put(Update::Ignored);
    }
    body.array(|entry| {
        let start = *entry;
        if entry.peek() == Some(b'{') {
            let [trade_id] = entry.fields(["trade_id"])?;
            if trade_id.is_present() {
                return trade(&mut { start }, batch);
            }
        } else {
            entry.skip()?;
        }
        batch.put(Update::Ignored)
    })
}

#[cfg(test)]
mod tests;
