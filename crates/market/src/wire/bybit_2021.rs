//! Bybit's wire before v5, as archives of 2021 hold it: inverse (`/realtime`) and linear (`/realtime_public`) perpetuals;
//! topics `trade`, `orderBookL2_25`, `orderBook_200`, `klineV2`, `candle`.
//!
//! Invariant: a book message becomes one update whose bids come before its asks; deleted levels have size zero. Source:
//! Bybit API docs v2, and the captures themselves.
//!
//! How the venue is read: numbers come bare or quoted, and stamps are whole microseconds (`timestamp_e6`), as the product
//! pleases; a snapshot's rows stand in `data` (inverse) or in `data.order_book` (linear). The number of a book is
//! `cross_seq`, which grows, but not by ones. `instrument_info` has best prices without sizes, and is [`Update::Ignored`].

use starling_core::order::Side;
use starling_core::{Price, Qty};

use super::batch::{Batch, BookUpdate, Coverage, Level, Span, Text, Update};
use super::bybit::{Topic, answer, coverage, interval_ns};
use super::error::WireError;
use super::feed::whole;
use super::json::Cursor;

pub(crate) fn read(frame: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    let mut body = Cursor::new(frame)?;
    let [topic, kind, data, sequence, stamp] = match whole(frame, |cursor| match cursor.peek() {
        Some(b'{') => cursor.fields(["topic", "type", "data", "cross_seq", "timestamp_e6"]).map(Some),
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
        b"trade" => data.array(|entry| trade(entry, batch)),
        b"orderBookL2_25" | b"orderBook_200" | b"orderBookL2_200" => {
            let coverage = coverage(kind.need()?)?;
            let (bids, asks) = levels(data, coverage, batch)?;
            let book = BookUpdate {
                coverage,
                ts_event: stamp.need()?.stamp_us()?,
                first_id: 0,
                last_id: sequence.need()?.u64()?,
                previous_id: None,
                checksum: None,
                bids,
                asks,
            };
            batch.put(Update::Book { symbol: topic.symbol, book })
        }
        b"klineV2" | b"candle" if interval_ns(topic.parameter).is_some() => {
            let interval_ns = interval_ns(topic.parameter).unwrap_or_default();
            data.array(|entry| kline(entry, topic.symbol, interval_ns, batch))
        }
        _ => batch.put(Update::Ignored),
    }
}

fn trade(entry: &mut Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [stamp, symbol, side, size, price, trade_id] =
        entry.fields(["trade_time_ms", "symbol", "side", "size", "price", "trade_id"])?;
    batch.put(Update::Trade {
        symbol: symbol.need()?.text()?,
        ts_event: stamp.need()?.stamp_ms()?,
        price: price.need()?.price()?,
        size: size.need()?.qty()?,
        aggressor: Some(side.need()?.side(b"Buy", b"Sell", "`Buy` or `Sell`")?),
        trade_id: trade_id.need()?.id()?,
    })
}

// Bids and asks are mixed on the wire, and each side wants rows in a run: the rows are walked once for each.
fn levels(data: Cursor<'_>, coverage: Coverage, batch: &mut Batch) -> Result<(Span, Span), WireError> {
    let mut spans = [Span::default(); 2];
    for (span, side) in spans.iter_mut().zip([Side::Buy, Side::Sell]) {
        let start = batch.levels.len();
        let mut data = data;
        match coverage {
            Coverage::Snapshot if data.peek() == Some(b'{') => {
                let [rows] = data.fields(["order_book"])?;
                rows_of(rows.need()?, side, false, batch)?;
            }
            Coverage::Snapshot => rows_of(data, side, false, batch)?,
            Coverage::Delta => {
                let [delete, update, insert] = data.fields(["delete", "update", "insert"])?;
                rows_of(delete.need()?, side, true, batch)?;
                rows_of(update.need()?, side, false, batch)?;
                rows_of(insert.need()?, side, false, batch)?;
            }
        }
        // Both fit: a level takes more than one byte of a frame of limited size.
        *span = Span { start: start as u32, len: (batch.levels.len() - start) as u32 };
    }
    Ok((spans[0], spans[1]))
}

fn rows_of(mut rows: Cursor<'_>, wanted: Side, delete: bool, batch: &mut Batch) -> Result<(), WireError> {
    rows.array(|row| {
        let [price, side, size] = row.fields(["price", "side", "size"])?;
        if side.need()?.side(b"Buy", b"Sell", "`Buy` or `Sell`")? == wanted {
            let price: Price = price.need()?.price()?;
            let size = if delete { Qty::ZERO } else { size.need()?.qty()? };
            batch.levels.push(Level { price, size });
        }
        Ok(())
    })
}

fn kline(entry: &mut Cursor<'_>, symbol: Text, interval_ns: u64, batch: &mut Batch) -> Result<(), WireError> {
    let [start, open, close, high, low, volume, closed] =
        entry.fields(["start", "open", "close", "high", "low", "volume", "confirm"])?;
    let mut start = start.need()?;
    batch.put(Update::Bar {
        symbol,
        ts_open: start.stamp_seconds()?,
        interval_ns,
        open: open.need()?.price()?,
        high: high.need()?.price()?,
        low: low.need()?.price()?,
        close: close.need()?.price()?,
        volume: volume.need()?.qty()?,
        closed: closed.need()?.bool()?,
    })
}

#[cfg(test)]
mod tests;
