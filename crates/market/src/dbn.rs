//! Databento Binary Encoding (DBN), versions 1 to 3, in and out.
//!
//! Records are fixed-width and little-endian, so reading one is reading fields at offsets: nothing is copied but the
//! fields that are looked at. Layouts follow Databento's published encoding (the `dbn` crate 0.73, Apache-2.0, is its
//! reference; no line of it is here). Prices are integers of 1e-9 there as here; sizes are whole numbers.
//!
//! Invariants: a record is handed out whole or not at all; every length is checked before it is used; what is written
//! is version 3. What it deliberately does not do: open files, decompress (`lab` does), or read DBZ, DBN's predecessor,
//! which is refused by name.

mod metadata;
mod reader;
mod record;
mod writer;

pub use metadata::{Interval, Mapping, Metadata};
pub use reader::{RECORD_BYTES_MAX, Reader};
pub use record::{Bar, Definition, Header, Imbalance, Level, Levels, Order, Raw, Record, Statistic, Status, Tick};
pub use writer::{write_bar, write_order, write_tick};

/// The version that is written.
pub const VERSION: u8 = 3;
/// A price that is not there.
pub const PRICE_UNDEFINED: i64 = i64::MAX;
/// A stamp that is not there.
pub const STAMP_UNDEFINED: u64 = u64::MAX;

macro_rules! schemas {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        /// What the records of a file are, by its number in the encoding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Schema {
            $(#[doc = concat!("`", $text, "`")] $name = $number,)*
        }

        impl Schema {
            /// All, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in Databento's catalogue.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

schemas! {
    Mbo = 0, "mbo";
    Mbp1 = 1, "mbp-1";
    Mbp10 = 2, "mbp-10";
    Tbbo = 3, "tbbo";
    Trades = 4, "trades";
    Ohlcv1S = 5, "ohlcv-1s";
    Ohlcv1M = 6, "ohlcv-1m";
    Ohlcv1H = 7, "ohlcv-1h";
    Ohlcv1D = 8, "ohlcv-1d";
    Definition = 9, "definition";
    Statistics = 10, "statistics";
    Status = 11, "status";
    Imbalance = 12, "imbalance";
    OhlcvEod = 13, "ohlcv-eod";
    Cmbp1 = 14, "cmbp-1";
    Cbbo1S = 15, "cbbo-1s";
    Cbbo1M = 16, "cbbo-1m";
    Tcbbo = 17, "tcbbo";
    Bbo1S = 18, "bbo-1s";
    Bbo1M = 19, "bbo-1m";
}

impl Schema {
    /// The schema of a number.
    #[must_use]
    pub fn of(number: u16) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The schema whose records have this type, where there is one: tick types serve several.
    #[must_use]
    pub fn of_records(rtype: u8) -> Option<Self> {
        Some(match rtype {
            rtype::TRADE => Self::Trades,
            rtype::MBP_1 => Self::Mbp1,
            rtype::MBP_10 => Self::Mbp10,
            rtype::OHLCV_1S => Self::Ohlcv1S,
            rtype::OHLCV_1M => Self::Ohlcv1M,
            rtype::OHLCV_1H => Self::Ohlcv1H,
            rtype::OHLCV_1D => Self::Ohlcv1D,
            rtype::OHLCV_EOD => Self::OhlcvEod,
            rtype::STATUS => Self::Status,
            rtype::DEFINITION => Self::Definition,
            rtype::IMBALANCE => Self::Imbalance,
            rtype::STATISTICS => Self::Statistics,
            rtype::MBO => Self::Mbo,
            rtype::CMBP_1 => Self::Cmbp1,
            rtype::CBBO_1S => Self::Cbbo1S,
            rtype::CBBO_1M => Self::Cbbo1M,
            rtype::TCBBO => Self::Tcbbo,
            rtype::BBO_1S => Self::Bbo1S,
            rtype::BBO_1M => Self::Bbo1M,
            rtype::TBBO => Self::Tbbo,
            _ => return None,
        })
    }
}

/// Numbers of record types, the second byte of a record.
pub mod rtype {
    /// A trade, without the book.
    pub const TRADE: u8 = 0x00;
    /// The best bid and ask; of schema `tbbo` as it was before a trade.
    pub const MBP_1: u8 = 0x01;
    /// Ten levels.
    pub const MBP_10: u8 = 0x0A;
    /// A bar of a length that the schema says; no longer written.
    pub const OHLCV_OLD: u8 = 0x11;
    /// A change of trading status.
    pub const STATUS: u8 = 0x12;
    /// The terms of an instrument.
    pub const DEFINITION: u8 = 0x13;
    /// The imbalance of an auction.
    pub const IMBALANCE: u8 = 0x14;
    /// An error of the gateway.
    pub const ERROR: u8 = 0x15;
    /// A symbol and its instrument's number.
    pub const SYMBOL_MAPPING: u8 = 0x16;
    /// A word of the gateway.
    pub const SYSTEM: u8 = 0x17;
    /// A figure that the venue publishes.
    pub const STATISTICS: u8 = 0x18;
    /// A bar of a second.
    pub const OHLCV_1S: u8 = 0x20;
    /// A bar of a minute.
    pub const OHLCV_1M: u8 = 0x21;
    /// A bar of an hour.
    pub const OHLCV_1H: u8 = 0x22;
    /// A bar of a UTC day.
    pub const OHLCV_1D: u8 = 0x23;
    /// A bar of a session.
    pub const OHLCV_EOD: u8 = 0x24;
    /// An order event.
    pub const MBO: u8 = 0xA0;
    /// The consolidated best bid and ask.
    pub const CMBP_1: u8 = 0xB1;
    /// The same, each second.
    pub const CBBO_1S: u8 = 0xC0;
    /// The same, each minute.
    pub const CBBO_1M: u8 = 0xC1;
    /// The same, before each trade.
    pub const TCBBO: u8 = 0xC2;
    /// The best bid and ask each second.
    pub const BBO_1S: u8 = 0xC3;
    /// The same, each minute.
    pub const BBO_1M: u8 = 0xC4;
    /// The best bid and ask before a trade, where they have a type of their own.
    pub const TBBO: u8 = 0xC5;
}

/// Why DBN cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DbnError {
    /// The file is of DBN's predecessor.
    #[error(
        "the file is DBZ, which DBN replaced in 2023; convert it with Databento's own tool (`dbn FILE.dbz -o FILE.dbn`) or \
         fetch it again as DBN"
    )]
    Dbz,
    /// The first bytes are another file's.
    #[error("not a DBN file: it begins with {found:02x?}, not with \"DBN\" and a version; say if it is a fragment")]
    Magic {
        /// The first bytes, four at most.
        found: Vec<u8>,
    },
    /// A later program wrote it.
    #[error(
        "DBN of version {found}; versions 1 to {VERSION} are read, so convert the file or read it with a newer program"
    )]
    Version {
        /// The version of the file.
        found: u8,
    },
    /// The metadata is cut off or contradicts itself.
    #[error("the metadata of the DBN file is broken at its byte {at}: {problem}; fetch the file again")]
    Metadata {
        /// Where.
        at: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// The file ends within a record.
    #[error("record {record} at byte {offset} is cut off: {has} of {needs} bytes; fetch the file again")]
    Cut {
        /// Its number, from 0.
        record: u64,
        /// Where it begins in the decompressed file.
        offset: u64,
        /// Bytes there.
        has: usize,
        /// Bytes it claims.
        needs: usize,
    },
    /// A record has a length that its type does not.
    #[error("record {record} at byte {offset}: type 0x{rtype:02x} of {length} bytes is none; the file is damaged")]
    Length {
        /// Its number, from 0.
        record: u64,
        /// Where it begins in the decompressed file.
        offset: u64,
        /// Its type.
        rtype: u8,
        /// Its length.
        length: usize,
    },
    /// The bytes cannot be had.
    #[error("cannot read the DBN file at byte {offset}: {cause}")]
    Read {
        /// Where in the decompressed file.
        offset: u64,
        /// The source's word.
        cause: std::io::Error,
    },
    /// A text has no room in the encoding.
    #[error("`{text}` cannot be written: DBN holds ASCII of {limit} characters at most there")]
    Text {
        /// The text.
        text: String,
        /// Characters.
        limit: usize,
    },
}

#[cfg(test)]
mod tests;
