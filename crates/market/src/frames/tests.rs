use proptest::prelude::*;

use super::*;

fn session() -> Session {
    Session {
        venue: "binance-spot".into(),
        url: "wss://stream.example/ws".into(),
        symbols: vec!["BTCUSDT".into()],
        started: UnixNanos::new(1_723_161_253_000_000_000),
        source: "test".into(),
    }
}

/// A frame that owns its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    ts_recv: u64,
    connection: u16,
    direction: Direction,
    binary: bool,
    subject: String,
    bytes: Vec<u8>,
}

impl Kept {
    fn frame(&self) -> Frame<'_> {
        let Self { connection, direction, binary, .. } = *self;
        let ts_recv = UnixNanos::new(self.ts_recv);
        Frame { ts_recv, connection, direction, binary, subject: &self.subject, bytes: &self.bytes }
    }
}

impl From<Frame<'_>> for Kept {
    fn from(f: Frame<'_>) -> Self {
        let Frame { connection, direction, binary, .. } = f;
        let (subject, bytes) = (f.subject.to_owned(), f.bytes.to_vec());
        Self { ts_recv: f.ts_recv.get(), connection, direction, binary, subject, bytes }
    }
}

/// A file of blocks.
fn file(blocks: &[Vec<Kept>]) -> Vec<u8> {
    let mut out = Vec::new();
    let header = Header::write(&session(), &mut out).unwrap();
    let mut encoder = Encoder::new(&header, LEVEL_DEFAULT);
    for block in blocks {
        for frame in block {
            assert!(!encoder.push(&frame.frame(), &mut out).unwrap());
        }
        encoder.seal(&mut out).unwrap();
    }
    out
}

/// Its frames block by block, and how it ends.
fn read(bytes: &[u8]) -> Result<(Vec<Vec<Kept>>, Tail), FramesError> {
    let mut reader = Reader::open(bytes)?;
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block()? {
        blocks.push(block.frames().map(Kept::from).collect());
    }
    Ok((blocks, reader.tail().expect("the end was reached")))
}

fn received(ts_recv: u64, text: &str) -> Kept {
    let (direction, bytes) = (Direction::Received, text.as_bytes().to_vec());
    Kept { ts_recv, connection: 1, direction, binary: false, subject: String::new(), bytes }
}

fn small() -> Vec<Vec<Kept>> {
    let opened = Kept { direction: Direction::Opened, subject: "wss://x/ws".into(), ..received(5, "") };
    let binary = Kept { binary: true, bytes: vec![0x1f, 0x8b, 0, 255], ..received(9, "") };
    vec![
        vec![opened, received(7, r#"{"e":"trade","p":"61837.63"}"#), binary],
        vec![received(8, r#"{"e":"trade","p":"61837.64"}"#)],
        vec![received(11, "a"), Kept { direction: Direction::Closed, ..received(12, "1006") }],
    ]
}

#[test]
fn a_file_says_what_was_recorded() {
    let bytes = file(&small());
    let reader = Reader::open(&bytes[..]).unwrap();
    assert_eq!(reader.header().session, session());
    assert_eq!(read(&bytes).unwrap(), (small(), Tail::Whole));
    assert_eq!(read(&file(&[])).unwrap(), (vec![], Tail::Whole));
    let mut reader = Reader::open(&bytes[..]).unwrap();
    let header = reader.next_block().unwrap().unwrap().header;
    assert_eq!((header.count, header.earliest.get(), header.latest.get(), header.first), (3, 5, 9, 0));
    let header = reader.next_block().unwrap().unwrap().header;
    assert_eq!((header.count, header.earliest.get(), header.latest.get(), header.first), (1, 8, 8, 3));
}

#[test]
fn the_first_bytes_are_those_of_the_document() {
    // docs/frames.md: the layout, written out by hand.
    let bytes = file(&[]);
    assert_eq!(&bytes[..8], b"SLFRAMES");
    assert_eq!(&bytes[8..12], [1, 0, 0, 0]);
    let len = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    assert_eq!(bytes.len(), 16 + len + 4);
    let text: serde_json::Value = serde_json::from_slice(&bytes[16..16 + len]).unwrap();
    assert_eq!(text["venue"], "binance-spot");
    let mut out = Vec::new();
    layout::write_frame(&received(0x0102, "ab").frame(), &mut out);
    assert_eq!(out, [2, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, b'a', b'b']);
}

#[test]
fn every_truncation_gives_the_whole_blocks_before_it() {
    let (bytes, blocks) = (file(&small()), small());
    let edges: Vec<usize> = (0..=blocks.len()).map(|n| file(&blocks[..n]).len()).collect();
    for len in 0..=bytes.len() {
        let outcome = read(&bytes[..len]);
        if len < edges[0] {
            assert!(
                matches!(outcome, Err(FramesError::Header { .. } | FramesError::Magic { .. })),
                "{len}: {outcome:?}"
            );
            continue;
        }
        let whole = edges.iter().rposition(|edge| *edge <= len).unwrap();
        let tail = match len - edges[whole] {
            0 => Tail::Whole,
            more => Tail::Torn { at: edges[whole] as u64, bytes: more as u64 },
        };
        assert_eq!(outcome.unwrap(), (blocks[..whole].to_vec(), tail), "cut to {len} bytes");
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let (bytes, blocks) = (file(&small()), small());
    let edges: Vec<usize> = (0..=blocks.len()).map(|n| file(&blocks[..n]).len()).collect();
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let hit = edges.iter().filter(|edge| **edge <= bit / 8).count();
        match read(&bad) {
            Err(FramesError::Magic { .. }) => assert!(bit < 64),
            Err(FramesError::Version { .. }) => assert!((64..80).contains(&bit)),
            Err(FramesError::Header { .. }) => assert_eq!(hit, 0, "bit {bit}"),
            Err(FramesError::Damaged { block, offset, next, .. }) => {
                assert_eq!((block as usize, offset as usize, next as usize), (hit - 1, edges[hit - 1], edges[hit]));
                assert!(hit < blocks.len(), "the last block has none behind it");
            }
            Ok((found, Tail::Torn { at, .. })) => {
                assert_eq!((hit, at as usize), (blocks.len(), edges[hit - 1]), "bit {bit}");
                assert_eq!(found, blocks[..hit - 1]);
            }
            other => panic!("bit {bit}: {other:?}"),
        }
    }
}

#[test]
fn blocks_of_another_file_or_out_of_order_do_not_pass() {
    let blocks = small();
    let edge = |n: usize| file(&blocks[..n]).len();
    let bytes = file(&blocks);
    let without = [&bytes[..edge(0)], &bytes[edge(1)..]].concat();
    assert!(matches!(read(&without), Err(FramesError::Damaged { block: 0, .. })), "a block is missing");
    let twice = [&bytes[..edge(1)], &bytes[edge(0)..]].concat();
    assert!(matches!(read(&twice), Err(FramesError::Damaged { block: 1, .. })), "a block stands twice");
    let mut other = Vec::new();
    Header::write(&Session { venue: "other".into(), ..session() }, &mut other).unwrap();
    let len = other.len();
    other.extend(&bytes[edge(0)..]);
    let bytes = (other.len() - len) as u64;
    assert_eq!(read(&other).unwrap(), (vec![], Tail::Torn { at: len as u64, bytes }), "the header seeds all checksums");
}

#[test]
fn a_tail_of_zeros_is_torn_however_long() {
    let mut bytes = file(&small());
    let at = bytes.len() as u64;
    bytes.resize(bytes.len() + 200_000, 0);
    assert_eq!(read(&bytes).unwrap(), (small(), Tail::Torn { at, bytes: 200_000 }));
}

#[test]
fn an_encoder_goes_on_behind_what_stands_in_the_file() {
    let blocks = small();
    let mut bytes = file(&blocks[..2]);
    let header = Header::read(&bytes).unwrap();
    let mut encoder = Encoder::new(&header, 19).behind(4);
    for frame in &blocks[2] {
        encoder.push(&frame.frame(), &mut bytes).unwrap();
    }
    encoder.seal(&mut bytes).unwrap();
    assert_eq!(read(&bytes).unwrap(), (blocks, Tail::Whole));
    assert_eq!(encoder.frames(), 6);
}

#[test]
fn limits_are_kept() {
    let mut out = Vec::new();
    let header = Header::write(&session(), &mut out).unwrap();
    let mut encoder = Encoder::new(&header, 1);
    let frame = Kept { bytes: vec![7; FRAME_BYTES_MAX - 20], ..received(1, "") };
    assert!(!encoder.push(&frame.frame(), &mut out).unwrap());
    assert!(!encoder.push(&frame.frame(), &mut out).unwrap());
    assert_eq!(encoder.pending(), BLOCK_BYTES_MAX);
    assert!(encoder.push(&received(2, "").frame(), &mut out).unwrap(), "the third opens a new block");
    assert_eq!((encoder.pending(), encoder.frames()), (20, 3));
    let large = Kept { bytes: vec![7; FRAME_BYTES_MAX - 19], ..received(1, "") };
    assert!(matches!(encoder.push(&large.frame(), &mut out), Err(FramesError::TooLarge { what: "a frame", .. })));
    let named = Kept { subject: "x".repeat(SUBJECT_BYTES_MAX + 1), ..received(1, "") };
    assert!(matches!(encoder.push(&named.frame(), &mut out), Err(FramesError::TooLarge { .. })));
    let talkative = Session { source: "x".repeat(SESSION_BYTES_MAX), ..session() };
    assert!(matches!(Header::write(&talkative, &mut Vec::new()), Err(FramesError::TooLarge { .. })));
    encoder.seal(&mut out).unwrap();
    let (blocks, tail) = read(&out).unwrap();
    assert_eq!((blocks.iter().map(Vec::len).collect::<Vec<_>>(), tail), (vec![2, 1], Tail::Whole));
}

#[test]
fn another_file_or_version_is_named() {
    let error = read(b"PAR1 is another format").unwrap_err().to_string();
    assert!(error.starts_with("not a frame file"), "{error}");
    assert!(matches!(read(b""), Err(FramesError::Magic { .. })));
    let mut later = file(&[]);
    later[8] = 2;
    assert!(matches!(read(&later), Err(FramesError::Version { found: 2, known: 1 })));
}

fn direction() -> impl Strategy<Value = Direction> {
    (0..Direction::ALL.len()).prop_map(|at| Direction::ALL[at])
}

fn kept() -> impl Strategy<Value = Kept> {
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    (any::<u64>(), any::<u16>(), direction(), any::<bool>(), "[a-zé:/]{0,20}", bytes).prop_map(
        |(ts_recv, connection, direction, binary, subject, bytes)| Kept {
            ts_recv,
            connection,
            direction,
            binary,
            subject,
            bytes,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_survive_the_round_trip(blocks in prop::collection::vec(prop::collection::vec(kept(), 1..20), 0..6)) {
        prop_assert_eq!(read(&file(&blocks)).unwrap(), (blocks, Tail::Whole));
    }

    #[test]
    fn noise_behind_a_header_never_makes_a_frame(noise in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let mut bytes = file(&[]);
        bytes.extend(&noise);
        let (blocks, _) = read(&bytes).unwrap();
        prop_assert!(blocks.is_empty());
    }
}

fn captured(lines: &[&str]) -> Result<Vec<Kept>, CaptureError> {
    let mut capture = Capture::new();
    let mut kept = Vec::new();
    for line in lines {
        kept.extend(capture.line(line.as_bytes())?.map(|c| Kept::from(c.frame(3))));
    }
    Ok(kept)
}

#[test]
fn stamped_lines_are_frames() {
    let kept = captured(&["1723161253937085768 {\"stream\":\"x\"}", "", "1723161254036059768 a b"]).unwrap();
    let text: Vec<&[u8]> = kept.iter().map(|k| &k.bytes[..]).collect();
    assert_eq!(text, [&b"{\"stream\":\"x\"}"[..], b"a b"]);
    assert_eq!(kept[0].ts_recv, 1_723_161_253_937_085_768);
    assert_eq!(kept[0].direction, Direction::Received);
}

#[test]
fn the_lines_of_cryptofeed_are_frames() {
    let kept = captured(&[
        "wss://ws.kraken.com <-> 1618678132.3858151",
        "wss://ws.kraken.com <- 1618678132.8253062: {\"event\":\"subscribe\"}",
        "1618678132.8258188: {\"event\":\"systemStatus\"}",
        "https://api/x?symbol=A -> 1633998512.320639: {\"id\": 1}",
        "configuration: {\"trades\": []}",
        r#"1645289384.9: b'\x1f\x8b\\\'"\n{'"#,
        "1645289385: b",
    ])
    .unwrap();
    let seen: Vec<_> =
        kept.iter().map(|k| (k.ts_recv, k.direction, k.binary, k.subject.as_str(), &k.bytes[..])).collect();
    use Direction::{Answer, Opened, Received, Sent};
    assert_eq!(seen[0], (1_618_678_132_385_815_100, Opened, false, "wss://ws.kraken.com", &b""[..]));
    assert_eq!(
        seen[1],
        (1_618_678_132_825_306_200, Sent, false, "wss://ws.kraken.com", &b"{\"event\":\"subscribe\"}"[..])
    );
    assert_eq!(seen[2], (1_618_678_132_825_818_800, Received, false, "", &b"{\"event\":\"systemStatus\"}"[..]));
    assert_eq!(seen[3], (1_633_998_512_320_639_000, Answer, false, "https://api/x?symbol=A", &b"{\"id\": 1}"[..]));
    assert_eq!(seen[4], (1_645_289_384_900_000_000, Received, true, "", &b"\x1f\x8b\\'\"\n{"[..]));
    assert_eq!(seen[5], (1_645_289_385_000_000_000, Received, false, "", &b"b"[..]));
}

#[test]
fn what_is_no_capture_is_refused_with_its_line() {
    for lines in [
        &["date,open,high", "2024-01-01,1,2"][..],
        &["17231612539370857 {}"],
        &["1723161253937085768 {}", "1618678132.8258188: {}"],
        &["wss://x <> 1618678132.8"],
        &["wss://x <- 1618678132.8x: {}"],
        &["1618678132.1234567890: {}"],
        &["{\"no\": \"stamp\"}"],
    ] {
        let error = captured(lines).unwrap_err();
        assert!(matches!(error, CaptureError::Form { .. }), "{lines:?}: {error}");
    }
    for text in [r"b'\x1'", r"b'\q'", "b'open", "b'a' b", "b'\u{e9}'"] {
        let error = captured(&[&format!("1618678132.8: {text}")]).unwrap_err();
        assert!(matches!(error, CaptureError::Literal { line: 1, .. }), "{text}: {error}");
    }
    assert_eq!(CaptureKind::of(b"configuration: {}"), Some(CaptureKind::Cryptofeed));
    assert_eq!(CaptureKind::of(b"time,price"), None);
}
