//! Books rebuilt from what venues really sent, checked against what the venues themselves said of them: best bid and
//! ask, checksums, order-book files. All counts are of whole files.
//!
//! The folder is named by `STARLING_DATA`, or is `../shared/data` beside the workspace. Without it each test says so;
//! where the variable names a folder that is not there, each fails.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod binance;
mod capture;
mod checksums;
mod orders;
mod snapshots;
