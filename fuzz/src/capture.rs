//! Captures of other programs: any lines; a frame's text is a piece of its line, or what its literal says; and what is
//! read of a line can be written to a frame file.

use starling_market::frames::{Capture, CaptureError, CaptureKind, Direction};

pub fn judge(input: &[u8]) {
    let mut capture = Capture::new();
    let mut unstamped = 0;
    for (at, line) in input.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let before = capture.kind();
        match capture.line(line) {
            Ok(Some(captured)) => {
                let frame = captured.frame(1);
                assert!(frame.subject.len() + frame.bytes.len() < line.len(), "a stamp takes room");
                assert!(line.starts_with(frame.subject.as_bytes()));
                assert!(frame.binary || line.ends_with(frame.bytes) || frame.direction == Direction::Opened);
                assert!(capture.kind() != Some(CaptureKind::Stamped) || frame.direction == Direction::Received);
            }
            Ok(None) => unstamped += u64::from(line.starts_with(b"configuration: ")),
            Err(CaptureError::Form { line: number, .. } | CaptureError::Literal { line: number, .. }) => {
                assert_eq!(number, at as u64 + 1);
            }
            Err(other) => panic!("{other} is no fault of a line"),
        }
        assert!(before.is_none() || capture.kind() == before, "a capture is of one kind");
        assert_eq!(capture.unstamped(), unstamped);
    }
}
