//! The byte layout: file header, record header, seal, and the checksums over them. Little endian, no padding.
//!
//! Invariant: every bit of a file lies under a checksum, and the one over a length is checked before the length is
//! used. Nothing here knows about streams, positions or recovery.

use std::fmt;

use super::JournalError;

/// The first eight bytes of every journal, in every version.
pub const MAGIC: [u8; 8] = *b"STARLJNL";
/// The format this build writes, and the only one it reads.
pub const VERSION: u16 = 1;
/// Bytes of the file header of [`VERSION`].
pub const HEADER_LEN: usize = 84;
/// Bytes that stand before each payload.
pub const RECORD_HEADER_LEN: usize = 32;
/// The longest payload, in bytes; refused by the writer, and by the readers before they allocate or loop.
pub const MAX_PAYLOAD: usize = 1 << 20;
/// The writer seals a group once it holds this many bytes: enough for BLAKE3 to use every SIMD lane.
pub const GROUP_BYTES: usize = 64 * 1024;
/// Bytes of a whole seal record.
pub const SEAL_LEN: usize = RECORD_HEADER_LEN + Seal::LEN;

/// Longest header that a later version may have; bounds what is read of a file from the future.
const MAX_HEADER_LEN: usize = 4096;
/// Highest number that a file's first record may bear: no file holds the 2^63 records above it, so counting never wraps.
pub(super) const FIRST_SEQ_MAX: u64 = u64::MAX >> 1;
/// Set on records that a reader which does not know their kind may pass over.
const SKIPPABLE: u16 = 1;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// What a record is. The numbers are part of the format: never reused, never renumbered; zero is none.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum Kind {
            $($(#[$doc])* $name = $code,)*
        }

        impl Kind {
            /// Every kind this build knows, by number.
            pub const ALL: &'static [Kind] = &[$(Kind::$name),*];

            /// The kind with this number, if this build knows it.
            #[must_use]
            pub const fn from_code(code: u16) -> Option<Kind> {
                match code {
                    $($code => Some(Kind::$name),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// The run: configuration, versions, assumptions.
    RunHeader = 1,
    /// Market data read from a file, by content hash and range.
    DataReference = 2,
    /// An operator's or the engine's command.
    Command = 3,
    /// A timestamped decision of an agent or a model.
    Decision = 4,
    /// What a strategy wants, before risk.
    Intent = 5,
    /// An intent that risk refused, with the reason.
    Denied = 6,
    /// An approved order, durable before it leaves.
    Order = 7,
    /// What a venue said.
    Report = 8,
    /// A ledger posting.
    Posting = 9,
    /// A timer that fired.
    Timer = 10,
    /// Live market data, by value.
    MarketEvent = 11,
    /// The engine's state, to restart from.
    Snapshot = 12,
    /// Closes a group: written by [`Writer`](super::Writer) alone.
    Seal = 13,
    /// The last seal: nothing may follow. Written by [`Writer::finish`](super::Writer::finish) alone.
    End = 14,
    /// A remark for people; the only kind so far that a reader may pass over without knowing it.
    Note = 15,
}

impl Kind {
    /// The number that stands in the file.
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// Whether the writer itself makes records of this kind: [`Kind::Seal`] and [`Kind::End`].
    #[must_use]
    pub const fn is_seal(self) -> bool {
        matches!(self, Kind::Seal | Kind::End)
    }

    pub(super) const fn flags(self) -> u16 {
        match self {
            Kind::Note => SKIPPABLE,
            _ => 0,
        }
    }
}

/// A BLAKE3 hash, 32 bytes; shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// No digest: what the first file of a run names as the file before it.
    pub const NONE: Digest = Digest([0; 32]);

    /// BLAKE3 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Names a run: a pure function of its configuration and its seed, the same on every machine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub [u8; 16]);

impl RunId {
    /// BLAKE3 `derive_key` over the configuration's hash and the seed (little endian), first 16 bytes.
    #[must_use]
    pub fn derive(config_hash: &[u8; 32], seed: u64) -> RunId {
        let mut hasher = blake3::Hasher::new_derive_key("starling journal run id v1");
        hasher.update(config_hash).update(&seed.to_le_bytes());
        RunId(field(hasher.finalize().as_bytes(), 0))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunId({self})")
    }
}

/// What stands at the start of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The run whose journal this is.
    pub run_id: RunId,
    /// When the file was begun, in nanoseconds since 1970 UTC; 0 in backtests, so that equal runs have equal bytes.
    pub created: u64,
    /// Sequence number of the first record: 0, or where the file before this one ended; below 2^63.
    pub first_seq: u64,
    /// Final digest of the file before this one; [`Digest::NONE`] in the first.
    pub previous: Digest,
}

impl Header {
    /// The header of a run's first file.
    #[must_use]
    pub const fn first(run_id: RunId, created: u64) -> Header {
        Header { run_id, created, first_seq: 0, previous: Digest::NONE }
    }

    /// The header of the file after one that ended with `digest` and would have gone on at `next_seq`.
    #[must_use]
    pub const fn after(self, digest: Digest, next_seq: u64, created: u64) -> Header {
        Header { run_id: self.run_id, created, first_seq: next_seq, previous: digest }
    }

    pub(super) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&(HEADER_LEN as u16).to_le_bytes());
        // 12..16: flags, none defined.
        bytes[16..32].copy_from_slice(&self.run_id.0);
        bytes[32..40].copy_from_slice(&self.created.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[48..80].copy_from_slice(&self.previous.0);
        let crc = crc32fast::hash(&bytes[..80]);
        bytes[80..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header from the start of a file; `bytes` may be longer.
    ///
    /// # Errors
    /// [`JournalError::NotAJournal`], [`JournalError::TornTail`] at 0 for a file cut within its header,
    /// [`JournalError::HeaderCorrupt`], and [`JournalError::Unsupported`] for a file from a later version.
    pub fn decode(bytes: &[u8]) -> Result<Header, JournalError> {
        let magic = &bytes[..bytes.len().min(MAGIC.len())];
        if !MAGIC.starts_with(magic) {
            let mut found = [0; 8];
            found[..magic.len()].copy_from_slice(magic);
            return Err(JournalError::NotAJournal { found });
        }
        let torn = JournalError::TornTail { offset: 0, valid_records: 0, cut: bytes.len() as u64 };
        if bytes.len() < 12 {
            return Err(torn);
        }
        let version = u16::from_le_bytes(field(bytes, 8));
        let len = usize::from(u16::from_le_bytes(field(bytes, 10)));
        // Only a header that is ours can be torn: a later version's may be shorter. And a length beyond the file is
        // damage, not a torn tail: one flipped bit of it must not truncate everything.
        if version == VERSION && len == HEADER_LEN && bytes.len() < HEADER_LEN {
            return Err(torn);
        }
        if !(16..=MAX_HEADER_LEN.min(bytes.len())).contains(&len)
            || crc32fast::hash(&bytes[..len - 4]) != u32::from_le_bytes(field(bytes, len - 4))
        {
            return Err(JournalError::HeaderCorrupt);
        }
        if version != VERSION {
            return Err(JournalError::Unsupported { what: "format version", value: u64::from(version), offset: 8 });
        }
        if len != HEADER_LEN {
            return Err(JournalError::HeaderCorrupt);
        }
        let flags = u32::from_le_bytes(field(bytes, 12));
        if flags != 0 {
            return Err(JournalError::Unsupported { what: "header flags", value: u64::from(flags), offset: 12 });
        }
        let first_seq = u64::from_le_bytes(field(bytes, 40));
        if first_seq > FIRST_SEQ_MAX {
            return Err(JournalError::HeaderCorrupt);
        }
        Ok(Header {
            run_id: RunId(field(bytes, 16)),
            created: u64::from_le_bytes(field(bytes, 32)),
            first_seq,
            previous: Digest(field(bytes, 48)),
        })
    }
}

/// CRC-32 (ISO-HDLC, the one of zlib) begun from the file header's own checksum, so that a record of another file,
/// or an old block of a recycled disk, does not pass here.
#[derive(Clone, Debug)]
pub(super) struct Checksum(crc32fast::Hasher);

impl Checksum {
    pub(super) fn of_file(header: &Header) -> Checksum {
        let seed = u32::from_le_bytes(field(&header.encode(), HEADER_LEN - 4));
        Checksum(crc32fast::Hasher::new_with_initial(seed))
    }

    pub(super) fn over(&self, bytes: &[u8]) -> u32 {
        let mut hasher = self.0.clone();
        hasher.update(bytes);
        hasher.finalize()
    }
}

/// The 32 bytes before each payload.
///
/// Two checksums, not one: with its own, the header says for certain where the record ends, so a flipped length can
/// neither swallow the records after it nor make a reader allocate, and searching for the next intact record costs
/// 28 bytes of CRC a position, whatever length is claimed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) payload_crc: u32,
    pub(super) len: u32,
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) seq: u64,
    pub(super) ts: u64,
}

impl RecordHeader {
    pub(super) fn encode(&self, crc: &Checksum) -> [u8; RECORD_HEADER_LEN] {
        let mut bytes = [0; RECORD_HEADER_LEN];
        bytes[4..8].copy_from_slice(&self.payload_crc.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.len.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.kind.to_le_bytes());
        bytes[14..16].copy_from_slice(&self.flags.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.seq.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.ts.to_le_bytes());
        let header_crc = crc.over(&bytes[4..]);
        bytes[..4].copy_from_slice(&header_crc.to_le_bytes());
        bytes
    }

    /// The header in the first 32 bytes, if its checksum holds. Its length is NOT yet within [`MAX_PAYLOAD`].
    pub(super) fn decode(bytes: &[u8], crc: &Checksum) -> Option<RecordHeader> {
        let bytes = bytes.get(..RECORD_HEADER_LEN)?;
        if crc.over(&bytes[4..]) != u32::from_le_bytes(field(bytes, 0)) {
            return None;
        }
        Some(RecordHeader {
            payload_crc: u32::from_le_bytes(field(bytes, 4)),
            len: u32::from_le_bytes(field(bytes, 8)),
            kind: u16::from_le_bytes(field(bytes, 12)),
            flags: u16::from_le_bytes(field(bytes, 14)),
            seq: u64::from_le_bytes(field(bytes, 16)),
            ts: u64::from_le_bytes(field(bytes, 24)),
        })
    }

    pub(super) fn is_seal(&self) -> bool {
        Kind::from_code(self.kind).is_some_and(Kind::is_seal)
    }

    pub(super) fn is_skippable(&self) -> bool {
        self.flags & SKIPPABLE != 0
    }

    /// Flags of a later version, if any are set.
    pub(super) fn unknown_flags(&self) -> u16 {
        self.flags & !SKIPPABLE
    }

    /// Bytes of the whole record.
    pub(super) fn record_len(&self) -> usize {
        RECORD_HEADER_LEN + self.len as usize
    }
}

/// The payload of [`Kind::Seal`] and [`Kind::End`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    /// Sequence number of the first record of the group that this closes.
    pub(super) first_seq: u64,
    /// BLAKE3 of the file from the start of the seal before (of the file, for the first) to the start of this one.
    pub(super) digest: Digest,
}

impl Seal {
    pub(super) const LEN: usize = 40;

    pub(super) fn encode(&self) -> [u8; Seal::LEN] {
        let mut bytes = [0; Seal::LEN];
        bytes[..8].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[8..].copy_from_slice(&self.digest.0);
        bytes
    }

    pub(super) fn decode(payload: &[u8]) -> Option<Seal> {
        (payload.len() == Seal::LEN)
            .then(|| Seal { first_seq: u64::from_le_bytes(field(payload, 0)), digest: Digest(field(payload, 8)) })
    }
}

/// `N` bytes from `at`; the caller has checked that they are there.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a slice of N bytes is an array of N bytes")
}
