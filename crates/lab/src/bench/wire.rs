//! Tick parsing: one real message of a venue after another, to fixed point, single and in tens to thousands.
//!
//! Binance's frames beside this file are of the capture of 2024-08-08; depth20 is the top of its book in the shape of the
//! `@depth20` stream. The answer is the sum of all prices and quantities, which serde_json and the text parser of fixed
//! point make apart. The same frames through serde_json are measured beside, as the peer that a Rust engine would take. The other venues have
//! one trade each, of captures (OKX, Coinbase, Hyperliquid) or of their documents, whose sums were made with Python's
//! decimals.

use std::hint::black_box;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use starling_core::{Price, Qty};
use starling_market::wire::{Batch, Connection, Feed, Level, Update};

use super::{BenchError, Prepared, Workload};

/// A message: its name, its frame, nanoseconds we ask of it and aim at, and the peer.
struct Message {
    name: &'static str,
    frame: &'static str,
    target: Option<f64>,
    aim: Option<f64>,
    peer: fn(&str) -> Result<i128, BenchError>,
}

const MESSAGES: [Message; 4] = [
    Message {
        name: "Binance trade",
        frame: include_str!("wire/trade.json"),
        target: Some(60.0),
        aim: None,
        peer: by_struct::<Trade>,
    },
    Message {
        name: "Binance bookTicker",
        frame: include_str!("wire/book_ticker.json"),
        target: Some(60.0),
        aim: None,
        peer: by_struct::<Quote>,
    },
    Message {
        name: "Binance depth20",
        frame: include_str!("wire/depth20.json"),
        target: Some(1_200.0),
        aim: Some(900.0),
        peer: by_struct::<Depth>,
    },
    Message {
        name: "Binance depth diff",
        frame: include_str!("wire/depth_diff.json"),
        target: None,
        aim: None,
        peer: by_struct::<Depth>,
    },
];

/// A message of another venue: its name, its feed, what the connection heard before, its frame, and the sum of its prices
/// and quantities in units of 1e-9.
struct Other {
    name: &'static str,
    feed: &'static str,
    before: Option<&'static str>,
    frame: &'static str,
    sum: f64,
}

const OTHERS: [Other; 7] = [
    Other {
        name: "Alpaca trade",
        feed: "alpaca",
        before: None,
        frame: include_str!("wire/alpaca_trade.json"),
        sum: 127_550_000_000.0,
    },
    Other {
        name: "Bitfinex trade",
        feed: "bitfinex",
        before: Some(r#"{"event":"subscribed","channel":"trades","chanId":17470,"symbol":"tBTCUSD","pair":"BTCUSD"}"#),
        frame: include_str!("wire/bitfinex_trade.json"),
        sum: 7_245_305_000_000.0,
    },
    Other {
        name: "Bybit trade",
        feed: "bybit",
        before: None,
        frame: include_str!("wire/bybit_trade.json"),
        sum: 27_451_010_000_000.0,
    },
    Other {
        name: "Coinbase match",
        feed: "coinbase",
        before: None,
        frame: include_str!("wire/coinbase_match.json"),
        sum: 985_000_013_050.0,
    },
    Other {
        name: "Hyperliquid trade",
        feed: "hyperliquid",
        before: None,
        frame: include_str!("wire/hyperliquid_trade.json"),
        sum: 105_056_022_220_000.0,
    },
    Other {
        name: "Kraken two trades",
        feed: "kraken",
        before: None,
        frame: include_str!("wire/kraken_trades.json"),
        sum: 211_854_700_400_850.0,
    },
    Other {
        name: "OKX trade",
        feed: "okx",
        before: None,
        frame: include_str!("wire/okx_trade.json"),
        sum: 30_236_000_200_000.0,
    },
];

pub(super) fn workloads() -> Vec<Workload> {
    let suite = "market_data_throughput";
    let ours = MESSAGES.into_iter().flat_map(move |message| {
        let Message { name, frame, target, aim, .. } = message;
        [1usize, 10, 100, 1_000].map(|count| {
            let parameters = format!("{name} x {count}");
            Workload::new(suite, "tick parsing", parameters, (count as u64, "messages"), move || ours(frame, count))
                .held_to(None, target, aim)
        })
    });
    let peers = MESSAGES.into_iter().map(move |message| {
        let Message { name, frame, peer, .. } = message;
        let parameters = format!("{name} x 1000");
        Workload::new(suite, "tick parsing by serde_json", parameters, (1_000, "messages"), move || {
            by_peer(frame, peer)
        })
    });
    let others = OTHERS.into_iter().map(move |other| {
        let parameters = format!("{} x 1000", other.name);
        Workload::new(suite, "tick parsing", parameters, (1_000, "messages"), move || others(&other))
    });
    ours.chain(others).chain(peers).collect()
}

fn others(other: &Other) -> Result<Prepared, BenchError> {
    let Other { name, feed, before, frame, sum } = *other;
    let input = |error: &dyn std::fmt::Display| BenchError::Input(format!("{name}: {error}"));
    let mut connection = Connection::new(Feed::named(feed).ok_or_else(|| input(&"no such feed"))?);
    let mut batch = Batch::new();
    if let Some(said) = before {
        connection.decode(said.as_bytes(), &mut batch).map_err(|error| input(&error))?;
    }
    let work = move || {
        let mut sum = 0;
        for _ in 0..1_000 {
            let read = connection.decode(black_box(frame.as_bytes()), &mut batch);
            read.map_err(|error| BenchError::Input(format!("{name}: {error}")))?;
            sum += total(&batch);
        }
        Ok(sum as f64)
    };
    Ok(Prepared { work: Box::new(work), expected: Some(sum * 1_000.0) })
}

fn ours(frame: &'static str, count: usize) -> Result<Prepared, BenchError> {
    let feed = Feed::named("binance-spot").ok_or_else(|| BenchError::Input("no feed binance-spot".into()))?;
    let expected = (by_serde(frame)? * count as i128) as f64;
    let mut batch = Batch::new();
    let work = move || {
        let mut sum = 0;
        for _ in 0..count {
            let read = feed.decode(black_box(frame.as_bytes()), &mut batch);
            read.map_err(|error| BenchError::Input(error.to_string()))?;
            sum += total(&batch);
        }
        Ok(sum as f64)
    };
    Ok(Prepared { work: Box::new(work), expected: Some(expected) })
}

fn by_peer(frame: &'static str, peer: fn(&str) -> Result<i128, BenchError>) -> Result<Prepared, BenchError> {
    let expected = (by_serde(frame)? * 1_000) as f64;
    let work = move || {
        let mut sum = 0;
        for _ in 0..1_000 {
            sum += peer(black_box(frame))?;
        }
        Ok(sum as f64)
    };
    Ok(Prepared { work: Box::new(work), expected: Some(expected) })
}

// The sum of all prices and quantities.
fn total(batch: &Batch) -> i128 {
    let level = |level: &Level| i128::from(level.price.units()) + i128::from(level.size.units());
    let update = |update: &Update| match update {
        Update::Trade { price, size, .. } => i128::from(price.units()) + i128::from(size.units()),
        Update::Quote { bid, ask, .. } => level(bid) + level(ask),
        // The levels are summed as they lie.
        _ => 0,
    };
    batch.updates.iter().map(update).sum::<i128>() + batch.levels.iter().map(level).sum::<i128>()
}

// Every text of the message's data that is a decimal.
fn by_serde(frame: &str) -> Result<i128, BenchError> {
    fn decimals(value: &Value) -> i128 {
        match value {
            Value::String(text) => text.parse::<Price>().map_or(0, |price| i128::from(price.units())),
            Value::Array(items) => items.iter().map(decimals).sum(),
            Value::Object(fields) => fields.values().map(decimals).sum(),
            _ => 0,
        }
    }
    let value: Value = serde_json::from_str(frame).map_err(|error| BenchError::Input(error.to_string()))?;
    Ok(decimals(&value["data"]))
}

/// What a trading engine needs of a message, as serde has it.
#[derive(Deserialize)]
struct Combined<T> {
    data: T,
}

trait Total {
    fn total(&self) -> i128;
}

#[derive(Deserialize)]
struct Trade {
    p: Price,
    q: Qty,
    #[serde(rename = "T")]
    stamp: u64,
    t: u64,
    m: bool,
}

impl Total for Trade {
    fn total(&self) -> i128 {
        black_box((self.stamp, self.t, self.m));
        i128::from(self.p.units()) + i128::from(self.q.units())
    }
}

#[derive(Deserialize)]
struct Quote {
    u: u64,
    b: Price,
    #[serde(rename = "B")]
    bid_size: Qty,
    a: Price,
    #[serde(rename = "A")]
    ask_size: Qty,
}

impl Total for Quote {
    fn total(&self) -> i128 {
        black_box(self.u);
        [self.b.units(), self.bid_size.units(), self.a.units(), self.ask_size.units()].map(i128::from).iter().sum()
    }
}

#[derive(Deserialize)]
struct Depth {
    #[serde(rename = "u", alias = "lastUpdateId")]
    last_id: u64,
    #[serde(rename = "b", alias = "bids")]
    bids: Vec<(Price, Qty)>,
    #[serde(rename = "a", alias = "asks")]
    asks: Vec<(Price, Qty)>,
}

impl Total for Depth {
    fn total(&self) -> i128 {
        black_box(self.last_id);
        let levels = self.bids.iter().chain(&self.asks);
        levels.map(|(price, size)| i128::from(price.units()) + i128::from(size.units())).sum()
    }
}

fn by_struct<T: DeserializeOwned + Total>(frame: &str) -> Result<i128, BenchError> {
    let message: Combined<T> = serde_json::from_str(frame).map_err(|error| BenchError::Input(error.to_string()))?;
    Ok(message.data.total())
}
