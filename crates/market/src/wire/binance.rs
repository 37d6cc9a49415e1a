//! Binance spot, USD-M and COIN-M futures: WebSocket market streams, raw or combined, and the REST depth snapshot.
//!
//! Invariant: the quick path for the usual spelling of trades, quotes and depth and the general path give the same
//! updates. Source: Binance Spot API docs (web-socket-streams, rest-api) and Derivatives docs, as of 2025.
//!
//! How the venue is read:
//! - `m` says that the buyer was the maker: the seller took liquidity.
//! - The stamp of an update is the transaction time `T`; where there is none, the time of publishing `E`. Spot stamps are
//!   milliseconds, or microseconds where the connection asked for `timeUnit=MICROSECOND`; which, their size tells.
//! - A partial depth stream (`@depth5`, `@depth10`, `@depth20`) is a snapshot of the top. On spot it names no symbol: it is
//!   what stands before the `@` of the stream's name, in lower case. On futures it has the shape of a diff, and only the
//!   stream's name tells: subscribe to those by a combined stream.
//! - Futures `trade` events of the insurance fund, of auto-deleveraging, or without a price are no trades of the market,
//!   and are [`Update::Ignored`], as the venue leaves them out of `aggTrade`.
//!
//! It keeps no book and checks no sequence: `U`, `u` and `pu` are passed on.

mod usual;

use starling_core::order::Side;
use starling_core::time::{DAY, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND, UnixNanos};

use super::batch::{Batch, BookUpdate, Coverage, Level, Span, Text, Update};
use super::error::WireError;
use super::feed::whole;
use super::json::Cursor;

pub(crate) fn read(frame: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    if let Some(update) = usual::read(frame, batch) {
        batch.updates.push(update);
        return Ok(());
    }
    batch.levels.clear();
    let update = whole(frame, |cursor| {
        let start = *cursor;
        let [stream, data] = match cursor.peek() {
            Some(b'{') => cursor.fields(["stream", "data"])?,
            // Lists of tickers, of trades, of bars.
            _ => return cursor.skip().map(|()| Update::Ignored),
        };
        match (stream.get(), data.get()) {
            (Some(mut stream), Some(data)) => general(data, stream.text()?, frame, batch),
            _ => general(start, Text::default(), frame, batch),
        }
    })?;
    batch.updates.push(update);
    Ok(())
}

// Stamps after this are not milliseconds: it would be the year 5138. In microseconds it is March 1973.
const MILLISECONDS_MAX: u64 = 100_000_000_000_000;

#[inline]
fn nanos(stamp: u64) -> Option<UnixNanos> {
    let unit = if stamp < MILLISECONDS_MAX { MILLISECOND } else { MICROSECOND };
    stamp.checked_mul(unit).map(UnixNanos::new)
}

#[inline]
fn aggressor(buyer_is_maker: bool) -> Option<Side> {
    Some(if buyer_is_maker { Side::Sell } else { Side::Buy })
}

// What follows the symbol in a stream's name, and the symbol.
fn parts(stream: Text, frame: &[u8]) -> (Text, &[u8]) {
    let name = stream.of(frame);
    let at = name.iter().position(|byte| *byte == b'@').unwrap_or(name.len());
    (Text { start: stream.start, len: at as u32 }, &name[at..])
}

fn is_partial(stream: Text, frame: &[u8]) -> bool {
    let (_, channel) = parts(stream, frame);
    channel.strip_prefix(b"@depth").is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit))
}

fn snapshot(ts_event: UnixNanos, last_id: u64, bids: Span, asks: Span) -> BookUpdate {
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

fn stamp(mut cursor: Cursor<'_>) -> Result<UnixNanos, WireError> {
    let mut again = cursor;
    let value = cursor.u64()?;
    // What does not fit gets the error of the unit it would have.
    nanos(value).map_or_else(|| again.stamp_us(), Ok)
}

fn general(body: Cursor<'_>, stream: Text, frame: &[u8], batch: &mut Batch) -> Result<Update, WireError> {
    let mut cursor = body;
    if cursor.peek() != Some(b'{') {
        return Ok(Update::Ignored);
    }
    let [event, last_id, bid, ask, result, error, code, message] =
        cursor.fields(["e", "lastUpdateId", "B", "A", "result", "error", "code", "msg"])?;
    if let Some(mut event) = event.get() {
        return match event.string()? {
            b"trade" => trade(body, "t"),
            b"aggTrade" => trade(body, "l"),
            b"bookTicker" => quote(body),
            b"depthUpdate" => depth(body, is_partial(stream, frame), batch),
            b"kline" => kline(body),
            _ => Ok(Update::Ignored),
        };
    }
    if last_id.is_present() {
        return resting(body, parts(stream, frame).0, batch);
    }
    if bid.is_present() && ask.is_present() {
        return quote(body);
    }
    // {"error":{"code":2,"msg":"..."},"id":1} of the stream, {"code":-1121,"msg":"..."} of the REST side.
    if let Some(mut error) = error.get() {
        let [message] = error.fields(["msg"])?;
        return Ok(Update::Refused(message.need()?.text()?));
    }
    if let (Some(_), Some(mut message)) = (code.get(), message.get()) {
        return Ok(Update::Refused(message.text()?));
    }
    let [id] = { body }.fields(["id"])?;
    // {"result":null,"id":1}, or a list of subscriptions.
    Ok(if result.is_present() || id.is_present() { Update::Acknowledged } else { Update::Ignored })
}

fn trade(mut body: Cursor<'_>, id: &'static str) -> Result<Update, WireError> {
    let [ts_event, symbol, trade_id, price, size, kind, buyer_is_maker] =
        body.fields(["T", "s", id, "p", "q", "X", "m"])?;
    if let Some(mut kind) = kind.get()
        && matches!(kind.string()?, b"NA" | b"INSURANCE_FUND" | b"ADL")
    {
        return Ok(Update::Ignored);
    }
    let (price, size) = (price.need()?.price()?, size.need()?.qty()?);
    if price.is_zero() || size.is_zero() {
        return Ok(Update::Ignored);
    }
    Ok(Update::Trade {
        symbol: symbol.need()?.text()?,
        ts_event: stamp(ts_event.need()?)?,
        price,
        size,
        aggressor: aggressor(buyer_is_maker.need()?.bool()?),
        trade_id: trade_id.need()?.u64()?,
    })
}

fn quote(mut body: Cursor<'_>) -> Result<Update, WireError> {
    let [update_id, symbol, bid, bid_size, ask, ask_size, traded, published] =
        body.fields(["u", "s", "b", "B", "a", "A", "T", "E"])?;
    Ok(Update::Quote {
        symbol: symbol.need()?.text()?,
        ts_event: traded.get().or(published.get()).map_or(Ok(UnixNanos::EPOCH), stamp)?,
        update_id: update_id.need()?.u64()?,
        bid: Level { price: bid.need()?.price()?, size: bid_size.need()?.qty()? },
        ask: Level { price: ask.need()?.price()?, size: ask_size.need()?.qty()? },
    })
}

fn depth(mut body: Cursor<'_>, partial: bool, batch: &mut Batch) -> Result<Update, WireError> {
    let [published, traded, symbol, first_id, last_id, previous_id, bids, asks] =
        body.fields(["E", "T", "s", "U", "u", "pu", "b", "a"])?;
    let book = BookUpdate {
        coverage: if partial { Coverage::Snapshot } else { Coverage::Delta },
        ts_event: stamp(traded.get().map_or_else(|| published.need(), Ok)?)?,
        first_id: first_id.need()?.u64()?,
        last_id: last_id.need()?.u64()?,
        previous_id: previous_id.get().map(|mut id| id.u64()).transpose()?,
        checksum: None,
        bids: bids.need()?.levels(&mut batch.levels)?,
        asks: asks.need()?.levels(&mut batch.levels)?,
    };
    Ok(Update::Book { symbol: symbol.need()?.text()?, book })
}

// A partial depth of spot, or the answer to a request for the depth.
fn resting(mut body: Cursor<'_>, streamed: Text, batch: &mut Batch) -> Result<Update, WireError> {
    let [last_id, published, traded, symbol, bids, asks] =
        body.fields(["lastUpdateId", "E", "T", "symbol", "bids", "asks"])?;
    let ts_event = traded.get().or(published.get()).map_or(Ok(UnixNanos::EPOCH), stamp)?;
    let last_id = last_id.need()?.u64()?;
    let bids = bids.need()?.levels(&mut batch.levels)?;
    let asks = asks.need()?.levels(&mut batch.levels)?;
    let symbol = symbol.get().map(|mut symbol| symbol.text()).transpose()?.unwrap_or(streamed);
    Ok(Update::Book { symbol, book: snapshot(ts_event, last_id, bids, asks) })
}

fn kline(mut body: Cursor<'_>) -> Result<Update, WireError> {
    let [bar] = body.fields(["k"])?;
    let [start, symbol, interval, open, close, high, low, volume, closed] =
        bar.need()?.fields(["t", "s", "i", "o", "c", "h", "l", "v", "x"])?;
    let mut interval = interval.need()?;
    let text = interval.string()?;
    Ok(Update::Bar {
        symbol: symbol.need()?.text()?,
        ts_open: stamp(start.need()?)?,
        interval_ns: interval_ns(text).ok_or_else(|| interval.refuse(text, "an interval such as 1m, 4h, 1d"))?,
        open: open.need()?.price()?,
        high: high.need()?.price()?,
        low: low.need()?.price()?,
        close: close.need()?.price()?,
        volume: volume.need()?.qty()?,
        closed: closed.need()?.bool()?,
    })
}

// A month has no fixed length: 0.
fn interval_ns(text: &[u8]) -> Option<u64> {
    let (unit, count) = text.split_last()?;
    let unit = match unit {
        b's' => SECOND,
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
