//! What differs between venues in keeping a market-data connection, as data: addresses, subscriptions, limits, REST.
//!
//! Invariant: a dialect is a row of [`DIALECTS`], its functions are pure, and it names the decoder in `market::wire` that
//! reads its frames. Sources are named at each row. It holds no key: what a login needs comes from the environment, and
//! goes to the venue only.

mod alpaca;
mod binance;
mod bitfinex;
mod bybit;
mod coinbase;
mod hyperliquid;
mod kraken;
mod okx;
#[cfg(test)]
mod tests;

use std::fmt;

use starling_core::fixed::{Price, Qty};
use starling_core::order::Side;
use starling_core::time::UnixNanos;
use starling_market::book::{Checksum, Rules};

use crate::lane::{Channel, TradeNumbers};

/// One channel of one instrument, as the venue names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    /// The venue's name of the instrument.
    pub symbol: String,
    /// Which data of it.
    pub channel: Channel,
}

/// A REST request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestCall {
    /// Path and query, after the base address.
    pub path: String,
    /// What it costs of the venue's request weight.
    pub weight: u64,
}

/// A trade of a REST answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestTrade {
    /// The venue's number.
    pub trade_id: u64,
    /// When it traded.
    pub ts_event: UnixNanos,
    /// The price.
    pub price: Price,
    /// The quantity.
    pub size: Qty,
    /// Who took liquidity.
    pub aggressor: Option<Side>,
}

/// An answer that is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer to {path} is not {wanted}: {found}; the venue may have changed its interface")]
pub struct AnswerError {
    /// What was asked for.
    pub path: &'static str,
    /// What was expected.
    pub wanted: &'static str,
    /// What came, or where it broke.
    pub found: String,
}

/// Where missing trades come from.
#[derive(Debug, Clone, Copy)]
pub struct TradeHistory {
    /// Asks for trades of a symbol, from an id on.
    pub call: fn(symbol: &str, first: u64, last: u64) -> RestCall,
    /// Reads the answer, by increasing id.
    pub read: fn(&[u8]) -> Result<Vec<RestTrade>, AnswerError>,
}

/// A text that is shown to nobody but the venue: it holds a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for the socket.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// How a venue wants to know who we are, before it takes subscriptions.
#[derive(Debug, Clone, Copy)]
pub struct Login {
    /// Names of the environment variables with key and secret.
    pub variables: [&'static str; 2],
    /// The message.
    pub message: fn(key: &str, secret: &str) -> String,
    /// Whether the venue's refusal means that the keys are wrong: then there is no use in trying again.
    pub is_final: fn(said: &[u8]) -> bool,
}

/// A key that a venue needs is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{venue} wants a key: set the environment variable {variable}")]
pub struct NoKey {
    /// The venue.
    pub venue: &'static str,
    /// What is not set, or empty.
    pub variable: &'static str,
}

/// What the venue confirms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirms {
    /// Each message.
    Messages,
    /// Each topic in it.
    Topics,
}

/// Where quotes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuoteSource {
    /// A stream of their own.
    Stream,
    /// The best levels of the book, which is subscribed to for them.
    Book,
}

/// Makes the messages that say something of some topics.
pub type Compose = fn(&[Topic]) -> Vec<String>;

/// A venue's way of keeping a connection.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// Name of the venue's market.
    pub name: &'static str,
    /// Name of its decoder.
    pub feed: &'static str,
    /// Base address of the streams.
    pub stream_url: &'static str,
    /// Path that is connected to.
    pub stream_path: &'static str,
    /// Base address of REST.
    pub rest_url: &'static str,
    /// Which channels it offers in a form that tells the truth: where the venue does not say when a bar is complete, there
    /// are no bars.
    pub channels: &'static [Channel],
    /// Whether its symbols are written in capitals; others are taken as they are given.
    pub capitals: bool,
    /// Messages that subscribe to some topics; each counts against `messages_per_second`.
    pub subscribe: Compose,
    /// Messages that end subscriptions, where that can be done by name. Without it a book is had anew by connecting anew.
    pub unsubscribe: Option<Compose>,
    /// Messages the venue sends by itself after opening that its decoder reads as a confirmation.
    pub greetings: usize,
    /// What it confirms after that.
    pub confirms: Confirms,
    /// What it wants to know before.
    pub login: Option<Login>,
    /// Messages a client may send a second.
    pub messages_per_second: u64,
    /// Topics of one connection at most.
    pub topics_max: usize,
    /// A connection that says nothing for longer is dead, nanoseconds.
    pub idle_max_ns: u64,
    /// How often we ping, nanoseconds.
    pub ping_every_ns: u64,
    /// What a ping is, where it is not the protocol's own.
    pub ping_text: Option<&'static str>,
    /// How long the venue lets a connection live, nanoseconds.
    pub life_max_ns: u64,
    /// How books are joined.
    pub rules: Rules,
    /// The rule of its checksums by the instrument's decimals of prices and quantities, where that takes those.
    pub checksum: Option<fn(u8, u8) -> Checksum>,
    /// Levels a side that are subscribed to, where what falls out of them is for the reader to drop; every change of such a
    /// book is delivered as a snapshot.
    pub book_depth: Option<usize>,
    /// Where quotes come from.
    pub quotes: QuoteSource,
    /// How trades are numbered.
    pub numbers: TradeNumbers,
    /// Asks for a book snapshot.
    pub depth: Option<fn(symbol: &str) -> RestCall>,
    /// Asks for trades.
    pub trades: Option<TradeHistory>,
    /// REST weight a minute.
    pub rest_weight_per_minute: u64,
}

/// Every dialect, by name.
pub const DIALECTS: &[Dialect] = &[
    alpaca::CRYPTO,
    alpaca::IEX,
    alpaca::SIP,
    binance::COINM,
    binance::SPOT,
    binance::USDM,
    bitfinex::BITFINEX,
    bybit::INVERSE,
    bybit::LINEAR,
    bybit::SPOT,
    coinbase::COINBASE,
    hyperliquid::HYPERLIQUID,
    kraken::KRAKEN,
    okx::OKX,
];

impl Dialect {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        DIALECTS.iter().find(|dialect| dialect.name == name)
    }

    /// The login message, with what `variable` gives for the names of [`Login::variables`]; none where none is wanted.
    pub fn login_message(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Secret>, NoKey> {
        let Some(login) = &self.login else { return Ok(None) };
        let value = |name: &'static str| {
            let missing = NoKey { venue: self.name, variable: name };
            variable(name).filter(|value| !value.is_empty()).ok_or(missing)
        };
        let [key, secret] = login.variables;
        Ok(Some(Secret((login.message)(&value(key)?, &value(secret)?))))
    }

    /// How many confirmations follow the greetings and the login where these topics are subscribed to by these messages.
    #[must_use]
    pub fn confirmations(&self, topics: &[Topic], messages: &[String]) -> usize {
        match self.confirms {
            Confirms::Messages => messages.len(),
            Confirms::Topics => topics.len(),
        }
    }
}

/// The topics of each channel, in the order of channels, at most `most` at a time.
fn by_channel(topics: &[Topic], most: usize) -> impl Iterator<Item = (Channel, Vec<&Topic>)> {
    Channel::ALL.into_iter().flat_map(move |channel| {
        let of: Vec<&Topic> = topics.iter().filter(|topic| topic.channel == channel).collect();
        of.chunks(most).map(|some| (channel, some.to_vec())).collect::<Vec<_>>()
    })
}
