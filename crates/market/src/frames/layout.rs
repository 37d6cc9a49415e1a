//! The bytes of the file's header, a block's header and a frame's header; all numbers little-endian.

use starling_core::UnixNanos;

use super::error::FramesError;
use super::{BLOCK_BYTES_MAX, Direction, Frame, SESSION_BYTES_MAX, Session};

pub(super) const MAGIC: [u8; 8] = *b"SLFRAMES";
pub(super) const VERSION: u16 = 1;
/// Magic, version, reserved, length of the description.
pub(super) const FILE_FIXED_LEN: usize = 16;
pub(super) const BLOCK_MAGIC: [u8; 4] = *b"FBLK";
pub(super) const BLOCK_HEADER_LEN: usize = 48;
/// Stamp, connection, direction, flags, length of the subject, reserved, length of the payload.
pub(super) const FRAME_HEADER_LEN: usize = 20;
const BINARY: u8 = 1;

pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the slice has the length of the array")
}

/// A CRC-32 that starts from the header's, so that blocks of another file do not pass.
pub(super) fn crc(seed: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(bytes);
    hasher.finalize()
}

/// A file's header: the session, and the seed of all its checksums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What was recorded.
    pub session: Session,
    /// CRC-32 of the header's bytes.
    pub(super) seed: u32,
    /// Its length in bytes.
    pub(super) len: usize,
}

impl Header {
    /// Appends the header of a new file.
    pub fn write(session: &Session, out: &mut Vec<u8>) -> Result<Self, FramesError> {
        let description = serde_json::to_vec(session).expect("a session is plain data");
        if description.len() > SESSION_BYTES_MAX {
            let bytes = description.len();
            return Err(FramesError::TooLarge { what: "a description", bytes, limit: SESSION_BYTES_MAX });
        }
        let start = out.len();
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend([0; 2]);
        out.extend((description.len() as u32).to_le_bytes());
        out.extend(description);
        let seed = crc32fast::hash(&out[start..]);
        out.extend(seed.to_le_bytes());
        Ok(Self { session: session.clone(), seed, len: out.len() - start })
    }

    /// The length of the whole header, told by its first [`FILE_FIXED_LEN`] bytes.
    pub(super) fn length(fixed: &[u8]) -> Result<usize, FramesError> {
        let known = fixed.len().min(MAGIC.len());
        if fixed[..known] != MAGIC[..known] || fixed.is_empty() {
            return Err(FramesError::Magic { found: fixed[..known].to_vec() });
        }
        if fixed.len() < FILE_FIXED_LEN {
            return Err(FramesError::Header { problem: format!("cut off after {} bytes", fixed.len()) });
        }
        let version = u16::from_le_bytes(array(fixed, 8));
        if version != VERSION {
            return Err(FramesError::Version { found: version, known: VERSION });
        }
        let description = u32::from_le_bytes(array(fixed, 12)) as usize;
        if description > SESSION_BYTES_MAX {
            return Err(FramesError::Header { problem: format!("damaged: it claims {description} bytes of text") });
        }
        Ok(FILE_FIXED_LEN + description + 4)
    }

    /// Reads a whole header, of the length that [`Header::length`] told.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, FramesError> {
        let body = bytes.len() - 4;
        let seed = crc32fast::hash(&bytes[..body]);
        let damaged = |what: &str| FramesError::Header { problem: format!("damaged: {what}") };
        if seed != u32::from_le_bytes(array(bytes, body)) {
            return Err(damaged("its checksum is wrong"));
        }
        if bytes[10..12] != [0; 2] {
            return Err(damaged("a reserved field is in use"));
        }
        let session = serde_json::from_slice(&bytes[FILE_FIXED_LEN..body]).map_err(|e| damaged(&e.to_string()))?;
        Ok(Self { session, seed, len: bytes.len() })
    }

    /// The header at the start of a file that lies in memory.
    pub fn read(bytes: &[u8]) -> Result<Self, FramesError> {
        let len = Self::length(&bytes[..bytes.len().min(FILE_FIXED_LEN)])?;
        let cut = || FramesError::Header { problem: format!("cut off after {} bytes", bytes.len()) };
        Self::parse(bytes.get(..len).ok_or_else(cut)?)
    }

    /// Its length in bytes: where the first block stands.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a header is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }
}

/// What a block says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    /// Bytes of the compressed frames behind the header.
    pub stored: u32,
    /// Bytes of the frames.
    pub plain: u32,
    /// How many frames.
    pub count: u32,
    /// The earliest stamp of receipt.
    pub earliest: UnixNanos,
    /// The latest.
    pub latest: UnixNanos,
    /// Frames in the file before it.
    pub first: u64,
    pub(super) payload_crc: u32,
}

impl BlockHeader {
    pub(super) fn encode(&self, seed: u32) -> [u8; BLOCK_HEADER_LEN] {
        let mut bytes = [0; BLOCK_HEADER_LEN];
        bytes[..4].copy_from_slice(&BLOCK_MAGIC);
        bytes[4..8].copy_from_slice(&self.stored.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.plain.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.count.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.earliest.get().to_le_bytes());
        bytes[24..32].copy_from_slice(&self.latest.get().to_le_bytes());
        bytes[32..40].copy_from_slice(&self.first.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.payload_crc.to_le_bytes());
        let sum = crc(seed, &bytes[..44]);
        bytes[44..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// None unless magic, checksum and limits hold.
    pub(super) fn decode(bytes: &[u8], seed: u32) -> Option<Self> {
        if bytes[..4] != BLOCK_MAGIC || crc(seed, &bytes[..44]) != u32::from_le_bytes(array(bytes, 44)) {
            return None;
        }
        let header = Self {
            stored: u32::from_le_bytes(array(bytes, 4)),
            plain: u32::from_le_bytes(array(bytes, 8)),
            count: u32::from_le_bytes(array(bytes, 12)),
            earliest: UnixNanos::new(u64::from_le_bytes(array(bytes, 16))),
            latest: UnixNanos::new(u64::from_le_bytes(array(bytes, 24))),
            first: u64::from_le_bytes(array(bytes, 32)),
            payload_crc: u32::from_le_bytes(array(bytes, 40)),
        };
        let sound = header.plain as usize <= BLOCK_BYTES_MAX
            && header.stored as usize <= stored_max(header.plain as usize)
            && header.count > 0
            && header.count as usize <= header.plain as usize / FRAME_HEADER_LEN;
        sound.then_some(header)
    }
}

/// What a block's bytes may take after compression, at most: zstd's own bound.
pub(super) fn stored_max(plain: usize) -> usize {
    plain + (plain >> 8) + 1024
}

pub(super) fn write_frame(frame: &Frame<'_>, out: &mut Vec<u8>) {
    out.extend(frame.ts_recv.get().to_le_bytes());
    out.extend(frame.connection.to_le_bytes());
    out.extend([frame.direction as u8, if frame.binary { BINARY } else { 0 }]);
    out.extend((frame.subject.len() as u16).to_le_bytes());
    out.extend([0; 2]);
    out.extend((frame.bytes.len() as u32).to_le_bytes());
    out.extend(frame.subject.as_bytes());
    out.extend(frame.bytes);
}

/// The frame at the start of `bytes` and what stands behind it; none if it breaks a rule of the layout.
pub(super) fn read_frame(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let head = bytes.get(..FRAME_HEADER_LEN)?;
    let subject = u16::from_le_bytes(array(head, 12)) as usize;
    let payload = u32::from_le_bytes(array(head, 16)) as usize;
    let direction = *Direction::ALL.get(head[10] as usize)?;
    if head[11] & !BINARY != 0 || head[14..16] != [0; 2] {
        return None;
    }
    let subject_end = FRAME_HEADER_LEN + subject;
    let end = subject_end.checked_add(payload)?;
    let frame = Frame {
        ts_recv: UnixNanos::new(u64::from_le_bytes(array(head, 0))),
        connection: u16::from_le_bytes(array(head, 8)),
        direction,
        binary: head[11] == BINARY,
        subject: std::str::from_utf8(bytes.get(FRAME_HEADER_LEN..subject_end)?).ok()?,
        bytes: bytes.get(subject_end..end)?,
    };
    Some((frame, &bytes[end..]))
}
