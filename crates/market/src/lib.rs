//! Bars, indicators, features and data quality.
pub mod feature;
pub mod indicator;
