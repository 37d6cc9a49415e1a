//! Links between members: TCP, one to each, whose ends have proven who they are.
//!
//! ```text
//!  dialler ── broadcast, agent, nonce ──►  acceptor       of two members the one with the higher number dials
//!          ◄── agent, nonce, signature ──                 over both agents, both nonces and the role
//!          ── signature ──►
//!          ◄── frames ──►                                 length, kind, body
//! ```
//!
//! Invariant: frames that are handed on came along a link whose other end holds the key of the member they are said to
//! come from. Nothing is unbounded: what a slow link cannot take is dropped and counted, and the broadcast asks again for
//! what it misses. A link that takes nothing for long, or that a newer one replaces, ends.
//!
//! Not here: confidentiality, and proof of each frame (who can write into a TCP stream can close it or cause garbage,
//! not sign): links over networks that others can reach belong into a tunnel.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use starling_swarm::byzantine::{Certified, Checkpoint};
use starling_swarm::id::AgentId;
use starling_swarm::identity::{Signature, Transcript};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::run::sound;
use super::unit::Keys;

/// Bytes of a frame of the broadcast at most.
const FRAME_MAX: usize = 32 << 20;
/// Bytes of a piece of a log.
pub(super) const PIECE_BYTES: usize = 256 << 10;
/// Bytes that wait for one link, and for one session's reader, at most.
const WAITING_MAX: usize = 32 << 20;
/// Bytes of one member's messages that are kept for the session that is begun next.
const EARLY_MAX: usize = 1 << 20;
/// What a message that waits costs besides its bytes.
const MESSAGE_BYTES: usize = 64;
/// A link whose other end takes nothing for so long is given up.
const STUCK: Duration = Duration::from_secs(20);
/// Handshakes under way at once.
const STRANGERS_MAX: usize = 64;
/// A handshake takes no longer.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// From one attempt to connect to the next: at first, and at most.
const REDIAL: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(500)];
/// A signature in a handshake, ML-DSA's part included.
const SIGNATURE_MAX: usize = 4 << 10;

const UNITS: u8 = 1;
const TALK: u8 = 2;

/// What members say to each other besides the broadcast's own messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Talk {
    /// A session has ended at the sender.
    Ended { checkpoint: Checkpoint, signature: Signature },
    /// It has at a quorum.
    Certified(Certified),
    /// The log of a session, from a byte on.
    Ask { session: u64, from: u64 },
    /// A piece of it; the first comes with the proof.
    Piece { session: u64, from: u64, total: u64, certified: Option<Certified>, bytes: Vec<u8> },
    /// There is none that old any more.
    Gone { session: u64, oldest: u64 },
}

/// What links tell the driver.
#[derive(Debug)]
pub(super) enum News {
    /// A link to this member stands.
    Up(usize),
    /// It said something.
    Said(usize, Talk),
}

/// Where a session's messages go.
#[derive(Debug, Clone)]
pub(super) struct Inlet {
    queue: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
}

/// Its other end.
#[derive(Debug)]
pub(super) struct Outlet {
    queue: mpsc::UnboundedReceiver<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
}

impl Outlet {
    /// The next message; waits for ever once its route is closed.
    pub(super) async fn next(&mut self) -> Vec<u8> {
        match self.queue.recv().await {
            Some(bytes) => {
                self.waiting.fetch_sub(cost(&bytes), Ordering::Relaxed);
                bytes
            }
            None => std::future::pending().await,
        }
    }
}

/// What a message takes of the room for those that wait.
const fn cost(message: &[u8]) -> usize {
    MESSAGE_BYTES + message.len()
}

/// Takes room for a message, if there is some.
fn room(waiting: &AtomicUsize, message: &[u8]) -> bool {
    let room = waiting.load(Ordering::Relaxed) + cost(message) <= WAITING_MAX;
    if room {
        waiting.fetch_add(cost(message), Ordering::Relaxed);
    }
    room
}

/// Sessions that are under way, and what came for the one after them: members begin a session a little apart, and a
/// round that is lost at its begin is repeated late.
#[derive(Debug, Default)]
struct Routes {
    open: BTreeMap<u64, Inlet>,
    early: Vec<(usize, Vec<u8>)>,
    /// What those of each member take.
    early_of: BTreeMap<usize, usize>,
}

impl Routes {
    /// False if there is no way, or no room on it.
    fn put(&mut self, place: usize, session: u64, message: Vec<u8>) -> bool {
        if let Some(inlet) = self.open.get(&session) {
            return room(&inlet.waiting, &message) && inlet.queue.send(message).is_ok();
        }
        if self.open.last_key_value().is_none_or(|(last, _)| session != last + 1) {
            return false;
        }
        let used = self.early_of.entry(place).or_default();
        let kept = *used + cost(&message) <= EARLY_MAX;
        if kept {
            *used += cost(&message);
            self.early.push((place, message));
        }
        kept
    }

    fn begin(&mut self, session: u64) -> Outlet {
        let (queue, outlet) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let next = self.open.last_key_value().is_none_or(|(last, _)| session == last + 1);
        self.open.insert(session, Inlet { queue, waiting: Arc::clone(&waiting) });
        if next {
            self.early_of.clear();
            for (place, message) in std::mem::take(&mut self.early) {
                self.put(place, session, message);
            }
        }
        Outlet { queue: outlet, waiting }
    }
}

#[derive(Debug)]
struct Wire {
    number: u64,
    queue: mpsc::UnboundedSender<Arc<[u8]>>,
    waiting: Arc<AtomicUsize>,
    /// Tells its link, by being dropped, that another has taken its place.
    _replaced: oneshot::Sender<()>,
}

/// All links of a member.
pub(super) struct Links {
    keys: Keys,
    me: usize,
    wires: Box<[Mutex<Option<Wire>>]>,
    routes: Mutex<Routes>,
    news: mpsc::Sender<News>,
    links: AtomicU64,
    dropped: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A message of a session, as it goes along a link.
pub(super) fn unit_frame(session: u64, message: &impl codec::Encode) -> Arc<[u8]> {
    let mut frame = vec![0; 4];
    frame.push(UNITS);
    frame.extend(session.to_le_bytes());
    message.encode_to(&mut frame);
    finished(frame)
}

fn talk_frame(talk: &Talk) -> Arc<[u8]> {
    let frame = postcard::to_extend(talk, vec![0, 0, 0, 0, TALK]).expect("talk is plain data");
    finished(frame)
}

fn finished(mut frame: Vec<u8>) -> Arc<[u8]> {
    let length = u32::try_from(frame.len() - 4).expect("frames are short");
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame.into()
}

impl Links {
    pub(super) fn new(keys: Keys, news: mpsc::Sender<News>) -> Self {
        let me = keys.place(keys.identity.agent()).expect("its own agent is a member");
        let wires = keys.members.iter().map(|_| Mutex::new(None)).collect();
        let routes = Mutex::new(Routes::default());
        Self { keys, me, wires, routes, news, links: AtomicU64::new(0), dropped: AtomicU64::new(0) }
    }

    /// Frames that found no link, no session, or no room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Counts a message that was none.
    pub(super) fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Members to whom a link stands.
    pub(super) fn up(&self) -> usize {
        self.wires.iter().filter(|wire| lock(wire).is_some()).count()
    }

    /// Opens the way for a session's messages.
    pub(super) fn route(&self, session: u64) -> Outlet {
        lock(&self.routes).begin(session)
    }

    /// And closes it.
    pub(super) fn close_route(&self, session: u64) {
        lock(&self.routes).open.remove(&session);
    }

    pub(super) fn send(&self, to: usize, frame: Arc<[u8]>) {
        let Some(wire) = self.wires.get(to).filter(|_| to != self.me) else { return };
        let sent =
            lock(wire).as_ref().is_some_and(|wire| room(&wire.waiting, &frame) && wire.queue.send(frame).is_ok());
        self.dropped.fetch_add(u64::from(!sent), Ordering::Relaxed);
    }

    pub(super) fn send_all(&self, frame: &Arc<[u8]>) {
        (0..self.wires.len()).for_each(|to| self.send(to, Arc::clone(frame)));
    }

    pub(super) fn say(&self, to: usize, talk: &Talk) {
        self.send(to, talk_frame(talk));
    }

    pub(super) fn say_all(&self, talk: &Talk) {
        self.send_all(&talk_frame(talk));
    }

    /// Takes links that others dial, for ever.
    pub(super) async fn listen(self: Arc<Self>, listener: TcpListener) {
        let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
        loop {
            let Ok(room) = Arc::clone(&strangers).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(REDIAL[0]).await;
                continue;
            };
            let links = Arc::clone(&self);
            tokio::spawn(async move {
                let accepted = timeout(HANDSHAKE, links.accept(stream)).await;
                drop(room);
                if let Ok(Ok((place, stream))) = accepted {
                    links.serve(place, stream).await;
                }
            });
        }
    }

    /// Keeps a link to a member with a lower number, for ever.
    pub(super) async fn dial(self: Arc<Self>, place: usize, address: SocketAddr) {
        let mut wait = REDIAL[0];
        loop {
            let dialled = async { self.introduce(place, TcpStream::connect(address).await?).await };
            if let Ok(Ok(stream)) = timeout(HANDSHAKE, dialled).await {
                wait = REDIAL[0];
                self.serve(place, stream).await;
            }
            tokio::time::sleep(wait).await;
            wait = (2 * wait).min(REDIAL[1]);
        }
    }

    fn statement(&self, role: &str, dialler: usize, acceptor: usize, nonces: [&[u8; 32]; 2]) -> Transcript {
        let mut transcript = Transcript::new("byzantine link");
        transcript.bytes(&self.keys.broadcast);
        transcript.bytes(role.as_bytes());
        [dialler, acceptor].into_iter().for_each(|place| transcript.u32(self.keys.members[place].0));
        nonces.into_iter().for_each(|nonce| transcript.bytes(nonce));
        transcript
    }

    async fn introduce(&self, place: usize, mut stream: TcpStream) -> io::Result<TcpStream> {
        stream.set_nodelay(true)?;
        let mine = nonce()?;
        let mut hello = self.keys.broadcast.to_vec();
        hello.extend(self.keys.members[self.me].0.to_le_bytes());
        hello.extend(mine);
        stream.write_all(&hello).await?;
        let agent = AgentId(stream.read_u32_le().await?);
        let mut theirs = [0; 32];
        stream.read_exact(&mut theirs).await?;
        let signature = read_short(&mut stream).await?;
        let nonces = [&mine, &theirs];
        let statement = self.statement("acceptor", self.me, place, nonces);
        if agent != self.keys.members[place] || self.keys.book.verify(agent, &statement, &signature).is_err() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let own = self.keys.identity.sign(&self.statement("dialler", self.me, place, nonces));
        stream.write_all(&short(&own)).await?;
        Ok(stream)
    }

    async fn accept(&self, mut stream: TcpStream) -> io::Result<(usize, TcpStream)> {
        stream.set_nodelay(true)?;
        let (mut broadcast, mut theirs) = ([0; 32], [0; 32]);
        stream.read_exact(&mut broadcast).await?;
        let agent = AgentId(stream.read_u32_le().await?);
        stream.read_exact(&mut theirs).await?;
        let place = self.keys.place(agent).filter(|place| *place > self.me && broadcast == self.keys.broadcast);
        let place = place.ok_or(io::ErrorKind::PermissionDenied)?;
        let mine = nonce()?;
        let nonces = [&theirs, &mine];
        let mut answer = self.keys.members[self.me].0.to_le_bytes().to_vec();
        answer.extend(mine);
        answer.extend(short(&self.keys.identity.sign(&self.statement("acceptor", place, self.me, nonces))));
        stream.write_all(&answer).await?;
        let signature: Signature = read_short(&mut stream).await?;
        let statement = self.statement("dialler", place, self.me, nonces);
        if self.keys.book.verify(agent, &statement, &signature).is_err() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok((place, stream))
    }

    /// Moves frames until the link breaks. A newer link to the same member takes its place.
    async fn serve(&self, place: usize, stream: TcpStream) {
        let number = self.links.fetch_add(1, Ordering::Relaxed);
        let (queue, mut frames) = mpsc::unbounded_channel::<Arc<[u8]>>();
        let (replaces, replaced) = oneshot::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        *lock(&self.wires[place]) = Some(Wire { number, queue, waiting: Arc::clone(&waiting), _replaced: replaces });
        let (reader, writer) = stream.into_split();
        let write = async move {
            let mut writer = BufWriter::with_capacity(64 << 10, writer);
            while let Some(mut frame) = frames.recv().await {
                loop {
                    timeout(STUCK, writer.write_all(&frame)).await??;
                    waiting.fetch_sub(cost(&frame), Ordering::Relaxed);
                    match frames.try_recv() {
                        Ok(next) => frame = next,
                        Err(_) => break,
                    }
                }
                timeout(STUCK, writer.flush()).await??;
            }
            io::Result::Ok(())
        };
        let read = async {
            let mut reader = BufReader::with_capacity(64 << 10, reader);
            if self.news.send(News::Up(place)).await.is_err() {
                return Ok(());
            }
            loop {
                let length = reader.read_u32_le().await? as usize;
                let kind = reader.read_u8().await?;
                let length = length.checked_sub(1).filter(|length| *length <= self.longest(kind));
                let length = length.ok_or(io::ErrorKind::InvalidData)?;
                let mut body = Vec::with_capacity(length.min(1 << 20));
                (&mut reader).take(length as u64).read_to_end(&mut body).await?;
                if body.len() < length {
                    return io::Result::Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.take(place, kind, body).await?;
            }
        };
        tokio::select! {
            _ = write => {}
            _ = read => {}
            _ = replaced => {}
        }
        let mut wire = lock(&self.wires[place]);
        if wire.as_ref().is_some_and(|wire| wire.number == number) {
            *wire = None;
        }
    }

    /// Bytes of a frame's body at most. What the driver hears waits by number, so it is short: a piece, and a proof.
    fn longest(&self, kind: u8) -> usize {
        match kind {
            UNITS => FRAME_MAX,
            TALK => PIECE_BYTES + (1 << 10) + self.wires.len() * (SIGNATURE_MAX + 16),
            _ => 0,
        }
    }

    async fn take(&self, place: usize, kind: u8, mut body: Vec<u8>) -> io::Result<()> {
        match (kind, body.first_chunk()) {
            (UNITS, Some(session)) => {
                let session = u64::from_le_bytes(*session);
                body.drain(..8);
                let sent = sound(&body, place, self.wires.len()) && lock(&self.routes).put(place, session, body);
                self.dropped.fetch_add(u64::from(!sent), Ordering::Relaxed);
                Ok(())
            }
            (TALK, _) => {
                let talk = postcard::from_bytes(&body).map_err(|_| io::ErrorKind::InvalidData)?;
                self.news.send(News::Said(place, talk)).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn nonce() -> io::Result<[u8; 32]> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    Ok(nonce)
}

fn short(value: &impl Serialize) -> Vec<u8> {
    let bytes = postcard::to_allocvec(value).expect("plain data");
    let mut short = u16::try_from(bytes.len()).expect("short").to_le_bytes().to_vec();
    short.extend(bytes);
    short
}

async fn read_short<T: DeserializeOwned>(stream: &mut TcpStream) -> io::Result<T> {
    let length = usize::from(stream.read_u16_le().await?);
    if length > SIGNATURE_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    postcard::from_bytes(&bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::super::unit::tests::keys;
    use super::*;

    fn read(outlet: &mut Outlet) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| outlet.next().now_or_never()).collect()
    }

    /// What comes for the next session waits for it, within each member's share; for others there is no way.
    #[test]
    fn early_messages_wait_for_the_next_session_only() {
        let mut routes = Routes::default();
        assert!(!routes.put(1, 0, vec![0]), "nothing is under way");
        let mut now = routes.begin(0);
        assert!(routes.put(1, 0, vec![1]) && routes.put(1, 1, vec![2]) && routes.put(2, 1, vec![3]));
        assert!(!routes.put(1, 2, vec![4]), "two ahead");
        let most = EARLY_MAX - cost(&[2]) - MESSAGE_BYTES;
        assert!(routes.put(1, 1, vec![5; most]) && !routes.put(1, 1, vec![6]) && routes.put(2, 1, vec![7]));
        let mut next = routes.begin(1);
        assert_eq!(read(&mut now), [[1]]);
        assert_eq!(read(&mut next), [vec![2], vec![3], vec![5; most], vec![7]]);
        routes.open.remove(&0);
        assert!(!routes.put(1, 0, vec![8]) && routes.put(1, 2, vec![9; most]), "its share is free again");
        // Begun again: its messages go to the new reader, those of the next still wait.
        let mut again = routes.begin(1);
        assert!(read(&mut again).is_empty());
        assert_eq!(read(&mut routes.begin(2)), [vec![9; most]]);
    }

    #[test]
    fn a_reader_that_does_not_read_is_not_sent_more_than_fits() {
        let mut routes = Routes::default();
        let mut outlet = routes.begin(0);
        assert!(routes.put(1, 0, vec![0; WAITING_MAX - MESSAGE_BYTES]) && !routes.put(1, 0, vec![]));
        assert_eq!(read(&mut outlet).len(), 1);
        assert!(routes.put(1, 0, vec![1]));
    }

    /// Small messages cost more than their bytes, wherever they wait.
    #[test]
    fn there_are_no_more_messages_than_fit() {
        let mut routes = Routes::default();
        let mut outlet = routes.begin(0);
        let sent = |session: u64, routes: &mut Routes| (0..).take_while(|_| routes.put(1, session, Vec::new())).count();
        assert_eq!(sent(1, &mut routes), EARLY_MAX / MESSAGE_BYTES);
        assert_eq!(sent(0, &mut routes), WAITING_MAX / MESSAGE_BYTES);
        assert_eq!(read(&mut outlet).len(), WAITING_MAX / MESSAGE_BYTES);

        let (links, _news) = links();
        let (queue, _frames) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        *lock(&links.wires[1]) = Some(Wire { number: 0, queue, waiting, _replaced: oneshot::channel().0 });
        let frame: Arc<[u8]> = Arc::new([]);
        (0..WAITING_MAX / MESSAGE_BYTES).for_each(|_| links.send(1, Arc::clone(&frame)));
        assert_eq!(links.dropped(), 0);
        links.send(1, frame);
        assert_eq!(links.dropped(), 1);
    }

    fn links() -> (Arc<Links>, mpsc::Receiver<News>) {
        let (news, heard) = mpsc::channel(9);
        (Arc::new(Links::new(keys(0, 1), news)), heard)
    }

    async fn streams() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, far)
    }

    fn in_a_runtime(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Before a link that is stuck ends by itself.
        runtime.block_on(async { timeout(STUCK / 2, test).await.expect("it comes to its end") });
    }

    /// Its other end takes nothing, so it hangs in a write; a newer one ends it all the same.
    #[test]
    fn a_link_that_is_replaced_ends() {
        in_a_runtime(async {
            let (links, mut news) = links();
            let serve = |stream: TcpStream| {
                let links = Arc::clone(&links);
                tokio::spawn(async move { links.serve(1, stream).await })
            };
            let ((near, far), (newer, _newest)) = (streams().await, streams().await);
            let old = serve(near);
            assert!(matches!(news.recv().await, Some(News::Up(1))));
            links.send(1, vec![0; WAITING_MAX - MESSAGE_BYTES].into());
            far.readable().await.unwrap();
            serve(newer);
            old.await.unwrap();
        });
    }

    /// What waits for the driver is bounded by number, so no message to it is long; one of the broadcast may be.
    #[test]
    fn a_long_talk_ends_its_link() {
        in_a_runtime(async {
            let (links, mut news) = links();
            let long = |kind: u8| finished([&[0; 4][..], &[kind], &[0; 2 * PIECE_BYTES]].concat());
            let piece = Talk::Piece { session: 0, from: 0, total: 0, certified: None, bytes: vec![0; PIECE_BYTES] };
            for (frame, ends) in [(long(UNITS), false), (talk_frame(&piece), false), (long(TALK), true)] {
                let (near, mut far) = streams().await;
                let serve = tokio::spawn({
                    let links = Arc::clone(&links);
                    async move { links.serve(1, near).await }
                });
                assert!(matches!(news.recv().await, Some(News::Up(1))));
                // These fail where the link has ended.
                let _ = far.write_all(&frame).await;
                let _ = far.write_all(&talk_frame(&Talk::Ask { session: 0, from: 0 })).await;
                if ends {
                    serve.await.unwrap();
                    assert!(news.try_recv().is_err(), "nothing was heard");
                } else {
                    while !matches!(news.recv().await, Some(News::Said(1, Talk::Ask { .. }))) {}
                }
            }
        });
    }
}
