//! The side of a provider's process: confinement, role, orders.
//!
//! Invariant: a process ends when its provider does. It is killed by the system's death signal; where that does not
//! come, by its own watch over the socket, which the kernel closes with the provider's last thread.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpid, kill_process};
use starling_swarm::id::AgentId;

use super::sandbox::{self, Network, Seal};
use super::word::{BadWord, Order, Report, VERSION, Words, encode, room};
use crate::provider::{Assignment, Layers, Limits, WORD_MAX};

/// Orders that wait for the agent. Above, the provider's words wait in the socket.
const ORDERS_MAX: usize = 256;

/// What a provider tells its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Told {
    /// It stood by; now it acts, under this number. [`Inside::ready`] answers.
    Activate {
        /// Its number from now on.
        agent: AgentId,
        /// Whom it replaces.
        replaces: AgentId,
    },
    /// The caller's words.
    Words(Vec<u8>),
    /// End: leave the swarm, write what must not be lost, return from `main`.
    Stop,
}

/// Why a process could not become an agent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnterError {
    /// Standard input is no socket of a provider.
    #[error("standard input is no socket of a provider, which alone starts this command: {0}")]
    NoProvider(io::Error),
    /// The provider says what nobody understands.
    #[error("the provider speaks another language: {0}")]
    Language(String),
}

type Wake = Box<dyn Fn() + Send>;

/// Called when something was told.
#[derive(Clone, Default)]
struct OnTold(Arc<Mutex<Option<Wake>>>);

impl OnTold {
    fn lock(&self) -> MutexGuard<'_, Option<Wake>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for OnTold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnTold").finish_non_exhaustive()
    }
}

/// An agent's process, confined, with its role.
#[derive(Debug)]
pub struct Inside {
    assignment: Assignment,
    folder: PathBuf,
    layers: Layers,
    link: Arc<Mutex<UnixStream>>,
    told: Receiver<Told>,
    on_told: OnTold,
    /// Locked until this process is no more.
    _lock: Option<File>,
}

impl Inside {
    /// Makes this process, which a provider has started, an agent's: to be called first in `main`, before there is a
    /// second thread. Returns when there is a role; never, where the process is to clean up after others.
    ///
    /// # Errors
    /// [`EnterError`], where no provider started it.
    pub fn enter() -> Result<Self, EnterError> {
        let no_provider = EnterError::NoProvider;
        let mut link = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().map_err(no_provider)?);
        link.peer_addr().map_err(no_provider)?;
        // Whoever reads standard input finds nothing, and the socket closes with `link`.
        let null = File::open("/dev/null").map_err(no_provider)?;
        rustix::stdio::dup2_stdin(&null).map_err(|error| no_provider(error.into()))?;
        let (mut words, mut room) = (Words::default(), room());
        let seal = match hear(&mut link, &mut words, &mut room)? {
            Order::Seal(seal) => seal,
            Order::Clean { run } => clean(&mut link, run),
            other => return Err(EnterError::Language(format!("{other:?} before everything else"))),
        };
        let lock = File::open(&seal.lock).and_then(|lock| lock.lock_shared().map(|()| lock)).ok();
        let layers = sandbox::seal(&seal);
        // Whose parent died before the death signal was set reads the end of the socket now.
        let sealed = Report::Sealed { version: VERSION, number: seal.number, layers };
        link.write_all(&encode(&sealed)).unwrap_or_else(|_| die());
        let assignment = match hear(&mut link, &mut words, &mut room)? {
            Order::Act(assignment) => assignment,
            Order::Stop => std::process::exit(0),
            other => return Err(EnterError::Language(format!("{other:?} where a role was due"))),
        };
        let (tell, told) = sync_channel(ORDERS_MAX);
        let heard = link.try_clone().map_err(no_provider)?;
        let watch = std::thread::Builder::new().name("provider".into()).stack_size(128 << 10);
        let on_told = OnTold::default();
        let theirs = on_told.clone();
        watch.spawn(move || listen(heard, words, &tell, &theirs)).map_err(no_provider)?;
        let link = Arc::new(Mutex::new(link));
        Ok(Self { assignment, folder: seal.folder, layers, link, told, on_told, _lock: lock })
    }

    /// Its role.
    #[must_use]
    pub const fn assignment(&self) -> &Assignment {
        &self.assignment
    }

    /// Its own folder, with all that an agent it replaces has left there. The only place where it may write.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The layers of the sandbox that are in force.
    #[must_use]
    pub const fn layers(&self) -> Layers {
        self.layers
    }

    /// Tells the provider that the agent of this number is ready to act; of one that stands by, that it is prepared.
    pub fn ready(&self, agent: AgentId) {
        self.report(&Report::Ready { agent });
    }

    /// Says something to the provider's caller.
    ///
    /// # Panics
    /// If it is more than [`WORD_MAX`] bytes.
    pub fn say(&self, words: Vec<u8>) {
        assert!(words.len() <= WORD_MAX, "{} bytes are more than {WORD_MAX}", words.len());
        self.report(&Report::Say(words));
    }

    fn report(&self, report: &Report) {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.write_all(&encode(report)).unwrap_or_else(|_| die());
    }

    /// The next thing the provider tells, waited for at most so long.
    #[must_use]
    pub fn next(&self, at_most: Duration) -> Option<Told> {
        self.told.recv_timeout(at_most).ok()
    }

    /// Calls `wake` whenever the provider tells something: for who waits for other things, too.
    pub fn on_told(&self, wake: impl Fn() + Send + 'static) {
        // What was told before counts, too.
        self.on_told.lock().insert(Box::new(wake))();
    }

    /// What the provider tells.
    #[must_use]
    pub const fn told(&self) -> &Receiver<Told> {
        &self.told
    }
}

/// The provider is no more, and so is this process: at once, whatever its other threads are at.
fn die() -> ! {
    let _ = kill_process(getpid(), Signal::KILL);
    std::process::abort()
}

/// The next order; at the end of the conversation this process ends.
fn hear(link: &mut UnixStream, words: &mut Words, room: &mut [u8]) -> Result<Order, EnterError> {
    let language = |bad: BadWord| EnterError::Language(bad.to_string());
    loop {
        if let Some(order) = words.next().map_err(language)? {
            return Ok(order);
        }
        match words.read(link, room) {
            Ok(0) => die(),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => die(),
        }
    }
}

fn listen(mut link: UnixStream, mut words: Words, tell: &SyncSender<Told>, on_told: &OnTold) {
    let mut room = room();
    loop {
        let Ok(order) = hear(&mut link, &mut words, &mut room) else { die() };
        let mut told = match order {
            Order::Activate { agent, replaces } => Told::Activate { agent, replaces },
            Order::Say(words) => Told::Words(words),
            Order::Stop => Told::Stop,
            Order::Seal(_) | Order::Clean { .. } | Order::Act(_) => die(),
        };
        // An agent that does not listen must not hide the provider's end.
        while let Err(TrySendError::Full(again)) = tell.try_send(told) {
            told = again;
            let gone = PollFlags::RDHUP | PollFlags::HUP;
            let pause = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
            let mut ends = [PollFd::new(&link, gone)];
            if poll(&mut ends, Some(&pause)).is_ok_and(|count| count > 0) && ends[0].revents().intersects(gone) {
                die();
            }
        }
        if let Some(wake) = &*on_told.lock() {
            wake();
        }
    }
}

/// Waits for the provider's end and for that of all its processes, and removes what they leave.
fn clean(link: &mut UnixStream, run: PathBuf) -> ! {
    let lock = super::lock_of(&run);
    let held = File::open(&lock);
    let parent = run.parent().map(Path::to_path_buf).unwrap_or_default();
    let limits = Limits { threads: 4096, ..Limits::default() };
    sandbox::seal(&Seal {
        number: 0,
        folder: parent,
        lock,
        read: Vec::new(),
        limits,
        network: Network::Closed,
        dies_with_parent: false,
    });
    let mut bytes = [0; 64];
    while link.read(&mut bytes).is_ok_and(|count| count > 0) {}
    if let Ok(held) = held {
        // Everybody else's lock is shared, and the kernel drops it with its process.
        let _ = held.lock();
        let _ = std::fs::remove_dir_all(&run);
    }
    std::process::exit(0)
}
