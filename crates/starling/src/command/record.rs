//! `starling data record`: what a venue sends, byte for byte, to frame files.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;
use starling_connect::clock;
use starling_connect::dialect::{DIALECTS, Dialect};
use starling_connect::ingest::{Ingest, IngestLimits, Subscription};
use starling_connect::lane::Channel;
use starling_connect::metrics::{Counter, Metrics};
use starling_connect::record::{FrameSink, Recorder};
use starling_connect::session::{Retry, Session as Connection};
use starling_connect::socket::{Address, Endpoint, Trust, keep};
use starling_core::{InstrumentId, Price};
use starling_lab::data::frames::{FrameWriter, Settings};
use starling_market::frames::{Frame, Session};

use super::output::grouped;
use crate::terminal::{Failure, interrupted, put, say};

/// Record what a venue sends.
#[derive(Debug, Args)]
pub(crate) struct Record {
    /// The venue: binance-spot, -usdm or -coinm, bybit-spot, -linear or -inverse, okx, kraken, coinbase, hyperliquid,
    /// bitfinex, alpaca-iex, -sip or -crypto (whose keys are read from APCA_API_KEY_ID and APCA_API_SECRET_KEY).
    #[arg(long, default_value = "binance-spot")]
    venue: String,
    /// The instruments, as the venue names them.
    #[arg(long, required = true, value_delimiter = ',')]
    symbols: Vec<String>,
    /// Which data of them. Default: trade, book-ticker and depth, as far as the venue offers them.
    #[arg(long, value_enum, value_delimiter = ',')]
    channels: Vec<Stream>,
    /// The folder to write to.
    #[arg(long, default_value = "recorded")]
    out: PathBuf,
    /// Another address than the venue's own, as in ws://127.0.0.1:9100; REST is asked for at the same host.
    #[arg(long)]
    url: Option<String>,
    /// How long, as in 90s, 10m or 2h; without it until Ctrl-C.
    #[arg(long, value_parser = duration)]
    duration: Option<Duration>,
}

/// A kind of stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stream {
    /// Every trade.
    Trade,
    /// Best bid and ask.
    #[value(alias = "bookTicker")]
    BookTicker,
    /// Changes of the book, and snapshots by REST to join them to.
    Depth,
    /// Bars of a minute.
    Kline,
}

fn duration(text: &str) -> Result<Duration, String> {
    let error = || format!("`{text}` is no duration: use 90s, 10m or 2h");
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?);
    let scale = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(error()),
    };
    let count: u64 = digits.parse().map_err(|_| error())?;
    count.checked_mul(scale).map(Duration::from_secs).ok_or_else(error)
}

struct Disk(FrameWriter);

impl FrameSink for Disk {
    fn write(&mut self, frame: &Frame<'_>) -> std::io::Result<()> {
        self.0.write(frame).map_err(std::io::Error::other)
    }
    fn finish(self) -> std::io::Result<()> {
        self.0.finish().map(drop).map_err(std::io::Error::other)
    }
}

/// What is recorded unless something else is asked for.
const USUAL: [Channel; 3] = [Channel::Trade, Channel::Quote, Channel::Book];

impl From<Stream> for Channel {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Trade => Self::Trade,
            Stream::BookTicker => Self::Quote,
            Stream::Depth => Self::Book,
            Stream::Kline => Self::Bar,
        }
    }
}

impl Record {
    /// The instruments as the venue writes them, and the channels it offers of those asked for.
    fn subscriptions(&self, dialect: &Dialect) -> Vec<Subscription> {
        let offered = || USUAL.into_iter().filter(|channel| dialect.channels.contains(channel)).collect();
        let asked: Vec<Channel> = self.channels.iter().copied().map(Channel::from).collect();
        let channels = if asked.is_empty() { offered() } else { asked };
        let subscription = |(at, symbol): (usize, &String)| Subscription {
            symbol: if dialect.capitals { symbol.trim().to_uppercase() } else { symbol.trim().to_owned() },
            instrument: InstrumentId::from(at),
            // The book is kept only to know when a snapshot is needed; off this tick it is slower, not wrong.
            tick: Price::from_units(10_000_000),
            digits: None,
            channels: channels.clone(),
        };
        self.symbols.iter().enumerate().map(subscription).collect()
    }

    fn endpoint(&self, dialect: &Dialect) -> Result<Endpoint, Failure> {
        let trust = Trust::default();
        let Some(url) = &self.url else {
            let stream = format!("{}{}", dialect.stream_url, dialect.stream_path);
            return Ok(Endpoint { stream, rest: dialect.rest_url.to_owned(), trust });
        };
        let address = Address::parse(url).map_err(Failure::usage)?;
        let rest = format!("{}://{}", if address.secure { "https" } else { "http" }, address.authority);
        // A bare host means the venue's usual path.
        let stream = match address.path.as_str() {
            "/" => format!("{}{}", url.trim_end_matches('/'), dialect.stream_path),
            _ => url.clone(),
        };
        Ok(Endpoint { stream, rest, trust })
    }

    /// Does it.
    pub(crate) fn run(self, json: bool) -> Result<(), Failure> {
        let dialect = Dialect::named(&self.venue).ok_or_else(|| {
            let names: Vec<&str> = DIALECTS.iter().map(|d| d.name).collect();
            Failure::usage(format!("there is no venue `{}` to record; there is {}", self.venue, names.join(", ")))
        })?;
        let endpoint = self.endpoint(dialect)?;
        let login = dialect.login_message(|name| std::env::var(name).ok()).map_err(Failure::usage)?;
        let subscriptions = self.subscriptions(dialect);
        let symbols = subscriptions.iter().map(|of| of.symbol.clone()).collect();
        let metrics = Arc::new(Metrics::new(dialect.name));
        let ingest = Ingest::new(dialect, subscriptions, IngestLimits::default(), Arc::clone(&metrics), clock::now());
        let (mut ingest, _door) = ingest.map_err(Failure::usage)?;
        let started = clock::now();
        let session = Session {
            // What reads the frames.
            venue: dialect.feed.to_owned(),
            url: endpoint.stream.split('?').next().unwrap_or_default().to_owned(),
            symbols,
            started,
            source: concat!("starling ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let writer = FrameWriter::create(session, Settings::new(&self.out)).map_err(Failure::usage)?;
        let mut recorder = Recorder::start(Disk(writer)).map_err(Failure::run)?;
        let mut connection =
            Connection::new(dialect, &ingest.topics(), Retry::default(), started.get()).with_login(login);
        say(format_args!("recording {} to {}; Ctrl-C ends it", endpoint.stream, self.out.display()));

        let (stop, stopped) = tokio::sync::watch::channel(false);
        let (flag, limit) = (interrupted(), self.duration);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Failure::run(format!("no runtime: {e}")))?;
        let ended = runtime.block_on(async {
            let began = tokio::time::Instant::now();
            let watch = async {
                while !flag.load(Ordering::Relaxed) && limit.is_none_or(|limit| began.elapsed() < limit) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                stop.send_replace(true);
                std::future::pending::<()>().await;
            };
            tokio::select! {
                ended = keep(&endpoint, &mut connection, &mut ingest, Some(&mut recorder), stopped) => ended,
                () = watch => Ok(()),
            }
        });
        let recorded = recorder.finish().map_err(|e| Failure::run(format!("{}: {e}", self.out.display())))?;
        ended.map_err(Failure::run)?;
        let lost = recorded.lost;
        let connects = metrics.get(Counter::Connects);
        if json {
            put(json!({
                "frames": recorded.frames, "bytes": recorded.bytes, "lost": lost, "connects": connects,
                "trades": metrics.get(Counter::Trades), "quotes": metrics.get(Counter::Quotes),
                "book_messages": metrics.get(Counter::BookMessages), "undecodable": metrics.get(Counter::Undecodable),
                "out": self.out.display().to_string(),
            }))?;
        } else {
            let (frames, bytes) = (grouped(recorded.frames), grouped(recorded.bytes));
            say(format_args!("{frames} frames, {bytes} bytes, {connects} connections to {}", self.out.display()));
        }
        if connects == 0 {
            return Err(Failure::run(format!("{} could not be connected to; check the address", endpoint.stream)));
        }
        if lost > 0 {
            return Err(Failure::run(format!("{lost} frames were lost: the disk is too slow for this many streams")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_follows_the_venue() {
        let record = |venue: &str, channels: Vec<Stream>| {
            let symbols = vec![" kPepe ".to_owned(), "AAPL".to_owned()];
            let (out, url, duration) = (PathBuf::new(), None, None);
            let record = Record { venue: venue.into(), symbols, channels, out, url, duration };
            record.subscriptions(Dialect::named(venue).expect("a dialect"))
        };
        let alpaca = record("alpaca-iex", vec![]);
        assert_eq!((alpaca[0].symbol.as_str(), &alpaca[1].channels[..]), ("KPEPE", &USUAL[..2]));
        let hyperliquid = record("hyperliquid", vec![Stream::Depth]);
        assert_eq!((hyperliquid[0].symbol.as_str(), &hyperliquid[0].channels[..]), ("kPepe", &[Channel::Book][..]));
    }

    #[test]
    fn durations() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7_200)));
        for wrong in ["", "s", "10", "1d", "99999999999999999999s", "18446744073709551615h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
