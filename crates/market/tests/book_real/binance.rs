//! Binance: snapshot and diffs joined by `SyncedBook`, the book compared with bookTicker at every update id they share.

use std::collections::HashMap;

use serde_json::Value;
use starling_core::fixed::{Price, Qty};
use starling_market::book::{Limits, Outcome, Rules, Shape, State, SyncedBook};
use starling_market::wire::{BookUpdate, Coverage, Level};

use crate::capture::{decimal, folder, levels, messages, text, update};

#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Diffs that changed the book, those applied after waiting for the snapshot among them.
    applied: usize,
    /// Diffs that were older than the snapshot, or repeated.
    ignored: usize,
    /// Diffs kept until the snapshot came.
    buffered: usize,
    /// Snapshots joined.
    joined: usize,
    /// Update ids at which bookTicker and book are both known.
    shared: usize,
    /// Of them, those with equal prices and sizes.
    equal: usize,
}

/// Reads captures as one stream.
fn replay(rules: Rules, tick: &str, files: &[&str]) -> Option<(SyncedBook, Tally)> {
    let folder = folder()?;
    let mut book = SyncedBook::new(rules, tick.parse().unwrap(), Shape::default(), Limits::default());
    let mut tally = Tally::default();
    for file in files {
        let text = text(&folder, file);
        let tickers: HashMap<u64, [Level; 2]> = messages(&text, " ").filter_map(|m| ticker(&m)).collect();
        for message in messages(&text, " ") {
            let Some((update, bids, asks)) = depth(&message) else { continue };
            match book.on_levels(&update, &bids, &asks) {
                Outcome::Applied => tally.applied += 1,
                Outcome::Joined { replayed } => {
                    tally.joined += 1;
                    tally.applied += replayed;
                }
                Outcome::Buffered => tally.buffered += 1,
                Outcome::Ignored => tally.ignored += 1,
                Outcome::Resync(reason) => panic!("{file}: {reason} at {update:?}"),
            }
            if let (Some(live), Some(ticker)) = (book.book(), tickers.get(&book.last_id())) {
                tally.shared += 1;
                let touch = [live.best_bid().unwrap(), live.best_ask().unwrap()];
                tally.equal += usize::from(touch == *ticker);
            }
        }
    }
    assert_eq!(book.state(), State::Live);
    Some((book, tally))
}

fn ticker(message: &Value) -> Option<(u64, [Level; 2])> {
    let data = message.get("data").filter(|d| d["e"] != "depthUpdate")?;
    let level = |price: &str, size: &str| {
        Some(Level { price: decimal::<Price>(data.get(price)?), size: decimal::<Qty>(data.get(size)?) })
    };
    Some((data["u"].as_u64()?, [level("b", "B")?, level("a", "A")?]))
}

fn depth(message: &Value) -> Option<(BookUpdate, Vec<Level>, Vec<Level>)> {
    if let Some(last_id) = message["lastUpdateId"].as_u64() {
        let update = BookUpdate { last_id, ..update(Coverage::Snapshot) };
        return Some((update, levels(&message["bids"]), levels(&message["asks"])));
    }
    let data = &message["data"];
    if data["e"] != "depthUpdate" {
        return None;
    }
    let update = BookUpdate {
        first_id: data["U"].as_u64()?,
        last_id: data["u"].as_u64()?,
        previous_id: data["pu"].as_u64(),
        ..update(Coverage::Delta)
    };
    Some((update, levels(&data["b"]), levels(&data["a"])))
}

#[test]
fn usd_m() {
    let files = ["ws_streams/binance_usdm_btcusdt_raw_20240808T235415Z.gz"];
    let Some((_, tally)) = replay(Rules::BINANCE_FUTURES, "0.1", &files) else { return };
    // At 503 of them bookTicker came before the diff, at 126 after it.
    assert_eq!(tally, Tally { applied: 6_547, ignored: 0, buffered: 6, joined: 1, shared: 629, equal: 629 });
}

#[test]
fn spot_over_midnight() {
    let files = [
        "ws_streams/binance_spot_btcusdt_raw_20240808T235414Z.gz",
        "ws_streams/binance_spot_btcusdt_raw_20240809T000000Z.gz",
    ];
    let Some((_, tally)) = replay(Rules::BINANCE_SPOT, "0.01", &files[..1]) else { return };
    assert_eq!(tally, Tally { applied: 3_449, ignored: 0, buffered: 3, joined: 1, shared: 564, equal: 564 });
    let Some((_, tally)) = replay(Rules::BINANCE_SPOT, "0.01", &files) else { return };
    assert_eq!(tally, Tally { applied: 6_493, ignored: 0, buffered: 3, joined: 1, shared: 1_071, equal: 1_071 });
}

#[test]
fn spot_eth() {
    let files = ["ws_streams/binance_spot_ethusdt_raw_20240808T235414Z.gz"];
    let Some((_, tally)) = replay(Rules::BINANCE_SPOT, "0.01", &files) else { return };
    assert_eq!(tally, Tally { applied: 3_432, ignored: 0, buffered: 2, joined: 1, shared: 577, equal: 577 });
}

#[test]
fn coin_m_over_midnight() {
    let files = [
        "ws_streams/binance_coinm_btcusdperp_raw_20240808T235416Z.gz",
        "ws_streams/binance_coinm_btcusdperp_raw_20240809T000000Z.gz",
    ];
    let Some((_, tally)) = replay(Rules::BINANCE_FUTURES, "0.1", &files) else { return };
    assert_eq!(tally, Tally { applied: 44_772, ignored: 0, buffered: 25, joined: 1, shared: 1_885, equal: 1_885 });
}
