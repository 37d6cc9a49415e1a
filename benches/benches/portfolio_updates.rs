//! The ledger: fills, valuation, snapshots, commissions.

fn main() {
    starling_benches::run("portfolio_updates");
}
