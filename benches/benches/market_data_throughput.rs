//! Market data: bars of CSV, bar aggregation, venue JSON beside serde_json. Live ticks are listed as missing.

fn main() {
    starling_benches::run("market_data_throughput");
}
