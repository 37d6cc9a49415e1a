//! The messages of Coinbase Exchange's own feed, which name themselves by `type`.

use starling_core::time::UnixNanos;

use super::super::batch::{Batch, BookUpdate, Coverage, Update};
use super::super::error::WireError;
use super::super::json::Cursor;
use super::super::sided;

pub(super) fn message(mut body: Cursor<'_>, kind: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    match kind {
        b"match" | b"last_match" => super::trade(&mut body, batch),
        b"l2update" => changes(body, batch),
        b"snapshot" => snapshot(body, batch),
        b"ticker" => ticker(body, batch),
        b"heartbeat" => batch.put(Update::Heartbeat),
        b"subscriptions" => batch.put(Update::Acknowledged),
        b"error" => {
            let [message] = body.fields(["message"])?;
            let text = message.need()?.text()?;
            batch.put(Update::Refused(text))
        }
        _ => batch.put(Update::Ignored),
    }
}

fn ticker(mut body: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [sequence, symbol, bid, bid_size, ask, ask_size, time] =
        body.fields(["sequence", "product_id", "best_bid", "best_bid_size", "best_ask", "best_ask_size", "time"])?;
    let update = match (bid.get(), bid_size.get(), ask.get(), ask_size.get()) {
        (Some(bid), Some(bid_size), Some(ask), Some(ask_size)) => Update::Quote {
            symbol: symbol.need()?.text()?,
            ts_event: time.need()?.stamp_rfc3339()?,
            update_id: sequence.need()?.u64()?,
            bid: Cursor::level_of(bid, bid_size)?,
            ask: Cursor::level_of(ask, ask_size)?,
        },
        _ => Update::Ignored,
    };
    batch.put(update)
}

fn snapshot(mut body: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, asks, bids, time] = body.fields(["product_id", "asks", "bids", "time"])?;
    let ts_event = time.get().map_or(Ok(UnixNanos::EPOCH), |mut time| time.stamp_rfc3339())?;
    let bids = bids.need()?.levels(&mut batch.levels)?;
    let asks = asks.need()?.levels(&mut batch.levels)?;
    batch.put(Update::Book { symbol: symbol.need()?.text()?, book: super::unnumbered(ts_event, bids, asks) })
}

fn changes(mut body: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
    let [symbol, changes, time] = body.fields(["product_id", "changes", "time"])?;
    let [bids, asks] = sided::levels(changes.need()?, &mut batch.levels, |row| {
        let [side, price, size] = row.items(["side of a change", "price of a change", "size of a change"])?;
        let side = side.need()?.side(b"buy", b"sell", "`buy` or `sell`")?;
        Ok(Cursor::resting_level(price.need()?, size.need()?)?.map(|level| (side, level)))
    })?;
    let book = BookUpdate { coverage: Coverage::Delta, ..super::unnumbered(time.need()?.stamp_rfc3339()?, bids, asks) };
    batch.put(Update::Book { symbol: symbol.need()?.text()?, book })
}
