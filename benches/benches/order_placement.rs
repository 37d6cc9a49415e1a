//! Orders made, judged, placed in the process, cancelled. The loopback venue is listed as missing.

fn main() {
    starling_benches::run("order_placement");
}
