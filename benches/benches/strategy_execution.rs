//! Strategies through the whole engine.

fn main() {
    starling_benches::run("strategy_execution");
}
