//! Counts of what a connection received, dropped, refused and repaired, and their text for a scraper.
//!
//! Invariant: nothing is lost without one of these counting it, and counters never go down. One thread counts (several may,
//! with [`Metrics::add_shared`]), any thread reads; a reading is not a consistent cut across counters. It keeps no history: whoever scrapes does.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::lane::LaneStats;

macro_rules! table {
    ($kind:ident, $about:literal, $(($variant:ident, $name:literal, $help:literal)),+ $(,)?) => {
        #[doc = $about]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $kind {
            $(#[doc = $help] $variant,)+
        }
        impl $kind {
            /// All of them, in the order they are printed.
            pub const ALL: &[Self] = &[$(Self::$variant),+];
            /// Name in the exposition.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
            /// What it counts.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),+ }
            }
        }
    };
}

table! {
    Counter, "What only grows.",
    (Frames, "frames_total", "Frames received."),
    (Bytes, "bytes_total", "Bytes of the frames received."),
    (Trades, "trades_total", "Trades that passed validation, refilled ones included."),
    (Quotes, "quotes_total", "Quotes accepted."),
    (BookMessages, "book_messages_total", "Book messages accepted."),
    (Bars, "bars_total", "Closed bars accepted."),
    (Undecodable, "undecodable_total", "Frames that were no message of the venue."),
    (Unknown, "unknown_symbol_total", "Updates of instruments nobody asked for."),
    (Refused, "refused_total", "Refusals the venue sent."),
    (Future, "invalid_future_total", "Updates stamped further in the future than tolerated."),
    (Stale, "invalid_stale_total", "Updates stamped further in the past than tolerated."),
    (Jump, "invalid_jump_total", "Prices too far from the reference."),
    (Crossed, "invalid_crossed_total", "Quotes with the bid above the ask, and books that crossed."),
    (Empty, "invalid_field_total", "Prices or quantities that are zero or negative where they must not be."),
    (OutOfSequence, "invalid_sequence_total", "Trade numbers far outside the sequence."),
    (Duplicates, "duplicates_total", "Updates that had been delivered already."),
    (Quarantined, "quarantined_total", "Frames put into quarantine."),
    (QuarantineLost, "quarantine_lost_total", "Frames quarantine had no room for."),
    (BookGaps, "book_gaps_total", "Breaks in the sequence of a book."),
    (BookSnapshots, "book_snapshots_total", "Books joined to a snapshot."),
    (BookRenewals, "book_renewals_total", "Books subscribed to anew for a snapshot."),
    (FrameGaps, "frame_gaps_total", "Breaks in the numbers of a connection's frames."),
    (Connects, "connects_total", "Connections made."),
    (ConnectFailures, "connect_failures_total", "Connections that could not be made."),
    (Disconnects, "disconnects_total", "Connections lost or closed."),
    (IdleTimeouts, "idle_timeouts_total", "Connections closed because nothing came."),
    (Fetches, "fetches_total", "REST requests made."),
    (FetchFailures, "fetch_failures_total", "REST requests without a usable answer."),
    (Throttled, "throttled_total", "Times a rate limit made a request or message wait."),
    (WentStale, "went_stale_total", "Times a feed of an instrument became stale."),
    (Failovers, "failovers_total", "Times an instrument changed its provider."),
    (StandbyForgotten, "standby_forgotten_total", "Trades of a standby provider that no room was left to keep."),
}

table! {
    Gauge, "What goes up and down.",
    (Connected, "connected", "1 while the connection is live."),
    (BooksBroken, "books_broken", "Books that wait for a snapshot."),
    (FeedsStale, "feeds_stale", "Feeds that are stale now."),
    (AwayFromFirst, "away_from_first", "Instruments listened to at another provider than the preferred one."),
    (Lanes, "lanes", "Subscribers."),
    (LastFrame, "last_frame_unix_ns", "When the last frame came."),
    (SkewNs, "clock_skew_ns", "Receive clock minus venue clock, as last estimated."),
}

/// The counts of one connection.
#[derive(Debug)]
pub struct Metrics {
    connection: String,
    counters: Box<[AtomicU64]>,
    gauges: Box<[AtomicI64]>,
    lanes: Mutex<Lanes>,
}

/// The lanes of a connection, numbered in the order they came.
#[derive(Debug, Default)]
struct Lanes {
    next: u64,
    now: Vec<(u64, Arc<LaneStats>)>,
}

impl Metrics {
    /// All zero, for a connection of this name.
    #[must_use]
    pub fn new(connection: impl Into<String>) -> Self {
        Self {
            connection: connection.into(),
            counters: Counter::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            gauges: Gauge::ALL.iter().map(|_| AtomicI64::new(0)).collect(),
            lanes: Mutex::default(),
        }
    }

    /// What a panicking thread left is still whole: every change is a single step.
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lane joins; its counts are printed under the next number.
    pub fn lane_joined(&self, stats: &Arc<LaneStats>) {
        let mut lanes = self.lanes();
        let number = lanes.next;
        lanes.next += 1;
        lanes.now.push((number, Arc::clone(stats)));
        self.set(Gauge::Lanes, lanes.now.len() as i64);
    }

    /// A lane is gone, and with it its counts.
    pub fn lane_left(&self, stats: &Arc<LaneStats>) {
        let mut lanes = self.lanes();
        lanes.now.retain(|(_, other)| !Arc::ptr_eq(other, stats));
        self.set(Gauge::Lanes, lanes.now.len() as i64);
    }

    /// Counts one.
    #[inline]
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts several. Only for the connection's own thread: it alone writes, so a plain store does, which costs a tenth of
    /// an atomic addition.
    #[inline]
    pub fn add(&self, counter: Counter, n: u64) {
        let counter = &self.counters[counter as usize];
        counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }

    /// Counts several, where several threads count.
    pub fn add_shared(&self, counter: Counter, n: u64) {
        self.counters[counter as usize].fetch_add(n, Ordering::Relaxed);
    }

    /// Its value.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters[counter as usize].load(Ordering::Relaxed)
    }

    /// Sets a gauge.
    #[inline]
    pub fn set(&self, gauge: Gauge, value: i64) {
        self.gauges[gauge as usize].store(value, Ordering::Relaxed);
    }

    /// A gauge's value.
    #[must_use]
    pub fn gauge(&self, gauge: Gauge) -> i64 {
        self.gauges[gauge as usize].load(Ordering::Relaxed)
    }

    /// The Prometheus text exposition (format 0.0.4) of several connections: each family once, a sample per connection;
    /// then those of their lanes, a sample per lane.
    #[must_use]
    pub fn text(connections: &[&Self]) -> String {
        let mut text = String::new();
        let label = |m: &Self| m.connection.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let mut family = |name: &str, kind: &str, help: &str, value: &dyn Fn(&Self) -> i128| {
            let _ = writeln!(text, "# HELP starling_connect_{name} {help}\n# TYPE starling_connect_{name} {kind}");
            for metrics in connections {
                let connection = label(metrics);
                let _ = writeln!(text, "starling_connect_{name}{{connection=\"{connection}\"}} {}", value(metrics));
            }
        };
        for counter in Counter::ALL {
            family(counter.name(), "counter", counter.help(), &|m| i128::from(m.get(*counter)));
        }
        for gauge in Gauge::ALL {
            family(gauge.name(), "gauge", gauge.help(), &|m| i128::from(m.gauge(*gauge)));
        }
        Self::lane_text(connections, &label, &mut text);
        text
    }

    fn lane_text(connections: &[&Self], label: &dyn Fn(&Self) -> String, text: &mut String) {
        /// One count of all lanes.
        struct Family {
            name: &'static str,
            kind: &'static str,
            help: &'static str,
            samples: String,
        }
        let mut families: Vec<Family> = Vec::new();
        for metrics in connections {
            let connection = label(metrics);
            for (number, stats) in &metrics.lanes().now {
                let labels = format!("connection=\"{connection}\",lane=\"{number}\"");
                let mut rows: Vec<_> = stats.counts().into_iter().map(|(n, help, v)| (n, "counter", help, v)).collect();
                rows.push(("lag", "gauge", "Items the subscriber has not taken yet.", stats.lag()));
                for (at, (name, kind, help, value)) in rows.into_iter().enumerate() {
                    if families.len() == at {
                        families.push(Family { name, kind, help, samples: String::new() });
                    }
                    let _ = writeln!(families[at].samples, "starling_connect_lane_{name}{{{labels}}} {value}");
                }
            }
        }
        for Family { name, kind, help, samples } in families {
            let _ = writeln!(text, "# HELP starling_connect_lane_{name} {help}");
            let _ = write!(text, "# TYPE starling_connect_lane_{name} {kind}\n{samples}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exposition_names_each_family_once_and_escapes_labels() {
        let (one, two) = (Metrics::new("a\"b"), Metrics::new("c"));
        one.add(Counter::Trades, 3);
        two.set(Gauge::Connected, 1);
        let text = Metrics::text(&[&one, &two]);
        assert!(text.contains("starling_connect_trades_total{connection=\"a\\\"b\"} 3\n"));
        assert!(text.contains("starling_connect_trades_total{connection=\"c\"} 0\n"));
        assert!(text.contains("starling_connect_connected{connection=\"c\"} 1\n"));
        let families = Counter::ALL.len() + Gauge::ALL.len();
        assert_eq!(text.matches("# TYPE").count(), families);
        assert_eq!(text.lines().count(), families * 4);
    }

    #[test]
    fn each_lane_has_its_counts_while_it_lasts() {
        let (one, two) = (Metrics::new("a"), Metrics::new("b"));
        let lanes: Vec<Arc<LaneStats>> = (0..3).map(|_| Arc::default()).collect();
        one.lane_joined(&lanes[0]);
        one.lane_joined(&lanes[1]);
        two.lane_joined(&lanes[2]);
        lanes[1].conflated.store(7, Ordering::Relaxed);
        lanes[2].pushed.store(5, Ordering::Relaxed);
        let text = Metrics::text(&[&one, &two]);
        assert!(text.contains("starling_connect_lane_conflated_total{connection=\"a\",lane=\"1\"} 7\n"));
        assert!(text.contains("starling_connect_lane_lag{connection=\"b\",lane=\"0\"} 5\n"));
        assert_eq!(text.matches("# TYPE starling_connect_lane_").count(), lanes[0].counts().len() + 1);
        one.lane_left(&lanes[0]);
        one.lane_joined(&lanes[0]);
        let text = Metrics::text(&[&one]);
        assert!(text.contains("lane=\"1\"") && text.contains("lane=\"2\"") && !text.contains("lane=\"0\""));
        assert_eq!(one.gauge(Gauge::Lanes), 2);
    }

    #[test]
    fn names_are_unique_and_counters_end_as_they_should() {
        let mut names: Vec<_> = Counter::ALL.iter().map(|c| c.name()).collect();
        assert!(names.iter().all(|n| n.ends_with("_total")));
        names.extend(Gauge::ALL.iter().map(|g| g.name()));
        names.sort_unstable();
        assert!(names.windows(2).all(|w| w[0] != w[1]));
        assert!(Counter::ALL.iter().enumerate().all(|(at, c)| *c as usize == at));
    }
}
