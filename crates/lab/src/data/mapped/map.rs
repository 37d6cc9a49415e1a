//! The one place of the crate with `unsafe`: a file mapped read-only.

use std::fs::File;

use memmap2::Mmap;

/// A file's bytes, mapped read-only.
#[derive(Debug)]
pub(super) struct ReadOnly(Mmap);

impl ReadOnly {
    /// Maps a whole file.
    pub(super) fn of(file: &File) -> std::io::Result<Self> {
        // SAFETY: the mapping is read-only, and the bytes are only ever read as integers, which every bit pattern is.
        // Undefined would be a file that another process changes or cuts while it is mapped: files of this kind are
        // written under another name and renamed, never changed in place, and nothing but this crate writes them.
        unsafe { Mmap::map(file) }.map(Self)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
