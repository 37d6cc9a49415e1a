//! The table of decoders: one row per feed, from which configuration, replay, fuzzing and documentation read.
//!
//! Invariant: names are unique and sorted, and [`Feed::decode`] leaves a batch empty where it reports an error.

use super::batch::{Batch, Text};
use super::channels::Channels;
use super::error::WireError;
use super::json::Cursor;
use super::{alpaca, binance, bitfinex, bybit, bybit_2021, coinbase, hyperliquid, kraken, kraken_futures, okx};

/// What reads one frame into an empty batch. It need not clean up after itself.
#[derive(Debug, Clone, Copy)]
enum Read {
    /// Frames that say everything themselves.
    Frame(fn(&[u8], &mut Batch) -> Result<(), WireError>),
    /// Frames that speak of channels which earlier frames of the connection announced.
    Channels(fn(&[u8], &mut Channels, &mut Batch) -> Result<(), WireError>),
}

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
        name: "alpaca",
        about: "Alpaca stocks, crypto and options as JSON: trades, quotes, bars, crypto books",
        read: Read::Frame(alpaca::read),
    },
    Feed {
        name: "alpaca-msgpack",
        about: "Alpaca stocks, crypto and options as MessagePack: trades, quotes, bars, crypto books",
        read: Read::Frame(alpaca::read_msgpack),
    },
    Feed {
        name: "binance-coinm",
        about: "Binance COIN-M futures: trades, aggregate trades, quotes, depth diffs and snapshots, bars",
        read: Read::Frame(binance::read),
    },
    Feed {
        name: "binance-spot",
        about: "Binance spot: trades, aggregate trades, quotes, depth diffs and snapshots, bars",
        read: Read::Frame(binance::read),
    },
    Feed {
        name: "binance-usdm",
        about: "Binance USD-M futures: trades, aggregate trades, quotes, depth diffs and snapshots, bars",
        read: Read::Frame(binance::read),
    },
    Feed {
        name: "bitfinex",
        about: "Bitfinex v2: trades, books by price and order by order, checksums; needs a `Connection`",
        read: Read::Channels(bitfinex::read),
    },
    Feed {
        name: "bybit",
        about: "Bybit v5: public trades, tickers, order books, klines",
        read: Read::Frame(bybit::read),
    },
    Feed {
        name: "bybit-2021",
        about: "Bybit's wire before v5, as captured in 2021: trades, orderBookL2_25 and _200, klines",
        read: Read::Frame(bybit_2021::read),
    },
    Feed {
        name: "coinbase",
        about: "Coinbase Advanced Trade and Exchange: trades, tickers, level 2, candles, and the REST books and trades",
        read: Read::Frame(coinbase::read),
    },
    Feed {
        name: "hyperliquid",
        about: "Hyperliquid: trades, l2Book, bbo, candles",
        read: Read::Frame(hyperliquid::read),
    },
    Feed {
        name: "kraken",
        about: "Kraken spot v2 and v1: trades, tickers, books, level3, bars, and the REST depth and trades",
        read: Read::Frame(kraken::read),
    },
    Feed {
        name: "kraken-futures",
        about: "Kraken Futures: trades, tickers, books, and the REST book and trades",
        read: Read::Frame(kraken_futures::read),
    },
    Feed {
        name: "okx",
        about: "OKX v5: trades, tickers, bbo-tbt, all book channels, candles, and the REST book",
        read: Read::Frame(okx::read),
    },
];

impl Feed {
    /// The feed of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        FEEDS.iter().find(|feed| feed.name == name)
    }

    /// Decodes one frame: the batch then holds what it says, and nothing else; nothing at all where it is refused.
    ///
    /// The frame is taken as the first of its connection. Where frames lean on earlier ones (`bitfinex`), give them to a
    /// [`Connection`].
    #[inline]
    pub fn decode(&self, frame: &[u8], batch: &mut Batch) -> Result<(), WireError> {
        batch.clear();
        let read = match self.read {
            Read::Frame(read) => read(frame, batch),
            Read::Channels(read) => read(frame, &mut Channels::default(), batch),
        };
        if read.is_err() {
            batch.clear();
        }
        read
    }
}

/// A feed on one connection, with what the venue announced there: decoding is a function of it and of the frame.
///
/// ```
/// use starling_market::wire::{Batch, Connection, Feed, Update};
/// let mut connection = Connection::new(Feed::named("bitfinex").unwrap());
/// let mut batch = Batch::new();
/// let hello = br#"{"event":"subscribed","channel":"trades","chanId":17470,"symbol":"tBTCUSD","pair":"BTCUSD"}"#;
/// connection.decode(hello, &mut batch).unwrap();
/// let frame = br#"[17470,"te",[401597395,1574694478808,-0.005,7245.3]]"#;
/// connection.decode(frame, &mut batch).unwrap();
/// let Update::Trade { symbol, price, .. } = batch.updates[0] else { panic!() };
/// assert_eq!(connection.symbol(symbol, frame), b"tBTCUSD");
/// assert_eq!(price.to_string(), "7245.3");
/// ```
#[derive(Debug, Clone)]
pub struct Connection {
    feed: &'static Feed,
    channels: Channels,
}

impl Connection {
    /// A connection that has just been opened.
    #[must_use]
    pub fn new(feed: &'static Feed) -> Self {
        Self { feed, channels: Channels::default() }
    }

    /// Decodes the next frame of the connection, as [`Feed::decode`] does. A refused frame leaves the connection as it was.
    #[inline]
    pub fn decode(&mut self, frame: &[u8], batch: &mut Batch) -> Result<(), WireError> {
        let Read::Channels(read) = self.feed.read else {
            return self.feed.decode(frame, batch);
        };
        batch.clear();
        let read = read(frame, &mut self.channels, batch);
        if read.is_err() {
            batch.clear();
        }
        read
    }

    /// The venue's name of an instrument, where an update of this frame says `symbol`: that text, or what was announced
    /// under it.
    #[must_use]
    pub fn symbol<'a>(&'a self, symbol: Text, frame: &'a [u8]) -> &'a [u8] {
        let text = symbol.of(frame);
        match self.feed.read {
            Read::Frame(_) => text,
            Read::Channels(_) => self.channels.symbol(text).unwrap_or(text),
        }
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
