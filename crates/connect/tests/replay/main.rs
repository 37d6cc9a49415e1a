//! The replay server and our client over real sockets, on recorded streams.
//!
//! The recordings are read from the folder that STARLING_DATA names (default: `../shared/data` beside the checkout).
//! Without it the tests say so and pass; with STARLING_DATA set and the folder absent they fail.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chaos;
mod futures;
mod group;
mod peers;
mod rest;
mod served;
mod truth;
mod venues;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use starling_connect::venue::faults::FaultSpec;
use starling_connect::venue::profile::Profile;
use starling_connect::venue::server::{Pace, ServeOptions, Server};
use starling_connect::venue::tape::{Tape, TapeError};

/// The folder of recordings, or nothing where this checkout has none.
fn recordings() -> Option<PathBuf> {
    let given = std::env::var_os("STARLING_DATA").map(PathBuf::from);
    let folder = given.clone().unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let streams = folder.join("ws_streams");
    if streams.is_dir() {
        return Some(streams);
    }
    assert!(given.is_none(), "STARLING_DATA names {}, which has no ws_streams", folder.display());
    eprintln!("skipped: no recordings at {}; set STARLING_DATA", folder.display());
    None
}

/// The spot recordings of 2024-08-08 23:54 to 2024-08-09 00:05, which continue one another.
fn spot() -> Option<Vec<PathBuf>> {
    let folder = recordings()?;
    let files = ["binance_spot_btcusdt_raw_20240808T235414Z.gz", "binance_spot_btcusdt_raw_20240809T000000Z.gz"];
    Some(files.map(|file| folder.join(file)).to_vec())
}

/// The tests that keep a pace take turns: two of them at once would measure how busy this machine is.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so.
fn await_that(what: &str, is_so: impl FnMut() -> bool) {
    await_within(PATIENCE, what, is_so);
}

/// Waits until something is so, at most so long.
fn await_within(patience: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + patience;
    while !is_so() {
        assert!(Instant::now() < limit, "waited {patience:?} until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn open(profile: &str, files: &[PathBuf]) -> Result<Tape, TapeError> {
    Tape::open(Profile::named(profile).unwrap(), files)
}

fn options(pace: Pace, faults: &str, seed: u64) -> ServeOptions {
    let faults: FaultSpec = faults.parse().unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    ServeOptions { listen, pace, faults, seed, start_at: 1, repeat: false }
}

/// A server on a thread of its own, so that it and a client do not share a scheduler.
struct Running {
    server: Arc<Server>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(profile: &str, tape: Arc<Tape>, options: ServeOptions) -> Self {
        let profile = Profile::named(profile).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            runtime().block_on(async move {
                let server = Arc::new(Server::start(profile, tape, options).await.unwrap());
                sender.send(server).unwrap();
                let _ = stopped.await;
            });
        });
        Self { server: receiver.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    fn port(&self) -> u16 {
        self.server.address().port()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
