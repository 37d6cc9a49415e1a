//! The sockets of the served venue: REST and WebSocket on one port, and the player that moves the tape on.
//!
//! Invariants: every client sees the tape's order; a client that reads too slowly at a recorded pace is cut off, as venues
//! do, and holds nobody up; at the greatest pace the slowest client sets it. A client that sends too much, or answers no
//! ping, is cut off. It has no accounts, and listens where it is told to: on this machine unless asked otherwise.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use starling_core::time::{SECOND, UnixNanos};
use starling_market::wire::Level;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use super::desk::{Desk, STREAMS_MAX, Seat};
use super::faults::{FaultSpec, Injected, Injector, Out};
use super::profile::{Opening, Profile};
use super::state::State;
use super::tape::{Piece, Tape, TapeFrame};
use crate::clock;
use crate::limit::Bucket;

/// Frames a client may be behind at a recorded pace before it is cut off.
pub const CLIENT_QUEUE_MAX: usize = 10_000;
/// Clients at once.
pub const CLIENTS_MAX: usize = 300;
/// Bytes of a client's message.
const REQUEST_BYTES_MAX: usize = 64 << 10;
/// How long the player waits for a client that does not read, at the greatest pace.
const READ_WAIT_MAX: Duration = Duration::from_secs(30);
/// Messages written before the socket is flushed.
const WRITE_BATCH: usize = 64;

/// Frames played to nobody at the greatest pace: who was cut off misses them, as on a line that breaks, and not the rest
/// of the tape.
pub const UNHEARD_MAX: u64 = 16;

/// How fast the tape runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// This many times the recorded pace.
    Times(f64),
    /// As fast as the clients read; it stands still without any, [`UNHEARD_MAX`] frames after the last has gone.
    Max,
}

/// A pace that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pace: give a number above 0, as in 1 or 2.5, or max")]
pub struct PaceError(String);

impl std::str::FromStr for Pace {
    type Err = PaceError;
    fn from_str(text: &str) -> Result<Self, PaceError> {
        match text.parse::<f64>() {
            _ if text == "max" => Ok(Self::Max),
            Ok(times) if times > 0.0 && times.is_finite() => Ok(Self::Times(times)),
            _ => Err(PaceError(text.to_owned())),
        }
    }
}

/// How a tape is served.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How fast.
    pub pace: Pace,
    /// What goes wrong.
    pub faults: FaultSpec,
    /// The seed of faults.
    pub seed: u64,
    /// Streams that must be subscribed to before the tape starts, over all clients; 0 starts it at once.
    pub start_at: usize,
    /// Begin anew at the end.
    pub repeat: bool,
}

/// How far the tape is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Frames played.
    pub frames: u64,
    /// All of them were.
    pub finished: bool,
}

struct Client {
    id: u64,
    sender: mpsc::Sender<Out>,
    seat: Seat,
    injector: Injector,
}

struct Shared {
    profile: &'static Profile,
    tape: Arc<Tape>,
    options: ServeOptions,
    state: Mutex<State>,
    /// A frame and what a client says take turns, so that an answer stands before what is played later, and after what was
    /// played before.
    turn: tokio::sync::Mutex<()>,
    clients: Mutex<Vec<Client>>,
    log: Mutex<Vec<Injected>>,
    subscribed: Notify,
    next_client: AtomicU64,
    weight: Mutex<(u64, u64)>,
    cut: AtomicU64,
}

/// What a panicking thread left is still whole: every change under these locks is a single step.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A venue that is being served. Dropping it stops it.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    progress: watch::Receiver<Progress>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Server {
    /// Listens, and plays the tape to whoever subscribes. Must be called within a tokio runtime.
    pub async fn start(profile: &'static Profile, tape: Arc<Tape>, options: ServeOptions) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            profile,
            state: Mutex::new(State::new(profile, &tape)),
            turn: tokio::sync::Mutex::new(()),
            tape,
            options,
            clients: Mutex::new(Vec::new()),
            log: Mutex::new(Vec::new()),
            subscribed: Notify::new(),
            next_client: AtomicU64::new(0),
            weight: Mutex::new((0, 0)),
            cut: AtomicU64::new(0),
        });
        let (sender, progress) = watch::channel(Progress::default());
        let player = tokio::spawn(play(Arc::clone(&shared), sender));
        let acceptor = tokio::spawn(accept(Arc::clone(&shared), listener));
        Ok(Self { shared, address, progress, tasks: vec![player, acceptor] })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How far the tape is, as it moves.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Connections that exist.
    #[must_use]
    pub fn clients(&self) -> usize {
        locked(&self.shared.clients).len()
    }

    /// Connections there have been.
    #[must_use]
    pub fn clients_total(&self) -> u64 {
        self.shared.next_client.load(Ordering::Relaxed)
    }

    /// Clients cut off because they read too slowly.
    #[must_use]
    pub fn cut_off(&self) -> u64 {
        self.shared.cut.load(Ordering::Relaxed)
    }

    /// The faults so far.
    #[must_use]
    pub fn faults(&self) -> Vec<Injected> {
        locked(&self.shared.log).clone()
    }

    /// The true book of a symbol at this point of the tape: its number, bids and asks, best first.
    #[must_use]
    pub fn book(&self, symbol: &str) -> Option<(u64, Vec<Level>, Vec<Level>)> {
        locked(&self.shared.state).book(&self.shared.tape.names, symbol)
    }
}

/// Moves the tape on.
async fn play(shared: Arc<Shared>, progress: watch::Sender<Progress>) {
    let tape = Arc::clone(&shared.tape);
    let frames = tape.frames.len() as u64;
    loop {
        await_subscribers(&shared, shared.options.start_at).await;
        let mut start: Option<(Instant, UnixNanos)> = None;
        let mut unheard = UNHEARD_MAX;
        for (number, frame) in (0u64..).zip(&tape.frames) {
            match shared.options.pace {
                Pace::Times(times) => {
                    let (began, first) = *start.get_or_insert_with(|| (Instant::now(), frame.ts));
                    let due = began + Duration::from_nanos(frame.ts.since(first)).div_f64(times);
                    if due > Instant::now() {
                        tokio::time::sleep_until(due).await;
                    } else if number % 64 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                Pace::Max => {
                    unheard = if streams_wanted(&shared) > 0 { 0 } else { unheard + 1 };
                    if unheard > UNHEARD_MAX {
                        await_subscribers(&shared, 1).await;
                    }
                }
            }
            let _turn = shared.turn.lock().await;
            locked(&shared.state).play(&tape.names, frame);
            let left = frames - 1 - number;
            let going = outgoing(&shared, frame, number, left);
            send(&shared, going).await;
            progress.send_modify(|progress| progress.frames += 1);
        }
        let turn = shared.turn.lock().await;
        let mut going = Vec::new();
        for client in locked(&shared.clients).iter_mut() {
            let mut out = Vec::new();
            client.injector.finish(&mut out);
            going.push((client.id, client.sender.clone(), out));
        }
        send(&shared, going).await;
        if !shared.options.repeat {
            break;
        }
        *locked(&shared.state) = State::new(shared.profile, &tape);
        drop(turn);
    }
    progress.send_modify(|progress| progress.finished = true);
    // The sender stays alive for those who wait on it.
    std::future::pending::<()>().await;
}

/// Waits until so many streams are subscribed to.
async fn await_subscribers(shared: &Shared, least: usize) {
    loop {
        // Registered before looking, so that no subscription falls between.
        let subscribed = shared.subscribed.notified();
        if streams_wanted(shared) >= least {
            return;
        }
        subscribed.await;
    }
}

/// Streams that are subscribed to, over all clients.
fn streams_wanted(shared: &Shared) -> usize {
    let streams = |client: &Client| client.seat.wanted.iter().flatten().count();
    locked(&shared.clients).iter().map(streams).sum()
}

type Going = Vec<(u64, mpsc::Sender<Out>, Vec<Out>)>;

/// What each client gets of a frame.
fn outgoing(shared: &Shared, frame: &TapeFrame, number: u64, left: u64) -> Going {
    let Piece::Stream(stream) = frame.piece else { return Vec::new() };
    let (mut clients, mut log) = (locked(&shared.clients), locked(&shared.log));
    let mut going = Vec::new();
    for client in clients.iter_mut() {
        let Some(Some(name)) = client.seat.wanted.get(stream as usize) else { continue };
        let text = if client.seat.combined { wrapped(name, &frame.data) } else { frame.data.clone() };
        // Numbered before anything goes wrong, so that the client can notice what is missing.
        let text = shared.profile.numbered(&mut client.seat, text);
        let mut out = Vec::with_capacity(2);
        client.injector.pass(number, left, text, &mut log, &mut out);
        going.push((client.id, client.sender.clone(), out));
    }
    going
}

fn wrapped(name: &str, data: &[u8]) -> Bytes {
    let parts: [&[u8]; 5] = [b"{\"stream\":\"", name.as_bytes(), b"\",\"data\":", data, b"}"];
    parts.concat().into()
}

async fn send(shared: &Shared, going: Going) {
    for (id, sender, out) in going {
        for out in out {
            let last = out == Out::Cut;
            let sent = match shared.options.pace {
                Pace::Times(_) => sender.try_send(out).is_ok(),
                Pace::Max => sender.send_timeout(out, READ_WAIT_MAX).await.is_ok(),
            };
            if last || !sent {
                if !sent && !sender.is_closed() {
                    shared.cut.fetch_add(1, Ordering::Relaxed);
                }
                // Without its entry the queue closes, and with it the connection.
                locked(&shared.clients).retain(|client| client.id != id);
                break;
            }
        }
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        // What fails is one connection, or the machine is out of descriptors for the moment.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move { serve(shared, stream).await });
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(respond(&shared, request)) }
    });
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A broken connection is the client's affair.
    let _ = connection.with_upgrades().await;
}

fn plain(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json;charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn respond(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let upgrade =
        request.headers().get(header::UPGRADE).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if upgrade {
        return open(shared, request, &path, &query);
    }
    let rest = shared.profile.rest.and_then(|rest| Some((rest, path.strip_prefix(rest.base)?.to_owned())));
    let Some((rest, below)) = rest else {
        return plain(StatusCode::NOT_FOUND, "{\"code\":-1,\"msg\":\"No such path at this venue.\"}".into());
    };
    if request.method() != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "{\"code\":-1,\"msg\":\"A replay takes no orders.\"}".into());
    }
    let answer = (rest.answer)(&locked(&shared.state), &below, &query);
    let minute = clock::now().get() / (60 * SECOND);
    let used = {
        let mut weight = locked(&shared.weight);
        *weight = if weight.0 == minute { (minute, weight.1 + answer.weight) } else { (minute, answer.weight) };
        weight.1
    };
    let mut response = if used > shared.profile.dialect().rest_weight_per_minute {
        let mut response =
            plain(StatusCode::TOO_MANY_REQUESTS, "{\"code\":-1003,\"msg\":\"Too many requests.\"}".into());
        let wait = 60 - clock::now().get() / SECOND % 60;
        response.headers_mut().insert(header::RETRY_AFTER, wait.into());
        response
    } else {
        plain(answer.status, answer.body)
    };
    if let Some(name) = rest.used_header {
        response.headers_mut().insert(name, used.into());
    }
    response
}

fn open(shared: &Arc<Shared>, mut request: Request<Incoming>, path: &str, query: &str) -> Response<Full<Bytes>> {
    let Some((streams, combined)) = (shared.profile.open)(shared.profile, path, query) else {
        return plain(StatusCode::NOT_FOUND, "{\"code\":-1,\"msg\":\"No such path of streams.\"}".into());
    };
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY).cloned() else {
        return plain(StatusCode::BAD_REQUEST, "{\"code\":-1,\"msg\":\"No Sec-WebSocket-Key.\"}".into());
    };
    if locked(&shared.clients).len() >= CLIENTS_MAX || streams.len() > STREAMS_MAX {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "{\"code\":-1,\"msg\":\"Too many clients or streams.\"}".into());
    }
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(&mut request).await {
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
            attend(shared, socket, (streams, combined)).await;
        }
    });
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept = derive_accept_key(key.as_bytes()).parse().expect("base64 is a header value");
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, header::HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// One client's connection, until it ends.
async fn attend(
    shared: Arc<Shared>,
    socket: WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>,
    (streams, combined): Opening,
) {
    let id = shared.next_client.fetch_add(1, Ordering::Relaxed);
    let (sender, mut queue) = mpsc::channel::<Out>(CLIENT_QUEUE_MAX);
    let seat = Seat { combined, ..Seat::default() };
    let injector = Injector::new(shared.options.faults.clone(), shared.options.seed, id);
    locked(&shared.clients).push(Client { id, sender, seat, injector });
    let profile = shared.profile;
    let named = |desk: &mut Desk<'_>| {
        if let Some(greet) = profile.greet {
            greet(desk);
        }
        for name in &streams {
            desk.seat.subscribe_named(desk.tape, name);
        }
    };
    talk(&shared, id, named).await;
    let (mut sink, mut source) = socket.split();
    let (pong_sender, pongs) = watch::channel(Instant::now());
    let reader = async {
        let mut bucket = profile.messages_per_second.map(|messages| Bucket::per_second(messages, messages));
        while let Some(Ok(message)) = source.next().await {
            match message {
                Message::Pong(_) => _ = pong_sender.send_replace(Instant::now()),
                Message::Close(_) => return "closed",
                _ if bucket.as_mut().is_some_and(|bucket| !bucket.take(1, clock::now())) => return "Too many requests",
                Message::Text(text) if text.len() <= REQUEST_BYTES_MAX => {
                    talk(&shared, id, |desk| (profile.hear)(&text, desk)).await;
                }
                Message::Text(_) | Message::Binary(_) => return "Payload too long",
                Message::Ping(_) | Message::Frame(_) => {}
            }
        }
        "gone"
    };
    let beats = async {
        let Some(heartbeat) = profile.heartbeat else { return std::future::pending().await };
        let every = Duration::from_secs(heartbeat.every_s);
        let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
        loop {
            ticks.tick().await;
            talk(&shared, id, heartbeat.say).await;
        }
    };
    let writer = async {
        // A venue that sends none is asked again in a while.
        let every = Duration::from_secs(profile.ping.map_or(u64::from(u32::MAX), |ping| ping.every_s));
        let mut pings = tokio::time::interval_at(Instant::now() + every, every);
        loop {
            let mut written = tokio::select! {
                biased;
                _ = pings.tick() => {
                    if profile.ping.is_some_and(|p| pongs.borrow().elapsed() > Duration::from_secs(p.pong_max_s)) {
                        return "no pong";
                    }
                    sink.feed(Message::Ping(Bytes::new())).await
                }
                out = queue.recv() => match out {
                    None => return "too slow",
                    Some(Out::Cut) => return "cut",
                    Some(out) => write(&mut sink, out).await,
                },
            };
            for _ in 0..WRITE_BATCH {
                match queue.try_recv() {
                    Ok(Out::Cut) => {
                        // What was sent before the line breaks has arrived.
                        let _ = sink.flush().await;
                        return "cut";
                    }
                    Ok(out) if written.is_ok() => written = write(&mut sink, out).await,
                    _ => break,
                }
            }
            if written.is_err() || sink.flush().await.is_err() {
                return "gone";
            }
        }
    };
    let why = tokio::select! { why = reader => why, why = writer => why, why = beats => why };
    locked(&shared.clients).retain(|client| client.id != id);
    if why != "cut"
        && why != "gone"
        && let Ok(mut socket) = sink.reunite(source)
    {
        let told = (why != "closed").then(|| CloseFrame { code: CloseCode::Policy, reason: why.into() });
        let _ = tokio::time::timeout(Duration::from_secs(1), socket.close(told)).await;
    }
}

async fn write<S>(sink: &mut S, out: Out) -> Result<(), S::Error>
where
    S: futures_util::Sink<Message> + Unpin,
{
    match out {
        // Only valid UTF-8 is on the tape as text; rubbish that is not goes out as binary.
        Out::Text(bytes) => match bytes.try_into() {
            Ok(text) => sink.feed(Message::Text(text)).await,
            Err(_) => Ok(()),
        },
        Out::Binary(bytes) => sink.feed(Message::Binary(bytes)).await,
        Out::Pause(pause) => {
            sink.flush().await?;
            tokio::time::sleep(pause).await;
            Ok(())
        }
        Out::Cut => Ok(()),
    }
}

/// Lets a profile speak with a client, and sends what it says.
async fn talk(shared: &Shared, id: u64, with: impl FnOnce(&mut Desk<'_>)) {
    let _turn = shared.turn.lock().await;
    let (sender, said) = {
        let mut clients = locked(&shared.clients);
        // Cut off, and about to notice.
        let Some(client) = clients.iter_mut().find(|client| client.id == id) else { return };
        let state = locked(&shared.state);
        let mut desk = Desk { tape: &shared.tape, state: &state, seat: &mut client.seat, said: Vec::new() };
        with(&mut desk);
        (client.sender.clone(), desk.said)
    };
    shared.subscribed.notify_one();
    for text in said {
        // The client's own writer makes room, in this task.
        if sender.send(Out::Text(text)).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces() {
        assert_eq!("max".parse(), Ok(Pace::Max));
        assert_eq!("2.5".parse(), Ok(Pace::Times(2.5)));
        for wrong in ["0", "-1", "inf", "NaN", "fast"] {
            assert!(wrong.parse::<Pace>().is_err(), "{wrong}");
        }
    }
}
