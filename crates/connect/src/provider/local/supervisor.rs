//! The thread that starts processes, waits for all of them at once, and replaces those that die.
//!
//! Invariant: every process it started is waited for, so that none is left as a zombie; a process id is used only before
//! that, so that it is nobody else's. It waits on process descriptors, sockets and orders in one call: a death is noticed
//! when the kernel knows of it, without a timer and without `SIGCHLD`, which belongs to the whole program.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command as Program, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use starling_swarm::id::AgentId;

use super::sandbox::Seal;
use super::word::{Order, Report, VERSION, Words, encode, room};
use super::{Command, Settings, Shared, lock_of, resources};
use crate::provider::{Assignment, Event, Exit, How, Layers, Measured, Phase, ProviderError, Spec, Status, WORD_MAX};

/// Bytes that wait for a process to read them.
const UNREAD_MAX: usize = 4 * WORD_MAX;
/// How often budgets are looked at.
const BUDGET_EVERY: Duration = Duration::from_secs(1);
/// After a process ended before it had a role, or could not be started, nothing is started by itself for so long.
const SPARE_PAUSE: Duration = Duration::from_secs(1);

/// Whom a process serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Serves {
    Cleaner,
    Nobody,
    Agent(AgentId),
    StandsBy(AgentId),
}

#[derive(Debug)]
struct Child {
    process: process::Child,
    pidfd: OwnedFd,
    /// None once the process closed it.
    link: Option<UnixStream>,
    words: Words,
    unsent: BytesMut,
    serves: Serves,
    layers: Option<Layers>,
    /// Of one that stands by.
    prepared: bool,
    /// For when it is sealed.
    assignment: Option<Assignment>,
    /// Told to end: no role is for it any more, and nothing it says prolongs its grace.
    dismissed: bool,
    folder: PathBuf,
    /// When patience, or grace, is at an end.
    due: Option<Instant>,
    bytes_in: u64,
    bytes_out: u64,
}

impl Child {
    /// It waits for a role, or will once it is sealed.
    fn is_spare(&self) -> bool {
        self.serves == Serves::Nobody && !self.dismissed
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intent {
    Run,
    Stop,
    Restart,
}

#[derive(Debug)]
struct Member {
    spec: Spec,
    /// None as long as it could not be started.
    child: Option<u64>,
    standby: Option<u64>,
    ordered: Instant,
    /// Whom it replaces, and whether it stood by.
    replaces: Option<(AgentId, bool)>,
    deaths: VecDeque<Instant>,
    intent: Intent,
}

impl Member {
    /// Notes a death, its own or that of one that stood by, or a start that failed; how many there were of late.
    fn die(&mut self, at: Instant, within: Duration) -> usize {
        self.deaths.push_back(at);
        self.deaths.retain(|death| at.saturating_duration_since(*death) <= within);
        self.deaths.len()
    }
}

#[derive(Debug)]
pub(super) struct Supervisor {
    settings: Settings,
    run: PathBuf,
    lock: Option<File>,
    commands: Receiver<Command>,
    shared: Arc<Shared>,
    children: BTreeMap<u64, Child>,
    room: Box<[u8]>,
    members: BTreeMap<AgentId, Member>,
    next_child: u64,
    next_agent: u32,
    spares_from: Instant,
    budget_due: Instant,
    spent: bool,
    ending: bool,
}

/// What a wait found.
#[derive(Debug, Default)]
struct Found {
    ended: Vec<u64>,
    readable: Vec<u64>,
    writable: Vec<u64>,
}

impl Supervisor {
    pub(super) fn new(
        settings: Settings,
        run: PathBuf,
        lock: File,
        commands: Receiver<Command>,
        shared: Arc<Shared>,
    ) -> Self {
        let now = Instant::now();
        let next_agent = settings.replacements_from;
        Self {
            settings,
            run,
            lock: Some(lock),
            commands,
            shared,
            children: BTreeMap::new(),
            room: room(),
            members: BTreeMap::new(),
            next_child: 0,
            next_agent,
            spares_from: now,
            budget_due: now,
            spent: false,
            ending: false,
        }
    }

    pub(super) fn run(mut self) {
        loop {
            self.refill();
            let found = self.wait();
            found.writable.into_iter().for_each(|key| self.flush(key));
            found.readable.into_iter().for_each(|key| self.listen(key));
            self.take_orders();
            found.ended.into_iter().for_each(|key| self.reap(key));
            self.keep_time();
            self.count_spares();
            if self.ending && self.close() {
                break;
            }
        }
        let mut board = self.shared.board();
        board.ended = true;
        board.spares = 0;
        drop(board);
        self.shared.changed.notify_all();
    }

    /// Waits for the first thing to happen.
    fn wait(&self) -> Found {
        let now = Instant::now();
        let budget = (!self.ending).then_some(self.budget_due);
        let spares = (self.spares_from > now).then_some(self.spares_from);
        let due = self.children.values().filter_map(|child| child.due).chain(budget).chain(spares).min();
        let timeout = due.map(|due| {
            let wait = due.saturating_duration_since(now);
            Timespec { tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX), tv_nsec: wait.subsec_nanos().into() }
        });
        let mut keys = Vec::with_capacity(2 * self.children.len());
        let mut polled = vec![PollFd::new(&self.shared.wake, PollFlags::IN)];
        for (&key, child) in &self.children {
            keys.push((key, false));
            polled.push(PollFd::new(&child.pidfd, PollFlags::IN));
            if let Some(link) = &child.link {
                let out = if child.unsent.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
                keys.push((key, true));
                polled.push(PollFd::new(link, PollFlags::IN | out));
            }
        }
        let mut found = Found::default();
        if poll(&mut polled, timeout.as_ref()).is_err() {
            return found;
        }
        for (&(key, is_link), polled) in keys.iter().zip(&polled[1..]) {
            let seen = polled.revents();
            match (is_link, seen.is_empty()) {
                (_, true) => {}
                (false, _) => found.ended.push(key),
                (true, _) => {
                    if seen.contains(PollFlags::OUT) {
                        found.writable.push(key);
                    }
                    if seen.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                        found.readable.push(key);
                    }
                }
            }
        }
        found
    }

    fn take_orders(&mut self) {
        let mut raised = [0; 8];
        let _ = rustix::io::read(&self.shared.wake, &mut raised);
        loop {
            match self.commands.try_recv() {
                Ok(Command::Spawn(spec, ordered)) => self.spawn(spec, ordered),
                Ok(Command::Stop(agent, how)) => self.end(agent, how, Intent::Stop),
                Ok(Command::Restart(agent, how)) => self.end(agent, how, Intent::Restart),
                Ok(Command::Say(agent, words, answer)) => {
                    let _ = answer.send(self.say(agent, words));
                }
                Ok(Command::Measure(agent, answer)) => {
                    let _ = answer.send(self.measure(agent));
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    if !std::mem::replace(&mut self.ending, true) {
                        self.end_all();
                    }
                    return;
                }
            }
        }
    }

    fn end_all(&mut self) {
        let agents: Vec<AgentId> = self.members.keys().copied().collect();
        agents.into_iter().for_each(|agent| self.end(agent, How::Soft, Intent::Stop));
        let idle: Vec<u64> = self.children.iter().filter(|(_, child)| child.is_spare()).map(|(&key, _)| key).collect();
        idle.into_iter().for_each(|key| self.dismiss(key));
    }

    /// True once nothing is left but this thread.
    fn close(&mut self) -> bool {
        if self.children.values().any(|child| child.serves != Serves::Cleaner) {
            return false;
        }
        if self.lock.take().is_some() {
            let _ = fs::remove_dir_all(&self.run);
            // It finds nothing to do, and ends.
            for child in self.children.values_mut() {
                child.link = None;
                child.due = Some(Instant::now() + self.settings.grace);
            }
        }
        self.children.is_empty()
    }

    // Processes.

    fn start(&mut self, serves: Serves) -> Result<u64, ProviderError> {
        let io = |what| move |source| ProviderError::Io { what, source };
        let key = self.next_child;
        self.next_child += 1;
        let (link, theirs) = UnixStream::pair().map_err(io("make a pair of sockets"))?;
        link.set_nonblocking(true).map_err(io("make a socket that does not wait"))?;
        let folder = if serves == Serves::Cleaner { self.run.clone() } else { self.run.join(key.to_string()) };
        if serves != Serves::Cleaner {
            let made = DirBuilder::new().mode(0o700).create(&folder);
            made.map_err(|source| ProviderError::Folder { what: "make the folder", path: folder.clone(), source })?;
        }
        let mut program = Program::new(&self.settings.program);
        program.args(&self.settings.arguments).env_clear();
        program.envs(self.settings.environment.iter().map(|(name, value)| (name, value)));
        program.current_dir(if serves == Serves::Cleaner { Path::new("/") } else { &folder });
        program.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::inherit());
        // A folder just made is empty; that of the one which cleans up is not.
        let (process, pidfd) = launch(&mut program).inspect_err(|_| _ = fs::remove_dir(&folder))?;
        let order = match serves {
            Serves::Cleaner => Order::Clean { run: self.run.clone() },
            _ => Order::Seal(Seal {
                number: key,
                folder: folder.clone(),
                lock: lock_of(&self.run),
                read: self.settings.read.clone(),
                limits: self.settings.limits,
                network: self.settings.network.clone(),
                dies_with_parent: true,
            }),
        };
        let due = (serves != Serves::Cleaner).then(|| Instant::now() + self.settings.patience);
        let child = Child {
            process,
            pidfd,
            link: Some(link),
            words: Words::default(),
            unsent: encode(&order).as_slice().into(),
            serves,
            layers: None,
            prepared: false,
            assignment: None,
            dismissed: false,
            folder,
            due,
            bytes_in: 0,
            bytes_out: 0,
        };
        self.children.insert(key, child);
        self.flush(key);
        Ok(key)
    }

    /// Starts agents that could not be started before, and keeps as many spares as there should be; spares not while
    /// agents start, which need the CPU more.
    fn refill(&mut self) {
        let now = Instant::now();
        if self.ending || now < self.spares_from {
            return;
        }
        let unstarted = self.members.iter().filter(|(_, member)| member.child.is_none()).map(|(&agent, _)| agent);
        unstarted.collect::<Vec<_>>().into_iter().for_each(|agent| self.staff(agent));
        if self.spares_from > now {
            return;
        }
        let mut wanted = Vec::new();
        if !self.children.values().any(|child| child.serves == Serves::Cleaner) {
            wanted.push(Serves::Cleaner);
        }
        let starting = self
            .children
            .values()
            .any(|child| child.due.is_some() && matches!(child.serves, Serves::Agent(_) | Serves::StandsBy(_)));
        if !starting {
            let spares = self.children.values().filter(|child| child.is_spare()).count();
            wanted.extend(std::iter::repeat_n(Serves::Nobody, self.settings.spares.saturating_sub(spares)));
        }
        for serves in wanted {
            if let Err(error) = self.start(serves) {
                self.lose_spare(error.to_string());
                return;
            }
        }
    }

    fn lose_spare(&mut self, why: String) {
        self.spares_from = Instant::now() + SPARE_PAUSE;
        self.shared.board().tell(Event::SpareLost { why });
        self.shared.changed.notify_all();
    }

    fn count_spares(&self) {
        let spares = self.children.values().filter(|child| child.is_spare() && child.layers.is_some()).count();
        let mut board = self.shared.board();
        if std::mem::replace(&mut board.spares, spares) != spares {
            drop(board);
            self.shared.changed.notify_all();
        }
    }

    fn order(&mut self, key: u64, order: &Order) {
        if let Some(child) = self.children.get_mut(&key) {
            child.unsent.extend_from_slice(&encode(order));
        }
        self.flush(key);
    }

    fn flush(&mut self, key: u64) {
        let Some(child) = self.children.get_mut(&key) else { return };
        let Some(link) = &mut child.link else { return };
        while !child.unsent.is_empty() {
            match link.write(&child.unsent) {
                Ok(count) => {
                    child.bytes_in += count as u64;
                    child.unsent.advance(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Full for now; or closed, which reading finds.
                Err(_) => return,
            }
        }
    }

    fn listen(&mut self, key: u64) {
        let Some(child) = self.children.get_mut(&key) else { return };
        let Some(link) = &mut child.link else { return };
        let (count, is_open) = child.words.drain(link, &mut self.room);
        child.bytes_out += count as u64;
        while let Some(child) = self.children.get_mut(&key).filter(|child| child.link.is_some()) {
            match child.words.next() {
                Ok(Some(report)) => self.hear(key, report),
                Ok(None) if is_open => break,
                Ok(None) => hang_up(child),
                Err(bad) => self.refuse(key, bad.to_string()),
            }
        }
    }

    fn hear(&mut self, key: u64, report: Report) {
        match report {
            Report::Sealed { version, number, layers } => {
                if version != VERSION || number != key {
                    return self.refuse(key, format!("process {number} speaks version {version}, not {VERSION}"));
                }
                if self.settings.strict && !layers.is_full() {
                    return self.refuse(key, format!("its sandbox is not full: {layers:?}"));
                }
                let Some(child) = self.children.get_mut(&key) else { return };
                if child.layers.replace(layers).is_some() {
                    return self.refuse(key, format!("process {key} says again that it is sealed"));
                }
                match child.assignment.take() {
                    Some(assignment) => self.assign(key, assignment),
                    None if child.dismissed => {}
                    None => child.due = None,
                }
            }
            Report::Ready { agent } => self.ready(key, agent),
            Report::Say(words) => {
                if let Some(&Child { serves: Serves::Agent(agent), .. }) = self.children.get(&key) {
                    self.shared.board().tell(Event::Said { agent, words });
                    self.shared.changed.notify_all();
                }
            }
        }
    }

    /// A process of no use: it is killed, and its end is noticed like any other's.
    fn refuse(&mut self, key: u64, why: String) {
        if let Some(child) = self.children.get_mut(&key) {
            hang_up(child);
        }
        self.lose_spare(why);
    }

    fn reap(&mut self, key: u64) {
        // Its last words.
        self.listen(key);
        let Some(child) = self.children.get_mut(&key) else { return };
        let Ok(Some(status)) = child.process.try_wait() else { return };
        let Some(child) = self.children.remove(&key) else { return };
        let exit = exit_of(status);
        match child.serves {
            Serves::Cleaner if !self.ending => self.lose_spare(format!("the process that cleans up ended: {exit:?}")),
            Serves::Cleaner => {}
            Serves::Nobody => {
                let _ = fs::remove_dir_all(&child.folder);
                if !self.ending && !child.dismissed {
                    self.lose_spare(format!("a process without a role ended: {exit:?}"));
                }
            }
            Serves::StandsBy(agent) => {
                let _ = fs::remove_dir_all(&child.folder);
                let Some(member) = self.members.get_mut(&agent) else { return };
                member.standby = None;
                let deaths = member.die(Instant::now(), self.settings.deaths_within);
                self.edit(agent, |status| status.has_standby = false);
                if deaths <= self.settings.deaths_max {
                    self.stand_by(agent);
                } else {
                    self.lose_spare(format!("nobody stands by for {agent} any more, after {deaths} deaths"));
                }
            }
            Serves::Agent(agent) => self.ended(agent, exit, &child.folder),
        }
    }

    fn keep_time(&mut self) {
        let now = Instant::now();
        let late: Vec<u64> = self
            .children
            .iter()
            .filter(|(_, child)| child.due.is_some_and(|due| now >= due))
            .map(|(&key, _)| key)
            .collect();
        for key in late {
            if let Some(child) = self.children.get_mut(&key) {
                child.due = None;
                kill(child);
            }
        }
        if now >= self.budget_due && !self.ending {
            self.budget_due = now + BUDGET_EVERY;
            let spent = self.shared.ledger().check(crate::clock::now()).err();
            if let Some(spent) = spent.filter(|_| !self.spent) {
                self.shared.board().tell(Event::Spent(spent));
                let agents: Vec<AgentId> = self.members.keys().copied().collect();
                agents.into_iter().for_each(|agent| self.end(agent, How::Soft, Intent::Stop));
                self.shared.changed.notify_all();
            }
            self.spent = spent.is_some();
        }
    }

    // Agents.

    fn edit(&self, agent: AgentId, edit: impl FnOnce(&mut Status)) {
        if let Some(status) = self.shared.board().agents.get_mut(&agent) {
            edit(status);
        }
        self.shared.changed.notify_all();
    }

    fn spawn(&mut self, spec: Spec, ordered: Instant) {
        let agent = spec.agent;
        let (deaths, intent) = (VecDeque::new(), Intent::Run);
        let member = Member { spec, child: None, standby: None, ordered, replaces: None, deaths, intent };
        self.members.insert(agent, member);
        self.staff(agent);
    }

    /// Gives an agent its process. One that cannot be started is tried again like one that died, after a pause.
    fn staff(&mut self, agent: AgentId) {
        let Some(member) = self.members.get(&agent) else { return };
        let replaces = member.replaces.map(|(old, _)| old);
        let assignment = Assignment { agent, replaces, role: member.spec.role.clone(), standby: false };
        let employed = self.employ(Serves::Agent(agent), assignment);
        let Some(member) = self.members.get_mut(&agent) else { return };
        match employed {
            Ok(child) => member.child = Some(child),
            Err(error) => {
                let deaths = member.die(Instant::now(), self.settings.deaths_within);
                if member.spec.replace && deaths <= self.settings.deaths_max {
                    self.lose_spare(format!("{agent} has no process yet: {error}"));
                } else {
                    self.forgo(agent, Event::GivenUp { agent, why: Some(error.to_string()) });
                }
            }
        }
    }

    /// An agent that could not be started will not be.
    fn forgo(&mut self, agent: AgentId, event: Event) {
        let Some(member) = self.members.remove(&agent) else { return };
        if let Some((old, _)) = member.replaces {
            let _ = fs::remove_dir_all(self.run.join(legacy(old)));
        }
        let mut board = self.shared.board();
        board.end(agent, Phase::Gone(Exit::Code(-1)));
        board.tell(event);
        drop(board);
        self.shared.changed.notify_all();
    }

    /// Finds a process for a role: one that waits for it, one that soon will, a new one.
    fn employ(&mut self, serves: Serves, assignment: Assignment) -> Result<u64, ProviderError> {
        let idle = |sealed: bool| {
            let is_idle = move |(_, child): &(&u64, &Child)| {
                child.is_spare() && child.layers.is_some() == sealed && child.link.is_some()
            };
            self.children.iter().find(is_idle).map(|(&key, _)| key)
        };
        let key = match idle(true).or_else(|| idle(false)) {
            Some(key) => key,
            None => self.start(serves)?,
        };
        let child = self.children.get_mut(&key).expect("the process was just found");
        child.serves = serves;
        let (warm, process) = (child.layers.is_some(), child.process.id());
        if warm {
            self.assign(key, assignment);
        } else {
            child.assignment = Some(assignment);
        }
        if let Serves::Agent(agent) = serves {
            self.edit(agent, |status| (status.warm, status.process) = (warm, Some(process)));
        }
        Ok(key)
    }

    fn assign(&mut self, key: u64, assignment: Assignment) {
        if let Some(child) = self.children.get_mut(&key) {
            child.due = Some(Instant::now() + self.settings.patience);
            if let (Some(old), false) = (assignment.replaces, assignment.standby) {
                inherit(&self.run.join(legacy(old)), &child.folder);
            }
        }
        self.order(key, &Order::Act(assignment));
    }

    fn ready(&mut self, key: u64, agent: AgentId) {
        let Some(child) = self.children.get_mut(&key) else { return };
        let layers = child.layers;
        match child.serves {
            Serves::StandsBy(of) => {
                child.prepared = true;
                child.due = None;
                self.edit(of, |status| status.has_standby = true);
            }
            Serves::Agent(serves) if serves == agent => {
                let Some(member) = self.members.get(&agent) else { return };
                let took_ns = u64::try_from(member.ordered.elapsed().as_nanos()).unwrap_or(u64::MAX);
                let replaces = member.replaces;
                if !child.dismissed {
                    child.due = None;
                }
                let resources = self.settings.limits.resources;
                self.shared.ledger().start(crate::clock::now(), agent, resources);
                let mut board = self.shared.board();
                let Some(status) = board.agents.get_mut(&agent) else { return };
                if status.phase != Phase::Starting {
                    return;
                }
                (status.phase, status.layers, status.took_ns) = (Phase::Ready, layers, Some(took_ns));
                let warm = status.warm;
                board.tell(Event::Ready { agent, took_ns, warm });
                if let Some((old, stood_by)) = replaces {
                    board.tell(Event::Replaced { old, new: agent, took_ns, stood_by });
                }
                drop(board);
                self.shared.changed.notify_all();
                self.stand_by(agent);
            }
            Serves::Agent(_) | Serves::Nobody | Serves::Cleaner => {}
        }
    }

    /// Gives an agent another process that stands by, if it should have one and has none.
    fn stand_by(&mut self, agent: AgentId) {
        let Some(member) = self.members.get(&agent) else { return };
        let wanted = member.spec.standby && member.spec.replace && member.intent == Intent::Run;
        if !wanted || member.standby.is_some() || self.ending {
            return;
        }
        let assignment = Assignment { agent, replaces: None, role: member.spec.role.clone(), standby: true };
        match self.employ(Serves::StandsBy(agent), assignment) {
            Ok(key) => {
                if let Some(member) = self.members.get_mut(&agent) {
                    member.standby = Some(key);
                }
            }
            Err(error) => self.lose_spare(error.to_string()),
        }
    }

    fn end(&mut self, agent: AgentId, how: How, intent: Intent) {
        let Some(member) = self.members.get_mut(&agent) else { return };
        let Some(key) = member.child else {
            // It is about to be started anyhow.
            if intent == Intent::Stop {
                let (at, exit) = (crate::clock::now(), Exit::Code(-1));
                self.forgo(agent, Event::Ended { agent, at, exit, asked: true });
            }
            return;
        };
        member.intent = intent;
        self.edit(agent, |status| status.phase = Phase::Stopping);
        match how {
            How::Soft => self.dismiss(key),
            How::Hard => {
                if let Some(child) = self.children.get(&key) {
                    kill(child);
                }
            }
        }
    }

    /// Asks a process to end, within the grace.
    fn dismiss(&mut self, key: u64) {
        if let Some(child) = self.children.get_mut(&key) {
            child.due = Some(Instant::now() + self.settings.grace);
            child.assignment = None;
            child.dismissed = true;
        }
        self.order(key, &Order::Stop);
    }

    /// An agent's process is no more.
    fn ended(&mut self, agent: AgentId, exit: Exit, folder: &Path) {
        let noticed = Instant::now();
        let at = crate::clock::now();
        self.shared.ledger().stop(at, agent);
        let Some(mut member) = self.members.remove(&agent) else { return };
        let asked = member.intent != Intent::Run;
        let mut board = self.shared.board();
        board.end(agent, Phase::Gone(exit));
        board.tell(Event::Ended { agent, at, exit, asked });
        drop(board);
        self.shared.changed.notify_all();
        let died = !asked && exit != Exit::Code(0);
        let too_often = died && member.die(noticed, self.settings.deaths_within) > self.settings.deaths_max;
        if too_often && member.spec.replace {
            self.shared.board().tell(Event::GivenUp { agent, why: None });
        }
        let replace = member.intent == Intent::Restart || (died && member.spec.replace && !too_often);
        if self.ending || !replace {
            if let Some(standby) = member.standby {
                if let Some(child) = self.children.get_mut(&standby) {
                    child.serves = Serves::Nobody;
                }
                self.dismiss(standby);
            }
            let _ = fs::remove_dir_all(folder);
            return;
        }
        let _ = fs::rename(folder, self.run.join(legacy(agent)));
        self.replace(agent, member, noticed);
    }

    fn replace(&mut self, old: AgentId, mut member: Member, noticed: Instant) {
        let new = AgentId(self.next_agent);
        self.next_agent += 1;
        let standby = member.standby.take();
        let prepared = standby.filter(|key| self.children.get(key).is_some_and(|child| child.prepared));
        let status = Status {
            phase: Phase::Starting,
            process: None,
            layers: None,
            replaces: Some(old),
            warm: true,
            took_ns: None,
            has_standby: false,
        };
        self.shared.board().agents.insert(new, status);
        let spec = Spec { agent: new, ..member.spec };
        let (ordered, intent) = (noticed, Intent::Run);
        let replaces = Some((old, prepared.is_some()));
        let member = Member { spec, child: prepared, standby: None, ordered, replaces, deaths: member.deaths, intent };
        self.members.insert(new, member);
        if let Some(key) = prepared {
            let child = self.children.get_mut(&key).expect("it was just found prepared");
            child.serves = Serves::Agent(new);
            child.due = Some(Instant::now() + self.settings.patience);
            inherit(&self.run.join(legacy(old)), &child.folder);
            let process = child.process.id();
            self.edit(new, |status| status.process = Some(process));
            self.order(key, &Order::Activate { agent: new, replaces: old });
        } else {
            // One that is not prepared yet is of no more use than another.
            if let Some(key) = standby {
                if let Some(child) = self.children.get_mut(&key) {
                    child.serves = Serves::Nobody;
                }
                self.dismiss(key);
            }
            self.staff(new);
        }
    }

    fn say(&mut self, agent: AgentId, words: Vec<u8>) -> Result<(), ProviderError> {
        let member = self.members.get(&agent).ok_or(ProviderError::Unknown(agent))?;
        let key = member.child.ok_or(ProviderError::Busy(agent))?;
        let child = self.children.get(&key).ok_or(ProviderError::Unknown(agent))?;
        // Before its role it has no ears.
        if child.unsent.len() + words.len() > UNREAD_MAX || child.assignment.is_some() || child.layers.is_none() {
            return Err(ProviderError::Busy(agent));
        }
        self.order(key, &Order::Say(words));
        Ok(())
    }

    fn measure(&self, agent: AgentId) -> Result<Measured, ProviderError> {
        let member = self.members.get(&agent).ok_or(ProviderError::Unknown(agent))?;
        let child = member.child.and_then(|key| self.children.get(&key)).ok_or(ProviderError::Unknown(agent))?;
        let measured = resources::of_process(child.process.id());
        let measured = measured.map_err(|source| ProviderError::Io { what: "read what a process uses", source })?;
        Ok(Measured { bytes_in: child.bytes_in, bytes_out: child.bytes_out, ..measured })
    }
}

/// Starts a process, and opens the descriptor that tells its end.
fn launch(program: &mut Program) -> Result<(process::Child, OwnedFd), ProviderError> {
    let io = |what| move |source| ProviderError::Io { what, source };
    let mut process = program.spawn().map_err(io("start a process"))?;
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw).expect("a process has a number");
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => Ok((process, pidfd)),
        Err(error) => {
            let _ = process.kill();
            let _ = process.wait();
            Err(io("open a process descriptor")(error.into()))
        }
    }
}

/// Where an agent's folder waits for its successor.
fn legacy(agent: AgentId) -> String {
    format!("of-{}", agent.0)
}

/// Moves what an agent left to the folder of the one that replaces it, whose own folder its sandbox already names.
fn inherit(left: &Path, folder: &Path) {
    for entry in fs::read_dir(left).into_iter().flatten().flatten() {
        let _ = fs::rename(entry.path(), folder.join(entry.file_name()));
    }
    let _ = fs::remove_dir_all(left);
}

/// Ends the conversation with a process, and the process, which could not be told to end any more.
fn hang_up(child: &mut Child) {
    // In this order, lest it sees the end of its socket and ends by itself.
    kill(child);
    child.link = None;
}

fn kill(child: &Child) {
    let _ = pidfd_send_signal(&child.pidfd, Signal::KILL);
}

fn exit_of(status: ExitStatus) -> Exit {
    match status.signal() {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Code(status.code().unwrap_or(-1)),
    }
}
