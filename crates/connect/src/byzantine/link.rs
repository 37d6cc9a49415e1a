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
//! what it misses.
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
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::unit::Keys;

/// Bytes of a frame at most.
const FRAME_MAX: usize = 32 << 20;
/// Bytes that wait for one link, and for one session's reader, at most.
const WAITING_MAX: usize = 32 << 20;
/// Bytes of one member's messages that are kept for the session that is begun next.
const EARLY_MAX: usize = 1 << 20;
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
                self.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
                bytes
            }
            None => std::future::pending().await,
        }
    }
}

/// Sessions that are under way, and what came for the one after them: members begin a session a little apart, and a
/// round that is lost at its begin is repeated late.
#[derive(Debug, Default)]
struct Routes {
    open: BTreeMap<u64, Inlet>,
    early: Vec<(usize, Vec<u8>)>,
}

impl Routes {
    /// False if there is no way, or no room on it.
    fn put(&mut self, place: usize, session: u64, message: Vec<u8>) -> bool {
        if let Some(inlet) = self.open.get(&session) {
            let room = inlet.waiting.load(Ordering::Relaxed) + message.len() <= WAITING_MAX;
            return room && {
                inlet.waiting.fetch_add(message.len(), Ordering::Relaxed);
                inlet.queue.send(message).is_ok()
            };
        }
        let next = self.open.last_key_value().is_some_and(|(last, _)| session == last + 1);
        let used = || self.early.iter().filter(|(by, _)| *by == place).map(|(_, message)| message.len()).sum::<usize>();
        let kept = next && used() + message.len() <= EARLY_MAX;
        if kept {
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
        let sent = lock(wire).as_ref().is_some_and(|wire| {
            let room = wire.waiting.load(Ordering::Relaxed) + frame.len() <= WAITING_MAX;
            room && {
                wire.waiting.fetch_add(frame.len(), Ordering::Relaxed);
                wire.queue.send(frame).is_ok()
            }
        });
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
        let waiting = Arc::new(AtomicUsize::new(0));
        *lock(&self.wires[place]) = Some(Wire { number, queue, waiting: Arc::clone(&waiting) });
        let (reader, writer) = stream.into_split();
        let write = async move {
            let mut writer = BufWriter::with_capacity(64 << 10, writer);
            while let Some(frame) = frames.recv().await {
                writer.write_all(&frame).await?;
                waiting.fetch_sub(frame.len(), Ordering::Relaxed);
                while let Ok(frame) = frames.try_recv() {
                    writer.write_all(&frame).await?;
                    waiting.fetch_sub(frame.len(), Ordering::Relaxed);
                }
                writer.flush().await?;
            }
            // A newer link has taken its place.
            io::Result::Ok(())
        };
        let read = async {
            let mut reader = BufReader::with_capacity(64 << 10, reader);
            if self.news.send(News::Up(place)).await.is_err() {
                return Ok(());
            }
            loop {
                let length = reader.read_u32_le().await? as usize;
                if length == 0 || length > FRAME_MAX {
                    return io::Result::Err(io::ErrorKind::InvalidData.into());
                }
                let mut frame = Vec::with_capacity(length.min(1 << 20));
                (&mut reader).take(length as u64).read_to_end(&mut frame).await?;
                if frame.len() < length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.take(place, frame).await?;
            }
        };
        tokio::select! {
            _ = write => {}
            _ = read => {}
        }
        let mut wire = lock(&self.wires[place]);
        if wire.as_ref().is_some_and(|wire| wire.number == number) {
            *wire = None;
        }
    }

    async fn take(&self, place: usize, mut frame: Vec<u8>) -> io::Result<()> {
        match frame[0] {
            UNITS if frame.len() > 9 => {
                let session = u64::from_le_bytes(frame[1..9].try_into().expect("eight bytes"));
                frame.drain(..9);
                let sent = lock(&self.routes).put(place, session, frame);
                self.dropped.fetch_add(u64::from(!sent), Ordering::Relaxed);
                Ok(())
            }
            TALK => {
                let talk = postcard::from_bytes(&frame[1..]).map_err(|_| io::ErrorKind::InvalidData)?;
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
    use super::*;
    use futures_util::FutureExt as _;

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
        assert!(routes.put(1, 1, vec![5; EARLY_MAX - 1]) && !routes.put(1, 1, vec![6]) && routes.put(2, 1, vec![7]));
        let mut next = routes.begin(1);
        assert_eq!(read(&mut now), [[1]]);
        assert_eq!(read(&mut next), [vec![2], vec![3], vec![5; EARLY_MAX - 1], vec![7]]);
        routes.open.remove(&0);
        assert!(!routes.put(1, 0, vec![8]) && routes.put(1, 2, vec![9]));
        // Begun again: its messages go to the new reader, those of the next still wait.
        let mut again = routes.begin(1);
        assert!(read(&mut again).is_empty());
        assert_eq!(read(&mut routes.begin(2)), [[9]]);
    }

    #[test]
    fn a_reader_that_does_not_read_is_not_sent_more_than_fits() {
        let mut routes = Routes::default();
        let mut outlet = routes.begin(0);
        assert!(routes.put(1, 0, vec![0; WAITING_MAX]) && !routes.put(1, 0, vec![1]));
        assert_eq!(read(&mut outlet).len(), 1);
        assert!(routes.put(1, 0, vec![1]));
    }
}
