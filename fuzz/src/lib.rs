//! What must hold of every decoder, book and reader, whatever bytes it is given: one judge a target.
//!
//! A judge panics where a promise is broken and says nothing otherwise. The fuzzers call them over what they invent, and
//! `crates/lab/tests/fuzz_seeds` over the seeds and simple changes of them, on a stable compiler. So nothing here needs
//! more than the crates it judges.

mod book_join;
mod book_l2;
mod book_l3;
mod bytes;
mod capture;
mod csv;
mod dbn;
mod frames;
mod journal;
mod wire;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of its binary, and of the folder of its seeds.
    pub name: &'static str,
    /// The feeds of `starling_market::wire::FEEDS` whose decoder it is.
    pub feeds: &'static [&'static str],
    /// Panics where a promise is broken.
    pub judge: fn(&[u8]),
}

const fn target(name: &'static str, judge: fn(&[u8])) -> Target {
    Target { name, feeds: &[], judge }
}

const fn feed(name: &'static str, feeds: &'static [&'static str], judge: fn(&[u8])) -> Target {
    Target { name, feeds, judge }
}

/// Every target, sorted by name.
pub const TARGETS: &[Target] = &[
    target("book_join", book_join::judge),
    target("book_l2", book_l2::judge),
    target("book_l3", book_l3::judge),
    target("capture", capture::judge),
    target("csv", csv::judge),
    target("dbn", dbn::judge),
    target("frames", frames::judge),
    target("journal", journal::judge),
    feed("wire_alpaca", &["alpaca"], |frame| wire::judge("alpaca", frame)),
    feed("wire_alpaca_msgpack", &["alpaca-msgpack"], |frame| wire::judge("alpaca-msgpack", frame)),
    // One decoder serves the three.
    feed("wire_binance", &["binance-coinm", "binance-spot", "binance-usdm"], |frame| wire::judge("binance-usdm", frame)),
    feed("wire_bitfinex", &["bitfinex"], |lines| wire::judge_connection("bitfinex", lines)),
    feed("wire_bybit", &["bybit"], |frame| wire::judge("bybit", frame)),
    feed("wire_bybit_2021", &["bybit-2021"], |frame| wire::judge("bybit-2021", frame)),
    feed("wire_coinbase", &["coinbase"], |frame| wire::judge("coinbase", frame)),
    feed("wire_hyperliquid", &["hyperliquid"], |frame| wire::judge("hyperliquid", frame)),
    feed("wire_kraken", &["kraken"], |frame| wire::judge("kraken", frame)),
    feed("wire_kraken_futures", &["kraken-futures"], |frame| wire::judge("kraken-futures", frame)),
    feed("wire_okx", &["okx"], |frame| wire::judge("okx", frame)),
];

/// Judges an input as the target of this name does.
pub fn judge(target: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|row| row.name == target).expect("a target of the table");
    (target.judge)(input);
}
