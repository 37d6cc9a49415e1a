//! Data files, statistics and tearsheets.
pub mod bench;
pub mod config;
pub mod data;
pub mod run;
pub mod stats;
pub mod tearsheet;
