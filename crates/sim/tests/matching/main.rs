//! What the simulated exchange does with orders, seen through the engine that sends them.
//!
//! `rig` runs the real thing in miniature; the other modules are the cases, by concept.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod costs;
mod kinds;
mod messages;
mod properties;
mod rig;
mod ties;
