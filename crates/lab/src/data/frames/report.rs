//! What a frame file holds, in numbers.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use starling_core::UnixNanos;
use starling_market::frames::{Direction, Frame, Session, Tail};

use super::super::error::DataError;
use super::{fault, open_frames};

/// Where a frame stands: the number of its block, and its own within the block, both from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FramePlace {
    /// The block.
    pub block: u64,
    /// The frame within it.
    pub frame: u64,
    /// Its stamp of receipt.
    pub ts: UnixNanos,
}

impl std::fmt::Display for FramePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "block {} frame {} at {}", self.block, self.frame, self.ts)
    }
}

/// What one connection of a session delivered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ConnectionReport {
    /// Frames by direction.
    pub frames: BTreeMap<&'static str, u64>,
    /// Payload bytes received.
    pub bytes: u64,
    /// The address it was opened to, or asked at first, where the file says so.
    pub url: String,
    /// The earliest stamp.
    pub first: Option<UnixNanos>,
    /// The latest.
    pub last: Option<UnixNanos>,
    /// Frames stamped before the one above them.
    pub disorder: u64,
    /// The first of them.
    pub first_disorder: Option<FramePlace>,
    /// Frames received whose payload is that of the one before, byte for byte.
    pub duplicates: u64,
    /// The first of them.
    pub first_duplicate: Option<FramePlace>,
    /// Pauses between two frames received that are longer than was asked about.
    pub silences: u64,
    /// The frame behind the first of them.
    pub first_silence: Option<FramePlace>,
    /// The longest pause between two frames received, in nanoseconds.
    pub silence_ns_max: u64,
    /// The frame behind it.
    pub silence_at: Option<FramePlace>,
}

/// What a frame file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FramesReport {
    /// The file.
    pub path: String,
    /// What was recorded.
    pub session: Session,
    /// Its size.
    pub bytes: u64,
    /// Blocks.
    pub blocks: u64,
    /// Frames.
    pub frames: u64,
    /// Bytes of the frames before compression.
    pub plain_bytes: u64,
    /// By connection.
    pub connections: BTreeMap<u16, ConnectionReport>,
    /// Bytes of a torn tail, and where it begins.
    pub torn: Option<(u64, u64)>,
}

/// A pause between two frames received is a silence from here on, in nanoseconds: venues send a heartbeat sooner.
pub const SILENCE_NS_MIN: u64 = 30 * starling_core::time::SECOND;

/// What the frames of a connection are compared with.
#[derive(Default)]
struct Before {
    any: UnixNanos,
    received: Option<UnixNanos>,
    payload: Vec<u8>,
}

/// Reads a frame file to its end; pauses of more than `silence_ns` are counted.
pub fn report(path: &Path, silence_ns: u64) -> Result<FramesReport, DataError> {
    let mut reader = open_frames(path)?;
    let bytes = std::fs::metadata(path).map_err(|e| DataError::io("read", path.display(), e))?.len();
    let mut report = FramesReport {
        path: path.display().to_string(),
        session: reader.header().session.clone(),
        bytes,
        blocks: 0,
        frames: 0,
        plain_bytes: 0,
        connections: BTreeMap::new(),
        torn: None,
    };
    let mut before: BTreeMap<u16, Before> = BTreeMap::new();
    while let Some(block) = reader.next_block().map_err(fault(path))? {
        report.plain_bytes += u64::from(block.header.plain);
        for (number, frame) in block.frames().enumerate() {
            let place = FramePlace { block: block.number, frame: number as u64, ts: frame.ts_recv };
            let connection = report.connections.entry(frame.connection).or_default();
            connection.add(&frame, place, before.entry(frame.connection).or_default(), silence_ns);
        }
    }
    (report.blocks, report.frames) = (reader.blocks(), reader.frames());
    report.torn = match reader.tail() {
        Some(Tail::Torn { at, bytes }) => Some((bytes, at)),
        _ => None,
    };
    Ok(report)
}

impl ConnectionReport {
    fn add(&mut self, frame: &Frame<'_>, place: FramePlace, before: &mut Before, silence_ns: u64) {
        let ts = frame.ts_recv;
        *self.frames.entry(frame.direction.name()).or_default() += 1;
        if self.url.is_empty() {
            frame.subject.clone_into(&mut self.url);
        }
        self.first = Some(self.first.map_or(ts, |first| first.min(ts)));
        self.last = Some(self.last.map_or(ts, |last| last.max(ts)));
        if ts < before.any {
            self.disorder += 1;
            self.first_disorder.get_or_insert(place);
        }
        before.any = ts;
        if frame.direction != Direction::Received {
            return;
        }
        self.bytes += frame.bytes.len() as u64;
        if let Some(last) = before.received.replace(ts) {
            let silence = ts.since(last);
            if silence > silence_ns {
                self.silences += 1;
                self.first_silence.get_or_insert(place);
            }
            if silence > self.silence_ns_max {
                (self.silence_ns_max, self.silence_at) = (silence, Some(place));
            }
            if before.payload == frame.bytes {
                self.duplicates += 1;
                self.first_duplicate.get_or_insert(place);
            }
        }
        before.payload.clear();
        before.payload.extend(frame.bytes);
    }
}
