//! Frame files. The last byte of an input says what the others are:
//!
//! - changes of a sound file, three bytes each (place, place, difference), and a length to cut it at: no frame comes out
//!   that was not put in, and none in another place;
//! - a file, whose checksums are put right first, so that the readers get behind them: its frames are as its blocks say,
//!   and cutting it where the reader advises leaves a whole file with the same frames.

use std::sync::OnceLock;

use starling_core::UnixNanos;
use starling_market::frames::{Encoder, Frame, FramesError, Header, Reader, Session, Tail};

use super::bytes::{crc32, get_u32, put_u32};

const CHANGES: u8 = 0x80;
const SIGN_HEADER: u8 = 1;
const SIGN_BLOCKS: u8 = 2;
const WRITE_AGAIN: u8 = 4;
const FILE_FIXED_LEN: usize = 16;
const BLOCK_HEADER_LEN: usize = 48;
/// Larger blocks are not signed: they cost memory, and behave as the small ones do.
const SIGNED_MAX: u32 = 1 << 16;

/// A file, and the frames in it.
struct Sound {
    bytes: Vec<u8>,
    payloads: Vec<Vec<u8>>,
}

/// Two blocks of two frames each.
fn sound() -> &'static Sound {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    SOUND.get_or_init(|| {
        let (mut bytes, mut payloads) = (Vec::new(), Vec::new());
        let header = Header::write(&Session::default(), &mut bytes).expect("a short description");
        let mut encoder = Encoder::new(&header, 1);
        for n in 0..4_u8 {
            let payload = vec![n; usize::from(n) * 3];
            let frame = Frame::received(UnixNanos::new(n.into()), n.into(), &payload);
            encoder.push(&frame, &mut bytes).expect("a small frame");
            payloads.push(payload);
            if n % 2 == 1 {
                encoder.seal(&mut bytes).expect("zstd compresses");
            }
        }
        Sound { bytes, payloads }
    })
}

/// What a reader says of a file.
struct Read {
    payloads: Vec<Vec<u8>>,
    end: Result<Tail, FramesError>,
}

fn read(bytes: &[u8]) -> Result<Read, FramesError> {
    let mut payloads = Vec::new();
    let mut reader = Reader::open(bytes)?;
    let mut sealed = 0;
    loop {
        match reader.next_block() {
            Ok(Some(block)) => {
                let stamps = || block.frames().map(|frame| frame.ts_recv);
                assert_eq!(block.frames().count(), block.header.count as usize);
                assert_eq!(block.header.first, sealed);
                assert_eq!(stamps().min(), Some(block.header.earliest));
                assert_eq!(stamps().max(), Some(block.header.latest));
                sealed += u64::from(block.header.count);
                payloads.extend(block.frames().map(|frame| frame.bytes.to_vec()));
            }
            Ok(None) => {
                assert_eq!(reader.frames(), sealed);
                return Ok(Read { payloads, end: Ok(reader.tail().expect("the end was reached")) });
            }
            Err(fault) => {
                assert!(matches!(reader.next_block(), Ok(None)), "nothing comes behind a fault");
                return Ok(Read { payloads, end: Err(fault) });
            }
        }
    }
}

/// Makes the checksums of a file say what they would of these bytes.
fn sign(bytes: &mut [u8], blocks: bool) {
    if bytes.len() < FILE_FIXED_LEN {
        return;
    }
    let body = FILE_FIXED_LEN.saturating_add(get_u32(bytes, 12) as usize);
    let Some(mut at) = body.checked_add(4).filter(|end| *end <= bytes.len()) else { return };
    let seed = crc32(0, &bytes[..body]);
    put_u32(bytes, body, seed);
    while blocks && let Some(block) = bytes.get_mut(at..).filter(|rest| rest.len() >= BLOCK_HEADER_LEN) {
        let (stored, plain) = (get_u32(block, 4), get_u32(block, 8));
        if stored > SIGNED_MAX || plain > SIGNED_MAX {
            return;
        }
        let end = BLOCK_HEADER_LEN + stored as usize;
        if let Some(payload) = block.get(BLOCK_HEADER_LEN..end) {
            let sum = crc32(seed, payload);
            put_u32(block, 40, sum);
        }
        let sum = crc32(seed, &block[..44]);
        put_u32(block, 44, sum);
        at += end;
    }
}

fn judge_changes(changes: &[u8]) {
    let Sound { bytes, payloads } = sound();
    let mut bytes = bytes.clone();
    let (edits, cut) = changes.split_at(changes.len() - changes.len() % 3);
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % bytes.len();
        bytes[at] ^= edit[2];
    }
    if let [low, high] = cut {
        bytes.truncate(usize::from(u16::from_le_bytes([*low, *high])));
    }
    if let Ok(read) = read(&bytes) {
        let whole = read.payloads.len() % 2 == 0;
        assert!(whole && payloads.starts_with(&read.payloads), "whole blocks, as they were written");
    }
}

fn judge_file(bytes: &[u8], again: bool) {
    let Ok(found) = read(bytes) else { return };
    let keep = match found.end {
        Ok(Tail::Whole) => bytes.len() as u64,
        Ok(Tail::Torn { at, bytes: cut }) => {
            assert_eq!(at + cut, bytes.len() as u64);
            at
        }
        Err(FramesError::Damaged { offset, next, .. }) => {
            assert!(offset < next && next < bytes.len() as u64);
            offset
        }
        Err(other) => panic!("{other} is no fault of bytes in memory"),
    };
    let kept = read(&bytes[..keep as usize]).expect("its header was read");
    assert!(matches!(kept.end, Ok(Tail::Whole)) && kept.payloads == found.payloads);
    if again {
        let session = Reader::open(bytes).expect("its header was read").header().session.clone();
        let mut written = Vec::new();
        let header = Header::write(&session, &mut written).expect("it was short enough");
        let mut encoder = Encoder::new(&header, 1);
        for payload in &found.payloads {
            encoder.push(&Frame::received(UnixNanos::MAX, 0, payload), &mut written).expect("it was small enough");
        }
        encoder.seal(&mut written).expect("zstd compresses");
        let read = read(&written).expect("what was written");
        assert!(matches!(read.end, Ok(Tail::Whole)) && read.payloads == found.payloads);
    }
}

pub fn judge(input: &[u8]) {
    let Some((choice, rest)) = input.split_last() else { return };
    if choice & CHANGES != 0 {
        return judge_changes(rest);
    }
    let mut bytes = rest.to_vec();
    if choice & SIGN_HEADER != 0 {
        sign(&mut bytes, choice & SIGN_BLOCKS != 0);
    }
    judge_file(&bytes, choice & WRITE_AGAIN != 0);
}
