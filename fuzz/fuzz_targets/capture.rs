//! Captures of other programs.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| starling_fuzz::capture::judge(input));
