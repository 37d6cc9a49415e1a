//! One connection, many subscribers: a lane for each.
//!
//! Invariant: a subscriber that is slow, or gone, changes nothing for the connection or for the others: its lane overflows
//! by the rules of [`crate::lane`], its lag shows in its own counts, and a lane whose reader was dropped is let go. Joining
//! while data flows is possible; the newcomer begins with snapshots. It starts no thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};

use starling_core::time::UnixNanos;

use crate::lane::{LaneInstrument, LaneLimits, LaneReader, LaneStats, LaneWriter, lane};
use crate::metrics::Metrics;

/// Subscribers of a connection at most.
pub const SUBSCRIBERS_MAX: usize = 64;

/// Why nobody more can subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// Too many subscribe at once.
    #[error("{SUBSCRIBERS_MAX} subscribers wait to join already: let the connection run, then try again")]
    Full,
    /// The connection is gone.
    #[error("the connection has ended: open it anew, then subscribe")]
    Ended,
}

/// When a connection last said something believable of each of its instruments; readable from any thread.
#[derive(Debug)]
pub struct Pulses(Box<[AtomicU64]>);

impl Pulses {
    /// Nothing yet.
    fn new(instruments: usize) -> Self {
        Self((0..instruments).map(|_| AtomicU64::new(0)).collect())
    }

    /// It spoke of the instrument at this place.
    #[inline]
    pub fn beat(&self, at: usize, now: UnixNanos) {
        self.0[at].store(now.get(), Ordering::Relaxed);
    }

    /// The connection is lost: no instrument has a pulse.
    pub fn stop(&self) {
        for pulse in &self.0 {
            pulse.store(0, Ordering::Relaxed);
        }
    }

    /// When it last spoke of the instrument at this place; none if it never did, or the connection is lost.
    #[must_use]
    pub fn last(&self, at: usize) -> Option<UnixNanos> {
        let last = self.0[at].load(Ordering::Relaxed);
        (last != 0).then_some(UnixNanos::new(last))
    }
}

/// The way to join, for any thread.
#[derive(Debug, Clone)]
pub struct Door {
    instruments: Arc<[LaneInstrument]>,
    joining: SyncSender<LaneWriter>,
    pulses: Arc<Pulses>,
}

impl Door {
    /// What the lanes carry, in the order of places.
    #[must_use]
    pub fn instruments(&self) -> &[LaneInstrument] {
        &self.instruments
    }

    /// When the connection last spoke of each.
    #[must_use]
    pub const fn pulses(&self) -> &Arc<Pulses> {
        &self.pulses
    }

    /// A lane of one's own, from now on.
    pub fn subscribe(&self, limits: LaneLimits) -> Result<LaneReader, SubscribeError> {
        let (writer, reader) = lane(&self.instruments, limits);
        match self.joining.try_send(writer) {
            Ok(()) => Ok(reader),
            Err(TrySendError::Full(_)) => Err(SubscribeError::Full),
            Err(TrySendError::Disconnected(_)) => Err(SubscribeError::Ended),
        }
    }
}

/// All lanes of a connection.
#[derive(Debug)]
pub struct Fanout {
    lanes: Vec<LaneWriter>,
    joining: Receiver<LaneWriter>,
    pulses: Arc<Pulses>,
    metrics: Arc<Metrics>,
}

impl Fanout {
    /// Nobody yet, and the door.
    #[must_use]
    pub fn new(instruments: &[LaneInstrument], metrics: Arc<Metrics>) -> (Self, Door) {
        let (sender, joining) = sync_channel(SUBSCRIBERS_MAX);
        let pulses = Arc::new(Pulses::new(instruments.len()));
        let door = Door { instruments: instruments.into(), joining: sender, pulses: Arc::clone(&pulses) };
        (Self { lanes: Vec::new(), joining, pulses, metrics }, door)
    }

    /// Lets newcomers in and the departed go; gives the newcomers. Those beyond [`SUBSCRIBERS_MAX`] find their lane closed.
    pub fn attend(&mut self) -> &mut [LaneWriter] {
        let metrics = &self.metrics;
        self.lanes.retain(|lane| {
            let stays = !lane.is_closed();
            if !stays {
                metrics.lane_left(lane.stats());
            }
            stays
        });
        let before = self.lanes.len();
        loop {
            match self.joining.try_recv() {
                Ok(mut lane) if self.lanes.len() < SUBSCRIBERS_MAX => {
                    lane.begin();
                    self.metrics.lane_joined(lane.stats());
                    self.lanes.push(lane);
                }
                Ok(_) => {}
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return &mut self.lanes[before..],
            }
        }
    }

    /// True if nobody subscribes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// The lanes.
    pub fn lanes(&mut self) -> &mut [LaneWriter] {
        &mut self.lanes
    }

    /// When the connection last spoke of each instrument.
    #[must_use]
    pub fn pulses(&self) -> &Pulses {
        &self.pulses
    }

    /// The counts of each lane.
    pub fn stats(&self) -> impl Iterator<Item = &Arc<LaneStats>> {
        self.lanes.iter().map(LaneWriter::stats)
    }
}

#[cfg(test)]
mod tests {
    use starling_core::{InstrumentId, Price, Qty, Quote, UnixNanos};

    use super::*;
    use crate::lane::TradeNumbers;

    fn quote(n: i64) -> Quote {
        Quote {
            instrument: InstrumentId(0),
            ts_event: UnixNanos::EPOCH,
            ts_recv: UnixNanos::EPOCH,
            bid: Price::from_int(n),
            ask: Price::from_int(n + 1),
            bid_size: Qty::ONE,
            ask_size: Qty::ONE,
        }
    }

    #[test]
    fn a_slow_subscriber_lags_alone_and_a_departed_one_is_let_go() {
        let numbers = TradeNumbers::Contiguous;
        let of = [LaneInstrument { instrument: InstrumentId(0), numbers, refill: true }];
        let metrics = Arc::new(Metrics::new("t"));
        let (mut fanout, door) = Fanout::new(&of, Arc::clone(&metrics));
        let limits = LaneLimits { ring_max: 8, ..LaneLimits::default() };
        let (mut fast, slow, gone) =
            (door.subscribe(limits).unwrap(), door.subscribe(limits).unwrap(), door.subscribe(limits).unwrap());
        fanout.attend();
        drop(gone);
        let mut seen = 0;
        for n in 1..=1_000 {
            for lane in fanout.lanes() {
                lane.quote(0, quote(n));
            }
            while fast.pop().is_some() {
                seen += 1;
            }
        }
        fanout.attend();
        assert_eq!((seen, fanout.lanes().len()), (1_000, 2));
        let text = Metrics::text(&[&metrics]);
        assert!(text.contains("starling_connect_lane_conflated_total{connection=\"t\",lane=\"1\"} 991\n"), "{text}");
        assert!(!text.contains("lane=\"2\""), "{text}");
        assert_eq!((fast.stats().lag(), slow.stats().lag()), (0, 8));
        assert_eq!(slow.stats().conflated.load(std::sync::atomic::Ordering::Relaxed), 991);
    }

    #[test]
    fn the_door_has_a_limit_and_closes_with_the_connection() {
        let (fanout, door) = Fanout::new(&[], Arc::new(Metrics::new("t")));
        let readers: Vec<_> = (0..SUBSCRIBERS_MAX).map(|_| door.subscribe(LaneLimits::default()).unwrap()).collect();
        assert_eq!(door.subscribe(LaneLimits::default()).err(), Some(SubscribeError::Full));
        drop(fanout);
        assert_eq!(door.subscribe(LaneLimits::default()).err(), Some(SubscribeError::Ended));
        assert!(readers.iter().all(LaneReader::is_closed));
    }
}
