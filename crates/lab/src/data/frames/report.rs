//! What a frame file holds, in numbers.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use starling_core::UnixNanos;
use starling_market::frames::{Session, Tail};

use super::super::error::DataError;
use super::{fault, open_frames};

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
    /// The longest pause between two frames received, in nanoseconds.
    pub silence_ns_max: u64,
    /// The stamp behind that pause.
    pub silence_at: Option<UnixNanos>,
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

/// Reads a frame file to its end.
pub fn report(path: &Path) -> Result<FramesReport, DataError> {
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
    let mut received: BTreeMap<u16, UnixNanos> = BTreeMap::new();
    let mut above: BTreeMap<u16, UnixNanos> = BTreeMap::new();
    while let Some(block) = reader.next_block().map_err(fault(path))? {
        report.plain_bytes += u64::from(block.header.plain);
        for frame in block.frames() {
            let to = report.connections.entry(frame.connection).or_default();
            *to.frames.entry(frame.direction.name()).or_default() += 1;
            if to.url.is_empty() {
                frame.subject.clone_into(&mut to.url);
            }
            let ts = frame.ts_recv;
            to.first = Some(to.first.map_or(ts, |first| first.min(ts)));
            to.last = Some(to.last.map_or(ts, |last| last.max(ts)));
            let before = above.insert(frame.connection, ts);
            to.disorder += u64::from(before.is_some_and(|before| ts < before));
            if frame.direction == starling_market::frames::Direction::Received {
                to.bytes += frame.bytes.len() as u64;
                if let Some(before) = received.insert(frame.connection, ts) {
                    let silence = ts.since(before);
                    if silence > to.silence_ns_max {
                        (to.silence_ns_max, to.silence_at) = (silence, Some(ts));
                    }
                }
            }
        }
    }
    (report.blocks, report.frames) = (reader.blocks(), reader.frames());
    report.torn = match reader.tail() {
        Some(Tail::Torn { at, bytes }) => Some((bytes, at)),
        _ => None,
    };
    Ok(report)
}
