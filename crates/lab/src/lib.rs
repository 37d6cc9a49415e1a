//! Data files, statistics and tearsheets.
pub mod config;
pub mod data;
pub mod stats;
pub mod run;
pub mod tearsheet;
