//! Agents that confer: who they are, along which edges they talk, how tasks reach them, how they decide together, and
//! how their shared state converges.
//!
//! Invariant: everything here is a state machine that is told the time and handed messages, and answers with messages to
//! send ([`component::Component`]). No sockets, threads, clocks or randomness: a simulator drives a thousand nodes
//! through lost, doubled, reordered and forged messages with the code that trades.
//!
//! ```text
//!  frames ─► node ─► route: is it for me? else on along an edge of the topology
//!                      ├─► membership   heartbeats, who is down, who leads
//!                      ├─► consensus    proposals, signed votes, decisions
//!                      ├─► task         assignment, leases, results
//!                      └─► state        versions, deltas, anti-entropy
//! ```

pub mod agent;
pub mod byzantine;
pub mod component;
pub mod consensus;
pub mod cost;
pub mod id;
pub mod identity;
pub mod mailbox;
pub mod membership;
pub mod message;
pub mod node;
pub mod scale;
pub mod state;
pub mod task;
pub mod topology;
pub mod transport;
