//! Frame files on the command line: looked at, checked, made of captures, made whole.

use std::path::{Path, PathBuf};

use clap::Args;
use starling_core::time::{MILLISECOND, SECOND};
use starling_lab::data::frames::{self, FramesReport, SILENCE_NS_MIN};
use starling_market::frames::{LEVEL_DEFAULT, Session};

use super::{Import, failure, moment};
use crate::command::output;
use crate::terminal::{Failure, Progress, put, say};

/// Make a frame file whole that a crash left: cut its torn tail, and take `.part` off its name.
#[derive(Debug, Args)]
pub(super) struct Recover {
    /// The file. It must not be written to at the time.
    file: PathBuf,
}

impl Recover {
    pub(super) fn run(self, json: bool) -> Result<(), Failure> {
        let done = frames::recover(&self.file).map_err(|error| failure(&error))?;
        let path = done.path.as_ref().map(|path| path.display().to_string());
        if json {
            return put(serde_json::json!({ "path": path, "frames": done.frames, "cut_bytes": done.cut }));
        }
        let (frames, cut) = (output::grouped(done.frames), output::grouped(done.cut));
        match path {
            Some(path) => say(format_args!("{path}: {frames} frames, {cut} bytes of a torn tail cut off")),
            None => say(format_args!("{}: held no frame, and was removed", self.file.display())),
        }
        Ok(())
    }
}

fn show(report: &FramesReport) {
    let [frames, blocks] = [report.frames, report.blocks].map(output::grouped);
    let [bytes, plain] = [report.bytes, report.plain_bytes].map(output::grouped);
    let session = &report.session;
    say(format_args!("{}: {frames} frames in {blocks} blocks, {bytes} bytes ({plain} unpacked)", report.path));
    say(format_args!(
        "  venue {}, recording since {}, by {}",
        session.venue,
        session.started,
        or_dash(&session.source)
    ));
    if !session.symbols.is_empty() {
        say(format_args!("  symbols {}", session.symbols.join(", ")));
    }
    for (number, connection) in &report.connections {
        let frames: Vec<String> =
            connection.frames.iter().map(|(direction, n)| format!("{} {direction}", output::grouped(*n))).collect();
        let ends = [connection.first, connection.last].map(|ts| ts.map_or_else(|| "-".to_owned(), moment));
        say(format_args!(
            "  connection {number} {}: {}, {} to {}",
            connection.url,
            frames.join(", "),
            ends[0],
            ends[1]
        ));
    }
    if let Some((bytes, at)) = report.torn {
        say(format_args!("  torn: {} bytes from byte {at} on make no block", output::grouped(bytes)));
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// Shows what a frame file holds.
pub(super) fn inspect(path: &Path, json: bool) -> Result<(), Failure> {
    let report = frames::report(path, SILENCE_NS_MIN).map_err(|error| failure(&error))?;
    if json {
        return put(serde_json::to_string(&report).expect("a report is plain data"));
    }
    show(&report);
    Ok(())
}

/// Checks a frame file: damage is an error, a torn tail a failed check, and so is a pause longer than `silence_ns`, where
/// that is given; the rest are notes.
pub(super) fn check(path: &Path, silence_ns: Option<u64>, json: bool) -> Result<(), Failure> {
    let silence_ns_max = silence_ns.unwrap_or(SILENCE_NS_MIN);
    let report = frames::report(path, silence_ns_max).map_err(|error| failure(&error))?;
    let silences: u64 = report.connections.values().map(|connection| connection.silences).sum();
    let silent = silence_ns.is_some() && silences > 0;
    let clean = report.torn.is_none() && !silent;
    if json {
        let mut object = serde_json::to_value(&report).expect("a report is plain data");
        object["clean"] = clean.into();
        put(object)?;
    } else {
        show(&report);
        for (number, c) in &report.connections {
            let at = |place: Option<frames::FramePlace>| place.map_or_else(String::new, |place| place.to_string());
            let seconds = silence_ns_max as f64 / SECOND as f64;
            let found = [
                ("disorder", c.disorder, at(c.first_disorder), "stamped before the frame above".to_owned()),
                ("duplicate", c.duplicates, at(c.first_duplicate), "the payload of the frame above".to_owned()),
                ("silence", c.silences, at(c.first_silence), format!("nothing received for more than {seconds} s")),
            ];
            for (name, count, first, meaning) in found.into_iter().filter(|(_, count, ..)| *count > 0) {
                let count = output::grouped(count);
                let effect = if silent && name == "silence" { "fail" } else { "note" };
                say(format_args!(
                    "  {effect}    connection {number}  {name:<9}  {count:>6}  {meaning} (first {first})"
                ));
            }
            if let Some(place) = c.silence_at {
                let longest = c.silence_ns_max as f64 / MILLISECOND as f64;
                say(format_args!("  longest pause of connection {number}: {longest:.1} ms before {place}"));
            }
        }
    }
    let path = path.display();
    match (report.torn.is_some(), silent) {
        (true, _) => Err(Failure::run(format!("{path}: its tail is torn; `starling data recover {path}` cuts it off"))),
        (false, true) => {
            Err(Failure::run(format!("{path}: {} pauses are longer than --silence", output::grouped(silences))))
        }
        (false, false) => Ok(()),
    }
}

/// Converts captures of other programs.
pub(super) fn import(import: Box<Import>, json: bool) -> Result<(), Failure> {
    let mut captures = vec![import.source.path().to_owned()];
    captures.extend(import.with);
    let name = captures[0].file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let venue = import.venue.unwrap_or_else(|| name.split('.').next().unwrap_or_default().to_owned());
    let session =
        Session { venue, source: format!("starling {} of {name}", env!("CARGO_PKG_VERSION")), ..Session::default() };
    if let Some(folder) = import.to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        output::folder(folder)?;
    }
    let progress = Progress::start(json);
    let mut tell = |frames, ts| progress.tell(frames, ts);
    let done = frames::import_captures(&captures, &import.to, session, LEVEL_DEFAULT, &mut tell);
    drop(progress);
    let done = done.map_err(|error| failure(&error))?;
    let to = import.to.display().to_string();
    let total: u64 = done.iter().map(|capture| capture.frames).sum();
    if json {
        return put(serde_json::json!({ "to": to, "frames": total, "sources": done }));
    }
    say(format_args!("{to}: {} frames", output::grouped(total)));
    for capture in &done {
        let unstamped = match capture.unstamped {
            0 => String::new(),
            n => format!(", {} lines without a stamp left out", output::grouped(n)),
        };
        let (path, kind, number) = (&capture.path, capture.kind, capture.connection);
        say(format_args!(
            "  connection {number} from {path} ({kind}): {} frames{unstamped}",
            output::grouped(capture.frames)
        ));
    }
    Ok(())
}
