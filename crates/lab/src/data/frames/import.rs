//! Captures of other programs as one frame file: several connections of a session, merged by stamp.

use std::io::{BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Serialize;
use starling_core::UnixNanos;
use starling_market::frames::{Capture, Direction, Encoder, Frame, Header, LINE_BYTES_MAX, Session};

use super::super::error::DataError;
use super::super::source::CHUNK_BYTES;
use super::{decompressed, fault};

/// What a capture gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapturedFile {
    /// The file.
    pub path: String,
    /// Who made it.
    pub kind: &'static str,
    /// Its number as a connection in the frame file.
    pub connection: u16,
    /// Frames.
    pub frames: u64,
    /// Lines without a stamp, which are not kept.
    pub unstamped: u64,
    /// The earliest stamp.
    pub first: Option<UnixNanos>,
    /// The latest.
    pub last: Option<UnixNanos>,
}

/// A capture being read, and its next frame.
struct Source {
    lines: BufReader<Box<dyn Read + Send>>,
    path: PathBuf,
    capture: Capture,
    line: Vec<u8>,
    next: Option<Owned>,
    report: CapturedFile,
}

/// A frame that owns its parts.
struct Owned {
    ts_recv: UnixNanos,
    direction: Direction,
    binary: bool,
    subject: String,
    bytes: Vec<u8>,
}

impl Owned {
    fn frame(&self, connection: u16) -> Frame<'_> {
        let Self { ts_recv, direction, binary, .. } = *self;
        Frame { ts_recv, connection, direction, binary, subject: &self.subject, bytes: &self.bytes }
    }
}

impl Source {
    fn open(path: &Path, connection: u16) -> Result<Self, DataError> {
        let mut source = Self {
            lines: BufReader::with_capacity(CHUNK_BYTES, decompressed(path)?),
            path: path.to_owned(),
            capture: Capture::new(),
            line: Vec::new(),
            next: None,
            report: CapturedFile {
                path: path.display().to_string(),
                kind: "",
                connection,
                frames: 0,
                unstamped: 0,
                first: None,
                last: None,
            },
        };
        source.advance()?;
        Ok(source)
    }

    /// Reads on to the next frame.
    fn advance(&mut self) -> Result<(), DataError> {
        self.next = None;
        loop {
            self.line.clear();
            let mut limited = self.lines.by_ref().take(LINE_BYTES_MAX as u64 + 1);
            let n = limited.read_until(b'\n', &mut self.line);
            let n = n.map_err(|e| DataError::io("read", self.path.display(), e))?;
            if n == 0 {
                return Ok(());
            }
            if n > LINE_BYTES_MAX {
                let problem = format!("has a line of more than {LINE_BYTES_MAX} bytes, so it is no capture");
                return Err(DataError::Unsupported { path: self.path.display().to_string(), problem });
            }
            let text = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let captured = self.capture.line(text);
            let captured =
                captured.map_err(|cause| DataError::Capture { path: self.path.display().to_string(), cause })?;
            if let Some(captured) = captured {
                let frame = captured.frame(self.report.connection);
                let ts = frame.ts_recv;
                self.report.frames += 1;
                self.report.first = Some(self.report.first.map_or(ts, |first| first.min(ts)));
                self.report.last = Some(self.report.last.map_or(ts, |last| last.max(ts)));
                self.next = Some(Owned {
                    ts_recv: ts,
                    direction: frame.direction,
                    binary: frame.binary,
                    subject: frame.subject.to_owned(),
                    bytes: frame.bytes.to_vec(),
                });
                return Ok(());
            }
        }
    }

    fn report(mut self) -> CapturedFile {
        self.report.kind = self.capture.kind().map_or("", starling_market::frames::CaptureKind::name);
        self.report.unstamped = self.capture.unstamped();
        self.report
    }
}

/// Bytes of a block before it is sealed.
const BLOCK_BYTES: usize = 1 << 20;

/// Writes captures to one frame file, whole or not at all; each is a connection of its own, numbered as they are given.
///
/// Frames of several captures are merged by their stamps; those of one keep their order, whatever their stamps say.
/// `session.started` and `session.url` are taken from the first frame where they are empty. `progress` is told frames
/// and stamps, and may break it off.
pub fn import_captures(
    paths: &[PathBuf],
    to: &Path,
    mut session: Session,
    level: i32,
    progress: &mut dyn FnMut(u64, UnixNanos) -> ControlFlow<()>,
) -> Result<Vec<CapturedFile>, DataError> {
    if to.exists() {
        let remedy = "remove it, or give another name";
        return Err(DataError::Exists { path: to.display().to_string(), remedy });
    }
    let number = |at: usize| {
        u16::try_from(at).map_err(|_| DataError::Unsupported {
            path: to.display().to_string(),
            problem: "cannot hold more than 65536 connections; import fewer captures at a time".into(),
        })
    };
    let mut sources = paths
        .iter()
        .enumerate()
        .map(|(at, path)| Source::open(path, number(at)?))
        .collect::<Result<Vec<_>, DataError>>()?;
    let earliest = sources.iter().filter_map(|s| s.next.as_ref()).min_by_key(|frame| frame.ts_recv);
    let Some(earliest) = earliest else {
        return Err(DataError::Empty { source_name: paths.first().map_or(String::new(), |p| p.display().to_string()) });
    };
    if session.started == UnixNanos::EPOCH {
        session.started = earliest.ts_recv;
    }
    if session.url.is_empty() {
        session.url.clone_from(&earliest.subject);
    }
    super::super::write::whole(to, |mut file| {
        let io = |e| DataError::io("write", to.display(), e);
        let mut out = Vec::new();
        let header = Header::write(&session, &mut out).map_err(fault(to))?;
        let mut encoder = Encoder::new(&header, level);
        loop {
            let next = (0..sources.len()).filter_map(|at| Some((sources[at].next.as_ref()?.ts_recv, at))).min();
            let Some((ts, at)) = next else { break };
            let source = &mut sources[at];
            let frame = source.next.as_ref().expect("the one that was chosen");
            encoder.push(&frame.frame(source.report.connection), &mut out).map_err(fault(to))?;
            source.advance()?;
            if encoder.pending() >= BLOCK_BYTES {
                encoder.seal(&mut out).map_err(fault(to))?;
                file.write_all(&out).map_err(io)?;
                out.clear();
                if progress(encoder.frames(), ts).is_break() {
                    return Err(DataError::Interrupted { rows: encoder.frames(), ts, days: 0 });
                }
            }
        }
        encoder.seal(&mut out).map_err(fault(to))?;
        file.write_all(&out).map_err(io)
    })?;
    Ok(sources.into_iter().map(Source::report).collect())
}
