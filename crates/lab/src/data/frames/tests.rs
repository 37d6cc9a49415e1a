use std::fs;
use std::ops::ControlFlow;

use starling_core::UnixNanos;
use starling_core::time::{DAY, SECOND};
use starling_market::frames::{Direction, Frame, Session};

use super::*;

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("starling-frames-{name}-{}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(&self.0).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn session() -> Session {
    Session { venue: "binance/spot".into(), ..Session::default() }
}

/// 2024-08-08T23:59:58Z.
const EVE: u64 = 1_723_161_598 * SECOND;

fn at(ns: u64, text: &str) -> Frame<'_> {
    Frame::received(UnixNanos::new(ns), 0, text.as_bytes())
}

fn texts(path: &Path) -> Vec<String> {
    let mut seen = Vec::new();
    for_each_frame::<DataError>(path, |frame| {
        seen.push(String::from_utf8(frame.bytes.to_vec()).unwrap());
        Ok(())
    })
    .unwrap();
    seen
}

#[test]
fn a_day_ends_a_file_and_names_never_collide() {
    let folder = Folder::new("day");
    for _ in 0..2 {
        let mut writer = FrameWriter::create(session(), Settings::new(&folder.0)).unwrap();
        for (n, ns) in [EVE, EVE + SECOND, EVE + 2 * SECOND, EVE + DAY].into_iter().enumerate() {
            writer.write(&at(ns, &n.to_string())).unwrap();
        }
        assert_eq!((writer.frames(), writer.finished().len()), (4, 1));
        let files = writer.finish().unwrap();
        assert_eq!(files.iter().map(|f| texts(f)).collect::<Vec<_>>(), [vec!["0", "1"], vec!["2", "3"]]);
    }
    assert_eq!(
        folder.names(),
        [
            "binance-spot-20240808T235958Z-2.frames",
            "binance-spot-20240808T235958Z.frames",
            "binance-spot-20240809T000000Z-2.frames",
            "binance-spot-20240809T000000Z.frames",
        ]
    );
}

#[test]
fn bytes_end_a_file_and_age_or_bytes_a_block() {
    let folder = Folder::new("bytes");
    let settings = Settings { file_bytes: 3_000, block_bytes: 1_000, sync: Sync::Finish, ..Settings::new(&folder.0) };
    let mut writer = FrameWriter::create(session(), settings).unwrap();
    // Text that zstd cannot shrink, so that sizes are what they seem.
    let mut seed = 1_u64;
    let mut noise = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        format!("{seed:016x}")
    };
    let mut wrote = Vec::new();
    for n in 0..400 {
        let text = noise();
        writer.write(&at(EVE + n, &text)).unwrap();
        wrote.push(text);
    }
    let files = writer.finish().unwrap();
    assert!(files.len() > 2, "{files:?}");
    assert_eq!(files.iter().flat_map(|f| texts(f)).collect::<Vec<_>>(), wrote);
    let mut writer = FrameWriter::create(session(), Settings::new(&folder.0)).unwrap();
    for ns in [0, SECOND - 1, SECOND, 2 * SECOND - 1, 2 * SECOND] {
        writer.write(&at(EVE - DAY / 2 + ns, "x")).unwrap();
    }
    let files = writer.finish().unwrap();
    let found = report(&files[0], SILENCE_NS_MIN).unwrap();
    assert_eq!((found.blocks, found.frames, found.torn), (3, 5, None));
}

#[test]
fn what_a_crash_left_is_made_whole() {
    let folder = Folder::new("crash");
    let mut writer = FrameWriter::create(session(), Settings::new(&folder.0)).unwrap();
    writer.write(&at(EVE, "a")).unwrap();
    writer.seal().unwrap();
    writer.write(&at(EVE + 1, "b")).unwrap();
    writer.seal().unwrap();
    writer.write(&at(EVE + 2, "never sealed")).unwrap();
    drop(writer);
    let part = folder.0.join(&folder.names()[0]);
    assert!(part.extension().is_some_and(|e| e == "part"));
    let whole = fs::read(&part).unwrap();
    fs::write(&part, [&whole[..], &[0; 777]].concat()).unwrap();
    let done = recover(&part).unwrap();
    assert_eq!((done.frames, done.cut), (2, 777));
    let path = done.path.unwrap();
    assert_eq!(folder.names(), ["binance-spot-20240808T235958Z.frames"]);
    assert_eq!((texts(&path), fs::read(&path).unwrap()), (vec!["a".into(), "b".into()], whole.clone()));
    assert_eq!(recover(&path).unwrap(), Recovery { path: Some(path.clone()), frames: 2, cut: 0 }, "again");
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(recover(&path).unwrap().frames, 1);
    // The first block is bad and the second is not: nothing is changed.
    let mut bad = whole.clone();
    let first = whole.windows(4).position(|w| w == b"FBLK").unwrap();
    bad[first + 50] ^= 1;
    fs::write(&path, &bad).unwrap();
    assert!(recover(&path).unwrap_err().to_string().contains("block 0"));
    assert_eq!(fs::read(&path).unwrap(), bad);
    // A file of a header alone holds nothing.
    fs::write(&path, &whole[..first + 7]).unwrap();
    assert_eq!(recover(&path).unwrap(), Recovery { path: None, frames: 0, cut: 7 });
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn a_frame_too_large_is_refused_and_the_rest_stands() {
    let folder = Folder::new("large");
    let mut writer = FrameWriter::create(session(), Settings::new(&folder.0)).unwrap();
    writer.write(&at(EVE, "a")).unwrap();
    let large = "x".repeat(starling_market::frames::FRAME_BYTES_MAX);
    assert!(writer.write(&at(EVE, &large)).unwrap_err().to_string().contains("the limit is"));
    writer.write(&at(EVE, "b")).unwrap();
    assert_eq!(texts(&writer.finish().unwrap()[0]), ["a", "b"]);
}

#[test]
fn captures_are_merged_by_their_stamps() {
    let folder = Folder::new("capture");
    let path = |name: &str| folder.0.join(name);
    fs::write(path("a.0"), "https://x/info -> 1.5: {}\nconfiguration: {}\n\n").unwrap();
    let lines = "wss://x <-> 1.25\n2: one\n1.75: two\n3: three";
    fs::write(path("a.ws"), zstd::bulk::compress(lines.as_bytes(), 3).unwrap()).unwrap();
    let mut go_on = |_, _| ControlFlow::Continue(());
    let to = path("a.frames");
    let done = import_captures(&[path("a.0"), path("a.ws")], &to, session(), 3, &mut go_on).unwrap();
    assert_eq!(
        done.iter().map(|d| (d.frames, d.unstamped, d.kind)).collect::<Vec<_>>(),
        [(1, 1, "cryptofeed"), (4, 0, "cryptofeed")]
    );
    let mut seen = Vec::new();
    for_each_frame::<DataError>(&to, |f| {
        seen.push((
            f.ts_recv.get() / 250_000_000,
            f.connection,
            f.direction,
            String::from_utf8_lossy(f.bytes).into_owned(),
        ));
        Ok(())
    })
    .unwrap();
    use Direction::{Answer, Opened, Received};
    let frame = |ts, connection, direction, text: &str| (ts, connection, direction, text.to_owned());
    assert_eq!(
        seen,
        [
            frame(5, 1, Opened, ""),
            frame(6, 0, Answer, "{}"),
            frame(8, 1, Received, "one"),
            frame(7, 1, Received, "two"),
            frame(12, 1, Received, "three"),
        ]
    );
    let found = report(&to, 1_000_000_000).unwrap();
    assert_eq!((found.session.url.as_str(), found.session.started.get()), ("wss://x", 1_250_000_000));
    let ws = &found.connections[&1];
    assert_eq!((ws.disorder, ws.silence_ns_max, ws.silences, ws.duplicates), (1, 1_250_000_000, 1, 0));
    let places = [ws.first_disorder, ws.first_silence].map(|place| place.map(|p| (p.block, p.frame)));
    assert_eq!(places, [Some((0, 3)), Some((0, 4))]);
    assert!(matches!(import_captures(&[path("a.0")], &to, session(), 3, &mut go_on), Err(DataError::Exists { .. })));
    fs::write(path("bad"), "1.5: {}\nno stamp").unwrap();
    let error = import_captures(&[path("bad")], &path("bad.frames"), session(), 3, &mut go_on).unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
    assert!(!folder.names().iter().any(|n| n.contains("bad.frames")), "nothing half-written");
}
