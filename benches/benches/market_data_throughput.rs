//! Market data: bars of CSV, bar aggregation. Venue JSON and live ticks are listed as missing.

fn main() {
    starling_benches::run("market_data_throughput");
}
