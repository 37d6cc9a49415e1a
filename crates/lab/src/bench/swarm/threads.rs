//! The provider within this process: a thread for each agent, a mailbox at each seat.
//!
//! Invariant: agents share nothing but mailboxes: each has its own role, decoded from bytes, and its own copy of the bars.
//! A frame goes from the sender's thread into the addressee's mailbox (four priorities, bounded) and wakes it; a full
//! mailbox gives it back. It needs Linux to tell what threads use.

use std::collections::VecDeque;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use starling_core::UnixNanos;
use starling_core::time::MILLISECOND;
use starling_swarm::id::AgentId;
use starling_swarm::mailbox::Mailbox;
use starling_swarm::node::Parcel;
use starling_swarm::topology::{Shape, Topology};
use starling_swarm::transport::{MAILBOX_CAPACITY, SendError};

use super::agent::{Agent, Clock, Subject};
use super::quarters::{Provider, Quarters, Remains, Report, Traffic, Usage};
use super::words::{Order, Role};
use crate::bench::BenchError;

/// The threads' name, by which what is left of them is found.
const NAME: &str = "bench-agent";
/// Longest wait before a thread looks around again.
const TURN: Duration = Duration::from_millis(200);
/// When a frame is sent again that a full mailbox gave back.
const FULL_RETRY: u64 = MILLISECOND;

/// Makes the subject of a role.
pub type Make = Arc<dyn Fn(&[u8], Clock) -> Box<dyn Subject> + Send + Sync>;

/// Agents as threads.
pub struct Threads {
    make: Make,
    clock: Clock,
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Threads").finish_non_exhaustive()
    }
}

impl Default for Threads {
    fn default() -> Self {
        Self::of(Arc::new(|role: &[u8], clock| Box::new(Agent::new(role, clock))))
    }
}

/// A clock that starts at the wall's time and never steps back.
fn clock() -> Clock {
    static BASE: OnceLock<(Instant, UnixNanos)> = OnceLock::new();
    Arc::new(|| {
        let (began, base) = BASE.get_or_init(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            (Instant::now(), UnixNanos::new(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)))
        });
        base.saturating_add(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX))
    })
}

impl Threads {
    /// Whose agents are what `make` makes of their roles.
    #[must_use]
    pub fn of(make: Make) -> Self {
        Self { make, clock: clock() }
    }
}

/// What waits at a seat.
#[derive(Debug, Default)]
struct Mail {
    frames: Option<Mailbox<(AgentId, Vec<u8>)>>,
    orders: VecDeque<Order>,
    /// Everything ends, at once.
    ends: bool,
    thread: Option<u32>,
}

impl Mail {
    /// If it is the end, the seat is closed.
    fn leave(&mut self) -> bool {
        if self.ends {
            (self.frames, self.thread) = (None, None);
        }
        self.ends
    }
}

#[derive(Debug, Default)]
struct Seat {
    mail: Mutex<Mail>,
    bell: Condvar,
}

impl Seat {
    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What all threads of a swarm share.
struct House {
    seats: Vec<Seat>,
    topology: Topology,
    frames: AtomicU64,
    bytes: AtomicU64,
    astray: AtomicU64,
    make: Make,
    clock: Clock,
}

impl House {
    fn send(&self, from: AgentId, parcel: Parcel) -> Result<(), SendError> {
        let Parcel { to, priority, bytes } = parcel;
        let seat = self.seats.get(to.0 as usize).ok_or(SendError::Closed(to))?;
        let size = bytes.len() as u64;
        let mut mail = seat.lock();
        let frames = mail.frames.as_mut().ok_or(SendError::Closed(to))?;
        if let Err((_, bytes)) = frames.push(priority, (from, bytes)) {
            return Err(SendError::Full(Parcel { to, priority, bytes }));
        }
        drop(mail);
        seat.bell.notify_one();
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(size, Ordering::Relaxed);
        if !self.topology.is_edge(from, to) {
            self.astray.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// An agent's life.
    fn live(&self, at: u32, role: &[u8], reports: &Sender<Report>) {
        let (me, seat) = (AgentId(at), &self.seats[at as usize]);
        {
            let mut mail = seat.lock();
            mail.thread = this_thread();
            mail.frames = Some(Mailbox::new(MAILBOX_CAPACITY));
        }
        let mut subject = (self.make)(role, Arc::clone(&self.clock));
        let (mut frames, mut orders) = (Vec::new(), VecDeque::new());
        loop {
            // Who dies in the midst of something has no last words: nothing of what it has just done leaves it.
            if seat.lock().leave() {
                return;
            }
            let mut is_stuck = false;
            while let Some(parcel) = subject.poll_frame() {
                // A closed mailbox is a dead neighbour, and silence is how death is noticed.
                if let Err(SendError::Full(parcel)) = self.send(me, parcel) {
                    subject.put_back(parcel);
                    is_stuck = true;
                    break;
                }
            }
            while let Some(answer) = subject.poll_answer() {
                // Whoever does not listen any more has ended, and this thread with it.
                let _ = reports.send(Report::Said { at, answer });
            }
            let now = (self.clock)();
            let due = if is_stuck { now.saturating_add(FULL_RETRY) } else { UnixNanos::MAX };
            let left = Duration::from_nanos(subject.next_due().min(due).since(now)).min(TURN);
            let mut mail = seat.lock();
            let is_idle = |mail: &Mail| {
                !mail.ends && mail.orders.is_empty() && mail.frames.as_ref().is_none_or(Mailbox::is_empty)
            };
            if is_idle(&mail) && !left.is_zero() {
                let waited = seat.bell.wait_timeout_while(mail, left, |mail| is_idle(mail));
                mail = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            if mail.leave() {
                return;
            }
            std::mem::swap(&mut orders, &mut mail.orders);
            while let Some((_, frame)) = mail.frames.as_mut().and_then(Mailbox::pop) {
                frames.push(frame);
            }
            drop(mail);
            orders.drain(..).for_each(|order| subject.on_order(order));
            frames.drain(..).for_each(|(from, frame)| subject.on_frame(from, &frame));
            if subject.next_due() <= (self.clock)() {
                subject.on_time();
            }
        }
    }
}

/// This thread's number, where the system tells it.
fn this_thread() -> Option<u32> {
    fs::read_link("/proc/thread-self").ok()?.file_name()?.to_str()?.parse().ok()
}

/// Tells that a thread has ended, however it did.
struct Epitaph {
    at: u32,
    reports: Sender<Report>,
}

impl Drop for Epitaph {
    fn drop(&mut self) {
        let how = if std::thread::panicking() { "its thread panicked" } else { "its thread ended" };
        let _ = self.reports.send(Report::Gone { at: self.at, how: how.to_owned() });
    }
}

type Post = (u32, Vec<u8>);

struct Floor {
    house: Arc<House>,
    threads: Vec<JoinHandle<()>>,
    spares: Vec<Sender<Post>>,
    /// How many spares have said that they wait.
    waiting: Arc<AtomicU64>,
    reports: Receiver<Report>,
    tell: Sender<Report>,
    memory: u64,
}

fn io(what: &str, source: std::io::Error) -> BenchError {
    BenchError::Program { program: "the in-process provider".to_owned(), reason: format!("cannot {what}: {source}") }
}

/// Memory of this process that is in RAM, bytes.
fn resident() -> Result<u64, BenchError> {
    let text = fs::read_to_string("/proc/self/status").map_err(|e| io("read /proc/self/status", e))?;
    let kib =
        text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.unwrap_or_default() << 10)
}

/// CPU time of a thread of this process, nanoseconds.
fn cpu_ns(thread: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

impl Floor {
    fn thread(&mut self, work: impl FnOnce() + Send + 'static) -> Result<(), BenchError> {
        let thread = std::thread::Builder::new().name(NAME.to_owned()).spawn(work);
        self.threads.push(thread.map_err(|e| io("start a thread", e))?);
        Ok(())
    }

    fn spare(&mut self) -> Result<(), BenchError> {
        let (post, posted) = channel::<Post>();
        let (house, tell, waiting) = (Arc::clone(&self.house), self.tell.clone(), Arc::clone(&self.waiting));
        self.spares.push(post);
        self.thread(move || {
            waiting.fetch_add(1, Ordering::SeqCst);
            if let Ok((at, role)) = posted.recv() {
                let epitaph = Epitaph { at, reports: tell };
                house.live(at, &role, &epitaph.reports);
            }
        })
    }

    fn end(&mut self) {
        self.spares.clear();
        for seat in &self.house.seats {
            seat.lock().ends = true;
            seat.bell.notify_one();
        }
        for thread in self.threads.drain(..) {
            // It told of its panic itself.
            let _ = thread.join();
        }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.end();
    }
}

impl Provider for Threads {
    fn name(&self) -> &'static str {
        "in-process"
    }

    fn shares_memory(&self) -> bool {
        true
    }

    fn open(&mut self, seats: u32, shape: Shape, spares: usize) -> Result<Box<dyn Quarters>, BenchError> {
        let house = House {
            seats: (0..seats).map(|_| Seat::default()).collect(),
            topology: Topology::new(shape, (0..seats).map(AgentId)),
            frames: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            astray: AtomicU64::new(0),
            make: Arc::clone(&self.make),
            clock: Arc::clone(&self.clock),
        };
        let (tell, reports) = channel();
        let mut floor = Floor {
            house: Arc::new(house),
            threads: Vec::new(),
            spares: Vec::new(),
            waiting: Arc::default(),
            reports,
            tell,
            memory: resident()?,
        };
        (0..spares).try_for_each(|_| floor.spare())?;
        Ok(Box::new(floor))
    }

    fn remains(&mut self) -> Result<Remains, BenchError> {
        let list = |folder: &str| fs::read_dir(folder).map_err(|e| io("list what this process has", e));
        let mut remains = Remains::default();
        for thread in list("/proc/self/task")?.flatten() {
            let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
            if name.trim() == NAME {
                remains.alive.push(format!("thread {}", thread.file_name().to_string_lossy()));
            }
        }
        for file in list("/proc/self/fd")?.flatten() {
            // The descriptor of this very listing is closed by now.
            if let Ok(target) = fs::read_link(file.path()) {
                let target = target.display().to_string();
                if !target.starts_with("/proc/") {
                    remains.things.push(target);
                }
            }
        }
        Ok(remains)
    }
}

impl Quarters for Floor {
    fn warm(&mut self, at_most: Duration) -> Result<(), BenchError> {
        let (began, all) = (Instant::now(), self.spares.len() as u64);
        while self.waiting.load(Ordering::SeqCst) < all {
            if began.elapsed() > at_most {
                let reason = format!("{all} threads do not start within {at_most:?}");
                return Err(BenchError::Program { program: "the in-process provider".to_owned(), reason });
            }
            std::thread::park_timeout(Duration::from_micros(50));
        }
        Ok(())
    }

    fn start(&mut self, role: &Role) -> Result<(), BenchError> {
        let (at, bytes) = (role.own.at, role.encode());
        if let Some(spare) = self.spares.pop() {
            // A spare waits for its role until it has one.
            return spare.send((at, bytes)).map_err(|_| BenchError::Input("a spare thread has ended".to_owned()));
        }
        let (house, tell) = (Arc::clone(&self.house), self.tell.clone());
        self.thread(move || {
            let epitaph = Epitaph { at, reports: tell };
            house.live(at, &bytes, &epitaph.reports);
        })
    }

    fn say(&mut self, at: u32, order: &Order) -> Result<(), BenchError> {
        if let Some(seat) = self.house.seats.get(at as usize) {
            seat.lock().orders.push_back(order.clone());
            seat.bell.notify_one();
        }
        Ok(())
    }

    fn hear(&mut self, at_most: Duration) -> Result<Option<Report>, BenchError> {
        match self.reports.recv_timeout(at_most) {
            Ok(report) => Ok(Some(report)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(None),
        }
    }

    fn kill(&mut self, at: u32) -> Result<(), BenchError> {
        if let Some(seat) = self.house.seats.get(at as usize) {
            seat.lock().ends = true;
            seat.bell.notify_one();
        }
        Ok(())
    }

    fn usage(&mut self) -> Result<Vec<Usage>, BenchError> {
        let threads: Vec<u32> = self.house.seats.iter().filter_map(|seat| seat.lock().thread).collect();
        let grown = resident()?.saturating_sub(self.memory);
        let share = grown / (threads.len() as u64).max(1);
        Ok(threads.iter().map(|at| Usage { memory: share, cpu_ns: cpu_ns(*at).unwrap_or_default() }).collect())
    }

    fn traffic(&mut self) -> Result<Traffic, BenchError> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (frames, bytes, astray) = (read(&self.house.frames), read(&self.house.bytes), read(&self.house.astray));
        Ok(Traffic { frames, bytes, wire: bytes, astray })
    }

    fn destroy(mut self: Box<Self>) -> Result<(), BenchError> {
        self.end();
        Ok(())
    }
}
