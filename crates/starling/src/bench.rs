//! Measurements that need the whole house: connections and the engine together, and this very process.
//!
//! What needs no connection is in `starling_lab::bench`; the record is the same.

pub(crate) mod ingestion;
pub(crate) mod path;
