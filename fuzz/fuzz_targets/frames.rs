//! Frame files: noise behind a sound header, and a sound file with bytes changed, cut, or put in. No frame may come out
//! that was not put in, and none in another place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_core::UnixNanos;
use starling_market::frames::{Encoder, Frame, Header, Reader, Session};

/// Four blocks of two frames each.
fn sound() -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut bytes = Vec::new();
    let header = Header::write(&Session::default(), &mut bytes).expect("a short description");
    let mut encoder = Encoder::new(&header, 1);
    let mut payloads = Vec::new();
    for n in 0..8_u8 {
        let payload = vec![n; usize::from(n) * 3];
        encoder.push(&Frame::received(UnixNanos::new(n.into()), n.into(), &payload), &mut bytes).expect("a small frame");
        payloads.push(payload);
        if n % 2 == 1 {
            encoder.seal(&mut bytes).expect("zstd compresses");
        }
    }
    (bytes, payloads)
}

fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut seen = Vec::new();
    let Ok(mut reader) = Reader::open(bytes) else { return seen };
    while let Ok(Some(block)) = reader.next_block() {
        seen.extend(block.frames().map(|frame| frame.bytes.to_vec()));
    }
    seen
}

fuzz_target!(|data: &[u8]| {
    frames(data);
    let (mut bytes, payloads) = sound();
    let header = Header::read(&bytes).expect("a sound header").len();
    let noise = [&bytes[..header], data].concat();
    assert!(frames(&noise).is_empty() || data.windows(4).any(|w| w == b"FBLK"));
    // Each three bytes of the input change one of the file; the last two cut it.
    let (edits, cut) = data.split_at(data.len() - data.len() % 3);
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % bytes.len();
        bytes[at] ^= edit[2];
    }
    if let [low, high] = cut {
        bytes.truncate(usize::from(u16::from_le_bytes([*low, *high])));
    }
    let seen = frames(&bytes);
    assert!(seen.len() % 2 == 0 && payloads.starts_with(&seen), "whole blocks, as they were written");
});
