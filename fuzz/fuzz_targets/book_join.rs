//! Books that are joined from a snapshot and changes.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| starling_fuzz::book_join::judge(input));
