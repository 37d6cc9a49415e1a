//! What can be wrong with a frame file, each with the offset and the way out.

/// Why frames could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FramesError {
    /// The first bytes are another file's.
    #[error(
        "not a frame file: it begins with {found:02x?}, not with \"SLFRAMES\"; `starling data inspect` tells what it is"
    )]
    Magic {
        /// The first bytes, eight at most.
        found: Vec<u8>,
    },
    /// A later program wrote it.
    #[error("frame file of version {found}, but this program reads version {known}; read it with a newer program")]
    Version {
        /// The version of the file.
        found: u16,
        /// The one known.
        known: u16,
    },
    /// The header is cut or damaged: without it nothing can be checked.
    #[error("the header of the frame file is {problem}; the file cannot be used")]
    Header {
        /// What is wrong with it.
        problem: String,
    },
    /// A block in the middle is damaged: whole blocks stand behind it.
    #[error(
        "block {block} at byte {offset} is damaged ({problem}), and whole blocks follow it at byte {next}; restore the \
         file, or keep its first {offset} bytes"
    )]
    Damaged {
        /// Its number, from 0.
        block: u64,
        /// Where it begins.
        offset: u64,
        /// Where the next sound header stands.
        next: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A frame or description is too large to be written.
    #[error("cannot write {what} of {bytes} bytes: the limit is {limit}; it was not recorded")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// How large.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The compressor refused.
    #[error("cannot compress a block of {bytes} bytes: {cause}")]
    Compress {
        /// Bytes of the block.
        bytes: usize,
        /// Its word.
        cause: std::io::Error,
    },
    /// The bytes cannot be had.
    #[error("cannot read the frame file at byte {offset}: {cause}")]
    Read {
        /// Where.
        offset: u64,
        /// The source's word.
        cause: std::io::Error,
    },
}
