//! The journal's readers.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| starling_fuzz::journal::judge(input));
