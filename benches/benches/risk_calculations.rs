//! Risk figures, limit checks beside positions, simulation, sizing.

fn main() {
    starling_benches::run("risk_calculations");
}
