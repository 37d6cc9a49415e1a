//! A journal while its run lasts: it has its name only once it is whole.
//!
//! Invariant: an earlier journal is as it was until the new one is whole; two runs never write one file; and what a run
//! that was killed had written is kept up to its last whole record, never written over in silence.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use starling_core::UnixNanos;
use starling_core::journal::{JournalError, StreamReader};

use crate::terminal::{Failure, say};

/// Where a journal is written that is not whole yet.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
    partial: PathBuf,
}

/// What a run that was killed left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rest {
    records: u64,
    last: UnixNanos,
    /// Its whole records end here; none if something is wrong that no interrupted write does.
    length: Option<u64>,
}

impl Draft {
    /// Begins a journal that will be `path`, and gives the file to write. It is locked as long as it is open.
    pub(crate) fn begin(path: &Path) -> Result<(Self, File), Failure> {
        let (partial, killed) = (beside(path, "partial"), beside(path, "killed"));
        let fail = |error: io::Error| {
            let message = format!("{}: cannot be written: {error}", path.display());
            Failure::usage(message)
        };
        loop {
            let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&partial);
            let file = open.map_err(fail)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(Failure::usage(format!(
                        "{}: another run writes its journal there: wait until it ends, or give another folder with --out",
                        partial.display()
                    )));
                }
                Err(TryLockError::Error(error)) => return Err(fail(error)),
            }
            // Between opening and locking it may have become another run's journal.
            if !is_at(&file, &partial) {
                continue;
            }
            if file.metadata().map_err(fail)?.len() == 0 {
                return Ok((Self { path: path.to_owned(), partial }, file));
            }
            keep(&file, &partial, &killed).map_err(fail)?;
        }
    }

    /// It is whole, and gets its name.
    pub(crate) fn finish(self, file: &File) -> Result<(), Failure> {
        let done = file.sync_all().and_then(|()| fs::rename(&self.partial, &self.path));
        done.map_err(|error| {
            let failure = Failure::run(format!("{}: cannot be written: {error}", self.path.display()));
            self.discard();
            failure
        })
    }

    /// Its run failed and said why: half of its journal is of no use to anybody.
    pub(crate) fn discard(self) {
        let _ = fs::remove_file(&self.partial);
    }
}

/// `out/journal.partial`, of `out/journal`.
fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(what);
    path.with_file_name(name)
}

/// True if `path` names this very file.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let name = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        matches!((file.metadata().map(name), fs::metadata(path).map(name)), (Ok(held), Ok(there)) if held == there)
    }
    #[cfg(not(unix))]
    {
        // An open file keeps its name there.
        path.exists() && file.metadata().is_ok()
    }
}

/// Puts what a killed run wrote where nothing writes over it, and says so; nothing if that is no record.
fn keep(file: &File, partial: &Path, killed: &Path) -> io::Result<()> {
    let rest = rest(file)?;
    if rest.records == 0 && rest.length.is_some() {
        return fs::remove_file(partial);
    }
    if let Some(length) = rest.length {
        file.set_len(length)?;
        file.sync_all()?;
    }
    fs::rename(partial, killed)?;
    let (partial, kept) = (partial.display(), killed.display());
    let state = match rest.length {
        Some(_) => format!("its {} records up to {} are", rest.records, rest.last),
        None => "what it wrote is damaged, and".to_owned(),
    };
    say(format_args!(
        "note: the run that wrote {partial} was killed; {state} kept in {kept} (`starling replay {kept}` checks it), \
         and this run begins anew"
    ));
    Ok(())
}

fn rest(file: &File) -> io::Result<Rest> {
    let mut rest = Rest { records: 0, last: UnixNanos::EPOCH, length: Some(0) };
    let mut walk = || -> Result<(), JournalError> {
        let mut reader = StreamReader::new(BufReader::new(file))?;
        loop {
            let Some(record) = reader.next_record()? else { return Ok(()) };
            rest.records += u64::from(!record.kind.is_seal());
            rest.last = UnixNanos::new(record.ts);
            rest.length = Some(reader.position().offset());
        }
    };
    match walk() {
        Err(JournalError::Read { source, .. }) => return Err(source),
        Err(error) if error.truncate_at().is_none() => rest.length = None,
        Err(_) | Ok(()) => {}
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use starling_core::journal::{Header, Kind, RunId, Writer, verify};

    use super::*;

    /// Three groups of two records each.
    fn journal() -> Vec<u8> {
        let mut writer = Writer::create(Vec::new(), Header::first(RunId::derive(&[7; 32], 1), 0));
        for ts in 1..=6 {
            writer.append(Kind::Note, ts, b"something").unwrap();
            if ts % 2 == 0 {
                writer.flush().unwrap();
            }
        }
        writer.finish().unwrap().sink
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_journal_has_its_name_once_it_is_whole_and_one_run_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        fs::write(&path, "earlier").unwrap();
        let (draft, mut file) = Draft::begin(&path).unwrap();
        let second = Draft::begin(&path).unwrap_err();
        assert_eq!(second.code, 2);
        assert!(second.message.contains("journal.partial: another run writes its journal there"), "{}", second.message);
        file.write_all(b"later").unwrap();
        assert_eq!(
            (names(folder.path()), fs::read(&path).unwrap()),
            (vec!["journal".into(), "journal.partial".into()], b"earlier".to_vec())
        );
        draft.finish(&file).unwrap();
        assert_eq!((names(folder.path()), fs::read(&path).unwrap()), (vec!["journal".into()], b"later".to_vec()));
        // The finished one is still open and locked; that is nobody's business any more.
        let (draft, _file) = Draft::begin(&path).unwrap();
        draft.discard();
        assert_eq!(names(folder.path()), ["journal"]);
    }

    /// Wherever a run was killed, its whole records are kept, and the next run has an empty file.
    #[test]
    fn what_a_killed_run_wrote_is_kept_to_its_last_whole_record() {
        let (folder, whole) = (tempfile::tempdir().unwrap(), journal());
        let (path, partial) = (folder.path().join("journal"), folder.path().join("journal.partial"));
        let killed = folder.path().join("journal.killed");
        let mut kept = std::collections::BTreeSet::new();
        for cut in 0..=whole.len() {
            fs::write(&partial, &whole[..cut]).unwrap();
            let (draft, file) = Draft::begin(&path).unwrap();
            assert_eq!(file.metadata().unwrap().len(), 0, "cut at {cut}");
            draft.discard();
            if let Ok(bytes) = fs::read(&killed) {
                assert!(bytes.len() <= cut && whole.starts_with(&bytes), "cut at {cut}");
                let found = verify(&bytes).unwrap();
                kept.insert(found.records);
                fs::remove_file(&killed).unwrap();
            }
        }
        assert!(kept.into_iter().eq(1..=6), "as many as were whole, and no file without any");
        // Damaged in its midst: nobody but a person decides what of it counts.
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 1;
        fs::write(&partial, &damaged).unwrap();
        Draft::begin(&path).unwrap().0.discard();
        assert_eq!(fs::read(&killed).unwrap(), damaged);
    }
}
