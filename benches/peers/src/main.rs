//! Nanoseconds a message: our decoders, serde_json and sonic-rs (typed structs, decimals to fixed point) on the same real
//! bytes.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml -- FILE` reads frames, one a line, as
//! `scripts/wire_speed.py` writes them, and prints `library name nanoseconds` lines: the median of rounds. sonic-rs uses
//! the vector instructions it was compiled with: `RUSTFLAGS="-C target-cpu=native"` gives it (and us) all of them.

use std::hint::black_box;
use std::time::Instant;

use serde::Deserialize;
use starling_core::{Price, Qty};
use starling_market::wire::{Batch, Feed};

/// Rounds over all frames of a kind; the median is told.
const ROUNDS: usize = 301;

#[derive(Deserialize)]
struct Combined<'a, T> {
    #[serde(borrow)]
    stream: &'a str,
    data: T,
}

#[derive(Deserialize)]
struct Trade<'a> {
    s: &'a str,
    t: u64,
    p: Price,
    q: Qty,
    #[serde(rename = "T")]
    stamp: u64,
    m: bool,
}

#[derive(Deserialize)]
struct Quote<'a> {
    s: &'a str,
    u: u64,
    b: Price,
    #[serde(rename = "B")]
    bid_size: Qty,
    a: Price,
    #[serde(rename = "A")]
    ask_size: Qty,
}

#[derive(Deserialize)]
struct Partial {
    #[serde(rename = "lastUpdateId")]
    last: u64,
    bids: Vec<(Price, Qty)>,
    asks: Vec<(Price, Qty)>,
}

#[derive(Deserialize)]
struct Diff<'a> {
    s: &'a str,
    #[serde(rename = "U")]
    first: u64,
    #[serde(rename = "u")]
    last: u64,
    #[serde(rename = "E")]
    stamp: u64,
    b: Vec<(Price, Qty)>,
    a: Vec<(Price, Qty)>,
}

fn median(frames: &[&[u8]], mut work: impl FnMut(&[u8])) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            frames.iter().for_each(|frame| work(black_box(frame)));
            started.elapsed().as_nanos() as f64 / frames.len() as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// What one of the libraries does: to typed structs, from text that is checked to be UTF-8.
macro_rules! decoder {
    ($name:ident, $from_slice:path) => {
        fn $name(kind: &str, frame: &[u8]) {
            match kind {
                "trade" => {
                    let m: Combined<Trade<'_>> = $from_slice(frame).expect("a trade");
                    let d = m.data;
                    black_box((m.stream, d.s, d.t, d.p, d.q, d.stamp, d.m));
                }
                "bookTicker" => {
                    let m: Combined<Quote<'_>> = $from_slice(frame).expect("a quote");
                    let d = m.data;
                    black_box((m.stream, d.s, d.u, d.b, d.bid_size, d.a, d.ask_size));
                }
                "depth20" => {
                    let m: Combined<Partial> = $from_slice(frame).expect("a partial depth");
                    black_box((m.stream, m.data.last, m.data.bids.len(), m.data.asks.len()));
                }
                _ => {
                    let m: Combined<Diff<'_>> = $from_slice(frame).expect("a diff");
                    let d = m.data;
                    black_box((m.stream, d.s, d.first, d.last, d.stamp, d.b.len(), d.a.len()));
                }
            }
        }
    };
}

decoder!(by_serde_json, serde_json::from_slice);
decoder!(by_sonic_rs, sonic_rs::from_slice);

fn main() {
    let path = std::env::args().nth(1).expect("the file of frames, `kind frame` a line");
    let text = std::fs::read(path).expect("a readable file");
    let feed = Feed::named("binance-spot").expect("a feed of the table");
    for kind in ["trade", "bookTicker", "depth20", "diff"] {
        let of_kind = |line| -> Option<&[u8]> { <[u8]>::strip_prefix(line, kind.as_bytes())?.strip_prefix(b" ") };
        let frames: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter_map(of_kind).collect();
        let mut batch = Batch::new();
        let ours = median(&frames, |frame| {
            feed.decode(frame, &mut batch).expect("a good frame");
            black_box(&batch);
        });
        println!("starling {kind} {ours:.1}");
        // Read with care: a frame with a space before it takes the path for any order of fields.
        let spaced: Vec<Vec<u8>> = frames.iter().map(|frame| [b" ", *frame].concat()).collect();
        let spaced: Vec<&[u8]> = spaced.iter().map(Vec::as_slice).collect();
        let general = median(&spaced, |frame| {
            feed.decode(frame, &mut batch).expect("a good frame");
            black_box(&batch);
        });
        println!("starling-any-order {kind} {general:.1}");
        println!("serde_json {kind} {:.1}", median(&frames, |frame| by_serde_json(kind, frame)));
        println!("sonic-rs {kind} {:.1}", median(&frames, |frame| by_sonic_rs(kind, frame)));
    }
}
