//! What a member keeps on disk, so that it comes back as itself.
//!
//! ```text
//!  SESSION.units   the broadcast's own backup of a session that is not certified yet, unit by unit
//!  SESSION.log     what a session ordered: creator, length, parcel; and so on
//!  SESSION.mark    what it came to, once it ended: checkpoint, admissions, signatures
//!  outbox.0, .1    own batches that may not have been ordered yet; one is written, the other is empty or about to be
//! ```
//!
//! Invariant: a record is either there whole or not at all. Each has its length and a hash before it, and is written at
//! once; what a dying process left half written is cut off when it is read again. A unit is in `units` before anybody
//! hears of it, and a batch in `outbox` before its number is known to anybody, so that a member that comes back says
//! nothing that contradicts what it said.
//!
//! Only appending is done where it holds the order up: it goes to the page cache. What changes a file system (to make
//! files, to remove them) may wait for a disk for seconds, so a [`Clerk`] does it on a thread of its own, in the order in
//! which it was told. If the process dies before, a session that had ended is under way once more, and ends the same.
//!
//! Files survive the death of the process. A machine that loses power may lose what was written last; then the broadcast
//! asks the other members for one's newest unit, which helps against contradictions but does not exclude them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Context, Poll};

use serde::{Deserialize, Serialize};
use starling_swarm::byzantine::{Certified, Checkpoint, Sessions};

use super::unit::PARCEL_BYTES_MAX;

/// A record's hash, as far as it is kept.
type Hash = [u8; 16];
/// A record's length and hash.
const HEAD_BYTES: usize = 4 + size_of::<Hash>();
/// No record is longer; a unit is a parcel and some hundred bytes.
const RECORD_MAX: usize = PARCEL_BYTES_MAX + (1 << 20);

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) checkpoint: Checkpoint,
    /// As the next session begins.
    pub(super) sessions: Sessions,
    /// Once a quorum has signed.
    pub(super) certified: Option<Certified>,
}

/// Batches with their numbers.
pub(super) type Numbered = Vec<(u64, Vec<u8>)>;

/// A folder.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    folder: PathBuf,
}

fn hash(bytes: &[u8]) -> Hash {
    *blake3::hash(bytes).as_bytes().first_chunk().expect("half of it")
}

fn record(bytes: &[u8], hash: Hash) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEAD_BYTES + bytes.len());
    record.extend(u32::try_from(bytes.len()).expect("records are short").to_le_bytes());
    record.extend(hash);
    record.extend(bytes);
    record
}

/// Reads whole records; the length of what is whole.
fn read_records(path: &Path, mut take: impl FnMut(&[u8], Hash)) -> io::Result<u64> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(why) => return Err(why),
    };
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let (mut whole, mut bytes) = (0, Vec::new());
    loop {
        let mut head = [0; HEAD_BYTES];
        if !filled(&mut reader, &mut head)? {
            return Ok(whole);
        }
        let (length, expected) = head.split_at(4);
        let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
        if length > RECORD_MAX {
            return Ok(whole);
        }
        bytes.resize(length, 0);
        let found = filled(&mut reader, &mut bytes)?.then(|| hash(&bytes));
        let Some(found) = found.filter(|found| found == expected) else { return Ok(whole) };
        take(&bytes, found);
        whole += (HEAD_BYTES + length) as u64;
    }
}

/// Reads as much as there is room for; false if the file is at its end before that.
fn filled(reader: &mut impl Read, room: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(room) {
        Ok(()) => Ok(true),
        Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(why) => Err(why),
    }
}

/// Opens a file of records to add to it, without what is not whole at its end.
fn append_records(path: &Path, whole: u64) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    file.set_len(whole)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

/// Writes a file so that it is there whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, bytes)?;
    fs::rename(new, path)
}

impl Shelf {
    /// A folder, made if it is not there.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    fn path(&self, session: u64, kind: &str) -> PathBuf {
        self.folder.join(format!("{session:012}.{kind}"))
    }

    /// Sessions with a file of a kind, in order.
    fn sessions(&self, kind: &str) -> io::Result<Vec<u64>> {
        let mut sessions = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let number: Option<u64> =
                name.to_str().and_then(|name| name.strip_suffix(kind)?.strip_suffix('.')?.parse().ok());
            sessions.extend(number);
        }
        sessions.sort_unstable();
        Ok(sessions)
    }

    /// The broadcast's backup of a session: what is in it, each unit once, and where more goes.
    pub(super) fn backup(&self, session: u64) -> io::Result<(Vec<u8>, UnitWriter)> {
        let (path, mut units, mut there) = (self.path(session, "units"), Vec::new(), BTreeSet::new());
        let whole = read_records(&path, |unit, hash| {
            if there.insert(hash) {
                units.extend(unit);
            }
        })?;
        Ok((units, UnitWriter { file: append_records(&path, whole)?, unit: Vec::new(), there }))
    }

    /// Forgets a certified session's backup.
    pub(super) fn drop_backup(&self, session: u64) -> io::Result<()> {
        match fs::remove_file(self.path(session, "units")) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
            _ => Ok(()),
        }
    }

    /// Marks in order of their sessions. What is not whole at the end of the row was about to be written, and is left out.
    pub(super) fn marks(&self) -> io::Result<Vec<Mark>> {
        let mut marks: Vec<Mark> = Vec::new();
        for session in self.sessions("mark")? {
            let Ok(mark) = postcard::from_bytes::<Mark>(&fs::read(self.path(session, "mark"))?) else { break };
            marks.push(mark);
        }
        Ok(marks)
    }

    /// The oldest session that is kept.
    pub(super) fn oldest(&self) -> io::Result<Option<u64>> {
        Ok(self.sessions("mark")?.first().copied())
    }

    pub(super) fn mark(&self, session: u64) -> io::Result<Option<Mark>> {
        match fs::read(self.path(session, "mark")) {
            Ok(bytes) => Ok(postcard::from_bytes(&bytes).ok()),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(why),
        }
    }

    pub(super) fn write_mark(&self, mark: &Mark) -> io::Result<()> {
        let bytes = postcard::to_allocvec(mark).expect("a mark is plain data");
        replace(&self.path(mark.checkpoint.session, "mark"), &bytes)
    }

    /// Forgets ended sessions before `session`.
    pub(super) fn forget_before(&self, session: u64) -> io::Result<()> {
        for kind in ["mark", "log", "fetched"] {
            for old in self.sessions(kind)?.into_iter().filter(|old| *old < session) {
                fs::remove_file(self.path(old, kind))?;
            }
        }
        Ok(())
    }

    /// A session's log, empty.
    pub(super) fn new_log(&self, session: u64) -> io::Result<Log> {
        Log::new(self.path(session, "log"))
    }

    /// A piece of a log, and its length. After its end there is nothing, however far: others choose where to read.
    pub(super) fn piece(&self, session: u64, from: u64, at_most: usize) -> io::Result<(Vec<u8>, u64)> {
        let mut file = File::open(self.path(session, "log"))?;
        let length = file.metadata()?.len();
        let Some(rest) = length.checked_sub(from) else { return Ok((Vec::new(), length)) };
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::with_capacity(at_most.min(usize::try_from(rest).unwrap_or(at_most)));
        file.take(at_most as u64).read_to_end(&mut bytes)?;
        Ok((bytes, length))
    }

    /// Reads a log of a session that came after one with this digest.
    pub(super) fn read_log(&self, session: u64, before: [u8; 32]) -> io::Result<LogReader> {
        let file = File::open(self.path(session, "log"))?;
        Ok(LogReader { reader: BufReader::with_capacity(1 << 18, file), digest: digest_after(before) })
    }

    /// Where a log of another member is put together.
    pub(super) fn fetched(&self, session: u64, before: [u8; 32]) -> io::Result<Log> {
        let mut log = Log::new(self.path(session, "fetched"))?;
        log.follow(before);
        Ok(log)
    }

    /// Own batches that may not have been ordered, in order, and where more go.
    pub(super) fn outbox(&self, clerk: Clerk) -> io::Result<(Numbered, Outbox)> {
        let paths = ["outbox.0", "outbox.1"].map(|name| self.folder.join(name));
        let (mut batches, mut whole) = (BTreeMap::new(), [0; 2]);
        for (path, whole) in paths.iter().zip(&mut whole) {
            *whole = read_records(path, |bytes, _| {
                if let Some((number, batch)) = bytes.split_first_chunk() {
                    batches.insert(u64::from_le_bytes(*number), batch.to_vec());
                }
            })?;
        }
        if !whole.contains(&0) {
            // It died before one was emptied. Without an empty one it could never be shortened again.
            let all: Vec<u8> = batches.iter().flat_map(|(number, batch)| Outbox::entry(*number, batch)).collect();
            replace(&paths[0], &all)?;
            whole = [all.len() as u64, 0];
        }
        let [zero, one] = [append_records(&paths[0], whole[0])?, append_records(&paths[1], whole[1])?];
        let (file, spare) = if whole[0] == 0 { (one, zero) } else { (zero, one) };
        let spare = Arc::new(Mutex::new(Some(spare)));
        Ok((batches.into_iter().collect(), Outbox { file, spare, clerk }))
    }
}

/// Writes units as records, each when it is flushed. Writes go to the page cache, so they do not wait.
#[derive(Debug)]
pub(super) struct UnitWriter {
    file: File,
    unit: Vec<u8>,
    /// Units that were read from the file: the broadcast gives it each of them to write again.
    there: BTreeSet<Hash>,
}

impl futures_util::io::AsyncWrite for UnitWriter {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.unit.extend(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let unit = std::mem::take(&mut self.unit);
        let hash = hash(&unit);
        let done = unit.is_empty() || self.there.remove(&hash);
        Poll::Ready(if done { Ok(()) } else { self.file.write_all(&record(&unit, hash)) })
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

/// A thread for what may take long. What it is told is done in order, and is not waited for; after a failure nothing more
/// is done, and [`Clerk::failed`] says why.
#[derive(Debug, Clone)]
pub(super) struct Clerk {
    jobs: mpsc::Sender<Job>,
    failed: Arc<Mutex<Option<io::Error>>>,
}

type Job = Box<dyn FnOnce() -> io::Result<()> + Send>;

impl Clerk {
    pub(super) fn new(name: &str) -> io::Result<Self> {
        let (jobs, told) = mpsc::channel::<Job>();
        let failed = Arc::new(Mutex::new(None));
        let failure = Arc::clone(&failed);
        std::thread::Builder::new().name(format!("{name} clerk")).spawn(move || {
            for job in told {
                if let Err(why) = job() {
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                    return;
                }
            }
        })?;
        Ok(Self { jobs, failed })
    }

    pub(super) fn tell(&self, job: impl FnOnce() -> io::Result<()> + Send + 'static) {
        // It hears no more after a failure, which is told elsewhere.
        let _ = self.jobs.send(Box::new(job));
    }

    /// Why it works no more.
    pub(super) fn failed(&self) -> io::Result<()> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    /// Waits until all that it was told is done.
    pub(super) fn finish(&self) {
        let (done, wait) = mpsc::channel::<()>();
        self.tell(move || {
            drop(done);
            Ok(())
        });
        let _ = wait.recv();
    }
}

/// Of a log without entries, after a session with this digest.
fn digest_after(before: [u8; 32]) -> blake3::Hasher {
    let mut digest = blake3::Hasher::new();
    digest.update(b"starling byzantine log 1");
    digest.update(&before);
    digest
}

/// What a session orders, as bytes, and their digest.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    length: u64,
    digest: blake3::Hasher,
}

impl Log {
    fn new(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&path)?;
        Ok(Self { path, file, length: 0, digest: blake3::Hasher::new() })
    }

    /// Begins, after a session with this digest.
    pub(super) fn follow(&mut self, before: [u8; 32]) {
        assert_eq!(self.length, 0, "a log begins once");
        self.digest = digest_after(before);
    }

    /// Adds a unit's parcel.
    pub(super) fn append(&mut self, creator: u32, parcel: &[u8]) -> io::Result<()> {
        let mut entry = Vec::with_capacity(8 + parcel.len());
        entry.extend(creator.to_le_bytes());
        entry.extend(u32::try_from(parcel.len()).expect("parcels are short").to_le_bytes());
        entry.extend(parcel);
        self.append_bytes(&entry)
    }

    /// Adds a piece of a log.
    pub(super) fn append_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.digest.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    pub(super) const fn len(&self) -> u64 {
        self.length
    }

    /// Of all that is in it, and of the session before.
    pub(super) fn digest(&self) -> [u8; 32] {
        *self.digest.finalize().as_bytes()
    }

    /// Becomes the session's log, if what that has is how this one begins; the entries that are new. None if it is not:
    /// then this member has seen another order than a quorum.
    pub(super) fn take_the_place_of(mut self, old: &mut Self) -> io::Result<Option<LogReader>> {
        let mut mine = BufReader::new(File::open(&old.path)?).take(old.length);
        self.file.seek(SeekFrom::Start(0))?;
        let mut theirs = BufReader::new(&self.file).take(old.length);
        let (mut a, mut b) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        loop {
            let (mut filled_a, mut filled_b) = (0, 0);
            while let n @ 1.. = mine.read(&mut a[filled_a..])? {
                filled_a += n;
            }
            while let n @ 1.. = theirs.read(&mut b[filled_b..])? {
                filled_b += n;
            }
            if a[..filled_a] != b[..filled_b] {
                return Ok(None);
            }
            if filled_a == 0 {
                break;
            }
        }
        self.file.seek(SeekFrom::End(0))?;
        let from = old.length;
        fs::rename(&self.path, &old.path)?;
        self.path.clone_from(&old.path);
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(from))?;
        let digest = std::mem::replace(old, self).digest;
        Ok(Some(LogReader { reader: BufReader::with_capacity(1 << 18, file), digest }))
    }
}

/// The entries of a log: creator and parcel.
#[derive(Debug)]
pub(super) struct LogReader {
    reader: BufReader<File>,
    digest: blake3::Hasher,
}

impl LogReader {
    /// The next; none at the end. What does not fit, or is cut off, is an error: a log is whole, or its disk is not.
    pub(super) fn next(&mut self) -> io::Result<Option<(u32, Vec<u8>)>> {
        if self.reader.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut head = [0; 8];
        self.reader.read_exact(&mut head)?;
        let (creator, length) = head.split_at(4);
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        let length = number(length) as usize;
        if length > PARCEL_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a log with a parcel of {length} bytes")));
        }
        let mut parcel = vec![0; length];
        self.reader.read_exact(&mut parcel)?;
        self.digest.update(&head);
        self.digest.update(&parcel);
        Ok(Some((number(creator), parcel)))
    }

    /// Of all that was read, and of what came before it.
    pub(super) fn digest(&self) -> [u8; 32] {
        *self.digest.finalize().as_bytes()
    }
}

/// Own batches on disk.
#[derive(Debug)]
pub(super) struct Outbox {
    file: File,
    /// The other file, once it is empty.
    spare: Arc<Mutex<Option<File>>>,
    clerk: Clerk,
}

impl Outbox {
    fn entry(number: u64, batch: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + batch.len());
        bytes.extend(number.to_le_bytes());
        bytes.extend(batch);
        record(&bytes, hash(&bytes))
    }

    pub(super) fn append(&mut self, number: u64, batch: &[u8]) -> io::Result<()> {
        self.file.write_all(&Self::entry(number, batch))
    }

    /// Keeps these only, unless the clerk has not emptied the other file yet: then all stays as it is until the next time.
    pub(super) fn keep<'a>(&mut self, batches: impl Iterator<Item = (u64, &'a [u8])>) -> io::Result<()> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut file) = spare else { return Ok(()) };
        for (number, batch) in batches {
            file.write_all(&Self::entry(number, batch))?;
        }
        let (mut old, spare) = (std::mem::replace(&mut self.file, file), Arc::clone(&self.spare));
        self.clerk.tell(move || {
            old.set_len(0)?;
            old.seek(SeekFrom::Start(0))?;
            *spare.lock().unwrap_or_else(PoisonError::into_inner) = Some(old);
            Ok(())
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::io::AsyncWriteExt as _;
    use starling_swarm::byzantine::Length;
    use starling_swarm::id::AgentId;

    fn shelf() -> (tempfile::TempDir, Shelf) {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path()).unwrap();
        (folder, shelf)
    }

    fn write_units(writer: &mut UnitWriter, units: &[&[u8]]) {
        for unit in units {
            // In two writes, as an encoder may.
            let (one, other) = unit.split_at(unit.len() / 2);
            let write = async {
                writer.write_all(one).await.unwrap();
                writer.write_all(other).await.unwrap();
                writer.flush().await.unwrap();
            };
            futures_util::FutureExt::now_or_never(write).unwrap();
        }
    }

    /// Wherever a dying process stopped to write, whole units are there and nothing else is, and one can go on.
    #[test]
    fn a_torn_backup_is_what_was_whole() {
        let (_folder, shelf) = shelf();
        let (before, mut writer) = shelf.backup(3).unwrap();
        assert_eq!(before, b"");
        write_units(&mut writer, &[b"first", b"second unit", b"third"]);
        let path = shelf.path(3, "units");
        let full = fs::read(&path).unwrap();
        let ends = [0, HEAD_BYTES + 5, 2 * HEAD_BYTES + 16, 3 * HEAD_BYTES + 21];
        let whole: [&[u8]; 4] = [b"", b"first", b"firstsecond unit", b"firstsecond unitthird"];
        for cut in 0..=full.len() {
            fs::write(&path, &full[..cut]).unwrap();
            let at = ends.iter().rposition(|end| *end <= cut).unwrap();
            let (units, mut writer) = shelf.backup(3).unwrap();
            assert_eq!(units, whole[at], "cut at {cut}");
            write_units(&mut writer, &[b"more"]);
            assert_eq!(shelf.backup(3).unwrap().0, [whole[at], b"more"].concat(), "cut at {cut}");
        }
        let mut flipped = full;
        flipped[HEAD_BYTES + 7] ^= 1;
        fs::write(&path, flipped).unwrap();
        assert_eq!(shelf.backup(3).unwrap().0, b"first", "nothing after what is damaged");
        shelf.drop_backup(3).unwrap();
        shelf.drop_backup(3).unwrap();
        assert_eq!(shelf.backup(3).unwrap().0, b"");
    }

    /// The broadcast writes what it has read from its backup once more, whenever it begins.
    #[test]
    fn a_backup_does_not_grow_by_being_read() {
        let (_folder, shelf) = shelf();
        let units: [&[u8]; 3] = [b"first", b"second unit", b"third"];
        write_units(&mut shelf.backup(3).unwrap().1, &units[..2]);
        let path = shelf.path(3, "units");
        let once = fs::read(&path).unwrap();
        for _ in 0..3 {
            let (read, mut writer) = shelf.backup(3).unwrap();
            assert_eq!(read, units[..2].concat());
            write_units(&mut writer, &units[..2]);
            assert_eq!(fs::read(&path).unwrap(), once);
        }
        write_units(&mut shelf.backup(3).unwrap().1, &units);
        assert_eq!(shelf.backup(3).unwrap().0, units.concat(), "what is new is written");
        // Of one that has grown each unit is read once.
        fs::write(&path, [&once[..], &once[..]].concat()).unwrap();
        assert_eq!(shelf.backup(3).unwrap().0, units[..2].concat());
    }

    #[test]
    fn the_outbox_keeps_what_it_is_told_to() {
        let (_folder, shelf) = shelf();
        let clerk = Clerk::new("test").unwrap();
        let (none, mut outbox) = shelf.outbox(clerk.clone()).unwrap();
        assert!(none.is_empty());
        for number in 0..5 {
            outbox.append(number, &[number as u8; 3]).unwrap();
        }
        outbox.keep([(3, &[3_u8; 3][..]), (4, &[4; 3])].into_iter()).unwrap();
        outbox.append(5, b"new").unwrap();
        clerk.finish();
        let after = [(3, vec![3; 3]), (4, vec![4; 3]), (5, b"new".to_vec())];
        let (kept, mut outbox) = shelf.outbox(clerk.clone()).unwrap();
        assert_eq!(kept, after);

        // The clerk is held up, and dies before it emptied the old file: what both hold is there once.
        let (go, wait) = mpsc::channel::<()>();
        clerk.tell(move || wait.recv().map_err(io::Error::other));
        outbox.keep([(5, &b"new"[..])].into_iter()).unwrap();
        outbox.append(6, b"newer").unwrap();
        outbox.keep(std::iter::empty()).unwrap();
        drop(go);
        let both = [&after[..], &[(6, b"newer".to_vec())]].concat();
        clerk.finish();
        assert!(clerk.failed().is_err() && clerk.failed().is_ok(), "told once");

        // And it can be shortened again.
        let next = Clerk::new("next").unwrap();
        let (kept, mut outbox) = shelf.outbox(next.clone()).unwrap();
        assert_eq!(kept, both);
        outbox.append(7, b"newest").unwrap();
        outbox.keep([(7, &b"newest"[..])].into_iter()).unwrap();
        next.finish();
        assert_eq!(shelf.outbox(next).unwrap().0, [(7, b"newest".to_vec())]);
    }

    #[test]
    fn a_fetched_log_goes_on_where_the_own_one_stopped_or_is_refused() {
        let (_folder, shelf) = shelf();
        let mut full = shelf.fetched(1, [7; 32]).unwrap();
        for entry in 0..5_u32 {
            full.append(entry, &vec![entry as u8; 30_000]).unwrap();
        }
        let digest = full.digest();
        let mut own = shelf.new_log(1).unwrap();
        own.follow([7; 32]);
        for entry in 0..3_u32 {
            own.append(entry, &vec![entry as u8; 30_000]).unwrap();
        }
        assert_ne!(own.digest(), digest);
        let mut rest = full.take_the_place_of(&mut own).unwrap().unwrap();
        assert_eq!(rest.next().unwrap(), Some((3, vec![3; 30_000])));
        assert_eq!(rest.next().unwrap(), Some((4, vec![4; 30_000])));
        assert_eq!(rest.next().unwrap(), None);
        assert_eq!((own.digest(), own.len()), (digest, 5 * 30_008));
        assert_eq!(rest.digest(), digest);
        let mut again = shelf.read_log(1, [7; 32]).unwrap();
        assert_eq!(again.next().unwrap(), Some((0, vec![0; 30_000])));
        assert_ne!(again.digest(), digest);
        while again.next().unwrap().is_some() {}
        assert_eq!(again.digest(), digest);
        assert_eq!(shelf.piece(1, 150_039, 9).unwrap(), (vec![4], 150_040));
        assert_eq!(shelf.piece(1, 8, 2).unwrap(), (vec![0, 0], 150_040));
        for after in [150_040, 150_041, u64::MAX] {
            assert_eq!(shelf.piece(1, after, 9).unwrap(), (vec![], 150_040));
        }

        let mut other = shelf.fetched(1, [7; 32]).unwrap();
        other.append(9, &[9; 200_000]).unwrap();
        assert!(other.take_the_place_of(&mut own).unwrap().is_none(), "another order");
        let mut short = shelf.fetched(1, [7; 32]).unwrap();
        short.append(0, &[0; 30_000]).unwrap();
        assert!(short.take_the_place_of(&mut own).unwrap().is_none(), "less than was seen");
        assert_ne!(shelf.fetched(1, [8; 32]).unwrap().digest(), shelf.fetched(1, [7; 32]).unwrap().digest());
    }

    /// Wherever a log is cut off, there is an error and not just fewer batches.
    #[test]
    fn half_an_entry_is_no_end() {
        let (_folder, shelf) = shelf();
        let mut log = shelf.new_log(1).unwrap();
        (0..2).for_each(|entry| log.append(entry, &[7; 5]).unwrap());
        let path = shelf.path(1, "log");
        let full = fs::read(&path).unwrap();
        let mut long = full.clone();
        long[4..8].copy_from_slice(&(PARCEL_BYTES_MAX as u32 + 1).to_le_bytes());
        let entries = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let mut log = shelf.read_log(1, [0; 32]).unwrap();
            let next = || log.next().transpose();
            std::iter::from_fn(next).collect::<io::Result<Vec<_>>>().map(|entries| entries.len())
        };
        for cut in 0..=full.len() {
            assert_eq!(entries(&full[..cut]).ok(), (cut % 13 == 0).then_some(cut / 13), "cut at {cut}");
        }
        assert_eq!(entries(&long).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn marks_come_back_and_are_forgotten() {
        let (_folder, shelf) = shelf();
        let mark = |session| Mark {
            checkpoint: Checkpoint { broadcast: [0; 32], session, digest: [session as u8; 32] },
            sessions: Sessions::new(Length { units: 5, bytes: 100, tail: 2 }, [AgentId(1)]),
            certified: None,
        };
        (8..12).for_each(|session| shelf.write_mark(&mark(session)).unwrap());
        assert_eq!(shelf.marks().unwrap(), [8, 9, 10, 11].map(mark));
        assert_eq!((shelf.mark(9).unwrap(), shelf.mark(7).unwrap()), (Some(mark(9)), None));
        shelf.forget_before(10).unwrap();
        assert_eq!((shelf.marks().unwrap(), shelf.oldest().unwrap()), ([10, 11].map(mark).to_vec(), Some(10)));
    }
}
