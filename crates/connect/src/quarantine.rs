//! Where refused frames go: their bytes and the reason, bounded, for a person to look at.
//!
//! Invariant: it never holds more than [`QUARANTINE_ENTRIES_MAX`] frames or [`QUARANTINE_BYTES_MAX`] bytes; the oldest
//! give way, and that is counted. Nothing leaves it towards a strategy. Writing it to disk is the caller's.

use std::collections::VecDeque;

use starling_core::time::UnixNanos;

use crate::metrics::{Counter, Metrics};

/// Frames kept.
pub const QUARANTINE_ENTRIES_MAX: usize = 256;
/// Bytes kept of all frames together.
pub const QUARANTINE_BYTES_MAX: usize = 256 * 1024;
/// Bytes kept of one frame.
pub const QUARANTINE_FRAME_MAX: usize = 8 * 1024;

/// Why a frame, or an update in it, was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It is no message of the venue; in words.
    Undecodable(String),
    /// Stamped this many nanoseconds in the future.
    Future(u64),
    /// Stamped this many nanoseconds in the past.
    Stale(u64),
    /// A price this far from the reference, in parts per million of it.
    Jump(u64),
    /// Bid above ask.
    Crossed,
    /// A price or quantity that must be positive and is not.
    NotPositive,
    /// A trade number far outside the sequence, and alone with it.
    Sequence(u64),
}

impl Reason {
    /// The counter of its kind.
    #[must_use]
    pub const fn counter(&self) -> Counter {
        match self {
            Self::Undecodable(_) => Counter::Undecodable,
            Self::Future(_) => Counter::Future,
            Self::Stale(_) => Counter::Stale,
            Self::Jump(_) => Counter::Jump,
            Self::Crossed => Counter::Crossed,
            Self::NotPositive => Counter::Empty,
            Self::Sequence(_) => Counter::OutOfSequence,
        }
    }
}

/// A refused frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// When it was received.
    pub ts_recv: UnixNanos,
    /// Why it was refused.
    pub reason: Reason,
    /// Its first bytes.
    pub bytes: Box<[u8]>,
    /// Its full length.
    pub len: usize,
}

/// The bounded store.
#[derive(Debug, Default)]
pub struct Quarantine {
    entries: VecDeque<Refusal>,
    bytes: usize,
}

impl Quarantine {
    /// Takes a frame in, and counts it.
    pub fn put(&mut self, ts_recv: UnixNanos, reason: Reason, frame: &[u8], metrics: &Metrics) {
        metrics.count(reason.counter());
        metrics.count(Counter::Quarantined);
        let bytes: Box<[u8]> = frame[..frame.len().min(QUARANTINE_FRAME_MAX)].into();
        self.bytes += bytes.len();
        self.entries.push_back(Refusal { ts_recv, reason, bytes, len: frame.len() });
        while self.entries.len() > QUARANTINE_ENTRIES_MAX || self.bytes > QUARANTINE_BYTES_MAX {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.bytes.len();
            metrics.count(Counter::QuarantineLost);
        }
    }

    /// What it holds, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Refusal> {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_give_way_and_are_counted() {
        let (mut quarantine, metrics) = (Quarantine::default(), Metrics::new("x"));
        for n in 0..300u64 {
            quarantine.put(UnixNanos::new(n), Reason::Crossed, b"abc", &metrics);
        }
        assert_eq!(quarantine.entries().count(), QUARANTINE_ENTRIES_MAX);
        assert_eq!(quarantine.entries().next().map(|r| r.ts_recv.get()), Some(44));
        assert_eq!((metrics.get(Counter::QuarantineLost), metrics.get(Counter::Crossed)), (44, 300));
        for _ in 0..40 {
            quarantine.put(UnixNanos::new(1), Reason::NotPositive, &[7; 9_000], &metrics);
        }
        let held: usize = quarantine.entries().map(|r| r.bytes.len()).sum();
        assert!(held <= QUARANTINE_BYTES_MAX && quarantine.entries().all(|r| r.bytes.len() <= QUARANTINE_FRAME_MAX));
        assert_eq!(quarantine.entries().last().map(|r| r.len), Some(9_000));
    }
}
