//! Decisions as events: of a conference over the run's data, or of a journal that kept them.
//!
//! Invariant: stamps never go back, and a decision comes after the bar it is about.

use starling_core::event::Decision;
use starling_core::journal::{Digest, Kind, Reader};
use starling_core::{Event, InstrumentId, StrategyId, UnixNanos};
use starling_market::feed::{Feed, FeedError};
use starling_swarm::consensus::tally::Outcome;

use super::SwarmError;
use super::conference::{Conference, Verdict};
use super::seat::side_of;
use super::stamps::Stamps;
use crate::config::SwarmConfig;
use crate::tearsheet::{SwarmRecord, SwarmTally};

/// The decisions of a swarm over data.
pub struct SwarmFeed {
    conference: Box<dyn Conference>,
    data: Stamps,
    follower: StrategyId,
    maker: u64,
    decisions: u64,
    last: UnixNanos,
    tally: SwarmTally,
}

impl std::fmt::Debug for SwarmFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SwarmFeed")
            .field("decisions", &self.decisions)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

impl SwarmFeed {
    /// The swarm of a configuration over `data`; `follower` carries its decisions out.
    #[must_use]
    pub fn new(swarm: &SwarmConfig, conference: Box<dyn Conference>, data: Stamps, follower: StrategyId) -> Self {
        // Who decides does not depend on where it runs.
        let told = serde_json::to_vec(&swarm.anywhere()).expect("a configuration is plain data");
        let maker =
            Digest::of(&told).0.first_chunk::<8>().copied().map(u64::from_le_bytes).expect("a digest is longer");
        let (tally, last) = (SwarmTally::new(swarm), UnixNanos::EPOCH);
        Self { conference, data, follower, maker, decisions: 0, last, tally }
    }

    fn decision(&mut self, stamp: UnixNanos, verdict: &Verdict) -> Option<Event> {
        let Verdict { certificate, outcome, latency_ns, cost_micro_usd } = verdict;
        self.tally.count(certificate, *outcome, *latency_ns);
        // What is left as it is needs no decision.
        let Outcome::Act { action, confidence, .. } = *outcome else { return None };
        self.decisions += 1;
        self.last = self.last.max(stamp.saturating_add((*latency_ns).max(1)));
        let bytes = postcard::to_allocvec(&**certificate).expect("a certificate is plain data");
        Some(Event::Decision(Decision {
            strategy: self.follower,
            instrument: InstrumentId(certificate.subject.instrument),
            side: side_of(action),
            confidence_bps: confidence,
            cost_micro_usd: *cost_micro_usd,
            id: self.decisions,
            ts_event: stamp,
            ts_recv: self.last,
            maker: self.maker,
            evidence: Digest::of(&bytes).0.first_chunk().copied().expect("a digest is longer"),
        }))
    }

    /// What came of it, once the data has ended.
    ///
    /// # Errors
    /// [`SwarmError`], of an agent's strategies.
    pub fn record(mut self) -> Result<SwarmRecord, SwarmError> {
        Ok(self.tally.record(self.conference.finish()?))
    }
}

impl Feed for SwarmFeed {
    fn fill(&mut self, out: &mut Vec<Event>) -> Result<(), FeedError> {
        let before = out.len();
        while out.len() == before {
            let Some((stamp, events)) = self.data.next_stamp()? else { return Ok(()) };
            for verdict in self.conference.on_stamp(stamp, &events)? {
                out.extend(self.decision(stamp, &verdict));
            }
        }
        Ok(())
    }
}

/// The decisions that a journal kept.
pub struct KeptDecisions<'a> {
    reader: Reader<'a>,
}

impl std::fmt::Debug for KeptDecisions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptDecisions").finish_non_exhaustive()
    }
}

impl<'a> KeptDecisions<'a> {
    /// Of a journal in memory.
    ///
    /// # Errors
    /// [`SwarmError::Journal`], if it is none.
    pub fn of(journal: &'a [u8]) -> Result<Self, SwarmError> {
        Ok(Self { reader: Reader::new(journal)? })
    }
}

impl Feed for KeptDecisions<'_> {
    fn fill(&mut self, out: &mut Vec<Event>) -> Result<(), FeedError> {
        let before = out.len();
        while out.len() < before + starling_market::feed::BATCH_MAX {
            let Some(record) = self.reader.next() else { break };
            let record = record.map_err(SwarmError::from)?;
            if record.kind == Kind::Decision {
                let decision = postcard::from_bytes(record.payload)
                    .map_err(|cause| SwarmError::Decision { record: record.seq, cause })?;
                out.push(Event::Decision(decision));
            }
        }
        Ok(())
    }
}
