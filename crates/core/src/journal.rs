//! The journal: append-only, checksummed, hash-chained records.
