//! Independent clients against the replay server: python-binance and ccxt.pro.
//!
//! `scripts/venue_clients.py` runs them; the python on PATH must have both packages (`pip install python-binance==1.0.37
//! ccxt==4.5.90`). Where it has not, the test says so and passes, but fails if STARLING_PEERS is set.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use starling_connect::venue::server::{Pace, ServeOptions};
use starling_connect::venue::tape::Tape;
use starling_core::{Price, Qty};

use super::truth::Truth;
use super::{Running, open, options, recordings, spot, turn};

fn script() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/venue_clients.py")
}

fn has_packages() -> bool {
    let found = Command::new("python3").args(["-c", "import binance, ccxt.pro"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    assert!(found || std::env::var_os("STARLING_PEERS").is_none(), "python3 has no python-binance or ccxt");
    if !found {
        eprintln!("skipped: python3 has no python-binance or ccxt");
    }
    found
}

/// What a client received of some recording, as the script prints it.
fn run(client: &str, profile: &str, files: &[PathBuf], options: ServeOptions) -> Option<(Value, Arc<Tape>)> {
    if !has_packages() {
        return None;
    }
    let _turn = turn();
    let tape = Arc::new(open(profile, files).unwrap());
    let running = Running::start(profile, Arc::clone(&tape), options);
    let port = running.port().to_string();
    let output = Command::new("python3").arg(script()).args([client, &port]).output().unwrap();
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{client}: {talk}");
    Some((serde_json::from_slice(&output.stdout).unwrap(), tape))
}

/// The same of Binance spot.
fn run_spot(client: &str) -> Option<(Value, Truth)> {
    let files = spot()?;
    let (told, tape) = run(client, "binance-spot", &files[..1], options(Pace::Times(10.0), "", 0))?;
    Some((told, Truth::of(&tape)))
}

fn price(text: &Value) -> Price {
    Price::parse(text.as_str().unwrap().as_bytes()).unwrap()
}

fn check_trades(told: &Value, truth: &Truth) {
    let rows = told["trades"].as_array().unwrap();
    assert!(rows.len() >= 100, "{}", rows.len());
    let mut ids: Vec<u64> = Vec::new();
    for row in rows {
        let id: u64 = row[0].as_str().unwrap().parse().unwrap();
        let size = Qty::parse(row[2].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(truth.trades[&id], (price(&row[1]), size), "{id}");
        ids.push(id);
    }
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "no trade is missing between the first and the last");
}

/// Each book a client built has a best bid and ask that the venue quoted at one time.
fn check_books(told: &Value, truth: &Truth) {
    let books = told["books"].as_array().unwrap();
    assert!(books.len() >= 20, "{}", books.len());
    let quoted: BTreeSet<(Price, Price)> = truth.quotes.iter().map(|q| (q.1, q.3)).collect();
    let matching = books.iter().filter(|row| quoted.contains(&(price(&row[0]), price(&row[1])))).count();
    // A change of depth covers a tenth of a second, at whose end nothing need have been quoted that is on the tape: before
    // its first quote, or where the bid moved and the ask did, in one change.
    assert!(matching * 10 >= books.len() * 9, "{matching} of {}", books.len());
    assert!(books.iter().all(|row| price(&row[0]) < price(&row[1])), "no book is crossed");
}

#[test]
fn python_binance_receives_trades_and_books() {
    let Some((told, truth)) = run_spot("python-binance") else { return };
    check_trades(&told, &truth);
    check_books(&told, &truth);
    assert!(told["multiplex"].as_array().unwrap().len() >= 50);
}

#[test]
fn ccxt_receives_trades_and_books() {
    let Some((told, truth)) = run_spot("ccxt") else { return };
    check_trades(&told, &truth);
    check_books(&told, &truth);
    assert_eq!(told["precision"], serde_json::json!(["0.01", "0.00001"]));
}

/// Price and size as text, by the venue's number of the trade.
type TradesByName = BTreeMap<String, (Value, Value)>;

/// Every best bid and ask that OKX's book of BTC-USDT had, and its trades, by means that share nothing with our code.
fn truth_of_okx(tape: &Tape) -> (BTreeSet<[Price; 2]>, TradesByName) {
    let (mut touches, mut trades) = (BTreeSet::new(), BTreeMap::new());
    let mut book: [BTreeMap<Price, f64>; 2] = Default::default();
    for frame in &tape.frames {
        let message: Value = serde_json::from_slice(&frame.data).unwrap();
        if message["arg"]["instId"] != "BTC-USDT" {
            continue;
        }
        for data in message["data"].as_array().unwrap() {
            if message["arg"]["channel"] == "trades" {
                trades.insert(data["tradeId"].as_str().unwrap().to_owned(), (data["px"].clone(), data["sz"].clone()));
            }
            if message["arg"]["channel"] != "books" {
                continue;
            }
            for (side, rows) in book.iter_mut().zip([&data["bids"], &data["asks"]]) {
                for row in rows.as_array().unwrap() {
                    match row[1].as_str().unwrap().parse().unwrap() {
                        0.0 => side.remove(&price(&row[0])),
                        size => side.insert(price(&row[0]), size),
                    };
                }
            }
            touches.insert([*book[0].last_key_value().unwrap().0, *book[1].first_key_value().unwrap().0]);
        }
    }
    (touches, trades)
}

#[test]
fn ccxt_receives_trades_and_books_of_okx() {
    let Some(folder) = recordings() else { return };
    let files = [folder.join("cryptofeed_OKX.ws.1.0.gz")];
    // It subscribes to trades and book one after the other.
    let options = ServeOptions { start_at: 2, ..options(Pace::Times(5.0), "", 0) };
    let Some((told, tape)) = run("ccxt-okx", "okx", &files, options) else { return };
    let (touches, trades) = truth_of_okx(&tape);
    let rows = told["trades"].as_array().unwrap();
    assert_eq!((rows.len(), trades.len()), (69, 69), "all of them");
    for row in rows {
        assert_eq!(trades[row[0].as_str().unwrap()], (row[1].clone(), row[2].clone()), "{row}");
    }
    let books = told["books"].as_array().unwrap();
    assert!(books.len() >= 20, "{}", books.len());
    for row in books {
        let touch = [&row[0], &row[1]].map(|text| Price::parse(text.as_str().unwrap().as_bytes()).unwrap());
        assert!(touches.contains(&touch), "the venue never had {row}");
    }
}
