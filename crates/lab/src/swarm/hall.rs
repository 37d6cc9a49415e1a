//! A hall: all delegates in one process, with a clock that moves only while they confer.
//!
//! Invariant: a function of its charter and of the events it is shown. Messages take [`SwarmConfig::hop`] along each edge,
//! votes [`SwarmConfig::think`]; a decision's latency is counted in these, so it is the same on every machine. What a real
//! network does to a swarm is for processes, and the simulator, to show.
//!
//! [`SwarmConfig::hop`]: crate::config::SwarmConfig::hop
//! [`SwarmConfig::think`]: crate::config::SwarmConfig::think

use starling_core::time::MINUTE;
use starling_core::{Event, UnixNanos};
use starling_swarm::transport::{InProcess, SendError, Traffic, Transport};

use super::SwarmError;
use super::conference::{Closing, Conference, Verdict};
use super::delegate::{Charter, Delegate};

/// Virtual time a conference may take; longer is a fault of the protocol.
const CONFERENCE_MAX: u64 = 10 * MINUTE;

/// A swarm within one process.
#[derive(Debug)]
pub struct Hall {
    delegates: Vec<Delegate>,
    transport: InProcess,
    clock: UnixNanos,
    hop: u64,
    think: u64,
}

impl Hall {
    /// Opens it: every agent is set up.
    ///
    /// # Errors
    /// [`SwarmError`], if one cannot be.
    pub fn open(charter: &Charter) -> Result<Self, SwarmError> {
        let (swarm, clock) = (charter.swarm(), UnixNanos::EPOCH);
        let mut delegates = Vec::with_capacity(swarm.agents.len());
        for at in 0..swarm.agents.len() {
            delegates.push(Delegate::new(clock, charter, at)?);
        }
        let mut transport = InProcess::default();
        for delegate in &delegates {
            transport.open(delegate.id());
        }
        let mut hall = Self { delegates, transport, clock, hop: swarm.hop.nanos.max(1), think: swarm.think.nanos };
        hall.rest();
        Ok(hall)
    }

    /// Halls may be many: between conferences each holds once what its delegates know alike.
    fn rest(&mut self) {
        self.transport.shrink_to_fit();
        if let Some((first, others)) = self.delegates.split_first_mut() {
            first.rest(self.clock, None);
            others.iter_mut().for_each(|delegate| delegate.rest(self.clock, Some(&*first)));
        }
    }

    /// The delegates, in order of the configuration.
    #[must_use]
    pub fn delegates(&self) -> &[Delegate] {
        &self.delegates
    }

    /// Frames and bytes over all edges so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.transport.traffic().into_values().fold(Traffic::default(), |sum, edge| Traffic {
            messages: sum.messages + edge.messages,
            bytes: sum.bytes + edge.bytes,
        })
    }

    /// Frames go one edge further; false if none was on its way.
    fn exchange(&mut self) -> Result<bool, SwarmError> {
        let mut moved = false;
        for delegate in &mut self.delegates {
            while let Some(parcel) = delegate.poll_send() {
                moved = true;
                match self.transport.send(delegate.id(), parcel) {
                    Err(SendError::Full(parcel)) => {
                        delegate.put_back(parcel);
                        break;
                    }
                    sent => sent?,
                }
            }
        }
        if moved {
            self.clock = self.clock.saturating_add(self.hop);
        }
        for delegate in &mut self.delegates {
            while let Some((from, bytes)) = self.transport.receive(delegate.id()) {
                delegate.on_frame(self.clock, from, &bytes);
            }
        }
        Ok(moved)
    }
}

impl Conference for Hall {
    fn on_stamp(&mut self, stamp: UnixNanos, events: &[Event]) -> Result<Vec<Verdict>, SwarmError> {
        let began = self.clock;
        self.clock = self.clock.saturating_add(self.think);
        for delegate in &mut self.delegates {
            delegate.on_stamp(self.clock, stamp, events)?;
        }
        let mut verdicts: Vec<Verdict> = Vec::new();
        loop {
            let moved = self.exchange()?;
            for delegate in &mut self.delegates {
                while let Some(certificate) = delegate.poll_decided() {
                    let known = |verdict: &Verdict| verdict.certificate.subject == certificate.subject;
                    let outcome = delegate.outcome(&certificate).filter(|_| !verdicts.iter().any(known));
                    if let Some(outcome) = outcome {
                        let latency_ns = self.clock.get() - began.get();
                        verdicts.push(Verdict { certificate, outcome, latency_ns, cost_micro_usd: 0 });
                    }
                }
            }
            if moved {
                continue;
            }
            if self.delegates.iter().all(|delegate| !delegate.is_conferring()) {
                verdicts.sort_by_key(|verdict| (verdict.latency_ns, verdict.certificate.subject));
                self.rest();
                return Ok(verdicts);
            }
            // Nothing is on its way, and somebody waits: for the next deadline.
            self.clock = self.delegates.iter().map(Delegate::next_due).min().unwrap_or(UnixNanos::MAX);
            if self.clock.get() - began.get() > CONFERENCE_MAX {
                return Err(SwarmError::Endless { stamp });
            }
            for delegate in self.delegates.iter_mut().filter(|delegate| delegate.next_due() <= self.clock) {
                delegate.on_time(self.clock);
            }
        }
    }

    fn finish(&mut self) -> Result<Closing, SwarmError> {
        let alone = self.delegates.iter_mut().map(Delegate::finish).collect::<Result<_, _>>()?;
        let records = self.delegates[0].board().records().to_vec();
        Ok(Closing { records, alone, traffic: self.traffic(), processes: None })
    }
}
