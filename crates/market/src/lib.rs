//! Bars, indicators, features and data quality.
pub mod indicator;
