//! The journal's readers: over any bytes, the one in memory and the streaming one tell the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_core::journal::{verify, verify_stream};

fuzz_target!(|data: &[u8]| {
    let (memory, stream) = (verify(data), verify_stream(data));
    assert_eq!(memory.is_ok(), stream.is_ok());
    assert_eq!(format!("{memory:?}"), format!("{stream:?}"));
});
