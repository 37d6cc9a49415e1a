//! OKX v5: the public channels `trades`, `trades-all`, `tickers`, `bbo-tbt`, `books`, `books5`, `books-l2-tbt`,
//! `books50-l2-tbt`, `candle*`, the events of a connection, and the REST order book.
//!
//! Invariant: every entry of a message's `data` becomes one update, in its order. Source: OKX API guide, v5, as of 2025.
//!
//! How the venue is read:
//! - The checksum is sent as a signed number of 32 bits; its bits are kept. What it covers, the book knows.
//! - `prevSeqId` is -1 in a snapshot: there is no change before it. Captures from before 2023 have no sequence numbers.
//! - `books5` and `bbo-tbt` have no `action`: each message is the whole top.
//! - An empty text for a best price or size says that nothing rests there.
//! - The venue answers the text `ping` with the text `pong`, the only frame that is not JSON: [`Update::Heartbeat`].
//! - Bars of index and mark prices have no volume and are [`Update::Ignored`].

use starling_core::time::{DAY, HOUR, MINUTE, SECOND};
use starling_core::{Price, Qty};

use super::batch::{Batch, BookUpdate, Coverage, Level, Text, Update};
use super::error::{WireError, WireErrorKind};
use super::feed::whole;
use super::json::Cursor;

const PONG: &[u8] = b"pong";

pub(crate) fn read(frame: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    if frame == PONG {
        return batch.put(Update::Heartbeat);
    }
    let [event, arg, action, data, code, message] = match whole(frame, |cursor| match cursor.peek() {
        Some(b'{') => cursor.fields(["event", "arg", "action", "data", "code", "msg"]).map(Some),
        _ => cursor.skip().map(|()| None),
    })? {
        Some(fields) => fields,
        None => return batch.put(Update::Ignored),
    };
    if let Some(mut event) = event.get() {
        let text = event.text()?;
        let update = match text.of(frame) {
            b"error" => Update::Refused(message.need()?.text()?),
            b"channel-conn-count-error" => Update::Refused(text),
            b"notice" => Update::Ignored,
            _ => Update::Acknowledged,
        };
        return batch.put(update);
    }
    let Some(mut arg) = arg.get() else {
        // An answer over REST.
        let code = code.get().map(|mut code| code.string()).transpose()?;
        return match (code, data.get()) {
            (Some(b"0"), Some(data)) => resting(data, batch),
            (Some(_), _) => batch.put(Update::Refused(message.need()?.text()?)),
            (None, _) => batch.put(Update::Ignored),
        };
    };
    let [channel, symbol] = arg.fields(["channel", "instId"])?;
    let channel = channel.need()?.string()?;
    let mut data = data.need()?;
    let symbol = || symbol.need()?.text();
    match channel {
        b"trades" | b"trades-all" => data.array(|entry| trade(entry, batch)),
        b"tickers" => data.array(|entry| ticker(entry, batch)),
        b"bbo-tbt" => data.array(|entry| top(entry, symbol()?, batch)),
        b"books" | b"books5" | b"books-l2-tbt" | b"books50-l2-tbt" => {
            let coverage = match action.get() {
                None => Coverage::Snapshot,
                Some(mut action) => match action.string()? {
                    b"snapshot" => Coverage::Snapshot,
                    b"update" => Coverage::Delta,
                    other => return Err(action.refuse(other, "`snapshot` or `update`")),
                },
            };
            data.array(|entry| book(entry, symbol()?, coverage, batch))
        }
        _ => match channel.strip_prefix(b"candle").and_then(interval_ns) {
            Some(interval_ns) => data.array(|entry| candle(entry, symbol()?, interval_ns, batch)),
            None => batch.put(Update::Ignored),
        },
    }
}

fn trade(entry: &mut Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, trade_id, price, size, side, stamp] = entry.fields(["instId", "tradeId", "px", "sz", "side", "ts"])?;
    batch.put(Update::Trade {
        symbol: symbol.need()?.text()?,
        ts_event: stamp.need()?.stamp_ms()?,
        price: price.need()?.price()?,
        size: size.need()?.qty()?,
        aggressor: Some(side.need()?.side(b"buy", b"sell", "`buy` or `sell`")?),
        trade_id: trade_id.need()?.id()?,
    })
}

fn ticker(entry: &mut Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, ask, ask_size, bid, bid_size, stamp] =
        entry.fields(["instId", "askPx", "askSz", "bidPx", "bidSz", "ts"])?;
    batch.put(Update::Quote {
        symbol: symbol.need()?.text()?,
        ts_event: stamp.need()?.stamp_ms()?,
        update_id: 0,
        bid: Cursor::level_of(bid.need()?, bid_size.need()?)?,
        ask: Cursor::level_of(ask.need()?, ask_size.need()?)?,
    })
}

fn top(entry: &mut Cursor<'_>, symbol: Text, batch: &mut Batch) -> Result<(), WireError> {
    let [asks, bids, stamp, sequence] = entry.fields(["asks", "bids", "ts", "seqId"])?;
    batch.put(Update::Quote {
        symbol,
        ts_event: stamp.need()?.stamp_ms()?,
        update_id: sequence.get().map_or(Ok(0), |mut id| id.u64())?,
        bid: best(bids.need()?)?,
        ask: best(asks.need()?)?,
    })
}

// The first row, or nothing.
fn best(mut rows: Cursor<'_>) -> Result<Level, WireError> {
    let mut best = None;
    rows.array(|row| {
        best = best.or(row.level()?);
        Ok(())
    })?;
    Ok(best.unwrap_or(Level { price: Price::ZERO, size: Qty::ZERO }))
}

fn book(entry: &mut Cursor<'_>, symbol: Text, coverage: Coverage, batch: &mut Batch) -> Result<(), WireError> {
    let [asks, bids, stamp, checksum, previous, sequence] =
        entry.fields(["asks", "bids", "ts", "checksum", "prevSeqId", "seqId"])?;
    let asks = asks.need()?.levels(&mut batch.levels)?;
    let bids = bids.need()?.levels(&mut batch.levels)?;
    let previous_id = previous.get().map(|mut id| id.i64()).transpose()?;
    let book = BookUpdate {
        coverage,
        ts_event: stamp.need()?.stamp_ms()?,
        first_id: 0,
        last_id: sequence.get().map_or(Ok(0), |mut id| id.u64())?,
        previous_id: previous_id.and_then(|id| u64::try_from(id).ok()),
        checksum: checksum.get().map(signed_bits).transpose()?,
        bids,
        asks,
    };
    batch.put(Update::Book { symbol, book })
}

fn signed_bits(mut cursor: Cursor<'_>) -> Result<u32, WireError> {
    let mut again = cursor;
    let value = cursor.i64()?;
    i32::try_from(value).map(i32::cast_unsigned).or_else(|_| {
        let (start, text) = again.digits_text()?;
        let text = String::from_utf8_lossy(text).into();
        Err(WireError::new(start, WireErrorKind::Integer { text, wanted: "a whole number of 32 bits" }))
    })
}

// {"code":"0","msg":"","data":[{"asks":[...],"bids":[...],"ts":"..."}]}: it does not name the instrument.
fn resting(mut data: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    data.array(|entry| {
        let mut looked = *entry;
        if entry.peek() == Some(b'{') {
            let [asks, bids] = looked.fields(["asks", "bids"])?;
            if asks.is_present() && bids.is_present() {
                return book(entry, Text::default(), Coverage::Snapshot, batch);
            }
        }
        entry.skip()?;
        batch.put(Update::Ignored)
    })
}

fn candle(entry: &mut Cursor<'_>, symbol: Text, interval_ns: u64, batch: &mut Batch) -> Result<(), WireError> {
    let start = *entry;
    let mut cells = [start; 9];
    let mut count = 0;
    entry.array(|cell| {
        if let Some(slot) = cells.get_mut(count) {
            *slot = *cell;
        }
        count += 1;
        cell.skip()
    })?;
    if count < cells.len() {
        return Err(WireError::new(start.offset(), WireErrorKind::Missing("confirm, the ninth of a bar")));
    }
    let [mut stamp, mut open, mut high, mut low, mut close, mut volume, _, _, mut confirm] = cells;
    batch.put(Update::Bar {
        symbol,
        ts_open: stamp.stamp_ms()?,
        interval_ns,
        open: open.price()?,
        high: high.price()?,
        low: low.price()?,
        close: close.price()?,
        volume: volume.qty()?,
        closed: match confirm.string()? {
            b"1" => true,
            b"0" => false,
            other => return Err(confirm.refuse(other, "`0` or `1`")),
        },
    })
}

// `1s`, `15m`, `4H`, `1D`, `1Wutc`; months have no fixed length: 0.
fn interval_ns(text: &[u8]) -> Option<u64> {
    let text = text.strip_suffix(b"utc").unwrap_or(text);
    let (unit, count) = text.split_last()?;
    let unit = match unit {
        b's' => SECOND,
        b'm' => MINUTE,
        b'H' => HOUR,
        b'D' => DAY,
        b'W' => 7 * DAY,
        b'M' => 0,
        _ => return None,
    };
    std::str::from_utf8(count).ok()?.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests;
