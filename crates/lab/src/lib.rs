//! Data files, statistics and tearsheets.
pub mod stats;
