//! What every decoder must hold, whatever bytes it is given.

use std::hint::black_box;

use serde::de::IgnoredAny;
use starling_market::wire::{Batch, Feed, Update};

/// Decodes the bytes and panics where a promise of `Feed::decode` is broken.
pub fn judge(feed: &str, frame: &[u8]) {
    let feed = Feed::named(feed).expect("a feed of the table");
    let (mut batch, mut again) = (Batch::new(), Batch::new());
    let read = feed.decode(frame, &mut batch);
    // A batch that held another frame before gives the same.
    again.updates.push(Update::Ignored);
    assert_eq!(feed.decode(frame, &mut again), read);
    assert_eq!((&again.updates, &again.levels, &again.orders), (&batch.updates, &batch.levels, &batch.orders));
    if read.is_err() {
        assert!(batch.updates.is_empty() && batch.levels.is_empty() && batch.orders.is_empty());
        return;
    }
    // OKX answers a ping in plain text.
    let json = std::str::from_utf8(frame).is_ok() && serde_json::from_slice::<IgnoredAny>(frame).is_ok();
    assert!(json || batch.updates == [Update::Heartbeat], "decoded, and no JSON");
    for update in &batch.updates {
        let (symbol, spans) = match *update {
            Update::Trade { symbol, .. } | Update::Quote { symbol, .. } | Update::Bar { symbol, .. } => (symbol, None),
            Update::Book { symbol, book } => (symbol, Some([book.bids, book.asks])),
            Update::Orders { symbol, orders, .. } => {
                black_box(batch.orders_of(orders));
                (symbol, None)
            }
            Update::Refused(text) => (text, None),
            _ => continue,
        };
        // Both panic where they reach outside the frame or the batch.
        black_box(symbol.of(frame));
        for span in spans.into_iter().flatten() {
            black_box(batch.levels_of(span));
        }
    }
}
