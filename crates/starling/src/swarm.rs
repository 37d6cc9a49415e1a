//! Swarms as this program runs them: in its own process or in processes it starts, watched, paced, and ended on request.
//!
//! ```text
//!  run ─► Watched (pace, end, overview) ─► hall
//!                                    └──► chair ═ Quarters (the line) ═ provider ═ agent's process: Outpost
//!  control socket ─► overview, end
//! ```
//!
//! Invariant: none of this decides anything: pace and watching change when agents are shown a bar, never what they are
//! shown. What it deliberately does not hold: how agents confer, which is in `lab`, and how processes are confined and
//! replaced, which is in `connect`.

#[cfg(target_os = "linux")]
pub(crate) mod agent;
#[cfg(unix)]
pub(crate) mod control;
#[cfg(target_os = "linux")]
pub(crate) mod house;
pub(crate) mod overview;
pub(crate) mod pace;
#[cfg(target_os = "linux")]
mod quarters;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use starling_core::{Event, UnixNanos};
use starling_lab::config::{Config, ProviderConfig, TransportConfig};
use starling_lab::swarm::SwarmError;
use starling_lab::swarm::conference::{Closing, Conference, Convene, Occasion, Verdict};
use starling_lab::swarm::delegate::Charter;
use starling_lab::swarm::hall::Hall;

use crate::terminal::Failure;
use overview::Watch;
use pace::{Pace, Pacer};

/// How a swarm is run.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// The folder in which processes have theirs.
    pub(crate) folder: PathBuf,
    /// How fast bars are shown.
    pub(crate) pace: Pace,
    /// What is known of it.
    pub(crate) watch: Watch,
    /// Raised to end it.
    pub(crate) stop: Arc<AtomicBool>,
}

impl Service {
    /// As fast as it goes, with its processes in a folder of its own.
    pub(crate) fn new(config: &Config, stop: Arc<AtomicBool>) -> Self {
        // A name that nobody could have guessed, in a folder that others write in, too.
        let name = draw::<8>().map_or(u64::from(std::process::id()), u64::from_le_bytes);
        let folder = std::env::temp_dir().join(format!("starling-{name:016x}"));
        Self { folder, pace: Pace::Free, watch: Watch::of(config), stop }
    }

    /// Opens the conference of a run's swarm.
    pub(crate) fn convene(self) -> Convene {
        Box::new(move |occasion| {
            let provider = occasion.config.swarm.as_ref().map(|swarm| swarm.provider).unwrap_or_default();
            let conference: Box<dyn Conference> = match provider {
                ProviderConfig::InProcess => Box::new(Hall::open(&Charter::in_process(occasion.config)?)?),
                ProviderConfig::Process => processes(&self, occasion)?,
            };
            let Self { pace, watch, stop, .. } = self;
            Ok(Box::new(Watched { conference, pacer: Pacer::new(pace), watch, stop }))
        })
    }
}

/// Random bytes of the system.
pub(crate) fn draw<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes))?;
    Ok(bytes)
}

/// Whether this program can run the swarm of a configuration.
pub(crate) fn check(origin: &Path, config: &Config) -> Result<(), Failure> {
    let Some(swarm) = config.swarm.as_ref().filter(|swarm| swarm.provider == ProviderConfig::Process) else {
        return Ok(());
    };
    let origin = origin.display();
    if !cfg!(target_os = "linux") {
        return Err(Failure::usage(format!(
            "{origin}: `swarm.provider`: \"process\" needs Linux, which confines them; use \"in_process\""
        )));
    }
    if swarm.process.transport == TransportConfig::Zenoh && !cfg!(feature = "mesh") {
        return Err(Failure::usage(format!(
            "{origin}: `swarm.process.transport`: \"zenoh\" is not in this build; use \"socket\", or build with \
             `cargo build --release --features mesh`"
        )));
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn processes(service: &Service, occasion: Occasion<'_>) -> Result<Box<dyn Conference>, SwarmError> {
    let line = |error: Box<dyn std::error::Error + Send + Sync>| SwarmError::Line(error);
    let secret = draw().map_err(|error| line(format!("cannot draw a secret from /dev/urandom: {error}").into()))?;
    let charter = Charter::of_processes(occasion.config, &secret)?;
    let quarters = quarters::Quarters::open(service, &charter, occasion.text)?;
    Ok(Box::new(starling_lab::swarm::remote::chair::Chair::new(quarters, charter, occasion.rewind)))
}

#[cfg(not(target_os = "linux"))]
fn processes(_: &Service, _: Occasion<'_>) -> Result<Box<dyn Conference>, SwarmError> {
    Err(SwarmError::Line("swarm.provider = \"process\": agents' processes are confined by Linux only".into()))
}

/// A conference at a pace, watched.
struct Watched {
    conference: Box<dyn Conference>,
    pacer: Pacer,
    watch: Watch,
    stop: Arc<AtomicBool>,
}

impl Conference for Watched {
    fn on_stamp(&mut self, stamp: UnixNanos, events: &[Event]) -> Result<Vec<Verdict>, SwarmError> {
        self.pacer.wait(stamp, &self.stop, |at_most| self.conference.idle(at_most))?;
        if self.stop.load(Ordering::Relaxed) {
            return Err(SwarmError::Interrupted { stamp });
        }
        let verdicts = self.conference.on_stamp(stamp, events)?;
        self.watch.count(stamp, &verdicts);
        Ok(verdicts)
    }

    fn finish(&mut self) -> Result<Closing, SwarmError> {
        self.conference.finish()
    }
}
