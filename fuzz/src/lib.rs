//! What must hold of every decoder, book and reader, whatever bytes it is given: one judge a target.
//!
//! A judge panics where a promise is broken and says nothing otherwise. The fuzzers call them over what they invent, and
//! `crates/lab/tests/fuzz_seeds` over the seeds and simple changes of them, on a stable compiler. So nothing here needs
//! more than the crates it judges.

pub mod book_join;
pub mod book_l2;
pub mod book_l3;
mod bytes;
pub mod capture;
pub mod csv;
pub mod dbn;
pub mod fixed;
pub mod frames;
pub mod journal;
pub mod table;
pub mod wire;

/// A fuzz target: its name, which is that of its binary and of the folder of its seeds, the feeds whose decoder it is, and
/// its judge.
pub type Target = (&'static str, &'static [&'static str], fn(&[u8]));

/// Every target, sorted by name. Its binary calls the same judge, and links no other.
pub const TARGETS: &[Target] = &[
    ("book_join", &[], book_join::judge),
    ("book_l2", &[], book_l2::judge),
    ("book_l3", &[], book_l3::judge),
    ("capture", &[], capture::judge),
    ("csv", &[], csv::judge),
    ("csv_table", &[], table::judge),
    ("dbn", &[], dbn::judge),
    ("fixed", &[], fixed::judge),
    ("frames", &[], frames::judge),
    ("journal", &[], journal::judge),
    ("wire_alpaca", &["alpaca"], wire::alpaca),
    ("wire_alpaca_msgpack", &["alpaca-msgpack"], wire::alpaca_msgpack),
    // One decoder serves the three.
    ("wire_binance", &["binance-coinm", "binance-spot", "binance-usdm"], wire::binance),
    ("wire_bitfinex", &["bitfinex"], wire::bitfinex),
    ("wire_bybit", &["bybit"], wire::bybit),
    ("wire_bybit_2021", &["bybit-2021"], wire::bybit_2021),
    ("wire_coinbase", &["coinbase"], wire::coinbase),
    ("wire_hyperliquid", &["hyperliquid"], wire::hyperliquid),
    ("wire_kraken", &["kraken"], wire::kraken),
    ("wire_kraken_futures", &["kraken-futures"], wire::kraken_futures),
    ("wire_okx", &["okx"], wire::okx),
];
