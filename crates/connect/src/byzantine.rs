//! Byzantine atomic broadcast: the same batches in the same order at all correct members, while less than a third lie.
//!
//! ```text
//!  submit ─► desk ─► unit ─► aleph-bft, a session ─► units in the common order ─► admit once ─► log ─► tray ─► next
//!             │               │        ▲                                            │
//!           outbox          backup   links (TCP)                         session's end: checkpoint, signed
//!            (disk)          (disk)                                      a quorum's: its backup and DAG are dropped
//! ```
//!
//! aleph-bft 0.45 orders units (a DAG of them, signed, in rounds); the rest is here and in [`starling_swarm::byzantine`],
//! which knows nothing of it, so that another broadcast could take its place. It keeps all it ever ordered in memory, and
//! its rounds are 16 bit. So it runs in *sessions* of [`Config::session_units`] units, or fewer once
//! [`Config::session_bytes`] were ordered. The next one is begun with the one under way, makes its first units some rounds
//! before that ends, and takes new batches shortly before, so that a batch hardly waits for the change. Whole batches are
//! ordered, not their hashes: a hash would need a second protocol that proves the batch can be had, and a session's batches
//! are what short sessions bound anyway.
//!
//! # Who was away
//! comes back by its backup: the session under way is ordered again from its first unit, in silence, and its own batches
//! that were not ordered are handed in again. If the others went on to later sessions meanwhile, it takes those from them:
//! the log of a session is believed if its digest is that of a checkpoint that a quorum signed. Logs are kept for
//! [`Config::archive`] sessions; who was away for longer is told so ([`Event::Stranded`]).
//!
//! An agent reads [`Event`]s: batches, and ends of sessions. It may keep its state at an end, and says with
//! [`Config::from`] where to begin again; from there on it is told the very same batches.
//!
//! # Invariants
//! Of a batch number of one member, one batch is told, at all correct members, at the same place. A member says nothing
//! that contradicts what it said before it died ([`shelf`]). Memory is bounded: two sessions' units and
//! fixed queues; what does not fit is dropped and asked for again. An agent that does not read holds up nobody else.
//!
//! Not here: members that come or go, confidentiality (see [`link`]), and a machine's loss of power (see [`shelf`]).

mod desk;
mod driver;
mod link;
mod run;
mod shelf;
#[cfg(test)]
mod tests;
mod tray;
mod unit;
mod workers;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use starling_swarm::byzantine::{AtomicBroadcast, BadBatch, Batch, Checkpoint, Item, Length, Sessions};
use starling_swarm::id::AgentId;
use starling_swarm::identity::{Identity, KeyBook, Transcript};
use tokio::sync::{mpsc, oneshot};

use desk::Desk;
pub use desk::{OPEN_BYTES_MAX, OPEN_MAX};
use driver::Driver;
use link::Links;
use shelf::{Clerk, Shelf};
use tray::Tray;
pub use tray::UNREAD_MAX;
use unit::Keys;
pub use workers::Threads;

/// Rounds before a session's end at which the next one makes its first units.
const OVERLAP_ROUNDS: u32 = 48;
/// Rounds before a session's end at which new batches go into the next one's units: about what it takes to order one.
const SWITCH_ROUNDS: u32 = 6;
/// What links may say before the driver has heard it: some 17 MiB, if all of it is pieces of logs.
const NEWS_MAX: usize = 64;

/// How a member takes part.
#[derive(Debug, Clone)]
pub struct Config {
    /// The broadcast's name. Members of one broadcast have the same name, members and session length.
    pub name: String,
    /// All members, this one among them, in any order.
    pub members: Vec<AgentId>,
    /// Where those with lower numbers listen; the others dial.
    pub peers: BTreeMap<AgentId, SocketAddr>,
    /// What is kept of this member, and of no other.
    pub folder: PathBuf,
    /// From one round to the next. A batch is ordered after about five.
    pub pace: Duration,
    /// Units a session has at most. One of n members makes one per round.
    pub session_units: u32,
    /// Bytes of batches that a session orders, before it ends within 48 rounds: what bounds its memory, however slow its
    /// rounds are and however much is handed in.
    pub session_bytes: u64,
    /// Ended sessions that are kept for others.
    pub archive: u64,
    /// The first session whose batches the agent wants to be told (again). It may be the one after that under way: an end
    /// is told before it is on disk, and who dies in between orders the session again.
    pub from: u64,
}

impl Config {
    /// Of these members; rounds of 5 ms, sessions of 3,000 rounds (15 s and more) or 32 MiB, 64 of them kept.
    #[must_use]
    pub fn new(name: &str, members: &[AgentId], folder: PathBuf) -> Self {
        let session_units = u32::try_from(members.len()).map_or(u32::MAX, |members| members.saturating_mul(3_000));
        Self {
            name: name.to_owned(),
            members: members.to_owned(),
            peers: BTreeMap::new(),
            folder,
            pace: Duration::from_millis(5),
            session_units,
            session_bytes: 32 << 20,
            archive: 64,
            from: 0,
        }
    }

    fn length(&self) -> Length {
        let members = u32::try_from(self.members.len()).expect("keys fit into memory");
        Length { units: self.session_units, bytes: self.session_bytes, tail: OVERLAP_ROUNDS.saturating_mul(members) }
    }
}

/// What an agent is told, in the same order at all members.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The next batch.
    Batch {
        /// That ordered it.
        session: u64,
        /// With its author, as proven by its author's key.
        batch: Batch,
    },
    /// A session is over; a good time to keep one's state.
    Ended(Checkpoint),
    /// The others are further than they can help this member over: it needs the state of another.
    Stranded {
        /// Where it stands.
        session: u64,
        /// The oldest session that somebody has.
        oldest: u64,
    },
    /// It has stopped, and why.
    Stopped(String),
}

/// What happened, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// The session under way.
    pub session: u64,
    /// Units ordered.
    pub units: u64,
    /// Batches told.
    pub batches: u64,
    /// Ordered more than once, and told once.
    pub again: u64,
    /// Ordered and refused: of nobody, far ahead, or no batch at all.
    pub refused: u64,
    /// Sessions taken from another member's log.
    pub fetched: u64,
    /// Sessions that had to be begun again.
    pub restarts: u64,
    /// Messages that found no link, no session, or no room.
    pub dropped: u64,
    /// Members to whom a link stands.
    pub links: usize,
    /// Own batches that are not ordered yet.
    pub open: usize,
}

#[derive(Debug, Default)]
struct Tally {
    session: AtomicU64,
    units: AtomicU64,
    batches: AtomicU64,
    again: AtomicU64,
    refused: AtomicU64,
    fetched: AtomicU64,
    restarts: AtomicU64,
}

impl Tally {
    fn add(of: &AtomicU64) {
        of.fetch_add(1, Ordering::Relaxed);
    }
}

/// Why a member cannot take part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its agent is not among the members.
    #[error("{0} is not among the members: name it there, or take another identity")]
    Stranger(AgentId),
    /// A member without a key or named twice.
    #[error("{0} has no key in the book, or is a member twice: name each member once and enter its key")]
    Member(AgentId),
    /// A session length out of bounds.
    #[error("sessions of {units} units do not fit {members} members: {least} to {most} do")]
    Length {
        /// What is configured.
        units: u32,
        /// For how many.
        members: usize,
        /// At least.
        least: u32,
        /// At most.
        most: u32,
    },
    /// The folder is of another broadcast.
    #[error("{folder} holds another broadcast's files (session {session}): give each its own folder")]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// Where it was seen.
        session: u64,
    },
    /// The agent wants to be told what is not there.
    #[error(
        "session {from} is not kept, {oldest} to {current} are: begin at one of those or the next, with the state of its begin"
    )]
    From {
        /// What it wants.
        from: u64,
        /// The oldest that is there.
        oldest: u64,
        /// The one under way.
        current: u64,
    },
    /// Files or sockets.
    #[error("{what}: {why}")]
    Io {
        /// What was attempted.
        what: String,
        /// What came of it.
        why: io::Error,
    },
}

impl Error {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |why| Self::Io { what, why }
    }
}

/// A member. It works on a thread of its own, and leaves when dropped.
pub struct Node {
    desk: Arc<Desk>,
    tray: Arc<Tray>,
    tally: Arc<Tally>,
    links: Arc<Links>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("counters", &self.counters()).finish()
    }
}

impl Node {
    /// Takes part. `keys` are all members'; on `listener` those with higher numbers are heard.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open(
        config: Config,
        identity: Identity,
        keys: Arc<KeyBook>,
        listener: Option<TcpListener>,
    ) -> Result<Self, Error> {
        let keys = members(&config, identity, keys)?;
        let me = keys.identity.agent();
        let shelf = Shelf::open(&config.folder).map_err(Error::io(format!("opening {}", config.folder.display())))?;
        let files = |what: &'static str| Error::io(format!("{what} in {}", config.folder.display()));
        let marks = shelf.marks().map_err(files("reading sessions"))?;
        if let Some(other) = marks.iter().find(|mark| mark.checkpoint.broadcast != keys.broadcast) {
            return Err(Error::Folder { folder: config.folder, session: other.checkpoint.session });
        }
        let sessions = marks
            .last()
            .map_or_else(|| Sessions::new(config.length(), keys.members.iter().copied()), |mark| mark.sessions.clone());
        let oldest = marks.first().map_or(sessions.current(), |mark| mark.checkpoint.session);
        // What came before the oldest session is known only where nothing did.
        let oldest = if oldest == 0 || oldest == sessions.current() { oldest } else { oldest + 1 };
        if !(oldest..=sessions.current() + 1).contains(&config.from) {
            return Err(Error::From { from: config.from, oldest, current: sessions.current() });
        }
        let clerk = Clerk::new(&format!("byzantine {}", me.0)).map_err(Error::io("starting the node's clerk"))?;
        let (left, outbox) = shelf.outbox(clerk.clone()).map_err(files("reading own batches"))?;
        let (desk, tray) = (Arc::new(Desk::new(me, &sessions, left, outbox)), Arc::new(Tray::default()));
        let tally = Arc::new(Tally::default());
        tally.session.store(sessions.current(), Ordering::Relaxed);
        let (news, heard) = mpsc::channel(NEWS_MAX);
        let links = Arc::new(Links::new(keys.clone(), news));
        let (stop, stops) = oneshot::channel();
        let (opened, opens) = std::sync::mpsc::channel();
        let parts = (Arc::clone(&desk), Arc::clone(&tray), Arc::clone(&tally), Arc::clone(&links));
        let work = move || {
            let (desk, tray, tally, links) = parts;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime.map_err(Error::io("starting the node's thread")) {
                Ok(runtime) => runtime,
                Err(why) => return drop(opened.send(Err(why))),
            };
            let folder = config.folder.display().to_string();
            let end = runtime.block_on(async {
                if let Err(why) = connect(&config, &keys, &links, listener) {
                    let _ = opened.send(Err(why));
                    return Ok(());
                }
                let (files, begin) = ((shelf, clerk.clone()), (sessions, marks.last()));
                let driver =
                    Driver::new(config, keys, files, links, Arc::clone(&desk), Arc::clone(&tray), tally, begin);
                let mut driver = match driver.map_err(Error::io(format!("beginning a session in {folder}"))) {
                    Ok(driver) => driver,
                    Err(why) => {
                        let _ = opened.send(Err(why));
                        return Ok(());
                    }
                };
                let _ = opened.send(Ok(()));
                tokio::select! {
                    end = driver.drive(marks, heard) => end,
                    _ = stops => Ok(()),
                }
            });
            desk.stop();
            // Who opens the node again finds all as it was left.
            clerk.finish();
            let why = end.map_or_else(|why| why.to_string(), |()| "it was told to".to_owned());
            tray.put(Event::Stopped(why));
        };
        let thread = std::thread::Builder::new().name(format!("byzantine {}", me.0)).spawn(work);
        let thread = thread.map_err(Error::io("starting the node's thread"))?;
        let stopped = || Error::io("starting the node's thread")(io::ErrorKind::BrokenPipe.into());
        opens.recv().unwrap_or_else(|_| Err(stopped()))?;
        Ok(Self { desk, tray, tally, links, stop: Some(stop), thread: Some(thread) })
    }

    /// The next event, waited for at most so long.
    #[must_use]
    pub fn next(&self, at_most: Duration) -> Option<Event> {
        self.tray.next(at_most)
    }

    /// Hands items in, to be ordered as one batch. See [`AtomicBroadcast::submit`]; any thread may.
    ///
    /// # Errors
    /// [`BadBatch`].
    pub fn hand_in(&self, items: &[Item]) -> Result<u64, BadBatch> {
        self.desk.submit(items)
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Tally { session, units, batches, again, refused, fetched, restarts } = &*self.tally;
        Counters {
            session: read(session),
            units: read(units),
            batches: read(batches),
            again: read(again),
            refused: read(refused),
            fetched: read(fetched),
            restarts: read(restarts),
            dropped: self.links.dropped(),
            links: self.links.up(),
            open: self.desk.open(),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl AtomicBroadcast for Node {
    fn submit(&mut self, items: &[Item]) -> Result<u64, BadBatch> {
        self.hand_in(items)
    }

    fn poll(&mut self) -> Option<(u64, Batch)> {
        loop {
            if let Event::Batch { session, batch } = self.next(Duration::ZERO)? {
                return Some((session, batch));
            }
        }
    }
}

/// Checks who takes part, and derives the broadcast's name.
fn members(config: &Config, identity: Identity, book: Arc<KeyBook>) -> Result<Keys, Error> {
    let mut members = config.members.clone();
    members.sort_unstable();
    let twice = members.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
    let keyless = members.iter().copied().find(|agent| !book.contains(*agent));
    if let Some(agent) = twice.or(keyless) {
        return Err(Error::Member(agent));
    }
    if members.binary_search(&identity.agent()).is_err() {
        return Err(Error::Stranger(identity.agent()));
    }
    let units = config.session_units;
    let count = u32::try_from(members.len()).expect("keys fit into memory");
    let least = 2 * count * OVERLAP_ROUNDS;
    if units < least || run::rounds(units, members.len()).is_none() {
        let most =
            (least..=u32::from(u16::MAX) * count).rev().find(|units| run::rounds(*units, members.len()).is_some());
        return Err(Error::Length { units, members: members.len(), least, most: most.unwrap_or(least) });
    }
    let mut name = Transcript::new("byzantine broadcast");
    name.bytes(config.name.as_bytes());
    name.u32(units);
    name.u64(config.session_bytes);
    members.iter().for_each(|agent| name.u32(agent.0));
    Ok(Keys { identity: Arc::new(identity), book, members: members.into(), broadcast: name.digest() })
}

/// Begins to listen and to dial.
fn connect(config: &Config, keys: &Keys, links: &Arc<Links>, listener: Option<TcpListener>) -> Result<(), Error> {
    if let Some(listener) = listener {
        let listens = listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener));
        let listener = listens.map_err(Error::io("listening for the other members"))?;
        tokio::spawn(Arc::clone(links).listen(listener));
    }
    let me = keys.identity.agent();
    for (agent, address) in config.peers.iter().filter(|(agent, _)| **agent < me) {
        let place = keys.place(*agent).ok_or(Error::Stranger(*agent))?;
        tokio::spawn(Arc::clone(links).dial(place, *address));
    }
    Ok(())
}
