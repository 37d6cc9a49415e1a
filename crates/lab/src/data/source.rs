//! From paths to text: finding files, hashing them as they are read, and walking down their archives.
//!
//! Invariant: one thread per open file reads, hashes, decompresses and sends chunks of at most [`CHUNK_BYTES`] through
//! a channel that holds [`CHUNKS_IN_FLIGHT`]; so memory is bounded whatever the file's size, and decompression overlaps
//! parsing. Errors travel in the same channel, behind the bytes that were good.
//!
//! It does not know rows or columns.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::error::DataError;

/// Bytes handed over at a time, at most.
pub const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait between the reading thread and the parser, at most.
pub const CHUNKS_IN_FLIGHT: usize = 4;
/// Bytes of an archive inside an archive, which is unpacked in memory: a day of a LEAN bundle takes tens of kilobytes.
pub const NESTED_BYTES_MAX: usize = 256 << 20;
/// Archives within archives that are opened, at most.
pub const NESTING_MAX: usize = 4;
/// Members that an error or an inspection lists, at most.
const MEMBERS_LISTED_MAX: usize = 64;

/// True if `text` matches `pattern`, in which `*` stands for any characters, none included.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = pattern.rsplit_once('*').map(|(_, last)| last) else { return rest.is_empty() };
    let middle: Vec<&str> = parts.collect();
    for part in &middle[..middle.len() - 1] {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// The files that a path or glob of the configuration means, in order of their names.
pub(super) fn locate(path: &str, search: &[PathBuf]) -> Result<Vec<(String, PathBuf)>, DataError> {
    let given = Path::new(path);
    let bases: Vec<PathBuf> =
        if given.is_absolute() || search.is_empty() { vec![PathBuf::new()] } else { search.to_vec() };
    let mut folder = false;
    for base in &bases {
        let whole = base.join(given);
        if path.contains('*') {
            let found = glob(&whole)?;
            if !found.is_empty() {
                let name = |p: &Path| p.strip_prefix(base).unwrap_or(p).display().to_string();
                return Ok(found.into_iter().map(|p| (name(&p), p)).collect());
            }
        } else if whole.is_file() {
            return Ok(vec![(path.to_owned(), whole)]);
        } else {
            folder |= whole.is_dir();
        }
    }
    if folder {
        return Err(DataError::Folder { path: path.to_owned() });
    }
    let searched = if bases == [PathBuf::new()] { Vec::new() } else { bases };
    Err(DataError::Missing { path: path.to_owned(), searched })
}

// Component by component, each folder's names sorted. No crate: `*` within a name is all that is promised.
fn glob(pattern: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let text = component.as_os_str().to_string_lossy();
        let mut next = Vec::new();
        for base in found {
            if !text.contains('*') {
                let path = base.join(component);
                if path.exists() {
                    next.push(path);
                }
                continue;
            }
            let folder = if base.as_os_str().is_empty() { Path::new(".") } else { base.as_path() };
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            let mut names = Vec::new();
            for entry in entries {
                let name = entry.map_err(|e| DataError::io("list", folder.display(), e))?.file_name();
                names.extend(Some(name).filter(|n| matches(&text, &n.to_string_lossy())));
            }
            names.sort();
            next.extend(names.into_iter().map(|name| base.join(name)));
        }
        found = next;
    }
    found.retain(|p| p.is_file());
    Ok(found)
}

/// What is known of a file once it was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digest {
    /// BLAKE3 of its bytes as they lie on disk.
    pub(super) blake3: blake3::Hash,
    /// Their number.
    pub(super) bytes: u64,
}

impl Digest {
    /// Of all the file's bytes from where it stands.
    pub(super) fn of(file: &mut File) -> io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut bytes = 0;
        loop {
            let n = file.read(&mut buffer)?;
            if n == 0 {
                return Ok(Self { blake3: hasher.finalize(), bytes });
            }
            hasher.update(&buffer[..n]);
            bytes += n as u64;
        }
    }
}

/// What the reading thread sends.
pub(super) enum Message {
    /// A text begins; its name, members included.
    Begin(String),
    /// Bytes of it.
    Bytes(Vec<u8>),
    /// It is whole.
    End,
    /// Nothing more comes.
    Failed(DataError),
}

/// A file being read, or a text at hand.
pub(super) struct Source {
    receiver: Option<Receiver<Message>>,
    work: Option<Work>,
    abandoned: Arc<AtomicBool>,
}

/// What reads, and knows the hash in the end.
enum Work {
    Thread(JoinHandle<Result<Digest, DataError>>),
    Done(Digest),
}

impl Source {
    /// Starts to read the file at `path`, called `name` in messages.
    pub(super) fn open(name: &str, path: &Path, member: Option<&str>) -> Result<Self, DataError> {
        let file = File::open(path).map_err(|e| DataError::io("open", name, e))?;
        Ok(Self::start(name, member, Box::new(file)))
    }

    /// Starts to read from anything that can be read and wound back.
    pub(super) fn start(name: &str, member: Option<&str>, input: Box<dyn ReadSeek>) -> Self {
        let (sender, receiver) = sync_channel(CHUNKS_IN_FLIGHT);
        let abandoned = Arc::new(AtomicBool::new(false));
        let mut walk = Walk {
            path: name.to_owned(),
            member: member.map(str::to_owned),
            sender: Some(sender),
            matched: false,
            seen: VecDeque::new(),
            abandoned: Arc::clone(&abandoned),
        };
        let thread = std::thread::spawn(move || walk.run(input));
        Self { receiver: Some(receiver), work: Some(Work::Thread(thread)), abandoned }
    }

    /// A text that lies in memory: no file, no thread.
    pub(super) fn of_text(name: &str, text: &[u8]) -> Self {
        let mut chunks = text.chunks(CHUNK_BYTES);
        // Its beginning and its end, beside its bytes.
        let (sender, receiver) = sync_channel(chunks.len() + 2);
        let begin = std::iter::once(Message::Begin(name.to_owned()));
        let bytes = chunks.by_ref().map(|chunk| Message::Bytes(chunk.to_vec()));
        for message in begin.chain(bytes).chain([Message::End]) {
            sender.try_send(message).expect("the channel has room for all of them");
        }
        let digest = Digest { blake3: blake3::hash(text), bytes: text.len() as u64 };
        let abandoned = Arc::new(AtomicBool::new(false));
        Self { receiver: Some(receiver), work: Some(Work::Done(digest)), abandoned }
    }

    /// The next message; none after the last.
    pub(super) fn next(&mut self) -> Option<Message> {
        self.receiver.as_ref()?.recv().ok()
    }

    /// Reads what is left of the file for its hash, without decompressing it.
    pub(super) fn finish(&mut self) -> Result<Digest, DataError> {
        self.receiver = None;
        match self.work.take().expect("a source is finished once") {
            Work::Thread(thread) => thread.join().expect("the reading thread does not panic"),
            Work::Done(digest) => Ok(digest),
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Relaxed);
        self.receiver = None;
        if let Some(Work::Thread(thread)) = self.work.take() {
            // It stops at its next chunk; its outcome concerns nobody now.
            drop(thread.join());
        }
    }
}

/// What a source reads from.
pub(super) trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

struct Hashed<'a, R> {
    inner: R,
    hasher: blake3::Hasher,
    bytes: u64,
    abandoned: &'a AtomicBool,
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.abandoned.load(Ordering::Relaxed) {
            return Err(io::Error::other("abandoned"));
        }
        let n = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}

enum Stop {
    /// The receiver has what it wants.
    Enough,
    Failed(DataError),
}

impl From<DataError> for Stop {
    fn from(error: DataError) -> Self {
        Self::Failed(error)
    }
}

struct Walk {
    path: String,
    member: Option<String>,
    // Taken away at the end, so that the receiver sees it before the rest of the file is hashed.
    sender: Option<SyncSender<Message>>,
    matched: bool,
    seen: VecDeque<String>,
    abandoned: Arc<AtomicBool>,
}

impl Walk {
    fn run(&mut self, mut input: Box<dyn ReadSeek>) -> Result<Digest, DataError> {
        let abandoned = Arc::clone(&self.abandoned);
        let mut hashed = Hashed { inner: &mut input, hasher: blake3::Hasher::new(), bytes: 0, abandoned: &abandoned };
        let path = self.path.clone();
        let outcome = if extension(&path) == "zip" {
            // The list of members stands at the end of the file, so it is hashed first and wound back.
            let digest = drain(&mut hashed).and_then(|()| hashed.inner.rewind());
            match digest {
                Ok(()) => self.unzip(&path, &mut hashed.inner),
                Err(cause) => Err(Stop::Failed(DataError::io("read", &path, cause))),
            }
        } else {
            self.unpack(&path, &path, &mut BufReader::with_capacity(CHUNK_BYTES, &mut hashed))
        };
        let outcome = match outcome {
            Ok(()) => self.check_member(),
            Err(Stop::Enough) => Ok(()),
            Err(Stop::Failed(error)) => Err(error),
        };
        if let Err(error) = outcome {
            self.send(Message::Failed(error)).ok();
        }
        self.sender = None;
        if extension(&path) != "zip" {
            drain(&mut hashed).map_err(|e| DataError::io("read", &path, e))?;
        }
        Ok(Digest { blake3: hashed.hasher.finalize(), bytes: hashed.bytes })
    }

    fn check_member(&mut self) -> Result<(), DataError> {
        match &self.member {
            Some(pattern) if !self.matched => Err(DataError::Member {
                path: self.path.clone(),
                pattern: pattern.clone(),
                present: self.seen.drain(..).collect(),
            }),
            _ => Ok(()),
        }
    }

    fn send(&self, message: Message) -> Result<(), Stop> {
        self.sender.as_ref().expect("the channel outlives the walk").send(message).map_err(|_| Stop::Enough)
    }

    // `chain` is the way down for messages, `name` the last of it, whose endings say what the bytes are.
    fn unpack(&mut self, chain: &str, name: &str, input: &mut dyn Read) -> Result<(), Stop> {
        if chain.matches(" > ").count() > NESTING_MAX {
            let problem = format!("archives lie more than {NESTING_MAX} deep in one another; unpack it");
            return Err(Stop::Failed(DataError::Unsupported { path: chain.into(), problem }));
        }
        let lower = name.to_ascii_lowercase();
        if let Some(stem) = lower.strip_suffix(".gz") {
            let stem = &name[..stem.len()];
            return self.unpack_tagged(chain, stem, "gzip", &mut flate2::read::MultiGzDecoder::new(input));
        }
        if let Some(stem) = lower.strip_suffix(".tgz") {
            let stem = format!("{}.tar", &name[..stem.len()]);
            return self.unpack_tagged(chain, &stem, "gzip", &mut flate2::read::MultiGzDecoder::new(input));
        }
        if let Some(stem) = lower.strip_suffix(".zst") {
            let stem = &name[..stem.len()];
            let mut decoder = zstd::stream::read::Decoder::new(input).map_err(|cause| broken(chain, "zstd", &cause))?;
            return self.unpack_tagged(chain, stem, "zstd", &mut decoder);
        }
        match extension(&lower) {
            "tar" => self.untar(chain, "tar", input),
            "zip" => {
                let bytes = read_nested(chain, input)?;
                self.unzip(chain, &mut Cursor::new(bytes))
            }
            _ => self.text(chain, "", input),
        }
    }

    // Below a decompressor, its name is what a fault of the bytes is reported by.
    fn unpack_tagged(
        &mut self,
        chain: &str,
        stem: &str,
        format: &'static str,
        input: &mut dyn Read,
    ) -> Result<(), Stop> {
        match extension(&stem.to_ascii_lowercase()) {
            "tar" => self.untar(chain, format, input),
            "zip" => {
                let bytes = read_nested(chain, input)?;
                self.unzip(chain, &mut Cursor::new(bytes))
            }
            _ => self.text(chain, format, input),
        }
    }

    fn untar(&mut self, chain: &str, format: &'static str, input: &mut dyn Read) -> Result<(), Stop> {
        let mut archive = tar::Archive::new(input);
        for entry in archive.entries().map_err(|cause| broken(chain, format, &cause))? {
            let mut entry = entry.map_err(|cause| broken(chain, format, &cause))?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let name = entry.path().map_err(|cause| broken(chain, format, &cause))?.display().to_string();
            self.unpack(&format!("{chain} > {name}"), &name, &mut entry)?;
        }
        Ok(())
    }

    fn unzip<R: Read + Seek>(&mut self, chain: &str, input: &mut R) -> Result<(), Stop> {
        let mut archive = zip::ZipArchive::new(input).map_err(|e| zip_fault(chain, &e))?;
        for i in 0..archive.len() {
            let mut file = archive.by_index(i).map_err(|e| zip_fault(chain, &e))?;
            if file.is_dir() {
                continue;
            }
            let inner = file.name().map_err(|e| zip_fault(chain, &e))?.into_owned();
            // Zips carry the side files of one archiver.
            if inner.starts_with("__MACOSX/") {
                continue;
            }
            let down = format!("{chain} > {inner}");
            self.unpack_member(&down, &inner, &mut file)?;
        }
        Ok(())
    }

    fn unpack_member(&mut self, chain: &str, name: &str, input: &mut dyn Read) -> Result<(), Stop> {
        match extension(&name.to_ascii_lowercase()) {
            "gz" | "tgz" | "zst" | "tar" | "zip" => self.unpack(chain, name, input),
            _ => self.text(chain, "zip", input),
        }
    }

    // The bottom: a text, sent in chunks if it is wanted.
    fn text(&mut self, chain: &str, format: &'static str, input: &mut dyn Read) -> Result<(), Stop> {
        if let (Some(pattern), Some((_, down))) = (&self.member, chain.split_once(" > ")) {
            let way = down.replace(" > ", "/");
            let last = way.rsplit('/').next().unwrap_or(&way);
            if !matches(pattern, last) && !matches(pattern, &way) {
                if self.seen.len() < MEMBERS_LISTED_MAX {
                    self.seen.push_back(way);
                }
                return Ok(());
            }
        }
        self.matched = true;
        self.send(Message::Begin(chain.to_owned()))?;
        loop {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            let outcome = input.take(CHUNK_BYTES as u64).read_to_end(&mut chunk);
            let n = chunk.len();
            if n > 0 {
                self.send(Message::Bytes(chunk))?;
            }
            match outcome {
                Ok(_) if n == 0 => break,
                Ok(_) => {}
                Err(cause) if format.is_empty() => return Err(DataError::io("read", chain, cause).into()),
                Err(cause) => return Err(broken(chain, format, &cause)),
            }
        }
        self.send(Message::End)
    }
}

/// The last ending of a name, without its dot.
pub(super) fn extension(name: &str) -> &str {
    name.rsplit(['/', ' ']).next().and_then(|n| n.rsplit_once('.')).map_or("", |(_, ending)| ending)
}

/// The name without the endings of compressions, in lower case.
pub(super) fn plain_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    lower.strip_suffix(".gz").or_else(|| lower.strip_suffix(".zst")).unwrap_or(&lower).to_owned()
}

fn broken(chain: &str, format: &'static str, cause: &io::Error) -> Stop {
    Stop::Failed(DataError::Broken { source_name: chain.into(), format, cause: cause.to_string(), line: None })
}

fn zip_fault(chain: &str, cause: &zip::result::ZipError) -> DataError {
    DataError::Broken { source_name: chain.into(), format: "zip", cause: cause.to_string(), line: None }
}

fn read_nested(chain: &str, input: &mut dyn Read) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    input
        .take(NESTED_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|cause| broken(chain, "archive", &cause))?;
    if bytes.len() > NESTED_BYTES_MAX {
        return Err(Stop::Failed(DataError::NestedTooLarge { source_name: chain.into(), limit: NESTED_BYTES_MAX }));
    }
    Ok(bytes)
}

fn drain(input: &mut impl Read) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    while input.read(&mut buffer)? > 0 {}
    Ok(())
}
