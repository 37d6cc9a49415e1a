//! Bars, indicators, features, feeds and data quality: what turns raw market data into what a strategy reads.
//!
//! Invariant: pure functions of their input. Nothing here opens a file, waits, or reads a clock.

pub mod bar;
pub mod book;
pub mod csv;
pub mod dbn;
pub mod feature;
pub mod feed;
pub mod frames;
pub mod indicator;
pub mod quality;
pub mod unit_root;
pub mod wire;
