//! Everything that talks to the outside: market-data connections in, and the replay server that stands for a venue.
//!
//! Invariant: what a connection must decide (when to reconnect, what to ask for again, what to drop and how to say so)
//! lives in state machines without sockets and clocks ([`session`], [`ingest`], [`lane`], [`group`], [`watch`]);
//! [`socket`], [`rest`] and [`venue`] only move bytes. It takes no trading decision.

pub mod backoff;
#[cfg(feature = "byzantine")]
pub mod byzantine;
pub mod clock;
pub mod dialect;
pub mod failover;
pub mod fanout;
pub mod group;
pub mod ingest;
pub mod lane;
pub mod limit;
#[cfg(feature = "mesh")]
pub mod mesh;
pub mod metrics;
pub mod provider;
pub mod quarantine;
pub mod record;
pub mod rest;
pub mod session;
pub mod socket;
pub mod venue;
pub mod watch;
