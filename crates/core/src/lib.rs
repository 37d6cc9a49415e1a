//! Fixed-point money, instruments, events, orders and the journal codec.
pub mod journal;
