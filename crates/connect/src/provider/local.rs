//! Agents as processes of this machine, each in a sandbox.
//!
//! ```text
//!  caller ── orders ──► supervisor (a thread) ── starts ──► agent's process: seal ─► "sealed" ─► role ─► "ready"
//!         ◄─ events ──    waits on pidfds,                   spare: seal ─► "sealed" ... waits for a role
//!                         sockets, orders      ── starts ──► cleaner: waits until all are gone, removes the folder
//! ```
//!
//! Each process is this very program, started with the arguments of [`Settings::arguments`]; its `main` must come to
//! [`inside::Inside::enter`] before it starts a thread. Standard input is the socket, so nothing has to be passed between
//! fork and exec and there is no `unsafe`.
//!
//! Invariant: when the provider is dropped, or killed by whatever signal, its processes end, and its folder is removed by
//! the last of them. The supervisor's thread starts them all and lives as long as any, since the system's death signal
//! comes at the end of the thread that started a process, and not of the process that thread belongs to.

pub mod inside;
mod resources;
mod sandbox;
mod supervisor;
mod word;

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};
use starling_core::UnixNanos;
use starling_swarm::cost::Ledger;
use starling_swarm::id::AgentId;

use crate::provider::{Event, How, Limits, Measured, Phase, Provider, ProviderError, Spec, Status, WORD_MAX};
pub use sandbox::Network;
use supervisor::Supervisor;

/// Events that wait for the caller; above, the oldest are dropped and counted.
pub const EVENTS_MAX: usize = 4096;
/// Agents that are gone and still known.
pub const GONE_MAX: usize = 1024;
/// Orders that wait for the supervisor.
const ORDERS_MAX: usize = 1024;

/// A provider's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder under which each provider has one of its own.
    pub folder: PathBuf,
    /// The program; this one by default.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment: nothing of the caller's, where secrets may be.
    pub environment: Vec<(OsString, OsString)>,
    /// What each may use.
    pub limits: Limits,
    /// To whom each may talk.
    pub network: Network,
    /// What each may read besides its own folder.
    pub read: Vec<PathBuf>,
    /// Processes that wait for a role.
    pub spares: usize,
    /// Most agents at a time.
    pub agents_max: usize,
    /// How long an agent may take to end after it was asked.
    pub grace: Duration,
    /// How long a process may take to be sealed, or ready.
    pub patience: Duration,
    /// An agent and those that replaced it may die so often within [`Settings::deaths_within`].
    pub deaths_max: usize,
    /// See [`Settings::deaths_max`].
    pub deaths_within: Duration,
    /// The numbers of replacements: from here on. No other provider of the swarm may use them.
    pub replacements_from: u32,
    /// Refuse processes whose sandbox is not [`crate::provider::Layers::is_full`].
    pub strict: bool,
}

impl Settings {
    /// Under `folder`, this program with `arguments`: two spares, up to 64 agents, 5 s of grace, 10 s of patience, five
    /// deaths a minute, libraries and certificates to read, TCP and UDP open, layers reported but not demanded.
    ///
    /// # Errors
    /// [`ProviderError::Io`] if the system does not say which program this is.
    pub fn new(
        folder: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Result<Self, ProviderError> {
        let what = "find this program";
        let program = std::env::current_exe().map_err(|source| ProviderError::Io { what, source })?;
        let libraries = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ssl", "/usr/share/zoneinfo", "/dev/urandom"];
        Ok(Self {
            folder: folder.into(),
            read: libraries.into_iter().map(PathBuf::from).chain([program.clone()]).collect(),
            program,
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            limits: Limits::default(),
            network: Network::Open,
            spares: 2,
            agents_max: 64,
            grace: Duration::from_secs(5),
            patience: Duration::from_secs(10),
            deaths_max: 5,
            deaths_within: Duration::from_secs(60),
            replacements_from: 1 << 24,
            strict: false,
        })
    }
}

/// What caller and supervisor share.
#[derive(Debug)]
struct Shared {
    board: Mutex<Board>,
    changed: Condvar,
    /// Raised to wake the supervisor.
    wake: OwnedFd,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Board {
    agents: BTreeMap<AgentId, Status>,
    gone: VecDeque<AgentId>,
    events: VecDeque<Event>,
    dropped: u64,
    spares: usize,
    ended: bool,
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

impl Board {
    fn tell(&mut self, event: Event) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back(event);
    }

    fn end(&mut self, agent: AgentId, phase: Phase) {
        let Some(status) = self.agents.get_mut(&agent) else { return };
        status.phase = phase;
        status.process = None;
        status.has_standby = false;
        self.gone.push_back(agent);
        if self.gone.len() > GONE_MAX
            && let Some(oldest) = self.gone.pop_front()
        {
            self.agents.remove(&oldest);
        }
    }
}

#[derive(Debug)]
enum Command {
    Spawn(Spec, Instant),
    Stop(AgentId, How),
    Restart(AgentId, How),
    Say(AgentId, Vec<u8>, SyncSender<Result<(), ProviderError>>),
    Measure(AgentId, SyncSender<Result<Measured, ProviderError>>),
}

/// Agents as processes of this machine.
#[derive(Debug)]
pub struct Processes {
    orders: Option<SyncSender<Command>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    run: PathBuf,
    agents_max: usize,
    replacements_from: u32,
    used: std::collections::BTreeSet<AgentId>,
}

impl Processes {
    /// A provider without agents yet; its spares are being started. What providers that were killed left in the same
    /// folder is removed.
    ///
    /// # Errors
    /// The folder cannot be used, or the system gives no thread.
    pub fn open(settings: Settings, ledger: Ledger) -> Result<Self, ProviderError> {
        let io = |what| move |source: io::Error| ProviderError::Io { what, source };
        let (run, lock) = claim(&settings.folder)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let wake = wake.map_err(|error| io("make an event descriptor")(error.into()))?;
        let board = Mutex::default();
        let shared = Arc::new(Shared { board, changed: Condvar::new(), wake, ledger: Mutex::new(ledger) });
        let (orders, commands) = sync_channel(ORDERS_MAX);
        let (agents_max, replacements_from) = (settings.agents_max, settings.replacements_from);
        let theirs = Arc::clone(&shared);
        let folder = run.clone();
        let thread = std::thread::Builder::new().name("supervisor".into());
        let work = move || Supervisor::new(settings, folder, lock, commands, theirs).run();
        let thread = thread.spawn(work).map_err(io("start the supervisor's thread"))?;
        let used = std::collections::BTreeSet::new();
        Ok(Self { orders: Some(orders), shared, thread: Some(thread), run, agents_max, replacements_from, used })
    }

    /// The folder of this provider, which goes with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.run
    }

    /// Processes that wait for a role now.
    #[must_use]
    pub fn spares(&self) -> usize {
        self.shared.board().spares
    }

    /// Waits until so many processes wait for a role; false if time was up.
    pub fn wait_spares(&self, spares: usize, at_most: Duration) -> bool {
        let waiting = |board: &mut Board| board.spares < spares && !board.ended;
        let board = self.shared.board();
        let waited = self.shared.changed.wait_timeout_while(board, at_most, waiting);
        waited.unwrap_or_else(PoisonError::into_inner).0.spares >= spares
    }

    /// Events that were dropped because nobody took them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.board().dropped
    }

    /// The ledger, read or set under its lock.
    pub fn with_ledger<R>(&self, read: impl FnOnce(&mut Ledger, UnixNanos) -> R) -> R {
        read(&mut self.shared.ledger(), crate::clock::now())
    }

    fn order(&self, command: Command) -> Result<(), ProviderError> {
        let orders = self.orders.as_ref().ok_or(ProviderError::Ended)?;
        orders.send(command).map_err(|_| ProviderError::Ended)?;
        self.shared.wake();
        Ok(())
    }

    fn ask<T>(
        &self,
        question: impl FnOnce(SyncSender<Result<T, ProviderError>>) -> Command,
    ) -> Result<T, ProviderError> {
        let (answer, answered) = sync_channel(1);
        self.order(question(answer))?;
        answered.recv().map_err(|_| ProviderError::Ended)?
    }

    fn known(&self, agent: AgentId) -> Result<Status, ProviderError> {
        let status = self.status(agent).filter(|status| !matches!(status.phase, Phase::Gone(_)));
        status.ok_or(ProviderError::Unknown(agent))
    }
}

impl Provider for Processes {
    fn spawn(&mut self, spec: Spec) -> Result<(), ProviderError> {
        let ordered = Instant::now();
        if spec.role.len() > WORD_MAX {
            return Err(ProviderError::TooLong(spec.role.len()));
        }
        let running = {
            let board = self.shared.board();
            board.agents.values().filter(|status| !matches!(status.phase, Phase::Gone(_))).count()
        };
        if running >= self.agents_max {
            return Err(ProviderError::Full(running));
        }
        self.shared.ledger().check(crate::clock::now())?;
        if spec.agent.0 >= self.replacements_from || !self.used.insert(spec.agent) {
            return Err(ProviderError::Reused(spec.agent));
        }
        let starting = Status {
            phase: Phase::Starting,
            process: None,
            layers: None,
            replaces: None,
            warm: false,
            took_ns: None,
            has_standby: false,
        };
        self.shared.board().agents.insert(spec.agent, starting);
        self.order(Command::Spawn(spec, ordered))
    }

    fn restart(&mut self, agent: AgentId, how: How) -> Result<(), ProviderError> {
        self.known(agent)?;
        self.order(Command::Restart(agent, how))
    }

    fn stop(&mut self, agent: AgentId, how: How) -> Result<(), ProviderError> {
        self.known(agent)?;
        self.order(Command::Stop(agent, how))
    }

    fn say(&mut self, agent: AgentId, words: &[u8]) -> Result<(), ProviderError> {
        if words.len() > WORD_MAX {
            return Err(ProviderError::TooLong(words.len()));
        }
        self.ask(|answer| Command::Say(agent, words.to_vec(), answer))
    }

    fn status(&self, agent: AgentId) -> Option<Status> {
        self.shared.board().agents.get(&agent).copied()
    }

    fn agents(&self) -> Vec<(AgentId, Status)> {
        self.shared.board().agents.iter().map(|(agent, status)| (*agent, *status)).collect()
    }

    fn measure(&mut self, agent: AgentId) -> Result<Measured, ProviderError> {
        self.ask(|answer| Command::Measure(agent, answer))
    }

    fn wait_ready(&mut self, agent: AgentId, at_most: Duration) -> Result<Status, ProviderError> {
        let starting = |board: &mut Board| {
            !board.ended && board.agents.get(&agent).is_some_and(|status| status.phase == Phase::Starting)
        };
        let board = self.shared.board();
        let waited = self.shared.changed.wait_timeout_while(board, at_most, starting);
        let board = waited.unwrap_or_else(PoisonError::into_inner).0;
        let status = *board.agents.get(&agent).ok_or(ProviderError::Unknown(agent))?;
        match status.phase {
            Phase::Ready => Ok(status),
            _ if board.ended => Err(ProviderError::Ended),
            phase => Err(ProviderError::NotReady { agent, waited: at_most, phase }),
        }
    }

    fn next_event(&mut self, at_most: Duration) -> Option<Event> {
        let none = |board: &mut Board| board.events.is_empty() && !board.ended;
        let board = self.shared.board();
        let waited = self.shared.changed.wait_timeout_while(board, at_most, none);
        waited.unwrap_or_else(PoisonError::into_inner).0.events.pop_front()
    }
}

impl Drop for Processes {
    /// Ends every agent, softly, and waits until all are gone and the folder is removed.
    fn drop(&mut self) {
        self.orders = None;
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The file that all processes of a provider keep locked.
fn lock_of(run: &Path) -> PathBuf {
    run.join("lock")
}

/// Removes what is left of providers that are no more, and makes a folder for this one.
fn claim(folder: &Path) -> Result<(PathBuf, File), ProviderError> {
    static CLAIMED: AtomicU64 = AtomicU64::new(0);
    let failed = |what, path: &Path| {
        let path = path.to_path_buf();
        move |source| ProviderError::Folder { what, path, source }
    };
    fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
    let folder = folder.canonicalize().map_err(failed("find the folder", folder))?;
    for entry in fs::read_dir(&folder).map_err(failed("list", &folder))?.flatten() {
        let is_run = entry.file_name().to_string_lossy().starts_with("run-");
        // Who can lock it alone is alone with it; one without a lock is what is left where somebody died removing it.
        let is_left = match File::open(lock_of(&entry.path())) {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if is_run && is_left {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    // Renamed only when it is locked, lest another provider takes it for left behind.
    let name = format!("{}-{}", std::process::id(), CLAIMED.fetch_add(1, Ordering::Relaxed));
    let (new, run) = (folder.join(format!("new-{name}")), folder.join(format!("run-{name}")));
    DirBuilder::new().mode(0o700).create(&new).map_err(failed("make the folder", &new))?;
    let lock = File::create(lock_of(&new)).map_err(failed("make a lock in", &new))?;
    lock.lock_shared().map_err(failed("lock a file in", &new))?;
    fs::rename(&new, &run).map_err(failed("name the folder", &run))?;
    Ok((run, lock))
}
