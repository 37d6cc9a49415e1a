//! The one place where this crate reads the system clock.
//!
//! Invariant: stamps are nanoseconds since 1970 UTC. It does not promise that they never step back: the machine's clock
//! may be set, and durations inside the state machines saturate at zero.

use std::time::{SystemTime, UNIX_EPOCH};

use starling_core::time::UnixNanos;

/// Now, by the machine's clock.
#[must_use]
pub fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos::new(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
