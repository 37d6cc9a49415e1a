//! Real messages cut short and with single bytes replaced: refused or decoded, never a panic, never what is not JSON.

use serde::de::IgnoredAny;
use starling_market::wire::{Batch, Connection};

use super::{feed_of, files, folder, messages};

/// How many places of a message are tried, spread over it where it is longer.
const PLACES: usize = 400;
/// How many messages of a file are tried, spread over it.
const SAMPLES: usize = 16;
/// Longer messages are left out: they have the grammar of the shorter ones, and the work grows with the square.
const BYTES_MAX: usize = 16 << 10;

fn is_json(frame: &[u8]) -> bool {
    std::str::from_utf8(frame).is_ok() && serde_json::from_slice::<IgnoredAny>(frame).is_ok()
}

// Each message with the connection as it was when the message came.
fn samples() -> impl Iterator<Item = (Connection, Vec<u8>)> {
    let folder = folder();
    files().into_iter().filter_map(move |file| Some((file, messages(folder.as_deref()?, file)))).flat_map(
        |(file, all)| {
            let (mut connection, mut batch) = (Connection::new(feed_of(file)), Batch::new());
            let step = all.len().div_ceil(SAMPLES).max(1);
            let mut sampled = Vec::new();
            for (at, frame) in all.into_iter().filter(|frame| frame.len() <= BYTES_MAX).enumerate() {
                if at % step == 0 {
                    sampled.push((connection.clone(), frame.clone()));
                }
                connection.decode(&frame, &mut batch).unwrap();
            }
            sampled
        },
    )
}

// An odd step, so that names, numbers and what stands between them all get their turn.
fn places(frame: &[u8]) -> impl Iterator<Item = usize> {
    (0..frame.len()).step_by((frame.len() / PLACES) | 1)
}

#[test]
fn a_message_cut_short_is_refused() {
    let mut batch = Batch::new();
    for (mut connection, frame) in samples() {
        let frame = frame.trim_ascii_end();
        for len in places(frame) {
            assert!(
                connection.decode(&frame[..len], &mut batch).is_err(),
                "{}",
                String::from_utf8_lossy(&frame[..len])
            );
            assert!(batch.updates.is_empty() && batch.levels.is_empty());
        }
    }
}

#[test]
fn a_message_with_a_byte_replaced_is_json_or_refused() {
    let mut batch = Batch::new();
    for (connection, frame) in samples() {
        let mut damaged = frame.clone();
        for at in places(&frame) {
            let byte = frame[at];
            for with in [byte ^ 1, byte ^ 0x20, byte ^ 0x80, b'"', b'\\', b'9', b'-', b'}', 0] {
                damaged[at] = with;
                if connection.clone().decode(&damaged, &mut batch).is_ok() {
                    assert!(is_json(&damaged), "{}", String::from_utf8_lossy(&damaged));
                }
            }
            damaged[at] = byte;
        }
    }
}
