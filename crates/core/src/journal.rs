//! The journal: append-only, checksummed, hash-chained records; the codec, not the file.
//!
//! A journal is one header and then records, each with its own checksums and its position; a *seal* after every
//! group of records holds the BLAKE3 of everything since the seal before it. `docs/journal.md` gives every byte.
//!
//! Invariants:
//! - What a reader yields is a prefix of what the writer was given, record for record. It stops with an error that
//!   names the byte, or at the end; it never resynchronises and goes on.
//! - Only [`JournalError::TornTail`] may be cut off, and only when nothing intact stands behind the damage.
//! - No length from a file is used before the checksum over it holds and it is within [`MAX_PAYLOAD`].
//!
//! Deliberately absent: opening, syncing and truncating files (the host's), the meaning of payloads (opaque bytes
//! here), compression, and protection from somebody who can rewrite the whole file (keep the [`Digest`] elsewhere).
//!
//! `std::io::Write` and `std::io::Read` appear here as traits: a `Vec<u8>`, `std::io::sink()` (hash, store nothing), a
//! file or a faulty disk of the simulator all fit, and nothing in this module opens any of them.
//!
//! ```
//! use starling_core::journal::{Header, Kind, Reader, RunId, Writer, verify};
//!
//! let run = RunId::derive(&[7; 32], 42);
//! let mut writer = Writer::create(Vec::new(), Header::first(run, 0));
//! writer.append(Kind::Order, 1_700_000_000_000_000_000, b"buy 3")?;
//! let finished = writer.finish()?;
//!
//! assert_eq!(verify(&finished.sink)?.digest, finished.digest);
//! let orders: Vec<_> = Reader::new(&finished.sink)?.collect::<Result<_, _>>()?;
//! assert_eq!(orders[0].payload, b"buy 3");
//! # Ok::<(), starling_core::journal::JournalError>(())
//! ```

mod decoder;
mod error;
mod format;
mod reader;
mod stream;
mod writer;

#[cfg(test)]
mod tests;

pub use decoder::{Position, Record, Verification};
pub use error::{Damage, JournalError};
pub use format::{
    Digest, GROUP_BYTES, HEADER_LEN, Header, Kind, MAGIC, MAX_PAYLOAD, RECORD_HEADER_LEN, RunId, SEAL_LEN, VERSION,
};
pub use reader::{Reader, verify};
pub use stream::{StreamReader, verify_stream};
pub use writer::{Finished, Writer};
