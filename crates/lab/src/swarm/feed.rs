//! Decisions as events: of a hall that confers over the run's data, or of a journal that kept them.
//!
//! Invariant: stamps never go back, and a decision comes after the bar it is about.

use std::collections::VecDeque;

use starling_core::event::Decision;
use starling_core::journal::{Digest, Kind, Reader};
use starling_core::{Event, InstrumentId, StrategyId, UnixNanos};
use starling_market::feed::{Feed, FeedError, Merge};
use starling_swarm::consensus::tally::Outcome;

use super::SwarmError;
use super::delegate::Charter;
use super::hall::{Hall, Verdict};
use super::seat::side_of;
use crate::data::OpenedFeed;
use crate::tearsheet::{SwarmRecord, SwarmTally};

/// The decisions of a swarm over data.
pub struct SwarmFeed {
    hall: Hall,
    data: Merge<'static>,
    ahead: VecDeque<Event>,
    ended: bool,
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
    /// The swarm of a charter over `feeds`; `follower` carries its decisions out.
    ///
    /// # Errors
    /// [`SwarmError`], if an agent cannot be set up.
    pub fn new(charter: &Charter, feeds: Vec<OpenedFeed>, follower: StrategyId) -> Result<Self, SwarmError> {
        let hall = Hall::open(charter)?;
        let told = serde_json::to_vec(charter.swarm()).expect("a configuration is plain data");
        let maker =
            Digest::of(&told).0.first_chunk::<8>().copied().map(u64::from_le_bytes).expect("a digest is longer");
        Ok(Self {
            tally: SwarmTally::new(charter.swarm()),
            data: Merge::new(feeds.into_iter().map(|feed| Box::new(feed) as Box<dyn Feed>).collect()),
            hall,
            ahead: VecDeque::new(),
            ended: false,
            follower,
            maker,
            decisions: 0,
            last: UnixNanos::EPOCH,
        })
    }

    /// All events of the next stamp; none at the end.
    fn next_stamp(&mut self) -> Result<Vec<Event>, FeedError> {
        let whole =
            |ahead: &VecDeque<Event>| ahead.front().is_some_and(|first| ahead.back().map(Event::ts) > Some(first.ts()));
        while !self.ended && !whole(&self.ahead) {
            match self.data.next_run()? {
                Some(run) => self.ahead.extend(run),
                None => self.ended = true,
            }
        }
        let Some(stamp) = self.ahead.front().map(Event::ts) else { return Ok(Vec::new()) };
        let count = self.ahead.iter().take_while(|event| event.ts() == stamp).count();
        Ok(self.ahead.drain(..count).collect())
    }

    fn decision(&mut self, stamp: UnixNanos, verdict: &Verdict) -> Option<Event> {
        let certificate = &verdict.certificate;
        let outcome = self.hall.delegates()[0].outcome(certificate)?;
        self.tally.count(certificate, outcome, verdict.latency_ns);
        // What is left as it is needs no decision.
        let Outcome::Act { action, confidence, .. } = outcome else { return None };
        self.decisions += 1;
        self.last = self.last.max(stamp.saturating_add(verdict.latency_ns.max(1)));
        let bytes = postcard::to_allocvec(&**certificate).expect("a certificate is plain data");
        Some(Event::Decision(Decision {
            strategy: self.follower,
            instrument: InstrumentId(certificate.subject.instrument),
            side: side_of(action),
            confidence_bps: confidence,
            cost_micro_usd: 0,
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
        let alone = self.hall.finish()?;
        let board = self.hall.delegates()[0].board();
        Ok(self.tally.record(board.records(), alone, self.hall.traffic()))
    }
}

impl Feed for SwarmFeed {
    fn fill(&mut self, out: &mut Vec<Event>) -> Result<(), FeedError> {
        let before = out.len();
        while out.len() == before {
            let events = self.next_stamp()?;
            let Some(stamp) = events.first().map(Event::ts) else { return Ok(()) };
            for verdict in self.hall.on_stamp(stamp, &events)? {
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
