//! Captures of other programs: any lines; a frame's text is a piece of its line, or what its literal says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_market::frames::Capture;

fuzz_target!(|data: &[u8]| {
    let mut capture = Capture::new();
    for line in data.split(|b| *b == b'\n') {
        let Ok(Some(captured)) = capture.line(line) else { continue };
        let frame = captured.frame(1);
        assert!(frame.bytes.len() <= line.len());
        if !frame.binary {
            assert!(line.ends_with(frame.bytes));
        }
    }
});
