//! Data files, statistics and tearsheets.
pub mod data;
pub mod stats;
pub mod tearsheet;
