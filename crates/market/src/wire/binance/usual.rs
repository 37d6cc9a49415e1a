//! The quick way through Binance's hot messages, spelled as the venue has spelled them since 2019.
//!
//! Invariant: `None` for whatever is spelled in another way; the general path then gives the update, or the error.

use starling_core::time::UnixNanos;

use super::super::batch::{Batch, BookUpdate, Coverage, Level, Text, Update};
use super::super::json::Straight;
use super::{aggressor, is_partial, nanos, parts, snapshot};

#[inline]
pub(super) fn read(frame: &[u8], batch: &mut Batch) -> Option<Update> {
    let mut at = Straight::new(frame)?;
    let wrapped = at.optional(b"{\"stream\":\"");
    let stream = if wrapped {
        let stream = at.text()?;
        at.literal(b",\"data\":{")?;
        stream
    } else {
        at.literal(b"{")?;
        Text::default()
    };
    let update = if at.optional(b"\"e\":\"trade\",\"E\":") {
        trade(&mut at)?
    } else if at.optional(b"\"u\":") {
        let update_id = at.whole()?;
        at.literal(b",")?;
        let _coin_margined = at.optional(b"\"e\":\"bookTicker\",");
        quote(&mut at, update_id)?
    } else if at.optional(b"\"e\":\"bookTicker\",\"u\":") {
        let update_id = at.whole()?;
        at.literal(b",")?;
        quote(&mut at, update_id)?
    } else if at.optional(b"\"e\":\"depthUpdate\",\"E\":") {
        depth(&mut at, is_partial(stream, frame), batch)?
    } else if at.optional(b"\"e\":\"aggTrade\",\"E\":") {
        aggregate(&mut at)?
    } else {
        at.literal(b"\"lastUpdateId\":")?;
        partial(&mut at, parts(stream, frame).0, batch)?
    };
    at.literal(b"}")?;
    if wrapped {
        at.literal(b"}")?;
    }
    at.finish()?;
    Some(update)
}

#[inline(always)]
fn trade(at: &mut Straight<'_>) -> Option<Update> {
    at.whole()?;
    // Spot gives the time of the trade after the quantity, futures before the symbol.
    let mut stamp = if at.optional(b",\"T\":") { Some(at.whole()?) } else { None };
    at.literal(b",\"s\":\"")?;
    let symbol = at.text()?;
    at.literal(b",\"t\":")?;
    let trade_id = at.whole()?;
    at.literal(b",\"p\":\"")?;
    let price = at.price()?;
    at.literal(b",\"q\":\"")?;
    let size = at.qty()?;
    if stamp.is_some() {
        at.literal(b",\"X\":\"MARKET\"")?;
    } else {
        at.literal(b",\"T\":")?;
        stamp = Some(at.whole()?);
    }
    at.literal(b",\"m\":")?;
    let buyer_is_maker = at.bool()?;
    if at.optional(b",\"M\":") {
        at.bool()?;
    }
    // Not a trade of the market: the general path says so.
    if price.is_zero() || size.is_zero() {
        return None;
    }
    let (ts_event, aggressor) = (nanos(stamp?)?, aggressor(buyer_is_maker));
    Some(Update::Trade { symbol, ts_event, price, size, aggressor, trade_id })
}

#[inline(always)]
fn aggregate(at: &mut Straight<'_>) -> Option<Update> {
    at.whole()?;
    let mut symbol = None;
    if at.optional(b",\"s\":\"") {
        symbol = Some(at.text()?);
    }
    at.literal(b",\"a\":")?;
    at.whole()?;
    if symbol.is_none() {
        at.literal(b",\"s\":\"")?;
        symbol = Some(at.text()?);
    }
    at.literal(b",\"p\":\"")?;
    let price = at.price()?;
    at.literal(b",\"q\":\"")?;
    let size = at.qty()?;
    if at.optional(b",\"nq\":\"") {
        at.qty()?;
    }
    at.literal(b",\"f\":")?;
    at.whole()?;
    at.literal(b",\"l\":")?;
    let trade_id = at.whole()?;
    at.literal(b",\"T\":")?;
    let ts_event = nanos(at.whole()?)?;
    at.literal(b",\"m\":")?;
    let buyer_is_maker = at.bool()?;
    if at.optional(b",\"M\":") {
        at.bool()?;
    }
    if price.is_zero() || size.is_zero() {
        return None;
    }
    Some(Update::Trade { symbol: symbol?, ts_event, price, size, aggressor: aggressor(buyer_is_maker), trade_id })
}

#[inline(always)]
fn quote(at: &mut Straight<'_>, update_id: u64) -> Option<Update> {
    at.literal(b"\"s\":\"")?;
    let symbol = at.text()?;
    if at.optional(b",\"ps\":\"") {
        at.text()?;
    }
    at.literal(b",\"b\":\"")?;
    let price = at.price()?;
    at.literal(b",\"B\":\"")?;
    let bid = Level { price, size: at.qty()? };
    at.literal(b",\"a\":\"")?;
    let price = at.price()?;
    at.literal(b",\"A\":\"")?;
    let ask = Level { price, size: at.qty()? };
    let mut ts_event = UnixNanos::EPOCH;
    if at.optional(b",\"T\":") {
        ts_event = nanos(at.whole()?)?;
        at.literal(b",\"E\":")?;
        at.whole()?;
    }
    Some(Update::Quote { symbol, ts_event, update_id, bid, ask })
}

#[inline(always)]
fn depth(at: &mut Straight<'_>, partial: bool, batch: &mut Batch) -> Option<Update> {
    let mut stamp = at.whole()?;
    if at.optional(b",\"T\":") {
        stamp = at.whole()?;
    }
    at.literal(b",\"s\":\"")?;
    let symbol = at.text()?;
    if at.optional(b",\"ps\":\"") {
        at.text()?;
    }
    at.literal(b",\"U\":")?;
    let first_id = at.whole()?;
    at.literal(b",\"u\":")?;
    let last_id = at.whole()?;
    let previous_id = if at.optional(b",\"pu\":") { Some(at.whole()?) } else { None };
    at.literal(b",\"b\":")?;
    let bids = at.levels(&mut batch.levels)?;
    at.literal(b",\"a\":")?;
    let asks = at.levels(&mut batch.levels)?;
    let coverage = if partial { Coverage::Snapshot } else { Coverage::Delta };
    let ts_event = nanos(stamp)?;
    let book = BookUpdate { coverage, ts_event, first_id, last_id, previous_id, checksum: None, bids, asks };
    Some(Update::Book { symbol, book })
}

#[inline(always)]
fn partial(at: &mut Straight<'_>, symbol: Text, batch: &mut Batch) -> Option<Update> {
    let last_id = at.whole()?;
    at.literal(b",\"bids\":")?;
    let bids = at.levels(&mut batch.levels)?;
    at.literal(b",\"asks\":")?;
    let asks = at.levels(&mut batch.levels)?;
    Some(Update::Book { symbol, book: snapshot(UnixNanos::EPOCH, last_id, bids, asks) })
}
