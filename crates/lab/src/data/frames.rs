//! Frame files on disk: written with rotation, opened, recovered after a crash, and made of other programs' captures.
//!
//! Invariant: a file under its own name is whole; what is being written ends in `.part`. No name that exists is
//! overwritten. The bytes are `starling_market::frames`'; `docs/frames.md` has them.

mod import;
mod report;
mod writer;

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use starling_market::frames::{FramesError, Reader, Tail};

use super::error::DataError;
use super::source::CHUNK_BYTES;

pub use import::{CapturedFile, import_captures};
pub use report::{ConnectionReport, FramePlace, FramesReport, SILENCE_NS_MIN, report};
pub use writer::{FrameWriter, Settings, Sync};

/// A frame file being read.
pub type FrameFile = Reader<BufReader<File>>;

fn fault(path: &Path) -> impl Fn(FramesError) -> DataError + '_ {
    |cause| match cause {
        FramesError::Read { cause, .. } => DataError::io("read", path.display(), cause),
        cause => DataError::Frames { path: path.display().to_string(), cause },
    }
}

/// Whether a file begins as frame files do.
pub fn is_frames(path: &Path) -> Result<bool, DataError> {
    let mut first = [0; 8];
    let file = File::open(path).map_err(|e| DataError::io("open", path.display(), e))?;
    let mut read = 0;
    let mut file = file.take(8);
    while read < first.len() {
        match file.read(&mut first[read..]).map_err(|e| DataError::io("read", path.display(), e))? {
            0 => break,
            n => read += n,
        }
    }
    Ok(first == *b"SLFRAMES")
}

/// Opens a frame file.
pub fn open_frames(path: &Path) -> Result<FrameFile, DataError> {
    let file = File::open(path).map_err(|e| DataError::io("open", path.display(), e))?;
    Reader::open(BufReader::with_capacity(CHUNK_BYTES, file)).map_err(fault(path))
}

/// Hands every frame of a file to `each`, in order, until one is an error; gives how the file ends.
pub fn for_each_frame<E: From<DataError>>(
    path: &Path,
    mut each: impl FnMut(&starling_market::frames::Frame<'_>) -> Result<(), E>,
) -> Result<Tail, E> {
    let mut reader = open_frames(path)?;
    while let Some(block) = reader.next_block().map_err(fault(path))? {
        for frame in block.frames() {
            each(&frame)?;
        }
    }
    Ok(reader.tail().expect("the end was reached"))
}

/// What a recovery did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The file under its own name; none if it held no frame, and was removed.
    pub path: Option<PathBuf>,
    /// Frames kept.
    pub frames: u64,
    /// Bytes of the torn tail that were cut off.
    pub cut: u64,
}

/// Makes a file whole that a crash left: cuts its torn tail at the block's edge, and takes `.part` off its name.
///
/// Damage in the middle is an error, and nothing is changed. Must not run while the file is being written.
pub fn recover(path: &Path) -> Result<Recovery, DataError> {
    let io = |attempt| move |e| DataError::io(attempt, path.display(), e);
    let mut reader = open_frames(path)?;
    while reader.next_block().map_err(fault(path))?.is_some() {}
    let frames = reader.frames();
    let cut = match reader.tail().expect("the end was reached") {
        Tail::Whole => 0,
        Tail::Torn { at, bytes } => {
            let file = OpenOptions::new().write(true).open(path).map_err(io("open"))?;
            file.set_len(at).and_then(|()| file.sync_all()).map_err(io("cut the tail of"))?;
            bytes
        }
    };
    if frames == 0 {
        std::fs::remove_file(path).map_err(io("remove"))?;
        return Ok(Recovery { path: None, frames, cut });
    }
    let path = if path.extension().is_some_and(|ending| ending == "part") {
        let whole = path.with_extension("");
        take_name(path, &whole)?;
        whole
    } else {
        path.to_owned()
    };
    Ok(Recovery { path: Some(path), frames, cut })
}

/// Renames a finished file to a name that must be free.
fn take_name(part: &Path, path: &Path) -> Result<(), DataError> {
    if path.exists() {
        let remedy = "move one of the two away";
        return Err(DataError::Exists { path: path.display().to_string(), remedy });
    }
    std::fs::rename(part, path).map_err(|e| DataError::io("rename to", path.display(), e))?;
    // The name is durable once its folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|e| DataError::io("sync", folder.display(), e))
}

/// A file's bytes, decompressed if they are compressed; told by the bytes, not by the name.
pub(super) fn decompressed(path: &Path) -> Result<Box<dyn Read + Send>, DataError> {
    let io = |attempt| move |e| DataError::io(attempt, path.display(), e);
    let mut file = File::open(path).map_err(io("open"))?;
    let mut first = [0; 4];
    let n = file.read(&mut first).map_err(io("read"))?;
    std::io::Seek::rewind(&mut file).map_err(io("read"))?;
    let file = BufReader::with_capacity(CHUNK_BYTES, file);
    Ok(match &first[..n] {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(file)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::stream::read::Decoder::with_buffer(file).map_err(io("read"))?),
        _ => Box::new(file),
    })
}

#[cfg(test)]
mod tests;
