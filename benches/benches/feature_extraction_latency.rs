//! Indicators over series, the full feature set, one more bar.

fn main() {
    starling_benches::run("feature_extraction_latency");
}
