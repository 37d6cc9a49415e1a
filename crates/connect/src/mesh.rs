//! Links between nodes in different processes, on one host or many, over Zenoh.
//!
//! ```text
//!  node ─► parcel ─► batch (by process and priority) ─► publisher ─► TCP or TLS ─► callback ─► inbox ─► node
//!                      leaves when large or due           kept open                 bounded, four priorities
//! ```
//!
//! A process hosts any number of agents. It announces them to the others, now and then and whenever somebody new
//! appears; so everybody knows which process to send a frame to, and newcomers need only to find one of the others.
//! The swarm's own routes are untouched by this: a frame still goes along an edge, and one hop is one process to another.
//!
//! Invariant: nothing is unbounded, and what is dropped here is counted ([`Counters`]); what Zenoh took and dropped, since a
//! link was down or its other end took nothing any more, is not. No thread waits for another process longer than
//! [`Config::block`], nor the network's threads for this one longer than [`ROOM_WAIT`], so that processes that send to each
//! other cannot wait for each other for ever. An agent lives where it was first announced, and stays there: a process with
//! another number can neither move it nor write in its name.
//!
//! What it does not do. It repeats nothing: [`starling_swarm::node`] does. It proves membership, not authorship: with TLS
//! and passwords only members connect, but one that takes another's number is heard as that one, and without them whoever
//! reaches a port is a member. What must not be forged is signed inside the messages.
//! Zenoh's scouting by multicast and gossip is off, as is its shared memory, which has lost messages; links are those
//! that the configuration names. A session is opened once and kept.

pub mod host;
mod inbox;
mod session;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;
use starling_core::time::{MICROSECOND, MILLISECOND, SECOND};
use starling_swarm::component::Priority;
use starling_swarm::id::AgentId;
use starling_swarm::mailbox::Mailbox;
use starling_swarm::node::Parcel;
use starling_swarm::transport::{Batch, MAILBOX_CAPACITY, SendError, Traffic, Transport};
use zenoh::Wait;
use zenoh::pubsub::Publisher;

use inbox::{Inbox, Item};

/// How long the network's threads wait for room in the inbox before a datagram is dropped.
pub const ROOM_WAIT: Duration = Duration::from_millis(20);
/// Agents in an announcement, and agents of others that are known.
pub const AGENTS_MAX: usize = 1 << 17;
/// Bytes a datagram may have at least, whatever is configured.
const BATCH_MIN: usize = 64;
/// Bytes of a frame's address in a datagram, with its length.
const ADDRESS_BYTES: usize = 4 + 8;
/// Announcements come this often, once everybody knows everybody.
const HELLO_EVERY: u64 = SECOND;
/// And this often at first, doubling.
const HELLO_FIRST: u64 = 10 * MILLISECOND;

/// A process of a swarm, by a number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId(pub u32);

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.0)
    }
}

/// How a process takes part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The swarm's name: letters, digits, `-` and `_`. Swarms of different names do not hear each other.
    pub swarm: String,
    /// This process.
    pub process: ProcessId,
    /// Where it listens, as `tcp/127.0.0.1:7001` or `tls/host:7001`.
    pub listen: Vec<String>,
    /// To whom it connects, and connects again for ever. Of each pair of processes one is enough, best the younger.
    pub connect: Vec<String>,
    /// Certificates, for endpoints that start with `tls/`.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// A name and a password, on top.
    #[serde(default)]
    pub credentials: Option<Credentials>,
    /// Bytes at which a datagram leaves.
    #[serde(default = "defaults::batch_bytes")]
    pub batch_bytes: usize,
    /// Nanoseconds a datagram waits for more, the most urgent priority first. At 0 it waits until its sender has nothing
    /// else to do.
    #[serde(default = "defaults::batch_wait")]
    pub batch_wait: [u64; 4],
    /// Datagrams of each priority that wait to be read.
    #[serde(default = "defaults::inbox")]
    pub inbox: usize,
    /// Nanoseconds a sender may wait for a process that takes nothing any more, before the link is closed.
    #[serde(default = "defaults::block")]
    pub block: u64,
    /// Nanoseconds of silence after which a link is closed; three times in it a sign of life is sent.
    #[serde(default = "defaults::idle")]
    pub idle: u64,
}

mod defaults {
    use super::{MICROSECOND, MILLISECOND, SECOND};

    pub(super) const fn batch_bytes() -> usize {
        32 << 10
    }
    pub(super) const fn batch_wait() -> [u64; 4] {
        [0, 0, 200 * MICROSECOND, MILLISECOND]
    }
    pub(super) const fn inbox() -> usize {
        1024
    }
    pub(super) const fn block() -> u64 {
        300 * MILLISECOND
    }
    pub(super) const fn idle() -> u64 {
        30 * SECOND
    }
}

impl Config {
    /// Process `process` of a swarm: datagrams of 32 KiB, up to 1 ms late, signs of life every 10 s, 30 s of silence.
    #[must_use]
    pub fn new(swarm: &str, process: ProcessId) -> Self {
        Self {
            swarm: swarm.into(),
            process,
            listen: Vec::new(),
            connect: Vec::new(),
            tls: None,
            credentials: None,
            batch_bytes: defaults::batch_bytes(),
            batch_wait: defaults::batch_wait(),
            inbox: defaults::inbox(),
            block: defaults::block(),
            idle: defaults::idle(),
        }
    }
}

/// Files in PEM, for TLS where both sides show certificates of one authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The authority.
    pub authority: PathBuf,
    /// This process' certificate, which names its host or address.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// A user and a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Who this process says it is.
    pub user: String,
    /// A file whose first line proves it.
    pub password: PathBuf,
    /// A file of lines `user:password` that are let in.
    pub accepted: PathBuf,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why a process cannot take part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeshError {
    /// A name that is part of no key.
    #[error("a swarm's name is letters, digits, `-` and `_`, which {0:?} is not")]
    Name(String),
    /// A file of credentials that cannot be read.
    #[error("cannot read the password in {}: {source}", .path.display())]
    Password {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A setting Zenoh does not take.
    #[error("{setting} cannot be {value}: {why}")]
    Setting {
        /// Its name in Zenoh.
        setting: &'static str,
        /// What was to be set; a password is left out.
        value: String,
        /// What Zenoh says.
        why: String,
    },
    /// Zenoh would not do it.
    #[error("cannot {what}: {why}")]
    Zenoh {
        /// What was attempted.
        what: &'static str,
        /// What Zenoh says.
        why: String,
    },
}

/// What a process did, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames handed to other processes.
    pub frames_out: u64,
    /// Datagrams they left in.
    pub datagrams_out: u64,
    /// Bytes of those.
    pub bytes_out: u64,
    /// Frames that came.
    pub frames_in: u64,
    /// Datagrams they came in.
    pub datagrams_in: u64,
    /// Bytes of those.
    pub bytes_in: u64,
    /// Frames between agents of this process.
    pub frames_within: u64,
    /// Links to other processes, as often as one was opened.
    pub links_opened: u64,
    /// Publishers, one for each process and priority.
    pub lanes_opened: u64,
    /// Datagrams Zenoh would not take.
    pub failed: u64,
    /// Datagrams and frames that were dropped because nobody read the inbox.
    pub overflowed: u64,
    /// Frames for agents nobody has announced.
    pub unknown: u64,
    /// Datagrams that did not parse to their end.
    pub malformed: u64,
    /// Frames, or announcements, in the name of another process' agent.
    pub forged: u64,
}

impl Counters {
    /// The share of datagrams that left over a link that was open already; none before the first.
    #[must_use]
    pub fn reuse(&self) -> Option<f64> {
        let opened = self.links_opened.min(self.datagrams_out) as f64;
        (self.datagrams_out > 0).then(|| 1.0 - opened / self.datagrams_out as f64)
    }
}

/// To one process at one priority.
#[derive(Debug)]
struct Lane {
    publisher: Publisher<'static>,
    batch: Batch,
}

/// The frames of one agent of this process that nobody has read yet, for [`Transport::receive`].
type Mail = Mailbox<(AgentId, Vec<u8>)>;

/// One process' links.
#[derive(Debug)]
pub struct Mesh {
    config: Config,
    session: session::Session,
    lanes: BTreeMap<(ProcessId, Priority), Lane>,
    inbox: Arc<Inbox>,
    hosted: BTreeMap<AgentId, Mail>,
    /// Frames in all of these.
    within: usize,
    elsewhere: BTreeMap<AgentId, ProcessId>,
    processes: BTreeSet<ProcessId>,
    traffic: BTreeMap<(AgentId, AgentId), Traffic>,
    hello_due: UnixNanos,
    hello_pause: u64,
    counters: Counters,
}

/// What a process announces.
#[derive(Debug, Serialize, Deserialize)]
struct Hello {
    process: ProcessId,
    agents: Vec<AgentId>,
    /// True if an answer is wanted: it has heard of nobody yet, or somebody is new.
    asks: bool,
}

impl Mesh {
    /// Opens the session and starts to connect, in the background.
    ///
    /// # Errors
    /// [`MeshError`].
    pub fn open(config: Config) -> Result<Self, MeshError> {
        let inbox = Arc::new(Inbox::new(config.inbox));
        let session = session::Session::open(&config, &inbox)?;
        Ok(Self {
            config,
            session,
            lanes: BTreeMap::new(),
            inbox,
            hosted: BTreeMap::new(),
            within: 0,
            elsewhere: BTreeMap::new(),
            processes: BTreeSet::new(),
            traffic: BTreeMap::new(),
            hello_due: UnixNanos::new(0),
            hello_pause: HELLO_FIRST,
            counters: Counters::default(),
        })
    }

    /// This process.
    #[must_use]
    pub const fn me(&self) -> ProcessId {
        self.config.process
    }

    /// Takes an agent in, and announces it soon.
    pub fn host(&mut self, agent: AgentId) {
        self.hosted.entry(agent).or_insert_with(|| Mailbox::new(MAILBOX_CAPACITY));
        self.announce_soon();
    }

    /// An agent is gone; frames for it are dropped.
    pub fn dismiss(&mut self, agent: AgentId) {
        let left = self.hosted.remove(&agent).map_or(0, |mail| mail.len());
        self.within -= left;
    }

    /// True if frames between agents of this process wait to be read.
    #[must_use]
    pub const fn has_mail(&self) -> bool {
        self.within > 0
    }

    /// Where an agent lives, once that is known.
    #[must_use]
    pub fn place_of(&self, agent: AgentId) -> Option<ProcessId> {
        if self.hosted.contains_key(&agent) { Some(self.me()) } else { self.elsewhere.get(&agent).copied() }
    }

    /// What it did.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let overflowed = self.counters.overflowed + self.inbox.overflowed();
        Counters { overflowed, links_opened: self.session.links_opened(), ..self.counters }
    }

    /// Wakes [`Mesh::wait`] from any thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.inbox))
    }

    /// Waits until something has come, or until `due`; false if nothing has.
    pub fn wait(&self, now: UnixNanos, due: UnixNanos) -> bool {
        self.inbox.wait(Duration::from_nanos(due.since(now)))
    }

    /// When it wants to be woken.
    #[must_use]
    pub fn next_due(&self) -> UnixNanos {
        let batches = self.lanes.values().map(|lane| lane.batch.next_due());
        batches.min().unwrap_or(UnixNanos::MAX).min(self.hello_due)
    }

    /// The time has come: datagrams leave that have waited long enough, and announcements.
    pub fn on_time(&mut self, now: UnixNanos) {
        for lane in self.lanes.values_mut() {
            if let Some(datagram) = lane.batch.on_time(now) {
                put(&mut self.counters, lane, datagram);
            }
        }
        if now >= self.hello_due {
            self.session.count_links();
            let asks = self.hello_pause < HELLO_EVERY;
            self.announce(asks);
            self.hello_pause = (2 * self.hello_pause).min(HELLO_EVERY);
            self.hello_due = now.saturating_add(self.hello_pause);
        }
    }

    fn announce_soon(&mut self) {
        self.hello_pause = HELLO_FIRST;
        self.hello_due = UnixNanos::new(0);
    }

    fn announce(&mut self, asks: bool) {
        let agents: Vec<AgentId> = self.hosted.keys().copied().take(AGENTS_MAX).collect();
        let hello = Hello { process: self.me(), agents, asks };
        let bytes = postcard::to_allocvec(&hello).expect("numbers are plain data");
        self.counters.failed += u64::from(!self.session.announce(bytes));
    }

    fn on_hello(&mut self, bytes: &[u8]) {
        let Ok(hello) = postcard::from_bytes::<Hello>(bytes) else {
            self.counters.malformed += 1;
            return;
        };
        if hello.process == self.me() || hello.agents.len() > AGENTS_MAX {
            // Its own announcement does not come back: another process has this one's number.
            self.counters.forged += 1;
            return;
        }
        let is_new = self.processes.insert(hello.process);
        for agent in hello.agents {
            self.counters.forged += u64::from(!self.lives(agent, hello.process));
        }
        if is_new {
            self.announce_soon();
        } else if hello.asks {
            self.announce(false);
        }
    }

    /// True if an agent lives in that process: known to, or learned now.
    fn lives(&mut self, agent: AgentId, process: ProcessId) -> bool {
        if self.hosted.contains_key(&agent) {
            return false;
        }
        if let Some(place) = self.elsewhere.get(&agent) {
            return *place == process;
        }
        if self.elsewhere.len() < AGENTS_MAX {
            self.elsewhere.insert(agent, process);
        } else {
            self.counters.overflowed += 1;
        }
        true
    }

    /// Hands every frame that has come to `take`: for whom, from whom, the frame. How many those were.
    pub fn drain(&mut self, mut take: impl FnMut(AgentId, AgentId, &[u8])) -> usize {
        let mut count = 0;
        // What comes meanwhile waits for the next turn.
        for _ in 0..self.inbox.len() {
            let Some(item) = self.inbox.pop() else { break };
            match item {
                Item::Hello(bytes) => self.on_hello(&bytes),
                Item::Datagram { from, bytes } => count += self.open_datagram(from, &bytes, &mut take),
            }
        }
        let mut within = VecDeque::new();
        for (&to, mail) in &mut self.hosted {
            while let Some((_, (from, frame))) = mail.pop() {
                within.push_back((to, from, frame));
            }
        }
        count += within.len();
        self.within = 0;
        within.into_iter().for_each(|(to, from, frame)| take(to, from, &frame));
        count
    }

    fn open_datagram(
        &mut self,
        process: ProcessId,
        datagram: &[u8],
        take: &mut impl FnMut(AgentId, AgentId, &[u8]),
    ) -> usize {
        self.counters.datagrams_in += 1;
        self.counters.bytes_in += datagram.len() as u64;
        let mut count = 0;
        let mut frames = Batch::split(datagram);
        while let Some(address) = frames.next() {
            let (Ok(address), Some(Ok(frame))) = (address, frames.next()) else {
                self.counters.malformed += 1;
                break;
            };
            let Some((from, to)) = address_of(address) else {
                self.counters.malformed += 1;
                break;
            };
            if !self.lives(from, process) {
                self.counters.forged += 1;
            } else if self.hosted.contains_key(&to) {
                count += 1;
                take(to, from, frame);
            } else {
                self.counters.unknown += 1;
            }
        }
        self.counters.frames_in += count as u64;
        count
    }

    /// Sends a frame to another process, or keeps it for its datagram.
    fn dispatch(&mut self, now: UnixNanos, to: ProcessId, from: AgentId, parcel: &Parcel) -> Result<(), MeshError> {
        let key = (to, parcel.priority);
        if !self.lanes.contains_key(&key) {
            let publisher = self.session.publisher(&self.config.swarm, self.config.process, to, parcel.priority)?;
            let batch =
                Batch::new(self.config.batch_bytes.max(BATCH_MIN), self.config.batch_wait[parcel.priority as usize]);
            self.lanes.insert(key, Lane { publisher, batch });
            self.counters.lanes_opened += 1;
        }
        let lane = self.lanes.get_mut(&key).expect("it was just opened");
        self.counters.frames_out += 1;
        let address = address(from, parcel.to);
        if let Some(mut full) = lane.batch.push(now, &address) {
            // An address stays with its frame.
            full.truncate(full.len() - ADDRESS_BYTES);
            if !full.is_empty() {
                put(&mut self.counters, lane, full);
            }
            let again = lane.batch.push(now, &address);
            assert!(again.is_none(), "a datagram holds more than an address");
        }
        if let Some(datagram) = lane.batch.push(now, &parcel.bytes) {
            put(&mut self.counters, lane, datagram);
        }
        Ok(())
    }
}

fn put(counters: &mut Counters, lane: &Lane, datagram: Vec<u8>) {
    counters.datagrams_out += 1;
    counters.bytes_out += datagram.len() as u64;
    counters.failed += u64::from(lane.publisher.put(datagram).wait().is_err());
}

/// A frame's own envelope: from whom, to whom.
fn address(from: AgentId, to: AgentId) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&from.0.to_le_bytes());
    bytes[4..].copy_from_slice(&to.0.to_le_bytes());
    bytes
}

fn address_of(bytes: &[u8]) -> Option<(AgentId, AgentId)> {
    let (from, rest) = bytes.split_first_chunk()?;
    let (to, []) = rest.split_first_chunk()? else { return None };
    Some((AgentId(u32::from_le_bytes(*from)), AgentId(u32::from_le_bytes(*to))))
}

impl Transport for Mesh {
    fn send(&mut self, from: AgentId, parcel: Parcel) -> Result<(), SendError> {
        let Parcel { to, priority, .. } = parcel;
        let size = parcel.bytes.len() as u64;
        if let Some(mail) = self.hosted.get_mut(&to) {
            if let Err((_, bytes)) = mail.push(priority, (from, parcel.bytes)) {
                return Err(SendError::Full(Parcel { to, priority, bytes }));
            }
            self.counters.frames_within += 1;
            self.within += 1;
        } else {
            let Some(&place) = self.elsewhere.get(&to) else {
                self.counters.unknown += 1;
                return Err(SendError::Closed(to));
            };
            if self.dispatch(crate::clock::now(), place, from, &parcel).is_err() {
                self.counters.failed += 1;
                return Err(SendError::Closed(to));
            }
        }
        let traffic = self.traffic.entry((from, to)).or_default();
        traffic.messages += 1;
        traffic.bytes += size;
        Ok(())
    }

    fn receive(&mut self, at: AgentId) -> Option<(AgentId, Vec<u8>)> {
        if self.inbox.len() > 0 {
            let mut came = Vec::new();
            while let Some(item) = self.inbox.pop() {
                match item {
                    Item::Hello(bytes) => self.on_hello(&bytes),
                    Item::Datagram { from, bytes } => {
                        self.open_datagram(from, &bytes, &mut |to, from, frame: &[u8]| {
                            came.push((to, from, frame.to_vec()))
                        });
                    }
                }
            }
            for (to, from, frame) in came {
                // The datagram had a priority, its frames in this box are those of one process.
                let full =
                    self.hosted.get_mut(&to).is_none_or(|mail| mail.push(Priority::Normal, (from, frame)).is_err());
                self.counters.overflowed += u64::from(full);
                self.within += usize::from(!full);
            }
        }
        let (_, mail) = self.hosted.get_mut(&at)?.pop()?;
        self.within -= 1;
        Some(mail)
    }

    fn traffic(&self) -> BTreeMap<(AgentId, AgentId), Traffic> {
        self.traffic.clone()
    }
}

/// Wakes a process that waits for frames.
#[derive(Debug, Clone)]
pub struct Waker(Arc<Inbox>);

impl Waker {
    /// Wakes it, now or the next time it is about to wait.
    pub fn wake(&self) {
        self.0.wake();
    }
}

/// Counts what threads of the network did.
#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Count {
    fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
