//! Market data: venues' JSON beside serde_json, bars of CSV, bar aggregation, a scan of the store, and books of real diffs.
//! Live ticks from the socket on are measured by `connect`'s examples.

#![expect(clippy::unwrap_used, reason = "a bench that cannot read its input may panic")]

mod book;

fn main() {
    starling_benches::run("market_data_throughput");
    book::run();
}
