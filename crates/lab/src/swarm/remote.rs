//! A swarm whose agents are elsewhere: a [`chair`](chair::Chair) shows them bars and hears what they decide, an
//! [`outpost`](outpost::Outpost) is an agent where it lives. Neither does I/O: a [`Line`](chair::Line) carries what they
//! say, a supervised process or a test.
//!
//! ```text
//!  chair ── events, a stamp at a time ─────────► outpost ─► delegate
//!        ◄─ asked about, decided ───────────────
//!        ── Session: who sits where ───────────►        frames between delegates go over the chair,
//!        ◄═ frames ═► chair ◄═ frames ═►                or past it over a mesh
//! ```
//!
//! # Death
//!
//! A conference waits for every vote. If an agent dies, whoever runs the agents starts another in its seat. It is shown
//! the bars so far, which make its strategies what they were, and the board; then a new *session* begins, in which all
//! call and cast their votes about the stamp once more. Frames of a session that is over are dropped.
//!
//! So a decision is never lost, and is the one that would have been made had nobody died. It is not doubled either: the
//! chair takes the first certificate about a subject, and every later one holds the same votes by the same coordinator,
//! since votes are a function of the bars, signatures of Ed25519 of key and statement, and the first coordinator
//! waits for all votes, longer than any run. That is also why a member that has forgotten what it signed can sign again
//! under its old number, which the protocol forbids in general: there is nothing else that it could sign. The chair
//! checks all of this: two certificates with different votes end the run.
//!
//! To go on with a quorum instead would be quicker by the time of a replacement, and decisions would depend on who died
//! when; over the same bars a run could not be done again.

pub mod chair;
pub mod outpost;
pub mod words;
