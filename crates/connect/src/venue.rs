//! A venue of our own: a server that speaks a real venue's protocol, so far to replay what was recorded there.
//!
//! `tape` holds a recording, `state` what REST would answer at this point of it, `faults` what goes wrong on purpose,
//! `profile` what makes it one venue and not another, `server` the sockets. Invariants: what is streamed are the recorded
//! bytes, in their order, unless a fault was asked for, and then the fault is in the log; REST answers are consistent with
//! what has been streamed. It matches no orders yet.

mod desk;
pub mod faults;
pub mod profile;
pub mod server;
mod state;
pub mod tape;
