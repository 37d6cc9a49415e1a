//! Tearsheets.
