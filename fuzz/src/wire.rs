//! What every decoder must hold, whatever bytes it is given.

use std::hint::black_box;

use serde::de::IgnoredAny;
use starling_market::wire::{Batch, Connection, Feed, Update};

macro_rules! targets {
    ($($name:ident = $judge:ident($feed:literal);)*) => {
        $(pub fn $name(input: &[u8]) {
            $judge($feed, input);
        })*
    };
}

targets! {
    alpaca = judge("alpaca");
    alpaca_msgpack = judge("alpaca-msgpack");
    binance = judge("binance-usdm");
    bitfinex = judge_connection("bitfinex");
    bybit = judge("bybit");
    bybit_2021 = judge("bybit-2021");
    coinbase = judge("coinbase");
    hyperliquid = judge("hyperliquid");
    kraken = judge("kraken");
    kraken_futures = judge("kraken-futures");
    okx = judge("okx");
}

/// Decodes the bytes and panics where a promise of `Feed::decode` is broken.
fn judge(feed: &str, frame: &[u8]) {
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
    assert!(json || feed.name.ends_with("msgpack") || batch.updates == [Update::Heartbeat], "decoded, and no JSON");
    in_bounds(frame, &batch);
}

/// Decodes the lines as the frames of one connection, beside a copy of it for each frame.
fn judge_connection(feed: &str, lines: &[u8]) {
    let mut connection = Connection::new(Feed::named(feed).expect("a feed of the table"));
    let (mut batch, mut again) = (Batch::new(), Batch::new());
    for frame in lines.split(|byte| *byte == b'\n') {
        let mut copy = connection.clone();
        let read = connection.decode(frame, &mut batch);
        assert_eq!(copy.decode(frame, &mut again), read);
        assert_eq!((&again.updates, &again.levels, &again.orders), (&batch.updates, &batch.levels, &batch.orders));
        assert_eq!(again.frame_number, batch.frame_number);
        if read.is_err() {
            // A refused frame is refused again: it taught the connection nothing.
            assert_eq!(connection.decode(frame, &mut again), read);
            assert!(batch.updates.is_empty() && batch.levels.is_empty() && batch.orders.is_empty());
            continue;
        }
        assert!(serde_json::from_slice::<IgnoredAny>(frame).is_ok(), "decoded, and no JSON");
        in_bounds(frame, &batch);
    }
}

fn in_bounds(frame: &[u8], batch: &Batch) {
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
