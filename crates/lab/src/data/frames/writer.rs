//! The writer: blocks sealed by size and age, files changed by size and day, synced as the settings say.
//!
//! Invariant: it reads no clock. When a block is old or a day is over, the frames' own stamps say.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use starling_core::UnixNanos;
use starling_core::time::SECOND;
use starling_market::frames::{Encoder, Frame, Header, LEVEL_DEFAULT, Session};

use super::super::error::DataError;
use super::{fault, take_name};

/// When what was written is on the disk, not only with the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// After each block: a crash of the machine loses the open block at most.
    Block,
    /// When a file is finished: a crash of the machine may lose what the system had not written yet; a crash of the
    /// program loses the open block at most.
    Finish,
}

/// How frames are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder the files are written to; it is created if need be.
    pub folder: PathBuf,
    /// zstd's level, 1 to 22.
    pub level: i32,
    /// A block is sealed once it holds so many bytes before compression.
    pub block_bytes: usize,
    /// A block is sealed by a frame that comes so many nanoseconds after its first.
    pub block_age_ns: u64,
    /// A file is finished once it holds so many bytes.
    pub file_bytes: u64,
    /// A file is finished by a frame of another UTC day.
    pub daily: bool,
    /// When it is on the disk.
    pub sync: Sync,
}

impl Settings {
    /// Blocks of 1 MiB or a second, files of 1 GiB or a day, synced block by block.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            level: LEVEL_DEFAULT,
            block_bytes: 1 << 20,
            block_age_ns: SECOND,
            file_bytes: 1 << 30,
            daily: true,
            sync: Sync::Block,
        }
    }
}

/// A file being written.
#[derive(Debug)]
struct Open {
    file: File,
    part: PathBuf,
    path: PathBuf,
    encoder: Encoder,
    bytes: u64,
    day: u64,
}

/// Writes the frames of a session, to one file after the other.
///
/// Dropped without [`FrameWriter::finish`], it leaves its last file as a crash would: `recover` makes it whole.
#[derive(Debug)]
pub struct FrameWriter {
    settings: Settings,
    session: Session,
    open: Option<Open>,
    finished: Vec<PathBuf>,
    frames: u64,
    sealed: Vec<u8>,
}

impl FrameWriter {
    /// Creates the folder; the first file comes with the first frame.
    pub fn create(session: Session, settings: Settings) -> Result<Self, DataError> {
        let folder = &settings.folder;
        std::fs::create_dir_all(folder).map_err(|e| DataError::io("create the folder", folder.display(), e))?;
        Ok(Self { settings, session, open: None, finished: Vec::new(), frames: 0, sealed: Vec::new() })
    }

    /// Frames written.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Files finished so far.
    #[must_use]
    pub fn finished(&self) -> &[PathBuf] {
        &self.finished
    }

    /// Adds a frame. One that is too large is refused, and what was written before stands.
    pub fn write(&mut self, frame: &Frame<'_>) -> Result<(), DataError> {
        let another_day = |open: &Open| self.settings.daily && open.day != frame.ts_recv.unix_day();
        if self.open.as_ref().is_some_and(another_day) {
            self.finish_file()?;
        }
        if self.open.is_none() {
            self.open = Some(self.begin(frame.ts_recv)?);
        }
        let open = self.open.as_mut().expect("a file is open");
        let since = open.encoder.pending_since();
        if since.is_some_and(|since| frame.ts_recv.since(since) >= self.settings.block_age_ns) {
            self.seal()?;
        }
        let open = self.open.as_mut().expect("a file is open");
        self.sealed.clear();
        let sealed = open.encoder.push(frame, &mut self.sealed).map_err(fault(&open.part))?;
        self.frames += 1;
        if sealed {
            put(open, &self.sealed, self.settings.sync)?;
        }
        if open.encoder.pending() >= self.settings.block_bytes {
            self.seal()?;
        }
        if self.open.as_ref().is_some_and(|open| open.bytes >= self.settings.file_bytes) {
            self.finish_file()?;
        }
        Ok(())
    }

    /// Seals the open block, so that what was written so far survives a crash as the settings say.
    pub fn seal(&mut self) -> Result<(), DataError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        self.sealed.clear();
        open.encoder.seal(&mut self.sealed).map_err(fault(&open.part))?;
        put(open, &self.sealed, self.settings.sync)
    }

    /// Seals the last block and gives the last file its name; the names of all.
    pub fn finish(mut self) -> Result<Vec<PathBuf>, DataError> {
        self.finish_file()?;
        Ok(self.finished)
    }

    fn begin(&self, first: UnixNanos) -> Result<Open, DataError> {
        let stamp: String = first.to_string().chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
        let venue: String =
            self.session.venue.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        // Files of one second are told apart by a number.
        for number in 1..=u32::from(u16::MAX) {
            let more = if number == 1 { String::new() } else { format!("-{number}") };
            let path = self.settings.folder.join(format!("{venue}-{stamp}Z{more}.frames"));
            let part = part_of(&path);
            if path.exists() {
                continue;
            }
            match OpenOptions::new().write(true).create_new(true).open(&part) {
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(DataError::io("create", part.display(), e)),
                Ok(file) => {
                    let mut bytes = Vec::new();
                    let header = Header::write(&self.session, &mut bytes).map_err(fault(&part))?;
                    let encoder = Encoder::new(&header, self.settings.level);
                    let mut open = Open { file, part, path, encoder, bytes: 0, day: first.unix_day() };
                    put(&mut open, &bytes, self.settings.sync)?;
                    return Ok(open);
                }
            }
        }
        let path = self.settings.folder.display().to_string();
        Err(DataError::Exists { path, remedy: "it holds too many files of one second; record to another folder" })
    }

    fn finish_file(&mut self) -> Result<(), DataError> {
        self.seal()?;
        let Some(open) = self.open.take() else { return Ok(()) };
        open.file.sync_all().map_err(|e| DataError::io("write", open.part.display(), e))?;
        take_name(&open.part, &open.path)?;
        self.finished.push(open.path);
        Ok(())
    }
}

fn put(open: &mut Open, bytes: &[u8], sync: Sync) -> Result<(), DataError> {
    if bytes.is_empty() {
        return Ok(());
    }
    let written = open.file.write_all(bytes).and_then(|()| match sync {
        Sync::Block => open.file.sync_data(),
        Sync::Finish => Ok(()),
    });
    open.bytes += bytes.len() as u64;
    written.map_err(|e| DataError::io("write", open.part.display(), e))
}

/// The name of a file while it is written.
pub(super) fn part_of(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    part.into()
}
