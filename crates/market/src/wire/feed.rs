//! The table of decoders: one row per feed, from which configuration, replay, fuzzing and documentation read.
//!
//! Invariant: names are unique and sorted, and [`Feed::decode`] leaves a batch empty where it reports an error.

use super::batch::Batch;
use super::binance;
use super::error::WireError;
use super::json::Cursor;

/// What reads one frame into an empty batch. It need not clean up after itself.
pub(crate) type Read = fn(&[u8], &mut Batch) -> Result<(), WireError>;

/// A venue's market data over one kind of connection, and its decoder.
#[derive(Debug, Clone, Copy)]
pub struct Feed {
    /// What configuration calls it: `venue-market`.
    pub name: &'static str,
    /// What it decodes, in one line.
    pub about: &'static str,
    read: Read,
}

/// Every feed, sorted by name.
pub const FEEDS: &[Feed] = &[
    Feed {
        name: "binance-coinm",
        about: "Binance COIN-M futures: trades, aggregate trades, quotes, depth diffs and snapshots, bars",
        read: binance::read,
    },
    Feed {
        name: "binance-spot",
        about: "Binance spot: trades, aggregate trades, quotes, depth diffs and snapshots, bars",
        read: binance::read,
    },
    Feed {
        name: "binance-usdm",
        about: "Binance USD-M futures: trades, aggregate trades, quotes, depth diffs and snapshots, bars",
        read: binance::read,
    },
];

impl Feed {
    /// The feed of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        FEEDS.iter().find(|feed| feed.name == name)
    }

    /// Decodes one frame: the batch then holds what it says, and nothing else; nothing at all where it is refused.
    #[inline]
    pub fn decode(&self, frame: &[u8], batch: &mut Batch) -> Result<(), WireError> {
        batch.clear();
        let read = (self.read)(frame, batch);
        if read.is_err() {
            batch.clear();
        }
        read
    }
}

/// Reads a frame that is one JSON value, to its last byte.
#[inline]
pub(crate) fn whole<'a, T>(
    frame: &'a [u8],
    read: impl FnOnce(&mut Cursor<'a>) -> Result<T, WireError>,
) -> Result<T, WireError> {
    let mut cursor = Cursor::new(frame)?;
    let value = read(&mut cursor)?;
    cursor.finish()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_sorted() {
        assert!(FEEDS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for feed in FEEDS {
            assert!(feed.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            assert_eq!(Feed::named(feed.name).map(|found| found.about), Some(feed.about));
        }
    }
}
