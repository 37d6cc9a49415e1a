//! A swarm's state folder, and the socket in it over which it is asked and told.
//!
//! ```text
//!  DIR/lock      locked as long as the swarm runs; holds its process id
//!  DIR/control   a Unix socket: a line of JSON in, a line of JSON out
//!  DIR/agents    folders of agents' processes; beside a lock only
//!  DIR/last      the overview at the end, as JSON
//!  DIR/log       what a deployed swarm said
//! ```
//!
//! Invariant: only the owner gets in (folder 0700, socket 0600). A swarm runs here while somebody listens at the socket and
//! holds the lock; a process id alone, which may be another's by now, tells nothing. A folder in which there is anything
//! else is somebody else's: nothing is changed there.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::overview::{Overview, Watch, among};
use crate::terminal::Failure;

/// Bytes of a request.
const REQUEST_MAX: u64 = 64 << 10;
/// How long a question and its answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a swarm is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// How are you?
    Status,
    /// Divide the agents among so many processes.
    Scale {
        /// How many.
        to: u32,
    },
    /// End.
    Stop,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// This is how it is.
    Status(Box<Overview>),
    /// It will be done.
    Done,
    /// It will not, for this reason.
    Refused(String),
}

/// A state folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_path_buf())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn lock_path(&self) -> PathBuf {
        self.0.join("lock")
    }

    fn socket(&self) -> PathBuf {
        self.0.join("control")
    }

    fn last(&self) -> PathBuf {
        self.0.join("last")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    pub(crate) fn agents(&self) -> PathBuf {
        self.0.join("agents")
    }

    fn unusable(&self, error: &io::Error) -> Failure {
        let path = self.0.display();
        Failure::usage(format!("{path}: the state folder cannot be used: {error}; give another with --state"))
    }

    /// The files that a swarm writes here; its lock, by which it is known, last.
    fn files(&self) -> [PathBuf; 4] {
        [self.socket(), self.last(), self.log(), self.lock_path()]
    }

    /// Refuses a folder that holds what no swarm wrote.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.unusable(&error)),
        };
        for entry in entries {
            let path = entry.map_err(|e| self.unusable(&e))?.path();
            if !self.files().contains(&path) && (path != self.agents() || !self.is_state()) {
                return Err(Failure::usage(format!(
                    "{}: no swarm has written this; a swarm's state folder holds nothing else: name another with --state",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    /// Makes the folder, readable by its owner only.
    pub(crate) fn make(&self) -> Result<(), Failure> {
        self.check()?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.and_then(|()| fs::set_permissions(&self.0, Permissions::from_mode(0o700))).map_err(|e| self.unusable(&e))
    }

    /// Removes what a swarm wrote, and the folder; false if that holds something else and stays.
    pub(crate) fn remove(&self) -> io::Result<bool> {
        let there = |removed: io::Result<()>| match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        there(fs::remove_dir_all(self.agents()))?;
        self.files().iter().try_for_each(|file| there(fs::remove_file(file)))?;
        match fs::remove_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
            removed => removed.map(|()| true),
        }
    }

    /// The lock, if no swarm holds it.
    fn try_lock(&self) -> io::Result<Option<File>> {
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(self.lock_path())?;
        Ok(file.try_lock().is_ok().then_some(file))
    }

    /// True if a swarm runs here.
    pub(crate) fn is_live(&self) -> bool {
        // Not by trying the lock, which would keep another from taking it meanwhile.
        UnixStream::connect(self.socket()).is_ok()
    }

    /// True if a swarm runs here, or did.
    pub(crate) fn is_state(&self) -> bool {
        self.lock_path().is_file()
    }

    /// The process of the swarm that holds the lock.
    fn pid(&self) -> Option<i32> {
        fs::read_to_string(self.lock_path()).ok()?.trim().parse().ok()
    }

    /// Asks the swarm that runs here.
    pub(crate) fn ask(&self, request: &Request) -> Result<Answer, Failure> {
        let failed = |error: io::Error| {
            let path = self.0.display();
            match self.is_live() {
                true => Failure::run(format!("{path}: the swarm does not answer: {error}")),
                false => Failure::usage(format!(
                    "{path}: no swarm runs here; start one with `starling swarm deploy`, or name its folder with --state"
                )),
            }
        };
        let stream = UnixStream::connect(self.socket()).map_err(failed)?;
        let mut talk = Talk::over(&stream);
        let mut line = serde_json::to_vec(request).expect("a request is plain data");
        line.push(b'\n');
        talk.write_all(&line).map_err(failed)?;
        let mut answer = String::new();
        BufReader::new(talk).read_line(&mut answer).map_err(failed)?;
        serde_json::from_str(&answer)
            .map_err(|error| Failure::run(format!("{}: the swarm is of another release: {error}", self.0.display())))
    }

    /// How the swarm is that runs here, or was when it ended.
    pub(crate) fn status(&self) -> Result<Overview, Failure> {
        if !self.is_live()
            && let Ok(text) = fs::read_to_string(self.last())
            && let Ok(overview) = serde_json::from_str(&text)
        {
            return Ok(overview);
        }
        match self.ask(&Request::Status)? {
            Answer::Status(overview) => Ok(*overview),
            other => Err(Failure::run(format!("{}: the swarm answers {other:?}", self.0.display()))),
        }
    }

    /// Waits until no swarm runs here; false if time was up.
    pub(crate) fn wait_free(&self, at_most: Duration) -> bool {
        let Ok(lock) = File::open(self.lock_path()) else { return true };
        let (free, freed) = channel();
        // Waits for as long as the swarm runs, and nobody waits for it when time is up.
        let wait = move || {
            let _ = lock.lock_shared();
            let _ = free.send(());
        };
        let thread = std::thread::Builder::new().name("lock".into()).spawn(wait);
        thread.is_ok() && freed.recv_timeout(at_most).is_ok()
    }

    /// Kills the swarm that runs here, and its agents with it; false if there was none any more.
    pub(crate) fn kill(&self) -> bool {
        let pid = self.pid().filter(|_| self.is_live());
        pid.is_some_and(|pid| kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok())
    }
}

/// A question and its answer over a socket, which end in time however slowly the other side reads and writes.
struct Talk<'a> {
    stream: &'a UnixStream,
    due: Instant,
}

impl<'a> Talk<'a> {
    fn over(stream: &'a UnixStream) -> Self {
        Self { stream, due: Instant::now() + PATIENCE }
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.due.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Talk<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(room)
    }
}

impl Write for Talk<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A swarm's hold on its state folder: lock and control socket.
#[derive(Debug)]
pub(crate) struct Hold {
    folder: Folder,
    watch: Watch,
    _lock: File,
}

impl Hold {
    /// Takes hold of a folder, and answers there.
    pub(crate) fn take(folder: Folder, watch: Watch, stop: Arc<AtomicBool>) -> Result<Self, Failure> {
        folder.make()?;
        let unusable = |error: io::Error| folder.unusable(&error);
        let Some(mut lock) = folder.try_lock().map_err(unusable)? else {
            let path = folder.0.display();
            return Err(Failure::usage(format!(
                "{path}: a swarm runs here already; look at it with `starling swarm status`, end it with `starling \
                 swarm destroy`, or give another folder with --state"
            )));
        };
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(unusable)?;
        let _ = fs::remove_file(folder.last());
        let socket = folder.socket();
        // Of a swarm that was killed.
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).map_err(unusable)?;
        fs::set_permissions(&socket, Permissions::from_mode(0o600)).map_err(unusable)?;
        let theirs = watch.clone();
        let serve = move || {
            for stream in listener.incoming().flatten() {
                // Who asks badly is not answered; the next is.
                let _ = answer(&stream, &theirs, &stop);
            }
        };
        std::thread::Builder::new().name("control".into()).spawn(serve).map_err(unusable)?;
        Ok(Self { folder, watch, _lock: lock })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let overview = serde_json::to_vec(&self.watch.read()).expect("an overview is plain data");
        let _ = fs::write(self.folder.last(), overview);
        let _ = fs::remove_file(self.folder.socket());
        let _ = fs::remove_dir_all(self.folder.agents());
    }
}

fn answer(stream: &UnixStream, watch: &Watch, stop: &AtomicBool) -> io::Result<()> {
    let mut talk = Talk::over(stream);
    let mut line = String::new();
    BufReader::new(Read::by_ref(&mut talk).take(REQUEST_MAX)).read_line(&mut line)?;
    let answer = match serde_json::from_str(&line) {
        Ok(Request::Status) => Answer::Status(Box::new(watch.read())),
        Ok(Request::Scale { to }) => scale(watch, to),
        Ok(Request::Stop) => {
            stop.store(true, Ordering::Relaxed);
            Answer::Done
        }
        Err(error) => Answer::Refused(format!("that is no request: {error}")),
    };
    let mut line = serde_json::to_vec(&answer).expect("an answer is plain data");
    line.push(b'\n');
    talk.write_all(&line)
}

fn scale(watch: &Watch, to: u32) -> Answer {
    let overview = watch.read();
    let agents = overview.agents.len();
    if overview.provider != "process" {
        return Answer::Refused("its agents are in the run's own process; run it with --provider process".to_owned());
    }
    if among(to as usize, agents) != to as usize {
        let least = among(0, agents);
        return Answer::Refused(format!(
            "{agents} agents can be divided among {least} to {agents} processes, not {to}"
        ));
    }
    watch.want(to);
    Answer::Done
}

#[cfg(test)]
mod tests {
    use super::super::overview::AgentView;
    use super::*;

    #[test]
    fn a_swarm_answers_its_owner_and_nobody_holds_its_folder_twice() {
        let scene = tempfile::tempdir().unwrap();
        let folder = Folder::new(&scene.path().join("state"));
        assert_eq!(folder.ask(&Request::Status).unwrap_err().code, 2, "nobody is there");
        let (watch, stop) = (Watch::default(), Arc::new(AtomicBool::new(false)));
        let hold = Hold::take(folder.clone(), watch.clone(), Arc::clone(&stop)).unwrap();
        assert!(folder.is_live());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(folder.path()), mode(&folder.socket())), (0o700, 0o600));
        let refused = Hold::take(folder.clone(), watch.clone(), Arc::clone(&stop)).unwrap_err();
        assert!(refused.code == 2 && refused.message.contains("runs here already"), "{}", refused.message);
        watch.edit(|overview| overview.stamps = 7);
        assert_eq!(folder.status().unwrap().stamps, 7);
        let mut stream = UnixStream::connect(folder.socket()).unwrap();
        stream.write_all(b"{\"do\":\"dance\"}\n").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.starts_with("{\"refused\":\"that is no request"), "{said}");
        assert_eq!(folder.ask(&Request::Stop).unwrap(), Answer::Done);
        assert!(stop.load(Ordering::Relaxed));
        drop(hold);
        assert!(!folder.is_live() && folder.wait_free(PATIENCE));
        assert_eq!(folder.status().unwrap().stamps, 7, "how it was at the end");
    }

    #[test]
    fn agents_are_divided_among_no_fewer_processes_than_hold_them() {
        let watch = Watch::default();
        watch.edit(|overview| {
            overview.provider = "process".to_owned();
            overview.agents = vec![AgentView::default(); 300];
        });
        for refused in [0, 1, 301] {
            let told = format!("300 agents can be divided among 2 to 300 processes, not {refused}");
            assert_eq!(scale(&watch, refused), Answer::Refused(told));
        }
        assert_eq!(watch.take_wanted(), None);
        assert_eq!(scale(&watch, 2), Answer::Done);
        assert_eq!(watch.take_wanted(), Some(2));
        // A controller that wants one gets what there is already.
        assert_eq!([1, 7, 400].map(|wanted| among(wanted, 300)), [2, 7, 300]);
    }
}
