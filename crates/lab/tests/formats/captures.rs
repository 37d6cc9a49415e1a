//! Every capture among the real files, as frames: counts, bytes and stamps are Python's (`scripts/captures_golden.py`).

use std::io::Read;
use std::ops::ControlFlow;

use starling_lab::data::DataError;
use starling_lab::data::frames::{for_each_frame, import_captures};
use starling_lab::data::store::{Existing, Normalising, Store, import_frames};
use starling_market::frames::{Direction, LEVEL_DEFAULT, Session, Tail};
use starling_market::wire::Feed;

use crate::{Scratch, folder};

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    received: u64,
    sent: u64,
    answers: u64,
    opened: u64,
    bytes: u64,
    sum: u64,
    stamps: u128,
}

#[test]
fn every_capture_becomes_frames_to_the_last_byte() {
    let Some(folder) = folder() else { return };
    let scratch = Scratch::new("captures");
    let (mut files, mut frames) = (0, 0);
    for line in include_str!("captures.txt").lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let name = fields[0];
        let field = |at: usize| fields[at].parse::<u64>().unwrap();
        let want = Counts {
            received: field(1),
            sent: field(2),
            answers: field(3),
            opened: field(4),
            bytes: field(6),
            sum: field(7),
            stamps: fields[8].parse().unwrap(),
        };
        let to = scratch.0.join(format!("{name}.frames"));
        let session = Session { venue: name.into(), ..Session::default() };
        let mut go_on = |_, _| ControlFlow::Continue(());
        let path = folder.join("ws_streams").join(name);
        let done = import_captures(&[path], &to, session, LEVEL_DEFAULT, &mut go_on);
        let done = done.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(done[0].unstamped, field(5), "{name}");
        let mut found = Counts::default();
        let tail = for_each_frame::<DataError>(&to, |frame| {
            match frame.direction {
                Direction::Received => found.received += 1,
                Direction::Sent => found.sent += 1,
                Direction::Answer => found.answers += 1,
                Direction::Opened => found.opened += 1,
                Direction::Closed => panic!("{name}: captures tell no closing"),
            }
            if frame.binary && frame.bytes.starts_with(&[0x1f, 0x8b]) {
                let mut text = String::new();
                flate2::read::GzDecoder::new(frame.bytes).read_to_string(&mut text).unwrap();
                assert!(text.starts_with('{'), "{name}: {text}");
            }
            found.bytes += frame.bytes.len() as u64;
            found.sum += frame.bytes.iter().map(|b| u64::from(*b)).sum::<u64>();
            found.stamps += u128::from(frame.ts_recv.get());
            Ok(())
        });
        assert_eq!((tail.unwrap(), found), (Tail::Whole, want), "{name}");
        files += 1;
        frames += done[0].frames;
        std::fs::remove_file(to).unwrap();
    }
    assert_eq!((files, frames), (52, 366_910));
}

/// The counts are Python's `json` over the same lines: messages by their stream, and the levels of the books, one more
/// for the snapshot's clear.
#[test]
fn a_recording_becomes_the_events_it_holds() {
    let Some(folder) = folder() else { return };
    let scratch = Scratch::new("normalised");
    let capture = folder.join("ws_streams/binance_spot_btcusdt_raw_20240808T235414Z.gz");
    let to = scratch.0.join("spot.frames");
    let session = Session { venue: "binance-spot".into(), symbols: vec!["btcusdt".into()], ..Session::default() };
    let mut go_on = |_, _| ControlFlow::Continue(());
    import_captures(&[capture], &to, session, LEVEL_DEFAULT, &mut go_on).unwrap();
    let store = Store::new(scratch.0.join("store"));
    let how = Normalising { feed: Feed::named("binance-spot").unwrap(), venue: "BINANCE", existing: Existing::Refuse };
    let (stored, frames) = import_frames(&to, how, &store, &mut go_on).unwrap();
    assert_eq!((frames.frames, frames.refused, frames.unnamed), (41_249, 0, 0));
    let rows = |kind: &str| -> u64 {
        stored.written.iter().filter(|w| w.path.components().any(|c| c.as_os_str() == kind)).map(|w| w.rows).sum()
    };
    assert_eq!([rows("trades"), rows("quotes"), rows("deltas")], [9_757, 28_040, 126_091]);
    assert_eq!(stored.rows, 9_757 + 28_040 + 126_091);
}
