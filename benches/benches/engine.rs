//! The whole engine: a million bars and quotes, orders that rest, runs from a file, cold start.

fn main() {
    starling_benches::run("engine");
}
