//! The recorder: every frame of a connection, byte for byte with its receive stamp, to a sink on a thread of its own.
//!
//! Invariants: the connection never waits for the disk; between the two lies a queue of at most [`QUEUE_FRAMES_MAX`] frames
//! and [`QUEUE_BYTES_MAX`] bytes, and what finds no room there is counted and told, never left out in silence. Addresses are
//! kept without their query, where a key might stand. It understands no frame and chooses no file: the sink does.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use starling_core::time::UnixNanos;
use starling_market::frames::{Direction, Frame};

use crate::socket::Tap;

/// Frames between connection and disk at most.
pub const QUEUE_FRAMES_MAX: usize = 65_536;
/// Bytes between connection and disk at most.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;

/// Where frames are written.
pub trait FrameSink: Send + 'static {
    /// Writes one.
    fn write(&mut self, frame: &Frame<'_>) -> io::Result<()>;
    /// Writes out what is pending, and closes.
    fn finish(self) -> io::Result<()>;
}

struct Owned {
    ts: UnixNanos,
    direction: Direction,
    binary: bool,
    subject: String,
    bytes: Box<[u8]>,
}

#[derive(Default)]
struct Counts {
    frames: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
    queued: AtomicUsize,
}

/// What a recording came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recorded {
    /// Frames handed to the sink.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames that found no room in the queue.
    pub lost: u64,
}

/// A tap that records.
pub struct Recorder {
    sender: Option<SyncSender<Owned>>,
    thread: Option<JoinHandle<io::Result<()>>>,
    counts: Arc<Counts>,
}

impl Recorder {
    /// Starts the sink's thread.
    pub fn start(sink: impl FrameSink) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE_FRAMES_MAX);
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        let thread =
            std::thread::Builder::new().name("recorder".into()).spawn(move || write(sink, &receiver, &shared))?;
        Ok(Self { sender: Some(sender), thread: Some(thread), counts })
    }

    /// What there is so far.
    #[must_use]
    pub fn recorded(&self) -> Recorded {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counts { frames, bytes, lost, .. } = &*self.counts;
        Recorded { frames: read(frames), bytes: read(bytes), lost: read(lost) }
    }

    /// Waits until all is written.
    pub fn finish(mut self) -> io::Result<Recorded> {
        self.join()?;
        Ok(self.recorded())
    }

    fn join(&mut self) -> io::Result<()> {
        self.sender = None;
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the recorder's thread panicked")))
    }

    fn put(&mut self, ts: UnixNanos, direction: Direction, binary: bool, subject: &str, bytes: &[u8]) {
        let Some(sender) = &self.sender else { return };
        let queued = self.counts.queued.fetch_add(bytes.len(), Ordering::Relaxed);
        // What may hold a key stays out of the file.
        let subject =
            if direction == Direction::Opened { subject.split('?').next().unwrap_or_default() } else { subject };
        let frame = Owned { ts, direction, binary, subject: subject.to_owned(), bytes: bytes.into() };
        if queued + bytes.len() > QUEUE_BYTES_MAX || sender.try_send(frame).is_err() {
            self.counts.queued.fetch_sub(bytes.len(), Ordering::Relaxed);
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write(mut sink: impl FrameSink, frames: &Receiver<Owned>, counts: &Counts) -> io::Result<()> {
    for frame in frames {
        counts.queued.fetch_sub(frame.bytes.len(), Ordering::Relaxed);
        sink.write(&Frame {
            ts_recv: frame.ts,
            connection: 0,
            direction: frame.direction,
            binary: frame.binary,
            subject: &frame.subject,
            bytes: &frame.bytes,
        })?;
        counts.frames.fetch_add(1, Ordering::Relaxed);
        counts.bytes.fetch_add(frame.bytes.len() as u64, Ordering::Relaxed);
    }
    sink.finish()
}

impl Tap for Recorder {
    fn opened(&mut self, url: &str, ts: UnixNanos) {
        self.put(ts, Direction::Opened, false, url, b"");
    }
    fn received(&mut self, frame: &[u8], binary: bool, ts_recv: UnixNanos) {
        self.put(ts_recv, Direction::Received, binary, "", frame);
    }
    fn sent(&mut self, frame: &[u8], ts: UnixNanos) {
        self.put(ts, Direction::Sent, false, "", frame);
    }
    fn answered(&mut self, url: &str, body: &[u8], ts: UnixNanos) {
        self.put(ts, Direction::Answer, false, url, body);
    }
    fn closed(&mut self, why: &str, ts: UnixNanos) {
        self.put(ts, Direction::Closed, false, "", why.as_bytes());
    }

    /// An error once the sink has failed: there is no point in going on.
    fn tick(&mut self, _: UnixNanos) -> io::Result<()> {
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            self.join()?;
            return Err(io::Error::other("the recorder's thread has ended"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::*;

    type Written = Arc<Mutex<Vec<(u64, Direction, String, Vec<u8>)>>>;

    struct Memory(Written, Option<mpsc::Receiver<()>>, usize);

    impl FrameSink for Memory {
        fn write(&mut self, frame: &Frame<'_>) -> io::Result<()> {
            if let Some(go) = self.1.take() {
                let _ = go.recv();
            }
            let mut written = self.0.lock().unwrap();
            if written.len() == self.2 {
                return Err(io::Error::other("no space"));
            }
            written.push((frame.ts_recv.get(), frame.direction, frame.subject.to_owned(), frame.bytes.to_vec()));
            Ok(())
        }
        fn finish(self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn frames_arrive_in_order_and_keys_do_not() {
        let written = Written::default();
        let mut recorder = Recorder::start(Memory(Arc::clone(&written), None, 100)).unwrap();
        let at = UnixNanos::new;
        recorder.opened("wss://host/ws?key=secret", at(1));
        recorder.sent(b"{}", at(2));
        recorder.received(b"[1]", false, at(3));
        recorder.answered("https://host/depth?symbol=A", b"{}", at(4));
        recorder.closed("gone", at(5));
        let recorded = recorder.finish().unwrap();
        assert_eq!(recorded, Recorded { frames: 5, bytes: 11, lost: 0 });
        let written = written.lock().unwrap();
        assert_eq!(written[0], (1, Direction::Opened, "wss://host/ws".into(), vec![]));
        assert_eq!(written[3].2, "https://host/depth?symbol=A");
        assert!(written.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn a_sink_that_hangs_holds_nobody_up_and_what_is_lost_is_counted() {
        let (go, wait) = mpsc::channel();
        let written = Written::default();
        let mut recorder = Recorder::start(Memory(Arc::clone(&written), Some(wait), usize::MAX)).unwrap();
        for n in 0..200 {
            recorder.received(&vec![0; 1 << 20], true, UnixNanos::new(n));
        }
        let lost = recorder.recorded().lost;
        // 64 MiB wait, and one frame may be in the hand of the sink.
        assert!((135..=136).contains(&lost), "{lost}");
        go.send(()).unwrap();
        assert_eq!(recorder.finish().unwrap().frames + lost, 200);
    }

    #[test]
    fn a_sink_that_fails_ends_the_recording() {
        let mut recorder = Recorder::start(Memory(Written::default(), None, 2)).unwrap();
        for n in 0..5 {
            recorder.received(b"x", false, UnixNanos::new(n));
        }
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let told = loop {
            if let Err(told) = recorder.tick(UnixNanos::EPOCH) {
                break told;
            }
            assert!(std::time::Instant::now() < patience, "the recorder's end is not told");
            std::thread::yield_now();
        };
        assert_eq!(told.to_string(), "no space");
    }
}
