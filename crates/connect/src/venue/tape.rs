//! A venue's recording held in memory, frame by frame, with the stream each belongs to.
//!
//! It reads our frame files, lines of `nanoseconds text` and cryptofeed's raw files, plain or gzipped; several files are
//! one tape in the order they are given. Invariants: a frame's bytes are those of the recording, but for what belongs to the
//! connection (a wrapper, the number of a channel); stamps never step back (a frame that does takes the stamp before it). A
//! frame of no known stream is counted and left out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use hyper::body::Bytes;
use starling_core::time::UnixNanos;
use starling_market::frames::{self, Capture, Direction, Frame, LINE_BYTES_MAX};

use super::profile::Profile;

/// Bytes of a tape at most.
pub const TAPE_BYTES_MAX: usize = 4 << 30;

/// A file that is no recording.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TapeError {
    /// It cannot be read.
    #[error("{path}: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It is damaged, or something else.
    #[error("{path}: {cause}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// Nothing in it can be streamed.
    #[error(
        "{files}: no frame is of a stream of {venue}; name the profile of the venue it was recorded at, or another file"
    )]
    Empty {
        /// The files.
        files: String,
        /// The venue that was looked for.
        venue: &'static str,
    },
    /// It is too large to be held.
    #[error("the recordings have more than {TAPE_BYTES_MAX} bytes: replay them one after the other")]
    TooLarge,
}

/// What a frame of a tape is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// A message of the stream with this number.
    Stream(u32),
    /// A book snapshot that REST answered, of the symbol with this number.
    Snapshot(u32),
}

/// One frame.
#[derive(Debug, Clone)]
pub struct TapeFrame {
    /// When it was received.
    pub ts: UnixNanos,
    /// What it is.
    pub piece: Piece,
    /// The message itself, without what belongs to the connection it was recorded on.
    pub data: Bytes,
}

/// A stream: one channel of one instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The channel, as the recorded messages call it.
    pub channel: String,
    /// The number of the instrument.
    pub symbol: u32,
}

/// Streams and instruments of a recording, by number, and what its connections announced.
#[derive(Debug, Default)]
pub struct Names {
    /// The streams.
    pub streams: Vec<Stream>,
    /// The instruments, as the venue calls them.
    pub symbols: Vec<String>,
    /// By the venue's number of a channel: the stream, where messages name it so.
    pub(super) announced: BTreeMap<u64, u32>,
    /// How the recording connection was configured, in the venue's bits.
    pub(super) flags: u64,
    numbers: BTreeMap<String, BTreeMap<String, u32>>,
}

impl Names {
    /// The number of a symbol, which may be new.
    fn instrument(&mut self, symbol: &str) -> u32 {
        let at = self.symbols.iter().position(|s| s == symbol).unwrap_or_else(|| {
            self.symbols.push(symbol.to_owned());
            self.symbols.len() - 1
        });
        u32::try_from(at).expect("fewer symbols than 2^32")
    }

    /// The number of a stream, which may be new.
    pub(super) fn number(&mut self, channel: &str, symbol: &str) -> u32 {
        if let Some(number) = self.numbers.get(channel).and_then(|symbols| symbols.get(symbol)) {
            return *number;
        }
        let stream = Stream { channel: channel.to_owned(), symbol: self.instrument(symbol) };
        let number = u32::try_from(self.streams.len()).expect("fewer streams than 2^32");
        self.streams.push(stream);
        self.numbers.entry(channel.to_owned()).or_default().insert(symbol.to_owned(), number);
        number
    }

    /// The name of an instrument.
    #[must_use]
    pub fn symbol(&self, number: u32) -> &str {
        &self.symbols[number as usize]
    }
}

/// A recording.
#[derive(Debug)]
pub struct Tape {
    /// Its frames, in order.
    pub frames: Vec<TapeFrame>,
    /// What they are of.
    pub names: Names,
    /// The recorded `exchangeInfo`, if there was one.
    pub exchange_info: Option<Bytes>,
    /// Frames left out: confirmations, answers, streams without a name.
    pub left_out: u64,
    profile: &'static Profile,
    bytes: usize,
}

impl Tape {
    /// Reads some files, as this venue's.
    pub fn open(profile: &'static Profile, paths: &[PathBuf]) -> Result<Self, TapeError> {
        let mut tape =
            Self { frames: Vec::new(), names: Names::default(), exchange_info: None, left_out: 0, profile, bytes: 0 };
        for path in paths {
            tape.read(path)?;
        }
        if tape.frames.iter().all(|frame| matches!(frame.piece, Piece::Snapshot(_))) {
            let files = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
            return Err(TapeError::Empty { files, venue: profile.name });
        }
        Ok(tape)
    }

    /// The streams that serve who asks for a channel of an instrument: the one of that name, or else those that carry the
    /// same under another.
    pub(super) fn find(&self, channel: &str, symbol: &str) -> Vec<u32> {
        let key = self.profile.key;
        let of = |fits: &dyn Fn(&str) -> bool| -> Vec<u32> {
            (0u32..)
                .zip(&self.names.streams)
                .filter(|(_, stream)| fits(&stream.channel) && self.names.symbol(stream.symbol) == symbol)
                .map(|(number, _)| number)
                .collect()
        };
        let named = of(&|recorded| recorded == channel);
        if named.is_empty() { of(&|recorded| key(recorded) == key(channel)) } else { named }
    }

    fn read(&mut self, path: &Path) -> Result<(), TapeError> {
        let io = |cause| TapeError::Io { path: path.to_owned(), cause };
        let form = |cause: String| TapeError::Form { path: path.to_owned(), cause };
        let mut file = BufReader::new(File::open(path).map_err(io)?);
        let gzip = file.fill_buf().map_err(io)?.starts_with(&[0x1f, 0x8b]);
        if gzip {
            let text = BufReader::new(flate2::bufread::MultiGzDecoder::new(file));
            return self.read_lines(text, io, form);
        }
        let start = file.fill_buf().map_err(io)?;
        // Captures are text; a frame file's first bytes are its magic.
        let is_text = start.first().is_some_and(|b| b.is_ascii_digit())
            || [&b"http"[..], b"ws", b"configuration"].iter().any(|word| start.starts_with(word));
        if is_text {
            return self.read_lines(file, io, form);
        }
        let mut reader = frames::Reader::open(file).map_err(|e| form(e.to_string()))?;
        while let Some(block) = reader.next_block().map_err(|e| form(e.to_string()))? {
            for frame in block.frames() {
                self.push(&frame)?;
            }
        }
        Ok(())
    }

    fn read_lines(
        &mut self,
        mut text: impl BufRead,
        io: impl Fn(io::Error) -> TapeError,
        form: impl Fn(String) -> TapeError,
    ) -> Result<(), TapeError> {
        let (mut capture, mut line) = (Capture::new(), Vec::new());
        loop {
            line.clear();
            let read = text.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line).map_err(&io)?;
            if read == 0 {
                return Ok(());
            }
            if read > LINE_BYTES_MAX {
                return Err(form(format!("a line has more than {LINE_BYTES_MAX} bytes")));
            }
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            if let Some(captured) = capture.line(line).map_err(|e| form(e.to_string()))? {
                self.push(&captured.frame(0))?;
            }
        }
    }

    fn push(&mut self, frame: &Frame<'_>) -> Result<(), TapeError> {
        let snapshot = |at| (Piece::Snapshot(at), Bytes::copy_from_slice(frame.bytes));
        let known = match frame.direction {
            Direction::Received if is_snapshot(frame.bytes) => self.owner_of(frame.bytes).map(snapshot),
            Direction::Received => {
                let named = (self.profile.stream)(frame.bytes, &mut self.names);
                named.map(|(stream, data)| (Piece::Stream(stream), data))
            }
            Direction::Answer if frame.subject.contains("/exchangeInfo") => {
                self.exchange_info = Some(Bytes::copy_from_slice(frame.bytes));
                return Ok(());
            }
            Direction::Answer if is_snapshot(frame.bytes) => {
                let symbol = frame.subject.split(['?', '&']).find_map(|part| part.strip_prefix("symbol="));
                symbol.map(|symbol| snapshot(self.names.instrument(&symbol.to_uppercase())))
            }
            _ => None,
        };
        let Some((piece, data)) = known else {
            self.left_out += 1;
            return Ok(());
        };
        self.bytes += data.len();
        if self.bytes > TAPE_BYTES_MAX {
            return Err(TapeError::TooLarge);
        }
        let ts = self.frames.last().map_or(frame.ts_recv, |last| last.ts.max(frame.ts_recv));
        self.frames.push(TapeFrame { ts, piece, data });
        Ok(())
    }

    /// Whose snapshot it is where the recording does not say: the symbol whose changes were numbered closest to it.
    fn owner_of(&self, snapshot: &[u8]) -> Option<u32> {
        let id = number_after(snapshot, b"\"lastUpdateId\":")?;
        let mut best: Option<(u64, u32)> = None;
        for frame in self.frames.iter().rev().take(10_000) {
            let Piece::Stream(stream) = frame.piece else { continue };
            let Stream { channel, symbol } = &self.names.streams[stream as usize];
            if let (true, Some(last)) = (channel.starts_with("depth"), number_after(&frame.data, b"\"u\":")) {
                let apart = last.abs_diff(id);
                if best.is_none_or(|(least, _)| apart < least) {
                    best = Some((apart, *symbol));
                }
            }
        }
        best.map(|(_, at)| at)
    }
}

fn is_snapshot(frame: &[u8]) -> bool {
    frame.trim_ascii_start().starts_with(b"{\"lastUpdateId\":")
}

fn number_after(text: &[u8], key: &[u8]) -> Option<u64> {
    let at = text.windows(key.len()).position(|window| window == key)? + key.len();
    let digits = text[at..].iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(&text[at..at + digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn open(path: &Path) -> Result<Tape, TapeError> {
        Tape::open(Profile::named("binance-spot").unwrap(), &[path.to_owned()])
    }

    #[test]
    fn wrapped_and_bare_messages_name_their_streams() {
        let lines = [
            r#"1723161253937085768 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":5,"u":7,"b":[],"a":[]}}"#,
            r#"1723161253937085769 {"u":8,"s":"BTCUSDT","b":"1","B":"3","a":"2","A":"1"}"#,
            r#"1723161253937085769 {"lastUpdateId":6,"bids":[],"asks":[]}"#,
            r#"1723161253937085760 {"e":"trade","E":1,"s":"ETHUSDT","t":1,"p":"1","q":"1","T":1,"m":true}"#,
            r#"1723161253937085770 {"result":null,"id":1}"#,
        ];
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(lines.join("\n").as_bytes()).unwrap();
        let tape = open(file.path()).unwrap();
        let streams: Vec<(&str, u32)> = tape.names.streams.iter().map(|s| (s.channel.as_str(), s.symbol)).collect();
        assert_eq!(streams, [("depth@100ms", 0), ("bookTicker", 0), ("trade", 1)]);
        assert_eq!(tape.names.symbols, ["BTCUSDT", "ETHUSDT"]);
        let pieces: Vec<Piece> = tape.frames.iter().map(|f| f.piece).collect();
        assert_eq!(pieces, [Piece::Stream(0), Piece::Stream(1), Piece::Snapshot(0), Piece::Stream(2)]);
        assert!(tape.frames[0].data.starts_with(b"{\"e\":\"depthUpdate\"") && tape.frames[0].data.ends_with(b"[]}"));
        assert_eq!(tape.frames[3].ts, UnixNanos::new(1_723_161_253_937_085_769), "stamps never step back");
        assert_eq!(tape.left_out, 1);
    }

    #[test]
    fn what_is_no_recording_is_refused_by_name() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"1723161253937085770 {\"result\":null,\"id\":1}\n").unwrap();
        assert!(matches!(open(file.path()), Err(TapeError::Empty { .. })));
        file.write_all(b"hello\n").unwrap();
        let error = open(file.path()).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(matches!(open(Path::new("/nowhere")), Err(TapeError::Io { .. })));
    }
}
