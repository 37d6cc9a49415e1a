//! The thin loop between a WebSocket and the state machines.
//!
//! A frame is stamped as it is read, handed to the recorder if there is one, then to [`Ingest`]; time and REST answers go
//! the same way. Invariants: the loop never waits for a subscriber; a server whose certificate does not hold is not
//! connected to again, and no switch allows it; frames and messages have a largest size. It decides nothing:
//! [`Session`] does.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::body::Bytes;
use starling_core::time::{SECOND, UnixNanos};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

use crate::clock;
use crate::group::{Group, Switched};
use crate::ingest::{Fetch, FrameKind, Ingest, Purpose};
use crate::metrics::{Counter, Gauge};
use crate::rest::{self, RestError};
use crate::session::{Action, Close, Phase, Session};

/// Bytes of one WebSocket message at most.
pub const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// How often staged items and staleness are looked at while frames come or not.
const TICK: Duration = Duration::from_millis(5);
/// Frames handled before time is looked at again, in a burst.
const FRAMES_PER_TURN: usize = 256;
/// How long closing in good order may take.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// An address that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address: use ws://HOST:PORT, wss://HOST, http://HOST:PORT or https://HOST")]
pub struct AddressError(String);

/// An address taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// With TLS.
    pub secure: bool,
    /// Host alone.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Host and port as written.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

impl Address {
    /// Of `ws`, `wss`, `http` or `https`.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let error = || AddressError(url.to_owned());
        let uri: hyper::Uri = url.parse().map_err(|_| error())?;
        let secure = match uri.scheme_str() {
            Some("wss" | "https") => true,
            Some("ws" | "http") => false,
            _ => return Err(error()),
        };
        let host = uri.host().ok_or_else(error)?.trim_matches(['[', ']']).to_owned();
        Ok(Self {
            secure,
            host,
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authority: uri.authority().map(|a| a.as_str().to_owned()).ok_or_else(error)?,
            path: uri.path_and_query().map_or_else(|| "/".to_owned(), |p| p.as_str().to_owned()),
        })
    }
}

/// Which certificates are believed: Mozilla's roots, and those that were added.
#[derive(Debug, Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Default for Trust {
    fn default() -> Self {
        Self::with_roots(&[]).expect("no root was added, so none is malformed")
    }
}

impl Trust {
    /// With further roots, for a venue inside a house that signs its own.
    pub fn with_roots(added: &[CertificateDer<'static>]) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for root in added {
            roots.add(root.clone())?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(Self(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
    }

    /// TLS over a stream, the certificate checked for `host`.
    pub async fn wrap(&self, stream: TcpStream, host: &str) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await
    }
}

/// What is done with each frame before anybody understands it.
pub trait Tap: Send {
    /// A connection was opened.
    fn opened(&mut self, url: &str, ts: UnixNanos);
    /// A frame came.
    fn received(&mut self, frame: &[u8], binary: bool, ts_recv: UnixNanos);
    /// We sent a message.
    fn sent(&mut self, frame: &[u8], ts: UnixNanos);
    /// A REST answer came.
    fn answered(&mut self, url: &str, body: &[u8], ts: UnixNanos);
    /// The connection was closed.
    fn closed(&mut self, why: &str, ts: UnixNanos);
    /// Time passes: a chance to write out what is pending. An error ends the connection's loop.
    fn tick(&mut self, ts: UnixNanos) -> io::Result<()>;
}

/// Where a connection goes.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The whole address of the streams.
    pub stream: String,
    /// The base address of REST.
    pub rest: String,
    /// Which certificates are believed.
    pub trust: Trust,
}

/// Why a connection's loop ended other than by being told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The certificate does not hold.
    #[error(
        "{url}: the certificate is not valid ({cause}); it will not be connected to: check the address, the clock, \
             and who is in between"
    )]
    Certificate {
        /// The address.
        url: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The address cannot be understood.
    #[error("{0}")]
    Address(#[from] AddressError),
    /// The venue does not know the keys.
    #[error("{venue} refuses the login: {said}; check the keys in its environment variables")]
    Login {
        /// The venue.
        venue: String,
        /// Its words.
        said: String,
    },
    /// The recorder cannot write.
    #[error("recording failed: {0}; make room, or choose another folder with --out")]
    Tap(#[source] io::Error),
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(url: &str, trust: &Trust) -> Result<Socket, WsError> {
    let config =
        WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX)).max_frame_size(Some(MESSAGE_BYTES_MAX));
    let connector = Connector::Rustls(Arc::clone(&trust.0));
    // Small messages must not wait for one another.
    let no_delay = true;
    let opened = tokio_tungstenite::connect_async_tls_with_config(url, Some(config), no_delay, Some(connector)).await;
    opened.map(|(socket, _)| socket)
}

/// What is wrong with the certificate, if that is why it failed.
fn certificate_fault(error: &WsError) -> Option<String> {
    let WsError::Io(error) = error else { return None };
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    match inner {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => Some(inner.to_string()),
        _ => None,
    }
}

/// Seconds to wait, if the venue said so.
fn retry_after(error: &WsError) -> Option<u64> {
    let WsError::Http(response) = error else { return None };
    if !matches!(response.status().as_u16(), 418 | 429) {
        return None;
    }
    Some(response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok()).unwrap_or(60))
}

struct Answer {
    purpose: Purpose,
    url: String,
    body: Result<Bytes, RestError>,
}

/// Keeps the thread of a runtime from sleeping, spawned beside [`keep`] on a runtime of one thread: the socket is asked
/// again and again instead of waited for. Costs a core for each such thread, and saves the time to wake it.
pub async fn busy_poll() -> Infallible {
    loop {
        tokio::task::yield_now().await;
    }
}

/// Keeps a connection until `stop` says true (or its sender is dropped). The first error is the last.
pub async fn keep(
    endpoint: &Endpoint,
    session: &mut Session,
    ingest: &mut Ingest,
    mut tap: Option<&mut dyn Tap>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), SocketError> {
    Address::parse(&endpoint.stream)?;
    Address::parse(&endpoint.rest)?;
    let metrics = Arc::clone(ingest.metrics());
    let (answer_sender, mut answers) = mpsc::channel::<Answer>(crate::ingest::FETCHES_MAX);
    let mut socket: Option<Socket> = None;
    let mut rest_after = UnixNanos::EPOCH;
    let (mut actions, mut fetches, mut renewals) = (Vec::new(), Vec::new(), Vec::new());
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Whoever subscribed before the line was opened misses nothing, even if frames come before the first tick.
    ingest.tick(clock::now());
    loop {
        session.poll(clock::now(), &mut actions);
        for action in std::mem::take(&mut actions) {
            match (action, &mut socket) {
                (Action::Connect, _) => {
                    let opened = tokio::select! {
                        opened = tokio::time::timeout(Duration::from_nanos(crate::session::CONNECT_MAX_NS), open(&endpoint.stream, &endpoint.trust)) => opened,
                        _ = stop.wait_for(|stop| *stop) => { session.stop(); continue }
                    };
                    let now = clock::now();
                    match opened {
                        Ok(Ok(opened)) => {
                            socket = Some(opened);
                            session.opened(now);
                            metrics.count(Counter::Connects);
                            if let Some(tap) = &mut tap {
                                tap.opened(&endpoint.stream, now);
                            }
                        }
                        Ok(Err(error)) => {
                            metrics.count(Counter::ConnectFailures);
                            if let Some(cause) = certificate_fault(&error) {
                                session.refused();
                                return Err(SocketError::Certificate { url: endpoint.stream.clone(), cause });
                            }
                            session.closed(now);
                            if let Some(seconds) = retry_after(&error) {
                                session.not_before(now.saturating_add(seconds.saturating_mul(SECOND)));
                            }
                        }
                        Err(_) => {
                            metrics.count(Counter::ConnectFailures);
                            session.closed(now);
                        }
                    }
                }
                (Action::Send(text), Some(open)) => {
                    if let Some(tap) = &mut tap {
                        tap.sent(text.as_bytes(), clock::now());
                    }
                    // A failed send shows as a failed read, which is where the loss is handled.
                    let _ = open.send(Message::text(text)).await;
                }
                // The recorder must not see it.
                (Action::Login(secret), Some(open)) => {
                    let _ = open.send(Message::text(secret.reveal())).await;
                }
                (Action::Ping, Some(open)) => {
                    let _ = open.send(Message::Ping(Bytes::new())).await;
                }
                (Action::Close(why), open) => {
                    if why == Close::Idle {
                        metrics.count(Counter::IdleTimeouts);
                    }
                    if let Some(mut open) = open.take() {
                        // The other side may be gone: it is not waited for.
                        let _ = tokio::time::timeout(CLOSE_MAX, open.close(None)).await;
                    }
                    lost(session, ingest, &mut tap, &format!("{why:?}"));
                }
                (Action::Send(_) | Action::Login(_) | Action::Ping, None) => {}
            }
        }
        metrics.set(Gauge::Connected, i64::from(session.is_live()));
        if session.phase() == Phase::Ended {
            if session.is_refused() {
                let said = String::from_utf8_lossy(ingest.refusal()).into_owned();
                return Err(SocketError::Login { venue: session.venue().to_owned(), said });
            }
            return Ok(());
        }
        let mut ended = false;
        tokio::select! {
            // Frames last: a line that never falls silent must not hold up a stop, a newcomer or the look at the time.
            biased;
            stopped = stop.wait_for(|stop| *stop) => {
                // A dropped sender can say nothing any more, so it says stop.
                drop(stopped);
                ended = true;
            }
            _ = ticks.tick() => {
                let now = clock::now();
                ingest.tick(now);
                if let Some(tap) = &mut tap {
                    tap.tick(now).map_err(SocketError::Tap)?;
                }
                if now >= rest_after {
                    ingest.wants(now, &mut fetches);
                    for fetch in fetches.drain(..) {
                        ask(endpoint, fetch, answer_sender.clone());
                    }
                }
                if session.is_live() {
                    ingest.renewals(now, &mut renewals);
                    if !renewals.is_empty() {
                        session.renew(&renewals);
                        renewals.clear();
                    }
                }
            }
            Some(answer) = answers.recv() => {
                let now = clock::now();
                match &answer.body {
                    Ok(body) => {
                        if let Some(tap) = &mut tap {
                            tap.answered(&answer.url, body, now);
                        }
                        ingest.answer(answer.purpose, Some(body), now);
                    }
                    Err(error) => {
                        if let RestError::Limited { retry_after_s, .. } = error {
                            rest_after = now.saturating_add(retry_after_s.saturating_mul(SECOND));
                        }
                        ingest.answer(answer.purpose, None, now);
                    }
                }
            }
            message = next(&mut socket) => {
                let mut message = Some(message);
                for _ in 0..FRAMES_PER_TURN {
                    let Some(arrived) = message.take() else { break };
                    if let Some(why) = take(arrived, session, ingest, &mut tap) {
                        socket = None;
                        lost(session, ingest, &mut tap, &why);
                        break;
                    }
                    // What has arrived already is read before anything else is looked at.
                    message = futures_util::FutureExt::now_or_never(next(&mut socket));
                }
                if let Some(arrived) = message
                    && let Some(why) = take(arrived, session, ingest, &mut tap)
                {
                    socket = None;
                    lost(session, ingest, &mut tap, &why);
                }
                ingest.flush(clock::now());
            }
        }
        if ended {
            session.stop();
        }
    }
}

/// Keeps a group's decision up to date until `stop` says true; `told` hears of every switch.
pub async fn oversee(group: &mut Group, mut stop: watch::Receiver<bool>, mut told: impl FnMut(Switched)) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut switched = Vec::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                group.check(clock::now(), &mut switched);
                switched.drain(..).for_each(&mut told);
            }
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Only from a socket that is there.
async fn next(socket: &mut Option<Socket>) -> Option<Result<Message, WsError>> {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}

/// Handles what came; gives why the connection is over, if it is.
fn take(
    arrived: Option<Result<Message, WsError>>,
    session: &mut Session,
    ingest: &mut Ingest,
    tap: &mut Option<&mut dyn Tap>,
) -> Option<String> {
    let now = clock::now();
    let (bytes, binary) = match &arrived {
        None => return Some("closed without a word".to_owned()),
        Some(Err(error)) => return Some(error.to_string()),
        Some(Ok(Message::Close(frame))) => {
            return Some(frame.as_ref().map_or_else(|| "closed".to_owned(), |f| format!("{} {}", f.code, f.reason)));
        }
        Some(Ok(Message::Text(text))) => (text.as_bytes(), false),
        Some(Ok(Message::Binary(bytes))) => (&bytes[..], true),
        // The library answers pings.
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
            session.heard(now);
            return None;
        }
    };
    session.heard(now);
    if let Some(tap) = tap {
        tap.received(bytes, binary, now);
    }
    match ingest.frame(bytes, now) {
        FrameKind::Confirmed => session.confirmed(now),
        FrameKind::Refused if session.declined(ingest.refusal(), now) => {
            return Some("the login is refused".to_owned());
        }
        _ => {}
    }
    None
}

fn lost(session: &mut Session, ingest: &mut Ingest, tap: &mut Option<&mut dyn Tap>, why: &str) {
    let now = clock::now();
    ingest.metrics().count(Counter::Disconnects);
    ingest.disconnected();
    session.closed(now);
    if let Some(tap) = tap {
        tap.closed(why, now);
    }
}

fn ask(endpoint: &Endpoint, fetch: Fetch, answers: mpsc::Sender<Answer>) {
    let (base, trust) = (endpoint.rest.clone(), endpoint.trust.clone());
    tokio::spawn(async move {
        let body = rest::get(&base, &fetch.path, &trust).await;
        let answer = Answer { purpose: fetch.purpose, url: format!("{base}{}", fetch.path), body };
        // Nobody waits any more where the connection was stopped.
        let _ = answers.send(answer).await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let address = Address::parse("wss://stream.binance.com:9443/stream?streams=a/b").unwrap();
        assert_eq!((address.secure, address.port, address.host.as_str()), (true, 9443, "stream.binance.com"));
        assert_eq!(address.path, "/stream?streams=a/b");
        assert_eq!(Address::parse("http://[::1]:80").map(|a| (a.host, a.port)), Ok(("::1".into(), 80)));
        assert_eq!(Address::parse("https://a").map(|a| (a.port, a.path)), Ok((443, "/".into())));
        for wrong in ["ftp://a", "binance.com", "", "ws://"] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }
}
